"""The split, held against nodes whose conversations are known to the byte.

The nodes are played out by tests/fakes/node_simulator.py, which knows which devices a conversation
crosses and nothing of the split's bounds.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.recorded import hold_constant, recorded_nodes
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceEvents, DeviceSample, Evidence, weigh
from enigap.core.counting.node import Node
from enigap.core.counting.rules import Rules
from enigap.core.counting.split import (
    Crossed,
    Outcome,
    Split,
    Totals,
    inside_at_least,
    split_of,
)
from enigap.core.counting.units import NOTHING, ZERO, ByteRate, RateSpan
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Judgement, Verdict
from tests.fakes.news import judged as judged_steadily
from tests.fakes.node_simulator import (
    IN,
    OUT,
    Agent,
    Crossing,
    Direction,
    Flow,
    Kind,
    Shape,
    SimulatedNode,
    Way,
    burst,
    host_off_node,
    pod_off_node,
    pod_to_host,
    pod_to_pod,
    steady,
)
from tests.fakes.readings import Devices

WINDOW = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
RULES = Rules()
SPAN = FetchSpan.of(WINDOW, RULES.windows_fetched)
BEGIN, END = SPAN.start - timedelta(hours=1), SPAN.end + timedelta(hours=1)
SECONDS = 900
PARTS = tuple(part.name for part in fields(Split))

NICS = ("eth0", "ens5")
PODS = ("eni00000000001", "eni00000000002", "eni00000000003")
NETWORKS: dict[str, tuple[str, ...]] = {
    "classic": (),
    "gateway": ("antrea-gw0",),
    "overlay": ("flannel.1",),
    "branch": ("vlan.eth.1",),
    "overlay behind a gateway": ("br-ex", "genev_sys_6081"),
}
"""What a pod's byte crosses on its way off the node, besides the pod's device and an ENI."""


# --- any mix of conversations

amounts = st.builds(lambda digit, zeros: digit * 10**zeros, st.integers(1, 9), st.integers(3, 9))
moments = st.builds(lambda ms: WINDOW.start + timedelta(milliseconds=ms), st.integers(-400_000, 1_300_000))
bursts = st.builds(burst, amounts, moments, st.sampled_from([timedelta(seconds=s) for s in (0, 1, 40, 300)]))
backgrounds = amounts.map(lambda rate: steady(ByteRate(rate / 10), BEGIN, END))
shapes = st.lists(bursts | backgrounds, min_size=1, max_size=3).map(lambda parts: sum(parts, ()))
directions = st.sampled_from(Direction)


def to_host(shape: Shape, direction: Direction, pod: str, on_the_way: tuple[str, ...]) -> Flow:
    """N; behind a gateway device it crosses that one as well."""
    if not any(name.startswith("antrea") for name in on_the_way):
        return pod_to_host(shape, direction, pod=pod)
    sent = direction is OUT
    gateway = Crossing("antrea-gw0", Way.RX if sent else Way.TX)
    return Flow(Kind.POD_TO_HOST, shape, (Crossing(pod, Way.RX if sent else Way.TX), gateway))


@st.composite
def flows(draw: st.DrawFn, on_the_way: tuple[str, ...]) -> Flow:
    shape, direction = draw(shapes), draw(directions)
    one, other = draw(st.permutations(PODS))[:2]
    nic = draw(st.sampled_from(NICS))
    kind = draw(st.sampled_from("HPPLN"))
    if kind == "L":
        return pod_to_pod(shape, source=one, target=other)
    if kind == "N":
        return to_host(shape, direction, one, on_the_way)
    if kind == "H":
        return host_off_node(shape, direction, nic=nic)
    return pod_off_node(shape, direction, pod=one, nic=nic, also=on_the_way)


agents = st.builds(
    lambda asks_at, ages: Agent(timedelta(seconds=asks_at), tuple(timedelta(seconds=age) for age in ages)),
    st.floats(20, 59.9),
    st.lists(st.floats(0, 20), min_size=1, max_size=5),
)


@st.composite
def nodes(draw: st.DrawFn, networks: tuple[str, ...] = tuple(NETWORKS)) -> SimulatedNode:
    on_the_way = NETWORKS[draw(st.sampled_from(networks))]
    several = draw(st.lists(flows(on_the_way), min_size=1, max_size=4))
    return SimulatedNode(tuple(several), agents=(draw(agents),), devices=NICS)


def judged(node: SimulatedNode, *, with_devices: bool = True, rules: Rules = RULES) -> Judgement:
    recording = node.play(SPAN)
    events = recording.events if with_devices else None
    return judge(node.node, recording.readings, events, WINDOW, rules)


def truth(node: SimulatedNode) -> dict[str, float]:
    """Bytes by part, from what flowed and what it crossed."""
    moved = dict.fromkeys(PARTS, 0.0)
    for flow in node.flows:
        one = SimulatedNode((flow,)).moved(flow.kind, WINDOW.start, WINDOW.end)
        again = one * (len(flow.crosses) - 1)
        if flow.kind is Kind.HOST_OFF_NODE:
            moved["host_off_node"] += one
        elif flow.kind is Kind.POD_OFF_NODE:
            moved["pod_off_node"] += one
            moved["pod_off_node_again"] += again
        else:
            moved["inside_node"] += one
            moved["inside_node_again"] += again
    return moved


def assert_holds(split: Split, node: SimulatedNode, slack: float = 1e-4) -> None:
    for name, moved in truth(node).items():
        span: RateSpan = getattr(split, name)
        low, high = (rate.bytes_per_second * SECONDS for rate in (span.low, span.high))
        # An event's time has no more than milliseconds, its rate is over the real interval.
        assert low * (1 - slack) - 200 <= moved <= high * (1 + slack) + 200, name


@given(nodes())
def test_every_part_lies_in_its_bounds_whatever_flows_and_when(node: SimulatedNode) -> None:
    judgement = judged(node)
    assert judgement.explained is True, judgement.reason
    assert judgement.split is not None
    assert_holds(judgement.split, node)


@pytest.mark.parametrize("network", ["classic", "gateway", "overlay"])
@given(st.data())
def test_without_devices_the_bounds_are_wider_and_hold_as_well(network: str, data: st.DataObject) -> None:
    node = data.draw(nodes((network,)))
    rules = replace(RULES, max_counts_per_byte=2 + len(NETWORKS[network]))
    split = judged(node, with_devices=False, rules=rules).split
    assert split is not None
    assert_holds(split, node)


@pytest.mark.parametrize("with_devices", [True, False])
@given(node=nodes())
def test_the_likely_figures_add_up_to_what_the_os_counted_each_inside_its_bounds(
    node: SimulatedNode, *, with_devices: bool
) -> None:
    judgement = judged(node, with_devices=with_devices)
    split = judgement.split
    assert split is not None
    assert judgement.os is not None
    assert split.likely_total.bytes_per_second == pytest.approx(judgement.os.bytes_per_second, rel=1e-9)
    for name in PARTS:
        span: RateSpan = getattr(split, name)
        assert span.low <= span.middle <= span.high, name
        assert name == "unexplained" or span.low >= ZERO, name


@given(nodes())
def test_a_node_that_counting_explains_has_nothing_unexplained(node: SimulatedNode) -> None:
    judgement = judged(node)
    assert judgement.split is not None
    assert judgement.split.unexplained == NOTHING
    assert judgement.node_local_at_least == judgement.split.inside_node.low


# --- the low end of what is inside the node


def samples(
    devices: dict[str, tuple[float, float]], *, minutes: int = 25, packets: float | None = None
) -> DeviceEvents:
    first = WINDOW.start - timedelta(minutes=5, seconds=-20)
    return DeviceEvents(
        tuple(
            DeviceSample(first + number * MINUTE, name, rx, tx, packets, packets)
            for number in range(minutes)
            for name, (rx, tx) in devices.items()
        )
    )


PERIODS = tuple(WINDOW.start + number * PERIOD for number in range(3))
WHOLE_MINUTES = 14 / 15
"""Of the window's fifteen minutes one is shared between the two events at its edges."""


