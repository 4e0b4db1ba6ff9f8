"""The deployed pipeline: `plan` says which clusters are due, `reconcile` judges one and says what it found.

Both are functions of their arguments and of the ports they are given; the handlers in `lambdas` wire them up.

`reconcile` may die between any two calls and be run again. So it goes in this order: read the state; judge;
publish the metrics (the same values under the same timestamps, however often); write the new state together
with what is to be said, in one compare-and-swap; say it; note that it was said. At worst one thing is said
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from enigap.core.cluster import ClusterReport
from enigap.core.documents import WORK_SCHEMA, Document, timestamp
from enigap.core.incidents import ClusterState, News, Policy, Silence, decide
from enigap.core.published import Datum, Metric, data_of_run
from enigap.core.state import instant
from enigap.core.window import Window
from enigap.settings import Settings


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One cluster and one window to judge: the body of a message in the work queue."""

    account: str
    region: str
    cluster: str
    window: Window

    def document(self) -> Document:
        return {
            "schema": WORK_SCHEMA,
            "account": self.account,
            "region": self.region,
            "cluster": self.cluster,
            "window_end": timestamp(self.window.end),
        }

    @classmethod
    def from_document(cls, document: object) -> WorkItem:
        """The work item back. Raises ValueError for anything that is not one."""
        if not isinstance(document, Mapping) or document.get("schema") != WORK_SCHEMA:
            raise ValueError(f"a work item has the schema {WORK_SCHEMA!r}")
        texts = [document.get(name) for name in ("account", "region", "cluster")]
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError("a work item names an account, a region and a cluster")
        try:
            window = Window(instant(document.get("window_end")))
        except TypeError as error:
            raise ValueError(str(error)) from error
        account, region, cluster = texts
        return cls(str(account), str(region), str(cluster), window)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A cluster's state and the revision it was read at; both None for a cluster never judged."""

    state: ClusterState
    revision: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the planner needs to know of a cluster that was seen before."""

    cluster: str
    done_or_since: datetime
    """The end of its newest judged window, or else of the first that was planned."""
    is_alive: bool
    """Whether it had nodes or open incidents when it was last judged, or never was."""


class ConflictError(Exception):
    """Somebody else wrote the state in between. Nothing was lost: the message comes back and finds it done."""


class States(Protocol):
    """Where states are kept."""

    def read(self, cluster: str) -> tuple[Remembered, Sequence[Silence]]: ...

    def write(self, remembered: Remembered) -> Remembered:
        """Compare and swap. Raises ConflictError if the revision is no longer what was read."""
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
    """Judge one cluster's window and say what there is to say. Whatever fails is raised, and tried again."""
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
    clusters: Iterable[str],
    states: States,
    publisher: Publisher,
    queue: Queue,
) -> Planned:
    """One work item for each cluster that is there, or was there and has incidents left to close."""
    known = {item.cluster: item for item in states.known()}
    found = {name for name in clusters if settings.watches(name)}
    due = sorted(found | {item.cluster for item in known.values() if item.is_alive})
    for cluster in due:
        if cluster not in known:
            states.note_planned(cluster, window)
    overdue = overdue_clusters([known[cluster] for cluster in due if cluster in known], window, settings)
    queue.send([WorkItem(account, region, cluster, window) for cluster in due])
    metric = Metric.CLUSTERS_OVERDUE
    publisher.publish([Datum(metric.metric_name, (), len(overdue), metric.value.unit, now)])
    return Planned(window, tuple(due), overdue)


def overdue_clusters(known: Iterable[Known], window: Window, settings: Settings) -> tuple[str, ...]:
    """Clusters whose newest judged window is more than two schedules older than this one."""
    return tuple(k.cluster for k in known if window.end - k.done_or_since > 2 * settings.schedule)
