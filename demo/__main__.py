"""The steps of the demo: start an AWS emulator, play recorded nodes into it, and run the real commands."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from demo import deploy, pipeline
from demo.clients import Clients, clients_of
from demo.embedded_aws import EmbeddedAws, EmbeddedAwsError
from demo.play import PlayedNode, launch, play
from demo.receiver import Receiver
from demo.slack import SlackMessage
from demo.story import CLUSTER, Story, story
from enigap.aws import deployment
from enigap.aws.deployment import Deployment
from enigap.cli.main import run
from enigap.cli.screen import Screen
from enigap.core.instants import timestamp
from enigap.core.text import count, printable
from enigap.settings import Settings


class Stage:
    """The demo's output: numbered steps with the time each took."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._number = 0

    def say(self, text: str, style: str = "") -> None:
        self.show(Text(text, style))

    def show(self, what: RenderableType) -> None:
        self._screen.print(what, crop=False)
        self._screen.file.flush()

    def exact(self, text: str, style: str = "") -> None:
        """Print a line that is to be copied, whole."""
        self._screen.print(Text(text, style), soft_wrap=True)
        self._screen.file.flush()

    def quote(self, heading: str, text: str) -> None:
        """Print a quoted text, such as a message to Slack, indented under a heading."""
        self.say(f"   {heading}", "bold")
        for line in text.splitlines():
            self._screen.print(Text(f"   | {printable(line, most=2000)}"), soft_wrap=True)

    @contextmanager
    def step(self, text: str) -> Iterator[Callable[[str], None]]:
        """One numbered step. Yields a function that shows the step's progress."""
        self._number += 1
        heading = f"{self._number}. {text}"
        started = time.monotonic()
        with self._screen.status(Text(heading)) as status:
            yield lambda detail: status.update(Text(f"{heading}: {printable(detail, most=60)}"))
        self.show(Text.assemble((heading, "bold"), (f"  {time.monotonic() - started:.1f} s", "dim")))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the demo was asked for."""

    keep: bool = False
    """Leave the embedded AWS up at the end, until Ctrl-C."""
    everything: bool = False
    """Play all recordings."""
    raw: bool = False
    """Show messages as the channels get them."""

    @classmethod
    def of(cls, arguments: Sequence[str]) -> Wishes:
        """Raises EmbeddedAwsError for an option that there is not."""
        if unknown := [each for each in arguments if each not in {"--keep", "--all", "--raw"}]:
            raise EmbeddedAwsError(f"The demo takes --keep, --all and --raw, not {unknown[0][:40]!r}.")
        return cls("--keep" in arguments, "--all" in arguments, "--raw" in arguments)


@dataclass(frozen=True, slots=True)
class Deployed:
    """The deployed stack."""

    stack: Deployment
    queue_url: str
    """Of the windows that wait to be judged."""


REPORT: Final = deploy.PROJECT / "build" / "demo-report.html"


def demo(wishes: Wishes) -> int:
    """Run all steps. Returns the exit status 0; any failure raises."""
    # As Ctrl-C does: whatever is open is closed on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = Stage(Screen())
    stage.say("The whole of enigap on an AWS of its own: on this machine only, no account, nothing to pay.\n")
    aws = EmbeddedAws(tls=True, enforce_iam=True)
    with stage.step("Starting the embedded AWS, with TLS and IAM enforced"):
        aws.__enter__()
    try:
        with Receiver() as receiver, deploy.workshop() as workshop:
            clients = clients_of(aws.client_arguments())
            settings = Settings()
            told = story(datetime.now(UTC), settings.settle, everything=wishes.everything)
            nodes = _played(stage, clients, told)
            _checked(stage, aws, told, nodes, settings.settle, *(["--all"] if wishes.everything else []))
            deployed = _deployed(stage, aws, clients, workshop, receiver)
            _judged(stage, clients, deployed, told, receiver, raw=wishes.raw)
            # As the schedule does: no cluster is overdue, and nothing is left to judge.
            pipeline.plan(clients, deployed.stack, told.windows[-1])
            _shown(stage, aws, clients, settings)
            _reported(stage, aws, told, settings.settle)
            if wishes.keep:
                _kept(stage, aws)
    finally:
        aws.__exit__(None, None, None)
    left = "" if wishes.keep else " `enigap demo --keep` leaves it up, for you to try the commands above."
    stage.say(f"\nThe embedded AWS is stopped; nothing is left of it but the report.{left}")
    stage.exact(f"To open in a browser: {REPORT}")
    return 0


def _played(stage: Stage, clients: Clients, told: Story) -> tuple[PlayedNode, ...]:
    with stage.step(f"Playing {len(told.roles)} recorded nodes into EC2, CloudWatch and its logs") as at:
        nodes = launch(clients, CLUSTER, told.roles)
        play(clients, CLUSTER, nodes, at)
    stage.show(_cast(told))
    return nodes


def _checked(
    stage: Stage,
    aws: EmbeddedAws,
    told: Story,
    nodes: tuple[PlayedNode, ...],
    settle: timedelta,
    *options: str,
) -> None:
    """Run `enigap check` for a window in which one node is unexplained, and explain that node."""
    at = timestamp(told.worst.end + settle)
    stage.say("\nFirst without anything deployed, as on any account: a look at a time when one node failed.")
    _command(stage, aws, "check", "--cluster", CLUSTER, "--at", at, *options)
    stage.say("(Its notes are about the emulator, which does not know all that AWS does.)", "dim")
    troubled = next(node for node in nodes if node.role.name == told.troubled)
    _command(stage, aws, "explain", troubled.instance_id, "--at", at)


def _deployed(
    stage: Stage, aws: EmbeddedAws, clients: Clients, workshop: Path, receiver: Receiver
) -> Deployed:
    """Deploy the stack that users deploy, with the CDK's command line."""
    stage.say("\nThen deployed, to watch by itself.")
    pipeline.keep_webhook(clients, receiver)
    with stage.step("cdk bootstrap, once for an account") as at:
        deploy.bootstrap(aws, workshop, at)
    settings = {
        "clusters": [CLUSTER],
        "email": ["you@example.com"],
        "slack": {"webhook_secret": pipeline.WEBHOOK_SECRET},
    }
    with stage.step("cdk deploy, the stack that users deploy") as at:
        outputs = deploy.deploy(aws, workshop, settings, at)
    stack = deployment.find(clients("cloudformation"), aws.region)
    pipeline.switch_off_schedule(clients)
    pipeline.open_mailbox(clients, stack, receiver)
    return Deployed(stack, outputs["WorkQueueUrl"])


