"""`enigap doctor --migration`, in process: simulated nodes by both sources, alarms and dashboards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator
from rich.console import Console

from enigap.aws.clients import Aws
from enigap.aws.observe_uses import MOST_ALARMS, MOST_DASHBOARDS
from enigap.cli import migration
from enigap.cli.desk import Desk
from enigap.core.counting.node import Node
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import FetchSpan, Window
from enigap.core.doctor.migration import ClusterCompared, Publishes, exit_status
from enigap.core.doctor.usages import Usages
from enigap.settings import Settings
from tests.aws.worlds import eni_metric, os_metric
from tests.cli.conftest import Enigap
from tests.docs.test_schemas import schema
from tests.fakes.node_simulator import OUT, SimulatedNode, host_off_node, pod_off_node, steady
from tests.fakes.otel_series import otel_series
from tests.fakes.promql import PromqlEndpoint, Reply, Stored
from tests.fakes.strict_cloudwatch import StrictCloudWatch, attach

WINDOW = Window(datetime(2026, 1, 2, 12, 0, tzinfo=UTC))
NOW = WINDOW.end + timedelta(minutes=12)
SPAN = FetchSpan.of(WINDOW, 97)
BEGIN, END = SPAN.start - timedelta(hours=1), SPAN.end + timedelta(minutes=10)
POD = "eni00000000001"
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "commands.md"
OS_METRIC = "node_network_total_bytes"


def simulated(number: int) -> SimulatedNode:
    rate = steady(ByteRate(1e6 * number), BEGIN, END)
    flows = (host_off_node(rate, OUT, nic="ens5"), pod_off_node(rate, OUT, pod=POD, nic="ens5"))
    name = f"ip-10-0-0-{number}.ec2.internal"
    return SimulatedNode(flows, (), devices=("ens5", POD), node=Node("prod", f"i-{number:017x}", name))


NODES = tuple(map(simulated, (1, 2)))


@cache
def series() -> tuple[Stored, ...]:
    """Of two anchors, bytes alone: all that the totals of a day read."""
    return tuple(
        stored
        for node in NODES
        for stored in otel_series(node, SPAN.start - timedelta(minutes=5), END, anchors=("cloudwatch-agent",))
        if "bytes" in stored.labels["__name__"] and stored.labels["@resource.k8s.workload.name"] != "web"
    )


@cache
def metrics() -> tuple[tuple[Node, Any], ...]:
    return tuple((each.node, each.play(SPAN).readings) for each in NODES)


Change = Callable[[Stored], Stored | None]


class Uses:
    """CloudWatch with alarms and dashboards of an account's own; what else is asked goes to the client."""

    def __init__(
        self,
        client: Any,
        alarms: Sequence[Mapping[str, Any]] = (),
        dashboards: Mapping[str, str] | None = None,
        denied: Iterable[str] = (),
    ) -> None:
        self._client, self._alarms, self._dashboards = client, alarms, dict(dashboards or {})
        self.denied = set(denied)
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _ask(self, operation: str) -> None:
        self.asked.append(operation)
        if operation in self.denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, operation)

    def describe_alarms(self, *, NextToken: str = "0", **_: Any) -> dict[str, Any]:  # noqa: N803
        self._ask("DescribeAlarms")
        first = int(NextToken)
        some = self._alarms[first : first + 100]
        more = {"NextToken": str(first + 100)} if first + 100 < len(self._alarms) else {}
        rules = [each for each in some if "AlarmRule" in each]
        return {"MetricAlarms": [each for each in some if each not in rules], "CompositeAlarms": rules} | more

    def list_dashboards(self, **_: Any) -> dict[str, Any]:
        self._ask("ListDashboards")
        return {"DashboardEntries": [{"DashboardName": name} for name in self._dashboards]}

    def get_dashboard(self, *, DashboardName: str) -> dict[str, Any]:  # noqa: N803
        self._ask("GetDashboard")
        return {"DashboardBody": self._dashboards[DashboardName]}


class SimulatedAws(Aws):
    """The account of the simulated nodes."""

    sleep = staticmethod(lambda _: None)

    def __init__(self, client: Any) -> None:
        super().__init__(region="eu-west-1")
        self.cloudwatch = client

    def client(self, service: str) -> Any:
        assert service == "cloudwatch"
        return self.cloudwatch


@dataclass
class Compared:
    clusters: list[ClusterCompared]
    uses: Usages
    forms: int

    @property
    def written(self) -> str:
        console = Console(file=StringIO(), width=100, highlight=False, markup=False, emoji=False)
        migration.show(console, self.clusters, self.uses)
        written: str = console.file.getvalue()  # type: ignore[attr-defined]
        lines = [line.rstrip() for line in written.splitlines()]
        assert all(len(line) <= 100 for line in lines)
        return "\n".join(lines)

    @property
    def said(self) -> str:
        return " ".join(self.written.split())

    @property
    def document(self) -> Any:
        return json.loads(json.dumps(migration.document(self.clusters, self.uses, WINDOW), allow_nan=False))


