"""Links into AWS's console lead where they should, whatever things are called."""

from __future__ import annotations

import pytest

from enigap.core.console import both_sides_url, device_events_url, instance_url
from enigap.core.counting.node import Node
from tests.fakes.readings import NODE, WINDOW

HOSTILE = Node("a/b c\"'<x>~)(é😀", "i-0abc", "n~'(x)*1")


@pytest.mark.parametrize(
    ("region", "home"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
    ],
)
def test_each_partition_has_its_console(region: str, home: str) -> None:
    assert (
        instance_url(region, NODE.instance_id)
        == f"{home}ec2/home?region={region}#InstanceDetails:instanceId=i-0abc"
    )


def test_the_graph_has_both_metrics_with_their_statistics_over_the_window() -> None:
    assert both_sides_url("eu-west-1", NODE, WINDOW, 4) == (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#metricsV2:graph="
        "~(metrics~(~(~'ContainerInsights~'node_network_total_bytes~'ClusterName~'prod~'InstanceId~'i-0abc"
        "~'NodeName~'ip-10-0-3-7.ec2.internal~(stat~'Average~period~60))"
        "~(~'AWS*2fEC2~'NetworkIn~'InstanceId~'i-0abc~(stat~'Sum~period~300))"
        "~(~'AWS*2fEC2~'NetworkOut~'InstanceId~'i-0abc~(stat~'Sum~period~300)))"
        "~view~'timeSeries~region~'eu-west-1~start~'2026-01-01T13*3a30*3a00Z~end~'2026-01-01T14*3a30*3a00Z)"
    )


def test_a_node_without_a_series_has_a_graph_of_ec2_alone() -> None:
    url = both_sides_url("eu-west-1", Node("prod", "i-0abc"), WINDOW, 4)
    assert "ContainerInsights" not in url
    assert "NetworkOut" in url


def test_the_device_events_are_in_the_clusters_log_group() -> None:
    assert device_events_url("eu-west-1", NODE.cluster).endswith(
        "#logsV2:log-groups/log-group/$252Faws$252Fcontainerinsights$252Fprod$252Fperformance"
    )


def test_no_name_becomes_a_part_of_an_address() -> None:
    for url in (
        device_events_url("eu-west-1", HOSTILE.cluster),
        both_sides_url("eu-west-1", HOSTILE, WINDOW, 4),
    ):
        assert url.isascii()
        assert not set(url) & set('"<> ')
    graph = both_sides_url("eu-west-1", HOSTILE, WINDOW, 4)
    assert "~'n*7e*27*28x*29*2a1" in graph
    assert "*e9**d83d**de00" in graph
