"""Publishes metrics with PutMetricData: up to 1,000 datapoints a call, several calls concurrently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final, Protocol

from enigap.aws.clients import DEFAULT_PARALLELISM
from enigap.aws.errors import calling
from enigap.aws.iam import Statement
from enigap.aws.names import takes
from enigap.core.published import Datum

DATA_PER_CALL: Final = 1_000
BYTES_PER_CALL: Final = 900_000
"""Below AWS's limit of 1 MB, which applies to the request before the SDK compresses it."""

# Bytes of JSON for unit, timestamp and keys of a datapoint, and for the keys of each dimension.
_BYTES_OF_DATUM: Final = 120
_BYTES_OF_DIMENSION: Final = 30


def actions(namespace: str) -> tuple[Statement, ...]:
    """The permission to publish to this namespace."""
    # AWS sets this condition key for every PutMetricData, so it is as strict as StringEquals. An emulator
    # that enforces policies but does not know the key allows publishing, too.
    only_there = {"StringEqualsIfExists": {"cloudwatch:namespace": namespace}}
    return (Statement(("cloudwatch:PutMetricData",), condition=only_there),)


class CloudWatch(Protocol):
    """The part of boto3's CloudWatch client that is used here."""

    def put_metric_data(self, **request: Any) -> dict[str, Any]: ...


class MetricPublisher:
    """Publishes to one namespace, with only a few calls' datapoints in memory at a time."""

    def __init__(
        self, cloudwatch: CloudWatch, namespace: str, *, parallelism: int = DEFAULT_PARALLELISM
    ) -> None:
        self._cloudwatch, self._namespace, self._parallelism = cloudwatch, namespace, parallelism

    def publish(self, data: Iterable[Datum]) -> None:
        """Publish all data whose names CloudWatch takes.

        Raises AwsProblem, with some of the data published already; a retry publishes it again, which is
        idempotent.
        """
        batches = _batches(
            datum for datum in data if all(takes("CloudWatch", value) for _, value in datum.dimensions)
        )
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
    """An upper bound of its bytes in JSON, where a non-ASCII character takes up to twelve."""
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
