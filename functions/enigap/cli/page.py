"""The page of `enigap report`: the results of `check` as self-contained HTML.

Names and reasons come from tags, logs and AWS, so they are escaped, and the page's Content-Security-Policy
forbids scripts and loading anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from enigap.cli.explain import KINDS
from enigap.cli.figures import MARKS, counts_of, rate, ratio, short_name, span_of
from enigap.core.counting.evidence import DeviceRates
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ByteRate
from enigap.core.judging.cluster import ClusterReport
from enigap.core.judging.verdict import VERDICT_TABLE, Judgement, meaning
from enigap.core.published import Metric, cluster_values
from enigap.core.text import printable

_STYLES: Final = {False: "no", None: "unknown", True: "yes"}
_LEAST: Final = ByteRate(1_000.0)
"""The rate at which bars have length 0."""

_PAGES: Final = Environment(
    loader=PackageLoader("enigap.cli", package_path=""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


def page(
    region: str,
    reports: Sequence[ClusterReport],
    rules: Rules,
    *,
    written: datetime,
    notes: Sequence[str] = (),
) -> str:
    """The HTML page of these reports, which are of one window and judged by `rules`."""
    verdicts = {verdict for report in reports for verdict in report.verdicts}
    return _PAGES.get_template("page.html.jinja").render(
        region=printable(region),
        window=span_of(reports[0].window),
        written=f"{written:%Y-%m-%d %H:%M} UTC",
        version=version("enigap"),
        sums=[(MARKS[e], _STYLES[e], f"{count:,}") for e, count in counts_of(reports).items()],
        clusters=[_cluster(report) for report in reports],
        meanings=[
            (verdict.value, _STYLES[verdict.explained], meaning(verdict, rules))
            for verdict in VERDICT_TABLE
            if verdict in verdicts
        ],
        notes=[
            printable(note, most=500)
            for note in dict.fromkeys((*notes, *(note for report in reports for note in report.notes)))
        ],
    )


def _cluster(report: ClusterReport) -> dict[str, Any]:
    sums = dict(cluster_values(report))
    judgements = [node.newest for node in report.worst_first()]
    bar = _bars(judgements)
    return {
        "name": printable(report.cluster),
        "finding": report.finding
        and {"kind": report.finding.kind.value, "reason": printable(report.finding.reason, most=1000)},
        "findings": [
            {"kind": each.kind.value, "reason": printable(each.reason, most=1000)} for each in report.findings
        ],
        "os": _sum(sums.get(Metric.OS_BYTES)),
        "eni": _sum(sums.get(Metric.ENI_BYTES)),
        "node_local": _sum(sums.get(Metric.NODE_LOCAL_BYTES)),
        "nodes": [
            {
                "verdict": judgement.verdict.value,
                "style": _STYLES[judgement.explained],
                "name": printable(short_name(judgement.node)),
                "instance_id": printable(judgement.node.instance_id),
                "os": rate(judgement.os),
                "eni": rate(judgement.eni),
                "ratio": ratio(judgement.ratio),
                "os_percent": bar(judgement.os),
                "eni_percent": bar(judgement.eni),
                "reason": printable(str(judgement.reason), most=1000),
                "devices": [_device(device) for device in _devices(judgement)],
            }
            for judgement in judgements
        ],
    }


def _bars(judgements: Iterable[Judgement]) -> Callable[[ByteRate | None], int]:
    """A function from a rate to the length of its bar in percent, on a logarithmic scale."""
    rates = [each for judgement in judgements for each in (judgement.os, judgement.eni) if each is not None]
    most = max((each.bytes_per_second for each in rates), default=0.0)
    longest = _steps(most) or 1.0

    def percent(value: ByteRate | None) -> int:
        return 0 if value is None else round(100 * _steps(value.bytes_per_second) / longest)

    return percent


def _steps(bytes_per_second: float) -> float:
    return math.log10(max(1.0, bytes_per_second / _LEAST.bytes_per_second))


def _devices(judgement: Judgement) -> Sequence[DeviceRates]:
    return judgement.evidence.devices if judgement.evidence else ()


def _device(device: DeviceRates) -> dict[str, str]:
    return {
        "name": printable(device.device),
        "kind": KINDS[device.kind],
        "received": rate(device.rx.middle),
        "sent": rate(device.tx.middle),
    }


def _sum(bytes_per_second: float | None) -> str:
    return rate(None if bytes_per_second is None else ByteRate(bytes_per_second))
