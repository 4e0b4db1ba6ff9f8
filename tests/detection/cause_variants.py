"""Faults with a known cause, in many honest variants, to hold the named causes to.

    for variant in VARIANTS:
        told = variant.told(seed=7)     # what the first unexplained window names, or None

Each variant is a node that is played out for hours (`tests/fakes/node_life.py`), with traffic of any shape,
mix and rate, and goes wrong after a while. What Container Insights or EC2 says is altered where the fault is
in what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Final

from enigap.core.counting.evidence import DeviceEvents, DeviceSample, MissingEvidence, NoEvidence
from enigap.core.counting.reading import Readings
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import MINUTE, FetchSpan
from enigap.core.judging.verdict import Cause, Judgement
from tests.detection.judging import DEFAULTS, report_on
from tests.fakes.node_life import Mishap, Mix, NodeLife, Pattern, Ways, Wrong, _without
from tests.fakes.node_simulator import (
    IN,
    OUT,
    AgentDown,
    Direction,
    Flow,
    UnitError,
    counter_reset,
)

AFTER: Final = timedelta(hours=1.4)
"""Into a life, when it goes wrong."""
HOURS: Final = 3.5


@dataclass(frozen=True)
class Altered(NodeLife):
    """A life of which something else is told than what was counted."""

    says: Callable[[DeviceEvents], DeviceEvents] = lambda events: events
    totals: Callable[[Readings], Readings] = lambda readings: readings
    has_packets: bool = True

    def readings(self, span: FetchSpan, *, settled: bool = False) -> Readings:
        return self.totals(super().readings(span, settled=settled))

    def network_packets(
        self, span: FetchSpan, *, settled: bool = False
    ) -> tuple[list[float | None], list[float | None]]:
        received, sent = super().network_packets(span, settled=settled)
        if self.has_packets:
            return received, sent
        return [None] * len(received), [None] * len(sent)

    def events(self, start: datetime, end: datetime) -> DeviceEvents:
        return self.says(super().events(start, end))


@dataclass(frozen=True, slots=True)
class Told:
    """What a variant came to."""

    judgement: Judgement | None
    """Of the window that opens an incident, or the newest that has a cause; None without."""

    @property
    def causes(self) -> frozenset[str]:
        if self.judgement is None:
            return frozenset()
        return frozenset({self.judgement.cause, self.judgement.alternative_cause} - {None})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which one cause shows."""

    name: str
    truth: Cause | None
    """None: nothing is wrong, or what is has no name."""
    make: Callable[[Random], NodeLife] = field(repr=False)

    def told(self, seed: int) -> Told:
        random = Random(f"{self.name} {seed}")  # noqa: S311
        life = self.make(random)
        since = life.begin + AFTER
        found = None
        for window in life.windows():
            if window.end <= since + 5 * MINUTE:
                continue
            report = report_on(life, window, others=[_neighbour()])
            if report is None:
                continue
            if report.is_confirmed(DEFAULTS.confirm_windows):
                return Told(report.newest)
            found = report.newest if report.newest.cause else found
        return Told(found)

    def is_right(self, told: Told) -> bool:
        return (self.truth in told.causes) if self.truth else not told.causes

    def is_wrong_alone(self, told: Told) -> bool:
        """Whether one cause is named, and it is another."""
        return len(told.causes) == 1 and not self.is_right(told)


@cache
def _neighbour() -> NodeLife:
    """Another node of the cluster, with nothing wrong: it is no cluster that collects nothing."""
    life = NodeLife.drawn(1, hours=HOURS)
    node = replace(life.simulated.node, instance_id="i-0neighbour")
    return replace(life, simulated=replace(life.simulated, node=node))


# --- nodes


def _drawn(  # noqa: PLR0917
    random: Random,
    mishap: Mishap | None = None,
    ways: Ways | None = None,
    rate: float | None = None,
    pattern: Pattern | None = None,
    mix: Mix | None = None,
) -> Altered:
    life = NodeLife.drawn(
        random.randrange(10**9),
        pattern=pattern or random.choice(list(Pattern)),
        mix=mix or random.choice(list(Mix)),
        rate=ByteRate(rate or 10 ** random.uniform(6, 8)),
        hours=HOURS,
        ways=ways or Ways.unknown(random),
        mishap=mishap,
    )
    members = {name: getattr(life, name) for name in NodeLife.__dataclass_fields__}
    return Altered(**members, has_packets=random.random() < 0.75)


