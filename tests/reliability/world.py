"""The deployed pipeline in a little world of its own: the real code and adapters, fakes of AWS, a clock.

    world = World(worker("i-1"), worker("i-2"))
    world.during(3, 5, "i-1", nic_moved_into_a_pod)
    assert world.tells(windows=9) == {
        4: ["opened i-1/os_deficit (moved_device)"],
        7: ["resolved i-1/os_deficit (explained_again)"],
    }

Every quarter of an hour the schedule plans the newest settled window; then the work queue is worked off as
Lambda does: what fails or is killed comes back six minutes later, and ends up with the dead letters after
three attempts. A `Process` stands between the code and AWS: it can kill a run before or after any call,
and make calls fail.

Whatever happens in a world, these things hold after every quarter (`check`): the state can be read and is
small, nothing is said about an incident out of turn, and a window that was judged has all its metrics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Final

from enigap.aws import discovery
from enigap.aws.errors import AwsProblem
from enigap.aws.placement import Wanted
from enigap.aws.publisher import MetricPublisher
from enigap.aws.state_table import StateTable
from enigap.aws.topic import Topic
from enigap.aws.work_queue import WorkQueue
from enigap.core.counting.node import Node
from enigap.core.counting.window import GRID, Window
from enigap.core.incidents.incident import ClusterState, Incident, Silence
from enigap.core.incidents.state import read_json
from enigap.core.judging.cluster import ClusterReport
from enigap.core.messages import notification_document
from enigap.core.published import Metric, Scope, of
from enigap.core.work import WorkItem
from enigap.pipeline import Done, NotSettledError, plan, reconcile
from enigap.settings import Settings
from enigap.wiring import assess_cluster
from tests.aws.fake_ec2 import FakeEc2
from tests.fakes.pipeline_ports import CLUSTER, LATE, window
from tests.fakes.strict_cloudwatch import MetricIdentity, StrictCloudWatch, metric
from tests.fakes.strict_cloudwatch.store import epoch_second
from tests.reliability.audience import Audience, lines, without_cluster
from tests.reliability.fleet import Feed, LogsOfAFleet, Worker, WorkerFleet
from tests.reliability.lives import Behaviour, Played
from tests.reliability.process import GuardedAws, Killed, Process
from tests.reliability.services import (
    ACCOUNT,
    REGION,
    FakeDynamoDb,
    FakeEks,
    FakeQueue,
    FakeSns,
    Message,
)

TABLE: Final = "enigap-state"
TOPIC_ARN: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:findings"
DASHBOARD: Final = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home#dashboards/dashboard/enigap"

SMALL_BYTES: Final = 100_000
"""A cluster's state is under this, whatever happens."""


