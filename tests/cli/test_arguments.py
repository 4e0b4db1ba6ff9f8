"""What `--at` means."""

from datetime import UTC, datetime, timedelta

import pytest

from enigap.cli.arguments import MINUTES_KEPT, UsageError, window_at
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import GRID, FetchSpan

NOW = datetime(2026, 1, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (None, datetime(2026, 1, 20, 11, 45, tzinfo=UTC)),
        ("2026-01-20T12:00Z", datetime(2026, 1, 20, 11, 45, tzinfo=UTC)),
        ("2026-01-20T11:55:00+00:00", datetime(2026, 1, 20, 11, 45, tzinfo=UTC)),
        ("2026-01-20T11:54:59", datetime(2026, 1, 20, 11, 30, tzinfo=UTC)),
        ("2026-01-20T09:10+02:00", datetime(2026, 1, 20, 7, 0, tzinfo=UTC)),
        ("now", datetime(2026, 1, 20, 11, 45, tzinfo=UTC)),
        ("-0m", datetime(2026, 1, 20, 11, 45, tzinfo=UTC)),
        ("-20m", datetime(2026, 1, 20, 11, 30, tzinfo=UTC)),
        ("-3h", datetime(2026, 1, 20, 8, 45, tzinfo=UTC)),
        ("-2d", datetime(2026, 1, 18, 11, 45, tzinfo=UTC)),
    ],
)
def test_it_judges_the_newest_window_that_had_settled_by_then(at: str | None, end: datetime) -> None:
    assert window_at(at, NOW, Rules()).end == end


@pytest.mark.parametrize("at", ["2026-01-19", "20260119", "2026-W04-1"])
def test_a_day_has_no_one_window(at: str) -> None:
    """Its first moment would judge the day before."""
    with pytest.raises(UsageError, match=r"is a whole day: give a time of it, such as 2026-01-19T14:00Z"):
        window_at(at, NOW, Rules())


@pytest.mark.parametrize(
    ("at", "said"),
    [("+3h", "not '\\+3h'"), ("-3w", "not '-3w'"), ("-15d", "too long ago"), ("-999999d", "too long ago")],
)
def test_a_time_that_cannot_be_meant(at: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        window_at(at, NOW, Rules())


def test_a_longer_settling_time_judges_an_older_window() -> None:
    assert window_at(None, NOW, Rules(settle=timedelta(minutes=16))).end == NOW - timedelta(minutes=30)


@pytest.mark.parametrize("confirm", [1, 2, 8])
def test_a_fetch_never_reaches_back_to_where_there_are_no_minutes(confirm: int) -> None:
    """CloudWatch would answer with no datapoint at all, and that reads as silence."""
    rules = Rules(confirm_windows=confirm)
    minutes = (NOW - MINUTES_KEPT + timedelta(minutes=minute) for minute in range(240))
    accepted = []
    for at in minutes:
        try:
            accepted.append(window_at(at.isoformat(), NOW, rules))
        except UsageError as refused:
            assert "give a later time" in str(refused)  # noqa: PT017 - some are refused, some are not
    starts = [FetchSpan.of(window, rules.windows_fetched).start for window in accepted]
    assert timedelta() < min(starts) - (NOW - MINUTES_KEPT) <= GRID
