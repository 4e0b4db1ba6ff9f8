"""Laws of the judgement, held against nodes that are played out byte by byte.

The nodes come from tests/fakes/node_simulator.py, which knows how traffic is counted and sampled and nothing
of the core's formulas. What really moved is known there to the byte, so a law can be held against the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceEvents, Evidence, weigh
from enigap.core.counting.reading import Readings, complete_periods
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ZERO, ByteRate, RateSpan
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window, bytes_inside
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Judgement, Verdict
from tests.fakes.node_simulator import (
    IN,
    OUT,
    Agent,
    AgentDown,
    Direction,
    Flow,
    Kind,
    Shape,
    SimulatedNode,
    Way,
    burst,
    by_minute,
    host_off_node,
    pod_off_node,
    pod_to_host,
    pod_to_pod,
    steady,
    uncarried,
    unseen,
)

NEWEST = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
WINDOWS = (NEWEST.previous(), NEWEST)
RULES = Rules()
SPAN = FetchSpan.of(NEWEST, RULES.windows_fetched)
FIRST = WINDOWS[0].start
BEGIN, END = FIRST - timedelta(hours=1), SPAN.end + timedelta(hours=1)
WINDOW_SECONDS = 900

THOROUGH = settings(max_examples=2 * settings().max_examples)
"""For the laws the product stands on."""

NICS = ("eth0", "ens5")
PODS = tuple(f"eni{number:011x}" for number in range(1, 5))
OVERLAYS = ("flannel.1", "vlan.eth.1")


# --- Anything a healthy node may do ---


def milliseconds(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda count: timedelta(milliseconds=count))


directions = st.sampled_from(Direction)
amounts = st.builds(lambda digit, zeros: digit * 10**zeros, st.integers(1, 9), st.integers(3, 9))
"""Of bytes, or bytes per second: a thousand to nine thousand million."""

moments = st.builds(
    lambda number, offset: FIRST + number * PERIOD + offset,
    st.integers(0, 7),
    st.sampled_from([timedelta(milliseconds=ms) for ms in (0, -1, 1)]) | milliseconds(-150_000, 150_000),
)
"""Anywhere in the span, and very near the edges of periods and windows, where it hurts."""

bursts = st.builds(
    burst, amounts, moments, st.sampled_from([timedelta(seconds=s) for s in (0, 0, 1, 10, 40, 60, 300)])
)
backgrounds = amounts.map(lambda rate: steady(ByteRate(float(rate) / 10), BEGIN, END))
shapes = st.lists(bursts | backgrounds, min_size=1, max_size=3).map(lambda parts: sum(parts, ()))

header_differences = st.sampled_from([0.95, 0.98, 1.0, 1.02, 1.05])


@st.composite
def flows(draw: st.DrawFn, *, overlays: bool) -> Flow:
    shape, direction = draw(shapes), draw(directions)
    one, other = draw(st.sampled_from([(PODS[0], PODS[1]), (PODS[2], PODS[0]), (PODS[1], PODS[3])]))
    kind = draw(st.sampled_from("HHPPLN"))
    if kind == "L":
        return pod_to_pod(shape, source=one, target=other)
    if kind == "N":
        return pod_to_host(shape, direction, pod=one)
    nic, factor = draw(st.sampled_from(NICS)), draw(header_differences)
    if kind == "H":
        return host_off_node(shape, direction, nic=nic, eni_bytes_per_byte=factor)
    also = draw(st.sampled_from([(), (), *((name,) for name in OVERLAYS)])) if overlays else ()
    return pod_off_node(shape, direction, pod=one, nic=nic, also=also, eni_bytes_per_byte=factor)


def agents(oldest_counters: int = 20_000, asks_from: int = 20_000) -> st.SearchStrategy[Agent]:
    """The real one asks from a minute's thirtieth second on. What matters is that no reading is older than
    its minute."""
    ages = st.sampled_from([timedelta(0), timedelta(milliseconds=oldest_counters)])
    return st.builds(
        Agent,
        asks_at=milliseconds(asks_from, 59_999),
        counter_ages=st.lists(ages | milliseconds(0, oldest_counters), min_size=1, max_size=12).map(tuple),
    )


def healthy_nodes(*, overlays: bool = True) -> st.SearchStrategy[SimulatedNode]:
    return st.builds(
        lambda several, agent: SimulatedNode(flows=tuple(several), agents=(agent,), devices=("eth0", "ens5")),
        st.lists(flows(overlays=overlays), min_size=1, max_size=4),
        agents(),
    )


def judgements(node: SimulatedNode, rules: Rules = RULES) -> list[Judgement]:
    """Of both windows, without evidence and with it."""
    recording = node.play(SPAN)
    return [
        judge(node.node, recording.readings, events, window, rules)
        for window in WINDOWS
        for events in (None, recording.events)
    ]


# --- Healthy nodes ---

AT_THE_EDGE_AND_NOTHING_ELSE = SimulatedNode(
    flows=(pod_to_pod(burst(10**9, at=NEWEST.start), source=PODS[0], target=PODS[1]),)
)
"""Nothing leaves the node, and what stays on it may as well have moved in the window before."""


@THOROUGH
@given(healthy_nodes())
@example(AT_THE_EDGE_AND_NOTHING_ELSE)
def test_counting_alone_wakes_nobody(node: SimulatedNode) -> None:
    for judgement in judgements(node):
        assert judgement.explained is not False, judgement.reason
        assert judgement.unexplained in (None, ZERO)
        assert judgement.cause is None


@given(healthy_nodes())
@example(AT_THE_EDGE_AND_NOTHING_ELSE)
def test_devices_always_tell_for_a_node_that_reports_everything(node: SimulatedNode) -> None:
    for judgement in judgements(node)[1::2]:
        assert judgement.explained is True, judgement.reason
        assert isinstance(judgement.evidence, Evidence)


@given(healthy_nodes(overlays=False))
def test_what_stayed_on_the_node_is_never_overstated(node: SimulatedNode) -> None:
    for judgement in judgements(node):
        assert_not_overstated(judgement, node)


@given(healthy_nodes(overlays=True))
def test_nor_with_overlays_given_devices_or_the_setting_for_them(node: SimulatedNode) -> None:
    for judgement in (*judgements(node)[1::2], *judgements(node, replace(RULES, max_counts_per_byte=3))):
        assert_not_overstated(judgement, node)


def assert_not_overstated(judgement: Judgement, node: SimulatedNode) -> None:
    assert (judgement.node_local_at_least is None) is (judgement.explained is None)
    window = judgement.window
    moved = sum(node.moved(kind, window.start, window.end) for kind in (Kind.POD_TO_POD, Kind.POD_TO_HOST))
    at_least = judgement.node_local_at_least or ZERO
    assert at_least.bytes_per_second * WINDOW_SECONDS <= moved * (1 + 1e-9) + 100


# --- What readings once a minute can say ---


@THOROUGH
@given(st.lists(bursts | backgrounds, min_size=1, max_size=4), agents(), st.integers(1, 3))
def test_a_minutes_rates_bound_the_bytes_of_a_span_whatever_the_burst_the_phase_and_the_counters_age(
    parts: list[Shape], agent: Agent, periods: int
) -> None:
    node = SimulatedNode(flows=(pod_to_host(sum(parts, ()), OUT, pod=PODS[0]),), agents=(agent,))
    start, end = NEWEST.start, NEWEST.start + periods * PERIOD
    rates = known(node.play(SPAN).readings.os_minutes(start, end))
    least, likeliest, greatest = bytes_inside(rates)
    whole_bytes = 2 * len(rates)  # Counters are whole bytes, rates are not.
    assert least - whole_bytes <= node.counted(start, end) <= greatest + whole_bytes
    assert least <= likeliest <= greatest


@given(healthy_nodes())
def test_device_events_bound_the_bytes_of_each_device(node: SimulatedNode) -> None:
    events = node.play(SPAN).events
    for window in WINDOWS:
        periods = [window.start + number * PERIOD for number in range(3)]
        evidence = weigh(events, periods, Classifier())
        assert isinstance(evidence, Evidence)
        for device in evidence.devices:
            for way, span in ((Way.RX, device.rx), (Way.TX, device.tx)):
                assert_bounds(span, node.crossed(device.device, way, window.start, window.end))


def assert_bounds(span: RateSpan, moved: int) -> None:
    # An event's time has no more than milliseconds, its rate is over the real interval.
    low, high = (rate.bytes_per_second * WINDOW_SECONDS for rate in (span.low, span.high))
    assert low * (1 - 1e-4) - 100 <= moved <= high * (1 + 1e-4) + 100


def known(rates: Sequence[float | None]) -> list[float]:
    numbers = [rate for rate in rates if rate is not None]
    assert len(numbers) == len(rates)
    return numbers


# --- Faults ---


@st.composite
def even_minutes(draw: st.DrawFn) -> list[float]:
    """A quarter of an hour whose minutes stay within 10 % of their mean, which is 1."""
    drawn = draw(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0]), min_size=15, max_size=15))
    mean = sum(drawn) / len(drawn)
    most = max(abs(deviation - mean) for deviation in drawn) or 1.0
    return [1 + 0.1 * (deviation - mean) / most for deviation in drawn]


def traffic(rate: float, minutes: list[float]) -> Shape:
    return by_minute(FIRST - timedelta(minutes=30), (ByteRate(rate * minute) for minute in minutes * 6))


@st.composite
def nodes_with_a_physical_mismatch(draw: st.DrawFn, least: float) -> SimulatedNode:
    """One of at least `least` of what the ENIs carry and of at least 3 MB/s, in one direction or both."""
    wrong = draw(st.sampled_from([(IN,), (OUT,), (IN, OUT)]))
    share = draw(st.sampled_from([least, least, 1.5 * least, 0.5, 1.0]))
    carried = 3e6 / share * draw(st.sampled_from([1, 1, 3, 50]))
    of_fault, of_rest = draw(even_minutes()), draw(even_minutes())
    counted_too_much = draw(st.booleans())
    flows: list[Flow] = []
    for direction in wrong:
        if counted_too_much:
            flows.append(host_off_node(traffic(carried, of_rest), direction))
            flows.append(uncarried(traffic(carried * share, of_fault), direction))
        else:
            flows.append(host_off_node(traffic(carried * (1 - share), of_rest), direction))
            flows.append(unseen(traffic(carried * share, of_fault), direction))
    if len(wrong) == 1:
        right = IN if wrong == (OUT,) else OUT
        flows.append(pod_off_node(traffic(float(draw(amounts)), of_rest), right, pod=PODS[0]))
    if draw(st.booleans()):
        flows.append(pod_to_pod(draw(shapes), source=PODS[1], target=PODS[2]))
    agent = draw(agents(oldest_counters=15_000, asks_from=30_000))
    return SimulatedNode(flows=tuple(flows), agents=(agent,))


@THOROUGH
@given(nodes_with_a_physical_mismatch(least=0.5))
def test_a_half_that_is_not_on_both_sides_of_the_interface_is_found_within_two_windows(
    node: SimulatedNode,
) -> None:
    for judgement in (each for each in judgements(node)[1::2] if each.window == NEWEST):
        assert judgement.verdict in (Verdict.OS_DEFICIT, Verdict.OS_EXCESS), judgement.reason
        assert judgement.explained is False
        assert judgement.unexplained is not None
        assert judgement.unexplained > ZERO


@given(nodes_with_a_physical_mismatch(least=0.2))
def test_no_more_is_called_unexplained_than_really_is(node: SimulatedNode) -> None:
    faults = (Kind.UNSEEN, Kind.UNCARRIED)
    for judgement in judgements(node):
        window = judgement.window
        moved = sum(node.moved(kind, window.start, window.end) for kind in faults)
        claimed = judgement.unexplained or ZERO
        assert claimed.bytes_per_second * WINDOW_SECONDS <= moved * (1 + 1e-4) + 100


# --- Missing data ---


@st.composite
def readings_with_holes(draw: st.DrawFn, whole: Readings) -> Readings:
    def punched(series: tuple[float | None, ...], most: int) -> tuple[float | None, ...]:
        lost = draw(st.sets(st.integers(0, len(series) - 1), max_size=most))
        return tuple(None if place in lost else value for place, value in enumerate(series))

    minutes = punched(whole.os_bytes_per_second, most=6)
    if draw(st.integers(0, 4)) == 0:
        first = draw(st.integers(0, len(minutes) - 1))
        gone = range(first, first + draw(st.integers(1, len(minutes))))
        minutes = tuple(None if place in gone else rate for place, rate in enumerate(minutes))
    samples = punched(whole.network_in_samples, most=2)
    if draw(st.booleans()):
        early = draw(st.integers(0, len(samples) - 1))
        samples = tuple(2.0 if place == early else count for place, count in enumerate(samples))
    return replace(
        whole,
        os_bytes_per_second=minutes,
        network_in_bytes=punched(whole.network_in_bytes, most=2),
        network_out_bytes=punched(whole.network_out_bytes, most=2),
        network_in_samples=samples,
    )


@st.composite
def events_with_holes(draw: st.DrawFn, whole: DeviceEvents) -> DeviceEvents:
    """Some samples lost, of one device or of all."""
    times = sorted({sample.at for sample in whole.samples})
    devices = sorted({sample.device for sample in whole.samples})
    lost = {times[place] for place in draw(st.sets(st.integers(0, len(times) - 1), max_size=6))}
    of = draw(st.sampled_from([devices, *([device] for device in devices)]))
    return replace(whole, samples=tuple(s for s in whole.samples if s.at not in lost or s.device not in of))


def complete_periods_left(readings: Readings, window: Window) -> int:
    """At most so many of the window's periods have everything that touches them."""
    complete = 0
    for start in (window.start, window.start + PERIOD, window.start + 2 * PERIOD):
        minute, period = (start - SPAN.start) // MINUTE, (start - SPAN.start) // PERIOD
        complete += (
            None not in readings.os_bytes_per_second[minute : minute + 6]
            and readings.network_in_bytes[period] is not None
            and readings.network_out_bytes[period] is not None
            and readings.network_in_samples[period] == 5
        )
    return complete


