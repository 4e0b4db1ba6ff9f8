"""The dashboard shows what operators ask, from the metrics that are published."""

import json
import re
from collections.abc import Callable
from typing import Any

from enigap.core.published import Metric, Scope
from tests.infra.conftest import OTHERWISE, Stack


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


def test_every_metric_of_clusters_and_the_worst_nodes_are_shown(stack: Stack) -> None:
    shown = "\n".join(searches(stack))
    for metric in Metric:
        if metric.value.scope is Scope.CLUSTER:
            assert f'{{"EniGap","ClusterName"}} MetricName="{metric.metric_name}"' in shown
    assert 'SORT(SEARCH(\'{"EniGap","ClusterName","InstanceId"} MetricName="OsToEniRatio"' in shown


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
    assert "".join(p if isinstance(p, str) else "R" for p in link["Fn::Join"][1]) == (
        f"https://R.console.aws.amazon.com/cloudwatch/home?region=R#dashboards/dashboard/{name}"
    )
