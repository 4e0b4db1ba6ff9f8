"""Mirror sessions and EFA, from EC2 and Container Insights; what is denied explains nothing and is said."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from enigap.aws.bypass import EFA_METRICS, bypasses
from enigap.aws.metrics import CloudWatchTotals
from enigap.core.counting.bypass import Bypass, EfaTraffic
from enigap.core.counting.node import Node
from enigap.core.counting.window import PERIOD, FetchSpan
from tests.aws.fake_ec2 import FakeEc2, Machine
from tests.fakes.readings import SPAN

NODES = [Node("prod", f"i-{number}", f"ip-{number}") for number in range(3)]
EFA = EfaTraffic(SPAN.start, (1.0,), (2.0,))


class Efa:
    def __init__(self, known: Mapping[str, EfaTraffic]) -> None:
        self.known = known
        self.asked: list[str] = []

    def __call__(self, nodes: Sequence[Node], span: FetchSpan) -> Mapping[str, EfaTraffic]:
        assert span == SPAN
        self.asked += [node.instance_id for node in nodes]
        return self.known


def account(**sessions: int) -> FakeEc2:
    """Node 0 has two ENIs, node 1 an EFA; the sessions are by ENI."""
    machines = [
        Machine("i-0", enis={"eni-a": "interface", "eni-b": "interface"}),
        Machine("i-1", enis={"eni-c": "efa-only"}),
        Machine("i-2", enis={"eni-d": "interface"}),
    ]
    mirrored = [f"eni-{eni}" for eni, count in sessions.items() for _ in range(count)]
    return FakeEc2(machines, mirrored=mirrored)


def test_sessions_are_counted_for_the_node_whose_enis_they_mirror() -> None:
    efa = Efa({})
    found = bypasses(account(a=1, b=2, x=1), efa, NODES, SPAN)
    assert found.of == {"i-0": Bypass(3), "i-1": Bypass(has_efa=True)}
    assert not found.notes


def test_the_efa_metrics_are_read_and_billed_of_nodes_with_an_efa_only() -> None:
    efa = Efa({"i-1": EFA})
    found = bypasses(account(), efa, NODES, SPAN)
    assert found.of == {"i-1": Bypass(has_efa=True, efa=EFA)}
    assert efa.asked == ["i-1"]
    assert found.billed_metrics == 5


def test_all_pages_of_sessions_are_read() -> None:
    assert bypasses(account(a=2500), Efa({}), NODES, SPAN).of["i-0"] == Bypass(2500)


def test_denied_sessions_explain_nothing_and_are_said() -> None:
    ec2 = account(a=1)
    ec2.denied.add("DescribeTrafficMirrorSessions")
    found = bypasses(ec2, Efa({}), NODES, SPAN)
    assert found.of == {"i-1": Bypass(has_efa=True)}
    [note] = found.notes
    assert note.startswith("AWS denied ec2:DescribeTrafficMirrorSessions")


@pytest.mark.parametrize("nodes", [[], NODES])
def test_what_ec2_does_not_answer_is_no_failure(nodes: list[Node]) -> None:
    ec2 = account(a=1)
    ec2.denied |= {"DescribeInstances", "DescribeTrafficMirrorSessions"}
    assert bypasses(ec2, Efa({}), nodes, SPAN).of == {}


class EfaMetrics:
    """Has the same rate in every period, by metric."""

    def __init__(self, **rates: float) -> None:
        self.rates = rates
        self.asked: set[tuple[str, str]] = set()

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        results = []
        for query in request["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            node = {each["Name"]: each["Value"] for each in metric["Dimensions"]}["InstanceId"]
            self.asked.add((node, metric["MetricName"]))
            rate = self.rates.get(metric["MetricName"].removeprefix("node_efa_"))
            start, end = request["StartTime"], request["EndTime"]
            at = [start + n * PERIOD for n in range((end - start) // PERIOD)] if rate is not None else []
            values = [rate] * len(at)
            results.append({"Id": query["Id"], "StatusCode": "Complete", "Timestamps": at, "Values": values})
        return {"MetricDataResults": results}


def test_what_efa_carried_is_added_up_by_direction_one_period_further_on_both_sides() -> None:
    cloudwatch = EfaMetrics(rx_bytes=1.0, tx_bytes=2.0, rdma_write_bytes=4.0, rdma_write_recv_bytes=8.0)
    found = CloudWatchTotals(cloudwatch).efa(NODES[:1], SPAN)
    periods = SPAN.periods + 2
    assert found == {"i-0": EfaTraffic(SPAN.start - PERIOD, (9.0,) * periods, (6.0,) * periods)}
    assert len(cloudwatch.asked) == EFA_METRICS


def test_what_others_read_of_a_nodes_memory_bounds_nothing_that_it_sent() -> None:
    cloudwatch = EfaMetrics(rx_bytes=1.0, tx_bytes=2.0, rdma_read_bytes=16.0)
    found = CloudWatchTotals(cloudwatch).efa(NODES[:1], SPAN)["i-0"]
    assert set(found.received) == {17.0}
    assert set(found.sent) == {None}


def test_a_node_without_efa_metrics_is_left_out() -> None:
    assert CloudWatchTotals(EfaMetrics()).efa([*NODES, Node("prod", "i-9")], SPAN) == {}
