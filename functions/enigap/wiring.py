"""Which adapters answer which question: shared by the deployed functions and the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from enigap.assessment import Looking, Sources, assess
from enigap.aws import addon, bypass, cluster_series, device_events, discovery, metrics, promql
from enigap.aws.clients import Aws
from enigap.aws.device_events import CALLS_PER_SECOND, ContainerInsightsDevices
from enigap.aws.discovery import Memory, discover
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.metrics import DATAPOINTS_PER_SECOND, CloudWatchTotals
from enigap.aws.names import refusing
from enigap.aws.otel import BYTES, Either, OtelDevices, OtelTotals
from enigap.aws.pace import Pace
from enigap.aws.placement import FoundCluster, Wanted
from enigap.aws.promql import QUERIES_PER_SECOND, PromQL
from enigap.core.counting.evidence import DeviceScope, MissingEvidence, NoEvidence
from enigap.core.counting.meters import OS_METRIC
from enigap.core.counting.node import Node
from enigap.core.counting.reading import OsSourceChoice, Unreadable
from enigap.core.counting.window import FetchSpan, Window
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind
from enigap.core.text import count, printable
from enigap.settings import Settings

READ_ACTIONS: Final = (
    *discovery.ACTIONS,
    *metrics.ACTIONS,
    *promql.ACTIONS,
    *device_events.ACTIONS,
    *addon.ACTIONS,
    *bypass.ACTIONS,
)
"""The permissions to read: of `check`, `explain`, `report` and `backtest`, and part of the reconciler's."""


RECONCILERS_AT_ONCE: Final = 5
"""How many clusters are judged side by side; they share the account's quota of datapoints.

With five, three clusters whose runs time out leave two for all others; a fifth of the quota still reads
100,000 nodes in 200 s; and a new account, whose functions may run ten times at once, has room for the others.
"""
READ_LOGS_AT_ONCE: Final = 2
"""Among how many of them the calls to the logs are shared out. More seldom read logs in the same second, and
what is throttled then is asked again. With smaller shares a large cluster's turns would not fit into a run.
"""


def sources(
    aws: Aws,
    settings: Settings,
    out_of_time: Callable[[], bool] = lambda: False,
    *,
    readers: int = 1,
    seconds_for_devices: float | None = None,
) -> Sources:
    """Both sides' totals and the devices, as Container Insights and EC2 publish them.

    Which Container Insights it is, the setting `os_source` says, or the cluster's own figures.
    `readers` is how many processes share the account's quotas of datapoints and of calls.
    """
    calls = (
        CALLS_PER_SECOND / min(readers, READ_LOGS_AT_ONCE)
        if seconds_for_devices is None
        else CALLS_PER_SECOND_AT_A_DESK
    )
    totals = CloudWatchTotals(
        aws.client("cloudwatch"),
        pace=Pace(DATAPOINTS_PER_SECOND / readers, sleep=aws.sleep),
        out_of_time=out_of_time,
    )
    classifier = settings.rules().classifier
    devices = ContainerInsightsDevices(
        aws.client("logs"),
        classifier,
        parallelism=aws.parallelism,
        pace=Pace(calls, sleep=aws.sleep),
        sleep=aws.sleep,
        out_of_time=out_of_time if seconds_for_devices is None else _Patience(seconds_for_devices),
        name_pods=True,
    )
    counters = PromQL(
        aws.client("cloudwatch"),
        pace=Pace(QUERIES_PER_SECOND / readers, sleep=aws.sleep),
        sleep=aws.sleep,
        out_of_time=out_of_time,
    )
    both_ports = OtelTotals(counters, totals, classifier), OtelDevices(counters, classifier)
    common = Sources(
        totals=totals,
        out_of_time=out_of_time,
        devices=devices,
        why_not_read=lambda cluster, span: _why_not_read(aws, cluster, span),
        why_not_collected=lambda cluster: addon.why_not_collected(
            aws.client("eks"), cluster, settings.os_source
        ),
        elsewhere=partial(_elsewhere, aws),
        bypasses=lambda nodes, span: bypass.bypasses(aws.client("ec2"), totals.efa, nodes, span),
    )
    match settings.os_source:
        case OsSourceChoice.CLASSIC:
            return common
        case OsSourceChoice.OTEL:
            return replace(
                common,
                totals=both_ports[0],
                devices=both_ports[1],
                glance=both_ports[1].glance,
                missing=lambda: BYTES.received,
                why_not_read=lambda _, __: None,
                elsewhere=lambda _: {},
            )
        case OsSourceChoice.AUTO:
            either = Either((totals, devices), both_ports)
            return replace(
                common,
                totals=either,
                devices=either,
                glance=either.glance,
                missing=partial(_neither, either),
            )


def _neither(either: Either) -> str:
    """What a cluster without a figure of the OS publishes none of."""
    if either.why_not_asked is None:
        return f"{OS_METRIC} or, by OpenTelemetry, {BYTES.received}"
    return f"{OS_METRIC} ({either.why_not_asked}, so OpenTelemetry's counters are unknown)"


def _elsewhere(aws: Aws, nodes: Sequence[Node]) -> Mapping[str, Sequence[Node] | Unreadable]:
    """Where a node cannot be looked for, its silence is not known to be one."""
    try:
        return discovery.elsewhere(aws.client("cloudwatch"), nodes, parallelism=aws.parallelism)
    except AwsProblem as problem:
        return {node.instance_id: Unreadable(problem.what) for node in nodes}


