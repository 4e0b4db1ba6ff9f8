"""What the product says about nodes that were really measured.

The article's node is the question enigap was written for; the recordings are real kernel counters of real
traffic. None of them has anything wrong with it except g1, whose network interface was moved out of sight.
"""

from datetime import UTC, datetime

import pytest

from demo.recorded import hold_constant, recorded_nodes
from enigap.core.counting.evidence import Evidence
from enigap.core.counting.node import Node
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ZERO
from enigap.core.counting.window import FetchSpan, Window
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Cause, Judgement, Verdict, wants_evidence

WINDOW = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
RULES = Rules()
NODE = Node(cluster="prod", instance_id="i-0abc", node_name="ip-10-0-3-7")
RECORDED = {node.key: node for node in recorded_nodes()}

WITH_EVIDENCE = {
    "a": Verdict.NODE_LOCAL,
    "b": Verdict.POD_EDGE,
    "c": Verdict.AGREE,
    "d": Verdict.NODE_LOCAL,
    "e": Verdict.NODE_LOCAL,
    "f1": Verdict.IDLE,
    "f2": Verdict.IDLE,
    "g1": Verdict.OS_DEFICIT,
    "g2": Verdict.AGREE,
    "g4": Verdict.POD_EDGE,
    "i1": Verdict.NODE_LOCAL,
    "j1": Verdict.POD_EDGE,
    "j3": Verdict.NODE_LOCAL,
    "k1": Verdict.POD_EDGE,
    "k2": Verdict.POD_EDGE,
    "k3": Verdict.POD_EDGE,
    "k4": Verdict.POD_EDGE,
    "k5": Verdict.POD_EDGE,
    "m": Verdict.AGREE,
    "article": Verdict.NODE_LOCAL,
}

NEED_EVIDENCE = ("a", "d", "e", "g4", "i1", "j1", "j3", "article")
"""More than twice what left the node: the two metrics alone cannot tell traffic inside it from a fault."""


def judged(key: str, *, evidence: bool) -> Judgement:
    readings, events = hold_constant(RECORDED[key], FetchSpan.of(WINDOW, RULES.windows_fetched))
    return judge(NODE, readings, events if evidence else None, WINDOW, RULES)


def test_every_recording_has_an_expected_verdict() -> None:
    assert set(WITH_EVIDENCE) == set(RECORDED)


@pytest.mark.parametrize(("key", "verdict"), WITH_EVIDENCE.items())
def test_the_devices_explain_every_recording(key: str, verdict: Verdict) -> None:
    judgement = judged(key, evidence=True)
    assert judgement.verdict is verdict, judgement.reason
    assert isinstance(judgement.evidence, Evidence)


@pytest.mark.parametrize(("key", "verdict"), WITH_EVIDENCE.items())
def test_without_devices_nothing_is_claimed_that_they_would_have_to_prove(key: str, verdict: Verdict) -> None:
    judgement = judged(key, evidence=False)
    assert judgement.verdict is (Verdict.UNVERIFIED if key in NEED_EVIDENCE else verdict), judgement.reason


@pytest.mark.parametrize("evidence", [True, False], ids=["with devices", "without"])
@pytest.mark.parametrize("key", sorted(RECORDED.keys() - {"g1"}))
def test_nobody_is_woken_by_counting(key: str, *, evidence: bool) -> None:
    judgement = judged(key, evidence=evidence)
    assert judgement.explained is not False
    assert judgement.unexplained in (ZERO, None)
    assert judgement.cause is None


@pytest.mark.parametrize("key", RECORDED)
def test_evidence_is_asked_for_exactly_where_it_decides(key: str) -> None:
    assert wants_evidence(judged(key, evidence=False)) is (key in (*NEED_EVIDENCE, "g1"))


@pytest.mark.parametrize("evidence", [True, False])
def test_an_interface_moved_out_of_sight_is_found_with_and_without_devices(*, evidence: bool) -> None:
    judgement = judged("g1", evidence=evidence)
    assert judgement.verdict is Verdict.OS_DEFICIT
    assert judgement.cause is Cause.MOVED_DEVICE
    assert judgement.unexplained is not None
    moved = RECORDED["g1"].network_in + RECORDED["g1"].network_out - RECORDED["g1"].os
    assert 0.9 * moved < judgement.unexplained <= moved


def test_the_article_is_a_factor_of_one_and_a_half_million() -> None:
    judgement = judged("article", evidence=False)
    assert judgement.ratio == pytest.approx(1_524_843, abs=1)
    assert judgement.verdict is Verdict.UNVERIFIED
    assert judgement.explained is None


def test_the_articles_gap_is_traffic_between_its_two_pods() -> None:
    judgement = judged("article", evidence=True)
    assert judgement.verdict is Verdict.NODE_LOCAL
    assert judgement.explained is True
    assert judgement.node_local_at_least is not None
    assert judgement.node_local_at_least > 0.9 * RECORDED["article"].os / 2


NODE_LOCAL = {
    "a": ["eni74c22947691"],
    "d": ["eni0d7763386da"],
    "e": ["eni30b2303d9cf", "eni7109f5f4c97"],
    "i1": ["enia7a3e029a7b"],
    "j3": ["cni0"],
    "article": ["eni1a2b3c4d5e6"],
}
"""The devices on which each byte that stayed on the node was counted exactly once."""


@pytest.mark.parametrize("key", [key for key in RECORDED if key != "g1"])
def test_what_stayed_on_the_node_is_seen_and_never_overstated(key: str) -> None:
    at_least = judged(key, evidence=True).node_local_at_least
    devices = [RECORDED[key].devices[name] for name in NODE_LOCAL.get(key, [])]
    assert at_least is not None
    assert at_least <= sum((device.rx + device.tx for device in devices), ZERO)
    assert (at_least > ZERO) is bool(devices)
