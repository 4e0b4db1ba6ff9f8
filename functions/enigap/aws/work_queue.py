"""The work queue: SQS FIFO, one group for each cluster, so that a cluster's windows are judged in order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

from enigap.aws.errors import AwsProblem, ProblemKind, calling
from enigap.aws.iam import Statement
from enigap.core.documents import timestamp
from enigap.core.work import WorkItem

ACTIONS: Final = (Statement(("sqs:SendMessage",)),)

_ITEMS_PER_CALL: Final = 10
# What SQS takes; EKS's names are of this form, but the agent can be told any.
_GROUP: Final = re.compile(r"[!-~]{1,128}")


class Sqs(Protocol):
    """What is needed of the SQS client."""

    def send_message_batch(self, **request: Any) -> dict[str, Any]: ...


class WorkQueue:
    """The queue that the reconciler works off."""

    def __init__(self, sqs: Sqs, url: str) -> None:
        self._sqs, self._url = sqs, url

    def send(self, items: Sequence[WorkItem]) -> None:
        """Queue all of them; one that was queued in the last five minutes is dropped by SQS.

        What SQS does not take of a batch is sent once more, after the others. Raises AwsProblem for what it
        does not take then either.
        """
        refused = self._refused(items)
        still_refused = self._refused([item for item, _ in refused])
        if still_refused:
            codes = ", ".join(sorted({code for _, code in still_refused}))
            raise AwsProblem(
                ProblemKind.FAILED,
                f"SQS did not take {len(still_refused)} of {len(items)} work items ({codes})",
                "run the planner again",
            )

    def _refused(self, items: Sequence[WorkItem]) -> list[tuple[WorkItem, str]]:
        """Send the items; those that SQS did not take, each with its error's code."""
        refused = []
        for start in range(0, len(items), _ITEMS_PER_CALL):
            batch = items[start : start + _ITEMS_PER_CALL]
            entries = [{"Id": str(number), **_message(item)} for number, item in enumerate(batch)]
            with calling("sqs:SendMessage", self._sqs):
                answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            refused += [(batch[int(each["Id"])], str(each.get("Code"))) for each in answer.get("Failed", ())]
        return refused


def _message(item: WorkItem) -> dict[str, str]:
    return {
        "MessageBody": json.dumps(item.document()),
        "MessageGroupId": item.cluster if _GROUP.fullmatch(item.cluster) else _digest(item.cluster),
        "MessageDeduplicationId": _digest(item.cluster, timestamp(item.window.end)),
    }


def _digest(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
