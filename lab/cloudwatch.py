"""From a recording to what CloudWatch would have: both metrics, and the events of devices and pods.

A recording's real seconds are lab minutes; its bytes are left as they are. The judged window begins at the
third minute, so that every counter has a rate by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from demo.agent import Agent, AgentSample, Counters, node_net_event
from demo.play import INSTANCE_TYPE, eni_datum, os_datum
from demo.recorded import growth, read_proc_net_dev
from enigap.core.counting.evidence import DeviceEvents
from enigap.core.counting.meters import COMPLETE_SAMPLE_COUNT, Quantity
from enigap.core.counting.node import Node
from enigap.core.counting.pods import PodSample
from enigap.core.counting.reading import Readings
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window

LEAD_MINUTES: Final = 3
MINUTES: Final = LEAD_MINUTES + 15 + 3
"""Of a run: a window, and what is read before and after it."""
NAMESPACE: Final = "default"
_MINUTES_OF_A_PERIOD: Final = PERIOD // MINUTE


@dataclass(frozen=True, slots=True)
class EniPeriod:
    """What EC2 has of one period: bytes and packets of each of its five minutes."""

    start: datetime
    by_minute: Mapping[Quantity, tuple[int, ...]]

    def total(self, quantity: Quantity) -> float:
        return float(sum(self.by_minute[quantity]))


@dataclass(frozen=True)
class LabRun:
    """A recording at the time of a window."""

    recording: Mapping[str, Any]
    window: Window

    @property
    def begin(self) -> datetime:
        """When the lab's minute 0 begins."""
        return self.window.start - LEAD_MINUTES * MINUTE

    def at(self, sample: Mapping[str, Any]) -> datetime:
        """When it was read: a real second is a minute."""
        return self.begin + timedelta(minutes=sample["t"] - self.recording["begin"])

    def labelled(self, label: str) -> list[Mapping[str, Any]]:
        return [sample for sample in self.recording["samples"] if sample["label"] == label]

    @cached_property
    def agent(self) -> tuple[AgentSample, ...]:
        """What the agent made of the node's counters."""
        agent = Agent()
        read = ((self.at(sample), read_proc_net_dev(sample["node"])) for sample in self.labelled("agent"))
        return tuple(agent.sample(at, counters) for at, counters in read)

    @cached_property
    def pods(self) -> Mapping[str, tuple[AgentSample, ...]]:
        """What the agent made of each pod's own counters."""
        agents: dict[str, Agent] = {}
        made: dict[str, list[AgentSample]] = {}
        for sample in self.labelled("agent"):
            for pod, text in sample["pods"].items():
                counters = read_proc_net_dev(text)
                made.setdefault(pod, []).append(
                    agents.setdefault(pod, Agent()).sample(self.at(sample), counters)
                )
        return {pod: tuple(samples) for pod, samples in made.items()}

    @cached_property
    def enis(self) -> tuple[EniPeriod, ...]:
        """What EC2 has of each period in which all five minutes were read."""
        minutes = [self.far_ends(both) for both in pairwise(self.labelled("minute"))]
        periods = range(LEAD_MINUTES % _MINUTES_OF_A_PERIOD, len(minutes), _MINUTES_OF_A_PERIOD)
        return tuple(
            EniPeriod(
                self.begin + first * MINUTE,
                {
                    Quantity.ENI_IN: tuple(each.tx_bytes for each in five),
                    Quantity.ENI_OUT: tuple(each.rx_bytes for each in five),
                    Quantity.ENI_PACKETS_IN: tuple(each.tx_packets for each in five),
                    Quantity.ENI_PACKETS_OUT: tuple(each.rx_packets for each in five),
                },
            )
            for first in periods
            if len(five := minutes[first : first + _MINUTES_OF_A_PERIOD]) == _MINUTES_OF_A_PERIOD
        )

    def far_ends(self, samples: Iterable[Mapping[str, Any]]) -> Counters:
        """How far all ENIs' ends in the VPC have counted. What one sends is what the node receives."""
        grown = growth(sample["vpc"] for sample in samples)
        ends = [grown[name] for name in self.recording["topology"]["eni_side"].values() if name in grown]
        return Counters(
            sum(end.rx_bytes for end in ends),
            sum(end.tx_bytes for end in ends),
            sum(end.rx_packets for end in ends),
            sum(end.tx_packets for end in ends),
        )

    # --- As the core takes it ---

    def readings(self, span: FetchSpan) -> Readings:
        """Both totals."""
        os: list[float | None] = [None] * span.minutes
        for sample in self.agent:
            minute = (sample.at - span.start) // MINUTE
            if 0 <= minute < span.minutes:
                os[minute] = sample.total
        enis = {eni.start: eni for eni in self.enis}
        periods = [enis.get(span.start + number * PERIOD) for number in range(span.periods)]
        return Readings(
            span,
            tuple(os),
            tuple(eni.total(Quantity.ENI_IN) if eni else None for eni in periods),
            tuple(eni.total(Quantity.ENI_OUT) if eni else None for eni in periods),
            tuple(float(COMPLETE_SAMPLE_COUNT) if eni else None for eni in periods),
        )

    def events(self) -> DeviceEvents:
        """Of all devices, and of the pods in the window."""
        pods = tuple(
            PodSample(NAMESPACE, pod, event.device, event.rx_bytes_per_second, event.tx_bytes_per_second)
            for pod, samples in self.pods.items()
            for sample in samples
            if self.window.start <= sample.at < self.window.end
            for event in sample.devices
        )
        return DeviceEvents(tuple(event for sample in self.agent for event in sample.devices), pods=pods)

    # --- As AWS takes it ---

    def os_data(self, node: Node) -> Iterator[Mapping[str, Any]]:
        """For PutMetricData."""
        for sample in self.agent:
            if sample.total is not None:
                yield os_datum(node.cluster, node.instance_id, str(node.node_name), sample.at, sample.total)

    def eni_data(self, node: Node) -> Iterator[Mapping[str, Any]]:
        """For PutMetricData."""
        for period in self.enis:
            for quantity, minutes in period.by_minute.items():
                yield eni_datum(quantity, node.instance_id, period.start, minutes)

    def log_events(self, node: Node) -> Iterator[Mapping[str, Any]]:
        """For PutLogEvents, in time order."""
        names = {
            "cluster": node.cluster,
            "instance_id": node.instance_id,
            "instance_type": INSTANCE_TYPE,
            "node_name": str(node.node_name),
        }
        made = [
            (event.at, node_net_event(event, **names)) for sample in self.agent for event in sample.devices
        ]
        for pod, samples in self.pods.items():
            for sample in samples:
                made += [
                    (event.at, pod_net_event(node_net_event(event, **names), pod)) for event in sample.devices
                ]
        for at, event in sorted(made, key=lambda each: each[0]):
            yield {"timestamp": int(at.timestamp() * 1000), "message": json.dumps(event)}


def pod_net_event(event: Mapping[str, Any], pod: str) -> dict[str, Any]:
    """The `PodNet` event of a pod's interface, from the same of a node's device."""
    renamed = {name.replace("node_interface", "pod_interface"): value for name, value in event.items()}
    kubernetes = {**event["kubernetes"], "pod_name": pod, "namespace_name": NAMESPACE}
    return renamed | {"Type": "PodNet", "Namespace": NAMESPACE, "PodName": pod, "kubernetes": kubernetes}
