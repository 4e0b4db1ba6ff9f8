"""The cluster's state as it is written down: one small JSON document with a version.

Fields that a later version adds are ignored; a later *version* is refused, so that an older function never
writes over what it does not understand.

Its size is bounded, so that no outage can make it too large to be written: devices are never in
it, and figures only while there is room.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from enigap.core import strict
from enigap.core.counting.accumulated import Sign
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import Window
from enigap.core.documents import Document, node_document, node_figures
from enigap.core.incidents.incident import (
    ClusterState,
    Incident,
    News,
    NewsKind,
    NewsReason,
    SeenByDevices,
)
from enigap.core.instants import instant, timestamp
from enigap.core.judging.verdict import NodeFigures, Reason

SCHEMA: Final = "enigap.state/1"

MOST_BYTES: Final = 100_000
"""From this size on figures are left out. Where an item is kept takes four times that."""


class StateUnreadableError(ValueError):
    """The document is no state this version can read. The message says what to do."""


class ConflictError(Exception):
    """Another run wrote in between. Nothing was lost: read the state again and retry."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A cluster's state and the revision it was read at: None where nothing is written down yet."""

    state: ClusterState
    revision: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the planner needs to know of a cluster that was seen before."""

    cluster: str
    done_or_since: datetime
    """The end of its newest judged window, or else of the first that was planned."""
    is_alive: bool
    """Whether it was never judged, or when it was had nodes, open incidents or something left to say."""


def to_json(state: ClusterState) -> str:
    """The state in its shortest form: ASCII, and for any cluster well under what an item may take."""
    whole = _to_json(state, _with_figures)
    return whole if len(whole) <= MOST_BYTES else _to_json(state, _without_figures)


def _to_json(state: ClusterState, of_node: Callable[[NodeFigures], Document]) -> str:
    is_open = {_about(incident) for incident in state.incidents}
    document = {
        "schema": SCHEMA,
        "cluster": state.cluster,
        "done": timestamp(state.done.end) if state.done else None,
        "nodes": state.nodes,
        "nodes_judged": state.nodes_judged,
        "seen_collecting": state.seen_collecting,
        "unreadable_runs": state.unreadable_runs,
        "not_found_runs": state.not_found_runs,
        "incidents": [_incident_document(incident, of_node) for incident in state.incidents],
        "outbox": [_news_document(news, is_open, of_node) for news in state.outbox],
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
            f"The cluster's state has schema {_shown(schema)} and this version reads {SCHEMA!r}: "
            "deploy the version that wrote it, or delete its item in the state table."
        )
    try:
        cluster = strict.text(document["cluster"])
        incidents = tuple(_incident(cluster, item) for item in document["incidents"])
        is_open = {_about(incident): incident for incident in incidents}
        return ClusterState(
            cluster=cluster,
            done=_window(document["done"]) if document["done"] is not None else None,
            nodes=strict.count(document.get("nodes", 0)),
            nodes_judged=strict.count(document.get("nodes_judged", 0)),
            seen_collecting=bool(document.get("seen_collecting", False)),
            unreadable_runs=strict.count(document.get("unreadable_runs", 0)),
            not_found_runs=strict.count(document.get("not_found_runs", 0)),
            incidents=incidents,
            outbox=tuple(_news(cluster, item, is_open) for item in document["outbox"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise StateUnreadableError(
            f"The cluster's state is damaged ({type(error).__name__}: {str(error)[:80]}): "
            "delete its item in the state table."
        ) from error


def _window(text: Any) -> Window:
    return Window(instant(text))


def _shown(schema: object) -> str:
    return repr(schema[:40]) if isinstance(schema, str) else f"of type {type(schema).__name__}"


_IDENTITY: Final = ("instance_id", "node_name", "verdict")

_UNKNOWN: Final = node_document(NodeFigures("", None, ""))
"""Figures that are the same as here are not written down."""


def _with_figures(node: NodeFigures) -> Document:
    """Without its devices and its alternative cause: they are for the first message and for `explain`.

    `reason` is the sentence that earlier versions read, and `seen` the first part of it.
    """
    left_out = replace(node, evidence=None, evidence_missing=None, comparison=None, since=None)
    document = node_document(replace(left_out, alternative_cause=None))
    known = {key: value for key, value in document.items() if key in _IDENTITY or value != _UNKNOWN[key]}
    is_whole = node.reason == Reason.of_sentence(document["reason"])
    return known if is_whole else {**known, "seen": node.reason.seen}


def _without_figures(node: NodeFigures) -> Document:
    return {key: value for key, value in node_document(node).items() if key in _IDENTITY}


def _node(document: Document) -> NodeFigures:
    node = node_figures(document)
    if "seen" not in document:
        return node
    sentence, seen = str(node.reason), strict.text(document["seen"])
    parts = Reason(seen, sentence[len(seen) :].removesuffix("."))
    return replace(node, reason=parts) if str(parts) == sentence else node


def _about(incident: Incident) -> str:
    """The part of its id that is not the cluster's name, which may be long and is the same for all."""
    return "/".join(incident.id.rsplit("/", 2)[1:])


