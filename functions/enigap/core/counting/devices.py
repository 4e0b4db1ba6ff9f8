"""Which network device is which: physical, one of the known virtual kinds, or unknown.

A physical device is an ENI. Everything else the OS counts is virtual, but not all virtual devices mean the
same: a pod's own device counts what the pod exchanges with anybody, an overlay or branch device counts
off-node traffic once more. A device of no known class is never guessed about.

`eni1a2b3c4d5e6` is virtual: the VPC CNI calls the node's end of a pod's veth `eni` and eleven hexadecimal
digits (aws/amazon-vpc-cni-k8s, pkg/networkutils/names.go). A pattern as short as `^en` would take it for an
ENI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final


class DeviceKind(StrEnum):
    """What a device's bytes mean for the counting model."""

    PHYSICAL = "physical"
    """An ENI: counted by EC2 as well."""
    POD = "pod"
    """The node's end of a pod's device, a bridge of such, or any other virtual device traffic crosses
    once."""
    COUNTED_AGAIN = "counted_again"
    """An overlay, tunnel, branch or shaping device: what leaves the node crosses it once more."""
    UNKNOWN = "unknown"
    """No known class. Counted as virtual, but no verdict may hang on that."""


NAME_OF_ALL: Final = {
    DeviceKind.PHYSICAL: "physical devices",
    DeviceKind.POD: "pod devices",
    DeviceKind.COUNTED_AGAIN: "overlay devices",
}
"""What all devices of a kind are called where they were added up before they were read. No device can have
such a name: Linux allows no blank in one."""

_KIND_OF_ALL: Final = {name: kind for kind, name in NAME_OF_ALL.items()}

PHYSICAL_PATTERN: Final = r"^(eth\d+|ens\d+|enp\d+s\d+(f\d+)?|enX\d+|eno\d+|em\d+)$"

POD_PATTERNS: Final = (
    r"eni[0-9a-f]{11}",  # Amazon VPC CNI, the node's end of a pod's veth
    r"vlan[0-9a-f]{11}",  # Amazon VPC CNI, a pod with security groups of its own
    r"cali[0-9a-f]{11}",  # Calico
    r"lxc[0-9a-f]+|lxc_health",  # Cilium
    r"cilium_host|cilium_net",
    r"veth[0-9a-z]+",  # cAdvisor leaves these out; other readers do not
    r"cni\d+|cbr\d+|kube-bridge|docker\d+|virbr\d+|br-[0-9a-z]+",  # bridges
    r"antrea-gw\d+|ovn-k8s-mp\d+|weave|datapath|vethwe-\w+",
    r"dummy\d+|pod-id-link\d+|nodelocaldns|kube-ipvs\d+",  # addresses only; hardly a byte
    r"lo",
)
COUNTED_AGAIN_PATTERNS: Final = (
    r"vlan\.eth\.\d+",  # Amazon VPC CNI, branch ENI of security groups for pods
    r"flannel\.\d+|flannel-v6\.\d+|flannel-wg(-v6)?",
    r"vxlan\.calico|vxlan-v6\.calico|vxlan[-_\w]*\d+|vxlan_sys_\d+",
    r"wireguard\.cali|wg-v6\.cali|wg\d+|cilium_wg\d+",
    r"cilium_vxlan|cilium_geneve|cilium_ipip[46]|cilium_tunl",
    r"geneve[-_.\w]*|genev_sys_\d+",
    r"tunl\d+|ip6tnl\d+|ip_vti\d+|sit\d+|gre\d+|gretap\d+|erspan\d+|tun\d+",
    r"bwp[0-9a-f]+|ifb\d+",  # bandwidth plugin
)


@dataclass(frozen=True, slots=True)
class Classifier:
    """Tells a device's kind by its name. Patterns must match the whole name."""

    physical: str = PHYSICAL_PATTERN
    pod: tuple[str, ...] = POD_PATTERNS
    counted_again: tuple[str, ...] = COUNTED_AGAIN_PATTERNS
    _table: tuple[tuple[re.Pattern[str], DeviceKind], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = (
            (_any_of((self.physical,)), DeviceKind.PHYSICAL),
            (_any_of(self.counted_again), DeviceKind.COUNTED_AGAIN),
            (_any_of(self.pod), DeviceKind.POD),
        )
        object.__setattr__(self, "_table", table)

    def kind(self, device: str) -> DeviceKind:
        """The kind of the device of this name, or of those of `NAME_OF_ALL`."""
        if device in _KIND_OF_ALL:
            return _KIND_OF_ALL[device]
        for pattern, kind in self._table:
            if pattern.fullmatch(device):
                return kind
        return DeviceKind.UNKNOWN


@lru_cache(maxsize=64)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")
