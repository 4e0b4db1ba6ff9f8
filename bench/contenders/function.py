"""A deployed function, as Lambda runs it: `python -m bench.contenders.function plan RUNS`, run in .venv.

The handlers' own code, with the settings' defaults but device evidence, which has a measurement of its own.
Lambda's context counts down from the time-out; all runs are of one process, as of a function that stays warm.
"""

import io
import json
import os
import resource
import sys
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from bench.account import ACCOUNT_ID, CLUSTER
from enigap.core.counting.window import Window
from enigap.core.work import WorkItem

TIMEOUT_SECONDS = {"plan": 300.0, "reconcile": 300.0}
REGION = "eu-west-1"


class Context:
    """Lambda's context object."""

    function_name = "bench"
    memory_limit_in_mb = 1769
    invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:bench"
    aws_request_id = "bench"

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._until - time.monotonic()))


def main(function: str, runs: int) -> None:
    os.environ |= {
        "ENIGAP_SETTINGS": json.dumps({"evidence": "off"}),
        "ENIGAP_STATE_TABLE": "state",
        "ENIGAP_WORK_QUEUE_URL": f"{os.environ['AWS_ENDPOINT_URL']}/queue",
        "ENIGAP_TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:findings",
        "ENIGAP_DASHBOARD_URL": "https://example.com/",
        "POWERTOOLS_SERVICE_NAME": "enigap",
    }
    said = io.StringIO()
    with redirect_stdout(said):
        handler = import_module(f"enigap.lambdas.{function}").handler
        found = [_run(handler, function, said) for _ in range(runs)]
    json.dump({"runs": found, "peak_megabytes": _peak_megabytes()}, sys.stdout)


def _run(handler: Any, function: str, said: io.StringIO) -> dict[str, Any]:
    window = Window.newest_settled(datetime.now(UTC), timedelta(minutes=10))
    body = json.dumps(WorkItem(ACCOUNT_ID, REGION, CLUSTER, window).document())
    record = {"messageId": "m", "body": body, "attributes": {"MessageGroupId": CLUSTER}}
    event = {} if function == "plan" else {"Records": [record]}
    said.seek(0)
    said.truncate()
    wall, cpu = time.monotonic(), time.process_time()
    try:
        answer = handler(event, Context(TIMEOUT_SECONDS[function]))
    except Exception as error:  # noqa: BLE001 - that it fails is the result
        answer = {"failed": str(error)}
    seconds = {"wall_seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
    lines = [json.loads(line) for line in said.getvalue().splitlines() if line.startswith("{")]
    told: dict[str, Any] = next(
        (line for line in lines if line.get("message") in {"planned", "reconciled"}), {}
    )
    return seconds | {
        "failed": answer.get("failed"),
        "nodes": told.get("nodes"),
        "verdicts": told.get("verdicts"),
        "clusters": told.get("clusters"),
        "finding": told.get("finding"),
    }


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
