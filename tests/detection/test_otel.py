"""The same lives, as the classic Container Insights and the OpenTelemetry one publish them, judged alike."""

from __future__ import annotations

from collections import Counter
from functools import cache
from statistics import median
from typing import Final

import pytest

from tests.detection.both_sources import FAULTS, Both, Difference, judged
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
    assert differences[Difference.NONE] > 0.85 * LIVES
    assert differences[Difference.BY_EVENTS] < 0.01 * LIVES
    assert differences[Difference.BY_COUNTERS] > differences[Difference.BY_EVENTS]


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
