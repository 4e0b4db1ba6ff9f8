"""`enigap policy`: the IAM policies that the commands need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Final

import typer

from enigap.aws import deployment, state_table, topic
from enigap.aws.iam import Statement, policy_document
from enigap.cli.screen import write
from enigap.wiring import READ_ACTIONS


def command(
    operator: Annotated[  # noqa: FBT002 - a flag is passed by name
        bool, typer.Option("--operator", help="The policy for status, silence and notify instead.")
    ] = False,
) -> int:
    """The IAM policy that check, explain, report and backtest need; with --operator, status, silence, notify.

    The former is read-only. The latter covers the resources of the stack `enigap`, in any region.
    """
    write(policy_document(operator_statements() if operator else READ_ACTIONS), indent=2)
    return 0


_OPERATOR_ACTIONS: Final = (
    *deployment.ACTIONS,
    *state_table.STATUS_ACTIONS,
    *state_table.SILENCE_ACTIONS,
    *topic.ACTIONS,
    *topic.KEY_ACTIONS,
)

_OWN: Final[Mapping[str, Statement]] = {
    service: Statement((), (f"arn:{{partition}}:{service}:{{region}}:{{account}}:{resource}",))
    for service, resource in (
        ("cloudformation", f"stack/{deployment.STACK}*"),
        ("dynamodb", f"table/{deployment.STACK}-*"),
        ("lambda", f"function:{deployment.STACK}-*"),
        ("sns", f"{deployment.STACK}-*"),
    )
} | {"kms": Statement((), condition={"StringLike": {"kms:ViaService": "sns.*"}})}
"""The stack's resources by service. CloudFormation begins names with the stack's; a key has no name."""


def operator_statements() -> Iterator[Statement]:
    """The permissions of `status`, `silence` and `notify`, restricted to the deployment's resources."""
    for declared in _OPERATOR_ACTIONS:
        for action in declared.actions:
            yield replace(_OWN[action.partition(":")[0]], actions=(action,))
