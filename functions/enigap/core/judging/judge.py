"""The judgement on one node's window: the verdict table, from top to bottom, first match wins.

Nothing is guessed. Where the two metrics cannot tell and the devices do not either, the verdict says so.
`unexplained` is the distance between the measured interval and the band that counting explains, so a message
may say "at least"; it is zero where they touch, and below the floor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise
from typing import Final

from enigap.core.counting.accumulated import Accumulated, Carried, EniHistory, Sign, Violation, compare
from enigap.core.counting.bypass import Bypass
from enigap.core.counting.devices import Classifier, DeviceKind
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
    OsSource,
    Readings,
    Unreadable,
    complete_periods,
    eni_alone,
    eni_is_silent,
    eni_periods,
    eni_reports,
    greatest_eni_rate,
    greatest_os_rate,
    measure,
    os_alone,
    os_is_silent,
    os_minutes_known,
    reported_before,
)
from enigap.core.counting.rules import IMPLAUSIBLE_RATE, Rules
from enigap.core.counting.split import Crossed, Outcome, Split, Totals, split_of
from enigap.core.counting.track import LONGEST_INTERVAL_SECONDS, CounterTrack, Direction, NoTracks, tracks_of
from enigap.core.counting.traffic import explained_up_to
from enigap.core.counting.units import NOTHING, ZERO, ByteRate, RateSpan
from enigap.core.counting.window import GRID, MINUTE, PERIOD, PERIODS_PER_WINDOW, Window
from enigap.core.judging.causes import Side, Signs, causes_of_reset, likely_causes
from enigap.core.judging.intervals import long_interval_of
from enigap.core.judging.steadiness import ENOUGH_RESTARTS, Gap, restarts
from enigap.core.judging.verdict import Cause, Judgement, Reason, Verdict
from enigap.core.judging.who import told_apart, with_pods_devices
from enigap.core.text import duration, listed, percent

ENOUGH_PERIODS: Final = 2
"""Of a window's three periods, how many must be complete on both sides."""


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
    case = _Case(node, readings, events, window, rules, history or History(history_of(readings)))
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


@dataclass(frozen=True, slots=True)
class History:
    """EC2's side of the accumulated comparison."""

    eni: EniHistory
    tracks: tuple[tuple[CounterTrack, ...], ...] | None = None
    """Of the ENI devices (`eni_tracks`); None: worked out from the events."""
    packets_are_frames: bool = False
    """Whether EC2's packets are known to count frames: the cluster has shown it (`packets_are_frames`)."""
    bypass: Bypass | None = None
    """What the node has of traffic that EC2 may count and no device does; None before it was looked up."""


def eni_tracks(
    events: DeviceEvents, classifier: Classifier, also: frozenset[str] = frozenset()
) -> tuple[tuple[CounterTrack, ...], ...]:
    """The counters of the ENI devices, and of those named `also`, in each way the events can be read."""
    tracks = tracks_of(
        events, classifier, lambda name: classifier.kind(name) is DeviceKind.PHYSICAL or name in also
    )
    return () if isinstance(tracks, NoTracks) else tracks.readings


def history_of(readings: Readings) -> EniHistory:
    """EC2's side as far as one fetch of both sides holds it: without packets."""
    unknown = (None,) * readings.span.periods
    return EniHistory.of_whole_periods(
        readings.span.start,
        samples=readings.network_in_samples,
        received=Carried(readings.network_in_bytes, unknown),
        sent=Carried(readings.network_out_bytes, unknown),
    )


