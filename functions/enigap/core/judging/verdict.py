"""The words: every verdict a node's window can come to, the likely causes, and a judgement that carries its
reason.

How a judgement is reached is in `judge`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Final

from enigap.core.counting.comparison import Accumulated, Violation
from enigap.core.counting.evidence import Evidence, Unusable
from enigap.core.counting.node import Node
from enigap.core.counting.reading import OsSource
from enigap.core.counting.rules import Rules
from enigap.core.counting.split import Split
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import Window
from enigap.core.text import percent


class Verdict(StrEnum):
    """In the order of the table: the first that matches is the verdict."""

    UNREADABLE = "unreadable"
    WARMING_UP = "warming_up"
    IMPLAUSIBLE = "implausible"
    OS_SILENT = "os_silent"
    OS_UNSTEADY = "os_unsteady"
    ENI_SILENT = "eni_silent"
    PARTIAL = "partial"
    IDLE = "idle"
    OS_DEFICIT = "os_deficit"
    OS_EXCESS = "os_excess"
    AGREE = "agree"
    POD_EDGE = "pod_edge"
    NODE_LOCAL = "node_local"
    UNVERIFIED = "unverified"

    @property
    def explained(self) -> bool | None:
        """Whether counting explains the gap; None: unknown."""
        return VERDICT_TABLE[self].explained


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A row of the verdict table, as the documents show it."""

    explained: bool | None
    means: str
    """A template: {floor} and {tolerance} stand for the rules in force, which `meaning` fills in."""


VERDICT_TABLE: Final = {
    Verdict.UNREADABLE: VerdictRow(
        explained=None,
        means="CloudWatch failed for this node: throttled, partial data, an internal error, or access denied",
    ),
    Verdict.WARMING_UP: VerdictRow(
        explained=None,
        means="the instance was launched during the window and has not reported enough of it yet",
    ),
    Verdict.IMPLAUSIBLE: VerdictRow(
        explained=False,
        means="a rate no machine can have: a wrapped counter, or more than twice the instance's bandwidth",
    ),
    Verdict.OS_SILENT: VerdictRow(
        explained=False,
        means="EC2 reports and Container Insights does not: the agent is down or blind on this node",
    ),
    Verdict.OS_UNSTEADY: VerdictRow(
        explained=False,
        means="Container Insights stops and starts: three gaps or more in half an hour, at no regular "
        "interval: the agent keeps restarting",
    ),
    Verdict.ENI_SILENT: VerdictRow(explained=None, means="Container Insights reports and EC2 does not"),
    Verdict.PARTIAL: VerdictRow(
        explained=None, means="fewer than two of the window's three periods are complete on both sides"
    ),
    Verdict.IDLE: VerdictRow(explained=True, means="both sides are under the floor ({floor})"),
    Verdict.OS_DEFICIT: VerdictRow(
        explained=False,
        means="the OS counted less than the network interfaces carried, which counting never does",
    ),
    Verdict.OS_EXCESS: VerdictRow(
        explained=False, means="the physical devices counted more than the network interfaces carried"
    ),
    Verdict.AGREE: VerdictRow(
        explained=True, means="both sides are the same within the tolerance ({tolerance})"
    ),
    Verdict.POD_EDGE: VerdictRow(
        explained=True,
        means="no more than pod traffic comes to, counted again at pods' devices, overlays and gateways",
    ),
    Verdict.NODE_LOCAL: VerdictRow(
        explained=True,
        means="more than pod traffic comes to, on virtual devices, and the physical ones agree: traffic "
        "inside the node",
    ),
    Verdict.UNVERIFIED: VerdictRow(
        explained=None,
        means="beyond what off-node traffic explains, with no usable device evidence for or against a fault; "
        "or a node that runs Windows",
    ),
}


def meaning(verdict: Verdict, rules: Rules) -> str:
    """When a node's window comes to this verdict, with the figures of the rules it was judged by."""
    return VERDICT_TABLE[verdict].means.format(floor=rules.floor, tolerance=percent(rules.tolerance))


class FoundBy(StrEnum):
    """What an unexplained verdict was found by."""

    TOTALS = "totals"
    """The two totals of one window."""
    DEVICES = "devices"
    """The accumulated comparison of the ENI devices with EC2."""


