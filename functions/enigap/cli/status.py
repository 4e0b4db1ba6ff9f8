"""`enigap status`: incidents, overdue clusters, unsent messages, silences and unconfirmed subscriptions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.text import Text

from enigap.aws.clients import Aws
from enigap.aws.deployment import (
    Subscription,
    Unsubscribed,
    subscribe_command,
    two_stacks,
    unsubscribed,
)
from enigap.cli.arguments import Format, Output, Profile, Region, Stack
from enigap.cli.deployed import Deployed, deployed
from enigap.cli.notify import not_subscribed
from enigap.cli.progress import progress
from enigap.cli.screen import Screen, write
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.documents import Document
from enigap.core.incidents.incident import ClusterState, Incident, Silence
from enigap.core.instants import timestamp
from enigap.core.judging.turns import minutes_between_looks, stretch_of
from enigap.core.text import count, printable
from enigap.pipeline import overdue_clusters, unmatched
from enigap.settings import Settings

SCHEMA = "enigap.status/1"


@dataclass(frozen=True, slots=True)
class Status:
    """The deployed enigap as it stands now."""

    now: datetime
    states: Sequence[ClusterState]
    overdue: Sequence[str]
    silences: Sequence[Silence]
    told: Sequence[Subscription]
    dashboard_url: str
    evidence: EvidencePolicy
    unsubscribed: Sequence[Unsubscribed] = ()
    settings: Settings = field(default_factory=Settings)
    two_stacks: str | None = None
    """What to do about the stack of an earlier version beside this one."""
    damaged: Sequence[str] = ()
    """What of the states and the silences could not be read: sentences."""

    deployed_at: datetime | None = None
    """When the stack was deployed last, if CloudFormation says it."""
    left_out: Collection[str] = ()
    """Clusters that the settings leave out and that are closed, or were not judged for two schedules."""

    @property
    def watched(self) -> list[ClusterState]:
        return [state for state in self.states if state.cluster not in self.left_out]

    def minutes_between_looks(self, state: ClusterState) -> int | None:
        """How often the devices of each node are looked at; None where nodes do not take turns."""
        takes_turns = self.evidence is EvidencePolicy.ROTATE and state.nodes > 0
        return minutes_between_looks(state.nodes) if takes_turns else None

    @property
    def unconfirmed(self) -> list[Subscription]:
        return [each for each in self.told if not each.is_confirmed]

    def muted_until(self, incident: Incident) -> datetime | None:
        return max((s.until for s in self.silences if s.covers(incident.id, self.now)), default=None)

    @property
    def exit_status(self) -> int:
        """1 if an incident is open; else 2 if the pipeline itself has a problem; else 0."""
        if any(faults(state) for state in self.watched):
            return 1
        is_amiss = self.damaged or any(state.outbox or is_blind(state) for state in self.watched)
        is_told = self.told and not self.unconfirmed and not self.unsubscribed
        is_odd = self.found_nothing or self.two_stacks
        return 2 if self.overdue or is_amiss or not is_told or is_odd else 0

    @property
    def found_nothing(self) -> tuple[str, ...]:
        """What the settings ask for and no judged cluster has, one clause each."""
        with_nodes = [state.cluster for state in self.watched if state.nodes or state.done is None]
        judged = [state for state in self.watched if state.done is not None]
        named = {state.cluster for state in judged} & set(self.settings.named_clusters)
        patterns = [each for each in self.settings.clusters if each not in self.settings.named_clusters]
        clauses = [f"cluster {name} has no running node" for name in unmatched(sorted(named), with_nodes)]
        clauses += [f"no cluster matches {pattern}" for pattern in unmatched(patterns, with_nodes)]
        if self.settings.node_tags and judged and not with_nodes:
            clauses.append("no running node carries the tags in `node_tags`")
        if not self.settings.clusters and not self.states and self._has_had_its_time:
            clauses.append("no cluster with a running node")
        return tuple(clauses)

    @property
    def _has_had_its_time(self) -> bool:
        """Whether two plans were due since the deployment, so that a cluster that is there would be known."""
        due = 2 * self.settings.schedule + self.settings.settle
        return self.deployed_at is not None and self.now - self.deployed_at > due


def command(
    region: Region = None, profile: Profile = None, output: Output = Format.TABLE, stack: Stack = None
) -> int:
    """List open incidents, overdue clusters, silences and unconfirmed subscriptions.

    Exit status: 1 if an incident is open; 2 if the pipeline itself has a problem; 0 if all is well.
    """
    aws, now = Aws(profile=profile, region=region), datetime.now(UTC)
    aws.sign_in()
    with progress() as step:
        step("reading the deployed state")
        status = _status(deployed(aws, now, stack), now)
    if output is Format.JSON:
        write(document(status))
    else:
        show(Screen(), status)
    return status.exit_status


def _status(it: Deployed, now: datetime) -> Status:
    settings = it.settings()
    known = sorted(it.states.known(), key=lambda each: each.cluster)
    alive = [each for each in known if each.is_alive or each.cluster in settings.named_clusters]
    overdue = overdue_clusters(alive, settings, now)
    open_still = {each.cluster for each in alive} - {*overdue}
    left_out = {each.cluster for each in known if not settings.watches(each.cluster)} - open_still
    told = it.subscriptions()
    remembered = [it.states.read(each.cluster)[0] for each in known]
    return Status(
        now=now,
        states=[each.state for each in remembered],
        overdue=[cluster for cluster in overdue if cluster not in left_out],
        silences=it.states.silences(),
        told=told,
        dashboard_url=it.stack.dashboard_url,
        evidence=settings.evidence,
        unsubscribed=unsubscribed(settings.email, told, it.stack),
        settings=settings,
        two_stacks=two_stacks(it.aws.client("cloudformation"), it.aws.region, it.stack.name),
        deployed_at=it.stack.deployed_at,
        left_out=left_out,
        damaged=tuple(dict.fromkeys(said for each in remembered for said in each.damaged)),
    )


def is_blind(state: ClusterState) -> bool:
    """Whether the cluster has nodes of which none could be judged: no open incidents means nothing then."""
    return state.done is not None and state.nodes > 0 and state.nodes_judged == 0


def faults(state: ClusterState) -> list[Incident]:
    return [incident for incident in state.incidents if incident.is_fault]


def _remarks(state: ClusterState) -> list[Incident]:
    """What was told once and is no fault."""
    return [incident for incident in state.incidents if not incident.is_fault]


def show(screen: Screen, status: Status) -> None:
    if not status.states:
        screen.print(
            "No cluster has been judged yet. The first results come within half an hour of the deployment."
        )
    for state in status.states:
        screen.print(_cluster(state, status))
        if state not in status.watched:
            continue
        if (minutes := status.minutes_between_looks(state)) is not None:
            screen.print(f"  the devices of each node are looked at every {minutes} min{_stretched(state)}")
        for incident in faults(state):
            screen.print(_incident(incident, status))
        for remark in _remarks(state):
            what = printable(remark.reason or "", most=1000)
            screen.print(f"  {remark.verdict} (no fault): {what}")
    for silence in status.silences:
        target, why = printable(silence.target), printable(silence.why)
        screen.print(f"muted: {target} until {_minute(silence.until)} ({why})")
    for said in status.damaged:
        screen.print(Text(printable(said, most=1000), "yellow"), soft_wrap=True)
    _show_what_is_missing(screen, status)
    if not status.told:
        screen.print(Text("there is no subscriber: set `email` or `slack` and deploy", "yellow"))
    screen.print(f"dashboard: {printable(status.dashboard_url, most=1000)}", soft_wrap=True)


def _show_what_is_missing(screen: Screen, status: Status) -> None:
    """Subscribers that hear nothing, and what the settings ask for in vain."""
    for each in status.unconfirmed:
        what = f"not confirmed: {printable(each.protocol)} {printable(each.endpoint)}"
        screen.print(Text.assemble((what, "yellow"), f": {each.to_confirm}"))
        if each.protocol.startswith("email"):
            for topic in each.topics:
                again = subscribe_command(topic, each.endpoint)
                screen.print(f"  the link is sent again by: {printable(again, most=1000)}", soft_wrap=True)
    for missing in status.unsubscribed:
        screen.print(Text(not_subscribed(missing), "yellow"), soft_wrap=True)
    if status.two_stacks:
        screen.print(Text(status.two_stacks, "yellow"), soft_wrap=True)
    for clause in status.found_nothing:
        where = "correct the setting, or the region and account of the deployment"
        screen.print(Text.assemble((f"not found: {printable(clause)}", "yellow"), f": {where}"))


def _cluster(state: ClusterState, status: Status) -> Text:
    judged = f"judged up to {_minute(state.done.end)}" if state.done else "never judged yet"
    if state not in status.watched:
        return Text.assemble((printable(state.cluster), "bold"), f": no longer watched, {judged}")
    nodes = count(state.nodes, "node")
    text = Text.assemble((printable(state.cluster), "bold"), f": {judged}, {nodes}, ")
    is_open = len(faults(state))
    text.append(
        f"{count(is_open, 'open incident') if is_open else 'no open incidents'}",
        "bold red" if is_open else "",
    )
    if state.cluster in status.overdue:
        text.append(", overdue: look at the alarms and at the reconcile function's log", "yellow")
    if is_blind(state):
        text.append(", none of them could be judged: see `enigap check`", "yellow")
    elif state.nodes_judged < state.nodes:
        text.append(f", {state.nodes_judged:,} of them judged")
    if surprises := _surprises(state):
        text.append(f", {surprises}: see `enigap doctor`", "yellow")
    if state.outbox:
        text.append(f", {len(state.outbox)} still to be sent", "yellow")
    if state.missed:
        text.append(f", {count(len(state.missed), 'window')} missed: plan them again", "yellow")
    return text


def _surprises(state: ClusterState) -> str:
    """What agents of known versions do not write, of the newest run."""
    devices, events = state.unknown_devices, state.events_with_missing_fields
    said = [f"{count(devices, 'device')} of no known class"] * bool(devices)
    return " and ".join(said + [f"{count(events, 'event')} with missing fields"] * bool(events))


def _stretched(state: ClusterState) -> str:
    stretch = stretch_of(state.nodes)
    return f": {stretch} times as rarely as in a small cluster, for that many nodes" if stretch > 1 else ""


def _incident(incident: Incident, status: Status) -> Text:
    nodes = count(incident.node_count, "node")
    text = Text(f"  {printable(incident.id)}: {nodes} since {_minute(incident.since)}")
    if until := status.muted_until(incident):
        text.append(f", muted until {_minute(until)}", "yellow")
    why = str(incident.nodes[0].reason) if incident.nodes else incident.reason
    return text.append(f"\n    {printable(why, most=500)}" if why else "")


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _second(instant: datetime) -> str:
    return timestamp(instant.replace(microsecond=0))


def document(status: Status) -> Document:
    return {
        "schema": SCHEMA,
        "clusters": [_cluster_document(state, status) for state in status.states],
        "silences": [
            {"target": each.target, "until": _second(each.until), "why": each.why} for each in status.silences
        ],
        "subscriptions": [
            {"protocol": each.protocol, "endpoint": each.endpoint, "confirmed": each.is_confirmed}
            for each in status.told
        ],
        "unsubscribed": [
            {"protocol": "email", "endpoint": each.address, "topic_arn": each.topic_arn}
            for each in status.unsubscribed
        ],
        "not_found": list(status.found_nothing),
        "two_stacks": status.two_stacks,
        "damaged": list(status.damaged),
        "dashboard_url": status.dashboard_url,
    }


def _cluster_document(state: ClusterState, status: Status) -> Document:
    return {
        "cluster": state.cluster,
        "judged_until": timestamp(state.done.end) if state.done else None,
        "watched": state in status.watched,
        "missed": [timestamp(window.end) for window in state.missed],
        "nodes": state.nodes,
        "nodes_judged": state.nodes_judged,
        "unknown_devices": state.unknown_devices,
        "events_with_missing_fields": state.events_with_missing_fields,
        "minutes_between_looks": status.minutes_between_looks(state),
        "overdue": state.cluster in status.overdue,
        "unsaid": len(state.outbox),
        "incidents": [
            {
                "id": incident.id,
                "verdict": incident.verdict,
                "cause": incident.cause,
                "alternative_cause": incident.alternative_cause,
                "since": timestamp(incident.since),
                "node_count": incident.node_count,
                "muted_until": _second(until) if (until := status.muted_until(incident)) else None,
            }
            for incident in faults(state)
        ],
        "findings": [
            {"finding": remark.verdict, "reason": remark.reason, "since": timestamp(remark.since)}
            for remark in _remarks(state)
        ],
    }
