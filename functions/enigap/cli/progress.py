"""What is going on, once it takes longer than a second. Shown to people only: a pipe or a log gets errors."""

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
"""Says what happens next."""


@contextmanager
def progress(terminal: TextIO | None = None, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[Say]:
    """A line on stderr, or on another terminal, that replaces itself and is gone at the end."""
    terminal = terminal or sys.stderr
    if not terminal.isatty():
        yield lambda _: None
        return
    status = Console(file=terminal).status("")
    timer = Timer(patience_seconds, status.start)
    timer.daemon = True
    timer.start()
    try:
        # A Text, for a mere string would be read as markup, and there are names in it.
        yield lambda text: status.update(Text(printable(text)))
    finally:
        timer.cancel()
        timer.join()
        status.stop()
