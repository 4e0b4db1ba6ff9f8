"""Starts the two servers of a fleet: the fake CloudWatch, and the fake of EC2 and STS."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bench.account import CLUSTER, LOOPBACK

MINUTES_OF_DATA: Final = 150
"""Minutes of data at the servers' start. The clock goes on, and runs start up to an hour later."""


@dataclass(frozen=True)
class Servers:
    """The URLs and counters of the two servers."""

    nodes: int
    latency_ms: int
    cloudwatch: str
    account: str

    def environment(self) -> dict[str, str]:
        """The environment for a contender's process, so that it talks to these servers only."""
        inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        return inherited | {
            "AWS_ENDPOINT_URL": self.account,
            "AWS_ENDPOINT_URL_CLOUDWATCH": self.cloudwatch,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def counters(self) -> dict[str, Any]:
        """The counters of both servers since the last reset."""
        of_account = _ask(self.account)
        of_cloudwatch: dict[str, Any] = _ask(self.cloudwatch)
        return of_cloudwatch | {"calls": of_cloudwatch["calls"] | of_account["calls"]}

    def reset(self) -> None:
        _ask(self.cloudwatch, method="POST")
        _ask(self.account, method="POST")


def _ask(url: str, method: str = "GET") -> Any:
    request = urllib.request.Request(f"{url}/counters", method=method)  # noqa: S310 - one of our own
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


@contextmanager
def serving(nodes: int, latency_ms: int, cpu: int | None, gone: int = 0) -> Iterator[Servers]:
    """Run both servers, on this CPU if there is more than one."""
    with ExitStack() as stack:
        cloudwatch = stack.enter_context(
            _process(
                "tests.fakes.strict_cloudwatch",
                f"--nodes={nodes}",
                f"--gone={gone}",
                f"--latency-ms={latency_ms}",
                f"--minutes={MINUTES_OF_DATA}",
                f"--cluster={CLUSTER}",
                cpu=cpu,
            )
        )
        account = stack.enter_context(
            _process("bench.account", f"--nodes={nodes}", f"--latency-ms={latency_ms}", cpu=cpu)
        )
        yield Servers(nodes, latency_ms, cloudwatch, account)


@contextmanager
def _process(module: str, *arguments: str, cpu: int | None) -> Iterator[str]:
    with on(cpu):
        command = [sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().strip() if process.stdout else ""
        if not port:
            raise RuntimeError(f"{module} did not start")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def on(cpu: int | None) -> Iterator[None]:
    """Pin processes started in the block to this CPU, if the platform can do that."""
    if cpu is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
