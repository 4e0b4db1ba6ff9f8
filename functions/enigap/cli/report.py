"""`enigap report`: what `check` sees, as one self-contained page to pass on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from enigap.cli.arguments import At, Clusters, Evidence, Profile, Region, SettingsFile, UsageError
from enigap.cli.look import exit_status, look
from enigap.cli.screen import Screen
from enigap.core.text import printable


def command(  # noqa: PLR0917 - typer passes the options by name
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The file to write; what it held before is replaced.", show_default=False
        ),
    ],
    cluster: Clusters = None,
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    evidence: Evidence = None,
    settings_file: SettingsFile = None,
) -> int:
    """One self-contained page about every node, to open in a browser or to pass on.

    Exit status: the same as `enigap check`.
    """
    # Here, for every other command would wait for the templates, too.
    from enigap.cli.page import page  # noqa: PLC0415

    _require_writable(output)
    looked = look(
        cluster=cluster,
        region=region,
        profile=profile,
        at=at,
        evidence=evidence,
        settings_file=settings_file,
    )
    rules, written = looked.settings.rules(), datetime.now(UTC)
    _write(output, page(looked.region, looked.reports, rules, written=written, notes=looked.notes))
    Screen().print(f"Wrote {printable(str(output), most=1000)}.", soft_wrap=True)
    return exit_status(looked.reports)


def _require_writable(output: Path) -> None:
    """Before anything is read and billed. Raises UsageError."""
    try:
        can_be = output.name.isprintable() and not output.is_dir() and output.parent.is_dir()
    except OSError:  # too long for a name, or in a directory that may not be looked into
        can_be = False
    if not can_be:
        raise UsageError(
            f"--output {str(output)!r} is no file that can be written: name one, such as report.html, in a "
            "directory that is there."
        )


def _write(output: Path, text: str) -> None:
    """All of it, or what was there before. Raises UsageError."""
    part = output.with_name(f"{output.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            f"--output {str(output)!r} cannot be written ({error.strerror}): name another file."
        ) from error
