"""The judgement on one node's window: the verdict table, from top to bottom, first match wins.

Nothing is guessed. Where the two metrics cannot tell and the devices do not either, the verdict says so.
`unexplained` is the distance between the measured interval and the band that counting explains, so a message
may say "at least"; it is zero where they touch, and below the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Final

from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceRates,
    DeviceScope,
    Evidence,
    MissingEvidence,
    Unusable,
    glance,
    greatest_rate,
    sums_by_minute,
    weigh,
)
from enigap.core.counting.node import Node
from enigap.core.counting.reading import (
    Measurement,
    Readings,
    Unreadable,
    complete_periods,
    eni_alone,
    eni_is_silent,
    eni_reports,
    greatest_eni_rate,
    greatest_os_rate,
    measure,
    os_alone,
    os_is_silent,
    reported_before,
)
from enigap.core.counting.rules import IMPLAUSIBLE_RATE, Rules
from enigap.core.counting.traffic import explained_up_to, node_local_at_least
from enigap.core.counting.units import NOTHING, ZERO, ByteRate, RateSpan
from enigap.core.counting.window import MINUTE, PERIODS_PER_WINDOW, Window
from enigap.core.judging.causes import RECEIVED, SENT, Side, Signs, likely_cause
from enigap.core.judging.verdict import Judgement, Reason, Verdict
from enigap.core.text import percent

ENOUGH_PERIODS: Final = 2
"""Of a window's three periods, how many must be complete on both sides."""


def judge(
    node: Node,
    readings: Readings | Unreadable,
    events: DeviceEvents | MissingEvidence | None,
    window: Window,
    rules: Rules,
) -> Judgement:
    """The judgement on one node's window. `events` is None before the devices were asked for.

    Events of the ENI devices alone can clear a node (`node_local`). They accuse none: where they differ from
    what the interfaces carried the node is `unverified`, for all of its devices to tell.
    """
    if isinstance(readings, Unreadable):
        reason = Reason(readings.why, ", so this window could not be judged")
        return Judgement(node, window, Verdict.UNREADABLE, reason)
    case = _Case(node, readings, events, window, rules)
    judgement = next(judgement for row in _ROWS if (judgement := row(case)) is not None)
    if judgement.explained is not False:
        return judgement
    return replace(judgement, cause=likely_cause(case.signs(judgement.verdict)))


