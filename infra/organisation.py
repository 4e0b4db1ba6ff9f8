"""What an organisation asks of everything that is deployed: a boundary, tags, a VPC and a key of its own.

Each is set on the resources that are there at the end, so that a new one is not forgotten.
"""

from typing import Final

from aws_cdk import Stack, Tags
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs

from enigap.aws.iam import KEY_USES
from enigap.settings import Settings, Vpc

IN_A_VPC: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
)
"""What Lambda itself does with the role of a function in a VPC. The actions know no resources beforehand."""


def apply(stack: Stack, settings: Settings, region: str | None) -> None:
    """Set what the settings ask for on everything in the stack; `region` is where it is deployed to."""
    for name, value in {**settings.tags, "application": "enigap"}.items():
        Tags.of(stack).add(name, value)
    if settings.permissions_boundary:
        _limit(stack, settings.permissions_boundary)
    if vpc := settings.vpc_in(region):
        _run_in(stack, vpc)
    if key_arn := settings.kms_key_in(region):
        _encrypt(stack, key_arn)


def _limit(stack: Stack, boundary: str) -> None:
    policy = (
        iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", boundary)
        if boundary.startswith("arn:")
        else iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", boundary)
    )
    iam.PermissionsBoundary.of(stack).apply(policy)


def _run_in(stack: Stack, vpc: Vpc) -> None:
    for each in stack.node.find_all():
        if isinstance(each, lambda_.Function):
            each.add_to_role_policy(iam.PolicyStatement(actions=[*IN_A_VPC], resources=["*"]))
        elif isinstance(each, lambda_.CfnFunction):
            each.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
                subnet_ids=[*vpc.subnets], security_group_ids=[*vpc.security_groups]
            )


def _encrypt(stack: Stack, key_arn: str) -> None:
    """Encrypt logs, queues and table, and let each role use the key by the services that it calls.

    The topic of findings has the key already.
    """
    for each in stack.node.find_all():
        if isinstance(each, logs.CfnLogGroup):
            each.kms_key_id = key_arn
        elif isinstance(each, sqs.CfnQueue):
            each.sqs_managed_sse_enabled = None
            each.kms_master_key_id = key_arn
        elif isinstance(each, dynamodb.CfnTable):
            each.sse_specification = dynamodb.CfnTable.SSESpecificationProperty(
                sse_enabled=True, sse_type="KMS", kms_master_key_id=key_arn
            )
        elif isinstance(each, iam.Policy):
            services = {
                action.partition(":")[0]
                for statement in each.document.to_json()["Statement"]
                for action in _listed(statement["Action"])
            }
            for service in sorted(services & KEY_USES.keys()):
                each.add_statements(
                    iam.PolicyStatement(
                        actions=[*KEY_USES[service]],
                        resources=[key_arn],
                        conditions={"StringLike": {"kms:ViaService": f"{service}.*"}},
                    )
                )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
