"""Measures cold starts: how long a fresh interpreter takes to import each handler from the built asset.

    python -m bench.cold_start [INTERPRETER]

As in Lambda, nothing is compiled beforehand (the asset has no byte code and the directory is not writable
there) and nothing but the asset can be imported. Each is started several times, each in a process of its
own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Final

from infra.asset import build

STARTS: Final = 7

_INIT: Final = """
import sys, time
sys.path.insert(0, sys.argv[1])
began, used = time.perf_counter(), time.process_time()
__import__(sys.argv[2])
print(time.perf_counter() - began, time.process_time() - used, len(sys.modules))
"""


def measure(interpreter: str) -> dict[str, dict[str, float]]:
    """Median wall and CPU seconds for each handler's module, by its name."""
    asset = build()
    handlers = sorted(path.stem for path in (asset / "enigap" / "lambdas").glob("*.py") if _is_handler(path))
    return {handler: _start(interpreter, asset, f"enigap.lambdas.{handler}") for handler in handlers}


def _is_handler(path: Path) -> bool:
    return "\ndef handler(" in path.read_text(encoding="utf-8")


def _start(interpreter: str, asset: Path, module: str) -> dict[str, float]:
    # -I: no user site, no PYTHON* variables; -S: nothing of the interpreter's environment; -B: no byte code.
    command = [interpreter, "-I", "-S", "-B", "-c", _INIT, str(asset), module]
    environment = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-west-1"}
    runs = [
        [float(number) for number in subprocess.check_output(command, env=environment, text=True).split()]
        for _ in range(STARTS)
    ]
    wall, cpu, modules = (median(column) for column in zip(*runs, strict=True))
    return {"wall_seconds": wall, "cpu_seconds": cpu, "modules": modules}


if __name__ == "__main__":
    json.dump(measure(sys.argv[1] if len(sys.argv) > 1 else sys.executable), sys.stdout)
