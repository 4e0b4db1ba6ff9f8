"""The demo, step by step: an AWS of its own, recorded nodes in it, and the real commands against it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
from rich.console import Console
from rich.table import Table
from rich.text import Text

from enigap.core.documents import timestamp
from enigap.core.rules import Rules
from enigap.demo.embedded_aws import EmbeddedAws, EmbeddedAwsError
from enigap.demo.play import PlayedNode, launch, play
from enigap.demo.story import CLUSTER, Story, story


class Stage:
    """Where the demo speaks: numbered steps with the time each took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._number = 0

    @contextmanager
    def step(self, text: str) -> Iterator[Callable[[str], None]]:
        """One numbered step. What it yields shows what the step is at."""
        self._number += 1
        heading = f"{self._number}. {text}"
        started = time.monotonic()
        with self.console.status(heading) as status:
            yield lambda detail: status.update(f"{heading}: {detail}")
        took = timedelta(seconds=time.monotonic() - started).total_seconds()
        self.console.print(Text.assemble((heading, "bold"), (f"  {took:.1f} s", "dim")))


def demo() -> int:
    """Everything. Exits with 0 when the demo showed what it is there to show."""
    stage = Stage(Console(highlight=False))
    stage.console.print(
        "The whole of enigap on an AWS of its own: on this machine only, no account, nothing to pay.\n"
    )
    aws = EmbeddedAws()
    with stage.step("Starting the embedded AWS"):
        aws.__enter__()
    try:
        _played(stage, aws)
    finally:
        aws.__exit__(None, None, None)
    stage.console.print("\nThe embedded AWS is stopped; nothing is left of it.")
    return 0


def _played(stage: Stage, aws: EmbeddedAws) -> None:
    clients = _clients(aws)
    rules = Rules()
    told = story(datetime.now(UTC), rules.settle)
    with stage.step(f"Playing {len(told.roles)} nodes into EC2, CloudWatch and its logs") as at:
        nodes = launch(clients, CLUSTER, told.roles)
        play(clients, CLUSTER, nodes, at)
    stage.console.print(_cast(told))
    _checked(stage, aws, told, nodes, rules.settle)


def _checked(
    stage: Stage, aws: EmbeddedAws, told: Story, nodes: tuple[PlayedNode, ...], settle: timedelta
) -> None:
    """What somebody with read access sees from a desk, while the trouble lasts."""
    at = timestamp(told.worst.end + settle)
    _command(stage, aws, "check", "--cluster", CLUSTER, "--at", at)
    article = next(node for node in nodes if node.role.name.startswith("article"))
    _command(stage, aws, "explain", article.instance_id, "--at", at)


def _cast(told: Story) -> Table:
    """Who plays what, in words for somebody who has never heard of any of this."""
    table = Table(box=None, pad_edge=False)
    table.add_column("node", no_wrap=True)
    table.add_column("what happens on it")
    for role in told.roles:
        table.add_row(Text(role.name.split(".")[0]), Text(told.titles[role.name]))
    return table


def _command(stage: Stage, aws: EmbeddedAws, *arguments: str) -> None:
    """Run enigap as anybody would; what it prints is what they would see."""
    stage.console.print(Text(f"\n$ enigap {' '.join(arguments)}", "bold"))
    stage.console.file.flush()
    enigap = Path(sys.prefix) / "bin" / "enigap"
    done = subprocess.run([enigap, *arguments], env=aws.environment(), check=False)
    if done.returncode not in {0, 1}:
        raise EmbeddedAwsError(f"`enigap {arguments[0]}` failed on the embedded AWS, as it says above.")


def _clients(aws: EmbeddedAws) -> Callable[[str], Any]:
    """Clients for setting the scene; the commands make their own."""
    # No profile, not even one that AWS_PROFILE names.
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.create_client(service, **aws.client_arguments())
        return made[service]

    return client
