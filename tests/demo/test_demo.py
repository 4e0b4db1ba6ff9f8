"""`enigap demo`, once, as somebody runs it who has just cloned the project: what it shows, what it leaves."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not (PROC / "self" / "cmdline").exists(), reason="reads Linux's processes")


def processes_in(directory: Path) -> list[str]:
    """The command lines that name this directory, which is where the demo keeps everything it starts."""
    found = []
    for process in PROC.glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        if str(directory) in command:
            found.append(command)
    return found


@dataclass(frozen=True)
class Shown:
    """One run of the demo."""

    status: int
    text: str
    """With single spaces."""
    last_line: str
    errors: str
    processes_meanwhile: list[str]
    directory: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    directory = tmp_path_factory.mktemp("demo")
    environment = os.environ | {"TMPDIR": str(directory)}
    lines: list[str] = []
    meanwhile: list[str] = []
    errors = directory.with_name("demo-errors")
    with (
        errors.open("w+") as stderr,
        subprocess.Popen(
            [Path(sys.prefix) / "bin" / "enigap", "demo"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as running,
    ):
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("2. "):
                meanwhile = processes_in(directory)
        status = running.wait()
        stderr.seek(0)
        said = stderr.read()
    text = " ".join(" ".join(lines).split())
    return Shown(status, text, next(filter(None, reversed(lines))), said, meanwhile, directory)


def test_it_works_without_an_account_and_says_nothing_on_stderr(demo: Shown) -> None:
    assert (demo.status, demo.errors) == (0, "")


def test_it_shows_the_commands_that_it_runs(demo: Shown) -> None:
    assert "$ enigap check --cluster demo --at " in demo.text
    assert "$ enigap explain i-" in demo.text


def test_it_finds_the_one_node_that_counting_does_not_explain(demo: Shown) -> None:
    assert "os_deficit g1-moved-device (i-" in demo.text
    assert "at least 42.7 MB/s never crossed a device the OS sees" in demo.text
    assert "20 nodes: 1 unexplained, 0 unknown, 19 explained." in demo.text


def test_it_explains_the_articles_gap(demo: Shown) -> None:
    assert "node_local article i-" in demo.text
    assert "1.28 GB/s 837 B/s 1,524,843" in demo.text
    assert "so at least 595 MB/s is traffic inside the node, or was dropped on it" in demo.text


def test_it_says_what_was_not_measured(demo: Shown) -> None:
    assert "as the article saw them in CloudWatch (its devices are made up)" in demo.text


def test_it_has_no_colours_in_a_pipe(demo: Shown) -> None:
    assert "\x1b" not in demo.text


@needs_proc
def test_nothing_is_left_of_it(demo: Shown) -> None:
    assert demo.processes_meanwhile, "no embedded AWS was seen while it ran"
    assert processes_in(demo.directory) == []
    assert list(demo.directory.iterdir()) == []
    assert demo.last_line == "The embedded AWS is stopped; nothing is left of it."
