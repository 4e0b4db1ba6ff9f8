"""Timelines, window by window: what a node does, and what must be said about it; everything else is silence.

First what counting explains, whatever it looks like; then what it does not, each with its likely cause. All
of it with the shipped default settings.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from enigap.core.judging.verdict import Cause
from enigap.core.messages import CAUSE_WORDS
from enigap.settings import Settings, VirtualDevices
from tests.fakes.node_simulator import Agent
from tests.fakes.pipeline_ports import window
from tests.fakes.strict_cloudwatch import matching
from tests.reliability.behaviours import (
    PODS,
    a_lot_stays_on_the_node,
    agent_down,
    agent_hangs_for,
    agent_in_a_namespace_of_its_own,
    agent_reads_no_devices,
    agent_up_for_five_minutes,
    bursts_at_the_windows_edges,
    bursts_of_the_node_itself_at_the_windows_edges,
    counter_starts_anew,
    drops_on_receive,
    drops_on_transmit,
    ec2_counts_times,
    ec2_is_silent,
    ec2_publishes_minutes_of_each_period,
    everyday,
    everyday_on_al2023,
    everything_counted_times,
    everything_divided_by,
    kernel_bypass,
    next_to_nothing_happens,
    nic_moved_into_a_pod,
    pods_behind_branch_interfaces,
    pods_on_an_overlay,
    pods_on_devices_of_no_known_class,
    traffic_inside_on_devices_called_like_interfaces,
    traffic_on_a_device_of_no_known_class,
)
from tests.reliability.fleet import Late, worker
from tests.reliability.lives import Behaviour, Misreported
from tests.reliability.world import World

MINUTE = timedelta(minutes=1)


def two_workers() -> World:
    return World(worker("i-1"), worker("i-2"))


# --- what counting explains wakes nobody


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        (everyday, "pod_edge"),
        (a_lot_stays_on_the_node, "node_local"),
        (next_to_nothing_happens, "idle"),
        (pods_on_an_overlay, "pod_edge"),
        (pods_behind_branch_interfaces, "pod_edge"),
        (bursts_at_the_windows_edges, "pod_edge"),
    ],
)
def test_what_counting_explains_is_not_mentioned(behaviour: Behaviour, verdict: str) -> None:
    world = two_workers()
    world.during(3, 6, "i-1", behaviour)
    assert world.tells(windows=10) == {}
    assert world.verdicts("i-1")[4:6] == [verdict, verdict]
    assert {world.published("NodesUnexplained", n) for n in range(10)} == {0}


def test_bursts_that_fall_into_a_window_beside_theirs_are_not_mentioned_though_the_gap_changes_sign() -> None:
    world = two_workers()
    world.during(3, 7, "i-1", bursts_of_the_node_itself_at_the_windows_edges)
    assert world.tells(windows=10) == {}
    assert set(world.verdicts("i-1")[3:8]) <= {"agree", "pod_edge"}
    ratios = [ratio for number in range(3, 8) if (ratio := world.ratio("i-1", number)) is not None]
    assert min(ratios) < 0.9
    assert max(ratios) > 1.1


def test_an_overlay_that_is_introduced_is_named_where_somebody_looks() -> None:
    world = two_workers()
    world.during(3, 20, "i-1", pods_on_an_overlay)
    assert world.tells(windows=8) == {}
    assert "flannel.1" in world.reason(7, "i-1")


TWO_AGENTS = (Agent(asks_at=timedelta(seconds=33)), Agent(asks_at=timedelta(seconds=51)))
EVERY_HALF_MINUTE = (Agent(asks_at=timedelta(seconds=20), interval=timedelta(seconds=30)),)


@pytest.mark.parametrize("agents", [TWO_AGENTS, EVERY_HALF_MINUTE], ids=["two agents", "every 30 s"])
def test_twice_as_many_samples_are_not_twice_the_bytes(agents: tuple[Agent, ...]) -> None:
    world = World(worker("i-1", agents=agents), worker("i-2"))
    world.during(3, 4, "i-1", a_lot_stays_on_the_node)
    assert world.tells(windows=8) == {}
    # The events of two agents cannot be told apart, and prove nothing.
    inside = "unverified" if agents == TWO_AGENTS else "node_local"
    assert world.verdicts("i-1") == ["pod_edge"] * 3 + [inside] * 2 + ["pod_edge"] * 3


@pytest.mark.parametrize("agents", [TWO_AGENTS, EVERY_HALF_MINUTE], ids=["two agents", "every 30 s"])
def test_nor_do_they_hide_a_fault(agents: tuple[Agent, ...]) -> None:
    world = World(worker("i-1", agents=agents), worker("i-2"))
    world.during(3, 5, "i-1", nic_moved_into_a_pod)
    over = 7 if agents == TWO_AGENTS else 10
    assert world.tells(windows=14) == {
        4: ["opened i-1/os_deficit (moved_device)"],
        over: ["resolved i-1/os_deficit (explained_again)"],
    }


@pytest.mark.parametrize("minutes", [2, 6, 11])
def test_a_stale_cadvisor_and_the_average_that_follows_are_not_news(minutes: int) -> None:
    world = two_workers()
    world.during(3, 3, "i-1", agent_hangs_for(minutes * MINUTE))
    assert world.tells(windows=8) == {}


def test_a_pods_device_that_is_made_again_is_not_news() -> None:
    world = two_workers()
    world.during(3, 3, "i-1", counter_starts_anew(PODS[0], 5))
    assert world.tells(windows=8) == {}
    assert set(world.verdicts("i-1")) == {"pod_edge", "agree"}


@pytest.mark.parametrize("minute", [0, 4, 9, 13, 14])
def test_the_first_device_made_again_takes_the_total_away_for_half_an_hour_and_is_not_news(
    minute: int,
) -> None:
    world = two_workers()
    world.during(3, 3, "i-1", counter_starts_anew("eth0", minute))
    assert world.tells(windows=8) == {}
    assert world.verdicts("i-1")[6:] == ["pod_edge", "pod_edge"]


def test_an_agent_that_forgets_an_old_counter_sooner_misses_a_device_for_less_and_is_not_news() -> None:
    """Before 1.300058 it kept the old value for five minutes."""
    world = World(worker("i-1", agents=(Agent(memory=5 * MINUTE),)), worker("i-2"))
    world.during(3, 3, "i-1", counter_starts_anew("eth1", 5))
    assert world.tells(windows=8) == {}
    assert world.verdicts("i-1")[4:] == ["pod_edge"] * 4


@pytest.mark.parametrize("minute", [0, 7, 13, 14])
def test_a_counter_that_wrapped_is_implausible_in_one_window_and_is_not_news(minute: int) -> None:
    """The sample labelled with a window's last minute may cover the beginning of the next one."""
    world = World(worker("i-1", agents=(Agent(wraps=True),)), worker("i-2"))
    world.during(3, 3, "i-1", counter_starts_anew("eth1", minute))
    assert world.tells(windows=8) == {}
    assert world.verdicts("i-1").count("implausible") == 1


