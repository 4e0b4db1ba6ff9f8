"""The page of `enigap report`: one self-contained file of HTML.

It has a small script of its own that filters, sorts and unfolds what is already on the page, and loads
nothing. Names and reasons come from tags, logs and AWS: the template escapes them, and the page's policy
(Content-Security-Policy) allows this one script and this one style by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from enigap.cli import svg
from enigap.cli.chart import Course, chart_of, in_words
from enigap.cli.drawing import Drawing, Part, drawing_of
from enigap.cli.explain import KINDS
from enigap.cli.figures import MARKS, counts_of, minute_of, node_label, rate, ratio, short_name, span_of
from enigap.core.console import both_sides_url, device_events_url, instance_url
from enigap.core.counting.evidence import Unusable
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import GRID, Window
from enigap.core.documents import check_document
from enigap.core.judging.cluster import (
    ClusterReport,
    Group,
    sum_of_known,
    surplus,
    worst_clusters_first,
)
from enigap.core.judging.verdict import VERDICT_TABLE, Judgement, Verdict, meaning
from enigap.core.messages.talkers import conversations_in_words
from enigap.core.messages.words import FINDING_WORDS, impact_of, os_metric, words_for
from enigap.core.published import Metric, cluster_values
from enigap.core.text import count, printable
from enigap.settings import Settings, rows

MOST_UNFOLDABLE: Final = 500
"""Nodes that have their bars, devices and figures on the page, worst first; of others it has a line each."""
_UNFOLDED: Final = 3
"""Nodes that are unfolded at first, of those that are unexplained."""
_STYLES: Final = {False: "no", None: "unknown", True: "yes"}
_LONGEST: Final = 1000

_JUDGED_BY: Final = (
    "clusters",
    "node_tags",
    "settle_minutes",
    "tolerance",
    "floor_bytes_per_second",
    "max_counts_per_byte",
    "physical_devices",
    "virtual_devices",
    "os_source",
    "evidence",
    "look_back_hours",
    "evidence_max_nodes",
    "confirm_windows",
)
"""The settings that the page's verdicts depend on."""

