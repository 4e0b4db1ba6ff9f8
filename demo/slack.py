"""Draws a Slack message on a terminal, about as Slack does.

A bar on its left, fields in two columns, code apart. Commands are not wrapped, so that they can be copied.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from enigap.core.text import printable

_BAR: Final = Segment("   | ", Style(dim=True))
_MOST_COLUMNS: Final = 100
_LONGEST: Final = 3_000
MARKUP: Final = re.compile(r"<(?P<url>[^|>]+)\|(?P<label>[^>]+)>|\*(?P<bold>[^*]+)\*|`(?P<code>[^`]+)`")


class SlackMessage:
    """A message in Slack's Block Kit."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        self._blocks: Sequence[Mapping[str, Any]] = message["blocks"]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inside = options.update_width(min(_MOST_COLUMNS, options.max_width) - len(_BAR.text))
        parts = [Text.assemble(("enigap", "bold"), "  ", (" APP ", "reverse dim"))]
        for block in self._blocks:
            parts += [Text(), *_drawn(block)]
        for part in parts:
            if isinstance(part, _Code):
                yield from (_BAR, Segment(f"  {part.plain}", Style(color="cyan")), Segment.line())
                continue
            for line in console.render_lines(part, inside, pad=False):
                yield from (_BAR, *line, Segment.line())


class _Code(Text):
    """A line of a preformatted text."""


def _drawn(block: Mapping[str, Any]) -> Iterator[Any]:
    match block["type"]:
        case "header":
            yield Text(_plain(block["text"]["text"]), "bold")
        case "section":
            if "text" in block:
                yield _text(block["text"])
            if fields := block.get("fields"):
                yield Text()
                yield _in_two_columns([_text(field) for field in fields])
        case "rich_text":
            for element in block["elements"]:
                yield from _rich(element)
        case "context":
            yield Text("  ").join(_text(each) for each in block["elements"])
        case other:
            yield Text(f"({printable(other)})", "dim")


def _in_two_columns(fields: Sequence[Text]) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False, expand=True, padding=(1, 2, 0, 0))
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    for number in range(0, len(fields), 2):
        table.add_row(*fields[number : number + 2])
    return table


def _rich(element: Mapping[str, Any]) -> Iterator[Text]:
    said = [(_plain(each["text"]), each.get("style", {})) for each in element["elements"]]
    if element["type"] == "rich_text_preformatted":
        yield from (_Code(line) for line in "".join(text for text, _ in said).split("\n"))
    else:
        yield Text.assemble(*((text, "cyan" if style.get("code") else "") for text, style in said))


def _text(text: Mapping[str, Any]) -> Text:
    lines = [printable(line, most=_LONGEST) for line in html.unescape(text["text"]).split("\n")]
    if text["type"] == "plain_text":
        return Text("\n".join(lines))
    return Text("\n").join(map(_marked_up, text["text"].split("\n")))


def _marked_up(line: str) -> Text:
    """A line of `mrkdwn`. A link is its label: the console that it leads to is not the demo's."""
    drawn, end = Text(), 0
    for found in MARKUP.finditer(line):
        drawn.append(_plain(line[end : found.start()]))
        style = "underline" if found["url"] else "bold" if found["bold"] else "cyan"
        drawn.append(_plain(found["label"] or found["bold"] or found["code"]), style)
        end = found.end()
    return drawn.append(_plain(line[end:]))


def _plain(text: str) -> str:
    return "\n".join(printable(line, most=_LONGEST) for line in html.unescape(text).split("\n"))
