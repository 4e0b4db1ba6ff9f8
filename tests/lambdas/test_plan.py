"""The planner as it is deployed: what it takes, what it queues, what its dry run touches."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from enigap.aws.errors import AwsProblem
from enigap.aws.state_table import StateTable
from enigap.core.counting.window import Window
from enigap.core.incidents.state import Reminder
from enigap.core.instants import timestamp
from enigap.core.work import WorkItem
from enigap.lambdas import environment as variables
from enigap.lambdas.plan import handler
from enigap.pipeline import NotSettledError
from tests.fakes.strict_cloudwatch import ALWAYS
from tests.lambdas.conftest import ACCOUNT, SETTLE, FakeContext, LambdaAccount


def newest() -> Window:
    return Window.newest_settled(datetime.now(UTC), SETTLE)


def plan(event: Any) -> dict[str, Any]:
    document: dict[str, Any] = handler(event, FakeContext())
    return document


def test_the_schedule_plans_the_newest_settled_window_of_every_cluster(
    deployed: LambdaAccount, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.play("prod", "c")
    deployed.play("dev", "c")
    before, document, after = newest(), plan({}), newest()
    [at] = [at for at in {before, after} if timestamp(at.end) == document["window_end"]]
    assert (document["clusters"], document["overdue"]) == (["dev", "prod"], [])
    assert sorted(deployed.queued(), key=str) == [
        WorkItem(ACCOUNT, "eu-west-1", cluster, at) for cluster in ("dev", "prod")
    ]
    assert deployed.published("ClustersOverdue") == [0]
    [record] = deployed.logged.of("planned")
    assert record["clusters"] == ["dev", "prod"]
    [health] = [
        json.loads(line) for line in capsys.readouterr().out.splitlines() if "ClustersPlanned" in line
    ]
    assert health["ClustersPlanned"] == [2.0]
    assert health["service"] == "enigap"
    assert health["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "EniGap"


def test_a_window_can_be_asked_for(deployed: LambdaAccount) -> None:
    deployed.play("prod", "c")
    old = newest().previous(5)
    plan({"window_end": timestamp(old.end)})
    assert deployed.queued() == [WorkItem(ACCOUNT, "eu-west-1", "prod", old)]


def test_an_account_without_clusters_is_planned_too(deployed: LambdaAccount) -> None:
    assert plan({})["clusters"] == []
    assert deployed.published("ClustersOverdue") == [0]


@pytest.mark.parametrize(
    "event",
    [
        [],
        None,
        "2026-01-01T00:15:00Z",
        {"window_ends": "2026-01-01T00:15:00Z"},
        {"window_end": 12},
        {"window_end": None},
        {"window_end": "2026-01-01T00:15:00"},
        {"window_end": "2026-01-01T00:07:00Z"},
        {"dry_run": "yes"},
    ],
    ids=json.dumps,
)
def test_anything_else_is_refused_in_one_sentence(event: Any) -> None:
    with pytest.raises(ValueError, match=r"^The planner takes \{\}"):
        plan(event)


def test_a_window_in_the_future_or_too_old_for_cloudwatch_is_refused(deployed: LambdaAccount) -> None:
    deployed.play("prod", "c")
    with pytest.raises(NotSettledError, match="cannot be judged yet"):
        plan({"window_end": timestamp(newest().previous(-4).end)})
    with pytest.raises(ValueError, match="more than 14 days old"):
        plan({"window_end": timestamp(newest().end - timedelta(days=14))})
    assert deployed.queued() == []
    assert deployed.items() == []


def test_a_planner_that_may_not_look_plans_the_clusters_it_knows_and_fails_all_the_same(
    deployed: LambdaAccount,
) -> None:
    deployed.play("prod", "c")
    old = newest().previous(5)
    plan({"window_end": timestamp(old.end)})
    deployed.cloudwatch.faults.access_denied("ListMetrics", times=ALWAYS)
    with pytest.raises(AwsProblem, match="allow cloudwatch:ListMetrics"):
        plan({"window_end": timestamp(old.next().end)})
    assert deployed.queued() == [WorkItem(ACCOUNT, "eu-west-1", "prod", at) for at in (old, old.next())]


def test_settings_that_do_not_fit_fail_the_call(
    deployed: LambdaAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENIGAP_SETTINGS", '{"tolerence": 0.1}')
    with pytest.raises(ValueError, match="did you mean tolerance"):
        plan({})
    assert deployed.queued() == []


# --- what the settings ask for in vain ---

NOTHING_FOUND = "No cluster with a running node was found: check the region and account of this deployment."


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"clusters": ["prod", "prodd"]}, "No cluster with a running node matches prodd: correct `clusters`"),
        ({"clusters": ["prod", "shop-*"]}, "No cluster with a running node matches shop-*: "),
        ({"node_tags": {"team": "web"}}, "No running node carries the tags team=web: correct `node_tags`."),
    ],
    ids=["a name", "a pattern", "tags"],
)
def test_what_the_settings_ask_for_and_is_not_there_is_warned_of(
    deployed: LambdaAccount, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], warned: str
) -> None:
    monkeypatch.setenv("ENIGAP_SETTINGS", json.dumps(settings))
    deployed.play("prod", "c")
    [said] = plan({"dry_run": True})["warnings"]
    assert said.startswith(warned)
    plan({})
    assert deployed.logged.of(said)


def test_a_cluster_that_the_settings_name_is_judged_whether_it_is_there_or_not(
    deployed: LambdaAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENIGAP_SETTINGS", json.dumps({"clusters": ["prodd", "shop-*"]}))
    assert plan({})["clusters"] == ["prodd"]
    assert [item.cluster for item in deployed.queued()] == ["prodd"]


# --- dry run ---


@pytest.mark.parametrize("clusters", [0, 1])
def test_a_dry_run_makes_the_calls_and_plans_nothing(deployed: LambdaAccount, clusters: int) -> None:
    for _ in range(clusters):
        deployed.play("prod", "c")
    answer = plan({"dry_run": True})
    assert answer.pop("warnings") == ([] if clusters else [NOTHING_FOUND])
    assert answer == {"dry_run": True}
    assert deployed.queued() == []
    assert deployed.items() == []
    assert deployed.published("ClustersOverdue") == [0]


def test_a_dry_run_fails_where_planning_would(deployed: LambdaAccount) -> None:
    deployed.cloudwatch.faults.access_denied("ListMetrics", times=ALWAYS)
    with pytest.raises(AwsProblem, match="allow cloudwatch:ListMetrics"):
        handler({"dry_run": True}, FakeContext(remaining=[10_000]))


def test_a_dry_run_fails_where_queueing_would(
    deployed: LambdaAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENIGAP_WORK_QUEUE_URL", deployed.queue_url.replace("work", "gone"))
    with pytest.raises(AwsProblem, match="sqs:SendMessage"):
        plan({"dry_run": True})


# --- cold start ---


@pytest.mark.parametrize("module", ["plan", "reconcile"])
def test_a_cold_start_imports_nothing_that_is_slow_and_not_needed(module: str) -> None:
    code = f"import sys, enigap.lambdas.{module}; print(*sys.modules)"
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ | path
    )
    slow = {"pydantic", "aws_xray_sdk", "aws_lambda_powertools.utilities.batch", "rich", "typer"}
    assert "aws_lambda_powertools" in found.stdout.split()
    assert not slow & set(found.stdout.split())


def test_dead_letters_of_yesterday_are_brought_up_again_on_the_pipelines_topic(
    deployed: LambdaAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs, sns = deployed.aws.client("sqs"), deployed.aws.client("sns")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="a message for Slack")
    topic = sns.create_topic(Name="pipeline")["TopicArn"]
    messages = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:messages"
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=messages, Attributes=raw)
    monkeypatch.setenv(variables.PIPELINE_TOPIC_ARN, topic)
    monkeypatch.setenv(variables.DEAD_LETTERS, json.dumps({"slack": dead}))
    plan({})
    assert deployed.told() == [], "the alarm speaks first"
    states = StateTable(deployed.aws.client("dynamodb"), "state", now=datetime.now(UTC))
    known = states.reminder()
    assert known is not None
    yesterday = known.told_at - timedelta(days=1)
    states.remember(Reminder(yesterday, told_at=yesterday), known)
    plan({})
    [told] = deployed.told()
    assert (told["schema"], told["dead_letters"]) == ("enigap.reminder/1", {"slack": 1})
    plan({})
    assert deployed.told() == []
