"""`enigap check --watch`: looks again when the next window has settled, and redraws in place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, NoReturn

from enigap.aws.errors import AwsProblem
from enigap.cli.look import Look
from enigap.cli.screen import Screen
from enigap.core.counting.window import Window
from enigap.core.text import printable

_LONGEST_WAIT_SECONDS: Final = 30.0
"""A machine that slept looks at the time again soon after it has woken."""


def watch(
    screen: Screen,
    look: Callable[[], Look],
    draw: Callable[[Screen, Look], None],
    *,
    now: Callable[[], datetime],
    wait: Callable[[float], None],
) -> NoReturn:
    """Look and draw until interrupted. A first look that fails ends it; a later one is told and repeated."""
    looked = look()
    while True:
        screen.clear()
        draw(screen, looked)
        due = looked.window.next().end + looked.settings.settle
        while True:
            screen.print(
                f"\nLooks again at {due:%H:%M} UTC, when the next window has settled. Ctrl-C ends it."
            )
            while (left := (due - now()).total_seconds()) > 0:
                wait(min(left, _LONGEST_WAIT_SECONDS))
            try:
                looked = look()
                break
            except AwsProblem as problem:
                screen.print(printable(str(problem), most=1000), style="yellow")
                settle = looked.settings.settle
                due = Window.newest_settled(now(), settle).next().end + settle
