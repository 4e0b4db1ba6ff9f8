"""Each function may do what its adapters declare, to this stack's own resources, and nothing else."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from enigap.aws.iam import Statement
from enigap.settings import Settings
from infra import permissions
from tests.infra.conftest import OTHERWISE, WEBHOOK, Stack
from tests.infra.test_deployment_settings import KEY, ORGANISED

SETTINGS = Settings()
FUNCTIONS = ("plan", "reconcile", "slack", "self_test")

WRITES_ITS_LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
IS_FED_BY_ITS_QUEUE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
PUTS_ASIDE_WHAT_FAILED = {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(statements: Iterable[dict[str, Any]]) -> set[str]:
    return {action for statement in statements for action in as_list(statement["Action"])}


def declared(statements: Iterable[Statement]) -> set[str]:
    return {action for statement in statements for action in statement.actions}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("plan", declared(permissions.of_plan(SETTINGS)) | PUTS_ASIDE_WHAT_FAILED),
        ("reconcile", declared(permissions.of_reconcile(SETTINGS)) | IS_FED_BY_ITS_QUEUE),
        ("slack", declared(permissions.of_slack()) | IS_FED_BY_ITS_QUEUE),
        ("self_test", declared(permissions.of_self_test())),
    ],
)
def test_a_role_allows_what_is_declared_and_what_running_takes(
    stack: Stack, module: str, expected: set[str]
) -> None:
    assert actions(stack.permissions(module)) == expected | WRITES_ITS_LOG


LAMBDA_PLACES_IT_IN_THE_VPC = {
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
}


@pytest.mark.parametrize("module", FUNCTIONS)
def test_in_a_vpc_and_with_a_key_a_role_allows_just_what_these_take(
    deploy: Callable[..., Stack], stack: Stack, module: str
) -> None:
    organised = deploy(**ORGANISED)
    more = actions(organised.permissions(module)) - actions(stack.permissions(module))
    assert {action for action in more if not action.startswith("kms:")} == LAMBDA_PLACES_IT_IN_THE_VPC
    for statement in organised.permissions(module):
        if "kms" in str(statement["Action"]):
            own, *others = as_list(statement["Resource"])
            assert own == KEY
            assert len(others) <= (module == "plan")  # the pipeline's topic has a key of its own


@pytest.mark.parametrize("module", FUNCTIONS)
def test_no_role_has_a_wildcard_for_an_action(stack: Stack, module: str) -> None:
    assert not {action for action in actions(stack.permissions(module)) if "*" in action}


@pytest.mark.parametrize("module", FUNCTIONS)
def test_only_what_knows_no_resources_is_allowed_on_all_of_them(stack: Stack, module: str) -> None:
    everywhere = actions(s for s in stack.permissions(module) if "*" in as_list(s["Resource"]))
    assert everywhere <= {
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
        "cloudwatch:PutMetricData",  # but see the next test
        "ec2:DescribeInstances",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeTags",
        "ec2:DescribeTrafficMirrorSessions",
        "logs:GetQueryResults",
        "logs:StopQuery",
    }


@pytest.mark.parametrize("module", ["plan", "reconcile"])
def test_metrics_are_published_into_the_configured_namespace_only(
    deploy: Callable[..., Stack], module: str
) -> None:
    statements = deploy(**OTHERWISE).permissions(module)
    [publishing] = [s for s in statements if "cloudwatch:PutMetricData" in as_list(s["Action"])]
    assert publishing["Action"] == "cloudwatch:PutMetricData"
    [(operator, keys)] = publishing["Condition"].items()
    assert operator in {"StringEquals", "StringEqualsIfExists"}
    assert keys == {"cloudwatch:namespace": "Net/Gap"}


def test_logs_are_read_in_the_performance_groups_of_container_insights_only(stack: Stack) -> None:
    [reading] = [s for s in stack.permissions("reconcile") if "logs:FilterLogEvents" in as_list(s["Action"])]
    for resource in as_list(reading["Resource"]):
        group = resource["Fn::Join"][1][-1].removesuffix(":*")
        assert group == ":log-group:/aws/containerinsights/*/performance"


def test_findings_are_published_to_their_topic_and_not_to_the_pipelines(stack: Stack) -> None:
    [publishing] = [s for s in stack.permissions("reconcile") if s["Action"] == "sns:Publish"]
    assert publishing["Resource"] == stack.template["Outputs"]["TopicArn"]["Value"]


@pytest.mark.parametrize("module", ["plan", "reconcile"])
def test_the_only_table_is_the_stacks_own(stack: Stack, module: str) -> None:
    [table] = stack.of_type("DynamoDB::Table")
    touching = [s for s in stack.permissions(module) if "dynamodb" in str(s["Action"])]
    assert touching
    assert all(s["Resource"] == {"Fn::GetAtt": [table, "Arn"]} for s in touching)


@pytest.mark.parametrize(
    ("settings", "readable"),
    [(WEBHOOK, ":secret:enigap/slack-??????"), (OTHERWISE, ":secret:hook-AbCdEf")],
    ids=["by name", "by ARN"],
)
def test_one_secret_can_be_read_and_no_other(
    deploy: Callable[..., Stack], settings: dict[str, Any], readable: str
) -> None:
    statements = deploy(**settings).permissions("slack")
    [reading] = [s for s in statements if "secretsmanager" in str(s["Action"])]
    assert reading["Action"] == "secretsmanager:GetSecretValue"
    assert json.dumps(reading["Resource"]).rstrip(']}"').endswith(readable)


def test_statements_about_own_resources_are_bound_and_others_keep_theirs() -> None:
    mixed = Statement(("sqs:SendMessage", "ec2:DescribeInstances"), ("*",))
    bound = [
        statement.to_statement_json()
        for statement in permissions.policy_statements([mixed], {"sqs": ["arn:of:queue"]})
    ]
    assert {statement["Action"]: statement["Resource"] for statement in bound} == {
        "ec2:DescribeInstances": "*",
        "sqs:SendMessage": "arn:of:queue",
    }


def test_the_self_test_may_ask_about_its_own_stack_and_no_other(stack: Stack) -> None:
    [asking] = [s for s in stack.permissions("self_test") if "cloudformation" in str(s["Action"])]
    assert (asking["Action"], asking["Resource"]) == (
        "cloudformation:DescribeStacks",
        {"Ref": "AWS::StackId"},
    )


def test_the_self_test_may_call_the_functions_it_tests(stack: Stack) -> None:
    [calling] = [s for s in stack.permissions("self_test") if s["Action"] == "lambda:InvokeFunction"]
    handlers = {name: f["Handler"] for name, f in stack.of_type("Lambda::Function").items()}
    called = sorted(handlers[resource["Fn::GetAtt"][0]] for resource in calling["Resource"])
    assert called == [f"enigap.lambdas.{module}.handler" for module in ("plan", "reconcile", "slack")]
