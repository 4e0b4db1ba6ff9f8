"""Real device names, and what each one's bytes mean for the counting model."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from enigap.core.counting.devices import PHYSICAL_PATTERN, Classifier, DeviceKind, name_prefixes
from enigap.core.counting.evidence import DeviceEvents, DeviceSample, Surprises, surprises_in

PHYSICAL, POD = DeviceKind.PHYSICAL, DeviceKind.POD
COUNTED_AGAIN, UNKNOWN = DeviceKind.COUNTED_AGAIN, DeviceKind.UNKNOWN
GATEWAY = DeviceKind.GATEWAY

DEVICES = [
    # The ENIs of an instance
    ("eth0", PHYSICAL, "Amazon Linux 2, Bottlerocket"),
    ("eth13", PHYSICAL, "a fourteenth ENI"),
    ("ens5", PHYSICAL, "Amazon Linux 2023, Ubuntu on Nitro"),
    ("ens3", PHYSICAL, "Ubuntu on Xen"),
    ("enp0s6", PHYSICAL, "Graviton"),
    ("enp39s0", PHYSICAL, "a second network card"),
    ("enp3s0f1", PHYSICAL, "a card with several functions"),
    ("enX0", PHYSICAL, "Amazon Linux 2023 on Xen"),
    ("eno1", PHYSICAL, "on board, bare metal"),
    ("em1", PHYSICAL, "bare metal, older naming"),
    # The node's end of a pod's device
    ("eni1a2b3c4d5e6", POD, "Amazon VPC CNI: no ENI, whatever it is called"),
    ("eni972f6bfa9a0", POD, "the same, from the CloudWatch user guide"),
    ("vlanb616de1d8d1", POD, "Amazon VPC CNI, security groups for pods"),
    ("cali0123456789a", POD, "Calico"),
    ("lxc0a1b2c3d4e5f", POD, "Cilium"),
    ("lxc_health", POD, "Cilium's own endpoint"),
    ("veth3cafbbcc", POD, "bridge plugins; cAdvisor leaves it out"),
    # Bridges and gateways of such
    ("cni0", POD, "flannel's bridge"),
    ("cbr0", POD, "kubenet"),
    ("docker0", POD, "Docker; cAdvisor leaves it out"),
    ("br-5f2e1d0c9b8a", POD, "a Docker network"),
    ("kube-bridge", POD, "kube-router"),
    ("weave", POD, "Weave Net"),
    ("podman1", POD, "Podman"),
    ("virbr0", POD, "libvirt"),
    ("coredns--2b4c3d", POD, "Antrea: the pod's name and a hash"),
    ("web-0-9f00aa", POD, "Antrea, a short name"),
    ("4f1c0d2e9b8a773", POD, "OVN-Kubernetes: the sandbox's id"),
    # Gateways and uplink bridges: off-node traffic once more, and pods' traffic with the node itself
    ("antrea-gw0", GATEWAY, "Antrea, every mode"),
    ("ovs-system", GATEWAY, "Open vSwitch"),
    ("ovn-k8s-mp0", GATEWAY, "OVN-Kubernetes"),
    ("ovn-k8s-mp0_0", GATEWAY, "OVN-Kubernetes, with a virtual function"),
    ("br-ex", GATEWAY, "OVN-Kubernetes: the node's address is on it"),
    ("br-int", GATEWAY, "OVN-Kubernetes"),
    ("breth0", GATEWAY, "OVN-Kubernetes, shared gateway"),
    ("brens5", GATEWAY, "the same on Amazon Linux 2023"),
    ("br-storage", GATEWAY, "Multus, may have an uplink"),
    ("br0", GATEWAY, "the same"),
    ("cilium_host", GATEWAY, "Cilium"),
    ("cilium_net", GATEWAY, "Cilium"),
    ("bpfin.cali", GATEWAY, "Calico eBPF"),
    ("bpfout.cali", GATEWAY, "Calico eBPF"),
    ("datapath", GATEWAY, "Weave Net"),
    ("vethwe-bridge", GATEWAY, "Weave Net"),
    ("istioin", GATEWAY, "Istio ambient before 1.21"),
    ("istioout", GATEWAY, "Istio ambient before 1.21"),
    ("bond0", GATEWAY, "over ENIs that are counted as well"),
    ("team0", GATEWAY, "the same"),
    ("macvlan-shim", GATEWAY, "its parent counts the same"),
    # Addresses that are hardly ever used
    ("dummy0", POD, "hardly a byte"),
    ("pod-id-link0", POD, "EKS Pod Identity agent"),
    ("nodelocaldns", POD, "the node's DNS cache"),
    ("kube-ipvs0", POD, "service addresses"),
    ("kube-dummy-if", POD, "kube-router's service addresses"),
    ("antrea-egress0", POD, "Antrea's egress addresses"),
    ("lo", POD, "loopback; cAdvisor leaves it out"),
    # What leaves the node crosses these once more
    ("vlan.eth.1", COUNTED_AGAIN, "branch ENI of a pod with security groups of its own"),
    ("vlan.eth.12", COUNTED_AGAIN, "a twelfth one"),
    ("flannel.1", COUNTED_AGAIN, "flannel VXLAN"),
    ("flannel-v6.1", COUNTED_AGAIN, "flannel VXLAN, IPv6"),
    ("flannel-wg", COUNTED_AGAIN, "flannel WireGuard"),
    ("vxlan.calico", COUNTED_AGAIN, "Calico VXLAN"),
    ("wireguard.cali", COUNTED_AGAIN, "Calico WireGuard"),
    ("tunl0", COUNTED_AGAIN, "Calico IP-in-IP"),
    ("cilium_vxlan", COUNTED_AGAIN, "Cilium VXLAN"),
    ("cilium_geneve", COUNTED_AGAIN, "Cilium Geneve"),
    ("cilium_wg0", COUNTED_AGAIN, "Cilium WireGuard"),
    ("genev_sys_6081", COUNTED_AGAIN, "Antrea, OVN-Kubernetes"),
    ("wg0", COUNTED_AGAIN, "WireGuard"),
    ("wg-v6.cali", COUNTED_AGAIN, "Calico WireGuard, IPv6"),
    ("cilium_ipip4", COUNTED_AGAIN, "Cilium, IP-in-IP"),
    ("vxlan-6784", COUNTED_AGAIN, "Weave Net"),
    ("tailscale0", COUNTED_AGAIN, "Tailscale"),
    ("tun-10003215", COUNTED_AGAIN, "kube-router, to another node"),
    ("kube-tunnel-if", COUNTED_AGAIN, "kube-router, direct server return"),
    ("antrea-tun0", COUNTED_AGAIN, "Antrea"),
    ("tun0", COUNTED_AGAIN, "a VPN"),
    ("gre0", COUNTED_AGAIN, "GRE"),
    ("bwp0a1b2c3d4e5", COUNTED_AGAIN, "bandwidth plugin"),
    ("ifb0", COUNTED_AGAIN, "traffic shaping"),
    # Names no verdict may hang on
    ("", UNKNOWN, "an event without a device: /proc could not be read"),
    ("eni", UNKNOWN, "not a whole name"),
    ("eni1a2b3c4d5e6f", UNKNOWN, "one digit too many"),
    ("eni1a2b3c4d5eg", UNKNOWN, "not hexadecimal"),
    ("eth0.100", UNKNOWN, "a VLAN on an ENI"),
    ("eth0:1", UNKNOWN, "an alias"),
    ("myeth0", UNKNOWN, "ends like one"),
    ("ens5 ", UNKNOWN, "a blank"),
    ("ens5\n", UNKNOWN, "a line end"),
    ("Ethernet 2", UNKNOWN, "Windows"),
    ("vEthernet (nat)", UNKNOWN, "Windows, Hyper-V"),
    ("sw0p1", UNKNOWN, "somebody's own naming"),
]


@pytest.mark.parametrize(
    ("device", "kind"), [pytest.param(name, kind, id=f"{name!r}: {what}") for name, kind, what in DEVICES]
)
def test_a_devices_name_tells_its_kind(device: str, kind: DeviceKind) -> None:
    assert Classifier().kind(device) is kind


def test_a_users_physical_pattern_replaces_the_default_one() -> None:
    classifier = Classifier(physical=r"net\d+")
    assert classifier.kind("net0") is PHYSICAL
    assert classifier.kind("eth0") is UNKNOWN


def test_a_users_pattern_wins_over_the_known_classes() -> None:
    assert Classifier(physical=r"wg\d+").kind("wg0") is PHYSICAL
    assert Classifier(counted_again=(r"cni\d+",)).kind("cni0") is COUNTED_AGAIN


def test_a_users_pattern_must_match_the_whole_name() -> None:
    assert Classifier(physical="eth").kind("eth0") is UNKNOWN
    assert Classifier(pod=("my-pod",)).kind("my-pod-2") is UNKNOWN


def test_a_pattern_of_alternatives_stays_within_itself() -> None:
    classifier = Classifier(physical=r"net0|net1", pod=("a|b", "c"))
    assert [classifier.kind(name) for name in ("net1", "b", "c", "net")] == [PHYSICAL, POD, POD, UNKNOWN]


def test_no_patterns_match_nothing() -> None:
    none = Classifier(pod=(), counted_again=(), gateway=())
    assert none.kind("") is UNKNOWN
    assert none.kind("eni1a2b3c4d5e6") is UNKNOWN


@pytest.mark.parametrize(
    ("pattern", "prefixes"),
    [
        (PHYSICAL_PATTERN, ("eth", "ens", "enp", "enX", "eno", "em")),
        (r"eth0", ("eth0",)),
        (r"^eth\d+$|^ens\d+$", ("eth", "ens")),
        (r"(?:eth|(ens|enp))", ("eth", "ens", "enp")),
        (r"e(th|ns)\d", ("e",)),
        (r"eth?\d", ("et",)),
        (r"et{0,2}", ("e",)),
        (r"br\-\d|eth\.1", ("br-", "eth.1")),
        (r"[ae]th", None),
        (r".*", None),
        (r"eth\d|\d", None),
        (r"eth|", None),
        (r"(?i)eth", None),
        (r"(eth)(0)", None),
        (r"(eth)?0", None),
        (r"(?!eth)e", None),
        (r"[(|]x|eth", None),
    ],
)
def test_literal_prefixes_of_a_pattern_or_none(pattern: str, prefixes: tuple[str, ...] | None) -> None:
    assert name_prefixes(pattern) == prefixes


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


@given(
    data=st.data(),
    pattern=st.from_regex(r"(\^?\(?(eth|en[0-9]?|e|x\?y|\\d|a*|[bc])[)|?+*]?){1,5}\$?", fullmatch=True),
)
def test_every_name_that_a_pattern_matches_has_one_of_its_prefixes(data: st.DataObject, pattern: str) -> None:
    assume(_compiles(pattern))
    prefixes = name_prefixes(pattern)
    if prefixes is None:
        return
    name = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    assert name.startswith(prefixes)


def test_what_agents_of_known_versions_do_not_write_is_a_surprise() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    samples = (
        DeviceSample(at, "ens5", 9.0, 9.0, 1.0, 1.0),
        DeviceSample(at, "ens5", None, None),  # a counter was reset
        DeviceSample(at, "foo0", 9.0, 0.0, 1.0, 0.0),
        DeviceSample(at, "bar0", 0.0, 0.0, 0.0, 0.0),  # carries nothing
    )
    found = surprises_in(DeviceEvents(samples, malformed=2, anonymous=1), Classifier())
    assert found == Surprises(frozenset({"foo0"}), 3)
    assert not surprises_in(DeviceEvents(samples[:1]), Classifier())
    assert found | Surprises(frozenset({"baz0"}), 2) == Surprises(frozenset({"foo0", "baz0"}), 3)
