"""Stand-ins for the names of an account: the same name has the same one everywhere in a bundle.

Stand-ins sort as the names do, so that whatever goes by their order comes out alike. A pod's device is named
after the pod (`core.counting.pods`), so its stand-in has the digits of the stand-in pod: the true digits
would let the pod's name be found by trying names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.pods import MOST_INTERFACES, digits_in, digits_of

REGION: Final = "us-east-1"
"""Every bundle's region."""

_ORDINARY_DEVICE: Final = re.compile(
    r"(eth|ens|enX|eno|em|cni|cbr|docker|vlan\.eth\.|flannel\.|tunl|wg|ifb|bond|dummy|antrea-gw|br)\d{1,3}"
    r"|enp\d{1,3}s\d{1,3}(f\d{1,2})?|lo|kube-bridge|cilium_(host|net|vxlan|geneve)|vxlan\.calico|nodelocaldns"
    r"|kube-ipvs0|ovs-system|br-(int|ex|tun)|pod-id-link0|genev_sys_6081|vxlan_sys_4789"
)
"""Names that Linux, the VPC CNI and other plugins give on every node, which identify no user."""
_INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]{8}([0-9a-f]{9})?")
_MOST_TRIES: Final = 200_000
_MOST_WEEKS: Final = 200


def _parts(pod: str) -> tuple[str, str]:
    """Namespace and name."""
    namespace, _, name = pod.partition("/")
    return namespace, name


class Kind(StrEnum):
    """What a name is of."""

    ACCOUNT = "account"
    CLUSTER = "cluster"
    INSTANCE = "instance"
    HOST = "host"
    """A node's name, its private DNS name, its log stream."""
    ENI = "eni"
    NAMESPACE = "namespace"
    POD = "pod"
    """`NAMESPACE/NAME`"""
    DEVICE = "device"
    PAGE = "page"
    """A paging token."""


def kind_of_host(name: str) -> Kind:
    """On EKS Auto Mode nodes are called after their instance ids."""
    return Kind.INSTANCE if _INSTANCE_ID.fullmatch(name) else Kind.HOST


@dataclass
class Names:
    """The names that a recording has, by what they are of."""

    found: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})

    def __call__(self, kind: Kind, name: str) -> str:
        """Take a name down. Returns it unchanged."""
        self.found[kind].add(name)
        return name


