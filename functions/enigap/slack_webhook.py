"""Posts to a Slack channel by an incoming webhook, at least once, without disclosing the webhook's URL.

Knowing the URL is enough to post, so it is a secret: no error and no log line contains it. A message counts
as delivered only when Slack answers "ok". Anything else is an error for that one message, which SQS retries
and at last moves to the dead-letter queue. A copy of a message posted within the last hour is not posted.
If Slack's "ok" is lost, or the note that a message was posted, it is posted twice.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

# A dependency of the AWS SDK anyway: timeouts and verified TLS without another library.
import urllib3
from urllib3.exceptions import HTTPError

from enigap.aws.deadline import Deadline
from enigap.core.documents import Document
from enigap.core.messages import id_of, in_plain_text, is_told, slack_message


class NotDeliveredError(Exception):
    """The message did not arrive. `str()` is one sentence for the log, and never holds the address."""


class TooManyError(NotDeliveredError):
    """Slack takes no more messages for now, not the next one either."""


# --- the address

_SLACK: Final = re.compile(r"https://hooks\.slack(-gov)?\.com/services/[A-Za-z0-9/_-]+")
_LOOPBACK: Final = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?/[A-Za-z0-9/_.-]*")
_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def address_in(secret: str, aws_endpoint_url: str | None) -> str:
    """The webhook's address: the secret itself, or its `url` or `webhook_url` if it is a JSON object.

    It must be a URL of Slack's. With an AWS emulator on loopback it may be on loopback, too.
    Raises NotDeliveredError, which says what to do and does not contain the secret.
    """
    address = _unwrapped(secret.strip())
    if _SLACK.fullmatch(address) or (_is_on_loopback(aws_endpoint_url) and _LOOPBACK.fullmatch(address)):
        return address
    raise NotDeliveredError(
        "The secret holds no address of a Slack webhook: store https://hooks.slack.com/services/..., "
        'as it is or as {"url": "..."}.'
    )


def _unwrapped(secret: str) -> str:
    try:
        value = json.loads(secret)
    except (ValueError, RecursionError):
        return secret
    found = value.get("url") or value.get("webhook_url") if isinstance(value, Mapping) else None
    return found.strip() if isinstance(found, str) else ""


def _is_on_loopback(url: str | None) -> bool:
    return url is not None and urlsplit(url).hostname in _LOOPBACK_HOSTS


# --- one post

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0
POST_SECONDS: Final = CONNECT_SECONDS + READ_SECONDS + 1.0
"""The most that one post takes, with a margin."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Slack's answer to a post."""

    status: int
    text: str
    """The beginning of the body: "ok", or what Slack calls the error, such as "no_service"."""
    retry_after_seconds: float | None = None
    """How long Slack asks to wait; None where it does not say."""

    @property
    def is_delivered(self) -> bool:
        # A proxy or a captive portal answers 200, too, but not "ok".
        return 200 <= self.status < 300 and self.text.strip() == "ok"

    @property
    def has_refused_blocks(self) -> bool:
        return self.status == 400 and self.text.strip().startswith("invalid_blocks")


_DEADLINE: Final = Deadline()


def post(
    pool: urllib3.PoolManager,
    address: str,
    message: Document,
    *,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
) -> Answer:
    """Post once, without retries. Raises NotDeliveredError if there is no answer."""
    answer: Answer | None = None
    failure = ""
    try:
        # The timeouts are between two bytes; the deadline is that of the whole post.
        _DEADLINE.begin(pool.connection_from_url(address), connect_seconds + read_seconds)
        response = pool.request(
            "POST",
            address,
            body=json.dumps(message).encode(),
            headers={"Content-Type": "application/json; charset=utf-8"},
            timeout=urllib3.Timeout(connect=connect_seconds, read=read_seconds),
            retries=False,  # SQS retries; and redirects are not followed
            preload_content=False,
        )
        try:
            text = response.read(200).decode(errors="replace")
            retry_after = response.headers.get("Retry-After", "")
            told = max(1.0, float(retry_after)) if retry_after.isdecimal() else None
            answer = Answer(response.status, text, told)
        finally:
            response.close()
    except (HTTPError, OSError) as error:
        failure = type(error).__name__
    if answer is None:
        # Raised outside `except`: the original error, whose text has the URL, must not become its context.
        raise NotDeliveredError(f"Slack did not answer ({failure}).")
    return answer


