"""The strict fake CloudWatch's alarms, held against the tables of the CloudWatch User Guide."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from tests.fakes.strict_cloudwatch import StatisticSet, StrictCloudWatch, Transition, client_of, metric

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
SILENT = metric("EniGap", "NodesSilent", ClusterName="prod")
TOPIC = "arn:aws:sns:eu-west-1:123456789012:pipeline"


@pytest.fixture
def fake() -> StrictCloudWatch:
    return StrictCloudWatch(NOON)


@pytest.fixture
def client(fake: StrictCloudWatch) -> Any:
    return client_of(fake)


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
        **changes,
    }


def state(client: Any, name: str = "silent") -> str:
    [found] = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def play_in(fake: StrictCloudWatch, pattern: str) -> None:
    """Datapoints a minute apart up to now: X breaches, 0 does not, - is missing."""
    for age, point in enumerate(reversed(pattern.split()), 1):
        if point != "-":
            fake.put(SILENT, NOON - timedelta(minutes=age), 1.0 if point == "X" else 0.0)


def only_change(fake: StrictCloudWatch) -> Transition:
    [change] = fake.evaluate_alarms()
    return change


# --- the tables of "Configuring how CloudWatch alarms treat missing data" ---

KEPT = "the state it had"
COLUMNS = ("missing", "ignore", "breaching", "notBreaching")
THREE_OF_THREE = {
    "0 - X - X": ("OK", "OK", "OK", "OK"),
    "0 - - - -": ("OK", "OK", "OK", "OK"),
    "- - - - -": ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
    "0 X X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "- - X - -": ("ALARM", KEPT, "ALARM", "OK"),
}
TWO_OF_THREE = {
    "0 - X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 0 X 0 X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 - X - -": ("OK", "OK", "ALARM", "OK"),
    "- - - - 0": ("OK", "OK", "ALARM", "OK"),
    "- - - X -": ("ALARM", KEPT, "ALARM", "OK"),
}


class Cell(NamedTuple):
    """One cell of the tables: `needed` breaching datapoints of three, and what the alarm then is."""

    needed: int
    pattern: str
    treatment: str
    expected: str

    def __str__(self) -> str:
        return f"{self.needed} of 3, {self.pattern}, {self.treatment}"


CELLS = [
    Cell(needed, pattern, treatment, expected)
    for needed, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for pattern, row in table.items()
    for treatment, expected in zip(COLUMNS, row, strict=True)
]


@pytest.mark.parametrize("before", ["OK", "ALARM", "INSUFFICIENT_DATA"])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_an_alarm_judges_as_the_user_guide_says(
    fake: StrictCloudWatch, client: Any, cell: Cell, before: str
) -> None:
    client.put_metric_alarm(
        **alarm(EvaluationPeriods=3, DatapointsToAlarm=cell.needed, TreatMissingData=cell.treatment)
    )
    client.set_alarm_state(AlarmName="silent", StateValue=before, StateReason="test")
    play_in(fake, cell.pattern)
    fake.evaluate_alarms()
    assert state(client) == (before if cell.expected == KEPT else cell.expected)


@pytest.mark.parametrize("pattern", ["- - - - X", "- - - X -"])
def test_an_alarm_is_not_premature(fake: StrictCloudWatch, client: Any, pattern: str) -> None:
    client.put_metric_alarm(**alarm(EvaluationPeriods=3))
    play_in(fake, pattern)
    change = only_change(fake)
    assert (change.new_state, change.reason) == (
        "OK",
        "1 breaching datapoint, fewer than 3 and too recent.",
    )


def test_an_alarm_is_as_old_as_its_oldest_breaching_datapoint(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm(EvaluationPeriods=3))
    play_in(fake, "- - X - X")
    assert only_change(fake).new_state == "ALARM"


def test_data_beyond_the_evaluation_range_does_not_count(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm(EvaluationPeriods=3))
    play_in(fake, "X X X - - - - -")
    fake.evaluate_alarms()
    assert state(client) == "INSUFFICIENT_DATA"


# --- what a datapoint of an alarm is ---


@pytest.mark.parametrize(
    ("operator", "breaching"),
    [
        ("GreaterThanThreshold", [6.0]),
        ("GreaterThanOrEqualToThreshold", [5.0, 6.0]),
        ("LessThanThreshold", [4.0]),
        ("LessThanOrEqualToThreshold", [4.0, 5.0]),
    ],
)
def test_the_statistic_is_the_left_hand_side_of_the_comparison(
    fake: StrictCloudWatch, client: Any, operator: str, breaching: list[float]
) -> None:
    client.put_metric_alarm(**alarm(Threshold=5.0, ComparisonOperator=operator))
    for value in (4.0, 5.0, 6.0):
        fake.put(SILENT, fake.now, value)
        fake.advance(timedelta(minutes=1))
        fake.evaluate_alarms()
        assert state(client) == ("ALARM" if value in breaching else "OK")


@pytest.mark.parametrize(
    ("statistic", "value"),
    [("Sum", 9.0), ("Average", 3.0), ("Minimum", 1.0), ("Maximum", 6.0), ("SampleCount", 3.0)],
)
def test_a_period_is_one_statistic_of_all_its_samples(
    fake: StrictCloudWatch, client: Any, statistic: str, value: float
) -> None:
    client.put_metric_alarm(**alarm(Statistic=statistic, Period=300, Threshold=value, EvaluationPeriods=1))
    fake.put(SILENT, NOON - timedelta(minutes=1), StatisticSet.of([1.0, 2.0]))
    fake.put(SILENT, NOON - timedelta(minutes=5), 6.0)
    fake.evaluate_alarms()
    [found] = client.describe_alarms()["MetricAlarms"]
    assert json.loads(found["StateReasonData"])["recentDatapoints"] == [value]
    assert found["StateValue"] == "OK"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOON - timedelta(minutes=10), "OK"),  # the minute that breaches has only begun
        (NOON - timedelta(minutes=9, seconds=1), "OK"),
        (NOON - timedelta(minutes=9), "ALARM"),
        (NOON + timedelta(minutes=35, seconds=59), "ALARM"),  # three periods back
        (NOON + timedelta(minutes=36), "OK"),
    ],
)
def test_windows_slide_by_the_minute(
    fake: StrictCloudWatch, client: Any, now: datetime, expected: str
) -> None:
    client.put_metric_alarm(**alarm(Period=900, TreatMissingData="notBreaching"))
    fake.put(SILENT, NOON - timedelta(minutes=10), 1.0)
    fake.evaluate_alarms(now)
    assert state(client) == expected


def test_an_alarm_sees_its_own_metric_and_unit_only(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm(Unit="Count"))
    fake.put(SILENT, NOON - timedelta(minutes=1), 1.0, unit="Bytes")
    fake.put(SILENT._replace(dimensions=()), NOON - timedelta(minutes=1), 1.0, unit="Count")
    fake.evaluate_alarms()
    assert state(client) == "INSUFFICIENT_DATA"
    fake.put(SILENT, NOON - timedelta(minutes=1), 1.0, unit="Count")
    fake.evaluate_alarms()
    assert state(client) == "ALARM"


# --- changes of state ---


def test_an_alarm_starts_unchecked_and_tells_of_changes_only(fake: StrictCloudWatch, client: Any) -> None:
    actions = {"AlarmActions": [TOPIC], "OKActions": [TOPIC + "-ok"]}
    client.put_metric_alarm(**alarm(TreatMissingData="notBreaching", **actions))
    [found] = client.describe_alarms()["MetricAlarms"]
    assert (found["StateValue"], found["StateReason"]) == (
        "INSUFFICIENT_DATA",
        "Unchecked: Initial alarm creation",
    )
    told: list[tuple[str, str, tuple[str, ...]]] = []
    for value in (None, 1.0, 1.0, None):
        fake.advance(timedelta(minutes=5))
        if value is not None:
            fake.put(SILENT, fake.now - timedelta(minutes=1), value)
        told += [(change.old_state, change.new_state, change.actions) for change in fake.evaluate_alarms()]
    assert told == [
        ("INSUFFICIENT_DATA", "OK", (TOPIC + "-ok",)),
        ("OK", "ALARM", (TOPIC,)),
        ("ALARM", "OK", (TOPIC + "-ok",)),
    ]
    assert [
        (change.old_state, change.new_state, change.actions) for change in fake.alarms.transitions
    ] == told


def test_an_alarm_with_actions_disabled_changes_state_and_tells_nobody(
    fake: StrictCloudWatch, client: Any
) -> None:
    client.put_metric_alarm(**alarm(AlarmActions=[TOPIC], ActionsEnabled=False))
    play_in(fake, "X")
    [change] = fake.evaluate_alarms()
    assert (change.new_state, change.actions) == ("ALARM", ())


def test_a_notification_is_what_cloudwatch_sends_to_sns(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm(AlarmActions=[TOPIC], AlarmDescription="Nodes fell silent", Unit="Count"))
    fake.put(SILENT, NOON - timedelta(minutes=1), 3.0, unit="Count")
    fake.now = NOON + timedelta(milliseconds=215)
    change = only_change(fake)
    assert change.subject == 'ALARM: "silent" in Europe (Ireland)'
    assert json.loads(change.message) == {
        "AlarmName": "silent",
        "AlarmDescription": "Nodes fell silent",
        "AWSAccountId": "123456789012",
        "AlarmConfigurationUpdatedTimestamp": "2026-01-15T12:00:00.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 1 out of the last 1 datapoint [3.0 (15/01/26 11:59:00)] was "
        "greater than the threshold (0.0) (minimum 1 datapoint for OK -> ALARM transition).",
        "StateChangeTime": "2026-01-15T12:00:00.215+0000",
        "Region": "Europe (Ireland)",
        "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:silent",
        "OldStateValue": "INSUFFICIENT_DATA",
        "OKActions": [],
        "AlarmActions": [TOPIC],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "NodesSilent",
            "Namespace": "EniGap",
            "StatisticType": "Statistic",
            "Statistic": "MAXIMUM",
            "Unit": "Count",
            "Dimensions": [{"value": "prod", "name": "ClusterName"}],
            "Period": 60,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0.0,
            "TreatMissingData": "missing",
            "EvaluateLowSampleCountPercentile": "",
        },
    }


@pytest.mark.parametrize(
    ("pattern", "changes", "reason"),
    [
        (
            "-",
            {"TreatMissingData": "breaching"},
            "no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching].",
        ),
        (
            "- -",
            {"TreatMissingData": "notBreaching", "EvaluationPeriods": 2},
            (
                "no datapoints were received for 2 periods and "
                "2 missing datapoints were treated as [NonBreaching]."
            ),
        ),
        (
            "- - - - 0",
            {"TreatMissingData": "breaching", "EvaluationPeriods": 3, "DatapointsToAlarm": 2},
            "1 datapoint was received for 3 periods and 2 missing datapoints were treated as [Breaching].",
        ),
        (
            "0 0 X",
            {"EvaluationPeriods": 3, "DatapointsToAlarm": 2},
            (
                "2 out of the last 3 datapoints [0.0 (15/01/26 11:58:00), 0.0 (15/01/26 11:57:00)] were not "
                "greater than the threshold (0.0) (minimum 2 datapoints for ALARM -> OK transition)."
            ),
        ),
    ],
    ids=["missing", "missing is fine", "some missing", "recovered"],
)
def test_reasons_are_sentences_with_the_datapoints_that_told(
    fake: StrictCloudWatch, client: Any, pattern: str, changes: dict[str, Any], reason: str
) -> None:
    client.put_metric_alarm(**alarm(**changes))
    play_in(fake, pattern)
    assert only_change(fake).reason == f"Threshold Crossed: {reason}"


def test_losing_all_data_is_insufficient_data(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm(EvaluationPeriods=2))
    client.set_alarm_state(AlarmName="silent", StateValue="OK", StateReason="test")
    assert only_change(fake).reason == "Insufficient Data: 2 datapoints were unknown."


def test_setting_a_state_tells_as_an_evaluation_does(fake: StrictCloudWatch, client: Any) -> None:
    client.put_metric_alarm(**alarm(AlarmActions=[TOPIC]))
    for _ in range(2):  # the second time the state is no news
        client.set_alarm_state(AlarmName="silent", StateValue="ALARM", StateReason="fire drill")
    [change] = fake.alarms.transitions
    assert (change.reason, change.actions) == ("fire drill", (TOPIC,))
    assert state(client) == "ALARM"


def test_a_region_that_botocore_cannot_name_goes_by_its_code() -> None:
    fake = StrictCloudWatch(NOON, region="xx-nowhere-1")
    client_of(fake).put_metric_alarm(**alarm())
    play_in(fake, "X")
    assert only_change(fake).notification["Region"] == "xx-nowhere-1"


# --- the book ---


def test_changing_an_alarm_overwrites_its_configuration_and_keeps_its_state(
    fake: StrictCloudWatch, client: Any
) -> None:
    client.put_metric_alarm(**alarm(AlarmDescription="old", AlarmActions=[TOPIC]))
    client.set_alarm_state(AlarmName="silent", StateValue="ALARM", StateReason="test")
    fake.advance(timedelta(hours=1))
    client.put_metric_alarm(**alarm(Threshold=7.0))
    [found] = client.describe_alarms()["MetricAlarms"]
    assert found["AlarmConfigurationUpdatedTimestamp"] == NOON + timedelta(hours=1)
    assert found["StateUpdatedTimestamp"] == NOON
    assert (found["StateValue"], found["Threshold"], found["AlarmActions"]) == ("ALARM", 7.0, [])
    assert "AlarmDescription" not in found


def test_alarms_are_described_in_pages(client: Any) -> None:
    names = [f"a{number:03d}" for number in range(120)]
    for name in names:
        client.put_metric_alarm(**alarm(AlarmName=name))
    pages = list(client.get_paginator("describe_alarms").paginate())
    assert [len(page["MetricAlarms"]) for page in pages] == [50, 50, 20]
    assert [about["AlarmName"] for page in pages for about in page["MetricAlarms"]] == names
    assert len(client.describe_alarms(MaxRecords=100)["MetricAlarms"]) == 100


def test_alarms_are_found_by_name_prefix_state_and_action(client: Any) -> None:
    client.put_metric_alarm(**alarm(AlarmName="dead-man", AlarmActions=[TOPIC]))
    client.put_metric_alarm(
        **alarm(AlarmName="dead-letter", OKActions=["arn:aws:lambda:eu-west-1:1:function:f"])
    )
    client.put_metric_alarm(**alarm(AlarmName="errors"))
    client.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="test")

    def found(**filters: Any) -> list[str]:
        return [about["AlarmName"] for about in client.describe_alarms(**filters)["MetricAlarms"]]

    assert found() == ["dead-letter", "dead-man", "errors"]
    assert found(AlarmNames=["errors", "nobody"]) == ["errors"]
    assert found(AlarmNamePrefix="dead-") == ["dead-letter", "dead-man"]
    assert found(StateValue="OK") == ["errors"]
    assert found(ActionPrefix="arn:aws:sns:") == ["dead-man"]
    assert found(AlarmTypes=["CompositeAlarm"]) == []
    assert found(AlarmTypes=["MetricAlarm"]) == found()


def test_deleting_passes_over_names_that_do_not_exist(client: Any) -> None:
    client.put_metric_alarm(**alarm())
    client.delete_alarms(AlarmNames=["silent", "nobody"])
    assert client.describe_alarms()["MetricAlarms"] == []


OPERATORS = (
    "GreaterThanOrEqualToThreshold, GreaterThanThreshold, LessThanOrEqualToThreshold, LessThanThreshold"
)


def one_of(name: str, choices: str) -> str:
    return f"The parameter {name} must be a value in the set [ {choices} ]."


NOT_MODELLED = "strict_cloudwatch does not model alarms beyond one statistic of one metric: leave out "
REFUSED = {
    "metric math": ({"Metrics": [{"Id": "e", "Expression": "1"}]}, f"{NOT_MODELLED}Metrics."),
    "anomaly detection": ({"ThresholdMetricId": "e"}, f"{NOT_MODELLED}ThresholdMetricId."),
    "percentile": ({"ExtendedStatistic": "p99"}, f"{NOT_MODELLED}ExtendedStatistic."),
    "wall clock window": (
        {"EvaluationWindow": {"WallClockWindow": {"Timezone": "UTC"}}},
        f"{NOT_MODELLED}EvaluationWindow.",
    ),
    "high resolution": (
        {"Period": 10},
        "strict_cloudwatch does not model less than a minute: Period has to be a multiple of 60.",
    ),
    "odd period": (
        {"Period": 90},
        "The parameter Period must be a value in the set [ 1, 5, 10, 20, 30 ] or a multiple of 60.",
    ),
    "more than a day of minutes": (
        {"Period": 300, "EvaluationPeriods": 289},
        "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).",
    ),
    "more than a week of hours": (
        {"Period": 3600, "EvaluationPeriods": 169},
        "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800).",
    ),
    "more datapoints than periods": (
        {"DatapointsToAlarm": 2},
        "The parameter DatapointsToAlarm must be between 1 and EvaluationPeriods.",
    ),
    "unknown treatment": (
        {"TreatMissingData": "shrug"},
        one_of("TreatMissingData", "breaching, ignore, missing, notBreaching"),
    ),
    "anomaly operator": (
        {"ComparisonOperator": "GreaterThanUpperThreshold"},
        one_of("ComparisonOperator", OPERATORS),
    ),
    "six actions": (
        {"AlarmActions": [TOPIC] * 6},
        "The collection AlarmActions must not have a size greater than 5.",
    ),
    "name too long": (
        {"AlarmName": "a" * 256},
        "The parameter AlarmName must have between 1 and 255 characters.",
    ),
    "metric name beyond ASCII": (
        {"MetricName": "größe"},
        "The value größe for parameter MetricName is invalid.",
    ),
    "larger than 120 KB": ({"AlarmDescription": "x" * 122_881}, "The alarm is larger than 122880 bytes."),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_alarms_that_cannot_be_are_refused(client: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as refusal:
        client.put_metric_alarm(**alarm(**changes))
    assert refusal.value.response["Error"]["Code"] == "ValidationError"
    assert refusal.value.response["Error"]["Message"] == message
    assert client.describe_alarms()["MetricAlarms"] == []


@pytest.mark.parametrize("name", ["Namespace", "MetricName", "Statistic", "Period", "Threshold"])
def test_an_alarm_needs_all_that_defines_it(client: Any, name: str) -> None:
    incomplete = alarm()
    del incomplete[name]
    with pytest.raises(ClientError, match=f"The parameter {name} is required"):
        client.put_metric_alarm(**incomplete)


def test_a_week_of_hours_is_taken(client: Any) -> None:
    client.put_metric_alarm(**alarm(Period=3600, EvaluationPeriods=168))
    assert state(client) == "INSUFFICIENT_DATA"


def test_wrong_questions_about_alarms_are_refused(client: Any) -> None:
    client.put_metric_alarm(**alarm())
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.set_alarm_state(AlarmName="nobody", StateValue="OK", StateReason="test")
    with pytest.raises(client.exceptions.InvalidFormatFault):
        client.set_alarm_state(AlarmName="silent", StateValue="OK", StateReason="test", StateReasonData="{")
    with pytest.raises(ClientError, match="StateValue must be a value in the set"):
        client.set_alarm_state(AlarmName="silent", StateValue="FINE", StateReason="test")
    with pytest.raises(ClientError, match="cannot be specified together"):
        client.describe_alarms(AlarmNames=["a"], AlarmNamePrefix="a")
    with pytest.raises(ClientError, match="AlarmNames must not have a size greater than 100"):
        client.describe_alarms(AlarmNames=["a"] * 101)
    with pytest.raises(ClientError, match="MaxRecords must be between 1 and 100"):
        client.describe_alarms(MaxRecords=101)
    with pytest.raises(ClientError, match="does not model composite alarms"):
        client.describe_alarms(ParentsOfAlarmName="silent")
    with pytest.raises(ClientError, match="AlarmNames must have between 1 and 100 members"):
        client.delete_alarms(AlarmNames=["a"] * 101)
    assert state(client) == "INSUFFICIENT_DATA"
