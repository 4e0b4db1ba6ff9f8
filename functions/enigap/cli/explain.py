"""`enigap explain`: one node, device by device."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from enigap.assessment import examine
from enigap.aws.clients import Aws
from enigap.aws.discovery import FoundCluster, Wanted, discover
from enigap.cli import show
from enigap.cli.arguments import (
    At,
    Format,
    Output,
    Profile,
    Region,
    SettingsFile,
    UsageError,
    settings_from,
    window_at,
)
from enigap.cli.check import exit_status
from enigap.cli.progress import progress
from enigap.cli.screen import Screen, write
from enigap.cli.show import short_name
from enigap.core.cluster import ClusterReport, NodeReport
from enigap.core.documents import explain_document
from enigap.core.reading import Node
from enigap.core.rules import EvidencePolicy
from enigap.core.verdict import Verdict
from enigap.settings import Settings
from enigap.wiring import assess_found, sources


def command(  # noqa: PLR0917 - typer passes the options by name
    instance_id: Annotated[
        str, typer.Argument(help="The node's EC2 instance id (i-...), or its name.", show_default=False)
    ],
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    output: Output = Format.TABLE,
    settings_file: SettingsFile = None,
) -> int:
    """One node: the verdict, both sides, and what every device carried.

    Exit status: the same as `enigap check`.
    """
    settings = settings_from(settings_file, profile, region)
    window = window_at(at, datetime.now(UTC), settings.rules())
    aws = Aws(profile=profile, region=region)
    with progress() as say:
        say(f"looking for {instance_id} in {aws.region}")
        node, cluster = _node(aws, settings, instance_id)
        say(f"reading {instance_id} and its devices")
        judgement = examine(node, window, settings.rules(), sources(aws, settings))
        finding = None
        if judgement.verdict is Verdict.OS_SILENT:
            # Where no node reports it is nothing about this one, and `check` says so, too.
            say(f"reading the other nodes of {cluster.name}")
            unread = replace(settings, evidence=EvidencePolicy.OFF)
            finding = assess_found(aws, unread, cluster, window).finding
    if output is Format.JSON:
        write(explain_document(aws.region, judgement, finding))
    else:
        show.explain(Screen(), aws.region, judgement, finding)
    nodes = () if finding else (NodeReport(judgement),)
    return exit_status([ClusterReport(node.cluster, window, nodes, finding, node_count=1)])


def _node(aws: Aws, settings: Settings, instance_id: str) -> tuple[Node, FoundCluster]:
    found = discover(aws.client("ec2"), aws.client("cloudwatch"), Wanted(clusters=settings.clusters))
    nodes = [(node, cluster) for cluster in found.clusters for node in cluster.nodes]
    called = [(node, cluster) for node, cluster in nodes if instance_id in _names(node)]
    if len(called) == 1:
        return called[0]
    if called:
        raise UsageError(
            f"{len(called)} running nodes in {aws.region} are called {instance_id[:100]!r}: "
            f"give one by its instance id, such as {called[0][0].instance_id}."
        )
    raise UsageError(
        f"There is no running node {instance_id[:100]!r} in {aws.region}: it may have been terminated since; "
        "check the instance id, the region and the account, or list the nodes with `enigap check --all`."
    )


def _names(node: Node) -> set[str]:
    """What people call the node; the table of `check` shows the short name."""
    return {node.instance_id, node.node_name or "", short_name(node)} - {""}
