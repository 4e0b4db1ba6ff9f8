"""The accumulated comparison: what the ENI devices counted against what the ENIs carried, over hours.

One window of 15 minutes has two edges, and at each the event that straddles it is shared by an unknown
amount. In between the counters are exact. So the longer the run of periods, the sharper the comparison: for
every run of complete EC2 periods of the last hours the devices' bytes are bounded, with two uncertain edges
however long the run is. The bounds hold for each run by itself, so the worst run may be believed. Nothing is
assumed about the traffic.

At a boundary T of two periods the counters lie between their values at the last event at or before `T - m`
and at the first event at or after `T + m`. The margin `m` is how far EC2's minutes may be off, with the
node's clock: where EC2 begins its minutes is not documented.

Over a run [T1, T2), for one direction, with E and Q EC2's bytes and packets, C the devices' bytes and P
their packets:

    most = C(T2 + m) - C(T1 - m)        least = C(T2 - m) - C(T1 + m)

**Headers.** The OS counts one header for each super-packet of an offload, EC2 one for each frame, so E - C is
the header's length times the frames that are no packet of the OS. With EC2's packets at hand this is bounded
by 42 (UDP over IPv4 in Ethernet) and 156 B (TCP over IPv6 in VXLAN over IPv6) a frame. Which bytes of a frame
EC2 counts is not documented either: IP bytes alone are 14 B less than the Ethernet frame that the OS counts,
preamble, checksum and gap are 24 B more.

    deficit = (E - 24 Q)(1 - s) - (most  + 156 max(0, Q - P_least))
    excess  = (least + 42 max(0, Q - P_most)) - (E + 14 Q)(1 + s)

Where EC2 has no packets, or may count super-packets itself, the frames lie between the events' packets and
those plus a packet for each 536 B (the least segment that TCP hosts agree on unasked: RFC 9293), and the
headers are within a tolerance.

Sources: recordings k1 and k2 (66.0 B a packet between wire and device), k5 (14.0 B a received frame).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate, pairwise
from math import inf
from typing import Final

from enigap.core.counting.bypass import MIRROR_HEADER_BYTES, Bypass
from enigap.core.counting.comparison import (
    HOUR,
    Accumulated,
    Compared,
    Difference,
    EniHistory,
    Excluded,
    Sign,
    Violation,
)
from enigap.core.counting.rules import Rules
from enigap.core.counting.track import LONGEST_INTERVAL_SECONDS, CounterTrack, Direction
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import PERIOD

MARGIN_SECONDS: Final = 65.0
"""How far a boundary of EC2's periods may be off: 60 s of EC2, 3 s of the node's clock, and rounding."""
LIFE_MARGIN_SECONDS: Final = 150.0
"""A device carried bytes for up to so long before its first event with a rate, and after its last: two of the
agent's intervals and the age of its counters."""
SHORTEST_RUN: Final = timedelta(minutes=10)
NEWEST_ENDS: Final = 12
"""How many of the last boundaries a run may end at: an hour of them."""

SLACK: Final = 0.005
"""Relative, for rounding, and packets that were under way at an edge."""
LEAST_HEADER_BYTES: Final = 42.0
MOST_HEADER_BYTES: Final = 156.0
LEAST_CONVENTION_BYTES: Final = -14.0
MOST_CONVENTION_BYTES: Final = 24.0
LEAST_SEGMENT_BYTES: Final = 536.0
LARGEST_FRAME_BYTES: Final = 9_100.0
"""More bytes than this for each of EC2's packets, and its packets are no frames."""
LONG_RUN_TOLERANCE: Final = 0.03
"""On top of the tolerance, for deficits without packets over more than an hour: a sender behind IPv6 in VXLAN
at MTU 1500 shows C/E = 0.899, one with peers of MSS 536 0.891."""

