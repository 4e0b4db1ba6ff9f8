"""Measures detection on simulated nodes: the share of faults found, the delay, and the false alarms.

    make bench ARGS=detection            # an hour; writes detection.json and detection.txt beside this file
    make bench ARGS="detection --quick"  # minutes: one node of a kind, one rate, one mix; writes nothing

Nodes are simulated by `tests/fakes/node_life.py`, which shares no formula with the product. Each is judged
window by window with the deployed code, with the devices of every node read.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Final

from enigap.core.counting.units import ByteRate
from tests.detection.judging import judge_window
from tests.fakes.detection_runs import BUSY_ENIS, CONVENTIONS, HEALTHY, WHAT_IFS, Played, run
from tests.fakes.node_life import Mishap, Mix, Pattern, Wrong

HERE: Final = Path(__file__).parent
SCHEMA: Final = "enigap.detection/1"
NOT_BEFORE: Final = timedelta(hours=1)
"""A fault begins at least this long after its node started: a healthy past must not hide it."""
RATES: Final = (ByteRate(1e6), ByteRate(10e6), ByteRate(100e6))
SIZES: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
FAULTS: Final = (
    *(Mishap(Wrong.DEFICIT, share, NOT_BEFORE) for share in SIZES),
    *(Mishap(Wrong.EXCESS, share, NOT_BEFORE) for share in SIZES),
    Mishap(Wrong.MOVED, 0.3, NOT_BEFORE),
    Mishap(Wrong.MOVED, 1.0, NOT_BEFORE),
    Mishap(Wrong.RECEIVE_DROPS, 0.2, NOT_BEFORE),
    Mishap(Wrong.TRANSMIT_DROPS, 0.2, NOT_BEFORE),
    Mishap(Wrong.UNITS, 1 / 8, NOT_BEFORE),
)
ASSUMED: Final = ("nothing is known, no event lost", "nothing is known")
"""The circumstances in which every fault is simulated: a lost event splits the comparable time in two. In the
other circumstances one fault is simulated."""
ELSEWHERE: Final = Mishap(Wrong.DEFICIT, 0.2, NOT_BEFORE)


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of simulated nodes, and their number."""

    played: Played
    nodes: int
    hours: float


@dataclass(frozen=True, slots=True)
class Counted:
    """The results of the nodes of a cell."""

    nodes: int
    healthy_windows: int
    false_alarms: int
    nodes_with_false_alarms: int
    opposite_alarms: int
    found_after_hours: tuple[float, ...]
    """The delays of the faults that were found."""
    faulty_windows: int
    quiet_windows: int
    """Windows without a finding after a fault was found and while it lasted."""


def cells(*, quick: bool) -> Iterator[Cell]:
    """All cells: healthy nodes in all circumstances, and every fault under the assumptions about EC2."""
    mixes, rates = ((Mix.MIXED,), RATES[1:2]) if quick else (tuple(Mix), RATES)
    healthy, faulty = (1, 1) if quick else (10, 4)
    for what_if, pattern, mix in product(WHAT_IFS, Pattern, mixes):
        yield Cell(Played(pattern, mix, what_if=what_if), healthy, 24.0)
        if what_if not in ASSUMED:
            yield Cell(Played(pattern, mix, what_if=what_if, mishap=ELSEWHERE), faulty, 13.0)
    for what_if, fault, pattern, mix, rate in product(ASSUMED, FAULTS, Pattern, mixes, rates):
        yield Cell(Played(pattern, mix, rate, what_if, fault), faulty, 13.0)


def count(cell: Cell, number: int) -> Counted:
    """Simulate and judge the nodes of a cell; no two cells share a random seed."""
    outcomes = [
        run(judge_window, cell.played, 1000 * number + node, cell.hours) for node in range(cell.nodes)
    ]
    return Counted(
        nodes=len(outcomes),
        healthy_windows=sum(o.healthy_windows for o in outcomes),
        false_alarms=sum(len(o.false_alarms) for o in outcomes),
        nodes_with_false_alarms=sum(bool(o.false_alarms) for o in outcomes),
        opposite_alarms=sum(len(o.opposite_alarms) for o in outcomes),
        found_after_hours=tuple(o.found_after / timedelta(hours=1) for o in outcomes if o.found_after),
        faulty_windows=sum(o.faulty_windows for o in outcomes),
        quiet_windows=sum(o.quiet_windows for o in outcomes),
    )


Results = Sequence[tuple[Played, Counted]]


