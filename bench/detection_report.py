"""Makes tables and a plot of detection.json: `.venv/bin/python -m bench.detection_report`.

docs/detection.md has a block for each table (`BLOCKS`), between two comments, `<!-- begin NAME -->` and
`<!-- end NAME -->`. A test fails if a block or the plot is out of date.
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
PLOT: Final = ROOT / "docs" / "detection.svg"

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
    """Bring the page and the plot up to date."""
    result = committed()
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), result), encoding="utf-8")
    PLOT.write_text(plot(result), encoding="utf-8")


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
        lines.append((what, f"{frame:,} B", f"{hours:.0f} h", f"{share:.0%}", *cells))
    head = ("fault", "frames of at least", "found within", "meant", "no event lost", "1 % of events lost")
    return _table(head, lines)


def faults(result: Document) -> str:
    """Each fault: the share found, the delay, and how its incidents ended."""
    lines = []
    for fault, share in dict.fromkeys((row["fault"], row["share"]) for row in result["faulty"]):
        cells: list[str] = []
        for what_if in (NO_EVENT_LOST, EVENTS_LOST):
            rows = _where(result["faulty"], fault=fault, share=share, what_if=what_if)
            cells += [_found(rows, WITHIN_HOURS), _delays(rows, "found_after_hours")]
        lines.append((f"{fault}, {share:.0%}", *cells))
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
    for shape in dict.fromkeys(row["shape"] for row in result["faulty"]):
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
    head = ("shape", *(f"{share:.0%}: found; hours, median / p99" for share in (0.05, 0.2, 0.5)))
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
    return f"{some / of:.1%} ({some:,} of {of:,})".replace(".0%", "%") if of else "none"


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

# --- the plot: for each shape the share found against the size of the mismatch ---

COLUMNS: Final = 4
PANEL: Final = (180, 120)
GAP: Final = (34, 48)
MARGIN: Final = (46, 26)
STYLE: Final = """
 text { font: 11px system-ui, sans-serif; fill: #57606a; }
 .name { font-weight: 600; }
 .grid { stroke: #8b949e; stroke-opacity: 0.35; fill: none; }
 .deficit { stroke: #2f81f7; fill: #2f81f7; }
 .excess { stroke: #d4760a; fill: #d4760a; }
 polyline { stroke-width: 2; fill: none !important; stroke-linejoin: round; }
 .excess-line { stroke-dasharray: 5 3; }
 @media (prefers-color-scheme: dark) { text { fill: #9ea7b3; } }
"""


def plot(result: Document) -> str:
    """An SVG with a panel for each shape of traffic."""
    rows = [row for row in result["faulty"] if row["what_if"] == NO_EVENT_LOST]
    names = list(dict.fromkeys(row["shape"] for row in rows))
    sizes = sorted({row["share"] for row in rows if row["fault"] in {"deficit", "excess"}})
    panels = [_panel(rows, name, sizes, *_corner(number)) for number, name in enumerate(names)]
    width = MARGIN[0] + COLUMNS * (PANEL[0] + GAP[0])
    height = MARGIN[1] + math.ceil((len(names) + 1) / COLUMNS) * (PANEL[1] + GAP[1])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        "<title>Faulty nodes found within 12 hours, by size of the mismatch and shape of traffic</title>\n"
        f"<style>{STYLE}</style>\n{''.join(panels)}{_legend(*_corner(len(names)))}</svg>\n"
    )


def _corner(number: int) -> tuple[int, int]:
    return (
        MARGIN[0] + number % COLUMNS * (PANEL[0] + GAP[0]),
        MARGIN[1] + number // COLUMNS * (PANEL[1] + GAP[1]),
    )


def _panel(rows: Sequence[Row], shape: str, sizes: Sequence[float], left: int, top: int) -> str:
    width, height = PANEL
    steps = [left + width * (number + 0.5) / len(sizes) for number in range(len(sizes))]
    parts = [f'<text class="name" x="{left}" y="{top - 8}">{shape}</text>\n']
    for percent in (0, 50, 100):
        y = top + height * (1 - percent / 100)
        parts.append(f'<path class="grid" d="M{left} {y:.0f}h{width}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{percent} %</text>\n')
    for x, size in zip(steps, sizes, strict=True):
        parts.append(
            f'<text x="{x:.0f}" y="{top + height + 16}" text-anchor="middle">{100 * size:.0f} %</text>\n'
        )
    for fault in ("excess", "deficit"):
        points = []
        for x, size in zip(steps, sizes, strict=True):
            hours = [
                row["found_after_hours"]
                for row in rows
                if (row["shape"], row["fault"], row["share"]) == (shape, fault, size)
            ]
            found = sum(hour is not None and hour <= WITHIN_HOURS for hour in hours)
            if hours:
                points.append((x, top + height * (1 - found / len(hours))))
        line = " ".join(f"{x:.0f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="{fault} {fault}-line" points="{line}"/>')
        parts += [f'<circle class="{fault}" cx="{x:.0f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        parts.append("\n")
    return "".join(parts)


def _legend(left: int, top: int) -> str:
    lines = []
    for number, (fault, words) in enumerate(
        (("deficit", "the OS counts too little"), ("excess", "the OS counts too much"))
    ):
        y = top + 14 + 22 * number
        lines.append(
            f'<polyline class="{fault} {fault}-line" points="{left},{y} {left + 28},{y}"/>'
            f'<text x="{left + 36}" y="{y + 4}">{words}</text>\n'
        )
    lines.append(f'<text x="{left}" y="{top + 66}">vertical: found within 12 hours</text>\n')
    lines.append(f'<text x="{left}" y="{top + 84}">horizontal: size of the mismatch</text>\n')
    return "".join(lines)


if __name__ == "__main__":
    write()
