"""The console script in a process of its own: on a terminal, in a pipe, and where nobody listens any more."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from demo.embedded_aws import EmbeddedAws
from tests.cli.accounts import AT, Account
from tests.cli.conftest import CONSOLE_SCRIPT, Enigap
from tests.cli.terminals import everything_sent, open_terminal

pytestmark = pytest.mark.usefixtures("account")


def on_a_terminal(aws: EmbeddedAws, *arguments: str, columns: int = 80) -> tuple[int, str]:
    """Exit status and everything that a terminal of so many columns is sent."""
    ours, theirs = open_terminal(columns)
    environment = aws.environment() | {"TERM": "xterm-256color"}
    with subprocess.Popen(
        [CONSOLE_SCRIPT, *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as running:
        os.close(theirs)
        sent = everything_sent(ours)
    return running.returncode, sent


def test_a_program_that_asks_gets_one_document_and_nothing_else(console_script: Enigap) -> None:
    ran = console_script("check", "--cluster", "moved", "--at", AT, "--format", "json")
    assert (ran.status, ran.stderr) == (1, "")
    assert ran.document["schema"] == "enigap.check/1"
    assert ran.stdout.count("\n") == 1


@pytest.mark.parametrize("arguments", [["check", "--cluster", "nowhere"], ["explain", "nobody"], ["chekc"]])
def test_what_goes_wrong_is_one_sentence(console_script: Enigap, arguments: list[str]) -> None:
    assert console_script(*arguments).problem


def test_a_pipe_gets_no_colours_and_lines_of_80_columns(console_script: Enigap) -> None:
    ran = console_script("check", "--at", AT)
    assert ran.status == 1
    assert "\x1b" not in ran.stdout
    *lines, next_step = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith(" ")]
    assert next_step.startswith("Next: enigap explain i-")
    assert next_step.endswith(f" --at {AT}")


def test_a_terminal_gets_colours_but_none_of_a_nodes_choosing(aws: EmbeddedAws) -> None:
    status, sent = on_a_terminal(aws, "check", "--cluster", "evil", "--cluster", "moved", "--at", AT)
    assert status == 1
    assert "\x1b[1;31mos_deficit\x1b[0m" in sent
    assert "[b]<i>&{x}" in sent
    assert "\x1b[2J" not in sent


def test_a_narrow_terminal_crops_names_and_neither_verdicts_nor_numbers(
    aws: EmbeddedAws, account: Account
) -> None:
    _, sent = on_a_terminal(aws, "check", "--cluster", "calm", "--at", AT, columns=66)
    article, b = account.ids["calm", "article.internal"], account.ids["calm", "b-pod-to-remote.internal"]
    assert "node_local" in sent
    for cell in (article, "1.28 GB/s", "837 B/s", "1,524,843", b, "95.3 MB/s", "47.7 MB/s"):
        assert cell in sent
    assert "b-p" in sent
    assert "b-pod-to-remote" not in sent


def test_where_there_is_no_room_for_a_table_each_node_has_lines_of_its_own(
    aws: EmbeddedAws, account: Account
) -> None:
    _, sent = on_a_terminal(aws, "check", "--cluster", "calm", "--at", AT, columns=40)
    words = " ".join(sent.split())
    assert account.ids["calm", "article.internal"] in words
    assert "OS 1.28 GB/s, ENI 837 B/s, OS / ENI 1,524,843" in words
    assert "OS 95.3 MB/s, ENI 47.7 MB/s, OS / ENI 2.00" in words
    assert "…" not in words


def test_an_error_on_a_terminal_is_the_same_sentence(aws: EmbeddedAws) -> None:
    status, sent = on_a_terminal(aws, "check", "--region", "mars!")
    assert status == 2
    assert sent == "enigap: 'mars!' is no AWS region: give one such as eu-west-1.\r\n"


@pytest.mark.parametrize("output", ["table", "json"])
def test_where_nobody_reads_on_it_could_not_tell(aws: EmbeddedAws, output: str) -> None:
    """Not 1, which says that something is unexplained."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nowhere:
        done = subprocess.run(
            [CONSOLE_SCRIPT, "check", "--cluster", "calm", "--at", AT, "--format", output],
            env=aws.environment(),
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (2, "")


def test_a_terminal_that_speaks_ascii_gets_the_rest_written_out(console_script: Enigap) -> None:
    ran = console_script("check", "--cluster", "ünknown", "--at", AT, env={"PYTHONIOENCODING": "ascii"})
    assert r"'\xfcnknown'" in ran.problem


def test_it_can_be_called_as_a_module_of_the_same_python(aws: EmbeddedAws) -> None:
    program = "from enigap.cli.main import main; main(['policy'])"
    done = subprocess.run(
        [sys.executable, "-c", program], env=aws.environment(), capture_output=True, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("arguments", [["policy"], ["estimate", "--nodes", "5", "--format", "json"]])
def test_where_nothing_can_be_written_it_says_so_and_could_not_tell(
    aws: EmbeddedAws, arguments: list[str]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [CONSOLE_SCRIPT, *arguments],
            env=aws.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("enigap: The output cannot be written (No space left on device): ")
    assert done.stderr.count("\n") == 1


def test_the_version_is_that_of_the_package(console_script: Enigap) -> None:
    ran = console_script("--version")
    assert (ran.status, ran.stdout) == (0, f"enigap {version('enigap')}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chekc"], "No such command 'chekc'. Did you mean 'check'? See `enigap --help`."),
        (["check", "--evidence", "maybe"], "not 'maybe': see `enigap check --help`."),
        (["estimate", "--nodes", "5", "--clusters", "10"], "more than there are nodes (5): give fewer."),
        (["estimate", "--nodes", "5", "--flagged", "10"], "more than there are nodes (5): give fewer."),
    ],
)
def test_wrong_arguments_name_the_help_that_has_the_right_ones(
    enigap: Enigap, arguments: list[str], said: str
) -> None:
    assert enigap(*arguments).problem.endswith(said)
