"""Looks at OpenTelemetry's counters for `enigap doctor`: of a few nodes, and of all over a day.

What cannot be seen is `NotSeen` with the reason, never an error.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil
from typing import Any, Final, TypeVar

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.metrics import CloudWatchTotals
from enigap.aws.otel import (
    AGE,
    ANCHORS,
    BYTES,
    HOST,
    INTERFACE,
    KUBELETS,
    OtelDevices,
    OtelTotals,
    counter_query,
    known_nodes,
    quoted,
)
from enigap.aws.promql import MOST_SERIES, IncompleteAnswer, PromQL, Series
from enigap.core.counting.comparison import EniHistory
from enigap.core.counting.devices import DeviceKind, name_prefixes
from enigap.core.counting.evidence import DeviceEvents, DeviceScope
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import GRID, PERIOD, FetchSpan, Window
from enigap.core.doctor.migration import NodeCompared, compare, span_of_day
from enigap.core.doctor.observed import (
    NOT_ASKED,
    Held,
    Matched,
    NodeSeen,
    NotSeen,
    OtelNode,
    OtelSeen,
)
from enigap.core.text import count

CLUSTER: Final = "@resource.k8s.cluster.name"
WORKLOAD: Final = "@resource.k8s.workload.name"
POD: Final = "@resource.k8s.pod.name"

SAMPLES_PER_NODE: Final = 40_000
"""About how many samples a look at one node scans: with 34 devices, four pods that stand for the node and a
sample every 30 s, the totals of an hour 18,000, the ENI devices of half an hour 8,000, and what is left for
the questions about one instant."""
SAMPLES_PER_DAY: Final = 314_000
"""The same for the totals of a day: 577 instants of 2 samples, both directions."""
NODES_AT_ONCE: Final = 12
"""A day of more would take too much memory: 12 nodes of 34 devices have half a million values."""
_DAYS_UNDER_WAY: Final = 3
SECONDS_FOR_A_DAY: Final = 300.0
"""The most that reading a day of all nodes takes."""
_QUERIES_FOR_A_DAY: Final = 8
"""Of `NODES_AT_ONCE` nodes; more where an answer is too long."""

_WINDOWS: Final = 4
_RANGE: Final = timedelta(seconds=10)
_SECOND: Final = timedelta(seconds=1)

_NO_SERIES: Final = (
    f"no node of the sample has OpenTelemetry counters ({BYTES.received} of cloudwatch-agent); to see more, "
    "switch otelContainerInsights on beside the classic Container Insights"
)

T = TypeVar("T")


class _Counted(PromQL):
    """Counts the answers."""

    def __init__(self, cloudwatch: Any, **more: Any) -> None:
        super().__init__(cloudwatch, **more)
        self.answers: list[None] = []  # threads may append

    def at(self, expression: str, instant: datetime) -> list[Series]:
        found = super().at(expression, instant)
        self.answers.append(None)
        return found

    def between(self, expression: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
        found = super().between(expression, start, end, step)
        self.answers.append(None)
        return found


class _Given:
    """EC2's side, which has been read."""

    def __init__(self, readings: Mapping[str, Readings | Unreadable]) -> None:
        self._readings = readings

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings | Unreadable]]:
        for node in nodes:
            own = self._readings[node.instance_id]
            yield node, own.within(span) if isinstance(own, Readings) else own

    def histories(self, _: Sequence[Node], __: FetchSpan) -> Iterable[tuple[Node, EniHistory | Unreadable]]:
        """None: no more of EC2's side was read than the readings."""
        return ()


# --- a few nodes


def look(
    cloudwatch: Any,
    seen: Sequence[NodeSeen],
    window: Window,
    rules: Rules,
    *,
    sleep: Callable[[float], None],
    out_of_time: Callable[[], bool],
) -> OtelSeen | NotSeen:
    """What there is to see of the counters of some nodes whose readings are known, busiest first."""
    promql = _Counted(cloudwatch, sleep=sleep, out_of_time=out_of_time)
    nodes, _ = known_nodes([each.node for each in seen])
    return _Look(promql, nodes, window, rules).seen(seen) if nodes else NotSeen(_NO_SERIES)


