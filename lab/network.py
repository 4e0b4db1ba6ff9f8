"""Builds the node, its pods, its VPC and a remote host from network namespaces that no packet can leave.

        pod                pod                    remote host
        eth0               eth0                     eth0
         |                  |                        |
     eni<digits>        eni<digits>    node        hv-rem
          \\____ routes of /32 ____/                  |
                     |                               |
                    eth0 ------------------------ hv-eth0    vpc

The node's namespace holds what the operating system counts, which cAdvisor and so Container Insights read.
The other end of its uplink, in the VPC's namespace, is the ENI seen from outside: what it sends is NetworkIn,
what it receives is NetworkOut. Pods are wired as the Amazon VPC CNI does: a veth pair, a route of /32 and a
next hop that is nobody's (aws/amazon-vpc-cni-k8s, docs/cni-proposal.md).

Everything needs root in a network, mount and PID namespace of its own (`isolation`): then the kernel removes
every device, namespace and process with the process that made them, however it ends.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from enigap.core.counting.pods import digits_of

# Addresses for documentation (RFC 5737) and link-local ones: none exists anywhere.
GATEWAY: Final = "192.0.2.1"
NODE_IP: Final = "192.0.2.10"
SECOND_ENI_IP: Final = "192.0.2.11"
OTHER_NODE_IP: Final = "192.0.2.20"
REMOTE_IP: Final = "198.51.100.2"
POD_GATEWAY: Final = "169.254.1.1"
"""The VPC CNI's next hop inside every pod."""
JUMBO: Final = 9001
"""The MTU of ENIs, in bytes."""

_PATIENCE_SECONDS: Final = 5


class LabError(Exception):
    """The lab could not be built or run: one sentence."""


def sh(*command: str) -> str:
    """Run a command. Returns its stdout; raises LabError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}.")
    return done.stdout


class Namespace:
    """A network namespace. A process that does nothing holds it, and its /proc shows the counters."""

    _SETTINGS: Final = {
        "net/ipv6/conf/all/disable_ipv6": 1,  # no router solicitations among the counts
        "net/ipv6/conf/default/disable_ipv6": 1,
        "net/ipv4/ip_forward": 1,
        "net/ipv4/conf/all/rp_filter": 0,
        "net/ipv4/conf/default/rp_filter": 0,
    }

    def __init__(self, name: str) -> None:
        self.name = name
        sh("ip", "netns", "add", name)
        self._holder = self.popen("sleep", "infinity")
        self.run("sh", "-ec", "; ".join(f"echo {v} > /proc/sys/{k}" for k, v in self._SETTINGS.items()))
        self.ip("link set lo up")

    def _inside(self, command: Iterable[str]) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(self._inside(command), text=True, **options)

    def run(self, *command: str) -> None:
        sh(*self._inside(command))

    def ip(self, *lines: str) -> None:
        """Run lines of ip(8), such as `link set lo up`."""
        for line in lines:
            sh("ip", "-n", self.name, *line.split())

    def mac(self, device: str) -> str:
        [link] = json.loads(sh("ip", "-n", self.name, "-j", "link", "show", device))
        address: str = link["address"]
        return address

    def net_dev(self) -> str:
        """The text of /proc/net/dev."""
        return Path(f"/proc/{self._holder.pid}/net/dev").read_text(encoding="ascii")

    def is_listening(self, port: int) -> bool:
        table = Path(f"/proc/{self._holder.pid}/net/tcp").read_text(encoding="ascii")
        return re.search(rf":{port:04X} [0-9A-F]+:0000 0A ", table) is not None

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()
        sh("ip", "netns", "del", self.name)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the node, in the Kubernetes namespace `default`."""

    name: str
    ip: str
    ns: Namespace
    device: str | None
    """The name of its device in the node's namespace; None if it has none there."""


@dataclass(frozen=True, slots=True)
class Flow:
    """iperf3 from one namespace to an address in another."""

    source: Namespace
    target: Namespace
    address: str
    megabits_per_second: int | None = None
    """None: as much as the machine can."""
    lasts: float = 1.0
    """For which share of the run the flow lasts."""


@dataclass(frozen=True, slots=True)
class _Iperf:
    """A flow that runs."""

    flow: Flow
    client: subprocess.Popen[str]
    server: subprocess.Popen[str]
    command: str


