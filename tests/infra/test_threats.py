"""Who may do what to the deployed pipeline: everything not listed here is allowed to nobody."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from enigap.lambdas import environment as variables
from tests.infra.conftest import OTHERWISE, WEBHOOK, Stack, alarm_arns
from tests.infra.test_permissions import as_list

AMAZON_Q = {"slack": {"workspace_id": "T0123ABCD", "channel_id": "C0123ABCD"}}
EVERY_STACK = pytest.mark.parametrize("settings", [{}, WEBHOOK, OTHERWISE, AMAZON_Q], ids=str)

OWN_ACCOUNT = {"Ref": "AWS::AccountId"}


def roles(stack: Stack) -> dict[str, str]:
    """What each role is for, by its logical id: the module of its function, or its service."""
    names = {
        function["Role"]["Fn::GetAtt"][0]: function["Handler"].split(".")[-2]
        for function in stack.of_type("Lambda::Function").values()
    }
    schedule = stack.one("Scheduler::Schedule")["Target"]["RoleArn"]["Fn::GetAtt"][0]
    return {**names, schedule: "schedule"}


def may(stack: Stack, service: str) -> set[tuple[str, str, str]]:
    """Who may do what to what of a service, by the policies of all roles there are."""
    names = roles(stack)
    found = set()
    for policy in stack.of_type("IAM::Policy").values():
        assert not policy.keys() & {"Groups", "Users"}
        for role in policy["Roles"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Effect"] == "Allow"
                assert not statement.keys() & {"NotAction", "NotResource"}
                found |= {
                    (names.get(role["Ref"], role["Ref"]), action.partition(":")[2], logical_id(resource))
                    for action in as_list(statement["Action"])
                    if action.startswith(f"{service}:")
                    for resource in as_list(statement["Resource"])
                }
    return found


def logical_id(resource: Any) -> str:
    if isinstance(resource, dict):
        return str(resource.get("Ref") or resource.get("Fn::GetAtt", [json.dumps(resource)])[0])
    return str(resource)


def resource_policies(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy that hangs on a resource, with the kind of that resource."""
    for kind in ("SQS::QueuePolicy", "SNS::TopicPolicy"):
        for policy in stack.of_type(kind).values():
            yield from ((kind, statement) for statement in policy["PolicyDocument"]["Statement"])
    for key in stack.of_type("KMS::Key").values():
        yield from (("KMS::Key", statement) for statement in key["KeyPolicy"]["Statement"])
    for role in stack.of_type("IAM::Role").values():
        yield from (("IAM::Role", statement) for statement in role["AssumeRolePolicyDocument"]["Statement"])


def topics(stack: Stack) -> tuple[str, str]:
    outputs = stack.template["Outputs"]
    return outputs["TopicArn"]["Value"]["Ref"], outputs["PipelineTopicArn"]["Value"]["Ref"]


def queue_of(stack: Stack, part: str) -> str:
    [found] = [name for name in stack.of_type("SQS::Queue") if name.startswith(part)]
    return found


def function_of(stack: Stack, module: str) -> str:
    [found] = [
        name
        for name, function in stack.of_type("Lambda::Function").items()
        if function["Handler"] == f"enigap.lambdas.{module}.handler"
    ]
    return found


def test_only_the_functions_and_alarms_of_this_stack_publish_to_the_topics(stack: Stack) -> None:
    findings, pipeline = topics(stack)
    assert may(stack, "sns") == {
        ("reconcile", "Publish", findings),
        ("plan", "Publish", findings),
        ("plan", "Publish", pipeline),
    }
    allowed = [
        (statement["Principal"], statement["Action"], statement["Resource"]["Ref"], statement["Condition"])
        for kind, statement in resource_policies(stack)
        if kind == "SNS::TopicPolicy" and statement["Effect"] == "Allow"
    ]
    alarms, of_this_stack = {"Service": "cloudwatch.amazonaws.com"}, {"aws:SourceArn": alarm_arns(stack)}
    assert allowed == [
        (alarms, "sns:Publish", topic, {"ArnEquals": of_this_stack}) for topic in (findings, pipeline)
    ]


def test_only_the_functions_touch_the_table(stack: Stack) -> None:
    [table] = stack.of_type("DynamoDB::Table")
    assert may(stack, "dynamodb") == {
        ("plan", "Scan", table),
        ("plan", "GetItem", table),
        ("plan", "PutItem", table),
        ("reconcile", "GetItem", table),
        ("reconcile", "PutItem", table),
        ("slack", "GetItem", table),
        ("slack", "PutItem", table),
    }
    assert "ResourcePolicy" not in stack.one("DynamoDB::Table")


def test_slacks_function_touches_only_its_own_items_of_the_table(stack: Stack) -> None:
    [statement] = [
        statement
        for policy in stack.of_type("IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if "dynamodb:LeadingKeys" in str(statement)
    ]
    assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "posted#*"}}


