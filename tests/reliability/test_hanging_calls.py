"""Operations that accept the connection and then never answer, drip, or reset.

Over real connections to loopback with a deadline of a fraction of a second; and each handler with each of its
operations by a clock that only stalling moves, with what must be told and queued all the same.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import pytest

from enigap.aws.clients import Aws
from enigap.aws.deadline import MOST_BYTES
from enigap.aws.errors import AwsProblem, calling
from enigap.core.counting.window import Window
from enigap.core.instants import timestamp
from enigap.core.work import WorkItem
from enigap.lambdas import environment, plan, reconcile, runtime, slack
from tests.lambdas.conftest import ACCOUNT, SETTLE, LambdaAccount, deployed  # noqa: F401 - a fixture
from tests.reliability.figures import Figures
from tests.reliability.stalling import MANNERS, StallingAws

# --- over a connection ---

CALLS: dict[str, Callable[[Aws], object]] = {
    "dynamodb:Scan": lambda aws: aws.client("dynamodb").scan(TableName="t"),
    "ec2:DescribeInstances": lambda aws: aws.client("ec2").describe_instances(),
    "eks:DescribeAddon": lambda aws: aws.client("eks").describe_addon(clusterName="c", addonName="a"),
}
"""One of each protocol: JSON, query and REST."""


class Peer:
    """Listens on loopback and treats each connection in one way; counts them."""

    def __init__(self, manner: str) -> None:
        self._manner = manner
        self.connections = 0
        self.sent_bytes = 0
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
            if self._manner == "floods":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while not self._over.is_set():
                    connection.sendall(bytes(1_000_000))
                    self.sent_bytes += 1_000_000
            while not self._over.wait(0.05):
                if self._manner == "drips":
                    connection.sendall(b" ")

    def close(self) -> None:
        self._over.set()
        self._listener.close()


on_loopback = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def peer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    found = Peer(request.param)
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    yield found
    found.close()


@on_loopback
@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("peer", MANNERS, indirect=True)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_ends_whatever_the_peer_does(call: str) -> None:
    aws = Aws(region="eu-west-1")
    until = time.monotonic() + 0.3
    aws.deadline.seconds_left = lambda: until - time.monotonic()
    with pytest.raises(AwsProblem), calling(call):
        CALLS[call](aws)


@on_loopback
@pytest.mark.parametrize("peer", ["resets"], indirect=True)
def test_an_optional_question_gets_one_attempt(peer: Peer) -> None:
    aws = Aws(region="eu-west-1")
    with pytest.raises(AwsProblem), calling("eks:DescribeAddon"):
        CALLS["eks:DescribeAddon"](aws)
    assert peer.connections == 1
    with pytest.raises(AwsProblem), aws.deadline.optional(), calling("ec2:DescribeInstances"):
        CALLS["ec2:DescribeInstances"](aws)
    assert peer.connections == 2


@on_loopback
@pytest.mark.parametrize("peer", ["floods"], indirect=True)
def test_an_answer_that_is_longer_than_any_of_awss_is_not_read_to_its_end(peer: Peer) -> None:
    aws = Aws(region="eu-west-1")
    with pytest.raises(AwsProblem), aws.deadline.optional(), calling("dynamodb:Scan"):
        CALLS["dynamodb:Scan"](aws)
    assert peer.connections == 1
    assert peer.sent_bytes < MOST_BYTES + 20_000_000  # that much may wait in sockets


@on_loopback
@pytest.mark.parametrize("peer", ["never answers"], indirect=True)
def test_no_attempt_is_begun_without_time_for_it(peer: Peer) -> None:
    aws = Aws(region="eu-west-1")
    aws.deadline.seconds_left = lambda: 0.0
    with pytest.raises(AwsProblem, match="Time ran out"), calling("dynamodb:Scan"):
        CALLS["dynamodb:Scan"](aws)
    assert peer.connections == 0


# --- each handler, each operation ---

PLANNER_SECONDS: Final = 300.0
RECONCILER_SECONDS: Final = 300.0
SLACK_SECONDS: Final = 60.0

OF_PLAN: Final = ("Scan", "PutItem", "SendMessage", "PutMetricData", "ListMetrics", "DescribeInstances")
DISCOVERY: Final = ("ListMetrics", "DescribeInstances")
TO_READ: Final = ("DescribeInstances", "DescribeTags", "ListMetrics", "GetMetricData")
TO_EXPLAIN: Final = (
    "DescribeInstanceTypes",
    "DescribeTrafficMirrorSessions",
    "FilterLogEvents",
    "QueryPromQL",
)
TO_WRITE: Final = ("GetItem", "PutItem", "Publish", "PutMetricData")
FOR_WORDS: Final = ("DescribeAddon", "FilterLogEvents")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> LambdaAccount:
    monkeypatch.setattr(runtime, "aws", cache(StallingAws))
    found: LambdaAccount = request.getfixturevalue("deployed")
    return found


@pytest.fixture
def aws(account: LambdaAccount, monkeypatch: pytest.MonkeyPatch) -> StallingAws:
    assert isinstance(account.aws, StallingAws)
    monkeypatch.setattr(time, "sleep", account.aws.clock.sleep)
    return account.aws


def windows(count: int) -> list[Window]:
    newest = Window.newest_settled(datetime.now(UTC), SETTLE)
    return [newest.previous(number) for number in reversed(range(count))]


def each_stall(aws: StallingAws, operations: Iterable[str], figures: Figures) -> Iterator[str]:
    """Each operation, as it stalls in each manner; the promises are kept if the loop's body ends well."""
    for operation in operations:
        for manner in MANNERS:
            aws.stalls, aws.attempts = (operation, manner), 0
            yield operation
            assert aws.attempts, f"{operation} is not called"
            figures.operations_that_hang += 1


