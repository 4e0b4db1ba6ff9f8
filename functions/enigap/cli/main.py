"""Does counting explain the gap between what the OS counted and what the network interfaces carried?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from enigap.aws.errors import AwsProblem
from enigap.cli import check, demo, estimate, explain
from enigap.cli.arguments import UsageError
from enigap.demo.embedded_aws import EmbeddedAwsError
from enigap.settings import SettingsError

EXIT_UNEXPLAINED = 1
EXIT_COULD_NOT_TELL = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="enigap",
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("check")(check.command)
app.command("explain")(explain.command)
app.command("estimate")(estimate.command)
app.command("demo")(demo.command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Whatever goes wrong is one sentence on stderr; exits with 0, 1 or 2."""
    try:
        status = app(args=arguments, standalone_mode=False)
    except typer.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except typer.TyperException as error:
        _fail(f"{error.format_message().rstrip('.')}: see `enigap --help`.")
    except (AwsProblem, UsageError, SettingsError, EmbeddedAwsError) as error:
        _fail(str(error))
    except BrokenPipeError:
        sys.exit(EXIT_COULD_NOT_TELL)
    sys.exit(status or 0)


def _fail(sentence: str) -> None:
    print(f"enigap: {sentence}", file=sys.stderr)  # noqa: T201
    sys.exit(EXIT_COULD_NOT_TELL)