class _Look:
    def __init__(self, promql: _Counted, nodes: Sequence[Node], window: Window, rules: Rules) -> None:
        self._promql, self._nodes, self._window, self._rules = promql, nodes, window, rules
        self._prefixes = name_prefixes(rules.classifier.physical)

    def seen(self, seen: Sequence[NodeSeen]) -> OtelSeen | NotSeen:
        try:
            there = self._there(self._nodes)
            others = 0 if there else self._under_other_ids()
        except AwsProblem as problem:
            if problem.kind is ProblemKind.DENIED:
                return OtelSeen(0, denied=problem.what)
            return NotSeen(f"{problem.what}, so it may know no PromQL here")
        if not there and not others:
            return NotSeen(_NO_SERIES)
        found = [each for each in seen if each.node.instance_id in there]
        nodes = [each.node for each in found]
        of_nodes = self._of_nodes(found, there)
        return OtelSeen(
            nodes=of_nodes,
            under_other_ids=others,
            range_seconds=_RANGE // _SECOND,
            held=_or_not(lambda: self._held(of_nodes)),
            ranges=_or_not(lambda: self._ranges(nodes)),
            by_pattern=_or_not(lambda: self._by_pattern(nodes, there)),
            long_answer=_or_not(lambda: self._long_answer(nodes)),
            queries=len(self._promql.answers),
        )

    def _there(self, nodes: Sequence[Node], *, exactly: bool = False) -> dict[str, dict[str, int]]:
        """By instance id: the names of the cluster in the pods' series, with the number of series."""
        labels = (HOST, CLUSTER, WORKLOAD)
        query = _query("count", labels, BYTES.received, _hosts(nodes, exactly=exactly), _of_anchors())
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for labels_of, value in self._at(query):
            found[labels_of.get(HOST, "")][labels_of.get(CLUSTER, "")] += int(value)
        return {key: dict(of) for key, of in found.items()}

    def _under_other_ids(self) -> int:
        clusters = list(dict.fromkeys(node.insights_cluster for node in self._nodes))
        others = f'"{HOST}"!~"i-[0-9a-f]{{8,17}}"'
        queries = [
            _query("count", (), BYTES.received, f'"{CLUSTER}"={quoted(name)}', others, _of_anchors())
            for name in clusters
        ]
        return sum(int(value) for query in queries for _, value in self._at(query))

    def _of_nodes(
        self, seen: Sequence[NodeSeen], there: Mapping[str, Mapping[str, int]]
    ) -> dict[str, OtelNode]:
        nodes = [each.node for each in seen]
        anchors = _or_not(lambda: self._anchors(nodes))
        readings = _or_not(lambda: self._readings(seen))
        devices = OtelDevices(self._promql, self._rules.classifier)
        events = devices.devices(nodes, FetchSpan.of(self._window, 1), DeviceScope.ENI) if nodes else {}
        of_kubelet = _or_not(lambda: self._grown(nodes, of_kubelet=True))
        asks = not isinstance(of_kubelet, NotSeen) and bool(of_kubelet)
        grown = _or_not(lambda: self._grown(nodes, of_kubelet=False)) if asks else NOT_ASKED
        found = {}
        for node in nodes:
            key, own = node.instance_id, events[node.instance_id]
            found[key] = OtelNode(
                frozenset(there[key]),
                {} if isinstance(anchors, NotSeen) else anchors.get(key, {}),
                _of(readings, key),
                own if isinstance(own, DeviceEvents) else NotSeen(own.detail),
                grown if isinstance(grown, NotSeen) else grown.get(key, {}),
                of_kubelet if isinstance(of_kubelet, NotSeen) else of_kubelet.get(key, {}),
            )
        return found

    def _readings(self, seen: Sequence[NodeSeen]) -> dict[str, Readings | Unreadable]:
        given = {
            each.node.instance_id: each.readings
            if isinstance(each.readings, Readings)
            else Unreadable(each.readings.why)
            for each in seen
        }
        totals = OtelTotals(self._promql, _Given(given), self._rules.classifier)
        span = FetchSpan.of(self._window, _WINDOWS)
        nodes = [each.node for each in seen]
        return {node.instance_id: readings for node, readings in totals.totals(nodes, span)}

    def _anchors(self, nodes: Sequence[Node]) -> dict[str, dict[str, dict[str, float]]]:
        query = _query(
            "max",
            (HOST, WORKLOAD, INTERFACE),
            BYTES.received,
            _hosts(nodes),
            _of_anchors(),
            self._named_as_enis(),
        )
        found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        for labels, value in self._at(query):
            device = labels.get(INTERFACE, "")
            if self._rules.classifier.kind(device) is DeviceKind.PHYSICAL:
                found[labels.get(HOST, "")][labels.get(WORKLOAD, "")][device] = value
        return {key: dict(of) for key, of in found.items()}

    def _named_as_enis(self) -> str:
        names = "|".join(map(re.escape, self._prefixes or ()))
        return f"{INTERFACE}=~{quoted(f'({names}).*')}" if names else f'{INTERFACE}!=""'

    def _grown(self, nodes: Sequence[Node], *, of_kubelet: bool) -> dict[str, dict[str, float]]:
        """By instance id and device: what the counters grew by in the newest settled window."""
        found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        if of_kubelet:
            queries = [_query("max", (HOST, INTERFACE, "direction"), KUBELETS, _hosts(nodes))]
        else:
            queries = [_query("max", (HOST, INTERFACE), name, _hosts(nodes), _of_anchors()) for name in BYTES]
        start, end = self._window.start, self._window.end
        for query in queries:
            for series in _whole(self._promql.between(query, start, end, GRID)):
                if len(series.values) == 2:
                    before, after = (series.values[at] for at in sorted(series.values))
                    found[series.labels.get(HOST, "")][series.labels.get(INTERFACE, "")] += after - before
        return {key: dict(of) for key, of in found.items()}

    def _held(self, nodes: Mapping[str, OtelNode]) -> tuple[Held, ...] | NotSeen:
        """One device of one node, asked for at each second: its counter as each pod has it."""
        several = sorted(nodes, key=lambda key: -len(nodes[key].anchors))
        host = several[0] if several else ""
        devices = sorted({name for of in nodes[host].anchors.values() for name in of}) if host else []
        if not devices:
            return NotSeen("no node of the sample has counters of an ENI device")
        query = _query(
            "max",
            (WORKLOAD,),
            BYTES.received,
            f'"{HOST}"="{host}"',
            _of_anchors(),
            f"{INTERFACE}={quoted(devices[0])}",
            over=_RANGE,
        )
        start, end = self._window.end - PERIOD, self._window.end
        found = []
        for series in _whole(self._promql.between(query, start, end, _SECOND)):
            runs = [
                run
                for run in _runs(sorted(series.values))
                if run[0] > start.timestamp() and run[-1] < end.timestamp()
            ]
            seconds = tuple(run[0] for run in runs)
            found.append(Held(series.labels.get(WORKLOAD, ""), seconds, tuple(map(len, runs))))
        return tuple(found)

    def _ranges(self, nodes: Sequence[Node]) -> Matched:
        """The ENI devices' counters at the end of the window, asked for in both ways."""
        some = [each for each in nodes if each.insights_cluster == nodes[0].insights_cluster] if nodes else []
        if not some:
            return Matched(0, 0)
        ids = [each.instance_id for each in some]
        query = counter_query(BYTES.received, some[0].insights_cluster, ids, self._prefixes)
        at = int(self._window.end.timestamp())
        one = {_key(each): each.values.get(at) for each in _whole(self._promql.at(query, self._window.end))}
        ranges = _whole(self._promql.between(query, self._window.end - 2 * PERIOD, self._window.end, PERIOD))
        other = {_key(each): each.values[at] for each in ranges if at in each.values}
        return Matched(sum(other.get(key) == value for key, value in one.items()), len(one | other))

    def _by_pattern(self, nodes: Sequence[Node], there: Mapping[str, Mapping[str, int]]) -> Matched:
        if not nodes:
            return Matched(0, 0)
        exact = self._there(nodes[:1], exactly=True)
        own = nodes[0].instance_id
        return Matched(sum(there[own].values()), sum(exact.get(own, {}).values()))

    def _long_answer(self, nodes: Sequence[Node]) -> Matched | NotSeen:
        """A question about more series than an answer may have."""
        every_pod = _query("max", (HOST, POD, INTERFACE), BYTES.received, _hosts(nodes))
        [(_, number)] = list(self._at(f"count({every_pod})")) or [({}, 0.0)]
        if number < MOST_SERIES:
            return NotSeen(
                f"the sample's pods have {number:.0f} series, and only an answer of more than {MOST_SERIES} "
                "is cut"
            )
        try:
            return Matched(len(self._promql.at(every_pod, self._window.end)), int(number))
        except IncompleteAnswer:
            return Matched(0, int(number))

    def _at(self, query: str) -> Iterator[tuple[Mapping[str, str], float]]:
        for series in _whole(self._promql.at(query, self._window.end)):
            for value in series.values.values():
                yield series.labels, value