# --- delivery

MOST_WAITS: Final = 2
"""How often Slack is waited for with one message."""
_REVOKED: Final = frozenset({403, 404, 410})
_SLACKS_OWN_WORDS: Final = re.compile(r"[a-z_]{1,60}")


class Address(Protocol):
    """Returns the webhook's URL, cached unless `fresh`. Raises NotDeliveredError."""

    def __call__(self, *, fresh: bool) -> str: ...


@dataclass(frozen=True, slots=True)
class Channel:
    """Delivers to one Slack channel. Its members are what a test replaces."""

    address: Address
    send: Callable[[str, Document], Answer]
    sleep: Callable[[float], None]
    remaining_seconds: Callable[[], float]

    def deliver(self, message: Document) -> None:
        """Post, and retry after a rate limit, a change of the URL, or without the blocks that Slack refuses.

        Where Slack asks to wait again and again, the queue does: its next attempt is minutes away. Raises
        NotDeliveredError.
        """
        address = self.address(fresh=False)
        waits, pause_seconds = 0, 1.0
        while True:
            if self.remaining_seconds() < POST_SECONDS:
                raise NotDeliveredError("Too little time was left to post to Slack.")
            answer = self.send(address, message)
            if answer.is_delivered:
                return
            if answer.has_refused_blocks and "blocks" in message:
                message = in_plain_text(message)
                continue
            if answer.status in _REVOKED and (newer := self.address(fresh=True)) != address:
                address = newer  # The webhook was replaced, and the cached URL is the old one.
                continue
            if answer.status != 429:
                raise NotDeliveredError(_what_happened(answer))
            wait_seconds = answer.retry_after_seconds or pause_seconds
            if waits == MOST_WAITS or self.remaining_seconds() <= wait_seconds + POST_SECONDS:
                raise TooManyError(_what_happened(answer))
            self.sleep(wait_seconds)
            waits += 1
            if answer.retry_after_seconds is None:
                pause_seconds *= 2


def _what_happened(answer: Answer) -> str:
    # Quote only Slack's error codes: an error page may contain the URL.
    word = answer.text.strip()
    said = f"HTTP {answer.status}" + (f", {word}" if _SLACKS_OWN_WORDS.fullmatch(word) else "")
    if answer.status in _REVOKED:
        return (
            f"Slack no longer takes messages by this webhook ({said}): make a new one and store its address "
            "in the secret."
        )
    if answer.status == 429 and answer.retry_after_seconds is None:
        return f"Slack takes no more messages for now ({said})."
    if answer.status == 429:
        return f"Slack asks to wait {answer.retry_after_seconds:g} s, and the queue waits ({said})."
    return f"Slack did not take the message ({said})."


# --- a batch


class Posted(Protocol):
    """Remembers which messages were posted, so that copies of them are not. Raises nothing."""

    def has(self, message_id: str) -> bool: ...
    def add(self, message_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that was not delivered."""

    message_id: str
    why: str


def deliver_all(
    records: Iterable[Mapping[str, Any]], channel: Channel, posted: Posted | None = None
) -> list[Failure]:
    """Deliver the records of one SQS batch; returns the failures.

    Each is delivered whatever became of those before it, unless Slack takes no more for now, or it was
    `posted` before.
    """
    failures: list[Failure] = []
    too_many = ""
    for record in records:
        if too_many:
            failures.append(Failure(record["messageId"], too_many))
            continue
        try:
            message_id = id_of(record["body"]) if posted else None
            if is_told(record["body"]) and not (posted and message_id and posted.has(message_id)):
                channel.deliver(slack_message(record["body"]))
                if posted and message_id:
                    posted.add(message_id)
        except TooManyError as error:
            too_many = str(error)
            failures.append(Failure(record["messageId"], too_many))
        except NotDeliveredError as error:
            failures.append(Failure(record["messageId"], str(error)))
        except Exception as error:  # noqa: BLE001 - one record must not take the others down with it
            failures.append(Failure(record["messageId"], _where(error)))
    return failures


def _where(error: Exception) -> str:
    """The type and place of an unexpected error, without its text, which may contain the URL."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"This is a bug: {type(error).__name__} in {place.name}, line {place.lineno} of {place.filename}."
