"""The per-device evidence: `NodeNet` events of the cluster's performance log group.

The agent writes one event for each network device and sample into the log stream that is named after the
node. Streams are named after IPs as a rule, and IPs get reused: an event counts only with this node's
instance id and cluster. All who may write to the log group can forge such events, so every event is
untrusted input: it is read strictly or counted as malformed. Names are what Linux and
Kubernetes allow; a node has a limited number of devices, and of samples in a minute; all nodes of a run
together have a limited number of samples, and of bytes of memory for them.

One FilterLogEvents call reads the streams of several nodes, about as many as fill a page of 1 MB: a dozen
nodes where only the ENI devices are asked for, one node where all of its devices are.

* A stream that is missing makes AWS refuse the whole call. The batch is halved until the stream is found.
* Agents can be told other names for their streams, such as `instanceTelemetry/{NodeName}`. So nodes without a
  stream of their name, or without an event in it, are looked for by instance id in the whole log group, a few
  in one request; how their streams are called then tells where the others' events are.
* Once all devices of the nodes have been read, the events of their pods (`PodNet`, or else `Pod`) in the last
  window name the pods, as far as the budget reaches. Evidence does not depend on them.
* A throttled call is made again after a pause.
* A batch that the budget ends (time, characters, memory) leaves all its nodes `budget_spent`: part of the
  events proves nothing. One with too many pages is read again without the node that has most of the events,
  or in halves, so that one node's log costs no other its evidence.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from enigap.aws.clients import DEFAULT_PARALLELISM
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.iam import Statement
from enigap.aws.log_calls import Budget, Calls, EndedError, Logs, Spending, spent
from enigap.aws.names import takes
from enigap.aws.node_net import Odd, milliseconds, read_event, read_pod
from enigap.aws.pace import Pace
from enigap.core.counting.devices import Classifier, DeviceKind, name_prefixes
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
)
from enigap.core.counting.node import Node
from enigap.core.counting.pods import PodSample, digits_in
from enigap.core.counting.window import GRID, MINUTE, PERIOD, FetchSpan

ACTIONS: Final = (
    Statement(
        ("logs:FilterLogEvents",),
        (
            "arn:{partition}:logs:{region}:{account}:log-group:/aws/containerinsights/*/performance",
            "arn:{partition}:logs:{region}:{account}:log-group:/aws/containerinsights/*/performance:*",
        ),
    ),
)

CALLS_PER_SECOND: Final = 2.5
"""For all reconcilers together: half of AWS's quota of 5 in the smallest regions. People at the console
share it."""

MARGIN: Final = timedelta(minutes=2)
"""How far beyond the span events are read: one covers the time since the one before it, which is 40 to 80
s.
"""

STREAMS_PER_CALL: Final = 100
PATTERN_CHARACTERS: Final = 1_024
_PAGE_BYTES: Final = 1_048_576
_EVENT_BYTES: Final = 900
_DEVICES_PER_NODE: Final = {DeviceScope.ENI: 2, DeviceScope.ALL: 60}
"""Assumed, to fill about a page with a batch; each device writes an event a minute."""
_LONG_SCAN_PAGES: Final = 10
"""After a batch of more pages than this the next batches have half as many nodes."""
_EXTRA_READINGS: Final = 4
"""How many more times parts of a batch may be read that had too many pages."""
_EXTRA_CALLS: Final = 14
"""How many more calls a batch may take to find the streams that are missing: one of a hundred takes 14."""
_NODES_BY_INSTANCE_ID: Final = 20
_REQUESTS_BY_INSTANCE_ID: Final = 5
_PAGES_BY_INSTANCE_ID: Final = 5
"""For each request over the whole log group, which AWS may have to scan from end to end."""
_PODS_PER_NODE: Final = 40
_POD_NET_BYTES: Final = 1_500
"""Assumed, to fill about a page; each pod writes such an event a minute."""
_POD_PAGES: Final = 6
"""For one batch. Some pods' names are better than none."""
_MOST_POD_SAMPLES: Final = 20_000
"""Of one node and look: a thousand pods' events of twenty minutes."""

EVENTS_PER_PAGE: Final = 10_000
"""CloudWatch Logs gives no more."""

