"""The metrics enigap publishes: their names, units and dimensions, and how each is to be read.

| scope | dimensions | stamped with | read with |
|---|---|---|---|
| node | ClusterName, InstanceId | the window's start | the statistic below |
| cluster | ClusterName | the window's end and the settling time | the statistic below |
| worst cluster | none | the same | Maximum, and nothing else |

A cluster's metric is published twice, with its dimension and without; the highest of the latter within a
window is the worst cluster's, and one plain alarm watches all clusters by it. Zeros are published as
well: a missing datapoint means that no run succeeded. A repeated run publishes the same values under the
same timestamps, which changes no Average and no Maximum; that is why nothing here is read with Sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, unique
from typing import Final

from enigap.core.counting.meters import CLUSTER_DIMENSION, INSTANCE_DIMENSION
from enigap.core.counting.units import ByteRate
from enigap.core.judging.cluster import ClusterReport, FindingKind
from enigap.core.judging.verdict import Judgement, Verdict


class Publish(StrEnum):
    """Which nodes get metrics of their own; clusters always do."""

    ALL = "all"
    FLAGGED = "flagged"
    CLUSTER = "cluster"


class Unit(StrEnum):
    """CloudWatch's names of units."""

    BYTES_PER_SECOND = "Bytes/Second"
    COUNT = "Count"
    NONE = "None"


class Scope(Enum):
    """What a metric describes (node, cluster, planner); the value has its dimensions."""

    _value_: tuple[str, ...]

    NODE = (CLUSTER_DIMENSION, INSTANCE_DIMENSION)
    CLUSTER = (CLUSTER_DIMENSION,)
    DEPLOYMENT = ()


WORST_CLUSTER_STATISTIC: Final = "Maximum"
"""All clusters publish to the metric without dimensions, so only the maximum of it is meaningful."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published metric: name, unit, scope, statistic and meaning."""

    name: str
    meaning: str
    scope: Scope = Scope.CLUSTER
    unit: Unit = Unit.COUNT
    statistic: str = "Maximum"
    """The statistic for periods of more than one window."""


@unique
class Metric(Enum):
    """All published metrics."""

    NODE_OS_TO_ENI_RATIO = Published(
        "OsToEniRatio", "What the OS counted over what the ENIs carried.", scope=Scope.NODE, unit=Unit.NONE
    )
    NODE_UNEXPLAINED = Published(
        "UnexplainedBytesPerSecond",
        "How much of the node's gap, at least, counting does not explain.",
        scope=Scope.NODE,
        unit=Unit.BYTES_PER_SECOND,
    )
    NODES_KNOWN = Published("NodesKnown", "Nodes of the cluster, judged or not.")
    NODES_JUDGED = Published("NodesJudged", "Nodes with enough readings for a verdict.")
    NODES_UNEXPLAINED = Published("NodesUnexplained", "Nodes whose gap counting does not explain.")
    NODES_UNVERIFIED = Published(
        "NodesUnverified",
        "Nodes whose gap no evidence could settle; "
        "where the devices of every node are to be looked at, those without usable evidence, too.",
    )
    NODES_SILENT = Published("NodesSilent", "Nodes of which one side reports nothing.")
    NODES_UNREADABLE = Published(
        "NodesUnreadable", "Nodes that CloudWatch did not answer for: the run was degraded."
    )
    CLUSTER_UNEXPLAINED = Published(
        "UnexplainedBytesPerSecond", "The largest unexplained rate of any node.", unit=Unit.BYTES_PER_SECOND
    )
    OS_BYTES = Published(
        "OsBytesPerSecond",
        "What the operating systems counted, all nodes together of which both sides are known.",
        unit=Unit.BYTES_PER_SECOND,
        statistic="Average",
    )
    ENI_BYTES = Published(
        "EniBytesPerSecond",
        "What the network interfaces carried, all nodes together of which both sides are known.",
        unit=Unit.BYTES_PER_SECOND,
        statistic="Average",
    )
    NODE_LOCAL_BYTES = Published(
        "NodeLocalBytesPerSecond",
        "How much, at least, was traffic inside its node, all explained nodes together.",
        unit=Unit.BYTES_PER_SECOND,
        statistic="Average",
    )
    BILLED_METRICS = Published(
        "BilledMetrics", "CloudWatch metrics that reading this cluster once is billed for."
    )
    SURPRISES = Published(
        "Surprises",
        "Devices of no known class that carry traffic, and device events that lack a field: "
        "the agent may have changed.",
    )
    CLUSTERS_OVERDUE = Published(
        "ClustersOverdue", "Clusters not judged for two schedules.", scope=Scope.DEPLOYMENT
    )
    PLANS_MADE = Published(
        "PlansMade",
        "1 for each plan, whatever state the clusters are in: its absence means that no plan ran.",
        scope=Scope.DEPLOYMENT,
    )

    @property
    def metric_name(self) -> str:
        """The name in CloudWatch."""
        return self.value.name


