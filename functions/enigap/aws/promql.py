"""PromQL over HTTP: CloudWatch's `/api/v1/query` and `/api/v1/query_range`. The SDK has no operation for it.

OpenTelemetry metrics are in a store of their own that GetMetricData does not see. A query is a form POST to
the region's CloudWatch endpoint, signed by the SDK's signer. It goes through the client's own connections and
events, so the endpoint of the environment, the proxy and the deadline hold for it as for every other call,
and it can be recorded and replayed as one (`aws.bundle.tape`).

CloudWatch cuts an answer at 500 series and still says 200. An answer with a warning, or as long as that, is
therefore no answer: `IncompleteAnswer`.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlencode

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, HTTPClientError
from botocore.hooks import first_non_none_response

from enigap.aws.errors import MAKES_NO_SENSE, AwsProblem, ProblemKind, calling, one_line
from enigap.aws.iam import Statement
from enigap.aws.pace import Pace
from enigap.aws.pages import items
from enigap.core.counting.reading import usable_number

ACTIONS: Final = (Statement(("cloudwatch:GetMetricData", "cloudwatch:ListMetrics")),)

MOST_SERIES: Final = 500
"""In one answer; what is more is cut off."""
QUERIES_PER_SECOND: Final = 100.0
"""A third of AWS's quota of 300: dashboards and alarms share it."""
_ATTEMPTS: Final = 4
_CALL: Final = "cloudwatch:GetMetricData by PromQL"
OPERATION: Final = "QueryPromQL"
"""What the SDK's events and errors call it."""


class IncompleteAnswer(AwsProblem):
    """CloudWatch left series out of an answer, or may have."""


