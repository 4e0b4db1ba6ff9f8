"""`enigap doctor --migration`: what would change if the classic Container Insights were switched off."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from rich.console import Console
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

from enigap.assessment import METRICS_PER_NODE
from enigap.aws.observe_otel import SAMPLES_PER_DAY, SECONDS_FOR_A_DAY, day_of_all, requests_for_a_day
from enigap.aws.observe_uses import MOST_REQUESTS, SECONDS, usages
from enigap.cli.cost import API_REQUEST, GET_METRIC_DATA, PROMQL_SAMPLE
from enigap.cli.desk import Desk
from enigap.cli.progress import Say
from enigap.cli.screen import prose
from enigap.core.counting.meters import OS_METRIC, OS_NAMESPACE
from enigap.core.counting.node import Node
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import GRID, Window
from enigap.core.doctor.belief import Status
from enigap.core.doctor.migration import (
    EDGE_SECONDS,
    FOR_PODS,
    WINDOWS,
    ClusterCompared,
    Differing,
    NodeCompared,
    Publishes,
    Stretch,
    by_cluster,
    next_step,
)
from enigap.core.doctor.usages import EVERY_METRIC, Usages
from enigap.core.documents import Document
from enigap.core.instants import timestamp
from enigap.core.text import count, listed, percent, printable

MOST_SHOWN: Final = 10
"""Nodes of a cluster that are shown, and what uses the metrics; the document has all."""


def price(nodes: int, region: str) -> str:
    """What comparing takes and costs, said before it begins."""
    metrics, samples = METRICS_PER_NODE * nodes, SAMPLES_PER_DAY * nodes
    calls, queries = requests_for_a_day(nodes)
    minutes = (SECONDS_FOR_A_DAY + SECONDS) / 60
    return (
        f"Comparing 24 hours of {count(nodes, 'node')} in {printable(region)}, for {minutes:.1f} minutes at "
        f"most. It reads up to {count(metrics, 'metric')} in {count(calls, 'call')} "
        f"(${metrics * GET_METRIC_DATA.dollars:.4f}), about {samples:,} samples of OpenTelemetry's counters "
        f"in some {queries:,} queries (${samples * PROMQL_SAMPLE.dollars:.4f}) and, of alarms and "
        f"dashboards, up to {MOST_REQUESTS} answers (${MOST_REQUESTS * API_REQUEST.dollars:.4f}). It changes "
        "nothing."
    )


def compared(it: Desk, nodes: Sequence[Node], say: Say) -> tuple[list[ClusterCompared], Usages]:
    """Each cluster's nodes by both, and what uses the classic metrics. Raises AwsProblem."""
    rules = it.settings.rules()
    until = time.monotonic() + SECONDS_FOR_A_DAY
    with it.aws.deadline.within(SECONDS_FOR_A_DAY):
        newest = Window.newest_settled(it.now, rules.settle)
        found = day_of_all(it.aws, nodes, newest, rules, say, lambda: time.monotonic() > until)
        clusters = by_cluster(list(found))
    return clusters, usages(it.aws, say)


# --- output ---


def show(console: Console, clusters: Sequence[ClusterCompared], uses: Usages) -> None:
    """Worst first: nodes that differ, then what cannot be told, what agrees, what uses the metrics, the next
    step."""
    for cluster in clusters:
        console.print()
        console.print(prose(Text(_about(cluster), "bold")))
        for node in _nodes(cluster):
            console.print(node)
    if any(cluster.compared for cluster in clusters):
        console.print()
        console.print(prose(Text(_WHAT_AGREES, "dim")))
    console.print()
    for use in _uses(uses):
        console.print(prose(use))
    console.print()
    console.print(prose(Text.assemble(("Next: ", "bold"), next_step(clusters, uses))))


_WHAT_AGREES: Final = (
    f"The two agree where their bytes differ by no more than {percent(FOR_PODS)}, what {EDGE_SECONDS:.0f} s "
    "at the edges carry and what the classic metric's rates leave open: they are read at different seconds, "
    "from counters up to 20 s old. Verdicts are of the totals alone, without devices."
)

