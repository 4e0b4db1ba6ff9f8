"""What a cluster does publish, where no node of it publishes node_network_total_bytes.

Without an instance id a series cannot be given to a node, and it is not read. So a cluster of which nothing
is read can have agents all the same, and installing another would be billed for nothing:

* agents that cannot reach the instance metadata (IMDS) publish the cluster's total alone, or name a node
  without its instance id, and so do their log events;
* agents with a configuration of their own may publish other metrics, or write events only: their
  `metric_declarations` leave this metric out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Any, Final, Protocol

from enigap.aws.device_events import log_group
from enigap.aws.errors import AwsProblem, calling, region_of
from enigap.aws.names import takes
from enigap.aws.pages import items, pages
from enigap.aws.placement import FARGATE, INSTANCE_ID
from enigap.core.counting.meters import (
    CLUSTER_DIMENSION,
    INSTANCE_DIMENSION,
    NODE_DIMENSION,
    OS_METRIC,
    OS_NAMESPACE,
)
from enigap.core.counting.window import PERIOD, FetchSpan
from enigap.core.strict import text

_METRIC_NAME: Final = re.compile(r"[a-z0-9_]{1,100}")
"""As the agent names metrics. Others can be made up by all who may publish, and are not shown."""
_MOST_PAGES: Final = 3
_MOST_SERIES: Final = 5
"""Of which datapoints are asked for. They are billed as so many metrics."""


class CloudWatch(Protocol):
    """The part of boto3's CloudWatch client that is used here."""

    def list_metrics(self, **request: Any) -> dict[str, Any]: ...
    def get_metric_data(self, **request: Any) -> dict[str, Any]: ...


class Logs(Protocol):
    """The part of boto3's CloudWatch Logs client that is used here."""

    def filter_log_events(self, **request: Any) -> dict[str, Any]: ...


def why_not_read(cloudwatch: CloudWatch, logs: Logs, cluster: str, span: FetchSpan) -> str | None:
    """What the cluster publishes instead, and the remedy, as a clause; None if it publishes nothing."""
    if not takes("CloudWatch", cluster):
        return None
    anonymous = [one for one in _listed(cloudwatch, cluster, OS_METRIC) if not _has_instance_id(one[1])]
    if _has_datapoint(cloudwatch, anonymous, span):
        return f"its agents publish it without an instance id{_imds(region_of(cloudwatch))}"
    ids = _instance_ids_of_events(logs, cluster, span)
    if ids and not any(INSTANCE_ID.fullmatch(each) for each in ids):
        return f"the events of its agents carry no instance id{_imds(region_of(cloudwatch))}"
    others = [one for one in _listed(cloudwatch, cluster) if one[0] != OS_METRIC]
    others.sort(key=lambda one: (len(one[1]), one[0]))
    shown = {name for name, _ in others if _METRIC_NAME.fullmatch(name)}
    names = sorted({name for name in shown if name.startswith("node_")} or shown)
    if ids or _has_datapoint(cloudwatch, others, span):
        what = "write device events" if ids and not others else "publish other metrics"
        what += f" ({', '.join(names[:3])})" if names else ""
        return (
            f"its agents {what} and leave this one out: add {OS_METRIC} with the dimensions "
            f"{CLUSTER_DIMENSION}, {INSTANCE_DIMENSION} and {NODE_DIMENSION} to the `metric_declarations` of "
            "their configuration"
        )
    return None


def _imds(region: str | None) -> str:
    of_region = f" --region {region}" if region else ""
    return (
        ", for they cannot reach the instance metadata (IMDS), whose hop limit is 1 or which is blocked for "
        "pods; `aws ec2 modify-instance-metadata-options --http-endpoint enabled "
        f"--http-put-response-hop-limit 2{of_region} --instance-id` with a node's id lets them, the launch "
        "template does so for new nodes, and the agents have to be restarted"
    )


_Series = tuple[str, Mapping[str, str]]
"""A metric's name and its dimensions."""


def _has_instance_id(dimensions: Mapping[str, str]) -> bool:
    """Whether the series says which machine it is of: an EC2 instance, a hybrid node (`mi-`), Fargate's."""
    named = dimensions.get(INSTANCE_DIMENSION, "")
    is_fargate = dimensions.get(NODE_DIMENSION, "").startswith(FARGATE)
    return is_fargate or INSTANCE_ID.fullmatch(named.removeprefix("m")) is not None


def _listed(cloudwatch: CloudWatch, cluster: str, metric: str | None = None) -> list[_Series]:
    """The first of the cluster's series that were active in the last three hours; none on a failure."""
    request: dict[str, Any] = {
        "Namespace": OS_NAMESPACE,
        "Dimensions": [{"Name": CLUSTER_DIMENSION, "Value": cluster}],
        "RecentlyActive": "PT3H",
    }
    if metric:
        request["MetricName"] = metric
    found: list[_Series] = []
    listed = pages("cloudwatch:ListMetrics", cloudwatch, cloudwatch.list_metrics, request, _series_of_page)
    with suppress(AwsProblem):
        for page in islice(listed, _MOST_PAGES):
            found += page
    return found


def _series_of_page(page: Mapping[str, Any]) -> list[_Series]:
    return [
        (
            text(each["MetricName"]),
            {text(pair["Name"]): text(pair["Value"]) for pair in items(each, "Dimensions")},
        )
        for each in items(page, "Metrics")
    ]


def _has_datapoint(cloudwatch: CloudWatch, series: Sequence[_Series], span: FetchSpan) -> bool:
    """Whether one of the first series has a datapoint in the span; the list also has what was before it."""
    if not series:
        return False
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": OS_NAMESPACE,
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                },
                "Period": PERIOD // timedelta(seconds=1),
                "Stat": "Average",
            },
        }
        for number, (name, dimensions) in enumerate(series[:_MOST_SERIES])
    ]
    try:
        with calling("cloudwatch:GetMetricData", cloudwatch):
            answer = cloudwatch.get_metric_data(
                MetricDataQueries=queries, StartTime=span.start, EndTime=span.end
            )
            return any(result.get("Values") for result in items(answer, "MetricDataResults"))
    except AwsProblem:
        return False


def _instance_ids_of_events(logs: Logs, cluster: str, span: FetchSpan) -> set[str]:
    """The instance ids in some device events of the cluster, an empty one where an event has none."""
    if not takes("Logs", cluster):
        return set()
    request = {
        "logGroupName": log_group(cluster),
        "startTime": int(span.start.timestamp() * 1000),
        "endTime": int(span.end.timestamp() * 1000),
        "filterPattern": '{ $.Type = "NodeNet" }',
        "limit": 100,
    }

    def read(page: Mapping[str, Any]) -> set[str]:
        named = (_instance_id(text(each["message"])) for each in items(page, "events"))
        return {found for found in named if found is not None}

    tokens = ("nextToken", "nextToken")
    listed = pages("logs:FilterLogEvents", logs, logs.filter_log_events, request, read, tokens=tokens)
    with suppress(AwsProblem):
        return next(filter(None, islice(listed, _MOST_PAGES)), set())
    return set()


def _instance_id(message: str) -> str | None:
    """The instance id of a device event, empty without one; None for anything else."""
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("Type") != "NodeNet":
        return None
    named = event.get(INSTANCE_DIMENSION, "")
    return named if isinstance(named, str) else None