@given(healthy_nodes(), st.data())
def test_missing_data_is_never_mistaken_for_a_fault_or_for_a_number(
    node: SimulatedNode, data: st.DataObject
) -> None:
    recording = node.play(SPAN)
    readings = data.draw(readings_with_holes(recording.readings))
    events = data.draw(st.just(None) | events_with_holes(recording.events))
    for window in WINDOWS:
        judgement = judge(node.node, readings, events, window, RULES)
        minutes = readings.os_minutes(window.start, window.end - MINUTE)
        if all(minute is None for minute in minutes):
            assert judgement.verdict in (Verdict.OS_SILENT, Verdict.PARTIAL)
        else:
            assert judgement.explained is not False, judgement.reason
        if complete_periods_left(readings, window) < 2:
            assert judgement.verdict in (Verdict.PARTIAL, Verdict.OS_SILENT, Verdict.ENI_SILENT)
            assert (judgement.unexplained, judgement.node_local_at_least, judgement.ratio) == (None,) * 3
            assert (judgement.os is not None) <= (judgement.verdict is Verdict.ENI_SILENT)
            assert (judgement.eni is not None) <= (judgement.verdict is Verdict.OS_SILENT)
        assert_between_what_was_reported(judgement, readings)


def assert_between_what_was_reported(judgement: Judgement, readings: Readings) -> None:
    """Averages over minutes and periods lie between the least and the greatest of those reported."""
    window = judgement.window
    if judgement.os is not None:
        rates = [rate for rate in readings.os_minutes(window.start, window.end) if rate is not None]
        assert min(rates) * (1 - 1e-9) <= judgement.os.bytes_per_second <= max(rates) * (1 + 1e-9)
    if judgement.eni is not None:
        carried = [
            (into + out) / PERIOD.total_seconds()
            for _, index in readings.periods(window)
            if (into := readings.network_in_bytes[index]) is not None
            and (out := readings.network_out_bytes[index]) is not None
        ]
        assert min(carried) * (1 - 1e-9) <= judgement.eni.bytes_per_second <= max(carried) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        ([], 3),
        ([1], 2),
        ([15], 2),  # It ends after the window, and its interval begins inside.
        ([-1], 2),  # So the next one averages over a gap.
        ([4], 1),
        ([5], 1),
        ([-1, 15], 1),
        ([0, 14], 1),
        ([5, 15], 0),
        ([2, 7, 12], 0),
    ],
)
def test_a_lost_minute_spoils_every_period_it_touches_and_no_other(lost: list[int], left: int) -> None:
    node = SimulatedNode(flows=(host_off_node(steady(ByteRate(1e6), BEGIN, END), OUT),))
    whole = node.play(SPAN).readings
    first = (NEWEST.start - SPAN.start) // MINUTE
    gone = {first + minute for minute in lost}
    minutes = tuple(None if n in gone else rate for n, rate in enumerate(whole.os_bytes_per_second))
    readings = replace(whole, os_bytes_per_second=minutes)
    assert len(complete_periods(readings, NEWEST)) == left
    judgement = judge(node.node, readings, None, NEWEST, RULES)
    assert judgement.verdict is (Verdict.AGREE if left >= 2 else Verdict.PARTIAL)


