"""The parsers of what others write, each with an oracle. `make fuzz` and test_fuzz.py try to break them.

A target is a law for hypothesis. The fuzzer feeds it with bytes that hypothesis makes examples of, and keeps
those that reach new code (tests/security/fuzz.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from enigap.aws import strict_yaml
from enigap.aws.addon import why_not_collected
from enigap.aws.bypass import bypasses
from enigap.aws.cluster_series import why_not_read
from enigap.aws.deployment import Deployment, environment, find, subscriptions, tagged_stacks
from enigap.aws.device_events import ContainerInsightsDevices
from enigap.aws.discovery import discover, find_clusters
from enigap.aws.errors import AwsProblem
from enigap.aws.metrics import CloudWatchTotals
from enigap.aws.node_net import Odd, read_event, read_pod
from enigap.aws.pace import Pace
from enigap.aws.placement import Wanted
from enigap.aws.posted_messages import PostedMessages
from enigap.aws.secrets import Secret
from enigap.aws.state_table import StateTable
from enigap.core.counting.comparison import EniHistory
from enigap.core.counting.devices import Classifier, is_device_name
from enigap.core.counting.evidence import DeviceEvents, DeviceScope, MissingEvidence
from enigap.core.counting.node import is_kubernetes_name, is_namespace
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.window import FetchSpan
from enigap.core.incidents.state import StateUnreadableError, read_json, to_json
from enigap.core.messages import NotANotificationError, slack_message, sns_message
from enigap.core.messages.fitting import cut_to, json_size, name
from enigap.core.text import printable
from enigap.core.work import WorkItem
from enigap.lambdas.plan import Asked
from enigap.settings import Settings, SettingsError
from tests.core.messages.test_laws import check_slack
from tests.fakes.news import any_event, node
from tests.fakes.readings import WINDOW
from tests.fakes.spoilt import ANYTHING, NAMES, STATE, spoilt

Target = Callable[[], None]

NODE: Final = node(1)
SPAN: Final = FetchSpan.of(WINDOW, 2)
DIMENSIONS: Final = [
    {"Name": "ClusterName", "Value": NODE.cluster},
    {"Name": "InstanceId", "Value": NODE.instance_id},
    {"Name": "NodeName", "Value": NODE.node_name},
]

# --- log events ---

_FIELDS: Final = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_dropped", "tx_dropped")
EVENT: Final = {
    "Type": "NodeNet",
    "InstanceId": NODE.instance_id,
    "ClusterName": NODE.cluster,
    "Timestamp": str(int(WINDOW.start.timestamp() * 1000)),
    "interface": "eth0",
    **{f"node_interface_network_{field}": 5.0 for field in _FIELDS},
}
POD: Final = {
    **EVENT,
    "Type": "PodNet",
    "kubernetes": {"pod_name": "web-1", "namespace_name": "default"},
    "pod_interface_network_rx_bytes": 5.0,
    "pod_interface_network_tx_bytes": 5.0,
}


@given((spoilt(st.just(EVENT)) | spoilt(st.just(POD)) | ANYTHING).map(json.dumps) | st.text())
def log_events(message: str) -> None:
    event = read_event(message, NODE)
    if not isinstance(event, Odd):
        assert event.device == "" or is_device_name(event.device)
        rates = (event.rx_bytes_per_second, event.tx_bytes_per_second, event.dropped_per_second)
        assert all(rate is None or math.isfinite(rate) for rate in rates)
    pod = read_pod(message, NODE)
    assert pod is None or (is_kubernetes_name(pod.name) and is_namespace(pod.namespace))


# --- answers of AWS ---

STATE_ITEM: Final = {"id": {"S": "cluster#prod"}, "cluster": {"S": "prod"}, "revision": {"N": "1"}}
OUTPUTS: Final = ("TopicArn", "PipelineTopicArn", "StateTableName", "PlanFunctionName", "DashboardUrl")
ANSWERS: Final[Mapping[str, Any]] = {
    "describe_instances": {
        "Reservations": [
            {
                "Instances": [
                    {
                        "InstanceId": NODE.instance_id,
                        "InstanceType": "m5.large",
                        "PrivateDnsName": NODE.node_name,
                        "State": {"Name": "running"},
                        "Tags": [{"Key": "eks:cluster-name", "Value": NODE.cluster}],
                        "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "InterfaceType": "efa"}],
                    }
                ]
            }
        ],
        "NextToken": "",
    },
    "describe_tags": {
        "Tags": [{"ResourceId": NODE.instance_id, "Key": "eks:cluster-name", "Value": NODE.cluster}],
        "NextToken": "",
    },
    "describe_instance_types": {
        "InstanceTypes": [
            {
                "InstanceType": "m5.large",
                "NetworkInfo": {
                    "NetworkCards": [{"NetworkPerformance": "Up to 10 Gigabit", "PeakBandwidthInGbps": 10.0}]
                },
            }
        ],
        "NextToken": "",
    },
    "describe_traffic_mirror_sessions": {
        "TrafficMirrorSessions": [{"NetworkInterfaceId": "eni-1"}],
        "NextToken": "",
    },
    "list_metrics": {
        "Metrics": [{"MetricName": "node_network_total_bytes", "Dimensions": DIMENSIONS}],
        "NextToken": "",
    },
    "get_metric_data": {
        "MetricDataResults": [
            {
                "Id": f"q{number}",
                "Timestamps": [SPAN.start.timestamp() + 300 * period for period in range(3)],
                "Values": [1.0, 2.0, 3.0],
                "StatusCode": "Complete",
                "Messages": [],
            }
            for number in range(6)
        ],
        "Messages": [{"Code": "c", "Value": "v"}],
        "NextToken": "",
    },
    "filter_log_events": {
        "events": [{"logStreamName": NODE.node_name, "message": json.dumps(EVENT)}],
        "nextToken": "",
    },
    "describe_addon": {
        "addon": {"addonVersion": "v1", "configurationValues": '{"agent": {"enabled": false}}'}
    },
    "scan": {"Items": [STATE_ITEM], "LastEvaluatedKey": {}},
    "get_item": {"Item": STATE_ITEM},
    "get_secret_value": {"SecretString": "https://hooks.slack.com/services/x"},
    "describe_stacks": {
        "Stacks": [
            {
                "StackName": "enigap",
                "Outputs": [{"OutputKey": name, "OutputValue": "a:b:c:d:e:f"} for name in OUTPUTS],
                "Tags": [{"Key": "application", "Value": "enigap"}],
            }
        ],
        "NextToken": "",
    },
    "get_function_configuration": {"Environment": {"Variables": {"ENIGAP_SETTINGS": "{}"}}},
    "list_subscriptions_by_topic": {
        "Subscriptions": [{"SubscriptionArn": "arn:x", "Protocol": "email", "Endpoint": "a@example.com"}],
        "NextToken": "",
    },
}


class Answering:
    """A client of every service: these answers, whatever is asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        if name not in self._answers:
            raise AttributeError(name)
        return lambda **_: self._answers[name]


