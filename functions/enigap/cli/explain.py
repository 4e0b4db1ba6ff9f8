"""`enigap explain`: one node, device by device."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from enigap.assessment import examine
from enigap.aws.clients import Aws
from enigap.aws.discovery import Wanted, discover
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
from enigap.settings import Settings
from enigap.wiring import sources


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

    Exit status: as of `enigap check`.
    """
    settings = settings_from(settings_file)
    window = window_at(at, datetime.now(UTC), settings.rules())
    aws = Aws(profile=profile, region=region)
    with progress() as say:
        say(f"looking for {instance_id} in {aws.region}")
        node = _node(aws, settings, instance_id)
        say(f"reading {instance_id} and its devices")
        judgement = examine(node, window, settings.rules(), sources(aws, settings))
    if output is Format.JSON:
        write(explain_document(aws.region, judgement))
    else:
        show.explain(Screen(), aws.region, judgement)
    return exit_status([ClusterReport(node.cluster, window, (NodeReport(judgement),), node_count=1)])


def _node(aws: Aws, settings: Settings, instance_id: str) -> Node:
    found = discover(aws.client("ec2"), aws.client("cloudwatch"), Wanted(clusters=settings.clusters))
    nodes = [node for cluster in found.clusters for node in cluster.nodes]
    called = [node for node in nodes if instance_id in _names(node)]
    if len(called) == 1:
        return called[0]
    if called:
        raise UsageError(
            f"{len(called)} running nodes in {aws.region} are called {instance_id[:100]!r}: "
            f"give one by its instance id, such as {called[0].instance_id}."
        )
    raise UsageError(
        f"There is no running node {instance_id[:100]!r} in {aws.region}: check the instance id, the region "
        "and the account, or list the nodes with `enigap check --all`."
    )


def _names(node: Node) -> set[str]:
    """What people call the node; the table of `check` shows the short name."""
    return {node.instance_id, node.node_name or "", short_name(node)} - {""}
