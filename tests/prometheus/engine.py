"""A real Prometheus on loopback, and a proxy before it that refuses and cuts as CloudWatch does.

    with Engine(series) as engine:          # the server of Debian's package prometheus, over these series
        with serve(Proxy(engine)) as url:   # for AWS_ENDPOINT_URL

Prometheus 2.42 takes no label such as `@resource.host.id`: such names are written in its own later scheme
(`U___40_resource_2e_host_2e_id`), and back.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import promql_parser as promql

from enigap.aws.promql import Series
from tests.fakes.otel_ports import InProcess
from tests.fakes.promql import LOOPBACK, BadQueryError, PromqlEndpoint, Reply, Stored, metric_name

PROGRAMS: Final = ("prometheus", "promtool")
START_WITHIN_SECONDS: Final = 60.0
"""It takes a fiftieth of a second."""
MOST_SAMPLES: Final = 100_000
"""In memory for one query; a query of more is answered with HTTP 422."""

# --- names of labels


def plain(name: str) -> str:
    """The name of a label as Prometheus 2 takes it. One to one."""
    if re.fullmatch("[a-z_]+", name):
        return name
    return "U__" + re.sub(r"[^a-z]", lambda found: f"_{ord(found[0]):x}_", name)


def quoted(name: str) -> str:
    """The name that `plain` made another of."""
    if not name.startswith("U__"):
        return name
    return re.sub(r"_([0-9a-f]+)_", lambda found: chr(int(found[1], 16)), name.removeprefix("U__"))


def plain_query(query: str) -> str:
    """The same query with the names of labels as Prometheus 2 takes them; they all begin with an @."""
    return re.sub(r'"(@[\w.@]+)"', lambda found: plain(found[1]), query)


# --- the server


class Engine:
    """A server over series that were there before it started; it scrapes nothing."""

    def __init__(self, series: Iterable[Stored]) -> None:
        self._series = series
        self._port = 0

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="enigap-prometheus-")
        try:
            self._start(Path(self._folder.name))
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def _start(self, folder: Path) -> None:
        (folder / "prometheus.yml").touch()
        with (folder / "series.txt").open("w", encoding="utf-8") as file:
            file.writelines(_lines(self._series))
        blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", "series.txt", "blocks"]
        subprocess.run(blocks, cwd=folder, check=True, capture_output=True, timeout=60)
        # It ends with this process even if this process is killed.
        with_parent = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        options = [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=blocks",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={LOOPBACK}:0",
            f"--query.max-samples={MOST_SAMPLES}",
        ]
        self._process = subprocess.Popen(
            [*with_parent, "prometheus", *options], cwd=folder, stderr=subprocess.PIPE, text=True
        )
        given_up = Timer(START_WITHIN_SECONDS, self._process.kill)
        given_up.start()
        try:
            self._port = self._port_once_ready()
        except BaseException:
            self._stop()
            raise
        finally:
            given_up.cancel()

    def _port_once_ready(self) -> int:
        assert self._process.stderr is not None
        said, port, is_ready = [], 0, False
        for line in self._process.stderr:
            said.append(line)
            if listens := re.search(rf'"Listening on" address={LOOPBACK}:(\d+)', line):
                port = int(listens[1])
            is_ready = is_ready or "Server is ready" in line
            if port and is_ready:
                return port
        raise RuntimeError(f"Prometheus ended before it was ready: {''.join(said[-5:])}")

    def _stop(self) -> None:
        with self._process:  # closes the pipe, and waits
            self._process.kill()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        self._folder.cleanup()

    def post(self, path: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer, with the labels of the series it was made with."""
        connection = HTTPConnection(LOOPBACK, self._port, timeout=30)
        try:
            body = urlencode({**form, "query": plain_query(form["query"])})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"/api/v1/{path}", body, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        for series in answer.get("data", {}).get("result", ()):
            series["metric"] = {quoted(name): value for name, value in series["metric"].items()}
        return response.status, answer

    def run(self, query: str, seconds: Sequence[int]) -> list[tuple[Mapping[str, str], dict[int, float]]]:
        """A query's series with their values at these seconds, which have one step."""
        step = seconds[1] - seconds[0] if len(seconds) > 1 else 1
        form = {"query": query, "start": str(seconds[0]), "end": str(seconds[-1]), "step": str(step)}
        status, answer = self.post("query_range", form)
        if status != 200:
            raise BadQueryError(str(answer))
        return [
            (series["metric"], {int(at): float(value) for at, value in series["values"]})
            for series in answer["data"]["result"]
        ]


def _lines(every: Iterable[Stored]) -> Iterable[str]:
    for series in every:
        labels = ",".join(
            f"{plain(name)}={json.dumps(value)}"
            for name, value in series.labels.items()
            if name != "__name__"
        )
        head = f"{series.labels['__name__']}{{{labels}}}"
        yield from (
            f"{head} {value!r} {at:.3f}\n" for at, value in zip(series.seconds, series.values, strict=True)
        )
    yield "# EOF\n"


# --- in front of it


class Proxy(PromqlEndpoint):
    """CloudWatch's refusals and limits, with the answers of a Prometheus."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def _run(self, is_range: bool, form: Mapping[str, str]) -> Reply:  # noqa: FBT001
        metric_name(_selector(promql.parse(form["query"])))
        status, answer = self._engine.post("query_range" if is_range else "query", form)
        if status == 200 and len(answer["data"]["result"]) > self.most_series:
            del answer["data"]["result"][self.most_series :]
            answer["warnings"] = ["results truncated due to limit"]
        return Reply(status, answer)


def _selector(expression: Any) -> Any:
    """The only selector of an expression of aggregates and functions of one argument."""
    if isinstance(expression, promql.VectorSelector):
        return expression
    if isinstance(expression, promql.MatrixSelector):
        return expression.vector_selector
    if isinstance(expression, promql.Call):
        [expression] = expression.args
        return _selector(expression)
    return _selector(expression.expr)


class Held(InProcess):
    """A PromQL client that asks the strict endpoint of the tests and Prometheus, and notes where they
    differ."""

    def __init__(self, endpoint: PromqlEndpoint, engine: Engine) -> None:
        super().__init__(endpoint)
        self._engine = engine
        self.asked: list[str] = []
        self.series = 0
        self.differences: list[str] = []

    def _run(self, expression: str, seconds: Sequence[int]) -> list[Series]:
        ours = super()._run(expression, seconds)
        theirs = [Series(labels, values) for labels, values in self._engine.run(expression, seconds)]
        self.asked.append(expression)
        self.series += len(ours)
        if _by_labels(ours) != _by_labels(theirs):
            self.differences.append(f"{expression} at {seconds}: {ours} and {theirs}")
        return ours


def _by_labels(series: Iterable[Series]) -> dict[frozenset[tuple[str, str]], Mapping[int, float]]:
    return {frozenset(each.labels.items()): each.values for each in series}