def compared(
    change: Change = lambda stored: stored,
    *,
    classic: Callable[[Node], float] = lambda _: 1.0,
    script: Sequence[Reply] = (),
    **uses: Any,
) -> Compared:
    """`change` makes another series of each, `classic` says by what a node's classic metric is multiplied."""
    fake = StrictCloudWatch(now=NOW)
    for node, readings in metrics():
        if factor := classic(node):
            rates = [factor * rate for rate in readings.os_bytes_per_second]
            fake.load(os_metric(node), SPAN.start, rates, unit="Bytes/Second")
        for name, values in (
            ("NetworkIn", readings.network_in_bytes),
            ("NetworkOut", readings.network_out_bytes),
        ):
            fake.load(
                eni_metric(name, node),
                SPAN.start,
                [value / 5 for value in values],
                every=timedelta(minutes=5),
                samples_per_point=5,
                unit="Bytes",
            )
    client = Aws(region="eu-west-1").client("cloudwatch")
    attach(fake, client)
    endpoint = PromqlEndpoint([new for each in series() if (new := change(each)) is not None])
    endpoint.script.extend(script)
    endpoint.attach(client)
    desk = Desk(SimulatedAws(Uses(client, **uses)), Settings(), NOW)
    nodes = [node for node, _ in metrics()]
    return Compared(*migration.compared(desk, nodes, lambda _: None), len(endpoint.forms))


def alarm(name: str, **more: Any) -> dict[str, Any]:
    return {"AlarmName": name, "Namespace": "ContainerInsights", "MetricName": OS_METRIC, **more}


DASHBOARD = json.dumps(
    {"widgets": [{"properties": {"metrics": [["ContainerInsights", "node_cpu_utilization"]]}}]}
)
first_only = "i-00000000000000001"


@cache
def same() -> Compared:
    return compared(
        alarms=[alarm("[b]net\x1b[31m")], dashboards={"nodes": DASHBOARD, "broken": "{", "other": "{}"}
    )


def test_nodes_that_both_tell_alike_are_equivalent_and_what_uses_the_metric_is_next() -> None:
    it = same()
    [cluster] = it.clusters
    assert cluster.publishes is Publishes.BOTH
    assert [node.is_equivalent for node in cluster.nodes] == [True, True]
    assert {(node.classic_windows, node.otel_windows, node.windows) for node in cluster.nodes} == {
        (96, 96, 96)
    }
    assert [node.differing for node in cluster.nodes] == [(), ()]
    assert exit_status(it.clusters) == 0
    assert "prod publishes both: 0 of 2 nodes that could be compared differ." in it.said
    assert "PASS 2 nodes: the same bytes and the same verdicts by both." in it.said
    assert "alarm [b]net\\x1b[31m: node_network_total_bytes dashboard nodes: node_cpu_utilization" in it.said
    assert "Not seen: the dashboard broken cannot be read." in it.said
    assert it.said.endswith(
        "Next: Move the 1 alarm, 1 dashboard above to the counters, before you switch the classic one off."
    )
    assert it.forms <= 12


def test_a_node_that_they_tell_differently_comes_first_with_figures_and_the_verdicts() -> None:
    it = compared(classic=lambda node: 0.2 if node.instance_id.endswith("2") else 1.0)
    [cluster] = it.clusters
    assert [node.node.instance_id[-1] for node in cluster.nodes] == ["2", "1"]
    worst = cluster.nodes[0]
    assert (worst.is_equivalent, worst.is_opposite) == (False, True)
    assert sum(each.windows for each in worst.differing) == 96
    assert "FAIL ip-10-0-0-2.ec2.internal (i-00000000000000002): 1.2 MB/s by the classic metric" in it.said
    assert "os_deficit by the classic metric and pod_edge by the counters in 96 windows, last" in it.said
    assert "`enigap explain i-00000000000000002`" in it.said
    assert exit_status(it.clusters) == 1


@pytest.mark.parametrize(
    ("change", "classic", "publishes", "said"),
    [
        (lambda _: None, 1.0, Publishes.CLASSIC, "Next: Set otelContainerInsights.enabled to true for prod"),
        (lambda each: each, 0.0, Publishes.OTEL, "Next: Nothing is left to do."),
        (lambda _: None, 0.0, Publishes.NEITHER, "Next: Look at `enigap check`, which says why prod"),
    ],
)
def test_a_cluster_that_publishes_one_alone_is_told_which_and_what_to_do(
    change: Change, classic: float, publishes: Publishes, said: str
) -> None:
    it = compared(change, classic=lambda _: classic)
    assert [each.publishes for each in it.clusters] == [publishes]
    assert said in it.said
    assert exit_status(it.clusters) == 2


