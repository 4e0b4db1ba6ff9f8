"""The storm: one message about many clusters that have news at the same time, most likely of one cause."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any, Final

from enigap.core import strict
from enigap.core.documents import Document
from enigap.core.incidents.incident import News, NewsKind
from enigap.core.instants import instant, timestamp
from enigap.core.messages.fitting import argument, name
from enigap.core.messages.letter import (
    LONGEST_LINK,
    LONGEST_SUMMARY,
    READ_RUNBOOK,
    STATES,
    TAGS,
    Letter,
    Paragraph,
    Step,
    subject_line,
    verdicts_of,
    window_line,
)
from enigap.core.messages.notification import (
    Tally,
    badness,
    dashboard_at,
    notification_document,
    read_tally,
    reading,
    tallied,
    tally_document,
)
from enigap.core.messages.words import words_for
from enigap.core.text import count

STORM_SCHEMA: Final = "enigap.storm/1"

_OF_WORST: Final = (
    "id",
    "news",
    "why",
    "verdict",
    "cause",
    "alternative_cause",
    "since",
    "node_count",
    "summary",
)


# --- written


def storm_document(
    news: Mapping[str, Sequence[News]],
    *,
    account: str,
    region: str,
    dashboard_url: str,
    settle: timedelta,
    runbook_url: str | None = None,
    name_pods: bool = True,
) -> Document:
    """The storm of the news of clusters, by their names; worst first. Its window is their newest.

    Raises ValueError without any news.
    """
    told = [
        notification_document(
            items,
            account=account,
            region=region,
            cluster=cluster,
            dashboard_url=dashboard_url,
            settle=settle,
            name_pods=name_pods,
        )
        for cluster, items in news.items()
    ]
    told.sort(key=lambda each: (badness(each["incidents"][0]), each["cluster"]))
    clusters = [_cluster_document(each) for each in told]
    newest = max(told, key=lambda each: instant(each["window"]["end"]))
    ids = sorted(each["id"] for each in told)
    optional = {"runbook_url": runbook_url} if runbook_url else {}
    return {
        "schema": STORM_SCHEMA,
        "id": hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:32],
        "account": account,
        "region": region,
        "window": newest["window"],
        "settled_at": newest["settled_at"],
        "dashboard_url": dashboard_url,
        **optional,
        "cluster_count": len(clusters),
        "counts": _counts(tally for each in clusters for tally in each["counts"]),
        "common": _common(clusters),
        "clusters": clusters,
    }


def _cluster_document(notification: Document) -> Document:
    incidents = notification["incidents"]
    return {
        "cluster": notification["cluster"],
        "counts": _counts({**each, "incidents": 1, "nodes": each["node_count"]} for each in incidents),
        "worst": {key: incidents[0][key] for key in _OF_WORST},
    }


def _counts(tallies: Iterable[Document]) -> list[Document]:
    return [tally_document(tally) for tally in tallied(map(read_tally, tallies))]


def _common(clusters: Sequence[Document]) -> Document | None:
    """What is the worst of most clusters, and of how many; None where no verdict is that of most."""
    worst = Counter((each["worst"]["verdict"], each["worst"]["cause"]) for each in clusters)
    (verdict, cause), times = worst.most_common(1)[0]
    return {"verdict": verdict, "cause": cause, "clusters": times} if 2 * times > len(clusters) > 1 else None


def storm_within(document: Document, room: int, size: Any) -> Document:
    """The storm with as many of the worst clusters as fit, the others only in its counts."""

    def worst(kept: int) -> Document:
        return {**document, "clusters": document["clusters"][:kept]}

    kept = bisect_right(range(len(document["clusters"]) + 1), room, key=lambda kept: size(worst(kept)))
    return worst(max(0, kept - 1))


# --- read


@reading("storm")
def storm_letter(document: Mapping[str, Any]) -> Letter:
    """The message that a storm comes to. Raises NotANotificationError."""
    account, region = strict.text(document["account"]), strict.text(document["region"])
    start, end = (instant(document["window"][edge]).astimezone(UTC) for edge in ("start", "end"))
    every = tallied(map(read_tally, document["counts"]))
    state = every[0].news
    clusters = count(strict.count(document["cluster_count"]), "cluster")
    of_state = [tally for tally in every if tally.news is state]
    what = f"{count(sum(t.nodes for t in of_state), 'node')} {verdicts_of(of_state)}"
    shown = [paragraph for each in strict.items(document["clusters"]) for paragraph in _paragraphs(each)]
    links = (
        ("Dashboard", dashboard_at(strict.text(document["dashboard_url"]), start, end)),
        ("Runbook", strict.optional_text(document.get("runbook_url")) or ""),
    )
    return Letter(
        subject=subject_line(TAGS[state], clusters, "", what),
        title=f"{STATES[state]}: {clusters}: {what}",
        state=state,
        paragraphs=(Paragraph(_in_short(document, clusters)), *shown),
        left_out=_left_out(every, shown),
        links=tuple((label, name(link, LONGEST_LINK)) for label, link in links if link),
        steps=tuple(_steps(document, region)),
        circumstances=window_line(start, end, region, account),
        thread="storm",
        account=account,
        region=region,
    )


def _in_short(document: Mapping[str, Any], clusters: str) -> str:
    common = document["common"]
    if common is None:
        return f"{clusters} have news at the same time, without one verdict that most of them have in common."
    verdict = strict.text(common["verdict"])
    words = words_for(verdict, strict.optional_text(common["cause"]))
    likely = f" Likely in each: {words.likely}." if words else ""
    return (
        f"{clusters} have news at the same time, {strict.count(common['clusters']):,} of them "
        f"{name(verdict)}: look for one cause that they share before each by itself.{likely}"
    )


def _paragraphs(document: Mapping[str, Any]) -> Iterable[Paragraph]:
    """One for each kind of news of a cluster; of the worst with its worst incident in words."""
    cluster = name(strict.text(document["cluster"]))
    for number, tally in enumerate(tallied(map(read_tally, document["counts"]))):
        incidents = f"{count(tally.incidents, 'incident')} about {count(tally.nodes, 'node')}"
        said = strict.text(document["worst"]["summary"]) if not number else f"{name(tally.verdict)}."
        yield Paragraph(
            name(f"{STATES[tally.news]}: {cluster}, {incidents}: {said}", LONGEST_SUMMARY), tally=tally
        )


def _left_out(every: Iterable[Tally], shown: Iterable[Paragraph]) -> tuple[Tally, ...]:
    """What is in the counts and of no cluster that is listed."""
    listed = {(t.news, t.verdict): t for t in tallied(p.tally for p in shown if p.tally)}
    rest = []
    for tally in every:
        known = listed.get((tally.news, tally.verdict))
        incidents = tally.incidents - (known.incidents if known else 0)
        nodes = tally.nodes - (known.nodes if known else 0)
        if incidents > 0:
            rest.append(Tally(tally.news, tally.verdict, incidents, max(0, nodes)))
    return tuple(rest)


def _steps(document: Mapping[str, Any], region: str) -> Iterable[Step]:
    common = document["common"]
    is_open = any(read_tally(each).news is not NewsKind.RESOLVED for each in document["counts"])
    if not is_open:
        yield Step("Nothing to do.")
        return
    words = words_for(common["verdict"], common["cause"]) if common else None
    if words and words.command is None:
        yield Step(words.to_do)
    at = timestamp(instant(document["settled_at"]))
    yield Step("To look at all clusters again:", f"enigap check --region {argument(region)} --at {at}")
    yield READ_RUNBOOK
