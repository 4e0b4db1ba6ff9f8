"""Every query that the product sends, by Prometheus and by the fake of the tests: the fake is held to it.

CloudWatch says that it follows Prometheus 3, whose ranges leave out their older end. This is Prometheus 2,
whose ranges have both: no sample of the worlds lies on the older end of a range that is asked for.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from enigap.aws.otel import BYTES, OtelDevices, OtelTotals
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceScope
from tests.detection.judging import Lived
from tests.fakes.promql import PromqlEndpoint
from tests.prometheus.engine import Engine, Held, plain, quoted
from tests.prometheus.worlds import EDGE, EDGE_SECOND, NO_ANCHOR, WORLDS, World

ODD_STEP = timedelta(seconds=17)


def asked_of(world: World, engine: Engine) -> Held:
    """After the product has read the totals of a world, and its devices in either scope."""
    held = Held(PromqlEndpoint(world.series), engine)
    node = world.node.node
    lived = Lived({node.instance_id: world.life})
    list(OtelTotals(held, lived, Classifier()).totals([node], world.span))  # type: ignore[arg-type]
    for scope in DeviceScope:
        OtelDevices(held, Classifier()).devices([node], world.span, scope)  # type: ignore[arg-type]
    return held


@pytest.mark.parametrize("happens", WORLDS)
def test_prometheus_and_the_fake_answer_alike_what_the_product_asks(happens: str, engine: Engine) -> None:
    world = WORLDS[happens]
    held = asked_of(world, engine)
    assert {query.partition(" ")[0] for query in held.asked} == {"max", "min", "count"}
    assert held.differences == []
    assert (held.series == 0) is (happens == NO_ANCHOR)


@pytest.mark.parametrize("happens", WORLDS)
def test_they_do_so_at_seconds_that_the_product_does_not_ask_about(happens: str, engine: Engine) -> None:
    world = WORLDS[happens]
    held = asked_of(world, engine)
    for query in set(held.asked):
        held.between(query, world.life.begin, world.life.end, ODD_STEP)
    assert held.differences == []


def test_what_the_product_does_not_ask_for_is_there_all_the_same(engine: Engine) -> None:
    world = WORLDS[NO_ANCHOR]
    seconds = [int(world.span.end.timestamp())]
    of_node = f'"@resource.host.id"="{world.node.node.instance_id}"'
    for name in (BYTES.received, "node_network_receive_bytes_total"):
        query = (
            f'count by ("@resource.k8s.workload.name") (last_over_time({{__name__="{name}",{of_node}}}[60s]))'
        )
        [(labels, _)] = engine.run(query, seconds)
        assert labels["@resource.k8s.workload.name"] in {"web", "node-exporter"}


EDGE_QUERY = 'max by ("@resource.host.id") (last_over_time({__name__="edge_bytes"}[60s]))'


def seconds_with_a_value(after: int, engine: Engine) -> tuple[bool, bool]:
    """Whether the single sample is in the range that ends so many seconds after it, by the fake and by
    Prometheus."""
    seconds = [EDGE_SECOND + after]
    return bool(PromqlEndpoint([EDGE]).run(EDGE_QUERY, seconds)), bool(engine.run(EDGE_QUERY, seconds))


def test_ranges_differ_at_their_older_end_and_nowhere_else(engine: Engine) -> None:
    assert {after: seconds_with_a_value(after, engine) for after in (-1, 0, 1, 59, 60, 61)} == {
        -1: (False, False),
        0: (True, True),
        1: (True, True),
        59: (True, True),
        60: (False, True),  # left-open as of Prometheus 3, and closed as of Prometheus 2
        61: (False, False),
    }


def test_a_query_without_a_range_would_answer_with_counters_of_five_minutes_ago(engine: Engine) -> None:
    query = 'max by ("@resource.host.id") ({__name__="edge_bytes"})'
    assert [bool(engine.run(query, [EDGE_SECOND + after])) for after in (60, 299, 301)] == [True, True, False]


@pytest.mark.parametrize(
    "names",
    [{"interface", "__name__", "@resource.host.id", "@resource_host_id", "@resource.host_id", "@@a.@"}],
)
def test_labels_are_renamed_one_to_one(names: set[str]) -> None:
    assert {quoted(plain(name)) for name in names} == names
    assert len({plain(name) for name in names}) == len(names)
