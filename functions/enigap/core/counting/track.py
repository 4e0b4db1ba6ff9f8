"""Counter tracks: what each device of a node had counted, at the times of its events.

An event of the agent carries a rate, and the rate holds from the event before it to the event's own exact
time. So the rates of successive events add up to the device's counters, up to a constant, at the times of the
events, and nothing is lost between two events however bursty the traffic is. Three things break that:

* a **gap**: an event was lost, or had no rate because a counter was reset. What was counted in it is unknown;
* the **life** of a device: from its first event with a rate to its last. What it counted before the first is
  in EC2's figure and in no event;
* **two agents** on one node, each with a rate over its own interval. Such events are refused: the agents'
  counters are up to 20 s old, so no event can be given to one of them for sure. Where the events could also
  be those of one agent that samples every 30 seconds, each possible reading is kept, and a bound has to hold
  for all of them.

Times are seconds since the Unix epoch: thousands of samples are walked through for each node.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import pairwise
from statistics import median
from typing import Final

from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import LONGEST_INTERVAL, DeviceEvents, DeviceSample
from enigap.core.counting.reading import usable_number
from enigap.core.counting.rules import IMPLAUSIBLE_RATE

LONGEST_INTERVAL_SECONDS: Final = LONGEST_INTERVAL.total_seconds()
SHORTEST_INTERVAL_SECONDS: Final = 40.0
"""Of one agent that samples every minute: its counters are up to 20 s old (google/cadvisor, housekeeping)."""
HALF_MINUTE_SECONDS: Final = (22.0, 38.0)
"""Between two events of one agent that samples every 30 seconds."""
SAME_TICK_SECONDS: Final = 2.0
"""All devices are read in one go; events no further apart than this are of one sample."""


class Direction(StrEnum):
    """Of bytes, as the node sees them: EC2's NetworkIn is what was received."""

    RECEIVED = "received"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class Counter:
    """Bytes and packets of one direction at the times of a track, from zero at the first of them."""

    bytes: tuple[float, ...]
    packets: tuple[float, ...] | None
    """None where an event names no packets."""


@dataclass(frozen=True, slots=True)
class CounterTrack:
    """What one device had counted, at the times of its events."""

    device: str
    kind: DeviceKind
    times: tuple[float, ...]
    """Of its events with rates, in seconds since the epoch, rising. The first and the last are its life."""
    counters: Mapping[Direction, Counter]
    gaps: tuple[tuple[float, float], ...]
    """Spans between two of `times` in which it is unknown what was counted: the counters stand still."""
    age: float
    """How many seconds older than its time a counter may be."""

    def at_or_before(self, instant: float) -> int | None:
        """The index of the last event at or before an instant, as are its counters; None before the device's
        life."""
        index = bisect_right(self.times, instant) - 1
        return index if index >= 0 else None

    def at_or_after(self, instant: float) -> int | None:
        """The index of the first event whose counters are of an instant or later; None after the device's
        life."""
        index = bisect_left(self.times, instant + self.age)
        return index if index < len(self.times) else None

    def interpolated(self, direction: Direction, instant: float) -> float:
        """The likeliest bytes at an instant: on a straight line between two events, constant outside."""
        values = self.counters[direction].bytes
        instant += self.age / 2
        after = bisect_left(self.times, instant)
        if after == 0:
            return values[0]
        if after == len(self.times):
            return values[-1]
        before = after - 1
        share = (instant - self.times[before]) / (self.times[after] - self.times[before])
        return values[before] + share * (values[after] - values[before])


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks of one node's devices."""

    readings: tuple[tuple[CounterTrack, ...], ...]
    """As a rule one. Several where the events can be read as those of one agent or of two: the truth is what
    one of the readings says, and it is not known which."""


@dataclass(frozen=True, slots=True)
class NoTracks:
    """Why the events cannot be read as counters; completes "its devices prove nothing: ..."."""

    why: str


def tracks_of(
    events: DeviceEvents, classifier: Classifier, wanted: Callable[[str], bool] = lambda _: True
) -> Tracks | NoTracks:
    """The counter tracks that the events of a node's devices come to, or of those `wanted` by name."""
    by_device = _rated(events.samples, wanted)
    if not by_device:
        return NoTracks("no event names such a device with byte rates")
    lineages = _lineages(_ticks(by_device))
    if lineages is None:
        return NoTracks("its events are of more than one agent and cannot be told apart")
    unrated, age = _unrated(events.samples), events.counter_age.total_seconds()
    return Tracks(
        tuple(
            tuple(
                _track(name, classifier.kind(name), samples, unrated.get(name, ()), lineage, age)
                for name, samples in by_device.items()
                if lineage[0] is None or not lineage[0].isdisjoint(samples)
            )
            for lineage in lineages
        )
    )


# --- the events, by device and time

_Sample = tuple[float, float, float | None, float | None]
"""Received and sent bytes per second, received and sent packets per second."""


def _rated(samples: Iterable[DeviceSample], wanted: Callable[[str], bool]) -> dict[str, dict[float, _Sample]]:
    """The samples with rates by device and time, an exact repeat once."""
    found: dict[str, dict[float, _Sample]] = {}
    is_wanted = cache(wanted)
    for sample in samples:
        if not is_wanted(sample.device):
            continue
        rx, tx = _possible(sample.rx_bytes_per_second), _possible(sample.tx_bytes_per_second)
        if sample.device and rx is not None and tx is not None:
            of_device = found.setdefault(sample.device, {})
            of_device.setdefault(sample.at.timestamp(), (rx, tx, *sample.usable_packets))
    return found


