"""What the devices of one node carried, from the agent's per-device events, and how surely.

The agent writes one `NodeNet` event per device and sample to the cluster's performance log group. An event
carries its exact time, so it needs no allowance for the age of counters: it covers the span since the event
before it, and only the two that straddle the edges of what is judged are shared by an unknown amount.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from itertools import pairwise
from typing import Final

from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.pods import PodSample
from enigap.core.counting.reading import Run, runs_of, usable_number
from enigap.core.counting.units import NOTHING, ByteRate, RateSpan
from enigap.core.counting.window import MINUTE, PERIOD, PERIODS_PER_WINDOW, Window, floor_to
from enigap.core.text import listed

LONGEST_INTERVAL: Final = timedelta(seconds=90)
"""Events of one device further apart than this have a missing one between them (real intervals are 40..80
s)."""

AMBIGUOUS_INTERVAL: Final = timedelta(seconds=40)
"""Events closer than this come from a 30 s interval or from two agents; then one may cover a whole minute all
the same."""


class DeviceScope(Enum):
    """Which of a node's devices are asked for."""

    ENI = "eni"
    """The physical ones only: a few where a node has dozens of devices. They can clear a node, never accuse
    it."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """One device in one event. A rate is None where the event has none (a counter was reset)."""

    at: datetime
    device: str
    rx_bytes_per_second: float | None
    tx_bytes_per_second: float | None
    rx_packets_per_second: float | None = None
    tx_packets_per_second: float | None = None
    dropped_per_second: float | None = None
    """Packets that the device dropped, received and sent ones together."""

    @property
    def is_rated(self) -> bool:
        """Whether it has both rates."""
        return self.rx_bytes_per_second is not None and self.tx_bytes_per_second is not None

    @property
    def usable_rates(self) -> tuple[float, float] | None:
        """Bytes received and sent per second; None where either is missing or can be no rate."""
        rx, tx = usable_number(self.rx_bytes_per_second), usable_number(self.tx_bytes_per_second)
        return None if rx is None or tx is None else (rx, tx)

    @property
    def usable_packets(self) -> tuple[float | None, float | None]:
        """Packets received and sent per second, each None where it is missing or can be no rate."""
        return usable_number(self.rx_packets_per_second), usable_number(self.tx_packets_per_second)


@dataclass(frozen=True, slots=True)
class DeviceEvents:
    """The events of one node's devices of a scope, in any order, duplicates included."""

    samples: tuple[DeviceSample, ...]
    foreign: int = 0
    """Events in the node's stream that carry another instance id or cluster: streams are named after the
    node's IP, and IPs are reused."""
    malformed: int = 0
    """Events that could not be read."""
    scope: DeviceScope = DeviceScope.ALL
    anonymous: int = 0
    """Events without an instance id: the agent could not ask the instance metadata for it."""
    pods: tuple[PodSample, ...] = ()
    """What the pods' own events of the last window say, where all devices were asked for."""
    counter_age: timedelta = timedelta(0)
    """How much older than an event its counters may be. With an age, the rates are differences of counters
    that the node's total is made of, too."""

    def within(self, start: datetime, end: datetime) -> tuple[DeviceSample, ...]:
        """The samples taken in [start, end)."""
        return tuple(sample for sample in self.samples if start <= sample.at < end)


@dataclass(frozen=True, slots=True)
class Surprises:
    """What the events of one node show that agents of known versions do not: the agent may have changed."""

    devices: frozenset[str] = frozenset()
    """Devices of no known class that carry traffic."""
    events: int = 0
    """Events that lack a field."""

    def __bool__(self) -> bool:
        return bool(self.devices or self.events)

    def __or__(self, other: Surprises) -> Surprises:
        """Of two looks at the same node, which see the same events in part."""
        return Surprises(self.devices | other.devices, max(self.events, other.events))