SAMPLE_BYTES: Final = 340
_POD_SAMPLE_BYTES: Final = 400
"""Without the names. Measured on 64-bit Python 3.11: 331 and 280."""

DEVICES_PER_NODE: Final = 1_000
"""Different names. EKS allows 250 pods on a node by default and 737 with all addresses of the largest types.
"""
SAMPLES_PER_NODE_AND_MINUTE: Final = 2 * DEVICES_PER_NODE
"""An agent takes one of each device; two of them may fall into the same minute of the clock."""


Answer = DeviceEvents | MissingEvidence
Answers = dict[str, Answer]
"""By instance id."""


class ContainerInsightsDevices:
    """Reads nodes' device events, several batches at a time. What cannot be read is said, never raised."""

    def __init__(
        self,
        logs: Logs,
        classifier: Classifier,
        *,
        parallelism: int = DEFAULT_PARALLELISM,
        pace: Pace | None = None,
        budget: Budget | None = None,
        out_of_time: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        name_pods: bool = False,
    ) -> None:
        self._classifier = classifier
        self._name_pods = name_pods
        self._parallelism = parallelism
        self._kept = (0, 0)
        self._calls = Calls(logs, pace or Pace(CALLS_PER_SECOND), budget or Budget(), out_of_time, sleep)

    def devices(self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope) -> Answers:
        """The events of each node's devices over the span and `MARGIN` on both sides, by instance id.

        The first nodes are read first, and the budget is that of one call.
        """
        answers: Answers = {}
        clusters: dict[str, list[Node]] = {}
        for node in nodes:
            refusal = _cannot_be_asked(node)
            if refusal is None:
                clusters.setdefault(node.insights_cluster, []).append(node)
            else:
                answers[node.instance_id] = refusal
        question = _Question(span.start - MARGIN, span.end + MARGIN, scope, self._classifier)
        samples, memory_bytes = self._kept
        spending = Spending(samples=samples, memory_bytes=memory_bytes)
        for cluster, of_cluster in clusters.items():
            group = _LogGroup(cluster, self._calls, spending, question)
            of_group = _Reading(group, of_cluster).answers(self._parallelism)
            if scope is DeviceScope.ALL and self._name_pods:
                of_group |= _with_pods(group, of_cluster, of_group)
            answers |= of_group
        self._kept = (spending.samples, spending.memory_bytes)
        return answers


def log_group(cluster: str) -> str:
    """Where the agents of a cluster write their events."""
    return f"/aws/containerinsights/{cluster}/performance"


_LEAST_ENI_BATCH: Final = 4


def nodes_per_batch(length: timedelta, scope: DeviceScope) -> int:
    """How many nodes' events over so long fill about one page; a few pages for hours of ENI devices.

    Pages are followed, so that a node with fewer devices than assumed makes for fewer calls.
    """
    bytes_per_node = _EVENT_BYTES * _DEVICES_PER_NODE[scope] * (length / MINUTE)
    least = _LEAST_ENI_BATCH if scope is DeviceScope.ENI else 1
    return max(least, min(STREAMS_PER_CALL, int(_PAGE_BYTES / bytes_per_node)))


def _cannot_be_asked(node: Node) -> MissingEvidence | None:
    """Why there is no log group to ask about a node, if so."""
    if not takes("Logs", node.insights_cluster):
        detail = "the cluster's name cannot be part of a log group's name"
        return MissingEvidence(NoEvidence.LOG_GROUP_MISSING, detail)
    return None


# As CloudWatch Logs has it: CreateLogStream.
_STREAM_NAME: Final = re.compile(r"[^:*]{1,512}")

# Placeholders in how streams are called; no stream has such a character in its name.
_NODE_NAME: Final = "*N"
_INSTANCE_ID: Final = "*I"
_STREAM_FORM: Final = re.compile(r"[\w./#-]*\*[NI][\w./#-]*", re.ASCII)
"""As an agent may be told: `instanceTelemetry/{NodeName}`."""


# --- what is asked for ---

_NODE_NET: Final = '$.Type = "NodeNet"'


