"""The self-test at the end of a deployment: a function that fails makes the deployment fail.

`enigap.lambdas.self_test` says when it does not.
"""

import hashlib
import json
from collections.abc import Mapping

from aws_cdk import Aws, CustomResource, Duration
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from enigap.lambdas import self_test
from enigap.settings import Settings
from infra import permissions
from infra.function import Function


class SelfTest(Construct):
    """A custom resource that invokes each function in `calls` with its event.

    CloudFormation updates it, and so invokes them again, when the code or the settings change.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: lambda_.Code,
        code_version: str,
        calls: Mapping[Function, Mapping[str, object]],
    ) -> None:
        super().__init__(scope, construct_id)
        self.tester = Function(
            self,
            "Tester",
            code=code,
            handler="enigap.lambdas.self_test.handler",
            description="Calls the other functions once at the end of a deployment, which fails if one does",
            settings=settings,
            timeout=Duration.minutes(4),
            memory_mib=256,
            statements=permissions.of_self_test(),
            own={
                "lambda": [each.function.function_arn for each in calls],
                "cloudformation": [Aws.STACK_ID],
            },
        )
        given = settings.to_mapping()
        test = CustomResource(
            self,
            "Test",
            resource_type="Custom::SelfTest",
            service_token=self.tester.function.function_arn,
            service_timeout=Duration.minutes(5),
            properties={
                self_test.CALLS: [
                    {self_test.FUNCTION: each.function.function_name, self_test.EVENT: json.dumps(event)}
                    for each, event in calls.items()
                ],
                "CodeVersion": code_version,
                # The event may be logged for debugging, so it has no address in it.
                "Settings": hashlib.sha256(json.dumps(given).encode()).hexdigest(),
                self_test.OUTSIDE: json.dumps(
                    {name: given[name] for name in self_test.NAME_THE_OUTSIDE if name in given}
                ),
            },
        )
        test.node.add_dependency(self.tester, *calls)
        self.warnings = test.get_att_string(self_test.WARNINGS)
        """What the settings ask for and the planner did not find."""
