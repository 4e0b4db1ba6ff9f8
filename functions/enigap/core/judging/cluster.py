"""One cluster, whole, over the windows of one fetch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from enigap.core.counting.evidence import Surprises
from enigap.core.counting.reading import OsSource
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import GRID, Window
from enigap.core.judging.verdict import Judgement, Verdict


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node: the newest window with its figures, the ones before it by their verdicts, newest first."""

    newest: Judgement
    earlier: tuple[Verdict, ...] = ()

    @classmethod
    def of(cls, newest: Judgement, earlier: tuple[Verdict, ...] = ()) -> NodeReport:
        """With the newest judgement's `since`."""
        others = (n for n, verdict in enumerate(earlier) if verdict is not newest.verdict)
        same = next(others, len(earlier))
        start = newest.comparison.start if newest.comparison else newest.window.start - same * GRID
        return cls(replace(newest, since=start), earlier)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return (self.newest.verdict, *self.earlier)

    def is_confirmed(self, windows: int) -> bool:
        """Whether it is unexplained beyond doubt: for so many windows by one and the same verdict, or by a
        comparison that needs no second window."""
        newest = self.newest
        if newest.explained is not False:
            return False
        if newest.violation is not None and newest.violation.confirms_itself:
            return True
        return len(self.verdicts) >= windows and set(self.verdicts[:windows]) == {newest.verdict}

    def explained_throughout(self, windows: int) -> bool:
        """Whether each of the last so many windows was explained. An unknown one is not."""
        return len(self.verdicts) >= windows and all(v.explained is True for v in self.verdicts[:windows])

    @property
    def unexplained_windows(self) -> int:
        """For how many windows in a row, up to the newest, the node has been unexplained."""
        return next(
            (n for n, verdict in enumerate(self.verdicts) if verdict.explained is not False),
            len(self.verdicts),
        )


class FindingKind(StrEnum):
    """What is said of a cluster as a whole."""

    NOT_COLLECTED = "not_collected"
    """No node of it has a datapoint of node_network_total_bytes in the whole fetch."""
    UNREADABLE = "unreadable"
    """CloudWatch answered for none of its nodes."""
    COUNTS_DIFFER = "counts_differ"
    """EC2 counts other bytes than the devices by design (`conventions`). Nothing is wrong, and its nodes have
    verdicts as ever: it is one of `ClusterReport.findings`, told once, and changes no exit status."""
    LONG_INTERVAL = "long_interval"
    """Agents report every two to five minutes, so that their nodes cannot be judged (`intervals`). It is one
    of `ClusterReport.findings`, told once."""
    NOT_FOUND = "not_found"
    """The settings name it, and no node of it runs."""


def is_finding(verdict: str) -> bool:
    """Whether an incident's verdict is about its cluster as a whole, and not about some of its nodes."""
    return verdict in set(FindingKind)


