"""Slack's queue as the template has it: a message arrives, or lies in the dead letters and an alarm is on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.documents import Document
from enigap.slack_webhook import Answer, Channel, NotDeliveredError, deliver_all, post
from infra.asset import PROJECT
from tests.fakes.redelivery import Handler, Redelivery
from tests.fakes.slack_receiver import Behaviour, SayNothing, SlackReceiver
from tests.fakes.strict_cloudwatch import StrictCloudWatch, Transition, client_of, metric
from tests.infra.conftest import Stack
from tests.lambdas.test_slack import TROUBLE, SecretsManager, handle, surroundings

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# The deployed function would wait ten seconds for who says nothing.
TROUBLE_AT_ONCE = {name: each for name, each in TROUBLE.items() if not isinstance(each, SayNothing)}


@dataclass(frozen=True)
class SlackQueue:
    """What the template says about the way to Slack."""

    visibility_timeout_seconds: float
    max_receive_count: int
    batch_size: int
    dead_letters: str
    """The logical id of the queue that they lie in."""
    alarm: dict[str, Any]

    def queue(self, handler: Handler) -> Redelivery:
        return Redelivery(self.visibility_timeout_seconds, self.max_receive_count, self.batch_size, handler)


@pytest.fixture(scope="session")
def slack_queue(stack: Stack) -> SlackQueue:
    function = next(
        name
        for name, each in stack.of_type("Lambda::Function").items()
        if each["Handler"] == "enigap.lambdas.slack.handler"
    )
    [source] = [
        each
        for each in stack.of_type("Lambda::EventSourceMapping").values()
        if each["FunctionName"] == {"Ref": function}
    ]
    queue = stack.of_type("SQS::Queue")[source["EventSourceArn"]["Fn::GetAtt"][0]]
    return SlackQueue(
        queue["VisibilityTimeout"],
        queue["RedrivePolicy"]["maxReceiveCount"],
        source["BatchSize"],
        queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0],
        stack.alarm("slackDeadLetters"),
    )


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    with surroundings(monkeypatch) as fake:
        yield fake


@pytest.mark.parametrize("trouble", TROUBLE_AT_ONCE.values(), ids=TROUBLE_AT_ONCE)
def test_what_fails_three_times_arrives_at_the_fourth(
    trouble: Behaviour, slack_queue: SlackQueue, secrets: SecretsManager
) -> None:
    queue = slack_queue.queue(handle)
    with SlackReceiver(*[trouble] * 3) as slack:
        secrets.secret = slack.url
        queue.send("hello")
        queue.run()
    assert (len(slack.posts), len(slack.taken), queue.dead_letters) == (4, 1, [])
    assert queue.now_seconds == 3 * slack_queue.visibility_timeout_seconds


@pytest.mark.parametrize("trouble", TROUBLE_AT_ONCE.values(), ids=TROUBLE_AT_ONCE)
def test_what_fails_for_an_hour_is_a_dead_letter_and_an_alarm_until_it_is_redriven(
    trouble: Behaviour, slack_queue: SlackQueue, secrets: SecretsManager
) -> None:
    queue = slack_queue.queue(handle)
    with SlackReceiver(*[trouble] * slack_queue.max_receive_count) as slack:
        secrets.secret = slack.url
        queue.send("hello")
        queue.run()
        assert slack.taken == []
        check_dead_letters_alarm_and_redrive(queue, slack_queue)
        assert "hello" in json.dumps(slack.taken)
        assert len(slack.taken) == 1


def test_silence_is_a_failure_like_any_other(slack_queue: SlackQueue) -> None:
    attempts = slack_queue.max_receive_count
    pool = urllib3.PoolManager()
    with SlackReceiver(*[SayNothing()] * attempts) as slack:

        def handler(records: Sequence[Document]) -> list[str]:
            send = partial(post, pool, connect_seconds=1.0, read_seconds=0.02)
            channel = Channel(lambda *, fresh: slack.url, send, lambda _: None, lambda: 60.0)  # noqa: ARG005
            return [failure.message_id for failure in deliver_all(records, channel)]

        queue = slack_queue.queue(handler)
        queue.send("hello")
        queue.run()
        assert slack.taken == []
        check_dead_letters_alarm_and_redrive(queue, slack_queue)
        assert len(slack.taken) == 1
    pool.clear()


@pytest.mark.parametrize(
    "refusal", ["AccessDeniedException", "ResourceNotFoundException", "DecryptionFailure"]
)
def test_without_its_secret_nothing_is_posted_and_nothing_is_lost(
    refusal: str, slack_queue: SlackQueue, secrets: SecretsManager
) -> None:
    secrets.refusal = refusal
    queue = slack_queue.queue(handle)
    queue.send("hello")
    queue.run()
    with SlackReceiver() as slack:
        secrets.secret = slack.url
        check_dead_letters_alarm_and_redrive(queue, slack_queue)
        assert len(slack.taken) == 1


def dead_letters_of_work_items(stack: Stack) -> str:
    """Those of the queue in front of the reconciler: runs that fail, as where SNS throttles, end here."""
    [source] = [
        each
        for each in stack.of_type("Lambda::EventSourceMapping").values()
        if stack.template["Resources"][each["FunctionName"]["Ref"]]["Properties"]["Handler"]
        == "enigap.lambdas.reconcile.handler"
    ]
    queue = stack.of_type("SQS::Queue")[source["EventSourceArn"]["Fn::GetAtt"][0]]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    dead_letters: str = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    return dead_letters


def dead_letters_of_plans(stack: Stack) -> str:
    """Where Lambda puts the planner's events that failed each time, and the schedule those it could not give
    to Lambda.
    """
    destination = stack.one("Lambda::EventInvokeConfig")["DestinationConfig"]["OnFailure"]["Destination"]
    target = stack.one("Scheduler::Schedule")["Target"]
    assert target["DeadLetterConfig"]["Arn"] == destination
    dead_letters: str = destination["Fn::GetAtt"][0]
    return dead_letters


def dead_letters_of_the_subscription(stack: Stack) -> str:
    """Where SNS puts what it cannot hand over to Slack's queue."""
    found: set[str] = {
        each["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for each in stack.of_type("SNS::Subscription").values()
        if each["Protocol"] == "sqs"
    }
    [dead_letters] = found
    return dead_letters


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("reconcileDeadLetters", dead_letters_of_work_items),
        ("planDeadLetters", dead_letters_of_plans),
        ("slackDeadLetters", dead_letters_of_the_subscription),
    ],
)
def test_a_dead_letter_of_any_kind_is_an_alarm_until_it_is_gone(
    name: str, of: Callable[[Stack], str], stack: Stack
) -> None:
    check_alarm([0, 1, 1, 0, 0, 0, 0, 0, 0, 0], stack.alarm(name), of(stack))


