"""The counters of OpenTelemetry Container Insights, read from a simulated node's series, decoys included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import promql_parser
import pytest

from enigap.aws import otel
from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.log_calls import Budget
from enigap.aws.otel import Either, OtelDevices, OtelTotals, counter_query
from enigap.aws.pace import Pace
from enigap.aws.promql import IncompleteAnswer, PromQL, Series
from enigap.core.counting.accumulated import MARGIN_SECONDS
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceEvents, DeviceScope, MissingEvidence, NoEvidence, weigh
from enigap.core.counting.node import Node
from enigap.core.counting.reading import OsSource, Readings, Unreadable, complete_periods, measure
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import GRID, MINUTE, PERIOD, FetchSpan, Window
from tests.fakes.node_simulator import (
    IN,
    OUT,
    AgentDown,
    DeviceGone,
    Fault,
    SimulatedNode,
    Way,
    counter_reset,
    host_off_node,
    pod_off_node,
    pod_to_pod,
    steady,
)
from tests.fakes.otel_ports import InProcess
from tests.fakes.otel_series import ANCHORS, otel_series
from tests.fakes.promql import PromqlEndpoint, Reply, Stored

WINDOW = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
SPAN = FetchSpan.of(WINDOW, 2)
BEGIN, END = SPAN.start - timedelta(hours=1), SPAN.end + timedelta(minutes=10)
PODS = ("eni00000000001", "eni00000000002")
MB = 1e6


def simulated(
    number: int = 1, faults: Sequence[Fault] = (), nics: Sequence[str] = ("eth0",)
) -> SimulatedNode:
    """A host, two pods that talk with the world and with each other: H+2P+2L bytes a second, 12 MB."""

    def rate(megabytes: float) -> Any:
        return steady(ByteRate(megabytes * MB), BEGIN, END)

    flows = [
        host_off_node(rate(1.0), OUT, nic=nics[0]),
        host_off_node(rate(2.0), IN, nic=nics[-1]),
        pod_off_node(rate(1.5), OUT, pod=PODS[0], nic=nics[0]),
        pod_to_pod(rate(3.0), source=PODS[0], target=PODS[1]),
    ]
    node = Node("prod", f"i-{number:017x}", None, private_dns_name=f"ip-10-0-0-{number}.ec2.internal")
    return SimulatedNode(tuple(flows), tuple(faults), devices=(*nics, *PODS), node=node)


class Ec2:
    """EC2's side of simulated nodes."""

    def __init__(self, nodes: Iterable[SimulatedNode]) -> None:
        self._of = {each.node.instance_id: each for each in nodes}

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterable[tuple[Node, Readings | Unreadable]]:
        for node in nodes:
            assert not node.has_series
            yield node, self._of[node.instance_id].play(span).readings

    def histories(self, nodes: Sequence[Node], span: FetchSpan) -> Any:
        raise NotImplementedError


class Faulty(InProcess):
    """Raises instead of answering what a test says."""

    def __init__(self, endpoint: PromqlEndpoint, problem: Callable[[str], AwsProblem | None]) -> None:
        super().__init__(endpoint)
        self.problem = problem
        self.asked: list[str] = []

    def _run(self, expression: str, seconds: Sequence[int]) -> list[Series]:
        self.asked.append(expression)
        if problem := self.problem(expression):
            raise problem
        return super()._run(expression, seconds)


def read(
    *nodes: SimulatedNode,
    series: Callable[[SimulatedNode], Iterable[Stored]] | None = None,
    problem: Callable[[str], AwsProblem | None] = lambda _: None,
) -> dict[str, Readings | Unreadable]:
    """The totals by instance id."""
    endpoint = PromqlEndpoint()
    for each in nodes:
        endpoint.add(series(each) if series else otel_series(each, BEGIN, END))
    totals = OtelTotals(Faulty(endpoint, problem), Ec2(nodes), Classifier())  # type: ignore[arg-type]
    asked = [each.node for each in nodes]
    return {node.instance_id: readings for node, readings in totals.totals(asked, SPAN)}


def only(readings: Mapping[str, Readings | Unreadable]) -> Readings:
    [found] = readings.values()
    assert isinstance(found, Readings)
    return found


def why(readings: Mapping[str, Readings | Unreadable]) -> str:
    [found] = readings.values()
    assert isinstance(found, Unreadable)
    return found.why


def holds_the_truth(node: SimulatedNode, readings: Readings) -> bool:
    both = measure(readings, complete_periods(readings, WINDOW))
    truth = ByteRate(node.counted(WINDOW.start, WINDOW.end) / GRID.total_seconds())
    return both.os.low <= truth <= both.os.high


# --- totals


def spoilt(device: str, way: str, spoil: Callable[[Stored], Stored]) -> Callable[[SimulatedNode], Any]:
    """The series, with one device's bytes of one direction changed."""
    name = f"container_network_{way}_bytes_total"

    def series(node: SimulatedNode) -> Iterator[Stored]:
        for each in otel_series(node, BEGIN, END):
            is_it = (each.labels.get("interface"), each.labels["__name__"]) == (device, name)
            yield spoil(each) if is_it else each

    return series


@pytest.mark.parametrize("device", ["ens6", PODS[0]])
@pytest.mark.parametrize("way", ["receive", "transmit"])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -1.0, 1e308])
def test_a_direction_that_is_missing_or_no_number_makes_the_node_unreadable_and_is_no_zero(
    device: str, way: str, value: float | None
) -> None:
    def spoil(stored: Stored) -> Stored:
        if value is None:
            return replace(stored, seconds=[], values=[])
        return replace(stored, values=[value] * len(stored.values))

    node = simulated(nics=("ens5", "ens6"))
    assert "makes no sense" in why(read(node, series=spoilt(device, way, spoil)))


