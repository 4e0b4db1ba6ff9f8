"""A node with traffic, and what CloudWatch would hold about it: played out, never worked out.

Bytes flow in continuous time across the node's devices and network interfaces (ENIs). Each device's counters
are functions of time; an agent reads them as the CloudWatch agent does and turns them into rates; EC2 adds up
what the ENIs carry, period by period. No formula of the core is in here, so a test that holds the core to it
proves something.

    node = SimulatedNode(
        flows=(
            pod_off_node(steady(ByteRate(20e6), begin, end), OUT, pod="eni00000000001"),
            pod_to_pod(burst(10**9, at=begin), source="eni00000000001", target="eni00000000002"),
        ),
        faults=(AgentDown(begin, begin + HOUR),),
    )
    recording = node.play(span)      # .readings .events .datapoints() .log_events()
    node.carried(OUT, begin, end)    # the truth, in bytes

The same node can be played over any span: what two spans share comes out the same.

Time is whole microseconds and traffic whole bytes, so sums are exact. An impulse at an instant belongs to the
time from that instant on, as in [start, end).

How the agent does it is in amazon-contributing's fork of opentelemetry-collector-contrib:
`receiver/awscontainerinsightreceiver/receiver.go` (asks in the second half of a minute), its
`internal/cadvisor/extractors` (rates over the real interval, at the time of cAdvisor's reading),
`internal/aws/metrics/metric_calculator.go` (keeps the old value after a counter fell),
`internal/aws/containerinsight/utils.go` (the node's total has the fields of its first device) and
`exporter/awsemfexporter/metric_translator.go` (events).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any, Final, TypeAlias

from enigap.core.counting.evidence import DeviceEvents, DeviceSample
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import FetchSpan

MINUTE: Final = timedelta(minutes=1)
PERIOD: Final = timedelta(minutes=5)

IGNORED_PREFIXES: Final = ("lo", "veth", "docker", "nerdctl")
"""Devices cAdvisor leaves out (google/cadvisor v0.52.1, container/libcontainer/handler.go)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000
_LEAD: Final = timedelta(minutes=5)
"""Events of this long before a span are part of its recording; the agent has run for longer."""


class Way(StrEnum):
    """Which of a device's two counters, as the node's operating system sees it."""

    RX = "rx"
    TX = "tx"


class Direction(Enum):
    """Which way the payload goes, as the host or the pod that talks sees it."""

    OUT = "out"
    IN = "in"


OUT: Final = Direction.OUT
IN: Final = Direction.IN


class Kind(Enum):
    """The terms of the counting model, and two that break it."""

    HOST_OFF_NODE = "H"
    POD_OFF_NODE = "P"
    POD_TO_POD = "L"
    POD_TO_HOST = "N"
    UNSEEN = "carried by an ENI, crosses no device of the node"
    UNCARRIED = "counted by a physical device, carried by no ENI"


# --- Bytes over time ---


@dataclass(frozen=True, slots=True)
class Stretch:
    """A constant rate over [start, end)."""

    start: datetime
    end: datetime
    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Impulse:
    """All at once."""

    at: datetime
    total_bytes: int


Shape: TypeAlias = tuple[Stretch | Impulse, ...]
"""Bytes over time. Shapes add up with `+`."""


def steady(rate: ByteRate, start: datetime, end: datetime) -> Shape:
    """The same rate all through [start, end)."""
    return (Stretch(start, end, round(rate.bytes_per_second)),)


def by_minute(start: datetime, rates: Iterable[ByteRate]) -> Shape:
    """One rate after the other, each for a minute."""
    return in_steps(start, MINUTE, rates)


def in_steps(start: datetime, each: timedelta, rates: Iterable[ByteRate]) -> Shape:
    """One rate after the other, each for as long."""
    return tuple(
        Stretch(start + number * each, start + (number + 1) * each, round(rate.bytes_per_second))
        for number, rate in enumerate(rates)
    )


def burst(total_bytes: int, at: datetime, lasting: timedelta = timedelta(0)) -> Shape:
    """So many bytes from an instant on; all at once if it lasts no time."""
    if not lasting:
        return (Impulse(at, total_bytes),)
    return (Stretch(at, at + lasting, round(total_bytes / lasting.total_seconds())),)


# --- Flows ---


@dataclass(frozen=True, slots=True)
class Crossing:
    """A device that a flow's bytes cross, and the counter they are counted on."""

    device: str
    way: Way


