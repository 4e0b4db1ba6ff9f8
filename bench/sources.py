"""Compares the two sources of the OS's side on simulated nodes: classic events, and OpenTelemetry's counters.

    make bench ARGS=sources             # some minutes; writes sources.json and its tables in docs/
    make bench ARGS="sources --quick"   # 300 nodes; writes nothing

Each node is one life of `tests/detection/both_sources.py`, published in both ways and judged from either by
the deployed code. What must hold of each life is there, too; a life of which it does not hold is told by its
seed.
"""

import json
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench import detection_report
from bench.measure import processor
from tests.detection.both_sources import FAULTS, Difference, judged
from tests.fakes.node_life import Churn

RESULT: Final = Path(__file__).parent / "sources.json"
LIVES: Final = 10_000
QUICK: Final = 300


class Seen(NamedTuple):
    """What was made of one life."""

    seed: int
    difference: Difference
    is_faulty: bool
    proven: tuple[bool, bool]
    """By the classic events, and by the counters."""
    broken: tuple[str, ...]
    holds: tuple[bool | None, bool | None]
    relative_width: float | None
    pods_come_back: bool
    """Under their names: the agent leaves their devices out for minutes."""


def seen(seed: int) -> Seen:
    """One life."""
    both = judged(seed)
    classic, otel = both.verdicts
    return Seen(
        seed,
        both.difference,
        both.life.mishap is not None,
        (classic in FAULTS, otel in FAULTS),
        both.broken,
        (both.classic.holds_the_truth, both.otel.holds_the_truth),
        both.relative_width,
        both.life.ways.churn is Churn.SAME_NAMES,
    )


def document(lives: list[Seen], machine: str) -> dict[str, Any]:
    """The content of `sources.json`."""
    widths = [life for life in lives if life.relative_width is not None]
    faulty = [life for life in lives if life.is_faulty]
    return {
        "schema": "enigap.sources/1",
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine,
        "seeds": [lives[0].seed, lives[-1].seed],
        "lives": len(lives),
        "faulty": len(faulty),
        "differences": {
            kind: [
                sum(life.difference is kind and life.is_faulty is sick for life in lives)
                for sick in (False, True)
            ]
            for kind in Difference
        },
        "proven": [sum(life.proven[source] for life in faulty) for source in (0, 1)],
        "false_faults": [sum(life.proven[n] for life in lives if not life.is_faulty) for n in (0, 1)],
        "known": [sum(life.holds[n] is not None for life in lives) for n in (0, 1)],
        "truth_outside": [sum(life.holds[n] is False for life in lives) for n in (0, 1)],
        "outside_otherwise": [
            sum(life.holds[n] is False and not life.pods_come_back for life in lives) for n in (0, 1)
        ],
        "same_periods": len(widths),
        "median_width": round(median(life.relative_width or 0.0 for life in widths), 2),
        "wider": sum((life.relative_width or 0.0) > 1 for life in widths),
        "wider_otherwise": sum(
            (life.relative_width or 0.0) > 1 and not life.pods_come_back for life in widths
        ),
        "broken": {
            what: [life.seed for life in lives if what in life.broken]
            for what in sorted({what for life in lives for what in life.broken})
        },
    }


def main(*, quick: bool) -> None:
    """Measure, print, and write the files unless `quick`."""
    lives: list[Seen] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for life in pool.map(seen, range(QUICK if quick else LIVES), chunksize=20):
            lives.append(life)
            if len(lives) % 1000 == 0:
                sys.stderr.write(f"{len(lives):,} lives\n")
    machine = f"{os.cpu_count()} x {processor()}, Python {platform.python_version()}"
    result = document(lives, machine)
    if not quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        detection_report.write()
    sys.stdout.write(f"\n{detection_report.sources(result)}\n")
