"""Finds the deployed enigap by its CloudFormation stack: its resources, subscriptions and settings."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Final, Protocol

from enigap.aws.errors import AwsProblem, ProblemKind, calling
from enigap.aws.iam import Statement
from enigap.aws.pages import items, pages
from enigap.core.strict import text

STACK: Final = "enigap"
"""The stack's name unless `stack_name` is set. Before it was, further regions had `enigap-REGION`."""
TAG: Final = ("application", "enigap")
"""The tag of every deployed stack, whatever its name."""

ACTIONS: Final = (
    Statement(
        ("cloudformation:DescribeStacks", "lambda:GetFunctionConfiguration", "sns:ListSubscriptionsByTopic")
    ),
)

# SNS has these instead of the ARN of a subscription.
_PENDING: Final = "PendingConfirmation"
_UNSUBSCRIBED: Final = "Deleted"  # listed for up to three days after it was deleted

SLACK_QUEUE_OUTPUT: Final = "SlackQueueArn"
"""The output that exists only with an incoming webhook."""

_OUTPUTS: Final = ("TopicArn", "PipelineTopicArn", "StateTableName", "PlanFunctionName", "DashboardUrl")


class CloudFormation(Protocol):
    """The part of boto3's CloudFormation client that is used here."""

    def describe_stacks(self, **request: Any) -> dict[str, Any]: ...


class Lambda(Protocol):
    """The part of boto3's Lambda client that is used here."""

    def get_function_configuration(self, **request: Any) -> dict[str, Any]: ...


