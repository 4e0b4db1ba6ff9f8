"""The judgement on one node's window: the verdict table, from top to bottom, first match wins.

Nothing is guessed. Where the two metrics cannot tell and the devices do not either, the verdict says so.
`unexplained` is the distance between the measured interval and the band that counting explains, so a message
may say "at least"; it is zero where they touch, and below the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from enigap.core.counting.comparison import Sign, Violation
from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import (
    DeviceEvents,
    Evidence,
    MissingEvidence,
    Unusable,
    greatest_rate,
)
from enigap.core.counting.meters import OS_METRIC
from enigap.core.counting.node import Node
from enigap.core.counting.reading import (
    OsSource,
    Readings,
    Unreadable,
    eni_alone,
    eni_is_silent,
    eni_periods,
    eni_reports,
    greatest_eni_rate,
    greatest_os_rate,
    os_alone,
    os_is_silent,
    os_minutes_known,
    reported_before,
)
from enigap.core.counting.rules import IMPLAUSIBLE_RATE, Rules
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ZERO, ByteRate, RateSpan
from enigap.core.counting.window import GRID, MINUTE, PERIODS_PER_WINDOW, Window
from enigap.core.judging.case import Case, History, history_of
from enigap.core.judging.causes import Signs, likely_causes
from enigap.core.judging.intervals import long_interval_of
from enigap.core.judging.steadiness import ENOUGH_PERIODS, ENOUGH_RESTARTS, Gap, restarts
from enigap.core.judging.verdict import Cause, Judgement, Reason, Verdict
from enigap.core.judging.who import with_pods_devices
from enigap.core.text import duration, listed, percent


def judge(  # noqa: PLR0917 - in the order in which they become known
    node: Node,
    readings: Readings | Unreadable,
    events: DeviceEvents | MissingEvidence | None,
    window: Window,
    rules: Rules,
    history: History | None = None,
) -> Judgement:
    """The judgement on one node's window. `events` is None before the devices were asked for.

    Events of the ENI devices alone can clear a node (`node_local`). They accuse none: where they differ from
    what the interfaces carried the node is `unverified`, for all of its devices to tell. Without `history`
    the devices are compared over the periods of `readings` alone.
    """
    if isinstance(readings, Unreadable):
        reason = Reason(readings.why, ", so this window could not be judged")
        return Judgement(node, window, Verdict.UNREADABLE, reason)
    if node.is_windows:
        return _on_windows(node, readings, window)
    if isinstance(events, DeviceEvents):
        rules = replace(rules, classifier=with_pods_devices(rules.classifier, events))
    case = Case(node, readings, events, window, rules, history or History(history_of(readings)))
    judgement = next(judgement for row in _ROWS if (judgement := row(case)) is not None)
    if judgement.explained is not False:
        return judgement
    return with_causes(judgement, likely_causes(case.signs(judgement.verdict)))


def _on_windows(node: Node, readings: Readings, window: Window) -> Judgement:
    """Windows counts a virtual switch's adapters beside the ENI's, by names that no table here has."""
    return Judgement(
        node,
        window,
        Verdict.UNVERIFIED,
        Reason(
            "the node runs Windows",
            ", whose network adapters are counted otherwise than Linux's, so its totals are not compared",
        ),
        os=os_alone(readings, window),
        eni=eni_alone(readings, window),
        evidence_missing="the node runs Windows",
        os_source=readings.os_source,
    )


def with_causes(judgement: Judgement, causes: Sequence[Cause]) -> Judgement:
    """With the likeliest cause, and the one that the figures cannot tell from it."""
    cause, alternative, *_ = (*causes, None, None)
    return replace(judgement, cause=cause, alternative_cause=alternative)


def judge_windows(  # noqa: PLR0917 - as `judge` takes them
    node: Node,
    readings: Readings | Unreadable,
    events: DeviceEvents | MissingEvidence | None,
    windows: Sequence[Window],
    rules: Rules,
    history: History | None = None,
) -> list[Judgement]:
    """The judgements on the windows of one fetch, newest first.

    Two windows in a row that are `partial` because the agent keeps restarting are `os_unsteady`: that is seen
    in no window alone.
    """
    judgements = [judge(node, readings, events, window, rules, history) for window in windows]
    if isinstance(readings, Unreadable):
        return judgements
    unsteady: dict[Window, tuple[Gap, ...]] = {}
    for newer, older in pairwise(judgements):
        if newer.verdict is Verdict.PARTIAL and older.verdict is Verdict.PARTIAL:
            gaps = restarts(readings, older.window, newer.window, events)
            if len(gaps) >= ENOUGH_RESTARTS:
                unsteady |= {newer.window: gaps, older.window: gaps}
    return [
        _unsteady(each, readings, events, unsteady[each.window], rules) if each.window in unsteady else each
        for each in judgements
    ]


def _unsteady(
    judgement: Judgement,
    readings: Readings,
    events: DeviceEvents | MissingEvidence | None,
    gaps: Sequence[Gap],
    rules: Rules,
) -> Judgement:
    window = judgement.window
    eni = eni_alone(readings, window)
    reason = Reason(
        f"EC2 reported {eni}, and Container Insights stopped and started again {len(gaps)} times in half an "
        "hour",
        ": the agent on this node keeps restarting",
    )
    signs = Signs(Verdict.OS_UNSTEADY, window, readings, events, (), (window.start, window.end), rules)
    told = replace(judgement, verdict=Verdict.OS_UNSTEADY, reason=reason, eni=eni)
    return with_causes(told, likely_causes(signs))


# --- The rows, in the table's order. Each answers None where it does not match. ---


def _warming_up(case: Case) -> Judgement | None:
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


def _implausible(case: Case) -> Judgement | None:
    impossible = ", more than any machine can move"
    if (rate := greatest_os_rate(case.readings, case.window)) > IMPLAUSIBLE_RATE:
        return case.judged(Verdict.IMPLAUSIBLE, Reason(f"the OS side reported {rate}", impossible))
    if case.near is not None and not case.only_enis:
        device, rate = greatest_rate(case.near, case.window.start, case.window.end)
        if rate > IMPLAUSIBLE_RATE:
            return case.judged(Verdict.IMPLAUSIBLE, Reason(f"Device {device} reported {rate}", impossible))
    if (rate := greatest_eni_rate(case.readings, case.window)) > IMPLAUSIBLE_RATE:
        reason = Reason(f"EC2 reported {rate} over the network interfaces", impossible)
        return case.judged(Verdict.IMPLAUSIBLE, reason)
    return _above_bandwidth(case, rate)


def _above_bandwidth(case: Case, eni: ByteRate) -> Judgement | None:
    # Never the OS total against the link: virtual devices have none.
    if case.node.bandwidth is None or case.is_carried_by_devices:
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


def _os_silent(case: Case) -> Judgement | None:
    if not (os_is_silent(case.readings, case.window) and eni_reports(case.readings, case.window)):
        return None
    eni = eni_alone(case.readings, case.window)
    seen = f"EC2 reported {eni} and Container Insights nothing"
    if isinstance(case.events, DeviceEvents) and case.events.within(case.window.start, case.window.end):
        reason = Reason(
            f"{seen}, though the node's device events arrived",
            ": the agent is alive, and a counter was reset or the metric's path is broken",
        )
        if case.events.counter_age:
            reason = Reason(
                f"{seen} by {OS_METRIC}, though the counters of the node's devices arrived by OpenTelemetry",
                ": the agent is alive, and the classic Container Insights was switched off here or fails",
            )
        return case.judged(Verdict.OS_SILENT, reason)
    if isinstance(case.events, DeviceEvents) and case.events.anonymous:
        reason = Reason(
            f"{seen} with this node's instance id, and events in its log stream have none",
            ": the agent runs and cannot reach the instance metadata (IMDS)",
        )
        return case.judged(Verdict.OS_SILENT, reason)
    reason = Reason(seen, ": the agent is down or blind on this node, or its metrics are lost")
    return case.judged(Verdict.OS_SILENT, reason)


def _eni_silent(case: Case) -> Judgement | None:
    if not eni_is_silent(case.readings, case.window) or os_is_silent(case.readings, case.window):
        return None
    rate = greatest_os_rate(case.readings, case.window)
    return case.judged(
        Verdict.ENI_SILENT,
        Reason(f"Container Insights reports up to {rate} and EC2 has no datapoint for this instance"),
    )


def _partial(case: Case) -> Judgement | None:
    if case.has_enough_periods:
        return None
    complete = f"only {len(case.periods)}" if case.periods else "none"
    if interval := long_interval_of(case.readings):
        why = (
            f": the agent reports every {duration(interval)}, and it takes a figure of every minute "
            "(`metrics_collection_interval` 60)"
        )
    else:
        minutes = os_minutes_known(case.readings, case.window)
        periods = eni_periods(case.readings, case.window)
        why = (
            f": Container Insights has {minutes} of its {GRID // MINUTE} minutes, "
            f"and EC2 {periods} of its {PERIODS_PER_WINDOW} periods"
        )
        if case.readings.os_source is OsSource.OTEL and minutes < GRID // MINUTE:
            why += "; where it stays so, have the OpenTelemetry agent collect its counters every 30 s"
    return case.judged(
        Verdict.PARTIAL,
        Reason(
            f"{complete} of the window's {PERIODS_PER_WINDOW} five-minute periods is complete on both sides, "
            f"and it takes {ENOUGH_PERIODS}",
            why,
        ),
    )


def _idle(case: Case) -> Judgement | None:
    floor = case.rules.floor
    if case.both.os.middle >= floor or case.both.eni >= floor:
        return None
    return case.compared_totals(
        Verdict.IDLE,
        Reason(
            f"both sides are under {floor}: {case.both.os.middle.rounded_down} by the OS, "
            f"{case.both.eni.rounded_down} by EC2"
        ),
    )


def _os_deficit(case: Case) -> Judgement | None:
    violation = case.accusation
    if violation is None or violation.sign is not Sign.DEFICIT or violation.rate <= case.without_events:
        # The devices' events have exact times, and the total is an average over minutes: where the devices
        # carried as much as the ENIs, the total does not count.
        return _total_deficit(case) if case.evidence is None else None
    reason = Reason(
        f"the network interfaces {violation.direction} {violation.carried}, the physical devices counted "
        f"{violation.counted} of it",
        f": at least {violation.rate.rounded_down} never crossed a device the OS sees",
    )
    return _found_by_devices(case, Verdict.OS_DEFICIT, reason, violation)


def _crossing(case: Case) -> ByteRate:
    """What of the ENIs' bytes crossed the node's devices, at least."""
    bypass, both = case.history.bypass, case.both
    if not bypass:
        return both.eni
    crossing = both.eni_in if bypass.mirror_sessions else both.eni
    if not bypass.has_efa:
        return crossing
    if bypass.efa is None:
        return ZERO
    efa = max(
        sum(bypass.efa.at_most(direction, run.start, run.end) for direction in Direction)
        / (run.end - run.start).total_seconds()
        for run in both.runs
    )
    return ByteRate(max(0.0, crossing.bytes_per_second - efa))


def _unless_idle(distance: ByteRate, counted: RateSpan, carried: ByteRate, rules: Rules) -> ByteRate:
    """The distance from the band; zero where the two sides differ by less than the floor.

    The floor is held against the likeliest difference, not against the distance: error bars and tolerance
    take most of a mismatch of a fifth away from the distance, whatever its size.
    """
    difference = max(counted.middle - carried, carried - counted.middle)
    return distance if difference >= rules.floor else ZERO


def _total_deficit(case: Case) -> Judgement | None:
    """The OS's total is below what the ENIs carried, wherever within a minute EC2 begins its minutes."""
    both = case.both
    lowest = (1 - case.rules.tolerance) * _crossing(case)
    if both.os_at_most is None or both.os_at_most >= lowest:
        return None
    missing = _unless_idle(both.os.below(lowest), both.os, both.eni, case.rules)
    if missing == ZERO:
        return None
    reason = Reason(
        f"the network interfaces carried {both.eni}, the OS counted {both.os.middle}",
        f": counting never makes the OS see less, so at least {missing.rounded_down} is unexplained",
    )
    return case.compared_totals(Verdict.OS_DEFICIT, reason, unexplained=missing)