@pytest.mark.parametrize("device", ["ens6", PODS[0]])
@pytest.mark.parametrize("way", ["receive", "transmit"])
def test_minutes_in_which_one_direction_is_missing_have_no_rate(device: str, way: str) -> None:
    first, last = WINDOW.start.timestamp(), (WINDOW.start + 2 * PERIOD).timestamp()

    def spoil(stored: Stored) -> Stored:
        kept = [n for n, second in enumerate(stored.seconds) if not first <= second < last]
        return replace(
            stored, seconds=[stored.seconds[n] for n in kept], values=[stored.values[n] for n in kept]
        )

    node = simulated(nics=("ens5", "ens6"))
    readings = only(read(node, series=spoilt(device, way, spoil)))
    assert set(readings.os_minutes(WINDOW.start + 2 * MINUTE, WINDOW.start + PERIOD)) == {None}
    assert 0.0 not in readings.os_bytes_per_second


@pytest.mark.parametrize("nics", [("eth0",), ("ens5", "ens6")])
def test_the_total_is_that_of_the_nodes_own_devices_counted_once(nics: tuple[str, ...]) -> None:
    node = simulated(nics=nics)
    readings = only(read(node))
    assert holds_the_truth(node, readings)
    assert measure(readings, complete_periods(readings, WINDOW)).os.middle.bytes_per_second == pytest.approx(
        12.0 * MB, rel=0.02
    )


def test_the_bounds_are_as_narrow_as_those_of_an_agent_that_samples_each_minute() -> None:
    node = simulated()
    of_otel, of_agent = only(read(node)), node.play(SPAN).readings
    widths = []
    for readings in (of_otel, of_agent):
        os = measure(readings, complete_periods(readings, WINDOW)).os
        widths.append((os.high - os.low).bytes_per_second)
    assert widths[0] < widths[1]


def test_an_anchor_that_is_replaced_leaves_no_gap() -> None:
    node = simulated()
    down = {"cloudwatch-agent": (WINDOW.start + MINUTE, WINDOW.start + 4 * MINUTE)}
    readings = only(read(node, series=lambda each: otel_series(each, BEGIN, END, down=down)))
    assert None not in readings.os_bytes_per_second
    assert holds_the_truth(node, readings)


def test_while_nothing_is_scraped_there_is_no_rate_and_no_zero() -> None:
    down = AgentDown(WINDOW.start + PERIOD, WINDOW.start + 2 * PERIOD)
    rates = only(read(simulated(faults=[down]))).os_minutes(WINDOW.start, WINDOW.end)
    assert None in rates
    assert 0.0 not in rates


def test_a_node_without_series_is_silent_and_not_idle() -> None:
    readings = only(read(simulated(), series=lambda _: ()))
    assert set(readings.os_bytes_per_second) == {None}
    assert readings.network_in_bytes[0]


@pytest.mark.parametrize(
    "fault",
    [
        counter_reset("ens6", WINDOW.start + 7 * MINUTE),
        DeviceGone("ens6", WINDOW.start + 7 * MINUTE, END),
        DeviceGone("ens6", BEGIN, WINDOW.start + 7 * MINUTE),
    ],
    ids=["reset", "detached", "attached"],
)
def test_an_eni_whose_counter_is_reset_or_comes_or_goes_makes_no_rate(fault: Fault) -> None:
    readings = only(read(simulated(faults=[fault], nics=("ens5", "ens6"))))
    assert readings.os_minutes(WINDOW.start + 7 * MINUTE, WINDOW.start + 7 * MINUTE) == (None,)
    assert complete_periods(readings, WINDOW) == (WINDOW.start, WINDOW.start + 2 * PERIOD)


def test_a_reset_shows_though_all_devices_together_counted_more() -> None:
    node = simulated(faults=[counter_reset("ens7", WINDOW.start + 7 * MINUTE)], nics=("ens5",))
    quiet = host_off_node(steady(ByteRate(10e3), BEGIN, END), OUT, nic="ens7")
    readings = only(read(replace(node, flows=(*node.flows, quiet))))
    assert readings.os_minutes(WINDOW.start + 7 * MINUTE, WINDOW.start + 7 * MINUTE) == (None,)


def at_most(stored: Stored, gaps: Callable[[float], bool]) -> Stored:
    """Without the samples in the gaps."""
    kept = [number for number, second in enumerate(stored.seconds) if not gaps(second)]
    seconds, values = ([of[number] for number in kept] for of in (stored.seconds, stored.values))
    return replace(stored, seconds=seconds, values=values)


@pytest.mark.parametrize("until", [-1.0, 2.0, 6.0])
def test_a_node_whose_newest_counters_come_seldom_is_not_silent_though_it_had_rates_before(
    until: float,
) -> None:
    """And one that has none any more is silent, not unreadable."""
    start, end = WINDOW.start.timestamp() - 120, WINDOW.end.timestamp()

    def series(node: SimulatedNode) -> Iterator[Stored]:
        for each in otel_series(node, BEGIN, END):
            yield at_most(each, lambda second: start < second < end - 60 * until and second % 240 >= 30)

    found = read(simulated(), series=series)
    if until == 6.0:
        only(found)
    else:
        assert "every 30 s" in why(found)


