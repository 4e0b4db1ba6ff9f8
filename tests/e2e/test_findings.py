"""What the deployed reconciler tells about, once, and what it never does."""

from __future__ import annotations

import pytest

from enigap.core.instants import timestamp
from tests.e2e.deployed import SETTLE, WITHOUT_INSIGHTS, SharedDeployment


def test_the_articles_node_and_a_healthy_fleet_never_notify(deployed: SharedDeployment) -> None:
    fleet = {key: " ".join([key] * 3) for key in ("article", "a", "c", "e", "f1", "j1", "m")}
    windows = deployed.play("healthy", **fleet)
    for window in windows:
        line = deployed.judge("healthy", window)
        assert (line["outcome"], line["nodes"]) == ("judged", len(fleet))
        at = window.end + SETTLE
        assert deployed.published("NodesJudged", "healthy", at) == len(fleet)
        assert deployed.published("NodesUnexplained", "healthy", at) == 0
    assert deployed.news("healthy") == []


def test_a_moved_device_is_told_once_and_once_when_it_is_over(deployed: SharedDeployment) -> None:
    before, first, second, *better, over = deployed.play(
        "moved", node="c g1 g1 c c c c", twin="b b b b b b b"
    )
    opened = [("opened", "os_deficit")]
    for window, told in (
        (before, []),
        (first, []),
        (second, opened),
        *((window, opened) for window in better),
        (over, [*opened, ("resolved", "os_deficit")]),
    ):
        deployed.judge("moved", window)
        assert deployed.news("moved") == told, timestamp(window.end)
    [opening, _] = deployed.events("moved")
    [incident] = opening["incidents"]
    assert incident["cause"] == "moved_device"
    assert incident["since"] == timestamp(first.start)
    assert [node["node_name"] for node in incident["nodes"]] == ["node.moved"]


def test_a_named_cluster_without_container_insights_is_one_finding(deployed: SharedDeployment) -> None:
    windows = deployed.play_without_insights(WITHOUT_INSIGHTS, one="c c c", other="b b b")
    deployed.forget_state(WITHOUT_INSIGHTS)
    deployed.forget_told(WITHOUT_INSIGHTS)
    deployed.judge(WITHOUT_INSIGHTS, *windows)
    assert deployed.news(WITHOUT_INSIGHTS) == [("opened", "not_collected")]
    [event] = deployed.events(WITHOUT_INSIGHTS)
    assert event["incidents"][0]["id"] == f"{WITHOUT_INSIGHTS}/*/not_collected"


def test_the_same_work_item_twice_tells_nothing_twice(deployed: SharedDeployment) -> None:
    *_, newest = deployed.play("twice", node="g1 g1")
    assert deployed.judge("twice", newest)["outcome"] == "judged"
    state = deployed.state("twice")
    assert deployed.judge("twice", newest)["outcome"] == "already_done"
    assert deployed.news("twice") == [("opened", "os_deficit")]
    assert deployed.state("twice") == state


def test_an_older_window_publishes_its_metrics_and_changes_nothing_else(deployed: SharedDeployment) -> None:
    older, newest = deployed.play("late", node="g1 g1")
    deployed.judge("late", newest)
    state, at = deployed.state("late"), older.end + SETTLE
    assert deployed.published("NodesUnexplained", "late", at) is None
    assert deployed.judge("late", older)["outcome"] == "older"
    assert deployed.published("NodesUnexplained", "late", at) == 1
    assert deployed.news("late") == [("opened", "os_deficit")]
    assert deployed.state("late") == state


@pytest.mark.parametrize("order", ["newest first", "oldest first"])
def test_in_whatever_order_windows_come_people_are_told_once(deployed: SharedDeployment, order: str) -> None:
    cluster = order.replace(" ", "-")
    windows = deployed.play(cluster, node="g1 g1 g1")
    in_order = windows if order == "oldest first" else tuple(reversed(windows))
    deployed.judge(cluster, *in_order, *in_order)
    assert deployed.news(cluster) == [("opened", "os_deficit")]
    assert deployed.state(cluster)["done"] == {"S": timestamp(windows[-1].end)}
