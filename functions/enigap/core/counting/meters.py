"""The metrics that are read, and what their numbers mean.

| reading | metric | statistic | unit of a datapoint |
|---|---|---|---|
| OS | ContainerInsights `node_network_total_bytes` | Average over 60 s | Bytes/Second |
| ENI in | AWS/EC2 `NetworkIn` | Sum over 300 s | Bytes per period |
| ENI out | AWS/EC2 `NetworkOut` | Sum over 300 s | Bytes per period |
| ENI packets in, out | AWS/EC2 `NetworkPacketsIn`, `NetworkPacketsOut` | Sum over 300 s | Count per period |
| EFA in, out | ContainerInsights `node_efa_*` | Average over 300 s | Bytes/Second |
| ENI samples | AWS/EC2 `NetworkIn` | SampleCount over 300 s | Count: 5 once a period is complete |

Average, never Sum, for the OS: an agent that reports every 30 seconds, or two agents on one node, double the
sum and leave the average right. Sum, never Average, for the ENIs: EC2's Average is per one-minute sample.
Sum and SampleCount of one metric in one call are billed as one metric (up to five statistics are).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, unique
from typing import Final

from enigap.core.counting.window import MINUTE, PERIOD

OS_NAMESPACE: Final = "ContainerInsights"
OS_METRIC: Final = "node_network_total_bytes"
ENI_NAMESPACE: Final = "AWS/EC2"

CLUSTER_DIMENSION: Final = "ClusterName"
INSTANCE_DIMENSION: Final = "InstanceId"
NODE_DIMENSION: Final = "NodeName"

COMPLETE_SAMPLE_COUNT: Final = 5
"""SampleCount of a settled five-minute EC2 datapoint, with basic and with detailed monitoring alike.

On Nitro a datapoint is published after its first minute and grows: its count runs from 1 to 5
(CloudWatch user guide, ec2-metricscollected, edition of 2018)."""


@dataclass(frozen=True, slots=True)
class Meter:
    """One statistic of one metric."""

    namespace: str
    metric: str
    statistic: str
    period: timedelta
    dimensions: tuple[str, ...]


def _of_node(metric: str, statistic: str, period: timedelta) -> Meter:
    # Exactly these three: CloudWatch knows no series by InstanceId alone.
    dimensions = (CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION)
    return Meter(OS_NAMESPACE, metric, statistic, period, dimensions)


def _of_instance(metric: str, statistic: str = "Sum") -> Meter:
    return Meter(ENI_NAMESPACE, metric, statistic, PERIOD, (INSTANCE_DIMENSION,))


@unique
class Quantity(Enum):
    """The quantities read for each node; the value is the metric and statistic."""

    OS = _of_node(OS_METRIC, "Average", MINUTE)
    OS_SAMPLES = _of_node(OS_METRIC, "SampleCount", MINUTE)
    """How many values a minute has: asked by `enigap doctor` only."""
    OS_OF_PERIODS = _of_node(OS_METRIC, "Average", PERIOD)
    """What CloudWatch keeps longer than minutes: asked by `enigap doctor` only."""
    ENI_IN = _of_instance("NetworkIn")
    ENI_IN_SAMPLES = _of_instance("NetworkIn", "SampleCount")
    ENI_OUT = _of_instance("NetworkOut")
    ENI_PACKETS_IN = _of_instance("NetworkPacketsIn")
    ENI_PACKETS_OUT = _of_instance("NetworkPacketsOut")
    EFA_RECEIVED = _of_node("node_efa_rx_bytes", "Average", PERIOD)
    EFA_SENT = _of_node("node_efa_tx_bytes", "Average", PERIOD)
    EFA_READ = _of_node("node_efa_rdma_read_bytes", "Average", PERIOD)
    EFA_WRITTEN = _of_node("node_efa_rdma_write_bytes", "Average", PERIOD)
    EFA_WRITTEN_HERE = _of_node("node_efa_rdma_write_recv_bytes", "Average", PERIOD)
    """By others, into this node's memory. What others read of it is in no metric."""
