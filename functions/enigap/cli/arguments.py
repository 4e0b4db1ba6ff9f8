"""Options and arguments that several commands share, and their parsing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from enigap.aws.clients import Aws
from enigap.cli.deployed import deployed
from enigap.core.counting.rules import EvidencePolicy, Rules
from enigap.core.counting.window import FetchSpan, Window
from enigap.settings import Settings, SettingsError

MINUTES_KEPT = timedelta(days=15)
"""How long CloudWatch keeps one-minute data."""
MOST_DAYS = MINUTES_KEPT.days - 1
"""That a command may reach back."""


class UsageError(Exception):
    """Invalid arguments. `str()` is one sentence that says what to do."""


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"


Region = Annotated[
    str | None,
    typer.Option(metavar="REGION", help="The AWS region; by default that of the environment or profile."),
]
Profile = Annotated[str | None, typer.Option(metavar="PROFILE", help="The AWS profile.")]


def _stack_name(given: str | None) -> str | None:
    if given is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", given):
        raise UsageError(f"--stack takes a CloudFormation stack's name such as enigap, not {given[:40]!r}.")
    return given


Stack = Annotated[
    str | None,
    typer.Option(
        "--stack",
        metavar="NAME",
        callback=_stack_name,
        help="The deployed stack's name. [default: enigap]",
    ),
]
Clusters = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster",
        metavar="NAME",
        help="A cluster's name, or a pattern; may be repeated. By default all.",
    ),
]


class DeskEvidence(StrEnum):
    """Whose devices a command reads."""

    SUSPECTS = "suspects"
    ALL = "all"
    OFF = "off"
    ALWAYS = "always"
    """The same as all, as the setting has it."""

    @property
    def policy(self) -> EvidencePolicy:
        """What it comes to for one look."""
        if self in {DeskEvidence.ALL, DeskEvidence.ALWAYS}:
            return EvidencePolicy.ALWAYS
        return EvidencePolicy(self.value)


Evidence = Annotated[
    DeskEvidence | None,
    typer.Option(help="Whose devices are looked at, suspects' first. [default: all]"),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Judge the newest window settled at this time: now, -3h, -2d, or such as 2026-01-31T14:00Z. "
        "[default: now]",
    ),
]
Output = Annotated[Format, typer.Option("--format", help="A table for people or JSON for programs.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="A cdk.json whose `enigap` settings to judge by, or `deployed` for those of the deployed "
        "enigap; otherwise the defaults.",
    ),
]
AS_DEPLOYED = Path("deployed")


def options(**values: object) -> tuple[str, ...]:
    """The options that have a value, as arguments for a suggested next command."""
    return tuple(part for name, value in values.items() if value for part in (f"--{name}", str(value)))


def window_at(at: str | None, now: datetime, rules: Rules) -> Window:
    """Parse `--at`: the newest window settled at that time. Raises UsageError."""
    moment = now if at is None else _moment(at, now)
    if moment > now:
        raise UsageError(f"--at {at} is in the future: give a time that has passed.")
    kept_since = now - MINUTES_KEPT
    if moment > kept_since:
        window = Window.newest_settled(moment, rules.settle)
        # A request that starts earlier gets no one-minute data at all, not even of the window itself.
        if FetchSpan.of(window, rules.windows_fetched).start > kept_since:
            return window
    raise UsageError(
        f"--at {at} is too long ago, for CloudWatch keeps minutes for {MINUTES_KEPT.days} days: "
        "give a later time."
    )


_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def span_of_time(text: str) -> timedelta | None:
    """The time that `30m`, `2h` or `3d` is; None for other text."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def _moment(text: str, now: datetime) -> datetime:
    if text == "now":
        return now
    if text.startswith("-") and (ago := span_of_time(text[1:])) is not None:
        return now - min(ago, 2 * MINUTES_KEPT)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--at takes a time such as 2026-01-31T14:00Z, not {text[:40]!r}. Or say now, -3h or -2d."
        ) from None
    if _is_a_day(text):
        raise UsageError(
            f"--at {text} is a whole day: give a time of it, such as {moment.date()}T14:00Z, in UTC."
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_a_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def settings_from(path: Path | None, aws: Aws, stack: str | None = None) -> Settings:
    """The settings in a cdk.json, or those of the deployed enigap, or the defaults.

    `stack` is the name of the deployed one.

    Raises UsageError, SettingsError and, when reading the deployed settings, AwsProblem.
    """
    if stack and path != AS_DEPLOYED:
        raise UsageError("--stack says whose settings to judge by: give --settings deployed, too.")
    if path is None:
        return Settings()
    if path == AS_DEPLOYED:
        return deployed(aws, datetime.now(UTC), stack).settings()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--settings {path} cannot be read ({error.strerror}): name a cdk.json.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"--settings {path} is no JSON ({where}): name a cdk.json.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--settings {path} is no JSON (byte {error.start}): name a cdk.json.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--settings {path} is no JSON that can be read: name a cdk.json.") from error
    context = document.get("context") if isinstance(document, Mapping) else None
    if not isinstance(context, Mapping) or "enigap" not in context:
        # Not the defaults: the user would take them for the settings in the file.
        raise UsageError(f"--settings {path} has no `enigap` in a `context`: name a cdk.json that has.")
    try:
        return Settings.from_mapping(context["enigap"])
    except SettingsError as error:
        raise UsageError(f"--settings {path}: {'; '.join(str(error).splitlines())}") from error