def test_a_device_of_no_known_class_is_named_and_nobody_is_woken() -> None:
    world = two_workers()
    world.during(3, 5, "i-1", traffic_on_a_device_of_no_known_class)
    assert world.tells(windows=8) == {}
    assert world.verdicts("i-1")[3:6] == ["unverified"] * 3
    assert "wan0" in world.reason(4, "i-1")
    assert world.published("NodesUnverified", 4) == 1


def test_pods_devices_of_no_known_class_are_named_and_once_they_are_in_the_settings_they_are_known() -> None:
    names = Settings(virtual_devices=VirtualDevices(pod=(r"nk\d+",)))
    unknown, known = two_workers(), World(worker("i-1"), worker("i-2"), settings=names)
    for world in (unknown, known):
        world.during(3, 5, "i-1", pods_on_devices_of_no_known_class)
        assert world.tells(windows=8) == {}
    assert unknown.verdicts("i-1")[3:6] == ["unverified"] * 3
    assert "nk0000000001" in unknown.reason(4, "i-1")
    assert known.verdicts("i-1")[3:6] == ["node_local"] * 3


def test_virtual_devices_called_like_interfaces_are_an_excess_until_the_settings_say_what_they_are() -> None:
    interfaces, pods = r"^eth[01]$", VirtualDevices(pod=(r"eth[78]",))
    taken_for_physical = two_workers()
    named = World(worker("i-1"), worker("i-2"), settings=Settings(physical_devices=interfaces))
    known = World(
        worker("i-1"),
        worker("i-2"),
        settings=Settings(physical_devices=interfaces, virtual_devices=pods),
    )
    for world in (taken_for_physical, named, known):
        world.during(3, 5, "i-1", traffic_inside_on_devices_called_like_interfaces)
    assert taken_for_physical.tells(windows=14) == {
        4: ["opened i-1/os_excess (no likely cause)"],
        9: ["resolved i-1/os_excess (explained_again)"],
    }
    assert named.tells(windows=14) == known.tells(windows=14) == {}
    assert "eth7, eth8" in named.reason(4, "i-1")
    assert known.verdicts("i-1")[3:6] == ["node_local"] * 3


