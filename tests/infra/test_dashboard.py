"""The dashboard shows what operators ask, from the metrics that are published."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from enigap.core.published import Metric, Scope
from tests.infra.conftest import OTHERWISE, WEBHOOK, Stack


def body(stack: Stack) -> dict[str, Any]:
    """The dashboard's own document; what only AWS knows is written REF."""
    parts = stack.one("CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    document: dict[str, Any] = json.loads("".join(part if isinstance(part, str) else "REF" for part in parts))
    return document


def searches(stack: Stack) -> list[str]:
    return [
        metric[0]["expression"]
        for widget in body(stack)["widgets"]
        for metric in widget["properties"].get("metrics", ())
        if isinstance(metric[0], dict)
    ]


def of_nodes(stack: Stack) -> dict[str, str]:
    """The searches for nodes, by the titles of their graphs, in the order they are shown."""
    return {
        widget["properties"]["title"]: metric[0]["expression"]
        for widget in body(stack)["widgets"]
        for metric in widget["properties"].get("metrics", ())
        if isinstance(metric[0], dict) and '"InstanceId"' in metric[0]["expression"]
    }


@pytest.mark.parametrize("publish", ["all", "flagged", "cluster"])
def test_every_metric_of_clusters_is_shown(deploy: Callable[..., Stack], publish: str) -> None:
    shown = "\n".join(searches(deploy(**WEBHOOK, publish=publish)))
    for metric in Metric:
        if metric.value.scope is Scope.CLUSTER:
            assert f'{{"EniGap","ClusterName"}} MetricName="{metric.metric_name}"' in shown


@pytest.mark.parametrize("publish", ["all", "flagged"])
def test_the_nodes_with_the_most_unexplained_bytes_come_first(
    deploy: Callable[..., Stack], publish: str
) -> None:
    unexplained, ratio = of_nodes(deploy(**WEBHOOK, publish=publish)).items()
    nodes = '{"EniGap","ClusterName","InstanceId"}'
    highest = f"SORT(SEARCH('{nodes} MetricName=\"%s\"', 'Maximum', 900), MAX, DESC, 10)"
    assert "most unexplained bytes" in unexplained[0]
    assert unexplained[1] == highest % "UnexplainedBytesPerSecond"
    assert "highest OS to ENI ratio" in ratio[0]
    assert ratio[1] == highest % "OsToEniRatio"


def test_where_only_flagged_nodes_have_metrics_the_titles_say_so(deploy: Callable[..., Stack]) -> None:
    for title in of_nodes(deploy(**WEBHOOK, publish="flagged")):
        assert title.startswith("Flagged nodes only: ")
    for title in of_nodes(deploy(**WEBHOOK, publish="all")):
        assert title.startswith("Nodes: ")


def test_where_nodes_have_no_metrics_nothing_is_said_of_their_graphs(deploy: Callable[..., Stack]) -> None:
    without, usual = (body(deploy(**WEBHOOK, publish=publish)) for publish in ("cluster", "all"))
    assert of_nodes(deploy(**WEBHOOK, publish="cluster")) == {}
    assert len(without["widgets"]) == len(usual["widgets"]) - 2
    guide, usual_guide = (document["widgets"][0]["properties"]["markdown"] for document in (without, usual))
    assert "graphs of nodes" not in guide
    assert "graphs of nodes" in usual_guide


@pytest.mark.parametrize("publish", ["all", "flagged", "cluster"])
def test_every_row_is_full_and_overlaps_no_other(deploy: Callable[..., Stack], publish: str) -> None:
    rows: dict[int, list[dict[str, Any]]] = {}
    for widget in body(deploy(**WEBHOOK, publish=publish))["widgets"]:
        rows.setdefault(widget["y"], []).append(widget)
    bottom = 0
    for y, row in rows.items():
        assert y == bottom
        assert sum(widget["width"] for widget in row) == 24
        [height] = {widget["height"] for widget in row}
        bottom += height


def test_a_search_is_one_cloudwatch_understands(deploy: Callable[..., Stack]) -> None:
    form = re.compile(r"""SEARCH\('\{("[\w/]+",?)+\} MetricName="\w+"', '(Maximum|Average)', 1800\)""")
    for expression in searches(deploy(**OTHERWISE)):
        assert form.search(expression), expression
        assert len(expression) <= 1024


def test_the_pipelines_own_health_is_shown(stack: Stack) -> None:
    text = json.dumps(body(stack))
    for name in ("ClustersOverdue", "Errors", "Throttles", "Duration", "ApproximateNumberOfMessagesVisible"):
        assert f'"{name}"' in text
    assert len(stack.of_type("CloudWatch::Alarm")) == max(
        len(widget["properties"].get("alarms", ())) for widget in body(stack)["widgets"]
    )


def test_the_link_in_messages_leads_to_this_dashboard(stack: Stack) -> None:
    name = stack.one("CloudWatch::Dashboard")["DashboardName"]
    link = stack.template["Outputs"]["DashboardUrl"]["Value"]
    assert link == stack.function("reconcile")["Environment"]["Variables"]["ENIGAP_DASHBOARD_URL"]
    assert joined(name) == "enigap-R", "names of dashboards are the account's, not the region's"
    assert joined(link) == (
        "https://R.console.aws.amazon.com/cloudwatch/home?region=R#dashboards/dashboard/enigap-R"
    )


def joined(value: dict[str, Any]) -> str:
    """The text of a Fn::Join, with an R for each reference: all of them are to the region."""
    return "".join(part if isinstance(part, str) else "R" for part in value["Fn::Join"][1])
