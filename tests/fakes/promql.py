"""CloudWatch's PromQL endpoint, as strict as is documented: signature, form, exact names, 500 series, errors.

    endpoint = PromqlEndpoint(store)
    endpoint.attach(client)             # boto3's client; no socket
    with serve(endpoint) as url: ...    # on loopback, for AWS_ENDPOINT_URL

It parses a query with promql-parser and runs the part of the language that the product uses, by Prometheus'
rules: `max`, `sum`, `count` and `group` by labels, over `last_over_time` of a selector.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import isfinite, isnan
from threading import Lock, Thread
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import promql_parser as promql
from botocore.awsrequest import AWSResponse

MOST_SERIES: Final = 500
SECRET: Final = "testing"
LOOPBACK: Final = "127.0.0.1"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """One series of the store: its labels, the name among them, and samples in the order of time."""

    labels: Labels
    seconds: Sequence[float]
    values: Sequence[float]

    def last(self, after: float, until: float) -> float | None:
        """The newest value in (after, until]."""
        number = bisect_right(self.seconds, until) - 1
        return self.values[number] if number >= 0 and self.seconds[number] > after else None

    def count(self, after: float, until: float) -> int:
        """How many samples are in (after, until]."""
        return bisect_right(self.seconds, until) - bisect_right(self.seconds, after)


@dataclass(frozen=True, slots=True)
class Reply:
    """A scripted answer in place of the right one."""

    status: int = 200
    body: Mapping[str, Any] | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class BadQueryError(Exception):
    """The query is one that CloudWatch refuses."""


class PromqlEndpoint:
    """Answers from the series it holds, or by script. Secret keys are all `testing`."""

    def __init__(self, series: Iterable[Stored] = ()) -> None:
        self.by_name: dict[str, list[Stored]] = defaultdict(list)
        self.add(series)
        self.script: deque[Reply | None] = deque()
        """What is answered next; None is the right answer."""
        self.forms: list[dict[str, str]] = []
        """Every form that was posted, with its `path`."""
        self.scanned = 0
        """Samples in the ranges that were asked for, each as often as it was."""
        self.most_series = MOST_SERIES
        self._lock = Lock()

    def add(self, series: Iterable[Stored]) -> None:
        for each in series:
            self.by_name[each.labels["__name__"]].append(each)

    def attach(self, client: Any) -> None:
        """Answer the client's PromQL queries in process."""
        client.meta.events.register_first("before-send.cloudwatch.QueryPromQL", self.answer)

    def answer(self, request: Any, **_: object) -> AWSResponse:
        """Instead of sending a request of the SDK's."""
        headers = {name: _text(value) for name, value in request.headers.items()}
        headers.setdefault("Host", urlsplit(request.url).netloc)  # as a connection adds it
        status, fields, body = self.handle(request.method, request.url, headers, request.body)
        return AWSResponse(request.url, status, fields, _Raw(body))

    def handle(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to one request."""
        reply = self._reply(method, url, {name.lower(): value for name, value in headers.items()}, body)
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        return reply.status, {"Content-Type": "application/json", **reply.headers}, content

    def _reply(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        path = urlsplit(url).path
        if method != "POST" or path not in {"/api/v1/query", "/api/v1/query_range"}:
            return Reply(404, {"message": "no such path"})
        if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _bad_data("no form")
        if not _is_signed(method, path, headers, body):
            kind = {"x-amzn-ErrorType": "InvalidSignatureException"}
            return Reply(403, {"message": "The request signature we calculated does not match"}, kind)
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        with self._lock:
            self.forms.append({"path": path.rpartition("/")[2], **form})
            scripted = self.script.popleft() if self.script else None
        if scripted is not None:
            return scripted
        try:
            return self._run(path.endswith("range"), form)
        except (BadQueryError, LookupError, ValueError) as error:
            return _bad_data(str(error))

    def _run(self, is_range: bool, form: Mapping[str, str]) -> Reply:  # noqa: FBT001
        if is_range:
            start, end, step = int(form["start"]), int(form["end"]), int(form["step"].removesuffix("s"))
            if end - start > 7 * 86_400:
                raise BadQueryError("exceeded maximum range of 7 days")
            instants = list(range(start, end + 1, step))
        else:
            instants = [int(form["time"])]
        found = self.run(form["query"], instants)
        limit = min(self.most_series, int(form.get("limit", self.most_series)))
        warnings = ["results truncated due to limit"] if len(found) > limit else []
        result = [
            {"metric": dict(labels), "values": [[at, _shown(value)] for at, value in values.items()]}
            if is_range
            else {"metric": dict(labels), "value": next(map(_pair, values.items()))}
            for labels, values in found[:limit]
        ]
        answer = {
            "status": "success",
            "data": {"resultType": "matrix" if is_range else "vector", "result": result},
        }
        return Reply(body=answer | ({"warnings": warnings} if warnings else {}))

    def run(self, query: str, instants: Sequence[int]) -> list[tuple[Labels, dict[int, float]]]:
        """A query's series, all of them. Raises BadQueryError or ValueError for what is none."""
        return self._series(promql.parse(query), instants)

    def _series(self, expression: Any, instants: Sequence[int]) -> list[tuple[Labels, dict[int, float]]]:
        """Each series of the expression with its values at the instants that have one."""
        if isinstance(expression, promql.AggregateExpr):
            return _aggregated(expression, self._series(expression.expr, instants))
        if isinstance(expression, promql.Call) and expression.func.name == "last_over_time":
            [argument] = expression.args
            seconds = argument.range.total_seconds()
            found: list[tuple[Labels, dict[int, float]]] = []
            for stored in self._selected(argument.vector_selector):
                scanned = sum(stored.count(at - seconds, at) for at in instants)
                with self._lock:
                    self.scanned += scanned
                values = {
                    at: value for at in instants if (value := stored.last(at - seconds, at)) is not None
                }
                if values:
                    found.append(({k: v for k, v in stored.labels.items() if k != "__name__"}, values))
            return found
        raise BadQueryError(f"this endpoint does not run {expression.prettify()}")

    def _selected(self, selector: Any) -> Iterator[Stored]:
        tests = [(m.name, _TESTS[str(m.op)](m.value)) for m in selector.matchers.matchers]
        for stored in self.by_name.get(metric_name(selector), ()):
            if all(test(stored.labels.get(name, "")) for name, test in tests):
                yield stored


def metric_name(selector: Any) -> str:
    """The name that a selector is about. Raises BadQueryError where it has no exact one."""
    matchers = selector.matchers.matchers
    exact = [m.value for m in matchers if m.name == "__name__" and str(m.op) == "MatchOp.Equal"]
    names = [*exact, selector.name] if selector.name else exact
    if len(names) != 1:
        raise BadQueryError("a selector needs an exact metric name")
    return str(names[0])


def _equal(value: str) -> Callable[[str], bool]:
    return lambda label: label == value


def _matches(value: str) -> Callable[[str], bool]:
    pattern = re.compile(value)
    return lambda label: pattern.fullmatch(label) is not None


def _not(test: Callable[[str], Callable[[str], bool]]) -> Callable[[str], Callable[[str], bool]]:
    return lambda value: lambda label: not test(value)(label)


_TESTS: Final[Mapping[str, Callable[[str], Callable[[str], bool]]]] = {
    "MatchOp.Equal": _equal,
    "MatchOp.NotEqual": _not(_equal),
    "MatchOp.Re": _matches,
    "MatchOp.NotRe": _not(_matches),
}
_AGGREGATES: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "max": max,
    "min": min,
    "sum": sum,
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
}


