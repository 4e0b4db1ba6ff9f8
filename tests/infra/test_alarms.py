"""Alarms: plain ones, with missing data thought about, each with somewhere to go and something to do."""

from collections.abc import Callable

import pytest

from enigap.core.published import Metric
from tests.infra.conftest import OTHERWISE, Stack

FINDINGS = ("NodesUnexplained", "NodesSilent")
PIPELINE = (
    "ClustersOverdue",
    *(
        f"{function}{what}"
        for function in ("plan", "reconcile", "slack")
        for what in ("DeadLetters", "Errors", "Throttles")
    ),
)


def test_these_are_all_the_alarms_there_are(stack: Stack) -> None:
    names = {alarm["AlarmName"] for alarm in stack.of_type("CloudWatch::Alarm").values()}
    assert names == {f"enigap-{name}" for name in (*FINDINGS, *PIPELINE)}


@pytest.mark.parametrize("name", [*FINDINGS, *PIPELINE])
def test_an_alarm_watches_one_metric_without_mathematics_or_search(stack: Stack, name: str) -> None:
    alarm = stack.alarm(name)
    assert alarm["MetricName"]
    assert "Metrics" not in alarm
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


@pytest.mark.parametrize("name", [*FINDINGS, *PIPELINE])
def test_an_alarm_says_what_to_do(stack: Stack, name: str) -> None:
    assert len(stack.alarm(name)["AlarmDescription"].split()) >= 15


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("NodesUnexplained", Metric.NODES_UNEXPLAINED),
        ("NodesSilent", Metric.NODES_SILENT),
        ("ClustersOverdue", Metric.CLUSTERS_OVERDUE),
    ],
)
def test_the_worst_cluster_decides(deploy: Callable[..., Stack], name: str, metric: Metric) -> None:
    alarm = deploy(**OTHERWISE).alarm(name)
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Net/Gap", metric.metric_name)
    assert (alarm["Statistic"], alarm["Period"]) == ("Maximum", 1800)
    assert not alarm.get("Dimensions")


def test_a_dead_pipeline_is_an_alarm_and_nothing_else_that_is_missing_is(stack: Stack) -> None:
    for name in (*FINDINGS, *PIPELINE):
        expected = "breaching" if name == "ClustersOverdue" else "notBreaching"
        assert stack.alarm(name)["TreatMissingData"] == expected


def test_the_dead_mans_alarm_waits_for_its_first_point(stack: Stack) -> None:
    """A metric nobody has published yet is missing: the alarm would go off with every first deployment."""
    [self_test] = [n for n, r in stack.template["Resources"].items() if r["Type"] == "Custom::SelfTest"]
    [alarm] = [
        resource
        for resource in stack.template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        and resource["Properties"]["AlarmName"] == "enigap-ClustersOverdue"
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


def test_a_deployment_announces_no_alarm_that_is_all_right(stack: Stack) -> None:
    for alarm in stack.of_type("CloudWatch::Alarm").values():
        assert not alarm.keys() & {"OKActions", "InsufficientDataActions"}
