"""The cluster's state as it is written down: one small JSON document with a version.

Fields that a later version adds are ignored; a later *version* is refused, so that an older function never
writes over what it does not understand. An earlier one is brought up to date by `MIGRATIONS`.

Its size is bounded, so that no outage can make it too large to be written: devices are never in it, figures
and names only while there is room, and the members of large incidents are kept beside it. Where all that is
not enough, `decide` makes one incident of many.

A part that is damaged is left out and said; the rest is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from enigap.core import strict
from enigap.core.counting.comparison import Sign
from enigap.core.counting.track import Direction
from enigap.core.counting.window import Window
from enigap.core.documents import Document, node_document, node_figures
from enigap.core.incidents.incident import (
    ClusterState,
    Ended,
    Incident,
    News,
    NewsKind,
    NewsReason,
    Returned,
    SeenByDevices,
)
from enigap.core.instants import instant, timestamp
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.verdict import NodeFigures, Reason, Verdict

T = TypeVar("T")

SCHEMA: Final = "enigap.state/1"

MOST_BYTES: Final = 100_000
"""No state is larger. From this size on figures are left out. Where an item is kept takes four times that."""

MOST_MEMBERS: Final = 1200
"""Of an incident with more nodes than this the members are kept beside the document; where there is little
room, of one with more than `_FEW_MEMBERS`."""
_FEW_MEMBERS: Final = 100
_KEY_CHARACTERS: Final = 8
_MOST_REASON: Final = 300
"""Characters of a finding's reason, where there is little room."""


class StateUnreadableError(ValueError):
    """The document is no state this version can read. The message says what to do."""


class ConflictError(Exception):
    """Another run wrote in between. Nothing was lost: read the state again and retry."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A cluster's state and the revision it was read at: None where nothing is written down yet."""

    state: ClusterState
    revision: int | None
    damaged: tuple[str, ...] = ()
    """What of it, or of the silences, could not be read: sentences."""
    aside: str | None = None
    """Where the members of large incidents are kept; None where there are none."""
    is_left: bool = False
    """Whether its outbox is left to the planner, for many clusters have news at once."""


