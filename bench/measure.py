"""Measures one contender on one fleet, in a process of its own: wall time, CPU time and memory."""

import json
import os
import platform
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.servers import Servers, on
from enigap.core.counting.rules import EvidencePolicy
from enigap.settings import Settings

ROOT: Final = Path(__file__).parent.parent
DESK: Final = ROOT / ".venv" / "bin" / "python"
RIVALS: Final = ROOT / ".venv-bench" / "bin"
_MEGABYTE: Final = 1024  # of ru_maxrss, which is in kilobytes


class FailedError(Exception):
    """A contender did not finish; the message is its output."""


@dataclass(frozen=True)
class Run:
    """The result of one run. Wall time, CPU time and memory are of the whole process."""

    contender: str
    nodes: int
    latency_ms: int
    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float
    calls: dict[str, int]
    billed_metrics: int
    """Metrics that GetMetricData bills; for GetMetricStatistics its requests, which cost the same each."""
    datapoints: int
    """As AWS's quota counts them: time range divided by period."""
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    """Wall and CPU seconds of its stages, if the contender reports them."""

    def to_mapping(self) -> dict[str, Any]:
        return asdict(self)


WITH_DEVICES: Final = "enigap, devices in turn"
"""As it is deployed by default. The other one reads the totals alone, as its rivals do."""
CONTENDERS: Final[dict[str, tuple[str, ...]]] = {
    "enigap": (str(DESK), "-m", "bench.contenders.enigap", "prod", EvidencePolicy.OFF),
    WITH_DEVICES: (str(DESK), "-m", "bench.contenders.enigap", "prod", Settings().evidence),
    "floor": (str(RIVALS / "python"), "-m", "bench.contenders.floor", "{nodes}"),
    "boto3 GetMetricData": (str(RIVALS / "python"), "-m", "bench.contenders.metric_data", "{nodes}"),
    "Cloud Custodian": (
        str(RIVALS / "custodian"),
        *("run", "--cache-period", "0", "--output-dir", "{scratch}", "bench/contenders/cloud_custodian.yml"),
    ),
    "boto3 GetMetricStatistics": (
        *(str(RIVALS / "python"), "-m", "bench.contenders.statistics_loop", "{nodes}"),
    ),
}
"""The command line of each contender, run in the root of the project."""


def measure(contender: str, servers: Servers, cpu: int | None) -> Run:
    """Run a contender once, on this CPU. Raises FailedError if it fails or read another number of nodes."""
    servers.reset()
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as said:
        names = {"nodes": str(servers.nodes), "scratch": scratch}
        command = [part.format(**names) for part in CONTENDERS[contender]]
        environment = servers.environment() | {"PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}"}
        with on(cpu):
            began = time.monotonic()
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT
            )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode()
        if process.returncode != 0:
            raise FailedError(f"{contender} ended with status {process.returncode}: {text[-2000:]}")
        told = _told(contender, text, Path(scratch))
    if told["nodes"] != servers.nodes:
        raise FailedError(f"{contender} looked at {told['nodes']} of {servers.nodes} nodes: {text[-2000:]}")
    counted = servers.counters()
    return Run(
        contender,
        servers.nodes,
        servers.latency_ms,
        wall,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / _MEGABYTE,
        counted["calls"],
        counted["billed_metrics"] + counted["calls"].get("GetMetricStatistics", 0),
        counted["estimated_datapoints"],
        told.get("stages", {}),
    )


def _told(contender: str, text: str, scratch: Path) -> dict[str, Any]:
    if contender == "Cloud Custodian":
        # Cloud Custodian exits with 0 even on failure; the number of matched resources shows it.
        matched = json.loads((scratch / "eni-gap" / "resources.json").read_text(encoding="utf-8"))
        return {"nodes": len(matched)}
    told: dict[str, Any] = json.loads(text)
    return told


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
