"""Which adapters answer which question: shared by the deployed functions and the command line."""

from __future__ import annotations

from collections.abc import Callable

from enigap.assessment import Sources
from enigap.aws.clients import Aws
from enigap.aws.device_events import Budget, ContainerInsightsDevices
from enigap.aws.metrics import CloudWatchTotals
from enigap.settings import Settings


def sources(aws: Aws, settings: Settings, out_of_time: Callable[[], bool] = lambda: False) -> Sources:
    """Both sides' totals and the devices, as Container Insights and EC2 publish them."""
    return Sources(
        totals=CloudWatchTotals(
            aws.client("cloudwatch"), parallelism=aws.parallelism, out_of_time=out_of_time
        ),
        devices=ContainerInsightsDevices(
            aws.client("logs"),
            parallelism=aws.parallelism,
            budget=Budget(nodes=settings.evidence_max_nodes),
            out_of_time=out_of_time,
        ),
    )