def test_a_node_that_has_no_counters_any_more_is_silent_and_not_unreadable() -> None:
    start = WINDOW.start.timestamp() - 120
    readings = only(
        read(
            simulated(),
            series=lambda node: (
                at_most(each, lambda second: second > start) for each in otel_series(node, BEGIN, END)
            ),
        )
    )
    assert set(readings.os_minutes(WINDOW.start, WINDOW.end)) == {None}
    assert any(rate is not None for rate in readings.os_bytes_per_second)


def test_a_pods_device_that_is_replaced_spoils_nothing() -> None:
    node = simulated(faults=[counter_reset(PODS[1], WINDOW.start + 7 * MINUTE)])
    readings = only(read(node))
    os = measure(readings, complete_periods(readings, WINDOW)).os
    assert os.middle.bytes_per_second == pytest.approx(12.0 * MB, rel=0.1)


@pytest.mark.parametrize("workloads", [("cloudwatch-agent",), ANCHORS])
@pytest.mark.parametrize("minute", [0, 1, 5, 6, 15])
def test_counters_of_a_pods_device_that_are_lost_for_a_minute_are_no_new_device(
    workloads: Sequence[str], minute: int
) -> None:
    """All that it ever counted would be traffic of that minute."""
    until = (WINDOW.start + minute * MINUTE).timestamp()

    def series(node: SimulatedNode) -> Iterator[Stored]:
        for each in otel_series(node, BEGIN, END):
            is_hit = (
                each.labels["@resource.k8s.workload.name"] in workloads
                and each.labels.get("interface") == PODS[0]
            )
            kept = [
                n for n, second in enumerate(each.seconds) if not (is_hit and until - 60 < second <= until)
            ]
            seconds, values = ([of[n] for n in kept] for of in (each.seconds, each.values))
            yield replace(each, seconds=seconds, values=values)

    node = simulated()
    readings = only(read(node, series=series))
    whole = complete_periods(readings, WINDOW)
    assert len(whole) == 3 if workloads != ANCHORS else len(whole) < 3
    if whole:
        truth = sum(node.counted(each, each + PERIOD) for each in whole) / (len(whole) * 300)
        assert measure(readings, whole).os.low <= ByteRate(truth) <= measure(readings, whole).os.high


def test_anchors_on_a_network_of_their_own_are_refused_with_a_remedy() -> None:
    for nics in (("eth0",), ("ens5",)):
        told = why(
            read(
                simulated(nics=nics),
                series=lambda each: otel_series(each, BEGIN, END, on_own_network=["cloudwatch-agent"]),
            )
        )
        assert "eth0" in told or "ens5" in told
        assert "hostNetwork: true" in told


def carried(
    node: SimulatedNode, times: float, *devices: str, anchors: Sequence[str] = ANCHORS[:1]
) -> Readings | Unreadable:
    """The readings of a node whose only devices are these, and whose EC2 side is so many times as much."""

    class Carried(Ec2):
        def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Any:
            for asked, own in super().totals(nodes, span):
                assert isinstance(own, Readings)
                received, sent = (
                    tuple(None if each is None else each * times for each in of)
                    for of in (own.network_in_bytes, own.network_out_bytes)
                )
                yield asked, replace(own, network_in_bytes=received, network_out_bytes=sent)

    endpoint = PromqlEndpoint(
        each
        for each in otel_series(node, BEGIN, END, anchors=anchors)
        if each.labels.get("interface") in devices
    )
    totals = OtelTotals(InProcess(endpoint), Carried([node]), Classifier())  # type: ignore[arg-type]
    [(_, readings)] = totals.totals([node.node], SPAN)
    return readings


def test_an_eth0_that_is_alone_and_counted_far_less_than_ec2_may_be_a_pods_own() -> None:
    """Also where no other pod's counters speak against it."""
    agent = ("cloudwatch-agent",)

    def series(node: SimulatedNode) -> Iterator[Stored]:
        return otel_series(node, BEGIN, END, anchors=agent, on_own_network=agent)

    assert "hostNetwork: true" in why(read(simulated(), series=series))
    assert isinstance(carried(simulated(), 5.0, "eth0"), Unreadable)


def test_what_is_less_apart_has_other_devices_or_a_second_pod_that_confirms_it_is_judged() -> None:
    assert isinstance(carried(simulated(), 3.0, "eth0"), Readings)
    assert isinstance(carried(simulated(), 50.0, "eth0", anchors=ANCHORS[:2]), Readings)
    assert isinstance(carried(simulated(), 50.0, "eth0", PODS[0]), Readings)
    assert isinstance(carried(simulated(nics=("ens5",)), 50.0, "ens5"), Readings)


def test_devices_none_of_which_is_an_enis_are_refused() -> None:
    assert "ppp0" in why(read(simulated(nics=("ppp0",))))


def test_an_id_that_is_none_of_ec2s_is_asked_of_nobody() -> None:
    node = simulated()
    forged = replace(node, node=replace(node.node, instance_id='i-0|.*"} or {'))
    assert "none of EC2's" in why(read(forged))


def with_kubelet(node: SimulatedNode, factor: float) -> Iterator[Stored]:
    """The series of a node whose kubelet counts so many times what its first ENI's device does."""
    for stored in otel_series(node, BEGIN, END):
        yield stored
        labels = stored.labels
        if (labels["__name__"], labels.get("interface"), labels["@resource.k8s.workload.name"]) == (
            otel.BYTES.received,
            node.counted_devices[0],
            "aws-node",
        ):
            own = {
                key: labels[key] for key in ("@resource.host.id", "@resource.k8s.cluster.name", "interface")
            }
            values = [factor * value for value in stored.values]
            yield Stored(own | {"__name__": otel.KUBELETS, "direction": "receive"}, stored.seconds, values)


