import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.pods import PodSample, digits_in, digits_of, host_network_pods, pods_by_device

PODS = (
    PodSample("calico-apiserver", "calico-apiserver-57589b6747-bqcdn"),
    PodSample("iperf3", "iperf3-client"),
    PodSample("iperf3", "iperf3-server"),
)


def test_a_public_pair_of_pod_and_device_comes_out() -> None:
    assert pods_by_device(["cali470c2d79457"], PODS) == {
        "cali470c2d79457": "calico-apiserver/calico-apiserver-57589b6747-bqcdn"
    }


@pytest.mark.parametrize("prefix", ["eni", "vlan", "cali", "veth", "x", "pod-"])
def test_whatever_the_prefix_the_digits_name_the_pod(prefix: str) -> None:
    device = prefix + digits_of("iperf3", "iperf3-client")
    assert pods_by_device([device], PODS) == {device: "iperf3/iperf3-client"}


@pytest.mark.parametrize("index", [1, 2, 7])
def test_a_second_interface_is_the_same_pods(index: int) -> None:
    first, further = (f"eni{digits_of('iperf3', 'iperf3-server', number)}" for number in (0, index))
    assert first != further
    assert set(pods_by_device([first, further], PODS).values()) == {"iperf3/iperf3-server"}


@pytest.mark.parametrize(
    "device",
    ["", "eth0", "ens5", "lo", "eni", "470c2d79457", "eni470c2d7945", "eni470C2D79457", "vlanx470c2d79457x"],
)
def test_a_name_of_another_form_is_no_pods(device: str) -> None:
    assert pods_by_device([device], PODS) == {}
    assert digits_in(device) is None


def test_a_device_whose_pod_is_not_in_the_events_keeps_its_name() -> None:
    assert pods_by_device([f"eni{digits_of('prod', 'gone')}"], PODS) == {}


def test_two_pods_that_come_to_the_same_digits_name_no_device() -> None:
    # A namespace has no dot; what somebody writes to the log may have.
    one, other = PodSample("a.b", "c"), PodSample("a", "b.c")
    assert pods_by_device([f"eni{digits_of('a', 'b.c')}"], [one, other]) == {}


@given(st.lists(st.text(max_size=20)), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9))))
def test_any_names_are_taken(devices: list[str], pods: list[tuple[str, str]]) -> None:
    named = pods_by_device(devices, [PodSample(*pod) for pod in pods])
    assert named.keys() <= set(devices)


# --- pods on the node's own network


NODE = {"eth0": (9e6, 4e6), "eni1a2b3c4d5e6": (5e5, 3e5)}


def seen(name: str, **interfaces: tuple[Any, Any]) -> list[PodSample]:
    return [PodSample("kube-system", name, interface, *rates) for interface, rates in interfaces.items()]


def test_a_pod_whose_events_have_the_nodes_devices_is_on_the_nodes_network() -> None:
    pods = seen("aws-node-x7k2p", eth0=(9e6, 4e6), eni1a2b3c4d5e6=(5e5, 3e5))
    assert host_network_pods(pods, NODE, []) == ("kube-system/aws-node-x7k2p",)


def test_a_pod_that_counts_all_that_the_node_does_is_on_its_network() -> None:
    only_eth0 = {"eth0": (9e6, 4e6)}
    assert host_network_pods(seen("kube-proxy-1", eth0=(9.1e6, 3.9e6)), only_eth0, []) == (
        "kube-system/kube-proxy-1",
    )


def test_a_pod_with_an_interface_that_is_only_called_the_same_is_not() -> None:
    assert host_network_pods(seen("coredns-1", eth0=(3e5, 5e5)), NODE, []) == ()


def test_a_pod_with_a_device_of_its_own_is_not_even_if_it_has_all_the_nodes_traffic() -> None:
    assert host_network_pods(seen("busy", eth0=(9e6, 4e6)), NODE, ["kube-system/busy"]) == ()


@pytest.mark.parametrize("rate", [None, math.nan, math.inf, -1.0])
def test_events_without_usable_rates_say_nothing(rate: float | None) -> None:
    assert host_network_pods(seen("pod", eth0=(rate, 4e6)), NODE, []) == ()