def _os_excess(case: Case) -> Judgement | None:
    violation = case.accusation
    if violation is None or violation.sign is not Sign.EXCESS:
        return None
    reason = Reason(
        f"the physical devices {violation.direction} {violation.counted}, the network interfaces "
        f"{violation.carried}",
        f": at least {violation.rate.rounded_down} more was counted than carried",
    )
    return _found_by_devices(case, Verdict.OS_EXCESS, reason, violation)


def _found_by_devices(case: Case, verdict: Verdict, reason: Reason, violation: Violation) -> Judgement:
    if case.only_enis:
        return replace(_unverified(case), accumulated=case.compared)
    if case.would_explain:
        return _hangs_on_unknown_device(case, case.would_explain)
    judgement = case.compared_totals(verdict, reason, unexplained=violation.rate)
    return replace(judgement, comparison=violation, accumulated=case.compared)


def _counter_was_reset(case: Case) -> Judgement | None:
    """An ENI's counter started anew: the agent leaves the device out of its total until it has caught up."""
    if not (devices := case.reset_enis):
        return None
    reason = Reason(
        f"the OS counted {case.both.os.middle} and the network interfaces carried {case.both.eni}, and the "
        f"counter of {listed(devices)} was reset",
        ", so what it carried is in no figure of the OS",
    )
    judgement = case.compared_totals(Verdict.UNVERIFIED, reason, unexplained=None)
    return with_causes(judgement, case.causes_of_reset)


