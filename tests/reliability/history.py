"""A world with an oracle beside it, that knows what really happened and nothing of how it is judged.

Four rules say which incidents must be open, and which may be:

* a node opens one when it was in the same trouble in a window and the one before, by what can be seen;
* one that the totals found ends when the node was fine in both, or is gone;
* one that the devices found ends later, when a clean hour has been seen: until then it may be open, and so it
  may be after a single window of trouble, whose bytes the following hours still hold;
* otherwise nothing changes: neither silence nor failure is news.

One that came back twice stays open for a while longer: the tests of flapping say for how long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import count
from typing import Final

from enigap.core.counting.window import MINUTE, PERIOD, Window
from enigap.core.incidents.decide import due
from enigap.core.incidents.incident import ClusterState, Policy
from enigap.core.incidents.state import read_json
from enigap.core.work import WorkItem
from tests.fakes.pipeline_ports import CLUSTER, window
from tests.fakes.strict_cloudwatch import ALWAYS, matching
from tests.reliability.fleet import plain_worker
from tests.reliability.lives import HEALTHY, Rates
from tests.reliability.services import ACCOUNT, REGION, refusal
from tests.reliability.world import World

# --- what nodes do, and what is true of it


class Truth(Enum):
    """What somebody who knows everything says about a node's window."""

    FINE = "fine"
    TROUBLE = "trouble"
    UNKNOWABLE = "unknowable"
    FINE_BY_ITS_DEVICES = "fine, as its devices show"
    TROUBLE_BY_ITS_DEVICES = "trouble, as its devices show"

    def seen(self, *, with_devices: bool) -> Truth:
        """What can be seen of it."""
        if self in BY_DEVICES and not with_devices:
            return Truth.UNKNOWABLE
        return {
            Truth.FINE_BY_ITS_DEVICES: Truth.FINE,
            Truth.TROUBLE_BY_ITS_DEVICES: Truth.TROUBLE,
        }.get(self, self)


BY_DEVICES: Final = {Truth.FINE_BY_ITS_DEVICES, Truth.TROUBLE_BY_ITS_DEVICES}


@dataclass(frozen=True)
class Play:
    """A window of a node: what is published about it, and what is true of it."""

    name: str
    rates: Rates
    truth: Truth
    verdict: str = ""
    """Of trouble."""
    interrupts: bool = False
    """Whether there are no usable totals, so that neighbouring windows lose a period each."""
    is_absurd: bool = False
    """Whether a single period of it says enough."""

    def __repr__(self) -> str:
        return self.name


def _devices(received: float, sent: float, inside: float = 0.0) -> Mapping[str, tuple[float, float]]:
    pods = {"eni00000000001": (inside / 2, 0.0), "eni00000000002": (0.0, inside / 2)} if inside else {}
    return {"eth0": (received, sent), **pods}


PLAYS: Final = (
    Play("pods talk to other nodes", HEALTHY, Truth.FINE),
    Play("the node itself does", Rates(10e6, 6e6, 4e6, _devices(6e6, 4e6)), Truth.FINE),
    Play("hardly anything", Rates(1e3, 400.0, 500.0, _devices(500.0, 500.0)), Truth.FINE),
    Play(
        "pods talk to each other", Rates(45e6, 5e6, 5e6, _devices(5e6, 5e6, 35e6)), Truth.FINE_BY_ITS_DEVICES
    ),
    Play("a moved interface", Rates(2e6, 6e6, 4e6, _devices(1e6, 1e6)), Truth.TROUBLE, "os_deficit"),
    Play("an agent that reads nothing", Rates(0.0, 6e6, 4e6, {"": (0.0, 0.0)}), Truth.TROUBLE, "os_deficit"),
    Play("an agent that is down", Rates(None, 6e6, 4e6), Truth.TROUBLE, "os_silent", interrupts=True),
    Play(
        "a counter that wraps",
        Rates(3e17, 6e6, 4e6, _devices(3e17, 4e6)),
        Truth.TROUBLE,
        "implausible",
        interrupts=True,
    ),
    Play(
        "EC2 out of its mind",
        Rates(18e6, 9e12, 9e12, HEALTHY.devices),
        Truth.TROUBLE,
        "implausible",
        is_absurd=True,
    ),
    Play(
        "drops on transmit",
        Rates(45e6, 5e6, 5e6, _devices(5e6, 40e6)),
        Truth.TROUBLE_BY_ITS_DEVICES,
        "os_excess",
    ),
    Play("EC2 is silent", Rates(18e6, None, 0.0, HEALTHY.devices), Truth.UNKNOWABLE),
    Play("nobody reports", Rates(None, None, 0.0), Truth.UNKNOWABLE, interrupts=True),
)
QUIET: Final = PLAYS[0]


