"""What the adapters rely on, asserted alike of the strict fakes and of the embedded AWS.

Neither is AWS. The fakes are as strict as AWS is documented to be; the embedded AWS was written by others,
and is what the demo and the end-to-end tests run on.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from demo.embedded_aws import EmbeddedAws
from enigap.aws.clients import Aws
from enigap.aws.device_events import ContainerInsightsDevices
from enigap.aws.discovery import clusters, discover
from enigap.aws.metrics import CloudWatchTotals
from enigap.aws.placement import Wanted
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
)
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window
from tests.aws.fake_ec2 import FakeEc2, Machine
from tests.aws.fake_logs import FakeLogs
from tests.aws.worlds import node_net, plain_client
from tests.fakes.strict_cloudwatch import StrictCloudWatch

SPAN = FetchSpan.of(Window.newest_settled(datetime.now(UTC), timedelta(minutes=10)), 2)


class Backend(Protocol):
    """An AWS to read from, and how figures, machines and log events get into it."""

    cloudwatch: Any
    ec2: Any
    logs: Any

    def start_machine(self, tags: Mapping[str, str]) -> str: ...
    def stop_machine(self, instance_id: str) -> None: ...
    def write_events(self, group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> None: ...


class Fakes:
    """The strict fakes."""

    def __init__(self) -> None:
        self.cloudwatch = plain_client(
            StrictCloudWatch(now=lambda: datetime.now(UTC), aws_namespaces_writable=True)
        )
        self.ec2 = FakeEc2()
        self.logs = FakeLogs()

    def start_machine(self, tags: Mapping[str, str]) -> str:
        instance_id = f"i-{len(self.ec2.machines):017x}"
        self.ec2.machines.append(Machine(instance_id, tags))
        return instance_id

    def stop_machine(self, instance_id: str) -> None:
        (machine,) = (each for each in self.ec2.machines if each.instance_id == instance_id)
        machine.state = "stopped"

    def write_events(self, group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> None:
        self.logs.put(group, stream, events)


class Embedded:
    """The embedded AWS, through the clients that are deployed."""

    def __init__(self, aws: Aws) -> None:
        self.cloudwatch, self.ec2, self.logs = (aws.client(name) for name in ("cloudwatch", "ec2", "logs"))

    def start_machine(self, tags: Mapping[str, str]) -> str:
        started = self.ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            InstanceType="m5.large",
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
            ],
        )
        return str(started["Instances"][0]["InstanceId"])

    def stop_machine(self, instance_id: str) -> None:
        self.ec2.stop_instances(InstanceIds=[instance_id])

    def write_events(self, group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> None:
        known = self.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if not known:
            self.logs.create_log_group(logGroupName=group)
        self.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        entries = [{"timestamp": int(event["Timestamp"]), "message": json.dumps(event)} for event in events]
        self.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=entries)


@pytest.fixture(scope="module", params=["strict fakes", "embedded AWS"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "strict fakes":
        yield Fakes()
        return
    with EmbeddedAws() as embedded, pytest.MonkeyPatch.context() as environment:
        for name, value in embedded.environment().items():
            environment.setenv(name, value)
        yield Embedded(Aws())


def publish(backend: Backend, node: Node) -> Readings:
    """Publish a node's figures as the agent and EC2 do; gives back what is to be read."""
    os_rates = [1000.5 + minute for minute in range(SPAN.minutes)]
    received = [5.0 * (100 + period) for period in range(SPAN.periods)]
    sent = [5.0 * (900 + period) for period in range(SPAN.periods)]
    if node.has_series:
        dimensions = {"ClusterName": node.cluster, "InstanceId": node.instance_id, "NodeName": node.node_name}
        data = [
            {
                "MetricName": "node_network_total_bytes",
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                "Timestamp": SPAN.start + minute * MINUTE,
                "Value": rate,
                "Unit": "Bytes/Second",
            }
            for minute, rate in enumerate(os_rates)
        ]
        backend.cloudwatch.put_metric_data(Namespace="ContainerInsights", MetricData=data)
    for name, totals in (("NetworkIn", received), ("NetworkOut", sent)):
        statistics = [
            {"Sum": total, "SampleCount": 5, "Minimum": total / 5, "Maximum": total / 5} for total in totals
        ]
        data = [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "InstanceId", "Value": node.instance_id}],
                "Timestamp": SPAN.start + period * PERIOD,
                "StatisticValues": of_period,
                "Unit": "Bytes",
            }
            for period, of_period in enumerate(statistics)
        ]
        backend.cloudwatch.put_metric_data(Namespace="AWS/EC2", MetricData=data)
    return Readings(
        SPAN,
        os_bytes_per_second=tuple(os_rates) if node.has_series else (None,) * SPAN.minutes,
        network_in_bytes=tuple(received),
        network_out_bytes=tuple(sent),
        network_in_samples=(5.0,) * SPAN.periods,
    )


def read(backend: Backend, *nodes: Node) -> dict[str, Readings | Unreadable]:
    totals = CloudWatchTotals(backend.cloudwatch, queries_per_call=8).totals(nodes, SPAN)
    return {node.instance_id: readings for node, readings in totals}


