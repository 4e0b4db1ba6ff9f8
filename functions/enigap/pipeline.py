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
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import Final, Protocol, TypeVar

from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import GRID, FetchSpan, Window
from enigap.core.incidents.decide import followed, is_judged, no_longer_watched
from enigap.core.incidents.incident import ClusterState, News, Policy, Silence
from enigap.core.incidents.missed import catch_up, to_catch_up, was_and_is_over
from enigap.core.incidents.state import ConflictError, Known, Remembered, Reminder, StateUnreadableError
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import ClusterReport
from enigap.core.judging.verdict import Verdict
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


class Turns(Protocol):
    """Port to whose turn it is to send messages."""

    def take_turn(self, cluster: str, window: Window, most: int) -> bool:
        """Whether the cluster is among the first so many that have news in a window."""
        ...


class Reminders(Protocol):
    """Port to what is remembered of trouble with enigap itself."""

    def reminder(self) -> Reminder | None: ...

    def remember(self, reminder: Reminder | None, before: Reminder | None) -> None:
        """Write it in the place of what was read before. Raises ConflictError."""
        ...


@dataclass(frozen=True, slots=True)
class Telling:
    """How a plan tells people something, and what it needs for that."""

    storm: Callable[[Mapping[str, Sequence[News]]], None]
    """Send the news of many clusters in one message."""
    dead_letters: Callable[[], Mapping[str, int]]
    """How many there are, by function."""
    reminder: Callable[[datetime, Sequence[str], Mapping[str, int]], None]
    """Bring up again since when clusters are overdue, or there are dead letters."""
    reminders: Reminders


class Queue(Protocol):
    def send(self, items: Sequence[WorkItem]) -> None: ...


class Outcome(StrEnum):
    """The outcome of a work item."""

    JUDGED = "judged"
    ALREADY_DONE = "already_done"
    """The window was judged before; messages left in the outbox were sent."""
    OLDER = "older"
    """A later window was judged before: only the metrics were published."""
    LATE = "late"
    """A later window was judged before, and this one had been missed: what was in it and is over was told."""
    NO_LONGER_WATCHED = "no_longer_watched"
    """The settings leave the cluster out: what was open was told as over."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a run, for its log line."""

    outcome: Outcome
    report: ClusterReport | None
    news: tuple[News, ...]
    caught_up: int = 0
    """How many missed windows were judged with this one."""
    missed: int = 0
    """How many windows remain that no run could judge."""
    damaged: tuple[str, ...] = ()
    """What of the state and the silences could not be read: sentences."""


Assess = Callable[[str, Window, Callable[[str], bool]], ClusterReport]

CATCH_UP: Final = timedelta(hours=3)
"""How far back a run judges windows that were missed."""
CATCH_UP_DATAPOINTS: Final = 6_400_000
"""How much is read for that at most: as much again as one window of 100,000 nodes takes."""


MOST_SENDERS: Final = 5
"""How many clusters send messages in one window; the news of others is one message of the next plan."""
MOST_IN_STORM: Final = 100
"""How many clusters' news one plan sends: the message has room to name as many, and the time is enough to
read and write their states. That of others waits for the next."""
REMIND_AFTER: Final = timedelta(days=1)
"""How often people are reminded of trouble with enigap itself."""

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
    assess: Assess,
    states: States,
    publisher: Publisher,
    notifier: Notifier,
    within: Within = lambda _: nullcontext(),
    is_retry: bool = False,
    turns: Turns | None = None,
) -> Done:
    """Judge one cluster's window and send the messages that follow. Errors are raised, so that SQS retries.

    Where `turns` says that enough clusters have sent messages in this window, its news stays in the outbox:
    the next plan sends it with that of others, or else the cluster's own next run.

    A retry (`is_retry`) of a window that was judged publishes its metrics again: they may be what failed.

    Raises NotSettledError for a window that cannot be judged yet. This check is essential: a cluster whose
    newest judged window was in the future would neither be judged again nor count as overdue.
    """
    require_settled(item.window, settings, now)
    run = _Run(item, settings, now, assess, states, publisher, notifier, within, turns)
    result = run.outcome(is_retry=is_retry)
    run.errors.raise_first()
    return replace(result, damaged=run.remembered.damaged)


