"""Timelines of clusters that publish OpenTelemetry's counters, alone or beside the classic metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias

import pytest

from enigap.core.counting.window import GRID, MINUTE
from enigap.core.judging.cluster import Finding
from tests.fakes.node_simulator import IN, OUT, AgentDown, DeviceGone, host_off_node
from tests.fakes.otel_series import otel_series
from tests.fakes.pipeline_ports import window
from tests.fakes.promql import PromqlEndpoint, Reply, Stored
from tests.reliability.behaviours import (
    PODS,
    a_lot_stays_on_the_node,
    agent_down,
    bursts_at_the_windows_edges,
    counter_starts_anew,
    everyday,
    everything_counted_times,
    kernel_bypass,
    megabytes,
    next_to_nothing_happens,
    nic_moved_into_a_pod,
    pods_on_an_overlay,
)
from tests.reliability.fleet import Worker, worker
from tests.reliability.lives import FAR_AHEAD, LONG_AGO, Behaviour, Part, Played, Unpublished
from tests.reliability.world import World

When: TypeAlias = Callable[[int], bool]
"""Whether something is so in a window, by its number."""

WINDOWS: Final = 14
ONE, TWO = "i-0000000a", "i-0000000b"
DENIED: Final = Reply(403, {"__type": "AccessDeniedException", "message": "not authorized"})
FAILED: Final = Reply(503, {"message": "try again"})
THROTTLED: Final = Reply(429, {"message": "slow down"})
TOO_LARGE: Final = Reply(422, {"status": "error", "errorType": "execution", "error": "too many samples"})
CUT: Final = Reply(
    200,
    {
        "status": "success",
        "data": {"resultType": "matrix", "result": []},
        "warnings": ["series limit reached"],
    },
)


def always(_: int) -> bool:
    return True


def never(_: int) -> bool:
    return False


class Endpoint(PromqlEndpoint):
    """Answers as it should, or for some windows always in one other way."""

    def __init__(self) -> None:
        super().__init__()
        self.instead: Reply | None = None

    def handle(self, *request: object) -> tuple[int, dict[str, str], bytes]:
        if self.instead is not None:
            self.script.append(self.instead)
        return super().handle(*request)  # type: ignore[arg-type]


def published_by(world: World, *, classic: When = never, otel: When = always) -> Endpoint:
    """Call it once all that is to happen to the nodes is known."""
    endpoint = Endpoint()
    numbers = range(-12, WINDOWS + 3)
    without_classic = frozenset(window(number) for number in numbers if not classic(number))
    for one in world.fleet.workers:
        life = one.life
        assert isinstance(life, Played)
        begin, end = window(-6).start, window(WINDOWS + 1).end
        endpoint.add(within(each, otel, one) for each in otel_series(life.simulated(one.node), begin, end))
        one.life = Unpublished(life, without_classic)
    world.aws.promql = endpoint
    return endpoint


def within(stored: Stored, otel: When, one: Worker) -> Stored:
    """Its samples of the windows in which counters are published, while the node runs."""
    first = window(0).start.timestamp()
    launched, gone = one.node.launched_at or LONG_AGO, one.gone_at or FAR_AHEAD
    kept = [
        number
        for number, second in enumerate(stored.seconds)
        if otel(int((second - first) // GRID.total_seconds()))
        and launched.timestamp() <= second < gone.timestamp()
    ]
    return replace(
        stored,
        seconds=[stored.seconds[number] for number in kept],
        values=[stored.values[number] for number in kept],
    )


def two_workers() -> World:
    return World(worker(ONE), worker(TWO))


def kinds(told: dict[int, list[str]]) -> list[str]:
    """What was told, without likely causes and ends."""
    return [line.partition(" (")[0] for lines in told.values() for line in lines]


SOURCES = pytest.mark.parametrize("classic", [never, always], ids=["OpenTelemetry", "both"])


# --- what is so on either source


@SOURCES
@pytest.mark.parametrize(
    "explained",
    [a_lot_stays_on_the_node, pods_on_an_overlay, next_to_nothing_happens, bursts_at_the_windows_edges],
)
def test_what_counting_explains_is_told_to_nobody(classic: When, explained: Behaviour) -> None:
    world = two_workers()
    world.during(2, 6, ONE, explained)
    published_by(world, classic=classic)
    assert world.tells(10) == {}
    assert {world.verdicts(TWO)[number] for number in range(10)} == {"pod_edge"}


@SOURCES
@pytest.mark.parametrize(
    ("wrong", "verdict"),
    [
        (nic_moved_into_a_pod, "os_deficit"),
        (kernel_bypass, "os_deficit"),
        (everything_counted_times(5), "os_excess"),
        (agent_down, "os_silent"),
    ],
)
def test_what_it_does_not_is_told_once_and_resolved_once(
    classic: When, wrong: Behaviour, verdict: str
) -> None:
    world = two_workers()
    world.during(3, 6, ONE, wrong)
    published_by(world, classic=classic)
    told = world.tells(WINDOWS)
    assert kinds(told) == [f"opened {ONE}/{verdict}", f"resolved {ONE}/{verdict}"]
    assert min(told) in {4, 5}


@SOURCES
def test_a_cluster_whose_agents_are_all_gone_is_told_once_and_comes_back_once(classic: When) -> None:
    world = two_workers()
    for one in (ONE, TWO):
        world.during(3, 7, one, agent_down)
    published_by(world, classic=classic)
    told = world.tells(WINDOWS)
    assert kinds(told) == ["opened */not_collected", "resolved */not_collected"]
    assert {world.published("NodesJudged", number) for number in range(5, 8)} == {0}


def an_eni_is_attached_for(first: int, last: int) -> Behaviour:
    """From one minute to another, with traffic of the node itself."""

    def behaviour(start: datetime, end: datetime) -> Part:
        attached, detached = start + first * MINUTE, start + last * MINUTE
        shape = megabytes(6, attached, detached)
        flows = tuple(host_off_node(shape, way, nic="eth2") for way in (IN, OUT))
        gone = DeviceGone("eth2", start, attached), DeviceGone("eth2", detached, end)
        return everyday(start, end) + Part(flows, gone, ("eth2",))

    return behaviour


def the_node_reboots(start: datetime, end: datetime) -> Part:
    """All counters are reset, and the agent is away for four minutes, and so is the traffic."""
    down, up = start + 5 * MINUTE, start + 9 * MINUTE
    gone = tuple(DeviceGone(device, down, up) for device in ("eth0", "eth1", *PODS))
    return everyday(start, down) + everyday(up, end) + Part(faults=(*gone, AgentDown(down, up)))


def pods_come_and_go(start: datetime, end: datetime) -> Part:
    """One of two pods' devices is made again under its name every three minutes."""
    times = [start + minute * MINUTE for minute in range(2, (end - start) // MINUTE, 3)]
    gone = (DeviceGone(PODS[n % 2], at, at + (1 + n % 3) * MINUTE / 2) for n, at in enumerate(times))
    return everyday(start, end) + Part(faults=tuple(gone))


@pytest.mark.parametrize(
    "happens",
    [
        an_eni_is_attached_for(3, 20),
        the_node_reboots,
        pods_come_and_go,
        counter_starts_anew("eth1", 0, 14, 31),
    ],
    ids=["an ENI", "reboot", "pods", "resets"],
)
def test_devices_that_come_and_go_and_counters_that_begin_anew_are_told_to_nobody(happens: Behaviour) -> None:
    world = two_workers()
    world.during(3, 6, ONE, happens)
    published_by(world)
    assert world.tells(10) == {}
    assert set(world.verdicts(ONE)) <= {"pod_edge", "agree", "partial"}


def test_a_node_that_takes_anothers_name_takes_over_neither_its_incident_nor_its_counters() -> None:
    at = window(5).start + 7 * MINUTE
    old = worker(ONE, name="ip-10-0-3-9", gone_at=at)
    new = worker("i-0000000c", name="ip-10-0-3-9", launched_at=at + 2 * MINUTE)
    world = World(old, new, worker(TWO))
    world.during(2, WINDOWS, ONE, nic_moved_into_a_pod)
    published_by(world)
    told = world.tells(10)
    assert kinds(told) == [f"opened {ONE}/os_deficit", f"resolved {ONE}/os_deficit"]
    assert world.verdicts("i-0000000c")[4:] == ["warming_up"] * 2 + ["pod_edge"] * 4


# --- migrations


@pytest.mark.parametrize("order", ["to OpenTelemetry", "back"])
def test_a_migration_with_both_for_a_while_is_told_to_nobody(order: str) -> None:
    world = two_workers()
    before, after = (lambda number: number <= 6), (lambda number: number >= 4)
    if order == "back":
        published_by(world, classic=after, otel=before)
    else:
        published_by(world, classic=before, otel=after)
    assert world.tells(WINDOWS) == {}
    assert world.published("NodesJudged", 10) == 2


def test_a_classic_metric_that_is_lost_on_one_node_is_told_though_its_counters_arrive() -> None:
    """Dashboards on the classic metric do not see the node."""
    world = two_workers()
    published_by(world, classic=always)
    [lost] = world.fleet.called(ONE)
    assert isinstance(lost.life, Unpublished)
    lost.life = Unpublished(lost.life.life, frozenset(map(window, range(3, 7))))
    told = world.tells(WINDOWS)
    assert kinds(told) == [f"opened {ONE}/os_silent", f"resolved {ONE}/os_silent"]
    email = " ".join(world.topic.published[0].by_protocol["email"].split())
    assert "the counters of the node's devices arrived by OpenTelemetry" in email


# --- PromQL that fails


@pytest.mark.parametrize(
    "answer",
    [
        FAILED,
        CUT,
        Reply(200, b"<html>"),
        THROTTLED,
        TOO_LARGE,
    ],
)
def test_counters_that_cannot_be_read_for_a_while_are_neither_silence_nor_the_end_of_an_incident(
    answer: Reply,
) -> None:
    world = two_workers()
    world.during(2, 12, ONE, nic_moved_into_a_pod)
    endpoint = published_by(world)

    def begins() -> None:
        endpoint.instead = answer

    def ends() -> None:
        endpoint.instead = None

    found: list[Finding | None] = []
    world.at(5, begins)
    world.after(5, ends, lambda: found.append(world.reports[window(5)].finding))
    told = world.tells(WINDOWS - 2)
    assert kinds(told) == [f"opened {ONE}/os_deficit"]
    assert [finding and finding.kind for finding in found] == ["unreadable"]


def test_counters_that_are_throttled_for_hours_are_one_message_and_one_when_they_can_be_read() -> None:
    """What opened before stays open, and is resolved afterwards; nothing is told twice or lost."""
    world = two_workers()
    world.during(1, 5, ONE, nic_moved_into_a_pod)
    endpoint = published_by(world)

    def ends() -> None:
        endpoint.instead = None

    for number in range(3, 10):
        world.at(number, lambda: setattr(endpoint, "instead", THROTTLED))
    world.at(10, ends)
    told = world.tells(WINDOWS + 2)
    assert kinds(told) == [
        f"opened {ONE}/os_deficit",
        "opened */unreadable",
        "resolved */unreadable",
        f"resolved {ONE}/os_deficit",
    ]
    assert {world.reports[window(number)].finding for number in range(WINDOWS)} == {None}


@pytest.mark.parametrize("answer", [DENIED, FAILED, CUT], ids=["denied", "failed", "cut"])
def test_a_classic_cluster_is_judged_as_before_where_promql_answers_nothing(answer: Reply) -> None:
    world = two_workers()
    world.during(3, 6, ONE, nic_moved_into_a_pod)
    endpoint = published_by(world, classic=always, otel=never)
    endpoint.instead = answer
    assert kinds(world.tells(WINDOWS)) == [f"opened {ONE}/os_deficit", f"resolved {ONE}/os_deficit"]


def test_a_silent_cluster_is_not_collected_where_promql_is_denied_and_unreadable_where_it_fails() -> None:
    for answer, expected in ((DENIED, "not_collected"), (FAILED, "unreadable")):
        world = two_workers()
        endpoint = published_by(world, otel=never)
        endpoint.instead = answer
        world.tells(3)
        [finding] = {report.finding.kind for report in world.reports.values() if report.finding}
        assert finding == expected
