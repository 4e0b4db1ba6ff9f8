"""The product's own client and sources, over HTTP to a Prometheus behind CloudWatch's refusals and limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.otel import BYTES, OtelDevices, OtelTotals, counter_query
from enigap.aws.pace import Pace
from enigap.aws.promql import PromQL
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceEvents, DeviceScope, MissingEvidence
from enigap.core.counting.reading import Readings, Unreadable, complete_periods, measure
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import GRID
from tests.detection.judging import Lived
from tests.fakes.otel_ports import InProcess
from tests.fakes.promql import MOST_SERIES, PromqlEndpoint, Reply, serve
from tests.prometheus.engine import Engine, Proxy
from tests.prometheus.worlds import NO_ANCHOR, WORLDS, window_of

OWN_NETWORK: Final = "an anchor has a network of its own"
NODES: Final = [world.node.node for world in WORLDS.values()]
SPAN: Final = next(iter(WORLDS.values())).span
PODS_REPLACED: Final = {"pods are replaced", "pods come back under their names"}
LIVED: Final = Lived({world.node.node.instance_id: world.life for world in WORLDS.values()})


@dataclass
class Asked:
    """The product's client, and what stands between it and Prometheus."""

    url: str
    proxy: Proxy
    promql: PromQL
    pauses: list[float]

    def totals(self) -> dict[str, Readings | Unreadable]:
        return totals_by(self.promql)


def totals_by(promql: Any) -> dict[str, Readings | Unreadable]:
    """By what happens to the node."""
    found = {n.instance_id: each for n, each in OtelTotals(promql, LIVED, Classifier()).totals(NODES, SPAN)}
    return {happens: found[world.node.node.instance_id] for happens, world in WORLDS.items()}


def devices_by(promql: Any, scope: DeviceScope) -> dict[str, DeviceEvents | MissingEvidence]:
    found = OtelDevices(promql, Classifier()).devices(NODES, SPAN, scope)
    return {happens: in_order(found[world.node.node.instance_id]) for happens, world in WORLDS.items()}


def in_order(events: DeviceEvents | MissingEvidence) -> DeviceEvents | MissingEvidence:
    """Prometheus answers with series in an order of its own."""
    if isinstance(events, MissingEvidence):
        return events
    return replace(events, samples=tuple(sorted(events.samples, key=lambda each: (each.at, each.device))))


@pytest.fixture(scope="module")
def through(engine: Engine) -> Iterator[Asked]:
    """One client for all tests: to make one takes longer than to ask."""
    proxy, pauses = Proxy(engine), list[float]()
    with serve(proxy) as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", url)
        client = Aws(region="eu-west-1").client("cloudwatch")
        yield Asked(url, proxy, PromQL(client, pace=Pace(1e9), sleep=pauses.append), pauses)


@pytest.fixture
def asked(through: Asked) -> Asked:
    """As it was before any test."""
    through.proxy.script.clear()
    through.proxy.forms.clear()
    through.proxy.most_series = MOST_SERIES
    through.pauses.clear()
    return through


@pytest.fixture(scope="module")
def in_process() -> InProcess:
    """The fake, over the same series."""
    return InProcess(PromqlEndpoint(each for world in WORLDS.values() for each in world.series))


def test_the_readings_are_those_by_the_fake(asked: Asked, in_process: InProcess) -> None:
    assert asked.totals() == totals_by(in_process)
    for scope in DeviceScope:
        assert devices_by(asked.promql, scope) == devices_by(in_process, scope)


