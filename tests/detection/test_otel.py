"""The same lives, as the classic Container Insights and the OpenTelemetry one publish them, judged alike."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import cache
from statistics import median
from typing import Final

import pytest

from enigap.core.judging.verdict import Verdict
from tests.detection.both_sources import (
    FAULTS,
    Both,
    Difference,
    Side,
    drawn,
    judged,
    judged_from_both,
    report_from_slow_counters,
)
from tests.fakes.node_life import Churn, Wrong

LIVES: Final = 300


@cache
def lives() -> tuple[Both, ...]:
    return tuple(map(judged, range(LIVES)))


def test_no_life_breaks_what_must_hold_of_each() -> None:
    """No opposite verdicts, no false fault, no difference but where an interval leaves both verdicts open,
    and the truth in the interval."""
    assert [(each.life.seed, each.verdicts, each.broken) for each in lives() if each.broken] == []


def test_most_verdicts_are_the_same() -> None:
    differences = Counter(each.difference for each in lives())
    assert differences[Difference.NONE] > 0.7 * LIVES
    assert differences[Difference.BY_EVENTS] < 0.01 * LIVES
    assert differences[Difference.BY_COUNTERS] > 10 * differences[Difference.BY_EVENTS]


@pytest.mark.parametrize("wrong", [Wrong.DEFICIT, Wrong.EXCESS, Wrong.MOVED])
def test_either_source_proves_faults_of_each_kind_and_the_counters_no_fewer(wrong: Wrong) -> None:
    faulty = [each for each in lives() if each.life.mishap and each.life.mishap.wrong is wrong]
    by_events, by_counters = (sum(each.verdicts[n] in FAULTS for each in faulty) for n in (0, 1))
    assert by_counters >= by_events > len(faulty) / 4


def test_most_lives_are_healthy_and_are_called_so() -> None:
    healthy = [each for each in lives() if each.life.mishap is None and each.life.ways.up is None]
    assert len(healthy) > LIVES / 2
    for number in (0, 1):
        explained = [each for each in healthy if (verdict := each.verdicts[number]) and verdict.explained]
        assert len(explained) > 0.8 * len(healthy)


def test_the_counters_bound_a_window_more_closely_and_hardly_ever_less() -> None:
    """The two are read at different seconds: a burst may lie at an edge of one of them alone."""
    widths = [width for each in lives() if (width := each.relative_width) is not None]
    assert len(widths) > 0.85 * LIVES
    assert median(widths) < 0.7
    assert sum(width > 1 for width in widths) < 0.03 * len(widths)


def test_only_pods_that_come_back_under_their_names_leave_the_truth_outside_the_classic_interval() -> None:
    """The agent leaves such a device out until its counter has passed the old one."""
    outside = [each.life.ways.churn for each in lives() if each.classic.holds_the_truth is False]
    assert set(outside) == {Churn.SAME_NAMES}


# --- a cluster that publishes both: the classic total, and devices by their counters

BOTH: Final = 90


@cache
def from_both() -> tuple[Side, ...]:
    return tuple(map(judged_from_both, range(BOTH)))


def test_a_cluster_that_publishes_both_has_no_false_fault_and_more_of_the_true_ones() -> None:
    healthy = [each for each in from_both() if each.life.mishap is None]
    assert [(each.life.seed, each.verdict) for each in healthy if each.verdict in FAULTS] == []
    proven = [each.life.seed for each in from_both() if each.verdict in FAULTS]
    by_classic = [each.life.seed for each in lives()[:BOTH] if each.classic.verdict in FAULTS]
    assert len(proven) > 1.3 * len(by_classic)


def test_no_verdict_of_a_cluster_that_publishes_both_is_the_opposite_of_one_sources() -> None:
    assert [
        one.life.seed
        for one, each in zip(from_both(), lives(), strict=False)
        if {one.verdict, *each.verdicts} >= FAULTS
    ] == []


def test_devices_that_do_not_add_up_to_the_classic_total_prove_nothing() -> None:
    """Those of the agent's own pod, where nothing else contradicts them."""
    healthy = [seed for seed in range(20) if drawn(seed).mishap is None]
    sides = [judged_from_both(seed, is_of_a_pod=True) for seed in healthy]
    assert [(each.life.seed, each.verdict) for each in sides if each.verdict in FAULTS] == []
    reasons = [str(each.report.newest.evidence_missing) for each in sides if each.report]
    assert any("add up to" in reason for reason in reasons)


# --- agents that collect the counters more seldom than enigap relies on


@pytest.mark.parametrize("seconds", [60, 120, 300])
def test_counters_that_are_collected_seldom_are_no_fault_and_no_silence(seconds: int) -> None:
    """A node then has too little to judge, which is said with what to do."""
    reports = [report_from_slow_counters(seed, timedelta(seconds=seconds)) for seed in range(25)]
    healthy = [each for seed, each in enumerate(reports) if each and lives()[seed].life.mishap is None]
    assert len(healthy) > 10
    verdicts = Counter(each.newest.verdict for each in healthy)
    assert verdicts.keys().isdisjoint({*FAULTS, Verdict.OS_SILENT, Verdict.OS_UNSTEADY, Verdict.IMPLAUSIBLE})
    for each in healthy:
        if each.newest.verdict in {Verdict.PARTIAL, Verdict.UNREADABLE} and seconds > 60:
            assert "every 30 s" in str(each.newest.reason)
