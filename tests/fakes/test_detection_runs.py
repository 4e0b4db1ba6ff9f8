"""What a judgement made of a life is counted rightly."""

from datetime import timedelta

import pytest

from enigap.core.counting.window import Window
from enigap.core.judging.verdict import Verdict
from tests.detection.figures import DetectionFigures
from tests.fakes.detection_runs import WHAT_IFS, Played, run
from tests.fakes.node_life import Mishap, Mix, NodeLife, Pattern, Wrong

HOUR = timedelta(hours=1)
AFTER_AN_HOUR = Played(Pattern.EVEN, Mix.HOST, mishap=Mishap(Wrong.DEFICIT, 0.2, after=HOUR))


def knows_the_truth(life: NodeLife, window: Window, /) -> list[Verdict]:
    since = life.wrong_since
    return [Verdict.OS_DEFICIT] if since is not None and window.end >= since + HOUR else []


def always_alarmed(_life: NodeLife, _window: Window, /) -> list[Verdict]:
    return [Verdict.OS_EXCESS]


def says_nothing(_life: NodeLife, _window: Window, /) -> list[Verdict]:
    return []


def test_a_fault_is_found_by_the_first_window_that_tells_of_it() -> None:
    outcome = run(knows_the_truth, AFTER_AN_HOUR, seed=1, hours=4)
    assert outcome.found_after == HOUR
    assert outcome.found_within(HOUR)
    assert not outcome.found_within(HOUR / 2)
    assert not outcome.false_alarms
    assert outcome.quiet_windows == 0


def test_a_fault_of_which_nothing_is_told_is_missed() -> None:
    outcome = run(says_nothing, AFTER_AN_HOUR, seed=1, hours=4)
    assert outcome.found_after is None
    assert outcome.faulty_windows > 0


def test_alarms_before_the_fault_are_false_and_those_of_its_opposite_are_no_find() -> None:
    outcome = run(always_alarmed, AFTER_AN_HOUR, seed=1, hours=4)
    assert len(outcome.false_alarms) == outcome.healthy_windows > 0
    assert len(outcome.opposite_alarms) == outcome.faulty_windows > 0
    assert not outcome.true_alarms


def test_windows_that_fall_silent_while_the_fault_lasts_are_counted() -> None:
    told = iter([True, False, False])

    def once(_life: NodeLife, _window: Window, /) -> list[Verdict]:
        return [Verdict.OS_DEFICIT] if next(told, False) else []

    from_the_start = Played(Pattern.EVEN, Mix.HOST, mishap=Mishap(Wrong.DEFICIT, 0.2))
    outcome = run(once, from_the_start, seed=1, hours=2)
    assert len(outcome.true_alarms) == 1
    assert outcome.quiet_windows == outcome.faulty_windows - 1


def test_figures_add_up_over_lives() -> None:
    figures = DetectionFigures()
    healthy = Played(Pattern.EVEN, Mix.HOST)
    for judge, played in (
        (says_nothing, healthy),
        (always_alarmed, healthy),
        (knows_the_truth, AFTER_AN_HOUR),
    ):
        figures.add(run(judge, played, seed=1, hours=4))
    assert figures.healthy_node_windows > figures.false_alarms > 0
    assert (figures.faulty_nodes, figures.faulty_nodes_found) == (1, 1)


@pytest.mark.parametrize("what_if", WHAT_IFS)
def test_every_circumstance_can_be_played(what_if: str) -> None:
    played = Played(Pattern.CRON_5, Mix.MIXED, what_if=what_if)
    assert run(says_nothing, played, seed=3, hours=2).healthy_windows > 0
