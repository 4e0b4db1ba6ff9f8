"""The OS side of clusters on the OpenTelemetry Container Insights: the devices' counters, read by PromQL.

Such a cluster has no `node_network_total_bytes`. cAdvisor reports the counters of every pod's network, and a
pod on the host's network has the node's own devices: `cloudwatch-agent` itself and a few others, the anchors.
All anchors of a node read the same counters of the kernel: the greatest value is the newest, and one anchor
bridges the restart of another. Without the anchors, the `eth0` inside each pod would count as the node's.
(`node_network_*` of the exporter is about the exporter's own pod, and never asked for.)

A value is the newest one of the 55 s before the second that it is asked for (`AGE`). So the counter at t lies
between what it was at t - 55 s and at t; the bounds of a window take that into account.

What cannot be relied on makes its node `Unreadable` or its evidence missing, with a reason. A node without a
series has no datapoints, which is silence and no zero.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Final, NamedTuple, Protocol, TypeVar

from enigap.aws.device_events import MARGIN, SAMPLE_BYTES, Answers
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.log_calls import Budget, spent
from enigap.aws.promql import ACTIONS, IncompleteAnswer, PromQL, Series, is_too_large
from enigap.core.counting.comparison import EniHistory
from enigap.core.counting.devices import Classifier, DeviceKind, is_device_name, name_prefixes
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
)
from enigap.core.counting.node import Node
from enigap.core.counting.reading import OsSource, Readings, Unreadable
from enigap.core.counting.window import GRID, MINUTE, PERIOD, FetchSpan
from enigap.core.text import listed, printable

__all__ = ["ACTIONS", "AGE", "Either", "OtelDevices", "OtelTotals", "counter_query"]

T = TypeVar("T")

AGE: Final = timedelta(seconds=55)
"""How old a counter may be when it is read. A sample every 30 s is never older, with the 20 s that cAdvisor
may take to read the kernel's counter. With the margin for EC2's minutes it comes to two whole minutes: the
devices are read on whole minutes, and each second more would cost both edges of a run another minute."""
SCRAPE: Final = timedelta(seconds=30)
"""How often the agents read the counters, unless they are configured otherwise."""
ANCHORS: Final = ("cloudwatch-agent", "fluent-bit", "aws-node", "kube-proxy")
"""Workloads on the host's network on nodes of EKS; EKS Auto Mode has the first two."""
FIRST_ANCHOR: Final = ANCHORS[:1]
"""Every sample that is scanned is billed: the others are asked about the nodes that this one has gaps of."""

KUBELETS: Final = "k8s.node.network.io"
"""The kubelet's own counters of the node's devices, with their direction as a label. Agents collect those of
its first device at most, as long as contrib's option `collect_all_network_interfaces` is off."""
HOST: Final = "@resource.host.id"
INTERFACE: Final = "interface"
NODES_PER_QUERY: Final = {DeviceScope.ALL: 12, DeviceScope.ENI: 100}
"""With some 30 devices each, or four ENIs, they stay below 500 series; a query about more is halved."""
NODES_AT_ONCE: Final = 240
"""As many as one call of GetMetricData is about: the counters of more are not held at a time."""
PROBED_FIRST: Final = 12
"""How many nodes are asked about first, to know whether a cluster publishes counters."""
_QUERIES_UNDER_WAY: Final = 6
"""Of AWS's 30 at a time, which all reconcilers share."""
_INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]{8,17}")


class Metric(NamedTuple):
    """A counter of cAdvisor, of one direction."""

    received: str
    sent: str


BYTES: Final = Metric("container_network_receive_bytes_total", "container_network_transmit_bytes_total")
PACKETS: Final = Metric("container_network_receive_packets_total", "container_network_transmit_packets_total")
DROPPED: Final = Metric(
    "container_network_receive_packets_dropped_total", "container_network_transmit_packets_dropped_total"
)

LOOKED_AT: Final = (BYTES, PACKETS, DROPPED)
GLANCED_AT: Final = (BYTES,)


def counter_query(
    metric: str,
    cluster: str,
    instance_ids: Iterable[str],
    prefixes: Sequence[str] | None = None,
    anchors: Sequence[str] = ANCHORS,
) -> str:
    """The counters of the nodes' own devices, or of those whose names begin so: a series for each."""
    return _over_anchors("max", metric, cluster, instance_ids, prefixes, anchors)


def kubelet_query(cluster: str, instance_ids: Iterable[str]) -> str:
    """What the nodes' devices received, by the kubelet's own metric: a series for each."""
    matchers = (
        f'__name__="{KUBELETS}"',
        f'"@resource.k8s.cluster.name"={quoted(cluster)}',
        f'"{HOST}"=~{quoted("|".join(instance_ids))}',
        'direction="receive"',
    )
    return _newest("max", matchers, AGE)


def _newest(aggregate: str, matchers: Iterable[str], age: timedelta) -> str:
    seconds = age // timedelta(seconds=1)
    selector = f"{{{','.join(matchers)}}}"
    return f'{aggregate} by ("{HOST}", {INTERFACE}) (last_over_time({selector}[{seconds}s]))'


