"""Weeks of one cluster with something always wrong: what is remembered must not grow.

As many windows as `ENIGAP_SOAK_WINDOWS` says are played without a pause, faults on: a month is 2,900. The
oracle of `history` watches as it does over short histories.
"""

from __future__ import annotations

import gc
import os
import sys
from random import Random
from statistics import mean
from typing import Final

from tests.reliability.figures import Figures
from tests.reliability.history import ANCHOR, FAULTS, NODES, PLAYS, History

USUAL_WINDOWS: Final = 600
WINDOWS: Final = int(os.environ.get("ENIGAP_SOAK_WINDOWS", USUAL_WINDOWS))
LOOKS: Final = 20
"""How often memory is looked at on the way. A quarter of them is averaged: nodes come and go."""


def something_happens(history: History, chance: Random) -> None:
    """In every quarter a node does something else; every few something fails or somebody is killed."""
    world = history.world
    running = [w.instance_id for w in world.fleet.workers if w.runs_at(world.now) and w.instance_id != ANCHOR]
    if running:
        history.plays(chance.choice(running), chance.choice(PLAYS), chance.randint(1, 6))
    if chance.random() < 0.15:
        history.fails(chance.choice(sorted(FAULTS)), chance.randint(1, 4))
    if chance.random() < 0.1:
        history.is_killed(chance.randint(0, 45))
    if chance.random() < 0.05:
        history.is_planned_again(chance.randint(0, 4))
    if chance.random() < 0.05 and len(running) < len(NODES) + 3:
        history.is_launched(chance.randint(0, 14))
    if chance.random() < 0.03 and running:
        history.is_terminated(chance.choice(running))


def test_memory_and_state_stay_as_small_as_they_were(figures: Figures) -> None:
    history, chance = History(), Random(2026)  # noqa: S311 - the same weeks every time
    state_bytes, blocks = [], []
    for number in range(WINDOWS):
        something_happens(history, chance)
        history.quarter()
        state_bytes.append(history.world.state_bytes)
        figures.messages_soaked += len(history.world.topic.published)
        history.forget()
        if (number + 1) % (WINDOWS // LOOKS) == 0:
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    quarter = LOOKS // 4
    before, after = mean(blocks[quarter : 2 * quarter]), mean(blocks[-quarter:])
    figures.windows_soaked, figures.kills_soaked = WINDOWS, history.world.kills
    figures.largest_state_soaked_bytes = max(state_bytes)
    figures.memory_soaked_blocks_before, figures.memory_soaked_blocks_after = round(before), round(after)
    assert after < 1.03 * before, blocks
    assert max(state_bytes) < 10_000
    assert history.world.kills > WINDOWS // 50
