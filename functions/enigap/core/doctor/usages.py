"""Which alarms and dashboards use metrics of the classic Container Insights: what was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from enigap.core.counting.meters import OS_METRIC
from enigap.core.text import count

EVERY_METRIC: Final = "*"
"""For a search that names the namespace and no metric of it."""


class UseKind(StrEnum):
    """What uses a metric."""

    ALARM = "alarm"
    COMPOSITE = "composite alarm"
    DASHBOARD = "dashboard"


@dataclass(frozen=True, slots=True)
class Use:
    """An alarm or a dashboard that has no data once the classic Container Insights is off."""

    kind: UseKind
    name: str
    metrics: frozenset[str]

    @property
    def is_of_total(self) -> bool:
        """Whether it uses the metric that enigap reads."""
        return OS_METRIC in self.metrics

    def order(self) -> tuple[bool, str, str]:
        """What uses the metric that enigap reads comes first."""
        return not self.is_of_total, self.kind, self.name


@dataclass(frozen=True, slots=True)
class Usages:
    """What was found in the account."""

    uses: tuple[Use, ...] = ()
    alarms: int = 0
    """How many alarms were read."""
    dashboards: int = 0
    not_seen: tuple[str, ...] = ()
    """What could not be read and why, as clauses."""

    def counted(self) -> str:
        """`2 alarms, 1 dashboard`."""
        kinds = [each.kind for each in self.uses]
        return ", ".join(count(kinds.count(kind), kind.value) for kind in UseKind if kind in kinds)