def surprises_in(events: DeviceEvents, classifier: Classifier) -> Surprises:
    """The devices of no known class among them, and how many events lack a field."""
    carry = {each.device for each in events.samples if each.rx_bytes_per_second or each.tx_bytes_per_second}
    unknown = frozenset(name for name in carry if classifier.kind(name) is DeviceKind.UNKNOWN)
    return Surprises(unknown, events.malformed + events.anonymous)


class NoEvidence(StrEnum):
    """Why there are no events for a node."""

    NOT_ASKED = "not_asked"
    LOG_GROUP_MISSING = "log_group_missing"
    STREAM_MISSING = "stream_missing"
    DENIED = "denied"
    BUDGET_SPENT = "budget_spent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MissingEvidence:
    """Nothing to look at, and why. `detail` completes the sentence for people."""

    why: NoEvidence
    detail: str


@dataclass(frozen=True, slots=True)
class DeviceRates:
    """What one device carried over the judged periods."""

    device: str
    kind: DeviceKind
    rx: RateSpan
    tx: RateSpan
    pod: str | None = None
    """`NAMESPACE/NAME`, where it is known; a name from the log."""
    conversation_with: str | None = None
    """The device that it exchanged its bytes with (`conversations`)."""

    @property
    def total(self) -> RateSpan:
        return self.rx + self.tx


@dataclass(frozen=True, slots=True)
class Evidence:
    """Device by device, over the periods in which every physical device reported throughout."""

    periods: tuple[datetime, ...]
    devices: tuple[DeviceRates, ...]
    """The devices with their rates, largest first."""
    host_network_pods: tuple[str, ...] = ()
    """Pods that count the node's own devices, `NAMESPACE/NAME`: their figures are the node's."""

    def of_kind(self, *kinds: DeviceKind) -> tuple[DeviceRates, ...]:
        return tuple(device for device in self.devices if device.kind in kinds)

    @property
    def physical_rx(self) -> RateSpan:
        return sum((device.rx for device in self.of_kind(DeviceKind.PHYSICAL)), NOTHING)

    @property
    def physical_tx(self) -> RateSpan:
        return sum((device.tx for device in self.of_kind(DeviceKind.PHYSICAL)), NOTHING)

    @property
    def virtual(self) -> RateSpan:
        """Every device that is not physical, of unknown kind included."""
        return sum(
            (device.total for device in self.devices if device.kind is not DeviceKind.PHYSICAL), NOTHING
        )

    @property
    def counted_again(self) -> RateSpan:
        """Overlay, branch and gateway devices."""
        again = self.of_kind(DeviceKind.COUNTED_AGAIN, DeviceKind.GATEWAY)
        return sum((device.total for device in again), NOTHING)

    @property
    def total(self) -> RateSpan:
        return sum((device.total for device in self.devices), NOTHING)


@dataclass(frozen=True, slots=True)
class Unusable:
    """There are events, but they prove nothing; `why` completes "its devices prove nothing: ..."."""

    why: str
    devices: tuple[DeviceRates, ...] = ()
    """What was seen all the same, for showing. Never for judging."""
    host_network_pods: tuple[str, ...] = ()


def weigh(events: DeviceEvents, periods: Sequence[datetime], classifier: Classifier) -> Evidence | Unusable:
    """The devices' rates over those of `periods` that the physical devices cover, if two of them are.

    `periods` are the starts of complete periods of one window, in time order. Whether the devices add up to
    the node's total is compared by `judge`.
    """
    by_device = _by_device(events)
    if not by_device:
        return Unusable(_nothing_usable(events))
    physical = {
        name
        for name, spans in by_device.items()
        if classifier.kind(name) is DeviceKind.PHYSICAL and _lives(spans, periods)
    }
    if not physical:
        rates = _rates(by_device, periods, classifier)
        return Unusable(f"none of its devices ({listed(sorted(by_device))}) has the name of an ENI's", rates)
    ticks = sorted({span.end for spans in by_device.values() for span in spans})
    unrated = _unrated(events.samples, physical)
    whole = {
        name: [start for start in periods if _covers(by_device[name], unrated.get(name, ()), ticks, start)]
        for name in physical
    }
    covered = tuple(start for start in periods if all(start in starts for starts in whole.values()))
    if len(covered) < 2:
        gappy = sorted(name for name, starts in whole.items() if len(starts) < len(periods))
        rates = _rates(by_device, periods, classifier)
        return Unusable(f"{listed(gappy)} did not report in every minute", rates)
    return Evidence(covered, _rates(by_device, covered, classifier))


