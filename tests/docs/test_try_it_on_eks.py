"""The commands of docs/try-it-on-eks.md exist, and the resources they name are those of the manifests."""

from pathlib import Path

import pytest

from tests.docs.commands import check, commands_in

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "try-it-on-eks.md").read_text(encoding="utf-8")
COMMANDS = commands_in(PAGE)


def test_they_are_all_found() -> None:
    assert len(COMMANDS) == 8
    assert [line for line in COMMANDS if line.startswith("enigap ")] == ["enigap explain INSTANCE_ID"]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith(("enigap ", "kubectl "))])
def test_every_command_exists(line: str) -> None:
    check(line)


def test_what_they_name_is_in_the_manifests() -> None:
    for manifest in (ROOT / "lab").glob("*.yaml"):
        text = manifest.read_text(encoding="utf-8")
        assert text.count("namespace: enigap-lab") == 3
        assert "app: iperf3-client" in text
        assert manifest.name in PAGE
