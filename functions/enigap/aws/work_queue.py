"""The work queue: SQS FIFO, one group for each cluster, so that a cluster's windows are judged in order.

Items go one by one: there are as many as clusters, the SDK tries each again by itself, and no partial
failure has to be told apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

from enigap.aws.errors import AwsProblem, calling
from enigap.aws.iam import Statement
from enigap.core.instants import timestamp
from enigap.core.work import WorkItem

ACTIONS: Final = (Statement(("sqs:SendMessage",)),)

# What SQS takes; EKS's names are of this form, but the agent can be told any.
_GROUP: Final = re.compile(r"[!-~]{1,128}")


class Sqs(Protocol):
    """What is needed of the SQS client."""

    def send_message(self, **request: Any) -> dict[str, Any]: ...


class WorkQueue:
    """The queue that the reconciler works off."""

    def __init__(self, sqs: Sqs, url: str) -> None:
        self._sqs, self._url = sqs, url

    def send(self, items: Sequence[WorkItem]) -> None:
        """Queue all of them; one that was queued in the last five minutes is dropped by SQS.

        Raises AwsProblem for the first that SQS did not take, after all others have been sent.
        """
        problems: list[AwsProblem] = []
        for item in items:
            try:
                with calling("sqs:SendMessage", self._sqs):
                    self._sqs.send_message(QueueUrl=self._url, **_message(item))
            except AwsProblem as problem:
                problems.append(problem)
        if problems:
            raise problems[0]


def _message(item: WorkItem) -> dict[str, str]:
    return {
        "MessageBody": json.dumps(item.document()),
        "MessageGroupId": item.cluster if _GROUP.fullmatch(item.cluster) else _digest(item.cluster),
        "MessageDeduplicationId": _digest(item.cluster, timestamp(item.window.end)),
    }


def _digest(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
