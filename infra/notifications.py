"""The SNS topics, one for findings and one for alarms on enigap itself, with their subscribers."""

from typing import Final

from aws_cdk import Annotations, Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from enigap.settings import Settings, SlackChannel, SlackWebhook
from infra.slack import Slack

CLOUDWATCH: Final = iam.ServicePrincipal("cloudwatch.amazonaws.com")
ONLY_ALARMS: Final = {"$or": [{"NewStateValue": ["ALARM"]}, {"OldStateValue": ["ALARM"]}]}
"""Of the pipeline's topic: alarms that go off or are over, and not those that are new or have data again."""


class Notifications(Construct):
    """Two topics with the same subscribers.

    Alarms on the pipeline have a topic of their own because they concern the team that operates enigap, which
    may want other subscribers than the findings have.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: lambda_.Code,
        state: dynamodb.Table,
        key_arn: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = kms.Key.from_key_arn(self, "Key", key_arn) if key_arn else self._key("Key", "findings")
        self.findings = self._topic("Findings", "enigap", self.key)
        # A key of its own: with one for both, the alarm about a disabled key would not arrive either.
        self.pipeline_key = self._key("PipelineKey", "the pipeline")
        self.pipeline = self._topic("Pipeline", "enigap pipeline", self.pipeline_key)
        for address in settings.email:
            for topic in (self.findings, self.pipeline):
                self._subscribe(topic, subscriptions.EmailSubscription(address))
        self.slack: Slack | None = None
        match settings.slack:
            case SlackWebhook(webhook_secret=secret):
                self.slack = Slack(self, "Slack", settings=settings, code=code, secret=secret, state=state)
                for topic in (self.findings, self.pipeline):
                    self._subscribe(topic, self.slack.subscription())
            case SlackChannel() as channel:
                self._subscribe_channel(channel)
        self._warn_of_gaps(settings)

    def _subscribe(self, topic: sns.Topic, subscriber: sns.ITopicSubscription) -> None:
        subscription = topic.add_subscription(subscriber)
        if topic is self.pipeline:
            resource = subscription.node.default_child
            assert isinstance(resource, sns.CfnSubscription)  # noqa: S101 - what the CDK makes of it
            resource.filter_policy_scope = "MessageBody"
            resource.filter_policy = ONLY_ALARMS

    def _key(self, construct_id: str, topic: str) -> kms.Key:
        # Customer-managed: CloudWatch alarms cannot publish to a topic encrypted with the AWS-managed key.
        key = kms.Key(
            self,
            construct_id,
            description=f"Topic of {topic} of {Stack.of(self).stack_name}",
            enable_key_rotation=True,
            # It encrypts only messages in transit, which are delivered before the key is deleted.
            removal_policy=RemovalPolicy.DESTROY,
            pending_window=Duration.days(7),
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[CLOUDWATCH],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        return key

    def _topic(self, construct_id: str, display_name: str, key: kms.IKey) -> sns.Topic:
        return sns.Topic(self, construct_id, display_name=display_name, master_key=key, enforce_ssl=True)

    def let_publish(self, alarm_arns: list[str]) -> None:
        """Let these alarms publish to both topics.

        `enforce_ssl` gave the topics a policy, which replaces the default one that lets every alarm publish.
        """
        for topic in (self.findings, self.pipeline):
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[CLOUDWATCH],
                    actions=["sns:Publish"],
                    resources=[topic.topic_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": alarm_arns}},
                )
            )

    def _subscribe_channel(self, channel: SlackChannel) -> None:
        chatbot.SlackChannelConfiguration(
            self,
            "Channel",
            # The account's, whatever the region.
            slack_channel_configuration_name=f"{Stack.of(self).stack_name}-{Aws.REGION}",
            slack_workspace_id=channel.workspace_id,
            slack_channel_id=channel.channel_id,
            notification_topics=[self.findings, self.pipeline],
            # The default guardrail is AdministratorAccess: it would let members of the channel run any AWS
            # command that the channel's role allows.
            guardrail_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("CloudWatchReadOnlyAccess")],
        )

    def _warn_of_gaps(self, settings: Settings) -> None:
        if settings.email:
            return
        if settings.slack:
            Annotations.of(self).add_warning_v2(
                "enigap:slack-only",
                "Slack is the only channel: when Slack, or enigap's way to it, is down, nobody hears of it. "
                'Add an address to "email".',
            )
        else:
            Annotations.of(self).add_warning_v2(
                "enigap:nobody-told",
                'Nobody is told anything: neither "email" nor "slack" is set. '
                "Set one, or subscribe to the topics in the stack's outputs.",
            )
