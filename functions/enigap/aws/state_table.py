"""The DynamoDB table of states: one item for each cluster, and one with all silences.

The members of incidents with more nodes than fit into a cluster's item have items of their own, written
before it. Their names carry the revision and a digest, so no write changes what another state refers to; when
no state does any more they are emptied, and expire.

The partition key is `id`; there is no sort key. Each item has a `revision`, and a write is conditional on the
revision that was read, so the second of two concurrent writers is rejected. The planner reads only the
attributes next to `state`.

| id | attributes |
|---|---|
| cluster#NAME | cluster, revision, state, done, nodes, open_incidents, unsaid, left, aside, expires_at |
| cluster#NAME, never judged | cluster, revision 0, planned_since, expires_at |
| members#NAME#ASIDE#NUMBER | keys, expires_at |
| silences | revision, silences: target -> until, why |
| turns#WINDOW | revision, clusters: those that sent messages themselves, expires_at |
| reminder | revision, since, told_at, expires_at |
| posted#ID | expires_at (`posted_messages`) |
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from enigap.aws.errors import MAKES_NO_SENSE, AwsProblem, calling
from enigap.aws.iam import Statement
from enigap.aws.pages import items, pages
from enigap.core import strict
from enigap.core.counting.window import Window
from enigap.core.incidents.incident import ClusterState, Silence
from enigap.core.incidents.state import (
    ConflictError,
    Known,
    Remembered,
    Reminder,
    StateUnreadableError,
    read_json,
    written,
)
from enigap.core.instants import instant, timestamp

PLAN_ACTIONS: Final = (Statement(("dynamodb:Scan", "dynamodb:GetItem", "dynamodb:PutItem")),)
"""Permissions for `known`, `note_planned`, `read`, `write`, `reminded` and `rehearse`."""

RECONCILE_ACTIONS: Final = (Statement(("dynamodb:GetItem", "dynamodb:PutItem")),)
"""Permissions for `read`, `write` and `take_turn`."""

STATUS_ACTIONS: Final = (Statement(("dynamodb:Scan", "dynamodb:GetItem")),)
"""Permissions for `known`, `read` and `silences`: read-only."""

SILENCE_ACTIONS: Final = (Statement(("dynamodb:GetItem", "dynamodb:PutItem")),)
"""Permissions for `silence`."""

KEPT_FOR: Final = timedelta(days=60)
"""How long after a cluster's last judged window its item expires (`expires_at`)."""

KEY: Final = "id"
"""The partition key; there is no sort key."""
EXPIRES_AT: Final = "expires_at"
"""DynamoDB's time-to-live attribute: when an item expires, in seconds since 1970."""

ASIDE_KEPT_FOR: Final = 2 * KEPT_FOR
"""How long members are kept beside a state. They are written anew when half of it is over, so that they
outlive every state that refers to them."""
_KEYS_PER_ITEM_CHARACTERS: Final = 360_000
"""DynamoDB takes 400 KB in one item."""

_SILENCES: Final = "silences"
_REMINDER: Final = "reminder"
_ATTEMPTS: Final = 5
_REFUSED: Final = "ConditionalCheckFailedException"
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Item = dict[str, dict[str, Any]]
T = TypeVar("T")


class DynamoDb(Protocol):
    """The part of boto3's DynamoDB client that is used here."""

    def get_item(self, **request: Any) -> dict[str, Any]: ...
    def put_item(self, **request: Any) -> dict[str, Any]: ...
    def scan(self, **request: Any) -> dict[str, Any]: ...