def test_what_pods_sent_beyond_what_the_enis_sent_stayed() -> None:
    low = inside_at_least(samples({"eth0": (9e6, 2e6), "eni00000000001": (7e6, 1e6)}), WINDOW, Classifier())
    assert low.bytes_per_second == pytest.approx(5e6 * WHOLE_MINUTES)


def test_what_pods_received_beyond_what_the_enis_received_stayed_less_a_header_a_packet() -> None:
    devices = {"eth0": (2e6, 9e6), "cali0123456789a": (1e6, 7e6)}
    low = inside_at_least(samples(devices, packets=2_000.0), WINDOW, Classifier())
    assert low.bytes_per_second == pytest.approx((5e6 - 14 * 2_000) * WHOLE_MINUTES)


def test_where_events_name_no_packets_every_frame_may_be_a_short_one() -> None:
    devices = {"eth0": (2e6, 9e6), "eni00000000001": (1e6, 7e6)}
    low = inside_at_least(samples(devices), WINDOW, Classifier())
    assert low.bytes_per_second == pytest.approx((5e6 - 14 * 2e6 / 60) * WHOLE_MINUTES)


def test_each_interval_is_bounded_by_itself() -> None:
    """Pods sent to each other in one minute and elsewhere in the next: on the sum of both nothing shows."""
    first = WINDOW.start - timedelta(minutes=5, seconds=-20)
    events = DeviceEvents(
        tuple(
            DeviceSample(first + number * MINUTE, name, *(rates if number % 2 else other))
            for number in range(25)
            for name, rates, other in (
                ("eth0", (0.0, 0.0), (6e6, 6e6)),
                ("eni00000000001", (3e6, 3e6), (0.0, 0.0)),
            )
        )
    )
    low = inside_at_least(events, WINDOW, Classifier())
    assert low.bytes_per_second == pytest.approx(3e6 * 7 / 15)