def test_the_figures_that_were_published_are_read_and_told_apart(backend: Backend) -> None:
    asked = [Node("prod", f"i-0aa{number}", f"ip-10-0-0-{number}" if number else None) for number in range(3)]
    published = {node.instance_id: publish(backend, node) for node in asked}
    assert read(backend, *asked) == published


def test_a_node_that_never_reported_is_silent(backend: Backend) -> None:
    (answer,) = read(backend, Node("prod", "i-0bb", "ip-10-0-1-1")).values()
    assert isinstance(answer, Readings)
    assert set(answer.os_bytes_per_second + answer.network_in_bytes + answer.network_in_samples) == {None}


def test_a_series_is_another_clusters_though_all_else_is_equal(backend: Backend) -> None:
    publish(backend, Node("prod", "i-0cc", "ip-10-0-2-1"))
    (answer,) = read(backend, Node("staging", "i-0cc", "ip-10-0-2-1")).values()
    assert isinstance(answer, Readings)
    assert set(answer.os_bytes_per_second) == {None}
    assert None not in answer.network_in_bytes


def test_nodes_are_discovered_by_tag_and_by_series(backend: Backend) -> None:
    tagged = backend.start_machine({"kubernetes.io/cluster/blue": "owned"})
    silent = backend.start_machine({"eks:cluster-name": "blue"})
    stopped = backend.start_machine({"kubernetes.io/cluster/blue": "owned"})
    untagged = backend.start_machine({"Name": "worker"})
    stranger = backend.start_machine({"Name": "database"})
    backend.stop_machine(stopped)
    for instance_id, name in ((tagged, "ip-1"), (stopped, "ip-3"), (untagged, "ip-4"), ("i-0dd", "ip-5")):
        publish(backend, Node("blue", instance_id, name))
    for wanted in (Wanted(clusters=("blue",)), Wanted(clusters=("bl*",))):
        (cluster,) = discover(backend.ec2, backend.cloudwatch, wanted).clusters
        assert {node.instance_id: node.node_name for node in cluster.nodes} == {
            tagged: "ip-1",
            silent: None,
            untagged: "ip-4",
        }
        assert stranger not in {node.instance_id for node in cluster.nodes}
        assert cluster.departed == 2
        assert all(node.launched_at and node.launched_at.tzinfo is UTC for node in cluster.nodes)
        assert {node.instance_type for node in cluster.nodes} == {"m5.large"}
    assert "blue" in clusters(backend.ec2, backend.cloudwatch)


def devices(
    backend: Backend, nodes: Sequence[Node], scope: DeviceScope
) -> dict[str, DeviceEvents | MissingEvidence]:
    return ContainerInsightsDevices(backend.logs, Classifier()).devices(nodes, SPAN, scope)


def test_a_nodes_own_device_events_are_read(backend: Backend) -> None:
    node, other = Node("green", "i-0ee", "ip-10-0-3-1"), Node("green", "i-0ff", "ip-10-0-3-2")
    at = SPAN.start + timedelta(milliseconds=1234)
    events = [
        node_net(node, at, "eth0"),
        node_net(node, at, "eni1a2b3c4d5e6", rx=7.0),
        node_net(node, at, Type="PodNet"),
        node_net(node, at, InstanceId="i-0before"),
    ]
    group = "/aws/containerinsights/green/performance"
    backend.write_events(group, str(node.node_name), events)
    backend.write_events(group, str(other.node_name), [node_net(other, at, "ens5")])
    answers = devices(backend, [node, other], DeviceScope.ALL)
    answer = answers[node.instance_id]
    assert isinstance(answer, DeviceEvents)
    assert set(answer.samples) == {
        DeviceSample(at, "eth0", 1000.0, 500.0, 4.25, 3.5, 0.0),
        DeviceSample(at, "eni1a2b3c4d5e6", 7.0, 500.0, 4.25, 3.5, 0.0),
    }
    assert len(answer.samples) == 2
    assert (answer.foreign, answer.malformed) == (1, 0)
    assert answers[other.instance_id] == DeviceEvents(
        (DeviceSample(at, "ens5", 1000.0, 500.0, 4.25, 3.5, 0.0),)
    )


def test_the_eni_devices_of_several_nodes_are_read_and_told_apart(backend: Backend) -> None:
    some = [Node("amber", f"i-0ee{number}", f"ip-10-0-4-{number}") for number in range(3)]
    at = SPAN.start + timedelta(milliseconds=1234)
    for number, node in enumerate(some):
        events = [node_net(node, at, "eth0", rx=number), node_net(node, at, "eni1a2b3c4d5e6")]
        backend.write_events("/aws/containerinsights/amber/performance", str(node.node_name), events)
    assert devices(backend, some, DeviceScope.ENI) == {
        node.instance_id: DeviceEvents(
            (DeviceSample(at, "eth0", number, 500.0, 4.25, 3.5, 0.0),), scope=DeviceScope.ENI
        )
        for number, node in enumerate(some)
    }


def test_a_cluster_without_a_log_group_has_no_evidence(backend: Backend) -> None:
    node = Node("grey", "i-0ee", "ip-10-0-3-1")
    (answer,) = devices(backend, [node], DeviceScope.ALL).values()
    assert isinstance(answer, MissingEvidence)
    assert answer.why is NoEvidence.LOG_GROUP_MISSING
