"""A Lambda function with its log group and its least-privilege role."""

from collections.abc import Iterable, Mapping
from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from enigap.aws.iam import Statement
from enigap.lambdas import environment as variables
from enigap.settings import Settings
from infra.permissions import policy_statements

_ARCHITECTURES: Final = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}


class Function(Construct):
    """A Lambda function whose role allows the IAM `statements`, restricted to the resources in `own`.

    `own` is explained at `policy_statements`, `with_addresses` at `Settings.to_env`; the console shows
    `description` for the function and its role.
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
        with_addresses: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        # Logs are for debugging and go with the stack; findings are in the metrics, which outlive it.
        log_group = logs.LogGroup(
            self, "Logs", retention=logs.RetentionDays.THREE_MONTHS, removal_policy=RemovalPolicy.DESTROY
        )
        group = log_group.node.default_child
        assert isinstance(group, logs.CfnLogGroup)  # noqa: S101 - for the types
        group.retention_in_days = settings.log_retention_days
        # An explicit role: the one the CDK creates may write to every log group of the account.
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
            architecture=_ARCHITECTURES[settings.architecture],
            role=self.role,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            timeout=timeout,
            memory_size=memory_mib,
            environment={
                **settings.to_env(with_addresses=with_addresses),
                variables.POWERTOOLS_SERVICE: "enigap",
                variables.POWERTOOLS_NAMESPACE: settings.metric_namespace,
                variables.POWERTOOLS_LOG_LEVEL: "INFO",
                **(environment or {}),
            },
        )
