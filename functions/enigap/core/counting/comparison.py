"""The values of the accumulated comparison: EC2's history of one node, and what the comparison comes to.

`accumulated` compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from enigap.core.counting.meters import COMPLETE_SAMPLE_COUNT
from enigap.core.counting.reading import usable_number
from enigap.core.counting.rules import IMPLAUSIBLE_RATE
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import PERIOD

HOUR: Final = timedelta(hours=1)


class Sign(StrEnum):
    """Which side counted less."""

    DEFICIT = "deficit"
    EXCESS = "excess"


@dataclass(frozen=True, slots=True)
class Carried:
    """What EC2 says about one direction, for each five-minute period; None where a period is not whole."""

    bytes: tuple[float | None, ...]
    packets: tuple[float | None, ...]

    def only(self, wanted: Sequence[bool]) -> Carried:
        """With None for the periods that are not wanted, and for what no counter can be."""
        return Carried(
            tuple(_possible(v) if ok else None for v, ok in zip(self.bytes, wanted, strict=True)),
            tuple(usable_number(v) if ok else None for v, ok in zip(self.packets, wanted, strict=True)),
        )

    def first(self, count: int) -> Carried:
        return Carried(self.bytes[:count], self.packets[:count])


def _possible(period_bytes: float | None) -> float | None:
    """None for what no interface can carry in a period."""
    carried = usable_number(period_bytes)
    most = IMPLAUSIBLE_RATE.bytes_per_second * PERIOD.total_seconds()
    return carried if carried is not None and carried <= most else None


@dataclass(frozen=True, slots=True)
class EniHistory:
    """What EC2 says about one node's ENIs over the last hours."""

    start: datetime
    """When the first period begins."""
    received: Carried
    sent: Carried

    @classmethod
    def of_whole_periods(
        cls, start: datetime, *, samples: Sequence[float | None], received: Carried, sent: Carried
    ) -> EniHistory:
        """Without the figures of periods that are not whole: EC2 publishes them early, and they grow."""
        whole = [count is not None and count >= COMPLETE_SAMPLE_COUNT for count in samples]
        return cls(start, received.only(whole), sent.only(whole))

    def until(self, end: datetime) -> EniHistory:
        """The periods that end by an instant."""
        count = max(0, (end - self.start) // PERIOD)
        return EniHistory(self.start, self.received.first(count), self.sent.first(count))

    def of(self, direction: Direction) -> Carried:
        return self.received if direction is Direction.RECEIVED else self.sent


@dataclass(frozen=True, slots=True)
class Violation:
    """A run over which the two sides differ by more than counting allows."""

    direction: Direction
    sign: Sign
    start: datetime
    end: datetime
    at_least_bytes: float
    counted_bytes: float
    """By the devices, at the likeliest."""
    carried_bytes: float
    """By the ENIs."""
    with_packets: bool

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    @property
    def rate(self) -> ByteRate:
        """How much a second is unexplained, at least."""
        return ByteRate.from_total(self.at_least_bytes, self.duration)

    @property
    def counted(self) -> ByteRate:
        return ByteRate.from_total(self.counted_bytes, self.duration)

    @property
    def carried(self) -> ByteRate:
        return ByteRate.from_total(self.carried_bytes, self.duration)

    @property
    def confirms_itself(self) -> bool:
        """Whether it needs no second window: nothing that EC2 may count otherwise could cause it."""
        return self.with_packets or self.duration >= HOUR


@dataclass(frozen=True, slots=True)
class Excluded:
    """Over a run of an hour or more that begins at `start`, no more than `rate` is unexplained."""

    direction: Direction
    sign: Sign
    start: datetime
    rate: ByteRate


@dataclass(frozen=True, slots=True)
class Compared:
    """One direction over one run."""

    direction: Direction
    counted: ByteRate
    """By the devices, at the likeliest."""
    carried: ByteRate
    """By the ENIs."""
    counted_packets: float | None = None
    """A second, by the devices; None where events name none."""
    carried_packets: float | None = None
    """A second, by the ENIs: frames, as a rule. None where EC2's are not known."""
    newest_ratio: float | None = None
    """Counted to carried bytes over the newest period of the run; None where nothing was carried in it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more EC2 counted than the devices in one direction over a run, whatever EC2 counts of a frame.

    Below zero the devices counted more. Headers that segmentation offload hides from the devices are out.
    """

    direction: Direction
    duration: timedelta
    low_bytes: float
    high_bytes: float
    carried_bytes: float
    """By the ENIs, in both directions together."""
    frames_low: float
    frames_high: float
    left_out_at_most_bytes: float
    """What EC2 may leave out on purpose: the traffic of the VPC's resolver and of instance metadata."""
    may_bypass: bool
    """Whether the node has traffic that EC2 may count and no device does (`bypass`)."""

    @property
    def excludes_zero(self) -> bool:
        return self.low_bytes > 0 or self.high_bytes < 0


@dataclass(frozen=True, slots=True)
class Accumulated:
    """What the comparison came to."""

    violations: tuple[Violation, ...]
    """The worst of each direction and sign, the worst of all first."""
    sides: tuple[Compared, ...]
    """Both directions over one run: that of the worst violation, or the longest."""
    excluded: tuple[Excluded, ...]
    start: datetime
    end: datetime
    """Of the longest run that could be compared in both directions."""
    seen_until: datetime
    """The end of the newest."""
    differences: tuple[Difference, ...] = ()
    """Of both directions, over the longest run of each."""

    @property
    def worst(self) -> Violation | None:
        return self.violations[0] if self.violations else None

    def excludes(self, sign: Sign, direction: Direction, rate: ByteRate, since: datetime) -> bool:
        """Whether over some hour after `since` less than `rate` is unexplained."""
        return any(
            e.sign is sign and e.direction is direction and e.start > since and e.rate < rate
            for e in self.excluded
        )
