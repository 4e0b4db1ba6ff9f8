"""`enigap policy`: what the commands must be allowed to do."""

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
        bool, typer.Option("--operator", help="What status, silence and notify need instead.")
    ] = False,
) -> int:
    """The IAM policy that check, explain, report and backtest need; with --operator, status, silence, notify.

    The former reads, and writes nothing. The latter is about what the stack `enigap` has deployed, in any
    region.
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
"""What the stack owns, by service: CloudFormation begins names with the stack's, but a key has none."""


def operator_statements() -> Iterator[Statement]:
    """What `status`, `silence` and `notify` need, for what a deployment owns."""
    for declared in _OPERATOR_ACTIONS:
        for action in declared.actions:
            yield replace(_OWN[action.partition(":")[0]], actions=(action,))
