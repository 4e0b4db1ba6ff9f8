"""What a cluster publishes instead of its nodes' totals is said before it is said to publish nothing."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from enigap.aws.cluster_series import why_not_read
from tests.aws.fake_logs import FakeLogs, error
from tests.aws.worlds import NOW, SPAN, node, node_net, plain_client, without
from tests.fakes.strict_cloudwatch import StrictCloudWatch, metric

GROUP = "/aws/containerinsights/prod/performance"
TOTAL = "node_network_total_bytes"


def published(
    dimensions: Mapping[str, str] | None = None, name: str = TOTAL, *, minutes_ago: int = 20
) -> StrictCloudWatch:
    """A CloudWatch that has one series of the cluster, which ended so many minutes ago."""
    return also(StrictCloudWatch(now=NOW), dimensions or {}, name, minutes_ago=minutes_ago)


def also(
    fake: StrictCloudWatch, dimensions: Mapping[str, str], name: str = TOTAL, *, minutes_ago: int = 20
) -> StrictCloudWatch:
    of = metric("ContainerInsights", name, ClusterName="prod", **dimensions)
    end = NOW - timedelta(minutes=minutes_ago)
    fake.load(of, end - timedelta(minutes=30), [1000.0] * 30, unit="Bytes/Second")
    return fake


def wrote(*events: Mapping[str, Any]) -> FakeLogs:
    logs = FakeLogs()
    logs.put(GROUP, "any stream", list(events))
    return logs


def why(cloudwatch: StrictCloudWatch, logs: FakeLogs | None = None) -> str | None:
    return why_not_read(plain_client(cloudwatch), logs or FakeLogs(), "prod", SPAN)


@pytest.mark.parametrize("name", ["see https://evil.example", "evil.example", "<!channel>", "n" * 200])
def test_metrics_that_no_agent_names_so_are_not_shown(name: str) -> None:
    told = why(published(NODE, name=name))
    assert told is not None
    assert name not in told
    assert "publish other metrics and leave this one out" in told
    both = why(also(published(NODE, name=name), NODE, "node_cpu_utilization"))
    assert "publish other metrics (node_cpu_utilization) and" in str(both)


NODE = {"InstanceId": "i-1", "NodeName": "ip-10-0-0-1.ec2.internal"}
AT = SPAN.start + timedelta(minutes=5)
EVENT = node_net(node(1), AT)


@pytest.mark.parametrize(
    "dimensions",
    [
        {},
        {"NodeName": "ip-10-0-0-1.ec2.internal"},
        {"NodeName": "ip-10-0-0-1.ec2.internal", "InstanceId": "unknown"},
        {"NodeName": "worker-1", "InstanceId": "worker-1"},
    ],
    ids=["the cluster's total", "by name alone", "no EC2 id", "the name for an id"],
)
def test_series_without_an_instance_id_point_at_the_instance_metadata(dimensions: dict[str, str]) -> None:
    told = why(published(dimensions))
    assert told is not None
    assert "without an instance id" in told
    assert "modify-instance-metadata-options" in told
    assert f"--http-put-response-hop-limit 2 --region {StrictCloudWatch(now=NOW).region}" in told
    assert "install" not in told.replace("instance", "")


@pytest.mark.parametrize("minutes_ago", [90, 170])
def test_a_total_that_ended_before_the_windows_is_of_agents_that_are_gone(minutes_ago: int) -> None:
    assert why(published(minutes_ago=minutes_ago)) is None


def test_series_of_instances_and_of_fargate_are_no_sign_of_it() -> None:
    cloudwatch = published({"NodeName": "ip-10-0-0-1.ec2.internal", "InstanceId": "i-0abc"})
    also(cloudwatch, {"NodeName": "fargate-ip-10-0-0-2.ec2.internal"})
    also(cloudwatch, {"NodeName": "mi-0abc", "InstanceId": "mi-0abc"})
    assert why(cloudwatch) is None


def test_events_without_an_instance_id_point_at_it_even_if_no_metric_is_published() -> None:
    told = why(StrictCloudWatch(now=NOW), wrote(without(EVENT, "InstanceId"), without(EVENT, "InstanceId")))
    assert told is not None
    assert "events of its agents carry no instance id" in told
    assert "modify-instance-metadata-options" in told


def test_events_with_one_are_of_agents_that_leave_the_metric_out() -> None:
    told = why(StrictCloudWatch(now=NOW), wrote(EVENT))
    assert told is not None
    assert "write device events and leave this one out" in told
    assert "`metric_declarations`" in told
    assert "metadata" not in told


@pytest.mark.parametrize(
    "dimensions",
    [{}, {"InstanceId": "i-0abc", "NodeName": "ip-10-0-0-1.ec2.internal"}, {"Namespace": "prod"}],
)
def test_other_metrics_are_of_agents_that_leave_this_one_out(dimensions: dict[str, str]) -> None:
    told = why(published(dimensions, "node_cpu_utilization"))
    assert told is not None
    assert "publish other metrics (node_cpu_utilization) and leave this one out" in told
    assert "add node_network_total_bytes with the dimensions ClusterName, InstanceId and NodeName" in told


@pytest.mark.parametrize(
    "messages", [["garbage"], ["[" * 50_000], [{**EVENT, "Type": "Pod"}], [{**EVENT, "InstanceId": 7}]]
)
def test_garbage_is_no_agent(messages: Sequence[Any]) -> None:
    logs = FakeLogs(filters=False)
    logs.put(GROUP, "any stream", messages, at=int(AT.timestamp() * 1000))
    assert why(StrictCloudWatch(now=NOW), logs) is None


def test_a_cluster_that_publishes_nothing_is_left_to_the_add_on_to_explain() -> None:
    assert why(StrictCloudWatch(now=NOW)) is None


def test_what_may_not_be_asked_says_nothing() -> None:
    cloudwatch = published()
    cloudwatch.faults.access_denied(times=100)
    logs = wrote(EVENT)
    logs.faults.append(lambda _: error("AccessDeniedException", "not authorized"))
    assert why(cloudwatch, logs) is None