@dataclass(frozen=True, slots=True)
class Flow:
    """Traffic of one kind in one direction, and everything that counts it."""

    kind: Kind
    shape: Shape
    crosses: tuple[Crossing, ...] = ()
    eni: Direction | None = None
    """Whether it passes an ENI, and which way: OUT is NetworkOut."""
    eni_bytes_per_byte: float = 1.0
    """Bytes an ENI counts for each byte the devices count: headers and offloads differ by some per cent."""


def host_off_node(
    shape: Shape, direction: Direction, *, nic: str = "eth0", eni_bytes_per_byte: float = 1.0
) -> Flow:
    """H: a process of the host network and something off the node."""
    return Flow(Kind.HOST_OFF_NODE, shape, (_nic(nic, direction),), direction, eni_bytes_per_byte)


def pod_off_node(
    shape: Shape,
    direction: Direction,
    *,
    pod: str,
    nic: str = "eth0",
    also: Sequence[str] = (),
    eni_bytes_per_byte: float = 1.0,
) -> Flow:
    """P: a pod and something off the node; `also` names overlay and branch devices on the way."""
    crosses = (_pod(pod, direction), *(_nic(name, direction) for name in (*also, nic)))
    return Flow(Kind.POD_OFF_NODE, shape, crosses, direction, eni_bytes_per_byte)


def pod_to_pod(shape: Shape, *, source: str, target: str) -> Flow:
    """L: two pods of this node."""
    return Flow(Kind.POD_TO_POD, shape, (_pod(source, OUT), _pod(target, IN)))


def pod_to_host(shape: Shape, direction: Direction, *, pod: str) -> Flow:
    """N: a pod and its own node. IN is what the host sends to the pod."""
    return Flow(Kind.POD_TO_HOST, shape, (_pod(pod, direction),))


def unseen(shape: Shape, direction: Direction) -> Flow:
    """A fault: a device moved into a pod, kernel bypass. The ENI carries it and the node counts nothing."""
    return Flow(Kind.UNSEEN, shape, (), direction)


def uncarried(shape: Shape, direction: Direction, *, nic: str = "eth0") -> Flow:
    """A fault: a physical device counts what no ENI carries, such as what the hypervisor drops."""
    return Flow(Kind.UNCARRIED, shape, (_nic(nic, direction),))


def _nic(device: str, direction: Direction) -> Crossing:
    return Crossing(device, Way.TX if direction is OUT else Way.RX)


def _pod(device: str, direction: Direction) -> Crossing:
    # The node's end of a veth mirrors the pod's: what the pod sends, the node receives.
    return Crossing(device, Way.RX if direction is OUT else Way.TX)


# --- The agent and what goes wrong ---


@dataclass(frozen=True, slots=True)
class Agent:
    """How the agent on a node samples."""

    asks_at: timedelta = timedelta(seconds=37)
    """Into each interval; the real agent begins in the second half of a minute."""
    counter_ages: tuple[timedelta, ...] = (timedelta(0),)
    """How old the counters are that cAdvisor answers with, sample by sample, over and over."""
    interval: timedelta = MINUTE
    memory: timedelta = timedelta(minutes=15)
    """After a counter fell, its old value is kept until it is passed, or swept out at this age (15 minutes
    since agent 1.300058.0, 5 before)."""
    wraps: bool = False
    """Agents before 1.300029 subtract unsigned: a counter that fell shows as 2^64 bytes, once."""


@dataclass(frozen=True, slots=True)
class AgentDown:
    """The agent takes no sample in [start, end)."""

    start: datetime
    end: datetime
    forgets: bool = True
    """A new process has no old values: its first sample has no rates. One that hung averages over the gap."""


@dataclass(frozen=True, slots=True)
class DeviceGone:
    """A device is not in the node's namespace in [start, end), and counts from zero afterwards."""

    device: str
    start: datetime
    end: datetime


def counter_reset(device: str, at: datetime) -> DeviceGone:
    """A device made again under the same name, with nothing between."""
    return DeviceGone(device, at, at)


@dataclass(frozen=True, slots=True)
class PeriodCut:
    """An EC2 period that has only its first minutes so far, or none."""

    start: datetime
    minutes: int


Fault: TypeAlias = AgentDown | DeviceGone | PeriodCut


# --- What comes out ---


