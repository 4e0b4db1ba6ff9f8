"""The one deadline that every call of a client goes through.

The SDK's patience, six attempts of 60 s, is longer than a function lives. So each attempt gets what is left
of the time, no attempt begins when nothing is left, and none is made again when the pause before it would
take the rest. The limit holds for a whole attempt: an answer that drips, a byte now and then, ends as well,
and so does one that is longer than any of AWS's, which would take the function's memory.

Questions whose answers only add to what is known get one attempt of two seconds: those of `OPTIONAL`, and
all that are asked in a block of `Deadline.optional`.
"""

from __future__ import annotations

import io
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import urllib3
from botocore.exceptions import ClientError

from enigap.aws.errors import AwsProblem, ProblemKind

OPTIONAL: Final = frozenset({"DescribeAddon", "DescribeInstanceTypes", "DescribeTrafficMirrorSessions"})
OPTIONAL_SECONDS: Final = 2.0
CONNECT_SECONDS: Final = 5.0
ATTEMPT_SECONDS: Final = 60.0
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of one answer. A day of the counters of 499 devices has some 10 MB, other answers less."""
LEAST_SECONDS: Final = 0.2
"""No attempt is begun with less."""
_LONGEST_PAUSE_SECONDS: Final = 20.0
"""Between two attempts, in the SDK's retry modes `standard` and `adaptive`."""


class Deadline:
    """Limits the calls of all clients it is attached to, by the time that `seconds_left` says."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds_left: Callable[[], float] = lambda: math.inf
        self._clock = clock
        self._attempt = threading.local()

    def attach(self, client: Any) -> None:
        """Have the client's calls go through this deadline."""
        session = client._endpoint.http_session  # noqa: SLF001 - the SDK has no public name for it

        def begin(request: Any, event_name: str, **_: object) -> None:
            self._begin(session, request.url, event_name.rpartition(".")[2])

        client.meta.events.register_last("before-send", begin)
        client.meta.events.register_first("needs-retry", self._give_up)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give the calls of the block so many seconds in all, or what is left if that is less."""
        before, until = self.seconds_left, self._clock() + seconds
        self.seconds_left = lambda: min(before(), until - self._clock())
        try:
            yield
        finally:
            self.seconds_left = before

    @contextmanager
    def optional(self) -> Iterator[None]:
        """Give each call that this thread makes in the block one attempt of two seconds."""
        self._attempt.is_optional = True
        try:
            yield
        finally:
            self._attempt.is_optional = False

    def begin(self, pool: Any, seconds: float) -> None:
        """Give this thread's next request by a pool of connections so many seconds, to its last byte."""
        self._attempt.until, self._attempt.bytes = self._clock() + seconds, 0
        if not hasattr(pool.ConnectionCls, "is_limited"):
            pool.ConnectionCls = _limited(pool.ConnectionCls, self)

    def seconds_of_attempt(self) -> float:
        """How much is left of this thread's attempt."""
        return float(getattr(self._attempt, "until", math.inf)) - self._clock()

    def receive(self, number: int) -> None:
        """Note so many bytes of this thread's answer. Raises ConnectionError for more than any answer has."""
        self._attempt.bytes = getattr(self._attempt, "bytes", 0) + number
        if self._attempt.bytes > MOST_BYTES:
            raise ConnectionError("the answer is longer than any of AWS's")

    def begin_attempt(self, operation: str) -> float:
        """Give this thread's next attempt its time, in seconds. Raises AwsProblem if there is none."""
        most = OPTIONAL_SECONDS if self._is_optional(operation) else ATTEMPT_SECONDS
        seconds = min(self.seconds_left(), most)
        if seconds < LEAST_SECONDS:
            raise AwsProblem(
                ProblemKind.OUT_OF_TIME,
                f"Time ran out before AWS could be asked for {operation}",
                "it is tried again with the next run",
            )
        self._attempt.until = self._clock() + seconds
        return seconds

    def _begin(self, session: Any, url: str, operation: str) -> None:
        seconds = self.begin_attempt(operation)
        proxy = session._proxy_config.proxy_url_for(url)  # noqa: SLF001
        pool = session._get_connection_manager(url, proxy).connection_from_url(url)  # noqa: SLF001
        pool.timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
        self.begin(pool, seconds)

    def _is_optional(self, operation: str) -> bool:
        return operation in OPTIONAL or getattr(self._attempt, "is_optional", False)

    def _give_up(
        self,
        response: tuple[Any, dict[str, Any]] | None,
        attempts: int,
        operation: Any,
        caught_exception: Exception | None,
        **_: object,
    ) -> None:
        """Raise the error of an attempt, if there is one, after which there is no time for another."""
        longest_pause = min(2.0 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)
        has_time = self.seconds_left() > longest_pause + LEAST_SECONDS
        if has_time and not self._is_optional(operation.name):
            return
        if caught_exception is not None:
            raise caught_exception
        if response is not None and response[0].status_code >= 300:
            raise ClientError(response[1], operation.name)


def _limited(connection: type[Any], deadline: Deadline) -> type[Any]:
    """The class of connections, with each read limited by the deadline."""

    class Limited(connection):  # type: ignore[misc]
        sock: Any
        is_limited = True

        def connect(self) -> None:
            super().connect()
            self.sock = _Socket(self.sock, deadline)

    return Limited


class _Socket:
    """A connected socket whose file, through which answers are read, has a deadline."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        self._sock._io_refs += 1  # noqa: SLF001 - as `socket.makefile` does
        return io.BufferedReader(_Reader(self._sock, self._deadline))


class _Reader(socket.SocketIO):
    def __init__(self, sock: Any, deadline: Deadline) -> None:
        super().__init__(sock, "r")
        self._socket, self._deadline = sock, deadline

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline.seconds_of_attempt()
        if left <= 0:
            raise TimeoutError("the answer took longer than there was time")
        self._socket.settimeout(None if math.isinf(left) else left)
        number = super().readinto(buffer)
        self._deadline.receive(number or 0)
        return number
