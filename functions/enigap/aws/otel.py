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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple, Protocol, TypeVar

from enigap.aws.device_events import MARGIN, Answers
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.promql import ACTIONS, IncompleteAnswer, PromQL, Series
from enigap.core.counting.accumulated import EniHistory
from enigap.core.counting.devices import Classifier, DeviceKind, is_device_name, name_prefixes
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
)
from enigap.core.counting.node import Node
from enigap.core.counting.reading import OsSource, Readings, Unreadable, usable_number
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan
from enigap.core.text import listed

__all__ = ["ACTIONS", "AGE", "Either", "OtelDevices", "OtelTotals", "counter_query"]

T = TypeVar("T")

AGE: Final = timedelta(seconds=55)
"""How old a counter may be when it is read. A sample every 30 s is never older, with the 20 s that cAdvisor
may take to read the kernel's counter. With the margin for EC2's minutes it comes to two whole minutes: the
devices are read on whole minutes, and each second more would cost both edges of a run another minute."""
ANCHORS: Final = ("cloudwatch-agent", "fluent-bit", "aws-node", "kube-proxy")
"""Workloads on the host's network on nodes of EKS; EKS Auto Mode has the first two."""

HOST: Final = "@resource.host.id"
INTERFACE: Final = "interface"
_NODES_PER_QUERY: Final = 12
"""With some 30 devices each they stay below 500 series; a query about more of them is halved."""
_QUERIES_UNDER_WAY: Final = 8
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


def counter_query(
    metric: str, cluster: str, instance_ids: Iterable[str], prefixes: Sequence[str] | None = None
) -> str:
    """The counters of the nodes' own devices, or of those whose names begin so: a series for each."""
    return _over_anchors("max", metric, cluster, instance_ids, prefixes)


def _over_anchors(
    aggregate: str,
    metric: str,
    cluster: str,
    instance_ids: Iterable[str],
    prefixes: Sequence[str] | None = None,
) -> str:
    matchers = [
        f'__name__="{metric}"',
        f'"@resource.k8s.cluster.name"={_quoted(cluster)}',
        f'"{HOST}"=~{_quoted("|".join(instance_ids))}',
        f'"@resource.k8s.workload.name"=~"{"|".join(ANCHORS)}"',
    ]
    if prefixes is not None:
        matchers.append(f"{INTERFACE}=~{_quoted('(' + '|'.join(map(_literal, prefixes)) + ').*')}")
    seconds = AGE // timedelta(seconds=1)
    selector = f"{{{','.join(matchers)}}}"
    return f'{aggregate} by ("{HOST}", {INTERFACE}) (last_over_time({selector}[{seconds}s]))'


def _quoted(text: str) -> str:
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


_Devices = Mapping[str, _Device]
"""One node's, by name."""


