"""Beliefs about OpenTelemetry's counters and about how CloudWatch answers PromQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, pairwise
from statistics import median
from typing import Final

from enigap.core.counting.meters import OS_METRIC
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import GRID, PERIOD, Window, floor_to
from enigap.core.doctor.belief import Belief, Outcome, cannot_tell, most, told
from enigap.core.doctor.ec2_side import bytes_agree
from enigap.core.doctor.migration import EDGE_SECONDS, stretches
from enigap.core.doctor.observed import (
    Matched,
    NodeSeen,
    NotSeen,
    Observations,
    OtelNode,
    OtelSeen,
    seen_of,
    why_not,
)
from enigap.core.text import count, percent

USUAL_SECONDS: Final = 30.0
"""Between two readings of a counter."""
MOST_SECONDS: Final = 35.0
"""With the 20 s by which cAdvisor may be late, a reading is then no older than the 55 s that it may be."""
_ENOUGH: Final = 3
"""Readings of a counter that show how far they are apart."""

_Judge = Callable[[Observations, OtelSeen], Outcome]


def _where_seen(judge: _Judge) -> Callable[[Observations], Outcome]:
    def judged(o: Observations) -> Outcome:
        if isinstance(o.otel, NotSeen):
            return cannot_tell(o.otel.why)
        return cannot_tell(o.otel.denied) if o.otel.denied else judge(o, o.otel)

    return judged


def _of_nodes(o: Observations, otel: OtelSeen) -> Iterator[tuple[NodeSeen, OtelNode]]:
    for each in o.nodes:
        if (counters := otel.nodes.get(each.node.instance_id)) is not None:
            yield each, counters


_NO_COUNTERS: Final = "no node of the sample has counters by its instance id"


def asked(o: Observations) -> Outcome:
    if isinstance(o.otel, NotSeen):
        return cannot_tell(o.otel.why)
    denied = o.otel.denied
    if denied and not seen_of(each.readings for each in o.nodes):
        return cannot_tell(denied)
    answered = f"CloudWatch answered {count(o.otel.queries, 'question')}"
    return told(not denied, f"{denied}, which the SDK's GetMetricData was allowed" if denied else answered)


@_where_seen
def host_id(o: Observations, otel: OtelSeen) -> Outcome:
    found, all_of_them = len(otel.nodes), len(o.nodes)
    said = (
        f"{found} of {count(all_of_them, 'node')} had counters by their instance id; "
        f"{otel.under_other_ids:,} series of these clusters have another id"
    )
    return told(found > 0 and otel.under_other_ids == 0, said, nodes=found, others=otel.under_other_ids)


@_where_seen
def cluster_name(o: Observations, otel: OtelSeen) -> Outcome:
    named = [each.node.insights_cluster in counters.clusters for each, counters in _of_nodes(o, otel)]
    if not named:
        return cannot_tell(_NO_COUNTERS)
    said = f"{sum(named)} of {count(len(named), 'node')} had the name that enigap asks for"
    return told(not most([not each for each in named]), said, nodes=sum(named))


@_where_seen
def own_devices(o: Observations, otel: OtelSeen) -> Outcome:
    nodes = [
        replace(each, events=counters.events, readings=counters.readings)
        for each, counters in _of_nodes(o, otel)
    ]
    return bytes_agree(replace(o, nodes=tuple(nodes))) if nodes else cannot_tell(_NO_COUNTERS)


@_where_seen
def anchors_agree(o: Observations, otel: OtelSeen) -> Outcome:
    agree = [
        _agree(counters, counters.readings, o.rules)
        for _, counters in _of_nodes(o, otel)
        if len(counters.anchors) > 1 and isinstance(counters.readings, Readings)
    ]
    if not agree:
        reasons = (counters.readings for _, counters in _of_nodes(o, otel))
        return cannot_tell(why_not(reasons, "no node of the sample has two such pods with counters"))
    said = f"the pods of {sum(agree)} of {count(len(agree), 'node')} had the same ENI devices and counters"
    return told(not most([not each for each in agree]), said, nodes=len(agree), agree=sum(agree))


def _agree(counters: OtelNode, readings: Readings, rules: Rules) -> bool:
    """Whether all pods have the same devices, whose counters differ by a period's bytes at most."""
    of_pods = list(counters.anchors.values())
    if len({frozenset(of) for of in of_pods}) > 1:
        return False
    allowed = max((each or 0.0 for each in readings.network_in_bytes), default=0.0)
    allowed += rules.floor.bytes_per_second * PERIOD.total_seconds()
    return all(max(of[d] for of in of_pods) - min(of[d] for of in of_pods) <= allowed for d in of_pods[0])


@_where_seen
def ranges(_: Observations, otel: OtelSeen) -> Outcome:
    return _matched(otel.ranges, "series have the same value by query_range as by query")