# --- what comes late, or in parts


def test_ec2_datapoints_that_are_incomplete_and_filled_up_later_are_not_judged_early() -> None:
    """For half an hour EC2 lags by a quarter: each run sees three of the last five minutes."""
    world = two_workers()
    world.fleet.late.append(
        Late(
            window(3).start, window(4).end, by=11 * MINUTE, of=frozenset({"eni"}), workers=frozenset({"i-1"})
        )
    )
    assert world.tells(windows=8) == {}
    assert world.verdicts("i-2") == ["pod_edge"] * 8
    assert "partial" not in world.verdicts("i-1")[5:]


def test_ec2_datapoints_that_stay_incomplete_are_not_judged_at_all() -> None:
    world = two_workers()
    world.during(3, 4, "i-1", ec2_publishes_minutes_of_each_period(3))
    assert world.tells(windows=8) == {}
    assert world.verdicts("i-1") == ["pod_edge"] * 3 + ["partial"] * 2 + ["pod_edge"] * 3


@pytest.mark.parametrize("what", ["os", "eni", "events"])
def test_what_arrives_a_window_late_is_not_missing_for_good(what: str) -> None:
    world = two_workers()
    world.during(2, 5, "i-1", nic_moved_into_a_pod)
    world.fleet.late.append(Late(window(4).start, window(4).end, by=20 * MINUTE, of=frozenset({what})))
    assert world.tells(windows=15) == {
        3: ["opened i-1/os_deficit (moved_device)"],
        10: ["resolved i-1/os_deficit (explained_again)"],
    }


def test_data_that_is_late_by_a_window_all_day_is_told_of_as_silence_and_never_as_health() -> None:
    world = two_workers()
    world.during(2, 30, "i-1", nic_moved_into_a_pod)
    world.fleet.late.append(
        Late(window(5).start, window(9).end, 20 * MINUTE, frozenset({"eni"}), frozenset({"i-1"}))
    )
    assert world.tells(windows=10) == {3: ["opened i-1/os_deficit (moved_device)"]}
    assert world.open.keys() == {"i-1/os_deficit"}


def test_a_silent_ec2_is_counted_as_silence_and_neither_opens_nor_ends_anything() -> None:
    world = two_workers()
    world.during(1, 2, "i-1", nic_moved_into_a_pod)
    for instance_id in ("i-1", "i-2"):
        world.during(3, 6, instance_id, ec2_is_silent)
    assert world.tells(windows=10) == {
        2: ["opened i-1/os_deficit (moved_device)"],
        8: ["resolved i-1/os_deficit (explained_again)"],
    }
    assert world.verdicts("i-1")[3:7] == world.verdicts("i-2")[3:7] == ["eni_silent"] * 4
    assert [world.published("NodesSilent", n) for n in (2, 5, 8)] == [0, 2, 0]
    assert [world.published("NodesJudged", n) for n in (2, 5, 8)] == [2, 0, 2]


# --- nodes that come and go


def test_a_node_launched_in_the_middle_of_a_window_is_given_time_and_then_judged() -> None:
    world = World(worker("i-1"), worker("i-2", launched_at=window(3).start + 7 * MINUTE))
    assert world.tells(windows=7) == {}
    assert world.verdicts("i-2") == [
        None,
        None,
        "warming_up",
        "warming_up",
        "pod_edge",
        "pod_edge",
        "pod_edge",
    ]


