"""What mirrored traffic and EFA explain of a node's deficit: what they may be, and no more."""

from datetime import timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.bypass import Bypass, EfaTraffic
from enigap.core.counting.track import Direction
from enigap.core.counting.window import PERIOD
from tests.fakes.node_life import BEGIN

RATES = st.lists(st.floats(0, 1e9), min_size=3, max_size=12)


@given(RATES, st.integers(-280, 280), st.data())
def test_what_efa_carried_between_two_boundaries_is_within_the_bound(
    rates: list[float], seconds_off: int, data: st.DataObject
) -> None:
    """Each period's bytes may have flowed at any time of it, and the periods may be off by minutes."""
    first = data.draw(st.integers(1, len(rates) - 2))
    last = data.draw(st.integers(first + 1, len(rates) - 1))
    begin, end = BEGIN + first * PERIOD, BEGIN + last * PERIOD
    carried = 0.0
    for number, rate in enumerate(rates):
        at = BEGIN + number * PERIOD + data.draw(st.floats(0, 1)) * PERIOD + timedelta(seconds=seconds_off)
        if begin <= at < end:
            carried += rate * PERIOD.total_seconds()
    efa = EfaTraffic(BEGIN, tuple(rates), tuple(rates))
    assert efa.at_most(Direction.SENT, begin, end) >= carried * (1 - 1e-9)


@pytest.mark.parametrize("missing", range(4))
def test_nothing_bounds_it_where_a_datapoint_is_missing(missing: int) -> None:
    rates = tuple(None if number == missing else 1e6 for number in range(4))
    efa = EfaTraffic(BEGIN, rates, (1e6,) * 4)
    assert efa.at_most(Direction.RECEIVED, BEGIN + PERIOD, BEGIN + 3 * PERIOD) == inf
    assert efa.at_most(Direction.SENT, BEGIN + PERIOD, BEGIN + 3 * PERIOD) == 1.2e9


def test_nothing_bounds_it_beyond_what_was_read() -> None:
    efa = EfaTraffic(BEGIN, (1e6,) * 4, (1e6,) * 4)
    assert efa.at_most(Direction.SENT, BEGIN, BEGIN + PERIOD) == inf
    assert efa.at_most(Direction.SENT, BEGIN + 2 * PERIOD, BEGIN + 4 * PERIOD) == inf


def test_a_node_without_either_has_no_bypass() -> None:
    assert not Bypass()
    assert Bypass(mirror_sessions=1).words == "traffic mirroring"
    assert Bypass(1, has_efa=True).words == "traffic mirroring and EFA"
    assert Bypass(1).is_bounded
    assert not Bypass(has_efa=True).is_bounded
