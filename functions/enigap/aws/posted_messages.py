"""Remembers for an hour which messages were posted to Slack, in the state table.

SNS and SQS deliver a message at least once, and a run that is killed after it published one publishes it
again. The second copy has the same id, and is not posted. An item is written only after Slack took the
message: if the function is killed in between, or the table fails, the message is posted twice and not lost.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from enigap.aws.errors import calling
from enigap.aws.iam import Statement
from enigap.aws.state_table import EXPIRES_AT, KEY

REMEMBERED_FOR: Final = timedelta(hours=1)
_PREFIX: Final = "posted#"
_LONGEST_ID: Final = 256

ACTIONS: Final = (
    Statement(
        ("dynamodb:GetItem", "dynamodb:PutItem"),
        condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": f"{_PREFIX}*"}},
    ),
)
"""Permissions on the items of this module, and on no cluster's."""


class DynamoDb(Protocol):
    """The part of boto3's DynamoDB client that is used here."""

    def get_item(self, **request: Any) -> dict[str, Any]: ...
    def put_item(self, **request: Any) -> dict[str, Any]: ...


class PostedMessages:
    """The messages that were posted in the hour before `now`. Each method raises AwsProblem."""

    def __init__(self, dynamodb: DynamoDb, table: str, *, now: datetime) -> None:
        self._dynamodb, self._table, self._now = dynamodb, table, now

    def has(self, message_id: str) -> bool:
        """Whether a message was posted. DynamoDB deletes expired items late, so their time is compared."""
        with calling("dynamodb:GetItem", self._dynamodb):
            answer = self._dynamodb.get_item(
                TableName=self._table, Key={KEY: _key(message_id)}, ConsistentRead=True
            )
            expires_at = (answer.get("Item") or {}).get(EXPIRES_AT, {}).get("N", "")
            return expires_at.isdecimal() and int(expires_at) > self._now.timestamp()

    def add(self, message_id: str) -> None:
        """Remember that a message was posted."""
        expires_at = int((self._now + REMEMBERED_FOR).timestamp())
        with calling("dynamodb:PutItem", self._dynamodb):
            self._dynamodb.put_item(
                TableName=self._table, Item={KEY: _key(message_id), EXPIRES_AT: {"N": str(expires_at)}}
            )


def _key(message_id: str) -> dict[str, str]:
    return {"S": f"{_PREFIX}{message_id[:_LONGEST_ID]}"}
