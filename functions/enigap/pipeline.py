"""The deployed pipeline: `plan` says which clusters are due, `reconcile` judges one and says what it found.

Both are functions of their arguments and of the ports they are given; the handlers in `lambdas` wire them up.

`reconcile` may die between any two calls and be run again. So it goes in this order: read the state; judge;
publish the metrics (the same values under the same timestamps, however often); write the new state together
with what is to be said, in one compare-and-swap; say it; note that it was said. At worst one thing is said
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from enigap.core.counting.window import Window
from enigap.core.incidents.decide import decide
from enigap.core.incidents.incident import News, Policy, Silence
from enigap.core.incidents.state import Known, Remembered
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import ClusterReport
from enigap.core.published import Datum, Metric, data_of_run
from enigap.core.work import WorkItem
from enigap.settings import Settings


class NotSettledError(ValueError):
    """The window is not over, or not for long enough: what CloudWatch says about it may still change."""


class States(Protocol):
    """Where states are kept."""

    def read(self, cluster: str) -> tuple[Remembered, Sequence[Silence]]: ...

    def write(self, remembered: Remembered) -> Remembered:
        """Compare and swap; the new revision is in what comes back. Raises `core.state.ConflictError` if the
        revision is no longer what was read: the message comes back and finds the window done.
        """
        ...

    def known(self) -> Iterable[Known]: ...

    def note_planned(self, cluster: str, window: Window) -> None:
        """Remember since when a cluster never judged has been planned, once."""
        ...


class Publisher(Protocol):
    def publish(self, data: Iterable[Datum]) -> None: ...


class Notifier(Protocol):
    def notify(self, news: Sequence[News]) -> None:
        """One message with all of it."""
        ...


class Queue(Protocol):
    def send(self, items: Sequence[WorkItem]) -> None: ...


class Outcome(StrEnum):
    """What became of a work item."""

    JUDGED = "judged"
    ALREADY_DONE = "already_done"
    """This very window was judged before; what was left to say has been said."""
    OLDER = "older"
    """A later window was judged before: the metrics are published and nothing else is touched."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a run came to, for its log line."""

    outcome: Outcome
    report: ClusterReport | None
    news: tuple[News, ...]


def reconcile(
    item: WorkItem,
    *,
    settings: Settings,
    now: datetime,
    assess: Callable[[str, Window], ClusterReport],
    states: States,
    publisher: Publisher,
    notifier: Notifier,
) -> Done:
    """Judge one cluster's window and say what there is to say. Whatever fails is raised, and tried again.

    Raises NotSettledError for a window that cannot be judged yet. Nothing may get past that: a cluster
    whose newest judged window lies in the future would not be judged again, and not be overdue either.
    """
    require_settled(item.window, settings, now)
    remembered, silences = states.read(item.cluster)
    done = remembered.state.done
    if done == item.window:
        return Done(Outcome.ALREADY_DONE, None, _say(remembered, states, notifier))
    report = assess(item.cluster, item.window)
    publisher.publish(data_of_run(report, settle=settings.settle, publish=settings.publish))
    if done is not None and done > item.window:
        return Done(Outcome.OLDER, report, ())
    state = decide(remembered.state, report, policy_of(settings), silences, now)
    written = states.write(replace(remembered, state=state))
    return Done(Outcome.JUDGED, report, _say(written, states, notifier))


def _say(remembered: Remembered, states: States, notifier: Notifier) -> tuple[News, ...]:
    news = remembered.state.outbox
    if news:
        notifier.notify(news)
        states.write(replace(remembered, state=replace(remembered.state, outbox=())))
    return news


def policy_of(settings: Settings) -> Policy:
    """The settings that decide what is said."""
    return Policy(
        confirm_windows=settings.confirm_windows,
        resolve_windows=settings.resolve_windows,
        remind_after=settings.remind_after,
        collapse_above=settings.collapse_above,
        named_clusters=settings.named_clusters,
    )


@dataclass(frozen=True, slots=True)
class Survey:
    """Which clusters are to be judged."""

    due: tuple[str, ...]
    unseen: tuple[str, ...]
    """Those that were never planned before."""
    overdue: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan came to, for its log line."""

    window: Window
    clusters: tuple[str, ...]
    overdue: tuple[str, ...]


def plan(
    window: Window,
    *,
    account: str,
    region: str,
    settings: Settings,
    now: datetime,
    clusters: Callable[[], Iterable[str]],
    states: States,
    publisher: Publisher,
    queue: Queue,
) -> Planned:
    """One work item for each cluster that is due. Raises NotSettledError for a window that cannot be judged
    yet, and whatever `clusters` raises, once the clusters that are known have been planned: their own runs
    say what cannot be read, and a planner that only failed would leave them unwatched.
    """
    require_settled(window, settings, now)

    def plan_for(names: Iterable[str]) -> Planned:
        found = survey(settings=settings, now=now, clusters=names, states=states, publisher=publisher)
        for cluster in found.unseen:
            states.note_planned(cluster, Window.newest_settled(now, settings.settle))
        queue.send([WorkItem(account, region, cluster, window) for cluster in found.due])
        return Planned(window, found.due, found.overdue)

    try:
        names = clusters()
    except Exception:
        plan_for(())
        raise
    return plan_for(names)


def survey(
    *, settings: Settings, now: datetime, clusters: Iterable[str], states: States, publisher: Publisher
) -> Survey:
    """The clusters that are there, or were there and have something left to do; publishes how many of them
    are overdue.
    """
    known = {item.cluster: item for item in states.known() if settings.watches(item.cluster)}
    found = {name for name in clusters if settings.watches(name)}
    due = sorted(found | {name for name, item in known.items() if item.is_alive})
    overdue = overdue_clusters([known[name] for name in due if name in known], settings, now)
    metric = Metric.CLUSTERS_OVERDUE
    publisher.publish([Datum(metric.metric_name, (), len(overdue), metric.value.unit, now)])
    return Survey(tuple(due), tuple(name for name in due if name not in known), overdue)


def overdue_clusters(known: Iterable[Known], settings: Settings, now: datetime) -> tuple[str, ...]:
    """Clusters that were not judged for two schedules, counted from now: planning an old window once more
    says nothing about how things are.
    """
    newest = Window.newest_settled(now, settings.settle)
    return tuple(k.cluster for k in known if newest.end - k.done_or_since > 2 * settings.schedule)


def require_settled(window: Window, settings: Settings, now: datetime) -> None:
    """Raises NotSettledError for a window that cannot be judged yet."""
    newest = Window.newest_settled(now, settings.settle)
    if window > newest:
        raise NotSettledError(
            f"The window that ends at {timestamp(window.end)} cannot be judged yet: "
            f"the newest that has settled ends at {timestamp(newest.end)}."
        )
