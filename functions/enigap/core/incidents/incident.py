"""The words of incidents: what is open, what is said about it, who muted it, and the policy for both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from enigap.core.counting.comparison import Sign, Violation
from enigap.core.counting.rules import Rules
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import GRID, Window
from enigap.core.judging.cluster import FindingKind, is_finding
from enigap.core.judging.verdict import FoundBy, NodeFigures


class NewsKind(StrEnum):
    """What has happened to an incident."""

    OPENED = "opened"
    REMINDER = "reminder"
    RESOLVED = "resolved"


class NewsReason(StrEnum):
    """Why news is sent. The value appears unchanged in the log line and in the message."""

    CONFIRMED = "confirmed"
    """Unexplained for as many windows as it takes."""
    SILENCE_EXPIRED = "silence_expired"
    """It opened while it was muted, and still is open now that it is not."""
    REMIND_INTERVAL = "remind_interval"
    """Open and unchanged for as long as the reminder interval."""
    EXPLAINED_AGAIN = "explained_again"
    """Every node of it was explained for as many windows as it takes."""
    NODE_GONE = "node_gone"
    """Every node of it has been terminated, or is no longer a node of this cluster."""
    COLLECTED_AGAIN = "collected_again"
    """The cluster publishes the metric again."""
    READABLE_AGAIN = "readable_again"
    """CloudWatch answers again."""
    FOUND = "found"
    """The cluster has a running node."""
    IDLE = "idle"
    """Its node carried too little for an hour to be unexplained by half of what was told."""
    NOT_SEEN = "not_seen"
    """Its devices were looked at for as long as they are compared, and it was not seen again."""
    NO_LONGER_LOOKED_AT = "no_longer_looked_at"
    """Devices found it, and reading device evidence was switched off."""
    OTHER_VERDICT = "other_verdict"
    """The last of its nodes came to another verdict, which has an incident of its own."""
    NO_LONGER_WATCHED = "no_longer_watched"
    """The settings leave the cluster out."""
    WAS_AND_IS_OVER = "was_and_is_over"
    """It opened and ended in windows that were judged later, and had not been told."""
    TEST = "test"
    """An operator asked for a test message."""


@dataclass(frozen=True, slots=True)
class SeenByDevices:
    """What the accumulated comparison last said about an incident that it found."""

    sign: Sign
    direction: Direction
    told: ByteRate
    """Unexplained at least, as it was told."""
    start: datetime
    """Of the latest run in which it was seen."""
    last: datetime
    """The end of the last window in which it was seen."""
    looked_at: datetime
    """The end of the last window with usable evidence."""

    @classmethod
    def of(cls, violation: Violation, window: Window) -> SeenByDevices:
        return cls(
            violation.sign, violation.direction, violation.rate, violation.start, window.end, window.end
        )

    def again(self, violation: Violation, window: Window) -> SeenByDevices:
        """Seen once more, perhaps in the other direction, perhaps less of it as there is less traffic.

        The last of it, in a run that ended before this window, is no measure of what there was.
        """
        newest = self.of(violation, window) if violation.end > window.start else self
        start = max(self.start, violation.start)
        return replace(newest, start=start, last=window.end, looked_at=window.end)


@dataclass(frozen=True, slots=True)
class Incident:
    """An unexplained verdict, or a cluster-wide finding, that persists."""

    id: str
    """`CLUSTER/INSTANCE/VERDICT`, or `CLUSTER/*/VERDICT` for more nodes than are told about one by one."""
    verdict: str
    cause: str | None
    since: datetime
    """The start of the first window known to be unexplained."""
    node_count: int
    nodes: tuple[NodeFigures, ...]
    """The worst nodes as they were last seen."""
    members: tuple[str, ...] | None
    """Keys (`member_key`) of all its nodes. None of a finding, of what is over, and where they were lost: the
    next window finds them again."""
    told_at: datetime | None = None
    """The end of the window whose run last said something about it; None while it is muted."""
    reason: str | None = None
    """Of a finding: what is wrong and what to do, as it was last found. Nodes have reasons of their own."""
    seen: SeenByDevices | None = None
    """None where the totals found it."""
    alternative_cause: str | None = None
    """One that the figures cannot tell from `cause`."""
    returns: int = 0
    """How often it ended and came back, each time within the reminder interval."""
    calm_since: datetime | None = None
    """When it would have been over, had it not come back so often; None while it is not."""

    @property
    def found_by(self) -> FoundBy:
        return FoundBy.DEVICES if self.seen else FoundBy.TOTALS

    @property
    def is_cluster_wide(self) -> bool:
        return self.id.split("/")[-2] == "*"

    @property
    def is_fault(self) -> bool:
        """Whether anything is wrong. What is no fault is told once: it is not reminded of and never ends."""
        return self.verdict not in {FindingKind.COUNTS_DIFFER, FindingKind.LONG_INTERVAL}

    @property
    def is_about_cluster(self) -> bool:
        """Whether it is a finding, and not about some of the nodes, as a cluster-wide incident may be."""
        return is_finding(self.verdict)


@dataclass(frozen=True, slots=True)
class News:
    """One thing to say. Structured, so that what was not sent can be merged and is rendered when it is."""

    kind: NewsKind
    why: NewsReason
    incident: Incident
    window: Window
    """The window of the run that wants it said."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A muted incident. `target` is an incident id, or a pattern of one (`prod/*`)."""

    target: str
    until: datetime
    why: str

    def covers(self, incident_id: str, now: datetime) -> bool:
        return now < self.until and (
            incident_id == self.target
            or incident_id.startswith(f"{self.target}/")
            or fnmatchcase(incident_id, self.target)
            or self.target in incident_id.split("/")
        )


