"""A run that is killed before or after any of its calls to AWS loses nothing and repeats one message at most.

A story is played in which incidents of every origin open and end. Each of its quarters of an hour is then
played again from the same beginning, once for each point before and after each call of the two functions:
there the process is killed, Lambda and the queue try again as they do, and a quarter later everything must be
as if nothing had happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

import pytest

from tests.reliability.behaviours import agent_down, drops_on_transmit, nic_moved_into_a_pod
from tests.reliability.figures import Figures
from tests.reliability.fleet import worker
from tests.reliability.world import World, comparable_metrics

QUARTERS = 8


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


def played_on(begin: World, quarters: Iterable[int], *, kill_at: int | None = None) -> World:
    """From the beginning of the first of these quarters. What is killed at a point is killed in that one."""
    world = begin.copy()
    world.process.kill_at = kill_at
    for number in quarters:
        world.quarter(number)
    return world


def lines_told(world: World) -> Counter[str]:
    return Counter(line for lines in world.told.values() for line in lines)


def is_between_saying_and_noting(points: list[str], kill_at: int) -> bool:
    """Whether SNS has answered by then, and the note that it did is not written: nobody can know."""
    return "after sns.publish" in points[: kill_at + 1] and points[kill_at] in {
        "after sns.publish",
        "before dynamodb.put_item",
    }


@pytest.mark.parametrize("number", range(QUARTERS))
def test_a_process_killed_at_any_call_loses_nothing_and_repeats_one_message_at_most(
    number: int, figures: Figures
) -> None:
    begin = the_story()[number]
    quarters = (number, number + 1)
    undisturbed, points = played_on(begin, quarters), played_on(begin, [number]).process.points
    for kill_at, point in enumerate(points):
        killed = played_on(begin, quarters, kill_at=kill_at)
        assert (killed.kills, killed.process.points[kill_at]) == (1, point)
        assert killed.state == undisturbed.state, point
        assert comparable_metrics(killed) == comparable_metrics(undisturbed), point
        told, told_undisturbed = lines_told(killed), lines_told(undisturbed)
        assert set(told) == set(told_undisturbed), point
        assert told >= told_undisturbed, point
        assert killed.audience.repeats == is_between_saying_and_noting(points, kill_at), point
        assert not killed.queue.messages + killed.queue.dead_letters, point
        figures.crash_points += 1
        figures.messages_repeated_at_crash_points += killed.audience.repeats