@dataclass
class Script:
    """What one node does, window by window."""

    plays: dict[Window, Play] = field(default_factory=dict)
    launched_at: datetime | None = None

    def rates(self, at: Window) -> Rates:
        return self.plays.get(at, QUIET).rates

    def truth(self, at: Window, *, with_devices: bool) -> Truth:
        """A window has three periods, and two it takes. Each is lost that touches a minute without a usable
        total, or without device events where these decide: one for each neighbour of that kind, and those
        that were over before the node was launched.
        """
        play = self.plays.get(at, QUIET)
        if self.launched_at is not None and at.start + PERIOD <= self.launched_at:
            return Truth.UNKNOWABLE
        is_cut = self.launched_at is not None and at.start < self.launched_at
        is_lost = self._lacks_events if play.truth in BY_DEVICES else self._lacks_totals
        loses_two = is_lost(at.previous()) and is_lost(at.next())
        is_compared = not play.interrupts and not play.is_absurd
        if (is_cut and play.interrupts) or (loses_two and (is_cut or is_compared)):
            return Truth.UNKNOWABLE
        return play.truth.seen(with_devices=with_devices)

    def seen(self, at: Window, *, with_devices: bool) -> str:
        """The verdict of the trouble a window is in; else what is true of it."""
        truth = self.truth(at, with_devices=with_devices)
        return self.plays[at].verdict if truth is Truth.TROUBLE else truth.value

    def _lacks_totals(self, at: Window) -> bool:
        was_not_there = self.launched_at is not None and at.end - MINUTE < self.launched_at
        return was_not_there or self.plays.get(at, QUIET).interrupts

    def _lacks_events(self, at: Window) -> bool:
        return self._lacks_totals(at) or "eth0" not in self.plays.get(at, QUIET).rates.devices


# --- the oracle


VERDICTS: Final = {play.verdict for play in PLAYS if play.verdict}
FOUND_BY_DEVICES: Final = {"os_deficit", "os_excess"}
"""Verdicts that devices find, and whose bytes the comparison of the following hours still holds."""

CLEAN_WINDOWS: Final = 7
"""After so many that are fine, and that devices showed, no incident is open: a clean hour, and its
edges. Each may take a window: what is compared begins and ends where events do.
"""


LOOK_BACK_WINDOWS: Final = 20
"""Fewer than `look_back_hours` has: a window is lost where nothing was planned."""


