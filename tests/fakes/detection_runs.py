"""Plays the lives of nodes through a judgement, window by window, and counts what it made of them.

    outcome = run(judge_window, Played(Pattern.CRON_5, Mix.PODS, what_if="nothing is known"), seed=7)
    assert not outcome.alarms

What judges is plugged in: anything that names the unexplained verdicts of one window of one life.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol

from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import Window
from enigap.core.judging.verdict import Verdict
from tests.fakes.node_life import Churn, Enis, Frames, Mishap, Mix, NodeLife, Pattern, Ways, Wrong
from tests.fakes.node_simulator import Ec2

MINUTE: Final = timedelta(minutes=1)


class JudgeWindow(Protocol):
    """Says what is unexplained in one window of a life. The windows of a life come in the order of time."""

    def __call__(self, life: NodeLife, window: Window, /) -> Collection[Verdict]: ...


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


@dataclass
class Outcome:
    """What came of one life."""

    life: NodeLife
    healthy_windows: int = 0
    """Judged before anything was wrong."""
    false_alarms: list[Alarm] = field(default_factory=list)
    faulty_windows: int = 0
    """Judged from then on: they end after it began."""
    true_alarms: list[Alarm] = field(default_factory=list)
    opposite_alarms: list[Alarm] = field(default_factory=list)
    """Of faulty windows, naming the other side."""

    @property
    def is_faulty(self) -> bool:
        return self.life.mishap is not None

    @property
    def found_after(self) -> timedelta | None:
        """From the beginning of what is wrong to the end of the first window that tells of it."""
        since = self.life.wrong_since
        if since is None or not self.true_alarms:
            return None
        return self.true_alarms[0].window.end - since

    def found_within(self, limit: timedelta) -> bool:
        return self.found_after is not None and self.found_after <= limit

    @property
    def quiet_windows(self) -> int:
        """Of the windows after the first true alarm those that told nothing, although it lasted."""
        if not self.true_alarms:
            return 0
        first = self.true_alarms[0].window.end
        after = sum(1 for window in self.life.windows() if window.end >= first)
        return after - len({alarm.window for alarm in self.true_alarms})


def run(judge: JudgeWindow, played: Played, seed: int, hours: float = 6.0) -> Outcome:
    """One life, window by window."""
    life = played.life(seed, hours)
    outcome = Outcome(life)
    expected = verdicts_of(life.mishap)
    for window in life.windows():
        alarms = [Alarm(window, verdict) for verdict in judge(life, window)]
        if _is_healthy(life.wrong_since, window):
            outcome.healthy_windows += 1
            outcome.false_alarms += alarms
        else:
            outcome.faulty_windows += 1
            outcome.true_alarms += [alarm for alarm in alarms if alarm.verdict in expected]
            outcome.opposite_alarms += [alarm for alarm in alarms if alarm.verdict not in expected]
    return outcome


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
