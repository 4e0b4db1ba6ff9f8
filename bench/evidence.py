"""Measures how long reading the device events of many nodes takes, at the deployed rate limit.

    python -m bench.evidence

A server on loopback answers FilterLogEvents over HTTP, 300 ms after it was asked, with the events of the
streams that the call names: two ENIs a node, an event each minute, in pages of 1 MB. The client is the one
that is deployed, with its rate limit. Each node has 45 minutes of events.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from enigap.aws.clients import Aws
from enigap.aws.device_events import CALLS_PER_SECOND, MARGIN, ContainerInsightsDevices
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceEvents, DeviceScope
from enigap.core.counting.node import Node
from enigap.core.counting.window import FetchSpan

SUSPECTS: Final = 2_000
CLUSTER: Final = "prod"
MINUTES: Final = 45
SECONDS_PER_CALL: Final = 0.3
PAGE_BYTES: Final = 1_048_576
NODES: Final = tuple(Node(CLUSTER, f"i-{n:017x}", f"ip-10-0-{n}.ec2.internal") for n in range(SUSPECTS))
_END: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPAN: Final = FetchSpan(_END - MINUTES * timedelta(minutes=1) + MARGIN, _END - MARGIN)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    calls = 0

    def do_POST(self) -> None:
        type(self).calls += 1
        due = time.monotonic() + SECONDS_PER_CALL
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(_page(request)).encode()
        time.sleep(max(0.0, due - time.monotonic()))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Log nothing."""


def _page(request: dict[str, Any]) -> dict[str, Any]:
    numbers = [int(re.sub(r"ip-10-0-(\d+)\..*", r"\1", name)) for name in request["logStreamNames"]]
    first, size = int(request.get("nextToken", 0)), 0
    lines = [(node, minute, eni) for node in numbers for minute in range(MINUTES) for eni in (0, 1)]
    events: list[dict[str, Any]] = []
    for node, minute, eni in lines[first:]:
        at = request["startTime"] + minute * 60_000
        message = _message(NODES[node], at, f"eth{eni}")
        size += len(message)
        if size > PAGE_BYTES:
            return {"events": events, "nextToken": str(first + len(events))}
        events.append({"logStreamName": NODES[node].node_name, "timestamp": at, "message": message})
    return {"events": events}


def _message(node: Node, at: int, device: str) -> str:
    """An event of about 900 bytes, in the agent's format."""
    kinds = ("bytes", "dropped", "errors", "packets")
    figures = ("total_bytes", *(f"{way}_{kind}" for way in ("rx", "tx") for kind in kinds))
    event: dict[str, Any] = {
        "AutoScalingGroupName": "eks-workers-5ac2bd7e-0000-0000-0000-000000000000",
        "ClusterName": node.cluster,
        "InstanceId": node.instance_id,
        "InstanceType": "m5.large",
        "NodeName": node.node_name,
        "Sources": ["cadvisor", "calculated"],
        "Timestamp": str(at),
        "Type": "NodeNet",
        "Version": "0",
        "interface": device,
        "kubernetes": {"host": node.node_name},
        **{f"node_interface_network_{name}": 3163.008420864309 for name in figures},
    }
    return json.dumps(event).ljust(900)


@contextmanager
def _serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def main() -> None:
    with _serving() as url:
        os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        logs = Aws(region="eu-west-1").client("logs")
        wall, processor = time.monotonic(), time.process_time()
        answers = ContainerInsightsDevices(logs, Classifier()).devices(NODES, SPAN, DeviceScope.ENI)
        wall, processor = time.monotonic() - wall, time.process_time() - processor
    read = [each for each in answers.values() if isinstance(each, DeviceEvents)]
    samples = sum(len(each.samples) for each in read)
    sys.stdout.write(
        f"ENI devices of {len(read):,} of {SUSPECTS:,} suspects, {MINUTES} minutes, {samples:,} events: "
        f"{wall:.0f} s in {_Answer.calls} calls of {SECONDS_PER_CALL * 1000:.0f} ms at {CALLS_PER_SECOND} a "
        f"second, {processor:.0f} s of processor, the server's included\n"
    )


if __name__ == "__main__":
    main()
