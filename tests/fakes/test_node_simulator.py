"""The simulated node does what counters, the agent and EC2 are known to do, in figures worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import FetchSpan, Window
from tests.fakes.node_simulator import (
    IN,
    OUT,
    Agent,
    AgentDown,
    DeviceGone,
    Flow,
    Kind,
    PeriodCut,
    SimulatedNode,
    Way,
    burst,
    by_minute,
    counter_reset,
    host_off_node,
    pod_off_node,
    pod_to_host,
    pod_to_pod,
    steady,
    uncarried,
    unseen,
)

MINUTE = timedelta(minutes=1)
WINDOW = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
SPAN = FetchSpan.of(WINDOW, 2)
BEGIN, END = SPAN.start - timedelta(hours=2), SPAN.end + timedelta(hours=2)
A_MEGABYTE = ByteRate(1_000_000.0)
ALL_THE_TIME = steady(A_MEGABYTE, BEGIN, END)
ONE, OTHER = "eni00000000001", "eni00000000002"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def minutes_without_a_rate(node: SimulatedNode, device: str, span: FetchSpan = SPAN) -> int:
    events = node.play(span).events.samples
    return sum(s.device == device and s.rx_bytes_per_second is None for s in events)


@pytest.mark.parametrize(
    ("flow", "counted", "carried_in", "carried_out"),
    [
        (host_off_node(ALL_THE_TIME, OUT), 1, 0, 1),
        (host_off_node(ALL_THE_TIME, IN), 1, 1, 0),
        (pod_off_node(ALL_THE_TIME, OUT, pod=ONE), 2, 0, 1),
        (pod_off_node(ALL_THE_TIME, IN, pod=ONE, also=["flannel.1"]), 3, 1, 0),
        (pod_off_node(ALL_THE_TIME, OUT, pod="veth1"), 1, 0, 1),
        (pod_to_pod(ALL_THE_TIME, source=ONE, target=OTHER), 2, 0, 0),
        (pod_to_host(ALL_THE_TIME, IN, pod=ONE), 1, 0, 0),
        (unseen(ALL_THE_TIME, OUT), 0, 0, 1),
        (uncarried(ALL_THE_TIME, IN), 1, 0, 0),
    ],
)
def test_each_kind_of_traffic_is_counted_where_it_crosses(
    flow: Flow, counted: int, carried_in: int, carried_out: int
) -> None:
    readings = SimulatedNode(flows=(flow,)).play(SPAN).readings
    assert set(readings.os_bytes_per_second) == {counted * 1e6}
    assert set(readings.network_in_bytes) == {carried_in * 3e8}
    assert set(readings.network_out_bytes) == {carried_out * 3e8}
    assert set(readings.network_in_samples) == {5.0}


def test_what_a_pod_sends_the_node_receives_on_its_device() -> None:
    node = SimulatedNode(flows=(pod_off_node(ALL_THE_TIME, OUT, pod=ONE),))
    rates = {s.device: (s.rx_bytes_per_second, s.tx_bytes_per_second) for s in node.play(SPAN).events.samples}
    assert rates == {"eth0": (0.0, 1e6), ONE: (1e6, 0.0)}


def test_headers_make_the_eni_count_more_than_the_device() -> None:
    node = SimulatedNode(flows=(host_off_node(ALL_THE_TIME, OUT, eni_bytes_per_byte=1.05),))
    assert node.crossed("eth0", Way.TX, WINDOW.start, WINDOW.end) == 900_000_000
    assert node.carried(OUT, WINDOW.start, WINDOW.end) == 945_000_000


@pytest.mark.parametrize("lasting", [seconds(0), seconds(10)])
def test_a_burst_belongs_to_the_time_from_its_instant_on(lasting: timedelta) -> None:
    node = SimulatedNode(flows=(host_off_node(burst(9_000, WINDOW.start, lasting), OUT),))
    assert node.moved(Kind.HOST_OFF_NODE, BEGIN, WINDOW.start) == 0
    assert node.moved(Kind.HOST_OFF_NODE, WINDOW.start, WINDOW.end) == 9_000


def test_a_rate_is_over_the_real_interval_and_labelled_with_the_minute_it_ends_in() -> None:
    agent = Agent(asks_at=seconds(30), counter_ages=(seconds(0), seconds(20)))
    node = SimulatedNode(
        flows=(host_off_node(burst(8_000, WINDOW.start + seconds(5)), OUT),), agents=(agent,)
    )
    seen = {m: r for m, r in node.play(SPAN).totals_by_minute.items() if r != (0.0,)}
    # Read at 30 s or 10 s into the minute, by turns: the interval is 40 s or 80 s.
    assert seen in ({WINDOW.start: (100.0,)}, {WINDOW.start: (200.0,)})


def test_readings_older_than_their_minute_leave_one_minute_out_and_give_the_next_two() -> None:
    agent = Agent(asks_at=seconds(15), counter_ages=(seconds(0), seconds(20)))
    minutes = (
        SimulatedNode(flows=(host_off_node(ALL_THE_TIME, OUT),), agents=(agent,)).play(SPAN).totals_by_minute
    )
    assert {len(rates) for rates in minutes.values()} == {2}
    assert len(minutes) in (SPAN.minutes // 2, SPAN.minutes // 2 + 1)


def test_an_interval_of_half_a_minute_is_averaged() -> None:
    rates = by_minute(BEGIN, [A_MEGABYTE, 3 * A_MEGABYTE] * 200)
    agent = Agent(asks_at=seconds(0), interval=seconds(30))
    node = SimulatedNode(flows=(host_off_node(rates, OUT),), agents=(agent,))
    assert set(node.play(SPAN).readings.os_bytes_per_second) == {2e6}


def test_a_restarted_agent_leaves_a_minute_out_and_a_hung_one_averages() -> None:
    flows = (host_off_node(burst(6_000, WINDOW.start + seconds(10)), OUT),)
    start, end = WINDOW.start, WINDOW.start + 4 * MINUTE
    restarted = SimulatedNode(flows, (AgentDown(start, end),)).play(SPAN).totals_by_minute
    hung = SimulatedNode(flows, (AgentDown(start, end, forgets=False),)).play(SPAN).totals_by_minute
    assert WINDOW.start + 3 * MINUTE not in hung
    assert WINDOW.start + 4 * MINUTE not in restarted
    assert hung[WINDOW.start + 4 * MINUTE] == (20.0,)


@pytest.mark.parametrize(("memory", "least", "most"), [(5, 6, 10), (15, 16, 30)])
def test_a_counter_that_fell_is_silent_until_its_old_value_is_swept_out(
    memory: int, least: int, most: int
) -> None:
    agent = Agent(memory=memory * MINUTE)
    span = FetchSpan.of(WINDOW.next().next(), 4)
    silent = []
    for minute in range(memory):
        reset = counter_reset(ONE, SPAN.start + minute * MINUTE)
        node = SimulatedNode((pod_to_host(ALL_THE_TIME, OUT, pod=ONE),), (reset,), agents=(agent,))
        silent.append(minutes_without_a_rate(node, ONE, span) + 1)  # And the first sample that is new again.
    assert least <= min(silent) <= max(silent) <= most


def test_a_counter_that_fell_but_passes_its_old_value_averages_over_the_gap() -> None:
    flow = pod_to_host(burst(1_000, BEGIN) + burst(13_000, WINDOW.start + 2 * MINUTE), OUT, pod=ONE)
    node = SimulatedNode((flow,), (counter_reset(ONE, WINDOW.start),))
    rates = node.play(SPAN).totals_by_minute
    assert minutes_without_a_rate(node, ONE) == 2
    assert rates[WINDOW.start + 2 * MINUTE] == (12_000 / 180,)


def test_an_old_agent_shows_a_counter_that_fell_as_far_too_much_once() -> None:
    flow = pod_to_host(ALL_THE_TIME, OUT, pod=ONE)
    node = SimulatedNode((flow,), (counter_reset(ONE, WINDOW.start),), agents=(Agent(wraps=True),))
    rates = node.play(SPAN).readings.os_bytes_per_second
    assert [rate for rate in rates if rate != 1e6] == [pytest.approx(3.07e17, rel=0.01)]


def test_while_the_first_device_has_no_rate_the_node_has_none() -> None:
    flows = (pod_to_host(ALL_THE_TIME, OUT, pod=ONE), host_off_node(ALL_THE_TIME, OUT))
    reset = counter_reset(ONE, WINDOW.start)
    first = (
        SimulatedNode(flows, (reset,), devices=(ONE,))
        .play(SPAN)
        .readings.os_minutes(WINDOW.start, WINDOW.end)
    )
    second = SimulatedNode(flows, (reset,)).play(SPAN).readings.os_minutes(WINDOW.start, WINDOW.end)
    assert first[0] is None
    assert second[0] == 1e6


def test_a_device_that_went_away_has_no_events_and_its_bytes_are_not_counted() -> None:
    flows = (host_off_node(ALL_THE_TIME, OUT), host_off_node(ALL_THE_TIME, IN, nic="eth1"))
    recording = SimulatedNode(flows, (DeviceGone("eth1", WINDOW.start, END),)).play(SPAN)
    assert max(s.at for s in recording.events.samples if s.device == "eth1") < WINDOW.start
    assert recording.readings.os_minutes(WINDOW.end, WINDOW.end) == (1e6,)
    assert set(recording.readings.network_in_bytes) == {3e8}


def test_a_period_that_is_not_settled_has_fewer_samples_and_bytes() -> None:
    cuts = (PeriodCut(WINDOW.start, minutes=2), PeriodCut(WINDOW.start + 5 * MINUTE, minutes=0))
    readings = SimulatedNode((host_off_node(ALL_THE_TIME, IN),), cuts).play(SPAN).readings
    place = (WINDOW.start - SPAN.start) // (5 * MINUTE)
    assert readings.network_in_samples[place : place + 3] == (2.0, None, 5.0)
    assert readings.network_in_bytes[place : place + 3] == (1.2e8, None, 3e8)
    assert readings.network_out_bytes[place : place + 3] == (0.0, None, 0.0)


def test_what_two_spans_share_comes_out_the_same() -> None:
    node = SimulatedNode(
        flows=(
            host_off_node(by_minute(BEGIN, (ByteRate(1e3 * n) for n in range(300))), OUT),
            pod_to_pod(ALL_THE_TIME, source=ONE, target=OTHER),
        ),
        faults=(
            counter_reset(ONE, SPAN.start - 20 * MINUTE),
            AgentDown(WINDOW.start, WINDOW.start + 3 * MINUTE),
        ),
        agents=(Agent(counter_ages=(seconds(3), seconds(11), seconds(0))),),
    )
    early, late = node.play(SPAN), node.play(FetchSpan.of(WINDOW.next(), 2))
    shared = [minute for minute in early.totals_by_minute if minute >= late.span.start]
    assert [early.totals_by_minute[m] for m in shared] == [late.totals_by_minute[m] for m in shared]
    assert {s for s in early.events.samples if s.at >= late.span.start} <= set(late.events.samples)


def test_plain_datapoints_add_up_to_what_the_core_reads() -> None:
    recording = SimulatedNode((pod_off_node(ALL_THE_TIME, IN, pod=ONE),)).play(SPAN)
    points = list(recording.datapoints())
    os = [point for point in points if point.metric == "node_network_total_bytes"]
    into = [point for point in points if point.metric == "NetworkIn"]
    assert {len(point.dimensions) for point in os} == {3}
    assert [sum(point.values) / len(point.values) for point in os] == [
        *recording.readings.os_bytes_per_second
    ]
    assert {tuple(point.dimensions) for point in into} == {("InstanceId",)}
    assert [sum(point.values) for point in into] == [*recording.readings.network_in_bytes]
    assert {(point.unit, len(point.values)) for point in into} == {("Bytes", 5)}


def test_log_events_carry_their_time_as_the_two_formats_do() -> None:
    recording = SimulatedNode((host_off_node(ALL_THE_TIME, OUT),)).play(SPAN)
    [first, *_] = recording.log_events()
    milliseconds = round(first.at.timestamp() * 1000)
    assert first.message["Timestamp"] == str(milliseconds)
    assert first.message["node_interface_network_total_bytes"] == 1e6
    assert "CloudWatchMetrics" not in first.message
    [newer, *_] = recording.log_events(version="1", enhanced=True)
    assert newer.message["_aws"]["Timestamp"] == milliseconds
    assert "Timestamp" not in newer.message


def test_the_event_of_a_counter_that_fell_has_no_rate_and_no_total() -> None:
    flow = pod_to_host(ALL_THE_TIME, OUT, pod=ONE)
    recording = SimulatedNode((flow,), (counter_reset(ONE, WINDOW.start),)).play(SPAN)
    [event, *_] = [
        e for e in recording.log_events() if e.message["interface"] == ONE and e.at >= WINDOW.start
    ]
    assert event.message["node_interface_network_rx_dropped"] == 0
    # The other direction's counter was zero all along, which is no fall.
    assert [field for field in event.message if field.endswith("_bytes")] == [
        "node_interface_network_tx_bytes"
    ]
