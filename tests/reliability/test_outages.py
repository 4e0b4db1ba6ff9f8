"""What happens while no run judges is told once: faults inside outages of every kind.

An outage lasts for up to four and a half hours. In it a node is in trouble for an hour and is well again;
then the runs work, and dead letters are redriven or windows planned again, in any order.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Final

import pytest

from enigap.core.counting.window import Window
from enigap.core.work import WorkItem
from tests.fakes.pipeline_ports import CLUSTER, window
from tests.reliability.figures import Figures
from tests.reliability.fleet import plain_worker
from tests.reliability.history import PLAYS, QUIET, Play, Truth
from tests.reliability.lives import Rates
from tests.reliability.services import ACCOUNT, REGION, refusal
from tests.reliability.world import World

FAULT_WINDOWS: Final = 4
KINDS: Final = ("no plans", "failing runs", "EC2 does not answer", "no queue")
FAULTS: Final = [play for play in PLAYS if play.truth is Truth.TROUBLE and not play.is_absurd]
LONGEST: Final = 18
"""Windows of an outage: more than a run reaches back."""
EXAMPLES: Final = 2
"""Of each kind of outage."""


class Outage:
    """A cluster in which one node is in trouble in the middle of an outage."""

    def __init__(self, seed: int, kind: str) -> None:
        self.random, self.kind = random.Random(seed), kind  # noqa: S311 - no secret
        self.play: Play = self.random.choice(FAULTS)
        self.length = self.random.randint(FAULT_WINDOWS + 2, LONGEST)
        first = self.random.randint(3, self.length - FAULT_WINDOWS + 1)
        self.fault = [window(number) for number in range(first, first + FAULT_WINDOWS)]
        workers = [plain_worker("i-1", self.rates), plain_worker("i-2")]
        for worker in workers:
            worker.remembers = LONGEST + 8
        self.world = World(*workers)

    def rates(self, at: Window) -> Rates:
        return (self.play if at in self.fault else QUIET).rates

    def passes(self) -> None:
        world, last = self.world, 3 + self.length
        for number in range(last + 1):
            is_out = 2 < number < last
            world.is_scheduled = not (is_out and self.kind == "no plans")
            world.works_again()
            if is_out and self.kind == "failing runs":
                world.fail("dynamodb.get_item", refusal("InternalServerError", "GetItem", status=500))()
            if is_out and self.kind == "EC2 does not answer":
                world.ec2.denied.add("DescribeInstances")
            if is_out and self.kind == "no queue":
                world.fail("sqs.send_message", refusal("InternalError", "SendMessage", status=500))()
            world.quarter(number)

    def is_made_up_for(self) -> None:
        """The dead letters go back, and every window of the outage is planned again, once or twice."""
        world, windows = self.world, [window(number) for number in range(3, 3 + self.length)]
        if self.random.random() < 0.5:
            world.queue.redrive()
        again = windows + self.random.sample(windows, len(windows) // 3)
        self.random.shuffle(again)
        for at in again:
            world.queue.put(json.dumps(WorkItem(ACCOUNT, REGION, CLUSTER, at).document()), CLUSTER)
        for number in range(4 + self.length, 8 + self.length):
            world.quarter(number)

    @property
    def told(self) -> Counter[str]:
        """How often people heard which kind of news of the node."""
        lines = (line for lines in self.world.told.values() for line in lines)
        return Counter(line.split()[0] for line in lines if " i-1/" in line)


@pytest.mark.parametrize("kind", KINDS)
def test_an_hours_fault_inside_an_outage_is_told_once(kind: str, figures: Figures) -> None:
    for seed in range(EXAMPLES):
        outage = Outage(seed, kind)
        outage.passes()
        outage.is_made_up_for()
        assert outage.told["resolved"] == 1, (kind, seed)
        assert outage.told["opened"] <= 1, (kind, seed)
        assert outage.world.state.missed == (), (kind, seed)
        assert outage.world.audience.believes_open == set(outage.world.open) == set(), (kind, seed)
        figures.incidents_inside_outages += 1
