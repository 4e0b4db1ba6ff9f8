"""Shared by the handlers: log formatting, the AWS clients, and the type of Lambda's context."""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Final, Protocol

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from enigap.aws.clients import Aws
from enigap.aws.discovery import Memory
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


_ACCOUNT = re.compile(r"""(?<=[:/"'=@])\d{12}(?=[:/"'\\@.])|(?<=account )\d{12}(?!\d)""")
"""In ARNs and URLs, as a whole quoted value, as in a work item's text, and after the word."""


@cache
def discovered(_: Aws) -> Memory:
    """What discovery need not ask again, kept as long as the clients."""
    return Memory()


aws = cache(Aws)
"""AWS clients for the function's account and region, created once and reused by later invocations."""