def test_the_readings_hold_what_the_devices_counted_and_what_cannot_be_told_is_missing(asked: Asked) -> None:
    """Where a pod's device is removed, what it counted last is in no figure."""
    found, missing = asked.totals(), dict[str, int]()
    for happens in WORLDS.keys() - {OWN_NETWORK, NO_ANCHOR, *PODS_REPLACED}:
        world, readings = WORLDS[happens], found[happens]
        assert isinstance(readings, Readings)
        assert 0.0 not in readings.os_bytes_per_second
        missing[happens] = readings.os_bytes_per_second.count(None)
        both = measure(readings, complete_periods(readings, window_of(world.life)))
        counted = sum(world.node.counted_while_there(run.start, run.end) for run in both.runs)
        truth = ByteRate.from_total(counted, sum((run.duration for run in both.runs), timedelta(0)))
        assert both.os.low <= truth <= both.os.high, happens
    assert {happens: minutes for happens, minutes in missing.items() if minutes} == {
        "an ENI's counter is reset twice": 8,
        "nothing is scraped for a while": 5,
        "an ENI comes and goes": 8,
    }


def test_anchors_that_cannot_stand_for_their_node_are_no_reading(asked: Asked) -> None:
    found = asked.totals()
    refused, silent = found[OWN_NETWORK], found[NO_ANCHOR]
    assert isinstance(refused, Unreadable)
    assert "hostNetwork: true" in refused.why
    assert isinstance(silent, Readings)
    assert set(silent.os_bytes_per_second) == {None}


def test_an_answer_that_was_cut_is_asked_for_in_parts(asked: Asked, in_process: InProcess) -> None:
    asked.proxy.most_series = 15
    assert asked.totals() == totals_by(in_process)


def test_what_is_cut_even_of_one_node_makes_that_node_unreadable(asked: Asked) -> None:
    asked.proxy.most_series = 7
    found = asked.totals()
    cut = {
        h for h, readings in found.items() if isinstance(readings, Unreadable) and "not whole" in readings.why
    }
    assert cut == {"pods are replaced", "an ENI comes and goes"}


QUERY: Final = counter_query(BYTES.received, NODES[0].insights_cluster, [node.instance_id for node in NODES])


def problem_of(asked: Asked, query: str, *answers: Reply, step: timedelta = GRID) -> AwsProblem:
    asked.proxy.script.extend(answers)
    with pytest.raises(AwsProblem) as caught:
        asked.promql.between(query, SPAN.start, SPAN.end, step)
    return caught.value


def test_too_many_samples_are_refused_by_prometheus_and_asked_for_in_parts(asked: Asked) -> None:
    problem = problem_of(asked, QUERY, step=timedelta(seconds=1))
    assert (problem.kind, problem.code) == (ProblemKind.REFUSED, "execution")
    assert "too many samples" in str(problem)
    assert asked.pauses == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ('max(last_over_time({interface="eth0"}[60s]))', "exact metric name"),
        ('max(last_over_time({__name__="edge_bytes"}[60s]', "unclosed"),
    ],
)
def test_a_query_that_is_none_is_refused_once(query: str, says: str, asked: Asked) -> None:
    problem = problem_of(asked, query)
    assert problem.kind is ProblemKind.REFUSED
    assert says in str(problem)
    assert len(asked.proxy.forms) == 1


def test_a_signature_by_another_key_is_refused(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", asked.url)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    other = PromQL(Aws(region="eu-west-1").client("cloudwatch"), sleep=asked.pauses.append)
    with pytest.raises(AwsProblem) as caught:
        totals_by(other)
    assert caught.value.kind is ProblemKind.CREDENTIALS
    assert asked.proxy.forms == []


def test_what_passes_is_asked_again_and_costs_no_reading(asked: Asked, in_process: InProcess) -> None:
    asked.proxy.script.extend([Reply(429), Reply(503), Reply(500)])
    assert asked.totals() == totals_by(in_process)
    assert sorted(asked.pauses) == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("reply", "kind", "asked_times"),
    [
        (Reply(403), ProblemKind.DENIED, 1),
        (Reply(429), ProblemKind.THROTTLED, 4),
        (Reply(500), ProblemKind.FAILED, 4),
    ],
)
def test_what_does_not_pass_is_said(reply: Reply, kind: ProblemKind, asked_times: int, asked: Asked) -> None:
    assert problem_of(asked, QUERY, *[reply] * 4).kind is kind
    assert len(asked.proxy.forms) == asked_times
