"""What a message says and in which order, before any channel's limits and escapes.

Every text in here is printable and takes one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from enigap.core.counting.units import ByteRate
from enigap.core.incidents.incident import NewsKind
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import FindingKind
from enigap.core.messages.fitting import argument, cut_to, name
from enigap.core.messages.notification import Event, Tally, ToldIncident, ToldNode, tallies
from enigap.core.messages.words import TEST_WORDS, node_label, words_for
from enigap.core.text import count

LONGEST_SUMMARY: Final = 1200
LONGEST_LINK: Final = 1000
MOST_NODES: Final = 10


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One incident."""

    text: str
    nodes: tuple[str, ...]
    """The worst nodes of several, a line for each."""
    node_count: int

    def within(self, room: int, *, size: Callable[[str], int] = len, bullet: str = "- ") -> str:
        """All of it that fits, with the exact count of the nodes that do not."""
        text = cut_to(self.text, room // 2, size) if self.nodes else cut_to(self.text, room, size)
        for shown in range(len(self.nodes), -1, -1):
            rest = self.node_count - shown
            lines = [f"{bullet}{line}" for line in self.nodes[:shown]]
            if self.nodes and rest > 0:
                lines.append(
                    f"{bullet}{'and ' if shown else ''}{count(rest, 'more node' if shown else 'node')}"
                )
            whole = "\n".join([text, *lines])
            if size(whole) <= room:
                break
        return whole


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do, with the command that does it, if there is one."""

    what: str
    """In the project's own words, and no name from outside; what is between backticks is code."""
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message."""

    title: str
    """Cluster and headline."""
    preface: str | None
    """Of a test, which says nothing else. The project's own words, as of a step."""
    paragraphs: tuple[Paragraph, ...]
    """One for each incident of the event, worst first."""
    steps: tuple[Step, ...]
    dashboard: str | None
    runbook: str | None
    circumstances: str
    event: Event

    def rest(self, shown: int) -> str | None:
        """What is not shown when only so many paragraphs are, counted exactly; None for nothing."""
        rest = tallies(self.event.incidents[shown:], self.event.left_out)
        if not rest or self.event.is_test:
            return None
        kinds = ", ".join(f"{t.incidents:,} {name(t.verdict)} {t.news.value}" for t in rest)
        incidents = count(sum(t.incidents for t in rest), "more incident")
        return f"And {incidents} about {count(sum(t.nodes for t in rest), 'node')}: {kinds}."


def compose(event: Event) -> Letter:
    """The message that an event comes to."""
    where = f"region {name(event.region)}, account {name(event.account)}"
    if event.is_test:
        return Letter(
            title=headline(event),
            preface=TEST_WORDS,
            paragraphs=(),
            steps=(),
            dashboard=None,
            runbook=None,
            circumstances=f"R{where[1:]}",
            event=event,
        )
    return Letter(
        title=f"{name(event.cluster)}: {headline(event)}",
        preface=None,
        paragraphs=tuple(_paragraph(incident) for incident in event.incidents),
        steps=tuple(_steps(event)),
        dashboard=name(event.dashboard_url, LONGEST_LINK),
        runbook=name(event.runbook_url, LONGEST_LINK) if event.runbook_url else None,
        circumstances=f"Window {event.start:%Y-%m-%d %H:%M}-{event.end:%H:%M} UTC, {where}",
        event=event,
    )


def headline(event: Event) -> str:
    """What is the matter, the worst first: `3 nodes unexplained (os_silent), 1 incident resolved`."""
    if event.is_test:
        return "TEST: nothing is wrong"
    everything = tallies(event.incidents, event.left_out)
    is_open = [tally for tally in everything if tally.news is not NewsKind.RESOLVED]
    resolved = sum(tally.incidents for tally in everything if tally.news is NewsKind.RESOLVED)
    parts = list(_open_parts(is_open))
    if parts and all(tally.news is NewsKind.REMINDER for tally in is_open):
        parts[0] = f"still {parts[0]}"
    if resolved:
        parts.append(f"{count(resolved, 'incident')} resolved" if parts else _resolved(everything))
    return ", ".join(parts) or "nothing to report"


def _open_parts(is_open: Sequence[Tally]) -> Iterable[str]:
    verdicts = {tally.verdict: None for tally in is_open}
    if FindingKind.NOT_COLLECTED in verdicts:
        yield "not collected"
    about_nodes = [tally for tally in is_open if tally.verdict not in set(FindingKind)]
    if about_nodes:
        yield f"{count(sum(t.nodes for t in about_nodes), 'node')} unexplained ({_verdicts(about_nodes)})"
    if FindingKind.UNREADABLE in verdicts:
        yield "CloudWatch unreadable"


def _resolved(everything: Sequence[Tally]) -> str:
    return f"{count(sum(t.incidents for t in everything), 'incident')} resolved ({_verdicts(everything)})"


def _verdicts(some: Iterable[Tally]) -> str:
    return ", ".join({name(tally.verdict, 20): None for tally in some})


def _paragraph(incident: ToldIncident) -> Paragraph:
    lead = incident.news.value.capitalize()
    text = name(incident.summary, LONGEST_SUMMARY)
    # Of a single node the paragraph itself has the figures; of what is over they are history.
    is_listed = incident.node_count > 1 and incident.news is not NewsKind.RESOLVED
    nodes = incident.nodes[:MOST_NODES] if is_listed else ()
    return Paragraph(f"{lead}: {text}", tuple(_line(node) for node in nodes), incident.node_count)


def _line(node: ToldNode) -> str:
    unexplained = "" if node.unexplained is None else f", at least {node.unexplained} unexplained"
    return (
        f"{node_label(node.instance_id, node.node_name)}: "
        f"OS {_figure(node.os)}, interfaces {_figure(node.eni)}{unexplained}"
    )


def _figure(rate: ByteRate | None) -> str:
    return "unknown" if rate is None else str(rate)


def _steps(event: Event) -> Iterable[Step]:
    is_open = [each for each in event.incidents if each.news is not NewsKind.RESOLVED]
    if not is_open:
        yield Step("Nothing to do.")
        return
    worst = is_open[0]
    cluster, region = argument(event.cluster), argument(event.region)
    if words := words_for(worst.verdict, worst.cause):
        yield Step(words.to_do, words.command and words.command.format(cluster=cluster, region=region))
    where = f"--region {region}"
    at = f"--at {timestamp(event.settled_at)}"
    tally = [each for each in tallies(is_open, event.left_out) if each.news is not NewsKind.RESOLVED]
    if worst.is_about_nodes and worst.nodes:
        nodes = sum(each.nodes for each in tally if each.verdict not in set(FindingKind))
        yield Step(
            f"To see {'the worst node' if nodes > 1 else 'it'} device by device:",
            f"enigap explain {argument(worst.nodes[0].instance_id)} {where} {at}",
        )
    else:
        yield Step("To look again:", f"enigap check --cluster {cluster} {where} {at}")
    incidents = sum(each.incidents for each in tally)
    yield Step(
        f"To mute {f'the first of the {incidents:,} open incidents' if incidents > 1 else 'it'}:",
        f"enigap silence {argument(worst.id)} {where} --for 2h --why 'REASON'",
    )
