"""Delivers messages of both topics from their queue to a Slack channel."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, Final

import urllib3
from aws_lambda_powertools import Logger

from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.posted_messages import PostedMessages
from enigap.aws.secrets import Secret
from enigap.lambdas import environment, runtime
from enigap.slack_webhook import Channel, NotDeliveredError, address_in, deliver_all, post

logger = Logger(logger_formatter=runtime.LogLines())
# At DEBUG these log the secret and the webhook's URL.
for library in ("botocore", "urllib3"):
    logging.getLogger(library).setLevel(logging.INFO)


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: runtime.Context) -> dict[str, Any]:
    """Post a batch of messages; the answer lists the failed messages, which SQS retries."""
    records = event["Records"]
    runtime.aws().deadline.seconds_left = lambda: runtime.seconds_left(context)
    if not records:  # SQS sends no empty batch: this is the self-test of a deployment.
        rehearse()
    channel = Channel(
        address=address,
        send=partial(post, pool()),
        sleep=time.sleep,
        remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    failures = deliver_all(records, channel, memory())
    for failure in failures:
        logger.error("not delivered", message_id=failure.message_id, why=failure.why)
    logger.info("done", delivered=len(records) - len(failures), failed=len(failures))
    return {"batchItemFailures": [{"itemIdentifier": failure.message_id} for failure in failures]}


def rehearse() -> None:
    """Self-test: read the secret and try the memory, post nothing. Raises AwsProblem."""
    runtime.rehearse(rehearse_address, rehearse_memory)


def rehearse_address() -> None:
    """Read the secret. It is not in the stack: only the permission to read it is."""
    try:
        stored_address(fresh=True)
    except AwsProblem as problem:
        raise problem if problem.kind is ProblemKind.DENIED else runtime.OutsideProblem.of(problem) from None
    except NotDeliveredError as problem:
        said = AwsProblem(ProblemKind.REFUSED, str(problem).rstrip("."))
        raise runtime.OutsideProblem.of(said) from None


def rehearse_memory() -> None:
    if known := memory():
        messages = known.messages()
        messages.has("rehearsal")
        messages.add("rehearsal")


MEMORY_SECONDS: Final = 2.0


def memory() -> Memory | None:
    """The messages that were posted; None without a table."""
    table = os.environ.get(environment.STATE_TABLE)
    return Memory(table) if table else None


class Memory:
    """The messages that were posted. A message is posted whether the table answers or not."""

    def __init__(self, table: str) -> None:
        self._table = table

    def has(self, message_id: str) -> bool:
        return bool(self._tried(lambda: self.messages().has(message_id)))

    def add(self, message_id: str) -> None:
        self._tried(lambda: self.messages().add(message_id))

    def messages(self) -> PostedMessages:
        dynamodb = runtime.aws().client("dynamodb")
        return PostedMessages(dynamodb, self._table, now=datetime.now(UTC))

    def _tried(self, step: Callable[[], bool | None]) -> bool | None:
        try:
            with runtime.aws().deadline.within(MEMORY_SECONDS):
                return step()
        except AwsProblem as problem:
            logger.warning("a copy may be posted", why=str(problem))
            return None


def address(*, fresh: bool) -> str:
    """The webhook's URL, cached for some minutes unless `fresh`. Raises NotDeliveredError."""
    try:
        return stored_address(fresh=fresh)
    except AwsProblem as problem:
        raise NotDeliveredError(str(problem)) from problem


def stored_address(*, fresh: bool) -> str:
    return address_in(secret().text(fresh=fresh), os.environ.get("AWS_ENDPOINT_URL"))


@cache
def secret() -> Secret:
    # Not the monotonic clock: it may stop while Lambda has frozen the function between invocations.
    return Secret(runtime.aws().client("secretsmanager"), os.environ[environment.SLACK_SECRET], time.time)


@cache
def pool() -> urllib3.PoolManager:
    return urllib3.PoolManager()
