"""What a node does over time, and what CloudWatch comes to hold of it, a quarter of an hour at a time.

There are two kinds of lives. `Played` ones are simulated byte by byte (tests/fakes/node_simulator.py): the
timelines are about them. `Plain` ones have the same rates all through a window: next to no work, for
thousands of windows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final, Protocol

from enigap.core.counting.node import Node
from enigap.core.counting.window import MINUTE, PERIOD, PERIODS_PER_WINDOW, FetchSpan, Window
from tests.fakes import node_simulator as sim
from tests.fakes.node_simulator import Agent, Fault, Flow, SimulatedNode
from tests.fakes.pipeline_ports import window
from tests.fakes.strict_cloudwatch import Points
from tests.fakes.strict_cloudwatch.store import epoch_second

LONG_AGO, FAR_AHEAD = window(-20).start, window(400).end


@dataclass(frozen=True, slots=True)
class EniPeriod:
    """A five-minute period of EC2: bytes of each of its minutes."""

    start: datetime
    in_by_minute: tuple[float, ...]
    out_by_minute: tuple[float, ...]

    def by_minute(self, name: str) -> tuple[float, ...]:
        """Of NetworkIn or NetworkOut."""
        return self.in_by_minute if name == "NetworkIn" else self.out_by_minute


@dataclass(frozen=True, slots=True)
class LogEvent:
    """An event of the performance log group."""

    at: datetime
    message: str

    @property
    def milliseconds(self) -> int:
        return round(self.at.timestamp() * 1000)


@dataclass(frozen=True)
class Quarter:
    """Everything that is ever published about one node and one window."""

    os_by_minute: Mapping[datetime, tuple[float, ...]]
    """The samples of each labelled minute that has any, in bytes per second."""
    eni: tuple[EniPeriod, ...]
    make_events: Callable[[], tuple[LogEvent, ...]]

    @cached_property
    def events(self) -> tuple[LogEvent, ...]:
        """Made when somebody asks: as a rule nobody does."""
        return self.make_events()

    @cached_property
    def os_points(self) -> Points:
        points = Points.empty("Bytes/Second")
        for minute, samples in self.os_by_minute.items():
            add_samples(points, minute, samples)
        return points

    @cached_property
    def eni_points(self) -> Mapping[str, Points]:
        both = {name: Points.empty("Bytes") for name in ("NetworkIn", "NetworkOut")}
        for period in self.eni:
            for name, points in both.items():
                if minutes := period.by_minute(name):
                    add_samples(points, period.start, minutes)
        return both


def add_samples(points: Points, at: datetime, samples: Sequence[float]) -> None:
    """A datapoint of these samples, newer than those that are there."""
    points.seconds.append(epoch_second(at))
    points.sums.append(sum(samples))
    points.sample_counts.append(len(samples))
    points.minimums.append(min(samples))
    points.maximums.append(max(samples))


class Life(Protocol):
    """What one node does."""

    def quarter(self, node: Node, at: Window) -> Quarter: ...


# --- played byte by byte


@dataclass(frozen=True, slots=True)
class Part:
    """What happens in a part of a node's life. `devices` are those that exist then and at no other time."""

    flows: tuple[Flow, ...] = ()
    faults: tuple[Fault, ...] = ()
    devices: tuple[str, ...] = ()

    def __add__(self, other: Part) -> Part:
        return Part(self.flows + other.flows, self.faults + other.faults, self.devices + other.devices)


Behaviour = Callable[[datetime, datetime], Part]
"""What a node does from one instant to another."""


