"""The work queue: SQS FIFO with a message group for each cluster, so that its windows are judged in order.

Items are sent one by one, several at a time, and not in batches: there are only as many as clusters, the SDK
retries each call, and there are no partial failures to handle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from enigap.aws.clients import DEFAULT_PARALLELISM
from enigap.aws.errors import AwsProblem, calling, refused_on_purpose
from enigap.aws.iam import Statement
from enigap.aws.names import takes
from enigap.core.instants import timestamp
from enigap.core.work import WorkItem

ACTIONS: Final = (Statement(("sqs:SendMessage",)),)


class Sqs(Protocol):
    """The part of boto3's SQS client that is used here."""

    def send_message(self, **request: Any) -> dict[str, Any]: ...


class WorkQueue:
    """The queue of work items for the reconciler."""

    def __init__(self, sqs: Sqs, url: str) -> None:
        self._sqs, self._url = sqs, url

    def send(self, items: Sequence[WorkItem]) -> None:
        """Queue all items; SQS drops duplicates of the last five minutes.

        Raises AwsProblem for the first item that failed, after all others have been sent.
        """
        with ThreadPoolExecutor(DEFAULT_PARALLELISM) as pool:
            problems = [problem for problem in pool.map(self._send, items) if problem]
        if problems:
            raise problems[0]

    def _send(self, item: WorkItem) -> AwsProblem | None:
        try:
            with calling("sqs:SendMessage", self._sqs):
                self._sqs.send_message(QueueUrl=self._url, **_message(item))
        except AwsProblem as problem:
            return problem
        return None

    def rehearse(self) -> None:
        """Self-test: send a message of no group, which the queue refuses. Raises AwsProblem."""
        with refused_on_purpose(), calling("sqs:SendMessage", self._sqs):
            self._sqs.send_message(QueueUrl=self._url, MessageBody="{}")


COUNT_ACTIONS: Final = (Statement(("sqs:GetQueueAttributes",)),)
"""Permission for `dead_letters`."""

_COUNT: Final = "ApproximateNumberOfMessages"


class CountingSqs(Protocol):
    """The part of boto3's SQS client that `dead_letters` uses."""

    def get_queue_attributes(self, **request: Any) -> dict[str, Any]: ...


def dead_letters(sqs: CountingSqs, urls: Mapping[str, str]) -> dict[str, int]:
    """How many messages are in each of these queues. Raises AwsProblem."""
    found = {}
    for name, url in urls.items():
        with calling("sqs:GetQueueAttributes", sqs):
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[_COUNT])
            found[name] = int(answer["Attributes"][_COUNT])
    return found


def _message(item: WorkItem) -> dict[str, str]:
    return {
        "MessageBody": json.dumps(item.document()),
        "MessageGroupId": item.cluster if takes("SQS", item.cluster) else _digest(item.cluster),
        "MessageDeduplicationId": _digest(item.cluster, timestamp(item.window.end)),
    }


def _digest(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
