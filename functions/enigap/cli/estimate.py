"""`enigap estimate`: the monthly bill before anything is deployed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from enigap.cli.arguments import Format, Output, UsageError
from enigap.cli.bars import fills_of
from enigap.cli.cost import FLAGGED_SHARE, PRICES_AS_OF, Fleet, levers, monthly_bill, total
from enigap.cli.screen import Screen, write
from enigap.core.published import Publish
from enigap.core.text import count, percent
from enigap.settings import SCHEDULES, Settings

SCHEMA = "enigap.estimate/1"
_BAR_COLUMNS = 12
_SMALLEST = 0.005
"""Dollars of a line that is shown."""
_DEFAULTS = Settings()


def command(  # noqa: PLR0917 - typer passes the options by name
    nodes: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Nodes of all clusters together.")
    ],
    clusters: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="Clusters they are in.")] = 1,
    publish: Annotated[Publish, typer.Option(help="Which nodes get metrics of their own.")] = (
        _DEFAULTS.publish
    ),
    schedule_minutes: Annotated[
        int, typer.Option(metavar="MINUTES", help="How often clusters are judged: 15, 30 or 60.")
    ] = _DEFAULTS.schedule_minutes,
    flagged: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help=f"Nodes flagged at any time. [default: {percent(FLAGGED_SHARE)} of them]"
        ),
    ] = None,
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
    )
    if output is Format.JSON:
        write(_document(fleet))
    else:
        _show(Screen(), fleet)
    return 0


def _document(fleet: Fleet) -> dict[str, object]:
    lines = monthly_bill(fleet)
    return {
        "schema": SCHEMA,
        "prices_as_of": PRICES_AS_OF.isoformat(),
        "nodes": fleet.nodes,
        "clusters": fleet.clusters,
        "publish": fleet.publish.value,
        "schedule_minutes": fleet.schedule_minutes,
        "dollars_per_month": total(lines),
        "lines": [
            {"what": line.what, "quantity": line.quantity, "dollars_per_month": line.dollars}
            for line in lines
        ],
        "levers": [asdict(lever) for lever in levers(fleet)],
    }


def _show(console: Console, fleet: Fleet) -> None:
    lines = monthly_bill(fleet)
    sum_of_all = total(lines)
    nodes, where = count(fleet.nodes, "node"), count(fleet.clusters, "cluster")
    console.print(
        Text.assemble((f"${sum_of_all:,.2f} a month, ${sum_of_all / fleet.nodes:.3f} a node:", "bold"), " ")
        + Text(
            f"{nodes} in {where}, every {fleet.schedule_minutes} minutes, publish = {fleet.publish.value}; "
        )
        + Text(f"US dollars at list prices of us-east-1 as of {PRICES_AS_OF}\n")
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    table.add_column("$ / month", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("for")
    fill = fills_of(console.options)[0]
    for line in lines:
        if line.dollars >= _SMALLEST:
            bar = fill * round(_BAR_COLUMNS * line.dollars / sum_of_all)
            table.add_row(line.what, f"{line.dollars:,.2f}", bar, line.quantity)
    console.print(table)
    saving = Table(box=None, pad_edge=False, header_style="dim")
    saving.add_column("lever", no_wrap=True)
    saving.add_column("saves", justify="right", no_wrap=True)
    saving.add_column("and hides")
    for lever in levers(fleet):
        saving.add_row(lever.setting, f"{lever.dollars_saved:,.2f}", lever.hides)
    if saving.row_count:
        console.print()
        console.print(saving)
