"""Devices by aggregated queries: the same evidence as stream by stream, or none and why."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given

from enigap.aws.clients import Aws
from enigap.aws.device_queries import ACTIONS, Found, PlannedDevices, QueriedDevices, batches, query
from enigap.core.counting.devices import NAME_OF_ALL, Classifier, DeviceKind
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    Evidence,
    MissingEvidence,
    NoEvidence,
    weigh,
)
from enigap.core.counting.node import Node
from enigap.core.counting.reading import complete_periods
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import FetchSpan
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Verdict
from tests.aws.fake_insights import FakeInsights, rows_of
from tests.aws.fake_logs import error
from tests.aws.worlds import SPAN, node, node_net, nodes
from tests.core.test_properties import BEGIN, END, NEWEST, WINDOWS, healthy_nodes
from tests.core.test_properties import SPAN as PLAYED
from tests.fakes.node_simulator import (
    IN,
    OUT,
    AgentDown,
    SimulatedNode,
    counter_reset,
    host_off_node,
    pod_off_node,
    pod_to_pod,
    steady,
    unseen,
)

CLASSIFIER = Classifier()
RULES = Rules()
GROUP = "/aws/containerinsights/prod/performance"
PHYSICAL, PODS, OVERLAYS = (
    NAME_OF_ALL[kind] for kind in (DeviceKind.PHYSICAL, DeviceKind.POD, DeviceKind.COUNTED_AGAIN)
)
AT = SPAN.start + timedelta(minutes=3, seconds=37, milliseconds=125)


def insights_of(*of: Node, **more: Any) -> FakeInsights:
    """Every node with two physical devices and three pods' at one instant."""
    fake = FakeInsights(**more)
    fake.groups[GROUP] = {}
    for each in of:
        fake.put(GROUP, str(each.node_name), sample(each))
    return fake


def sample(of: Node, at: datetime = AT) -> list[dict[str, Any]]:
    devices = ("eth0", "ens5", "eni00000000001", "eni00000000002", "cali00000000003")
    return [node_net(of, at, device, rx=1000.0, tx=500.0) for device in devices]


def reader(fake: Any, **more: Any) -> QueriedDevices:
    return QueriedDevices(fake, CLASSIFIER, sleep=lambda _: None, **more)


def read(fake: Any, *of: Node, **more: Any) -> dict[str, DeviceEvents | MissingEvidence]:
    return reader(fake, **more).devices(of, SPAN)


def events_of(fake: Any, of: Node, **more: Any) -> DeviceEvents:
    answer = read(fake, of, **more)[of.instance_id]
    assert isinstance(answer, DeviceEvents), answer
    return answer


def only(answers: dict[str, DeviceEvents | MissingEvidence]) -> MissingEvidence:
    (answer,) = set(answers.values())
    assert isinstance(answer, MissingEvidence)
    return answer


# --- the same evidence ---


def test_devices_of_a_kind_are_added_up_sample_by_sample() -> None:
    found = events_of(insights_of(node(1)), node(1))
    assert set(found.samples) == {
        DeviceSample(AT, PHYSICAL, 2000.0, 1000.0),
        DeviceSample(AT, PODS, 3000.0, 1500.0),
    }
    assert (found.foreign, found.malformed) == (0, 0)


def test_a_device_of_no_known_kind_keeps_its_name() -> None:
    fake = insights_of(node(1))
    fake.put(
        GROUP,
        str(node(1).node_name),
        [node_net(node(1), AT, name, rx=7.0, tx=8.0) for name in ("bond0", "bat")],
    )
    samples = events_of(fake, node(1)).samples
    assert {DeviceSample(AT, "bond0", 7.0, 8.0), DeviceSample(AT, "bat", 7.0, 8.0)} < set(samples)


def queried(played: SimulatedNode, span: FetchSpan = PLAYED) -> DeviceEvents:
    """What a query finds of a simulated node's log events."""
    messages = [event.message for event in played.play(span).log_events()]
    found = Found([played.node], CLASSIFIER)
    text = query([played.node], CLASSIFIER)
    start, end = span.start - timedelta(minutes=2), span.end + timedelta(minutes=2)
    rows = rows_of(text, {str(played.node.node_name): messages}, int(start.timestamp()), int(end.timestamp()))
    found.add({"results": [[{"field": k, "value": v} for k, v in row.items()] for row in rows]})
    return found.events()[played.node.instance_id]  # type: ignore[return-value]


