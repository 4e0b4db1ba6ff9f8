"""The per-device evidence of many nodes at once: aggregated queries of Logs Insights, and when they are used.

A query adds up the devices of each kind, for each node and **each sample**. What comes back are device
samples at their exact times, as `device_events` reads them, with one name for all devices of a kind
(`NAME_OF_ALL`); a device of no known kind keeps its own. Nothing is added up over time: no sum of rates
bounds the bytes of a period unless it is known over which intervals each held. So there are a handful of rows
for each node and minute, instead of an event for each device, and some 150 nodes fit into one query.

All devices of a node are sampled at the same instant, so the bounds on a sum are the sums of the bounds. A
sample counts as missing where that is not so:

* a device had no rate (its counter was reset);
* a physical device is missing that the node has at other times;
* an event came more than once, unless all of them came equally often.

Queries name the log streams of suspects. Logs Insights has an index of these by default, so it scans no
others; and a budget that does not reach everybody reaches the largest suspects.

Sources: the user guide's pages on Logs Insights QL (`parse`, `stats`, `coalesce`, `ispresent`,
`count_distinct`, `sortsFirst`) and on field indexes; the SDK's model for the limits and states of queries. No
emulator runs them, so they are tested against answers of the documented form.
"""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol

from enigap.aws import device_events
from enigap.aws.device_events import MARGIN, cannot_be_asked, log_group, spent
from enigap.aws.errors import AwsProblem, ProblemKind, calling
from enigap.aws.iam import Statement
from enigap.core.counting.devices import NAME_OF_ALL, Classifier, DeviceKind
from enigap.core.counting.evidence import DeviceEvents, DeviceSample, MissingEvidence, NoEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.window import FetchSpan
from enigap.core.evidence_plan import (
    QUERIES_AT_A_TIME,
    SCANNED_BYTES_PER_RUN,
    Means,
    Way,
    plan,
    scanned_bytes,
    streams_in,
)

ACTIONS: Final = (
    Statement(("logs:StartQuery",), device_events.ACTIONS[0].resources),
    # A query has no ARN to allow it by.
    Statement(("logs:GetQueryResults", "logs:StopQuery")),
)

QUERY_CHARACTERS: Final = 10_000
ROWS_PER_PAGE: Final = 10_000
ROWS_PER_QUERY: Final = 100_000
PAUSE_SECONDS: Final = 1.0
"""Between two looks at a query that runs."""
PATIENCE_SECONDS: Final = 120.0
"""How long a query may run."""

Answers = dict[str, DeviceEvents | MissingEvidence]
Row = Mapping[str, str]


class Queries(Protocol):
    """What querying needs of boto3's CloudWatch Logs client."""

    def start_query(self, **request: Any) -> dict[str, Any]: ...
    def get_query_results(self, **request: Any) -> dict[str, Any]: ...
    def stop_query(self, **request: Any) -> dict[str, Any]: ...


class Devices(Protocol):
    """Somebody who reads suspects' devices."""

    def devices(self, suspects: Sequence[Node], span: FetchSpan) -> Answers: ...


class PlannedDevices:
    """Suspects' devices, read the way that reaches most of them (`evidence_plan`).

    What queries leave open, because they fail, are denied or would cost too much, is read stream by stream
    after all, as far as that goes.
    """

    def __init__(self, streams: Devices, queries: Devices, seconds_left: Callable[[], float]) -> None:
        self._streams, self._queries, self._seconds_left = streams, queries, seconds_left

    def devices(self, suspects: Sequence[Node], span: FetchSpan) -> Answers:
        """Each suspect's events, or why there are none, by instance id. The budget goes to the first ones."""
        planned = plan(len(suspects), Means(self._seconds_left()), _duration(span))
        if planned.way is Way.STREAMS:
            return self._streams.devices(suspects, span)
        answers = self._queries.devices(suspects[: planned.nodes], span)
        beyond = spent(f"time and budget reach the devices of {planned.nodes} nodes")
        answers |= {node.instance_id: beyond for node in suspects[planned.nodes :]}
        left = [node for node in suspects if isinstance(answers[node.instance_id], MissingEvidence)]
        return answers | self._streams.devices(left[: streams_in(self._seconds_left())], span)


def _duration(span: FetchSpan) -> timedelta:
    return span.end - span.start + 2 * MARGIN


@dataclass(slots=True)
class Scanned:
    """What queries have come to so far."""

    queries: int = 0
    nodes: int = 0
    rows: int = 0
    bytes: float = 0.0
    """By the statistics of queries that have ended; they are billed by it."""