class StateTable:
    """The table, as seen at the time `now`. Each method raises AwsProblem if DynamoDB fails."""

    def __init__(self, dynamodb: DynamoDb, table: str, *, now: datetime) -> None:
        self._dynamodb, self._table, self._now = dynamodb, table, now
        # No window that was judged ends later, by any clock: its cluster would seem to be judged for ever.
        self._latest = now + timedelta(days=1)

    # --- states

    def read(self, cluster: str) -> tuple[Remembered, tuple[Silence, ...]]:
        """A cluster's state, empty if it was never judged, and the silences in force.

        Raises StateUnreadableError for a state that this version cannot read.
        """
        item = self._get(_key(cluster))
        beside = self._beside(cluster, item)
        if beside is None:  # Another run may have written a newer state since.
            item = self._get(_key(cluster))
            beside = self._beside(cluster, item)
        silences, damaged = self._in_force(self._get(_SILENCES))
        if "state" not in item:
            return Remembered(ClusterState(cluster), _revision(item), damaged), silences
        state, spoilt = read_json(item["state"].get("S", ""), beside or "", cluster=cluster)
        if state.done and state.done.end > self._latest:
            spoilt += (f"In the state of {cluster}, the newest judged window is in the future: not used.",)
            state = replace(state, done=None)
        is_left = item.get("left", {}).get("BOOL") is True
        return Remembered(state, _revision(item), spoilt + damaged, _aside(item), is_left), silences

    def write(self, remembered: Remembered) -> Remembered:
        """Write by compare-and-swap; returns the state with its new revision. Raises ConflictError."""
        state = remembered.state
        document = written(state)
        aside = self._put_beside(remembered, document.aside)
        attributes: _Item = {
            "cluster": {"S": state.cluster},
            "state": {"S": document.text},
            "nodes": {"N": str(state.nodes)},
            "open_incidents": {"N": str(len(state.incidents))},
            "unsaid": {"N": str(len(state.outbox))},
            EXPIRES_AT: self._expiry(),
        }
        if state.done is not None:
            attributes["done"] = {"S": timestamp(state.done.end)}
        if aside is not None:
            attributes["aside"] = {"S": aside}
        if remembered.is_left:
            attributes["left"] = {"BOOL": True}
        revision = self._swap(_key(state.cluster), attributes, remembered.revision)
        if remembered.aside not in {None, aside}:
            self._empty(state.cluster, remembered.aside or "")
        return replace(remembered, revision=revision, aside=aside)

    # --- members beside the states. `aside` is REVISION-DIGEST-EXPIRY-ITEMS.

    def _beside(self, cluster: str, item: _Item) -> str | None:
        """The keys that are kept beside a state: none where it has none, None where they are not there."""
        aside = _aside(item)
        if aside is None:
            return ""
        pieces = [self._get(name).get("keys", {}).get("S", "") for name in _names(cluster, aside)]
        keys = "".join(pieces)
        return keys if _digest(keys) == aside.split("-")[1] else None

    def _put_beside(self, remembered: Remembered, keys: str) -> str | None:
        """Where the keys are kept, written unless they are there already."""
        if not keys:
            return None
        before = (remembered.aside or "0--0-0").split("-")
        if before[1] == _digest(keys) and int(before[2]) > int((self._now + KEPT_FOR).timestamp()):
            return remembered.aside
        pieces = [
            keys[at : at + _KEYS_PER_ITEM_CHARACTERS] for at in range(0, len(keys), _KEYS_PER_ITEM_CHARACTERS)
        ]
        expiry = int((self._now + ASIDE_KEPT_FOR).timestamp())
        aside = f"{_next(remembered.revision)}-{_digest(keys)}-{expiry}-{len(pieces)}"
        for name, piece in zip(_names(remembered.state.cluster, aside), pieces, strict=True):
            with suppress(ConflictError):  # it is there already, from an attempt that came to no end
                item: _Item = {"id": {"S": name}, "keys": {"S": piece}, EXPIRES_AT: {"N": str(expiry)}}
                self._put(item, ConditionExpression="attribute_not_exists(id)")
        return aside

    def _empty(self, cluster: str, aside: str) -> None:
        """Empty items that no state refers to any more. What goes wrong leaves them until they expire."""
        now = str(int(self._now.timestamp()))
        with suppress(AwsProblem, ConflictError):
            for name in _names(cluster, aside):
                item: _Item = {"id": {"S": name}, EXPIRES_AT: {"N": now}}
                self._put(item, ConditionExpression="attribute_exists(id)")

    # --- what the planner knows

    def known(self) -> Iterator[Known]:
        """Every cluster that has an item."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(f"#{name}" for name in _FOR_THE_PLANNER),
            "ExpressionAttributeNames": {f"#{name}": name for name in _FOR_THE_PLANNER},
        }

        def read(page: Mapping[str, Any]) -> list[Known]:
            known = [_known(item) for item in items(page, "Items") if item.get("cluster", {}).get("S")]
            return [
                each if each.done_or_since <= self._latest else replace(each, done_or_since=_NEVER)
                for each in known
            ]

        tokens = ("LastEvaluatedKey", "ExclusiveStartKey")
        for page in pages("dynamodb:Scan", self._dynamodb, self._dynamodb.scan, request, read, tokens=tokens):
            yield from page

    def note_planned(self, cluster: str, window: Window) -> None:
        """Record the first planned window of a cluster that has no item yet."""
        item: _Item = {
            "id": {"S": _key(cluster)},
            "revision": {"N": "0"},
            "cluster": {"S": cluster},
            "planned_since": {"S": timestamp(window.end)},
            EXPIRES_AT: self._expiry(),
        }
        with suppress(ConflictError):  # the cluster has an item already
            self._put(item, ConditionExpression="attribute_not_exists(id)")

    def rehearse(self) -> None:
        """Self-test: check that the table exists and that writing is permitted; change nothing."""
        with suppress(ConflictError):
            never = "attribute_exists(id) AND attribute_not_exists(id)"
            self._put({"id": {"S": "rehearsal"}}, ConditionExpression=never)

    # --- silences

    def silences(self) -> tuple[Silence, ...]:
        """The silences in force."""
        return self._in_force(self._get(_SILENCES))[0]

    def silence(self, silence: Silence) -> None:
        """Add a silence or replace that of the same target; expired silences are removed.

        Raises ConflictError after repeated concurrent changes.
        """
        _again(lambda: self._silence(silence))

    def _silence(self, silence: Silence) -> None:
        item = self._get(_SILENCES)
        others = [each for each in self._in_force(item)[0] if each.target != silence.target]
        in_force = [*others, silence] if silence.until > self._now else others
        silences = {
            each.target: {"M": {"until": {"S": timestamp(each.until)}, "why": {"S": each.why}}}
            for each in in_force
        }
        self._swap(_SILENCES, {"silences": {"M": silences}}, _revision(item))

    def _in_force(self, item: _Item) -> tuple[tuple[Silence, ...], tuple[str, ...]]:
        """The silences in force, and a sentence about each that is damaged and mutes nothing."""
        silences, damaged = [], []
        found = item.get("silences", {"M": {}}).get("M")
        if not isinstance(found, Mapping):
            found, damaged = {}, [f"All silences are damaged and mute nothing: {_SILENCE_AGAIN}"]
        for target, each in found.items():
            try:
                why = strict.text(each["M"]["why"]["S"])
                silences.append(Silence(target, instant(each["M"]["until"]["S"]), why))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                what = f"The silence of {target[:80]!r} is damaged ({type(error).__name__}) and mutes nothing"
                damaged.append(f"{what}: {_SILENCE_AGAIN}")
        return tuple(silence for silence in silences if silence.until > self._now), tuple(damaged)

    # --- whose messages are sent

    def take_turn(self, cluster: str, window: Window, most: int) -> bool:
        """Whether this cluster is among the first so many that have news in this window, asked once or again.

        Raises ConflictError after repeated concurrent changes.
        """
        return _again(lambda: self._take_turn(cluster, f"turns#{timestamp(window.end)}", most))

    def _take_turn(self, cluster: str, key: str, most: int) -> bool:
        item = self._get(key)
        clusters = [each["S"] for each in item.get("clusters", {}).get("L", ())]
        if cluster not in clusters and len(clusters) < most:
            taken: _Item = {"clusters": {"L": [{"S": each} for each in (*clusters, cluster)]}}
            self._swap(key, {**taken, EXPIRES_AT: self._expiry()}, _revision(item))
            return True
        return cluster in clusters

    # --- the reminder about enigap itself

    def reminder(self) -> Reminder | None:
        """Since when something has been wrong with enigap, and when it was told; None where nothing is."""
        item = self._get(_REMINDER)
        if "since" not in item:
            return None
        return Reminder(_instant(item["since"]), _instant(item.get("told_at")), _revision(item))

    def remember(self, reminder: Reminder | None, before: Reminder | None) -> None:
        """Write it in the place of what was read before. Raises ConflictError."""
        attributes: _Item = {EXPIRES_AT: self._expiry()}
        if reminder is not None:
            attributes["since"] = {"S": timestamp(reminder.since)}
            attributes["told_at"] = {"S": timestamp(reminder.told_at)}
        revision = _revision(self._get(_REMINDER)) if before is None else before.revision
        self._swap(_REMINDER, attributes, revision)

    # --- items

    def _get(self, key: str) -> _Item:
        with calling("dynamodb:GetItem", self._dynamodb):
            answer = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True
            )
            item: _Item = {name: dict(attribute) for name, attribute in answer.get("Item", {}).items()}
            return item

    def _swap(self, key: str, attributes: _Item, read_at: int | None) -> int:
        """Write an item if its revision is still `read_at`; returns the new one. Raises ConflictError."""
        revision = _next(read_at)
        item = {"id": {"S": key}, "revision": {"N": str(revision)}, **attributes}
        if read_at is None:
            self._put(item, ConditionExpression="attribute_not_exists(id)")
        elif read_at == _NO_REVISION:
            self._put(
                item,
                ConditionExpression="attribute_exists(id) AND NOT attribute_type(#revision, :number)",
                ExpressionAttributeNames={"#revision": "revision"},
                ExpressionAttributeValues={":number": {"S": "N"}},
            )
        else:
            self._put(
                item,
                ConditionExpression="#revision = :read",
                ExpressionAttributeNames={"#revision": "revision"},
                ExpressionAttributeValues={":read": {"N": str(read_at)}},
            )
        return revision

    def _put(self, item: _Item, **condition: Any) -> None:
        try:
            with calling("dynamodb:PutItem", self._dynamodb):
                self._dynamodb.put_item(TableName=self._table, Item=item, **condition)
        except AwsProblem as problem:
            if problem.code != _REFUSED:
                raise
            raise ConflictError(f"Somebody else wrote the item {item['id']['S'][:80]!r}.") from None

    def _expiry(self) -> dict[str, str]:
        return {"N": str(int((self._now + KEPT_FOR).timestamp()))}


_FOR_THE_PLANNER: Final = ("cluster", "done", "planned_since", "nodes", "open_incidents", "unsaid", "left")


def _again(step: Callable[[], T]) -> T:
    """The answer of a step that reads and swaps, tried again where another run wrote in between."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(ConflictError):
            return step()
    return step()


