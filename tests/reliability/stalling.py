"""AWS with one operation that stalls, on a clock that only stalling and sleeping move: no test waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from enigap.aws.clients import Aws
from enigap.aws.deadline import Deadline
from tests.lambdas.conftest import ACCOUNT


class Clock:
    """Seconds since the function began to live."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += max(0.0, seconds)


@dataclass
class Life:
    """Lambda's context object of a function that lives so long by a clock."""

    clock: Clock
    seconds: float
    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:function"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.seconds - self.clock()))


def _error(kind: Callable[..., Exception], url: str) -> Exception:
    return kind(endpoint_url=url, error="")


def never_answers(deadline: Deadline, clock: Clock, url: str) -> Exception:
    """The connection is accepted, and then nothing comes until the client gives up."""
    clock.sleep(deadline.seconds_of_attempt())
    return _error(ReadTimeoutError, url)


def drips(deadline: Deadline, clock: Clock, url: str) -> Exception:
    """A byte comes each second, and never the last one."""
    while deadline.seconds_of_attempt() > 0:
        clock.sleep(1.0)
    return _error(ReadTimeoutError, url)


def resets(_: Deadline, clock: Clock, url: str) -> Exception:
    clock.sleep(0.01)
    return _error(ConnectionClosedError, url)


MANNERS: Final[dict[str, Callable[[Deadline, Clock, str], Exception]]] = {
    "never answers": never_answers,
    "drips": drips,
    "resets": resets,
}


class StallingAws(Aws):
    """The clients that are deployed, one operation of which stalls while a function lives."""

    def __init__(self) -> None:
        super().__init__(region="eu-west-1")
        self.clock = Clock()
        self.deadline = Deadline(self.clock)
        self.sleep = self.clock.sleep  # type: ignore[assignment]
        self.stalls = ("", "")
        """The operation and the manner in which it stalls."""
        self.attempts = 0
        """How often an operation that stalls was begun."""
        self._is_alive = False

    def live(self, handler: Callable[[Any, Life], Any], event: Any, seconds: float) -> Any:
        """The answer of a handler that is ended after so many seconds, which must never happen."""
        self.clock.seconds, self._is_alive = 0.0, True
        try:
            return handler(event, Life(self.clock, seconds))
        finally:
            self._is_alive = False
            self.deadline.seconds_left = lambda: float("inf")
            assert self.clock() < seconds, f"{self.stalls}: the function did not end in time"

    def _make(self, service: str) -> Any:
        client = super()._make(service)

        def stall(request: Any, event_name: str, **_: object) -> None:
            operation, manner = self.stalls
            if self._is_alive and event_name.rpartition(".")[2] == operation:
                self.deadline.begin_attempt(operation)
                self.attempts += 1
                raise MANNERS[manner](self.deadline, self.clock, request.url)

        service_id = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register_first(f"before-send.{service_id}", stall)
        return client
