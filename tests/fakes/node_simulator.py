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

What the agent makes of the counters is `demo/agent.py`'s. When it asks is in amazon-contributing's fork of
opentelemetry-collector-contrib, `receiver/awscontainerinsightreceiver/receiver.go` (in the second half of a
minute).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

from demo.agent import MEMORY, AgentSample, Calculator, is_left_out, node_net_event, total_of
from enigap.core.counting.evidence import DeviceEvents, DeviceSample
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import FetchSpan

MINUTE: Final = timedelta(minutes=1)
PERIOD: Final = timedelta(minutes=5)

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
    MISCOUNTED = "other traffic that devices count once more, or, with a share below zero, leave out"


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


@dataclass(frozen=True, slots=True)
class Steps:
    """One constant rate after the other: `rates[i]`, in bytes per second, over [bounds[i], bounds[i + 1])."""

    bounds: tuple[int, ...]
    """Microseconds since the Unix epoch, ascending, one more than rates."""
    rates: tuple[int, ...]


Shape: TypeAlias = tuple[Stretch | Impulse | Steps, ...]
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
    bytes_per_packet: float | None = None
    """Of the packets that devices count. None: packets are left out of what the node reports."""
    frames_per_packet: float = 1.0
    """Frames on the wire for each packet a device counts: more than one with segmentation offload."""
    frames_at: str | None = None
    """The device that counts frames all the same, as one that receives does before it merges them."""
    share: float = 1.0
    """Of the shape. Below zero it takes away what another flow of the same shape has on the same counters."""
    since: datetime | None = None
    until: datetime | None = None
    """The flow is what its shape has in [since, until)."""
    dropped_at: str | None = None
    """The device that counts the frames of this flow as dropped."""


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
    memory: timedelta = MEMORY
    """After a counter fell, its old value is kept until it is passed, or swept out at this age."""
    wraps: bool = False
    """Agents before 1.300029 subtract unsigned: a counter that fell shows as 2^64 bytes, once."""
    clock_skew: timedelta = timedelta(0)
    """How far the node's clock is ahead; it stamps events and datapoints."""
    since: datetime = _EPOCH
    until: datetime | None = None
    """The life of the agent's process. What it reads is never older than that."""


@dataclass(frozen=True, slots=True)
class Ec2:
    """How EC2 counts what the ENIs carry, where that is not documented."""

    offset: timedelta = timedelta(0)
    """How much later than the minute on the clock each of its minutes begins and ends."""
    bytes_per_frame: float = 0.0
    """Counted for each frame on top of the Ethernet frame: -14 where only IP counts, 24 with preamble, frame
    check sequence and gap."""
    counts_device_packets: bool = False
    """NetworkPackets counts what the devices do, before segmentation, and not the frames."""


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


@dataclass(frozen=True, slots=True)
class UnitError:
    """In [start, end) the agent reports bytes times a factor."""

    start: datetime
    factor: float
    end: datetime | None = None


