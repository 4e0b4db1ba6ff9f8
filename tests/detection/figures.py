"""How many nodes the tests of this folder judged, and how many of them rightly: printed when all are over.

With several workers each counts for itself, and the process that started them adds it up. A plugin, named in
tests/conftest.py: that process collects no tests, and so knows no other conftest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import pytest

from tests.fakes.detection_runs import Outcome


@dataclass
class DetectionFigures:
    """Of all lives that were played through the product's judgement."""

    healthy_node_windows: int = 0
    false_alarms: int = 0
    faulty_nodes: int = 0
    faulty_nodes_found: int = 0
    causes_told: int = 0
    causes_right: int = 0
    """Named, alone or beside one that the figures cannot tell from it."""
    causes_wrong_alone: int = 0

    def add(self, outcome: Outcome) -> None:
        """Counts one life."""
        self.healthy_node_windows += outcome.healthy_windows
        self.false_alarms += len(outcome.false_alarms)
        self.faulty_nodes += outcome.is_faulty
        self.faulty_nodes_found += bool(outcome.incidents)


_FIGURES: Final = DetectionFigures()


@pytest.fixture(scope="session")
def detection_figures() -> DetectionFigures:
    """To be counted up by tests."""
    return _FIGURES


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["detection"] = asdict(_FIGURES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker is done. One that crashed has counted nothing."""
    if counted := getattr(node, "workeroutput", {}).get("detection"):
        for one in fields(_FIGURES):
            setattr(_FIGURES, one.name, getattr(_FIGURES, one.name) + counted[one.name])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted = asdict(_FIGURES)
    if not any(counted.values()):
        return
    terminalreporter.section("detection")
    for name, value in counted.items():
        shown = name.replace("healthy_node_", "healthy node-").replace("_", " ")
        terminalreporter.line(f"{shown:<40}{value:>12,}")