def _since(life: NodeLife) -> datetime:
    return life.begin + AFTER


def _with(life: Altered, **parts: object) -> Altered:
    return replace(life, simulated=replace(life.simulated, **parts))  # type: ignore[arg-type]


def _fault(life: Altered, *faults: object) -> Altered:
    return _with(life, faults=(*life.simulated.faults, *faults))


def _totals(life: Altered, rate: Callable[[float | None], float | None]) -> Altered:
    """With other totals of the OS from the fault on."""
    since = _since(life)

    def alter(readings: Readings) -> Readings:
        rates = [
            rate(value) if readings.span.start + number * MINUTE >= since else value
            for number, value in enumerate(readings.os_bytes_per_second)
        ]
        return replace(readings, os_bytes_per_second=tuple(rates))

    return replace(life, totals=alter)


def _samples(
    life: Altered, other: Callable[[DeviceSample], Iterable[DeviceSample]], foreign: int = 0
) -> Altered:
    """With other events from the fault on."""
    since = _since(life)

    def alter(events: DeviceEvents) -> DeviceEvents:
        samples = [
            s for sample in events.samples for s in (other(sample) if sample.at >= since else [sample])
        ]
        many = foreign if len(samples) < len(events.samples) else 0
        return replace(events, samples=tuple(samples), foreign=many)

    return replace(life, says=alter)


# --- the agent is down


def _evicted(random: Random) -> NodeLife:
    life = _drawn(random)
    return _fault(life, AgentDown(_since(life), life.end))


def _crash_loop(up: float, down: float) -> Callable[[Random], NodeLife]:
    def make(random: Random) -> NodeLife:
        ways = replace(Ways.unknown(random), up=timedelta(seconds=up), down=timedelta(seconds=down))
        return _drawn(random, ways=ways)

    return make


def _denied(random: Random) -> NodeLife:
    life = _evicted(random)
    assert isinstance(life, Altered)
    return replace(life, why_unread=MissingEvidence(NoEvidence.DENIED, "reading its log group is denied"))


def _foreign_left_over(random: Random) -> NodeLife:
    life = _evicted(random)
    assert isinstance(life, Altered)
    since = _since(life)
    return replace(
        life,
        says=lambda events: replace(
            events, samples=tuple(s for s in events.samples if s.at < since), foreign=3
        ),
    )


# --- it writes, and its total does not arrive


def _metric_path(random: Random) -> NodeLife:
    return _totals(_drawn(random), lambda _: None)


def _writes_as_another(share: float) -> Callable[[Random], NodeLife]:
    def make(random: Random) -> NodeLife:
        life = _totals(_drawn(random), lambda _: None)
        return _samples(life, lambda _: (), foreign=round(share * random.uniform(60, 600)))

    return make


# --- counters


def _reset(first: str) -> Callable[[Random], NodeLife]:
    """A counter that starts anew, of the ENI or of a pod; the first of the devices decides the total."""

    def make(random: Random) -> NodeLife:
        life = _drawn(random, mix=random.choice([Mix.PODS, Mix.MIXED, Mix.HOST]), pattern=Pattern.EVEN)
        devices = life.simulated.devices
        pods = tuple(name for name in devices if name != "eth0")
        order = ("eth0", *pods) if first == "eth0" else (*pods, "eth0")
        device = order[0] if first != "last" else "eth0"
        return _fault(_with(life, devices=order), counter_reset(device, _since(life)))

    return make


def _wraps_at_64(random: Random) -> NodeLife:
    life = _drawn(random)
    agents = tuple(replace(agent, wraps=True) for agent in life.simulated.agents)
    resets = [
        counter_reset(random.choice(life.simulated.devices[1:]), _since(life) + n * 15 * MINUTE)
        for n in range(4)
    ]
    return _fault(_with(life, agents=agents), *resets)


