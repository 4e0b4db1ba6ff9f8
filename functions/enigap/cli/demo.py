"""`enigap demo`: runs the demo of a checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from enigap.cli.arguments import UsageError

CHECKOUT = Path(__file__).parents[3]


def command() -> NoReturn:
    """Run the whole pipeline with recorded nodes on an embedded AWS, no account needed."""
    if not (CHECKOUT / "demo" / "__main__.py").exists() or not (CHECKOUT / "cdk.json").exists():
        raise UsageError("The demo needs a checkout: clone the project and run `make demo` in it.")
    # Replace this process, so that a signal reaches the demo and its child processes.
    os.chdir(CHECKOUT)
    os.execv(sys.executable, [sys.executable, "-m", "demo"])  # noqa: S606 - our own interpreter, no shell
