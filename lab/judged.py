"""What enigap says of a run: in this process, and by the pipeline deployed on an embedded AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from demo import deploy, pipeline
from demo.clients import Clients, clients_of
from demo.embedded_aws import EmbeddedAws, EmbeddedAwsError
from demo.play import Role, launch, put_events, put_metrics
from enigap.aws import deployment
from enigap.aws.deployment import Deployment
from enigap.core.counting.meters import Quantity
from enigap.core.counting.node import Node
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import FetchSpan, Window
from enigap.core.instants import timestamp
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Judgement
from enigap.core.judging.who import told_apart
from enigap.core.text import count
from enigap.settings import Settings
from lab.cloudwatch import LabRun

CLUSTER: Final = "lab"


def newest_window() -> Window:
    """The newest window that enigap judges now."""
    return Window.newest_settled(datetime.now(UTC), Settings().settle)


def judged_here(name: str, run: LabRun) -> Judgement:
    """By the code that the functions run, without an AWS."""
    rules = Rules()
    span = FetchSpan.of(run.window, rules.windows_fetched)
    events = run.events()
    judgement = judge(Node(CLUSTER, "i-0abc", name), run.readings(span), events, run.window, rules)
    if judgement.evidence is None:
        return judgement
    return replace(judgement, evidence=told_apart(judgement.evidence, events, run.window, rules))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stack that users deploy, on an embedded AWS."""

    aws: EmbeddedAws
    clients: Clients
    stack: Deployment
    queue_url: str

    def judged(self, runs: Mapping[str, LabRun], window: Window) -> Mapping[str, Mapping[str, Any]]:
        """Plays the runs into the AWS and has the pipeline judge their window.

        Returns each node's JSON as `enigap check` prints it, by scenario. Raises EmbeddedAwsError where the
        pipeline published another number of unexplained nodes than the command shows.
        """
        names = {f"{name}.{CLUSTER}.internal": name for name in runs}
        self._play({node_name: runs[name] for node_name, name in names.items()})
        pipeline.judge(self.clients, self.stack, self.queue_url, CLUSTER, [window])
        found = _checked(self.aws, window)
        flagged = sum(node["explained"] is False for node in found)
        published = pipeline.published(self.clients, Settings().metric_namespace, CLUSTER)["NodesUnexplained"]
        if published != count(flagged, "node"):
            raise EmbeddedAwsError(f"The pipeline published {published} as unexplained, and check {flagged}.")
        return {names[node["node_name"]]: node for node in found}

    def _play(self, runs: Mapping[str, LabRun]) -> None:
        """A running instance for each run, with its metrics and events."""
        logs, cloudwatch = self.clients("logs"), self.clients("cloudwatch")
        group = f"/aws/containerinsights/{CLUSTER}/performance"
        logs.create_log_group(logGroupName=group)
        for played in launch(self.clients, CLUSTER, [Role(node_name, ()) for node_name in runs]):
            node = Node(CLUSTER, played.instance_id, played.role.name)
            run = runs[played.role.name]
            put_metrics(cloudwatch, Quantity.OS, run.os_data(node))
            put_metrics(cloudwatch, Quantity.ENI_IN, run.eni_data(node))
            put_events(logs, group, played.role.name, run.log_events(node))


@contextmanager
def deployed(say: Callable[[str], None]) -> Iterator[Pipeline]:
    """Starts an embedded AWS and deploys to it."""
    say("starting it")
    with EmbeddedAws(tls=True, enforce_iam=True) as aws, deploy.workshop() as workshop:
        clients = clients_of(aws.client_arguments())
        deploy.bootstrap(aws, workshop, say)
        settings = {"clusters": [CLUSTER], "email": ["you@example.com"]}
        outputs = deploy.deploy(aws, workshop, settings, say)
        stack = deployment.find(clients("cloudformation"), aws.region)
        yield Pipeline(aws, clients, stack, outputs["WorkQueueUrl"])


def _checked(aws: EmbeddedAws, window: Window) -> list[dict[str, Any]]:
    enigap = Path(sys.prefix) / "bin" / "enigap"
    at = timestamp(window.end + Settings().settle)
    done = subprocess.run(
        [enigap, "check", "--cluster", CLUSTER, "--at", at, "--format", "json"],
        env=aws.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:
        raise EmbeddedAwsError(f"enigap check failed on the embedded AWS: {done.stderr.strip()}")
    [cluster] = json.loads(done.stdout)["clusters"]
    nodes: list[dict[str, Any]] = cluster["nodes"]
    return nodes
