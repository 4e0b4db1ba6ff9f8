"""The scenarios: what is on the node, who talks, and what the counting model says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from enigap.core.counting.pods import digits_of
from enigap.core.judging.verdict import Verdict
from lab.network import (
    GATEWAY,
    JUMBO,
    NODE_IP,
    OTHER_NODE_IP,
    REMOTE_IP,
    SECOND_ENI_IP,
    Flow,
    Lab,
    Namespace,
    Pod,
)


class Term(Enum):
    """What a pod's own counters stand for in the counting model."""

    OFF_NODE = "P"
    POD_TO_POD = "L"
    POD_TO_HOST = "N"


@dataclass(frozen=True, slots=True)
class Set:
    """A scenario that is built: what flows, and what happens while it flows."""

    flows: tuple[Flow, ...]
    terms: Mapping[str, Term] = field(default_factory=dict)
    """By pod: one pod of each conversation, for each of its bytes is the other's too."""
    midway: Callable[[], tuple[Flow, ...]] | None = None
    """Called in the middle of the run. Returns flows that begin then."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A set-up of nodes and traffic, with the verdict that it must get."""

    name: str
    title: str
    build: Callable[[Lab], Set]
    verdict: Verdict
    """What the pipeline should come to."""
    recorded: str | None = None
    """The key of the recording of the same traffic in `demo/captures`."""
    counts: int = 2
    """How often the node's counted devices count a byte between a pod and elsewhere."""
    inside_counts: int = 2
    """How often they count a byte between two pods of the node."""
    breaks_the_model: str | None = None
    """Why O = H + 2P + 2L + N does not hold."""
    adds_headers: bool = False
    """Packets that leave the node have a header more there, so the formula holds but for headers."""
    floods_bytes: int = 0
    """A bridge sends a frame to all its ports until it has learned where an address is."""
    resets_a_counter: bool = False
    """The agent reports nothing of a device made again until it has counted what the old one had."""
    stand_in: str | None = None
    """What is not as on a real node."""

    @property
    def formula(self) -> str:
        """What the OS counts, by how often its devices count a byte."""
        terms = {"P": self.counts, "L": self.inside_counts, "N": 1}
        return "O = H" + "".join(f" + {n if n > 1 else ''}{term}" for term, n in terms.items() if n)


SCENARIOS: Final[dict[str, Scenario]] = {}

_MEGABITS: Final = 160
"""Of a usual flow: a lab minute is a real second, so 20 MB of it are a rate of 0.3 MB/s."""
_BACKGROUND: Final = 8


def scenario(name: str, title: str, verdict: Verdict, **more: object) -> Callable[..., Callable[[Lab], Set]]:
    def register(build: Callable[[Lab], Set]) -> Callable[[Lab], Set]:
        SCENARIOS[name] = Scenario(name, title, build, verdict, **more)  # type: ignore[arg-type]
        return build

    return register


def _off_node(source: Namespace, lab: Lab, megabits: int = _MEGABITS) -> Flow:
    return Flow(source, lab.remote, REMOTE_IP, megabits)


def _background(lab: Lab) -> Flow:
    """The little that every node exchanges with elsewhere."""
    return _off_node(lab.node, lab, _BACKGROUND)


@scenario(
    "same-node-pods",
    "Two pods of one node send each other as much as they can: the article's experiment",
    Verdict.NODE_LOCAL,
    recorded="a",
)
def _same_node_pods(lab: Lab) -> Set:
    client, server = lab.pod("iperf3-client", 1), lab.pod("iperf3-server", 2)
    flows = (Flow(client.ns, server.ns, server.ip), _background(lab))
    return Set(flows, {client.name: Term.POD_TO_POD})


@scenario("off-node-pod", "A pod sends to a machine elsewhere", Verdict.POD_EDGE, recorded="b")
def _off_node_pod(lab: Lab) -> Set:
    pod = lab.pod("web-0", 1)
    return Set((_off_node(pod.ns, lab),), {pod.name: Term.OFF_NODE})


