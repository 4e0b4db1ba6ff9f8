"""The bounds on how EC2 and the devices differ, against nodes that are played out."""

from random import Random

import pytest

from enigap.core.counting.accumulated import compare, packets_are_frames
from enigap.core.counting.comparison import EniHistory
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import FetchSpan
from enigap.core.judging.case import eni_tracks
from tests.detection.judging import Lived
from tests.fakes.node_life import Mix, NodeLife, Pattern, Ways
from tests.fakes.node_simulator import Ec2

RULES = Rules()


@pytest.mark.parametrize("seed", range(60))
def test_bytes_a_frame_that_ec2_counts_otherwise_are_within_the_bounds(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    convention = random.choice([-14.0, -4.0, 0.0, 4.0, 24.0])
    life = NodeLife.drawn(
        seed,
        pattern=random.choice(list(Pattern)),
        mix=random.choice(list(Mix)),
        rate=ByteRate(10 ** random.uniform(5.5, 8)),
        hours=4.0,
        ways=Ways(ec2=Ec2(bytes_per_frame=convention), received=random.choice([None, 0.0, 1.0])),
    )
    window = list(life.windows())[-1]
    lived = Lived({life.simulated.node.instance_id: life})
    span = FetchSpan(window.start - 8 * (window.end - window.start), window.end)
    [(_, eni)] = lived.histories([life.simulated.node], span)
    assert isinstance(eni, EniHistory)
    tracks = eni_tracks(life.events(span.start, span.end + (window.end - window.start)), RULES.classifier)
    compared = compare(eni, tracks, RULES, frames=packets_are_frames(eni, tracks))
    if compared is None:
        return
    for difference in compared.differences:
        amounts = [convention * frames for frames in (difference.frames_low, difference.frames_high)]
        assert difference.low_bytes <= max(amounts), f"{seed=}"
        assert min(amounts) <= difference.high_bytes, f"{seed=}"
