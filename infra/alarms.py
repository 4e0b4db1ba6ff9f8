"""The CloudWatch alarms. Each compares one metric with a limit, and its description says what to do.

Alarms on findings exist for dashboards and composite alarms. They have no actions by default, because
incidents already send messages. Alarms on the pipeline notify the pipeline's topic when they go off and when
they are over; when enigap no longer runs, they are the only notification.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from enigap.core.counting.window import GRID
from enigap.core.published import WORST_CLUSTER_STATISTIC, Metric
from enigap.settings import Settings

MISSING_IS_FINE: Final = cloudwatch.TreatMissingData.NOT_BREACHING
MISSING_IS_BAD: Final = cloudwatch.TreatMissingData.BREACHING

DEAD_LETTERS: Final = {
    "plan": "A plan could not be started or failed three times, so clusters were not judged at that time. "
    "Fix the cause first; the log group of the plan function says what it is. SQS cannot move these messages "
    "back: plan the missing windows again, then purge the queue.",
    "reconcile": "A cluster's window could not be judged in three attempts. Fix the cause first; the log "
    "group of the reconcile function says what it is. Then start the queue's redrive, or purge what is too "
    "old to matter.",
    "slack": "Messages did not get to Slack in ten attempts, or SNS could not put them into Slack's queue. "
    "Fix the cause first; the log group of the slack function says what it is. Then start the redrive with "
    "Slack's queue as its destination. What stays behind is from SNS; send it by hand.",
}
"""Alarm descriptions of the dead-letter queues, by the function whose failed messages they keep."""

WAITS_AT_MOST: Final = {"reconcile": Duration.hours(1), "slack": Duration.minutes(90)}
"""How old the oldest message of a queue may be, by the function that the queue feeds: longer than all
attempts at one message take. An older one is not being read at all, or too many are before it.
"""


class Alarms(Construct):
    """All alarms of one stack, in `all`, and their `arns`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        findings: sns.Topic,
        pipeline: sns.Topic,
        functions: Mapping[str, lambda_.Function],
        self_test: lambda_.Function,
        queues: Mapping[str, sqs.Queue],
        dead_letters: Mapping[str, sqs.Queue],
    ) -> None:
        super().__init__(scope, construct_id)
        self.all: list[cloudwatch.Alarm] = []
        self._settings = settings
        self._pipeline = pipeline
        self._on_findings(findings)
        self._on_silence_of_the_pipeline()
        for name, function in functions.items():
            self._on_function(name, function)
        self._on_self_test(self_test)
        for name, queue in queues.items():
            self._on_waiting(name, queue)
        for name, queue in dead_letters.items():
            self._on_dead_letters(name, queue)
        # By their names, for the topics are made before the alarms, which refer to them.
        self.arns = [
            Stack.of(self).format_arn(
                service="cloudwatch",
                resource="alarm",
                resource_name=self._name_of(alarm.node.id),
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            for alarm in self.all
        ]

    def _on_findings(self, topic: sns.Topic) -> None:
        told = topic if self._settings.finding_alarm_actions else None
        self._alarm(
            "NodesUnexplained",
            self._published(Metric.NODES_UNEXPLAINED),
            told=told,
            description="The operating system and the network interfaces of a node disagree by more than "
            "counting accounts for. `enigap check` names the node and the reason, `enigap explain` shows its "
            "devices.",
        )
        self._alarm(
            "NodesSilent",
            self._published(Metric.NODES_SILENT),
            told=told,
            description="A node reports to EC2 or to Container Insights, but not to both. `enigap check` "
            "names it; look at the cloudwatch-agent pod on it.",
        )

    def _on_silence_of_the_pipeline(self) -> None:
        self._alarm(
            "ClustersOverdue",
            self._published(Metric.CLUSTERS_OVERDUE),
            told=self._pipeline,
            periods=max(1, 2 * GRID // self._settings.schedule),
            description="enigap has not judged a cluster for two schedules. Look at the other alarms, then "
            "at the logs of plan and reconcile.",
        )
        self._alarm(
            "PlansMade",
            self._published(Metric.PLANS_MADE, GRID),
            told=self._pipeline,
            missing=MISSING_IS_BAD,
            # One more than lie between two plans: the datapoint of a late plan falls into the next period.
            # With the schedule as the period, an hourly one would take more than four hours.
            periods=self._settings.schedule // GRID + 1,
            threshold=1,  # no point is larger, so that only missing ones set it off
            description="enigap has not run at all: no plan was made. Check that the schedule exists and is "
            "enabled, then look at the log of plan.",
        )

    def _on_function(self, name: str, function: lambda_.Function) -> None:
        period = Duration.minutes(15)
        self._alarm(
            f"{name}Errors",
            function.metric_errors(statistic="Sum", period=period),
            told=self._pipeline,
            description=f"The {name} function failed. Its log group says why. What it was doing is tried "
            f"again; what keeps failing becomes a dead letter, and then {name}DeadLetters goes off.",
        )
        self._alarm(
            f"{name}Throttles",
            function.metric_throttles(statistic="Sum", period=period),
            told=self._pipeline,
            description=f"Lambda had no room for the {name} function. Look at the account's quota of "
            "concurrent executions and at what else uses it.",
        )

    def _on_self_test(self, function: lambda_.Function) -> None:
        self._alarm(
            "selfTestErrors",
            function.metric_errors(statistic="Sum", period=Duration.minutes(15)),
            told=self._pipeline,
            description="The self-test of a deployment found a problem for which the deployment did not "
            "fail: the stack was rolled back, or the problem is outside it. The stack's output Warnings and "
            "the log group of the self-test say what it is.",
        )

    def _on_waiting(self, name: str, queue: sqs.Queue) -> None:
        self._alarm(
            f"{name}Waiting",
            queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=Duration.minutes(5)),
            told=self._pipeline,
            threshold=WAITS_AT_MOST[name].to_seconds(),
            description=f"A message has waited for the {name} function longer than all attempts at it take; "
            "when it expires it is lost. Check that the function's event source is enabled and that the "
            "queue's key can be used, then look at its log.",
        )

    def _on_dead_letters(self, name: str, queue: sqs.Queue) -> None:
        self._alarm(
            f"{name}DeadLetters",
            queue.metric_approximate_number_of_messages_visible(
                statistic="Maximum", period=Duration.minutes(5)
            ),
            told=self._pipeline,
            description=DEAD_LETTERS[name],
        )

    def _published(self, metric: Metric, period: timedelta | None = None) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self._settings.metric_namespace,
            metric_name=metric.metric_name,
            statistic=WORST_CLUSTER_STATISTIC,
            period=Duration.seconds(int((period or self._settings.schedule).total_seconds())),
        )

    def _name_of(self, alarm: str) -> str:
        return f"{Stack.of(self).stack_name}-{alarm}"

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.Metric,
        *,
        told: sns.Topic | None,
        description: str,
        missing: cloudwatch.TreatMissingData = MISSING_IS_FINE,
        periods: int = 1,
        threshold: float = 0,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_name=self._name_of(name),
            alarm_description=f'{description} See docs/runbook.md, "{name}", or: enigap runbook {name}',
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=periods,
            treat_missing_data=missing,
        )
        if told:
            alarm.add_alarm_action(actions.SnsAction(told))
        if told is self._pipeline:
            # Each new alarm goes to OK, too: the subscriptions of this topic leave that out (ONLY_ALARMS).
            alarm.add_ok_action(actions.SnsAction(told))
        self.all.append(alarm)
