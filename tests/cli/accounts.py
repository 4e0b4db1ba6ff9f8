"""Accounts to look at: clusters of recorded nodes, each played into an AWS to show one thing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import boto3

from demo.clients import Clients
from demo.embedded_aws import EmbeddedAws
from demo.play import PlayedNode, Role, Scene, launch, play
from demo.recorded import DeviceRate, RecordedNode, recorded_nodes
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import PERIOD, FetchSpan, Window
from enigap.core.instants import timestamp

SETTLE: Final = timedelta(minutes=10)
# Played a little into the future, so that a run that takes a while still finds its newest window whole.
WINDOW: Final = Window.newest_settled(datetime.now(UTC), SETTLE)
SPAN: Final = FetchSpan.of(WINDOW.next(), 4)
AT: Final = timestamp(WINDOW.end + SETTLE)

RECORDED: Final = {node.key: node for node in recorded_nodes()}

EVIL: Final = "evil.internal"
"""A node whose devices have names that would be taken for markup."""
EVIL_DEVICE: Final = "[b]<i>&{x}"


def role(key: str, name: str | None = None, **changes: Any) -> Role:
    """A recorded node all through the span; `changes` make it another one."""
    node: RecordedNode = replace(RECORDED[key], **changes)
    return Role(name or f"{node.name}.internal", (Scene(node, SPAN.start - PERIOD, SPAN.end),))


def devices_of(key: str, *, renamed: Mapping[str, str]) -> dict[str, DeviceRate]:
    """A recorded node's devices, some under other names."""
    return {renamed.get(device, device): rate for device, rate in RECORDED[key].devices.items()}


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of the account. Of `os_silent` nodes Container Insights publishes nothing, of `half` ones
    EC2 publishes a period and no more.
    """

    roles: Sequence[Role]
    os_silent: Sequence[str] = ()
    half: Sequence[str] = ()
    series_name: str | None = None
    """What Container Insights calls the cluster, where EKS calls it something else."""


CLUSTERS: Final[Mapping[str, Cluster]] = {
    "calm": Cluster([role("article"), role("b"), role("c"), role("f1"), role("e", "twin.internal")]),
    "moved": Cluster([role("g1"), role("c", "twin.internal")]),
    "silent": Cluster([role("c", "speaks.internal"), role("b", "silent.internal")], ["silent.internal"]),
    "wrapped": Cluster([role("c"), role("b", "wrapped.internal", os=ByteRate(3e17))]),
    "uncollected": Cluster(
        [role("c"), role("b")], os_silent=["c-host-to-remote.internal", "b-pod-to-remote.internal"]
    ),
    "half": Cluster([role("c")], half=["c-host-to-remote.internal"]),
    "evil": Cluster(
        [
            role("a", EVIL, devices=devices_of("a", renamed={"eth0": EVIL_DEVICE})),
            role("c", "evil2.internal"),
        ]
    ),
    "[red]odd": Cluster([role("g1", "odd.internal")], series_name="{{name}}\x1b[31m"),
}


class _LogsOfTheOthers:
    """CloudWatch Logs that some agents do not write to, for they are down."""

    def __init__(self, real: Any, silent: Sequence[str]) -> None:
        self._real, self._silent = real, silent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def put_log_events(self, **request: Any) -> None:
        if request["logStreamName"] not in self._silent:
            self._real.put_log_events(**request)


class Account:
    """What was played: instance ids by cluster and node name."""

    def __init__(self, client: Clients, clusters: Mapping[str, Cluster]) -> None:
        self._client = client
        self.ids: dict[tuple[str, str], str] = {}
        for name, cluster in clusters.items():
            nodes = launch(client, name, cluster.roles)
            self.ids |= {(name, node.role.name): node.instance_id for node in nodes}
            play(self._quietened(cluster, nodes), cluster.series_name or name, nodes, lambda _: None)

    def _quietened(self, cluster: Cluster, nodes: Iterable[PlayedNode]) -> Clients:
        """The same clients, through which some of the nodes' data do not get."""
        silent = {node.instance_id for node in nodes if node.role.name in cluster.os_silent}
        half = {node.instance_id for node in nodes if node.role.name in cluster.half}

        def passes(datum: Mapping[str, Any]) -> bool:
            instance = next(d["Value"] for d in datum["Dimensions"] if d["Name"] == "InstanceId")
            if datum["MetricName"] == "node_network_total_bytes":
                return instance not in silent
            return instance not in half or datum["Timestamp"] == WINDOW.start

        class CloudWatch:
            def __init__(self, real: Any) -> None:
                self._real = real

            def put_metric_data(self, **request: Any) -> None:
                data = list(filter(passes, request["MetricData"]))
                if data:
                    self._real.put_metric_data(**request | {"MetricData": data})

        class Logs:
            """CloudWatch Logs would refuse such a log group, and so whoever reads does not even ask."""

            def __getattr__(self, _: str) -> Callable[..., None]:
                return lambda **_: None

        def client(service: str) -> Any:
            if service == "logs" and cluster.series_name:
                return Logs()
            real = self._client(service)
            if service == "logs":
                return _LogsOfTheOthers(real, cluster.os_silent)
            return CloudWatch(real) if service == "cloudwatch" else real

        return client


def clients_of(aws: EmbeddedAws, region: str | None = None, **instead: Any) -> Clients:
    """Root's clients, each made once; `instead` has some from elsewhere."""
    made: dict[str, Any] = dict(instead)
    arguments = aws.client_arguments() | ({"region_name": region} if region else {})

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(service, **arguments)
        return made[service]

    return client


def user_with(aws: EmbeddedAws, name: str, policy: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a new IAM user who may do what the policy says, and nothing else."""
    iam = boto3.client("iam", **aws.client_arguments())
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