def measured(*, quick: bool) -> Results:
    """The results of all cells, computed on all CPUs."""
    todo = list(cells(quick=quick))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        done: list[tuple[Played, Counted]] = []
        for cell, counted in zip(todo, pool.map(count, todo, range(len(todo)), chunksize=4), strict=True):
            done.append((cell.played, counted))
            if len(done) % 200 == 0:
                sys.stderr.write(f"{len(done):,} of {len(todo):,} kinds of nodes\n")
    return done


def document(results: Results) -> dict[str, Any]:
    """The content of `detection.json`: the results of each kind of node."""
    kinds = []
    for played, counted in results:
        kind: dict[str, Any] = {
            "what_if": played.what_if,
            "pattern": played.pattern,
            "mix": played.mix,
            "bytes_per_second": played.rate.bytes_per_second,
        }
        if played.mishap is not None:
            kind["fault"] = {"kind": played.mishap.wrong, "share": played.mishap.share}
        kinds.append(kind | asdict(counted))
    return {"schema": SCHEMA, "kinds": kinds}


def text(results: Results) -> str:
    """The content of `detection.txt`: the same results as tables."""
    blocks = [_false_alarms(results)]
    blocks += [_found(results, what_if) for what_if in ASSUMED]
    blocks.append(_elsewhere(results))
    return "\n\n".join(blocks)


def _false_alarms(results: Results) -> str:
    lines = [f"{'Healthy nodes':<36}{'nodes':>8}{'node-windows':>14}{'false alarms':>14}{'on nodes':>10}"]
    for what_if in (*HEALTHY, *BUSY_ENIS, *CONVENTIONS):
        healthy = [c for p, c in results if p.what_if == what_if and p.mishap is None]
        lines.append(
            f"{what_if:<36}{sum(c.nodes for c in healthy):>8,}{sum(c.healthy_windows for c in healthy):>14,}"
            f"{sum(c.false_alarms for c in healthy):>14,}"
            f"{sum(c.nodes_with_false_alarms for c in healthy):>10,}"
        )
    return "\n".join(lines)


def _found(results: Results, what_if: str) -> str:
    """The share of faulty nodes found within 12 hours, and the median hours it took."""
    found: dict[tuple[Mishap, Pattern], list[Counted]] = defaultdict(list)
    for played, counted in results:
        if played.what_if == what_if and played.mishap is not None:
            found[played.mishap, played.pattern].append(counted)
    names = [f"{fault.wrong} {fault.share:.3g}" for fault in FAULTS]
    lines = [f"Found within 12 h, and after how many hours at the median: {what_if}"]
    lines += [f"{'':<24}" + "".join(f"{pattern.name.lower():>12}" for pattern in Pattern)]
    for name, fault in zip(names, FAULTS, strict=True):
        lines.append(f"{name:<24}" + "".join(f"{_share(found[fault, p]):>12}" for p in Pattern))
    quiet = sum(c.quiet_windows for several in found.values() for c in several)
    lasting = sum(c.faulty_windows for several in found.values() for c in several)
    opposite = sum(c.opposite_alarms for several in found.values() for c in several)
    lines.append(
        f"quiet windows after a fault was found: {quiet:,} of {lasting:,}; opposite verdicts: {opposite:,}"
    )
    return "\n".join(lines)


def _elsewhere(results: Results) -> str:
    lines = [f"{ELSEWHERE.wrong} {ELSEWHERE.share:.0%} found within 12 h, and its median hours"]
    for what_if in WHAT_IFS:
        faulty = [c for p, c in results if p.what_if == what_if and p.mishap == ELSEWHERE]
        lines.append(f"{what_if:<36}{_share(faulty):>12}")
    return "\n".join(lines)


def _share(counted: Iterable[Counted]) -> str:
    several = list(counted)
    hours = [hours for c in several for hours in c.found_after_hours if hours <= 12]
    nodes = sum(c.nodes for c in several)
    if not nodes:
        return "-"
    return f"{len(hours) / nodes:.0%} {median(hours):.1f}" if hours else "0%"


def main(*, quick: bool) -> None:
    """Measure, print, and write the files unless `quick`."""
    results = measured(quick=quick)
    tables = text(results)
    if not quick:
        (HERE / "detection.json").write_text(json.dumps(document(results), indent=1) + "\n", encoding="utf-8")
        (HERE / "detection.txt").write_text(tables + "\n", encoding="utf-8")
    sys.stdout.write(f"\n{tables}\n")
