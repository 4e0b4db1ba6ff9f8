"""Checks the commands in documents: that programs, operations and options are there."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any, Final

import botocore.session
import typer
from botocore import xform_name

from enigap.cli.main import app

# Options of the command line itself, not of an operation.
CLI_OPTIONS: Final = {"--query", "--output", "--cli-binary-format", "--region"}

# What the command line calls otherwise (awscli/customizations/argrename.py).
RENAMED: Final = {("sns", "subscribe", "Endpoint"): "--notification-endpoint"}

KUBECTL: Final = {
    "get": {"pods", "node", "daemonsets", "configmaps"},
    "describe": {"pod"},
    "logs": set[str](),
    "debug": set[str](),
    "wait": {"pod"},
    "delete": {"namespace"},
}
"""The verbs that documents use, each with its resources; `logs` takes a pod and `debug` a node."""
KUBECTL_OPTIONS: Final = {
    *("-n", "-o", "-it", "--all-namespaces", "--field-selector"),
    *("--image", "--previous", "--profile", "--since"),
    *("--namespace", "--output", "--for", "--selector", "--timeout"),
}


def commands_in(markdown: str) -> list[str]:
    """The lines of all blocks of shell commands."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", markdown, re.DOTALL | re.MULTILINE)
    return [line.strip() for text in blocks for line in text.splitlines()]


def check(line: str) -> None:
    """Raises KeyError or AssertionError for a command that does not exist."""
    {"aws": check_aws, "enigap": check_enigap, "kubectl": check_kubectl}[line.split(maxsplit=1)[0]](line)


def check_enigap(line: str) -> None:
    _, name, *words = shlex.split(line)
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    given = {word for word in words if word.startswith("--")}
    assert given <= known, given - known


def check_kubectl(line: str) -> None:
    words = shlex.split(line.partition(" -- ")[0])[1:]
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert options <= KUBECTL_OPTIONS, options - KUBECTL_OPTIONS
    if words[0] == "-n":
        words = words[2:]
    verb, resource = words[:2]
    if verb == "debug":
        assert resource.startswith("node/")
        assert " -- " in line
    elif verb != "logs":
        assert resource in KUBECTL[verb]


@cache
def _operations(service: str) -> tuple[Any, dict[str, str]]:
    model = botocore.session.Session().get_service_model(service)
    return model, {xform_name(each, "-"): each for each in model.operation_names}


def operation_of(line: str) -> tuple[Any, dict[str, list[str]]]:
    """The operation's model and the values given to each of its members."""
    program, service, name, *words = shlex.split(line)
    assert program == "aws"
    model, operations = _operations(service)
    operation = model.operation_model(operations[name])
    members = {
        RENAMED.get((service, name, each), f"--{xform_name(each, '-')}"): each
        for each in (operation.input_shape.members if operation.input_shape else ())
    }
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


def check_aws(line: str) -> None:
    """Raises KeyError or AssertionError for an operation, option or value that AWS does not have, and where
    one is missing that it requires."""
    operation, given = operation_of(line)
    if operation.input_shape is None:
        assert not given
        return
    assert set(operation.input_shape.required_members) <= given.keys()
    assert all(given.values())
    for name, values in given.items():
        allowed = _enum(operation.input_shape.members[name])
        assert not allowed or set(values) <= allowed, line


def _enum(shape: Any) -> set[str]:
    of = shape.member if shape.type_name == "list" else shape
    return set(of.enum) if of.type_name == "string" else set()