def _key(cluster: str) -> str:
    return f"cluster#{cluster}"


def _aside(item: _Item) -> str | None:
    """Where members are kept beside a state; None where none are, or where that is damaged."""
    aside = item.get("aside", {}).get("S", "")
    return aside if re.fullmatch(r"\d{1,20}-[0-9a-f]{16}-\d{1,12}-\d{1,3}", aside) else None


def _names(cluster: str, aside: str) -> list[str]:
    return [f"members#{cluster}#{aside}#{number}" for number in range(int(aside.rpartition("-")[2]))]


def _digest(keys: str) -> str:
    return hashlib.sha256(keys.encode()).hexdigest()[:16]


_NO_REVISION: Final = -1
"""Of an item whose revision is missing or no number. The next one is 1 as it is of a new item."""
_SILENCE_AGAIN: Final = "silence it again with `enigap silence`."


def _next(revision: int | None) -> int:
    return 1 if revision is None else max(revision, 0) + 1


def _revision(item: Mapping[str, Any]) -> int | None:
    """An item's revision; None without an item. Raises StateUnreadableError."""
    if not item:
        return None
    if "N" not in item.get("revision", {}):
        return _NO_REVISION
    try:
        return int(item["revision"]["N"])
    except MAKES_NO_SENSE as error:
        raise StateUnreadableError(
            f"The item {item['id']['S'][:80]!r} in the state table has no revision that is a whole number: "
            "delete it."
        ) from error


def _known(item: Mapping[str, Any]) -> Known:
    left = (item.get(name, {}).get("N", "0") for name in ("nodes", "open_incidents", "unsaid"))
    return Known(
        cluster=item["cluster"]["S"],
        done_or_since=_instant(item.get("done") or item.get("planned_since")),
        is_alive="done" not in item or any(number != "0" for number in left),
        is_left=item.get("left", {}).get("BOOL") is True,
    )


def _instant(attribute: Mapping[str, Any] | None) -> datetime:
    """A damaged attribute counts as very old: its cluster is overdue, and the others are planned."""
    try:
        return instant((attribute or {}).get("S"))
    except (TypeError, ValueError):
        return _NEVER
