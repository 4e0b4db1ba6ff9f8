"""Recorded nodes, and the node of the article that raised the question, to be played and judged.

The recordings in `captures/` are texts of /proc/net/dev on both sides of a node's network interfaces (see the
README.md there). This module converts them to CloudWatch's metrics: rates per device, their total, and
NetworkIn plus NetworkOut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from demo.agent import Counters
from enigap.core.counting.evidence import DeviceEvents, DeviceSample
from enigap.core.counting.meters import COMPLETE_SAMPLE_COUNT
from enigap.core.counting.reading import Readings
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan


@dataclass(frozen=True, slots=True)
class DeviceRate:
    """The rates at which a device receives and sends."""

    rx: ByteRate
    tx: ByteRate
    rx_packets_per_second: float = 0.0
    tx_packets_per_second: float = 0.0

    def sample(self, at: datetime, device: str) -> DeviceSample:
        """What the agent's event at this time says."""
        return DeviceSample(
            at,
            device,
            self.rx.bytes_per_second,
            self.tx.bytes_per_second,
            self.rx_packets_per_second,
            self.tx_packets_per_second,
            dropped_per_second=0.0,
        )


@dataclass(frozen=True, slots=True)
class RecordedNode:
    """One node's rates on both sides."""

    key: str
    name: str
    """Short and readable, such as `b-pod-to-remote`."""
    title: str
    """The traffic on the node, in words that do not need the counting model."""
    os: ByteRate
    """`node_network_total_bytes`"""
    network_in: ByteRate
    network_out: ByteRate
    devices: Mapping[str, DeviceRate]
    """The devices that the agent reports, by name."""
    evidence_is_made_up: bool = False
    """Whether `devices` was not measured: true only for the article's node, of which no device is known."""


TITLES: Final = {
    "a": "Two pods of one node send each other as much as they can",
    "b": "A pod sends to a machine elsewhere",
    "c": "The node itself sends to a machine elsewhere",
    "d": "A pod sends to its own node",
    "e": "Pods and the node send to each other and elsewhere, all at once",
    "f1": "Nothing happens",
    "f2": "Next to nothing happens: a probe and a small request",
    "g1": "A network interface was moved into a pod, where the node's counters do not see it",
    "g2": "A pod shares the node's network interface (macvlan) and sends to a machine elsewhere",
    "g4": "A pod with security groups of its own sends to a machine elsewhere",
    "i1": "Two pods of one node talk, one is made again under its old name, and they talk on",
    "j1": "A pod sends through an overlay (flannel) to a pod on another node",
    "j3": "A pod behind an overlay (flannel) sends to its own node",
    "k1": "A pod sends elsewhere, jumbo frames",
    "k2": "A pod sends elsewhere, ordinary frames cut by the network card",
    "k3": "A pod sends elsewhere, ordinary frames cut by the kernel",
    "k4": "A pod receives from elsewhere, frame by frame",
    "k5": "A pod receives from elsewhere, frames merged on arrival",
    "m": "Two pods of one node talk through devices Container Insights leaves out (veth...)",
}

CAPTURES: Final = Path(__file__).parent / "captures"

_ARTICLE_PERIOD: Final = timedelta(minutes=5)
_ARTICLE_OS: Final = ByteRate(1_275_566_689)
_ARTICLE_NETWORK_IN: Final = ByteRate.from_total(155_698, over=_ARTICLE_PERIOD)
_ARTICLE_NETWORK_OUT: Final = ByteRate.from_total(95_259, over=_ARTICLE_PERIOD)
_PACKET_BYTES: Final = 9_015
_ACKNOWLEDGEMENT_BYTES: Final = 66
_ACKNOWLEDGED: Final = 1 / 2000
"""Bytes of acknowledgements for each byte sent, about as in recording a."""


@cache
def recorded_nodes(folder: Path = CAPTURES) -> tuple[RecordedNode, ...]:
    """Every recording of a folder in the order of its key, and the article's node last."""
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".json"))
    texts = {name.removesuffix(".json"): (folder / name).read_text(encoding="utf-8") for name in files}
    return (*(_from_capture(name, json.loads(text)) for name, text in texts.items()), _article())


def hold_constant(
    node: RecordedNode, span: FetchSpan, sampled_at: timedelta = timedelta(seconds=37)
) -> tuple[Readings, DeviceEvents]:
    """CloudWatch's data if the node had these rates during the whole span, without missing datapoints.

    `sampled_at` is the offset into each minute at which the agent reads the counters. The events begin two
    minutes before the span, because an event covers the time since the one before it.
    """
    minutes, periods = span.minutes, span.periods
    seconds = PERIOD.total_seconds()
    readings = Readings(
        span=span,
        os_bytes_per_second=(node.os.bytes_per_second,) * minutes,
        network_in_bytes=(float(round(node.network_in.bytes_per_second * seconds)),) * periods,
        network_out_bytes=(float(round(node.network_out.bytes_per_second * seconds)),) * periods,
        network_in_samples=(float(COMPLETE_SAMPLE_COUNT),) * periods,
    )
    samples = tuple(
        rate.sample(span.start + minute * MINUTE + sampled_at, name)
        for minute in range(-2, minutes)
        for name, rate in node.devices.items()
    )
    return readings, DeviceEvents(samples)