@scenario("host-network", "The node itself sends to a machine elsewhere", Verdict.AGREE, recorded="c")
def _host_network(lab: Lab) -> Set:
    lab.pod("web-0", 1)
    return Set((_off_node(lab.node, lab),))


@scenario("pod-to-host", "A pod sends to its own node", Verdict.NODE_LOCAL, recorded="d")
def _pod_to_host(lab: Lab) -> Set:
    pod = lab.pod("web-0", 1)
    flows = (Flow(pod.ns, lab.node, NODE_IP, _MEGABITS), _background(lab))
    return Set(flows, {pod.name: Term.POD_TO_HOST})


@scenario(
    "mixed",
    "Pods and the node send to each other and elsewhere, all at once",
    Verdict.NODE_LOCAL,
    recorded="e",
)
def _mixed(lab: Lab) -> Set:
    one, other = lab.pod("local-1", 1), lab.pod("local-2", 2)
    outward, to_host = lab.pod("outward", 3), lab.pod("to-host", 4)
    flows = (
        Flow(one.ns, other.ns, other.ip, 240),
        _off_node(outward.ns, lab, 120),
        Flow(to_host.ns, lab.node, NODE_IP, 64),
        _off_node(lab.node, lab, 80),
    )
    return Set(
        flows, {one.name: Term.POD_TO_POD, outward.name: Term.OFF_NODE, to_host.name: Term.POD_TO_HOST}
    )


@scenario(
    "moved-device",
    "A network interface was moved into a pod, where the node's counters do not see it",
    Verdict.OS_DEFICIT,
    recorded="g1",
    counts=0,
    breaks_the_model="the moved interface carries bytes that no device of the node counts",
)
def _moved_device(lab: Lab) -> Set:
    ip = "192.0.2.131"
    lab.attach_eni("eth1", ip)
    pod = lab.space("moved")
    lab.node.ip("link set eth1 netns moved name net1")
    pod.ip(f"addr add {ip}/32 dev net1", "link set net1 up")
    _route_out(lab, pod, "hv-eth1")
    lab.add(Pod("moved", ip, pod, None))
    return Set((_off_node(pod, lab), _background(lab)), {"moved": Term.OFF_NODE})


@scenario(
    "macvlan",
    "A pod shares the node's network interface (macvlan) and sends to a machine elsewhere",
    Verdict.AGREE,
    recorded="g2",
    counts=1,
    breaks_the_model="a macvlan pod has no device on the node, so its bytes are counted once",
)
def _macvlan(lab: Lab) -> Set:
    ip, pod = "192.0.2.101", lab.space("macvlan-1")
    lab.node.ip(f"link add link eth0 name mv1 mtu {JUMBO} type macvlan mode bridge")
    lab.node.ip("link set mv1 netns macvlan-1 name net1")
    pod.ip(f"addr add {ip}/32 dev net1", "link set net1 up")
    _route_out(lab, pod, "hv-eth0")
    lab.route_to(ip, "hv-eth0", pod.mac("net1"))
    lab.add(Pod("macvlan-1", ip, pod, None))
    return Set((_off_node(pod, lab),), {"macvlan-1": Term.OFF_NODE})


def _route_out(lab: Lab, pod: Namespace, peer: str) -> None:
    pod.ip(
        f"route add {GATEWAY} dev net1",
        f"neigh add {GATEWAY} lladdr {lab.vpc.mac(peer)} dev net1 nud permanent",
        f"route add default via {GATEWAY} dev net1",
    )


