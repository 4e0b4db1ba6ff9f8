"""The runbook for dead letters: every command is one that AWS has, and does what the text says it does."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from enigap.core.state import instant
from enigap.lambdas.plan import OLDEST, Asked

ROOT = Path(__file__).parent.parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for text in re.findall(r"^```sh\n(.*?)^```$", OPERATIONS, re.DOTALL | re.MULTILINE)
    for line in text.splitlines()
]

# Options of the command line itself, not of an operation.
CLI_OPTIONS = {"--query", "--output", "--cli-binary-format"}


def operation_of(line: str) -> tuple[Any, dict[str, list[str]]]:
    """The operation's model and the values given to each of its members."""
    program, service, name, *words = shlex.split(line)
    assert program == "aws"
    model = botocore.session.Session().get_service_model(service)
    operations = {xform_name(each, "-"): each for each in model.operation_names}
    operation = model.operation_model(operations[name])
    members = {f"--{xform_name(each, '-')}": each for each in operation.input_shape.members}
    # Written to a file: what the command line adds where an answer is a stream.
    output = [words.pop()] if operation.has_streaming_output else []
    assert all(not each.startswith("-") for each in output)
    given: dict[str, list[str]] = {}
    values: list[str] = []
    for word in words:
        if word.startswith("--"):
            values = []
            if word not in CLI_OPTIONS:
                given[members[word]] = values
        else:
            values.append(word)
    return operation, given


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_an_operation_with_all_it_requires_and_nothing_it_does_not_know(line: str) -> None:
    operation, given = operation_of(line)
    assert set(operation.input_shape.required_members) <= given.keys()
    assert all(given.values())
    for name, values in given.items():
        allowed = _enum(operation.input_shape.members[name])
        assert not allowed or set(values) <= allowed, line


def _enum(shape: Any) -> set[str]:
    of = shape.member if shape.type_name == "list" else shape
    return set(of.enum) if of.type_name == "string" else set()


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
        test_every_command_is_an_operation_with_all_it_requires_and_nothing_it_does_not_know(wrong)


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
    assert f"{OLDEST.days} days old" in OPERATIONS


def test_the_readme_leads_here() -> None:
    assert "(docs/operations.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
