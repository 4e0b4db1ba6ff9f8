"""The nodes of a world, and what CloudWatch and Logs hold about them by now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar

from enigap.core.counting.node import Node
from enigap.core.counting.window import MINUTE, Window
from tests.aws.fake_ec2 import Machine
from tests.aws.fake_logs import FakeLogs
from tests.fakes.node_simulator import Agent
from tests.fakes.pipeline_ports import CLUSTER, window
from tests.fakes.strict_cloudwatch import MetricIdentity, Points, metric
from tests.reliability.behaviours import everyday
from tests.reliability.lives import HEALTHY, Behaviour, Life, Plain, Played, Quarter, Rates, add_samples

T = TypeVar("T")


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
    remembers: int = 8
    """For so many windows what was published about it is kept."""
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
        for number in range(-1, self.remembers - 1):
            at = newest.previous(number)
            if at not in self.quarters:
                self.quarters[at] = self.life.quarter(self.node, at)
        for old in [at for at in self.quarters if at < newest.previous(self.remembers)]:
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


@dataclass
class WorkerFleet:
    """All nodes there are and were, at one moment."""

    workers: list[Worker]
    now: datetime
    late: list[Late] = field(default_factory=list)
    """What is published later than usual."""

    def called(self, instance_id: str) -> list[Worker]:
        return [worker for worker in self.workers if worker.instance_id == instance_id]

    def live(self, newest: Window) -> None:
        """Have at hand what is published about each of them up to a window's successor."""
        feed = Feed(self)
        for worker in self.workers:
            if worker.gone_at is not None and worker.gone_at < newest.previous(worker.remembers).end:
                worker.forget()
                continue
            worker.live(newest)
            points = feed.os_points(worker)
            if points.seconds:
                worker.last_reported = max(points.seconds[-1], worker.last_reported or 0)

    def forget(self) -> None:
        """Let go of nodes that nobody lists any more."""
        unlisted = self.now - timedelta(days=14)
        self.workers = [w for w in self.workers if w.gone_at is None or w.gone_at > unlisted]


class Feed:
    """What CloudWatch and Logs hold about the nodes, as far as it has arrived by now."""

    usually: ClassVar = {
        "os": timedelta(minutes=2),
        "eni": timedelta(minutes=2),
        "events": timedelta(minutes=1),
    }

    def __init__(self, fleet: WorkerFleet) -> None:
        self._fleet = fleet

    def newest(self) -> Iterable[tuple[MetricIdentity, int]]:
        for worker in self._fleet.workers:
            if worker.last_reported is not None:
                yield os_metric(worker), worker.last_reported

    def points(self, identity: MetricIdentity) -> Points | None:
        dimensions = dict(identity.dimensions)
        for worker in self._fleet.called(dimensions.get("InstanceId", "")):
            if identity == os_metric(worker):
                return self.os_points(worker)
            # No packets: what these nodes do is judged by bytes alone.
            if identity.name in {"NetworkIn", "NetworkOut"} and len(dimensions) == 1:
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
        if worker.arrived.get("now") != self._fleet.now:
            worker.arrived = {"now": self._fleet.now}
        if what not in worker.arrived:
            worker.arrived[what] = look()
        found: T = worker.arrived[what]
        return found

    def _has_all_arrived(self, worker: Worker, what: str, at: Window) -> bool:
        return (
            worker.runs_at(at.start)
            and worker.runs_at(at.end)
            and not self._fleet.late
            and at.end + MINUTE + self.usually[what] <= self._fleet.now
        )

    def _arrival(self, worker: Worker, what: str, lasting: timedelta) -> Callable[[datetime], bool]:
        """Whether something that was measured then, and for so long, is there by now."""
        late = [
            late
            for late in self._fleet.late
            if what in late.of and (late.workers is None or worker.instance_id in late.workers)
        ]
        usually, now = self.usually[what] + lasting, self._fleet.now

        def has_arrived(at: datetime) -> bool:
            delay = max((each.by for each in late if each.start <= at < each.end), default=timedelta(0))
            return worker.runs_at(at) and at + usually + delay <= now

        return has_arrived


class LogsOfAFleet(FakeLogs):
    """The log group of the cluster, as it is when it is read. A stream is named after its node."""

    def __init__(self, fleet: WorkerFleet) -> None:
        super().__init__()
        self._fleet, self._feed = fleet, Feed(fleet)

    def filter_log_events(self, **request: Any) -> dict[str, Any]:
        streams: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for worker in self._fleet.workers:
            name = worker.node.node_name
            if name is not None and name in request.get("logStreamNames", [name]):
                streams[name] += self._feed.log_events(worker)
        self.groups = {f"/aws/containerinsights/{CLUSTER}/performance": streams}
        return super().filter_log_events(**request)


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
