"""What each function may do: what its adapters declare, bound to this stack's own table, queues and topic."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

from enigap.aws import device_events, discovery, metrics
from enigap.aws.iam import Statement
from enigap.settings import Settings

TOPIC_KEY = Statement(("kms:Decrypt", "kms:GenerateDataKey"))
"""Whoever publishes to an encrypted topic encrypts; that it is encrypted is the deployment's affair."""


def of_plan(settings: Settings) -> tuple[Statement, ...]:
    return (
        *discovery.CLUSTER_ACTIONS,
        Statement(("dynamodb:BatchGetItem",)),
        Statement(("sqs:SendMessage",)),
        _put_metrics(settings),
    )


def of_reconcile(settings: Settings) -> tuple[Statement, ...]:
    return (
        *discovery.ACTIONS,
        *metrics.ACTIONS,
        *device_events.ACTIONS,
        Statement(("eks:DescribeAddon",), ("arn:{partition}:eks:{region}:{account}:addon/*",)),
        Statement(("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem")),
        Statement(("sns:Publish",)),
        TOPIC_KEY,
        _put_metrics(settings),
    )


def of_slack() -> tuple[Statement, ...]:
    return (Statement(("secretsmanager:GetSecretValue",)),)


def of_self_test() -> tuple[Statement, ...]:
    return (Statement(("lambda:InvokeFunction",)),)


def _put_metrics(settings: Settings) -> Statement:
    namespace = {"StringEquals": {"cloudwatch:namespace": settings.metric_namespace}}
    return Statement(("cloudwatch:PutMetricData",), condition=namespace)


def policy_statements(
    declared: Iterable[Statement], own: Mapping[str, list[str]]
) -> Iterator[iam.PolicyStatement]:
    """The declared statements for the stack they are deployed to.

    `own` has the ARNs of the stack's own resources by service; an action of that service is for these only.
    """
    for statement in declared:
        elsewhere = statement.resource_arns(
            partition=Aws.PARTITION, region=Aws.REGION, account=Aws.ACCOUNT_ID
        )
        for service, actions in groupby(sorted(statement.actions), key=_service):
            yield iam.PolicyStatement(
                actions=list(actions),
                resources=own.get(service, elsewhere),
                conditions={operator: dict(keys) for operator, keys in statement.condition.items()},
            )


def _service(action: str) -> str:
    return action.partition(":")[0]
