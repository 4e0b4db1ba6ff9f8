"""The fake as an HTTP server on 127.0.0.1, for clients behind AWS_ENDPOINT_URL and in other processes.

`GET /counters` answers with the fake's counters as JSON and `POST /counters` starts them anew: the way for a
benchmark to read them from another process.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.fakes.strict_cloudwatch.cloudwatch import StrictCloudWatch
from tests.fakes.strict_cloudwatch.counters import Counters

LOOPBACK: Final = "127.0.0.1"
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 seconds


class CloudWatchServer(ThreadingHTTPServer):
    """Serves one fake, each connection in a thread of its own, every answer `latency_seconds` late."""

    daemon_threads = False  # closing the server closes its connections and waits for their threads
    request_queue_size = 128

    def __init__(
        self,
        fake: StrictCloudWatch,
        *,
        port: int = 0,
        latency_seconds: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.fake = fake
        self.latency_seconds = latency_seconds
        self.sleep = sleep
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """What to set AWS_ENDPOINT_URL to."""
        return f"http://{LOOPBACK}:{self.port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._connections_lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        with self._connections_lock:
            for connection in self._connections:
                # Ends the read that the connection's thread waits in; the thread itself closes it. A client
                # that has gone first has ended that read already.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CloudWatchServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/counters":
            self.server.fake.counters = Counters()
            self._send(204, {}, b"")
            return
        try:
            answer = self.server.fake.handle(dict(self.headers.items()), body, sleep=self._wait)
        except ConnectionResetError:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.close_connection = True
            return
        self._send(*answer)

    def do_GET(self) -> None:
        if self.path != "/counters":
            self.send_error(404)
            return
        body = json.dumps(self.server.fake.counters.as_dict()).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._send(200, headers, body)

    def _wait(self, seconds: float) -> None:
        self.server.sleep(self.server.latency_seconds + seconds)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name http.server gives it)
        """Say nothing: the fake counts its calls."""


@contextmanager
def serve(
    fake: StrictCloudWatch,
    *,
    port: int = 0,
    latency_seconds: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[CloudWatchServer]:
    """Serve the fake from a thread while the block runs."""
    with CloudWatchServer(fake, port=port, latency_seconds=latency_seconds, sleep=sleep) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