def test_a_kubelet_that_counts_as_the_anchors_do_changes_nothing() -> None:
    node = simulated()
    assert read(node, series=lambda each: with_kubelet(each, 1.0)) == read(node)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_a_kubelet_that_counts_otherwise_makes_the_node_unreadable_with_a_remedy(factor: float) -> None:
    told = why(read(simulated(), series=lambda each: with_kubelet(each, factor)))
    assert "kubelet's own" in told
    assert "enigap doctor" in told


def test_a_kubelet_that_cannot_be_asked_for_changes_nothing() -> None:
    refused = AwsProblem(ProblemKind.REFUSED, "no such metric")
    node = simulated()
    assert read(node, problem=lambda query: refused if otel.KUBELETS in query else None) == read(node)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("aggregate", ["min by", "count by"])
def test_anchors_whose_counters_are_no_numbers_make_the_node_unreadable(aggregate: str, value: float) -> None:
    class Odd(Faulty):
        def _run(self, expression: str, seconds: Sequence[int]) -> list[Series]:
            found = super()._run(expression, seconds)
            is_odd = expression.startswith(aggregate)
            return [replace(one, values=dict.fromkeys(one.values, value)) if is_odd else one for one in found]

    node = simulated()
    promql: Any = Odd(PromqlEndpoint(otel_series(node, BEGIN, END)), lambda _: None)
    [(_, readings)] = OtelTotals(promql, Ec2([node]), Classifier()).totals([node.node], SPAN)
    assert isinstance(readings, Unreadable)
    assert "makes no sense" in readings.why


# --- one series of an answer that makes no sense

SEVERAL = tuple(simulated(number, nics=("ens5", "ens6")) for number in (1, 2, 3))
BAD = SEVERAL[1].node.instance_id
Given = dict[str, Any]


class Spoiling(PromqlEndpoint):
    """Spoils the series of one node's `ens6` in every answer that has them."""

    def __init__(self, spoil: Callable[[list[Given], Given], None]) -> None:
        super().__init__(every for node in SEVERAL for every in otel_series(node, BEGIN, END))
        self._spoil = spoil

    def _run(self, is_range: bool, form: Mapping[str, str]) -> Reply:  # noqa: FBT001
        reply = super()._run(is_range, form)
        assert isinstance(reply.body, dict)
        answer = reply.body["data"]["result"]
        for each in list(answer):
            if (each["metric"][otel.HOST], each["metric"]["interface"]) == (BAD, "ens6"):
                self._spoil(answer, each)
        return reply

    def client(self) -> Any:
        cloudwatch = Aws(region="eu-west-1").client("cloudwatch")
        self.attach(cloudwatch)
        return PromQL(cloudwatch, pace=Pace(1e9), sleep=lambda _: None)


def points(series: Given) -> list[list[Any]]:
    found: list[list[Any]] = series["values"] if "values" in series else [series["value"]]
    return found


def with_value(value: object) -> Callable[[list[Given], Given], None]:
    def spoil(_: list[Given], series: Given) -> None:
        points(series)[-1][1] = value

    return spoil


def with_time(of: Callable[[int], object]) -> Callable[[list[Given], Given], None]:
    def spoil(_: list[Given], series: Given) -> None:
        points(series)[-1][0] = of(points(series)[-1][0])

    return spoil


def with_label(name: str, value: object) -> Callable[[list[Given], Given], None]:
    def spoil(_: list[Given], series: Given) -> None:
        series["metric"][name] = value

    return spoil


def without(*names: str) -> Callable[[list[Given], Given], None]:
    def spoil(_: list[Given], series: Given) -> None:
        for name in names:
            series.pop(name, None)
            series["metric"].pop(name, None)

    return spoil


def without_points(_: list[Given], series: Given) -> None:
    series.update({"values": []} if "values" in series else {"value": []})


def one_time_twice(_: list[Given], series: Given) -> None:
    series.update({"values": [*points(series), points(series)[-1]], "value": None})


def twice(answer: list[Given], series: Given) -> None:
    answer.append(deepcopy(series))


ODD_SERIES: Mapping[str, Callable[[list[Given], Given], None]] = {
    "a value that is none": with_value("-1"),
    "a value that is no text": with_value(7.5),
    "a device that is none": with_label("interface", "a b"),
    "a device of another type": with_label("interface", 6),
    "no device": without("interface"),
    "a node of another type": with_label(otel.HOST, 6),
    "no node": without(otel.HOST),
    "a node in capitals": with_label(otel.HOST, BAD.upper()),
    "another second": with_time(lambda second: second - 7),
    "a fraction": with_time(lambda second: second + 0.5),
    "a time as text": with_time(str),
    "a time as a truth": with_time(lambda _: True),
    "no time": with_time(lambda _: None),
    "a time long ago": with_time(lambda second: second - 86_400),
    "no values": without("values", "value"),
    "an empty list": without_points,
    "one time twice": one_time_twice,
    "the series twice": twice,
}


@pytest.mark.parametrize("spoil", ODD_SERIES.values(), ids=ODD_SERIES)
def test_a_series_that_makes_no_sense_costs_its_node_and_no_other(
    spoil: Callable[[list[Given], Given], None],
) -> None:
    promql = Spoiling(spoil).client()
    nodes = [each.node for each in SEVERAL]
    found = {
        node.instance_id: readings
        for node, readings in OtelTotals(promql, Ec2(SEVERAL), Classifier()).totals(nodes, SPAN)
    }
    assert {key for key, readings in found.items() if isinstance(readings, Unreadable)} == {BAD}
    assert "CloudWatch's answer by PromQL" in why({BAD: found[BAD]})
    short = FetchSpan(WINDOW.end - 2 * PERIOD, WINDOW.end)
    events = OtelDevices(promql, Classifier()).devices(nodes, short, DeviceScope.ENI)
    missing = {key: each for key, each in events.items() if isinstance(each, MissingEvidence)}
    assert {key: each.why for key, each in missing.items()} == {BAD: NoEvidence.FAILED}


