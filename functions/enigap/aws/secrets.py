"""The text of a secret in Secrets Manager.

Powertools' Parameters keeps it for some minutes, so that a burst of messages asks for it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from enigap.aws.errors import AwsProblem, ProblemKind, problem_of, region_of
from enigap.aws.iam import Statement

ACTIONS: Final = (Statement(("secretsmanager:GetSecretValue",)),)

MAX_AGE_SECONDS: Final = 300


class SecretsManager(Protocol):
    """What is needed of the Secrets Manager client."""

    def get_secret_value(self, *, SecretId: str) -> Mapping[str, Any]: ...  # noqa: N803 - AWS's name


class Secret:
    """One secret, by name or ARN."""

    def __init__(self, client: SecretsManager, name: str) -> None:
        self.client, self.name = client, name
        self._provider = SecretsProvider(boto3_client=client)

    def text(self, *, fresh: bool = False) -> str:
        """The secret's text, at most five minutes old; as it is now if `fresh`. Raises AwsProblem."""
        try:
            value = self._provider.get(self.name, max_age=MAX_AGE_SECONDS, force_fetch=fresh)
        except GetParameterError as error:
            # What Powertools wraps is the SDK's own error. Not chained: it may carry what must not be shown.
            cause = error.__context__ if isinstance(error.__context__, Exception) else error
            raise problem_of(cause, "secretsmanager:GetSecretValue", region_of(self.client)) from None
        if not isinstance(value, str):
            raise AwsProblem(ProblemKind.REFUSED, f"The secret {self.name} is binary", "store it as text")
        return value
