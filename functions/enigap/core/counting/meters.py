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


def _efa(metric: str) -> Meter:
    dimensions = (CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION)
    return Meter(OS_NAMESPACE, metric, "Average", timedelta(minutes=5), dimensions)


@unique
class Quantity(Enum):
    """The quantities read for each node; the value is the metric and statistic."""

    OS = Meter(
        OS_NAMESPACE,
        OS_METRIC,
        "Average",
        timedelta(minutes=1),
        # Exactly these three: CloudWatch knows no series by InstanceId alone.
        (CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION),
    )
    OS_SAMPLES = Meter(
        OS_NAMESPACE,
        OS_METRIC,
        "SampleCount",
        timedelta(minutes=1),
        (CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION),
    )
    """How many values a minute has: asked by `enigap doctor` only."""
    OS_OF_PERIODS = Meter(
        OS_NAMESPACE,
        OS_METRIC,
        "Average",
        timedelta(minutes=5),
        (CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION),
    )
    """What CloudWatch keeps longer than minutes: asked by `enigap doctor` only."""
    ENI_IN = Meter(ENI_NAMESPACE, "NetworkIn", "Sum", timedelta(minutes=5), (INSTANCE_DIMENSION,))
    ENI_IN_SAMPLES = Meter(
        ENI_NAMESPACE, "NetworkIn", "SampleCount", timedelta(minutes=5), (INSTANCE_DIMENSION,)
    )
    ENI_OUT = Meter(ENI_NAMESPACE, "NetworkOut", "Sum", timedelta(minutes=5), (INSTANCE_DIMENSION,))
    ENI_PACKETS_IN = Meter(
        ENI_NAMESPACE, "NetworkPacketsIn", "Sum", timedelta(minutes=5), (INSTANCE_DIMENSION,)
    )
    ENI_PACKETS_OUT = Meter(
        ENI_NAMESPACE, "NetworkPacketsOut", "Sum", timedelta(minutes=5), (INSTANCE_DIMENSION,)
    )
    EFA_RECEIVED = _efa("node_efa_rx_bytes")
    EFA_SENT = _efa("node_efa_tx_bytes")
    EFA_READ = _efa("node_efa_rdma_read_bytes")
    EFA_WRITTEN = _efa("node_efa_rdma_write_bytes")
    EFA_WRITTEN_HERE = _efa("node_efa_rdma_write_recv_bytes")
    """By others, into this node's memory. What others read of it is in no metric."""
