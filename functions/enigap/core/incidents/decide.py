"""What persists, and what is said about it: incidents open, remind and resolve, once and with a named reason.

`decide` is a pure function of the cluster's state, this run's report, the policy and the silences. It can be
asked again with the same arguments and answers the same; what it wants said is put into the new state's
outbox, so that one compare-and-swap writes both or neither.

How long a node has been unexplained is read from the report, which holds the last windows, not remembered:
a run that was skipped or repeated changes nothing. Silence never resolves: a node must be *explained* for
`resolve_windows` windows, or gone. One that came back twice within the reminder interval is told as resolved
only after it has been over for a while (`hold`), so that flapping is few messages.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from enigap.core.counting.window import GRID, Window
from enigap.core.incidents.incident import (
    MOST_MISSED,
    WORST_NODES,
    ClusterState,
    Ended,
    Incident,
    News,
    NewsKind,
    NewsReason,
    Policy,
    Returned,
    SeenByDevices,
    Silence,
)
from enigap.core.incidents.outbox import (
    as_it_stands,
    cause_of_all,
    endings_together,
    merge,
    reason_of_all,
    together,
)
from enigap.core.incidents.state import fits
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind, NodeReport
from enigap.core.judging.verdict import Judgement, Verdict

HOLD: Final = timedelta(hours=1)
"""How long an incident that came back twice has to be over before it is told as resolved; with each further
time twice as long, up to the reminder interval."""

MOST_RETURNS: Final = 50
"""Of how many incidents it is remembered that they ended."""

MOST_ENDED: Final = 100
"""How many endings are remembered while windows are missed."""


def decide(
    state: ClusterState, report: ClusterReport, policy: Policy, silences: Sequence[Silence], now: datetime
) -> ClusterState:
    """The state after this run, with what is to be said in its outbox.

    Raises ValueError if the state has already seen this window or a later one: the caller only flushes then.
    """
    if state.done is not None and report.window <= state.done:
        raise ValueError(
            f"window {report.window.end.isoformat()} is not newer than {state.done.end.isoformat()}"
        )
    unreadable, not_found = _is(report, FindingKind.UNREADABLE), _is(report, FindingKind.NOT_FOUND)
    missed = _missed(state, report, policy)
    seen = replace(
        state,
        done=report.window,
        missed=missed,
        # Nodes that could not even be listed have not gone away.
        nodes=report.node_count or (state.nodes if unreadable else 0),
        nodes_judged=report.nodes_judged,
        unknown_devices=report.drift.devices,
        events_with_missing_fields=report.drift.events,
        seen_collecting=state.seen_collecting or _collects(report),
        unreadable_runs=state.unreadable_runs + 1 if unreadable else 0,
        not_found_runs=_runs_not_found(state, report),
    )
    desk = _Desk(seen, report, policy, silences, now)
    if report.finding is None or not_found:
        desk.follow_up_nodes()
        desk.open_nodes()
    desk.follow_up_findings()
    desk.open_findings()
    return desk.result()


def no_longer_watched(state: ClusterState, window: Window, policy: Policy) -> ClusterState:
    """The state of a cluster that the settings leave out: closed, what was told is in the outbox as over."""
    news = [
        News(NewsKind.RESOLVED, NewsReason.NO_LONGER_WATCHED, replace(incident, members=None), window)
        for incident in state.incidents
        if incident.told_at is not None and incident.is_fault
    ]
    unsaid = [item for item in merge([*state.outbox, *news]) if item.kind is NewsKind.RESOLVED]
    done = max(window, state.done) if state.done else window
    closed = ClusterState(state.cluster, done=done)
    whole = replace(closed, outbox=endings_together(unsaid, (), policy.collapse_above))
    return whole if fits(whole) else replace(closed, outbox=endings_together(unsaid, (), most=1))


def due(state: ClusterState, window: Window, policy: Policy) -> list[Window]:
    """The windows that were due since the newest decided one and before another, the newest `MOST_MISSED`.

    None is due of a cluster that nothing is left of.
    """
    if state.done is None or not state.is_alive:
        return []
    between = min((window.end - state.done.end - GRID) // policy.schedule, MOST_MISSED)
    return [Window(window.end - number * policy.schedule) for number in range(1, between + 1)]


def is_judged(report: ClusterReport) -> bool:
    """Whether anything could be read, so that its window is not missed."""
    return not _is(report, FindingKind.UNREADABLE)


def _missed(state: ClusterState, report: ClusterReport, policy: Policy) -> tuple[Window, ...]:
    missed = {*state.missed, *due(state, report.window, policy)} - {report.window}
    if not is_judged(report):
        missed.add(report.window)
    return tuple(sorted(missed)[-MOST_MISSED:])


def ended_before(state: ClusterState, news: Iterable[News], missed: Sequence[Window]) -> tuple[Ended, ...]:
    """What was told as resolved and has windows that are missed."""
    now = [
        Ended(item.incident.id, item.incident.since, item.window.end)
        for item in news
        if item.kind is NewsKind.RESOLVED
    ]
    kept = [ended for ended in (*state.ended, *now) if any(ended.since < window.end for window in missed)]
    return tuple(kept[-MOST_ENDED:])


def followed(state: ClusterState) -> Callable[[str], bool]:
    """Whether a node, by its instance id, belongs to an open incident that devices found."""
    keys = {key for incident in state.incidents if incident.seen for key in incident.members or ()}
    return lambda instance_id: bool(keys) and member_key(instance_id) in keys


def member_key(instance_id: str) -> str:
    """Eight characters that stand for an instance id.

    They are 48 bits: that any two of 100,000 nodes share one, and the first is overlooked, happens once in
    50,000 such clusters.
    """
    return base64.urlsafe_b64encode(hashlib.sha256(instance_id.encode()).digest()[:6]).decode()


class _Desk:
    """Applies one report to the open incidents: closes, updates, opens."""

    def __init__(
        self,
        state: ClusterState,
        report: ClusterReport,
        policy: Policy,
        silences: Sequence[Silence],
        now: datetime,
    ) -> None:
        self.state, self.report, self.policy = state, report, policy
        self.silences, self.now = silences, now
        self.nodes = {member_key(r.newest.node.instance_id): r for r in report.nodes}
        self.incidents: list[Incident] = []
        self.news: list[News] = []
        self._ended = [
            each for each in state.returned if report.window.end - each.ended_at <= policy.remind_after
        ]
        self._returns = {each.id: each.times for each in self._ended}

    # --- nodes

    def follow_up_nodes(self) -> None:
        """Each open incident of nodes: resolved, reminded of, or kept as it is."""
        for incident in self.state.incidents:
            if incident.is_about_cluster:
                continue
            keys = self._members(incident)
            left = [key for key in keys if self._is_still_in(incident, key)]
            if not keys and self.nodes and self._may_be_lost(incident):
                self._keep(incident)
            elif incident.seen is not None:
                self._follow_up_devices(incident, incident.seen, keys)
            elif left:
                self._keep(self._updated(incident, left))
            else:
                self._resolve(incident, self._why_left(incident, keys, NewsReason.EXPLAINED_AGAIN))

    def _members(self, incident: Incident) -> list[str]:
        """The keys of its nodes that are there. Where they were lost, those that may be of it."""
        if incident.members is not None:
            return [key for key in incident.members if key in self.nodes]
        others = {key for each in self.state.incidents for key in each.members or ()}
        may_be = {Verdict.UNREADABLE.value, incident.verdict}
        windows = self.policy.resolve_windows
        return [
            key
            for key, report in self.nodes.items()
            if key not in others and may_be & set(report.verdicts[:windows])
        ]

    def _may_be_lost(self, incident: Incident) -> bool:
        """Whether an incident whose nodes were lost, and of which none is in sight, may go on unseen."""
        if incident.members is not None:
            return False
        if incident.seen is not None and self.policy.looks_at_devices:
            return self.report.window.end - incident.seen.last < self.policy.look_back
        unknown = sum(report.newest.explained is None for report in self.nodes.values())
        return unknown > len(self.nodes) / 100

    def _why_left(self, incident: Incident, keys: Sequence[str], otherwise: NewsReason) -> NewsReason:
        """Why no node is left in an incident."""
        if not keys and (incident.members is not None or not self.nodes):
            return NewsReason.NODE_GONE
        has_other = any(self._has_other_verdict(incident, key) for key in keys)
        return NewsReason.OTHER_VERDICT if has_other else otherwise

    def _follow_up_devices(self, incident: Incident, seen: SeenByDevices, members: Sequence[str]) -> None:
        """An incident that devices found: a window without usable evidence says nothing about it."""
        keys = [key for key in members if not self._has_other_verdict(incident, key)]
        judgements = [self.nodes[key].newest for key in keys]
        violations = [
            j.violation for j in judgements if j.violation is not None and j.verdict == incident.verdict
        ]
        looked_at = [judgement for judgement in judgements if judgement.accumulated is not None]
        over = {
            key: why
            for key in keys
            if (judgement := self.nodes[key].newest).accumulated is not None
            and (why := self._why_over([judgement], seen)) is not None
        }
        left = [key for key in keys if key not in over]
        window = self.report.window
        if not keys:
            self._resolve(incident, self._why_left(incident, members, NewsReason.NODE_GONE))
        elif not self.policy.looks_at_devices:
            self._resolve(incident, NewsReason.NO_LONGER_LOOKED_AT)
        elif violations:
            latest = max(violations, key=lambda violation: violation.start)
            self._keep(replace(self._updated(incident, keys), seen=seen.again(latest, window)))
        elif any(judgement.verdict == incident.verdict for judgement in judgements):
            by_totals = replace(seen, last=window.end)  # the devices say nothing, and the totals enough
            self._keep(replace(self._updated(incident, keys), seen=by_totals))
        elif not left:
            self._resolve(incident, reason_of_all(over.values()))
        elif len(looked_at) < len(judgements):
            self._keep(self._updated(incident, left))
        else:
            self._keep(replace(self._updated(incident, left), seen=replace(seen, looked_at=window.end)))

    def _why_over(self, looked_at: Sequence[Judgement], seen: SeenByDevices) -> NewsReason | None:
        """Why an incident is over that devices found and, in this window, did not see; None if it is not."""
        is_excluded = all(
            judgement.accumulated is not None
            and judgement.accumulated.excludes(seen.sign, seen.direction, seen.told / 2, seen.start)
            for judgement in looked_at
        )
        if is_excluded:
            is_idle = all(judgement.verdict is Verdict.IDLE for judgement in looked_at)
            return NewsReason.IDLE if is_idle else NewsReason.EXPLAINED_AGAIN
        is_long_ago = self.report.window.end - seen.last >= self.policy.look_back
        # A look in which events were lost could not have seen it in runs as long as it takes.
        could_see = all(
            judgement.accumulated is not None
            and judgement.accumulated.end - judgement.accumulated.start >= seen.last - seen.start
            for judgement in looked_at
        )
        return NewsReason.NOT_SEEN if is_long_ago and could_see else None

    def _is_still_in(self, incident: Incident, key: str) -> bool:
        """Whether a node of it is neither explained for long enough nor under another verdict by now."""
        is_over = self.nodes[key].explained_throughout(self.policy.resolve_windows)
        return not is_over and not self._has_other_verdict(incident, key)

    def _has_other_verdict(self, incident: Incident, key: str) -> bool:
        """Whether a node of a cluster-wide incident is confirmed to be something else by now."""
        report = self.nodes[key]
        is_other = report.newest.verdict != incident.verdict
        return incident.is_cluster_wide and is_other and report.is_confirmed(self.policy.confirm_windows)

    def open_nodes(self) -> None:
        """Nodes unexplained for long enough and not yet part of an incident; many of a kind become one."""
        known = {key for incident in self.incidents for key in incident.members or ()}
        wide = {i.verdict for i in self.incidents if i.is_cluster_wide and not i.is_about_cluster}
        confirmed: dict[Verdict, list[str]] = {}
        for key, report in self.nodes.items():
            if key not in known and report.is_confirmed(self.policy.confirm_windows):
                confirmed.setdefault(report.newest.verdict, []).append(key)
        if self._is_known_not_to_collect:
            confirmed.pop(Verdict.OS_SILENT, None)  # it was told of, as one finding
        for verdict, keys in confirmed.items():
            single = [
                i
                for i in self.incidents
                if i.verdict == verdict and not i.is_cluster_wide and i.calm_since is None
            ]
            if verdict.value in wide:
                self._join(verdict, keys)
            elif len(single) + len(keys) > self.policy.collapse_above:
                self._collapse(verdict, single, keys)
            else:
                for key in keys:
                    self._open(self._incident_of(verdict, [key], self.nodes[key].newest.node.instance_id))

    def _join(self, verdict: Verdict, keys: list[str]) -> None:
        """Add nodes to an open cluster-wide incident: its count grows, and no news is sent."""
        for number, incident in enumerate(self.incidents):
            if incident.is_cluster_wide and incident.verdict == verdict:
                self.incidents[number] = self._updated(incident, [*(incident.members or ()), *keys])

    def _collapse(self, verdict: Verdict, single: list[Incident], keys: list[str]) -> None:
        """One incident for the cluster takes the place of one for each node."""
        members = [key for incident in single for key in incident.members or ()] + keys
        wide = self._incident_of(verdict, members, "*")
        # What is still to be said of one of them will not be: the incident of the cluster is told instead.
        unsaid = {item.incident.id for item in self.state.outbox if item.kind is NewsKind.OPENED}
        told = [i.told_at for i in single if i.told_at is not None and i.id not in unsaid]
        wide = replace(
            wide,
            since=min([wide.since, *(incident.since for incident in single)]),
            told_at=max(told, default=None),  # who heard of one of them hears how it ends, muted or not
        )
        self.incidents = [incident for incident in self.incidents if incident not in single]
        self._open(wide)

    def result(self) -> ClusterState:
        """The new state. Where it had no room otherwise, incidents of single nodes become one."""
        state = self._result(self.policy.collapse_above, is_tight=False)
        if not fits(state):
            state = self._result(1, is_tight=True)
        while not fits(state) and self._collapse_most():
            state = self._result(1, is_tight=True)
        return state

    def _result(self, most_endings: int, *, is_tight: bool) -> ClusterState:
        unsaid = as_it_stands(merge([*self.state.outbox, *self.news]), self.incidents)
        return replace(
            self.state,
            ended=ended_before(self.state, self.news, self.state.missed),
            returned=tuple({each.id: each for each in self._ended}.values())[-MOST_RETURNS:],
            incidents=tuple(self.incidents),
            outbox=endings_together(unsaid, self.incidents, most_endings, is_tight=is_tight),
        )

    def _collapse_most(self) -> bool:
        """One incident for the nodes of the verdict with the most incidents; False if there are none."""
        single = [incident for incident in self.incidents if not incident.is_cluster_wide]
        if not single:
            return False
        [(verdict, _)] = Counter(incident.verdict for incident in single).most_common(1)
        those = [incident for incident in single if incident.verdict == verdict]
        self.incidents = [incident for incident in self.incidents if incident not in those]
        self._open(together(those, f"{self.report.cluster}/*/{verdict}"))
        return True

    def _incident_of(self, verdict: Verdict, keys: list[str], target: str) -> Incident:
        reports = self._worst_first(keys)
        windows = max(report.unexplained_windows for report in reports)
        starts = [r.newest.since for r in reports if r.newest.comparison and r.newest.since]
        violation = reports[0].newest.violation
        causes = {(report.newest.cause, report.newest.alternative_cause) for report in reports}
        cause, alternative = (
            causes.pop() if len(causes) == 1 else (cause_of_all(cause for cause, _ in causes), None)
        )
        return Incident(
            id=f"{self.report.cluster}/{target}/{verdict.value}",
            verdict=verdict.value,
            cause=cause,
            since=min([self.report.window.end - windows * GRID, *starts]),
            node_count=len(reports),
            nodes=tuple(report.newest.figures for report in reports[:WORST_NODES]),
            members=tuple(keys),
            seen=SeenByDevices.of(violation, self.report.window) if violation else None,
            alternative_cause=alternative,
        )

    def _updated(self, incident: Incident, keys: list[str]) -> Incident:
        """The incident as it stands now; nodes that cannot be judged leave the figures last seen."""
        unexplained = [r for r in self._worst_first(keys) if r.newest.explained is False]
        nodes = tuple(r.newest.figures for r in unexplained[:WORST_NODES]) or incident.nodes
        return replace(incident, node_count=len(keys), nodes=nodes, members=tuple(keys))

    def _worst_first(self, keys: Iterable[str]) -> list[NodeReport]:
        chosen = tuple(self.nodes[key] for key in keys)
        return replace(self.report, nodes=chosen).worst_first()

    # --- the cluster as a whole

    def follow_up_findings(self) -> None:
        """Findings about the whole cluster, and, while there is one, what is known of its nodes."""
        for incident in self.state.incidents:
            if not incident.is_about_cluster:
                if self.report.finding is not None and not self._is_not_found:
                    self._keep(incident)  # Nothing is known of its nodes now, and silence never resolves.
            elif not incident.is_fault:
                if not self._is_gone and not self._is_mended(incident):
                    self._keep(replace(self._with_reason(incident), nodes=()))
            elif self._persists(FindingKind(incident.verdict)):
                self._keep(self._with_reason(incident))
            elif incident.verdict == FindingKind.NOT_FOUND:
                self._resolve(incident, NewsReason.FOUND)
            elif self._is_gone:
                self._resolve(incident, NewsReason.NODE_GONE)
            elif incident.verdict == FindingKind.UNREADABLE:
                self._resolve(incident, NewsReason.READABLE_AGAIN)
            else:
                self._resolve(incident, NewsReason.COLLECTED_AGAIN)

    def _is_mended(self, incident: Incident) -> bool:
        """Whether agents that reported too seldom do no longer. What EC2 counts does not change."""
        is_interval = incident.verdict == FindingKind.LONG_INTERVAL
        still = any(finding.kind == incident.verdict for finding in self.report.findings)
        return is_interval and not still and self.report.nodes_judged > 0

    def _persists(self, kind: FindingKind) -> bool:
        if self._is_not_found:
            return kind is FindingKind.NOT_FOUND
        if self.report.finding is not None:
            # What cannot be read may still not be collected; what was read and not collected is readable.
            is_unknown = kind is FindingKind.NOT_FOUND and _is(self.report, FindingKind.UNREADABLE)
            return self.report.finding.kind is kind or kind is FindingKind.NOT_COLLECTED or is_unknown
        return kind is FindingKind.NOT_COLLECTED and not _collects(self.report) and not self._is_gone

    @property
    def _is_known_not_to_collect(self) -> bool:
        """Whether that it publishes nothing is open, and is so still, though some nodes are unreadable."""
        kind = FindingKind.NOT_COLLECTED
        return self._persists(kind) and any(incident.verdict == kind for incident in self.state.incidents)

    @property
    def _is_not_found(self) -> bool:
        return _is(self.report, FindingKind.NOT_FOUND)

    @property
    def _is_gone(self) -> bool:
        """Whether the cluster has no node left."""
        return self.report.node_count == 0

    def _with_reason(self, incident: Incident) -> Incident:
        findings = (self.report.finding, *self.report.findings)
        finding = next((each for each in findings if each and each.kind == incident.verdict), None)
        if finding is None:
            return incident
        return replace(incident, reason=finding.reason, node_count=self.state.nodes)

    def open_findings(self) -> None:
        for finding in self.report.findings:
            if not any(incident.verdict == finding.kind for incident in self.incidents):
                self._open(self._incident_of_cluster(finding, self.report.window.start))
        self._open_what_is_wrong()

    def _open_what_is_wrong(self) -> None:
        finding = self.report.finding
        if finding is None or any(incident.verdict == finding.kind for incident in self.incidents):
            return
        if finding.kind is FindingKind.UNREADABLE:
            wanted = self.state.unreadable_runs >= self.policy.confirm_windows
        elif finding.kind is FindingKind.NOT_FOUND:
            wanted = self.state.not_found_runs >= self.policy.confirm_windows
        else:
            wanted = self.state.seen_collecting or self.report.cluster in self.policy.named_clusters
        if wanted:
            since = self.report.window.end - self.policy.confirm_windows * GRID
            self._open(self._incident_of_cluster(finding, since))

    def _incident_of_cluster(self, finding: Finding, since: datetime) -> Incident:
        return Incident(
            id=f"{self.report.cluster}/*/{finding.kind.value}",
            verdict=finding.kind.value,
            cause=None,
            since=since,
            node_count=self.state.nodes,
            nodes=(),
            members=None,
            reason=finding.reason,
        )

    # --- saying it

    def _open(self, incident: Incident) -> None:
        if self._goes_on(incident):
            return
        incident = replace(incident, returns=self._returns.get(incident.id, 0))
        if self._is_silenced(incident):
            self.incidents.append(incident)
        else:
            self._say(NewsKind.OPENED, NewsReason.CONFIRMED, incident)

    def _goes_on(self, incident: Incident) -> bool:
        """Whether it was resolved in this very window, and other nodes took the place of all of its own."""
        for item in self.news:
            if item.kind is NewsKind.RESOLVED and item.incident.id == incident.id:
                self.news.remove(item)
                self._ended = [each for each in self._ended if each.id != incident.id]
                since, before = min(item.incident.since, incident.since), item.incident
                self._keep(replace(incident, since=since, told_at=before.told_at, returns=before.returns))
                return True
        return False

    def _keep(self, incident: Incident) -> None:
        if incident.calm_since is not None and not self._is_back(incident):
            self.incidents.append(incident)
            return
        incident = replace(incident, calm_since=None)
        if self._is_silenced(incident):
            self.incidents.append(incident)
        elif incident.told_at is None:
            self._say(NewsKind.OPENED, NewsReason.SILENCE_EXPIRED, incident)
        elif incident.is_fault and self._isdue(incident, incident.told_at):
            self._say(NewsKind.REMINDER, NewsReason.REMIND_INTERVAL, incident)
        else:
            self.incidents.append(incident)

    def _is_back(self, incident: Incident) -> bool:
        """Whether it is in sight again; silence never resolves, nor is it trouble that came back."""
        if incident.is_about_cluster:
            return True
        return any(self.nodes[key].newest.explained is False for key in self._members(incident))

    def _isdue(self, incident: Incident, told_at: datetime) -> bool:
        """Whether it is time for a reminder. There is none of a name without nodes: nothing gets worse."""
        is_old = self.report.window.end - told_at >= self.policy.remind_after
        return is_old and incident.verdict != FindingKind.NOT_FOUND

    def _say(self, kind: NewsKind, why: NewsReason, incident: Incident) -> None:
        told = replace(incident, told_at=self.report.window.end)
        self.incidents.append(told)
        self.news.append(News(kind, why, told, self.report.window))

    def _resolve(self, incident: Incident, why: NewsReason) -> None:
        calm_since = incident.calm_since or self.report.window.end
        is_held = self.report.window.end - calm_since < hold(incident.returns, self.policy)
        if is_held and why not in _FINAL and incident.told_at is not None:
            self.incidents.append(replace(incident, calm_since=calm_since))
            return
        # An incident that was told is also told as resolved, muted or not; one that never was told is not.
        if incident.told_at is not None:
            over = replace(incident, members=None)
            self.news.append(News(NewsKind.RESOLVED, why, over, self.report.window))
            if why is not NewsReason.NODE_GONE:
                self._ended.append(Returned(incident.id, self.report.window.end, incident.returns + 1))

    def _is_silenced(self, incident: Incident) -> bool:
        return any(silence.covers(incident.id, self.now) for silence in self.silences)


def hold(returns: int, policy: Policy) -> timedelta:
    """How long an incident that came back so often has to be over, so that flapping is few messages."""
    return min(HOLD * 2 ** min(returns - 2, 10), policy.remind_after) if returns >= 2 else timedelta(0)


_FINAL: Final = frozenset(
    {NewsReason.NODE_GONE, NewsReason.OTHER_VERDICT, NewsReason.NO_LONGER_LOOKED_AT, NewsReason.FOUND}
)
"""Reasons for which an incident is over at once, however often it came back."""


def _runs_not_found(state: ClusterState, report: ClusterReport) -> int:
    """In how many runs, one after the other, the cluster had no node; an unreadable one counts as none."""
    if _is(report, FindingKind.UNREADABLE):
        return state.not_found_runs
    return state.not_found_runs + 1 if _is(report, FindingKind.NOT_FOUND) else 0


def _is(report: ClusterReport, kind: FindingKind) -> bool:
    return report.finding is not None and report.finding.kind is kind


def _collects(report: ClusterReport) -> bool:
    """Whether any node was judged with an OS datapoint."""
    blind = {Verdict.OS_SILENT, Verdict.UNREADABLE, Verdict.WARMING_UP, Verdict.PARTIAL}
    return report.finding is None and any(r.newest.verdict not in blind for r in report.nodes)
