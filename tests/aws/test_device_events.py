import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from enigap.aws.clients import Aws
from enigap.aws.device_events import (
    PATTERN_CHARACTERS,
    ContainerInsightsDevices,
    nodes_per_batch,
)
from enigap.aws.log_calls import Budget
from enigap.aws.node_net import Odd, read_event
from enigap.aws.pace import Pace
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
)
from enigap.core.counting.node import Node
from enigap.core.counting.pods import PodSample, digits_of
from enigap.core.counting.window import FetchSpan, Window
from tests.aws.fake_logs import FakeLogs, error
from tests.aws.worlds import SPAN, milliseconds, node, node_net, nodes, without

GROUP = "/aws/containerinsights/prod/performance"
MINUTE = timedelta(minutes=1)
AT = SPAN.start + timedelta(minutes=3, seconds=41, milliseconds=250)


def logs_of(*of: Node, **more: Any) -> FakeLogs:
    """Two devices of each node, one event a minute."""
    logs = FakeLogs(**more)
    for each in of:
        events = [
            node_net(each, AT + minute * MINUTE, device)
            for minute in range(3)
            for device in ("eth0", "eni1a2b3c4d5e6")
        ]
        logs.put(f"/aws/containerinsights/{each.cluster}/performance", str(each.node_name), events)
    return logs


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def read(
    logs: FakeLogs,
    *of: Node,
    scope: DeviceScope = DeviceScope.ALL,
    clock: Clock | None = None,
    classifier: Classifier | None = None,
    **more: Any,
) -> dict[str, DeviceEvents | MissingEvidence]:
    clock = clock or Clock()
    pace = Pace(2.5, clock=clock, sleep=clock.sleep)
    devices = ContainerInsightsDevices(
        logs, classifier or Classifier(), pace=pace, sleep=clock.sleep, **({"parallelism": 1} | more)
    )
    return devices.devices(of, SPAN, scope)


def enis(logs: FakeLogs, *of: Node, **more: Any) -> dict[str, DeviceEvents | MissingEvidence]:
    return read(logs, *of, scope=DeviceScope.ENI, **more)


def batches(logs: FakeLogs) -> list[int]:
    """How many streams each call named."""
    return [len(request.get("logStreamNames", ())) for request in logs.requests]


def sample(at: datetime, device: str, rx: float | None = 1000.0, tx: float | None = 500.0) -> DeviceSample:
    """What is read of `node_net`."""
    return DeviceSample(at, device, rx, tx, 4.25, 3.5, 0.0)


def events_of(logs: FakeLogs, of: Node) -> DeviceEvents:
    answer = read(logs, of)[of.instance_id]
    assert isinstance(answer, DeviceEvents), answer
    return answer


def missing(logs: FakeLogs, of: Node, **more: Any) -> MissingEvidence:
    answer = read(logs, of, **more)[of.instance_id]
    assert isinstance(answer, MissingEvidence), answer
    return answer


# --- what is read ---


def test_each_event_is_a_device_at_its_exact_time() -> None:
    of = node(1)
    logs = FakeLogs()
    logs.put(GROUP, str(of.node_name), [node_net(of, AT, "ens5", rx=3163.008420864309, tx=355.385094878293)])
    assert events_of(logs, of) == DeviceEvents((sample(AT, "ens5", 3163.008420864309, 355.385094878293),))


def test_the_streams_other_events_are_passed_over_where_the_filter_is_ignored() -> None:
    of = node(1)
    logs = logs_of(of, filters=False)
    others = [node_net(of, AT, Type=kind) for kind in ("Node", "Pod", "PodNet", "Container", None)]
    logs.put(GROUP, str(of.node_name), others)
    answer = events_of(logs, of)
    assert len(answer.samples) == 6
    assert (answer.foreign, answer.malformed) == (0, 0)


def test_events_of_whoever_had_the_address_before_are_foreign() -> None:
    of = node(1)
    logs = logs_of(of)
    logs.put(GROUP, str(of.node_name), [node_net(of, AT, InstanceId="i-0bbb")] * 2)
    logs.put(GROUP, str(of.node_name), [node_net(of, AT, ClusterName="staging")])
    answer = events_of(logs, of)
    assert len(answer.samples) == 6
    assert answer.foreign == 3


