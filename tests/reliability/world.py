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

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import count
from typing import Any, ClassVar, Final, TypeVar

from botocore.config import Config

from enigap.aws import discovery
from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem
from enigap.aws.publisher import MetricPublisher
from enigap.aws.state_table import StateTable
from enigap.aws.topic import Topic
from enigap.aws.work_queue import WorkQueue
from enigap.core.cluster import ClusterReport
from enigap.core.incidents import ClusterState, Incident, Silence
from enigap.core.messages import CAUSE_WORDS, notification
from enigap.core.published import Metric, Scope, of
from enigap.core.reading import Node
from enigap.core.state import from_json
from enigap.core.window import GRID, MINUTE, Window
from enigap.core.work import WorkItem
from enigap.pipeline import Done, NotSettledError, plan, reconcile
from enigap.settings import Settings
from enigap.wiring import assess_cluster
from tests.aws.fake_ec2 import FakeEc2, Machine
from tests.aws.fake_logs import FakeLogs
from tests.fakes.node_simulator import Agent
from tests.fakes.pipeline_ports import CLUSTER, LATE, window
from tests.fakes.strict_cloudwatch import MetricIdentity, Points, StrictCloudWatch, attach, metric
from tests.fakes.strict_cloudwatch.store import epoch_second
from tests.reliability.behaviours import everyday
from tests.reliability.lives import HEALTHY, Behaviour, Life, Plain, Played, Quarter, Rates, add_samples
from tests.reliability.services import FakeDynamoDb, FakeEks, FakeQueue, FakeSns, Message

T = TypeVar("T")

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
TABLE: Final = "enigap-state"
TOPIC_ARN: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:findings"
DASHBOARD: Final = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home#dashboards/dashboard/enigap"

SMALL_BYTES: Final = 100_000
"""A cluster's state is under this, whatever happens."""

_REMEMBERED: Final = 8
"""For so many windows the world keeps what was published about its nodes."""


class Killed(BaseException):
    """The process was killed here. No `except Exception` sees it."""


class Process:
    """What a function's calls to AWS go through. Each has a point before it and one after it."""

    def __init__(self) -> None:
        self.points: list[str] = []
        """All points that were passed, as in "before dynamodb.put_item"."""
        self.kill_at: int | None = None
        """Kill the process at this point, counted from 0."""
        self.failures: dict[str, Exception] = {}
        """Calls that fail, as in "sns.publish"."""
        self.meanwhile: dict[str, Callable[[], None]] = {}
        """What happens once at a point, as in "before dynamodb.put_item"."""
        self._is_dead = False

    def start(self) -> None:
        """A new process, after the one before was killed or has done its work."""
        self._is_dead = False

    def kill_at_call(self, name: str) -> Callable[[], None]:
        """From when this happens: kill the process when it passes this point next."""

        def kill() -> None:
            raise self._killed(name)

        return lambda: self.meanwhile.update({name: kill})

    def guarded(self, service: str, client: Any) -> Any:
        return _Guarded(self, service, client)

    def point(self, name: str) -> None:
        # A killed process makes no other call, not in any of its threads.
        if self._is_dead:
            raise Killed(name)
        self.points.append(name)
        if len(self.points) - 1 == self.kill_at:
            raise self._killed(name)
        if happens := self.meanwhile.pop(name, None):
            happens()

    def _killed(self, name: str) -> Killed:
        self._is_dead = True
        return Killed(name)


class _Guarded:
    """A client whose calls pass a process's points."""

    def __init__(self, process: Process, service: str, client: Any) -> None:
        self._process, self._service, self._client = process, service, client

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute
        call = f"{self._service}.{name}"

        def guarded(**request: Any) -> Any:
            self._process.point(f"before {call}")
            if failure := self._process.failures.get(call):
                raise failure
            answer = attribute(**request)
            self._process.point(f"after {call}")
            return answer

        return guarded


class _InProcess(Aws):
    """The clients of a world. CloudWatch's is the one that is deployed, with one attempt: nobody waits."""

    def __init__(self, world: World) -> None:
        # Without a session: nothing is looked up, and making one takes as long as a run.
        self.region, self.parallelism = REGION, 1
        self._clients, self._world = {}, world

    def _make(self, service: str) -> Any:
        return self._world.process.guarded(service, self._unguarded(service))

    def _unguarded(self, service: str) -> Any:
        if service != "cloudwatch":
            return self._world.services[service]
        return _cloudwatch_client()[0]


