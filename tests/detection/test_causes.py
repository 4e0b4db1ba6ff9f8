"""The causes that are named, against faults with a known cause in many variants."""

import pytest

from enigap.core.judging.verdict import Verdict
from tests.detection.cause_variants import VARIANTS, Variant
from tests.detection.figures import DetectionFigures

SEEDS = range(3)
CRASH_LOOPS = [variant for variant in VARIANTS if variant.name.startswith("crash loop, up 2")]


def test_nine_of_ten_causes_are_right_and_hardly_any_is_wrong_alone(
    detection_figures: DetectionFigures,
) -> None:
    told = [(variant, variant.told(seed)) for variant in VARIANTS for seed in SEEDS]
    noticed = [(variant, one) for variant, one in told if variant.truth is None or one.judgement]
    right = [variant.is_right(one) for variant, one in noticed]
    wrong_alone = [variant.name for variant, one in noticed if variant.is_wrong_alone(one)]
    detection_figures.causes_told += len(noticed)
    detection_figures.causes_right += sum(right)
    detection_figures.causes_wrong_alone += len(wrong_alone)
    assert len(noticed) >= 0.9 * len(told)
    assert sum(right) >= 0.9 * len(noticed)
    assert len(wrong_alone) <= 0.03 * len(noticed), wrong_alone


@pytest.mark.parametrize("variant", CRASH_LOOPS, ids=lambda variant: variant.name)
def test_an_agent_that_keeps_restarting_is_told_as_such(variant: Variant) -> None:
    told = variant.told(seed=11)
    assert told.judgement is not None
    assert told.judgement.verdict is Verdict.OS_UNSTEADY
    assert str(told.judgement.reason).endswith("the agent on this node keeps restarting.")


@pytest.mark.parametrize("seed", range(4))
def test_an_agent_with_an_interval_of_minutes_is_not_taken_for_one_that_restarts(seed: int) -> None:
    [variant] = [variant for variant in VARIANTS if variant.name == "an interval of minutes"]
    assert variant.told(seed).judgement is None