def test_the_span_is_read_with_two_minutes_on_both_sides_by_the_events_own_time() -> None:
    of = node(1)
    logs = FakeLogs()
    margin = timedelta(minutes=2)
    second = timedelta(seconds=1)
    inside = [SPAN.start - margin, SPAN.end + margin]
    outside = [SPAN.start - margin - second, SPAN.end + margin + second]
    for at in (*inside, *outside):
        # All written at a time inside: it is their own that counts.
        logs.put(GROUP, str(of.node_name), [json.dumps(node_net(of, at))], at=milliseconds(AT))
    assert [sample.at for sample in events_of(logs, of).samples] == inside
    request = logs.requests[0]
    assert (request["startTime"], request["endTime"]) == tuple(map(milliseconds, inside))


def test_pages_are_followed_to_the_last() -> None:
    of = node(1)
    logs = logs_of(of, page_size=4)
    assert len(events_of(logs, of).samples) == 6
    assert len(logs.requests) == 2


def test_a_node_without_events_has_none_and_that_is_an_answer() -> None:
    of = node(1)
    logs = FakeLogs()
    logs.put(GROUP, str(of.node_name), [])
    assert events_of(logs, of) == DeviceEvents(())


# --- what cannot be read ---


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("node_interface_network_rx_bytes", "1000"),
        ("node_interface_network_rx_bytes", True),
        ("node_interface_network_tx_bytes", None),
        ("node_interface_network_tx_bytes", [1.0]),
        ("node_interface_network_rx_bytes", float("nan")),
        ("node_interface_network_tx_bytes", float("-inf")),
        ("node_interface_network_rx_bytes", 10**400),
        ("interface", None),
        ("interface", 7),
        ("interface", ["eth0"]),
        ("InstanceId", None),
        ("ClusterName", {"name": "prod"}),
        ("Timestamp", None),
        ("Timestamp", "yesterday"),
        ("Timestamp", "-1"),
        ("Timestamp", "\u0661\u0662\u0663"),
        ("Timestamp", True),
        ("Timestamp", 1.5),
        ("Timestamp", 10**18),
        ("Timestamp", -(10**18)),
        ("_aws", {"Timestamp": "soon"}),
        ("_aws", {"Timestamp": [1]}),
        ("_aws", {}),
    ],
    ids=str,
)
def test_an_event_with_a_wrong_value_is_malformed_as_a_whole(field: str, value: Any) -> None:
    of = node(1)
    event = json.dumps(node_net(of, AT) | {field: value})
    assert read_event(event, of) is Odd.MALFORMED
    logs = logs_of(of)
    logs.put(GROUP, str(of.node_name), [event, event], at=milliseconds(AT))
    answer = events_of(logs, of)
    assert answer.malformed == 2
    assert len(answer.samples) == 6


def test_events_without_an_instance_id_prove_nothing_and_are_counted() -> None:
    of = node(1)
    logs = FakeLogs()
    logs.put(GROUP, str(of.node_name), [without(node_net(of, AT), "InstanceId")] * 3)
    assert events_of(logs, of) == DeviceEvents((), anonymous=3)


# --- what is missing, and why ---


def test_a_missing_log_group_is_found_once_for_all_nodes_of_the_cluster() -> None:
    logs = FakeLogs()
    answers = read(logs, *nodes(50))
    assert len(logs.requests) == 1
    assert set(answers.values()) == {
        MissingEvidence(NoEvidence.LOG_GROUP_MISSING, f"there is no log group {GROUP}")
    }


def test_a_denial_is_found_once_and_names_what_was_denied() -> None:
    logs = logs_of(*nodes(50))
    logs.faults.append(lambda _: error("AccessDeniedException", "not authorized"))
    answers = read(logs, *nodes(50))
    assert len(logs.requests) == 1
    (answer,) = set(answers.values())
    assert isinstance(answer, MissingEvidence)
    assert answer.why is NoEvidence.DENIED
    assert answer.detail == f"AWS denied logs:FilterLogEvents, on {GROUP}"


def test_one_clusters_missing_log_group_does_not_hide_anothers_events() -> None:
    here, there = node(1), node(2, cluster="staging")
    answers = read(logs_of(there), here, there, node(3))
    assert isinstance(answers[there.instance_id], DeviceEvents)
    assert isinstance(answers[here.instance_id], MissingEvidence)
    assert isinstance(answers[node(3).instance_id], MissingEvidence)