def of_another_node(answer: list[Given], series: Given) -> None:
    answer.append(deepcopy(series))
    answer[-1]["metric"][otel.HOST] = "i-00000000000000009"
    without_points(answer, answer[-1])


@pytest.mark.parametrize(
    "spoil", [of_another_node, with_label("pod", "a"), with_label("pod", 7)], ids=["foreign", "more", "odd"]
)
def test_a_series_of_a_node_that_was_not_asked_and_labels_beside_cost_nobody(
    spoil: Callable[[list[Given], Given], None],
) -> None:
    nodes = [each.node for each in SEVERAL]
    totals = OtelTotals(Spoiling(spoil).client(), Ec2(SEVERAL), Classifier())
    for node, readings in totals.totals(nodes, SPAN):
        assert holds_the_truth(SEVERAL[nodes.index(node)], only({"": readings}))


def test_a_node_that_alone_is_too_large_is_unreadable_with_a_remedy() -> None:
    cut = IncompleteAnswer(ProblemKind.FAILED, "it has 500 series")
    told = why(read(simulated(), problem=lambda _: cut))
    assert "500 series" in told
    assert "classic Container Insights" in told


# --- large and failing answers


def test_a_query_that_is_too_large_is_halved_and_nobody_is_lost() -> None:
    nodes = [simulated(number) for number in range(1, 8)]
    incomplete = IncompleteAnswer(ProblemKind.FAILED, "cut", "")
    found = read(*nodes, problem=lambda query: incomplete if query.count("i-") > 2 else None)
    assert [
        node for node in nodes if not holds_the_truth(node, only({"": found[node.node.instance_id]}))
    ] == []


@pytest.mark.parametrize(
    "problem",
    [
        IncompleteAnswer(ProblemKind.FAILED, "it was cut", ""),
        AwsProblem(ProblemKind.REFUSED, "it was too many samples", code="execution"),
        AwsProblem(ProblemKind.THROTTLED, "it was throttled"),
    ],
)
def test_what_cannot_be_read_of_one_node_is_unreadable_and_costs_no_other(problem: AwsProblem) -> None:
    nodes = [simulated(number) for number in range(1, 28)]
    bad = nodes[17].node.instance_id
    found = read(*nodes, problem=lambda query: problem if bad in query else None)
    unreadable = {key for key, readings in found.items() if isinstance(readings, Unreadable)}
    assert bad in unreadable
    assert len(unreadable) == (12 if problem.kind is ProblemKind.THROTTLED else 1)


class WithOneMore(InProcess):
    """Each answer to some questions has one more series, of the node that they are about last."""

    def __init__(
        self, endpoint: PromqlEndpoint, about: str, more: Callable[[Series], Series], host: str
    ) -> None:
        super().__init__(endpoint)
        self._about, self._more, self._host = about, more, host

    def _run(self, expression: str, seconds: Sequence[int]) -> list[Series]:
        found = super()._run(expression, seconds)
        of_host = [each for each in found if each.labels[otel.HOST] == self._host]
        return [*found, *(self._more(each) for each in of_host[:1] if self._about in expression)]


def named(device: str | None) -> Callable[[Series], Series]:
    def another(series: Series) -> Series:
        others = {key: label for key, label in series.labels.items() if key != otel.INTERFACE}
        return replace(series, labels=others if device is None else {**others, otel.INTERFACE: device})

    return another


def valued(value: float) -> Callable[[Series], Series]:
    return lambda series: named("eth7")(replace(series, values=dict.fromkeys(series.values, value)))


ODD: Mapping[str, Callable[[Series], Series]] = {
    "no name": named(None),
    "an empty name": named(""),
    "a name of two lines": named("eth0\nens5"),
    "a name read backwards": named("eth\u202e0"),
    "a name without end": named("eth" * 99),
    "a name that is a path": named("../eth0"),
    "not a number": valued(float("nan")),
    "less than nothing": valued(-1.0),
    "more than a counter holds": valued(1e300),
    "a series there twice": lambda series: series,
}


@pytest.mark.parametrize("about", ["receive_bytes", "transmit_bytes", "max by", "count by", "min by"])
@pytest.mark.parametrize("more", ODD.values(), ids=ODD)
def test_an_odd_series_makes_its_own_node_unreadable_and_costs_no_other(
    about: str, more: Callable[[Series], Series]
) -> None:
    nodes = [simulated(number) for number in range(1, 6)]
    ids = [each.node.instance_id for each in nodes]
    endpoint = PromqlEndpoint()
    for each in nodes:
        endpoint.add(otel_series(each, BEGIN, END))
    promql: Any = WithOneMore(endpoint, about, more, ids[2])
    totals = OtelTotals(promql, Ec2(nodes), Classifier()).totals([each.node for each in nodes], SPAN)
    found = {node.instance_id: readings for node, readings in totals}
    assert [key for key in ids if isinstance(found[key], Unreadable)] == [ids[2]]
    assert "makes no sense" in why({ids[2]: found[ids[2]]})
    assert why({ids[2]: found[ids[2]]}).isprintable()
    if about.endswith("bytes"):
        devices = OtelDevices(promql, Classifier())
        for look in (
            devices.glance([each.node for each in nodes], SPAN),
            devices.devices([each.node for each in nodes], SPAN, DeviceScope.ALL),
        ):
            assert [key for key in ids if isinstance(look[key], MissingEvidence)] == [ids[2]]