@given(healthy_nodes())
def test_both_ways_prove_the_same_of_a_healthy_node(played: SimulatedNode) -> None:
    recording = played.play(PLAYED)
    by_query = queried(played)
    for window in WINDOWS:
        periods = complete_periods(recording.readings, window)
        one, other = (weigh(events, periods, CLASSIFIER) for events in (recording.events, by_query))
        assert isinstance(one, Evidence)
        assert isinstance(other, Evidence)
        assert one.periods == other.periods
        for side in ("physical_rx", "physical_tx", "counted_again", "virtual"):
            by_stream, summed = getattr(one, side), getattr(other, side)
            for bound in ("low", "middle", "high"):
                wanted = getattr(by_stream, bound).bytes_per_second
                assert getattr(summed, bound).bytes_per_second == pytest.approx(wanted, rel=1e-9, abs=1e-3), (
                    side
                )


@given(healthy_nodes())
def test_counting_alone_wakes_nobody_by_query_either(played: SimulatedNode) -> None:
    readings, by_query = played.play(PLAYED).readings, queried(played)
    for window in WINDOWS:
        found = judge(played.node, readings, by_query, window, RULES)
        assert found.explained is not False, found.reason


ALL_ALONG = steady(ByteRate(20e6), BEGIN, END)
LOCAL = pod_to_pod(steady(ByteRate(90e6), BEGIN, END), source="eni00000000001", target="eni00000000002")
MIDWAY = NEWEST.start + timedelta(minutes=7)


@pytest.mark.parametrize(
    ("played", "verdict"),
    [
        (SimulatedNode((pod_off_node(ALL_ALONG, OUT, pod="eni00000000001"), LOCAL)), Verdict.NODE_LOCAL),
        (
            SimulatedNode((pod_off_node(ALL_ALONG, IN, pod="eni00000000001", also=("flannel.1",)),)),
            Verdict.POD_EDGE,
        ),
        (SimulatedNode((host_off_node(ALL_ALONG, OUT), LOCAL, unseen(ALL_ALONG, IN))), Verdict.OS_DEFICIT),
        (
            SimulatedNode((host_off_node(ALL_ALONG, OUT, nic="bond0"), LOCAL), devices=("eth0",)),
            Verdict.UNVERIFIED,
        ),
        (
            SimulatedNode(
                (host_off_node(ALL_ALONG, OUT), host_off_node(ALL_ALONG, IN, nic="ens5"), LOCAL),
                (counter_reset("ens5", MIDWAY),),
            ),
            Verdict.UNVERIFIED,
        ),
        (
            SimulatedNode((host_off_node(ALL_ALONG, OUT), LOCAL), (counter_reset("eni00000000001", MIDWAY),)),
            Verdict.NODE_LOCAL,
        ),
        (
            SimulatedNode(
                (host_off_node(ALL_ALONG, OUT), LOCAL),
                (AgentDown(MIDWAY, MIDWAY + timedelta(minutes=2)),),
            ),
            Verdict.PARTIAL,
        ),
    ],
    ids=["node-local", "overlay", "unseen", "unknown device", "physical reset", "pod reset", "agent down"],
)
def test_both_ways_come_to_the_same_verdict(played: SimulatedNode, verdict: Verdict) -> None:
    recording = played.play(PLAYED)
    by_stream = judge(played.node, recording.readings, recording.events, NEWEST, RULES)
    by_query = judge(played.node, recording.readings, queried(played), NEWEST, RULES)
    assert by_query.verdict is by_stream.verdict is verdict


# --- samples that cannot be relied on ---


def test_an_event_without_a_rate_makes_its_sample_missing() -> None:
    fake = insights_of()
    reset = node_net(node(1), AT, "eni00000000002")
    del reset["node_interface_network_rx_bytes"]
    fake.put(GROUP, str(node(1).node_name), [node_net(node(1), AT, "eni00000000001"), reset])
    assert events_of(fake, node(1)).samples == (DeviceSample(AT, PODS, None, None),)


