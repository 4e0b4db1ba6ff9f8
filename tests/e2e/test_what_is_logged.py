"""The functions' log groups, after they did their work and after they could not."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from demo.embedded_aws import ACCOUNT, SECRET_ACCESS_KEY
from demo.receiver import SLACK_PATH
from tests.e2e.conftest import EMAIL
from tests.e2e.deployed import SELF_TESTS, BrokenError, SharedDeployment, eventually


def fail_for_want_of(deployed: SharedDeployment, function: str, action: str) -> None:
    """Until the log says so: of a function that fails the emulator may lose what it wrote last."""

    def said() -> str | None:
        with suppress(BrokenError):
            deployed.call(function, SELF_TESTS[function])
        lines = deployed.log_lines(deployed.functions[function].log_group, since)
        return next((line for line in lines if f"AWS denied {action}" in line), None)

    since = datetime.now(UTC)
    with deployed.not_allowed(function, action):
        eventually(said, f"a log line about {action}")


def test_no_log_line_has_a_secret_an_address_or_an_account(deployed: SharedDeployment) -> None:
    *_, before, newest = deployed.play("logged", node="g1 g1 g1")
    with (
        deployed.not_allowed("reconcile", "sns:Publish"),
        pytest.raises(BrokenError, match="denied sns:Publish"),
    ):
        deployed.judge("logged", before)
    deployed.judge("logged", newest)
    fail_for_want_of(deployed, "plan", "dynamodb:Scan")
    fail_for_want_of(deployed, "reconcile", "dynamodb:GetItem")
    fail_for_want_of(deployed, "slack", "secretsmanager:GetSecretValue")

    lines = {name: deployed.log_lines(each.log_group) for name, each in deployed.functions.items()}
    assert all(lines.values())
    everything = "\n".join(line for those in lines.values() for line in those)
    for secret in (deployed.receiver.url, SLACK_PATH, EMAIL, ACCOUNT, SECRET_ACCESS_KEY):
        assert secret not in everything
