"""Any history at all: what people are told is true, and all that is true is told.

A history is a dozen windows and more of a small cluster: nodes come and go and do one of a dozen things in
each window, and around them AWS fails, runs are killed, schedules get lost, work items come twice, late and
out of order. After every quarter of an hour an oracle says which incidents must be open (`history`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from enigap.core.work import WorkItem
from tests.fakes.pipeline_ports import CLUSTER, window
from tests.reliability.figures import Figures
from tests.reliability.fleet import plain_worker
from tests.reliability.history import ANCHOR, FAULTS, NODES, PLAYS, History, Oracle, Play, Script
from tests.reliability.services import ACCOUNT, REGION
from tests.reliability.world import World, comparable_metrics, metrics_of_totals

USUAL_HISTORIES: Final = 24
HISTORIES: Final = int(os.environ.get("ENIGAP_HISTORIES", USUAL_HISTORIES))
ORDERS: Final = 10
"""Random examples of each test."""

LONGEST_BACKLOG: Final = 8
"""Quarters after which whatever failed has come back or been put aside."""

nodes = st.sampled_from(NODES)
waits = st.integers(0, 4)
scenes = st.lists(st.tuples(nodes, st.sampled_from(PLAYS), st.integers(1, 6)), min_size=1, max_size=3)
"""Who does what from the next window on, and for how many."""


class Histories(RuleBasedStateMachine):
    """Each rule is something that happens, and how many quarters of an hour pass before the next does."""

    figures: Figures

    def __init__(self) -> None:
        super().__init__()
        self.history = History()

    @rule(scenes=scenes, wait=waits)
    def play(self, scenes: list[tuple[str, Play, int]], wait: int) -> None:
        for node, play, windows in scenes:
            self.history.plays(node, play, windows)
        self.wait(wait)

    @rule(fault=st.sampled_from(sorted(FAULTS)), windows=st.integers(1, 3), wait=waits)
    def fails(self, fault: str, windows: int, wait: int) -> None:
        self.history.fails(fault, windows)
        self.wait(wait)

    @rule(point=st.integers(0, 60), wait=waits)
    def is_killed(self, point: int, wait: int) -> None:
        self.history.is_killed(point)
        self.wait(wait)

    @rule(node=nodes, wait=waits)
    def is_terminated(self, node: str, wait: int) -> None:
        self.history.is_terminated(node)
        self.wait(wait)

    @rule(minute=st.integers(0, 14), wait=waits)
    def is_launched(self, minute: int, wait: int) -> None:
        self.history.is_launched(minute)
        self.wait(wait)

    @rule(back=st.integers(0, 4), wait=waits)
    def is_planned_again(self, back: int, wait: int) -> None:
        self.history.is_planned_again(back)
        self.wait(wait)

    @rule(wait=waits)
    def is_redriven(self, wait: int) -> None:
        self.history.is_redriven()
        self.wait(wait)

    def wait(self, quarters: int) -> None:
        for _ in range(quarters):
            self.history.quarter()

    def teardown(self) -> None:
        """In the end everything works again: nothing is lost, and everybody knows how things are."""
        self.history.recovers()
        self.wait(LONGEST_BACKLOG)
        assert self.history.nothing_is_left
        self.figures.histories += 1
        self.figures.windows_of_histories += self.history.number
        self.figures.messages_of_histories += len(self.history.world.topic.published)


def test_in_any_history_people_are_told_what_is_true_and_nothing_else(figures: Figures) -> None:
    Histories.figures = figures
    run_state_machine_as_test(Histories, settings=settings(max_examples=HISTORIES, stateful_step_count=15))
    assert figures.histories >= HISTORIES


# --- the same work items in any order

plays_of_a_node = st.lists(st.sampled_from(PLAYS), min_size=6, max_size=6)
plays_of_two = st.tuples(plays_of_a_node, plays_of_a_node)


def judged(plays: Iterable[list[Play]], numbers: Iterable[int]) -> tuple[World, dict[str, Script]]:
    """A world in which these windows are judged one after the other, and what its nodes played."""
    scripts = {
        name: Script({window(number): play for number, play in enumerate(each)})
        for name, each in zip(NODES, plays, strict=False)
    }
    world = World(
        *(plain_worker(name, script.rates) for name, script in {ANCHOR: Script(), **scripts}.items())
    )
    world.begin(5)
    for number in numbers:
        world.reconcile(WorkItem(ACCOUNT, REGION, CLUSTER, window(number)))
    world.check()
    return world, scripts


@settings(max_examples=ORDERS)
@given(plays=plays_of_two, order=st.permutations(range(6)), again=st.lists(st.integers(0, 5), max_size=3))
def test_any_order_of_the_same_work_items_ends_in_the_same_state(
    figures: Figures, plays: tuple[list[Play], ...], order: list[int], again: list[int]
) -> None:
    """What only older windows know is history: a node counts once its last two windows say the same.

    How far back the devices of a node are looked at hangs on what was known when its window's turn came.
    """
    (in_turn, scripts), (as_they_come, _) = judged(plays, range(6)), judged(plays, [*order, *again])
    assert as_they_come.state.done == in_turn.state.done == window(5)
    assert metrics_of_totals(as_they_come) == metrics_of_totals(in_turn)
    for world in (in_turn, as_they_come):
        for name, script in scripts.items():
            newest = Oracle({name: script})
            newest.decide(window(5), {name}, set(), with_devices=True)
            is_open = any(about.startswith(f"{name}/") for about in world.open)
            assert (name in newest.troubled) <= is_open <= (name in newest.lately)
        assert world.audience.believes_open == set(world.open)
    figures.orders_of_work_items += 1


@settings(max_examples=ORDERS)
@given(plays=plays_of_two, again=st.lists(st.integers(0, 5), min_size=1, max_size=3))
def test_work_items_that_come_again_leave_no_trace(
    figures: Figures, plays: tuple[list[Play], ...], again: list[int]
) -> None:
    """After each window in turn, some that were done before."""
    numbers = [number for newest in range(6) for number in (newest, *(min(each, newest) for each in again))]
    (once, _), (repeatedly, _) = judged(plays, range(6)), judged(plays, numbers)
    assert repeatedly.state == once.state
    assert repeatedly.told == once.told
    assert comparable_metrics(repeatedly) == comparable_metrics(once)
    figures.orders_of_work_items += 1
