"""What goes wrong, in the order in which it was written down.

    fake.faults.throttle("GetMetricData", times=2)                 # the next two calls, then it works
    fake.faults.access_denied("ListMetrics", times=ALWAYS)
    fake.faults.server_error("PutMetricData", on_call=3)           # the third such call, retries counted
    fake.faults.partial_data(matching(name="NetworkIn"), times=1)  # in the next answer that has it
    fake.faults.forbidden(lambda identity: identity.name == "NetworkOut")

A call meets every slowness that applies, then the first failure that applies and has times left. A result
of GetMetricData meets the first result fault that matches its metric. `unused` names what never happened,
so that a test can insist that everything it scripted did.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from tests.fakes.strict_cloudwatch.protocol import AwsError
from tests.fakes.strict_cloudwatch.store import MetricIdentity

ALWAYS: Final = sys.maxsize
ANY: Final = "any operation"

MetricPredicate = Callable[[MetricIdentity], bool]
Result = dict[str, Any]  # one MetricDataResult


class FakeConnectionResetError(ConnectionResetError):
    """The call gets no answer: its connection is reset."""


def matching(namespace: str | None = None, name: str | None = None, **dimensions: str) -> MetricPredicate:
    """Metrics of this namespace and name with (at least) these dimensions; what is left out matches all."""

    def matches(identity: MetricIdentity) -> bool:
        return (
            (namespace is None or identity.namespace == namespace)
            and (name is None or identity.name == name)
            and dimensions.items() <= dict(identity.dimensions).items()
        )

    return matches


def every_metric(_: MetricIdentity) -> bool:
    return True


@dataclass(eq=False)
class _Fault:
    """Something that may happen `left` more times: on every call of the operation, or on one of them only."""

    what: str
    operation: str
    on_call: int | None
    left: int
    happened: int = 0

    def applies(self, operation: str, call_number: int) -> bool:
        return self.left > 0 and self.operation in {ANY, operation} and self.on_call in {None, call_number}

    def use(self) -> None:
        self.left -= 1
        self.happened += 1

    def __str__(self) -> str:
        return f"{self.what} of {self.operation}" + (f" on call {self.on_call}" if self.on_call else "")


@dataclass(eq=False)
class _Slowness(_Fault):
    seconds: float = 0.0


@dataclass(eq=False)
class _Failure(_Fault):
    error: Callable[[], Exception] = FakeConnectionResetError


@dataclass(eq=False)
class _Message(_Fault):
    message: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class _ResultFault(_Fault):
    metrics: MetricPredicate = every_metric
    effect: Callable[[Result], Result | None] = lambda _: None


@dataclass
class CallFaults:
    """What one call meets."""

    delay_seconds: float = 0.0
    failure: Exception | None = None
    messages: list[dict[str, str]] = field(default_factory=list)
    result_faults: list[_ResultFault] = field(default_factory=list)

    def apply(self, results: list[tuple[MetricIdentity, Result]]) -> list[Result]:
        """The results as they go out. A fault's `times` counts answers that show it, not results in them."""
        if not self.result_faults:
            return [result for _, result in results]
        met: list[_ResultFault] = []
        outgoing: list[Result] = []
        for identity, result in results:
            fault = next((fault for fault in self.result_faults if fault.metrics(identity)), None)
            faulty = result if fault is None else fault.effect(result)
            if fault is not None and fault not in met:
                met.append(fault)
            if faulty is not None:
                outgoing.append(faulty)
        for fault in met:
            fault.use()
        return outgoing