def _wraps_at_32(random: Random) -> NodeLife:
    """Each minute the received counter of the ENI loses 2^32 bytes."""
    lost = 2.0**32 / 60
    rate = random.uniform(1.25, 3) * lost
    life = _drawn(random, rate=rate, pattern=random.choice([Pattern.CONSTANT, Pattern.EVEN]))

    def less(value: float | None) -> float | None:
        return value if value is None or value < lost else value - lost

    def other(sample: DeviceSample) -> Iterable[DeviceSample]:
        if sample.device != "eth0":
            yield sample
        else:
            yield replace(
                sample,
                rx_bytes_per_second=less(sample.rx_bytes_per_second),
                tx_bytes_per_second=less(sample.tx_bytes_per_second),
            )

    wrapped = _samples(life, other)
    return replace(wrapped, totals=_sums(wrapped))


def _sums(life: Altered) -> Callable[[Readings], Readings]:
    """The total as the sum over what the events say."""

    def alter(readings: Readings) -> Readings:
        by_minute: dict[datetime, float] = {}
        for sample in life.events(readings.span.start, readings.span.end).samples:
            minute = sample.at.replace(second=0, microsecond=0)
            if sample.rx_bytes_per_second is not None and sample.tx_bytes_per_second is not None:
                rate = sample.rx_bytes_per_second + sample.tx_bytes_per_second
                by_minute[minute] = by_minute.get(minute, 0.0) + rate
        since = _since(life)
        rates = [
            value
            if value is None or (at := readings.span.start + n * MINUTE) < since
            else by_minute.get(at, value)
            for n, value in enumerate(readings.os_bytes_per_second)
        ]
        return replace(readings, os_bytes_per_second=tuple(rates))

    return alter


# --- a device out of sight


def _moved(low: float, high: float) -> Callable[[Random], NodeLife]:
    return lambda random: _drawn(random, Mishap(Wrong.MOVED, random.uniform(low, high), AFTER))


def _moved_one_way(direction: Direction) -> Callable[[Random], NodeLife]:
    """What is sent, or what is received, goes over a device that no one sees, with its acknowledgements."""

    def make(random: Random) -> NodeLife:
        life = _drawn(random)
        share, seen, flows = random.uniform(0.3, 0.9), dict[int, Flow](), list[Flow]()
        for flow in life.simulated.flows:
            data = seen.setdefault(id(flow.shape), flow)
            flows.append(flow)
            if data.eni is direction and flow.eni is not None:
                nics = tuple(c for c in flow.crosses if c.device == "eth0")
                flows += _without(flow, -share, _since(life), nics)
        return _with(life, flows=tuple(flows))

    return make


def _own_namespace(rates: Mapping[str, float]) -> Callable[[Random], NodeLife]:
    def make(random: Random) -> NodeLife:
        life = _drawn(random, rate=10 ** random.uniform(6.3, 8))
        shares = {device: random.uniform(0.2, 0.8) for device in rates}

        def other(sample: DeviceSample) -> Iterable[DeviceSample]:
            if sample.device != "eth0":
                return
            for device, rate in rates.items():
                rx = shares[device] * rate * random.uniform(0.9, 1.1)
                tx = (1 - shares[device]) * rate * random.uniform(0.9, 1.1)
                yield DeviceSample(sample.at, device, rx, tx, rx / 300, tx / 300, 0.0)

        alone = _samples(life, other)
        return replace(alone, totals=_sums(alone))

    return make


def _blind(events: str) -> Callable[[Random], NodeLife]:
    def make(random: Random) -> NodeLife:
        life = _totals(_drawn(random), lambda value: None if value is None else 0.0)

        def other(sample: DeviceSample) -> Iterable[DeviceSample]:
            if events == "none" or sample.device != "eth0":
                return
            yield DeviceSample(sample.at, "", 0.0, 0.0, 0.0, 0.0, 0.0)

        return _samples(life, other)

    return make


# --- drops


def _drops(
    wrong: Wrong, low: float, high: float, received: float | None = None
) -> Callable[[Random], NodeLife]:
    def make(random: Random) -> NodeLife:
        ways = replace(Ways.unknown(random), received=received)
        return _drawn(random, Mishap(wrong, random.uniform(low, high), AFTER), ways)

    return make


