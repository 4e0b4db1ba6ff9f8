"""Where the datapoints are: exact metric identity, one statistic set per minute, and the listing.

Reading a series costs its own points only, however many metrics are stored. Columns are arrays of doubles,
and a loaded fleet shares what its series have in common (their minutes, their sample counts), so that
300,000 series of 35 points fit in a few hundred megabytes; a `SeriesSource` computes series on demand and
needs next to nothing.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, reduce
from operator import add
from typing import Final, NamedTuple, Protocol, Self

MINUTE_SECONDS: Final = 60
LISTED_FOR: Final = timedelta(days=14)
RECENTLY_ACTIVE_FOR: Final = timedelta(hours=3)
STATISTICS: Final = frozenset({"Sum", "Average", "Minimum", "Maximum", "SampleCount"})
NO_UNIT: Final = "None"


class MetricIdentity(NamedTuple):
    """What makes a metric itself: namespace, name and the exact set of its dimensions, sorted by name."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


def metric(namespace: str, name: str, **dimensions: str) -> MetricIdentity:
    """The identity of a metric, as in `metric("AWS/EC2", "NetworkIn", InstanceId="i-1")`."""
    return MetricIdentity(namespace, name, tuple(sorted(dimensions.items())))


class StatisticSet(NamedTuple):
    """All that a minute remembers of its samples."""

    sum: float
    sample_count: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float], counts: Sequence[float] | None = None) -> Self:
        """The set of samples in which `values[i]` occurred `counts[i]` times (once each by default)."""
        weights = counts if counts is not None else [1.0] * len(values)
        total = sum(value * weight for value, weight in zip(values, weights, strict=True))
        return cls(total, sum(weights), min(values), max(values))


@dataclass(slots=True)
class Points:
    """The datapoints of one metric in one unit, oldest first.

    `seconds` are the epoch seconds at which their minutes begin. `shared` columns belong to more than one
    series; they are copied before the first change.
    """

    unit: str
    seconds: "array[int]"
    sums: "array[float]"
    sample_counts: "array[float]"
    minimums: "array[float]"
    maximums: "array[float]"
    shared: bool = False

    @classmethod
    def empty(cls, unit: str) -> Self:
        return cls(unit, array("q"), array("d"), array("d"), array("d"), array("d"))

    @classmethod
    def even(cls, unit: str, seconds: "array[int]", values: "array[float]", samples_per_point: float) -> Self:
        """Points each made of so many samples that all measured `values[i]`."""
        sums = (
            values if samples_per_point == 1 else array("d", [value * samples_per_point for value in values])
        )
        return cls(
            unit, seconds, sums, _constant(samples_per_point, len(values)), values, values, shared=True
        )

    def add(self, second: int, more: StatisticSet) -> None:
        """Add samples to the minute that starts at `second`."""
        if self.shared:
            self._copy_columns()
        at = bisect_left(self.seconds, second)
        if at < len(self.seconds) and self.seconds[at] == second:
            self.sums[at] += more.sum
            self.sample_counts[at] += more.sample_count
            self.minimums[at] = min(self.minimums[at], more.minimum)
            self.maximums[at] = max(self.maximums[at], more.maximum)
            return
        self.seconds.insert(at, second)
        self.sums.insert(at, more.sum)
        self.sample_counts.insert(at, more.sample_count)
        self.minimums.insert(at, more.minimum)
        self.maximums.insert(at, more.maximum)

    def since(self, second: int) -> Self:
        """Only what begins at this second or later."""
        first = bisect_left(self.seconds, second)
        return replace(
            self,
            seconds=self.seconds[first:],
            sums=self.sums[first:],
            sample_counts=self.sample_counts[first:],
            minimums=self.minimums[first:],
            maximums=self.maximums[first:],
            shared=False,
        )

    def _copy_columns(self) -> None:
        self.seconds = self.seconds[:]
        self.sums = self.sums[:]
        self.sample_counts = self.sample_counts[:]
        self.minimums = self.minimums[:]
        self.maximums = self.maximums[:]
        self.shared = False


@lru_cache(maxsize=256)
def regular_seconds(start: int, step: int, length: int) -> "array[int]":
    """The column of regularly spaced datapoints: one for all series that have it, so not to be changed."""
    return array("q", range(start, start + step * length, step))


@lru_cache(maxsize=256)
def _constant(value: float, length: int) -> "array[float]":
    return array("d", [value]) * length


class SeriesSource(Protocol):
    """Series that are computed when they are asked for, so that a huge fleet needs no memory of its own."""

    def newest(self) -> Iterable[tuple[MetricIdentity, int]]:
        """Every metric of this source with the epoch second of its newest datapoint."""

    def points(self, identity: MetricIdentity) -> Points | None:
        """The datapoints of this metric, None when the source does not have the metric."""


