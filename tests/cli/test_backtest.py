"""`enigap backtest`: what the settings would have raised."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from enigap.cli.backtest import Past
from enigap.core.counting.window import GRID, Window
from enigap.core.instants import timestamp
from enigap.settings import Settings
from tests.cli.accounts import AT, WINDOW, Account
from tests.cli.conftest import Enigap

pytestmark = pytest.mark.usefixtures("account")

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"
NOW = datetime(2026, 1, 20, 12, 30, tzinfo=UTC)
NEWEST = Window(datetime(2026, 1, 20, 12, 15, tzinfo=UTC))


def test_a_moved_device_would_have_been_told_in_its_second_window(enigap: Enigap, account: Account) -> None:
    ran = enigap("backtest", "--days", "1", "--cluster", "moved", "--at", AT, "--format", "json")
    assert (ran.status, ran.stderr) == (1, "")
    document = ran.document
    assert document["schema"] == "enigap.backtest/1"
    assert (document["windows"], document["end"]) == (96, timestamp(WINDOW.end))
    [cluster] = document["clusters"]
    [raised] = cluster["incidents"]
    moved = account.ids["moved", "g1-moved-device.internal"]
    assert raised["id"] == f"moved/{moved}/os_deficit"
    assert datetime.fromisoformat(raised["opened"]) - datetime.fromisoformat(raised["since"]) == 2 * GRID
    assert (raised["ended"], raised["nodes"][0]["verdict"]) == (None, "os_deficit")
    assert (cluster["messages"], cluster["reminders"]) == (1, 0)
    assert 2 <= cluster["windows_judged"] <= 4


def test_it_is_billed_for_a_fetch_of_seven_hours_and_not_of_a_window(enigap: Enigap) -> None:
    ran = enigap("backtest", "--days", "1", "--cluster", "moved", "--at", AT, "--format", "json")
    assert ran.document["billed_metrics"] == 4 * 2 * 3


def test_people_see_what_it_was_when_and_how_long(enigap: Enigap) -> None:
    ran = enigap("backtest", "--days", "1", "--cluster", "moved", "--cluster", "calm", "--at", AT)
    assert ran.status == 1
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    moved = lines.index(next(line for line in lines if line.startswith("moved: ")))
    assert lines[moved + 1].split() == [
        "told,",
        "UTC",
        "lasted",
        "verdict",
        "node",
        "instance",
        "likely",
        "cause",
    ]
    assert "still open" in lines[moved + 2]
    assert "os_deficit" in lines[moved + 2]
    assert "No incident." in lines
    assert "1 incident, told in 1 message (0 reminders)." in ran.stdout
    assert "no devices were read" in ran.stdout


def test_the_next_step_shows_the_window_that_told_of_it(enigap: Enigap) -> None:
    ran = enigap("backtest", "--days", "1", "--cluster", "moved", "--at", AT)
    step = ran.stdout.splitlines()[-1].removeprefix("Next: enigap ").split()
    explained = enigap(*step, "--format", "json")
    assert (explained.status, explained.document["node"]["verdict"]) == (1, "os_deficit")


def test_other_settings_would_have_raised_other_incidents(enigap: Enigap, tmp_path: Path) -> None:
    patient = tmp_path / "cdk.json"
    patient.write_text(json.dumps({"context": {"enigap": {"confirm_windows": 8}}}))
    ran = enigap("backtest", "--days", "1", "--cluster", "moved", "--at", AT, "--settings", str(patient))
    assert (ran.status, "No incident." in ran.stdout) == (0, True)


def test_with_devices_a_surplus_of_pods_among_themselves_is_no_incident_either(enigap: Enigap) -> None:
    ran = enigap("backtest", "--days", "1", "--cluster", "calm", "--at", AT, "--evidence", "suspects")
    assert ran.status == 0
    assert "no devices were read" not in ran.stdout


def test_where_nothing_could_be_judged_it_could_not_tell(enigap: Enigap) -> None:
    before = timestamp(WINDOW.end - timedelta(hours=6))
    ran = enigap("backtest", "--days", "1", "--cluster", "calm", "--at", before)
    assert ran.status == 2
    assert "0 of 96 windows judged" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cluster", "nowhere"], "There is no cluster 'nowhere'"),
        (["--days", "14", "--at", timestamp(WINDOW.end - timedelta(days=3))], "reaches back too far"),
    ],
)
def test_what_cannot_be_looked_at_is_one_sentence(enigap: Enigap, arguments: list[str], said: str) -> None:
    assert said in enigap("backtest", *arguments).problem


@pytest.mark.parametrize("nodes", [0, 1, 1_000, 100_000])
@pytest.mark.parametrize("confirm", [1, 8])
def test_every_window_is_fetched_once_with_all_it_is_judged_by(nodes: int, confirm: int) -> None:
    past = Past.of(3, NEWEST, Settings(confirm_windows=confirm), NOW)
    portions = list(past.portions(nodes))
    assert [window for windows, _ in portions for window in windows] == list(past.windows)
    assert len(past.windows) == 3 * 96
    fetched = Settings(confirm_windows=confirm).rules().windows_fetched
    for windows, span in portions:
        assert span.start < windows[0].previous(fetched - 1).start
        assert span.end > windows[-1].end
        # 125 nodes a call, a rate a minute and three datapoints a period: one page.
        assert 125 * (span.minutes + 3 * span.periods) <= 100_800
        assert nodes * (span.minutes + 3 * span.periods) < 20_000_000 or len(windows) == 1


def test_two_weeks_are_the_most_that_can_be_looked_at() -> None:
    assert len(Past.of(14, NEWEST, Settings(), NOW).windows) == 14 * 96


def test_a_week_of_a_hundred_nodes_is_billed_as_the_readme_says() -> None:
    billed = 3 * 100 * Past.of(7, NEWEST, Settings(), NOW).fetches(100)
    assert f"a week of 100 nodes is {billed:,} metrics" in COMMANDS.read_text(encoding="utf-8")
