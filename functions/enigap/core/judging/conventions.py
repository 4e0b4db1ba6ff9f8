"""Whether EC2 counts other bytes than the devices by design: the finding `counts_differ`.

Which bytes of a frame EC2 counts is not documented, nor whether it counts traffic with the VPC's resolver
and with instance metadata, mirrored traffic, or EFA. A fault is one node's; a convention is the same
everywhere. So where most nodes whose two sides differ at all differ by the same amount in one unit, that is
told once, of the cluster:

| unit | what it may be | within |
|---|---|---|
| bytes a frame | IP bytes alone; preamble, checksum and gap as well | -14 to +24 |
| a share of what EC2 counted, in one direction | mirrored traffic, EFA | nodes that have it (`bypass`) |
| bytes a second, in one direction | the resolver's traffic is left out | what the resolver allows |

It is a sentence for people and changes no node's verdict: what any convention may come to is not told of any
node, one by one, whether or not the others show it (`accumulated`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from enigap.core.counting.accumulated import LEAST_CONVENTION_BYTES, MOST_CONVENTION_BYTES
from enigap.core.counting.comparison import Difference
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ByteRate
from enigap.core.text import percent

FEWEST_NODES: Final = 10
"""How many nodes have to be looked at: of a few nodes, one fault would be most of them."""
FEWEST_THAT_FIT: Final = 5
"""How many have to share the difference: one that differs from all others proves no convention."""

Interval: TypeAlias = tuple[float, float]


class Unit(StrEnum):
    """What the difference is the same in."""

    BYTES_PER_FRAME = "bytes_per_frame"
    SHARE = "share"
    BYTES_PER_SECOND = "bytes_per_second"


@dataclass(frozen=True, slots=True)
class Convention:
    """How EC2's count differs from the devices' on most of the nodes on which it does."""

    unit: Unit
    direction: Direction | None
    """None where both directions differ alike."""
    low: float
    """EC2's count less the devices', in the unit, at least; below zero EC2 counts less."""
    high: float
    nodes: int
    """How many nodes differ in this way."""
    differing: int
    """On how many the two sides differ at all."""
    looked_at: int

    @property
    def reason(self) -> str:
        """One plain sentence that ends with what to do."""
        return (
            f"On {self.nodes:,} of the {self.looked_at:,} nodes whose devices were compared EC2 counts "
            f"{self._amount}: a convention of EC2's and no fault, so there is nothing to do on the nodes; "
            "leave it out where you compare the two metrics yourself"
        )

    @property
    def _amount(self) -> str:
        less = self.high < 0
        low, high = sorted((abs(self.low), abs(self.high))) if less else (self.low, self.high)
        word = "less" if less else "more"
        match self.unit:
            case Unit.BYTES_PER_FRAME:
                return f"{low:.1f} to {high:.1f} bytes a frame {word} than the Ethernet frame"
            case Unit.SHARE:
                return (
                    f"traffic that crosses no device (mirrored traffic or EFA), {percent(low)} to "
                    f"{percent(high)} of all, in what was {self.direction}"
                )
            case Unit.BYTES_PER_SECOND:
                return (
                    f"{ByteRate(low)} to {ByteRate(high)} {word} of what was {self.direction}, as if it left "
                    "out the traffic of the VPC's resolver and of instance metadata"
                )


def shared_convention(nodes: Sequence[Sequence[Difference]]) -> Convention | None:
    """What most of the nodes on which the two sides differ have in common, if anything.

    `nodes` are the differences of each node that was looked at, one for each direction.
    """
    if len(nodes) < FEWEST_NODES:
        return None
    differing = [[each for each in node if each.excludes_zero] for node in nodes]
    differing = [node for node in differing if node]
    best: Convention | None = None
    for unit, direction in _UNITS:
        intervals = [
            interval for node in differing if (interval := _in_unit(node, unit, direction)) is not None
        ]
        count, low, high = most_shared(intervals)
        is_shared = count >= FEWEST_THAT_FIT and 2 * count > len(differing)
        if is_shared and (best is None or count > best.nodes):
            best = Convention(unit, direction, low, high, count, len(differing), len(nodes))
    return best


_UNITS: Final = (
    (Unit.BYTES_PER_FRAME, None),
    *((Unit.SHARE, direction) for direction in Direction),
    *((Unit.BYTES_PER_SECOND, direction) for direction in Direction),
)


def _in_unit(node: Iterable[Difference], unit: Unit, direction: Direction | None) -> Interval | None:
    """Where a node's difference lies in a unit; None where it cannot be a convention of that unit."""
    found: Interval | None = None
    for difference in node:
        if direction is not None and difference.direction is not direction:
            continue
        interval = _INTERVAL[unit](difference)
        if interval is None or (found is not None and not _overlap(found, interval)):
            return None
        found = interval if found is None else (max(found[0], interval[0]), min(found[1], interval[1]))
    return found


def _a_frame(difference: Difference) -> Interval | None:
    if difference.frames_low <= 0:
        return None
    ends = [
        amount / frames
        for amount in (difference.low_bytes, difference.high_bytes)
        for frames in (difference.frames_low, difference.frames_high)
    ]
    return _within((min(ends), max(ends)), (LEAST_CONVENTION_BYTES, MOST_CONVENTION_BYTES))


def _a_share(difference: Difference) -> Interval | None:
    if not difference.may_bypass or difference.low_bytes <= 0:
        return None
    carried = difference.carried_bytes
    return _within((difference.low_bytes / carried, difference.high_bytes / carried), (0.0, 1.0))


def _a_second(difference: Difference) -> Interval | None:
    if difference.high_bytes >= 0:
        return None
    seconds = difference.duration.total_seconds()
    span = (difference.low_bytes / seconds, difference.high_bytes / seconds)
    return _within(span, (-difference.left_out_at_most_bytes / seconds, 0.0))


_INTERVAL: Final = {
    Unit.BYTES_PER_FRAME: _a_frame,
    Unit.SHARE: _a_share,
    Unit.BYTES_PER_SECOND: _a_second,
}


def _overlap(one: Interval, other: Interval) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _within(interval: Interval, limits: Interval) -> Interval | None:
    """The part of an interval inside the limits; None for none."""
    if not _overlap(interval, limits):
        return None
    return max(interval[0], limits[0]), min(interval[1], limits[1])


def most_shared(intervals: Sequence[Interval]) -> tuple[int, float, float]:
    """How many intervals have a part in common at most, and that part."""
    begins = ((low, False) for low, _ in intervals)
    ends = sorted([*begins, *((high, True) for _, high in intervals)])
    best, part = 0, (0.0, 0.0)
    open_now, latest = 0, 0.0
    for at, is_end in ends:
        if is_end:
            if open_now > best:
                best, part = open_now, (latest, at)
            open_now -= 1
        else:
            open_now, latest = open_now + 1, at
    return best, *part
