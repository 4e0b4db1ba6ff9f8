"""What is remembered of each cluster: one small item, with the incidents that are open."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from enigap.aws.state_table import EXPIRES_AT, KEY


class StateTable(Construct):
    """The table, encrypted by DynamoDB with its own key like every table."""

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
            # It goes with the stack: an enigap deployed anew finds out by itself what is unexplained, and a
            # table kept would belong to nothing. Until 35 days later DynamoDB has a backup, as of every
            # table with recovery.
            removal_policy=RemovalPolicy.DESTROY,
        )
