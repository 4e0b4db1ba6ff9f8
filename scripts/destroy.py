"""Deletes what enigap has deployed: the stacks are looked for by name, no synth and no settings needed.

    make destroy ARGS="--stack NAME --region REGION --profile PROFILE"

The regions are those of the deployed settings, besides the one that is asked for. Earlier versions called
the stacks of further regions `NAME-REGION`: they are found, too.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from enigap.aws import deployment
from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, calling
from enigap.cli.arguments import Profile, Region, Stack, UsageError
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
    regions, unread = _regions(aws, name)
    clients = {each: aws.at(each).client("cloudformation") for each in regions}
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
    if unread:
        typer.echo(f"Only {aws.region} was searched, for the deployed settings cannot be read. {unread}")
    typer.echo("Its state, logs, topics and dashboard go with a stack.")
    if not yes and not _agreed("Delete?" if len(found) == 1 else f"Delete these {len(found)}?"):
        typer.echo("Nothing was deleted.")
        return 0
    # The stack that was asked for last: its settings say in which regions the others are.
    for each in sorted(found, key=lambda each: each.region == aws.region):
        if problem := _deleted(clients[each.region], each):
            typer.echo(
                f"enigap: {each.name} in {each.region} was not deleted, nor what is after it. {problem}",
                err=True,
            )
            return 2
    return 0


def _agreed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        raise UsageError("There is no terminal to ask on: give ARGS=--yes to delete at once.") from None


def _regions(aws: Aws, stack: str) -> tuple[tuple[str, ...], Exception | None]:
    """The region asked for and those of the deployed settings, and why these could not be read."""
    try:
        regions, unread = deployed(aws, datetime.now(UTC), stack).settings().regions, None
    except (AwsProblem, SettingsError) as problem:  # not there, half deleted, or of another version
        regions, unread = (), problem
    return tuple(dict.fromkeys((aws.region, *regions))), unread


def _deleted(client: Any, stack: Found) -> str:
    """Delete a stack; why it could not be, in a sentence."""
    typer.echo(f"Deleting {stack.name} in {stack.region} ...")
    try:
        with calling("cloudformation:DeleteStack", client):
            client.delete_stack(StackName=stack.name)
            client.get_waiter("stack_delete_complete").wait(StackName=stack.name, WaiterConfig=_PATIENCE)
    except AwsProblem as problem:
        return _remedy(problem, stack)
    return ""


def _remedy(problem: AwsProblem, stack: Found) -> str:
    named = f"--stack-name {stack.name} --region {stack.region}"
    if "TerminationProtection" in problem.what:
        command = (
            f"aws cloudformation update-termination-protection --no-enable-termination-protection {named}"
        )
        return f"It is protected from it: `{command}` ends that."
    if "WaiterError" in problem.what:
        return f"`aws cloudformation describe-stack-events {named}` shows why."
    return str(problem)


def main() -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(command)
    run(lambda: app(prog_name=".venv/bin/python -m scripts.destroy", standalone_mode=False))


if __name__ == "__main__":
    main()
