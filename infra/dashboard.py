"""The CloudWatch dashboard: what is unexplained and where, one cluster and one node of choice, and the health
of enigap itself.

The cluster and the node are chosen in two lists at the top. They are pattern variables: CloudWatch puts what
is chosen in the place of `CHOSEN_CLUSTER` and `CHOSEN_NODE` wherever the dashboard's JSON has them.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk.region_info import RegionInfo
from constructs import Construct

from enigap.core.console import CONSOLES
from enigap.core.counting.meters import CLUSTER_DIMENSION, INSTANCE_DIMENSION, Meter, Quantity
from enigap.core.published import WORST_CLUSTER_STATISTIC, Metric, Publish, Published
from enigap.lambdas.environment import FLAGGED
from enigap.settings import Settings, SettingsError

WIDTH: Final = 24

CHOSEN_CLUSTER: Final = "CHOSEN-CLUSTER"
CHOSEN_NODE: Final = "CHOSEN-NODE"
"""Neither is a part of the other or of anything else in the dashboard."""

BYTE_RATE: Final = "bytes/s"
NODES: Final = "nodes"

# Okabe and Ito's colours, which differ for every kind of colour vision.
RED: Final = "#D55E00"
YELLOW: Final = "#E69F00"
GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
PURPLE: Final = "#CC79A7"
GREY: Final = "#999999"

WORDS: Final = (
    "**Unexplained**: the operating system (OS) and the network interfaces (ENIs) of a node disagree by more "
    "than counting accounts for. **Silent**: one of the two sides reports nothing. **Unverified**: it takes "
    "per-device evidence to tell, and there is none. While a window is being judged, the newest point lacks "
    "clusters."
)
ABOUT_NODES: Final = " Lists and graphs of nodes search 500 of them at most; the commands see all."

ABOUT_NODE: Final = (
    f"## Node {CHOSEN_NODE}\n"
    "Traffic that leaves a node makes the OS count from E to c x E, within the tolerance. Above is traffic "
    "inside the node or a fault, and its devices tell which; below is a fault."
)


class Dashboard(Construct):
    """The dashboard. The mappings are by function, a queue's by the function that it feeds."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        region: str | None,
        alarms: Sequence[cloudwatch.Alarm],
        functions: Mapping[str, lambda_.Function],
        queues: Mapping[str, sqs.Queue],
        dead_letters: Mapping[str, sqs.Queue],
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._namespace = settings.metric_namespace
        self._period = Duration.minutes(settings.schedule_minutes)
        self._functions = functions
        self._alarm_lines = {
            alarm.node.id: _line(alarm.to_annotation().value, f"alarm {alarm.node.id} above")
            for alarm in alarms
        }
        self._nodes_have_metrics = settings.publish is not Publish.CLUSTER
        dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=dashboard_name(Stack.of(self)),
            default_interval=Duration.hours(12),
            # Longer ranges keep the period: a stack of points further apart than it has gaps.
            period_override=cloudwatch.PeriodOverride.INHERIT,
            variables=[
                self._chosen("cluster", "Cluster", CHOSEN_CLUSTER, Metric.NODES_KNOWN, CLUSTER_DIMENSION),
                *(
                    [self._chosen("node", "Node", CHOSEN_NODE, Metric.NODE_UNEXPLAINED, INSTANCE_DIMENSION)]
                    if self._nodes_have_metrics
                    else []
                ),
            ],
        )
        dashboard.add_widgets(*self._now())
        dashboard.add_widgets(self._flagged_nodes())
        dashboard.add_widgets(_text(self._guide(region), height=4))
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(alarms=list(alarms), title="Alarms", width=WIDTH, height=3)
        )
        dashboard.add_widgets(*self._all_clusters())
        dashboard.add_widgets(_text(f"## Cluster {CHOSEN_CLUSTER}"))
        dashboard.add_widgets(*self._chosen_cluster())
        if self._nodes_have_metrics:
            dashboard.add_widgets(_text(ABOUT_NODE, height=2))
            dashboard.add_widgets(*self._chosen_node())
        dashboard.add_widgets(_text("## enigap itself"))
        dashboard.add_widgets(*self._runs())
        dashboard.add_widgets(*self._queues(queues, dead_letters))

    def _chosen(
        self, name: str, label: str, pattern: str, metric: Metric, dimension: str
    ) -> cloudwatch.DashboardVariable:
        return cloudwatch.DashboardVariable(
            id=name,
            label=label,
            type=cloudwatch.VariableType.PATTERN,
            value=pattern,
            input_type=cloudwatch.VariableInputType.SELECT,
            values=cloudwatch.Values.from_search(self._matching(metric.value), dimension),
            default_value=cloudwatch.DefaultValue.FIRST,
        )

    # --- the rows

    def _guide(self, region: str | None) -> str:
        stack = Stack.of(self).stack_name
        report = (
            f"enigap report --stack {stack} --region {Aws.REGION} --settings deployed --output enigap.html"
        )
        links = [
            f"[Log of {name}]({_log_url(function, region)})" for name, function in self._functions.items()
        ]
        if self._settings.runbook_url:
            links.insert(0, f"[Runbook]({self._settings.runbook_url})")
        return (
            "**What to do** about a verdict, a cause or an alarm: `enigap runbook NAME`. One node by device: "
            f"`enigap explain INSTANCE_ID --region {Aws.REGION}`. "
            f"Every node as a page, with where its bytes were counted: `{report}`\n\n"
            f"{' | '.join(links)}\n\n{WORDS}{ABOUT_NODES if self._nodes_have_metrics else ''}"
        )

    def _now(self) -> list[cloudwatch.IWidget]:
        return [
            _number(
                "Unexplained nodes, all clusters", [self._total(Metric.NODES_UNEXPLAINED, "unexplained")]
            ),
            _number(
                f"Worst node: unexplained at least ({BYTE_RATE})",
                [self._worst(Metric.CLUSTER_UNEXPLAINED, "worst node")],
            ),
            _number(
                "Nodes, all clusters",
                [self._total(Metric.NODES_KNOWN, "known"), self._total(Metric.NODES_JUDGED, "judged")],
            ),
            _number("Clusters overdue", [self._worst(Metric.CLUSTERS_OVERDUE, "overdue")]),
        ]

    def _flagged_nodes(self) -> cloudwatch.IWidget:
        """The reconciler's lines about flagged nodes: the newest of each node, the worst first."""
        return cloudwatch.LogQueryWidget(
            title="Flagged nodes: newest window first, in it the worst; of each cluster "
            f"{self._settings.collapse_above} at most",
            log_group_names=[self._functions["reconcile"].log_group.log_group_name],
            query_lines=[
                "fields window_end, cluster, node_name, instance_id, verdict, cause, "
                + ", ".join(
                    f"{side}_bytes_per_second / 1000000 as {side}_MB_per_s"
                    for side in ("unexplained", "os", "eni")
                )
                + ", since, largest_talkers",
                f'filter message = "{FLAGGED}"',
                "sort window_end desc, unexplained_MB_per_s desc",
                "dedup cluster, instance_id",
                "limit 200",
            ],
            view=cloudwatch.LogQueryVisualizationType.TABLE,
            width=WIDTH,
            height=7,
        )

    def _all_clusters(self) -> list[cloudwatch.IWidget]:
        return [
            _graph(
                "Unexplained nodes, by cluster",
                NODES,
                [self._by_cluster(Metric.NODES_UNEXPLAINED)],
                [self._alarm_lines["NodesUnexplained"]],
            ),
            _graph(
                "Silent nodes, by cluster",
                NODES,
                [self._by_cluster(Metric.NODES_SILENT)],
                [self._alarm_lines["NodesSilent"]],
            ),
            _graph(
                "Worst node's unexplained bytes, by cluster",
                BYTE_RATE,
                [self._by_cluster(Metric.CLUSTER_UNEXPLAINED)],
                [self._floor()],
            ),
        ]

    def _chosen_cluster(self) -> list[cloudwatch.IWidget]:
        unexplained = self._of_cluster(Metric.NODES_UNEXPLAINED, "unexplained", RED)
        unverified = self._of_cluster(Metric.NODES_UNVERIFIED, "unverified", YELLOW)
        judged = self._of_cluster(Metric.NODES_JUDGED, "judged")
        known = self._of_cluster(Metric.NODES_KNOWN, "known")
        return [
            _graph(
                "Verdicts",
                NODES,
                [
                    unexplained,
                    unverified,
                    self._worked_out(
                        "known - judged", "not judged", GREY, {"known": known, "judged": judged}
                    ),
                    self._worked_out(
                        "judged - unexplained - unverified",
                        "explained",
                        GREEN,
                        {"judged": judged, "unexplained": unexplained, "unverified": unverified},
                    ),
                ],
                stacked=True,
            ),
            _graph(
                "Silent and unreadable nodes",
                NODES,
                [
                    self._of_cluster(Metric.NODES_SILENT, "silent", PURPLE),
                    self._of_cluster(Metric.NODES_UNREADABLE, "unreadable", GREY),
                ],
                [self._alarm_lines["NodesSilent"]],
            ),
            _graph(
                "Traffic of all nodes with both sides",
                BYTE_RATE,
                [
                    self._of_cluster(Metric.OS_BYTES, "OS", BLUE),
                    self._of_cluster(Metric.ENI_BYTES, "ENIs", GREEN),
                    self._of_cluster(Metric.NODE_LOCAL_BYTES, "inside nodes, at least", GREY),
                ],
            ),
        ]

    def _chosen_node(self) -> list[cloudwatch.IWidget]:
        flagged = "flagged nodes" if self._settings.publish is Publish.FLAGGED else "nodes"
        return [
            _graph(
                f"{CHOSEN_NODE}: both sides",
                BYTE_RATE,
                self._both_sides(),
                row_has=2,
            ),
            _graph(
                f"Unexplained bytes: the ten worst {flagged} of all clusters",
                BYTE_RATE,
                [self._worst_nodes()],
                [self._floor()],
                row_has=2,
            ),
        ]

    def _runs(self) -> list[cloudwatch.IWidget]:
        each = self._functions.items()
        period = Duration.minutes(15)
        return [
            _graph(
                "Clusters overdue",
                "clusters",
                [self._worst(Metric.CLUSTERS_OVERDUE, "overdue")],
                [self._alarm_lines["ClustersOverdue"]],
                row_has=4,
            ),
            _graph(
                "Plans made: a gap is a missing one",
                "plans",
                [self._worst(Metric.PLANS_MADE, "made")],
                row_has=4,
            ),
            _graph(
                "Failures of the functions",
                "invocations",
                [f.metric_errors(statistic="Sum", period=period, label=f"{name} errors") for name, f in each]
                + [
                    f.metric_throttles(statistic="Sum", period=period, label=f"{name} throttles")
                    for name, f in each
                ],
                [self._alarm_of_each("planErrors")],
                row_has=4,
            ),
            _graph(
                "Longest run",
                "ms",
                [f.metric_duration(statistic="Maximum", period=period, label=name) for name, f in each],
                [
                    _line(time_out, f"time-out of {' and '.join(names)}")
                    for time_out, names in self._time_outs().items()
                ],
                row_has=4,
            ),
        ]

    def _queues(
        self, queues: Mapping[str, sqs.Queue], dead_letters: Mapping[str, sqs.Queue]
    ) -> list[cloudwatch.IWidget]:
        period = Duration.minutes(5)
        return [
            _graph(
                "Age of the oldest message",
                "s",
                [
                    queue.metric_approximate_age_of_oldest_message(
                        statistic="Maximum", period=period, label=f"for {name}"
                    )
                    for name, queue in queues.items()
                ],
                [self._alarm_lines[f"{name}Waiting"] for name in queues],
                row_has=4,
            ),
            _graph(
                "Dead letters",
                "messages",
                [
                    queue.metric_approximate_number_of_messages_visible(
                        statistic="Maximum", period=period, label=f"of {name}"
                    )
                    for name, queue in dead_letters.items()
                ],
                [self._alarm_of_each("planDeadLetters")],
                row_has=4,
            ),
            _graph(
                "Surprises in device events, by cluster",
                "surprises",
                [self._by_cluster(Metric.SURPRISES)],
                row_has=4,
            ),
            _graph(
                "Metrics billed for each run, by cluster",
                "metrics",
                [self._by_cluster(Metric.BILLED_METRICS)],
                row_has=4,
            ),
        ]

    def _time_outs(self) -> dict[float, list[str]]:
        """The functions by their time-outs in milliseconds."""
        found: dict[float, list[str]] = {}
        for name, function in self._functions.items():
            if function.timeout:
                found.setdefault(function.timeout.to_milliseconds(), []).append(name)
        return found

    def _alarm_of_each(self, one: str) -> cloudwatch.HorizontalAnnotation:
        """The limit that an alarm of each line has, by one of them."""
        return _line(self._alarm_lines[one].value, "the alarm of each above")

    # --- what is drawn

    def _both_sides(self) -> list[cloudwatch.IMetric]:
        """The chosen node's two sides as they were read, the most that counting explains, and the rest."""
        os, counts = Quantity.OS.value, self._settings.max_counts_per_byte
        eni_in, eni_out = (_eni(each.value) for each in (Quantity.ENI_IN, Quantity.ENI_OUT))
        period = Duration.seconds(Quantity.ENI_IN.value.period.total_seconds())
        # By search, for the metric has the node's name as a dimension, too, which the list does not know.
        search = _search(
            f'{_schema(os.namespace, os.dimensions)} MetricName="{os.metric}" '
            f'{INSTANCE_DIMENSION}="{CHOSEN_NODE}"',
            os.statistic,
            int(period.to_seconds()),
        )
        parts = {"received": eni_in, "sent": eni_out}
        eni = "(received + sent) / PERIOD(received)"
        return [
            cloudwatch.SearchExpression(expression=search, label=f"OS ({BYTE_RATE})", color=BLUE),
            _expression(eni, f"ENIs: E ({BYTE_RATE})", GREEN, parts, period),
            _expression(f"{counts} * {eni}", f"c x E, c = {counts} ({BYTE_RATE})", GREY, parts, period),
            cloudwatch.SearchExpression(
                expression=self._search(
                    Metric.NODE_UNEXPLAINED.value, f'{INSTANCE_DIMENSION}="{CHOSEN_NODE}"'
                ),
                label=f"unexplained, at least ({BYTE_RATE})",
                color=RED,
                period=self._period,
            ),
        ]

    def _worst_nodes(self) -> cloudwatch.IMetric:
        return cloudwatch.SearchExpression(
            expression=f"SORT({self._search(Metric.NODE_UNEXPLAINED.value)}, MAX, DESC, 10)",
            label=f"${{PROP('Dim.{CLUSTER_DIMENSION}')}} ${{PROP('Dim.{INSTANCE_DIMENSION}')}}",
            period=self._period,
        )

    def _by_cluster(self, metric: Metric) -> cloudwatch.IMetric:
        return cloudwatch.SearchExpression(
            expression=self._search(metric.value),
            label=f"${{PROP('Dim.{CLUSTER_DIMENSION}')}}",
            period=self._period,
        )

    def _total(self, metric: Metric, label: str) -> cloudwatch.IMetric:
        return cloudwatch.SearchExpression(
            expression=f"SUM({self._search(metric.value)})", label=label, period=self._period
        )

    def _worst(self, metric: Metric, label: str) -> cloudwatch.Metric:
        return self._metric(metric, label, WORST_CLUSTER_STATISTIC)

    def _of_cluster(self, metric: Metric, label: str, color: str | None = None) -> cloudwatch.Metric:
        return self._metric(metric, label, metric.value.statistic, {CLUSTER_DIMENSION: CHOSEN_CLUSTER}, color)

    def _metric(
        self,
        metric: Metric,
        label: str,
        statistic: str,
        dimensions: Mapping[str, str] | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=metric.metric_name,
            dimensions_map=dimensions,
            statistic=statistic,
            period=self._period,
            label=label,
            color=color,
        )

    def _worked_out(
        self, expression: str, label: str, color: str, of: Mapping[str, cloudwatch.IMetric]
    ) -> cloudwatch.IMetric:
        return _expression(expression, label, color, of, self._period)

    def _search(self, published: Published, further: str = "") -> str:
        terms = f"{self._matching(published)} {further}".rstrip()
        return _search(terms, published.statistic, int(self._period.to_seconds()))

    def _matching(self, published: Published) -> str:
        return f'{_schema(self._namespace, published.scope.value)} MetricName="{published.name}"'

    def _floor(self) -> cloudwatch.HorizontalAnnotation:
        floor = self._settings.floor_bytes_per_second
        return _line(floor, "floor: less counts as nothing")


