"""Both sides' totals: GetMetricData, packed into as few calls as can be and billed once a metric.

A node costs four queries (OS, NetworkIn's Sum and SampleCount, NetworkOut), three without a series of its
own. They travel in one call: Sum and SampleCount of one metric are billed as one only side by side. So N
nodes take ceil(4N / 500) calls and bill 3N metrics.

Every asked node is answered. CloudWatch says in five places that it did not answer (an error, a status, a
message, a page that never comes, an id left out), and each makes only the nodes it concerns `Unreadable`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from enigap.aws.clients import METRIC_CALLS_UNDER_WAY
from enigap.aws.errors import MAKES_NO_SENSE, AwsProblem, ProblemKind, one_line
from enigap.aws.iam import Statement
from enigap.aws.pace import Pace
from enigap.aws.pages import items, pages
from enigap.core.counting.bypass import EfaTraffic
from enigap.core.counting.comparison import Carried, EniHistory
from enigap.core.counting.meters import CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION, Quantity
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.window import PERIOD, FetchSpan

ACTIONS: Final = (Statement(("cloudwatch:GetMetricData",)),)

T = TypeVar("T")

QUERIES_PER_CALL: Final = 500
DATAPOINTS_PER_SECOND: Final = 180_000
"""AWS's quota, not adjustable: range divided by period, summed over the queries, whether or not there is
data. It is 396,000 for ranges that start more than three hours ago."""


class CloudWatch(Protocol):
    """What reading metrics needs of boto3's CloudWatch client."""

    def get_metric_data(self, **request: Any) -> dict[str, Any]: ...


