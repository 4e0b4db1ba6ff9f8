"""The cluster's state as it is written down: one small JSON document with a version.

Fields that a later version adds are ignored; a later *version* is refused, so that an older function never
writes over what it does not understand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from enigap.core.documents import Document, timestamp
from enigap.core.incidents import ClusterState, Incident, News, NewsKind, NewsReason
from enigap.core.window import Window

SCHEMA: Final = "enigap.state/1"


class StateUnreadableError(ValueError):
    """The document is no state this version can read. The message says what to do."""


def to_json(state: ClusterState) -> str:
    """The state in its shortest form."""
    document = {
        "schema": SCHEMA,
        "cluster": state.cluster,
        "done": timestamp(state.done.end) if state.done else None,
        "nodes": state.nodes,
        "seen_collecting": state.seen_collecting,
        "unreadable_runs": state.unreadable_runs,
        "incidents": [_incident_document(incident) for incident in state.incidents],
        "outbox": [
            _news_document(news, {incident.id for incident in state.incidents}) for news in state.outbox
        ],
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def from_json(text: str) -> ClusterState:
    """The state back. Raises StateUnreadableError for anything that is not one."""
    try:
        document = json.loads(text)
        schema = document["schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StateUnreadableError(
            f"The cluster's state is no state of enigap ({type(error).__name__}): "
            "delete its item in the state table."
        ) from error
    if schema != SCHEMA:
        raise StateUnreadableError(
            f"The cluster's state has schema {str(schema)[:40]!r} and this version reads {SCHEMA!r}: "
            "deploy the version that wrote it, or delete its item in the state table."
        )
    try:
        incidents = tuple(_incident(item) for item in document["incidents"])
        by_id = {incident.id: incident for incident in incidents}
        return ClusterState(
            cluster=_text(document["cluster"]),
            done=_window(document["done"]) if document["done"] is not None else None,
            nodes=int(document.get("nodes", 0)),
            seen_collecting=bool(document.get("seen_collecting", False)),
            unreadable_runs=int(document.get("unreadable_runs", 0)),
            incidents=incidents,
            outbox=tuple(_news(item, by_id) for item in document["outbox"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise StateUnreadableError(
            f"The cluster's state is damaged ({type(error).__name__}: {str(error)[:80]}): "
            "delete its item in the state table."
        ) from error


def instant(text: Any) -> datetime:
    """An aware instant from RFC 3339 text. Raises ValueError or TypeError for anything else."""
    if not isinstance(text, str):
        raise TypeError(f"an instant is text such as 2026-01-01T00:15:00Z, not {type(text).__name__}")
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"an instant needs a time zone: {text[:40]!r}")
    return parsed


def _window(text: Any) -> Window:
    return Window(instant(text))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _incident_document(incident: Incident) -> Document:
    return {
        "id": incident.id,
        "verdict": incident.verdict,
        "cause": incident.cause,
        "since": timestamp(incident.since),
        "node_count": incident.node_count,
        # Devices are for the first message and for `explain`; remembering them would fill the item.
        "nodes": [{**node, "evidence": None} for node in incident.nodes],
        "members": "".join(incident.members) if incident.members is not None else None,
        "told_at": timestamp(incident.told_at) if incident.told_at else None,
    }


def _incident(document: Any) -> Incident:
    members = _optional_text(document["members"])
    return Incident(
        id=_text(document["id"]),
        verdict=_text(document["verdict"]),
        cause=_optional_text(document["cause"]),
        since=instant(document["since"]),
        node_count=int(document["node_count"]),
        nodes=tuple(dict(node) for node in document["nodes"]),
        members=None if members is None else tuple(members[i : i + 8] for i in range(0, len(members), 8)),
        told_at=None if document["told_at"] is None else instant(document["told_at"]),
    )


def _news_document(news: News, open_ids: Collection[str]) -> Document:
    """News of an incident that is open names it; only one that is over carries it whole."""
    incident = news.incident
    return {
        "news": news.news.value,
        "why": news.why.value,
        "window_end": timestamp(news.window.end),
        "incident": incident.id if incident.id in open_ids else _incident_document(incident),
    }


def _news(document: Any, open_incidents: Mapping[str, Incident]) -> News:
    of = document["incident"]
    return News(
        NewsKind(document["news"]),
        NewsReason(document["why"]),
        open_incidents[of] if isinstance(of, str) else _incident(of),
        _window(document["window_end"]),
    )
