"""`enigap doctor`: checks what enigap believes about AWS and the agent against an account, read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from enigap.assessment import METRICS_PER_LOOK, METRICS_PER_NODE
from enigap.aws import deployment as stacks
from enigap.aws.bypass import EFA_METRICS
from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.observe import (
    SECONDS_FOR_DEPLOYED,
    Observer,
    alarm_actions,
    minutes_since,
    oldest_message,
)
from enigap.aws.observe_otel import SAMPLES_PER_DAY, SAMPLES_PER_NODE
from enigap.cli import migration as both
from enigap.cli.arguments import (
    AS_DEPLOYED,
    Clusters,
    Format,
    Output,
    Profile,
    Region,
    SettingsFile,
    Stack,
    UsageError,
)
from enigap.cli.cost import GET_METRIC_DATA, PROMQL_SAMPLE
from enigap.cli.deployed import Deployed, deployed
from enigap.cli.desk import Desk, Origin, Replay
from enigap.cli.look import found_clusters
from enigap.cli.progress import Say, progress
from enigap.cli.screen import Screen, prose, write
from enigap.core.counting.node import Node
from enigap.core.counting.window import Window
from enigap.core.doctor.belief import Status
from enigap.core.doctor.beliefs import Judged, diagnose, exit_status, paragraph
from enigap.core.doctor.migration import exit_status as contradictions
from enigap.core.doctor.observed import Deployment, NotSeen, Observations
from enigap.core.doctor.sample import MOST_CANDIDATES, MOST_NODES
from enigap.core.documents import Document
from enigap.core.instants import timestamp
from enigap.core.published import Metric
from enigap.core.text import count, printable
from enigap.pipeline import overdue_clusters
from enigap.settings import Settings
from enigap.wiring import CALLS_PER_SECOND_AT_A_DESK

SCHEMA: Final = "enigap.doctor/1"
ALARMS_DAYS: Final = 7
OS_QUESTIONS: Final = 1
"""How often the OS's metric is asked for once more: how many values it has, and what is kept of it."""

T = TypeVar("T")


def command(  # noqa: PLR0917 - typer passes the options by name
    cluster: Clusters = None,
    node: Annotated[
        str | None,
        typer.Option("--node", metavar="ID", help="Look at this node alone, by its EC2 instance id or name."),
    ] = None,
    deep: Annotated[  # noqa: FBT002 - a flag is passed by name
        bool,
        typer.Option(
            "--deep", help="Also read 24 hours of one node: what EC2 adds to each packet, and when."
        ),
    ] = False,
    migration: Annotated[  # noqa: FBT002 - a flag is passed by name
        bool,
        typer.Option(
            "--migration",
            help="Compare the classic Container Insights with the OpenTelemetry one instead: all nodes over "
            "24 hours, with the alarms and dashboards that need the classic one.",
        ),
    ] = False,
    region: Region = None,
    profile: Profile = None,
    output: Output = Format.TABLE,
    settings_file: SettingsFile = None,
    stack: Stack = None,
    replay: Replay = None,
) -> int:
    """Check what enigap believes about AWS and the agent against this account: read-only, in a minute.

    At most ten nodes are looked at. Exit status: 1 if a belief is contradicted, or the two Container Insights
    contradict each other; 2 if it could not ask; else 0.
    """
    if migration and (deep or replay):
        other = "--deep looks at one node" if deep else "a bundle holds one node"
        raise UsageError(f"--migration compares all nodes, and {other}: leave one of the two out.")
    of_stack = stack if settings_file == AS_DEPLOYED or replay else None
    origin = Origin(
        region=region, profile=profile, settings_file=settings_file, stack=of_stack, bundle=replay
    )
    it = origin.desk()
    settings = replace(it.settings, clusters=tuple(cluster or it.settings.clusters))
    it.aws.sign_in()
    with progress() as say:
        nodes = _nodes(it, settings, node, say)
    if migration:
        return _compare(replace(it, settings=settings), nodes, output)
    number = 1 if node else len(nodes)
    billed = 0 if replay else billed_metrics(number, deep=deep)
    samples = 0 if replay else SAMPLES_PER_NODE * min(number, MOST_NODES)
    if output is Format.TABLE and not replay:
        Screen().print(prose(_price(billed, samples, it.aws.region, number)))
    with progress() as say:
        wanted = nodes[0].instance_id if node else None
        seen = observe(replace(it, settings=settings), nodes, wanted, say, deep=deep)
        if not replay:
            say("looking for what is deployed")
            seen = _with_deployment(seen, it.aws, it.now, stack)
    judged = diagnose(seen)
    if output is Format.JSON:
        write({**head(it, billed, samples), **document(seen, judged)})
    else:
        show(Screen(), seen, judged)
    return exit_status(seen, judged)


