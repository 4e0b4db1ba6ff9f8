"""Which values a run publishes, under which names, and when it publishes none."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from enigap.core.counting.units import ByteRate
from enigap.core.judging.cluster import ClusterReport, Drift, Finding, FindingKind
from enigap.core.judging.verdict import Verdict
from enigap.core.published import (
    WORST_CLUSTER_STATISTIC,
    Datum,
    Metric,
    Publish,
    Scope,
    Unit,
    data_of_run,
    of,
)
from tests.fakes.pipeline_ports import report_of, window

SETTLE = timedelta(minutes=10)
AT = window(0)
EVERY_VERDICT = report_of(AT, {f"i-{verdict.value}": (verdict, verdict) for verdict in Verdict})
NAMELESS = Finding(FindingKind.UNREADABLE, "AWS denied it: allow it.")


def published(report: ClusterReport, publish: Publish = Publish.ALL) -> list[Datum]:
    return list(data_of_run(report, settle=SETTLE, publish=publish))


def of_cluster(report: ClusterReport) -> dict[str, float]:
    return {d.name: d.value for d in published(report) if d.dimensions == (("ClusterName", "prod"),)}


def nodes_of(data: Iterable[Datum]) -> set[str]:
    return {dict(datum.dimensions)["InstanceId"] for datum in data if len(datum.dimensions) == 2}


def test_each_verdict_is_counted_where_it_belongs() -> None:
    values = of_cluster(EVERY_VERDICT)
    assert {name: value for name, value in values.items() if name.startswith("Nodes")} == {
        "NodesKnown": 14,
        "NodesJudged": 10,
        "NodesUnexplained": 5,
        "NodesUnverified": 1,
        "NodesSilent": 2,
        "NodesUnreadable": 1,
    }


def test_rates_are_sums_over_the_nodes_that_were_judged() -> None:
    report = report_of(AT, {"i-1": (Verdict.AGREE,), "i-2": (Verdict.OS_DEFICIT,), "i-3": (Verdict.PARTIAL,)})
    values = of_cluster(report)
    assert values["OsBytesPerSecond"] == 2 * 12.1e6
    assert values["EniBytesPerSecond"] == 2 * 65.2e6
    assert values["UnexplainedBytesPerSecond"] == 46e6
    assert values["BilledMetrics"] == 9


@pytest.mark.parametrize("silent", [Verdict.OS_SILENT, Verdict.ENI_SILENT])
def test_a_node_of_which_one_side_is_silent_is_in_no_sum_of_rates(silent: Verdict) -> None:
    """One side of it would show as a gap of the whole cluster."""
    alone = of_cluster(report_of(AT, {"i-1": (Verdict.AGREE,)}))
    values = of_cluster(report_of(AT, {"i-1": (Verdict.AGREE,), "i-2": (silent,)}))
    for name in ("OsBytesPerSecond", "EniBytesPerSecond", "NodeLocalBytesPerSecond"):
        assert values[name] == alone[name]
    assert "OsBytesPerSecond" not in of_cluster(report_of(AT, {"i-2": (silent,)}))


def test_what_may_be_a_fault_is_not_summed_up_as_traffic_inside_nodes() -> None:
    report = report_of(AT, {"i-1": (Verdict.NODE_LOCAL,), "i-2": (Verdict.UNVERIFIED,)})
    inside = tuple(
        replace(node, newest=replace(node.newest, node_local_at_least=ByteRate(7e6))) for node in report.nodes
    )
    assert of_cluster(replace(report, nodes=inside))["NodeLocalBytesPerSecond"] == 7e6


def test_a_sum_over_no_judged_node_is_unknown_and_not_zero() -> None:
    values = of_cluster(report_of(AT, {"i-1": (Verdict.UNREADABLE,)}))
    assert not {"OsBytesPerSecond", "EniBytesPerSecond", "NodeLocalBytesPerSecond"} & values.keys()
    assert values["NodesJudged"] == 0
    assert values["NodesUnreadable"] == 1


@pytest.mark.parametrize(("node_count", "unreadable"), [(0, 1), (7, 7)])
def test_a_cluster_that_could_not_be_read_has_unreadable_nodes_though_nobody_could_list_them(
    node_count: int, unreadable: int
) -> None:
    values = of_cluster(ClusterReport("prod", AT, finding=NAMELESS, node_count=node_count))
    assert values["NodesUnreadable"] == unreadable


@pytest.mark.parametrize("report", [EVERY_VERDICT, ClusterReport("prod", AT)], ids=["nodes", "no nodes"])
def test_what_a_cluster_publishes_is_there_without_dimensions_as_well(report: ClusterReport) -> None:
    data = published(report)
    with_cluster = [(d.name, d.value, d.unit) for d in data if len(d.dimensions) == 1]
    assert with_cluster == [(d.name, d.value, d.unit) for d in data if not d.dimensions]
    assert {d.timestamp for d in data if len(d.dimensions) < 2} == {AT.end + SETTLE}
    assert WORST_CLUSTER_STATISTIC == "Maximum"


def test_a_nodes_metrics_belong_to_its_window() -> None:
    data = [datum for datum in published(EVERY_VERDICT) if len(datum.dimensions) == 2]
    assert {datum.timestamp for datum in data} == {AT.start}
    assert {datum.dimensions[0] for datum in data} == {("ClusterName", "prod")}


def test_what_is_unknown_about_a_node_is_not_published() -> None:
    data = published(report_of(AT, {"i-1": (Verdict.ENI_SILENT,), "i-2": (Verdict.OS_DEFICIT,)}))
    assert [(d.name, d.value) for d in data if len(d.dimensions) == 2] == [
        ("OsToEniRatio", pytest.approx(0.1856, abs=1e-4)),
        ("UnexplainedBytesPerSecond", 46e6),
    ]


@pytest.mark.parametrize(
    ("publish", "nodes"),
    [
        # Of the others nothing is known that could be published.
        (Publish.ALL, {v.value for v in Verdict if v.explained is not None} | {"unverified"}),
        (
            Publish.FLAGGED,
            {"implausible", "os_silent", "os_unsteady", "os_deficit", "os_excess", "unverified"},
        ),
        (Publish.CLUSTER, set()),
    ],
)
def test_the_setting_says_which_nodes_get_metrics_of_their_own(publish: Publish, nodes: set[str]) -> None:
    data = published(EVERY_VERDICT, publish)
    assert nodes_of(data) == {f"i-{verdict}" for verdict in nodes}


def test_nothing_is_published_that_is_not_documented() -> None:
    documented = {(m.metric_name, m.value.unit, len(m.value.scope.value)) for m in Metric}
    # Every metric of a cluster is there without its dimension, too.
    documented |= {(m.name, m.unit, 0) for m in of(Scope.CLUSTER)}
    assert {(d.name, d.unit, len(d.dimensions)) for d in published(EVERY_VERDICT)} <= documented


def test_a_repeated_run_publishes_the_same() -> None:
    assert published(EVERY_VERDICT) == published(EVERY_VERDICT)


def test_units_are_what_cloudwatch_calls_them() -> None:
    assert {unit.value for unit in Unit} == {"Bytes/Second", "Count", "None"}


def test_surprises_are_unknown_devices_and_events_that_lack_fields_and_zero_is_published() -> None:
    report = replace(EVERY_VERDICT, drift=Drift(devices=2, names=("foo0",), events=3))
    assert of_cluster(report)["Surprises"] == 5
    assert of_cluster(EVERY_VERDICT)["Surprises"] == 0
