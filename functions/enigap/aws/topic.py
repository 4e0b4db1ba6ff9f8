"""Publishes a cluster's news to the findings topic: one SNS message, formatted for each channel.

Subscribers can filter by attributes: `cluster`, and the lists `news` (opened, reminder, resolved; muted,
unmuted) and `verdict`. Copies of one message have the same `id`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, Protocol

from enigap.aws.errors import calling, refused_on_purpose
from enigap.aws.iam import KEY_USES, Statement
from enigap.core.documents import Document
from enigap.core.incidents.incident import News
from enigap.core.messages import sns_message

ACTIONS: Final = (Statement(("sns:Publish",)),)

KEY_ACTIONS: Final = (Statement(KEY_USES["sns"]),)
"""Permissions on the key that publishing to an encrypted topic needs, too."""

_LONGEST_ATTRIBUTE: Final = 256
_LONGEST_SUBJECT: Final = 100
_LONGEST_BYTES: Final = 262_144


class Sns(Protocol):
    """The part of boto3's SNS client that is used here."""

    def publish(self, **request: Any) -> dict[str, Any]: ...


class Kms(Protocol):
    """The part of boto3's KMS client that is used here."""

    def generate_data_key(self, **request: Any) -> dict[str, Any]: ...


class Topic:
    """Publishes one cluster's news. `document_of` makes the notification to render messages from."""

    def __init__(self, sns: Sns, topic_arn: str, document_of: Callable[[Sequence[News]], Document]) -> None:
        self._sns, self._topic_arn, self._document_of = sns, topic_arn, document_of

    def notify(self, news: Sequence[News]) -> None:
        """Publish one message with all news. Raises AwsProblem."""
        document = self._document_of(news)
        publish(
            self._sns,
            self._topic_arn,
            document,
            cluster=document["cluster"],
            news={item.kind.value for item in news},
            verdicts={item.incident.verdict for item in news},
        )


def publish(
    sns: Sns,
    topic_arn: str,
    document: Document,
    *,
    cluster: str | None = None,
    news: Collection[str],
    verdicts: Collection[str] = (),
) -> None:
    """Publish one document in the words of every channel. Raises AwsProblem."""
    message = sns_message(document)
    attributes = {"news": _attributes(news)}
    if cluster is not None:
        attributes["cluster"] = _attribute(cluster)
    if "id" in document:
        attributes["id"] = _attribute(document["id"])
    if verdicts:
        attributes["verdict"] = _attributes(verdicts)
    with calling("sns:Publish", sns):
        sns.publish(TopicArn=topic_arn, **message, MessageAttributes=attributes)


def rehearse(sns: Sns, topic_arn: str) -> None:
    """Self-test: publish what SNS refuses, for two reasons, so that none is delivered. Raises AwsProblem."""
    with refused_on_purpose(), calling("sns:Publish", sns):
        sns.publish(
            TopicArn=topic_arn, Subject="x" * (_LONGEST_SUBJECT + 1), Message="x" * (_LONGEST_BYTES + 1)
        )


def rehearse_key(kms: Kms, key_arn: str) -> None:
    """Self-test: use the topic's key as SNS does for who publishes. Raises AwsProblem."""
    with calling("kms:GenerateDataKey", kms):
        kms.generate_data_key(KeyId=key_arn, KeySpec="AES_256")


def _attribute(text: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": text[:_LONGEST_ATTRIBUTE]}


def _attributes(texts: Iterable[str]) -> dict[str, str]:
    return {"DataType": "String.Array", "StringValue": json.dumps(sorted(set(texts)))}
