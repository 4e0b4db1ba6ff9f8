"""The dashboard shows what operators ask, from the metrics that are published and read."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from enigap.cli.runbook import section_names
from enigap.core.counting.meters import Quantity
from enigap.core.judging.verdict import Verdict
from enigap.core.published import Metric, Scope
from enigap.lambdas.environment import FLAGGED
from enigap.lambdas.reconcile import flagged_lines
from infra.dashboard import CHOSEN_CLUSTER, CHOSEN_NODE
from tests.fakes.pipeline_ports import FIRST, report_of
from tests.infra.conftest import OTHERWISE, WEBHOOK, Stack

NODES_PUBLISHED: dict[str, dict[str, Any]] = {
    "all": WEBHOOK,
    "flagged": {**WEBHOOK, "publish": "flagged", "max_counts_per_byte": 3},
    "cluster": {**WEBHOOK, "publish": "cluster"},
}
NET: dict[str, Any] = {
    "stack_name": "net",
    "metric_namespace": "Net/Two",
    "email": ["on-call@example.com"],
    "runbook_url": "https://wiki.example/net",
}
DEPLOYMENTS: list[dict[str, Any]] = [*NODES_PUBLISHED.values(), OTHERWISE, NET]

Widget = dict[str, Any]


def body(stack: Stack) -> dict[str, Any]:
    """The dashboard's own document; what only AWS knows is written REF."""
    parts = stack.one("CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    document: dict[str, Any] = json.loads("".join(part if isinstance(part, str) else "REF" for part in parts))
    return document


def widgets(stack: Stack, kind: str) -> list[Widget]:
    """The properties of the widgets of a type, from the top."""
    return [each["properties"] for each in body(stack)["widgets"] if each["type"] == kind]


def numbers(stack: Stack) -> list[Widget]:
    return [each for each in widgets(stack, "metric") if each["view"] == "singleValue"]


def graphs(stack: Stack) -> dict[str, Widget]:
    return {each["title"]: each for each in widgets(stack, "metric") if each["view"] == "timeSeries"}


def text(stack: Stack) -> str:
    return "\n".join(each["markdown"] for each in widgets(stack, "text"))


def options(metric: list[Any]) -> dict[str, Any]:
    """Of a metric in a widget: label, statistic, expression and so on."""
    given: dict[str, Any] = metric[-1] if isinstance(metric[-1], dict) else {}
    return given


def shown(widget: Widget) -> dict[str, dict[str, Any]]:
    """What a widget draws, by label."""
    each = map(options, widget["metrics"])
    return {one["label"]: one for one in each if one.get("visible", True)}


def series(stack: Stack) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Namespace, name and dimensions of every metric that a widget or a list at the top reads."""
    form = re.compile(r"""\{([^}]+)\} MetricName="(\w+)\"""")
    texts = [variable["search"] for variable in body(stack)["variables"]]
    for widget in widgets(stack, "metric"):
        for metric in widget["metrics"]:
            texts.append(options(metric).get("expression", ""))
            if isinstance(metric[0], str):
                namespace, name, *dimensions = [each for each in metric if isinstance(each, str)]
                yield namespace, name, tuple(dimensions[::2])
    for schema, name in form.findall("\n".join(texts)):
        namespace, *dimensions = json.loads(f"[{schema}]")
        yield namespace, name, tuple(dimensions)


# --- it is one that CloudWatch takes ---


@pytest.mark.parametrize("settings", DEPLOYMENTS, ids=str)
def test_every_metric_that_it_shows_exists(deploy: Callable[..., Stack], settings: dict[str, Any]) -> None:
    own = settings.get("metric_namespace", "EniGap")
    published = {(own, each.value.name, each.value.scope.value) for each in Metric}
    worst = {(own, each.value.name, ()) for each in Metric if each.value.scope is Scope.CLUSTER}
    read = {(q.value.namespace, q.value.metric, q.value.dimensions) for q in Quantity}
    found = set(series(deploy(**settings)))
    of_aws = {(namespace, dimensions) for namespace, _, dimensions in found - published - worst - read}
    assert of_aws == {("AWS/Lambda", ("FunctionName",)), ("AWS/SQS", ("QueueName",))}
    of_clusters = {each for each in published if each[2] == ("ClusterName",)}
    assert of_clusters <= found, "each metric of a cluster is on it"


