"""The steps of the demo: start an AWS emulator, play recorded nodes into it, and run the real commands."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3.session
import botocore.session
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from demo import deploy, pipeline
from demo.embedded_aws import EmbeddedAws, EmbeddedAwsError
from demo.play import PlayedNode, launch, play
from demo.receiver import Receiver
from demo.story import CLUSTER, Story, story
from enigap.aws import deployment
from enigap.aws.deployment import Deployment
from enigap.cli.main import run
from enigap.cli.screen import Screen
from enigap.core.instants import timestamp
from enigap.core.text import printable
from enigap.settings import Settings

Clients = Callable[[str], Any]


class Stage:
    """The demo's output: numbered steps with the time each took."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._number = 0

    def say(self, text: str, style: str = "") -> None:
        self.show(Text(text, style))

    def show(self, what: RenderableType) -> None:
        self._screen.print(what)
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


def demo() -> int:
    """Run all steps. Returns the exit status 0; any failure raises."""
    stage = Stage(Screen())
    stage.say("The whole of enigap on an AWS of its own: on this machine only, no account, nothing to pay.\n")
    aws = EmbeddedAws(tls=True, enforce_iam=True)
    with stage.step("Starting the embedded AWS, with TLS and IAM enforced"):
        aws.__enter__()
    try:
        with Receiver() as receiver, deploy.workshop() as workshop:
            clients = _clients(aws)
            settings = Settings()
            told = story(datetime.now(UTC), settings.settle)
            nodes = _played(stage, clients, told)
            _checked(stage, aws, told, nodes, settings.settle)
            stack = _deployed(stage, aws, clients, workshop, receiver)
            _judged(stage, clients, stack, told, receiver)
            _shown(stage, aws, clients, settings, receiver)
    finally:
        aws.__exit__(None, None, None)
    stage.say("\nThe embedded AWS is stopped; nothing is left of it.")
    return 0


def _played(stage: Stage, clients: Clients, told: Story) -> tuple[PlayedNode, ...]:
    with stage.step(f"Playing {len(told.roles)} nodes into EC2, CloudWatch and its logs") as at:
        nodes = launch(clients, CLUSTER, told.roles)
        play(clients, CLUSTER, nodes, at)
    stage.show(_cast(told))
    return nodes


def _checked(
    stage: Stage, aws: EmbeddedAws, told: Story, nodes: tuple[PlayedNode, ...], settle: timedelta
) -> None:
    """Run `enigap check` and `enigap explain` for a window in which one node is unexplained."""
    at = timestamp(told.worst.end + settle)
    _command(stage, aws, "check", "--cluster", CLUSTER, "--at", at)
    article = next(node for node in nodes if node.role.name.startswith("article"))
    _command(stage, aws, "explain", article.instance_id, "--at", at)


def _deployed(
    stage: Stage, aws: EmbeddedAws, clients: Clients, workshop: Path, receiver: Receiver
) -> Deployment:
    """Deploy the stack that users deploy, with the CDK's command line."""
    stage.say("")
    pipeline.keep_webhook(clients, receiver)
    with stage.step("cdk bootstrap, once for an account") as at:
        deploy.bootstrap(aws, workshop, at)
    settings = {
        "clusters": [CLUSTER],
        "email": ["you@example.com"],
        "slack": {"webhook_secret": pipeline.WEBHOOK_SECRET},
    }
    with stage.step("cdk deploy, the stack that users deploy") as at:
        deploy.deploy(aws, workshop, settings, at)
    stack = deployment.find(clients("cloudformation"), aws.region)
    pipeline.open_mailbox(clients, stack, receiver)
    return stack


def _judged(stage: Stage, clients: Clients, stack: Deployment, told: Story, receiver: Receiver) -> None:
    """Judge window after window with the deployed functions, and show the messages they send."""
    stage.say(
        "\nThe deployed planner is asked for one window after another; "
        "its queue feeds the reconciler, and the topic the mailbox and Slack."
    )
    for number, window in enumerate(told.windows):
        has_news = number in {told.opens, told.resolves}
        doing = f"{window.start:%H:%M}-{window.end:%H:%M} UTC, {told.doing(window)}"
        with stage.step(doing):
            heard = pipeline.judge_window(clients, stack, CLUSTER, window, receiver, news=has_news)
        if not has_news:
            stage.say("   said nothing")
        for mail in heard.mail:
            stage.quote(f"the email: {mail['Subject']}", str(mail["Message"]))
        for message in heard.slack:
            if pipeline.is_finding(message):
                stage.quote("the Slack message, as Slack gets it", json.dumps(message, indent=1))
            else:
                stage.quote(f"and in Slack: {message['text']}", DEAD_MAN)


DEAD_MAN = (
    "An alarm on the pipeline itself: this story begins two hours ago, and in all\n"
    "that time nobody had judged the cluster. It clears a period after the newest window is done."
)


def _shown(stage: Stage, aws: EmbeddedAws, clients: Clients, settings: Settings, receiver: Receiver) -> None:
    """Show the metrics and alarms in CloudWatch, and run the operators' commands."""
    pipeline.plan(clients, deployment.find(clients("cloudformation"), aws.region))
    stage.say("\nPublished for the cluster, newest values:", "bold")
    for name, value in pipeline.published(clients, settings.metric_namespace, CLUSTER).items():
        stage.say(f"  {name:<28} {value:>18,.0f}")
    stage.say("\nAlarms:", "bold")
    states = pipeline.alarm_states(clients)
    for name, state in states.items():
        stage.say(f"  {name:<28} {state}")
    if states.get("enigap-ClustersOverdue") == "ALARM":
        stage.say("  (ClustersOverdue: see its message above.)")
    if "INSUFFICIENT_DATA" in states.values():
        stage.say("  (INSUFFICIENT_DATA: nothing was ever put into those dead-letter queues.)")
    _command(stage, aws, "status")
    _command(stage, aws, "notify", "--test")
    test = receiver.slack.get(timeout=pipeline.PATIENCE.total_seconds())
    while not pipeline.is_finding(test):
        test = receiver.slack.get(timeout=pipeline.PATIENCE.total_seconds())
    stage.say(f"Slack got: {test['text']}")


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
    stage.say(f"\n$ enigap {' '.join(arguments)}", "bold")
    enigap = Path(sys.prefix) / "bin" / "enigap"
    done = subprocess.run([enigap, *arguments], env=aws.environment(), check=False)
    if done.returncode not in {0, 1}:
        raise EmbeddedAwsError(f"`enigap {arguments[0]}` failed on the embedded AWS, as it says above.")


def _clients(aws: EmbeddedAws) -> Clients:
    """AWS clients for the demo's own calls; the commands create their own."""
    # Ignore AWS profiles, even one named by AWS_PROFILE.
    without_profile = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    session = boto3.session.Session(botocore_session=without_profile)
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(service, **aws.client_arguments())
        return made[service]

    return client


if __name__ == "__main__":
    run(demo, (EmbeddedAwsError,))
