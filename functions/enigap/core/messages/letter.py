"""What a message says and in which order, before any channel's limits and escapes.

Every text in here is printable and takes one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from enigap.core.counting.units import ByteRate
from enigap.core.documents import Document
from enigap.core.incidents.incident import NewsKind
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import FindingKind, is_finding
from enigap.core.judging.verdict import NodeFigures
from enigap.core.messages.fitting import argument, cut_to, in_ascii, name
from enigap.core.messages.notification import Notification, Tally, ToldIncident, read, tallies
from enigap.core.messages.words import TEST_WORDS, node_label, words_for
from enigap.core.text import count

LONGEST_SUBJECT: Final = 99
"""SNS takes fewer than 100 characters, all of them printable ASCII."""

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

    notification: Notification
    subject: str
    """One line of printable ASCII, under 100 characters: what SNS takes, and what a phone shows of it all."""
    title: str
    """Cluster and headline."""
    circumstances: str
    preface: str | None = None
    """Of a test, which says nothing else. The project's own words, as of a step."""
    paragraphs: tuple[Paragraph, ...] = ()
    """One for each incident of the notification, worst first."""
    steps: tuple[Step, ...] = ()
    dashboard: str | None = None
    runbook: str | None = None

    def rest(self, shown: int) -> str | None:
        """Summary line for the incidents beyond the first `shown`, counted exactly; None without any."""
        rest = tallies(self.notification.incidents[shown:], self.notification.left_out)
        if not rest or self.notification.is_test:
            return None
        kinds = ", ".join(f"{t.incidents:,} {name(t.verdict)} {t.news.value}" for t in rest)
        incidents = count(sum(t.incidents for t in rest), "more incident")
        return f"And {incidents} about {count(sum(t.nodes for t in rest), 'node')}: {kinds}."


def letter_of(document: Document) -> Letter:
    """The message that a notification comes to. Raises NotANotificationError."""
    told = read(document)
    headline, where = _headline(told), f"region {name(told.region)}, account {name(told.account)}"
    if told.is_test:
        return Letter(told, _subject(None, headline), headline, f"R{where[1:]}", preface=TEST_WORDS)
    return Letter(
        told,
        subject=_subject(told.cluster, headline),
        title=f"{name(told.cluster)}: {headline}",
        circumstances=f"Window {told.start:%Y-%m-%d %H:%M}-{told.end:%H:%M} UTC, {where}",
        paragraphs=tuple(_paragraph(incident) for incident in told.incidents),
        steps=tuple(_steps(told)),
        dashboard=name(told.dashboard_url, LONGEST_LINK),
        runbook=name(told.runbook_url, LONGEST_LINK) if told.runbook_url else None,
    )


def _subject(cluster: str | None, headline: str) -> str:
    what, start = in_ascii(headline), "enigap: "
    if cluster is None:
        return f"{start}{what}"
    # Names give way to what is the matter, for that may be all that a phone shows.
    room = max(12, LONGEST_SUBJECT - len(start) - len(": ") - len(what))
    cluster = in_ascii(cluster[:LONGEST_SUBJECT])
    if len(cluster) > room:
        cluster = f"{cluster[: room - 3]}..."
    text = f"{start}{cluster}: {what}"
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 3]}..."


def _headline(notification: Notification) -> str:
    """The headline, the worst first: `3 nodes unexplained (os_silent), 1 incident resolved`."""
    if notification.is_test:
        return "TEST: nothing is wrong"
    everything = tallies(notification.incidents, notification.left_out)
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
    about_nodes = [tally for tally in is_open if not is_finding(tally.verdict)]
    if about_nodes:
        yield f"{count(sum(t.nodes for t in about_nodes), 'node')} unexplained ({_verdicts(about_nodes)})"
    if FindingKind.NOT_FOUND in verdicts:
        yield "cluster not found"
    if FindingKind.UNREADABLE in verdicts:
        yield "CloudWatch unreadable"
    if FindingKind.COUNTS_DIFFER in verdicts:
        yield "EC2 counts otherwise"
    if FindingKind.LONG_INTERVAL in verdicts:
        yield "agents report too seldom"


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


def _line(node: NodeFigures) -> str:
    unexplained = "" if node.unexplained is None else f", at least {node.unexplained} unexplained"
    return (
        f"{node_label(node.instance_id, node.node_name)}: "
        f"OS {_figure(node.os)}, interfaces {_figure(node.eni)}{unexplained}"
    )


def _figure(rate: ByteRate | None) -> str:
    return "unknown" if rate is None else str(rate)


def _steps(notification: Notification) -> Iterable[Step]:
    is_open = [each for each in notification.incidents if each.news is not NewsKind.RESOLVED]
    if not is_open:
        yield Step("Nothing to do.")
        return
    worst = is_open[0]
    cluster, region = argument(notification.cluster), argument(notification.region)
    if words := words_for(worst.verdict, worst.cause, worst.alternative_cause):
        yield Step(words.to_do, words.command and words.command.format(cluster=cluster, region=region))
    where = f"--region {region}"
    at = f"--at {timestamp(notification.settled_at)}"
    tally = [each for each in tallies(is_open, notification.left_out) if each.news is not NewsKind.RESOLVED]
    if worst.nodes and not is_finding(worst.verdict):
        nodes = sum(each.nodes for each in tally if not is_finding(each.verdict))
        yield Step(
            f"To see {'the worst node' if nodes > 1 else 'it'} device by device:",
            f"enigap explain {argument(worst.nodes[0].instance_id)} {where} {at}",
        )
    else:
        yield Step("To look again:", f"enigap check --cluster {cluster} {where} {at}")
    if worst.verdict in {FindingKind.COUNTS_DIFFER, FindingKind.LONG_INTERVAL}:
        return  # It is told once; there is nothing to mute.
    incidents = sum(each.incidents for each in tally)
    yield Step(
        f"To mute {f'the first of the {incidents:,} open incidents' if incidents > 1 else 'it'}:",
        f"enigap silence {argument(worst.id)} {where} --for 2h --why 'REASON'",
    )
