"""The strict fake CloudWatch behind an endpoint URL: from a thread, and as a process of its own."""

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.fakes.conftest import NOON
from tests.fakes.strict_cloudwatch import (
    CloudWatchServer,
    StrictCloudWatch,
    SyntheticFleet,
    datum,
    metric,
    metric_of,
    query,
    serve,
)

OWN = metric("EniGap", "m", ClusterName="prod")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(fake: StrictCloudWatch) -> Iterator[CloudWatchServer]:
    with serve(fake) as server:
        yield server


def client_at(url: str, **config: Any) -> Any:
    return boto3.client(
        "cloudwatch",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


@pytest.fixture
def client(server: CloudWatchServer) -> Iterator[Any]:
    client = client_at(server.url)
    yield client
    client.close()


def window(minutes: int = 5) -> dict[str, datetime]:
    return {"StartTime": NOON - timedelta(minutes=minutes), "EndTime": NOON}


def test_what_is_put_over_http_is_got_over_http(client: Any) -> None:
    data = [datum(OWN, Value=float(at), Timestamp=NOON - timedelta(minutes=at)) for at in range(1, 4)]
    client.put_metric_data(Namespace="EniGap", MetricData=data * 100)  # large enough to be gzipped
    answer = client.get_metric_data(MetricDataQueries=[query(OWN, "SampleCount")], **window())
    assert answer["MetricDataResults"][0]["Values"] == [100.0] * 3
    assert client.list_metrics()["Metrics"] == [metric_of(OWN)]


def test_refusals_and_faults_are_the_same_over_http(fake: StrictCloudWatch, client: Any) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        client.get_metric_data(MetricDataQueries=[query(OWN, "Mode")], **window())
    fake.faults.throttle()
    fake.faults.connection_reset()
    with pytest.raises(ClientError, match="Rate exceeded"):
        client.list_metrics()
    with pytest.raises(ConnectionClosedError):
        client.list_metrics()
    assert client.list_metrics()["Metrics"] == []


def test_one_connection_serves_many_calls(server: CloudWatchServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics"}
    for _ in range(3):
        connection.request("POST", "/", b"{}", headers)
        first_socket = connection.sock
        assert json.load(connection.getresponse()) == {"Metrics": []}
        assert connection.sock is first_socket
    connection.close()


def test_many_connections_are_served_at_once(fake: StrictCloudWatch, server: CloudWatchServer) -> None:
    fake.load(OWN, NOON - timedelta(minutes=5), [1.0] * 5)
    client = client_at(server.url, max_pool_connections=8)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: client.get_metric_data(MetricDataQueries=[query(OWN)], **window()), range(40))
        )
    client.close()
    assert [answer["MetricDataResults"][0]["Values"] for answer in answers] == [[1.0] * 5] * 40
    assert fake.counters.calls["GetMetricData"] == 40


def test_calls_wait_side_by_side_for_latency_and_slowness(fake: StrictCloudWatch) -> None:
    waited: list[float] = []
    both_wait = threading.Barrier(2, timeout=30)

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        both_wait.wait()

    fake.faults.slow(5.0, on_call=1)
    with serve(fake, latency_seconds=60.0, sleep=sleep) as server:
        client = client_at(server.url)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: client.list_metrics(), range(2)))
        client.close()
    assert sorted(waited) == [60.0, 65.0]
    assert fake.counters.max_concurrent_calls == 2


def test_counters_are_read_and_restarted_from_outside(
    fake: StrictCloudWatch, server: CloudWatchServer
) -> None:
    client = client_at(server.url)
    client.list_metrics()
    client.close()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/counters")
    assert json.load(connection.getresponse())["calls"] == {"ListMetrics": 1}
    connection.request("POST", "/counters", b"")
    assert connection.getresponse().read() == b""
    assert fake.counters.calls == {}
    connection.request("GET", "/elsewhere")
    assert connection.getresponse().status == 404
    connection.close()


def test_closing_ends_connections_that_are_still_open(fake: StrictCloudWatch) -> None:
    with serve(fake) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/counters")
        connection.getresponse().read()
    assert connection.sock is not None
    assert connection.sock.recv(1) == b""
    connection.close()


def test_a_process_serves_a_fleet_and_says_where() -> None:
    command = [
        sys.executable,
        "-m",
        "tests.fakes.strict_cloudwatch",
        "--nodes",
        "600",
        "--at",
        "2026-01-15T12:00Z",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        client = client_at(f"http://127.0.0.1:{int(process.stdout.readline())}")
        listed = [
            about
            for page in client.get_paginator("list_metrics").paginate(
                Namespace="AWS/EC2", MetricName="NetworkIn"
            )
            for about in page["Metrics"]
        ]
        network_in, _, _ = SyntheticFleet(600, until=NOON).metrics_of(599)
        asked = query(network_in, "SampleCount", period=300)
        [result] = client.get_metric_data(MetricDataQueries=[asked], **window(15))["MetricDataResults"]
        client.close()
        process.terminate()
    assert (len(listed), result["Values"], process.returncode) == (600, [5.0] * 3, 0)