_PUBLISHES: Final = {
    Publishes.BOTH: "publishes both",
    Publishes.CLASSIC: f"publishes the classic {OS_METRIC} alone",
    Publishes.OTEL: "publishes OpenTelemetry's counters alone",
    Publishes.NEITHER: "publishes neither",
    Publishes.UNKNOWN: "could not be read",
}


def _about(cluster: ClusterCompared) -> str:
    said = f"{printable(cluster.cluster)} {_PUBLISHES[cluster.publishes]}"
    if cluster.publishes is not Publishes.BOTH:
        return f"{said} ({count(len(cluster.nodes), 'node')})."
    wrong = len(cluster.not_equivalent)
    return f"{said}: {wrong:,} of {count(len(cluster.compared), 'node')} that could be compared differ."


def _nodes(cluster: ClusterCompared) -> Iterator[Constrain]:
    """The worst nodes, one by one, and the others in a line."""
    if cluster.publishes in {Publishes.CLASSIC, Publishes.OTEL, Publishes.NEITHER}:
        return
    worth = [
        node
        for node in cluster.nodes
        if node.why_not or node.is_equivalent is not True or node.differing or node.has_gaps
    ]
    for node in worth[:MOST_SHOWN]:
        yield _node(node)
    if more := worth[MOST_SHOWN:]:
        yield Constrain(Text(f"and {count(len(more), 'node')} like these: --format json has them all."))
    fine = len(cluster.nodes) - len(worth)
    if fine:
        yield line(Status.PASS, f"{count(fine, 'node')}: the same bytes and the same verdicts by both.")


def _node(node: NodeCompared) -> Constrain:
    name = printable(node.node.name or node.node.instance_id)
    label = f"{name} ({node.node.instance_id})" if node.node.name else name
    if node.why_not:
        return line(Status.CANT_TELL, f"{label}: {printable(node.why_not, most=500)}.")
    coverage = (
        f"enough to judge in {node.classic_windows} of {node.windows} windows by the classic metric, in "
        f"{node.otel_windows} by the counters"
    )
    if node.is_equivalent is None:
        return line(Status.CANT_TELL, f"{label}: no period is whole by both; {coverage}.")
    one, other = (_rate(each, node) for each in (node.classic_bytes, node.otel_bytes))
    more = []
    if (hour := node.furthest) is not None and not node.is_equivalent:
        apart = f"{_rate_of(hour, hour.classic_bytes)} against {_rate_of(hour, hour.otel_bytes)}"
        more.append(
            f"apart in {node.hours_apart} of {len(node.hours)} hours, most from {hour.start:%Y-%m-%d %H:%M} "
            f"UTC: {apart}, where a difference of {_rate_of(hour, hour.allowed_bytes)} is allowed"
        )
    more += [*map(_difference, node.differing), coverage]
    status = Status.CANT_TELL if node.has_gaps else Status.PASS
    is_wrong = node.is_opposite or not node.is_equivalent
    return line(
        Status.FAIL if is_wrong else status,
        f"{label}: {one} by the classic metric, {other} by the counters",
        *(Text(each, "dim") for each in more),
    )


def _difference(each: Differing) -> str:
    return (
        f"{each.classic.value} by the classic metric and {each.otel.value} by the counters in "
        f"{count(each.windows, 'window')}, last at {each.newest:%Y-%m-%d %H:%M} UTC"
    )


def _rate(total: float, node: NodeCompared) -> str:
    return str(ByteRate.from_total(total, timedelta(seconds=node.seconds)))


def _rate_of(hour: Stretch, total: float) -> str:
    return str(ByteRate.from_total(total, hour.end - hour.start))


_STYLES: Final = {Status.PASS: "green", Status.FAIL: "bold red", Status.CANT_TELL: "yellow"}


