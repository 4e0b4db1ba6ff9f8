"""From a cluster's nodes to its report: the one path that `check`, `explain` and the deployed function share.

It reads through two ports: both sides' totals (cheap, every node) and the devices (evidence, suspects only:
first the ENI devices of every suspect, then all devices of as many as the budget allows).
Each answers for every node it is asked about, so a node can be unreadable but never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from enigap.core.counting.evidence import DeviceEvents, DeviceScope, MissingEvidence, NoEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import EvidencePolicy, Rules
from enigap.core.counting.window import MINUTES_PER_PERIOD, FetchSpan, Window
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind, NodeReport, surplus
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Judgement, Verdict, wants_evidence


class Totals(Protocol):
    """Both sides' totals over a span, in any order."""

    def totals(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, Readings | Unreadable]]: ...


class Devices(Protocol):
    """The devices' events over a span by instance id. Nodes come largest surplus first."""

    def devices(
        self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope
    ) -> Mapping[str, DeviceEvents | MissingEvidence]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where one cluster's figures come from."""

    totals: Totals
    devices: Devices
    why_not_collected: Callable[[str], str | None] = lambda _: None
    """Why a cluster publishes nothing and what to do, as a clause; None where that is unknown."""


def assess(
    cluster: str,
    nodes: Sequence[Node],
    window: Window,
    rules: Rules,
    sources: Sources,
    *,
    evidence: EvidencePolicy,
    evidence_max_nodes: int,
) -> ClusterReport:
    """The report on one cluster: every node judged over the newest window and the ones before it.

    All devices are read of `evidence_max_nodes` nodes at most: first of those that their ENI devices leave
    open, then of those that these clear, for people to see what carried the surplus.
    """
    span = FetchSpan.of(window, rules.windows_fetched)
    run = _Run(window, rules, span, evidence, evidence_max_nodes)
    for node, readings in sources.totals.totals(nodes, span):
        run.add(node, readings)
    finding = run.finding(cluster, sources.why_not_collected)
    if finding is None:
        run.look_at_devices(sources.devices)
    listed = () if finding and finding.kind is FindingKind.NOT_COLLECTED else tuple(run.reports.values())
    return ClusterReport(
        cluster, window, listed, finding, node_count=len(nodes), billed_metrics=billed_metrics(nodes)
    )


def examine(node: Node, window: Window, rules: Rules, sources: Sources) -> Judgement:
    """One node, with its devices even where the two metrics agree."""
    span = FetchSpan.of(window, rules.windows_fetched)
    readings = next(readings for _, readings in sources.totals.totals([node], span))
    events = sources.devices.devices([node], span, DeviceScope.ALL)[node.instance_id]
    return judge(node, readings, events, window, rules)


METRICS_PER_NODE: Final = 3
"""node_network_total_bytes, NetworkIn and NetworkOut; a node without a series lacks the first."""


def billed_metrics(nodes: Iterable[Node]) -> int:
    """What CloudWatch bills for one fetch: every statistic of one metric together counts as one metric."""
    return sum(METRICS_PER_NODE if node.has_series else METRICS_PER_NODE - 1 for node in nodes)


