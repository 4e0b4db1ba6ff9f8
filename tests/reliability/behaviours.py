"""What nodes do in the timelines, as functions of when: what flows, and what goes wrong.

Every day a node moves 82 MB/s over its two network interfaces, and its OS counts 1.3 times that: what pods
exchange with other nodes twice, what they exchange with each other without any interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import MINUTE, PERIOD
from tests.fakes.node_simulator import (
    IN,
    OUT,
    AgentDown,
    DeviceGone,
    Direction,
    Flow,
    PeriodCut,
    Shape,
    burst,
    counter_reset,
    host_off_node,
    pod_off_node,
    pod_to_pod,
    steady,
    uncarried,
    unseen,
)
from tests.reliability.lives import Behaviour, Part

PODS: Final = ("eni00000000001", "eni00000000002")
BOTH_WAYS: Final = (OUT, IN)


def megabytes(per_second: float, start: datetime, end: datetime) -> Shape:
    return steady(ByteRate(per_second * 1e6), start, end)


def _host(rate: float, start: datetime, end: datetime, *, nic: str = "eth0") -> Part:
    return Part(tuple(host_off_node(megabytes(rate, start, end), way, nic=nic) for way in BOTH_WAYS))


def _pod(rate: float, start: datetime, end: datetime, *, nic: str = "eth0", also: Sequence[str] = ()) -> Part:
    shape = megabytes(rate, start, end)
    return Part(tuple(pod_off_node(shape, way, pod=PODS[0], nic=nic, also=also) for way in BOTH_WAYS))


def _inside(rate: float, start: datetime, end: datetime) -> Part:
    return Part((pod_to_pod(megabytes(rate, start, end), source=PODS[0], target=PODS[1]),))


def _unseen(rate: float, start: datetime, end: datetime, *ways: Direction) -> Part:
    return Part(tuple(unseen(megabytes(rate, start, end), way) for way in ways))


def _uncarried(rate: float, start: datetime, end: datetime, *ways: Direction, nic: str = "eth0") -> Part:
    return Part(tuple(uncarried(megabytes(rate, start, end), way, nic=nic) for way in ways))


def _on_the_first_interface(start: datetime, end: datetime) -> Part:
    return _host(1, start, end) + _pod(10, start, end) + _inside(2, start, end)


def everyday(start: datetime, end: datetime) -> Part:
    return _on_the_first_interface(start, end) + _host(30, start, end, nic="eth1")


# --- what counting explains


def a_lot_stays_on_the_node(start: datetime, end: datetime) -> Part:
    return everyday(start, end) + _inside(500, start, end)


def next_to_nothing_happens(start: datetime, end: datetime) -> Part:
    return _host(0.005, start, end)


def pods_on_an_overlay(start: datetime, end: datetime) -> Part:
    """Each byte of the pods crosses the tunnel's device as well."""
    return _pod(40, start, end, also=("flannel.1",))


def pods_behind_branch_interfaces(start: datetime, end: datetime) -> Part:
    """Pods with security groups of their own talk to each other by way of the VPC, though on one node."""
    shape = megabytes(30, start, end)
    flows = tuple(
        pod_off_node(shape, way, pod=pod, nic="eth1", also=("vlan.eth.1",))
        for way, pod in ((OUT, "vlan00000000001"), (IN, "vlan00000000002"))
    )
    return _host(1, start, end) + Part(flows)


def bursts_at_the_windows_edges(start: datetime, end: datetime) -> Part:
    """Ten gigabytes in ten seconds, now before and now after the end of a window."""
    return everyday(start, end) + _bursts(start, end)


def bursts_of_the_node_itself_at_the_windows_edges(start: datetime, end: datetime) -> Part:
    """The same, and nothing that is counted twice: by the middle values the OS now sees less than the
    interfaces carried, and in the next window more.
    """
    return _host(30, start, end) + _bursts(start, end)


def _bursts(start: datetime, end: datetime) -> Part:
    whole = Part()
    quarters = int((end - start) / timedelta(minutes=15))
    for number in range(1, quarters):
        edge = start + number * timedelta(minutes=15)
        at = edge + timedelta(seconds=-8 if number % 2 else 1)
        whole += Part((host_off_node(burst(10 * 10**9, at, timedelta(seconds=10)), OUT),))
    return whole


def pods_on_devices_of_no_known_class(start: datetime, end: datetime) -> Part:
    """A CNI plugin that calls its pods' devices as no rule knows, and much stays on the node."""
    inside = pod_to_pod(megabytes(500, start, end), source="nk0000000001", target="nk0000000002")
    return everyday(start, end) + Part((inside,))


# --- the agent


def agent_down(start: datetime, end: datetime) -> Part:
    return everyday(start, end) + Part(faults=(AgentDown(start, end),))


def agent_up_for_five_minutes(start: datetime, end: datetime) -> Part:
    downs = (AgentDown(start, start + MINUTE), AgentDown(start + 6 * MINUTE, end))
    return everyday(start, end) + Part(faults=downs)


