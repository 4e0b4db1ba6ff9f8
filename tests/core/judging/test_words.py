"""No sentence says more than the split allows.

For nodes with any mix of traffic the claims that a reason may make are worked out from the split, and the
reason is read for claims: amounts that are said of "at least", percentages, "never" and "all".
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.evidence import DeviceEvents, DeviceSample
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import MINUTE
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import VERDICT_TABLE, Judgement, Verdict
from tests.core.counting.test_split import SPAN, WINDOW, nodes
from tests.fakes.node_simulator import SimulatedNode

RULES = Rules()
UNITS = {"B/s": 1.0, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12}
AT_LEAST = re.compile(r"at least (-?[\d.,]+) (\wB/s|B/s)")
FORBIDDEN = re.compile(r"never left|never leave|\ball of|\bwhole surplus|nothing left|\bonly pods\b")
NODE = Node("prod", "i-0abc", "ip-10-0-3-7")


def claimed(reason: str) -> list[ByteRate]:
    """The amounts that a reason says "at least" of."""
    return [ByteRate(float(n.replace(",", "")) * UNITS[unit]) for n, unit in AT_LEAST.findall(reason)]


def assert_says_no_more_than_it_knows(judgement: Judgement) -> None:
    reason = str(judgement.reason)
    split = judgement.split
    inside = split.inside_node.low if split else ZERO
    allowed = max(inside, judgement.unexplained or ZERO)
    for amount in claimed(reason):
        assert amount.bytes_per_second <= allowed.bytes_per_second * (1 + 1e-9), reason
    assert not FORBIDDEN.search(reason), reason
    if "inside the node" in reason and judgement.verdict is not Verdict.UNVERIFIED:
        assert inside > ZERO, reason
    for share in re.findall(r"within ([\d.]+) %", reason):
        assert judgement.os is not None
        assert judgement.eni is not None
        off = abs((judgement.os - judgement.eni).bytes_per_second)
        assert off <= float(share) / 100 * judgement.eni.bytes_per_second, reason


@given(nodes())
def test_a_healthy_nodes_reason_claims_what_the_split_does_and_no_more(node: SimulatedNode) -> None:
    recording = node.play(SPAN)
    for events in (None, recording.events):
        judgement = judge(node.node, recording.readings, events, WINDOW, RULES)
        assert_says_no_more_than_it_knows(judgement)


DEVICES = ("eth0", "ens6", "eni00000000001", "cali00000000002", "antrea-gw0", "flannel.1", "wan7", "x9")


amounts = st.sampled_from([0.0, 1.0, 1e4, 5e6, 1e8])


@given(
    rates=st.dictionaries(st.sampled_from(DEVICES), st.tuples(amounts, amounts), min_size=1),
    factor=st.sampled_from([0.3, 1.0, 2.0]),
    are_looked_at=st.booleans(),
)
def test_nor_does_that_of_any_other_node(
    rates: dict[str, tuple[float, float]], factor: float, *, are_looked_at: bool
) -> None:
    """Devices and interfaces that need not agree."""
    physical = [rates.get(name, (0.0, 0.0)) for name in ("eth0", "ens6")]
    eni = [factor * sum(each) for each in zip(*physical, strict=True)]
    assert_says_no_more_than_it_knows(judged(rates, eni, are_looked_at=are_looked_at))


def judged(
    rates: dict[str, tuple[float, float]], eni: list[float], *, are_looked_at: bool = True
) -> Judgement:
    total = sum(rx + tx for rx, tx in rates.values())
    readings = Readings(
        SPAN,
        (total,) * SPAN.minutes,
        (eni[0] * 300,) * SPAN.periods,
        (eni[1] * 300,) * SPAN.periods,
        (5.0,) * SPAN.periods,
    )
    events = DeviceEvents(
        tuple(
            DeviceSample(SPAN.start + number * MINUTE + timedelta(seconds=20), name, rx, tx)
            for number in range(SPAN.minutes)
            for name, (rx, tx) in rates.items()
        )
    )
    return judge(NODE, readings, events if are_looked_at else None, WINDOW, RULES)


@pytest.mark.parametrize("verdict", Verdict)
def test_what_a_verdict_means_is_no_stronger_either(verdict: Verdict) -> None:
    assert not FORBIDDEN.search(VERDICT_TABLE[verdict].means)


def test_what_was_dropped_on_the_node_is_in_the_claim() -> None:
    said = judged(
        {"eth0": (1e6, 1e6), "eni00000000001": (5e7, 1e6), "eni00000000002": (1e6, 5e7)}, [1e6, 1e6]
    )
    assert said.verdict is Verdict.NODE_LOCAL
    assert "is traffic inside the node, or was dropped on it" in str(said.reason)


# --- figures


def test_an_idle_node_is_not_said_to_be_at_the_floor_it_is_under() -> None:
    said = judged({"eth0": (24_990, 24_990)}, [24_990, 24_990])
    assert said.verdict is Verdict.IDLE
    assert str(said.reason) == "Both sides are under 50 kB/s: 49.9 kB/s by the OS, 49.9 kB/s by EC2."


@pytest.mark.parametrize("names", [("wan7", "x9"), ("sw0p1",), tuple(f"port{n}" for n in range(40))])
def test_only_unknown_devices_that_carry_something_are_named(names: tuple[str, ...]) -> None:
    rates = {"eth0": (1e6, 4.9e7), "eni00000000001": (4.9e7, 1e6), "mystery0": (1e6, 4.9e7)}
    said = judged(rates | dict.fromkeys(names, (0.0, 3.0)), [1e6, 4.9e7])
    assert said.verdict is Verdict.UNVERIFIED
    assert "(mystery0)" in str(said.reason)


def test_of_many_unknown_devices_the_largest_are_named_and_the_rest_counted() -> None:
    rates = {"eth0": (1e6, 4.9e7), "eni00000000001": (4.9e7, 1e6)}
    many = {f"port{n:02}": (1e6, 1e6 + n) for n in range(36)}
    said = judged(rates | many, [1e6, 4.9e7])
    assert said.verdict is Verdict.UNVERIFIED
    assert "(port35, port34, port33, port32 and 32 more)" in str(said.reason)


# --- too little of a window


def partly(os_known: list[int], *, eni: tuple[bool, ...] = (True,) * 9) -> str:
    """The reason where Container Insights has these minutes of the span, and EC2 these periods."""
    whole = [5.0 if is_whole else 2.0 for is_whole in eni][: SPAN.periods]
    whole += [5.0] * (SPAN.periods - len(whole))
    readings = Readings(
        SPAN,
        tuple(2e6 if number in os_known else None for number in range(SPAN.minutes)),
        (3e8,) * SPAN.periods,
        (3e8,) * SPAN.periods,
        tuple(whole),
    )
    judgement = judge(NODE, readings, None, WINDOW, RULES)
    assert judgement.verdict is Verdict.PARTIAL
    return str(judgement.reason)


FIRST = (WINDOW.start - SPAN.start) // MINUTE


def test_a_partial_window_says_which_side_lacks_what() -> None:
    known = [number for number in range(SPAN.minutes) if number not in range(FIRST + 3, FIRST + 9)]
    assert partly(known) == (
        "Only 1 of the window's 3 five-minute periods is complete on both sides, and it takes 2: "
        "Container Insights has 9 of its 15 minutes, and EC2 3 of its 3 periods."
    )


def test_a_window_of_which_ec2_lacks_periods_says_so() -> None:
    first = FIRST // 5
    eni = tuple(number not in range(first, first + 3) for number in range(SPAN.periods))
    assert partly(list(range(SPAN.minutes)), eni=eni).endswith(
        "None of the window's 3 five-minute periods is complete on both sides, and it takes 2: "
        "Container Insights has 15 of its 15 minutes, and EC2 0 of its 3 periods."
    )


@pytest.mark.parametrize("minutes", [2, 3, 4, 5])
def test_an_agent_that_reports_every_few_minutes_is_named_with_its_interval(minutes: int) -> None:
    said = partly(list(range(0, SPAN.minutes, minutes)))
    assert f"the agent reports every {minutes} min" in said
    assert "`metrics_collection_interval` 60" in said
