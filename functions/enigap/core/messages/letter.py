"""What a message says and in which order, before any channel's limits and escapes.

Every text in here is printable and takes one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from enigap.core.console import device_events_url, instance_url
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.documents import Document
from enigap.core.incidents.incident import NewsKind
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import FindingKind, is_finding
from enigap.core.judging.verdict import NodeFigures
from enigap.core.messages.fitting import argument, cut_to, in_ascii, name
from enigap.core.messages.notice import NOTICE_SCHEMA, Notice, read_notice
from enigap.core.messages.notification import (
    Notification,
    Tally,
    ToldIncident,
    read,
    tallied,
    tallies,
)
from enigap.core.messages.words import IN_SHORT, TEST_WORDS, node_label, words_for
from enigap.core.text import count, duration

LONGEST_SUBJECT: Final = 99
"""SNS takes fewer than 100 characters, all of them printable ASCII."""

LONGEST_SUMMARY: Final = 1200
LONGEST_LINK: Final = 1000
MOST_NODES: Final = 10


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What a message says about one incident."""

    text: str
    """State, what is the matter and what it means for the reader."""
    nodes: tuple[str, ...] = ()
    """The worst nodes of several, a line for each."""
    node_count: int = 0
    tally: Tally | None = None
    """What it counts as where it has no room."""
    state: str = ""
    """`Opened`, `Still open`, `Resolved`; of an open incident only: """
    facts: tuple[tuple[str, str], ...] = ()
    """What a channel with fields shows instead of `text`: labels and figures."""
    impact: str = ""
    details: tuple[str, ...] = ()
    """What was seen, the likely cause, and who."""

    def within(
        self, room: int, *, size: Callable[[str], int] = len, bullet: str = "- ", text: str | None = None
    ) -> str:
        """All of it that fits, with the exact count of the nodes that do not. `text` is said instead of its
        own."""
        text = self.text if text is None else text
        text = cut_to(text, room // 2 if self.nodes else room, size)
        for shown in range(len(self.nodes), -1, -1):
            rest = self.node_count - shown
            lines = [f"{bullet}{line}" for line in self.nodes[:shown]]
            if self.nodes and rest > 0:
                lines.append(
                    f"{bullet}{'and ' if shown else ''}{count(rest, 'more node' if shown else 'node')}"
                )
            whole = "\n".join([text, *lines] if text else lines)
            if size(whole) <= room:
                break
        return whole


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do, with the command that does it, if there is one."""

    what: str
    """In the project's own words, and no name from outside; what is between backticks is code."""
    command: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message, whatever it is about."""

    subject: str
    """One line of printable ASCII, under 100 characters: what SNS takes, and what a phone shows of it all."""
    title: str
    """State first, and what is the matter."""
    state: NewsKind | None = None
    """The worst that it tells of; None where it tells of no incident."""
    preface: str | None = None
    """Of a test, which says nothing else. The project's own words, as of a step."""
    paragraphs: tuple[Paragraph, ...] = ()
    """One for each incident of the notification, worst first."""
    left_out: tuple[Tally, ...] = ()
    """What had no room in the notification."""
    links: tuple[tuple[str, str], ...] = ()
    steps: tuple[Step, ...] = ()
    circumstances: str
    thread: str
    """What a later message about the same thing has in common with it."""
    account: str
    region: str
    cluster: str = ""
    instances: tuple[str, ...] = ()

    def rest(self, shown: int) -> str | None:
        """Summary line for the incidents beyond the first `shown`, counted exactly; None without any."""
        rest = self.beyond(shown)
        if not rest:
            return None
        kinds = ", ".join(f"{t.incidents:,} {name(t.verdict)} {t.news.value}" for t in rest)
        incidents = count(sum(t.incidents for t in rest), "more incident")
        return f"And {incidents} about {count(sum(t.nodes for t in rest), 'node')}: {kinds}."

    def beyond(self, shown: int) -> tuple[Tally, ...]:
        """The incidents beyond the first `shown`, and what the notification left out."""
        return tallied([*(p.tally for p in self.paragraphs[shown:] if p.tally), *self.left_out])


READ_RUNBOOK: Final = Step(
    "To read what a message means, how to confirm it and what fixes it:", "enigap runbook"
)


def letter_of(document: Document) -> Letter:
    """The message that a notification or a notice comes to. Raises NotANotificationError."""
    if document.get("schema") == NOTICE_SCHEMA:
        return _of_notice(read_notice(document))
    return _of_notification(read(document))


def _of_notice(told: Notice) -> Letter:
    incident, by, why = name(told.incident), name(told.by or "unknown"), name(told.why, LONGEST_SUMMARY)
    if told.until:
        state, until = "Muted", f"{told.until:%Y-%m-%d %H:%M} UTC"
        what = f"{incident} is muted until {until} by {by}: {why}."
        impact = "Nothing is sent about it until then; what is still open then is told."
    else:
        state, until, what = "No longer muted", "", f"{incident} is no longer muted, by {by}: {why}."
        impact = "What is open is told from now on."
    where = f"--region {argument(told.region)}"
    end = Step(
        "To end that sooner:",
        f"enigap silence {argument(told.incident)} {where} --for 0m --why 'REASON'",
    )
    return Letter(
        subject=subject_line(
            state.upper(), "enigap", told.incident, f"until {until}" if until else "is told again"
        ),
        title=f"{state}: {incident}",
        paragraphs=(
            Paragraph(
                text=f"{state}: {what} {impact}",
                state=state,
                facts=(
                    ("Incident", incident),
                    *((("Until", until),) if until else ()),
                    ("By", by),
                    ("Why", why),
                ),
                impact=impact,
            ),
        ),
        steps=(*((end,) if until else ()), READ_RUNBOOK),
        circumstances=f"Region {name(told.region)}, account {name(told.account)}",
        thread=told.incident,
        account=told.account,
        region=told.region,
    )


def _of_notification(told: Notification) -> Letter:
    if told.is_test:
        return Letter(
            subject="[TEST] enigap: nothing is wrong",
            title="TEST: nothing is wrong",
            preface=TEST_WORDS,
            steps=(READ_RUNBOOK,),
            circumstances=f"Region {name(told.region)}, account {name(told.account)}",
            thread="test",
            account=told.account,
            region=told.region,
            cluster=told.cluster,
        )
    everything = tallies(told.incidents, told.left_out)
    state = everything[0].news if everything else None
    one = told.incidents[0] if len(told.incidents) == 1 and not told.left_out else None
    nodes = (node.instance_id for incident in told.incidents for node in incident.nodes)
    return Letter(
        subject=_subject(told, state),
        title=_title(told, state, everything),
        state=state,
        paragraphs=tuple(_paragraph(incident, told) for incident in told.incidents),
        left_out=told.left_out,
        links=tuple(_links(told)),
        steps=tuple(_steps(told)),
        circumstances=window_line(told.start, told.end, told.region, told.account),
        thread=one.id if one else told.cluster,
        account=told.account,
        region=told.region,
        cluster=told.cluster,
        instances=tuple(dict.fromkeys(nodes)),
    )


def window_line(start: datetime, end: datetime, region: str, account: str) -> str:
    """Which window of which region and account a message is about."""
    window = f"{start:%Y-%m-%d %H:%M}-{end:%H:%M} UTC"
    return f"Window {window}, region {name(region)}, account {name(account)}"


# --- subject and title

TAGS: Final = {NewsKind.OPENED: "OPEN", NewsKind.REMINDER: "REMINDER", NewsKind.RESOLVED: "RESOLVED"}
STATES: Final = {
    NewsKind.OPENED: "Opened",
    NewsKind.REMINDER: "Still open",
    NewsKind.RESOLVED: "Resolved",
}
_AWS_DOMAIN: Final = re.compile(r"\.([a-z0-9-]+\.compute|ec2)\.internal")


def _subject(told: Notification, state: NewsKind | None) -> str:
    """`[OPEN] prod: ip-10-0-3-7 os_deficit`: the same words from the opening to the end of an incident.

    It is about what opened, else what is open still, else what is over.
    """
    if state is None:
        return subject_line("enigap", told.cluster, "", "nothing to report")
    kinds = [tally for tally in tallies(told.incidents, told.left_out) if tally.news is state]
    first = told.incidents[0] if told.incidents else None
    is_one = [(tally.incidents, tally.nodes, is_finding(tally.verdict)) for tally in kinds] == [(1, 1, False)]
    if first and is_one and first.id.split("/")[-2:-1] != ["*"]:
        return subject_line(TAGS[state], told.cluster, _short_name(first), name(first.verdict, 20))
    findings = [name(tally.verdict, 20) for tally in kinds if is_finding(tally.verdict)]
    of_nodes = [tally for tally in kinds if not is_finding(tally.verdict)]
    if of_nodes:
        nodes = count(sum(tally.nodes for tally in of_nodes), "node")
        findings.append(f"{nodes} {verdicts_of(of_nodes)}")
    return subject_line(TAGS[state], told.cluster, "", ", ".join(findings))


def subject_line(tag: str, cluster: str, who: str, what: str) -> str:
    """A subject of printable ASCII. Names give way to what is the matter, which may be all a phone shows."""
    words = [in_ascii(text[:LONGEST_SUBJECT]) for text in (cluster, who) if text]
    what = in_ascii(what)
    room = LONGEST_SUBJECT - len(f"[{tag}] : ") - len(what) - (len(words) - 1)
    while sum(map(len, words)) > room and max(map(len, words)) > 12:
        longest = max(range(len(words)), key=lambda each: len(words[each]))
        over = sum(map(len, words)) - room
        words[longest] = f"{words[longest][: max(9, len(words[longest]) - over - 3)]}..."
    text = f"[{tag}] {words[0]}: {' '.join([*words[1:], what])}"
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 3]}..."