Fault: TypeAlias = AgentDown | DeviceGone | PeriodCut | UnitError


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
    packets_in_by_minute: tuple[int, ...] = ()
    packets_out_by_minute: tuple[int, ...] = ()
    """Empty where flows have no packets."""


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
        message = node_net_event(
            sample,
            cluster=self.node.cluster,
            instance_id=self.node.instance_id,
            instance_type=self.node.instance_type or "m7i.large",
            node_name=self._node_name,
        ) | {"AutoScalingGroupName": "workers", "Version": version}
        metrics = [
            {
                "Namespace": "ContainerInsights",
                "Dimensions": [["NodeName", "InstanceId", "ClusterName"], ["ClusterName"]],
                "Metrics": [
                    {"Name": f"node_interface_network_{way}_dropped", "Unit": "Count/Second"} for way in Way
                ],
            }
        ]
        if version != "0":
            milliseconds = int(message.pop("Timestamp"))
            message["_aws"] = {"Timestamp": milliseconds, "CloudWatchMetrics": metrics if enhanced else []}
        elif enhanced:
            message["CloudWatchMetrics"] = metrics
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
    ec2: Ec2 = Ec2()

    def play(self, span: FetchSpan) -> Recording:
        """What CloudWatch holds over the span, with the events of some minutes before it."""
        totals: list[TotalSample] = []
        events: list[DeviceSample] = []
        for agent in self.agents:
            for sample in _AgentRun(self, agent).between(self._begin(agent, span), span.end):
                if sample.total is not None:
                    totals.append(TotalSample(sample.at, sample.total))
                events += sample.devices if sample.at >= span.start - _LEAD else ()
        return Recording(self.node, span, tuple(totals), DeviceEvents(tuple(events)), self._periods(span))

    # The truth, in bytes over [start, end):

    def moved(self, kind: Kind, start: datetime, end: datetime) -> int:
        """By the flows of one kind."""
        return _Counter(self._term(flow) for flow in self.flows if flow.kind is kind).between(start, end)

    def carried(self, direction: Direction, start: datetime, end: datetime) -> int:
        """By the ENIs: whole Ethernet frames."""
        return self._eni[direction].between(start, end)

    def frames(self, direction: Direction, start: datetime, end: datetime) -> int:
        """Carried by the ENIs."""
        return self._eni_frames[direction].between(start, end)

    def crossed(self, device: str, way: Way, start: datetime, end: datetime) -> int:
        """Over one device, one way, whether or not its counter survived."""
        return self._counters[Crossing(device, way)].between(start, end)

    def packets(self, device: str, way: Way, start: datetime, end: datetime) -> int:
        """Over one device, one way, before segmentation."""
        return self._packet_counters[Crossing(device, way)].between(start, end)

    def counted(self, start: datetime, end: datetime) -> int:
        """Over all devices the agent counts, both ways."""
        return sum(self.crossed(device, way, start, end) for device in self.counted_devices for way in Way)

    def counted_while_there(self, start: datetime, end: datetime) -> int:
        """The same of those devices that were in the node's namespace, as long as they were."""
        away = [
            (fault.device, max(fault.start, start), min(fault.end, end))
            for fault in self.faults
            if isinstance(fault, DeviceGone) and fault.device in self.counted_devices
        ]
        return self.counted(start, end) - sum(
            self.crossed(device, way, since, until)
            for device, since, until in away
            if since < until
            for way in Way
        )

    @cached_property
    def counted_devices(self) -> tuple[str, ...]:
        """Every device cAdvisor does not leave out, in the order of /proc/net/dev."""
        named = (crossing.device for flow in self.flows for crossing in flow.crosses)
        devices = dict.fromkeys((*self.devices, *named))
        return tuple(name for name in devices if not is_left_out(name))

    @cached_property
    def has_packets(self) -> bool:
        """Whether every flow says how its bytes are cut into packets."""
        return bool(self.flows) and all(flow.bytes_per_packet for flow in self.flows)

    @cached_property
    def _curves(self) -> dict[int, _Curve]:
        """By the identity of the shape: several flows share one, and the flows keep it alive."""
        shapes = {id(flow.shape): flow.shape for flow in self.flows}
        return {key: _Curve(shape) for key, shape in shapes.items()}

    def _term(self, flow: Flow, factor: float = 1.0) -> _Term:
        """What a counter has of a flow: that many of it for each byte of its shape."""
        since = None if flow.since is None else _microseconds(flow.since)
        until = None if flow.until is None else _microseconds(flow.until)
        return _Term(self._curves[id(flow.shape)], since, until, round(flow.share * factor * _EXACT))

    @cached_property
    def _counters(self) -> Mapping[Crossing, _Counter]:
        return self._by_crossing(lambda _: 1.0, lambda flow: flow.eni_bytes_per_byte)

    @cached_property
    def _packet_counters(self) -> Mapping[Crossing, _Counter]:
        return self._by_crossing(_packets_per_byte, _frames_per_byte)

    def _by_crossing(
        self, packets: Callable[[Flow], float], frames: Callable[[Flow], float]
    ) -> Mapping[Crossing, _Counter]:
        terms: dict[Crossing, list[_Term]] = defaultdict(list)
        for flow in self.flows:
            for crossing in flow.crosses:
                factor = frames if crossing.device == flow.frames_at else packets
                terms[crossing].append(self._term(flow, factor(flow)))
        crossings = (Crossing(device, way) for device in self.counted_devices for way in Way)
        return {crossing: _Counter(terms[crossing]) for crossing in crossings}

    @cached_property
    def _dropped(self) -> Mapping[str, _Counter]:
        return {
            device: _Counter(
                self._term(flow, _frames_per_byte(flow)) for flow in self.flows if flow.dropped_at == device
            )
            for device in self.counted_devices
        }

    @cached_property
    def _eni(self) -> Mapping[Direction, _Counter]:
        return self._by_direction(lambda flow: flow.eni_bytes_per_byte)

    @cached_property
    def _eni_frames(self) -> Mapping[Direction, _Counter]:
        return self._by_direction(_frames_per_byte)

    @cached_property
    def _ec2_bytes(self) -> Mapping[Direction, _Counter]:
        extra = self.ec2.bytes_per_frame
        return self._by_direction(lambda flow: flow.eni_bytes_per_byte + extra * _frames_per_byte(flow))

    @cached_property
    def _ec2_packets(self) -> Mapping[Direction, _Counter]:
        if self.ec2.counts_device_packets:
            return self._by_direction(_packets_per_byte)
        return self._eni_frames

    def _by_direction(self, factor: Callable[[Flow], float]) -> Mapping[Direction, _Counter]:
        return {
            direction: _Counter(self._term(f, factor(f)) for f in self.flows if f.eni is direction)
            for direction in Direction
        }

    def _begin(self, agent: Agent, span: FetchSpan) -> datetime:
        """Early enough before the span that what an agent remembers of faults is right."""
        reach = 2 * agent.memory + _LEAD
        turns = [
            turn
            for fault in self.faults
            if isinstance(fault, AgentDown | DeviceGone)
            for turn in (fault.start, fault.end)
        ]
        near = [turn for turn in turns if span.start - reach <= turn < span.end]
        return min([span.start, *near]) - 2 * _LEAD

    def _periods(self, span: FetchSpan) -> tuple[EniPeriod, ...]:
        cuts = {fault.start: fault.minutes for fault in self.faults if isinstance(fault, PeriodCut)}
        edges = range(_microseconds(span.start), _microseconds(span.end) + 1, 60 * _SECOND)
        offset = self.ec2.offset // timedelta(microseconds=1)
        at = [edge + offset for edge in edges]
        bytes_in, bytes_out = (_growth(self._ec2_bytes[way].at(at)) for way in (IN, OUT))
        packets_in, packets_out = (
            _growth(self._ec2_packets[way].at(at)) if self.has_packets else [] for way in (IN, OUT)
        )
        periods = []
        for number in range(span.periods):
            start = span.start + number * PERIOD
            first = number * (PERIOD // MINUTE)
            minutes = slice(first, first + cuts.get(start, PERIOD // MINUTE))
            series = (bytes_in, bytes_out, packets_in, packets_out)
            periods.append(EniPeriod(start, *(tuple(values[minutes]) for values in series)))
        return tuple(periods)


def _packets_per_byte(flow: Flow) -> float:
    return 1 / flow.bytes_per_packet if flow.bytes_per_packet else 0.0


def _frames_per_byte(flow: Flow) -> float:
    return flow.frames_per_packet * _packets_per_byte(flow)


class _Tick(NamedTuple):
    """Instants in microseconds since the Unix epoch."""

    at: int
    """When cAdvisor read the counters."""
    process: int
    """Which process of the agent asked: one that restarted remembers nothing."""
    swept_at: int
    """When what the agent remembers was last searched for what is too old."""


class _AgentRun:
    """An agent at work: it remembers what it read."""

    def __init__(self, node: SimulatedNode, agent: Agent) -> None:
        self._node, self._agent = node, agent
        self._age = agent.memory // timedelta(microseconds=1)
        self._downs = [fault for fault in node.faults if isinstance(fault, AgentDown)]
        self._gone: dict[str, list[DeviceGone]] = {device: [] for device in node.counted_devices}
        for fault in node.faults:
            if isinstance(fault, DeviceGone) and fault.device in self._gone:
                self._gone[fault.device].append(fault)

    def between(self, begin: datetime, end: datetime) -> Iterator[AgentSample]:
        """Every sample whose counters were read in [begin, end)."""
        ticks = list(self._ticks(max(begin, self._agent.since), end))
        sampled = _Sampled([tick.at for tick in ticks])
        read = [self._device(device, ticks, sampled) for device in self._node.counted_devices]
        for number, tick in enumerate(ticks):
            devices: list[DeviceSample] = []
            totals: list[float | None] = []
            stamp = self._stamp(tick)
            for device, rates in zip(self._node.counted_devices, read, strict=True):
                if not rates.is_present[number]:
                    continue
                rx, tx = rates.rx[number], rates.tx[number]
                totals.append(rx + tx if rx is not None and tx is not None else None)
                if not rates.is_new[number]:
                    devices.append(DeviceSample(stamp, device, rx, tx, *rates.more(number)))
            yield AgentSample(stamp, total_of(totals), tuple(devices))

    def _ticks(self, begin: datetime, end: datetime) -> Iterator[_Tick]:
        agent = self._agent
        number = max(0, (begin - _EPOCH) // agent.interval)
        process = 0
        while True:
            asked = _EPOCH + number * agent.interval + agent.asks_at
            at = max(asked - agent.counter_ages[number % len(agent.counter_ages)], agent.since)
            number += 1
            if at >= end or (agent.until is not None and asked >= agent.until):
                return
            down = [fault for fault in self._downs if fault.start <= asked < fault.end]
            process += any(fault.forgets for fault in down)
            if not down and asked >= agent.since:
                now = _microseconds(asked)
                yield _Tick(_microseconds(at), process, now - now % self._age)

    def _stamp(self, tick: _Tick) -> datetime:
        at = tick.at + self._agent.clock_skew // timedelta(microseconds=1)
        # Events and datapoints carry milliseconds.
        return _EPOCH + timedelta(microseconds=at - at % 1000)

    def _device(self, device: str, ticks: Sequence[_Tick], sampled: _Sampled) -> _DeviceRates:
        node = self._node
        since = self._present_since(device, ticks)
        rx, tx = (self._rates(node._counters[Crossing(device, way)], ticks, since, sampled) for way in Way)
        units = [fault for fault in node.faults if isinstance(fault, UnitError)]
        more: list[list[float | None]] = []
        if node.has_packets:
            counters = [node._packet_counters[Crossing(device, way)] for way in Way]
            more = [
                self._rates(counter, ticks, since, sampled)[0]
                for counter in (*counters, node._dropped[device])
            ]
        return _DeviceRates(
            is_present=[instant is not None for instant in since],
            is_new=rx[1],
            rx=_in_units(rx[0], ticks, units),
            tx=_in_units(tx[0], ticks, units),
            others=more,
        )

    def _present_since(self, device: str, ticks: Sequence[_Tick]) -> list[int | None]:
        """At each tick, when the device last began to count from zero; None if it is not there."""
        gone = [(_microseconds(f.start), _microseconds(f.end)) for f in self._gone[device]]
        since: list[int | None] = []
        for tick in ticks:
            if any(start <= tick.at < end for start, end in gone):
                since.append(None)
            else:
                since.append(max((end for _, end in gone if end <= tick.at), default=0))
        return since

    def _rates(
        self, counter: _Counter, ticks: Sequence[_Tick], since: Sequence[int | None], sampled: _Sampled
    ) -> tuple[list[float | None], list[bool]]:
        """The rate at each tick, and whether it was the counter's first one."""
        begun = {instant: counter.before(instant) for instant in set(since) if instant is not None}
        rates: list[float | None] = []
        is_new: list[bool] = []
        calculator = Calculator(self._agent.memory, wraps=self._agent.wraps)
        process = 0
        for tick, value, instant in zip(ticks, counter.sampled(sampled), since, strict=True):
            if tick.process != process:
                calculator.forget()
                process = tick.process
            is_new.append(not calculator.knows(tick.swept_at))
            rates.append(
                None
                if instant is None
                else calculator.rate(tick.at, value - begun[instant], swept_at=tick.swept_at)
            )
        return rates, is_new


@dataclass(frozen=True, slots=True)
class _DeviceRates:
    """Of one device, tick by tick."""

    is_present: list[bool]
    is_new: list[bool]
    rx: list[float | None]
    tx: list[float | None]
    others: list[list[float | None]]

    def more(self, number: int) -> list[float | None]:
        return [rates[number] for rates in self.others]


def _in_units(
    rates: list[float | None], ticks: Sequence[_Tick], faults: Sequence[UnitError]
) -> list[float | None]:
    for fault in faults:
        start = _microseconds(fault.start)
        end = None if fault.end is None else _microseconds(fault.end)
        rates = [
            rate * fault.factor
            if rate is not None and tick.at >= start and (end is None or tick.at < end)
            else rate
            for rate, tick in zip(rates, ticks, strict=True)
        ]
    return rates


# --- Counters ---

_EXACT: Final = 10**9
"""Factors are whole thousand millionths, so that no counter falls by a rounding."""


class _Curve:
    """How much of a shape has passed, as a function of time."""

    def __init__(self, shape: Shape) -> None:
        impulses: dict[int, int] = defaultdict(int)
        turns: dict[int, int] = defaultdict(int)
        for part in shape:
            if isinstance(part, Impulse):
                impulses[_microseconds(part.at)] += part.total_bytes
            elif isinstance(part, Stretch):
                turns[_microseconds(part.start)] += part.bytes_per_second
                turns[_microseconds(part.end)] -= part.bytes_per_second
            else:
                for start, before, after in zip(part.bounds, (0, *part.rates), (*part.rates, 0), strict=True):
                    turns[start] += after - before
        # Long before anything there is a turn, too: each instant lies after one.
        self._at = [-(10**18), *sorted(impulses.keys() | turns.keys())]
        self._passed: list[int] = []
        self._rate: list[int] = []
        passed = rate = then = 0
        for at in self._at:
            passed += rate * (at - then) + impulses.get(at, 0) * _SECOND
            rate += turns.get(at, 0)
            self._passed.append(passed)
            self._rate.append(rate)
            then = at

    def before(self, at: Sequence[int]) -> list[int]:
        """Millionths of a byte before each instant."""
        turns, passed, rate = self._at, self._passed, self._rate
        places = [bisect_left(turns, instant) - 1 for instant in at]
        return [passed[n] + rate[n] * (t - turns[n]) for n, t in zip(places, at, strict=True)]


@dataclass(frozen=True, slots=True)
class _Term:
    """What a counter has of a curve in [since, until), times a factor in thousand millionths."""

    curve: _Curve
    since: int | None
    until: int | None
    factor: int

    def before(self, at: Sequence[int]) -> list[int]:
        """Millionths of a byte, not multiplied yet."""
        passed = self.curve.before(at)
        least = 0
        if self.since is not None:
            [least] = self.curve.before([self.since])
            passed = [value - least if value > least else 0 for value in passed]
        if self.until is not None:
            [most] = self.curve.before([self.until])
            passed = [min(value, most - least) for value in passed]
        return passed


class _Sampled:
    """Curves at the instants of a run, each worked out once for all counters that have a part in it."""

    def __init__(self, at: list[int]) -> None:
        self.at = at
        self._of: dict[tuple[int, int | None, int | None], list[int]] = {}

    def term(self, term: _Term) -> list[int]:
        key = (id(term.curve), term.since, term.until)
        if key not in self._of:
            self._of[key] = term.before(self.at)
        return self._of[key]


class _Counter:
    """A sum of terms: whole bytes, packets or frames so far, as a function of time."""

    def __init__(self, terms: Iterable[_Term]) -> None:
        self._terms = [term for term in terms if term.factor]

    def sampled(self, sampled: _Sampled) -> list[int]:
        """At each instant of a run."""
        sums = [0] * len(sampled.at)
        for term in self._terms:
            factor = term.factor
            sums = [so_far + value * factor for so_far, value in zip(sums, sampled.term(term), strict=True)]
        return [value // (_SECOND * _EXACT) for value in sums]

    def at(self, at: list[int]) -> list[int]:
        """Before each instant."""
        return self.sampled(_Sampled(at))

    def before(self, at: int) -> int:
        return self.at([at])[0]

    def between(self, start: datetime, end: datetime) -> int:
        """Of [start, end)."""
        first, last = self.at([_microseconds(start), _microseconds(end)])
        return last - first


def _growth(values: Sequence[int]) -> list[int]:
    return [after - before for before, after in pairwise(values)]


def _microseconds(instant: datetime) -> int:
    """Since the Unix epoch."""
    return (instant - _EPOCH) // timedelta(microseconds=1)