RESOLVER_PACKETS_PER_SECOND: Final = 1024.0
"""For each ENI, what the VPC's resolver and instance metadata take (VPC user guide, link-local limits). EC2
may leave these out."""
RESOLVER_PACKET_BYTES: Final = 512.0
RESOLVER_PACKETS_THE_OTHER_WAY: Final = 1.25
"""For each packet one way, how many may go the other: each question has one answer, and not every run of
periods has both."""


def packets_are_frames(eni: EniHistory, readings: Sequence[Sequence[CounterTrack]]) -> bool:
    """Whether EC2's packets are clearly more than the OS's in a direction: then they count frames.

    Were they packets of the OS, which may be many frames each, the two would be the same.
    """
    return any(_clearly_more(_Side(eni, tracks, direction)) for tracks in readings for direction in Direction)


def _clearly_more(side: _Side) -> bool:
    if not side.packets_known:
        return False
    return any(
        side.frames[last] - side.frames[first] > 1.2 * side.packets_most(first, last) + 1000.0
        for first, last in _runs([side])
    )


def compare(
    eni: EniHistory,
    readings: Sequence[Sequence[CounterTrack]],
    rules: Rules,
    *,
    frames: bool,
    bypass: Bypass | None = None,
) -> Accumulated | None:
    """The ENI devices against EC2 over all runs that end within the last hour of the history.

    `readings` are the ways in which the events of the ENI devices can be read (`track.Tracks.physical`): a
    violation has to hold in each. `frames` says that EC2's packets count frames, `bypass` what the node has
    of traffic that EC2 may count and no device does. None where no run is long enough to compare, or the
    events name no ENI device.
    """
    if not readings or not all(readings):
        return None
    ways = [_Way(eni, readings, direction, rules, frames=frames) for direction in Direction]
    if not all(way.runs for way in ways):
        return None
    found: list[Violation] = []
    excluded: list[Excluded] = []
    for way, back in zip(ways, reversed(ways), strict=True):
        for sign in Sign:
            bounds = way.bounds(sign)
            excluded += _excluded(bounds)
            allowed = _Allowed(way, back, sign, bypass)
            if (worst := _worst_that_lasts(bounds, rules, allowed)) is not None:
                found.append(worst)
    found.sort(key=lambda violation: -violation.rate.bytes_per_second)
    runs = ways[-1].runs
    first, last = ways[-1].longest
    shown = (first, last)
    if found:
        shown = _plainest([way.sides[0] for way in ways], found[0], rules) or shown
    return Accumulated(
        tuple(found),
        tuple(way.sides[0].compared(*shown) for way in ways),
        tuple(excluded),
        eni.start + first * PERIOD,
        eni.start + last * PERIOD,
        eni.start + max(end for _, end in runs) * PERIOD,
        tuple(way.difference(back, bypass) for way, back in zip(ways, reversed(ways), strict=True)),
    )


