"""`enigap silence`: mute an incident until a time."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from enigap.cli.arguments import Profile, Region, UsageError
from enigap.cli.deployed import deployed
from enigap.cli.screen import Screen
from enigap.core.documents import timestamp
from enigap.core.incidents import Silence
from enigap.core.text import printable

LONGEST = timedelta(days=90)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def command(
    target: Annotated[
        str,
        typer.Argument(
            help="An incident's id as the message gives it, a pattern of one (prod/*/os_silent), "
            "a cluster, or an instance id.",
            show_default=False,
        ),
    ],
    duration: Annotated[str, typer.Option("--for", help="How long: 30m, 2h or 3d; 0m ends a silence.")],
    why: Annotated[str, typer.Option(help="Why, for those who find it muted.")],
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Say nothing about an incident until a time. What is still open then is told about then."""
    now = datetime.now(UTC)
    until = now + _duration(duration)
    if not target.strip() or not why.strip():
        raise UsageError("A silence takes what to mute and --why: name both.")
    silence = Silence(target.strip(), until, why.strip())
    deployed(profile, region, now).states.silence(silence)
    screen, shown = Screen(), printable(silence.target)
    if until == now:
        screen.print(f"{shown} is no longer muted.")
    else:
        screen.print(f"{shown} is muted until {timestamp(until.replace(microsecond=0))}.")
        screen.print(f"To end that sooner: enigap silence {shlex.quote(shown)} --for 0m --why done")
    return 0


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if not found:
        raise UsageError(f"--for takes a time such as 30m, 2h or 3d, not {text[:40]!r}.")
    duration = int(found[1]) * _UNITS[found[2]]
    if duration > LONGEST:
        raise UsageError(f"--for {text} is longer than {LONGEST.days} days: change the settings instead.")
    return duration
