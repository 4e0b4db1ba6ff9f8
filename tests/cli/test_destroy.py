"""`make destroy` finds the stacks by name in each region of the deployed settings, asks, and deletes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from demo.embedded_aws import EmbeddedAws
from enigap.settings import Settings
from scripts import destroy
from tests.cli.accounts import clients_of
from tests.cli.test_operators import FUNCTION, TEMPLATE

HERE, ELSEWHERE = "eu-north-1", "us-west-1"
THERE = [(HERE, "enigap"), (ELSEWHERE, "enigap-us-west-1"), (ELSEWHERE, "network")]
"""A deployment to two regions, the second by an earlier version, and somebody's stack beside it."""


def stacks(aws: EmbeddedAws) -> list[tuple[str, str]]:
    return [
        (region, stack["StackName"])
        for region in (HERE, ELSEWHERE)
        for stack in clients_of(aws, region)("cloudformation").describe_stacks()["Stacks"]
    ]


@pytest.fixture
def two_regions(aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    variables = Settings(regions=(HERE, ELSEWHERE)).to_env()
    plan = {
        "Type": "AWS::Lambda::Function",
        "Properties": {**FUNCTION, "Environment": {"Variables": variables}},
    }
    resources = {**TEMPLATE["Resources"], "Plan": plan}
    for region, name in THERE:
        only_a_topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
        cloudformation = clients_of(aws, region)("cloudformation")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(
                {**TEMPLATE, "Resources": resources} if name == "enigap" else only_a_topic
            ),
            Tags=[{"Key": "application", "Value": "enigap"}],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
    with monkeypatch.context() as changed:
        for variable, value in aws.environment({}).items():
            changed.setenv(variable, value)
        changed.setattr(destroy, "_PATIENCE", {"Delay": 0.1})
        yield
    for region, name in stacks(aws):
        clients_of(aws, region)("cloudformation").delete_stack(StackName=name)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the question answered so."""
    return lambda answer: monkeypatch.setattr("typer.confirm", lambda _: answer == "yes")


@pytest.mark.usefixtures("two_regions")
def test_it_lists_and_asks_and_deletes_what_enigap_deployed_and_nothing_else(
    aws: EmbeddedAws, capsys: pytest.CaptureFixture[str], answer: Callable[[str], None]
) -> None:
    answer("no")
    assert destroy.command(region=HERE) == 0
    assert stacks(aws) == THERE
    said = capsys.readouterr().out
    assert said.startswith(
        "enigap in eu-north-1 (CREATE_COMPLETE)\nenigap-us-west-1 in us-west-1 (CREATE_COMPLETE)\n"
    )
    assert destroy.command(region=HERE, stack="net-gap") == 0
    assert capsys.readouterr().out == (
        "There is no stack net-gap in eu-north-1. enigap is there as enigap: give one with --stack.\n"
    )
    answer("yes")
    assert destroy.command(region=HERE) == 0
    assert stacks(aws) == THERE[2:]
