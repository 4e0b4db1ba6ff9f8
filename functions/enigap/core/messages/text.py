"""Text for messages: cut to what a channel takes, and the wording of numbers and times."""

from __future__ import annotations

import json
import shlex
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from enigap.core.text import printable
from enigap.core.window import GRID

LONGEST_NAME: Final = 120
"""Characters of one name. AWS's and Kubernetes' own have fewer."""

_NUMBERS: Final = ("less than a window", "one window", "two windows", "three windows", "four windows")


def cut(text: str, most: int) -> str:
    """At most so many characters, the last one an ellipsis where some are missing."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def cut_to(text: str, room: int, size: Callable[[str], int]) -> str:
    """As much of the text as fits, measured by `size`, with an ellipsis where some is missing."""
    if size(text) <= room:
        return text
    kept = bisect_right(range(len(text)), room, key=lambda kept: size(f"{text[:kept]}…"))
    return f"{text[: max(0, kept - 1)]}…"


def name(text: str, most: int = LONGEST_NAME) -> str:
    """Text from outside as it is shown, in at most so many characters."""
    return cut(printable(text, most), most)


def argument(text: str) -> str:
    """A name as part of a command to copy into a shell."""
    return shlex.quote(name(text, 400))


def in_ascii(text: str) -> str:
    """Printable ASCII, everything else written out."""
    return printable(text, len(text)).encode("ascii", "backslashreplace").decode()


def json_size(text: str) -> int:
    """How many bytes the text takes as a string in a JSON text of ASCII characters."""
    return len(json.dumps(text))


def count(number: int, noun: str) -> str:
    """`1 node`, `1,312 nodes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def fitting(pieces: Iterable[str], room: int, size: Callable[[str], int] = len) -> int:
    """How many of the pieces, from the first, fit into so much room."""
    fit = 0
    for piece in pieces:
        room -= size(piece)
        if room < 0:
            break
        fit += 1
    return fit


def lasting(start: datetime, end: datetime) -> str:
    """How long and when: `two windows (14:00-14:30 UTC)`, `26 hours (since 2026-01-01 14:00 UTC)`."""
    same_day = (end - timedelta(microseconds=1)).date() == start.date()
    when = f"{start:%H:%M}-{end:%H:%M} UTC" if same_day else f"since {start:%Y-%m-%d %H:%M} UTC"
    return f"{_how_long(end - start)} ({when})"


def _how_long(duration: timedelta) -> str:
    windows = max(0, duration // GRID)
    if windows < len(_NUMBERS):
        return _NUMBERS[windows]
    minutes = duration // timedelta(minutes=1)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
