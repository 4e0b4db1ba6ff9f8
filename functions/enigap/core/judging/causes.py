"""What is most likely behind a window that counting does not explain: a hint for people, with its sign.

The verdict stands without it (`judge`), and nothing is decided by it. Each cause has a sign that the others
do not have. Where the figures cannot tell two causes apart, both are named; where there is no sign there is
no hint, for no cause is better than a wrong one.

| cause | sign |
|---|---|
| wrapped_counter | 2^64 bytes in an interval; or 2^32 bytes are missing each minute, or a few times that |
| ec2_side | one direction of EC2's is a multiple of the devices', and no packet is missing |
| counter_reset | device events still arrive, without the rates of a physical one, or of the first |
| metric_path | device events still arrive, and all of them have rates |
| no_instance_id | events in its log stream that carry no instance id |
| reused_name | no event of its own in its log stream, and a window's worth under another instance's id |
| agent_down | no event either; or, of a total that comes and goes, none while it is away |
| blind_agent | the OS total is exactly zero, or its events name no device |
| wrong_namespace | a small part, on devices called as a pod's own are, and on no other |
| unit_error | both directions, or the total against its own devices, are off by a factor between two units |
| receive_drops | too little was received and nothing else is wrong; surely if the devices dropped as much |
| transmit_drops | too much was sent |
| moved_device | too little in both directions, or too little was sent; packets are missing as bytes are |
| mirrored_traffic | too little was sent and what was received is right: EC2 may count what it mirrors |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from statistics import fmean
from typing import Final, TypeAlias

from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
    sums_by_minute,
)
from enigap.core.counting.reading import Readings, eni_alone, greatest_eni_rate, greatest_os_rate, os_alone
from enigap.core.counting.rules import IMPLAUSIBLE_RATE, Rules
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import MINUTE, PERIOD, Window
from enigap.core.judging.verdict import Cause, Verdict

RECEIVED: Final = Direction.RECEIVED
SENT: Final = Direction.SENT

UNIT_FACTORS: Final = (5, 8, 60, 300)
"""Periods of one minute in one of five, bits in a byte, seconds in a minute, seconds in five minutes."""
ABOUT: Final = 0.04
"""How near a ratio must be to a factor: headers and once-a-minute sampling cause a few per cent of error."""
EDGES: Final = 0.08
"""The same for what devices counted in a run: the events at its ends are shared by an unknown amount."""
MOST_HEADERS: Final = 0.11
"""Of what EC2 counts, the headers that the OS does not see: a sender behind IPv6 in VXLAN has C/E = 0.899."""
SIMILAR: Final = 0.07
"""How near the packets of both sides are to each other where none is missing."""

WRAP_64: Final = ByteRate(1e16)
"""2^64 bytes in an interval of 30 s to 5 min are 6e16 to 6e17 a second."""
WRAP_32: Final = ByteRate.from_total(2.0**32, MINUTE)
MOST_WRAPS: Final = 3
"""A minute, by which bytes missing are recognised: of more any amount is near to a whole number."""
LONGEST_ABSENCE: Final = timedelta(minutes=30)
"""After its counter fell the agent leaves a device out until the old value is passed, at most so long."""

MANY_FOREIGN: Final = 15
"""Events under another id: one for each minute of a window. Fewer are what a former node of the name left."""
MOST_OF_A_NAMESPACE: Final = 0.25
"""Of what the ENIs carried, for a pod's own traffic."""
NAMES_IN_A_POD: Final = re.compile(r"eth0|net\d+")
"""Of a pod's devices in its own network namespace; net1 and so on are what Multus adds, and no node's."""
LARGEST_FRAME: Final = 9015.0
SMALLEST_FRAME: Final = 60.0