@pytest.mark.parametrize("hung", [timedelta(minutes=2, seconds=30), timedelta(minutes=6), timedelta(hours=1)])
@pytest.mark.parametrize(
    "back_at", [FIRST, NEWEST.start, NEWEST.start + PERIOD], ids=lambda at: f"{at:%H:%M}"
)
@pytest.mark.parametrize("forgets", [True, False], ids=["restarted", "hung"])
def test_an_agent_that_was_away_and_a_burst_as_it_comes_back_wake_nobody(
    hung: timedelta, back_at: datetime, *, forgets: bool
) -> None:
    """Its first rate is over the gap, so a burst in its last seconds is nearly lost in it."""
    node = SimulatedNode(
        flows=(
            host_off_node(steady(ByteRate(1e5), BEGIN - hung, END), OUT),
            host_off_node(burst(6 * 10**9, at=back_at + timedelta(seconds=1)), OUT),
        ),
        faults=(AgentDown(back_at - hung, back_at, forgets=forgets),),
    )
    for judgement in judgements(node):
        if judgement.verdict is not Verdict.OS_SILENT:
            assert judgement.explained is not False, judgement.reason


@pytest.mark.parametrize("share", [0.01, 0.1, 0.9], ids=lambda share: f"{share:.0%} of the total")
def test_a_device_whose_events_are_all_lost_is_no_fault_while_the_total_counts_it(share: float) -> None:
    node = SimulatedNode(
        flows=(
            host_off_node(steady(ByteRate(1e7 * share), BEGIN, END), OUT, nic="ens5"),
            pod_to_host(steady(ByteRate(1e7 * (1 - share)), BEGIN, END), OUT, pod=PODS[0]),
        ),
    )
    recording = node.play(SPAN)
    left = tuple(sample for sample in recording.events.samples if sample.device != "ens5")
    for window in WINDOWS:
        judgement = judge(node.node, recording.readings, DeviceEvents(left), window, RULES)
        assert judgement.explained is not False, judgement.reason