def dashboard_name(stack: Stack) -> str:
    """The dashboard's name. Names of dashboards are the account's, so it ends in stack and region."""
    return f"{stack.stack_name}-{Aws.REGION}"


def dashboard_url(stack: Stack, region: str | None) -> str:
    """The dashboard's URL, which depends on no resource, so functions can be deployed before it.

    `region` says which partition's console it is in; None is the region that `cdk` found credentials for.
    """
    return f"{_console(region)}#dashboards/dashboard/{dashboard_name(stack)}"


def _console(region: str | None) -> str:
    region = region or os.environ.get("CDK_DEFAULT_REGION") or "us-east-1"
    partition = RegionInfo.get(region).partition or "aws"
    if partition not in CONSOLES:
        raise SettingsError(
            f"regions: {region} is in {partition}; enigap knows the partitions {', '.join(CONSOLES)}."
        )
    host = CONSOLES[partition]
    return f"https://{Aws.REGION}.{host}/cloudwatch/home?region={Aws.REGION}"


def _log_url(function: lambda_.Function, region: str | None) -> str:
    # The names that CloudFormation makes are of letters, digits and hyphens: nothing is to be encoded.
    return f"{_console(region)}#logsV2:log-groups/log-group/{function.log_group.log_group_name}"


def _text(markdown: str, height: int = 1) -> cloudwatch.IWidget:
    return cloudwatch.TextWidget(markdown=markdown, width=WIDTH, height=height)


