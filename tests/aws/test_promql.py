"""The PromQL client against a strict endpoint: what is sent, what is read, and every way to fail."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.pace import Pace
from enigap.aws.promql import MOST_SERIES, IncompleteAnswer, PromQL, Series, is_too_large
from tests.fakes.promql import PromqlEndpoint, Reply, Stored, serve

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SECOND = int(AT.timestamp())
RECEIVED = (
    'max by (host) (last_over_time({__name__="received_bytes","@resource.k8s.cluster.name"="a&b=c+d"}[60s]))'
)


def received(host: int, cluster: str = "a&b=c+d") -> Stored:
    """A counter that has grown by its host's number each second, sampled every half minute."""
    seconds = [SECOND - 600 + 30 * number + 7 for number in range(40)]
    labels = {
        "__name__": "received_bytes",
        "host": f"h{host}",
        "@resource.k8s.cluster.name": cluster,
        "pod": f"p{host}",
    }
    return Stored(labels, seconds, [float(host * (at - SECOND + 600)) for at in seconds])


class Asked:
    """A client and the endpoint that it asks; pauses are written down and not taken."""

    def __init__(self, *hosts: int) -> None:
        self.endpoint = PromqlEndpoint(map(received, hosts))
        self.aws = Aws(region="eu-west-1")
        self.pauses: list[float] = []
        client = self.aws.client("cloudwatch")
        self.endpoint.attach(client)
        self.promql = PromQL(client, pace=Pace(1e9), sleep=self.pauses.append)

    def at(self) -> list[Series]:
        return self.promql.at(RECEIVED, AT)


def failed(*answers: Reply | None) -> tuple[AwsProblem, Asked]:
    """The problem after these answers."""
    asked = Asked(1)
    asked.endpoint.script.extend(answers)
    with pytest.raises(AwsProblem) as caught:
        asked.at()
    return caught.value, asked


def test_an_instant_has_one_value_of_each_series() -> None:
    asked = Asked(1, 2)
    assert asked.at() == [
        Series({"host": "h1"}, {SECOND: 577.0}),
        Series({"host": "h2"}, {SECOND: 1154.0}),
    ]


def test_a_range_has_the_values_at_its_steps_and_leaves_out_those_that_are_not_there() -> None:
    asked = Asked(1)
    start, end = AT - timedelta(minutes=11), AT - timedelta(minutes=8)
    [series] = asked.promql.between(RECEIVED, start, end, timedelta(minutes=1))
    assert series.values == {SECOND - 540: 37.0, SECOND - 480: 97.0}


def test_the_form_holds_whole_seconds_and_the_limit_of_series() -> None:
    asked = Asked(1)
    asked.at()
    asked.promql.between(RECEIVED, AT, AT + timedelta(hours=1), timedelta(minutes=5))
    assert asked.endpoint.forms == [
        {"path": "query", "query": RECEIVED, "time": "1767268800", "limit": "500"},
        {
            "path": "query_range",
            "query": RECEIVED,
            "start": "1767268800",
            "end": "1767272400",
            "step": "300s",
            "limit": "500",
        },
    ]


def test_it_asks_the_endpoint_of_the_environment_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(PromqlEndpoint([received(3)])) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        promql = PromQL(Aws(region="eu-west-1").client("cloudwatch"))
        assert [series.labels for series in promql.at(RECEIVED, AT)] == [{"host": "h3"}]


def test_a_signature_by_another_key_is_refused_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    problem, asked = failed()
    assert problem.kind is ProblemKind.CREDENTIALS
    assert asked.pauses == []


def test_nothing_that_matches_is_an_answer_without_series() -> None:
    assert Asked().at() == []


@pytest.mark.parametrize("hosts", [MOST_SERIES, MOST_SERIES + 1])
def test_an_answer_that_may_have_been_cut_is_no_answer(hosts: int) -> None:
    asked = Asked(*range(hosts))
    with pytest.raises(IncompleteAnswer):
        asked.at()
    assert len(asked.endpoint.forms) == 1


def test_an_answer_of_one_series_less_is_whole() -> None:
    assert len(Asked(*range(MOST_SERIES - 1)).at()) == MOST_SERIES - 1


def whole(**more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": []}, **more}


def test_a_warning_is_never_ignored() -> None:
    problem, _ = failed(Reply(body=whole(warnings=["scanned only a part"])))
    assert isinstance(problem, IncompleteAnswer)
    assert "scanned only a part" in str(problem)


def vector(*result: Any) -> dict[str, Any]:
    return whole(data={"resultType": "vector", "result": list(result)})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        {},
        {"status": "error", "errorType": "timeout"},
        {"status": "success"},
        whole(data={"resultType": "scalar", "result": [1, "2"]}),
        whole(data={"resultType": "vector", "result": None}),
        whole(warnings="all is lost"),
        vector({"metric": {}}),
        vector({"metric": {}, "value": ["1", "2"]}),
        vector({"metric": {"host": 1}, "value": [SECOND, "2"]}),
        vector({"metric": [], "value": [SECOND, "2"]}),
        vector({"metric": {}, "value": [SECOND - 60, "2"]}),
        vector({"metric": {}, "value": [SECOND + 0.4, "2"]}),
        whole(data={"resultType": "matrix", "result": [{"metric": {}, "values": [[SECOND, "2"]]}]}),
    ],
)
def test_an_answer_that_makes_no_sense_is_a_problem_and_never_an_empty_answer(body: Any) -> None:
    problem, _ = failed(*[Reply(body=body)] * 4)
    assert problem.kind is ProblemKind.FAILED