@dataclass(frozen=True, slots=True)
class TotalSample:
    """One value of node_network_total_bytes."""

    at: datetime
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class EniPeriod:
    """One five-minute period of EC2: bytes of each of its minutes so far."""

    start: datetime
    in_by_minute: tuple[int, ...]
    out_by_minute: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One datapoint as CloudWatch keeps it."""

    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    timestamp: datetime
    unit: str
    values: tuple[float, ...]
    """The samples in it: its SampleCount is their number, its Sum their sum."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event of the performance log group; the message is the JSON document in it."""

    at: datetime
    stream: str
    message: dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """What CloudWatch holds of one node over a span, in the core's types and as plain data."""

    node: Node
    span: FetchSpan
    totals: tuple[TotalSample, ...]
    events: DeviceEvents
    periods: tuple[EniPeriod, ...]

    @cached_property
    def totals_by_minute(self) -> Mapping[datetime, tuple[float, ...]]:
        """The samples labelled with each minute of the span that has any."""
        minutes: dict[datetime, list[float]] = defaultdict(list)
        for sample in self.totals:
            minutes[sample.at.replace(second=0, microsecond=0)].append(sample.bytes_per_second)
        return {
            minute: tuple(several)
            for minute, several in sorted(minutes.items())
            if self.span.start <= minute < self.span.end
        }

    @cached_property
    def readings(self) -> Readings:
        """As the core reads it: Average of the OS side by minute, Sum and SampleCount of EC2 by period."""
        labels = (
            self.span.start + number * MINUTE for number in range((self.span.end - self.span.start) // MINUTE)
        )
        return Readings(
            span=self.span,
            os_bytes_per_second=tuple(
                sum(several) / len(several) if (several := self.totals_by_minute.get(label)) else None
                for label in labels
            ),
            network_in_bytes=tuple(
                float(sum(p.in_by_minute)) if p.in_by_minute else None for p in self.periods
            ),
            network_out_bytes=tuple(
                float(sum(p.out_by_minute)) if p.out_by_minute else None for p in self.periods
            ),
            network_in_samples=tuple(float(len(p.in_by_minute)) or None for p in self.periods),
        )

    def datapoints(self) -> Iterator[Datapoint]:
        """The three series, to be put into something that answers like CloudWatch."""
        of_node = {
            "ClusterName": self.node.cluster,
            "InstanceId": self.node.instance_id,
            "NodeName": self._node_name,
        }
        for minute, several in self.totals_by_minute.items():
            yield Datapoint(
                "ContainerInsights", "node_network_total_bytes", of_node, minute, "Bytes/Second", several
            )
        of_instance = {"InstanceId": self.node.instance_id}
        for period in self.periods:
            for metric, minutes in (("NetworkIn", period.in_by_minute), ("NetworkOut", period.out_by_minute)):
                if minutes:
                    values = tuple(float(minute) for minute in minutes)
                    yield Datapoint("AWS/EC2", metric, of_instance, period.start, "Bytes", values)

    def log_events(self, *, version: str = "0", enhanced: bool = False) -> Iterator[LogEvent]:
        """The NodeNet events: embedded metric format 0 (the agent) or 1 (a collector's default).

        With enhanced observability they carry a metric of their own; without, they are plain log events.
        """
        for sample in self.events.samples:
            yield LogEvent(sample.at, self._node_name, self._message(sample, version, enhanced=enhanced))

    @property
    def _node_name(self) -> str:
        if self.node.node_name is None:
            raise ValueError("a node without a name has no series and no log stream")
        return self.node.node_name

    def _message(self, sample: DeviceSample, version: str, *, enhanced: bool) -> dict[str, Any]:
        milliseconds = _microseconds(sample.at) // 1000
        metrics = [
            {
                "Namespace": "ContainerInsights",
                "Dimensions": [["NodeName", "InstanceId", "ClusterName"], ["ClusterName"]],
                "Metrics": [
                    {"Name": f"node_interface_network_{way}_dropped", "Unit": "Count/Second"} for way in Way
                ],
            }
        ]
        message: dict[str, Any] = {
            "AutoScalingGroupName": "workers",
            "ClusterName": self.node.cluster,
            "InstanceId": self.node.instance_id,
            "InstanceType": self.node.instance_type or "m7i.large",
            "NodeName": self._node_name,
            "Sources": ["cadvisor", "calculated"],
            "Type": "NodeNet",
            "Version": version,
            "interface": sample.device,
            "kubernetes": {"host": self._node_name},
        }
        if version == "0":
            message["Timestamp"] = str(milliseconds)
            message |= {"CloudWatchMetrics": metrics} if enhanced else {}
        else:
            message["_aws"] = {"Timestamp": milliseconds, "CloudWatchMetrics": metrics if enhanced else []}
        rates = {Way.RX: sample.rx_bytes_per_second, Way.TX: sample.tx_bytes_per_second}
        for way, rate in rates.items():
            message |= {f"node_interface_network_{way}_{what}": 0 for what in ("dropped", "errors")}
            if rate is not None:
                message[f"node_interface_network_{way}_bytes"] = rate
        present = [rate for rate in rates.values() if rate is not None]
        if len(present) == len(rates):
            message["node_interface_network_total_bytes"] = sum(present)
        return message


# --- The node ---


@dataclass(frozen=True)
class SimulatedNode:
    """One node: what flows, who samples it, and what goes wrong."""

    flows: tuple[Flow, ...] = ()
    faults: tuple[Fault, ...] = ()
    agents: tuple[Agent, ...] = (Agent(),)
    devices: tuple[str, ...] = ("eth0",)
    """The first devices of /proc/net/dev in its order; others follow as flows name them. The first one
    matters: while it has no rate, the node's total has none."""
    node: Node = field(
        default_factory=lambda: Node("prod", "i-0123456789abcdef0", "ip-10-0-3-7.ec2.internal")
    )

    def play(self, span: FetchSpan) -> Recording:
        """What CloudWatch holds over the span, with the events of some minutes before it."""
        totals: list[TotalSample] = []
        events: list[DeviceSample] = []
        for agent in self.agents:
            run = _AgentRun(self, agent)
            for at, total, samples in run.between(self._begin(agent, span), span.end):
                if total is not None:
                    totals.append(TotalSample(at, total))
                events += samples if at >= span.start - _LEAD else ()
        return Recording(self.node, span, tuple(totals), DeviceEvents(tuple(events)), self._periods(span))

    # The truth, in bytes over [start, end):

    def moved(self, kind: Kind, start: datetime, end: datetime) -> int:
        """By the flows of one kind."""
        shapes = [(flow.shape, 1.0) for flow in self.flows if flow.kind is kind]
        return _Tally(shapes).between(start, end)

    def carried(self, direction: Direction, start: datetime, end: datetime) -> int:
        """By the ENIs."""
        return self._eni[direction].between(start, end)

    def crossed(self, device: str, way: Way, start: datetime, end: datetime) -> int:
        """Over one device, one way, whether or not its counter survived."""
        return self._counters[Crossing(device, way)].between(start, end)

    def counted(self, start: datetime, end: datetime) -> int:
        """Over all devices the agent counts, both ways."""
        return sum(self.crossed(device, way, start, end) for device in self.counted_devices for way in Way)

    @cached_property
    def counted_devices(self) -> tuple[str, ...]:
        """Every device cAdvisor does not leave out, in the order of /proc/net/dev."""
        named = (crossing.device for flow in self.flows for crossing in flow.crosses)
        devices = dict.fromkeys((*self.devices, *named))
        return tuple(name for name in devices if not name.startswith(IGNORED_PREFIXES))

    @cached_property
    def _counters(self) -> Mapping[Crossing, _Tally]:
        shapes: dict[Crossing, list[tuple[Shape, float]]] = defaultdict(list)
        for flow in self.flows:
            for crossing in flow.crosses:
                shapes[crossing].append((flow.shape, 1.0))
        crossings = (Crossing(device, way) for device in self.counted_devices for way in Way)
        return {crossing: _Tally(shapes[crossing]) for crossing in crossings}

    @cached_property
    def _eni(self) -> Mapping[Direction, _Tally]:
        return {
            direction: _Tally((f.shape, f.eni_bytes_per_byte) for f in self.flows if f.eni is direction)
            for direction in Direction
        }

    def _begin(self, agent: Agent, span: FetchSpan) -> datetime:
        """Early enough before the span that what an agent remembers of faults is right."""
        reach = 2 * agent.memory + _LEAD
        turns = [
            turn
            for fault in self.faults
            if not isinstance(fault, PeriodCut)
            for turn in (fault.start, fault.end)
        ]
        near = [turn for turn in turns if span.start - reach <= turn < span.end]
        return min([span.start, *near]) - 2 * _LEAD

    def _periods(self, span: FetchSpan) -> tuple[EniPeriod, ...]:
        cuts = {fault.start: fault.minutes for fault in self.faults if isinstance(fault, PeriodCut)}
        periods = []
        for number in range((span.end - span.start) // PERIOD):
            start = span.start + number * PERIOD
            minutes = [start + minute * MINUTE for minute in range(cuts.get(start, PERIOD // MINUTE))]
            periods.append(
                EniPeriod(
                    start,
                    tuple(self.carried(IN, minute, minute + MINUTE) for minute in minutes),
                    tuple(self.carried(OUT, minute, minute + MINUTE) for minute in minutes),
                )
            )
        return tuple(periods)


class _AgentRun:
    """An agent at work: it remembers what it read."""

    def __init__(self, node: SimulatedNode, agent: Agent) -> None:
        self._node, self._agent = node, agent
        self._memory: dict[Crossing, tuple[int, int]] = {}
        self._downs = [fault for fault in node.faults if isinstance(fault, AgentDown)]
        self._gone: dict[str, list[DeviceGone]] = {device: [] for device in node.counted_devices}
        for fault in node.faults:
            if isinstance(fault, DeviceGone) and fault.device in self._gone:
                self._gone[fault.device].append(fault)

    def between(
        self, begin: datetime, end: datetime
    ) -> Iterator[tuple[datetime, float | None, list[DeviceSample]]]:
        """Every sample whose counters were read in [begin, end): when, the node's total, the devices."""
        agent = self._agent
        number = (begin - _EPOCH) // agent.interval
        while True:
            asked = _EPOCH + number * agent.interval + agent.asks_at
            at = asked - agent.counter_ages[number % len(agent.counter_ages)]
            number += 1
            if at >= end:
                return
            down = [fault for fault in self._downs if fault.start <= asked < fault.end]
            if any(fault.forgets for fault in down):
                self._memory.clear()
            if not down:
                self._sweep(_microseconds(asked))
                yield self._sample(at)

    def _sample(self, at: datetime) -> tuple[datetime, float | None, list[DeviceSample]]:
        # Events and datapoints carry milliseconds.
        stamp = at - timedelta(microseconds=at.microsecond % 1000)
        events: list[DeviceSample] = []
        totals: list[float | None] = []
        for device in self._node.counted_devices:
            since = self._present_since(device, at)
            if since is None:
                continue
            is_new = Crossing(device, Way.RX) not in self._memory
            rx, tx = (self._rate(Crossing(device, way), since, at) for way in Way)
            totals.append(rx + tx if rx is not None and tx is not None else None)
            if not is_new:
                events.append(DeviceSample(stamp, device, rx, tx))
        # The first device's fields are the node's fields; others add to them where they can.
        if not totals or totals[0] is None:
            return stamp, None, events
        return stamp, sum(total for total in totals if total is not None), events

    def _present_since(self, device: str, at: datetime) -> datetime | None:
        """When the device last began to count from zero; None if it is not there."""
        begun = [_EPOCH]
        for fault in self._gone[device]:
            if fault.start <= at < fault.end:
                return None
            begun += [fault.end] if fault.end <= at else []
        return max(begun)

    def _rate(self, counter: Crossing, since: datetime, at: datetime) -> float | None:
        value = self._node._counters[counter].between(since, at)
        now = _microseconds(at)
        if counter not in self._memory:
            self._memory[counter] = (value, now)
            return None
        before, then = self._memory[counter]
        grown = value - before
        if grown < 0 and self._agent.wraps:
            grown += 2**64
        if grown < 0 or now <= then:
            return None
        self._memory[counter] = (value, now)
        return grown * _SECOND / (now - then)

    def _sweep(self, now: int) -> None:
        age = self._agent.memory // timedelta(microseconds=1)
        swept_at = now - now % age
        self._memory = {key: kept for key, kept in self._memory.items() if swept_at - kept[1] < age}


class _Tally:
    """How many bytes have passed, as a function of time."""

    def __init__(self, shapes: Iterable[tuple[Shape, float]]) -> None:
        impulses: dict[int, int] = defaultdict(int)
        turns: dict[int, int] = defaultdict(int)
        for shape, factor in shapes:
            for part in shape:
                if isinstance(part, Impulse):
                    impulses[_microseconds(part.at)] += round(part.total_bytes * factor)
                else:
                    rate = round(part.bytes_per_second * factor)
                    turns[_microseconds(part.start)] += rate
                    turns[_microseconds(part.end)] -= rate
        self._at = sorted(impulses.keys() | turns.keys())
        self._passed: list[int] = []
        self._rate: list[int] = []
        passed = rate = then = 0
        for at in self._at:
            passed += rate * (at - then) + impulses[at] * _SECOND
            rate += turns[at]
            self._passed.append(passed)
            self._rate.append(rate)
            then = at

    def between(self, start: datetime, end: datetime) -> int:
        """Whole bytes of [start, end)."""
        return self._before(_microseconds(end)) - self._before(_microseconds(start))

    def _before(self, at: int) -> int:
        turn = bisect_left(self._at, at) - 1
        if turn < 0:
            return 0
        return (self._passed[turn] + self._rate[turn] * (at - self._at[turn])) // _SECOND


def _microseconds(instant: datetime) -> int:
    """Since the Unix epoch."""
    return (instant - _EPOCH) // timedelta(microseconds=1)
