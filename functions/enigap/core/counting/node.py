"""A node: one EKS worker on EC2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from enigap.core.counting.units import ByteRate

LONGEST_NAME: Final = 253
_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_LABEL_NAME: Final = re.compile(_LABEL)
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def is_kubernetes_name(name: str) -> bool:
    """Whether Kubernetes takes it as the name of a node or a pod: a DNS subdomain (RFC 1123)."""
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None


def is_namespace(name: str) -> bool:
    """Whether Kubernetes takes it as the name of a namespace: a DNS label (RFC 1123)."""
    return len(name) <= 63 and _LABEL_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Node:
    """One EKS worker on EC2."""

    cluster: str
    instance_id: str
    node_name: str | None = None
    """The NodeName dimension of its Container Insights series; None if it has none."""
    launched_at: datetime | None = None
    instance_type: str | None = None
    bandwidth: ByteRate | None = None
    """The instance type's network bandwidth in one direction, where known."""
    private_dns_name: str | None = None
    """Of the instance: what EKS calls a node unless told otherwise."""

    @property
    def name(self) -> str | None:
        """What people know the node by, whether or not it has ever published."""
        return self.node_name or self.private_dns_name

    called: str | None = None
    """What the agent calls the cluster (ClusterName in Container Insights), where EKS calls it otherwise."""

    is_windows: bool = False
    """Whether it runs Windows, by EC2's description."""

    @property
    def insights_cluster(self) -> str:
        """The cluster's name in Container Insights: to ask CloudWatch by, never to show or to store."""
        return self.called or self.cluster

    @property
    def has_series(self) -> bool:
        """Whether Container Insights has published for this node in the last two weeks."""
        return self.node_name is not None
