"""A fetch of many windows, read window by window."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import FetchSpan
from enigap.core.judging.judge import judge
from tests.fakes.readings import NODE, SPAN, WINDOW, steady

DAY = FetchSpan.of(WINDOW, 96)


def a_day(chance: Random, gaps: float) -> Readings:
    """Any rates, with this share of the datapoints missing."""

    def series(length: int, most: float) -> tuple[float | None, ...]:
        return tuple(None if chance.random() < gaps else chance.uniform(0, most) for _ in range(length))

    samples = tuple(5.0 if chance.random() >= gaps else 3.0 for _ in range(DAY.periods))
    most = 300 * 1e8
    return Readings(
        DAY, series(DAY.minutes, 3e8), series(DAY.periods, most), series(DAY.periods, most), samples
    )


@given(st.integers(0, 2**32).map(Random), st.sampled_from([0.0, 0.03, 0.3]), st.integers(0, 94))
def test_a_window_of_a_long_fetch_is_judged_as_if_it_had_been_fetched_alone(
    chance: Random, gaps: float, back: int
) -> None:
    day, window = a_day(chance, gaps), WINDOW.previous(back)
    alone = day.within(FetchSpan.of(window, 2))
    for judged in (window, window.previous()):
        assert judge(NODE, alone, None, judged, Rules()) == judge(NODE, day, None, judged, Rules())


def test_what_was_not_fetched_cannot_be_read() -> None:
    fetched = steady(1.0, 2.0, 3.0)
    for elsewhere in (FetchSpan.of(WINDOW, 3), FetchSpan.of(WINDOW.next(), 1)):
        with pytest.raises(ValueError, match="only what was fetched"):
            fetched.within(elsewhere)
    assert fetched.within(SPAN) == fetched
