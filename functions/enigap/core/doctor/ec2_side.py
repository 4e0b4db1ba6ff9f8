"""Beliefs about EC2's metrics, each judged on the nodes of the sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Final

from enigap.core.counting.accumulated import LARGEST_FRAME_BYTES
from enigap.core.counting.evidence import Evidence, weigh
from enigap.core.counting.meters import COMPLETE_SAMPLE_COUNT
from enigap.core.counting.reading import Readings, complete_periods, measure
from enigap.core.counting.rules import Rules
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ByteRate, RateSpan
from enigap.core.counting.window import GRID, MINUTE, PERIOD
from enigap.core.doctor.belief import Belief, Outcome, cannot_tell, most, told
from enigap.core.doctor.observed import NodeSeen, NotSeen, Observations, seen_of, why_not
from enigap.core.text import count, percent

NOT_YET_WHOLE: Final = 0.1
"""The share of periods that may be incomplete after settling before it is no single node's fault."""
_RULES: Final = Rules()


@dataclass(frozen=True, slots=True)
class Both:
    """One node's window: what EC2 says, and what its physical devices counted."""

    seen: NodeSeen
    eni: ByteRate
    physical: RateSpan

    def contradicts(self, rules: Rules) -> bool:
        """Whether the devices counted less or more, beyond doubt and tolerance."""
        allowed = max(rules.tolerance * self.eni.bytes_per_second, rules.floor.bytes_per_second)
        low, high = self.physical.low.bytes_per_second, self.physical.high.bytes_per_second
        return not low - allowed <= self.eni.bytes_per_second <= high + allowed

    @property
    def off(self) -> float:
        """The devices' likeliest figure over EC2's, less one."""
        return self.physical.middle.bytes_per_second / self.eni.bytes_per_second - 1


def both_of(o: Observations, each: NodeSeen) -> Both | None:
    """Both sides of a node in the newest settled window, if both are known."""
    if isinstance(each.readings, NotSeen) or isinstance(each.events, NotSeen):
        return None
    periods = complete_periods(each.readings, o.window)
    evidence = weigh(each.events, periods, o.rules.classifier) if periods else None
    if not isinstance(evidence, Evidence):
        return None
    eni = measure(each.readings, evidence.periods).eni
    return Both(each, eni, evidence.physical_rx + evidence.physical_tx)


def _ages(o: Observations) -> Iterator[tuple[timedelta, float | None]]:
    """Of every period after a node's first: how long ago it ended, and its SampleCount."""
    for each in o.nodes:
        if isinstance(each.readings, NotSeen):
            continue
        counts = each.readings.network_in_samples
        first = next((n for n, value in enumerate(counts) if value is not None), len(counts))
        for number, value in enumerate(counts):
            if number > first:
                yield o.now - each.readings.span.start - (number + 1) * PERIOD, value


def _nothing_read(o: Observations) -> Outcome:
    return cannot_tell(why_not((each.readings for each in o.nodes), "EC2 has no datapoint of the nodes"))


def samples(o: Observations) -> Outcome:
    counts = Counter(each for age, each in _ages(o) if age >= o.rules.settle and each is not None)
    if not counts:
        return _nothing_read(o)
    commonest, times = counts.most_common(1)[0]
    share = times / counts.total()
    said = f"{commonest:g} samples in {percent(share)} of {count(counts.total(), 'settled period')}"
    return told(commonest == COMPLETE_SAMPLE_COUNT, said, commonest=commonest, share=share)


def settles(o: Observations) -> Outcome:
    near = [each for age, each in _ages(o) if o.rules.settle <= age < o.rules.settle + GRID]
    if not any(each is not None for each in near):
        return _nothing_read(o)
    whole = sum(each is not None and each >= COMPLETE_SAMPLE_COUNT for each in near) / len(near)
    young = [age for age, each in _ages(o) if each is not None and each >= COMPLETE_SAMPLE_COUNT]
    youngest = min(young, default=timedelta()) / MINUTE
    settle = o.rules.settle // MINUTE
    said = (
        f"{percent(whole)} of {count(len(near), 'period')} that ended {settle} to "
        f"{settle + GRID // MINUTE} min ago are whole; the youngest whole one ended {youngest:.0f} min ago"
    )
    return told(whole >= 1 - NOT_YET_WHOLE, said, whole=whole, youngest_minutes=youngest)


