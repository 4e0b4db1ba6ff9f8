"""Formats names, rates and ratios for the terminal. Untrusted text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from math import inf

from rich.text import Text

from enigap.core.counting.node import Node
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import Window
from enigap.core.judging.cluster import ClusterReport, NodeReport
from enigap.core.judging.verdict import Judgement, Verdict
from enigap.core.text import printable

STYLES = {False: "bold red", None: "yellow", True: "green"}
MARKS = {False: "unexplained", None: "unknown", True: "explained"}


class Sort(StrEnum):
    """Orders of nodes."""

    WORST = "worst"
    NAME = "name"
    OS = "os"
    ENI = "eni"
    RATIO = "ratio"

    def order(self, nodes: Sequence[NodeReport]) -> Sequence[NodeReport]:
        """Nodes that come worst first, in this order: by name, or by a figure from the largest on."""
        if self is Sort.WORST:
            return nodes
        if self is Sort.NAME:
            return sorted(nodes, key=lambda node: node_label(node.newest))
        return sorted(nodes, key=self._largest_first)

    def _largest_first(self, report: NodeReport) -> float:
        value: ByteRate | float | None = getattr(report.newest, self.value)
        if value is None:
            return inf
        return -(value.bytes_per_second if isinstance(value, ByteRate) else value)


def span_of(window: Window) -> str:
    return f"{window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC"


def minute_of(instant: datetime, window: Window) -> str:
    """`15:45`, with its date where that is not the day on which the window ends."""
    return f"{instant:%H:%M}" if instant.date() == window.end.date() else f"{instant:%Y-%m-%d %H:%M}"


def since_of(report: NodeReport) -> str:
    """`since 15:45 UTC`: the start of what the newest verdict is about, as far as the fetch reaches back."""
    newest = report.newest
    if newest.since is None:
        return ""
    began = f"since {minute_of(newest.since, newest.window)}"
    goes_back_further = newest.comparison is None and set(report.earlier) <= {newest.verdict}
    return f"{began} UTC or before" if goes_back_further else f"{began} UTC"


def dollars(amount: float) -> str:
    """`$0.0006`, `$0.15`, `$1,234.50`: all digits of an amount under a cent."""
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.5f}".rstrip("0")


def counts_of(reports: Sequence[ClusterReport]) -> dict[bool | None, int]:
    """How many nodes are unexplained, unknown and explained."""
    counts = {
        explained: sum(v for r in reports for k, v in r.verdicts.items() if k.explained is explained)
        for explained in MARKS
    }
    # With a finding about the cluster, the nodes may have no verdicts.
    return counts | {None: sum(r.node_count for r in reports) - counts[False] - counts[True]}


def short_name(node: Node) -> str:
    """The node's name without its domain; empty if neither Container Insights nor EC2 tells one."""
    return (node.name or "").split(".")[0]


def names_of(node: Node) -> set[str]:
    """The names by which the node can be given; the table of `check` shows the short one."""
    return {node.instance_id, node.name or "", short_name(node)} - {""}


def node_label(judgement: Judgement) -> str:
    name, instance_id = printable(short_name(judgement.node)), printable(judgement.node.instance_id)
    return f"{name} ({instance_id})" if name else instance_id


def one_line(name: str) -> Text:
    """A name on one line, truncated where the column is narrower."""
    return Text(printable(name), no_wrap=True, overflow="ellipsis")


def rate(value: ByteRate | None) -> str:
    """A rate, or a dash if it is unknown."""
    return str(value) if value is not None else "-"


def rates(judgement: Judgement) -> tuple[str, str]:
    """Both sides; of an idle node rounded down, for a figure that reads like the floor is not under it."""
    os, eni = judgement.os, judgement.eni
    if judgement.verdict is Verdict.IDLE and os is not None and eni is not None:
        return os.rounded_down, eni.rounded_down
    return rate(os), rate(eni)


def ratio(value: float | None) -> str:
    """A ratio with its significant digits, or a dash if it is unknown."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"
