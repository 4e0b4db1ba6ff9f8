"""The runbook: a section for everything that a message may name, with commands that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from enigap.cli import main, runbook
from enigap.cli.arguments import UsageError
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.verdict import Cause, Verdict
from enigap.settings import Settings
from tests.docs.commands import check, commands_in

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
NAMES = runbook.section_names()


def test_every_verdict_cause_and_finding_has_one_section() -> None:
    """Alarms are compared with the template in tests/infra/test_alarms.py."""
    named = {each.value for kind in (Verdict, Cause, FindingKind) for each in kind}
    assert sorted(name for name in NAMES if name.islower()) == sorted(named)
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_a_section_says_what_it_means_confirms_it_in_two_commands_and_says_what_fixes_it(name: str) -> None:
    section = runbook.section(name)
    parts = re.findall(r"^\*\*(.+?)\.\*\* (\S)", section, re.MULTILINE)
    assert [label for label, _ in parts] == ["For you", "Confirm", "Fix"]
    assert len(commands_in(section)) == 2


@pytest.mark.parametrize("line", sorted(set(commands_in(TEXT))))
def test_every_command_of_the_runbook_exists(line: str) -> None:
    check(line)


@pytest.mark.parametrize(
    "wrong",
    [
        "aws ec2 describe-instances --instance-id x",
        "aws sqs receive-message --max-number-of-messages 10",
        "aws cloudwatch get-metrics --namespace x",
        "enigap explain x --zone y",
        "enigap explains x",
        "kubectl get networks",
        "kubectl delete pod x",
        "kubectl get pods --everything",
        "rm x",
    ],
)
def test_a_command_that_does_not_exist_would_be_noticed(wrong: str) -> None:
    with pytest.raises((KeyError, AssertionError)):
        check(wrong)


def test_what_the_runbook_names_is_there() -> None:
    settings, words = set(Settings.__dataclass_fields__), set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", TEXT))
    others = {"node_network_total_bytes", "disable_metric_extraction", "metrics_collection_interval"}
    assert words <= settings | set(NAMES) | others
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for heading in re.findall(r'docs/operations\.md,\s"([^"]+?)"', TEXT):
        assert re.search(rf"^#+ (\d\. )?{' '.join(heading.split())}$", operations, re.MULTILINE)


def test_the_installed_package_has_the_runbook_of_the_docs() -> None:
    assert runbook.text() == TEXT


def run(*arguments: str, capsys: Any) -> str:
    with pytest.raises(SystemExit) as ended:
        main.main(["runbook", *arguments])
    assert ended.value.code == 0
    printed: str = capsys.readouterr().out
    return printed


def test_the_command_prints_a_section_as_messages_and_alarms_name_it(capsys: Any) -> None:
    printed = run("os_silent", capsys=capsys)
    assert printed.startswith("os_silent\n\n**For you.** The node has traffic in EC2 and no data")
    assert "###" not in printed
    assert run("enigap-planErrors", capsys=capsys) == run("planErrors", capsys=capsys)
    assert run("OS_SILENT", capsys=capsys) == printed


def test_the_command_lists_all_names(capsys: Any) -> None:
    printed = run(capsys=capsys)
    assert all(re.search(rf"\b{name}\b", printed) for name in NAMES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("os_sad", "has no section 'os_sad'. To see all names, run `enigap runbook`."),
        ("os_defict", "has no section 'os_defict'. Did you mean 'os_deficit'?"),
        ("plansmad", "has no section 'plansmad'. Did you mean 'PlansMade'?"),
    ],
)
def test_a_name_without_a_section_is_refused_with_the_one_that_is_like_it(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        runbook.section(name)