class _Way:
    """One direction, in each way in which the events can be read."""

    def __init__(
        self,
        eni: EniHistory,
        readings: Sequence[Sequence[CounterTrack]],
        direction: Direction,
        rules: Rules,
        *,
        frames: bool,
    ) -> None:
        self.direction, self.rules = direction, rules
        self.sides = [_Side(eni, tracks, direction) for tracks in readings]
        self.runs = _runs(self.sides)
        # What crosses no ENI device is in no figure of the OS: an idle one has no resolver traffic.
        self.enis = max(sum(t.counters[direction].bytes[-1] > 0 for t in tracks) for tracks in readings)
        self.use_packets = frames and all(
            side.packets_known and side.packets_are_small for side in self.sides
        )

    @property
    def longest(self) -> tuple[int, int]:
        return max(self.runs, key=lambda run: run[1] - run[0])

    def bounds(self, sign: Sign) -> list[_Bound]:
        return [_bound(side, sign, self.rules, use_packets=self.use_packets) for side in self.sides]

    def carried(self, first: int, last: int) -> float:
        return self.sides[0].carried[last] - self.sides[0].carried[first]

    def frames_between(self, first: int, last: int) -> tuple[float, float]:
        """How many frames EC2 counted at least and at most."""
        if self.use_packets:
            frames = self.sides[0].frames[last] - self.sides[0].frames[first]
            return frames, frames
        bounds = self.bounds(Sign.DEFICIT)
        least = min(bound.side.packets_least(first, last) for bound in bounds)
        return max(0.0, least), max(bound.frames_at_most(first, last) for bound in bounds)

    def surplus_packets(self, first: int, last: int) -> float | None:
        """How many more packets the devices counted than EC2, at most; None where it is not known.

        In periods that an event is missing of, EC2's may be those that the devices counted unseen.
        """
        if not self.use_packets:
            return None
        frames = self.frames_between(first, last)[0]
        unseen = (side.frames_unseen[last] - side.frames_unseen[first] for side in self.sides)
        surplus = (
            side.packets_most(first, last) - (frames - more)
            for side, more in zip(self.sides, unseen, strict=True)
        )
        return max(0.0, *surplus)

    def difference(self, back: _Way, bypass: Bypass | None) -> Difference:
        """Over the longest run; `back` is the other direction."""
        first, last = self.longest
        lows, highs = zip(
            *(bound.difference(first, last) for bound in self.bounds(Sign.DEFICIT)), strict=True
        )
        return Difference(
            self.direction,
            (last - first) * PERIOD,
            min(lows),
            max(highs),
            self.carried(first, last) + back.carried(first, last),
            *self.frames_between(first, last),
            _left_out_at_most(self, back, first, last),
            bool(bypass),
        )


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What is not told of one direction and sign: EC2 may count it otherwise by design."""

    way: _Way
    back: _Way
    sign: Sign
    bypass: Bypass | None

    def off(self, amount: float, first: int, last: int) -> float:
        """What is left of a deficit's bytes without those that the node's bypass may be."""
        if amount <= 0 or not self.bypass or self.sign is Sign.EXCESS:
            return amount
        return amount - self._bypassed(self.bypass, first, last)

    def _bypassed(self, bypass: Bypass, first: int, last: int) -> float:
        way, start = self.way, self.way.sides[0].start
        amount = 0.0
        if bypass.has_efa:
            span = start + first * PERIOD, start + last * PERIOD
            amount += inf if bypass.efa is None else bypass.efa.at_most(way.direction, *span)
        if bypass.mirror_sessions and way.direction is Direction.SENT:
            # Of n sessions each may copy all frames, and what EC2 counted is these and the copies.
            both = [one.carried(first, last) for one in (way, self.back)]
            frames = [one.frames_between(first, last)[1] for one in (way, self.back)]
            share = bypass.mirror_sessions / (1 + bypass.mirror_sessions)
            amount += share * (sum(both) + MIRROR_HEADER_BYTES * sum(frames))
        return amount

    def left_out(self, first: int, last: int) -> float:
        """What an excess has to be beyond, in bytes."""
        return 0.0 if self.sign is Sign.DEFICIT else _left_out_at_most(self.way, self.back, first, last)


def _plainest(sides: Sequence[_Side], worst: Violation, rules: Rules) -> tuple[int, int] | None:
    """The run over which the two sides' bytes differ by the greatest factor at least: what it shows has
    lasted all through it, where the one with the most bytes a second may begin before that."""
    side = next(side for side in sides if side.direction is worst.direction)
    plainest, greatest = None, 0.0
    for last in side.newest_ends():
        first_of_all = max(max(s.unbroken_since[last], s.whole_since[last]) for s in sides)
        for first in range(first_of_all, last - SHORTEST_RUN // PERIOD + 1):
            carried = side.carried[last] - side.carried[first]
            if carried < rules.floor.bytes_per_second * _seconds(first, last):
                continue
            if worst.sign is Sign.DEFICIT:
                factor = carried / max(1.0, side.high[last] - side.low[first])
            else:
                factor = (side.low[last] - side.high[first]) / carried
            if factor > greatest:
                plainest, greatest = (first, last), factor
    return plainest


def _runs(sides: Sequence[_Side]) -> list[tuple[int, int]]:
    """First and last boundary of the longest unbroken run to each of the newest boundaries."""
    runs = [
        (max(max(side.unbroken_since[end], side.whole_since[end]) for side in sides), end)
        for end in sides[0].newest_ends()
    ]
    return [(first, last) for first, last in runs if last - first >= SHORTEST_RUN // PERIOD]


# --- one direction of one node, as sums at the boundaries of EC2's periods


class _Side:
    """One direction: sums at each boundary of EC2's periods, and from which boundary on a run is unbroken."""

    def __init__(self, eni: EniHistory, tracks: Sequence[CounterTrack], direction: Direction) -> None:
        carried = eni.of(direction)
        self.direction, self.start, self.tracks = direction, eni.start, tracks
        count = len(carried.bytes)
        first = eni.start.timestamp()
        self.instants = [first + number * PERIOD.total_seconds() for number in range(count + 1)]
        self.carried = _sums(carried.bytes)
        self.frames = _sums(carried.packets)
        self.unbroken_since = _unbroken_since(carried.bytes)
        counters = [(track, track.counters[direction]) for track in tracks]
        self.low = [0.0] * (count + 1)
        self.high = [0.0] * (count + 1)
        self.packets_low = [0.0] * (count + 1)
        self.packets_high = [0.0] * (count + 1)
        self.has_packets = all(counter.packets is not None for _, counter in counters)
        for track, counter in counters:
            for number, instant in enumerate(self.instants):
                before = track.at_or_before(instant - MARGIN_SECONDS)
                after = track.at_or_after(instant + MARGIN_SECONDS)
                lowest = 0 if before is None else before
                highest = len(track.times) - 1 if after is None else after
                self.low[number] += counter.bytes[lowest]
                self.high[number] += counter.bytes[highest]
                if counter.packets is not None:
                    self.packets_low[number] += counter.packets[lowest]
                    self.packets_high[number] += counter.packets[highest]
        self._zones = [zone for track in tracks for zone in _unknown_zones(track)]
        self._zones += _without_agent(tracks)
        self.whole_since = self._whole_since()
        self.frames_unseen = _sums(
            packets if self._is_touched(number) else 0.0 for number, packets in enumerate(carried.packets)
        )
        whole = [(b, p) for b, p in zip(carried.bytes, carried.packets, strict=True) if b is not None]
        self.packets_known = self.has_packets and bool(whole) and all(p is not None for _, p in whole)
        self.packets_are_small = all(p is None or b <= LARGEST_FRAME_BYTES * p for b, p in whole)

    def newest_ends(self) -> range:
        count = len(self.instants)
        return range(max(1, count - NEWEST_ENDS), count)

    def _whole_since(self) -> list[int]:
        """For each boundary, from which one on nothing that the devices counted is missing up to it."""
        zones = sorted(self._zones)
        latest_ends = list(accumulate((end for _, end in zones), max))
        bounds = []
        for number, instant in enumerate(self.instants):
            begun = bisect_left(zones, (instant + MARGIN_SECONDS, float("-inf")))
            not_before = latest_ends[begun - 1] if begun else float("-inf")
            bounds.append(min(number, bisect_left(self.instants, not_before + MARGIN_SECONDS)))
        return bounds

    def _is_touched(self, period: int) -> bool:
        """Whether the devices may have counted something in a period that no event has."""
        begin, end = self.instants[period] - MARGIN_SECONDS, self.instants[period + 1] + MARGIN_SECONDS
        return any(zone_begin < end and begin < zone_end for zone_begin, zone_end in self._zones)

    def packets_most(self, first: int, last: int) -> float:
        return self.packets_high[last] - self.packets_low[first]

    def packets_least(self, first: int, last: int) -> float:
        return self.packets_low[last] - self.packets_high[first]

    def compared(self, first: int, last: int) -> Compared:
        seconds = timedelta(seconds=_seconds(first, last))
        carried = self.carried[last] - self.carried[first]
        return Compared(
            self.direction,
            ByteRate.from_total(self.likely_bytes(first, last), seconds),
            ByteRate.from_total(carried, seconds),
            self._likely_packets(first, last) / _seconds(first, last) if self.has_packets else None,
            (self.frames[last] - self.frames[first]) / _seconds(first, last) if self.packets_known else None,
            self._ratio(last - 1, last),
        )

    def _ratio(self, first: int, last: int) -> float | None:
        carried = self.carried[last] - self.carried[first]
        return self.likely_bytes(first, last) / carried if carried > 0 else None

    def _likely_packets(self, first: int, last: int) -> float:
        """Between the middles of what is known at both ends."""
        ends = self.packets_low[last] + self.packets_high[last]
        return (ends - self.packets_low[first] - self.packets_high[first]) / 2

    def likely_bytes(self, first: int, last: int) -> float:
        """What the devices counted, at the likeliest."""
        return sum(
            track.interpolated(self.direction, self.instants[last])
            - track.interpolated(self.direction, self.instants[first])
            for track in self.tracks
        )


