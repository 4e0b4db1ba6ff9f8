"""What `enigap doctor` sees of the strict fakes, which are as strict as AWS is documented to be."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from enigap.aws.clients import Aws
from enigap.aws.observe import Observer
from enigap.core.counting.node import Node
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import MINUTE
from enigap.core.doctor.belief import Status
from enigap.core.doctor.beliefs import diagnose, exit_status
from enigap.core.doctor.observed import Observations
from tests.aws.fake_ec2 import FakeEc2, Machine
from tests.aws.fake_logs import FakeLogs, error
from tests.aws.worlds import NOW, SPAN, node_net, nodes, tuned_client, world

NODES = [
    replace(each, instance_type="m5.large", launched_at=SPAN.start - timedelta(days=1)) for each in nodes(12)
]


class StrictAws(Aws):
    """Clients of the strict fakes; there are no quotas to ask for."""

    sleep = staticmethod(lambda _: None)

    def __init__(self, logs: FakeLogs) -> None:
        super().__init__(region="eu-west-1")
        machines = [Machine(each.instance_id, enis={"eni-1": "interface"}) for each in NODES]
        self.fakes = {"cloudwatch": tuned_client(world(NODES)), "logs": logs, "ec2": FakeEc2(machines)}

    def client(self, service: str) -> Any:
        return self.fakes[service]


def logs_of(*of: Node) -> FakeLogs:
    logs = FakeLogs()
    for each in of:
        events = [
            node_net(each, SPAN.start + n * MINUTE + timedelta(seconds=30)) for n in range(SPAN.minutes)
        ]
        logs.put(f"/aws/containerinsights/{each.cluster}/performance", str(each.node_name), events)
    return logs


def observed(logs: FakeLogs) -> Observations:
    observer = Observer(
        StrictAws(logs), Rules(), NOW, lambda _: None, calls_per_second=1000.0, only_node=True
    )
    return observer.observe(NODES)


def statuses(o: Observations) -> dict[str, Status]:
    return {belief.id: outcome.status for belief, outcome in diagnose(o)}


def test_ten_nodes_are_looked_at_and_what_the_fakes_hold_to_is_seen() -> None:
    o = observed(logs_of(*NODES))
    assert len(o.nodes) == 10
    found = statuses(o)
    for name in ("eni-samples", "os-one-value", "metric-answers", "log-stream", "log-fields", "log-late"):
        assert found[name] is Status.PASS, name
    for name in ("log-batches", "log-pattern", "log-pattern-enis", "device-for-each-eni", "device-names"):
        assert found[name] is Status.PASS, name


def test_a_log_that_is_denied_leaves_the_metrics() -> None:
    logs = logs_of(*NODES)
    logs.faults.append(lambda _: error("AccessDeniedException", "not authorized"))
    o = observed(logs)
    found = statuses(o)
    assert (found["eni-samples"], found["log-stream"]) == (Status.PASS, Status.CANT_TELL)
    assert exit_status(o, diagnose(o)) == 2