def _compare(it: Desk, nodes: Sequence[Node], output: Format) -> int:
    """`--migration`."""
    if output is Format.TABLE:
        Screen().print(prose(Text(both.price(len(nodes), it.aws.region))))
    with progress() as say:
        clusters, uses = both.compared(it, nodes, say)
    if output is Format.TABLE:
        both.show(Screen(), clusters, uses)
        _show_paragraph(Screen(), both.paragraph(clusters, uses))
    else:
        newest = Window.newest_settled(it.now, it.settings.rules().settle)
        write(
            {
                **head(it, METRICS_PER_NODE * len(nodes), SAMPLES_PER_DAY * len(nodes)),
                "nodes": [node.instance_id for node in nodes],
                "checks": [],
                "paragraph": both.paragraph(clusters, uses),
                "migration": both.document(clusters, uses, newest),
            }
        )
    return contradictions(clusters)


def observe(
    it: Desk, nodes: Sequence[Node], wanted: str | None, say: Say, *, deep: bool = False
) -> Observations:
    """What there is to see of some of these nodes, or of the one that is wanted or that a bundle is about."""
    observer = Observer(
        it.aws,
        it.settings.rules(),
        it.now,
        say,
        calls_per_second=CALLS_PER_SECOND_AT_A_DESK,
        only_node=it.instance_id is not None,
    )
    seen = observer.observe(nodes, it.instance_id or wanted, deep=deep)
    return replace(seen, deployment=NotSeen("a bundle holds nothing of what is deployed"))


def _nodes(it: Desk, settings: Settings, wanted: str | None, say: Say) -> list[Node]:
    """The running nodes, or the one of a name. Raises UsageError and AwsProblem."""
    found = it.only(found_clusters(it.aws, settings, say))
    nodes = [node for cluster in found.clusters for node in cluster.nodes]
    if wanted:
        nodes = [each for each in nodes if wanted in {each.instance_id, each.name}]
    if not nodes:
        which = f"node {wanted}" if wanted else "node"
        raise UsageError(f"There is no running {which} in these clusters: `enigap check --all` lists them.")
    return nodes


def billed_metrics(nodes: int, *, deep: bool) -> int:
    """How many metrics looking at so many nodes reads at most."""
    of_sample = METRICS_PER_NODE + METRICS_PER_LOOK + EFA_METRICS + OS_QUESTIONS
    candidates = METRICS_PER_NODE * min(nodes, MOST_CANDIDATES)
    return candidates + of_sample * min(nodes, MOST_NODES) + OS_QUESTIONS + METRICS_PER_LOOK * deep


def _price(billed: int, samples: int, region: str, nodes: int) -> Text:
    dollars = billed * GET_METRIC_DATA.dollars
    return Text(
        f"Looking at up to {MOST_NODES} of {count(nodes, 'node')} in {printable(region)}, for a minute at "
        f"most. It reads up to {count(billed, 'metric')}, which cost ${dollars:.4f}, and of OpenTelemetry's "
        f"counters, where there are any, about {samples:,} samples (${samples * PROMQL_SAMPLE.dollars:.4f}). "
        "It changes nothing."
    )


# --- what is deployed ---


def _with_deployment(seen: Observations, aws: Aws, now: datetime, stack: str | None) -> Observations:
    """What was seen, with the deployed enigap, if there is one. Raises AwsProblem for a missing `--stack`."""
    try:
        with aws.deadline.within(SECONDS_FOR_DEPLOYED):
            it = deployed(aws, now, stack)
            return replace(seen, deployment=_deployment(it, now))
    except AwsProblem as problem:
        if stack and problem.kind is ProblemKind.MISSING:
            raise
        is_absent = problem.kind is ProblemKind.MISSING
        more = ", which `enigap policy --operator` allows" if problem.kind is ProblemKind.DENIED else ""
        why = "no enigap is deployed in this region" if is_absent else f"{problem.what}{more}"
        return replace(seen, deployment=NotSeen(why))


