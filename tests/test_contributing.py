"""The tiers of tests in CONTRIBUTING.md, what `make check` must not start, and what runs before a commit."""

import re
from pathlib import Path

import pytest

from tests.test_architecture import imports

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

[_NOT_IN_CHECK] = re.findall(r"^NOT_IN_CHECK := (.+)$", MAKEFILE, re.MULTILINE)
NOT_IN_CHECK = set(_NOT_IN_CHECK.split())

# Each starts an AWS or the CDK, or builds what is deployed: importing it is the way to do so.
STARTERS = {"aws_cdk", "demo.__main__", "demo.deploy", "demo.embedded_aws", "demo.pipeline", "infra"}


def tiers() -> dict[str, list[str]]:
    """The rows of the table of tiers, by what each is a tier of: needs, proves, takes, in check, command."""
    rows = re.findall(r"^\| `(tests/\S+)` \| (.+) \|$", CONTRIBUTING, re.MULTILINE)
    assert len(dict(rows)) == len(rows), "a tier has two rows"
    return {tier: rest.split(" | ") for tier, rest in rows}


def folders_with_tests() -> set[str]:
    found = {path.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/test_*.py")}
    return {f"tests/{folder}" for folder in found}


def test_every_folder_of_tests_is_in_one_tier() -> None:
    assert tiers().keys() == folders_with_tests() | {"tests/test_*.py"}


def test_the_table_says_of_each_tier_whether_check_runs_it() -> None:
    assert {tier for tier, row in tiers().items() if row[3] == "no"} == NOT_IN_CHECK
    assert {row[3] for row in tiers().values()} == {"yes", "no"}


@pytest.mark.parametrize("tier", tiers())
def test_a_tier_is_run_by_its_command(tier: str) -> None:
    *said, command = tiers()[tier]
    assert all(said)
    assert command == f"`.venv/bin/pytest {tier}`"
    assert list(ROOT.glob(tier))


def test_a_tier_that_check_runs_needs_no_environment_but_the_first() -> None:
    assert {tier for tier, row in tiers().items() if row[0] == "`.venv`"} >= tiers().keys() - NOT_IN_CHECK


def test_check_leaves_out_what_is_listed_and_nothing_else() -> None:
    assert "$(BIN)/pytest $(WORKERS) $(addprefix --ignore ,$(NOT_IN_CHECK))\n" in MAKEFILE


# --- what check must not start ---


def quick_files() -> list[Path]:
    left_out = tuple(f"{ROOT / folder}/" for folder in NOT_IN_CHECK)
    return sorted(path for path in TESTS.rglob("*.py") if not str(path).startswith(left_out))


def file_of(name: str) -> Path | None:
    """The project's own module of this name, if it is outside `functions`."""
    path = ROOT.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def test_what_check_runs_imports_nothing_that_starts_an_aws_or_the_cdk() -> None:
    """Not even through a helper."""
    waiting, seen = quick_files(), set[Path]()
    assert waiting
    started = set[tuple[str, str]]()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        names = set(imports(file))
        started |= {
            (str(file.relative_to(ROOT)), name)
            for name in names
            if name in STARTERS or name.split(".")[0] in STARTERS
        }
        waiting += [found for name in names if (found := file_of(name))]
    assert not started


def test_what_starts_an_aws_would_be_noticed() -> None:
    assert "demo.embedded_aws" in set(imports(TESTS / "cli" / "conftest.py"))
    assert file_of("demo.embedded_aws") == ROOT / "demo" / "embedded_aws.py"


# --- before a commit ---


def test_before_a_commit_the_projects_own_tools_run_and_nothing_is_fetched() -> None:
    configuration = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (.+)", configuration) == ["local"]
    assert set(re.findall(r"language: (.+)", configuration)) == {"system"}
    sources = "functions demo infra lab tests bench scripts"
    assert f"SOURCES := $(wildcard {sources})" in MAKEFILE
    assert re.findall(r"entry: (.+)", configuration) == [
        ".venv/bin/ruff format --force-exclude",
        ".venv/bin/ruff check --force-exclude",
        f".venv/bin/mypy {sources}",
    ]
