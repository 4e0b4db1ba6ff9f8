"""From a cluster's nodes to its report: the one path that `check`, `explain` and the deployed function share.

It reads through two ports: both sides' totals (cheap, every node) and the devices (evidence). Devices are
looked at in this order, as far as the budget reaches: nodes of open incidents that devices found, suspects,
and every other node in its turn (`core.judging.turns`). First the ENI devices, which can clear a node and
accuse none; then, of the nodes that these leave open, all devices. Where the bytes of ENI devices cost
little (OpenTelemetry's counters), every node without a turn is judged by them at first, and one that they do
not clear is a suspect. Each port answers for every node it is
asked about, so a node can be unreadable but never lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from enigap.core.counting.accumulated import packets_are_frames
from enigap.core.counting.bypass import Bypass, Bypasses
from enigap.core.counting.comparison import EniHistory, Sign
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
    Surprises,
    surprises_in,
)
from enigap.core.counting.meters import OS_METRIC
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import EvidencePolicy, Rules
from enigap.core.counting.window import GRID, MINUTE, MINUTES_PER_PERIOD, FetchSpan, Window
from enigap.core.judging.case import History, eni_tracks
from enigap.core.judging.cluster import ClusterReport, Drift, Finding, FindingKind, NodeReport, surplus
from enigap.core.judging.conventions import shared_convention
from enigap.core.judging.doubts import Doubts
from enigap.core.judging.intervals import long_interval, long_interval_of
from enigap.core.judging.judge import judge_windows
from enigap.core.judging.turns import SHORT_CYCLE_WINDOWS, SHORT_LOOK, Look, stretch_of, turn_of
from enigap.core.judging.verdict import Judgement, Verdict, is_taken_on_trust, wants_evidence
from enigap.core.text import count


class Totals(Protocol):
    """Both sides' totals over a span, in any order."""

    def totals(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, Readings | Unreadable]]: ...

    def histories(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterable[tuple[Node, EniHistory | Unreadable]]:
        """EC2's bytes and packets over hours, of nodes whose devices are looked at."""
        ...


class Devices(Protocol):
    """The devices' events over a span by instance id. Nodes come largest surplus first."""

    def devices(
        self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope
    ) -> Mapping[str, DeviceEvents | MissingEvidence]: ...


Glance = Callable[[Sequence[Node], FetchSpan], Mapping[str, DeviceEvents | MissingEvidence]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where one cluster's figures come from."""

    totals: Totals
    devices: Devices
    why_not_collected: Callable[[str], str | None] = lambda _: None
    """Why a cluster publishes nothing and what to do, as a clause; None where that is unknown."""
    why_not_read: Callable[[str, FetchSpan], str | None] = lambda _, __: None
    """What a cluster publishes instead of its nodes' totals, as a clause; None where it publishes nothing."""
    missing: Callable[[], str] = lambda: OS_METRIC
    """What a cluster publishes none of where no node has a figure of the OS."""
    glance: Glance | None = None
    """The ENI devices' bytes of any number of nodes by instance id, where they cost little; else nothing."""
    out_of_time: Callable[[], bool] = lambda: False
    """Asked before each node is judged by its devices."""
    elsewhere: Callable[[Sequence[Node]], Mapping[str, Sequence[Node] | Unreadable]] = lambda _: {}
    """Of nodes that seem silent, by instance id: under which other names they may report, as they are called
    there, and those of which that cannot be said."""
    bypasses: Callable[[Sequence[Node], FetchSpan], Bypasses] = lambda _, __: Bypasses()
    """Asked at most once a run, of the nodes whose devices counted less than their ENIs carried."""


@dataclass(frozen=True, slots=True)
class Looking:
    """Whose devices are looked at, and how far back."""

    policy: EvidencePolicy
    look_back: timedelta
    """How far back a long look reaches."""
    most_nodes: int
    """How many nodes have all of their devices read in one run, at most."""
    is_followed: Callable[[str], bool] = lambda _: False
    """Whether the node of this instance id belongs to an open incident that was found by devices."""
    always_long: bool = False
    """Whether every look is a long one, as at a desk."""
    is_part: bool = False
    """Whether other nodes of the cluster are left out, so that nothing can be found about it as a whole."""
    shows_all: bool = False
    """Whether all devices are read of nodes without a question, too, for programs to see."""

    def of(self, node: Node, window: Window, stretch: int, *, is_suspect: bool) -> Look:
        """How the node is looked at in this window."""
        if self.policy is EvidencePolicy.OFF:
            return Look.NONE
        turn = turn_of(node.instance_id, window, stretch)
        has_turn = self.policy in {EvidencePolicy.ROTATE, EvidencePolicy.ALWAYS} and turn is not Look.NONE
        if self.is_followed(node.instance_id):
            return Look.LONG
        if not (is_suspect or has_turn or self.policy is EvidencePolicy.ALWAYS):
            return Look.NONE
        return Look.LONG if self.always_long or (has_turn and turn is Look.LONG) else Look.SHORT

    def span(self, look: Look, window: Window) -> FetchSpan:
        """EC2's periods that a look compares; the events reach some minutes further on both sides."""
        return FetchSpan(window.end - (self.look_back if look is Look.LONG else SHORT_LOOK), window.end)


def assess(  # noqa: PLR0917 - a cluster, and what it is judged by
    cluster: str, nodes: Sequence[Node], window: Window, rules: Rules, sources: Sources, looking: Looking
) -> ClusterReport:
    """The report on one cluster: every node judged over the newest window and the ones before it.

    Once `sources.out_of_time` says so, no more devices are judged: judging from the totals is quick, and from
    what stands in a log it may not be.
    """
    span = FetchSpan.of(window, rules.windows_fetched)
    run = _Run(window, rules, span, looking, stretch_of(len(nodes)))
    run.add_all(sources, run.totals(nodes, sources))
    finding = run.finding(cluster, sources)
    if finding is None:
        run.look_at_devices(sources)
    listed = () if finding and finding.kind is FindingKind.NOT_COLLECTED else tuple(run.reports.values())
    return ClusterReport(
        cluster,
        window,
        listed,
        finding,
        node_count=len(nodes),
        not_looked_at=run.not_looked_at,
        findings=run.findings(),
        notes=run.notes + run.notes_on_malformed_events() + run.doubts.notes(collecting=run.collecting),
        drift=Drift.of(run.surprises.values()),
        billed_metrics=billed_metrics(nodes) + METRICS_PER_LOOK * run.looked_at + run.billed_besides,
    )


def examine(
    node: Node, window: Window, rules: Rules, sources: Sources, look_back: timedelta, *, windows: int
) -> list[Judgement]:
    """So many windows of one node, newest first, with all of its devices whatever the two metrics say.

    CloudWatch bills no more for many windows than for one.
    """
    span = FetchSpan.of(window, windows)
    readings = next(readings for _, readings in sources.totals.totals([node], span))
    looked = Looking(EvidencePolicy.ALWAYS, look_back, 1).span(Look.LONG, window)
    events = sources.devices.devices([node], looked, DeviceScope.ALL)[node.instance_id]
    eni = next((history for _, history in sources.totals.histories([node], looked)), None)
    history = None
    if isinstance(events, DeviceEvents) and isinstance(eni, EniHistory):
        tracks = eni_tracks(events, rules.classifier)
        history = History(eni, tracks, packets_are_frames=packets_are_frames(eni, tracks))
    judged = [window.previous(number) for number in range(windows)]
    judgements = judge_windows(node, readings, events, judged, rules, history)
    if history is not None and any(map(_has_deficit, judgements[: rules.windows_fetched])):
        bypass = sources.bypasses([node], looked).of.get(node.instance_id)
        history = replace(history, bypass=bypass)
        judgements = judge_windows(node, readings, events, judged, rules, history)
    return judgements


GLANCED_AT_ONCE: Final = 240
"""Nodes of which the readings are held until their devices were glanced at."""
METRICS_PER_NODE: Final = 3
"""node_network_total_bytes, NetworkIn and NetworkOut; a node without a series lacks the first."""
METRICS_PER_LOOK: Final = 4
"""NetworkIn and NetworkOut over hours, NetworkPacketsIn and NetworkPacketsOut."""


def billed_metrics(nodes: Iterable[Node]) -> int:
    """What CloudWatch bills for one fetch: every statistic of one metric together counts as one metric."""
    return sum(METRICS_PER_NODE if node.has_series else METRICS_PER_NODE - 1 for node in nodes)


class _Run:
    """One cluster's run. Holds the readings of those nodes only whose devices are looked at."""

    def __init__(self, window: Window, rules: Rules, span: FetchSpan, looking: Looking, stretch: int) -> None:
        self.window, self.windows = window, tuple(window.previous(n) for n in range(rules.windows_fetched))
        self.rules, self.span = rules, span
        self.looking, self.stretch = looking, stretch
        self.reports: dict[str, NodeReport] = {}
        self.candidates: list[_Candidate] = []
        self.collecting = False
        self.long_intervals: list[timedelta] = []
        self.looked_at = 0
        self.billed_besides = 0
        self.notes: tuple[str, ...] = ()
        self.malformed: dict[str, int] = {}
        """Device events that no agent writes, by instance id."""
        self.surprises: dict[str, Surprises] = {}
        self.doubts = Doubts()

    def totals(self, nodes: Sequence[Node], sources: Sources) -> Iterator[tuple[Node, Readings | Unreadable]]:
        """Each node with its readings; one that seems silent with those under the name it reports by."""
        silent: dict[str, tuple[Node, Readings | Unreadable]] = {}
        for node, readings in sources.totals.totals(nodes, self.span):
            if self._seems_silent(node, readings):
                silent[node.instance_id] = node, readings
            else:
                yield node, readings
        if not silent:
            return
        others: dict[str, Sequence[Node]] = {}
        for instance_id, found in sources.elsewhere([node for node, _ in silent.values()]).items():
            if isinstance(found, Unreadable):
                silent[instance_id] = silent[instance_id][0], found
            else:
                others[instance_id] = found
        while others:  # one name of each node after the other, until it is not silent
            again = [called[0] for called in others.values()]
            others = {key: called[1:] for key, called in others.items() if called[1:]}
            self.billed_besides += billed_metrics(again)
            for node, readings in sources.totals.totals(again, self.span):
                if not self._seems_silent(node, readings):
                    silent[node.instance_id] = node, readings
                    others.pop(node.instance_id, None)
        yield from silent.values()

    def _seems_silent(self, node: Node, readings: Readings | Unreadable) -> bool:
        """Whether EC2 reports on a node that is not new, and Container Insights does not."""
        if isinstance(readings, Unreadable) or (node.launched_at and node.launched_at > self.window.start):
            return False
        minutes = readings.os_minutes(self.window.start + MINUTE, self.window.end)
        has_eni = any(carried is not None for carried in readings.network_in_bytes)
        return has_eni and all(rate is None for rate in minutes)

    def add_all(self, sources: Sources, totals: Iterable[tuple[Node, Readings | Unreadable]]) -> None:
        """Judge each node; with a glance at its ENI devices, where all of them are looked at in turn."""
        glances = self.looking.policy in {EvidencePolicy.ROTATE, EvidencePolicy.ALWAYS} and sources.glance
        if not glances:
            for node, readings in totals:
                self.add(node, readings)
            return
        some: list[tuple[Node, Readings | Unreadable]] = []
        for each in totals:
            some.append(each)
            if len(some) == GLANCED_AT_ONCE:
                self._add_some(sources, some, glances)
                some = []
        self._add_some(sources, some, glances)

    def _add_some(
        self, sources: Sources, some: Sequence[tuple[Node, Readings | Unreadable]], glance: Glance
    ) -> None:
        nodes = [
            node
            for node, readings in some
            if isinstance(readings, Readings) and not node.is_windows and not self._has_turn(node)
        ]
        span = self.looking.span(Look.SHORT, self.window)
        seen = glance(nodes, span) if nodes and not sources.out_of_time() else {}
        for node, readings in some:
            events = seen.get(node.instance_id)
            self.add(node, readings, events if isinstance(events, DeviceEvents) else None)

    def _has_turn(self, node: Node) -> bool:
        return self.looking.of(node, self.window, self.stretch, is_suspect=False) is not Look.NONE

    def add(self, node: Node, readings: Readings | Unreadable, glanced: DeviceEvents | None = None) -> None:
        judgements = self._judge(node, readings, glanced)
        self.reports[node.instance_id] = _report(judgements, None if glanced else self._why_not())
        if isinstance(readings, Unreadable):
            return
        self.collecting = self.collecting or _has_os_datapoint(readings)
        self.doubts.add_readings(readings, self.window)
        if judgements[0].verdict is Verdict.PARTIAL and (interval := long_interval_of(readings)):
            self.long_intervals.append(interval)
        if node.is_windows:
            return
        # A glance compares without packets: it does not clear what the totals alone leave open.
        by_totals = self._judge(node, readings, None) if glanced else []
        is_suspect = any(wants_evidence(each) or _has_deficit(each) for each in (*judgements, *by_totals))
        look = self.looking.of(node, self.window, self.stretch, is_suspect=is_suspect)
        if is_suspect or look is not Look.NONE:
            at_stake = max(surplus(judgement).bytes_per_second for judgement in judgements)
            rank = 0 if self.looking.is_followed(node.instance_id) else 1 if is_suspect else 2
            self.candidates.append(_Candidate(rank, at_stake, node, readings, look))

    def _why_not(self) -> str:
        """Why the devices of a node that is no suspect are not looked at."""
        if self.looking.policy is EvidencePolicy.OFF:
            return _SWITCHED_OFF
        if self.looking.policy is EvidencePolicy.SUSPECTS:
            return "only suspects' devices are looked at"
        return f"not its turn; looked at every {SHORT_CYCLE_WINDOWS * self.stretch * GRID // MINUTE} min"

    def finding(self, cluster: str, sources: Sources) -> Finding | None:
        """What is wrong with the cluster as a whole, if anything is."""
        if self.looking.is_part:
            return None
        unreadable = [r.newest for r in self.reports.values() if r.newest.verdict is Verdict.UNREADABLE]
        if unreadable and len(unreadable) == len(self.reports):
            return Finding(
                FindingKind.UNREADABLE, f"No node of {cluster} could be read: {unreadable[0].reason}"
            )
        # One unreadable node could be the one that reports; one that has only just started proves nothing.
        if self.collecting or unreadable or not any(map(_is_settled, self.reports.values())):
            return None
        # An agent that stopped left its last datapoints and events at the beginning of the fetch.
        newest = FetchSpan.of(self.window, 1)
        why = sources.why_not_read(cluster, newest) or sources.why_not_collected(cluster) or _CAUSE_NOT_KNOWN
        windows = len(self.windows)
        return Finding(
            FindingKind.NOT_COLLECTED,
            f"No node of {cluster} has published {sources.missing()} for {windows} windows: {why}.",
        )

    @property
    def not_looked_at(self) -> int:
        """How many explained nodes could not be looked at, where every node was to be looked at."""
        if self.looking.policy is not EvidencePolicy.ALWAYS:
            return 0
        return sum(is_taken_on_trust(report.newest) for report in self.reports.values())

    def findings(self) -> tuple[Finding, ...]:
        """What EC2 counts otherwise by design, if the nodes that were looked at show it, and agents that
        report too seldom."""
        looked = [r.newest.accumulated for r in self.reports.values() if r.newest.accumulated is not None]
        convention = shared_convention([each.differences for each in looked])
        told = Finding(FindingKind.COUNTS_DIFFER, f"{convention.reason}.") if convention else None
        slow = long_interval(self.long_intervals, len(self.reports))
        return tuple(finding for finding in (told, slow) if finding)

    def look_at_devices(self, sources: Sources) -> None:
        """Judge nodes again with their devices; where there are none to see, the reason says why."""
        self.candidates.sort(key=_Candidate.order)
        if self.looking.policy is EvidencePolicy.OFF:
            self._leave(self.candidates, NoEvidence.NOT_ASKED, _SWITCHED_OFF)
            return
        still_open, cleared = self._look_at_enis(sources)
        most = self.looking.most_nodes
        self._look_at_all(sources, still_open[:most])
        shown = [each for each in cleared if each.candidate.is_shown or self.looking.shows_all]
        self._show(sources, shown[: max(0, most - len(still_open))])
        self._leave(
            [looked.candidate for looked in still_open[most:] if looked.candidate.rank == 1],
            NoEvidence.BUDGET_SPENT,
            f"more nodes need device evidence than `evidence_max_nodes` ({most}) allows",
        )

    def _look_at_enis(self, sources: Sources) -> tuple[list[_Looked], list[_Looked]]:
        """Judge nodes with their ENI devices; answers those that these leave open, and the others."""
        looked = [each for group in _groups(self.candidates) for each in self._read(sources, group)]
        frames = any(
            packets_are_frames(each.history.eni, each.history.tracks or ()) for each in looked if each.history
        )
        still_open, cleared, short = [], [], []
        for each in looked:
            each.frames = frames
            each.events = _LATE if sources.out_of_time() else each.events
            judgements = self._judge_looked(each, each.events)
            if any(map(_has_deficit, judgements)):
                short.append(each)
            elif any(map(wants_evidence, judgements)):
                still_open.append(each)
            else:
                cleared.append(each)
            self.reports[each.candidate.node.instance_id] = _report(judgements)
        self._look_up_bypasses(sources, short)
        for each in short:
            if sources.out_of_time():
                still_open.append(each)
                continue
            judgements = self._judge_looked(each, each.events)
            is_cleared = each.bypass is not None and not any(map(wants_evidence, judgements))
            (cleared if is_cleared else still_open).append(each)
            self.reports[each.candidate.node.instance_id] = _report(judgements)
        still_open.sort(key=lambda each: each.candidate.order())
        return still_open, cleared

    def _look_up_bypasses(self, sources: Sources, short: Sequence[_Looked]) -> None:
        """Ask what of the ENIs' traffic may cross no device, of nodes whose devices counted too little."""
        if not short:
            return
        spans = [each.span for each in short]
        span = FetchSpan(min(each.start for each in spans), max(each.end for each in spans))
        found = sources.bypasses([each.candidate.node for each in short], span)
        self.notes += found.notes
        self.billed_besides += found.billed_metrics
        for each in short:
            each.bypass = found.of.get(each.candidate.node.instance_id)

    def _read(self, sources: Sources, group: Sequence[_Candidate]) -> list[_Looked]:
        """The ENI devices' events and EC2's history of nodes that are looked at in the same way."""
        span = self.looking.span(group[0].look, self.window)
        answers = sources.devices.devices([each.node for each in group], span, DeviceScope.ENI)
        found: list[_Looked] = []
        for candidate in group:
            events = answers[candidate.node.instance_id]
            if isinstance(events, DeviceEvents):
                self.doubts.add_events(events)
                self._count_odd(candidate.node, events)
                found.append(_Looked(candidate, span, events))
            elif events.why is NoEvidence.BUDGET_SPENT and candidate.rank < 2:
                found.append(_Looked(candidate, span, events))  # its devices may still be read one by one
            else:
                if events.why in {NoEvidence.LOG_GROUP_MISSING, NoEvidence.STREAM_MISSING}:
                    self.doubts.add_events(None)
                self._judge_again(candidate, events)  # and the other devices cannot be read either
        by_id = {
            each.candidate.node.instance_id: each for each in found if isinstance(each.events, DeviceEvents)
        }
        self.looked_at += len(by_id)
        nodes = [each.candidate.node for each in by_id.values()]
        for node, eni in sources.totals.histories(nodes, span):
            each = by_id[node.instance_id]
            if sources.out_of_time():
                each.events = _LATE
            elif isinstance(eni, EniHistory) and isinstance(each.events, DeviceEvents):
                each.history = History(eni, eni_tracks(each.events, self.rules.classifier))
        return found

    def _show(self, sources: Sources, cleared: Sequence[_Looked]) -> None:
        """Judge cleared nodes with all devices of the fetched windows, for people to see what carried it."""
        nodes = [each.candidate.node for each in cleared]
        answers = sources.devices.devices(nodes, self.span, DeviceScope.ALL)
        for each in cleared:
            events = answers[each.candidate.node.instance_id]
            if isinstance(events, DeviceEvents) and not sources.out_of_time():
                self._count_odd(each.candidate.node, events)
                self.reports[each.candidate.node.instance_id] = _report(self._judge_looked(each, events))

    def _look_at_all(self, sources: Sources, some: Sequence[_Looked]) -> None:
        """Judge nodes that their ENI devices left open with all of their devices, over the same span."""
        for span in dict.fromkeys(each.span for each in some):
            group = [each for each in some if each.span == span]
            nodes = [each.candidate.node for each in group]
            answers = sources.devices.devices(nodes, span, DeviceScope.ALL)
            for each in group:
                events = _LATE if sources.out_of_time() else answers[each.candidate.node.instance_id]
                if isinstance(events, DeviceEvents):
                    self._count_odd(each.candidate.node, events)
                    self.reports[each.candidate.node.instance_id] = _report(self._judge_looked(each, events))
                else:
                    self._could_not_be_read(each, events)

    def _count_odd(self, node: Node, events: DeviceEvents) -> None:
        if events.malformed:
            most = max(self.malformed.get(node.instance_id, 0), events.malformed)
            self.malformed[node.instance_id] = most
        if odd := surprises_in(events, self.rules.classifier):
            self.surprises[node.instance_id] = odd | self.surprises.get(node.instance_id, Surprises())

    def notes_on_malformed_events(self) -> tuple[str, ...]:
        """One sentence about events in the log that no agent writes."""
        if not self.malformed:
            return ()
        worst = max(sorted(self.malformed), key=lambda key: self.malformed[key])
        events = count(sum(self.malformed.values()), "device event")
        said = (
            f"{events} of {count(len(self.malformed), 'node')} were left out, because no agent writes such: "
            f"{self.malformed[worst]:,} about {worst}; look at who may write to the log group."
        )
        return (said,)

    def _could_not_be_read(self, looked: _Looked, missing: MissingEvidence) -> None:
        if missing is _LATE:
            report = self.reports[looked.candidate.node.instance_id]
            newest = replace(report.newest, evidence_missing=missing.detail)
            self.reports[looked.candidate.node.instance_id] = replace(report, newest=newest)
        elif isinstance(looked.events, MissingEvidence):
            self._judge_again(looked.candidate, missing)
        else:
            judgements = self._judge_looked(looked, looked.events)
            self.reports[looked.candidate.node.instance_id] = _report(judgements, missing.detail)

    def _leave(self, candidates: Iterable[_Candidate], why: NoEvidence, detail: str) -> None:
        """Judge nodes without their devices; the reason says why."""
        for candidate in candidates:
            self._judge_again(candidate, MissingEvidence(why, detail))

    def _judge_looked(self, looked: _Looked, events: DeviceEvents | MissingEvidence) -> list[Judgement]:
        history = looked.history and replace(
            looked.history, packets_are_frames=looked.frames, bypass=looked.bypass
        )
        return self._judge(looked.candidate.node, looked.candidate.readings, events, history)

    def _judge(
        self,
        node: Node,
        readings: Readings | Unreadable,
        events: DeviceEvents | MissingEvidence | None,
        history: History | None = None,
    ) -> list[Judgement]:
        return judge_windows(node, readings, events, self.windows, self.rules, history)

    def _judge_again(self, candidate: _Candidate, events: MissingEvidence) -> None:
        judgements = self._judge(candidate.node, candidate.readings, events)
        self.reports[candidate.node.instance_id] = _report(judgements)


_LATE: Final = MissingEvidence(
    NoEvidence.BUDGET_SPENT, "time ran out before its device events could be judged"
)
_SWITCHED_OFF: Final = "reading device evidence is switched off"
_CAUSE_NOT_KNOWN: Final = (
    "Container Insights is not installed, was removed or switched off, or its agents fail; install the EKS "
    "add-on amazon-cloudwatch-observability, or leave this cluster out with `clusters`"
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A node whose devices may be looked at. Its readings are kept until they have been."""

    rank: int
    """0: followed; 1: a suspect; 2: it is its turn."""
    at_stake_bytes_per_second: float
    node: Node
    readings: Readings
    look: Look

    @property
    def is_shown(self) -> bool:
        """Whether people want to see what carried its surplus."""
        return self.rank < 2

    def order(self) -> tuple[int, float, str]:
        """Followed nodes, suspects, the others; within each the largest surplus first."""
        return self.rank, -self.at_stake_bytes_per_second, self.node.instance_id


@dataclass(slots=True)
class _Looked:
    """A node whose ENI devices were asked for."""

    candidate: _Candidate
    span: FetchSpan
    events: DeviceEvents | MissingEvidence
    history: History | None = None
    frames: bool = False
    bypass: Bypass | None = None


def _groups(candidates: Iterable[_Candidate]) -> list[list[_Candidate]]:
    """Candidates of one rank and look together, in the order in which they are read."""
    groups: dict[tuple[int, Look], list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[candidate.rank, candidate.look].append(candidate)
    return list(groups.values())


def _report(judgements: Sequence[Judgement], missing: str | None = None) -> NodeReport:
    newest, *earlier = judgements
    if missing is not None:
        newest = replace(newest, evidence_missing=missing)
    return NodeReport.of(newest, tuple(judgement.verdict for judgement in earlier))


def _has_deficit(judgement: Judgement) -> bool:
    """Whether the devices counted less than the ENIs carried, or the OS in total, whatever the verdict."""
    violations = judgement.accumulated.violations if judgement.accumulated else ()
    return judgement.verdict is Verdict.OS_DEFICIT or any(each.sign is Sign.DEFICIT for each in violations)


def _is_settled(report: NodeReport) -> bool:
    return report.newest.verdict is not Verdict.WARMING_UP


def _has_os_datapoint(readings: Readings) -> bool:
    # Of the windows alone: an agent that came back later would leave every node of a dark cluster silent.
    # The span has a period more on both sides, and the first label may still end what was before it.
    inside = readings.os_bytes_per_second[MINUTES_PER_PERIOD + 1 : -MINUTES_PER_PERIOD]
    return any(rate is not None for rate in inside)
