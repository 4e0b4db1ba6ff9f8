"""A fake of EC2 and STS, with the calls that discovery needs.

    python -m bench.account --nodes 500 --latency-ms 100

Serves EC2's DescribeInstances in pages, with as much XML about each instance as AWS sends for a worker with
three interfaces, DescribeInstanceTypes, DescribeTags, and STS's GetCallerIdentity; and those calls of the
deployed functions to DynamoDB, SQS and Logs that find everything empty. All other calls are refused. Prints
its port on the first line. `GET /counters` answers with the calls so far, `POST /counters` resets them.
"""

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final
from urllib.parse import parse_qs

LOOPBACK: Final = "127.0.0.1"
ACCOUNT_ID: Final = "123456789012"
CLUSTER: Final = "prod"
INSTANCE_TYPE: Final = "m5.large"
BANDWIDTH_GBPS: Final = 10.0
INSTANCES_PER_PAGE: Final = 1_000

TAGS: Final = {
    "Name": f"{CLUSTER}-workers-Node",
    "eks:cluster-name": CLUSTER,
    "eks:nodegroup-name": "workers",
    f"kubernetes.io/cluster/{CLUSTER}": "owned",
    f"k8s.io/cluster-autoscaler/{CLUSTER}": "owned",
    "k8s.io/cluster-autoscaler/enabled": "true",
    "aws:autoscaling:groupName": "eks-workers-5ac2bd7e",
    "aws:ec2launchtemplate:version": "1",
}
"""The tags of every instance, as in a managed node group."""

_ADDRESSES_PER_INTERFACE: Final = 10
_EC2: Final = 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'


def instance_id(index: int) -> str:
    """The instance id at an index, the same as in the fleet of the strict fake CloudWatch."""
    return f"i-{index:017x}"


def private_dns_name(index: int) -> str:
    return f"ip-10-{index >> 16 & 255}-{index >> 8 & 255}-{index & 255}.eu-west-1.compute.internal"


