"""GetMetricStatistics of the strict fake CloudWatch, seen through boto3."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.conftest import NOON
from tests.fakes.strict_cloudwatch import StrictCloudWatch, SyntheticFleet, client_of, metric, metric_of

FIVE_MINUTES = timedelta(minutes=5)
HALF_AN_HOUR = 6 * FIVE_MINUTES
FLEET = SyntheticFleet(1, until=NOON)
NETWORK_IN, _, OS_TOTAL = FLEET.metrics_of(0)


@pytest.fixture
def client() -> Any:
    fake = StrictCloudWatch(NOON)
    fake.add_source(FLEET)
    return client_of(fake)


def ask(client: Any, identity: Any = NETWORK_IN, **more: Any) -> list[dict[str, Any]]:
    request = {
        **metric_of(identity),
        "StartTime": NOON - HALF_AN_HOUR,
        "EndTime": NOON,
        "Period": 300,
        "Statistics": ["Sum"],
    }
    answer = client.get_metric_statistics(**{k: v for k, v in (request | more).items() if v is not None})
    assert answer["Label"] == identity.name
    return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])


def test_each_period_has_a_datapoint_with_the_statistics_asked_for(client: Any) -> None:
    points = ask(client, Statistics=["Sum", "SampleCount"])
    assert [point["Timestamp"] for point in points] == [
        NOON - n * timedelta(minutes=5) for n in range(6, 0, -1)
    ]
    assert points[0] == {
        "Timestamp": NOON - HALF_AN_HOUR,
        "Unit": "Bytes",
        "Sum": 300_000_000.0,
        "SampleCount": 5.0,
    }


def test_datapoints_come_in_no_order() -> None:
    fake = StrictCloudWatch(NOON)
    fake.add_source(FLEET)
    request = {**metric_of(NETWORK_IN), "StartTime": NOON - HALF_AN_HOUR, "EndTime": NOON, "Period": 300}
    points = client_of(fake).get_metric_statistics(**request, Statistics=["Sum"])["Datapoints"]
    times = [point["Timestamp"] for point in points]
    assert times not in (sorted(times), sorted(times, reverse=True))


def test_a_metric_is_found_by_all_of_its_dimensions_and_no_fewer(client: Any) -> None:
    assert ask(client, OS_TOTAL, Statistics=["Average"])
    without_name = metric(OS_TOTAL.namespace, OS_TOTAL.name, ClusterName="prod", InstanceId="i-" + 17 * "0")
    assert ask(client, without_name, Statistics=["Average"]) == []


def test_a_unit_that_nothing_was_measured_in_has_no_datapoints(client: Any) -> None:
    assert len(ask(client, Unit="Bytes")) == 6
    assert ask(client, Unit="Kilobytes") == []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("MissingParameter", {"Statistics": None}),
        ("InvalidParameterValue", {"Statistics": ["Median"]}),
        ("InvalidParameterValue", {"Period": 90}),
        ("InvalidParameterValue", {"StartTime": NOON, "EndTime": NOON}),
        ("InvalidParameterValue", {"Namespace": ":own"}),
        ("InvalidParameterValue", {"Unit": "Furlongs"}),
        ("InvalidParameterValue", {"Statistics": ["Sum"], "ExtendedStatistics": ["p99"]}),
        ("InvalidParameterCombination", {"StartTime": NOON - timedelta(hours=25), "Period": 60}),
    ],
    ids=str,
)
def test_what_aws_refuses_is_refused(client: Any, code: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        ask(client, **wrong)
    assert refused.value.response["Error"]["Code"] == code


def test_after_two_weeks_a_minute_is_too_fine_a_period() -> None:
    fake = StrictCloudWatch(NOON)
    back = NOON - timedelta(days=16)
    fake.load(NETWORK_IN, back, [1.0] * 30, unit="Bytes")
    client = client_of(fake)
    assert len(ask(client, StartTime=back, EndTime=back + HALF_AN_HOUR, Period=300)) == 6
    assert ask(client, StartTime=back, EndTime=back + HALF_AN_HOUR, Period=60) == []
