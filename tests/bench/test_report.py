"""What is made of the bench's runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.measure import Run
from bench.report import CUSTODIAN, ENIGAP, FLOOR, document, growth_exponent, ratios, targets, text

RESULTS = Path(__file__).parents[2] / "bench"


def run(contender: str, nodes: int, *, cpu: float, wall: float = 2.0, latency_ms: int = 0) -> Run:
    reads_by_statistics = contender == CUSTODIAN
    calls = {"GetMetricStatistics": 3 * nodes} if reads_by_statistics else {"GetMetricData": -(-nodes // 125)}
    stages = {
        ENIGAP: {"discover": {"cpu_seconds": 1.0}, "fetch to verdict": {"cpu_seconds": cpu}},
        FLOOR: {"sign, send, parse": {"cpu_seconds": cpu}},
    }
    return Run(
        contender,
        nodes,
        latency_ms,
        wall,
        cpu + 1.0,
        100.0,
        calls,
        3 * nodes,
        56 * nodes,
        stages.get(contender, {}),
    )


RUNS = [
    run(ENIGAP, 500, cpu=0.1, latency_ms=100),
    run(CUSTODIAN, 500, cpu=9.9, wall=70.0, latency_ms=100),
    run(ENIGAP, 1_000, cpu=0.2),
    run(FLOOR, 1_000, cpu=0.02),
    run(ENIGAP, 100_000, cpu=25.0, wall=60.0),
]
COLD = {"reconcile": {"wall_seconds": 0.8, "cpu_seconds": 0.7}}


def test_a_rival_is_compared_with_enigap_on_the_same_fleet_and_server() -> None:
    (ratio,) = ratios(RUNS)
    assert (ratio["contender"], ratio["nodes"], ratio["latency_ms"]) == (CUSTODIAN, 500, 100)
    assert ratio["wall"] == pytest.approx(35.0)
    assert ratio["cpu"] == pytest.approx(10.9 / 1.1)
    assert ratio["calls"] == 375
    assert ratio["billed"] == 1


def test_a_rival_without_a_run_of_enigap_beside_it_has_no_ratio() -> None:
    assert list(ratios([run(CUSTODIAN, 100, cpu=1.0)])) == []


def test_growth_is_told_from_a_thousand_nodes_up() -> None:
    assert growth_exponent(RUNS) == pytest.approx(1.0485, abs=1e-4)
    assert growth_exponent(RUNS[:4]) is None


def test_every_target_that_was_measured_is_met_or_missed() -> None:
    found = {target.what: target.is_met for target in targets(RUNS, COLD)}
    assert found == {
        "500 nodes: 4 GetMetricData calls": True,
        "500 nodes: 1,500 billed metrics": True,
        "500 nodes at 100 ms a call: a 20th of Cloud Custodian's time": True,
        "100,000 nodes at 0 ms a call: 90 s on one core": True,
        "100,000 nodes at 0 ms a call: 512 MB": True,
        "0.5 ms of processor per node, fetch to verdict": True,
        "processor time grows like nodes to the power of 1.05": True,
        "reconcile ready within 1 s of a cold start": True,
    }


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        (replace(RUNS[0], calls={"GetMetricData": 5}), "500 nodes: 4 GetMetricData calls"),
        (replace(RUNS[0], billed_metrics=2_000), "500 nodes: 1,500 billed metrics"),
        (
            replace(RUNS[0], wall_seconds=4.0),
            "500 nodes at 100 ms a call: a 20th of Cloud Custodian's time",
        ),
        (replace(RUNS[4], wall_seconds=91.0), "100,000 nodes at 0 ms a call: 90 s on one core"),
        (replace(RUNS[4], peak_megabytes=513.0), "100,000 nodes at 0 ms a call: 512 MB"),
    ],
)
def test_a_target_that_is_missed_is_said_to_be(changed: Run, missed: str) -> None:
    same = (changed.contender, changed.nodes)
    runs = [changed if (each.contender, each.nodes) == same else each for each in RUNS]
    assert [target.what for target in targets(runs, COLD) if not target.is_met] == [missed]
    assert f"MISSED  {missed}" in text(runs, COLD, {})


def test_the_document_holds_everything_as_json_and_the_text_shows_it() -> None:
    machine = {"processor": "2 x abacus"}
    whole = json.loads(json.dumps(document(RUNS, COLD, machine)))
    assert whole["schema"] == "enigap.bench/1"
    assert whole["machine"] == machine
    assert [each["contender"] for each in whole["runs"]] == [each.contender for each in RUNS]
    lines = text(RUNS, COLD, machine).splitlines()
    assert lines[0] == "processor: 2 x abacus"
    assert [line.split()[-9:-7] for line in lines if line.startswith("enigap")][-1] == ["enigap", "100,000"]
    assert any(line.split()[:2] == ["floor", "1,000"] and line.endswith("0.020") for line in lines)
    assert any(line.split()[-3:] == ["35.0", "9.9", "375"] for line in lines)


def test_the_results_that_are_kept_were_written_together() -> None:
    kept = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))
    runs = [Run(**each) for each in kept["runs"]]
    said = text(runs, kept["cold_starts"], kept["machine"])
    assert (RESULTS / "results.txt").read_text(encoding="utf-8") == f"{said}\n"
    assert json.loads(json.dumps(document(runs, kept["cold_starts"], kept["machine"]))) == kept
