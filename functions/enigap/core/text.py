"""Makes untrusted text (names, tags, error messages) safe to show on one line; formats numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Final

LONGEST_SHOWN: Final = 200
"""Characters of a name that are shown. Kubernetes and AWS names are shorter than 256."""


def printable(text: str, most: int = LONGEST_SHOWN) -> str:
    r"""The text on one line with what cannot be seen written out, as `\x1b` or `\u202e`; cut if too long."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(_visible(character) for character in cut)


def _visible(character: str) -> str:
    # Not printable: controls and newlines, format characters (text can be made to read backwards with them),
    # surrogates, private use, unassigned, and every space but the ordinary one.
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def matches(name: str, patterns: Collection[str]) -> bool:
    """Whether a name matches one of the patterns, which may have * and ?; true without patterns."""
    return not patterns or name in patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def count(number: int, noun: str) -> str:
    """`1 node`, `1,312 nodes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """`a, b, c, d and 32 more`."""
    more = f" and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


_MOST_LISTED: Final = 4


def percent(fraction: float) -> str:
    """`8 %`, `12.5 %`."""
    return f"{100 * fraction:.3g} %"


def duration(time: timedelta) -> str:
    """To the minute: `45 min`, `26 h 15 min`, `3 days 2 h`."""
    hours, minutes = divmod(max(0, time // timedelta(minutes=1)), 60)
    days, hours = divmod(hours, 24) if hours >= 48 else (0, hours)
    parts = ((days, "days"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{number:,} {unit}" for number, unit in parts if number) or "0 min"