def test_an_interval_without_a_rate_of_every_eni_device_counts_for_nothing() -> None:
    devices = {"eth0": (1e6, 1e6), "ens6": (1e6, 1e6), "eni00000000001": (9e6, 1e6)}
    seen = samples(devices)
    missing = WINDOW.start + timedelta(minutes=6, seconds=20)
    lost = tuple(s for s in seen.samples if (s.device, s.at) != ("ens6", missing))
    low = inside_at_least(DeviceEvents(lost), WINDOW, Classifier())
    assert low.bytes_per_second == pytest.approx(7e6 * 12 / 15)


def test_a_device_that_may_be_an_eni_is_taken_for_one() -> None:
    devices = {"eth0": (1e6, 1e6), "wan7": (1e6, 4e6), "eni00000000001": (9e6, 1e6)}
    low = inside_at_least(samples(devices), WINDOW, Classifier())
    assert low.bytes_per_second == pytest.approx(4e6 * WHOLE_MINUTES)


def test_two_agents_events_bound_it_by_the_reading_that_allows_less() -> None:
    once = samples({"eth0": (1e6, 1e6), "eni00000000001": (9e6, 1e6)})
    twice = samples({"eth0": (1e6, 5e6), "eni00000000001": (9e6, 1e6)})
    half = timedelta(seconds=30)
    both = once.samples + tuple(
        DeviceSample(s.at + half, s.device, s.rx_bytes_per_second, s.tx_bytes_per_second)
        for s in twice.samples
    )
    low = inside_at_least(DeviceEvents(both), WINDOW, Classifier())
    assert low.bytes_per_second <= 4e6


# --- recordings whose traffic is known

RECORDED = {node.key: node for node in recorded_nodes()}


@pytest.mark.parametrize(
    ("key", "inside", "share"), [("a", None, 0.9), ("d", None, 0.9), ("j3", None, 0.9), ("e", 44.6e6, 0.69)]
)
def test_what_stayed_on_a_recorded_node_is_seen(key: str, inside: float | None, share: float) -> None:
    stayed_on = {"a": "eni74c22947691", "d": "eni0d7763386da", "j3": "cni0"}
    recorded = RECORDED[key]
    if inside is None:
        device = recorded.devices[stayed_on[key]]
        inside = (device.rx + device.tx).bytes_per_second
    judgement = judge(Node("prod", "i-0abc"), *hold_constant(recorded, SPAN), WINDOW, RULES)
    assert judgement.split is not None
    span = judgement.split.inside_node
    assert share * inside <= span.low.bytes_per_second <= inside * 1.001
    assert inside <= span.high.bytes_per_second * 1.001


