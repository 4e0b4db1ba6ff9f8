"""Agents that report every two to five minutes: the finding `long_interval`.

A window is judged by the OS's figure of every minute. An agent whose `metrics_collection_interval` is longer
leaves every window of its node `partial`, for good: that is said once, of the cluster, with the interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from enigap.core.counting.reading import OsSource, Readings
from enigap.core.counting.window import MINUTE
from enigap.core.judging.cluster import Finding, FindingKind
from enigap.core.text import count, duration

LONGEST_MINUTES: Final = 5
_FEWEST: Final = 4
"""Intervals that have to be seen."""
_REGULAR: Final = 0.8
"""How many of them are as long as the others, a minute more or less: agents drift across full minutes."""


def long_interval_of(readings: Readings) -> timedelta | None:
    """How often a node's agent reports, if regularly and every two to five minutes; else None.

    OpenTelemetry's counters say nothing of it: they are there or too old, whatever the interval.
    """
    if readings.os_source is OsSource.OTEL:
        return None
    known = [number for number, rate in enumerate(readings.os_bytes_per_second) if rate is not None]
    apart = [after - before for before, after in pairwise(known)]
    if len(apart) < _FEWEST:
        return None
    usual = round(median(apart))
    slack = 1 if usual > 2 else 0
    regular = sum(abs(each - usual) <= slack for each in apart)
    is_long = 2 <= usual <= LONGEST_MINUTES and regular >= _REGULAR * len(apart)
    return usual * MINUTE if is_long else None


def long_interval(intervals: Sequence[timedelta], nodes: int) -> Finding | None:
    """The finding about the agents of so many nodes with these intervals; None without one."""
    if not intervals:
        return None
    ((usual, _),) = Counter(intervals).most_common(1)
    other = next((f" (some every {duration(each)})" for each in intervals if each != usual), "")
    return Finding(
        FindingKind.LONG_INTERVAL,
        f"The agents of {len(intervals):,} of {count(nodes, 'node')} report every {duration(usual)}{other}, "
        "and a window is judged by a figure of every minute, so these nodes cannot be judged: set "
        "`metrics_collection_interval` to 60 in the agent's configuration.",
    )
