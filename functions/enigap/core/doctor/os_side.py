"""Beliefs about `node_network_total_bytes` of Container Insights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from statistics import median
from typing import Final

from enigap.core.counting.evidence import DeviceEvents, sums_by_minute
from enigap.core.counting.meters import OS_METRIC, Quantity
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import COUNTER_AGE, MINUTE
from enigap.core.doctor.belief import Belief, Outcome, cannot_tell, most, told
from enigap.core.doctor.observed import NodeSeen, NotSeen, Observations, seen_of, why_not
from enigap.core.text import count, percent

LAGS: Final = range(-2, 3)
"""By how many minutes labels are shifted to see which shift fits."""
_CLEARLY: Final = 0.5
_STEADY: Final = 0.02
_RULES: Final = Rules()


def _known(readings: Readings) -> int:
    return sum(rate is not None for rate in readings.os_bytes_per_second)


def has_series(o: Observations) -> Outcome:
    with_events = [each for each in o.nodes if isinstance(each.events, DeviceEvents) and each.events.samples]
    if not with_events:
        return cannot_tell(why_not((each.events for each in o.nodes), "no node of the sample has events"))
    found = sum(each.node.has_series for each in with_events)
    said = f"{found} of {count(len(with_events), 'node')} with events had a series of these dimensions"
    return told(not most([not each.node.has_series for each in with_events]), said, nodes=found)


def reports(o: Observations) -> Outcome:
    shares = []
    for readings in seen_of(each.readings for each in o.nodes):
        rates = readings.os_minutes(readings.span.start, o.now - o.rules.settle)
        since = next((n for n, rate in enumerate(rates) if rate is not None), None)
        if since is not None:
            shares.append(sum(rate is not None for rate in rates) / (len(rates) - since))
    if not shares:
        otherwise = "no node of the sample publishes it: `enigap check` says why"
        return cannot_tell(why_not((each.readings for each in o.nodes), otherwise))
    share = median(shares)
    said = f"{count(len(shares), 'node')} with {percent(share)} of the minutes, in the middle"
    return told(share > 0.5, said, minutes=share)


def one_value(o: Observations) -> Outcome:
    counts = Counter(
        each for minutes in seen_of(each.os_samples for each in o.nodes) for each in minutes if each
    )
    if not counts:
        return cannot_tell(why_not((each.os_samples for each in o.nodes), f"no node publishes {OS_METRIC}"))
    commonest, times = counts.most_common(1)[0]
    share = times / counts.total()
    said = f"{commonest:g} a minute in {percent(share)} of {count(counts.total(), 'minute')}"
    return told(commonest == 1, said, commonest=commonest, share=share)


def _sums(each: NodeSeen) -> tuple[Readings, Mapping[datetime, float]] | None:
    if not isinstance(each.events, DeviceEvents) or not isinstance(each.readings, Readings):
        return None
    return each.readings, sums_by_minute(each.events)


def _pairs(readings: Readings, sums: Mapping[datetime, float], lag: int = 0) -> Iterator[tuple[float, float]]:
    """The devices' sum and the total, of each minute that has both; totals `lag` minutes later."""
    for minute, summed in sums.items():
        [total] = readings.os_minutes(minute + lag * MINUTE, minute + lag * MINUTE)
        if total is not None:
            yield summed, total