@pytest.mark.parametrize(
    "odd", [2.0, None, True, [], "two", "", "1_000", "0x1f", "1,5", " 1", "infinity", "٣"]
)
def test_a_value_that_is_no_number_is_none_and_says_nothing_against_the_series_beside_it(odd: Any) -> None:
    asked = Asked()
    beside = ({"metric": {"host": "h2"}, "value": [SECOND, text]} for text in ("2", "1e+06", ".5", "+Inf"))
    asked.endpoint.script.append(Reply(body=vector({"metric": {}, "value": [SECOND, odd]}, *beside)))
    first, *others = [series.values[SECOND] for series in asked.at()]
    assert math.isnan(first)
    assert others == [2.0, 1e6, 0.5, math.inf]


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (Reply(429, {"status": "error", "error": "slow down"}), ProblemKind.THROTTLED, "throttled"),
        (Reply(429), ProblemKind.THROTTLED, "throttled"),
        (Reply(500), ProblemKind.FAILED, "HTTP 500"),
        (Reply(503, {"status": "error", "errorType": "timeout"}), ProblemKind.FAILED, "timeout"),
    ],
)
def test_what_may_pass_is_asked_again_at_growing_intervals(
    reply: Reply, kind: ProblemKind, says: str
) -> None:
    problem, asked = failed(*[reply] * 4)
    assert problem.kind is kind
    assert says in str(problem)
    assert asked.pauses == [1.0, 2.0, 4.0]


def test_an_answer_after_that_counts() -> None:
    asked = Asked(1)
    asked.endpoint.script.extend([Reply(429), Reply(503)])
    assert len(asked.at()) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (
            Reply(422, {"status": "error", "errorType": "execution", "error": "too many samples"}),
            ProblemKind.REFUSED,
            "too many samples",
        ),
        (Reply(422), ProblemKind.REFUSED, "execution"),
        (
            Reply(422, {"__type": "com.amazon#LimitExceededException", "message": "too many series"}),
            ProblemKind.REFUSED,
            "too many series",
        ),
        (
            Reply(400, {"status": "error", "errorType": "bad_data", "error": "parse error"}),
            ProblemKind.REFUSED,
            "parse error",
        ),
        (
            Reply(403, {"__type": "com.amazon#AccessDeniedException", "Message": "not authorized"}),
            ProblemKind.DENIED,
            "allow cloudwatch:GetMetricData",
        ),
        (Reply(403), ProblemKind.DENIED, "allow cloudwatch:GetMetricData"),
        (Reply(403, {}, {"x-amzn-ErrorType": "ExpiredTokenException:"}), ProblemKind.EXPIRED, "sign in"),
    ],
)
def test_a_refusal_is_asked_once_and_said(reply: Reply, kind: ProblemKind, says: str) -> None:
    problem, asked = failed(reply)
    assert problem.kind is kind
    assert says in str(problem)
    assert len(asked.endpoint.forms) == 1


def test_a_question_that_is_asked_again_keeps_the_pace() -> None:
    asked = Asked(1)
    waits: list[int] = []

    class Counted(Pace):
        def wait(self, units: int = 1) -> None:
            assert units == 1
            waits.append(len(asked.endpoint.forms))

    asked.endpoint.script.extend([Reply(429), Reply(503)])
    PromQL(asked.aws.client("cloudwatch"), pace=Counted(1e9), sleep=asked.pauses.append).at(RECEIVED, AT)
    assert waits == [0, 1, 2]


@pytest.mark.parametrize("named", [{}, {"__type": "LimitExceededException"}, {"errorType": "too_many"}])
def test_a_query_that_cloudwatch_gives_up_on_is_too_large_whatever_that_is_called(named: Any) -> None:
    assert is_too_large(failed(Reply(422, named))[0])
    assert is_too_large(failed(Reply(body=whole(warnings=["cut"])))[0])
    assert not is_too_large(failed(Reply(400, {"errorType": "bad_data"}))[0])


def test_a_connection_that_gives_no_answer_is_tried_again() -> None:
    asked = Asked(1)
    errors = iter([ReadTimeoutError(endpoint_url="https://a.invalid")])

    def stall(**_: object) -> None:
        for error in errors:
            raise error

    asked.aws.client("cloudwatch").meta.events.register_first("before-send.cloudwatch", stall)
    assert len(asked.at()) == 1
    assert asked.pauses == [1.0]


def test_the_deadline_of_the_clients_holds_for_it() -> None:
    asked = Asked(1)
    asked.aws.deadline.seconds_left = lambda: 0.1
    with pytest.raises(AwsProblem) as caught:
        asked.at()
    assert caught.value.kind is ProblemKind.OUT_OF_TIME


def test_nothing_is_asked_once_time_is_out() -> None:
    asked = Asked(1)
    promql = PromQL(asked.aws.client("cloudwatch"), out_of_time=lambda: True)
    with pytest.raises(AwsProblem) as caught:
        promql.at(RECEIVED, AT)
    assert caught.value.kind is ProblemKind.OUT_OF_TIME
    assert asked.endpoint.forms == []


def test_a_selector_without_an_exact_name_is_refused() -> None:
    asked = Asked(1)
    with pytest.raises(AwsProblem) as caught:
        asked.promql.at('sum(last_over_time({host="h1"}[60s]))', AT)
    assert caught.value.kind is ProblemKind.REFUSED