@dataclass(frozen=True, slots=True)
class Finding:
    """A cluster as a whole, instead of one verdict for each of its nodes."""

    kind: FindingKind
    reason: str
    """One plain sentence that ends with what to do."""


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes of one cluster with the same verdict and the same likely cause, which need the same next step."""

    verdict: Verdict
    cause: str | None
    alternative_cause: str | None
    nodes: tuple[Judgement, ...]
    """The judgements of the group, worst first."""

    @property
    def unexplained(self) -> ByteRate | None:
        """At least this much, all its nodes together; None where no figure is known of any."""
        return sum_of_known(judgement.unexplained for judgement in self.nodes)


def sum_of_known(rates: Iterable[ByteRate | None]) -> ByteRate | None:
    """The sum of the rates that are known; None where none is."""
    known = [rate for rate in rates if rate is not None]
    return sum(known, ZERO) if known else None


@dataclass(frozen=True, slots=True)
class Drift:
    """What agents of known versions do not write (`Surprises`), of all nodes whose devices were read."""

    devices: int = 0
    """Devices of no known class that carry traffic."""
    names: tuple[str, ...] = ()
    """How they are called, each once."""
    events: int = 0
    """Events that lack a field."""

    @classmethod
    def of(cls, surprises: Collection[Surprises]) -> Drift:
        names = sorted({name for each in surprises for name in each.devices})
        devices = sum(len(each.devices) for each in surprises)
        return cls(devices, tuple(names), sum(each.events for each in surprises))

    @property
    def total(self) -> int:
        return self.devices + self.events


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What one run found out about one cluster. With a finding, `nodes` may be empty."""

    cluster: str
    window: Window
    nodes: tuple[NodeReport, ...] = ()
    finding: Finding | None = None
    node_count: int = 0
    """How many nodes the cluster has, whether or not `nodes` lists them."""
    not_looked_at: int = 0
    """How many nodes their totals explain whose devices were to be looked at and could not be, or prove
    nothing; with `evidence` other than `always` none is counted."""
    findings: tuple[Finding, ...] = ()
    """What else is said of the cluster, beside its nodes' verdicts: nothing that is wrong."""
    notes: tuple[str, ...] = ()
    """What could not be looked up, and what goes unnoticed or unexplained by that: sentences."""
    drift: Drift = Drift()
    billed_metrics: int = 0
    """What reading them is billed for: three metrics for each node with a series, two for one without."""

    @property
    def nodes_judged(self) -> int:
        """How many had enough readings for a verdict; that no evidence could settle it is one."""
        return sum(n.newest.explained is not None for n in self.nodes) + self.count(Verdict.UNVERIFIED)

    @property
    def os_sources(self) -> list[OsSource]:
        """Where the OS's figures of its nodes come from: one source, as a rule."""
        return sorted({r.newest.os_source for r in self.nodes if r.newest.os_source is not None})

    def count(self, *verdicts: Verdict) -> int:
        return sum(report.newest.verdict in verdicts for report in self.nodes)

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many nodes came to each verdict, in the table's order, zeros left out."""
        counted = Counter(report.newest.verdict for report in self.nodes)
        return {verdict: counted[verdict] for verdict in Verdict if counted[verdict]}

    def worst_first(self) -> list[NodeReport]:
        """Unexplained first, then unknown, then explained; within each the largest amount first."""
        return sorted(self.nodes, key=_badness)

    def groups(self) -> list[Group]:
        """Its nodes by verdict and likely cause; the group with the worst node first."""
        found: dict[tuple[Verdict, str | None, str | None], list[Judgement]] = {}
        for report in self.worst_first():
            newest = report.newest
            key = (newest.verdict, newest.cause, newest.alternative_cause)
            found.setdefault(key, []).append(newest)
        return [Group(*key, tuple(judgements)) for key, judgements in found.items()]


def worst_clusters_first(reports: Iterable[ClusterReport]) -> list[ClusterReport]:
    """Those with unexplained nodes, then those of which something is unknown; within each the largest amount
    at stake first."""
    return sorted(reports, key=_badness_of_cluster)


def _badness_of_cluster(report: ClusterReport) -> tuple[int, float, str]:
    ranks = {_RANKS[verdict.explained] for verdict in report.verdicts}
    rank = min(ranks | {_RANKS[None]} if report.finding or not ranks else ranks)
    at_stake = [surplus(each.newest) for each in report.nodes if _RANKS[each.newest.explained] == rank]
    return rank, -sum(at_stake, ZERO).bytes_per_second, report.cluster


_RANKS: Final = {False: 0, None: 1, True: 2}
"""By whether counting explains a node: the worst first."""


def _badness(report: NodeReport) -> tuple[int, float, str]:
    judgement = report.newest
    return _RANKS[judgement.explained], -surplus(judgement).bytes_per_second, judgement.node.instance_id


def surplus(judgement: Judgement) -> ByteRate:
    """How much is at stake: what is unexplained, else the gap, else what one side alone reports."""
    if judgement.unexplained is not None and judgement.unexplained > ZERO:
        return judgement.unexplained
    if judgement.os is not None and judgement.eni is not None:
        return max(judgement.os - judgement.eni, judgement.eni - judgement.os)
    return judgement.os or judgement.eni or ZERO
