"""`enigap record`: what AWS answers about one node, in a file without a name of the user's."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from enigap.aws.bundle.archive import BundleError, Packed, packed
from enigap.aws.bundle.standins import Kind
from enigap.aws.bundle.tape import Recorder
from enigap.aws.clients import Aws
from enigap.aws.placement import Wanted
from enigap.cli.arguments import (
    At,
    Profile,
    Region,
    SettingsFile,
    UsageError,
    settings_from,
    span_of_time,
    window_at,
)
from enigap.cli.desk import Desk, carried
from enigap.cli.doctor import observe
from enigap.cli.explain import examined
from enigap.cli.look import look_at
from enigap.cli.progress import Say, progress
from enigap.cli.report import read_charts, span_of_charts
from enigap.cli.screen import Screen
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import Window
from enigap.core.text import count, duration, listed, printable

_EVERY: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(hours=2)


def command(  # noqa: PLR0917 - typer passes the options by name
    cluster: Annotated[str, typer.Option(metavar="NAME", help="The node's cluster.", show_default=False)],
    node: Annotated[
        str,
        typer.Option(metavar="ID", help="The node's EC2 instance id (i-...).", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="The file to write, such as bundle.zip.", show_default=False)
    ],
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    lasting: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="Ask again every minute for this long, such as 20m.",
            show_default=False,
        ),
    ] = None,
    settings_file: SettingsFile = None,
) -> int:
    """Write what AWS answers about one node to a file that names nothing of yours.

    `enigap check`, `explain`, `report` and `doctor` take the file anywhere with --replay. Exit
    status: 0, or 2 where nothing could be recorded.
    """
    span = _span(lasting)
    recorder = Recorder()
    aws = Aws(profile=profile, region=region, attach=recorder.attach)
    names = (cluster,) if Wanted(clusters=(cluster,)).names else ()
    settings = replace(
        settings_from(settings_file, aws), clusters=names, node_tags={}, evidence=EvidencePolicy.ALWAYS
    )
    it = Desk(aws, settings, datetime.now(UTC).replace(microsecond=0), node)
    window = window_at(at, it.now, settings.rules())
    aws.sign_in()
    with progress() as say:
        ask(it, window, say)
        while datetime.now(UTC) < it.now + span:
            say(f"asking again until {it.now + span:%H:%M:%S} UTC")
            time.sleep(_EVERY.total_seconds())
            ask(it, window, say)
    try:
        made = bundle_of(recorder, it, cluster, lambda: secrets.randbelow(1_000_000))
        output.write_bytes(made.content)
    except BundleError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"--output {output} cannot be written ({error.strerror}): name a file.") from None
    Screen().print(said(output, made, len(recorder.calls)), soft_wrap=True)
    return 0


def _span(lasting: str | None) -> timedelta:
    span = timedelta(0) if lasting is None else span_of_time(lasting)
    if span is None or span > _LONGEST:
        raise UsageError(f"--for takes a time up to {duration(_LONGEST)}, such as 20m, not {lasting!r:.40}.")
    return span


def ask(it: Desk, window: Window, say: Say) -> None:
    """All that `check`, `explain`, `report` and `doctor` ask about this node.

    Raises UsageError and AwsProblem.
    """
    looked = look_at(it, window, say)
    nodes = [node.newest.node for report in looked.reports for node in report.nodes]
    if not nodes:
        raise UsageError(
            f"There is no running node {it.instance_id} in this cluster: `enigap check --all` lists them."
        )
    examined(it, window, str(it.instance_id), say)
    observe(it, nodes, it.instance_id, say)
    span = span_of_charts(looked.window.end, None, looked.settings.look_back, it.now)
    for _ in read_charts(looked, nodes, span):
        pass  # asking is all that recording takes


def bundle_of(recorder: Recorder, it: Desk, cluster: str, draw: Callable[[], int]) -> Packed:
    """The bundle of what was recorded. Raises BundleError."""
    return packed(
        recorder.calls,
        now=it.now,
        cluster=cluster,
        is_searched_by_name=bool(it.settings.clusters),
        instance_id=str(it.instance_id),
        settings=carried(it.settings),
        classifier=it.settings.rules().classifier,
        draw=draw,
    )


def said(output: Path, made: Packed, calls: int) -> str:
    """What was written, and what was replaced in it."""
    replaced = [count(number, _NOUNS[kind]) for kind, number in made.replaced.items()]
    file = printable(str(output), most=1000)
    return (
        f"Wrote {file}: {count(calls, 'answer')} of AWS. Replaced: {listed(replaced)}. Times were moved by "
        "whole weeks, and what enigap does not read was left out. It is a zip of two text files: look at "
        f"them before you hand it on.\nTry it: enigap check --replay {file}"
    )


_NOUNS: Final[Mapping[Kind, str]] = {
    Kind.ACCOUNT: "account",
    Kind.CLUSTER: "cluster",
    Kind.INSTANCE: "instance id",
    Kind.HOST: "node name",
    Kind.ENI: "ENI id",
    Kind.NAMESPACE: "namespace",
    Kind.POD: "pod",
    Kind.DEVICE: "device",
    Kind.PAGE: "paging token",
}