@dataclass
class Played:
    """A life that is simulated: what it does every day, and what it does instead at some times."""

    otherwise: Behaviour
    instead: list[tuple[datetime, datetime, Behaviour]] = field(default_factory=list)
    agents: tuple[Agent, ...] = (Agent(counter_ages=tuple(timedelta(seconds=s) for s in (3, 9, 1, 14, 6))),)
    devices: tuple[str, ...] = ("eth0", "eth1")
    """Those that it always has, in the order of /proc/net/dev."""
    _simulated: dict[Node, SimulatedNode] = field(default_factory=dict)

    def change(self, start: datetime, end: datetime, behaviour: Behaviour) -> None:
        self.instead.append((start, end, behaviour))
        self.instead.sort(key=lambda each: each[0])
        self._simulated.clear()

    def quarter(self, node: Node, at: Window) -> Quarter:
        recording = self.simulated(node).play(FetchSpan(at.start, at.end))
        return Quarter(
            recording.totals_by_minute,
            tuple(
                EniPeriod(
                    period.start,
                    tuple(map(float, period.in_by_minute)),
                    tuple(map(float, period.out_by_minute)),
                )
                for period in recording.periods
            ),
            lambda: tuple(
                LogEvent(event.at, json.dumps(event.message))
                for event in recording.log_events()
                if event.at >= at.start
            ),
        )

    def simulated(self, node: Node) -> SimulatedNode:
        if node not in self._simulated:
            self._simulated[node] = self._simulate(node)
        return self._simulated[node]

    def _simulate(self, node: Node) -> SimulatedNode:
        whole, own_devices, free_from = Part(), Part(), LONG_AGO
        for start, end, behaviour in self.instead:
            if free_from < start:
                whole += self.otherwise(free_from, start)
            part = behaviour(start, end)
            own_devices += Part(
                faults=tuple(
                    gone
                    for device in part.devices
                    for gone in (sim.DeviceGone(device, _EPOCH, start), sim.DeviceGone(device, end, _FOREVER))
                ),
                devices=part.devices,
            )
            whole += replace(part, devices=())
            free_from = end
        whole += self.otherwise(free_from, FAR_AHEAD)
        return SimulatedNode(
            flows=whole.flows,
            faults=whole.faults + own_devices.faults,
            agents=self.agents,
            devices=(*self.devices, *own_devices.devices),
            node=node,
        )


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER: Final = datetime(2100, 1, 1, tzinfo=UTC)


# --- rates that change with the window only


@dataclass(frozen=True, slots=True)
class Rates:
    """A window's rates in bytes per second. None: that side publishes nothing."""

    os: float | None
    eni_in: float | None
    eni_out: float
    devices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Received and transmitted, by device; none for an agent that is down."""


HEALTHY: Final = Rates(
    os=18e6, eni_in=5e6, eni_out=5e6, devices={"eth0": (5e6, 5e6), "eni00000000001": (4e6, 4e6)}
)
"""8 of 10 MB/s are of a pod."""


@dataclass
class Plain:
    """A life of steady windows: each labelled minute is the minute itself, read in its last moment."""

    rates: Callable[[Window], Rates]

    def quarter(self, node: Node, at: Window) -> Quarter:
        rates = self.rates(at)
        minutes = [at.start + number * MINUTE for number in range(15)]
        return Quarter(
            {} if rates.os is None else dict.fromkeys(minutes, (rates.os,)),
            ()
            if rates.eni_in is None
            else tuple(
                EniPeriod(at.start + number * PERIOD, (60 * rates.eni_in,) * 5, (60 * rates.eni_out,) * 5)
                for number in range(PERIODS_PER_WINDOW)
            ),
            lambda: tuple(
                _event(node, minute + timedelta(milliseconds=59_900), device, *both)
                for minute in minutes
                for device, both in rates.devices.items()
            ),
        )


def _event(node: Node, at: datetime, device: str, received: float, transmitted: float) -> LogEvent:
    message = {
        "Type": "NodeNet",
        "Version": "0",
        "Timestamp": str(round(at.timestamp() * 1000)),
        "ClusterName": node.cluster,
        "InstanceId": node.instance_id,
        "NodeName": node.node_name,
        "interface": device,
        "node_interface_network_rx_bytes": received,
        "node_interface_network_tx_bytes": transmitted,
    }
    return LogEvent(at, json.dumps(message))


@dataclass
class Unpublished:
    """A life of which the classic Container Insights publishes nothing in some windows."""

    life: Life
    during: frozenset[Window]

    def quarter(self, node: Node, at: Window) -> Quarter:
        own = self.life.quarter(node, at)
        return Quarter({}, own.eni, lambda: ()) if at in self.during else own


@dataclass
class Misreported:
    """A life whose totals do not arrive for a time, while its events do, some of their fields with other
    values.
    """

    life: Life
    during: tuple[Window, ...]
    fields: Mapping[str, str] = field(default_factory=dict)

    def quarter(self, node: Node, at: Window) -> Quarter:
        own = self.life.quarter(node, at)
        if at not in self.during:
            return own
        changed = (
            LogEvent(event.at, json.dumps({**json.loads(event.message), **self.fields}))
            for event in own.events
        )
        return Quarter({}, own.eni, lambda: tuple(changed))
