"""OpenTelemetry counters of played nodes, by an endpoint in front of the embedded AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import urllib3

from demo.embedded_aws import EmbeddedAws
from demo.recorded import RecordedNode
from tests.cli.accounts import RECORDED, SPAN, Account
from tests.fakes.promql import SECRET, PromqlEndpoint, Stored, serve

ONLY = "uncollected", "b-pod-to-remote.internal"
"""A node without the classic metric. Its counters are those of one whose interface was moved into a pod."""
BOTH = "moved", "g1-moved-device.internal"
"""A node of that kind which publishes both."""
AGE = timedelta(minutes=40)


class InFront(PromqlEndpoint):
    """Answers PromQL itself, and has the embedded AWS answer what else is asked."""

    def __init__(self, aws: EmbeddedAws) -> None:
        super().__init__()
        self._aws, self._http = aws, urllib3.PoolManager(maxsize=24)

    def handle(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if url.startswith("/api/v1/"):
            return super().handle(method, url, headers, body)
        answer = self._http.request(method, f"{self._aws.endpoint_url}{url}", body=body, headers=headers)
        kept = {"Content-Type": answer.headers["Content-Type"]}
        return answer.status, kept, answer.data


def counters(node: RecordedNode, cluster: str, instance_id: str) -> Iterator[Stored]:
    """The series of a node that has a recording's rates all the time."""
    first, last = int((SPAN.start - AGE).timestamp()), int((SPAN.end + AGE).timestamp())
    seconds = [float(at) for at in range(first + 7, last, 30)]
    for device, rate in node.devices.items():
        rates = {
            "receive_bytes": rate.rx.bytes_per_second,
            "transmit_bytes": rate.tx.bytes_per_second,
            "receive_packets": rate.rx_packets_per_second,
            "transmit_packets": rate.tx_packets_per_second,
        }
        for workload in ("cloudwatch-agent", "kube-proxy"):
            labels = {
                "@resource.k8s.cluster.name": cluster,
                "@resource.host.id": instance_id,
                "@resource.k8s.workload.name": workload,
                "interface": device,
            }
            for what, per_second in rates.items():
                named = labels | {"__name__": f"container_network_{what}_total"}
                yield Stored(named, seconds, [float(round(per_second * (at - first))) for at in seconds])


@contextmanager
def counted(aws: EmbeddedAws, account: Account) -> Iterator[dict[str, str]]:
    """While both nodes have counters: what the environment needs beside the embedded AWS's."""
    endpoint = InFront(aws)
    for cluster, node in (ONLY, BOTH):
        endpoint.add(counters(RECORDED["g1"], cluster, account.ids[cluster, node]))
    with serve(endpoint) as url:
        yield {"AWS_ENDPOINT_URL_CLOUDWATCH": url, "AWS_SECRET_ACCESS_KEY": SECRET}
