"""`enigap check`: judges an account's clusters read-only, with the deployed function's code."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from enigap.cli.arguments import (
    At,
    Clusters,
    Evidence,
    Profile,
    Region,
    SettingsFile,
    Stack,
    UsageError,
)
from enigap.cli.bars import SplitBars, fills_of, key_of, strip
from enigap.cli.cost import GET_METRIC_DATA
from enigap.cli.desk import Origin, Replay
from enigap.cli.drawing import drawing_of
from enigap.cli.figures import (
    MARKS,
    STYLES,
    Sort,
    counts_of,
    dollars,
    node_label,
    one_line,
    rates,
    ratio,
    short_name,
    since_of,
    span_of,
)
from enigap.cli.look import Look, exit_status, look
from enigap.cli.screen import Screen, prose, write, write_text
from enigap.cli.spreadsheet import spreadsheet
from enigap.cli.watch import watch
from enigap.core.counting.reading import OsSource
from enigap.core.counting.rules import Rules
from enigap.core.documents import check_document
from enigap.core.judging.cluster import (
    ClusterReport,
    FindingKind,
    NodeReport,
    surplus,
    worst_clusters_first,
)
from enigap.core.judging.verdict import Judgement, Verdict, is_taken_on_trust, meaning
from enigap.core.text import count, listed, printable


class CheckFormat(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def command(  # noqa: PLR0917 - typer passes the options by name
    cluster: Clusters = None,
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    evidence: Evidence = None,
    output: Annotated[
        CheckFormat, typer.Option("--format", help="A table for people, JSON or CSV for programs.")
    ] = CheckFormat.TABLE,
    settings_file: SettingsFile = None,
    stack: Stack = None,
    replay: Replay = None,
    everything: Annotated[  # noqa: FBT002 - a flag is passed by name
        bool, typer.Option("--all", help="List every node, explained ones included.")
    ] = False,
    sort: Annotated[
        Sort, typer.Option(help="The order of nodes that have the same verdict, and of those in CSV.")
    ] = Sort.WORST,
    follow: Annotated[  # noqa: FBT002 - a flag is passed by name
        bool, typer.Option("--watch", help="Look again when the next window has settled, until Ctrl-C.")
    ] = False,
) -> int:
    """Judge every node: which gaps are explained by counting, which are not, and why.

    Exit status: 1 if a node is unexplained; else 2 if a node is unreadable, a cluster is not collected,
    nothing could be judged, or the command failed; else 0. Nodes that are merely unverified do not change it.
    """
    if follow and (at is not None or replay is not None or output is not CheckFormat.TABLE):
        raise UsageError("--watch shows a table of now: leave out --at, --replay and --format.")

    origin = Origin(region=region, profile=profile, settings_file=settings_file, stack=stack, bundle=replay)

    def looked() -> Look:
        shows_all = output is not CheckFormat.TABLE
        return look(origin, cluster=cluster, at=at, evidence=evidence, shows_all=shows_all)

    def draw(screen: Screen, it: Look) -> None:
        show(
            screen,
            it.region,
            it.reports,
            it.settings.rules(),
            again=origin.again(it.judged_at),
            notes=it.notes,
            everything=everything,
            sort=sort,
            account=it.account,
        )

    if follow:
        watch(Screen(), looked, draw, now=lambda: datetime.now(UTC), wait=time.sleep)
    found = looked()
    if output is CheckFormat.JSON:
        write(check_document(found.region, found.window, found.reports, found.account))
    elif output is CheckFormat.CSV:
        write_text(spreadsheet(found, sort))
    else:
        draw(Screen(), found)
    return exit_status(found.reports)


NARROWEST_TABLE: Final = 64
"""Minimum width in columns for a table of verdicts, instance ids and numbers."""
ROOM_FOR_BARS: Final = 100
"""From this width on, bars show what each node's bytes are."""
_FIGURES_COLUMNS: Final = 81
_LONGEST_BAR: Final = 60
LISTED: Final = 3
"""The most nodes of one verdict and cause that are listed without `--all`."""