@dataclass(frozen=True, slots=True)
class Written:
    """A state as it is written down."""

    text: str
    aside: str
    """The keys of the members that are not in the text, one after another."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How much is written down."""

    of_node: Callable[[NodeFigures], Document]
    most_members: int = MOST_MEMBERS
    most_reason: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the planner needs to know of a cluster that was seen before."""

    cluster: str
    done_or_since: datetime
    """The end of its newest judged window, or else of the first that was planned."""
    is_alive: bool
    """Whether it was never judged, or when it was had nodes, open incidents or something left to say."""
    is_left: bool = False
    """Whether its outbox is left to the planner."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """That something has been wrong with enigap itself."""

    since: datetime
    told_at: datetime
    """When people were told last: by an alarm, then by reminders."""
    revision: int | None = None


def written(state: ClusterState) -> Written:
    """The state as ASCII, with as many figures as there is room for."""
    for form in _FORMS:
        aside: list[str] = []
        text = _to_json(state, form, aside)
        if len(text) <= MOST_BYTES:
            break
    return Written(text, "".join(aside))


def to_json(state: ClusterState) -> str:
    """The state without the members that are kept beside it."""
    return written(state).text


def fits(state: ClusterState) -> bool:
    """Whether the state is small enough to be written down."""
    return len(to_json(state)) <= MOST_BYTES


def _to_json(state: ClusterState, form: _Form, aside: list[str]) -> str:
    is_open = {_about(incident) for incident in state.incidents}
    document: Document = {
        "schema": SCHEMA,
        "cluster": state.cluster,
        "done": timestamp(state.done.end) if state.done else None,
        "nodes": state.nodes,
        "nodes_judged": state.nodes_judged,
        "unknown_devices": state.unknown_devices,
        "events_with_missing_fields": state.events_with_missing_fields,
        "seen_collecting": state.seen_collecting,
        "unreadable_runs": state.unreadable_runs,
        "not_found_runs": state.not_found_runs,
        "incidents": [_incident_document(incident, form, aside) for incident in state.incidents],
        "outbox": [_news_document(news, is_open, form) for news in state.outbox],
    }
    if state.missed:
        document["missed"] = [timestamp(window.end) for window in state.missed]
    if state.ended:
        document["ended"] = [
            [_about(ended), timestamp(ended.since), timestamp(ended.until)] for ended in state.ended
        ]
    if state.returned:
        document["returned"] = [
            [_about(each), timestamp(each.ended_at), each.times] for each in state.returned
        ]
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


Migration = Callable[[Document], Document]
MIGRATIONS: Final[Mapping[str, Migration]] = {}
"""What makes a document of the next schema, by the schema that it has. A schema changes only where a version
before cannot read what is written: fields that are added do not change it."""


def read_json(
    text: str,
    aside: str = "",
    *,
    cluster: str | None = None,
    schema: str = SCHEMA,
    migrations: Mapping[str, Migration] = MIGRATIONS,
) -> tuple[ClusterState, tuple[str, ...]]:
    """The state, and a sentence about each part that is damaged, which is left out.

    `aside` has the members that were kept beside it, `cluster` the name that its item has. Raises
    StateUnreadableError for anything that is no state of this schema or one that can be migrated to it.
    """
    document = _up_to_date(text, schema, migrations)
    try:
        reader = _Reader(cluster or strict.text(document["cluster"]), aside)
        if document["cluster"] != reader.cluster:
            reader.damaged.append(f"The state of {cluster} has another cluster's name, which is not used.")
        return reader.state(document), tuple(reader.damaged)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise StateUnreadableError(
            f"The cluster's state is damaged ({_what(error)}): delete its item in the state table."
        ) from error


def _up_to_date(text: str, expected: str, migrations: Mapping[str, Migration]) -> Document:
    """The document in the expected schema."""
    try:
        document: Document = json.loads(text)
        schema = document["schema"]
        while isinstance(schema, str) and schema != expected and schema in migrations:
            document = migrations[schema](document)
            schema = document["schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StateUnreadableError(
            f"The cluster's state is no state of enigap ({type(error).__name__}): "
            "delete its item in the state table."
        ) from error
    if schema != expected:
        raise StateUnreadableError(
            f"The cluster's state has schema {_shown(schema)} and this version reads {expected!r}: "
            "deploy the version that wrote it, or delete its item in the state table."
        )
    return document


def _what(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:80]}"


class _Reader:
    """Reads the parts of a document; notes those that are damaged and leaves them out."""

    def __init__(self, cluster: str, aside: str) -> None:
        self.cluster, self._aside = cluster, aside
        self.damaged: list[str] = []

    def state(self, document: Document) -> ClusterState:
        incidents = self._each(document["incidents"], "an open incident", self._incident)
        is_open = {_about(incident): incident for incident in incidents}

        def news(each: Any) -> News:
            return self._news(each, is_open)

        return ClusterState(
            cluster=self.cluster,
            done=self._part(document["done"], "the newest judged window", _optional_window),
            missed=self._each(document.get("missed", ()), "a missed window", _window),
            ended=self._each(document.get("ended", ()), "an ended incident", self._ended),
            returned=self._each(document.get("returned", ()), "an incident that came back", self._returned),
            nodes=self._number(document, "nodes"),
            nodes_judged=self._number(document, "nodes_judged"),
            unknown_devices=self._number(document, "unknown_devices"),
            events_with_missing_fields=self._number(document, "events_with_missing_fields"),
            seen_collecting=bool(
                self._part(document.get("seen_collecting"), "seen_collecting", strict.optional_flag)
            ),
            unreadable_runs=self._number(document, "unreadable_runs"),
            not_found_runs=self._number(document, "not_found_runs"),
            incidents=incidents,
            outbox=self._each(document["outbox"], "news", news),
        )

    def _part(self, value: Any, name: str, read: Callable[[Any], T]) -> T | None:
        try:
            return read(value)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            self.damaged.append(f"In the state of {self.cluster}, {name} is damaged ({_what(error)}).")
            return None

    def _each(self, values: Any, name: str, read: Callable[[Any], T]) -> tuple[T, ...]:
        if not isinstance(values, list | tuple):
            self.damaged.append(f"In the state of {self.cluster}, the list with {name} is damaged.")
            return ()
        found = (self._part(value, name, read) for value in values)
        return tuple(each for each in found if each is not None)

    def _number(self, document: Document, name: str) -> int:
        return self._part(document.get(name, 0), name, strict.count) or 0

    def _incident(self, document: Any) -> Incident:
        """An incident whose damaged parts are unknown; without an id or a beginning it is none."""
        target, verdict = strict.text(document["about"]).split("/")
        if verdict not in _VERDICTS:
            raise ValueError(f"no verdict {verdict[:40]!r}")

        def part(name: str, read: Callable[[Any], T]) -> T | None:
            return self._part(document.get(name), f"{name} of an incident", read)

        def node(each: Any) -> NodeFigures:
            whole = {"instance_id": target, "node_name": None} | each
            identity = {"instance_id": whole["instance_id"], "node_name": None, "verdict": whole["verdict"]}
            return self._part(whole, "the figures of a node", _node) or _node(identity)

        since = instant(document["since"])
        return Incident(
            id=f"{self.cluster}/{target}/{verdict}",
            verdict=verdict,
            cause=part("cause", strict.optional_text),
            since=since,
            node_count=part("node_count", strict.count) or 0,
            nodes=self._each(document.get("nodes"), "a node of an incident", node),
            members=self._part(document, "the list of an incident's nodes", self._members),
            told_at=None if document.get("told_at") is None else part("told_at", instant) or since,
            reason=part("reason", strict.optional_text),
            seen=part("seen", _seen),
            alternative_cause=part("alternative_cause", strict.optional_text),
            returns=self._part(document.get("returns", 0), "returns of an incident", strict.count) or 0,
            calm_since=part("calm_since", _optional_instant),
        )

    def _members(self, document: Document) -> tuple[str, ...] | None:
        """The keys in the document, or the next ones of those beside it."""
        if (aside := strict.count(document.get("members_aside", 0))) > 0:
            size = aside * _KEY_CHARACTERS
            keys, self._aside = self._aside[:size], self._aside[size:]
            if len(keys) < size:
                raise ValueError("what was kept beside it is not there")
        elif document["members"] is None:
            return None
        else:
            keys = strict.text(document["members"])
        return tuple(keys[i : i + _KEY_CHARACTERS] for i in range(0, len(keys), _KEY_CHARACTERS))

    def _news(self, document: Any, is_open: Mapping[str, Incident]) -> News:
        of, kind = document["incident"], NewsKind(document["news"])
        return News(
            kind,
            self._part(document.get("why"), "the reason of news", NewsReason) or _USUAL_REASON[kind],
            is_open[of] if isinstance(of, str) else self._incident(of),
            _window(document["window_end"]),
        )

    def _returned(self, document: Any) -> Returned:
        about, ended_at, times = document
        return Returned(f"{self.cluster}/{strict.text(about)}", instant(ended_at), strict.count(times))

    def _ended(self, document: Any) -> Ended:
        about, since, until = document
        return Ended(f"{self.cluster}/{strict.text(about)}", instant(since), instant(until))


_USUAL_REASON: Final = {
    NewsKind.OPENED: NewsReason.CONFIRMED,
    NewsKind.REMINDER: NewsReason.REMIND_INTERVAL,
    NewsKind.RESOLVED: NewsReason.EXPLAINED_AGAIN,
}
_VERDICTS: Final = frozenset([*map(str, Verdict), *map(str, FindingKind)])


def _window(text: Any) -> Window:
    return Window(instant(text))


def _optional_window(text: Any) -> Window | None:
    return None if text is None else _window(text)


def _optional_instant(text: Any) -> datetime | None:
    return None if text is None else instant(text)


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


def _without_names(node: NodeFigures) -> Document:
    return {"instance_id": node.instance_id, "verdict": node.verdict}


_FORMS: Final = (
    _Form(_with_figures),
    _Form(_without_figures),
    _Form(_without_names, _FEW_MEMBERS, _MOST_REASON),
)
"""From the longest to the shortest."""


def _node(document: Document) -> NodeFigures:
    node = node_figures(document)
    if "seen" not in document:
        return node
    sentence, seen = str(node.reason), strict.text(document["seen"])
    parts = Reason(seen, sentence[len(seen) :].removesuffix("."))
    return replace(node, reason=parts) if str(parts) == sentence else node


def _about(incident: Incident | Ended | Returned) -> str:
    """The part of its id that is not the cluster's name, which may be long and is the same for all."""
    return "/".join(incident.id.rsplit("/", 2)[1:])


