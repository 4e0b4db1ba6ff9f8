"""`enigap demo`, once, as somebody runs it who has just cloned the project: what it shows, what it leaves."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from enigap.cli.demo import CHECKOUT

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
    """One run of the demo: kept up at its end while the commands that it shows were run, and then stopped."""

    status: int
    lines: list[str]
    errors: str
    ran: dict[str, subprocess.CompletedProcess[str]]
    """What became of each command."""
    processes_meanwhile: list[str]
    directory: Path

    @property
    def text(self) -> str:
        """With single spaces."""
        return " ".join(" ".join(self.lines).split())


def commands_in(lines: list[str]) -> list[str]:
    """The commands that are shown on lines of their own: run, proposed, or in a message."""
    found = (re.fullmatch(r"(?:\$ |Next: | *\| *)(enigap [a-z].*)", line) for line in lines)
    return list(dict.fromkeys(match[1] for match in found if match))


def run_as_told(command: str, exports: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that has what the demo says to export, and nothing else of AWS."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    script = "\n".join([*exports, command])
    return subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    directory = tmp_path_factory.mktemp("demo")
    environment = os.environ | {"TMPDIR": str(directory)}
    lines: list[str] = []
    meanwhile: list[str] = []
    ran: dict[str, subprocess.CompletedProcess[str]] = {}
    errors = directory.with_name("demo-errors")
    with (
        errors.open("w+") as stderr,
        subprocess.Popen(
            [Path(sys.prefix) / "bin" / "enigap", "demo", "--keep"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as running,
    ):
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line.rstrip("\n"))
            if lines[-1] == "The embedded AWS stays up until Ctrl-C.":
                meanwhile = processes_in(directory)
                exports = [each for each in lines if each.startswith(("export ", "unset "))]
                ran = {command: run_as_told(command, exports) for command in commands_in(lines)}
                running.terminate()
        status = running.wait()
        stderr.seek(0)
        said = stderr.read()
    return Shown(status, lines, said, ran, meanwhile, directory)


def test_it_works_without_an_account_and_says_nothing_on_stderr(demo: Shown) -> None:
    assert (demo.status, demo.errors) == (0, "")


def test_it_shows_the_commands_that_it_runs(demo: Shown) -> None:
    shown = [command.split()[1] for command in commands_in(demo.lines)]
    assert shown[:2] == ["check", "explain"]
    assert {"status", "report", "silence"} <= set(shown)


def test_every_command_that_it_shows_can_be_run_and_those_that_look_carry_their_time(demo: Shown) -> None:
    assert len(demo.ran) >= 6
    for command, done in demo.ran.items():
        assert done.returncode in {0, 1}, (command, done.stderr)
        looks = command.split()[1] in {"check", "explain", "report", "backtest"}
        assert (" --at " in command) is looks, command


def test_its_commands_find_when_run_again_what_it_shows(demo: Shown) -> None:
    check, explain, *_ = demo.ran.values()
    for again in (check, explain):
        assert len(again.stdout) > 500
        assert again.stdout in "\n".join(demo.lines)


def test_it_finds_the_one_node_that_counting_does_not_explain(demo: Shown) -> None:
    assert "demo: 1 of 5 nodes unexplained" in demo.lines
    assert "os_deficit g1-moved-device (i-" in demo.text
    assert "at least 42.7 MB/s never crossed a device the OS sees" in demo.text
    assert "5 nodes: 1 unexplained, 0 unknown, 4 explained." in demo.text


def test_it_explains_the_node_that_fails(demo: Shown) -> None:
    explained = next(line for line in demo.lines if line.startswith("$ enigap explain"))
    assert f"os_deficit g1-moved-device ({explained.split()[3]})" in demo.text
    assert "before that it was agree, OS / ENI 1.00." in demo.text


def test_it_shows_the_articles_gap(demo: Shown) -> None:
    assert "node_local article i-" in demo.text
    assert "1.28 GB/s 837 B/s 1,524,843" in demo.text


def test_it_says_what_was_not_measured(demo: Shown) -> None:
    assert "as the article saw them in CloudWatch (its devices are made up)" in demo.text


def test_both_messages_are_drawn_and_not_dumped(demo: Shown) -> None:
    assert "   | enigap   APP" in demo.lines
    assert demo.text.index("Opened: ") < demo.text.index("Resolved: ")
    assert '"blocks"' not in demo.text


def test_every_number_that_was_published_has_its_unit(demo: Shown) -> None:
    start = demo.lines.index("Published for the cluster, newest values:") + 1
    published = demo.lines[start : demo.lines.index("", start)]
    assert len(published) >= 10
    units = {"node", "nodes", "metrics", "surprises", "B/s", "kB/s", "MB/s", "GB/s"}
    assert all(line.split()[-1] in units for line in published)


def test_it_ends_green(demo: Shown) -> None:
    start = demo.lines.index("Alarms:") + 1
    listed = demo.lines[start : demo.lines.index("", start)]
    states = dict(line.split() for line in listed if line.startswith("  enigap-"))
    assert states["enigap-ClustersOverdue"] == states["enigap-NodesUnexplained"] == "OK"
    assert "ALARM" not in states.values()
    assert "no open incidents" in demo.text


def test_its_last_line_names_the_page_to_open(demo: Shown) -> None:
    report = Path(demo.lines[-1].split()[-1])
    assert demo.lines[-1] == f"To open in a browser: {report}"
    assert report.read_text(encoding="utf-8").lower().startswith("<!doctype html>")


def test_it_has_no_colours_in_a_pipe(demo: Shown) -> None:
    assert "\x1b" not in demo.text


@needs_proc
def test_nothing_is_left_of_it(demo: Shown) -> None:
    assert demo.processes_meanwhile, "no embedded AWS was seen while it ran"
    assert processes_in(demo.directory) == []
    assert list(demo.directory.iterdir()) == []


@needs_proc
def test_nothing_is_left_of_one_that_is_interrupted_while_it_deploys(tmp_path: Path) -> None:
    with subprocess.Popen(
        # A shell's background jobs ignore the signal, and what they start inherits that.
        ["/usr/bin/env", "--default-signal=INT", sys.executable, "-m", "demo"],
        cwd=CHECKOUT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("Then deployed"):
                running.send_signal(signal.SIGINT)
    assert running.returncode == 130
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_it_takes_no_other_options() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--kep"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    told = "enigap: The demo takes --keep, --all and --raw, not '--kep'.\n"
    assert (done.returncode, done.stderr) == (2, told)
