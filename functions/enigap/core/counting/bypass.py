"""Bytes that EC2 may count for a node's ENIs and that cross no network device of its operating system.

Two features of EC2 make such bytes by design:

* **traffic mirroring**: EC2 sends a copy of an ENI's frames, wrapped in VXLAN, out of the same ENI;
* **EFA** (Elastic Fabric Adapter): applications talk to the adapter and bypass the kernel.

Whether NetworkIn and NetworkOut contain them is not documented. Both can be looked up, so a node that has
them is not told of for as much as they may be: at most this much is explained, and the rest is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Final

from enigap.core.counting.track import Direction
from enigap.core.counting.window import PERIOD

MIRROR_HEADER_BYTES: Final = 70.0
"""Around each mirrored frame: VXLAN, UDP, and IPv4 or IPv6, in Ethernet (14 + 40 + 8 + 8)."""


@dataclass(frozen=True, slots=True)
class EfaTraffic:
    """What the EFA devices of one node carried, in bytes a second, for each five-minute period."""

    start: datetime
    """When the first period begins."""
    received: tuple[float | None, ...]
    sent: tuple[float | None, ...]

    def at_most(self, direction: Direction, start: datetime, end: datetime) -> float:
        """Bytes between two boundaries of periods, at most; infinite where a datapoint is missing.

        Container Insights and EC2 need not agree where a minute begins: one more period on both sides is
        taken for a part of the time between.
        """
        rates = self.received if direction is Direction.RECEIVED else self.sent
        first, last = (start - self.start) // PERIOD - 1, (end - self.start) // PERIOD + 1
        if first < 0 or last > len(rates):
            return inf
        seconds = PERIOD.total_seconds()
        return sum(inf if rate is None else max(0.0, rate) * seconds for rate in rates[first:last])

    @property
    def is_known(self) -> bool:
        """Whether there is any datapoint: without one the node may still have EFA devices."""
        return any(rate is not None for rate in (*self.received, *self.sent))


@dataclass(frozen=True, slots=True)
class Bypass:
    """What one node has of such traffic."""

    mirror_sessions: int = 0
    """How many sessions mirror one of its ENIs."""
    has_efa: bool = False
    efa: EfaTraffic | None = None
    """What its EFA devices carried; None where it has EFA and no figure says how much."""

    def __bool__(self) -> bool:
        return self.has_efa or self.mirror_sessions > 0

    @property
    def is_bounded(self) -> bool:
        """Whether it is known how much it may be at most."""
        return not self.has_efa or self.efa is not None

    @property
    def words(self) -> str:
        """The traffic in words, for the reason of a verdict."""
        parts: Sequence[str] = ["traffic mirroring"] * bool(self.mirror_sessions) + ["EFA"] * self.has_efa
        return " and ".join(parts)


@dataclass(frozen=True, slots=True)
class Bypasses:
    """What nodes have of traffic that EC2 may count and no device does."""

    of: Mapping[str, Bypass] = field(default_factory=dict)
    """By instance id; a node without any is left out."""
    notes: tuple[str, ...] = ()
    """What could not be looked up, as sentences."""
    billed_metrics: int = 0
