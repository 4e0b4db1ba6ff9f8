"""An SQS queue that feeds a function, and its dead-letter queue."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct


class DeadLetterQueue(sqs.Queue):
    """A dead-letter queue. It keeps messages for 14 days, the maximum of SQS."""

    def __init__(self, scope: Construct, construct_id: str, *, fifo: bool | None = None) -> None:
        super().__init__(
            scope,
            construct_id,
            fifo=fifo,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )


class FunctionQueue(Construct):
    """A queue that feeds one function; after `attempts` failures a message is a dead letter."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        visibility_timeout: Duration,
        attempts: int,
        retention: Duration,
        fifo: bool | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = DeadLetterQueue(self, "DeadLetters", fifo=fifo)
        self.queue = sqs.Queue(
            self,
            "Queue",
            fifo=fifo,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=retention,
            visibility_timeout=visibility_timeout,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=attempts),
        )

    def feed(self, function: lambda_.Function, *, batch_size: int, max_concurrency: int) -> None:
        """Invoke the function with batches from the queue; its answer lists the messages that failed."""
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                resources=[self.queue.queue_arn],
            )
        )
        function.add_event_source_mapping(
            "Source",
            event_source_arn=self.queue.queue_arn,
            batch_size=batch_size,
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )
