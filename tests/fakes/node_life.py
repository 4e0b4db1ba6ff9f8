"""Hours in the life of one node, drawn from a seed: what it does, how it is counted, and what goes wrong.

    life = NodeLife.drawn(seed=7, pattern=Pattern.CRON_5, mix=Mix.PODS, rate=ByteRate(10e6), hours=6)
    for window in life.windows():
        readings = life.readings(FetchSpan.of(window, 2))
        events = life.events(window.start, window.end)

Traffic is a set of conversations, each with bytes in continuous time, broken anywhere, and with frames of its
own. `tests/fakes/node_simulator.py` counts them. A life is played once and read as often as it is asked.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from functools import cached_property
from random import Random
from typing import Final, NamedTuple

from enigap.core.counting.evidence import DeviceEvents, DeviceSample, MissingEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import GRID, FetchSpan, Window
from tests.fakes.node_simulator import (
    IN,
    MINUTE,
    OUT,
    PERIOD,
    Agent,
    Crossing,
    DeviceGone,
    Direction,
    Ec2,
    EniPeriod,
    Fault,
    Flow,
    Kind,
    Recording,
    Shape,
    SimulatedNode,
    Steps,
    UnitError,
    Way,
    host_off_node,
    pod_off_node,
    pod_to_host,
    pod_to_pod,
)

BEGIN: Final = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
"""A life begins here unless told otherwise."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER: Final = datetime(2100, 1, 1, tzinfo=UTC)
_BEFORE: Final = timedelta(minutes=45)
"""Traffic and agents are older than the life: what is older than it has been swept out of their memory."""
_NIC: Final = "eth0"
_SECOND_NIC: Final = "ens6"
_MOVED_NIC: Final = "ens7"
_NICS: Final = (_NIC, _SECOND_NIC, _MOVED_NIC)


class Pattern(StrEnum):
    """How the bytes of a conversation lie in time."""

    CONSTANT = "constant"
    EVEN = "minutes +-10 %"
    UNEVEN = "minutes +-50 %"
    WILD = "minutes +-300 %"
    DIURNAL = "diurnal"
    CRON_1 = "cron each minute"
    CRON_5 = "cron each 5 min"
    CRON_15 = "cron each 15 min"
    ON_10 = "on 10 s, off 50 s"
    ON_300 = "on 300 s, off 1200 s"
    HEAVY = "heavy-tailed flows"


class Mix(StrEnum):
    """Who talks with whom."""

    HOST = "host only"
    PODS = "pods only"
    MIXED = "mixed"
    LOCAL = "mostly node-local"


class Wrong(StrEnum):
    """What breaks the counting model."""

    DEFICIT = "deficit"
    """Physical devices count too little."""
    EXCESS = "excess"
    """Physical devices count too much."""
    MOVED = "moved"
    """An ENI is moved into a pod: EC2 counts its bytes, and no device of the node does."""
    RECEIVE_DROPS = "receive drops"
    """EC2 counted them, the node did not."""
    TRANSMIT_DROPS = "transmit drops"
    """The node counted them, EC2 did not."""
    UNITS = "unit error"
    """All rates of the agent are multiplied; the share is the factor."""


class Enis(Enum):
    """Whether a second ENI is attached and detached during the life."""

    NONE = "none"
    IDLE = "idle"
    BUSY = "busy"


class Churn(Enum):
    """Whether the first two pods are replaced again and again, and how the new ones are called."""

    NONE = "none"
    NEW_NAMES = "new names"
    SAME_NAMES = "same names"