class QueriedDevices:
    """Reads suspects' devices with aggregated queries. What cannot be read is said, never raised.

    `scanned` grows as it reads.
    """

    def __init__(
        self,
        logs: Queries,
        classifier: Classifier,
        *,
        parallelism: int = QUERIES_AT_A_TIME,
        most_bytes: float = SCANNED_BYTES_PER_RUN,
        out_of_time: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.scanned = Scanned()
        self._logs, self._classifier = logs, classifier
        self._parallelism, self._most_bytes = parallelism, most_bytes
        self._out_of_time, self._clock, self._sleep = out_of_time, clock, sleep
        self._lock = Lock()
        self._bytes_under_way = 0.0

    def devices(self, suspects: Sequence[Node], span: FetchSpan) -> Answers:
        """The samples of each suspect over the span and `MARGIN` on both sides, by instance id.

        A cluster's first query goes alone. It tells whether there is a log group, whether it may be queried,
        and how much there is to scan; where it fails, no other is made.
        """
        answers: Answers = {}
        of_cluster: dict[str, list[Node]] = defaultdict(list)
        for node in suspects:
            refusal = cannot_be_asked(node) or _cannot_be_quoted(node)
            if refusal is None:
                of_cluster[node.cluster].append(node)
            else:
                answers[node.instance_id] = refusal
        with ThreadPoolExecutor(self._parallelism) as pool:
            for nodes in of_cluster.values():
                first, *others = batches(nodes, self._classifier)
                found = self._read(first, span)
                answers |= found
                failure = found[first[0].instance_id]
                if isinstance(failure, MissingEvidence):
                    answers |= {node.instance_id: failure for batch in others for node in batch}
                    continue
                for found in pool.map(self._read, others, [span] * len(others)):
                    answers |= found
        return answers

    def _read(self, batch: Sequence[Node], span: FetchSpan) -> Answers:
        """What one query says about its nodes; two queries where its rows may have been cut off."""
        found = Found(batch, self._classifier)
        try:
            for page in self._pages(batch, span):
                found.add(page)
        except _UnansweredError as unanswered:
            return {node.instance_id: unanswered.missing for node in batch}
        with self._lock:
            self.scanned.rows += found.rows
        if found.rows < ROWS_PER_QUERY:
            return found.events()
        if len(batch) == 1:
            return {batch[0].instance_id: spent("its devices fill more rows than a query returns")}
        half = len(batch) // 2
        return self._read(batch[:half], span) | self._read(batch[half:], span)

    def _pages(self, batch: Sequence[Node], span: FetchSpan) -> Iterator[Mapping[str, Any]]:
        """The pages of one query's answer. Raises _UnansweredError."""
        group = log_group(batch[0].cluster)
        request = {
            "logGroupName": group,
            "startTime": _epoch_second(span.start - MARGIN),
            "endTime": _epoch_second(span.end + MARGIN),
            "queryString": query(batch, self._classifier),
            "limit": ROWS_PER_QUERY,
        }
        with self._within_budget(len(batch), _duration(span)) as statistics, _explained(group):
            with calling("logs:StartQuery", self._logs):
                query_id = self._logs.start_query(**request)["queryId"]
            page = self._ended(query_id, statistics)
            yield page
            while page.get("nextToken"):
                page = self._results(query_id, nextToken=page["nextToken"])
                yield page

    @contextmanager
    def _within_budget(self, nodes: int, duration: timedelta) -> Iterator[dict[str, float]]:
        """Account for a query about so many nodes; its statistics go into what this yields. Raises
        _UnansweredError where it would be one too many.
        """
        if self._out_of_time():
            raise _UnansweredError(spent("time ran out before its device events could be queried"))
        with self._lock:
            so_far = self.scanned
            each = so_far.bytes / so_far.nodes if so_far.nodes else scanned_bytes(1, duration)
            expected = nodes * each
            if so_far.bytes + self._bytes_under_way + expected > self._most_bytes:
                raise _UnansweredError(
                    spent(f"queries may scan {self._most_bytes / 1e9:,.0f} GB a run, and this would be more")
                )
            self._bytes_under_way += expected
        statistics: dict[str, float] = {}
        try:
            yield statistics
        finally:
            with self._lock:
                self._bytes_under_way -= expected
                so_far.queries += 1
                so_far.nodes += nodes if statistics else 0
                so_far.bytes += statistics.get("bytesScanned", 0.0)

    def _ended(self, query_id: str, statistics: dict[str, float]) -> Mapping[str, Any]:
        """The first page of a query's answer, once it is complete. Raises _UnansweredError or AwsProblem."""
        impatient_at = self._clock() + PATIENCE_SECONDS
        while True:
            page = self._results(query_id)
            statistics |= page.get("statistics") or {}
            if page.get("status") == _COMPLETE:
                return page
            if page.get("status") not in _UNDER_WAY:
                raise _UnansweredError(
                    _failed(f"the query of its device events ended as {page.get('status')}")
                )
            if self._out_of_time() or self._clock() >= impatient_at:
                with calling("logs:StopQuery", self._logs):  # or it would go on scanning, for nobody
                    self._logs.stop_query(queryId=query_id)
                raise _UnansweredError(spent("the query of its device events took too long"))
            self._sleep(PAUSE_SECONDS)

    def _results(self, query_id: str, **more: Any) -> dict[str, Any]:
        with calling("logs:GetQueryResults", self._logs):
            return self._logs.get_query_results(queryId=query_id, maxItems=ROWS_PER_PAGE, **more)


_COMPLETE: Final = "Complete"
_UNDER_WAY: Final = frozenset({"Scheduled", "Running"})


class _UnansweredError(Exception):
    """A query that brings nothing, and what its nodes are told."""

    def __init__(self, missing: MissingEvidence) -> None:
        super().__init__(missing.detail)
        self.missing = missing


@contextmanager
def _explained(group: str) -> Iterator[None]:
    """Raises _UnansweredError for an AwsProblem inside."""
    try:
        yield
    except AwsProblem as problem:
        if problem.kind is ProblemKind.MISSING:
            missing = MissingEvidence(NoEvidence.LOG_GROUP_MISSING, f"there is no log group {group}")
        elif problem.kind is ProblemKind.DENIED:
            missing = MissingEvidence(NoEvidence.DENIED, f"{problem.what}, on {group}")
        else:
            missing = _failed(problem.what)
        raise _UnansweredError(missing) from problem


def _failed(detail: str) -> MissingEvidence:
    return MissingEvidence(NoEvidence.FAILED, detail)


# --- questions ---


def batches(nodes: Sequence[Node], classifier: Classifier) -> Iterator[list[Node]]:
    """The nodes of one cluster in batches whose names fit into a query."""
    room_for_names = QUERY_CHARACTERS + len(_quoted(nodes[0])) - len(query(nodes[:1], classifier))
    batch: list[Node] = []
    room = room_for_names
    for node in nodes:
        needed = len(_quoted(node)) + len(_BETWEEN)
        if batch and needed > room:
            yield batch
            batch, room = [], room_for_names
        batch.append(node)
        room -= needed
    yield batch


def query(nodes: Sequence[Node], classifier: Classifier) -> str:
    """The query about these nodes of one cluster: a row for each node, sample and kind of device.

    A device of unknown kind is labelled with its name, one of a known kind with its first letter, for the
    language has no constant to label it with: `Found` puts the letters together.
    """
    kinds = {
        "physical": (classifier.physical,),
        "again": classifier.counted_again,
        "pod": classifier.pod,
    }
    commands = (
        f"filter @logStream in [{_BETWEEN.join(map(_quoted, nodes))}]",
        f'filter Type = "NodeNet" and ClusterName = "{nodes[0].cluster}"',
        *(f"parse interface /^(?<{name}>{_regex(patterns)})$/" for name, patterns in kinds.items()),
        "fields coalesce(physical, again, pod) as known",
        "fields ispresent(physical) as is_physical, ispresent(again) as is_again",
        "parse known /^(?<initial>.)/",
        "fields coalesce(initial, interface) as label",
        f"stats {', '.join(_SUMS)} by @logStream, InstanceId, @timestamp, is_physical, is_again, label",
    )
    return "\n| ".join(commands)


_SUMS: Final = (
    "sum(node_interface_network_rx_bytes) as rx",
    "sum(node_interface_network_tx_bytes) as tx",
    "count(node_interface_network_rx_bytes) as rx_events",
    "count(node_interface_network_tx_bytes) as tx_events",
    "count(*) as events",
    "count_distinct(interface) as devices",
    "sortsFirst(interface) as first",
    "sortsLast(interface) as last",
)
_BETWEEN: Final = ", "


def _quoted(node: Node) -> str:
    return f'"{node.node_name}"'


def _cannot_be_quoted(node: Node) -> MissingEvidence | None:
    """Whoever names a node must not write the query."""
    if _QUOTABLE.fullmatch(node.node_name or ""):
        return None
    return MissingEvidence(NoEvidence.STREAM_MISSING, "a query cannot name its log stream")


_QUOTABLE: Final = re.compile(r"[\w.,@ /#+=-]{1,512}", re.ASCII)


def _regex(patterns: Iterable[str]) -> str:
    """One pattern of these without groups of its own, which `parse` would take for fields."""
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    return _SLASH.sub(r"\\/", _GROUP.sub(_without_capture, joined))


# An escaped character, a set of characters, or the parenthesis that opens a group.
_GROUP: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?!\?)")
_SLASH: Final = re.compile(r"(?<!\\)/")