def _over_anchors(  # noqa: PLR0917 - in the order in which the query has them
    aggregate: str,
    metric: str,
    cluster: str,
    instance_ids: Iterable[str],
    prefixes: Sequence[str] | None = None,
    anchors: Sequence[str] = ANCHORS,
    age: timedelta = AGE,
) -> str:
    matchers = [
        f'__name__="{metric}"',
        f'"@resource.k8s.cluster.name"={quoted(cluster)}',
        f'"{HOST}"=~{quoted("|".join(instance_ids))}',
        f'"@resource.k8s.workload.name"=~"{"|".join(anchors)}"',
    ]
    if prefixes is not None:
        matchers.append(f"{INTERFACE}=~{quoted('(' + '|'.join(map(_literal, prefixes)) + ').*')}")
    return _newest(aggregate, matchers, age)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an expression of this module asks for."""

    aggregate: str
    metric: str
    cluster: str
    instance_ids: Sequence[str]
    anchors: Sequence[str]
    """Empty where the kubelet's own counters are asked for."""
    scope: DeviceScope
    age_seconds: int


def asked_by(expression: str) -> Asked | None:
    """What the expression asks for; None if it is none of this module's."""
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        return None
    return Asked(
        found["aggregate"],
        found["metric"],
        re.sub(r"\\(.)", lambda escaped: "\n" if escaped[1] == "n" else escaped[1], found["cluster"]),
        found["ids"].split("|"),
        found["anchors"].split("|") if found["anchors"] else (),
        DeviceScope.ENI if found["prefixes"] else DeviceScope.ALL,
        int(found["age"]),
    )


