"""Silence of the pipeline itself. The emulator knows nothing of missing data, so it shows the half that is
published: a cluster that nobody judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from enigap.core.counting.window import Window
from enigap.core.instants import timestamp
from tests.e2e.deployed import PLANNED, SETTLE, SharedDeployment, eventually

FORGOTTEN = f"{PLANNED}forgotten"
ALARM = "enigap-ClustersOverdue"


@pytest.fixture
def forgotten(deployed: SharedDeployment) -> Iterator[str]:
    """A cluster that has been planned for three hours and was never judged."""
    table, dynamodb = deployed.stack.state_table, deployed.client("dynamodb")
    since = Window.newest_settled(datetime.now(UTC) - timedelta(hours=3), SETTLE).end
    item = {"id": f"cluster#{FORGOTTEN}", "cluster": FORGOTTEN, "planned_since": timestamp(since)}
    dynamodb.put_item(
        TableName=table, Item={name: {"S": text} for name, text in item.items()} | {"revision": {"N": "0"}}
    )
    yield FORGOTTEN
    dynamodb.delete_item(TableName=table, Key={"id": {"S": f"cluster#{FORGOTTEN}"}})


def test_a_cluster_that_nobody_judges_sets_off_an_alarm(deployed: SharedDeployment, forgotten: str) -> None:
    cloudwatch = deployed.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="so far")
    already = len(deployed.slack(f"ALARM: {ALARM}"))

    deployed.plan({"dry_run": True})

    now = datetime.now(UTC)
    overdue = [deployed.published("ClustersOverdue", None, at) for at in (now - timedelta(minutes=1), now)]
    assert max(value for value in overdue if value is not None) >= 1
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    assert alarm["StateValue"] == "ALARM"
    message = eventually(lambda: next(iter(deployed.slack(f"ALARM: {ALARM}")[already:]), None), "an alarm")
    assert "enigap has not judged a cluster for two schedules" in message
    assert "enigap runbook ClustersOverdue" in message
    assert (
        f"{forgotten}: never judged yet, 0 nodes, no open incidents, overdue"
        in deployed.enigap("status").stdout
    )


def test_slack_is_told_when_an_alarm_is_over_and_not_when_one_is_new(deployed: SharedDeployment) -> None:
    cloudwatch, alarm = deployed.client("cloudwatch"), "enigap-slackThrottles"

    def turn(*states: str) -> None:
        for state in states:
            cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="tried")

    turn("INSUFFICIENT_DATA", "OK", "ALARM", "OK")
    eventually(lambda: next(iter(deployed.slack(f"Over: {alarm}")), None), "the end of an alarm")
    assert len(deployed.slack(f"ALARM: {alarm}")) == 1
    assert len(deployed.slack(f"Over: {alarm}")) == 1
    assert deployed.slack(f"No data: {alarm}") == []