# --- what a verdict adds


def exactly(rate: float) -> RateSpan:
    return RateSpan(ByteRate(rate), ByteRate(rate), ByteRate(rate))


def totals(os: float, eni_in: float, eni_out: float, counts: int = 2) -> Totals:
    return Totals(
        exactly(os), ByteRate(eni_in), ByteRate(eni_out), replace(RULES, max_counts_per_byte=counts)
    )


rates = st.integers(0, 10**9).map(float)


@given(rates, rates, rates, st.sampled_from(Outcome), st.integers(1, 3))
def test_totals_alone_split_into_what_adds_up(
    os: float, eni_in: float, eni_out: float, outcome: Outcome, counts: int
) -> None:
    split = split_of(totals(os, eni_in, eni_out, counts), None, outcome)
    assert split.likely_total.bytes_per_second == pytest.approx(os, abs=1e-3)
    for name in PARTS:
        span: RateSpan = getattr(split, name)
        assert span.low <= span.middle <= span.high, name


@given(rates, rates, rates)
def test_where_nobody_can_tell_all_beyond_the_enis_may_be_a_fault(
    os: float, eni_in: float, eni_out: float
) -> None:
    split = split_of(totals(os, eni_in, eni_out), None, Outcome.OPEN)
    gap = os - eni_in - eni_out
    assert split.inside_node.low == ZERO
    assert (split.unexplained.high if gap > 0 else split.unexplained.low).bytes_per_second == pytest.approx(
        gap
    )


@given(rates, rates, rates, st.integers(1, 10**9).map(float))
def test_no_more_is_unexplained_for_certain_than_a_verdict_has_proven(
    os: float, eni_in: float, eni_out: float, at_least: float
) -> None:
    split = split_of(totals(os, eni_in, eni_out), None, Outcome.UNEXPLAINED)
    before, after = split.unexplained, split.proving(ByteRate(at_least)).unexplained
    assert after.low <= before.low <= after.middle == before.middle <= before.high <= after.high
    assert max(after.low, ZERO - after.high) <= ByteRate(at_least)


@pytest.mark.parametrize(
    ("os", "devices"), [(0.0, None), (2e5, None), (2e5, {"eth0": (1e5, 1e5)}), (9e6, {"eth0": (4e6, 5e6)})]
)
def test_a_judgement_says_one_lower_bound_of_what_is_unexplained(os: float, devices: Devices | None) -> None:
    judgement = judged_steadily(1, os, 3e6, 3e6, devices)
    assert judgement.explained is False
    assert judgement.split is not None
    assert judgement.unexplained
    unexplained = judgement.split.unexplained
    assert judgement.unexplained >= max(unexplained.low, ZERO - unexplained.high) > ZERO


@given(rates, rates, rates)
def test_where_the_os_lacks_bytes_the_rest_is_what_the_interfaces_carried(
    os: float, eni_in: float, eni_out: float
) -> None:
    split = split_of(totals(min(os, eni_in + eni_out), eni_in, eni_out), None, Outcome.UNEXPLAINED)
    off_node = split.host_off_node.middle + split.pod_off_node.middle
    assert off_node.bytes_per_second == pytest.approx(eni_in + eni_out)
    assert split.unexplained.middle <= ZERO


def crossed(eni: tuple[float, float], pods: tuple[float, float], inside: float = 0.0) -> Crossed:
    return Crossed(
        exactly(eni[0]), exactly(eni[1]), exactly(pods[0]), exactly(pods[1]), NOTHING, NOTHING, (), NOTHING,
        NOTHING, ByteRate(inside),
    )  # fmt: skip


def test_an_excess_is_what_the_devices_counted_beyond_the_interfaces() -> None:
    split = split_of(totals(70e6, 10e6, 20e6), crossed((10e6, 40e6), (10e6, 10e6)), Outcome.UNEXPLAINED)
    assert split.unexplained.middle == ByteRate(20e6)
    assert split.host_off_node.middle + split.pod_off_node.middle == ByteRate(30e6)
    assert split.likely_total == ByteRate(70e6)