def test_a_missing_stream_is_that_nodes_alone() -> None:
    logs = logs_of(node(1), node(3))
    answers = read(logs, *(node(n) for n in (1, 2, 3)))
    assert [type(answers[node(n).instance_id]) for n in (1, 2, 3)] == [
        DeviceEvents,
        MissingEvidence,
        DeviceEvents,
    ]
    assert answers[node(2).instance_id] == MissingEvidence(
        NoEvidence.STREAM_MISSING,
        f"{GROUP} has no log stream {node(2).node_name} and no device events with its instance id",
    )


@pytest.mark.parametrize("name", [None, "", "a:b", "a*", "x" * 513])
def test_a_node_that_no_stream_can_be_named_after_is_looked_for_by_its_instance_id(name: str | None) -> None:
    of = Node("prod", "i-0aaa", name)
    logs = logs_of(node(1))
    answer = missing(logs, of)
    assert answer.why is NoEvidence.STREAM_MISSING
    assert answer.detail.endswith("no device events with its instance id")
    assert batches(logs) == [0]
    logs.put(GROUP, "agents", [node_net(of, AT, NodeName="?")])
    assert events_of(logs, of).samples == (sample(AT, "eth0"),)


@pytest.mark.parametrize("cluster", ["a b", "a:*", "prod\n", "pröd", "x" * 500])
def test_a_cluster_that_no_log_group_can_be_named_after_is_not_asked_for(cluster: str) -> None:
    logs = FakeLogs()
    answer = missing(logs, Node(cluster, "i-0aaa", "ip-10-0-0-1"))
    assert answer.why is NoEvidence.LOG_GROUP_MISSING
    assert not logs.requests


# --- the budget ---


def test_what_the_log_volume_does_not_allow_is_left_out() -> None:
    of = nodes(4)
    size = sum(len(message) for _, message in logs_of(of[0]).groups[GROUP][str(of[0].node_name)])
    logs = logs_of(*of)
    answers = read(logs, *of, budget=Budget(message_characters=size + 1))
    kinds = [type(answers[each.instance_id]) for each in of]
    assert kinds == [DeviceEvents, DeviceEvents, MissingEvidence, MissingEvidence]
    assert len(logs.requests) == 2


def test_events_that_do_not_end_prove_nothing() -> None:
    of = node(1)
    answer = missing(logs_of(of, page_size=1), of, budget=Budget(pages_per_batch=3))
    assert answer.why is NoEvidence.BUDGET_SPENT
    assert "3 pages" in answer.detail


def test_nothing_is_asked_once_time_has_run_out() -> None:
    logs = logs_of(*nodes(3))
    answers = read(logs, *nodes(3), out_of_time=lambda: True)
    assert {answer.why for answer in answers.values() if isinstance(answer, MissingEvidence)} == {
        NoEvidence.BUDGET_SPENT
    }
    assert len(answers) == 3
    assert not logs.requests


def test_every_suspect_is_answered_whatever_happens() -> None:
    of = [*nodes(6), node(7, series=False), Node("a b", "i-0ccc", "ip")]
    logs = logs_of(*of[:3])
    answers = read(logs, *of, parallelism=3)
    assert answers.keys() == {each.instance_id for each in of}


def test_no_suspects_cost_nothing() -> None:
    logs = FakeLogs()
    assert read(logs) == {}
    assert not logs.requests


# --- ENI devices alone ---


@pytest.mark.parametrize("filters", [True, False], ids=["filtered by AWS", "filter ignored"])
def test_a_look_at_the_eni_devices_holds_no_others_and_says_so(*, filters: bool) -> None:
    of = node(1)
    logs = logs_of(of, filters=filters)
    logs.put(GROUP, str(of.node_name), [node_net(of, AT, "ethernet")])  # has the prefix, not the name
    answer = enis(logs, of)[of.instance_id]
    assert isinstance(answer, DeviceEvents)
    assert {each.device for each in answer.samples} == {"eth0"}
    assert answer.scope is DeviceScope.ENI
    assert events_of(logs, of).scope is DeviceScope.ALL


