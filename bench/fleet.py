"""The fleet that every contender queries: its nodes and their metrics. Standard library only."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bench.account import CLUSTER, instance_id, private_dns_name

SPAN: Final = timedelta(minutes=40)
"""Two windows of 15 minutes and their edges, as enigap queries them."""
QUERIES_PER_CALL: Final = 500

Dimensions = list[dict[str, str]]


def metrics_of(index: int) -> Iterator[tuple[str, str, Dimensions, int, str]]:
    """Namespace, name, dimensions, period and statistic of the four series of one node."""
    instance = [{"Name": "InstanceId", "Value": instance_id(index)}]
    series = [
        {"Name": "ClusterName", "Value": CLUSTER},
        *instance,
        {"Name": "NodeName", "Value": private_dns_name(index)},
    ]
    yield "ContainerInsights", "node_network_total_bytes", series, 60, "Average"
    yield "AWS/EC2", "NetworkIn", instance, 300, "Sum"
    yield "AWS/EC2", "NetworkIn", instance, 300, "SampleCount"
    yield "AWS/EC2", "NetworkOut", instance, 300, "Sum"


def span(now: datetime | None = None) -> tuple[datetime, datetime]:
    """The start and end of the queries, on whole five minutes, some time ago."""
    now = now or datetime.now(UTC)
    end = now - timedelta(minutes=now.minute % 5 + 10, seconds=now.second, microseconds=now.microsecond)
    return end - SPAN, end


def calls(nodes: int) -> Iterator[list[dict[str, Any]]]:
    """The queries of each GetMetricData call for so many nodes, 500 a call."""
    batch: list[dict[str, Any]] = []
    for index in range(nodes):
        for namespace, name, dimensions, period, statistic in metrics_of(index):
            metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
            stat = {"Metric": metric, "Period": period, "Stat": statistic}
            batch.append({"Id": f"q{len(batch)}", "MetricStat": stat})
        if len(batch) + 4 > QUERIES_PER_CALL:
            yield batch
            batch = []
    if batch:
        yield batch