class _Case:
    """Everything known about one node's window, worked out when a row first asks for it."""

    def __init__(
        self,
        node: Node,
        readings: Readings,
        events: DeviceEvents | MissingEvidence | None,
        window: Window,
        rules: Rules,
    ) -> None:
        self.node, self.readings, self.events = node, readings, events
        self.window, self.rules = window, rules
        self.periods = complete_periods(readings, window)

    @property
    def has_enough_periods(self) -> bool:
        return len(self.periods) >= ENOUGH_PERIODS

    @cached_property
    def both(self) -> Measurement:
        """Both sides over the complete periods. Only for rows below `partial`."""
        return measure(self.readings, self.periods)

    @cached_property
    def devices(self) -> Evidence | Unusable | None:
        """What the devices prove, if anybody asked them and they add up to what the OS reported."""
        if not isinstance(self.events, DeviceEvents):
            return None
        weighed = weigh(self.events, self.periods, self.rules.classifier)
        if self.only_enis:
            return weighed  # they are no sum to compare with the total
        if isinstance(weighed, Evidence) and (contradiction := self._contradiction()):
            return Unusable(contradiction, weighed.devices)
        return weighed

    @property
    def only_enis(self) -> bool:
        """Whether the other devices were not looked at."""
        return isinstance(self.events, DeviceEvents) and self.events.scope is DeviceScope.ENI

    @property
    def evidence(self) -> Evidence | None:
        return self.devices if isinstance(self.devices, Evidence) else None

    @cached_property
    def _summed_and_reported(self) -> tuple[ByteRate, ByteRate] | None:
        """All devices added up, and the OS total, over the minutes that have both; None without one."""
        if not isinstance(self.events, DeviceEvents):
            return None
        sums = sums_by_minute(self.events)
        pairs = [
            (devices, total)
            for run in self.both.runs
            for number, total in enumerate(self.readings.os_minutes(run.start, run.end))
            if total is not None and (devices := sums.get(run.start + number * MINUTE)) is not None
        ]
        if not pairs:
            return None
        summed = ByteRate(sum(devices for devices, _ in pairs) / len(pairs))
        return summed, ByteRate(sum(total for _, total in pairs) / len(pairs))

    def _contradiction(self) -> str | None:
        """Invariant I1: the OS total is the sum over all devices, by the same agent in the same cycle."""
        if self._summed_and_reported is None:
            return "none of its device events falls in a minute with a total"
        summed, reported = self._summed_and_reported
        allowed = max(self.rules.tolerance * reported, self.rules.floor)
        if reported - allowed <= summed <= reported + allowed:
            return None
        return f"its devices add up to {summed} where the total says {reported}"

    @property
    def _without_events(self) -> ByteRate:
        """What the total holds and no event does: a device whose events were lost, perhaps an ENI's."""
        if self.only_enis or self._summed_and_reported is None:
            return ZERO
        summed, reported = self._summed_and_reported
        return max(ZERO, reported - summed)

    @cached_property
    def physical(self) -> tuple[_Comparison, ...]:
        """Invariant I2, for each direction: the physical devices carried what EC2 says the ENIs carried."""
        if self.evidence is None:
            return ()
        return self._compare(self.evidence, self.evidence.of_kind(DeviceKind.PHYSICAL))

    def _compare(self, evidence: Evidence, devices: tuple[DeviceRates, ...]) -> tuple[_Comparison, ...]:
        """Both directions, were exactly these devices the physical ones."""
        eni = measure(self.readings, evidence.periods)
        rx = sum((device.rx for device in devices), NOTHING)
        tx = sum((device.tx for device in devices), NOTHING)
        return (
            _Comparison(RECEIVED, rx, eni.eni_in, self._without_events, self.rules),
            _Comparison(SENT, tx, eni.eni_out, self._without_events, self.rules),
        )

    @cached_property
    def would_explain(self) -> tuple[str, ...]:
        """Devices of unknown kind that, were they physical, would make both directions match."""
        if self.evidence is None:
            return ()
        physical = self.evidence.of_kind(DeviceKind.PHYSICAL)
        for chosen in _subsets(self.evidence.of_kind(DeviceKind.UNKNOWN)):
            if not any(side.differs for side in self._compare(self.evidence, physical + chosen)):
                return tuple(device.device for device in chosen)
        return ()

    @property
    def counted_again(self) -> ByteRate:
        return self.evidence.counted_again.high if self.evidence else ZERO

    @property
    def unknown(self) -> ByteRate:
        if self.evidence is None:
            return ZERO
        return sum((d.total.high for d in self.evidence.of_kind(DeviceKind.UNKNOWN)), ZERO)

    def explained_up_to(self, counted_again: ByteRate) -> ByteRate:
        """The top of the band, tolerance included."""
        # With the devices at hand what crosses a third one is known, and need not be assumed of every byte.
        is_known = self.evidence is not None and not self.only_enis
        counts = min(2, self.rules.max_counts_per_byte) if is_known else self.rules.max_counts_per_byte
        return (1 + self.rules.tolerance) * explained_up_to(self.both.eni, counts, counted_again)

    def judged(self, verdict: Verdict, reason: Reason) -> Judgement:
        """For the rows down to `partial`: nothing was compared. What one side says alone is shown."""
        alone = verdict in (Verdict.OS_SILENT, Verdict.ENI_SILENT)
        return Judgement(
            self.node,
            self.window,
            verdict,
            reason,
            os=os_alone(self.readings, self.window) if alone else None,
            eni=eni_alone(self.readings, self.window) if alone else None,
            evidence=self._shown,
        )

    def compared(
        self,
        verdict: Verdict,
        reason: Reason,
        *,
        unexplained: ByteRate | None = ZERO,
    ) -> Judgement:
        """A judgement for the rows from `idle` down."""
        bound = self.explained_up_to(self.counted_again + self.unknown)
        local = node_local_at_least(self.both.os, bound)
        return Judgement(
            self.node,
            self.window,
            verdict,
            reason,
            os=self.both.os.middle,
            eni=self.both.eni,
            eni_in=self.both.eni_in,
            eni_out=self.both.eni_out,
            unexplained=unexplained,
            node_local_at_least=local if verdict.explained is not False else None,
            evidence=self._shown,
        )

    def signs(self, verdict: Verdict) -> Signs:
        """What a likely cause is recognised by."""
        sides = self.physical if self.has_enough_periods else ()
        return Signs(
            verdict,
            self.window,
            self.readings,
            self.events if isinstance(self.events, DeviceEvents) else None,
            tuple(
                Side(s.direction, s.counted.middle, s.carried, s.too_little > ZERO, s.too_much > ZERO)
                for s in sides
            ),
            self.rules,
        )

    @property
    def _shown(self) -> Evidence | Unusable | None:
        """What the devices did, for people to see, whether or not anything was compared."""
        if self.only_enis:
            return None  # what the others carried would read as nothing
        if self.has_enough_periods or not isinstance(self.events, DeviceEvents):
            return self.devices
        return glance(self.events, self.window, self.rules.classifier)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One direction of the physical devices against one direction of the ENIs; they should be equal."""

    direction: str
    counted: RateSpan
    carried: ByteRate
    perhaps_counted: ByteRate
    """What devices without events may have counted on top."""
    rules: Rules

    @property
    def too_little(self) -> ByteRate:
        """By how much at least the OS counted less than the ENIs carried; zero within tolerance and floor."""
        lowest = (1 - self.rules.tolerance) * self.carried - self.perhaps_counted
        return _unless_idle(self.counted.below(lowest), self.counted, self.carried, self.rules)

    @property
    def too_much(self) -> ByteRate:
        highest = (1 + self.rules.tolerance) * self.carried
        return _unless_idle(self.counted.above(highest), self.counted, self.carried, self.rules)

    @property
    def differs(self) -> bool:
        return self.too_little > ZERO or self.too_much > ZERO


def _unless_idle(distance: ByteRate, counted: RateSpan, carried: ByteRate, rules: Rules) -> ByteRate:
    """The distance from the band; zero where the two sides differ by less than the floor.

    The floor is held against the likeliest difference, not against the distance: error bars and tolerance
    take most of a mismatch of a fifth away from the distance, whatever its size.
    """
    difference = max(counted.middle - carried, carried - counted.middle)
    return distance if difference >= rules.floor else ZERO


def _subsets(devices: tuple[DeviceRates, ...], most: int = 6) -> Iterator[tuple[DeviceRates, ...]]:
    """Every non-empty choice of the largest few devices, small choices first."""
    largest = devices[:most]
    for size in range(1, len(largest) + 1):
        yield from combinations(largest, size)


# --- The rows, in the table's order. Each answers None where it does not match. ---


def _warming_up(case: _Case) -> Judgement | None:
    launched = case.node.launched_at
    if case.has_enough_periods or launched is None or launched <= case.window.start:
        return None
    if reported_before(case.readings, launched):
        return None  # Older than its launch time says: an instance that was stopped and started again.
    when = f"{launched:%H:%M} UTC"
    return case.judged(
        Verdict.WARMING_UP,
        Reason(f"the instance was launched at {when}, after the window began, and reported too little of it"),
    )


def _implausible(case: _Case) -> Judgement | None:
    impossible = ", more than any machine can move"
    if (rate := greatest_os_rate(case.readings, case.window)) > IMPLAUSIBLE_RATE:
        return case.judged(Verdict.IMPLAUSIBLE, Reason(f"the OS side reported {rate}", impossible))
    if isinstance(case.events, DeviceEvents) and not case.only_enis:
        device, rate = greatest_rate(case.events, case.window.start, case.window.end)
        if rate > IMPLAUSIBLE_RATE:
            return case.judged(Verdict.IMPLAUSIBLE, Reason(f"Device {device} reported {rate}", impossible))
    if (rate := greatest_eni_rate(case.readings, case.window)) > IMPLAUSIBLE_RATE:
        reason = Reason(f"EC2 reported {rate} over the network interfaces", impossible)
        return case.judged(Verdict.IMPLAUSIBLE, reason)
    return _above_bandwidth(case, rate)


def _above_bandwidth(case: _Case, eni: ByteRate) -> Judgement | None:
    # Never the OS total against the link: virtual devices have none.
    if case.node.bandwidth is None:
        return None
    limit = 2 * case.node.bandwidth  # Full duplex: in plus out.
    of_what = (
        f", more than twice the {case.node.bandwidth} of its type {case.node.instance_type or ''}".rstrip()
    )
    if eni > limit:
        reason = Reason(f"EC2 reported {eni} over the network interfaces", of_what)
        return case.judged(Verdict.IMPLAUSIBLE, reason)
    if case.has_enough_periods and case.evidence is not None and not case.only_enis:
        physical = case.evidence.physical_rx + case.evidence.physical_tx
        if physical.low > limit:
            reason = Reason(f"the physical devices reported {physical.middle}", of_what)
            return case.judged(Verdict.IMPLAUSIBLE, reason)
    return None


def _os_silent(case: _Case) -> Judgement | None:
    if not (os_is_silent(case.readings, case.window) and eni_reports(case.readings, case.window)):
        return None
    eni = eni_alone(case.readings, case.window)
    seen = f"EC2 reported {eni} and Container Insights nothing"
    if isinstance(case.events, DeviceEvents) and case.events.within(case.window.start, case.window.end):
        reason = Reason(
            f"{seen}, though the node's device events arrived",
            ": the agent is alive, and a counter was reset or the metric's path is broken",
        )
        return case.judged(Verdict.OS_SILENT, reason)
    reason = Reason(seen, ": the agent is down or blind on this node, or its metrics are lost")
    return case.judged(Verdict.OS_SILENT, reason)


def _eni_silent(case: _Case) -> Judgement | None:
    if not eni_is_silent(case.readings, case.window) or os_is_silent(case.readings, case.window):
        return None
    rate = greatest_os_rate(case.readings, case.window)
    return case.judged(
        Verdict.ENI_SILENT,
        Reason(f"Container Insights reports up to {rate} and EC2 has no datapoint for this instance"),
    )


def _partial(case: _Case) -> Judgement | None:
    if case.has_enough_periods:
        return None
    complete = len(case.periods)
    return case.judged(
        Verdict.PARTIAL,
        Reason(
            f"only {complete or 'none'} of the window's {PERIODS_PER_WINDOW} five-minute periods "
            f"{'is' if complete < 2 else 'are'} complete on both sides, and it takes {ENOUGH_PERIODS}"
        ),
    )


def _idle(case: _Case) -> Judgement | None:
    floor = case.rules.floor
    if case.both.os.middle >= floor or case.both.eni >= floor:
        return None
    return case.compared(
        Verdict.IDLE,
        Reason(f"both sides are under {floor}: {case.both.os.middle} by the OS, {case.both.eni} by EC2"),
    )


def _os_deficit(case: _Case) -> Judgement | None:
    lowest = (1 - case.rules.tolerance) * case.both.eni
    missing = _unless_idle(case.both.os.below(lowest), case.both.os, case.both.eni, case.rules)
    if missing > ZERO:
        reason = Reason(
            f"the network interfaces carried {case.both.eni}, the OS counted {case.both.os.middle}",
            f": counting never makes the OS see less, so at least {missing} is unexplained",
        )
        return case.compared(Verdict.OS_DEFICIT, reason, unexplained=missing)
    side = max(case.physical, key=lambda side: side.too_little, default=None)
    if side is None or side.too_little == ZERO:
        return None
    if case.only_enis:
        return _unverified(case)
    if case.would_explain:
        return _hangs_on_unknown_device(case, case.would_explain)
    reason = Reason(
        f"the network interfaces {side.direction} {side.carried}, the physical devices counted "
        f"{side.counted.middle} of it",
        f": at least {side.too_little} never crossed a device the OS sees",
    )
    return case.compared(Verdict.OS_DEFICIT, reason, unexplained=side.too_little)


def _os_excess(case: _Case) -> Judgement | None:
    side = max(case.physical, key=lambda side: side.too_much, default=None)
    if side is None or side.too_much == ZERO:
        return None
    if case.only_enis:
        return _unverified(case)
    if case.would_explain:
        return _hangs_on_unknown_device(case, case.would_explain)
    reason = Reason(
        f"the physical devices {side.direction} {side.counted.middle}, the network interfaces {side.carried}",
        f": at least {side.too_much} more was counted than carried",
    )
    return case.compared(Verdict.OS_EXCESS, reason, unexplained=side.too_much)


def _agree(case: _Case) -> Judgement | None:
    os, eni = case.both.os.middle, case.both.eni
    if abs((os - eni).bytes_per_second) > (case.rules.tolerance * eni).bytes_per_second:
        return None
    within = percent(case.rules.tolerance)
    return case.compared(
        Verdict.AGREE,
        Reason(f"the OS counted {os} and the network interfaces carried {eni}: the same within {within}"),
    )


def _pod_edge(case: _Case) -> Judgement | None:
    if case.both.os.low > case.explained_up_to(case.counted_again):
        return None
    os, eni = case.both.os.middle, case.both.eni
    if os < eni:
        reason = Reason(
            f"the OS counted {os} and the network interfaces carried {eni}",
            ": as near as readings once a minute can tell, the same traffic",
        )
    elif eni == ZERO:
        reason = Reason(
            f"the OS counted {os} at the window's edge, and the network interfaces carried nothing inside it"
        )
    elif again := _carrying(case):
        reason = Reason(
            f"the OS counted {os}, {os / eni:.1f} times the {eni} the network interfaces carried",
            f": pod traffic is counted again at the pods' devices and once more on {again}",
        )
    else:
        reason = Reason(
            f"the OS counted {os}, {os / eni:.1f} times the {eni} the network interfaces carried",
            ": pod traffic is counted at the pod's own device and again at the network interface",
        )
    return case.compared(Verdict.POD_EDGE, reason)


def _node_local(case: _Case) -> Judgement | None:
    evidence = case.evidence
    if evidence is None or case.both.os.low <= case.explained_up_to(case.counted_again + case.unknown):
        return None
    physical = (evidence.physical_rx + evidence.physical_tx).middle
    on_virtual = "the surplus" if case.only_enis else str(evidence.virtual.middle)
    return case.compared(
        Verdict.NODE_LOCAL,
        Reason(
            f"the OS counted {case.both.os.middle}: {on_virtual} on virtual devices, and on the "
            f"physical ones {physical} where the network interfaces carried {case.both.eni}",
            ", so the surplus is traffic that never left the node",
        ),
    )


def _unverified(case: _Case) -> Judgement:
    if case.only_enis and case.evidence is not None:
        why = "its ENI devices differ from what the interfaces carried, and the others were not read"
    elif case.evidence is not None:
        unknown = case.evidence.of_kind(DeviceKind.UNKNOWN)
        return _hangs_on_unknown_device(case, tuple(device.device for device in unknown))
    elif isinstance(case.devices, Unusable):
        why = case.devices.why
    else:
        why = _why_not_asked(case.events)
    times = f", {case.both.os.middle / case.both.eni:,.0f} times" if case.both.eni > ZERO else " against"
    return case.compared(
        Verdict.UNVERIFIED,
        Reason(
            f"the OS counted {case.both.os.middle}{times} the {case.both.eni} the network interfaces carried",
            f": traffic inside the node or a fault, and the devices cannot tell which, for {why}",
        ),
        unexplained=None,
    )


def _hangs_on_unknown_device(case: _Case, names: tuple[str, ...]) -> Judgement:
    return case.compared(
        Verdict.UNVERIFIED,
        Reason(
            f"the OS counted {case.both.os.middle} and the network interfaces carried {case.both.eni}",
            f", and whether that is right hangs on a device of no known class ({', '.join(names)}), "
            "which belongs in `physical_devices` or `virtual_devices`",
        ),
        unexplained=None,
    )


def _why_not_asked(events: DeviceEvents | MissingEvidence | None) -> str:
    return events.detail if isinstance(events, MissingEvidence) else "nobody asked for their events"


def _carrying(case: _Case) -> str:
    """The overlay and branch devices that carried more than the floor, by name."""
    if case.evidence is None:
        return ""
    again = case.evidence.of_kind(DeviceKind.COUNTED_AGAIN)
    return ", ".join(d.device for d in again if d.total.middle >= case.rules.floor)


_ROWS: Final[tuple[Callable[[_Case], Judgement | None], ...]] = (
    _warming_up,
    _implausible,
    _os_silent,
    _eni_silent,
    _partial,
    _idle,
    _os_deficit,
    _os_excess,
    _agree,
    _pod_edge,
    _node_local,
    _unverified,
)