def test_the_filter_selects_the_eni_devices_by_the_prefixes_of_their_pattern() -> None:
    logs = logs_of(node(1))
    enis(logs, node(1))
    devices = " || ".join(f'$.interface = "{p}*"' for p in ("eth", "ens", "enp", "enX", "eno", "em"))
    assert logs.requests[0]["filterPattern"] == f'{{ $.Type = "NodeNet" && ({devices}) }}'
    read(logs, node(1))
    assert logs.requests[-1]["filterPattern"] == '{ $.Type = "NodeNet" }'


@pytest.mark.parametrize("pattern", [r"[a-z]+\d", "|".join(f"device{n}" for n in range(100))])
def test_a_pattern_that_no_filter_can_express_is_left_to_the_client(pattern: str) -> None:
    logs = logs_of(*nodes(2))
    answers = enis(logs, *nodes(2), classifier=Classifier(physical=pattern))
    assert {request["filterPattern"] for request in logs.requests} == {'{ $.Type = "NodeNet" }'}
    assert batches(logs) == [1, 1]  # of all devices one node's fill a page
    samples = [each for a in answers.values() if isinstance(a, DeviceEvents) for each in a.samples]
    assert {each.device for each in samples} == ({"eth0"} if pattern.startswith("[") else set())


# --- batches ---


@pytest.mark.parametrize(
    ("minutes", "scope", "expected"),
    [
        (45, DeviceScope.ENI, 12),
        (70, DeviceScope.ENI, 8),
        (380, DeviceScope.ENI, 4),
        (1, DeviceScope.ENI, 100),
        (45, DeviceScope.ALL, 1),
    ],
)
def test_a_batch_is_what_fills_about_a_page(minutes: int, scope: DeviceScope, expected: int) -> None:
    assert nodes_per_batch(minutes * MINUTE, scope) == expected


def test_the_nodes_of_a_batch_are_told_apart() -> None:
    logs = logs_of(*nodes(30))
    answers = enis(logs, *nodes(30))
    assert batches(logs) == [13, 13, 4]
    for each in nodes(30):
        answer = answers[each.instance_id]
        assert isinstance(answer, DeviceEvents)
        assert (len(answer.samples), answer.foreign) == (3, 0)


@given(parallelism=st.integers(1, 6), empty=st.integers(0, 2), page_bytes=st.integers(1, 20_000))
def test_paging_and_threads_change_nothing(parallelism: int, empty: int, page_bytes: int) -> None:
    logs = logs_of(*nodes(15), empty_pages=empty, page_bytes=page_bytes)
    plain = enis(logs_of(*nodes(15)), *nodes(15))
    budget = Budget(pages_per_batch=1_000)
    assert enis(logs, *nodes(15), parallelism=parallelism, budget=budget) == plain


def test_after_a_long_scan_batches_have_half_as_many_nodes() -> None:
    logs = logs_of(*nodes(30), empty_pages=11)
    answers = enis(logs, *nodes(30))
    assert list(dict.fromkeys(batches(logs))) == [13, 6, 3, 1]
    assert all(isinstance(answer, DeviceEvents) for answer in answers.values())


def test_a_batch_that_the_budget_ends_leaves_all_its_nodes_without_evidence_and_the_next_goes_on() -> None:
    logs = logs_of(*nodes(16), page_size=1)
    logs.groups[GROUP].update({str(each.node_name): [] for each in nodes(16)[13:]})
    answers = enis(logs, *nodes(16), budget=Budget(pages_per_batch=5))
    assert [getattr(answers[each.instance_id], "why", None) for each in nodes(16)] == [
        *[NoEvidence.BUDGET_SPENT] * 13,
        *[None] * 3,
    ]


def test_one_nodes_endless_log_costs_no_other_node_its_evidence() -> None:
    logs = logs_of(*nodes(13), page_size=20)
    [forger, *others] = nodes(13)
    logs.groups[GROUP][str(forger.node_name)] += [(milliseconds(AT), json.dumps(node_net(forger, AT)))] * 100
    answers = enis(logs, *nodes(13), budget=Budget(pages_per_batch=5))
    assert isinstance(answers[forger.instance_id], MissingEvidence)
    alone = enis(logs_of(*others), *others)
    assert {each.instance_id: answers[each.instance_id] for each in others} == alone


def test_nodes_with_too_much_for_one_batch_are_read_in_parts() -> None:
    logs = logs_of(*nodes(13), page_size=6)
    answers = enis(logs, *nodes(13), budget=Budget(pages_per_batch=4))
    assert answers == enis(logs_of(*nodes(13)), *nodes(13))


