"""Timelines, window by window: what fails around enigap while a node is in trouble, and what must be said.

Silence never resolves anything, and failure never looks like health: whatever AWS does, an open incident ends
only when its node is explained or gone, people hear of it once, and what could not be read is counted so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from enigap.core.counting.window import Window
from enigap.core.incidents.state import ConflictError, StateUnreadableError
from enigap.core.work import WorkItem
from enigap.pipeline import NotSettledError, Outcome
from enigap.slack_webhook import Answer, Channel, NotDeliveredError, deliver_all
from tests.fakes.pipeline_ports import CLUSTER, window
from tests.fakes.strict_cloudwatch import ALWAYS, client_of, matching
from tests.reliability.behaviours import (
    a_lot_stays_on_the_node,
    agent_down,
    drops_on_transmit,
    nic_moved_into_a_pod,
)
from tests.reliability.fleet import plain_worker, worker
from tests.reliability.lives import HEALTHY, Rates
from tests.reliability.services import ACCOUNT, REGION, refusal
from tests.reliability.world import World

OPENED = "opened i-1/os_deficit (moved_device)"
RESOLVED = "resolved i-1/os_deficit (explained_again)"
CANNOT_SEE = "opened */unreadable (no likely cause)"
CAN_SEE = "resolved */unreadable (readable_again)"


def in_trouble(last: int = 30) -> World:
    """Two nodes, the first of which has an interface moved into a pod, from window 2 to this one."""
    world = World(worker("i-1"), worker("i-2"))
    world.during(2, last, "i-1", nic_moved_into_a_pod)
    return world


def item(number: int, cluster: str = CLUSTER) -> WorkItem:
    return WorkItem(ACCOUNT, REGION, cluster, window(number))


# --- CloudWatch


def throttles(world: World) -> None:
    world.cloudwatch.faults.throttle("GetMetricData", times=ALWAYS)


def resets_connections(world: World) -> None:
    world.cloudwatch.faults.connection_reset("GetMetricData", times=ALWAYS)


def fails(world: World) -> None:
    world.cloudwatch.faults.server_error("GetMetricData", 503, times=ALWAYS)


def denies(world: World) -> None:
    world.cloudwatch.faults.access_denied("GetMetricData", times=ALWAYS)


def takes_the_credentials_for_expired(world: World) -> None:
    world.cloudwatch.faults.refuse("GetMetricData", "ExpiredToken", "expired", times=ALWAYS)


def does_not_list(world: World) -> None:
    """Nor for the planner, which plans the clusters it knows."""
    world.cloudwatch.faults.access_denied("ListMetrics", times=ALWAYS)


def has_no_instances_to_show(world: World) -> None:
    world.ec2.denied.add("DescribeInstances")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (throttles, "AWS throttled cloudwatch:GetMetricData"),
        (resets_connections, "AWS did not answer cloudwatch:GetMetricData"),
        (fails, "AWS failed at cloudwatch:GetMetricData"),
        (denies, "allow cloudwatch:GetMetricData"),
        (takes_the_credentials_for_expired, "The AWS credentials expired"),
        (does_not_list, "allow cloudwatch:ListMetrics"),
        (has_no_instances_to_show, "allow ec2:DescribeInstances"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_cloudwatch_that_does_not_answer_is_one_notice_and_ends_nothing(
    what: Callable[[World], None], sentence: str
) -> None:
    world = in_trouble(last=5)
    world.at(5, lambda: what(world))
    world.at(9, world.works_again)
    assert world.tells(windows=11) == {3: [OPENED], 6: [CANNOT_SEE], 9: [CAN_SEE], 10: [RESOLVED]}
    assert sentence in " ".join(world.topic.published[1].by_protocol["email"].split())


@pytest.mark.parametrize("what", [does_not_list, has_no_instances_to_show])
def test_a_healthy_cluster_whose_nodes_cannot_be_listed_any_more_is_not_forgotten(
    what: Callable[[World], None],
) -> None:
    """Neither has the planner a list any more: nothing but what it remembers says that there is a cluster."""
    world = World(worker("i-1"), worker("i-2"))
    world.at(2, lambda: what(world))
    world.at(8, world.works_again)
    assert world.tells(windows=10) == {3: [CANNOT_SEE], 8: [CAN_SEE]}
    assert [world.published("NodesUnreadable", n) for n in (1, 2, 7, 8)] == [0, 1, 1, 0]
    assert [message.event["incidents"][0]["node_count"] for message in world.topic.published] == [2, 2]
    assert len(world.problems) == 3 * 6, "each of the planner's attempts failed, and is counted as failed"


def test_what_could_not_be_read_is_counted_as_that_and_as_nothing_else() -> None:
    """A dashboard that shows no unexplained node tells health from blindness."""
    healthy, blind = World(worker("i-1"), worker("i-2")), World(worker("i-1"), worker("i-2"))
    blind.at(0, lambda: throttles(blind))
    for world in (healthy, blind):
        world.tells(windows=2)
    names = ("NodesJudged", "NodesUnexplained", "NodesUnreadable", "OsBytesPerSecond")
    assert [healthy.published(name, 1) is not None for name in names] == [True] * 4
    assert [healthy.published(name, 1) for name in names[:3]] == [2, 0, 0]
    assert [blind.published(name, 1) for name in names] == [0, 0, 2, None]
    assert (healthy.told, blind.told) == ({}, {1: [CANNOT_SEE]})


def judged_and_unreadable(world: World, number: int) -> tuple[float | None, float | None]:
    return world.published("NodesJudged", number), world.published("NodesUnreadable", number)


def test_a_part_of_the_cluster_that_was_throttled_is_unreadable_and_the_rest_is_judged() -> None:
    """130 nodes are two calls, made side by side; one of them is refused."""
    world = World(*(plain_worker(f"i-{number:03}") for number in range(130)))
    world.at(1, lambda: world.cloudwatch.faults.throttle("GetMetricData"))
    assert world.tells(windows=3) == {}
    assert judged_and_unreadable(world, 0) == judged_and_unreadable(world, 2) == (130, 0)
    assert judged_and_unreadable(world, 1) in [(125, 5), (5, 125)]


def says_partial_data(world: World) -> None:
    world.cloudwatch.faults.partial_data(matching(InstanceId="i-1"))


def says_internal_error(world: World) -> None:
    world.cloudwatch.faults.internal_error(matching(InstanceId="i-1"))


def says_forbidden(world: World) -> None:
    world.cloudwatch.faults.forbidden(matching(InstanceId="i-1"))


def leaves_an_answer_out(world: World) -> None:
    world.cloudwatch.faults.missing_id(matching(name="NetworkOut", InstanceId="i-1"))


@pytest.mark.parametrize(
    "what", [says_partial_data, says_internal_error, says_forbidden, leaves_an_answer_out]
)
def test_an_answer_that_says_it_is_not_whole_makes_its_node_unreadable_and_no_other(
    what: Callable[[World], None],
) -> None:
    world = in_trouble(last=5)
    world.at(5, lambda: what(world))
    world.at(9, world.works_again)
    assert world.tells(windows=11) == {3: [OPENED], 10: [RESOLVED]}
    assert world.verdicts("i-1")[5:10] == ["unreadable"] * 4 + ["pod_edge"]
    assert set(world.verdicts("i-2")) == {"pod_edge"}
    assert world.published("NodesUnreadable", 7) == 1


def test_an_internal_error_that_is_gone_when_asked_again_is_none() -> None:
    world = in_trouble(last=5)
    world.at(7, lambda: world.cloudwatch.faults.internal_error(times=1))
    assert world.tells(windows=11) == {3: [OPENED], 10: [RESOLVED]}


def test_no_datapoint_with_a_remark_is_no_silence() -> None:
    """Nothing is published about i-1, and CloudWatch remarks on the call that it may be at fault itself."""
    world = World(worker("i-1"), worker("i-2"))
    world.during(1, 30, "i-1", agent_down)
    remark = "MaxMetricsExceeded", "not everything could be looked at"
    world.at(4, lambda: world.cloudwatch.faults.global_message(*remark, times=ALWAYS))
    assert world.tells(windows=8) == {2: ["opened i-1/os_silent (agent_down)"]}
    assert world.verdicts("i-1")[4:] == ["unreadable"] * 4
    assert set(world.verdicts("i-2")) == {"pod_edge"}


def test_an_outage_of_all_of_cloudwatch_is_one_notice_and_ends_nothing() -> None:
    """What is told does not hang on whether CloudWatch takes metrics."""
    world = in_trouble(last=9)
    world.at(4, lambda: world.cloudwatch.faults.connection_reset(times=ALWAYS))
    world.at(7, world.works_again)
    assert world.tells(windows=15) == {
        3: [OPENED],
        5: ["opened */unreadable (no likely cause)"],
        7: ["resolved */unreadable (readable_again)"],
        14: [RESOLVED],
    }
    assert world.state.done == window(14)


def test_without_the_logs_nothing_that_hangs_on_evidence_is_over() -> None:
    world = World(worker("i-1"), worker("i-2"))
    world.during(2, 30, "i-1", drops_on_transmit)
    world.during(2, 30, "i-2", a_lot_stays_on_the_node)
    denied = refusal("AccessDeniedException", "FilterLogEvents", "no", 403)
    world.at(5, world.fail("logs.filter_log_events", denied))
    assert world.tells(windows=10) == {3: ["opened i-1/os_excess (transmit_drops)"]}
    assert world.verdicts("i-1")[5:] == world.verdicts("i-2")[5:] == ["unverified"] * 5
    assert "logs:FilterLogEvents" in world.reason(9, "i-1")


# --- nobody can be told


SNS_IS_DOWN: Exception = EndpointConnectionError(endpoint_url="https://sns.eu-west-1.amazonaws.com")
SNS_TROUBLE: dict[str, Exception] = {
    "down": SNS_IS_DOWN,
    "throttled": refusal("Throttled", "Publish", "Rate exceeded", 429),
    "denied": refusal("AuthorizationError", "Publish", "not authorized", 403),
    "without its key": refusal("KMSDisabled", "Publish", "the key is disabled"),
}


def _ignore(_: object) -> None:
    """For what is done for its effect."""


@pytest.mark.parametrize("why", SNS_TROUBLE.values(), ids=SNS_TROUBLE)
def test_what_could_not_be_said_is_said_once_it_can_be(why: Exception) -> None:
    """Until then no run that has something to say is a success: each of them is a dead letter."""
    world = in_trouble(last=7)
    world.at(3, world.fail("sns.publish", why))
    world.at(6, world.works_again)
    assert world.tells(windows=13) == {6: [OPENED], 12: [RESOLVED]}
    assert [WorkItem.from_json(each.body) for each in world.queue.dead_letters] == [item(3), item(4)]
    assert len(world.done) == 13 - 2


def test_what_came_and_went_unheard_is_told_as_over() -> None:
    world = in_trouble(last=4)
    world.at(3, world.fail("sns.publish", SNS_IS_DOWN))
    world.at(12, world.works_again)
    assert world.tells(windows=14) == {12: [RESOLVED]}
    assert world.audience.repeats == 0


def test_what_is_left_to_say_of_a_cluster_that_is_deleted_meanwhile_is_said_hours_later() -> None:
    """Nothing lists it by then: it is planned for as long as something is unsaid."""
    gone_at = window(6).start + timedelta(minutes=5)
    world = World(*(worker(f"i-{n}", gone_at=gone_at) for n in (1, 2)))
    world.during(2, 30, "i-1", nic_moved_into_a_pod)
    world.at(4, world.fail("sns.publish", SNS_IS_DOWN))
    world.at(24, world.works_again)
    assert world.tells(windows=27) == {3: [OPENED], 24: ["resolved i-1/os_deficit (node_gone)"]}
    assert (world.state.outbox, world.state.nodes) == ((), 0)


def test_a_message_that_sns_took_and_whose_answer_got_lost_is_said_twice_at_most() -> None:
    world = in_trouble()
    lost = world.process.kill_at_call("after sns.publish")
    world.at(3, lost)
    told = world.tells(windows=9)
    assert [line for lines in told.values() for line in lines] == [OPENED, OPENED]
    assert (world.audience.repeats, world.kills) == (1, 1)


# --- nothing can be written down


@pytest.mark.parametrize("call", ["dynamodb.put_item", "dynamodb.get_item", "cloudwatch.put_metric_data"])
def test_what_cannot_be_written_down_is_done_again_and_said_once(call: str) -> None:
    world = in_trouble(last=8)
    problem = refusal("ProvisionedThroughputExceededException", "PutItem", "slow down")
    world.at(3, world.fail(call, problem))
    world.at(5, world.works_again)
    told = world.tells(windows=14)
    assert [line for lines in told.values() for line in lines] == [OPENED, RESOLVED]
    assert world.state.done == window(13)


def test_a_work_item_that_fails_three_times_is_put_aside_and_the_next_window_tells() -> None:
    world = in_trouble()
    world.at(3, world.fail("sns.publish", SNS_IS_DOWN))
    world.at(9, world.works_again)
    assert world.tells(windows=12) == {9: [OPENED]}
    put_aside = [WorkItem.from_json(each.body).window for each in world.queue.dead_letters]
    assert put_aside == [window(number) for number in range(3, 8)]


def test_a_dead_letter_that_comes_back_out_of_order_changes_nothing_that_is_newer() -> None:
    world = in_trouble(last=6)
    world.at(3, world.fail("sns.publish", SNS_IS_DOWN))
    world.at(9, world.works_again)
    world.after(12, world.queue.redrive)
    before: dict[str, object] = {}

    def remember() -> None:
        before.update(state=world.state, told=dict(world.told))

    world.after(12, remember)
    world.tells(windows=13)
    world.work_off()
    assert world.done[-1].outcome is Outcome.OLDER
    assert (world.state, world.told) == (before["state"], before["told"])


# --- too often, too early, at the same time


def test_a_schedule_that_fires_twice_is_worked_off_once() -> None:
    world = in_trouble()
    for number in range(8):
        world.at(number, world.plan)
    assert world.tells(windows=8) == {3: [OPENED]}
    assert len(world.done) == 8


def test_a_window_that_is_planned_again_half_an_hour_later_says_nothing_twice() -> None:
    world = in_trouble()
    for number in range(2, 8):
        world.at(number, partial(world.plan, window(number - 2)))
    assert world.tells(windows=8) == {3: [OPENED]}
    assert {done.outcome for done in world.done} == {Outcome.JUDGED, Outcome.OLDER}


def test_a_window_that_was_left_out_gets_its_metrics_from_the_next_run_and_says_nothing() -> None:
    world = in_trouble()
    published: list[float | None] = []
    world.at(4, lambda: setattr(world, "is_scheduled", False))
    world.at(5, lambda: setattr(world, "is_scheduled", True))
    for each in (world.at, world.after):
        each(5, lambda: published.append(world.published("NodesUnexplained", 4)))
    world.at(8, partial(world.plan, window(4)))
    assert world.tells(windows=9) == {3: [OPENED]}
    assert published == [None, 1]
    assert world.state.done == window(8)


def test_a_cluster_that_was_never_judged_is_noticed_though_it_is_planned_again_and_again() -> None:
    """Nothing of it was ever written down but since when it has been planned."""
    world = World(worker("i-1"), worker("i-2"))
    world.fail("dynamodb.get_item", refusal("AccessDeniedException", "GetItem", "no", 403))()
    changes, alarmed = watch(world), []
    for number in range(6):
        world.quarter(number)
        alarmed += [number] if "ALARM" in changes() else []
    assert alarmed == [4]
    assert world.done == []


def test_of_two_runs_at_the_same_time_one_gives_way_and_finds_everything_done() -> None:
    world = in_trouble()

    def meanwhile() -> None:
        world.process.meanwhile["before dynamodb.put_item"] = lambda: _ignore(world.reconcile(item(3)))

    world.at(3, world.plan, meanwhile)
    assert world.tells(windows=8) == {3: [OPENED]}
    assert [type(problem) for problem in world.problems] == [ConflictError]
    assert [done.outcome for done in world.done].count(Outcome.ALREADY_DONE) == 1


def test_a_run_that_the_next_window_overtakes_gives_way_and_takes_nothing_back() -> None:
    world = in_trouble(last=6)
    world.at(2, lambda: setattr(world, "is_scheduled", False))

    def overtakes() -> None:
        world.process.meanwhile["before dynamodb.put_item"] = lambda: _ignore(world.reconcile(item(3)))

    world.at(3, lambda: world.queue.put(json.dumps(item(2).document()), CLUSTER), overtakes)
    world.at(3, lambda: setattr(world, "is_scheduled", True))
    assert world.tells(windows=13) == {3: [OPENED], 11: [RESOLVED]}
    assert [type(problem) for problem in world.problems] == [ConflictError]
    assert [done.outcome for done in world.done[2:5]] == [
        Outcome.JUDGED,  # window 3, by whoever overtook
        Outcome.OLDER,
        Outcome.ALREADY_DONE,
    ]


def test_a_window_of_the_future_is_refused_and_takes_nothing_with_it() -> None:
    """The clock of whoever planned it is ahead: were it judged, nothing would be judged until then."""
    world = in_trouble()
    world.at(4, lambda: world.queue.put(json.dumps(item(40).document()), "skewed"))
    world.at(4, lambda: world.plan(window(40)))
    assert world.tells(windows=14) == {3: [OPENED]}
    assert {type(problem) for problem in world.problems} == {NotSettledError}
    assert world.state.done == window(13)
    assert len(world.queue.dead_letters) == 1


# AWS takes no signature that is more than a quarter of an hour off, which keeps clocks within that.


@pytest.mark.parametrize(("behind", "told_at"), [(5, 4), (14, 4)])
def test_a_clock_that_is_behind_tells_later_and_once(behind: int, told_at: int) -> None:
    world = in_trouble(last=9)
    world.at(3, lambda: setattr(world, "clock_is_ahead", -timedelta(minutes=behind)))
    world.at(6, lambda: setattr(world, "clock_is_ahead", timedelta(0)))
    assert world.tells(windows=16) == {told_at: [OPENED], 14: [RESOLVED]}


@pytest.mark.parametrize("ahead", [5, 14])
def test_a_clock_that_is_ahead_takes_what_has_not_settled_for_incomplete_and_not_for_silence(
    ahead: int,
) -> None:
    world = in_trouble(last=9)
    world.at(5, lambda: setattr(world, "clock_is_ahead", timedelta(minutes=ahead)))
    world.at(7, lambda: setattr(world, "clock_is_ahead", timedelta(0)))
    assert world.tells(windows=16) == {3: [OPENED], 14: [RESOLVED]}
    assert set(world.verdicts("i-2")) <= {"pod_edge", "partial"}


def test_a_clock_that_is_off_by_more_judges_nothing_until_it_is_right_again() -> None:
    world = in_trouble(last=9)
    refused = refusal("InvalidSignatureException", "Scan", "Signature not yet current")
    world.at(5, lambda: setattr(world, "clock_is_ahead", timedelta(hours=1)))
    world.at(5, world.fail("dynamodb.scan", refused), world.fail("dynamodb.get_item", refused))
    world.at(8, world.works_again, lambda: setattr(world, "clock_is_ahead", timedelta(0)))
    assert world.tells(windows=16) == {3: [OPENED], 14: [RESOLVED]}
    assert len(world.done) == 16 - 3
    assert all("clock" in str(p) or isinstance(p, NotSettledError) for p in world.problems)


@pytest.mark.parametrize("body", ["", "no JSON", "[]", '{"schema": "enigap.work/2"}', '{"schema": 1}'])
def test_what_is_no_work_item_blocks_nobody_and_ends_up_with_the_dead_letters(body: str) -> None:
    world = in_trouble()
    world.at(1, lambda: world.queue.put(body, "somebody"))
    assert world.tells(windows=9) == {3: [OPENED]}
    assert [each.body for each in world.queue.dead_letters] == [body]
    assert len(world.done) == 9


def test_a_state_of_a_newer_version_is_left_alone_until_somebody_decides() -> None:
    world = in_trouble()
    key = f"cluster#{CLUSTER}"

    def overwrite(text: str) -> None:
        world.table.items[key]["state"] = {"S": text}

    newer = '{"schema": "enigap.state/9"}'
    world.after(4, lambda: overwrite(newer))
    world.checks_the_state = False
    world.tells(windows=8)
    assert world.table.items[key]["state"] == {"S": newer}
    assert {type(problem) for problem in world.problems} == {StateUnreadableError}
    del world.table.items[key]
    world.audience.heard.clear()  # Who deletes what was remembered is told of it anew.
    for number in range(8, 16):
        world.quarter(number)
    assert world.open.keys() == {"i-1/os_deficit"}


# --- time runs out


def test_a_run_that_runs_out_of_time_publishes_what_it_has_and_calls_the_rest_unreadable() -> None:
    world = World(*(plain_worker(f"i-{number:03}") for number in range(130)))
    world.at(1, lambda: setattr(world, "out_of_time_at", 2))
    world.at(2, lambda: setattr(world, "out_of_time_at", None))
    assert world.tells(windows=3) == {}
    assert judged_and_unreadable(world, 1) in [(125, 5), (5, 125)]
    assert judged_and_unreadable(world, 2) == (130, 0)


# --- nothing happens at all


def watch(world: World) -> Callable[[], list[str]]:
    """The alarms on silence as they are deployed (infra/alarms.py); asked, it says how they changed since."""
    for name, threshold, missing in (("PlansMade", 1, "breaching"), ("ClustersOverdue", 0, "notBreaching")):
        client_of(world.cloudwatch).put_metric_alarm(
            AlarmName=f"enigap-{name}",
            Namespace="EniGap",
            MetricName=name,
            Statistic="Maximum",
            Period=900,
            EvaluationPeriods=2,
            Threshold=threshold,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData=missing,
        )
    return lambda: [change.new_state for change in world.cloudwatch.evaluate_alarms(world.now)]


def test_a_pipeline_that_stops_is_noticed_by_what_it_no_longer_publishes() -> None:
    """An hour and a quarter after the last plan: CloudWatch looks further back while points are missing."""
    world = in_trouble()
    world.tells(windows=3)
    changes, heard = watch(world), {}
    for number in range(3, 16):
        world.is_scheduled = not 4 <= number < 12
        world.quarter(number)
        heard[number] = changes()
    assert [number for number, states in heard.items() if "ALARM" in states] == [8]
    assert [number for number, states in heard.items() if "OK" in states][-1] in range(12, 15)


def test_a_cluster_that_is_planned_and_never_judged_is_noticed_though_plans_go_on() -> None:
    """Three quarters after its last window it is overdue, and so it is in the next plan."""
    world = in_trouble()
    world.at(4, world.fail("dynamodb.put_item", refusal("AccessDeniedException", "PutItem", "no", 403)))
    world.tells(windows=3)
    changes, alarmed = watch(world), []
    for number in range(3, 10):
        world.quarter(number)
        alarmed += [number] if "ALARM" in changes() else []
    assert alarmed == [7]


@pytest.mark.parametrize("what", [throttles, does_not_list, has_no_instances_to_show])
def test_a_pipeline_that_is_blind_is_not_taken_for_dead(what: Callable[[World], None]) -> None:
    """It says so itself, and the dead man's alarm keeps for what nothing else would tell of."""
    world = World(worker("i-1"), worker("i-2"))
    world.tells(windows=3)
    changes, heard = watch(world), []
    what(world)
    for number in range(3, 13):
        world.quarter(number)
        heard += changes()
    assert heard == ["OK", "OK"]
    assert world.told == {4: [CANNOT_SEE]}
    assert world.state.done == window(12)


