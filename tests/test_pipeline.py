"""What the pipeline does over time: who is told what, how often, and what happens when something fails."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from demo.recorded import RecordedNode, hold_constant, recorded_nodes
from enigap.assessment import Looking, Sources, assess
from enigap.core.counting.comparison import EniHistory
from enigap.core.counting.evidence import DeviceEvents, DeviceScope, MissingEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.window import FetchSpan, Window
from enigap.core.incidents.incident import Silence
from enigap.core.incidents.state import ConflictError, Known, to_json
from enigap.core.judging.case import history_of
from enigap.core.judging.cluster import ClusterReport, FindingKind, NodeReport
from enigap.core.judging.verdict import Verdict
from enigap.core.published import Metric, Publish, Scope, of
from enigap.pipeline import NotSettledError, Outcome, Planned, overdue_clusters, plan, rehearse_planning
from enigap.settings import Settings
from tests.fakes.pipeline_ports import (
    LATE,
    FakeCluster,
    FakePipeline,
    FakePublisher,
    FakeQueue,
    FakeStates,
    judgement,
    window,
)

SILENCED = Silence("prod/i-1", window(4).end + LATE, "being repaired")


def troubled(*windows: Window, verdict: Verdict = Verdict.OS_DEFICIT) -> FakePipeline:
    """A cluster of three nodes, the first of which is in trouble in these windows."""
    cluster = FakeCluster("i-1", "i-2", "i-3")
    cluster.play(verdict, *windows, nodes=["i-1"])
    return FakePipeline(cluster)


# --- opened once, resolved once ---


@dataclass
class Recorded:
    """Both ports, from recordings: node i-1 plays one of them per window."""

    plays: Mapping[Window, RecordedNode]
    otherwise: RecordedNode

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> list[tuple[Node, Readings | Unreadable]]:
        return [(node, self._play(span)[0]) for node in nodes]

    def histories(self, nodes: Sequence[Node], span: FetchSpan) -> list[tuple[Node, EniHistory | Unreadable]]:
        return [(node, history_of(self._play(span)[0])) for node in nodes]

    def devices(
        self, nodes: Sequence[Node], span: FetchSpan, _: DeviceScope
    ) -> dict[str, DeviceEvents | MissingEvidence]:
        return {node.instance_id: self._play(span)[1] for node in nodes}

    def _play(self, span: FetchSpan) -> tuple[Readings, DeviceEvents]:
        readings, events = hold_constant(self.otherwise, span)
        os, received, sent = (
            list(readings.os_bytes_per_second),
            list(readings.network_in_bytes),
            list(readings.network_out_bytes),
        )
        samples = list(events.samples)
        for at, recording in self.plays.items():
            other, other_events = hold_constant(recording, span)
            for minute in range(span.minutes):
                if at.start <= span.start + timedelta(minutes=minute) < at.end:
                    os[minute] = other.os_bytes_per_second[minute]
            for period in range(span.periods):
                if at.start <= span.start + timedelta(minutes=5 * period) < at.end:
                    received[period], sent[period] = (
                        other.network_in_bytes[period],
                        other.network_out_bytes[period],
                    )
            samples = [s for s in samples if not at.start < s.at <= at.end]
            samples += [s for s in other_events.samples if at.start < s.at <= at.end]
        changed = replace(
            readings,
            os_bytes_per_second=tuple(os),
            network_in_bytes=tuple(received),
            network_out_bytes=tuple(sent),
        )
        return changed, DeviceEvents(tuple(samples))


def test_the_recorded_fault_is_told_after_two_windows_and_its_end_once_the_devices_exclude_it() -> None:
    recordings = {node.key: node for node in recorded_nodes()}
    source = Recorded({window(n): recordings["g1"] for n in (1, 2, 3)}, recordings["c"])
    pipeline = FakePipeline(FakeCluster("i-1"))

    def judge_recordings(cluster: str, at: Window, is_followed: Callable[[str], bool]) -> ClusterReport:
        node = Node(cluster, "i-1", "ip-1")
        settings = pipeline.settings
        return assess(
            cluster,
            [node],
            at,
            settings.rules(),
            Sources(source, source),
            Looking(
                settings.evidence,
                settings.look_back,
                settings.evidence_max_nodes,
                is_followed=is_followed,
            ),
        )

    pipeline.assess = judge_recordings
    said = [len(pipeline.run(window(n)).news) for n in range(12)]
    assert said == [0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert pipeline.notifier.told == [
        ("opened", "prod/i-1/os_deficit", "confirmed"),
        ("resolved", "prod/i-1/os_deficit", "explained_again"),
    ]


def test_one_bad_window_is_nobodys_news() -> None:
    pipeline = troubled(window(1)).run_all(*map(window, range(4)))
    assert pipeline.notifier.messages == []


def test_five_hundred_nodes_that_fail_at_once_are_one_message() -> None:
    cluster = FakeCluster(*(f"i-{n}" for n in range(500)))
    cluster.play(Verdict.OS_SILENT, window(1), window(2))
    pipeline = FakePipeline(cluster).run_all(*map(window, range(6)))
    opened, resolved = pipeline.notifier.messages
    assert [n.incident.id for n in opened] == ["prod/*/os_silent"]
    assert opened[0].incident.node_count == 500
    assert [(n.incident.id, n.kind.value) for n in resolved] == [("prod/*/os_silent", "resolved")]


def test_everything_that_happens_in_one_run_is_one_message() -> None:
    cluster = FakeCluster("i-1", "i-2", "i-3")
    cluster.play(Verdict.OS_DEFICIT, window(0), window(1), nodes=["i-1"])
    cluster.play(Verdict.OS_EXCESS, window(2), window(3), nodes=["i-2"])
    pipeline = FakePipeline(cluster).run_all(*map(window, range(4)))
    assert [[n.kind.value for n in news] for news in pipeline.notifier.messages] == [
        ["opened"],
        ["resolved", "opened"],
    ]


def test_an_open_incident_is_brought_up_again_once_per_interval() -> None:
    days = 3
    windows = [window(n) for n in range(days * 96)]
    pipeline = troubled(*windows).run_all(*windows)
    assert Counter(news for news, _, _ in pipeline.notifier.told) == {"opened": 1, "reminder": days - 1}


def test_nodes_that_are_gone_close_their_incident_with_that_reason() -> None:
    pipeline = troubled(window(0), window(1)).run_all(window(0), window(1))
    del pipeline.cluster.nodes["i-1"]
    pipeline.run(window(2))
    assert pipeline.notifier.told[-1] == ("resolved", "prod/i-1/os_deficit", "node_gone")


# --- silence is not zero, failure is not silence ---

NOTHING_KNOWN = [v for v in Verdict if v.explained is None]


@pytest.mark.parametrize("verdict", NOTHING_KNOWN)
def test_a_node_that_cannot_be_judged_resolves_nothing(verdict: Verdict) -> None:
    pipeline = troubled(window(0), window(1))
    pipeline.cluster.play(verdict, *map(window, range(2, 8)), nodes=["i-1"])
    pipeline.run_all(*map(window, range(8)))
    assert [news for news, _, _ in pipeline.notifier.told] == ["opened"]
    pipeline.run_all(window(8), window(9))
    assert [news for news, _, _ in pipeline.notifier.told] == ["opened", "resolved"]


def test_a_missing_window_between_two_clean_ones_does_not_resolve() -> None:
    pipeline = troubled(window(0), window(1))
    pipeline.cluster.play(Verdict.PARTIAL, window(3), nodes=["i-1"])
    pipeline.run_all(*map(window, range(5)))
    assert [news for news, _, _ in pipeline.notifier.told] == ["opened"]


def test_an_outage_of_cloudwatch_is_one_notice_and_ends_no_incident() -> None:
    pipeline = troubled(window(0), window(1))
    pipeline.cluster.find(FindingKind.UNREADABLE, *map(window, range(2, 10)))
    pipeline.run_all(*map(window, range(10)))
    assert pipeline.notifier.told == [
        ("opened", "prod/i-1/os_deficit", "confirmed"),
        ("opened", "prod/*/unreadable", "confirmed"),
    ]
    assert pipeline.notifier.messages[1][0].incident.reason == "The reason for unreadable: do something."
    assert pipeline.notifier.messages[1][0].incident.node_count == 3
    pipeline.run_all(window(10), window(11))
    assert set(pipeline.notifier.told[2:]) == {
        ("resolved", "prod/*/unreadable", "readable_again"),
        ("resolved", "prod/i-1/os_deficit", "explained_again"),
    }


def test_a_cluster_that_cannot_be_read_does_not_look_healthy() -> None:
    pipeline = troubled()
    pipeline.cluster.find(FindingKind.UNREADABLE, window(1))
    pipeline.run_all(window(0), window(1))
    assert pipeline.published("NodesUnreadable", window(0)) == 0
    assert pipeline.published("NodesUnreadable", window(1)) == 1
    assert pipeline.published("NodesJudged", window(1)) == 0
    assert pipeline.published("OsBytesPerSecond", window(1)) is None


def test_a_cluster_that_cannot_be_read_is_planned_again() -> None:
    pipeline = troubled()
    pipeline.cluster.find(FindingKind.UNREADABLE, window(1))
    pipeline.run_all(window(0), window(1))
    assert [known.is_alive for known in pipeline.states.known()] == [True]


def test_a_cluster_that_stops_collecting_is_one_finding() -> None:
    cluster = FakeCluster(*(f"i-{n}" for n in range(40)))
    cluster.find(FindingKind.NOT_COLLECTED, window(1), window(2), window(3))
    pipeline = FakePipeline(cluster).run_all(*map(window, range(6)))
    assert pipeline.notifier.told == [
        ("opened", "prod/*/not_collected", "confirmed"),
        ("resolved", "prod/*/not_collected", "collected_again"),
    ]


@pytest.mark.parametrize(("clusters", "messages"), [((), 0), (("prod",), 1), (("pro*",), 0)])
def test_a_cluster_that_never_collected_is_news_only_to_those_who_named_it(
    clusters: tuple[str, ...], messages: int
) -> None:
    cluster = FakeCluster("i-1")
    cluster.find(FindingKind.NOT_COLLECTED, *map(window, range(3)))
    pipeline = FakePipeline(cluster, Settings(clusters=clusters)).run_all(*map(window, range(3)))
    assert len(pipeline.notifier.messages) == messages


def test_a_deleted_cluster_leaves_no_incident_open_and_is_not_planned_again() -> None:
    cluster = FakeCluster("i-1", "i-2")
    cluster.find(FindingKind.NOT_COLLECTED, window(1))
    pipeline = FakePipeline(cluster).run_all(window(0), window(1))
    cluster.nodes.clear()
    pipeline.run(window(2))
    assert pipeline.notifier.told[-1] == ("resolved", "prod/*/not_collected", "node_gone")
    assert [known.is_alive for known in pipeline.states.known()] == [False]


def test_a_name_without_nodes_is_told_once_confirmed_and_never_reminded_of() -> None:
    cluster = FakeCluster()
    cluster.find(FindingKind.NOT_FOUND, *map(window, range(120)))
    pipeline = FakePipeline(cluster, Settings(clusters=("prod",), confirm_windows=3))
    pipeline.run_all(window(0), window(1))
    assert pipeline.notifier.told == []
    pipeline.run_all(*map(window, range(2, 120)))
    assert pipeline.notifier.told == [("opened", "prod/*/not_found", "confirmed")]


def test_what_is_not_found_is_found_when_it_has_nodes_and_unknown_while_nothing_can_be_read() -> None:
    cluster = FakeCluster()
    cluster.find(FindingKind.NOT_FOUND, window(0), window(1), window(3))
    cluster.find(FindingKind.UNREADABLE, window(2))
    pipeline = FakePipeline(cluster).run_all(*map(window, range(4)))
    cluster.nodes["i-1"] = None
    pipeline.run(window(4))
    assert pipeline.notifier.told == [
        ("opened", "prod/*/not_found", "confirmed"),
        ("resolved", "prod/*/not_found", "found"),
    ]


def test_incidents_of_nodes_end_when_their_cluster_is_not_found_any_more() -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_DEFICIT, window(0), window(1))
    cluster.find(FindingKind.NOT_FOUND, window(2))
    pipeline = FakePipeline(cluster).run_all(*map(window, range(3)))
    assert pipeline.notifier.told[-1] == ("resolved", "prod/i-1/os_deficit", "node_gone")


# --- silences ---


def test_a_silence_mutes_and_when_it_is_over_what_is_still_open_is_told() -> None:
    pipeline = troubled(*map(window, range(8)))
    pipeline.states.silences.append(SILENCED)
    pipeline.run_all(*map(window, range(4)))
    assert pipeline.notifier.messages == []
    pipeline.run_all(*map(window, range(4, 7)))
    assert pipeline.notifier.told == [("opened", "prod/i-1/os_deficit", "silence_expired")]


def test_what_was_muted_from_beginning_to_end_is_never_mentioned() -> None:
    pipeline = troubled(window(0), window(1))
    pipeline.states.silences.append(SILENCED)
    pipeline.run_all(*map(window, range(8)))
    assert pipeline.notifier.messages == []


def test_who_was_told_before_the_silence_hears_how_it_ended() -> None:
    pipeline = troubled(window(0), window(1)).run_all(window(0), window(1))
    pipeline.states.silences.append(SILENCED)
    pipeline.run_all(window(2), window(3))
    assert [news for news, _, _ in pipeline.notifier.told] == ["opened", "resolved"]


# --- metrics ---


def test_zeros_are_published_by_every_run() -> None:
    pipeline = troubled().run_all(window(0), window(1))
    for metric in of(Scope.CLUSTER):
        assert pipeline.published(metric.name, window(1)) is not None, metric.name
    for name in ("NodesUnexplained", "NodesUnverified", "NodesSilent", "NodesUnreadable"):
        assert pipeline.published(name, window(1)) == 0


def test_the_metric_without_dimensions_has_what_the_cluster_has() -> None:
    pipeline = troubled(window(0)).run_all(window(0))
    stamp = window(0).end + pipeline.settings.settle
    assert pipeline.publisher.without_dimensions("NodesUnexplained", stamp) == 1


# --- the same again, too late, in the wrong order ---


def test_the_same_work_item_twice_says_nothing_twice_and_changes_nothing() -> None:
    pipeline = troubled(window(0), window(1)).run_all(window(0), window(1))
    before = dict(pipeline.states.items)
    done = pipeline.run(window(1))
    assert done.outcome is Outcome.ALREADY_DONE
    assert pipeline.states.items == before
    assert len(pipeline.notifier.messages) == 1


def test_an_older_window_is_published_and_changes_no_state() -> None:
    pipeline = troubled(window(0), window(1)).run_all(window(2))
    before = dict(pipeline.states.items)
    done = pipeline.run(window(1), now=window(2).end + LATE)
    assert done.outcome is Outcome.OLDER
    assert pipeline.states.items == before
    assert pipeline.published("NodesUnexplained", window(1)) == 1
    assert pipeline.notifier.messages == []


# --- windows that were missed ---


def test_a_fault_that_was_confirmed_in_a_missed_window_is_told_by_the_next_run() -> None:
    pipeline = troubled(window(1), window(2)).run_all(window(0), window(1))
    done = pipeline.run(window(3))  # window 2 failed for good
    assert (done.caught_up, done.missed) == (1, 0)
    assert told(pipeline) == ["opened i-1/os_deficit (confirmed)"]
    assert pipeline.published("NodesUnexplained", window(2)) == 1
    pipeline.run(window(4))
    assert told(pipeline)[1:] == ["resolved i-1/os_deficit (explained_again)"]


def test_what_came_and_went_while_nobody_judged_is_told_once_as_over() -> None:
    pipeline = troubled(*(window(n) for n in range(2, 6))).run_all(window(0), window(9))
    assert told(pipeline) == ["resolved i-1/os_deficit (was_and_is_over)"]
    assert pipeline.notifier.messages[0][0].incident.since == window(2).start
    pipeline.run_all(window(10))
    for number in range(1, 9):  # the dead letters go back
        done = pipeline.run(window(number), now=window(10).end + LATE)
        assert done.outcome is Outcome.OLDER
    assert len(told(pipeline)) == 1


@pytest.mark.parametrize("outage", [4, 8, 30, 96, 120], ids="{} windows".format)
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "newest first"])
def test_a_run_reaches_three_hours_back_and_work_items_tell_of_what_was_before(
    outage: int, order: int
) -> None:
    fault = [window(n) for n in (2, 3, 4, 5)]
    pipeline = troubled(*fault).run_all(window(0), window(outage))
    state = pipeline.states.state()
    assert state.missed == tuple(window(n) for n in range(max(1, outage - 108), max(1, outage - 12)))
    late = [window(n) for n in range(1, outage)][::order]
    for each in late:
        pipeline.run(each, now=window(outage).end + LATE)
    assert pipeline.states.state().missed == ()
    is_remembered = outage < 108
    expected = ["opened" if outage == 4 else "resolved"] if is_remembered else []
    assert [line.split()[0] for line in told(pipeline)] == expected


def test_a_missed_window_that_still_cannot_be_read_stays_missed() -> None:
    pipeline = troubled().run_all(window(0), window(30))
    missed = pipeline.states.state().missed
    pipeline.cluster.find(FindingKind.UNREADABLE, missed[0])
    assert pipeline.run(missed[0], now=window(30).end + LATE).outcome is Outcome.OLDER
    assert pipeline.states.state().missed == missed
    pipeline.cluster.findings.clear()
    assert pipeline.run(missed[0], now=window(30).end + LATE).outcome is Outcome.LATE
    assert pipeline.states.state().missed == missed[1:]


def test_a_missed_window_waits_for_what_the_window_after_it_says() -> None:
    pipeline = troubled(window(1), window(2)).run_all(window(0), window(30))
    pipeline.cluster.find(FindingKind.UNREADABLE, window(3))
    assert pipeline.run(window(2), now=window(30).end + LATE).outcome is Outcome.OLDER
    assert told(pipeline) == []
    pipeline.cluster.findings.clear()
    pipeline.run(window(2), now=window(30).end + LATE)
    assert told(pipeline) == ["resolved i-1/os_deficit (was_and_is_over)"]


def test_what_is_over_waits_until_newer_news_of_the_same_incident_was_sent() -> None:
    pipeline = troubled(window(1), window(2), window(30), window(31)).run_all(window(0), window(30))
    pipeline.notifier.is_down = True
    with pytest.raises(ConnectionError):
        pipeline.run(window(31))
    with pytest.raises(ConflictError, match="retry"):
        pipeline.run(window(2), now=window(31).end + LATE)
    pipeline.notifier.is_down = False
    pipeline.run_all(window(31))
    pipeline.run(window(2), now=window(31).end + LATE)
    assert told(pipeline) == [
        "opened i-1/os_deficit (confirmed)",
        "resolved i-1/os_deficit (was_and_is_over)",
    ]


@pytest.mark.parametrize("order", [[3, 5], [5, 3]], ids=["in order", "newest first"])
def test_the_last_trace_of_a_fault_in_a_missed_window_is_not_told_as_another_one(order: list[int]) -> None:
    pipeline = troubled(*(window(n) for n in (1, 2, 3)), window(20), window(21)).run_all(
        window(0), window(35)
    )
    plain = pipeline.cluster.assess

    def assess(cluster: str, at: Window, is_followed: Callable[[str], bool]) -> ClusterReport:
        """What window 5 shows began in window 3."""
        faulty = NodeReport(judgement("i-1", at, Verdict.OS_DEFICIT), (Verdict.OS_DEFICIT,) * 2)
        report = plain(cluster, at, is_followed)
        return replace(report, nodes=(faulty,)) if at == window(5) else report

    pipeline.assess = assess
    for number in (*order, 1, 2, 4, 6, 21, 20, 22):
        pipeline.run(window(number), now=window(35).end + LATE)
    assert told(pipeline) == ["resolved i-1/os_deficit (was_and_is_over)"] * 2


def test_what_was_told_before_an_outage_is_not_told_again_by_its_missed_windows() -> None:
    pipeline = troubled(*(window(n) for n in range(1, 5))).run_all(window(0), window(1), window(2))
    pipeline.run(window(30))
    assert told(pipeline) == [
        "opened i-1/os_deficit (confirmed)",
        "resolved i-1/os_deficit (explained_again)",
    ]
    for each in pipeline.states.state().missed:
        pipeline.run(each, now=window(30).end + LATE)
    assert len(told(pipeline)) == 2
    assert (pipeline.states.state().missed, pipeline.states.state().ended) == ((), ())


def test_windows_that_could_not_be_read_are_caught_up_with() -> None:
    pipeline = troubled(*(window(n) for n in range(2, 6)))
    pipeline.cluster.find(FindingKind.UNREADABLE, *(window(n) for n in range(2, 8)))
    pipeline.run_all(*(window(n) for n in range(8)))
    assert pipeline.states.state().missed == tuple(window(n) for n in range(2, 8))
    pipeline.cluster.findings.clear()
    pipeline.run_all(window(8))
    assert told(pipeline) == [
        "opened */unreadable (confirmed)",
        "resolved */unreadable (readable_again)",
        "resolved i-1/os_deficit (was_and_is_over)",
    ]
    assert pipeline.states.state().missed == ()


def test_how_far_a_run_reaches_back_hangs_on_how_much_it_may_read() -> None:
    pipeline = troubled().run_all(window(0))
    pipeline.assess = lambda name, at, is_followed: replace(
        pipeline.cluster.assess(name, at, is_followed), node_count=30_000
    )
    done = pipeline.run(window(9))
    assert (done.caught_up, done.missed) == (3, 5)


def test_a_cluster_without_nodes_misses_nothing() -> None:
    pipeline = troubled().run_all(window(0))
    pipeline.cluster.nodes.clear()
    pipeline.run_all(window(1), window(90))
    assert pipeline.states.state().missed == ()


def test_with_an_hourly_schedule_only_whole_hours_are_missed() -> None:
    pipeline = FakePipeline(FakeCluster("i-1"), Settings(schedule_minutes=60))
    pipeline.run_all(window(0), window(4))
    assert pipeline.run(window(16)).caught_up == 2


def told(pipeline: FakePipeline) -> list[str]:
    """What people were told, in order."""
    return [
        f"{news.kind.value} {news.incident.id.partition('/')[2]} ({news.why.value})"
        for message in pipeline.notifier.messages
        for news in sorted(message, key=lambda each: each.incident.id)
    ]


def test_an_older_window_leaves_what_is_still_to_be_said_to_the_newer_ones_message() -> None:
    pipeline = troubled(window(1), window(2)).run_all(window(0))
    pipeline.notifier.is_down = True
    with pytest.raises(ConnectionError):
        pipeline.run(window(2))
    pipeline.notifier.is_down = False
    pipeline.run(window(1), now=window(2).end + LATE)
    assert pipeline.notifier.messages == []
    pipeline.run(window(2))
    assert len(pipeline.notifier.messages) == 1


def test_repeating_a_window_publishes_the_same_values_under_the_same_timestamps() -> None:
    pipeline = troubled(window(0), window(1)).run_all(window(0), window(2), window(1))
    once = {key: set(values) for key, values in pipeline.publisher.values.items()}
    pipeline.run(window(1), now=window(2).end + LATE)
    assert pipeline.publisher.values == once
    cluster_values = [values for (_, dimensions, _), values in once.items() if dimensions]
    assert all(len(values) == 1 for values in cluster_values)


def test_a_window_that_has_not_settled_is_refused_before_anything_is_touched() -> None:
    pipeline = troubled()
    with pytest.raises(NotSettledError, match="cannot be judged yet: the newest that has settled ends at"):
        pipeline.run(window(96 * 365), now=window(0).end + LATE)
    assert pipeline.states.items == {}
    assert not pipeline.publisher.values


# --- when nobody can be told ---


def test_what_could_not_be_said_is_said_when_it_can_be_and_as_it_stands_by_then() -> None:
    cluster = FakeCluster("i-1", "i-2", "i-3")
    cluster.play(Verdict.OS_DEFICIT, *map(window, range(8)), nodes=["i-1"])
    cluster.play(Verdict.OS_SILENT, window(0), window(1), nodes=["i-2"])
    pipeline = FakePipeline(cluster)
    pipeline.notifier.is_down = True
    pipeline.run(window(0))
    for n in range(1, 5):
        with pytest.raises(ConnectionError):
            pipeline.run(window(n))
    pipeline.notifier.is_down = False
    pipeline.run(window(4))
    [message] = pipeline.notifier.messages
    assert {(n.kind.value, n.incident.id) for n in message} == {
        ("opened", "prod/i-1/os_deficit"),
        ("resolved", "prod/i-2/os_silent"),
    }
    pipeline.run_all(window(5), window(6))
    assert len(pipeline.notifier.messages) == 1


def test_days_without_a_topic_do_not_fill_the_state() -> None:
    """In every window three other nodes fail, and come back two windows later; nobody can be told."""
    windows = [window(n) for n in range(96)]
    cluster = FakeCluster(*(f"i-{n:017x}" for n in range(3 * len(windows))))
    for n, at in enumerate(windows):
        cluster.play(Verdict.OS_SILENT, at, at.next(), nodes=list(cluster.nodes)[3 * n :][:3])
    pipeline = FakePipeline(cluster, Settings(publish=Publish.CLUSTER))
    pipeline.notifier.is_down = True
    sizes = []
    for at in windows:
        with suppress(ConnectionError):
            pipeline.run(at)
        sizes.append(len(to_json(pipeline.states.state())))
    assert max(sizes) < 25_000
    pipeline.notifier.is_down = False
    pipeline.run(windows[-1])
    [message] = pipeline.notifier.messages
    ended = sum(n.incident.node_count for n in message if n.kind.value == "resolved")
    still_open = sum(n.incident.node_count for n in message if n.kind.value == "opened")
    assert still_open == 6
    assert ended + still_open == 3 * (len(windows) - 1)


# --- planning ---

NOW = window(100).end + LATE
NEWEST = window(100)


@dataclass
class Desk:
    """What a plan is made with."""

    states: FakeStates
    publisher: FakePublisher
    queue: FakeQueue

    def plan(self, *clusters: str, at: Window = NEWEST, settings: Settings | None = None) -> list[str]:
        """The clusters that were queued."""
        done = plan(
            at,
            account="123456789012",
            region="eu-west-1",
            settings=settings or Settings(),
            now=NOW,
            clusters=lambda: clusters,
            states=self.states,
            publisher=self.publisher,
            queue=self.queue,
        )
        assert list(done.clusters) == [item.cluster for item in self.queue.items]
        assert {item.window for item in self.queue.items} <= {at}
        return [item.cluster for item in self.queue.items]

    def remember(self, cluster: FakeCluster, *windows: Window, settings: Settings | None = None) -> None:
        """Judge a cluster in these windows, so that it is known."""
        pipeline = FakePipeline(cluster, settings)
        pipeline.states = self.states
        pipeline.run_all(*windows)

    @property
    def overdue(self) -> float | None:
        return self.publisher.without_dimensions("ClustersOverdue", NOW)

    @property
    def plans_made(self) -> float | None:
        return self.publisher.without_dimensions("PlansMade", NOW)


@pytest.fixture
def desk() -> Desk:
    return Desk(FakeStates(), FakePublisher(), FakeQueue())


def test_every_cluster_that_is_there_gets_a_work_item(desk: Desk) -> None:
    assert desk.plan("prod", "dev", "prod") == ["dev", "prod"]
    assert {(item.account, item.region) for item in desk.queue.items} == {("123456789012", "eu-west-1")}


def test_a_plan_without_clusters_says_that_none_is_overdue(desk: Desk) -> None:
    assert desk.plan() == []
    assert desk.overdue == 0


def test_a_cluster_without_nodes_is_planned_until_its_incidents_are_closed(desk: Desk) -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_DEFICIT, NEWEST.previous(2), NEWEST.previous(1))
    desk.remember(cluster, NEWEST.previous(2), NEWEST.previous(1))
    assert desk.plan() == ["prod"]
    cluster.nodes.clear()
    desk.remember(cluster, NEWEST)
    desk.queue.items.clear()
    assert desk.plan() == []


def test_a_cluster_with_something_left_to_say_is_planned_though_nothing_is_left_of_it(desk: Desk) -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_DEFICIT, NEWEST.previous(3), NEWEST.previous(2))
    desk.remember(cluster, NEWEST.previous(3), NEWEST.previous(2))
    cluster.nodes.clear()
    pipeline = FakePipeline(cluster)
    pipeline.states, pipeline.notifier.is_down = desk.states, True
    with pytest.raises(ConnectionError):
        pipeline.run(NEWEST.previous())
    assert desk.plan() == ["prod"]


def test_a_cluster_that_is_no_longer_watched_is_told_once_and_no_longer_planned(desk: Desk) -> None:
    pipeline = FakePipeline(FakeCluster("i-1", cluster="staging"))
    pipeline.cluster.play(Verdict.OS_DEFICIT, *(NEWEST.previous(n) for n in (9, 10)))
    desk.states = pipeline.states
    pipeline.run_all(NEWEST.previous(9))
    pipeline.settings = Settings(clusters=("prod",))
    assert desk.plan("prod", "staging", settings=pipeline.settings) == ["prod", "staging"]
    assert desk.overdue == 0
    for _ in range(2):
        pipeline.run_all(NEWEST)
    assert told(pipeline)[1:] == ["resolved i-1/os_deficit (no_longer_watched)"]
    desk.queue.items.clear()
    assert desk.plan("prod", "staging", settings=pipeline.settings) == ["prod"]


def test_a_cluster_that_is_no_longer_watched_and_was_never_judged_is_closed_without_a_word(
    desk: Desk,
) -> None:
    desk.states.note_planned("staging", NEWEST)
    settings = Settings(clusters=("pro*",))
    assert desk.plan(settings=settings) == ["staging"]
    desk.remember(FakeCluster(cluster="staging"), NEWEST, settings=settings)
    desk.queue.items.clear()
    assert desk.plan(settings=settings) == []


def test_a_cluster_that_was_not_judged_for_two_schedules_is_overdue(desk: Desk) -> None:
    desk.remember(FakeCluster("i-1"), NEWEST.previous(3))
    desk.plan("prod")
    assert desk.overdue == 1


def test_a_cluster_that_was_judged_two_schedules_ago_is_not_overdue_yet(desk: Desk) -> None:
    desk.remember(FakeCluster("i-1"), NEWEST.previous(2))
    desk.plan("prod")
    assert desk.overdue == 0


def test_a_cluster_that_is_planned_and_never_judged_becomes_overdue(desk: Desk) -> None:
    desk.plan("prod")
    assert desk.overdue == 0
    later = NOW + timedelta(hours=1)
    assert overdue_clusters(desk.states.known(), Settings(), later) == ("prod",)


def test_planning_an_old_window_again_does_not_hide_that_a_cluster_is_overdue(desk: Desk) -> None:
    desk.remember(FakeCluster("i-1"), window(0))
    desk.plan("prod", at=window(1))
    assert desk.overdue == 1


def test_the_first_plan_of_a_cluster_counts_and_later_ones_do_not_move_it(desk: Desk) -> None:
    desk.states.note_planned("prod", NEWEST.previous(7))
    desk.plan("prod")
    assert list(desk.states.known()) == [Known("prod", NEWEST.previous(7).end, is_alive=True)]
    assert desk.overdue == 1


def test_a_window_that_has_not_settled_is_not_planned(desk: Desk) -> None:
    with pytest.raises(NotSettledError):
        desk.plan("prod", at=NEWEST.next())
    assert desk.queue.items == []


class BrokenError(Exception):
    pass


def broken(*_: object) -> tuple[str, ...]:
    raise BrokenError


def plan_with(desk: Desk, clusters: Callable[[], tuple[str, ...]]) -> Planned:
    return plan(
        NEWEST,
        account="123456789012",
        region="eu-west-1",
        settings=Settings(),
        now=NOW,
        clusters=clusters,
        states=desk.states,
        publisher=desk.publisher,
        queue=desk.queue,
    )


def test_known_clusters_are_queued_and_the_metrics_told_before_anything_is_looked_for(desk: Desk) -> None:
    desk.states.note_planned("prod", NEWEST.previous(7))
    seen: list[object] = []

    def looked_for() -> tuple[str, ...]:
        seen.append(([item.cluster for item in desk.queue.items], desk.overdue, desk.plans_made))
        return ("dev", "prod")

    plan_with(desk, looked_for)
    assert seen == [(["prod"], 1, 1)]
    assert [item.cluster for item in desk.queue.items] == ["prod", "dev"]


@pytest.mark.parametrize("what", ["queue", "publisher", "clusters", "states"])
def test_whatever_fails_in_a_plan_the_other_steps_are_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    desk.states.note_planned("prod", NEWEST.previous(1))
    ports = {
        "queue": (desk.queue, "send"),
        "publisher": (desk.publisher, "publish"),
        "states": (desk.states, "note_planned"),
    }
    if what in ports:
        monkeypatch.setattr(*ports[what], broken)
    with pytest.raises(BrokenError):
        plan_with(desk, broken if what == "clusters" else lambda: ("dev",))
    queued = {"queue": [], "clusters": ["prod"]}.get(what, ["prod", "dev"])
    assert [item.cluster for item in desk.queue.items] == queued
    assert desk.plans_made == (None if what == "publisher" else 1)


def test_a_plan_that_cannot_read_the_states_says_that_it_was_made_and_queues_what_it_finds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.states.note_planned("prod", NEWEST.previous(7))
    monkeypatch.setattr(desk.states, "known", broken)
    with pytest.raises(BrokenError):
        plan_with(desk, lambda: ("dev", "prod"))
    assert [item.cluster for item in desk.queue.items] == ["dev", "prod"]
    assert desk.plans_made == 1
    assert "ClustersOverdue" not in {name for name, _, _ in desk.publisher.values}


def test_a_cluster_that_comes_back_and_was_not_judged_is_overdue_in_the_same_plan(desk: Desk) -> None:
    cluster = FakeCluster("i-1")
    desk.remember(cluster, NEWEST.previous(9))
    cluster.nodes.clear()
    desk.remember(cluster, NEWEST.previous(8))
    desk.plan("prod")
    assert desk.publisher.values["ClustersOverdue", (), NOW] == {0, 1}, "the maximum counts"


def test_a_rehearsal_plans_nothing_and_says_what_is_overdue(desk: Desk) -> None:
    rehearse_planning(
        settings=Settings(),
        now=NOW,
        clusters=lambda: ["prod"],
        states=desk.states,
        publisher=desk.publisher,
    )
    assert (desk.overdue, desk.plans_made) == (0, 1)
    assert desk.queue.items == []
    assert desk.states.items == {}


def test_the_metrics_that_are_published_are_the_ones_that_are_documented() -> None:
    pipeline = troubled(window(0), window(1)).run_all(window(0), window(1))
    names = {name for name, _, _ in pipeline.publisher.values}
    assert names == {metric.metric_name for metric in Metric} - {"ClustersOverdue", "PlansMade"}
