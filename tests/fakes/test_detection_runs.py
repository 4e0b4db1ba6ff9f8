"""What a judgement made of a life is counted rightly."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from enigap.core.judging.verdict import Verdict
from tests.detection.figures import DetectionFigures
from tests.fakes.detection_runs import WHAT_IFS, Played, Told, run
from tests.fakes.node_life import Mishap, Mix, NodeLife, Pattern, Wrong

HOUR = timedelta(hours=1)
AFTER_AN_HOUR = Played(Pattern.EVEN, Mix.HOST, mishap=Mishap(Wrong.DEFICIT, 0.2, after=HOUR))


def knows_the_truth(life: NodeLife, /) -> Iterator[Told]:
    """An hour after the fault began and ended."""
    since, is_open = life.wrong_since, False
    for window in life.windows():
        is_wrong = since is not None and since + HOUR <= window.end < life.wrong_until + HOUR
        turned = [] if is_wrong is is_open else [Verdict.OS_DEFICIT]
        is_open = is_wrong
        yield Told(
            window,
            Verdict.OS_DEFICIT if is_wrong else None,
            opened=turned if is_wrong else [],
            resolved=[] if is_wrong else turned,
        )


def always_alarmed(life: NodeLife, /) -> Iterator[Told]:
    for window in life.windows():
        yield Told(window, Verdict.OS_EXCESS, opened=[Verdict.OS_EXCESS])


def says_nothing(life: NodeLife, /) -> Iterator[Told]:
    yield from map(Told, life.windows())


def cannot_decide(life: NodeLife, /) -> Iterator[Told]:
    """Opens and resolves in turn."""
    for number, window in enumerate(life.windows()):
        told = [Verdict.OS_DEFICIT]
        yield Told(window, opened=told if number % 2 == 0 else [], resolved=told if number % 2 else [])


def test_a_fault_is_found_by_the_first_window_that_tells_of_it() -> None:
    outcome = run(knows_the_truth, AFTER_AN_HOUR, seed=1, hours=4)
    assert outcome.found_after == HOUR
    assert outcome.found_within(HOUR)
    assert not outcome.found_within(HOUR / 2)
    assert not outcome.false_alarms
    assert not outcome.false_incidents
    assert outcome.resolved_too_early == outcome.reopened == 0
    assert outcome.resolved_after is None


def test_a_fault_of_which_nothing_is_told_is_missed() -> None:
    outcome = run(says_nothing, AFTER_AN_HOUR, seed=1, hours=4)
    assert outcome.found_after is None
    assert outcome.faulty_windows > 0


def test_alarms_before_the_fault_are_false_and_those_of_its_opposite_are_no_find() -> None:
    outcome = run(always_alarmed, AFTER_AN_HOUR, seed=1, hours=4)
    assert len(outcome.false_alarms) == outcome.healthy_windows > 0
    assert len(outcome.opposite_alarms) == outcome.faulty_windows > 0
    assert not outcome.true_alarms
    assert not outcome.incidents
    assert outcome.false_incidents


def test_after_a_fault_has_ended_it_is_counted_when_its_incident_resolves() -> None:
    over = Played(Pattern.EVEN, Mix.HOST, mishap=Mishap(Wrong.DEFICIT, 0.2, after=HOUR, lasting=2 * HOUR))
    outcome = run(knows_the_truth, over, seed=1, hours=6)
    assert outcome.resolved_after == HOUR
    assert outcome.resolved_too_early == 0
    assert run(says_nothing, over, seed=1, hours=6).faulty_windows == 9


def test_incidents_that_resolve_while_the_fault_lasts_and_open_again_are_counted() -> None:
    outcome = run(cannot_decide, AFTER_AN_HOUR, seed=1, hours=4)
    assert outcome.resolved_too_early > 1
    assert outcome.reopened == len(outcome.incidents) - 1


def test_that_an_agent_is_down_again_and_again_is_no_false_alarm() -> None:
    def silent(life: NodeLife, /) -> Iterator[Told]:
        for window in life.windows():
            yield Told(window, Verdict.OS_SILENT, opened=[Verdict.OS_SILENT])

    restarts = run(silent, Played(Pattern.EVEN, Mix.HOST, what_if="agent restarts"), seed=1, hours=2)
    assert not restarts.false_alarms
    assert not restarts.false_incidents
    assert run(silent, Played(Pattern.EVEN, Mix.HOST), seed=1, hours=2).false_alarms


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
