"""`enigap backtest`: which incidents the settings would have raised over the last days."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from enigap.assessment import Looking, Sources, assess, billed_metrics
from enigap.aws.placement import FoundCluster
from enigap.cli.arguments import (
    MINUTES_KEPT,
    MOST_DAYS,
    At,
    Clusters,
    Format,
    Output,
    Profile,
    Region,
    SettingsFile,
    Stack,
    UsageError,
    window_at,
)
from enigap.cli.desk import Origin
from enigap.cli.figures import one_line
from enigap.cli.look import found_clusters
from enigap.cli.progress import Say, progress
from enigap.cli.screen import Screen, write
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import GRID, FetchSpan, Window
from enigap.core.documents import Document, node_document
from enigap.core.incidents.incident import Incident
from enigap.core.incidents.replay import Raised, Replayed, replay
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import ClusterReport, FindingKind
from enigap.core.text import count, duration, printable
from enigap.pipeline import policy_of
from enigap.settings import Settings
from enigap.wiring import sources

SCHEMA: Final = "enigap.backtest/1"

_WINDOWS_PER_FETCH: Final = 32
"""With so many, a GetMetricData call for 125 nodes has less than 100,800 datapoints, hence one page."""
_MOST_READINGS: Final = 10_000_000
"""Readings in memory at a time: a few hundred megabytes."""
_READINGS_PER_WINDOW: Final = 24


def command(  # noqa: PLR0917 - typer passes the options by name
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, metavar="N", help="How far to look back.")] = 7,
    cluster: Clusters = None,
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    evidence: Annotated[
        EvidencePolicy,
        typer.Option(help="Whose devices are read, in every window; slow where much traffic is local."),
    ] = EvidencePolicy.OFF,
    output: Output = Format.TABLE,
    settings_file: SettingsFile = None,
    stack: Stack = None,
) -> int:
    """Which incidents the settings would have raised over the last days, and how many messages.

    Exit status: 1 if there would have been an incident; 2 if nothing could be judged; 0 if all was well.
    """
    origin = Origin(region=region, profile=profile, settings_file=settings_file, stack=stack)
    it = origin.desk()
    aws = it.aws
    settings = replace(it.settings, clusters=tuple(cluster or it.settings.clusters), evidence=evidence)
    past = Past.of(days, window_at(at, it.now, settings.rules()), settings, it.now)
    aws.sign_in()
    with progress() as say:
        found = found_clusters(aws, settings, say)
        of = sources(aws, settings)
        replayed = [
            replay(each.name, _reports(each, past, settings, of, say), policy_of(settings), settings.settle)
            for each in found.clusters
        ]
    billed = sum(past.fetches(len(each.nodes)) * billed_metrics(each.nodes) for each in found.clusters)
    if output is Format.JSON:
        write(document(aws.region, past, replayed, billed))
    else:
        again = origin.again()
        show(Screen(), aws.region, past, replayed, billed=billed, settings=settings, again=again)
    if any(each.incidents for each in replayed):
        return 1
    return 0 if any(each.windows_judged for each in replayed) else 2


@dataclass(frozen=True, slots=True)
class Past:
    """The past windows to judge again, oldest first."""

    windows: Sequence[Window]
    windows_fetched: int
    """How many windows of data the judgement of one window needs, itself included."""

    @classmethod
    def of(cls, days: int, newest: Window, settings: Settings, now: datetime) -> Past:
        """The last days' windows. Raises UsageError if CloudWatch no longer has their one-minute data."""
        windows, fetched = days * timedelta(days=1) // GRID, settings.rules().windows_fetched
        if FetchSpan.of(newest, windows + fetched - 1).start <= now - MINUTES_KEPT:
            raise UsageError(
                f"--days {days} reaches back too far, for CloudWatch keeps minutes for {MINUTES_KEPT.days} "
                "days: give fewer days, or a later --at."
            )
        return cls([newest.previous(number) for number in reversed(range(windows))], fetched)

    @property
    def start(self) -> datetime:
        return self.windows[0].start

    @property
    def end(self) -> datetime:
        return self.windows[-1].end

    def portions(self, nodes: int) -> Iterator[tuple[Sequence[Window], FetchSpan]]:
        """Batches of windows that are fetched together, sized for so many nodes, each with its time range."""
        room = _MOST_READINGS // (_READINGS_PER_WINDOW * max(1, nodes))
        size = max(1, min(_WINDOWS_PER_FETCH, room) - self.windows_fetched)
        for first in range(0, len(self.windows), size):
            some = self.windows[first : first + size]
            yield some, FetchSpan.of(some[-1], len(some) + self.windows_fetched - 1)

    def fetches(self, nodes: int) -> int:
        return sum(1 for _ in self.portions(nodes))


@dataclass(frozen=True, slots=True)
class _Held:
    """A port that serves the totals of single windows from one fetch over many windows."""

    readings: Mapping[str, Readings | Unreadable]

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterable[tuple[Node, Readings | Unreadable]]:
        for node in nodes:
            held = self.readings[node.instance_id]
            yield node, held.within(span) if isinstance(held, Readings) else held

    def histories(self, _nodes: Sequence[Node], _span: FetchSpan) -> Iterable[tuple[Node, Unreadable]]:
        """None: suspects' devices are compared over the windows that were fetched."""
        return ()


