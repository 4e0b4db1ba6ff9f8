"""Schedule, planner, queue, reconciler, topic, queue, Slack function, Slack: with the roles as deployed.

The emulator does not ask whether the schedule's role may call the planner; which role that is, and that it
may, is for the template's tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from enigap.core.counting.window import Window
from enigap.core.instants import timestamp
from tests.e2e.deployed import PLANNED, SELF_TESTS, BrokenError, SharedDeployment

CLUSTER = f"{PLANNED}moved"

NEEDED_TO_TELL = [
    ("plan", "ec2:DescribeInstances"),
    ("plan", "sqs:SendMessage"),
    ("reconcile", "ec2:DescribeInstances"),
    ("reconcile", "ec2:DescribeTags"),
    ("reconcile", "cloudwatch:GetMetricData"),
    ("reconcile", "dynamodb:PutItem"),
    ("reconcile", "sns:Publish"),
    ("slack", "secretsmanager:GetSecretValue"),
]

NEEDED_TO_DEPLOY = [
    ("plan", "cloudwatch:ListMetrics"),
    ("plan", "cloudwatch:PutMetricData"),
    ("plan", "dynamodb:PutItem"),
    ("plan", "dynamodb:Scan"),
    ("plan", "ec2:DescribeInstances"),
    ("plan", "sqs:SendMessage"),
    ("reconcile", "cloudwatch:GetMetricData"),
    ("reconcile", "cloudwatch:PutMetricData"),
    ("reconcile", "dynamodb:GetItem"),
    ("reconcile", "logs:FilterLogEvents"),
    ("reconcile", "sns:Publish"),
    ("slack", "secretsmanager:GetSecretValue"),
]


@pytest.fixture(scope="module")
def windows(deployed: SharedDeployment) -> Iterator[Window]:
    """Windows in which a moved device is to be told about, newest first; each can be used once."""
    return reversed(deployed.play(CLUSTER, node=" ".join(["g1"] * (3 + 2 * len(NEEDED_TO_TELL)))))


def forget(deployed: SharedDeployment) -> None:
    """What was judged and told before is unknown to the next run, so it tells once more."""
    deployed.client("dynamodb").delete_item(
        TableName=deployed.stack.state_table, Key={"id": {"S": f"cluster#{CLUSTER}"}}
    )
    deployed.forget_told(CLUSTER)


def assert_people_are_told(deployed: SharedDeployment, window: Window, since: datetime) -> None:
    """Raises BrokenError where the chain ends before that."""
    message = deployed.told_in_slack(CLUSTER, window, since)
    assert "the OS misses bytes that were carried (os_deficit)" in message
    assert "scaling decisions on node_network_total_bytes miss at least" in message
    assert "Likely: a device moved into a pod" in message
    assert deployed.news(CLUSTER) == [("opened", "os_deficit")]
    assert len(deployed.slack(CLUSTER)) == 1


def tell(deployed: SharedDeployment, window: Window) -> None:
    forget(deployed)
    since = datetime.now(UTC)
    planned = deployed.plan({"window_end": timestamp(window.end)})
    assert CLUSTER in planned["clusters"]
    assert_people_are_told(deployed, window, since)


def test_the_schedule_sets_off_the_whole_chain_to_slack(
    deployed: SharedDeployment, windows: Iterator[Window]
) -> None:
    next(windows)
    forget(deployed)
    schedules = deployed.client("scheduler")
    [schedule] = schedules.list_schedules()["Schedules"]
    target = schedules.get_schedule(Name=schedule["Name"])["Target"]
    since = datetime.now(UTC)
    # The deployed one fires once in a quarter of an hour: another one calls the same function with the same
    # input and the same role now.
    schedules.create_schedule(
        Name="now",
        ScheduleExpression=f"at({since:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target=target,
    )

    def planned(lines: list[dict[str, Any]]) -> Window | None:
        ends = [line["window_end"] for line in lines if line["message"] == "planned"]
        return Window(datetime.fromisoformat(ends[0])) if ends else None

    window = deployed.in_log("plan", since, planned, "a plan")
    assert_people_are_told(deployed, window, since)


def test_a_window_that_is_planned_twice_is_judged_once(
    deployed: SharedDeployment, windows: Iterator[Window]
) -> None:
    window, since = next(windows), datetime.now(UTC)
    for _ in range(2):
        deployed.plan({"window_end": timestamp(window.end)})
    deployed.judge(CLUSTER, window.previous())  # behind both in the queue
    judged = [line for line in deployed.logged("reconcile", since) if line["message"] == "reconciled"]
    ends = [line["window_end"] for line in judged if line["cluster"] == CLUSTER]
    assert ends == [timestamp(window.end), timestamp(window.previous().end)]


@pytest.mark.parametrize(("function", "action"), NEEDED_TO_TELL, ids=map(" ".join, NEEDED_TO_TELL))
def test_without_a_permission_nobody_is_told_and_with_it_again_people_are(
    deployed: SharedDeployment, windows: Iterator[Window], function: str, action: str
) -> None:
    with deployed.not_allowed(function, action), pytest.raises(BrokenError, match=f"denied {action} "):
        tell(deployed, next(windows))
    tell(deployed, next(windows))


@pytest.mark.parametrize("function", SELF_TESTS)
def test_every_function_passes_the_self_test_of_its_deployment(
    deployed: SharedDeployment, function: str
) -> None:
    deployed.call(function, SELF_TESTS[function])


@pytest.mark.parametrize(("function", "action"), NEEDED_TO_DEPLOY, ids=map(" ".join, NEEDED_TO_DEPLOY))
def test_a_missing_permission_fails_the_self_test_and_so_the_deployment(
    deployed: SharedDeployment, function: str, action: str
) -> None:
    with deployed.not_allowed(function, action), pytest.raises(BrokenError, match=f"denied {action} "):
        deployed.call(function, SELF_TESTS[function])
