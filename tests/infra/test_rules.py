"""Three sets of rules for AWS templates find nothing that has not been thought about."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from cfnlint.api import lint  # type: ignore[import-untyped]
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]

from enigap.settings import Settings
from infra.app import build
from tests.infra.conftest import CONTEXT, WEBHOOK, Stack, functions

AMAZON_Q = {"slack": {"workspace_id": "T0123ABCD", "channel_id": "C0123ABCD"}}


def any_of(service: str, resource: str) -> str:
    """cdk-nag's name for a finding about a resource with a wildcard in it."""
    arn = f"arn:<AWS::Partition>:{service}:<AWS::Region>:<AWS::AccountId>:{resource}"
    return f"AwsSolutions-IAM5[Resource::{arn}]"


ALL_RESOURCES = "these actions know no resources"
EACH_CLUSTER = "there is one for each cluster, and clusters come and go"
NEWER_PYTHON = "3.13 is the version that everything is tested with"
OWN_DEAD_LETTERS = "it is a dead-letter queue"
ACCEPTED = {
    "AwsSolutions-IAM5[Resource::*]": ALL_RESOURCES,
    any_of("logs", "log-group:/aws/containerinsights/*/performance"): EACH_CLUSTER,
    any_of("logs", "log-group:/aws/containerinsights/*/performance:*"): EACH_CLUSTER,
    any_of("eks", "addon/*/amazon-cloudwatch-observability/*"): EACH_CLUSTER,
    "AwsSolutions-L1": NEWER_PYTHON,
    "AwsSolutions-SQS3": OWN_DEAD_LETTERS,
    "Serverless-LambdaLatestVersion": NEWER_PYTHON,
    "Serverless-SQSRedrivePolicy": OWN_DEAD_LETTERS,
    "Serverless-SNSRedrivePolicy": "of email subscriptions only, where SNS knows no redrive",
    "Serverless-LambdaDLQ": "functions behind a queue have that queue's; the planner has a destination for "
    "failures, which also says why; CloudFormation waits for the self-test",
    "Serverless-LambdaEventSourceMappingDestination": "destinations are for streams; queues redrive",
    "Serverless-LambdaTracing": "each call ends in a log line with all that a trace would tell",
}


def findings(settings: Mapping[str, Any], directory: Path) -> set[str]:
    """The rules that are broken, by the names cdk-nag has for them."""
    app = App(context=CONTEXT, outdir=str(directory))
    build(app, Settings.from_mapping(settings), functions())
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((directory / "validation-report.json").read_text())
    return {
        violation["ruleName"]
        for plugin in report["pluginReports"]
        if plugin["pluginName"] in {"AwsSolutions", "Serverless"}
        for violation in plugin["violations"]
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning:cdk_nag")
def test_cdk_nag_finds_what_was_accepted_for_a_reason_and_nothing_else(tmp_path: Path) -> None:
    broken = findings(WEBHOOK, tmp_path / "webhook")
    assert broken == ACCEPTED.keys()
    assert findings(AMAZON_Q, tmp_path / "amazon-q") <= broken


@pytest.mark.parametrize("settings", [{}, WEBHOOK, AMAZON_Q], ids=["bare", "webhook", "amazon-q"])
def test_cfn_lint_finds_nothing(deploy: Callable[..., Stack], settings: dict[str, Any]) -> None:
    matches = lint(
        json.dumps(deploy(**settings).template),
        config=ManualArgs(
            regions=["eu-west-1", "us-east-1", "ap-southeast-2"],
            # W3005: the CDK says explicitly what a reference implies.
            ignore_checks=["W3005"],
        ),
    )
    assert not [f"{match.rule.id} {match.message}" for match in matches]
