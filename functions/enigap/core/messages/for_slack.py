"""Messages for a Slack channel, as Block Kit: within Slack's limits, and without a way to mention anybody.

Text from outside goes only into `plain_text`, where `*`, `_`, `~` and backticks mean nothing, and with `&`,
`<` and `>` as entities, so that no `<!channel>` comes about either. `mrkdwn`, which cannot be escaped in
full, holds the project's own words and links of a strict form.

Limits (docs.slack.dev, Block Kit reference): 50 blocks; 3,000 characters in a text, 150 in a header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from string import ascii_letters, digits
from typing import Any, Final

from enigap.core.documents import Document
from enigap.core.messages.fitting import cut, cut_to, fitting, in_ascii, name
from enigap.core.messages.letter import Letter, Step, letter_of
from enigap.core.messages.notification import NotANotificationError
from enigap.core.text import count, printable

MOST_INCIDENTS: Final = 20
MOST_CHARACTERS: Final = 12_000
"""Of the incidents in one message: what people still scroll through, and far below what Slack takes."""
LONGEST_TEXT: Final = 3_000
LONGEST_HEADER: Final = 150

_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LINK: Final = re.compile(r"https://[!-;=?-{}~]{1,1500}")


def slack(letter: Letter) -> Document:
    """Slack's form of the message, `{"text": ..., "blocks": [...]}`."""
    paragraphs = [p.within(LONGEST_TEXT, size=_size) for p in letter.paragraphs[:MOST_INCIDENTS]]
    shown = fitting(paragraphs, MOST_CHARACTERS, _size)
    texts = [letter.preface, *paragraphs[:shown], letter.rest(shown)]
    blocks = [
        _header(letter.title),
        *(_section(text) for text in texts if text),
        *_links(("Dashboard", letter.dashboard), ("Runbook", letter.runbook)),
        *([_section("\n".join(_step(step) for step in letter.steps))] if letter.steps else []),
        _context(letter.circumstances),
    ]
    return _message(letter.subject, blocks)


def slack_alarm(alarm: Mapping[str, Any]) -> Document:
    """The message for what CloudWatch says about one of its alarms. Fields it leaves out are left out."""
    title = f"{_field(alarm, 'NewStateValue')}: {_field(alarm, 'AlarmName')}"
    account = _field(alarm, "AWSAccountId")
    circumstances = [_change(alarm), _field(alarm, "Region"), f"account {account}" if account else ""]
    texts = [_field(alarm, "AlarmDescription"), _field(alarm, "NewStateReason")]
    blocks = [
        _header(title),
        *(_section(text) for text in texts if text),
        *_links(("Alarm", _alarm_url(alarm))),
        _context(", ".join(each for each in circumstances if each) or "CloudWatch"),
    ]
    return _message(title, blocks)


def slack_message(body: str) -> Document:
    """The message for the body of a queue message; an unknown document is shown as it is.

    Takes a notification or CloudWatch's alarm, raw or in the envelope that SNS puts around a message.
    """
    text, value = body, _json(body)
    if _is_envelope(value):
        text = value["Message"]
        value = _json(text)
    if isinstance(value, Mapping):
        if "AlarmName" in value and "NewStateValue" in value:
            return slack_alarm(value)
        if "schema" in value:
            try:
                return slack(letter_of(dict(value)))
            except NotANotificationError:
                pass  # Shown below as it is: people rather read JSON than miss something.
    return _unknown(text)


def _unknown(text: str) -> Document:
    title = "A message enigap does not know"
    # Cut first: escaping makes the text longer, and it may have a megabyte.
    shown = printable(text, LONGEST_TEXT) or "(empty)"
    is_whole = len(text) <= LONGEST_TEXT and _size(shown) <= LONGEST_TEXT
    note = "Shown as it came." if is_whole else f"The beginning of {count(len(text), 'character')}."
    return _message(title, [_header(title), _section(shown), _context(note)])


def _json(text: str) -> Any:
    """The JSON value; None for a text that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_envelope(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and value.get("Type") == "Notification"
        and isinstance(value.get("Message"), str)
    )


def _field(alarm: Mapping[str, Any], key: str) -> str:
    value = alarm.get(key)
    return name(value, LONGEST_TEXT) if isinstance(value, str) else ""


def _change(alarm: Mapping[str, Any]) -> str:
    """`OK -> ALARM at 2026-01-01 14:31 UTC`; "" where the alarm tells neither from what nor when."""
    before, when = _field(alarm, "OldStateValue"), _field(alarm, "StateChangeTime")
    if not before and not when:
        return ""
    change = f"{before} -> {_field(alarm, 'NewStateValue')}" if before else _field(alarm, "NewStateValue")
    return f"{change} at {_minute(when)}" if when else change


def _minute(text: str) -> str:
    """A time as all the others are written; one that cannot be read, or is of no known zone, stays."""
    try:
        instant = datetime.fromisoformat(text)
        return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if instant.tzinfo else text
    except (ValueError, OverflowError):
        return text


_UNRESERVED: Final = frozenset(f"{ascii_letters}{digits}-._~")
"""What stands for itself in an address (RFC 3986)."""
_ALARM_ARN: Final = re.compile(r"arn:aws:cloudwatch:([a-z0-9-]+):\d{12}:alarm:(.+)", re.DOTALL)


def _alarm_url(alarm: Mapping[str, Any]) -> str:
    match = _ALARM_ARN.fullmatch(str(alarm.get("AlarmArn")))
    if match is None:
        return ""
    console = f"https://{match[1]}.console.aws.amazon.com/cloudwatch/home?region={match[1]}"
    name_bytes = match[2].encode(errors="replace")
    encoded = "".join(chr(b) if chr(b) in _UNRESERVED else f"%{b:02X}" for b in name_bytes)
    return f"{console}#alarmsV2:alarm/{encoded}"


# --- blocks


def _message(notice: str, blocks: list[Document]) -> Document:
    # `text` is what a phone shows of the message; without `mrkdwn` nothing in it is formatting.
    return {"text": _escaped(in_ascii(cut(notice, LONGEST_HEADER))), "mrkdwn": False, "blocks": blocks}


def _header(text: str) -> Document:
    return {"type": "header", "text": _plain(text, LONGEST_HEADER)}


def _section(text: str) -> Document:
    return {"type": "section", "text": _plain(text, LONGEST_TEXT)}


def _context(text: str) -> Document:
    return {"type": "context", "elements": [_plain(text, LONGEST_TEXT)]}


def _plain(text: str, most: int) -> Document:
    return {"type": "plain_text", "emoji": False, "text": _escaped(cut_to(text, most, _size))}


def _links(*links: tuple[str, str | None]) -> Iterable[Document]:
    """One block with those of the links that are of a form nothing can hide in; none without any."""
    texts = [f"<{_escaped(url)}|{what}>" for what, url in links if url and _LINK.fullmatch(url)]
    if texts:
        yield {"type": "section", "text": {"type": "mrkdwn", "verbatim": True, "text": "   ".join(texts)}}


def _step(step: Step) -> str:
    return f"{step.what} {step.command}" if step.command else step.what


def _escaped(text: str) -> str:
    return text.translate(_ENTITIES)


def _size(text: str) -> int:
    """What Slack may count, at the most: entities in full, and UTF-16's two units for an emoji."""
    return len(_escaped(text).encode("utf-16-le", "surrogatepass")) // 2
