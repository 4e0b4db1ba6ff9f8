"""Every threat in docs/security.md is held by a test that there is."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
[SECURITY] = re.findall(r"^## Threats\n(.*?)^## ", DOCUMENT, re.DOTALL | re.MULTILINE)
THREATS = re.findall(r"^\* (.*?)(?=^\* |\n\n)", SECURITY, re.DOTALL | re.MULTILINE)
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY)


def test_every_threat_names_the_test_that_holds_it() -> None:
    assert len(THREATS) >= 8
    assert [threat for threat in THREATS if not re.search(r"`tests/[\w/]+\.py::\w+`", threat)] == []


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    assert name.startswith("test_")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
