"""`enigap check`: judges an account's clusters read-only, with the deployed function's code."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from enigap.cli.arguments import (
    At,
    Clusters,
    DeskEvidence,
    Evidence,
    Format,
    Output,
    Profile,
    Region,
    SettingsFile,
    options,
)
from enigap.cli.figures import (
    MARKS,
    STYLES,
    counts_of,
    node_label,
    one_line,
    rate,
    ratio,
    short_name,
    span_of,
)
from enigap.cli.look import exit_status, look
from enigap.cli.screen import Screen, write
from enigap.core.counting.rules import Rules
from enigap.core.documents import check_document
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import ClusterReport, FindingKind, surplus
from enigap.core.judging.verdict import Judgement, is_taken_on_trust, meaning
from enigap.core.text import count, printable


def command(  # noqa: PLR0917 - typer passes the options by name
    cluster: Clusters = None,
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    evidence: Evidence = None,
    output: Output = Format.TABLE,
    settings_file: SettingsFile = None,
    everything: Annotated[  # noqa: FBT002 - a flag is passed by name
        bool, typer.Option("--all", help="List every node, explained ones included.")
    ] = False,
) -> int:
    """Judge every node: which gaps are explained by counting, which are not, and why.

    Exit status: 1 if a node is unexplained; else 2 if a node is unreadable, a cluster is not collected,
    nothing could be judged, or the command failed; else 0. Nodes that are merely unverified do not change it.
    """
    looked = look(
        cluster=cluster,
        region=region,
        profile=profile,
        at=at,
        evidence=evidence,
        settings_file=settings_file,
        shows_all=output is Format.JSON and evidence in {DeskEvidence.ALL, DeskEvidence.ALWAYS, None},
    )
    if output is Format.JSON:
        write(check_document(looked.region, looked.window, looked.reports))
    else:
        show(
            Screen(),
            looked.region,
            looked.reports,
            looked.settings.rules(),
            again=options(
                {
                    "--region": region,
                    "--profile": profile,
                    "--settings": settings_file,
                    "--at": timestamp(looked.window.end + looked.settings.settle),
                }
            ),
            notes=looked.notes,
            everything=everything,
        )
    return exit_status(looked.reports)


NARROWEST_TABLE = 64
"""Minimum width in columns for a table of verdicts, instance ids and numbers."""
LISTED = {False: 50, None: 20, True: 20}
"""The most nodes of a cluster that are listed without `--all`, by `explained` of their verdicts."""


def show(
    console: Console,
    region: str,
    reports: Sequence[ClusterReport],
    rules: Rules,
    *,
    again: Sequence[str],
    notes: Sequence[str] = (),
    everything: bool = False,
) -> None:
    """Print every cluster, worst nodes first, then a summary and the next step.

    `rules` are those the reports were judged by, `again` the options that `enigap explain` needs to judge the
    same window in the same way.
    """
    window = reports[0].window
    console.print(Text.assemble((printable(region), "bold"), f", {span_of(window)}"))
    for report in reports:
        console.print()
        console.print(Text(printable(report.cluster), "bold"))
        for part in _cluster(report, rules, everything=everything, width=console.width):
            console.print(part)
    console.print()
    for note in dict.fromkeys((*notes, *(note for report in reports for note in report.notes))):
        console.print(Text(f"Note: {printable(note, most=500)}", "dim"))
    console.print(_summary(reports))
    if (worst := _worst(reports)) is not None:
        command = shlex.join(["enigap", "explain", worst.node.instance_id, *again])
        console.print(Text(f"Next: {printable(command, most=1000)}", "bold"), soft_wrap=True)


def _worst(reports: Sequence[ClusterReport]) -> Judgement | None:
    """The worst node of all clusters; None if every node is explained."""
    judgements = [node.newest for report in reports for node in report.worst_first()]
    for explained in (False, None):
        found = [judgement for judgement in judgements if judgement.explained is explained]
        if found:
            return max(found, key=surplus)
    return None


def _cluster(
    report: ClusterReport, rules: Rules, *, everything: bool, width: int
) -> Iterator[RenderableType]:
    if report.finding is not None:
        kind = report.finding.kind.value
        yield Text.assemble((kind, "yellow"), f": {printable(report.finding.reason, most=1000)}")
        return
    if not report.nodes:
        yield "No running nodes."
        return
    for remark in report.findings:
        no_fault = " (no fault)" if remark.kind is FindingKind.COUNTS_DIFFER else ""
        yield Text(f"{remark.kind.value}{no_fault}: {printable(remark.reason, most=1000)}", "dim")
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
        yield _legend(report, rules)
    yield from _taken_on_trust(judgements)


def _block(judgement: Judgement) -> RenderableType:
    """An unexplained or unknown node as a paragraph: its name, verdict and reason."""
    style = STYLES[judgement.explained]
    return Group(
        Text.assemble((judgement.verdict.value, style), "  ", (node_label(judgement), "bold")),
        Padding(Text(printable(str(judgement.reason), most=1000)), (0, 0, 0, 2)),
    )


def _figures(judgement: Judgement) -> RenderableType:
    """A table row as lines, for narrow terminals, where a truncated verdict or number would mislead."""
    style = STYLES[judgement.explained]
    figures = f"OS {rate(judgement.os)}, ENI {rate(judgement.eni)}, OS / ENI {ratio(judgement.ratio)}"
    return Group(
        Text.assemble((judgement.verdict.value, style), f"  {node_label(judgement)}"),
        Padding(Text(figures), (0, 0, 0, 2)),
    )


def _table(judgements: Sequence[Judgement]) -> Table:
    # In 80 columns only the names are shortened.
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("node")
    table.add_column("instance", no_wrap=True)
    for name in ("OS", "ENI", "OS / ENI"):
        table.add_column(name, justify="right", no_wrap=True)
    for judgement in judgements:
        table.add_row(
            Text(judgement.verdict.value, STYLES[judgement.explained]),
            one_line(short_name(judgement.node)),
            Text(printable(judgement.node.instance_id)),
            rate(judgement.os),
            rate(judgement.eni),
            ratio(judgement.ratio),
        )
    return table


_MOST_REASONS = 3


def _taken_on_trust(judgements: Sequence[Judgement]) -> Iterator[Text]:
    """Why devices of explained nodes were not seen, the commonest reasons first."""
    reasons = Counter(judgement.evidence_missing for judgement in judgements if is_taken_on_trust(judgement))
    for number, (why, nodes) in enumerate(reasons.most_common()):
        if number == _MOST_REASONS:
            more = sum(reasons.values()) - sum(n for _, n in reasons.most_common(_MOST_REASONS))
            yield Text(f"... and for other reasons of {count(more, 'explained node')}", "dim")
            return
        of = f"The devices of {count(nodes, 'explained node')} were not looked at or prove nothing"
        yield Text(f"{of}: {printable(why or '', most=500)}", "dim")


def _legend(report: ClusterReport, rules: Rules) -> Text:
    """The meanings of the explained verdicts of this cluster; the other nodes have a reason each."""
    rows = (f"{v.value}: {meaning(v, rules)}" for v in report.verdicts if v.explained)
    return Text("\n".join(rows), "dim")


def _summary(reports: Sequence[ClusterReport]) -> Text:
    counts = counts_of(reports)
    total = sum(counts.values())
    text = Text(f"{count(total, 'node')}: ")
    for number, explained in enumerate(MARKS):
        style = STYLES[explained] if counts[explained] else "dim"
        text.append(", " if number else "")
        text.append(f"{counts[explained]:,} {MARKS[explained]}", style)
    billed = sum(report.billed_metrics for report in reports)
    judgements = [node.newest for report in reports for node in report.nodes]
    unseen = sum(judgement.evidence_missing is not None for judgement in judgements)
    if unseen:
        text.append(f". The devices of {unseen:,} were not looked at or prove nothing")
    return text.append(f". CloudWatch bills {billed:,} metrics for this look.")
