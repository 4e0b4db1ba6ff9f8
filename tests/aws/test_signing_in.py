"""What the SDK's providers let through, or take that is of no use, is one sentence with the right remedy."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem
from enigap.core.instants import timestamp

ROLE = "arn:aws:iam::111122223333:role/looker"
PROFILES = f"""
[default]
[profile halved]
aws_access_key_id = AKIAEXAMPLE
[profile sourceless]
role_arn = {ROLE}
[profile of-a-task]
role_arn = {ROLE}
credential_source = EcsContainer
[profile of-an-instance]
role_arn = {ROLE}
credential_source = Ec2InstanceMetadata
[profile base]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = sesame
[profile short]
role_arn = looker
source_profile = base
"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "sesame"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").write_text(PROFILES)
    (tmp_path / "token").write_text("")
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-south-2")
    return tmp_path


def said(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AwsProblem) as raised:
        Aws().sign_in()
    assert "sesame" not in str(raised.value)
    return str(raised.value)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("variables", "what", "remedy"),
    [
        ({"AWS_PROFILE": "halved"}, "aws_secret_access_key is missing", "set it"),
        ({"AWS_PROFILE": "sourceless"}, "source_profile or credential_source is missing", "set it"),
        ({"AWS_PROFILE": "of-a-task"}, "could not be got", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        ({"AWS_PROFILE": "of-an-instance"}, "could not be got", "check that this is an instance with a role"),
        ({"AWS_PROFILE": "short"}, "for parameter RoleArn", "correct it in the profile or the environment"),
        (
            {**KEYS, "AWS_ACCESS_KEY_ID": "AKIA\n"},
            "access key is empty, or has characters",
            "check the profile",
        ),
        (
            {**KEYS, "AWS_ACCESS_KEY_ID": "“AKIA”"},
            "access key is empty, or has characters",
            "check the profile",
        ),
        ({**KEYS, "AWS_SESSION_TOKEN": "a\nb"}, "session token is empty, or has characters", "check the"),
        (
            {**KEYS, "AWS_SESSION_TOKEN": "t", "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"},
            "have expired already",
            "and check this machine's clock.",
        ),
        (
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:x/role"},
            "could not be got",
            "check AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        (
            {"AWS_EC2_METADATA_DISABLED": "false", "AWS_METADATA_SERVICE_TIMEOUT": "soon"},
            "could not be got",
            "AWS_METADATA_SERVICE_TIMEOUT",
        ),
    ],
)
def test_each_way_to_sign_in_has_its_own_remedy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], what: str, remedy: str
) -> None:
    found = said(monkeypatch, variables)
    assert what in found
    assert remedy in found.partition(what)[2]


def test_an_empty_token_file_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token"), "AWS_ROLE_ARN": ROLE}
    assert "check the token file that AWS_WEB_IDENTITY_TOKEN_FILE" in said(monkeypatch, token)


@pytest.mark.parametrize(
    ("prints", "what"),
    [
        ({"AccessKeyId": 1, "SecretAccessKey": "sesame"}, "access key is empty, or has characters"),
        ({"AccessKeyId": "AKIA", "SecretAccessKey": None}, "secret key is empty, or has characters"),
        (
            {
                "AccessKeyId": "AKIA",
                "SecretAccessKey": "sesame",
                "SessionToken": "t",
                "Expiration": "2020-01-01T00:00:00Z",
            },
            "have expired already",
        ),
    ],
)
def test_what_a_program_prints_that_is_no_key_is_told_before_a_call_is_made(
    home: Path, monkeypatch: pytest.MonkeyPatch, prints: dict[str, object], what: str
) -> None:
    (home / "helper.py").write_text(f"print({json.dumps({'Version': 1, **prints})!r})")
    (home / "config").write_text(f"[default]\ncredential_process = {sys.executable} {home}/helper.py\n")
    found = said(monkeypatch, {})
    assert what in found
    assert "run the profile's credential_process by hand" in found


@pytest.mark.parametrize(
    ("then", "what"),
    [
        ("print('please log in')", "could not be got (JSONDecodeError)"),
        ("raise SystemExit(1)", "could not be got (CredentialRetrievalError)"),
        ("print(json.dumps({**keys, 'Expiration': '2020-01-01T00:00:00Z'}))", "have expired already"),
    ],
)
def test_credentials_that_end_in_a_long_run_are_told_as_at_its_beginning(
    home: Path, monkeypatch: pytest.MonkeyPatch, then: str, what: str
) -> None:
    soon = timestamp(datetime.now(UTC) + timedelta(minutes=5))  # so soon that each call gets new ones
    (home / "helper.py").write_text(
        "import json\n"
        f"keys = {{'Version': 1, 'AccessKeyId': 'AKIA', 'SecretAccessKey': 's', 'Expiration': {soon!r}}}\n"
        "keys['SessionToken'] = 't'\n"
        f"runs = open({str(home / 'runs')!r}, 'a+')\nruns.write('.')\n"
        f"if runs.tell() <= 2: print(json.dumps(keys))\nelse: {then}\n"
    )
    (home / "config").write_text(f"[default]\ncredential_process = {sys.executable} {home}/helper.py\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    aws = Aws()
    aws.sign_in()
    with pytest.raises(AwsProblem, match=re.escape(what)) as raised:
        aws.caller()
    assert "run the profile's credential_process by hand" in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "text", "where"),
    [
        ("AWS_CONFIG_FILE", b"[default]\nregion = eu-south-2\n[default]\n", " (line 3) cannot"),
        ("AWS_CONFIG_FILE", b"region = eu-south-2\n", " (line 1) cannot"),
        ("AWS_CONFIG_FILE", "[default]\n".encode("utf-16"), " (it is not in UTF-8) cannot"),
        ("AWS_SHARED_CREDENTIALS_FILE", b"aws_secret_access_key = sesame\n", " (line 1) cannot"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_place_and_its_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: bytes, where: str
) -> None:
    (home / "broken").write_bytes(text)
    found = said(monkeypatch, {variable: str(home / "broken")})
    assert where in found
    assert found.endswith(f"point {variable} elsewhere.")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "name", ["us-east-1a", "EU-WEST-1", "Ireland", "eu-west-1 ", "eu-west", "aws-global", "é"]
)
def test_what_has_no_regions_form_is_asked_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert (
        said(monkeypatch, {"AWS_REGION": name}) == f"{name!r} is no AWS region: give one such as eu-west-1."
    )


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:port", "ftp://127.0.0.1", "127.0.0.1:4566"])
def test_an_endpoint_that_cannot_be_called_is_named(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(AwsProblem, match="The endpoint set for sqs is no URL: set AWS_ENDPOINT_URL"):
        Aws().client("sqs")