@dataclass(frozen=True, slots=True)
class Mishap:
    """A fault that begins at some time of a life."""

    wrong: Wrong
    share: float
    after: timedelta = timedelta(0)
    lasting: timedelta | None = None
    """None: until the end of the life."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How a node is sampled and counted, and how what is known of it comes in: all of it healthy."""

    interval: timedelta = MINUTE
    clock_skew: timedelta = timedelta(0)
    ec2: Ec2 = field(default_factory=Ec2)
    late: float = 0.3
    """The share of fetches in which the newest datapoints of EC2 are not complete."""
    lost: float = 0.01
    """The share of events that never arrive."""
    agents: int = 1
    up: timedelta | None = None
    """An agent's process lives that long and starts anew after `down`. None: it lives as long as the node."""
    down: timedelta = timedelta(seconds=30)
    enis: Enis = Enis.NONE
    churn: Churn = Churn.NONE
    every: timedelta = timedelta(minutes=30)
    """How long a pod lives where pods are replaced."""
    is_launched: bool = False
    """The node is launched and terminated during the life."""
    resolver: ByteRate = ByteRate(0.0)
    """Traffic with the VPC resolver that EC2 leaves out."""
    mirrored: float = 0.0
    """The share of all traffic that EC2 counts in NetworkOut once more."""
    efa: ByteRate = ByteRate(0.0)
    """Counted by EC2 and by no device of the node, in each direction."""
    received: float | None = None
    """The share of its bytes that a node receives, acknowledgements aside. None: drawn, about half."""
    merges_after_counting: bool = True
    """The driver counts received frames one by one and merges them afterwards, as that of ENA does."""

    @classmethod
    def unknown(cls, random: Random) -> Ways:
        """Nothing is known about EC2: its offset, the headers it counts; the clock is off by some seconds."""
        ec2 = Ec2(timedelta(seconds=random.uniform(-60, 60)), random.choice([-14.0, 0.0, 4.0, 24.0]))
        return cls(clock_skew=timedelta(seconds=random.uniform(-3, 3)), ec2=ec2)


