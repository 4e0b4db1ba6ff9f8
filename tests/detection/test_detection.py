"""Nodes that are played out for hours: the healthy ones are left alone, and what is wrong is found."""

from datetime import timedelta
from random import Random

import pytest

from enigap.core.counting.units import ByteRate
from tests.detection.figures import DetectionFigures
from tests.detection.judging import judge_life
from tests.fakes.detection_runs import BUSY_ENIS, HEALTHY, Played, run
from tests.fakes.node_life import Mishap, Mix, Pattern, Wrong

AFTER_AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize("pattern", Pattern)
@pytest.mark.parametrize("mix", Mix)
def test_healthy_nodes_are_left_alone(
    pattern: Pattern, mix: Mix, detection_figures: DetectionFigures
) -> None:
    outcome = run(judge_life, Played(pattern, mix), seed=1)
    detection_figures.add(outcome)
    assert not outcome.false_alarms


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("what_if", [*HEALTHY, *BUSY_ENIS])
def test_nothing_that_ec2_or_the_agent_may_do_is_taken_for_a_fault(
    what_if: str, number: int, detection_figures: DetectionFigures
) -> None:
    random = Random(f"{what_if} {number}")  # noqa: S311
    played = Played(
        random.choice(list(Pattern)),
        random.choice(list(Mix)),
        ByteRate(10 ** random.uniform(5.5, 8)),
        what_if,
    )
    outcome = run(judge_life, played, seed=random.randrange(10**6))
    detection_figures.add(outcome)
    assert not outcome.false_alarms
    assert not outcome.false_incidents


@pytest.mark.parametrize("pattern", Pattern)
@pytest.mark.parametrize("mix", Mix)
@pytest.mark.parametrize(
    "mishap",
    [Mishap(Wrong.DEFICIT, 0.5, AFTER_AN_HOUR), Mishap(Wrong.MOVED, 1.0, AFTER_AN_HOUR)],
    ids=lambda mishap: str(mishap.wrong),
)
def test_half_of_the_bytes_missing_and_a_moved_device_are_found_within_two_hours(
    mishap: Mishap, pattern: Pattern, mix: Mix, detection_figures: DetectionFigures
) -> None:
    outcome = run(judge_life, Played(pattern, mix, mishap=mishap), seed=2, hours=4.0)
    detection_figures.add(outcome)
    assert outcome.found_within(timedelta(hours=2))
    assert not outcome.false_alarms
    assert not outcome.opposite_alarms


@pytest.mark.parametrize("pattern", Pattern)
@pytest.mark.parametrize("wrong", [Wrong.DEFICIT, Wrong.EXCESS, Wrong.RECEIVE_DROPS])
def test_a_fifth_is_found_within_six_hours_whatever_the_traffic(
    wrong: Wrong, pattern: Pattern, detection_figures: DetectionFigures
) -> None:
    mishap = Mishap(wrong, 0.2, timedelta(hours=1.5))
    outcome = run(judge_life, Played(pattern, Mix.MIXED, mishap=mishap), seed=3, hours=8.0)
    detection_figures.add(outcome)
    assert outcome.found_within(timedelta(hours=6))
    assert not outcome.false_alarms
    assert not outcome.opposite_alarms