def _without_capture(found: re.Match[str]) -> str:
    return "(?:" if found[0] == "(" else found[0]


def _epoch_second(instant: datetime) -> int:
    return int(instant.timestamp())


# --- answers ---


class Found:
    """What a query's answer says about its nodes, page after page."""

    def __init__(self, batch: Iterable[Node], classifier: Classifier) -> None:
        self.rows = 0
        self._classifier = classifier
        self._nodes = {(node.node_name, node.instance_id): _Sums(node) for node in batch}
        self._of_stream: dict[str, list[_Sums]] = defaultdict(list)
        for own in self._nodes.values():
            self._of_stream[str(own.node.node_name)].append(own)

    def add(self, page: Mapping[str, Any]) -> None:
        """The rows of one more page."""
        for cells in page.get("results") or ():
            row = {cell["field"]: cell.get("value", "") for cell in cells}
            stream = row.get("@logStream", "")
            own = self._nodes.get((stream, row.get("InstanceId", "")))
            self.rows += 1
            if own is not None:
                own.add(row, self._classifier)
                continue
            for each in self._of_stream.get(stream, ()):
                each.foreign += 1

    def events(self) -> Answers:
        """The samples of each node, by instance id."""
        return {own.node.instance_id: own.events() for own in self._nodes.values()}