_PAGES: Final = Environment(
    loader=PackageLoader("enigap.cli", package_path=""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a page says. The reports are of one window and judged by `settings`."""

    region: str
    reports: Sequence[ClusterReport]
    settings: Settings
    written: datetime
    account: str | None = None
    notes: Sequence[str] = ()
    courses: Mapping[str, Course | str] = field(default_factory=dict)
    """By instance id: both sides over time, or why they could not be read."""
    charted: timedelta = timedelta(hours=6)
    """How far back the charts reach."""
    again: Sequence[str] = ()
    """Options with which `enigap explain` judges the same window in the same way."""
    has_console: bool = False
    """Whether the figures are those of AWS itself, so that its console shows them, too."""
    billed_metrics: int = 0
    """For the charts; the reports know what they were billed."""

    @property
    def window(self) -> Window:
        return self.reports[0].window


def page(contents: Contents) -> str:
    """The page as HTML."""
    reports = worst_clusters_first(contents.reports)
    ordered = [judgement for report in reports for judgement in _judgements(report)]
    numbers = {id(judgement): number for number, judgement in enumerate(ordered)}
    worst = sorted(ordered, key=_badness)
    view = _View(
        contents,
        numbers,
        unfoldable=frozenset(map(id, worst[:MOST_UNFOLDABLE])),
        unfolded=frozenset(id(judgement) for judgement in worst[:_UNFOLDED] if judgement.explained is False),
    )
    script, style = _part("page.js"), _part("page.css")
    return _PAGES.get_template("page.html.jinja").render(
        script=Markup(script),  # noqa: S704 - the project's own file
        style=Markup(style),  # noqa: S704 - the project's own file
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'",
        data=_data(contents, reports),
        hatchings=Markup(svg.hatchings()),  # noqa: S704 - drawn here, without a name in it
        parts=[(_drawn(svg.swatch(part)), part.value.short) for part in Part],
        account=contents.account and printable(contents.account),
        region=printable(contents.region),
        window=span_of(contents.window),
        written=f"{contents.written:%Y-%m-%d %H:%M} UTC",
        version=version("enigap"),
        title=title_of(reports),
        answer=_answer(contents, worst),
        cards=list(_cards(reports)),
        node_count=len(ordered),
        clusters=[view.cluster(number, report) for number, report in enumerate(reports)],
        meanings=list(_meanings(contents, reports)),
        settings=list(_settings(contents.settings)),
        notes=[
            printable(note, most=500)
            for note in dict.fromkeys((*contents.notes, *(note for r in reports for note in r.notes)))
        ],
        billed=count(sum(r.billed_metrics for r in reports) + contents.billed_metrics, "metric"),
    )


def _judgements(report: ClusterReport) -> list[Judgement]:
    """The nodes' judgements in the order of the JSON."""
    return [node.newest for node in report.worst_first()]


def _badness(judgement: Judgement) -> tuple[bool, bool, float]:
    is_explained = judgement.explained is True
    return is_explained, judgement.explained is None, -surplus(judgement).bytes_per_second


def _part(name: str) -> str:
    return (files("enigap.cli") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(contents: Contents, reports: Sequence[ClusterReport]) -> Markup:
    """The JSON of `check`, with which the script finds and sorts. No name in it can end the element."""
    document = check_document(contents.region, contents.window, reports, contents.account)
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no tag can begin or end in it


# --- what the page says first


def title_of(reports: Sequence[ClusterReport]) -> str:
    """The answer: `1 of 20 nodes is unexplained: 42.8 MB/s at least`."""
    counts = counts_of(reports)
    total = sum(counts.values())
    if counts[False]:
        amount = _unexplained(reports)
        how_much = f": {amount.rounded_down} at least" if amount is not None and amount > ZERO else ""
        are = "is" if counts[False] == 1 else "are"
        return f"{counts[False]:,} of {count(total, 'node')} {are} unexplained{how_much}"
    if not total:
        return "There is no node to judge"
    if counts[None] == total:
        return f"None of {count(total, 'node')} could be judged" if total > 1 else "The node is not known"
    if counts[None]:
        are = "is" if counts[None] == 1 else "are"
        return f"No node is unexplained, and {counts[None]:,} of {count(total, 'node')} {are} unknown"
    return f"All {count(total, 'node')} are explained" if total > 1 else "The only node is explained"


def _at_least(amount: ByteRate | None) -> str:
    return "-" if amount is None else amount.rounded_down


def _unexplained(reports: Sequence[ClusterReport]) -> ByteRate | None:
    found = (node.newest for report in reports for node in report.nodes)
    return sum_of_known(judgement.unexplained for judgement in found if judgement.explained is False)


def _answer(contents: Contents, worst: Sequence[Judgement]) -> list[tuple[str, str]]:
    """What is wrong, where, how much and what next, of the worst node or else of the clusters."""
    if worst and worst[0].explained is False:
        return list(_answer_about(worst[0], len([each for each in worst if each.explained is False])))
    findings = [(r, r.finding) for r in worst_clusters_first(contents.reports) if r.finding]
    if findings:
        report, finding = findings[0]
        words = FINDING_WORDS.get(finding.kind)
        names = {"cluster": shlex.quote(report.cluster), "region": shlex.quote(contents.region)}
        step = [_next_step(words.to_do, words.command and words.command.format(**names))] if words else []
        return [
            ("What", printable(finding.reason, most=_LONGEST)),
            ("Where", printable(report.cluster)),
            *(("Next", each) for each in step),
        ]
    return []


def _answer_about(judgement: Judgement, unexplained: int) -> Iterator[tuple[str, str]]:
    words = words_for(judgement.verdict, judgement.cause, judgement.alternative_cause)
    others = f", the worst of {unexplained:,}" if unexplained > 1 else ""
    yield "What", printable(str(judgement.reason), most=_LONGEST)
    yield "Where", f"{node_label(judgement)} in {printable(judgement.node.cluster)}{others}"
    if judgement.unexplained is not None and judgement.unexplained > ZERO:
        yield "How much", f"{judgement.unexplained.rounded_down} at least{_since(judgement, ', since ')}"
    elif judgement.since:
        yield "Since", _since(judgement)
    if words:
        yield "Likely", _coded(words.likely)
        yield "Next", _next_step(words.to_do, words.command)


def _next_step(to_do: str, command: str | None) -> Markup:
    """What to do, with its code marked up."""
    step = _coded(to_do)
    return step + Markup(" <code>{}</code>").format(printable(command, most=_LONGEST)) if command else step


def _coded(text: str) -> Markup:
    """The project's own words, in which what is between backticks is code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _since(judgement: Judgement, before: str = "") -> str:
    since = judgement.since
    return "" if since is None else f"{before}{minute_of(since, judgement.window)} UTC"


def _cards(reports: Sequence[ClusterReport]) -> Iterator[dict[str, Any]]:
    for explained, number in counts_of(reports).items():
        amount = _unexplained(reports) if explained is False else None
        yield {
            "style": _STYLES[explained],
            "name": MARKS[explained],
            "count": f"{number:,}",
            "is_none": not number,
            "says": f"{amount.rounded_down} at least" if amount and amount > ZERO else "",
        }


def _meanings(contents: Contents, reports: Sequence[ClusterReport]) -> Iterator[tuple[str, str, str]]:
    verdicts = {verdict for report in reports for verdict in report.verdicts}
    for verdict in VERDICT_TABLE:
        if verdict in verdicts:
            yield verdict.value, _STYLES[verdict.explained], _meaning(verdict, contents)


def _meaning(verdict: Verdict, contents: Contents) -> str:
    return meaning(verdict, contents.settings.rules())


def _settings(settings: Settings) -> Iterator[dict[str, Any]]:
    changed = settings.to_mapping()
    for row in rows():
        if row.key in _JUDGED_BY:
            value = json.dumps(changed[row.key]) if row.key in changed else row.default
            shown = printable(value, most=_LONGEST)
            yield {"key": row.key, "value": shown, "is_changed": row.key in changed, "meaning": row.meaning}


# --- clusters, groups, nodes


@dataclass(frozen=True, slots=True)
class _View:
    """What the template shows of clusters and nodes: text, and nothing to work out."""

    contents: Contents
    numbers: Mapping[int, int]
    """Of each judgement: its place in the JSON."""
    unfoldable: frozenset[int]
    unfolded: frozenset[int]

    def cluster(self, number: int, report: ClusterReport) -> dict[str, Any]:
        sums = dict(cluster_values(report))
        counts = counts_of([report])
        findings = [*([report.finding] if report.finding else []), *report.findings]
        return {
            "id": f"c{number}",
            "name": printable(report.cluster),
            "findings": [(each.kind.value, printable(each.reason, most=_LONGEST)) for each in findings],
            "counts": [(_STYLES[e], MARKS[e], f"{n:,}") for e, n in counts.items() if n],
            "unexplained": _at_least(_unexplained([report])) if counts[False] else "",
            "sums": Metric.OS_BYTES in sums
            and {
                "os": rate(ByteRate(sums[Metric.OS_BYTES])),
                "eni": rate(ByteRate(sums[Metric.ENI_BYTES])),
                "inside": ByteRate(sums[Metric.NODE_LOCAL_BYTES]).rounded_down
                if sums[Metric.NODE_LOCAL_BYTES]
                else "",
            },
            "groups": [self._group(group) for group in report.groups()],
        }

    def _group(self, group: Group) -> dict[str, Any]:
        explained = group.verdict.explained
        words = words_for(group.verdict, group.cause, group.alternative_cause)
        amount = group.unexplained if explained is False else None
        return {
            "style": _STYLES[explained],
            "mark": MARKS[explained],
            "verdict": group.verdict.value,
            "cause": (group.cause or "").replace("_", " "),
            "count": count(len(group.nodes), "node"),
            "amount": f"{amount.rounded_down} at least" if amount and amount > ZERO else "",
            "meaning": _meaning(group.verdict, self.contents),
            "impact": impact_of(group.verdict, len(group.nodes), group.nodes[0].figures)
            if explained is False
            else "",
            "likely": _coded(words.likely) if words else "",
            "next": _next_step(words.to_do, words.command) if words else "",
            "is_open": explained is False or len(self.numbers) <= 60,
            "nodes": [self._node(judgement) for judgement in group.nodes],
        }

    def _node(self, judgement: Judgement) -> dict[str, Any]:
        is_unfoldable = id(judgement) in self.unfoldable
        drawing = drawing_of(judgement) if is_unfoldable else None
        unexplained = judgement.unexplained
        return {
            "number": self.numbers[id(judgement)],
            "is_open": id(judgement) in self.unfolded,
            "style": _STYLES[judgement.explained],
            "verdict": judgement.verdict.value,
            "name": printable(short_name(judgement.node)) or printable(judgement.node.instance_id),
            "instance_id": printable(judgement.node.instance_id),
            "os": rate(judgement.os),
            "eni": rate(judgement.eni),
            "ratio": ratio(judgement.ratio),
            "unexplained": unexplained.rounded_down if unexplained and unexplained > ZERO else "",
            "since": _since(judgement) if judgement.explained is not True else "",
            "longest": drawing and f"{drawing.longest.bytes_per_second:.6g}",
            "bars": drawing
            and [_drawn(svg.strip(bar, drawing.longest, is_named=False)) for bar in drawing.bars],
            "reason": printable(str(judgement.reason), most=_LONGEST),
            "command": shlex.join(["enigap", "explain", judgement.node.instance_id, *self.contents.again]),
            "details": self._details(judgement, drawing) if is_unfoldable else None,
        }

    def _details(self, judgement: Judgement, drawing: Drawing | None) -> dict[str, Any]:
        evidence = judgement.evidence
        missing = judgement.evidence_missing
        return {
            "drawing": drawing
            and {
                "bars": [
                    (f"{bar.sentence[:1].upper()}{bar.sentence[1:]}", _drawn(svg.strip(bar, drawing.longest)))
                    for bar in drawing.bars
                ],
                "legend": [
                    (_drawn(svg.swatch(e.part)), e.part.value.short, e.part.value.label, e.likely, e.bounds)
                    for e in drawing.legend
                ],
            },
            "chart": self._chart(judgement),
            "figures": list(_figures(judgement)),
            "devices": list(self._devices(judgement)),
            "unusable": printable(evidence.why, most=_LONGEST) if isinstance(evidence, Unusable) else "",
            "missing": printable(missing, most=_LONGEST) if missing else "",
            "conversations": conversations_in_words(evidence.devices) if evidence else [],
            "host_pods": ", ".join(map(printable, evidence.host_network_pods)) if evidence else "",
            "links": list(self._links(judgement)) if self.contents.has_console else [],
        }

    def _chart(self, judgement: Judgement) -> dict[str, Any]:
        course = self.contents.courses.get(judgement.node.instance_id)
        if course is None:
            return {
                "why_not": "it is of an explained node, or of one of many; enigap report --chart "
                f"{printable(judgement.node.instance_id)} draws it, too"
            }
        if isinstance(course, str):
            return {"why_not": printable(course, most=_LONGEST)}
        if course.is_empty:
            return {"why_not": "neither side reported anything"}
        counts = self.contents.settings.max_counts_per_byte
        return {
            "why_not": "",
            "svg": _drawn(chart_of(course, judgement.window, counts)),
            "words": in_words(course),
            "counts": f"{counts} times",
        }

    def _devices(self, judgement: Judgement) -> Iterator[dict[str, Any]]:
        devices = judgement.evidence.devices if judgement.evidence else ()
        number = self.numbers[id(judgement)]
        ids = {device.device: f"d{number}-{place}" for place, device in enumerate(devices)}
        for device in devices:
            other = device.conversation_with
            yield {
                "id": ids[device.device],
                "name": printable(device.device),
                "pod": printable(device.pod or ""),
                "kind": KINDS[device.kind],
                "received": rate(device.rx.middle),
                "sent": rate(device.tx.middle),
                "with": printable(other or ""),
                "with_id": ids.get(other or ""),
            }

    def _links(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        region, node = self.contents.region, judgement.node
        windows = max(2, self.contents.charted // GRID)
        yield "Both metrics in CloudWatch", both_sides_url(region, node, judgement.window, windows)
        yield "Device events in CloudWatch Logs", device_events_url(region, node.insights_cluster)
        yield "The instance in EC2", instance_url(region, node.instance_id)


def _figures(judgement: Judgement) -> Iterator[tuple[str, str, str]]:
    """The name of each figure, the figure, and what it means."""
    yield "OS", rate(judgement.os), f"{os_metric(judgement.os_source)}, all devices, in plus out"
    yield "ENI", rate(judgement.eni), "NetworkIn + NetworkOut, what the network interfaces carried"
    if judgement.eni_in is not None and judgement.eni_out is not None:
        yield "ENI in", rate(judgement.eni_in), "NetworkIn"
        yield "ENI out", rate(judgement.eni_out), "NetworkOut"
    yield "OS / ENI", ratio(judgement.ratio), "a ratio, without a unit"
    if judgement.unexplained is not None:
        yield "unexplained", judgement.unexplained.rounded_down, "at least"
    if judgement.node_local_at_least is not None:
        yield "inside the node", judgement.node_local_at_least.rounded_down, "at least"
    if (found := judgement.comparison) is not None:
        span = f"{found.start:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M} UTC"
        yield "by the devices", found.rate.rounded_down, f"at least, {found.direction.value}, {span}"


def _drawn(text: str) -> Markup:
    """A drawing, in which what could be a name is escaped already."""
    return Markup(text)  # noqa: S704 - drawn by `svg` and `chart`
