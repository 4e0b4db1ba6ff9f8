"""The stack on the embedded AWS: what tests put into its account, ask of it, and see come out of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from demo.clients import Clients
from demo.embedded_aws import ACCOUNT, EmbeddedAws
from demo.play import Role, Scene, eni_data, launch, play
from demo.receiver import Receiver
from demo.recorded import RecordedNode, recorded_nodes
from enigap.aws.deployment import Deployment
from enigap.core.counting.meters import Quantity
from enigap.core.counting.window import GRID, PERIOD, FetchSpan, Window
from enigap.core.instants import timestamp
from enigap.core.work import WorkItem

SETTLE: Final = timedelta(minutes=10)
NAMESPACE: Final = "EniGap"
PATIENCE: Final = timedelta(seconds=60)
"""With what comes of something by itself; what fails is noticed at once."""

PLANNED: Final = "planned-"
"""How the names of clusters begin that tests have the planner plan. It plans all others, too, for they could
not be judged if the settings left them out; what they have was told by then, and is not told again."""
WITHOUT_INSIGHTS: Final = "bare"
"""A cluster that the settings name."""
CLUSTERS: Final = ("*", WITHOUT_INSIGHTS)

SELF_TESTS: Final[Mapping[str, Mapping[str, object]]] = {
    "plan": {"dry_run": True},
    "reconcile": {"Records": []},
    "slack": {"Records": []},
}
"""What a deployment calls its functions with, see `infra.stack`."""

RECORDED: Final[Mapping[str, RecordedNode]] = {node.key: node for node in recorded_nodes()}

_LOOKED_BACK: Final = 2 * GRID
_ASKS_BEFORE_FLUSHING: Final = 40

T = TypeVar("T")


class BrokenError(Exception):
    """The pipeline did not do what it was asked: where it ended, and what it said there."""


def eventually(ask: Callable[[], T | None], what: str) -> T:
    """The first answer there is. Raises BrokenError if there is none in a minute."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise BrokenError(f"{what} did not happen within {PATIENCE.seconds} s")
        time.sleep(0.05)
    return answer


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function."""

    name: str
    handler: str
    role: str
    log_group: str


@dataclass(frozen=True)
class SharedDeployment:
    """One deployment, shared by all tests; each has clusters of names of its own."""

    aws: EmbeddedAws
    client: Clients
    stack: Deployment
    work_queue_url: str
    receiver: Receiver
    functions: Mapping[str, Function]
    """By the handler's module, such as "plan"."""
    events_url: str
    """A queue that is subscribed to the findings, beside the Slack function's."""
    _events: list[dict[str, Any]] = field(default_factory=list)
    _slack: list[str] = field(default_factory=list)

    # --- what is in the account

    def play(self, cluster: str, **nodes: str) -> tuple[Window, ...]:
        """Start nodes with these names, and answer the windows they play in, oldest first.

        Each plays one recording per window, such as "c g1 g1 c"; the first also before, the last also after.
        """
        windows, roles = _cast(cluster, nodes)
        play(self.client, cluster, launch(self.client, cluster, roles), lambda _: None)
        return windows

    def play_without_insights(self, cluster: str, **nodes: str) -> tuple[Window, ...]:
        """The same where EC2 publishes its side and Container Insights nothing."""
        windows, roles = _cast(cluster, nodes)
        for node in launch(self.client, cluster, roles):
            self.client("cloudwatch").put_metric_data(
                Namespace=Quantity.ENI_IN.value.namespace, MetricData=list(eni_data(node))
            )
        return windows

    # --- what the pipeline is asked

    def plan(self, event: Mapping[str, object]) -> dict[str, Any]:
        """Call the planner as its schedule does. Raises BrokenError."""
        return self.call("plan", event)

    def call(self, function: str, event: Mapping[str, object]) -> dict[str, Any]:
        """Call a function and answer what it answers. Raises BrokenError with the error that it ends with."""
        answer = self.client("lambda").invoke(
            FunctionName=self.functions[function].name, Payload=json.dumps(event).encode()
        )
        said: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise BrokenError(f"{function} failed: {said['errorMessage']}")
        return said

    def queue(self, cluster: str, window: Window) -> None:
        """Put a work item into the queue, as a new message even if there was the same one before.

        All clusters of this deployment play in the same windows: without those that have sent messages in
        this one the sixth would leave its own to the planner, as in a storm.
        """
        turns = {"id": {"S": f"turns#{timestamp(window.end)}"}}
        self.client("dynamodb").delete_item(TableName=self.stack.state_table, Key=turns)
        item = WorkItem(ACCOUNT, self.aws.region, cluster, window)
        self.client("sqs").send_message(
            QueueUrl=self.work_queue_url,
            MessageBody=json.dumps(item.document()),
            MessageGroupId=cluster,
            MessageDeduplicationId=str(uuid4()),
        )

    def judge(self, cluster: str, *windows: Window) -> dict[str, Any]:
        """Queue work items, each when the one before is done; what is logged of the last. See `judged`."""
        for window in windows:
            since = datetime.now(UTC)
            self.queue(cluster, window)
            line = self.judged(cluster, window, since)
        return line

    @contextmanager
    def not_allowed(self, function: str, action: str) -> Iterator[None]:
        """Take an action out of a function's role, and put it back."""
        iam, role = self.client("iam"), self.functions[function].role
        [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
        allowed = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        less = {**allowed, "Statement": list(_without(action, allowed["Statement"]))}
        assert less != allowed, f"{role} has no {action} to take away"

        def put(document: Mapping[str, Any]) -> None:
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))

        put(less)
        try:
            if function == "slack":
                self._start_cold(function)  # it remembers the webhook's address for minutes
            yield
        finally:
            put(allowed)
            # What failed would come back in minutes, and hold its cluster up until then.
            sqs = self.client("sqs")
            for url in sqs.list_queues()["QueueUrls"]:
                sqs.purge_queue(QueueUrl=url)

    def _start_cold(self, function: str) -> None:
        """A changed configuration, even to what it was, ends the processes that run a function."""
        functions, name = self.client("lambda"), self.functions[function].name
        seconds = functions.get_function_configuration(FunctionName=name)["Timeout"]
        functions.update_function_configuration(FunctionName=name, Timeout=seconds)
        functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})

    # --- what comes of it

    def judged(self, cluster: str, window: Window, since: datetime) -> dict[str, Any]:
        """What the reconciler logs of a work item once it is done with it. Raises BrokenError if it fails."""

        def done(lines: list[dict[str, Any]]) -> dict[str, Any] | None:
            for line in lines:
                if line.get("cluster") == cluster and line.get("window_end") == timestamp(window.end):
                    if line["message"] == "failed":
                        raise BrokenError(f"reconcile failed: {line['exception'].splitlines()[-1]}")
                    if line["message"] == "reconciled":
                        return line
            return None

        return self.in_log("reconcile", since, done, f"judging {cluster}")

    def told_in_slack(self, cluster: str, window: Window, since: datetime) -> str:
        """Follow a window that was planned to what Slack gets to read of it. Raises BrokenError where that
        ends.
        """
        line = self.judged(cluster, window, since)
        if not self.events(cluster):
            raise BrokenError(f"nobody was told of {cluster}: {line.get('finding', 'nothing was found')}")

        def posted(lines: list[dict[str, Any]]) -> str | None:
            for line in lines:
                if line["message"] == "not delivered":
                    raise BrokenError(f"slack failed: {line['why']}")
            return next(iter(self.slack(cluster)), None)

        return self.in_log("slack", since, posted, f"a message about {cluster} in Slack")

    def events(self, cluster: str) -> list[dict[str, Any]]:
        """Every event about a cluster that was published so far, oldest first."""
        sqs = self.client("sqs")
        while found := sqs.receive_message(QueueUrl=self.events_url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self._events.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.events_url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in self._events if event.get("cluster") == cluster]

    def forget_told(self, cluster: str) -> None:
        """What was told of a cluster so far is none of the next test's business."""
        events, messages = self.events(cluster), self.slack(cluster)
        self._events[:] = [event for event in self._events if event not in events]
        self._slack[:] = [message for message in self._slack if message not in messages]

    def news(self, cluster: str) -> list[tuple[str, str]]:
        """What was told of a cluster so far: news and verdict of each incident."""
        return [
            (incident["news"], incident["verdict"])
            for event in self.events(cluster)
            for incident in event["incidents"]
        ]

    def slack(self, about: str) -> list[str]:
        """What Slack got so far about a cluster, or anything else that a message begins with; as text."""
        while not self.receiver.slack.empty():
            message = self.receiver.slack.get_nowait()
            self._slack.append("\n".join(_texts(message)))
        beginning = re.compile(rf"(\[\w+\] )?(enigap: )?{re.escape(about)}\b")
        return [text for text in self._slack if beginning.match(text)]

    def in_log(
        self, function: str, since: datetime, find: Callable[[list[dict[str, Any]]], T | None], what: str
    ) -> T:
        """The first thing that is found in what a function logs. Raises BrokenError if nothing is."""
        asks = count(1)

        def ask() -> T | None:
            found = find(self.logged(function, since))
            if found is None and next(asks) % _ASKS_BEFORE_FLUSHING == 0:
                self._flush_log(function)
            return found

        return eventually(ask, what)

    def _flush_log(self, function: str) -> None:
        """The emulator keeps what a busy machine writes a moment too late, until the function's next call."""
        name, event = self.functions[function].name, json.dumps(SELF_TESTS[function])
        self.client("lambda").invoke(FunctionName=name, Payload=event.encode())

    def logged(self, function: str, since: datetime) -> list[dict[str, Any]]:
        """What a function itself has logged since then; not what Lambda logs around it."""
        lines = (_object(line) for line in self.log_lines(self.functions[function].log_group, since))
        return [line for line in lines if "message" in line]

    def log_lines(self, group: str, since: datetime | None = None) -> list[str]:
        start = {"startTime": int(since.timestamp() * 1000)} if since else {}
        pages = self.client("logs").get_paginator("filter_log_events")
        return [
            event["message"]
            for page in pages.paginate(logGroupName=group, **start)
            for event in page["events"]
        ]

    def state(self, cluster: str) -> dict[str, Any]:
        """The item in the state table."""
        item: dict[str, Any] = self.client("dynamodb").get_item(
            TableName=self.stack.state_table, Key={"id": {"S": f"cluster#{cluster}"}}, ConsistentRead=True
        )["Item"]
        return item

    def forget_state(self, cluster: str) -> None:
        """Delete what was judged so far: a plan of another test may have found no node of the cluster."""
        self.client("dynamodb").delete_item(
            TableName=self.stack.state_table, Key={"id": {"S": f"cluster#{cluster}"}}
        )

    def published(self, metric: str, cluster: str | None, at: datetime) -> float | None:
        """The greatest value of a metric that was published for this minute; None if there is none."""
        dimensions = [{"Name": "ClusterName", "Value": cluster}] if cluster else []
        minute = at.replace(second=0, microsecond=0)
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=metric,
            Dimensions=dimensions,
            StartTime=minute,
            EndTime=minute + timedelta(minutes=1),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return max((float(point["Maximum"]) for point in points), default=None)

    def enigap(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The console script, as somebody runs it who works with this deployment."""
        return subprocess.run(
            [Path(sys.prefix) / "bin" / "enigap", *arguments],
            env=self.aws.environment() | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )


def _cast(cluster: str, nodes: Mapping[str, str]) -> tuple[tuple[Window, ...], list[Role]]:
    [count] = {len(scenes.split()) for scenes in nodes.values()}
    newest = Window.newest_settled(datetime.now(UTC), SETTLE)
    windows = tuple(newest.previous(n) for n in reversed(range(count)))
    return windows, [
        Role(f"{name}.{cluster}", _scenes(windows, keys.split())) for name, keys in nodes.items()
    ]


def _scenes(windows: tuple[Window, ...], keys: list[str]) -> tuple[Scene, ...]:
    # One window more than the newest: it may have settled by the time that the planner looks.
    span = FetchSpan(windows[0].start - _LOOKED_BACK - 2 * PERIOD, windows[-1].end + GRID + PERIOD)
    starts = [span.start, *(window.start for window in windows[1:])]
    ends = [*(window.end for window in windows[:-1]), span.end]
    return tuple(Scene(RECORDED[key], start, end) for key, start, end in zip(keys, starts, ends, strict=True))


def _without(action: str, statements: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if left := [other for other in actions if other != action]:
            yield {**statement, "Action": left}


def _texts(value: object) -> Iterator[str]:
    """Every text that a Slack message shows, what stands for the whole of it first."""
    if isinstance(value, Mapping):
        for name, inside in value.items():
            if name == "text" and isinstance(inside, str):
                yield inside
            else:
                yield from _texts(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _texts(inside)


def _object(line: str) -> dict[str, Any]:
    """A log line of our own; Lambda's are no JSON."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
