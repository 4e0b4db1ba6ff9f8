"""What is deployed is kept safe: encrypted, spoken to over TLS only, and nothing that fails is lost."""

import re
from collections.abc import Callable

import pytest

from tests.infra.conftest import Stack, alarm_arns

QUEUES = {"plan": 0, "reconcile": 1, "slack": 1}


def queues_that_feed(stack: Stack) -> dict[str, tuple[str, dict[str, object]]]:
    """Each event source's queue and itself, by the handler it feeds."""
    handlers = {
        name: function["Handler"].split(".")[-2]
        for name, function in stack.of_type("Lambda::Function").items()
    }
    return {
        handlers[source["FunctionName"]["Ref"]]: (source["EventSourceArn"]["Fn::GetAtt"][0], source)
        for source in stack.of_type("Lambda::EventSourceMapping").values()
    }


def test_every_queue_is_encrypted_and_refuses_plain_text(stack: Stack) -> None:
    assert len(stack.of_type("SQS::Queue")) == 5
    for name, queue in stack.of_type("SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"] is True
        [refusal] = [
            statement
            for statement in stack.policy_of("SQS::QueuePolicy", "Queues", {"Ref": name})
            if statement["Effect"] == "Deny"
        ]
        assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert (refusal["Principal"], refusal["Action"]) == ({"AWS": "*"}, "sqs:*")


def test_each_topic_is_encrypted_with_a_key_of_its_own_that_rotates(stack: Stack) -> None:
    """The alarm about a disabled key has to arrive."""
    keys = stack.of_type("KMS::Key")
    assert all(key["EnableKeyRotation"] is True for key in keys.values())
    used = [topic["KmsMasterKeyId"]["Fn::GetAtt"][0] for topic in stack.of_type("SNS::Topic").values()]
    assert sorted(used) == sorted(keys)
    assert len(set(used)) == 2


def test_the_alarms_of_this_stack_and_no_other_can_publish_to_both_topics(stack: Stack) -> None:
    own_account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    own_alarms = alarm_arns(stack)
    cloudwatch = {"Service": "cloudwatch.amazonaws.com"}
    for topic in stack.of_type("SNS::Topic"):
        statements = stack.policy_of("SNS::TopicPolicy", "Topics", {"Ref": topic})
        [allowed] = [statement for statement in statements if statement["Effect"] == "Allow"]
        assert (allowed["Action"], allowed["Principal"]) == ("sns:Publish", cloudwatch)
        assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": own_alarms}}
        [refusal] = [statement for statement in statements if statement["Effect"] == "Deny"]
        assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for key in stack.of_type("KMS::Key").values():
        [for_alarms] = [each for each in key["KeyPolicy"]["Statement"] if each["Principal"] == cloudwatch]
        assert for_alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
        assert for_alarms["Condition"] == own_account


def test_a_clusters_windows_are_judged_in_order_and_five_clusters_at_a_time(stack: Stack) -> None:
    name, source = queues_that_feed(stack)["reconcile"]
    queue = stack.of_type("SQS::Queue")[name]
    assert queue["FifoQueue"] is True
    assert source["ScalingConfig"] == {"MaximumConcurrency": 5}
    assert source["BatchSize"] == 1
    assert "ReservedConcurrentExecutions" not in stack.text


