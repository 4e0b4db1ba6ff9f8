"""All renderings of a notification as the one message that SNS takes, never above its limit."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

from enigap.core.documents import Document
from enigap.core.messages.fitting import cut, json_size
from enigap.core.messages.for_amazon_q import amazon_q
from enigap.core.messages.for_email import prose
from enigap.core.messages.letter import Letter
from enigap.core.messages.letters import any_letter_of
from enigap.core.messages.notification import NOTIFICATION_SCHEMA, badness, tally_document
from enigap.core.messages.reminder import REMINDER_SCHEMA
from enigap.core.messages.storm import STORM_SCHEMA, storm_within

MOST_BYTES: Final = 255 * 1024
"""SNS takes 256 KiB for all protocols together, message attributes included."""

_LONGEST_STRING: Final = 256
_FIELDS: Final = (
    "schema",
    "id",
    "account",
    "region",
    "cluster",
    "window",
    "settled_at",
    "dashboard_url",
    "runbook_url",
    "test",
    "left_out",
)


def sns_message(document: Document) -> dict[str, str]:
    """What to publish, as SNS names it: Subject and, with MessageStructure=json, Message.

    The message is ASCII, and at most `MOST_BYTES`. People's texts say what they leave out. The notification
    for programs does without device lists first, then without all but the worst nodes, then without the
    mildest incidents, which it counts in `left_out`. Raises NotANotificationError.
    """
    letter = any_letter_of(document)
    text = prose(letter)
    message = {
        "default": text,
        "email": text,
        "https": json.dumps(amazon_q(letter)),
        "lambda": "",
        "sqs": "",
    }
    if document["schema"] == REMINDER_SCHEMA:
        # Subscriptions of its topic filter by the body, which has to be JSON with this field.
        text = json.dumps(
            {"message": text.splitlines(), "NewStateValue": document["NewStateValue"]}, indent=1
        )
        message |= {"default": text, "email": text, "NewStateValue": document["NewStateValue"]}
    room = (MOST_BYTES - len(json.dumps(message))) // 2
    if document["schema"] == STORM_SCHEMA:
        smaller = storm_within(document, room, _size)
    elif document["schema"] == NOTIFICATION_SCHEMA:
        smaller = _within(document, letter, room)
    else:
        smaller = document  # short by itself
    body = json.dumps(smaller)
    message |= {"lambda": body, "sqs": body}
    return {"Subject": letter.subject, "MessageStructure": "json", "Message": json.dumps(message)}


def _within(document: Document, letter: Letter, room: int) -> Document:
    for smaller in _smaller(document):
        if _size(smaller) <= room:
            return smaller
    worst_first = sorted(document["incidents"], key=badness)

    def size(kept: int) -> int:
        return _size(_worst(document, letter, worst_first[:kept]))

    kept = bisect_right(range(len(worst_first) + 1), room, key=size)
    return _worst(document, letter, worst_first[: max(0, kept - 1)])


def _smaller(document: Document) -> Iterator[Document]:
    yield document
    for most in (10, 5, 3, 1):
        yield {**document, "incidents": [_with_nodes(item, most) for item in document["incidents"]]}


def _with_nodes(incident: Document, most: int) -> Document:
    """The incident with at most so many of its nodes, and with their devices only counted."""
    return {**incident, "nodes": [_without_devices(node) for node in incident["nodes"][:most]]}


def _without_devices(node: Document) -> Document:
    evidence = node.get("evidence")
    if not evidence:
        return node
    left_out = len(evidence.get("devices", ())) + evidence.get("devices_left_out", 0)
    return {**node, "evidence": {**evidence, "devices": [], "devices_left_out": left_out}}


def _worst(document: Document, letter: Letter, worst: list[Document]) -> Document:
    """The notification with only the worst incidents, each with its worst node, and the rest counted."""
    smaller: Document = {
        **{key: document[key] for key in _FIELDS if key in document},
        "incidents": [_with_nodes(item, 1) for item in worst],
        "left_out": [tally_document(tally) for tally in letter.beyond(len(worst))],
    }
    shortened: Document = _shortened(smaller)
    return shortened


def _shortened(value: Any) -> Any:
    """The JSON value with its long strings cut."""
    if isinstance(value, str):
        return cut(value, _LONGEST_STRING)
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return value


def _size(document: Document) -> int:
    return json_size(json.dumps(document))
