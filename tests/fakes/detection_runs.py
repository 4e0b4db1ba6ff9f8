"""Plays the lives of nodes through a judgement, window by window, and counts what it made of them.

    outcome = run(judge_life, Played(Pattern.CRON_5, Mix.PODS, what_if="nothing is known"), seed=7)
    assert not outcome.false_alarms

What judges is plugged in: anything that says what it makes of each window of a life.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Final, Protocol

from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import Window
from enigap.core.judging.verdict import Verdict
from tests.fakes.node_life import Churn, Enis, Frames, Mishap, Mix, NodeLife, Pattern, Ways, Wrong
from tests.fakes.node_simulator import Ec2

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What was made of one window, and which incidents began and ended with it."""

    window: Window
    unexplained: Verdict | None = None
    opened: Sequence[str] = ()
    """Verdicts of incidents."""
    resolved: Sequence[str] = ()


class JudgeLife(Protocol):
    """Judges a life window by window, in the order of time."""

    def __call__(self, life: NodeLife, /) -> Iterable[Told]: ...


class _Drawn(Protocol):
    def __call__(self, random: Random, /) -> Ways: ...


def _offset(random: Random) -> Ways:
    return Ways(ec2=Ec2(timedelta(seconds=random.uniform(-60, 60))))


def _skew(random: Random) -> Ways:
    return Ways(clock_skew=timedelta(seconds=random.uniform(-3, 3)))


def _churn(churn: Churn) -> _Drawn:
    return lambda random: Ways(churn=churn, every=random.choice([10, 30, 120]) * MINUTE)


def _crashes(random: Random) -> Ways:
    up, down = random.choice([(300, 60), (240, 20), (200, 100), (120, 10), (600, 60), (3600, 60)])
    return Ways(up=timedelta(seconds=up), down=timedelta(seconds=down))


HEALTHY: Final[Mapping[str, _Drawn]] = {
    "as documented": lambda _: Ways(),
    "nothing is known": Ways.unknown,
    "nothing is known, no event lost": lambda random: replace(Ways.unknown(random), lost=0.0),
    "EC2 up to 60 s off": _offset,
    "clock up to 3 s off": _skew,
    "IP bytes only": lambda _: Ways(ec2=Ec2(bytes_per_frame=-14.0)),
    "preamble and gap counted": lambda _: Ways(ec2=Ec2(bytes_per_frame=24.0)),
    "downloads, IP bytes only": lambda _: Ways(received=1.0, ec2=Ec2(bytes_per_frame=-14.0)),
    "downloads, preamble and gap counted": lambda _: Ways(received=1.0, ec2=Ec2(bytes_per_frame=24.0)),
    "uploads, nothing is known": lambda random: replace(Ways.unknown(random), received=0.0),
    "packets before segmentation": lambda _: Ways(ec2=Ec2(counts_device_packets=True)),
    "merged before counting": lambda _: Ways(merges_after_counting=False),
    "30 s interval": lambda _: Ways(interval=timedelta(seconds=30)),
    "two agents": lambda _: Ways(agents=2),
    "pods under the same names": _churn(Churn.SAME_NAMES),
    "pods under new names": _churn(Churn.NEW_NAMES),
    "agent restarts": _crashes,
    "idle ENI comes and goes": lambda _: Ways(enis=Enis.IDLE),
    "launched and terminated": lambda _: Ways(is_launched=True),
}
"""Circumstances in which no counting is wrong and nothing may be told."""

BUSY_ENIS: Final[Mapping[str, _Drawn]] = {"busy ENI comes and goes": lambda _: Ways(enis=Enis.BUSY)}
"""An ENI that lived within two samples cannot be seen; so this may be wrong, hardly ever."""

CONVENTIONS: Final[Mapping[str, _Drawn]] = {
    "resolver left out": lambda random: Ways(resolver=ByteRate(random.uniform(100e3, 500e3))),
    "mirrored traffic counted": lambda _: Ways(mirrored=0.5),
    "EFA counted": lambda random: Ways(efa=ByteRate(random.uniform(0.3e6, 5e6))),
}
"""What EC2 may count otherwise by design; the nodes differ, and nothing is broken."""

WHAT_IFS: Final[Mapping[str, _Drawn]] = {**HEALTHY, **BUSY_ENIS, **CONVENTIONS}


@dataclass(frozen=True, slots=True)
class Played:
    """A kind of node: lives of it differ by their seed."""

    pattern: Pattern
    mix: Mix
    rate: ByteRate = ByteRate(10e6)
    what_if: str = "as documented"
    mishap: Mishap | None = None
    frames: Frames | None = None
    """Of all conversations, where it matters how large they are."""

    def life(self, seed: int, hours: float) -> NodeLife:
        ways = WHAT_IFS[self.what_if](Random(seed))  # noqa: S311
        return NodeLife.drawn(
            seed,
            pattern=self.pattern,
            mix=self.mix,
            rate=self.rate,
            hours=hours,
            ways=ways,
            mishap=self.mishap,
            frames=self.frames,
        )


