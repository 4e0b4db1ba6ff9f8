"""Answers of AWS that are not as AWS documents them: a run makes nodes unreadable of them, and never raises.

What is written to fails as documented, and the queue brings the work item back.
"""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ResponseStreamingError
from hypothesis import given, settings
from hypothesis import strategies as st

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, calling
from enigap.aws.pages import MOST_PAGES, pages
from enigap.core.incidents.state import ConflictError, StateUnreadableError
from enigap.core.judging.cluster import FindingKind
from tests.fakes.pipeline_ports import window
from tests.reliability.behaviours import nic_moved_into_a_pod
from tests.reliability.fleet import worker
from tests.reliability.world import World

READ: Final = (
    "ec2.describe_instances",
    "ec2.describe_tags",
    "ec2.describe_instance_types",
    "ec2.describe_traffic_mirror_sessions",
    "cloudwatch.list_metrics",
    "cloudwatch.get_metric_data",
    "logs.filter_log_events",
    "eks.describe_addon",
)
NEEDED: Final = READ[0], READ[4], READ[5]
"""Without these no node can be judged."""
STORED: Final = (
    "dynamodb.get_item",
    "dynamodb.scan",
    "dynamodb.put_item",
    "sns.publish",
    "sqs.send_message",
    "cloudwatch.put_metric_data",
)
DOCUMENTED: Final = (AwsProblem, ConflictError, StateUnreadableError)
"""What a run may raise: the queue brings its work item back."""

JUNK: Final[tuple[Any, ...]] = (
    *(None, True, -1, 10**400, math.nan, math.inf, 1e300, "", "text", "12", "eth0", b"\xff"),
    *([], [None], [[]], ["a", 1], {}, {"S": 5}, {"Name": None}),
    *(datetime.min, datetime.max, datetime(9999, 12, 31, tzinfo=UTC)),  # noqa: DTZ901 - without a zone
)


@cache
def in_trouble() -> World:
    """After the window in which the incident of i-1 opened."""
    world = World(worker("i-1"), worker("i-2"))
    world.during(2, 30, "i-1", nic_moved_into_a_pod)
    world.tells(windows=5)
    assert world.open
    return world


def spoiled(answer: Any, dice: random.Random) -> Any:
    """The answer with up to three members, anywhere in it, gone, doubled or something else."""
    answer = deepcopy(answer)
    for _ in range(dice.randint(1, 3)):
        at = answer
        while isinstance(at, dict | list) and at:
            key = dice.choice(sorted(at, key=str)) if isinstance(at, dict) else dice.randrange(len(at))
            if isinstance(at[key], dict | list) and at[key] and dice.random() < 0.7:
                at = at[key]
                continue
            what = dice.randrange(4)
            if what == 0:
                del at[key]
            elif what == 1 and isinstance(at, list):
                at.append(at[key])
            else:
                at[key] = dice.choice(JUNK)
            break
    return answer if dice.random() < 0.9 else dice.choice(JUNK)


def after(call: str, spoil: Callable[[Any], Any], quarters: int = 1) -> World:
    """The world after some quarters of an hour in which a call's answers were spoilt."""
    world = in_trouble().copy()
    world.process.spoilt[call] = spoil
    for number in range(5, 5 + quarters):
        world.quarter(number)
    return world


