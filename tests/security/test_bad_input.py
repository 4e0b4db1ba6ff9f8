"""Whatever others write, what reads it answers with a value that is true, or with one clear error."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import getitem
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enigap.aws.device_events import (
    DEVICES_PER_NODE,
    SAMPLES_PER_NODE_AND_MINUTE,
    ContainerInsightsDevices,
)
from enigap.aws.log_calls import Budget
from enigap.aws.node_net import Odd, read_event
from enigap.aws.state_table import StateTable
from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
    Unusable,
    glance,
    weigh,
)
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import FetchSpan
from enigap.core.documents import Document, node_document
from enigap.core.incidents.incident import Silence
from enigap.core.incidents.state import SCHEMA, StateUnreadableError, read_json
from enigap.core.instants import instant
from enigap.core.judging.cluster import ClusterReport, NodeReport
from enigap.core.judging.judge import judge
from enigap.core.messages import (
    NotANotificationError,
    NoticeKind,
    amazon_q,
    any_letter_of,
    notice_document,
    prose,
    reminder_document,
    slack,
    slack_message,
    sns_message,
    storm_document,
)
from enigap.core.published import Publish, data_of_run
from enigap.core.work import WorkItem
from enigap.lambdas.plan import Asked
from enigap.slack_webhook import Answer, Channel, deliver_all
from tests.core.messages.test_laws import check_slack
from tests.fakes.news import (
    HOSTILE_NAMES,
    any_event,
    as_amazon_q,
    as_email,
    as_slack,
    event,
    incident,
    judged,
    node,
    opened,
    reminder,
    resolved,
    subject_of,
)
from tests.fakes.readings import WINDOW
from tests.fakes.spoilt import ANYTHING, NAMES, STATE, spoilt

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)

# --- Slack's queue: what topics, alarms and anybody who may send to it put there ---

ALARM = {
    "AlarmName": "enigap-NodesUnexplained",
    "AlarmDescription": "A node disagrees.",
    "AWSAccountId": "123456789012",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed",
    "StateChangeTime": "2026-01-15T12:00:00.000+0000",
    "Region": "EU (Ireland)",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:enigap-NodesUnexplained",
    "OldStateValue": "OK",
    "Trigger": {"MetricName": "NodesUnexplained", "Dimensions": []},
}


@given(spoilt(any_event()) | spoilt(st.just(ALARM)) | ANYTHING)
@example({**ALARM, "AlarmName": "\n" * 1_000_000, "NewStateReason": "<!channel>" * 100_000})
@example({"schema": "enigap.notification/1"})
def test_any_message_in_slacks_queue_becomes_one_that_slack_takes_and_that_mentions_nobody(
    document: object,
) -> None:
    text = json.dumps(document)
    check_slack(slack_message(text))
    check_slack(slack_message(json.dumps({"Type": "Notification", "Message": text})))


def documents() -> Iterator[Document]:
    """One of each kind that enigap sends."""
    blind = incident([judged(1, 0.0, 1e6, 1e6), judged(2, 0.0, 1e6, 1e6)])
    news = [opened(blind), reminder(incident([judged(3, 0.0, 1e6, 1e6)])), resolved(blind)]
    yield event(*news)
    yield storm_document(
        {"prod": news, "b": news[:1]}, account="1", region="r", dashboard_url="", settle=timedelta(minutes=10)
    )
    yield reminder_document(
        account="1", region="r", since=NOW, now=NOW, overdue=["prod", "b"], dead_letters={"work": 3}
    )
    silence = Silence("prod/*", WINDOW.end, "we know")
    yield notice_document(NoticeKind.MUTED, silence, account="1", region="r", by=None)


def paths(value: Any, to: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*to, key)
        yield from paths(value[key], (*to, key))


GONE = object()
RENDERINGS = (
    lambda document: prose(any_letter_of(document)),
    lambda document: slack(any_letter_of(document)),
    lambda document: amazon_q(any_letter_of(document)),
    sns_message,
)


@pytest.mark.parametrize("document", list(documents()), ids=lambda document: document["schema"])
@pytest.mark.parametrize(
    "value",
    ["", "//", "\ud800", "x" * 9999, None, -1, 10**400, math.inf, [], {}, [""], GONE],
    ids=lambda value: "gone" if value is GONE else repr(value)[:9],
)
def test_every_document_with_one_value_changed_is_told_by_every_channel_or_refused_by_all(
    document: Document, value: Any
) -> None:
    for *to, last in paths(document):
        changed = json.loads(json.dumps(document))
        at = reduce(getitem, to, changed)
        if value is GONE:
            del at[last]
        else:
            at[last] = value
        refused = 0
        for rendering in RENDERINGS:
            with suppress(NotANotificationError):
                rendering(changed)
                continue
            refused += 1
        assert refused in {0, len(RENDERINGS)}, (to, last)


@given(spoilt(any_event()))
def test_a_spoilt_event_is_refused_by_every_channel_or_told_by_all(document: Document) -> None:
    refused = 0
    for rendering in (as_email, subject_of, as_slack, as_amazon_q, sns_message):
        try:
            rendering(document)
        except NotANotificationError:
            refused += 1
    assert refused in {0, 5}


@given(st.lists(ANYTHING | st.fixed_dictionaries({"body": ANYTHING}), max_size=5))
def test_a_record_that_is_none_fails_for_itself_and_the_true_one_beside_it_arrives(bodies: list[Any]) -> None:
    posted: list[Document] = []

    def send(_: str, message: Document) -> Answer:
        posted.append(message)
        return Answer(200, "ok")

    records: list[Any] = [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]
    records.append({"messageId": "true", "body": json.dumps(ALARM)})
    channel = Channel(lambda *, fresh: "address", send, lambda _: None, lambda: 60.0)  # noqa: ARG005
    failures = deliver_all(records, channel)
    assert len(failures) + len(posted) == len(records)
    assert {failure.message_id for failure in failures} == {
        str(n) for n, body in enumerate(bodies) if not isinstance(body, str)
    }
    for message in posted:
        check_slack(message)


# --- the work queue, and the planner's event ---

WORK = WorkItem("123456789012", "eu-west-1", "prod", WINDOW).document()


@given(spoilt(st.just(WORK)) | ANYTHING)
@example({**WORK, "window_end": "9999-12-31T23:59:59-23:59"})
def test_a_message_is_a_work_item_of_just_these_words_or_refused(document: Any) -> None:
    with suppress(ValueError):
        item = WorkItem.from_json(json.dumps(document))
        assert {**document, **item.document()} == document | {"window_end": item.document()["window_end"]}
        assert instant(document["window_end"]) == item.window.end


@given(st.fixed_dictionaries({}, optional={"window_end": ANYTHING, "dry_run": ANYTHING}) | ANYTHING)
@example({"window_end": "0001-01-01T00:00:00Z"})
@example({"window_end": "9999-12-31T23:45:00Z"})
def test_an_event_is_one_the_planner_takes_or_refused_in_one_sentence(event: Any) -> None:
    try:
        asked = Asked.from_event(event, NOW)
    except ValueError as error:
        refusal = str(error)
    else:
        assert set(event) <= {"window_end", "dry_run"}
        assert asked.dry_run is event.get("dry_run", False)
        return
    assert refusal.startswith(("The planner takes ", "The window that ends at "))
    assert refusal.endswith(".")


# --- the state table ---


class Table:
    """DynamoDB with one item for every key."""

    def __init__(self, item: dict[str, Any]) -> None:
        self.item = item

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": self.item}

    def scan(self, **_: Any) -> dict[str, Any]:
        return {"Items": [self.item, {"cluster": {"S": "dev"}, "done": {"S": "2026-01-15T11:45:00Z"}}]}

    def put_item(self, **_: Any) -> dict[str, Any]:
        return {}


ATTRIBUTE = (
    st.builds(lambda text: {"S": text}, NAMES)
    | st.sampled_from(["1", "-1", "1.5", "1E+2", "1E+125", "9" * 38, "0.1"]).map(lambda number: {"N": number})
    | st.sampled_from([{"NULL": True}, {"BOOL": True}, {"L": []}, {"M": {}}, {"M": {"prod": {"S": "x"}}}])
)
ITEM = st.fixed_dictionaries(
    {"id": st.just({"S": "cluster#prod"}), "cluster": st.just({"S": "prod"}) | ATTRIBUTE},
    optional=dict.fromkeys(
        (
            *("revision", "state", "done", "planned_since", "nodes", "open_incidents", "unsaid"),
            *("silences", "expires_at", "an attribute of a later version"),
        ),
        ATTRIBUTE,
    ),
)


@given(ITEM)
def test_a_spoilt_item_hides_no_other_cluster_from_the_planner(item: dict[str, Any]) -> None:
    known = list(StateTable(Table(item), "state", now=NOW).known())
    assert known[-1].cluster == "dev"
    assert [each.cluster for each in known[:-1]] == [
        name
        for name in item["cluster"].values()
        if "S" in item["cluster"] and name  # an empty one is no name
    ]


@given(ITEM)
def test_an_item_is_read_or_said_to_be_spoilt_and_what_to_do(item: dict[str, Any]) -> None:
    table = StateTable(Table(item), "state", now=NOW)
    try:
        remembered, _ = table.read("prod")
    except StateUnreadableError as error:
        refusal = str(error)
    else:
        assert table.write(remembered).revision == max(remembered.revision or 0, 0) + 1
        return
    assert "delete" in refusal


@pytest.mark.parametrize("count", [-1, 1e300, 2.5, True, "12", 10**12, None, [3]], ids=str)
@pytest.mark.parametrize("field", ["nodes", "unreadable_runs"])
def test_a_count_that_is_none_is_damage_and_not_another_number(field: str, count: object) -> None:
    assert read_json(json.dumps(STATE))[0].nodes == 3
    state, damaged = read_json(json.dumps({**STATE, field: count}))
    assert getattr(state, field) == 0
    [said] = damaged
    assert "is damaged" in said


@given(st.text(max_size=30).filter(lambda text: text != SCHEMA) | ANYTHING)
@example("enigap.state/0")
@example("enigap.state/2")
def test_a_state_of_an_older_or_newer_schema_is_refused_and_never_guessed_at(schema: object) -> None:
    with pytest.raises(StateUnreadableError, match="delete its item in the state table"):
        read_json(json.dumps({**STATE, "schema": schema}))[0]


# --- datapoints: anybody who may publish metrics ---

FIGURES = st.sampled_from([0.0, -1.0, 5.0, 1e300, -1e300, 1.7e308, 5e-324, 2.0**64, math.nan, math.inf]) | (
    st.floats() | st.floats(0, 1e10)
)
SERIES = st.lists(st.none() | FIGURES, min_size=1, max_size=8)
"""Over and over again for as long as the series is."""


@given(SERIES, SERIES, SERIES, SERIES)
@example([1e300], [1e300], [1e300], [5.0])
@example([-1e9], [3e9], [3e9], [5.0])
@example([1.8e19], [1.8e19], [1.8e19], [5.0])
def test_no_datapoint_makes_a_figure_that_no_counter_can_have_or_a_sentence_that_names_one(
    os: list[float | None],
    eni_in: list[float | None],
    eni_out: list[float | None],
    samples: list[float | None],
) -> None:
    span = FetchSpan.of(WINDOW, 2)

    def lasting(values: list[float | None], count: int) -> tuple[float | None, ...]:
        return tuple(values[number % len(values)] for number in range(count))

    readings = Readings(
        span,
        lasting(os, span.minutes),
        lasting(eni_in, span.periods),
        lasting(eni_out, span.periods),
        lasting(samples, span.periods),
    )
    judgement = judge(node(1), readings, None, WINDOW, Rules())
    json.dumps(node_document(judgement.figures), allow_nan=False)
    report = ClusterReport("prod", WINDOW, (NodeReport(judgement),), node_count=1)
    for datum in data_of_run(report, settle=timedelta(minutes=10), publish=Publish.ALL):
        assert math.isfinite(datum.value)
        assert datum.value >= 0
    assert not re.search(r"\b(nan|inf)\b|-\d", str(judgement.reason))


# --- log events: anybody who may write to the log group ---


class OneStream:
    """CloudWatch Logs with these messages in every stream."""

    def __init__(self, messages: list[str]) -> None:
        self.messages = messages

    def filter_log_events(self, **_: Any) -> dict[str, Any]:
        return {"events": [{"message": message} for message in self.messages]}


def log_event(at: datetime, **changes: Any) -> str:
    event = {
        "Type": "NodeNet",
        "InstanceId": node(1).instance_id,
        "ClusterName": node(1).cluster,
        "Timestamp": str(int(at.timestamp() * 1000)),
        "interface": "eth0",
        "node_interface_network_rx_bytes": 5.0,
        "node_interface_network_tx_bytes": 5.0,
    }
    return json.dumps({**event, **changes})


FIELD = st.sampled_from(["interface", "node_interface_network_rx_bytes", "node_interface_network_tx_bytes"])


@given(st.lists(st.tuples(st.integers(-3, 20), st.dictionaries(FIELD, ANYTHING, max_size=2)), max_size=40))
@example([(minute, {"node_interface_network_rx_bytes": 1.7e308}) for minute in range(-3, 20)])
@example([(minute, {"node_interface_network_rx_bytes": -1e300}) for minute in range(-3, 20)])
def test_no_figure_that_no_counter_can_have_comes_out_of_the_log(
    said: list[tuple[int, dict[str, Any]]],
) -> None:
    messages = [log_event(WINDOW.start + timedelta(minutes=minute), **changes) for minute, changes in said]
    devices = ContainerInsightsDevices(OneStream(messages), Classifier(), parallelism=1)
    answer = devices.devices([node(1)], FetchSpan.of(WINDOW, 2), DeviceScope.ALL)[node(1).instance_id]
    assert isinstance(answer, DeviceEvents)
    assert len(answer.samples) + answer.malformed + answer.foreign == len(messages)
    periods = [WINDOW.start + number * timedelta(minutes=5) for number in range(3)]
    for weighed in (weigh(answer, periods, Classifier()), glance(answer, WINDOW, Classifier())):
        for device in weighed.devices:
            for rate in (device.rx, device.tx, device.total):
                for figure in (rate.low, rate.middle, rate.high):
                    assert figure.bytes_per_second >= 0
                    assert math.isfinite(figure.bytes_per_second)
        assert not isinstance(weighed, Unusable) or weighed.why


@pytest.mark.parametrize("megabytes", [1, 10])
def test_an_event_of_megabytes_is_counted_and_not_read(megabytes: int) -> None:
    huge = log_event(WINDOW.start, interface="x" * (megabytes * 1_048_576))
    assert read_event(huge, node(1)) is Odd.MALFORMED
    devices = ContainerInsightsDevices(
        OneStream([huge, log_event(WINDOW.start)]), Classifier(), parallelism=1
    )
    answer = devices.devices([node(1)], FetchSpan.of(WINDOW, 2), DeviceScope.ALL)[node(1).instance_id]
    assert isinstance(answer, DeviceEvents)
    assert (answer.malformed, len(answer.samples)) == (1, 1)


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_a_hostile_cluster_name_is_a_cluster_name(name: str) -> None:
    item = replace(WorkItem.from_json(json.dumps(WORK)), cluster=name)
    assert WorkItem.from_json(json.dumps(item.document())) == item


# --- bounds at the door ---

NOT_A_DEVICE = (
    "Your account is suspended: sign in at https://evil.example",
    "eth0 eth1",
    "eth0\n",
    "a/b",
    "eth0:1",
    "sixteen-bytes-16",
    "ééééééééé",
    "eth0\u202e",
    "\ud800",
    "..",
    "\u00a0eth0",
    "vxlan" + "1" * 250_000 + "!",
    "br-" + "a" * 250_000,
)


@pytest.mark.parametrize("name", NOT_A_DEVICE, ids=lambda name: ascii(name[:20]))
def test_what_linux_would_call_no_device_is_malformed_and_of_no_kind(name: str) -> None:
    assert read_event(log_event(WINDOW.start, interface=name), node(1)) is Odd.MALFORMED
    assert Classifier(physical=r"(.|\s)*").kind(name) is DeviceKind.UNKNOWN


@pytest.mark.parametrize(
    "name", ["eth0", "eth0.100", "vlan.eth.12", "eni1a2b3c4d5e6", "br-0123456789ab", "é0"]
)
def test_what_linux_calls_a_device_is_read(name: str) -> None:
    sample = read_event(log_event(WINDOW.start, interface=name), node(1))
    assert isinstance(sample, DeviceSample)
    assert sample.device == name


def _read_all(messages: list[str], budget: Budget | None = None) -> DeviceEvents | MissingEvidence:
    devices = ContainerInsightsDevices(OneStream(messages), Classifier(), parallelism=1, budget=budget)
    return devices.devices([node(1)], FetchSpan.of(WINDOW, 2), DeviceScope.ALL)[node(1).instance_id]


def test_a_node_has_no_more_devices_than_a_node_can_have() -> None:
    answer = _read_all([log_event(WINDOW.start, interface=f"veth{n}") for n in range(DEVICES_PER_NODE + 7)])
    assert isinstance(answer, DeviceEvents)
    assert (len(answer.samples), answer.malformed) == (DEVICES_PER_NODE, 7)


def test_a_minute_has_no_more_samples_than_an_agent_takes() -> None:
    many = [log_event(WINDOW.start)] * (SAMPLES_PER_NODE_AND_MINUTE + 5)
    answer = _read_all([*many, log_event(WINDOW.start + timedelta(minutes=1))])
    assert isinstance(answer, DeviceEvents)
    assert (len(answer.samples), answer.malformed) == (SAMPLES_PER_NODE_AND_MINUTE + 1, 5)


def test_all_looks_of_one_reader_share_one_budget_of_samples() -> None:
    logs = OneStream([log_event(WINDOW.start)] * 3)
    devices = ContainerInsightsDevices(logs, Classifier(), parallelism=1, budget=Budget(samples=5))
    looks = [devices.devices([node(1)], FetchSpan.of(WINDOW, 2), DeviceScope.ALL) for _ in range(3)]
    answers = [look[node(1).instance_id] for look in looks]
    assert [isinstance(answer, DeviceEvents) for answer in answers] == [True, True, False]
    assert isinstance(answers[2], MissingEvidence)
    assert answers[2].why is NoEvidence.BUDGET_SPENT


@pytest.mark.parametrize(
    "page",
    [
        {"events": None},
        {"events": "no list"},
        {"events": [None, 3, "text", {}, {"message": None}, {"message": "{}", "logStreamName": 7}]},
        {"events": [{"message": "[" * 100_000}]},
    ],
    ids=["none", "text", "no events", "deep"],
)
def test_a_page_that_is_none_raises_nothing(page: dict[str, Any]) -> None:
    class OddLogs:
        def filter_log_events(self, **_: Any) -> dict[str, Any]:
            return page

    devices = ContainerInsightsDevices(OddLogs(), Classifier(), parallelism=1)
    answer = devices.devices([node(1)], FetchSpan.of(WINDOW, 2), DeviceScope.ALL)[node(1).instance_id]
    assert not getattr(answer, "samples", ())