@dataclass(frozen=True, slots=True)
class Side:
    """One direction: what the physical devices counted, and what EC2 says the ENIs carried."""

    direction: str
    counted: ByteRate
    carried: ByteRate
    too_little: bool
    too_much: bool
    counted_packets: float | None = None
    """A second; None where they are unknown."""
    carried_packets: float | None = None
    newest_ratio: float | None = None
    """The same over the newest period of it; None where EC2 carried nothing then."""

    @property
    def ratio(self) -> float:
        return self.counted / self.carried if self.carried > ZERO else 0.0

    @property
    def has_all_packets(self) -> bool:
        """Whether the devices counted about as many packets as EC2: then none is missing, whatever the
        bytes."""
        if self.counted_packets is None or not self.carried_packets:
            return False
        return abs(self.counted_packets / self.carried_packets - 1) <= SIMILAR

    @property
    def lacks_packets(self) -> bool:
        """Whether packets are missing from the devices' in the same measure as bytes."""
        if not self.counted_packets or not self.carried_packets:
            return False
        return abs(self.counted_packets / self.carried_packets / self.ratio - 1) <= 4 * SIMILAR

    @property
    def has_small_packets(self) -> bool:
        """Whether the devices' packets are clearly smaller than EC2's: they hold a frame or more, so bytes
        are missing from them."""
        if not self.counted_packets or not self.carried_packets:
            return False
        own, frame = self.counted.bytes_per_second / self.counted_packets, self._frame
        return own < 0.7 * frame

    @property
    def _frame(self) -> float:
        """Bytes of a frame, by EC2's packets or else by the devices'."""
        for rate, packets in (
            (self.carried, self.carried_packets),
            (self.counted, self.counted_packets),
        ):
            if packets:
                return min(max(rate.bytes_per_second / packets, SMALLEST_FRAME), LARGEST_FRAME)
        return LARGEST_FRAME

    def is_accounted_for_by(self, dropped_per_second: float) -> bool:
        """Whether so many packets dropped are most of the bytes missing."""
        missing = (self.carried - self.counted).bytes_per_second
        return dropped_per_second * self._frame >= 0.5 * missing


@dataclass(frozen=True)
class Signs:
    """What is known about a window with this verdict. `sides` are empty without usable evidence."""

    verdict: Verdict
    window: Window
    readings: Readings
    events: DeviceEvents | MissingEvidence | None
    sides: tuple[Side, ...]
    sides_over: tuple[datetime, datetime]
    """The run that `sides` are about."""
    rules: Rules

    @cached_property
    def samples(self) -> tuple[DeviceSample, ...]:
        """The device events of this window, and not of those before it, which were fetched as well."""
        return self._all.within(self.window.start, self.window.end)

    @property
    def all_samples(self) -> tuple[DeviceSample, ...]:
        return self._all.samples

    @property
    def _all(self) -> DeviceEvents:
        return self.events if isinstance(self.events, DeviceEvents) else DeviceEvents(())

    @cached_property
    def devices(self) -> frozenset[str]:
        """Those that have events up to the end of the window."""
        newest = self._all.within(self.window.end - PERIOD, self.window.end)
        return frozenset(sample.device for sample in newest)

    @cached_property
    def vanished(self) -> frozenset[str]:
        """Devices that had rates, and have no event any more."""
        rated = {s.device for s in self._all.samples if s.at < self.window.end and s.is_rated}
        return frozenset(rated - self.devices)

    @property
    def took_the_place(self) -> bool:
        """Whether devices vanished, and those that are there wrote nothing before they had."""
        gone = [sample.at for sample in self._all.samples if sample.device in self.vanished]
        there = [sample.at for sample in self._all.samples if sample.device in self.devices]
        return bool(gone and there) and max(gone) < min(there)

    @property
    def has_all_devices(self) -> bool:
        """Whether all devices were looked at, and not those of the ENIs alone."""
        return self._all.scope is DeviceScope.ALL

    @cached_property
    def os_rates(self) -> tuple[float, ...]:
        rates = self.readings.os_minutes(self.window.start, self.window.end - MINUTE)
        return tuple(rate for rate in rates if rate is not None)

    @cached_property
    def dropped_per_second(self) -> float | None:
        """Packets that the physical devices dropped; None where no event says so."""
        by_device: dict[str, list[float]] = {}
        for sample in self._all.within(*self.sides_over):
            if sample.dropped_per_second is not None and _is_physical(self.rules.classifier, sample):
                by_device.setdefault(sample.device, []).append(sample.dropped_per_second)
        return sum(map(fmean, by_device.values())) if by_device else None

    @property
    def part(self) -> float | None:
        """The share that the OS counted of what the ENIs carried; None where either is unknown."""
        if self.sides:
            counted, carried = (
                sum((s.counted for s in self.sides), ZERO),
                sum((s.carried for s in self.sides), ZERO),
            )
        else:
            os, eni = os_alone(self.readings, self.window), eni_alone(self.readings, self.window)
            if os is None or eni is None:
                return None
            counted, carried = os, eni
        return counted / carried if carried > ZERO else None

    def side(self, direction: Direction) -> Side:
        return next(side for side in self.sides if side.direction == direction)

    @property
    def has_just_begun(self) -> bool:
        """Whether what is wrong began within the run: then its figures are of before and after."""
        return any(
            side.newest_ratio is not None and abs(side.newest_ratio / side.ratio - 1) > 0.25
            for side in self.sides
            if (side.too_little or side.too_much) and side.ratio > 0
        )

    @property
    def lacks_bytes_alone(self) -> bool:
        """Whether bytes are missing and packets are not: so nothing was dropped, or passed another way."""
        short = [side for side in self.sides if side.too_little]
        return bool(short) and all(side.has_all_packets or side.has_small_packets for side in short)

    @property
    def is_alike_both_ways(self) -> bool:
        """Whether both directions are off in about the same measure."""
        ratios = [side.ratio for side in self.sides]
        return max(ratios) <= 1.2 * min(ratios) and (min(ratios) > 1.2 or max(ratios) < 1 / 1.2)

    @property
    def too_little(self) -> set[str]:
        return {side.direction for side in self.sides if side.too_little}

    @property
    def too_much(self) -> set[str]:
        return {side.direction for side in self.sides if side.too_much}


