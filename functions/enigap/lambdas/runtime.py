"""Shared by the handlers: log formatting, the AWS clients, and the type of Lambda's context."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import cache
from typing import Final, Protocol

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from enigap.aws.clients import Aws
from enigap.aws.discovery import Memory
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.gc_pause import collect_seldom

collect_seldom()


class Context(Protocol):
    """The members of Lambda's context object that the handlers use."""

    @property
    def invoked_function_arn(self) -> str: ...
    def get_remaining_time_in_millis(self) -> int: ...


LAST_SECONDS: Final = 3.0
"""Kept back to log what happened and to answer."""


def seconds_left(context: Context) -> float:
    """The time that calls to AWS may still take in this invocation."""
    return context.get_remaining_time_in_millis() / 1000 - LAST_SECONDS


class LogLines(LambdaPowertoolsFormatter):
    """Powertools' JSON log lines with the account number, as in ARNs and queue URLs, redacted."""

    def format(self, record: logging.LogRecord) -> str:
        return _ACCOUNT.sub("ACCOUNT", super().format(record))


_ACCOUNT = re.compile(r"""(?<=[:/"'=@])\d{12}(?=[:/"'\\@.])(?!\.\d)|(?<=account )\d{12}(?!\d)""")
"""In ARNs and URLs, as a whole quoted value, as in a work item's text, and after the word. A rate of as many
digits, which has more after the point, stays."""


@cache
def discovered(_: Aws) -> Memory:
    """What discovery need not ask again, kept as long as the clients."""
    return Memory()


aws = cache(Aws)
"""AWS clients for the function's account and region, created once and reused by later invocations."""


# --- the self-test of a deployment


class OutsideProblem(AwsProblem):
    """A problem that no deployment makes or mends: of AWS itself, or of what is not in the stack.

    Its text says so, for that is what reaches who called the function.
    """

    SAYS: Final = "Outside of the stack: "

    @classmethod
    def of(cls, problem: AwsProblem) -> OutsideProblem:
        what = f"{cls.SAYS}{problem.what}"
        return cls(problem.kind, what, problem.remedy, code=problem.code, message=problem.message)


_OF_AWS: Final = {
    ProblemKind.THROTTLED,
    ProblemKind.UNREACHABLE,
    ProblemKind.OUT_OF_TIME,
    ProblemKind.FAILED,
}
_OF_A_KEY: Final = re.compile(r"kms\W?(disabled|invalidstate|notfound)|DisabledException", re.IGNORECASE)
"""Codes of errors about a key that is disabled, about to be deleted, or gone, as KMS, SNS and SQS say it."""


def rehearse(*steps: Callable[[], object]) -> None:
    """Take every step, whatever becomes of the ones before, and raise the first problem.

    Those that a deployment can make come before an `OutsideProblem`.
    """
    problems: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as problem:  # noqa: BLE001 - one of them is raised
            problems.append(_placed(problem))
    if problems:
        raise min(problems, key=lambda each: isinstance(each, OutsideProblem))


def _placed(problem: Exception) -> Exception:
    if not isinstance(problem, AwsProblem) or isinstance(problem, OutsideProblem):
        return problem
    is_outside = problem.kind in _OF_AWS or _OF_A_KEY.match(problem.code)
    return OutsideProblem.of(problem) if is_outside else problem