def _bypassed(case: Case) -> Judgement | None:
    """The devices counted less than the ENIs carried, and the rest may cross no device by design."""
    bypass = case.history.bypass
    if not bypass or case.both.os.middle >= (1 - case.rules.tolerance) * case.both.eni:
        return None
    os, eni = case.both.os.middle, case.both.eni
    seen = f"the OS counted {os} and the network interfaces carried {eni}"
    if bypass.is_bounded:
        reason = Reason(seen, f": the rest may be {bypass.words}, which EC2 counts and no device of the node")
        return case.compared_totals(Verdict.AGREE, reason)
    reason = Reason(
        seen,
        f": the rest may be {bypass.words}, which crosses no device of the node, and how much that was is "
        "unknown without the metrics node_efa_* of Container Insights",
    )
    return case.compared_totals(Verdict.UNVERIFIED, reason, unexplained=None)


def _agree(case: Case) -> Judgement | None:
    os, eni = case.both.os.middle, case.both.eni
    if abs((os - eni).bytes_per_second) > (case.rules.tolerance * eni).bytes_per_second:
        return None
    within = percent(case.rules.tolerance)
    return case.compared_totals(
        Verdict.AGREE,
        Reason(f"the OS counted {os} and the network interfaces carried {eni}: the same within {within}"),
    )