def _aggregated(
    expression: Any, series: Sequence[tuple[Labels, dict[int, float]]]
) -> list[tuple[Labels, dict[int, float]]]:
    wanted = expression.modifier.labels if expression.modifier else []
    groups: dict[tuple[tuple[str, str], ...], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for labels, values in series:
        key = tuple((name, labels[name]) for name in wanted if name in labels)
        for at, value in values.items():
            groups[key][at].append(value)
    of = _AGGREGATES[str(expression.op)]
    return [
        (dict(key), {at: of(several) for at, several in sorted(values.items())})
        for key, values in groups.items()
    ]


def _bad_data(error: str) -> Reply:
    return Reply(400, {"status": "error", "errorType": "bad_data", "error": error})


def _pair(point: tuple[int, float]) -> list[Any]:
    return [point[0], _shown(point[1])]


def _shown(value: float) -> str:
    if not isfinite(value):
        return "NaN" if isnan(value) else f"{value:+}".title()
    return repr(int(value)) if value == int(value) else repr(value)


# --- signature, by AWS's description of version 4 and not by the SDK

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/(\d{8})/([\w-]+)/(\w+)/aws4_request, "
    r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})"
)


def _is_signed(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the request carries a signature for the service `monitoring` by the secret key."""
    given = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if given is None or given[3] != "monitoring":
        return False
    date, region, service, names, signature = given.groups()
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in names.split(";")]
    payload = hashlib.sha256(body).hexdigest()
    canonical = "\n".join([method, path, "", *lines, "", names, payload])
    scope = f"{date}/{region}/{service}/aws4_request"
    to_sign = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            headers["x-amz-date"],
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.new(key, to_sign.encode(), "sha256").hexdigest(), signature)


# --- transports


class _Raw:
    """The part of a urllib3 response that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._body


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, endpoint: PromqlEndpoint) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.endpoint = endpoint


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = dict(self.headers.items())
        status, fields, content = self.server.endpoint.handle("POST", self.path, headers, body)
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Not on the tests' output."""


@contextmanager
def serve(endpoint: PromqlEndpoint) -> Iterator[str]:
    """The endpoint's URL on loopback while the block runs."""
    with _Server(endpoint) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
