"""`enigap explain`: one node, device by device."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

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
    window = window_at(at, datetime.now(UTC), settings.settle)
    aws = Aws(profile=profile, region=region)
    with progress().shown() as line:
        line.step(f"looking for {instance_id} in {aws.region}")
        node = _node(aws, settings, instance_id)
        line.step(f"reading {instance_id} and its devices")
        judgement = examine(node, window, settings.rules(), sources(aws, settings))
    if output is Format.JSON:
        json.dump(explain_document(aws.region, judgement), sys.stdout, allow_nan=False)
        sys.stdout.write("\n")
    else:
        show.explain(Console(highlight=False), aws.region, judgement)
    return exit_status([ClusterReport(node.cluster, window, (NodeReport(judgement),), node_count=1)])


def _node(aws: Aws, settings: Settings, instance_id: str) -> Node:
    found = discover(aws.client("ec2"), aws.client("cloudwatch"), Wanted(clusters=settings.clusters))
    for cluster in found.clusters:
        for node in cluster.nodes:
            if instance_id in {node.instance_id, node.node_name}:
                return node
    raise UsageError(
        f"There is no running node {instance_id[:40]!r} in {aws.region}: check the instance id, the region "
        "and the account, or list the nodes with `enigap check --all`."
    )