def agent_hangs_for(gap: timedelta, after: timedelta = timedelta(minutes=4)) -> Behaviour:
    """cAdvisor gives the same old counters for a while, and then one value that averages over it."""

    def behaviour(start: datetime, end: datetime) -> Part:
        hung = AgentDown(start + after, start + after + gap, forgets=False)
        return everyday(start, end) + Part(faults=(hung,))

    return behaviour


def agent_reads_no_devices(start: datetime, end: datetime) -> Part:
    """/proc cannot be read: cAdvisor then reports one device without a name, and no bytes."""
    gone = tuple(DeviceGone(device, start, end) for device in ("eth0", "eth1", *PODS))
    return everyday(start, end) + Part(faults=gone, devices=("",))


def agent_in_a_namespace_of_its_own(start: datetime, end: datetime) -> Part:
    """A new agent that sees its own eth0 and nothing else of the node, whose devices are ens5 and ens6."""
    gone = tuple(DeviceGone(device, start, end) for device in ("ens5", "ens6", *PODS))
    restarts = (AgentDown(start - MINUTE, start), AgentDown(end - MINUTE, end))
    its_own = _uncarried(0.0004, start, end, *BOTH_WAYS)
    return _unseen(41, start, end, *BOTH_WAYS) + its_own + Part(faults=gone + restarts, devices=("eth0",))


def everyday_on_al2023(start: datetime, end: datetime) -> Part:
    """The same as every day on interfaces that have other names."""
    return (
        _host(1, start, end, nic="ens5")
        + _pod(10, start, end, nic="ens5")
        + _inside(2, start, end)
        + _host(30, start, end, nic="ens6")
    )


# --- counters


def counter_starts_anew(device: str, *minutes: int) -> Behaviour:
    """The device is made again under the same name, so many minutes into it."""

    def behaviour(start: datetime, end: datetime) -> Part:
        resets = tuple(counter_reset(device, start + minute * MINUTE) for minute in minutes)
        return everyday(start, end) + Part(faults=resets)

    return behaviour


# --- the node


def nic_moved_into_a_pod(start: datetime, end: datetime) -> Part:
    gone = Part(faults=(DeviceGone("eth1", start, end),))
    return _on_the_first_interface(start, end) + _unseen(30, start, end, *BOTH_WAYS) + gone


def kernel_bypass(start: datetime, end: datetime) -> Part:
    """The device is still there, and a program of the user's takes the packets before the kernel does."""
    return _on_the_first_interface(start, end) + _unseen(30, start, end, *BOTH_WAYS)


def drops_on_receive(start: datetime, end: datetime) -> Part:
    """Packets arrive and are dropped before the device's counters: a full ring, an XDP program."""
    return everyday(start, end) + _unseen(120, start, end, IN)


def drops_on_transmit(start: datetime, end: datetime) -> Part:
    """Packets are counted by the device and dropped by the hypervisor: the allowance is used up."""
    return everyday(start, end) + _uncarried(160, start, end, OUT)


def everything_counted_times(factor: int) -> Behaviour:
    """The OS side is in another unit: so many times what the interfaces carry."""

    def behaviour(start: datetime, end: datetime) -> Part:
        return _host(10, start, end) + _uncarried(10 * (factor - 1), start, end, *BOTH_WAYS)

    return behaviour


def everything_divided_by(factor: int) -> Behaviour:
    """The OS side is in another unit: a fraction of what the interfaces carry."""

    def behaviour(start: datetime, end: datetime) -> Part:
        return _host(80 / factor, start, end) + _unseen(80 - 80 / factor, start, end, *BOTH_WAYS)

    return behaviour


def traffic_on_a_device_of_no_known_class(start: datetime, end: datetime) -> Part:
    """The second interface has a name that no rule knows, and much stays on the node besides."""
    return _on_the_first_interface(start, end) + _host(30, start, end, nic="wan0") + _inside(500, start, end)


def traffic_inside_on_devices_called_like_interfaces(start: datetime, end: datetime) -> Part:
    """Virtual devices under the names of physical ones."""
    inside = pod_to_pod(megabytes(100, start, end), source="eth7", target="eth8")
    return everyday(start, end) + Part((inside,))


# --- EC2


def ec2_counts_times(factor: float) -> Behaviour:
    """EC2's figures are wrong."""

    def behaviour(start: datetime, end: datetime) -> Part:
        flows: tuple[Flow, ...] = tuple(
            host_off_node(megabytes(30, start, end), way, eni_bytes_per_byte=factor) for way in BOTH_WAYS
        )
        return Part(flows)

    return behaviour


def ec2_publishes_minutes_of_each_period(minutes: int) -> Behaviour:
    """EC2's datapoints never get all their samples."""

    def behaviour(start: datetime, end: datetime) -> Part:
        periods = [start + number * PERIOD for number in range((end - start) // PERIOD)]
        return everyday(start, end) + Part(faults=tuple(PeriodCut(each, minutes) for each in periods))

    return behaviour


def ec2_is_silent(start: datetime, end: datetime) -> Part:
    """No datapoint at all."""
    return ec2_publishes_minutes_of_each_period(0)(start, end)
