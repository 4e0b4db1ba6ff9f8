"""The deployed pipeline: `plan` queues the clusters that are due, `reconcile` judges one and sends messages.

Both depend only on their arguments and on the ports they are given; the handlers in `lambdas` pass the real
adapters.

`reconcile` may be killed between any two calls and retried. Hence its order: read the state; judge; publish
the metrics (idempotent: the same values with the same timestamps); write the new state together with the
outbox of messages, in one compare-and-swap; send the messages; empty the outbox. Messages are thus sent at
least once. Metrics that could not be published keep no message back: the run fails at its end, and the retry
publishes them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import GRID, Window
from enigap.core.incidents.decide import decide, followed
from enigap.core.incidents.incident import News, Policy, Silence
from enigap.core.incidents.state import Known, Remembered
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import ClusterReport
from enigap.core.published import Datum, Metric, data_of_run
from enigap.core.text import matches
from enigap.core.work import WorkItem
from enigap.settings import Settings

T = TypeVar("T")


class NotSettledError(ValueError):
    """The window has not settled: its metrics in CloudWatch may still change."""


class States(Protocol):
    """Port to the stored state of the clusters."""

    def read(self, cluster: str) -> tuple[Remembered, Sequence[Silence]]: ...

    def write(self, remembered: Remembered) -> Remembered:
        """Write by compare-and-swap; returns the state with its new revision. Raises ConflictError if the
        stored revision is not the one that was read: another run was faster, and SQS retries the message.
        """
        ...

    def known(self) -> Iterable[Known]: ...

    def note_planned(self, cluster: str, window: Window) -> None:
        """Record the first planned window of a cluster that has no state yet; later calls change nothing."""
        ...


class Publisher(Protocol):
    def publish(self, data: Iterable[Datum]) -> None: ...


class Notifier(Protocol):
    def notify(self, news: Sequence[News]) -> None:
        """Send all news in one message."""
        ...


class Queue(Protocol):
    def send(self, items: Sequence[WorkItem]) -> None: ...


class Outcome(StrEnum):
    """The outcome of a work item."""

    JUDGED = "judged"
    ALREADY_DONE = "already_done"
    """The window was judged before; messages left in the outbox were sent."""
    OLDER = "older"
    """A later window was judged before: only the metrics were published."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a run, for its log line."""

    outcome: Outcome
    report: ClusterReport | None
    news: tuple[News, ...]


STATES_SECONDS: Final = 12.0
"""The most that reading the states takes of a plan's time, whatever the table does."""
STEP_SECONDS: Final = 8.0
"""The same of each later step but discovery, which ends in time for the steps after it."""

PUBLISH_SECONDS: Final = 30.0
"""The most that publishing a run's metrics takes of the time in which it is told."""

Within = Callable[[float], AbstractContextManager[None]]
"""Gives the calls to AWS of a block so many seconds in all."""


def reconcile(
    item: WorkItem,
    *,
    settings: Settings,
    now: datetime,
    assess: Callable[[str, Window, Callable[[str], bool]], ClusterReport],
    states: States,
    publisher: Publisher,
    notifier: Notifier,
    within: Within = lambda _: nullcontext(),
    is_retry: bool = False,
) -> Done:
    """Judge one cluster's window and send the messages that follow. Errors are raised, so that SQS retries.

    A retry (`is_retry`) of a window that was judged publishes its metrics again: they may be what failed.

    Raises NotSettledError for a window that cannot be judged yet. This check is essential: a cluster whose
    newest judged window was in the future would neither be judged again nor count as overdue.
    """
    require_settled(item.window, settings, now)
    remembered, silences = states.read(item.cluster)
    done = remembered.state.done
    errors = _Errors()

    def judged() -> ClusterReport:
        report = assess(item.cluster, item.window, followed(remembered.state))
        with errors.kept(), within(PUBLISH_SECONDS):
            publisher.publish(data_of_run(report, settle=settings.settle, publish=settings.publish))
        return report

    if done == item.window:
        news = _say(remembered, states, notifier)
        result = Done(Outcome.ALREADY_DONE, judged() if is_retry else None, news)
    elif done is not None and done > item.window:
        result = Done(Outcome.OLDER, judged(), ())
    else:
        report = judged()
        state = decide(remembered.state, report, policy_of(settings), silences, now)
        written = states.write(replace(remembered, state=state))
        result = Done(Outcome.JUDGED, report, _say(written, states, notifier))
    errors.raise_first()
    return result


def _say(remembered: Remembered, states: States, notifier: Notifier) -> tuple[News, ...]:
    news = remembered.state.outbox
    if news:
        notifier.notify(news)
        states.write(replace(remembered, state=replace(remembered.state, outbox=())))
    return news


