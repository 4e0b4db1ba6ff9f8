"""What `enigap report` has to show, of any number of nodes: judged from readings made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from enigap.cli.chart import Course, course_of
from enigap.cli.page import Contents
from enigap.core.counting.evidence import DeviceEvents
from enigap.core.counting.node import Node
from enigap.core.counting.pods import PodSample, digits_of
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import PERIOD, FetchSpan
from enigap.core.judging.cluster import ClusterReport, NodeReport
from enigap.core.judging.judge import judge_windows
from enigap.core.judging.verdict import Judgement
from enigap.settings import Settings
from tests.fakes.readings import SPAN, WINDOW, Devices, events, steady

HOURS: Final = timedelta(hours=6)
MARKUP: Final = "</script><script>alert(1)</script>"
"""A name that would end an element, and begin one."""


@dataclass(frozen=True)
class Kind:
    """A kind of node: both sides in bytes per second, and its devices where they are looked at."""

    os: float | None
    eni_in: float
    eni_out: float
    devices: Devices | None = None

    def readings(self, factor: float, span: FetchSpan = SPAN) -> Readings:
        os = None if self.os is None else self.os * factor
        return steady(os, self.eni_in * factor, self.eni_out * factor, span=span)

    def events(self, factor: float) -> DeviceEvents | None:
        if self.devices is None:
            return None
        scaled = {name: (rx * factor, tx * factor) for name, (rx, tx) in self.devices.items()}
        return replace(events(scaled), pods=_PODS)


_PODS: Final = (PodSample("shop", "front-7d9c5"), PodSample("shop", "store-0"))
FRONT, STORE = (f"eni{digits_of(pod.namespace, pod.name)}" for pod in _PODS)

AGREES: Final = Kind(47.9e6, 2e6, 45.9e6)
POD_EDGE: Final = Kind(58e6, 20e6, 10e6)
NODE_LOCAL: Final = Kind(
    126e6, 20e6, 9e6, {"eth0": (20e6, 9e6), FRONT: (30e6, 18.5e6), STORE: (18.5e6, 30e6)}
)
DEFICIT: Final = Kind(245e3, 0.3e6, 46.5e6, {"eth0": (1e3, 244e3)})
SILENT: Final = Kind(None, 0.2e6, 47.5e6)
UNVERIFIED: Final = Kind(90e6, 2e6, 3e6)

EVERY_KIND: Final = (DEFICIT, SILENT, UNVERIFIED, NODE_LOCAL, POD_EDGE, AGREES)


def judged(kind: Kind, node: Node, factor: float = 1.0) -> NodeReport:
    """A node of this kind, with `factor` times the traffic."""
    windows = [WINDOW, WINDOW.previous()]
    newest, *earlier = judge_windows(node, kind.readings(factor), kind.events(factor), windows, Rules())
    return NodeReport.of(newest, tuple(each.verdict for each in earlier))


def cluster(name: str, kinds: Sequence[Kind], *, names: Mapping[int, str] | None = None) -> ClusterReport:
    """A cluster of one node of each of these kinds, each with a little more traffic than the one before."""
    nodes = [
        Node(
            name,
            f"i-{name}{number:05x}",
            (names or {}).get(number, f"ip-10-0-{number // 250}-{number % 250}"),
        )
        for number in range(len(kinds))
    ]
    reports = [
        judged(kind, node, 1 + number / 100)
        for number, (kind, node) in enumerate(zip(kinds, nodes, strict=True))
    ]
    return ClusterReport(name, WINDOW, tuple(reports), node_count=len(nodes), billed_metrics=3 * len(nodes))


def contents(*reports: ClusterReport) -> Contents:
    """The page of these clusters, with a chart of each node that is not explained."""
    judgements = [each.newest for report in reports for each in report.nodes]
    courses = {j.node.instance_id: _course(j) for j in judgements if j.explained is not True}
    return Contents(
        region="eu-west-1",
        account="123456789012",
        reports=reports,
        settings=Settings(),
        written=datetime(2026, 1, 1, 15, 0, tzinfo=UTC),
        courses=courses,
        charted=HOURS,
        again=("--at", "2026-01-01T14:40:00Z"),
        has_console=True,
    )


def _course(judgement: Judgement) -> Course | str:
    span = FetchSpan(WINDOW.end - HOURS - PERIOD, WINDOW.end + PERIOD)
    os = judgement.os.bytes_per_second if judgement.os else None
    eni = judgement.eni.bytes_per_second if judgement.eni else 0.0
    return course_of(steady(os, eni / 4, eni / 4 * 3, span=span), span.start + PERIOD, span.end - PERIOD)


def a_fleet(nodes: int, clusters: int = 10) -> Contents:
    """Many nodes, of which one in a hundred is not explained."""
    each = nodes // clusters
    healthy = (AGREES, POD_EDGE)
    kinds = [EVERY_KIND[n // 100 % 4] if n % 100 == 50 else healthy[n % 2] for n in range(each)]
    return contents(*(cluster(f"prod-{number}", kinds) for number in range(clusters)))
