"""Nodes that are played out for hours: the healthy ones are left alone, and what is wrong is found."""

from datetime import timedelta

import pytest

from tests.detection.figures import DetectionFigures
from tests.detection.judging import judge_window
from tests.fakes.detection_runs import Played, run
from tests.fakes.node_life import Mishap, Mix, Pattern, Wrong

AFTER_AN_HOUR = timedelta(hours=1)
OFTEN_ENOUGH = [pattern for pattern in Pattern if pattern not in (Pattern.CRON_5, Pattern.CRON_15)]
"""A burst at a window's edge, and nothing else in it, is not told from one in the window beside."""
pytestmark = pytest.mark.parametrize("mix", Mix)


@pytest.mark.parametrize("pattern", Pattern)
def test_healthy_nodes_are_left_alone(
    pattern: Pattern, mix: Mix, detection_figures: DetectionFigures
) -> None:
    outcome = run(judge_window, Played(pattern, mix), seed=1)
    detection_figures.add(outcome)
    assert not outcome.false_alarms


@pytest.mark.parametrize("pattern", OFTEN_ENOUGH)
@pytest.mark.parametrize(
    "mishap",
    [Mishap(Wrong.DEFICIT, 0.5, AFTER_AN_HOUR), Mishap(Wrong.MOVED, 1.0, AFTER_AN_HOUR)],
    ids=lambda mishap: str(mishap.wrong),
)
def test_half_of_the_bytes_missing_and_a_moved_device_are_found_within_two_hours(
    mishap: Mishap, pattern: Pattern, mix: Mix, detection_figures: DetectionFigures
) -> None:
    outcome = run(judge_window, Played(pattern, mix, mishap=mishap), seed=2, hours=4.0)
    detection_figures.add(outcome)
    assert outcome.found_within(timedelta(hours=2))
    assert not outcome.false_alarms
    assert not outcome.opposite_alarms
