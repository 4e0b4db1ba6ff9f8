"""Windows of fifteen minutes, and what rates sampled once a minute say about the bytes inside one.

**The grid.** A window is a quarter of an hour on the clock, three five-minute periods of EC2. It is judged
once it has settled: EC2 fills its datapoints late, and log events arrive late.

**The phase.** The agent samples a node once a minute, each node at its own second, and the counters it reads
are up to `COUNTER_AGE` old. The rate it publishes is over the real interval and is labelled with the
minute in which that interval ends. So the datapoint labelled 14:05 may cover 14:04:20 to 14:05:01, or
14:04:59 to 14:05:59: of the labelled minutes that touch a window, the first and the last belong to it by
an unknown share, and a rate times 60 s is not quite that minute's bytes.

`bytes_inside` bounds the bytes all the same. Let sample i end at b_i, its label's minute plus its phase minus
its counters' age j_i, with 0 <= j_i <= J. It carries r_i (b_i - b_{i-1}) = r_i (60 + j_{i-1} - j_i) bytes.
Summed over labels a .. z and rearranged:

    60 * sum(r)  +  r_a j_{a-1}  -  r_z j_z  +  sum of j_i (r_{i+1} - r_i)

whose least value is 60 * sum(r) - J (r_z + sum of falls), and whose greatest is 60 * sum(r) + J (r_a + sum of
rises). Labels t0+1 .. t1-1 lie wholly inside [t0, t1): their least value is a lower bound. Labels t0 .. t1
cover it: their greatest value is an upper one. Both hold for any burst, any phase and any counter age; for
steady traffic and a quarter of an hour they are 9 % apart from the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

MINUTE: Final = timedelta(minutes=1)
PERIOD: Final = timedelta(minutes=5)
GRID: Final = timedelta(minutes=15)

MINUTES_PER_PERIOD: Final = PERIOD // MINUTE
PERIODS_PER_WINDOW: Final = GRID // PERIOD

COUNTER_AGE: Final = timedelta(seconds=20)
"""J: how old the counters cAdvisor hands out may be when the agent asks (its housekeeping lags up to 15 s,
plus margin)."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_END: Final = datetime.min.replace(tzinfo=UTC) + GRID


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A quarter of an hour on the absolute grid, [start, end)."""

    end: datetime

    def __post_init__(self) -> None:
        if self.end.tzinfo is None:
            raise ValueError(f"a window's end needs a time zone: {self.end.isoformat()}")
        if (self.end - EPOCH) % GRID:
            raise ValueError(f"a window ends on a quarter of an hour, not at {self.end.isoformat()}")
        if self.end < _FIRST_END:
            raise ValueError(f"a window lies within the calendar: {self.end.isoformat()}")

    @classmethod
    def newest_settled(cls, at: datetime, settle: timedelta) -> Window:
        """The newest window that ended at least `settle` before `at`."""
        return cls(floor_to(at - settle, GRID))

    @property
    def start(self) -> datetime:
        return self.end - GRID

    def previous(self, count: int = 1) -> Window:
        """The window `count` quarters of an hour earlier."""
        return Window(self.end - count * GRID)

    def next(self) -> Window:
        return Window(self.end + GRID)


@dataclass(frozen=True, slots=True)
class FetchSpan:
    """What one fetch asks CloudWatch for: [start, end), on five-minute boundaries.

    One period more than the windows on both sides: the minute that ends the last window is labelled in the
    one after it, and whether the first minute ends a gap shows in the one before. The other datapoints in
    them are not used.
    """

    start: datetime
    end: datetime

    @classmethod
    def of(cls, newest: Window, windows: int) -> FetchSpan:
        """The span that covers `windows` consecutive windows up to and including `newest`."""
        return cls(newest.end - windows * GRID - PERIOD, newest.end + PERIOD)

    @property
    def minutes(self) -> int:
        return (self.end - self.start) // MINUTE

    @property
    def periods(self) -> int:
        return (self.end - self.start) // PERIOD


def floor_to(instant: datetime, step: timedelta) -> datetime:
    """The last multiple of `step` since the Unix epoch at or before `instant`, in UTC."""
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs a time zone: {instant.isoformat()}")
    return instant.astimezone(UTC) - (instant - EPOCH) % step


def bytes_inside(rates: Sequence[float], age: timedelta = COUNTER_AGE) -> tuple[float, float, float]:
    """Least, likeliest and greatest bytes inside [t0, t1), from the rates labelled t0 .. t1, both included.

    `rates` are in bytes per second, one for each labelled minute, none missing; so n + 1 of them for n
    minutes. `age` is how old an agent's counters may be. It is none where each rate is a counter's growth
    over exactly a minute, the counter being less than a minute old: then nothing is lost or told twice
    between two rates. Raises ValueError for fewer than two rates.
    """
    if len(rates) < 2:
        raise ValueError("bounding the bytes of a span takes the rates of both its edges")
    seconds, age_seconds = MINUTE.total_seconds(), age.total_seconds()
    inner = rates[1:-1]
    least = 0.0
    if inner:
        least = seconds * sum(inner) - age_seconds * (inner[-1] + _falls(inner))
    greatest = seconds * sum(rates) + age_seconds * (rates[0] + _falls(rates[::-1]))
    likeliest = seconds * (sum(inner) + (rates[0] + rates[-1]) / 2)
    return max(0.0, least), likeliest, greatest


def _falls(rates: Sequence[float]) -> float:
    """The sum of all falls between neighbours (of all rises, when given backwards)."""
    return sum(before - after for before, after in pairwise(rates) if before > after)
