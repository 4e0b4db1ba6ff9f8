"""From the parameters of a request to what it asks for, or to the error that AWS gives instead.

Codes and messages are AWS's own where they are on public record. What AWS would take and this fake does not
imitate is refused too, in words that say so: being silently wrong is what this fake exists to avoid.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from tests.fakes.strict_cloudwatch.protocol import AwsError, Request, place_of_token
from tests.fakes.strict_cloudwatch.store import (
    MINUTE_SECONDS,
    NO_UNIT,
    STATISTICS,
    MetricIdentity,
    StatisticSet,
    epoch_second,
    floor_to,
    instant_of,
)

QUERIES_PER_CALL: Final = 500
DATAPOINTS_PER_CALL: Final = 100_800
DATUMS_PER_CALL: Final = 1_000
PUT_BODY_BYTES: Final = 1_048_576
VALUES_PER_DATUM: Final = 150
DIMENSIONS_PER_METRIC: Final = 30
DIMENSION_FILTERS: Final = 10
LARGEST_VALUE: Final = 2.0**360
OLDEST_DATUM: Final = timedelta(days=14)
NEWEST_DATUM: Final = timedelta(hours=2)
KEPT_FOR: Final = timedelta(days=455)

_BYTES = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes")
_BITS = ("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits")
_COUNTABLE = (*_BYTES, *_BITS, "Count")
_TIMES = ("Seconds", "Microseconds", "Milliseconds")
UNITS: Final = frozenset(
    {*_COUNTABLE, *(f"{unit}/Second" for unit in _COUNTABLE), *_TIMES, "Percent", NO_UNIT}
)

_QUERY_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_PRINTABLE = re.compile(r"[ -~]*[!-~][ -~]*")  # ASCII, no control characters, something besides blanks
_EXTENDED_STATISTIC = re.compile(r"(p|tm|tc|ts|wm)\d+(\.\d+)?|IQM|(PR|TM|TC|TS|WM)\(.*\)")

# How fine and how far back datapoints are kept decides what a request's StartTime is rounded down to, and the
# smallest period that returns anything: (StartTime at least this old, seconds).
_RESOLUTIONS = ((timedelta(days=63), 3_600), (timedelta(days=15), 300), (timedelta.min, MINUTE_SECONDS))


class Datum(NamedTuple):
    """One accepted element of PutMetricData."""

    identity: MetricIdentity
    at: datetime
    samples: StatisticSet
    unit: str


class Query(NamedTuple):
    """One accepted element of GetMetricData."""

    id: str
    label: str
    identity: MetricIdentity
    statistic: str
    period: int
    unit: str | None
    return_data: bool
    account_id: str | None


class MetricDataRequest(NamedTuple):
    """An accepted GetMetricData: epoch seconds, `start` rounded down and inclusive, `end` exclusive."""

    queries: list[Query]
    start: int
    end: int
    finest_period: int
    newest_first: bool
    max_datapoints: int
    resume_query: int
    resume_second: int | None


class ListMetricsRequest(NamedTuple):
    """An accepted ListMetrics: metrics that match, from the `offset`-th on."""

    namespace: str | None
    name: str | None
    dimensions: list[tuple[str, str | None]]
    recently_active: bool
    offset: int


class Refusals:
    """All that is wrong with a request: AWS lists it a line each, under the code of the first."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._found: list[tuple[str, str]] = []

    def add(self, message: str, code: str | None = None) -> None:
        self._found.append((code or self._code, message))

    def raise_if_any(self) -> None:
        if self._found:
            code = self._found[0][0]
            raise AwsError(code, "\n".join(message for found, message in self._found if found == code))


# --- AWS's phrases ---


def invalid(value: object, name: str) -> str:
    return f"The value {value} for parameter {name} is invalid."


def too_many(name: str, limit: int) -> str:
    return f"The collection {name} must not have a size greater than {limit}."


def exclusive(one: str, other: str) -> str:
    return f"The parameters {one} and {other} are mutually exclusive and you have specified both."


def not_one_of(name: str, choices: Iterable[str]) -> str:
    return f"The parameter {name} must be a value in the set [ {', '.join(sorted(choices))} ]."


def not_modelled(what: str) -> str:
    """What only this fake says: AWS would take the request."""
    return f"strict_cloudwatch does not model {what}."


