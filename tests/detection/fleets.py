"""A fleet of nodes that is judged for hours as the deployed function judges it, incidents included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Final

from enigap.assessment import Looking, Sources, assess
from enigap.core.counting.bypass import Bypass, Bypasses, EfaTraffic
from enigap.core.counting.node import Node
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import PERIOD, FetchSpan, Window
from enigap.core.incidents.decide import decide
from enigap.core.incidents.incident import ClusterState, News, Policy
from enigap.core.judging.cluster import FindingKind
from tests.detection.judging import DEFAULTS, RULES, Lived
from tests.fakes.node_life import Mishap, Mix, NodeLife, Pattern, Ways
from tests.fakes.node_simulator import IN, OUT, Kind

CLUSTER: Final = "fleet"
EFA_PAYLOAD_SHARE: Final = 4096 / 4162


@dataclass
class Fleet:
    """Nodes of one cluster, by instance id."""

    lives: Mapping[str, NodeLife]
    sessions_are_readable: bool = True
    news: list[News] = field(default_factory=list)
    unexplained: list[tuple[str, Window]] = field(default_factory=list)
    findings: list[FindingKind] = field(default_factory=list)

    @classmethod
    def drawn(
        cls,
        ways: Callable[[Random, int], Ways],
        *,
        size: int = 12,
        seed: int = 1,
        hours: float = 4.5,
        mishap: Mishap | None = None,
        faulty: Callable[[int], bool] = lambda _: False,
    ) -> Fleet:
        """Nodes with 1 to 30 MB/s each way, of all shapes and mixes; `faulty` ones have the mishap."""
        lives = {}
        for number in range(size):
            random = Random(f"{seed} {number}")  # noqa: S311
            lives[f"i-{number:017x}"] = NodeLife.drawn(
                random.randrange(10**6),
                pattern=random.choice(list(Pattern)),
                mix=random.choice(list(Mix)),
                rate=ByteRate(10 ** random.uniform(6, 7.5)),
                hours=hours,
                ways=ways(random, number),
                mishap=mishap if faulty(number) else None,
            )
        return cls(lives)

    def judge(self, policy: EvidencePolicy = DEFAULTS.evidence) -> None:
        """Every window in turn; `always` looks at every node's devices in each."""
        nodes = [Node(CLUSTER, instance_id, instance_id) for instance_id in self.lives]
        lived = Lived(self.lives)
        looking = Looking(policy, DEFAULTS.look_back, DEFAULTS.evidence_max_nodes)
        state = ClusterState(CLUSTER)
        for window in next(iter(self.lives.values())).windows():
            sources = Sources(lived, lived, bypasses=self._bypasses)
            report = assess(CLUSTER, nodes, window, RULES, sources, looking)
            self.findings += [finding.kind for finding in report.findings]
            self.unexplained += [
                (each.newest.node.instance_id, window)
                for each in report.nodes
                if each.newest.explained is False
            ]
            state = decide(state, report, Policy(), (), window.end + timedelta(minutes=10))
            self.news += state.outbox
            state = replace(state, outbox=())

    def _bypasses(self, nodes: Sequence[Node], span: FetchSpan) -> Bypasses:
        return Bypasses({node.instance_id: self._bypass(node.instance_id, span) for node in nodes})

    def _bypass(self, instance_id: str, span: FetchSpan) -> Bypass:
        life = self.lives[instance_id]
        has_efa = life.ways.efa.bytes_per_second > 0
        return Bypass(
            mirror_sessions=int(life.ways.mirrored > 0 and self.sessions_are_readable),
            has_efa=has_efa,
            efa=_efa_of(life, span) if has_efa else None,
        )

    @property
    def incidents(self) -> set[str]:
        """The ids of those that were told of nodes."""
        return {news.incident.id for news in self.news if news.incident.is_fault}

    @property
    def told_of_the_convention(self) -> int:
        """How often."""
        return sum(news.incident.verdict == FindingKind.COUNTS_DIFFER for news in self.news)


def _efa_of(life: NodeLife, span: FetchSpan) -> EfaTraffic:
    """What the EFA carried, as Container Insights reports it: without the frames' headers."""
    seen = replace(life.simulated, flows=tuple(f for f in life.simulated.flows if f.kind is Kind.UNSEEN))
    start, periods = span.start - PERIOD, span.periods + 2
    received, sent = (
        tuple(
            EFA_PAYLOAD_SHARE * seen.carried(direction, at, at + PERIOD) / PERIOD.total_seconds()
            for at in (start + number * PERIOD for number in range(periods))
        )
        for direction in (IN, OUT)
    )
    return EfaTraffic(start, received, sent)