def _short_name(incident: ToldIncident) -> str:
    """The node's name without AWS's domain, or its id."""
    node = incident.nodes[0] if incident.nodes else None
    if node and node.node_name:
        return _AWS_DOMAIN.sub("", node.node_name)
    # A long id may have been cut, and has no parts then.
    return node.instance_id if node else incident.id.split("/")[-2:][0]


def _title(told: Notification, state: NewsKind | None, everything: Sequence[Tally]) -> str:
    """`Opened: prod: the OS misses bytes that were carried (os_deficit)`, or all kinds, the worst first."""
    if state is None:
        return f"{name(told.cluster)}: nothing to report"
    if len(everything) == 1 and (short := IN_SHORT.get(everything[0].verdict)):
        headline = f"{short} ({everything[0].verdict})"
        if everything[0].nodes > 1 and not is_finding(everything[0].verdict):
            headline = f"{everything[0].nodes:,} nodes: {headline}"
    else:
        headline = _headline(everything)
    return f"{STATES[state]}: {name(told.cluster)}: {headline}"


def _headline(everything: Sequence[Tally]) -> str:
    """`3 nodes unexplained (os_silent), 1 incident resolved`."""
    is_open = [tally for tally in everything if tally.news is not NewsKind.RESOLVED]
    parts = [IN_SHORT[each] for each in dict.fromkeys(t.verdict for t in is_open) if is_finding(each)]
    about_nodes = [tally for tally in is_open if not is_finding(tally.verdict)]
    if about_nodes:
        nodes = count(sum(t.nodes for t in about_nodes), "node")
        parts.append(f"{nodes} unexplained ({verdicts_of(about_nodes)})")
    resolved = [tally for tally in everything if tally.news is NewsKind.RESOLVED]
    if resolved:
        incidents = count(sum(tally.incidents for tally in resolved), "incident")
        parts.append(f"{incidents} resolved ({verdicts_of(resolved)})")
    return ", ".join(parts)


