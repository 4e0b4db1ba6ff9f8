"""Addresses of pages in AWS's console. Names in them are encoded, so none becomes a part of the address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_letters, digits
from typing import Final

from enigap.core.counting.meters import CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION, Quantity
from enigap.core.counting.node import Node
from enigap.core.counting.window import Window
from enigap.core.instants import timestamp

CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""The host of the console in each partition; the region and a dot come in front of it."""
_PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
"""Of the regions that begin so; all others are of the partition `aws`."""
REGION_FORM: Final = r"[a-z]{2,5}(-[a-z]+)+-\d{1,2}"
"""A pattern for the names of regions in every partition. An availability zone's ends in a letter."""

_UNRESERVED: Final = frozenset(f"{ascii_letters}{digits}-._~")
"""What stands for itself in an address (RFC 3986)."""


def is_region(name: str) -> bool:
    """Whether a region can have this name."""
    return re.fullmatch(REGION_FORM, name, re.ASCII) is not None


def partition_of(region: str) -> str:
    """The partition of the console that shows a region."""
    return next((each for start, each in _PARTITIONS.items() if region.startswith(start)), "aws")


def quoted(text: str) -> str:
    """The text with everything else in it percent-encoded."""
    return "".join(chr(b) if chr(b) in _UNRESERVED else f"%{b:02X}" for b in text.encode(errors="replace"))


def home(region: str, service: str, partition: str | None = None) -> str:
    """The front page of a service in a region; the region's name tells the partition unless it is given."""
    name = quoted(region)
    return f"https://{name}.{CONSOLES[partition or partition_of(region)]}/{service}/home?region={name}"


def instance_url(region: str, instance_id: str) -> str:
    """The instance in EC2's console."""
    return f"{home(region, 'ec2')}#InstanceDetails:instanceId={quoted(instance_id)}"


def device_events_url(region: str, cluster: str) -> str:
    """The log group with a cluster's device events, by the name that the agents call it."""
    group = quoted(quoted(f"/aws/containerinsights/{cluster}/performance"))
    return f"{home(region, 'cloudwatch')}#logsV2:log-groups/log-group/{group.replace('%', '$')}"


def both_sides_url(region: str, node: Node, window: Window, windows: int) -> str:
    """A graph of the two metrics of a node, over so many windows up to this one."""
    graph = [
        (
            "metrics",
            [_metric(quantity, node) for quantity in _BOTH_SIDES if node.node_name or quantity in _EC2],
        ),
        ("view", "timeSeries"),
        ("region", region),
        ("start", timestamp(window.previous(windows).end)),
        ("end", timestamp(window.end)),
    ]
    return f"{home(region, 'cloudwatch')}#metricsV2:graph={_encoded(dict(graph))}"


_EC2: Final = (Quantity.ENI_IN, Quantity.ENI_OUT)
_BOTH_SIDES: Final = (Quantity.OS, *_EC2)


def _metric(quantity: Quantity, node: Node) -> list[object]:
    meter = quantity.value
    values = {
        CLUSTER_DIMENSION: node.insights_cluster,
        INSTANCE_DIMENSION: node.instance_id,
        NODE_DIMENSION: node.node_name or "",
    }
    dimensions = [part for name in meter.dimensions for part in (name, values[name])]
    shown = {"stat": meter.statistic, "period": int(meter.period.total_seconds())}
    return [meter.namespace, meter.metric, *dimensions, shown]


_PLAIN: Final = frozenset(f"{ascii_letters}{digits}-_.")


def _encoded(value: object) -> str:
    """As CloudWatch's console has a graph in its address: `~(a~(~'x~1))` for `{"a": ["x", 1]}`."""
    if isinstance(value, dict):
        return f"~({'~'.join(f'{key}{_encoded(each)}' for key, each in value.items())})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"~({''.join(map(_encoded, value))})"
    return f"~'{''.join(map(_letter, value))}" if isinstance(value, str) else f"~{value}"


def _letter(letter: str) -> str:
    if letter in _PLAIN:
        return letter
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    parts = [units[start : start + 4] for start in range(0, len(units), 4)]
    return "".join(f"*{part[2:]}" if part.startswith("00") else f"**{part}" for part in parts)
