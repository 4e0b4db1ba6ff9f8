"""The reconciler as it is deployed: a batch of messages in, metrics, a state and messages to people out."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from enigap.aws.errors import AwsProblem
from enigap.aws.placement import FoundCluster
from enigap.core.counting.window import Window
from enigap.core.incidents.state import read_json
from enigap.core.work import WorkItem
from enigap.lambdas.reconcile import handler
from enigap.wiring import why_not_found
from tests.fakes.strict_cloudwatch import ALWAYS
from tests.lambdas.conftest import ACCOUNT, SETTLE, FakeContext, LambdaAccount

NEWEST_AT_IMPORT = Window.newest_settled(datetime.now(UTC), SETTLE)


def windows(count: int) -> list[Window]:
    """So many windows, oldest first, up to the newest settled one."""
    return [NEWEST_AT_IMPORT.previous(n) for n in reversed(range(count))]


def record(body: str, *, group: str = "prod", message_id: str = "m") -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": "handle",
        "body": body,
        "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:work.fifo",
        "awsRegion": "eu-west-1",
    }


def body(at: Window, cluster: str = "prod") -> str:
    return json.dumps(WorkItem(ACCOUNT, "eu-west-1", cluster, at).document())


def reconcile(*records: dict[str, Any], context: FakeContext | None = None) -> list[str]:
    """The messages that SQS is to keep."""
    answer = handler({"Records": list(records)}, context or FakeContext())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def judge(at: Sequence[Window]) -> None:
    for each in at:
        assert reconcile(record(body(each))) == []


def state(deployed: LambdaAccount) -> Any:
    [item] = deployed.items()
    return read_json(item["state"]["S"])[0]


def test_a_name_in_the_settings_without_nodes_is_told_once(
    deployed: LambdaAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENIGAP_SETTINGS", json.dumps({"clusters": ["prodd"], "remind_hours": 1}))
    for at in windows(8):
        assert reconcile(record(body(at, cluster="prodd"))) == []
    [told] = deployed.told()
    [incident] = told["incidents"]
    assert (incident["id"], incident["news"]) == ("prodd/*/not_found", "opened")
    assert "No node of prodd to judge was found in eu-west-1" in incident["summary"]
    assert "`clusters`" in incident["summary"]
    assert deployed.published("NodesJudged", ClusterName="prodd") == [0] * 8


def test_a_cluster_named_as_its_agents_do_is_told_by_eks_name() -> None:
    assert why_not_found(FoundCluster("prod"), "eu-west-1", "Prod") == (
        "No node of prod to judge was found in eu-west-1, for it is what the agents of Prod call it: "
        "give that name in `clusters`."
    )


def test_a_fault_is_told_and_its_end_as_well(
    deployed: LambdaAccount, capsys: pytest.CaptureFixture[str]
) -> None:
    at = windows(9)
    node = deployed.play("prod", "g1", at[1], at[2])
    judge(at[:2])
    assert deployed.told() == []
    judge(at[2:3])
    [opened] = deployed.told()
    assert [(i["id"], i["news"]) for i in opened["incidents"]] == [(f"prod/{node}/os_deficit", "opened")]
    assert opened["incidents"][0]["nodes"][0]["evidence"]["devices"]
    assert opened["account"] == ACCOUNT
    assert opened["dashboard_url"].startswith("https://console.example/")
    judge(at[3:])
    [resolved] = deployed.told()
    assert [i["news"] for i in resolved["incidents"]] == ["resolved"]
    assert deployed.published("NodesUnexplained", ClusterName="prod")[1:4] == [1, 1, 1]
    assert deployed.published("NodesUnexplained")[-1] == 0
    assert len(deployed.published("OsToEniRatio", ClusterName="prod", InstanceId=node)) >= 8
    assert [(each["news"], each["why"]) for each in deployed.logged.of("told")] == [
        ("opened", "confirmed"),
        ("resolved", "explained_again"),
    ]
    assert [each["os_sources"] for each in deployed.logged.of("reconciled")][1:4] == [["classic"]] * 3
    outcomes = [(each["outcome"], each["verdicts"]) for each in deployed.logged.of("reconciled")]
    assert outcomes[2] == ("judged", {"os_deficit": 1})
    flagged = {(each["instance_id"], each["verdict"]) for each in deployed.logged.of("flagged")}
    assert flagged == {(node, "os_deficit")}
    health = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert {name for each in health for name in each} >= {
        "WorkItemsFailed",
        "SecondsAfterSettling",
        "service",
    }
    assert all(each["WorkItemsFailed"] == [0.0] for each in health)


def test_a_message_that_comes_twice_is_done_once(deployed: LambdaAccount) -> None:
    at = windows(2)
    deployed.play("prod", "g1", *at)
    judge([*at, at[1], at[0], at[1]])
    assert len(deployed.told()) == 1
    assert [each["outcome"] for each in deployed.logged.of("reconciled")] == [
        "judged",
        "judged",
        "already_done",
        "older",
        "already_done",
    ]
    assert len(deployed.logged.of("flagged")) == 2, "a line for each window, and none for what came again"


# --- partial failures ---


def test_what_is_no_work_item_fails_alone(deployed: LambdaAccount) -> None:
    deployed.play("prod", "c")
    [at] = windows(1)
    failed = reconcile(
        record("scribble", group="other", message_id="m-1"), record(body(at), message_id="m-2")
    )
    assert failed == ["m-1"]
    assert state(deployed).done == at
    [logged] = deployed.logged.of("not a work item")
    assert logged["body"] == "scribble"


def test_after_a_failure_the_rest_of_the_cluster_waits_and_other_clusters_do_not(
    deployed: LambdaAccount,
) -> None:
    deployed.play("prod", "c")
    at = windows(2)
    failed = reconcile(
        record(body(at[0].previous(-99), "dev"), group="dev", message_id="dev-1"),
        record(body(at[0]), message_id="prod-1"),
        record(body(at[0], "dev"), group="dev", message_id="dev-2"),
        record(body(at[1]), message_id="prod-2"),
    )
    assert failed == ["dev-1", "dev-2"]
    assert state(deployed).done == at[1]
    [logged] = deployed.logged.of("failed")
    assert logged["exc_info"] is not None


def test_a_state_that_cannot_be_read_fails_and_is_left_as_it_is(deployed: LambdaAccount) -> None:
    spoilt = {
        "id": {"S": "cluster#prod"},
        "revision": {"N": "3"},
        "state": {"S": '{"schema": "enigap.state/9"}'},
    }
    deployed.aws.client("dynamodb").put_item(TableName="state", Item=spoilt)
    assert reconcile(record(body(windows(1)[0]))) == ["m"]
    assert deployed.items() == [spoilt]


def test_a_topic_that_is_gone_fails_the_message_and_keeps_what_is_to_be_said(
    deployed: LambdaAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = windows(2)
    deployed.play("prod", "g1", *at)
    judge(at[:1])
    with monkeypatch.context() as gone:
        gone.setenv("ENIGAP_TOPIC_ARN", f"arn:aws:sns:eu-west-1:{ACCOUNT}:gone")
        assert reconcile(record(body(at[1]))) == ["m"]
    assert len(state(deployed).outbox) == 1
    assert reconcile(record(body(at[1]))) == []
    assert len(deployed.told()) == 1
    assert state(deployed).outbox == ()


# --- time ---


def test_without_time_nothing_is_begun(deployed: LambdaAccount) -> None:
    deployed.play("prod", "c")
    assert reconcile(record(body(windows(1)[0])), context=FakeContext(remaining=[30_000])) == ["m"]
    assert deployed.items() == []


def test_when_time_runs_out_the_rest_is_unreadable_and_that_is_published(deployed: LambdaAccount) -> None:
    at = windows(2)
    deployed.play("prod", "g1", *at)
    for each in at:
        assert reconcile(record(body(each)), context=FakeContext(remaining=[300_000, 30_000])) == []
    assert deployed.published("NodesUnreadable", ClusterName="prod") == [1, 1]
    assert state(deployed).done == at[1]
    [event] = deployed.told()
    assert [i["id"] for i in event["incidents"]] == ["prod/*/unreadable"]


# --- what cannot be read ---


@pytest.mark.parametrize("call", ["ListMetrics", "GetMetricData"])
def test_a_denial_is_told_with_what_to_do_and_resolves_nothing(deployed: LambdaAccount, call: str) -> None:
    at = windows(6)
    deployed.play("prod", "g1", *at[:2])
    judge(at[:2])
    assert [i["verdict"] for i in deployed.told()[0]["incidents"]] == ["os_deficit"]
    deployed.cloudwatch.faults.access_denied(call, times=ALWAYS)
    judge(at[2:5])
    [event] = deployed.told()
    assert [(i["verdict"], i["news"]) for i in event["incidents"]] == [("unreadable", "opened")]
    assert {i.verdict for i in state(deployed).incidents} == {"os_deficit", "unreadable"}
    reason = deployed.logged.of("reconciled")[-1]["finding"]
    assert f"allow cloudwatch:{call}" in reason
    assert [i.reason for i in state(deployed).incidents][-1] == reason


# --- the self-test of a deployment ---


def test_a_rehearsal_makes_the_calls_and_leaves_nothing_behind(deployed: LambdaAccount) -> None:
    assert reconcile() == []
    assert deployed.items() == []
    assert deployed.told() == []
    assert deployed.cloudwatch.counters.calls["GetMetricData"] == 1
    assert deployed.published("BilledMetrics") == [0]


def test_a_rehearsal_fails_where_judging_would(
    deployed: LambdaAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.cloudwatch.faults.access_denied("GetMetricData", times=1)
    with pytest.raises(AwsProblem, match="allow cloudwatch:GetMetricData"):
        reconcile(context=FakeContext(remaining=[10_000]))
    monkeypatch.setenv("ENIGAP_STATE_TABLE", "other")
    with pytest.raises(AwsProblem, match="dynamodb:PutItem"):
        reconcile()


def test_a_rehearsal_uses_the_topics_key(deployed: LambdaAccount) -> None:
    there = deployed.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    assert handler({"Records": [], "key_arn": there}, FakeContext()) == {"batchItemFailures": []}
    gone = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    with pytest.raises(AwsProblem, match="kms:GenerateDataKey"):
        handler({"Records": [], "key_arn": gone}, FakeContext())