@dataclass(slots=True)
class _Run:
    """One work item."""

    item: WorkItem
    settings: Settings
    now: datetime
    assess: Assess
    states: States
    publisher: Publisher
    notifier: Notifier
    within: Within
    turns: Turns | None
    policy: Policy = field(init=False)
    errors: _Errors = field(init=False)
    remembered: Remembered = field(init=False)
    silences: Sequence[Silence] = field(init=False)

    def __post_init__(self) -> None:
        self.policy, self.errors = policy_of(self.settings), _Errors()
        self.remembered, self.silences = self.states.read(self.item.cluster)

    @property
    def state(self) -> ClusterState:
        return self.remembered.state

    def outcome(self, *, is_retry: bool) -> Done:
        window, done = self.item.window, self.state.done
        if done == window:
            news = _say(self.remembered, self.states, self.notifier)
            again = self.published(self.judge(window))[0] if is_retry else None
            return Done(Outcome.ALREADY_DONE, again, news, missed=len(self.state.missed))
        if not self.settings.watches(self.item.cluster):
            news = self.decided(no_longer_watched(self.state, window, self.policy))
            return Done(Outcome.NO_LONGER_WATCHED, None, news)
        if done is not None and done > window:
            return self.late(*self.published(self.judge(window)))
        report, *earlier = self.published(*self.with_missed(self.judge(window)))
        reports = [*reversed(earlier), report]
        new = catch_up(self.state, reports, self.policy, self.silences, self.now)
        return Done(Outcome.JUDGED, report, self.decided(new), len(earlier), len(new.missed))

    def late(self, report: ClusterReport) -> Done:
        """The outcome for a window that is older than one that was judged."""
        if report.window not in self.state.missed or not is_judged(report):
            return Done(Outcome.OLDER, report, (), missed=len(self.state.missed))
        is_quiet = report.finding is None and not any(
            node.is_confirmed(self.policy.confirm_windows) for node in report.nodes
        )
        following = report if is_quiet else self.judge(Window(report.window.end + self.policy.schedule))
        if not is_judged(following):
            return Done(Outcome.OLDER, report, (), missed=len(self.state.missed))
        new = was_and_is_over(self.state, (report, following), self.policy, self.silences, self.now)
        result = Done(Outcome.LATE, report, (), missed=len(new.missed))
        if new.outbox == self.state.outbox:
            self.states.write(replace(self.remembered, state=new))
            return result
        return replace(result, news=self.decided(new))

    def with_missed(self, newest: ClusterReport) -> list[ClusterReport]:
        """The report, and those on missed windows before it as far as a run reaches back; newest first, so
        that those that are left are the oldest.
        """
        reports = [newest]
        if not is_judged(newest):
            return reports
        one = FetchSpan.of(newest.window, self.settings.rules().windows_fetched)
        affordable = CATCH_UP_DATAPOINTS // ((one.minutes + 3 * one.periods) * max(1, newest.node_count))
        for window in to_catch_up(self.state, newest.window, self.policy)[:affordable]:
            if newest.window.end - window.end > CATCH_UP:
                break
            report = self.judge(window)
            if not is_judged(report) or report.count(Verdict.UNREADABLE) > newest.count(Verdict.UNREADABLE):
                break
            reports.append(report)
        return reports

    def judge(self, window: Window) -> ClusterReport:
        return self.assess(self.item.cluster, window, followed(self.state))

    def published(self, *reports: ClusterReport) -> tuple[ClusterReport, ...]:
        """The reports, once their metrics are published."""
        settle, publish = self.settings.settle, self.settings.publish
        data = (data_of_run(each, settle=settle, publish=publish) for each in reports)
        with self.errors.kept(), self.within(PUBLISH_SECONDS):
            self.publisher.publish(chain.from_iterable(data))
        return reports

    def decided(self, new: ClusterState) -> tuple[News, ...]:
        """What was said once the new state was written."""
        is_left = bool(new.outbox and self.turns) and not self._has_turn()
        written = self.states.write(replace(self.remembered, state=new, is_left=is_left))
        return _say(written, self.states, self.notifier)

    def _has_turn(self) -> bool:
        return self.turns is None or self.turns.take_turn(self.item.cluster, self.item.window, MOST_SENDERS)