def _incident_document(incident: Incident, form: _Form, aside: list[str] | None = None) -> Document:
    """With `aside`, members that have no room in it are added to that."""
    members = incident.members
    is_aside = members is not None and len(members) > form.most_members
    if is_aside and aside is not None:
        aside += members or ()
    optional = {
        "alternative_cause": incident.alternative_cause,
        "reason": incident.reason and incident.reason[: form.most_reason],
        "seen": _seen_document(incident.seen),
        "returns": incident.returns or None,
        "calm_since": timestamp(incident.calm_since) if incident.calm_since else None,
        "members_aside": len(members or ()) if is_aside and aside is not None else None,
    }
    return {key: value for key, value in optional.items() if value is not None} | {
        "about": _about(incident),
        "cause": incident.cause,
        "since": timestamp(incident.since),
        "node_count": incident.node_count,
        "nodes": [_node_of(incident, node, form.of_node) for node in incident.nodes],
        "members": None if members is None or is_aside else "".join(members),
        "told_at": timestamp(incident.told_at) if incident.told_at else None,
    }


def _node_of(incident: Incident, node: NodeFigures, of_node: Callable[[NodeFigures], Document]) -> Document:
    """Where there is no room, without the instance id if the incident is about this node alone."""
    document = of_node(node)
    if of_node is not _with_figures and node.instance_id == incident.id.split("/")[-2]:
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
        strict.known_rate(document["told_bytes_per_second"]),
        instant(document["start"]),
        instant(document["last"]),
        instant(document["looked_at"]),
    )


def _news_document(news: News, is_open: Collection[str], form: _Form) -> Document:
    """News of an incident that is open names it; that one is over carries it whole."""
    incident = news.incident
    names_it = news.kind is not NewsKind.RESOLVED and _about(incident) in is_open
    return {
        "news": news.kind.value,
        "why": news.why.value,
        "window_end": timestamp(news.window.end),
        "incident": _about(incident) if names_it else _incident_document(incident, form),
    }
