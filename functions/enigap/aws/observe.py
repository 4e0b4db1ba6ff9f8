"""Looks at a few nodes for `enigap doctor`, with the adapters that judge nodes, and at how AWS answered.

What cannot be seen is `NotSeen` with the reason, never an error: one denied call leaves the other checks.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from typing import Any, Final, TypeVar

from enigap.aws import bypass, observe_otel, observe_uses
from enigap.aws.clients import Aws
from enigap.aws.device_events import (
    EVENTS_PER_PAGE,
    ContainerInsightsDevices,
    log_group,
)
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.iam import Statement
from enigap.aws.metrics import CloudWatchTotals
from enigap.aws.node_net import LONGEST_MESSAGE_CHARACTERS, read_event
from enigap.aws.pace import Pace
from enigap.aws.pages import items, pages
from enigap.core.counting.bypass import Bypass
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
)
from enigap.core.counting.meters import Quantity
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import PERIOD, FetchSpan, Window, floor_to
from enigap.core.doctor.observed import (
    NOT_ASKED,
    Answers,
    Batch,
    Day,
    Filtered,
    Kept,
    Limits,
    NodeSeen,
    NotSeen,
    Observations,
    OtelSeen,
    RawEvents,
)
from enigap.core.doctor.sample import candidates, sample
from enigap.core.text import count

ACTIONS: Final = (
    Statement(("cloudwatch:DescribeAlarmHistory", "servicequotas:ListServiceQuotas")),
    *observe_uses.ACTIONS,
)
"""Optional, beside those of `enigap check`."""

SECONDS: Final = 50.0
"""The most that looking at nodes takes."""
SECONDS_FOR_DEPLOYED: Final = 10.0
"""The same for what is deployed."""
HOURS: Final = timedelta(hours=3)
DAY: Final = timedelta(hours=24)
TWO_WEEKS: Final = timedelta(days=14)
_LOG_SECONDS: Final = 35.0
"""Of these, for reading events."""
_COUNTER_SECONDS: Final = 15.0
"""For asking by PromQL."""
_FILTERED: Final = timedelta(minutes=2)

_NOT_IN_BUNDLE: Final = NotSeen("a bundle holds one node alone")
_NO_COUNTERS_IN_BUNDLE: Final = NotSeen("a bundle holds no answers about PromQL itself")

T = TypeVar("T")


def _not_seen(problem: AwsProblem) -> NotSeen:
    is_ours = problem.kind is not ProblemKind.OUT_OF_TIME
    return NotSeen(problem.what, was_refused=is_ours)


def _or_not(read: Callable[[], T]) -> T | NotSeen:
    try:
        return read()
    except AwsProblem as problem:
        return _not_seen(problem)


def _optional(read: Callable[[], T]) -> T | NotSeen:
    """Of what `enigap policy` does not allow: a denial is no failure of doctor's."""
    try:
        return read()
    except AwsProblem as problem:
        more = ", which `enigap policy --doctor` allows" if problem.kind is ProblemKind.DENIED else ""
        return NotSeen(f"{problem.what}{more}")


# --- how AWS answers ---