def _deployment(client: Any) -> None:
    found = find(client, "eu-west-1")
    environment(client, found)
    subscriptions(client, found)


DEPLOYMENT: Final = Deployment("arn:a", "arn:b", "table", "function", "https://dashboard")
READERS: Final[tuple[Callable[[Any], object], ...]] = (
    lambda client: discover(client, client, Wanted(clusters=(NODE.cluster,)), parallelism=1),
    lambda client: find_clusters(client, client),
    lambda client: bypasses(client, lambda _, __: {}, [NODE], SPAN),
    lambda client: why_not_read(client, client, NODE.cluster, SPAN),
    lambda client: why_not_collected(client, NODE.cluster),
    lambda client: list(StateTable(client, "state", now=WINDOW.end).known()),
    lambda client: StateTable(client, "state", now=WINDOW.end).read("prod"),
    lambda client: PostedMessages(client, "state", now=WINDOW.end).has("id"),
    lambda client: Secret(client, "secret", lambda: 0.0).text(),
    _deployment,
    lambda client: environment(client, DEPLOYMENT),
    lambda client: subscriptions(client, DEPLOYMENT),
    tagged_stacks,
)


@st.composite
def answers(draw: st.DrawFn) -> Mapping[str, Any]:
    """The answers of AWS, one or two of them spoilt."""
    amiss = draw(st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=2, unique=True))
    return {**ANSWERS, **{name: draw(spoilt(st.just(ANSWERS[name])) | ANYTHING) for name in amiss}}


@given(answers(), st.sampled_from(READERS))
def answers_of_aws(given_answers: Mapping[str, Any], reader: Callable[[Any], object]) -> None:
    with suppress(AwsProblem, StateUnreadableError):
        reader(Answering(given_answers))


@given(spoilt(st.just(ANSWERS["get_metric_data"])) | ANYTHING)
def answers_of_get_metric_data(answer: Any) -> None:
    totals = CloudWatchTotals(Answering({"get_metric_data": answer}), parallelism=1)
    [read] = totals.read([NODE], SPAN).values()
    assert isinstance(read, Readings | Unreadable)
    [(_, history)] = totals.histories([NODE], SPAN)
    assert isinstance(history, EniHistory | Unreadable)
    totals.efa([NODE], SPAN)


@given(spoilt(st.just(ANSWERS["filter_log_events"])) | ANYTHING, st.sampled_from(DeviceScope))
def answers_of_filter_log_events(answer: Any, scope: DeviceScope) -> None:
    devices = ContainerInsightsDevices(
        Answering({"filter_log_events": answer}),
        Classifier(),
        parallelism=1,
        pace=Pace(1e9),
        sleep=lambda _: None,
        name_pods=True,
    )
    [events] = devices.devices([NODE], SPAN, scope).values()
    assert isinstance(events, DeviceEvents | MissingEvidence)


