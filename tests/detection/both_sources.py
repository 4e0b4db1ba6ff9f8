"""One life as the classic Container Insights and the OpenTelemetry one publish it, judged from both.

What must hold of each life is in `Both.broken`: tests/detection/test_otel.py holds some hundreds of lives to
it, and `make bench ARGS=sources` ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from random import Random
from typing import Final

from enigap.assessment import Looking, Sources, Totals, assess
from enigap.core.counting.comparison import EniHistory
from enigap.core.counting.evidence import Evidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import (
    Measurement,
    OsSource,
    Readings,
    Unreadable,
    complete_periods,
    measure,
)
from enigap.core.counting.traffic import explained_up_to
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window
from enigap.core.judging.cluster import NodeReport
from enigap.core.judging.verdict import Verdict
from tests.detection.judging import DEFAULTS, RULES, Lived
from tests.fakes.detection_runs import HEALTHY, verdicts_of
from tests.fakes.node_life import Mishap, Mix, NodeLife, Pattern, Wrong
from tests.fakes.node_simulator import IN, OUT, DeviceGone, Way
from tests.fakes.otel_ports import otel_ports, series_of_life
from tests.fakes.promql import Stored

HOURS: Final = 1.6
FAULTS: Final = frozenset({Verdict.OS_DEFICIT, Verdict.OS_EXCESS})
COMPARED: Final = frozenset(
    {Verdict.IDLE, Verdict.AGREE, Verdict.POD_EDGE, Verdict.NODE_LOCAL, Verdict.UNVERIFIED}
)
"""Both sides were compared, and no fault was proven."""
_ROUNDING: Final = ByteRate(0.001)
LOOKING: Final = Looking(DEFAULTS.evidence, timedelta(hours=1), DEFAULTS.evidence_max_nodes)


class Difference(StrEnum):
    """How two verdicts on one window differ."""

    NONE = "the same verdict"
    TOO_LITTLE = "one of them has too little of the window"
    OPEN = "neither proves a fault"
    BY_COUNTERS = "only the counters prove the fault that is there"
    BY_EVENTS = "only the classic events prove the fault that is there"
    OPPOSITE = "opposite faults"


@dataclass(frozen=True)
class Side:
    """One source's verdict on the newest window of a life."""

    life: NodeLife
    window: Window
    report: NodeReport | None
    """None where the cluster has a finding in place of nodes."""
    readings: Readings | Unreadable

    @property
    def verdict(self) -> Verdict | None:
        return self.report.newest.verdict if self.report else None

    @cached_property
    def periods(self) -> tuple[datetime, ...]:
        return complete_periods(self.readings, self.window) if isinstance(self.readings, Readings) else ()

    @cached_property
    def measured(self) -> Measurement | None:
        """None without a complete period."""
        if isinstance(self.readings, Unreadable) or not self.periods:
            return None
        return measure(self.readings, self.periods)

    @property
    def width(self) -> float:
        """Of the interval, in bytes per second; zero where nothing is known."""
        return (self.measured.os.high - self.measured.os.low).bytes_per_second if self.measured else 0.0

    @cached_property
    def holds_the_truth(self) -> bool | None:
        """Whether what the devices counted lies in the interval, but for what a pod's device counted last
        before it was removed: no reading has that. None where nothing is known."""
        if self.measured is None or isinstance(self.readings, Unreadable):
            return None
        node, over = self.life.simulated, len(self.periods) * PERIOD
        reading = PERIOD if self.readings.os_source is OsSource.OTEL else 2 * MINUTE
        truth = sum(node.counted_while_there(run.start, run.end) for run in self.measured.runs)
        unread = sum(
            node.crossed(gone.device, way, gone.start - reading, gone.start)
            for gone in node.faults
            if isinstance(gone, DeviceGone)
            for run in self.measured.runs
            if run.start <= gone.start < run.end + reading
            for way in Way
        )
        least, most = ByteRate.from_total(truth - unread, over), ByteRate.from_total(truth, over)
        return self.measured.os.low <= most and least <= self.measured.os.high

    @property
    def devices_hold(self) -> bool:
        """Whether what crossed each device that was there all the time lies within its bounds."""
        evidence = self.report.newest.evidence if self.report else None
        if not isinstance(evidence, Evidence):
            return True
        node, over = self.life.simulated, len(evidence.periods) * PERIOD
        gone = {fault.device for fault in node.faults if isinstance(fault, DeviceGone)}
        return all(
            bounds.low - _ROUNDING
            <= ByteRate.from_total(
                sum(node.crossed(device.device, way, each, each + PERIOD) for each in evidence.periods), over
            )
            <= bounds.high + _ROUNDING
            for device in evidence.devices
            if device.device not in gone
            for way, bounds in ((Way.RX, device.rx), (Way.TX, device.tx))
        )

    def leaves_open(self, verdict: Verdict) -> bool:
        """Whether the interval has rates of which this would be the verdict."""
        if self.measured is None:
            return False
        os, eni, tolerance = self.measured.os, self.measured.eni, RULES.tolerance
        if verdict is Verdict.IDLE:
            return os.low < RULES.floor
        if verdict is Verdict.AGREE:
            return os.low <= (1 + tolerance) * eni and os.high >= (1 - tolerance) * eni
        if verdict is Verdict.POD_EDGE:
            return os.low <= (1 + tolerance) * explained_up_to(eni, RULES.max_counts_per_byte, ZERO)
        return os.high > (1 + tolerance) * explained_up_to(eni, 2, ZERO)


