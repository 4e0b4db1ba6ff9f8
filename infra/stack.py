"""The CloudFormation stack of enigap in one region."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import CfnOutput, Environment, IStackSynthesizer, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from enigap.aws.deployment import SLACK_QUEUE_OUTPUT
from enigap.cli.cost import INSIGHTS_BY_SETTING, Insights, dollars_per_node
from enigap.lambdas.environment import REHEARSED_KEY
from enigap.lambdas.self_test import WARNINGS
from enigap.settings import Settings
from infra import organisation
from infra.alarms import Alarms
from infra.dashboard import Dashboard, dashboard_url
from infra.notifications import Notifications
from infra.planning import Planning
from infra.reconciliation import Reconciliation
from infra.self_test import SelfTest
from infra.state import StateTable


class EnigapStack(Stack):
    """State table, topics, work queue, planner, reconciler, alarms and dashboard.

    The last resource is a self-test that invokes every function; if one fails, the deployment is rolled back.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        functions: Path,
        env: Environment | None = None,
        synthesizer: IStackSynthesizer | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name,
            env=env,
            synthesizer=synthesizer,
            description="enigap: does the traffic EKS nodes count agree with what their interfaces carried?",
        )
        code = lambda_.Code.from_asset(str(functions))

        state = StateTable(self, "State").table
        region = env.region if env else None
        url = dashboard_url(self, region)
        told = Notifications(
            self,
            "Notifications",
            settings=settings,
            code=code,
            state=state,
            key_arn=settings.kms_key_in(region),
        )
        judging = Reconciliation(
            self,
            "Reconciliation",
            settings=settings,
            code=code,
            state=state,
            findings=told.findings,
            topic_key=told.key,
            dashboard_url=url,
        )
        planning = Planning(
            self,
            "Planning",
            settings=settings,
            code=code,
            work=judging.work.queue,
            state=state,
            findings=told.findings,
            pipeline=told.pipeline,
            topic_keys=[told.key, told.pipeline_key],
            dead_letters={
                "reconcile": judging.work.dead_letters,
                **({"slack": told.slack.messages.dead_letters} if told.slack else {}),
            },
            dashboard_url=url,
        )

        deployed = {"plan": planning.planner, "reconcile": judging.reconciler}
        dead_letters = {"plan": planning.dead_letters, "reconcile": judging.work.dead_letters}
        queues = {"reconcile": judging.work.queue}
        if told.slack:
            deployed["slack"] = told.slack.function
            dead_letters["slack"] = told.slack.messages.dead_letters
            queues["slack"] = told.slack.messages.queue
        rehearsals: Mapping[str, Mapping[str, object]] = {
            "plan": {"dry_run": True},
            # A key of one's own may be for use by services only; the self-test uses it by those.
            "reconcile": {"Records": []}
            if settings.kms_key_in(region)
            else {"Records": [], REHEARSED_KEY: told.key.key_arn},
            "slack": {"Records": []},
        }
        self_test = SelfTest(
            self,
            "SelfTest",
            settings=settings,
            code=code,
            code_version=functions.name,
            calls={each: rehearsals[name] for name, each in deployed.items()},
        )
        alarms = Alarms(
            self,
            "Alarms",
            settings=settings,
            findings=told.findings,
            pipeline=told.pipeline,
            functions={name: each.function for name, each in deployed.items()},
            self_test=self_test.tester.function,
            queues=queues,
            dead_letters=dead_letters,
        )
        told.let_publish(alarms.arns)
        Dashboard(
            self,
            "Dashboard",
            settings=settings,
            region=region,
            alarms=alarms.all,
            functions={name: each.function for name, each in deployed.items()},
            queues=queues,
            dead_letters=dead_letters,
        )
        # The self-test publishes the first datapoint of PlansMade. Without it that alarm, which treats
        # missing data as breaching, would go off at once.
        alarms.node.add_dependency(self_test)

        for name, value, description in (
            ("TopicArn", told.findings.topic_arn, "The topic of findings: subscribe to it to be told"),
            ("PipelineTopicArn", told.pipeline.topic_arn, "The topic of alarms on enigap itself"),
            ("StateTableName", state.table_name, "The table of each cluster's state and open incidents"),
            (
                "PlanFunctionName",
                planning.planner.function.function_name,
                "The function to invoke to have a window judged again",
            ),
            ("WorkQueueUrl", judging.work.queue.queue_url, "The queue of windows that wait to be judged"),
            ("DashboardUrl", url, "The dashboard, in CloudWatch's console"),
            ("Cost", _cost(settings), "What it costs, and the command for the whole bill"),
            (WARNINGS, self_test.warnings, "What the settings ask for and was not found at the deployment"),
        ):
            CfnOutput(self, name, value=value, description=description)
        if told.slack:
            CfnOutput(
                self,
                SLACK_QUEUE_OUTPUT,
                value=told.slack.messages.queue.queue_arn,
                description="The queue of messages for Slack",
            )
        organisation.apply(self, settings, region)


def _cost(settings: Settings) -> str:
    """What a node costs a month as the settings are, which say nothing of how many there will be."""
    publish, minutes, evidence = settings.publish, settings.schedule_minutes, settings.evidence
    one, *others = (
        f"${dollars_per_node(publish, minutes, evidence, each):.2f}"
        for each in INSIGHTS_BY_SETTING[settings.os_source]
        if each is not Insights.BOTH
    )
    counters = f"Where OpenTelemetry's counters are read, about {others[0]}. " if others else ""
    options = {"publish": publish, "schedule-minutes": minutes}
    options |= {} if evidence is Settings().evidence else {"evidence": evidence}
    options |= {} if settings.os_source is Settings().os_source else {"os-source": settings.os_source}
    typed = " ".join(f"--{name} {value}" for name, value in options.items())
    return (
        f"About {one} a node and month at list prices, with publish = {publish.value}. {counters}"
        f"The whole bill of N nodes: enigap estimate --nodes N {typed}"
    )
