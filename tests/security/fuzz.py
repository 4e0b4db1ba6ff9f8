"""Fuzzes the parsers guided by coverage: `make fuzz`, or `python -m tests.security.fuzz` in .venv-fuzz.

Each target of tests/security/fuzz_targets.py runs in a process of its own. Atheris changes bytes, hypothesis
makes an example of them, and what reaches new code of enigap is kept in build/fuzz/ for the next time. Where
Atheris has no wheel, the bytes are random. The exit status is 1 if an oracle was broken; the input is then in
build/fuzz/, and the failing example is printed.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT_IN: Final = ROOT / "build" / "fuzz"
LONGEST_INPUT_BYTES: Final = 4_096
SEEDS: Final = 32


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Look for input that breaks a parser.")
    parser.add_argument("targets", nargs="*", help="names in tests/security/fuzz_targets.py; all by default")
    parser.add_argument("--seconds", type=int, default=20, help="for each target (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=-1, help="for each target at most; endless by default")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.in_this_process:
        _fuzz(asked.targets[0], asked.seconds, asked.runs)
        return 0
    names = asked.targets or _names()
    broken = [name for name in names if not _succeeds(name, asked.seconds, asked.runs)]
    for name in names:
        print(f"{name:<32}{'BROKEN' if name in broken else 'holds'}")  # noqa: T201
    return 1 if broken else 0


def _names() -> list[str]:
    from tests.security.fuzz_targets import TARGETS  # noqa: PLC0415 - the fuzzer instruments what it imports

    return list(TARGETS)


def _succeeds(name: str, seconds: int, runs: int) -> bool:
    command = [sys.executable, "-m", "tests.security.fuzz", name, "--in-this-process"]
    limits = ["--seconds", str(seconds), "--runs", str(runs)]
    path = os.pathsep.join((str(ROOT / "functions"), str(ROOT)))
    done = subprocess.run(
        [*command, *limits],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path, "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout + done.stderr)  # noqa: T201
    return done.returncode == 0


def _fuzz(name: str, seconds: int, runs: int) -> None:
    """Fuzz one target; a broken oracle ends the process with its traceback."""
    atheris = __import__("atheris") if find_spec("atheris") else None
    with atheris.instrument_imports(include=["enigap"]) if atheris else nullcontext():
        from tests.security.fuzz_targets import TARGETS  # noqa: PLC0415
    target: Any = TARGETS[name]
    one: Callable[[bytes], object] = target.hypothesis.fuzz_one_input
    if atheris is None:
        _at_random(one, seconds, runs)
        return
    corpus = KEPT_IN / name
    if not corpus.exists():
        _sow(corpus)
    options = [
        "-len_control=0",  # an example takes hundreds of bytes: shorter input makes none
        f"-max_total_time={seconds}",
        f"-atheris_runs={runs}",
        f"-max_len={LONGEST_INPUT_BYTES}",
        f"-artifact_prefix={KEPT_IN}/{name}.",
        "-rss_limit_mb=2048",
        "-timeout=10",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def _sow(corpus: Path) -> None:
    """Random input to begin with."""
    corpus.mkdir(parents=True)
    dice = random.Random(0)  # noqa: S311 - no secret
    for number in range(SEEDS):
        (corpus / f"seed-{number}").write_bytes(dice.randbytes(dice.randrange(LONGEST_INPUT_BYTES)))


def _at_random(one: Callable[[bytes], object], seconds: int, runs: int) -> None:
    dice = random.Random()  # noqa: S311 - no secret
    until = time.monotonic() + seconds
    while runs != 0 and time.monotonic() < until:
        one(dice.randbytes(dice.randrange(LONGEST_INPUT_BYTES)))
        runs -= 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
