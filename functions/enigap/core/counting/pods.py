"""Which pod is behind a device: the names of pods' devices on the node, and pods on the node's own network.

The VPC CNI and Calico name the node's end of a pod's device after the pod: a prefix (`eni`, `vlan`, `cali`,
or what AWS_VPC_K8S_CNI_VETHPREFIX says) and the first eleven hexadecimal digits of the SHA-1 of
`NAMESPACE.NAME`; of a pod with several interfaces the second and later ones have `NAMESPACE.NAME.INDEX`
(aws/amazon-vpc-cni-k8s, pkg/networkutils/names.go). So each device's pod is found among the pods that the
agent's events name, without access to the cluster. The prefix is not compared: eleven digits do not match by
chance.

A pod with `hostNetwork: true` has no device of its own. Its events count the node's devices, the whole node's
traffic once more, so its figures are never added to anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Final

from enigap.core.counting.reading import usable_number


@dataclass(frozen=True, slots=True)
class PodSample:
    """One interface of one pod in one `PodNet` event, as the pod sees it; of a `Pod` event no interface."""

    namespace: str
    name: str
    interface: str = ""
    rx_bytes_per_second: float | None = None
    tx_bytes_per_second: float | None = None

    @property
    def pod(self) -> str:
        """`NAMESPACE/NAME`."""
        return f"{self.namespace}/{self.name}"


DIGITS: Final = 11
_POD_END: Final = re.compile(rf"(?P<prefix>[^/\s]{{1,4}})(?P<digits>[0-9a-f]{{{DIGITS}}})")
"""Linux allows 15 characters, so a prefix has four at most."""
MOST_INTERFACES: Final = 32
"""Of one pod: the largest instance types have as many network cards."""


def digits_of(namespace: str, name: str, index: int = 0) -> str:
    """The digits in the name of a pod's device, or of its interface of this index."""
    text = f"{namespace}.{name}.{index}" if index else f"{namespace}.{name}"
    return sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:DIGITS]


def digits_in(device: str) -> str | None:
    """The digits in a device's name, if it has the form of a pod's."""
    match = _POD_END.fullmatch(device)
    return match["digits"] if match else None


def pods_by_device(devices: Iterable[str], pods: Iterable[PodSample]) -> dict[str, str]:
    """`NAMESPACE/NAME` of those devices that are named after one of the pods."""
    wanted = {name: digits for name in devices if (digits := digits_in(name))}
    identities = {(pod.namespace, pod.name): pod.pod for pod in pods}
    found: dict[str, str] = {}
    for index in range(MOST_INTERFACES):
        left = {digits for name, digits in wanted.items() if name not in found}
        if not left or not identities:
            break
        owners: dict[str, set[str]] = {}
        for (namespace, name), pod in identities.items():
            if (digits := digits_of(namespace, name, index)) in left:
                owners.setdefault(digits, set()).add(pod)
        for device, digits in wanted.items():
            # Two owners of the same digits: `a.b` in `c` and `b` in `c.a` come to one text.
            if device not in found and len(several := owners.get(digits, set())) == 1:
                found[device] = next(iter(several))
    return found


def host_network_pods(
    pods: Sequence[PodSample], devices: Mapping[str, tuple[float, float]], named: Iterable[str]
) -> tuple[str, ...]:
    """The pods on the node's own network, by `NAMESPACE/NAME`.

    `devices` are the mean rates of the node's devices, received and sent; `named` the pods that have a device
    of their own. A pod is on the node's network when its events have a device that only the node has, or when
    every interface in its events carries what the node's device of that name does.
    """
    interfaces: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for sample in pods:
        rx, tx = usable_number(sample.rx_bytes_per_second), usable_number(sample.tx_bytes_per_second)
        if sample.interface and rx is not None and tx is not None:
            interfaces.setdefault(sample.pod, {}).setdefault(sample.interface, []).append((rx, tx))
    own = set(named)
    return tuple(
        sorted(
            pod
            for pod, seen in interfaces.items()
            if pod not in own and (_has_pods_end(seen, devices) or _all_the_same(seen, devices))
        )
    )


def _has_pods_end(interfaces: Iterable[str], devices: Mapping[str, tuple[float, float]]) -> bool:
    return any(digits_in(name) is not None and name in devices for name in interfaces)


_SAME: Final = 0.05
"""The pods' counters are read some seconds before or after the node's."""


def _all_the_same(
    interfaces: Mapping[str, Sequence[tuple[float, float]]], devices: Mapping[str, tuple[float, float]]
) -> bool:
    return all(
        name in devices
        and all(
            (mean := sum(pair[side] for pair in rates) / len(rates)) > 0
            and abs(mean - devices[name][side]) <= _SAME * devices[name][side]
            for side in (0, 1)
        )
        for name, rates in interfaces.items()
    )