@dataclass(frozen=True)
class Both:
    """One life's newest window, judged from either source."""

    life: NodeLife
    classic: Side
    otel: Side

    @property
    def verdicts(self) -> tuple[Verdict | None, Verdict | None]:
        return self.classic.verdict, self.otel.verdict

    @property
    def difference(self) -> Difference:
        classic, otel = self.verdicts
        if classic is otel:
            return Difference.NONE
        if not FAULTS.union(COMPARED).issuperset(self.verdicts):
            return Difference.TOO_LITTLE
        if FAULTS.issuperset(self.verdicts):
            return Difference.OPPOSITE
        if FAULTS.isdisjoint(self.verdicts):
            return Difference.OPEN
        return Difference.BY_COUNTERS if otel in FAULTS else Difference.BY_EVENTS

    @property
    def relative_width(self) -> float | None:
        """The counters' interval against the classic one; None where they are not of the same periods."""
        if not self.classic.width or self.classic.periods != self.otel.periods:
            return None
        return self.otel.width / self.classic.width

    @property
    def broken(self) -> tuple[str, ...]:
        """What should hold of every life, and does not of this one."""
        return tuple(
            what
            for what, is_broken in {
                "the verdicts are opposite": self.difference is Difference.OPPOSITE,
                "there is no such fault": bool(
                    FAULTS.intersection(self.verdicts) - verdicts_of(self.life.mishap)
                ),
                "neither interval leaves both verdicts open": self.difference is Difference.OPEN
                and not self._is_open,
                "the counters should have proven the fault, too": self.difference is Difference.BY_EVENTS
                and not self._is_too_close,
                "the counters' interval does not hold the truth": self.otel.holds_the_truth is False,
                "the counters' bounds of a device do not hold what crossed it": not self.otel.devices_hold,
            }.items()
            if is_broken
        )

    @property
    def _is_open(self) -> bool:
        # The agent leaves out a device that was made again under its name until it has caught up.
        return self.classic.holds_the_truth is False or any(
            all(side.leaves_open(verdict) for verdict in self.verdicts if verdict)
            for side in (self.classic, self.otel)
        )

    @property
    def _is_too_close(self) -> bool:
        """Whether the counters do not look at the devices, or what the events prove is less than what was
        carried around the edges of the run, where a counter's age leaves more open than an event's time."""
        assert self.classic.report
        assert self.otel.report
        found, newest = self.classic.report.newest.violation, self.otel.report.newest
        if found is None or newest.evidence_missing is not None:
            return True
        way = IN if found.direction == "received" else OUT
        around = sum(
            self.life.simulated.carried(way, edge - 2 * MINUTE, edge + 2 * MINUTE)
            for edge in (found.start, found.end)
        )
        return found.at_least_bytes < around


def drawn(seed: int) -> NodeLife:
    """A life of any kind; four in ten have a fault."""
    random = Random(seed)  # noqa: S311
    kinds = [Wrong.DEFICIT, Wrong.EXCESS, Wrong.MOVED]
    mishap = Mishap(random.choice(kinds), random.uniform(0.1, 0.6)) if random.random() < 0.4 else None
    return NodeLife.drawn(
        seed,
        pattern=random.choice(list(Pattern)),
        mix=random.choice(list(Mix)),
        hours=HOURS,
        ways=HEALTHY[random.choice(list(HEALTHY))](random),
        mishap=mishap,
    )


def judged(seed: int) -> Both:
    """The life of this seed."""
    life = drawn(seed)
    lives = {life.simulated.node.instance_id: life}
    lived, (totals, devices) = Lived(lives), otel_ports(lives, _two_anchors)
    return Both(
        life,
        _side(life, Sources(lived, lived)),
        _side(life, Sources(totals, devices, glance=devices.glance)),
    )


def judged_from_both(seed: int, *, is_of_a_pod: bool = False) -> Side:
    """The same of a cluster that publishes both: the classic total, and devices by their counters, which may
    be those of an agent's own pod."""
    life = drawn(seed)
    lives = {life.simulated.node.instance_id: life}
    lived, (_, devices) = Lived(lives), otel_ports(lives, _of_a_pod if is_of_a_pod else _two_anchors)
    return _side(life, Sources(lived, devices, glance=devices.glance))


def report_from_slow_counters(seed: int, every: timedelta) -> NodeReport | None:
    """The life of this seed, of which agents collect the counters so seldom."""
    life = drawn(seed)
    lives = {life.simulated.node.instance_id: life}
    totals, devices = otel_ports(lives, lambda each: series_of_life(each, every=every))
    node, [*_, window] = life.simulated.node, life.windows()
    sources = Sources(totals, devices, glance=devices.glance)
    nodes = assess(node.cluster, [node], window, RULES, sources, LOOKING).nodes
    return nodes[0] if nodes else None


def _two_anchors(life: NodeLife) -> Iterable[Stored]:
    return series_of_life(life, anchors=("cloudwatch-agent", "aws-node"))


def _of_a_pod(life: NodeLife) -> Iterable[Stored]:
    agent = ("cloudwatch-agent",)
    return series_of_life(life, anchors=agent, on_own_network=agent)


def _side(life: NodeLife, sources: Sources) -> Side:
    node, [*_, window] = life.simulated.node, life.windows()
    kept = _Kept(sources.totals)
    nodes = assess(node.cluster, [node], window, RULES, replace(sources, totals=kept), LOOKING).nodes
    [readings] = kept.readings
    return Side(life, window, nodes[0] if nodes else None, readings)


@dataclass
class _Kept:
    """A port that keeps what it has handed out."""

    port: Totals
    readings: list[Readings | Unreadable] = field(default_factory=list)

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings | Unreadable]]:
        for node, readings in self.port.totals(nodes, span):
            self.readings.append(readings)
            yield node, readings

    def histories(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, EniHistory | Unreadable]]:
        return self.port.histories(nodes, span)
