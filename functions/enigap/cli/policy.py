"""`enigap policy`: what `check` and `explain` must be allowed to do."""

from __future__ import annotations

from enigap.aws.iam import policy_document
from enigap.cli.screen import write
from enigap.wiring import READ_ACTIONS


def command() -> int:
    """The IAM policy that check, explain, report and backtest need. It reads, and writes nothing."""
    write(policy_document(READ_ACTIONS), indent=2)
    return 0
