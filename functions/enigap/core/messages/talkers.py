"""The pods that a node's bytes are of, in words: the largest talkers, and who exchanged with whom.

A pod's outbound bytes are received on its device on the node, so "sent" is what the device received.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from enigap.core.counting.conversations import is_pods_end
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceRates, Evidence, Unusable
from enigap.core.counting.units import ZERO
from enigap.core.messages.fitting import name

MOST_TALKERS: Final = 3
"""How many are told of one node."""
_LEAST_SHARE: Final = 0.01
"""Of what the largest carried."""


def talkers(evidence: Evidence | Unusable | None, most: int) -> list[str]:
    """A clause for each of the largest talkers, a conversation being one:
    `iperf3/iperf3-client and iperf3/iperf3-server exchanged 637 MB/s`."""
    if evidence is None:
        return []
    ends = [device for device in evidence.devices if _is_a_pods(device)]
    largest = max((device.total.middle for device in ends), default=ZERO)
    told: dict[frozenset[str], str] = {}
    for device in ends:
        if len(told) == most or device.total.middle <= _LEAST_SHARE * largest:
            break
        other = next((each for each in ends if each.device == device.conversation_with), None)
        if other is None:
            clause = f"{_who(device)} sent {device.rx.middle} and received {device.tx.middle}"
        else:
            clause = exchanged(device, other)
        told.setdefault(frozenset((device.device, other.device if other else "")), clause)
    return list(told.values())


def exchanged(one: DeviceRates, other: DeviceRates) -> str:
    """The sentence about a conversation, each byte counted once."""
    first, second = sorted((_who(one), _who(other)))
    return f"{first} and {second} exchanged {(one.rx.middle + other.rx.middle).rounded_down}"


def conversations_in_words(devices: Sequence[DeviceRates]) -> list[str]:
    """A sentence for each conversation, the largest first."""
    by_name = {device.device: device for device in devices}
    pairs = (
        (device, by_name.get(device.conversation_with or ""))
        for device in devices
        if device.conversation_with and device.device < device.conversation_with
    )
    return [exchanged(one, other) for one, other in pairs if other is not None]


def _is_a_pods(device: DeviceRates) -> bool:
    return device.pod is not None or is_pods_end(device.device, _NAMES)


_NAMES = Classifier()


def _who(device: DeviceRates) -> str:
    return name(device.pod) if device.pod else f"the pod behind {name(device.device)}"