# --- what is kept, queued and configured ---

WORK: Final = WorkItem("123456789012", "eu-west-1", "prod", WINDOW).document()
SETTINGS: Final = {
    "clusters": ["prod-*"],
    "email": ["a@example.com"],
    "slack": {"webhook_secret": "slack"},
    "physical_devices": r"eth\d+",
    "virtual_devices": {"pod": ["mypod.*"], "gateway": ["gw[0-9]"]},
    "node_tags": {"team": "a*"},
    "tolerance": 0.1,
}
PATTERN_PIECES: Final = st.lists(
    st.sampled_from([*"ab()[]{}|*+?.^$\\-,0", "eth", "(?:", "(?=", "(?!", "(?>", r"\d", "{2,}", "++", "*?"]),
    max_size=12,
).map("".join)


@given((spoilt(st.just(STATE)) | ANYTHING).map(json.dumps) | st.text())
def states(text: str) -> None:
    with suppress(StateUnreadableError):
        state = read_json(text)[0]
        assert read_json(to_json(state))[0] == state


@given((spoilt(st.just(WORK)) | ANYTHING).map(json.dumps) | st.text())
def work_items(text: str) -> None:
    with suppress(ValueError):
        item = WorkItem.from_json(text)
        assert WorkItem.from_json(json.dumps(item.document())) == item


@given(st.fixed_dictionaries({}, optional={"window_end": ANYTHING, "dry_run": ANYTHING}) | ANYTHING)
def events_of_the_planner(event: Any) -> None:
    with suppress(ValueError):
        assert isinstance(Asked.from_event(event, WINDOW.end + timedelta(hours=1)), Asked)


@given(
    (spoilt(st.just(SETTINGS)) | ANYTHING).map(json.dumps)
    | st.text()
    | PATTERN_PIECES.map(lambda pattern: json.dumps({"virtual_devices": {"pod": [pattern]}}))
)
def settings(text: str) -> None:
    with suppress(SettingsError):
        parsed = Settings.from_json(text)
        assert Settings.from_env(parsed.to_env()).rules() == parsed.rules()
        # A pattern that passed is quick on every name: it is tried on some that it nearly matches.
        for device in ("a" * 14 + "!", "eth" * 4 + "!", "0" * 15, "ab" * 7):
            parsed.rules().classifier.kind(device)


@given(st.text() | st.text(alphabet="abc:-#'\"[]{}| \n\t1.&*!~", max_size=60))
def strict_yaml_of_the_addon(text: str) -> None:
    with suppress(ValueError, RecursionError):
        json.dumps(strict_yaml.read(text), default=_no_value)
    assert why_not_collected(_Addon(text), "prod")


def _no_value(value: object) -> None:
    assert isinstance(value, datetime), f"JSON has no {type(value)}"


class _Addon:
    def __init__(self, configuration: str) -> None:
        self._configuration = configuration

    def describe_addon(self, **_: Any) -> dict[str, Any]:
        return {"addon": {"addonVersion": "v1", "configurationValues": self._configuration}}


# --- messages ---

ALARM: Final = {
    "AlarmName": "enigap-NodesUnexplained",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed",
    "StateChangeTime": "2026-01-15T12:00:00.000+0000",
    "Region": "EU (Ireland)",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:enigap-NodesUnexplained",
}


@given(spoilt(any_event()) | spoilt(st.just(ALARM)) | ANYTHING, st.booleans())
def messages_in_slacks_queue(document: Any, wrapped: bool) -> None:  # noqa: FBT001
    text = json.dumps(document)
    check_slack(slack_message(json.dumps({"Type": "Notification", "Message": text}) if wrapped else text))


@given(spoilt(any_event()))
def notifications(document: Any) -> None:
    with suppress(NotANotificationError):
        message = sns_message(document)
        assert len(message["Message"].encode()) + len(message["Subject"]) <= 256 * 1024
        assert message["Subject"].isascii()
        assert message["Subject"].isprintable()
        assert len(message["Subject"]) <= 100


@given(st.text() | NAMES, st.integers(10, 300))
def texts_made_safe(text: str, most: int) -> None:
    assert printable(text, most).isprintable()
    assert len(name(text, most)) <= most
    assert json_size(cut_to(text, most, json_size)) <= most


TARGETS: Final[Mapping[str, Target]] = {
    target.__name__: target
    for target in (
        log_events,
        answers_of_aws,
        answers_of_get_metric_data,
        answers_of_filter_log_events,
        states,
        work_items,
        events_of_the_planner,
        settings,
        strict_yaml_of_the_addon,
        messages_in_slacks_queue,
        notifications,
        texts_made_safe,
    )
}
