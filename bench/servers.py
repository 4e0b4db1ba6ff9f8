"""The two servers that a fleet takes, in processes of their own: its metrics, and the rest of its account."""

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
"""Up to when the servers start. A fleet's clock goes on, and the last run may begin an hour later."""


@dataclass(frozen=True)
class Servers:
    """Where they are, and what they have counted."""

    nodes: int
    latency_ms: int
    cloudwatch: str
    account: str

    def environment(self) -> dict[str, str]:
        """What a contender's process needs in its environment to talk to them and to nobody else."""
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
        """What CloudWatch has counted since they were last reset, and the calls of the account."""
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
def serving(nodes: int, latency_ms: int, cpu: int | None) -> Iterator[Servers]:
    """Both servers, on this processor if there is more than one."""
    with ExitStack() as stack:
        cloudwatch = stack.enter_context(
            _process(
                "tests.fakes.strict_cloudwatch",
                f"--nodes={nodes}",
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
    """Whatever starts in the block stays on this processor, where there is one and that can be said."""
    if cpu is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
