"""`enigap explain`: one node, device by device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from enigap.assessment import examine
from enigap.aws.discovery import discover
from enigap.aws.placement import INSTANCE_ID, Discovery, FoundCluster, Wanted
from enigap.cli.arguments import (
    MINUTES_KEPT,
    At,
    Format,
    Output,
    Profile,
    Region,
    SettingsFile,
    Stack,
    UsageError,
    window_at,
)
from enigap.cli.bars import SplitBars
from enigap.cli.desk import Desk, Origin, Replay
from enigap.cli.drawing import drawing_of
from enigap.cli.figures import (
    MARKS,
    STYLES,
    minute_of,
    names_of,
    node_label,
    one_line,
    rate,
    rates,
    ratio,
    short_name,
    span_of,
)
from enigap.cli.look import exit_status
from enigap.cli.progress import Say, progress
from enigap.cli.screen import Screen, write
from enigap.cli.usage import near_miss
from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import DeviceRates, Evidence, Unusable
from enigap.core.counting.node import Node
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import GRID, Window
from enigap.core.documents import explain_document
from enigap.core.judging.cluster import ClusterReport, Finding, NodeReport
from enigap.core.judging.verdict import Judgement, Verdict
from enigap.core.messages.talkers import conversations_in_words
from enigap.core.messages.words import os_metric, words_for
from enigap.core.text import duration, printable
from enigap.settings import Settings
from enigap.wiring import assess_found, sources


def command(  # noqa: PLR0917 - typer passes the options by name
    instance_id: Annotated[
        str,
        typer.Argument(
            metavar="NODE", help="The node's EC2 instance id (i-...), or its name.", show_default=False
        ),
    ],
    region: Region = None,
    profile: Profile = None,
    at: At = None,
    output: Output = Format.TABLE,
    settings_file: SettingsFile = None,
    stack: Stack = None,
    replay: Replay = None,
) -> int:
    """One node: the verdict, both sides, and what every device carried.

    Exit status: the same as `enigap check`.
    """
    origin = Origin(region=region, profile=profile, settings_file=settings_file, stack=stack, bundle=replay)
    it = origin.desk()
    window = window_at(at, it.now, it.settings.rules())
    it.aws.sign_in()
    with progress() as say:
        found = examined(it, window, instance_id, say)
    if output is Format.JSON:
        write(explain_document(it.aws.region, found.judgement, found.finding, found.account))
    else:
        show(Screen(), it.aws.region, found.judgement, found.finding, earlier=found.earlier)
    nodes = () if found.finding else (NodeReport(found.judgement),)
    return exit_status([ClusterReport(found.node.cluster, window, nodes, found.finding, node_count=1)])


@dataclass(frozen=True, slots=True)
class Examined:
    """One node, window by window."""

    node: Node
    account: str | None
    judgement: Judgement
    earlier: Sequence[Judgement]
    """Of the windows before, newest first."""
    finding: Finding | None
    """About the node's whole cluster."""


def examined(it: Desk, window: Window, instance_id: str, say: Say) -> Examined:
    """Read and judge one node. Raises UsageError and AwsProblem."""
    aws, settings, rules = it.aws, it.settings, it.settings.rules()
    say(f"looking for {instance_id} in {aws.region}")
    wanted = Wanted(clusters=settings.clusters)
    found = it.only(discover(aws.client("ec2"), aws.client("cloudwatch"), wanted))
    node, cluster = _node(found, aws.region, instance_id)
    say(f"reading {instance_id} and its devices")
    windows = _windows(window, settings, it.now)
    judgements = examine(node, window, rules, sources(aws, settings), settings.look_back, windows=windows)
    # As far back as `check` looks, so that both say the same.
    earlier = tuple(each.verdict for each in judgements[1 : rules.windows_fetched])
    judgement = NodeReport.of(judgements[0], earlier).newest
    finding = None
    if judgement.verdict is Verdict.OS_SILENT and it.instance_id is None:
        # A finding about the whole cluster; `check` prints it, too.
        say(f"reading the other nodes of {cluster.name}")
        unread = replace(settings, evidence=EvidencePolicy.OFF)
        finding = assess_found(aws, unread, cluster, window).finding
    return Examined(node, found.account, judgement, judgements[1:], finding)


