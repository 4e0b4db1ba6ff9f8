"""`enigap policy`: the IAM policies that the commands need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Final

import typer

from enigap.aws import deployment, state_table, topic
from enigap.aws.iam import Statement, policy_document
from enigap.cli.arguments import Stack
from enigap.cli.screen import write
from enigap.wiring import READ_ACTIONS


class Partition(StrEnum):
    """AWS's partitions: its own, China's and GovCloud."""

    AWS = "aws"
    CHINA = "aws-cn"
    GOVCLOUD = "aws-us-gov"


def command(
    operator: Annotated[  # noqa: FBT002 - a flag is passed by name
        bool, typer.Option("--operator", help="The policy for status, silence and notify instead.")
    ] = False,
    stack: Stack = None,
    partition: Annotated[
        Partition, typer.Option(help="The partition of the account, which ARNs begin with.")
    ] = Partition.AWS,
) -> int:
    """The IAM policy that check, explain, report and backtest need; with --operator, status, silence, notify.

    The former is read-only. The latter covers the resources of one stack, in any region.
    """
    statements = operator_statements(stack or deployment.STACK) if operator else READ_ACTIONS
    write(policy_document(statements, partition=partition), indent=2)
    return 0


_OPERATOR_ACTIONS: Final = (
    *deployment.ACTIONS,
    *state_table.STATUS_ACTIONS,
    *state_table.SILENCE_ACTIONS,
    *topic.ACTIONS,
    *topic.KEY_ACTIONS,
)


def _own(stack: str) -> Mapping[str, Statement]:
    """The stack's resources by service. CloudFormation begins names with the stack's; a key has no name."""
    return {
        service: Statement((), (f"arn:{{partition}}:{service}:{{region}}:{{account}}:{resource}",))
        for service, resource in (
            ("cloudformation", f"stack/{stack}*"),
            ("dynamodb", f"table/{stack}-*"),
            ("lambda", f"function:{stack}-*"),
            ("sns", f"{stack}-*"),
        )
    } | {"kms": Statement((), condition={"StringLike": {"kms:ViaService": "sns.*"}})}


def operator_statements(stack: str = deployment.STACK) -> Iterator[Statement]:
    """The permissions of `status`, `silence` and `notify`, restricted to the deployment's resources."""
    own = _own(stack)
    for declared in _OPERATOR_ACTIONS:
        for action in declared.actions:
            yield replace(own[action.partition(":")[0]], actions=(action,))
