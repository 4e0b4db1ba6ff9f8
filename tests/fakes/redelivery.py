"""SQS in front of a function, as far as delivery depends on it, with a clock of its own.

A message that is received is invisible for a while and comes back unless it was done. One that has been
received as often as its queue allows goes to the dead letters instead, whoever asks for it next (SQS
Developer Guide, "Using dead-letter queues"). A move task puts dead letters back as new messages (the same
guide, "redrive").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Handler = Callable[[Sequence[dict[str, Any]]], Sequence[str]]
"""Takes the records of one batch; answers the message ids that SQS is to keep."""


@dataclass
class Message:
    """One message and what has become of it so far."""

    message_id: str
    body: str
    receives: int = 0
    visible_at_seconds: float = 0.0

    @property
    def record(self) -> dict[str, Any]:
        return {
            "messageId": self.message_id,
            "receiptHandle": f"{self.message_id}/{self.receives}",
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
            "eventSource": "aws:sqs",
        }


@dataclass
class Redelivery:
    """A queue, its dead letters and the function that the queue feeds."""

    visibility_timeout_seconds: float
    max_receive_count: int
    batch_size: int
    handler: Handler
    now_seconds: float = 0.0
    waiting: list[Message] = field(default_factory=list)
    dead_letters: list[Message] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)

    def send(self, *bodies: str) -> None:
        self.waiting += [Message(f"m-{next(self._numbers)}", body) for body in bodies]

    def run(self) -> None:
        """Until nothing is waiting any more."""
        while self.waiting:
            self.now_seconds = max(self.now_seconds, min(m.visible_at_seconds for m in self.waiting))
            if batch := self._receive():
                failed = set(self.handler([message.record for message in batch]))
                done = [message for message in batch if message.message_id not in failed]
                self.waiting = [message for message in self.waiting if message not in done]

    def redrive(self) -> None:
        """StartMessageMoveTask from the dead letters to the queue."""
        bodies = [message.body for message in self.dead_letters]
        self.dead_letters = []
        self.send(*bodies)

    def _receive(self) -> list[Message]:
        visible = [message for message in self.waiting if message.visible_at_seconds <= self.now_seconds]
        spent = [message for message in visible if message.receives >= self.max_receive_count]
        self.dead_letters += spent
        self.waiting = [message for message in self.waiting if message not in spent]
        batch = [message for message in visible if message not in spent][: self.batch_size]
        for message in batch:
            message.receives += 1
            message.visible_at_seconds = self.now_seconds + self.visibility_timeout_seconds
        return batch
