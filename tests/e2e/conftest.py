"""One deployment for all tests: TLS, IAM enforced, a Slack receiver on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from demo.clients import Clients
from demo.deploy import bootstrap, deploy, workshop
from demo.embedded_aws import EmbeddedAws
from demo.pipeline import WEBHOOK_SECRET, keep_webhook
from demo.receiver import Receiver
from enigap.aws.deployment import find
from tests.e2e.deployed import CLUSTERS, Function, SharedDeployment

EMAIL = "on-call@example.com"


@pytest.fixture(scope="session")
def deployed() -> Iterator[SharedDeployment]:
    settings = {
        "clusters": CLUSTERS,
        "email": [EMAIL],
        "slack": {"webhook_secret": WEBHOOK_SECRET},
    }
    with EmbeddedAws(tls=True, enforce_iam=True) as aws, Receiver() as receiver, workshop() as directory:
        client = clients_of(aws)
        keep_webhook(client, receiver)
        bootstrap(aws, directory, lambda _: None)
        outputs = deploy(aws, directory, settings, lambda _: None)
        stack = find(client("cloudformation"), aws.region)
        yield SharedDeployment(
            aws=aws,
            client=client,
            stack=stack,
            work_queue_url=outputs["WorkQueueUrl"],
            receiver=receiver,
            functions=functions_of(client),
            events_url=subscribed_queue(client, stack.topic_arn),
        )


def clients_of(aws: EmbeddedAws) -> Clients:
    """Root's clients, each made once."""
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(service, **aws.client_arguments())
        return made[service]

    return client


def functions_of(client: Clients) -> dict[str, Function]:
    """The deployed functions by the module of their handler."""
    return {
        each["Handler"].split(".")[-2]: Function(
            name=each["FunctionName"],
            handler=each["Handler"],
            role=each["Role"].rpartition("/")[2],
            log_group=each["LoggingConfig"]["LogGroup"],
        )
        for each in client("lambda").list_functions()["Functions"]
    }


def subscribed_queue(client: Clients, topic_arn: str) -> str:
    """A queue that gets every event as programs get them. SNS fills it while a message is published."""
    sqs = client("sqs")
    url: str = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    client("sns").subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
    return url