def _pod_edge(case: Case) -> Judgement | None:
    if case.both.os.low > case.explained_up_to(case.counted_again):
        return None
    os, eni = case.both.os.middle, case.both.eni
    inside = _at_least_inside(case, Verdict.POD_EDGE)
    also = f"; {inside}" if inside else ""
    if os < eni:
        reason = Reason(
            f"the OS counted {os} and the network interfaces carried {eni}",
            f": as near as readings once a minute can tell, the same traffic{also}",
        )
    elif eni == ZERO:
        reason = Reason(
            f"the OS counted {os} at the window's edge, and the network interfaces carried nothing inside it",
            also,
        )
    else:
        again = _carrying(case)
        where = f"at the pods' devices and once more on {again}" if again else "at the pods' devices"
        reason = Reason(
            f"the OS counted {os}, {os / eni:.1f} times the {eni} the network interfaces carried",
            f": no more than pod traffic comes to, which is counted again {where}{also}",
        )
    return case.compared_totals(Verdict.POD_EDGE, reason)


def _node_local(case: Case) -> Judgement | None:
    evidence = case.evidence
    if evidence is None or case.both.os.low <= case.explained_up_to(case.counted_again + case.unknown):
        return None
    if case.differs_from_enis:
        return None  # by less than may be told, yet the surplus is not the virtual devices' alone
    physical = (evidence.physical_rx + evidence.physical_tx).middle
    on_virtual = "the surplus" if case.only_enis else str(evidence.virtual.middle)
    inside = _at_least_inside(case, Verdict.NODE_LOCAL)
    return case.compared_totals(
        Verdict.NODE_LOCAL,
        Reason(
            f"the OS counted {case.both.os.middle}: {on_virtual} on virtual devices, and on the "
            f"physical ones {physical} where the network interfaces carried {case.both.eni}",
            f", so {inside}"
            if inside
            else ", so the surplus is on virtual devices, which count traffic again",
        ),
    )


