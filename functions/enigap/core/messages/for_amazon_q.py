"""The custom notification that Amazon Q Developer in chat applications posts to Slack or Teams.

The document's form is AWS's (Amazon Q Developer in chat applications, administrator guide, custom
notifications); it goes to the `https` protocol, by which Q is subscribed.
"""

from __future__ import annotations

import re
from typing import Final

from enigap.core.documents import Document
from enigap.core.messages.fitting import cut, cut_to, fitting, json_size, name, with_entities
from enigap.core.messages.letter import Letter, Step

LONGEST_TITLE: Final = 250
MOST_BYTES: Final = 5_000
"""Of the incidents, as JSON. The whole description may have 8,000 characters."""
LONGEST_COMMAND: Final = 500

# What starts formatting in Slack's or Teams' markdown. An underscore inside a word does not: `os_silent`.
_MARKS: Final = re.compile(r"([*~\[\]#|\\]|(?<![^\W_])_|_(?![^\W_]))")
_LINK: Final = re.compile(r"https://[!-)+-;=?-Z_a-z]+")
"""An address without a mark that it could not be clicked on with, or that something could hide behind."""
_ENTITY: Final = re.compile(r"&#?\w+;")
_NOTHING: Final = "\N{ZERO WIDTH SPACE}"


def amazon_q(letter: Letter) -> Document:
    """Amazon Q's notification for the message."""
    steps = {"nextSteps": [_step(step) for step in letter.steps]} if letter.steps else {}
    return {
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": cut_to(_literal(letter.title), LONGEST_TITLE, json_size),
            "description": _description(letter),
            **steps,
            "keywords": [_literal(name(word)) for word in (letter.cluster, letter.region) if word],
        },
        "metadata": {
            # A resolved incident appears below its opening.
            "threadId": name(letter.thread, 250),
            "summary": letter.subject,
            "eventType": "enigap",
            "relatedResources": [name(instance) for instance in letter.instances][:10],
            "additionalContext": {"account": name(letter.account), "region": name(letter.region)},
        },
    }


def _description(letter: Letter) -> str:
    paragraphs = [p.within(MOST_BYTES // 2, size=_size) for p in letter.paragraphs]
    shown = fitting(paragraphs, MOST_BYTES, _size)
    texts = [*paragraphs[:shown], letter.rest(shown), f"{letter.circumstances}."]
    parts = [
        *([_own(letter.preface)] if letter.preface else []),
        *(_literal(text) for text in texts if text),
        *(f"{what}: {_link(link)}" for what, link in letter.links),
    ]
    return "\n\n".join(parts)


def _link(link: str) -> str:
    """An address stays as it is, to be clicked on; what is none, or has marks in it, is text like any other.

    Its `&` stays as well: not every client makes one of `&amp;` in an address that it finds in a text.
    """
    is_plain = _LINK.fullmatch(link) and not _ENTITY.search(link)
    return link if is_plain else _literal(link)


def _step(step: Step) -> str:
    what = _own(step.what)
    return f"{what} {_code(cut(step.command, LONGEST_COMMAND))}" if step.command else what


def _code(command: str) -> str:
    """A command as code, which nothing is formatted in; a backtick would end it."""
    return f"`{with_entities(command).replace('`', ' ')}`"


def _own(text: str) -> str:
    """The project's own words, in which backticks mean code."""
    pieces = enumerate(text.split("`"))
    return "".join(_code(piece) if number % 2 else _literal(piece) for number, piece in pieces)


def _literal(text: str) -> str:
    """Text that shows as it is: marks that cannot be escaped are kept from touching a word.

    A backtick becomes an apostrophe, for a command between two of them must be fit to be copied.
    """
    return with_entities(_MARKS.sub(rf"{_NOTHING}\1{_NOTHING}", text.replace("`", "'")))


def _size(text: str) -> int:
    return json_size(_literal(text))
