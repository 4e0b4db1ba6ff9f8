"""Whether the classic Container Insights and the OpenTelemetry one say the same about a cluster's nodes.

Both totals of a node are compared by the hour, over the periods that both have whole. They are read at
different seconds: each value ends up to a minute before the second that it stands for, and cAdvisor's counter
may be 20 s old. So what `EDGE_SECONDS` carry at both ends of an hour may be in one and not in the other; a
hundredth of the bytes is allowed on top, for what devices of pods count just before they are removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable, os_complete_periods, runs_of
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import MINUTE, PERIODS_PER_WINDOW, Window
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
_HOUR: Final = timedelta(hours=1)
ENOUGH: Final = 0.95
"""Of the windows: a source that has fewer is not ready to be the only one."""


@dataclass(frozen=True, slots=True)
class Hour:
    """Up to an hour of whole periods, by both."""

    start: datetime
    classic_bytes: float
    otel_bytes: float
    allowed_bytes: float

    @property
    def beyond(self) -> float:
        """By how many bytes more than is allowed they are apart; negative where they agree."""
        return abs(self.otel_bytes - self.classic_bytes) - self.allowed_bytes


def hours_of(classic: Readings, otel: Readings, windows: Sequence[Window]) -> list[Hour]:
    """The periods of the windows that both have whole, an hour at a time."""
    found: list[Hour] = []
    in_order = sorted(windows)
    periods = [
        start
        for window in in_order
        for start in sorted({*os_complete_periods(classic, window)} & {*os_complete_periods(otel, window)})
    ]
    for run in runs_of(tuple(periods)):
        start = run.start
        while start < run.end:
            end = min(start + _HOUR, run.end)
            found.append(_hour(classic, otel, start, end))
            start = end
    return found


def _hour(classic: Readings, otel: Readings, start: datetime, end: datetime) -> Hour:
    one, other = (_bytes(each, start, end) for each in (classic, otel))
    edges = sum(_greatest(each, classic, otel) for each in (start, end))
    seconds = (end - start).total_seconds()
    allowed = EDGE_SECONDS * edges + FOR_PODS * max(one, other) + _NEXT_TO_NOTHING * seconds
    return Hour(start, one, other, allowed)


def _bytes(readings: Readings, start: datetime, end: datetime) -> float:
    return MINUTE.total_seconds() * sum(each or 0.0 for each in readings.os_minutes(start, end - MINUTE))


def _greatest(at: datetime, *of: Readings) -> float:
    """The greatest rate of the minutes around an instant."""
    return max(rate or 0.0 for each in of for rate in each.os_minutes(at - 2 * MINUTE, at + MINUTE))


class Contrast(StrEnum):
    """How two verdicts on one window differ, the worst first."""

    OPPOSITE = "opposite"
    """One says that the traffic is explained, the other that it is not."""
    ONE_ACCUSES = "one_accuses"
    """One says that it is not explained, the other cannot tell."""
    ONE_CANNOT_TELL = "one_cannot_tell"
    OTHER_WORDS = "other_words"
    """Both mean the same by different verdicts."""

    @classmethod
    def of(cls, one: Verdict, other: Verdict) -> Contrast:
        """Of two different verdicts."""
        if one.explained is other.explained:
            return cls.OTHER_WORDS
        match {one.explained, other.explained}:
            case told if None not in told:
                return cls.OPPOSITE
            case told if False in told:
                return cls.ONE_ACCUSES
            case _:
                return cls.ONE_CANNOT_TELL


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
    hours: tuple[Hour, ...] = ()
    differing: tuple[Differing, ...] = ()
    """Worst first."""
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
    def furthest(self) -> Hour | None:
        """The hour in which they are furthest apart, of those that are."""
        apart = [hour for hour in self.hours if hour.beyond > 0]
        return max(apart, key=lambda hour: hour.beyond, default=None)

    @property
    def is_equivalent(self) -> bool | None:
        """Whether both say the same, hour by hour; None where nothing could be compared."""
        return None if self.why_not or not self.hours else self.hours_apart == 0

    @property
    def windows_that_differ(self) -> int:
        return sum(each.windows for each in self.differing)

    @property
    def is_opposite(self) -> bool:
        return any(each.contrast is Contrast.OPPOSITE for each in self.differing)

    @property
    def has_gaps(self) -> bool:
        """Whether the counters are missing in more than a few windows."""
        return self.otel_windows < ENOUGH * self.windows

    def order(self) -> tuple[bool, bool, float, bool, int]:
        """Worst first."""
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
    """One node over the day that ends with a window. Readings cover it as `FetchSpan.of` has it."""
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
        hours=tuple(hours_of(classic, otel, windows)),
        differing=_differing(*(judge_windows(node, each, None, windows, rules) for each in (classic, otel))),
    )


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
        """Worst first."""
        return [each for each in self.compared if not each.is_equivalent or each.is_opposite]


def cluster_compared(cluster: str, nodes: Sequence[NodeCompared]) -> ClusterCompared:
    return ClusterCompared(cluster, tuple(sorted(nodes, key=NodeCompared.order)))


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
