"""What the handlers share."""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Protocol

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from enigap.aws.clients import Aws
from enigap.gc_pause import collect_seldom

collect_seldom()


class Context(Protocol):
    """What the handlers need of Lambda's context object."""

    @property
    def invoked_function_arn(self) -> str: ...
    def get_remaining_time_in_millis(self) -> int: ...


class LogLines(LambdaPowertoolsFormatter):
    """Powertools' log lines without the account's number, which is in every ARN and in a queue's address."""

    def format(self, record: logging.LogRecord) -> str:
        return _ACCOUNT.sub("ACCOUNT", super().format(record))


_ACCOUNT = re.compile(r"(?<=[:/])\d{12}(?=[:/])")

aws = cache(Aws)
"""The function's own account and region. Clients are made once and serve all later calls."""