class FaultScript:
    """See the module's docstring. An operation is ANY or a name like "GetMetricData"; calls count from 1."""

    def __init__(self) -> None:
        self._script: list[_Fault] = []
        self._calls: Counter[str] = Counter()

    def throttle(self, operation: str = ANY, *, times: int = 1, on_call: int | None = None) -> None:
        """Refuse calls with Throttling, which boto3 retries."""
        self._fail("throttling", operation, times, on_call, partial(AwsError, "Throttling", "Rate exceeded"))

    def access_denied(self, operation: str = ANY, *, times: int = 1, on_call: int | None = None) -> None:
        """Refuse calls for lack of an IAM permission, HTTP 403, which boto3 does not retry."""
        message = "User is not authorized to perform this cloudwatch operation"
        denied = partial(AwsError, "AccessDenied", message, 403)
        self._fail("access denied", operation, times, on_call, denied)

    def server_error(
        self, operation: str = ANY, status: int = 500, *, times: int = 1, on_call: int | None = None
    ) -> None:
        """Answer with an HTTP 5xx."""
        code = {500: "InternalServiceError", 503: "ServiceUnavailable"}.get(status, "InternalFailure")
        error = partial(AwsError, code, "The service could not answer because of an internal fault", status)
        self._fail(f"HTTP {status}", operation, times, on_call, error)

    def refuse(
        self, operation: str, code: str, message: str, *, times: int = 1, on_call: int | None = None
    ) -> None:
        """Refuse calls with any other error code, such as LimitExceeded."""
        self._fail(code, operation, times, on_call, partial(AwsError, code, message))

    def connection_reset(self, operation: str = ANY, *, times: int = 1, on_call: int | None = None) -> None:
        """Reset the connection instead of answering."""
        self._fail("connection reset", operation, times, on_call, FakeConnectionResetError)

    def slow(
        self, seconds: float, operation: str = ANY, *, times: int = ALWAYS, on_call: int | None = None
    ) -> None:
        """Answer late: recorded in `counters.slowed_seconds`; only the HTTP server really waits."""
        self._script.append(_Slowness("slowness", operation, on_call, times, seconds=seconds))

    def global_message(self, code: str, value: str, *, times: int = 1, on_call: int | None = None) -> None:
        """Add a message about the whole of a GetMetricData call to its answer."""
        message = {"Code": code, "Value": value}
        self._script.append(_Message(f"message {code}", "GetMetricData", on_call, times, message=message))

    def partial_data(
        self, metrics: MetricPredicate = every_metric, *, times: int = ALWAYS, on_call: int | None = None
    ) -> None:
        """Results lose the older half of their datapoints and say PartialData, with no token for the rest."""
        self._spoil("partial data", metrics, times, on_call, _lose_older_half)

    def internal_error(
        self, metrics: MetricPredicate = every_metric, *, times: int = ALWAYS, on_call: int | None = None
    ) -> None:
        """Results come empty with StatusCode InternalError."""
        self._spoil(
            "internal error", metrics, times, on_call, lambda result: emptied(result, "InternalError")
        )

    def forbidden(
        self, metrics: MetricPredicate = every_metric, *, times: int = ALWAYS, on_call: int | None = None
    ) -> None:
        """Results come empty with StatusCode Forbidden."""
        self._spoil("forbidden", metrics, times, on_call, lambda result: emptied(result, "Forbidden"))

    def missing_id(
        self, metrics: MetricPredicate = every_metric, *, times: int = ALWAYS, on_call: int | None = None
    ) -> None:
        """Results are left out of the answer."""
        self._spoil("missing id", metrics, times, on_call, lambda _: None)

    def clear(self) -> None:
        """From here on everything works."""
        self._script.clear()

    @property
    def unused(self) -> list[str]:
        """What was scripted and has never happened."""
        return [str(fault) for fault in self._script if not fault.happened]

    def meet(self, operation: str) -> CallFaults:
        """What the next call of an operation meets; uses up what it meets."""
        self._calls[operation] += 1
        applying = [fault for fault in self._script if fault.applies(operation, self._calls[operation])]
        call = CallFaults()
        for slowness in (fault for fault in applying if isinstance(fault, _Slowness)):
            call.delay_seconds += slowness.seconds
            slowness.use()
        failure = next((fault for fault in applying if isinstance(fault, _Failure)), None)
        if failure is not None:
            failure.use()
            call.failure = failure.error()
            return call
        for message in (fault for fault in applying if isinstance(fault, _Message)):
            call.messages.append(message.message)
            message.use()
        call.result_faults = [fault for fault in applying if isinstance(fault, _ResultFault)]
        return call

    def _fail(
        self, what: str, operation: str, times: int, on_call: int | None, error: Callable[[], Exception]
    ) -> None:
        self._script.append(_Failure(what, operation, on_call, times, error=error))

    def _spoil(
        self,
        what: str,
        metrics: MetricPredicate,
        times: int,
        on_call: int | None,
        effect: Callable[[Result], Result | None],
    ) -> None:
        self._script.append(
            _ResultFault(what, "GetMetricData", on_call, times, metrics=metrics, effect=effect)
        )


def emptied(result: Result, status_code: str) -> Result:
    """The result of a query that failed by itself while the call as a whole succeeded."""
    message = {"Code": status_code, "Value": f"{result['Label']} could not be read"}
    return {**result, "Timestamps": [], "Values": [], "StatusCode": status_code, "Messages": [message]}


def _lose_older_half(result: Result) -> Result:
    seconds, values = result["Timestamps"], result["Values"]
    half = len(seconds) // 2
    newer = slice(half) if seconds[:1] > seconds[-1:] else slice(len(seconds) - half, None)
    return {**result, "Timestamps": seconds[newer], "Values": values[newer], "StatusCode": "PartialData"}
