"""Which network device is which: physical, one of the known virtual kinds, or unknown.

A physical device is an ENI. Everything else the OS counts is virtual, but not all virtual devices mean the
same: a pod's own device counts all traffic of the pod, an overlay or branch device counts
off-node traffic once more, and so does a gateway device, which pods' traffic with the node itself crosses as
well. A device of no known class is not guessed.

`eni1a2b3c4d5e6` is virtual: the VPC CNI calls the node's end of a pod's veth `eni` and eleven hexadecimal
digits (aws/amazon-vpc-cni-k8s, pkg/networkutils/names.go). A pattern as short as `^en` would take it for an
ENI.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final


class DeviceKind(StrEnum):
    """What a device's bytes mean for the counting model."""

    PHYSICAL = "physical"
    """An ENI: counted by EC2 as well."""
    POD = "pod"
    """The node's end of a pod's device, or the bridge that stands for the pods' devices where cAdvisor leaves
    those out."""
    COUNTED_AGAIN = "counted_again"
    """An overlay, tunnel, branch or shaping device: what leaves the node crosses it once more."""
    GATEWAY = "gateway"
    """A CNI's own device or an uplink bridge: off-node traffic crosses it once more, and pods' traffic with
    the node itself may. No pod's device, so its bytes are no evidence of traffic inside the node."""
    UNKNOWN = "unknown"
    """No known class. Counted as virtual, but no verdict may hang on that."""


PHYSICAL_PATTERN: Final = r"^(eth\d+|ens\d+|enp\d+s\d+(f\d+)?|enX\d+|eno\d+|em\d+)$"