def _reports(
    cluster: FoundCluster, past: Past, settings: Settings, of: Sources, say: Say
) -> Iterator[ClusterReport]:
    done = 0
    # Every node's turn over weeks would take hours to read.
    is_off = settings.evidence is EvidencePolicy.OFF
    policy = EvidencePolicy.OFF if is_off else EvidencePolicy.SUSPECTS
    for windows, span in past.portions(len(cluster.nodes)):
        say(f"{cluster.name}: reading from {span.start:%Y-%m-%d %H:%M}, {done:,} of {len(past.windows):,}")
        answers = of.totals.totals(cluster.nodes, span)
        held = _Held({node.instance_id: readings for node, readings in answers})
        for window in windows:
            done += 1
            say(f"{cluster.name}: judging {window.start:%Y-%m-%d %H:%M}, {done:,} of {len(past.windows):,}")
            report = assess(
                cluster.name,
                cluster.nodes,
                window,
                settings.rules(),
                replace(of, totals=held),
                Looking(policy, settings.look_back, settings.evidence_max_nodes),
            )
            # A failure to read today is no finding about that past window.
            if report.finding is None or report.finding.kind is not FindingKind.UNREADABLE:
                yield report


# --- output ---


def show(
    screen: Screen,
    region: str,
    past: Past,
    replayed: Sequence[Replayed],
    *,
    billed: int,
    settings: Settings,
    again: Sequence[str],
) -> None:
    span = f"{past.start:%Y-%m-%d %H:%M} to {past.end:%Y-%m-%d %H:%M} UTC"
    screen.print(Text.assemble((printable(region), "bold"), f", {span}"))
    for each in replayed:
        screen.print()
        judged = f": {each.windows_judged:,} of {len(past.windows):,} windows judged"
        screen.print(Text.assemble((printable(each.cluster), "bold"), judged))
        screen.print(_table(each.incidents) if each.incidents else "No incident.")
    incidents = sum(len(each.incidents) for each in replayed)
    messages = sum(each.messages for each in replayed)
    reminders = sum(each.reminders for each in replayed)
    screen.print()
    screen.print(
        f"{count(incidents, 'incident')}, told in {count(messages, 'message')} "
        f"({count(reminders, 'reminder')}). CloudWatch bills {billed:,} metrics for this look."
    )
    if settings.evidence is EvidencePolicy.OFF:
        screen.print(Text(f"Note: {_NO_DEVICES}", "dim"))
    screen.print(Text("Note: nodes that no longer run are not in it.", "dim"))
    if step := _next_step((raised for each in replayed for raised in each.incidents), settings, again):
        screen.print(step, soft_wrap=True)


_NO_DEVICES: Final = (
    "no devices were read, so os_excess and whatever else only devices show is not in it; "
    "--evidence suspects reads them."
)


def _table(incidents: Sequence[Raised]) -> Table:
    # In 80 columns only the names are shortened.
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for head in ("told, UTC", "lasted", "verdict"):
        table.add_column(head, no_wrap=True)
    table.add_column("node")
    table.add_column("instance", no_wrap=True)
    table.add_column("likely cause", overflow="fold")
    for raised in incidents:
        incident = raised.incident
        target = _target(raised)
        name = incident.nodes[0].node_name if target and incident.nodes else None
        table.add_row(
            f"{raised.opened.end:%m-%d %H:%M}",
            duration(raised.lasted) if raised.lasted is not None else "still open",
            Text(incident.verdict, "bold red"),
            one_line((name or "").split(".")[0] if target else count(incident.node_count, "node")),
            printable(target or "-"),
            _causes(incident),
        )
    return table


def _target(raised: Raised) -> str | None:
    """The instance id of an incident with one node; None if it has several."""
    return None if raised.incident.is_cluster_wide else raised.incident.id.split("/")[-2]


def _next_step(incidents: Iterable[Raised], settings: Settings, again: Sequence[str]) -> Text | None:
    """The `enigap explain` command for the newest incident with one node."""
    of_one = [(raised.opened, target) for raised in incidents if (target := _target(raised))]
    if not of_one:
        return None
    opened, target = max(of_one)
    at = timestamp(opened.end + settings.settle)
    command = shlex.join(["enigap", "explain", target, *again, "--at", at])
    return Text(f"Next: {printable(command, most=1000)}", "bold")


def document(region: str, past: Past, replayed: Sequence[Replayed], billed: int) -> Document:
    """The JSON document of `enigap backtest --format json`."""
    return {
        "schema": SCHEMA,
        "region": region,
        "start": timestamp(past.start),
        "end": timestamp(past.end),
        "windows": len(past.windows),
        "billed_metrics": billed,
        "clusters": [
            {
                "cluster": each.cluster,
                "windows_judged": each.windows_judged,
                "messages": each.messages,
                "reminders": each.reminders,
                "incidents": [_incident(raised) for raised in each.incidents],
            }
            for each in replayed
        ],
    }


def _causes(incident: Incident) -> str:
    causes = filter(None, (incident.cause, incident.alternative_cause))
    return " or ".join(causes).replace("_", " ") or "-"


def _incident(raised: Raised) -> Document:
    incident = raised.incident
    return {
        "id": incident.id,
        "verdict": incident.verdict,
        "cause": incident.cause,
        "alternative_cause": incident.alternative_cause,
        "since": timestamp(incident.since),
        "opened": timestamp(raised.opened.end),
        "ended": timestamp(raised.ended.end) if raised.ended else None,
        "why_ended": raised.why_ended.value if raised.why_ended else None,
        "node_count": incident.node_count,
        "reason": incident.reason,
        "nodes": [node_document(node) for node in incident.nodes],
    }
