"""Messages for a Slack channel, as Block Kit: within Slack's limits, and without a way to mention anybody.

Text from outside goes only into `plain_text` and the texts of `rich_text`, where `*`, `_`, `~` and backticks
mean nothing, and with `&`, `<` and `>` as entities, so that no `<!channel>` comes about either. `mrkdwn`,
which cannot be escaped in full, holds the project's own words, figures and names of plain letters, and links
of a strict form.

Everything is in top-level blocks: Slack folds attachments, and some clients leave them out. A message that
Slack refuses for its blocks is sent again as `in_plain_text`.

Limits (docs.slack.dev, Block Kit reference): 50 blocks; 3,000 characters in a text, 2,000 in a field, 150 in
a header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from enigap.core.console import CONSOLES, home, quoted
from enigap.core.documents import Document
from enigap.core.incidents.incident import NewsKind
from enigap.core.messages.fitting import cut, cut_to, fitting, in_ascii, name, with_entities
from enigap.core.messages.letter import Letter, Paragraph, Step
from enigap.core.messages.letters import any_letter_of
from enigap.core.messages.notification import NotANotificationError
from enigap.core.text import count, printable

MOST_INCIDENTS: Final = 20
MOST_CHARACTERS: Final = 12_000
"""Of the incidents in one message: what people still scroll through, and far below what Slack takes."""
LONGEST_TEXT: Final = 3_000
LONGEST_HEADER: Final = 150
LONGEST_FIELD: Final = 2_000
LONGEST_PLAIN: Final = 39_000
"""Of a message without blocks: Slack cuts what is longer than 40,000."""

_LINK: Final = re.compile(r"https://[!-;=?-{}~]{1,1500}")
_LABELLED: Final = re.compile(r"<([^|>]+)\|([^>]+)>")

_ALARM_STATES: Final = {"OK": "Over", "INSUFFICIENT_DATA": "No data"}
_ALARM_MARKS: Final = {"ALARM": NewsKind.OPENED, "OK": NewsKind.RESOLVED}


def slack(letter: Letter) -> Document:
    """Slack's form of the message, `{"text": ..., "blocks": [...]}`."""
    is_one = len(letter.paragraphs) == 1  # whose state is in the header
    texts = [_texts(paragraph, is_one=is_one) for paragraph in letter.paragraphs[:MOST_INCIDENTS]]
    shown = fitting(("".join(each) for each in texts), MOST_CHARACTERS, _size)
    incidents = zip(letter.paragraphs, texts[:shown], strict=False)
    rest = letter.rest(shown)
    blocks = [
        _header(f"{_MARKS[letter.state]} {letter.title}" if letter.state else letter.title),
        *([_section(letter.preface)] if letter.preface else []),
        *(block for paragraph, said in incidents for block in _incident(paragraph, *said)),
        *([_section(rest)] if rest else []),
        *_links(*letter.links),
        *_steps(letter.steps),
        _context(letter.circumstances),
    ]
    return _message(letter.subject, blocks)


_MARKS: Final = {
    NewsKind.OPENED: "\N{LARGE RED CIRCLE}",
    NewsKind.REMINDER: "\N{LARGE ORANGE CIRCLE}",
    NewsKind.RESOLVED: "\N{LARGE GREEN CIRCLE}",
}
"""Seen from afar; the words beside them say the same."""


def _texts(paragraph: Paragraph, *, is_one: bool) -> tuple[str, str]:
    """What is said above an incident's figures, and below."""
    if not paragraph.facts:
        return paragraph.within(LONGEST_TEXT, size=_size), ""
    above, below = paragraph.impact or "Open.", "\n".join(paragraph.details)
    return (
        cut_to(above if is_one else f"{paragraph.state}: {above}", LONGEST_TEXT, _size),
        paragraph.within(LONGEST_TEXT, size=_size, text=below),
    )


def _incident(paragraph: Paragraph, above: str, below: str) -> Iterable[Document]:
    """One or two blocks: with figures as fields where there are any."""
    facts = [_fact(label, value) for label, value in paragraph.facts]
    yield {**_section(above), **({"fields": facts} if facts else {})}
    if below:
        yield _section(below)


def in_plain_text(message: Document) -> Document:
    """The same message without blocks, for when Slack refuses them."""
    lines = [line for block in message["blocks"] for line in _lines(block)]
    return {"text": cut_to("\n".join(lines), LONGEST_PLAIN, len), "mrkdwn": False}


def _lines(block: Any) -> Iterable[str]:
    """The texts of a block, from top to bottom; a link is an address behind its label."""
    if isinstance(block, list):
        for each in block:
            yield from _lines(each)
    elif isinstance(block, Mapping):
        text = block.get("text")
        if block.get("type") == "mrkdwn":
            yield _LABELLED.sub(r"\2: \1", str(text)).replace("*\n", ": ").replace("*", "")
        elif block.get("type") == "rich_text_section":
            yield "".join(each["text"] for each in block["elements"])
        elif isinstance(text, str):
            yield text
        else:
            yield from (line for key in ("text", "fields", "elements") for line in _lines(block.get(key)))