def test_a_node_that_is_absent_from_an_answer_about_others_is_unreadable_and_not_silent() -> None:
    nodes = [simulated(number) for number in range(1, 4)]
    endpoint = PromqlEndpoint()
    for each in nodes[:2]:
        endpoint.add(otel_series(each, BEGIN, END))

    def of_another(series: Series) -> Series:
        return replace(series, labels={**series.labels, otel.HOST: "i-0fffffffffffffff0"})

    promql: Any = WithOneMore(endpoint, "transmit", of_another, nodes[0].node.instance_id)
    totals = OtelTotals(promql, Ec2(nodes), Classifier()).totals([each.node for each in nodes], SPAN)
    found = [readings for _, readings in totals]
    assert [type(each) for each in found] == [Readings, Readings, Unreadable]
    assert "another node" in why({"": found[2]})


def test_a_denial_of_everything_is_raised() -> None:
    denied = AwsProblem(ProblemKind.DENIED, "AWS denied it", "allow it")
    with pytest.raises(AwsProblem, match="AWS denied it"):
        read(simulated(), problem=lambda _: denied)


def test_checks_that_fail_leave_the_node_unreadable() -> None:
    failed = AwsProblem(ProblemKind.FAILED, "the check failed")
    assert why(read(simulated(), problem=lambda query: failed if query.startswith("min") else None))


# --- devices


def looked_at(node: SimulatedNode, scope: DeviceScope) -> DeviceEvents:
    endpoint = PromqlEndpoint(otel_series(node, BEGIN, END))
    devices = OtelDevices(InProcess(endpoint), Classifier())  # type: ignore[arg-type]
    found = devices.devices([node.node], FetchSpan(WINDOW.end - timedelta(minutes=30), WINDOW.end), scope)
    events = found[node.node.instance_id]
    assert isinstance(events, DeviceEvents)
    return events


def test_the_devices_of_a_scope_have_a_rate_each_minute() -> None:
    node = simulated(nics=("ens5", "ens6"))
    enis, every = (looked_at(node, scope) for scope in (DeviceScope.ENI, DeviceScope.ALL))
    assert {each.device for each in enis.samples} == {"ens5", "ens6"}
    assert {each.device for each in every.samples} == {"ens5", "ens6", *PODS}
    assert every.counter_age == otel.AGE


def test_the_bounds_of_each_device_hold_what_crossed_it() -> None:
    node = simulated()
    periods = [WINDOW.start + number * PERIOD for number in range(3)]
    evidence = weigh(looked_at(node, DeviceScope.ALL), periods, Classifier())
    for device in evidence.devices:
        truth = ByteRate(
            sum(node.crossed(device.device, way, WINDOW.start, WINDOW.end) for way in Way)
            / GRID.total_seconds()
        )
        assert device.total.low <= truth <= device.total.high


@pytest.mark.parametrize(
    ("problem", "evidence"),
    [
        (AwsProblem(ProblemKind.DENIED, "denied"), NoEvidence.DENIED),
        (AwsProblem(ProblemKind.THROTTLED, "throttled"), NoEvidence.BUDGET_SPENT),
        (AwsProblem(ProblemKind.FAILED, "failed"), NoEvidence.FAILED),
    ],
)
def test_devices_that_cannot_be_read_are_missing_evidence(problem: AwsProblem, evidence: NoEvidence) -> None:
    devices = OtelDevices(Faulty(PromqlEndpoint(), lambda _: problem), Classifier())  # type: ignore[arg-type]
    found = devices.devices([simulated().node], SPAN, DeviceScope.ENI)
    assert found == {simulated().node.instance_id: MissingEvidence(evidence, problem.what)}


@pytest.mark.parametrize("workloads", [("cloudwatch-agent",), ANCHORS])
def test_packets_that_are_lost_for_a_minute_leave_its_event_out_and_not_the_packets_of_hours(
    workloads: Sequence[str],
) -> None:
    node, lost = simulated(), WINDOW.start.timestamp() + 300
    node = replace(node, flows=tuple(replace(flow, bytes_per_packet=500.0) for flow in node.flows))
    endpoint = PromqlEndpoint(
        at_most(each, lambda second: lost - 60 < second <= lost)
        if "transmit_packets" in each.labels["__name__"]
        and each.labels["@resource.k8s.workload.name"] in workloads
        else each
        for each in otel_series(node, BEGIN, END)
    )
    devices = OtelDevices(InProcess(endpoint), Classifier())  # type: ignore[arg-type]
    span = FetchSpan(WINDOW.end - timedelta(minutes=30), WINDOW.end)
    [events] = devices.devices([node.node], span, DeviceScope.ENI).values()
    assert isinstance(events, DeviceEvents)
    rated = [each for each in events.samples if each.is_rated]
    assert all(None not in each.usable_packets for each in rated)
    assert (lost in {each.at.timestamp() for each in rated}) is (workloads != ANCHORS)


def test_an_event_that_a_reset_falls_into_has_no_rates() -> None:
    at = WINDOW.start + 5 * MINUTE
    node = simulated(faults=[counter_reset("eth0", at)])
    events = looked_at(node, DeviceScope.ENI)
    without = [each.at for each in events.samples if not each.is_rated]
    assert without
    assert all(abs(each - at) <= 2 * MINUTE for each in without)