class _Counters:
    """Reads counters of many nodes, several queries at a time."""

    def __init__(self, promql: PromQL, classifier: Classifier) -> None:
        self._promql = promql
        self._classifier = classifier

    def read(
        self, nodes: Sequence[Node], metrics: Iterable[Metric], times: Sequence[_Times], scope: DeviceScope
    ) -> dict[str, _Devices | AwsProblem]:
        """By instance id; a node without a series has no devices.

        Raises AwsProblem if the first answer is one that every query would get, such as a denial.
        """
        names = [name for metric in metrics for name in metric]
        batches = list(_batches(nodes))
        found: dict[str, _Devices | AwsProblem] = {}
        with ThreadPoolExecutor(_QUERIES_UNDER_WAY) as pool:
            answers = [pool.submit(self._batch, batch, names, times, scope) for batch in batches]
            for number, answer in enumerate(answers):
                of_batch = answer.result()
                first = next(iter(of_batch.values()), None)
                if number == 0 and isinstance(first, AwsProblem) and first.concerns_every_call:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise first
                found |= of_batch
        return found

    def _batch(
        self, nodes: Sequence[Node], names: Sequence[str], times: Sequence[_Times], scope: DeviceScope
    ) -> dict[str, _Devices | AwsProblem]:
        return _in_parts(nodes, lambda part: self._ask(part, names, times, scope))

    def _ask(
        self, nodes: Sequence[Node], names: Sequence[str], times: Sequence[_Times], scope: DeviceScope
    ) -> dict[str, _Devices]:
        prefixes = name_prefixes(self._classifier.physical) if scope is DeviceScope.ENI else None
        ids = [node.instance_id for node in nodes]
        values: dict[str, dict[str, dict[str, dict[int, float]]]] = {key: {} for key in ids}
        for name in names:
            query = counter_query(name, nodes[0].insights_cluster, ids, prefixes)
            for each in times:
                for series in self._promql.between(query, each.start, each.end, each.step):
                    host, device = _whose(series, values)
                    of_device = values[host].setdefault(device, defaultdict(dict))
                    of_device[name] |= _usable(series.values)
        return {
            host: {device: _Device(of) for device, of in devices.items() if self._is_wanted(device, scope)}
            for host, devices in values.items()
        }

    def _is_wanted(self, device: str, scope: DeviceScope) -> bool:
        return scope is DeviceScope.ALL or self._classifier.kind(device) is DeviceKind.PHYSICAL

    def wrong(self, nodes: Sequence[Node], span: FetchSpan, found: Mapping[str, _Devices]) -> dict[str, str]:
        """Of those nodes whose anchors are not all on the host's network: why nothing can be relied on.

        One that is not has devices of its own, such as the `eth0` of its pod: an ENI's device that fewer
        anchors have than another one, or whose counter is behind by more than four minutes. It must show
        at two instants: an ENI may be attached at one.
        """
        asked = (span.end - 2 * PERIOD, span.end - PERIOD)
        first, second = (
            _in_parts(nodes, lambda part, at=at: self._odd(part, at, found))  # type: ignore[misc]
            for at in asked
        )
        wrong: dict[str, str] = {}
        for host in first:
            one, other = first[host], second[host]
            if isinstance(one, AwsProblem) or isinstance(other, AwsProblem):
                wrong[host] = next(each.what for each in (one, other) if isinstance(each, AwsProblem))
            elif devices := one & other:
                wrong[host] = _WRONG_NETWORK.format(devices=listed(sorted(devices)))
        return wrong

    def _odd(self, nodes: Sequence[Node], at: datetime, found: Mapping[str, _Devices]) -> dict[str, set[str]]:
        prefixes = name_prefixes(self._classifier.physical)
        ids = [node.instance_id for node in nodes]
        of: dict[str, dict[str, dict[str, float]]] = {}
        for aggregate in ("count", "min"):
            of[aggregate] = {key: {} for key in ids}
            query = _over_anchors(aggregate, BYTES.received, nodes[0].insights_cluster, ids, prefixes)
            for series in self._promql.at(query, at):
                host, device = _whose(series, of[aggregate])
                if self._is_wanted(device, DeviceScope.ENI):
                    of[aggregate][host].update((device, value) for value in series.values.values())
        before = int((at - 4 * MINUTE).timestamp())
        odd: dict[str, set[str]] = {}
        for host, anchors in of["count"].items():
            odd[host] = {device for device, many in anchors.items() if many < max(anchors.values())}
            for device, least in of["min"][host].items():
                if device in found[host]:
                    counted = found[host][device].of.get(BYTES.received, {})
                    odd[host] |= {device} if least < counted.get(before, 0.0) else set()
        return odd


_WRONG_NETWORK: Final = (
    "the pods whose counters stand for the node's do not all have its {devices}: run cloudwatch-agent, "
    "fluent-bit, aws-node and kube-proxy on the host's network (`hostNetwork: true`)"
)


def _in_parts(
    nodes: Sequence[Node], ask: Callable[[Sequence[Node]], Mapping[str, T]]
) -> dict[str, T | AwsProblem]:
    """One answer for each node. A query that is too large is asked again about half of the nodes."""
    try:
        return dict(ask(nodes))
    except AwsProblem as problem:
        is_too_large = isinstance(problem, IncompleteAnswer) or problem.code == "execution"
        if not is_too_large or len(nodes) == 1:
            return {node.instance_id: problem for node in nodes}
    half = len(nodes) // 2
    return _in_parts(nodes[:half], ask) | _in_parts(nodes[half:], ask)


class _Times(NamedTuple):
    """When counters are read: from `start` on, every `step`, until `end`."""

    start: datetime
    end: datetime
    step: timedelta


