"""What stands between the code and AWS: a process that can be killed at any call, and its clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.config import Config

from enigap.aws.clients import Aws
from tests.fakes.promql import PromqlEndpoint
from tests.fakes.strict_cloudwatch import StrictCloudWatch, attach
from tests.reliability.services import REGION


class Killed(BaseException):
    """The process was killed here. No `except Exception` sees it."""


class Process:
    """What a function's calls to AWS go through. Each has a point before it and one after it."""

    def __init__(self) -> None:
        self.points: list[str] = []
        """All points that were passed, as in "before dynamodb.put_item"."""
        self.kill_at: int | None = None
        """Kill the process at this point, counted from 0."""
        self.kills_at: set[int] = set()
        """More such points."""
        self.failures: dict[str, Exception] = {}
        """Calls that fail, as in "sns.publish"."""
        self.spoilt: dict[str, Callable[[Any], Any]] = {}
        """Calls whose answers arrive as something else."""
        self.meanwhile: dict[str, Callable[[], None]] = {}
        """What happens once at a point, as in "before dynamodb.put_item"."""
        self._is_dead = False

    def start(self) -> None:
        """A new process, after the one before was killed or has done its work."""
        self._is_dead = False

    def kill_at_call(self, name: str) -> Callable[[], None]:
        """From when this happens: kill the process when it passes this point next."""

        def kill() -> None:
            raise self._killed(name)

        return lambda: self.meanwhile.update({name: kill})

    def guarded(self, service: str, client: Any) -> Any:
        return _Guarded(self, service, client)

    def point(self, name: str) -> None:
        # A killed process makes no other call, not in any of its threads.
        if self._is_dead:
            raise Killed(name)
        self.points.append(name)
        if (nth := len(self.points) - 1) == self.kill_at or nth in self.kills_at:
            raise self._killed(name)
        if happens := self.meanwhile.pop(name, None):
            happens()

    def _killed(self, name: str) -> Killed:
        self._is_dead = True
        return Killed(name)


def _as_it_is(answer: Any) -> Any:
    return answer


class _Guarded:
    """A client whose calls pass a process's points."""

    def __init__(self, process: Process, service: str, client: Any) -> None:
        self._process, self._service, self._client = process, service, client

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute
        call = f"{self._service}.{name}"

        def guarded(**request: Any) -> Any:
            self._process.point(f"before {call}")
            if failure := self._process.failures.get(call):
                raise failure
            answer = self._process.spoilt.get(call, _as_it_is)(attribute(**request))
            self._process.point(f"after {call}")
            return answer

        return guarded


class GuardedAws(Aws):
    """Clients that pass a process's points: fakes, and for CloudWatch the client that is deployed, with one
    attempt. Nobody waits.
    """

    promql: PromqlEndpoint | None = None
    """What answers PromQL; without one CloudWatch refuses it."""

    def __init__(self, process: Process, cloudwatch: StrictCloudWatch, services: Mapping[str, Any]) -> None:
        # Without a session: nothing is looked up, and making one takes as long as a run.
        self.region, self.parallelism = REGION, 1
        self.sleep = lambda _: None
        self._clients = {}
        self._process, self._cloudwatch, self._services = process, cloudwatch, services

    def start(self) -> None:
        """A process starts: the one client of CloudWatch that all of them share leads to this CloudWatch."""
        self._process.start()
        wire = _cloudwatch_client()[1]
        wire.cloudwatch, wire.promql = self._cloudwatch, self.promql

    def _make(self, service: str) -> Any:
        client = _cloudwatch_client()[0] if service == "cloudwatch" else self._services[service]
        return self._process.guarded(service, client)


class _Wire:
    """Where the one CloudWatch client's requests go: to whose turn it is."""

    cloudwatch: StrictCloudWatch
    promql: PromqlEndpoint | None = None

    def answer_promql(self, request: Any, **_: object) -> AWSResponse | None:
        return None if self.promql is None else self.promql.answer(request)

    def handle(self, headers: Mapping[str, str], body: bytes) -> Any:
        return self.cloudwatch.handle(headers, body)


class _OneAttempt(Aws):
    def _config(self, service: str) -> Config:
        return super()._config(service).merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


@cache
def _cloudwatch_client() -> tuple[Any, _Wire]:
    """One for all worlds: making it takes longer than a timeline."""
    client, wire = _OneAttempt(region=REGION).client("cloudwatch"), _Wire()
    client.meta.events.register_first("before-send.cloudwatch.QueryPromQL", wire.answer_promql)
    attach(wire, client)  # type: ignore[arg-type]  # all that is needed of the fake is `handle`
    return client, wire
