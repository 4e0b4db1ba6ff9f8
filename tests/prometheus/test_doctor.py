"""What `enigap doctor` asks, by a real Prometheus and by the endpoint of the tests: both answer alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from enigap.aws.clients import Aws
from enigap.aws.observe_otel import look
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import FetchSpan
from enigap.core.doctor.belief import Outcome, Status
from enigap.core.doctor.beliefs import diagnose
from enigap.core.doctor.observed import Limits, NodeSeen, Observations
from tests.fakes.promql import PromqlEndpoint, serve
from tests.prometheus.engine import Engine, Proxy
from tests.prometheus.worlds import WORLDS, window_of

SEEN = ("nothing happens", "an anchor is replaced", "pods are replaced")


def outcomes(endpoint: PromqlEndpoint, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Outcome]:
    window = window_of(WORLDS[SEEN[0]].life)
    span = FetchSpan(window.end - timedelta(hours=3), window.end + timedelta(minutes=10))
    seen = [
        NodeSeen(of.node.node, readings=of.node.play(span).readings) for of in map(WORLDS.get, SEEN) if of
    ]
    with serve(endpoint) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        client = Aws(region="eu-west-1").client("cloudwatch")
        otel = look(client, seen, window, Rules(), sleep=lambda _: None, out_of_time=lambda: False)
    o = Observations(span.end, window, Rules(), Limits(1, 1, 1.0), tuple(seen), otel=otel)
    return {belief.id: outcome for belief, outcome in diagnose(o) if belief.id.startswith("otel-")}


def test_doctor_is_told_the_same_by_a_real_prometheus(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = outcomes(Proxy(engine), monkeypatch)
    stored = PromqlEndpoint(each for world in WORLDS.values() for each in world.series)
    assert told == outcomes(stored, monkeypatch)
    assert told["otel-asked"].status is Status.PASS
