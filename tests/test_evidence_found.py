"""Evidence is found wherever the cluster's agents write it, from the log group to the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from enigap.assessment import Looking, Sources, assess, examine
from enigap.aws.device_events import ContainerInsightsDevices
from enigap.aws.metrics import CloudWatchTotals
from enigap.aws.pace import Pace
from enigap.core.counting.devices import Classifier
from enigap.core.counting.node import Node
from enigap.core.counting.pods import digits_of
from enigap.core.counting.rules import EvidencePolicy, Rules
from enigap.core.documents import node_document
from enigap.core.judging.cluster import ClusterReport
from enigap.core.judging.verdict import Cause, Judgement, Verdict
from tests.aws.fake_logs import FakeLogs
from tests.aws.worlds import NOW, WINDOW, load, milliseconds, node_net, plain_client, without
from tests.fakes.strict_cloudwatch import StrictCloudWatch

GROUP = "/aws/containerinsights/prod/performance"
MINUTE = timedelta(minutes=1)
START, MINUTES = WINDOW.start - timedelta(minutes=30), 60

Rates = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Reported:
    """A node as its agent and EC2 report it."""

    node: Node
    devices: Rates
    eni: tuple[float, float]
    stream: str | None = "{name}"
    """None: it writes no events."""
    omit: tuple[str, ...] = ()
    pods: tuple[tuple[str, str], ...] = ()


def a_node(number: int = 1, name: str = "ip-10-4-0-{}.eu-west-1.compute.internal") -> Node:
    return Node("prod", f"i-{number:017x}", name.format(number))


def events_of(one: Reported) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for minute in range(-4, MINUTES + 3):
        at = START + minute * MINUTE + timedelta(seconds=33)
        found += [
            without(node_net(one.node, at, name, *rates), *one.omit) for name, rates in one.devices.items()
        ]
        found += [
            {
                "Type": "PodNet",
                "ClusterName": "prod",
                "InstanceId": one.node.instance_id,
                "Timestamp": str(milliseconds(at)),
                "Namespace": namespace,
                "interface": "eth0",
                "kubernetes": {"pod_name": pod},
            }
            for namespace, pod in one.pods
        ]
    return found


def sources(*reported: Reported, has_totals: bool = True) -> Sources:
    cloudwatch, logs = StrictCloudWatch(now=NOW), FakeLogs()
    logs.groups[GROUP] = {}
    for one in reported:
        total = sum(map(sum, one.devices.values()))
        load(
            cloudwatch,
            one.node if has_totals else replace(one.node, node_name=None),
            os_bytes_per_second=[total] * MINUTES,
            network_in_bytes=[one.eni[0] * 300] * (MINUTES // 5),
            network_out_bytes=[one.eni[1] * 300] * (MINUTES // 5),
        )
        if one.stream is not None:
            stream = one.stream.format(name=one.node.node_name, id=one.node.instance_id)
            logs.put(GROUP, stream, events_of(one))
    return Sources(
        CloudWatchTotals(plain_client(cloudwatch), pace=Pace(1e9)),
        ContainerInsightsDevices(logs, Classifier(), pace=Pace(1e9), name_pods=True),
    )


def checked(*reported: Reported, evidence: EvidencePolicy = EvidencePolicy.ALWAYS) -> ClusterReport:
    looking = Looking(evidence, timedelta(hours=1), 200)
    return assess("prod", [one.node for one in reported], WINDOW, Rules(), sources(*reported), looking)


def explained(one: Reported) -> Judgement:
    return examine(one.node, WINDOW, Rules(), sources(one), timedelta(hours=1), windows=2)[0]


STREAMS = ["{name}", "instanceTelemetry/{name}", "{id}", "agent-{id}.{name}", "otel-stream-7f3a"]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("evidence", [EvidencePolicy.SUSPECTS, EvidencePolicy.ALWAYS])
def test_traffic_inside_the_node_is_told_by_devices_in_a_stream_of_any_name(
    stream: str, evidence: EvidencePolicy
) -> None:
    devices = {"eth0": (3e6, 2e6), "eni0a1b2c3d4e5": (80e6, 1e6), "eni5e4d3c2b1a0": (1e6, 80e6)}
    report = checked(Reported(a_node(), devices, (3e6, 2e6), stream), evidence=evidence)
    assert report.nodes[0].newest.verdict is Verdict.NODE_LOCAL


@pytest.mark.parametrize("stream", STREAMS)
def test_what_pods_make_up_for_is_seen_in_a_stream_of_any_name(stream: str) -> None:
    devices = {"ens5": (24e6, 9e6), "cali0a1b2c3d4e5": (14e6, 14e6)}
    hidden = Reported(a_node(), devices, (37e6, 10e6), stream)
    assert checked(hidden, evidence=EvidencePolicy.SUSPECTS).nodes[0].newest.verdict is Verdict.POD_EDGE
    assert checked(hidden).nodes[0].newest.verdict is Verdict.OS_DEFICIT


def test_a_node_that_nobody_could_look_at_is_explained_and_says_so() -> None:
    devices = {"ens5": (24e6, 9e6), "cali0a1b2c3d4e5": (14e6, 14e6)}
    report = checked(Reported(a_node(), devices, (37e6, 10e6), stream=None))
    document = node_document(report.nodes[0].newest.figures)
    assert (document["verdict"], document["evidence"]) == ("pod_edge", None)
    assert "no device events with its instance id" in document["evidence_missing"]
    assert report.not_looked_at == 1


def test_each_of_many_nodes_under_other_stream_names_is_seen() -> None:
    devices = {"ens5": (24e6, 9e6), "cali0a1b2c3d4e5": (14e6, 14e6)}
    every = [
        Reported(a_node(number), devices, (37e6, 10e6), "instanceTelemetry/{name}") for number in range(60)
    ]
    report = checked(*every)
    assert {one.newest.verdict for one in report.nodes} == {Verdict.OS_DEFICIT}


def test_explain_names_the_pods_and_who_exchanged_with_whom() -> None:
    pods = (("bench", "load-5d8f7"), ("bench", "sink-0"), ("kube-system", "coredns-abc"))
    load_, sink, dns = (f"eni{digits_of(*pod)}" for pod in pods)
    devices = {"ens5": (5e4, 5e4), load_: (90e6, 7e5), sink: (7e5, 90e6), dns: (9e3, 9e3)}
    judgement = explained(Reported(a_node(), devices, (5e4, 5e4), "{id}", pods=pods))
    assert judgement.evidence is not None
    told = {each.device: (each.pod, each.conversation_with) for each in judgement.evidence.devices}
    assert told == {
        "ens5": (None, None),
        load_: ("bench/load-5d8f7", sink),
        sink: ("bench/sink-0", load_),
        dns: ("kube-system/coredns-abc", None),
    }


def test_an_agent_without_access_to_the_instance_metadata_is_not_called_dead() -> None:
    one = Reported(a_node(), {"eth0": (6e6, 5e6)}, (6e6, 5e6), omit=("InstanceId", "InstanceType"))
    judgement, _ = examine(
        one.node, WINDOW, Rules(), sources(one, has_totals=False), timedelta(hours=1), windows=2
    )
    assert judgement.verdict is Verdict.OS_SILENT
    assert "cannot reach the instance metadata (IMDS)" in str(judgement.reason)
    assert "down" not in str(judgement.reason)
    assert judgement.cause is Cause.NO_INSTANCE_ID