@_where_seen
def patterns(_: Observations, otel: OtelSeen) -> Outcome:
    return _matched(otel.by_pattern, "series of one node come by a pattern of several ids, too")


def _matched(found: Matched | NotSeen, what: str) -> Outcome:
    if isinstance(found, NotSeen):
        return cannot_tell(found.why)
    if not found.of:
        return cannot_tell(_NO_COUNTERS)
    return told(found.same == found.of, f"{found.same} of {found.of} {what}", share=found.same / found.of)


@_where_seen
def long_answers(_: Observations, otel: OtelSeen) -> Outcome:
    found = otel.long_answer
    if isinstance(found, NotSeen):
        return cannot_tell(found.why)
    said = f"asked for {found.of:,} series: "
    said += f"{found.same:,} in an answer that seems whole" if found.same else "no answer that seems whole"
    return told(not found.same or found.same >= found.of * _DRIFT, said, series=found.of)


_DRIFT: Final = 0.9
"""Pods come and go between two questions."""


@_where_seen
def no_older(_: Observations, otel: OtelSeen) -> Outcome:
    held = [each for one in seen_of([otel.held]) for pod in one for each in pod.for_seconds]
    if not held:
        return cannot_tell(why_not([otel.held], "no value was seen to end"))
    said = f"within a range of {otel.range_seconds} s a value is answered for {median(held):g} s"
    return told(median(held) <= otel.range_seconds + 1, said, seconds=median(held))


@_where_seen
def interval(_: Observations, otel: OtelSeen) -> Outcome:
    apart = [
        after - before for one in seen_of([otel.held]) for pod in one for before, after in pairwise(pod.at)
    ]
    if len(apart) < _ENOUGH:
        return cannot_tell(why_not([otel.held], "too few readings of a counter were seen"))
    said = f"{median(apart):.0f} s between two readings of a counter in the middle, {max(apart)} s at most"
    return told(median(apart) <= MOST_SECONDS, said, seconds=median(apart), most_seconds=max(apart))


@_where_seen
def kernels_time(_: Observations, otel: OtelSeen) -> Outcome:
    pods = [pod for one in seen_of([otel.held]) for pod in one if len(pod.at) >= _ENOUGH]
    pairs = [(set(a.at), set(b.at)) for a, b in combinations(pods, 2)]
    if not pairs:
        return cannot_tell(why_not([otel.held], "no two pods of a node were seen to be read several times"))
    share = sum(len(a & b) for a, b in pairs) / sum(min(len(a), len(b)) for a, b in pairs)
    said = f"{percent(share)} of the readings of pods on one node have the same second"
    return told(share <= 0.5, said, share=share)


@_where_seen
def adds_up(o: Observations, otel: OtelSeen) -> Outcome:
    off, wrong = [], []
    for each, counters in _of_nodes(o, otel):
        if isinstance(each.readings, Readings) and isinstance(counters.readings, Readings):
            hours = stretches(each.readings, counters.readings, _windows(o, counters.readings))
            if total := sum(hour.classic_bytes for hour in hours):
                off.append(sum(hour.otel_bytes for hour in hours) / total - 1)
                wrong.append(any(hour.beyond > 0 for hour in hours))
    if not off:
        reasons = (x for each, other in _of_nodes(o, otel) for x in (other.readings, each.readings))
        return cannot_tell(
            why_not(reasons, f"no node of the sample publishes both, counters and {OS_METRIC}")
        )
    said = (
        f"{wrong.count(False)} of {count(len(wrong), 'node')} agreed; in the middle all devices grew by "
        f"{percent(1 + median(off))} of {OS_METRIC}"
    )
    return told(not most(wrong), said, nodes=len(off), agree=wrong.count(False), off=median(off))


def _windows(o: Observations, readings: Readings) -> list[Window]:
    """The settled windows that were read."""
    number = (o.window.end - floor_to(readings.span.start + PERIOD, GRID)) // GRID
    return [o.window.previous(each) for each in range(number)]


@_where_seen
def kubelet_agrees(o: Observations, otel: OtelSeen) -> Outcome:
    compared = []
    for _, counters in _of_nodes(o, otel):
        of_kubelet, grown = counters.of_kubelet, counters.grown
        if isinstance(of_kubelet, NotSeen) or isinstance(grown, NotSeen) or not of_kubelet:
            continue
        theirs, ours = sum(of_kubelet.values()), sum(grown.get(each, 0.0) for each in of_kubelet)
        compared.append((len(of_kubelet), _is_close(theirs, ours, counters.readings)))
    if not compared:
        reasons = (x for _, each in _of_nodes(o, otel) for x in (each.of_kubelet, each.grown))
        return cannot_tell(why_not(reasons, "no node of the sample publishes k8s.node.network.io"))
    devices = median(number for number, _ in compared)
    wrong = [not agrees for _, agrees in compared]
    said = (
        f"{wrong.count(False)} of {count(len(compared), 'node')} agreed, with "
        f"{count(round(devices), 'interface')} in the middle"
    )
    return told(not most(wrong), said, nodes=len(compared), agree=wrong.count(False), interfaces=devices)


