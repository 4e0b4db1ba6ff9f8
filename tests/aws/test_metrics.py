from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.metrics import DATAPOINTS_PER_SECOND, QUERIES_PER_CALL, CloudWatchTotals
from enigap.aws.pace import Pace
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.window import PERIOD, FetchSpan
from tests.aws.worlds import (
    NOW,
    SPAN,
    eni_metric,
    load,
    node,
    nodes,
    plain_client,
    tuned_client,
    world,
)
from tests.fakes.strict_cloudwatch import ALWAYS, StrictCloudWatch, SyntheticFleet, matching

PER_NODE = SPAN.minutes + 3 * SPAN.periods
"""Datapoints that a node counts for in AWS's quota."""


def no_pace() -> Pace:
    return Pace(DATAPOINTS_PER_SECOND, sleep=lambda _: None)


def reader(fake: StrictCloudWatch, **more: Any) -> CloudWatchTotals:
    return CloudWatchTotals(plain_client(fake), pace=no_pace(), **more)


def by_instance(
    totals: CloudWatchTotals, of: Iterable[Node], span: FetchSpan = SPAN
) -> dict[str, Readings | Unreadable]:
    return {each.instance_id: readings for each, readings in totals.totals(of, span)}


def read(fake: StrictCloudWatch, of: list[Node], **more: Any) -> dict[str, Readings | Unreadable]:
    return by_instance(reader(fake, **more), of)


def expected(of: Node) -> Readings:
    """What `load` put in."""
    own = int(of.instance_id.removeprefix("i-"), 16)
    os_rates = tuple(1000.0 * own + m for m in range(SPAN.minutes))
    return Readings(
        SPAN,
        os_bytes_per_second=os_rates if of.has_series else (None,) * SPAN.minutes,
        network_in_bytes=tuple(5.0 * (2000 * own + p) for p in range(SPAN.periods)),
        network_out_bytes=tuple(5.0 * (3000 * own + p) for p in range(SPAN.periods)),
        network_in_samples=(5.0,) * SPAN.periods,
    )


def why(answer: Readings | Unreadable) -> str:
    assert isinstance(answer, Unreadable)
    return answer.why


# --- what is read ---


@pytest.mark.parametrize("make_client", [plain_client, tuned_client], ids=["plain boto3", "as deployed"])
def test_every_node_gets_its_own_figures(make_client: Callable[[StrictCloudWatch], Any]) -> None:
    asked = [*nodes(3), node(7, series=False)]
    fake = world(asked)
    answers = by_instance(CloudWatchTotals(make_client(fake)), asked)
    assert answers == {each.instance_id: expected(each) for each in asked}


def test_the_deployed_client_asks_exactly_as_boto3_does() -> None:
    asked = [*nodes(3), node(7, series=False)]
    fake = world(asked)
    for client in (plain_client(fake), tuned_client(fake)):
        by_instance(CloudWatchTotals(client), asked)
    by_boto3, as_deployed = (request.parameters for request in fake.requests)
    assert as_deployed == by_boto3
    assert as_deployed["StartTime"] == SPAN.start.timestamp()


def test_a_minute_without_a_datapoint_is_silence_and_not_zero() -> None:
    fake = StrictCloudWatch(now=NOW)
    load(fake, node(1), os_bytes_per_second=[5.0, 0.0], network_in_bytes=[], network_out_bytes=[10.0])
    answer = read(fake, [node(1)])[node(1).instance_id]
    assert isinstance(answer, Readings)
    assert answer.os_bytes_per_second == (5.0, 0.0, *[None] * (SPAN.minutes - 2))
    assert answer.network_in_bytes == answer.network_in_samples == (None,) * SPAN.periods
    assert answer.network_out_bytes == (10.0, *[None] * (SPAN.periods - 1))


def test_a_node_that_cloudwatch_never_heard_of_is_silent_and_not_unreadable() -> None:
    answer = read(StrictCloudWatch(now=NOW), [node(1)])[node(1).instance_id]
    assert isinstance(answer, Readings)
    assert set(answer.os_bytes_per_second + answer.network_in_bytes) == {None}


