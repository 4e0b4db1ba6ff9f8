"""Nodes whose OpenTelemetry series a Prometheus holds, one for each thing that may happen to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from enigap.core.counting.window import MINUTE, FetchSpan, Window
from tests.fakes.node_life import Churn, Enis, Mix, NodeLife, Pattern, Ways
from tests.fakes.node_simulator import AgentDown, Fault, SimulatedNode, counter_reset
from tests.fakes.otel_ports import series_of_life
from tests.fakes.promql import Stored

NO_ANCHOR: Final = "no anchor is there"
HOURS: Final = 1.1
"""A window, and the one before it."""


@dataclass(frozen=True)
class World:
    """One node, and the series of its cluster."""

    happens: str
    life: NodeLife
    how: Callable[[NodeLife], dict[str, Any]]

    @cached_property
    def series(self) -> Sequence[Stored]:
        """In whole milliseconds, as Prometheus keeps them."""
        return [
            Stored(each.labels, [round(at, 3) for at in each.seconds], each.values)
            for each in series_of_life(self.life, **self.how(self.life))
        ]

    @property
    def node(self) -> SimulatedNode:
        return self.life.simulated

    @property
    def span(self) -> FetchSpan:
        return FetchSpan.of(window_of(self.life), 2)


def window_of(life: NodeLife) -> Window:
    return list(life.windows())[-1]


def _at(life: NodeLife, minutes: float) -> datetime:
    return window_of(life).start + timedelta(minutes=minutes)


def _down(anchor: str, first: float, last: float) -> Callable[[NodeLife], dict[str, Any]]:
    return lambda life: {"down": {anchor: (_at(life, first), _at(life, last))}}


def _with(faults: Callable[[NodeLife], Iterable[Fault]], life: NodeLife) -> NodeLife:
    node = life.simulated
    return replace(life, simulated=replace(node, faults=(*node.faults, *faults(life))))


def _resets(life: NodeLife) -> Iterable[Fault]:
    return [counter_reset("eth0", _at(life, 4)), counter_reset("eth0", _at(life, 9))]


def _worlds() -> Iterable[World]:
    def life(seed: int, **ways: Any) -> NodeLife:
        # Most traffic stays on the node: the `eth0` inside its pods has counted more than its own.
        return NodeLife.drawn(seed, pattern=Pattern.UNEVEN, mix=Mix.LOCAL, hours=HOURS, ways=Ways(**ways))

    yield World("nothing happens", life(1), lambda _: {})
    yield World("an anchor is replaced", life(2), _down("cloudwatch-agent", 1, 4))
    yield World("one anchor is there", life(3), lambda _: {"anchors": ("aws-node",)})
    yield World(NO_ANCHOR, life(4), lambda _: {"anchors": ()})
    yield World("an anchor has a network of its own", life(5), lambda _: {"on_own_network": ("kube-proxy",)})
    # The second time by less than what the other devices count meanwhile: the sum of all does not fall.
    yield World("an ENI's counter is reset twice", _with(_resets, life(6)), lambda _: {})
    yield World(
        "nothing is scraped for a while",
        _with(lambda of: [AgentDown(_at(of, 5), _at(of, 9))], life(7)),
        lambda _: {},
    )
    yield World("pods are replaced", life(8, churn=Churn.NEW_NAMES, every=10 * MINUTE), lambda _: {})
    yield World(
        "pods come back under their names", life(9, churn=Churn.SAME_NAMES, every=10 * MINUTE), lambda _: {}
    )
    yield World("an ENI comes and goes", life(100, enis=Enis.BUSY), lambda _: {})
    yield World("the agent restarts", life(11, up=4 * MINUTE), lambda _: {})


WORLDS: Final = {world.happens: world for world in _worlds()}

EDGE_SECOND: Final = 1_767_268_800
EDGE: Final = Stored({"__name__": "edge_bytes", "@resource.host.id": "i-0edge"}, [float(EDGE_SECOND)], [7.0])
"""A single sample on a whole second."""
