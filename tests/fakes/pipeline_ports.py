"""The pipeline's ports in memory, and a cluster to judge: which node came to which verdict in which window.

They are for tests of what is decided and said. What happens when runs are killed, overtake each other or
cannot write is tested with the real adapters, in tests/reliability.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from enigap.core.counting.node import Node
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import Window
from enigap.core.incidents.incident import ClusterState, News, Silence
from enigap.core.incidents.state import Known, Remembered, read_json, to_json
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind, NodeReport
from enigap.core.judging.verdict import Cause, Judgement, Reason, Verdict
from enigap.core.published import Datum
from enigap.core.work import WorkItem
from enigap.pipeline import Done, reconcile
from enigap.settings import Settings

FIRST = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
CLUSTER = "prod"
LATE = timedelta(minutes=12)
"""How long after a window's end it is judged."""


def window(number: int) -> Window:
    """The windows in order, `window(0)` being `FIRST`."""
    return FIRST.previous(-number)


# --- the cluster


def judgement(
    node: str, at: Window, verdict: Verdict, *, cluster: str = CLUSTER, more: float = 1.0
) -> Judgement:
    """A judgement as the judge makes them, with figures for what each verdict knows."""
    unexplained = verdict.explained is False
    known = verdict not in {Verdict.UNREADABLE, Verdict.WARMING_UP, Verdict.PARTIAL}
    return Judgement(
        Node(cluster, node, f"ip-{node.removeprefix('i-')}.ec2.internal"),
        at,
        verdict,
        Reason(f"the reason for {verdict.value}", ": it is a test"),
        os=ByteRate(12.1e6) if known and verdict is not Verdict.OS_SILENT else None,
        eni=ByteRate(65.2e6) if known and verdict is not Verdict.ENI_SILENT else None,
        unexplained=ByteRate(46e6 * more) if unexplained else ZERO if verdict.explained else None,
        node_local_at_least=ZERO if verdict.explained else None,
        cause=Cause.MOVED_DEVICE if verdict is Verdict.OS_DEFICIT else None,
    )


def report_of(
    at: Window,
    nodes: Mapping[str, Sequence[Verdict]],
    *,
    cluster: str = CLUSTER,
    finding: Finding | None = None,
) -> ClusterReport:
    """A cluster's report: the verdicts of each node, newest first."""
    return ClusterReport(
        cluster,
        at,
        tuple(
            NodeReport(judgement(node, at, verdicts[0], cluster=cluster), tuple(verdicts[1:]))
            for node, verdicts in nodes.items()
        ),
        finding,
        node_count=len(nodes),
        billed_metrics=3 * len(nodes),
    )


class FakeCluster:
    """A cluster's nodes, all of which agree unless told otherwise."""

    def __init__(self, *nodes: str, cluster: str = CLUSTER) -> None:
        self.name = cluster
        self.nodes = dict.fromkeys(nodes)
        self.verdicts: dict[tuple[str, Window], Verdict] = {}
        self.findings: dict[Window, Finding] = {}

    def play(self, verdict: Verdict, *windows: Window, nodes: Iterable[str] | None = None) -> None:
        """In these windows these nodes (all of them unless given) come to this verdict."""
        for node in list(self.nodes) if nodes is None else nodes:
            for each in windows:
                self.verdicts[node, each] = verdict

    def find(self, kind: FindingKind, *windows: Window) -> None:
        """In these windows the cluster comes to this finding, and nothing is known of its nodes."""
        for each in windows:
            self.findings[each] = Finding(kind, f"The reason for {kind.value}: do something.")

    def assess(self, cluster: str, at: Window, _is_followed: Callable[[str], bool] = bool) -> ClusterReport:
        assert cluster == self.name
        if at in self.findings:
            listed = len(self.nodes) if self.findings[at].kind is FindingKind.NOT_COLLECTED else 0
            return ClusterReport(cluster, at, finding=self.findings[at], node_count=listed)
        return report_of(
            at,
            {
                node: [self.verdicts.get((node, each), Verdict.AGREE) for each in (at, at.previous())]
                for node in self.nodes
            },
            cluster=cluster,
        )


