"""What is deployed is pinned by hash, listed, and looked up; and nobody takes silence for a clean bill."""

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scripts import audit
from scripts.audit import Ended

ROOT = Path(__file__).parent.parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

REQUIREMENT = re.compile(r"(?P<name>[a-z0-9._-]+)(\[[a-z0-9,_-]+\])?==[\w.]+( ; [^\\]+?)?( \\)?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_dependency_is_pinned_by_hash(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert REQUIREMENT.fullmatch(line) or HASH.fullmatch(line), line
        if REQUIREMENT.fullmatch(line):
            assert HASH.fullmatch(following), f"{line} has no hash"


def test_the_command_line_of_the_cdk_is_pinned_by_hash() -> None:
    packages = json.loads((ROOT / "requirements" / "cdk" / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_what_the_functions_need_is_in_the_lock_that_they_are_deployed_from() -> None:
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = audit.DEPLOYED.read_text().splitlines()
    locked = {match["name"] for match in map(REQUIREMENT.match, lines) if match}
    assert {re.split(r"[<>=]", need)[0] for need in needs} <= locked


# --- make audit ---


def package(name: str, *ids: str) -> dict[str, Any]:
    vulnerabilities = [{"id": each, "fix_versions": ["9.9"], "aliases": []} for each in ids]
    return {"name": name, "version": "1.0", "vulns": vulnerabilities}


def unknown(name: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": f"Dependency not found on PyPI and could not be audited: {name}"}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


LISTED = Ended(0, "", "")
CLEAN = Ended(0, report(package("boto3"), package("six")), "No known vulnerabilities found")


class Tools:
    """The two tools: what each is asked, and what becomes of it."""

    def __init__(self, listing: Ended = LISTED, lookup: Ended = CLEAN) -> None:
        self.becomes = {"cyclonedx-py": listing, "pip-audit": lookup}
        self.asked: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> Ended:
        self.asked.append([Path(command[0]).name, *command[1:]])
        return self.becomes[Path(command[0]).name]


@pytest.mark.parametrize(
    ("lookup", "status", "said"),
    [
        (CLEAN, 0, "2 of 2 packages were looked up, 0 vulnerabilities are known."),
        (
            Ended(1, report(package("boto3"), package("urllib3", "PYSEC-1", "GHSA-2")), "Found 2 known"),
            1,
            "urllib3 1.0: GHSA-2, fixed in 9.9",
        ),
        (
            Ended(1, "", "WARNING: hm\nERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed"),
            0,
            "requirements/functions.txt was not looked up: the advisories cannot be reached.",
        ),
        (
            Ended(
                1, "", "Traceback:\n  get\nrequests.exceptions.ProxyError: HTTPSConnectionPool: Max retries"
            ),
            0,
            "was not looked up: the advisories cannot be reached.",
        ),
        (
            Ended(1, "", "Traceback:\npip_audit._service.interface.ServiceError"),
            0,
            "was not looked up: the advisories cannot be reached.",
        ),
        (
            Ended(0, report(unknown("boto3"), unknown("six")), "No known vulnerabilities found"),
            0,
            "None of 2 packages was looked up: whether they are vulnerable is not known.",
        ),
        (
            Ended(1, "", "ERROR:pip_audit._cli:requirement six is missing a hash"),
            1,
            "functions.txt could not be looked up: ERROR:pip_audit._cli:requirement six is missing a hash",
        ),
        (Ended(-9, '{"dependencies":', ""), 1, "could not be looked up: it does not say why"),
    ],
    ids=[
        "clean",
        "vulnerable",
        "no answer",
        "no network",
        "an error of the service",
        "an index without advisories",
        "refused",
        "killed",
    ],
)
def test_a_vulnerability_fails_the_audit_and_an_unreachable_service_does_not(
    lookup: Ended, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main([], Tools(lookup=lookup)) == status
    assert said in capsys.readouterr().out


def test_what_was_not_looked_up_is_not_called_clean(capsys: pytest.CaptureFixture[str]) -> None:
    audit.main([], Tools(lookup=Ended(0, report(unknown("boto3"), package("six")), "")))
    assert "1 of 2 packages were looked up" in capsys.readouterr().out


def test_a_list_that_cannot_be_made_fails_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([], Tools(listing=Ended(2, "", "usage: cyclonedx-py\ncyclonedx-py: error: no"))) == 1
    assert "functions.txt could not be listed: cyclonedx-py: error: no\n" in capsys.readouterr().out


def test_the_deployed_packages_are_listed_and_all_others_when_asked_for() -> None:
    tools = Tools()
    assert audit.main(["--all"], tools) == 0
    listed = [(asked[1], Path(asked[2]).name) for asked in tools.asked if asked[0] == "cyclonedx-py"]
    assert listed == [("requirements", "functions.txt"), ("environment", ".venv")]


def test_nothing_is_installed_to_look_it_up_and_no_version_is_resolved_anew() -> None:
    tools = Tools()
    audit.main([], tools)
    [lookup] = [asked for asked in tools.asked if asked[0] == "pip-audit"]
    assert {"--require-hashes", "--disable-pip"} <= set(lookup)


def test_anything_else_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(["--everything"], Tools()) == 1
    assert capsys.readouterr().out == "scripts/audit.py takes --all or nothing.\n"