def _unknown_zones(track: CounterTrack) -> Iterator[tuple[float, float]]:
    """Spans in which a device may have carried bytes that no event has, for runs to stay clear of.

    A run from T1 to T2 is clear of a span if `T1 - m` is at or after its end, or `T2 + m` at or before its
    start.
    """
    yield from ((begin - track.age, end) for begin, end in track.gaps)
    begin, end = track.times[0], track.times[-1] - track.age
    yield begin - LIFE_MARGIN_SECONDS + MARGIN_SECONDS, begin
    yield end, end + LIFE_MARGIN_SECONDS - MARGIN_SECONDS


def _without_agent(tracks: Sequence[CounterTrack]) -> Iterator[tuple[float, float]]:
    """Spans in which no device has an event: what was counted then is unknown, whichever there were."""
    ticks = sorted({at for track in tracks for at in track.times})
    age = max(track.age for track in tracks)
    yield float("-inf"), ticks[0]
    yield from ((a - age, b) for a, b in pairwise(ticks) if b - a > LONGEST_INTERVAL_SECONDS)
    yield ticks[-1] - age, float("inf")


def _sums(values: Iterable[float | None]) -> list[float]:
    return list(accumulate((value or 0.0 for value in values), initial=0.0))


def _unbroken_since(values: Sequence[float | None]) -> list[int]:
    """For each boundary, from which one on all periods up to it are whole."""
    since = [0]
    for number, value in enumerate(values):
        since.append(number + 1 if value is None else since[-1])
    return since