# --- what operations share ---


def members(parameters: Mapping[str, Any], name: str) -> list[Any]:
    """A list parameter, empty when absent."""
    value = parameters.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise AwsError("SerializationException", f"{name} is not a list")
    return value


def text(parameters: Mapping[str, Any], name: str) -> str | None:
    """A string parameter, None when absent."""
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise AwsError("SerializationException", f"{name} is not a string")
    return value


def whole_number(parameters: Mapping[str, Any], name: str) -> int | None:
    """An integer parameter, None when absent."""
    value = parameters.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise AwsError("SerializationException", f"{name} is not an integer")
    return value


def epoch_number(parameters: Mapping[str, Any], name: str) -> float | None:
    """An instant in seconds since the epoch, None when absent."""
    value = parameters.get(name)
    if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise AwsError("SerializationException", f"{name} is not an epoch timestamp")
    return value


def choice(
    parameters: Mapping[str, Any], name: str, choices: frozenset[str], refusals: Refusals
) -> str | None:
    """A string parameter that has to be one of a few."""
    value = text(parameters, name)
    if value is not None and value not in choices:
        refusals.add(not_one_of(name, choices))
    return value


def dimensions_of(structure: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    """Dimensions as a metric's identity has them: sorted, for their order means nothing."""
    try:
        return tuple(sorted([(pair["Name"], pair["Value"]) for pair in structure.get("Dimensions") or ()]))
    except (TypeError, KeyError) as broken:
        message = f"{where}Dimensions is not a list of Name and Value"
        raise AwsError("SerializationException", message) from broken


def identity_problems(identity: MetricIdentity, where: str) -> Iterator[str]:
    """What is wrong with a metric's namespace, name or dimensions."""
    namespace, name, dimensions = identity
    if not _is_namespace(namespace):
        yield invalid(namespace, f"{where}Namespace")
    if not _is_name(name, 255):
        yield invalid(name, f"{where}MetricName")
    if not dimensions:
        return
    if len(dimensions) > DIMENSIONS_PER_METRIC:
        yield too_many(f"{where}Dimensions", DIMENSIONS_PER_METRIC)
    if len(dict(dimensions)) < len(dimensions):
        yield f"The collection {where}Dimensions must not have a dimension name more than once."
    for key, value in dimensions:
        if not _is_name(key, 255) or key.startswith(":"):
            yield invalid(key, f"{where}Dimensions.Name")
        if not _is_name(value, 1024):
            yield invalid(value, f"{where}Dimensions.Value")


def _is_namespace(value: object) -> bool:
    return _is_name(value, 255) and not str(value).startswith(":")


def _is_name(value: object, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and _PRINTABLE.fullmatch(value) is not None


# --- PutMetricData ---


def put_metric_data(request: Request, now: datetime, *, aws_namespaces: bool) -> list[Datum]:
    """What a PutMetricData stores: all of it, or an error and nothing."""
    parameters = request.parameters
    if request.size_bytes > PUT_BODY_BYTES:
        raise AwsError("RequestEntityTooLarge", f"The request is larger than {PUT_BODY_BYTES} bytes.", 413)
    if parameters.get("EntityMetricData"):
        raise AwsError("InvalidParameterValue", not_modelled("entities: use MetricData"))
    namespace, data = text(parameters, "Namespace"), members(parameters, "MetricData")
    if namespace is None:
        raise AwsError("MissingParameter", "The parameter Namespace is required.")
    if not data:
        raise AwsError("MissingParameter", "The parameter MetricData is required.")
    if len(data) > DATUMS_PER_CALL:
        raise AwsError("InvalidParameterValue", too_many("MetricData", DATUMS_PER_CALL))
    reserved = namespace.startswith("AWS/") and not aws_namespaces
    if reserved or not _is_namespace(namespace):
        raise AwsError("InvalidParameterValue", invalid(namespace, "Namespace"))
    refusals = Refusals("InvalidParameterValue")
    accepted = [
        _datum(datum, namespace, f"MetricData.member.{position}.", now, refusals)
        for position, datum in enumerate(data, 1)
    ]
    refusals.raise_if_any()
    return [datum for datum in accepted if datum is not None]


def _datum(raw: Any, namespace: str, where: str, now: datetime, refusals: Refusals) -> Datum | None:
    if not isinstance(raw, dict):
        raise AwsError("SerializationException", f"{where} is not a structure")
    name = text(raw, "MetricName")
    if name is None:
        refusals.add(f"The parameter {where}MetricName is required.", "MissingParameter")
        return None
    identity = MetricIdentity(namespace, name, dimensions_of(raw, where))
    for problem in identity_problems(identity, where):
        refusals.add(problem)
    unit = text(raw, "Unit") or NO_UNIT
    if unit not in UNITS:
        refusals.add(not_one_of(f"{where}Unit", UNITS))
    _check_storage_resolution(raw, where, refusals)
    at = _timestamp(raw, where, now, refusals)
    samples = _samples(raw, where, refusals)
    return None if at is None or samples is None else Datum(identity, at, samples, unit)


def _check_storage_resolution(raw: Mapping[str, Any], where: str, refusals: Refusals) -> None:
    resolution = whole_number(raw, "StorageResolution")
    if resolution == 1:
        refusals.add(not_modelled(f"less than a minute: {where}StorageResolution has to be 60"))
    elif resolution not in {None, 60}:
        refusals.add(invalid(resolution, f"{where}StorageResolution"))


def _timestamp(raw: Mapping[str, Any], where: str, now: datetime, refusals: Refusals) -> datetime | None:
    second = epoch_number(raw, "Timestamp")
    if second is None:
        return now
    if second < (now - OLDEST_DATUM).timestamp():
        refusals.add(f"The parameter {where}Timestamp must specify a time within the past two weeks.")
        return None
    if second > (now + NEWEST_DATUM).timestamp():
        refusals.add(f"The parameter {where}Timestamp must specify a time within the next two hours.")
        return None
    return instant_of(second)


def _samples(raw: Mapping[str, Any], where: str, refusals: Refusals) -> StatisticSet | None:
    given = [name for name in ("Value", "Values", "StatisticValues") if raw.get(name) is not None]
    if not given:
        message = f"At least one of the parameters {where}Value and {where}StatisticValues must be specified."
        refusals.add(message, "MissingParameter")
        return None
    if raw.get("Counts") is not None and given != ["Values"]:
        refusals.add(f"The parameter {where}Counts needs {where}Values.", "InvalidParameterCombination")
    if len(given) > 1:
        message = exclusive(f"{where}{given[0]}", f"{where}{given[1]}")
        refusals.add(message, "InvalidParameterCombination")
        return None
    if given == ["Value"]:
        value = _number(raw["Value"], f"{where}Value", refusals)
        return None if value is None else StatisticSet(value, 1.0, value, value)
    if given == ["Values"]:
        return _values_and_counts(raw, where, refusals)
    return _statistic_values(raw["StatisticValues"], f"{where}StatisticValues.", refusals)


def _values_and_counts(raw: Mapping[str, Any], where: str, refusals: Refusals) -> StatisticSet | None:
    values, counts = members(raw, "Values"), members(raw, "Counts")
    if len(values) > VALUES_PER_DATUM:
        refusals.add(too_many(f"{where}Values", VALUES_PER_DATUM))
        return None
    if not values:
        refusals.add(f"The collection {where}Values must not be empty.")
        return None
    if counts and len(counts) != len(values):
        refusals.add(f"The parameters {where}Values and {where}Counts must be of the same size.")
        return None
    numbers = [_number(value, f"{where}Values.member.{at}", refusals) for at, value in enumerate(values, 1)]
    weights = [_number(count, f"{where}Counts.member.{at}", refusals) for at, count in enumerate(counts, 1)]
    if any(weight is not None and weight <= 0 for weight in weights):
        refusals.add(f"The members of {where}Counts must be greater than 0.")
    if None in numbers or None in weights:
        return None
    known, known_weights = [n for n in numbers if n is not None], [w for w in weights if w is not None]
    return StatisticSet.of(known, known_weights or None)


def _statistic_values(raw: Any, where: str, refusals: Refusals) -> StatisticSet | None:
    if not isinstance(raw, dict):
        raise AwsError("SerializationException", f"{where[:-1]} is not a structure")
    missing = [name for name in ("Sum", "SampleCount", "Minimum", "Maximum") if raw.get(name) is None]
    for name in missing:
        refusals.add(f"The parameter {where}{name} is required.", "MissingParameter")
    if missing:
        return None
    total = _number(raw["Sum"], f"{where}Sum", refusals)
    samples = _number(raw["SampleCount"], f"{where}SampleCount", refusals)
    low = _number(raw["Minimum"], f"{where}Minimum", refusals)
    high = _number(raw["Maximum"], f"{where}Maximum", refusals)
    if total is None or samples is None or low is None or high is None:
        return None
    if samples <= 0:
        refusals.add(f"The parameter {where}SampleCount must be greater than 0.")
    if low > high:
        refusals.add(f"The parameter {where}Maximum must be greater than {where}Minimum.")
    return StatisticSet(total, samples, low, high)


def _number(value: Any, name: str, refusals: Refusals) -> float | None:
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:  # as awsJson writes them
        refusals.add(invalid(value, name))
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise AwsError("SerializationException", f"{name} is not a number")
    if abs(value) > LARGEST_VALUE:
        refusals.add(invalid(value, name))
        return None
    return float(value)


# --- GetMetricData ---


def get_metric_data(parameters: Mapping[str, Any], now: datetime) -> MetricDataRequest:
    """What a GetMetricData asks for."""
    refusals = Refusals("ValidationError")
    raw_queries = members(parameters, "MetricDataQueries")
    if not raw_queries:
        refusals.add("The parameter MetricDataQueries is required.")
    if len(raw_queries) > QUERIES_PER_CALL:
        refusals.add(too_many("MetricDataQueries", QUERIES_PER_CALL))
    checked = [
        _query(raw, f"MetricDataQueries.member.{at}.", refusals) for at, raw in enumerate(raw_queries, 1)
    ]
    queries = [query for query in checked if query is not None]
    if len({query.id for query in queries}) < len(queries):
        refusals.add("The values for parameter id in MetricDataQueries are not unique.")
    start, end = _time_range(parameters, refusals)
    scan_by = choice(parameters, "ScanBy", frozenset({"TimestampAscending", "TimestampDescending"}), refusals)
    most = whole_number(parameters, "MaxDatapoints")
    if most is not None and not 1 <= most <= DATAPOINTS_PER_CALL:
        refusals.add(f"The parameter MaxDatapoints must be between 1 and {DATAPOINTS_PER_CALL}.")
    refusals.raise_if_any()
    try:
        place = place_of_token(parameters, 2)
    except ValueError as wrong:
        raise AwsError("InvalidNextToken", f"{wrong}.") from wrong
    resolution = finest_period(start, now)
    return MetricDataRequest(
        queries=queries,
        start=max(floor_to(math.floor(start), resolution), epoch_second(now - KEPT_FOR)),
        end=math.ceil(end),
        finest_period=resolution,
        newest_first=scan_by != "TimestampAscending",
        max_datapoints=most or DATAPOINTS_PER_CALL,
        resume_query=place[0] if place else 0,
        resume_second=place[1] if place else None,
    )


def finest_period(start: float, now: datetime) -> int:
    """The smallest period in seconds that still has datapoints for a request that starts at `start`."""
    age_seconds = now.timestamp() - start
    return next(seconds for age, seconds in _RESOLUTIONS if age_seconds > age.total_seconds())


def _time_range(parameters: Mapping[str, Any], refusals: Refusals) -> tuple[float, float]:
    start, end = epoch_number(parameters, "StartTime"), epoch_number(parameters, "EndTime")
    if start is None or end is None:
        refusals.add("The parameters StartTime and EndTime are required.")
        return 0.0, 0.0
    if start == end:
        refusals.add("The parameter StartTime must not equal parameter EndTime.")
    if start > end:
        refusals.add("The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def _query(raw: Any, where: str, refusals: Refusals) -> Query | None:
    if not isinstance(raw, dict):
        raise AwsError("SerializationException", f"{where[:-1]} is not a structure")
    query_id = raw.get("Id")
    if not isinstance(query_id, str) or len(query_id) > 255 or not _QUERY_ID.fullmatch(query_id):
        wrong = f"The value {query_id} for parameter {where}Id is not matching"
        refusals.add(f"{wrong} the expected pattern ^{_QUERY_ID.pattern}$.")
        return None
    wanted = raw.get("MetricStat")
    if raw.get("Expression") is not None or wanted is None:
        _refuse_expression(raw, where, refusals)
        return None
    if raw.get("Period") is not None:
        refusals.add(exclusive(f"{where}Period", f"{where}MetricStat"))
    label = text(raw, "Label")
    if label is not None and "${" in label:
        refusals.add(not_modelled(f"dynamic labels: {where}Label has to be plain text"))
    try:
        metric, period, statistic = wanted["Metric"], wanted["Period"], str(wanted["Stat"])
        namespace, name = metric["Namespace"], metric["MetricName"]
    except (TypeError, KeyError):
        refusals.add(f"The parameter {where}MetricStat needs a Metric, a Period and a Stat.")
        return None
    identity = MetricIdentity(namespace, name, dimensions_of(metric, f"{where}MetricStat.Metric."))
    query = Query(
        id=query_id,
        label=label or name,
        identity=identity,
        statistic=statistic,
        period=period,
        unit=text(wanted, "Unit"),
        return_data=raw.get("ReturnData") is not False,
        account_id=text(raw, "AccountId"),
    )
    _check_metric_stat(query, f"{where}MetricStat.", refusals)
    return query


def _refuse_expression(raw: Mapping[str, Any], where: str, refusals: Refusals) -> None:
    if raw.get("MetricStat") is not None:
        refusals.add(exclusive(f"{where}Expression", f"{where}MetricStat"))
    elif raw.get("Expression") is not None:
        refusals.add(not_modelled(f"expressions: {where}Expression has to be a MetricStat"))
    else:
        refusals.add(
            f"At least one of the parameters {where}Expression and {where}MetricStat must be specified."
        )


def _check_metric_stat(query: Query, where: str, refusals: Refusals) -> None:
    for problem in identity_problems(query.identity, f"{where}Metric."):
        refusals.add(problem)
    for problem in period_problems(query.period, f"{where}Period"):
        refusals.add(problem)
    if query.statistic not in STATISTICS:
        if _EXTENDED_STATISTIC.fullmatch(query.statistic):
            refusals.add(not_modelled(f"single samples: {where}Stat {query.statistic} cannot be computed"))
        else:
            refusals.add(f"The value {query.statistic} for parameter {where}Stat is not a valid statistic.")
    if query.unit is not None and query.unit not in UNITS:
        refusals.add(not_one_of(f"{where}Unit", UNITS))


def period_problems(period: Any, where: str) -> Iterator[str]:
    """What is wrong with a period in seconds."""
    if not isinstance(period, int) or isinstance(period, bool):
        raise AwsError("SerializationException", f"{where} is not an integer")
    if period in {1, 5, 10, 20, 30}:
        yield not_modelled(f"less than a minute: {where} has to be a multiple of 60")
    elif period <= 0 or period % MINUTE_SECONDS:
        yield f"The parameter {where} must be a value in the set [ 1, 5, 10, 20, 30 ] or a multiple of 60."


# --- ListMetrics ---


def list_metrics(parameters: Mapping[str, Any]) -> ListMetricsRequest:
    """What a ListMetrics asks for."""
    refusals = Refusals("InvalidParameterValue")
    filters = members(parameters, "Dimensions")
    if len(filters) > DIMENSION_FILTERS:
        refusals.add(too_many("Dimensions", DIMENSION_FILTERS))
    if any(not isinstance(wanted, dict) or not _is_name(wanted.get("Name"), 255) for wanted in filters):
        refusals.add("Every member of Dimensions needs a Name of printable ASCII characters.")
    recently_active = choice(parameters, "RecentlyActive", frozenset({"PT3H"}), refusals)
    if parameters.get("IncludeLinkedAccounts") or parameters.get("OwningAccount"):
        refusals.add(not_modelled("other accounts: leave out IncludeLinkedAccounts and OwningAccount"))
    refusals.raise_if_any()
    try:
        [offset] = place_of_token(parameters, 1) or [0]
    except ValueError as wrong:
        raise AwsError("InvalidParameterValue", f"{wrong}.") from wrong
    return ListMetricsRequest(
        namespace=text(parameters, "Namespace"),
        name=text(parameters, "MetricName"),
        dimensions=[(wanted["Name"], wanted.get("Value")) for wanted in filters],
        recently_active=recently_active is not None,
        offset=offset,
    )