def test_nobody_asked_about_costs_nothing() -> None:
    fake = StrictCloudWatch(now=NOW)
    assert read(fake, []) == {}
    assert not fake.counters.calls


# --- what it costs ---


def test_500_nodes_take_exactly_4_calls_and_1500_billed_metrics() -> None:
    fake = StrictCloudWatch(now=NOW)
    fleet = SyntheticFleet(500, until=SPAN.end)
    fake.add_source(fleet)
    asked = [Node("prod", fleet.instance_id(n), fleet.node_name(n)) for n in range(500)]
    totals = CloudWatchTotals(tuned_client(fake), pace=no_pace())
    answers = by_instance(totals, asked)
    assert all(isinstance(answer, Readings) for answer in answers.values())
    assert len(answers) == 500
    assert fake.counters.calls == {"GetMetricData": 4}
    assert fake.counters.billed_metrics == 1500
    assert fake.counters.estimated_datapoints == 500 * PER_NODE


@given(
    with_series=st.lists(st.booleans(), max_size=30),
    queries_per_call=st.integers(min_value=4, max_value=24),
)
def test_any_packing_gives_the_same_readings_and_is_billed_the_same(
    with_series: list[bool], queries_per_call: int
) -> None:
    asked = [node(number, series=series) for number, series in enumerate(with_series)]
    fake = world(asked)
    totals = reader(fake, queries_per_call=queries_per_call, parallelism=2)
    in_order = list(totals.totals(asked, SPAN))
    assert in_order == [(each, expected(each)) for each in asked]
    assert fake.counters.billed_metrics == sum(3 if series else 2 for series in with_series)
    if all(with_series) and queries_per_call % 4 == 0:
        assert fake.counters.calls["GetMetricData"] == -(-4 * len(asked) // queries_per_call)


@pytest.mark.parametrize("queries_per_call", [3, QUERIES_PER_CALL + 1])
def test_a_packing_that_cannot_work_is_refused(queries_per_call: int) -> None:
    with pytest.raises(ValueError, match="4 to 500"):
        CloudWatchTotals(plain_client(StrictCloudWatch(now=NOW)), queries_per_call=queries_per_call)


def test_no_more_calls_are_under_way_than_wanted() -> None:
    asked = nodes(40)
    fake = world(asked)
    read(fake, asked, queries_per_call=4, parallelism=3)
    assert fake.counters.calls["GetMetricData"] == 40
    assert fake.counters.max_concurrent_calls <= 3


def test_nodes_are_taken_as_their_answers_are_wanted() -> None:
    taken: list[int] = []

    def endless() -> Any:
        for number in range(10_000):
            taken.append(number)
            yield node(number)

    fake = world(nodes(2))
    answers = reader(fake, queries_per_call=4, parallelism=2).totals(endless(), SPAN)
    assert next(answers) == (node(0), expected(node(0)))
    assert len(taken) < 6
    answers.close()


# --- pages ---


class PagedCloudWatch:
    """Answers with pages of its own making, whatever is asked; `pages` by the token that asks for them."""

    def __init__(self, *pages: dict[str, Any] | Exception) -> None:
        self.pages = pages
        self.requests: list[dict[str, Any]] = []

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        number = int(request.get("NextToken", 0))
        page = self.pages[number]
        if isinstance(page, Exception):
            raise page
        more = {"NextToken": str(number + 1)} if number + 1 < len(self.pages) else {}
        return {"Messages": []} | page | more


def result(key: str, points: dict[int, Any], status: str = "Complete", **more: Any) -> dict[str, Any]:
    """A MetricDataResult with these values by index of their period from the start of `SPAN`."""
    seconds = 300 if key in {"q1", "q2", "q3"} else 60
    at = [SPAN.start.timestamp() + index * seconds for index in points]
    return {"Id": key, "Timestamps": at, "Values": [*points.values()], "StatusCode": status} | more


def all_four(**instead: dict[str, Any]) -> list[dict[str, Any]]:
    """Answers to the four queries of one node, but for those given."""
    return [instead.get(key, result(key, {0: 1.0})) for key in ("q0", "q1", "q2", "q3")]


def answer_to(*pages: Any) -> Readings | Unreadable:
    return by_instance(CloudWatchTotals(PagedCloudWatch(*pages)), [node(1)])[node(1).instance_id]


def os_of(answer: Readings | Unreadable) -> dict[int, float]:
    assert isinstance(answer, Readings), answer
    return {m: rate for m, rate in enumerate(answer.os_bytes_per_second) if rate is not None}


def test_pages_are_put_together_and_partial_data_on_the_way_is_nothing_to_worry_about() -> None:
    cloudwatch = PagedCloudWatch(
        {"MetricDataResults": [result("q1", {0: 7.0}), result("q0", {3: 3.0, 2: 2.0}, "PartialData")]},
        {"MetricDataResults": [result("q0", {1: 1.0}, "PartialData")]},
        {"MetricDataResults": [result("q0", {0: 0.0}), result("q2", {0: 5.0}), result("q3", {0: 9.0})]},
    )
    answer = by_instance(CloudWatchTotals(cloudwatch), [node(1)])[node(1).instance_id]
    assert os_of(answer) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}
    first, *later = ({k: v for k, v in r.items() if k != "NextToken"} for r in cloudwatch.requests)
    assert later == [first, first], "a token is good for the request it was issued for, and no other"


