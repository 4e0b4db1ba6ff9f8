"""Beliefs that 24 hours of one node tell about: `enigap doctor --deep`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

from enigap.core.counting.accumulated import (
    LEAST_CONVENTION_BYTES,
    MARGIN_SECONDS,
    MOST_CONVENTION_BYTES,
    MOST_HEADER_BYTES,
    SLACK,
)
from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.rules import Rules
from enigap.core.counting.track import CounterTrack, Direction, Tracks, tracks_of
from enigap.core.counting.window import PERIOD
from enigap.core.doctor.belief import Belief, Outcome, cannot_tell, told
from enigap.core.doctor.observed import Day, NotSeen, Observations
from enigap.core.text import count, percent

SHIFTS: Final = range(-180, 181, 15)
"""By how many seconds EC2's periods are shifted against the devices' events."""
LEAST_PERIODS: Final = 24
_CLEARLY: Final = 0.7
_SECONDS: Final = PERIOD.total_seconds()
_PER_HOUR: Final = 12
_HEADROOM: Final = 1.5
"""A tolerance is so many times what the worst hour was off."""


@dataclass(frozen=True, slots=True)
class _Period:
    """One period of one direction, whole on both sides."""

    start: float
    eni: float
    packets: float | None
    direction: Direction


class _Compared:
    """The day's two sides."""

    def __init__(self, day: Day, rules: Rules) -> None:
        self._day = day
        found = tracks_of(
            day.events, rules.classifier, lambda name: rules.classifier.kind(name) is DeviceKind.PHYSICAL
        )
        self.tracks: tuple[CounterTrack, ...] = found.readings[0] if isinstance(found, Tracks) else ()

    def periods(self) -> Iterator[_Period]:
        """Those in which the devices have no gap, with a shift's room on both sides."""
        room = max(SHIFTS)
        for direction in Direction:
            carried = self._day.eni.of(direction)
            for number, (eni, packets) in enumerate(zip(carried.bytes, carried.packets, strict=True)):
                start = self._day.eni.start.timestamp() + number * _SECONDS
                if eni is not None and self._is_whole(start - room, start + _SECONDS + room):
                    yield _Period(start, eni, packets, direction)

    def _is_whole(self, start: float, end: float) -> bool:
        return bool(self.tracks) and all(
            track.times[0] <= start
            and end <= track.times[-1]
            and not any(a < end and start < b for a, b in track.gaps)
            for track in self.tracks
        )

    def counted(self, period: _Period, shift: float = 0.0) -> float:
        start = period.start + shift
        return sum(
            track.interpolated(period.direction, start + _SECONDS)
            - track.interpolated(period.direction, start)
            for track in self.tracks
        )

    def packets(self, period: _Period) -> float | None:
        """The devices' packets in a period, as far as events name them."""
        total = 0.0
        for track in self.tracks:
            packets = track.counters[period.direction].packets
            first, last = track.at_or_before(period.start), track.at_or_before(period.start + _SECONDS)
            if packets is None or first is None or last is None:
                return None
            total += packets[last] - packets[first]
        return total


def _compared(o: Observations) -> tuple[_Compared, list[_Period]] | Outcome:
    if isinstance(o.day, NotSeen):
        return cannot_tell(o.day.why)
    both = _Compared(o.day, o.rules)
    floor = o.rules.floor.bytes_per_second * _SECONDS
    periods = [each for each in both.periods() if each.eni > floor]
    if len(periods) < LEAST_PERIODS:
        return cannot_tell("the node has too few whole periods with traffic above the floor in 24 h")
    return both, periods


def lag(o: Observations) -> Outcome:
    compared = _compared(o)
    if isinstance(compared, Outcome):
        return compared
    both, periods = compared
    off = {shift: sum(abs(both.counted(p, shift) - p.eni) for p in periods) for shift in SHIFTS}
    best = min(off, key=lambda shift: (off[shift], abs(shift)))
    if off[best] > _CLEARLY * max(off.values()):
        return cannot_tell("the node's traffic is too steady to see a shift")
    said = f"the two sides fit best {best} s apart, over {count(len(periods), 'period')}"
    return told(abs(best) <= MARGIN_SECONDS, said, seconds=best)


def headers(o: Observations) -> Outcome:
    compared = _compared(o)
    if isinstance(compared, Outcome):
        return compared
    both, periods = compared
    known = [(p, p.packets, own) for p in periods if p.packets and (own := both.packets(p)) is not None]
    if not known:
        return cannot_tell("EC2 or the events have no packets of the node")
    eni, frames = sum(p.eni for p, _, _ in known), sum(frames for _, frames, _ in known)
    counted, own = sum(both.counted(p) for p, _, _ in known), sum(own for _, _, own in known)
    more = (eni - counted) / frames
    slack = SLACK * eni / frames
    least, most = LEAST_CONVENTION_BYTES, MOST_CONVENTION_BYTES
    most += MOST_HEADER_BYTES * max(0.0, frames - own) / frames
    said = (
        f"EC2 counts {more:+.1f} B for each of its packets beside the devices, of {eni / frames:.0f} B; "
        f"{frames / max(own, 1.0):.2f} of its packets for each of the devices'"
    )
    figures = {"more_bytes": more, "frame_bytes": eni / frames, "packets": frames / max(own, 1.0)}
    return told(least - slack <= more <= most + slack, said, **figures)


def tolerance(o: Observations) -> Outcome:
    compared = _compared(o)
    if isinstance(compared, Outcome):
        return compared
    both, periods = compared
    hours: dict[tuple[Direction, int], list[_Period]] = {}
    for each in periods:
        hours.setdefault((each.direction, int(each.start // 3600)), []).append(each)
    off = [
        abs(sum(map(both.counted, some)) / sum(each.eni for each in some) - 1)
        for some in hours.values()
        if len(some) >= _PER_HOUR // 2
    ]
    if not off:
        return cannot_tell("no hour of the node is whole")
    allows = ceil(200 * _HEADROOM * max(off)) / 200
    said = (
        f"the worst hour was {percent(max(off))} off: these figures would allow a `tolerance` of {allows:.3f}"
    )
    return told(max(off) <= o.rules.tolerance, said, worst=max(off), allows=allows)


BELIEFS: Final = (
    Belief(
        "eni-minutes",
        f"EC2's periods, with the node's clock, are off by {MARGIN_SECONDS:.0f} s at most.",
        "The comparison over hours would tell of bytes that lie beside its edges.",
        ("enigap.core.counting.accumulated.MARGIN_SECONDS",),
        lag,
        "look at the node's clock; report it",
    ),
    Belief(
        "eni-headers",
        f"For each packet EC2 counts {LEAST_CONVENTION_BYTES:+.0f} to {MOST_CONVENTION_BYTES:+.0f} B beside "
        f"the devices, and up to {MOST_HEADER_BYTES:.0f} B for each frame that offloads make more.",
        "False findings on nodes with small packets.",
        (
            "enigap.core.counting.accumulated.LEAST_CONVENTION_BYTES",
            "enigap.core.counting.accumulated.MOST_CONVENTION_BYTES",
            "enigap.core.counting.accumulated.MOST_HEADER_BYTES",
        ),
        headers,
        "report it: this figure is published nowhere",
    ),
    Belief(
        "eni-hours",
        f"Over an hour the two sides agree up to the tolerance ({percent(Rules().tolerance)}).",
        "False findings, or faults found later than need be.",
        ("enigap.core.counting.rules.Rules.tolerance",),
        tolerance,
        "set `tolerance` to what the figures allow, unless the node has a fault",
    ),
)