_TEXT: Final = r'(?:[^"\\]|\\.)*'
_EXPRESSION: Final = re.compile(
    rf'(?P<aggregate>\w+) by \("{HOST}", {INTERFACE}\) \(last_over_time\(\{{__name__="(?P<metric>[\w.]+)",'
    rf'"@resource\.k8s\.cluster\.name"="(?P<cluster>{_TEXT})","{HOST}"=~"(?P<ids>[^"]*)",'
    rf'(?:"@resource\.k8s\.workload\.name"=~"(?P<anchors>[^"]*)"(?P<prefixes>,{INTERFACE}=~"{_TEXT}")?'
    r'|direction="receive")\}\[(?P<age>\d{1,9})s\]\)\)'
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _literal(text: str) -> str:
    return re.sub(r"([^\w-])", r"\\\1", text)


# --- the counters of one node

_Counter = Mapping[int, float]
"""By the second that it was asked for."""


@dataclass(frozen=True, slots=True)
class _Device:
    """One device's counters, by metric name."""

    of: Mapping[str, _Counter]

    def both(self, metric: Metric, second: int) -> tuple[float, float] | None:
        received = self.of.get(metric.received, {}).get(second)
        sent = self.of.get(metric.sent, {}).get(second)
        return None if received is None or sent is None else (received, sent)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Without which an event would be another than it was: bytes, and packets if there are any."""
        return (BYTES, PACKETS) if PACKETS.received in self.of or PACKETS.sent in self.of else (BYTES,)

    def is_half_known(self, second: int) -> bool:
        """Whether one direction's bytes are missing: the device is there, and what it counted is unknown."""
        received, sent = (self.of.get(name, {}) for name in BYTES)
        return (second in received) != (second in sent)


_Devices = Mapping[str, _Device]
"""One node's, by name."""


class _Wanted(NamedTuple):
    """Which counters are read."""

    metrics: Sequence[Metric]
    times: Sequence[_Times]
    scope: DeviceScope
    anchors: Sequence[str]


class _Counters:
    """Reads counters of many nodes, several queries at a time."""

    def __init__(self, promql: PromQL, classifier: Classifier) -> None:
        self._promql = promql
        self._classifier = classifier
        # A pattern may begin with anything: a query about ENIs' devices is known as one all the same.
        self._prefixes = name_prefixes(classifier.physical) or ("",)

    def read(
        self,
        nodes: Sequence[Node],
        metrics: Sequence[Metric],
        times: Sequence[_Times],
        scope: DeviceScope,
        has_gaps: Callable[[_Devices], bool],
    ) -> dict[str, _Devices | AwsProblem]:
        """By instance id; a node without a series has no devices.

        From the first anchor; and of the nodes that it `has_gaps` of, from all of them. Raises AwsProblem if
        the first answer is one that every query would get, such as a denial.
        """
        wanted = _Wanted(metrics, times, scope, FIRST_ANCHOR)
        found = self._read(nodes, wanted)
        with_gaps = [
            node
            for node in nodes
            if not isinstance(devices := found[node.instance_id], AwsProblem) and has_gaps(devices)
        ]
        return found | self._read(with_gaps, wanted._replace(anchors=ANCHORS))

    def _read(self, nodes: Sequence[Node], wanted: _Wanted) -> dict[str, _Devices | AwsProblem]:
        batches = list(_batches(nodes, wanted.scope))
        found: dict[str, _Devices | AwsProblem] = {}
        with ThreadPoolExecutor(_QUERIES_UNDER_WAY) as pool:
            answers = [
                pool.submit(_in_parts, batch, lambda part: self._ask(part, wanted)) for batch in batches
            ]
            for number, answer in enumerate(answers):
                of_batch = answer.result()
                first = next(iter(of_batch.values()), None)
                if number == 0 and isinstance(first, AwsProblem) and first.concerns_every_call:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise first
                found |= of_batch
        return found

    def _ask(self, nodes: Sequence[Node], wanted: _Wanted) -> dict[str, _Devices | AwsProblem]:
        """Each node's devices. A series that makes no sense, or lacks a direction, would count as zero."""
        prefixes = self._prefixes if wanted.scope is DeviceScope.ENI else None
        ids = [node.instance_id for node in nodes]
        values: dict[str, dict[str, dict[str, dict[int, float]]]] = {key: {} for key in ids}
        odd: dict[str, AwsProblem] = {}
        for name in (name for metric in wanted.metrics for name in metric):
            query = counter_query(name, nodes[0].insights_cluster, ids, prefixes, wanted.anchors)
            for each in wanted.times:
                told = _told(self._promql.between(query, each.start, each.end, each.step), ids)
                odd |= told.odd
                for (host, device), of_series in told.values.items():
                    values[host].setdefault(device, defaultdict(dict))[name] |= of_series
        return {host: odd.get(host) or self._devices(of, wanted.scope) for host, of in values.items()}

    def _devices(
        self, values: Mapping[str, Mapping[str, _Counter]], scope: DeviceScope
    ) -> _Devices | AwsProblem:
        for device, of in values.items():
            if (BYTES.received in of) != (BYTES.sent in of):
                return _nonsense(device)
        return {device: _Device(of) for device, of in values.items() if self._is_wanted(device, scope)}

    def _is_wanted(self, device: str, scope: DeviceScope) -> bool:
        return scope is DeviceScope.ALL or self._classifier.kind(device) is DeviceKind.PHYSICAL

    def check(self, nodes: Sequence[Node], span: FetchSpan) -> _Checked:
        """Of those nodes whose anchors are not all on the host's network: why nothing can be relied on.

        One that is not has devices of its own, such as the `eth0` of its pod: an ENI's device that fewer
        anchors have than another one, or whose counter is behind by more than four minutes. Or the kubelet's
        own counter of the device, where there is one, is another than theirs. It must show at two instants:
        an ENI may be attached at one.
        """
        first, second = (
            _in_parts(nodes, lambda part, at=at: self._odd(part, at))  # type: ignore[misc]
            for at in _compared_at(span)
        )
        wrong: dict[str, str] = {}
        by_one: set[str] = set()
        for host in first:
            one, other = first[host], second[host]
            if isinstance(one, AwsProblem) or isinstance(other, AwsProblem):
                wrong[host] = next(each.what for each in (one, other) if isinstance(each, AwsProblem))
            elif devices := one.by_anchors & other.by_anchors:
                wrong[host] = _WRONG_NETWORK.format(devices=listed(sorted(devices)))
            elif devices := one.by_kubelet & other.by_kubelet:
                wrong[host] = _NOT_THE_KUBELETS.format(devices=listed(sorted(devices)))
            elif max(one.anchors, other.anchors) < 2:
                by_one.add(host)
        return _Checked(wrong, by_one)

    def are_there(self, nodes: Sequence[Node], span: FetchSpan) -> bool:
        """Whether any of the nodes has a counter. Raises AwsProblem where that is unknown."""
        few, others = nodes[:PROBED_FIRST], nodes[PROBED_FIRST:]
        newest, oldest = _ends(span)
        try:  # Every sample that is scanned is billed, and mostly a few nodes tell.
            return any(self._with_any(some, at) for at in (newest, oldest) for some in (few, others))
        except AwsProblem as problem:
            if is_too_large(problem):
                return True
            raise

    def _odd(self, nodes: Sequence[Node], at: datetime) -> dict[str, _Odd | AwsProblem]:
        answers = [self._of_anchors(aggregate, nodes, at - earlier) for aggregate, earlier in _COMPARED]
        kubelets = self._of_kubelets(nodes, at)
        if any(kubelets.values()):
            answers.append(self._of_anchors("max", nodes, at + _APART))
        found: dict[str, _Odd | AwsProblem] = {}
        for host, of_kubelet in kubelets.items():
            of_anchors: list[_Of] = []
            for answer in answers:
                if isinstance(own := answer[host], AwsProblem):
                    found[host] = own
                    break
                of_anchors.append(own)
            else:
                found[host] = _Odd.of(of_anchors, of_kubelet)
        return found

    def _of_kubelets(self, nodes: Sequence[Node], at: datetime) -> dict[str, dict[str, float]]:
        """The ENI devices' received bytes by the kubelet's own metric, which few versions of the agent have.

        Nothing where it cannot be asked for: it is one check more, and no figure depends on it.
        """
        found: dict[str, dict[str, float]] = {node.instance_id: {} for node in nodes}
        query = kubelet_query(nodes[0].insights_cluster, found)
        with suppress(AwsProblem):
            told = _told(self._promql.at(query, at), found)
            for (host, device), values in told.values.items():
                if host not in told.odd and self._is_wanted(device, DeviceScope.ENI):
                    [found[host][device]] = values.values()
        return found

    def with_any(self, nodes: Sequence[Node], at: datetime) -> dict[str, AwsProblem | None]:
        """The instance ids of nodes that have a counter around an instant, however seldom they are collected;
        and why, where that is unknown."""
        found: dict[str, AwsProblem | None] = {}
        for batch in _batches(nodes, DeviceScope.ENI):
            for host, devices in _in_parts(batch, lambda part: self._are_counted(part, at)).items():
                if devices:
                    found[host] = devices if isinstance(devices, AwsProblem) else None
        return found

    def _with_any(self, nodes: Sequence[Node], at: datetime) -> bool:
        batches = _batches(nodes, DeviceScope.ENI)
        return any(any(self._are_counted(batch, at).values()) for batch in batches)

    def _are_counted(self, nodes: Sequence[Node], at: datetime) -> dict[str, dict[str, float] | AwsProblem]:
        return self._of_anchors("count", nodes, at, age=PERIOD)

    def _of_anchors(
        self, aggregate: str, nodes: Sequence[Node], at: datetime, age: timedelta = AGE
    ) -> dict[str, dict[str, float] | AwsProblem]:
        """Over the anchors, of each ENI device's received bytes, by instance id and device."""
        ids = [node.instance_id for node in nodes]
        cluster = nodes[0].insights_cluster
        query = _over_anchors(aggregate, BYTES.received, cluster, ids, self._prefixes, age=age)
        told = _told(self._promql.at(query, at), ids)
        found: dict[str, dict[str, float]] = {key: {} for key in ids}
        for (host, device), values in told.values.items():
            if self._is_wanted(device, DeviceScope.ENI):
                [found[host][device]] = values.values()
        return found | told.odd


class _Odd(NamedTuple):
    """The ENI devices of one node whose counters contradict each other at an instant."""

    by_anchors: set[str]
    by_kubelet: set[str]
    anchors: float
    """How many anchors have a device, at most."""

    @classmethod
    def of(cls, of_anchors: Sequence[_Of], of_kubelet: _Of) -> _Odd:
        """By what was asked for of the anchors (`_COMPARED`, and the last again `_APART` later)."""
        anchors, least, before, *_ = of_anchors
        after = of_anchors[-1]
        return cls(
            {device for device, many in anchors.items() if many < max(anchors.values())}
            | {device for device, value in least.items() if value < before.get(device, 0.0)},
            {
                device
                for device, value in of_kubelet.items()
                if device in before and device in after and not before[device] <= value <= after[device]
            },
            max(anchors.values(), default=0.0),
        )


class _Checked(NamedTuple):
    """What comparing the anchors came to, by instance id."""

    wrong: dict[str, str]
    """Why a node's counters cannot be relied on."""
    by_one: set[str]
    """Those whose counters a single anchor has, which nothing confirms."""


_Of = Mapping[str, float]
"""By device."""
_APART: Final = 4 * MINUTE
_COMPARED: Final = (("count", 0 * MINUTE), ("min", 0 * MINUTE), ("max", _APART))
"""What is asked for of all anchors at an instant, and how much earlier."""


def _ends(span: FetchSpan) -> tuple[datetime, datetime]:
    return span.end - PERIOD, span.start + PERIOD


_TOO_SELDOM: Final = (
    "the counters of its devices come too seldom to be compared: have the OpenTelemetry agent collect them "
    "every 30 s, and see whether it keeps restarting"
)
_NOT_THE_KUBELETS: Final = (
    "the counters of its {devices} are others than the kubelet's own (k8s.node.network.io), so one of the "
    "two is not the node's: run `enigap doctor`, which shows both"
)
_WRONG_NETWORK: Final = (
    "the pods whose counters stand for the node's do not all have its {devices}: run cloudwatch-agent, "
    "fluent-bit, aws-node and kube-proxy on the host's network (`hostNetwork: true`)"
)


_TOO_MANY: Final = (
    "a node that alone has 500 devices or more cannot be read by PromQL, so let the classic Container "
    "Insights publish it, too"
)


def _in_parts(
    nodes: Sequence[Node], ask: Callable[[Sequence[Node]], Mapping[str, T | AwsProblem]]
) -> dict[str, T | AwsProblem]:
    """One answer for each node. A query that is too large is asked again about half of the nodes."""
    try:
        return dict(ask(nodes))
    except AwsProblem as problem:
        if not is_too_large(problem):
            return {node.instance_id: problem for node in nodes}
        if len(nodes) == 1:
            if not isinstance(problem, _OfUnknownNode):
                problem = AwsProblem(ProblemKind.FAILED, f"{problem.what}; {_TOO_MANY}")
            return {nodes[0].instance_id: problem}
    half = len(nodes) // 2
    return _in_parts(nodes[:half], ask) | _in_parts(nodes[half:], ask)


class _Times(NamedTuple):
    """When counters are read: from `start` on, every `step`, until `end`."""

    start: datetime
    end: datetime
    step: timedelta

    @property
    def instants(self) -> int:
        return (self.end - self.start) // self.step + 1


def _edges(span: FetchSpan) -> list[_Times]:
    """Both ends of each period's first minute."""
    return [
        _Times(span.start, span.end, PERIOD),
        _Times(span.start + MINUTE, span.end - PERIOD + MINUTE, PERIOD),
    ]


def _minute_by_minute(span: FetchSpan) -> _Times:
    return _Times(span.start - 2 * MARGIN, span.end + MARGIN, MINUTE)


def _compared_at(span: FetchSpan) -> tuple[datetime, datetime]:
    """When a node's anchors are compared with each other."""
    return span.end - 2 * PERIOD, span.end - PERIOD


def _batches(nodes: Sequence[Node], scope: DeviceScope) -> Iterator[Sequence[Node]]:
    """Nodes of one cluster's name, as many as a query is about."""
    clusters: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        clusters[node.insights_cluster].append(node)
    for of_cluster in clusters.values():
        yield from _parts(of_cluster, NODES_PER_QUERY[scope])


def _parts(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """The items in order, so many at a time."""
    return (items[first : first + most] for first in range(0, len(items), most))


class _Told(NamedTuple):
    """What the series of one answer say about the nodes that were asked about."""

    values: dict[tuple[str, str], Mapping[int, float]]
    """By instance id and device."""
    odd: dict[str, AwsProblem]
    """By the instance id of a node of which a series makes no sense, or may be missing: what is left of its
    series is less than the node's."""


class _OfUnknownNode(IncompleteAnswer):
    """A series of an answer does not say of which node it is, so any of them may lack it."""


def _told(answer: Iterable[Series], asked: Collection[str]) -> _Told:
    """Raises IncompleteAnswer where a series might be of any node.

    With a series of a node that was not asked about, the answer may be another question's: a node that has no
    series in it is not known to have none, and a node that has one is read as ever.
    """
    told = _Told({}, {})
    answered: set[str] = set()
    for series in answer:
        host, device = series.labels.get(HOST, ""), series.labels.get(INTERFACE, "")
        if not _INSTANCE_ID.fullmatch(host):
            raise _OfUnknownNode(ProblemKind.FAILED, f"{_ANSWER} has a series of an unknown node", _AGAIN)
        answered.add(host)
        is_one = is_device_name(device) and (host, device) not in told.values
        if is_one and series.makes_sense:
            told.values[host, device] = series.values
        else:
            told.odd[host] = _nonsense(device)
    foreign = answered.difference(asked)
    if foreign:
        other = AwsProblem(
            ProblemKind.FAILED, f"{_ANSWER} is about another node than was asked about", _AGAIN
        )
        told.odd.update((host, other) for host in asked if host not in answered)
    return _Told(
        {key: values for key, values in told.values.items() if key[0] not in foreign},
        {host: problem for host, problem in told.odd.items() if host not in foreign},
    )


def _nonsense(device: str) -> AwsProblem:
    what = f"{_ANSWER} about its device {printable(device, 40)!r} makes no sense"
    return AwsProblem(ProblemKind.FAILED, what, "see what that device is, and run it again")


_ANSWER: Final = "CloudWatch's answer by PromQL"
_AGAIN: Final = "run it again, and check the proxy"


# --- totals


class Eni(Protocol):
    """EC2's side, which is no OpenTelemetry metric of known completeness: `CloudWatchTotals`."""

    def totals(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, Readings | Unreadable]]: ...

    def histories(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, EniHistory | Unreadable]]: ...


