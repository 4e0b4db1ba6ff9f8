"""Makes tables of detection.json: `.venv/bin/python -m bench.detection_report`.

docs/detection.md has a block for each table (`BLOCKS`), between two comments, `<!-- begin NAME -->` and
`<!-- end NAME -->`. A test fails if a block is out of date.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from scripts.blocks import with_blocks

ROOT: Final = Path(__file__).resolve().parent.parent
RESULT: Final = ROOT / "bench" / "detection.json"
SOURCES: Final = ROOT / "bench" / "sources.json"
PAGE: Final = ROOT / "docs" / "detection.md"

Row = dict[str, Any]
Document = dict[str, Any]

WITHIN_HOURS: Final = 12.0
"""Later than this a fault counts as missed."""
EVENTS_LOST: Final = "nothing is known"
NO_EVENT_LOST: Final = "nothing is known, no event lost"


def rewritten(text: str, result: Document) -> str:
    """The page with every block regenerated. Raises KeyError for a block without a function in `BLOCKS`."""
    return with_blocks(text, lambda name: BLOCKS[name](result))


def committed() -> Document:
    """The results of both benches that the page shows."""
    both: Document = json.loads(RESULT.read_text(encoding="utf-8"))
    return both | {"sources": json.loads(SOURCES.read_text(encoding="utf-8"))}


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), committed()), encoding="utf-8")


def tables(result: Document) -> str:
    """All tables about detection, for the terminal."""
    return "\n".join(f"{name}\n\n{block(result)}" for name, block in OF_DETECTION.items())


# --- tables ---


def _where(rows: Iterable[Document], **wanted: object) -> list[Document]:
    """The rows with these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def promises(result: Document) -> str:
    """What the product is meant to find, and how many of such nodes it found in time."""
    wanted: tuple[tuple[str, Sequence[tuple[str, float]], int, float, float], ...] = (
        ("half of the bytes missing, or a moved device", (("deficit", 0.5), ("moved", 1.0)), 200, 2.0, 0.99),
        ("a fifth too little or too much", (("deficit", 0.2), ("excess", 0.2)), 400, 6.0, 0.99),
        ("a twentieth too little or too much", (("deficit", 0.05), ("excess", 0.05)), 1200, 12.0, 0.95),
    )
    lines = []
    for what, faults, frame, hours, share in wanted:
        rows = [
            row
            for row in result["faulty"]
            if (row["fault"], row["share"]) in faults and row["bytes_per_frame"] >= frame
        ]
        cells = [
            _found([row for row in rows if row["what_if"] == what_if], hours)
            for what_if in (NO_EVENT_LOST, EVENTS_LOST)
        ]
        lines.append((what, f"{frame:,} B", f"{hours:.0f} h", _percent(share), *cells))
    head = ("fault", "frames of at least", "found within", "meant", "no event lost", "1 % of events lost")
    return _table(head, lines)


def faults(result: Document) -> str:
    """Each fault: the share found, the delay, and how its incidents ended."""
    lines = []
    for fault, share in sorted({(row["fault"], row["share"]) for row in result["faulty"]}):
        cells: list[str] = []
        for what_if in (NO_EVENT_LOST, EVENTS_LOST):
            rows = _where(result["faulty"], fault=fault, share=share, what_if=what_if)
            cells += [_found(rows, WITHIN_HOURS), _delays(rows, "found_after_hours")]
        lines.append((f"{fault}, {_percent(share)}", *cells))
    head = ("fault", "no event lost: found", "hours, median / p99", "1 % lost: found", "hours, median / p99")
    return _table(head, lines)


def incidents(result: Document) -> str:
    """How the incidents of all faults went on and ended."""
    lines = []
    for what_if in (NO_EVENT_LOST, EVENTS_LOST):
        rows = _where(result["faulty"], what_if=what_if)
        opened = sum(row["incidents"] for row in rows)
        lines.append(
            (
                what_if,
                f"{opened:,}",
                _of(sum(row["resolved_too_early"] for row in rows), opened),
                _of(sum(row["reopened"] for row in rows), opened),
                f"{sum(row['opposite'] for row in rows):,}",
                _delays(rows, "resolved_after_hours"),
            )
        )
    head = (
        "circumstances",
        "incidents",
        "resolved while the fault lasted",
        "reopened within an hour",
        "windows with the opposite verdict",
        "hours until resolved, median / p99",
    )
    return _table(head, lines)


_COUNTED = ("nodes", "node_windows", "false_alarms", "nodes_with_false_alarms", "false_incidents")