def test_devices_without_any_packets_have_events_all_the_same() -> None:
    node = simulated()
    endpoint = PromqlEndpoint(
        each for each in otel_series(node, BEGIN, END) if "packets" not in each.labels["__name__"]
    )
    devices = OtelDevices(InProcess(endpoint), Classifier())  # type: ignore[arg-type]
    [events] = devices.devices([node.node], SPAN, DeviceScope.ENI).values()
    assert isinstance(events, DeviceEvents)
    assert sum(each.is_rated for each in events.samples) > 30


@pytest.mark.parametrize("scope", DeviceScope)
def test_an_eni_of_which_one_direction_is_missing_leaves_no_evidence(scope: DeviceScope) -> None:
    node = simulated(nics=("ens5", "ens6"))
    endpoint = PromqlEndpoint()
    endpoint.add(spoilt("ens6", "transmit", lambda each: replace(each, seconds=[], values=[]))(node))
    devices = OtelDevices(InProcess(endpoint), Classifier())  # type: ignore[arg-type]
    [missing] = devices.devices([node.node], SPAN, scope).values()
    assert isinstance(missing, MissingEvidence)


def test_devices_are_read_as_long_as_their_samples_fit_into_memory() -> None:
    nodes = [simulated(number) for number in range(1, 31)]
    endpoint = PromqlEndpoint(each for node in nodes for each in otel_series(node, BEGIN, END))
    promql = Faulty(endpoint, lambda _: None)
    devices = OtelDevices(promql, Classifier(), budget=Budget(memory_bytes=500 * 340))  # type: ignore[arg-type]
    asked = [each.node for each in nodes]
    hours = FetchSpan(WINDOW.end - timedelta(hours=6), WINDOW.end)
    first = devices.devices(asked, hours, DeviceScope.ALL)
    read = [key for key, each in first.items() if isinstance(each, DeviceEvents)]
    assert read == [node.instance_id for node in asked[: len(read)]]
    assert 0 < len(read) < len(nodes)
    left = {each.why for each in first.values() if isinstance(each, MissingEvidence)}
    assert left == {NoEvidence.BUDGET_SPENT}
    queries = len(promql.asked)
    [missing] = devices.devices(asked[:1], SPAN, DeviceScope.ENI).values()
    assert isinstance(missing, MissingEvidence)
    assert len(promql.asked) == queries


def test_a_node_without_counters_has_no_evidence() -> None:
    devices = OtelDevices(InProcess(PromqlEndpoint()), Classifier())  # type: ignore[arg-type]
    [missing] = devices.devices([simulated().node], SPAN, DeviceScope.ALL).values()
    assert isinstance(missing, MissingEvidence)


# --- either


class Classic:
    """The classic figures and events of nodes, some of which publish none."""

    def __init__(self, *publishing: SimulatedNode, silent: Sequence[SimulatedNode] = ()) -> None:
        self._publishing = {each.node.instance_id for each in publishing}
        self._of = {each.node.instance_id: each for each in (*publishing, *silent)}
        self.asked_for_devices: list[list[str]] = []

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterable[tuple[Node, Readings | Unreadable]]:
        for node in nodes:
            readings = self._of[node.instance_id].play(span).readings
            if node.instance_id not in self._publishing:
                readings = replace(readings, os_bytes_per_second=(None,) * span.minutes)
            yield node, readings

    def histories(self, nodes: Sequence[Node], span: FetchSpan) -> Any:
        raise NotImplementedError

    def devices(self, nodes: Sequence[Node], *_: object) -> Any:
        self.asked_for_devices.append([node.instance_id for node in nodes])
        return {}


def either(
    classic: Classic,
    *with_counters: SimulatedNode,
    problem: Callable[[str], AwsProblem | None] = lambda _: None,
) -> tuple[Either, Faulty]:
    endpoint = PromqlEndpoint()
    for each in with_counters:
        endpoint.add(otel_series(each, BEGIN, END))
    promql = Faulty(endpoint, problem)
    client: Any = promql
    counters = OtelTotals(client, classic, Classifier()), OtelDevices(client, Classifier())
    return Either((classic, classic), counters), promql


def sources_of(source: Either, *nodes: SimulatedNode) -> list[tuple[str, OsSource, bool]]:
    """Of each node: its id, where its figures come from, and whether the OS has any."""
    return [
        (node.instance_id, readings.os_source, any(readings.os_bytes_per_second))
        for node, readings in source.totals([each.node for each in nodes], SPAN)
        if isinstance(readings, Readings)
    ]


ONE, TWO = simulated(1), simulated(2)


def test_one_node_with_a_classic_figure_makes_the_cluster_a_classic_one() -> None:
    classic = Classic(TWO, silent=[ONE])
    source, promql = either(classic, ONE, TWO)
    found = sources_of(source, ONE, TWO)
    assert found == [
        (ONE.node.instance_id, OsSource.CLASSIC, False),
        (TWO.node.instance_id, OsSource.CLASSIC, True),
    ]
    assert promql.asked == []


def test_a_cluster_that_publishes_both_has_its_devices_from_the_counters_and_else_from_the_log() -> None:
    classic = Classic(ONE, TWO)
    source, _ = either(classic, ONE)
    sources_of(source, ONE, TWO)
    found = source.devices([ONE.node, TWO.node], SPAN, DeviceScope.ENI)
    assert isinstance(found[ONE.node.instance_id], DeviceEvents)
    assert classic.asked_for_devices == [[TWO.node.instance_id]]
    assert set(source.glance([ONE.node], SPAN)) == {ONE.node.instance_id}


