"""What each setting changes in the deployment; the rest reach the functions and nothing else."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from enigap.lambdas import environment
from enigap.settings import Settings, SettingsError
from infra.app import build
from infra.planning import schedule_expression
from tests.fakes.strict_cloudwatch import StrictCloudWatch, client_of, metric
from tests.infra.conftest import CONTEXT, OTHERWISE, WEBHOOK, Stack, functions, synthesise

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
CHANNEL = {"workspace_id": "T0123ABCD", "channel_id": "C0123ABCD"}


def variables(stack: Stack, module: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.function(module)["Environment"]["Variables"]
    return found


def test_every_function_gets_the_settings_it_was_deployed_with(deploy: Callable[..., Stack]) -> None:
    for module in ("plan", "reconcile", "slack", "self_test"):
        given = Settings.from_env(variables(deploy(**OTHERWISE), module))
        assert given == Settings.from_mapping(OTHERWISE)


def test_only_the_planner_where_commands_read_it_has_anybodys_address(stack: Stack) -> None:
    having = {
        function["Handler"]
        for function in stack.of_type("Lambda::Function").values()
        if "@example.com" in str(function)
    }
    assert having == {"enigap.lambdas.plan.handler"}
    [test] = [each for each in stack.template["Resources"].values() if each["Type"] == "Custom::SelfTest"]
    assert "@example.com" not in str(test)


def test_each_function_is_told_where_its_own_things_are(stack: Stack) -> None:
    assert environment.WORK_QUEUE_URL in variables(stack, "plan")
    assert environment.STATE_TABLE in variables(stack, "plan").keys() & variables(stack, "reconcile").keys()
    assert (
        variables(stack, "reconcile")[environment.TOPIC_ARN]
        == (stack.template["Outputs"]["TopicArn"]["Value"])
    )
    assert variables(stack, "slack")[environment.SLACK_SECRET] == "enigap/slack"


def test_metrics_of_powertools_go_where_all_others_go(deploy: Callable[..., Stack]) -> None:
    assert variables(deploy(**OTHERWISE), "plan")[environment.POWERTOOLS_NAMESPACE] == "Net/Gap"


def test_an_address_hears_of_findings_and_of_the_pipeline(deploy: Callable[..., Stack]) -> None:
    stack = deploy(email=["a@example.com", "b@example.com"])
    subscriptions = stack.of_type("SNS::Subscription").values()
    assert {each["Protocol"] for each in subscriptions} == {"email"}
    told = {(each["Endpoint"], str(each["TopicArn"])) for each in subscriptions}
    topics = [str({"Ref": topic}) for topic in stack.of_type("SNS::Topic")]
    assert told == {(who, topic) for who in ("a@example.com", "b@example.com") for topic in topics}


def test_a_webhook_gets_both_topics_through_its_queue_and_loses_nothing(deploy: Callable[..., Stack]) -> None:
    stack = deploy(**OTHERWISE)
    subscriptions = list(stack.of_type("SNS::Subscription").values())
    assert len(subscriptions) == 2
    for each in subscriptions:
        assert (each["Protocol"], each["RawMessageDelivery"]) == ("sqs", True)
        assert "deadLetterTargetArn" in each["RedrivePolicy"]


def test_an_amazon_q_channel_gets_both_topics_and_can_do_no_more_than_read(
    deploy: Callable[..., Stack],
) -> None:
    stack = deploy(slack=CHANNEL)
    channel = stack.one("Chatbot::SlackChannelConfiguration")
    assert (channel["SlackWorkspaceId"], channel["SlackChannelId"]) == ("T0123ABCD", "C0123ABCD")
    assert channel["SnsTopicArns"] == [{"Ref": topic} for topic in stack.of_type("SNS::Topic")]
    assert "policy/CloudWatchReadOnlyAccess" in str(channel["GuardrailPolicies"])
    role = channel["IamRoleArn"]["Fn::GetAtt"][0]
    assert "ManagedPolicyArns" not in stack.of_type("IAM::Role")[role]
    assert not [p for p in stack.of_type("IAM::Policy").values() if {"Ref": role} in p["Roles"]]
    assert "enigap.lambdas.slack" not in stack.text


def test_without_a_channel_there_is_nothing_of_slack_at_all(deploy: Callable[..., Stack]) -> None:
    assert "slack" not in deploy(email=["a@example.com", "b@example.com"]).text.lower()


@pytest.mark.parametrize("settings", [OTHERWISE, {"slack": CHANNEL}], ids=["webhook", "amazon-q"])
def test_slack_as_the_only_channel_is_warned_of(
    deploy: Callable[..., Stack], settings: dict[str, Any]
) -> None:
    [warning] = deploy(**settings).warnings
    assert "Slack is the only channel" in warning


def test_an_address_beside_slack_is_enough(deploy: Callable[..., Stack]) -> None:
    assert not deploy(**WEBHOOK).warnings


def test_telling_nobody_is_warned_of(deploy: Callable[..., Stack]) -> None:
    [warning] = deploy().warnings
    assert "Nobody is told anything" in warning


@pytest.mark.parametrize(
    ("settings", "expression"),
    [
        ({}, "cron(12,27,42,57 * * * ? *)"),
        ({"settle_minutes": 13}, "cron(0,15,30,45 * * * ? *)"),
        ({"settle_minutes": 40}, "cron(12,27,42,57 * * * ? *)"),
        ({"schedule_minutes": 30}, "cron(12,42 * * * ? *)"),
        ({"schedule_minutes": 60, "settle_minutes": 20}, "cron(22 * * * ? *)"),
    ],
)
def test_plans_are_made_two_minutes_after_a_window_has_settled(
    settings: dict[str, int], expression: str
) -> None:
    assert schedule_expression(Settings.from_mapping(settings)) == expression


def test_the_schedule_is_the_one_that_was_set(deploy: Callable[..., Stack]) -> None:
    schedule = deploy(**OTHERWISE).one("Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "cron(12,42 * * * ? *)"


def test_several_regions_are_several_stacks_of_the_same() -> None:
    first, second = synthesise({**WEBHOOK, "regions": ["eu-west-1", "us-east-1"]})
    assert (first.name, second.name) == ("enigap", "enigap")
    assert second.alarm("NodesSilent")["MetricName"] == "NodesSilent"
    assert kinds(first) == kinds(second)


def test_a_stack_of_another_name_has_that_name_everywhere() -> None:
    [named] = synthesise({**WEBHOOK, "stack_name": "net-gap", "metric_namespace": "Net/Gap"})
    assert named.name == "net-gap"
    assert named.alarm("NodesSilent")["Namespace"] == "Net/Gap"
    alarms = {alarm["AlarmName"] for alarm in named.of_type("CloudWatch::Alarm").values()}
    assert all(name.startswith("net-gap-") for name in alarms)
    assert "stack_name" not in str(named.function("plan")["Environment"]), "only the deployment needs it"


def test_of_two_stacks_in_one_region_the_one_whose_planner_stops_is_heard(
    deploy: Callable[..., Stack], stack: Stack
) -> None:
    """By the namespace and the alarms of each template: the emulators know nothing of missing data."""
    namespaces = {"enigap": "EniGap", "net-gap": "Net/Gap"}
    other = deploy(**WEBHOOK, stack_name="net-gap", metric_namespace=namespaces["net-gap"])
    cloudwatch = StrictCloudWatch(NOON)
    client = client_of(cloudwatch)
    for each in (stack, other):
        variables = each.function("plan")["Environment"]["Variables"]
        assert Settings.from_env(variables).metric_namespace == namespaces[each.name]
        [target] = each.alarm("PlansMade")["AlarmActions"]
        assert target == each.template["Outputs"]["PipelineTopicArn"]["Value"]
        properties = {k: v for k, v in each.alarm("PlansMade").items() if k not in {"Tags", "OKActions"}}
        told = [f"arn:aws:sns:eu-west-1:123456789012:{each.name}"]
        client.put_metric_alarm(**{**properties, "AlarmActions": told})
    changes = []
    for minute in range(0, 180, 5):
        at = NOON + timedelta(minutes=minute)
        for name, namespace in namespaces.items():
            if minute % 15 == 0 and (name == "enigap" or minute < 60):
                cloudwatch.put(metric(namespace, "PlansMade"), at, 1.0)
        cloudwatch.now = at + timedelta(minutes=5)
        changes += cloudwatch.evaluate_alarms()
    assert [change.alarm_name for change in changes if change.new_state == "ALARM"] == ["net-gap-PlansMade"]


@pytest.mark.parametrize(
    "boundary", ["team/boundary", "arn:aws:iam::111122223333:policy/boundary"], ids=["a name", "an ARN"]
)
def test_every_role_has_the_permissions_boundary(deploy: Callable[..., Stack], boundary: str) -> None:
    roles = deploy(permissions_boundary=boundary).of_type("IAM::Role").values()
    assert len(roles) >= 4
    for role in roles:
        assert str(role["PermissionsBoundary"]).rstrip("}]'").endswith(boundary)


def test_tags_and_the_retention_of_logs_are_those_that_were_set(deploy: Callable[..., Stack]) -> None:
    stack = deploy(tags={"cost-center": "1234", "application": "x"}, log_retention_days=30)
    for kind in (
        "Lambda::Function",
        "SQS::Queue",
        "SNS::Topic",
        "DynamoDB::Table",
        "IAM::Role",
        "Logs::LogGroup",
    ):
        for resource in stack.of_type(kind).values():
            assert {"Key": "cost-center", "Value": "1234"} in resource["Tags"]
            assert {"Key": "application", "Value": "enigap"} in resource["Tags"]
    assert {group["RetentionInDays"] for group in stack.of_type("Logs::LogGroup").values()} == {30}


def test_the_functions_run_on_the_processor_that_was_set(deploy: Callable[..., Stack]) -> None:
    deployed = deploy(architecture="x86_64").of_type("Lambda::Function").values()
    assert [each["Architectures"] for each in deployed] == [["x86_64"]] * len(deployed)
    assert all("architecture" not in str(each.get("Environment")) for each in deployed)


KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ORGANISED = {
    **WEBHOOK,
    "regions": ["eu-west-1"],
    "kms_key_arn": KEY,
    "vpc": {"eu-west-1": {"subnets": ["subnet-01234567"], "security_groups": ["sg-01234567"]}},
}


def test_every_function_runs_in_the_vpc(deploy: Callable[..., Stack]) -> None:
    deployed = deploy(**ORGANISED).of_type("Lambda::Function").values()
    there = {"SecurityGroupIds": ["sg-01234567"], "SubnetIds": ["subnet-01234567"]}
    assert [function["VpcConfig"] for function in deployed] == 4 * [there]
    assert all("subnet" not in str(function["Environment"]) for function in deployed)


def test_the_key_encrypts_everything_but_the_topic_that_tells_of_it(deploy: Callable[..., Stack]) -> None:
    stack = deploy(**ORGANISED)
    assert {queue["KmsMasterKeyId"] for queue in stack.of_type("SQS::Queue").values()} == {KEY}
    assert not any("SqsManagedSseEnabled" in queue for queue in stack.of_type("SQS::Queue").values())
    assert {group["KmsKeyId"] for group in stack.of_type("Logs::LogGroup").values()} == {KEY}
    assert stack.one("DynamoDB::Table")["SSESpecification"]["KMSMasterKeyId"] == KEY
    [own] = stack.of_type("KMS::Key")
    keys = [topic["KmsMasterKeyId"] for topic in stack.of_type("SNS::Topic").values()]
    assert keys == [KEY, {"Fn::GetAtt": [own, "Arn"]}]
    assert "kms" not in str(stack.function("plan")["Environment"])


@pytest.mark.parametrize(
    ("region", "partition", "console"),
    [
        ("eu-west-1", "aws", "console.aws.amazon.com"),
        ("cn-north-1", "aws-cn", "console.amazonaws.cn"),
        ("us-gov-west-1", "aws-us-gov", "console.amazonaws-us-gov.com"),
    ],
)
def test_links_and_arns_are_those_of_the_partition(
    deploy: Callable[..., Stack], region: str, partition: str, console: str
) -> None:
    stack = deploy(**ORGANISED) if region == "eu-west-1" else deploy(**WEBHOOK, regions=[region])
    link = stack.function("reconcile")["Environment"]["Variables"]["ENIGAP_DASHBOARD_URL"]
    assert f"{console}/cloudwatch/home?region=" in str(link)
    assert set(re.findall(r"arn:(aws[a-z-]*):", stack.text)) == {partition}


@pytest.mark.parametrize("region", ["us-iso-east-1", "eusc-de-east-1"])
def test_a_partition_whose_console_is_unknown_is_refused_in_a_sentence(region: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"^regions: {region} is in aws-\w+; enigap knows the partitions aws, "
    ):
        synthesise({**WEBHOOK, "regions": [region]})


def assembly(**context: str) -> str:
    """What the CDK's command line is told: where assets go, with which roles."""
    with tempfile.TemporaryDirectory() as directory:
        app = App(context={**CONTEXT, **context}, outdir=directory)
        build(app, Settings(), functions())
        app.synth()
        told = [path for path in Path(directory).glob("*.json") if "template" not in path.name]
        return "\n".join(path.read_text(encoding="utf-8") for path in told)


def test_a_qualifier_of_ones_own_is_the_bootstraps() -> None:
    assert "cdk-abcq-deploy-role-" in assembly(**{"@aws-cdk/core:bootstrapQualifier": "abcq"})


def test_without_bootstrap_neither_its_roles_nor_its_bucket_are_used() -> None:
    told = assembly(credentials="cli", bucket="own-assets")
    assert '"own-assets"' in told
    assert not re.search(
        r"cdk-[a-z0-9]+-(deploy|assets|file-publishing|cfn-exec)|bootstrapStackVersion", told
    )


def kinds(stack: Stack) -> Counter[str]:
    return Counter(resource["Type"] for resource in stack.template["Resources"].values())


def test_for_a_deployment_with_the_credentials_at_hand_only_the_synthesizer_differs(stack: Stack) -> None:
    [local] = synthesise(WEBHOOK, context={"credentials": "cli"})
    assert local.template["Resources"] == stack.template["Resources"]
    assert local.template["Outputs"] == stack.template["Outputs"]