@pytest.mark.parametrize("call", READ)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=8)
def test_no_answer_to_a_question_raises_through_a_run(call: str, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - no secret
    world = after(call, lambda answer: spoiled(answer, dice))
    assert all(isinstance(problem, AwsProblem) for problem in world.problems)  # the planner's, at discovery
    assert window(5) in world.reports
    assert world.state.done == window(5)


@pytest.mark.parametrize("call", STORED)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_no_answer_to_what_is_stored_or_sent_raises_something_else_than_is_documented(
    call: str, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - no secret
    world = in_trouble().copy()
    world.process.spoilt[call] = lambda answer: spoiled(answer, dice)
    world.begin(5)
    world.plan()
    world.work_off()
    assert all(isinstance(problem, DOCUMENTED) for problem in world.problems)


WHOLE: Final[tuple[Any, ...]] = (None, {}, [], "<html>", {"Reservations": None, "Metrics": "x"}, 10**400)


@pytest.mark.parametrize("answer", WHOLE, ids=lambda answer: ascii(answer)[:12])
@pytest.mark.parametrize("call", NEEDED)
def test_an_answer_without_its_list_makes_the_cluster_unreadable_and_resolves_nothing(
    call: str, answer: Any
) -> None:
    world = after(call, lambda _: answer)
    finding = world.reports[window(5)].finding
    assert finding is not None
    assert finding.kind is FindingKind.UNREADABLE
    assert "makes no sense" in finding.reason
    assert world.open.keys() >= in_trouble().open.keys()


def test_what_the_logs_answer_wrongly_is_missing_evidence_and_no_missing_event() -> None:
    world = after("logs.filter_log_events", lambda _: {"events": [{"message": 5}]})
    [report] = [each for each in world.reports[window(5)].nodes if each.newest.node.instance_id == "i-1"]
    assert "AWS's answer to logs:FilterLogEvents makes no sense" in str(report.newest.evidence_missing)


@pytest.mark.parametrize("token", ["the same", None], ids=["the same", "a new one each time"])
def test_tokens_that_never_end_are_not_followed_for_ever(token: str | None) -> None:
    asked = 0

    def call(**_: Any) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"Tags": [], "NextToken": token or f"token {asked}"}

    with pytest.raises(AwsProblem, match=r"pages|again and again"):
        list(pages("ec2:DescribeTags", None, call, {}, lambda page: page))
    assert asked == (2 if token else MOST_PAGES)


# --- what arrives on the wire, through the SDK ---

_ITEM: Final = {"id": {"S": "a"}}
REQUESTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "dynamodb:Scan": ("scan", {"TableName": "table"}),
    "dynamodb:GetItem": ("get_item", {"TableName": "table", "Key": _ITEM}),
    "dynamodb:PutItem": ("put_item", {"TableName": "table", "Item": _ITEM}),
    "sqs:SendMessage": ("send_message", {"QueueUrl": "http://q", "MessageBody": "{}"}),
    "sns:Publish": ("publish", {"TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "m"}),
    "cloudwatch:PutMetricData": (
        "put_metric_data",
        {"Namespace": "N", "MetricData": [{"MetricName": "m", "Value": 1.0}]},
    ),
    "cloudwatch:ListMetrics": ("list_metrics", {}),
    "cloudwatch:GetMetricData": (
        "get_metric_data",
        {"MetricDataQueries": [], "StartTime": 0, "EndTime": 60},
    ),
    "logs:FilterLogEvents": ("filter_log_events", {"logGroupName": "g"}),
    "ec2:DescribeInstances": ("describe_instances", {}),
    "ec2:DescribeTags": ("describe_tags", {}),
    "ec2:DescribeInstanceTypes": ("describe_instance_types", {}),
    "ec2:DescribeTrafficMirrorSessions": ("describe_traffic_mirror_sessions", {}),
    "eks:DescribeAddon": ("describe_addon", {"clusterName": "c", "addonName": "a"}),
    "secretsmanager:GetSecretValue": ("get_secret_value", {"SecretId": "s"}),
}


def ask(aws: Aws, call: str) -> None:
    name, request = REQUESTS[call]
    with calling(call):
        getattr(aws.client(call.partition(":")[0]), name)(**request)


PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Sign in</p></body></html>"
BODIES: Final = (
    b"",
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b"5",
    b'"text"',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"<a>" * 20_000,
    b"<DescribeInstancesResponse><reservationSet><item/></reservationSet></DescribeInstancesResponse>",
    b"<DescribeInstancesResponse>",
    b"<?xml version='1.0'?><r><requestId>1</requestId></r>",
    json.dumps({"MetricDataResults": 5, "events": {}, "Items": "x", "addon": [1], "Metrics": [5]}).encode(),
    b'{"MetricDataResults": [{"Values": [' + b"9" * 5_000 + b"]}]}",
    b"\xa1\x6bMetricDatas\x9f\xff",
    None,
)
"""None: the connection breaks while the answer arrives."""


class Body(io.BytesIO):
    """What urllib3 reads an answer from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.getvalue()


@cache
def _aws() -> tuple[Aws, list[tuple[bytes | None, str]]]:
    """Clients whose every request is answered by the last of the list."""
    aws, answers = Aws(region="eu-west-1", attempts=1), list[tuple[bytes | None, str]]()

    def answered(request: Any, **_: Any) -> AWSResponse:
        body, content_type = answers[-1]
        if body is None:
            raise ResponseStreamingError(error="the connection broke")
        return AWSResponse(request.url, 200, {"content-type": content_type}, Body(body))

    for service in sorted({call.partition(":")[0] for call in REQUESTS}):
        aws.client(service).meta.events.register_first("before-send", answered)
    return aws, answers


@pytest.mark.parametrize("call", REQUESTS)
def test_no_body_of_an_answer_raises_anything_but_a_problem(call: str) -> None:
    aws, answers = _aws()
    for body in BODIES:
        answers.append((body, "application/x-amz-json-1.1"))
        with suppress(AwsProblem):
            ask(aws, call)


@pytest.mark.parametrize(
    ("body", "kind"),
    [(PAGE, "text/html; charset=utf-8"), (PAGE, "application/octet-stream"), (b"", "application/json")],
    ids=["a web page", "a web page under another name", "nothing"],
)
@pytest.mark.parametrize("call", REQUESTS)
def test_a_web_page_or_nothing_in_awss_place_is_no_answer(call: str, body: bytes, kind: str) -> None:
    if not body and call == "cloudwatch:PutMetricData":
        return  # which AWS answers so
    aws, answers = _aws()
    answers.append((body, kind))
    with pytest.raises(AwsProblem, match="does not speak AWS's language"):
        ask(aws, call)
