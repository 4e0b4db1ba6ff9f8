"""Writes the parts of README.md that follow from the code: `.venv/bin/python -m scripts.readme`.

Each stands between two comments, `<!-- begin NAME -->` and `<!-- end NAME -->`, and is what the function
of that name returns (`BLOCKS`). A test compares what is there with what would be written.
"""

import io
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer.main
from rich.console import Console

from demo.recorded import hold_constant, recorded_nodes
from enigap.assessment import Sources, assess
from enigap.aws.iam import policy_document
from enigap.cli.check import show
from enigap.cli.cost import PRICES_AS_OF, Fleet, Line, monthly_bill, total
from enigap.cli.cost import levers as levers_of
from enigap.cli.estimate import FLAGGED_SHARE
from enigap.cli.main import app
from enigap.core.counting.evidence import DeviceEvents, DeviceScope
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.traffic import Traffic
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import FetchSpan, Window
from enigap.core.instants import timestamp
from enigap.core.judging.verdict import VERDICT_TABLE, meaning
from enigap.core.published import Metric, Publish, Scope
from enigap.settings import Settings, rows
from enigap.wiring import READ_ACTIONS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
MESSAGES = ROOT / "tests" / "core" / "messages" / "rendered"

_BLOCK = re.compile(r"<!-- begin ([\w-]+) -->\n(.*?)<!-- end \1 -->\n", re.DOTALL)


def rewritten(text: str) -> str:
    """The text with every block written anew. Raises KeyError for a block that nothing writes."""
    return _BLOCK.sub(
        lambda found: f"<!-- begin {found[1]} -->\n{BLOCKS[found[1]]()}<!-- end {found[1]} -->\n", text
    )


# --- counting ---

_TRAFFIC = {
    "host_off_node": "**H**: the node itself, to and from elsewhere",
    "pod_off_node": "**P**: pods, to and from elsewhere",
    "pod_to_pod": "**L**: pods of one node, with each other",
    "pod_to_host": "**N**: pods, with their own node",
}
_TIMES = {0.0: "never", 1.0: "once", 2.0: "twice"}


def counting() -> str:
    """How often either side counts a byte."""
    lines = []
    for field in fields(Traffic):
        one = Traffic(**{field.name: ByteRate(1.0)})
        times = (_TIMES[side.bytes_per_second] for side in (one.os, one.eni))
        lines.append((_TRAFFIC[field.name], *times))
    return _table(("traffic", "the OS counts each byte", "the network interfaces"), lines)


def verdicts() -> str:
    """What a node's window can come to, first match first."""
    explained = {True: "yes", False: "**no**", None: "unknown"}
    rules = Rules()
    lines = ((f"`{each}`", explained[each.explained], meaning(each, rules)) for each in VERDICT_TABLE)
    return _table(("verdict", "explained", "when"), lines)


# --- what check shows ---

_SHOWN = ("g1", "article", "j1", "b", "c")
_WINDOW = Window(datetime(2026, 11, 23, 14, 30, tzinfo=UTC))


def check() -> str:
    """A few of the demo's nodes as `enigap check` shows them."""
    rules = Rules()
    recorded = {node.key: node for node in recorded_nodes()}
    nodes = {f"i-{n:017x}": recorded[key] for n, key in enumerate(_SHOWN, start=0x0B5E55ED)}

    class Recorded:
        """Both ports, from the recordings."""

        def totals(self, some: Sequence[Node], span: FetchSpan) -> Iterable[tuple[Node, Readings]]:
            return ((node, hold_constant(nodes[node.instance_id], span)[0]) for node in some)

        def devices(
            self, some: Sequence[Node], span: FetchSpan, _: DeviceScope
        ) -> Mapping[str, DeviceEvents]:
            return {node.instance_id: hold_constant(nodes[node.instance_id], span)[1] for node in some}

    report = assess(
        "demo",
        [Node("demo", instance_id, node.name) for instance_id, node in nodes.items()],
        _WINDOW,
        rules,
        Sources(Recorded(), Recorded()),
        evidence=Settings().evidence,
        evidence_max_nodes=Settings().evidence_max_nodes,
    )
    paper = io.StringIO()
    screen = Console(file=paper, width=80, highlight=False, markup=False, emoji=False)
    show(screen, "eu-west-1", [report], rules, again=("--at", timestamp(_WINDOW.end + rules.settle)))
    text = "\n".join(line.rstrip() for line in paper.getvalue().splitlines())
    return _fenced("text", text)


# --- messages ---


def alert() -> str:
    """The message about one node, as it looks in Slack."""
    blocks: list[dict[str, Any]] = json.loads((MESSAGES / "one-node.slack.json").read_text())["blocks"]
    headline, what = (block["text"]["text"] for block in blocks[:2])
    return f"> **{headline}**\n>\n> {what}\n"


def email() -> str:
    """The same as an email."""
    return _fenced("text", (MESSAGES / "one-node.email.txt").read_text().rstrip("\n"))


# --- the rest ---


def policy() -> str:
    """What check and explain must be allowed to do."""
    document = policy_document(READ_ACTIONS)
    statements = ",\n    ".join(map(json.dumps, document["Statement"]))
    version = json.dumps(document["Version"])
    return _fenced("json", f'{{\n  "Version": {version},\n  "Statement": [\n    {statements}\n  ]\n}}')


def commands() -> str:
    """The command line."""
    group: Any = typer.main.get_command(app)
    lines = ((f"`enigap {name}`", _first_line(command.help)) for name, command in group.commands.items())
    return _table(("command", "does"), lines)