class OtelTotals:
    """Both sides' totals: the OS's from the counters of all devices, EC2's from GetMetricData.

    The counters are read at both ends of each period's first minute: all that the bounds of a window need.
    """

    def __init__(self, promql: PromQL, eni: Eni, classifier: Classifier) -> None:
        self._counters = _Counters(promql, classifier)
        self._eni, self._classifier = eni, classifier

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings | Unreadable]]:
        """Each node with both sides. Raises AwsProblem where nothing can be asked at all."""
        by_id = {node.instance_id: node for node in nodes}
        for some in _parts(nodes, NODES_AT_ONCE):
            counted = self._os(some, span)
            without_series = [replace(node, node_name=None) for node in some]
            for asked, carried in self._eni.totals(without_series, span):
                yield by_id[asked.instance_id], counted.beside(carried, asked.instance_id)

    def in_place_of(
        self, silent: Sequence[tuple[Node, Readings | Unreadable]], span: FetchSpan
    ) -> Iterator[tuple[Node, Readings | Unreadable]]:
        """The same readings with the OS's side from the counters.

        Raises AwsProblem where nothing can be asked at all.
        """
        for some in _parts(silent, NODES_AT_ONCE):
            counted = self._os([node for node, _ in some], span)
            for node, carried in some:
                yield node, counted.beside(carried, node.instance_id)

    def are_there(self, nodes: Sequence[Node], span: FetchSpan) -> bool:
        """Whether any of the nodes has a counter within the span. Raises AwsProblem where that is unknown."""
        known, _ = known_nodes(nodes)
        return self._counters.are_there(known, span)

    def histories(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, EniHistory | Unreadable]]:
        """EC2's bytes and packets over hours."""
        return self._eni.histories(nodes, span)

    def _os(self, nodes: Sequence[Node], span: FetchSpan) -> _Counted:
        known, unknown = known_nodes(nodes)
        times = _edges(span)
        answers = self._counters.read(
            known,
            [BYTES],
            times,
            DeviceScope.ALL,
            has_gaps=lambda devices: None in _minutes(devices, span, self._classifier),
        )
        found: dict[str, tuple[float | None, ...] | Unreadable] = {
            node.instance_id: Unreadable(_NO_INSTANCE) for node in unknown
        }
        for key, devices in answers.items():
            if isinstance(devices, AwsProblem):
                found[key] = Unreadable(devices.what)
            else:
                found[key] = _minutes(devices, span, self._classifier)
        checked = self._check(known, answers, span)
        for key, why in (checked.wrong | self._too_seldom(known, found, span)).items():
            found[key] = Unreadable(why)
        alone = {
            key
            for key, devices in answers.items()
            if not isinstance(devices, AwsProblem) and devices.keys() - {"lo"} == {_OF_A_POD}
        }
        return _Counted(found, alone & checked.by_one)

    def _too_seldom(
        self,
        nodes: Sequence[Node],
        found: Mapping[str, tuple[float | None, ...] | Unreadable],
        span: FetchSpan,
    ) -> dict[str, str]:
        """Why nodes without a rate are not silent: their counters are there, and too far apart.

        So it is with a node that had rates before, if there are counters shortly before the newest window's
        last minute.
        """
        newest, oldest = _ends(span)
        in_newest = slice((newest - GRID - span.start) // MINUTE, (newest - span.start) // MINUTE)
        empty: list[Node] = []
        lately: list[Node] = []
        for node in nodes:
            rates = found[node.instance_id]
            if not isinstance(rates, Unreadable) and set(rates[in_newest]) == {None}:
                (empty if set(rates) == {None} else lately).append(node)
        counted = {
            **self._counters.with_any(lately, newest - MINUTE),
            **self._counters.with_any(empty, oldest),
            **self._counters.with_any(empty, newest),
        }
        return {key: problem.what if problem else _TOO_SELDOM for key, problem in counted.items()}

    def _check(
        self, nodes: Sequence[Node], answers: Mapping[str, _Devices | AwsProblem], span: FetchSpan
    ) -> _Checked:
        readable = [node for node in nodes if not isinstance(answers[node.instance_id], AwsProblem)]
        found = {key: devices for key, devices in answers.items() if not isinstance(devices, AwsProblem)}
        wrong: dict[str, str] = {}
        by_one: set[str] = set()
        batches = _batches(readable, DeviceScope.ENI)
        with ThreadPoolExecutor(_QUERIES_UNDER_WAY) as pool:
            for of_batch in pool.map(lambda batch: self._counters.check(batch, span), batches):
                wrong |= of_batch.wrong
                by_one |= of_batch.by_one
        for node in readable:
            devices = found[node.instance_id]
            kinds = {self._classifier.kind(device) for device in devices}
            if devices and DeviceKind.PHYSICAL not in kinds:
                names = listed(sorted(devices))
                wrong[node.instance_id] = f"none of its devices ({names}) has the name of an ENI's"
        return _Checked(wrong, by_one)


class _Counted(NamedTuple):
    """The OS's side of some nodes."""

    rates: Mapping[str, tuple[float | None, ...] | Unreadable]
    """Of each labelled minute, by instance id."""
    may_be_a_pods: Collection[str]
    """The instance ids of nodes that have `eth0` alone, by a single anchor."""

    def beside(self, carried: Readings | Unreadable, key: str) -> Readings | Unreadable:
        """Both sides of one node."""
        rates = self.rates[key]
        if isinstance(carried, Unreadable):
            return carried
        if isinstance(rates, Unreadable):
            return rates
        both = replace(carried, os_bytes_per_second=rates, os_source=OsSource.OTEL)
        if key in self.may_be_a_pods and _is_far_less(both):
            return Unreadable(_PODS_OWN)
        return both


_OF_A_POD: Final = "eth0"
"""What a pod's own device is called, and on many nodes the first ENI's."""
_FAR_LESS: Final = 4
"""How many times what the devices counted is too much to be a fault of the node's: what is less apart is
judged. A pod that sends metrics carries little beside a node."""
_PODS_OWN: Final = (
    "its only device, eth0, counted less than a quarter of what EC2 did, so it may be the own one of "
    "cloudwatch-agent's pod: run cloudwatch-agent on the host's network (`hostNetwork: true`), or look for "
    "traffic that bypasses the kernel"
)


def _is_far_less(readings: Readings) -> bool:
    """Whether the devices counted far less than EC2, in the periods that both know."""
    os = eni = 0.0
    for number in range(readings.span.periods):
        rates = readings.os_bytes_per_second[5 * number : 5 * number + 5]
        carried = readings.network_in_bytes[number], readings.network_out_bytes[number]
        if None not in rates and None not in carried:
            os += 60.0 * sum(rate or 0.0 for rate in rates)
            eni += sum(each or 0.0 for each in carried)
    return eni > _FAR_LESS * os


_NO_INSTANCE: Final = "its instance id is none of EC2's, so its counters cannot be asked for"


def known_nodes(nodes: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """The nodes whose ids may be part of a query, and the others: ids of series are anybody's words."""
    known = [node for node in nodes if _INSTANCE_ID.fullmatch(node.instance_id)]
    return known, [node for node in nodes if node not in known]


def _minutes(devices: _Devices, span: FetchSpan, classifier: Classifier) -> tuple[float | None, ...]:
    """The rate of each minute of the span; the minutes between two readings share their average."""
    physical = {name for name in devices if classifier.kind(name) is DeviceKind.PHYSICAL}
    edges = [span.start + number * PERIOD for number in range(span.periods)]
    marks = [int(mark.timestamp()) for mark in sorted({*edges, *(edge + MINUTE for edge in edges), span.end})]
    lost = {second for name in devices.keys() - physical for second in _lost(devices[name], marks)}
    rates: list[float | None] = []
    for start, end in pairwise(marks):
        grown = None if {start, end} & lost else _growth(devices, physical, start, end)
        rates += [None if grown is None else grown / (end - start)] * ((end - start) // 60)
    return tuple(rates)


def _lost(device: _Device, marks: Sequence[int]) -> set[int]:
    """When a device has no counters that had some before, and has no less afterwards: then it is not one
    that was removed, nor one that counts from zero."""
    known = [(second, both) for second in marks if (both := device.both(BYTES, second)) is not None]
    return {
        second
        for (earlier, before), (later, after) in pairwise(known)
        if all(a >= b for a, b in zip(after, before, strict=True))
        for second in marks
        if earlier < second < later
    }


def _growth(devices: _Devices, physical: set[str], start: int, end: int) -> float | None:
    """What all devices counted between two readings; None where an ENI's counter was reset, came or went.

    None, too, where one direction of a device is missing: it would count as zero.
    """
    total = 0.0
    seen = False
    for name, device in devices.items():
        before, after = device.both(BYTES, start), device.both(BYTES, end)
        if device.is_half_known(start) or device.is_half_known(end):
            return None
        if before is None and after is None:
            continue
        is_whole = (
            before is not None
            and after is not None
            and all(a >= b for a, b in zip(after, before, strict=True))
        )
        if name in physical and not is_whole:
            return None
        seen = seen or name in physical
        if after is None:
            continue  # A pod's device that was removed: what it counted last is known to nobody.
        # A pod's device that was made since counts from zero.
        total += sum(after) - (sum(before) if is_whole and before is not None else 0.0)
    return total if seen else None


# --- devices


class OtelDevices:
    """The devices' counters minute by minute, as events with the rates between two readings."""

    def __init__(self, promql: PromQL, classifier: Classifier, *, budget: Budget | None = None) -> None:
        self._counters, self._classifier = _Counters(promql, classifier), classifier
        self._budget = budget or Budget()
        self._kept = 0
        """Samples, in all looks."""

    def devices(self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope) -> Answers:
        """By instance id, over the span and beyond it on both sides. What cannot be read is said, never
        raised.

        The first nodes are read first, as long as what is kept of all looks fits into memory.
        """
        times = _minute_by_minute(span)
        at_once = NODES_AT_ONCE if scope is DeviceScope.ENI else _HELD_INSTANTS // times.instants
        answers: Answers = {}
        for some in _parts(nodes, max(1, at_once)):
            if self._kept * SAMPLE_BYTES >= self._budget.memory_bytes:
                answers |= {node.instance_id: _NO_MEMORY for node in some}
                continue
            found = self._answers(some, times, scope, LOOKED_AT)
            self._kept += sum(len(each.samples) for each in found.values() if isinstance(each, DeviceEvents))
            answers |= found
        return answers

    def glance(self, nodes: Sequence[Node], span: FetchSpan) -> Answers:
        """The ENI devices' bytes alone, of any number of nodes."""
        return self._answers(nodes, _minute_by_minute(span), DeviceScope.ENI, GLANCED_AT)

    def _answers(
        self, nodes: Sequence[Node], times: _Times, scope: DeviceScope, metrics: Sequence[Metric]
    ) -> Answers:
        known, unknown = known_nodes(nodes)
        answers: Answers = {
            node.instance_id: MissingEvidence(NoEvidence.STREAM_MISSING, _NO_INSTANCE) for node in unknown
        }
        try:
            found = self._counters.read(known, metrics, [times], scope, has_gaps=self._lacks_minutes(times))
        except AwsProblem as problem:
            found = {node.instance_id: problem for node in known}
        for key, devices in found.items():
            answers[key] = (
                _missing(devices) if isinstance(devices, AwsProblem) else _events(devices, times, scope)
            )
        return answers

    def _lacks_minutes(self, times: _Times) -> Callable[[_Devices], bool]:
        """Whether an ENI device's bytes or packets are missing at any of the times, or there is no such
        device."""
        seconds = range(int(times.start.timestamp()), int(times.end.timestamp()) + 1, times.step // _SECOND)

        def lacks(devices: _Devices) -> bool:
            enis = [of for name, of in devices.items() if self._classifier.kind(name) is DeviceKind.PHYSICAL]
            return not enis or any(
                of.both(metric, second) is None for of in enis for metric in of.metrics for second in seconds
            )

        return lacks


_SECOND: Final = timedelta(seconds=1)
_HELD_INSTANTS: Final = 4_500
"""Of all devices of some nodes at a time, before they are events: 12 nodes over six hours. With 250 devices
each they take 500 MB of the function's 1,769."""
_NO_MEMORY: Final = spent("the devices of the nodes before it used up what one run keeps of counters")


class _DevicesPort(Protocol):
    def devices(
        self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope
    ) -> Mapping[str, DeviceEvents | MissingEvidence]: ...


class Either:
    """Both ports of one cluster: the classic figures where any of its nodes has a new one, else the counters.

    Which it is shows with the totals. A cluster that publishes both has its totals from the classic figures
    and its devices from the counters, which cost less than a search through the log; a node that has no
    counters is looked for in the log.
    """

    def __init__(self, classic: tuple[Eni, _DevicesPort], otel: tuple[OtelTotals, OtelDevices]) -> None:
        self._classic, self._classic_devices = classic
        self._otel, self._otel_devices = otel
        self.source: OsSource | None = None
        """None until a figure of the OS was seen."""
        self.why_not_asked: str | None = None
        """Why it is unknown whether there are counters: they may not be asked for here."""
        self._has_counters: bool | None = None

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings | Unreadable]]:
        """Each node with both sides, as the answers come in once a node has a classic figure."""
        if self.source is OsSource.OTEL:
            yield from self._otel.totals(nodes, span)
            return
        silent: list[tuple[Node, Readings | Unreadable]] = []
        for node, readings in self._classic.totals(nodes, span):
            if self.source is None and _reports(readings, within=GRID):
                self.source = OsSource.CLASSIC
                yield from silent
                silent.clear()
            if self.source is OsSource.CLASSIC:
                yield node, readings
            else:
                silent.append((node, readings))
        yield from self._by_counters(silent, span)

    def histories(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, EniHistory | Unreadable]]:
        """EC2's bytes and packets over hours."""
        return self._classic.histories(nodes, span)

    def devices(
        self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope
    ) -> Mapping[str, DeviceEvents | MissingEvidence]:
        """The devices' counters where there are any, else their events in the log."""
        if not self.has_counters(nodes, span):
            return self._classic_devices.devices(nodes, span, scope)
        answers = self._otel_devices.devices(nodes, span, scope)
        if self.source is OsSource.OTEL:
            return answers
        without = [node for node in nodes if isinstance(answers[node.instance_id], MissingEvidence)]
        return {**answers, **(self._classic_devices.devices(without, span, scope) if without else {})}

    def glance(self, nodes: Sequence[Node], span: FetchSpan) -> Mapping[str, DeviceEvents | MissingEvidence]:
        """The ENI devices' bytes of any number of nodes; of a cluster without counters, nothing."""
        return self._otel_devices.glance(nodes, span) if self.has_counters(nodes, span) else {}

    def has_counters(self, nodes: Sequence[Node], span: FetchSpan) -> bool:
        """Whether the cluster publishes counters, by the nodes that are asked about first."""
        if self.source is OsSource.OTEL:
            return True
        if self._has_counters is None and nodes:
            try:
                self._has_counters = self._otel.are_there(nodes[:PROBED_FIRST], span)
            except AwsProblem:
                self._has_counters = False  # The log has the same devices.
        return bool(self._has_counters)

    def _by_counters(
        self, silent: Sequence[tuple[Node, Readings | Unreadable]], span: FetchSpan
    ) -> Iterator[tuple[Node, Readings | Unreadable]]:
        """Nodes without a classic figure, with the OS's side from the counters if there are any.

        Where counters cannot be asked for at all, the cluster is as silent as the classic figures say. Where
        the question failed, silence is not known to be one, and its nodes are unreadable.
        """
        try:
            is_published = bool(silent) and self._otel.are_there([node for node, _ in silent], span)
        except AwsProblem as problem:
            if problem.kind in _NEVER:
                self.why_not_asked = problem.what
                yield from silent
            else:
                yield from ((node, Unreadable(problem.what)) for node, _ in silent)
            return
        if not is_published:
            if any(_reports(readings) for _, readings in silent):
                self.source = OsSource.CLASSIC  # Its agents have stopped.
            yield from silent
            return
        self.source = OsSource.OTEL
        yield from self._otel.in_place_of(silent, span)


_NEVER: Final = (ProblemKind.DENIED, ProblemKind.REFUSED, ProblemKind.MISSING)
"""What a question is answered with where PromQL is not allowed, or not there."""


def _reports(readings: Readings | Unreadable, within: timedelta | None = None) -> bool:
    """Whether the OS has a figure so shortly before the span's last period, or in the whole span."""
    if isinstance(readings, Unreadable):
        return False
    span = readings.span  # Its last period, and the label that ends the newest window, are of later minutes.
    first = span.start if within is None else span.end - PERIOD - within + MINUTE
    return any(rate is not None for rate in readings.os_minutes(first, span.end - PERIOD - MINUTE))


def _missing(problem: AwsProblem) -> MissingEvidence:
    kinds = {
        ProblemKind.DENIED: NoEvidence.DENIED,
        ProblemKind.THROTTLED: NoEvidence.BUDGET_SPENT,
        ProblemKind.OUT_OF_TIME: NoEvidence.BUDGET_SPENT,
    }
    return MissingEvidence(kinds.get(problem.kind, NoEvidence.FAILED), problem.what)


def _events(devices: _Devices, times: _Times, scope: DeviceScope) -> DeviceEvents | MissingEvidence:
    if not devices:
        detail = "CloudWatch has no OpenTelemetry counters of its devices"
        return MissingEvidence(NoEvidence.STREAM_MISSING, detail)
    minutes = [times.start + number * MINUTE for number in range((times.end - times.start) // MINUTE + 1)]
    samples = [
        _sample(name, device, before, at)
        for name, device in devices.items()
        for before, at in _told_at(device, minutes)
    ]
    return DeviceEvents(tuple(samples), scope=scope, counter_age=AGE)


def _told_at(device: _Device, minutes: Sequence[datetime]) -> Iterator[tuple[datetime | None, datetime]]:
    """The minutes of which there is an event, each with the one before; None for the first of all, which has
    no reading before it. An event without its packets would be compared as if none were known of hours."""
    metrics = device.metrics
    known = [all(device.both(each, int(at.timestamp())) is not None for each in metrics) for at in minutes]
    for number in range(1, len(minutes)):
        if known[number] and (known[number - 1] or not any(known[:number])):
            yield (minutes[number - 1] if known[number - 1] else None), minutes[number]


def _sample(name: str, device: _Device, before: datetime | None, at: datetime) -> DeviceSample:
    """Without rates where a counter was reset, or is read for the first time."""

    def rates(metric: Metric) -> tuple[float | None, float | None]:
        first = device.both(metric, int(before.timestamp())) if before else None
        last = device.both(metric, int(at.timestamp()))
        if first is None or last is None or any(b < a for a, b in zip(first, last, strict=True)):
            return None, None
        seconds = MINUTE.total_seconds()
        return (last[0] - first[0]) / seconds, (last[1] - first[1]) / seconds

    dropped = [rate for rate in rates(DROPPED) if rate is not None]
    return DeviceSample(at, name, *rates(BYTES), *rates(PACKETS), sum(dropped) if dropped else None)


# --- what is billed


@dataclass(frozen=True, slots=True)
class Samples:
    """How many samples one run scans of one node's counters: what PromQL is billed by."""

    devices: int
    """All that the node has, its ENIs' among them."""
    enis: int
    anchors: int = len(ANCHORS)

    @property
    def _of_a_value(self) -> int:
        """Of one series: its range mostly holds so many, and never more."""
        return ceil(AGE / SCRAPE)

    def totals(self, span: FetchSpan) -> int:
        """Of a node without gaps: all devices by one anchor, and the comparison of all anchors."""
        instants = sum(times.instants for times in _edges(span))
        compared = self.enis * self.anchors * len(_compared_at(span)) * len(_COMPARED)
        return (self.devices * len(BYTES) * instants + compared) * self._of_a_value

    def probe(self) -> int:
        """Whether there are counters at all."""
        return self.enis * self.anchors * ceil(PERIOD / SCRAPE)

    def glance(self, span: FetchSpan) -> int:
        """The ENI devices' bytes."""
        return self._minutes(self.enis, GLANCED_AT, span)

    def look(self, span: FetchSpan, scope: DeviceScope) -> int:
        """A look at the devices."""
        return self._minutes(self.enis if scope is DeviceScope.ENI else self.devices, LOOKED_AT, span)

    def _minutes(self, devices: int, metrics: Sequence[Metric], span: FetchSpan) -> int:
        series = devices * sum(map(len, metrics))
        return series * _minute_by_minute(span).instants * self._of_a_value