def slack_alarm(alarm: Mapping[str, Any]) -> Document:
    """The message for what CloudWatch says about one of its alarms. Fields it leaves out are left out."""
    state = _field(alarm, "NewStateValue")
    title = f"{_ALARM_STATES.get(state, state)}: {_field(alarm, 'AlarmName')}"
    mark = _MARKS[_ALARM_MARKS[state]] if state in _ALARM_MARKS else ""
    account = _field(alarm, "AWSAccountId")
    circumstances = [_change(alarm), _field(alarm, "Region"), f"account {account}" if account else ""]
    texts = [_field(alarm, "AlarmDescription"), _field(alarm, "NewStateReason")]
    blocks = [
        _header(f"{mark} {title}".strip()),
        *(_section(text) for text in texts if text),
        *_links(("Alarm", _alarm_url(alarm))),
        _context(", ".join(each for each in circumstances if each) or "CloudWatch"),
    ]
    return _message(title, blocks)


def is_told(body: str) -> bool:
    """Whether the body of a queue message is worth a message: an alarm is that goes off or is over, and not
    one that is new or has data again."""
    _, value = _opened(body)
    if not isinstance(value, Mapping) or "AlarmName" not in value:
        return True
    states = value.get("OldStateValue"), value.get("NewStateValue")
    return "ALARM" in states or not all(isinstance(state, str) for state in states)


def id_of(body: str) -> str | None:
    """The id that copies of a message have in common; None for a message of which none is known."""
    _, value = _opened(body)
    found = value.get("id") if isinstance(value, Mapping) and "schema" in value else None
    return found if isinstance(found, str) and found else None


def slack_message(body: str) -> Document:
    """The message for the body of a queue message; an unknown document is shown as it is.

    Takes a notification or CloudWatch's alarm, raw or in the envelope that SNS puts around a message.
    """
    text, value = _opened(body)
    if isinstance(value, Mapping):
        if "AlarmName" in value and "NewStateValue" in value:
            return slack_alarm(value)
        if "schema" in value:
            try:
                return slack(any_letter_of(dict(value)))
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


def _opened(body: str) -> tuple[str, Any]:
    """The message without SNS's envelope, as text and as JSON value."""
    value = _json(body)
    return (value["Message"], _json(value["Message"])) if _is_envelope(value) else (body, value)


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


_ALARM_ARN: Final = re.compile(
    r"arn:(?P<partition>[a-z-]+):cloudwatch:(?P<region>[a-z0-9-]+):\d{12}:alarm:(?P<name>.+)", re.DOTALL
)


def _alarm_url(alarm: Mapping[str, Any]) -> str:
    match = _ALARM_ARN.fullmatch(str(alarm.get("AlarmArn")))
    if match is None or match["partition"] not in CONSOLES:
        return ""
    console = home(match["region"], "cloudwatch", match["partition"])
    return f"{console}#alarmsV2:alarm/{quoted(match['name'])}"


# --- blocks


def _message(notice: str, blocks: list[Document]) -> Document:
    # `text` is what a phone shows of the message; without `mrkdwn` nothing in it is formatting.
    return {"text": with_entities(in_ascii(cut(notice, LONGEST_HEADER))), "mrkdwn": False, "blocks": blocks}


def _header(text: str) -> Document:
    return {"type": "header", "text": _plain(text, LONGEST_HEADER)}


def _section(text: str) -> Document:
    return {"type": "section", "text": _plain(text, LONGEST_TEXT)}


def _context(text: str) -> Document:
    return {"type": "context", "elements": [_plain(text, LONGEST_TEXT)]}


def _plain(text: str, most: int) -> Document:
    return {"type": "plain_text", "emoji": False, "text": with_entities(cut_to(text, most, _size))}


def _links(*links: tuple[str, str | None]) -> Iterable[Document]:
    """One block with those of the links that are of a form nothing can hide in; none without any."""
    texts = [f"<{with_entities(url)}|{what}>" for what, url in links if url and _LINK.fullmatch(url)]
    if texts:
        yield {"type": "section", "text": {"type": "mrkdwn", "verbatim": True, "text": "   ".join(texts)}}


_PLAIN_VALUE: Final = re.compile(r"[A-Za-z0-9 .,:()/+-]{1,200}")
"""Nothing in it is formatting, so that it may stand in `mrkdwn`."""


def _fact(label: str, value: str) -> Document:
    if _PLAIN_VALUE.fullmatch(value):
        return {"type": "mrkdwn", "verbatim": True, "text": f"*{label}*\n{value}"}
    return _plain(f"{label}\n{value}", LONGEST_FIELD)


def _steps(steps: Iterable[Step]) -> Iterable[Document]:
    """What to do, each command alone in a preformatted block, to be copied at one go."""
    elements: list[Document] = []
    for step in steps:
        pieces = enumerate(step.what.split("`"))
        words = [_rich(piece, is_code=bool(number % 2)) for number, piece in pieces if piece]
        elements.append({"type": "rich_text_section", "elements": words})
        if step.command:
            elements.append({"type": "rich_text_preformatted", "elements": [_rich(step.command)]})
    if elements:
        yield {"type": "rich_text", "elements": elements}


def _rich(text: str, *, is_code: bool = False) -> Document:
    code = {"style": {"code": True}} if is_code else {}
    return {"type": "text", "text": with_entities(cut_to(text, LONGEST_TEXT, _size)), **code}


def _size(text: str) -> int:
    """What Slack may count, at the most: entities in full, and UTF-16's two units for an emoji."""
    return len(with_entities(text).encode("utf-16-le", "surrogatepass")) // 2