POD_PATTERNS: Final = (
    r"eni[0-9a-f]{11}",  # aws/amazon-vpc-cni-k8s pkg/networkutils/names.go; all modes, chained CNIs too
    r"vlan[0-9a-f]{11}",  # the same with security groups for pods (pkg/sgpp/utils.go)
    r"cali[0-9a-f]{11}",  # Calico and Canal (projectcalico/calico libcalico-go/lib/backend/k8s/conversion)
    r"lxc[0-9a-f]+|lxc_health",  # Cilium (cilium/cilium pkg/datapath/connector)
    r"[a-z0-9][a-z0-9.-]{0,7}-[0-9a-f]{6}",  # Antrea (antrea-io/antrea pkg/agent/util/net.go)
    r"[0-9a-f]{15}",  # OVN-Kubernetes: the sandbox's id (ovn-org/ovn-kubernetes go-controller/pkg/cni)
    r"veth[0-9a-z]+",  # cAdvisor leaves these out; other readers do not
    # Bridges whose ports are veth* devices. Between two ports a byte is not counted on the bridge itself.
    r"cni\d+|cbr\d+",  # containernetworking/plugins main/bridge; flannel, kubenet
    r"kube-bridge",  # kube-router (cloudnativelabs/kube-router docs)
    r"weave",  # Weave Net (weaveworks/weave net/bridge.go)
    r"docker\d+|br-[0-9a-f]{12}|nerdctl\d+|podman\d+|cni-podman\d+|virbr\d+(-nic)?|lxcbr\d+|lxdbr\d+",
    # Addresses only; hardly a byte.
    r"dummy\d+|nodelocaldns|kube-ipvs\d+",  # kubernetes/dns node-cache; kubernetes pkg/proxy/ipvs
    r"kube-dummy-if",  # kube-router pkg/controllers/proxy
    r"antrea-(egress|ingress)\d+",  # antrea-io/antrea pkg/agent/controller/egress, serviceexternalip
    r"pod-id-link\d+",  # aws/eks-pod-identity-agent
    r"lo",
)
COUNTED_AGAIN_PATTERNS: Final = (
    r"vlan\.eth\.\d+",  # Amazon VPC CNI, branch ENI of security groups for pods (driver.go buildVlanLink)
    r"flannel\.\d+|flannel-v6\.\d+|flannel-wg(-v6)?",  # flannel-io/flannel pkg/backend
    r"vxlan\.calico|vxlan-v6\.calico",  # projectcalico/calico felix/dataplane/linux/dataplanedefs
    r"wireguard\.cali|wg-v6\.cali",
    r"vxlan[-_\w]*\d|vxlan_sys_\d+",  # Open vSwitch; Weave's vxlan-6784
    r"cilium_vxlan|cilium_geneve|cilium_ipip[46]|cilium_tunl|cilium_wg\d+",  # cilium/cilium pkg/defaults
    r"geneve[-_.\w]*|genev_sys_\d+",  # Open vSwitch: Antrea, OVN-Kubernetes
    r"antrea-tun\d+|antrea-ext\.\d+",  # antrea-io/antrea pkg/agent/config; Egress with VLANs
    r"kube-tunnel-(if|v6)|tun-[0-9a-f]+",  # kube-router pkg/tunnels, pkg/controllers/proxy
    r"tunl\d+|ip6tnl\d+|ip_vti\d+|ip6_vti\d+|sit\d+|gre\d+|ip6gre\d+|gretap\d+|erspan\d+|tun\d+",
    r"wg\d+|tailscale\d+",  # WireGuard; tailscale/tailscale cmd/tailscaled
    r"bwp[0-9a-f]+|ifb\d+",  # containernetworking/plugins meta/bandwidth
)
GATEWAY_PATTERNS: Final = (
    r"antrea-gw\d+",  # antrea-io/antrea docs/design/policy-only.md: all that is not pod to pod
    r"ovs-system|ovs-netdev",  # Open vSwitch's own device
    r"ovn-k8s-mp\d+(_\d+)?|ovn-k8s-gw\d+",  # ovn-org/ovn-kubernetes go-controller/pkg/types
    r"br-(ex|ext|int|tun|local|phys|provider)\d*|br(eth|ens|enp|bond)\w+",  # its uplink: br-ex, breth0
    r"br-(?![0-9a-f]{12}$)[0-9a-z][-.\w]*|br\d+",  # a bridge of Multus or by hand; may have an uplink
    r"cilium_host|cilium_net",  # to pods from elsewhere without BPF host routing, and with the node's own
    r"bpf(in|out)\.cali",  # Calico eBPF (felix/dataplane/linux/dataplanedefs)
    r"datapath|vethwe-\w+",  # Weave Net, between its bridge and the overlay (net/bridge.go)
    r"p?istio(in|out)",  # Istio ambient before 1.21, to and from ztunnel; later ones have no such device
    r"bond\d+|team\d+",  # over ENIs that are counted as well (Linux networking/bonding.rst)
    r"(macvlan|macvtap|ipvlan)[-.\w]*",  # on the node: its parent counts the same
)


LONGEST_DEVICE_NAME_BYTES: Final = 15
_NEVER_IN_A_DEVICE_NAME: Final = re.compile(r"[\s/:]")


def is_device_name(name: str) -> bool:
    """Whether Linux allows it as the name of a network device (`dev_valid_name` in net/core/dev.c).

    Up to 15 bytes without blanks, slashes and colons. Linux would allow control characters; a name with any
    is refused here, because names are shown to people.
    """
    if not 0 < len(name) <= LONGEST_DEVICE_NAME_BYTES or name in {".", ".."}:
        return False
    is_short = len(name.encode("utf-8", "surrogatepass")) <= LONGEST_DEVICE_NAME_BYTES
    return is_short and name.isprintable() and not _NEVER_IN_A_DEVICE_NAME.search(name)


