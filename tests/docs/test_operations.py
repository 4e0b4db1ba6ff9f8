"""The operations: every command is one that AWS has, and does what the text says it does."""

import json
import re
from dataclasses import fields
from pathlib import Path

import botocore.session
import pytest
import typer

from enigap.cli.main import app
from enigap.core.instants import instant
from enigap.lambdas.plan import OLDEST, Asked
from enigap.settings import Settings
from tests.docs.commands import check_aws, commands_in, operation_of

ROOT = Path(__file__).parent.parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMMANDS = commands_in(OPERATIONS)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_an_operation_with_all_it_requires_and_nothing_it_does_not_know(line: str) -> None:
    check_aws(line)


def test_no_command_is_left_out() -> None:
    assert len(COMMANDS) == len(re.findall(r"^ *aws ", OPERATIONS, re.MULTILINE))


@pytest.mark.parametrize(
    "wrong",
    [
        "aws sqs start-message-move --source-arn x",
        "aws sqs start-message-move-task --destination-arn x",
        "aws sqs start-message-move-task --source-arn x --to y",
        "aws sqs get-queue-attributes --queue-url x --attribute-names Depth",
    ],
)
def test_a_command_that_does_not_exist_would_be_noticed(wrong: str) -> None:
    with pytest.raises((KeyError, AssertionError)):
        check_aws(wrong)


def test_a_redrive_always_says_where_to() -> None:
    [(_, given)] = [operation_of(line) for line in COMMANDS if "start-message-move-task" in line]
    assert given["SourceArn"] == ["$DEAD_LETTERS_ARN"]
    assert given["DestinationArn"] == ["$QUEUE_ARN"]


def test_the_actions_that_are_named_are_the_ones_the_redrive_calls() -> None:
    named = set(re.findall(r"`sqs:(\w+)`", OPERATIONS))
    model = botocore.session.Session().get_service_model("sqs")
    assert named <= set(model.operation_names)
    called = {operation_of(line)[0].name for line in COMMANDS if "message-move-task" in line}
    assert called <= named


def test_the_planner_takes_the_event_that_is_shown() -> None:
    [(_, given)] = [operation_of(line) for line in COMMANDS if "lambda invoke" in line]
    event = json.loads(given["Payload"][0])
    asked = Asked.from_event(event, instant(event["window_end"]))
    assert asked.window is not None
    assert f"{OLDEST.days} days" in OPERATIONS


def anchor_of(heading: str) -> str:
    """What GitHub makes of a heading for links to lead to."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_link_leads_to_a_section() -> None:
    docs = {"": OPERATIONS, "runbook.md": (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")}
    links = [each.partition("#") for each in re.findall(r"\]\((.+?)\)", OPERATIONS)]
    assert links
    for file, _, anchor in links:
        headings = re.findall(r"^#+ (.+)$", docs[file], re.MULTILINE)
        assert anchor in {"", *map(anchor_of, headings)}


def test_the_contents_are_all_sections_in_order() -> None:
    sections = re.findall(r"^## (.+)$", OPERATIONS, re.MULTILINE)
    assert re.findall(r"^\* \[(.+?)\]\(#", OPERATIONS, re.MULTILINE) == sections


def test_every_setting_and_command_that_is_named_is_there() -> None:
    settings = {each.name for each in fields(Settings)}
    named = set(re.findall(r"setting\s+`(\w+)", OPERATIONS)) | set(re.findall(r"`(\w+_\w+)`", OPERATIONS))
    assert named
    assert named <= settings
    commands = set(re.findall(r"`enigap (\w+)", OPERATIONS))
    assert commands
    assert commands <= typer.main.get_command(app).commands.keys()  # type: ignore[attr-defined]


def test_another_confirmation_is_asked_for_by_email() -> None:
    [(_, given)] = [operation_of(line) for line in COMMANDS if "sns subscribe" in line]
    assert given["Protocol"] == ["email"]


def test_the_readme_leads_here() -> None:
    assert "(docs/operations.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
