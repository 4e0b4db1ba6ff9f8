"""How an adapter declares what it must be allowed to do.

Each module has a constant `ACTIONS`; the roles of the functions and the policies for people, those who only
look and those who operate a deployment, are made of these and of nothing else, so none can lag behind the
code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Statement:
    """One Allow of an IAM policy."""

    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    """ARNs, with the placeholders {partition}, {region} and {account}. "*" where the action knows no
    resources.
    """
    condition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Operator, condition key, value: `{"StringEquals": {"cloudwatch:namespace": "EniGap"}}`."""

    def resource_arns(self, *, partition: str, region: str, account: str) -> list[str]:
        """The resources with their placeholders filled in; tokens of the CDK will do."""
        return [
            resource.format(partition=partition, region=region, account=account)
            for resource in self.resources
        ]

    def document(self, *, partition: str = "aws", region: str = "*", account: str = "*") -> dict[str, Any]:
        """The statement as IAM's policy language has it."""
        resources = self.resource_arns(partition=partition, region=region, account=account)
        document: dict[str, Any] = {"Effect": "Allow", "Action": sorted(self.actions), "Resource": resources}
        if self.condition:
            document["Condition"] = {operator: dict(keys) for operator, keys in self.condition.items()}
        return document


def policy_document(
    statements: Iterable[Statement], *, partition: str = "aws", region: str = "*", account: str = "*"
) -> dict[str, Any]:
    """A whole policy document. Statements about the same resources under the same condition become one."""
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
