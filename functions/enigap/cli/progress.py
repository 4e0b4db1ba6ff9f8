"""What is going on, on stderr, once it takes longer than a second."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console

PATIENCE_SECONDS = 1.0


class Progress:
    """One line that says what goes on. On a terminal it replaces itself; elsewhere each step is a line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("") if console.is_terminal else None
        self._is_due = False
        self._text = ""

    def step(self, text: str) -> None:
        """Say what happens next."""
        self._text = text
        if self._is_due:
            self._show()

    def _show(self) -> None:
        if self._status is not None:
            self._status.update(self._text)
        elif self._text:
            self._console.print(f"enigap: {self._text}", markup=False, highlight=False)

    def _start(self) -> None:
        self._is_due = True
        if self._status is not None:
            self._status.start()
        self._show()

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Shown after a second, and gone at the end."""
        timer = Timer(PATIENCE_SECONDS, self._start)
        timer.daemon = True
        timer.start()
        try:
            yield self
        finally:
            timer.cancel()
            timer.join()
            if self._status is not None:
                self._status.stop()


def progress() -> Progress:
    """The progress line of this process."""
    return Progress(Console(file=sys.stderr))
