"""A Logs Insights that knows the one query enigap makes, and refuses what AWS refuses.

It reads from the query what it can (streams, filters, the three patterns) and does the rest as documented:
groups by log stream, instance, time, flags and label; numbers and times come as text. It does not interpret
the language; that the query is what is meant shows in the text of it, which has a test of its own.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from tests.aws.fake_logs import error

RX, TX = "node_interface_network_rx_bytes", "node_interface_network_tx_bytes"


class FakeInsights:
    """Events, JSON objects, by log group and log stream. Each query is under way for `looks` looks."""

    def __init__(self, *, looks: int = 0, bytes_per_stream: float = 1e6) -> None:
        self.groups: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
        self.started: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.pages = 0
        self.ends_as = "Complete"
        self.faults: list[Callable[[str], Exception | None]] = []
        self._looks, self._bytes_per_stream = looks, bytes_per_stream
        self._left: dict[str, int] = {}
        self._rows: dict[str, list[dict[str, str]]] = {}
        self._lock = Lock()

    def put(self, group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> None:
        self.groups.setdefault(group, {}).setdefault(stream, []).extend(events)

    def start_query(self, **request: Any) -> dict[str, Any]:
        self._fail("start_query")
        if request.keys() != {"logGroupName", "startTime", "endTime", "queryString", "limit"}:
            raise error("InvalidParameterException", f"unexpected parameters {sorted(request)}")
        if len(request["queryString"]) > 10_000 or not 1 <= request["limit"] <= 100_000:
            raise error("InvalidParameterException", "too long, or too many")
        if request["logGroupName"] not in self.groups:
            raise error("ResourceNotFoundException", "The specified log group does not exist.")
        with self._lock:
            self.started.append(request)
            query_id = f"query-{len(self.started)}"
            self._left[query_id] = self._looks
        return {"queryId": query_id}

    def get_query_results(self, **request: Any) -> dict[str, Any]:
        self._fail("get_query_results")
        query_id, most = request["queryId"], request["maxItems"]
        if request.keys() - {"nextToken"} != {"queryId", "maxItems"} or not 1 <= most <= 10_000:
            raise error("InvalidParameterException", "a page has 10,000 rows")
        asked = self.started[int(query_id.removeprefix("query-")) - 1]
        scanned = len(_streams(asked["queryString"])) * self._bytes_per_stream
        statistics = {"bytesScanned": scanned, "recordsMatched": 0.0, "recordsScanned": 0.0}
        with self._lock:
            self._left[query_id] -= 1
            self.pages += 1
        if self._left[query_id] >= 0:
            return {"results": [], "status": "Running", "statistics": statistics}
        if query_id not in self._rows:
            self._rows[query_id] = list(self._answer(asked))[: asked["limit"]]
        rows, first = self._rows[query_id], int(request.get("nextToken", "0"))
        beyond = first + most
        page = [
            [{"field": name, "value": value} for name, value in row.items()] for row in rows[first:beyond]
        ]
        more = {"nextToken": str(beyond)} if beyond < len(rows) else {}
        return {"results": page, "status": self.ends_as, "statistics": statistics} | more

    def stop_query(self, **request: Any) -> dict[str, Any]:
        self._fail("stop_query")
        self.stopped.append(request["queryId"])
        return {"success": True}

    def _fail(self, operation: str) -> None:
        for fault in self.faults:
            failure = fault(operation)
            if failure is not None:
                raise failure

    def _answer(self, request: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        streams = self.groups[request["logGroupName"]]
        return rows_of(
            request["queryString"],
            {name: streams.get(name, []) for name in _streams(request["queryString"])},
            request["startTime"],
            request["endTime"],
        )


def _streams(query: str) -> list[str]:
    (listed,) = re.findall(r"^filter @logStream in \[(.*)\]$", query, re.MULTILINE)
    return re.findall(r'"([^"]*)"', listed)


def rows_of(
    query: str, streams: Mapping[str, Sequence[Mapping[str, Any]]], start: int, end: int
) -> Iterator[dict[str, str]]:
    """What Logs Insights answers to the query about these streams' events in [start, end] epoch seconds."""
    (cluster,) = re.findall(r'^\| filter Type = "NodeNet" and ClusterName = "([^"]*)"$', query, re.MULTILINE)
    patterns = {
        name: re.compile(f"^(?P<{name}>{pattern})$".replace(r"\/", "/"))
        for name, pattern in re.findall(r"^\| parse interface /\^\(\?<(\w+)>(.*)\)\$/$", query, re.MULTILINE)
    }
    assert list(patterns) == ["physical", "again", "pod"]
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for stream, events in streams.items():
        for event in events:
            written = _milliseconds(event)
            is_asked_for = event["Type"] == "NodeNet" and event["ClusterName"] == cluster
            if not is_asked_for or not start <= written / 1000 <= end:
                continue
            name = event["interface"]
            found = {kind: pattern.search(name) is not None for kind, pattern in patterns.items()}
            label = name[:1] if any(found.values()) else name
            flags = (str(int(found["physical"])), str(int(found["again"])))
            groups[stream, event["InstanceId"], str(written), *flags, label].append(event)
    for (stream, instance_id, at, is_physical, is_again, label), events in groups.items():
        sums = {name: [e[field] for e in events if field in e] for name, field in (("rx", RX), ("tx", TX))}
        names = sorted(event["interface"] for event in events)
        yield {
            "@logStream": stream,
            "InstanceId": instance_id,
            "@timestamp": _text(int(at)),
            "is_physical": is_physical,
            "is_again": is_again,
            "label": label,
            **{name: repr(float(sum(values))) for name, values in sums.items() if values},
            "rx_events": str(len(sums["rx"])),
            "tx_events": str(len(sums["tx"])),
            "events": str(len(events)),
            "devices": str(len(set(names))),
            "first": names[0],
            "last": names[-1],
        }


def _milliseconds(event: Mapping[str, Any]) -> int:
    return int(event["_aws"]["Timestamp"] if "_aws" in event else event["Timestamp"])


def _text(milliseconds: int) -> str:
    """`2026-01-01 12:00:37.125`"""
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03d}"
