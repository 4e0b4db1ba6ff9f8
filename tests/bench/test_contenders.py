"""That everybody in the bench does the same work, and what it comes to: counts, which are exact."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSResponse

from bench import account, fleet
from enigap.aws.clients import Aws
from enigap.aws.discovery import discover
from enigap.aws.metrics import DATAPOINTS_PER_SECOND, CloudWatchTotals
from enigap.aws.pace import Pace
from enigap.aws.placement import Wanted
from enigap.core.counting.node import Node
from enigap.core.counting.window import FetchSpan, Window
from tests.fakes.strict_cloudwatch import StrictCloudWatch, SyntheticFleet, attach, client_of

NODES = 500
NOW = datetime(2026, 1, 1, 12, 12, tzinfo=UTC)
SPAN = FetchSpan.of(Window.newest_settled(NOW, timedelta(minutes=10)), 2)


@pytest.fixture
def cloudwatch() -> StrictCloudWatch:
    fake = StrictCloudWatch(NOW)
    fake.add_source(SyntheticFleet(NODES, until=NOW, minutes=60, cluster=account.CLUSTER))
    return fake


def node(index: int) -> Node:
    return Node(account.CLUSTER, account.instance_id(index), account.private_dns_name(index))


def test_the_others_get_the_bytes_that_enigap_asks_for(cloudwatch: StrictCloudWatch) -> None:
    client = client_of(cloudwatch)
    pace = Pace(DATAPOINTS_PER_SECOND, sleep=lambda _: None)
    list(CloudWatchTotals(client, pace=pace, parallelism=1).totals(map(node, range(NODES)), SPAN))
    asked = [request.parameters["MetricDataQueries"] for request in cloudwatch.requests]
    assert asked == list(fleet.calls(NODES))
    assert SPAN.end - SPAN.start == fleet.SPAN


def test_500_nodes_are_4_calls_and_1500_billed_metrics_or_1500_calls(cloudwatch: StrictCloudWatch) -> None:
    client = client_of(cloudwatch)
    start, end = fleet.span(NOW)
    for queries in fleet.calls(NODES):
        answer = client.get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=end)
        assert all(result["Values"] for result in answer["MetricDataResults"])
    assert cloudwatch.counters.calls == {"GetMetricData": 4}
    assert cloudwatch.counters.billed_metrics == 1_500
    for namespace, name, dimensions, period, statistic in fleet.metrics_of(7):
        statistics = client.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=dimensions,
            Period=period,
            Statistics=[statistic],
            StartTime=start,
            EndTime=end,
        )
        assert len(statistics["Datapoints"]) == fleet.SPAN.total_seconds() / period


def test_the_account_has_the_nodes_that_the_fleet_has_metrics_of(cloudwatch: StrictCloudWatch) -> None:
    aws = Aws()

    def answer(request: Any, **_: Any) -> AWSResponse:
        asked = {name: values[0] for name, values in parse_qs(request.body).items()}
        body = account.answer(asked["Action"], asked, NODES).encode()

        class Raw:
            def stream(self) -> Any:
                yield body

        return AWSResponse(request.url, 200, {}, Raw())

    aws.client("ec2").meta.events.register_first("before-send.ec2", answer)
    attach(cloudwatch, aws.client("cloudwatch"))
    found = discover(aws.client("ec2"), aws.client("cloudwatch"), Wanted(clusters=(account.CLUSTER,)))
    (cluster,) = found.clusters
    assert [(each.instance_id, each.node_name) for each in cluster.nodes] == [
        (node(index).instance_id, node(index).node_name) for index in range(NODES)
    ]
    assert {each.instance_type for each in cluster.nodes} == {account.INSTANCE_TYPE}


@pytest.mark.parametrize(
    "asked", [{"Action": "RunInstances"}, {"Filter.1.Name": "vpc-id", "Filter.1.Value.1": "vpc-1"}], ids=str
)
def test_what_the_account_does_not_model_it_refuses(asked: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="does not model"):
        account.answer(asked.get("Action", "DescribeInstances"), asked, NODES)
