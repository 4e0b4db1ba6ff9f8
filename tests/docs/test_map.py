"""docs/architecture.md and the reading orders in the core: every module is there, and nothing that is not."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "functions" / "enigap"

ROWS = re.findall(r"^\| `([\w./]+)` \| (.+) \|$", MAP, re.MULTILINE)
NAMED = [path for path, _ in ROWS]
IN_FULL = ("core", "core/counting", "core/incidents", "core/judging", "core/messages", "aws", ".")
"""Folders of the package whose modules are all listed; of the others the folder is."""

WINGS = sorted(path.parent for path in (PACKAGE / "core").glob("*/__init__.py"))


def path_of(file: Path) -> str:
    return f"{file.relative_to(ROOT)}{'/' if file.is_dir() else ''}"


def test_everything_that_is_named_is_there_and_said_once() -> None:
    assert [path for path in NAMED if not (ROOT / path).exists()] == []
    assert sorted(set(NAMED)) == sorted(NAMED)


@pytest.mark.parametrize("folder", IN_FULL)
def test_every_module_is_on_the_map(folder: str) -> None:
    modules = {path_of(file) for file in (PACKAGE / folder).glob("*.py") if file.name != "__init__.py"}
    assert modules
    assert modules <= set(NAMED)


def test_every_folder_is_on_the_map() -> None:
    packages = {path_of(file.parent) for file in PACKAGE.rglob("__init__.py")} - {path_of(PACKAGE)}
    beside = {path_of(path) for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    headings = set(re.findall(r"^### `([\w./]+)`", MAP, re.MULTILINE))
    assert (packages | beside) - set(NAMED) - headings == set()


def test_every_file_that_a_walk_or_an_answer_names_is_there() -> None:
    paths = set(re.findall(r"`((?:functions|infra|demo|bench|scripts|tests|docs)/[\w./]*)`", MAP))
    assert len(paths) > 60
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", [PACKAGE / "core", *WINGS], ids=lambda path: path.name)
def test_a_wing_says_in_which_order_to_read_it(package: Path) -> None:
    about = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    modules = {file.stem for file in package.glob("*.py")} - {"__init__"}
    modules |= {wing.name for wing in WINGS if wing.parent == package}
    assert {name for name in modules if not re.search(rf"`{name}`", about)} == set()