def _drops_both_ways(random: Random) -> NodeLife:
    life = _drawn(random, Mishap(Wrong.RECEIVE_DROPS, 0.25, AFTER), rate=10 ** random.uniform(6.5, 8))
    sent = [
        replace(extra, eni=OUT)
        for flow in life.simulated.flows
        if flow.eni is OUT
        for extra in _without(flow, -0.25, _since(life), ())
    ]
    return _with(life, flows=(*life.simulated.flows, *sent))


def _unreported_drops(random: Random) -> NodeLife:
    """An XDP program's: the device counts none."""
    life = _drops(Wrong.RECEIVE_DROPS, 0.2, 0.6)(random)
    assert isinstance(life, Altered)
    return _samples(life, lambda sample: [replace(sample, dropped_per_second=0.0)])


# --- units, and EC2's own figure


def _units(*factors: float, packets: bool = False) -> Callable[[Random], NodeLife]:
    def make(random: Random) -> NodeLife:
        factor = random.choice(factors)
        life = _drawn(random)
        life = _fault(life, UnitError(_since(life), factor))
        if not packets:
            return life

        def other(sample: DeviceSample) -> Iterable[DeviceSample]:
            rx, tx = sample.rx_packets_per_second, sample.tx_packets_per_second
            yield replace(
                sample,
                rx_packets_per_second=rx and rx * factor,
                tx_packets_per_second=tx and tx * factor,
            )

        return _samples(life, other)

    return make


def _ec2_times(direction: Direction, factor: float) -> Callable[[Random], NodeLife]:
    def make(random: Random) -> NodeLife:
        life = _drawn(random)
        since = _since(life)

        def alter(readings: Readings) -> Readings:
            is_in = direction is IN
            values = tuple(
                value and value * (factor if readings.span.start + n * 5 * MINUTE >= since else 1.0)
                for n, value in enumerate(readings.network_in_bytes if is_in else readings.network_out_bytes)
            )
            if is_in:
                return replace(readings, network_in_bytes=values)
            return replace(readings, network_out_bytes=values)

        return replace(life, totals=alter)

    return make


def _bandwidth_known_too_low(random: Random) -> NodeLife:
    life = _drawn(random)
    most = life.simulated.carried(IN, life.begin, life.end) + life.simulated.carried(
        OUT, life.begin, life.end
    )
    mean = most / (life.end - life.begin).total_seconds()
    node = replace(life.simulated.node, bandwidth=ByteRate(mean * random.uniform(0.05, 0.3)))
    return _with(life, node=node)


def _mirrored(random: Random) -> NodeLife:
    return _drawn(random, ways=replace(Ways.unknown(random), mirrored=random.uniform(0.3, 1.0)))


def _resolver(random: Random) -> NodeLife:
    ways = replace(Ways.unknown(random), resolver=ByteRate(random.uniform(50e3, 300e3)))
    return _drawn(random, ways=ways)


def _healthy(random: Random) -> NodeLife:
    return _drawn(random)


def _longer_interval(random: Random) -> NodeLife:
    interval = random.choice([2, 3, 4, 5]) * MINUTE
    return _drawn(random, ways=replace(Ways.unknown(random), interval=interval))


