"""`enigap demo`: runs the demo of a checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from enigap.cli.arguments import UsageError

CHECKOUT = Path(__file__).parents[3]


def command(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the embedded AWS up at the end, until Ctrl-C.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Play all recorded nodes, not five.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Show messages as Slack and email get them.")] = False,
) -> NoReturn:
    """Run the whole pipeline with recorded nodes on an embedded AWS, no account needed."""
    if not (CHECKOUT / "demo" / "__main__.py").exists() or not (CHECKOUT / "cdk.json").exists():
        raise UsageError("The demo needs a checkout: clone the project and run `make demo` in it.")
    # Replace this process, so that a signal reaches the demo and its child processes.
    os.chdir(CHECKOUT)
    asked = [name for name, is_on in (("--keep", keep), ("--all", everything), ("--raw", raw)) if is_on]
    os.execv(sys.executable, [sys.executable, "-m", "demo", *asked])  # noqa: S606 - our own interpreter, no shell
