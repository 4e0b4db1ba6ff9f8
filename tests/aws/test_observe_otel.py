"""What `enigap doctor` sees of OpenTelemetry's counters, by an endpoint as strict as is documented."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from enigap.aws.clients import Aws
from enigap.aws.observe_otel import look
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import FetchSpan
from enigap.core.doctor.belief import Status
from enigap.core.doctor.beliefs import diagnose
from enigap.core.doctor.observed import Limits, NodeSeen, NotSeen, Observations
from tests.aws.test_otel import END, WINDOW, simulated
from tests.fakes.node_simulator import SimulatedNode
from tests.fakes.otel_series import otel_series
from tests.fakes.promql import PromqlEndpoint, Reply, Stored

SPAN = FetchSpan(WINDOW.end - timedelta(hours=3), WINDOW.end + timedelta(minutes=5))
NODES = tuple(simulated(number, nics=("ens5", "ens6")) for number in (1, 2, 3))
NOW = WINDOW.end + timedelta(minutes=12)

Change = Callable[[Stored], Stored | None]


@cache
def seen_nodes() -> tuple[NodeSeen, ...]:
    return tuple(NodeSeen(each.node, readings=each.play(SPAN).readings) for each in NODES)


@cache
def series() -> tuple[Stored, ...]:
    begin = SPAN.start - timedelta(minutes=10)
    return tuple(stored for node in NODES for stored in otel_series(node, begin, END))


def kubelets(node: SimulatedNode, factor: float = 1.0) -> Iterable[Stored]:
    """The kubelet's own metric of the first ENI device, from the anchors' counters."""
    for stored in series():
        labels = stored.labels
        of_agent = labels["@resource.k8s.workload.name"] == "aws-node"
        way = {
            "container_network_receive_bytes_total": "receive",
            "container_network_transmit_bytes_total": "transmit",
        }
        if (
            of_agent
            and labels.get("interface") == "ens5"
            and labels["@resource.host.id"] == node.node.instance_id
            and labels["__name__"] in way
        ):
            own = {
                "__name__": "k8s.node.network.io",
                "direction": way[labels["__name__"]],
                "interface": "ens5",
            }
            host = {"@resource.host.id": node.node.instance_id}
            yield Stored(own | host, stored.seconds, [factor * each for each in stored.values])


def observed(
    change: Change = lambda stored: stored,
    more: Iterable[Stored] = (),
    script: Sequence[Reply | None] = (),
    kind: type[PromqlEndpoint] = PromqlEndpoint,
) -> tuple[Observations, PromqlEndpoint]:
    """What is seen where each series is changed, or left out."""
    endpoint = kind([new for each in series() if (new := change(each)) is not None])
    endpoint.add(more)
    endpoint.script.extend(script)
    client = Aws(region="eu-west-1").client("cloudwatch")
    endpoint.attach(client)
    otel = look(client, seen_nodes(), WINDOW, Rules(), sleep=lambda _: None, out_of_time=lambda: False)
    return Observations(NOW, WINDOW, Rules(), Limits(1, 1, 1.0), seen_nodes(), otel=otel), endpoint


def statuses(o: Observations) -> dict[str, Status]:
    return {belief.id: outcome.status for belief, outcome in diagnose(o) if belief.id.startswith("otel-")}


def labelled(**different: str) -> Change:
    names = {name: f"@resource.{name.replace('_', '.')}" for name in different}
    return lambda each: replace(
        each, labels={**each.labels, **{names[name]: value for name, value in different.items()}}
    )


def test_all_beliefs_hold_of_series_as_they_are_documented() -> None:
    o, endpoint = observed(more=kubelets(NODES[0]))
    found = statuses(o)
    assert found.pop("otel-cut") is Status.CANT_TELL  # so few pods have no 500 series
    assert set(found.values()) == {Status.PASS}, found
    assert len(endpoint.forms) <= 30


@pytest.mark.parametrize(
    ("belief", "change"),
    [
        ("otel-host-id", labelled(host_id="ip-10-0-0-1.ec2.internal")),
        ("otel-cluster-name", labelled(k8s_cluster_name="prod-eks")),
        ("otel-interval", lambda each: Stored(each.labels, each.seconds[::2], each.values[::2])),
        (
            "otel-times",
            lambda each: Stored(each.labels, [at // 30 * 30.0 for at in each.seconds], each.values),
        ),
        ("otel-devices", lambda each: Stored(each.labels, each.seconds, [v / 4 for v in each.values])),
        ("otel-sum", lambda each: Stored(each.labels, each.seconds, [v / 4 for v in each.values])),
    ],
)
def test_what_is_otherwise_is_contradicted(belief: str, change: Change) -> None:
    assert statuses(observed(change)[0])[belief] is Status.FAIL


def test_the_kubelets_metric_is_compared_where_it_is_there() -> None:
    assert statuses(observed()[0])["otel-kubelet"] is Status.CANT_TELL
    other = kubelets(NODES[0], factor=3.0)
    assert statuses(observed(more=other)[0])["otel-kubelet"] is Status.FAIL


def test_a_cluster_without_counters_is_told_what_to_switch_on_and_contradicts_nothing() -> None:
    o, endpoint = observed(lambda _: None)
    assert set(statuses(o).values()) == {Status.CANT_TELL}
    assert isinstance(o.otel, NotSeen)
    assert "otelContainerInsights" in o.otel.why
    assert len(endpoint.forms) == 2


def test_a_denial_of_what_the_policy_allows_contradicts_it() -> None:
    denied = Reply(403, {"__type": "AccessDeniedException", "message": "not authorized"})
    found = statuses(observed(script=[denied])[0])
    assert found.pop("otel-asked") is Status.FAIL
    assert set(found.values()) == {Status.CANT_TELL}


def test_an_endpoint_without_promql_contradicts_nothing() -> None:
    gone = Reply(404, {"__type": "UnknownOperationException", "message": "no such path"})
    o, endpoint = observed(script=[gone])
    assert set(statuses(o).values()) == {Status.CANT_TELL}
    assert len(endpoint.forms) == 1


class Silent(PromqlEndpoint):
    """Cuts answers without a word."""

    def run(self, query: str, instants: Sequence[int]) -> list[Any]:
        return super().run(query, instants)[:400]


@pytest.mark.parametrize(("kind", "status"), [(PromqlEndpoint, Status.PASS), (Silent, Status.FAIL)])
def test_an_answer_that_is_cut_without_a_word_is_told(kind: type[PromqlEndpoint], status: Status) -> None:
    crowd = [
        Stored(
            {**each.labels, "@resource.k8s.pod.name": f"web-{pod}", "interface": f"veth{device}"},
            each.seconds[-300:],
            each.values[-300:],
        )
        for each in [next(each for each in series() if "receive_bytes" in each.labels["__name__"])]
        for pod in range(60)
        for device in range(10)
    ]
    assert statuses(observed(more=crowd, kind=kind)[0])["otel-cut"] is status


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), -1.0])
def test_counters_that_are_no_numbers_are_told_as_not_seen(value: float) -> None:
    o, _ = observed(lambda each: replace(each, values=[value] * len(each.values)))
    found = statuses(o)
    assert found["otel-devices"] is Status.CANT_TELL
    assert Status.FAIL not in found.values()


def test_a_question_that_fails_leaves_the_others() -> None:
    fails = Reply(422, {"status": "error", "errorType": "execution", "error": "too many samples"})
    found = statuses(observed(script=[None, fails])[0])
    assert (found["otel-anchors"], found["otel-range"]) == (Status.CANT_TELL, Status.PASS)
