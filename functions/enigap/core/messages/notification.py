"""The notification: the one JSON object that every channel's words are made from, written here and read here.

Written from news, read into values that the renderings can rely on: a document of another form is refused
at the door (`NotANotificationError`), and what a later version adds is ignored.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from enigap.core import strict
from enigap.core.counting.rules import Rules
from enigap.core.documents import Document, node_document, node_figures, window_document
from enigap.core.incidents.incident import Incident, News, NewsKind, NewsReason
from enigap.core.instants import instant, timestamp
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.verdict import NodeFigures, Verdict
from enigap.core.messages.words import impact, largest_talkers, notes, summary

NOTIFICATION_SCHEMA: Final = "enigap.notification/1"


class NotANotificationError(ValueError):
    """The document is no notification of a schema this version knows."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raises NotANotificationError where a document is not read as this version knows it."""
    try:
        yield
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise NotANotificationError(f"no {what} that this version knows: {type(error).__name__}") from error


# --- written


def notification_document(
    news: Sequence[News],
    *,
    account: str,
    region: str,
    cluster: str,
    dashboard_url: str,
    settle: timedelta,
    runbook_url: str | None = None,
    name_pods: bool = True,
) -> Document:
    """The notification for one cluster's news, at least one; worst first. Its window is their newest.

    Without `name_pods` no pod's name is in it, neither in the words nor in the devices.
    """
    if not name_pods:
        news = [replace(item, incident=_without_pods(item.incident)) for item in news]
    window = max(item.window for item in news)
    document: Document = {
        "schema": NOTIFICATION_SCHEMA,
        "account": account,
        "region": region,
        "cluster": cluster,
        "window": window_document(window),
        # What `--at` takes to see the same window again.
        "settled_at": timestamp(window.end + settle),
        "dashboard_url": dashboard_url,
        "incidents": sorted((_incident_document(item) for item in news), key=badness),
    }
    if runbook_url:
        document["runbook_url"] = runbook_url
    if all(item.why is NewsReason.TEST for item in news):
        document["test"] = True
    else:
        document["id"] = message_id(cluster, news)
    return document


def message_id(subject: str, news: Iterable[News]) -> str:
    """What copies of one message have in common: who it is about, and its news with their windows.

    Figures may change between two attempts to send it, and are not part of the id.
    """
    said = sorted((item.incident.id, item.kind.value, timestamp(item.window.end)) for item in news)
    return hashlib.sha256(json.dumps([subject, said]).encode()).hexdigest()[:32]


def _incident_document(news: News) -> Document:
    incident = news.incident
    return {
        "id": incident.id,
        "news": news.kind.value,
        "why": news.why.value,
        "verdict": incident.verdict,
        "cause": incident.cause,
        "alternative_cause": incident.alternative_cause,
        "found_by": incident.found_by.value,
        "since": timestamp(incident.since),
        "node_count": incident.node_count,
        "summary": summary(news),
        "impact": impact(incident) if news.kind is not NewsKind.RESOLVED else None,
        "talkers": largest_talkers(incident),
        "notes": notes(news),
        "nodes": [node_document(node) for node in incident.nodes],
    }


def _without_pods(incident: Incident) -> Incident:
    def nameless(node: NodeFigures) -> NodeFigures:
        seen = node.evidence
        if seen is None:
            return node
        devices = tuple(replace(device, pod=None) for device in seen.devices)
        return replace(node, evidence=replace(seen, devices=devices, host_network_pods=()))

    return replace(incident, nodes=tuple(nameless(node) for node in incident.nodes))


_URGENCY: Final = {NewsKind.OPENED: 0, NewsKind.REMINDER: 1, NewsKind.RESOLVED: 2}
_WORST_FIRST: Final = (
    FindingKind.NOT_COLLECTED,
    Verdict.OS_DEFICIT,
    Verdict.OS_EXCESS,
    Verdict.IMPLAUSIBLE,
    Verdict.OS_SILENT,
    Verdict.OS_UNSTEADY,
    FindingKind.NOT_FOUND,
    FindingKind.UNREADABLE,
    FindingKind.COUNTS_DIFFER,
    FindingKind.LONG_INTERVAL,
)
"""Order of urgency: blind, wrong by a known amount, nothing to look at, transient, no fault."""


def verdict_rank(verdict: str) -> int:
    """Where a verdict stands among the others, the worst at 0."""
    return next((rank for rank, each in enumerate(_WORST_FIRST) if each == verdict), len(_WORST_FIRST))


def badness(incident: Document) -> tuple[int, int, int, float, str]:
    """Sorts incident documents worst first: new ones, then by verdict, nodes and bytes."""
    unexplained = [node.get("unexplained_bytes_per_second") or 0.0 for node in incident["nodes"]]
    return (
        _URGENCY[NewsKind(incident["news"])],
        verdict_rank(incident["verdict"]),
        -incident["node_count"],
        -max(unexplained, default=0.0),
        incident["id"],
    )


# --- read