def greatest_rate(events: DeviceEvents, start: datetime, end: datetime) -> tuple[str, ByteRate]:
    """The device with the greatest rate of one direction in any event of [start, end), and that rate."""
    found = ("", ByteRate(0.0))
    for sample in events.samples:
        if start <= sample.at < end:
            for value in (sample.rx_bytes_per_second, sample.tx_bytes_per_second):
                rate = ByteRate(usable_number(value) or 0.0)
                found = (sample.device, rate) if rate > found[1] else found
    return found


def sums_by_minute(events: DeviceEvents) -> dict[datetime, float]:
    """All devices' bytes per second added up, for each minute in which events lie.

    A device with several events in a minute (a 30 s interval, two agents) counts with their average, as
    CloudWatch's Average does. An event without a rate is left out, as the agent leaves it out of its total.
    """
    rates: dict[datetime, dict[str, list[float]]] = {}
    seen: set[tuple[str, datetime]] = set()
    for sample in events.samples:
        minute = floor_to(sample.at, MINUTE)
        both = sample.usable_rates
        if both is not None and (sample.device, sample.at) not in seen:
            seen.add((sample.device, sample.at))
            rates.setdefault(minute, {}).setdefault(sample.device, []).append(sum(both))
    return {
        minute: sum(sum(several) / len(several) for several in devices.values())
        for minute, devices in rates.items()
    }


def glance(events: DeviceEvents, window: Window, classifier: Classifier) -> Unusable:
    """What the devices did in the window, for people to see where nothing could be compared."""
    periods = tuple(window.start + number * PERIOD for number in range(PERIODS_PER_WINDOW))
    rates = _rates(_by_device(events), periods, classifier)
    return Unusable("the window was not compared" if rates else _nothing_usable(events), rates)


@dataclass(frozen=True, slots=True)
class _Covered:
    """One sample with the span it covers. `earliest` is where it may begin at the earliest."""

    earliest: datetime
    start: datetime
    end: datetime
    rx: float
    tx: float
    is_known: bool
    """Whether the event before it is there to say since when."""


def _by_device(events: DeviceEvents) -> dict[str, list[_Covered]]:
    """The usable samples of each device in time order, each exact repeat once, with the span each covers."""
    grouped: dict[str, dict[datetime, tuple[float, float]]] = {}
    for sample in events.samples:
        if sample.device and (rates := sample.usable_rates) is not None:
            grouped.setdefault(sample.device, {}).setdefault(sample.at, rates)
    return {device: _spans(by_time, events.counter_age) for device, by_time in grouped.items()}


def _spans(rates: Mapping[datetime, tuple[float, float]], age: timedelta) -> list[_Covered]:
    spans: list[_Covered] = []
    for at in sorted(rates):
        before = spans[-1].end if spans else at - MINUTE
        interval = at - before
        # After a gap the interval of the rate is unknown: as a rule the last minute, once a counter started
        # anew.
        start = at - MINUTE if interval > LONGEST_INTERVAL else before
        earliest = min(start, at - MINUTE) if interval < AMBIGUOUS_INTERVAL else before
        is_known = bool(spans) and interval <= LONGEST_INTERVAL
        spans.append(_Covered(earliest - age, start, at, *rates[at], is_known=is_known))
    return spans


def _lives(spans: Sequence[_Covered], periods: Sequence[datetime]) -> bool:
    """Whether a device has an event about these periods: one that was detached before, or is attached later,
    is no gap in them."""
    start, end = periods[0] - MINUTE, periods[-1] + PERIOD + _AGENT_LAG
    return any(start <= span.end <= end for span in spans)