class StandIns:
    """The stand-ins for names that were taken down, all made at once."""

    def __init__(self, names: Names, classifier: Classifier, draw: Callable[[], int]) -> None:
        """`draw` returns a random number below a million.

        What is made up is short but for random digits, so that it holds no word that may be a user's.
        """
        self.shift = timedelta(weeks=4 + draw() % _MOST_WEEKS)
        self._draw = draw
        salt = f"{draw():06d}"
        self._of: dict[tuple[Kind, str], str] = {}
        self.devices: dict[str, DeviceKind] = {}
        """The class of each device whose stand-in does not tell it, by the stand-in."""
        found = names.found
        makers: Mapping[Kind, Callable[[int, str], str]] = {
            Kind.ACCOUNT: lambda n, _: f"{salt}{n:03d}{draw() % 1000:03d}",
            Kind.CLUSTER: lambda n, _: f"c-{salt}-{n:04d}",
            Kind.INSTANCE: lambda n, _: f"i-{salt}{n:05d}{draw():06d}",
            Kind.HOST: lambda n, name: f"n-{salt}-{n:04d}" + (".x" if "." in name else ""),
            Kind.ENI: lambda n, _: f"eni-{salt}{n:05d}{draw():06d}",
            Kind.NAMESPACE: lambda n, _: f"ns-{salt}-{n:04d}",
            Kind.PAGE: lambda n, _: f"page-{salt}-{n:04d}",
        }
        for kind, make in makers.items():
            for number, name in enumerate(sorted(found[kind]), start=1):
                self._of[kind, name] = make(number, name)
        self._make_pods(found[Kind.POD], found[Kind.DEVICE], f"ns-{salt}-0000")
        self._make_devices(found[Kind.DEVICE], classifier, salt)

    def __call__(self, kind: Kind, name: str) -> str:
        return self._of[kind, name]

    @property
    def all(self) -> frozenset[str]:
        """Every stand-in."""
        return frozenset(self._of.values())

    @property
    def minted(self) -> frozenset[str]:
        """Every stand-in that was made up."""
        return frozenset(stand_in for (_, name), stand_in in self._of.items() if name != stand_in)

    @property
    def replaced(self) -> frozenset[str]:
        """Every name that has another one in its place."""
        return frozenset(name for (_, name), stand_in in self._of.items() if name != stand_in)

    def count(self, kind: Kind) -> int:
        return sum(of is kind and name != stand_in for (of, name), stand_in in self._of.items())

    @property
    def mapping(self) -> dict[str, str]:
        """Of every name, to compare a bundle with what was recorded."""
        return {name: stand_in for (_, name), stand_in in self._of.items()}

    def _make_pods(self, pods: Iterable[str], devices: Iterable[str], unknown: str) -> None:
        """Pods' names whose devices' digits sort as the true ones do."""
        owners: dict[str, tuple[str, str] | None] = {
            digits: None for device in devices if (digits := digits_in(device)) is not None
        }
        of_pod = {pod: digits_of(*_parts(pod)) for pod in pods}
        owners |= {digits: _parts(pod) for pod, digits in of_pod.items()}
        further = {  # of pods with several interfaces
            digits: (pod, index)
            for pod in pods
            for index in range(1, MOST_INTERFACES)
            if (digits := digits_of(*_parts(pod), index)) in owners
        }
        order = sorted(owners.keys() - further.keys())
        self._digits: dict[str, str] = {}
        made: dict[str, str] = {}
        for place, digits in enumerate(order):
            owner = owners[digits]
            namespace = self._of[Kind.NAMESPACE, owner[0]] if owner else unknown
            name, new = self._pod_between(namespace, place, len(order))
            self._digits[digits] = new
            made[digits] = f"{namespace}/{name}"
        for pod, digits in of_pod.items():
            self._of[Kind.POD, pod] = made[digits]
        for digits, (pod, index) in further.items():
            self._digits[digits] = digits_of(*_parts(self._of[Kind.POD, pod]), index)

    def _pod_between(self, namespace: str, place: int, places: int) -> tuple[str, str]:
        """A pod's name whose device's digits lie in the `place`-th of as many equal parts."""
        for _ in range(_MOST_TRIES):
            name = f"p-{self._draw():06d}-{place}"
            digits = digits_of(namespace, name)
            if int(digits, 16) * places // 16 ** len(digits) == place:
                return name, digits
        raise RuntimeError("no name was found for a pod")

    def _make_devices(self, devices: Iterable[str], classifier: Classifier, salt: str) -> None:
        prefixes: dict[str, str] = {}
        for number, device in enumerate(sorted(devices), start=1):
            kind, ordinary = classifier.kind(device), Classifier().kind(device)
            digits = digits_in(device)
            prefix = device.removesuffix(digits or "")
            if _ORDINARY_DEVICE.fullmatch(device) and kind is ordinary:
                stand_in = device
            elif kind is ordinary and digits is not None and prefix in {"eni", "vlan", "cali"}:
                stand_in = prefix + self._digits[digits]
            else:
                stand_in = f"dev{salt}{number:04d}"
                if digits is not None and prefixes.setdefault(prefix, f"dv{len(prefixes):02d}") < "dv99":
                    # With a prefix of the user's it is as much a pod's.
                    stand_in = prefixes[prefix] + self._digits[digits]
                self.devices[stand_in] = kind
            self._of[Kind.DEVICE, device] = stand_in
