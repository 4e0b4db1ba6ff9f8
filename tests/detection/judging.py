"""The product's judgement on one window of a life, with the devices of every node read."""

from __future__ import annotations

from typing import Final

from enigap.core.counting.rules import Rules
from enigap.core.counting.window import MINUTE, FetchSpan, Window
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Verdict
from tests.fakes.node_life import NodeLife

RULES: Final = Rules()


def judge_window(life: NodeLife, window: Window, /) -> list[Verdict]:
    """The verdict, if it is an unexplained one. Events count that are there once the window has settled."""
    span = FetchSpan.of(window, RULES.windows_fetched)
    events = life.events(span.start - 5 * MINUTE, window.end + RULES.settle)
    judgement = judge(life.simulated.node, life.readings(span), events, window, RULES)
    return [judgement.verdict] if judgement.explained is False else []
