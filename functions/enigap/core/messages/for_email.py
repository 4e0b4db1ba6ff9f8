"""Plain text: what arrives as an email, and wherever nothing better is known.

Lines have at most 72 characters. A link or a command stands alone on its line, however long, so that a mail
program breaks neither. What a line is continued with is indented, and so are commands and links, by more: no
name from outside can begin a line, or look like a command.
"""

from __future__ import annotations

from textwrap import TextWrapper
from typing import Final

from enigap.core.messages.fitting import fitting, json_size
from enigap.core.messages.letter import Letter, Step

MOST_BYTES: Final = 24_000
"""Of the incidents in one email, as JSON; they are in the SNS message twice."""
WIDTH: Final = 72
_BULLET: Final = "  - "
_ALONE: Final = "    "
"""Before a command or a link."""


def prose(letter: Letter) -> str:
    """The whole message as plain text."""
    paragraphs = [p.within(MOST_BYTES // 2, size=json_size, bullet=_BULLET) for p in letter.paragraphs]
    shown = fitting(paragraphs, MOST_BYTES, json_size)
    texts = [letter.preface, *paragraphs[:shown], letter.rest(shown)]
    parts = [
        *(_wrapped(text) for text in texts if text),
        "\n".join(f"{what}:\n{_ALONE}{link}" for what, link in letter.links),
        "\n".join(_step(step) for step in letter.steps),
        _wrapped(f"{letter.circumstances}."),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _step(step: Step) -> str:
    what = _wrapped(step.what)
    return f"{what}\n{_ALONE}{step.command}" if step.command else what


def _wrapped(text: str) -> str:
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    indent = "    " if line.startswith(_BULLET) else "  "
    return TextWrapper(WIDTH, subsequent_indent=indent, break_on_hyphens=False).fill(line)
