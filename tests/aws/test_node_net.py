"""One event of the log group, read strictly."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.aws.node_net import Odd, read_event, read_pod
from enigap.core.counting.evidence import (
    DeviceSample,
)
from tests.aws.worlds import SPAN, milliseconds, node, node_net, without

MINUTE = timedelta(minutes=1)
AT = SPAN.start + timedelta(minutes=3, seconds=41, milliseconds=250)


def sample(at: datetime, device: str, rx: float | None = 1000.0, tx: float | None = 500.0) -> DeviceSample:
    """What is read of `node_net`."""
    return DeviceSample(at, device, rx, tx, 4.25, 3.5, 0.0)


def test_version_1_of_the_format_carries_its_time_elsewhere() -> None:
    of = node(1)
    event = without(node_net(of, AT), "Timestamp") | {
        "Version": "1",
        "_aws": {"Timestamp": milliseconds(AT), "CloudWatchMetrics": []},
    }
    assert read_event(json.dumps(event), of) == sample(AT, "eth0")


def test_a_counter_that_was_reset_has_no_rate_rather_than_zero() -> None:
    of = node(1)
    event = without(node_net(of, AT), "node_interface_network_rx_bytes", "node_interface_network_total_bytes")
    assert read_event(json.dumps(event), of) == sample(AT, "eth0", None)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "not JSON",
        "null",
        "[]",
        '"NodeNet"',
        "[" * 100_000,
        '{"Type":' * 50_000,
        json.dumps(node_net(node(1), AT, "x" * 10_000_000)),
        json.dumps(node_net(node(1), AT, tx=4.25)).replace("4.25", "9" * 5_000),
        json.dumps(node_net(node(1), AT, tx=4.25)).replace("4.25", "1e999"),
        "\x00\ud800",
    ],
    ids=[
        "empty",
        "text",
        "null",
        "list",
        "string",
        "nested",
        "nested objects",
        "10 MB",
        "digits",
        "1e999",
        "surrogate",
    ],
)
def test_nonsense_is_malformed_and_never_a_crash(message: str) -> None:
    assert read_event(message, node(1)) is Odd.MALFORMED


@pytest.mark.parametrize("field", ["ClusterName", "interface", "Timestamp"])
def test_an_event_without_what_tells_whose_it_is_is_malformed(field: str) -> None:
    assert read_event(json.dumps(without(node_net(node(1), AT), field)), node(1)) is Odd.MALFORMED


@pytest.mark.parametrize("instance_id", [None, ""], ids=["absent", "empty"])
def test_an_event_that_lacks_nothing_but_an_instance_id_is_no_garbage(instance_id: str | None) -> None:
    event = without(node_net(node(1), AT), "InstanceId", "InstanceType", "AutoScalingGroupName")
    event |= {} if instance_id is None else {"InstanceId": instance_id}
    assert read_event(json.dumps(event), node(1)) is Odd.ANONYMOUS
    assert read_event(json.dumps(event | {"interface": 7}), node(1)) is Odd.MALFORMED
    assert read_event(json.dumps(event | {"ClusterName": "other"}), node(1)) is Odd.FOREIGN


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*sorted(node_net(node(1), AT)), "_aws"]), anything, max_size=4))
def test_whatever_an_event_holds_it_becomes_a_true_sample_or_none(changes: dict[str, Any]) -> None:
    event = node_net(node(1), AT) | changes
    sample = read_event(json.dumps(event), node(1))
    if isinstance(sample, DeviceSample):
        assert event["Type"] == "NodeNet"
        assert (event["InstanceId"], event["ClusterName"]) == (node(1).instance_id, "prod")
        assert sample.device == event["interface"]
        assert sample.rx_bytes_per_second == event["node_interface_network_rx_bytes"]
        assert sample.tx_bytes_per_second == event["node_interface_network_tx_bytes"]
        assert sample.at.tzinfo is not None


@given(st.text() | anything.map(json.dumps))
def test_no_message_at_all_makes_reading_fail(message: str) -> None:
    assert not isinstance(read_event(message, node(1)), DeviceSample)


@given(st.data())
def test_a_message_cut_or_spoilt_anywhere_is_no_sample_of_other_figures(data: st.DataObject) -> None:
    message = json.dumps(node_net(node(1), AT))
    cut = data.draw(st.integers(0, len(message) - 1))
    assert read_event(message[:cut], node(1)) is Odd.MALFORMED


def test_packets_and_drops_are_read_beside_the_bytes() -> None:
    event = node_net(node(1), AT) | {
        "node_interface_network_rx_dropped": 1.5,
        "node_interface_network_tx_dropped": 2,
    }
    assert read_event(json.dumps(event), node(1)) == DeviceSample(AT, "eth0", 1000.0, 500.0, 4.25, 3.5, 3.5)


@pytest.mark.parametrize("value", ["7", True, None, [1], float("nan"), float("inf"), -1.0, 10**400], ids=str)
def test_a_wrong_packet_figure_spoils_neither_the_bytes_nor_the_others(value: Any) -> None:
    event = node_net(node(1), AT) | {
        "node_interface_network_rx_packets": value,
        "node_interface_network_tx_dropped": value,
    }
    read_back = read_event(json.dumps(event), node(1))
    assert read_back == DeviceSample(AT, "eth0", 1000.0, 500.0, None, 3.5, None)


def test_packets_that_the_event_does_not_have_are_unknown() -> None:
    names = [f"node_interface_network_{name}" for name in ("rx_packets", "tx_packets", "rx_dropped")]
    event = without(node_net(node(1), AT), *names)
    assert read_event(json.dumps(event), node(1)) == DeviceSample(AT, "eth0", 1000.0, 500.0)


@given(st.text() | anything.map(json.dumps))
def test_no_message_at_all_makes_reading_a_pod_fail(message: str) -> None:
    assert read_pod(message, node(1)) is None
