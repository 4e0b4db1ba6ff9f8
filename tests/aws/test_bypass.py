"""Mirror sessions and EFA, from EC2 and Container Insights; what is denied explains nothing and is said."""

from collections.abc import Mapping, Sequence

import pytest

from enigap.aws.bypass import bypasses
from enigap.core.counting.bypass import Bypass, EfaTraffic
from enigap.core.counting.node import Node
from enigap.core.counting.window import FetchSpan
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
