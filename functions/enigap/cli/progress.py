"""A progress line on stderr, after a second. Only a terminal gets it; a pipe or a log gets errors only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TextIO

from rich.console import Console
from rich.text import Text

from enigap.core.text import printable

PATIENCE_SECONDS = 1.0

Say = Callable[[str], None]
"""Replaces the text of the progress line."""


@contextmanager
def progress(terminal: TextIO | None = None, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[Say]:
    """Show a progress line on stderr, or on another terminal, and erase it at the end."""
    terminal = terminal or sys.stderr
    if not terminal.isatty():
        yield lambda _: None
        return
    status = Console(file=terminal).status("")
    timer = Timer(patience_seconds, status.start)
    timer.daemon = True
    timer.start()
    try:
        # A Text, because names in a plain string would be parsed as markup.
        yield lambda text: status.update(Text(printable(text)))
    finally:
        timer.cancel()
        timer.join()
        status.stop()