class Cause(StrEnum):
    """What an unexplained gap most likely is. A hint for people, never part of the judgement (`causes`)."""

    AGENT_DOWN = "agent_down"
    NO_INSTANCE_ID = "no_instance_id"
    REUSED_NAME = "reused_name"
    COUNTER_RESET = "counter_reset"
    METRIC_PATH = "metric_path"
    WRAPPED_COUNTER = "wrapped_counter"
    MOVED_DEVICE = "moved_device"
    MIRRORED_TRAFFIC = "mirrored_traffic"
    WRONG_NAMESPACE = "wrong_namespace"
    BLIND_AGENT = "blind_agent"
    RECEIVE_DROPS = "receive_drops"
    TRANSMIT_DROPS = "transmit_drops"
    UNIT_ERROR = "unit_error"
    EC2_SIDE = "ec2_side"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict was reached, in two parts: messages put between them for how long it has been so."""

    seen: str
    """What was seen, as the rest of a sentence that has begun: `the OS side reported 307 PB/s`."""
    means: str = ""
    """What that means, with what joins it on: `, more than any machine can move`."""

    @classmethod
    def of_sentence(cls, sentence: str) -> Reason:
        """A sentence whose parts are not known: all of it is what was seen."""
        return cls(sentence.removesuffix("."))

    def __str__(self) -> str:
        """The reason as one plain sentence."""
        # Letters beyond ASCII stay as they are: the capital of some of them is two letters.
        first = self.seen[:1].upper() if self.seen[:1].isascii() else self.seen[:1]
        return f"{first}{self.seen[1:]}{self.means}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of a node's window. What cannot be known is None.

    A field that is added here is in judgements and incidents; `documents.NODE_FIELDS` makes JSON of it.
    """

    os: ByteRate | None = None
    eni: ByteRate | None = None
    eni_in: ByteRate | None = None
    eni_out: ByteRate | None = None
    unexplained: ByteRate | None = None
    """At least this much; zero where everything is explained."""
    node_local_at_least: ByteRate | None = None
    """The low end of what is inside the node; only where everything is explained."""
    split: Split | None = None
    """None where nothing was compared."""
    cause: str | None = None
    alternative_cause: str | None = None
    """One that the figures cannot tell from `cause`."""
    evidence: Evidence | Unusable | None = None
    evidence_missing: str | None = None
    """Why its devices were not looked at, or prove nothing: completes "its devices prove nothing: ..."."""
    comparison: Violation | None = None
    """Of a verdict found by the accumulated comparison: the run that the verdict is about."""
    os_source: OsSource | None = None
    """Where `os` comes from; None where the node could not be read."""
    since: datetime | None = None
    """The start of the comparison, or of the first fetched window in a row with this verdict."""

    @property
    def ratio(self) -> float | None:
        """O / E; None where E is zero or either is unknown."""
        if self.os is None or self.eni is None or self.eni <= ZERO:
            return None
        return self.os / self.eni


@dataclass(frozen=True, slots=True)
class NodeFigures(Figures):
    """A node as incidents remember it and documents show it."""

    instance_id: str
    node_name: str | None
    verdict: str
    explained: bool | None = None
    reason: Reason = Reason("There was no room to remember its figures")


@dataclass(frozen=True, slots=True)
class Judgement(Figures):
    """One node's window with its verdict, and why."""

    node: Node
    window: Window
    verdict: Verdict
    reason: Reason
    accumulated: Accumulated | None = None
    """All that the accumulated comparison came to, if there was usable evidence to make it with."""

    @property
    def explained(self) -> bool | None:
        return self.verdict.explained

    @property
    def violation(self) -> Violation | None:
        """What the devices say against the node, where its verdict is theirs."""
        is_theirs = self.verdict in (Verdict.OS_DEFICIT, Verdict.OS_EXCESS)
        return self.accumulated.worst if is_theirs and self.accumulated else None

    @property
    def found_by(self) -> FoundBy:
        return FoundBy.DEVICES if self.violation else FoundBy.TOTALS

    @property
    def figures(self) -> NodeFigures:
        known = {field.name: getattr(self, field.name) for field in fields(Figures)}
        own = (self.node.instance_id, self.node.name, self.verdict, self.explained, self.reason)
        return NodeFigures(*own, **known)


def wants_evidence(judgement: Judgement) -> bool:
    """Whether the devices could change or explain this verdict: it is unexplained, or it could not be
    told. The devices of a Windows node explain nothing."""
    if judgement.node.is_windows:
        return False
    return judgement.explained is False or judgement.verdict is Verdict.UNVERIFIED


def is_taken_on_trust(judgement: Judgement) -> bool:
    """Whether its totals alone explain it and its devices, which could contradict them, were not seen."""
    is_busy = judgement.explained is True and judgement.verdict is not Verdict.IDLE
    return is_busy and judgement.evidence_missing is not None
