"""Real traffic on a real kernel: three scenarios at once, judged in this process. Takes half a minute."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.recorded import RecordedNode, hold_constant, recorded_nodes
from enigap.core.counting.node import Node
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import FetchSpan
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Verdict
from enigap.core.messages.talkers import talkers
from lab.__main__ import record
from lab.cloudwatch import LabRun
from lab.compare import claims, parts, traffic_of, window_of
from lab.isolation import why_not
from lab.judged import judged_here, newest_window
from lab.recording import slimmed
from lab.scenarios import SCENARIOS

LIVE = ("same-node-pods", "mixed", "moved-device")
RECORDED = {node.key: node for node in recorded_nodes()}

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"the lab does not run here: {why_not()}")


@pytest.fixture(scope="module")
def recordings() -> Mapping[str, Mapping[str, Any]]:
    return record([SCENARIOS[name] for name in LIVE], lambda _: None)


def recorded_verdict(node: RecordedNode) -> Verdict:
    window, rules = newest_window(), Rules()
    readings, events = hold_constant(node, FetchSpan.of(window, rules.windows_fetched))
    return judge(Node("lab", "i-0abc", node.name), readings, events, window, rules).verdict


@pytest.mark.parametrize("name", LIVE)
def test_a_kernel_counts_as_the_model_says_to_the_byte(
    name: str, recordings: Mapping[str, Mapping[str, Any]]
) -> None:
    recording = recordings[name]
    for claim in claims(SCENARIOS[name], traffic_of(recording, recording["samples"])):
        assert claim.predicted == claim.counted, claim


@pytest.mark.parametrize("name", LIVE)
def test_its_verdict_is_that_of_the_recording_and_every_true_part_lies_within_its_bounds(
    name: str, recordings: Mapping[str, Mapping[str, Any]]
) -> None:
    scenario, run = SCENARIOS[name], LabRun(recordings[name], newest_window())
    judgement = judged_here(name, run)
    assert judgement.verdict is scenario.verdict, judgement.reason
    assert judgement.verdict is recorded_verdict(RECORDED[str(scenario.recorded)])
    assert judgement.split is not None
    for part in parts(scenario, window_of(run), judgement.split):
        assert part.holds, part


def test_it_shows_which_pods_talked(recordings: Mapping[str, Mapping[str, Any]]) -> None:
    judgement = judged_here("same-node-pods", LabRun(recordings["same-node-pods"], newest_window()))
    [conversation] = talkers(judgement.evidence, most=1)
    assert conversation.startswith("default/iperf3-client and default/iperf3-server exchanged ")


def test_a_run_becomes_a_recording_that_is_judged_alike(
    recordings: Mapping[str, Mapping[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "mixed.json").write_text(json.dumps(slimmed(recordings["mixed"])), encoding="utf-8")
    [node, _article] = recorded_nodes(tmp_path)
    assert recorded_verdict(node) is SCENARIOS["mixed"].verdict
    assert len(json.loads((tmp_path / "mixed.json").read_text(encoding="utf-8"))["samples"]) == 2


def test_ended_from_outside_it_leaves_nothing_behind() -> None:
    command = [sys.executable, "-m", "lab", "off-node-pod", "--in-process"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as lab:
        assert lab.stdout is not None
        lab.stdout.readline()  # it says what it is about to do
        while not (inside := isolated_below(lab.pid)):
            assert lab.poll() is None
        lab.send_signal(signal.SIGTERM)
        assert lab.wait(timeout=20) != 0
    assert not [pid for pid in inside if is_running(pid)]


def isolated_below(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    found = []
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        for each in map(int, child.read_text(encoding="ascii").split()):
            found += [each, *isolated_below(each)]
    return found


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
