"""Finding the deployed enigap by its stack, and who it tells; the answers are made up as AWS gives them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from enigap.aws.deployment import (
    SLACK_QUEUE_OUTPUT,
    Deployment,
    Subscription,
    environment,
    find,
    stacks_of,
    subscriptions,
    two_stacks,
)
from enigap.aws.errors import AwsProblem, ProblemKind

OUTPUTS = {
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:findings",
    "PipelineTopicArn": "arn:aws:sns:eu-west-1:123456789012:pipeline",
    "StateTableName": "enigap-State",
    "PlanFunctionName": "enigap-Plan",
    "DashboardUrl": "https://console.example/#dashboards/dashboard/enigap",
    "WorkQueueUrl": "https://sqs.example/work.fifo",
}
DEPLOYED = Deployment(*(OUTPUTS[name] for name in list(OUTPUTS)[:5]))


def error(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@dataclass
class CloudFormation:
    """Stacks by name, each with its outputs."""

    stacks: Mapping[str, Mapping[str, str]]
    refuses: ClientError | None = None
    tagged: Collection[str] | None = None
    """The stacks that have enigap's tag; all where it is None."""
    status: str | None = None

    def describe_stacks(self, **request: Any) -> dict[str, Any]:
        if self.refuses:
            raise self.refuses
        if "StackName" not in request:
            tags = [{"Key": "application", "Value": "enigap"}]
            tagged = [
                {"StackName": name, "Tags": tags}
                for name in self.stacks
                if self.tagged is None or name in self.tagged
            ]
            return {"Stacks": [{"StackName": "CDKToolkit"}, *tagged]}
        name = request["StackName"]
        if name not in self.stacks:
            raise error("ValidationError", f"Stack with id {name} does not exist")
        outputs = [
            {"OutputKey": key, "OutputValue": value, "Description": "what it is"}
            for key, value in self.stacks[name].items()
        ]
        # A stack without outputs has no member for them.
        more: dict[str, Any] = {"StackStatus": self.status} if self.status else {}
        if name in (self.tagged or ()):
            more["Tags"] = [{"Key": "application", "Value": "enigap"}]
        return {"Stacks": [{"StackName": name} | more | ({"Outputs": outputs} if outputs else {})]}


@dataclass
class Lambda:
    """A function and the variables it was deployed with."""

    variables: Mapping[str, str] | None

    def get_function_configuration(self, **request: Any) -> dict[str, Any]:
        if request["FunctionName"] != DEPLOYED.plan_function:
            raise error("ResourceNotFoundException")
        return {} if self.variables is None else {"Environment": {"Variables": self.variables}}


@dataclass
class Sns:
    """Subscriptions by topic, page by page, each as (protocol, endpoint, what stands for its ARN)."""

    pages: Mapping[str, list[list[tuple[str, str, str]]]]
    asked: list[dict[str, Any]] = field(default_factory=list)

    def list_subscriptions_by_topic(self, **request: Any) -> dict[str, Any]:
        self.asked.append(dict(request))
        pages, number = self.pages[request["TopicArn"]], int(request.get("NextToken", 0))
        found = [
            {"Protocol": protocol, "Endpoint": endpoint, "SubscriptionArn": arn, "Owner": "123456789012"}
            for protocol, endpoint, arn in pages[number]
        ]
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return {"Subscriptions": found} | more


# --- the stack


def test_a_stack_with_a_webhook_says_which_queue_is_slacks() -> None:
    queue = "arn:aws:sqs:eu-west-1:123456789012:slack"
    outputs = {**OUTPUTS, SLACK_QUEUE_OUTPUT: queue}
    assert find(CloudFormation({"enigap": outputs}), "eu-west-1").slack_queue_arn == queue
    assert find(CloudFormation({"enigap": OUTPUTS}), "eu-west-1").slack_queue_arn is None


@pytest.mark.parametrize("name", ["enigap", "enigap-eu-west-1"], ids=["first region", "further region"])
def test_it_is_found_by_its_stack(name: str) -> None:
    found = find(CloudFormation({name: OUTPUTS}), "eu-west-1")
    assert found == DEPLOYED
    assert found.account == "123456789012"


def test_where_there_is_none_the_error_says_what_to_do() -> None:
    with pytest.raises(AwsProblem) as caught:
        find(CloudFormation({}), "eu-west-1")
    assert caught.value.kind is ProblemKind.MISSING
    assert str(caught.value) == (
        "There is no stack enigap in eu-west-1: deploy it with `cdk deploy`, or give the region it is in."
    )


def test_a_stack_of_another_name_is_named_where_it_is_not_the_one_asked_for() -> None:
    stacks = CloudFormation({"net": OUTPUTS, "enigap-b": OUTPUTS})
    with pytest.raises(
        AwsProblem, match="There is no stack enigap in eu-west-1: give one of enigap-b, net with"
    ):
        find(stacks, "eu-west-1")
    assert find(stacks, "eu-west-1", "net") == DEPLOYED


def test_a_stack_of_an_earlier_version_beside_this_one_is_to_be_deleted() -> None:
    assert two_stacks(CloudFormation({"enigap": OUTPUTS}), "eu-west-1", "enigap") is None
    said = two_stacks(CloudFormation({"enigap": OUTPUTS, "enigap-eu-west-1": {}}), "eu-west-1", "enigap")
    assert said is not None
    assert said.endswith(
        "`aws cloudformation delete-stack --stack-name enigap-eu-west-1 --region eu-west-1`."
    )


