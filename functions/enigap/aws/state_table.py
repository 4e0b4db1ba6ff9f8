"""The DynamoDB table of states: one item for each cluster, and one with all silences.

The partition key is `id`; there is no sort key. Each item has a `revision`, and a write is conditional on the
revision that was read, so the second of two concurrent writers is rejected. The planner reads only the
attributes next to `state`.

| id | attributes |
|---|---|
| cluster#NAME | cluster, revision, state (JSON), done, nodes, open_incidents, unsaid, expires_at |
| cluster#NAME, never judged | cluster, revision 0, planned_since, expires_at |
| silences | revision, silences: target -> until, why |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from enigap.aws.errors import MAKES_NO_SENSE, AwsProblem, calling
from enigap.aws.iam import Statement
from enigap.aws.pages import items, pages
from enigap.core.counting.window import Window
from enigap.core.incidents.incident import ClusterState, Silence
from enigap.core.incidents.state import (
    ConflictError,
    Known,
    Remembered,
    StateUnreadableError,
    from_json,
    to_json,
)
from enigap.core.instants import instant, timestamp

PLAN_ACTIONS: Final = (Statement(("dynamodb:Scan", "dynamodb:PutItem")),)
"""Permissions for `known`, `note_planned` and `rehearse`."""

RECONCILE_ACTIONS: Final = (Statement(("dynamodb:GetItem", "dynamodb:PutItem")),)
"""Permissions for `read` and `write`."""

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

_SILENCES: Final = "silences"
_ATTEMPTS: Final = 5
_REFUSED: Final = "ConditionalCheckFailedException"
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Item = dict[str, dict[str, Any]]


class DynamoDb(Protocol):
    """The part of boto3's DynamoDB client that is used here."""

    def get_item(self, **request: Any) -> dict[str, Any]: ...
    def put_item(self, **request: Any) -> dict[str, Any]: ...
    def scan(self, **request: Any) -> dict[str, Any]: ...


class StateTable:
    """The table, as seen at the time `now`. Each method raises AwsProblem if DynamoDB fails."""

    def __init__(self, dynamodb: DynamoDb, table: str, *, now: datetime) -> None:
        self._dynamodb, self._table, self._now = dynamodb, table, now

    # --- states

    def read(self, cluster: str) -> tuple[Remembered, tuple[Silence, ...]]:
        """A cluster's state, empty if it was never judged, and the silences in force.

        Raises StateUnreadableError for a state that this version cannot read.
        """
        item = self._get(_key(cluster))
        state = from_json(item["state"].get("S", "")) if "state" in item else ClusterState(cluster)
        return Remembered(state, _revision(item)), self.silences()

    def write(self, remembered: Remembered) -> Remembered:
        """Write by compare-and-swap; returns the state with its new revision. Raises ConflictError."""
        state = remembered.state
        attributes: _Item = {
            "cluster": {"S": state.cluster},
            "state": {"S": to_json(state)},
            "nodes": {"N": str(state.nodes)},
            "open_incidents": {"N": str(len(state.incidents))},
            "unsaid": {"N": str(len(state.outbox))},
            EXPIRES_AT: self._expiry(),
        }
        if state.done is not None:
            attributes["done"] = {"S": timestamp(state.done.end)}
        revision = self._swap(_key(state.cluster), attributes, remembered.revision)
        return replace(remembered, revision=revision)

    def known(self) -> Iterator[Known]:
        """Every cluster that has an item."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(f"#{name}" for name in _FOR_THE_PLANNER),
            "ExpressionAttributeNames": {f"#{name}": name for name in _FOR_THE_PLANNER},
        }

        def read(page: Mapping[str, Any]) -> list[Known]:
            return [_known(item) for item in items(page, "Items") if "S" in item.get("cluster", {})]

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
        """The silences in force. Raises StateUnreadableError."""
        return self._in_force(self._get(_SILENCES))

    def silence(self, silence: Silence) -> None:
        """Add a silence or replace that of the same target; expired silences are removed.

        Raises StateUnreadableError, and ConflictError after repeated concurrent changes.
        """
        for left in reversed(range(_ATTEMPTS)):
            try:
                self._silence(silence)
                break
            except ConflictError:
                if not left:
                    raise

    def _silence(self, silence: Silence) -> None:
        item = self._get(_SILENCES)
        others = [each for each in self._in_force(item) if each.target != silence.target]
        in_force = [*others, silence] if silence.until > self._now else others
        silences = {
            each.target: {"M": {"until": {"S": timestamp(each.until)}, "why": {"S": each.why}}}
            for each in in_force
        }
        self._swap(_SILENCES, {"silences": {"M": silences}}, _revision(item))

    def _in_force(self, item: _Item) -> tuple[Silence, ...]:
        try:
            silences = [
                Silence(target, instant(each["M"]["until"]["S"]), each["M"]["why"]["S"])
                for target, each in item.get("silences", {"M": {}})["M"].items()
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateUnreadableError(
                f"The silences are damaged ({type(error).__name__}): "
                f"delete the item {_SILENCES!r} in the state table and silence again."
            ) from error
        return tuple(silence for silence in silences if silence.until > self._now)

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
        revision = 1 if read_at is None else read_at + 1
        item = {"id": {"S": key}, "revision": {"N": str(revision)}, **attributes}
        if read_at is None:
            self._put(item, ConditionExpression="attribute_not_exists(id)")
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


_FOR_THE_PLANNER: Final = ("cluster", "done", "planned_since", "nodes", "open_incidents", "unsaid")


def _key(cluster: str) -> str:
    return f"cluster#{cluster}"


def _revision(item: Mapping[str, Any]) -> int | None:
    """An item's revision; None without an item. Raises StateUnreadableError."""
    if "revision" not in item:
        return None
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
    )


def _instant(attribute: Mapping[str, Any] | None) -> datetime:
    """A damaged attribute counts as very old: its cluster is overdue, and the others are planned."""
    try:
        return instant((attribute or {}).get("S"))
    except (TypeError, ValueError):
        return _NEVER