class Sns(Protocol):
    """The part of boto3's SNS client that is used here."""

    def list_subscriptions_by_topic(self, **request: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Deployment:
    """The resources of the deployed stack."""

    topic_arn: str
    """The topic of findings."""
    pipeline_topic_arn: str
    """The topic of alarms on the pipeline itself."""
    state_table: str
    plan_function: str
    dashboard_url: str
    name: str = field(default=STACK, kw_only=True, compare=False)
    """The stack's name."""
    slack_queue_arn: str | None = field(default=None, kw_only=True)
    """The queue of messages for Slack's incoming webhook; None without a webhook."""

    work_queue_url: str | None = field(default=None, kw_only=True, compare=False)
    deployed_at: datetime | None = field(default=None, kw_only=True, compare=False)

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of its queues of work and messages."""
        ends = (self.work_queue_url or "").rpartition("/")[2], (self.slack_queue_arn or "").rpartition(":")[2]
        return tuple(filter(None, ends))

    @property
    def account(self) -> str:
        return self.topic_arn.split(":")[4]


@dataclass(frozen=True, slots=True, order=True)
class Subscription:
    """A subscription to one or both topics."""

    protocol: str
    endpoint: str
    is_confirmed: bool
    topics: tuple[str, ...] = field(default=(), compare=False)
    """The ARNs of the topics that it is a subscription to."""

    @property
    def to_confirm(self) -> str:
        """How to confirm the subscription."""
        if self.protocol.startswith("email"):
            return "the link in AWS's email is still to be followed"
        return "the endpoint has not answered AWS's request to confirm it"


def find(cloudformation: CloudFormation, region: str, stack: str = STACK) -> Deployment:
    """The deployment of this name in the client's region. Raises AwsProblem if there is none."""
    for name in (stack, f"{stack}-{region}"):
        described = _described(cloudformation, name)
        if described is None or (name != stack and not _is_enigaps(described, stack)):
            continue
        outputs = _outputs(cloudformation, described)
        missing = [output for output in _OUTPUTS if output not in outputs]
        if missing and not _is_enigaps(described, stack):
            raise _not_enigaps(name, region, tagged_stacks(cloudformation))
        if missing:
            raise AwsProblem(
                ProblemKind.MISSING,
                f"The stack {name} in {region} has no output {missing[0]}",
                f"finish its deployment with `cdk deploy`{_state(described)}",
            )
        own = (outputs[output] for output in _OUTPUTS)
        return Deployment(
            *own,
            name=name,
            slack_queue_arn=outputs.get(SLACK_QUEUE_OUTPUT),
            work_queue_url=outputs.get("WorkQueueUrl"),
            deployed_at=_deployed_at(described),
        )
    raise AwsProblem(
        ProblemKind.MISSING,
        f"There is no stack {stack} in {region}",
        f"give one of {', '.join(others)} with --stack"
        if (others := tagged_stacks(cloudformation))
        else "deploy it with `cdk deploy`, or give the region it is in",
    )


def tagged_stacks(cloudformation: CloudFormation) -> tuple[str, ...]:
    """The names of the stacks in the region with enigap's tag; none where they cannot be listed."""

    def read(page: Mapping[str, Any]) -> list[str]:
        return [text(each["StackName"]) for each in items(page, "Stacks") if _is_tagged(each)]

    call = cloudformation.describe_stacks
    try:
        listed = list(pages("cloudformation:DescribeStacks", cloudformation, call, {}, read))
    except AwsProblem:
        return ()
    return tuple(sorted(chain.from_iterable(listed)))


def _is_tagged(stack: Mapping[str, Any]) -> bool:
    return TAG in {(tag["Key"], tag["Value"]) for tag in stack.get("Tags") or ()}


def _is_enigaps(described: Mapping[str, Any], stack: str) -> bool:
    """Whether a stack that was asked for is enigap's: by its name, or else by its tag."""
    return stack == STACK or _is_tagged(described)


def _not_enigaps(name: str, region: str, others: Sequence[str]) -> AwsProblem:
    return AwsProblem(
        ProblemKind.MISSING,
        f"The stack {name} in {region} is none of enigap's, for it has no tag {'='.join(TAG)}",
        f"give one of {', '.join(others)} with --stack" if others else "give the name of one that is",
    )


def _deployed_at(described: Mapping[str, Any]) -> datetime | None:
    at = described.get("LastUpdatedTime") or described.get("CreationTime")
    return at if isinstance(at, datetime) else None


def _state(described: Mapping[str, Any]) -> str:
    status = described.get("StackStatus")
    return f", for it is {text(status)}" if status else ""


def environment(lambda_: Lambda, deployment: Deployment) -> Mapping[str, str]:
    """The environment variables the planner was deployed with. Raises AwsProblem."""
    with calling("lambda:GetFunctionConfiguration", lambda_):
        answer = lambda_.get_function_configuration(FunctionName=deployment.plan_function)
        variables = answer.get("Environment", {}).get("Variables", {})
        return {text(name): text(value) for name, value in variables.items()}


def subscriptions(sns: Sns, deployment: Deployment) -> tuple[Subscription, ...]:
    """The subscriptions to either topic. Raises AwsProblem."""
    topics: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for topic_arn in (deployment.topic_arn, deployment.pipeline_topic_arn):
        call, request = sns.list_subscriptions_by_topic, {"TopicArn": topic_arn}
        listed = pages("sns:ListSubscriptionsByTopic", sns, call, request, _subscribed)
        for each in chain.from_iterable(listed):
            topics[each].append(topic_arn)
    return tuple(sorted(Subscription(*each, tuple(of)) for each, of in topics.items()))


def _subscribed(page: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Protocol, endpoint and whether it is confirmed, of each subscription of a page."""
    return [
        (text(each["Protocol"]), text(each["Endpoint"]), each["SubscriptionArn"] != _PENDING)
        for each in items(page, "Subscriptions")
        if each["SubscriptionArn"] != _UNSUBSCRIBED
    ]


@dataclass(frozen=True, slots=True, order=True)
class Unsubscribed:
    """An address in the settings that a topic has no subscription of.

    A reader or a mail scanner that opens the link at the end of an email unsubscribes its address. A new
    deployment does not subscribe it again, for nothing in the template has changed.
    """

    address: str
    topic_arn: str

    @property
    def to_subscribe(self) -> str:
        """The command that subscribes it again."""
        return subscribe_command(self.topic_arn, self.address)


def unsubscribed(
    addresses: Iterable[str], told: Iterable[Subscription], deployment: Deployment
) -> tuple[Unsubscribed, ...]:
    """The addresses that are not subscribed to one of the topics, not even unconfirmed."""
    there = {
        (each.endpoint.casefold(), topic)
        for each in told
        if each.protocol.startswith("email")
        for topic in each.topics
    }
    return tuple(
        Unsubscribed(address, topic)
        for address in addresses
        for topic in (deployment.topic_arn, deployment.pipeline_topic_arn)
        if (address.casefold(), topic) not in there
    )


def subscribe_command(topic_arn: str, address: str) -> str:
    """The command that makes SNS send a new link to confirm a subscription."""
    region = topic_arn.split(":")[3]
    arguments = ("--protocol", "email", "--notification-endpoint", address, "--region", region)
    return shlex.join(("aws", "sns", "subscribe", "--topic-arn", topic_arn, *arguments))


def stacks_of(cloudformation: CloudFormation, region: str, stack: str) -> dict[str, str]:
    """The names with their status of this deployment's stacks in a region: also what it was called before.

    Raises AwsProblem.
    """
    described = {name: _described(cloudformation, name) for name in (stack, f"{stack}-{region}")}
    there = {name: each for name, each in described.items() if each is not None}
    own = {name: each for name, each in there.items() if _is_enigaps(each, stack)}
    if stack in there and stack not in own:
        raise _not_enigaps(stack, region, tagged_stacks(cloudformation))
    return {name: text(each["StackStatus"]) for name, each in own.items()}


def two_stacks(cloudformation: CloudFormation, region: str, stack: str) -> str | None:
    """What to do about the stack of an earlier version that is there beside this one; None if there is none.

    Raises AwsProblem.
    """
    before = f"{stack}-{region}"
    described = _described(cloudformation, before)
    if described is None or not _is_enigaps(described, stack):
        return None
    command = f"aws cloudformation delete-stack --stack-name {before} --region {region}"
    return (
        f"The stack {before} is of an earlier version, and both judge and tell: delete it with `{command}`."
    )


def _outputs(cloudformation: CloudFormation, described: Mapping[str, Any]) -> Mapping[str, str]:
    with calling("cloudformation:DescribeStacks", cloudformation):
        outputs = described.get("Outputs") or ()
        return {text(output["OutputKey"]): text(output["OutputValue"]) for output in outputs}


def _described(cloudformation: CloudFormation, stack: str) -> Mapping[str, Any] | None:
    try:
        with calling("cloudformation:DescribeStacks", cloudformation):
            described: Mapping[str, Any] = items(cloudformation.describe_stacks(StackName=stack), "Stacks")[0]
            return described
    except AwsProblem as problem:
        if problem.code == "ValidationError":  # CloudFormation's error code for a stack that does not exist
            return None
        raise
