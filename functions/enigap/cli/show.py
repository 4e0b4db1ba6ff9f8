"""What the terminal shows: worst first, plain words, one next step. Everything from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from enigap.core.cluster import ClusterReport
from enigap.core.devices import DeviceKind
from enigap.core.documents import timestamp
from enigap.core.evidence import DeviceRates, Evidence, Unusable
from enigap.core.text import printable
from enigap.core.units import ByteRate
from enigap.core.verdict import VERDICT_TABLE, Judgement
from enigap.core.window import Window

EXPLAINED_SHOWN = 15
"""How many explained nodes of a cluster are listed unless all are asked for."""

_STYLES = {False: "bold red", None: "yellow", True: "green"}
_MARKS = {False: "unexplained", None: "unknown", True: "explained"}


def check(
    console: Console,
    region: str,
    window: Window,
    reports: Sequence[ClusterReport],
    *,
    notes: Sequence[str] = (),
    everything: bool = False,
) -> None:
    """Every cluster's table, then the sum of it and what to do next."""
    console.print(f"[bold]{escape(printable(region))}[/], {_span(window)}")
    for report in reports:
        console.print()
        console.print(_cluster(report, everything=everything))
        if hidden := _hidden(report, everything=everything):
            console.print(hidden)
    console.print()
    for note in notes:
        console.print(Text(f"Note: {printable(note, most=500)}", "dim"))
    console.print(_summary(reports, window))


def _span(window: Window) -> str:
    return f"{window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC"


def _cluster(report: ClusterReport, *, everything: bool) -> RenderableType:
    if report.finding is not None:
        kind = report.finding.kind.value
        return Text.assemble(
            (printable(report.cluster), "bold"),
            ": ",
            (kind, "yellow"),
            f". {printable(report.finding.reason, most=1000)}",
        )
    if not report.nodes:
        return Text.assemble((printable(report.cluster), "bold"), ": no running nodes")
    table = Table(
        title=Text(printable(report.cluster), "bold"), title_justify="left", box=None, pad_edge=False
    )
    for name in ("node", "verdict"):
        table.add_column(name, no_wrap=True)
    for name in ("OS", "ENI", "OS / ENI"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", min_width=30)
    for judgement in _listed(report, everything=everything):
        table.add_row(
            Text(_node_name(judgement)),
            Text(judgement.verdict.value, _STYLES[judgement.explained]),
            rate(judgement.os),
            rate(judgement.eni),
            ratio(judgement.ratio),
            Text(printable(judgement.reason, most=1000)),
        )
    return table


def _listed(report: ClusterReport, *, everything: bool) -> list[Judgement]:
    judgements = [node.newest for node in report.worst_first()]
    if everything:
        return judgements
    open_ones = [judgement for judgement in judgements if judgement.explained is not True]
    explained = [judgement for judgement in judgements if judgement.explained is True]
    return open_ones + explained[:EXPLAINED_SHOWN]


def _hidden(report: ClusterReport, *, everything: bool) -> str:
    hidden = len(report.nodes) - len(_listed(report, everything=everything)) if report.nodes else 0
    return f"[dim]... and {hidden} more whose gap counting explains; --all lists them.[/]" if hidden else ""


def _summary(reports: Sequence[ClusterReport], window: Window) -> Text:
    counts = {
        explained: sum(v for r in reports for k, v in r.verdicts.items() if k.explained is explained)
        for explained in _MARKS
    }
    total = sum(counts.values())
    text = Text(f"{total} {'node' if total == 1 else 'nodes'}: ")
    for number, explained in enumerate(_MARKS):
        text.append(", " if number else "")
        text.append(
            f"{counts[explained]} {_MARKS[explained]}", _STYLES[explained] if counts[explained] else "dim"
        )
    text.append(f". {sum(report.billed_metrics for report in reports)} metrics billed.")
    worst = [n.newest for r in reports for n in r.worst_first() if n.newest.explained is not True]
    if worst:
        at = timestamp(window.end)
        text.append(f"\nNext: enigap explain {printable(worst[0].node.instance_id)} --at {at}", "bold")
    return text


def explain(console: Console, region: str, judgement: Judgement) -> None:
    """One node: the verdict, both sides, and every device."""
    console.print(
        Text.assemble(
            (_node_name(judgement), "bold"),
            f" in {printable(judgement.node.cluster)} ({printable(region)}), {_span(judgement.window)}",
        )
    )
    row = VERDICT_TABLE[judgement.verdict]
    console.print()
    console.print(
        Text.assemble(
            (judgement.verdict.value, _STYLES[judgement.explained]),
            f" ({_MARKS[judgement.explained]}): {row.means}.",
        )
    )
    console.print(Text(printable(judgement.reason, most=1000)))
    console.print()
    console.print(_sides(judgement))
    console.print()
    console.print(_devices(judgement))


def _sides(judgement: Judgement) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    table.add_row("OS", rate(judgement.os), "node_network_total_bytes, all devices, in plus out")
    table.add_row("ENI", rate(judgement.eni), "NetworkIn + NetworkOut, what the network interfaces carried")
    table.add_row("OS / ENI", ratio(judgement.ratio), "")
    table.add_row("unexplained", rate(judgement.unexplained), "at least")
    table.add_row("node-local", rate(judgement.node_local_at_least), "at least; never left the node")
    return table


def _devices(judgement: Judgement) -> RenderableType:
    evidence = judgement.evidence
    if evidence is None:
        return Text("No device events to show.", "dim")
    table = Table(box=None, pad_edge=False)
    table.add_column("device", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("received", justify="right", no_wrap=True)
    table.add_column("sent", justify="right", no_wrap=True)
    for device in evidence.devices:
        table.add_row(
            Text(printable(device.device)), _kind(device), rate(device.rx.middle), rate(device.tx.middle)
        )
    if isinstance(evidence, Evidence):
        table.add_section()
        table.add_row("physical", "", rate(evidence.physical_rx.middle), rate(evidence.physical_tx.middle))
        table.add_row("ENIs (EC2)", "", rate(judgement.eni_in), rate(judgement.eni_out))
    elif isinstance(evidence, Unusable):
        table.caption = f"Not used as evidence: {printable(evidence.why, most=1000)}."
        table.caption_justify = "left"
    return table


_KINDS = {
    DeviceKind.PHYSICAL: "physical",
    DeviceKind.POD: "virtual",
    DeviceKind.COUNTED_AGAIN: "virtual, counts again",
    DeviceKind.UNKNOWN: "unknown",
}


def _kind(device: DeviceRates) -> Text:
    return Text(_KINDS[device.kind], "yellow" if device.kind is DeviceKind.UNKNOWN else "")


def _node_name(judgement: Judgement) -> str:
    name, instance_id = judgement.node.node_name, printable(judgement.node.instance_id)
    return f"{printable(name.split('.')[0])} ({instance_id})" if name else instance_id


def rate(value: ByteRate | None) -> str:
    """A rate, or a dash for one that cannot be known."""
    return str(value) if value is not None else "-"


def ratio(value: float | None) -> str:
    """A ratio with the digits that matter, or a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
