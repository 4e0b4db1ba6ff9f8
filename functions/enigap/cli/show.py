"""What the terminal shows: worst first, plain words, one next step. Everything from outside is escaped."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from enigap.core.cluster import ClusterReport, Finding, surplus
from enigap.core.devices import DeviceKind
from enigap.core.evidence import DeviceRates, Unusable
from enigap.core.messages.text import count
from enigap.core.messages.words import CAUSE_WORDS
from enigap.core.reading import Node
from enigap.core.text import printable
from enigap.core.units import ByteRate
from enigap.core.verdict import VERDICT_TABLE, Judgement
from enigap.core.window import Window

NARROWEST_TABLE = 64
"""Columns below which not even the verdicts, ids and numbers would fit side by side."""
LISTED = {False: 50, None: 20, True: 20}
"""How many nodes of a cluster are listed, by whether they are explained, unless all are asked for."""

_STYLES = {False: "bold red", None: "yellow", True: "green"}
MARKS = {False: "unexplained", None: "unknown", True: "explained"}


def check(
    console: Console,
    region: str,
    reports: Sequence[ClusterReport],
    *,
    again: Sequence[str],
    notes: Sequence[str] = (),
    everything: bool = False,
) -> None:
    """Every cluster, worst nodes first, then the sum of it and what to do next.

    `again` are the options by which `enigap explain` sees the same.
    """
    window = reports[0].window
    console.print(Text.assemble((printable(region), "bold"), f", {span_of(window)}"))
    for report in reports:
        console.print()
        console.print(Text(printable(report.cluster), "bold"))
        for part in _cluster(report, everything=everything, width=console.width):
            console.print(part)
    console.print()
    for note in notes:
        console.print(Text(f"Note: {printable(note, most=500)}", "dim"))
    console.print(_summary(reports))
    if (worst := _worst(reports)) is not None:
        command = shlex.join(["enigap", "explain", worst.node.instance_id, *again])
        console.print(Text(f"Next: {printable(command, most=1000)}", "bold"), soft_wrap=True)


def _worst(reports: Sequence[ClusterReport]) -> Judgement | None:
    """The node to look at first, of all clusters; None where all is explained."""
    judgements = [node.newest for report in reports for node in report.worst_first()]
    for explained in (False, None):
        found = [judgement for judgement in judgements if judgement.explained is explained]
        if found:
            return max(found, key=surplus)
    return None


def span_of(window: Window) -> str:
    return f"{window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC"


def _cluster(report: ClusterReport, *, everything: bool, width: int) -> Iterator[RenderableType]:
    if report.finding is not None:
        kind = report.finding.kind.value
        yield Text.assemble((kind, "yellow"), f": {printable(report.finding.reason, most=1000)}")
        return
    if not report.nodes:
        yield "No running nodes."
        return
    judgements = [node.newest for node in report.worst_first()]
    for explained, most in LISTED.items():
        found = [judgement for judgement in judgements if judgement.explained is explained]
        shown = found if everything else found[:most]
        if not shown:
            continue
        yield ""
        if explained:
            yield _table(shown) if width >= NARROWEST_TABLE else Group(*map(_figures, shown))
        else:
            yield Group(*map(_block, shown))
        if more := len(found) - len(shown):
            yield Text(f"... and {more:,} more {MARKS[explained]}; --all lists them", "dim")
    if any(judgement.explained for judgement in judgements):
        yield ""
        yield _legend(report)


def _block(judgement: Judgement) -> RenderableType:
    """A node people should read about: what it is called, the verdict, and why."""
    style = _STYLES[judgement.explained]
    return Group(
        Text.assemble((judgement.verdict.value, style), "  ", (_node_name(judgement), "bold")),
        Padding(Text(printable(judgement.reason, most=1000)), (0, 0, 0, 2)),
    )


def _figures(judgement: Judgement) -> RenderableType:
    """A line of the table where there is no room for one: a cut verdict or number would be a wrong one."""
    style = _STYLES[judgement.explained]
    figures = f"OS {rate(judgement.os)}, ENI {rate(judgement.eni)}, OS / ENI {ratio(judgement.ratio)}"
    return Group(
        Text.assemble((judgement.verdict.value, style), f"  {_node_name(judgement)}"),
        Padding(Text(figures), (0, 0, 0, 2)),
    )


def _table(judgements: Sequence[Judgement]) -> Table:
    # In 80 columns the names give way, and nothing else does.
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("node")
    table.add_column("instance", no_wrap=True)
    for name in ("OS", "ENI", "OS / ENI"):
        table.add_column(name, justify="right", no_wrap=True)
    for judgement in judgements:
        table.add_row(
            Text(judgement.verdict.value, _STYLES[judgement.explained]),
            one_line(short_name(judgement.node)),
            Text(printable(judgement.node.instance_id)),
            rate(judgement.os),
            rate(judgement.eni),
            ratio(judgement.ratio),
        )
    return table


def _legend(report: ClusterReport) -> Text:
    """What the explained verdicts of this cluster mean; the others say why at length."""
    rows = (f"{v.value}: {VERDICT_TABLE[v].means}" for v in report.verdicts if v.explained)
    return Text("\n".join(rows), "dim")


def counts_of(reports: Sequence[ClusterReport]) -> dict[bool | None, int]:
    """How many nodes are unexplained, unknown and explained."""
    counts = {
        explained: sum(v for r in reports for k, v in r.verdicts.items() if k.explained is explained)
        for explained in MARKS
    }
    # With a finding the nodes may have no verdicts.
    return counts | {None: sum(r.node_count for r in reports) - counts[False] - counts[True]}


def _summary(reports: Sequence[ClusterReport]) -> Text:
    counts = counts_of(reports)
    total = sum(counts.values())
    text = Text(f"{count(total, 'node')}: ")
    for number, explained in enumerate(MARKS):
        style = _STYLES[explained] if counts[explained] else "dim"
        text.append(", " if number else "")
        text.append(f"{counts[explained]:,} {MARKS[explained]}", style)
    billed = sum(report.billed_metrics for report in reports)
    return text.append(f". CloudWatch bills {billed:,} metrics for this look.")


def explain(console: Console, region: str, judgement: Judgement, finding: Finding | None = None) -> None:
    """One node: the verdict with its likely cause, both sides, every device, and what to do next."""
    console.print(
        Text.assemble(
            (_node_name(judgement), "bold"),
            f" in {printable(judgement.node.cluster)} ({printable(region)}), {span_of(judgement.window)}",
        )
    )
    words = CAUSE_WORDS.get(judgement.cause) if judgement.cause and not finding else None
    console.print()
    if finding:
        reason = printable(finding.reason, most=1000)
        console.print(Text.assemble((finding.kind.value, "yellow"), f" (unknown): {reason}"))
    else:
        reason = printable(judgement.reason, most=1000)
        mark = MARKS[judgement.explained]
        style = _STYLES[judgement.explained]
        console.print(Text.assemble((judgement.verdict.value, style), f" ({mark}): {reason}"))
    if words:
        console.print(Text(f"Likely: {words.likely}."))
    console.print()
    console.print(_sides(judgement))
    console.print()
    console.print(_devices(judgement))
    if words:
        next_step = words.next_step.replace("{cluster}", shlex.quote(printable(judgement.node.cluster)))
        console.print()
        console.print(Text(f"Next: {next_step}", "bold"))


def _sides(judgement: Judgement) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    table.add_row("OS", rate(judgement.os), "node_network_total_bytes, all devices, in plus out")
    table.add_row("ENI", rate(judgement.eni), "NetworkIn + NetworkOut, what the network interfaces carried")
    table.add_row("OS / ENI", ratio(judgement.ratio), "")
    if judgement.unexplained is not None:
        table.add_row("unexplained", rate(judgement.unexplained), "at least")
    if judgement.node_local_at_least is not None:
        table.add_row("node-local", rate(judgement.node_local_at_least), "at least; never left the node")
    return table


def _devices(judgement: Judgement) -> RenderableType:
    evidence = judgement.evidence
    if evidence is None:
        return Text("No device events to show.", "dim")
    table = Table(box=None, pad_edge=False)
    table.add_column("device")
    table.add_column("kind", no_wrap=True)
    table.add_column("received", justify="right", no_wrap=True)
    table.add_column("sent", justify="right", no_wrap=True)
    for device in evidence.devices:
        table.add_row(one_line(device.device), _kind(device), rate(device.rx.middle), rate(device.tx.middle))
    if isinstance(evidence, Unusable):
        why = Text(f"Not used as evidence: {printable(evidence.why, most=1000)}.", "dim")
        return Group(table, why) if evidence.devices else why
    table.add_section()
    table.add_row("physical", "", rate(evidence.physical_rx.middle), rate(evidence.physical_tx.middle))
    table.add_row("ENIs (EC2)", "", rate(judgement.eni_in), rate(judgement.eni_out))
    return table


KINDS = {
    DeviceKind.PHYSICAL: "physical",
    DeviceKind.POD: "virtual",
    DeviceKind.COUNTED_AGAIN: "virtual, counts again",
    DeviceKind.UNKNOWN: "unknown",
}


def _kind(device: DeviceRates) -> Text:
    return Text(KINDS[device.kind], "yellow" if device.kind is DeviceKind.UNKNOWN else "")


def short_name(node: Node) -> str:
    """The node's name without its domain; empty where Container Insights never gave it one."""
    return (node.node_name or "").split(".")[0]


def _node_name(judgement: Judgement) -> str:
    name, instance_id = printable(short_name(judgement.node)), printable(judgement.node.instance_id)
    return f"{name} ({instance_id})" if name else instance_id


def one_line(name: str) -> Text:
    """A name in a column that may be narrower than the name."""
    return Text(printable(name), no_wrap=True, overflow="ellipsis")


def rate(value: ByteRate | None) -> str:
    """A rate, or a dash for one that cannot be known."""
    return str(value) if value is not None else "-"


def ratio(value: float | None) -> str:
    """A ratio with the digits that matter, or a dash."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"
