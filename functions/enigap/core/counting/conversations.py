"""Which two devices of a node exchanged their bytes with each other.

What one pod sends to another of its node is received on the first one's device and sent on the second one's,
byte for byte, and the agent reads all devices in one go. So two devices in conversation mirror each other in
every event. The opposite does not follow: pods without anything to do with each other can have the same
rates. A conversation is named only where

* each of the two mirrors no third device: of several equal pods none is told apart;
* neither sends as much as it receives: such a device mirrors every equal one, as replicas behind a balancer;
* the rates vary from event to event, so that they agree by more than one coincidence; or else the ENI devices
  cannot have carried most of the bytes.

Where events have packets these mirror each other, too: what a third party passes on comes in other packets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Final

from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import DeviceSample
from enigap.core.counting.pods import digits_in
from enigap.core.counting.track import SAME_TICK_SECONDS
from enigap.core.counting.units import ByteRate

FEWEST_EVENTS: Final = 3
"""In which both devices have rates."""
RELATIVE_ERROR: Final = 0.01
CHATTER_BYTES_PER_SECOND: Final = 2_000.0
"""What else a pod has to say: health checks, DNS."""
PACKETS_ERROR: Final = (0.05, 20.0)
"""Relative, and packets per second."""
MOST_ENDS: Final = 300
"""Pods' devices that carry something, at most: each is compared with each, which takes ten seconds for the
thousand that a forged log may have. EKS allows 250 pods on a node by default."""
LEAST_VARIATION: Final = 5.0
"""Between the smallest and the largest rate of the events with traffic, in error bars."""
_LEAST_SHARE: Final = 0.9
"""Of what a device carried, how much is in events that both have."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two devices, and what they exchanged: both directions together, each byte once."""

    one: str
    other: str
    rate: ByteRate


_Sample = tuple[float, float, float | None, float | None]
"""Received and sent bytes per second, received and sent packets per second."""
_Rates = Mapping[float, _Sample]
"""Of one device, by the time of the event in seconds since the epoch."""


def conversations(
    samples: Iterable[DeviceSample],
    start: datetime,
    end: datetime,
    classifier: Classifier,
    floor: ByteRate,
) -> tuple[Conversation, ...]:
    """The conversations above the floor in the events of [start, end), the largest first."""
    by_device = _by_device(samples, start, end)
    ends = {name: rates for name, rates in by_device.items() if is_pods_end(name, classifier)}
    least = 0.5 * floor.bytes_per_second
    loud = sorted(
        (name, rates) for name, rates in ends.items() if _carried(rates, rates) >= least * len(rates)
    )
    if len(loud) > MOST_ENDS:
        return ()
    enis = [rates for name, rates in by_device.items() if classifier.kind(name) is DeviceKind.PHYSICAL]
    pairs = _unique(
        pair
        for (one, its), (other, others) in combinations(loud, 2)
        if (pair := _pair(one, its, other, others)) and pair.found.rate >= floor
    )
    told = [pair for pair in pairs if pair.varies]
    steady = [pair for pair in pairs if not pair.varies]
    inside = _inside_at_least(ends.values(), enis) - sum(_bytes(pair) for pair in told)
    if enis and _LEAST_INSIDE * sum(map(_bytes, steady)) <= inside:
        told += steady
    return tuple(
        sorted((pair.found for pair in told), key=lambda each: (-each.rate.bytes_per_second, each.one))
    )


_LEAST_INSIDE: Final = 0.5
"""The share of what steady pairs exchanged that the ENI devices cannot have carried: the node's other traffic
makes the rest of the bound, and of pods whose bytes all left the node nothing is left."""


def is_pods_end(device: str, classifier: Classifier) -> bool:
    """Whether a device is the node's end of one pod's device, and no bridge, overlay or gateway."""
    return classifier.kind(device) is DeviceKind.POD and (
        digits_in(device) is not None or _OTHER_POD_END.fullmatch(device) is not None
    )


_OTHER_POD_END: Final = re.compile(
    r"(?:lxc|veth)[0-9a-z]+|[0-9a-f]{15}|[a-z0-9][a-z0-9.-]{0,7}-[0-9a-f]{6}"  # Cilium, OVN, Antrea
)


