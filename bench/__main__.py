"""Runs all measurements, prints progress, and writes results.json and results.txt into this folder."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench import detection, functions, page, report, sources
from bench.measure import CONTENDERS, DESK, RIVALS, ROOT, WITH_DEVICES, FailedError, Run, measure, processor
from bench.servers import serving

HERE: Final = Path(__file__).parent
LAMBDA_PYTHON: Final = ROOT / ".venv-3.13" / "bin" / "python"
SHORT_SECONDS: Final = 5.0
"""Shorter runs are repeated, and the minimum of CPU time counts: more is noise from other processes."""
REPEATS: Final = 3


class Case(NamedTuple):
    """One measurement: the number of nodes, the servers' latency and the contenders."""

    nodes: int
    latency_ms: int
    contenders: tuple[str, ...]


EVERYBODY: Final = tuple(CONTENDERS)
FULL: Final = (
    Case(100, 0, ("enigap", "floor")),
    Case(100, 100, ("enigap", WITH_DEVICES)),
    Case(500, 0, EVERYBODY),
    Case(500, 100, tuple(name for name in EVERYBODY if name != "floor")),
    Case(1_000, 0, ("enigap", "floor", "boto3 GetMetricData")),
    Case(1_000, 100, ("enigap", WITH_DEVICES, "boto3 GetMetricData")),
    Case(10_000, 0, ("enigap", "floor", "boto3 GetMetricData")),
    Case(10_000, 100, ("enigap", WITH_DEVICES, "boto3 GetMetricData")),
    Case(100_000, 0, ("enigap", "floor")),
    Case(100_000, 100, ("enigap", WITH_DEVICES)),
)
QUICK: Final = (
    Case(100, 0, EVERYBODY),
    Case(100, 100, tuple(name for name in EVERYBODY if name != "floor")),
    Case(1_000, 0, ("enigap", "floor", "boto3 GetMetricData")),
)


def main() -> None:
    parser = argparse.ArgumentParser("bench", description="Compare enigap with the alternatives.")
    parser.add_argument("--quick", action="store_true", help="small fleets only: two minutes instead of ten")
    parser.add_argument(
        "subject",
        nargs="?",
        choices=("speed", "functions", "detection", "sources", "page"),
        default="speed",
        help="what to measure: speed and cost against others, the deployed functions on large clusters with "
        "churn (half an hour), how surely simulated faults are found (hours), the classic source against the "
        "OpenTelemetry one on 10,000 simulated nodes (ten minutes), or the page of the report",
    )
    parser.add_argument("--nodes", type=int, default=20, help="of detection: simulated nodes of each kind")
    parser.add_argument("--minutes", type=float, default=600.0, help="of detection: stop after so long")
    options = parser.parse_args()
    if options.subject == "detection":
        detection.main(options.nodes, options.minutes, quick=options.quick)
        return
    if options.subject == "sources":
        sources.main(quick=options.quick)
        return
    if options.subject == "functions":
        functions.main(quick=options.quick)
        return
    if options.subject == "page":
        page.main()
        return
    runs: list[Run] = []
    for case in QUICK if options.quick else FULL:
        runs += _measured(case)
    _say("cold starts of the functions, from the asset that is deployed")
    cold_starts = _cold_starts()
    machine = _machine()
    text = report.text(runs, cold_starts, machine)
    if not options.quick:
        document = report.document(runs, cold_starts, machine)
        (HERE / "results.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        (HERE / "results.txt").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"\n{text}\n")


def _measured(case: Case) -> list[Run]:
    """One run of each contender. The client and the servers have a CPU each, if there are two."""
    client, servers_on = (1, 0) if (os.cpu_count() or 1) > 1 else (None, None)
    runs = []
    with serving(case.nodes, case.latency_ms, servers_on) as servers:
        for contender in case.contenders:
            _say(f"{case.nodes:,} nodes, {case.latency_ms} ms a call: {contender}")
            try:
                best = measure(contender, servers, client)
                for _ in range(REPEATS - 1):
                    if best.wall_seconds < SHORT_SECONDS:
                        again = measure(contender, servers, client)
                        best = min(best, again, key=lambda run: run.cpu_seconds)
            except FailedError as failed:
                sys.exit(f"The measurement failed: {failed}")
            runs.append(best)
    return runs


def _cold_starts() -> Any:
    interpreter = LAMBDA_PYTHON if LAMBDA_PYTHON.exists() else DESK
    command = [str(DESK), "-m", "bench.cold_start", str(interpreter)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}"}
    return json.loads(subprocess.check_output(command, cwd=ROOT, env=environment))


def _machine() -> dict[str, str]:
    """The machine and the versions of the software that were measured."""
    rivals = "from importlib.metadata import version as v; print(*map(v, ('c7n', 'boto3', 'orjson')))"
    c7n, boto3, orjson = subprocess.check_output([str(RIVALS / "python"), "-c", rivals], text=True).split()
    lambda_python = LAMBDA_PYTHON if LAMBDA_PYTHON.exists() else DESK
    in_aws = subprocess.check_output([str(lambda_python), "-V"], text=True).strip()
    return {
        "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{os.cpu_count()} x {processor()}",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, load {os.getloadavg()[0]:.1f}",
        "enigap": f"{version('enigap')}, botocore {version('botocore')}, Python {platform.python_version()}",
        "rivals": f"Cloud Custodian {c7n}, boto3 {boto3}, orjson {orjson}",
        "cold starts": in_aws,
    }


def _say(what: str) -> None:
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {what}\n")


if __name__ == "__main__":
    main()
