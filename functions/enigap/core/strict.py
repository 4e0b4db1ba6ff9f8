"""Readers of untrusted JSON: they return a value of the expected type or raise TypeError."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from enigap.core.counting.units import ByteRate

MOST_COUNTED: Final = 1_000_000_000
"""No count of nodes, incidents or runs is larger."""


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise _unexpected("text", value)
    return value


def some_text(value: Any) -> str:
    """Raises ValueError for a text without a character."""
    if not text(value):
        raise ValueError("expected a text, found an empty one")
    return text(value)


def items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _unexpected("a list", value)
    return value


def optional_text(value: Any) -> str | None:
    return None if value is None else text(value)


def optional_flag(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise _unexpected("true or false", value)
    return value


def count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MOST_COUNTED:
        raise _unexpected("a count", value)
    return value


def rate(value: Any) -> ByteRate | None:
    """Bytes per second; None for null and for impossible rates: negative, infinite, not a number.

    Raises OverflowError for an integer that no float can hold.
    """
    if value is not None and type(value) not in {int, float}:
        raise _unexpected("a number", value)
    is_known = value is not None and math.isfinite(value) and value >= 0
    return ByteRate(float(value)) if is_known else None


def known_rate(value: Any) -> ByteRate:
    """Bytes per second. Raises TypeError for null and for impossible rates."""
    known = rate(value)
    if known is None:
        raise _unexpected("a rate", value)
    return known


def unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of an object. Raises ValueError if a key is there twice, of which parsers keep the last."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"{key[:40]!r} twice")
        values[key] = value
    return values


def _unexpected(expected: str, value: Any) -> TypeError:
    return TypeError(f"expected {expected}, found {type(value).__name__}")
