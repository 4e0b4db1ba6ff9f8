"""Whatever README.md and docs/ promise is there: tables, commands, settings, links and files."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main

from enigap.aws.iam import policy_document
from enigap.cli.main import app
from enigap.core.judging.verdict import Verdict
from enigap.core.published import Metric
from enigap.settings import Settings, rows
from enigap.wiring import READ_ACTIONS
from scripts.readme import ASSUMPTIONS, BLOCKS, assumptions, rewritten
from scripts.readme import DOCUMENTS as WRITTEN_IN
from tests.docs.commands import check_aws, commands_in

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
WRITTEN = {path.name: path.read_text(encoding="utf-8") for path in WRITTEN_IN}
"""The documents that have generated parts, or may have."""
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    ROOT / ".github" / "pull_request_template.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
TYPED = [text for name, text in WRITTEN.items() if name not in {"runbook.md", "try-it-on-eks.md"}]
"""All documents but those whose commands are checked elsewhere: tests/docs/test_runbook.py, tests/lab."""
MOST_WORDS = 1_000

CDK_COMMANDS = {"bootstrap", "deploy", "destroy", "diff"}
GROUP: Any = typer.main.get_command(app)


def block(name: str) -> str:
    found = re.search(
        rf"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", "".join(WRITTEN.values()), re.DOTALL
    )
    assert found, f"no document has a block {name}"
    return found[1]


def fenced(language: str, text: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def shell_lines() -> list[str]:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = [line for text in (*TYPED, contributing) for line in commands_in(text) if line]
    # What messages tell people to type is held to the same.
    return sorted(
        {*lines, *(line.strip() for line in re.findall(r"^ +(enigap .*)$", block("email"), re.MULTILINE))}
    )


def inline_commands() -> set[str]:
    """Commands in the running text, such as `make demo`; not the names of things."""
    prose = re.sub(r"^```.*?^```$", "", "\n".join(TYPED), flags=re.DOTALL | re.MULTILINE)
    code = (" ".join(text.split()) for text in re.findall(r"`([^`]+)`", prose))
    return {text for text in code if re.match(r"(enigap|make|\S*cdk) [a-z]", text)}


# --- README alone ---


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(README.split()) <= MOST_WORDS


def test_the_readme_opens_with_its_status_and_what_is_counted_where() -> None:
    parts = ["not yet on AWS", "<!-- begin counting -->", "make demo", "<!-- begin bill -->", "## Limits"]
    positions = [README.index(part) for part in parts]
    assert positions == sorted(positions)
    assert positions[0] < 200


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_the_readme_leads_to_every_document(document: Path) -> None:
    assert f"](docs/{document.name})" in README


# --- what is generated ---


@pytest.mark.parametrize("name", WRITTEN)
def test_what_follows_from_the_code_is_as_the_code_has_it(name: str) -> None:
    assert rewritten(WRITTEN[name]) == WRITTEN[name], "run .venv/bin/python -m scripts.readme"


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_every_generated_part_is_in_a_document_and_once_in_each(name: str) -> None:
    counts = {
        (text.count(f"<!-- begin {name} -->"), text.count(f"<!-- end {name} -->"))
        for text in WRITTEN.values()
    }
    assert counts == {(0, 0), (1, 1)}
    assert block(name).strip()


def test_a_changed_table_would_be_noticed() -> None:
    verdicts = WRITTEN["verdicts.md"]
    changed = verdicts.replace("| `os_deficit` | **no** |", "| `os_deficit` | yes |")
    assert changed != verdicts
    assert rewritten(changed) == verdicts


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


# --- what can be typed ---


@pytest.mark.parametrize("line", shell_lines())
def test_every_line_in_a_shell_block_can_be_typed(line: str) -> None:
    check_command(shlex.split(line, comments=True))


@pytest.mark.parametrize("text", sorted(inline_commands()))
def test_every_command_in_the_text_can_be_typed(text: str) -> None:
    check_command(shlex.split(text))


def check_command(words: list[str]) -> None:
    program, *arguments = words
    if program == "aws":
        check_aws(shlex.join(words))
        return
    checks = {"make": check_make, "enigap": check_enigap, "cdk": check_cdk}
    if program.startswith(".venv/bin/"):
        program = Path(program).name
        if program == "python":
            assert (ROOT / arguments[0]).is_file()
            return
    assert program in checks, f"nobody checks {program}"
    checks[program](arguments)


def check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    variables = {word.partition("=")[0] for word in arguments if "=" in word}
    assert {word for word in arguments if "=" not in word} <= set(
        re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    )
    assert variables <= set(re.findall(r"\$\((\w+)\)", makefile))


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


def test_the_assumptions_are_what_the_checks_say() -> None:
    assert ASSUMPTIONS.read_text(encoding="utf-8") == assumptions()