@dataclass(frozen=True, slots=True)
class _Question:
    """The events of which time and which devices."""

    start: datetime
    end: datetime
    scope: DeviceScope
    classifier: Classifier

    @property
    def pattern(self) -> str:
        """The filter pattern for the devices of the scope, where a pattern can tell them apart."""
        return self._eni_pattern or f"{{ {_NODE_NET} }}"

    @property
    def nodes_per_batch(self) -> int:
        fetched = DeviceScope.ENI if self._eni_pattern else DeviceScope.ALL
        return nodes_per_batch(self.end - self.start, fetched)

    @property
    def _eni_pattern(self) -> str | None:
        prefixes = name_prefixes(self.classifier.physical) if self.scope is DeviceScope.ENI else None
        pattern = _one_of("interface", [f"{prefix}*" for prefix in prefixes or ()])
        return pattern if prefixes and len(pattern) <= PATTERN_CHARACTERS else None

    def is_about(self, sample: DeviceSample) -> bool:
        """Whether the sample was asked for. AWS's filter lets others through, an emulator's all."""
        return self.start <= sample.at <= self.end and (
            self.scope is DeviceScope.ALL or self.classifier.kind(sample.device) is DeviceKind.PHYSICAL
        )


def _by_ids(nodes: Sequence[Node]) -> str:
    return _one_of("InstanceId", [node.instance_id for node in nodes])


def _one_of(name: str, values: Sequence[str]) -> str:
    alternatives = " || ".join(f'$.{name} = "{value}"' for value in values)
    return f"{{ {_NODE_NET} && ({alternatives}) }}"


# --- batches ---


