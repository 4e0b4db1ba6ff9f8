"""Every node's devices are looked at in turn."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.window import Window
from enigap.core.judging.turns import Look, stretch_of, turn_of

WINDOW = Window(datetime(2026, 1, 1, 12, 15, tzinfo=UTC))


@given(st.text(min_size=1, max_size=30), st.integers(1, 20))
def test_within_a_cycle_every_node_has_one_long_look_and_five_short_ones(
    instance_id: str, stretch: int
) -> None:
    looks = Counter(turn_of(instance_id, WINDOW.previous(n), stretch) for n in range(24 * stretch))
    assert looks[Look.LONG] == 1
    assert looks[Look.SHORT] == 5


def test_turns_are_spread_over_the_windows_of_a_cycle() -> None:
    looked = [
        sum(turn_of(f"i-{n:08x}", WINDOW.next() if k else WINDOW, 1) is not Look.NONE for n in range(4000))
        for k in (0, 1)
    ]
    assert all(abs(count - 1000) < 120 for count in looked), looked


@pytest.mark.parametrize(("nodes", "stretch"), [(1, 1), (2240, 1), (2241, 2), (100_000, 45)])
def test_cycles_stretch_with_the_cluster(nodes: int, stretch: int) -> None:
    assert stretch_of(nodes) == stretch
