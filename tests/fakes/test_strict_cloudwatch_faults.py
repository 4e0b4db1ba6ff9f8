"""What the strict fake CloudWatch can be told to do wrong, seen through boto3."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.fakes.conftest import NOON
from tests.fakes.strict_cloudwatch import ALWAYS, StrictCloudWatch, client_of, datum, matching, metric, query

NODES = [metric("AWS/EC2", "NetworkIn", InstanceId=f"i-{number}") for number in range(3)]
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def fake() -> StrictCloudWatch:
    fake = StrictCloudWatch(NOON)
    for node in NODES:
        fake.load(node, NOON - timedelta(minutes=5), [1.0, 2.0, 3.0, 4.0, 5.0])
    return fake


@pytest.fixture
def client(fake: StrictCloudWatch) -> Any:
    return client_of(fake, ONE_ATTEMPT)


def get(client: Any, **more: Any) -> Any:
    queries = [query(node, query_id=f"q{number}") for number, node in enumerate(NODES)]
    window = {"StartTime": NOON - timedelta(minutes=5), "EndTime": NOON}
    return client.get_metric_data(MetricDataQueries=queries, **window, **more)


def outcome(call: Any) -> str:
    """The error code of a call, "fine" when it has none."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except ConnectionClosedError:
        return "reset"
    return "fine"


def results(answer: Any) -> dict[str, tuple[str, list[float]]]:
    return {about["Id"]: (about["StatusCode"], about["Values"]) for about in answer["MetricDataResults"]}


WHOLE = ("Complete", [5.0, 4.0, 3.0, 2.0, 1.0])


def test_a_script_is_met_in_the_order_it_was_written(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.throttle("GetMetricData", times=2)
    fake.faults.connection_reset("GetMetricData")
    fake.faults.server_error("GetMetricData", 503)
    met = [outcome(lambda: get(client)) for _ in range(5)]
    assert met == ["Throttling", "Throttling", "reset", "ServiceUnavailable", "fine"]
    assert fake.counters.errors == {"Throttling": 2, "ConnectionReset": 1, "ServiceUnavailable": 1}
    assert fake.faults.unused == []


def test_a_fault_of_one_operation_spares_the_others(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.access_denied("ListMetrics", times=ALWAYS)
    assert outcome(lambda: get(client)) == "fine"
    assert [outcome(client.list_metrics) for _ in range(3)] == ["AccessDenied"] * 3
    fake.faults.clear()
    assert outcome(client.list_metrics) == "fine"


def test_a_fault_can_wait_for_a_certain_call(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.server_error("PutMetricData", on_call=2)
    put = {"Namespace": "EniGap", "MetricData": [datum(metric("EniGap", "m"), Value=1.0)]}
    met = [outcome(lambda: client.put_metric_data(**put)) for _ in range(3)]
    assert met == ["fine", "InternalServiceError", "fine"]


def test_a_failed_put_stores_nothing(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.throttle()
    own = metric("EniGap", "m")
    assert outcome(
        lambda: client.put_metric_data(Namespace="EniGap", MetricData=[datum(own, Value=1.0)])
    ) == ("Throttling")
    assert own not in fake.store.listing(NOON)


def test_failures_have_the_status_that_botocore_judges_by(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.throttle()
    fake.faults.access_denied()
    fake.faults.server_error(status=502)
    fake.faults.refuse("ListMetrics", "LimitExceeded", "Too many")
    seen = []
    for _ in range(4):
        with pytest.raises(ClientError) as failure:
            client.list_metrics()
        response = failure.value.response
        seen.append((response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]))
    assert seen == [
        ("Throttling", 400),
        ("AccessDenied", 403),
        ("InternalFailure", 502),
        ("LimitExceeded", 400),
    ]


def test_partial_data_lacks_the_older_half_and_has_no_token(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.partial_data(matching(InstanceId="i-1"))
    answer = get(client)
    assert results(answer) == {"q0": WHOLE, "q1": ("PartialData", [5.0, 4.0]), "q2": WHOLE}
    assert "NextToken" not in answer
    ascending = get(client, ScanBy="TimestampAscending")
    assert results(ascending)["q1"] == ("PartialData", [4.0, 5.0])


def test_results_fail_one_by_one_while_the_call_succeeds(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.internal_error(matching(namespace="AWS/EC2", name="NetworkIn", InstanceId="i-0"))
    fake.faults.forbidden(lambda identity: ("InstanceId", "i-1") in identity.dimensions)
    fake.faults.missing_id(matching(InstanceId="i-2"))
    answer = get(client)
    assert results(answer) == {"q0": ("InternalError", []), "q1": ("Forbidden", [])}
    assert [about["Messages"] for about in answer["MetricDataResults"]] == [
        [{"Code": "InternalError", "Value": "NetworkIn could not be read"}],
        [{"Code": "Forbidden", "Value": "NetworkIn could not be read"}],
    ]


def test_a_result_fault_lasts_for_so_many_answers(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.internal_error(times=2)
    answers = [results(get(client)) for _ in range(3)]
    assert answers[0] == answers[1] == dict.fromkeys(["q0", "q1", "q2"], ("InternalError", []))
    assert answers[2] == dict.fromkeys(["q0", "q1", "q2"], WHOLE)


def test_a_metric_nobody_asked_for_leaves_its_fault_unused(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.forbidden(matching(name="NetworkOut"), times=1)
    fake.faults.throttle("ListMetrics", on_call=7)
    get(client)
    assert fake.faults.unused == ["forbidden of GetMetricData", "throttling of ListMetrics on call 7"]


def test_a_message_about_the_whole_call_comes_with_its_results(fake: StrictCloudWatch, client: Any) -> None:
    value = "Maximum number of allowed metrics exceeded"
    fake.faults.global_message("MaxMetricsExceeded", value)
    first, second = get(client), get(client)
    assert first["Messages"] == [{"Code": "MaxMetricsExceeded", "Value": value}]
    assert second["Messages"] == []
    assert results(first) == results(second)


def test_slowness_is_recorded_and_adds_to_what_else_happens(fake: StrictCloudWatch, client: Any) -> None:
    fake.faults.slow(30.0, "GetMetricData")
    fake.faults.throttle("GetMetricData")
    fake.faults.slow(12.0, times=1)
    assert [outcome(lambda: get(client)) for _ in range(2)] == ["Throttling", "fine"]
    client.list_metrics()
    assert fake.counters.slowed_seconds == 30.0 + 12.0 + 30.0


def test_calls_at_the_same_time_are_counted_as_such(fake: StrictCloudWatch) -> None:
    fake.faults.slow(1.0, times=2)
    both_wait = threading.Barrier(2, timeout=10)
    headers = {"X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics"}
    calls = [
        threading.Thread(
            target=fake.handle, args=(headers, b"{}"), kwargs={"sleep": lambda _: both_wait.wait()}
        )
        for _ in range(2)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    fake.handle(headers, b"{}")
    assert fake.counters.max_concurrent_calls == 2