@dataclass(frozen=True, slots=True)
class Classifier:
    """Tells a device's kind by its name. Patterns must match the whole name."""

    physical: str = PHYSICAL_PATTERN
    pod: tuple[str, ...] = POD_PATTERNS
    counted_again: tuple[str, ...] = COUNTED_AGAIN_PATTERNS
    gateway: tuple[str, ...] = GATEWAY_PATTERNS
    _kind: Callable[[str], DeviceKind] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = (
            (_any_of((self.physical,)), DeviceKind.PHYSICAL),
            (_any_of(self.counted_again), DeviceKind.COUNTED_AGAIN),
            (_any_of(self.gateway), DeviceKind.GATEWAY),
            (_any_of(self.pod), DeviceKind.POD),
        )
        # Every event brings the same few names.
        object.__setattr__(self, "_kind", lru_cache(maxsize=4096)(partial(_kind_by, table)))

    def kind(self, device: str) -> DeviceKind:
        """The kind of the device of this name.

        A name that Linux does not allow is unknown without a look: patterns, the user's among them, see no
        more than 15 characters.
        """
        # Long names are not remembered: they cost memory.
        return self._kind(device) if len(device) <= LONGEST_DEVICE_NAME_BYTES else DeviceKind.UNKNOWN


def _kind_by(table: Sequence[tuple[re.Pattern[str], DeviceKind]], device: str) -> DeviceKind:
    if not is_device_name(device):
        return DeviceKind.UNKNOWN
    return next((kind for pattern, kind in table if pattern.fullmatch(device)), DeviceKind.UNKNOWN)


@lru_cache(maxsize=64)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")


# --- prefixes of physical devices' names, for server-side filters without regular expressions ---


def name_prefixes(pattern: str) -> tuple[str, ...] | None:
    """Literal prefixes: every name that the pattern matches begins with one; None if there are none.

    Every alternative of the pattern gives the characters it begins with: `^(eth\\d+|enp\\d+s\\d+)$` gives
    `eth` and `enp`. The prefixes may let other names through, so what comes back is matched again.
    """
    alternatives = _alternatives(pattern)
    if alternatives == [pattern]:
        prefix = _literal_prefix(pattern)
        return (prefix,) if prefix else None
    found = [name_prefixes(alternative) for alternative in alternatives]
    if None in found:
        return None
    return tuple(dict.fromkeys(prefix for prefixes in found for prefix in prefixes or ()))


def _alternatives(pattern: str) -> list[str]:
    """The pattern's alternatives, without anchors and without a group around the whole of one."""
    parts = [part.removeprefix("^") for part in _split(pattern)]
    parts = [part[:-1] if part.endswith("$") and not part.endswith("\\$") else part for part in parts]
    return [_GROUP.sub("", part, count=1)[:-1] if _is_one_group(part) else part for part in parts]


_GROUP: Final = re.compile(r"\((\?:)?")
_PIECE: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
"""An escaped character, a class in brackets, or any other character."""


def _split(pattern: str) -> list[str]:
    """The pattern cut at each `|` that is in no group."""
    parts, depth = [""], 0
    for piece in _PIECE.findall(pattern):
        depth += (piece == "(") - (piece == ")")
        if piece == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _is_one_group(part: str) -> bool:
    """Whether one plain group is all there is: `(a|b)` or `(?:a|b)`, not `(a)(b)` nor `(?!a)`."""
    if not part.startswith("(") or (part.startswith("(?") and not part.startswith("(?:")):
        return False
    depth = 0
    pieces = _PIECE.findall(part)
    for number, piece in enumerate(pieces, start=1):
        depth += (piece == "(") - (piece == ")")
        if depth == 0:
            return number == len(pieces)
    return False


def _literal_prefix(part: str) -> str:
    """The characters that everything the part matches begins with."""
    prefix = ""
    for piece in _PIECE.findall(part):
        if piece in {"*", "?", "{"}:
            return prefix[:-1]  # the character before it may be missing
        if not _LITERAL.fullmatch(piece):
            return prefix
        prefix += piece[-1]
    return prefix


_LITERAL: Final = re.compile(r"[A-Za-z0-9_-]|\\[._-]")
