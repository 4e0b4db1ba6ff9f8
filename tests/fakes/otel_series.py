"""What the OpenTelemetry Container Insights would hold of a simulated node, decoys included.

The counters are those of `tests/fakes/node_simulator.py`; each pod on the host's network has a copy of them,
read by cAdvisor up to 20 s before the scrape. Synthetic: no recording of a live cluster is public.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import compress
from random import Random
from typing import Final

from tests.fakes.node_simulator import (
    AgentDown,
    Crossing,
    DeviceGone,
    SimulatedNode,
    Way,
    _Sampled,
)
from tests.fakes.promql import Stored

ANCHORS: Final = ("cloudwatch-agent", "aws-node", "kube-proxy")
SCRAPE: Final = timedelta(seconds=30)
_NAMES: Final = {
    (Way.RX, "bytes"): "container_network_receive_bytes_total",
    (Way.TX, "bytes"): "container_network_transmit_bytes_total",
    (Way.RX, "packets"): "container_network_receive_packets_total",
    (Way.TX, "packets"): "container_network_transmit_packets_total",
}


def otel_series(
    node: SimulatedNode,
    begin: datetime,
    end: datetime,
    *,
    anchors: Sequence[str] = ANCHORS,
    on_own_network: Sequence[str] = (),
    down: Mapping[str, tuple[datetime, datetime]] | None = None,
    every: timedelta = SCRAPE,
) -> Iterator[Stored]:
    """Every series that holds samples scraped in [begin, end), one for each time `every`.

    `on_own_network` are anchors that have a network of their own; `down` says when one has no pod.
    """
    random = Random(f"otel {node.node.instance_id}")  # noqa: S311
    scrapes = list(_scrapes(node, begin, end, random.uniform(0, 1) * every, every))
    for anchor in anchors:
        gone = (down or {}).get(anchor)
        asked = [at for at in scrapes if gone is None or not gone[0] <= at < gone[1]]
        read = [at - timedelta(seconds=random.uniform(0, 20)) for at in asked]
        if anchor in on_own_network:
            yield from _in_a_pod(node, anchor, read)
            continue
        sampled = _Sampled([_microseconds(at) for at in read])
        for device in node.counted_devices:
            yield from _copies(node, anchor, device, read, sampled)
    # A pod's own network, and the exporter's of the node: both are of no use, and both are there.
    pods = [name for name in node.counted_devices if name.startswith("eni")]
    sampled = _Sampled([_microseconds(at) for at in scrapes])
    for number, device in enumerate(pods):
        for series in _copies(node, "web", device, scrapes, sampled, kinds=("bytes",)):
            turned = {
                _NAMES[Way.RX, "bytes"]: _NAMES[Way.TX, "bytes"],
                _NAMES[Way.TX, "bytes"]: _NAMES[Way.RX, "bytes"],
            }[series.labels["__name__"]]
            labels = {**series.labels, "__name__": turned, "interface": "eth0"}
            yield Stored(labels | {"@resource.k8s.pod.name": f"web-{number}"}, series.seconds, series.values)
    for way in ("receive", "transmit"):
        labels = _labels(node, "node-exporter", f"node_network_{way}_bytes_total") | {"device": "eth0"}
        yield Stored(labels, [at.timestamp() for at in scrapes], [1000.0 * n for n in range(len(scrapes))])


def _in_a_pod(node: SimulatedNode, workload: str, read: Sequence[datetime]) -> Iterator[Stored]:
    for way in Way:
        labels = _labels(node, workload, _NAMES[way, "bytes"]) | {"interface": "eth0"}
        yield Stored(labels, [at.timestamp() for at in read], [1e5 * n for n in range(len(read))])


def _labels(node: SimulatedNode, workload: str, name: str) -> dict[str, str]:
    return {
        "__name__": name,
        "@resource.k8s.cluster.name": node.node.insights_cluster,
        "@resource.host.id": node.node.instance_id,
        "@resource.k8s.node.name": str(node.node.node_name),
        "@resource.k8s.workload.name": workload,
        "@resource.k8s.pod.name": f"{workload}-x7k2p",
        "@instrumentation.@name": "github.com/google/cadvisor",
    }


def _copies(  # noqa: PLR0917 - one device as one pod has it
    node: SimulatedNode,
    workload: str,
    device: str,
    read: Sequence[datetime],
    sampled: _Sampled,
    kinds: Sequence[str] = ("bytes", "packets"),
) -> Iterator[Stored]:
    """One device's counters; from zero each time that the device is made."""
    gone = [fault for fault in node.faults if isinstance(fault, DeviceGone) and fault.device == device]
    there = [not any(fault.start <= at < fault.end for fault in gone) for at in read] if gone else []
    seconds = [at.timestamp() for at in (compress(read, there) if gone else read)]
    for (way, kind), name in _NAMES.items():
        if kind not in kinds or (kind == "packets" and not node.has_packets):
            continue
        counters = node._counters if kind == "bytes" else node._packet_counters
        counter = counters[Crossing(device, way)]
        values = [float(value) for value in counter.sampled(sampled)]
        if gone:
            begun = {fault.end: counter.before(_microseconds(fault.end)) for fault in gone}
            values = [
                value - max((begun[back] for back in begun if back <= at), default=0)
                for at, value in compress(zip(read, values, strict=True), there)
            ]
        if values:
            labels = _labels(node, workload, name) | {"interface": device}
            yield Stored(labels, seconds, values)


def _scrapes(
    node: SimulatedNode, begin: datetime, end: datetime, phase: timedelta, every: timedelta
) -> Iterator[datetime]:
    """While an agent's process lives: it is the agent that scrapes."""
    downs = [fault for fault in node.faults if isinstance(fault, AgentDown)]
    at = begin + phase
    while at < end:
        lives = any(agent.since <= at and (agent.until is None or at < agent.until) for agent in node.agents)
        if lives and not any(fault.start <= at < fault.end for fault in downs):
            yield at
        at += every


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000)