class Store:
    """Datapoints by exact identity. Knows no wire format and no limits."""

    def __init__(self) -> None:
        self._series: dict[MetricIdentity, list[Points]] = {}
        self._sources: list[SeriesSource] = []

    def add_source(self, source: SeriesSource) -> None:
        self._sources.append(source)

    def add_points(self, identity: MetricIdentity, points: Points) -> None:
        """Hand over a whole series; it joins whatever the metric already has."""
        if points.seconds:
            self._series.setdefault(identity, []).append(points)

    def add(self, identity: MetricIdentity, at: datetime, samples: StatisticSet, unit: str) -> None:
        series = self._series.setdefault(identity, [])
        points = next((points for points in series if points.unit == unit), None)
        if points is None:
            points = Points.empty(unit)
            series.append(points)
        points.add(floor_to(epoch_second(at), MINUTE_SECONDS), samples)

    def written(self) -> Iterator[tuple[MetricIdentity, Points]]:
        """All that was added, in no particular order; what sources compute is not part of it."""
        for identity, series in self._series.items():
            for points in series:
                yield identity, points

    def forget_before(self, instant: datetime) -> None:
        """Drop what was added of earlier minutes, as CloudWatch does after 15 days."""
        second = epoch_second(instant)
        kept = {
            identity: [each.since(second) for each in series if each.seconds[-1] >= second]
            for identity, series in self._series.items()
        }
        self._series = {identity: series for identity, series in kept.items() if series}

    def read(
        self, identity: MetricIdentity, statistic: str, *, unit: str | None, start: int, end: int, period: int
    ) -> tuple[list[int], list[float]]:
        """Timestamps and values, oldest first, of [start, end) in buckets of `period` seconds.

        Buckets lie on whole multiples of the period since the epoch and are named by their start. `unit` None
        reads every unit together.
        """
        parts = self._parts(identity, unit)
        if len(parts) == 1 and period == MINUTE_SECONDS:
            return _minutes(parts[0], start, end, statistic)
        return _buckets(parts, start, end, period, statistic)

    def units(self, identity: MetricIdentity) -> list[str]:
        """The units this metric has datapoints in, each once."""
        return list(dict.fromkeys(points.unit for points in self._parts(identity, None)))

    def whole(
        self, identity: MetricIdentity, statistic: str, *, unit: str | None, start: int, end: int
    ) -> float | None:
        """One statistic over all the samples in [start, end), None when there is none."""
        parts = self._parts(identity, unit)
        if statistic == "Average":
            _, totals = _buckets(parts, start, end, MINUTE_SECONDS, "Sum")
            _, samples = _buckets(parts, start, end, MINUTE_SECONDS, "SampleCount")
            return sum(totals) / sum(samples) if samples else None
        _, values = _buckets(parts, start, end, MINUTE_SECONDS, statistic)
        return reduce(_MERGE[statistic], values) if values else None

    def listing(
        self,
        now: datetime,
        *,
        namespace: str | None = None,
        name: str | None = None,
        dimensions: Sequence[tuple[str, str | None]] = (),
        recently_active: bool = False,
    ) -> list[MetricIdentity]:
        """Metrics with data in the last two weeks (or three hours) that match, in no particular order.

        A dimension filter without a value matches any value; metrics may have further dimensions.
        """
        since = epoch_second(now - (RECENTLY_ACTIVE_FOR if recently_active else LISTED_FOR))
        found = (
            identity
            for identity, newest in self._newest()
            if newest >= since
            and (namespace is None or identity.namespace == namespace)
            and (name is None or identity.name == name)
            and _has_dimensions(identity, dimensions)
        )
        return list(dict.fromkeys(found))

    def _newest(self) -> Iterable[tuple[MetricIdentity, int]]:
        for identity, series in self._series.items():
            yield identity, max(points.seconds[-1] for points in series)
        for source in self._sources:
            yield from source.newest()

    def _parts(self, identity: MetricIdentity, unit: str | None) -> list[Points]:
        parts = list(self._series.get(identity, ()))
        for source in self._sources:
            computed = source.points(identity)
            parts += [] if computed is None else [computed]
        return parts if unit is None else [points for points in parts if points.unit == unit]


def epoch_second(instant: datetime) -> int:
    """Whole seconds since the epoch of an aware datetime."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone: give an aware UTC datetime")
    return int(instant.timestamp() // 1)


def instant_of(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def floor_to(second: int, step: int) -> int:
    return second - second % step


def _has_dimensions(identity: MetricIdentity, wanted: Sequence[tuple[str, str | None]]) -> bool:
    if not wanted:
        return True
    own: Mapping[str, str] = dict(identity.dimensions)
    return all(name in own if value is None else own.get(name) == value for name, value in wanted)


_MERGE: Final[Mapping[str, Callable[[float, float], float]]] = {
    "Sum": add,
    "SampleCount": add,
    "Minimum": min,
    "Maximum": max,
}


def _minutes(points: Points, start: int, end: int, statistic: str) -> tuple[list[int], list[float]]:
    first, beyond = bisect_left(points.seconds, start), bisect_left(points.seconds, end)
    return points.seconds[first:beyond].tolist(), _column(points, statistic, first, beyond)


def _column(points: Points, statistic: str, first: int, beyond: int) -> list[float]:
    match statistic:
        case "Sum":
            return points.sums[first:beyond].tolist()
        case "SampleCount":
            return points.sample_counts[first:beyond].tolist()
        case "Minimum":
            return points.minimums[first:beyond].tolist()
        case "Maximum":
            return points.maximums[first:beyond].tolist()
        case "Average":
            sums, counts = points.sums[first:beyond], points.sample_counts[first:beyond]
            return [total / samples for total, samples in zip(sums, counts, strict=True)]
        case _:
            raise ValueError(f"{statistic} is not one of {', '.join(sorted(STATISTICS))}")


def _buckets(
    parts: Sequence[Points], start: int, end: int, period: int, statistic: str
) -> tuple[list[int], list[float]]:
    if statistic == "Average":
        seconds, totals = _buckets(parts, start, end, period, "Sum")
        _, samples = _buckets(parts, start, end, period, "SampleCount")
        return seconds, [total / count for total, count in zip(totals, samples, strict=True)]
    merge = _MERGE[statistic]
    merged: dict[int, float] = {}
    for points in parts:
        seconds, values = _minutes(points, start, end, statistic)
        for second, value in zip(seconds, values, strict=True):
            bucket = second - second % period
            known = merged.get(bucket)
            merged[bucket] = value if known is None else merge(known, value)
    buckets = sorted(merged)
    return buckets, [merged[bucket] for bucket in buckets]
