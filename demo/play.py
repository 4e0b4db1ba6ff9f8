"""Plays recorded nodes into an AWS: running instances, both metrics minute by minute, and device events.

Everything has the form in which the agent and EC2 publish it: the OS total per minute with its three
dimensions, EC2's totals as statistic sets of five samples per period, and one `NodeNet` event per device and
minute in the node's log stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from demo.agent import node_net_event
from demo.clients import Clients
from demo.recorded import RecordedNode
from enigap.core.counting.meters import (
    CLUSTER_DIMENSION,
    COMPLETE_SAMPLE_COUNT,
    INSTANCE_DIMENSION,
    NODE_DIMENSION,
    Quantity,
)
from enigap.core.counting.window import MINUTE, PERIOD

SAMPLED_AT: Final = timedelta(seconds=20)
"""The second of each minute at which the played agents read their counters. So most of the time that a sample
covers is before the minute of its timestamp."""

INSTANCE_TYPE: Final = "m5.4xlarge"

_DATA_PER_CALL: Final = 1000
_EVENTS_PER_CALL: Final = 5000


"""Returns the client of a service, such as `client("ec2")`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A recording that a node repeats for some time, [start, end)."""

    node: RecordedNode
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Role:
    """One node of the cluster: its name and its scenes in time order."""

    name: str
    scenes: tuple[Scene, ...]


@dataclass(frozen=True, slots=True)
class PlayedNode:
    """A role and the instance that plays it."""

    role: Role
    instance_id: str


def launch(client: Clients, cluster: str, roles: Sequence[Role]) -> tuple[PlayedNode, ...]:
    """A running instance for each role, tagged as a worker of the cluster."""
    tags = [{"Key": f"kubernetes.io/cluster/{cluster}", "Value": "owned"}]
    answer = client("ec2").run_instances(
        ImageId="ami-12345678",
        InstanceType=INSTANCE_TYPE,
        MinCount=len(roles),
        MaxCount=len(roles),
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    ids = [instance["InstanceId"] for instance in answer["Instances"]]
    return tuple(PlayedNode(role, instance_id) for role, instance_id in zip(roles, ids, strict=True))


def play(client: Clients, cluster: str, nodes: Iterable[PlayedNode], step: Callable[[str], None]) -> None:
    """Publish metrics and events of all scenes. `step` is called with a progress text for each node."""
    logs, group = client("logs"), f"/aws/containerinsights/{cluster}/performance"
    logs.create_log_group(logGroupName=group)
    for node in nodes:
        step(node.role.name)
        put_metrics(client("cloudwatch"), Quantity.OS, os_data(cluster, node))
        put_metrics(client("cloudwatch"), Quantity.ENI_IN, eni_data(node))
        put_events(logs, group, node.role.name, device_events(cluster, node))


def os_data(cluster: str, node: PlayedNode) -> Iterator[Mapping[str, Any]]:
    """node_network_total_bytes, a datapoint a minute."""
    for scene in node.role.scenes:
        for at in _labels(scene):
            yield os_datum(cluster, node.instance_id, node.role.name, at, scene.node.os.bytes_per_second)


def eni_data(node: PlayedNode) -> Iterator[Mapping[str, Any]]:
    """NetworkIn and NetworkOut, a statistic set of five samples a period."""
    for scene in node.role.scenes:
        rates = {Quantity.ENI_IN: scene.node.network_in, Quantity.ENI_OUT: scene.node.network_out}
        for at in _steps(scene.start, scene.end, PERIOD):
            for quantity, rate in rates.items():
                total = round(rate.bytes_per_second * PERIOD.total_seconds())
                minutes = [total / COMPLETE_SAMPLE_COUNT] * COMPLETE_SAMPLE_COUNT
                yield eni_datum(quantity, node.instance_id, at, minutes)


def device_events(cluster: str, node: PlayedNode) -> Iterator[Mapping[str, Any]]:
    """One NodeNet event per device and minute, in time order."""
    for scene in node.role.scenes:
        for minute in _labels(scene):
            at = minute + SAMPLED_AT
            milliseconds = int(at.timestamp() * 1000)
            for device, rate in scene.node.devices.items():
                event = node_net_event(
                    rate.sample(at, device),
                    cluster=cluster,
                    instance_id=node.instance_id,
                    instance_type=INSTANCE_TYPE,
                    node_name=node.role.name,
                )
                yield {"timestamp": milliseconds, "message": json.dumps(event)}


def os_datum(
    cluster: str, instance_id: str, node_name: str, at: datetime, bytes_per_second: float
) -> dict[str, Any]:
    """A datapoint of node_network_total_bytes, for PutMetricData."""
    return {
        "MetricName": Quantity.OS.value.metric,
        "Dimensions": _pairs(
            {CLUSTER_DIMENSION: cluster, INSTANCE_DIMENSION: instance_id, NODE_DIMENSION: node_name}
        ),
        "Timestamp": at,
        "Value": bytes_per_second,
        "Unit": "Bytes/Second",
    }


def eni_datum(quantity: Quantity, instance_id: str, at: datetime, minutes: Sequence[float]) -> dict[str, Any]:
    """A period of one of EC2's metrics, from what each of its minutes has, for PutMetricData."""
    return {
        "MetricName": quantity.value.metric,
        "Dimensions": _pairs({INSTANCE_DIMENSION: instance_id}),
        "Timestamp": at,
        "StatisticValues": {
            "SampleCount": len(minutes),
            "Sum": sum(minutes),
            "Minimum": min(minutes),
            "Maximum": max(minutes),
        },
        "Unit": "Count" if "Packets" in quantity.value.metric else "Bytes",
    }


def put_events(logs: Any, group: str, stream: str, events: Iterable[Mapping[str, Any]]) -> None:
    """Create a log stream with these events, which are in time order."""
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    for some in _chunks(events, _EVENTS_PER_CALL):
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=some)


def put_metrics(cloudwatch: Any, reading: Quantity, data: Iterable[Mapping[str, Any]]) -> None:
    """Publish to the namespace of one quantity."""
    for some in _chunks(data, _DATA_PER_CALL):
        cloudwatch.put_metric_data(Namespace=reading.value.namespace, MetricData=some)


def _labels(scene: Scene) -> Iterator[datetime]:
    """The timestamps of the samples that lie mostly in the scene."""
    return _steps(scene.start + MINUTE, scene.end + MINUTE, MINUTE)


def _steps(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += step


def _pairs(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _chunks(items: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
