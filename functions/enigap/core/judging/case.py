"""The case: all that is known about one node's window, worked out when a row of the verdict table asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Final

from enigap.core.counting.accumulated import compare
from enigap.core.counting.bypass import Bypass
from enigap.core.counting.comparison import Accumulated, Carried, EniHistory, Sign, Violation
from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceRates,
    DeviceScope,
    Evidence,
    MissingEvidence,
    Unusable,
    glance,
    sums_by_minute,
    weigh,
)
from enigap.core.counting.node import Node
from enigap.core.counting.reading import (
    Measurement,
    OsSource,
    Readings,
    complete_periods,
    eni_alone,
    measure,
    os_alone,
)
from enigap.core.counting.rules import Rules
from enigap.core.counting.split import Crossed, Outcome, Split, Totals, split_of
from enigap.core.counting.track import LONGEST_INTERVAL_SECONDS, CounterTrack, NoTracks, tracks_of
from enigap.core.counting.traffic import explained_up_to
from enigap.core.counting.units import NOTHING, ZERO, ByteRate, RateSpan
from enigap.core.counting.window import MINUTE, PERIOD, Window
from enigap.core.judging.causes import Side, Signs, causes_of_reset
from enigap.core.judging.steadiness import ENOUGH_PERIODS
from enigap.core.judging.verdict import Cause, Judgement, Reason, Verdict
from enigap.core.judging.who import told_apart


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


class Case:
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
        if unexplained is not None:
            split = split.proving(unexplained)
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


_MOST_IN_SUBSETS: Final = 6


def _subsets(devices: tuple[DeviceRates, ...]) -> Iterator[tuple[DeviceRates, ...]]:
    """Every non-empty choice of the largest few devices, small choices first."""
    largest = devices[:_MOST_IN_SUBSETS]
    for size in range(1, len(largest) + 1):
        yield from combinations(largest, size)