def _unrated(samples: Iterable[DeviceSample]) -> dict[str, tuple[float, ...]]:
    """When a device had an event without a rate: its first sample, or one after a counter was reset, or
    wrapped."""
    found: dict[str, list[float]] = {}
    for sample in samples:
        if _possible(sample.rx_bytes_per_second) is None or _possible(sample.tx_bytes_per_second) is None:
            found.setdefault(sample.device, []).append(sample.at.timestamp())
    return {name: tuple(sorted(times)) for name, times in found.items()}


def _possible(bytes_per_second: float | None) -> float | None:
    """None for what no machine can move, such as the rate of a counter that wrapped."""
    rate = usable_number(bytes_per_second)
    return rate if rate is not None and rate <= IMPLAUSIBLE_RATE.bytes_per_second else None


# --- one agent or two

_Lineage = tuple[frozenset[float] | None, float]
"""The times of one agent's events, None for all of them, and the shortest interval between two."""


def _ticks(by_device: Mapping[str, Mapping[float, _Sample]]) -> dict[float, set[float]]:
    """The times of the events, by the first of those that lie within `SAME_TICK_SECONDS` of each other."""
    ticks: dict[float, set[float]] = {}
    newest = None
    for at in sorted({at for samples in by_device.values() for at in samples}):
        if newest is None or at - newest > SAME_TICK_SECONDS:
            newest = at
        ticks.setdefault(newest, set()).add(at)
    return ticks


def _lineages(members: Mapping[float, set[float]]) -> tuple[_Lineage, ...] | None:
    """How the times of the events can be read: the events of one agent, or of one of two; None if neither."""
    ticks = tuple(members)
    if all(after - before >= SHORTEST_INTERVAL_SECONDS for before, after in pairwise(ticks)):
        return ((None, SHORTEST_INTERVAL_SECONDS),)
    low, high = HALF_MINUTE_SECONDS
    half_minutes = sum(low <= after - before <= high for before, after in pairwise(ticks))
    chains = _chains(ticks)
    if chains is None or half_minutes < (len(ticks) - 1) / 2:
        return None
    two_agents = tuple(
        (frozenset(at for tick in chain for at in members[tick]), SHORTEST_INTERVAL_SECONDS)
        for chain in chains
    )
    return ((None, 0.0), *two_agents)


def _chains(ticks: Sequence[float]) -> tuple[list[float], list[float]] | None:
    """The times told apart by their phase within the minute; None where two chains do not hold them all."""
    chains: list[list[float]] = []
    for tick in ticks:
        free = [chain for chain in chains if tick - chain[-1] >= SHORTEST_INTERVAL_SECONDS]
        if free and (len(chains) == 2 or _is_next(free[0], tick)):
            min(free, key=lambda chain: _off_phase(tick - chain[-1])).append(tick)
        elif len(chains) < 2:
            chains.append([tick])
        else:
            return None
    if len(chains) < 2:
        return None
    for chain in chains:
        intervals = [after - before for before, after in pairwise(chain)]
        if not intervals or abs(median(intervals) - 60.0) > 5.0:
            return None
    return chains[0], chains[1]


def _is_next(chain: Sequence[float], tick: float) -> bool:
    return tick - chain[-1] > LONGEST_INTERVAL_SECONDS or _off_phase(tick - chain[-1]) <= 20.0


def _off_phase(interval: float) -> float:
    """How far an interval is from whole minutes, in seconds."""
    off = interval % 60.0
    return min(off, 60.0 - off)


# --- one device


def _track(  # noqa: PLR0917 - one device, and how its events are read
    name: str,
    kind: DeviceKind,
    samples: Mapping[float, _Sample],
    unrated: Sequence[float],
    lineage: _Lineage,
    age: float,
) -> CounterTrack:
    chosen, shortest = lineage
    times = sorted(samples if chosen is None else chosen.intersection(samples))
    sums = [[0.0], [0.0], [0.0], [0.0]]
    has_packets = [True, True]
    gaps = []
    for before, after in pairwise(times):
        interval = after - before
        is_known = shortest <= interval <= LONGEST_INTERVAL_SECONDS and not _any_between(
            unrated, before, after
        )
        if not is_known:
            gaps.append((before, after))
        rates = samples[after]
        for number, rate in enumerate(rates):
            if rate is None:
                has_packets[number - 2] = False
            sums[number].append(sums[number][-1] + (rate or 0.0) * (interval if is_known else 0.0))
    rx, tx, rx_packets, tx_packets = map(tuple, sums)
    return CounterTrack(
        name,
        kind,
        tuple(times),
        {
            Direction.RECEIVED: Counter(rx, rx_packets if has_packets[0] else None),
            Direction.SENT: Counter(tx, tx_packets if has_packets[1] else None),
        },
        tuple(gaps),
        age,
    )


def _any_between(times: Sequence[float], start: float, end: float) -> bool:
    index = bisect_right(times, start)
    return index < len(times) and times[index] < end