def policy_of(settings: Settings) -> Policy:
    """The settings that decide which messages are sent."""
    return Policy(
        confirm_windows=settings.confirm_windows,
        resolve_windows=settings.resolve_windows,
        remind_after=settings.remind_after,
        collapse_above=settings.collapse_above,
        look_back=settings.look_back,
        looks_at_devices=settings.evidence is not EvidencePolicy.OFF,
        named_clusters=settings.named_clusters,
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """The result of a plan, for its log line."""

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
    within: Within = lambda _: nullcontext(),
) -> Planned:
    """Queue one work item for each cluster that is due.

    The clusters with a stored state and those that the settings name come first, then the metrics, and only
    then discovery (`clusters`): it makes the most calls, and the clusters that are known stay watched though
    it fails or never ends. Each step is tried whatever became of the one before it, and has a time of its own
    (`within`); the first error is raised at the end. Without the states nothing is known about overdue
    clusters and nothing is published about them. Raises NotSettledError for a window that cannot be judged
    yet.
    """
    require_settled(window, settings, now)
    first_seen = Window.newest_settled(now, settings.settle)
    errors = _Errors()
    with within(STATES_SECONDS):
        known = errors.answer_of(lambda: _known(states, settings))

    def queue_up(names: Collection[str]) -> None:
        unseen = [] if known is None else sorted(set(names) - known.keys())
        with within(STEP_SECONDS):
            for cluster in unseen:
                with errors.kept():
                    states.note_planned(cluster, first_seen)
        with errors.kept(), within(STEP_SECONDS):
            queue.send([WorkItem(account, region, cluster, window) for cluster in sorted(names)])

    def overdue_among(names: Collection[str]) -> tuple[str, ...]:
        return overdue_clusters(
            [k for name, k in sorted((known or {}).items()) if name in names], settings, now
        )

    due = _due_anyway(known or {}, settings)
    overdue = overdue_among(due)
    queue_up(due)
    with errors.kept(), within(STEP_SECONDS):
        publisher.publish(_data_of_plan(None if known is None else len(overdue), now))
    with errors.kept():
        # `clusters` limits itself: how much it may take depends on how long the function may run.
        found = {name for name in clusters() if settings.watches(name)} - due
        queue_up(found)
        again = overdue_among(found)
        if again:
            overdue = tuple(sorted((*overdue, *again)))
            with within(STEP_SECONDS):
                publisher.publish(_data_of_plan(len(overdue), now))
        due = due | found
    errors.raise_first()
    return Planned(window, tuple(sorted(due)), overdue)


def rehearse_planning(
    *,
    settings: Settings,
    now: datetime,
    clusters: Callable[[], Iterable[str]],
    states: States,
    publisher: Publisher,
) -> None:
    """Make the calls of a plan, publish its metrics, and queue nothing."""
    known = _known(states, settings)
    due = _due_anyway(known, settings) | {name for name in clusters() if name in known}
    overdue = overdue_clusters([known[name] for name in sorted(due) if name in known], settings, now)
    publisher.publish(_data_of_plan(len(overdue), now))


def _known(states: States, settings: Settings) -> dict[str, Known]:
    return {item.cluster: item for item in states.known() if settings.watches(item.cluster)}


def _due_anyway(known: Mapping[str, Known], settings: Settings) -> set[str]:
    """The clusters that are due whatever discovery finds.

    Those that the settings name are judged whether there or not: a name that is misspelt is a finding.
    """
    return {name for name, item in known.items() if item.is_alive} | set(settings.named_clusters)


def _data_of_plan(overdue: int | None, now: datetime) -> list[Datum]:
    """The metrics of a plan; without ClustersOverdue where that is unknown, for none is not zero."""
    values = ((Metric.PLANS_MADE, 1), (Metric.CLUSTERS_OVERDUE, overdue))
    return [
        Datum(metric.metric_name, (), value, metric.value.unit, now)
        for metric, value in values
        if value is not None
    ]


class _Errors:
    """The errors of steps that do not depend on each other."""

    def __init__(self) -> None:
        self._all: list[Exception] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep an error of the block for `raise_first`."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - each is raised at the end
            self._all.append(error)

    def answer_of(self, step: Callable[[], T]) -> T | None:
        """The answer of a step; None if it fails, with its error kept."""
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - each is raised at the end
            self._all.append(error)
            return None

    def raise_first(self) -> None:
        """Raise the first error, if there was one."""
        if self._all:
            raise self._all[0]


def unmatched(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The names and patterns that none of these clusters matches."""
    found = tuple(names)
    return tuple(pattern for pattern in patterns if not any(matches(name, (pattern,)) for name in found))


def warnings_about(
    settings: Settings, names: Collection[str], *, no_node_has_the_tags: bool
) -> tuple[str, ...]:
    """What the settings ask for and discovery did not find, one sentence each."""
    return tuple(_warnings_about(settings, names, no_node_has_the_tags=no_node_has_the_tags))


def _warnings_about(
    settings: Settings, names: Collection[str], *, no_node_has_the_tags: bool
) -> Iterator[str]:
    for pattern in unmatched(settings.clusters, names):
        yield (
            f"No cluster with a running node matches {pattern}: correct `clusters`, or the region and "
            "account of this deployment."
        )
    if not settings.clusters and not names:
        yield "No cluster with a running node was found: check the region and account of this deployment."
    if settings.node_tags and no_node_has_the_tags:
        tags = ", ".join(f"{key}={value}" for key, value in settings.node_tags.items())
        yield f"No running node carries the tags {tags}: correct `node_tags`."


def overdue_clusters(known: Iterable[Known], settings: Settings, now: datetime) -> tuple[str, ...]:
    """Clusters that were not judged for two schedules before now, of which the first may take a window more.

    The time is counted from now and not from the planned window, which may be an old one that is judged
    again.
    """
    newest = Window.newest_settled(now, settings.settle)
    return tuple(k.cluster for k in known if newest.end - k.done_or_since > settings.schedule + GRID)


def require_settled(window: Window, settings: Settings, now: datetime) -> None:
    """Raises NotSettledError for a window that cannot be judged yet."""
    newest = Window.newest_settled(now, settings.settle)
    if window > newest:
        raise NotSettledError(
            f"The window that ends at {timestamp(window.end)} cannot be judged yet: "
            f"the newest that has settled ends at {timestamp(newest.end)}."
        )