class _Wire:
    """Where the one CloudWatch client's requests go: to the world that is being played."""

    world: World

    def handle(self, headers: Mapping[str, str], body: bytes) -> Any:
        return self.world.cloudwatch.handle(headers, body)


class _OneAttempt(Aws):
    def _config(self, service: str) -> Config:
        return super()._config(service).merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


@cache
def _cloudwatch_client() -> tuple[Any, _Wire]:
    """One for all worlds: making it takes longer than a timeline."""
    client, wire = _OneAttempt(region=REGION).client("cloudwatch"), _Wire()
    attach(wire, client)  # type: ignore[arg-type]  # all that is needed of the fake is `handle`
    return client, wire


@dataclass
class Worker:
    """A node and its life."""

    node: Node
    life: Life
    gone_at: datetime | None = None
    instance_type: str = "m5.large"
    """Carries 10 Gbit/s."""
    tags: Mapping[str, str] = field(default_factory=lambda: {"eks:cluster-name": CLUSTER})
    last_reported: int | None = None
    """The second of the agent's last datapoint: ListMetrics knows a node by it for two weeks."""
    quarters: dict[Window, Quarter] = field(default_factory=dict)
    arrived: dict[str, Any] = field(default_factory=dict)
    """What the feed found of it, for as long as the clock stands still."""

    @property
    def instance_id(self) -> str:
        return self.node.instance_id

    def runs_at(self, instant: datetime) -> bool:
        launched = self.node.launched_at
        return (launched is None or launched <= instant) and (self.gone_at is None or instant < self.gone_at)

    def machine(self, now: datetime) -> Machine:
        return Machine(
            self.instance_id,
            self.tags,
            self.instance_type,
            self.node.launched_at or window(-40).start,
            str(self.node.node_name),
            "running" if self.runs_at(now) else "terminated",
        )

    def forget(self) -> None:
        """What it does is not what it would have done, or nobody asks any more."""
        self.quarters.clear()
        self.arrived.clear()

    def live(self, newest: Window) -> None:
        """Have everything at hand that is published about it up to a window's successor."""
        for number in range(-1, _REMEMBERED - 1):
            at = newest.previous(number)
            if at not in self.quarters:
                self.quarters[at] = self.life.quarter(self.node, at)
        for old in [at for at in self.quarters if at < newest.previous(_REMEMBERED)]:
            del self.quarters[old]


def worker(
    instance_id: str,
    *,
    name: str = "",
    otherwise: Behaviour = everyday,
    devices: tuple[str, ...] = ("eth0", "eth1"),
    agents: tuple[Agent, ...] = (),
    launched_at: datetime | None = None,
    gone_at: datetime | None = None,
) -> Worker:
    """A node that is simulated byte by byte, and does the same every day unless told otherwise."""
    node = Node(CLUSTER, instance_id, name or f"ip-10-0-3-{instance_id.removeprefix('i-')}", launched_at)
    life = Played(otherwise, devices=devices, agents=agents) if agents else Played(otherwise, devices=devices)
    return Worker(node, life, gone_at)


def plain_worker(
    instance_id: str,
    rates: Callable[[Window], Rates] = lambda _: HEALTHY,
    *,
    launched_at: datetime | None = None,
    gone_at: datetime | None = None,
) -> Worker:
    """A node whose rates only change with the window."""
    name = f"ip-{instance_id.removeprefix('i-')}.eu-west-1.compute.internal"
    return Worker(Node(CLUSTER, instance_id, name, launched_at), Plain(rates), gone_at)


@dataclass(frozen=True)
class Late:
    """What is published about [start, end) arrives later than usual."""

    start: datetime
    end: datetime
    by: timedelta
    of: frozenset[str] = frozenset({"os", "eni", "events"})
    workers: frozenset[str] | None = None