WORST_NODES: Final = 10
"""How many nodes of an incident are told about one by one; the rest is a count."""

MOST_MISSED: Final = 96
"""How many missed windows are remembered, the newest of them: a day."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An incident that was told as resolved while earlier windows of it were still missed."""

    id: str
    since: datetime
    until: datetime

    def covers(self, incident: Incident, at: datetime) -> bool:
        """Whether what a missed window that ends then shows was told with it: their times overlap."""
        wide = "/".join((*self.id.split("/")[:-2], "*", incident.verdict))
        return self.id in {incident.id, wide} and self.since < at and incident.since < self.until


@dataclass(frozen=True, slots=True)
class Returned:
    """An incident that was told as resolved lately, and how often in a row."""

    id: str
    ended_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class ClusterState:
    """Everything remembered about one cluster between runs."""

    cluster: str
    done: Window | None = None
    """The newest window that was decided."""
    missed: tuple[Window, ...] = ()
    """Windows up to `done` that were due and that no run could judge; oldest first, at most `MOST_MISSED`."""
    ended: tuple[Ended, ...] = ()
    """What was told as resolved and began before the newest missed window."""
    returned: tuple[Returned, ...] = ()
    """What was told as resolved within the reminder interval, and may come back."""
    nodes: int = 0
    """How many nodes the cluster had then."""
    nodes_judged: int = 0
    """How many of them could be judged."""
    unknown_devices: int = 0
    """How many devices of no known class carried traffic then, on nodes whose devices were read."""
    events_with_missing_fields: int = 0
    seen_collecting: bool = False
    unreadable_runs: int = 0
    not_found_runs: int = 0
    """How many runs in a row CloudWatch answered for no node."""
    incidents: tuple[Incident, ...] = ()
    outbox: tuple[News, ...] = ()
    """What has been decided and not yet been handed to SNS."""

    @property
    def is_alive(self) -> bool:
        """Whether it was never judged, or when it was had nodes, open incidents or something left to say."""
        return self.done is None or bool(self.nodes or self.incidents or self.outbox)


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decide what is said."""

    confirm_windows: int = Rules().confirm_windows
    resolve_windows: int = Rules().resolve_windows
    remind_after: timedelta = timedelta(hours=24)
    collapse_above: int = 25
    look_back: timedelta = timedelta(hours=6)
    """How long the devices are looked at without seeing an incident that they found, before it is over."""
    looks_at_devices: bool = True
    schedule: timedelta = GRID
    """How far apart the windows are that are due."""
    named_clusters: Collection[str] = field(default_factory=tuple)
    """Clusters the settings name without a wildcard: worth a finding though they never collected."""