def _number(title: str, metrics: list[cloudwatch.IMetric]) -> cloudwatch.IWidget:
    return cloudwatch.SingleValueWidget(
        title=title, metrics=metrics, sparkline=True, width=WIDTH // 4, height=4
    )


def _graph(
    title: str,
    unit: str,
    metrics: Sequence[cloudwatch.IMetric],
    lines: Iterable[cloudwatch.HorizontalAnnotation] = (),
    *,
    row_has: int = 3,
    stacked: bool = False,
) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=metrics,
        left_annotations=list(lines),
        left_y_axis=cloudwatch.YAxisProps(min=0, label=unit, show_units=False),
        stacked=stacked,
        width=WIDTH // row_has,
        height=6,
    )


def _line(value: float, label: str) -> cloudwatch.HorizontalAnnotation:
    return cloudwatch.HorizontalAnnotation(value=value, label=label, color=RED)


def _expression(
    expression: str, label: str, color: str, of: Mapping[str, cloudwatch.IMetric], period: Duration
) -> cloudwatch.IMetric:
    return cloudwatch.MathExpression(
        expression=expression, label=label, color=color, using_metrics=of, period=period
    )


def _eni(meter: Meter) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=meter.namespace,
        metric_name=meter.metric,
        dimensions_map={INSTANCE_DIMENSION: CHOSEN_NODE},
        statistic=meter.statistic,
        period=Duration.seconds(meter.period.total_seconds()),
    )


def _schema(namespace: str, dimensions: Iterable[str]) -> str:
    return "{" + ",".join(f'"{name}"' for name in (namespace, *dimensions)) + "}"


def _search(terms: str, statistic: str, seconds: int) -> str:
    return f"SEARCH('{terms}', '{statistic}', {seconds})"
