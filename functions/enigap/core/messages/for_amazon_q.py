"""The custom notification that Amazon Q Developer in chat applications posts to Slack or Teams.

The document's form is AWS's (Amazon Q Developer in chat applications, administrator guide, custom
notifications); it goes to the `https` protocol, by which Q is subscribed.
"""

from __future__ import annotations

import re
from typing import Final

from enigap.core.documents import Document
from enigap.core.messages.event import read
from enigap.core.messages.for_people import subject_of
from enigap.core.messages.letter import Letter, Step, compose
from enigap.core.messages.text import cut, fitting, json_size, name

LONGEST_TITLE: Final = 250
MOST_BYTES: Final = 5_000
"""Of the incidents, as JSON. The whole description may have 8,000 characters."""
LONGEST_COMMAND: Final = 500

_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What starts formatting in Slack's or Teams' markdown. An underscore inside a word does not: `os_silent`.
_MARKS: Final = re.compile(r"([*~`\[\]#|\\]|(?<![^\W_])_|_(?![^\W_]))")
_NOTHING: Final = "\N{ZERO WIDTH SPACE}"


def amazon_q(document: Document) -> Document:
    """The notification for an event. Raises NotAnEventError."""
    event = read(document)
    letter = compose(event)
    one = event.incidents[0] if len(event.incidents) == 1 and not event.left_out else None
    nodes = [node.instance_id for incident in event.incidents for node in incident.nodes]
    return {
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": cut(_literal(subject_of(event)), LONGEST_TITLE),
            "description": _description(letter),
            "nextSteps": [_step(step) for step in letter.steps],
            "keywords": [_literal(name(word)) for word in (event.cluster, event.region) if word],
        },
        "metadata": {
            # A resolved incident appears below its opening.
            "threadId": name(one.id if one else event.cluster, 250),
            "summary": subject_of(event),
            "eventType": "enigap",
            "relatedResources": [name(node) for node in dict.fromkeys(nodes)][:10],
            "additionalContext": {"account": name(event.account), "region": name(event.region)},
        },
    }


def _description(letter: Letter) -> str:
    paragraphs = [p.within(MOST_BYTES // 2, size=_size) for p in letter.paragraphs]
    shown = fitting(paragraphs, MOST_BYTES, _size)
    texts = [letter.preface, *paragraphs[:shown], letter.rest(shown), f"{letter.circumstances}."]
    links = [_link(link) for link in (letter.dashboard, letter.runbook) if link]
    return "\n\n".join([*(_literal(text) for text in texts if text), *links])


def _link(link: str) -> str:
    """An address stays as it is, to be followed; what is none, or has marks in it, is text like any other."""
    is_plain = link.startswith("https://") and not set("*~") & set(link)
    return _entities(link) if is_plain else _literal(link)


def _step(step: Step) -> str:
    what = _literal(step.what)
    return f"{what} {_code(cut(step.command, LONGEST_COMMAND))}" if step.command else what


def _code(command: str) -> str:
    """A command as code, which nothing is formatted in; a backtick would end it."""
    return f"`{_entities(command).replace('`', ' ')}`"


def _literal(text: str) -> str:
    """Text that shows as it is: marks that cannot be escaped are kept from touching a word."""
    return _entities(_MARKS.sub(rf"{_NOTHING}\1{_NOTHING}", text))


def _entities(text: str) -> str:
    return text.translate(_ENTITIES)


def _size(text: str) -> int:
    return json_size(_literal(text))
