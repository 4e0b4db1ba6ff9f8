"""The findings topic: one SNS message with everything there is to say, in the words of each channel.

Subscribers can filter by attributes: `cluster`, and the lists `news` (opened, reminder, resolved) and
`verdict`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from enigap.aws.errors import calling
from enigap.aws.iam import Statement
from enigap.core.documents import Document
from enigap.core.incidents.incident import News
from enigap.core.messages import sns_message, subject

ACTIONS: Final = (Statement(("sns:Publish",)),)

KEY_ACTIONS: Final = (Statement(("kms:Decrypt", "kms:GenerateDataKey")),)
"""What publishing to an encrypted topic takes on top, of its key."""

_LONGEST_ATTRIBUTE: Final = 256


class Sns(Protocol):
    """What is needed of the SNS client."""

    def publish(self, **request: Any) -> dict[str, Any]: ...


class Topic:
    """Says one cluster's news. `event_of` makes the event that the messages are made of."""

    def __init__(self, sns: Sns, topic_arn: str, event_of: Callable[[Sequence[News]], Document]) -> None:
        self._sns, self._topic_arn, self._event_of = sns, topic_arn, event_of

    def notify(self, news: Sequence[News]) -> None:
        """One message with all of it. Raises AwsProblem."""
        event = self._event_of(news)
        with calling("sns:Publish", self._sns):
            self._sns.publish(
                TopicArn=self._topic_arn,
                MessageStructure="json",
                Message=sns_message(event),
                Subject=subject(event),
                MessageAttributes={
                    "cluster": _attribute(event["cluster"]),
                    "news": _attributes(item.news.value for item in news),
                    "verdict": _attributes(item.incident.verdict for item in news),
                },
            )


def _attribute(text: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": text[:_LONGEST_ATTRIBUTE]}


def _attributes(texts: Iterable[str]) -> dict[str, str]:
    return {"DataType": "String.Array", "StringValue": json.dumps(sorted(set(texts)))}