class _Run:
    """One cluster's run. Holds the readings of the suspects only."""

    def __init__(
        self,
        window: Window,
        rules: Rules,
        span: FetchSpan,
        evidence: EvidencePolicy,
        evidence_max_nodes: int,
    ) -> None:
        self.windows = tuple(window.previous(n) for n in range(rules.windows_fetched))
        self.rules, self.span = rules, span
        self.evidence, self.evidence_max_nodes = evidence, evidence_max_nodes
        self.reports: dict[str, NodeReport] = {}
        self.suspects: list[_Suspect] = []
        self.collecting = False

    def add(self, node: Node, readings: Readings | Unreadable) -> None:
        judgements = self._judge(node, readings, None)
        self.reports[node.instance_id] = _report(judgements)
        if isinstance(readings, Unreadable):
            return
        self.collecting = self.collecting or _has_os_datapoint(readings)
        if self.evidence is EvidencePolicy.ALWAYS or any(wants_evidence(j) for j in judgements):
            self._suspect(node, readings, judgements)

    def finding(self, cluster: str, why_not_collected: Callable[[str], str | None]) -> Finding | None:
        """What is wrong with the cluster as a whole, if anything is."""
        unreadable = [r.newest for r in self.reports.values() if r.newest.verdict is Verdict.UNREADABLE]
        if unreadable and len(unreadable) == len(self.reports):
            return Finding(
                FindingKind.UNREADABLE, f"No node of {cluster} could be read: {unreadable[0].reason}"
            )
        # One unreadable node could be the one that reports; one that has only just started proves nothing.
        if self.collecting or unreadable or not any(map(_is_settled, self.reports.values())):
            return None
        why = why_not_collected(cluster) or _NOBODY_KNOWS
        windows = len(self.windows)
        return Finding(
            FindingKind.NOT_COLLECTED,
            f"No node of {cluster} has published node_network_total_bytes for {windows} windows: {why}.",
        )

    def look_at_devices(self, devices: Devices) -> None:
        """Judge the suspects again with their devices; where there are none to see, the reason says why."""
        self.suspects.sort(key=_Suspect.order)
        if self.evidence is EvidencePolicy.OFF:
            self._leave(self.suspects, NoEvidence.NOT_ASKED, "reading device evidence is switched off")
            return
        still_open, cleared = self._look_at_enis(devices)
        self._look_at_all(devices, still_open[: self.evidence_max_nodes])
        room = max(0, self.evidence_max_nodes - len(still_open))
        self._look_at_all(devices, cleared[:room], cleared=True)
        self._leave(
            still_open[self.evidence_max_nodes :],
            NoEvidence.BUDGET_SPENT,
            f"more nodes need device evidence than `evidence_max_nodes` ({self.evidence_max_nodes}) allows",
        )

    def _look_at_enis(self, devices: Devices) -> tuple[list[_Suspect], list[_Suspect]]:
        """Judge the suspects with their ENI devices: which need a look at all of theirs, and which do not."""
        answers = devices.devices([suspect.node for suspect in self.suspects], self.span, DeviceScope.ENI)
        still_open, cleared = [], []
        for suspect in self.suspects:
            events = answers[suspect.node.instance_id]
            if isinstance(events, MissingEvidence) and events.why is not NoEvidence.BUDGET_SPENT:
                self._judge_again(suspect, events)  # and the other devices cannot be read either
                continue
            judgements = self._judge(suspect.node, suspect.readings, events)
            if any(map(wants_evidence, judgements)):
                still_open.append(suspect)
            else:
                self.reports[suspect.node.instance_id] = _report(judgements)
                cleared.append(suspect)
        return still_open, cleared

    def _look_at_all(self, devices: Devices, suspects: Sequence[_Suspect], *, cleared: bool = False) -> None:
        """Judge suspects with all of their devices. What cleared one stands where there are none to see."""
        answers = devices.devices([suspect.node for suspect in suspects], self.span, DeviceScope.ALL)
        for suspect in suspects:
            events = answers[suspect.node.instance_id]
            if isinstance(events, DeviceEvents) or not cleared:
                self._judge_again(suspect, events)

    def _leave(self, suspects: Iterable[_Suspect], why: NoEvidence, detail: str) -> None:
        """Judge suspects without their devices; the reason says why."""
        for suspect in suspects:
            self._judge_again(suspect, MissingEvidence(why, detail))

    def _judge(
        self, node: Node, readings: Readings | Unreadable, events: DeviceEvents | MissingEvidence | None
    ) -> list[Judgement]:
        return [judge(node, readings, events, window, self.rules) for window in self.windows]

    def _suspect(self, node: Node, readings: Readings, judgements: list[Judgement]) -> None:
        at_stake = max(surplus(judgement).bytes_per_second for judgement in judgements)
        self.suspects.append(_Suspect(at_stake, node, readings))

    def _judge_again(self, suspect: _Suspect, events: DeviceEvents | MissingEvidence) -> None:
        judgements = self._judge(suspect.node, suspect.readings, events)
        self.reports[suspect.node.instance_id] = _report(judgements)


_NOBODY_KNOWS: Final = (
    "Container Insights is not installed, was removed, or was replaced by its OTel successor, "
    "which has no such metric; install the EKS add-on amazon-cloudwatch-observability, or leave this "
    "cluster out with `clusters`"
)


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A node whose devices are worth reading. Its readings are kept until they have been."""

    at_stake_bytes_per_second: float
    node: Node
    readings: Readings

    def order(self) -> tuple[float, str]:
        """Largest surplus first."""
        return -self.at_stake_bytes_per_second, self.node.instance_id


def _report(judgements: Sequence[Judgement]) -> NodeReport:
    newest, *earlier = judgements
    return NodeReport(newest, tuple(judgement.verdict for judgement in earlier))


def _is_settled(report: NodeReport) -> bool:
    return report.newest.verdict is not Verdict.WARMING_UP


def _has_os_datapoint(readings: Readings) -> bool:
    # Of the windows alone: an agent that came back later would leave every node of a dark cluster silent.
    # The span has a period more on both sides, and the first label may still end what was before it.
    inside = readings.os_bytes_per_second[MINUTES_PER_PERIOD + 1 : -MINUTES_PER_PERIOD]
    return any(rate is not None for rate in inside)
