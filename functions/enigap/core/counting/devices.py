"""Which network device is which: physical, one of the known virtual kinds, or unknown.

A physical device is an ENI. Everything else the OS counts is virtual, but not all virtual devices mean the
same: a pod's own device counts all traffic of the pod, an overlay or branch device counts
off-node traffic once more. A device of no known class is not guessed.

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
        """The kind of the device of this name."""
        for pattern, kind in self._table:
            if pattern.fullmatch(device):
                return kind
        return DeviceKind.UNKNOWN


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
