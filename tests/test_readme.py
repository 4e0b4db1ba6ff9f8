"""Whatever README.md and its neighbours promise is there: tables, commands, settings, links and files."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer.main
from botocore import xform_name

from enigap.aws.iam import policy_document
from enigap.cli.main import app
from enigap.core.judging.verdict import Verdict
from enigap.core.published import Metric
from enigap.settings import Settings, rows
from enigap.wiring import READ_ACTIONS
from scripts.readme import BLOCKS, rewritten

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    ROOT / ".github" / "pull_request_template.md",
    ROOT / "docs" / "architecture.md",
    ROOT / "docs" / "decisions.md",
]

CDK_COMMANDS = {"bootstrap", "deploy", "destroy", "diff"}
GROUP: Any = typer.main.get_command(app)


def block(name: str) -> str:
    found = re.search(rf"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", README, re.DOTALL)
    assert found, f"README.md has no block {name}"
    return found[1]


def fenced(language: str, text: str = README) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def shell_lines() -> list[str]:
    texts = [text for document in (README, CONTRIBUTING) for text in fenced("sh", document)]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    # What messages tell people to type is held to the same.
    return sorted({*lines, *re.findall(r"^  (enigap .*)$", README, re.MULTILINE)})


def inline_commands() -> list[str]:
    """Commands in the running text, such as `make demo`; not the names of things."""
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
    return [text for text in re.findall(r"`([^`]+)`", prose) if re.match(r"(enigap|make|\S*cdk) [a-z]", text)]


# --- what is generated ---


def test_what_follows_from_the_code_is_as_the_code_has_it() -> None:
    assert rewritten(README) == README, "run .venv/bin/python -m scripts.readme"


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_every_generated_part_is_there_once(name: str) -> None:
    assert README.count(f"<!-- begin {name} -->") == README.count(f"<!-- end {name} -->") == 1
    assert block(name).strip()


def test_a_changed_table_would_be_noticed() -> None:
    changed = README.replace("| `os_deficit` | **no** |", "| `os_deficit` | yes |")
    assert changed != README
    assert rewritten(changed) == README


def test_every_verdict_setting_metric_and_command_is_in_its_table() -> None:
    def first_column(name: str) -> list[str]:
        return re.findall(r"^\| `([^`]+)` \|", block(name), re.MULTILINE)

    assert first_column("verdicts") == list(Verdict)
    assert first_column("settings") == [row.key for row in rows()]
    assert first_column("metrics") == [metric.metric_name for metric in Metric]
    assert first_column("commands") == [f"enigap {name}" for name in GROUP.commands]


def test_the_policy_can_be_pasted() -> None:
    (text,) = fenced("json", block("policy"))
    assert json.loads(text) == policy_document(READ_ACTIONS)


def test_it_opens_with_an_alert_and_the_counting_table() -> None:
    parts = ["<!-- begin alert -->", "<!-- begin counting -->", "make demo", "<!-- begin verdicts -->"]
    positions = [README.index(part) for part in parts]
    assert positions == sorted(positions)


# --- what can be typed ---


@pytest.mark.parametrize("line", shell_lines())
def test_every_line_in_a_shell_block_can_be_typed(line: str) -> None:
    check_command(shlex.split(line, comments=True))


@pytest.mark.parametrize("text", sorted(set(inline_commands())))
def test_every_command_in_the_text_can_be_typed(text: str) -> None:
    check_command(shlex.split(text))


def check_command(words: list[str]) -> None:
    program, *arguments = words
    checks = {"make": check_make, "enigap": check_enigap, "cdk": check_cdk, "aws": check_aws}
    if program.startswith(".venv/bin/"):
        program = Path(program).name
        if program == "python":
            assert (ROOT / arguments[0]).is_file()
            return
    assert program in checks, f"nobody checks {program}"
    checks[program](arguments)


def check_make(arguments: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(arguments) <= set(targets)


def check_enigap(arguments: list[str]) -> None:
    name, *rest = arguments
    command = GROUP.commands[name]
    if rest:
        command.make_context(name, rest)  # parses, and raises for what does not exist


def check_cdk(arguments: list[str]) -> None:
    command, *rest = arguments
    assert command in CDK_COMMANDS
    for option, value in pairwise(rest):
        if option == "-c":
            key, _, text = value.partition("=")
            assert key == "enigap"
            Settings.from_json(text)
    assert {word for word in rest if word.startswith("-")} <= {"-c", "--all"}


def check_aws(arguments: list[str]) -> None:
    service, operation, *rest = arguments
    model = botocore.session.Session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    members = model.operation_model(operations[operation]).input_shape.members
    options = {f"--{xform_name(name, '-')}" for name in members}
    assert {word for word in rest if word.startswith("--")} <= options


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    for wrong in (
        "make demon",
        "enigap chekc",
        "enigap check --clutser prod",
        "cdk deploy -c enigap='{\"mail\": []}'",
    ):
        with pytest.raises(Exception):  # noqa: B017, PT011 - each checker has its own
            check_command(shlex.split(wrong))


# --- what can be opened ---


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_something(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8")):
        assert not target.startswith(("http:", "https:")), f"{target}: nobody can check it here"
        path, _, heading = target.partition("#")
        there = document.parent / path if path else document
        assert there.exists(), target
        assert not heading or heading in headings(there), target


def headings(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_is_there(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    folders = "|".join(
        path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_package_shows_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["readme"] == "README.md"
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## (Unreleased|{re.escape(project['version'])}\b)", changes, re.MULTILINE)
