"""What is most likely behind a window that counting does not explain: a hint for people, with its sign.

The verdict stands without it (`judge`), and nothing is decided by it. Each cause has a sign that the others
do not have; where there is none, there is no hint.

| cause | sign |
|---|---|
| wrapped_counter | the OS reports a rate that no machine can have: 2^64 bytes in a minute, as a rule |
| ec2_side | EC2 reports more than the instance can carry, and the devices do not |
| counter_reset | device events that still arrive, of all devices or without the rates of a physical one |
| reused_name | events in its log stream, but under another instance's id |
| agent_down | no event either |
| blind_agent | the OS total is exactly zero, or its events name no device |
| wrong_namespace | next to nothing, and on a device called eth0 and no other |
| unit_error | both directions, or the total against its own devices, are off by a factor between two units |
| receive_drops | too little was received, and what was sent is right |
| transmit_drops | too much was sent, and what was received is right |
| moved_device | what is left when the OS counted too little |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import DeviceEvents, DeviceSample, sums_by_minute
from enigap.core.counting.reading import Readings, greatest_os_rate
from enigap.core.counting.rules import IMPLAUSIBLE_RATE, Rules
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import MINUTE, Window
from enigap.core.judging.verdict import Cause, Verdict

RECEIVED: Final = Direction.RECEIVED
SENT: Final = Direction.SENT

UNIT_FACTORS: Final = (5, 8, 60, 300)
"""Periods of one minute in one of five, bits in a byte, seconds in a minute, seconds in five minutes."""

ABOUT: Final = 0.04
"""How near a ratio must be to a factor: headers and once-a-minute sampling cause a few per cent of error."""


@dataclass(frozen=True, slots=True)
class Side:
    """One direction: what the physical devices counted, and what EC2 says the ENIs carried."""

    direction: str
    counted: ByteRate
    carried: ByteRate
    too_little: bool
    too_much: bool


@dataclass(frozen=True)
class Signs:
    """What is known about a window with this verdict. `sides` are empty without usable evidence."""

    verdict: Verdict
    window: Window
    readings: Readings
    events: DeviceEvents | None
    sides: tuple[Side, ...]
    rules: Rules

    @cached_property
    def samples(self) -> tuple[DeviceSample, ...]:
        """The device events of this window, and not of the one before it, which was fetched as well."""
        return () if self.events is None else self.events.within(self.window.start, self.window.end)

    @cached_property
    def os_rates(self) -> tuple[float, ...]:
        rates = self.readings.os_minutes(self.window.start, self.window.end - MINUTE)
        return tuple(rate for rate in rates if rate is not None)

    @property
    def too_little(self) -> set[str]:
        return {side.direction for side in self.sides if side.too_little}

    @property
    def too_much(self) -> set[str]:
        return {side.direction for side in self.sides if side.too_much}


def likely_cause(signs: Signs) -> Cause | None:
    """The first cause of this verdict whose sign is there."""
    return next((cause for cause, is_there in _CAUSES_OF[signs.verdict] if is_there(signs)), None)


def _wrapped(signs: Signs) -> bool:
    rates = (rate for s in signs.samples for rate in (s.rx_bytes_per_second, s.tx_bytes_per_second))
    greatest = max((rate for rate in rates if rate is not None), default=0.0)
    return max(greatest_os_rate(signs.readings, signs.window), ByteRate(greatest)) > IMPLAUSIBLE_RATE


def _devices_count_no_more(signs: Signs) -> bool:
    return not signs.too_much


def _still_writes(signs: Signs) -> bool:
    return bool(signs.samples)


def _writes_without_its_id(signs: Signs) -> bool:
    return signs.events is not None and signs.events.anonymous > 0


def _writes_as_another(signs: Signs) -> bool:
    return signs.events is not None and signs.events.foreign > 0


def _sees_no_device(signs: Signs) -> bool:
    return not any(signs.os_rates) or {sample.device for sample in signs.samples} == {""}


def _sees_itself_only(signs: Signs) -> bool:
    is_tiny = ByteRate(max(signs.os_rates, default=0.0)) < signs.rules.floor
    return is_tiny and {sample.device for sample in signs.samples} == {"eth0"}


def _lost_a_physical_counter(signs: Signs) -> bool:
    return any(
        None in (sample.rx_bytes_per_second, sample.tx_bytes_per_second)
        and _is_physical(signs.rules.classifier, sample)
        for sample in signs.samples
    )


def _is_physical(classifier: Classifier, sample: DeviceSample) -> bool:
    return classifier.kind(sample.device) is DeviceKind.PHYSICAL


def _is_off_by_a_unit(signs: Signs) -> bool:
    if signs.sides:
        return _share_a_factor(
            side.counted / side.carried if side.carried > ZERO else 0.0 for side in signs.sides
        )
    sums = sums_by_minute(DeviceEvents(signs.samples))
    totals = signs.readings.os_minutes(signs.window.start, signs.window.end - MINUTE)
    minutes = (signs.window.start + number * MINUTE for number in range(len(totals)))
    return _share_a_factor(
        total / sums[minute]
        for minute, total in zip(minutes, totals, strict=True)
        if total is not None and sums.get(minute)
    )


def _share_a_factor(ratios: Iterable[float]) -> bool:
    """Whether all of them are about the same factor, up or down."""
    several = tuple(ratios)
    factors = (factor for up in UNIT_FACTORS for factor in (up, 1 / up))
    return bool(several) and any(
        all(abs(ratio / factor - 1) <= ABOUT for ratio in several) for factor in factors
    )


def _received_too_little(signs: Signs) -> bool:
    return signs.too_little == {RECEIVED} and not signs.too_much


def _sent_too_much(signs: Signs) -> bool:
    return signs.too_much == {SENT} and not signs.too_little


def _always(_: Signs) -> bool:
    return True


_Sign = Callable[[Signs], bool]

_CAUSES_OF: Final[dict[Verdict, tuple[tuple[Cause, _Sign], ...]]] = {
    Verdict.IMPLAUSIBLE: (
        (Cause.WRAPPED_COUNTER, _wrapped),
        (Cause.UNIT_ERROR, _is_off_by_a_unit),
        (Cause.EC2_SIDE, _devices_count_no_more),
    ),
    Verdict.OS_SILENT: (
        (Cause.COUNTER_RESET, _still_writes),
        (Cause.NO_INSTANCE_ID, _writes_without_its_id),
        (Cause.REUSED_NAME, _writes_as_another),
        (Cause.AGENT_DOWN, _always),
    ),
    Verdict.OS_DEFICIT: (
        (Cause.BLIND_AGENT, _sees_no_device),
        (Cause.WRONG_NAMESPACE, _sees_itself_only),
        (Cause.COUNTER_RESET, _lost_a_physical_counter),
        (Cause.UNIT_ERROR, _is_off_by_a_unit),
        (Cause.RECEIVE_DROPS, _received_too_little),
        (Cause.MOVED_DEVICE, _always),
    ),
    Verdict.OS_EXCESS: (
        (Cause.UNIT_ERROR, _is_off_by_a_unit),
        (Cause.TRANSMIT_DROPS, _sent_too_much),
    ),
}
