"""GetMetricStatistics: one metric a call, which is how CloudWatch is read by whatever knows no better.

enigap does not use it; others do, and are measured beside it. It is as strict as the rest: the exact set of
dimensions, whole periods, at most 1,440 datapoints a call. Buckets lie on whole multiples of the period, as
for GetMetricData, and each unit has buckets of its own. AWS promises no order, and gets none here: a client
that relies on one fails.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from tests.fakes.strict_cloudwatch.protocol import AwsError
from tests.fakes.strict_cloudwatch.store import STATISTICS, MetricIdentity, Store, floor_to
from tests.fakes.strict_cloudwatch.validation import (
    UNITS,
    Refusals,
    choice,
    dimensions_of,
    epoch_number,
    finest_period,
    identity_problems,
    members,
    not_modelled,
    not_one_of,
    period_problems,
    text,
    whole_number,
)

DATAPOINTS_PER_CALL: Final = 1_440


class StatisticsRequest(NamedTuple):
    """An accepted GetMetricStatistics: epoch seconds, `start` rounded down and inclusive, `end` exclusive."""

    identity: MetricIdentity
    statistics: tuple[str, ...]
    unit: str | None
    start: int
    end: int
    period: int
    finest_period: int


def get_metric_statistics(parameters: Mapping[str, Any], store: Store, now: datetime) -> dict[str, Any]:
    """The answer to a GetMetricStatistics. Raises AwsError for what AWS refuses."""
    wanted = accepted(parameters, now)
    points = [point for unit in _units(wanted, store) for point in _datapoints(wanted, store, unit)]
    points.sort(key=lambda point: point["Timestamp"] * 2_654_435_761 % 2**32)  # an order of no use to anybody
    return {"Label": wanted.identity.name, "Datapoints": points}


def accepted(parameters: Mapping[str, Any], now: datetime) -> StatisticsRequest:
    """What a GetMetricStatistics asks for. Raises AwsError for what AWS refuses."""
    refusals = Refusals("InvalidParameterValue")
    for name in ("Namespace", "MetricName", "StartTime", "EndTime", "Period"):
        if parameters.get(name) is None:
            refusals.add(f"The parameter {name} is required.", "MissingParameter")
    refusals.raise_if_any()
    if parameters.get("ExtendedStatistics"):
        refusals.add(not_modelled("percentiles: use Statistics"))
    statistics = tuple(members(parameters, "Statistics"))
    if not statistics:
        refusals.add("The parameter Statistics is required.", "MissingParameter")
    if not STATISTICS.issuperset(statistics):
        refusals.add(not_one_of("Statistics", STATISTICS))
    identity = MetricIdentity(
        text(parameters, "Namespace") or "",
        text(parameters, "MetricName") or "",
        dimensions_of(parameters, ""),
    )
    for problem in identity_problems(identity, ""):
        refusals.add(problem)
    period = whole_number(parameters, "Period") or 0
    for problem in period_problems(period, "Period"):
        refusals.add(problem)
    unit = choice(parameters, "Unit", UNITS, refusals)
    start, end = epoch_number(parameters, "StartTime") or 0.0, epoch_number(parameters, "EndTime") or 0.0
    if start >= end:
        refusals.add("The parameter StartTime must be less than the parameter EndTime.")
    refusals.raise_if_any()
    if (count := math.ceil((end - start) / period)) > DATAPOINTS_PER_CALL:
        message = (
            f"You have requested up to {count:,} datapoints, which exceeds the limit of "
            f"{DATAPOINTS_PER_CALL:,}. You may reduce the datapoints requested by increasing Period, or "
            "decreasing the time range."
        )
        raise AwsError("InvalidParameterCombination", message)
    finest = finest_period(start, now)
    return StatisticsRequest(
        identity, statistics, unit, floor_to(math.floor(start), finest), math.ceil(end), period, finest
    )


def _units(wanted: StatisticsRequest, store: Store) -> list[str]:
    units = store.units(wanted.identity)
    return [unit for unit in units if wanted.unit in {None, unit}]


def _datapoints(wanted: StatisticsRequest, store: Store, unit: str) -> Iterator[dict[str, Any]]:
    if wanted.period % wanted.finest_period:
        return
    columns: dict[str, list[float]] = {}
    seconds: list[int] = []
    for statistic in wanted.statistics:
        seconds, columns[statistic] = store.read(
            wanted.identity, statistic, unit=unit, start=wanted.start, end=wanted.end, period=wanted.period
        )
    for index, second in enumerate(seconds):
        values = {statistic: column[index] for statistic, column in columns.items()}
        yield {"Timestamp": second, "Unit": unit, **values}