@scenario(
    "branch-device",
    "A pod with security groups of its own sends to a machine elsewhere",
    Verdict.POD_EDGE,
    recorded="g4",
    counts=3,
    breaks_the_model="the branch device vlan.eth.1 counts the pod's bytes a third time: O = H + 3P",
    stand_in="vlan.eth.1 is a macvlan device, for 802.1Q is not in every kernel",
)
def _branch_device(lab: Lab) -> Set:
    lab.attach_eni("eth1", SECOND_ENI_IP)
    pod = lab.pod("sgp-0", 1, prefix="vlan", eni="eth1")
    lab.node.ip(
        f"link add link eth1 name vlan.eth.1 mtu {JUMBO} type macvlan mode private",
        "link set vlan.eth.1 up",
        f"neigh add {GATEWAY} lladdr {lab.vpc.mac('hv-eth1')} dev vlan.eth.1 nud permanent",
        f"route add {GATEWAY} dev vlan.eth.1 table 101",
        f"route add default via {GATEWAY} dev vlan.eth.1 table 101",
        f"route add {pod.ip} dev {pod.device} table 101",
        "rule add iif vlan.eth.1 lookup 101 priority 10",
        f"rule add iif {pod.device} lookup 101 priority 10",
    )
    lab.route_to(pod.ip, "hv-eth1", lab.node.mac("vlan.eth.1"))
    return Set((_off_node(pod.ns, lab),), {pod.name: Term.OFF_NODE})


@scenario(
    "churn",
    "Two pods of one node talk, one is made again under its old name, and they talk on",
    Verdict.NODE_LOCAL,
    recorded="i1",
    resets_a_counter=True,
)
def _churn(lab: Lab) -> Set:
    client, server = lab.pod("client", 1), lab.pod("db-0", 2)

    def again() -> tuple[Flow, ...]:
        lab.delete_pod("db-0")
        new = lab.pod("db-0", 2)
        return (Flow(client.ns, new.ns, new.ip, _MEGABITS),)

    flows = (Flow(client.ns, server.ns, server.ip, _MEGABITS, lasts=0.4), _background(lab))
    return Set(flows, {client.name: Term.POD_TO_POD}, again)


@scenario(
    "veth-names",
    "Two pods of one node talk through devices Container Insights leaves out (veth...)",
    Verdict.AGREE,
    recorded="m",
    inside_counts=0,
    breaks_the_model="cAdvisor leaves devices called veth... out, so what pods exchange is not counted",
)
def _veth_names(lab: Lab) -> Set:
    client, server = lab.pod("iperf3-client", 1, prefix="veth"), lab.pod("iperf3-server", 2, prefix="veth")
    flows = (Flow(client.ns, server.ns, server.ip, _MEGABITS), _off_node(lab.node, lab, 40))
    return Set(flows, {client.name: Term.POD_TO_POD})


@scenario(
    "second-eni",
    "A second network interface is attached midway, and a pod on it sends to a machine elsewhere",
    Verdict.POD_EDGE,
)
def _second_eni(lab: Lab) -> Set:
    first = lab.pod("web-0", 1)

    def attach() -> tuple[Flow, ...]:
        lab.attach_eni("eth1", SECOND_ENI_IP)
        pod = lab.pod("web-1", 2, eni="eth1")
        lab.node.ip(
            f"route add {GATEWAY} dev eth1 table 2",
            f"route add default via {GATEWAY} dev eth1 table 2",
            f"rule add from {pod.ip} lookup 2 priority 1536",
            f"rule add to {pod.ip} lookup main priority 512",
        )
        return (_off_node(pod.ns, lab),)

    return Set((_off_node(first.ns, lab),), {first.name: Term.OFF_NODE, "web-1": Term.OFF_NODE}, attach)