def show(
    console: Console,
    region: str,
    reports: Sequence[ClusterReport],
    rules: Rules,
    *,
    again: Sequence[str],
    notes: Sequence[str] = (),
    everything: bool = False,
    sort: Sort = Sort.WORST,
    account: str | None = None,
) -> None:
    """Print every cluster, the worst first, then a legend, a summary and the next step.

    `rules` are those the reports were judged by, `again` the options that `enigap explain` needs to judge the
    same window in the same way.
    """
    of_account = f", account {printable(account)}" if account else ""
    console.print(Text.assemble((printable(region), "bold"), f"{of_account}, {span_of(reports[0].window)}"))
    ordered = worst_clusters_first(reports)
    if len(ordered) > 1:
        console.print()
        console.print(_overview(ordered))
    listed = _Listed(console, everything=everything, sort=sort)
    for report in ordered:
        if len(ordered) > 1 and not everything and _is_all_well(report):
            continue
        console.print()
        console.print(_heading(report))
        for part in listed.cluster(report):
            console.print(part)
    console.print()
    if legend := _legend(reports, rules, listed.key):
        console.print(prose(legend))
        console.print()
    for note in dict.fromkeys((*notes, *(note for report in reports for note in report.notes))):
        console.print(prose(Text(f"Note: {printable(note, most=500)}", "dim")))
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


# --- a line for each cluster ---


def _is_all_well(report: ClusterReport) -> bool:
    is_known = not report.finding and not report.findings
    return is_known and all(node.newest.explained for node in report.nodes)


