"""A fault that comes and goes is a few messages, and what people were told last is never that it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enigap.core.incidents.decide import MOST_RETURNS, decide, hold
from enigap.core.incidents.incident import ClusterState, NewsKind, Policy
from enigap.core.incidents.state import read_json, to_json
from enigap.core.judging.cluster import Finding, FindingKind
from enigap.core.judging.verdict import Verdict
from enigap.core.messages.words import notes
from enigap.settings import Settings
from tests.fakes.pipeline_ports import CLUSTER, FakeCluster, FakePipeline, report_of, window

DAY = 96
"""Windows."""


def messages_a_day(pipeline: FakePipeline, days: int) -> list[int]:
    told = []
    for day in range(days):
        before = len(pipeline.notifier.messages)
        pipeline.run_all(*(window(number) for number in range(day * DAY, (day + 1) * DAY)))
        told.append(len(pipeline.notifier.messages) - before)
    return told


@pytest.mark.parametrize(("bad", "good"), [(2, 2), (2, 3), (4, 4), (2, 6), (3, 13), (8, 16)])
def test_a_node_that_flaps_is_a_few_messages_a_day(bad: int, good: int) -> None:
    cluster = FakeCluster("i-1", "i-2")
    for number in range(3 * DAY):
        if number % (bad + good) < bad:
            cluster.play(Verdict.OS_DEFICIT, window(number), nodes=["i-1"])
    first, *later = messages_a_day(FakePipeline(cluster), 3)
    assert first <= 11
    assert max(later) <= 6


def test_an_outage_of_cloudwatch_that_flaps_is_a_few_messages_a_day() -> None:
    cluster = FakeCluster("i-1")
    cluster.find(FindingKind.UNREADABLE, *(window(number) for number in range(DAY) if number % 4 < 2))
    assert messages_a_day(FakePipeline(cluster), 1)[0] <= 7


def test_what_comes_back_once_is_told_as_before() -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_DEFICIT, window(0), window(1), window(4), window(5))
    pipeline = FakePipeline(cluster).run_all(*map(window, range(8)))
    assert [news for news, _, _ in pipeline.notifier.told] == ["opened", "resolved"] * 2


def test_it_is_resolved_once_it_has_been_over_for_a_while_and_forgotten_after_a_quiet_day() -> None:
    cluster = FakeCluster("i-1")
    bad = (0, 1, 4, 5, 8, 9)
    later = 12 + DAY + 8
    cluster.play(Verdict.OS_DEFICIT, *map(window, (*bad, later, later + 1)))
    pipeline = FakePipeline(cluster).run_all(*map(window, range(10)))
    [opened] = pipeline.notifier.messages[-1]
    assert "came back 2 times" in " ".join(notes(opened))
    pipeline.run_all(*map(window, range(10, 15)))
    assert pipeline.notifier.told[-1][0] == "opened", "over for an hour less a window"
    pipeline.run_all(window(15))
    assert pipeline.notifier.told[-1][0] == "resolved"
    pipeline.run_all(*map(window, range(16, later + 4)))
    assert [news for news, _, _ in pipeline.notifier.told[-2:]] == ["opened", "resolved"]


def test_a_flapping_node_that_is_gone_is_over_at_once() -> None:
    cluster = FakeCluster("i-1", "i-2")
    cluster.play(Verdict.OS_DEFICIT, *map(window, (0, 1, 4, 5, 8, 9)), nodes=["i-1"])
    pipeline = FakePipeline(cluster).run_all(*map(window, range(12)))
    del cluster.nodes["i-1"]
    pipeline.run(window(12))
    assert pipeline.notifier.told[-1] == ("resolved", "prod/i-1/os_deficit", "node_gone")


@settings(max_examples=30, deadline=None)
@given(
    spells=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 20)), min_size=2, max_size=20),
    remind_hours=st.sampled_from([1, 6, 24]),
)
def test_whatever_comes_and_goes_few_messages_tell_of_it_and_it_is_open_while_it_is_there(
    spells: list[tuple[int, int]], remind_hours: int
) -> None:
    policy = Policy(remind_after=timedelta(hours=remind_hours))
    plays = [is_bad for bad, good in spells for is_bad in [True] * bad + [False] * good]
    state = ClusterState(CLUSTER)
    told: list[int] = []
    for number, is_bad in enumerate(plays):
        both = [Verdict.OS_DEFICIT if each else Verdict.AGREE for each in (is_bad, plays[number - 1])]
        if not number:
            both = both[:1]
        state = decide(state, report_of(window(number), {"i-1": both}), policy, (), window(number).end)
        told += [number for news in state.outbox if news.kind is not NewsKind.REMINDER]
        state = read_json(to_json(replace(state, outbox=())))[0]
        if number and is_bad and plays[number - 1]:
            assert state.incidents, "two bad windows and nothing is open"
    day = max((sum(first <= each < first + DAY for each in told) for first in told), default=0)
    assert day <= 14 or remind_hours < 24


def test_the_hold_grows_up_to_the_reminder_interval() -> None:
    policy = Policy()
    hours = [hold(returns, policy) / timedelta(hours=1) for returns in range(9)]
    assert hours == [0, 0, 1, 2, 4, 8, 16, 24, 24]
    assert hold(10**6, Policy(remind_after=timedelta(hours=1))) == timedelta(hours=1)


def test_what_is_remembered_of_returns_is_bounded() -> None:
    nodes = [f"i-{number}" for number in range(20 * 6)]
    state, policy = ClusterState(CLUSTER), Policy()
    for number in range(24):
        bad = set(nodes[number // 4 * 20 : number // 4 * 20 + 20]) if number % 4 < 2 else set()
        verdicts = {
            node: [Verdict.OS_DEFICIT if node in bad else Verdict.AGREE] * (1 + number % 2) for node in nodes
        }
        state = decide(state, report_of(window(number), verdicts), policy, (), window(number).end)
    assert 0 < len(state.returned) <= MOST_RETURNS


def test_a_finding_that_flaps_with_something_unreadable_between_is_not_over_for_it() -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_DEFICIT, *map(window, (0, 1, 4, 5, 8, 9)))
    cluster.findings[window(12)] = Finding(FindingKind.UNREADABLE, "Nothing: do something.")
    pipeline = FakePipeline(cluster, Settings()).run_all(*map(window, range(13)))
    assert [incident.verdict for incident in pipeline.states.state().incidents] == ["os_deficit"]
    assert pipeline.states.state().incidents[0].calm_since is not None


def test_nor_is_it_there_again_because_its_node_cannot_be_judged() -> None:
    cluster = FakeCluster("i-1")
    cluster.play(Verdict.OS_DEFICIT, *map(window, (0, 1, 4, 5, 8, 9)))
    cluster.play(Verdict.PARTIAL, window(13))
    pipeline = FakePipeline(cluster).run_all(*map(window, range(16)))
    assert pipeline.notifier.told[-1][0] == "resolved"