def settings() -> str:
    """The object `enigap` in cdk.json's context."""
    return _table(
        ("setting", "default", "what it means, and takes"),
        ((f"`{row.key}`", f"`{row.default}`", _plain(f"{row.meaning} Takes {row.takes}.")) for row in rows()),
    )


def metrics() -> str:
    """What is published."""
    dimensions = {scope: ", ".join(f"`{name}`" for name in scope.value) or "none" for scope in Scope}
    return _table(
        ("metric", "dimensions", "unit", "means"),
        (
            (f"`{metric.name}`", dimensions[metric.scope], metric.unit.value, metric.meaning)
            for metric in (each.value for each in Metric)
        ),
    )


def cost() -> str:
    """Dollars a month by the number of nodes and by whose metrics are published."""

    def bill(nodes: int, publish: Publish) -> dict[str, Line]:
        fleet = Fleet(nodes, publish=publish, flagged_nodes=round(FLAGGED_SHARE * nodes))
        return {line.what: line for line in monthly_bill(fleet)}

    lines = []
    for nodes in (10, 100, 1_000, 10_000):
        bills = {publish: bill(nodes, publish) for publish in Publish}
        totals = (_dollars(total(bills[publish].values())) for publish in Publish)
        read, published = (bills[Publish.ALL][what].dollars for what in ("metrics read", "metrics published"))
        rest = total(bills[Publish.ALL].values()) - read - published
        lines.append((f"{nodes:,}", _dollars(read), _dollars(rest), *totals))
    heads = (
        "nodes",
        "reading",
        "dashboard, alarms, key, functions",
        *(f"total, `publish` `{each}`" for each in Publish),
    )
    return f"{_table(heads, lines)}\nPrices as of {PRICES_AS_OF.isoformat()}.\n"


def levers() -> str:
    """What makes the bill of a thousand nodes smaller, and what it hides."""
    fleet = Fleet(1_000, flagged_nodes=round(FLAGGED_SHARE * 1_000))
    bill = _dollars(total(monthly_bill(fleet)))
    heads = ("lever", f"saves a month at 1,000 nodes, of {bill}", "at the price of")
    return _table(
        heads,
        ((f"`{each.setting}`", _dollars(each.dollars_saved), each.hides) for each in levers_of(fleet)),
    )


# --- what was measured ---

_CONTENDERS = {
    "enigap": "enigap: finds, reads, judges",
    "boto3 GetMetricData": "boto3, GetMetricData as it comes: reads",
    "Cloud Custodian": "Cloud Custodian, `metrics` filters: finds, reads",
    "boto3 GetMetricStatistics": "boto3, GetMetricStatistics in a loop: reads",
}


def speed() -> str:
    """enigap beside what else could be used, as the bench last measured it."""
    runs = _bench()["runs"]
    same = {run["contender"]: run for run in runs if (run["nodes"], run["latency_ms"]) == (500, 100)}
    ours = same["enigap"]["wall_seconds"]
    heads = ("500 nodes, 100 ms a call", "calls", "billed metrics", "wall", "times enigap's", "processor")
    lines = (
        (
            what,
            f"{_metric_calls(same[name]):,}",
            f"{same[name]['billed_metrics']:,}",
            f"{same[name]['wall_seconds']:.1f} s",
            _times(same[name]["wall_seconds"] / ours),
            f"{same[name]['cpu_seconds']:.1f} s",
        )
        for name, what in _CONTENDERS.items()
    )
    return _table(heads, lines)


def growth() -> str:
    """How enigap grows with the fleet."""
    document = _bench()
    heads = ("enigap, 100 ms a call", "calls", "wall", "processor from fetch to verdict", "peak memory")
    lines = (
        (
            f"{run['nodes']:,} nodes",
            f"{_metric_calls(run):,}",
            f"{run['wall_seconds']:.1f} s",
            f"{1e3 * run['stages']['fetch to verdict']['cpu_seconds'] / run['nodes']:.2f} ms per node",
            f"{run['peak_megabytes']:.0f} MB",
        )
        for run in document["runs"]
        if (run["contender"], run["latency_ms"]) == ("enigap", 100)
    )
    machine = document["machine"]
    cold = (f"{name} {start['wall_seconds']:.1f} s" for name, start in document["cold_starts"].items())
    missed = [f"{each['what']} ({each['measured']})" for each in document["targets"] if not each["is_met"]]
    said = (
        f"Cold starts: {', '.join(cold)}. Measured {machine['measured']} on {machine['processor']}, with "
        f"enigap {machine['enigap']}; {machine['rivals']}. "
        + (f"Targets missed: {'; '.join(missed)}." if missed else "All targets were met.")
    )
    return f"{_table(heads, lines)}\n{textwrap.fill(said, 120)}\n"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"


def _bench() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
    return document


def _metric_calls(run: Mapping[str, Any]) -> int:
    return sum(run["calls"].get(name, 0) for name in ("GetMetricData", "GetMetricStatistics"))


BLOCKS: Mapping[str, Callable[[], str]] = {
    block.__name__: block
    for block in (
        *(alert, counting, check, verdicts, policy, commands, settings, metrics, email, cost),
        *(levers, speed, growth),
    )
}


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(heads)
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in (heads, rule, *lines))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def _first_line(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def _plain(text: str) -> str:
    """What is no markup stays none."""
    return text.replace("*", "\\*")


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
