"""The kinds of values that a bundle keeps, each a function: what a value becomes, or that it is dropped.

A value is a word of a closed list, a number, a time, or a name that `Rewriting` replaces; text of any other
kind has no shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from enigap.aws.bundle.standins import Kind, kind_of_host

DROPPED: Final = object()
"""What a shape returns for something that is not kept."""
OTHER: Final = "other"
"""In place of a word that is in no list."""

Namer: TypeAlias = Callable[[Kind, str], str]


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What names and times become, and which node is kept."""

    name: Namer
    shift: timedelta = timedelta(0)
    instance_id: str | None = None
    """Of instances, series and events those of this node alone are kept; None: all."""

    def is_other(self, instance_id: str) -> bool:
        return self.instance_id not in {None, instance_id}


Shape: TypeAlias = Callable[[Any, Rewriting], Any]

WORDS: set[str] = {OTHER}
"""Every word and every member's name that a bundle may have as text; filled as `shapes` are defined."""


def number(value: Any, _: Rewriting) -> Any:
    """A JSON number. A number of a million digits or so is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < 1e300 else DROPPED


def flag(value: Any, _: Rewriting) -> Any:
    return value if isinstance(value, bool) else DROPPED


def word(*allowed: str) -> Shape:
    """One of these, or `other`."""
    WORDS.update(allowed)
    known = frozenset(allowed)
    return lambda value, _: (value if value in known else OTHER) if isinstance(value, str) else DROPPED


def name(kind: Kind) -> Shape:
    return lambda value, to: to.name(kind, value) if isinstance(value, str) and value else DROPPED


def host(value: Any, to: Rewriting) -> Any:
    """A node's name, which may be its instance id."""
    return to.name(kind_of_host(value), value) if isinstance(value, str) and value else DROPPED


def seconds(value: Any, to: Rewriting) -> Any:
    """An instant as seconds since the epoch, or as the SDK takes it."""
    if isinstance(value, datetime):
        value = int(value.timestamp())
    moved = number(value, to)
    return moved if moved is DROPPED else moved - type(moved)(to.shift.total_seconds())


def milliseconds(value: Any, to: Rewriting) -> Any:
    moved = number(value, to)
    return moved if moved is DROPPED else moved - int(to.shift.total_seconds() * 1000)


def milliseconds_in_text(value: Any, to: Rewriting) -> Any:
    """As an event of the classic agent has them."""
    is_one = isinstance(value, str) and re.fullmatch(r"\d{13}", value)
    return str(milliseconds(int(value), to)) if is_one else DROPPED


def iso_time(value: Any, to: Rewriting) -> Any:
    try:
        moment = datetime.fromisoformat(value) - to.shift
    except (TypeError, ValueError, OverflowError):
        return DROPPED
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def shaped(pattern: str) -> Shape:
    """Text of a stated shape that identifies no user, such as an instance type."""
    compiled = re.compile(pattern)
    SHAPES.append(compiled)
    return lambda value, _: value if isinstance(value, str) and compiled.fullmatch(value) else DROPPED


SHAPES: list[re.Pattern[str]] = []
"""Of text that is allowed for its shape; filled as they are defined."""


def each(shape: Shape) -> Shape:
    def rewrite(value: Any, to: Rewriting) -> Any:
        if not isinstance(value, list | tuple):
            return DROPPED
        return [kept for item in value if (kept := shape(item, to)) is not DROPPED]

    return rewrite


def members(**shapes: Shape) -> Shape:
    """An object: these of its members, where they have their shape."""
    WORDS.update(shapes)

    def rewrite(value: Any, to: Rewriting) -> Any:
        if not isinstance(value, Mapping):
            return DROPPED
        pairs = ((key, shape(value[key], to)) for key, shape in shapes.items() if key in value)
        return {key: kept for key, kept in pairs if kept is not DROPPED}

    return rewrite


JOINED: Final = "joined"
"""The member of an object that stands for text: its parts, each a word or a stand-in."""
AS_TEXT: Final = "as_text"
"""The same for text that holds JSON: the JSON."""
WORDS |= {JOINED, AS_TEXT}


def joined(*parts: str) -> dict[str, list[str]]:
    return {JOINED: list(parts)}


def text_of_json(shape: Shape) -> Shape:
    """Text that holds JSON."""

    def rewrite(value: Any, to: Rewriting) -> Any:
        try:
            kept = shape(json.loads(value), to)
        except (TypeError, ValueError, RecursionError):
            return DROPPED
        return kept if kept is DROPPED else {AS_TEXT: kept}

    return rewrite


def as_it_was(value: Any) -> Any:
    """The same document with text in place of the objects that stand for it."""
    if isinstance(value, list):
        return [as_it_was(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if JOINED in value:
        return "".join(value[JOINED])
    if AS_TEXT in value:
        return json.dumps(as_it_was(value[AS_TEXT]))
    return {key: as_it_was(child) for key, child in value.items()}


def texts_in(value: Any) -> Iterable[str]:
    """Every string in a document, names of members included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield str(key)
            yield from texts_in(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from texts_in(child)
