"""Whose devices are looked at in which window: every node in turn, within what may be read of the logs.

Device events are read by FilterLogEvents, whose quota the account shares with people at the console. So not
every node's devices are read in every window. Nodes with a reason come first (`assessment`); the others take
turns. Whose turn it is follows from the instance id and the window's number alone, so that nothing has to be
remembered: a run that was skipped or repeated changes nothing, and a node that joins has its turn.

| look | reads | turn |
|---|---|---|
| short | 1 h 10 min | every 4th window |
| long | the look-back | every 24th window |

Where the cluster has more nodes than can be read so often, both cycles stretch by the same factor.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from enum import Enum
from math import ceil
from typing import Final

from enigap.core.counting.window import EPOCH, GRID, MINUTE, Window

SHORT_LOOK: Final = timedelta(hours=1)
"""An hour of EC2's periods; the events reach five minutes further on both sides."""
SHORT_CYCLE_WINDOWS: Final = 4
LONG_CYCLE_WINDOWS: Final = 24
NODES_PER_WINDOW: Final = 560
"""How many nodes of a cluster have their turn in one window, at most.

A page of 1 MB holds the ENI devices of 8 nodes for a short look and of 1.4 for a long one, of which there
is one in six. So these are 125 pages: a hundred seconds of a reconciler that has a quarter of the
quota of FilterLogEvents (1.25 calls a second)."""


class Look(Enum):
    """How far back a node's devices are read."""

    NONE = "none"
    SHORT = "short"
    LONG = "long"


def turn_of(instance_id: str, window: Window, stretch: int) -> Look:
    """Whether it is the node's turn in this window, for which look."""
    own = int.from_bytes(hashlib.sha256(instance_id.encode()).digest()[:8])
    number = (window.end - EPOCH) // GRID + own
    if number % (LONG_CYCLE_WINDOWS * stretch) == 0:
        return Look.LONG
    return Look.SHORT if number % (SHORT_CYCLE_WINDOWS * stretch) == 0 else Look.NONE


def minutes_between_looks(nodes: int) -> int:
    """How long each node of a cluster of so many waits for its next turn."""
    return SHORT_CYCLE_WINDOWS * stretch_of(nodes) * GRID // MINUTE


def stretch_of(nodes: int) -> int:
    """By how much the cycles stretch for a cluster of so many nodes."""
    return max(1, ceil(nodes / SHORT_CYCLE_WINDOWS / NODES_PER_WINDOW))