def _judged(
    stage: Stage, clients: Clients, deployed: Deployed, told: Story, receiver: Receiver, *, raw: bool
) -> None:
    """Judge window after window with the deployed functions, and show the messages they send."""
    stage.say(
        f"\nThe deployed functions judge the last {len(told.windows)} windows, a quarter of an hour each: "
        "they wait in the work queue, where the planner puts each as it has settled."
    )
    for chapter in told.chapters:
        span = f"{chapter.windows[0].start:%H:%M}-{chapter.windows[-1].end:%H:%M} UTC"
        with stage.step(f"{span}, {count(len(chapter.windows), 'window')}: {chapter.doing}"):
            pipeline.judge(clients, deployed.stack, deployed.queue_url, CLUSTER, chapter.windows)
            messages = pipeline.collect(receiver) if chapter.news else None
        if messages is None:
            stage.say("   Nothing to tell.")
            continue
        stage.say(f"   An incident is {chapter.news}. By email: {messages.mail['Subject']}")
        if raw:
            stage.quote("the email", str(messages.mail["Message"]))
            stage.quote("the Slack message, as Slack gets it", json.dumps(messages.slack, indent=1))
        else:
            stage.say("   In Slack:\n")
            stage.show(SlackMessage(messages.slack))


def _shown(stage: Stage, aws: EmbeddedAws, clients: Clients, settings: Settings) -> None:
    """Show the metrics and alarms in CloudWatch, and the state of the deployment."""
    stage.say("\nPublished for the cluster, newest values:", "bold")
    for name, value in pipeline.published(clients, settings.metric_namespace, CLUSTER).items():
        stage.say(f"  {name:<28} {value:>12}")
    stage.say("\nAlarms:", "bold")
    states = pipeline.alarm_states(clients)
    for name, state in states.items():
        stage.say(f"  {name:<28} {state}")
    if "INSUFFICIENT_DATA" in states.values():
        stage.say("  (INSUFFICIENT_DATA: what it watches has not happened yet, such as a dead letter.)")
    _command(stage, aws, "status")


def _reported(stage: Stage, aws: EmbeddedAws, told: Story, settle: timedelta) -> None:
    """Write the page about the window in which one node failed."""
    REPORT.parent.mkdir(exist_ok=True)
    at = timestamp(told.worst.end + settle)
    _command(stage, aws, "report", "--output", str(REPORT), "--cluster", CLUSTER, "--at", at)


def _kept(stage: Stage, aws: EmbeddedAws) -> None:
    """Leave the embedded AWS up until Ctrl-C or SIGTERM. Its schedule is switched off: it stays as it is."""
    stage.say("\nFor another terminal, in which the commands above can be run:\n", "bold")
    environment = aws.environment() | {"PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ.get('PATH', '')}"}
    gone = [name for name in os.environ if name.startswith("AWS_") and name not in environment]
    for name in gone:
        stage.say(f"unset {name}")
    for name, value in environment.items():
        if name.startswith("AWS_") or os.environ.get(name) != value:
            stage.exact(f"export {name}={shlex.quote(value)}")
    stage.say("\nThe embedded AWS stays up until Ctrl-C.", "bold")
    with suppress(KeyboardInterrupt):
        signal.pause()


def _cast(told: Story) -> Table:
    """A table of the nodes and what happens on each, without the terms of the counting model."""
    table = Table(box=None, pad_edge=False)
    table.add_column("node", no_wrap=True)
    table.add_column("what happens on it")
    for role in told.roles:
        table.add_row(Text(role.name.split(".")[0]), Text(told.titles[role.name]))
    return table


def _command(stage: Stage, aws: EmbeddedAws, *arguments: str) -> None:
    """Run an enigap command in a process of its own, as a user would, and show its output."""
    stage.exact(f"\n$ enigap {shlex.join(arguments)}", "bold")
    enigap = Path(sys.prefix) / "bin" / "enigap"
    done = subprocess.run([enigap, *arguments], env=aws.environment(), check=False)
    if done.returncode not in {0, 1}:
        raise EmbeddedAwsError(f"`enigap {arguments[0]}` failed on the embedded AWS, as it says above.")


if __name__ == "__main__":
    run(lambda: demo(Wishes.of(sys.argv[1:])), (EmbeddedAwsError,))
