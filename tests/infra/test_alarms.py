"""Alarms: plain ones, with missing data thought about, each with somewhere to go and something to do."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from enigap.cli.cost import Fleet
from enigap.cli.runbook import section_names
from enigap.core.published import Metric
from infra.asset import PROJECT
from tests.infra.conftest import OTHERWISE, WEBHOOK, Stack

OPERATIONS = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")

FINDINGS = ("NodesUnexplained", "NodesSilent")
PIPELINE = (
    "ClustersOverdue",
    "PlansMade",
    "selfTestErrors",
    "reconcileWaiting",
    "slackWaiting",
    *(
        f"{function}{what}"
        for function in ("plan", "reconcile", "slack")
        for what in ("DeadLetters", "Errors", "Throttles")
    ),
)


def test_the_estimate_bills_every_alarm(stack: Stack) -> None:
    assert Fleet(1).alarms == len(stack.of_type("CloudWatch::Alarm"))


def test_these_are_all_the_alarms_there_are(stack: Stack) -> None:
    names = {alarm["AlarmName"] for alarm in stack.of_type("CloudWatch::Alarm").values()}
    assert names == {f"enigap-{name}" for name in (*FINDINGS, *PIPELINE)}


@pytest.mark.parametrize("name", [*FINDINGS, *PIPELINE])
def test_an_alarm_watches_one_metric_without_mathematics_or_search(stack: Stack, name: str) -> None:
    alarm = stack.alarm(name)
    assert alarm["MetricName"]
    assert "Metrics" not in alarm
    largest_that_is_fine = {"PlansMade": 1, "reconcileWaiting": 3600, "slackWaiting": 5400}.get(name, 0)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (largest_that_is_fine, "GreaterThanThreshold")


@pytest.mark.parametrize("name", [*FINDINGS, *PIPELINE])
def test_an_alarm_says_what_to_do(stack: Stack, name: str) -> None:
    said = stack.alarm(name)["AlarmDescription"].partition(" See docs/runbook.md")[0]
    assert len(said.split()) >= 15


@pytest.mark.parametrize("name", [*FINDINGS, *PIPELINE])
def test_an_alarm_ends_with_where_to_read_on(stack: Stack, name: str) -> None:
    description = stack.alarm(name)["AlarmDescription"]
    assert description.endswith(f' See docs/runbook.md, "{name}", or: enigap runbook {name}')
    assert name in section_names()
    assert len(description) <= 1024  # CloudWatch takes no longer one


@pytest.mark.parametrize("name", ["plan", "reconcile", "slack"])
def test_a_redrive_is_advised_where_the_operations_have_one(stack: Stack, name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", OPERATIONS, re.MULTILINE)
    back = [way for queue, way in rows if queue == name]
    advice = stack.alarm(f"{name}DeadLetters")["AlarmDescription"]
    assert back
    assert ("redrive" in advice) is any("redrive" in way for way in back) is (name != "plan")


def test_the_runbook_has_every_alarm_and_no_other(stack: Stack) -> None:
    names = {
        alarm["AlarmName"].removeprefix("enigap-") for alarm in stack.of_type("CloudWatch::Alarm").values()
    }
    assert {name for name in section_names() if not name.islower()} == names
    assert set(re.findall(r"`enigap-([A-Za-z]+)`", OPERATIONS)) <= names


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("NodesUnexplained", Metric.NODES_UNEXPLAINED),
        ("NodesSilent", Metric.NODES_SILENT),
        ("ClustersOverdue", Metric.CLUSTERS_OVERDUE),
        ("PlansMade", Metric.PLANS_MADE),
    ],
)
def test_the_worst_cluster_decides(deploy: Callable[..., Stack], name: str, metric: Metric) -> None:
    alarm = deploy(**OTHERWISE).alarm(name)
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Net/Gap", metric.metric_name)
    assert (alarm["Statistic"], alarm["Period"]) == ("Maximum", 900 if name == "PlansMade" else 1800)
    assert not alarm.get("Dimensions")


SCHEDULES = ((15, WEBHOOK), (30, OTHERWISE), (60, {**WEBHOOK, "schedule_minutes": 60}))


@pytest.mark.parametrize(("minutes", "settings"), SCHEDULES)
def test_a_dead_planner_is_told_an_hour_after_a_missing_plan(
    deploy: Callable[..., Stack], minutes: int, settings: dict[str, Any]
) -> None:
    """CloudWatch looks back two periods more than it evaluates, and ends a period before it evaluates."""
    alarm = deploy(**settings).alarm("PlansMade")
    periods = alarm["EvaluationPeriods"]
    assert alarm["Period"] * periods >= 60 * minutes + 900, "a plan may be late"
    assert (periods + 3) * alarm["Period"] == 60 * (minutes + 60)


@pytest.mark.parametrize(("minutes", "settings"), SCHEDULES)
def test_an_overdue_cluster_is_told_after_half_an_hour_or_the_first_plan_that_sees_it(
    deploy: Callable[..., Stack], minutes: int, settings: dict[str, Any]
) -> None:
    alarm = deploy(**settings).alarm("ClustersOverdue")
    assert alarm["Period"] == 60 * minutes
    assert alarm["Period"] * alarm["EvaluationPeriods"] == max(1800, 60 * minutes)


def test_a_dead_pipeline_is_an_alarm_and_nothing_else_that_is_missing_is(stack: Stack) -> None:
    for name in (*FINDINGS, *PIPELINE):
        expected = "breaching" if name == "PlansMade" else "notBreaching"
        assert stack.alarm(name)["TreatMissingData"] == expected


def test_the_dead_mans_alarm_waits_for_its_first_point(stack: Stack) -> None:
    """A metric nobody has published yet is missing: the alarm would go off with every first deployment."""
    [self_test] = [n for n, r in stack.template["Resources"].items() if r["Type"] == "Custom::SelfTest"]
    [alarm] = [
        resource
        for resource in stack.template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        and resource["Properties"]["AlarmName"] == "enigap-PlansMade"
    ]
    assert self_test in alarm["DependsOn"]


@pytest.mark.parametrize("name", PIPELINE)
def test_what_is_wrong_with_the_pipeline_is_told_to_the_pipelines_topic(stack: Stack, name: str) -> None:
    assert stack.alarm(name)["AlarmActions"] == [stack.template["Outputs"]["PipelineTopicArn"]["Value"]]


@pytest.mark.parametrize("name", FINDINGS)
def test_an_alarm_on_findings_tells_nobody_twice_unless_it_is_asked_to(
    deploy: Callable[..., Stack], stack: Stack, name: str
) -> None:
    assert "AlarmActions" not in stack.alarm(name)
    asked = deploy(**OTHERWISE)
    assert asked.alarm(name)["AlarmActions"] == [asked.template["Outputs"]["TopicArn"]["Value"]]


@pytest.mark.parametrize("name", PIPELINE)
def test_what_was_wrong_with_the_pipeline_is_told_when_it_is_over(stack: Stack, name: str) -> None:
    assert stack.alarm(name)["OKActions"] == stack.alarm(name)["AlarmActions"]


def test_a_deployment_announces_no_alarm_that_is_all_right(stack: Stack) -> None:
    """A new alarm goes from INSUFFICIENT_DATA to OK, which is told to the topic and to no subscriber."""
    pipeline = stack.template["Outputs"]["PipelineTopicArn"]["Value"]
    subscriptions = list(stack.of_type("SNS::Subscription").values())
    of_alarms = [each for each in subscriptions if each["TopicArn"] == pipeline]
    assert 0 < len(of_alarms) < len(subscriptions)
    for each in subscriptions:
        if each in of_alarms:
            assert each["FilterPolicyScope"] == "MessageBody"
            either = each["FilterPolicy"]["$or"]
            assert either == [{"NewStateValue": ["ALARM"]}, {"OldStateValue": ["ALARM"]}]
        else:
            assert not each.keys() & {"FilterPolicy", "FilterPolicyScope"}
    for alarm in stack.of_type("CloudWatch::Alarm").values():
        assert "InsufficientDataActions" not in alarm
        assert ("OKActions" in alarm) is ("AlarmActions" in alarm)
