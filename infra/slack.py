"""Delivery to Slack by an incoming webhook. A queue bridges an outage of up to an hour."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from enigap.lambdas import environment as variables
from enigap.settings import Settings
from infra import permissions
from infra.function import Function
from infra.queue import FunctionQueue

TIMEOUT = Duration.seconds(60)


class Slack(Construct):
    """Queue and function that post to one channel."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: lambda_.Code,
        secret: str,
        state: dynamodb.Table,
    ) -> None:
        super().__init__(scope, construct_id)
        self.messages = FunctionQueue(
            self,
            "Messages",
            # Ten attempts, six minutes apart, bridge an outage of an hour.
            visibility_timeout=Duration.seconds(6 * TIMEOUT.to_seconds()),
            attempts=10,
            retention=Duration.days(4),
        )
        self.function = Function(
            self,
            "Post",
            code=code,
            handler="enigap.lambdas.slack.handler",
            description="Posts findings and alarms to the Slack channel of the webhook",
            settings=settings,
            timeout=TIMEOUT,
            memory_mib=256,  # it waits for the network most of the time
            environment={variables.SLACK_SECRET: secret, variables.STATE_TABLE: state.table_name},
            statements=permissions.of_slack(),
            own={"secretsmanager": _secret_arns(secret), "dynamodb": [state.table_arn]},
        )
        # Slack's rate limit for a webhook is one message a second; 2 is the minimum of MaximumConcurrency.
        self.messages.feed(self.function.function, batch_size=10, max_concurrency=2)

    def subscription(self) -> subscriptions.SqsSubscription:
        """The SQS subscription of a topic. Messages arrive as they were published, without SNS's envelope."""
        return subscriptions.SqsSubscription(
            self.messages.queue, raw_message_delivery=True, dead_letter_queue=self.messages.dead_letters
        )


def _secret_arns(name_or_arn: str) -> list[str]:
    """The secret's ARN, or a pattern of it: Secrets Manager appends a hyphen and six random characters.

    For a secret that is not there it asks about the name alone; without that the answer would be a denial,
    as if the role were wrong.
    """
    if name_or_arn.startswith("arn:"):
        return [name_or_arn]
    arn = f"arn:{Aws.PARTITION}:secretsmanager:{Aws.REGION}:{Aws.ACCOUNT_ID}:secret:{name_or_arn}"
    return [arn, f"{arn}-??????"]