_AGENT_LAG: Final = timedelta(seconds=200)
"""How long after the end of a period an event about it may come: two intervals and the counters' age."""


def _covers(
    spans: Sequence[_Covered], unrated: Sequence[datetime], ticks: Sequence[datetime], period: datetime
) -> bool:
    """Whether an ENI device reported all through the period, as far as it was there.

    `unrated` are its events without a rate, and `ticks` are the times of all devices' events. A device that
    is attached in the period has its first rate after one sample without, and a detached one is missing
    while others report: neither is a gap.
    """
    end = period + PERIOD
    if not _are_unbroken(ticks, period, end):
        return False
    first, last = spans[0].end, spans[-1].end
    if sum(period < at <= min(first, end) for at in unrated) > 1 or any(last < at <= end for at in unrated):
        return False  # A counter was reset: the device was there and has no rates.
    begin, over = max(period, first), min(end, last)
    touching = [span for span in spans if span.end > begin and span.start < over]
    if begin >= over:
        return True  # It was not there.
    return (
        bool(touching)
        and touching[0].start <= begin
        and touching[-1].end >= over
        and all(span.is_known for span in touching)
    )


def _are_unbroken(ticks: Sequence[datetime], start: datetime, end: datetime) -> bool:
    """Whether the node reported from `start` to `end` without a missing minute."""
    first, last = bisect_right(ticks, start) - 1, bisect_left(ticks, end)
    return (
        first >= 0
        and last < len(ticks)
        and all(after - before <= LONGEST_INTERVAL for before, after in pairwise(ticks[first : last + 1]))
    )


def _unrated(samples: Iterable[DeviceSample], devices: Container[str]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for sample in samples:
        if sample.device in devices and sample.usable_rates is None:
            found.setdefault(sample.device, []).append(sample.at)
    return found


def _rates(
    by_device: Mapping[str, Sequence[_Covered]], periods: Sequence[datetime], classifier: Classifier
) -> tuple[DeviceRates, ...]:
    """Of the devices with an event about the periods: one without has no rate, not a rate of zero."""
    if not periods:
        return ()
    runs = runs_of(tuple(periods))
    over = len(periods) * PERIOD
    rates = [
        DeviceRates(name, classifier.kind(name), *_device_rates(spans, runs, over))
        for name, spans in by_device.items()
        if any(span.end > run.start and span.start < run.end for span in spans for run in runs)
    ]
    return tuple(sorted(rates, key=lambda rate: (-rate.total.middle.bytes_per_second, rate.device)))


def _device_rates(
    spans: Sequence[_Covered], runs: Sequence[Run], over: timedelta
) -> tuple[RateSpan, RateSpan]:
    rx, tx = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for span in spans:
        whole = (span.end - span.start).total_seconds()
        for run in runs:
            inside = (min(span.end, run.end) - max(span.start, run.start)).total_seconds()
            # A sample that ends inside may still hold bytes from inside only, or from before only.
            if min(span.end, run.end) <= max(span.earliest, run.start):
                continue
            within = span.earliest >= run.start and span.end <= run.end
            for sums, rate in ((rx, span.rx), (tx, span.tx)):
                sums[0] += rate * whole if within else 0.0
                sums[1] += rate * max(0.0, inside)
                sums[2] += rate * whole
    return _span_of(rx, over), _span_of(tx, over)


def _span_of(sums: Sequence[float], over: timedelta) -> RateSpan:
    low, middle, high = (ByteRate.from_total(total, over) for total in sums)
    return RateSpan(low, middle, high)


def _nothing_usable(events: DeviceEvents) -> str:
    if events.foreign:
        return f"all {events.foreign} events in its log stream belong to another node"
    if events.anonymous:
        return (
            f"none of its {events.anonymous} events carries an instance id: the agent cannot reach the "
            "instance metadata"
        )
    if events.malformed:
        return f"none of its {events.malformed} events could be read"
    if events.samples:
        return "its events name no device with byte rates"
    return "it wrote no device events in this window"
