"""One cluster and one window at a time: the queue of work items and the function that judges them."""

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
        topic_key: kms.Key,
        dashboard_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.work = FunctionQueue(
            self,
            "Work",
            fifo=True,  # a cluster's windows in order, clusters side by side
            # What failed comes back only then, and its cluster waits meanwhile. So a minute more than the
            # function may take, not the six times that AWS advises where functions are throttled: the limit
            # on concurrency keeps messages in the queue until there is room.
            visibility_timeout=Duration.seconds(TIMEOUT.to_seconds() + 60),
            attempts=3,
            retention=Duration.days(1),  # older windows are nobody's news
        )
        self.reconciler = Function(
            self,
            "Reconcile",
            code=code,
            handler="enigap.lambdas.reconcile.handler",
            description="Judges the nodes of one cluster, publishes metrics and tells what is new",
            settings=settings,
            timeout=TIMEOUT,
            # One whole processor, which is what judging a large cluster takes its time with.
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
        # One cluster a call, so one that fails holds up no other; and no more than two calls at a time, the
        # least Lambda can be held to, because the account's quota of datapoints is shared with everything
        # else that reads CloudWatch. Reserved concurrency would hold it too, but sends what it refuses to
        # the dead letters.
        self.work.feed(self.reconciler.function, batch_size=1, max_concurrency=RECONCILERS_AT_ONCE)
