"""`enigap check --format csv`: a row for each node, with the figures of its JSON but for the devices."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from enigap.cli.figures import Sort
from enigap.cli.look import Look
from enigap.core.documents import NODE_FIELDS, node_document
from enigap.core.instants import timestamp
from enigap.core.text import printable

_OF_CLUSTER: Final = (
    "region",
    "account",
    "window_start",
    "window_end",
    "cluster",
    "finding",
    "finding_reason",
)
_OF_NODE: Final = tuple(key for key in NODE_FIELDS if key not in {"split", "evidence", "comparison"})


def spreadsheet(looked: Look, sort: Sort) -> str:
    """The clusters as in JSON, their nodes as sorted. A cluster without nodes has a row of its own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_OF_CLUSTER, *_OF_NODE))
    writer.writerows([_cell(value) for value in row] for row in _rows(looked, sort))
    return text.getvalue()


def _rows(looked: Look, sort: Sort) -> Iterator[tuple[Any, ...]]:
    of_all = looked.region, looked.account, timestamp(looked.window.start), timestamp(looked.window.end)
    for report in looked.reports:
        finding = (report.finding.kind.value, report.finding.reason) if report.finding else (None, None)
        of_cluster = (*of_all, report.cluster, *finding)
        if not report.nodes:
            yield (*of_cluster, *(None for _ in _OF_NODE))
        for node in sort.order(report.worst_first()):
            document = node_document(node.newest.figures)
            yield (*of_cluster, *(document[key] for key in _OF_NODE))


def _cell(value: Any) -> Any:
    """A number as it is, an unknown value empty, a text such that no spreadsheet takes it for a formula."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    shown = printable(value, most=1000)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