class Feed:
    """What CloudWatch and Logs hold about the nodes, as far as it has arrived by now."""

    usually: ClassVar = {
        "os": timedelta(minutes=2),
        "eni": timedelta(minutes=2),
        "events": timedelta(minutes=1),
    }

    def __init__(self, world: World) -> None:
        self._world = world

    def newest(self) -> Iterable[tuple[MetricIdentity, int]]:
        for worker in self._world.workers:
            if worker.last_reported is not None:
                yield os_metric(worker), worker.last_reported

    def points(self, identity: MetricIdentity) -> Points | None:
        dimensions = dict(identity.dimensions)
        for worker in self._world.workers_called(dimensions.get("InstanceId", "")):
            if identity == os_metric(worker):
                return self.os_points(worker)
            if identity.namespace == "AWS/EC2" and len(dimensions) == 1:
                return self._arrived(worker, identity.name, partial(self._eni_points, worker, identity.name))
        return None

    def os_points(self, worker: Worker) -> Points:
        return self._arrived(worker, "os", partial(self._os_points, worker))

    def log_events(self, worker: Worker) -> list[tuple[int, str]]:
        return self._arrived(worker, "events", lambda: list(self._log_events(worker)))

    def _os_points(self, worker: Worker) -> Points:
        points = Points.empty("Bytes/Second")
        for at, quarter in sorted(worker.quarters.items()):
            if self._has_all_arrived(worker, "os", at):
                _join(points, quarter.os_points)
                continue
            has_arrived = self._arrival(worker, "os", MINUTE)
            for minute, samples in quarter.os_by_minute.items():
                if has_arrived(minute):
                    add_samples(points, minute, samples)
        return points

    def _eni_points(self, worker: Worker, name: str) -> Points:
        points = Points.empty("Bytes")
        for at, quarter in sorted(worker.quarters.items()):
            if self._has_all_arrived(worker, "eni", at):
                _join(points, quarter.eni_points[name])
                continue
            has_arrived = self._arrival(worker, "eni", MINUTE)
            for period in quarter.eni:
                minutes = enumerate(period.by_minute(name))
                there = [value for n, value in minutes if has_arrived(period.start + n * MINUTE)]
                if there:
                    add_samples(points, period.start, there)
        return points

    def _log_events(self, worker: Worker) -> Iterator[tuple[int, str]]:
        has_arrived = self._arrival(worker, "events", timedelta(0))
        for at, quarter in sorted(worker.quarters.items()):
            is_whole = self._has_all_arrived(worker, "events", at)
            for event in quarter.events:
                if is_whole or has_arrived(event.at):
                    yield event.milliseconds, event.message

    def _arrived(self, worker: Worker, what: str, look: Callable[[], T]) -> T:
        """Looked for once, until the clock moves."""
        if worker.arrived.get("now") != self._world.now:
            worker.arrived = {"now": self._world.now}
        if what not in worker.arrived:
            worker.arrived[what] = look()
        found: T = worker.arrived[what]
        return found

    def _has_all_arrived(self, worker: Worker, what: str, at: Window) -> bool:
        return (
            worker.runs_at(at.start)
            and worker.runs_at(at.end)
            and not self._world.late
            and at.end + MINUTE + self.usually[what] <= self._world.now
        )

    def _arrival(self, worker: Worker, what: str, lasting: timedelta) -> Callable[[datetime], bool]:
        """Whether something that was measured then, and for so long, is there by now."""
        late = [
            late
            for late in self._world.late
            if what in late.of and (late.workers is None or worker.instance_id in late.workers)
        ]
        usually, now = self.usually[what] + lasting, self._world.now

        def has_arrived(at: datetime) -> bool:
            delay = max((each.by for each in late if each.start <= at < each.end), default=timedelta(0))
            return worker.runs_at(at) and at + usually + delay <= now

        return has_arrived


def os_metric(worker: Worker) -> MetricIdentity:
    node = worker.node
    return metric(
        "ContainerInsights",
        "node_network_total_bytes",
        ClusterName=node.cluster,
        InstanceId=node.instance_id,
        NodeName=str(node.node_name),
    )


def _join(points: Points, more: Points) -> None:
    points.seconds.extend(more.seconds)
    points.sums.extend(more.sums)
    points.sample_counts.extend(more.sample_counts)
    points.minimums.extend(more.minimums)
    points.maximums.extend(more.maximums)


def _since(second: int, points: Points) -> Points:
    first = bisect_left(points.seconds, second)
    return replace(
        points,
        seconds=points.seconds[first:],
        sums=points.sums[first:],
        sample_counts=points.sample_counts[first:],
        minimums=points.minimums[first:],
        maximums=points.maximums[first:],
    )


