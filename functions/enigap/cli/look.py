"""Reads and judges the clusters that the arguments select: shared by `check`, `report` and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from enigap.aws.clients import Aws
from enigap.aws.discovery import clusters, discover
from enigap.aws.errors import AwsProblem
from enigap.aws.placement import Discovery, FoundCluster, Wanted
from enigap.cli.arguments import DeskEvidence, UsageError, window_at
from enigap.cli.desk import Desk, Origin
from enigap.cli.progress import Say, progress
from enigap.cli.usage import near_miss
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import Window
from enigap.core.judging.cluster import ClusterReport
from enigap.core.judging.verdict import Verdict
from enigap.core.text import count, listed, matches, printable
from enigap.settings import Settings
from enigap.wiring import assess_found

SECONDS_FOR_DEVICES: Final = 60.0
"""How long a command reads the devices of one cluster; it says how many nodes were not looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """The judged clusters of an account."""

    aws: Aws
    now: datetime
    account: str | None
    settings: Settings
    window: Window
    reports: Sequence[ClusterReport]
    notes: Sequence[str]

    @property
    def region(self) -> str:
        return self.aws.region

    @property
    def judged_at(self) -> datetime:
        """When the window was settled."""
        return self.window.end + self.settings.settle


def look(
    origin: Origin,
    *,
    cluster: Sequence[str] | None,
    at: str | None,
    evidence: DeskEvidence | None,
    shows_all: bool,
) -> Look:
    """Read and judge the selected clusters. Raises UsageError, SettingsError and AwsProblem.

    `shows_all` asks for the devices of every node, unless `evidence` has only some of them read.
    """
    it = origin.desk()
    settings = replace(
        it.settings,
        clusters=tuple(cluster or it.settings.clusters),
        evidence=evidence.policy if evidence else _at_once(it.settings.evidence),
    )
    window = window_at(at, it.now, settings.rules())
    it.aws.sign_in()
    with progress() as say:
        return look_at(
            replace(it, settings=settings),
            window,
            say,
            shows_all=shows_all and (evidence is None or evidence.policy is EvidencePolicy.ALWAYS),
        )


def look_at(it: Desk, window: Window, say: Say, *, shows_all: bool = False) -> Look:
    """Read and judge the clusters that the settings select. Raises UsageError and AwsProblem."""
    found = it.only(found_clusters(it.aws, it.settings, say))
    reports = [_report(it, one, window, say, shows_all=shows_all) for one in found.clusters]
    return Look(it.aws, it.now, found.account, it.settings, window, reports, found.notes)


def _at_once(policy: EvidencePolicy) -> EvidencePolicy:
    """What a deployment does in turn, a single look does at once."""
    return EvidencePolicy.ALWAYS if policy is EvidencePolicy.ROTATE else policy


def exit_status(reports: Sequence[ClusterReport]) -> int:
    """1 if a node is unexplained; else 2 if nodes could not be judged, or there are none; else 0."""
    verdicts = {verdict for report in reports for verdict in report.verdicts}
    if any(verdict.explained is False for verdict in verdicts):
        return 1
    judged = any(report.nodes_judged for report in reports)
    if not judged or Verdict.UNREADABLE in verdicts or any(report.finding for report in reports):
        return 2
    return 0


def found_clusters(aws: Aws, settings: Settings, say: Say) -> Discovery:
    """The clusters that the settings select, or all. Raises UsageError if there is none, and AwsProblem."""
    say(f"looking for clusters in {aws.region}")
    wanted = Wanted(clusters=settings.clusters, node_tags=settings.node_tags)
    found = discover(aws.client("ec2"), aws.client("cloudwatch"), wanted)
    for name in settings.clusters:
        by_eks = next((eks for called, eks in found.called.items() if matches(called, (name,))), None)
        if by_eks and not _is_found(name, found):
            raise UsageError(
                f"There is no cluster {name!r} in {aws.region}: it is what the agents of {by_eks!r} call it; "
                "give this name, which is EKS's."
            )
    if empty := [name for name in settings.clusters if not _is_found(name, found)]:
        names = ", ".join(map(repr, empty))
        raise UsageError(
            f"There is no cluster {names} in {aws.region}: no running instance is a node of it by its series "
            "in Container Insights or, without one, by its tags; check the name, the region and the account"
            f"{_others(aws, empty[0])}"
        )
    if not found.clusters:
        raise UsageError(
            f"There is no cluster in {aws.region}: no running instance carries a cluster's tag, and "
            "Container Insights has no series of one; check the region and the account."
        )
    return found


def _others(aws: Aws, name: str) -> str:
    """How a sentence about a cluster that is not there ends: with those that are, if they can be listed."""
    try:
        there = clusters(aws.client("ec2"), aws.client("cloudwatch"))
    except AwsProblem:
        there = ()
    if near := near_miss(name.rpartition("/")[2].strip(), there):  # an ARN ends with the name
        return f"; {near}"
    return f"; there are: {listed([printable(each) for each in there])}." if there else "."


def _is_found(name: str, found: Discovery) -> bool:
    asked = Wanted(clusters=(name,))
    return any(asked.cluster(cluster.name) and _has_traces(cluster) for cluster in found.clusters)


def _has_traces(cluster: FoundCluster) -> bool:
    return bool(
        cluster.nodes or cluster.departed or cluster.fargate or cluster.not_on_ec2 or cluster.other_tags
    )


def _report(it: Desk, cluster: FoundCluster, window: Window, say: Say, *, shows_all: bool) -> ClusterReport:
    say(f"reading {count(len(cluster.nodes), 'node')} of {cluster.name}")
    return assess_found(
        it.aws,
        it.settings,
        cluster,
        window,
        always_long=True,
        is_part=it.instance_id is not None,
        shows_all=shows_all,
        seconds_for_devices=SECONDS_FOR_DEVICES,
    )
