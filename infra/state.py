"""The DynamoDB table with one item for each cluster: its state, open incidents and outbox."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from enigap.aws.state_table import EXPIRES_AT, KEY


class StateTable(Construct):
    """The table. DynamoDB encrypts it with an AWS-owned key, as it does by default."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name=KEY, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute=EXPIRES_AT,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            # It is deleted with the stack: a new deployment finds open incidents again by itself. DynamoDB
            # keeps a backup of a deleted table with point-in-time recovery for 35 days.
            removal_policy=RemovalPolicy.DESTROY,
        )