def test_a_node_that_never_reports_is_named_once_it_has_had_time() -> None:
    new = worker("i-2", otherwise=agent_down, launched_at=window(3).start + 7 * MINUTE)
    world = World(worker("i-1"), new)
    assert world.tells(windows=8) == {5: ["opened i-2/os_silent (agent_down)"]}
    assert world.verdicts("i-2")[3] == "warming_up"


@pytest.mark.parametrize("minute", [0, 1, 7, 14])
def test_a_node_that_is_terminated_is_not_missed(minute: int) -> None:
    world = World(worker("i-1"), worker("i-2", gone_at=window(3).start + minute * MINUTE))
    assert world.tells(windows=7) == {}


def test_an_incident_ends_with_its_node_and_says_so() -> None:
    world = World(worker("i-1"), worker("i-2", gone_at=window(6).start + 7 * MINUTE))
    world.during(2, 9, "i-2", agent_down)
    assert world.tells(windows=8) == {
        3: ["opened i-2/os_silent (agent_down)"],
        5: ["resolved i-2/os_silent (node_gone)"],
    }


def test_incidents_whose_nodes_go_at_once_end_in_one_message() -> None:
    gone_at = window(5).start + 7 * MINUTE
    world = World(
        worker("i-1"), *(worker(f"i-{n}", otherwise=agent_down, gone_at=gone_at) for n in (2, 3, 4))
    )
    told = world.tells(windows=7)
    assert told.keys() == {0, 4}
    assert told[4] == [f"resolved i-{n}/os_silent (node_gone)" for n in (2, 3, 4)]
    assert len(world.topic.published) == 2


def test_a_node_name_that_another_instance_takes_over_joins_nothing() -> None:
    """The log stream is named after the node: for a while it holds the events of both instances."""
    old = worker("i-1", name="ip-10-0-3-7", gone_at=window(3).start + 6 * MINUTE)
    new = worker("i-3", name="ip-10-0-3-7", launched_at=window(3).start + 8 * MINUTE)
    world = World(worker("i-2"), old, new)
    world.during(4, 7, "i-3", a_lot_stays_on_the_node)
    assert world.tells(windows=8) == {}
    assert world.verdicts("i-3")[2:] == ["warming_up"] * 2 + ["node_local"] * 4


def test_an_agent_that_gives_another_instances_id_is_recognised_by_its_log_stream() -> None:
    during = tuple(map(window, range(3, 7)))
    world = World(worker("i-1"), worker("i-2"))
    [reused] = world.fleet.called("i-2")
    reused.life = Misreported(reused.life, during, {"InstanceId": "i-0of-the-image"})
    assert world.tells(windows=9) == {
        4: ["opened i-2/os_silent (reused_name)"],
        8: ["resolved i-2/os_silent (explained_again)"],
    }


def test_an_agent_that_can_no_longer_ask_for_its_instance_id_is_not_called_down() -> None:
    world = World(worker("i-1"), worker("i-2"))
    [blocked] = world.fleet.called("i-2")
    blocked.life = Misreported(blocked.life, tuple(map(window, range(3, 7))), {"InstanceId": ""})
    assert world.tells(windows=9) == {
        4: ["opened i-2/os_silent (no_instance_id)"],
        8: ["resolved i-2/os_silent (explained_again)"],
    }


# --- what counting does not explain is told, with its likely cause

LAST = 5


