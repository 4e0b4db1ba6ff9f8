"""The work queue, and the reconciler function that judges one work item (cluster and window) at a time."""

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from enigap.lambdas import environment as variables
from enigap.settings import Settings
from enigap.wiring import RECONCILERS_AT_ONCE
from infra import permissions
from infra.function import Function
from infra.queue import FunctionQueue

TIMEOUT = Duration.minutes(5)


class Reconciliation(Construct):
    """Work queue and reconciler."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: lambda_.Code,
        state: dynamodb.Table,
        findings: sns.Topic,
        topic_key: kms.IKey,
        dashboard_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.work = FunctionQueue(
            self,
            "Work",
            fifo=True,  # a cluster's windows in order, clusters side by side
            # A failed message is retried only after this timeout, and its message group is blocked until
            # then. So it is the function's timeout plus a minute, not the six times that AWS advises against
            # throttling: `max_concurrency` leaves messages in the queue instead of throttling.
            visibility_timeout=Duration.seconds(TIMEOUT.to_seconds() + 60),
            attempts=3,
            retention=Duration.days(1),  # older windows are of no interest
        )
        self.reconciler = Function(
            self,
            "Reconcile",
            code=code,
            handler="enigap.lambdas.reconcile.handler",
            description="Judges the nodes of one cluster, publishes metrics and tells what is new",
            settings=settings,
            timeout=TIMEOUT,
            # One full vCPU: judging a large cluster is CPU-bound.
            memory_mib=1769,
            environment={
                variables.STATE_TABLE: state.table_name,
                variables.TOPIC_ARN: findings.topic_arn,
                variables.DASHBOARD_URL: dashboard_url,
            },
            statements=permissions.of_reconcile(settings),
            own={
                "dynamodb": [state.table_arn],
                "sns": [findings.topic_arn],
                "kms": [topic_key.key_arn],
            },
        )
        # One cluster an invocation, so that a failing one does not block others, and few at a time, because
        # the account's quota of datapoints is shared with everything else that reads CloudWatch. Reserved
        # concurrency would limit it too, but throttled messages would end up in the dead-letter queue.
        self.work.feed(self.reconciler.function, batch_size=1, max_concurrency=RECONCILERS_AT_ONCE)
