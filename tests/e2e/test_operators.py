"""The commands for those who run enigap, against the deployed one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.e2e.conftest import EMAIL
from tests.e2e.deployed import SharedDeployment, eventually


def status_of(deployed: SharedDeployment, cluster: str) -> dict[str, Any]:
    """What `enigap status` says about one cluster."""
    done = deployed.enigap("status", "--format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    [found] = [each for each in json.loads(done.stdout)["clusters"] if each["cluster"] == cluster]
    return dict(found)


def test_status_shows_an_open_incident_and_who_is_told(deployed: SharedDeployment) -> None:
    first, newest = deployed.play("open", node="g1 g1")
    deployed.judge("open", newest)
    [incident] = status_of(deployed, "open")["incidents"]
    assert incident["verdict"] == "os_deficit"
    assert incident["muted_until"] is None
    done = deployed.enigap("status")
    assert (done.returncode, done.stderr) == (1, "")
    since = datetime.fromisoformat(incident["since"])
    assert since <= first.start, "what was played before the first window is compared, too"
    assert f"{incident['id']}: 1 node since {since:%Y-%m-%d %H:%M} UTC" in done.stdout
    assert "never crossed a device the OS sees" in done.stdout
    told = json.loads(deployed.enigap("status", "--format", "json").stdout)["subscriptions"]
    assert {"protocol": "email", "endpoint": EMAIL, "confirmed": True} in told
    assert {each["protocol"] for each in told} == {"email", "sqs"}


def test_a_muted_incident_is_told_when_the_silence_ends(deployed: SharedDeployment) -> None:
    *_, before, newest = deployed.play("muted", node="g1 g1 g1")
    done = deployed.enigap("silence", "muted", "--for", "2h", "--why", "an upgrade")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("muted is muted until ")

    deployed.judge("muted", before)
    assert deployed.news("muted") == []
    [incident] = status_of(deployed, "muted")["incidents"]
    assert incident["muted_until"] is not None
    assert "(an upgrade)" in deployed.enigap("status").stdout

    done = deployed.enigap("silence", "muted", "--for", "0m", "--why", "done")
    assert (done.returncode, done.stdout) == (0, "muted is no longer muted.\n")
    deployed.judge("muted", newest)
    assert deployed.news("muted") == [("opened", "os_deficit")]
    [incident] = status_of(deployed, "muted")["incidents"]
    assert incident["muted_until"] is None


def test_a_test_message_says_so_and_arrives_in_slack(deployed: SharedDeployment) -> None:
    done = deployed.enigap("notify", "--test")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"  email  {EMAIL}\n" in done.stdout
    message = eventually(
        lambda: next(iter(deployed.slack("nothing is wrong")), None), "a test message in Slack"
    )
    assert message.startswith("[TEST] enigap: ")
    assert "This is a test, sent with" in message
    assert [event["test"] for event in deployed.events("test")] == [True]
