"""Evaluates the runs: ratios, growth, and which targets are met; as a document and as text.

Pure functions. The document is the content of `results.json`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bench.measure import WITH_DEVICES, Run

ENIGAP: Final = "enigap"
FLOOR: Final = "floor"
CUSTODIAN: Final = "Cloud Custodian"
VERDICT: Final = "fetch to verdict"
FLOOR_STAGE: Final = "sign, send, parse"
SCHEMA: Final = "enigap.bench/1"

Document = dict[str, Any]


class Target(NamedTuple):
    """A target, in words, with the measured value."""

    what: str
    measured: str
    is_met: bool


def document(runs: Sequence[Run], cold_starts: Mapping[str, Any], machine: Mapping[str, Any]) -> Document:
    """The JSON document of these runs."""
    return {
        "schema": SCHEMA,
        "machine": dict(machine),
        "runs": [run.to_mapping() for run in runs],
        "cold_starts": dict(cold_starts),
        "ratios": list(ratios(runs)),
        "growth_exponent": growth_exponent(runs),
        "targets": [target._asdict() for target in targets(runs, cold_starts)],
    }


def ratios(runs: Sequence[Run]) -> Iterator[Document]:
    """Ratios of each other contender to enigap on the same fleet and server."""
    for run in runs:
        ours = _find(runs, ENIGAP, run.nodes, run.latency_ms)
        if ours is None or run.contender in {ENIGAP, WITH_DEVICES, FLOOR}:
            continue
        yield {
            "contender": run.contender,
            "nodes": run.nodes,
            "latency_ms": run.latency_ms,
            "wall": run.wall_seconds / ours.wall_seconds,
            "cpu": run.cpu_seconds / ours.cpu_seconds,
            "calls": metric_calls(run) / metric_calls(ours),
            "billed": run.billed_metrics / ours.billed_metrics,
        }


def growth_exponent(runs: Iterable[Run]) -> float | None:
    """The exponent x if CPU time from fetch to verdict grows like nodes ** x, from 1,000 nodes up.

    With fewer nodes, the constant cost of a run would make the exponent too small. None with fewer than two
    sizes.
    """
    points = [
        (math.log(run.nodes), math.log(run.stages[VERDICT]["cpu_seconds"]))
        for run in runs
        if run.contender == ENIGAP and run.latency_ms == 0 and run.nodes >= 1_000
    ]
    if len(points) < 2:
        return None
    (first_nodes, first_cpu), (last_nodes, last_cpu) = min(points), max(points)
    return (last_cpu - first_cpu) / (last_nodes - first_nodes)


def targets(runs: Sequence[Run], cold_starts: Mapping[str, Any]) -> Iterator[Target]:
    """The targets that these runs can be compared with."""
    if run := _find(runs, ENIGAP, 500, 100):
        calls = run.calls["GetMetricData"]
        yield Target("500 nodes: 4 GetMetricData calls", f"{calls:,}", calls == 4)
        billed = run.billed_metrics
        yield Target("500 nodes: 1,500 billed metrics", f"{billed:,}", billed == 1_500)
        if rival := _find(runs, CUSTODIAN, 500, 100):
            ratio = rival.wall_seconds / run.wall_seconds
            what = "500 nodes at 100 ms a call: a 20th of Cloud Custodian's time"
            yield Target(what, f"1/{ratio:.0f}", ratio >= 20)
    for latency_ms in (0, 100):
        if run := _find(runs, ENIGAP, 100_000, latency_ms):
            where = f"100,000 nodes at {latency_ms} ms a call"
            wall, memory = run.wall_seconds, run.peak_megabytes
            yield Target(f"{where}: 90 s on one core", f"{wall:.0f} s", wall <= 90)
            yield Target(f"{where}: 512 MB", f"{memory:.0f} MB", memory <= 512)
    largest = [run for run in runs if run.contender == ENIGAP and run.nodes >= 1_000]
    if largest:
        per_node = max(cpu_ms_per_node(run) for run in largest)
        yield Target("0.5 ms of processor per node, fetch to verdict", f"{per_node:.2f} ms", per_node <= 0.5)
    exponent = growth_exponent(runs)
    if exponent is not None:
        yield Target(
            "processor time grows like nodes to the power of 1.05", f"{exponent:.2f}", exponent <= 1.05
        )
    for function, start in cold_starts.items():
        seconds = start["wall_seconds"]
        yield Target(f"{function} ready within 1 s of a cold start", f"{seconds:.2f} s", seconds <= 1)


def metric_calls(run: Run) -> int:
    """The number of calls that read datapoints."""
    return run.calls.get("GetMetricData", 0) + run.calls.get("GetMetricStatistics", 0)


def cpu_ms_per_node(run: Run) -> float:
    """CPU time per node from fetch to verdict, or of the timed part of the floor; else of the process."""
    stage = run.stages.get(VERDICT) or run.stages.get(FLOOR_STAGE)
    return 1_000 * (stage["cpu_seconds"] if stage else run.cpu_seconds) / run.nodes


def _find(runs: Iterable[Run], contender: str, nodes: int, latency_ms: int) -> Run | None:
    key = (contender, nodes, latency_ms)
    return next((run for run in runs if (run.contender, run.nodes, run.latency_ms) == key), None)


# --- text ---

_COLUMNS: Final = (
    ("contender", "<26"),
    ("nodes", ">8"),
    ("ms/call", ">8"),
    ("calls", ">7"),
    ("billed", ">8"),
    ("wall s", ">8"),
    ("cpu s", ">8"),
    ("peak MB", ">8"),
    ("cpu ms/node", ">12"),
)


def text(runs: Sequence[Run], cold_starts: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """The content of `results.txt`: the table, the ratios and the targets."""
    return "\n\n".join(
        "\n".join(lines)
        for lines in (
            [f"{name}: {value}" for name, value in machine.items()],
            list(_table(runs)),
            list(_ratio_lines(runs)),
            list(_growth_lines(runs)),
            list(_cold_start_lines(cold_starts)),
            list(_target_lines(targets(runs, cold_starts))),
        )
        if lines
    )


def _table(runs: Sequence[Run]) -> Iterator[str]:
    yield _line((name for name, _ in _COLUMNS), _COLUMNS)
    for run in sorted(runs, key=lambda run: (run.nodes, run.latency_ms, run.wall_seconds)):
        yield _line(
            (
                run.contender,
                f"{run.nodes:,}",
                str(run.latency_ms),
                f"{metric_calls(run):,}",
                f"{run.billed_metrics:,}",
                f"{run.wall_seconds:.2f}",
                f"{run.cpu_seconds:.2f}",
                f"{run.peak_megabytes:.0f}",
                f"{cpu_ms_per_node(run):.3f}",
            ),
            _COLUMNS,
        )


def _line(cells: Iterable[str], columns: Sequence[tuple[str, str]]) -> str:
    return "".join(f"{cell:{width}}" for cell, (_, width) in zip(cells, columns, strict=True)).rstrip()


_RATIO_COLUMNS: Final = (
    ("as many times as enigap", "<26"),
    ("nodes", ">8"),
    ("ms/call", ">8"),
    ("wall", ">8"),
    ("cpu", ">8"),
    ("calls", ">8"),
)


def _ratio_lines(runs: Sequence[Run]) -> Iterator[str]:
    yield _line((name for name, _ in _RATIO_COLUMNS), _RATIO_COLUMNS)
    for ratio in ratios(runs):
        cells = (
            ratio["contender"],
            f"{ratio['nodes']:,}",
            str(ratio["latency_ms"]),
            f"{ratio['wall']:.1f}",
            f"{ratio['cpu']:.1f}",
            f"{ratio['calls']:,.0f}",
        )
        yield _line(cells, _RATIO_COLUMNS)


def _growth_lines(runs: Sequence[Run]) -> Iterator[str]:
    for ours in runs:
        floor = _find(runs, FLOOR, ours.nodes, ours.latency_ms)
        if ours.contender == ENIGAP and floor is not None:
            yield (
                f"{ours.nodes:,} nodes: {cpu_ms_per_node(ours):.3f} ms of processor per node from fetch to "
                f"verdict, {cpu_ms_per_node(floor):.3f} ms the floor of fetching"
            )
    exponent = growth_exponent(runs)
    if exponent is not None:
        yield f"processor time grows like nodes to the power of {exponent:.2f}"


def _cold_start_lines(cold_starts: Mapping[str, Any]) -> Iterator[str]:
    for function, start in cold_starts.items():
        yield (
            f"cold start of {function}: {start['wall_seconds']:.2f} s, of them "
            f"{start['cpu_seconds']:.2f} s of processor"
        )


def _target_lines(found: Iterable[Target]) -> Iterator[str]:
    for target in found:
        yield f"{'met   ' if target.is_met else 'MISSED'}  {target.what}: {target.measured}"
