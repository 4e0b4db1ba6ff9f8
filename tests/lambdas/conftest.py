"""What is deployed around the handlers: table, queue and topic are moto's, CloudWatch is the strict fake."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demo.play import PlayedNode, Role, Scene, launch, play
from demo.recorded import recorded_nodes
from enigap.aws.clients import Aws
from enigap.aws.state_table import KEY
from enigap.core.counting.window import Window
from enigap.core.work import WorkItem
from enigap.lambdas import environment as variables
from enigap.lambdas import plan, reconcile, runtime
from enigap.settings import VARIABLE
from tests.fakes.strict_cloudwatch import StrictCloudWatch, attach, metric, query

SETTLE = timedelta(minutes=10)
ACCOUNT = "123456789012"


@dataclass
class FakeContext:
    """Lambda's context object. `remaining` is what is left, question by question; the last answer stays."""

    remaining: list[int] = field(default_factory=lambda: [300_000])
    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:function"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining.pop(0) if len(self.remaining) > 1 else self.remaining[0]


class Records(logging.Handler):
    """What was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, message: str) -> list[dict[str, Any]]:
        """The keys of every record with this message."""
        return [vars(record) for record in self.records if record.getMessage() == message]


@dataclass
class LambdaAccount:
    """The account and region that the functions are deployed to."""

    aws: Aws
    cloudwatch: StrictCloudWatch
    queue_url: str
    messages_url: str
    logged: Records

    def play(self, cluster: str, key: str, *windows: Window, otherwise: str = "c") -> str:
        """A new node of the cluster that plays a recording in these windows, and another one else; its id."""
        recordings = {node.key: node for node in recorded_nodes()}
        newest = Window.newest_settled(datetime.now(UTC), SETTLE)
        start, end = newest.end - timedelta(hours=2), newest.end + timedelta(minutes=5)
        begin, until = (windows[0].start, windows[-1].end) if windows else (end, end)
        scenes = (
            Scene(recordings[otherwise], start, begin),
            Scene(recordings[key], begin, until),
            Scene(recordings[otherwise], until, end),
        )
        role = Role(f"ip-{key}.{cluster}", tuple(scene for scene in scenes if scene.start < scene.end))
        nodes: tuple[PlayedNode, ...] = launch(self.aws.client, cluster, [role])
        play(self.aws.client, cluster, nodes, lambda _: None)
        return nodes[0].instance_id

    def queued(self) -> list[WorkItem]:
        answer = self.aws.client("sqs").receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        return [WorkItem.from_json(message["Body"]) for message in answer.get("Messages", ())]

    def told(self) -> list[Any]:
        """The events that were published since the last look."""
        sqs = self.aws.client("sqs")
        answer = sqs.receive_message(QueueUrl=self.messages_url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", ()):
            sqs.delete_message(QueueUrl=self.messages_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in answer.get("Messages", ())]

    def items(self) -> list[dict[str, Any]]:
        """Of the clusters."""
        found: list[dict[str, Any]] = self.aws.client("dynamodb").scan(TableName="state")["Items"]
        return [item for item in found if item[KEY]["S"].startswith("cluster#")]

    def published(self, name: str, **dimensions: str) -> list[float]:
        """The values of a metric in the last three hours, oldest first."""
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        answer = self.aws.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query(metric("EniGap", name, **dimensions), "Maximum")],
            StartTime=now - timedelta(hours=3),
            EndTime=now + timedelta(minutes=2),
            ScanBy="TimestampAscending",
        )
        values: list[float] = answer["MetricDataResults"][0]["Values"]
        return values


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[LambdaAccount]:
    moto = pytest.importorskip("moto")
    with moto.mock_aws():
        runtime.aws.cache_clear()
        aws = runtime.aws()
        fake = StrictCloudWatch(now=lambda: datetime.now(UTC), aws_namespaces_writable=True)
        attach(fake, aws.client("cloudwatch"))
        sqs, sns = aws.client("sqs"), aws.client("sns")
        queue_url = sqs.create_queue(QueueName="work.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        topic_arn = sns.create_topic(Name="findings")["TopicArn"]
        messages_url = sqs.create_queue(QueueName="messages")["QueueUrl"]
        sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:eu-west-1:{ACCOUNT}:messages",
            Attributes={"RawMessageDelivery": "true"},
        )
        aws.client("dynamodb").create_table(
            TableName="state",
            KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for name, value in {
            VARIABLE: "{}",
            variables.STATE_TABLE: "state",
            variables.WORK_QUEUE_URL: queue_url,
            variables.TOPIC_ARN: topic_arn,
            variables.DASHBOARD_URL: "https://console.example/#dashboards/dashboard/enigap",
            variables.POWERTOOLS_SERVICE: "enigap",
        }.items():
            monkeypatch.setenv(name, value)
        logged = Records()
        for module in (plan, reconcile):
            module.logger.addHandler(logged)
        yield LambdaAccount(aws, fake, queue_url, messages_url, logged)
        for module in (plan, reconcile):
            module.logger.removeHandler(logged)
        runtime.aws.cache_clear()