@pytest.mark.parametrize("settings", DEPLOYMENTS, ids=str)
def test_every_row_is_full_and_overlaps_no_other(
    deploy: Callable[..., Stack], settings: dict[str, Any]
) -> None:
    rows: dict[int, list[Widget]] = {}
    for widget in body(deploy(**settings))["widgets"]:
        rows.setdefault(widget["y"], []).append(widget)
    bottom = 0
    for y, row in rows.items():
        assert y == bottom
        right = 0
        for widget in row:
            assert widget["x"] == right
            right += widget["width"]
        assert right == 24
        [height] = {widget["height"] for widget in row}
        bottom += height


@pytest.mark.parametrize("settings", DEPLOYMENTS, ids=str)
def test_it_keeps_within_cloudwatchs_limits(deploy: Callable[..., Stack], settings: dict[str, Any]) -> None:
    stack = deploy(**settings)
    document = body(stack)
    assert len(json.dumps(document)) < 50_000
    assert len(document["widgets"]) <= 500
    assert sum(len(each["metrics"]) for each in widgets(stack, "metric")) <= 2_500
    for variable in document["variables"]:
        assert re.fullmatch(r"[0-9A-Za-z_-]{1,32}", variable["id"])
        assert len(variable["label"]) <= 30
        assert len(variable["search"]) <= 2048
    seconds = 60 * settings.get("schedule_minutes", 15)
    form = re.compile(
        r"""SEARCH\('\{("[\w/]+",?)+\} MetricName="\w+"( InstanceId="[\w-]+")?', """
        rf"""'(Maximum|Average)', ({seconds}|300)\)"""
    )
    for widget in widgets(stack, "metric"):
        for metric in map(options, widget["metrics"]):
            expression = metric.get("expression", "")
            assert len(expression) <= 1024
            assert "SEARCH" not in expression or form.search(expression), expression


@pytest.mark.parametrize("settings", DEPLOYMENTS, ids=str)
def test_every_graph_starts_at_zero_names_its_unit_and_labels_its_lines(
    deploy: Callable[..., Stack], settings: dict[str, Any]
) -> None:
    for title, graph in graphs(deploy(**settings)).items():
        axis = graph["yAxis"]["left"]
        assert axis["min"] == 0
        assert axis["label"], title
        assert axis["showUnits"] is False
        assert all(options(metric).get("label") or "id" in options(metric) for metric in graph["metrics"])


def test_a_long_range_keeps_the_period_so_that_no_stack_has_gaps(stack: Stack) -> None:
    assert body(stack)["periodOverride"] == "inherit"


# --- at a glance ---


def test_the_first_row_says_how_bad_it_is_now(stack: Stack) -> None:
    assert [list(shown(each)) for each in numbers(stack)] == [
        ["unexplained"],
        ["worst node"],
        ["known", "judged"],
        ["overdue"],
    ]
    assert all(each["sparkline"] for each in numbers(stack))
    assert {each["y"] for each in body(stack)["widgets"][:4]} == {0}


def test_nodes_of_all_clusters_are_added_up_and_rates_are_not(stack: Stack) -> None:
    unexplained, worst, *_ = numbers(stack)
    assert shown(unexplained)["unexplained"]["expression"] == (
        'SUM(SEARCH(\'{"EniGap","ClusterName"} MetricName="NodesUnexplained"\', \'Maximum\', 900))'
    )
    assert worst["metrics"][0][:2] == ["EniGap", "UnexplainedBytesPerSecond"]
    assert shown(worst)["worst node"]["stat"] == "Maximum"