def test_a_physical_device_that_is_not_in_every_sample_makes_those_without_it_missing() -> None:
    later = AT + timedelta(minutes=1)
    fake = insights_of(node(1))
    fake.put(GROUP, str(node(1).node_name), [node_net(node(1), later, "eth0")])
    physical = {s for s in events_of(fake, node(1)).samples if s.device == PHYSICAL}
    assert physical == {DeviceSample(AT, PHYSICAL, 2000.0, 1000.0), DeviceSample(later, PHYSICAL, None, None)}


def test_events_that_were_all_delivered_twice_count_once() -> None:
    fake = insights_of(node(1), node(1))
    assert set(events_of(fake, node(1)).samples) == set(events_of(insights_of(node(1)), node(1)).samples)


def test_a_sample_of_which_some_events_were_delivered_twice_is_missing() -> None:
    fake = insights_of(node(1))
    fake.put(GROUP, str(node(1).node_name), [node_net(node(1), AT, "eth0")])
    samples = {s.device: s.rx_bytes_per_second for s in events_of(fake, node(1)).samples}
    assert samples == {PHYSICAL: None, PODS: 3000.0}


def test_events_of_another_instance_in_the_stream_are_foreign() -> None:
    fake = insights_of(node(1))
    before = replace(node(2), node_name=node(1).node_name)
    fake.put(GROUP, str(node(1).node_name), sample(before))
    found = events_of(fake, node(1))
    assert found.foreign == 3, "rows, not events"
    assert len(found.samples) == 2


def test_what_stands_in_another_nodes_stream_is_not_this_nodes() -> None:
    fake = insights_of(node(1))
    fake.put(GROUP, str(node(2).node_name), sample(node(1)))
    answers = read(fake, node(1), node(2))
    assert answers[node(2).instance_id] == DeviceEvents((), foreign=3)
    assert answers[node(1).instance_id] == events_of(insights_of(node(1)), node(1))


def test_events_of_another_cluster_in_the_log_group_are_not_read() -> None:
    fake = insights_of()
    fake.put(GROUP, str(node(1).node_name), sample(replace(node(1), cluster="test")))
    assert events_of(fake, node(1)) == DeviceEvents(())


ROW = {
    "@logStream": str(node(1).node_name),
    "InstanceId": node(1).instance_id,
    "@timestamp": "2026-01-01 11:28:37.125",
    "first": "eth0",
    "last": "eth1",
    "events": "2",
    "devices": "2",
    "rx_events": "2",
    "tx_events": "2",
    "rx": "2000.5",
    "tx": "1E3",
}


def of_row(**changes: str | None) -> DeviceEvents:
    row = {name: value for name, value in (ROW | changes).items() if value is not None}
    found = Found([node(1)], CLASSIFIER)
    found.add({"results": [[{"field": name, "value": value} for name, value in row.items()]]})
    answer = found.events()[node(1).instance_id]
    assert isinstance(answer, DeviceEvents)
    return answer


def test_numbers_and_times_are_read_as_logs_insights_writes_them() -> None:
    at = datetime(2026, 1, 1, 11, 28, 37, 125_000, tzinfo=UTC)
    expected = DeviceEvents((DeviceSample(at, PHYSICAL, 2000.5, 1000.0),))
    assert of_row() == expected
    assert of_row(**{"@timestamp": str(int(at.timestamp() * 1000))}) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"last": "eni00000000001"},
        {"first": "bat0", "last": "bond0"},
        {"@timestamp": "soon"},
        {"@timestamp": None},
        {"rx": "NaN"},
        {"rx": "much"},
        {"tx": "1E999"},
        {"events": None},
        {"devices": "0"},
        {"devices": "-1"},
    ],
    ids=str,
)
def test_a_row_that_cannot_be_is_malformed_and_never_a_crash(changes: dict[str, str | None]) -> None:
    assert of_row(**changes) == DeviceEvents((), malformed=1)


# --- the question ---


