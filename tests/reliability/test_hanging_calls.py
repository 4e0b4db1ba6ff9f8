"""Operations that accept the connection and then never answer, drip, or reset: each ends in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from enigap.aws.clients import Aws
from enigap.aws.deadline import OPTIONAL
from enigap.aws.errors import AwsProblem, calling

CALLS: dict[str, Callable[[Aws], object]] = {
    "dynamodb:Scan": lambda aws: aws.client("dynamodb").scan(TableName="t"),
    "dynamodb:GetItem": lambda aws: aws.client("dynamodb").get_item(TableName="t", Key={"id": {"S": "a"}}),
    "dynamodb:PutItem": lambda aws: aws.client("dynamodb").put_item(TableName="t", Item={"id": {"S": "a"}}),
    "sqs:SendMessage": lambda aws: aws.client("sqs").send_message(QueueUrl="http://q", MessageBody="{}"),
    "sns:Publish": lambda aws: aws.client("sns").publish(TopicArn="arn:aws:sns:eu-west-1:1:t", Message="m"),
    "cloudwatch:PutMetricData": lambda aws: aws.client("cloudwatch").put_metric_data(
        Namespace="N", MetricData=[{"MetricName": "m", "Value": 1.0}]
    ),
    "cloudwatch:ListMetrics": lambda aws: aws.client("cloudwatch").list_metrics(),
    "cloudwatch:GetMetricData": lambda aws: aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[], StartTime=0, EndTime=60
    ),
    "logs:FilterLogEvents": lambda aws: aws.client("logs").filter_log_events(logGroupName="g"),
    "ec2:DescribeInstances": lambda aws: aws.client("ec2").describe_instances(),
    "ec2:DescribeTags": lambda aws: aws.client("ec2").describe_tags(),
    "ec2:DescribeInstanceTypes": lambda aws: aws.client("ec2").describe_instance_types(),
    "ec2:DescribeTrafficMirrorSessions": lambda aws: aws.client("ec2").describe_traffic_mirror_sessions(),
    "eks:DescribeAddon": lambda aws: aws.client("eks").describe_addon(clusterName="c", addonName="a"),
    "secretsmanager:GetSecretValue": lambda aws: aws.client("secretsmanager").get_secret_value(SecretId="s"),
}


class Peer:
    """Listens on loopback and treats each connection in one way; counts them."""

    def __init__(self, manner: str) -> None:
        self._manner = manner
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def _treat(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._manner == "resets":
                return
            if self._manner == "drips":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not self._over.wait(0.05):
                if self._manner == "drips":
                    connection.sendall(b" ")

    def close(self) -> None:
        self._over.set()
        self._listener.close()


pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(params=["never answers", "drips", "resets"])
def peer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    found = Peer(request.param)
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    yield found
    found.close()


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("call", CALLS)
def test_every_operation_ends_before_its_deadline_whatever_the_peer_does(call: str) -> None:
    aws = Aws(region="eu-west-1")
    until = time.monotonic() + 0.6
    aws.deadline.seconds_left = lambda: until - time.monotonic()
    with pytest.raises(AwsProblem), calling(call):
        CALLS[call](aws)
    assert time.monotonic() < until + 0.5


@pytest.mark.parametrize("call", [call for call in CALLS if call.partition(":")[2] in OPTIONAL])
def test_an_optional_question_gets_one_attempt(peer: Peer, call: str) -> None:
    with pytest.raises(AwsProblem), calling(call):
        CALLS[call](Aws(region="eu-west-1"))
    assert peer.connections == 1


def test_no_attempt_is_begun_without_time_for_it(peer: Peer) -> None:
    aws = Aws(region="eu-west-1")
    aws.deadline.seconds_left = lambda: 0.0
    with pytest.raises(AwsProblem, match="Time ran out"), calling("dynamodb:Scan"):
        CALLS["dynamodb:Scan"](aws)
    assert peer.connections == 0