def test_what_a_run_keeps_is_bounded_in_bytes_and_the_rest_is_missing_evidence() -> None:
    logs, of = logs_of(*nodes(30)), nodes(30)
    answers = read(logs, *of, parallelism=1, budget=Budget(memory_bytes=10 * 340))
    kept = [answer for answer in answers.values() if isinstance(answer, DeviceEvents)]
    assert 10 <= sum(len(answer.samples) for answer in kept) < 20
    assert {answer.why for answer in answers.values() if isinstance(answer, MissingEvidence)} == {
        NoEvidence.BUDGET_SPENT
    }


def test_what_is_not_kept_after_all_takes_nothing_of_the_budget() -> None:
    [forger, *others] = nodes(13)
    logs = logs_of(*nodes(13), page_size=20)
    logs.groups[GROUP][str(forger.node_name)] += [(milliseconds(AT), json.dumps(node_net(forger, AT)))] * 100
    answers = enis(logs, *nodes(13), budget=Budget(pages_per_batch=5, samples=90))
    assert all(isinstance(answers[each.instance_id], DeviceEvents) for each in others)


# --- missing streams ---


@given(st.sets(st.integers(0, 12), max_size=13))
def test_streams_that_are_missing_are_found_and_hide_no_other(gone: set[int]) -> None:
    here = [each for number, each in enumerate(nodes(13)) if number not in gone]
    logs = logs_of(*here)
    logs.groups.setdefault(GROUP, {})
    answers = enis(logs, *nodes(13))
    kinds = {each.instance_id: isinstance(answers[each.instance_id], DeviceEvents) for each in nodes(13)}
    assert len(logs.requests) <= 1 + 14 + 1
    if len(gone) <= 1:
        assert kinds == {each.instance_id: each in here for each in nodes(13)}
    assert not any(kinds[each.instance_id] for each in nodes(13) if each not in here)


def test_one_missing_stream_of_a_hundred_takes_fourteen_more_calls() -> None:
    span = FetchSpan(SPAN.start, SPAN.start + MINUTE)
    logs = logs_of(*nodes(99))
    devices = ContainerInsightsDevices(logs, Classifier(), pace=Pace(1e9))
    devices.devices(nodes(100), span, DeviceScope.ENI)
    assert len(logs.requests) > 10
    assert sum(1 for request in logs.requests if "logStreamNames" in request) <= 2 * (1 + 14)


def test_a_node_without_a_stream_of_its_name_is_found_by_its_instance_id() -> None:
    lost, other = node(1), node(2)
    logs = logs_of(other)
    logs.put(
        GROUP, "renamed", [node_net(lost, AT), node_net(lost, AT, "eni1a2b3c4d5e6"), node_net(other, AT)]
    )
    answers = enis(logs, lost, other)
    assert answers[lost.instance_id] == DeviceEvents((sample(AT, "eth0"),), scope=DeviceScope.ENI)
    last = logs.requests[-1]
    assert "logStreamNames" not in last
    assert last["filterPattern"] == f'{{ $.Type = "NodeNet" && ($.InstanceId = "{lost.instance_id}") }}'


@pytest.mark.parametrize(
    "stream", ["instanceTelemetry/{name}", "{id}", "{name}.agent", "nodes/{id}/performance", "prod-{name}"]
)
def test_one_node_found_by_its_instance_id_tells_how_the_others_streams_are_called(stream: str) -> None:
    of = nodes(40)
    logs = FakeLogs()
    for each in of:
        name = stream.format(name=each.node_name, id=each.instance_id)
        logs.put(GROUP, name, [node_net(each, AT), node_net(each, AT, "eni1a2b3c4d5e6")])
    answers = enis(logs, *of)
    assert {answers[each.instance_id] for each in of} == {
        DeviceEvents((sample(AT, "eth0"),), scope=DeviceScope.ENI)
    }
    assert batches(logs).count(0) == 1


def test_a_stream_of_the_nodes_name_that_holds_something_else_hides_no_events() -> None:
    of = node(1)
    logs = FakeLogs()
    logs.put(GROUP, str(of.node_name), [node_net(of, AT, Type="Container")])
    logs.put(GROUP, f"instanceTelemetry/{of.node_name}", [node_net(of, AT)])
    assert events_of(logs, of).samples == (sample(AT, "eth0"),)