def verdicts_of(some: Iterable[Tally]) -> str:
    """The verdicts of tallies, each once."""
    return ", ".join(dict.fromkeys(name(tally.verdict, 20) for tally in some))


# --- paragraphs


def _paragraph(incident: ToldIncident, told: Notification) -> Paragraph:
    state, summary = STATES[incident.news], name(incident.summary, LONGEST_SUMMARY)
    impact = name(incident.impact or "", LONGEST_SUMMARY)
    is_open = incident.news is not NewsKind.RESOLVED
    # Of a single node the paragraph itself has the figures; of what is over they are history.
    nodes = incident.nodes[:MOST_NODES] if incident.node_count > 1 and is_open else ()
    return Paragraph(
        text=f"{state}: {summary}{f' {impact}' if impact else ''}",
        nodes=tuple(_line(node) for node in nodes),
        node_count=incident.node_count,
        tally=Tally(incident.news, incident.verdict, 1, incident.node_count),
        state=state,
        facts=tuple(_facts(incident, told)) if is_open else (),
        impact=impact,
        details=tuple(_details(incident, summary)),
    )


def _facts(incident: ToldIncident, told: Notification) -> Iterable[tuple[str, str]]:
    worst = incident.nodes[0] if incident.nodes else None
    if worst and incident.node_count == 1:
        yield "Node", node_label(worst.instance_id, worst.node_name)
    elif incident.node_count:
        yield "Nodes", f"{incident.node_count:,}"
    if worst:
        of = "" if incident.node_count == 1 else ", worst node"
        # It may be more than was carried although bytes are missing: it has pods' traffic more than once.
        yield f"OS counted on all devices{of}", "no data" if worst.os is None else str(worst.os)
        yield f"Interfaces carried{of}", "no data" if worst.eni is None else str(worst.eni)
        known = worst.unexplained
        yield f"Unexplained, at least{of}", "unknown" if known is None else str(known.rounded_down)
    yield "Since", f"{incident.since:%Y-%m-%d %H:%M} UTC ({duration(told.end - incident.since)})"


