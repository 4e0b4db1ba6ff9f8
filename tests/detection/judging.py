"""The product's judgement on one window of a life, by the path of the deployed function and its defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from enigap.assessment import Looking, Sources, assess
from enigap.core.counting.accumulated import Carried, EniHistory
from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import DeviceEvents, DeviceScope, MissingEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window, floor_to
from enigap.core.judging.cluster import NodeReport
from enigap.core.judging.verdict import Verdict
from enigap.settings import Settings
from tests.fakes.node_life import NodeLife

RULES: Final = Rules()
DEFAULTS: Final = Settings()


@dataclass(frozen=True)
class Lived:
    """Both ports, from the lives of nodes."""

    lives: Mapping[str, NodeLife]

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings | Unreadable]]:
        for node in nodes:
            yield node, self.lives[node.instance_id].readings(span)

    def histories(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterator[tuple[Node, EniHistory | Unreadable]]:
        for node in nodes:
            life = self.lives[node.instance_id]
            span_of_life = FetchSpan(max(span.start, floor_to(life.begin + PERIOD, PERIOD)), span.end)
            readings = life.readings(span_of_life)
            received, sent = life.network_packets(span_of_life)
            yield (
                node,
                EniHistory.of_whole_periods(
                    span_of_life.start,
                    samples=readings.network_in_samples,
                    received=Carried(readings.network_in_bytes, tuple(received)),
                    sent=Carried(readings.network_out_bytes, tuple(sent)),
                ),
            )

    def devices(
        self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope
    ) -> Mapping[str, DeviceEvents | MissingEvidence]:
        return {node.instance_id: self._events(node, span, scope) for node in nodes}

    def _events(self, node: Node, span: FetchSpan, scope: DeviceScope) -> DeviceEvents | MissingEvidence:
        life = self.lives[node.instance_id]
        if life.why_unread is not None:
            return life.why_unread
        events = life.events(span.start - 5 * MINUTE, span.end + 5 * MINUTE)
        if scope is DeviceScope.ALL:
            return events
        kind = RULES.classifier.kind
        enis = tuple(each for each in events.samples if kind(each.device) is DeviceKind.PHYSICAL)
        return replace(events, samples=enis, scope=scope)


def report_on(
    life: NodeLife, window: Window, look_back: timedelta = DEFAULTS.look_back, others: Sequence[NodeLife] = ()
) -> NodeReport | None:
    """The node's report of the run that judges this window; None where the cluster has a finding instead.

    `others` are nodes of the same cluster.
    """
    node = life.simulated.node
    lived = Lived({each.simulated.node.instance_id: each for each in (life, *others)})
    looking = Looking(DEFAULTS.evidence, look_back, DEFAULTS.evidence_max_nodes)
    every = [each.simulated.node for each in (life, *others)]
    nodes = assess(node.cluster, every, window, RULES, Sources(lived, lived), looking).nodes
    return nodes[0] if nodes else None


def judge_window(life: NodeLife, window: Window, /) -> list[Verdict]:
    """The verdict, if it is an unexplained one."""
    report = report_on(life, window)
    return [report.newest.verdict] if report and report.newest.explained is False else []
