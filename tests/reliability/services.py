"""DynamoDB, SNS and SQS as far as the pipeline uses them: in memory, fast, and strict about what they take.

moto is what the adapters are tested against; thousands of windows need less. What is asked for in another way
than here is refused, so that nothing is taken for granted that AWS does not promise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

Item = dict[str, dict[str, Any]]

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"

LARGEST_ITEM_BYTES: Final = 400 * 1024
LARGEST_MESSAGE_BYTES: Final = 256 * 1024


def refusal(code: str, operation: str, message: str = "", status: int = 400) -> ClientError:
    """What botocore raises when a service answers with an error."""
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)


class FakeDynamoDb:
    """One table with the partition key `id`. A read that is not consistent gets what was there before."""

    def __init__(self, table: str, now: datetime) -> None:
        self.now = now
        self.items: dict[str, Item] = {}
        self.decided: list[tuple[str, str, datetime]] = []
        """The states before and after each write that moved a cluster on to a newer window, and its time."""
        self._table = table
        self._stale: dict[str, Item] = {}

    def get_item(
        self,
        *,
        TableName: str,  # noqa: N803 - AWS's names
        Key: Item,  # noqa: N803
        ConsistentRead: bool = False,  # noqa: N803 - AWS's names
    ) -> dict[str, Any]:
        self._require_table(TableName, "GetItem")
        key = Key["id"]["S"]
        item = (self.items if ConsistentRead else self._stale).get(key)
        return {} if item is None else {"Item": dict(item)}

    def put_item(
        self,
        *,
        TableName: str,  # noqa: N803 - AWS's names
        Item: Item,  # noqa: N803
        ConditionExpression: str | None = None,  # noqa: N803 - needed for whatever is not only remembered
        ExpressionAttributeNames: dict[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Item | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        self._require_table(TableName, "PutItem")
        key = Item["id"]["S"]
        if not ConditionExpression and not key.startswith("posted#"):
            raise refusal("ValidationException", "PutItem", "nothing else is written without a condition")
        if ConditionExpression and not self._holds(
            key, ConditionExpression, ExpressionAttributeNames, ExpressionAttributeValues
        ):
            raise refusal("ConditionalCheckFailedException", "PutItem", "The conditional request failed")
        if len(json.dumps(Item)) > LARGEST_ITEM_BYTES:
            raise refusal("ValidationException", "PutItem", "Item size has exceeded the maximum allowed size")
        before = self.items.get(key, {})
        if before:
            self._stale[key] = before
        if "done" in Item and Item["done"] != before.get("done"):
            self.decided.append((before.get("state", {}).get("S", ""), Item["state"]["S"], self.now))
        self.items[key] = dict(Item)
        return {}

    def scan(self, **request: Any) -> dict[str, Any]:
        self._require_table(request["TableName"], "Scan")
        names = request["ExpressionAttributeNames"]
        wanted = {names[part] for part in request["ProjectionExpression"].split(", ")}
        items = self.items if request.get("ConsistentRead") else self._stale
        return {
            "Items": [
                {name: value for name, value in item.items() if name in wanted}
                for _, item in sorted(items.items())
            ]
        }

    def _holds(self, key: str, condition: str, names: dict[str, str] | None, values: Item | None) -> bool:
        item = self.items.get(key)
        if condition == "attribute_not_exists(id)":
            return item is None
        if condition == "attribute_exists(id)":
            return item is not None
        if condition == "#revision = :read" and names == {"#revision": "revision"} and values is not None:
            return item is not None and item.get("revision") == values[":read"]
        raise refusal("ValidationException", "PutItem", f"this fake knows no condition {condition!r}")

    def _require_table(self, table: str, operation: str) -> None:
        if table != self._table:
            raise refusal("ResourceNotFoundException", operation, "Requested resource not found")


@dataclass(frozen=True)
class Published:
    """One SNS message: what each protocol gets."""

    at: datetime
    subject: str
    by_protocol: dict[str, str]

    @property
    def event(self) -> dict[str, Any]:
        """What programs get."""
        document: dict[str, Any] = json.loads(self.by_protocol["sqs"])
        return document


class FakeSns:
    """One topic, and everything that was published to it."""

    def __init__(self, topic_arn: str, now: datetime) -> None:
        self.now = now
        self.published: list[Published] = []
        self._topic_arn = topic_arn

    def publish(
        self,
        *,
        TopicArn: str,  # noqa: N803 - AWS's names
        Message: str,  # noqa: N803
        MessageStructure: str,  # noqa: N803
        Subject: str,  # noqa: N803
        MessageAttributes: dict[str, Any],  # noqa: N803
    ) -> dict[str, Any]:
        if TopicArn != self._topic_arn:
            raise refusal("NotFound", "Publish", "Topic does not exist")
        if not 0 < len(Subject) <= 100 or not (Subject.isascii() and Subject.isprintable()):
            raise refusal("InvalidParameter", "Publish", "Invalid parameter: Subject")
        if len(Message.encode()) + len(json.dumps(MessageAttributes)) > LARGEST_MESSAGE_BYTES:
            raise refusal("InvalidParameter", "Publish", "Invalid parameter: Message too long")
        by_protocol = json.loads(Message)
        if MessageStructure != "json" or not isinstance(by_protocol.get("default"), str):
            raise refusal("InvalidParameter", "Publish", "No default entry in JSON message body")
        self.published.append(Published(self.now, Subject, by_protocol))
        return {"MessageId": str(len(self.published))}


@dataclass
class Message:
    """A message in a queue."""

    body: str
    group: str
    deduplication_id: str
    sent_at: datetime
    visible_at: datetime
    received: int = 0


@dataclass
class FakeQueue:
    """A FIFO queue with its dead letters: SQS for the planner, and the event source of the reconciler.

    While a message of a group is away, the rest of the group waits. What is not deleted comes back once
    `visibility` is over, and goes to the dead letters instead when it has been received `attempts` times.
    """

    now: datetime
    visibility: timedelta = timedelta(minutes=6)
    attempts: int = 3
    messages: list[Message] = field(default_factory=list)
    dead_letters: list[Message] = field(default_factory=list)
    _sent: dict[str, datetime] = field(default_factory=dict)

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MessageBody: str,  # noqa: N803
        MessageGroupId: str,  # noqa: N803
        MessageDeduplicationId: str,  # noqa: N803
    ) -> dict[str, Any]:
        del QueueUrl
        recent = self.now - timedelta(minutes=5)
        self._sent = {key: at for key, at in self._sent.items() if at > recent}
        if MessageDeduplicationId not in self._sent:
            self._sent[MessageDeduplicationId] = self.now
            self.put(MessageBody, MessageGroupId, MessageDeduplicationId)
        return {}

    def put(self, body: str, group: str, deduplication_id: str = "") -> None:
        self.messages.append(Message(body, group, deduplication_id, self.now, self.now))

    def receive(self) -> Message | None:
        """The next message whose group has none away, if there is any."""
        away: set[str] = set()
        for message in list(self.messages):
            if message.group in away:
                continue
            if message.visible_at > self.now:
                away.add(message.group)
            elif message.received == self.attempts:
                self.messages.remove(message)
                self.dead_letters.append(message)
            else:
                message.received += 1
                message.visible_at = self.now + self.visibility
                return message
        return None

    @property
    def next_visible_at(self) -> datetime | None:
        """When a message that is away comes back; None if none is."""
        return min((m.visible_at for m in self.messages if m.visible_at > self.now), default=None)

    def delete(self, message: Message) -> None:
        self.messages.remove(message)

    def redrive(self) -> None:
        """The dead letters go back to the queue, as an operator has them do."""
        for message in self.dead_letters:
            message.received, message.visible_at = 0, self.now
        self.messages += self.dead_letters
        self.dead_letters = []


class FakeEks:
    """The add-on that installs the agent, if there is one."""

    def __init__(self) -> None:
        self.addon: dict[str, Any] | None = None

    def describe_addon(self, *, clusterName: str, addonName: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        if self.addon is None:
            raise refusal(
                "ResourceNotFoundException", "DescribeAddon", f"no {addonName} on {clusterName}", 404
            )
        return {"addon": {"addonName": addonName, **self.addon}}
