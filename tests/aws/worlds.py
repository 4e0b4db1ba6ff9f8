"""Nodes and their figures for the adapters' tests."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.config import Config

from enigap.aws.clients import Aws
from enigap.core.counting.node import Node
from enigap.core.counting.window import FetchSpan, Window
from tests.fakes.strict_cloudwatch import StrictCloudWatch, attach, client_of, metric

WINDOW = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
SPAN = FetchSpan.of(WINDOW, 2)
NOW = WINDOW.end + timedelta(minutes=12)

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


def node(number: int, *, series: bool = True, cluster: str = "prod") -> Node:
    return Node(cluster, f"i-{number:017x}", f"ip-10-0-0-{number}.ec2.internal" if series else None)


def nodes(count: int, **more: Any) -> list[Node]:
    return [node(number, **more) for number in range(count)]


def os_metric(of: Node) -> Any:
    dimensions = {"ClusterName": of.cluster, "InstanceId": of.instance_id, "NodeName": str(of.node_name)}
    return metric("ContainerInsights", "node_network_total_bytes", **dimensions)


def eni_metric(name: str, of: Node) -> Any:
    return metric("AWS/EC2", name, InstanceId=of.instance_id)


def load(
    fake: StrictCloudWatch,
    of: Node,
    *,
    os_bytes_per_second: Sequence[float] | None = None,
    network_in_bytes: Sequence[float] | None = None,
    network_out_bytes: Sequence[float] | None = None,
) -> None:
    """A node's figures from the start of `SPAN` on, told apart by its number unless given."""
    own = int(of.instance_id.removeprefix("i-"), 16)
    os_rates = [1000.0 * own + minute for minute in range(SPAN.minutes)]
    in_bytes = [5.0 * (2000 * own + period) for period in range(SPAN.periods)]
    out_bytes = [5.0 * (3000 * own + period) for period in range(SPAN.periods)]
    if of.has_series:
        rates = os_rates if os_bytes_per_second is None else os_bytes_per_second
        fake.load(os_metric(of), SPAN.start, rates, unit="Bytes/Second")
    for name, given, default in (
        ("NetworkIn", network_in_bytes, in_bytes),
        ("NetworkOut", network_out_bytes, out_bytes),
    ):
        totals = default if given is None else given
        fake.load(
            eni_metric(name, of),
            SPAN.start,
            [total / 5 for total in totals],  # five samples of a minute each
            every=timedelta(minutes=5),
            samples_per_point=5,
            unit="Bytes",
        )


def world(of: Sequence[Node]) -> StrictCloudWatch:
    """A CloudWatch that has every node's figures."""
    fake = StrictCloudWatch(now=NOW)
    for each in of:
        load(fake, each)
    return fake


def plain_client(fake: StrictCloudWatch) -> Any:
    """boto3's own client, which asks once: scripted throttling must not make tests wait."""
    return client_of(fake, ONE_ATTEMPT)


def tuned_client(fake: StrictCloudWatch) -> Any:
    """The client that is deployed."""
    client = Aws(region=fake.region).client("cloudwatch")
    attach(fake, client)
    return client


def node_net(
    of: Node, at: datetime, device: str = "eth0", rx: float = 1000.0, tx: float = 500.0, **more: Any
) -> dict[str, Any]:
    """A NodeNet event as the agent writes it, version 0 of the embedded metric format."""
    event = {
        "AutoScalingGroupName": "eks-workers-5ac2bd7e",
        "ClusterName": of.cluster,
        "InstanceId": of.instance_id,
        "InstanceType": "m5.large",
        "NodeName": of.node_name,
        "Sources": ["cadvisor", "calculated"],
        "Timestamp": str(milliseconds(at)),
        "Type": "NodeNet",
        "Version": "0",
        "interface": device,
        "kubernetes": {"host": of.node_name},
        "node_interface_network_rx_bytes": rx,
        "node_interface_network_rx_dropped": 0,
        "node_interface_network_rx_errors": 0,
        "node_interface_network_rx_packets": 4.25,
        "node_interface_network_total_bytes": rx + tx,
        "node_interface_network_tx_bytes": tx,
        "node_interface_network_tx_dropped": 0,
        "node_interface_network_tx_errors": 0,
        "node_interface_network_tx_packets": 3.5,
    }
    return event | more


def without(event: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in fields}


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