def _incident_document(incident: Incident, of_node: Callable[[NodeFigures], Document]) -> Document:
    optional = {
        "alternative_cause": incident.alternative_cause,
        "reason": incident.reason,
        "seen": _seen_document(incident.seen),
    }
    return {key: value for key, value in optional.items() if value is not None} | {
        "about": _about(incident),
        "cause": incident.cause,
        "since": timestamp(incident.since),
        "node_count": incident.node_count,
        "nodes": [_node_of(incident, node, of_node) for node in incident.nodes],
        "members": "".join(incident.members) if incident.members is not None else None,
        "told_at": timestamp(incident.told_at) if incident.told_at else None,
    }


def _node_of(incident: Incident, node: NodeFigures, of_node: Callable[[NodeFigures], Document]) -> Document:
    """Where there is no room, without the instance id if the incident is about this node alone."""
    document = of_node(node)
    if of_node is _without_figures and node.instance_id == incident.id.split("/")[-2]:
        del document["instance_id"]
    return document


def _seen_document(seen: SeenByDevices | None) -> Document | None:
    if seen is None:
        return None
    return {
        "sign": seen.sign.value,
        "direction": seen.direction.value,
        "told_bytes_per_second": seen.told.bytes_per_second,
        "start": timestamp(seen.start),
        "last": timestamp(seen.last),
        "looked_at": timestamp(seen.looked_at),
    }


def _seen(document: Any) -> SeenByDevices | None:
    if document is None:
        return None
    return SeenByDevices(
        Sign(document["sign"]),
        Direction(document["direction"]),
        ByteRate(float(document["told_bytes_per_second"])),
        instant(document["start"]),
        instant(document["last"]),
        instant(document["looked_at"]),
    )


def _incident(cluster: str, document: Any) -> Incident:
    members = strict.optional_text(document["members"])
    target, verdict = strict.text(document["about"]).split("/")
    return Incident(
        id=f"{cluster}/{target}/{verdict}",
        verdict=verdict,
        cause=strict.optional_text(document["cause"]),
        since=instant(document["since"]),
        node_count=strict.count(document["node_count"]),
        nodes=tuple(_node({"instance_id": target} | node) for node in document["nodes"]),
        members=None if members is None else tuple(members[i : i + 8] for i in range(0, len(members), 8)),
        told_at=None if document["told_at"] is None else instant(document["told_at"]),
        reason=strict.optional_text(document.get("reason")),
        seen=_seen(document.get("seen")),
        alternative_cause=strict.optional_text(document.get("alternative_cause")),
    )


def _news_document(
    news: News, is_open: Collection[str], of_node: Callable[[NodeFigures], Document]
) -> Document:
    """News of an incident that is open names it; that one is over carries it whole."""
    incident = news.incident
    names_it = news.kind is not NewsKind.RESOLVED and _about(incident) in is_open
    return {
        "news": news.kind.value,
        "why": news.why.value,
        "window_end": timestamp(news.window.end),
        "incident": _about(incident) if names_it else _incident_document(incident, of_node),
    }


def _news(cluster: str, document: Any, is_open: Mapping[str, Incident]) -> News:
    of = document["incident"]
    return News(
        NewsKind(document["news"]),
        NewsReason(document["why"]),
        is_open[of] if isinstance(of, str) else _incident(cluster, of),
        _window(document["window_end"]),
    )