def _deployment(it: Deployed, now: datetime) -> Deployment:
    settings = it.settings()
    told = _or_why(it.subscriptions)
    not_told: int | NotSeen
    if isinstance(told, NotSeen):
        not_told = told
    else:
        missing = stacks.unsubscribed(settings.email, told, it.stack)
        not_told = len(missing) + sum(not each.is_confirmed for each in told)
    actions = alarm_actions(it.aws, it.stack.name, now - timedelta(days=ALARMS_DAYS))
    return Deployment(
        schedule_minutes=settings.schedule // timedelta(minutes=1),
        minutes_since_plan=minutes_since(
            it.aws, settings.metric_namespace, Metric.PLANS_MADE.metric_name, now
        ),
        overdue=_or_why(lambda: _overdue(it, settings, now)),
        subscriptions=told if isinstance(told, NotSeen) else len(told),
        not_told=not_told,
        alarm_actions=actions if isinstance(actions, NotSeen) else actions[0],
        alarm_actions_failed=actions if isinstance(actions, NotSeen) else actions[1],
        queue_seconds=oldest_message(it.aws, it.stack.queues, now),
    )


def _overdue(it: Deployed, settings: Settings, now: datetime) -> int:
    watched = [each for each in it.states.known() if each.is_alive and settings.watches(each.cluster)]
    return len(overdue_clusters(watched, settings, now))


def _or_why(read: Callable[[], T]) -> T | NotSeen:
    try:
        return read()
    except AwsProblem as problem:
        return NotSeen(problem.what)


# --- output ---


def show(console: Console, seen: Observations, judged: Sequence[Judged]) -> None:
    """What is contradicted, in full; what cannot be told, by its reason; what holds, a line each."""
    of = {status: [each for each in judged if each[1].status is status] for status in Status}
    for belief, outcome in of[Status.FAIL]:
        parts = (("seen", outcome.seen), ("so", belief.depends), ("to do", f"{belief.to_do} ({belief.id})"))
        more = (Text.assemble((f"{name}: ", "bold"), printable(text, most=500)) for name, text in parts)
        console.print()
        console.print(both.line(Status.FAIL, belief.claim, *more))
    if of[Status.PASS]:
        console.print()
    for belief, outcome in of[Status.PASS]:
        seen_of_it = Text(printable(outcome.seen, most=500), "dim")
        console.print(both.line(Status.PASS, belief.claim, seen_of_it))
    for why, some in _by_reason(of[Status.CANT_TELL]):
        claims = (Text(f"{belief.id}: {belief.claim}", "dim") for belief, _ in some)
        console.print()
        console.print(both.line(Status.CANT_TELL, f"{printable(why, most=500)}:", *claims))
    console.print()
    counts = ", ".join(f"{len(of[status])} {status.value}" for status in Status)
    console.print(Text(f"{counts}.", "bold"))
    _show_paragraph(console, paragraph(seen, judged))


def _show_paragraph(console: Console, text: str) -> None:
    console.print()
    console.print("What you could tell us, with no name of yours in it: paste this into a report.")
    console.print()
    console.print(prose(Text(text)))


def _by_reason(judged: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    groups: dict[str, list[Judged]] = {}
    for each in judged:
        groups.setdefault(each[1].seen, []).append(each)
    yield from groups.items()


def head(it: Desk, billed: int, samples: int) -> Document:
    """How the JSON document begins."""
    return {
        "schema": SCHEMA,
        "region": it.aws.region,
        "at": timestamp(it.now.replace(microsecond=0)),
        "billed_metrics_at_most": billed,
        "promql_samples_about": samples,
    }


def document(seen: Observations, judged: Sequence[Judged]) -> Document:
    """The beliefs and what was seen of each, for the JSON document."""
    return {
        "nodes": [each.node.instance_id for each in seen.nodes],
        "checks": [
            {
                "id": belief.id,
                "status": outcome.status.value,
                "claim": belief.claim,
                "seen": outcome.seen,
                "depends": belief.depends,
                "to_do": belief.to_do if outcome.status is Status.FAIL else None,
                "figures": {each.name: each.value for each in outcome.figures},
            }
            for belief, outcome in judged
        ],
        "paragraph": paragraph(seen, judged),
    }