def read_proc_net_dev(text: str) -> dict[str, Counters]:
    """Parse the counters of every device in a text of /proc/net/dev, in its order."""
    devices: dict[str, Counters] = {}
    for line in text.splitlines()[2:]:
        name, _, counters = line.partition(":")
        columns = [int(column) for column in counters.split()]
        devices[name.strip()] = Counters(
            rx_bytes=columns[0],
            tx_bytes=columns[8],
            rx_packets=columns[1],
            tx_packets=columns[9],
            dropped=columns[3] + columns[11],
        )
    return devices


def growth(texts: Iterable[str]) -> dict[str, Counters]:
    """How far each device's counters grew over texts of /proc/net/dev in time order.

    A device that is new, or whose counters fell, started from zero. Bytes counted after the last text that
    has the device are lost.
    """
    grown: dict[str, Counters] = {}
    for before, after in pairwise(map(read_proc_net_dev, texts)):
        for name, now in after.items():
            then = before.get(name, Counters(0, 0))
            if now.rx_bytes < then.rx_bytes or now.tx_bytes < then.tx_bytes:
                then = Counters(0, 0)
            so_far = grown.get(name, Counters(0, 0))
            grown[name] = Counters(
                so_far.rx_bytes + now.rx_bytes - then.rx_bytes,
                so_far.tx_bytes + now.tx_bytes - then.tx_bytes,
                so_far.rx_packets + now.rx_packets - then.rx_packets,
                so_far.tx_packets + now.tx_packets - then.tx_packets,
            )
    return grown


def _from_capture(name: str, capture: Mapping[str, Any]) -> RecordedNode:
    samples, topology = capture["samples"], capture["topology"]
    over = timedelta(seconds=samples[-1]["t"] - samples[0]["t"])
    ignored = tuple(topology["ignored_prefixes"])
    devices = {
        device: DeviceRate(
            ByteRate.from_total(counted.rx_bytes, over),
            ByteRate.from_total(counted.tx_bytes, over),
            counted.rx_packets / over.total_seconds(),
            counted.tx_packets / over.total_seconds(),
        )
        for device, counted in growth(sample["node"] for sample in samples).items()
        if not device.startswith(ignored)
    }
    vpc = growth(sample["vpc"] for sample in samples)
    far_ends = [vpc[name] for name in topology["eni_side"].values()]
    return RecordedNode(
        key=capture["scenario"],
        name=name,
        title=TITLES.get(capture["scenario"], capture["title"]),
        os=sum((rate.rx + rate.tx for rate in devices.values()), ZERO),
        network_in=ByteRate.from_total(sum(end.tx_bytes for end in far_ends), over),
        network_out=ByteRate.from_total(sum(end.rx_bytes for end in far_ends), over),
        devices=devices,
    )


def _article() -> RecordedNode:
    """Two iperf3 pods on one EKS node, as an article of 2022 read them off CloudWatch at 09:05 UTC.

    The article has the two metrics only. The devices are invented to fit them: the bytes that one pod sends
    are those that the other receives, and the physical device carries the bytes of the ENIs.
    """
    one_way = (_ARTICLE_OS - _ARTICLE_NETWORK_IN - _ARTICLE_NETWORK_OUT) / 2
    sent = one_way / (1 + _ACKNOWLEDGED)
    acknowledged = one_way - sent
    packets = sent.bytes_per_second / _PACKET_BYTES
    acknowledgements = acknowledged.bytes_per_second / _ACKNOWLEDGEMENT_BYTES
    return RecordedNode(
        key="article",
        name="article",
        title="Two iperf3 pods of one EKS node, as the article saw them in CloudWatch",
        os=_ARTICLE_OS,
        network_in=_ARTICLE_NETWORK_IN,
        network_out=_ARTICLE_NETWORK_OUT,
        devices={
            "eth0": DeviceRate(_ARTICLE_NETWORK_IN, _ARTICLE_NETWORK_OUT, 1.0, 1.0),
            "eni1a2b3c4d5e6": DeviceRate(sent, acknowledged, packets, acknowledgements),
            "eni6e5d4c3b2a1": DeviceRate(acknowledged, sent, acknowledgements, packets),
        },
        evidence_is_made_up=True,
    )
