"""`enigap demo`: the whole pipeline on an AWS of its own, no account needed."""

from __future__ import annotations

from enigap.demo import run


def command() -> int:
    """Recorded nodes, judged: the whole pipeline on an embedded AWS, no account needed."""
    return run.demo()