class _Sum(NamedTuple):
    """Devices of one kind in one sample. Their rates are None where these cannot be relied on."""

    devices: int
    rx: float | None
    tx: float | None

    def plus(self, other: _Sum) -> _Sum:
        devices = self.devices + other.devices
        if self.rx is None or self.tx is None or other.rx is None or other.tx is None:
            return _Sum(devices, None, None)
        return _Sum(devices, self.rx + other.rx, self.tx + other.tx)


class _Sums:
    """The rows about one node, put together. A row is what a stranger says: it is read strictly."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.foreign = self.malformed = 0
        self._sums: dict[tuple[str, datetime], _Sum] = {}

    def add(self, row: Row, classifier: Classifier) -> None:
        try:
            key, found = (_device(row, classifier), _instant(row["@timestamp"])), _sum(row)
        except (KeyError, ValueError, OverflowError):
            self.malformed += 1
            return
        self._sums[key] = self._sums[key].plus(found) if key in self._sums else found

    def events(self) -> DeviceEvents:
        physical = NAME_OF_ALL[DeviceKind.PHYSICAL]
        all_of_them = max(
            (found.devices for (name, _), found in self._sums.items() if name == physical), default=0
        )
        samples = (
            DeviceSample(at, name, None, None)
            if name == physical and found.devices < all_of_them
            else DeviceSample(at, name, found.rx, found.tx)
            for (name, at), found in self._sums.items()
        )
        return DeviceEvents(tuple(samples), self.foreign, self.malformed)


def _device(row: Row, classifier: Classifier) -> str:
    """What a row is about. Raises ValueError where Logs Insights put devices together that are not of one
    kind, because it reads a pattern differently.
    """
    first, last = row.get("first", ""), row.get("last", "")
    kind = classifier.kind(first)
    if kind is not classifier.kind(last) or (kind is DeviceKind.UNKNOWN and first != last):
        raise ValueError(f"{first} and {last} in one row")
    return NAME_OF_ALL.get(kind, first)


def _sum(row: Row) -> _Sum:
    """Raises KeyError, ValueError or OverflowError for what no query answers."""
    events, devices = int(row["events"]), int(row["devices"])
    if devices < 1:
        raise ValueError("a row about no device")
    times, odd = divmod(events, devices)
    if odd or not events == int(row["rx_events"]) == int(row["tx_events"]):
        return _Sum(devices, None, None)
    return _Sum(devices, _rate(row["rx"]) / times, _rate(row["tx"]) / times)


def _rate(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"a rate of {text}")
    return number


def _instant(text: str) -> datetime:
    """As a result's fields have times: `2026-01-01 12:00:37.125`, or milliseconds."""
    if text.isdecimal():
        return _EPOCH + timedelta(milliseconds=int(text))
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
