"""Drives the pipeline deployed on the embedded AWS: has windows judged, collects messages and metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from demo.clients import Clients
from demo.embedded_aws import EmbeddedAwsError
from demo.receiver import MAIL_PATH, SLACK_PATH, Receiver
from enigap.aws.deployment import Deployment
from enigap.aws.work_queue import WorkQueue
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import Window
from enigap.core.instants import instant, timestamp
from enigap.core.published import Metric, Unit
from enigap.core.text import count
from enigap.core.work import WorkItem

WEBHOOK_SECRET: Final = "enigap/demo-webhook"  # noqa: S105 - the name of a secret
PATIENCE: Final = timedelta(seconds=60)
_PAUSE_SECONDS: Final = 0.2


def keep_webhook(client: Clients, receiver: Receiver) -> None:
    """Store the receiver's URL in the secret of the Slack webhook."""
    client("secretsmanager").create_secret(Name=WEBHOOK_SECRET, SecretString=f"{receiver.url}{SLACK_PATH}")


def open_mailbox(client: Clients, stack: Deployment, receiver: Receiver) -> None:
    """Subscribe the receiver to the findings topic. It gets the text of the emails."""
    sns = client("sns")
    sns.subscribe(TopicArn=stack.topic_arn, Protocol="http", Endpoint=f"{receiver.url}{MAIL_PATH}")
    confirmation = receiver.mail.get(timeout=PATIENCE.total_seconds())
    sns.confirm_subscription(TopicArn=stack.topic_arn, Token=confirmation["Token"])


@dataclass(frozen=True, slots=True)
class Told:
    """The messages that one window caused, in Slack and by email."""

    mail: dict[str, Any]
    slack: dict[str, Any]


def plan(client: Clients, stack: Deployment, window: Window | None = None) -> None:
    """Invoke the deployed planner, for one window or as the schedule does. Raises EmbeddedAwsError."""
    event = {"window_end": timestamp(window.end)} if window else {}
    answer = client("lambda").invoke(FunctionName=stack.plan_function, Payload=json.dumps(event).encode())
    said = answer["Payload"].read().decode()
    if answer.get("FunctionError"):
        raise EmbeddedAwsError(f"The deployed planner failed: {said[:500]}")


def switch_off_schedule(client: Clients) -> None:
    """Disable the deployed schedule, so that no plan comes in between."""
    scheduler = client("scheduler")
    for listed in scheduler.list_schedules()["Schedules"]:
        found = scheduler.get_schedule(Name=listed["Name"])
        kept = {key: found[key] for key in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
        scheduler.update_schedule(**kept, State="DISABLED")


def judge(
    client: Clients, stack: Deployment, queue_url: str, cluster: str, windows: Sequence[Window]
) -> None:
    """Queue these windows, as for a backfill, and wait until the reconciler has judged them.

    The planner would find that the cluster has not been judged for hours, and set off an alarm.
    """
    items = [WorkItem(stack.account, stack.topic_arn.split(":")[3], cluster, window) for window in windows]
    WorkQueue(client("sqs"), queue_url).send(items)
    for window in windows:
        _wait_for(partial(_is_judged, client, stack, cluster, window), "the deployed reconciler")


def _is_judged(client: Clients, stack: Deployment, cluster: str, window: Window) -> bool:
    """Whether the reconciler has judged this window, or a later one."""
    done = _judged_up_to(client, stack, cluster)
    return done is not None and instant(done) >= window.end


def collect(receiver: Receiver) -> Told:
    """The next message about a cluster in each channel."""
    mail = receiver.mail.get(timeout=PATIENCE.total_seconds())
    slack = receiver.slack.get(timeout=PATIENCE.total_seconds())
    while not is_finding(slack):
        slack = receiver.slack.get(timeout=PATIENCE.total_seconds())
    return Told(mail, slack)


def is_finding(slack: Mapping[str, Any]) -> bool:
    """Whether a Slack message is about a cluster; else it is about an alarm."""
    return str(slack["text"]).startswith("[")


def _judged_up_to(client: Clients, stack: Deployment, cluster: str) -> str | None:
    item = client("dynamodb").get_item(
        TableName=stack.state_table, Key={"id": {"S": f"cluster#{cluster}"}}, ConsistentRead=True
    )
    done: str | None = item.get("Item", {}).get("done", {}).get("S")
    return done


def _wait_for(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while not happened():
        if time.monotonic() > deadline:
            raise EmbeddedAwsError(f"{what.capitalize()} did not finish within {PATIENCE.seconds} s.")
        time.sleep(_PAUSE_SECONDS)


def published(client: Clients, namespace: str, cluster: str) -> Mapping[str, str]:
    """The newest value of each metric the pipeline published for a cluster, with its unit."""
    cloudwatch = client("cloudwatch")
    listed = cloudwatch.list_metrics(
        Namespace=namespace, Dimensions=[{"Name": "ClusterName", "Value": cluster}]
    )
    of_cluster = [metric for metric in listed["Metrics"] if len(metric["Dimensions"]) == 1]
    end = time.time() + timedelta(minutes=5).total_seconds()
    found: dict[str, str] = {}
    for metric in of_cluster:
        points = cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=end - timedelta(hours=6).total_seconds(),
            EndTime=end,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        if points:
            newest = max(points, key=lambda point: point["Timestamp"])["Maximum"]
            found[metric["MetricName"]] = _with_unit(metric["MetricName"], newest)
    return dict(sorted(found.items()))


def _with_unit(name: str, value: float) -> str:
    unit = next(each.value.unit for each in Metric if each.value.name == name)
    if unit is Unit.BYTES_PER_SECOND:
        return str(ByteRate(value))
    noun = {Metric.BILLED_METRICS.value.name: "metric", Metric.SURPRISES.value.name: "surprise"}.get(
        name, "node"
    )
    return count(round(value), noun)


def alarm_states(client: Clients) -> Mapping[str, str]:
    """Every alarm of the deployment with its state."""
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in sorted(alarms, key=lambda a: a["AlarmName"])}
