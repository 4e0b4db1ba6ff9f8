"""Which nodes are looked at: the newest, the busiest, the one with the most ENIs, and one of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Final

from enigap.core.counting.node import Node

MOST_NODES: Final = 10
MOST_CANDIDATES: Final = 100
"""Of how many nodes the totals are read, to see which is busiest."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def _kind(node: Node) -> tuple[str, bool]:
    """The instance family and the operating system."""
    return (node.instance_type or "").partition(".")[0], node.is_windows


def _one_of_each(nodes: Sequence[Node]) -> Iterator[Node]:
    seen = set()
    for node in nodes:
        if (kind := _kind(node)) not in seen:
            seen.add(kind)
            yield node


def _newest_first(nodes: Sequence[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.launched_at or _LONG_AGO, reverse=True)


def candidates(nodes: Sequence[Node]) -> list[Node]:
    """The nodes among which the sample is chosen: one of each kind, those that publish, the newest."""
    newest = _newest_first(nodes)
    publishing = [node for node in newest if node.has_series]
    ordered = dict.fromkeys(chain(_one_of_each(newest), newest[:1], publishing, newest))
    return list(ordered)[:MOST_CANDIDATES]


def sample(nodes: Sequence[Node], rates: Mapping[str, float], enis: Mapping[str, int]) -> list[Node]:
    """At most `MOST_NODES` of them. `rates` and `enis` are by instance id, as far as they are known."""
    newest = _newest_first(nodes)
    busiest = sorted(nodes, key=lambda node: rates.get(node.instance_id, 0.0), reverse=True)
    largest = sorted(nodes, key=lambda node: enis.get(node.instance_id, 0), reverse=True)
    first = chain(newest[:1], busiest[:1], largest[:1], _one_of_each(newest), busiest)
    return list(dict.fromkeys(first))[:MOST_NODES]