@dataclass(slots=True)
class _Heard:
    """A client of CloudWatch Logs or CloudWatch whose answers are looked at as they pass."""

    client: Any
    logs: list[tuple[dict[str, Any], list[dict[str, Any]]]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def filter_log_events(self, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.filter_log_events(**request)
        self.logs.append((request, list(answer.get("events") or ())))
        return answer

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_metric_data(**request)
        self.metrics += answer.get("MetricDataResults") or ()
        return answer

    def answers(self) -> Answers | NotSeen:
        """The shape of what GetMetricData answered."""
        times = [series.get("Timestamps") or [] for series in self.metrics]
        times = [each for each in times if len(each) > 1]
        if not times:
            return NotSeen("CloudWatch has no series of two datapoints")
        newest_first = sum(each == sorted(each, reverse=True) for each in times)
        in_order = newest_first + sum(each == sorted(each) for each in times)
        numbers = sum(all(isinstance(at, int | float) for at in each) for each in times)
        return Answers(len(times), in_order, newest_first, numbers)

    def batch(self, nodes: Sequence[Node]) -> Batch | NotSeen:
        """The request that named the most streams, and of how many of the nodes it had events."""
        of_streams = [(r, events) for r, events in self.logs if r.get("logStreamNames")]
        if not of_streams:
            return NotSeen("no request named streams")
        largest = max(len(request["logStreamNames"]) for request, _ in of_streams)
        names = {node.node_name for node in nodes}
        answered: set[Any] = set()
        for request, events in of_streams:
            if len(request["logStreamNames"]) == largest:
                answered |= {event.get("logStreamName") for event in events} & names
        return Batch(largest, len(answered))

    def raw(self, node: Node) -> RawEvents:
        """How the node's device events were delivered."""
        found = [
            (event, sample)
            for _, events in self.logs
            for event in events
            if node.instance_id in str(event.get("message"))
            and isinstance(sample := read_event(str(event.get("message")), node), DeviceSample)
        ]
        written = [event["ingestionTime"] for event, _ in found if "ingestionTime" in event]
        taken = [sample.at.timestamp() * 1000 for _, sample in found]
        return RawEvents(
            len(found),
            sum(event.get("logStreamName") == node.node_name for event, _ in found),
            tuple(
                (event["ingestionTime"] - event["timestamp"]) / 1000
                for event, _ in found
                if "ingestionTime" in event and "timestamp" in event
            ),
            tuple(
                abs(event["timestamp"] / 1000 - sample.at.timestamp())
                for event, sample in found
                if "timestamp" in event
            ),
            max((len(event["message"]) for event, _ in found), default=0),
            was_written_at_once=bool(written) and max(taken) - min(taken) > 4 * (max(written) - min(written)),
        )


# --- nodes ---


class Observer:
    """One look at an account."""

    def __init__(
        self,
        aws: Aws,
        rules: Rules,
        now: datetime,
        say: Callable[[str], None],
        *,
        calls_per_second: float,
        only_node: bool,
    ) -> None:
        """`calls_per_second` is how often FilterLogEvents may be called. `only_node` leaves out what is about
        no node, which a bundle does not hold."""
        self._only_node = only_node
        self._limits = Limits(LONGEST_MESSAGE_CHARACTERS, EVENTS_PER_PAGE, calls_per_second)
        self._aws, self._rules, self._now, self._say = aws, rules, now, say
        self._window = Window.newest_settled(now, rules.settle)
        self._until = time.monotonic() + SECONDS
        self._cloudwatch, self._logs = _Heard(aws.client("cloudwatch")), _Heard(aws.client("logs"))
        self._totals = CloudWatchTotals(self._cloudwatch, out_of_time=self._is_late)

    def _is_late(self) -> bool:
        return time.monotonic() > self._until

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        with self._aws.deadline.within(max(1.0, self._until - time.monotonic())):
            yield

    def observe(
        self, nodes: Sequence[Node], wanted: str | None = None, *, deep: bool = False
    ) -> Observations:
        """What there is to see of some of these nodes, or of the one with an instance id."""
        with self._in_time():
            chosen, enis = self._chosen(nodes, wanted)
            self._say(f"looking at {count(len(chosen), 'node')}")
            seen = self._nodes(chosen, enis)
            o = Observations(self._now, self._window, self._rules, self._limits, tuple(seen))
            busiest_first = sorted(seen, key=lambda each: _carried(each.readings), reverse=True)
            reporting = [each.node for each in busiest_first if isinstance(each.events, DeviceEvents)]
            return replace(
                o,
                batch=self._batch,
                missing_stream=self._missing_stream(chosen),
                filtered=self._filtered(reporting),
                kept=self._kept(chosen),
                log_calls_per_second=_NOT_IN_BUNDLE if self._only_node else _optional(self._quota),
                otel=_NO_COUNTERS_IN_BUNDLE if self._only_node else self._counters(busiest_first),
                day=self._day(reporting) if deep else NotSeen("only --deep reads 24 hours"),
                answers=self._cloudwatch.answers(),
                page_events=max((len(events) for _, events in self._logs.logs), default=0),
            )

    def _chosen(
        self, nodes: Sequence[Node], wanted: str | None
    ) -> tuple[list[Node], Mapping[str, bypass.Enis] | NotSeen]:
        some = [node for node in nodes if node.instance_id == wanted] if wanted else candidates(nodes)
        ids = [node.instance_id for node in some]
        enis = _or_not(partial(bypass.enis_of, self._aws.client("ec2"), ids))
        if len(some) <= 1:
            return some, enis
        readings = _or_not(lambda: self._totals.read(some, FetchSpan.of(self._window, 1)))
        rates = (
            {} if isinstance(readings, NotSeen) else {key: _carried(each) for key, each in readings.items()}
        )
        counts = {} if isinstance(enis, NotSeen) else {key: len(each.ids) for key, each in enis.items()}
        return sample(some, rates, counts), enis

    def _nodes(self, nodes: Sequence[Node], enis: Mapping[str, bypass.Enis] | NotSeen) -> list[NodeSeen]:
        end = floor_to(self._now, PERIOD)
        span = FetchSpan(end - HOURS, end)
        readings = _or_not(lambda: self._totals.read(nodes, span))
        histories = _or_not(lambda: {n.instance_id: h for n, h in self._totals.histories(nodes, span)})
        of_enis = self._devices(nodes, DeviceScope.ENI)
        self._batch = self._logs.batch(nodes)
        events = self._devices(nodes, DeviceScope.ALL)
        window = FetchSpan.of(self._window, 1)
        found = bypass.bypasses(self._aws.client("ec2"), self._totals.efa, nodes, window)
        return [
            NodeSeen(
                node,
                readings=_of(readings, node),
                os_samples=self._os_samples(node, span),
                eni=_of(histories, node),
                events=events[node.instance_id],
                enis_events=of_enis[node.instance_id],
                raw=self._logs.raw(node),
                enis=_with_device(enis, node),
                bypass=found.of.get(node.instance_id, Bypass()),
            )
            for node in nodes
        ]

    def _reader(self) -> ContainerInsightsDevices:
        until = min(self._until, time.monotonic() + _LOG_SECONDS)
        return ContainerInsightsDevices(
            self._logs,
            self._rules.classifier,
            pace=Pace(self._limits.log_calls_per_second, sleep=self._aws.sleep),
            out_of_time=lambda: time.monotonic() > until,
            sleep=self._aws.sleep,
            name_pods=True,
        )

    def _devices(self, nodes: Sequence[Node], scope: DeviceScope) -> dict[str, DeviceEvents | NotSeen]:
        self._say("reading device events")
        answers = self._reader().devices(nodes, FetchSpan.of(self._window, 1), scope)
        return {key: _events_or_why(answer) for key, answer in answers.items()}

    def _os_samples(self, node: Node, span: FetchSpan) -> tuple[float | None, ...] | NotSeen:
        if not node.has_series:
            return NOT_ASKED
        found = self._totals.series(node, (Quantity.OS_SAMPLES,), span)
        return NotSeen(found.why) if isinstance(found, Unreadable) else found[Quantity.OS_SAMPLES]

    def _missing_stream(self, nodes: Sequence[Node]) -> NoEvidence | NotSeen:
        if self._only_node:
            return _NOT_IN_BUNDLE
        if not nodes:
            return NOT_ASKED
        # As long as real ones, and of a name that no node has.
        ghost = Node(nodes[0].cluster, "i-00000000000000000", "enigap-doctor", called=nodes[0].called)
        answers = self._reader().devices([ghost], FetchSpan.of(self._window, 1), DeviceScope.ENI)
        answer = answers[ghost.instance_id]
        if isinstance(answer, DeviceEvents):
            return NoEvidence.STREAM_MISSING if not answer.samples else NoEvidence.FAILED
        seen = _events_or_why(answer)
        is_known = answer.why in {NoEvidence.DENIED, NoEvidence.BUDGET_SPENT}
        return seen if isinstance(seen, NotSeen) and is_known else answer.why

    def _filtered(self, nodes: Sequence[Node]) -> Filtered | NotSeen:
        if not nodes:
            return NotSeen("no node of the sample has device events")
        node, end = nodes[0], self._window.end
        request = {
            "logGroupName": log_group(node.insights_cluster),
            "logStreamNames": [node.node_name],
            "startTime": int((end - _FILTERED).timestamp() * 1000),
            "endTime": int(end.timestamp() * 1000),
            "limit": EVENTS_PER_PAGE,
        }

        def events(**more: Any) -> int:
            answers = pages(
                "logs:FilterLogEvents",
                self._logs.client,
                self._logs.client.filter_log_events,
                request | more,
                lambda page: items(page, "events"),
                tokens=("nextToken", "nextToken"),
            )
            messages = [str(each.get("message")) for page in answers for each in page]
            return sum(isinstance(read_event(each, node), DeviceSample) for each in messages)

        return _optional(lambda: Filtered(events(filterPattern='{ $.Type = "NodeNet" }'), events()))

    def _kept(self, nodes: Sequence[Node]) -> Kept | NotSeen:
        start = floor_to(self._now - TWO_WEEKS, timedelta(hours=1)) + timedelta(hours=1)
        old = [node for node in nodes if node.has_series and node.launched_at and node.launched_at < start]
        if not old:
            return NotSeen("no node of the sample has run for two weeks")
        span = FetchSpan(start, start + timedelta(hours=1))
        found = self._totals.series(old[0], (Quantity.OS, Quantity.OS_OF_PERIODS), span)
        if isinstance(found, Unreadable):
            return NotSeen(found.why)
        minutes, periods = (
            sum(value is not None for value in found[each]) for each in (Quantity.OS, Quantity.OS_OF_PERIODS)
        )
        return Kept(minutes, periods)

    def _quota(self) -> float | NotSeen:
        client = self._aws.client("service-quotas")
        listed = pages(
            "servicequotas:ListServiceQuotas",
            client,
            client.list_service_quotas,
            {"ServiceCode": "logs", "MaxResults": 100},
            lambda page: items(page, "Quotas"),
        )
        with self._aws.deadline.optional():
            for page in listed:
                for quota in page:
                    if "FilterLogEvents" in str(quota.get("QuotaName")):
                        return float(quota["Value"])
        return NotSeen("Service Quotas lists no quota of FilterLogEvents")

    def _counters(self, seen: Sequence[NodeSeen]) -> OtelSeen | NotSeen:
        self._say("asking for OpenTelemetry's counters")
        until = min(self._until, time.monotonic() + _COUNTER_SECONDS)
        return observe_otel.look(
            self._aws.client("cloudwatch"),
            seen,
            self._window,
            self._rules,
            sleep=self._aws.sleep,
            out_of_time=lambda: time.monotonic() > until,
        )

    def _day(self, nodes: Sequence[Node]) -> Day | NotSeen:
        if not nodes:
            return NotSeen("no node of the sample has device events")
        self._say("reading 24 hours of one node")
        span = FetchSpan(self._window.end - DAY, self._window.end)
        node = nodes[0]
        _, eni = next(iter(self._totals.histories([node], span)))
        events = self._reader().devices([node], span, DeviceScope.ENI)[node.instance_id]
        seen = _events_or_why(events)
        if isinstance(eni, Unreadable):
            return NotSeen(eni.why)
        return seen if isinstance(seen, NotSeen) else Day(eni, seen)


def _carried(readings: Readings | Unreadable | NotSeen) -> float:
    """What EC2 says that a node's ENIs carried; nothing where it is not known."""
    if not isinstance(readings, Readings):
        return 0.0
    return sum(value or 0.0 for value in (*readings.network_in_bytes, *readings.network_out_bytes))


def _of(answers: Mapping[str, T | Unreadable] | NotSeen, node: Node) -> T | NotSeen:
    if isinstance(answers, NotSeen):
        return answers
    answer = answers[node.instance_id]
    return NotSeen(answer.why, was_refused=True) if isinstance(answer, Unreadable) else answer


def _with_device(enis: Mapping[str, bypass.Enis] | NotSeen, node: Node) -> int | NotSeen:
    if isinstance(enis, NotSeen):
        return enis
    own = enis.get(node.instance_id)
    return len(own.ids) - own.without_device if own and own.ids else NotSeen("EC2 lists no ENIs of the nodes")


def _events_or_why(answer: DeviceEvents | MissingEvidence) -> DeviceEvents | NotSeen:
    if isinstance(answer, DeviceEvents):
        return answer
    return NotSeen(answer.detail, was_refused=answer.why in {NoEvidence.DENIED, NoEvidence.FAILED})


# --- what is deployed ---


def minutes_since(aws: Aws, namespace: str, metric: str, now: datetime) -> float | NotSeen:
    """How long ago a metric without dimensions has its newest point, of one day; infinite without one."""
    minute = timedelta(minutes=1)
    values = _newest(aws, namespace, metric, (), "Maximum", minute, now - DAY, now)
    if isinstance(values, NotSeen):
        return values
    return (now - max(at for at, _ in values)) / minute if values else inf


def oldest_message(aws: Aws, queues: Sequence[str], now: datetime) -> float | NotSeen:
    """The greatest age of a message in any of the queues in the last hours, in seconds."""
    ages: list[float] = []
    for queue in queues:
        dimensions = (("QueueName", queue),)
        of = ("AWS/SQS", "ApproximateAgeOfOldestMessage", dimensions, "Maximum")
        values = _newest(aws, *of, PERIOD, now - HOURS, now)
        if isinstance(values, NotSeen):
            return values
        ages += [value for _, value in values]
    return max(ages) if ages else NotSeen("CloudWatch has no age of messages in the queues")


def _newest(  # noqa: PLR0917 - a metric and a span
    aws: Aws,
    namespace: str,
    metric: str,
    dimensions: Sequence[tuple[str, str]],
    statistic: str,
    period: timedelta,
    start: datetime,
    end: datetime,
) -> list[tuple[datetime, float]] | NotSeen:
    """The datapoints of one metric."""
    named = [{"Name": name, "Value": value} for name, value in dimensions]
    stat = {
        "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": named},
        "Period": int(period.total_seconds()),
        "Stat": statistic,
    }
    client = aws.client("cloudwatch")
    request = {
        "MetricDataQueries": [{"Id": "q0", "MetricStat": stat}],
        "StartTime": floor_to(start, PERIOD),
        "EndTime": floor_to(end, timedelta(minutes=1)) + timedelta(minutes=1),
    }

    def read(page: Mapping[str, Any]) -> list[tuple[datetime, float]]:
        return [
            (at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC), float(value))
            for result in items(page, "MetricDataResults")
            for at, value in zip(result["Timestamps"], result["Values"], strict=True)
        ]

    call = client.get_metric_data
    return _or_not(
        lambda: [
            one for page in pages("cloudwatch:GetMetricData", client, call, request, read) for one in page
        ]
    )


def alarm_actions(aws: Aws, stack: str, since: datetime) -> tuple[int, int] | NotSeen:
    """How many actions of the stack's alarms there were since then, and how many failed."""
    client = aws.client("cloudwatch")
    request = {"HistoryItemType": "Action", "StartDate": since, "MaxRecords": 100}

    def read(page: Mapping[str, Any]) -> Counter[bool]:
        own = [e for e in items(page, "AlarmHistoryItems") if str(e["AlarmName"]).startswith(f"{stack}-")]
        return Counter("fail" in str(each["HistorySummary"]).lower() for each in own)

    def listed() -> tuple[int, int]:
        action, call = "cloudwatch:DescribeAlarmHistory", client.describe_alarm_history
        found: Counter[bool] = sum(pages(action, client, call, request, read), Counter())
        return found.total(), found[True]

    return _optional(listed)