@scenario(
    "overlay",
    "A pod sends through an overlay (flannel) to a pod on another node",
    Verdict.POD_EDGE,
    recorded="j1",
    counts=3,
    adds_headers=True,
    breaks_the_model="bridge and overlay device count the pod's bytes, and each packet has a header more",
)
def _overlay(lab: Lab) -> Set:
    other = lab.space("node2")
    lab.attach_eni("eth0", OTHER_NODE_IP, other)
    other.ip(f"route add default via {GATEWAY} dev eth0")
    _flannel(lab.node, NODE_IP, 0)
    _flannel(other, OTHER_NODE_IP, 128)
    for here, there, there_ip, subnet in (
        (lab.node, other, OTHER_NODE_IP, 128),
        (other, lab.node, NODE_IP, 0),
    ):
        mac = there.mac("flannel.1")
        here.ip(
            f"neigh add 203.0.113.{subnet} lladdr {mac} dev flannel.1 nud permanent",
            f"route add 203.0.113.{subnet}/25 via 203.0.113.{subnet} dev flannel.1 onlink",
        )
        here.run("bridge", "fdb", "append", mac, "dev", "flannel.1", "dst", there_ip)
    near = _bridged(lab, lab.node, "pod-a", "203.0.113.10", "203.0.113.1")
    far = _bridged(lab, other, "pod-far", "203.0.113.140", "203.0.113.129")
    lab.add(near)
    return Set((Flow(near.ns, far.ns, far.ip, _MEGABITS),), {near.name: Term.OFF_NODE})


_OVERLAY_MTU: Final = JUMBO - 50


def _flannel(node: Namespace, ip: str, subnet: int) -> None:
    node.ip(
        f"link add cni0 mtu {_OVERLAY_MTU} type bridge",
        f"addr add 203.0.113.{subnet + 1}/25 dev cni0",
        "link set cni0 up",
        f"link add flannel.1 mtu {_OVERLAY_MTU} type vxlan id 1 dstport 8472 local {ip} dev eth0 nolearning",
        f"addr add 203.0.113.{subnet}/32 dev flannel.1",
        "link set flannel.1 up",
    )


def _bridged(lab: Lab, node: Namespace, name: str, ip: str, gateway: str) -> Pod:
    """A pod whose device on the node is a port of cni0. cAdvisor leaves devices called veth... out."""
    pod, device = lab.space(name), "veth" + digits_of("default", name)
    lab.link(pod, "eth0", node, device, _OVERLAY_MTU)
    pod.ip(f"addr add {ip}/25 dev eth0", f"route add default via {gateway}")
    node.ip(f"link set {device} master cni0")
    return Pod(name, ip, pod, device)


@scenario(
    "gateway-device",
    "A pod behind a gateway device (Antrea) sends to a machine elsewhere",
    Verdict.POD_EDGE,
    counts=3,
    floods_bytes=1000,
    breaks_the_model="the gateway device antrea-gw0 counts the pod's bytes a third time: O = H + 3P",
    stand_in="a Linux bridge in a namespace of its own switches instead of Open vSwitch",
)
def _gateway_device(lab: Lab) -> Set:
    switch = lab.space("switch")
    switch.ip("link add sw0 type bridge", f"link set sw0 mtu {JUMBO} up")
    pod, ip, gateway = lab.space("web-0"), "203.0.113.10", "203.0.113.1"
    device = "web-0-" + digits_of("default", "web-0")[:6]  # as Antrea names it
    # In the node the pod's device ends at a port of the switch, which here is in another namespace: two
    # devices of the node are joined to the switch by veth pairs whose ends are ports.
    lab.link(lab.node, "antrea-gw0", switch, "p-gw")
    lab.link(pod, "eth0", lab.node, device)
    lab.link(lab.node, "veth-port", switch, "p-pod")
    switch.ip("link set p-gw master sw0", "link set p-pod master sw0")
    lab.node.ip(
        "link add br-int type bridge",
        f"link set br-int mtu {JUMBO} up",
        f"link set {device} master br-int",
        "link set veth-port master br-int",
        f"addr add {gateway}/25 dev antrea-gw0",
    )
    pod.ip(f"addr add {ip}/25 dev eth0", f"route add default via {gateway}")
    pod.ip(f"neigh add {gateway} lladdr {lab.node.mac('antrea-gw0')} dev eth0 nud permanent")
    lab.node.ip(f"neigh add {ip} lladdr {pod.mac('eth0')} dev antrea-gw0 nud permanent")
    lab.route_to(ip, "hv-eth0", lab.node.mac("eth0"))
    lab.add(Pod("web-0", ip, pod, device))
    return Set((_off_node(pod, lab),), {"web-0": Term.OFF_NODE})
