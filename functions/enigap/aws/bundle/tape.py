"""Takes down the calls of boto3's clients, and plays them again without a network.

Recording listens where botocore is about to parse an answer, and replaying answers where it is about to send
a request: so the product's own parsing is part of both.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.awsrequest import AWSResponse

from enigap.aws.bundle.kinds import Rewriting
from enigap.aws.bundle.shapes import OPERATIONS, asked
from enigap.aws.errors import AwsProblem, ProblemKind

_AS_IT_IS: Final = Rewriting(lambda _, name: name)


@dataclass(frozen=True, slots=True)
class Call:
    """A request and its answer."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    status: int
    body: bytes
    error: str = ""
    """The code of an error where a header names it."""


def _listen(client: Any, event: str, handler: Callable[..., None]) -> None:
    """Be the first to hear of an event. botocore calls the handlers of one operation before those of all, so
    it takes one for each operation.
    """
    model = client.meta.service_model
    for service, operation in OPERATIONS:
        if service == model.service_name:
            name = f"{event}.{model.service_id.hyphenize()}.{operation}"
            client.meta.events.register_first(name, handler)


class Recorder:
    """Takes down the calls of every client it is attached to; of a call that is tried again the last try."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        self._asked = threading.local()

    def attach(self, client: Any) -> None:
        _listen(client, "provide-client-params", self._ask)
        _listen(client, "before-parse", self._answer)

    def _ask(self, params: Mapping[str, Any], **_: object) -> None:
        self._asked.parameters, self._asked.place = dict(params), None

    def _answer(self, operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
        call = Call(
            operation_model.service_model.service_name,
            operation_model.name,
            self._asked.parameters,
            response_dict["status_code"],
            bytes(response_dict["body"]),
            response_dict["headers"].get("x-amzn-ErrorType", ""),
        )
        with self._lock:
            if self._asked.place is None:
                self._asked.place = len(self.calls)
                self.calls.append(call)
            else:
                self.calls[self._asked.place] = call


class Player:
    """Answers the calls of every client it is attached to from recorded ones, and opens no connection."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = {_key(call.service, call.operation, call.parameters): call for call in calls}
        self._asked = threading.local()

    def attach(self, client: Any) -> None:
        _listen(client, "provide-client-params", self._ask)
        client.meta.events.register_first("before-send", self._answer)

    def _ask(self, params: Mapping[str, Any], model: Any, **_: object) -> None:
        service, operation = model.service_model.service_name, model.name
        self._asked.key = _key(service, operation, asked(service, operation, params, _AS_IT_IS))

    def _answer(self, request: Any, event_name: str, **_: object) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        key = getattr(self._asked, "key", ("", "", ""))
        # The key is that of the thread's last question of those that a bundle may have.
        call = self._calls.get(key) if key[1] == operation else None
        if call is None:
            raise AwsProblem(
                ProblemKind.FAILED,
                f"The bundle has no answer to this question of {operation}",
                "look at the node and the time that it was recorded for",
            )
        kind = "text/xml" if call.body.startswith(b"<") else "application/json"
        return AWSResponse(request.url, call.status, {"Content-Type": kind}, _Body(call.body))


class _Body:
    """What botocore reads an answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._content

    def read(self, *_: object) -> bytes:
        content, self._content = self._content, b""
        return content


def _key(service: str, operation: str, parameters: Mapping[str, Any]) -> tuple[str, str, str]:
    return service, operation, json.dumps(parameters, sort_keys=True)
