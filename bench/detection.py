"""Measures detection on simulated nodes: the share of faults found, the delay, and the false alarms.

    make bench ARGS=detection                # hours; writes detection.json and the figures in docs/
    make bench ARGS="detection --nodes 1"    # fewer nodes of each kind (the default is 20)
    make bench ARGS="detection --minutes 60" # a random part of the kinds
    make bench ARGS="detection --quick"      # minutes: half of the kinds, one node of each; writes nothing

Nodes are simulated by `tests/fakes/node_life.py`, which shares no formula with the product. Each is judged
window by window with the deployed code and its defaults, and its incidents open and resolve as they would in
AWS. `detection_report.py` makes tables of the result.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Final

from bench import detection_report
from bench.looking import milliseconds_a_look
from enigap.core.counting.units import ByteRate
from tests.detection.judging import judge_life
from tests.fakes.detection_runs import BUSY_ENIS, HEALTHY, Outcome, Played, outcome_of
from tests.fakes.node_life import Frames, Mishap, Mix, NodeLife, Pattern, Wrong

HERE: Final = Path(__file__).parent
SCHEMA: Final = "enigap.detection/1"
HOUR: Final = timedelta(hours=1)
NOT_BEFORE: Final = HOUR
"""A fault begins so long after its node started: a healthy past must not hide it."""
LASTING: Final = 12.5 * HOUR
AFTERWARDS: Final = 3 * HOUR
"""A node is watched for so long after its fault ended: its incident resolves, and must stay so."""
SIZES: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
LARGE: Final = 0.2
"""Faults of less than this share are simulated with frames of 1,200 B or more, from 10 MB/s."""
FAULTS: Final = tuple(
    Mishap(wrong, share, NOT_BEFORE, LASTING)
    for wrong, share in (
        *product((Wrong.DEFICIT, Wrong.EXCESS), SIZES),
        (Wrong.MOVED, 0.3),
        (Wrong.MOVED, 1.0),
        (Wrong.RECEIVE_DROPS, 0.2),
        (Wrong.TRANSMIT_DROPS, 0.2),
    )
)
ASSUMED: Final = ("nothing is known, no event lost", "nothing is known")
"""The circumstances in which every fault is simulated: a lost event splits the comparable time in two. In the
other circumstances one fault is simulated."""
CIRCUMSTANCES: Final = (*HEALTHY, *BUSY_ENIS)
"""Without those in which EC2 counts otherwise by design: they are judged by what a cluster's nodes share, and
tests/detection/test_conventions.py plays whole clusters."""
ELSEWHERE: Final = Mishap(Wrong.DEFICIT, 0.2, NOT_BEFORE, LASTING)


@dataclass(frozen=True, slots=True)
class Kind:
    """Nodes that share their circumstances, their shape of traffic and their fault."""

    what_if: str
    pattern: Pattern
    fault: Mishap | None = None

    def life(self, number: int, of: int) -> NodeLife:
        """One of so many nodes of the kind: mixes take turns, rates and frames are drawn."""
        random = Random(f"{self} {number}")  # noqa: S311
        is_small = self.fault is not None and self.fault.share < LARGE
        rates: tuple[float, ...] = (1e6, 10e6, 100e6)
        if self.fault is not None and is_small:
            rates = (30e6, 100e6) if self.fault.wrong is Wrong.EXCESS else (10e6, 30e6, 100e6)
        frames = Frames(random.choice([1448, 8949]), random.choice([5, 7]), random.choice([0, 8]))
        start = of * list(Pattern).index(self.pattern)
        mix = tuple(Mix)[(start + number) % len(Mix)]
        hours = 24 * HOUR if self.fault is None else NOT_BEFORE + LASTING + AFTERWARDS
        played = Played(
            self.pattern,
            mix,
            ByteRate(random.choice(rates)),
            self.what_if,
            self.fault,
            frames if is_small else None,
        )
        return played.life(random.randrange(10**9), hours / HOUR)


@dataclass(frozen=True, slots=True)
class Healthy:
    """What was made of the nodes of a kind without a fault."""

    nodes: int
    node_windows: int
    false_alarms: int
    """Windows with an unexplained verdict."""
    false_incidents: int
    nodes_with_false_alarms: int


@dataclass(frozen=True, slots=True)
class Faulty:
    """What was made of one node with a fault."""

    bytes_per_frame: int
    """Of the direction with the smaller frames."""
    found_after_hours: float | None
    incidents: int
    resolved_too_early: int
    """Incidents that resolved while the fault lasted."""
    reopened: int
    """Incidents that opened within an hour of one that resolved."""
    resolved_after_hours: float | None
    """From the end of the fault."""
    opposite: int
    """Windows whose verdict named the other side."""
    false_before: int
    """Windows with an unexplained verdict before the fault began."""
    healthy_windows: int


def kinds(*, quick: bool) -> Iterator[Kind]:
    """Healthy nodes in all circumstances, and every fault under the assumptions about EC2."""
    patterns = tuple(Pattern)[::2] if quick else tuple(Pattern)
    for what_if, pattern in product(CIRCUMSTANCES, patterns):
        yield Kind(what_if, pattern)
    for what_if, pattern in product(CIRCUMSTANCES, patterns[::3]):
        if what_if not in ASSUMED:
            yield Kind(what_if, pattern, ELSEWHERE)
    for what_if, fault, pattern in product(ASSUMED, FAULTS, patterns):
        yield Kind(what_if, pattern, fault)


def measured_kind(kind: Kind, nodes: int) -> Healthy | list[Faulty]:
    """Simulate and judge so many nodes of a kind, or twice as many without a fault."""
    if kind.fault is None:
        nodes *= 2
    outcomes = (outcome_of(kind.life(number, nodes), judge_life) for number in range(nodes))
    if kind.fault is not None:
        return [_faulty(outcome) for outcome in outcomes]
    all_of_them = list(outcomes)
    return Healthy(
        nodes,
        sum(o.healthy_windows for o in all_of_them),
        sum(len(o.false_alarms) for o in all_of_them),
        sum(len(o.false_incidents) for o in all_of_them),
        sum(bool(o.false_alarms) for o in all_of_them),
    )


def _faulty(outcome: Outcome) -> Faulty:
    return Faulty(
        round(outcome.life.bytes_per_frame),
        _hours(outcome.found_after),
        len(outcome.incidents),
        outcome.resolved_too_early,
        outcome.reopened,
        _hours(outcome.resolved_after),
        len(outcome.opposite_alarms),
        len(outcome.false_alarms),
        outcome.healthy_windows,
    )


def _hours(delay: timedelta | None) -> float | None:
    return None if delay is None else round(delay / HOUR, 2)


Results = Sequence[tuple[Kind, Healthy | list[Faulty]]]


def measured(nodes: int, minutes: float, *, quick: bool) -> Results:
    """The results of all kinds, or of a random part of them where the time does not suffice, on all CPUs."""
    todo = list(kinds(quick=quick))
    order = Random(1).sample(range(len(todo)), len(todo))  # noqa: S311
    done: dict[int, Healthy | list[Faulty]] = {}
    end = time.monotonic() + 60 * minutes
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(measured_kind, [todo[number] for number in order], [nodes] * len(todo))
        for number, result in zip(order, results, strict=True):
            done[number] = result
            if len(done) % 50 == 0:
                sys.stderr.write(f"{len(done):,} of {len(todo):,} kinds of nodes\n")
            if time.monotonic() > end:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    return [(todo[number], done[number]) for number in sorted(done)]


def document(results: Results, looks: dict[str, float]) -> dict[str, Any]:
    """The content of `detection.json`."""
    healthy: list[dict[str, Any]] = []
    faulty: list[dict[str, Any]] = []
    for kind, result in results:
        about: dict[str, Any] = {"what_if": kind.what_if, "shape": kind.pattern.value}
        if isinstance(result, Healthy):
            healthy.append(about | asdict(result))
        elif kind.fault is not None:
            about |= {"fault": kind.fault.wrong.value, "share": kind.fault.share}
            faulty += [about | asdict(node) for node in result]
    return {
        "schema": SCHEMA,
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "milliseconds_a_look": looks,
        "healthy": healthy,
        "faulty": faulty,
    }


def written(document: dict[str, Any]) -> str:
    """A document as JSON, with a line for each entry of its lists."""
    lines = []
    for name, value in document.items():
        if isinstance(value, list):
            entries = ",\n".join(f"  {json.dumps(entry)}" for entry in value)
            lines.append(f' "{name}": [\n{entries}\n ]')
        else:
            lines.append(f' "{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(nodes: int, minutes: float, *, quick: bool) -> None:
    """Measure, print, and write the files unless `quick`."""
    result = document(measured(1 if quick else nodes, minutes, quick=quick), milliseconds_a_look())
    if not quick:
        (HERE / "detection.json").write_text(written(result), encoding="utf-8")
        detection_report.write()
    sys.stdout.write(f"\n{detection_report.tables(result)}\n")
