"""CloudWatch's answer about one node, before any judgement.

Missing, zero and failed are different: a missing datapoint is None, and a node for which the call failed is
`Unreadable`, never `Readings` full of None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from enigap.core.counting.meters import COMPLETE_SAMPLE_COUNT
from enigap.core.counting.rules import IMPLAUSIBLE_RATE
from enigap.core.counting.units import ByteRate, RateSpan
from enigap.core.counting.window import (
    COUNTER_AGE,
    MINUTE,
    PERIOD,
    PERIODS_PER_WINDOW,
    FetchSpan,
    Window,
    bytes_inside,
)


class OsSource(StrEnum):
    """Which Container Insights the OS's figures come from."""

    CLASSIC = "classic"
    """Rates that an agent published, each over its own interval."""
    OTEL = "otel"
    """Differences of the devices' counters, each read less than a minute before the minute's end."""


class OsSourceChoice(StrEnum):
    """Which Container Insights a cluster's OS figures are to come from."""

    AUTO = "auto"
    """The classic one where it has any figure of the cluster, else the OpenTelemetry one."""
    CLASSIC = "classic"
    OTEL = "otel"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A node for which CloudWatch failed: no datapoints are known, not even missing ones."""

    why: str
    """The failure in words, e.g. "CloudWatch throttled the request"."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Both sides of one node over one fetch span. None: CloudWatch answered, and has no datapoint there.

    Impossible values (`usable_number`) become None here, once: all windows of the node and all rows of the
    verdict table use these numbers, and checking them each time took half the time of a judgement.
    """

    span: FetchSpan
    os_bytes_per_second: tuple[float | None, ...]
    """One for each labelled minute of the span."""
    network_in_bytes: tuple[float | None, ...]
    """One for each five-minute period of the span; bytes per period."""
    network_out_bytes: tuple[float | None, ...]
    network_in_samples: tuple[float | None, ...]
    os_source: OsSource = OsSource.CLASSIC

    def __post_init__(self) -> None:
        if len(self.os_bytes_per_second) != self.span.minutes:
            raise ValueError("one OS rate for each minute of the span")
        for series in (self.network_in_bytes, self.network_out_bytes, self.network_in_samples):
            if len(series) != self.span.periods:
                raise ValueError("one ENI datapoint for each period of the span")
        for name in ("os_bytes_per_second", "network_in_bytes", "network_out_bytes", "network_in_samples"):
            object.__setattr__(self, name, tuple(map(usable_number, getattr(self, name))))

    def os_minutes(self, start: datetime, end: datetime) -> tuple[float | None, ...]:
        """The rates labelled start .. end, both included; what the span does not hold is None."""
        rates = self.os_bytes_per_second
        first = (start - self.span.start) // MINUTE
        beyond = (end - self.span.start) // MINUTE + 1
        if first >= 0 and beyond <= len(rates):
            return rates[first:beyond]
        return tuple(rates[i] if 0 <= i < len(rates) else None for i in range(first, beyond))

    def within(self, span: FetchSpan) -> Readings:
        """Of a shorter span inside this one. Raises ValueError if it is not."""
        minute, period = (span.start - self.span.start) // MINUTE, (span.start - self.span.start) // PERIOD
        if minute < 0 or span.end > self.span.end:
            raise ValueError("only what was fetched can be read")
        minutes, periods = (slice(minute, minute + span.minutes), slice(period, period + span.periods))
        return Readings(
            span,
            self.os_bytes_per_second[minutes],
            self.network_in_bytes[periods],
            self.network_out_bytes[periods],
            self.network_in_samples[periods],
            self.os_source,
        )

    def periods(self, window: Window) -> Iterator[tuple[datetime, int]]:
        """Start and index of each five-minute period of the window that the span holds."""
        first = (window.start - self.span.start) // PERIOD
        for number in range(PERIODS_PER_WINDOW):
            if 0 <= first + number < len(self.network_in_bytes):
                yield window.start + number * PERIOD, first + number


def usable_number(value: float | None) -> float | None:
    """None for a value that no counter can have: negative, NaN, more than 64 bits. A wrong number is worse
    than a missing one."""
    return value if value is not None and 0 <= value < _BEYOND_COUNTERS else None


_BEYOND_COUNTERS: Final = 2.0**64
_MOST: Final = IMPLAUSIBLE_RATE.bytes_per_second


@dataclass(frozen=True, slots=True)
class Run:
    """Complete periods side by side, [start, end)."""

    start: datetime
    end: datetime

    @property
    def duration(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Measurement:
    """Both sides over the complete periods of one window."""

    runs: tuple[Run, ...]
    os: RateSpan
    os_at_most: ByteRate | None
    """The same as `os.high` wherever within a minute of ours EC2 begins its minutes; None where a minute
    beside the periods is missing."""
    eni_in: ByteRate
    eni_out: ByteRate

    @property
    def eni(self) -> ByteRate:
        return self.eni_in + self.eni_out


def complete_periods(readings: Readings, window: Window) -> tuple[datetime, ...]:
    """The starts of the window's periods in which both sides are whole.

    EC2's datapoint has all its samples (SampleCount; on Nitro it is published early and grows), and no
    labelled minute of the OS that touches the period is missing. The first sample after a gap counts as
    missing: it averages over the gap. So does one that no machine can have: its neighbours may be sound.
    """
    return tuple(
        start
        for start, index in readings.periods(window)
        if _eni_period_is_complete(readings, index) and _os_period_is_complete(readings, start)
    )


def os_complete_periods(readings: Readings, window: Window) -> tuple[datetime, ...]:
    """The starts of the window's periods in which the OS side is whole, whatever EC2 has."""
    return tuple(start for start, _ in readings.periods(window) if _os_period_is_complete(readings, start))


