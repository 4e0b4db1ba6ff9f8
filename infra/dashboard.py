"""The CloudWatch dashboard: unexplained nodes, traffic, and the health of enigap itself."""

import os
from collections.abc import Iterable, Sequence
from typing import Final

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk.region_info import RegionInfo
from constructs import Construct

from enigap.core.console import CONSOLES
from enigap.core.published import WORST_CLUSTER_STATISTIC, Metric, Publish, Published
from enigap.settings import Settings

WIDTH: Final = 24
A_ROW_HAS: Final = 3
"""Graphs in a row, by default."""

GUIDE: Final = (
    "**unexplained**: the operating system and the network interfaces disagree by more than counting "
    "accounts for. **silent**: only one of the two sides reports. **unverified**: it takes per-device "
    "evidence to tell, and there is none. **node-local**: at least so much is traffic inside a "
    "node, which the operating system counts and no interface carries.\n\n"
    "`enigap check` shows every node with its reason, `enigap explain INSTANCE_ID` one of them by device."
)

ABOUT_NODES: Final = " The graphs of nodes search 500 of them at most; the commands see all."


class Dashboard(Construct):
    """The dashboard."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        alarms: Sequence[cloudwatch.Alarm],
        functions: Sequence[lambda_.Function],
        queues: Sequence[sqs.Queue],
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace = settings.metric_namespace
        self._period = Duration.minutes(settings.schedule_minutes)
        dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=dashboard_name(Stack.of(self)),
            default_interval=Duration.hours(12),
        )
        nodes_have_metrics = settings.publish is not Publish.CLUSTER
        guide = GUIDE + ABOUT_NODES if nodes_have_metrics else GUIDE
        dashboard.add_widgets(cloudwatch.TextWidget(markdown=guide, width=WIDTH, height=3))
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(alarms=list(alarms), title="Alarms", width=WIDTH, height=3)
        )
        dashboard.add_widgets(
            self._by_cluster("Unexplained nodes", Metric.NODES_UNEXPLAINED),
            self._by_cluster("Silent nodes", Metric.NODES_SILENT),
            self._by_cluster(
                "Unverified and unreadable nodes", Metric.NODES_UNVERIFIED, Metric.NODES_UNREADABLE
            ),
        )
        dashboard.add_widgets(
            self._by_cluster("Largest unexplained rate", Metric.CLUSTER_UNEXPLAINED, row_has=2),
            self._by_cluster(
                "Traffic: OS, ENI, node-local",
                Metric.OS_BYTES,
                Metric.ENI_BYTES,
                Metric.NODE_LOCAL_BYTES,
                row_has=2,
            ),
        )
        if nodes_have_metrics:
            nodes = "Flagged nodes only" if settings.publish is Publish.FLAGGED else "Nodes"
            dashboard.add_widgets(
                self._highest_nodes(f"{nodes}: most unexplained bytes", Metric.NODE_UNEXPLAINED),
                self._highest_nodes(
                    f"{nodes}: highest OS to ENI ratio (high is normal where pods of one node talk)",
                    Metric.NODE_OS_TO_ENI_RATIO,
                ),
            )
        dashboard.add_widgets(
            _graph("Clusters overdue", [self._worst(Metric.CLUSTERS_OVERDUE)]),
            _graph(
                "Failures of the functions",
                [metric for each in functions for metric in (each.metric_errors(), each.metric_throttles())],
            ),
            _graph("Messages waiting, dead letters included", map(_waiting, queues)),
        )
        dashboard.add_widgets(
            _graph("Duration", [each.metric_duration(statistic="Maximum") for each in functions]),
            self._by_cluster("Nodes judged; surprises", Metric.NODES_JUDGED, Metric.SURPRISES),
            self._by_cluster("CloudWatch metrics billed for each run", Metric.BILLED_METRICS),
        )

    def _by_cluster(self, title: str, *metrics: Metric, row_has: int = A_ROW_HAS) -> cloudwatch.GraphWidget:
        return _graph(title, [self._search(metric.value) for metric in metrics], row_has)

    def _highest_nodes(self, title: str, metric: Metric) -> cloudwatch.GraphWidget:
        highest = f"SORT({self._expression(metric.value)}, MAX, DESC, 10)"
        search = cloudwatch.SearchExpression(expression=highest, label="", period=self._period)
        return _graph(title, [search], row_has=2)

    def _search(self, published: Published) -> cloudwatch.SearchExpression:
        return cloudwatch.SearchExpression(
            expression=self._expression(published), label="", period=self._period
        )

    def _expression(self, published: Published) -> str:
        schema = ",".join(f'"{name}"' for name in (self._namespace, *published.scope.value))
        seconds = int(self._period.to_seconds())
        return f"SEARCH('{{{schema}}} MetricName=\"{published.name}\"', '{published.statistic}', {seconds})"

    def _worst(self, metric: Metric) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=metric.metric_name,
            statistic=WORST_CLUSTER_STATISTIC,
            period=self._period,
        )


def dashboard_name(stack: Stack) -> str:
    """The dashboard's name. Names of dashboards are the account's, so it ends in stack and region."""
    return f"{stack.stack_name}-{Aws.REGION}"


def dashboard_url(stack: Stack, region: str | None) -> str:
    """The dashboard's URL, which depends on no resource, so functions can be deployed before it.

    `region` says which partition's console it is in; None is the region that `cdk` found credentials for.
    """
    region = region or os.environ.get("CDK_DEFAULT_REGION") or "us-east-1"
    host = CONSOLES[RegionInfo.get(region).partition or "aws"]
    console = f"https://{Aws.REGION}.{host}/cloudwatch/home?region={Aws.REGION}"
    return f"{console}#dashboards/dashboard/{dashboard_name(stack)}"


def _graph(
    title: str, metrics: Iterable[cloudwatch.IMetric], row_has: int = A_ROW_HAS
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=WIDTH // row_has, height=6)


def _waiting(queue: sqs.Queue) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(statistic="Maximum")