def _say(remembered: Remembered, states: States, notifier: Notifier) -> tuple[News, ...]:
    news = () if remembered.is_left else remembered.state.outbox
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
        schedule=settings.schedule,
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
    telling: Telling | None = None,
) -> Planned:
    """Queue one work item for each cluster that is due.

    News that is left to the plan is sent first: a cluster's next run would send it, too. The clusters with
    a stored state and those that the settings name come next, then the metrics, and only then discovery
    (`clusters`): it makes the most calls, and the clusters that are known stay watched though it fails or
    never ends. People are reminded of trouble with enigap itself at the end. Each step is tried whatever
    became of the one before it, and has a time of its own (`within`); the first error is raised at the end.
    Without the states nothing is known about overdue clusters and nothing is published about them. Raises
    NotSettledError for a window that cannot be judged yet.
    """
    require_settled(window, settings, now)
    first_seen = Window.newest_settled(now, settings.settle)
    errors = _Errors()
    with within(STATES_SECONDS):
        every = errors.answer_of(lambda: {item.cluster: item for item in states.known()})
    known = {name: item for name, item in (every or {}).items() if settings.watches(name)}
    left_out = {name for name, item in (every or {}).items() if item.is_alive} - known.keys()

    def queue_up(names: Collection[str]) -> None:
        unseen = [] if every is None else sorted(set(names) - every.keys())
        with within(STEP_SECONDS):
            for cluster in unseen:
                with errors.kept():
                    states.note_planned(cluster, first_seen)
        with errors.kept(), within(STEP_SECONDS):
            queue.send([WorkItem(account, region, cluster, window) for cluster in sorted(names)])

    def overdue_among(names: Collection[str]) -> tuple[str, ...]:
        return overdue_clusters([k for name, k in sorted(known.items()) if name in names], settings, now)

    left = [item.cluster for item in (every or {}).values() if item.is_left][:MOST_IN_STORM]
    if telling and left:
        with errors.kept(), within(STEP_SECONDS):
            _tell_storm(sorted(left), states, telling)
    due = _due_anyway(known, settings)
    overdue = overdue_among(due)
    queue_up(due | left_out)  # those that are no longer watched are closed
    with errors.kept(), within(STEP_SECONDS):
        publisher.publish(_data_of_plan(None if every is None else len(overdue), now))
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
    if telling and every is not None:
        with within(STEP_SECONDS):
            dead_letters = errors.answer_of(telling.dead_letters)
        with errors.kept(), within(STEP_SECONDS):
            _remind(overdue, dead_letters, telling, now)
    errors.raise_first()
    return Planned(window, tuple(sorted(due | left_out)), overdue)


def _tell_storm(clusters: Iterable[str], states: States, telling: Telling) -> None:
    """Send the news that is left to the plan. It is sent again if the plan fails before its end."""
    read = []
    for cluster in clusters:
        with suppress(StateUnreadableError):  # its own run says so
            read.append(states.read(cluster)[0])
    left = [each for each in read if each.is_left and each.state.outbox]
    if not left:
        return
    telling.storm({each.state.cluster: each.state.outbox for each in left})
    for each in left:
        with suppress(ConflictError):  # its next run was faster, and sends it itself
            states.write(replace(each, state=replace(each.state, outbox=()), is_left=False))


def _remind(
    overdue: Sequence[str], in_queues: Mapping[str, int] | None, telling: Telling, now: datetime
) -> None:
    """Bring up trouble with enigap itself once a day after its alarm, which says it only once.

    `in_queues` is None where it is unknown how many dead letters there are.
    """
    dead_letters = {name: number for name, number in (in_queues or {}).items() if number}
    before = telling.reminders.reminder()
    if not overdue and not dead_letters:
        if before is not None and in_queues is not None:
            telling.reminders.remember(None, before)
    elif before is None:
        telling.reminders.remember(Reminder(now, told_at=now), None)
    elif now - before.told_at >= REMIND_AFTER:
        telling.reminder(before.since, overdue, dead_letters)
        telling.reminders.remember(replace(before, told_at=now), before)


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


def rehearsal_datum(now: datetime) -> Datum:
    """What a self-test may publish: no cluster was read, and the largest of a metric is not changed by 0."""
    metric = Metric.BILLED_METRICS
    return Datum(metric.metric_name, (), 0, metric.value.unit, now)


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
