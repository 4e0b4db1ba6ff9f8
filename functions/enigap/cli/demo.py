"""`enigap demo`: the whole pipeline on an AWS of its own, no account needed."""

from __future__ import annotations

from enigap.cli.arguments import UsageError


def command() -> int:
    """Recorded nodes, judged: the whole pipeline on an embedded AWS, no account needed."""
    try:
        # Here, for the command line is also installed without what only the demo needs.
        from enigap.demo import run  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"The demo needs a checkout ({missing.name} is not installed): clone the project and run "
            "`make demo`."
        ) from missing
    return run.demo()
