"""Deletes what enigap has deployed: the stacks are looked for by name, no synth and no settings needed.

    make destroy ARGS="--stack NAME --region REGION --profile PROFILE"

The regions are those of the deployed settings, besides the one that is asked for. Earlier versions called
the stacks of further regions `NAME-REGION`: they are found, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import WaiterError

from enigap.aws import deployment
from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, calling
from enigap.cli.arguments import Profile, Region, Stack
from enigap.cli.deployed import deployed
from enigap.cli.main import run
from enigap.settings import SettingsError

_PATIENCE: Final = {"Delay": 2, "MaxAttempts": 1800}
"""Seconds between two looks. Functions in a VPC take up to forty minutes, until their interfaces are gone."""


@dataclass(frozen=True, slots=True)
class Found:
    """A stack that can be deleted."""

    region: str
    name: str
    status: str


def command(
    *,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> int:
    """List the deployed stacks, ask, and delete them. Exit status: 2 if one could not be deleted."""
    aws = Aws(profile=profile, region=region)
    aws.sign_in()
    name = stack or deployment.STACK
    clients = {
        each: Aws(profile=profile, region=each).client("cloudformation") for each in _regions(aws, name)
    }
    found = [
        Found(where, *each)
        for where, client in clients.items()
        for each in deployment.stacks_of(client, where, name).items()
    ]
    if not found:
        others = deployment.tagged_stacks(aws.client("cloudformation"))
        also = f" enigap is there as {', '.join(others)}: give one with --stack." if others else ""
        typer.echo(f"There is no stack {name} in {', '.join(clients)}.{also}")
        return 0
    for each in found:
        typer.echo(f"{each.name} in {each.region} ({each.status})")
    typer.echo("Its state, logs, topics and dashboard go with a stack.")
    if not yes and not typer.confirm("Delete?" if len(found) == 1 else f"Delete these {len(found)}?"):
        typer.echo("Nothing was deleted.")
        return 0
    return max([_deleted(clients, each) for each in found])


def _regions(aws: Aws, stack: str) -> tuple[str, ...]:
    """The region asked for and those of the deployed settings, if these can be read."""
    try:
        regions = deployed(aws, datetime.now(UTC), stack).settings().regions
    except (AwsProblem, SettingsError):  # not there, half deleted, or of another version
        regions = ()
    return tuple(dict.fromkeys((aws.region, *regions)))


def _deleted(clients: Mapping[str, Any], stack: Found) -> int:
    client = clients[stack.region]
    typer.echo(f"Deleting {stack.name} in {stack.region} ...")
    try:
        with calling("cloudformation:DeleteStack", client):
            client.delete_stack(StackName=stack.name)
        client.get_waiter("stack_delete_complete").wait(StackName=stack.name, WaiterConfig=_PATIENCE)
    except (AwsProblem, WaiterError) as problem:
        typer.echo(f"{stack.name} in {stack.region} was not deleted: its events say why. {problem}", err=True)
        return 2
    return 0


def main() -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(command)
    run(lambda: app(prog_name="make destroy", standalone_mode=False))


if __name__ == "__main__":
    main()