def test_a_classic_cluster_is_asked_for_counters_once_a_run_and_has_its_devices_from_the_log() -> None:
    classic = Classic(ONE)
    source, promql = either(classic)
    sources_of(source, ONE)
    for _ in range(3):
        source.devices([ONE.node], SPAN, DeviceScope.ENI)
        assert source.glance([ONE.node], SPAN) == {}
    assert len(promql.asked) == 2
    assert len(classic.asked_for_devices) == 3


def test_without_a_classic_figure_the_counters_count_and_devices_follow() -> None:
    classic = Classic(silent=[ONE, TWO])
    source, _ = either(classic, ONE)
    assert sources_of(source, ONE, TWO) == [
        (ONE.node.instance_id, OsSource.OTEL, True),
        (TWO.node.instance_id, OsSource.OTEL, False),
    ]
    [events] = source.devices([ONE.node], SPAN, DeviceScope.ENI).values()
    assert isinstance(events, DeviceEvents)
    assert classic.asked_for_devices == []
    assert sources_of(source, TWO) == [(TWO.node.instance_id, OsSource.OTEL, False)]


def test_a_cluster_whose_classic_figures_are_of_a_window_before_is_read_by_its_counters() -> None:
    class Stopped(Classic):
        def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Any:
            for node, readings in super().totals(nodes, span):
                assert isinstance(readings, Readings)
                until = (WINDOW.start - MINUTE - span.start) // MINUTE
                rates = (*readings.os_bytes_per_second[:until], *(None,) * (span.minutes - until))
                yield node, replace(readings, os_bytes_per_second=rates)

    source, _ = either(Stopped(ONE, TWO), ONE, TWO)
    assert [of for _, of, _ in sources_of(source, ONE, TWO)] == [OsSource.OTEL, OsSource.OTEL]


@pytest.mark.parametrize("kind", [None, ProblemKind.DENIED, ProblemKind.REFUSED])
def test_a_cluster_without_either_is_silent_in_the_classic_figures(kind: ProblemKind | None) -> None:
    source, _ = either(
        Classic(silent=[ONE]), problem=lambda _: AwsProblem(kind, "not for you") if kind else None
    )
    assert sources_of(source, ONE) == [(ONE.node.instance_id, OsSource.CLASSIC, False)]
    assert source.source is None
    assert source.why_not_asked == (kind and "not for you")


@pytest.mark.parametrize(
    "kind", [ProblemKind.FAILED, ProblemKind.THROTTLED, ProblemKind.UNREACHABLE, ProblemKind.OUT_OF_TIME]
)
def test_without_a_classic_figure_a_failure_to_ask_for_counters_is_no_silence(kind: ProblemKind) -> None:
    source, _ = either(Classic(silent=[ONE]), ONE, problem=lambda _: AwsProblem(kind, "it failed"))
    assert list(source.totals([ONE.node], SPAN)) == [(ONE.node, Unreadable("it failed"))]


def test_counters_that_are_too_many_to_be_asked_for_are_no_silence() -> None:
    too_many = AwsProblem(ProblemKind.REFUSED, "it was too many samples", code="execution")
    source, _ = either(Classic(silent=[ONE]), ONE, problem=lambda _: too_many)
    [(_, readings)] = source.totals([ONE.node], SPAN)
    assert isinstance(readings, Unreadable)
    assert "it was too many samples" in readings.why


@pytest.mark.parametrize("kind", [ProblemKind.FAILED, ProblemKind.DENIED, ProblemKind.OUT_OF_TIME])
def test_with_classic_figures_a_failure_to_ask_for_counters_leaves_the_log(kind: ProblemKind) -> None:
    classic = Classic(ONE)
    source, _ = either(classic, ONE, problem=lambda _: AwsProblem(kind, "it failed"))
    assert sources_of(source, ONE) == [(ONE.node.instance_id, OsSource.CLASSIC, True)]
    source.devices([ONE.node], SPAN, DeviceScope.ENI)
    assert len(classic.asked_for_devices) == 1


# --- syntax


@pytest.mark.parametrize("cluster", ["prod", 'say "prod"', "back\\slash", "two\nlines", "a{b}=~c"])
@pytest.mark.parametrize("prefixes", [None, ("eth", "ens"), ("br-", "v.lan+")])
def test_a_query_parses_and_names_the_cluster_as_it_is_called(
    cluster: str, prefixes: Sequence[str] | None
) -> None:
    query = counter_query(otel.BYTES.received, cluster, ["i-0a", "i-0b"], prefixes)
    parsed: Any = promql_parser.parse(query)
    matchers = {m.name: m.value for m in parsed.expr.args[0].vector_selector.matchers.matchers}
    assert matchers["@resource.k8s.cluster.name"] == cluster
    assert matchers["@resource.host.id"] == "i-0a|i-0b"
    assert len(matchers) == (4 if prefixes is None else 5)
    assert matchers["__name__"] == otel.BYTES.received


def test_every_query_is_one_that_the_endpoint_of_the_tests_parses() -> None:
    asked = Faulty(PromqlEndpoint(otel_series(simulated(), BEGIN, END)), lambda _: None)
    node = simulated()
    list(OtelTotals(asked, Ec2([node]), Classifier()).totals([node.node], SPAN))  # type: ignore[arg-type]
    for scope in DeviceScope:
        OtelDevices(asked, Classifier()).devices([node.node], SPAN, scope)  # type: ignore[arg-type]
    assert {query.partition(" ")[0] for query in asked.asked} == {"max", "min", "count"}
    assert [query for query in asked.asked if "node_network" in query] == []


def test_the_age_of_a_counter_and_the_margin_for_ec2s_minutes_are_whole_minutes_together() -> None:
    assert (otel.AGE + timedelta(seconds=MARGIN_SECONDS)) % MINUTE == timedelta(0)
