"""Reads a secret in Secrets Manager and caches it for some minutes, for bursts of messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from enigap.aws.errors import AwsProblem, ProblemKind, calling
from enigap.aws.iam import Statement
from enigap.core.strict import text

ACTIONS: Final = (Statement(("secretsmanager:GetSecretValue",)),)

MAX_AGE_SECONDS: Final = 300


class SecretsManager(Protocol):
    """The part of boto3's Secrets Manager client that is used here."""

    def get_secret_value(self, *, SecretId: str) -> Mapping[str, Any]: ...  # noqa: N803 - AWS's name


class Secret:
    """A cached secret, by name or ARN. `clock` returns seconds."""

    def __init__(self, client: SecretsManager, name: str, clock: Callable[[], float]) -> None:
        self._client, self._name, self._clock = client, name, clock
        self._text, self._read_at = "", float("-inf")

    def text(self, *, fresh: bool = False) -> str:
        """The secret's text, at most five minutes old; read anew if `fresh`. Raises AwsProblem."""
        now = self._clock()
        if fresh or now - self._read_at >= MAX_AGE_SECONDS:
            self._text, self._read_at = self._read(), now
        return self._text

    def _read(self) -> str:
        with calling("secretsmanager:GetSecretValue", self._client):
            answer = self._client.get_secret_value(SecretId=self._name)
            if "SecretBinary" in answer:
                raise AwsProblem(
                    ProblemKind.REFUSED, f"The secret {self._name} is binary", "store it as text"
                )
            return text(answer["SecretString"])
