"""Says of each tier of tests how long it took and what it skipped, and fails where that must not be.

A tier is a folder of tests. `.ci/run` names in ENIGAP_INSTALLED_TIERS those whose system packages are there:
one of these that is skipped all the same is an error. A plugin, named in tests/conftest.py, because the
process that starts several workers has no other conftest.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

import pytest

INSTALLED: Final = "ENIGAP_INSTALLED_TIERS"


@dataclass
class Tier:
    """What became of a tier so far."""

    tests: int = 0
    seconds: float = 0.0
    """Of all workers together, set-up included."""
    skipped: Counter[str] = field(default_factory=Counter)
    """How many tests, by reason."""

    def told(self, name: str) -> str:
        said = f"{name}: {self.tests} tests, {self.seconds:.0f} s"
        return "; ".join([said, *(f"skipped {count}: {why}" for why, count in self.skipped.items())])


class Tiers:
    """Counts reports by the folder of the test."""

    def __init__(self, installed: frozenset[str]) -> None:
        self._installed = installed
        self._tiers: dict[str, Tier] = defaultdict(Tier)

    @property
    def skipped_though_installed(self) -> list[str]:
        return sorted(name for name in self._installed if name in self._tiers and self._tiers[name].skipped)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0].removeprefix("tests/")
        tier = self._tiers[file.partition("/")[0] if "/" in file else "test_*.py"]
        tier.seconds += report.duration
        tier.tests += report.when == "call"
        if report.skipped and not hasattr(report, "wasxfail"):
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            tier.skipped[why.removeprefix("Skipped: ")] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped_though_installed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._tiers) < 2 and not any(tier.skipped for tier in self._tiers.values()):
            return
        terminalreporter.section("tiers, in seconds of all workers together")
        for name, tier in sorted(self._tiers.items(), key=lambda each: -each[1].seconds):
            terminalreporter.line(tier.told(name))
        for name in self.skipped_though_installed:
            terminalreporter.line(
                f"tests/{name} was skipped, and what it needs is installed: that is an error."
            )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        installed = frozenset(os.environ.get(INSTALLED, "").split())
        config.pluginmanager.register(Tiers(installed), "tiers")