def test_paging_works_against_the_wire_and_bills_every_page() -> None:
    asked = nodes(125)
    span = FetchSpan(SPAN.start - timedelta(days=1), SPAN.end)  # 288,000 datapoints: three pages
    fake = StrictCloudWatch(now=NOW)
    fake.add_source(fleet := SyntheticFleet(125, until=span.end, minutes=span.minutes))
    asked = [Node("prod", fleet.instance_id(n), fleet.node_name(n)) for n in range(125)]
    totals = CloudWatchTotals(tuned_client(fake), pace=no_pace())
    answers = by_instance(totals, asked, span)
    assert len(answers) == 125
    for answer in answers.values():
        assert isinstance(answer, Readings)
        assert None not in answer.os_bytes_per_second + answer.network_in_bytes + answer.network_in_samples
    assert fake.counters.calls["GetMetricData"] == 3
    assert fake.counters.billed_metrics == 3 * 375


def test_a_page_that_never_comes_leaves_unreadable_what_was_not_complete_and_nothing_else() -> None:
    of = [node(1), node(2)]
    first = [
        *(result(key, {0: 1.0}) for key in ("q0", "q1", "q2", "q3")),
        result("q4", {34: 1.0}, "PartialData"),
    ]
    throttled = throttling()
    answers = by_instance(CloudWatchTotals(PagedCloudWatch({"MetricDataResults": first}, throttled)), of)
    assert os_of(answers[of[0].instance_id]) == {0: 1.0}
    assert why(answers[of[1].instance_id]) == "AWS throttled cloudwatch:GetMetricData"


def test_a_service_that_pages_in_circles_is_not_followed() -> None:
    class Circle(PagedCloudWatch):
        def get_metric_data(self, **request: Any) -> dict[str, Any]:
            self.requests.append(request)
            return {"MetricDataResults": [result("q0", {0: 1.0}, "PartialData")], "NextToken": "again"}

    circle = Circle()
    answer = by_instance(CloudWatchTotals(circle), [node(1)])[node(1).instance_id]
    assert "same page" in why(answer)
    assert len(circle.requests) == 2


# --- what makes a node unreadable, and only that node ---


def only_second_fails(fake: StrictCloudWatch) -> str:
    asked = nodes(3)
    answers = read(fake, asked)
    assert answers[asked[0].instance_id] == expected(asked[0])
    assert answers[asked[2].instance_id] == expected(asked[2])
    return why(answers[asked[1].instance_id])


