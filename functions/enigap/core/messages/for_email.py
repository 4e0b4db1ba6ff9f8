"""Subject and plain text: what arrives as an email, and wherever nothing better is known."""

from __future__ import annotations

from typing import Final

from enigap.core.documents import Document
from enigap.core.messages.fitting import fitting, in_ascii, json_size
from enigap.core.messages.letter import Letter, Step, compose, headline
from enigap.core.messages.notification import Event, read

LONGEST_SUBJECT: Final = 99
"""SNS takes fewer than 100 characters, all of them printable ASCII."""

MOST_BYTES: Final = 24_000
"""Of the incidents in one email, as JSON; they are in the SNS message twice."""


def subject(document: Document) -> str:
    """One line of printable ASCII, under 100 characters. Raises NotAnEventError."""
    return subject_of(read(document))


def subject_of(event: Event) -> str:
    what = in_ascii(headline(event))
    start = "enigap: "
    if event.is_test:
        return f"{start}{what}"
    # Names give way to what is the matter, for that may be all that a phone shows.
    room = max(12, LONGEST_SUBJECT - len(start) - len(": ") - len(what))
    cluster = in_ascii(event.cluster[:LONGEST_SUBJECT])
    if len(cluster) > room:
        cluster = f"{cluster[: room - 3]}..."
    text = f"{start}{cluster}: {what}"
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 3]}..."


def prose(document: Document) -> str:
    """The whole message as plain text. Raises NotAnEventError."""
    event = read(document)
    letter = compose(event)
    paragraphs = [p.within(MOST_BYTES // 2, size=json_size, bullet="  - ") for p in letter.paragraphs]
    shown = fitting(paragraphs, MOST_BYTES, json_size)
    parts = [
        letter.title,
        letter.preface,
        *paragraphs[:shown],
        letter.rest(shown),
        _links(letter),
        "\n".join(_step(step) for step in letter.steps),
        f"{letter.circumstances}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _links(letter: Letter) -> str:
    links = (("Dashboard", letter.dashboard), ("Runbook", letter.runbook))
    return "\n".join(f"{what}: {link}" for what, link in links if link)


def _step(step: Step) -> str:
    return f"{step.what}\n  {step.command}" if step.command else step.what
