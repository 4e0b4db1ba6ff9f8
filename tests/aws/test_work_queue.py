"""The work queue (moto's SQS FIFO), and what it does when SQS does not take an item."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem
from enigap.aws.work_queue import WorkQueue
from enigap.core.counting.window import Window
from enigap.core.work import WorkItem
from tests.fakes.pipeline_ports import FIRST, window


def item(cluster: str, at: Window = FIRST) -> WorkItem:
    return WorkItem("123456789012", "eu-west-1", cluster, at)


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield Aws().client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="work.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"])


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    """Everything in the queue, taken out of it."""
    messages: list[dict[str, Any]] = []
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], WaitTimeSeconds=0
        )
        if not answer.get("Messages"):
            return messages
        for message in answer["Messages"]:
            messages.append(message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_what_is_sent_comes_out_as_it_went_in(sqs: Any, url: str) -> None:
    items = [item(f"cluster-{number:02}") for number in range(23)]
    WorkQueue(sqs, url).send(items)
    assert sorted((WorkItem.from_json(m["Body"]) for m in received(sqs, url)), key=str) == sorted(
        items, key=str
    )


def test_a_work_item_has_the_form_that_is_documented(sqs: Any, url: str) -> None:
    WorkQueue(sqs, url).send([item("prod")])
    [message] = received(sqs, url)
    assert json.loads(message["Body"]) == {
        "schema": "enigap.work/1",
        "account": "123456789012",
        "region": "eu-west-1",
        "cluster": "prod",
        "window_end": "2026-01-01T12:00:00Z",
    }
    assert message["Attributes"]["MessageGroupId"] == "prod"


def test_a_window_that_is_planned_twice_is_judged_once(sqs: Any, url: str) -> None:
    for _ in range(2):
        WorkQueue(sqs, url).send([item("prod"), item("dev")])
    assert len(received(sqs, url)) == 2


def test_other_windows_and_clusters_of_similar_names_are_other_work(sqs: Any, url: str) -> None:
    WorkQueue(sqs, url).send([item("prod", window(0)), item("prod", window(1)), item("prod\n", window(0))])
    assert len(received(sqs, url)) == 3


class Recorder:
    """An SQS that keeps what it was sent and refuses one group."""

    def __init__(self, refuse: str | None = None) -> None:
        self.sent: list[dict[str, str]] = []
        self._refuse = refuse

    def send_message(self, **request: Any) -> dict[str, Any]:
        if request["MessageGroupId"] == self._refuse:
            raise ClientError({"Error": {"Code": "InternalError", "Message": "no"}}, "SendMessage")
        self.sent.append(request)
        return {}


def test_no_call_is_made_for_nothing() -> None:
    recorder = Recorder()
    WorkQueue(recorder, "url").send([])
    assert recorder.sent == []


def test_an_item_sqs_does_not_take_is_a_problem_after_everything_else_is_queued() -> None:
    recorder = Recorder(refuse="c-7")
    with pytest.raises(AwsProblem, match="sqs:SendMessage"):
        WorkQueue(recorder, "url").send([item(f"c-{number}") for number in range(12)])
    assert [each["MessageGroupId"] for each in recorder.sent] == [f"c-{n}" for n in range(12) if n != 7]


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_whatever_a_cluster_is_called_sqs_takes_its_group_and_none_is_taken_for_another(
    one: str, other: str
) -> None:
    recorder = Recorder()
    WorkQueue(recorder, "url").send([item(one), item(other)])
    first, second = recorder.sent
    for entry in (first, second):
        for field in ("MessageGroupId", "MessageDeduplicationId"):
            assert 1 <= len(entry[field]) <= 128
            assert entry[field].isascii()
            assert entry[field].isprintable()
            assert " " not in entry[field]
    assert (first["MessageGroupId"] == second["MessageGroupId"]) is (one == other)
    assert (first["MessageDeduplicationId"] == second["MessageDeduplicationId"]) is (one == other)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps({"schema": "enigap.work/2"}),
        json.dumps({**item("prod").document(), "cluster": ""}),
        json.dumps({**item("prod").document(), "account": 1}),
        json.dumps({**item("prod").document(), "window_end": "2026-01-01T12:07:00Z"}),
        json.dumps({**item("prod").document(), "window_end": "2026-01-01T12:00:00"}),
        json.dumps({**item("prod").document(), "window_end": None}),
        json.dumps({**item("prod").document(), "window_end": "0001-01-01T00:00:00+12:00"}),
    ],
    ids=[
        "nothing",
        "a list",
        "an empty object",
        "endless lists",
        "a later version",
        "no cluster",
        "a number for a name",
        "off the grid",
        "no time zone",
        "no window",
        "before the calendar",
    ],
)
def test_what_is_no_work_item_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"work item|quarter of an hour|time zone|instant|Expecting"):
        WorkItem.from_json(body)