def published(account: LambdaAccount, name: str) -> int:
    """How many requests have published a metric so far."""
    return sum(
        any(datum["MetricName"] == name for datum in request.parameters.get("MetricData", ()))
        for request in account.cloudwatch.requests
    )


def forget(account: LambdaAccount, cluster: str) -> None:
    key = {"id": {"S": f"cluster#{cluster}"}}
    account.aws.client("dynamodb").delete_item(TableName="state", Key=key)


def drained(account: LambdaAccount) -> list[WorkItem]:
    """The work items in the queue, which is empty afterwards."""
    sqs, url = account.aws.client("sqs"), account.queue_url
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ())
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [WorkItem.from_json(message["Body"]) for message in messages]


def test_the_planner_queues_what_it_knows_and_says_so_whatever_stalls(
    aws: StallingAws, account: LambdaAccount, figures: Figures
) -> None:
    account.play("known", "c")
    aws.live(plan.handler, {}, PLANNER_SECONDS)
    drained(account)
    account.play("new", "c")
    at = iter(windows(3 * len(OF_PLAN)))
    for operation in each_stall(aws, OF_PLAN, figures):
        forget(account, "new")
        account.cloudwatch.requests.clear()
        window = next(at)
        # The two sources of discovery share the one clock: while one stalls, time runs out for the other.
        with pytest.raises(AwsProblem, match=f"{operation}|Time ran out"):
            aws.live(plan.handler, {"window_end": timestamp(window.end)}, PLANNER_SECONDS)
        queued = {item.cluster for item in drained(account)}
        assert queued >= (set() if operation == "SendMessage" else {"known"}), aws.stalls
        assert "new" in queued or operation in {"SendMessage", *DISCOVERY}, aws.stalls
        metrics = {name for name in ("PlansMade", "ClustersOverdue") if published(account, name)}
        unpublished = {"PutMetricData": {"PlansMade", "ClustersOverdue"}, "Scan": {"ClustersOverdue"}}
        assert metrics == {"PlansMade", "ClustersOverdue"} - unpublished.get(operation, set()), aws.stalls


