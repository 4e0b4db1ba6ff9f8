"""IAM permissions of each function: its adapters' actions, restricted to this stack's resources."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

from enigap.aws import (
    discovery,
    posted_messages,
    publisher,
    secrets,
    state_table,
    topic,
    work_queue,
)
from enigap.aws.iam import Statement
from enigap.lambdas import self_test
from enigap.settings import Settings
from enigap.wiring import READ_ACTIONS


def of_plan(settings: Settings) -> tuple[Statement, ...]:
    return (
        *discovery.CLUSTER_ACTIONS,
        *state_table.PLAN_ACTIONS,
        *work_queue.ACTIONS,
        *topic.ACTIONS,
        *topic.KEY_ACTIONS,
        *publisher.actions(settings.metric_namespace),
    )


def of_reconcile(settings: Settings) -> tuple[Statement, ...]:
    return (
        *READ_ACTIONS,
        *state_table.RECONCILE_ACTIONS,
        *topic.ACTIONS,
        *topic.KEY_ACTIONS,
        *publisher.actions(settings.metric_namespace),
    )


def of_slack() -> tuple[Statement, ...]:
    return (*secrets.ACTIONS, *posted_messages.ACTIONS)


def of_self_test() -> tuple[Statement, ...]:
    return self_test.ACTIONS


def policy_statements(
    declared: Iterable[Statement], own: Mapping[str, list[str]]
) -> Iterator[iam.PolicyStatement]:
    """IAM policy statements for the declared ones, with the resources of this stack.

    `own` has the ARNs of the stack's resources by service. An action of such a service is allowed on these
    only; other actions are allowed on the resources that were declared.
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
