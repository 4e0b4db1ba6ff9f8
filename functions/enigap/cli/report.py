"""`enigap report`: writes the results of `check` as one self-contained HTML page."""

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
            metavar="FILE", help="The file to write; an existing one is replaced.", show_default=False
        ),
    ],
    cluster: Clusters = None,
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    evidence: Evidence = None,
    settings_file: SettingsFile = None,
) -> int:
    """Write one self-contained HTML page about every node.

    Exit status: the same as `enigap check`.
    """
    # Imported here, because the template engine would delay the start of every other command.
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
    """Check this before any metric is read and billed. Raises UsageError."""
    try:
        can_be = output.name.isprintable() and not output.is_dir() and output.parent.is_dir()
    except OSError:  # the name is too long, or its directory cannot be read
        can_be = False
    if not can_be:
        raise UsageError(
            f"--output {str(output)!r} is no file that can be written: name one, such as report.html, in a "
            "directory that is there."
        )


def _write(output: Path, text: str) -> None:
    """Write the file atomically: a failure leaves an existing one unchanged. Raises UsageError."""
    part = output.with_name(f"{output.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            f"--output {str(output)!r} cannot be written ({error.strerror}): name another file."
        ) from error
