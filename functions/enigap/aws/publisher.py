"""Published metrics: PutMetricData, a thousand values a call and several calls at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final, Protocol

from enigap.aws.clients import DEFAULT_PARALLELISM
from enigap.aws.errors import calling
from enigap.aws.iam import Statement
from enigap.core.published import Datum

DATA_PER_CALL: Final = 1_000
BYTES_PER_CALL: Final = 900_000
"""AWS takes 1 MB, counted before compression; the SDK compresses what it sends."""

# What JSON, the unit, the timestamp and the keys of one value take; each dimension adds its keys.
_BYTES_OF_DATUM: Final = 120
_BYTES_OF_DIMENSION: Final = 30


def actions(namespace: str) -> tuple[Statement, ...]:
    """What publishing to this namespace needs."""
    # AWS sends the key with every PutMetricData, so this is as strict there as StringEquals. An emulator that
    # enforces policies without knowing the key lets publishing through all the same.
    only_there = {"StringEqualsIfExists": {"cloudwatch:namespace": namespace}}
    return (Statement(("cloudwatch:PutMetricData",), condition=only_there),)


class CloudWatch(Protocol):
    """What is needed of the CloudWatch client."""

    def put_metric_data(self, **request: Any) -> dict[str, Any]: ...


class MetricPublisher:
    """Publishes to one namespace. Memory is that of a few calls, however much there is to publish."""

    def __init__(
        self, cloudwatch: CloudWatch, namespace: str, *, parallelism: int = DEFAULT_PARALLELISM
    ) -> None:
        self._cloudwatch, self._namespace, self._parallelism = cloudwatch, namespace, parallelism

    def publish(self, data: Iterable[Datum]) -> None:
        """Publish all of it. Raises AwsProblem; what was published until then is published again by whoever
        tries again, which changes nothing about it.
        """
        batches = _batches(data)
        with ThreadPoolExecutor(self._parallelism) as pool:
            while some := list(islice(batches, self._parallelism)):
                list(pool.map(self._put, some))

    def _put(self, batch: list[dict[str, Any]]) -> None:
        with calling("cloudwatch:PutMetricData", self._cloudwatch):
            self._cloudwatch.put_metric_data(Namespace=self._namespace, MetricData=batch)


def _batches(data: Iterable[Datum]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    room = BYTES_PER_CALL
    for datum in data:
        size = _size(datum)
        if batch and (len(batch) == DATA_PER_CALL or size > room):
            yield batch
            batch, room = [], BYTES_PER_CALL
        batch.append(_metric_datum(datum))
        room -= size
    if batch:
        yield batch


def _size(datum: Datum) -> int:
    """No less than its bytes as JSON, where a character outside ASCII takes twelve."""
    texts = (datum.name, *(text for pair in datum.dimensions for text in pair))
    characters = sum(len(text) if text.isascii() else 12 * len(text) for text in texts)
    return _BYTES_OF_DATUM + _BYTES_OF_DIMENSION * len(datum.dimensions) + characters


def _metric_datum(datum: Datum) -> dict[str, Any]:
    return {
        "MetricName": datum.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in datum.dimensions],
        "Timestamp": datum.timestamp,
        "Value": float(datum.value),
        "Unit": datum.unit.value,
    }