def test_nobody_is_told_to_delete_a_stack_that_is_not_enigaps() -> None:
    network = CloudFormation({"network": OUTPUTS, "network-eu-west-1": {}}, tagged=["network"])
    assert two_stacks(network, "eu-west-1", "network") is None
    both = CloudFormation(network.stacks, tagged=["network", "network-eu-west-1"])
    assert "delete-stack --stack-name network-eu-west-1" in str(two_stacks(both, "eu-west-1", "network"))


def test_a_stack_that_is_not_enigaps_is_neither_used_nor_deleted() -> None:
    stacks = CloudFormation({"network": {"VpcId": "vpc-1"}, "gap": OUTPUTS}, tagged=["gap"], status="X")
    said = "The stack network in eu-west-1 is none of enigap's, for it has no tag application=enigap"
    with pytest.raises(AwsProblem, match=said):
        find(stacks, "eu-west-1", "network")
    with pytest.raises(AwsProblem, match=said):
        stacks_of(stacks, "eu-west-1", "network")
    assert stacks_of(stacks, "eu-west-1", "gap") == {"gap": "X"}


@pytest.mark.parametrize("status", ["DELETE_IN_PROGRESS", "ROLLBACK_COMPLETE"])
def test_a_stack_without_outputs_is_told_with_its_state(status: str) -> None:
    with pytest.raises(AwsProblem, match=f"finish its deployment with `cdk deploy`, for it is {status}"):
        find(CloudFormation({"enigap": {}}, status=status), "eu-west-1")


@pytest.mark.parametrize("missing", list(OUTPUTS)[:5])
def test_a_deployment_that_was_not_finished_is_named(missing: str) -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if name != missing}
    with pytest.raises(AwsProblem, match=f"The stack enigap in eu-west-1 has no output {missing}: finish"):
        find(CloudFormation({"enigap": outputs}), "eu-west-1")


def test_a_stack_that_has_only_been_begun_has_no_outputs() -> None:
    with pytest.raises(AwsProblem, match="has no output TopicArn"):
        find(CloudFormation({"enigap": {}}), "eu-west-1")


def test_not_being_allowed_to_look_is_not_taken_for_nothing_deployed() -> None:
    with pytest.raises(AwsProblem, match="AWS denied cloudformation:DescribeStacks") as caught:
        find(CloudFormation({"enigap": OUTPUTS}, error("AccessDenied")), "eu-west-1")
    assert caught.value.kind is ProblemKind.DENIED


# --- its settings


@pytest.mark.parametrize("variables", [{"ENIGAP_SETTINGS": "{}"}, {}, None])
def test_the_settings_are_in_the_planners_environment(variables: Mapping[str, str] | None) -> None:
    assert environment(Lambda(variables), DEPLOYED) == (variables or {})


def test_a_planner_that_is_gone_is_a_problem() -> None:
    gone = Deployment(*("gone" for _ in range(5)))
    with pytest.raises(AwsProblem, match="lambda:GetFunctionConfiguration"):
        environment(Lambda({}), gone)


# --- who is told


def test_everybody_is_listed_once_whichever_topic_and_page() -> None:
    ann, bob, queue = (
        ("email", "ann@example.com", "arn:ann"),
        ("email", "bob@example.com", "arn:bob"),
        ("sqs", "arn:aws:sqs:eu-west-1:123456789012:slack", "arn:slack"),
    )
    sns = Sns({DEPLOYED.topic_arn: [[queue], [bob]], DEPLOYED.pipeline_topic_arn: [[ann, bob], [], [queue]]})
    assert subscriptions(sns, DEPLOYED) == tuple(
        Subscription(protocol, endpoint, is_confirmed=True) for protocol, endpoint, _ in (ann, bob, queue)
    )
    assert [request.get("NextToken") for request in sns.asked] == [None, "1", None, "1", "2"]


def test_nobody_is_nobody() -> None:
    assert subscriptions(Sns({DEPLOYED.topic_arn: [[]], DEPLOYED.pipeline_topic_arn: [[]]}), DEPLOYED) == ()


@pytest.mark.parametrize(
    ("protocol", "to_do"),
    [
        ("email", "the link in AWS's email is still to be followed"),
        ("email-json", "the link in AWS's email is still to be followed"),
        ("https", "the endpoint has not answered AWS's request to confirm it"),
    ],
)
def test_who_has_not_confirmed_is_not_told_yet(protocol: str, to_do: str) -> None:
    pending = [[(protocol, "somewhere", "PendingConfirmation")]]
    [found] = subscriptions(Sns({DEPLOYED.topic_arn: pending, DEPLOYED.pipeline_topic_arn: [[]]}), DEPLOYED)
    assert not found.is_confirmed
    assert found.to_confirm == to_do


def test_who_has_unsubscribed_is_told_nothing_though_aws_still_lists_them() -> None:
    gone = [[("email", "ann@example.com", "Deleted")]]
    assert subscriptions(Sns({DEPLOYED.topic_arn: gone, DEPLOYED.pipeline_topic_arn: gone}), DEPLOYED) == ()


def test_confirmed_for_findings_but_not_for_the_pipeline_shows_as_both() -> None:
    sns = Sns(
        {
            DEPLOYED.topic_arn: [[("email", "ann@example.com", "arn:ann")]],
            DEPLOYED.pipeline_topic_arn: [[("email", "ann@example.com", "PendingConfirmation")]],
        }
    )
    assert [each.is_confirmed for each in subscriptions(sns, DEPLOYED)] == [False, True]
