"""Replays past windows through `decide`, one after another, without sending anything.

It is the pipeline's own decision (`incidents.decide`) over past windows; no message is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from enigap.core.counting.window import Window
from enigap.core.incidents.decide import decide
from enigap.core.incidents.incident import ClusterState, Incident, News, NewsKind, NewsReason, Policy
from enigap.core.judging.cluster import ClusterReport


@dataclass(frozen=True, slots=True)
class Raised:
    """An incident that would have been raised."""

    incident: Incident
    """The incident as it was last seen."""
    opened: Window
    """The window whose run would have told of it."""
    ended: Window | None = None
    """The window whose run would have ended it; None if it is open still."""
    why_ended: NewsReason | None = None
    """None, too, where an incident of the whole cluster took its place."""

    @property
    def lasted(self) -> timedelta | None:
        """From the start of the first unexplained window to the end of the run that ended it."""
        return None if self.ended is None else self.ended.end - self.incident.since


@dataclass(frozen=True, slots=True)
class Replayed:
    """One cluster's past."""

    cluster: str
    incidents: tuple[Raised, ...]
    """In the order they would have been opened in."""
    messages: int
    """How many messages would have been sent: one for each run with news."""
    reminders: int
    windows_judged: int
    """Those in which some node could be judged."""


def replay(cluster: str, reports: Iterable[ClusterReport], policy: Policy, settle: timedelta) -> Replayed:
    """Replay a cluster's past windows from an empty state. Reports come oldest first, each window once.

    Raises ValueError if they do not.
    """
    state = ClusterState(cluster)
    raised: dict[str, Raised] = {}
    over: list[Raised] = []
    messages = reminders = judged = 0
    for report in reports:
        state = decide(state, report, policy, (), report.window.end + settle)
        news, state = state.outbox, replace(state, outbox=())
        still_open = {incident.id: incident for incident in state.incidents if incident.is_fault}
        for incident_id in raised.keys() - still_open.keys():
            why = _why_ended(raised[incident_id].incident, news)
            over.append(replace(raised.pop(incident_id), ended=report.window, why_ended=why))
        for incident_id, incident in still_open.items():
            known = raised.get(incident_id)
            raised[incident_id] = (
                replace(known, incident=incident) if known else Raised(incident, report.window)
            )
        messages += bool(news)
        reminders += sum(each.kind is NewsKind.REMINDER for each in news)
        judged += report.nodes_judged > 0
    incidents = sorted((*over, *raised.values()), key=lambda each: (each.opened, each.incident.id))
    return Replayed(cluster, tuple(incidents), messages, reminders, judged)


def _why_ended(incident: Incident, news: Iterable[News]) -> NewsReason | None:
    """The reason people would have been given; many endings at once are told as one, of the whole cluster."""
    ids = {incident.id, "/".join((*incident.id.split("/")[:-2], "*", incident.verdict))}
    return next((n.why for n in news if n.kind is NewsKind.RESOLVED and n.incident.id in ids), None)
