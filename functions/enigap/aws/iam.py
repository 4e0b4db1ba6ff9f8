"""How an adapter declares the IAM permissions that its calls need.

Each adapter has a constant `ACTIONS`. The functions' roles and the policies that `enigap policy` prints are
made of these constants only, so that they match the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

KEY_USES: Final[Mapping[str, tuple[str, ...]]] = {
    "dynamodb": (
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ),
    "sns": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs": ("kms:Decrypt", "kms:GenerateDataKey"),
}
"""What the caller of a service needs on the customer-managed key that its data is encrypted with."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One Allow statement of an IAM policy."""

    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    """ARNs, with the placeholders {partition}, {region} and {account}. "*" if the action has no
    resource types.
    """
    condition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Condition operator, key and value: `{"StringEquals": {"cloudwatch:namespace": "EniGap"}}`."""

    def resource_arns(self, *, partition: str, region: str, account: str) -> list[str]:
        """The resources with their placeholders filled in; CDK tokens are allowed."""
        return [
            resource.format(partition=partition, region=region, account=account)
            for resource in self.resources
        ]

    def document(self, *, partition: str = "aws", region: str = "*", account: str = "*") -> dict[str, Any]:
        """The statement in IAM's policy language."""
        resources = self.resource_arns(partition=partition, region=region, account=account)
        document: dict[str, Any] = {"Effect": "Allow", "Action": sorted(self.actions), "Resource": resources}
        if self.condition:
            document["Condition"] = {operator: dict(keys) for operator, keys in self.condition.items()}
        return document


def policy_document(
    statements: Iterable[Statement], *, partition: str = "aws", region: str = "*", account: str = "*"
) -> dict[str, Any]:
    """A policy document. Statements with the same resources and condition are merged."""
    merged: dict[tuple[tuple[str, ...], str], Statement] = {}
    for statement in statements:
        key = (statement.resources, repr(statement.condition))
        before = merged.get(key)
        actions = {*statement.actions, *(before.actions if before else ())}
        merged[key] = Statement(tuple(sorted(actions)), statement.resources, statement.condition)
    return {
        "Version": "2012-10-17",
        "Statement": [
            statement.document(partition=partition, region=region, account=account)
            for statement in merged.values()
        ],
    }