def _windows(window: Window, settings: Settings, now: datetime) -> int:
    """How many windows are judged: those of the look-back, as far as CloudWatch has kept all minutes."""
    kept = (window.end - (now - MINUTES_KEPT)) // GRID - 1
    return max(settings.rules().windows_fetched, min(settings.look_back // GRID, kept))


def _node(found: Discovery, region: str, instance_id: str) -> tuple[Node, FoundCluster]:
    nodes = [(node, cluster) for cluster in found.clusters for node in cluster.nodes]
    called = [(node, cluster) for node, cluster in nodes if instance_id in names_of(node)]
    if len(called) == 1:
        return called[0]
    if called:
        raise UsageError(
            f"{len(called)} running nodes in {region} are called {instance_id[:100]!r}: "
            f"give one by its instance id, such as {called[0][0].instance_id}."
        )
    is_id = INSTANCE_ID.fullmatch(instance_id) is not None
    there = {node.instance_id if is_id else short_name(node) or node.instance_id for node, _ in nodes}
    near = near_miss(instance_id, there)
    raise UsageError(
        f"There is no running node {instance_id[:100]!r} in {region}: {f'{near} It' if near else 'it'} "
        "may have been terminated since; check the instance id, the region and the account, or list the "
        "nodes with `enigap check --all`."
    )


def show(
    console: Console,
    region: str,
    judgement: Judgement,
    finding: Finding | None = None,
    *,
    earlier: Sequence[Judgement] = (),
) -> None:
    """Print one node: the verdict with its likely cause, both sides, every device, and the next step.

    `earlier` are the windows before, newest first.
    """
    console.print(
        Text.assemble(
            (node_label(judgement), "bold"),
            f" in {printable(judgement.node.cluster)} ({printable(region)}), {span_of(judgement.window)}",
        )
    )
    causes = (judgement.cause, judgement.alternative_cause)
    words = None if finding else words_for(judgement.verdict, *causes)
    console.print()
    if finding:
        reason = printable(finding.reason, most=1000)
        console.print(Text.assemble((finding.kind.value, "yellow"), f" (unknown): {reason}"))
    else:
        reason = printable(str(judgement.reason), most=1000)
        mark = MARKS[judgement.explained]
        style = STYLES[judgement.explained]
        console.print(Text.assemble((judgement.verdict.value, style), f" ({mark}): {reason}"))
    if since := None if finding else _since(judgement, earlier):
        console.print(Text(since))
    if words:
        console.print(Text(f"Likely: {words.likely}."))
    console.print()
    console.print(_sides(judgement))
    console.print()
    if (drawing := drawing_of(judgement)) is not None:
        console.print(SplitBars(drawing))
        console.print()
    if judgement.evidence is not None:
        for line in _pods(judgement.evidence):
            console.print(line)
            console.print()
    console.print(_devices(judgement))
    if words:
        console.print()
        console.print(Text(f"Next: {words.next_step}", "bold"))


def _since(judgement: Judgement, earlier: Sequence[Judgement]) -> str:
    """Since when the node has had its verdict, and which it had before."""
    *_, first = (judgement, *takewhile(lambda each: each.verdict is judgement.verdict, earlier))
    start = min(
        each.comparison.start if each.comparison else each.window.start for each in (judgement, first)
    )
    began = f"Since {minute_of(start, judgement.window)} UTC"
    before = next((each for each in earlier if each.window.end <= start), None)
    if before is None:
        return f"{began} or before, which is as far as was looked." if earlier else ""
    was = f", OS / ENI {ratio(before.ratio)}" if before.ratio is not None else ""
    lasted = duration(judgement.window.end - start)
    return f"{began}, for {lasted}; before that it was {before.verdict.value}{was}."


def _sides(judgement: Judgement) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    os, eni = rates(judgement)
    table.add_row("OS", os, f"{os_metric(judgement.os_source)}, all devices, in plus out")
    table.add_row("ENI", eni, "NetworkIn + NetworkOut, what the network interfaces carried")
    table.add_row("OS / ENI", ratio(judgement.ratio), "")
    if judgement.unexplained is not None:
        table.add_row("unexplained", judgement.unexplained.rounded_down, "at least")
    return table


def _devices(judgement: Judgement) -> RenderableType:
    evidence = judgement.evidence
    if evidence is None:
        missing = judgement.evidence_missing
        because = f": {printable(missing, most=1000)}" if missing else ""
        return Text(f"No device events to show{because}.", "dim")
    table = Table(box=None, pad_edge=False)
    table.add_column("device")
    names_pods = any(device.pod for device in evidence.devices)
    if names_pods:
        table.add_column("pod")
    table.add_column("kind", no_wrap=True)
    table.add_column("received", justify="right", no_wrap=True)
    table.add_column("sent", justify="right", no_wrap=True)
    blank = [""] if names_pods else []
    for device in evidence.devices:
        pod = [one_line(device.pod or "")] if names_pods else []
        figures = (rate(device.rx.middle), rate(device.tx.middle))
        table.add_row(one_line(device.device), *pod, _kind(device), *figures)
    if isinstance(evidence, Unusable):
        why = Text(f"Not used as evidence: {printable(evidence.why, most=1000)}.", "dim")
        return Group(table, why) if evidence.devices else why
    table.add_row()
    is_compared = "bold" if judgement.violation else ""
    physical = (rate(evidence.physical_rx.middle), rate(evidence.physical_tx.middle))
    table.add_row("physical", *blank, "sum", *physical, style=is_compared)
    carried = (rate(judgement.eni_in), rate(judgement.eni_out))
    table.add_row("ENIs (EC2)", *blank, "sum", *carried, style=is_compared)
    return table


def _pods(evidence: Evidence | Unusable) -> Iterator[Text]:
    """Who exchanged with whom, and whose figures are the node's."""
    if told := conversations_in_words(evidence.devices):
        yield Text(f"{'; '.join(told)}.")
    if pods := evidence.host_network_pods:
        shown = ", ".join(map(printable, pods[:_MOST_PODS]))
        more = f" and {len(pods) - _MOST_PODS} more" if len(pods) > _MOST_PODS else ""
        yield Text(f"On the node's own network, in no figure of their own: {shown}{more}.", "dim")


_MOST_PODS = 10


KINDS = {
    DeviceKind.PHYSICAL: "physical",
    DeviceKind.POD: "virtual",
    DeviceKind.COUNTED_AGAIN: "virtual, counts again",
    DeviceKind.GATEWAY: "virtual, a gateway",
    DeviceKind.UNKNOWN: "unknown",
}


def _kind(device: DeviceRates) -> Text:
    return Text(KINDS[device.kind], "yellow" if device.kind is DeviceKind.UNKNOWN else "")