@pytest.mark.parametrize("name", ["node_network_total_bytes", "NetworkIn", "NetworkOut"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("partial_data", "CloudWatch returned only a part of {}"),
        ("forbidden", "CloudWatch forbids reading {} ({} could not be read)"),
        ("internal_error", "CloudWatch twice had an internal error reading {} ({} could not be read)"),
        ("missing_id", "CloudWatch's answer leaves out {}"),
    ],
)
def test_a_failed_result_makes_its_own_node_unreadable(fault: str, said: str, name: str) -> None:
    fake = world(nodes(3))
    getattr(fake.faults, fault)(matching(name=name, InstanceId=node(1).instance_id))
    assert only_second_fails(fake) == said.format(name, name)
    assert not fake.faults.unused


def test_an_internal_error_is_asked_about_once_more_and_only_it() -> None:
    fake = world(nodes(3))
    fake.faults.internal_error(matching(name="NetworkIn", InstanceId=node(1).instance_id), times=1)
    totals = reader(fake)
    answers = by_instance(totals, nodes(3))
    assert answers == {each.instance_id: expected(each) for each in nodes(3)}
    again = fake.requests[-1].parameters["MetricDataQueries"]
    assert [query["MetricStat"]["Stat"] for query in again] == ["Sum", "SampleCount"]
    assert fake.counters.calls["GetMetricData"] == 2
    assert fake.counters.billed_metrics == 9 + 1


def test_an_internal_error_whose_second_asking_fails_says_why() -> None:
    fake = world(nodes(3))
    fake.faults.internal_error(matching(name="NetworkIn", InstanceId=node(1).instance_id))
    fake.faults.throttle("GetMetricData", on_call=2)
    assert only_second_fails(fake) == "AWS throttled cloudwatch:GetMetricData in eu-west-1"


def test_an_unknown_status_is_a_failure() -> None:
    answer = answer_to({"MetricDataResults": all_four(q0=result("q0", {}, "Napping"))})
    assert why(answer) == "CloudWatch answered 'Napping' about node_network_total_bytes"


def test_an_empty_answer_is_silence_only_while_nobody_says_otherwise() -> None:
    empty = result("q0", {}, Messages=[{"Code": "Trouble", "Value": "The store is\nwarming up."}])
    assert os_of(answer_to({"MetricDataResults": all_four(q0=result("q0", {}))})) == {}
    assert why(answer_to({"MetricDataResults": all_four(q0=empty)})) == (
        "CloudWatch found no node_network_total_bytes and remarked: The store is warming up"
    )


def test_a_message_about_the_whole_call_counts_against_what_came_empty() -> None:
    fake = world(nodes(3)[:2])
    fake.faults.global_message("MaxMetricsExceeded", "Maximum number of allowed metrics exceeded")
    answers = read(fake, nodes(3))
    assert answers[node(0).instance_id] == expected(node(0))
    assert "Maximum number of allowed metrics exceeded" in why(answers[node(2).instance_id])


@pytest.mark.parametrize(
    "spoilt",
    [
        {"Timestamps": [SPAN.start.timestamp()], "Values": []},
        {"Timestamps": ["yesterday"], "Values": [1.0]},
        {"Timestamps": [float("nan")], "Values": [1.0]},
        {"Timestamps": [float("inf")], "Values": [1.0]},
        {"Timestamps": [None], "Values": [1.0]},
        {"Timestamps": [SPAN.start.timestamp()], "Values": [10**400]},
    ],
    ids=["lengths differ", "no time", "nan", "infinite", "null", "beyond every float"],
)
def test_an_answer_that_makes_no_sense_is_a_failure_and_not_silence(spoilt: dict[str, Any]) -> None:
    answer = answer_to({"MetricDataResults": all_four(q0=result("q0", {}) | spoilt)})
    assert why(answer) == "CloudWatch's answer about node_network_total_bytes makes no sense"


@pytest.mark.parametrize("value", ["12", None, True, [1.0]])
def test_what_is_no_number_is_no_missing_datapoint_either(value: Any) -> None:
    answer = answer_to({"MetricDataResults": all_four(q0=result("q0", {0: value, 1: 5.0}))})
    assert why(answer) == "CloudWatch's answer about node_network_total_bytes makes no sense"


