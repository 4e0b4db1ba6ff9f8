"""What the handlers share."""

from __future__ import annotations

from functools import cache
from typing import Protocol

from enigap.aws.clients import Aws


class Context(Protocol):
    """What the handlers need of Lambda's context object."""

    @property
    def invoked_function_arn(self) -> str: ...
    def get_remaining_time_in_millis(self) -> int: ...


aws = cache(Aws)
"""The function's own account and region. Clients are made once and serve all later calls."""