@dataclass(frozen=True, slots=True)
class Alarm:
    """An unexplained verdict of one window."""

    window: Window
    verdict: Verdict


@dataclass(slots=True)
class Raised:
    """An incident."""

    verdict: str
    opened: datetime
    resolved: datetime | None = None


@dataclass
class Outcome:
    """What came of one life."""

    life: NodeLife
    healthy_windows: int = 0
    """Judged before anything was wrong."""
    false_alarms: list[Alarm] = field(default_factory=list)
    false_incidents: list[Raised] = field(default_factory=list)
    faulty_windows: int = 0
    """Judged while it was wrong: they end after it began."""
    true_alarms: list[Alarm] = field(default_factory=list)
    opposite_alarms: list[Alarm] = field(default_factory=list)
    """Of faulty windows, naming the other side."""
    incidents: list[Raised] = field(default_factory=list)
    """That tell of what is wrong."""

    @property
    def is_faulty(self) -> bool:
        return self.life.mishap is not None

    @property
    def found_after(self) -> timedelta | None:
        """From the beginning of what is wrong to the end of the window whose run tells of it."""
        since = self.life.wrong_since
        return self.incidents[0].opened - since if since and self.incidents else None

    def found_within(self, limit: timedelta) -> bool:
        return self.found_after is not None and self.found_after <= limit

    @property
    def resolved_too_early(self) -> int:
        """Incidents that were resolved although what is wrong lasted."""
        until = self.life.wrong_until
        return sum(each.resolved is not None and each.resolved <= until for each in self.incidents)

    @property
    def resolved_after(self) -> timedelta | None:
        """From the end of what was wrong to the end of the window whose run resolved the last incident."""
        if not self.incidents or (over := self.incidents[-1].resolved) is None:
            return None
        return over - self.life.wrong_until if over > self.life.wrong_until else None

    @property
    def reopened(self) -> int:
        """Incidents that opened within an hour of one that was resolved."""
        return sum(
            before.resolved is not None and after.opened - before.resolved <= HOUR
            for before, after in pairwise(self.incidents)
        )


def run(judge: JudgeLife, played: Played, seed: int, hours: float = 6.0) -> Outcome:
    """One life, window by window."""
    return outcome_of(played.life(seed, hours), judge)


def outcome_of(life: NodeLife, judge: JudgeLife) -> Outcome:
    """What a judgement made of a life."""
    outcome = Outcome(life)
    expected, always_true = verdicts_of(life.mishap), _of_the_agent(life)
    for told in judge(life):
        is_healthy = _is_healthy(life.wrong_since, told.window)
        verdict = None if told.unexplained in always_true else told.unexplained
        alarms = [] if verdict is None else [Alarm(told.window, verdict)]
        if is_healthy:
            outcome.healthy_windows += 1
            outcome.false_alarms += alarms
        elif told.window.end <= life.wrong_until:
            outcome.faulty_windows += 1
            outcome.true_alarms += [alarm for alarm in alarms if alarm.verdict in expected]
            outcome.opposite_alarms += [alarm for alarm in alarms if alarm.verdict not in expected]
        for name in set(told.opened) - always_true:
            is_true = name in expected and not is_healthy
            (outcome.incidents if is_true else outcome.false_incidents).append(Raised(name, told.window.end))
        for name in told.resolved:
            _resolve([*outcome.false_incidents, *outcome.incidents], name, told.window.end)
    return outcome


def _resolve(incidents: Iterable[Raised], verdict: str, at: datetime) -> None:
    for incident in incidents:
        if incident.verdict == verdict and incident.resolved is None:
            incident.resolved = at


def _of_the_agent(life: NodeLife) -> frozenset[str]:
    """The verdicts that are true of a node whose agent restarts again and again."""
    return frozenset({Verdict.OS_SILENT, Verdict.OS_UNSTEADY}) if life.ways.up is not None else frozenset()


def _is_healthy(wrong_since: datetime | None, window: Window) -> bool:
    # A minute's rate, and EC2's minutes, may reach two minutes beyond the end of a window.
    return wrong_since is None or window.end + 2 * MINUTE <= wrong_since


def verdicts_of(mishap: Mishap | None) -> frozenset[Verdict]:
    """Those that tell of what is wrong, and not of its opposite."""
    if mishap is None:
        return frozenset()
    too_much = mishap.wrong in (Wrong.EXCESS, Wrong.TRANSMIT_DROPS) or (
        mishap.wrong is Wrong.UNITS and mishap.share > 1
    )
    return frozenset({Verdict.OS_EXCESS if too_much else Verdict.OS_DEFICIT})
