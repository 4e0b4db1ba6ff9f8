"""Templates, synthesised once for each set of settings."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from enigap.settings import Settings
from infra import asset
from infra.app import build
from infra.asset import PROJECT

CONTEXT: Mapping[str, Any] = json.loads((PROJECT / "cdk.json").read_text())["context"]

WEBHOOK = {"email": ["on-call@example.com"], "slack": {"webhook_secret": "enigap/slack"}}

OTHERWISE = {
    "slack": {"webhook_secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:hook-AbCdEf"},
    "metric_namespace": "Net/Gap",
    "schedule_minutes": 30,
    "finding_alarm_actions": True,
    "clusters": ["prod-*"],
}
"""As much set to something else as one stack can show."""

Resource = dict[str, Any]


def alarm_arns(stack: "Stack") -> list[Resource]:
    """The ARNs of all alarms, as the template writes them."""
    own: list[Any] = ["arn:", {"Ref": "AWS::Partition"}, ":cloudwatch:", {"Ref": "AWS::Region"}, ":"]
    names = [alarm["AlarmName"] for alarm in stack.of_type("CloudWatch::Alarm").values()]
    return [{"Fn::Join": ["", [*own, {"Ref": "AWS::AccountId"}, f":alarm:{name}"]]} for name in names]


@dataclass(frozen=True)
class Stack:
    """A synthesised template, and short ways to what tests ask about."""

    name: str
    template: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def text(self) -> str:
        return json.dumps(self.template)

    def of_type(self, kind: str) -> dict[str, Resource]:
        """The properties of all resources of a type, such as `SQS::Queue`, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == f"AWS::{kind}"
        }

    def one(self, kind: str) -> Resource:
        [resource] = self.of_type(kind).values()
        return resource

    def function(self, module: str) -> Resource:
        """The function whose handler is in this module of `enigap.lambdas`."""
        [function] = [
            each
            for each in self.of_type("Lambda::Function").values()
            if each["Handler"] == f"enigap.lambdas.{module}.handler"
        ]
        return function

    def permissions(self, module: str) -> list[Resource]:
        """The statements of that function's role, all there are."""
        role = self.function(module)["Role"]["Fn::GetAtt"][0]
        assert "ManagedPolicyArns" not in self.template["Resources"][role]["Properties"]
        assert "Policies" not in self.template["Resources"][role]["Properties"]
        return [
            statement
            for policy in self.of_type("IAM::Policy").values()
            if {"Ref": role} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def alarm(self, name: str) -> Resource:
        [alarm] = [
            each
            for each in self.of_type("CloudWatch::Alarm").values()
            if each["AlarmName"] == f"{self.name}-{name}"
        ]
        return alarm

    def policy_of(self, kind: str, attached_to: str, target: object) -> list[Resource]:
        """The statements of the resource policy of one queue or topic."""
        [policy] = [each for each in self.of_type(kind).values() if target in each[attached_to]]
        statements: list[Resource] = policy["PolicyDocument"]["Statement"]
        return statements


@cache
def functions() -> Path:
    """The asset, built once, so that all templates have the same."""
    return asset.build()


def synthesise(settings: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> list[Stack]:
    """The stacks of an app with these settings, as the `cdk` command line would make them."""
    with tempfile.TemporaryDirectory() as directory:
        app = App(context={**CONTEXT, **(context or {})}, outdir=directory)
        stacks = build(app, Settings.from_mapping(settings), functions())
        assembly = app.synth()
        warnings = _warnings(Path(directory) / "validation-report.json")
        return [
            Stack(stack.stack_name, assembly.get_stack_artifact(stack.artifact_id).template, warnings)
            for stack in stacks
        ]


def _warnings(report: Path) -> tuple[str, ...]:
    """What a report says; there is none when there is nothing to say."""
    plugins = json.loads(report.read_text())["pluginReports"] if report.exists() else []
    return tuple(violation["description"] for plugin in plugins for violation in plugin["violations"])


@cache
def _cached(settings: str) -> Stack:
    [stack] = synthesise(json.loads(settings))
    return stack


@pytest.fixture(scope="session")
def deploy() -> Callable[..., Stack]:
    """Synthesises the one stack of the settings given by keyword."""
    return lambda **settings: _cached(json.dumps(settings))


@pytest.fixture(scope="session")
def stack(deploy: Callable[..., Stack]) -> Stack:
    """The stack with everything that can be in it but Amazon Q: email and a Slack webhook."""
    return deploy(**WEBHOOK)
