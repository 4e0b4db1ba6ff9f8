"""The schedule and the planner, which discovers clusters and queues one work item for each of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import Aws, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from enigap.aws.work_queue import COUNT_ACTIONS
from enigap.lambdas import environment as variables
from enigap.settings import Settings
from infra import permissions
from infra.function import Function
from infra.queue import DeadLetterQueue

MINUTES_AFTER_SETTLING: Final = 2
"""The schedule fires this long after a window has settled: a margin for inexact clocks."""

TOO_LATE: Final = Duration.minutes(10)
"""Maximum age of a scheduled event. A later plan is dropped, because the next one is due."""


class Planning(Construct):
    """The schedule, the planner function and its dead-letter queue."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: lambda_.Code,
        work: sqs.Queue,
        state: dynamodb.Table,
        findings: sns.Topic,
        pipeline: sns.Topic,
        topic_keys: Sequence[kms.IKey],
        dead_letters: Mapping[str, sqs.Queue],
        dashboard_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = DeadLetterQueue(self, "DeadLetters")
        every = {"plan": self.dead_letters, **dead_letters}
        self.planner = Function(
            self,
            "Plan",
            code=code,
            handler="enigap.lambdas.plan.handler",
            description="Finds the clusters and queues the window that each is to be judged for",
            settings=settings,
            with_addresses=True,
            # The clusters that are known are queued first; looking for others may take its time.
            timeout=Duration.minutes(5),
            memory_mib=1769,  # one full vCPU: in a large account describing the workers is CPU-bound
            environment={
                variables.WORK_QUEUE_URL: work.queue_url,
                variables.STATE_TABLE: state.table_name,
                variables.TOPIC_ARN: findings.topic_arn,
                variables.PIPELINE_TOPIC_ARN: pipeline.topic_arn,
                variables.DEAD_LETTERS: json.dumps({name: queue.queue_url for name, queue in every.items()}),
                variables.DASHBOARD_URL: dashboard_url,
            },
            statements=permissions.of_plan(settings),
            own={
                "sqs": [work.queue_arn],
                "dynamodb": [state.table_arn],
                "sns": [findings.topic_arn, pipeline.topic_arn],
                "kms": [key.key_arn for key in topic_keys],
            },
        )
        counted = {"sqs": [queue.queue_arn for queue in every.values()]}
        for statement in permissions.policy_statements(COUNT_ACTIONS, counted):
            self.planner.role.add_to_policy(statement)
        # The schedule invokes asynchronously: Lambda retries, and sends failures to the dead letters.
        self.planner.function.configure_async_invoke(
            retry_attempts=2,
            max_event_age=TOO_LATE,
            on_failure=destinations.SqsDestination(self.dead_letters),
        )
        self._schedule(settings)

    def _schedule(self, settings: Settings) -> None:
        group_arn = f"arn:{Aws.PARTITION}:scheduler:{Aws.REGION}:{Aws.ACCOUNT_ID}:schedule-group/default"
        role = iam.Role(
            self,
            "ScheduleRole",
            description="Lets enigap's schedule start the planner, and set aside what it could not start",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": Aws.ACCOUNT_ID,
                        "aws:SourceArn": group_arn,
                    }
                },
            ),
        )
        function_arn = self.planner.function.function_arn
        for action, resource in (
            ("lambda:InvokeFunction", function_arn),
            ("sqs:SendMessage", self.dead_letters.queue_arn),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[resource]))
        # The L1 resource: the role of the L2 construct's target may invoke every version of the function.
        schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Judges every cluster's newest settled window",
            schedule_expression=schedule_expression(settings),
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function_arn,
                role_arn=role.role_arn,
                input="{}",
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=TOO_LATE.to_seconds(), maximum_retry_attempts=5
                ),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self.dead_letters.queue_arn
                ),
            ),
        )
        schedule.node.add_dependency(role)  # and its policy, without which the first invocation is denied


def schedule_expression(settings: Settings) -> str:
    """The cron expression of the planner, in UTC: shortly after each window has settled."""
    first = (settings.settle_minutes + MINUTES_AFTER_SETTLING) % settings.schedule_minutes
    minutes = range(first, 60, settings.schedule_minutes)
    return f"cron({','.join(map(str, minutes))} * * * ? *)"
