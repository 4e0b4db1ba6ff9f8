"""Secrets Manager: asked seldom, asked anew when told to, and quoted never."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.secrets import Secret


@pytest.fixture
def client() -> Iterator[Any]:
    """Secrets Manager with a text and a binary secret."""
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name="enigap/slack", SecretString="first")
        client.create_secret(Name="enigap/binary", SecretBinary=b"\x00\xffsecret")
        yield client
        client.close()


def test_a_secret_is_remembered_until_a_fresh_one_is_asked_for(client: Any) -> None:
    secret = Secret(client, "enigap/slack", lambda: 0.0)
    assert secret.text() == "first"
    client.put_secret_value(SecretId="enigap/slack", SecretString="second")
    assert secret.text() == "first"
    assert secret.text(fresh=True) == "second"
    assert secret.text() == "second"


def test_a_secret_is_read_again_after_five_minutes(client: Any) -> None:
    now = 1e9
    secret = Secret(client, "enigap/slack", lambda: now)
    assert secret.text() == "first"
    client.put_secret_value(SecretId="enigap/slack", SecretString="second")
    now += 5 * 60 - 1
    assert secret.text() == "first"
    now += 1
    assert secret.text() == "second"


def test_a_secret_is_found_by_its_arn_as_well(client: Any) -> None:
    arn = client.describe_secret(SecretId="enigap/slack")["ARN"]
    assert Secret(client, arn, lambda: 0.0).text() == "first"


def test_a_secret_that_is_not_there_is_a_sentence(client: Any) -> None:
    with pytest.raises(AwsProblem) as problem:
        Secret(client, "enigap/none", lambda: 0.0).text()
    assert problem.value.kind is ProblemKind.MISSING
    assert "secretsmanager:GetSecretValue in eu-west-1" in str(problem.value)


def test_a_binary_secret_is_refused_without_being_quoted(client: Any) -> None:
    with pytest.raises(AwsProblem, match=r"^The secret enigap/binary is binary: store it as text\.$"):
        Secret(client, "enigap/binary", lambda: 0.0).text()
