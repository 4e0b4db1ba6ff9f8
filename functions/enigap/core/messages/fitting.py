"""Text for messages: cut to what a channel takes, and the wording of numbers and times."""

from __future__ import annotations

import json
import shlex
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from enigap.core.counting.window import GRID
from enigap.core.text import duration, printable

LONGEST_NAME: Final = 120
"""Characters of one name. AWS's and Kubernetes' own have fewer."""

_FEW_WINDOWS: Final = ("one window", "two windows", "three windows", "four windows")


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


def fitting(pieces: Iterable[str], room: int, size: Callable[[str], int]) -> int:
    """How many of the pieces, from the first, fit into so much room."""
    fit = 0
    for piece in pieces:
        room -= size(piece)
        if room < 0:
            break
        fit += 1
    return fit


def lasting(start: datetime, end: datetime) -> str:
    """For how long, and when: `two windows (14:00-14:30 UTC)`, `26 h 15 min (since 2026-01-01 14:00 UTC)`.

    The windows of the first hour are counted, for they are what an incident is confirmed by.
    """
    windows, more = divmod(end - start, GRID)
    is_few = not more and 0 < windows <= len(_FEW_WINDOWS)
    when = f"{start:%H:%M}-{end:%H:%M} UTC" if _same_day(start, end) else f"since {_minute(start)} UTC"
    return f"{_FEW_WINDOWS[windows - 1] if is_few else duration(end - start)} ({when})"


def beginning_and_end(start: datetime, end: datetime) -> str:
    """Of what is over: `began at 12:15 and was resolved at 14:30 UTC (2 h 15 min)`."""
    if _same_day(start, end):
        first, last = f"{start:%H:%M}", f"{end:%H:%M}"
    else:
        first, last = _minute(start), _minute(end)
    return f"began at {first} and was resolved at {last} UTC ({duration(end - start)})"


def _same_day(start: datetime, end: datetime) -> bool:
    """Whether a span is within one day; midnight ends the day before it."""
    return (end - timedelta(microseconds=1)).date() == start.date()


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"


_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def with_entities(text: str) -> str:
    """Text in which Slack and Teams read no markup of angle brackets."""
    return text.translate(_ENTITIES)
