from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.window import GRID, PERIOD, FetchSpan, Window, bytes_inside

SETTLE = timedelta(minutes=10)
instants = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-01T14:10:00Z", "2026-01-01T14:00:00Z"),
        ("2026-01-01T14:24:59Z", "2026-01-01T14:00:00Z"),
        ("2026-01-01T14:25:00Z", "2026-01-01T14:15:00Z"),
        ("2026-01-01T15:25:00+01:00", "2026-01-01T14:15:00Z"),
        ("2026-01-01T00:05:00Z", "2025-12-31T23:45:00Z"),
    ],
)
def test_the_newest_window_is_the_last_quarter_of_an_hour_that_has_settled(now: str, end: str) -> None:
    assert Window.newest_settled(at(now), SETTLE) == Window(at(end))


@given(instants, st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_a_settled_window_ended_long_enough_ago_and_the_next_one_did_not(
    now: datetime, settle: timedelta
) -> None:
    window = Window.newest_settled(now, settle)
    assert window.end + settle <= now < window.next().end + settle


@pytest.mark.parametrize(
    "end", ["2026-01-01T14:10:00Z", "2026-01-01T14:15:00.000001Z", "2026-01-01T14:15:00"]
)
def test_a_window_off_the_grid_or_without_a_time_zone_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match=r"quarter of an hour|time zone"):
        Window(at(end))


def test_the_grid_is_the_clocks_in_any_time_zone() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert Window(datetime(2026, 1, 1, 14, 15, tzinfo=india)).end == at("2026-01-01T08:45:00Z")


@given(instants, st.integers(1, 8))
def test_a_fetch_holds_its_windows_and_a_period_more_on_both_sides(now: datetime, windows: int) -> None:
    newest = Window.newest_settled(now, SETTLE)
    span = FetchSpan.of(newest, windows)
    assert span.start == newest.previous(windows - 1).start - PERIOD
    assert span.end == newest.end + PERIOD
    assert span.minutes == 15 * windows + 10
    assert span.periods == 3 * windows + 2


def test_steady_traffic_is_known_to_nine_per_cent() -> None:
    least, likeliest, greatest = bytes_inside([1.0] * 16)
    assert likeliest == 900
    assert least == pytest.approx(900 * 0.911, rel=1e-3)
    assert greatest == pytest.approx(900 * 1.089, rel=1e-3)


def test_a_burst_in_the_edge_minutes_may_lie_inside_or_outside() -> None:
    least, _, greatest = bytes_inside([100.0] + [0.0] * 14 + [100.0])
    assert least == 0
    assert greatest >= 200 * 60


@pytest.mark.parametrize("rates", [[], [1.0]])
def test_bounding_bytes_takes_both_edges(rates: list[float]) -> None:
    with pytest.raises(ValueError, match="both its edges"):
        bytes_inside(rates)


@given(st.lists(st.floats(0, 1e12), min_size=2, max_size=40))
def test_the_likeliest_lies_between_the_bounds(rates: list[float]) -> None:
    least, likeliest, greatest = bytes_inside(rates)
    assert 0 <= least <= likeliest * (1 + 1e-9) + 1e-6
    assert likeliest <= greatest * (1 + 1e-9) + 1e-6


def test_windows_step_by_a_quarter_of_an_hour() -> None:
    window = Window(at("2026-01-01T14:15:00Z"))
    assert window.previous(2).end == window.end - 2 * GRID
    assert window.next().previous() == window
    assert window.start == window.previous().end
