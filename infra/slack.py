"""The way to Slack through an incoming webhook: behind a queue, so Slack may be down for an hour."""

from aws_cdk import Aws, Duration
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
        self, scope: Construct, construct_id: str, *, settings: Settings, code: lambda_.Code, secret: str
    ) -> None:
        super().__init__(scope, construct_id)
        self.messages = FunctionQueue(
            self,
            "Messages",
            # Ten attempts six minutes apart: Slack may be down for an hour.
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
            memory_mib=256,  # it mostly waits
            environment={variables.SLACK_SECRET: secret},
            statements=permissions.of_slack(),
            own={"secretsmanager": [_secret_arn(secret)]},
        )
        # Slack takes one message a second for a webhook; two at a time is the least that Lambda can be held
        # to.
        self.messages.feed(self.function.function, batch_size=10, max_concurrency=2)

    def subscription(self) -> subscriptions.SqsSubscription:
        """What a topic's messages come in by, as they were published and without SNS's envelope."""
        return subscriptions.SqsSubscription(
            self.messages.queue, raw_message_delivery=True, dead_letter_queue=self.messages.dead_letters
        )


def _secret_arn(name_or_arn: str) -> str:
    """Which secret may be read. Secrets Manager ends an ARN with a hyphen and six characters of its own."""
    if name_or_arn.startswith("arn:"):
        return name_or_arn
    return f"arn:{Aws.PARTITION}:secretsmanager:{Aws.REGION}:{Aws.ACCOUNT_ID}:secret:{name_or_arn}-??????"