# --- the bounds of one sign


@dataclass(frozen=True, slots=True)
class _Bound:
    """What is unexplained of one sign over a run, at least and at most, in bytes.

    All runs that end at one boundary are worked out together: there are hundreds for each node.
    """

    side: _Side
    sign: Sign
    with_packets: bool
    tolerance: float
    long_tolerance: float

    def first(self, last: int) -> int:
        """The first boundary of the longest run that ends at a boundary."""
        side = self.side
        if self.sign is Sign.EXCESS:
            return side.unbroken_since[last]  # Bytes that no event has would only add to an excess.
        return max(side.unbroken_since[last], side.whole_since[last])

    def least(self, last: int, firsts: range) -> list[float]:
        """What is unexplained at least, over the run from each of `firsts` to `last`, in bytes."""
        if self.sign is Sign.DEFICIT:
            return self._missing(last, firsts, at_least=True)
        return [-missing for missing in self._missing(last, firsts, at_least=False)]

    def most(self, last: int, firsts: range) -> list[float]:
        """What is unexplained at most, over the same runs, in bytes."""
        if self.sign is Sign.DEFICIT:
            return self._missing(last, firsts, at_least=False)
        return [-missing for missing in self._missing(last, firsts, at_least=True)]

    def difference(self, first: int, last: int) -> tuple[float, float]:
        """EC2's bytes less the devices', at least and at most, whatever EC2 counts of a frame."""
        run = range(first, first + 1)
        (low,) = self._missing(last, run, at_least=True, convention=0.0)
        (high,) = self._missing(last, run, at_least=False, convention=0.0)
        return low, high

    def _missing(
        self, last: int, firsts: range, *, at_least: bool, convention: float | None = None
    ) -> list[float]:
        """EC2's bytes less the devices', at least or at most; `convention` is what EC2 counts of each frame
        beside its bytes, by default the extreme.
        """
        side = self.side
        if convention is None:
            convention = MOST_CONVENTION_BYTES if at_least else LEAST_CONVENTION_BYTES
        header = MOST_HEADER_BYTES if at_least else LEAST_HEADER_BYTES
        sign = -1 if at_least else 1
        end, begins = (side.high[last], side.low) if at_least else (side.low[last], side.high)
        e_last, q_last = side.carried[last], side.frames[last]
        if self.with_packets:
            packets = side.packets_least if at_least else side.packets_most
            return [
                (1 + sign * SLACK) * (e_last - side.carried[i] - convention * (q_last - side.frames[i]))
                - (end - begins[i])
                - header * max(0.0, q_last - side.frames[i] - packets(i, last))
                for i in firsts
            ]
        if self.sign is Sign.EXCESS:
            scale = 1 + sign * self.tolerance
            return [
                (e_last - side.carried[i] - convention * self.frames_at_most(i, last)) * scale
                - (end - begins[i])
                for i in firsts
            ]
        return [
            (e_last - side.carried[i]) * (1 + sign * self._tolerance(i, last))
            - convention * self.frames_at_most(i, last)
            - (end - begins[i])
            for i in firsts
        ]

    def _tolerance(self, first: int, last: int) -> float:
        return self.tolerance if (last - first) * PERIOD <= HOUR else self.long_tolerance

    def frames_at_most(self, first: int, last: int) -> float:
        """How many frames EC2 may have counted, where it does not say."""
        side = self.side
        counted = max(0.0, side.high[last] - side.low[first])
        packets = side.packets_most(first, last) if side.has_packets else 0.0
        return packets + counted / LEAST_SEGMENT_BYTES