def check_dead_letters_alarm_and_redrive(queue: Redelivery, deployed: SlackQueue) -> None:
    """One message is in the dead letters; the alarm is on until it has been redriven and delivered."""
    assert [message.receives for message in queue.dead_letters] == [deployed.max_receive_count]
    depths = [0, len(queue.dead_letters), len(queue.dead_letters)]
    queue.redrive()
    queue.run()
    assert queue.dead_letters == []
    depths += [len(queue.dead_letters)] * 7
    check_alarm(depths, deployed.alarm, deployed.dead_letters)


def check_alarm(depths: Sequence[int], alarm: dict[str, Any], dead_letters: str) -> None:
    """While these dead letters' depth goes so, minute by minute, the alarm goes on, tells, and off again."""
    changes = alarms_of(depths, alarm, dead_letters)
    assert [change.new_state for change in changes] == ["OK", "ALARM", "OK"]
    assert [len(change.actions) for change in changes] == [0, 1, 0]


def alarms_of(depths: Sequence[int], alarm: dict[str, Any], dead_letters: str) -> list[Transition]:
    """What the alarm does while the dead letters' depth goes so, minute by minute."""
    properties = {key: value for key, value in alarm.items() if key not in {"Tags", "OKActions"}}
    [dimension] = properties["Dimensions"]
    assert dimension == {"Name": "QueueName", "Value": {"Fn::GetAtt": [dead_letters, "QueueName"]}}
    cloudwatch = StrictCloudWatch(NOON, aws_namespaces_writable=True)
    client_of(cloudwatch).put_metric_alarm(
        **{
            **properties,
            "Dimensions": [{"Name": "QueueName", "Value": "dead-letters"}],
            "AlarmActions": [
                "arn:aws:sns:eu-west-1:123456789012:pipeline" for _ in properties["AlarmActions"]
            ],
        }
    )
    depth_metric = metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName="dead-letters")
    changes = []
    for minute, depth in enumerate(depths):
        cloudwatch.put(depth_metric, NOON + minute * MINUTE, float(depth))
        cloudwatch.now = NOON + (minute + 1) * MINUTE
        changes += cloudwatch.evaluate_alarms()
    return changes


def test_the_runbook_names_every_alarm_on_dead_letters_and_says_for_how_long_they_are_kept(
    stack: Stack,
) -> None:
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    names = {each["AlarmName"] for each in stack.of_type("CloudWatch::Alarm").values()}
    assert set(re.findall(r"`([\w-]+DeadLetters)`", text)) == {n for n in names if n.endswith("DeadLetters")}
    kept = {
        queue["MessageRetentionPeriod"]
        for name, queue in stack.of_type("SQS::Queue").items()
        if "DeadLetters" in name
    }
    assert kept == {14 * 24 * 3600}
    assert "14 days" in text


# --- any history ---

ANSWERS = st.sampled_from(
    [
        Answer(200, "ok"),
        Answer(200, "<html>"),
        Answer(404, "no_service"),
        Answer(429, "rate_limited", 7.0),
        Answer(429, "rate_limited", 3600.0),
        Answer(500, "error"),
        None,
    ]
)
"""None: no answer."""


@given(st.data(), st.integers(1, 25))
def test_whatever_slack_does_every_message_arrives_or_is_a_dead_letter(
    slack_queue: SlackQueue, data: st.DataObject, messages: int
) -> None:
    taken: list[str] = []

    def send(_: str, message: Document) -> Answer:
        answer = data.draw(ANSWERS)
        if answer is None:
            raise NotDeliveredError("Slack did not answer.")
        if answer.is_delivered:
            taken.append(json.dumps(message))
        return answer

    def handler(records: Sequence[Document]) -> list[str]:
        left = [60.0]

        def sleep(seconds: float) -> None:
            left[0] -= seconds

        channel = Channel(lambda *, fresh: "address", send, sleep, lambda: left[0])  # noqa: ARG005
        return [failure.message_id for failure in deliver_all(records, channel)]

    queue = slack_queue.queue(handler)
    bodies = [f"message {number}." for number in range(messages)]
    queue.send(*bodies)
    queue.run()
    dead = [message.body for message in queue.dead_letters]
    assert len(taken) + len(dead) == messages
    for body in bodies:
        assert sum(body in each for each in taken) + dead.count(body) == 1