def test_only_the_schedule_and_the_self_test_invoke_functions(stack: Stack) -> None:
    plan, reconcile, slack = (function_of(stack, each) for each in ("plan", "reconcile", "slack"))
    assert may(stack, "lambda") == {
        ("schedule", "InvokeFunction", plan),
        *(("self_test", "InvokeFunction", each) for each in (plan, reconcile, slack)),
    }
    # Nobody is let in from the functions' side: neither another account nor a service, nor a web address.
    for kind in ("Lambda::Permission", "Lambda::Url", "Lambda::LayerVersionPermission"):
        assert not stack.of_type(kind)


def test_only_the_planner_fills_the_work_queue_and_only_the_topics_fill_slacks(stack: Stack) -> None:
    work, aside = queue_of(stack, "ReconciliationWorkQueue"), queue_of(stack, "PlanningDeadLetters")
    sends = {(who, what) for who, action, what in may(stack, "sqs") if action.startswith("SendMessage")}
    assert sends == {("plan", work), ("plan", aside), ("schedule", aside)}
    let_in = {
        (statement["Resource"]["Fn::GetAtt"][0], statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Ref"])
        for kind, statement in resource_policies(stack)
        if kind == "SQS::QueuePolicy" and statement["Effect"] == "Allow"
    }
    slacks = [queue_of(stack, f"NotificationsSlackMessages{each}") for each in ("Queue", "DeadLetters")]
    assert let_in == {(queue, topic) for queue in slacks for topic in topics(stack)}


def test_only_the_function_behind_a_queue_reads_it(stack: Stack) -> None:
    readers = {(who, what) for who, action, what in may(stack, "sqs") if action == "ReceiveMessage"}
    assert readers == {
        ("reconcile", queue_of(stack, "ReconciliationWorkQueue")),
        ("slack", queue_of(stack, "NotificationsSlackMessagesQueue")),
    }


@EVERY_STACK
def test_no_service_can_be_talked_into_acting_for_another_account(
    deploy: Callable[..., Stack], settings: dict[str, Any]
) -> None:
    """The confused deputy: who is let in as a service says whose resource it acts for.

    Lambda itself says nothing of the kind when it takes on a function's role, and takes only one that whoever
    made the function may pass.
    """
    deputies = set()
    for kind, statement in resource_policies(deploy(**settings)):
        service = statement["Principal"].get("Service") if isinstance(statement["Principal"], dict) else None
        if statement["Effect"] == "Allow" and service not in {None, "lambda.amazonaws.com"}:
            if service == "chatbot.amazonaws.com":
                # The CDK makes that role and sets no condition; the next test says that it may do nothing.
                assert kind == "IAM::Role"
                continue
            deputies.add(service)
            [keys] = statement["Condition"].values()
            assert keys.get("aws:SourceAccount") == OWN_ACCOUNT or "aws:SourceArn" in keys, statement
    assert {"cloudwatch.amazonaws.com", "scheduler.amazonaws.com"} <= deputies


def test_amazon_qs_role_may_do_nothing(deploy: Callable[..., Stack]) -> None:
    stack = deploy(**AMAZON_Q)
    [(name, role)] = [
        (name, role)
        for name, role in stack.of_type("IAM::Role").items()
        if "chatbot.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])
    ]
    assert not role.keys() & {"ManagedPolicyArns", "Policies"}
    for policy in stack.of_type("IAM::Policy").values():
        assert {"Ref": name} not in policy["Roles"]


@EVERY_STACK
def test_everybody_is_only_ever_refused(deploy: Callable[..., Stack], settings: dict[str, Any]) -> None:
    everybody = ("*", {"AWS": "*"})
    statements = [s for _, s in resource_policies(deploy(**settings)) if s["Principal"] in everybody]
    assert statements
    for statement in statements:
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@EVERY_STACK
def test_no_policy_names_another_account(deploy: Callable[..., Stack], settings: dict[str, Any]) -> None:
    for _, statement in resource_policies(deploy(**settings)):
        assert not re.search(r"\d{12}", json.dumps(statement))


@EVERY_STACK
def test_functions_are_told_the_secrets_name_and_never_what_it_holds(
    deploy: Callable[..., Stack], settings: dict[str, Any]
) -> None:
    stack = deploy(**settings)
    # A dynamic reference would put the secret's value into the function's settings, for all to read.
    assert "{{resolve:" not in stack.text
    assert not stack.of_type("SecretsManager::Secret")
    told = {
        name: function["Environment"]["Variables"][variables.SLACK_SECRET]
        for name, function in stack.of_type("Lambda::Function").items()
        if variables.SLACK_SECRET in function["Environment"]["Variables"]
    }
    secret = (settings.get("slack") or {}).get("webhook_secret")
    assert told == ({function_of(stack, "slack"): secret} if secret else {})
