"""Slack messages drawn on a terminal: the product's own renderings, none of which may lose a word."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo.slack import SlackMessage

RENDERED = sorted((Path(__file__).parents[1] / "core" / "messages" / "rendered").glob("*.slack.json"))


def drawn(message: dict[str, Any], width: int) -> str:
    paper = io.StringIO()
    Console(file=paper, width=width).print(SlackMessage(message), crop=False)
    return paper.getvalue()


def code_in(block: Any) -> list[str]:
    """The lines of preformatted texts."""
    return [
        line
        for element in block.get("elements", ())
        if element["type"] == "rich_text_preformatted"
        for each in element["elements"]
        for line in each["text"].split("\n")
    ]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("file", RENDERED, ids=lambda file: str(file.name))
def test_commands_stay_whole_and_everything_else_within_the_width(file: Path, width: int) -> None:
    message = json.loads(file.read_text(encoding="utf-8"))
    text = drawn(message, width)
    commands = [line for block in message["blocks"] for line in code_in(block)]
    lines = text.splitlines()
    for command in commands:
        assert f"   |   {command}" in lines
    assert all(len(line) <= width for line in lines if not any(command in line for command in commands))
    header = message["blocks"][0]["text"]["text"]
    assert " ".join(header.split()) in " ".join(text.replace("   | ", "").split())


def test_what_is_escaped_for_slack_is_shown_as_it_is_and_nothing_gets_at_the_terminal() -> None:
    text = {"type": "plain_text", "text": "a &lt;script&gt; &amp; \x1b[31m *b* [bold]c[/bold]"}
    said = drawn({"blocks": [{"type": "section", "text": text}]}, 80)
    assert r"a <script> & \x1b[31m *b* [bold]c[/bold]" in said


def test_a_link_is_its_label_and_bold_is_no_asterisk() -> None:
    text = {"type": "mrkdwn", "text": "*Node*\nip-1 <https://example.com/a?b=1&amp;c=2|Runbook>"}
    said = drawn({"blocks": [{"type": "section", "fields": [text]}]}, 80)
    assert "ip-1 Runbook" in said
    assert "*" not in said
    assert "example.com" not in said
