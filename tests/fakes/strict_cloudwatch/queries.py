"""Short ways to write what GetMetricData and PutMetricData take."""

from typing import Any

from tests.fakes.strict_cloudwatch.store import MetricIdentity


def query(
    identity: MetricIdentity, statistic: str = "Sum", *, period: int = 60, query_id: str = "q", **more: Any
) -> dict[str, Any]:
    """A MetricDataQuery; `more` are further members of it, or a Unit."""
    unit = {"Unit": more.pop("Unit")} if "Unit" in more else {}
    metric_stat = {"Metric": metric_of(identity), "Period": period, "Stat": statistic, **unit}
    return {"Id": query_id, "MetricStat": metric_stat, **more}


def metric_of(identity: MetricIdentity) -> dict[str, Any]:
    """A Metric as requests and answers have it."""
    dimensions = [{"Name": name, "Value": value} for name, value in identity.dimensions]
    return {"Namespace": identity.namespace, "MetricName": identity.name, "Dimensions": dimensions}


def datum(identity: MetricIdentity, **measured: Any) -> dict[str, Any]:
    """A MetricDatum; `measured` are its Value, Timestamp, Unit and the like."""
    about = metric_of(identity)
    return {"MetricName": about["MetricName"], "Dimensions": about["Dimensions"], **measured}
