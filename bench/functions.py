"""Measures the deployed planner and reconciler on a cluster with two weeks of churn.

A thousand nodes are replaced every hour, for each 100,000 there are: ListMetrics names 3.37 nodes that are
gone for each that runs.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.measure import DESK, ROOT
from bench.servers import Servers, on, serving

RESULTS: Final = Path(__file__).parent / "functions.json"
GONE_FOR_EACH_NODE: Final = 3.37
FUNCTIONS: Final = ("plan", "reconcile")
RUNS: Final = 2
"""Of one process: its first, and one that has what the first found out."""


class Case(NamedTuple):
    """A cluster, and how long AWS takes to answer a call."""

    nodes: int
    latency_ms: int


FULL: Final = (
    Case(1_000, 100),
    Case(10_000, 100),
    Case(100_000, 100),
    Case(10_000, 1_200),
    Case(100_000, 300),
)
QUICK: Final = (Case(1_000, 100),)


def main(*, quick: bool) -> None:
    """Measure, print, and unless it is quick write the results beside this file, case by case."""
    cases: list[dict[str, Any]] = []
    for case in QUICK if quick else FULL:
        for measured in _measured(case):
            cases.append(measured)
            sys.stdout.write(f"{line(measured)}\n")
            sys.stdout.flush()
        if not quick:
            measured_at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
            document = {"measured": measured_at, "load": round(os.getloadavg()[0], 1), "cases": cases}
            RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _measured(case: Case) -> Iterator[dict[str, Any]]:
    client, servers_on = (1, 0) if (os.cpu_count() or 1) > 1 else (None, None)
    gone = int(case.nodes * GONE_FOR_EACH_NODE)
    with serving(case.nodes, case.latency_ms, servers_on, gone) as servers:
        for function in FUNCTIONS:
            servers.reset()
            told = _told(function, servers, client)
            calls = servers.counters()["calls"]
            yield {"function": function, "gone": gone, **case._asdict(), **told, "calls": calls}


def _told(function: str, servers: Servers, cpu: int | None) -> dict[str, Any]:
    command = [str(DESK), "-m", "bench.contenders.function", function, str(RUNS)]
    environment = servers.environment() | {"PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}"}
    with on(cpu):
        said = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)
    told: dict[str, Any] = json.loads(said)
    return told


def line(measured: dict[str, Any]) -> str:
    """One function on one fleet: each run's time, and what came of it."""
    runs = "; ".join(_outcome(run) for run in measured["runs"])
    return (
        f"{measured['function']:<9} {measured['nodes']:>7,} nodes, {measured['gone']:>7,} gone, "
        f"{measured['latency_ms']:>5,} ms: {runs}; {measured['peak_megabytes']:.0f} MB"
    )


def _outcome(run: dict[str, Any]) -> str:
    unread = (run["verdicts"] or {}).get("unreadable")
    what = run["failed"] or run["finding"] or (f"{unread:,} nodes unreadable" if unread else "all done")
    return f"{run['wall_seconds']:.1f} s ({run['cpu_seconds']:.1f} s of processor, {what})"
