"""A node's evidence says which pods its devices belong to, and who exchanged with whom."""

from dataclasses import replace

import pytest

from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import Evidence
from enigap.core.counting.pods import PodSample, digits_of
from enigap.core.counting.rules import Rules
from enigap.core.documents import node_document
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Judgement, Verdict
from enigap.core.messages.talkers import talkers
from tests.fakes.readings import NODE, WINDOW, events, steady

CLIENT, SERVER = (PodSample("iperf3", name) for name in ("iperf3-client", "iperf3-server"))


def device_of(pod: PodSample, prefix: str = "eni") -> str:
    return prefix + digits_of(pod.namespace, pod.name)


def judged(devices: dict[str, tuple[float, float]], *pods: PodSample) -> Judgement:
    """A node whose devices have these rates all the time; EC2 agrees with `eth0`."""
    rx, tx = devices["eth0"]
    total = sum(map(sum, devices.values()))
    return judge(NODE, steady(total, rx, tx), replace(events(devices), pods=pods), WINDOW, Rules())


TALK = {"eth0": (200_000.0, 100_000.0), device_of(CLIENT): (637e6, 3e5), device_of(SERVER): (3e5, 637e6)}


def test_devices_have_their_pods_names_and_the_two_that_mirror_each_other_are_a_conversation() -> None:
    judgement = judged(TALK, CLIENT, SERVER)
    assert judgement.verdict is Verdict.NODE_LOCAL
    evidence = node_document(judgement.figures)["evidence"]
    assert {each["device"]: (each["pod"], each["conversation_with"]) for each in evidence["devices"]} == {
        "eth0": (None, None),
        device_of(CLIENT): ("iperf3/iperf3-client", device_of(SERVER)),
        device_of(SERVER): ("iperf3/iperf3-server", device_of(CLIENT)),
    }
    assert talkers(judgement.evidence, 3) == [
        "iperf3/iperf3-client and iperf3/iperf3-server exchanged 637 MB/s"
    ]


def test_without_pods_events_the_devices_keep_their_names() -> None:
    judgement = judged(TALK)
    assert judgement.evidence is not None
    assert {each.pod for each in judgement.evidence.devices} == {None}
    (told,) = talkers(judgement.evidence, 3)
    assert told == "the pod behind {} and the pod behind {} exchanged 637 MB/s".format(
        *sorted((device_of(CLIENT), device_of(SERVER)))
    )


def test_the_largest_talkers_come_first_and_the_quiet_ones_not_at_all() -> None:
    pods = [PodSample("prod", name) for name in ("web", "db", "cron", "idle")]
    rates = [(9e6, 1e6), (2e6, 3e6), (5e5, 2e5), (100.0, 50.0)]
    devices = {"eth0": (4.2e6, 11.5e6)} | {device_of(pod): its for pod, its in zip(pods, rates, strict=True)}
    judgement = judged(devices, *pods)
    assert talkers(judgement.evidence, 3) == [
        "prod/web sent 9 MB/s and received 1 MB/s",
        "prod/db sent 2 MB/s and received 3 MB/s",
        "prod/cron sent 500 kB/s and received 200 kB/s",
    ]
    assert len(talkers(judgement.evidence, 2)) == 2
    assert len(talkers(judgement.evidence, 9)) == 3


@pytest.mark.parametrize("prefix", ["pod", "if-", "net_"])
def test_a_device_under_another_prefix_is_its_pods_once_the_pod_is_known(prefix: str) -> None:
    devices = {device_of(CLIENT, prefix): (40e6, 3e5), device_of(SERVER, prefix): (3e5, 40e6)}
    devices["eth0"] = (200_000.0, 100_000.0)
    assert judged(devices).verdict is Verdict.UNVERIFIED
    judgement = judged(devices, CLIENT, SERVER)
    assert judgement.verdict is Verdict.NODE_LOCAL
    assert isinstance(judgement.evidence, Evidence)
    assert {each.kind for each in judgement.evidence.devices if each.pod} == {DeviceKind.POD}


def test_pods_on_the_nodes_network_are_named_and_added_to_nothing() -> None:
    agent = PodSample("kube-system", "aws-node-x7k2p", "eth0", *TALK["eth0"])
    also = replace(agent, interface=device_of(CLIENT), rx_bytes_per_second=637e6, tx_bytes_per_second=3e5)
    judgement, without = judged(TALK, CLIENT, SERVER, agent, also), judged(TALK, CLIENT, SERVER)
    assert judgement.evidence is not None
    assert judgement.evidence.host_network_pods == ("kube-system/aws-node-x7k2p",)
    assert replace(judgement.evidence, host_network_pods=()) == without.evidence
    assert (judgement.os, judgement.node_local_at_least) == (without.os, without.node_local_at_least)


@pytest.mark.parametrize("prefix", ["a", "k8", "vpc", "net0", "xyz1", "e.n", "a+b"])
def test_devices_with_another_prefix_of_the_vpc_cni_are_pods(prefix: str) -> None:
    gone = PodSample("jobs", "backup")  # its device is there, its events are not
    inside = {device_of(CLIENT, prefix): (637e6, 3e5), device_of(SERVER, prefix): (3e5, 637e6)}
    devices = {"eth0": (200_000.0, 100_000.0), **inside, device_of(gone, prefix): (2e6, 1e6)}
    judgement = judged(devices, CLIENT, SERVER)
    assert judgement.verdict is Verdict.NODE_LOCAL
    assert isinstance(judgement.evidence, Evidence)
    kinds = {each.device: each.kind for each in judgement.evidence.devices}
    assert kinds.pop("eth0") is DeviceKind.PHYSICAL
    assert set(kinds.values()) == {DeviceKind.POD}