def test_the_events_of_all_nodes_in_one_stream_are_found_a_few_nodes_at_a_time() -> None:
    of = nodes(30)
    logs = FakeLogs()
    for each in of:
        logs.put(GROUP, "otel-stream", [node_net(each, AT)])
    answers = enis(logs, *of)
    assert all(isinstance(answers[each.instance_id], DeviceEvents) for each in of)
    assert batches(logs).count(0) <= 5


def test_one_clusters_nodes_are_not_looked_for_by_instance_id_without_end() -> None:
    logs = logs_of(node(500))
    answers = enis(logs, *nodes(300))
    assert batches(logs).count(0) <= 5
    assert all(isinstance(answer, MissingEvidence) for answer in answers.values())


def test_by_instance_id_no_more_nodes_are_looked_for_than_fit() -> None:
    logs = logs_of(node(99))
    enis(logs, *nodes(60))
    (by_id,) = [request for request in logs.requests if "logStreamNames" not in request]
    assert 10 <= by_id["filterPattern"].count("InstanceId") <= 20
    assert len(by_id["filterPattern"]) <= PATTERN_CHARACTERS


def test_the_log_group_is_not_read_to_its_end_for_a_missing_stream() -> None:
    logs = logs_of(node(2), page_size=1)
    logs.put(GROUP, "renamed", [node_net(node(1), AT + n * MINUTE) for n in range(6)])
    answer = enis(logs, node(1))[node(1).instance_id]
    assert isinstance(answer, MissingEvidence)
    assert answer.why is NoEvidence.STREAM_MISSING
    assert len(logs.requests) == 1 + 5


# --- pods ---


POD = {"Namespace": "prod", "PodName": "web", "kubernetes": {"pod_name": "web-df44f855f-ts4q2"}}
DEVICE = f"eni{digits_of('prod', 'web-df44f855f-ts4q2')}"
LATE = SPAN.end - MINUTE


def pod_net(of: Node, **more: Any) -> dict[str, Any]:
    """A PodNet event as the agent writes it, as far as it is read."""
    return {
        "Type": "PodNet",
        "ClusterName": of.cluster,
        "InstanceId": of.instance_id,
        "Timestamp": str(milliseconds(LATE)),
        "interface": "eth0",
        "pod_interface_network_rx_bytes": 500.0,
        "pod_interface_network_tx_bytes": 1000.0,
    } | (POD | more)


def with_pods(*events: dict[str, Any], of: Node | None = None) -> FakeLogs:
    of = of or node(1)
    logs = FakeLogs()
    logs.put(GROUP, str(of.node_name), [node_net(of, LATE, "ens5"), node_net(of, LATE, DEVICE), *events])
    return logs


def pods_of(logs: FakeLogs, **more: Any) -> tuple[PodSample, ...]:
    answer = read(logs, node(1), name_pods=True, **more)[node(1).instance_id]
    assert isinstance(answer, DeviceEvents), answer
    assert len(answer.samples) == 2
    return answer.pods


def test_pods_events_of_the_same_stream_say_which_pods_there_are() -> None:
    logs = with_pods(pod_net(node(1)))
    assert pods_of(logs) == (PodSample("prod", "web-df44f855f-ts4q2", "eth0", 500.0, 1000.0),)
    assert [request["filterPattern"] for request in logs.requests] == [
        '{ $.Type = "NodeNet" }',
        '{ $.Type = "PodNet" }',
    ]


def test_without_the_pods_interfaces_their_other_events_name_them() -> None:
    event = without(pod_net(node(1), Type="Pod"), "interface", "pod_interface_network_rx_bytes")
    assert pods_of(with_pods(without(event, "pod_interface_network_tx_bytes"))) == (
        PodSample("prod", "web-df44f855f-ts4q2"),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"InstanceId": "i-0bbb"},
        {"InstanceId": None},
        {"ClusterName": "other"},
        {"Namespace": None},
        {"Namespace": "a/b"},
        {"kubernetes": {"pod_name": "web\x1b[31m"}},
        {"kubernetes": {"pod_name": "web|*bold*"}},
        {"kubernetes": {"pod_name": "x" * 300}},
        {"kubernetes": {"pod_name": 7}},
        {"interface": 7},
        {"pod_interface_network_rx_bytes": "many"},
    ],
    ids=str,
)
def test_no_other_nodes_pod_and_nothing_that_kubernetes_cannot_have_called_one_is_taken(
    change: dict[str, Any],
) -> None:
    assert pods_of(with_pods(pod_net(node(1), **change))) == ()