@pytest.mark.parametrize(
    ("behaviour", "verdict", "cause", "over"),
    [
        (agent_down, "os_silent", "agent_down", 7),
        (agent_reads_no_devices, "os_deficit", "blind_agent", 7),
        (nic_moved_into_a_pod, "os_deficit", "moved_device", 10),
        (kernel_bypass, "os_deficit", "moved_device", 9),
        (drops_on_receive, "os_deficit", "receive_drops", 9),
        (drops_on_transmit, "os_excess", "transmit_drops", 9),
        (ec2_counts_times(1000), "implausible", "ec2_side", 7),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_it_does_not_explain_is_told_in_the_second_window_and_its_end_once_it_is_sure(
    behaviour: Behaviour, verdict: str, cause: str, over: int
) -> None:
    """After two clean windows, or once the devices exclude half of it for an hour."""
    world = two_workers()
    world.during(3, LAST, "i-1", behaviour)
    assert world.tells(windows=15) == {
        4: [f"opened i-1/{verdict} ({cause})"],
        over: [f"resolved i-1/{verdict} (explained_again)"],
    }
    assert set(world.verdicts("i-2")) == {"pod_edge"}


@pytest.mark.parametrize("factor", [5, 8, 60, 300])
def test_a_side_in_another_unit_is_recognised_by_the_factor(factor: int) -> None:
    world = two_workers()
    world.during(3, LAST, "i-1", everything_counted_times(factor))
    world.during(3, LAST, "i-2", everything_divided_by(factor))
    told = world.tells(windows=15)
    assert [line.rpartition(" ")[2] for line in told[4]] == ["(unit_error)"] * 2
    endings = [line for number, lines in told.items() if number > 4 for line in lines]
    assert [line.rpartition(" ")[2] for line in endings] == ["(explained_again)"] * 2


def test_an_agent_in_a_namespace_of_its_own_is_recognised_by_its_only_device() -> None:
    world = World(worker("i-1", otherwise=everyday_on_al2023, devices=("ens5", "ens6")), worker("i-2"))
    world.during(3, LAST, "i-1", agent_in_a_namespace_of_its_own)
    assert world.tells(windows=15) == {
        4: ["opened i-1/os_deficit (wrong_namespace)"],
        10: ["resolved i-1/os_deficit (explained_again)"],
    }


def test_an_interface_whose_counter_started_anew_for_half_an_hour_wakes_nobody() -> None:
    """The agent keeps the old value for up to half an hour, and leaves the interface out until then."""
    world = two_workers()
    world.during(3, 3, "i-1", counter_starts_anew("eth1", 5))
    assert world.tells(windows=8) == {}
    # Its devices are looked at from the second window on, and the first is no deficit with them.
    assert world.verdicts("i-1")[3:5] == ["pod_edge", "os_deficit"]


def test_a_first_device_that_keeps_starting_anew_is_no_dead_agent() -> None:
    """Its total comes and goes with it, and nothing can be judged; the silent window says what it is."""
    world = two_workers()
    world.during(3, 6, "i-1", counter_starts_anew("eth0", *range(0, 60, 5)))
    assert world.tells(windows=9) == {}
    assert world.verdicts("i-1")[3:7] == ["os_silent"] + ["partial"] * 3
    assert "the agent is alive" in world.reason(3, "i-1")


def test_totals_that_do_not_arrive_while_events_do_are_no_dead_agent() -> None:
    world = two_workers()
    [refused] = world.fleet.called("i-2")
    refused.life = Misreported(refused.life, tuple(map(window, range(3, 7))))
    assert world.tells(windows=9) == {
        4: ["opened i-2/os_silent (metric_path)"],
        8: ["resolved i-2/os_silent (explained_again)"],
    }


def test_counters_that_keep_wrapping_are_told_with_the_agents_age_as_cause() -> None:
    world = World(worker("i-1", agents=(Agent(wraps=True),)), worker("i-2"))
    world.during(3, 5, "i-1", counter_starts_anew(PODS[0], 3, 18, 33))
    assert world.tells(windows=8) == {
        4: ["opened i-1/implausible (wrapped_counter)"],
        7: ["resolved i-1/implausible (explained_again)"],
    }


def test_an_agent_that_dies_is_not_taken_for_one_that_is_alive_because_of_what_it_wrote_before() -> None:
    """The last events of the window before are in the fetch; they say nothing about this one."""
    world = two_workers()
    world.during(3, 30, "i-1", agent_down)
    assert world.tells(windows=5) == {4: ["opened i-1/os_silent (agent_down)"]}
    assert "down or blind" in world.reason(3, "i-1")


def test_one_bad_window_is_told_to_nobody() -> None:
    world = two_workers()
    world.during(3, 3, "i-1", nic_moved_into_a_pod)
    world.during(5, 5, "i-1", nic_moved_into_a_pod)
    assert world.tells(windows=8) == {}


def test_a_fault_that_changes_its_face_stays_one_incident() -> None:
    world = two_workers()
    world.during(2, 3, "i-1", nic_moved_into_a_pod)
    world.during(4, 6, "i-1", agent_down)
    assert world.tells(windows=16) == {
        3: ["opened i-1/os_deficit (moved_device)"],
        11: ["resolved i-1/os_deficit (explained_again)"],
    }


def test_two_faults_at_once_are_one_message() -> None:
    world = World(worker("i-1"), worker("i-2"), worker("i-3"))
    world.during(3, 9, "i-1", nic_moved_into_a_pod)
    world.during(3, 9, "i-2", agent_down)
    assert world.tells(windows=8) == {
        4: ["opened i-1/os_deficit (moved_device)", "opened i-2/os_silent (agent_down)"]
    }
    assert len(world.topic.published) == 1


# --- all nodes at once


def test_agents_that_are_all_down_are_one_finding() -> None:
    world = World(worker("i-1"), worker("i-2"), worker("i-3"))
    for instance_id in ("i-1", "i-2", "i-3"):
        world.during(3, 6, instance_id, agent_down)
    assert world.tells(windows=10) == {
        4: ["opened */not_collected (no likely cause)"],
        7: ["resolved */not_collected (collected_again)"],
    }


def test_agents_that_are_back_for_minutes_only_do_not_make_a_cluster_collected_again() -> None:
    world = two_workers()
    for instance_id in ("i-1", "i-2"):
        world.during(3, 6, instance_id, agent_down)
        world.during(7, 7, instance_id, agent_up_for_five_minutes)
        world.during(8, 9, instance_id, agent_down)
    assert world.tells(windows=12) == {
        4: ["opened */not_collected (no likely cause)"],
        10: ["resolved */not_collected (collected_again)"],
    }
    assert world.verdicts("i-1")[7] == "partial"


def test_a_node_that_cannot_be_read_does_not_make_a_cluster_collected_again() -> None:
    """It could be the one that reports, so the cluster has no finding then."""
    world = World(worker("i-1"), worker("i-2"), worker("i-3"))
    for instance_id in ("i-1", "i-2", "i-3"):
        world.during(3, 9, instance_id, agent_down)
    world.at(6, lambda: world.cloudwatch.faults.partial_data(matching(InstanceId="i-1")))
    world.at(7, world.works_again)
    assert world.tells(windows=14) == {
        4: ["opened */not_collected (no likely cause)"],
        10: ["resolved */not_collected (collected_again)"],
    }
    assert world.verdicts("i-1")[6] == "unreadable"


def test_a_migration_to_the_otel_container_insights_is_told_once_and_never_as_health() -> None:
    """It publishes other metrics and writes no such events: the agents of old are gone for good."""
    world = World(worker("i-1"), worker("i-2"))
    world.eks.addon = {
        "addonVersion": "v6.1.0-eksbuild.1",
        "configurationValues": json.dumps(
            {"containerInsights": {"enabled": False}, "otelContainerInsights": {"enabled": True}}
        ),
    }
    for instance_id in ("i-1", "i-2"):
        world.during(3, 300, instance_id, agent_down)
    assert world.tells(windows=20) == {4: ["opened */not_collected (no likely cause)"]}
    [message] = world.topic.published
    email = " ".join(message.by_protocol["email"].split())
    assert "only its OTel successor is on" in email
    assert "aws eks update-addon --cluster-name prod" in email
    assert {world.published("NodesJudged", n) for n in range(4, 20)} == {0}


def test_who_was_in_trouble_before_the_cluster_went_dark_is_in_trouble_after_it() -> None:
    world = World(worker("i-1"), worker("i-2"))
    world.during(1, 2, "i-1", nic_moved_into_a_pod)
    for instance_id in ("i-1", "i-2"):
        world.during(3, 6, instance_id, agent_down)
    world.during(7, 8, "i-1", nic_moved_into_a_pod)
    assert world.tells(windows=18) == {
        2: ["opened i-1/os_deficit (moved_device)"],
        4: ["opened */not_collected (no likely cause)"],
        7: ["resolved */not_collected (collected_again)"],
        13: ["resolved i-1/os_deficit (explained_again)"],
    }


# --- completeness of the hints


def test_every_cause_there_is_has_a_timeline() -> None:
    told_of = {
        *("agent_down", "blind_agent", "moved_device", "receive_drops", "transmit_drops", "ec2_side"),
        *("unit_error", "wrong_namespace", "counter_reset", "wrapped_counter", "reused_name"),
        "no_instance_id",
        "metric_path",
    }
    # Named beside `moved_device`, never alone.
    assert told_of | {"mirrored_traffic"} == {cause.value for cause in Cause} == set(CAUSE_WORDS)
