"""`enigap report`: writes the results of `check` as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from enigap.assessment import billed_metrics
from enigap.cli.arguments import (
    MINUTES_KEPT,
    MOST_DAYS,
    At,
    Clusters,
    Evidence,
    Profile,
    Region,
    SettingsFile,
    Stack,
    UsageError,
)
from enigap.cli.desk import Origin, Replay
from enigap.cli.figures import names_of
from enigap.cli.look import Look, exit_status, look
from enigap.cli.progress import progress
from enigap.cli.screen import Screen
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.window import GRID, PERIOD, FetchSpan
from enigap.core.judging.cluster import surplus
from enigap.core.judging.verdict import Judgement
from enigap.core.text import count, printable
from enigap.wiring import sources

MOST_CHARTS: Final = 60
"""Nodes whose charts are drawn without being asked for, worst first; a chart is about 20 kB."""


def command(  # noqa: PLR0917 - typer passes the options by name
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The file to write; an existing one is replaced.", show_default=False
        ),
    ],
    cluster: Clusters = None,
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    evidence: Evidence = None,
    settings_file: SettingsFile = None,
    stack: Stack = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_DAYS,
            metavar="N",
            help="How far back the charts reach. [default: look_back_hours]",
        ),
    ] = None,
    chart: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE",
            help="An explained node to draw a chart of, too, by its instance id or name; may be repeated.",
        ),
    ] = None,
    replay: Replay = None,
) -> int:
    """Write one self-contained HTML page about every node.

    Exit status: the same as `enigap check`.
    """
    # Imported here, because the template engine would delay the start of every other command.
    from enigap.cli.chart import course_of  # noqa: PLC0415
    from enigap.cli.page import Contents, page  # noqa: PLC0415

    _require_writable(output)
    origin = Origin(region=region, profile=profile, settings_file=settings_file, stack=stack, bundle=replay)
    # With every node's devices, as the JSON of `check`, which the page has in it.
    looked = look(origin, cluster=cluster, at=at, evidence=evidence, shows_all=True)
    span = span_of_charts(looked.window.end, days, looked.settings.look_back, looked.now)
    charted = _charted(looked, chart or ())
    courses = {
        node.instance_id: course_of(answer, span.start + PERIOD, span.end - PERIOD)
        if isinstance(answer, Readings)
        else answer.why
        for node, answer in read_charts(looked, charted, span)
    }
    contents = Contents(
        region=looked.region,
        reports=looked.reports,
        settings=looked.settings,
        written=datetime.now(UTC),
        account=looked.account,
        notes=looked.notes,
        courses=courses,
        again=origin.again(looked.judged_at),
        charted=span.end - span.start,
        has_console=looked.aws.is_genuine,
        billed_metrics=billed_metrics(charted),
    )
    _write(output, page(contents))
    Screen().print(f"Wrote {printable(str(output), most=1000)}.", soft_wrap=True)
    return exit_status(looked.reports)


def span_of_charts(end: datetime, days: int | None, look_back: timedelta, now: datetime) -> FetchSpan:
    """What the charts show, with a period more on both sides: so many days, or the look-back as far as it is
    kept. Raises UsageError for more days than are."""
    kept_since = now - MINUTES_KEPT
    kept = (end - kept_since - 2 * PERIOD) // GRID * GRID
    span = FetchSpan(
        end - (min(look_back, kept) if days is None else timedelta(days=days)) - PERIOD, end + PERIOD
    )
    if span.start <= kept_since:
        raise UsageError(
            f"--days {days} reaches back too far, for CloudWatch keeps minutes for {MINUTES_KEPT.days} "
            "days: give fewer days, or a later --at."
        )
    return span


def _charted(looked: Look, wanted: Sequence[str]) -> list[Node]:
    """The nodes to draw charts of: those asked for, then the worst that are not explained."""
    judgements = [node.newest for report in looked.reports for node in report.nodes]
    nodes = {name: j.node for j in judgements for name in names_of(j.node)}
    if missing := [name for name in wanted if name not in nodes]:
        raise UsageError(
            f"There is no node {missing[0][:100]!r} among those that were judged: give --chart the instance "
            "id or the name of one that `enigap check --all` lists."
        )
    open_ones = sorted((j for j in judgements if j.explained is not True), key=_order)
    return list(
        {
            node.instance_id: node
            for node in (*(nodes[name] for name in wanted), *(j.node for j in open_ones[:MOST_CHARTS]))
        }.values()
    )


def _order(judgement: Judgement) -> tuple[bool, float]:
    return judgement.explained is None, -surplus(judgement).bytes_per_second


def read_charts(
    looked: Look, nodes: Sequence[Node], span: FetchSpan
) -> Iterable[tuple[Node, Readings | Unreadable]]:
    """Both sides' totals of each node over the span. Raises AwsProblem."""
    with progress() as say:
        say(f"reading {count(len(nodes), 'node')} for charts")
        yield from sources(looked.aws, looked.settings).totals.totals(nodes, span) if nodes else ()


def _require_writable(output: Path) -> None:
    """Check this before any metric is read and billed. Raises UsageError."""
    try:
        can_be = output.name.isprintable() and not output.is_dir() and output.parent.is_dir()
    except OSError:  # the name is too long, or its directory cannot be read
        can_be = False
    if not can_be:
        raise UsageError(
            f"--output {str(output)!r} is no file that can be written: name one, such as report.html, in a "
            "directory that is there."
        )


def _write(output: Path, text: str) -> None:
    """Write the file atomically: a failure leaves an existing one unchanged. Raises UsageError."""
    part = output.with_name(f"{output.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            f"--output {str(output)!r} cannot be written ({error.strerror}): name another file."
        ) from error