def _compared(o: Observations, wanted: Callable[[Both], bool], none: str) -> list[Both] | Outcome:
    both = [found for each in o.nodes if (found := both_of(o, each)) and wanted(found)]
    if both:
        return both
    return cannot_tell(why_not((x for each in o.nodes for x in (each.readings, each.events)), none))


def _busy(o: Observations) -> Callable[[Both], bool]:
    return lambda both: both.eni > o.rules.floor


def _are_equal(o: Observations, both: list[Both]) -> Outcome:
    off = median(each.off for each in both)
    wrong = [each.contradicts(o.rules) for each in both]
    said = (
        f"{wrong.count(False)} of {count(len(both), 'busy node')} agreed; in the middle the devices counted "
        f"{percent(1 + off)} of EC2's bytes"
    )
    return told(not most(wrong), said, nodes=len(both), agree=wrong.count(False), off=off)


def bytes_agree(o: Observations) -> Outcome:
    both = _compared(o, _busy(o), "no node of the sample has traffic above the floor and all its events")
    return both if isinstance(both, Outcome) else _are_equal(o, both)


def every_eni(o: Observations) -> Outcome:
    def several(both: Both) -> bool:
        return _busy(o)(both) and isinstance(both.seen.enis, int) and both.seen.enis > 1

    both = _compared(o, several, "no busy node of the sample has more than one ENI")
    return both if isinstance(both, Outcome) else _are_equal(o, both)


def link_local(o: Observations) -> Outcome:
    both = _compared(o, lambda each: not _busy(o)(each), "no node of the sample is idle")
    if isinstance(both, Outcome):
        return both
    apart = median(abs((each.physical.middle - each.eni).bytes_per_second) for each in both)
    said = f"{count(len(both), 'idle node')}: both sides are {ByteRate(apart)} apart, in the middle"
    return told(not most([each.contradicts(o.rules) for each in both]), said, apart_bytes_per_second=apart)


def mirrored(o: Observations) -> Outcome:
    def has(both: Both) -> bool:
        return bool(both.seen.bypass) and not isinstance(both.seen.bypass, NotSeen) and _busy(o)(both)

    both = _compared(o, has, "no busy node of the sample has mirrored traffic or EFA")
    if isinstance(both, Outcome):
        return both
    # EC2 may count more than the devices by design, never less.
    less = [
        each.physical.low.bytes_per_second
        > (1 + o.rules.tolerance) * each.eni.bytes_per_second + o.rules.floor.bytes_per_second
        for each in both
    ]
    off = median(-each.off for each in both)
    said = f"{count(len(both), 'node')} with one: EC2 counted {percent(off)} more, in the middle"
    return told(not most(less), said, nodes=len(both), more=off)


def within_bandwidth(o: Observations) -> Outcome:
    shares = [
        _peak(each.readings).bytes_per_second / each.node.bandwidth.bytes_per_second
        for each in o.nodes
        if isinstance(each.readings, Readings) and each.node.bandwidth
    ]
    if not shares:
        return cannot_tell(
            why_not((each.readings for each in o.nodes), "the bandwidth of no node's type is known")
        )
    said = f"{count(len(shares), 'node')}: at most {percent(max(shares))} of one direction's bandwidth"
    return told(max(shares) <= 2, said, largest_share=max(shares))


def _peak(readings: Readings) -> ByteRate:
    pairs = zip(readings.network_in_bytes, readings.network_out_bytes, strict=True)
    return ByteRate.from_total(max(((a or 0.0) + (b or 0.0) for a, b in pairs), default=0.0), PERIOD)


def kept(o: Observations) -> Outcome:
    if isinstance(o.kept, NotSeen):
        return cannot_tell(o.kept.why)
    if not o.kept.periods:
        return cannot_tell("no node of the sample reported two weeks ago")
    said = f"of one hour two weeks ago: {count(o.kept.minutes, 'minute')}, {count(o.kept.periods, 'period')}"
    return told(o.kept.minutes > 0, said, minutes=o.kept.minutes)