def test_flagged_nodes_are_a_table_with_the_newest_window_first_and_the_worst_of_it(stack: Stack) -> None:
    [table] = widgets(stack, "log")
    assert table["view"] == "table"
    source, *commands = re.split(r"\s*\n?\| ", table["query"])
    assert source == "SOURCE 'REF'"
    assert commands[1:] == [
        f'filter message = "{FLAGGED}"',
        "sort window_end desc, unexplained_MB_per_s desc",
        "dedup cluster, instance_id",
        "limit 200",
    ]
    fields = {each.split()[0] for each in commands[0].removeprefix("fields ").split(", ")}
    [line] = flagged_lines(report_of(FIRST, {"i-1": (Verdict.OS_DEFICIT,)}), most=25)
    assert fields == {*line, "window_end", "cluster"}, "all that a line has"
    [reconciler] = {
        name for name in stack.of_type("Logs::LogGroup") if name.startswith("ReconciliationReconcile")
    }
    parts = stack.one("CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    [at] = [n for n, part in enumerate(parts) if isinstance(part, str) and part.endswith("SOURCE '")]
    assert parts[at + 1] == {"Ref": reconciler}, "the reconciler's own log group"


def test_it_has_no_graph_of_ratios_and_asks_nobody_to_allow_anything(stack: Stack) -> None:
    assert "OsToEniRatio" not in json.dumps(body(stack))
    assert {each["type"] for each in body(stack)["widgets"]} == {"metric", "log", "text", "alarm"}


# --- one cluster and one node of choice ---


@pytest.mark.parametrize("publish", NODES_PUBLISHED)
def test_the_lists_are_filled_by_what_is_published(deploy: Callable[..., Stack], publish: str) -> None:
    found = {each["id"]: each for each in body(deploy(**NODES_PUBLISHED[publish]))["variables"]}
    assert set(found) == ({"cluster"} if publish == "cluster" else {"cluster", "node"})
    assert {(each["type"], each["inputType"], each["defaultValue"]) for each in found.values()} == {
        ("pattern", "select", "__FIRST")
    }
    assert (found["cluster"]["pattern"], found["cluster"]["populateFrom"]) == (CHOSEN_CLUSTER, "ClusterName")
    if publish != "cluster":
        assert (found["node"]["pattern"], found["node"]["populateFrom"]) == (CHOSEN_NODE, "InstanceId")
        assert found["node"]["search"] == (
            '{"EniGap","ClusterName","InstanceId"} MetricName="UnexplainedBytesPerSecond"'
        )


def test_what_is_chosen_takes_the_place_of_nothing_else(stack: Stack) -> None:
    dashboard = body(stack)
    whole = json.dumps(dashboard["widgets"])
    for pattern in (CHOSEN_CLUSTER, CHOSEN_NODE):
        for place in re.findall(rf".{{15}}{pattern}.", whole):
            assert re.search(rf'["# ]{pattern}["\\:]', place), place
    assert not re.search(CHOSEN_CLUSTER, CHOSEN_NODE)
    assert not re.search(CHOSEN_NODE, CHOSEN_CLUSTER)


def test_verdicts_are_stacked_and_together_are_the_nodes_that_are_known(stack: Stack) -> None:
    verdicts = graphs(stack)["Verdicts"]
    assert verdicts["stacked"] is True
    assert list(shown(verdicts)) == ["unexplained", "unverified", "not judged", "explained"]
    known, judged, unexplained, unverified = 14, 10, 5, 1
    bands = [unexplained, unverified]
    for label in ("not judged", "explained"):
        names = re.findall(r"\w+|-", shown(verdicts)[label]["expression"])
        values = {"known": known, "judged": judged, "unexplained": unexplained, "unverified": unverified}
        assert names[1::2] == ["-"] * (len(names) // 2)
        first, *less = [values[name] for name in names[::2]]
        bands.append(first - sum(less))
    assert sum(bands) == known


@pytest.mark.parametrize(("publish", "counts"), [("all", 2), ("flagged", 3)])
def test_both_sides_of_the_chosen_node_are_drawn_with_what_explains_them(
    deploy: Callable[..., Stack], publish: str, counts: int
) -> None:
    stack = deploy(**NODES_PUBLISHED[publish])
    graph = graphs(stack)[f"{CHOSEN_NODE}: both sides"]
    drawn = shown(graph)
    assert list(drawn) == [
        "OS (bytes/s)",
        "ENIs: E (bytes/s)",
        f"c x E, c = {counts} (bytes/s)",
        "unexplained, at least (bytes/s)",
    ]
    os, e, most, unexplained = (each["expression"] for each in drawn.values())
    assert 'MetricName="node_network_total_bytes" InstanceId="CHOSEN-NODE"\', \'Average\'' in os
    assert e == "(received + sent) / PERIOD(received)"
    assert most == f"{counts} * {e}"
    assert 'MetricName="UnexplainedBytesPerSecond" InstanceId="CHOSEN-NODE"' in unexplained
    inputs = [(metric[0], metric[1], metric[-1]["stat"]) for metric in graph["metrics"] if len(metric) > 1]
    assert inputs == [("AWS/EC2", "NetworkIn", "Sum"), ("AWS/EC2", "NetworkOut", "Sum")]


def test_where_nodes_have_no_metrics_nothing_is_said_of_a_chosen_one(deploy: Callable[..., Stack]) -> None:
    without, usual = (deploy(**NODES_PUBLISHED[publish]) for publish in ("cluster", "all"))
    assert CHOSEN_NODE not in json.dumps(body(without))
    assert "InstanceId" not in json.dumps(list(series(without)))
    assert "500" not in text(without)
    assert "500" in text(usual)


def test_where_only_flagged_nodes_have_metrics_the_title_says_so(deploy: Callable[..., Stack]) -> None:
    [title] = [title for title in graphs(deploy(**NODES_PUBLISHED["flagged"])) if "ten worst" in title]
    assert "flagged nodes" in title


# --- enigap itself ---


def test_the_limits_of_the_alarms_are_drawn_by_names_that_the_runbook_has(stack: Stack) -> None:
    drawn = {
        line["label"]: line["value"]
        for graph in graphs(stack).values()
        for line in graph.get("annotations", {}).get("horizontal", ())
    }
    alarms = {
        match[1]: drawn[label] for label in drawn if (match := re.fullmatch(r"alarm (\w+) above", label))
    }
    assert {"NodesUnexplained", "NodesSilent", "ClustersOverdue", "reconcileWaiting", "slackWaiting"} <= set(
        alarms
    )
    for name, value in alarms.items():
        assert value == stack.alarm(name)["Threshold"]
        assert name in section_names()
    others = {label: value for label, value in drawn.items() if not label.startswith("alarm")}
    assert others == {
        "floor: less counts as nothing": 50_000,
        "the alarm of each above": 0,
        "time-out of plan and reconcile": 300_000,
        "time-out of slack": 60_000,
    }


def test_functions_and_queues_are_called_by_what_they_are_for(stack: Stack) -> None:
    found = graphs(stack)
    assert {*shown(found["Failures of the functions"])} == {
        f"{name} {what}" for name in ("plan", "reconcile", "slack") for what in ("errors", "throttles")
    }
    assert {*shown(found["Age of the oldest message"])} == {"for reconcile", "for slack"}
    assert {*shown(found["Dead letters"])} == {"of plan", "of reconcile", "of slack"}


def test_every_alarm_is_shown(stack: Stack) -> None:
    [alarms] = widgets(stack, "alarm")
    assert len(alarms["alarms"]) == len(stack.of_type("CloudWatch::Alarm"))


# --- where to go on ---


def test_the_text_leads_to_the_runbook_the_logs_and_a_report(deploy: Callable[..., Stack]) -> None:
    said = text(deploy(**NET))
    assert "[Runbook](https://wiki.example/net)" in said
    assert "enigap runbook NAME" in said
    assert "enigap report --stack net --region REF --settings deployed --output enigap.html" in said
    for name in ("plan", "reconcile"):
        assert (
            f"[Log of {name}](https://REF.console.aws.amazon.com/cloudwatch/home?region=REF#logsV2:log-groups/"
            "log-group/REF)" in said
        )
    assert "[Runbook]" not in text(deploy(**WEBHOOK))


def test_links_are_those_of_the_partition(deploy: Callable[..., Stack]) -> None:
    said = text(deploy(**WEBHOOK, regions=["cn-north-1"]))
    assert "https://REF.console.amazonaws.cn/cloudwatch/home?region=REF#logsV2" in said
    assert "aws.amazon.com" not in said


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