Named: TypeAlias = tuple[Cause, ...]
"""No cause, one, or two that cannot be told apart, the likelier first."""


def likely_causes(signs: Signs) -> Named:
    """Those of the first sign of this verdict that is there."""
    return next((causes for sign in _SIGNS_OF[signs.verdict] if (causes := sign(signs))), ())


def causes_of_reset(samples: Iterable[DeviceSample], classifier: Classifier) -> Named:
    """Why a physical device has events without rates."""
    absences, fastest = _absences(samples, classifier)
    if not absences:
        return ()
    # One that falls again and again, and is as busy as that, is one of 32 bits that is full.
    if absences > 1 and ByteRate.from_total(2.0**32, LONGEST_ABSENCE) < fastest:
        return Cause.COUNTER_RESET, Cause.WRAPPED_COUNTER
    return (Cause.COUNTER_RESET,)


def _absences(samples: Iterable[DeviceSample], classifier: Classifier) -> tuple[int, ByteRate]:
    """How often a physical device went without rates, at most, and the greatest rate of one of them."""
    most, fastest = 0, 0.0
    in_order = sorted((s for s in samples if _is_physical(classifier, s)), key=lambda s: (s.device, s.at))
    for _, of_one in groupby(in_order, key=lambda sample: sample.device):
        several = list(of_one)
        runs = [is_rated for is_rated, _ in groupby(several, key=lambda sample: sample.is_rated)]
        if not all(runs):
            most = max(most, runs.count(False))
            fastest = max(
                fastest,
                *(max(s.rx_bytes_per_second or 0.0, s.tx_bytes_per_second or 0.0) for s in several),
            )
    return most, ByteRate(fastest)


def _is_physical(classifier: Classifier, sample: DeviceSample) -> bool:
    return classifier.kind(sample.device) is DeviceKind.PHYSICAL


# --- signs of rates no machine can have


def _wrapped_at_64_bits(signs: Signs) -> Named:
    rates = (rate for s in signs.samples for rate in (s.rx_bytes_per_second, s.tx_bytes_per_second))
    greatest = max((rate for rate in rates if rate is not None), default=0.0)
    is_there = max(greatest_os_rate(signs.readings, signs.window), ByteRate(greatest)) > WRAP_64
    return (Cause.WRAPPED_COUNTER,) if is_there else ()


def _ec2_contradicted(signs: Signs) -> Named:
    """EC2 reports more than the instance can carry, and the OS says much less."""
    if greatest_eni_rate(signs.readings, signs.window) > IMPLAUSIBLE_RATE:
        return (Cause.EC2_SIDE,)
    is_less = signs.part is not None and signs.part < 0.5 and not signs.too_much
    return (Cause.EC2_SIDE,) if is_less else ()


# --- signs of a total that is not there


def _still_writes(signs: Signs) -> Named:
    """The agent is alive: its events arrive while its total does not."""
    if not signs.samples:
        return ()
    # The total has the fields of its first device, whichever that is: where it has no rate there is none.
    if all(sample.is_rated for sample in signs.samples):
        return (Cause.METRIC_PATH,)
    return (Cause.COUNTER_RESET,)


def _writes_without_its_id(signs: Signs) -> Named:
    is_there = isinstance(signs.events, DeviceEvents) and signs.events.anonymous > 0
    return (Cause.NO_INSTANCE_ID,) if is_there else ()


def _writes_as_another(signs: Signs) -> Named:
    is_there = isinstance(signs.events, DeviceEvents) and signs.events.foreign >= MANY_FOREIGN
    return (Cause.REUSED_NAME,) if is_there else ()


