"""The per-device evidence: `NodeNet` events of the cluster's performance log group.

The agent writes one event for each network device and sample into the log stream that is named after the
node. Streams are named after IPs as a rule, and IPs get reused: an event counts only with this node's
instance id and cluster. Anybody who may write to the log group can write such events, so everything here is
taken for what a stranger says: it is read strictly or counted as malformed.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, unique
from threading import Lock
from typing import Any, Final, NoReturn, Protocol

from enigap.aws.clients import DEFAULT_PARALLELISM
from enigap.aws.errors import AwsProblem, ProblemKind, calling
from enigap.aws.iam import Statement
from enigap.core.counting.evidence import DeviceEvents, DeviceSample, MissingEvidence, NoEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.window import FetchSpan

ACTIONS: Final = (
    Statement(
        ("logs:FilterLogEvents",),
        (
            "arn:{partition}:logs:{region}:{account}:log-group:/aws/containerinsights/*/performance",
            "arn:{partition}:logs:{region}:{account}:log-group:/aws/containerinsights/*/performance:*",
        ),
    ),
)

MARGIN: Final = timedelta(minutes=2)
"""How far beyond the span events are read: one covers the time since the one before it, which is 40 to 80
s.
"""

# CloudWatch Logs takes no larger event.
_LONGEST_MESSAGE_CHARACTERS: Final = 1_048_576
_EVENTS_PER_PAGE: Final = 10_000


class Logs(Protocol):
    """What reading evidence needs of boto3's CloudWatch Logs client."""

    def filter_log_events(self, **request: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one run may read."""

    nodes: int = 200
    pages_per_node: int = 40
    """Pages may be empty while CloudWatch Logs searches on."""
    message_characters: int = 1_000_000_000
    """Of all events of all nodes. Calls under way when it is spent are finished."""


class ContainerInsightsDevices:
    """Reads suspects' device events, several nodes at a time. What cannot be read is said, never raised."""

    def __init__(
        self,
        logs: Logs,
        *,
        parallelism: int = DEFAULT_PARALLELISM,
        budget: Budget | None = None,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        self._logs = logs
        self._parallelism = parallelism
        self._budget = budget or Budget()
        self._out_of_time = out_of_time

    def devices(self, suspects: Sequence[Node], span: FetchSpan) -> dict[str, DeviceEvents | MissingEvidence]:
        """The events of each suspect over the span and `MARGIN` on both sides, by instance id.

        The budget goes to the first ones.
        """
        run = _Run(self._logs, span, self._budget, self._out_of_time)
        answers: dict[str, DeviceEvents | MissingEvidence] = {}
        chosen: list[Node] = []
        for node in suspects:
            refusal = cannot_be_asked(node)
            if refusal is None and len(chosen) == self._budget.nodes:
                refusal = spent(f"one run reads the device events of {self._budget.nodes} nodes at most")
            if refusal is None:
                chosen.append(node)
            else:
                answers[node.instance_id] = refusal
        with ThreadPoolExecutor(self._parallelism) as pool:
            # A log group that is missing or denied shows with its first node, and nobody asks again.
            for nodes in _first_of_each_cluster(chosen):
                answers |= zip((node.instance_id for node in nodes), pool.map(run.read, nodes), strict=True)
        return answers


def _first_of_each_cluster(nodes: Iterable[Node]) -> tuple[list[Node], list[Node]]:
    """The first node of each cluster, and all the others."""
    first: dict[str, Node] = {}
    others = [node for node in nodes if first.setdefault(node.cluster, node) is not node]
    return list(first.values()), others


def log_group(cluster: str) -> str:
    """Where the agents of a cluster write their events."""
    return f"/aws/containerinsights/{cluster}/performance"


def cannot_be_asked(node: Node) -> MissingEvidence | None:
    """Why a node has no log stream to ask about, if so."""
    if not _LOG_GROUP_NAME.fullmatch(log_group(node.cluster)):
        detail = "the cluster's name cannot be part of a log group's name"
        return MissingEvidence(NoEvidence.LOG_GROUP_MISSING, detail)
    if node.node_name is None:
        detail = "Container Insights has no series of this node that would name its log stream"
        return MissingEvidence(NoEvidence.STREAM_MISSING, detail)
    if not _STREAM_NAME.fullmatch(node.node_name):
        return MissingEvidence(NoEvidence.STREAM_MISSING, "no log stream can have this node's name")
    return None


def spent(detail: str) -> MissingEvidence:
    """The budget did not reach this node."""
    return MissingEvidence(NoEvidence.BUDGET_SPENT, detail)


# As CloudWatch Logs has them: CreateLogGroup, CreateLogStream.
_LOG_GROUP_NAME: Final = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_STREAM_NAME: Final = re.compile(r"[^:*]{1,512}")


class _Run:
    """One run over all suspects: what it has spent, and which log groups turned out to be closed."""

    def __init__(self, logs: Logs, span: FetchSpan, budget: Budget, out_of_time: Callable[[], bool]) -> None:
        self._logs, self._budget, self._out_of_time = logs, budget, out_of_time
        self._from, self._to = span.start - MARGIN, span.end + MARGIN
        self._lock = Lock()
        self._characters = 0
        self._closed: dict[str, MissingEvidence] = {}

    def read(self, node: Node) -> DeviceEvents | MissingEvidence:
        """One node's events, or why there are none."""
        samples: list[DeviceSample] = []
        counts: Counter[Odd] = Counter()
        token: str | None = None
        for _ in range(self._budget.pages_per_node):
            page = self._page(node, token)
            if isinstance(page, MissingEvidence):
                return page
            for message in self._messages(page):
                event = read_event(message, node)
                if isinstance(event, Odd):
                    counts[event] += 1
                elif self._from <= event.at <= self._to:
                    samples.append(event)
            token = page.get("nextToken")
            if not token:
                return DeviceEvents(tuple(samples), counts[Odd.FOREIGN], counts[Odd.MALFORMED])
        return spent(f"its device events fill more than {self._budget.pages_per_node} pages")

    def _page(self, node: Node, token: str | None) -> Mapping[str, Any] | MissingEvidence:
        group = log_group(node.cluster)
        if group in self._closed:
            return self._closed[group]
        if self._out_of_time():
            return spent("time ran out before its device events could be read")
        if self._characters >= self._budget.message_characters:
            return spent("the devices of the nodes before it used up what one run reads of the logs")
        request: dict[str, Any] = {
            "logGroupName": group,
            "logStreamNames": [node.node_name],
            "startTime": _milliseconds(self._from),
            "endTime": _milliseconds(self._to),
            "filterPattern": '{ $.Type = "NodeNet" }',
            "limit": _EVENTS_PER_PAGE,
        }
        if token:
            request["nextToken"] = token
        try:
            with calling("logs:FilterLogEvents", self._logs):
                return self._logs.filter_log_events(**request)
        except AwsProblem as problem:
            return self._explained(problem, group, str(node.node_name))

    def _explained(self, problem: AwsProblem, group: str, stream: str) -> MissingEvidence:
        if problem.kind is ProblemKind.MISSING and "log stream" in problem.message:
            return MissingEvidence(NoEvidence.STREAM_MISSING, f"{group} has no log stream {stream}")
        if problem.kind is ProblemKind.MISSING:
            missing = MissingEvidence(NoEvidence.LOG_GROUP_MISSING, f"there is no log group {group}")
        elif problem.kind is ProblemKind.DENIED:
            missing = MissingEvidence(NoEvidence.DENIED, f"{problem.what}, on {group}")
        else:
            missing = MissingEvidence(NoEvidence.FAILED, problem.what)
        if problem.kind is ProblemKind.MISSING or problem.concerns_every_call:
            self._closed[group] = missing
        return missing

    def _messages(self, page: Mapping[str, Any]) -> Iterator[str]:
        events = page.get("events") or ()
        with self._lock:
            self._characters += sum(len(event["message"]) for event in events)
        return (event["message"] for event in events)


def _milliseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


# --- one event ---


@unique
class Odd(Enum):
    """Events that are not this node's device samples."""

    OTHER = "other"
    """Of another type. AWS leaves these out by the filter pattern; emulators do not."""
    FOREIGN = "foreign"
    MALFORMED = "malformed"


def read_event(message: str, node: Node) -> DeviceSample | Odd:
    """One log event: a device sample of this node, or in what way it is not. Never raises."""
    if len(message) > _LONGEST_MESSAGE_CHARACTERS:
        return Odd.MALFORMED
    try:
        event = json.loads(message, parse_constant=_refuse_constant)
        return _sample(event, node)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return Odd.MALFORMED


def _sample(event: object, node: Node) -> DeviceSample | Odd:
    """Raises ValueError, TypeError or OverflowError for what no agent writes."""
    if not isinstance(event, dict):
        raise TypeError("an event is a JSON object")
    if event.get("Type") != "NodeNet":
        return Odd.OTHER
    if _text(event, "InstanceId") != node.instance_id or _text(event, "ClusterName") != node.cluster:
        return Odd.FOREIGN
    return DeviceSample(
        _instant(event),
        # Empty when the agent could not read the devices; a device without a name is for `weigh` to pass
        # over.
        _text(event, "interface"),
        _rate(event, "node_interface_network_rx_bytes"),
        _rate(event, "node_interface_network_tx_bytes"),
    )


def _text(event: Mapping[str, Any], field: str) -> str:
    value = event.get(field)
    if not isinstance(value, str):
        raise TypeError(f"{field} is a string")
    return value


def _instant(event: Mapping[str, Any]) -> datetime:
    """When the sample was taken: milliseconds, as a string in version 0 of the format, a number in
    version 1.
    """
    metadata = event.get("_aws")
    stamp = metadata.get("Timestamp") if isinstance(metadata, dict) else event.get("Timestamp")
    if isinstance(stamp, str) and _DIGITS.fullmatch(stamp):
        stamp = int(stamp)
    if type(stamp) is not int:
        raise TypeError("a timestamp is in milliseconds")
    return _EPOCH + timedelta(milliseconds=stamp)


def _rate(event: Mapping[str, Any], field: str) -> float | None:
    """Bytes per second; None where the event has none, which is how the agent says that a counter was
    reset.
    """
    if field not in event:
        return None
    value = event[field]
    if type(value) not in {int, float} or not math.isfinite(value):
        raise ValueError(f"{field} is a finite number")
    return float(value)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DIGITS: Final = re.compile(r"[0-9]{1,15}")
