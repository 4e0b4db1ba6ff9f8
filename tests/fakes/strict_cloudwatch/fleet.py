"""A fleet of EKS nodes whose series are computed when asked for: 100,000 nodes in next to no memory."""

from array import array
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from tests.fakes.strict_cloudwatch.store import (
    MINUTE_SECONDS,
    MetricIdentity,
    Points,
    epoch_second,
    floor_to,
    metric,
    regular_seconds,
)

_EC2 = "AWS/EC2"
_OS = ("ContainerInsights", "node_network_total_bytes")
_BASIC_SAMPLES = 5
_BASIC_SECONDS = 300


class NodeRates(NamedTuple):
    """A node's steady traffic in bytes per second: what its network interfaces carry, what its OS counts."""

    network_in: float
    network_out: float
    os_total: float


def pod_traffic(index: int) -> NodeRates:
    """Traffic between pods and other nodes: the OS counts it at the interface and again at the pod."""
    inbound, outbound = 1_000_000.0 + 37 * index, 400_000.0 + 11 * index
    return NodeRates(inbound, outbound, 2 * (inbound + outbound))


class SyntheticFleet:
    """A SeriesSource of `node_count` nodes with `minutes` minutes of steady data that end at `until`.

    EC2 publishes per minute under detailed monitoring and every five minutes otherwise. Like Container
    Insights, the fleet also has the cluster's own series beside those of its nodes.
    """

    def __init__(
        self,
        node_count: int,
        *,
        until: datetime,
        minutes: int = 40,
        cluster: str = "prod",
        rates: Callable[[int], NodeRates] = pod_traffic,
        detailed_monitoring: bool = False,
    ) -> None:
        if minutes * MINUTE_SECONDS < _BASIC_SECONDS:
            raise ValueError(f"a fleet needs at least five minutes of data, not {minutes}")
        self.node_count = node_count
        self.cluster = cluster
        self._rates = rates
        end = floor_to(epoch_second(until), _BASIC_SECONDS)
        step = MINUTE_SECONDS if detailed_monitoring else _BASIC_SECONDS
        self._ec2_samples = 1 if detailed_monitoring else _BASIC_SAMPLES
        self._minutes = regular_seconds(end - minutes * MINUTE_SECONDS, MINUTE_SECONDS, minutes)
        ec2_points = minutes * MINUTE_SECONDS // step
        self._ec2_seconds = regular_seconds(end - ec2_points * step, step, ec2_points)

    def instance_id(self, index: int) -> str:
        return f"i-{index:017x}"

    def node_name(self, index: int) -> str:
        return f"ip-10-{index >> 16 & 255}-{index >> 8 & 255}-{index & 255}.eu-west-1.compute.internal"

    def metrics_of(self, index: int) -> tuple[MetricIdentity, MetricIdentity, MetricIdentity]:
        """A node's NetworkIn, NetworkOut and node_network_total_bytes."""
        instance_id = self.instance_id(index)
        os_dimensions = {
            "ClusterName": self.cluster,
            "InstanceId": instance_id,
            "NodeName": self.node_name(index),
        }
        return (
            metric(_EC2, "NetworkIn", InstanceId=instance_id),
            metric(_EC2, "NetworkOut", InstanceId=instance_id),
            metric(*_OS, **os_dimensions),
        )

    def newest(self) -> Iterable[tuple[MetricIdentity, int]]:
        if self.node_count:
            yield metric(*_OS, ClusterName=self.cluster), self._minutes[-1]
        for index in range(self.node_count):
            network_in, network_out, os_total = self.metrics_of(index)
            yield network_in, self._ec2_seconds[-1]
            yield network_out, self._ec2_seconds[-1]
            yield os_total, self._minutes[-1]

    def points(self, identity: MetricIdentity) -> Points | None:
        if identity == metric(*_OS, ClusterName=self.cluster) and self.node_count:
            return self._cluster_points
        index = self._index_of(identity)
        if index is None:
            return None
        rates = self._rates(index)
        if identity.namespace != _EC2:
            return self._steady("Bytes/Second", self._minutes, rates.os_total, samples=1)
        per_second = rates.network_in if identity.name == "NetworkIn" else rates.network_out
        return self._steady(
            "Bytes", self._ec2_seconds, per_second * MINUTE_SECONDS, samples=self._ec2_samples
        )

    def _index_of(self, identity: MetricIdentity) -> int | None:
        instance_id = dict(identity.dimensions).get("InstanceId", "")
        try:
            index = int(instance_id.removeprefix("i-"), 16)
        except ValueError:
            return None
        return index if 0 <= index < self.node_count and identity in self.metrics_of(index) else None

    def _steady(self, unit: str, seconds: "array[int]", value: float, *, samples: int) -> Points:
        return Points.even(unit, seconds, array("d", [value]) * len(seconds), samples)

    @cached_property
    def _cluster_points(self) -> Points:
        """The cluster's own series: a sample per node and minute."""
        totals = [self._rates(index).os_total for index in range(self.node_count)]
        count = len(self._minutes)
        return Points(
            "Bytes/Second",
            self._minutes,
            sums=array("d", [sum(totals)]) * count,
            sample_counts=array("d", [self.node_count]) * count,
            minimums=array("d", [min(totals)]) * count,
            maximums=array("d", [max(totals)]) * count,
            shared=True,
        )


class DepartedNodes:
    """A SeriesSource of nodes that were there days ago: ListMetrics names them, and they have no data now."""

    def __init__(self, count: int, *, until: datetime, cluster: str = "prod") -> None:
        self._count, self._cluster = count, cluster
        self._last = int((until - timedelta(days=5)).timestamp()) // MINUTE_SECONDS * MINUTE_SECONDS

    def newest(self) -> Iterable[tuple[MetricIdentity, int]]:
        for index in range(self._count):
            dimensions = {
                "ClusterName": self._cluster,
                "InstanceId": f"i-f{index:016x}",
                "NodeName": f"gone-{index}",
            }
            yield metric(*_OS, **dimensions), self._last

    def points(self, _: MetricIdentity) -> Points | None:
        return None