def adds_up(o: Observations) -> Outcome:
    found = [pairs for each in o.nodes if (sums := _sums(each)) and (pairs := list(_pairs(*sums)))]
    if not found:
        reasons = (value for each in o.nodes for value in (each.readings, each.events))
        return cannot_tell(why_not(reasons, "no node of the sample has both, events and a total"))
    middle = [sorted(pairs, key=lambda pair: pair[1] - pair[0])[len(pairs) // 2] for pairs in found]
    wrong = [
        abs(summed - total) > max(o.rules.tolerance * total, o.rules.floor.bytes_per_second)
        for summed, total in middle
    ]
    ratio = median(summed / total if total else 1.0 for summed, total in middle)
    said = f"{count(len(found), 'node')}: the devices' sum is {ratio:.3f} of the total, in the middle"
    return told(not most(wrong), said, ratio=ratio)


def labelled(o: Observations) -> Outcome:
    best: list[int] = []
    for sums in filter(None, map(_sums, o.nodes)):
        apart = {lag: list(_pairs(*sums, lag=lag)) for lag in LAGS}
        if min(map(len, apart.values())) < 5:
            continue
        off = {lag: sum(abs(a - b) for a, b in pairs) / len(pairs) for lag, pairs in apart.items()}
        size = median(total for _, total in apart[0])
        least = min(off, key=lambda lag: (off[lag], abs(lag)))
        if max(off.values()) > _STEADY * size:
            best.append(0 if off[least] > _CLEARLY * off[0] else least)
    if not best:
        reasons = (value for each in o.nodes for value in (each.readings, each.events))
        return cannot_tell(why_not(reasons, "the traffic of the sample is too steady to see a shift"))
    commonest = Counter(best).most_common(1)[0][0]
    said = f"{count(len(best), 'node')}: labels and events fit best at a shift of {commonest} min"
    return told(commonest == 0, said, shift_minutes=commonest)


def windows(o: Observations) -> Outcome:
    nodes = [each for each in o.nodes if each.node.is_windows]
    if not nodes:
        return cannot_tell("no node of the sample runs Windows")
    counts = [_known(each) for each in seen_of(each.readings for each in nodes)]
    if not counts:
        return cannot_tell(why_not((each.readings for each in nodes), "they were not read"))
    said = f"{sum(map(bool, counts))} of {count(len(nodes), 'Windows node')} published {OS_METRIC}"
    return told(any(counts), said, nodes=sum(map(bool, counts)))


def answers(o: Observations) -> Outcome:
    if isinstance(o.answers, NotSeen):
        return cannot_tell(o.answers.why)
    found = o.answers
    said = f"{found.in_order} of {found.series} series are, {found.newest_first} of them newest first; "
    said += f"{found.with_numbers} have times as numbers"
    newest_first = found.newest_first / max(1, found.series)
    return told(found.in_order == found.series, said, newest_first=newest_first)


_DIMENSIONS: Final = ", ".join(Quantity.OS.value.dimensions)

BELIEFS: Final = (
    Belief(
        "os-series",
        f"Nodes publish {OS_METRIC} with exactly the dimensions {_DIMENSIONS}.",
        "Every cluster `not_collected`.",
        ("enigap.core.counting.meters.Quantity",),
        has_series,
        "report it, with the version of the add-on: the agent publishes otherwise",
    ),
    Belief(
        "os-reports",
        f"A running agent publishes {OS_METRIC} in most minutes: what is installed is the classic Container "
        "Insights.",
        "Nodes `os_silent`, `partial` or `os_unsteady`.",
        ("enigap.core.judging.steadiness",),
        reports,
        "look at the agents' restarts and at the add-on's version",
    ),
    Belief(
        "os-one-value",
        f"A minute of {OS_METRIC} has one value, in bytes a second.",
        "Two agents, or an interval of 30 s: Averages stay right, bounds get wider.",
        ("enigap.core.counting.meters.Quantity",),
        one_value,
        "look for a second agent, or for a shorter interval",
    ),
    Belief(
        "os-sum",
        f"{OS_METRIC} is the sum over the devices in the events, both directions.",
        "All device evidence is refused: `unverified`.",
        ("enigap.core.judging.judge",),
        adds_up,
        "report it, with `enigap explain` of one node",
    ),
    Belief(
        "os-label",
        f"A value is labelled with the minute in which its sample was taken, with counters up to "
        f"{COUNTER_AGE.total_seconds():.0f} s old.",
        "False findings at the edges of bursts.",
        ("enigap.core.counting.window.COUNTER_AGE",),
        labelled,
        "report it",
    ),
    Belief(
        "metric-answers",
        "GetMetricData answers with the datapoints in order of time.",
        "Reading takes longer in large clusters.",
        ("enigap.aws.metrics.CloudWatchTotals",),
        answers,
        "report it",
    ),
    Belief(
        "os-windows",
        f"Windows nodes publish {OS_METRIC}, too.",
        "They are `os_silent`; their devices are never looked at.",
        ("enigap.core.counting.node.Node",),
        windows,
        "leave them out by `node_tags`",
    ),
)