def _overview(reports: Sequence[ClusterReport]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column("cluster", max_width=40)
    table.add_column("state", no_wrap=True)
    table.add_column("worst", overflow="fold")
    for report in reports:
        state, worst = _state(report)
        table.add_row(one_line(report.cluster), state, worst)
    return table


def _heading(report: ClusterReport) -> Text:
    return Text.assemble((printable(report.cluster), "bold"), ": ", _state(report)[0])


def _state(report: ClusterReport) -> tuple[Text, Text]:
    """How many of a cluster's nodes are what, and what its worst is."""
    if report.finding is not None:
        return Text(f"{count(report.node_count, 'node')} unknown", STYLES[None]), Text(report.finding.kind)
    if not report.nodes:
        return Text("no running nodes"), Text()
    counts, worst = counts_of([report]), report.worst_first()[0].newest
    said = Text(f"{counts[worst.explained]:,} of {count(len(report.nodes), 'node')} {MARKS[worst.explained]}")
    said.stylize(STYLES[worst.explained])
    if worst.explained:
        return said, Text()
    at_least = f", at least {worst.unexplained.rounded_down}" if worst.unexplained else ""
    return said, Text(f"{worst.verdict.value}{at_least}")


# --- its nodes ---


class _Listed:
    """Lists the nodes of clusters on one console. `key` explains the bars that were drawn."""

    def __init__(self, console: Console, *, everything: bool, sort: Sort) -> None:
        self._width, self._everything, self._sort = console.width, everything, sort
        self._fills = fills_of(console.options)
        self._drawn: list[Judgement] = []

    @property
    def key(self) -> str:
        drawings = [drawing for judgement in self._drawn if (drawing := drawing_of(judgement))]
        return f"{key_of(drawings, self._fills)}" if drawings else ""

    def cluster(self, report: ClusterReport) -> Iterator[RenderableType]:
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
        by_id = {node.newest.node.instance_id: node for node in report.nodes}
        groups = [[by_id[each.node.instance_id] for each in group.nodes] for group in report.groups()]
        for group in groups:
            if not group[0].newest.explained:
                yield ""
                yield self._open(group)
        explained = [group for group in groups if group[0].newest.explained]
        if explained:
            yield ""
            yield from self._explained(explained)
        yield from _taken_on_trust([node.newest for node in report.nodes])

    def _shown(self, group: Sequence[NodeReport]) -> Sequence[NodeReport]:
        ordered = self._sort.order(group)
        return ordered if self._everything else ordered[:LISTED]

    def _open(self, group: Sequence[NodeReport]) -> RenderableType:
        """Nodes that have one verdict and cause and are not explained: who, since when, and why."""
        first, shown = group[0].newest, self._shown(group)
        style = STYLES[first.explained]
        lines: list[RenderableType] = []
        if len(group) > 1:
            head = Text.assemble(
                (first.verdict.value, style), _likely(first), f": {count(len(group), 'node')}"
            )
            lines.append(head)
        for reason, nodes in groupby(shown, lambda node: str(node.newest.reason)):
            for node in nodes:
                who = (node_label(node.newest), "bold")
                if len(group) > 1:
                    named = Text.assemble("  ", who)
                else:
                    named = Text.assemble((first.verdict.value, style), "  ", who)
                since = since_of(node)
                lines.append(named.append(f"  {since}") if since else named)
                last = node
            indent = 4 if len(group) > 1 else 2
            lines.append(prose(Padding(Text(printable(reason, most=1000)), (0, 0, 0, indent))))
            lines.extend(self._bars(last.newest))
        lines.extend(self._more(group, shown))
        return Group(*lines)

    def _bars(self, judgement: Judgement) -> Iterator[RenderableType]:
        drawing = drawing_of(judgement)
        if drawing is not None and self._width >= ROOM_FOR_BARS:
            self._drawn.append(judgement)
            yield Padding(SplitBars(drawing, has_legend=False), (0, 0, 0, 2))

    def _explained(self, groups: Sequence[Sequence[NodeReport]]) -> Iterator[RenderableType]:
        shown = [node.newest for group in groups for node in self._shown(group)]
        yield self._table(shown) if self._width >= NARROWEST_TABLE else Group(*map(_figures, shown))
        for group in groups:
            yield from self._more(group, self._shown(group))

    def _more(self, group: Sequence[NodeReport], shown: Sequence[NodeReport]) -> Iterator[Text]:
        if more := len(group) - len(shown):
            yield Text(f"... and {more:,} more {group[0].newest.verdict.value}; --all lists them", "dim")

    def _table(self, judgements: Sequence[Judgement]) -> Table:
        # In 80 columns only the names are shortened.
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
        table.add_column("verdict", no_wrap=True)
        table.add_column("node")
        table.add_column("instance", no_wrap=True)
        for name in ("OS", "ENI", "OS / ENI"):
            table.add_column(name, justify="right", no_wrap=True)
        has_bars = self._width >= ROOM_FOR_BARS
        if has_bars:
            table.add_column("what the OS counted", no_wrap=True)
        for judgement in judgements:
            table.add_row(
                Text(judgement.verdict.value, STYLES[judgement.explained]),
                one_line(short_name(judgement.node)),
                Text(printable(judgement.node.instance_id)),
                *rates(judgement),
                ratio(judgement.ratio),
                *([self._strip(judgement)] if has_bars else []),
            )
        return table

    def _strip(self, judgement: Judgement) -> Text:
        drawing = drawing_of(judgement)
        if drawing is None:
            return Text()
        self._drawn.append(judgement)
        return strip(drawing, min(_LONGEST_BAR, self._width - _FIGURES_COLUMNS), self._fills)


def _likely(judgement: Judgement) -> str:
    causes = [cause.replace("_", " ") for cause in (judgement.cause, judgement.alternative_cause) if cause]
    return f", likely {' or '.join(causes)}" if causes else ""


def _figures(judgement: Judgement) -> RenderableType:
    """A table row as lines, for narrow terminals, where a truncated verdict or number would mislead."""
    style = STYLES[judgement.explained]
    os, eni = rates(judgement)
    figures = f"OS {os}, ENI {eni}, OS / ENI {ratio(judgement.ratio)}"
    return Group(
        Text.assemble((judgement.verdict.value, style), f"  {node_label(judgement)}"),
        Padding(Text(figures), (0, 0, 0, 2)),
    )


_MOST_REASONS: Final = 3


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


# --- what all of them come to ---


def _legend(reports: Sequence[ClusterReport], rules: Rules, key: str) -> Text:
    """The meanings of the explained verdicts, and of the bars; the other nodes have a reason each."""
    found = {verdict for report in reports for verdict in report.verdicts if verdict.explained}
    rows = [f"{verdict.value}: {meaning(verdict, rules)}" for verdict in Verdict if verdict in found]
    if key:
        rows.append(f"Bars: {key}; each node's to a scale of its own")
    return Text("\n".join(rows), "dim")


_OS_SOURCES: Final = {
    OsSource.CLASSIC: "classic Container Insights",
    OsSource.OTEL: "OpenTelemetry Container Insights",
}


def _os_sources(judgements: Sequence[Judgement]) -> str:
    """Where the OS's bytes come from."""
    nodes = Counter(judgement.os_source for judgement in judgements)
    named = [(of, nodes[source]) for source, of in _OS_SOURCES.items() if nodes[source]]
    if len(named) > 1:
        return f". OS bytes are from {listed([f'{of} ({number:,})' for of, number in named])}"
    return f". OS bytes are from {named[0][0]}" if named else ""


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
        text.append(f". The devices of {count(unseen, 'node')} were not looked at or prove nothing")
    text.append(_os_sources(judgements))
    cost = dollars(billed * GET_METRIC_DATA.dollars)
    text.append(f". CloudWatch bills {billed:,} metrics for this look: {cost}")
    if any(judgement.os_source is OsSource.OTEL for judgement in judgements):
        text.append(", and what PromQL scans (`enigap estimate`)")
    return text.append(".")