# --- What must not matter ---


def same(one: Judgement, other: Judgement) -> None:
    assert one.verdict is other.verdict
    for figure in ("os", "eni", "unexplained", "node_local_at_least"):
        left, right = getattr(one, figure), getattr(other, figure)
        assert (left is None) is (right is None)
        if left is not None:
            assert left.bytes_per_second == pytest.approx(right.bytes_per_second, rel=1e-9, abs=1e-3)


any_nodes = healthy_nodes() | nodes_with_a_physical_mismatch(least=0.2)


@given(any_nodes, st.sampled_from(["eth1", "eni0000000000f", "flannel.2", "cni0", "sw0p1"]))
def test_an_idle_device_changes_nothing(node: SimulatedNode, device: str) -> None:
    with_it = replace(node, devices=(*node.counted_devices, device))  # Last: the first one rules the total.
    for one, other in zip(judgements(node), judgements(with_it), strict=True):
        same(one, other)


@given(any_nodes, st.randoms(use_true_random=False), st.integers(1, 2))
def test_order_and_repeats_of_events_change_nothing(
    node: SimulatedNode, random: Random, repeats: int
) -> None:
    recording = node.play(SPAN)
    shuffled = list(recording.events.samples) * repeats
    random.shuffle(shuffled)
    for window in WINDOWS:
        same(
            judge(node.node, recording.readings, recording.events, window, RULES),
            judge(node.node, recording.readings, DeviceEvents(tuple(shuffled)), window, RULES),
        )