def test_the_query_says_what_it_says() -> None:
    classifier = Classifier(
        physical=r"^(eth\d+|en[(x)]\(\d)$", pod=("eni[0-9a-f]{11}", "a/b"), counted_again=("tun(l|x)",)
    )
    assert query([node(1), node(2)], classifier).split("\n") == [
        'filter @logStream in ["ip-10-0-0-1.ec2.internal", "ip-10-0-0-2.ec2.internal"]',
        '| filter Type = "NodeNet" and ClusterName = "prod"',
        r"| parse interface /^(?<physical>(?:^(?:eth\d+|en[(x)]\(\d)$))$/",
        "| parse interface /^(?<again>(?:tun(?:l|x)))$/",
        r"| parse interface /^(?<pod>(?:eni[0-9a-f]{11})|(?:a\/b))$/",
        "| fields coalesce(physical, again, pod) as known",
        "| fields ispresent(physical) as is_physical, ispresent(again) as is_again",
        "| parse known /^(?<initial>.)/",
        "| fields coalesce(initial, interface) as label",
        (
            "| stats sum(node_interface_network_rx_bytes) as rx, sum(node_interface_network_tx_bytes) as tx, "
            "count(node_interface_network_rx_bytes) as rx_events, "
            "count(node_interface_network_tx_bytes) as tx_events, "
            "count(*) as events, count_distinct(interface) as devices, "
            "sortsFirst(interface) as first, sortsLast(interface) as last "
            "by @logStream, InstanceId, @timestamp, is_physical, is_again, label"
        ),
    ]


def test_it_asks_for_the_span_and_what_straddles_its_edges() -> None:
    fake = insights_of(node(1))
    read(fake, node(1))
    (request,) = fake.started
    assert request["logGroupName"] == GROUP
    assert request["startTime"] == (SPAN.start - timedelta(minutes=2)).timestamp()
    assert request["endTime"] == (SPAN.end + timedelta(minutes=2)).timestamp()
    assert request["limit"] == 100_000


def test_as_many_nodes_as_a_query_has_room_to_name_share_one() -> None:
    many = [replace(node(n), node_name=f"ip-10-0-{n}-101.eu-west-1.compute.internal") for n in range(1000)]
    found = list(batches(many, CLASSIFIER))
    assert [each for batch in found for each in batch] == many
    lengths = [len(query(batch, CLASSIFIER)) for batch in found]
    assert max(lengths) <= 10_000
    assert min(lengths[:-1]) > 9_900
    assert len(found[0]) > 150


def test_many_nodes_take_several_queries_a_few_at_a_time() -> None:
    of = nodes(800)
    fake = insights_of(*of)
    answers = read(fake, *of, parallelism=2)
    assert list(answers) == [each.instance_id for each in of]
    assert all(isinstance(answer, DeviceEvents) and answer.samples for answer in answers.values())
    assert len(fake.started) == 3


def test_a_cluster_has_queries_of_its_own() -> None:
    of = [node(1), node(2, cluster="other")]
    fake = insights_of(of[0])
    fake.put("/aws/containerinsights/other/performance", str(of[1].node_name), sample(of[1]))
    answers = read(fake, *of)
    assert [request["logGroupName"] for request in fake.started] == [GROUP, GROUP.replace("prod", "other")]
    assert all(isinstance(answer, DeviceEvents) and answer.samples for answer in answers.values())


@pytest.mark.parametrize("name", ['a"] | filter 1', "a\\", "a\nb", "a:b", None])
def test_a_node_whose_name_could_write_the_query_is_not_in_it(name: str | None) -> None:
    fake = insights_of(node(1))
    hostile = replace(node(2), node_name=name)
    answers = read(fake, hostile, node(1))
    assert isinstance(answers[node(1).instance_id], DeviceEvents)
    missing = answers[hostile.instance_id]
    assert isinstance(missing, MissingEvidence)
    assert missing.why is NoEvidence.STREAM_MISSING
    assert len(fake.started) == 1


# --- the way of an answer ---