def healthy(result: Document) -> str:
    """Circumstances in which nothing may be told: what was told, and the share of a fault found."""
    lines = []
    for what_if in dict.fromkeys(row["what_if"] for row in result["healthy"]):
        rows = _where(result["healthy"], what_if=what_if)
        cells = (f"{sum(row[name] for row in rows):,}" for name in _COUNTED)
        fifth = _where(result["faulty"], what_if=what_if, fault="deficit", share=0.2)
        lines.append((what_if, *cells, _found(fifth, WITHIN_HOURS), _delays(fifth, "found_after_hours")))
    head = (
        "circumstances",
        "nodes",
        "node-windows",
        "false alarms",
        "on nodes",
        "false incidents",
        "a fifth missing: found",
        "hours, median / p99",
    )
    return _table(head, lines)


def shapes(result: Document) -> str:
    """The delay by shape of traffic, over all faults of a fifth and of half."""
    lines = []
    for shape in sorted({row["shape"] for row in result["faulty"]}):
        cells = []
        for share in (0.05, 0.2, 0.5):
            rows = [
                row
                for row in result["faulty"]
                if (row["shape"], row["share"]) == (shape, share)
                and row["fault"] in {"deficit", "excess"}
                and row["what_if"] in {NO_EVENT_LOST, EVENTS_LOST}
            ]
            cells.append(f"{_found(rows, WITHIN_HOURS)}, {_delays(rows, 'found_after_hours')}")
        lines.append((shape, *cells))
    head = ("shape", *(f"{_percent(share)}: found; hours, median / p99" for share in (0.05, 0.2, 0.5)))
    return _table(head, lines)


def cost(result: Document) -> str:
    """The processor time of a look."""
    return _table(
        ("of one node", "ms of processor"),
        [(name, f"{value}") for name, value in result["milliseconds_a_look"].items()],
    )


def sources(result: Document) -> str:
    """The classic events against OpenTelemetry's counters, on the same nodes."""
    faulty = result["faulty"]
    of_each = (result["lives"] - faulty, faulty)
    verdicts = [
        (kind, *(f"{_of(count, of)}" for count, of in zip(counts, of_each, strict=True)))
        for kind, counts in result["differences"].items()
    ]
    rows = (
        ("faults where there are none", "false_faults", of_each[0]),
        ("faults that are there, proven in this window", "proven", faulty),
        ("windows with an interval", "known", result["lives"]),
        ("intervals without the truth", "truth_outside", None),
        ("the same without pods that come back under their names", "outside_otherwise", None),
    )
    sides = [
        (what, *(_of(result[name][n], of or result["known"][n]) for n in (0, 1))) for what, name, of in rows
    ]
    broken = [f"{what}: {len(seeds)} ({_first(seeds)})" for what, seeds in result["broken"].items()]
    first, last = result["seeds"]
    widths = (
        f"Of {result['same_periods']:,} windows with both intervals over the same periods, the counters' is "
        f"{result['median_width']} times as wide as the classic one at the median, and wider in "
        f"{result['wider']:,}; of these, {result['wider_otherwise']:,} are not of pods that come back."
    )
    run = (
        f"Broken: {'; '.join(broken) or 'nothing'}. Seeds {first:,} to {last:,}, {result['measured']}, "
        f"{result['machine']}."
    )
    tables = (
        _table(("the two verdicts on a window", "healthy nodes", "nodes with a fault"), verdicts),
        _table(("", "classic", "OpenTelemetry"), sides),
    )
    return "\n".join((*tables, widths, "", run, ""))


def _first(seeds: Sequence[int]) -> str:
    """The first of them."""
    return ", ".join(map(str, seeds[:5])) + (", ..." if len(seeds) > 5 else "")


def _found(rows: Sequence[Row], hours: float) -> str:
    found = sum(row["found_after_hours"] is not None and row["found_after_hours"] <= hours for row in rows)
    return _of(found, len(rows))


def _of(some: int, of: int) -> str:
    return f"{_percent(some / of)} ({some:,} of {of:,})" if of else "none"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def _delays(rows: Iterable[Row], name: str) -> str:
    hours = sorted(row[name] for row in rows if row[name] is not None)
    if not hours:
        return "-"
    return f"{median(hours):.1f} / {hours[math.ceil(0.99 * len(hours)) - 1]:.1f}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


OF_DETECTION: Final[dict[str, Callable[[Document], str]]] = {
    "promises": promises,
    "faults": faults,
    "shapes": shapes,
    "incidents": incidents,
    "healthy": healthy,
    "cost": cost,
}
BLOCKS: Final[dict[str, Callable[[Document], str]]] = {
    **OF_DETECTION,
    "sources": lambda result: sources(result["sources"]),
}


if __name__ == "__main__":
    write()