def _query(aggregate: str, by: Sequence[str], metric: str, *matchers: str, over: timedelta = AGE) -> str:
    """The newest value of the seconds before an instant, of the series that match."""
    selector = ",".join((f'__name__="{metric}"', *filter(None, matchers)))
    grouped = f" by ({', '.join(_label(each) for each in by)}) " if by else " "
    return f"{aggregate}{grouped}(last_over_time({{{selector}}}[{over // _SECOND}s]))"


def _label(name: str) -> str:
    return f'"{name}"' if name.startswith("@") else name


def _hosts(nodes: Sequence[Node], *, exactly: bool = False) -> str:
    ids = "|".join(node.instance_id for node in nodes)
    return f'"{HOST}"{"=" if exactly else "=~"}"{ids}"'


def _of_anchors() -> str:
    return f'"{WORKLOAD}"=~"{"|".join(ANCHORS)}"'


def _whole(answer: list[Series]) -> list[Series]:
    """Raises AwsProblem where one of the series makes no sense: the others would be taken for all."""
    if all(series.makes_sense for series in answer):
        return answer
    what = "CloudWatch's answer by PromQL has a series that makes no sense"
    raise AwsProblem(ProblemKind.FAILED, what, "run it again, and check the proxy")


def _key(series: Series) -> tuple[str, str]:
    return series.labels.get(HOST, ""), series.labels.get(INTERFACE, "")


