"""The counting model against recorded runs of every scenario, where no lab can be built."""

import json
from pathlib import Path
from typing import Any

import pytest

from demo.recorded import hold_constant, recorded_nodes
from enigap.core.counting.node import Node
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import FetchSpan
from enigap.core.judging.judge import judge
from lab.compare import claims, traffic_of
from lab.judged import newest_window
from lab.recording import slimmed
from lab.scenarios import SCENARIOS, Scenario

FOLDER = Path(__file__).parent / "recordings"
"""Made by `make lab ARGS="--in-process --record tests/lab/recordings"`."""
RECORDINGS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))
}
NODES = {node.key: node for node in recorded_nodes(FOLDER)}


def test_every_scenario_is_recorded() -> None:
    assert set(RECORDINGS) == set(SCENARIOS)
    assert {recording["schema"] for recording in RECORDINGS.values()} == {"netlab-capture/1"}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_the_kernel_counted_what_the_model_predicts(scenario: Scenario) -> None:
    recording = RECORDINGS[scenario.name]
    made = list(claims(scenario, traffic_of(recording, recording["samples"])))
    assert made
    for claim in made:
        assert claim.holds, claim
        if not (scenario.adds_headers or scenario.floods_bytes):
            assert claim.predicted == claim.counted, claim


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_the_same_rates_all_the_time_come_to_the_same_verdict(scenario: Scenario) -> None:
    rules, window = Rules(), newest_window()
    readings, events = hold_constant(NODES[scenario.name], FetchSpan.of(window, rules.windows_fetched))
    judgement = judge(Node("lab", "i-0abc", scenario.name), readings, events, window, rules)
    assert judgement.verdict is scenario.verdict, judgement.reason


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_a_scenario_says_why_the_model_does_not_hold_and_only_then(scenario: Scenario) -> None:
    assert (scenario.formula != "O = H + 2P + 2L + N") is (scenario.breaks_the_model is not None)


def test_samples_that_change_no_growth_are_not_recorded() -> None:
    recording = RECORDINGS["churn"]
    assert 3 < len(recording["samples"]) < 10
    assert slimmed(recording | {"begin": 0.0})["samples"] == recording["samples"]
