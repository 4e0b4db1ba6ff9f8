"""What is believed about AWS: each belief is checked or has a reason, and figures decide."""

from dataclasses import fields, replace
from functools import cache
from pkgutil import resolve_name
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enigap.core.counting.evidence import DeviceEvents
from enigap.core.counting.node import Node
from enigap.core.doctor.belief import Belief, Status
from enigap.core.doctor.beliefs import AREAS, CHECKS, diagnose, exit_status, paragraph
from enigap.core.doctor.observed import NodeSeen, NotSeen, Observations
from enigap.core.doctor.sample import MOST_NODES, candidates, sample
from tests.core.doctor.worlds import CONTRADICTED, LIMITS, NOW, WINDOW, world

ALL = [belief for area in AREAS.values() for belief in area]
each_belief = pytest.mark.parametrize("belief", ALL, ids=lambda belief: belief.id)
each_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
HEALTHY = world()
NOTHING = Observations(NOW, WINDOW, HEALTHY.rules, LIMITS)


def status_of(check: Belief, o: Observations) -> tuple[Status, str]:
    assert check.judge
    outcome = check.judge(o)
    return outcome.status, outcome.seen


@each_belief
def test_a_belief_is_checked_or_has_a_reason_and_names_the_code_that_relies_on_it(belief: Belief) -> None:
    assert bool(belief.judge) != bool(belief.reason)
    assert bool(belief.judge) == bool(belief.to_do)
    assert belief.relies_on
    for name in belief.relies_on:
        if name.startswith("enigap.cli"):
            pytest.importorskip("typer", reason="what the functions have has no command line")
        resolve_name(name)  # raises where it is not there


def test_an_id_is_of_one_belief() -> None:
    assert len({belief.id for belief in ALL}) == len(ALL)
    assert {check.id for check in CHECKS} == CONTRADICTED.keys()


@each_check
def test_it_holds_in_a_healthy_world(check: Belief) -> None:
    status, seen = status_of(check, HEALTHY)
    assert status is Status.PASS, seen


@each_check
def test_figures_that_contradict_it_fail(check: Belief) -> None:
    status, seen = status_of(check, CONTRADICTED[check.id]())
    assert status is Status.FAIL, seen


@each_check
def test_where_nothing_was_seen_nothing_is_told(check: Belief) -> None:
    status, seen = status_of(check, NOTHING)
    assert status is Status.CANT_TELL
    assert seen


def denied() -> Observations:
    """Every call was denied."""
    no = NotSeen("AWS denied some:Action", was_refused=True)
    parts: dict[str, Any] = {
        each.name: no
        for each in fields(Observations)
        if each.name not in {"now", "window", "rules", "limits", "nodes"}
    }
    of_node: dict[str, Any] = {each.name: no for each in fields(NodeSeen) if each.name != "node"}
    node = HEALTHY.nodes[3].node
    return replace(NOTHING, nodes=(NodeSeen(node, **of_node),), **parts)


@each_check
def test_a_denied_call_is_no_contradiction_and_is_named(check: Belief) -> None:
    status, seen = status_of(check, denied())
    if check.id == "instances-read":
        assert status is Status.PASS  # without this call there is no node at all
    elif check.id != "eni-bypass":
        assert (status, seen) == (Status.CANT_TELL, "AWS denied some:Action")


def test_one_odd_node_contradicts_nothing_about_aws() -> None:
    odd = CONTRADICTED["eni-bytes"]().nodes[0]
    assert odd != HEALTHY.nodes[0]
    o = replace(HEALTHY, nodes=(odd, *HEALTHY.nodes[1:]))
    assert {outcome.status for _, outcome in diagnose(o)} == {Status.PASS}


@pytest.mark.parametrize(
    ("o", "status"),
    [(HEALTHY, 0), (CONTRADICTED["log-quota"](), 1), (NOTHING, 2), (denied(), 2)],
    ids=["healthy", "contradicted", "nothing seen", "denied"],
)
def test_the_exit_status_says_whether_a_belief_is_contradicted_or_could_not_be_asked_about(
    o: Observations, status: int
) -> None:
    assert exit_status(o, diagnose(o)) == status


def test_an_optional_call_that_is_denied_changes_no_exit_status() -> None:
    o = replace(HEALTHY, log_calls_per_second=NotSeen("AWS denied servicequotas:ListServiceQuotas"))
    assert exit_status(o, diagnose(o)) == 0


contradicting = cache(lambda belief_id: CONTRADICTED[belief_id]())
MARKER = "zq7marker"
marked = st.text(alphabet="abcdefz-.0123456789", max_size=20).map(lambda text: f"{MARKER}{text}")


@settings(max_examples=25)  # as many as there are worlds take ten seconds
@given(marked, marked, st.sampled_from([*CONTRADICTED, "nothing"]))
def test_no_name_of_the_account_is_in_the_paragraph(name: str, other: str, contradicted: str) -> None:
    o = denied() if contradicted == "nothing" else contradicting(contradicted)

    def renamed(each: NodeSeen) -> NodeSeen:
        node = Node(name, other, name, private_dns_name=other, called=name, instance_type=f"{name}.large")
        events = each.events
        if isinstance(events, DeviceEvents):
            odd = tuple(replace(one, device=f"{MARKER[:9]}{other[9:14]}") for one in events.samples[:3])
            events = replace(events, samples=(*events.samples, *odd))
        return replace(each, node=node, events=events)

    o = replace(
        o, nodes=tuple(map(renamed, o.nodes)), day=NotSeen(name), kept=NotSeen(name), batch=NotSeen(other)
    )
    written = paragraph(o, diagnose(o))
    assert MARKER not in written
    assert written.isascii()


def test_the_paragraph_names_what_is_contradicted_with_figures_of_two_digits() -> None:
    o = CONTRADICTED["eni-headers"]()
    assert "eni-headers FAIL more_bytes=80 frame_bytes=1100 packets=1;" in paragraph(o, diagnose(o))


def test_the_sample_has_the_newest_the_busiest_the_one_with_the_most_enis_and_one_of_each_kind() -> None:
    template = HEALTHY.nodes[0].node
    nodes = [
        replace(
            template, instance_id=f"i-{n}", launched_at=NOW.replace(day=1, minute=n), instance_type="m5.large"
        )
        for n in range(40)
    ]
    nodes[5] = replace(nodes[5], instance_type="c6gn.large")
    nodes[6] = replace(nodes[6], is_windows=True)
    chosen = sample(candidates(nodes), {"i-7": 1e9}, {"i-8": 15})
    assert {"i-39", "i-7", "i-8", "i-5", "i-6"} <= {each.instance_id for each in chosen}
    assert len(chosen) == MOST_NODES
