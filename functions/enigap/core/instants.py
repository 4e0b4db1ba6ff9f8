"""Instants as text: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def timestamp(instant: datetime) -> str:
    """RFC 3339 in UTC with a Z, as `2026-01-01T00:15:00Z`; fractions of a second only where there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def instant(text: Any) -> datetime:
    """An instant in UTC from RFC 3339 text. Raises ValueError or TypeError for anything else."""
    if not isinstance(text, str):
        raise TypeError(f"an instant is text such as 2026-01-01T00:15:00Z, not {type(text).__name__}")
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"an instant needs a time zone: {text[:40]!r}")
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"an instant lies within the calendar: {text[:40]!r}") from None
