"""The figures in the documents are those that these tests come to."""

from pathlib import Path

import pytest

from tests.reliability.figures import TIMELINES
from tests.reliability.test_any_history import ORDERS, USUAL_HISTORIES
from tests.reliability.test_crash_points import moments, played_on
from tests.reliability.test_forged_logs import FORGERIES
from tests.reliability.test_outages import EXAMPLES, KINDS
from tests.reliability.test_soak import USUAL_WINDOWS
from tests.reliability.test_storms import USUAL_WORLDS

ROOT = Path(__file__).parents[2]
DEVELOPMENT, SECURITY = (
    " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())
    for name in ("development.md", "security.md")
)


def test_the_docs_say_at_how_many_points_runs_are_killed() -> None:
    points = sum(len(played_on(begin, [number]).process.points) for begin, number in moments())
    assert f"killed at {points} points" in DEVELOPMENT


def test_the_docs_say_how_many_timelines_are_played(request: pytest.FixtureRequest) -> None:
    timelines = [item for item in request.session.items if item.nodeid.startswith(TIMELINES)]
    if not timelines:
        pytest.skip("only where the timelines are collected, too")
    assert f"{len(timelines)} timelines" in DEVELOPMENT


def test_the_docs_say_how_many_random_examples_are_tried() -> None:
    assert f"{USUAL_HISTORIES} random histories" in DEVELOPMENT
    assert f"{2 * ORDERS} orders of work items" in DEVELOPMENT


def test_the_docs_say_in_how_many_outages_a_fault_is_told_once() -> None:
    assert f"in {EXAMPLES * len(KINDS)} outages" in DEVELOPMENT


def test_the_docs_say_how_many_windows_are_soaked() -> None:
    assert f"{USUAL_WINDOWS:,} windows" in DEVELOPMENT


def test_the_docs_say_how_many_logs_are_forged() -> None:
    assert f"{len(FORGERIES)} forged logs" in SECURITY


def test_the_docs_say_in_how_many_worlds_there_are_three_kills() -> None:
    assert f"{USUAL_WORLDS} worlds with three kills" in DEVELOPMENT
