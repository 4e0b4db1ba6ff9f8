"""Nodes like those that people have described in public, with names and amounts of their own.

Each has device lists and counters as they were reported, at constant rates, and the verdict that is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from enigap.core.counting.evidence import DeviceEvents, DeviceSample
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Judgement, Verdict

WINDOW = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
RULES = Rules()
NODE = Node(cluster="prod", instance_id="i-0abc", node_name="ip-10-0-3-7")
SPAN = FetchSpan.of(WINDOW, RULES.windows_fetched)
Devices = Mapping[str, tuple[float, float]]
"""Megabytes per second, received and sent."""


@dataclass(frozen=True)
class Reported:
    """A node at constant rates. What the ENIs carried is what the physical devices say, unless told."""

    devices: Devices
    eni: tuple[float, float]
    appears: Mapping[str, timedelta] = field(default_factory=dict)
    """How long before the window's end a device is attached."""

    def rates(self, at: datetime) -> dict[str, tuple[float, float]]:
        """Of the devices that have a rate at an instant: the first sample of one has none."""
        return {
            name: (rx * 1e6, tx * 1e6)
            for name, (rx, tx) in self.devices.items()
            if name not in self.appears or at >= WINDOW.end - self.appears[name] + MINUTE
        }

    @property
    def readings(self) -> Readings:
        minutes = [SPAN.start + number * MINUTE for number in range(SPAN.minutes)]
        carried_in, carried_out = (rate * 1e6 * PERIOD.total_seconds() for rate in self.eni)
        return Readings(
            SPAN,
            tuple(sum(rx + tx for rx, tx in self.rates(minute).values()) for minute in minutes),
            (carried_in,) * SPAN.periods,
            (carried_out,) * SPAN.periods,
            (5.0,) * SPAN.periods,
        )

    @property
    def events(self) -> DeviceEvents:
        times = [SPAN.start + number * MINUTE + timedelta(seconds=20) for number in range(SPAN.minutes)]
        return DeviceEvents(
            tuple(DeviceSample(at, name, *rates) for at in times for name, rates in self.rates(at).items())
        )

    def judged(self, rules: Rules = RULES) -> Judgement:
        return judge(NODE, self.readings, self.events, WINDOW, rules)


GATEWAYS = {
    "Antrea, policy-only mode": Reported(
        # All pod traffic that is not to a pod of this node passes antrea-gw0.
        {
            "eth0": (12, 8),
            "eth1": (4, 2),
            "ovs-system": (0, 0),
            "antrea-gw0": (9, 15),
            "eni0000000e001": (5, 10),
            "eni0000000e002": (4, 5),
        },
        eni=(16, 10),
    ),
    "OVN-Kubernetes, shared gateway": Reported(
        # The node's address is on br-ex, so all traffic off the node crosses it.
        {
            "ens5": (30, 20),
            "br-ex": (30, 20),
            "ovn-k8s-mp0": (1, 1),
            "4f1c0d2e9b8a773": (18, 27),
        },
        eni=(30, 20),
    ),
    "Cilium without BPF host routing": Reported(
        {
            "ens5": (40, 6),
            "cilium_host": (0, 40),
            "cilium_net": (40, 0),
            "lxc0a1b2c3d4e5f": (6, 40),
        },
        eni=(40, 6),
    ),
    "Istio ambient with Geneve on the node": Reported(
        {
            "eth0": (10, 10),
            "istioout": (0, 10),
            "istioin": (0, 10),
            "eni00000000001": (10, 10),
        },
        eni=(10, 10),
    ),
    "ENIs under a bond": Reported(
        {"ens5": (8, 6), "ens6": (8, 6), "bond0": (16, 12), "cali00000000001": (11, 15)}, eni=(16, 12)
    ),
}


@pytest.mark.parametrize("name", GATEWAYS)
def test_what_a_gateway_device_counts_once_more_is_no_traffic_inside_the_node(name: str) -> None:
    judgement = GATEWAYS[name].judged()
    assert judgement.verdict is Verdict.POD_EDGE, judgement.reason
    assert judgement.node_local_at_least == ByteRate(0.0)
    assert "never left the node" not in str(judgement.reason)