class _Reading:
    """One look at the devices of nodes of one cluster."""

    def __init__(self, group: _LogGroup, nodes: Sequence[Node]) -> None:
        self._group = group
        self._nodes = nodes
        self._waiting = deque(node for node in nodes if group.stream_of(node))
        self._size = group.question.nodes_per_batch
        self._lock = Lock()
        self._answers: Answers = {}

    def answers(self, parallelism: int) -> Answers:
        """The device events of each node, or why there are none."""
        # A log group that is missing or denied shows with the first batch, and is not asked again.
        if batch := self._next_batch():
            self._read(batch)
        self._work_all(parallelism)
        self._look_elsewhere(parallelism)
        return {node.instance_id: self._answers[node.instance_id] for node in self._nodes}

    def _look_elsewhere(self, parallelism: int) -> None:
        """Nodes without an event in the stream of their name: by instance id, then by how streams are
        called."""
        left = self._nowhere()
        for _ in range(_REQUESTS_BY_INSTANCE_ID):
            asked = self._group.few_enough(left)
            if not asked:
                break
            found = self._group.by_instance_id(asked)
            self._keep(found)
            left = [node for node in left if node not in asked]
            if not found:
                break  # as good as none of the others has events elsewhere, or the budget is spent
            if self._group.learn_streams(asked):
                self._waiting.extend(left)
                self._work_all(parallelism)
                left = [node for node in self._nowhere() if node in left]
        for node in self._nodes:
            self._answers.setdefault(node.instance_id, self._group.nowhere(node))

    def _nowhere(self) -> list[Node]:
        """The nodes of which nothing was found, in the order they were given."""
        return [
            node
            for node in self._nodes
            if _is_nothing(self._answers.get(node.instance_id)) and not self._group.has_events_of(node)
        ]

    def _keep(self, answers: Answers) -> None:
        """Add what was found; it does not replace events by none."""
        for key, answer in answers.items():
            before = self._answers.get(key)
            if before is None or isinstance(before, MissingEvidence) or not _is_nothing(answer):
                self._answers[key] = answer

    def _work_all(self, parallelism: int) -> None:
        with ThreadPoolExecutor(parallelism) as pool:
            for worker in [pool.submit(self._work) for _ in range(parallelism)]:
                worker.result()

    def _work(self) -> None:
        while batch := self._next_batch():
            self._read(batch)

    def _next_batch(self) -> list[Node]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]

    def _read(self, batch: list[Node]) -> None:
        """Read a batch, in ever smaller parts where streams of it are missing, and without a node that fills
        more pages than all others."""
        parts = deque([batch])
        calls_left, readings_left = 1 + _EXTRA_CALLS, 1 + _EXTRA_READINGS
        while parts:
            part = parts.popleft()
            again: Sequence[Sequence[Node]] = ()
            answers, pages = Answers(), 0
            try:
                if calls_left > 0:
                    answers, pages = self._group.by_stream(part)
            except _StreamMissingError:
                again = _halves(part) if calls_left > 1 else ()
            except _TooManyPagesError as error:
                readings_left -= 1
                again = error.apart if readings_left > 0 else ()
                answers, pages = dict.fromkeys((n.instance_id for n in part), error.missing), error.pages
            calls_left -= 1
            with self._lock:
                self._keep(answers)
                parts += map(list, again)
                if pages > _LONG_SCAN_PAGES:
                    self._size = max(1, len(batch) // 2)


def _is_nothing(answer: Answer | None) -> bool:
    """Whether it says nothing about the node's devices, and events elsewhere would."""
    return answer is None or (isinstance(answer, DeviceEvents) and not answer.samples)


class _StreamMissingError(Exception):
    """AWS refused a call because one of its log streams does not exist."""


class _TooManyPagesError(EndedError):
    """There are more pages than the budget allows."""

    def __init__(self, pages: int) -> None:
        super().__init__(spent(f"its device events fill more than {pages} pages"))
        self.pages = pages
        self.apart: Sequence[Sequence[Node]] = ()
        """The nodes, of several, that may do better in these parts."""


def _halves(nodes: Sequence[Node]) -> list[Sequence[Node]]:
    middle = len(nodes) // 2
    return [nodes[:middle], nodes[middle:]] if middle else []


def _apart(nodes: Sequence[Node], events_of: Mapping[str, int]) -> list[Sequence[Node]]:
    """The parts of a batch that may fit: without the node that has most of the events, or else the halves."""
    most = max(events_of, key=lambda key: events_of[key], default="")
    if events_of.get(most, 0) <= sum(events_of.values()) / 2:
        return _halves(nodes)
    others = [node for node in nodes if node.instance_id != most]
    return [others] if others else []


class _LogGroup:
    """A cluster's log group: what it has of several nodes, and whether it turned out to be closed."""

    def __init__(self, cluster: str, calls: Calls, spending: Spending, question: _Question) -> None:
        self.question = question
        self._name = log_group(cluster)
        self._calls, self._spending = calls, spending
        self._closed: MissingEvidence | None = None
        self._streams: dict[str, str] = {}
        self._form = _NODE_NAME
        self._is_searched = False

    def stream_of(self, node: Node) -> str | None:
        """The name of a node's log stream: where its events were found, or what it should be."""
        found = self._streams.get(node.instance_id) or self._form.replace(_INSTANCE_ID, node.instance_id)
        if _NODE_NAME in found:
            if node.node_name is None:
                return None
            found = found.replace(_NODE_NAME, node.node_name)
        return found if _STREAM_NAME.fullmatch(found) else None

    def has_events_of(self, node: Node) -> bool:
        """Whether events of the node were found, be it of devices that were not asked for."""
        return node.instance_id in self._streams

    def learn_streams(self, nodes: Sequence[Node]) -> bool:
        """Take the form of the streams that nodes' events were found in for that of all; whether it is
        another."""
        forms = {
            self._streams[node.instance_id]
            .replace(node.instance_id, _INSTANCE_ID)
            .replace(node.node_name or node.instance_id, _NODE_NAME)
            for node in nodes
            if node.instance_id in self._streams
        }
        told = sorted(form for form in forms if _STREAM_FORM.fullmatch(form))
        if not told or told[0] == self._form:
            return False
        self._form = told[0]
        return True

    def by_stream(self, nodes: Sequence[Node]) -> tuple[Answers, int]:
        """What the nodes' streams hold, and how many pages it took.

        Raises _StreamMissingError, and _TooManyPagesError.
        """
        found = {node.instance_id: _Found(node, self.question, self._spending) for node in nodes}
        pages = 0
        events_of: Counter[str] = Counter()
        try:
            pattern, most = self.question.pattern, self._calls.budget.pages_per_batch
            for events in self._of_streams(nodes, pattern, (self.question.start, self.question.end), most):
                pages += 1
                for node, message in events:
                    events_of[node.instance_id] += 1
                    if found[node.instance_id].add(message):
                        self._streams[node.instance_id] = str(self.stream_of(node))
        except _TooManyPagesError as error:
            self._give_back(found.values())
            error.apart = _apart(nodes, events_of)
            raise
        except EndedError as ended:
            self._give_back(found.values())
            return {node.instance_id: ended.missing for node in nodes}, pages
        return {key: one.events() for key, one in found.items()}, pages

    def _give_back(self, found: Iterable[_Found]) -> None:
        """What is not kept takes no memory."""
        for each in found:
            self._spending.add(-len(each.samples), SAMPLE_BYTES)

    def _of_streams(
        self, nodes: Sequence[Node], pattern: str, between: tuple[datetime, datetime], most: int
    ) -> Iterator[Iterator[tuple[Node, str]]]:
        """Page by page the messages in the nodes' streams, each with the node whose stream it is in."""
        streams: dict[str, list[Node]] = {}
        for node in nodes:
            if stream := self.stream_of(node):
                streams.setdefault(stream, []).append(node)
        # AWS names each event's stream; of a single one it goes without saying.
        unnamed = nodes if len(streams) == 1 else ()
        request = {"logStreamNames": list(streams), "filterPattern": pattern}
        for page in self._pages(request, most, between):
            yield (
                (node, event["message"])
                for event in page
                for node in (streams.get(event["logStreamName"], ()) if event["logStreamName"] else unnamed)
            )

    def few_enough(self, nodes: Sequence[Node]) -> list[Node]:
        """The first of the nodes, as many as one request by instance id can be about."""
        asked = list(nodes[:_NODES_BY_INSTANCE_ID])
        while asked and len(_by_ids(asked)) > PATTERN_CHARACTERS:
            asked.pop()
        return asked

    def by_instance_id(self, nodes: Sequence[Node]) -> Answers:
        """What one request over all streams finds of nodes; only those that it finds."""
        found = [_Found(node, self.question, self._spending) for node in nodes]
        try:
            request = {"filterPattern": _by_ids(nodes)}
            between = (self.question.start, self.question.end)
            for page in self._pages(request, _PAGES_BY_INSTANCE_ID, between):
                for event in page:
                    for one in found:
                        if one.node.instance_id in event["message"] and one.add(event["message"]):
                            self._streams[one.node.instance_id] = event.get("logStreamName", "")
            self._is_searched = True
        except (EndedError, _StreamMissingError):
            return {}
        return {one.node.instance_id: one.events() for one in found if one.samples}

    def pods(self, nodes: Sequence[Node], kind: str, length: timedelta) -> dict[str, list[PodSample]]:
        """What events of this type say about the nodes' pods, by instance id, as far as they could be
        read."""
        found: dict[str, list[PodSample]] = {node.instance_id: [] for node in nodes}
        between = (self.question.end - length, self.question.end)
        try:
            for events in self._of_streams(nodes, f'{{ $.Type = "{kind}" }}', between, _POD_PAGES):
                for node, message in events:
                    of_node = found[node.instance_id]
                    if len(of_node) < _MOST_POD_SAMPLES and (pod := read_pod(message, node)):
                        of_node.append(pod)
                        self._spending.add(1, _POD_SAMPLE_BYTES + len(pod.namespace) + len(pod.name))
        except (EndedError, _StreamMissingError):
            pass
        return found

    def nowhere(self, node: Node) -> MissingEvidence:
        """Why there is nothing about a node that has no log stream."""
        if self._closed:
            return self._closed
        # All who may write to the log group can name streams: a form that may hold an address is not shown.
        stream = None if "." in self._form else self.stream_of(node)
        what = f"no log stream {stream}" if stream else "no log stream that could be this node's"
        if self._is_searched:
            what += " and no device events with its instance id"
        return MissingEvidence(NoEvidence.STREAM_MISSING, f"{self._name} has {what}")

    def _pages(
        self, request: Mapping[str, Any], most: int, between: tuple[datetime, datetime]
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """The events page by page, to the last. Raises _StreamMissingError or EndedError if it is not
        reached.
        """
        request = {
            "logGroupName": self._name,
            "startTime": milliseconds(between[0]),
            "endTime": milliseconds(between[1]),
            "limit": EVENTS_PER_PAGE,
            **request,
        }
        for _ in range(most):
            if self._closed:
                raise EndedError(self._closed)
            try:
                page = self._calls.make(request, self._spending)
            except AwsProblem as problem:
                raise self._ended(problem) from None
            yield page["events"]
            if not page["nextToken"]:
                return
            request = {**request, "nextToken": page["nextToken"]}
        raise _TooManyPagesError(most)

    def _ended(self, problem: AwsProblem) -> Exception:
        if problem.kind is ProblemKind.MISSING and "log stream" in problem.message:
            return _StreamMissingError()
        if problem.kind is ProblemKind.MISSING:
            missing = MissingEvidence(NoEvidence.LOG_GROUP_MISSING, f"there is no log group {self._name}")
        elif problem.kind is ProblemKind.DENIED:
            missing = MissingEvidence(NoEvidence.DENIED, f"{problem.what}, on {self._name}")
        elif problem.kind is ProblemKind.THROTTLED:
            missing = spent(problem.what)
        else:
            missing = MissingEvidence(NoEvidence.FAILED, problem.what)
        if problem.kind in {ProblemKind.MISSING, ProblemKind.THROTTLED} or problem.concerns_every_call:
            self._closed = missing
        return EndedError(missing)


class _Found:
    """What was found of one node so far."""

    def __init__(self, node: Node, question: _Question, spending: Spending) -> None:
        self.node, self._question, self._spending = node, question, spending
        self.samples: list[DeviceSample] = []
        self._odd: Counter[Odd] = Counter()
        self._limits = _Limits()

    def add(self, message: str) -> bool:
        """Whether the event is of this node, be it of a device that was not asked for."""
        event = read_event(message, self.node)
        if isinstance(event, Odd):
            self._odd[event] += 1
            return False
        if not self._question.is_about(event):
            return True
        if not self._limits.admit(event.device, event.at):
            self._odd[Odd.MALFORMED] += 1
            return True
        self.samples.append(event)
        self._spending.add(1, SAMPLE_BYTES)
        return True

    def events(self) -> DeviceEvents:
        odd, scope = self._odd, self._question.scope
        return DeviceEvents(
            tuple(self.samples), odd[Odd.FOREIGN], odd[Odd.MALFORMED], scope, odd[Odd.ANONYMOUS]
        )


class _Limits:
    """How many devices a node may have, and how many samples in a minute: more than any agent writes."""

    def __init__(self) -> None:
        self._devices: set[str] = set()
        self._samples_of_minute: Counter[datetime] = Counter()

    def admit(self, device: str, at: datetime) -> bool:
        """Whether a sample is within the limits; if so, it counts."""
        minute = at.replace(second=0, microsecond=0)
        is_new = device not in self._devices
        if is_new and len(self._devices) >= DEVICES_PER_NODE:
            return False
        if self._samples_of_minute[minute] >= SAMPLES_PER_NODE_AND_MINUTE:
            return False
        self._devices.add(device)
        self._samples_of_minute[minute] += 1
        return True


# --- pods ---


_POD_NET_LENGTH: Final = GRID + 2 * MARGIN
_POD_LENGTH: Final = PERIOD + MARGIN
"""Shorter, for these events are three times as large and there is one for each pod a minute."""


def _with_pods(group: _LogGroup, nodes: Sequence[Node], answers: Answers) -> Answers:
    """The answers of those nodes whose pods' events could be read, with them.

    The agents of a cluster are configured alike: where the first few nodes have no events of a type, the
    others are not asked for them.
    """
    named: Answers = {}
    left = [node for node in nodes if _has_pods_devices(answers[node.instance_id])]
    per_node = _POD_NET_BYTES * _PODS_PER_NODE * (_POD_NET_LENGTH / MINUTE)
    size = max(1, int(_PAGE_BYTES / per_node))
    for kind, length in (("PodNet", _POD_NET_LENGTH), ("Pod", _POD_LENGTH)):
        for first in range(0, len(left), size):
            found = group.pods(left[first : first + size], kind, length)
            for key, pods in found.items():
                events = answers[key]
                if pods and isinstance(events, DeviceEvents):
                    named[key] = replace(events, pods=tuple(pods))
            if not named:
                break
        left = [] if named else left
    return named


def _has_pods_devices(answer: Answer) -> bool:
    return isinstance(answer, DeviceEvents) and any(digits_in(sample.device) for sample in answer.samples)
