"""A CloudWatch Logs that refuses what AWS refuses, and knows the filter patterns that enigap uses."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any, Final

from botocore.exceptions import ClientError

Event = Mapping[str, Any] | str

PAGE_BYTES: Final = 1_048_576


def error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "FilterLogEvents")


class FakeLogs:
    """Log groups by name, streams by name, events as (milliseconds, message).

    A page ends after `page_size` events or `page_bytes`, whichever comes first, and `empty_pages` without an
    event come before each.
    """

    def __init__(
        self,
        *,
        filters: bool = True,
        page_size: int = 10_000,
        page_bytes: int = PAGE_BYTES,
        empty_pages: int = 0,
    ) -> None:
        self.groups: dict[str, dict[str, list[tuple[int, str]]]] = {}
        self.faults: list[Callable[[Mapping[str, Any]], Exception | None]] = []
        self.requests: list[dict[str, Any]] = []
        self._filters, self._empty_pages = filters, empty_pages
        self._page_size, self._page_bytes = page_size, page_bytes
        self._lock = Lock()

    def put(self, group: str, stream: str, events: Sequence[Event], at: int | None = None) -> None:
        """Events, JSON objects at their own time; a text at `at` milliseconds."""
        into = self.groups.setdefault(group, {}).setdefault(stream, [])
        for event in events:
            message = event if isinstance(event, str) else json.dumps(event)
            into.append((at if at is not None else _own_time(event), message))

    def throttle(self, *, times: int) -> None:
        """Refuse this many calls because there were too many."""
        left = iter(range(times))

        def fault(_: Mapping[str, Any]) -> Exception | None:
            return error("ThrottlingException", "Rate exceeded") if next(left, None) is not None else None

        self.faults.append(fault)

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
        asked = request.get("logStreamNames", list(streams))
        if any(name not in streams for name in asked):
            raise error("ResourceNotFoundException", "The specified log stream does not exist.")
        found = [
            {"logStreamName": name, "timestamp": at, "message": message, "ingestionTime": at + 250_000}
            for name in asked
            for at, message in sorted(streams[name])
            if request["startTime"] <= at <= request["endTime"]
            and (not self._filters or _matches(request.get("filterPattern", ""), message))
        ]
        first, empty = map(int, request.get("nextToken", "0/0").split("/"))
        if empty < self._empty_pages:
            return {"events": [], "searchedLogStreams": [], "nextToken": f"{first}/{empty + 1}"}
        beyond = self._end_of_page(found, first, request["limit"])
        more = {"nextToken": f"{beyond}/0"} if beyond < len(found) else {}
        return {"events": found[first:beyond], "searchedLogStreams": []} | more

    def _end_of_page(self, found: Sequence[Mapping[str, Any]], first: int, limit: int) -> int:
        size = 0
        for number, event in enumerate(found[first : first + min(limit, self._page_size)]):
            size += len(event["message"])
            if size > self._page_bytes and number > 0:
                return first + number
        return first + min(limit, self._page_size)


def _refuse_what_aws_refuses(request: Mapping[str, Any]) -> None:
    parameters = {"logGroupName", "startTime", "endTime", "limit"}
    if request.keys() - {"nextToken", "logStreamNames", "filterPattern"} != parameters:
        raise error("InvalidParameterException", f"unexpected parameters {sorted(request)}")
    if not re.fullmatch(r"[.\-_/#A-Za-z0-9]{1,512}", request["logGroupName"]):
        raise error("InvalidParameterException", "invalid log group name")
    streams = request.get("logStreamNames", ["any"])
    if not 1 <= len(streams) <= 100:
        raise error("InvalidParameterException", "1 to 100 log stream names")
    if any(not re.fullmatch(r"[^:*]{1,512}", stream) for stream in streams):
        raise error("InvalidParameterException", "invalid log stream name")
    pattern = request.get("filterPattern", "")
    if pattern and (not _PATTERN.fullmatch(pattern) or len(pattern) > 1024):
        raise error("InvalidParameterException", f"this fake does not know {pattern}")
    if not 1 <= request["limit"] <= 10_000 or request["startTime"] > request["endTime"]:
        raise error("InvalidParameterException", "invalid limit or times")


_TERM: Final = r'\$\.(\w+) = "([^"]+)"'
_PATTERN: Final = re.compile(
    rf'\{{ \$\.Type = "(?:NodeNet(?:" && \({_TERM}(?: \|\| {_TERM})*\)|")|PodNet"|Pod") \}}'
)


def _own_time(event: Event) -> int:
    assert not isinstance(event, str), "say when a text was written"
    return int(event["_aws"]["Timestamp"] if "_aws" in event else event["Timestamp"])


def _matches(pattern: str, message: str) -> bool:
    if not pattern:
        return True
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        return True  # AWS would leave it out; here it gets through, so that it can be tested
    (_, kind), *alternatives = re.findall(_TERM, pattern)
    if not isinstance(event, dict) or event.get("Type") != kind:
        return False
    return not alternatives or any(fnmatchcase(str(event.get(name)), value) for name, value in alternatives)