def _eni_period_is_complete(readings: Readings, index: int) -> bool:
    samples = readings.network_in_samples[index]
    return (
        readings.network_in_bytes[index] is not None
        and readings.network_out_bytes[index] is not None
        and samples is not None
        and samples >= COMPLETE_SAMPLE_COUNT
    )


def _os_period_is_complete(readings: Readings, start: datetime) -> bool:
    # With the label before the first, where the fetch holds it: if that is missing, an agent's first rate
    # averages over the gap.
    before = start if readings.os_source is OsSource.OTEL else start - MINUTE
    rates = readings.os_minutes(max(before, readings.span.start), start + PERIOD)
    known = [rate for rate in rates if rate is not None]
    return bool(known) and len(known) == len(rates) and max(known) <= _MOST


def eni_reports(readings: Readings, window: Window) -> bool:
    """Whether EC2 has at least two whole periods of this window: enough to say that it reports."""
    return eni_periods(readings, window) >= PERIODS_PER_WINDOW - 1


def eni_periods(readings: Readings, window: Window) -> int:
    """How many whole periods of this window EC2 has."""
    return sum(_eni_period_is_complete(readings, index) for _, index in readings.periods(window))


def os_minutes_known(readings: Readings, window: Window) -> int:
    """How many minutes of this window Container Insights has."""
    return sum(rate is not None for rate in readings.os_minutes(window.start, window.end - MINUTE))


def eni_is_silent(readings: Readings, window: Window) -> bool:
    """Whether EC2 has no datapoint at all in this window."""
    return all(
        readings.network_in_bytes[index] is None and readings.network_out_bytes[index] is None
        for _, index in readings.periods(window)
    )


def eni_alone(readings: Readings, window: Window) -> ByteRate | None:
    """The ENIs' rate over EC2's complete periods of this window; None if there are none."""
    whole = [i for _, i in readings.periods(window) if _eni_period_is_complete(readings, i)]
    if not whole:
        return None
    total = sum((readings.network_in_bytes[i] or 0.0) + (readings.network_out_bytes[i] or 0.0) for i in whole)
    return ByteRate.from_total(total, len(whole) * PERIOD)


def os_alone(readings: Readings, window: Window) -> ByteRate | None:
    """The OS's rate over the available minutes of this window; None if there are none."""
    rates = [rate for rate in readings.os_minutes(window.start, window.end - MINUTE) if rate is not None]
    return ByteRate(sum(rates) / len(rates)) if rates else None


def greatest_os_rate(readings: Readings, window: Window) -> ByteRate:
    """The greatest rate Container Insights reports for a minute of this window; zero where it reports
    none. The minute that ends the window is the next one's, or a single sample would spoil them both."""
    rates = readings.os_minutes(window.start, window.end - MINUTE)
    return ByteRate(max([rate for rate in rates if rate is not None], default=0.0))


def greatest_eni_rate(readings: Readings, window: Window) -> ByteRate:
    """The greatest rate EC2 reports for a period of this window, in plus out; zero where it reports none."""
    totals = [
        (readings.network_in_bytes[index] or 0.0) + (readings.network_out_bytes[index] or 0.0)
        for _, index in readings.periods(window)
    ]
    return ByteRate.from_total(max(totals, default=0.0), PERIOD)


def os_is_silent(readings: Readings, window: Window) -> bool:
    """Whether Container Insights has no datapoint at all in this window."""
    return all(rate is None for rate in readings.os_minutes(window.start, window.end - MINUTE))


def runs_of(periods: tuple[datetime, ...]) -> tuple[Run, ...]:
    """The periods joined where they touch. Expects them in time order."""
    runs: list[Run] = []
    for start in periods:
        if runs and runs[-1].end == start:
            runs[-1] = Run(runs[-1].start, start + PERIOD)
        else:
            runs.append(Run(start, start + PERIOD))
    return tuple(runs)


def measure(readings: Readings, periods: tuple[datetime, ...]) -> Measurement:
    """Both sides over these periods, which must be complete ones. Raises ValueError for none."""
    if not periods:
        raise ValueError("nothing to measure without a complete period")
    runs = runs_of(periods)
    least = likeliest = greatest = 0.0
    at_most: float | None = 0.0
    for run in runs:
        before, *rates, after = readings.os_minutes(run.start - MINUTE, run.end + MINUTE)
        age = timedelta(0) if readings.os_source is OsSource.OTEL else COUNTER_AGE
        low, middle, high = bytes_inside([rate for rate in rates if rate is not None], age)
        least, likeliest, greatest = least + low, likeliest + middle, greatest + high
        if at_most is None or before is None or after is None:
            at_most = None
        else:
            at_most += high + MINUTE.total_seconds() * (before + after)
    indices = [(start - readings.span.start) // PERIOD for start in periods]
    counted_in = sum(readings.network_in_bytes[index] or 0.0 for index in indices)
    counted_out = sum(readings.network_out_bytes[index] or 0.0 for index in indices)
    over = len(periods) * PERIOD
    return Measurement(
        runs=runs,
        os=RateSpan(*(ByteRate.from_total(total, over) for total in (least, likeliest, greatest))),
        os_at_most=None if at_most is None else ByteRate.from_total(at_most, over),
        eni_in=ByteRate.from_total(counted_in, over),
        eni_out=ByteRate.from_total(counted_out, over),
    )


def reported_before(readings: Readings, instant: datetime) -> bool:
    """Whether either side has a datapoint whose time was over before `instant`."""
    minutes = (instant - readings.span.start) // MINUTE
    periods = (instant - readings.span.start) // PERIOD
    return any(rate is not None for rate in readings.os_bytes_per_second[: max(0, minutes)]) or any(
        total is not None for total in readings.network_in_bytes[: max(0, periods)]
    )