def _runs(seconds: Sequence[int]) -> list[list[int]]:
    """Seconds that follow each other, together."""
    return [
        [second for _, second in group]
        for _, group in groupby(enumerate(seconds), key=lambda each: each[1] - each[0])
    ]


def _or_not(read: Callable[[], T | NotSeen]) -> T | NotSeen:
    try:
        return read()
    except AwsProblem as problem:
        return NotSeen(problem.what)


def _of(readings: Mapping[str, Readings | Unreadable] | NotSeen, key: str) -> Readings | NotSeen:
    if isinstance(readings, NotSeen):
        return readings
    own = readings[key]
    return NotSeen(own.why) if isinstance(own, Unreadable) else own


# --- all nodes over a day


def requests_for_a_day(nodes: int) -> tuple[int, int]:
    """About how many calls of GetMetricData and queries by PromQL a day of so many nodes takes."""
    parts = ceil(nodes / NODES_AT_ONCE)
    return parts, _QUERIES_FOR_A_DAY * parts


def day_of_all(  # noqa: PLR0917 - an account's nodes, and how long they may take
    aws: Aws,
    nodes: Sequence[Node],
    newest: Window,
    rules: Rules,
    say: Callable[[str], None],
    out_of_time: Callable[[], bool],
) -> Iterator[NodeCompared]:
    """Each node by both sources over the day that ends with a window.

    Raises AwsProblem where EC2's side cannot be asked for at all.
    """
    cloudwatch = aws.client("cloudwatch")
    totals = CloudWatchTotals(cloudwatch, out_of_time=out_of_time)
    promql = PromQL(cloudwatch, sleep=aws.sleep, out_of_time=out_of_time)
    span = span_of_day(newest, rules)

    def read(some: Sequence[Node]) -> list[NodeCompared]:
        classic = totals.read(some, span)
        otel: dict[str, Readings | Unreadable]
        try:
            of_counters = OtelTotals(promql, _Given(classic), rules.classifier).totals(some, span)
            otel = {node.instance_id: readings for node, readings in of_counters}
        except AwsProblem as problem:
            otel = {node.instance_id: Unreadable(problem.what) for node in some}
        return [compare(n, classic[n.instance_id], otel[n.instance_id], newest, rules) for n in some]

    parts = [nodes[first : first + NODES_AT_ONCE] for first in range(0, len(nodes), NODES_AT_ONCE)]
    done = 0
    with ThreadPoolExecutor(_DAYS_UNDER_WAY) as pool:
        for found in pool.map(read, parts):
            done += len(found)
            say(f"read a day of {done:,} of {count(len(nodes), 'node')}")
            yield from found
