"""Does counting explain the gap between what the OS counted and what the network interfaces carried?"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from enigap.aws.errors import AwsProblem
from enigap.cli import (
    backtest,
    check,
    demo,
    doctor,
    estimate,
    explain,
    notify,
    policy,
    record,
    report,
    runbook,
    silence,
    status,
)
from enigap.cli.arguments import UsageError
from enigap.cli.screen import ClosedPipeError, show_every_character, stop_writing
from enigap.cli.usage import usage_sentence
from enigap.core.incidents.state import ConflictError, StateUnreadableError
from enigap.core.text import printable
from enigap.gc_pause import collect_seldom
from enigap.settings import SettingsError

EXIT_COULD_NOT_TELL = 2
TRACEBACK = "ENIGAP_TRACEBACK"
"""The environment variable with which an unexpected error prints its traceback."""
EXIT_INTERRUPTED = 130

_SENTENCES: tuple[type[Exception], ...] = (AwsProblem, UsageError, SettingsError, StateUnreadableError)
"""Errors whose text is one sentence that names what to do."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""errno values of a write when stdout is redirected to a file on a full disk."""

LONGEST_LINE = 2000
"""Characters of an error message, which may quote text of any length from AWS or a file."""

LOOK = "Look at an account, read-only"
OPERATE = "Operate what is deployed"
TRY = "Try it, and plan"


class _Groups(typer.core.TyperGroup):
    """Lists the commands by group, with their whole first sentence."""

    def format_commands(self, _: Any, formatter: Any) -> None:
        for group in (LOOK, OPERATE, TRY):
            commands: list[Any] = [
                each for each in self.commands.values() if getattr(each, "rich_help_panel", None) == group
            ]
            with formatter.section(group):
                formatter.write_dl([(each.name, each.help.partition("\n\n")[0]) for each in commands])


app = typer.Typer(
    name="enigap",
    cls=_Groups,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag
    if wanted:
        print(f"enigap {version('enigap')}")  # noqa: T201
        raise typer.Exit


@app.callback(help=__doc__)
def _enigap(
    *,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options of `enigap` itself."""


app.command("check", rich_help_panel=LOOK)(check.command)
app.command("explain", rich_help_panel=LOOK)(explain.command)
app.command("backtest", rich_help_panel=LOOK)(backtest.command)
app.command("report", rich_help_panel=LOOK)(report.command)
app.command("doctor", rich_help_panel=LOOK)(doctor.command)
app.command("record", rich_help_panel=LOOK)(record.command)
app.command("status", rich_help_panel=OPERATE)(status.command)
app.command("runbook", rich_help_panel=OPERATE)(runbook.command)
app.command("silence", rich_help_panel=OPERATE)(silence.command)
app.command("notify", rich_help_panel=OPERATE)(notify.command)
app.command("estimate", rich_help_panel=TRY)(estimate.command)
app.command("policy", rich_help_panel=TRY)(policy.command)
app.command("demo", rich_help_panel=TRY)(demo.command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Expected errors are one sentence on stderr; exits with 0, 1, 2 or 130."""
    given = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    run(lambda: _started(given))


def _started(arguments: Sequence[str]) -> int | None:
    for each in arguments:
        if any("\ud800" <= character <= "\udfff" for character in each):  # so comes what is no UTF-8
            raise UsageError(f"{each[:40]!r} is no text in UTF-8: type it anew.")
    status: int | None = app(args=arguments, prog_name="enigap", standalone_mode=False)
    return status


def run(command: Callable[[], int | None], expected: tuple[type[Exception], ...] = ()) -> NoReturn:
    """Run a command and exit with its status. `expected` errors are printed without a traceback."""
    show_every_character()
    collect_seldom()
    try:
        code = command()
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except typer.TyperException as error:
        _fail(usage_sentence(error))
    except _SENTENCES + expected as error:
        _fail(str(error))
    except ConflictError as error:
        _fail(f"{str(error).rstrip('.')}: run it again.")
    except ClosedPipeError:
        stop_writing()
        sys.exit(EXIT_COULD_NOT_TELL)
    except Exception as error:  # noqa: BLE001 - uncaught, Python exits with 1: "a node is unexplained"
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            stop_writing()
            _fail(
                f"The output cannot be written ({error.strerror or error}): make room, or send it elsewhere."
            )
        if TRACEBACK in os.environ:
            traceback.print_exc()
        # Its text is not quoted: it may hold anything, secrets included.
        _fail(
            f"enigap itself failed ({type(error).__name__}{_place_of(error)}): report it as a bug, with what "
            f"{TRACEBACK}=1 prints in front of this."
        )
    sys.exit(code or 0)


def _place_of(error: Exception) -> str:
    """The module and line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _fail(sentence: str) -> NoReturn:
    for line in f"enigap: {sentence}".splitlines():
        print(printable(_with_both_ends(line), most=LONGEST_LINE), file=sys.stderr)  # noqa: T201
    sys.exit(EXIT_COULD_NOT_TELL)


def _with_both_ends(line: str) -> str:
    """Shorten a long line in its middle: its end says what to do."""
    half = (LONGEST_LINE - 1) // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]}…{line[-half:]}"
