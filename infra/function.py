"""One deployed function: its code, its log group, and a role that may do what its statements say."""

from collections.abc import Iterable, Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from enigap.aws.iam import Statement
from enigap.lambdas import environment as variables
from enigap.settings import Settings
from infra.permissions import policy_statements


class Function(Construct):
    """A function of the asset `code`. `own` is what its statements are bound to, see `policy_statements`.

    `description` is what the console's lists of functions and roles show.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        handler: str,
        description: str,
        settings: Settings,
        timeout: Duration,
        memory_mib: int,
        statements: Iterable[Statement],
        own: Mapping[str, list[str]],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        # Logs are for finding out why. What was found out is in the metrics, which outlive the stack.
        log_group = logs.LogGroup(
            self, "Logs", retention=logs.RetentionDays.THREE_MONTHS, removal_policy=RemovalPolicy.DESTROY
        )
        # A role of our own: the one that comes with a function may write to every log group of the account.
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What this function of enigap may do: {description}",
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
            )
        )
        for statement in policy_statements(statements, own):
            self.role.add_to_policy(statement)
        self.function = lambda_.Function(
            self,
            "Function",
            code=code,
            handler=handler,
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            role=self.role,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            timeout=timeout,
            memory_size=memory_mib,
            environment={
                **settings.to_env(),
                variables.POWERTOOLS_SERVICE: "enigap",
                variables.POWERTOOLS_NAMESPACE: settings.metric_namespace,
                variables.POWERTOOLS_LOG_LEVEL: "INFO",
                **(environment or {}),
            },
        )