@dataclass(frozen=True, slots=True)
class Frames:
    """How the bytes of a conversation are cut."""

    payload: int = 1448
    per_packet: int = 1
    """Frames for each packet that devices count: segmentation and receive offload."""
    per_ack: int = 2
    """Frames for each acknowledgement; 0: none is sent."""
    header: int = 66

    @property
    def bytes_per_packet(self) -> int:
        """As devices count it, with one header."""
        return self.per_packet * self.payload + self.header

    @property
    def wire_bytes_per_byte(self) -> float:
        return self.per_packet * (self.payload + self.header) / self.bytes_per_packet

    @classmethod
    def drawn(cls, random: Random) -> Frames:
        """TCP or UDP, jumbo frames or not, offloaded or not, IPv4, IPv6 or in an overlay."""
        header = random.choice([66, 66, 66, 86, 116])
        mtu = random.choice([1514, 1514, 9015])
        if random.random() < 0.15:
            return cls(payload=random.choice([512, 1200, 1400]), per_ack=0, header=42)
        most = max(1, 65_000 // mtu)
        return cls(mtu - header, random.randint(1, most), random.choice([1, 2, 2, 8]), header)


# --- Bytes over time ---


def steps(pattern: Pattern, rate: float, begin: datetime, end: datetime, random: Random) -> Steps:
    """A conversation of that many bytes per second on the average."""
    length = (end - begin).total_seconds()
    parts = list(_PARTS[pattern](length, random))
    turns: dict[int, float] = {}
    total = 0.0
    for start, lasting, weight in parts:
        first, last = round(max(0.0, start) * 1e6), round(min(length, start + lasting) * 1e6)
        if first < last:
            turns[first] = turns.get(first, 0.0) + weight
            turns[last] = turns.get(last, 0.0) - weight
            total += weight * (last - first) / 1e6
    scale = rate * length / total if pattern in _DRAWN_TOTALS and total else rate
    bounds, rates, now = sorted(turns), [], 0.0
    for bound in bounds[:-1]:
        now += turns[bound]
        rates.append(max(0, round(now * scale)))
    origin = (begin - _EPOCH) // timedelta(microseconds=1)
    return Steps(tuple(origin + bound for bound in bounds), tuple(rates))


class _Part(NamedTuple):
    """Seconds since the beginning, and a multiple of the average rate."""

    start: float
    lasting: float
    weight: float


def _constant(length: float, _: Random) -> Iterator[_Part]:
    yield _Part(0.0, length, 1.0)


def _minutes(length: float, random: Random, most: float) -> Iterator[_Part]:
    for start in _marks(length, 60.0, random.uniform(-60, 0)):
        yield _Part(start, 60.0, random.uniform(1 - most, 1 + most))


def _wild(length: float, random: Random) -> Iterator[_Part]:
    for start in _marks(length, 60.0, random.uniform(-60, 0)):
        yield _Part(start, 60.0, min(4.0, random.expovariate(1.0)))


def _diurnal(length: float, random: Random) -> Iterator[_Part]:
    phase = random.uniform(0, 2 * math.pi)
    for start in _marks(length, 120.0, random.uniform(-120, 0)):
        yield _Part(start, 120.0, 1 + 0.8 * math.sin(phase + 2 * math.pi * start / 86_400))


def _cron(length: float, random: Random, every: float) -> Iterator[_Part]:
    delay, lasting = random.uniform(0, 3), random.uniform(1, 20)
    for start in _marks(length, every, -every):
        lasts = lasting * random.uniform(0.8, 1.25)
        yield _Part(start + delay + random.uniform(0, 1), lasts, every / lasts * random.uniform(0.8, 1.2))


def _on_off(length: float, random: Random, on: float, off: float) -> Iterator[_Part]:
    for start in _marks(length, on + off, -random.uniform(0, on + off)):
        yield _Part(start, on, (on + off) / on)


def _heavy(length: float, random: Random) -> Iterator[_Part]:
    start = 0.0
    while (start := start + random.expovariate(1 / 45)) < length:
        size, speed = min(random.paretovariate(1.2), 300.0), random.lognormvariate(0, 1)
        yield _Part(start, size / speed, speed)


def _marks(length: float, every: float, first: float) -> Iterator[float]:
    for number in range(math.ceil((length - first) / every)):
        yield first + number * every


_PARTS: Final = {
    Pattern.CONSTANT: _constant,
    Pattern.EVEN: lambda length, random: _minutes(length, random, 0.1),
    Pattern.UNEVEN: lambda length, random: _minutes(length, random, 0.5),
    Pattern.WILD: _wild,
    Pattern.DIURNAL: _diurnal,
    Pattern.CRON_1: lambda length, random: _cron(length, random, 60.0),
    Pattern.CRON_5: lambda length, random: _cron(length, random, 300.0),
    Pattern.CRON_15: lambda length, random: _cron(length, random, 900.0),
    Pattern.ON_10: lambda length, random: _on_off(length, random, 10.0, 50.0),
    Pattern.ON_300: lambda length, random: _on_off(length, random, 300.0, 1200.0),
    Pattern.HEAVY: _heavy,
}
_DRAWN_TOTALS: Final = (Pattern.WILD, Pattern.HEAVY)
"""Their parts do not come to the average by themselves."""


# --- Conversations ---


def conversation(
    kind: Kind, shape: Shape, direction: Direction, frames: Frames, *, pods: Sequence[str], nic: str = _NIC
) -> tuple[Flow, ...]:
    """The data, whose bytes as devices count them the shape gives, and the acknowledgements."""
    data = replace(
        _flow(kind, shape, direction, pods, nic),
        eni_bytes_per_byte=frames.wire_bytes_per_byte,
        bytes_per_packet=float(frames.bytes_per_packet),
        frames_per_packet=float(frames.per_packet),
    )
    if not frames.per_ack:
        return (data,)
    acknowledged = frames.header * frames.per_packet / frames.per_ack / frames.bytes_per_packet
    back = IN if direction is OUT else OUT
    acks = replace(
        _flow(kind, shape, back, pods[::-1], nic),
        bytes_per_packet=float(frames.header),
        share=acknowledged,
    )
    return data, acks


def _flow(kind: Kind, shape: Shape, direction: Direction, pods: Sequence[str], nic: str) -> Flow:
    if kind is Kind.HOST_OFF_NODE:
        return host_off_node(shape, direction, nic=nic)
    if kind is Kind.POD_OFF_NODE:
        return pod_off_node(shape, direction, pod=pods[0], nic=nic)
    if kind is Kind.POD_TO_POD:
        return pod_to_pod(shape, source=pods[0], target=pods[1])
    return pod_to_host(shape, direction, pod=pods[0])


class _Talk(NamedTuple):
    """One conversation of a mix: its kind, which pods talk, and its share of the rate in each direction."""

    kind: Kind
    share: float
    pods: tuple[int, ...] = ()


_H, _P, _L, _N = Kind.HOST_OFF_NODE, Kind.POD_OFF_NODE, Kind.POD_TO_POD, Kind.POD_TO_HOST
_TALKS: Final = {
    Mix.HOST: (_Talk(_H, 0.7), _Talk(_H, 0.3)),
    Mix.PODS: (_Talk(_P, 0.4, (0,)), _Talk(_P, 0.3, (1,)), _Talk(_P, 0.2, (2,)), _Talk(_P, 0.1, (3,))),
    Mix.MIXED: (
        _Talk(_H, 0.4),
        _Talk(_P, 0.35, (0,)),
        _Talk(_P, 0.25, (1,)),
        _Talk(_L, 0.3, (2, 3)),
        _Talk(_N, 0.1, (0,)),
    ),
    Mix.LOCAL: (
        _Talk(_H, 0.3),
        _Talk(_P, 0.7, (0,)),
        _Talk(_L, 3.0, (0, 1)),
        _Talk(_L, 2.0, (2, 3)),
        _Talk(_N, 1.0, (3,)),
    ),
}
_PODS: Final = 6
"""On every node; those that no conversation names are idle."""


# --- A life ---


def instance_id(seed: int) -> str:
    """Of the node whose life is drawn from a seed."""
    return f"i-{seed % 16**17:017x}"


@dataclass(frozen=True)
class NodeLife:
    """One node over some hours. What is drawn comes from the seed alone."""

    seed: int
    simulated: SimulatedNode
    """The truth: bytes moved, carried by ENIs and counted by devices, over any time."""
    begin: datetime
    end: datetime
    ways: Ways
    mishap: Mishap | None = None
    alive: tuple[datetime, datetime] = (_EPOCH, _FOREVER)
    why_unread: MissingEvidence | None = None
    """Why its events cannot be read; None: they can."""

    @classmethod
    def drawn(
        cls,
        seed: int,
        *,
        pattern: Pattern = Pattern.EVEN,
        mix: Mix = Mix.MIXED,
        rate: ByteRate = ByteRate(10e6),
        hours: float = 6.0,
        ways: Ways | None = None,
        mishap: Mishap | None = None,
        frames: Frames | None = None,
        begin: datetime = BEGIN,
    ) -> NodeLife:
        """A node whose ENIs carry about `rate` in each direction. `frames`: of all its conversations."""
        ways = ways or Ways()
        return _Draw(Random(seed), pattern, mix, rate, begin, hours, ways, frames).life(seed, mishap)  # noqa: S311

    @property
    def wrong_since(self) -> datetime | None:
        return None if self.mishap is None else self.begin + self.mishap.after

    @property
    def wrong_until(self) -> datetime:
        """The end of what is wrong, or of the life."""
        if self.mishap is None or self.mishap.lasting is None:
            return self.end
        return self.begin + self.mishap.after + self.mishap.lasting

    @property
    def bytes_per_frame(self) -> float:
        """Of the frames that its ENIs carried, both ways."""
        counted = [
            (
                self.simulated.carried(way, self.begin, self.end),
                self.simulated.frames(way, self.begin, self.end),
            )
            for way in Direction
        ]
        return min((size / frames for size, frames in counted if frames), default=0.0)

    def windows(self, fetched: int = 2) -> Iterator[Window]:
        """Those whose fetch of so many windows lies in the life."""
        window = Window(_ceil(self.begin + fetched * GRID + PERIOD))
        while window.end + PERIOD <= self.end:
            yield window
            window = window.next()

    def readings(self, span: FetchSpan, *, settled: bool = False) -> Readings:
        """Both sides as one fetch finds them; a settled one finds every datapoint complete.

        Raises ValueError for a span that is not in the life.
        """
        periods = self._fetched(span, settled=settled)
        return Readings(
            span=span,
            os_bytes_per_second=self._recording.readings.within(span).os_bytes_per_second,
            network_in_bytes=tuple(_sum(period.in_by_minute) for period in periods),
            network_out_bytes=tuple(_sum(period.out_by_minute) for period in periods),
            network_in_samples=tuple(float(len(period.in_by_minute)) or None for period in periods),
        )

    def network_packets(
        self, span: FetchSpan, *, settled: bool = False
    ) -> tuple[list[float | None], list[float | None]]:
        """NetworkPacketsIn and NetworkPacketsOut, period by period, of the same fetch."""
        periods = self._fetched(span, settled=settled)
        return (
            [_sum(period.packets_in_by_minute) for period in periods],
            [_sum(period.packets_out_by_minute) for period in periods],
        )

    def events(self, start: datetime, end: datetime) -> DeviceEvents:
        """Those stamped in [start, end) that arrived."""
        samples, stamps = self._arrived
        return DeviceEvents(tuple(samples[bisect_left(stamps, start) : bisect_left(stamps, end)]))

    def counted_physically(self, way: Way, start: datetime, end: datetime) -> int:
        """Bytes that crossed physical devices in [start, end)."""
        nics = (device for device in self.simulated.counted_devices if device in _NICS)
        return sum(self.simulated.crossed(device, way, start, end) for device in nics)

    @cached_property
    def _recording(self) -> Recording:
        return self.simulated.play(FetchSpan(self.begin, self.end))

    @cached_property
    def _arrived(self) -> tuple[list[DeviceSample], list[datetime]]:
        random = Random(f"lost {self.seed}")  # noqa: S311
        samples = sorted(self._recording.events.samples, key=lambda sample: sample.at)
        arrived = [sample for sample in samples if random.random() >= self.ways.lost]
        return arrived, [sample.at for sample in arrived]

    @cached_property
    def _periods(self) -> list[EniPeriod]:
        return [_only(period, *self.alive) for period in self._recording.periods]

    def _fetched(self, span: FetchSpan, *, settled: bool) -> list[EniPeriod]:
        if span.start < self.begin or self.end < span.end:
            raise ValueError(
                f"a life from {self.begin} to {self.end} does not hold {span.start} to {span.end}"
            )
        first = (span.start - self.begin) // PERIOD
        periods = self._periods[first : first + span.periods]
        random = Random(f"late {self.seed} {span.end}")  # noqa: S311
        if settled or random.random() >= self.ways.late:
            return periods
        late = random.randint(1, min(2, len(periods)))
        minutes = sorted((random.randint(0, 4) for _ in range(late)), reverse=True)
        cut = [_first(period, many) for period, many in zip(periods[-late:], minutes, strict=True)]
        return periods[:-late] + cut


def _sum(minutes: Sequence[int]) -> float | None:
    return float(sum(minutes)) if minutes else None


def _first(period: EniPeriod, minutes: int) -> EniPeriod:
    return _between(period, 0, minutes)


def _only(period: EniPeriod, since: datetime, until: datetime) -> EniPeriod:
    """The minutes of a period in which the node was there at all."""
    if since <= period.start and period.start + PERIOD <= until:
        return period
    first = max(0, min(5, (since - period.start) // MINUTE))
    last = max(0, min(5, -((period.start - until) // MINUTE)))
    return _between(period, first, last)


def _between(period: EniPeriod, first: int, last: int) -> EniPeriod:
    return EniPeriod(
        period.start,
        period.in_by_minute[first:last],
        period.out_by_minute[first:last],
        period.packets_in_by_minute[first:last],
        period.packets_out_by_minute[first:last],
    )


def _ceil(instant: datetime) -> datetime:
    return _EPOCH - (_EPOCH - instant) // GRID * GRID


@dataclass
class _Draw:
    """A life while it is being drawn."""

    random: Random
    pattern: Pattern
    mix: Mix
    rate: ByteRate
    begin: datetime
    hours: float
    ways: Ways
    frames: Frames | None
    flows: list[Flow] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    devices: list[str] = field(default_factory=lambda: [_NIC])

    def life(self, seed: int, mishap: Mishap | None) -> NodeLife:
        self.end = self.begin + timedelta(hours=self.hours)
        self.pods = [f"eni{self.random.getrandbits(44):011x}" for _ in range(_PODS)]
        self.devices += self.pods
        alive = self._lifetime()
        self._talk()
        self._replace_pods()
        self._conventions()
        self._second_nic()
        if mishap is not None:
            self._break(mishap)
        simulated = SimulatedNode(
            tuple(self._within(flow, alive) for flow in self.flows)
            if self.ways.is_launched
            else tuple(self.flows),
            tuple(self.faults),
            tuple(agent for _ in range(self.ways.agents) for agent in self._processes(*alive)),
            tuple(self.devices),
            # Whose turn it is follows from the instance id.
            Node("prod", instance_id(seed), "ip-10-0-3-7.ec2.internal"),
            self.ways.ec2,
        )
        lifetime = alive if self.ways.is_launched else (_EPOCH, _FOREVER)
        return NodeLife(seed, simulated, self.begin, self.end, self.ways, mishap, lifetime)

    def _lifetime(self) -> tuple[datetime, datetime]:
        if not self.ways.is_launched:
            return self.begin - _BEFORE, self.end + PERIOD
        length = self.end - self.begin
        since = self.begin + self.random.uniform(0.05, 0.4) * length
        return since, self.end - self.random.uniform(0.05, 0.4) * length

    def _within(self, flow: Flow, alive: tuple[datetime, datetime]) -> Flow:
        since, until = alive
        return replace(flow, since=max(flow.since or since, since), until=min(flow.until or until, until))

    # What flows

    def _shape(self, rate: float, pattern: Pattern | None = None) -> Shape:
        begin, end = self.begin - _BEFORE, self.end + 2 * PERIOD
        return (steps(pattern or self.pattern, rate, begin, end, self.random),)

    def _say(
        self, kind: Kind, rate: float, direction: Direction, pods: Sequence[str] = (), nic: str = _NIC
    ) -> None:
        frames = self.frames or Frames.drawn(self.random)
        said = conversation(kind, self._shape(rate), direction, frames, pods=pods, nic=nic)
        if direction is IN and self.ways.merges_after_counting:
            said = (replace(said[0], frames_at=nic), *said[1:])
        self.flows += said

    def _talk(self) -> None:
        received = self.random.uniform(0.6, 1.4)
        if self.ways.received is not None:
            received = 2 * self.ways.received
        for talk in _TALKS[self.mix]:
            pods = [self.pods[number] for number in talk.pods]
            rate = talk.share * self.rate.bytes_per_second
            self._say(talk.kind, rate * received, IN, pods)
            self._say(talk.kind, rate * (2 - received), OUT, pods[::-1])
        chatter = self._shape(2_000.0, Pattern.CONSTANT)
        for direction in Direction:
            self.flows += conversation(_H, chatter, direction, Frames(200, 1, 1), pods=())

    def _replace_pods(self) -> None:
        if self.ways.churn is Churn.NONE:
            return
        for pod in self.pods[:2]:
            at = self.begin - _BEFORE + self.random.random() * self.ways.every
            turns = []
            while at < self.end:
                turns.append((at, at + timedelta(seconds=self.random.uniform(0, 20))))
                at += self.ways.every * self.random.uniform(0.8, 1.2)
            if self.ways.churn is Churn.SAME_NAMES:
                self.faults += [DeviceGone(pod, gone, back) for gone, back in turns]
            else:
                self._rename(pod, turns)

    def _rename(self, pod: str, turns: Sequence[tuple[datetime, datetime]]) -> None:
        """After each turn the pod's device has another name."""
        names = [pod, *(f"eni{self.random.getrandbits(44):011x}" for _ in turns)]
        backs = [_EPOCH, *(back for _, back in turns)]
        gones = [*(gone for gone, _ in turns), _FOREVER]
        self.devices += names[1:]
        for name, back, gone in zip(names, backs, gones, strict=True):
            self.faults += [DeviceGone(name, _EPOCH, back), DeviceGone(name, gone, _FOREVER)]
        talking = [flow for flow in self.flows if any(c.device == pod for c in flow.crosses)]
        self.flows = [flow for flow in self.flows if flow not in talking]
        for flow in talking:
            for name, back, gone in zip(names, [_EPOCH, *(g for g, _ in turns)], gones, strict=True):
                crosses = tuple(replace(c, device=name) if c.device == pod else c for c in flow.crosses)
                self.flows.append(replace(flow, crosses=crosses, since=back, until=gone))

    def _second_nic(self) -> None:
        if self.ways.enis is Enis.NONE:
            return
        length = self.end - self.begin
        since = self.begin + self.random.uniform(0.1, 0.5) * length
        # It may be gone before it was sampled twice, or stay for hours.
        until = since + timedelta(seconds=60 * (0.4 * length / MINUTE) ** self.random.random())
        self.devices.append(_SECOND_NIC)
        self.faults += [DeviceGone(_SECOND_NIC, _EPOCH, since), DeviceGone(_SECOND_NIC, until, _FOREVER)]
        if self.ways.enis is Enis.BUSY:
            for direction in Direction:
                told = len(self.flows)
                self._say(_H, self.rate.bytes_per_second, direction, nic=_SECOND_NIC)
                of_nic = [replace(flow, since=since, until=until) for flow in self.flows[told:]]
                self.flows[told:] = of_nic

    def _conventions(self) -> None:
        """What EC2 may count otherwise by design."""
        if self.ways.mirrored:
            self.flows += [_mirrored(flow, self.ways.mirrored) for flow in self.flows if flow.eni]
        if self.ways.resolver.bytes_per_second:
            small = Frames(470, 1, 0, 42)
            for direction in Direction:
                shape = self._shape(self.ways.resolver.bytes_per_second / 2, Pattern.UNEVEN)
                talk = conversation(_H, shape, direction, small, pods=())
                self.flows += [replace(flow, eni=None) for flow in talk]
        if self.ways.efa.bytes_per_second:
            for direction in Direction:
                [seen] = conversation(
                    _H, self._shape(self.ways.efa.bytes_per_second), direction, Frames(4096, 1, 0), pods=()
                )
                self.flows.append(replace(seen, kind=Kind.UNSEEN, crosses=()))

    # Who samples it

    def _processes(self, since: datetime, until: datetime) -> Iterator[Agent]:
        """One agent: one process after the other."""
        if self.ways.up is None:
            yield self._agent(since + timedelta(seconds=self.random.uniform(0, 60)), until)
            return
        at = since + self.random.random() * self.ways.up
        while at < until:
            dies = at + self.ways.up * self.random.uniform(0.95, 1.05)
            yield self._agent(at, min(dies, until))
            at = dies + self.ways.down * self.random.uniform(0.8, 1.2)

    def _agent(self, since: datetime, until: datetime) -> Agent:
        """It waits for the second half of a minute and then ticks in its interval."""
        begun = timedelta(seconds=since.second, microseconds=since.microsecond)
        asks_at = max(begun, MINUTE / 2) % self.ways.interval
        ticks = (until - since) // self.ways.interval + 2
        first = (since - _EPOCH) // self.ways.interval
        asked = [_EPOCH + (first + number) * self.ways.interval + asks_at for number in range(ticks)]
        ages = self._counter_ages(asked, since)
        turned = first % ticks
        return Agent(
            asks_at,
            (*ages[ticks - turned :], *ages[: ticks - turned]),
            self.ways.interval,
            clock_skew=self.ways.clock_skew,
            since=since,
            until=until,
        )

    def _counter_ages(self, asked: Sequence[datetime], since: datetime) -> list[timedelta]:
        """cAdvisor reads the counters every ten to twenty seconds."""
        read = [0.0]
        seconds = [(instant - since).total_seconds() for instant in asked]
        while read[-1] < seconds[-1]:
            read.append(read[-1] + 10 * (1 + self.random.random()))
        return [timedelta(seconds=max(0.0, at - read[max(0, bisect_right(read, at) - 1)])) for at in seconds]

    # What goes wrong

    def _break(self, mishap: Mishap) -> None:
        since = self.begin + mishap.after
        until = _FOREVER if mishap.lasting is None else since + mishap.lasting
        if mishap.wrong is Wrong.UNITS:
            self.faults.append(UnitError(since, mishap.share, until))
        elif mishap.wrong is Wrong.MOVED:
            self._move(mishap.share, since, until)
        else:
            extras = [
                extra for flow in self.flows for extra in _miscounted(flow, mishap.wrong, mishap.share, since)
            ]
            self.flows += [replace(flow, until=min(flow.until or until, until)) for flow in extras]

    def _move(self, share: float, since: datetime, until: datetime) -> None:
        """That share of what leaves or enters the node goes over an ENI of its own, which is moved."""
        moved: list[Flow] = []
        for flow in self.flows:
            if flow.eni is None or not flow.crosses:
                moved.append(flow)
                continue
            nics = tuple(c if c.device not in _NICS else replace(c, device=_MOVED_NIC) for c in flow.crosses)
            frames_at = flow.frames_at and _MOVED_NIC
            moved.append(replace(flow, share=flow.share * (1 - share)))
            moved.append(replace(flow, share=flow.share * share, crosses=nics, frames_at=frames_at))
            others = tuple(c for c in flow.crosses if c.device not in _NICS)
            moved += [replace(less, until=until) for less in _without(flow, -share, since, others)]
        self.flows = moved
        self.devices.append(_MOVED_NIC)
        self.faults.append(DeviceGone(_MOVED_NIC, since, until))


def _mirrored(flow: Flow, share: float) -> Flow:
    """Copies of its frames, in VXLAN."""
    per_byte = flow.frames_per_packet / (flow.bytes_per_packet or 1.0)
    return replace(
        flow,
        kind=Kind.UNSEEN,
        crosses=(),
        eni=OUT,
        eni_bytes_per_byte=flow.eni_bytes_per_byte + 50 * per_byte,
        share=flow.share * share,
    )


def _miscounted(flow: Flow, wrong: Wrong, share: float, since: datetime) -> list[Flow]:
    """What has to be added to a flow for it to be counted wrongly."""
    nics = tuple(c for c in flow.crosses if c.device in _NICS)
    if not nics:
        return []
    if wrong is Wrong.DEFICIT:
        return _without(flow, -share, since, nics)
    if wrong is Wrong.EXCESS:
        return _without(flow, share, since, nics)
    if wrong is Wrong.RECEIVE_DROPS and nics[0].way is Way.RX:
        dropped = [
            replace(extra, share=-extra.share, crosses=()) for extra in _without(flow, -share, since, nics)
        ]
        return [
            *_without(flow, -share, since, flow.crosses),
            *(replace(extra, dropped_at=nics[0].device) for extra in dropped),
        ]
    if wrong is Wrong.TRANSMIT_DROPS and flow.eni is OUT:
        return [replace(extra, eni=OUT) for extra in _without(flow, -share, since, ())]
    return []


def _without(flow: Flow, share: float, since: datetime, crosses: tuple[Crossing, ...]) -> list[Flow]:
    """That share of a flow once more, or taken away, on some of what it crosses, and on no ENI."""
    return [
        replace(
            flow,
            kind=Kind.MISCOUNTED,
            crosses=crosses,
            eni=None,
            share=flow.share * share,
            since=max(flow.since or since, since),
        )
    ]
