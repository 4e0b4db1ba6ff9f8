"""Nodes like those that people have described in public, with names and amounts of their own.

Each has device lists and counters as they were reported, at constant rates, and the verdict that is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from enigap.core.counting.evidence import DeviceEvents, DeviceSample, Evidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window
from enigap.core.documents import node_document
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


GROWING = {
    "a second ENI is attached while pods talk to each other": Reported(
        {
            "ens5": (2, 1),
            "ens6": (0.02, 0.01),
            "eni00000018001": (60, 2),
            "eni00000018002": (2, 60),
        },
        eni=(2.02, 1.01),
        appears={"ens6": timedelta(minutes=7)},
    ),
    "a third ENI and a pod that uses it": Reported(
        {
            "eth0": (5, 4),
            "eth1": (3, 3),
            "eth2": (1, 2),
            "cali000000000a1": (50, 8),
            "cali000000000a2": (9, 49),
        },
        eni=(9, 9),
        appears={"eth2": timedelta(minutes=4), "cali000000000a2": timedelta(minutes=12)},
    ),
}


@pytest.mark.parametrize("name", GROWING)
def test_an_eni_that_is_attached_in_the_window_does_not_spoil_the_evidence(name: str) -> None:
    judgement = GROWING[name].judged()
    assert judgement.verdict is Verdict.NODE_LOCAL, judgement.reason


@pytest.mark.parametrize("minutes", range(1, 20))
def test_nor_does_it_whenever_that_is(minutes: int) -> None:
    seen = GROWING["a second ENI is attached while pods talk to each other"]
    node = replace(seen, appears={"ens6": timedelta(minutes=minutes)})
    assert node.judged().verdict is Verdict.NODE_LOCAL


def test_an_eni_that_was_moved_away_in_the_window_clears_nobody() -> None:
    """It carries on, and no device of the node counts it."""
    seen = replace(GROWING["a second ENI is attached while pods talk to each other"], eni=(2.02, 9))
    until = WINDOW.end - timedelta(minutes=9)
    events = tuple(s for s in seen.events.samples if s.device != "ens6")
    gone = tuple(DeviceSample(s.at, "ens6", 20e3, 8e6) for s in events if s.device == "ens5" and s.at < until)
    found = judge(NODE, seen.readings, DeviceEvents(events + gone), WINDOW, RULES)
    assert found.explained is not True, found.reason


def test_an_eni_that_is_detached_in_the_window_does_not_either() -> None:
    seen = GROWING["a second ENI is attached while pods talk to each other"]
    until = WINDOW.end - timedelta(minutes=9)
    events = DeviceEvents(tuple(s for s in seen.events.samples if s.device != "ens6"))
    gone = tuple(
        DeviceSample(s.at, "ens6", 20e3, 10e3) for s in events.samples if s.device == "ens5" and s.at < until
    )
    found = judge(NODE, seen.readings, DeviceEvents(events.samples + gone), WINDOW, RULES)
    assert found.verdict is Verdict.NODE_LOCAL, found.reason


def test_an_eni_device_whose_counter_was_reset_is_no_eni_that_was_detached() -> None:
    seen = GROWING["a second ENI is attached while pods talk to each other"]
    since = WINDOW.end - timedelta(minutes=9)
    events = DeviceEvents(tuple(s for s in seen.events.samples if s.device != "ens6"))
    reset = tuple(
        DeviceSample(s.at, "ens6", *((20e3, 10e3) if s.at < since else (None, None)))
        for s in events.samples
        if s.device == "ens5"
    )
    found = judge(NODE, seen.readings, DeviceEvents(events.samples + reset), WINDOW, RULES)
    assert found.verdict is Verdict.UNVERIFIED, found.reason


def test_a_device_without_a_sample_in_the_window_is_not_shown_at_zero() -> None:
    """The agent died before the window: what its devices carried then is unknown."""
    node = Reported({"eth0": (6, 5), "eni00000020001": (3, 3)}, eni=(6, 5))
    died = WINDOW.start - timedelta(minutes=3)
    readings = node.readings
    silent = Readings(
        SPAN,
        tuple(
            rate if SPAN.start + number * MINUTE < died else None
            for number, rate in enumerate(readings.os_bytes_per_second)
        ),
        readings.network_in_bytes,
        readings.network_out_bytes,
        readings.network_in_samples,
    )
    events = DeviceEvents(node.events.within(SPAN.start, died))
    judgement = judge(NODE, silent, events, WINDOW, RULES)
    assert judgement.verdict is Verdict.OS_SILENT
    assert node_document(judgement.figures)["evidence"] is None


def test_a_pod_that_was_gone_before_the_window_is_not_shown_at_zero_either() -> None:
    node = Reported({"eth0": (6, 5), "eni00000020001": (3, 3), "eni00000020002": (3, 3)}, eni=(6, 5))
    gone = WINDOW.start - timedelta(minutes=4)
    events = DeviceEvents(
        tuple(s for s in node.events.samples if s.device != "eni00000020002" or s.at < gone)
    )
    lower = Readings(
        SPAN,
        (17e6,) * SPAN.minutes,
        node.readings.network_in_bytes,
        node.readings.network_out_bytes,
        node.readings.network_in_samples,
    )
    judgement = judge(NODE, lower, events, WINDOW, RULES)
    assert isinstance(judgement.evidence, Evidence), judgement.evidence
    assert {device.device for device in judgement.evidence.devices} == {"eth0", "eni00000020001"}
