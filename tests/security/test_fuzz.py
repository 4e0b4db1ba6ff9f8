"""Every target of the fuzzer, tried for a moment: at random, and guided by coverage where Atheris is."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from tests.security.fuzz_targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-fuzz" / "bin" / "python"


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a large example, and no finding
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_parser(name: str) -> None:
    settings(max_examples=60)(TARGETS[name])()


@pytest.mark.skipif(not PYTHON.exists(), reason="`make setup` makes .venv-fuzz")
def test_the_fuzzer_runs_and_finds_nothing_in_a_moment() -> None:
    command = [
        str(PYTHON),
        "-m",
        "tests.security.fuzz",
        "--runs",
        "300",
        "--seconds",
        "5",
        "log_events",
        "settings",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["log_events", "holds", "settings", "holds"]
