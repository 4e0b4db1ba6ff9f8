"""Whether the classic Container Insights and the OpenTelemetry one say the same about a cluster's nodes.

Both totals of a node are compared over the periods that both have whole: by the hour, and over each stretch
without a gap. They need not be equal, for they are read at different seconds:

* a value ends up to a minute before the second that it stands for, and cAdvisor's counter may be 20 s old:
  what `EDGE_SECONDS` carry at both ends may be in one and not in the other;
* a rate of the classic metric is over the seconds between two samples, and the counters of each are up to
  20 s old: of a burst it tells too much or too little. Counters tell all of it;
* what a pod's device counts just before it is removed is in neither, of the last minute in the classic metric
  and of up to five in the other: a hundredth of the bytes is allowed for it, and a tenth of the hours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from math import sqrt
from typing import Final

from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable, os_complete_periods, runs_of
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import COUNTER_AGE, MINUTE, PERIODS_PER_WINDOW, FetchSpan, Window
from enigap.core.doctor.usages import Usages
from enigap.core.judging.judge import judge_windows
from enigap.core.judging.verdict import Judgement, Verdict
from enigap.core.text import count, percent, printable

WINDOWS: Final = 96
"""A day."""
EDGE_SECONDS: Final = 80.0
FOR_PODS: Final = 0.01
_NEXT_TO_NOTHING: Final = 1000.0
"""Bytes a second: less than a node's own housekeeping."""
HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_HOURS_APART: Final = 0.1
ENOUGH: Final = 0.95
"""Of the windows: a source that has fewer is not ready to be the only one."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole periods side by side, by both."""

    start: datetime
    end: datetime
    classic_bytes: float
    otel_bytes: float
    allowed_bytes: float

    @property
    def beyond(self) -> float:
        """By how many bytes more than is allowed they are apart; negative where they agree."""
        return abs(self.otel_bytes - self.classic_bytes) - self.allowed_bytes


def stretches(
    classic: Readings, otel: Readings, windows: Sequence[Window], longest: timedelta = HOUR
) -> list[Stretch]:
    """The periods of the windows that both have whole, cut where one is missing and at the longest time."""
    found: list[Stretch] = []
    in_order = sorted(windows)
    periods = [
        start
        for window in in_order
        for start in sorted({*os_complete_periods(classic, window)} & {*os_complete_periods(otel, window)})
    ]
    for run in runs_of(tuple(periods)):
        start = run.start
        while start < run.end:
            end = min(start + longest, run.end)
            found.append(_stretch(classic, otel, start, end))
            start = end
    return found


def _stretch(classic: Readings, otel: Readings, start: datetime, end: datetime) -> Stretch:
    one, other = (_bytes(each, start, end) for each in (classic, otel))
    edges = sum(_greatest(each, classic, otel) for each in (start, end))
    seconds = (end - start).total_seconds()
    allowed = EDGE_SECONDS * edges + _left_open(classic, start, end)
    allowed += FOR_PODS * max(one, other) + _NEXT_TO_NOTHING * seconds
    return Stretch(start, end, one, other, allowed)


def _bytes(readings: Readings, start: datetime, end: datetime) -> float:
    return MINUTE.total_seconds() * sum(each or 0.0 for each in readings.os_minutes(start, end - MINUTE))


def _left_open(classic: Readings, start: datetime, end: datetime) -> float:
    """How many bytes the classic rates may tell too much or too little, as chance has the counters' ages.

    Four standard deviations of the sum that `core.counting.window` has, and no more than its bound.
    """
    rates = [each or 0.0 for each in classic.os_minutes(start, end - MINUTE)]
    changes = [after - before for before, after in pairwise(rates)]
    age = COUNTER_AGE.total_seconds()
    by_chance = 4 * age / sqrt(12) * sqrt(sum(change**2 for change in changes))
    return min(by_chance, age * sum(map(abs, changes)))


def _greatest(at: datetime, *of: Readings) -> float:
    """The greatest rate of the minutes around an instant."""
    return max(rate or 0.0 for each in of for rate in each.os_minutes(at - 2 * MINUTE, at + MINUTE))


class Contrast(StrEnum):
    """How two verdicts on one window differ, the worst first."""

    OPPOSITE = "opposite"
    """One says that the traffic is explained, or too much, the other that it is not, or too little."""
    ONE_ACCUSES = "one_accuses"
    """One says that it is not explained, the other cannot tell."""
    ONE_CANNOT_TELL = "one_cannot_tell"
    OTHER_WORDS = "other_words"
    """Both mean the same by different verdicts."""

    @classmethod
    def of(cls, one: Verdict, other: Verdict) -> Contrast:
        """Of two different verdicts."""
        claims = {_claim(one), _claim(other)}
        if len(claims) == 1:
            return cls.OTHER_WORDS
        if None not in claims:
            return cls.OPPOSITE
        return cls.ONE_CANNOT_TELL if True in claims else cls.ONE_ACCUSES


def _claim(verdict: Verdict) -> Verdict | bool | None:
    """What a verdict says of the traffic: True that it is explained, itself that it is not, None nothing."""
    if verdict.explained:
        return True
    return verdict if verdict in _ACCUSING else None