def judged(aws: StallingAws, *at: Window, attempt: int = 1) -> list[bool]:
    """Whether each of the windows was judged, by a function that lives as long as Lambda lets it."""
    done = []
    for each in at:
        record = {
            "messageId": "m",
            "body": json.dumps(WorkItem(ACCOUNT, "eu-west-1", "prod", each).document()),
            "attributes": {"MessageGroupId": "prod", "ApproximateReceiveCount": str(attempt)},
        }
        answer = aws.live(reconcile.handler, {"Records": [record]}, RECONCILER_SECONDS)
        done.append(answer == {"batchItemFailures": []})
    return done


def told(account: LambdaAccount) -> list[str]:
    return [each["id"].partition("/")[2] for message in account.told() for each in message["incidents"]]


def test_the_reconciler_judges_publishes_and_tells_whatever_stalls(
    aws: StallingAws, account: LambdaAccount, figures: Figures
) -> None:
    at = windows(2)
    deficit = f"{account.play('prod', 'g1', *at)}/os_deficit"
    for _ in each_stall(aws, TO_READ, figures):
        forget(account, "prod")
        account.cloudwatch.requests.clear()
        assert judged(aws, *at) == [True, True], aws.stalls
        assert told(account) == ["*/unreadable"], aws.stalls
        assert published(account, "NodesUnreadable") == 2, aws.stalls
    for _ in each_stall(aws, TO_EXPLAIN, figures):
        forget(account, "prod")
        assert judged(aws, at[1]) == [True], aws.stalls
        assert told(account) == [deficit], aws.stalls


def test_what_the_reconciler_cannot_write_is_told_once_when_it_can(
    aws: StallingAws, account: LambdaAccount, figures: Figures
) -> None:
    at = windows(2)
    deficit = f"{account.play('prod', 'g1', *at)}/os_deficit"
    for operation in each_stall(aws, TO_WRITE, figures):
        forget(account, "prod")
        assert judged(aws, at[1]) == [False], aws.stalls
        at_once = told(account)
        assert at_once == ([deficit] if operation == "PutMetricData" else []), aws.stalls
        stalls, aws.stalls = aws.stalls, ("", "")
        account.cloudwatch.requests.clear()
        assert judged(aws, at[1], attempt=2) == [True], stalls
        assert at_once + told(account) == [deficit], stalls
        assert published(account, "NodesUnexplained"), stalls


def launch_without_agent(ec2: Any, cluster: str) -> None:
    """A node that has been there for long and never published anything."""
    tags = {"ResourceType": "instance", "Tags": [{"Key": "eks:cluster-name", "Value": cluster}]}
    launched = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, TagSpecifications=[tags])
    backend = pytest.importorskip("moto.ec2.models").ec2_backends[ACCOUNT]["eu-west-1"]
    backend.get_instance(launched["Instances"][0]["InstanceId"]).launch_time = "2026-01-01T00:00:00Z"


def test_what_only_makes_words_better_is_asked_for_once(
    aws: StallingAws, account: LambdaAccount, figures: Figures
) -> None:
    launch_without_agent(aws.client("ec2"), "prod")
    for _ in each_stall(aws, FOR_WORDS, figures):
        forget(account, "prod")
        assert judged(aws, *windows(1)) == [True], aws.stalls
        [*_, line] = account.logged.of("reconciled")
        assert "has published node_network_total_bytes" in line["finding"], aws.stalls
        assert aws.attempts == 1
        assert aws.clock() < 3.0


def test_a_message_to_slack_is_kept_while_the_secret_cannot_be_read(
    aws: StallingAws, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    monkeypatch.setenv(environment.SLACK_SECRET, "webhook")
    event = {"Records": [{"messageId": "m", "body": "{}"}]}
    for _ in each_stall(aws, ("GetSecretValue",), figures):
        slack.secret.cache_clear()
        answer = aws.live(slack.handler, event, SLACK_SECONDS)
        assert answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    slack.secret.cache_clear()
