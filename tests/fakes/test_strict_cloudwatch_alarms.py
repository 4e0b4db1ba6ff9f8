"""The strict fake CloudWatch's alarms, held against the tables of the CloudWatch User Guide."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.conftest import NOON
from tests.fakes.strict_cloudwatch import StatisticSet, StrictCloudWatch, client_of, metric

SILENT = metric("EniGap", "NodesSilent", ClusterName="prod")
TOPIC = "arn:aws:sns:eu-west-1:123456789012:pipeline"


def alarm(**changes: Any) -> dict[str, Any]:
    """The parameters of an alarm on SILENT above 0 in one minute."""
    return {
        "AlarmName": "silent",
        "Namespace": SILENT.namespace,
        "MetricName": SILENT.name,
        "Dimensions": [{"Name": "ClusterName", "Value": "prod"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }


def state_after(fake: StrictCloudWatch, now: datetime = NOON) -> str:
    fake.evaluate_alarms(now)
    [found] = client_of(fake).describe_alarms()["MetricAlarms"]
    return str(found["StateValue"])


# The columns "breaching" and "notBreaching" of the guide's table for three out of three datapoints.
# Datapoints are a minute apart up to now: X breaches, 0 does not, - is missing.
THREE_OF_THREE = {
    "0 - X - X": ("OK", "OK"),
    "0 - - - -": ("OK", "OK"),
    "- - - - -": ("ALARM", "OK"),
    "0 X X - X": ("ALARM", "ALARM"),
    "- - X - -": ("ALARM", "OK"),
    "X X X - - - - -": ("ALARM", "OK"),  # beyond the range: as if there were none
}


@pytest.mark.parametrize(("pattern", "expected"), THREE_OF_THREE.items(), ids=THREE_OF_THREE)
def test_missing_data_is_treated_as_the_user_guide_says(pattern: str, expected: tuple[str, str]) -> None:
    for treatment, state in zip(("breaching", "notBreaching"), expected, strict=True):
        fake = StrictCloudWatch(NOON)
        client_of(fake).put_metric_alarm(**alarm(EvaluationPeriods=3, TreatMissingData=treatment))
        for age, point in enumerate(reversed(pattern.split()), 1):
            if point != "-":
                fake.put(SILENT, NOON - timedelta(minutes=age), 1.0 if point == "X" else 0.0)
        assert state_after(fake) == state


@pytest.mark.parametrize(
    ("statistic", "value"),
    [("Sum", 9.0), ("Average", 3.0), ("Minimum", 1.0), ("Maximum", 6.0), ("SampleCount", 3.0)],
)
def test_a_datapoint_is_one_statistic_of_all_samples_of_a_period_and_breaches_above_the_threshold(
    client: Any, fake: StrictCloudWatch, statistic: str, value: float
) -> None:
    fake.put(SILENT, NOON - timedelta(minutes=1), StatisticSet.of([1.0, 2.0]))
    fake.put(SILENT, NOON - timedelta(minutes=5), 6.0)
    for threshold, state in ((value, "OK"), (value - 0.5, "ALARM")):
        client.put_metric_alarm(**alarm(Statistic=statistic, Period=300, Threshold=threshold))
        assert state_after(fake) == state


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOON - timedelta(minutes=9, seconds=1), "OK"),  # the minute that breaches is not over
        (NOON - timedelta(minutes=9), "ALARM"),
        (NOON + timedelta(minutes=35, seconds=59), "ALARM"),  # three periods back
        (NOON + timedelta(minutes=36), "OK"),
    ],
)
def test_windows_slide_by_the_minute(
    fake: StrictCloudWatch, client: Any, now: datetime, expected: str
) -> None:
    client.put_metric_alarm(**alarm(Period=900))
    fake.put(SILENT, NOON - timedelta(minutes=10), 1.0)
    assert state_after(fake, now) == expected


def test_an_alarm_sees_its_own_metric_only(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm())
    fake.put(SILENT._replace(dimensions=()), NOON - timedelta(minutes=1), 1.0)
    assert state_after(fake) == "OK"


def test_an_alarm_starts_unchecked_and_tells_of_changes_only(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm(AlarmActions=[TOPIC]))
    [found] = client.describe_alarms()["MetricAlarms"]
    assert (found["StateValue"], found["StateUpdatedTimestamp"]) == ("INSUFFICIENT_DATA", NOON)
    told: list[tuple[str, ...]] = []
    for value in (None, 1.0, 1.0, None):
        fake.advance(timedelta(minutes=5))
        if value is not None:
            fake.put(SILENT, fake.now - timedelta(minutes=1), value)
        told += [(change.old_state, change.new_state, *change.actions) for change in fake.evaluate_alarms()]
    assert told == [("INSUFFICIENT_DATA", "OK"), ("OK", "ALARM", TOPIC), ("ALARM", "OK")]


def test_a_changed_alarm_keeps_its_state_until_it_is_evaluated(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm(TreatMissingData="breaching", AlarmActions=[TOPIC]))
    assert state_after(fake) == "ALARM"
    fake.advance(timedelta(hours=1))
    client.put_metric_alarm(**alarm())
    [found] = client.describe_alarms()["MetricAlarms"]
    assert (found["StateValue"], found["StateUpdatedTimestamp"]) == ("ALARM", NOON)
    assert "AlarmActions" not in found
    assert state_after(fake, fake.now) == "OK"


OTHER = "strict_cloudwatch does not model this kind of alarm: leave out "
REFUSED = {
    "metric math": ({"Metrics": [{"Id": "e", "Expression": "1"}]}, f"{OTHER}Metrics."),
    "percentile": ({"ExtendedStatistic": "p99"}, f"{OTHER}ExtendedStatistic."),
    "some of several": ({"DatapointsToAlarm": 1}, f"{OTHER}DatapointsToAlarm."),
    "action when it is over": ({"OKActions": [TOPIC]}, f"{OTHER}OKActions."),
    "missing data stays missing": (
        {"TreatMissingData": "missing"},
        "strict_cloudwatch does not model a TreatMissingData of missing.",
    ),
    "below the threshold": (
        {"ComparisonOperator": "LessThanThreshold"},
        "strict_cloudwatch does not model a ComparisonOperator of LessThanThreshold.",
    ),
    "high resolution": (
        {"Period": 10},
        "strict_cloudwatch does not model less than a minute: Period has to be a multiple of 60.",
    ),
    "more than a day of minutes": (
        {"Period": 300, "EvaluationPeriods": 289},
        "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).",
    ),
    "more than a week of hours": (
        {"Period": 3600, "EvaluationPeriods": 169},
        "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800).",
    ),
    "six actions": (
        {"AlarmActions": [TOPIC] * 6},
        "The collection AlarmActions must not have a size greater than 5.",
    ),
    "name too long": (
        {"AlarmName": "a" * 256},
        "The parameter AlarmName must have between 1 and 255 characters.",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_alarms_that_cannot_be_are_refused(client: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as refusal:
        client.put_metric_alarm(**alarm(**changes))
    assert refusal.value.response["Error"]["Code"] == "ValidationError"
    assert refusal.value.response["Error"]["Message"] == message
    assert client.describe_alarms()["MetricAlarms"] == []


@pytest.mark.parametrize("name", ["Namespace", "Period", "Threshold", "TreatMissingData"])
def test_an_alarm_needs_all_that_defines_it(client: Any, name: str) -> None:
    incomplete = alarm()
    del incomplete[name]
    with pytest.raises(ClientError, match=f"The parameter {name} is required"):
        client.put_metric_alarm(**incomplete)


def test_alarms_are_described_all_or_not_at_all(client: Any) -> None:
    for name in ("b", "a"):
        client.put_metric_alarm(**alarm(AlarmName=name))
    assert [each["AlarmName"] for each in client.describe_alarms()["MetricAlarms"]] == ["a", "b"]
    with pytest.raises(ClientError, match="does not model a choice of alarms: leave out AlarmNames"):
        client.describe_alarms(AlarmNames=["a"])