def _details(incident: ToldIncident, summary: str) -> Iterable[str]:
    is_one = incident.node_count == 1 and len(incident.nodes) == 1
    if not is_one or incident.news is NewsKind.RESOLVED:
        yield summary
        return
    yield name(str(incident.nodes[0].reason), LONGEST_SUMMARY)
    if words := words_for(incident.verdict, incident.cause, incident.alternative_cause):
        yield f"Likely: {words.likely}."
    if incident.talkers:
        yield f"Largest talkers: {name('; '.join(incident.talkers), LONGEST_SUMMARY)}."
    yield from (name(note) for note in incident.notes)


def _line(node: NodeFigures) -> str:
    """A node of many, short enough for a phone: its name and the one figure that matters."""
    label = node_label(node.instance_id, node.node_name and _AWS_DOMAIN.sub("", node.node_name))
    if node.unexplained is not None and node.unexplained > ZERO:
        return f"{label}: at least {node.unexplained.rounded_down} unexplained"
    return f"{label}: {_figure(node.eni)} carried"


def _figure(rate: ByteRate | None) -> str:
    return "unknown" if rate is None else str(rate)


# --- links

_CONSOLE: Final = re.compile(r"(https://[a-z0-9.-]+)/cloudwatch/home\?region=[a-z0-9-]+")


def _links(told: Notification) -> Iterable[tuple[str, str]]:
    """The dashboard, the worst open node and its devices' events in the console, and the user's runbook."""
    if told.dashboard_url:
        yield "Dashboard", name(told.dashboard_url, LONGEST_LINK)
    is_in_console = _CONSOLE.match(told.dashboard_url)
    worst = told.incidents[0] if told.incidents else None
    node = worst.nodes[0] if worst and worst.nodes and worst.news is not NewsKind.RESOLVED else None
    if is_in_console and node:
        if re.fullmatch(r"i-[0-9a-f]{8,17}", node.instance_id):
            yield "Instance", instance_url(told.region, node.instance_id)
        if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", told.cluster):
            yield "Device events", device_events_url(told.region, told.cluster)
    if told.runbook_url:
        yield "Runbook", name(told.runbook_url, LONGEST_LINK)


# --- steps


def _steps(notification: Notification) -> Iterable[Step]:
    is_open = [each for each in notification.incidents if each.news is not NewsKind.RESOLVED]
    if not is_open:
        yield Step("Nothing to do.")
        if notification.incidents:
            yield _runbook(notification.incidents[0].verdict)
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
    yield _runbook(worst.verdict)
    if worst.verdict in {FindingKind.COUNTS_DIFFER, FindingKind.LONG_INTERVAL}:
        return  # It is told once; there is nothing to mute.
    incidents = sum(each.incidents for each in tally)
    yield Step(
        f"To mute {f'the first of the {incidents:,} open incidents' if incidents > 1 else 'it'}:",
        f"enigap silence {argument(worst.id)} {where} --for 2h --why 'REASON'",
    )


def _runbook(verdict: str) -> Step:
    return Step("What it means, how to confirm it and what fixes it:", f"enigap runbook {argument(verdict)}")