@dataclass
class Oracle:
    """Which nodes must be in an open incident, and whether CloudWatch must be known as unreadable."""

    scripts: dict[str, Script]
    troubled: set[str] = field(default_factory=set)
    """Nodes that must be in an open incident."""
    lately: set[str] = field(default_factory=set)
    """Nodes that may be."""
    by_devices: set[str] = field(default_factory=set)
    """Those of them whose devices may have been in the incident."""
    unread_in_a_row: int = 0

    def decide(self, at: Window, present: set[str], unreadable: set[str], *, with_devices: bool) -> None:
        """A window was decided, with these nodes there, and these of them that could not be read."""
        if present and unreadable >= present:
            self.unread_in_a_row += 1
            return
        self.unread_in_a_row = 0
        self.troubled &= present
        self.lately &= present
        self.by_devices &= present
        for node in present - unreadable:
            windows = [at.previous(number) for number in range(LOOK_BACK_WINDOWS)]
            back = [self.scripts[node].seen(each, with_devices=with_devices) for each in windows]
            seen = back[:CLEAN_WINDOWS]
            if FOUND_BY_DEVICES & set(back):
                self.by_devices.add(node)
            elif node in self.by_devices:
                self.by_devices.discard(node)
                self.troubled.discard(node)  # its devices have not shown it for six hours
            trouble = [each for each in seen if each in VERDICTS]
            if trouble:
                self.lately.add(node)
            if len(set(seen[:2])) == 1 and seen[0] in trouble and self._is_plain(seen[0], trouble):
                self.troubled.add(node)
            elif len(set(trouble)) > 1:
                self.troubled.discard(node)  # which of them is told hangs on which is worse
            elif seen[:2] == [Truth.FINE.value] * 2:
                self.troubled.discard(node)
                if with_devices and seen == [Truth.FINE.value] * CLEAN_WINDOWS:
                    self.lately.discard(node)

    def _is_plain(self, verdict: str, lately: list[str]) -> bool:
        """Whether nothing else that devices find could be taken for the worse of the last hour."""
        return verdict not in FOUND_BY_DEVICES or not FOUND_BY_DEVICES & set(lately) - {verdict}

    @property
    def is_blind(self) -> bool:
        return self.unread_in_a_row >= 2


def decided_with(before: str, after: ClusterState) -> list[Window]:
    """The newest window of a state, and before it the missed ones that were decided with it."""
    assert after.done is not None
    known = read_json(before)[0] if before else ClusterState(after.cluster)
    missed = {*known.missed, *due(known, after.done, Policy())} - {*after.missed, after.done}
    return [*sorted(missed), after.done]


# --- a history

ANCHOR: Final = "i-anchor"
NODES: Final = ("i-1", "i-2", "i-3")

FAULTS: Final[Mapping[str, Callable[[World], None]]] = {
    "CloudWatch throttles": lambda world: world.cloudwatch.faults.throttle("GetMetricData", times=ALWAYS),
    "EC2 does not answer": lambda world: world.ec2.denied.add("DescribeInstances"),
    "one node cannot be read": lambda world: world.cloudwatch.faults.partial_data(matching(InstanceId="i-1")),
    "the logs are denied": lambda world: world.process.failures.update(
        {"logs.filter_log_events": refusal("AccessDeniedException", "FilterLogEvents", status=403)}
    ),
    "SNS is down": lambda world: world.process.failures.update(
        {"sns.publish": refusal("InternalError", "Publish", status=500)}
    ),
    "nothing can be written down": lambda world: world.process.failures.update(
        {"dynamodb.put_item": refusal("InternalServerError", "PutItem", status=500)}
    ),
    "nothing can be published": lambda world: world.cloudwatch.faults.server_error(
        "PutMetricData", times=ALWAYS
    ),
    "the schedule gets lost": lambda world: setattr(world, "is_scheduled", False),
}
BLINDING: Final = {"CloudWatch throttles", "EC2 does not answer"}