def test_counters_with_gaps_are_told_by_their_coverage() -> None:
    half = WINDOW.end.timestamp() - 12 * 3600

    def newest_half(each: Stored) -> Stored:
        number = next(n for n, second in enumerate(each.seconds) if second > half)
        return Stored(each.labels, each.seconds[number:], each.values[number:])

    it = compared(newest_half)
    assert [node.is_equivalent for node in it.clusters[0].nodes] == [True, True]
    assert "enough to judge in 96 of 96 windows by the classic metric, in 48 by the counters" in it.said
    assert "Next: Look at the cloudwatch-agent of i-0000000000000000" in it.said


def test_what_may_not_be_read_is_a_note_with_the_actions_name() -> None:
    it = compared(denied={"DescribeAlarms", "ListDashboards"})
    for action in ("cloudwatch:DescribeAlarms", "cloudwatch:ListDashboards"):
        assert f"Not seen: AWS denied {action}" in it.said
    assert "which `enigap policy --doctor` allows" in it.said
    assert "Next: Have everything read, for an alarm may need the classic metrics" in it.said
    one = compared(denied={"GetDashboard"}, dashboards={"a": "{}", "b": "{}"})
    assert len(one.uses.not_seen) == 1


def test_counters_that_may_not_be_read_leave_alarms_and_dashboards() -> None:
    denied = Reply(403, {"__type": "AccessDeniedException", "message": "not authorized"})
    it = compared(script=[denied] * 20, alarms=[alarm("net")])
    assert [each.publishes for each in it.clusters] == [Publishes.UNKNOWN]
    assert "could not be read (AWS denied cloudwatch:GetMetricData by PromQL" in it.said
    assert "alarm net: node_network_total_bytes" in it.said
    assert exit_status(it.clusters) == 2


def test_alarms_and_dashboards_are_read_up_to_a_bound_which_is_told() -> None:
    many = compared(
        lambda _: None,
        alarms=[alarm(f"a{number}") for number in range(MOST_ALARMS + 50)],
        dashboards={f"d{number}": "{}" for number in range(MOST_DASHBOARDS + 50)},
    ).uses
    assert (many.alarms, many.dashboards) == (MOST_ALARMS, MOST_DASHBOARDS)
    assert many.not_seen == ("only the first 5,000 alarms were read", "only 300 of 350 dashboards were read")


def test_its_document_holds_to_its_schema() -> None:
    whole = schema("doctor-1")
    of_migration = Draft202012Validator({"$ref": "#/$defs/migration", "$defs": whole["$defs"]})
    for it in (same(), compared(classic=lambda _: 0.2)):
        of_migration.validate(it.document)
        assert set(it.document) == set(whole["$defs"]["migration"]["properties"])
        node = it.document["clusters"][0]["nodes"][0]
        assert set(node) == set(whole["$defs"]["node"]["properties"])


def test_the_documentation_shows_what_it_says() -> None:
    it = compared(
        classic=lambda node: 0.2 if node.instance_id.endswith("2") else 1.0,
        alarms=[
            alarm("node-network-high"),
            {"AlarmName": "prod-degraded", "AlarmRule": 'ALARM("node-network-high")'},
        ],
        dashboards={"nodes": DASHBOARD},
    )
    assert f"```text\n{it.written.strip()}\n```" in DOCUMENTATION.read_text(encoding="utf-8")


def test_the_paragraph_has_figures_and_no_names() -> None:
    assert migration.paragraph(same().clusters, same().uses) == (
        "enigap doctor --migration on 2 nodes: 2 compared, 0 differ, counters to classic 1.000 in the "
        "middle; 0 of 192 windows judged differently; 2 of 4 alarms and dashboards use the classic metrics."
    )


@pytest.mark.usefixtures("account")
def test_the_command_says_its_price_first_and_what_it_cannot_read(enigap: Enigap) -> None:
    ran = enigap("doctor", "--migration", "--cluster", "calm", env={"COLUMNS": "80"})
    said = " ".join(ran.stdout.split())
    assert said.startswith(
        "Comparing 24 hours of 5 nodes in eu-west-1, for 6.5 minutes at most. It reads up to "
    )
    assert "15 metrics in 1 call ($0.0002), about 1,570,000 samples" in said
    assert "calm could not be read (5 nodes)." in said or "CAN'T TELL" in said
    assert (ran.status, ran.stderr) == (2, "")
    assert "compares all nodes" in enigap("doctor", "--migration", "--deep").problem