@pytest.mark.parametrize("module", ["reconcile", "slack"])
def test_a_message_that_fails_is_tried_again_and_then_kept_for_two_weeks(stack: Stack, module: str) -> None:
    name, source = queues_that_feed(stack)[module]
    queue = stack.of_type("SQS::Queue")[name]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert queue["VisibilityTimeout"] >= stack.function(module)["Timeout"] + 60
    redrive = queue["RedrivePolicy"]
    assert redrive["maxReceiveCount"] >= 3
    kept_in = stack.of_type("SQS::Queue")[redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]]
    assert kept_in["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert kept_in.get("FifoQueue") == queue.get("FifoQueue")
    # What waits longest for its last attempt must not expire before it.
    assert queue["MessageRetentionPeriod"] > redrive["maxReceiveCount"] * queue["VisibilityTimeout"]


def test_a_plan_that_cannot_be_started_or_fails_is_put_aside(stack: Stack) -> None:
    target = stack.one("Scheduler::Schedule")["Target"]
    on_failure = stack.one("Lambda::EventInvokeConfig")["DestinationConfig"]["OnFailure"]["Destination"]
    assert target["DeadLetterConfig"]["Arn"] == on_failure
    assert on_failure["Fn::GetAtt"][0] in stack.of_type("SQS::Queue")


def test_a_plan_is_not_repeated_when_the_next_one_is_due(stack: Stack) -> None:
    schedule = stack.one("Scheduler::Schedule")["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"]
    function = stack.one("Lambda::EventInvokeConfig")["MaximumEventAgeInSeconds"]
    assert max(schedule, function) < 15 * 60


def test_the_schedule_may_call_the_planner_and_nothing_else_may_use_its_role(stack: Stack) -> None:
    role_id = stack.one("Scheduler::Schedule")["Target"]["RoleArn"]["Fn::GetAtt"][0]
    [trust] = stack.of_type("IAM::Role")[role_id]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"]["StringEquals"].keys() == {"aws:SourceAccount", "aws:SourceArn"}
    # The schedule waits for the role's policy, or its first call would be refused.
    [schedule] = [
        resource
        for resource in stack.template["Resources"].values()
        if resource["Type"] == "AWS::Scheduler::Schedule"
    ]
    [policy] = [
        name for name, each in stack.of_type("IAM::Policy").items() if {"Ref": role_id} in each["Roles"]
    ]
    assert policy in schedule["DependsOn"]


def test_the_state_can_be_taken_back_and_expires_by_itself(stack: Stack) -> None:
    table = stack.one("DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"]["Enabled"] is True


def test_every_function_runs_on_arm_and_logs_to_a_group_of_its_own_that_forgets(stack: Stack) -> None:
    functions = stack.of_type("Lambda::Function").values()
    assert len(functions) == 4
    groups = {function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions}
    assert len(groups) == 4
    for function in functions:
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    for group in groups:
        assert stack.of_type("Logs::LogGroup")[group]["RetentionInDays"] == 90


def test_all_functions_are_one_asset(stack: Stack) -> None:
    assert len({str(function["Code"]) for function in stack.of_type("Lambda::Function").values()}) == 1


def test_a_destroyed_stack_leaves_nothing_behind(stack: Stack) -> None:
    policies = {resource.get("DeletionPolicy", "Delete") for resource in stack.template["Resources"].values()}
    assert policies == {"Delete"}


def test_everything_that_can_be_is_tagged(stack: Stack) -> None:
    for kind in ("Lambda::Function", "SQS::Queue", "SNS::Topic", "DynamoDB::Table", "IAM::Role"):
        for resource in stack.of_type(kind).values():
            assert {"Key": "application", "Value": "enigap"} in resource["Tags"]


def test_the_outputs_are_those_that_are_documented(stack: Stack) -> None:
    assert stack.template["Outputs"].keys() == {
        "TopicArn",
        "PipelineTopicArn",
        "Warnings",
        "StateTableName",
        "PlanFunctionName",
        "WorkQueueUrl",
        "DashboardUrl",
        "Cost",
        "SlackQueueArn",
    }


def test_what_a_node_costs_is_said_where_it_arises(stack: Stack) -> None:
    said = stack.template["Outputs"]["Cost"]["Value"]
    assert said.startswith("About $0.72 a node and month at list prices, with publish = all. ")
    assert "Where OpenTelemetry's counters are read, about $0.80. " in said
    assert said.endswith(": enigap estimate --nodes N --publish all --schedule-minutes 15")


def test_what_a_node_costs_is_of_the_source_and_the_evidence_that_are_set(
    deploy: Callable[..., Stack],
) -> None:
    said = deploy(os_source="otel", evidence="suspects").template["Outputs"]["Cost"]["Value"]
    assert said.startswith("About $0.74 a node")
    assert "OpenTelemetry" not in said
    assert said.endswith(" --schedule-minutes 15 --evidence suspects --os-source otel")


def test_only_a_webhook_has_a_queue_for_slack(deploy: Callable[..., Stack]) -> None:
    assert "SlackQueueArn" not in deploy(slack=None).template["Outputs"]


LISTED = ("Lambda::Function", "IAM::Role")


@pytest.mark.parametrize("kind", LISTED)
def test_the_consoles_lists_say_what_each_is_for(stack: Stack, kind: str) -> None:
    descriptions = [each["Description"] for each in stack.of_type(kind).values()]
    assert len(set(descriptions)) == len(descriptions) >= 4
    for description in descriptions:
        # Lambda takes 256 characters, IAM these only.
        assert re.fullmatch(r"[A-Z][\x20-\x7e]{19,254}[a-z]", description)


def test_every_output_says_what_it_is(stack: Stack) -> None:
    descriptions = [each["Description"] for each in stack.template["Outputs"].values()]
    assert len(set(descriptions)) == len(descriptions)
    for description in descriptions:
        assert re.fullmatch(r"[A-Z][\x20-\x7e]{19,99}[a-z]", description)


def test_the_template_holds_no_secret_account_or_address(deploy: Callable[..., Stack]) -> None:
    text = deploy().text
    assert not re.search(r"\b\d{12}\b", text)
    assert not re.search(r"hooks\.slack\.com|xox[a-z]-|AKIA|[\w.]+@[\w-]+\.\w+", text)
