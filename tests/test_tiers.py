"""Each tier says what it skipped, and one that must not be skipped fails the run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.tiers import Tiers


def report(file: str, *, skipped: str | None = None) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=f"{file}::test_it",
        location=(file, 1, "test_it"),
        keywords={},
        outcome="skipped" if skipped else "passed",
        longrepr=(file, 1, f"Skipped: {skipped}") if skipped else None,
        when="setup" if skipped else "call",
        duration=2.0,
    )


def run(installed: str, *reports: pytest.TestReport) -> tuple[int, list[str]]:
    """How the run ends, and what it says."""
    tiers, said = Tiers(frozenset(installed.split())), list[str]()
    for each in reports:
        tiers.pytest_runtest_logreport(each)
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    tiers.pytest_sessionfinish(session)
    terminal: Any = SimpleNamespace(section=lambda _: None, line=said.append)
    tiers.pytest_terminal_summary(terminal)
    return int(session.exitstatus), said


SKIPPED = report("tests/browser/test_page.py", skipped="There is no Chromium: install one.")
PASSED = [report("tests/core/test_a.py"), report("tests/core/b/test_b.py"), report("tests/test_tiers.py")]


def test_the_time_of_each_tier_is_told_and_what_it_skipped() -> None:
    assert run("", *PASSED, SKIPPED) == (
        0,
        [
            "core: 2 tests, 4 s",
            "test_*.py: 1 tests, 2 s",
            "browser: 0 tests, 2 s; skipped 1: There is no Chromium: install one.",
        ],
    )


@pytest.mark.parametrize(("installed", "status"), [("browser", 1), ("other browser", 1), ("other", 0)])
def test_a_tier_that_is_skipped_though_its_packages_are_there_fails_the_run(
    installed: str, status: int
) -> None:
    ended, said = run(installed, *PASSED, SKIPPED)
    assert ended == status
    assert said[-1].startswith("tests/browser was skipped") is bool(status)


def test_a_tier_that_runs_fails_nothing() -> None:
    assert run("core", *PASSED)[0] == 0
