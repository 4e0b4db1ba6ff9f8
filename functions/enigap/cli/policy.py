"""`enigap policy`: the IAM policies that the commands need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from enigap.aws import deployment, observe, state_table, topic
from enigap.aws.iam import KEY_USES, Statement, policy_document
from enigap.cli.arguments import Stack, UsageError
from enigap.cli.screen import write
from enigap.core.console import is_region, partition_of
from enigap.wiring import READ_ACTIONS


class Partition(StrEnum):
    """AWS's partitions: its own, China's and GovCloud."""

    AWS = "aws"
    CHINA = "aws-cn"
    GOVCLOUD = "aws-us-gov"


def command(
    *,
    operator: Annotated[
        bool, typer.Option("--operator", help="The policy for status, silence and notify instead.")
    ] = False,
    doctor: Annotated[
        bool,
        typer.Option(
            "--doctor",
            help="With what doctor also reads where it may: alarms, their actions, dashboards and quotas.",
        ),
    ] = False,
    stack: Stack = None,
    partition: Annotated[
        Partition | None,
        typer.Option(
            help="The partition of the account, which ARNs begin with. [default: that of --region, or aws]"
        ),
    ] = None,
    key: Annotated[
        bool,
        typer.Option(
            "--key", help="The statements that the policy of the key in `kms_key_arn` needs instead."
        ),
    ] = False,
    region: Annotated[str | None, typer.Option(metavar="REGION", help="The key's region, for --key.")] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="The number of the account that enigap is in, for --key."),
    ] = None,
) -> int:
    """The IAM policy that check, explain, report, backtest and doctor need; with --operator, the others.

    The former is read-only. The latter covers the resources of one stack, in any region.
    """
    if key and (operator or doctor):
        raise UsageError("--operator and --doctor are for roles, --key is for a key: ask for one of them.")
    if not key and (region is not None or account is not None):
        raise UsageError("--region and --account are for --key: give it, too, or leave them out.")
    if stack and not (key or operator):
        raise UsageError("--stack is for --operator and --key: give one of them, or leave it out.")
    partition = _partition(partition, region)
    if key:
        _check_account(account)
        placeholders = [name for name, given in (("REGION", region), ("ACCOUNT", account)) if given is None]
        if placeholders:
            named = " and ".join(f"--{name.lower()}" for name in placeholders)
            typer.echo(f"Put your own in place of {' and '.join(placeholders)}, or give {named}.", err=True)
        write(
            key_policy(stack or deployment.STACK, partition, region or "REGION", account or "ACCOUNT"),
            indent=2,
        )
        return 0
    statements = list(operator_statements(stack or deployment.STACK) if operator else READ_ACTIONS)
    statements += observe.ACTIONS * doctor
    write(policy_document(statements, partition=partition), indent=2)
    return 0


def _partition(given: Partition | None, region: str | None) -> Partition:
    """The partition asked for, or else the region's. Raises UsageError where they contradict each other."""
    if region is None:
        return given or Partition.AWS
    if not is_region(region):
        raise UsageError(f"--region takes one such as eu-west-1, not {region[:40]!r}.")
    of_region = Partition(partition_of(region))
    if given not in {None, of_region}:
        raise UsageError(f"{region} is in the partition {of_region}: give that, or leave --partition out.")
    return of_region


def _check_account(account: str | None) -> None:
    """Raises UsageError for what is no account's number."""
    if account is not None and not re.fullmatch("[0-9]{12}", account):
        raise UsageError(f"--account takes the account's 12 digits, not {account[:40]!r}.")


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


def operator_statements(stack: str) -> Iterator[Statement]:
    """The permissions of `status`, `silence` and `notify`, restricted to the deployment's resources."""
    own = _own(stack)
    for declared in _OPERATOR_ACTIONS:
        for action in declared.actions:
            yield replace(own[action.partition(":")[0]], actions=(action,))


def key_policy(stack: str, partition: Partition, region: str, account: str) -> dict[str, Any]:
    """The statements by which AWS's services and the account's roles use the key that encrypts a stack.

    They go into the key's policy, beside those that say who administers the key.
    """
    of_account = {"StringEquals": {"aws:SourceAccount": account}}
    groups = f"arn:{partition}:logs:{region}:{account}:log-group:{stack}-*"
    suffix = "amazonaws.com.cn" if partition is Partition.CHINA else "amazonaws.com"
    return {
        "Version": "2012-10-17",
        "Statement": [
            _of_service(
                "logs",
                f"logs.{region}.{suffix}",
                ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"),
                {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            ),
            # Alarms publish to the topic, which delivers to the queues.
            _of_service("cloudwatch", "cloudwatch.amazonaws.com", KEY_USES["sns"], of_account),
            _of_service("sns", "sns.amazonaws.com", KEY_USES["sqs"], of_account),
            *(
                {
                    "Sid": f"EnigapUses{service.capitalize()}",
                    "Effect": "Allow",
                    # Everybody in the account who may use the service, as in the keys that AWS manages.
                    "Principal": {"AWS": "*"},
                    "Action": [*actions, *(["kms:CreateGrant"] if service == "dynamodb" else ())],
                    "Resource": "*",
                    "Condition": {
                        "StringEquals": {"kms:CallerAccount": account},
                        "StringLike": {"kms:ViaService": f"{service}.*"},
                    },
                }
                for service, actions in KEY_USES.items()
            ),
        ],
    }


def _of_service(
    name: str, principal: str, actions: Sequence[str], condition: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    return {
        "Sid": f"Enigap{name.capitalize()}",
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": [*actions],
        "Resource": "*",
        "Condition": condition,
    }