class _Case:
    """Everything known about one node's window, worked out when a row first asks for it."""

    def __init__(  # noqa: PLR0917 - as `judge` takes them
        self,
        node: Node,
        readings: Readings,
        events: DeviceEvents | MissingEvidence | None,
        window: Window,
        rules: Rules,
        history: History,
    ) -> None:
        self.node, self.readings, self.events = node, readings, events
        self.window, self.rules, self.history = window, rules, history
        self.periods = complete_periods(readings, window)

    @property
    def has_enough_periods(self) -> bool:
        return len(self.periods) >= ENOUGH_PERIODS

    @cached_property
    def both(self) -> Measurement:
        """Both sides over the complete periods. Only for rows below `partial`."""
        return measure(self.readings, self.periods)

    @cached_property
    def near(self) -> DeviceEvents | None:
        """The events that are about this window; a look holds those of hours."""
        if not isinstance(self.events, DeviceEvents):
            return None
        start, end = self.window.start - PERIOD, self.window.end + PERIOD
        return replace(self.events, samples=self.events.within(start, end))

    @cached_property
    def devices(self) -> Evidence | Unusable | None:
        """What the devices prove, if they were asked for, could be compared, and add up to the OS total."""
        weighed = self._weighed
        if isinstance(weighed, Evidence) and (
            refusal := self._not_compared(weighed) or self._contradiction()
        ):
            return Unusable(refusal, weighed.devices)
        return weighed

    @cached_property
    def _weighed(self) -> Evidence | Unusable | None:
        """The devices by themselves, whether or not they add up to the OS total."""
        return None if self.near is None else weigh(self.near, self.periods, self.rules.classifier)

    @cached_property
    def compared(self) -> Accumulated | None:
        """The accumulated comparison of the ENI devices with EC2, over runs that end in this window."""
        return self._compare()

    def _compare(self, also: frozenset[str] = frozenset()) -> Accumulated | None:
        """The comparison, were the devices `also` ENIs as well."""
        if not isinstance(self.events, DeviceEvents):
            return None
        return compare(
            self.history.eni.until(self.window.end),
            eni_tracks(self.events, self.rules.classifier, also) if also else self._eni_tracks,
            self.rules,
            frames=self.history.packets_are_frames,
            bypass=self.history.bypass,
        )

    @cached_property
    def _eni_tracks(self) -> tuple[tuple[CounterTrack, ...], ...]:
        if self.history.tracks is not None:
            return self.history.tracks
        if not isinstance(self.events, DeviceEvents):
            return ()
        return eni_tracks(self.events, self.rules.classifier)

    def _not_compared(self, weighed: Evidence) -> str | None:
        """Why the comparison says nothing about this window; None where it does, or where an ENI was attached
        or detached and nothing speaks against the rest: what that one carried beside its events is unknown,
        so no deficit is proven."""
        if self.compared is not None and self.compared.seen_until > self.window.start:
            return None
        if self.compared is not None and self._enis_came_or_went and self._seem_to_agree(weighed):
            return None
        return "its events cannot be put together to what its ENI devices counted in this window"

    @property
    def _enis_came_or_went(self) -> bool:
        """Whether an ENI device has rates for a shorter time than another."""
        for tracks in self._eni_tracks:
            firsts = [track.times[0] for track in tracks]
            lasts = [track.times[-1] for track in tracks]
            if max(max(firsts) - min(firsts), max(lasts) - min(lasts)) > LONGEST_INTERVAL_SECONDS:
                return True
        return False

    def _seem_to_agree(self, weighed: Evidence) -> bool:
        """Whether in each direction the ENI devices may have counted what the interfaces carried."""
        pairs = (
            (weighed.physical_rx, self.both.eni_in),
            (weighed.physical_tx, self.both.eni_out),
        )
        tolerance, floor = self.rules.tolerance, self.rules.floor
        return all(
            counted.high + floor >= (1 - tolerance) * carried
            and counted.low <= (1 + tolerance) * carried + floor
            for counted, carried in pairs
        )

    @property
    def is_carried_by_devices(self) -> bool:
        """Whether the ENI devices counted what EC2 says: then it is no limit that is wrong with it."""
        is_seen = self.compared is not None and self.compared.seen_until > self.window.start
        return is_seen and self.violation is None

    @property
    def only_enis(self) -> bool:
        """Whether the other devices were not looked at."""
        return isinstance(self.events, DeviceEvents) and self.events.scope is DeviceScope.ENI

    @property
    def evidence(self) -> Evidence | None:
        return self.devices if isinstance(self.devices, Evidence) else None

    @cached_property
    def _summed_and_reported(self) -> tuple[ByteRate, ByteRate] | None:
        """All devices added up, and the OS total, in one of the minutes that have both; None without one.

        The minute in the middle, by how much the devices lack: an event that was lost is missing in one
        minute, and what no event ever tells of in all of them.
        """
        if self.near is None:
            return None
        sums = sums_by_minute(self.near)
        pairs = [
            (devices, total)
            for run in self.both.runs
            for number, total in enumerate(self.readings.os_minutes(run.start, run.end))
            if total is not None and (devices := sums.get(run.start + number * MINUTE)) is not None
        ]
        if not pairs:
            return None
        pairs.sort(key=lambda pair: pair[1] - pair[0])
        summed, reported = pairs[len(pairs) // 2]
        return ByteRate(summed), ByteRate(reported)

    def _contradiction(self) -> str | None:
        """Invariant I1: the OS total is the sum over all devices, by the same agent in the same cycle."""
        if self.near is None or self._is_sum_of_counters:
            return None
        if self.near.counter_age:
            return self._contradiction_by_counters()
        if self._summed_and_reported is None:
            return "none of its device events falls in a minute with a total"
        summed, reported = self._summed_and_reported
        allowed = max(self.rules.tolerance * reported, self.rules.floor)
        # ENI devices alone are a part of the total; only more than the total contradicts it.
        least = ZERO if self.only_enis else reported - allowed
        if least <= summed <= reported + allowed:
            return None
        return f"its devices add up to {summed} where the total says {reported}"

    @property
    def _is_sum_of_counters(self) -> bool:
        """Whether the OS total was worked out from the very counters that the devices' rates are of."""
        return self.readings.os_source is OsSource.OTEL

    @cached_property
    def _counted_in_all(self) -> RateSpan | None:
        """What all devices counted together, where each has a figure of its own."""
        if not isinstance(self._weighed, Evidence):
            return None
        return sum((device.total for device in self._weighed.devices), NOTHING)

    def _contradiction_by_counters(self) -> str | None:
        """The same of a total whose agent reads the devices in other seconds than their counters are of: so
        both are compared over the whole window, by what they come to at least and at most."""
        summed, total = self._counted_in_all, self.both.os
        if summed is None:
            return None
        allowed = max(self.rules.tolerance * total.middle, self.rules.floor)
        too_little = not self.only_enis and summed.high + allowed < total.low
        if not too_little and summed.low <= total.high + allowed:
            return None
        return f"its devices add up to {summed.middle} where the total says {total.middle}"

    @property
    def differs_from_enis(self) -> bool:
        """Whether the ENI devices counted more in this window than the ENIs carried, by their events."""
        if self.evidence is None:
            return False
        physical = self.evidence.physical_rx + self.evidence.physical_tx
        return physical.low > (1 + self.rules.tolerance) * self.both.eni + self.rules.floor

    @property
    def without_events(self) -> ByteRate:
        """What the total holds and no event does: a device whose events were lost, perhaps an ENI's."""
        if self.only_enis or self._is_sum_of_counters:
            return ZERO
        if self.near is not None and self.near.counter_age:
            counted = self._counted_in_all
            return ZERO if counted is None else max(ZERO, self.both.os.middle - counted.middle)
        if self._summed_and_reported is None:
            return ZERO
        summed, reported = self._summed_and_reported
        return max(ZERO, reported - summed)

    @property
    def violation(self) -> Violation | None:
        """The worst run of the accumulated comparison, whether or not it may be told."""
        return self.compared.worst if self.compared else None

    @property
    def accusation(self) -> Violation | None:
        """The worst run of the accumulated comparison, if the devices add up to the OS total.

        An event that was lost in this window leaves the runs of the hours before it.
        """
        return self.violation if self.violation and self._contradiction() is None else None

    @cached_property
    def would_explain(self) -> tuple[str, ...]:
        """Devices of unknown kind that, were they ENIs, would leave nothing unexplained."""
        seen = self.devices.devices if self.devices else ()
        for chosen in _subsets(tuple(device for device in seen if device.kind is DeviceKind.UNKNOWN)):
            names = frozenset(device.device for device in chosen)
            compared = self._compare(names)
            if compared is not None and compared.worst is None:
                return tuple(sorted(names))
        return ()

    @property
    def reset_enis(self) -> tuple[str, ...]:
        """The ENI devices that had rates before and have none in this window, by their events."""
        if not isinstance(self.events, DeviceEvents):
            return ()
        rated_before, without = set(), Counter[str]()
        for sample in self.events.samples:
            if sample.is_rated and sample.at < self.window.end:
                rated_before.add(sample.device)
            elif not sample.is_rated and self.window.start <= sample.at < self.window.end:
                without[sample.device] += 1
        return tuple(
            sorted(
                device
                for device, count in without.items()
                if count > 1
                and device in rated_before
                and self.rules.classifier.kind(device) is DeviceKind.PHYSICAL
            )
        )

    @property
    def causes_of_reset(self) -> tuple[Cause, ...]:
        samples = self.events.samples if isinstance(self.events, DeviceEvents) else ()
        return causes_of_reset(samples, self.rules.classifier)

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
            evidence_missing=self._evidence_missing,
            os_source=self.readings.os_source,
        )

    def compared_totals(
        self,
        verdict: Verdict,
        reason: Reason,
        *,
        unexplained: ByteRate | None = ZERO,
    ) -> Judgement:
        """A judgement for the rows from `idle` down."""
        split = self.split(verdict)
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
            node_local_at_least=split.inside_node.low if verdict.explained else None,
            split=split,
            evidence=self._shown,
            accumulated=self.compared if self.evidence is not None else None,
            evidence_missing=self._evidence_missing,
            os_source=self.readings.os_source,
        )

    def split(self, verdict: Verdict) -> Split:
        """Where the bytes were counted, if the verdict is this one."""
        totals = Totals(self.both.os, self.both.eni_in, self.both.eni_out, self.rules)
        return split_of(totals, self._crossed, _OUTCOMES[verdict.explained])

    @cached_property
    def _crossed(self) -> Crossed | None:
        if not isinstance(self._shown, Evidence) or self.near is None:
            return None
        return Crossed.of(self._shown, self.near, self.window, self.rules)

    def signs(self, verdict: Verdict) -> Signs:
        """What a likely cause is recognised by."""
        worst = self.violation
        return Signs(
            verdict,
            self.window,
            self.readings,
            self.events,
            self._sides if self.violation or (self.has_enough_periods and self.evidence) else (),
            (worst.start, worst.end) if worst else (self.window.start, self.window.end),
            self.rules,
        )

    @property
    def _sides(self) -> tuple[Side, ...]:
        """Both directions over the run with the worst violation, or over the longest."""
        if self.compared is None:
            return ()
        wrong = {(v.direction, v.sign) for v in self.compared.violations}
        return tuple(
            Side(
                both.direction,
                both.counted,
                both.carried,
                (both.direction, Sign.DEFICIT) in wrong,
                (both.direction, Sign.EXCESS) in wrong,
                both.counted_packets,
                both.carried_packets,
                both.newest_ratio,
            )
            for both in self.compared.sides
        )

    @property
    def _evidence_missing(self) -> str | None:
        """Why the devices were not looked at, or prove nothing."""
        if isinstance(self.events, MissingEvidence):
            return self.events.detail
        return self.devices.why if self.has_enough_periods and isinstance(self.devices, Unusable) else None

    @cached_property
    def _shown(self) -> Evidence | Unusable | None:
        """What the devices did, for people to see, whether or not anything was compared."""
        if self.only_enis:
            return None  # what the others carried would read as nothing
        if self.near is None:
            return None
        shown = self.devices if self.has_enough_periods else None
        shown = shown or glance(self.near, self.window, self.rules.classifier)
        return told_apart(shown, self.near, self.window, self.rules)


