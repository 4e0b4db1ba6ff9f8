"""`make destroy` finds the stacks by name in each region of the deployed settings, asks, and deletes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from demo.embedded_aws import EmbeddedAws
from enigap.cli.arguments import UsageError
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


class CloudFormation:
    """CloudFormation of one region with a stack `enigap`, and how deleting it fails."""

    def __init__(self, region: str, log: list[str], fails: str = "") -> None:
        self.meta, self.log, self.fails = SimpleNamespace(region_name=region), log, fails

    def describe_stacks(self, **request: Any) -> dict[str, Any]:
        if request.get("StackName", "enigap") != "enigap":
            raise refused("ValidationError", "does not exist")
        return {"Stacks": [{"StackName": "enigap", "StackStatus": "CREATE_COMPLETE"}]}

    def delete_stack(self, **_: Any) -> None:
        if self.fails == "protected":
            raise refused("ValidationError", "cannot be deleted while TerminationProtection is enabled")
        self.log.append(self.meta.region_name)

    def get_waiter(self, _: str) -> Any:
        def wait(**_: Any) -> None:
            if self.fails == "failing":
                raise WaiterError("StackDeleteComplete", "terminal failure", {})
            if self.fails == "over":
                raise refused("ExpiredToken", "expired")

        return SimpleNamespace(wait=wait)


def refused(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DeleteStack")


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], list[str]]:
    """An enigap in each of these regions, with how deleting it fails; where it was begun to be deleted."""

    def deploy(fails: dict[str, str]) -> list[str]:
        log: list[str] = []

        def made(**_: Any) -> Any:
            def at(region: str) -> Any:
                return SimpleNamespace(client=lambda _: CloudFormation(region, log, fails[region]))

            return SimpleNamespace(region=HERE, sign_in=lambda: None, at=at)

        monkeypatch.setattr(destroy, "Aws", made)
        settings = Settings(regions=tuple(fails))
        monkeypatch.setattr(destroy, "deployed", lambda *_: SimpleNamespace(settings=lambda: settings))
        return log

    return deploy


def test_the_stack_whose_settings_name_the_regions_is_deleted_last(
    regions: Callable[[dict[str, str]], list[str]],
) -> None:
    log = regions({HERE: "", ELSEWHERE: "", "sa-east-1": ""})
    assert destroy.command(yes=True) == 0
    assert log == [ELSEWHERE, "sa-east-1", HERE]


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        (
            "protected",
            "It is protected from it: `aws cloudformation update-termination-protection",
        ),
        (
            "failing",
            "`aws cloudformation describe-stack-events --stack-name enigap --region us-west-1` shows why.",
        ),
        ("over", "The AWS credentials expired (cloudformation:DeleteStack in us-west-1): sign in again"),
    ],
)
def test_where_one_cannot_be_deleted_the_one_with_the_settings_is_kept_for_the_next_try(
    regions: Callable[[dict[str, str]], list[str]], capsys: pytest.CaptureFixture[str], fails: str, said: str
) -> None:
    log = regions({HERE: "", ELSEWHERE: fails})
    assert destroy.command(yes=True) == 2
    assert HERE not in log
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"enigap: enigap in us-west-1 was not deleted, nor what is after it. {said}")


def test_without_a_terminal_it_does_not_end_without_a_word(
    regions: Callable[[dict[str, str]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = regions({HERE: ""})
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="give ARGS=--yes"):
        destroy.command()
    assert log == []