class _Logs(FakeLogs):
    """The log group of the cluster, as it is when it is read. A stream is named after its node."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def filter_log_events(self, **request: Any) -> dict[str, Any]:
        streams: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for worker in self._world.workers:
            name = worker.node.node_name
            if name is not None and name in request["logStreamNames"]:
                streams[name] += self._world.feed.log_events(worker)
        self.groups = {f"/aws/containerinsights/{CLUSTER}/performance": streams}
        return super().filter_log_events(**request)


class World:
    """One cluster, one account, and enigap deployed into it with the shipped default settings."""

    def __init__(self, *workers: Worker, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.workers = list(workers)
        self.now = window(0).start
        self.late: list[Late] = []
        self.process = Process()
        self.feed = Feed(self)
        self.cloudwatch = StrictCloudWatch(lambda: self.now)
        self.cloudwatch.add_source(self.feed)
        self.ec2 = FakeEc2()
        self.logs = _Logs(self)
        self.table = FakeDynamoDb(TABLE, self.now)
        self.topic = FakeSns(TOPIC_ARN, self.now)
        self.queue = FakeQueue(self.now)
        self.eks = FakeEks()
        self.services: dict[str, Any] = {
            "ec2": self.ec2,
            "logs": self.logs,
            "dynamodb": self.table,
            "sns": self.topic,
            "sqs": self.queue,
            "eks": self.eks,
        }
        self.out_of_time_at: int | None = None
        """From which time on that a run asks, counted from 1, it has no time left."""
        self.is_scheduled = True
        """Whether the schedule fires."""
        self.checks_the_state = True
        self.done: list[Done] = []
        """What every run that came to its end came to."""
        self.problems: list[Exception] = []
        """What went wrong with the runs that failed."""
        self.kills = 0
        self.reports: dict[Window, ClusterReport] = {}
        """The newest report on each window."""
        self._aws = _InProcess(self)
        self.heard: dict[str, str] = {}
        """What people know of each incident: the last that they were told of it."""
        self.repeats = 0
        """How often people were told again what they knew."""
        self._messages_checked = 0
        self._said: set[tuple[str, ...]] = set()
        self._since: dict[str, str] = {}
        self._events: dict[int, list[tuple[str, Callable[[], None]]]] = defaultdict(list)

    # --- what is to happen

    def during(self, first: int, last: int, instance_id: str, behaviour: Behaviour) -> None:
        """From one window to another, both included, a node does this instead of what it does otherwise."""
        for worker in self.workers_called(instance_id):
            assert isinstance(worker.life, Played)
            worker.life.change(window(first).start, window(last).end, behaviour)

    def at(self, number: int, *happens: Callable[[], None]) -> None:
        """This happens just before the run for a window begins."""
        self._events[number] += [("before", each) for each in happens]

    def after(self, number: int, *happens: Callable[[], None]) -> None:
        """This happens once the run for a window is over."""
        self._events[number] += [("after", each) for each in happens]

    def workers_called(self, instance_id: str) -> list[Worker]:
        return [worker for worker in self.workers if worker.instance_id == instance_id]

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
        other = World(*self.workers, settings=self.settings)
        for mine, its in (
            (self.table, other.table),
            (self.topic, other.topic),
            (self.queue, other.queue),
        ):
            vars(its).update(deepcopy(vars(mine)))
        other.late, other._events = self.late, self._events
        other.heard, other._said, other._since = dict(self.heard), set(self._said), dict(self._since)
        other._messages_checked = self._messages_checked
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
        for worker in self.workers:
            if worker.gone_at is not None and worker.gone_at < window(number - _REMEMBERED).end:
                worker.forget()
                continue
            worker.live(newest)
            points = self.feed.os_points(worker)
            if points.seconds:
                worker.last_reported = max(points.seconds[-1], worker.last_reported or 0)
        self.ec2.machines = [worker.machine(self.now) for worker in self.workers]
        self.ec2.requests.clear()
        self.logs.requests.clear()

    def _set_clock(self, now: datetime) -> None:
        self.now = self.queue.now = self.topic.now = self.table.now = now

    # --- the functions, as the handlers wire them up

    def plan(self, at: Window | None = None) -> None:
        """The planner, tried twice more by Lambda if it fails."""
        for _ in range(3):
            try:
                self._plan(at or Window.newest_settled(self.now, self.settings.settle))
            except Killed:
                self.kills += 1
            except (AwsProblem, NotSettledError) as problem:
                self.problems.append(problem)
            else:
                return

    def _start_process(self) -> None:
        self.process.start()
        _cloudwatch_client()[1].world = self

    def _plan(self, at: Window) -> None:
        self._start_process()

        def clusters() -> tuple[str, ...]:
            wanted = discovery.Wanted(clusters=self.settings.clusters)
            return discovery.clusters(self._aws.client("ec2"), self._aws.client("cloudwatch"), wanted)

        plan(
            at,
            account=ACCOUNT,
            region=REGION,
            settings=self.settings,
            now=self.now,
            clusters=clusters,
            states=self._states(),
            publisher=self._publisher(),
            queue=WorkQueue(self._aws.client("sqs"), "https://sqs.invalid/work"),
        )

    def work_off(self) -> None:
        """Lambda feeds the reconciler with what can be had from the work queue."""
        while message := self.queue.receive():
            if self._succeeds(message):
                self.queue.delete(message)

    def _succeeds(self, message: Message) -> bool:
        try:
            self.reconcile(WorkItem.from_json(message.body))
        except Killed:
            self.kills += 1
            return False
        except Exception as problem:  # noqa: BLE001 - what the handler does with whatever goes wrong
            self.problems.append(problem)
            return False
        return True

    def reconcile(self, item: WorkItem) -> Done:
        self._start_process()
        questions = count(1)

        def out_of_time() -> bool:
            return self.out_of_time_at is not None and next(questions) >= self.out_of_time_at

        def assess(name: str, at: Window) -> ClusterReport:
            self.reports[at] = assess_cluster(self._aws, self.settings, name, at, out_of_time)
            return self.reports[at]

        event_of = partial(
            notification,
            account=item.account,
            region=item.region,
            cluster=item.cluster,
            dashboard_url=DASHBOARD,
            settle=self.settings.settle,
        )
        done = reconcile(
            item,
            settings=self.settings,
            now=self.now,
            assess=assess,
            states=self._states(),
            publisher=self._publisher(),
            notifier=Topic(self._aws.client("sns"), TOPIC_ARN, event_of),
        )
        self.done.append(done)
        return done

    def _states(self) -> StateTable:
        return StateTable(self._aws.client("dynamodb"), TABLE, now=self.now)

    def _publisher(self) -> MetricPublisher:
        cloudwatch = self._aws.client("cloudwatch")
        return MetricPublisher(cloudwatch, self.settings.metric_namespace, parallelism=1)

    def silence(self, target: str, until: Window) -> None:
        """Somebody mutes an incident."""
        table = self._states()
        table.silence(Silence(target, until.end + LATE, "being repaired"))

    def forget(self) -> None:
        """Let go of what is over: messages that were checked, metrics, reports, nodes nobody lists."""
        self.topic.published.clear()
        self._messages_checked = 0
        self.process.points.clear()
        self.done.clear()
        self.problems.clear()
        self.queue.dead_letters.clear()
        self.reports = {at: report for at, report in self.reports.items() if at == self.state.done}
        self.heard = {about: news for about, news in self.heard.items() if news != "resolved"}
        self._since = {about: since for about, since in self._since.items() if about in self.heard}
        self._said = {key for key in self._said if _about(key[0]) in self.heard}
        unlisted = self.now - timedelta(days=14)
        self.workers = [w for w in self.workers if w.gone_at is None or w.gone_at > unlisted]
        today = epoch_second(self.now - timedelta(days=1))
        series = self.cloudwatch.store._series
        for identity in [each for each, points in series.items() if points[0].seconds[-1] < today]:
            del series[identity]
        self.cloudwatch.store._series = {
            identity: [_since(today, each) for each in points] for identity, points in series.items()
        }

    # --- what came of it

    @property
    def state(self) -> ClusterState:
        item = self.table.items.get(f"cluster#{CLUSTER}", {})
        return from_json(item["state"]["S"]) if "state" in item else ClusterState(CLUSTER)

    @property
    def state_bytes(self) -> int:
        """The size of the cluster's state as it is written down."""
        item = self.table.items.get(f"cluster#{CLUSTER}", {})
        return len(item["state"]["S"]) if "state" in item else 0

    @property
    def open(self) -> dict[str, Incident]:
        """The open incidents, without the cluster in their names."""
        return {_about(incident.id): incident for incident in self.state.incidents}

    @property
    def told(self) -> dict[int, list[str]]:
        told: dict[int, list[str]] = defaultdict(list)
        for message in self.topic.published:
            newest = Window.newest_settled(message.at, self.settings.settle)
            told[(newest.end - window(0).end) // GRID] += sorted(map(_line, message.event["incidents"]))
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
            n.newest.reason for n in self.reports[window(number)].nodes if _is(n.newest.node, instance_id)
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
            for identity, series in self.cloudwatch.store._series.items()
            for points in series
            for at, second in enumerate(points.seconds)
        }

    # --- what always holds

    def check(self) -> None:
        """What always holds; after every quarter, and whenever somebody asks."""
        for item in self.table.items.values() if self.checks_the_state else ():
            if "state" in item:
                from_json(item["state"]["S"])
                assert len(item["state"]["S"]) <= SMALL_BYTES
        self._check_what_is_said()
        if self.checks_the_state and self.state.done in self.reports:
            self._check_metrics((self.state.done.end - window(0).end) // GRID)

    def _check_what_is_said(self) -> None:
        """In each incident's own order; no more messages repeat something than runs were killed."""
        for message in self.topic.published[self._messages_checked :]:
            event = message.event
            fresh = [item for item in event["incidents"] if _key(event, item) not in self._said]
            self.repeats += len(fresh) < len(event["incidents"])
            for incident in fresh:
                self._said.add(_key(event, incident))
                self._hear(incident)
                likely = CAUSE_WORDS.get(incident["cause"])
                if incident["news"] != "resolved" and likely is not None:
                    assert likely.likely in incident["summary"]
                    assert likely.likely in " ".join(message.by_protocol["email"].split())
        self._messages_checked = len(self.topic.published)
        assert self.repeats <= self.kills

    def _hear(self, incident: Mapping[str, Any]) -> None:
        about, news = _about(incident["id"]), incident["news"]
        target, verdict = about.split("/")
        is_open = self.heard.get(about, "resolved") != "resolved"
        if news == "opened" and target == "*":
            # It takes the place of what was open of single nodes, and may be open already: then it grew.
            self.heard |= dict.fromkeys([each for each in self.heard if each.endswith(verdict)], "resolved")
        elif news == "opened":
            # Its end may have gone unheard, if it was open again before anything could be said.
            assert not is_open or incident["since"] > self._since[about], f"{about} was opened twice"
        elif news == "reminder":
            assert is_open, f"people were reminded of {about}, which they had not heard of"
        self.heard[about], self._since[about] = news, incident["since"]

    def _check_metrics(self, number: int) -> None:
        """A window that was judged has all its metrics; those of rates only if a node was judged."""
        judged = self.published(Metric.NODES_JUDGED.metric_name, number)
        assert judged is not None
        for each in of(Scope.CLUSTER):
            is_there = self.published(each.name, number) is not None
            assert is_there is (judged > 0 or each not in _OF_RATES), each.name
        unexplained = sum(n.newest.explained is False for n in self.reports[window(number)].nodes)
        told = self.published(Metric.NODES_UNEXPLAINED.metric_name, number)
        assert told is not None
        assert told >= unexplained


_OF_RATES: Final = (Metric.OS_BYTES.value, Metric.ENI_BYTES.value, Metric.NODE_LOCAL_BYTES.value)


def comparable_metrics(world: World) -> dict[tuple[MetricIdentity, int], tuple[float, float]]:
    """All metrics that were published, but the one that rightly says how late things are."""
    overdue = Metric.CLUSTERS_OVERDUE.metric_name
    return {key: value for key, value in world.metrics().items() if key[0].name != overdue}


def _is(node: Node, instance_id: str) -> bool:
    return node.instance_id == instance_id


def _about(incident_id: str) -> str:
    return incident_id.partition("/")[2]


def _key(event: Mapping[str, Any], incident: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes a piece of news: only reminders are said more than once of an incident."""
    nth = event["window"]["end"] if incident["news"] == "reminder" else ""
    return incident["id"], incident["news"], incident["since"], nth


def _line(incident: Mapping[str, Any]) -> str:
    """One piece of news: what, about which incident, and its likely cause or why it is said."""
    why = incident["why"]
    if incident["news"] == "opened" and why == "confirmed":
        why = incident["cause"] or "no likely cause"
    return f"{incident['news']} {_about(incident['id'])} ({why})"
