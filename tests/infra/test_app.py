"""The app: settings from cdk.json and the command line, and one sentence about wrong ones."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_cdk import App

from enigap.settings import Settings, SettingsError
from infra import app as module
from infra.app import build, settings_for
from infra.asset import PROJECT
from tests.infra.conftest import CONTEXT, functions


def run(directory: Path, context: Mapping[str, Any], **environment: str) -> subprocess.CompletedProcess[str]:
    """The app, as the command line runs it."""
    return subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=PROJECT,
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps({**CONTEXT, **context}), **environment}
        | {"CDK_OUTDIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )


def configured(monkeypatch: pytest.MonkeyPatch, directory: Path, settings: object) -> None:
    """Pretend that this is what cdk.json has."""
    (directory / "cdk.json").write_text(json.dumps({"context": {"enigap": settings}}))
    monkeypatch.setattr(module, "PROJECT", directory)


def test_cdk_json_as_it_is_shipped_has_valid_settings() -> None:
    assert settings_for(App(context=CONTEXT)) == Settings.from_mapping(CONTEXT["enigap"])


def test_the_command_line_is_put_over_cdk_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configured(monkeypatch, tmp_path, {"tolerance": 0.2, "email": ["a@example.com"]})
    app = App(context={"enigap": '{"email": ["b@example.com"], "confirm_windows": 3}'})
    assert settings_for(app) == Settings(tolerance=0.2, email=("b@example.com",), confirm_windows=3)


def test_cdk_json_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configured(monkeypatch, tmp_path, {"tolerance": 0.2})
    assert settings_for(App(context={"enigap": {"tolerance": 0.2}})) == Settings(tolerance=0.2)


def test_what_is_wrong_in_cdk_json_is_not_hidden_by_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configured(monkeypatch, tmp_path, ["email"])
    with pytest.raises(SettingsError, match=r"^enigap: \['email'\] is not allowed"):
        settings_for(App(context={"enigap": '{"tolerance": 0.2}'}))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ('{"tolerence": 0.1}', "'tolerence' is not a setting; did you mean tolerance?"),
        ("{tolerance: 0.1}", "enigap: '{tolerance: 0.1}' is not JSON; it takes a JSON object of settings."),
        (
            '{"email": [], "email": []}',
            "enigap: '{\"email\": [], \"email\": []}' has 'email' twice; it takes a JSON object of settings.",
        ),
        ("[]", "enigap: [] is not allowed; it takes a JSON object of settings."),
    ],
)
def test_a_wrong_setting_is_named(given: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_for(App(context={**CONTEXT, "enigap": given}))
    assert str(caught.value) == sentence


def test_a_wrong_setting_fails_the_synthesis_with_its_sentence_and_no_traceback(tmp_path: Path) -> None:
    result = run(tmp_path, {"enigap": '{"tolerance": 5, "email": "me"}'})
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "tolerance: 5 is not allowed; it takes a number from 0.01 to 0.5.",
        "email: 'me' is not allowed; it takes a list of up to 20 different ones, each an email address.",
    ]


def test_a_wrong_kind_of_credentials_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        build(App(context={"credentials": "mine"}), Settings(), functions())
    assert str(caught.value) == "credentials: 'mine' is not allowed; it takes \"cli\"."


def test_a_bucket_without_the_credentials_that_use_it_is_not_ignored() -> None:
    with pytest.raises(SettingsError, match=r"^bucket: it is for assets of `-c credentials=cli`; give that"):
        build(App(context={"bucket": "own-assets"}), Settings(), functions())


def test_what_is_not_in_the_region_of_the_credentials_fails_the_synthesis(tmp_path: Path) -> None:
    key = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234"
    result = run(tmp_path, {"enigap": json.dumps({"kms_key_arn": key})}, CDK_DEFAULT_REGION="us-east-2")
    assert result.returncode == 1
    assert result.stderr == f"kms_key_arn: {key} is not a key of us-east-2; give one of that region.\n"


@pytest.mark.parametrize(
    "profile",
    [
        "credential_process = /no/such/program",
        "role_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\nmfa_serial = mfa",
    ],
    ids=["a program that is not there", "a code"],
)
def test_looking_for_an_earlier_stack_asks_nobody_and_fails_no_synthesis(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str
) -> None:
    keys = "[profile base]\naws_access_key_id = AKIA\naws_secret_access_key = sesame\n"
    (tmp_path / "config").write_text(f"{keys}[profile ann]\n{profile}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "ann")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("a code was asked for"))
    stack: Any = SimpleNamespace(region="eu-west-1", stack_name="enigap")
    module.warn_of_two([stack], "eu-west-1")


def test_no_feature_flag_is_left_open(tmp_path: Path) -> None:
    """`cdk synth` would end with how many are (aws-cdk's `FlagOperations.filterNeedsAttention`).

    Each has the value that the CDK recommends, unless that would change what is deployed or written.
    """
    assert run(tmp_path, {}).returncode == 0
    artifacts = json.loads((tmp_path / "manifest.json").read_text())["artifacts"]
    flags = artifacts["aws-cdk-lib/feature-flag-report"]["properties"]["flags"]
    unlike = {
        name
        for name, flag in flags.items()
        if flag.get("userValue", flag.get("unconfiguredBehavesLike", {}).get("v2", False))
        != flag["recommendedValue"]
    }
    assert unlike == {
        "@aws-cdk/core:enableAdditionalMetadataCollection",
        "@aws-cdk/core:explicitStackTags",
    }
    assert all(CONTEXT[name] is False for name in unlike)


def test_it_takes_no_credentials_and_aws_finds_nothing_wrong_with_the_templates(tmp_path: Path) -> None:
    """CloudFormation's own validator, which comes with the CDK; its findings are errors (cdk.json)."""
    settings = {"email": ["a@example.com"], "slack": {"webhook_secret": "s"}, "regions": ["eu-west-1"]}
    nobody = {name: "" for name in os.environ if name.startswith("AWS_")}
    result = run(tmp_path, {"enigap": json.dumps(settings)}, CDK_VALIDATION="true", **nobody)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads((tmp_path / "validation-report.json").read_text())["pluginReports"] == []
