"""The bench of detection counts what the judgement made of each kind of node, and shows it as tables."""

from datetime import timedelta

from bench.detection import ASSUMED, ELSEWHERE, FAULTS, Cell, Counted, cells, count, document, text
from enigap.core.counting.units import ByteRate
from tests.fakes.detection_runs import WHAT_IFS, Played
from tests.fakes.node_life import Mishap, Mix, Pattern, Wrong

HEALTHY = Counted(10, 930, 2, 1, 0, (), 0, 0)
HALF_FOUND = Counted(4, 12, 0, 0, 0, (0.5, 13.5, 1.5), 190, 6)


def test_each_fault_meets_each_pattern_mix_and_rate_and_each_circumstance_meets_one_fault() -> None:
    every = [cell.played for cell in cells(quick=False)]
    assert len(set(every)) == len(every)
    assert {played.what_if for played in every if played.mishap is None} == set(WHAT_IFS)
    assert {played.what_if for played in every if played.mishap == ELSEWHERE} == set(WHAT_IFS)
    for fault in FAULTS:
        kinds = [p for p in every if p.mishap == fault and p.what_if == ASSUMED[0]]
        assert len(kinds) == len(Pattern) * len(Mix) * 3


def test_half_of_the_bytes_missing_is_counted_as_found() -> None:
    fault = Mishap(Wrong.DEFICIT, 0.5, timedelta(minutes=30))
    counted = count(Cell(Played(Pattern.CONSTANT, Mix.HOST, mishap=fault), nodes=2, hours=3.0), 1)
    assert counted.nodes == len(counted.found_after_hours) == 2
    assert counted.false_alarms == counted.opposite_alarms == 0


def test_what_was_found_too_late_is_not_found() -> None:
    faulty = Played(Pattern.EVEN, Mix.PODS, ByteRate(1e6), ASSUMED[0], FAULTS[0])
    results = [(Played(Pattern.EVEN, Mix.PODS), HEALTHY), (faulty, HALF_FOUND)]
    [found] = [
        line for line in text(results).splitlines() if line.startswith("deficit 0.02") and "50%" in line
    ]
    assert found.split() == ["deficit", "0.02", "-", "50%", "1.0", *["-"] * 9]
    [healthy] = [
        line for line in text(results).splitlines() if line.startswith("as documented") and "930" in line
    ]
    assert healthy.split()[2:] == ["10", "930", "2", "1"]
    assert document(results)["kinds"][1]["fault"] == {"kind": "deficit", "share": 0.02}