VARIANTS: Final = (
    Variant("agent evicted", Cause.AGENT_DOWN, _evicted),
    Variant("crash loop, up 40 s", Cause.AGENT_DOWN, _crash_loop(40, 20)),
    Variant("crash loop, up 300 s, down 60 s", Cause.AGENT_DOWN, _crash_loop(300, 60)),
    Variant("crash loop, up 240 s, down 20 s", Cause.AGENT_DOWN, _crash_loop(240, 20)),
    Variant("crash loop, up 200 s, down 100 s", Cause.AGENT_DOWN, _crash_loop(200, 100)),
    Variant("crash loop, up 120 s, down 10 s", Cause.AGENT_DOWN, _crash_loop(120, 10)),
    Variant("crash loop, up 600 s, down 60 s", Cause.AGENT_DOWN, _crash_loop(600, 60)),
    Variant("agent down, log group denied", Cause.AGENT_DOWN, _denied),
    Variant("agent down, old events of another", Cause.AGENT_DOWN, _foreign_left_over),
    Variant("metrics lost, events arrive", Cause.METRIC_PATH, _metric_path),
    Variant("events of another instance", Cause.REUSED_NAME, _writes_as_another(1.0)),
    Variant("stale id, few devices", Cause.REUSED_NAME, _writes_as_another(0.4)),
    Variant("eth0 reset, no total", Cause.COUNTER_RESET, _reset("eth0")),
    Variant("eth0 reset, total lacks eth0", Cause.COUNTER_RESET, _reset("last")),
    Variant("first device of a pod reset", Cause.COUNTER_RESET, _reset("pod")),
    Variant("wrap at 64 bits", Cause.WRAPPED_COUNTER, _wraps_at_64),
    Variant("wrap at 32 bits", Cause.WRAPPED_COUNTER, _wraps_at_32),
    Variant("30 % moved", Cause.MOVED_DEVICE, _moved(0.3, 0.3)),
    Variant("uploads moved", Cause.MOVED_DEVICE, _moved_one_way(OUT)),
    Variant("downloads moved", Cause.MOVED_DEVICE, _moved_one_way(IN)),
    Variant("80 % moved", Cause.MOVED_DEVICE, _moved(0.8, 0.8)),
    Variant("87.5 % moved", Cause.MOVED_DEVICE, _moved(0.875, 0.875)),
    Variant("70 to 99 % moved", Cause.MOVED_DEVICE, _moved(0.7, 0.99)),
    Variant("all moved", Cause.MOVED_DEVICE, _moved(1.0, 1.0)),
    Variant("own eth0, 5 kB/s", Cause.WRONG_NAMESPACE, _own_namespace({"eth0": 5e3})),
    Variant("own eth0, 150 kB/s", Cause.WRONG_NAMESPACE, _own_namespace({"eth0": 150e3})),
    Variant("own eth0 and net1", Cause.WRONG_NAMESPACE, _own_namespace({"eth0": 20e3, "net1": 9e3})),
    Variant("total zero, nameless events", Cause.BLIND_AGENT, _blind("nameless")),
    Variant("total zero, no events", Cause.BLIND_AGENT, _blind("none")),
    Variant("30 % dropped on receive", Cause.RECEIVE_DROPS, _drops(Wrong.RECEIVE_DROPS, 0.3, 0.3)),
    Variant("90 % dropped on receive", Cause.RECEIVE_DROPS, _drops(Wrong.RECEIVE_DROPS, 0.9, 0.9)),
    Variant("dropped, node receives", Cause.RECEIVE_DROPS, _drops(Wrong.RECEIVE_DROPS, 0.2, 0.7, 0.95)),
    Variant("dropped by XDP", Cause.RECEIVE_DROPS, _unreported_drops),
    Variant("30 % dropped on transmit", Cause.TRANSMIT_DROPS, _drops(Wrong.TRANSMIT_DROPS, 0.3, 0.3)),
    Variant("dropped, node sends", Cause.TRANSMIT_DROPS, _drops(Wrong.TRANSMIT_DROPS, 0.2, 0.6, 0.05)),
    Variant("drops both ways", Cause.RECEIVE_DROPS, _drops_both_ways),
    Variant("a fifth", Cause.UNIT_ERROR, _units(1 / 5)),
    Variant("an eighth", Cause.UNIT_ERROR, _units(1 / 8)),
    Variant("a fifth or an eighth, of packets too", Cause.UNIT_ERROR, _units(1 / 5, 1 / 8, packets=True)),
    Variant("bytes a minute, or in five", Cause.UNIT_ERROR, _units(60, 300)),
    Variant("bits", Cause.UNIT_ERROR, _units(8)),
    Variant("100 times NetworkIn", Cause.EC2_SIDE, _ec2_times(IN, 100)),
    Variant("3 times NetworkIn", Cause.EC2_SIDE, _ec2_times(IN, 3)),
    Variant("bandwidth known too low", None, _bandwidth_known_too_low),
    Variant("mirrored traffic counted", Cause.MIRRORED_TRAFFIC, _mirrored),
    Variant("resolver left out", None, _resolver),
    Variant("an interval of minutes", None, _longer_interval),
    Variant("nothing wrong", None, _healthy),
)
