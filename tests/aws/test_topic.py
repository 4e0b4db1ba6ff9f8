"""The topic, as its subscribers see it (moto's SNS and SQS)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from moto import mock_aws

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.topic import Topic
from enigap.core.incidents.decide import decide
from enigap.core.incidents.incident import ClusterState, News, Policy
from enigap.core.judging.verdict import Verdict
from enigap.core.messages import notification_document
from tests.fakes.pipeline_ports import report_of, window

DOCUMENT_OF = partial(
    notification_document,
    account="123456789012",
    region="eu-west-1",
    cluster="prod",
    dashboard_url="https://console.example/#dashboards/dashboard/enigap",
    settle=timedelta(minutes=10),
)


@dataclass
class Subscribed:
    """A topic, and what its SQS subscribers got."""

    sns: Any
    sqs: Any
    arn: str

    def queue(self, name: str, **attributes: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.sns.subscribe(
            TopicArn=self.arn,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:eu-west-1:123456789012:{name}",
            Attributes=attributes,
        )
        return url

    def received(self, url: str) -> list[Any]:
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        return [json.loads(message["Body"]) for message in answer.get("Messages", ())]


@pytest.fixture
def subscribed() -> Iterator[Subscribed]:
    with mock_aws():
        aws = Aws()
        arn = aws.client("sns").create_topic(Name="findings")["TopicArn"]
        yield Subscribed(aws.client("sns"), aws.client("sqs"), arn)


def opened_and_resolved(nodes: int = 1) -> tuple[News, ...]:
    """What a run says in which one node's incident ends while others begin."""
    bad, good = Verdict.OS_DEFICIT, Verdict.AGREE
    state = decide(
        ClusterState("prod"), report_of(window(0), {"i-0": (bad, bad)}), Policy(), [], window(0).end
    )
    report = report_of(
        window(1), {"i-0": (good, good), **{f"i-{n}": (bad, bad) for n in range(1, nodes + 1)}}
    )
    return decide(ClusterState("prod", incidents=state.incidents), report, Policy(), [], window(1).end).outbox


def test_programs_get_the_event_and_all_of_the_news_in_it(subscribed: Subscribed) -> None:
    url = subscribed.queue("programs", RawMessageDelivery="true")
    news = opened_and_resolved()
    Topic(subscribed.sns, subscribed.arn, DOCUMENT_OF).notify(news)
    [event] = subscribed.received(url)
    assert event == DOCUMENT_OF(news)
    assert {(i["news"], i["id"]) for i in event["incidents"]} == {
        ("opened", "prod/i-1/os_deficit"),
        ("resolved", "prod/i-0/os_deficit"),
    }


def test_a_subject_is_there_for_people(subscribed: Subscribed) -> None:
    url = subscribed.queue("people")
    Topic(subscribed.sns, subscribed.arn, DOCUMENT_OF).notify(opened_and_resolved())
    [envelope] = subscribed.received(url)
    assert envelope["Subject"] == "[OPEN] prod: ip-1 os_deficit"


@pytest.mark.parametrize(
    ("policy", "messages"),
    [
        ({"cluster": ["prod"]}, 1),
        ({"cluster": ["dev"]}, 0),
        ({"news": ["resolved"]}, 1),
        ({"news": ["reminder"]}, 0),
        ({"verdict": ["os_deficit"]}, 1),
        ({"verdict": ["os_silent"]}, 0),
    ],
    ids=str,
)
def test_subscribers_can_filter(subscribed: Subscribed, policy: dict[str, list[str]], messages: int) -> None:
    url = subscribed.queue("filtered", RawMessageDelivery="true", FilterPolicy=json.dumps(policy))
    Topic(subscribed.sns, subscribed.arn, DOCUMENT_OF).notify(opened_and_resolved())
    assert len(subscribed.received(url)) == messages


def test_five_hundred_nodes_fit_into_one_message(subscribed: Subscribed) -> None:
    url = subscribed.queue("programs", RawMessageDelivery="true")
    Topic(subscribed.sns, subscribed.arn, DOCUMENT_OF).notify(opened_and_resolved(500))
    [event] = subscribed.received(url)
    assert [i["node_count"] for i in event["incidents"]] == [500, 1]


def test_a_topic_that_is_gone_is_a_problem_and_nothing_is_lost_silently(subscribed: Subscribed) -> None:
    subscribed.sns.delete_topic(TopicArn=subscribed.arn)
    with pytest.raises(AwsProblem, match="sns:Publish in eu-west-1") as caught:
        Topic(subscribed.sns, subscribed.arn, DOCUMENT_OF).notify(opened_and_resolved())
    assert caught.value.kind is ProblemKind.MISSING
