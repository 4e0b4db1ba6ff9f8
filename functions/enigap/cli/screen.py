"""Writes results to stdout, which may be a terminal, a file or a pipe, in any encoding."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from typing import Any, Final, NoReturn, TextIO, cast

from rich.console import Console, RenderableType
from rich.constrain import Constrain

from enigap.core.documents import Document


class ClosedPipeError(Exception):
    """stdout is a closed pipe. Rich and typer would exit with 1, which means that a node is unexplained."""


class Screen(Console):
    """A console that prints text literally, without parsing markup or names of emojis."""

    def __init__(self) -> None:
        output = sys.stdout if sys.stdout.isatty() else cast("TextIO", _WithoutPadding(sys.stdout))
        super().__init__(highlight=False, markup=False, emoji=False, file=output)

    def on_broken_pipe(self) -> NoReturn:
        raise ClosedPipeError


class _WithoutPadding:
    """A file or a pipe, for which the blanks are cut with which rich pads paragraphs and tables."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)

    def write(self, text: str) -> int:
        return self._output.write(re.sub(r" +$", "", text, flags=re.MULTILINE))


_PROSE_COLUMNS: Final = 120
"""Longer lines are hard to read."""


def prose(text: RenderableType) -> Constrain:
    """Text whose lines are no longer than people read with ease, however wide the terminal."""
    return Constrain(text, _PROSE_COLUMNS)


def write(document: Document, *, indent: int | None = None) -> None:
    """Write the JSON document to stdout."""
    write_text(json.dumps(document, indent=indent, allow_nan=False) + "\n")


def write_text(text: str) -> None:
    """Write to stdout."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise ClosedPipeError from None


def show_every_character() -> None:
    """Escape characters that the encoding lacks, such as an umlaut on an ASCII terminal."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def stop_writing() -> None:
    """Point stdout at /dev/null, so that the flush at exit cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
