"""The product's judgement on the windows of a life, by the path of the deployed function and its defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Final

from enigap.assessment import Looking, Sources, assess
from enigap.core.counting.comparison import Carried, EniHistory
from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import DeviceEvents, DeviceScope, MissingEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window, floor_to
from enigap.core.incidents.decide import decide, followed
from enigap.core.incidents.incident import ClusterState, NewsKind
from enigap.core.judging.cluster import ClusterReport, NodeReport
from enigap.core.judging.turns import SHORT_CYCLE_WINDOWS, Look, turn_of
from enigap.pipeline import policy_of
from enigap.settings import Settings
from tests.fakes.detection_runs import Told
from tests.fakes.node_life import BEGIN, Frames, Mix, NodeLife, Pattern, Ways, instance_id
from tests.fakes.node_simulator import Ec2

RULES: Final = Rules()
MOST_HOURS: Final = 30.0
"""Lives are no longer than this."""
DEFAULTS: Final = Settings()
POLICY: Final = policy_of(DEFAULTS)


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


@cache
def neighbours(ec2: Ec2) -> Mapping[str, NodeLife]:
    """Healthy nodes of the same cluster, by instance id: one of them has its turn in each window.

    A cluster shows by any of its nodes whether EC2's packets count frames; alone, a node whose packets are
    frames could not.
    """
    window = Window(BEGIN)
    lives: dict[str, NodeLife] = {}
    for phase in range(SHORT_CYCLE_WINDOWS):
        seeds = (-seed for seed in count(1))
        seed = next(
            seed for seed in seeds if turn_of(instance_id(seed), window.previous(phase), 1) is not Look.NONE
        )
        life = NodeLife.drawn(
            seed,
            pattern=Pattern.CONSTANT,
            mix=Mix.HOST,
            hours=MOST_HOURS,
            ways=Ways(ec2=ec2),
            frames=Frames(per_packet=5),
        )
        lives[life.simulated.node.instance_id] = life
    return lives


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
    return next((each for each in nodes if each.newest.node == node), None)


def reported(
    life: NodeLife,
    window: Window,
    look_back: timedelta = DEFAULTS.look_back,
    is_followed: Callable[[str], bool] = lambda _: False,
) -> ClusterReport:
    """The report of the run that judges this window, of this node of a cluster alone."""
    node = life.simulated.node
    lives = {
        node.instance_id: life,
        **neighbours(Ec2(counts_device_packets=life.ways.ec2.counts_device_packets)),
    }
    lived = Lived(lives)
    looking = Looking(DEFAULTS.evidence, look_back, DEFAULTS.evidence_max_nodes, is_followed)
    nodes = [each.simulated.node for each in lives.values()]
    report = assess(node.cluster, nodes, window, RULES, Sources(lived, lived), looking)
    return replace(report, nodes=tuple(each for each in report.nodes if each.newest.node == node))


def judge_life(life: NodeLife, /) -> Iterator[Told]:
    """Every window of a life, with the incidents that the deployed function would open and resolve."""
    state = ClusterState(life.simulated.node.cluster)
    for window in life.windows():
        report = reported(life, window, is_followed=followed(state))
        state = decide(state, report, POLICY, (), window.end + RULES.settle)
        news, state = state.outbox, replace(state, outbox=())
        yield Told(
            window,
            next((each.newest.verdict for each in report.nodes if each.newest.explained is False), None),
            [item.incident.verdict for item in news if item.kind is NewsKind.OPENED],
            [item.incident.verdict for item in news if item.kind is NewsKind.RESOLVED],
        )
