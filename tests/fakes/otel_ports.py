"""Both ports of the assessment, from lives as the OpenTelemetry Container Insights and EC2 publish them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from enigap.aws.otel import OtelDevices, OtelTotals
from enigap.aws.promql import Series
from enigap.core.counting.devices import Classifier
from tests.detection.judging import Lived
from tests.fakes.node_life import NodeLife
from tests.fakes.otel_series import otel_series
from tests.fakes.promql import PromqlEndpoint, Stored

_BEFORE: Final = timedelta(minutes=40)


class InProcess:
    """A PromQL client whose queries an endpoint runs, without a request."""

    def __init__(self, endpoint: PromqlEndpoint) -> None:
        self._endpoint = endpoint

    def at(self, expression: str, instant: datetime) -> list[Series]:
        return self._run(expression, [int(instant.timestamp())])

    def between(self, expression: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
        seconds = range(int(start.timestamp()), int(end.timestamp()) + 1, int(step.total_seconds()))
        return self._run(expression, seconds)

    def _run(self, expression: str, seconds: Sequence[int]) -> list[Series]:
        return [Series(labels, values) for labels, values in self._endpoint.run(expression, seconds)]


def otel_ports(
    lives: Mapping[str, NodeLife],
    series_of: Callable[[NodeLife], Iterable[Stored]] | None = None,
    promql: Callable[[PromqlEndpoint], Any] = InProcess,
) -> tuple[OtelTotals, OtelDevices]:
    """The totals and the devices of nodes by instance id; `series_of` a life are its own unless given."""
    endpoint = PromqlEndpoint()
    for life in lives.values():
        endpoint.add(series_of(life) if series_of else series_of_life(life))
    client, classifier = promql(endpoint), Classifier()
    return OtelTotals(client, Lived(lives), classifier), OtelDevices(client, classifier)


def series_of_life(life: NodeLife, **more: Any) -> Iterable[Stored]:
    """All series of a life."""
    return otel_series(life.simulated, life.begin - _BEFORE, life.end, **more)