def of(scope: Scope) -> tuple[Published, ...]:
    """The metrics of one scope, in the order they are documented in."""
    return tuple(metric.value for metric in Metric if metric.value.scope is scope)


@dataclass(frozen=True, slots=True)
class Datum:
    """One datapoint to publish."""

    name: str
    dimensions: tuple[tuple[str, str], ...]
    """Pairs of a dimension's name and its value."""
    value: float
    unit: Unit
    timestamp: datetime


def data_of_run(report: ClusterReport, *, settle: timedelta, publish: Publish) -> Iterator[Datum]:
    """The datapoints of one run over one cluster. They are idempotent: a repeated run publishes the same.

    Counts are published even when they are zero. A sum of rates over no compared node is unknown, not
    zero, and left out.
    """
    stamp = report.window.end + settle
    for metric, value in cluster_values(report):
        for dimensions in (((CLUSTER_DIMENSION, report.cluster),), ()):
            yield Datum(metric.metric_name, dimensions, value, metric.value.unit, stamp)
    for node in report.nodes:
        if _has_metrics_of_its_own(node.newest, publish):
            yield from _node_data(report.cluster, node.newest)


def cluster_values(report: ClusterReport) -> Iterator[tuple[Metric, float]]:
    """A cluster's metrics; sums of rates only where a node has both sides."""
    judged = [n.newest for n in report.nodes if n.newest.explained is not None or _is_unverified(n.newest)]
    # A node of which one side is silent would show as a gap of the whole cluster.
    compared = [judgement for judgement in judged if judgement.os is not None and judgement.eni is not None]
    yield Metric.NODES_KNOWN, report.node_count
    yield Metric.NODES_JUDGED, report.nodes_judged
    yield Metric.NODES_UNEXPLAINED, sum(judgement.explained is False for judgement in judged)
    yield Metric.NODES_UNVERIFIED, report.count(Verdict.UNVERIFIED) + report.not_looked_at
    yield Metric.NODES_SILENT, report.count(Verdict.OS_SILENT, Verdict.ENI_SILENT)
    yield Metric.NODES_UNREADABLE, _nodes_unreadable(report)
    yield Metric.BILLED_METRICS, report.billed_metrics
    yield Metric.SURPRISES, report.drift.total
    yield Metric.CLUSTER_UNEXPLAINED, max((_rate(j.unexplained) for j in judged), default=0.0)
    if compared:
        yield Metric.OS_BYTES, sum(_rate(judgement.os) for judgement in compared)
        yield Metric.ENI_BYTES, sum(_rate(judgement.eni) for judgement in compared)
        explained = [judgement for judgement in compared if judgement.explained]
        yield Metric.NODE_LOCAL_BYTES, sum(_rate(judgement.node_local_at_least) for judgement in explained)


def _nodes_unreadable(report: ClusterReport) -> int:
    if report.finding is not None and report.finding.kind is FindingKind.UNREADABLE:
        # If not even the nodes could be listed, it is at least one: zero would look healthy.
        return max(1, report.node_count)
    return report.count(Verdict.UNREADABLE)


def _node_data(cluster: str, judgement: Judgement) -> Iterator[Datum]:
    dimensions = ((CLUSTER_DIMENSION, cluster), (INSTANCE_DIMENSION, judgement.node.instance_id))
    values = (
        (Metric.NODE_OS_TO_ENI_RATIO, judgement.ratio),
        (Metric.NODE_UNEXPLAINED, None if judgement.unexplained is None else _rate(judgement.unexplained)),
    )
    for metric, value in values:
        if value is not None:
            yield Datum(metric.metric_name, dimensions, value, metric.value.unit, judgement.window.start)


def _has_metrics_of_its_own(judgement: Judgement, publish: Publish) -> bool:
    return is_flagged(judgement) if publish is Publish.FLAGGED else publish is Publish.ALL


def is_flagged(judgement: Judgement) -> bool:
    """Whether counting does not explain the node's window, or no evidence could settle it."""
    return judgement.explained is False or _is_unverified(judgement)


def _is_unverified(judgement: Judgement) -> bool:
    return judgement.verdict is Verdict.UNVERIFIED


def _rate(rate: ByteRate | None) -> float:
    return rate.bytes_per_second if rate is not None else 0.0