def test_it_waits_until_the_query_is_complete() -> None:
    pauses: list[float] = []
    fake = insights_of(node(1), looks=3)
    answers = QueriedDevices(fake, CLASSIFIER, sleep=pauses.append).devices([node(1)], SPAN)
    assert isinstance(answers[node(1).instance_id], DeviceEvents)
    assert pauses == [1.0, 1.0, 1.0]


def test_every_page_is_read() -> None:
    of = nodes(140)
    fake = insights_of()
    for each in of:
        for minute in range(40):
            fake.put(GROUP, str(each.node_name), sample(each, AT + timedelta(seconds=20 * minute)))
    totals = reader(fake)
    answers = totals.devices(of, SPAN)
    assert {len(a.samples) for a in answers.values() if isinstance(a, DeviceEvents)} == {80}
    assert len(fake.started) == 1
    assert totals.scanned.rows == 140 * 40 * 3
    assert fake.pages == 2


def test_where_rows_may_have_been_cut_off_fewer_nodes_are_asked_about_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("enigap.aws.device_queries.ROWS_PER_QUERY", 7)
    of = nodes(3)
    fake = insights_of(*of)
    answers = read(fake, *of)
    assert all(isinstance(answer, DeviceEvents) and len(answer.samples) == 2 for answer in answers.values())
    assert len(fake.started) == 3


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "Timeout", "Unknown"])
def test_a_query_that_ends_otherwise_leaves_its_nodes_without_evidence_and_says_how(status: str) -> None:
    fake = insights_of(*nodes(3))
    fake.ends_as = status
    missing = only(read(fake, *nodes(3)))
    assert missing.why is NoEvidence.FAILED
    assert status in missing.detail


def test_a_query_that_takes_too_long_is_stopped() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    fake = insights_of(node(1), looks=10_000)
    devices = QueriedDevices(fake, CLASSIFIER, clock=lambda: now[0], sleep=sleep)
    missing = only(devices.devices([node(1)], SPAN))
    assert missing.why is NoEvidence.BUDGET_SPENT
    assert fake.stopped == ["query-1"]
    assert now[0] == 120.0


def test_when_time_runs_out_the_query_under_way_is_stopped_and_no_other_made() -> None:
    of = nodes(500)
    fake = insights_of(*of, looks=10)
    missing = only(read(fake, *of, out_of_time=lambda: fake.pages > 2))
    assert missing.why is NoEvidence.BUDGET_SPENT
    assert fake.stopped == ["query-1"]
    assert len(fake.started) == 1


@pytest.mark.parametrize("operation", ["start_query", "get_query_results"])
def test_a_denial_is_found_once_and_names_what_was_denied(operation: str) -> None:
    fake = insights_of(*nodes(500))
    fake.faults.append(lambda asked: error("AccessDeniedException", "no") if asked == operation else None)
    missing = only(read(fake, *nodes(500)))
    assert missing.why is NoEvidence.DENIED
    assert {"start_query": "StartQuery", "get_query_results": "GetQueryResults"}[operation] in missing.detail
    assert GROUP in missing.detail
    assert len(fake.started) <= 1


def test_a_missing_log_group_is_found_once() -> None:
    missing = only(read(FakeInsights(), *nodes(500)))
    assert missing == MissingEvidence(NoEvidence.LOG_GROUP_MISSING, f"there is no log group {GROUP}")


def test_too_many_queries_at_once_is_a_failure_that_is_said() -> None:
    fake = insights_of(node(1))
    fake.faults.append(lambda _: error("LimitExceededException", "concurrent"))
    missing = only(read(fake, node(1)))
    assert missing.why is NoEvidence.FAILED
    assert "throttled" in missing.detail


# --- what it costs ---


def test_it_says_what_was_scanned() -> None:
    of = nodes(800)
    devices = reader(insights_of(*of, bytes_per_stream=2e6))
    devices.devices(of, SPAN)
    assert (devices.scanned.queries, devices.scanned.nodes) == (3, 800)
    assert devices.scanned.bytes == 800 * 2e6