@pytest.mark.parametrize("minutes", [[-600], [600, 601]])
def test_datapoints_all_of_another_time_are_not_silence(minutes: list[int]) -> None:
    answer = answer_to({"MetricDataResults": all_four(q0=result("q0", dict.fromkeys(minutes, 1.0)))})
    assert why(answer) == "CloudWatch's answer about node_network_total_bytes makes no sense"


def test_datapoints_outside_the_span_are_thrown_away_and_the_last_of_two_wins() -> None:
    last = SPAN.minutes - 1
    doubled = result("q0", {last: 2.0, 0: 1.0, last + 1: 9.0, -1: 9.0})
    doubled["Timestamps"].append(doubled["Timestamps"][1])
    doubled["Values"].append(7.0)
    assert os_of(answer_to({"MetricDataResults": all_four(q0=doubled)})) == {0: 7.0, last: 2.0}


@given(st.data())
def test_the_order_of_results_and_datapoints_does_not_matter(data: st.DataObject) -> None:
    whole = {minute: float(minute) for minute in range(SPAN.minutes)}
    results = all_four(q0=result("q0", whole))
    for each in results:
        order = data.draw(st.permutations(range(len(each["Values"]))))
        each["Timestamps"] = [each["Timestamps"][place] for place in order]
        each["Values"] = [each["Values"][place] for place in order]
    shuffled = data.draw(st.permutations(results))
    assert os_of(answer_to({"MetricDataResults": shuffled})) == whole


def test_answers_to_questions_nobody_asked_are_ignored() -> None:
    class Talkative:
        calls = 0

        def get_metric_data(self, **_: Any) -> dict[str, Any]:
            self.calls += 1
            if self.calls == 1:
                failed = result("q1", {}, "InternalError")
                return {"MetricDataResults": [*all_four(q1=failed), result("q99", {0: 1.0})]}
            return {"MetricDataResults": [result("q0", {5: 99.0}), result("q1", {0: 4.0})]}

    answer = by_instance(CloudWatchTotals(Talkative()), [node(1)])[node(1).instance_id]
    assert os_of(answer) == {0: 1.0}
    assert isinstance(answer, Readings)
    assert answer.network_in_bytes[0] == 4.0


def test_timestamps_may_come_as_datetimes() -> None:
    spoken = result("q0", {})
    spoken |= {"Timestamps": [SPAN.start.astimezone(UTC)], "Values": [4.0]}
    assert os_of(answer_to({"MetricDataResults": all_four(q0=spoken)})) == {0: 4.0}


# --- calls that fail as a whole ---


def throttling() -> ClientError:
    return ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "GetMetricData")


def test_a_call_that_fails_makes_only_its_own_nodes_unreadable() -> None:
    asked = nodes(6)
    fake = world(asked)
    fake.faults.throttle("GetMetricData", on_call=2)
    answers = list(reader(fake, queries_per_call=8, parallelism=1).totals(asked, SPAN))
    assert [each for each, _ in answers] == asked
    assert [type(answer) for _, answer in answers] == [Readings] * 2 + [Unreadable] * 2 + [Readings] * 2
    assert why(answers[2][1]) == "AWS throttled cloudwatch:GetMetricData in eu-west-1"


@pytest.mark.parametrize("fault", ["throttle", "server_error", "connection_reset"])
def test_where_every_call_fails_every_node_is_unreadable(fault: str) -> None:
    asked = nodes(5)
    fake = world(asked)
    getattr(fake.faults, fault)("GetMetricData", times=ALWAYS)
    answers = read(fake, asked, queries_per_call=8)
    assert answers.keys() == {each.instance_id for each in asked}
    assert all(isinstance(answer, Unreadable) for answer in answers.values())


def test_a_denial_is_raised_and_names_the_action() -> None:
    fake = world(nodes(5))
    fake.faults.access_denied("GetMetricData", times=ALWAYS)
    with pytest.raises(AwsProblem, match="allow cloudwatch:GetMetricData") as problem:
        read(fake, nodes(5), queries_per_call=4)
    assert problem.value.kind is ProblemKind.DENIED