_ACCUSING: Final = frozenset({Verdict.OS_DEFICIT, Verdict.OS_EXCESS, Verdict.IMPLAUSIBLE})
"""Others that are not explained, such as `os_silent`, are about what is missing of the source itself."""
_WORST_FIRST: Final = tuple(Contrast)


@dataclass(frozen=True, slots=True)
class Differing:
    """Windows that the two judge differently in the same way."""

    classic: Verdict
    otel: Verdict
    windows: int
    newest: datetime
    """When the newest of them ended."""

    @property
    def contrast(self) -> Contrast:
        return Contrast.of(self.classic, self.otel)


@dataclass(frozen=True, slots=True)
class NodeCompared:
    """One node by both sources."""

    node: Node
    windows: int
    """Of the day, since the node was launched."""
    classic_windows: int = 0
    """Of how many of them the classic metric has enough to judge."""
    otel_windows: int = 0
    hours: tuple[Stretch, ...] = ()
    whole: tuple[Stretch, ...] = ()
    """The same hours, cut at gaps alone."""
    differing: tuple[Differing, ...] = ()
    """Where the two sources differ, worst first."""
    why_not: str | None = None
    """Why it could not be compared, as a clause."""

    @property
    def classic_bytes(self) -> float:
        """Over the periods that both have."""
        return sum(hour.classic_bytes for hour in self.hours)

    @property
    def otel_bytes(self) -> float:
        return sum(hour.otel_bytes for hour in self.hours)

    @property
    def hours_apart(self) -> int:
        """How many of the hours are further apart than is allowed."""
        return sum(hour.beyond > 0 for hour in self.hours)

    @property
    def seconds(self) -> float:
        """How many seconds were compared."""
        return sum((hour.end - hour.start).total_seconds() for hour in self.hours)

    @property
    def furthest(self) -> Stretch | None:
        """The hour in which they are furthest apart, of those that are."""
        apart = [hour for hour in self.hours if hour.beyond > 0]
        return max(apart, key=lambda hour: hour.beyond, default=None)

    @property
    def is_equivalent(self) -> bool | None:
        """Whether both say the same; None where nothing could be compared."""
        if self.why_not or not self.hours:
            return None
        apart = abs(self.otel_bytes - self.classic_bytes)
        is_close = apart <= sum(each.allowed_bytes for each in self.whole)
        return is_close and self.hours_apart <= _HOURS_APART * len(self.hours)

    @property
    def windows_that_differ(self) -> int:
        return sum(each.windows for each in self.differing)

    @property
    def is_opposite(self) -> bool:
        return any(each.contrast is Contrast.OPPOSITE for each in self.differing)

    @property
    def has_gaps(self) -> bool:
        """Whether the counters are missing in more than a few windows."""
        return not self.node.is_windows and self.otel_windows < ENOUGH * self.windows

    def order(self) -> tuple[bool, bool, float, bool, int]:
        """The key by which nodes are sorted, worst first."""
        beyond = max((hour.beyond for hour in self.hours), default=0.0)
        return (
            not self.is_opposite,
            self.is_equivalent is not False,
            -max(0.0, beyond),
            self.why_not is None and not self.has_gaps,
            -self.windows_that_differ,
        )


def compare(
    node: Node, classic: Readings | Unreadable, otel: Readings | Unreadable, newest: Window, rules: Rules
) -> NodeCompared:
    """One node over the day that ends with a window. Readings are of `span_of_day`."""
    day = [newest.previous(number) for number in range(WINDOWS)]
    windows = [each for each in day if node.launched_at is None or each.start >= node.launched_at]
    compared = NodeCompared(node, len(windows))
    if isinstance(classic, Unreadable) or isinstance(otel, Unreadable):
        why = next(each.why for each in (classic, otel) if isinstance(each, Unreadable))
        return replace(compared, why_not=why)
    return replace(
        compared,
        classic_windows=_covered(classic, windows),
        otel_windows=_covered(otel, windows),
        hours=tuple(stretches(classic, otel, windows)),
        whole=tuple(stretches(classic, otel, windows, _DAY)),
        differing=_differing(*(_judged(node, each, windows, rules) for each in (classic, otel))),
    )


def span_of_day(newest: Window, rules: Rules) -> FetchSpan:
    """What is read to judge each window of a day as a run judges it."""
    return FetchSpan.of(newest, WINDOWS + rules.windows_fetched - 1)


def _judged(node: Node, readings: Readings, windows: Sequence[Window], rules: Rules) -> list[Judgement]:
    """Each window judged by what a run at its time reads."""
    found = []
    for window in windows:
        run = readings.within(FetchSpan.of(window, rules.windows_fetched))
        fetched = [window.previous(number) for number in range(rules.windows_fetched)]
        found.append(judge_windows(node, run, None, fetched, rules)[0])
    return found


def _covered(readings: Readings, windows: Sequence[Window]) -> int:
    enough = PERIODS_PER_WINDOW - 1
    return sum(len(os_complete_periods(readings, window)) >= enough for window in windows)


