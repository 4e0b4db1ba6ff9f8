"""Which alarms and dashboards use classic metrics, in every way in which they can name one."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enigap.aws.observe_documents import (
    alarms_in,
    metrics_in,
    metrics_of,
    metrics_of_dashboard,
    uses_of_alarms,
)
from enigap.core.counting.meters import OS_METRIC
from enigap.core.doctor.usages import EVERY_METRIC, UseKind

CPU = "node_cpu_utilization"


def widget(*rows: Any, **more: Any) -> str:
    return json.dumps({"widgets": [{"type": "metric", "properties": {"metrics": list(rows), **more}}]})


def shown(body: str) -> set[str]:
    return set(metrics_of_dashboard(body, {}))


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ("SEARCH('{ContainerInsights,ClusterName,InstanceId,NodeName} MetricName=\"X\"', 'Average')", {"*"}),
        (f"SEARCH('{{ContainerInsights,ClusterName}} {CPU}', 'Average', 300)", {CPU}),
        (f"search(' Namespace=\"ContainerInsights\" MetricName=\"{OS_METRIC}\" ', 'Sum')", {OS_METRIC}),
        (f"SEARCH('{OS_METRIC} prod', 'Average')", {OS_METRIC}),
        (f'SELECT MAX({CPU}) FROM SCHEMA("ContainerInsights", ClusterName)', {CPU}),  # noqa: S608
        (f'SELECT AVG({OS_METRIC}) FROM "ContainerInsights" GROUP BY NodeName', {OS_METRIC}),  # noqa: S608
        ("SOURCE '/aws/containerinsights/prod/performance' | stats avg(node_interface_network_rx_bytes)",
         {"node_interface_network_rx_bytes"}),
        ("SEARCH('{ECS/ContainerInsights,ClusterName} CpuUtilized', 'Average')", set()),
        ("SEARCH('{ContainerInsights/Prometheus,ClusterName} node_disk', 'Average')", set()),
        ("ContainerInsights", set()),
        ("m1 / m2", set()),
        ("sum(rate({__name__=\"container_network_receive_bytes_total\"}[5m]))", set()),
    ],
)  # fmt: skip
def test_a_text_names_metrics_of_the_classic_namespace(text: str, metrics: set[str]) -> None:
    assert set(metrics_in(text)) == metrics


@pytest.mark.parametrize(
    ("body", "metrics"),
    [
        (widget(["ContainerInsights", OS_METRIC, "ClusterName", "prod", {"stat": "p99"}]), {OS_METRIC}),
        (widget(["AWS/EC2", "NetworkIn"], ["ContainerInsights", CPU], [".", "pod_memory", ".", "."]),
         {CPU, "pod_memory"}),
        (widget(["ContainerInsights", OS_METRIC, "NodeName", "a"], ["...", "b"], ["AWS/EC2", "NetworkIn"]),
         {OS_METRIC}),
        (widget([{"expression": f"SEARCH('{{ContainerInsights,NodeName}} {CPU}', 'Sum')"}]), {CPU}),
        (widget([{"expression": "SEARCH('{ContainerInsights,NodeName}', 'Average')"}]), {EVERY_METRIC}),
        (widget(["AWS/EC2", "NetworkIn", {"label": OS_METRIC}], title=OS_METRIC), set()),
        (json.dumps({"widgets": [{"type": "text", "properties": {"markdown": OS_METRIC}}]}), set()),
        (json.dumps({"widgets": [{"type": "explorer", "properties": {"metrics": [
            {"metricName": OS_METRIC, "resourceType": "AWS::EKS::Cluster"}]}}]}), {OS_METRIC}),
        (json.dumps({"widgets": [{"type": "explorer", "properties": {"metrics": [
            {"metricName": "number_of_running_pods", "namespace": "ContainerInsights"}]}}]}),
         {"number_of_running_pods"}),
        (widget(["ECS/ContainerInsights", "CpuUtilized"], [".", OS_METRIC[:3]]), set()),
        (widget("no row", [], [".", "."], ["..."], [["deep"]], [None, 1], ["ContainerInsights"]), set()),
        ("[]", set()),
        ("null", set()),
    ],
)  # fmt: skip
def test_a_dashboard_shows_metrics_by_rows_searches_and_explorers(body: str, metrics: set[str]) -> None:
    assert shown(body) == metrics


def test_a_dashboard_that_shows_an_alarm_shows_its_metrics() -> None:
    arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:net high"
    body = json.dumps({"widgets": [{"type": "alarm", "properties": {"alarms": [arn]}}]})
    assert metrics_of_dashboard(body, {"net high": frozenset({OS_METRIC})}) == {OS_METRIC}


def alarm(name: str, **more: Any) -> dict[str, Any]:
    return {"AlarmName": name, "AlarmDescription": OS_METRIC, "AlarmActions": ["arn:aws:sns:::t"], **more}


def stat(namespace: str, metric: str) -> dict[str, Any]:
    return {"Id": "m1", "MetricStat": {"Metric": {"Namespace": namespace, "MetricName": metric}}}


@pytest.mark.parametrize(
    ("more", "metrics"),
    [
        ({"Namespace": "ContainerInsights", "MetricName": OS_METRIC}, {OS_METRIC}),
        ({"Namespace": "AWS/EC2", "MetricName": "NetworkIn"}, None),
        ({"Metrics": [stat("ContainerInsights", CPU), {"Id": "e", "Expression": "m1 * 2"}]}, {CPU}),
        ({"Metrics": [stat("ContainerInsights", OS_METRIC),
                      {"Id": "b", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)"}]}, {OS_METRIC}),
        ({"Metrics": [{"Expression": f'SELECT MAX({OS_METRIC}) FROM "ContainerInsights"'}]}, {OS_METRIC}),  # noqa: S608
        ({"Metrics": [{"Expression": "SUM(SEARCH('{ContainerInsights,NodeName}', 'Sum'))"}]}, {EVERY_METRIC}),
        ({"Metrics": "no list", "Namespace": 7}, None),
    ],
)  # fmt: skip
def test_an_alarm_uses_metrics_by_its_own_or_by_its_expressions(
    more: dict[str, Any], metrics: set[str] | None
) -> None:
    uses = uses_of_alarms([alarm("a", **more)], [])
    assert [set(use.metrics) for use in uses] == ([] if metrics is None else [metrics])


def test_composite_alarms_use_what_the_alarms_of_their_rules_use() -> None:
    alarms = [alarm("net high", Namespace="ContainerInsights", MetricName=OS_METRIC), alarm("other")]
    rules = {
        "outer": 'ALARM("inner") OR FALSE',
        "inner": "(ALARM('net high') AND NOT OK(other))",
        "by arn": "INSUFFICIENT_DATA(arn:aws:cloudwatch:eu-west-1:1:alarm:inner)",
        "none": "ALARM(other)",
        "loop": "ALARM(loop)",
    }
    composites = [{"AlarmName": name, "AlarmRule": rule} for name, rule in rules.items()]
    uses = uses_of_alarms(alarms, [*composites, {"AlarmName": 5}, {"AlarmName": "x", "AlarmRule": None}])
    assert {use.name for use in uses if use.kind is UseKind.COMPOSITE} == {"outer", "inner", "by arn"}
    assert alarms_in("ALARM( \"a b\" ) OR OK('c')") == {"a b", "c"}


def test_composite_alarms_of_thousands_of_others_are_read_in_whatever_order_they_come() -> None:
    alarms = [
        alarm(f"net {number}", Namespace="ContainerInsights", MetricName=OS_METRIC) for number in range(2500)
    ]
    other = alarm("cpu", Namespace="ContainerInsights", MetricName="pod_cpu_utilization")
    chain = [
        {"AlarmName": f"c{number}", "AlarmRule": f"ALARM(c{number + 1}) OR ALARM(cpu)"}
        for number in range(2499)
    ]
    uses = uses_of_alarms([*alarms, other], [*chain, {"AlarmName": "c2499", "AlarmRule": 'ALARM("net 0")'}])
    found = {use.name: use.metrics for use in uses if use.kind is UseKind.COMPOSITE}
    assert len(found) == 2500
    assert found["c0"] == {OS_METRIC, "pod_cpu_utilization"}


def test_a_dashboard_that_is_nested_too_deep_is_refused_and_one_that_is_nested_is_read() -> None:
    row = ["ContainerInsights", OS_METRIC]
    deep: Any = {"metrics": [row]}
    for _ in range(400):
        deep = {"x": [deep]}
    assert shown(json.dumps(deep)) == {OS_METRIC}
    with pytest.raises(ValueError, match="nested too deep"):
        metrics_of_dashboard("[" * 200_000, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["ContainerInsights", ".", "..."]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["metrics", "Metrics", "metricName", "namespace", "x"]), inner)
    ),
    max_leaves=30,
)


@settings(max_examples=60)
@given(JSON)
def test_any_document_is_walked_through(document: Any) -> None:
    assert all(isinstance(each, str) for each in metrics_of(document))
    assert metrics_of_dashboard(json.dumps(document), {}) == metrics_of(json.loads(json.dumps(document)))


@settings(max_examples=100)
@given(st.text())
def test_any_body_is_read_or_refused_by_a_value_error(body: str) -> None:
    with suppress(ValueError):
        metrics_of_dashboard(body, {})


@given(JSON, st.text())
def test_what_surrounds_a_metric_hides_it_from_nobody(around: Any, key: str) -> None:
    row = ["ContainerInsights", OS_METRIC]
    body = json.dumps({f"w{key}": [around, {"metrics": [row, around]}]})
    assert OS_METRIC in metrics_of_dashboard(body, {})