def _writes_nothing(signs: Signs) -> Named:
    if isinstance(signs.events, DeviceEvents) or _has_no_stream(signs.events):
        return (Cause.AGENT_DOWN,)
    return Cause.AGENT_DOWN, Cause.METRIC_PATH  # what it writes was not seen


def _has_no_stream(events: MissingEvidence | None) -> bool:
    return events is not None and events.why is NoEvidence.STREAM_MISSING


# --- signs of a total that is too small


def _sees_no_device(signs: Signs) -> Named:
    """Its total is zero to the byte, all through the window or up to its end, and it names no device."""
    is_blind = not any(signs.os_rates[-3:]) and not signs.devices - {""}
    return (Cause.BLIND_AGENT,) if is_blind else ()


def _sees_a_pod_only(signs: Signs) -> Named:
    in_a_pod = signs.devices and all(NAMES_IN_A_POD.fullmatch(name) for name in signs.devices)
    if not in_a_pod or not signs.has_all_devices:
        return ()
    is_small = signs.part is not None and signs.part <= MOST_OF_A_NAMESPACE
    if not is_small and all(_named_physical(signs, name) for name in signs.vanished):
        return ()
    if signs.took_the_place or signs.devices != {"eth0"}:
        return (Cause.WRONG_NAMESPACE,)
    # A node whose own first device is called eth0, without pods and with an ENI moved, shows as much.
    return Cause.MOVED_DEVICE, Cause.WRONG_NAMESPACE


def _lost_a_device(signs: Signs) -> Named:
    """A physical device wrote events, and no longer does, while others do."""
    is_there = signs.devices and any(_named_physical(signs, name) for name in signs.vanished)
    return (Cause.MOVED_DEVICE,) if is_there else ()


def _named_physical(signs: Signs, device: str) -> bool:
    return signs.rules.classifier.kind(device) is DeviceKind.PHYSICAL


def _lost_a_counter(signs: Signs) -> Named:
    if not _absences(signs.samples, signs.rules.classifier)[0]:
        return ()
    return causes_of_reset(signs.all_samples, signs.rules.classifier)


def _is_off_by_a_unit(signs: Signs) -> Named:
    """Both directions of the devices are off by one factor; or the total is, against its own devices."""
    if not any(side.too_little or side.too_much for side in signs.sides):
        return (Cause.UNIT_ERROR,) if _total_is_off_by_a_unit(signs) else ()
    ratios = [side.ratio for side in signs.sides]
    newest = [side.newest_ratio or 0.0 for side in signs.sides]
    is_there = _share_a_factor(ratios, MOST_HEADERS, EDGES) or _share_a_factor(newest, MOST_HEADERS, EDGES)
    if not is_there and not (signs.has_just_begun and signs.is_alike_both_ways):
        return ()
    # Bytes that never crossed a device take their packets with them; that may be a fifth left by chance.
    if min(ratios) > 1 or signs.lacks_bytes_alone:
        return (Cause.UNIT_ERROR,)
    moved_or_unit = (Cause.MOVED_DEVICE, Cause.UNIT_ERROR)
    return moved_or_unit if signs.has_just_begun else moved_or_unit[::-1]


def _total_is_off_by_a_unit(signs: Signs) -> bool:
    sums = sums_by_minute(DeviceEvents(signs.samples))
    totals = signs.readings.os_minutes(signs.window.start, signs.window.end - MINUTE)
    minutes = (signs.window.start + number * MINUTE for number in range(len(totals)))
    return _share_a_factor(
        (
            total / sums[minute]
            for minute, total in zip(minutes, totals, strict=True)
            if total is not None and sums.get(minute)
        ),
        ABOUT,
        ABOUT,
    )


def _share_a_factor(ratios: Iterable[float], below: float, above: float) -> bool:
    """Whether all of them are about the same factor, up or down; they may lie so far below and above it."""
    several = tuple(ratios)
    factors = (factor for up in UNIT_FACTORS for factor in (up, 1 / up))
    return bool(several) and any(
        all(-below <= ratio / factor - 1 <= above for ratio in several) for factor in factors
    )


def _wrapped_at_32_bits(signs: Signs) -> Named:
    """What is missing in a direction is 2^32 bytes a minute, or twice or three times that."""
    short = [side for side in signs.sides if side.too_little]
    if not short or not all(map(_is_whole_wraps, short)) or all(side.lacks_packets for side in short):
        return ()
    if signs.too_little == {RECEIVED} and _is_multiple(signs.side(RECEIVED)):
        return Cause.EC2_SIDE, Cause.WRAPPED_COUNTER
    if signs.lacks_bytes_alone:
        return (Cause.WRAPPED_COUNTER,)
    if len(short) < len(signs.sides):
        return ()  # one direction may be short by as much by chance
    if Cause.UNIT_ERROR in _is_off_by_a_unit(signs):
        return Cause.UNIT_ERROR, Cause.WRAPPED_COUNTER
    return Cause.WRAPPED_COUNTER, Cause.MOVED_DEVICE


