"""The notice: what an operator muted, or ended muting, told to the channels of findings as one JSON object.

Written from a silence, read into values that the letter can rely on, as a notification is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from enigap.core import strict
from enigap.core.documents import Document
from enigap.core.incidents.incident import Silence
from enigap.core.instants import instant, timestamp
from enigap.core.messages.fitting import cut
from enigap.core.messages.notification import reading

NOTICE_SCHEMA: Final = "enigap.notice/1"

_LONGEST: Final = 1_000
"""Characters of what an operator typed."""


class NoticeKind(StrEnum):
    """What an operator has done."""

    MUTED = "muted"
    UNMUTED = "unmuted"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that has been read."""

    account: str
    region: str
    kind: NoticeKind
    incident: str
    """The id of an incident, a pattern of one, a cluster or an instance id."""
    until: datetime | None
    why: str
    by: str | None
    """The last part of the caller's ARN; None where AWS did not say."""


def notice_document(
    kind: NoticeKind, silence: Silence, *, account: str, region: str, by: str | None
) -> Document:
    """The notice about a silence that begins or was ended by hand."""
    return {
        "schema": NOTICE_SCHEMA,
        "account": account,
        "region": region,
        "notice": kind.value,
        "incident": cut(silence.target, _LONGEST),
        "until": timestamp(silence.until) if kind is NoticeKind.MUTED else None,
        "why": cut(silence.why, _LONGEST),
        "by": by,
    }


def read_notice(document: Any) -> Notice:
    """The notice that a JSON value is. Raises NotANotificationError."""
    with reading("notice"):
        until = document["until"]
        return Notice(
            account=strict.text(document["account"]),
            region=strict.text(document["region"]),
            kind=NoticeKind(document["notice"]),
            incident=strict.text(document["incident"]),
            until=None if until is None else instant(until).astimezone(UTC),
            why=strict.text(document["why"]),
            by=strict.optional_text(document.get("by")),
        )