def _is_close(one: float, other: float, readings: Readings | NotSeen) -> bool:
    """Over a window, but for the traffic of the seconds by which both ends may differ."""
    rates = [each or 0.0 for each in readings.os_bytes_per_second] if isinstance(readings, Readings) else []
    return abs(one - other) <= 2 * EDGE_SECONDS * max(rates, default=0.0) + 0.01 * max(one, other)


BELIEFS: Final = (
    Belief(
        "otel-asked",
        "A form that is posted and signed for the service `monitoring` is answered, and takes no other "
        "actions than cloudwatch:GetMetricData and cloudwatch:ListMetrics.",
        "A cluster without the classic Container Insights cannot be judged.",
        ("enigap.aws.promql.ACTIONS",),
        asked,
        "allow what AWS's answer names; report it",
    ),
    Belief(
        "otel-host-id",
        "Counters carry the instance id as `@resource.host.id`.",
        "Every node `os_silent`.",
        ("enigap.aws.otel.HOST",),
        host_id,
        "report it, with the labels that Query Studio shows of container_network_receive_bytes_total",
    ),
    Belief(
        "otel-cluster-name",
        "Counters carry the cluster's name, as enigap knows it, as `@resource.k8s.cluster.name`.",
        "The cluster is `not_collected`.",
        ("enigap.aws.otel.counter_query",),
        cluster_name,
        "correct the cluster's name in the add-on's configuration; report it",
    ),
    Belief(
        "otel-devices",
        "Pods on the host's network have the node's own devices: what their ENI devices' counters grow by is "
        "what EC2 counts.",
        "False findings on all nodes, or nodes `unreadable`.",
        ("enigap.aws.otel.ANCHORS",),
        own_devices,
        "set `os_source` to classic; report it, with `enigap explain` of one node",
    ),
    Belief(
        "otel-anchors",
        "All pods on a node's own network have the same devices with the same counters.",
        "Nodes are `unreadable`, or a pod's own device counts as the node's.",
        ("enigap.aws.otel.ANCHORS",),
        anchors_agree,
        "look which of the pods runs without `hostNetwork: true`",
    ),
    Belief(
        "otel-range",
        "query_range and last_over_time work, and answer for an instant what query answers for it.",
        "Nodes are `unreadable`.",
        ("enigap.aws.promql.PromQL",),
        ranges,
        "set `os_source` to classic; report it",
    ),
    Belief(
        "otel-age",
        "last_over_time answers with no value that is older than its range.",
        "Bounds are too narrow: false findings at the edges of bursts.",
        ("enigap.aws.otel.AGE",),
        no_older,
        "report it",
    ),
    Belief(
        "otel-interval",
        f"Counters are read every {USUAL_SECONDS:.0f} s.",
        "Minutes have no value: nodes are `partial`.",
        ("enigap.aws.otel.AGE",),
        interval,
        "set the interval of the OpenTelemetry Container Insights to 30 s",
    ),
    Belief(
        "otel-times",
        "A value has the time at which cAdvisor read the kernel's counter, and not that of the scrape.",
        "Counters are up to 20 s older than the bounds allow for.",
        ("enigap.aws.otel.AGE",),
        kernels_time,
        "report it",
    ),
    Belief(
        "otel-cut",
        "An answer of more than 500 series is cut, and says so.",
        "Devices would be missing from a node's total.",
        ("enigap.aws.promql.MOST_SERIES",),
        long_answers,
        "report it: answers are cut without a word",
    ),
    Belief(
        "otel-regex",
        "A label may be matched by a pattern.",
        "Nodes would be left out of an answer.",
        ("enigap.aws.otel.counter_query",),
        patterns,
        "set `os_source` to classic; report it",
    ),
    Belief(
        "otel-sum",
        f"What the counters of all devices grow by is what {OS_METRIC} has, but for what the "
        f"{EDGE_SECONDS:.0f} s at both ends carry, which the two see at different times.",
        "The two sources give different verdicts.",
        ("enigap.aws.otel.OtelTotals",),
        adds_up,
        "see `enigap doctor --migration`, which compares all nodes over a day",
    ),
    Belief(
        "otel-kubelet",
        "Where the kubelet's own metric, k8s.node.network.io, is there, its devices have the same counters.",
        "One of the two is not the node's.",
        ("enigap.aws.otel.ANCHORS",),
        kubelet_agrees,
        "report it, with the version of the add-on",
    ),
)
