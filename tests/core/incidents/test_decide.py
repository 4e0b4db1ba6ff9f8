"""When an incident opens, is brought up again and ends, decided window by window."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.window import Window
from enigap.core.incidents.decide import decide, member_key, no_longer_watched
from enigap.core.incidents.incident import (
    WORST_NODES,
    ClusterState,
    Incident,
    News,
    NewsKind,
    NewsReason,
    Policy,
    Silence,
)
from enigap.core.incidents.outbox import merge
from enigap.core.incidents.state import MOST_MEMBERS, read_json, to_json
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind
from enigap.core.judging.verdict import Verdict
from tests.fakes.pipeline_ports import CLUSTER, judgement, report_of, window

POLICY = Policy()
NEW = ClusterState(CLUSTER)
AGREE, DEFICIT, SILENT = Verdict.AGREE, Verdict.OS_DEFICIT, Verdict.OS_SILENT
NOT_COLLECTED = Finding(FindingKind.NOT_COLLECTED, "Nobody collects: install it.")
UNREADABLE = Finding(FindingKind.UNREADABLE, "CloudWatch denied it: allow it.")


def after(
    state: ClusterState,
    report: ClusterReport,
    *,
    policy: Policy = POLICY,
    silences: Sequence[Silence] = (),
) -> ClusterState:
    """The state after a run that could say what it had to say."""
    return replace(told(state, report, policy=policy, silences=silences), outbox=())


def told(
    state: ClusterState,
    report: ClusterReport,
    *,
    policy: Policy = POLICY,
    silences: Sequence[Silence] = (),
) -> ClusterState:
    """The state after a run, with what it wants said in the outbox."""
    return decide(state, report, policy, silences, report.window.end + timedelta(minutes=12))


def nodes(count: int, *verdicts: Verdict, first: int = 0) -> dict[str, Sequence[Verdict]]:
    return {f"i-{number}": verdicts for number in range(first, first + count)}


def ids(state: ClusterState) -> list[str]:
    return [incident.id for incident in state.incidents]


def said(state: ClusterState) -> list[tuple[str, str, str]]:
    return [(n.kind.value, n.incident.id, n.why.value) for n in state.outbox]


# --- opening ---


def test_an_incident_knows_since_when_what_and_why() -> None:
    [incident] = told(NEW, report_of(window(5), {"i-1": (DEFICIT, DEFICIT)})).incidents
    assert incident.id == "prod/i-1/os_deficit"
    assert incident.since == window(4).start
    assert incident.cause == "moved_device"
    assert [node.instance_id for node in incident.nodes] == ["i-1"]
    assert incident.told_at == window(5).end


@pytest.mark.parametrize("confirm", [1, 2, 3])
def test_a_node_is_told_of_once_it_was_unexplained_for_as_many_windows_as_it_takes(confirm: int) -> None:
    policy = Policy(confirm_windows=confirm)
    for windows in range(1, 4):
        verdicts = (*[DEFICIT] * windows, *[AGREE] * (3 - windows))
        state = told(NEW, report_of(window(0), {"i-1": verdicts}), policy=policy)
        assert len(state.outbox) == (1 if windows >= confirm else 0)


def test_an_unknown_window_in_between_starts_the_count_anew() -> None:
    assert told(NEW, report_of(window(0), {"i-1": (DEFICIT, Verdict.PARTIAL, DEFICIT)})).outbox == ()


def test_a_node_whose_verdict_changes_stays_one_incident() -> None:
    state = after(NEW, report_of(window(0), {"i-1": (DEFICIT, DEFICIT)}))
    state = told(state, report_of(window(1), {"i-1": (SILENT, DEFICIT)}))
    assert ids(state) == ["prod/i-1/os_deficit"]
    assert state.outbox == ()
    assert state.incidents[0].nodes[0].verdict == "os_silent"


def test_a_window_that_was_judged_is_not_decided_again() -> None:
    state = after(NEW, report_of(window(1), {"i-1": (AGREE, AGREE)}))
    for at in (window(1), window(0)):
        with pytest.raises(ValueError, match="is not newer than"):
            told(state, report_of(at, {"i-1": (AGREE, AGREE)}))


def test_an_open_incident_is_brought_up_again_when_the_interval_is_over_and_not_before() -> None:
    state = after(NEW, report_of(window(0), {"i-1": (DEFICIT, DEFICIT)}))
    quiet = told(state, report_of(window(95), {"i-1": (DEFICIT, DEFICIT)}))
    assert quiet.outbox == ()
    state = told(quiet, report_of(window(96), {"i-1": (DEFICIT, DEFICIT)}))
    assert said(state) == [("reminder", "prod/i-1/os_deficit", "remind_interval")]


# --- many nodes ---


@pytest.mark.parametrize(("count", "incidents"), [(25, 25), (26, 1), (500, 1)])
def test_more_nodes_than_people_read_about_are_one_incident(count: int, incidents: int) -> None:
    state = told(NEW, report_of(window(0), nodes(count, SILENT, SILENT)))
    assert len(state.outbox) == incidents
    assert sum(incident.node_count for incident in state.incidents) == count
    assert max(len(incident.nodes) for incident in state.incidents) <= WORST_NODES


def test_nodes_that_fail_one_after_the_other_become_one_incident_that_began_with_the_first() -> None:
    state = after(NEW, report_of(window(1), nodes(20, SILENT, SILENT)))
    everyone = {**nodes(20, SILENT, SILENT), **nodes(20, SILENT, SILENT, first=20)}
    state = told(state, report_of(window(2), everyone))
    assert said(state) == [("opened", "prod/*/os_silent", "confirmed")]
    assert ids(state) == ["prod/*/os_silent"]
    assert state.incidents[0].since == window(0).start
    assert state.incidents[0].node_count == 40


def test_a_cluster_wide_incident_grows_without_another_word() -> None:
    state = after(NEW, report_of(window(1), nodes(30, SILENT, SILENT)))
    state = told(state, report_of(window(2), nodes(31, SILENT, SILENT)))
    assert state.outbox == ()
    assert state.incidents[0].node_count == 31


def test_a_cluster_wide_incident_is_over_when_the_last_of_its_nodes_is_explained() -> None:
    state = after(NEW, report_of(window(1), nodes(30, SILENT, SILENT)))
    almost = {**nodes(29, AGREE, AGREE), "i-29": (AGREE, SILENT)}
    state = after(state, report_of(window(2), almost))
    assert state.incidents[0].node_count == 1
    state = told(state, report_of(window(3), nodes(30, AGREE, AGREE)))
    assert said(state) == [("resolved", "prod/*/os_silent", "explained_again")]


LARGE = [30, MOST_MEMBERS + 100]


@pytest.mark.parametrize("count", LARGE)
def test_no_incident_is_over_while_one_of_its_nodes_cannot_be_read_however_large_it_is(count: int) -> None:
    state = after(NEW, report_of(window(1), nodes(count, SILENT, SILENT)))
    almost = {**nodes(count - 1, AGREE, AGREE), f"i-{count - 1}": (Verdict.UNREADABLE, SILENT)}
    state = told(state, report_of(window(2), almost))
    assert (state.incidents[0].node_count, said(state)) == (1, [])
    state = told(state, report_of(window(3), nodes(count, AGREE, AGREE)))
    assert said(state) == [("resolved", "prod/*/os_silent", "explained_again")]


@pytest.mark.parametrize("count", LARGE)
def test_nodes_with_another_verdict_are_none_of_an_incidents_however_large_it_is(count: int) -> None:
    other = nodes(3, DEFICIT, DEFICIT, first=count)
    state = after(NEW, report_of(window(1), {**nodes(count, SILENT, SILENT), **other}))
    assert {i.id: i.node_count for i in state.incidents}["prod/*/os_silent"] == count
    state = told(state, report_of(window(2), {**nodes(count, AGREE, AGREE), **other}))
    assert said(state) == [("resolved", "prod/*/os_silent", "explained_again")]
    assert len(state.incidents) == 3


@pytest.mark.parametrize("count", LARGE)
def test_a_node_that_comes_to_another_verdict_leaves_the_cluster_wide_incident(count: int) -> None:
    state = after(NEW, report_of(window(1), nodes(count, SILENT, SILENT)))
    changed = {**nodes(count - 1, SILENT, SILENT), "i-x": (AGREE, AGREE)}
    state = told(state, report_of(window(2), {**changed, f"i-{count - 1}": (DEFICIT, DEFICIT)}))
    assert said(state) == [("opened", f"prod/i-{count - 1}/os_deficit", "confirmed")]
    assert [i.node_count for i in state.incidents] == [count - 1, 1]
    rest = {**nodes(count - 1, AGREE, AGREE), f"i-{count - 1}": (DEFICIT, DEFICIT)}
    state = told(replace(state, outbox=()), report_of(window(3), rest))
    assert said(state) == [("resolved", "prod/*/os_silent", "explained_again")]


def test_when_the_last_nodes_of_an_incident_come_to_another_verdict_that_is_why_it_ends() -> None:
    state = after(NEW, report_of(window(1), nodes(30, SILENT, SILENT)))
    state = told(state, report_of(window(2), nodes(30, DEFICIT, DEFICIT)))
    assert said(state) == [
        ("resolved", "prod/*/os_silent", "other_verdict"),
        ("opened", "prod/*/os_deficit", "confirmed"),
    ]


def test_an_incident_goes_on_without_another_word_when_other_nodes_take_the_place_of_all_of_its_own() -> None:
    def both(first: Verdict, second: Verdict) -> dict[str, Sequence[Verdict]]:
        return {**nodes(40, first, first), **nodes(30, second, second, first=40)}

    state = after(NEW, report_of(window(1), both(SILENT, DEFICIT)))
    state = told(state, report_of(window(2), both(DEFICIT, SILENT)))
    assert said(state) == []
    assert {i.id: (i.node_count, i.told_at) for i in state.incidents} == {
        "prod/*/os_silent": (30, window(1).end),
        "prod/*/os_deficit": (40, window(1).end),
    }
    state = told(state, report_of(window(3), nodes(70, AGREE, AGREE)))
    assert {(kind, why) for kind, _, why in said(state)} == {("resolved", "explained_again")}
    assert len(said(state)) == 2


def test_the_nodes_of_an_incident_that_were_lost_are_found_again() -> None:
    count = MOST_MEMBERS + 200  # as the version before wrote them down, which counted
    state = after(NEW, report_of(window(1), nodes(count, SILENT, SILENT)))
    state = replace(state, incidents=(replace(state.incidents[0], members=None),))
    seen = {**nodes(count - 5, SILENT, SILENT), **nodes(5, DEFICIT, DEFICIT, first=count)}
    state = after(state, report_of(window(2), seen))
    assert state.incidents[0].node_count == count - 5 == len(state.incidents[0].members or ())
    state = told(state, report_of(window(3), dict.fromkeys(seen, (AGREE, AGREE))))
    assert ("resolved", "prod/*/os_silent", "explained_again") in said(state)


def test_an_incident_whose_nodes_were_lost_is_not_over_while_they_cannot_be_told() -> None:
    state = after(NEW, report_of(window(1), nodes(30, SILENT, SILENT)))
    state = replace(state, incidents=(replace(state.incidents[0], members=None),))
    state = told(state, report_of(window(2), nodes(30, Verdict.PARTIAL, Verdict.PARTIAL)))
    assert (len(state.incidents), said(state)) == (1, [])
    state = told(state, report_of(window(3), nodes(30, AGREE, AGREE)))
    assert said(state) == [("resolved", "prod/*/os_silent", "explained_again")]


@pytest.mark.parametrize("count", [30, MOST_MEMBERS + 100])
def test_a_cluster_wide_incident_ends_with_its_nodes(count: int) -> None:
    state = after(NEW, report_of(window(1), nodes(count, SILENT, SILENT)))
    state = told(state, report_of(window(2), {}))
    assert said(state) == [("resolved", "prod/*/os_silent", "node_gone")]
    assert state.outbox[0].incident.members is None  # nobody needs them any more, and they take room


def test_who_heard_of_one_node_hears_how_the_cluster_wide_incident_ends_though_that_is_muted() -> None:
    muted = [Silence("prod/*/os_silent", window(9).end, "known")]
    state = after(NEW, report_of(window(1), {**nodes(40, AGREE, AGREE), "i-0": (SILENT, SILENT)}))
    state = after(state, report_of(window(2), nodes(40, SILENT, SILENT)), silences=muted)
    assert ids(state) == ["prod/*/os_silent"]
    state = told(state, report_of(window(3), nodes(40, AGREE, AGREE)), silences=muted)
    assert said(state) == [("resolved", "prod/*/os_silent", "explained_again")]


def test_among_a_hundred_thousand_nodes_hardly_two_share_a_key() -> None:
    keys = {member_key(f"i-{number:017x}") for number in range(100_000)}
    assert len(keys) == 100_000
    assert {len(key) for key in keys} == {8}


def test_a_cluster_that_is_no_longer_watched_is_closed_and_what_was_told_is_told_as_over() -> None:
    muted = [Silence("prod/i-0", window(9).end, "known")]
    trouble = {**nodes(3, DEFICIT, DEFICIT), **nodes(30, SILENT, SILENT, first=3)}
    state = after(NEW, report_of(window(1), trouble), silences=muted)
    closed = no_longer_watched(state, window(2), POLICY)
    assert not closed.incidents
    assert sorted(said(closed)) == [
        ("resolved", "prod/*/os_silent", "no_longer_watched"),
        ("resolved", "prod/i-1/os_deficit", "no_longer_watched"),
        ("resolved", "prod/i-2/os_deficit", "no_longer_watched"),
    ]
    assert (closed.done, replace(closed, outbox=()).is_alive) == (window(2), False)


# --- findings ---


def test_a_finding_takes_as_long_as_it_takes_and_carries_its_reason() -> None:
    state = after(NEW, report_of(window(0), {}, finding=UNREADABLE))
    assert ids(state) == []
    state = told(state, report_of(window(1), {}, finding=UNREADABLE))
    assert said(state) == [("opened", "prod/*/unreadable", "confirmed")]
    assert state.outbox[0].incident.reason == "CloudWatch denied it: allow it."


def test_the_reason_of_a_finding_is_the_latest_one() -> None:
    state = NEW
    for number in range(2):
        state = after(state, report_of(window(number), {}, finding=UNREADABLE))
    throttled = Finding(FindingKind.UNREADABLE, "CloudWatch throttled it: ask for more.")
    state = after(state, report_of(window(2), {}, finding=throttled))
    assert [incident.reason for incident in state.incidents] == [throttled.reason]


def test_what_cannot_be_read_may_still_not_be_collected() -> None:
    policy = Policy(named_clusters=("prod",))
    state = after(NEW, report_of(window(0), nodes(1, SILENT, SILENT), finding=NOT_COLLECTED), policy=policy)
    for number in (1, 2):
        state = told(state, report_of(window(number), {}, finding=UNREADABLE), policy=policy)
    assert ids(state) == ["prod/*/not_collected", "prod/*/unreadable"]
    state = told(
        replace(state, outbox=()),
        report_of(window(3), nodes(1, SILENT, SILENT), finding=NOT_COLLECTED),
        policy=policy,
    )
    assert said(state) == [("resolved", "prod/*/unreadable", "readable_again")]


def test_a_single_unreadable_run_between_others_is_no_finding() -> None:
    state = NEW
    for number, finding in enumerate([UNREADABLE, None, UNREADABLE, None]):
        state = told(state, report_of(window(number), nodes(1, AGREE, AGREE), finding=finding))
    assert state.outbox == ()


# --- silences ---


@pytest.mark.parametrize(
    "target",
    [
        "prod/i-1/os_deficit",
        "prod/i-1",
        "prod",
        "prod/*",
        "*/os_deficit",
        "i-1",
        "os_deficit",
        "prod/*/os_deficit",
    ],
)
def test_a_silence_covers_an_incident_a_node_a_cluster_a_verdict_or_a_pattern(target: str) -> None:
    silence = Silence(target, window(1).end, "known")
    assert silence.covers("prod/i-1/os_deficit", window(1).start)
    assert not silence.covers("prod/i-1/os_deficit", window(1).end)
    assert not silence.covers("dev/i-2/os_silent", window(1).start)


@pytest.mark.parametrize("target", ["pro", "i-", "os", "prod/i-11", "prod/i-1/os_excess", ""])
def test_a_silence_covers_no_name_that_only_begins_like_its_target(target: str) -> None:
    assert not Silence(target, window(1).end, "known").covers("prod/i-1/os_deficit", window(1).start)


# --- laws ---

VERDICTS = st.sampled_from([AGREE, DEFICIT, SILENT, Verdict.PARTIAL, Verdict.UNREADABLE])
GONE = st.none()
FINDINGS = st.sampled_from([None, None, None, NOT_COLLECTED, UNREADABLE])
STEPS = st.lists(
    st.tuples(FINDINGS, st.tuples(*[VERDICTS | GONE] * 3), st.booleans()), min_size=1, max_size=12
)
Step = tuple[Finding | None, tuple[Verdict | None, ...], bool]


def reports(steps: Iterable[Step]) -> Iterable[ClusterReport]:
    """A run for each step: what three nodes come to, who of them is gone, whether there is a finding."""
    before: tuple[Verdict | None, ...] = (AGREE, AGREE, AGREE)
    for number, (finding, verdicts, _) in enumerate(steps):
        present = {
            f"i-{n}": (verdict, before[n] or Verdict.PARTIAL)
            for n, verdict in enumerate(verdicts)
            if verdict is not None
        }
        yield report_of(window(number), {} if finding else present, finding=finding)
        before = verdicts


@given(STEPS)
def test_people_hear_of_each_incident_in_order_and_never_twice(steps: list[Step]) -> None:
    state, heard = NEW, dict[str, NewsKind]()
    for report in reports(steps):
        state = told(state, report)
        for news in state.outbox:
            if news.kind is NewsKind.OPENED:
                assert heard.get(news.incident.id) in {None, NewsKind.RESOLVED}
            else:
                assert heard[news.incident.id] is not NewsKind.RESOLVED
            heard[news.incident.id] = news.kind
        state = replace(state, outbox=())
    assert {i for i, kind in heard.items() if kind is not NewsKind.RESOLVED} == set(ids(state))


@given(STEPS)
def test_however_often_nothing_can_be_said_in_the_end_everybody_knows_what_is_open(steps: list[Step]) -> None:
    state, heard = NEW, dict[str, NewsKind]()
    for report, (_, _, can_be_said) in zip(reports(steps), steps, strict=True):
        state = told(state, report)
        if can_be_said:
            heard |= {news.incident.id: news.kind for news in state.outbox}
            state = replace(state, outbox=())
    heard |= {news.incident.id: news.kind for news in state.outbox}
    assert {i for i, kind in heard.items() if kind is not NewsKind.RESOLVED} == set(ids(state))


@given(STEPS)
def test_nothing_is_over_before_its_node_is_explained_or_gone(steps: list[Step]) -> None:
    state = NEW
    for report in reports(steps):
        state = told(state, report)
        now = {node.newest.node.instance_id: node for node in report.nodes}
        for news in state.outbox:
            target = news.incident.id.split("/")[1]
            if news.kind is NewsKind.RESOLVED and target in now:
                assert now[target].explained_throughout(POLICY.resolve_windows)
                assert news.why is NewsReason.EXPLAINED_AGAIN
        state = replace(state, outbox=())


@given(STEPS)
def test_a_decision_is_the_same_whenever_it_is_made_and_whatever_the_nodes_order(steps: list[Step]) -> None:
    state = NEW
    for report in reports(steps):
        decided = told(state, report)
        assert decided == told(state, report)
        assert decided == told(read_json(to_json(state))[0], report)
        turned = told(state, replace(report, nodes=report.nodes[::-1]))
        assert set(ids(turned)) == set(ids(decided))
        assert set(said(turned)) == set(said(decided))
        state = decided


@given(STEPS)
def test_whatever_is_still_to_be_said_of_an_open_incident_is_said_as_it_stands(steps: list[Step]) -> None:
    state = NEW
    for report in reports(steps):
        state = told(state, report)
        for news in state.outbox:
            assert (news.kind is NewsKind.RESOLVED) is (news.incident not in state.incidents)


# --- merging what was not said ---


def news(number: int, kind: NewsKind, why: NewsReason, at: Window) -> News:
    node = judgement(f"i-{number}", at, DEFICIT)
    incident = Incident(f"prod/{node.node.instance_id}/os_deficit", "os_deficit", None, at.start, 1, (), None)
    return News(kind, why, incident, at)


SOME_NEWS = st.lists(
    st.builds(
        news,
        st.integers(1, 3),
        st.sampled_from(NewsKind),
        st.sampled_from(NewsReason),
        st.integers(0, 5).map(window),
    ),
    max_size=12,
)


@given(SOME_NEWS)
def test_merging_leaves_one_entry_for_each_incident(items: list[News]) -> None:
    merged = merge(items)
    assert sorted(n.incident.id for n in merged) == sorted({n.incident.id for n in items})
    assert merge(merged) == merged


@given(SOME_NEWS, SOME_NEWS)
def test_it_makes_no_difference_how_often_one_merges(earlier: list[News], later: list[News]) -> None:
    assert merge([*merge(earlier), *later]) == merge([*earlier, *later])


def test_an_opening_that_nobody_heard_of_is_not_brought_up_again_but_opened() -> None:
    opened = news(1, NewsKind.OPENED, NewsReason.CONFIRMED, window(0))
    reminder = news(1, NewsKind.REMINDER, NewsReason.REMIND_INTERVAL, window(4))
    assert merge([opened, reminder]) == (replace(reminder, kind=NewsKind.OPENED, why=NewsReason.CONFIRMED),)


def test_an_incident_that_came_and_went_unheard_is_still_told_of() -> None:
    opened = news(1, NewsKind.OPENED, NewsReason.CONFIRMED, window(0))
    resolved = news(1, NewsKind.RESOLVED, NewsReason.EXPLAINED_AGAIN, window(4))
    assert merge([opened, resolved]) == (resolved,)


def test_an_ending_that_nobody_heard_of_is_told_though_the_incident_is_open_again_and_muted() -> None:
    about = "prod/i-1/os_deficit"
    state = after(NEW, report_of(window(0), {"i-1": (DEFICIT, DEFICIT)}))
    state = told(state, report_of(window(2), {"i-1": (AGREE, AGREE)}))
    muted = [Silence(about, window(9).end, "being repaired")]
    state = told(state, report_of(window(4), {"i-1": (DEFICIT, DEFICIT)}), silences=muted)
    assert ids(state) == [about]
    assert said(state) == [("resolved", about, "explained_again")]
    assert state.outbox[0].incident.since < window(0).end < state.incidents[0].since


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ([NewsReason.NODE_GONE] * 26, "node_gone"),
        ([NewsReason.NODE_GONE] * 25 + [NewsReason.EXPLAINED_AGAIN], "explained_again"),
    ],
)
def test_endings_that_piled_up_unheard_are_told_as_one(why: list[NewsReason], expected: str) -> None:
    piled_up = tuple(news(n, NewsKind.RESOLVED, reason, window(n % 5)) for n, reason in enumerate(why))
    state = told(replace(NEW, outbox=piled_up), report_of(window(9), nodes(3, AGREE, AGREE)))
    assert said(state) == [("resolved", "prod/*/os_deficit", expected)]
    [ended] = state.outbox
    assert ended.incident.node_count == 26
    assert ended.incident.since == window(0).start


def test_endings_do_not_take_the_place_of_a_cluster_wide_incident_that_has_just_opened() -> None:
    piled_up = tuple(news(n, NewsKind.RESOLVED, NewsReason.NODE_GONE, window(0)) for n in range(26))
    state = told(replace(NEW, outbox=piled_up), report_of(window(9), nodes(30, DEFICIT, DEFICIT)))
    assert ("opened", "prod/*/os_deficit", "confirmed") in said(state)
    state = told(state, report_of(window(10), nodes(30, DEFICIT, DEFICIT)))
    assert ("opened", "prod/*/os_deficit", "confirmed") in said(state)


def test_an_opening_nobody_heard_is_told_once_the_cluster_wide_mute_is_over() -> None:
    state = told(NEW, report_of(window(0), nodes(20, SILENT, SILENT)))
    muted = [Silence("prod/*/os_silent", window(3).end, "why")]
    state = after(state, report_of(window(1), nodes(40, SILENT, SILENT)), silences=muted)
    state = told(state, report_of(window(5), nodes(40, SILENT, SILENT)))
    assert said(state) == [("opened", "prod/*/os_silent", "silence_expired")]


def test_a_cluster_that_is_known_not_to_collect_is_not_told_of_again_node_by_node() -> None:
    """One of its nodes is unreadable, and might be one that reports: nothing is found of the cluster then."""
    unreadable = {"i-9": (Verdict.UNREADABLE, Verdict.UNREADABLE)}
    state = after(NEW, report_of(window(0), nodes(3, AGREE, AGREE)))
    state = after(state, report_of(window(1), {}, finding=NOT_COLLECTED))
    state = told(state, report_of(window(2), nodes(3, SILENT, SILENT) | unreadable))
    assert ids(state) == ["prod/*/not_collected"]
    assert state.outbox == ()
    state = told(state, report_of(window(3), nodes(2, AGREE, AGREE) | nodes(1, SILENT, SILENT, first=2)))
    assert said(state) == [
        ("opened", "prod/i-2/os_silent", "confirmed"),
        ("resolved", "prod/*/not_collected", "collected_again"),
    ]


def test_how_many_nodes_could_be_judged_is_remembered_with_how_many_there_are() -> None:
    mixed = nodes(2, AGREE, AGREE) | {"i-8": (Verdict.UNVERIFIED,) * 2, "i-9": (Verdict.PARTIAL,) * 2}
    state = told(NEW, report_of(window(0), mixed))
    assert (state.nodes, state.nodes_judged) == (4, 3)
    state = told(state, report_of(window(1), {}, finding=UNREADABLE))
    assert (state.nodes, state.nodes_judged) == (4, 0)


# --- what is no fault ---

COUNTS_DIFFER = Finding(FindingKind.COUNTS_DIFFER, "EC2 counts 14 bytes a frame less.")
REMARK = f"{CLUSTER}/*/counts_differ"


def with_remark(report: ClusterReport, remark: Finding = COUNTS_DIFFER) -> ClusterReport:
    return replace(report, findings=(remark,))


def test_a_convention_is_told_once_and_neither_reminded_of_nor_resolved() -> None:
    state = told(NEW, with_remark(report_of(window(0), nodes(12, AGREE, AGREE))))
    assert said(state) == [("opened", REMARK, "confirmed")]
    state = replace(state, outbox=())
    for number in range(1, 4 * 48):
        report = report_of(window(number), nodes(12, AGREE, AGREE))
        state = told(state, with_remark(report) if number % 3 else report)
        assert not said(state)
    assert ids(state) == [REMARK]


def test_the_nodes_of_such_a_cluster_are_told_of_as_ever() -> None:
    state = told(NEW, with_remark(report_of(window(0), nodes(3, DEFICIT, DEFICIT))))
    assert {incident.verdict for incident in state.incidents} == {"os_deficit", "counts_differ"}
    assert read_json(to_json(state))[0] == state


def test_its_newest_reason_is_kept() -> None:
    state = after(NEW, with_remark(report_of(window(0), nodes(12, AGREE, AGREE))))
    newer = Finding(FindingKind.COUNTS_DIFFER, "EC2 counts 13 to 14 bytes a frame less.")
    state = after(state, with_remark(report_of(window(1), nodes(12, AGREE, AGREE)), newer))
    assert state.incidents[0].reason == newer.reason


def test_it_goes_with_the_cluster_and_without_a_word() -> None:
    state = after(NEW, with_remark(report_of(window(0), nodes(12, AGREE, AGREE))))
    state = told(state, report_of(window(1), {}))
    assert not said(state)
    assert not ids(state)


def test_a_muted_one_is_told_when_it_no_longer_is() -> None:
    muted = Silence(REMARK, window(3).end, "known")
    state = told(NEW, with_remark(report_of(window(0), nodes(12, AGREE, AGREE))), silences=[muted])
    assert not said(state)
    state = told(state, report_of(window(4), nodes(12, AGREE, AGREE)), silences=[muted])
    assert said(state) == [("opened", REMARK, "silence_expired")]


# --- agents that report too seldom


def test_a_long_interval_is_told_once_and_forgotten_when_it_is_mended() -> None:
    slow = Finding(FindingKind.LONG_INTERVAL, "The agents report every 5 min: set it to 60.")
    partial = {"i-1": (Verdict.PARTIAL, Verdict.PARTIAL)}
    state = told(NEW, replace(report_of(window(0), partial), findings=(slow,)))
    assert said(state) == [("opened", "prod/*/long_interval", "confirmed")]
    for number in range(1, 400):
        state = told(replace(state, outbox=()), replace(report_of(window(number), partial), findings=(slow,)))
        assert state.outbox == ()
    unknown = told(state, report_of(window(400), partial))
    assert (ids(unknown), unknown.outbox) == (["prod/*/long_interval"], ())
    mended = told(unknown, report_of(window(401), {"i-1": (AGREE, AGREE)}))
    assert (mended.incidents, mended.outbox) == ((), ())
