"""A CloudWatch Logs that refuses what AWS refuses, and knows the one filter pattern enigap uses."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

Event = Mapping[str, Any] | str


def error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "FilterLogEvents")


class FakeLogs:
    """Log groups by name, streams by name, events as (milliseconds, message)."""

    def __init__(self, *, filters: bool = True, page_size: int = 10_000) -> None:
        self.groups: dict[str, dict[str, list[tuple[int, str]]]] = {}
        self.faults: list[Callable[[Mapping[str, Any]], Exception | None]] = []
        self.requests: list[dict[str, Any]] = []
        self._filters, self._page_size = filters, page_size
        self._lock = Lock()

    def put(self, group: str, stream: str, events: Sequence[Event], at: int | None = None) -> None:
        """Events, JSON objects at their own time; a text at `at` milliseconds."""
        into = self.groups.setdefault(group, {}).setdefault(stream, [])
        for event in events:
            message = event if isinstance(event, str) else json.dumps(event)
            into.append((at if at is not None else _own_time(event), message))

    def filter_log_events(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            self.requests.append(request)
        _refuse_what_aws_refuses(request)
        for fault in self.faults:
            failure = fault(request)
            if failure is not None:
                raise failure
        if request["logGroupName"] not in self.groups:
            raise error("ResourceNotFoundException", "The specified log group does not exist.")
        streams = self.groups[request["logGroupName"]]
        if any(name not in streams for name in request["logStreamNames"]):
            raise error("ResourceNotFoundException", "The specified log stream does not exist.")
        found = [
            {"timestamp": at, "message": message, "ingestionTime": at + 250_000}
            for name in request["logStreamNames"]
            for at, message in sorted(streams[name])
            if request["startTime"] <= at <= request["endTime"]
            and (not self._filters or _is_node_net(message))
        ]
        first = int(request.get("nextToken", 0))
        beyond = first + min(request["limit"], self._page_size)
        more = {"nextToken": str(beyond)} if beyond < len(found) else {}
        return {"events": found[first:beyond], "searchedLogStreams": []} | more


def _refuse_what_aws_refuses(request: Mapping[str, Any]) -> None:
    parameters = {"logGroupName", "logStreamNames", "startTime", "endTime", "filterPattern", "limit"}
    if request.keys() - {"nextToken"} != parameters:
        raise error("InvalidParameterException", f"unexpected parameters {sorted(request)}")
    if not re.fullmatch(r"[.\-_/#A-Za-z0-9]{1,512}", request["logGroupName"]):
        raise error("InvalidParameterException", "invalid log group name")
    if any(not re.fullmatch(r"[^:*]{1,512}", stream) for stream in request["logStreamNames"]):
        raise error("InvalidParameterException", "invalid log stream name")
    if request["filterPattern"] != '{ $.Type = "NodeNet" }':
        raise error("InvalidParameterException", "this fake knows one pattern")
    if not 1 <= request["limit"] <= 10_000 or request["startTime"] > request["endTime"]:
        raise error("InvalidParameterException", "invalid limit or times")


def _own_time(event: Event) -> int:
    assert not isinstance(event, str), "say when a text was written"
    return int(event["_aws"]["Timestamp"] if "_aws" in event else event["Timestamp"])


def _is_node_net(message: str) -> bool:
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        return True  # AWS would leave it out; here it gets through, so that it can be tested
    return isinstance(event, dict) and event.get("Type") == "NodeNet"