class Lab:
    """One node in one VPC with a remote host behind it."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.eni_side: dict[str, str] = {}
        """The node's devices that are ENIs, and the name of each one's end in the VPC."""
        self._spaces: dict[str, Namespace] = {}
        self._running: list[_Iperf] = []
        self._next_port = 5201
        self._reading = threading.Lock()
        self.node, self.vpc, self.remote = map(self.space, ("node", "vpc", "remote"))
        self.link(self.vpc, "hv-rem", self.remote, "eth0")
        self.vpc.ip("addr add 198.51.100.1/24 dev hv-rem", f"addr add {GATEWAY}/32 dev lo")
        self.remote.ip(f"addr add {REMOTE_IP}/24 dev eth0", "route add default via 198.51.100.1")
        self.attach_eni("eth0", NODE_IP)
        self.node.ip(f"route add default via {GATEWAY} dev eth0")

    # --- Building ---

    def space(self, name: str) -> Namespace:
        self._spaces[name] = Namespace(name)
        return self._spaces[name]

    def link(self, one: Namespace, device: str, other: Namespace, peer: str, mtu: int = JUMBO) -> None:
        """A veth pair between two namespaces, both ends up."""
        one.ip(f"link add {device} mtu {mtu} type veth peer name {peer} netns {other.name}")
        other.ip(f"link set {peer} mtu {mtu} up")
        one.ip(f"link set {device} up")

    def attach_eni(self, device: str, ip: str, node: Namespace | None = None) -> None:
        """A network interface of the node, `hv-DEVICE` in the VPC; or the only one of another node."""
        here = node or self.node
        peer = f"hv-{device}" if node is None else f"hv-{here.name}"
        self.link(here, device, self.vpc, peer)
        here.ip(
            f"addr add {ip}/32 dev {device}",
            f"route add {GATEWAY} dev {device} src {ip} metric {100 + len(self.eni_side)}",
            f"neigh add {GATEWAY} lladdr {self.vpc.mac(peer)} dev {device} nud permanent",
        )
        if node is None:
            self.eni_side[device] = peer
        self.route_to(ip, peer, here.mac(device))

    def route_to(self, ip: str, peer: str, mac: str) -> None:
        """The VPC knows which interface has which address. Nothing is asked by ARP."""
        self.vpc.ip(
            f"route replace {ip} dev {peer} src {GATEWAY}",
            f"neigh replace {ip} lladdr {mac} dev {peer} nud permanent",
        )

    def pod(self, name: str, number: int, *, prefix: str = "eni", eni: str = "eth0") -> Pod:
        """A pod as the VPC CNI wires it, its device named as that CNI does."""
        ip, device = f"192.0.2.{100 + number}", prefix + digits_of("default", name)
        ns = self.space(name)
        self.link(ns, "eth0", self.node, device)
        ns.ip(
            f"addr add {ip}/32 dev eth0",
            f"route add {POD_GATEWAY} dev eth0 scope link",
            f"route add default via {POD_GATEWAY} dev eth0",
            f"neigh add {POD_GATEWAY} lladdr {self.node.mac(device)} dev eth0 nud permanent",
        )
        self.node.ip(
            f"route add {ip} dev {device} scope link src {NODE_IP}",
            # The node would ask for its pods by ARP, and the model would miss a few bytes.
            f"neigh add {ip} lladdr {ns.mac('eth0')} dev {device} nud permanent",
        )
        self.route_to(ip, self.eni_side[eni], self.node.mac(eni))
        return self.add(Pod(name, ip, ns, device))

    def add(self, pod: Pod) -> Pod:
        self.pods[pod.name] = pod
        return pod

    def delete_pod(self, name: str) -> None:
        pod = self.pods[name]
        self.wait(pod.ns)  # a process in there would keep the namespace
        with self._reading:
            self.pods.pop(name)
            self._spaces.pop(name).close()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while str(pod.device) in self.node.net_dev() and time.monotonic() < deadline:
            time.sleep(0.02)  # the kernel takes a namespace down in the background

    # --- Reading ---

    def counters(self) -> dict[str, Any]:
        """Every side's /proc/net/dev, as nearly at one time as they can be read."""
        with self._reading:
            at = time.time()
            texts = {"node": self.node.net_dev(), "vpc": self.vpc.net_dev()}
            pods = {name: pod.ns.net_dev() for name, pod in self.pods.items()}
        return {"t": at, **texts, "pods": pods}

    def settle(self) -> None:
        """Wait until the last acknowledgements have been counted."""
        before = None
        for _ in range(30):
            now = self.node.net_dev(), self.vpc.net_dev()
            if now == before:
                return
            before = now
            time.sleep(0.1)
        raise LabError("Traffic goes on after the last flow has ended.")

    # --- Traffic ---

    def start(self, flows: Iterable[Flow], seconds: float) -> None:
        """Start flows. They end by themselves, and `wait` waits for them."""
        ready = []
        for flow in flows:
            port, self._next_port = self._next_port, self._next_port + 1
            command = f"iperf3 -4 -s -1 -B {flow.address} -p {port}".split()
            server = flow.target.popen(*command, stdout=subprocess.DEVNULL)
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not flow.target.is_listening(port):
                if time.monotonic() > deadline:
                    raise LabError(f"iperf3 does not listen on {flow.address}, port {port}.")
                time.sleep(0.01)
            ready.append((flow, port, server))
        for flow, port, server in ready:
            limit = f" -b {flow.megabits_per_second}M" if flow.megabits_per_second else ""
            command = f"iperf3 -4 -J -c {flow.address} -p {port} -t {seconds * flow.lasts:.0f}{limit}".split()
            client = flow.source.popen(*command, stdout=subprocess.PIPE)
            self._running.append(_Iperf(flow, client, server, " ".join(command)))

    def wait(self, target: Namespace | None = None) -> None:
        """Until every flow, or every one to this namespace, has ended. Raises LabError if one failed."""
        for iperf in [each for each in self._running if target in {None, each.flow.target}]:
            said, _ = iperf.client.communicate(timeout=60)
            iperf.server.wait(timeout=10)
            problem = json.loads(said).get("error") if said.strip() else "no answer"
            if iperf.client.returncode or problem:
                raise LabError(f"{iperf.command}: {problem}.")
            self._running.remove(iperf)

    def close(self) -> None:
        for iperf in self._running:
            iperf.client.kill()
            iperf.server.kill()
        for space in self._spaces.values():
            space.close()