def _batches(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    """Nodes of one cluster's name, as many as a query is about."""
    clusters: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        clusters[node.insights_cluster].append(node)
    for of_cluster in clusters.values():
        for first in range(0, len(of_cluster), _NODES_PER_QUERY):
            yield of_cluster[first : first + _NODES_PER_QUERY]


def _whose(series: Series, asked: Mapping[str, object]) -> tuple[str, str]:
    """Instance id and device. Raises AwsProblem for a series that was not asked for."""
    host, device = series.labels.get(HOST, ""), series.labels.get(INTERFACE, "")
    if host not in asked or not is_device_name(device):
        raise AwsProblem(
            ProblemKind.FAILED,
            "CloudWatch's answer by PromQL makes no sense",
            "run it again, and check the proxy",
        )
    return host, device


def _usable(values: Mapping[int, float]) -> dict[int, float]:
    return {at: value for at, value in values.items() if usable_number(value) is not None}


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
        counted, _ = self._os(nodes, span)
        by_id = {node.instance_id: node for node in nodes}
        without_series = [replace(node, node_name=None) for node in nodes]
        for asked, carried in self._eni.totals(without_series, span):
            yield by_id[asked.instance_id], _both(carried, counted[asked.instance_id])

    def in_place_of(
        self, silent: Sequence[tuple[Node, Readings | Unreadable]], span: FetchSpan
    ) -> list[tuple[Node, Readings | Unreadable]] | None:
        """The same readings with the OS's side from the counters; None where none of the nodes has any.

        Raises AwsProblem where nothing can be asked at all.
        """
        counted, is_published = self._os([node for node, _ in silent], span)
        if not is_published:
            return None
        return [(node, _both(carried, counted[node.instance_id])) for node, carried in silent]

    def histories(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, EniHistory | Unreadable]]:
        """EC2's bytes and packets over hours."""
        return self._eni.histories(nodes, span)

    def _os(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> tuple[dict[str, tuple[float | None, ...] | Unreadable], bool]:
        """The OS's rate of each labelled minute by instance id, and whether any node has a counter."""
        known, unknown = _known(nodes)
        times = [
            _Times(span.start, span.end, PERIOD),
            _Times(span.start + MINUTE, span.end - PERIOD + MINUTE, PERIOD),
        ]
        answers = self._counters.read(known, [BYTES], times, DeviceScope.ALL)
        found: dict[str, tuple[float | None, ...] | Unreadable] = {
            node.instance_id: Unreadable(_NO_INSTANCE) for node in unknown
        }
        for key, devices in answers.items():
            if isinstance(devices, AwsProblem):
                found[key] = Unreadable(devices.what)
            else:
                found[key] = _minutes(devices, span, self._classifier)
        for key, why in self._wrong(known, answers, span).items():
            found[key] = Unreadable(why)
        return found, any(devices for devices in answers.values() if not isinstance(devices, AwsProblem))

    def _wrong(
        self, nodes: Sequence[Node], answers: Mapping[str, _Devices | AwsProblem], span: FetchSpan
    ) -> dict[str, str]:
        readable = [node for node in nodes if not isinstance(answers[node.instance_id], AwsProblem)]
        found = {key: devices for key, devices in answers.items() if not isinstance(devices, AwsProblem)}
        wrong: dict[str, str] = {}
        for batch in _batches(readable):
            wrong |= self._counters.wrong(batch, span, found)
        for node in readable:
            devices = found[node.instance_id]
            kinds = {self._classifier.kind(device) for device in devices}
            if devices and DeviceKind.PHYSICAL not in kinds:
                names = listed(sorted(devices))
                wrong[node.instance_id] = f"none of its devices ({names}) has the name of an ENI's"
        return wrong


def _both(
    carried: Readings | Unreadable, counted: tuple[float | None, ...] | Unreadable
) -> Readings | Unreadable:
    if isinstance(carried, Unreadable):
        return carried
    return (
        counted
        if isinstance(counted, Unreadable)
        else replace(carried, os_bytes_per_second=counted, os_source=OsSource.OTEL)
    )


_NO_INSTANCE: Final = "its instance id is none of EC2's, so its counters cannot be asked for"


def _known(nodes: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """The nodes whose ids may be part of a query, and the others: ids of series are anybody's words."""
    known = [node for node in nodes if _INSTANCE_ID.fullmatch(node.instance_id)]
    return known, [node for node in nodes if node not in known]


def _minutes(devices: _Devices, span: FetchSpan, classifier: Classifier) -> tuple[float | None, ...]:
    """The rate of each minute of the span; the minutes between two readings share their average."""
    physical = {name for name in devices if classifier.kind(name) is DeviceKind.PHYSICAL}
    edges = [span.start + number * PERIOD for number in range(span.periods)]
    marks = sorted({*edges, *(edge + MINUTE for edge in edges), span.end})
    rates: list[float | None] = []
    for start, end in pairwise(marks):
        grown = _growth(devices, physical, int(start.timestamp()), int(end.timestamp()))
        rate = None if grown is None else grown / (end - start).total_seconds()
        rates += [rate] * ((end - start) // MINUTE)
    return tuple(rates)


def _growth(devices: _Devices, physical: set[str], start: int, end: int) -> float | None:
    """What all devices counted between two readings; None where an ENI's counter was reset, came or went."""
    total = 0.0
    seen = False
    for name, device in devices.items():
        before, after = device.both(BYTES, start), device.both(BYTES, end)
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

    def __init__(self, promql: PromQL, classifier: Classifier) -> None:
        self._counters = _Counters(promql, classifier)

    def devices(self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope) -> Answers:
        """By instance id, over the span and beyond it on both sides. What cannot be read is said, never
        raised."""
        known, unknown = _known(nodes)
        times = _Times(span.start - 2 * MARGIN, span.end + MARGIN, MINUTE)
        answers: Answers = {
            node.instance_id: MissingEvidence(NoEvidence.STREAM_MISSING, _NO_INSTANCE) for node in unknown
        }
        try:
            found = self._counters.read(known, [BYTES, PACKETS, DROPPED], [times], scope)
        except AwsProblem as problem:
            found = {node.instance_id: problem for node in known}
        for key, devices in found.items():
            answers[key] = (
                _missing(devices) if isinstance(devices, AwsProblem) else _events(devices, times, scope)
            )
        return answers


class _DevicesPort(Protocol):
    def devices(
        self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope
    ) -> Mapping[str, DeviceEvents | MissingEvidence]: ...


class Either:
    """Both ports of one cluster: the classic figures where any of its nodes has one, else the counters.

    Which it is shows with the totals. Where the counters cannot be asked for at all, the cluster is as silent
    as the classic figures say.
    """

    def __init__(self, classic: tuple[Eni, _DevicesPort], otel: tuple[OtelTotals, OtelDevices]) -> None:
        self._classic, self._classic_devices = classic
        self._otel, self._otel_devices = otel
        self.source: OsSource | None = None
        """None until a figure of the OS was seen."""

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings | Unreadable]]:
        """Each node with both sides, as the answers come in once a node has a classic figure."""
        if self.source is OsSource.OTEL:
            yield from self._otel.totals(nodes, span)
            return
        silent: list[tuple[Node, Readings | Unreadable]] = []
        for node, readings in self._classic.totals(nodes, span):
            if self.source is None and _has_os(readings):
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
        """The devices as the source of the totals has them."""
        chosen = self._otel_devices if self.source is OsSource.OTEL else self._classic_devices
        return chosen.devices(nodes, span, scope)

    def _by_counters(
        self, silent: list[tuple[Node, Readings | Unreadable]], span: FetchSpan
    ) -> list[tuple[Node, Readings | Unreadable]]:
        try:
            counted = self._otel.in_place_of(silent, span) if silent else None
        except AwsProblem:
            return silent
        if counted is None:
            return silent
        self.source = OsSource.OTEL
        return counted


def _has_os(readings: Readings | Unreadable) -> bool:
    return isinstance(readings, Readings) and any(rate is not None for rate in readings.os_bytes_per_second)


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
        for before, at in pairwise(minutes)
        if _is_told(device, times.start, before, at)
    ]
    return DeviceEvents(tuple(samples), scope=scope, counter_age=AGE)


def _is_told(device: _Device, start: datetime, before: datetime, at: datetime) -> bool:
    """Whether there is an event of this minute: only the first of all has no reading before it."""
    instants = range(int(start.timestamp()), int(at.timestamp()), 60)
    return device.both(BYTES, int(at.timestamp())) is not None and (
        device.both(BYTES, int(before.timestamp())) is not None
        or all(device.both(BYTES, each) is None for each in instants)
    )


def _sample(name: str, device: _Device, before: datetime, at: datetime) -> DeviceSample:
    """Without rates where a counter was reset, or is read for the first time."""

    def rates(metric: Metric) -> tuple[float | None, float | None]:
        first, last = device.both(metric, int(before.timestamp())), device.both(metric, int(at.timestamp()))
        if first is None or last is None or any(b < a for a, b in zip(first, last, strict=True)):
            return None, None
        seconds = MINUTE.total_seconds()
        return (last[0] - first[0]) / seconds, (last[1] - first[1]) / seconds

    dropped = [rate for rate in rates(DROPPED) if rate is not None]
    return DeviceSample(at, name, *rates(BYTES), *rates(PACKETS), sum(dropped) if dropped else None)
