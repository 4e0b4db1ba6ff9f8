"""Plain text: what arrives as an email, and wherever nothing better is known."""

from __future__ import annotations

from typing import Final

from enigap.core.messages.fitting import fitting, json_size
from enigap.core.messages.letter import Letter, Step

MOST_BYTES: Final = 24_000
"""Of the incidents in one email, as JSON; they are in the SNS message twice."""


def prose(letter: Letter) -> str:
    """The whole message as plain text."""
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
