"""A run that is killed before or after any of its calls to AWS loses nothing and repeats one message at most.

A story is played in which incidents of every origin open and end. Each of its quarters of an hour is then
played again from the same beginning, once for each point before and after each call of the two functions:
there the process is killed, Lambda and the queue try again as they do, and a quarter later everything must be
as if nothing had happened.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache

import pytest

from enigap.aws.state_table import StateTable
from enigap.core.incidents.incident import ClusterState, Incident
from enigap.core.incidents.state import Remembered
from enigap.core.work import WorkItem
from tests.fakes.pipeline_ports import CLUSTER, window
from tests.reliability.behaviours import agent_down, drops_on_transmit, nic_moved_into_a_pod
from tests.reliability.figures import Figures
from tests.reliability.fleet import plain_worker, worker
from tests.reliability.lives import HEALTHY, Rates
from tests.reliability.process import Killed, Process
from tests.reliability.services import ACCOUNT, REGION, FakeDynamoDb
from tests.reliability.world import World, comparable_metrics, metrics_of_totals

QUARTERS = 8
OUTAGES = 2


@cache
def the_story() -> tuple[World, ...]:
    """The world as it is at the beginning of each quarter."""
    world = World(worker("i-1"), worker("i-2"), worker("i-3"))
    world.during(1, 2, "i-1", nic_moved_into_a_pod)
    world.during(1, 2, "i-2", drops_on_transmit)
    world.during(3, 5, "i-3", agent_down)
    world.during(5, 6, "i-1", agent_down)
    moments = []
    for number in range(QUARTERS):
        moments.append(world.copy())
        world.quarter(number)
    assert {number: len(lines) for number, lines in world.told.items()} == {2: 2, 4: 2, 6: 2, 7: 1}
    return tuple(moments)


@cache
def outages() -> tuple[tuple[World, int], ...]:
    """Quarters after windows that no run judged: one that catches up with a window that confirms trouble, and
    one with the work item of such a window that is too long ago for that.
    """
    short = without_plans(range(2, 3), trouble=range(1, 3))
    long = without_plans(range(1, 15), trouble=range(1, 3))
    long.quarter(15)
    assert window(2) in long.state.missed
    late = WorkItem(ACCOUNT, REGION, CLUSTER, window(2))
    long.queue.put(json.dumps(late.document()), CLUSTER)
    return (short, 3), (long.copy(), 16)


def without_plans(out: range, trouble: range) -> World:
    """A world after an outage, in which an agent was down."""
    down, healthy = Rates(None, 6e6, 4e6), HEALTHY
    troubled = [window(number) for number in trouble]
    workers = [plain_worker("i-1", lambda at: down if at in troubled else healthy), plain_worker("i-2")]
    for each in workers:
        each.remembers = 18
    world = World(*workers)
    for number in range(out.stop):
        world.is_scheduled = number not in out
        world.quarter(number)
    return world.copy()


def moments() -> tuple[tuple[World, int], ...]:
    """Worlds at the beginning of a quarter, with its number."""
    return (*((world, number) for number, world in enumerate(the_story())), *outages())


def played_on(begin: World, quarters: Iterable[int], *, kill_at: int | None = None) -> World:
    """From the beginning of the first of these quarters. What is killed at a point is killed in that one."""
    world = begin.copy()
    world.process.kill_at = kill_at
    for number in quarters:
        world.quarter(number)
    return world


def lines_told(world: World) -> Counter[str]:
    return Counter(line for lines in world.told.values() for line in lines)


def is_between_saying_and_noting(points: list[str]) -> bool:
    """Whether SNS has answered by the last of these, and the note that it did is not written."""
    since = points[-1 - points[::-1].index("after sns.publish") :] if "after sns.publish" in points else []
    return bool(since) and "after dynamodb.put_item" not in since


@pytest.mark.parametrize("moment", range(QUARTERS + OUTAGES))
def test_a_process_killed_at_any_call_loses_nothing_and_repeats_one_message_at_most(
    moment: int, figures: Figures
) -> None:
    begin, number = moments()[moment]
    quarters = (number, number + 1)
    undisturbed = played_on(begin, quarters)
    for kill_at in range(len(played_on(begin, [number]).process.points)):
        killed = played_on(begin, quarters, kill_at=kill_at)
        points = killed.process.points[: kill_at + 1]
        point = points[-1]
        assert killed.kills == 1
        assert killed.state == undisturbed.state, point
        # A window that is published again once its state is written is looked at with what is known then.
        metrics = metrics_of_totals if "after dynamodb.put_item" in points else comparable_metrics
        assert metrics(killed) == metrics(undisturbed), point
        told, told_undisturbed = lines_told(killed), lines_told(undisturbed)
        assert set(told) == set(told_undisturbed), point
        assert told >= told_undisturbed, point
        assert killed.audience.repeats == is_between_saying_and_noting(points), point
        assert not killed.queue.messages + killed.queue.dead_letters, point
        figures.crash_points += 1
        figures.messages_repeated_at_crash_points += killed.audience.repeats


def test_the_nodes_of_a_large_incident_survive_a_kill_at_any_call_of_a_write() -> None:
    """They have items of their own beside the state: it is the one before or the one after, and whole."""
    first, second = large(50_000), large(49_999)

    def written(kill_at: int | None) -> tuple[FakeDynamoDb, list[str]]:
        """The table after a write that is killed at this point, and the points that were passed."""
        table, process = FakeDynamoDb("states", window(0).end), Process()
        states = StateTable(process.guarded("dynamodb", table), "states", now=window(1).end)
        remembered = states.write(Remembered(first, None))
        process.points.clear()
        process.kill_at = kill_at
        with suppress(Killed):
            states.write(replace(remembered, state=second))
        return table, process.points

    _, points = written(None)
    assert points.count("before dynamodb.put_item") == 5  # two pieces, the state, and two emptied
    for kill_at in range(len(points)):
        table, _ = written(kill_at)
        states = StateTable(Process().guarded("dynamodb", table), "states", now=window(2).end)
        found, _ = states.read(CLUSTER)
        assert (found.state in (first, second), found.damaged) == (True, ())
        states.write(replace(found, state=second))
        assert states.read(CLUSTER)[0].state == second


def large(members: int) -> ClusterState:
    about = Incident(
        id=f"{CLUSTER}/*/os_silent",
        verdict="os_silent",
        cause=None,
        since=window(0).start,
        node_count=members,
        nodes=(),
        members=tuple(f"{number:08}" for number in range(members)),
    )
    return ClusterState(CLUSTER, done=window(0), nodes=members, incidents=(about,))
