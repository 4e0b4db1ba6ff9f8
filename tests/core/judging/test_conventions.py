"""What most nodes have in common is told of the cluster, and never made up from a few."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.comparison import Difference
from enigap.core.counting.track import Direction
from enigap.core.judging.conventions import FEWEST_NODES, Interval, Unit, most_shared, shared_convention

HOUR = timedelta(hours=1)
FRAMES = 1e6


def difference(
    low: float,
    high: float,
    direction: Direction = Direction.SENT,
    *,
    left_out: float = 0.0,
    may_bypass: bool = False,
) -> Difference:
    """Of an hour in which EC2 counted a million frames and 2 GB."""
    return Difference(direction, HOUR, low, high, 2e9, FRAMES, FRAMES, left_out, may_bypass)


ALIKE = [difference(-1e6, 1e6), difference(-1e6, 1e6, Direction.RECEIVED)]


def fewer_bytes_a_frame(by: float = 14.0, width: float = 2.0) -> list[Difference]:
    amounts = -(by + width) * FRAMES, -(by - width) * FRAMES
    return [difference(*amounts, direction) for direction in Direction]


def test_header_bytes_that_ec2_leaves_out_everywhere_are_a_convention() -> None:
    found = shared_convention([fewer_bytes_a_frame(14, 1 + n / 10) for n in range(12)])
    assert found is not None
    assert (found.unit, found.direction, found.nodes, found.looked_at) == (
        Unit.BYTES_PER_FRAME,
        None,
        12,
        12,
    )
    assert found.low == -14.0
    assert found.high == pytest.approx(-13.0)
    assert "13.0 to 14.0 bytes a frame less" in found.reason


@pytest.mark.parametrize("nodes", range(FEWEST_NODES))
def test_a_few_nodes_prove_no_convention(nodes: int) -> None:
    assert shared_convention([fewer_bytes_a_frame()] * nodes) is None


@pytest.mark.parametrize(("differing", "is_told"), [(1, False), (4, False), (5, True), (12, True)])
def test_nodes_that_do_not_differ_are_no_reason_against_it(differing: int, *, is_told: bool) -> None:
    nodes = [fewer_bytes_a_frame()] * differing + [ALIKE] * (12 - differing)
    assert (shared_convention(nodes) is not None) is is_told


def test_it_takes_more_than_half_of_those_that_differ() -> None:
    others = [[difference(3e8, 4e8)]] * 6
    assert shared_convention([fewer_bytes_a_frame()] * 6 + others) is None
    found = shared_convention([fewer_bytes_a_frame()] * 7 + others)
    assert found is not None
    assert (found.nodes, found.differing) == (7, 13)


def test_a_fault_of_most_nodes_that_fits_no_unit_is_no_convention() -> None:
    assert shared_convention([[difference(3e8, 4e8)]] * 20) is None


def test_a_node_whose_directions_differ_by_other_amounts_a_frame_does_not_fit() -> None:
    odd = [fewer_bytes_a_frame(14)[0], fewer_bytes_a_frame(4)[1]]
    assert shared_convention([odd] * 20) is None


def test_a_share_is_one_only_where_mirroring_or_efa_was_found() -> None:
    mirrored = [difference(6e8, 7e8, may_bypass=True)]
    found = shared_convention([mirrored] * 10)
    assert found is not None
    assert (found.unit, found.direction, found.low, found.high) == (Unit.SHARE, Direction.SENT, 0.3, 0.35)
    assert "30 % to 35 % of all" in found.reason
    assert shared_convention([[difference(6e8, 7e8)]] * 10) is None


def test_what_the_resolver_may_take_is_a_convention_and_more_is_none() -> None:
    nodes = [[difference(-4e8, -3.6e8, left_out=left_out)] for left_out in [5e8] * 10]
    found = shared_convention(nodes)
    assert found is not None
    assert (found.unit, found.direction) == (Unit.BYTES_PER_SECOND, Direction.SENT)
    assert found.high == -100e3
    assert "100 kB/s to 111 kB/s less of what was sent" in found.reason
    assert shared_convention([[difference(-4e8, -3.6e8, left_out=3.5e8)]] * 10) is None


intervals = st.tuples(st.integers(0, 20), st.integers(0, 6)).map(lambda at: (float(at[0]), float(sum(at))))


@given(st.lists(intervals, max_size=12))
def test_the_shared_part_is_in_as_many_intervals_as_any_point_is(some: list[Interval]) -> None:
    count, low, high = most_shared(some)
    assert count == max((sum(a <= at <= b for a, b in some) for at in range(27)), default=0)
    if some:
        assert low <= high
        for at in (low, high):
            assert sum(a <= at <= b for a, b in some) == count


@given(st.lists(st.floats(0, 3), min_size=10, max_size=30), st.floats(-13.9, 23.9))
def test_a_convention_that_all_nodes_have_is_inside_what_is_told(widths: list[float], truth: float) -> None:
    nodes = [
        [difference((truth - width) * FRAMES, (truth + width) * FRAMES, each) for each in Direction]
        for width in widths
    ]
    found = shared_convention(nodes)
    if found is not None:
        assert found.low <= truth + 1e-6
        assert truth - 1e-6 <= found.high
