"""What was seen of an account: values that `aws.observe` fills in and the checks judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from enigap.core.counting.bypass import Bypass
from enigap.core.counting.comparison import EniHistory
from enigap.core.counting.evidence import DeviceEvents, NoEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import Window

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotSeen:
    """Why something was not seen, as a clause: "AWS denied logs:FilterLogEvents"."""

    why: str
    was_refused: bool = False
    """Whether it was asked for, with the permissions of `enigap policy`, and AWS did not answer."""


NOT_ASKED = NotSeen("it was not asked for")


def seen_of(values: Iterable[T | NotSeen]) -> list[T]:
    """The values that were seen."""
    return [value for value in values if not isinstance(value, NotSeen)]


def why_not(values: Iterable[object], otherwise: str) -> str:
    """Why nothing was seen: what was refused first, then what else there is, then `otherwise`."""
    reasons = [value for value in values if isinstance(value, NotSeen) and value is not NOT_ASKED]
    return min(reasons, key=lambda each: not each.was_refused).why if reasons else otherwise


@dataclass(frozen=True, slots=True)
class RawEvents:
    """How CloudWatch Logs delivered one node's `NodeNet` events, before they are read."""

    events: int
    in_stream_of_node: int
    """How many of them are in the stream that is named after the node."""
    seconds_late: tuple[float, ...] = ()
    """Between the time of an event and when it could be read."""
    seconds_apart: tuple[float, ...] = ()
    """Between the time in an event and that of CloudWatch Logs."""
    characters: int = 0
    """The length of the longest event."""
    was_written_at_once: bool = False
    """Whether minutes of events were written within seconds: how late they came says nothing."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One node of the sample."""

    node: Node
    readings: Readings | NotSeen = NOT_ASKED
    """Both sides of the last hours, up to now."""
    os_samples: tuple[float | None, ...] | NotSeen = NOT_ASKED
    """How many values the OS's metric has in each minute of the same span."""
    eni: EniHistory | NotSeen = NOT_ASKED
    events: DeviceEvents | NotSeen = NOT_ASKED
    """Of all devices, in the newest settled window."""
    enis_events: DeviceEvents | NotSeen = NOT_ASKED
    """The same, of the ENI devices, as most nodes are read: several in one request."""
    raw: RawEvents | NotSeen = NOT_ASKED
    enis: int | NotSeen = NOT_ASKED
    """How many ENIs with a device EC2 says that it has."""
    bypass: Bypass | NotSeen = NOT_ASKED
    """What of its traffic may cross no device; nothing as a rule."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request for several nodes' device events."""

    asked: int
    answered: int
    """Of how many nodes it had events."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """Device events of one node and stretch of time, by the filter pattern and without one."""

    by_pattern: int
    without: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Datapoints of one hour, two weeks ago."""

    minutes: int
    periods: int


@dataclass(frozen=True, slots=True)
class Answers:
    """The shape of GetMetricData's answers."""

    series: int
    in_order: int
    """Of time, one way or the other."""
    newest_first: int
    with_numbers: int
    """How many have the times as numbers."""


@dataclass(frozen=True, slots=True)
class Day:
    """24 hours of one node: EC2's side, and the events of its ENI devices."""

    eni: EniHistory
    events: DeviceEvents


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed."""

    schedule_minutes: int
    minutes_since_plan: float | NotSeen = NOT_ASKED
    """Since the newest point of `PlansMade`; infinite where there is none in a day."""
    overdue: int | NotSeen = NOT_ASKED
    """Clusters that were not judged for two schedules."""
    subscriptions: int | NotSeen = NOT_ASKED
    not_told: int | NotSeen = NOT_ASKED
    """Addresses in the settings that are not subscribed, and subscriptions that are not confirmed."""
    alarm_actions: int | NotSeen = NOT_ASKED
    alarm_actions_failed: int | NotSeen = NOT_ASKED
    """How many actions of alarms failed in the last days."""
    queue_seconds: float | NotSeen = NOT_ASKED
    """The greatest age of a message in a queue in the last hours."""


@dataclass(frozen=True, slots=True)
class Held:
    """When a pod's counter of one device was read, seen by asking for it at each second."""

    anchor: str
    """The pod's workload."""
    at: tuple[int, ...]
    """The seconds from which a newer value was answered."""
    for_seconds: tuple[int, ...]
    """How long each was answered for, within a range of `OtelSeen.range_seconds`."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Of how many series one question has what it should, and how many there are."""

    same: int
    of: int


@dataclass(frozen=True, slots=True)
class OtelNode:
    """What OpenTelemetry's counters are of one node."""

    clusters: frozenset[str]
    """What its series call the cluster."""
    anchors: Mapping[str, Mapping[str, float]]
    """By the workload of each pod that stands for the node: its ENI devices' bytes received, at one
    instant."""
    readings: Readings | NotSeen = NOT_ASKED
    """Both sides of the last windows, the OS's by these counters."""
    events: DeviceEvents | NotSeen = NOT_ASKED
    """Of the ENI devices."""
    grown: Mapping[str, float] | NotSeen = NOT_ASKED
    """By device: what the counters grew by in the newest settled window, both directions."""
    of_kubelet: Mapping[str, float] | NotSeen = NOT_ASKED
    """The same, by the kubelet's own metric."""


@dataclass(frozen=True, slots=True)
class OtelSeen:
    """How CloudWatch answers PromQL, and what OpenTelemetry's counters are."""

    queries: int
    """How many queries were answered."""
    denied: str | None = None
    """What AWS said, as a clause, where it denied the first of them."""
    nodes: Mapping[str, OtelNode] = field(default_factory=dict)
    """By instance id, those of the sample that have counters."""
    under_other_ids: int = 0
    """Series of the sample's clusters whose host is no instance id."""
    range_seconds: int = 0
    held: tuple[Held, ...] | NotSeen = NOT_ASKED
    ranges: Matched | NotSeen = NOT_ASKED
    """Series that have the same value by both kinds of question."""
    by_pattern: Matched | NotSeen = NOT_ASKED
    """Of one node: the series that come by a pattern, and those that come by its exact id."""
    long_answer: Matched | NotSeen = NOT_ASKED
    """Series in an answer that is too long, and how many there are; none where it is no answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the adapters take for limits of AWS."""

    event_characters: int
    page_events: int
    log_calls_per_second: float


@dataclass(frozen=True, slots=True)
class Observations:
    """All that was seen of the account and its nodes."""

    now: datetime
    window: Window
    """The newest settled window."""
    rules: Rules
    limits: Limits
    nodes: tuple[NodeSeen, ...] = ()
    missing_stream: NoEvidence | NotSeen = NOT_ASKED
    """What is said of a log stream that is not there."""
    batch: Batch | NotSeen = NOT_ASKED
    filtered: Filtered | NotSeen = NOT_ASKED
    kept: Kept | NotSeen = NOT_ASKED
    answers: Answers | NotSeen = NOT_ASKED
    page_events: int | NotSeen = NOT_ASKED
    """The most events in one page of FilterLogEvents."""
    log_calls_per_second: float | NotSeen = NOT_ASKED
    """The account's quota of FilterLogEvents."""
    day: Day | NotSeen = NOT_ASKED
    otel: OtelSeen | NotSeen = NOT_ASKED
    deployment: Deployment | NotSeen = NOT_ASKED