def _is_whole_wraps(side: Side) -> bool:
    missing = side.carried - side.counted
    wraps = round(missing / WRAP_32)
    off = missing - wraps * WRAP_32
    return 1 <= wraps <= MOST_WRAPS and -0.03 * side.carried <= off <= MOST_HEADERS * side.carried


def _dropped_what_was_received(signs: Signs) -> Named:
    """The devices dropped about as much as is missing of what was received."""
    dropped = signs.dropped_per_second
    if RECEIVED not in signs.too_little or dropped is None:
        return ()
    if not signs.side(RECEIVED).is_accounted_for_by(dropped):
        return ()
    if SENT in signs.too_much:
        return Cause.RECEIVE_DROPS, Cause.TRANSMIT_DROPS
    return (Cause.RECEIVE_DROPS, Cause.MOVED_DEVICE) if SENT in signs.too_little else (Cause.RECEIVE_DROPS,)


def _lost_what_was_received(signs: Signs) -> Named:
    """Too little was received, nothing else is too little, and the devices dropped less than that."""
    if signs.too_little != {RECEIVED}:
        return ()
    if SENT in signs.too_much:
        return Cause.RECEIVE_DROPS, Cause.TRANSMIT_DROPS
    side = signs.side(RECEIVED)
    is_multiple = _is_multiple(side)
    if side.has_all_packets:
        return (Cause.EC2_SIDE,) if is_multiple else ()
    # An XDP program drops without counting; and a device that moved takes what it sent along, as a rule.
    is_ec2 = is_multiple and not side.lacks_packets
    return Cause.RECEIVE_DROPS, Cause.EC2_SIDE if is_ec2 else Cause.MOVED_DEVICE


def _is_multiple(side: Side) -> bool:
    """Whether EC2's figure is the devices' times a small whole number, or many times over."""
    if side.counted <= ZERO:
        return False
    times = side.carried / side.counted
    return times >= 20 or (round(times) in range(2, 11) and abs(times / round(times) - 1) <= ABOUT)


def _lost_what_was_sent(signs: Signs) -> Named:
    """Too little was sent: no drop does that, for the OS counts before the instance's allowance."""
    if SENT not in signs.too_little:
        return ()
    if RECEIVED not in signs.too_little:
        return Cause.MOVED_DEVICE, Cause.MIRRORED_TRAFFIC
    return () if signs.lacks_bytes_alone else (Cause.MOVED_DEVICE,)


def _was_not_looked_at(signs: Signs) -> Named:
    """The totals alone contradict counting: bytes that the OS never saw, or dropped."""
    is_unseen = not isinstance(signs.events, DeviceEvents)
    return (Cause.MOVED_DEVICE, Cause.RECEIVE_DROPS) if is_unseen else ()


# --- signs of devices that count too much


def _lost_after_it_was_sent(signs: Signs) -> Named:
    if signs.too_much != {SENT} or signs.side(RECEIVED).ratio > 1.2:
        return ()
    if RECEIVED in signs.too_little:
        return Cause.TRANSMIT_DROPS, Cause.RECEIVE_DROPS
    return (Cause.TRANSMIT_DROPS,)


_Sign: TypeAlias = Callable[[Signs], Named]

_SIGNS_OF: Final[dict[Verdict, tuple[_Sign, ...]]] = {
    Verdict.IMPLAUSIBLE: (_wrapped_at_64_bits, _is_off_by_a_unit, _ec2_contradicted),
    Verdict.OS_SILENT: (_still_writes, _writes_without_its_id, _writes_as_another, _writes_nothing),
    Verdict.OS_UNSTEADY: (_writes_as_another, lambda _: (Cause.AGENT_DOWN,)),
    Verdict.OS_DEFICIT: (
        _sees_no_device,
        _sees_a_pod_only,
        _lost_a_device,
        _lost_a_counter,
        _dropped_what_was_received,
        _wrapped_at_32_bits,
        _is_off_by_a_unit,
        _lost_what_was_received,
        _lost_what_was_sent,
        _was_not_looked_at,
    ),
    Verdict.OS_EXCESS: (_is_off_by_a_unit, _lost_after_it_was_sent),
}
