"""Whether Container Insights stops and starts on a node: an agent that keeps restarting.

A process that dies every few minutes leaves too little for any window to be judged. Each of its restarts is
a gap of a minute or more in the total: the first sample of a new process has no rates. An agent with a longer
interval leaves gaps as well, but at regular times; and one that is alive goes on writing device events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from enigap.core.counting.evidence import LONGEST_INTERVAL, DeviceEvents, MissingEvidence
from enigap.core.counting.reading import OsSource, Readings, eni_reports, os_complete_periods
from enigap.core.counting.window import GRID, MINUTE, PERIOD, Window

ENOUGH_PERIODS: Final = 2
"""Of a window's three, for it to be judged."""
ENOUGH_RESTARTS: Final = 3
"""In two windows: fewer may be an update, or one outage."""
LONGER_INTERVALS: Final = range(2, 6)
"""In minutes: an agent may be set to these."""
REGULAR: Final = 0.8
"""The share of samples at the same minute of each interval from which on it is one: a few come a minute
early, for the counters that are read are up to 20 s old."""

LONGEST_WITHOUT_COUNTERS: Final = timedelta(minutes=4)
"""OpenTelemetry agents that collect once a minute leave out a counter or two that would be too old."""

Gap = tuple[datetime, datetime]
"""[start, end) of labelled minutes without a total."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_FAR_OFF: Final = datetime.max.replace(tzinfo=UTC)


def restarts(
    readings: Readings, older: Window, newer: Window, events: DeviceEvents | MissingEvidence | None
) -> tuple[Gap, ...]:
    """The gaps that an agent's restarts left in two windows; none where either could be judged for all the
    OS side has, EC2 does not report, or the gaps come at regular times.

    A sample near the end of a minute may be labelled with the next, and leave its own without one. So
    events, where there are any, must be away as well; and where there are none a gap of one minute proves
    nothing, nor does any gap of OpenTelemetry's counters. Before they were asked for (None) it is enough to
    ask.
    """
    if not all(_is_partial_for_the_os(readings, each) for each in (older, newer)):
        return ()
    start, end = older.start, newer.end
    if _is_regular(_minutes(readings, start, end)):
        return ()
    gaps = _gaps(readings, start, end)
    if events is None:
        return tuple(gaps)
    is_otel = readings.os_source is OsSource.OTEL
    samples = events.samples if isinstance(events, DeviceEvents) else ()
    if is_otel and _is_regular(sorted({(s.at - start) // MINUTE for s in samples if start <= s.at < end})):
        return ()
    rated = {s.at for s in samples if s.rx_bytes_per_second is not None}
    if not any(start <= at < end for at in rated):
        return () if is_otel else tuple(gap for gap in gaps if gap[1] - gap[0] > MINUTE)
    silences = _silences(rated, LONGEST_WITHOUT_COUNTERS if is_otel else LONGEST_INTERVAL)
    return tuple(gap for gap in gaps if any(a < gap[1] and b > gap[0] for a, b in silences))


def _silences(rated: Collection[datetime], longest: timedelta) -> list[Gap]:
    """Spans without an event that has rates, longer than an agent that lives ever takes."""
    times = [_LONG_AGO, *sorted(rated), _FAR_OFF]
    return [(before, after) for before, after in pairwise(times) if after - before > longest]


def _is_partial_for_the_os(readings: Readings, window: Window) -> bool:
    return eni_reports(readings, window) and len(os_complete_periods(readings, window)) < ENOUGH_PERIODS


def _minutes(readings: Readings, start: datetime, end: datetime) -> list[int]:
    """The numbers of the labelled minutes of [start, end) that have a total."""
    rates = readings.os_minutes(start, end - MINUTE)
    return [number for number, rate in enumerate(rates) if rate is not None]


def _is_regular(minutes: list[int]) -> bool:
    """Whether the samples come once in an interval of some minutes, though some be missing."""
    for interval in LONGER_INTERVALS:
        phases = Counter(minute % interval for minute in minutes)
        is_often = len(minutes) >= (2 * GRID // MINUTE) / interval / 2
        if is_often and max(phases.values(), default=0) >= REGULAR * len(minutes):
            return True
    return False


def _gaps(readings: Readings, start: datetime, end: datetime) -> list[Gap]:
    """Runs of missing minutes that begin or last in [start, end), each after a minute that has a total."""
    found: list[Gap] = []
    begun: datetime | None = None
    was_there = False
    before = start - PERIOD
    for number, rate in enumerate(readings.os_minutes(before, end - MINUTE)):
        label = before + number * MINUTE
        if rate is not None:
            if begun is not None and label > start:
                found.append((begun, label))
            begun, was_there = None, True
        elif was_there and begun is None:
            begun = label
    return found if begun is None else [*found, (begun, end)]
