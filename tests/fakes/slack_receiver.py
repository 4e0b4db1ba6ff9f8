"""Slack's end of an incoming webhook, on loopback and as well-behaved as the script says."""

from __future__ import annotations

import json
import socket
import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, Final, Self

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Say:
    """An HTTP answer."""

    status: int = 200
    text: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection is reset instead of an answer."""


@dataclass(frozen=True, slots=True)
class SayNothing:
    """No answer, until the receiver is closed."""


Behaviour = Say | HangUp | SayNothing


class SlackReceiver:
    """Behaves as scripted, one entry for each post, and takes every later message. A context manager."""

    def __init__(self, *script: Behaviour) -> None:
        self.script = deque(script)
        self.posts: list[tuple[str, dict[str, Any]]] = []
        """Path and payload of everything posted, whatever was answered."""
        self.taken: list[dict[str, Any]] = []
        """What was answered with "ok"."""
        self._closing = Event()
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """The webhook's address."""
        return self.url_of("T000/B000/first")

    def url_of(self, webhook: str) -> str:
        """The address of a webhook of this name."""
        return f"http://{LOOPBACK}:{self._server.server_port}/services/{webhook}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def behave(self, path: str, payload: dict[str, Any]) -> Say | None:
        """The next answer of the script; None to reset the connection."""
        self.posts.append((path, payload))
        behaviour = self.script.popleft() if self.script else Say()
        match behaviour:
            case Say(status=status, text=text):
                if status == 200 and text == "ok":
                    self.taken.append(payload)
                return behaviour
            case SayNothing():
                self._closing.wait()
                return None
            case HangUp():
                return None


class _Server(ThreadingHTTPServer):
    # server_close then waits for the handlers' threads, so that none outlives its test.
    daemon_threads = False

    def __init__(self, receiver: SlackReceiver) -> None:
        self.receiver = receiver
        super().__init__((LOOPBACK, 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.receiver.behave(self.path, json.loads(body))
        if answer is None:
            # To linger for zero seconds makes closing a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        text = answer.text.encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Not on the tests' output."""
