"""`enigap explain`: one node, device by device."""

from datetime import UTC, datetime, timedelta

import pytest

from enigap.cli.figures import minute_of
from enigap.core.counting.window import Window
from enigap.core.judging.verdict import Cause
from enigap.core.messages.words import CAUSE_WORDS, words_for
from tests.cli.accounts import AT, EVIL, WINDOW, Account
from tests.cli.conftest import Enigap

pytestmark = pytest.mark.usefixtures("account")


@pytest.mark.parametrize("name", ["g1-moved-device.internal", "g1-moved-device", None])
def test_a_node_goes_by_its_instance_id_its_name_or_its_name_without_the_domain(
    enigap: Enigap, account: Account, name: str | None
) -> None:
    moved = account.ids["moved", "g1-moved-device.internal"]
    ran = enigap("explain", name or moved, "--at", AT, "--format", "json")
    assert (ran.status, ran.stderr) == (1, "")
    assert ran.document["schema"] == "enigap.explain/1"
    assert ran.document["node"]["instance_id"] == moved
    assert ran.document["node"]["verdict"] == "os_deficit"


def test_the_node_is_the_one_that_check_shows(enigap: Enigap) -> None:
    looked = enigap("check", "--cluster", "calm", "--at", AT, "--evidence", "always", "--format", "json")
    shown = looked.nodes()["b-pod-to-remote.internal"]
    ran = enigap("explain", shown["instance_id"], "--at", AT, "--format", "json")
    assert (ran.status, ran.document["node"]) == (0, shown)
    assert ran.document["window"] == looked.document["window"]


def test_a_name_that_several_nodes_have_is_no_name(enigap: Enigap, account: Account) -> None:
    said = enigap("explain", "twin.internal", "--at", AT).problem
    assert said.startswith(
        "2 running nodes in eu-west-1 are called 'twin.internal': give one by its instance id"
    )
    assert account.ids["calm", "twin.internal"] in said or account.ids["moved", "twin.internal"] in said


@pytest.mark.parametrize("name", ["i-0123456789abcdef0", "nobody", "", "[bold red]good[/]\x1b[31m\nnode"])
def test_a_node_that_is_not_there(enigap: Enigap, name: str) -> None:
    said = enigap("explain", name, "--at", AT).problem
    assert said.startswith(f"There is no running node {name!r} in eu-west-1: ")
    assert said.endswith("or list the nodes with `enigap check --all`.")


@pytest.mark.parametrize("name", ["g1-moved", "G1-Moved-Device", "g1-movd-device"])
def test_a_near_miss_is_answered_with_the_node_that_is_there(enigap: Enigap, name: str) -> None:
    said = enigap("explain", name, "--at", AT).problem
    assert "did you mean g1-moved-device? It may have been terminated since" in said


@pytest.mark.parametrize(
    ("cluster", "name", "status"),
    [
        ("calm", "article.internal", 0),
        ("calm", "f1-idle.internal", 0),
        ("silent", "silent.internal", 1),
        ("wrapped", "wrapped.internal", 1),
        ("half", "c-host-to-remote.internal", 2),
        ("evil", EVIL, 0),
    ],
)
def test_the_exit_status_is_that_of_check(
    enigap: Enigap, account: Account, cluster: str, name: str, status: int
) -> None:
    assert enigap("explain", account.ids[cluster, name], "--at", AT).status == status


def test_people_see_both_sides_and_every_device(enigap: Enigap, account: Account) -> None:
    article = account.ids["calm", "article.internal"]
    lines = enigap("explain", article, "--at", AT).stdout.splitlines()

    assert lines[0].startswith(f"article ({article}) in calm (eu-west-1), ")
    rows = {" ".join(line.split()[:4]) for line in lines}
    assert "OS 1.28 GB/s node_network_total_bytes," in rows
    assert "ENI 837 B/s NetworkIn" in rows
    assert "OS / ENI 1,524,843" in rows
    table = [line.split() for line in lines[lines.index("device          kind      received      sent") :]]
    assert table[1:] == [
        ["eni1a2b3c4d5e6", "virtual", "637", "MB/s", "319", "kB/s"],
        ["eni6e5d4c3b2a1", "virtual", "319", "kB/s", "637", "MB/s"],
        ["eth0", "physical", "519", "B/s", "318", "B/s"],
        [],
        ["physical", "sum", "519", "B/s", "318", "B/s"],
        ["ENIs", "(EC2)", "sum", "519", "B/s", "318", "B/s"],
    ]