@dataclass(frozen=True, slots=True)
class ToldIncident:
    """An incident as the notification tells of it."""

    id: str
    news: NewsKind
    verdict: str
    cause: str | None
    alternative_cause: str | None
    since: datetime
    node_count: int
    summary: str
    impact: str | None
    talkers: tuple[str, ...]
    notes: tuple[str, ...]
    nodes: tuple[NodeFigures, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many incidents of one kind there are, and how many nodes they are about."""

    news: NewsKind
    verdict: str
    incidents: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification that has been read."""

    account: str
    region: str
    cluster: str
    start: datetime
    end: datetime
    settled_at: datetime
    dashboard_url: str
    """At the time of the window. Empty where there is no dashboard."""
    runbook_url: str | None
    is_test: bool
    incidents: tuple[ToldIncident, ...]
    """The incidents of the notification, worst first."""
    left_out: tuple[Tally, ...]
    """What had no room in the notification."""


def read(document: Any) -> Notification:
    """The notification that a JSON value is. Raises NotANotificationError."""
    with reading("notification"):
        return _notification(document)


def tallies(incidents: Iterable[ToldIncident], left_out: Iterable[Tally]) -> tuple[Tally, ...]:
    """Incidents counted by news and verdict, worst first; what was left out of the notification is added."""
    return tallied([*(Tally(each.news, each.verdict, 1, each.node_count) for each in incidents), *left_out])


def tallied(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    """Tallies of one news and verdict added up, worst first."""
    number: Counter[tuple[NewsKind, str]] = Counter()
    nodes: Counter[tuple[NewsKind, str]] = Counter()
    for tally in tallies:
        number[tally.news, tally.verdict] += tally.incidents
        nodes[tally.news, tally.verdict] += tally.nodes
    keys = sorted(number, key=lambda key: (_URGENCY[key[0]], verdict_rank(key[1]), key[1]))
    return tuple(Tally(*key, number[key], nodes[key]) for key in keys)


def tally_document(tally: Tally) -> Document:
    return {
        "news": tally.news.value,
        "verdict": tally.verdict,
        "incidents": tally.incidents,
        "nodes": tally.nodes,
    }


def _notification(document: Any) -> Notification:
    if document["schema"] != NOTIFICATION_SCHEMA:
        raise ValueError("another schema")
    start, end = (instant(document["window"][edge]).astimezone(UTC) for edge in ("start", "end"))
    settled_at = document.get("settled_at")
    return Notification(
        account=strict.text(document["account"]),
        region=strict.text(document["region"]),
        cluster=strict.some_text(document["cluster"]),
        start=start,
        end=end,
        settled_at=instant(settled_at) if settled_at is not None else end + Rules().settle,
        dashboard_url=dashboard_at(strict.text(document["dashboard_url"]), start, end),
        runbook_url=strict.optional_text(document.get("runbook_url")),
        is_test=_is_test(document),
        incidents=tuple(_incident(item) for item in sorted(document["incidents"], key=badness)),
        left_out=tuple(read_tally(item) for item in document.get("left_out", ())),
    )


def _is_test(document: Mapping[str, Any]) -> bool:
    """Whether it says so, and no incident says otherwise: a test tells of none."""
    return document.get("test") is True and all(
        incident.get("why") == NewsReason.TEST for incident in document["incidents"]
    )


def _incident(document: Mapping[str, Any]) -> ToldIncident:
    return ToldIncident(
        id=strict.text(document["id"]),
        news=NewsKind(document["news"]),
        verdict=strict.text(document["verdict"]),
        cause=strict.optional_text(document["cause"]),
        alternative_cause=strict.optional_text(document.get("alternative_cause")),
        since=instant(document["since"]).astimezone(UTC),
        node_count=strict.count(document["node_count"]),
        summary=strict.text(document["summary"]),
        impact=strict.optional_text(document.get("impact")),
        talkers=tuple(strict.text(each) for each in document.get("talkers", ())),
        notes=tuple(strict.text(each) for each in document.get("notes", ())),
        nodes=tuple(node_figures(node) for node in document["nodes"]),
    )


def read_tally(document: Mapping[str, Any]) -> Tally:
    news, verdict = NewsKind(document["news"]), strict.text(document["verdict"])
    return Tally(news, verdict, strict.count(document["incidents"]), strict.count(document["nodes"]))


# --- the link

_DASHBOARD: Final = re.compile(r"[^#]+#dashboards(:name=[^;?&]+|/dashboard/[^;?&]+)")


def dashboard_at(url: str, start: datetime, end: datetime) -> str:
    """The dashboard from some hours before a window to one after it.

    The console keeps a dashboard's range in the address: `#dashboards:name=NAME;start=..;end=..`, and since
    its redesign `#dashboards/dashboard/NAME?start=..&end=..`. An address of another form stays as it is.
    """
    match = _DASHBOARD.fullmatch(url)
    if match is None:
        return url
    start, end = start - timedelta(hours=3), end + timedelta(hours=1)
    first, between = (";", ";") if match[1].startswith(":") else ("?", "&")
    return f"{url}{first}start={start:%Y-%m-%dT%H:%M:00.000Z}{between}end={end:%Y-%m-%dT%H:%M:00.000Z}"
