"""What the handlers share."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Final, Protocol

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind

PAUSE_SECONDS: Final = 5
_TO_ANSWER: Final = 10_000  # milliseconds that answering takes at most


class Context(Protocol):
    """What the handlers need of Lambda's context object."""

    @property
    def invoked_function_arn(self) -> str: ...
    def get_remaining_time_in_millis(self) -> int: ...


aws = cache(Aws)
"""The function's own account and region. Clients are made once and serve all later calls."""


def until_allowed(
    attempt: Callable[[], None], context: Context, wait: Callable[[float], None] = time.sleep
) -> None:
    """Attempt again while access is denied and there is time: what a new role may do is not known everywhere
    at once.
    """
    while True:
        try:
            return attempt()
        except AwsProblem as problem:
            soon = context.get_remaining_time_in_millis() < 1000 * PAUSE_SECONDS + _TO_ANSWER
            if problem.kind is not ProblemKind.DENIED or soon:
                raise
        wait(PAUSE_SECONDS)