def test_since_when_it_is_so_and_what_it_was_before_is_said(enigap: Enigap) -> None:
    said = " ".join(enigap("explain", "g1-moved-device", "--at", AT).stdout.split())
    began = WINDOW.end - timedelta(minutes=50)  # the account was played from then on
    said_of_began = minute_of(began, WINDOW)  # with the day, where that is not the window's
    assert f" Since {said_of_began} UTC, for 50 min; before that it was " in said


def test_devices_that_prove_nothing_are_shown_and_the_reason_is_given(
    enigap: Enigap, account: Account
) -> None:
    ran = enigap("explain", account.ids["evil", EVIL], "--at", AT)
    text = " ".join(ran.stdout.split())
    assert "\x1b" not in ran.stdout
    assert "evil (i-" in text
    assert r"[b]<i>&{x} unknown " in text
    assert r"Not used as evidence: none of its devices ([b]<i>&{x}, eni" in text


def test_a_silent_node_has_dashes_and_no_devices(enigap: Enigap, account: Account) -> None:
    ran = enigap("explain", account.ids["silent", "silent.internal"], "--at", AT)
    rows = [" ".join(line.split()) for line in ran.stdout.splitlines()]
    assert "OS - node_network_total_bytes, all devices, in plus out" in rows
    assert "OS / ENI -" in rows
    assert any(row.startswith("No device events to show: ") for row in rows)


def test_a_node_of_a_cluster_that_reports_nothing_at_all_is_not_blamed_for_it(
    enigap: Enigap, account: Account
) -> None:
    node = account.ids["uncollected", "c-host-to-remote.internal"]
    looked = enigap("check", "--cluster", "uncollected", "--at", AT, "--format", "json")
    ran = enigap("explain", node, "--at", AT, "--format", "json")
    assert (ran.status, looked.status) == (2, 2)
    [cluster] = looked.document["clusters"]
    assert (ran.document["finding"], ran.document["finding_reason"]) == (
        "not_collected",
        cluster["finding_reason"],
    )
    said = " ".join(enigap("explain", node, "--at", AT).stdout.split())
    assert "not_collected (unknown): No node of uncollected has published" in said
    assert "unexplained" not in said


def test_it_says_what_the_alert_says_and_what_to_do(enigap: Enigap) -> None:
    said = " ".join(enigap("explain", "g1-moved-device", "--at", AT).stdout.split())
    node = enigap("explain", "g1-moved-device", "--at", AT, "--format", "json").document["node"]
    words = words_for(node["verdict"], node["cause"], node["alternative_cause"])
    assert words is not None
    assert CAUSE_WORDS[Cause.MOVED_DEVICE].likely in words.likely
    assert f"Likely: {words.likely}." in said
    assert said.endswith(f"Next: {words.next_step}")
    assert said.count("never crossed a device the OS sees") == 1


def test_what_cannot_be_known_has_no_line(enigap: Enigap, account: Account) -> None:
    said = enigap("explain", account.ids["silent", "silent.internal"], "--at", AT).stdout
    assert "at least" not in said


@pytest.mark.parametrize(
    ("window_ends", "said"), [("2026-03-01T00:00", "2026-02-28 23:10"), ("2026-02-28T23:45", "23:10")]
)
def test_a_time_of_another_day_than_the_end_of_the_window_is_said_with_its_day(
    window_ends: str, said: str
) -> None:
    window = Window(datetime.fromisoformat(f"{window_ends}+00:00"))
    assert minute_of(datetime(2026, 2, 28, 23, 10, tzinfo=UTC), window) == said
