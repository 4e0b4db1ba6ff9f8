"""Publishing, against the strict fake CloudWatch: it refuses what AWS refuses."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enigap.aws.errors import AwsProblem
from enigap.aws.publisher import DATA_PER_CALL, MetricPublisher, actions
from enigap.core.counting.window import Window
from enigap.core.judging.verdict import Verdict
from enigap.core.published import Datum, Publish, Unit, data_of_run
from tests.aws.worlds import NOW, WINDOW, plain_client, tuned_client
from tests.fakes.pipeline_ports import report_of
from tests.fakes.strict_cloudwatch import StrictCloudWatch, metric, query

SETTLE = timedelta(minutes=10)


@pytest.fixture
def fake() -> StrictCloudWatch:
    return StrictCloudWatch(NOW)


def run(nodes: int, at: Window = WINDOW, cluster: str = "prod") -> list[Datum]:
    report = report_of(
        at, {f"i-{n:017x}": (Verdict.OS_DEFICIT, Verdict.AGREE) for n in range(nodes)}, cluster=cluster
    )
    return list(data_of_run(report, settle=SETTLE, publish=Publish.ALL))


def values(fake: StrictCloudWatch, datum: Datum, statistic: str) -> list[float]:
    identity = metric("EniGap", datum.name, **dict(datum.dimensions))
    answer = plain_client(fake).get_metric_data(
        MetricDataQueries=[query(identity, statistic, Unit=datum.unit.value)],
        StartTime=datum.timestamp,
        EndTime=datum.timestamp + timedelta(minutes=1),
    )
    found: list[float] = answer["MetricDataResults"][0]["Values"]
    return found


@pytest.mark.parametrize("make_client", [plain_client, tuned_client], ids=["plain boto3", "as deployed"])
def test_everything_is_published_with_its_dimensions_unit_and_time(
    fake: StrictCloudWatch, make_client: Any
) -> None:
    data = run(3)
    MetricPublisher(make_client(fake), "EniGap").publish(data)
    for datum in data:
        assert values(fake, datum, "Maximum") == [datum.value]
        assert values(fake, datum, "SampleCount") == [1]


def test_publishing_a_window_again_changes_no_maximum_and_no_average(fake: StrictCloudWatch) -> None:
    data = run(2)
    for _ in range(3):
        MetricPublisher(plain_client(fake), "EniGap").publish(data)
    for datum in data:
        assert values(fake, datum, "Maximum") == [datum.value]
        assert values(fake, datum, "Average") == pytest.approx([datum.value])


@pytest.mark.parametrize(("nodes", "calls"), [(0, 1), (488, 1), (489, 2), (2000, 5)])
def test_a_thousand_values_go_into_one_call(fake: StrictCloudWatch, nodes: int, calls: int) -> None:
    data = run(nodes)
    MetricPublisher(tuned_client(fake), "EniGap").publish(data)
    assert fake.counters.calls["PutMetricData"] == calls == -(-len(data) // DATA_PER_CALL)


def test_nothing_is_sent_for_nothing(fake: StrictCloudWatch) -> None:
    MetricPublisher(plain_client(fake), "EniGap").publish([])
    assert fake.counters.calls["PutMetricData"] == 0


@settings(max_examples=20)
@given(st.integers(1, 1024), st.integers(1, 3000))
def test_no_call_is_larger_than_cloudwatch_takes(length: int, count: int) -> None:
    """The fake counts the megabyte before compression."""
    fake = StrictCloudWatch(NOW)
    dimensions = (("ClusterName", "x" * length), ("InstanceId", "i-0123456789abcdef0"))
    datum = Datum(
        "UnexplainedBytesPerSecond", dimensions, 12345678.123456789, Unit.BYTES_PER_SECOND, WINDOW.end
    )
    MetricPublisher(plain_client(fake), "EniGap").publish(datum for _ in range(count))
    assert values(fake, datum, "SampleCount") == [count]


def test_a_refusal_is_raised_in_one_sentence(fake: StrictCloudWatch) -> None:
    long_ago = Window(WINDOW.end - timedelta(days=15))
    with pytest.raises(AwsProblem, match="AWS refused cloudwatch:PutMetricData in eu-west-1"):
        MetricPublisher(plain_client(fake), "EniGap").publish(run(1, long_ago))


def test_a_failure_in_the_middle_is_raised_and_publishing_again_repairs_it(fake: StrictCloudWatch) -> None:
    data = run(2000)
    fake.faults.throttle("PutMetricData", times=1)
    publisher = MetricPublisher(plain_client(fake), "EniGap")
    with pytest.raises(AwsProblem, match="AWS throttled cloudwatch:PutMetricData"):
        publisher.publish(data)
    publisher.publish(data)
    assert all(values(fake, datum, "Maximum") == [datum.value] for datum in data[::97])


def test_only_its_own_namespace_may_be_written_to() -> None:
    [statement] = actions("EniGap/staging")
    assert statement.document() == {
        "Effect": "Allow",
        "Action": ["cloudwatch:PutMetricData"],
        "Resource": ["*"],
        "Condition": {"StringEqualsIfExists": {"cloudwatch:namespace": "EniGap/staging"}},
    }


@pytest.mark.parametrize("name", ["pröd", "", "   ", ":prod", "a\nb", "x" * 1025])
def test_a_name_that_cloudwatch_does_not_take_hinders_no_other_metric(name: str) -> None:
    data = [
        Datum("NodesJudged", dimensions, 3, Unit.COUNT, NOW)
        for dimensions in ((("ClusterName", name),), (("ClusterName", "prod"),), ())
    ]
    sent: list[Any] = []

    class Recorder:
        def put_metric_data(self, **request: Any) -> dict[str, Any]:
            sent.extend(request["MetricData"])
            return {}

    MetricPublisher(Recorder(), "EniGap").publish(data)
    assert [each["Dimensions"] for each in sent] == [[{"Name": "ClusterName", "Value": "prod"}], []]