class Account(ThreadingHTTPServer):
    """An account with running workers of one cluster. Counts the calls by action."""

    request_queue_size = 128

    def __init__(self, nodes: int, *, latency_seconds: float = 0.0, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.nodes = nodes
        self.latency_seconds = latency_seconds
        self.calls: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Account

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if self.path == "/counters":
            self.server.calls.clear()
            self._send(204, "")
            return
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        action = asked.get("Action") or self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.server.calls[action] += 1
        time.sleep(self.server.latency_seconds)
        try:
            self._send(200, _OF_THE_PIPELINE.get(action) or answer(action, asked, self.server.nodes))
        except ValueError as unknown:
            self._send(400, _error(str(unknown)))

    def do_GET(self) -> None:
        self._send(200, json.dumps({"calls": self.server.calls}))

    def _send(self, status: int, text: str) -> None:
        payload = text.encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/xml")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name http.server gives it)
        """Log nothing."""


_OF_THE_PIPELINE: Final = {
    "Scan": '{"Items": []}',
    "GetItem": "{}",
    "PutItem": "{}",
    "SendMessage": '{"MessageId": "1"}',
    "FilterLogEvents": '{"events": []}',
}
"""What an empty table, the work queue and an empty log group answer."""


def answer(action: str, asked: dict[str, str], nodes: int) -> str:
    """The response to a call. Raises ValueError for an action or a parameter that is not modelled."""
    match action:
        case "DescribeInstances":
            return _instances(asked, nodes)
        case "DescribeInstanceTypes":
            return (
                f"<DescribeInstanceTypesResponse {_EC2}><instanceTypeSet><item>"
                f"<instanceType>{INSTANCE_TYPE}</instanceType><networkInfo><networkCards><item>"
                f"<networkCardIndex>0</networkCardIndex><peakBandwidthInGbps>{BANDWIDTH_GBPS}"
                "</peakBandwidthInGbps></item></networkCards></networkInfo>"
                "</item></instanceTypeSet></DescribeInstanceTypesResponse>"
            )
        case "DescribeTags":
            return _described_tags(asked, nodes)
        case "GetCallerIdentity":
            return (
                '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                f"<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT_ID}:user/bench</Arn><UserId>AIDA</UserId>"
                f"<Account>{ACCOUNT_ID}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
    raise ValueError(f"bench.account does not model {action}")


def _instances(asked: dict[str, str], nodes: int) -> str:
    """A page of the instances that match the filters: all or none, because all have the same tags."""
    first = int(asked.get("NextToken", "0"))
    if not all(_lets_all_through(name, values) for name, values in _filters(asked)):
        first = nodes
    beyond = min(nodes, first + min(INSTANCES_PER_PAGE, int(asked.get("MaxResults", INSTANCES_PER_PAGE))))
    token = f"<nextToken>{beyond}</nextToken>" if beyond < nodes else ""
    items = "".join(map(_reservation, range(first, beyond)))
    return (
        f"<DescribeInstancesResponse {_EC2}><reservationSet>{items}</reservationSet>{token}"
        "</DescribeInstancesResponse>"
    )


def _described_tags(asked: dict[str, str], nodes: int) -> str:
    """A page of the instances' tags, filtered by keys and values."""
    filters = dict(_filters(asked))
    tags = [
        (key, value) for key, value in TAGS.items() if key in filters["key"] and value in filters["value"]
    ]
    first = int(asked.get("NextToken", "0"))
    beyond = min(nodes * len(tags), first + int(asked["MaxResults"]))
    token = f"<nextToken>{beyond}</nextToken>" if beyond < nodes * len(tags) else ""
    items = "".join(
        f"<item><resourceId>{instance_id(number // len(tags))}</resourceId>"
        "<resourceType>instance</resourceType>"
        f"<key>{tags[number % len(tags)][0]}</key><value>{tags[number % len(tags)][1]}</value></item>"
        for number in range(first, beyond)
    )
    return f"<DescribeTagsResponse {_EC2}><tagSet>{items}</tagSet>{token}</DescribeTagsResponse>"


def _filters(asked: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    for key, name in asked.items():
        if key.startswith("Filter.") and key.endswith(".Name"):
            values = f"{key.removesuffix('Name')}Value."
            yield name, [value for each, value in asked.items() if each.startswith(values)]


def _lets_all_through(name: str, values: list[str]) -> bool:
    """Whether a filter matches. Raises ValueError for a filter that is not modelled."""
    match name.partition(":"):
        case "instance-state-name", _, _:
            return "running" in values
        case "instance-id", _, _:
            return False  # a filter for instances without the tag, and there are none
        case "tag-key", _, _:
            return any(fnmatchcase(key, value) for key in TAGS for value in values)
        case "tag", _, key:
            return any(fnmatchcase(TAGS.get(key, ""), value) for value in values)
    raise ValueError(f"bench.account does not model the filter {name}")


def _reservation(index: int) -> str:
    name, dns = instance_id(index), private_dns_name(index)
    return _template().replace("INSTANCE_ID", name).replace("PRIVATE_DNS_NAME", dns)


@cache
def _template() -> str:
    tag_set = "".join(f"<item><key>{k}</key><value>{v}</value></item>" for k, v in TAGS.items())
    return (
        "<item><reservationId>r-INSTANCE_ID</reservationId>"
        f"<ownerId>{ACCOUNT_ID}</ownerId><groupSet/><instancesSet><item>"
        "<instanceId>INSTANCE_ID</instanceId><imageId>ami-0abcdef1234567890</imageId>"
        "<instanceState><code>16</code><name>running</name></instanceState>"
        "<privateDnsName>PRIVATE_DNS_NAME</privateDnsName><dnsName/><reason/><amiLaunchIndex>0</amiLaunchIndex>"
        f"<productCodes/><instanceType>{INSTANCE_TYPE}</instanceType>"
        "<launchTime>2026-01-01T08:00:00.000Z</launchTime>"
        "<placement><availabilityZone>eu-west-1c</availabilityZone><groupName/><tenancy>default</tenancy>"
        "</placement><monitoring><state>disabled</state></monitoring>"
        "<subnetId>subnet-0abcdef1234567890</subnetId><vpcId>vpc-0abcdef1234567890</vpcId>"
        "<privateIpAddress>10.0.3.7</privateIpAddress><sourceDestCheck>true</sourceDestCheck>"
        "<architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType>"
        "<rootDeviceName>/dev/xvda</rootDeviceName><virtualizationType>hvm</virtualizationType>"
        f"<tagSet>{tag_set}</tagSet><hypervisor>xen</hypervisor>"
        f"<networkInterfaceSet>{''.join(map(_interface, range(3)))}</networkInterfaceSet>"
        "<ebsOptimized>false</ebsOptimized><enaSupport>true</enaSupport></item></instancesSet></item>"
    )


def _interface(index: int) -> str:
    addresses = "".join(
        f"<item><privateIpAddress>10.0.{index}.{number}</privateIpAddress>"
        f"<privateDnsName>ip-10-0-{index}-{number}.eu-west-1.compute.internal</privateDnsName>"
        f"<primary>{'true' if number == 0 else 'false'}</primary></item>"
        for number in range(_ADDRESSES_PER_INTERFACE)
    )
    return (
        f"<item><networkInterfaceId>eni-0abcdef123456789{index}</networkInterfaceId>"
        "<subnetId>subnet-0abcdef1234567890</subnetId><vpcId>vpc-0abcdef1234567890</vpcId><description/>"
        f"<ownerId>{ACCOUNT_ID}</ownerId><status>in-use</status><macAddress>06:00:00:00:00:0{index}</macAddress>"
        f"<privateIpAddress>10.0.{index}.0</privateIpAddress><sourceDestCheck>true</sourceDestCheck><groupSet/>"
        f"<attachment><attachmentId>eni-attach-0{index}</attachmentId><deviceIndex>{index}</deviceIndex>"
        "<status>attached</status><attachTime>2026-01-01T08:00:00.000Z</attachTime>"
        "<deleteOnTermination>true</deleteOnTermination></attachment>"
        f"<privateIpAddressesSet>{addresses}</privateIpAddressesSet>"
        "<interfaceType>interface</interfaceType></item>"
    )


def _error(message: str) -> str:
    return (
        "<Response><Errors><Error><Code>InvalidAction</Code>"
        f"<Message>{message}</Message></Error></Errors><RequestID>0</RequestID></Response>"
    )


@contextmanager
def serve(nodes: int, *, latency_seconds: float = 0.0, port: int = 0) -> Iterator[Account]:
    """Serve an account from a thread while the block runs."""
    with Account(nodes, latency_seconds=latency_seconds, port=port) as account:
        thread = Thread(target=account.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield account
        finally:
            account.shutdown()
            thread.join()


def main() -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser("bench.account", description="Serve the instances of a fleet.")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1, 0 for a free one")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="milliseconds before every answer")
    options = parser.parse_args()
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before the server's threads start, which inherit it
    with serve(options.nodes, latency_seconds=options.latency_ms / 1000, port=options.port) as account:
        account.daemon_threads = True
        sys.stdout.write(f"{account.server_address[1]}\n")
        sys.stdout.flush()
        signal.sigwait(stop)


if __name__ == "__main__":
    main()
