"""What results are printed on: stdout, whatever it is connected to and whatever it can show."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import NoReturn

from rich.console import Console

from enigap.core.documents import Document


class NobodyReadsError(Exception):
    """The other end of stdout is closed. Rich and typer would exit with 1: that something is unexplained."""


class Screen(Console):
    """A console that takes every text as it is: what looks like markup or like an emoji's name stays so."""

    def __init__(self) -> None:
        super().__init__(highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> NoReturn:
        raise NobodyReadsError


def write(document: Document, *, indent: int | None = None) -> None:
    """The document as the one thing that stdout gets."""
    try:
        sys.stdout.write(json.dumps(document, indent=indent, allow_nan=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise NobodyReadsError from None


def show_every_character() -> None:
    """Escape what an encoding lacks, such as a name's umlaut where the terminal speaks ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def stop_writing() -> None:
    """What stdout still holds must not fail again when Python exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
