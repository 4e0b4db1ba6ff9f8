"""What the strict fake CloudWatch refuses, by which code and in whose words."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.conftest import NOON
from tests.fakes.strict_cloudwatch import StrictCloudWatch, datum, metric, query

OWN = metric("EniGap", "OsToEniRatio", ClusterName="prod", InstanceId="i-1")
NETWORK_IN = metric("AWS/EC2", "NetworkIn", InstanceId="i-1")
WINDOW = {"StartTime": NOON - timedelta(minutes=15), "EndTime": NOON}
FINE = {"Value": 1.0}


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refusal:
        call(**parameters)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def dimensions(number: int) -> list[dict[str, str]]:
    return [{"Name": f"d{at}", "Value": "x"} for at in range(number)]


def one(**measured: Any) -> dict[str, Any]:
    """The parameters of a PutMetricData with one datum."""
    return {"Namespace": "EniGap", "MetricData": [datum(OWN, **measured)]}


def named(name: str = "m", **more: Any) -> dict[str, Any]:
    return {"Namespace": "EniGap", "MetricData": [{"MetricName": name, "Value": 1.0, **more}]}


def exclusive(one: str, other: str) -> str:
    return f"The parameters {one} and {other} are mutually exclusive and you have specified both."


MEMBER = "MetricData.member.1"
STATISTICS = f"{MEMBER}.StatisticValues"
SET = {"Sum": 1.0, "SampleCount": 1.0, "Minimum": 1.0, "Maximum": 1.0}
NOT_MODELLED = "strict_cloudwatch does not model "

PUT = {
    "AWS's own namespace": (
        {"Namespace": "AWS/EC2", "MetricData": [datum(NETWORK_IN, **FINE)]},
        "InvalidParameterValue",
        "The value AWS/EC2 for parameter Namespace is invalid.",
    ),
    "namespace with a colon first": (
        {"Namespace": ":x", "MetricData": [datum(OWN, **FINE)]},
        "InvalidParameterValue",
        "The value :x for parameter Namespace is invalid.",
    ),
    "no data": ({"Namespace": "EniGap"}, "MissingParameter", "The parameter MetricData is required."),
    "more than 1,000 datums": (
        {"Namespace": "EniGap", "MetricData": [datum(OWN, **FINE)] * 1_001},
        "InvalidParameterValue",
        "The collection MetricData must not have a size greater than 1000.",
    ),
    "more than 1 MB, however well it compresses": (
        {"Namespace": "EniGap", "MetricData": [datum(OWN, Values=[1.0] * 150, Counts=[1.0] * 150)] * 900},
        "RequestEntityTooLarge",
        "The request is larger than 1048576 bytes.",
    ),
    "entities": (
        {"Namespace": "EniGap", "EntityMetricData": [{"MetricData": [datum(OWN, **FINE)]}]},
        "InvalidParameterValue",
        f"{NOT_MODELLED}entities: use MetricData.",
    ),
    "name beyond ASCII": (
        named("größe"),
        "InvalidParameterValue",
        f"The value größe for parameter {MEMBER}.MetricName is invalid.",
    ),
    "name too long": (
        named("x" * 256),
        "InvalidParameterValue",
        f"The value {'x' * 256} for parameter {MEMBER}.MetricName is invalid.",
    ),
    "31 dimensions": (
        named(Dimensions=dimensions(31)),
        "InvalidParameterValue",
        f"The collection {MEMBER}.Dimensions must not have a size greater than 30.",
    ),
    "a dimension twice": (
        named(Dimensions=dimensions(1) * 2),
        "InvalidParameterValue",
        f"The collection {MEMBER}.Dimensions must not have a dimension name more than once.",
    ),
    "dimension with a colon first": (
        named(Dimensions=[{"Name": ":x", "Value": "x"}]),
        "InvalidParameterValue",
        f"The value :x for parameter {MEMBER}.Dimensions.Name is invalid.",
    ),
    "blank dimension value": (
        named(Dimensions=[{"Name": "x", "Value": " "}]),
        "InvalidParameterValue",
        f"The value   for parameter {MEMBER}.Dimensions.Value is invalid.",
    ),
    "dimension value too long": (
        named(Dimensions=[{"Name": "x", "Value": "y" * 1_025}]),
        "InvalidParameterValue",
        f"The value {'y' * 1_025} for parameter {MEMBER}.Dimensions.Value is invalid.",
    ),
    "control character": (
        named(Dimensions=[{"Name": "x", "Value": "a\nb"}]),
        "InvalidParameterValue",
        f"The value a\nb for parameter {MEMBER}.Dimensions.Value is invalid.",
    ),
    "not a number": (
        one(Value=float("nan")),
        "InvalidParameterValue",
        f"The value NaN for parameter {MEMBER}.Value is invalid.",
    ),
    "infinity": (
        one(Value=float("-inf")),
        "InvalidParameterValue",
        f"The value -Infinity for parameter {MEMBER}.Value is invalid.",
    ),
    "beyond 2^360": (
        one(Value=-(2.0**361)),
        "InvalidParameterValue",
        f"The value {-(2.0**361)} for parameter {MEMBER}.Value is invalid.",
    ),
    "not a number among values": (
        one(Values=[1.0, float("nan")]),
        "InvalidParameterValue",
        f"The value NaN for parameter {MEMBER}.Values.member.2 is invalid.",
    ),
    "151 values": (
        one(Values=[float(value) for value in range(151)]),
        "InvalidParameterValue",
        f"The collection {MEMBER}.Values must not have a size greater than 150.",
    ),
    "no values": (
        one(Values=[]),
        "InvalidParameterValue",
        f"The collection {MEMBER}.Values must not be empty.",
    ),
    "counts that do not match the values": (
        one(Values=[1.0, 10.0], Counts=[2.0, 4.0, 5.0]),
        "InvalidParameterValue",
        f"The parameters {MEMBER}.Values and {MEMBER}.Counts must be of the same size.",
    ),
    "count of zero": (
        one(Values=[1.0], Counts=[0.0]),
        "InvalidParameterValue",
        f"The members of {MEMBER}.Counts must be greater than 0.",
    ),
    "value and values": (
        one(Value=1.0, Values=[1.0]),
        "InvalidParameterCombination",
        exclusive(f"{MEMBER}.Value", f"{MEMBER}.Values"),
    ),
    "counts of a single value": (
        one(Value=1.0, Counts=[1.0]),
        "InvalidParameterCombination",
        f"The parameter {MEMBER}.Counts needs {MEMBER}.Values.",
    ),
    "nothing measured": (
        one(),
        "MissingParameter",
        f"At least one of the parameters {MEMBER}.Value and {MEMBER}.StatisticValues must be specified.",
    ),
    "statistics of no samples": (
        one(StatisticValues={**SET, "SampleCount": 0.0}),
        "InvalidParameterValue",
        f"The parameter {STATISTICS}.SampleCount must be greater than 0.",
    ),
    "minimum above maximum": (
        one(StatisticValues={**SET, "Minimum": 2.0}),
        "InvalidParameterValue",
        f"The parameter {STATISTICS}.Maximum must be greater than {STATISTICS}.Minimum.",
    ),
    "infinite statistics": (
        one(StatisticValues={**SET, "Sum": float("inf")}),
        "InvalidParameterValue",
        f"The value Infinity for parameter {STATISTICS}.Sum is invalid.",
    ),
    "more than two weeks old": (
        one(Value=1.0, Timestamp=NOON - timedelta(days=14, seconds=1)),
        "InvalidParameterValue",
        f"The parameter {MEMBER}.Timestamp must specify a time within the past two weeks.",
    ),
    "more than two hours ahead": (
        one(Value=1.0, Timestamp=NOON + timedelta(hours=2, seconds=1)),
        "InvalidParameterValue",
        f"The parameter {MEMBER}.Timestamp must specify a time within the next two hours.",
    ),
    "high resolution": (
        one(Value=1.0, StorageResolution=1),
        "InvalidParameterValue",
        f"{NOT_MODELLED}less than a minute: {MEMBER}.StorageResolution has to be 60.",
    ),
    "odd resolution": (
        one(Value=1.0, StorageResolution=5),
        "InvalidParameterValue",
        f"The value 5 for parameter {MEMBER}.StorageResolution is invalid.",
    ),
}


@pytest.mark.parametrize(("parameters", "code", "message"), PUT.values(), ids=PUT)
def test_put_metric_data_refuses(
    fake: StrictCloudWatch, client: Any, parameters: dict[str, Any], code: str, message: str
) -> None:
    assert refused(client.put_metric_data, **parameters) == (code, message)
    assert fake.store.listing(NOON) == []


def test_put_metric_data_refuses_an_unknown_unit(client: Any) -> None:
    code, message = refused(client.put_metric_data, **one(Value=1.0, Unit="Furlongs"))
    assert code == "InvalidParameterValue"
    assert message.startswith(f"The parameter {MEMBER}.Unit must be a value in the set [ Bits, Bits/Second,")


def test_a_datum_within_the_limits_is_taken(fake: StrictCloudWatch, client: Any) -> None:
    widest = {
        "MetricName": "m" * 255,
        "Value": 2.0**360,
        "Dimensions": dimensions(30),
        "StorageResolution": 60,
    }
    client.put_metric_data(Namespace="EniGap", MetricData=[widest, *[datum(OWN, **FINE)] * 999])
    for at in (NOON - timedelta(days=14), NOON + timedelta(hours=2)):
        values = [float(value) for value in range(150)]
        client.put_metric_data(**one(Values=values, Counts=[0.5] * 150, Timestamp=at))
    assert len(fake.store.listing(NOON)) == 2


def test_one_wrong_datum_refuses_all_and_every_wrong_one_is_named(
    fake: StrictCloudWatch, client: Any
) -> None:
    old = datum(OWN, Value=1.0, Timestamp=NOON - timedelta(days=15))
    code, message = refused(
        client.put_metric_data, Namespace="EniGap", MetricData=[old, datum(OWN, **FINE), old]
    )
    assert code == "InvalidParameterValue"
    assert message.splitlines() == [
        "The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks.",
        "The parameter MetricData.member.3.Timestamp must specify a time within the past two weeks.",
    ]
    assert fake.store.listing(NOON) == []


STAT = "MetricDataQueries.member.1.MetricStat"
FIRST = "MetricDataQueries.member.1"

GET = {
    "501 queries": (
        {"MetricDataQueries": [query(OWN, query_id=f"q{at}") for at in range(501)]},
        "The collection MetricDataQueries must not have a size greater than 500.",
    ),
    "no queries": ({"MetricDataQueries": []}, "The parameter MetricDataQueries is required."),
    "the same id twice": (
        {"MetricDataQueries": [query(OWN), query(NETWORK_IN)]},
        "The values for parameter id in MetricDataQueries are not unique.",
    ),
    "id that starts with a capital": (
        {"MetricDataQueries": [query(OWN, query_id="Q1")]},
        f"The value Q1 for parameter {FIRST}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
    ),
    "id with a dash": (
        {"MetricDataQueries": [query(OWN, query_id="i-1")]},
        f"The value i-1 for parameter {FIRST}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
    ),
    "metric math": (
        {"MetricDataQueries": [{"Id": "e", "Expression": "m1 / m2"}]},
        f"{NOT_MODELLED}expressions: {FIRST}.Expression has to be a MetricStat.",
    ),
    "expression and metric": (
        {"MetricDataQueries": [query(OWN, Expression="q")]},
        exclusive(f"{FIRST}.Expression", f"{FIRST}.MetricStat"),
    ),
    "neither expression nor metric": (
        {"MetricDataQueries": [{"Id": "q"}]},
        f"At least one of the parameters {FIRST}.Expression and {FIRST}.MetricStat must be specified.",
    ),
    "period beside the metric's": (
        {"MetricDataQueries": [query(OWN, Period=60)]},
        exclusive(f"{FIRST}.Period", f"{FIRST}.MetricStat"),
    ),
    "dynamic label": (
        {"MetricDataQueries": [query(OWN, Label="${LAST}")]},
        f"{NOT_MODELLED}dynamic labels: {FIRST}.Label has to be plain text.",
    ),
    "percentile": (
        {"MetricDataQueries": [query(OWN, "p99")]},
        f"{NOT_MODELLED}single samples: {STAT}.Stat p99 cannot be computed.",
    ),
    "trimmed mean": (
        {"MetricDataQueries": [query(OWN, "TM(10%:90%)")]},
        f"{NOT_MODELLED}single samples: {STAT}.Stat TM(10%:90%) cannot be computed.",
    ),
    "unknown statistic": (
        {"MetricDataQueries": [query(OWN, "None")]},
        f"The value None for parameter {STAT}.Stat is not a valid statistic.",
    ),
    "period of 45 seconds": (
        {"MetricDataQueries": [query(OWN, period=45)]},
        f"The parameter {STAT}.Period must be a value in the set [ 1, 5, 10, 20, 30 ] or a multiple of 60.",
    ),
    "period of 90 seconds": (
        {"MetricDataQueries": [query(OWN, period=90)]},
        f"The parameter {STAT}.Period must be a value in the set [ 1, 5, 10, 20, 30 ] or a multiple of 60.",
    ),
    "high-resolution period": (
        {"MetricDataQueries": [query(OWN, period=10)]},
        f"{NOT_MODELLED}less than a minute: {STAT}.Period has to be a multiple of 60.",
    ),
    "31 dimensions": (
        {"MetricDataQueries": [query(metric("EniGap", "m", **{f"d{at}": "x" for at in range(31)}))]},
        f"The collection {STAT}.Metric.Dimensions must not have a size greater than 30.",
    ),
    "start at the end": (
        {"StartTime": NOON, "EndTime": NOON},
        "The parameter StartTime must not equal parameter EndTime.",
    ),
    "start after the end": (
        {"StartTime": NOON, "EndTime": NOON - timedelta(hours=1)},
        "The parameter StartTime must be less than the parameter EndTime.",
    ),
    "unknown order": (
        {"ScanBy": "Newest"},
        "The parameter ScanBy must be a value in the set [ TimestampAscending, TimestampDescending ].",
    ),
    "more datapoints than a call can have": (
        {"MaxDatapoints": 100_801},
        "The parameter MaxDatapoints must be between 1 and 100800.",
    ),
    "no datapoints": ({"MaxDatapoints": 0}, "The parameter MaxDatapoints must be between 1 and 100800."),
}


@pytest.mark.parametrize(("parameters", "message"), GET.values(), ids=GET)
def test_get_metric_data_refuses(client: Any, parameters: dict[str, Any], message: str) -> None:
    asked = {"MetricDataQueries": [query(OWN)], **WINDOW, **parameters}
    assert refused(client.get_metric_data, **asked) == ("ValidationError", message)


def test_get_metric_data_refuses_an_unknown_unit(client: Any) -> None:
    asked = {"MetricDataQueries": [query(OWN, Unit="Furlongs")], **WINDOW}
    code, message = refused(client.get_metric_data, **asked)
    assert code == "ValidationError"
    assert message.startswith(f"The parameter {STAT}.Unit must be a value in the set [")


def test_10_dimension_filters_are_taken(client: Any) -> None:
    assert client.list_metrics(Dimensions=[{"Name": f"d{at}"} for at in range(10)])["Metrics"] == []


def test_500_queries_are_taken(client: Any) -> None:
    queries = [query(OWN, query_id=f"q{at}") for at in range(500)]
    assert len(client.get_metric_data(MetricDataQueries=queries, **WINDOW)["MetricDataResults"]) == 500


@pytest.mark.parametrize("token", ["made up", "bm90IGpzb24=", "WzEsMl0=", ""])
def test_a_made_up_token_is_refused(client: Any, token: str) -> None:
    asked = {"MetricDataQueries": [query(OWN)], **WINDOW, "NextToken": token}
    assert refused(client.get_metric_data, **asked)[0] == "InvalidNextToken"
    assert refused(client.list_metrics, NextToken=token)[0] == "InvalidParameterValue"


def test_a_token_is_refused_once_the_request_changes(fake: StrictCloudWatch, client: Any) -> None:
    fake.load(OWN, NOON - timedelta(minutes=5), [1.0] * 5)
    asked = {"MetricDataQueries": [query(OWN)], **WINDOW, "MaxDatapoints": 2}
    token = client.get_metric_data(**asked)["NextToken"]
    changed = {**asked, "EndTime": NOON - timedelta(minutes=1)}
    assert refused(client.get_metric_data, **changed, NextToken=token)[0] == "InvalidNextToken"
    assert client.get_metric_data(**asked, NextToken=token)["MetricDataResults"]


LIST = {
    "11 filters": (
        {"Dimensions": [{"Name": f"d{at}"} for at in range(11)]},
        "The collection Dimensions must not have a size greater than 10.",
    ),
    "another span of activity": (
        {"RecentlyActive": "PT1H"},
        "The parameter RecentlyActive must be a value in the set [ PT3H ].",
    ),
    "blank filter": (
        {"Dimensions": [{"Name": " "}]},
        "Every member of Dimensions needs a Name of printable ASCII characters.",
    ),
    "other accounts": (
        {"IncludeLinkedAccounts": True},
        f"{NOT_MODELLED}other accounts: leave out IncludeLinkedAccounts and OwningAccount.",
    ),
}


@pytest.mark.parametrize(("parameters", "message"), LIST.values(), ids=LIST)
def test_list_metrics_refuses(client: Any, parameters: dict[str, Any], message: str) -> None:
    assert refused(client.list_metrics, **parameters) == ("InvalidParameterValue", message)


def test_operations_that_are_not_modelled_are_refused_by_name(client: Any) -> None:
    code, message = refused(client.describe_alarm_history)
    assert code == "UnknownOperationException"
    assert message.startswith("strict_cloudwatch does not model DescribeAlarmHistory; it has PutMetricData,")


def test_refusals_are_the_exceptions_that_boto3_models(client: Any) -> None:
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.put_metric_data(**one(Value=float("nan")))
    with pytest.raises(client.exceptions.MissingRequiredParameterException):
        client.put_metric_data(**one())
    with pytest.raises(client.exceptions.InvalidParameterCombinationException):
        client.put_metric_data(**one(Value=1.0, Values=[1.0]))
    with pytest.raises(client.exceptions.InvalidNextToken):
        client.get_metric_data(MetricDataQueries=[query(OWN)], **WINDOW, NextToken="x")


# --- what only a client other than boto3 can get wrong ---

JSON = {
    "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
    "Content-Type": "application/x-amz-json-1.0",
}

RAW = {
    "the query protocol": ({}, b"Action=ListMetrics&Version=2010-08-01", "UnknownOperationException"),
    "another service": ({"X-Amz-Target": "Logs_20140328.StartQuery"}, b"{}", "UnknownOperationException"),
    "no JSON": (JSON, b"<xml/>", "SerializationException"),
    "a list": (JSON, b"[]", "SerializationException"),
    "a bare NaN": (JSON, b'{"Namespace": NaN}', "SerializationException"),
    "not gzip": ({**JSON, "Content-Encoding": "gzip"}, b"{}", "SerializationException"),
    "cut gzip": ({**JSON, "Content-Encoding": "gzip"}, b"\x1f\x8b\x08\x00\x00", "SerializationException"),
    "nothing at all": (JSON, b"", "MissingParameter"),
}


@pytest.mark.parametrize(("headers", "body", "code"), RAW.values(), ids=RAW)
def test_a_request_that_is_not_aws_json_is_refused(
    fake: StrictCloudWatch, headers: dict[str, str], body: bytes, code: str
) -> None:
    answer = fake.handle(headers, body)
    assert answer.status == 400
    assert answer.headers["x-amzn-query-error"] == f"{code};Sender"


def put_raw(**datum_members: Any) -> tuple[str, dict[str, Any]]:
    return "PutMetricData", {"Namespace": "EniGap", "MetricData": [{"MetricName": "m", **datum_members}]}


def get_raw(**changes: Any) -> tuple[str, dict[str, Any]]:
    return "GetMetricData", {"MetricDataQueries": [query(OWN)], "StartTime": 0, "EndTime": 60, **changes}


def stat_raw(**changes: Any) -> tuple[str, dict[str, Any]]:
    asked = query(OWN)
    return get_raw(MetricDataQueries=[{**asked, "MetricStat": {**asked["MetricStat"], **changes}}])


def alarm_raw(**changes: Any) -> tuple[str, dict[str, Any]]:
    alarm = {
        "AlarmName": "a",
        "Namespace": "EniGap",
        "MetricName": "m",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "breaching",
    }
    return "PutMetricAlarm", {**alarm, **changes}


SERIALIZATION = "SerializationException"
UNTYPED = {
    "data is not a list": ("PutMetricData", {"Namespace": "EniGap", "MetricData": "x"}, SERIALIZATION),
    "datum is not a structure": (
        "PutMetricData",
        {"Namespace": "EniGap", "MetricData": ["x"]},
        SERIALIZATION,
    ),
    "name is not a string": (*put_raw(MetricName=1), SERIALIZATION),
    "datum without a name": (*put_raw(MetricName=None), "MissingParameter"),
    "dimensions are pairs": (*put_raw(Dimensions=[["a", "b"]], Value=1), SERIALIZATION),
    "dimension without a value": (*put_raw(Dimensions=[{"Name": "a"}], Value=1), SERIALIZATION),
    "value is a string": (*put_raw(Value="1"), SERIALIZATION),
    "value is a boolean": (*put_raw(Value=True), SERIALIZATION),
    "value beyond what a double holds": (*put_raw(Value=10**400), "InvalidParameterValue"),
    "timestamp is a string": (*put_raw(Value=1, Timestamp="2026-01-15T12:00Z"), SERIALIZATION),
    "resolution is a string": (*put_raw(Value=1, StorageResolution="60"), SERIALIZATION),
    "statistics are a number": (*put_raw(StatisticValues=1), SERIALIZATION),
    "statistics without a sum": (*put_raw(StatisticValues={**SET, "Sum": None}), "MissingParameter"),
    "queries are not a list": (*get_raw(MetricDataQueries="x"), SERIALIZATION),
    "query is not a structure": (*get_raw(MetricDataQueries=["x"]), SERIALIZATION),
    "query without an end": (*get_raw(EndTime=None), "ValidationError"),
    "query without a statistic": (*stat_raw(Stat=None), "ValidationError"),
    "query without a metric": (*stat_raw(Metric=None), "ValidationError"),
    "period is a string": (*stat_raw(Period="60"), SERIALIZATION),
    "period of no time": (*stat_raw(Period=0), "ValidationError"),
    "metric name is a number": (
        *stat_raw(Metric={"Namespace": "EniGap", "MetricName": 1}),
        "ValidationError",
    ),
    "alarm of no periods": (*alarm_raw(EvaluationPeriods=0), "ValidationError"),
    "alarm threshold is a string": (*alarm_raw(Threshold="high"), "ValidationError"),
    "alarm of no metric name": (*alarm_raw(MetricName=""), "ValidationError"),
}


@pytest.mark.parametrize(("operation", "parameters", "code"), UNTYPED.values(), ids=UNTYPED)
def test_what_boto3_would_not_even_send_is_refused(
    fake: StrictCloudWatch, operation: str, parameters: dict[str, Any], code: str
) -> None:
    headers = {"X-Amz-Target": f"GraniteServiceVersion20100801.{operation}"}
    answer = fake.handle(headers, json.dumps(parameters).encode())
    assert (answer.status, answer.headers["x-amzn-query-error"]) == (400, f"{code};Sender")


def test_a_raw_alarm_without_mistakes_is_taken(fake: StrictCloudWatch) -> None:
    operation, parameters = alarm_raw()
    headers = {"X-Amz-Target": f"GraniteServiceVersion20100801.{operation}"}
    assert fake.handle(headers, json.dumps(parameters).encode()).status == 200