_OUTCOMES: Final = {True: Outcome.EXPLAINED, False: Outcome.UNEXPLAINED, None: Outcome.OPEN}
"""By whether counting explains the gap."""


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
    if case.near is not None and not case.only_enis:
        device, rate = greatest_rate(case.near, case.window.start, case.window.end)
        if rate > IMPLAUSIBLE_RATE:
            return case.judged(Verdict.IMPLAUSIBLE, Reason(f"Device {device} reported {rate}", impossible))
    if (rate := greatest_eni_rate(case.readings, case.window)) > IMPLAUSIBLE_RATE:
        reason = Reason(f"EC2 reported {rate} over the network interfaces", impossible)
        return case.judged(Verdict.IMPLAUSIBLE, reason)
    return _above_bandwidth(case, rate)


def _above_bandwidth(case: _Case, eni: ByteRate) -> Judgement | None:
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
    if isinstance(case.events, DeviceEvents) and case.events.anonymous:
        reason = Reason(
            f"{seen} with this node's instance id, and events in its log stream have none",
            ": the agent runs and cannot reach the instance metadata (IMDS)",
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
    return case.judged(
        Verdict.PARTIAL,
        Reason(
            f"{complete} of the window's {PERIODS_PER_WINDOW} five-minute periods is complete on both sides, "
            f"and it takes {ENOUGH_PERIODS}",
            why,
        ),
    )


def _idle(case: _Case) -> Judgement | None:
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


def _os_deficit(case: _Case) -> Judgement | None:
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


def _crossing(case: _Case) -> ByteRate:
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


def _total_deficit(case: _Case) -> Judgement | None:
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


def _os_excess(case: _Case) -> Judgement | None:
    violation = case.accusation
    if violation is None or violation.sign is not Sign.EXCESS:
        return None
    reason = Reason(
        f"the physical devices {violation.direction} {violation.counted}, the network interfaces "
        f"{violation.carried}",
        f": at least {violation.rate.rounded_down} more was counted than carried",
    )
    return _found_by_devices(case, Verdict.OS_EXCESS, reason, violation)


def _found_by_devices(case: _Case, verdict: Verdict, reason: Reason, violation: Violation) -> Judgement:
    if case.only_enis:
        return replace(_unverified(case), accumulated=case.compared)
    if case.would_explain:
        return _hangs_on_unknown_device(case, case.would_explain)
    judgement = case.compared_totals(verdict, reason, unexplained=violation.rate)
    return replace(judgement, comparison=violation, accumulated=case.compared)


def _counter_was_reset(case: _Case) -> Judgement | None:
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


def _bypassed(case: _Case) -> Judgement | None:
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


def _agree(case: _Case) -> Judgement | None:
    os, eni = case.both.os.middle, case.both.eni
    if abs((os - eni).bytes_per_second) > (case.rules.tolerance * eni).bytes_per_second:
        return None
    within = percent(case.rules.tolerance)
    return case.compared_totals(
        Verdict.AGREE,
        Reason(f"the OS counted {os} and the network interfaces carried {eni}: the same within {within}"),
    )


def _pod_edge(case: _Case) -> Judgement | None:
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


def _node_local(case: _Case) -> Judgement | None:
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


def _at_least_inside(case: _Case, verdict: Verdict) -> str:
    """The claim that the split allows about traffic inside the node; empty where it allows none.

    What a packet filter or a full queue drops behind a pod's device was counted there and left by no ENI.
    """
    low = case.split(verdict).inside_node.low
    return (
        f"at least {low.rounded_down} is traffic inside the node, or was dropped on it" if low > ZERO else ""
    )


def _unverified(case: _Case) -> Judgement:
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


def _hangs_on_unknown_device(case: _Case, names: tuple[str, ...]) -> Judgement:
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
    return events.detail if isinstance(events, MissingEvidence) else "nobody asked for their events"


def _carrying(case: _Case) -> str:
    """The overlay, branch and gateway devices that carried more than the floor, by name."""
    if case.evidence is None:
        return ""
    again = case.evidence.of_kind(DeviceKind.COUNTED_AGAIN, DeviceKind.GATEWAY)
    return listed([d.device for d in again if d.total.middle >= case.rules.floor])


_ROWS: Final[tuple[Callable[[_Case], Judgement | None], ...]] = (
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