def test_hours_that_nobody_planned_are_not_told_of_as_over() -> None:
    world = in_trouble(last=12)
    for number in range(18):
        world.is_scheduled = not 5 <= number < 11
        world.quarter(number)
    assert world.told == {3: [OPENED], 17: [RESOLVED]}


# --- how often people hear of it


def quiet(at: Window) -> Rates:
    """An agent that is down from window 1 on."""
    return HEALTHY if at < window(1) else replace(HEALTHY, os=None, devices={})


def test_an_open_incident_is_brought_up_again_every_day_and_no_oftener() -> None:
    world = World(plain_worker("i-1", quiet), plain_worker("i-2"))
    told = world.tells(windows=2 * 96 + 10)
    assert {number: line.split()[0] for number, [line] in told.items()} == {
        2: "opened",
        98: "reminder",
        194: "reminder",
    }


def test_what_is_muted_is_told_when_the_silence_is_over_if_it_still_lasts() -> None:
    world = in_trouble()
    world.at(1, lambda: world.silence("prod/i-1/os_deficit", window(6)))
    assert world.tells(windows=9) == {6: ["opened i-1/os_deficit (silence_expired)"]}
    assert "was muted until now" in world.topic.published[0].by_protocol["email"]


def test_a_storm_is_one_message_that_names_the_worst_and_counts_the_rest() -> None:
    """300 agents go down at once, beside one that stays: the message fits into what SNS takes."""
    world = World(plain_worker("i-anchor"), *(plain_worker(f"i-{n:017x}", quiet) for n in range(300)))
    assert world.tells(windows=5) == {2: ["opened */os_silent (agent_down)"]}
    [message] = world.topic.published
    [incident] = message.event["incidents"]
    assert (incident["node_count"], len(incident["nodes"])) == (300, 10)
    assert "and 290 more nodes" in message.by_protocol["email"]


