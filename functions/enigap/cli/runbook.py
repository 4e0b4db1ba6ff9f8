"""`enigap runbook`: what a verdict, cause, finding or alarm means, how to confirm it, and what fixes it."""

from __future__ import annotations

import re
from difflib import get_close_matches
from importlib.resources import files
from typing import Annotated

import typer

from enigap.cli.arguments import UsageError
from enigap.cli.screen import Screen
from enigap.core.text import printable

_HEADING = re.compile(r"^(##|###) (.+)\n", re.MULTILINE)


def command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A verdict, cause, finding or alarm, as a message names it; without one, all names.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Read what a verdict, cause, finding or alarm means and what fixes it."""
    screen = Screen()
    if name is None:
        for group, sections in _groups().items():
            screen.print(f"{group}: {', '.join(sections)}\n" if sections else "", end="")
        screen.print("To read one: enigap runbook NAME")
        return 0
    screen.print(section(name), end="", soft_wrap=True)
    return 0


def section(name: str) -> str:
    """The section of this name; an alarm's name may begin with its stack's. Raises UsageError."""
    wanted = name.strip().lower()
    for each in sorted(section_names(), key=len, reverse=True):
        if wanted == each.lower() or wanted.endswith(f"-{each.lower()}"):
            return f"{each}\n\n{_sections()[each]}"
    names = {each.lower(): each for each in section_names()}
    near = get_close_matches(wanted, names, n=1, cutoff=0.8)
    meant = f" Did you mean {names[near[0]]!r}?" if near else ""
    raise UsageError(
        f"The runbook has no section {printable(name)!r}.{meant} To see all names, run `enigap runbook`."
    )


def section_names() -> list[str]:
    return [name for sections in _groups().values() for name in sections]


def text() -> str:
    """docs/runbook.md, which is a part of the installed package."""
    return files("enigap.cli").joinpath("runbook.md").read_text(encoding="utf-8")


def _groups() -> dict[str, list[str]]:
    """The names of the sections by the chapters that they are in."""
    groups: dict[str, list[str]] = {}
    for level, heading in _HEADING.findall(text()):
        if level == "##":
            groups[heading] = []
        else:
            groups[list(groups)[-1]].append(heading)
    return groups


def _sections() -> dict[str, str]:
    """What each heading has below it."""
    _, *pieces = _HEADING.split(text())
    return {
        heading: body.strip("\n") + "\n" for heading, body in zip(pieces[1::3], pieces[2::3], strict=True)
    }
