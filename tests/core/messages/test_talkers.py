"""Messages about a node name the pods that its traffic is of."""

import json
from dataclasses import replace

import pytest

from enigap.core.counting.pods import PodSample, digits_of
from enigap.core.counting.rules import Rules
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Judgement, Verdict
from enigap.core.messages.talkers import talkers
from enigap.core.messages.words import summary
from tests.fakes.news import HOSTILE_NAMES, as_email, as_slack, event, incident, node, opened
from tests.fakes.readings import WINDOW, events, steady

PODS = [PodSample("shop", name) for name in ("front-7d9c5", "store-0", "job-x2")]
FRONT, STORE, JOB = (f"eni{digits_of(pod.namespace, pod.name)}" for pod in PODS)
DEVICES = {"eth0": (9e6, 4e6), FRONT: (30e6, 2e6), STORE: (2e6, 30e6), JOB: (1e6, 3e6)}


def a_deficit(number: int = 1, pods: tuple[PodSample, ...] = tuple(PODS)) -> Judgement:
    """Half of what the ENIs carried crossed no device."""
    readings = steady(sum(map(sum, DEVICES.values())), 20e6, 10e6)
    found = judge(node(number), readings, replace(events(DEVICES), pods=pods), WINDOW, Rules())
    assert found.verdict is Verdict.OS_DEFICIT
    return found


TOLD = (
    "Largest talkers: shop/front-7d9c5 and shop/store-0 exchanged 32 MB/s; shop/job-x2 sent 1 MB/s and "
    "received 3 MB/s."
)


def test_the_message_about_a_suspect_node_names_its_largest_talkers() -> None:
    news = opened(incident([a_deficit()]))
    assert summary(news).count(TOLD) == 1
    assert TOLD in " ".join(as_email(event(news)).split())


def test_what_two_exchanged_is_never_rounded_up() -> None:
    """The pods of the article: half of what its node counted on virtual devices."""
    rates = {"eth0": (519.0, 318.0), FRONT: (637.464e6, 0.319344e6), STORE: (0.319344e6, 637.464e6)}
    readings = steady(sum(map(sum, rates.values())), *rates["eth0"])
    found = judge(node(1), readings, replace(events(rates), pods=tuple(PODS)), WINDOW, Rules())
    assert talkers(found.evidence, 3) == ["shop/front-7d9c5 and shop/store-0 exchanged 637 MB/s"]


def test_of_many_nodes_the_talkers_of_one_are_not_told() -> None:
    news = opened(incident([a_deficit(number) for number in range(30)], wide=True))
    assert "talkers" not in summary(news)


def test_without_devices_nothing_is_said_of_talkers() -> None:
    news = opened(incident([replace(a_deficit(), evidence=None)]))
    assert "talkers" not in summary(news)


@pytest.mark.parametrize("hostile", HOSTILE_NAMES)
def test_names_from_the_log_are_harmless_wherever_they_come_from(hostile: str) -> None:
    judgement = a_deficit()
    assert judgement.evidence is not None
    devices = tuple(replace(each, pod=each.pod and hostile) for each in judgement.evidence.devices)
    spoilt = replace(judgement, evidence=replace(judgement.evidence, devices=devices))
    told = talkers(spoilt.evidence, 3)
    assert all(len(clause) < 400 and clause.isprintable() for clause in told)
    news = opened(incident([spoilt]))
    assert "<!" not in str(as_slack(event(news)))


def test_with_name_pods_false_no_pod_is_named_anywhere_in_a_message() -> None:
    news = opened(incident([a_deficit()]))
    assert "shop/store-0" in json.dumps(event(news))
    document = event(news, name_pods=False)
    assert "shop" not in json.dumps([document, as_email(document), as_slack(document)])
    assert f"the pod behind {FRONT}" in " ".join(as_email(document).split())