def _why_not_read(aws: Aws, cluster: str, span: FetchSpan) -> str | None:
    with aws.deadline.optional():
        return cluster_series.why_not_read(aws.client("cloudwatch"), aws.client("logs"), cluster, span)


CALLS_PER_SECOND_AT_A_DESK: Final = 5.0
"""The quota of FilterLogEvents, whole: who asks at a desk is whom the other half is kept for."""


class _Patience:
    """Says that time is out, so many seconds after it was first asked."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def __call__(self) -> bool:
        now = time.monotonic()
        self._until = now + self._seconds if self._until is None else self._until
        return now > self._until


def assess_found(
    aws: Aws,
    settings: Settings,
    cluster: FoundCluster,
    window: Window,
    out_of_time: Callable[[], bool] = lambda: False,
    *,
    readers: int = 1,
    is_followed: Callable[[str], bool] = lambda _: False,
    always_long: bool = False,
    is_part: bool = False,
    shows_all: bool = False,
    seconds_for_devices: float | None = None,
) -> ClusterReport:
    """The report on a cluster whose nodes are known. Raises AwsProblem if none of them can be asked about.

    `is_followed`, `always_long`, `is_part` and `shows_all` are those of `assessment.Looking`; devices are
    read for `seconds_for_devices` at most.
    """
    return assess(
        cluster.name,
        cluster.nodes,
        window,
        settings.rules(),
        sources(aws, settings, out_of_time, readers=readers, seconds_for_devices=seconds_for_devices),
        Looking(
            settings.evidence,
            settings.look_back,
            settings.evidence_max_nodes,
            is_followed=is_followed,
            always_long=always_long,
            is_part=is_part,
            shows_all=shows_all,
        ),
    )


def assess_cluster(
    aws: Aws,
    settings: Settings,
    name: str,
    window: Window,
    out_of_time: Callable[[], bool],
    *,
    readers: int = 1,
    is_followed: Callable[[str], bool],
    memory: Memory | None = None,
) -> ClusterReport:
    """The report on one cluster by its name; a failure to read is a finding. The pipeline reads this way.

    A failure to read, a denial or missing credentials included, is a finding and no error: it is
    published, resolves nothing, and once it lasts people are told in a message that names the remedy. An
    error would only fill the dead letters. (A failure to write is an error: no message could
    be told.)
    """
    wanted = Wanted(clusters=(name,), node_tags=settings.node_tags)
    cluster = FoundCluster(name)
    try:
        found = discover(
            aws.client("ec2"),
            aws.client("cloudwatch"),
            wanted,
            parallelism=aws.parallelism,
            memory=memory,
        )
        # A name with a * or ? in it is taken for a pattern, which may find others, too.
        cluster = next((each for each in found.clusters if each.name == name), cluster)
        if not cluster.nodes and name in settings.named_clusters:
            finding = Finding(
                FindingKind.NOT_FOUND, why_not_found(cluster, aws.region, found.called.get(name))
            )
            return ClusterReport(name, window, finding=finding, notes=found.notes)
        report = assess_found(
            aws, settings, cluster, window, out_of_time, readers=readers, is_followed=is_followed
        )
        return replace(report, notes=found.notes + report.notes + notes_on_name(name))
    except AwsProblem as problem:
        finding = Finding(FindingKind.UNREADABLE, f"No node of {name} could be read. {problem}")
        return ClusterReport(name, window, finding=finding, node_count=len(cluster.nodes))


def notes_on_name(cluster: str) -> tuple[str, ...]:
    """What a cluster's name keeps from being published and asked, in one sentence."""
    refused = refusing(cluster)
    if not refused:
        return ()
    metrics = "only the metrics of all clusters together are published; " if "CloudWatch" in refused else ""
    said = (
        f"No name of {' or '.join(refused)} can be {printable(cluster)!r}: {metrics}correct the tag or the "
        "agent's cluster name."
    )
    return (said,)


def why_not_found(cluster: FoundCluster, region: str, by_eks: str | None) -> str:
    """Why a cluster that the settings name has no node to judge, with what to do.

    `by_eks` is EKS's name of the cluster whose agents call it so.
    """
    missing = f"No node of {cluster.name} to judge was found in {region}"
    if by_eks:
        return f"{missing}, for it is what the agents of {by_eks} call it: give that name in `clusters`."
    if cluster.other_tags:
        others = count(cluster.other_tags, "running node")
        return f"{missing}, for {others} of it carry other tags: correct `node_tags`."
    if cluster.fargate or cluster.not_on_ec2:
        return f"{missing}, for its nodes are no EC2 instances: take the name out of `clusters`."
    return f"{missing}: correct the name in `clusters`, or deploy to the cluster's region and account."


def rehearse_reading(aws: Aws, settings: Settings, window: Window) -> None:
    """Ask each source about a node that is not there. Raises AwsProblem for one that may not be asked."""
    node = Node("enigap-rehearsal", "i-00000000000000000", "enigap-rehearsal")
    span = FetchSpan.of(window, 1)
    discover(aws.client("ec2"), aws.client("cloudwatch"), Wanted(clusters=(node.cluster,)))
    of = sources(aws, settings)
    list(of.totals.totals([node], span))
    events = of.devices.devices([node], span, DeviceScope.ALL)[node.instance_id]
    if isinstance(events, MissingEvidence) and events.why is NoEvidence.DENIED:
        raise AwsProblem(ProblemKind.DENIED, events.detail, "allow it, or set evidence to off")