def frames(o: Observations) -> Outcome:
    sizes = [
        sum(x or 0.0 for x in side.bytes) / packets
        for eni in seen_of(each.eni for each in o.nodes)
        for side in map(eni.of, Direction)
        if (packets := sum(x or 0.0 for x in side.packets)) > 1000
    ]
    if not sizes:
        return cannot_tell(why_not((each.eni for each in o.nodes), "EC2 has no packets of the nodes"))
    said = f"{median(sizes):.0f} B in each of EC2's packets in the middle, {max(sizes):.0f} B at most"
    return told(not most([size > LARGEST_FRAME_BYTES for size in sizes]), said, bytes=median(sizes))


def described(o: Observations) -> Outcome:
    if not o.nodes:
        return cannot_tell("no node was found")
    told_of = [each.node for each in o.nodes if each.node.instance_type and each.node.launched_at]
    said = f"type and launch time of {len(told_of)} of {count(len(o.nodes), 'node')}"
    return told(len(told_of) == len(o.nodes), said, share=len(told_of) / len(o.nodes))


BELIEFS: Final = (
    Belief(
        "eni-samples",
        f"A whole five-minute datapoint of NetworkIn has SampleCount {COMPLETE_SAMPLE_COUNT}, with basic and "
        "with detailed monitoring.",
        "No period would count as complete: every node `partial` or `eni_silent`.",
        ("enigap.core.counting.meters.COMPLETE_SAMPLE_COUNT",),
        samples,
        "report it: no node can be judged",
    ),
    Belief(
        "eni-settles",
        f"EC2's datapoints are whole {_RULES.settle // MINUTE} minutes after their period has ended.",
        "Windows would be judged `partial`.",
        ("enigap.core.counting.rules.Rules.settle",),
        settles,
        "raise `settle_minutes`",
    ),
    Belief(
        "eni-bytes",
        "NetworkIn and NetworkOut are the bytes of the physical devices, up to the tolerance "
        f"({percent(_RULES.tolerance)}).",
        "False `os_deficit` or `os_excess`.",
        ("enigap.core.counting.rules.Rules.tolerance",),
        bytes_agree,
        "see `enigap check`, for it may be a fault; --deep says what tolerance the figures would allow",
    ),
    Belief(
        "eni-all",
        "NetworkIn and NetworkOut cover all ENIs of the instance.",
        "False `os_excess` on nodes with several ENIs.",
        ("enigap.core.counting.traffic",),
        every_eni,
        "report it: nodes with several ENIs are misjudged",
    ),
    Belief(
        "eni-link-local",
        "DNS, instance metadata and time of the link-local addresses are little, or are counted by both "
        f"sides (floor {_RULES.floor}).",
        "False findings on idle nodes with much DNS.",
        (
            "enigap.core.counting.rules.Rules.floor",
            "enigap.core.counting.accumulated.RESOLVER_PACKETS_PER_SECOND",
        ),
        link_local,
        "raise `floor_bytes_per_second`",
    ),
    Belief(
        "eni-bypass",
        "Mirrored traffic and EFA make EC2 count more than the devices, or the same, and never less.",
        "False `os_excess` where they are used.",
        ("enigap.core.counting.bypass.MIRROR_HEADER_BYTES",),
        mirrored,
        "report it, with what the nodes use",
    ),
    Belief(
        "eni-bandwidth",
        "What EC2 counts in a period fits through the network bandwidth that DescribeInstanceTypes has.",
        "False `implausible`.",
        ("enigap.aws.discovery",),
        within_bandwidth,
        "report it, with the instance type",
    ),
    Belief(
        "minutes-kept",
        "Datapoints by the minute can be read for two weeks.",
        "`backtest` and `--at` find nothing.",
        ("enigap.cli.arguments.MINUTES_KEPT",),
        kept,
        "ask `backtest` for fewer days",
    ),
    Belief(
        "eni-packets",
        f"NetworkPacketsIn and NetworkPacketsOut count frames, of {LARGEST_FRAME_BYTES:,.0f} B at most.",
        "The comparison over hours falls back to wider margins: faults are found later.",
        ("enigap.core.counting.accumulated.LARGEST_FRAME_BYTES",),
        frames,
        "nothing: packets are then left out; report it",
    ),
    Belief(
        "instances-read",
        "DescribeInstances has a type and a launch time for each instance, where they are looked for.",
        "Nodes that have just started would be told as silent.",
        ("enigap.aws.clients",),
        described,
        "report it: the answer of EC2 is not read as it is written",
    ),
)
