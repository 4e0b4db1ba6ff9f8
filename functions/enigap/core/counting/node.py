"""A node: one EKS worker on EC2."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from enigap.core.counting.units import ByteRate


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

    @property
    def has_series(self) -> bool:
        """Whether Container Insights has published for this node in the last two weeks."""
        return self.node_name is not None
