"""How the devices of suspects are read: node by node, or many nodes with one query.

| way | what it is held back by | what it costs |
|---|---|---|
| streams | FilterLogEvents, a few calls for each node's log stream, of 5 to 25 a second | nothing |
| queries | Logs Insights, seconds for 150 nodes at a time | 0.005 $ for each GB of logs it scans |

Both bring the same evidence. Streams also tell a node's devices of one kind apart, which people like to see;
so queries take over only where streams would leave suspects out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

NODES_PER_SECOND_BY_STREAM: Final = 2.0
"""Five calls a second, the least quota of any region (as remembered; not verified), and two to three a node:
a page ends after 1 MB, and so much is half an hour of 60 devices."""

USUAL_SECONDS: Final = 180.0
"""What a function has left once it has judged by the metrics alone, and as long as people wait at a desk."""

NODES_PER_QUERY: Final = 150
"""About what a query of 10,000 characters has room to name."""
QUERIES_AT_A_TIME: Final = 4
"""Of an account's 30 to 100, which it shares with dashboards and with people."""
SECONDS_PER_QUERY: Final = 15.0
"""Some for the scan, some for fetching and reading 15,000 rows; assumed, for no emulator runs them."""

SCANNED_BYTES_PER_MINUTE: Final = 300_000.0
"""Of one node's log stream, all types of events: 60 pods of four events of 1 kB, 60 devices of 0.7 kB each.
Assumed until a query has told."""
SCANNED_BYTES_PER_RUN: Final = 50e9
"""The most that the queries of one run may scan: 0.25 $, some 3,800 nodes."""


class Way(Enum):
    """How suspects' devices are read."""

    STREAMS = "streams"
    QUERIES = "queries"


@dataclass(frozen=True, slots=True)
class Means:
    """What there is to spend on reading devices."""

    seconds: float
    scanned_bytes: float = SCANNED_BYTES_PER_RUN


@dataclass(frozen=True, slots=True)
class Plan:
    """The way, and how many of the suspects it is expected to reach: the first ones."""

    way: Way
    nodes: int
    scanned_bytes: float = 0.0
    """An estimate. What it costs is in `cost`."""


def plan(suspects: int, means: Means, span: timedelta) -> Plan:
    """How to read the devices of so many suspects over this span: the way that reaches more of them, streams
    where both reach the same.
    """
    by_stream = min(suspects, streams_in(means.seconds))
    by_query = min(suspects, queried_in(means.seconds), int(means.scanned_bytes / scanned_bytes(1, span)))
    if by_query > by_stream:
        return Plan(Way.QUERIES, by_query, scanned_bytes(by_query, span))
    return Plan(Way.STREAMS, by_stream)


def streams_in(seconds: float) -> int:
    """How many nodes' streams can be read in so many seconds."""
    return int(max(0.0, min(seconds, _LONG_ENOUGH)) * NODES_PER_SECOND_BY_STREAM)


def queried_in(seconds: float) -> int:
    """How many nodes can be asked about by queries in so many seconds."""
    rounds = int(max(0.0, min(seconds, _LONG_ENOUGH)) / SECONDS_PER_QUERY)
    return rounds * QUERIES_AT_A_TIME * NODES_PER_QUERY


_LONG_ENOUGH: Final = 86_400.0  # for whoever has all the time in the world


def scanned_bytes(nodes: int, span: timedelta) -> float:
    """What queries over the streams of so many nodes are expected to scan."""
    return nodes * span / timedelta(minutes=1) * SCANNED_BYTES_PER_MINUTE


def monthly_gigabytes(suspects: int, runs_per_month: float) -> float:
    """What Logs Insights scans a month if each run has so many suspects and the usual time for them."""
    return runs_per_month * plan(suspects, Means(USUAL_SECONDS), _USUAL_SPAN).scanned_bytes / 1e9


_USUAL_SPAN: Final = timedelta(minutes=44)  # two windows, and the edges of what is read
