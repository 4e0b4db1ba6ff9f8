"""The bench of detection counts what was made of each kind of node, and shows it as tables."""

import json

import pytest

from bench import detection_report
from bench.detection import (
    ASSUMED,
    CIRCUMSTANCES,
    ELSEWHERE,
    FAULTS,
    Faulty,
    Healthy,
    Kind,
    document,
    kinds,
    measured_kind,
    written,
)
from bench.looking import milliseconds_a_look
from tests.fakes.node_life import Pattern, Wrong

FOUND = Faulty(1514, 0.5, 1, 0, 0, 1.25, 0, 0, 3)
LATE = Faulty(1514, 13.0, 1, 1, 0, None, 0, 0, 3)
MISSED = Faulty(1514, None, 0, 0, 0, None, 2, 0, 3)
LOOKS = {"short look, compared": 0.5}


def result(*faulty: Faulty, what_if: str = ASSUMED[0]) -> detection_report.Document:
    [fault] = [each for each in FAULTS if each.wrong is Wrong.DEFICIT and each.share == 0.5]
    found: list[tuple[Kind, Healthy | list[Faulty]]] = [
        (Kind("as documented", Pattern.EVEN), Healthy(10, 930, 2, 1, 1)),
        (Kind(what_if, Pattern.EVEN, fault), list(faulty)),
    ]
    return json.loads(written(document(found, LOOKS)))  # type: ignore[no-any-return]


def test_each_fault_meets_each_pattern_and_each_circumstance_meets_one_fault() -> None:
    every = list(kinds(quick=False))
    assert len(set(every)) == len(every)
    assert {kind.what_if for kind in every if kind.fault is None} == set(CIRCUMSTANCES)
    assert {kind.what_if for kind in every if kind.fault == ELSEWHERE} == set(CIRCUMSTANCES)
    for fault in FAULTS:
        assert len([k for k in every if k.fault == fault and k.what_if == ASSUMED[0]]) == len(Pattern)


def test_no_two_nodes_are_drawn_alike() -> None:
    fault = FAULTS[0]
    lives = [
        Kind("as documented", pattern, fault).life(n, 2) for pattern in (*Pattern,)[:2] for n in range(2)
    ]
    assert len({life.seed for life in lives}) == len(lives)


def test_half_of_the_bytes_missing_is_counted_as_found() -> None:
    [fault] = [each for each in FAULTS if each.wrong is Wrong.DEFICIT and each.share == 0.5]
    nodes = measured_kind(Kind("as documented", Pattern.CONSTANT, fault), 1)
    assert isinstance(nodes, list)
    [node] = nodes
    assert node.found_after_hours is not None
    assert node.found_after_hours <= 2
    assert node.opposite == node.false_before == node.resolved_too_early == 0


def test_what_was_found_too_late_is_not_found() -> None:
    rows = detection_report.faults(result(FOUND, LATE, MISSED, MISSED)).splitlines()
    assert rows[2].startswith("| deficit, 50 % | 25 % (1 of 4) | 6.8 / 13.0 | none | - |")
    assert "| 25 % (1 of 4) | none |" in detection_report.promises(result(FOUND, LATE, MISSED, MISSED))


def test_how_incidents_end_is_counted_against_those_that_opened() -> None:
    row = detection_report.incidents(result(FOUND, LATE, MISSED)).splitlines()[2]
    assert row == f"| {ASSUMED[0]} | 2 | 50 % (1 of 2) | 0 % (0 of 2) | 2 | 1.2 / 1.2 |"


def test_false_alarms_are_shown_by_circumstances() -> None:
    [row] = [line for line in detection_report.healthy(result(FOUND)).splitlines() if "as documented" in line]
    assert row == "| as documented | 10 | 930 | 2 | 1 | 1 | none | - |"


def test_the_cost_of_short_and_long_looks_is_measured() -> None:
    assert set(milliseconds_a_look()) == {
        f"{look} look, {what}" for look in ("short", "long") for what in ("compared", "judged")
    }


@pytest.mark.skipif(not detection_report.RESULT.exists(), reason="the bench has not been run yet")
def test_the_page_shows_the_committed_result() -> None:
    committed = detection_report.committed()
    page = detection_report.PAGE.read_text(encoding="utf-8")
    assert detection_report.rewritten(page, committed) == page, (
        "Run `.venv/bin/python -m bench.detection_report`."
    )