def _differing(classic: Sequence[Judgement], otel: Sequence[Judgement]) -> tuple[Differing, ...]:
    """What each window's two judgements are, where they differ. Newest first."""
    pairs = [
        ((one.verdict, other.verdict), one.window.end)
        for one, other in zip(classic, otel, strict=True)
        if one.verdict is not other.verdict
    ]
    newest = dict(reversed(pairs))
    found = [
        Differing(*pair, windows, newest[pair]) for pair, windows in Counter(p for p, _ in pairs).items()
    ]
    return tuple(sorted(found, key=lambda each: (_WORST_FIRST.index(each.contrast), -each.windows)))


class Publishes(StrEnum):
    """Which Container Insights a cluster publishes."""

    BOTH = "both"
    CLASSIC = "classic"
    OTEL = "otel"
    NEITHER = "neither"
    UNKNOWN = "unknown"
    """Its nodes could not be read."""


@dataclass(frozen=True, slots=True)
class ClusterCompared:
    """A cluster's nodes, worst first."""

    cluster: str
    nodes: tuple[NodeCompared, ...]

    @property
    def publishes(self) -> Publishes:
        read = [each for each in self.nodes if each.why_not is None]
        if not read:
            return Publishes.UNKNOWN
        classic = any(each.classic_windows for each in read)
        otel = any(each.otel_windows for each in read)
        if classic and otel:
            return Publishes.BOTH
        return Publishes.CLASSIC if classic else Publishes.OTEL if otel else Publishes.NEITHER

    @property
    def compared(self) -> list[NodeCompared]:
        """The nodes of which both say something."""
        return [each for each in self.nodes if each.is_equivalent is not None]

    @property
    def not_equivalent(self) -> list[NodeCompared]:
        """The nodes that the two sources do not show alike, worst first."""
        return [each for each in self.compared if not each.is_equivalent or each.is_opposite]


def by_cluster(nodes: Sequence[NodeCompared]) -> list[ClusterCompared]:
    """The clusters, those with the most nodes that differ first, each with its worst nodes first."""
    of: dict[str, list[NodeCompared]] = {}
    for each in sorted(nodes, key=NodeCompared.order):
        of.setdefault(each.node.cluster, []).append(each)
    clusters = [ClusterCompared(name, tuple(some)) for name, some in of.items()]
    return sorted(clusters, key=lambda each: (-len(each.not_equivalent), each.cluster))


def exit_status(clusters: Sequence[ClusterCompared]) -> int:
    """1 if a node's totals or verdicts contradict each other; 2 if nothing could be compared; else 0."""
    if any(each.not_equivalent for each in clusters):
        return 1
    return 0 if any(each.compared for each in clusters) else 2


def next_step(clusters: Sequence[ClusterCompared], usages: Usages) -> str:
    """The one thing to do now, as a sentence."""
    return next(_steps(clusters, usages))


def _steps(clusters: Sequence[ClusterCompared], usages: Usages) -> Iterator[str]:
    """What is to be done, in this order."""
    publishes = {each.publishes: printable(each.cluster) for each in reversed(clusters)}
    nodes = [node for each in clusters for node in each.nodes]
    if wrong := [node for each in clusters for node in each.not_equivalent]:
        key = wrong[0].node.instance_id
        yield (
            f"Leave the classic Container Insights on, and look at {key} first: `enigap explain {key}` shows "
            "its devices."
        )
    if unread := [node for node in nodes if node.why_not]:
        said = f"{count(len(unread), 'node')} could not be read ({printable(str(unread[0].why_not))})"
        yield f"See to it that all nodes can be read, and run it again: {said}."
    if name := publishes.get(Publishes.NEITHER):
        yield f"Look at `enigap check`, which says why {name} publishes neither of the two."
    if name := publishes.get(Publishes.CLASSIC):
        yield (
            f"Set otelContainerInsights.enabled to true for {name}, beside containerInsights.enabled, in the "
            "add-on amazon-cloudwatch-observability (6.2 or later), and run this again a day later; AWS "
            "bills both."
        )
    if gaps := [node for node in nodes if node.has_gaps]:
        yield (
            f"Look at the cloudwatch-agent of {gaps[0].node.instance_id} first: {count(len(gaps), 'node')} "
            f"had counters in less than {percent(ENOUGH)} of the windows."
        )
    if on_windows := sum(node.node.is_windows for node in nodes):
        yield (
            f"Leave the classic Container Insights on for {count(on_windows, 'node')} on Windows, where no "
            "pod has the node's own counters."
        )
    if usages.uses:
        why = (
            "before you switch the classic one off"
            if Publishes.BOTH in publishes
            else "for they have no data any more"
        )
        yield f"Move the {usages.counted()} above to the counters, {why}."
    if usages.not_seen:
        yield f"Have everything read, for an alarm may need the classic metrics: {usages.not_seen[0]}."
    if Publishes.BOTH in publishes:
        yield (
            "Nothing here needs the classic Container Insights: set containerInsights.enabled to false, and "
            "enigap reads the counters."
        )
    yield "Nothing is left to do."