def is_too_large(problem: AwsProblem) -> bool:
    """Whether a query about less may be answered: the answer was cut, or CloudWatch gave up on it (422)."""
    return isinstance(problem, IncompleteAnswer) or problem.code == _CODES[422]


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer."""

    labels: Mapping[str, str]
    """Without those that are no text."""
    values: Mapping[int, float]
    """By time in seconds since the Unix epoch. A time without a value is left out; no number is NaN."""
    is_read: bool = True
    """Whether its times make sense. If they do not it has no values, and spoils no other series."""

    @property
    def makes_sense(self) -> bool:
        """Whether it has values, all of which a counter may have."""
        return self.is_read and bool(self.values) and None not in map(usable_number, self.values.values())


class PromQL:
    """Asks one region's CloudWatch. Throttled and failed queries are asked again, at growing intervals."""

    def __init__(
        self,
        cloudwatch: Any,
        *,
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        """`cloudwatch` is boto3's client; nothing is asked once `out_of_time` says so."""
        self._client = cloudwatch
        self._pace = pace or Pace(QUERIES_PER_SECOND, sleep=sleep)
        self._sleep, self._out_of_time = sleep, out_of_time

    def at(self, expression: str, instant: datetime) -> list[Series]:
        """The expression's value at an instant on a whole second. Raises AwsProblem."""
        return self._ask("query", {"query": expression, "time": _second(instant)})

    def between(self, expression: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
        """The expression's values at `start`, and every `step` on until `end`. Raises AwsProblem."""
        form = {
            "query": expression,
            "start": _second(start),
            "end": _second(end),
            "step": f"{step // timedelta(seconds=1)}s",
        }
        return self._ask("query_range", form)

    def _ask(self, path: str, form: Mapping[str, str]) -> list[Series]:
        form = {**form, "limit": str(MOST_SERIES)}
        self._emit("provide-client-params", params={"path": path, **form}, model=self._model())
        pause_seconds = 1.0
        for attempt in range(1, _ATTEMPTS + 1):
            if self._out_of_time():
                what = "Time ran out before CloudWatch could be asked by PromQL"
                raise AwsProblem(ProblemKind.OUT_OF_TIME, what, "it is tried again with the next run")
            self._pace.wait()
            try:
                with calling(_CALL, self._client):
                    return _read(self._post(path, form), form)
            except AwsProblem as problem:
                if attempt == _ATTEMPTS or not _may_pass(problem):
                    raise
            self._sleep(pause_seconds)
            pause_seconds *= 2
        raise AssertionError("the last attempt returns or raises")

    def _post(self, path: str, form: Mapping[str, str]) -> Mapping[str, Any]:
        """The answer's JSON object. Raises an error of the SDK, or one that reading nonsense raises."""
        client = self._client
        request = AWSRequest(
            "POST",
            f"{str(client.meta.endpoint_url).rstrip('/')}/api/v1/{path}",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            data=urlencode(form).encode(),
        )
        request.context.update(client_region=client.meta.region_name)
        client._request_signer.sign(OPERATION, request, signing_name="monitoring")  # noqa: SLF001
        prepared = request.prepare()
        response = first_non_none_response(self._emit("before-send", request=prepared))
        if response is None:
            response = client._endpoint.http_session.send(prepared)  # noqa: SLF001
        answered = {
            "status_code": response.status_code,
            "headers": response.headers,
            "body": response.content,
        }
        self._emit("before-parse", operation_model=self._model(), response_dict=answered)
        if response.status_code != 200:
            raise _refusal(response.status_code, response.headers, response.content)
        answer = json.loads(response.content)
        if not isinstance(answer, dict):
            raise TypeError("an answer is a JSON object")
        return answer

    def _emit(self, event: str, **about: Any) -> Any:
        """One of the SDK's events, as it would be if the SDK had the operation."""
        return self._client.meta.events.emit(f"{event}.cloudwatch.{OPERATION}", **about)

    def _model(self) -> Any:
        """What listeners look at of the SDK's model of an operation."""
        of_service = self._client.meta.service_model
        return SimpleNamespace(name=OPERATION, service_model=of_service, output_shape=None)


def _second(instant: datetime) -> str:
    return str(int(instant.timestamp()))


def _may_pass(problem: AwsProblem) -> bool:
    """Whether the same question may be answered a little later."""
    return problem.kind is ProblemKind.THROTTLED or (
        problem.kind is ProblemKind.FAILED and not isinstance(problem, IncompleteAnswer)
    )


_CODES: Final = {429: "TooManyRequestsException", 403: "AccessDeniedException", 422: "execution"}
"""Where an answer names none."""


def _refusal(status: int, headers: Mapping[str, str], content: bytes) -> ClientError | HTTPClientError:
    """What the SDK would raise for an answer that is no success, in AWS's words or Prometheus'."""
    try:
        said = json.loads(content)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    given = headers.get("x-amzn-ErrorType") or said.get("__type") or said.get("errorType")
    code = str(given or _CODES.get(status, "")).rpartition("#")[2].partition(":")[0]
    message = said.get("message") or said.get("Message") or said.get("error") or ""
    if status in {422, 429}:
        code = _CODES[status]  # the status counts: a query too large, or too many of them
    elif not code and status < 500:
        code = f"HTTP {status}"  # so that it is a refusal: an endpoint without PromQL, say
    return ClientError(
        {
            "Error": {"Code": code, "Message": str(message)},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "HTTPHeaders": {name.lower(): value for name, value in headers.items()},
            },
        },
        OPERATION,
    )


def _read(answer: Mapping[str, Any], form: Mapping[str, str]) -> list[Series]:
    """The series of a whole answer to the form.

    Raises IncompleteAnswer, LookupError, TypeError or ValueError.
    """
    if answer["status"] != "success":
        raise ValueError("an answer of status 200 is a success")
    warnings = answer.get("warnings") or []
    if not isinstance(warnings, list):
        raise TypeError("warnings are a list")
    data = answer["data"]
    found = items(data, "result")
    if warnings or len(found) >= MOST_SERIES:
        why = one_line(str(warnings[0])) if warnings else f"it has {len(found)} series"
        raise IncompleteAnswer(
            ProblemKind.FAILED, f"CloudWatch's answer by PromQL is not whole ({why})", "ask about fewer nodes"
        )
    is_range = "step" in form
    if data["resultType"] != ("matrix" if is_range else "vector"):
        raise ValueError("a range is answered with a matrix, an instant with a vector")
    first, last = (int(form[name]) for name in (("start", "end") if is_range else ("time", "time")))
    times = range(first, last + 1, int(form["step"].removesuffix("s")) if is_range else 1)
    return [_series(each, times, is_range=is_range) for each in found]


def _series(given: Mapping[str, Any], times: range, *, is_range: bool) -> Series:
    """One series of an answer about these times. Raises an error for nonsense that has no label: whatever it
    is about, the answer lacks it."""
    labels = _labels(given["metric"])
    try:
        return Series(labels, _values(given["values"] if is_range else [given["value"]], times))
    except MAKES_NO_SENSE:
        if not labels:
            raise
        return Series(labels, {}, is_read=False)


def _labels(metric: Mapping[str, Any]) -> Mapping[str, str]:
    labels = {name: text for name, text in metric.items() if isinstance(text, str)}
    if metric and not labels:
        raise TypeError("labels are strings")
    return labels


def _values(points: Sequence[Sequence[Any]], times: range) -> dict[int, float]:
    values: dict[int, float] = {}
    for second, value in points:
        if second not in times or int(second) in values:
            raise ValueError("a series has one value at a time, at times that were asked for")
        values[int(second)] = _number(value)
    return values


def _number(value: Any) -> float:
    """NaN for what is no number in a string: one device's odd value says nothing against the other series."""
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else math.nan


_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?|[-+]?Inf|NaN")