def test_a_conversation_is_inside_the_node_though_as_much_left_it() -> None:
    """Two pods exchange 10 MB/s, and the node's own processes send and receive as much."""
    seen = crossed((10e6, 10e6), (10e6, 10e6))
    blind = split_of(totals(40e6, 10e6, 10e6), seen, Outcome.EXPLAINED)
    known = Crossed(
        **{f.name: getattr(seen, f.name) for f in fields(Crossed)} | {"conversations": ByteRate(10e6)}
    )
    told = split_of(totals(40e6, 10e6, 10e6), known, Outcome.EXPLAINED)
    assert (blind.inside_node.middle, blind.pod_off_node.middle) == (ZERO, ByteRate(20e6))
    assert (told.inside_node.middle, told.inside_node_again.middle) == (ByteRate(10e6), ByteRate(10e6))
    assert (told.host_off_node.middle, told.pod_off_node.middle) == (ByteRate(20e6), ZERO)


def test_a_gateway_device_carries_no_more_off_node_traffic_than_the_enis() -> None:
    """Pods send their own node 8 MB/s through the gateway, and nothing leaves it."""
    node = SimulatedNode(
        (to_host(steady(ByteRate(8e6), BEGIN, END), OUT, PODS[0], ("antrea-gw0",)),), devices=NICS
    )
    split = judged(node).split
    assert split is not None
    assert split.inside_node.middle.bytes_per_second == pytest.approx(8e6, rel=1e-3)
    assert split.inside_node_again.middle.bytes_per_second == pytest.approx(8e6, rel=1e-3)


@pytest.mark.parametrize("direction", [IN, OUT])
def test_nothing_is_split_where_nothing_was_compared(direction: Direction) -> None:
    node = SimulatedNode(
        (host_off_node(steady(ByteRate(8e6), BEGIN, WINDOW.start), direction),), devices=NICS
    )
    readings = node.play(SPAN).readings
    silent = type(readings)(
        SPAN,
        (None,) * SPAN.minutes,
        readings.network_in_bytes,
        readings.network_out_bytes,
        readings.network_in_samples,
    )
    judgement = judge(node.node, silent, None, WINDOW, RULES)
    assert judgement.verdict is Verdict.OS_SILENT
    assert judgement.split is None


def test_two_pods_whose_minutes_mirror_each_other_are_inside_the_node() -> None:
    """Their node's own processes send and receive as much, so the sums alone do not show it."""
    bursts = tuple(
        stretch
        for minute in range(-10, 60)
        for stretch in steady(
            ByteRate(2e6 * (1 + minute * minute % 7)),
            SPAN.start + minute * MINUTE,
            SPAN.start + (minute + 1) * MINUTE,
        )
    )
    busy = steady(ByteRate(40e6), BEGIN, END)
    node = SimulatedNode(
        (
            pod_to_pod(bursts, source=PODS[0], target=PODS[1]),
            host_off_node(busy, IN),
            host_off_node(busy, OUT),
        ),
        devices=NICS,
    )
    judgement = judged(node)
    assert judgement.split is not None
    inside = truth(node)["inside_node"] / SECONDS
    assert judgement.split.inside_node.middle.bytes_per_second == pytest.approx(inside, rel=0.02)
    assert judgement.split.inside_node.low == ZERO


def test_where_a_pods_device_lacks_a_rate_all_off_node_traffic_may_be_pods() -> None:
    """The pod was made again under its name, and the agent leaves its device out for half an hour."""
    devices = {"eth0": (9e6, 9e6), "eni00000000001": (2e6, 2e6), "eni00000000002": (1e6, 1e6)}
    whole = samples(devices)
    lost = tuple(
        replace(s, rx_bytes_per_second=None, tx_bytes_per_second=None)
        if s.device == "eni00000000002" and s.at > WINDOW.start + timedelta(minutes=4)
        else s
        for s in whole.samples
    )

    def host_low(events: DeviceEvents) -> ByteRate:
        evidence = weigh(events, PERIODS, Classifier())
        assert isinstance(evidence, Evidence)
        seen = Crossed.of(evidence, events, WINDOW, RULES)
        return split_of(totals(24e6, 9e6, 9e6), seen, Outcome.EXPLAINED).host_off_node.low

    assert host_low(whole) > ByteRate(9e6)
    assert host_low(DeviceEvents(lost)) == ZERO
