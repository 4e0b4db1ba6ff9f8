"""What would have been told of the past is what the pipeline would have told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.incidents.incident import NewsReason, Policy
from enigap.core.incidents.replay import Replayed, replay
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.verdict import Verdict
from tests.fakes.pipeline_ports import CLUSTER, FakeCluster, FakePipeline, window

SETTLE = timedelta(minutes=10)
DAY = 96


def replayed(cluster: FakeCluster, windows: int, policy: Policy | None = None) -> Replayed:
    reports = (cluster.assess(CLUSTER, window(number)) for number in range(windows))
    return replay(CLUSTER, reports, policy or Policy(), SETTLE)


def test_an_incident_is_told_in_its_second_window_and_ends_with_the_second_clean_one() -> None:
    cluster = FakeCluster("i-1", "i-2")
    cluster.play(Verdict.OS_DEFICIT, window(3), window(4), window(5), nodes=["i-1"])
    past = replayed(cluster, 10)
    [raised] = past.incidents
    assert raised.incident.id == "prod/i-1/os_deficit"
    assert (raised.opened, raised.ended) == (window(4), window(7))
    assert raised.why_ended is NewsReason.EXPLAINED_AGAIN
    assert raised.lasted == timedelta(hours=1, minutes=15)
    assert (past.messages, past.reminders, past.windows_judged) == (2, 0, 10)


def test_what_nobody_ended_is_open_still() -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_SILENT, *map(window, range(8, 10)))
    [raised] = replayed(cluster, 10).incidents
    assert (raised.opened, raised.ended, raised.lasted) == (window(9), None, None)


def test_reminders_are_messages_too() -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_DEFICIT, *map(window, range(2 * DAY + 10)))
    past = replayed(cluster, 2 * DAY + 10)
    assert (len(past.incidents), past.messages, past.reminders) == (1, 3, 2)


def test_another_policy_raises_other_incidents() -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_DEFICIT, window(3))
    assert replayed(cluster, 10).incidents == ()
    assert len(replayed(cluster, 10, Policy(confirm_windows=1)).incidents) == 1


def test_nodes_that_become_too_many_end_in_the_incident_of_the_whole_cluster() -> None:
    names = [f"i-{number}" for number in range(6)]
    cluster = FakeCluster(*names)
    cluster.play(Verdict.OS_SILENT, *map(window, range(2, 12)), nodes=names[:1])
    cluster.play(Verdict.OS_SILENT, *map(window, range(5, 12)), nodes=names[1:])
    one, all_of_them = replayed(cluster, 20, Policy(collapse_above=3)).incidents
    assert (one.incident.id, one.ended, one.why_ended) == ("prod/i-0/os_silent", window(6), None)
    assert (all_of_them.incident.id, all_of_them.incident.node_count) == ("prod/*/os_silent", 6)
    assert all_of_them.ended == window(13)


def test_many_endings_at_once_have_the_reason_people_would_have_been_given() -> None:
    names = [f"i-{number}" for number in range(6)]
    cluster = FakeCluster(*names)
    for number, name in enumerate(names):  # one after the other, so that they are incidents of their own
        cluster.play(Verdict.OS_SILENT, *map(window, range(number, 20)), nodes=[name])
    past = replayed(cluster, 30, Policy(collapse_above=30))
    assert {raised.why_ended for raised in past.incidents} == {NewsReason.EXPLAINED_AGAIN}


def test_silence_is_judged_by_nobody() -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.PARTIAL, *map(window, range(10)))
    assert replayed(cluster, 10).windows_judged == 0


def test_windows_out_of_order_are_refused() -> None:
    cluster = FakeCluster("i-1")
    reports = [cluster.assess(CLUSTER, window(number)) for number in (1, 0)]
    with pytest.raises(ValueError, match="not newer"):
        replay(CLUSTER, reports, Policy(), SETTLE)


verdicts = st.sampled_from([Verdict.AGREE, Verdict.OS_DEFICIT, Verdict.OS_SILENT, Verdict.PARTIAL])
histories = st.lists(st.tuples(verdicts, verdicts), min_size=1, max_size=20)


@given(histories, st.sets(st.integers(0, 19), max_size=4))
def test_it_is_what_the_pipeline_tells(history: list[tuple[Verdict, Verdict]], uncollected: set[int]) -> None:
    cluster = FakeCluster("i-1", "i-2")
    for number, pair in enumerate(history):
        for node, verdict in zip(cluster.nodes, pair, strict=True):
            cluster.play(verdict, window(number), nodes=[node])
    for number in uncollected:
        cluster.find(FindingKind.NOT_COLLECTED, window(number))
    pipeline = FakePipeline(cluster).run_all(*map(window, range(len(history))))
    past = replayed(cluster, len(history))
    assert past.messages == len(pipeline.notifier.messages)
    still_open = {raised.incident.id for raised in past.incidents if raised.ended is None}
    assert still_open == {incident.id for incident in pipeline.states.state().incidents}