def test_a_denial_in_the_middle_leaves_what_was_read() -> None:
    asked = nodes(4)
    fake = world(asked)
    fake.faults.access_denied("GetMetricData", on_call=2)
    answers = read(fake, asked, queries_per_call=4, parallelism=1)
    assert [type(answers[each.instance_id]) for each in asked] == [Readings, Unreadable, Readings, Readings]


def test_what_is_not_fetched_in_time_is_unreadable() -> None:
    asked = nodes(5)
    fake = world(asked)
    answers = read(
        fake,
        asked,
        queries_per_call=4,
        parallelism=1,
        out_of_time=lambda: fake.counters.calls["GetMetricData"] >= 2,
    )
    assert [type(answers[each.instance_id]) for each in asked] == [Readings] * 2 + [Unreadable] * 3
    assert why(answers[asked[4].instance_id]) == "Time ran out before CloudWatch could be asked"


def test_no_time_at_all_asks_nothing_and_answers_for_everybody() -> None:
    fake = world(nodes(3))
    answers = read(fake, nodes(3), out_of_time=lambda: True)
    assert [type(answer) for answer in answers.values()] == [Unreadable] * 3
    assert not fake.counters.calls


# --- pace ---


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.seconds += seconds


def test_calls_are_spaced_out_to_stay_within_the_datapoint_quota() -> None:
    clock = Clock()
    asked = nodes(10)
    fake = world(asked)
    pace = Pace(PER_NODE, clock=clock, sleep=clock.sleep)  # a node a second
    by_instance(CloudWatchTotals(plain_client(fake), queries_per_call=8, parallelism=1, pace=pace), asked)
    assert clock.seconds == pytest.approx(100 + 4 * 2), "five calls of two nodes: four waits of two seconds"


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 5)), max_size=50))
def test_at_no_time_do_more_datapoints_go_out_than_the_quota_and_one_call(
    calls: list[tuple[int, float]],
) -> None:
    clock = Clock()
    pace = Pace(1000, clock=clock, sleep=clock.sleep)
    sent: list[tuple[float, int]] = []
    for datapoints, idle in calls:
        clock.seconds += idle
        pace.wait(datapoints)
        sent.append((clock.seconds, datapoints))
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            elapsed = sent[last][0] - sent[first][0]
            # What goes out before the last call has had the time it needs.
            assert sum(points for _, points in sent[first:last]) <= 1000 * elapsed + 1e-6


def test_a_long_fetch_asks_for_aligned_times() -> None:
    fake = world(nodes(1))
    by_instance(reader(fake), nodes(1))
    asked = fake.requests[-1].parameters
    for instant in (asked["StartTime"], asked["EndTime"]):
        assert instant % PERIOD.total_seconds() == 0
    ids = [query["Id"] for query in asked["MetricDataQueries"]]
    assert ids == ["q0", "q1", "q2", "q3"]


def test_nodes_come_back_in_the_order_given() -> None:
    asked = sorted(nodes(30), key=lambda each: str(each.instance_id)[::-1])
    fake = world(asked)
    answered = [each for each, _ in reader(fake, queries_per_call=12).totals(asked, SPAN)]
    assert answered == asked


def test_an_eni_metric_is_asked_for_by_instance_alone() -> None:
    fake = world(nodes(1))
    by_instance(reader(fake), nodes(1))
    asked = fake.requests[-1].parameters["MetricDataQueries"]
    by_name = {q["MetricStat"]["Metric"]["MetricName"]: q["MetricStat"] for q in asked}
    assert by_name["NetworkOut"]["Metric"]["Dimensions"] == [
        {"Name": "InstanceId", "Value": node(0).instance_id}
    ]
    assert eni_metric("NetworkOut", node(0)).dimensions == (("InstanceId", node(0).instance_id),)
    assert datetime.fromtimestamp(fake.requests[-1].parameters["StartTime"], UTC) == SPAN.start