def _at_least_inside(case: Case, verdict: Verdict) -> str:
    """The claim that the split allows about traffic inside the node; empty where it allows none.

    What a packet filter or a full queue drops behind a pod's device was counted there and left by no ENI.
    """
    low = case.split(verdict).inside_node.low
    return (
        f"at least {low.rounded_down} is traffic inside the node, or was dropped on it" if low > ZERO else ""
    )


def _unverified(case: Case) -> Judgement:
    if case.only_enis and case.evidence is not None:
        why = "its ENI devices differ from what the interfaces carried, and the others were not read"
    elif case.differs_from_enis:
        why = "its ENI devices counted more than the interfaces carried, by less than one window proves"
    elif case.evidence is not None:
        return _hangs_on_unknown_device(case, _unknown_devices(case.evidence, case.rules))
    elif isinstance(case.devices, Unusable):
        why = case.devices.why
    else:
        why = _why_not_asked(case.events)
    times = f", {case.both.os.middle / case.both.eni:,.0f} times" if case.both.eni > ZERO else " against"
    return case.compared_totals(
        Verdict.UNVERIFIED,
        Reason(
            f"the OS counted {case.both.os.middle}{times} the {case.both.eni} the network interfaces carried",
            f": traffic inside the node or a fault, and the devices cannot tell which, for {why}",
        ),
        unexplained=None,
    )


def _hangs_on_unknown_device(case: Case, names: tuple[str, ...]) -> Judgement:
    return case.compared_totals(
        Verdict.UNVERIFIED,
        Reason(
            f"the OS counted {case.both.os.middle} and the network interfaces carried {case.both.eni}",
            f", and whether that is right hangs on a device of no known class ({listed(names)}), "
            "which belongs in `physical_devices` or `virtual_devices`",
        ),
        unexplained=None,
    )


def _unknown_devices(evidence: Evidence, rules: Rules) -> tuple[str, ...]:
    """Those that carried more than the floor, the largest first; at least the largest."""
    unknown = evidence.of_kind(DeviceKind.UNKNOWN)
    large = [device.device for device in unknown if device.total.middle >= rules.floor]
    return tuple(large or [device.device for device in unknown[:1]])


def _why_not_asked(events: DeviceEvents | MissingEvidence | None) -> str:
    return events.detail if isinstance(events, MissingEvidence) else "their events were not asked for"


def _carrying(case: Case) -> str:
    """The overlay, branch and gateway devices that carried more than the floor, by name."""
    if case.evidence is None:
        return ""
    again = case.evidence.of_kind(DeviceKind.COUNTED_AGAIN, DeviceKind.GATEWAY)
    return listed([d.device for d in again if d.total.middle >= case.rules.floor])


_ROWS: Final[tuple[Callable[[Case], Judgement | None], ...]] = (
    _warming_up,
    _implausible,
    _os_silent,
    _eni_silent,
    _partial,
    _idle,
    _os_deficit,
    _os_excess,
    _counter_was_reset,
    _bypassed,
    _agree,
    _pod_edge,
    _node_local,
    _unverified,
)