def test_pods_are_asked_for_last_and_are_missed_without_harm() -> None:
    logs = with_pods(pod_net(node(1)))
    logs.faults.append(
        lambda request: (
            error("InvalidParameterException", "no") if "Pod" in request["filterPattern"] else None
        )
    )
    assert pods_of(logs) == ()
    size = len(json.dumps(node_net(node(1), LATE, "ens5")))
    logs = with_pods(pod_net(node(1)))
    assert pods_of(logs, budget=Budget(message_characters=size)) == ()
    assert len(logs.requests) == 1


def test_where_no_node_has_pods_events_they_are_not_asked_for_node_by_node() -> None:
    logs = FakeLogs()
    for each in nodes(50):
        logs.put(GROUP, str(each.node_name), [node_net(each, LATE, DEVICE)])
    read(logs, *nodes(50), name_pods=True)
    assert len([each for each in logs.requests if "Pod" in each["filterPattern"]]) == 2


@pytest.mark.parametrize("scope", [DeviceScope.ENI, DeviceScope.ALL])
def test_a_node_without_a_pods_device_is_not_asked_for_its_pods(scope: DeviceScope) -> None:
    logs = FakeLogs()
    logs.put(GROUP, str(node(1).node_name), [node_net(node(1), LATE, "ens5"), pod_net(node(1))])
    read(logs, node(1), name_pods=True, scope=scope)
    assert len(logs.requests) == 1


# --- pace ---


def test_calls_are_made_at_their_pace() -> None:
    clock = Clock()
    read(logs_of(*nodes(11)), *nodes(11), clock=clock)
    assert clock.now == pytest.approx(10 / 2.5)


def test_a_throttled_call_is_made_again_after_a_pause() -> None:
    clock, logs = Clock(), logs_of(*nodes(4))
    logs.throttle(times=3)
    answers = enis(logs, *nodes(4), clock=clock)
    assert all(isinstance(answer, DeviceEvents) for answer in answers.values())
    assert clock.now >= 1 + 2 + 4


def test_throttling_that_does_not_end_is_never_taken_for_absence() -> None:
    logs = logs_of(*nodes(40))
    logs.throttle(times=1_000)
    answers = enis(logs, *nodes(40), budget=Budget(pauses=6))
    assert set(answers.values()) == {
        MissingEvidence(NoEvidence.BUDGET_SPENT, "AWS throttled logs:FilterLogEvents")
    }
    assert len(logs.requests) == 7


def test_throttled_until_time_runs_out_the_budget_is_spent() -> None:
    clock, logs = Clock(), logs_of(node(1))
    logs.throttle(times=1_000)
    answer = enis(logs, node(1), clock=clock, out_of_time=lambda: clock.now > 20)[node(1).instance_id]
    assert isinstance(answer, MissingEvidence)
    assert answer.why is NoEvidence.BUDGET_SPENT
    assert clock.now < 30


# --- the wire, by moto ---


def test_a_stream_is_read_over_the_wire() -> None:
    of, other = node(1), node(2)
    span = FetchSpan.of(Window.newest_settled(datetime.now(UTC), timedelta(minutes=10)), 2)
    at = span.start + timedelta(milliseconds=1234)
    with mock_aws():
        logs = Aws().client("logs")
        logs.create_log_group(logGroupName=GROUP)
        for each in (of, other):
            logs.create_log_stream(logGroupName=GROUP, logStreamName=each.node_name)
            events = [node_net(each, at), node_net(each, at, Type="PodNet")]
            logs.put_log_events(
                logGroupName=GROUP,
                logStreamName=each.node_name,
                logEvents=[{"timestamp": milliseconds(at), "message": json.dumps(event)} for event in events],
            )
        answers = ContainerInsightsDevices(logs, Classifier()).devices(
            [of, node(3, cluster="gone")], span, DeviceScope.ALL
        )
    assert answers[of.instance_id] == DeviceEvents((sample(at, "eth0"),))
    gone = answers[node(3).instance_id]
    assert isinstance(gone, MissingEvidence)
    assert gone.why is NoEvidence.LOG_GROUP_MISSING
