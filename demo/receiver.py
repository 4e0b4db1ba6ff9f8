"""An HTTP server on loopback that collects posts: the demo's Slack channel and mailbox."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Any, Self

LOOPBACK = "127.0.0.1"
SLACK_PATH = "/services/demo"
MAIL_PATH = "/mail"


class Receiver:
    """Listens inside its `with` block. The queues `slack` and `mail` have the messages, oldest first."""

    def __init__(self) -> None:
        self.slack: Queue[dict[str, Any]] = Queue()
        self.mail: Queue[dict[str, Any]] = Queue()
        boxes = {SLACK_PATH: self.slack, MAIL_PATH: self.mail}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                box = boxes.get(self.path)
                if box is None:
                    self.send_error(404)
                    return
                box.put(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Log nothing: the demo shows the messages."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}"
