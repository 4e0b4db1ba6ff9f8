"""Windows that no run could judge when they were due, and that are judged later.

Those since the last judged window are decided in turn, before the newest (`catch_up`). Of older ones, which a
work item asks for, what opened and ended in them is told once as over, and nothing else changes
(`was_and_is_over`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from enigap.core.counting.window import Window
from enigap.core.incidents.decide import decide, due, ended_before, member_key
from enigap.core.incidents.incident import ClusterState, News, NewsKind, NewsReason, Policy, Silence
from enigap.core.incidents.state import ConflictError, fits
from enigap.core.judging.cluster import ClusterReport


def catch_up(
    state: ClusterState,
    reports: Iterable[ClusterReport],
    policy: Policy,
    silences: Sequence[Silence],
    now: datetime,
) -> ClusterState:
    """The state after missed windows and the newest one, oldest first, as if each had been judged in time.

    What opened and ended in them is told once, as over.
    """
    known = {incident.id for incident in state.incidents} | {item.incident.id for item in state.outbox}
    for report in reports:
        if state.done is not None and report.window <= state.done:
            # Nothing could be read then: its nodes' incidents are as they were before.
            state = replace(state, done=report.window.previous())
        state = decide(state, report, policy, silences, now)
    outbox = (
        replace(item, why=NewsReason.WAS_AND_IS_OVER)
        if item.kind is NewsKind.RESOLVED and item.incident.id not in known
        else item
        for item in state.outbox
    )
    return replace(state, outbox=tuple(outbox))


def to_catch_up(state: ClusterState, window: Window, policy: Policy) -> tuple[Window, ...]:
    """The missed windows since the last that was judged, newest first: those a run can decide in turn."""
    missed = {*state.missed, *due(state, window, policy)}
    reach, found = window, []
    while (reach := Window(reach.end - policy.schedule)) in missed:
        found.append(reach)
    return tuple(found)


def was_and_is_over(
    state: ClusterState,
    reports: tuple[ClusterReport, ClusterReport],
    policy: Policy,
    silences: Sequence[Silence],
    now: datetime,
) -> ClusterState:
    """The state once a missed window, older than one that was judged, has been judged: without it among the
    missed ones, and with what was open in it for the last time, and never told, in the outbox as over.

    `reports` are on it and on the window after it: what is still open there is told with that one. Raises
    ConflictError where there is no room for it, or where something else about the same incident has not been
    said yet: retry when that has been said.
    """
    report, following = reports
    at = report.window.end
    is_open = {
        key for incident in state.incidents if incident.since < at for key in incident.members or ()
    } | {incident.id for incident in state.incidents if incident.since < at}
    goes_on = {
        node.newest.node.instance_id: node.newest.verdict
        for node in following.nodes
        if node.is_confirmed(policy.confirm_windows)
    }
    nodes = tuple(
        node
        for node in report.nodes
        if member_key(node.newest.node.instance_id) not in is_open
        and goes_on.get(node.newest.node.instance_id) is not node.newest.verdict
    )
    then = ClusterState(state.cluster, seen_collecting=state.seen_collecting)
    opened = decide(then, replace(report, nodes=nodes), policy, silences, now).outbox
    later = following.finding.kind if following.finding else None
    over = [
        News(NewsKind.RESOLVED, NewsReason.WAS_AND_IS_OVER, replace(item.incident, members=None), item.window)
        for item in opened
        if item.incident.is_fault
        and item.incident.id not in is_open
        and item.incident.verdict != later
        and not any(ended.covers(item.incident, at) for ended in state.ended)
    ]
    missed = tuple(window for window in state.missed if window != report.window)
    unsaid = {item.incident.id for item in state.outbox}
    new = replace(
        state, missed=missed, outbox=(*state.outbox, *over), ended=ended_before(state, over, missed)
    )
    if over and (any(item.incident.id in unsaid for item in over) or not fits(new)):
        raise ConflictError("Newer news has not been sent yet: retry when it has.")
    return new