def test_nodes_that_go_one_after_the_other_are_one_incident_once_they_are_many() -> None:
    def goes_at(number: int) -> Callable[[Window], Rates]:
        return lambda at: HEALTHY if at < window(number) else replace(HEALTHY, os=None, devices={})

    world = World(
        plain_worker("i-anchor"), *(plain_worker(f"i-{n:03}", goes_at(1 + n // 13)) for n in range(52))
    )
    told = world.tells(windows=8)
    assert [len(lines) for lines in told.values()] == [13, 1]
    assert told[3] == ["opened */os_silent (agent_down)"]
    assert world.open["*/os_silent"].node_count == 52


def test_a_cluster_that_is_deleted_closes_its_incident_and_is_not_planned_for_ever() -> None:
    world = World(
        *(plain_worker(f"i-{n}", quiet, gone_at=window(6).start + timedelta(minutes=5)) for n in range(30))
    )
    world.fleet.workers.append(plain_worker("i-anchor", gone_at=window(6).start + timedelta(minutes=5)))
    assert world.tells(windows=24) == {
        2: ["opened */os_silent (agent_down)"],
        5: ["resolved */os_silent (node_gone)"],
    }
    report = world.done[-1].report
    assert report is not None
    assert report.window <= window(5 + 3 * 4 + 1)  # The series are recent for three hours.


def test_a_cluster_that_is_deleted_while_it_is_not_collected_closes_that_finding() -> None:
    """As it is when an add-on is removed first and the nodes next."""
    gone_at = window(7).start + timedelta(minutes=5)
    world = World(*(worker(f"i-{n}", gone_at=gone_at) for n in (1, 2)))
    for instance_id in ("i-1", "i-2"):
        world.during(3, 7, instance_id, agent_down)
    assert world.tells(windows=9) == {
        4: ["opened */not_collected (no likely cause)"],
        6: ["resolved */not_collected (node_gone)"],
    }
    assert world.open == {}


def test_a_state_is_deleted_some_time_after_nobody_writes_it_any_more() -> None:
    world = in_trouble()
    world.tells(windows=4)
    expires_at = int(world.table.items[f"cluster#{CLUSTER}"]["expires_at"]["N"])
    assert expires_at - world.now.timestamp() == timedelta(days=60).total_seconds()


# --- the last leg


def _address(*, fresh: bool) -> str:
    return f"the address, {'new' if fresh else 'old'}"[:11]


class Slack:
    """A channel that answers as it is told to, and the queue before it."""

    def __init__(self, world: World, *answers: Answer | None) -> None:
        self.shown: list[Any] = []
        self._answers = list(answers)
        self._records = [
            {"messageId": str(number), "body": message.by_protocol["sqs"]}
            for number, message in enumerate(world.topic.published)
        ]

    def deliver(self) -> int:
        """One batch of everything that is in the queue; how many of them come back."""
        channel = Channel(_address, self._send, lambda _: None, lambda: 60.0)
        failed = {failure.message_id for failure in deliver_all(self._records, channel)}
        self._records = [record for record in self._records if record["messageId"] in failed]
        return len(self._records)

    def _send(self, _: str, message: Any) -> Answer:
        answer = self._answers.pop(0) if self._answers else Answer(200, "ok")
        if answer is None:
            raise NotDeliveredError("Slack did not answer.")
        if answer.is_delivered:
            self.shown.append(message)
        return answer


@pytest.mark.parametrize(
    "answer",
    [Answer(500, "error"), Answer(503, ""), Answer(200, "<html>proxy"), Answer(404, "no_service"), None],
    ids=["500", "503", "a proxy's page", "no service", "no answer"],
)
def test_a_message_slack_did_not_take_comes_back_and_the_one_beside_it_does_not(
    answer: Answer | None,
) -> None:
    world = in_trouble(last=4)
    world.tells(windows=10)
    slack = Slack(world, answer, Answer(200, "ok"))
    assert slack.deliver() == 1
    assert slack.deliver() == 0
    assert len(slack.shown) == 2


def test_slack_that_asks_to_wait_gets_the_message_once() -> None:
    world = in_trouble()
    world.tells(windows=5)
    slack = Slack(world, Answer(429, "rate_limited", 2.0), Answer(429, "rate_limited", 2.0))
    assert slack.deliver() == 0
    assert len(slack.shown) == 1
