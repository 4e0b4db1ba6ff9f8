"""What the tests of this folder went through: counted while they run, printed when all tests are over.

With several workers each counts for itself, and the process that started them adds it up. A plugin, named in
tests/conftest.py: that process collects no tests, and so knows no other conftest.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import pytest

KEPT_IN: Final = Path(__file__).parent.parent.parent / "build" / "reliability.json"
TIMELINES: Final = "tests/reliability/test_timelines_of_"


@dataclass
class Figures:
    """Also kept in `build/reliability.json`."""

    timelines: int = 0
    """That were played and told exactly what they had to."""
    crash_points: int = 0
    """Points before and after calls to AWS at which a run was killed."""
    messages_repeated_at_crash_points: int = 0
    histories: int = 0
    """Random ones that were held against the oracle."""
    windows_of_histories: int = 0
    messages_of_histories: int = 0
    incidents_inside_outages: int = 0
    """Hours of trouble that nobody judged in time, and that were told once."""
    orders_of_work_items: int = 0
    """Random ones that came to the same end."""
    forged_logs: int = 0
    """That failed no run, took out no other node, were quoted in no message, and stayed below 300 MB."""
    events_of_forged_logs: int = 0
    """In one window of each."""
    most_megabytes_of_a_forged_log: int = 0
    """By which the process grew."""
    operations_that_hang: int = 0
    """Handlers times operations times manners of hanging, each with its promise kept."""
    windows_soaked: int = 0
    messages_soaked: int = 0
    kills_soaked: int = 0
    largest_state_soaked_bytes: int = 0
    """As it is written to the table."""
    memory_soaked_blocks_before: int = 0
    """In use in the second quarter of the soak, on the average."""
    memory_soaked_blocks_after: int = 0
    """In use in the last one."""

    clusters_in_a_storm: int = 0
    """That had news of one cause at once; each was told of."""
    messages_of_storms: int = 0
    """That told of them, of their beginnings and ends."""
    worlds_with_three_kills: int = 0
    """Random ones, with kills at calls of the planner, the reconciler and the function for Slack."""
    duplicates_in_worlds_with_three_kills: int = 0
    """Posts to Slack that repeat one."""

    def add(self, counted: dict[str, int]) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + counted[field.name])


_FIGURES: Final = Figures()


@pytest.fixture(scope="session")
def figures() -> Figures:
    """To be counted up by tests."""
    return _FIGURES


class _Counter:
    """Counts timelines by their reports. Not in a worker, whose reports arrive here as well."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed and report.nodeid.startswith(TIMELINES):
            _FIGURES.timelines += 1


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Counter())


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["reliability"] = asdict(_FIGURES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker is done. One that crashed has counted nothing."""
    if counted := getattr(node, "workeroutput", {}).get("reliability"):
        _FIGURES.add(counted)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted = {name: value for name, value in asdict(_FIGURES).items() if value}
    if not counted:
        return
    terminalreporter.section("reliability")
    for name, value in counted.items():
        terminalreporter.line(f"{name.replace('_', ' '):<40}{value:>12,}")
    KEPT_IN.parent.mkdir(exist_ok=True)
    KEPT_IN.write_text(json.dumps(asdict(_FIGURES), indent=2) + "\n")