class History:
    """A small cluster, one node of which is always well, and what happens to it quarter by quarter."""

    def __init__(self) -> None:
        self.scripts = {name: Script() for name in (ANCHOR, *NODES)}
        self.world = World(*(plain_worker(name, script.rates) for name, script in self.scripts.items()))
        self.oracle = Oracle(self.scripts)
        self.number = 0
        """Of the window that is judged next."""
        self._faults: dict[int, set[str]] = {}
        self._kill_at: int | None = None
        self._names = count(1)

    # --- what happens

    def plays(self, node: str, play: Play, windows: int) -> None:
        """From the next window that has not begun yet, a node does something for a while."""
        for number in range(self.number + 1, self.number + 1 + windows):
            self.scripts[node].plays[window(number)] = play
        for worker in self.world.fleet.called(node):
            worker.forget()

    def fails(self, fault: str, windows: int) -> None:
        for number in range(self.number, self.number + windows):
            self._faults.setdefault(number, set()).add(fault)

    def is_killed(self, point: int) -> None:
        """In the next quarter, at this of its points, if there are so many."""
        self._kill_at = point

    def is_terminated(self, node: str) -> None:
        for worker in self.world.fleet.called(node):
            worker.gone_at = min(worker.gone_at or window(self.number).end, window(self.number).end)

    def is_launched(self, minute: int) -> str:
        """A new node, so many minutes into the next window; its name."""
        name = f"i-new{next(self._names):04}"
        at = window(self.number + 1).start + timedelta(minutes=minute)
        self.scripts[name] = Script(launched_at=at)
        self.world.fleet.workers.append(plain_worker(name, self.scripts[name].rates, launched_at=at))
        return name

    def is_planned_again(self, back: int) -> None:
        """A window that was planned before."""
        if self.number > back:
            item = WorkItem(ACCOUNT, REGION, CLUSTER, window(self.number - 1 - back))
            self.world.queue.put(json.dumps(item.document()), CLUSTER)

    def is_redriven(self) -> None:
        self.world.queue.redrive()

    def recovers(self) -> None:
        """From here on everything works."""
        self._faults.clear()
        self._kill_at = None

    # --- what follows

    def quarter(self) -> None:
        """A quarter of an hour passes; then exactly those incidents are open that must be."""
        world = self.world
        world.works_again()
        world.is_scheduled = True
        faults = self._faults.pop(self.number, set())
        for fault in sorted(faults):
            FAULTS[fault](world)
        world.process.kill_at = None
        if self._kill_at is not None:
            world.process.kill_at = len(world.process.points) + self._kill_at
        world.table.decided.clear()
        world.quarter(self.number)
        for before, after, now in world.table.decided:
            for decided in decided_with(before, read_json(after)[0]):
                self._decide(decided, now, faults)
        self.number, self._kill_at = self.number + 1, None
        self.check()

    def _decide(self, at: Window, now: datetime, faults: set[str]) -> None:
        present = {worker.instance_id for worker in self.world.fleet.workers if worker.runs_at(now)}
        unreadable = present if faults & BLINDING else set()
        if "one node cannot be read" in faults:
            unreadable = unreadable | ({NODES[0]} & present)
        self.oracle.decide(at, present, unreadable, with_devices="the logs are denied" not in faults)

    def check(self) -> None:
        """Those in trouble have an open incident, and once nothing is left to say people know it."""
        world = self.world
        findings = {about for about in world.open if about.startswith("*")}
        nodes = {about.split("/")[0] for about in world.open.keys() - findings}
        held = {about for about, incident in world.open.items() if incident.calm_since is not None}
        if self.oracle.unread_in_a_row:  # a single time does not open it, and ends its calm
            held |= {about for about in findings if world.open[about].returns >= 2}
        held_nodes = {about.split("/")[0] for about in held}
        assert self.oracle.troubled <= nodes <= self.oracle.troubled | self.oracle.lately | held_nodes
        blind = {"*/unreadable"} if self.oracle.is_blind else set()
        assert blind <= findings <= blind | held
        if self.nothing_is_left:
            assert world.audience.believes_open == set(world.open)

    @property
    def nothing_is_left(self) -> bool:
        """Whether all is done and all is said."""
        return not self.world.state.outbox and not self.world.queue.messages

    def forget(self) -> None:
        """Let go of what is over, as a world that goes on for weeks must."""
        self.world.forget()
        gone = {name for name in self.scripts if not self.world.fleet.called(name)}
        for name in gone:
            del self.scripts[name]
        for script in self.scripts.values():
            script.plays = {at: play for at, play in script.plays.items() if at > window(self.number - 20)}