@dataclass(frozen=True, slots=True)
class _Pair:
    found: Conversation
    varies: bool


def _by_device(samples: Iterable[DeviceSample], start: datetime, end: datetime) -> dict[str, _Rates]:
    """The rates by device and event; events at almost the same time are of one reading of all devices."""
    ticks: dict[float, float] = {}
    inside = [each for each in samples if start <= each.at < end]
    newest = None
    for at in sorted({sample.at.timestamp() for sample in inside}):
        newest = at if newest is None or at - newest > SAME_TICK_SECONDS else newest
        ticks[at] = newest
    found: dict[str, dict[float, _Sample]] = {}
    for sample in inside:
        if (both := sample.usable_rates) is not None:
            of_device = found.setdefault(sample.device, {})
            of_device[ticks[sample.at.timestamp()]] = (*both, *sample.usable_packets)
    return dict(found)


def _pair(one: str, its: _Rates, other: str, others: _Rates) -> _Pair | None:
    """The conversation of two devices that mirror each other in all events that both have."""
    both = sorted(its.keys() & others.keys())
    if len(both) < FEWEST_EVENTS or not all(_mirror(its[at], others[at]) for at in both):
        return None
    if all(_close(its[at][0], its[at][1]) for at in both):
        return None
    if not all(_carried(rates, both) >= _LEAST_SHARE * _carried(rates, rates) for rates in (its, others)):
        return None
    exchanged = sum(its[at][0] + others[at][0] for at in both) / len({*its, *others})
    louder = [max(its[at][:2]) for at in both]
    return _Pair(Conversation(one, other, ByteRate(exchanged)), _varies(louder))


def _varies(rates: Iterable[float]) -> bool:
    """Whether a coincidence of these rates with others would be many at once."""
    busy = [rate for rate in rates if rate >= 10 * CHATTER_BYTES_PER_SECOND]
    return len(busy) >= FEWEST_EVENTS and max(busy) - min(busy) >= LEAST_VARIATION * _error(max(busy))


def _mirror(one: _Sample, other: _Sample) -> bool:
    """Whether each received what the other sent."""
    return (
        _close(one[0], other[1])
        and _close(one[1], other[0])
        and _packets_agree(one[2], other[3])
        and _packets_agree(one[3], other[2])
    )


def _packets_agree(one: float | None, other: float | None) -> bool:
    relative, absolute = PACKETS_ERROR
    return one is None or other is None or abs(one - other) <= relative * max(one, other) + absolute


def _unique(pairs: Iterable[_Pair]) -> list[_Pair]:
    """The pairs of which neither device is in another pair."""
    found = list(pairs)
    names = [name for pair in found for name in (pair.found.one, pair.found.other)]
    return [pair for pair in found if names.count(pair.found.one) == names.count(pair.found.other) == 1]


def _error(rate: float) -> float:
    return RELATIVE_ERROR * rate + CHATTER_BYTES_PER_SECOND


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _error(max(one, other))


def _carried(rates: _Rates, ticks: Iterable[float]) -> float:
    return sum(rates[at][0] + rates[at][1] for at in ticks)


def _inside_at_least(pods: Iterable[_Rates], enis: Sequence[_Rates]) -> float:
    """How much of what pods sent or received the ENI devices cannot have carried, in bytes per second."""
    pods_received, pods_sent = _mean_sums(pods)
    eni_received, eni_sent = _mean_sums(enis)
    # What a pod sends is received on its device.
    return max(0.0, pods_received - eni_sent, pods_sent - eni_received)


def _mean_sums(devices: Iterable[_Rates]) -> tuple[float, float]:
    several = [rates for rates in devices if rates]
    ticks = max((len(rates) for rates in several), default=1)
    received = sum(sample[0] for rates in several for sample in rates.values())
    sent = sum(sample[1] for rates in several for sample in rates.values())
    return received / ticks, sent / ticks


def _bytes(pair: _Pair) -> float:
    return pair.found.rate.bytes_per_second