def test_once_queries_scan_more_than_a_run_may_no_more_are_made_and_the_first_nodes_have_theirs() -> None:
    of = nodes(500)
    fake = insights_of(*of, bytes_per_stream=1e9)
    answers = read(fake, *of, most_bytes=300e9)
    reached = [isinstance(answers[each.instance_id], DeviceEvents) for each in of]
    assert len(fake.started) == 1
    assert reached == sorted(reached, reverse=True)
    assert 0 < reached.count(True) < 300
    last = answers[of[-1].instance_id]
    assert isinstance(last, MissingEvidence)
    assert last.why is NoEvidence.BUDGET_SPENT
    assert "300 GB" in last.detail


def test_each_action_it_takes_is_declared() -> None:
    declared = {action for statement in ACTIONS for action in statement.actions}
    assert declared == {"logs:StartQuery", "logs:GetQueryResults", "logs:StopQuery"}


# --- on the wire ---


def test_an_answer_of_the_documented_form_is_read_through_the_deployed_client() -> None:
    answers = {
        "StartQuery": {"queryId": "12ab3456-12ab-123a-789e-1234567890ab"},
        "GetQueryResults": {
            "queryLanguage": "CWLI",
            "results": [[{"field": name, "value": value} for name, value in ROW.items()]],
            "statistics": {"recordsMatched": 2.0, "recordsScanned": 100.0, "bytesScanned": 70_000.0},
            "status": "Complete",
        },
    }

    def answer(request: Any, **_: Any) -> AWSResponse:
        operation = request.headers["X-Amz-Target"].decode().partition(".")[2]
        body = json.dumps(answers[operation]).encode()

        class Raw:
            def stream(self) -> Any:
                yield body

        return AWSResponse(request.url, 200, {}, Raw())

    client = Aws().client("logs")
    client.meta.events.register_first("before-send.cloudwatch-logs", answer)
    devices = QueriedDevices(client, CLASSIFIER)
    assert devices.devices([node(1)], SPAN) == {node(1).instance_id: of_row()}
    assert devices.scanned.bytes == 70_000.0


# --- which way ---


class Recorded:
    """A reader that remembers who was asked about, and knows some."""

    def __init__(self, known: Sequence[Node] = ()) -> None:
        self.asked: list[Node] = []
        self._known = {each.instance_id for each in known}

    def devices(self, suspects: Sequence[Node], span: FetchSpan) -> dict[str, DeviceEvents | MissingEvidence]:
        assert span == SPAN
        self.asked = list(suspects)
        unknown = MissingEvidence(NoEvidence.FAILED, "unknown here")
        return {
            each.instance_id: DeviceEvents(()) if each.instance_id in self._known else unknown
            for each in suspects
        }


def test_a_few_suspects_are_read_stream_by_stream() -> None:
    of = nodes(20)
    streams, queries = Recorded(of), Recorded(of)
    answers = PlannedDevices(streams, queries, lambda: 60.0).devices(of, SPAN)
    assert list(answers) == [each.instance_id for each in of]
    assert (streams.asked, queries.asked) == (of, [])


def test_more_than_streams_can_serve_in_time_are_queried() -> None:
    of = nodes(200)
    streams, queries = Recorded(of), Recorded(of)
    PlannedDevices(streams, queries, lambda: 60.0).devices(of, SPAN)
    assert (streams.asked, queries.asked) == ([], of)


def test_what_queries_leave_open_is_read_by_stream_as_far_as_time_goes() -> None:
    of = nodes(200)
    streams, queries = Recorded(of), Recorded(of[:50])
    answers = PlannedDevices(streams, queries, lambda: 60.0).devices(of, SPAN)
    assert streams.asked == of[50:170]
    assert [isinstance(answers[each.instance_id], DeviceEvents) for each in of] == [True] * 170 + [False] * 30


def test_those_that_neither_way_reaches_are_told_so() -> None:
    of = nodes(2_000)
    streams, queries = Recorded(), Recorded(of)
    answers = PlannedDevices(streams, queries, lambda: 16.0).devices(of, SPAN)
    assert queries.asked == of[:600]
    last = answers[of[-1].instance_id]
    assert isinstance(last, MissingEvidence)
    assert last.why is NoEvidence.BUDGET_SPENT
    assert len(answers) == len(of)