# --- the ports


@dataclass
class FakeStates:
    """A state table that holds JSON, as the real one does."""

    items: dict[str, str | None] = field(default_factory=dict)
    """None for a cluster that was planned and never judged."""
    planned_since: dict[str, datetime] = field(default_factory=dict)
    silences: list[Silence] = field(default_factory=list)

    def state(self, cluster: str = CLUSTER) -> ClusterState:
        text = self.items[cluster]
        assert text is not None
        return read_json(text)[0]

    def read(self, cluster: str) -> tuple[Remembered, Sequence[Silence]]:
        text = self.items.get(cluster)
        state = read_json(text)[0] if text is not None else ClusterState(cluster)
        return Remembered(state, revision=None), tuple(self.silences)

    def write(self, remembered: Remembered) -> Remembered:
        self.items[remembered.state.cluster] = to_json(remembered.state)
        return remembered

    def known(self) -> Iterable[Known]:
        for cluster, text in self.items.items():
            state = read_json(text)[0] if text is not None else None
            if state is None or state.done is None:
                yield Known(cluster, self.planned_since[cluster], is_alive=True)
            else:
                left = (state.nodes, len(state.incidents), len(state.outbox))
                yield Known(cluster, state.done.end, is_alive=any(left))

    def note_planned(self, cluster: str, window: Window) -> None:
        if cluster not in self.items:
            self.items[cluster] = None
            self.planned_since[cluster] = window.end


@dataclass
class FakePublisher:
    """CloudWatch as far as publishing goes: what was published, by metric and timestamp."""

    values: dict[tuple[str, tuple[tuple[str, str], ...], datetime], set[float]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def publish(self, data: Iterable[Datum]) -> None:
        for datum in data:
            self.values[datum.name, datum.dimensions, datum.timestamp].add(datum.value)

    def of_cluster(self, name: str, at: datetime, cluster: str = CLUSTER) -> float | None:
        """The one value of a cluster's metric at this time; None if there is none."""
        [value] = self.values.get((name, (("ClusterName", cluster),), at), {None})
        return value

    def without_dimensions(self, name: str, at: datetime) -> float | None:
        [value] = self.values.get((name, (), at), {None})
        return value


@dataclass
class FakeNotifier:
    """Who is told: every message as it was sent."""

    messages: list[tuple[News, ...]] = field(default_factory=list)
    is_down: bool = False

    def notify(self, news: Sequence[News]) -> None:
        if self.is_down:
            raise ConnectionError("the topic is gone")
        self.messages.append(tuple(news))

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """What was said and why, message by message: news, incident, reason."""
        return [(n.kind.value, n.incident.id, n.why.value) for news in self.messages for n in news]


@dataclass
class FakeQueue:
    """The work queue, in the order things were sent."""

    items: list[WorkItem] = field(default_factory=list)

    def send(self, items: Sequence[WorkItem]) -> None:
        self.items += items


class FakePipeline:
    """All of it around one cluster. `run` judges a window as the reconciler does, some time after its end."""

    def __init__(self, cluster: FakeCluster, settings: Settings | None = None) -> None:
        self.cluster, self.settings = cluster, settings or Settings()
        self.assess: Callable[[str, Window, Callable[[str], bool]], ClusterReport] = cluster.assess
        self.states = FakeStates()
        self.publisher = FakePublisher()
        self.notifier = FakeNotifier()

    def run(self, at: Window, *, now: datetime | None = None) -> Done:
        return reconcile(
            WorkItem("123456789012", "eu-west-1", self.cluster.name, at),
            settings=self.settings,
            now=now or at.end + LATE,
            assess=self.assess,
            states=self.states,
            publisher=self.publisher,
            notifier=self.notifier,
        )

    def run_all(self, *windows: Window) -> FakePipeline:
        for each in windows:
            self.run(each)
        return self

    def published(self, name: str, at: Window) -> float | None:
        """The value of a cluster's metric for this window."""
        return self.publisher.of_cluster(name, at.end + self.settings.settle, self.cluster.name)
