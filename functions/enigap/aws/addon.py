"""Why a cluster publishes no node_network_total_bytes, from the EKS add-on that installs the agent.

By default, versions 6.0 and 6.1 of the add-on enable the OTel successor of Container Insights, and later
versions disable it. All versions enable the classic Container Insights by default
(aws-observability/helm-charts, release notes and values.yaml).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from enigap.aws.errors import AwsProblem, ProblemKind, calling, region_of
from enigap.aws.iam import Statement

NAME: Final = "amazon-cloudwatch-observability"

ACTIONS: Final = (
    Statement(("eks:DescribeAddon",), (f"arn:{{partition}}:eks:{{region}}:{{account}}:addon/*/{NAME}/*",)),
)


class Eks(Protocol):
    """The part of boto3's EKS client that is used here."""

    def describe_addon(self, **request: Any) -> dict[str, Any]: ...


def why_not_collected(eks: Eks, cluster: str) -> str | None:
    """The reason and the remedy, as a clause; None if the EKS call is denied or fails."""
    region = region_of(eks)
    addon_of = f"--cluster-name {cluster}{f' --region {region}' if region else ''} --addon-name {NAME}"
    try:
        with calling("eks:DescribeAddon", eks):
            addon = eks.describe_addon(clusterName=cluster, addonName=NAME)["addon"]
    except AwsProblem as problem:
        if problem.kind is not ProblemKind.MISSING:
            return None
        return (
            f"the EKS add-on {NAME} is not installed (the agent may have been installed by other means); "
            f"`aws eks create-addon {addon_of}` installs it"
        )
    return _case(addon_of, str(addon.get("addonVersion", "")), _switches(addon.get("configurationValues")))


def _case(addon_of: str, version: str, switches: Mapping[str, bool]) -> str:
    if switches.get("containerInsights", True):
        return (
            f"the EKS add-on {NAME} {version} is installed with Container Insights on, so its agent fails; "
            "`kubectl -n amazon-cloudwatch logs -l app.kubernetes.io/name=cloudwatch-agent` shows its log"
        )
    otel = switches.get("otelContainerInsights", False)
    state = "only its OTel successor is on, which has no such metric" if otel else "it is switched off"
    values = {"containerInsights": {"enabled": True}}
    if otel:
        values["otelContainerInsights"] = {"enabled": True}
    both = " (AWS then bills both)" if otel else ""
    return (
        f"the EKS add-on {NAME} {version} is installed, but of Container Insights {state}; "
        f"`aws eks update-addon {addon_of} "
        f"--configuration-values '{json.dumps(values, separators=(',', ':'))}'` switches it on{both}"
    )


def _switches(configuration: object) -> dict[str, bool]:
    """The kinds of Container Insights in the add-on's JSON configuration, enabled or not; YAML is ignored."""
    try:
        values = json.loads(configuration) if isinstance(configuration, str) else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(values, Mapping):
        return {}
    kinds = {kind: values.get(kind) for kind in ("containerInsights", "otelContainerInsights")}
    return {
        kind: bool(value["enabled"])
        for kind, value in kinds.items()
        if isinstance(value, Mapping) and isinstance(value.get("enabled"), bool)
    }