class World:
    """One cluster, one account, and enigap deployed into it with the shipped default settings."""

    def __init__(self, *workers: Worker, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.now = window(0).start
        self.fleet = WorkerFleet(list(workers), self.now)
        self.process = Process()
        self.cloudwatch = StrictCloudWatch(lambda: self.now)
        self.cloudwatch.add_source(Feed(self.fleet))
        self.ec2 = FakeEc2()
        self.logs = LogsOfAFleet(self.fleet)
        self.table = FakeDynamoDb(TABLE, self.now)
        self.topic = FakeSns(TOPIC_ARN, self.now)
        self.queue = FakeQueue(self.now)
        self.eks = FakeEks()
        self.audience = Audience()
        self.out_of_time_at: int | None = None
        """From which time on that a run asks, counted from 1, it has no time left."""
        self.is_scheduled = True
        """Whether the schedule fires."""
        self.clock_is_ahead = timedelta(0)
        """By how much the functions' clock is ahead of everybody else's."""
        self.checks_the_state = True
        self.done: list[Done] = []
        """What every run that came to its end came to."""
        self.problems: list[Exception] = []
        """What went wrong with the runs that failed."""
        self.kills = 0
        self._published: set[Window] = set()
        """Windows whose metrics CloudWatch took from a run that came to its end."""
        self.reports: dict[Window, ClusterReport] = {}
        """The newest report on each window."""
        services = {
            "ec2": self.ec2,
            "logs": self.logs,
            "dynamodb": self.table,
            "sns": self.topic,
            "sqs": self.queue,
            "eks": self.eks,
        }
        self.aws = GuardedAws(self.process, self.cloudwatch, services)
        self._events: dict[int, list[tuple[str, Callable[[], None]]]] = defaultdict(list)

    # --- what is to happen

    def during(self, first: int, last: int, instance_id: str, behaviour: Behaviour) -> None:
        """From one window to another, both included, a node does this instead of what it does otherwise."""
        for worker in self.fleet.called(instance_id):
            assert isinstance(worker.life, Played)
            worker.life.change(window(first).start, window(last).end, behaviour)

    def at(self, number: int, *happens: Callable[[], None]) -> None:
        """This happens just before the run for a window begins."""
        self._events[number] += [("before", each) for each in happens]

    def after(self, number: int, *happens: Callable[[], None]) -> None:
        """This happens once the run for a window is over."""
        self._events[number] += [("after", each) for each in happens]

    def fail(self, call: str, failure: Exception) -> Callable[[], None]:
        """From when this happens, calls such as "sns.publish" fail."""
        return lambda: self.process.failures.update({call: failure})

    def works_again(self) -> None:
        """From when this happens, all calls work."""
        self.process.failures.clear()
        self.cloudwatch.faults.clear()
        self.ec2.denied.clear()
        self.logs.faults.clear()

    def copy(self) -> World:
        """The same world at this moment, to go on by itself. Metrics that were published stay behind."""
        other = World(*self.fleet.workers, settings=self.settings)
        for mine, its in (
            (self.table, other.table),
            (self.topic, other.topic),
            (self.queue, other.queue),
            (self.audience, other.audience),
        ):
            vars(its).update(deepcopy(vars(mine)))
        other.fleet.late, other._events = self.fleet.late, self._events
        return other

    # --- time

    def tells(self, windows: int) -> dict[int, list[str]]:
        """Play so many windows; what people were told, by the number of the window that was newest then."""
        for number in range(windows):
            self.quarter(number)
        return self.told

    def quarter(self, number: int) -> None:
        """The quarter of an hour in which a window is settled and judged."""
        self.begin(number)
        for when, happens in self._events[number]:
            if when == "before":
                happens()
        if self.is_scheduled:
            self.plan()
        self.work_off()
        while (wakes_at := self.queue.next_visible_at) is not None and wakes_at < window(
            number + 1
        ).end + LATE:
            self._set_clock(wakes_at)
            self.work_off()
        self.check()
        for when, happens in self._events[number]:
            if when == "after":
                happens()

    def begin(self, number: int) -> None:
        """The clock moves on, and what is published about the nodes arrives."""
        newest = window(number)
        self._set_clock(newest.end + LATE)
        self.fleet.live(newest)
        self.ec2.machines = [worker.machine(self.now) for worker in self.fleet.workers]
        self.ec2.requests.clear()
        self.logs.requests.clear()

    def _set_clock(self, now: datetime) -> None:
        self.now = self.fleet.now = self.queue.now = self.topic.now = self.table.now = now

    # --- the functions, as the handlers wire them up

    @property
    def clock(self) -> datetime:
        """What time the functions take it for."""
        return self.now + self.clock_is_ahead

    def plan(self, at: Window | None = None) -> None:
        """The planner, tried twice more by Lambda if it fails."""
        for _ in range(3):
            try:
                self._plan(at or Window.newest_settled(self.clock, self.settings.settle))
            except Killed:
                self.kills += 1
            except (AwsProblem, NotSettledError) as problem:
                self.problems.append(problem)
            else:
                return

    def _plan(self, at: Window) -> None:
        self.aws.start()

        def clusters() -> tuple[str, ...]:
            wanted = Wanted(clusters=self.settings.clusters)
            return discovery.clusters(self.aws.client("ec2"), self.aws.client("cloudwatch"), wanted)

        plan(
            at,
            account=ACCOUNT,
            region=REGION,
            settings=self.settings,
            now=self.clock,
            clusters=clusters,
            states=self._states(),
            publisher=self._publisher(),
            queue=WorkQueue(self.aws.client("sqs"), "https://sqs.invalid/work"),
        )

    def work_off(self) -> None:
        """Lambda feeds the reconciler with what can be had from the work queue."""
        while message := self.queue.receive():
            if self._succeeds(message):
                self.queue.delete(message)

    def _succeeds(self, message: Message) -> bool:
        try:
            item = WorkItem.from_json(message.body)
            self.reconcile(item, is_retry=message.received > 1)
        except Killed:
            self.kills += 1
            return False
        except Exception as problem:  # noqa: BLE001 - what the handler does with whatever goes wrong
            self.problems.append(problem)
            return False
        return True

    def reconcile(self, item: WorkItem, *, is_retry: bool = False) -> Done:
        self.aws.start()
        questions = count(1)

        def out_of_time() -> bool:
            return self.out_of_time_at is not None and next(questions) >= self.out_of_time_at

        def assess(name: str, at: Window, is_followed: Callable[[str], bool]) -> ClusterReport:
            self.reports[at] = assess_cluster(
                self.aws, self.settings, name, at, out_of_time, is_followed=is_followed
            )
            return self.reports[at]

        document_of = partial(
            notification_document,
            account=item.account,
            region=item.region,
            cluster=item.cluster,
            dashboard_url=DASHBOARD,
            settle=self.settings.settle,
        )
        done = reconcile(
            item,
            settings=self.settings,
            now=self.clock,
            assess=assess,
            states=self._states(),
            publisher=self._publisher(),
            notifier=Topic(self.aws.client("sns"), TOPIC_ARN, document_of),
            is_retry=is_retry,
        )
        if done.report is not None:
            self._published.add(item.window)
        self.done.append(done)
        return done

    def _states(self) -> StateTable:
        return StateTable(self.aws.client("dynamodb"), TABLE, now=self.clock)

    def _publisher(self) -> MetricPublisher:
        cloudwatch = self.aws.client("cloudwatch")
        return MetricPublisher(cloudwatch, self.settings.metric_namespace, parallelism=1)

    def silence(self, target: str, until: Window) -> None:
        """Somebody mutes an incident."""
        table = self._states()
        table.silence(Silence(target, until.end + LATE, "being repaired"))

    def forget(self) -> None:
        """Let go of what is over: messages that were checked, metrics, reports, nodes nobody lists."""
        self.topic.published.clear()
        self.audience.forget()
        self.fleet.forget()
        self.process.points.clear()
        self.done.clear()
        self.problems.clear()
        self.queue.dead_letters.clear()
        self._published &= {self.state.done}
        self.reports = {at: report for at, report in self.reports.items() if at == self.state.done}
        self.cloudwatch.store.forget_before(self.now - timedelta(days=1))

    # --- what came of it

    @property
    def state(self) -> ClusterState:
        item = self.table.items.get(f"cluster#{CLUSTER}", {})
        return read_json(item["state"]["S"])[0] if "state" in item else ClusterState(CLUSTER)

    @property
    def state_bytes(self) -> int:
        """The size of the cluster's state as it is written down."""
        item = self.table.items.get(f"cluster#{CLUSTER}", {})
        return len(item["state"]["S"]) if "state" in item else 0

    @property
    def open(self) -> dict[str, Incident]:
        """The open incidents, without the cluster in their names."""
        return {without_cluster(incident.id): incident for incident in self.state.incidents}

    @property
    def told(self) -> dict[int, list[str]]:
        told: dict[int, list[str]] = defaultdict(list)
        for message in self.topic.published:
            newest = Window.newest_settled(message.at, self.settings.settle)
            told[(newest.end - window(0).end) // GRID] += lines(message.event)
        return dict(told)

    def verdicts(self, instance_id: str) -> list[str | None]:
        """What a node came to in each window, as it was judged last; None where the window was not."""
        return [
            next((n.newest.verdict.value for n in report.nodes if _is(n.newest.node, instance_id)), None)
            for _, report in sorted(self.reports.items())
        ]

    def reason(self, number: int, instance_id: str) -> str:
        """Why a node came to its verdict."""
        return next(
            str(n.newest.reason)
            for n in self.reports[window(number)].nodes
            if _is(n.newest.node, instance_id)
        )

    def ratio(self, instance_id: str, number: int) -> float | None:
        """A node's OS bytes over its ENI bytes, by the middle values."""
        return next(
            n.newest.ratio for n in self.reports[window(number)].nodes if _is(n.newest.node, instance_id)
        )

    def published(self, name: str, number: int) -> float | None:
        """The cluster's metric for a window: its Maximum, which is all there is unless runs saw different
        things.
        """
        identity = metric(self.settings.metric_namespace, name, ClusterName=CLUSTER)
        stamp = epoch_second(window(number).end + self.settings.settle)
        _, values = self.cloudwatch.store.read(
            identity, "Maximum", unit=None, start=stamp, end=stamp + 60, period=60
        )
        return next(iter(values), None)

    def metrics(self) -> dict[tuple[MetricIdentity, int], tuple[float, float]]:
        """Least and greatest value of everything that was published, by metric and second."""
        return {
            (identity, second): (points.minimums[at], points.maximums[at])
            for identity, points in self.cloudwatch.store.written()
            for at, second in enumerate(points.seconds)
        }

    # --- what always holds

    def check(self) -> None:
        """What always holds; after every quarter, and whenever somebody asks."""
        for item in self.table.items.values() if self.checks_the_state else ():
            if "state" in item:
                read_json(item["state"]["S"])[0]
                assert len(item["state"]["S"]) <= SMALL_BYTES
        self.audience.hears(self.topic.published)
        assert self.audience.repeats <= self.kills, "more messages repeat something than runs were killed"
        if self.checks_the_state and self.state.done in self.reports.keys() & self._published:
            self._check_metrics((self.state.done.end - window(0).end) // GRID)

    def _check_metrics(self, number: int) -> None:
        """A window that was judged has all its metrics; sums of rates only if a node has both sides."""
        assert self.published(Metric.NODES_JUDGED.metric_name, number) is not None
        nodes = [report.newest for report in self.reports[window(number)].nodes]
        has_both = any(node.os is not None and node.eni is not None for node in nodes)
        for each in of(Scope.CLUSTER):
            is_there = self.published(each.name, number) is not None
            assert is_there is (has_both or each not in _OF_RATES), each.name
        unexplained = sum(node.explained is False for node in nodes)
        told = self.published(Metric.NODES_UNEXPLAINED.metric_name, number)
        assert told is not None
        assert told >= unexplained


_OF_RATES: Final = (Metric.OS_BYTES.value, Metric.ENI_BYTES.value, Metric.NODE_LOCAL_BYTES.value)


def comparable_metrics(world: World) -> dict[tuple[MetricIdentity, int], tuple[float, float]]:
    """All metrics that were published, but those of plans, which rightly say how late things are."""
    of_plans = {Metric.CLUSTERS_OVERDUE.metric_name, Metric.PLANS_MADE.metric_name}
    return {key: value for key, value in world.metrics().items() if key[0].name not in of_plans}


def _is(node: Node, instance_id: str) -> bool:
    return node.instance_id == instance_id


BY_LOOKS: Final = {
    metric.metric_name
    for metric in (
        Metric.NODE_UNEXPLAINED,
        Metric.CLUSTER_UNEXPLAINED,
        Metric.NODES_UNEXPLAINED,
        Metric.NODES_UNVERIFIED,
        Metric.NODE_LOCAL_BYTES,
        Metric.BILLED_METRICS,
    )
}
"""Metrics that hang on whose devices were looked at, and how far back."""


def metrics_of_totals(world: World) -> dict[tuple[MetricIdentity, int], tuple[float, float]]:
    return {key: value for key, value in comparable_metrics(world).items() if key[0].name not in BY_LOOKS}