def line(status: Status, text: str, *more: Text) -> Constrain:
    """A status, what it is of and more about it, beside each other."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, width=len(Status.CANT_TELL))
    table.add_column(overflow="fold")
    table.add_row(Text(status.value, _STYLES[status]), Text(text))
    for each in more:
        table.add_row("", each)
    return prose(table)


def _uses(uses: Usages) -> Iterator[Text]:
    """What uses the classic metrics; that of the totals first."""
    read = f"{count(uses.alarms, 'alarm')} and {count(uses.dashboards, 'dashboard')} were read"
    if uses.uses:
        yield Text(f"What has no data without the classic {OS_NAMESPACE} ({uses.counted()}; {read}):", "bold")
    else:
        yield Text(f"No alarm and no dashboard that was read uses the classic {OS_NAMESPACE} ({read}).")
    for use in uses.uses[:MOST_SHOWN]:
        metrics = (
            "a search over all metrics" if use.metrics == {EVERY_METRIC} else listed(sorted(use.metrics))
        )
        yield Text(f"  {use.kind.value} {printable(use.name)}: {printable(metrics)}")
    if more := uses.uses[MOST_SHOWN:]:
        yield Text(f"  and {len(more):,} more: --format json has them all.")
    for why in uses.not_seen[:MOST_SHOWN]:
        yield Text(f"Not seen: {printable(why, most=500)}.", "yellow")


def paragraph(clusters: Sequence[ClusterCompared], uses: Usages) -> str:
    """Figures to paste into a report, with no name that comes from the account."""
    nodes = [node for cluster in clusters for node in cluster.nodes]
    ratios = sorted(node.otel_bytes / node.classic_bytes for node in nodes if node.classic_bytes)
    middle = f", counters to classic {ratios[len(ratios) // 2]:.3f} in the middle" if ratios else ""
    compared_nodes = sum(len(cluster.compared) for cluster in clusters)
    differ = sum(len(cluster.not_equivalent) for cluster in clusters)
    read = uses.alarms + uses.dashboards
    windows = sum(node.windows_that_differ for node in nodes)
    return (
        f"enigap doctor --migration on {len(nodes)} nodes: {compared_nodes} compared, {differ} "
        f"differ{middle}; {windows} of {sum(node.windows for node in nodes)} windows judged differently; "
        f"{len(uses.uses)} of {read} alarms and dashboards use the classic metrics."
    )


def document(clusters: Sequence[ClusterCompared], uses: Usages, newest: Window) -> Document:
    """The member `migration` of the JSON document."""
    return {
        "start": timestamp(newest.end - WINDOWS * GRID),
        "end": timestamp(newest.end),
        "clusters": [
            {
                "cluster": cluster.cluster,
                "publishes": cluster.publishes.value,
                "nodes": [_node_document(node) for node in cluster.nodes],
            }
            for cluster in clusters
        ],
        "uses": [
            {
                "kind": use.kind.value,
                "name": use.name,
                "metrics": sorted(use.metrics),
                "is_of_total": use.is_of_total,
            }
            for use in uses.uses
        ],
        "alarms_read": uses.alarms,
        "dashboards_read": uses.dashboards,
        "not_seen": list(uses.not_seen),
        "next": next_step(clusters, uses),
    }


def _node_document(node: NodeCompared) -> dict[str, Any]:
    return {
        "instance_id": node.node.instance_id,
        "node_name": node.node.name,
        "equivalent": node.is_equivalent,
        "why_not": node.why_not,
        "compared_seconds": node.seconds,
        "classic_bytes": node.classic_bytes,
        "otel_bytes": node.otel_bytes,
        "stretches": len(node.hours),
        "stretches_apart": node.hours_apart,
        "windows": node.windows,
        "classic_windows": node.classic_windows,
        "otel_windows": node.otel_windows,
        "verdicts": [
            {
                "classic": each.classic.value,
                "otel": each.otel.value,
                "contrast": each.contrast.value,
                "windows": each.windows,
                "newest": timestamp(each.newest),
            }
            for each in node.differing
        ],
    }
