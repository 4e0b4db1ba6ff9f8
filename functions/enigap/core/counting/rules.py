"""The figures a judgement depends on, all of them settings with a default that is argued for here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from enigap.core.counting.devices import Classifier
from enigap.core.counting.units import ByteRate

IMPLAUSIBLE_RATE: Final = ByteRate(1e12)
"""No node moves a terabyte a second; a counter that wrapped shows about 3e17 (2^64 bytes in a minute)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How far the two sides may be apart before counting no longer explains it."""

    tolerance: float = 0.08
    """Relative. Offloads count one header per super-packet: a host that sends with TSO at MTU 1500 shows O/E
    = 0.958 against the wire (recording k2), at MTU 9001 0.994."""
    floor: ByteRate = ByteRate(50_000)
    """Below it a node is idle and an unexplained amount is zero (recording f2: a ratio of 2.01 made of 25
    kB)."""
    max_counts_per_byte: int = 2
    """How many devices a byte that leaves the node crosses: 2 with the VPC CNI, 3 with overlays, 1 with
    macvlan."""
    classifier: Classifier = Classifier()
    settle: timedelta = timedelta(minutes=10)
    """How long after its end a window is judged. EC2's datapoints arrive and change for some minutes."""
    confirm_windows: int = 2
    resolve_windows: int = 2

    @property
    def windows_fetched(self) -> int:
        """How many consecutive windows each fetch holds: how long a node has been unexplained is read from
        the data."""
        return max(self.confirm_windows, self.resolve_windows, 2)


class EvidencePolicy(StrEnum):
    """Whose devices are read."""

    SUSPECTS = "suspects"
    """Nodes whose verdict the two metrics alone leave unexplained or open."""
    ROTATE = "rotate"
    """Suspects first, then every other node in its turn."""
    ALWAYS = "always"
    """Every node in every window."""
    OFF = "off"