class CloudWatchTotals:
    """Reads nodes' totals, several calls at a time.

    `out_of_time` is asked before each call; from when it says yes nothing more is fetched. Memory is that
    of a few calls' answers, however many nodes there are.
    """

    def __init__(
        self,
        cloudwatch: CloudWatch,
        *,
        parallelism: int = METRIC_CALLS_UNDER_WAY,
        queries_per_call: int = QUERIES_PER_CALL,
        pace: Pace | None = None,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        if not 4 <= queries_per_call <= QUERIES_PER_CALL:
            raise ValueError(f"a call takes 4 to {QUERIES_PER_CALL} queries, not {queries_per_call}")
        self._cloudwatch = cloudwatch
        self._parallelism = parallelism
        self._queries_per_call = queries_per_call
        self._pace = pace or Pace(DATAPOINTS_PER_SECOND)
        self._out_of_time = out_of_time

    def totals(
        self, nodes: Iterable[Node], span: FetchSpan
    ) -> Generator[tuple[Node, Readings | Unreadable], None, None]:
        """Each node with what CloudWatch says about it, in the order given, as the answers come in.

        Raises AwsProblem if the very first answer is one that every call would get, such as a denial; once
        anything could be read, what cannot be is Unreadable.
        """
        yield from self._each(nodes, span, _TOTALS)

    def histories(
        self, nodes: Iterable[Node], span: FetchSpan
    ) -> Generator[tuple[Node, EniHistory | Unreadable], None, None]:
        """Each node with EC2's bytes and packets over a span of hours, as `totals` has both sides.

        Bills four metrics a node. What cannot be read is Unreadable, and no error: the totals have been read.
        """
        yield from self._each(nodes, span, _HISTORY, something_was_read=True)

    def efa(self, nodes: Iterable[Node], span: FetchSpan) -> dict[str, EfaTraffic]:
        """What EFA devices carried, by instance id, of nodes that report any of it.

        Bills five metrics a node. From a period before the span to one after it. What cannot be read is left
        out, and no error.
        """
        wider = FetchSpan(span.start - PERIOD, span.end + PERIOD)
        answers = self._each((n for n in nodes if n.has_series), wider, _EFA, something_was_read=True)
        return {
            node.instance_id: traffic
            for node, traffic in answers
            if isinstance(traffic, EfaTraffic) and traffic.is_known
        }

    def series(
        self, node: Node, quantities: tuple[Quantity, ...], span: FetchSpan
    ) -> Mapping[Quantity, tuple[float | None, ...]] | Unreadable:
        """Any quantities of one node, a value or None for each of their periods. No error is raised."""
        question: _Question[_Series] = _Question(lambda _: quantities, lambda series, _: series)
        return next(found for _, found in self._each([node], span, question, something_was_read=True))

    def read(self, nodes: Iterable[Node], span: FetchSpan) -> dict[str, Readings | Unreadable]:
        """`totals` by instance id, all at once."""
        return {node.instance_id: readings for node, readings in self.totals(nodes, span)}

    def _each(
        self,
        nodes: Iterable[Node],
        span: FetchSpan,
        question: _Question[T],
        *,
        something_was_read: bool = False,
    ) -> Generator[tuple[Node, T | Unreadable], None, None]:
        with ThreadPoolExecutor(self._parallelism) as pool:
            for batch, answer in self._in_turn(pool, nodes, span, question):
                try:
                    readings: Sequence[T | Unreadable] = answer.result()
                    something_was_read = True
                except AwsProblem as problem:
                    if problem.concerns_every_call and not something_was_read:
                        pool.shutdown(wait=False, cancel_futures=True)
                        raise
                    readings = [Unreadable(problem.what)] * len(batch)
                yield from zip(batch, readings, strict=True)

    def _in_turn(
        self, pool: ThreadPoolExecutor, nodes: Iterable[Node], span: FetchSpan, question: _Question[T]
    ) -> Iterator[tuple[list[Node], Future[list[T | Unreadable]]]]:
        """The batches with their answers, in order: one under way for each thread, and one that waits."""
        under_way: deque[tuple[list[Node], Future[list[T | Unreadable]]]] = deque()
        for batch in _batches(nodes, self._queries_per_call, question):
            under_way.append((batch, pool.submit(self._fetch, batch, span, question)))
            if len(under_way) > self._parallelism:
                yield under_way.popleft()
        yield from under_way

    def _fetch(self, batch: Sequence[Node], span: FetchSpan, question: _Question[T]) -> list[T | Unreadable]:
        """One answer for each node of a batch. Raises AwsProblem if not even a first page came."""
        queries = _queries(batch, span, question)
        answers = self._ask(queries, span)
        again = {key: query for key, query in queries.items() if answers[key].status == _INTERNAL_ERROR}
        if again:
            try:
                answers |= self._ask(again, span)
            except AwsProblem as problem:
                answers |= {key: _cut_short(problem) for key in again}
        by_node: list[dict[Quantity, _Answer]] = [{} for _ in batch]
        for key, query in queries.items():
            by_node[query.position][query.reading] = answers[key]
        return [question.answer(own, span) for own in by_node]

    def _ask(self, queries: Mapping[str, _Query], span: FetchSpan) -> dict[str, _Answer]:
        """Every page of one request: an answer for each query. Raises AwsProblem if there is no first
        page.
        """
        request: dict[str, Any] = {
            "MetricDataQueries": [query.request for query in queries.values()],
            "StartTime": span.start,
            "EndTime": span.end,
        }
        answers: dict[str, _Answer] = {}
        remarks: list[str] = []
        failure: _Answer | None = None

        def read(page: Mapping[str, Any]) -> None:
            remarks.extend(_texts(page.get("Messages")))
            for result in items(page, "MetricDataResults"):
                if result["Id"] in queries:
                    answers.setdefault(result["Id"], _Answer()).add(result)

        read_pages = 0
        action = "cloudwatch:GetMetricData"
        call = partial(self._call, sum(query.datapoints for query in queries.values()))
        try:
            for _ in pages(action, self._cloudwatch, call, request, read):
                read_pages += 1
        except AwsProblem as problem:
            if not read_pages:
                raise
            failure = _cut_short(problem)
        for key in queries:
            answer = answers.setdefault(key, _Answer())
            answer.remarks += remarks
            if failure is not None and answer.status != _COMPLETE:
                answers[key] = failure
        return answers

    def _call(self, datapoints: int, **request: Any) -> dict[str, Any]:
        if self._out_of_time():
            raise AwsProblem(
                ProblemKind.OUT_OF_TIME,
                "Time ran out before CloudWatch could be asked",
                "allow more time, or look at fewer clusters at once",
            )
        self._pace.wait(datapoints)
        return self._cloudwatch.get_metric_data(**request)


# --- queries ---

_BY_SERIES: Final = (Quantity.OS, Quantity.ENI_IN, Quantity.ENI_IN_SAMPLES, Quantity.ENI_OUT)
_BY_INSTANCE: Final = _BY_SERIES[1:]
_OF_HOURS: Final = (*_BY_INSTANCE, Quantity.ENI_PACKETS_IN, Quantity.ENI_PACKETS_OUT)
_OF_EFA: Final = (
    Quantity.EFA_RECEIVED,
    Quantity.EFA_SENT,
    Quantity.EFA_READ,
    Quantity.EFA_WRITTEN,
    Quantity.EFA_WRITTEN_HERE,
)


class _Query(NamedTuple):
    """One of a call's queries, and whose reading it is."""

    position: int
    """The node's index in its batch."""
    reading: Quantity
    datapoints: int
    request: dict[str, Any]


def _readings_of(node: Node) -> tuple[Quantity, ...]:
    return _BY_SERIES if node.has_series else _BY_INSTANCE


def _batches(nodes: Iterable[Node], queries_per_call: int, question: _Question[Any]) -> Iterator[list[Node]]:
    """The nodes in batches whose queries fit into a call. A node's queries are never torn apart."""
    batch: list[Node] = []
    room = queries_per_call
    for node in nodes:
        needed = len(question.quantities(node))
        if needed > room:
            yield batch
            batch, room = [], queries_per_call
        batch.append(node)
        room -= needed
    if batch:
        yield batch


def _queries(batch: Sequence[Node], span: FetchSpan, question: _Question[Any]) -> dict[str, _Query]:
    datapoints = {reading: (span.end - span.start) // reading.value.period for reading in Quantity}
    queries: dict[str, _Query] = {}
    for position, node in enumerate(batch):
        values = {
            CLUSTER_DIMENSION: node.insights_cluster,
            INSTANCE_DIMENSION: node.instance_id,
            NODE_DIMENSION: node.node_name,
        }
        for reading in question.quantities(node):
            meter, key = reading.value, f"q{len(queries)}"
            queries[key] = _Query(
                position,
                reading,
                datapoints[reading],
                {
                    "Id": key,
                    "MetricStat": {
                        "Metric": {
                            "Namespace": meter.namespace,
                            "MetricName": meter.metric,
                            "Dimensions": [
                                {"Name": name, "Value": values[name]} for name in meter.dimensions
                            ],
                        },
                        "Period": int(meter.period.total_seconds()),
                        "Stat": meter.statistic,
                    },
                },
            )
    return queries


# --- answers ---

_COMPLETE: Final = "Complete"
_INTERNAL_ERROR: Final = "InternalError"
_CUT_SHORT: Final = "cut short"  # ours, not CloudWatch's
_LEFT_OUT: Final = "left out"  # ours as well


class _Answer:
    """What CloudWatch said to one query, over all pages: its status is that of the last one."""

    __slots__ = ("at", "remarks", "status", "values")

    def __init__(self, *, status: str = _LEFT_OUT, remarks: Sequence[str] = ()) -> None:
        self.at: list[Any] = []
        self.values: list[Any] = []
        self.status = status
        self.remarks = list(remarks)

    def add(self, result: Mapping[str, Any]) -> None:
        # What is missing or no list counts as one value that is no number: it spoils this series alone.
        for into, name in ((self.at, "Timestamps"), (self.values, "Values")):
            given = result.get(name)
            into.extend(given if isinstance(given, list) else [given])
        self.status = str(result.get("StatusCode"))
        self.remarks += _texts(result.get("Messages"))

    def failure(self, reading: Quantity) -> str | None:
        """In words, why there is nothing to rely on; None if there is."""
        metric, remarks = reading.value.metric, "; ".join(self.remarks)
        if self.status == _CUT_SHORT:
            return remarks
        if self.status == _COMPLETE:
            if self.values or not remarks:
                return None
            # An empty answer is silence only where no remark says otherwise.
            return f"CloudWatch found no {metric} and remarked: {remarks}"
        what = _FAILURES.get(self.status, f"CloudWatch answered {one_line(self.status)!r} about")
        return f"{what} {metric}" + (f" ({remarks})" if remarks else "")

    def series(self, reading: Quantity, span: FetchSpan) -> tuple[float | None, ...]:
        """A value for each period of the span. Raises one of `MAKES_NO_SENSE` for nonsense."""
        period = int(reading.value.period.total_seconds())
        newest_first = _seconds_newest_first(span, period)
        whole = self.at == newest_first and len(self.values) == len(self.at)
        if whole and _NUMBERS.issuperset(map(type, self.values)):
            # Nearly every series is whole, and then one comparison places all its values at once.
            return tuple(map(float, self.values[::-1]))
        start, at = span.start.timestamp(), self.at
        if at and isinstance(at[0], datetime):
            at = [instant.timestamp() for instant in at]
        if not _NUMBERS.issuperset(map(type, self.values)):
            raise TypeError("values that are no numbers")
        series: list[float | None] = [None] * len(newest_first)
        outside = 0
        for second, value in zip(at, self.values, strict=True):
            index = int((second - start) // period)
            if 0 <= index < len(series):
                series[index] = float(value)
            else:
                outside += 1
        if at and outside == len(at):
            raise ValueError("no value is of the time that was asked for")
        return tuple(series)


@lru_cache(maxsize=8)
def _seconds_newest_first(span: FetchSpan, period: int) -> list[float]:
    """The timestamps of a series without a gap, as CloudWatch orders them unless told otherwise."""
    start, end = span.start.timestamp(), span.end.timestamp()
    return [start + number * period for number in reversed(range(int(end - start) // period))]


_NUMBERS: Final[frozenset[type]] = frozenset({float, int})  # a bool's type is neither

# Each is followed by the metric's name.
_FAILURES: Final = {
    "PartialData": "CloudWatch returned only a part of",
    _INTERNAL_ERROR: "CloudWatch twice had an internal error reading",
    "Forbidden": "CloudWatch forbids reading",
    _LEFT_OUT: "CloudWatch's answer leaves out",
}


def _cut_short(problem: AwsProblem) -> _Answer:
    return _Answer(status=_CUT_SHORT, remarks=[problem.what])


def _texts(messages: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Raises one of `MAKES_NO_SENSE` for what are no messages."""
    return [one_line(str(message.get("Value") or message.get("Code"))) for message in messages or ()]


_Series = Mapping[Quantity, tuple[float | None, ...]]


def _readings(series: _Series, span: FetchSpan) -> Readings:
    return Readings(
        span,
        os_bytes_per_second=series.get(Quantity.OS, (None,) * span.minutes),
        network_in_bytes=series[Quantity.ENI_IN],
        network_out_bytes=series[Quantity.ENI_OUT],
        network_in_samples=series[Quantity.ENI_IN_SAMPLES],
    )


def _history(series: _Series, span: FetchSpan) -> EniHistory:
    return EniHistory.of_whole_periods(
        span.start,
        samples=series[Quantity.ENI_IN_SAMPLES],
        received=Carried(series[Quantity.ENI_IN], series[Quantity.ENI_PACKETS_IN]),
        sent=Carried(series[Quantity.ENI_OUT], series[Quantity.ENI_PACKETS_OUT]),
    )


def _efa_traffic(series: _Series, span: FetchSpan) -> EfaTraffic:
    of = [series[quantity] for quantity in _OF_EFA]
    return EfaTraffic(span.start, *(tuple(rates) for rates in zip(*map(_efa_rates, *of), strict=True)))


def _efa_rates(*rates: float | None) -> tuple[float | None, float | None]:
    """Received and sent bytes per second of one period; None where it is not known how much.

    An agent reports all five or, before it knew of RDMA writes, some of them.
    """
    received, sent, read, written, written_here = rates
    if received is None or sent is None:
        return None, None
    # What others read of this node's memory leaves it, too, and is in no metric.
    is_read = bool(read)
    return (
        received + (read or 0.0) + (written_here or 0.0),
        None if is_read else sent + (written or 0.0),
    )


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    """What is asked about a node, and what the answers come to."""

    quantities: Callable[[Node], tuple[Quantity, ...]]
    put_together: Callable[[_Series, FetchSpan], T]

    def answer(self, answers: Mapping[Quantity, _Answer], span: FetchSpan) -> T | Unreadable:
        """One node's answers put together; one bad answer spoils the node and no other."""
        series: dict[Quantity, tuple[float | None, ...]] = {}
        for reading, answer in answers.items():
            failure = answer.failure(reading)
            if failure:
                return Unreadable(failure)
            try:
                series[reading] = answer.series(reading, span)
            except MAKES_NO_SENSE:
                return Unreadable(f"CloudWatch's answer about {reading.value.metric} makes no sense")
        return self.put_together(series, span)


_TOTALS: Final = _Question(_readings_of, _readings)
_HISTORY: Final = _Question(lambda _: _OF_HOURS, _history)
_EFA: Final = _Question(lambda _: _OF_EFA, _efa_traffic)
