"""`enigap estimate`: the monthly bill before anything is deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Final

import typer
from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

from enigap.aws.otel import ANCHORS, SCRAPE
from enigap.cli.arguments import Format, Output, UsageError
from enigap.cli.bars import fills_of
from enigap.cli.cost import (
    DEFAULTS,
    ENIS_PER_NODE,
    FLAGGED_SHARE,
    INSIGHTS_BY_SETTING,
    PODS_PER_NODE,
    PRICES_AS_OF,
    SCANNED,
    Fleet,
    Insights,
    Line,
    levers,
    monthly_bill,
    total,
)
from enigap.cli.screen import Screen, write
from enigap.core.counting.reading import OsSourceChoice
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.published import Publish
from enigap.core.text import count, listed, percent
from enigap.settings import SCHEDULES

SCHEMA = "enigap.estimate/1"
_BAR_COLUMNS = 12
_SMALLEST = 0.005
"""Dollars of a line that is shown."""
_NAMES: Final = {
    Insights.CLASSIC: "classic",
    Insights.OTEL: "OpenTelemetry",
    Insights.BOTH: "both",
}


def command(  # noqa: PLR0917 - typer passes the options by name
    nodes: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Nodes of all clusters together.")
    ],
    clusters: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="Clusters they are in.")] = 1,
    publish: Annotated[Publish, typer.Option(help="Which nodes get metrics of their own.")] = (
        DEFAULTS.publish
    ),
    schedule_minutes: Annotated[
        int, typer.Option(metavar="MINUTES", help="How often clusters are judged: 15, 30 or 60.")
    ] = DEFAULTS.schedule_minutes,
    flagged: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help=f"Nodes flagged at any time. [default: {percent(FLAGGED_SHARE)} of them]"
        ),
    ] = None,
    evidence: Annotated[EvidencePolicy, typer.Option(help="Whose devices are looked at.")] = (
        DEFAULTS.evidence
    ),
    os_source: Annotated[
        OsSourceChoice, typer.Option(help="Which Container Insights is read; auto shows what each costs.")
    ] = DEFAULTS.os_source,
    pods: Annotated[
        int,
        typer.Option(
            min=0,
            max=1_000,
            metavar="N",
            help="Pods of a node with a network device of their own: OpenTelemetry's counters are billed by "
            "the device.",
        ),
    ] = PODS_PER_NODE,
    output: Output = Format.TABLE,
) -> int:
    """Estimate the monthly cost at list prices, and what each lever saves."""
    if schedule_minutes not in SCHEDULES:
        raise UsageError(f"--schedule-minutes takes 15, 30 or 60, not {schedule_minutes}.")
    if clusters > nodes:
        raise UsageError(f"--clusters {clusters:,} are more than there are nodes ({nodes:,}): give fewer.")
    if flagged is not None and flagged > nodes:
        raise UsageError(f"--flagged {flagged:,} are more than there are nodes ({nodes:,}): give fewer.")
    fleet = Fleet(
        nodes=nodes,
        clusters=clusters,
        schedule_minutes=schedule_minutes,
        publish=publish,
        flagged_nodes=round(nodes * FLAGGED_SHARE) if flagged is None else flagged,
        evidence=evidence,
        os_source=os_source,
        pods_per_node=pods,
    )
    fleets = [replace(fleet, insights=each) for each in INSIGHTS_BY_SETTING[os_source]]
    if output is Format.JSON:
        write(_document(fleets))
    else:
        _show(Screen(), fleets)
    return 0


def _document(fleets: Sequence[Fleet]) -> dict[str, object]:
    fleet = fleets[0]
    return {
        "schema": SCHEMA,
        "prices_as_of": PRICES_AS_OF.isoformat(),
        "nodes": fleet.nodes,
        "clusters": fleet.clusters,
        "publish": fleet.publish.value,
        "schedule_minutes": fleet.schedule_minutes,
        **_bill(fleet),
        "evidence": fleet.evidence.value,
        "os_source": fleet.os_source.value,
        "assumed": {
            "pods_per_node": fleet.pods_per_node,
            "enis_per_node": ENIS_PER_NODE,
            "flagged_nodes": fleet.flagged_nodes,
            "anchors": list(ANCHORS),
            "scrape_seconds": SCRAPE.total_seconds(),
        },
        "by_container_insights": {each.insights.value: _bill(each) for each in fleets},
    }


def _bill(fleet: Fleet) -> dict[str, object]:
    lines = monthly_bill(fleet)
    return {
        "dollars_per_month": total(lines),
        "lines": [
            {"what": line.what, "quantity": line.quantity, "dollars_per_month": line.dollars}
            for line in lines
        ],
        "levers": [asdict(lever) for lever in levers(fleet)],
    }


def _show(console: Console, fleets: Sequence[Fleet]) -> None:
    fleet = fleets[0]
    lines = monthly_bill(fleet)
    sum_of_all = total(lines)
    nodes, where = count(fleet.nodes, "node"), count(fleet.clusters, "cluster")
    console.print(
        Text.assemble((f"${sum_of_all:,.2f} a month, ${sum_of_all / fleet.nodes:.3f} a node:", "bold"), " ")
        + Text(
            f"{nodes} in {where}, with the {_NAMES[fleet.insights]} Container Insights, every "
            f"{fleet.schedule_minutes} minutes, publish = {fleet.publish.value}, evidence = "
            f"{fleet.evidence.value}; "
        )
        + Text(f"US dollars at list prices of us-east-1 as of {PRICES_AS_OF}\n")
    )
    console.print(_fitting(console, _lines(lines, fills_of(console.options)[0])))
    if len(fleets) > 1:
        console.print()
        console.print("By the Container Insights that the clusters have (os_source = auto), $ / month:\n")
        console.print(_fitting(console, _compared(fleets)))
    if any(each.insights is not Insights.CLASSIC for each in fleets):
        console.print()
        console.print(_assumed(fleet))
    saving = _levers(fleets)
    if saving.row_count:
        console.print()
        console.print(_fitting(console, saving))


def _lines(lines: Sequence[Line], fill: str) -> Table:
    table = _table("")
    table.add_column("$ / month", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("for")
    for line in lines:
        if line.dollars >= _SMALLEST:
            bar = fill * round(_BAR_COLUMNS * line.dollars / total(lines))
            table.add_row(line.what, f"{line.dollars:,.2f}", bar, line.quantity)
    return table


def _compared(fleets: Sequence[Fleet]) -> Table:
    """What differs by the Container Insights: reading, and the sum."""
    table = _table("", *(_NAMES[each.insights] for each in fleets))
    bills = [monthly_bill(each) for each in fleets]
    for what in ("metrics read", *SCANNED):
        dollars = [total(line for line in bill if line.what == what) for bill in bills]
        if any(each >= _SMALLEST for each in dollars):
            table.add_row(what, *(_dollars(each) for each in dollars))
    table.add_row("sum of all lines", *(_dollars(total(bill)) for bill in bills), style="bold")
    return table


def _assumed(fleet: Fleet) -> str:
    return (
        f"What PromQL scans is estimated for {count(fleet.pods_per_node, 'pod')} and {ENIS_PER_NODE} ENIs a "
        f"node, with {listed(ANCHORS)} on each, and a scrape every {SCRAPE.total_seconds():.0f} s."
    )


def _levers(fleets: Sequence[Fleet]) -> Table:
    """The levers, the largest first, with what each saves."""
    heads = ["saves"] if len(fleets) == 1 else [f"saves,\n{_NAMES[each.insights]}" for each in fleets]
    table = _table("lever", *heads)
    table.add_column("and hides")
    of_each = [{lever.setting: lever for lever in levers(each)} for each in fleets]
    for setting, hides in {key: lever.hides for of in of_each for key, lever in of.items()}.items():
        saved = (of[setting].dollars_saved if setting in of else 0.0 for of in of_each)
        table.add_row(setting, *map(_dollars, saved), hides)
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _fitting(console: Console, table: Table) -> RenderableType:
    """The table, or its rows as sentences where the terminal is too narrow for its figures."""
    if sum(map(_narrowest, table.columns)) + _BETWEEN_COLUMNS * (len(table.columns) - 1) <= console.width:
        return table
    heads = [str(column.header).replace(",\n", " ") for column in table.columns]
    rows = zip(*(column.cells for column in table.columns), strict=True)
    return Text("\n".join(f"{what}: {_said(heads[1:], cells)}" for what, *cells in rows))


def _said(heads: Sequence[str], cells: Sequence[RenderableType]) -> str:
    return ", ".join(f"{head} {cell}" for head, cell in zip(heads, cells, strict=True) if head)


def _narrowest(column: Column) -> int:
    """How wide the column has to be for no cell to be cut; a cell breaks between words where it may wrap."""
    cells = (str(cell) for cell in (column.header, *column.cells))
    parts = (part for cell in cells for part in (cell.splitlines() if column.no_wrap else cell.split()))
    return max(map(len, parts), default=0)


_BETWEEN_COLUMNS: Final = 2


def _dollars(dollars: float) -> str:
    return f"{dollars:,.2f}" if dollars >= _SMALLEST else "-"