def _bound(side: _Side, sign: Sign, rules: Rules, *, use_packets: bool) -> _Bound:
    return _Bound(side, sign, use_packets, rules.tolerance, rules.tolerance + LONG_RUN_TOLERANCE)


def _worst_that_lasts(bounds: Sequence[_Bound], rules: Rules, allowed: _Allowed) -> Violation | None:
    """The worst run that ends now; once the trouble is over, the worst that began in the newest hour.

    It is over when the worst run of the whole history began before the newest hour, and that hour excludes
    half of it: a run that goes on after the trouble holds its bytes for hours, at an ever smaller rate.
    """
    side = bounds[0].side
    worst = _worst(bounds, rules, allowed, side.newest_ends())
    if worst is None:
        return None
    start, most = _newest_hour(bounds)
    if (worst.start - side.start) // PERIOD >= start:
        return worst
    peak = _worst(bounds, rules, allowed, range(1, len(side.instants))) or worst
    if (peak.start - side.start) // PERIOD < start and most < peak.rate.bytes_per_second / 2:
        return _worst(bounds, rules, allowed, side.newest_ends(), since=start)
    return worst


def _worst(
    bounds: Sequence[_Bound], rules: Rules, allowed: _Allowed, ends: range, since: int = 0
) -> Violation | None:
    """The run with the most bytes a second unexplained that hold in each reading of the events.

    Only runs from the boundary `since` on to one of `ends`.
    """
    worst: Violation | None = None
    for last in ends:
        begin = max(since, *(bound.first(last) for bound in bounds))
        firsts = range(begin, last - SHORTEST_RUN // PERIOD + 1)
        if not firsts:
            continue
        least = _smallest([bound.least(last, firsts) for bound in bounds])
        if max(least) <= 0:
            continue
        for first, unlike in zip(firsts, least, strict=True):
            amount = allowed.off(unlike, first, last)
            if amount <= 0 or (worst and amount <= worst.rate.bytes_per_second * _seconds(first, last)):
                continue
            left_out = allowed.left_out(first, last)
            violation = _violation(bounds[0], first, last, amount)
            if _is_told(violation, rules, left_out):
                worst = violation
    return worst


def _smallest(readings: Sequence[list[float]]) -> list[float]:
    """Entry by entry the smallest of several lists."""
    return readings[0] if len(readings) == 1 else [min(each) for each in zip(*readings, strict=True)]


def _violation(bound: _Bound, first: int, last: int, amount: float) -> Violation:
    side = bound.side
    return Violation(
        side.direction,
        bound.sign,
        side.start + first * PERIOD,
        side.start + last * PERIOD,
        amount,
        side.likely_bytes(first, last),
        side.carried[last] - side.carried[first],
        bound.with_packets,
    )


def _is_told(violation: Violation, rules: Rules, left_out_bytes: float) -> bool:
    """Whether it is above the floor, and more than what EC2 may leave out on purpose."""
    seconds = violation.duration.total_seconds()
    likely = abs(violation.counted_bytes - violation.carried_bytes) / seconds
    is_beyond = violation.sign is Sign.DEFICIT or violation.at_least_bytes > left_out_bytes
    return is_beyond and likely >= rules.floor.bytes_per_second


def _left_out_at_most(way: _Way, back: _Way, first: int, last: int) -> float:
    """What EC2 may leave out on purpose: traffic with the VPC's resolver and with instance metadata.

    Segmentation hides frames of other traffic from the devices, and with them as many of these packets: so
    the direction in which more of them can be told counts for both.
    """
    packets = RESOLVER_PACKETS_PER_SECOND * way.enis * _seconds(first, last)
    surplus, the_other_way = (each.surplus_packets(first, last) for each in (way, back))
    if surplus is not None and the_other_way is not None:
        packets = min(packets, max(surplus, RESOLVER_PACKETS_THE_OTHER_WAY * the_other_way))
    return packets * RESOLVER_PACKET_BYTES


def _excluded(bounds: Sequence[_Bound]) -> Iterator[Excluded]:
    """For each start of a run of one to two hours the least that may be unexplained over it at most."""
    side = bounds[0].side
    least: dict[int, float] = {}
    for last in side.newest_ends():
        for first, rate in _at_most(bounds, last, longest=2 * HOUR // PERIOD):
            least[first] = min(rate, least.get(first, rate))
    for first, rate in sorted(least.items()):
        yield Excluded(side.direction, bounds[0].sign, side.start + first * PERIOD, ByteRate(rate))


def _newest_hour(bounds: Sequence[_Bound]) -> tuple[int, float]:
    """The first boundary of the newest unbroken hour, and what is unexplained over it at most, in bytes a
    second; where there is none, the first boundary of all, before which no run begins.
    """
    for last in reversed(bounds[0].side.newest_ends()):
        for first, rate in _at_most(bounds, last, longest=HOUR // PERIOD):
            return first, rate
    return 0, 0.0


def _at_most(bounds: Sequence[_Bound], last: int, longest: int) -> Iterator[tuple[int, float]]:
    """The first boundary of each run of at least an hour to `last`, and what is unexplained over it at most,
    in bytes a second."""
    # Bytes that no event has leave an upper bound unknown, whichever side is short of bytes.
    whole = max(max(bound.side.whole_since[last], bound.side.unbroken_since[last]) for bound in bounds)
    firsts = range(max(whole, last - longest), last - HOUR // PERIOD + 1)
    if firsts:
        for first, *amounts in zip(firsts, *(bound.most(last, firsts) for bound in bounds), strict=True):
            yield first, max(0.0, *amounts) / _seconds(first, last)


def _seconds(first: int, last: int) -> float:
    return (last - first) * PERIOD.total_seconds()
