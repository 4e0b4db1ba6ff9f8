"""Why a cluster publishes no figure of the OS, from the EKS add-on that installs the agent.

By default, versions 6.0 and 6.1 of the add-on enable the OpenTelemetry Container Insights, and later versions
disable it. All versions enable the classic Container Insights by default
(aws-observability/helm-charts, release notes and values.yaml).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final, Protocol

from enigap.aws import strict_yaml
from enigap.aws.errors import AwsProblem, ProblemKind, calling, region_of
from enigap.aws.iam import Statement
from enigap.core.counting.reading import OsSourceChoice
from enigap.core.strict import unique

NAME: Final = "amazon-cloudwatch-observability"

ACTIONS: Final = (
    Statement(("eks:DescribeAddon",), (f"arn:{{partition}}:eks:{{region}}:{{account}}:addon/*/{NAME}/*",)),
)


class Eks(Protocol):
    """The part of boto3's EKS client that is used here."""

    def describe_addon(self, **request: Any) -> dict[str, Any]: ...


def why_not_collected(eks: Eks, cluster: str, choice: OsSourceChoice = OsSourceChoice.CLASSIC) -> str | None:
    """The reason and the remedy, as a clause; None if the EKS call is denied or fails.

    `choice` says which Container Insights was looked for.
    """
    region = region_of(eks)
    addon_of = (
        f"--cluster-name {shlex.quote(cluster)}{f' --region {region}' if region else ''} --addon-name {NAME}"
    )
    try:
        with calling("eks:DescribeAddon", eks):
            addon = eks.describe_addon(clusterName=cluster, addonName=NAME)["addon"]
            version, given = str(addon.get("addonVersion", "")), addon.get("configurationValues")
    except AwsProblem as problem:
        if problem.kind is not ProblemKind.MISSING:
            return None
        return (
            f"the EKS add-on {NAME} is not installed (the agent may have been installed by other means); "
            f"`aws eks create-addon {addon_of}` installs it"
        )
    values = values_of(given)
    if values is None or not _is_known(values):
        return (
            f"the EKS add-on {NAME} {version} is installed, and enigap cannot read its configuration, so it "
            f"cannot tell what is switched off; `{_show(addon_of)}` shows it"
        )
    return _case(addon_of, version, values, choice)


_LONGEST_VALUES: Final = 500
"""Characters of a configuration that is shown; a longer one would be cut in a message."""

_AGENT_FAILS: Final = (
    "`kubectl -n amazon-cloudwatch logs -l app.kubernetes.io/name=cloudwatch-agent` shows its log"
)


def _case(  # noqa: PLR0911 - a case each
    addon_of: str, version: str, values: Mapping[str, Any], choice: OsSourceChoice
) -> str:
    addon = f"the EKS add-on {NAME} {version} is installed"
    if _at(values, "agent", "enabled") is False:
        remedy = _update(addon_of, values, {"agent": {"enabled": True}}, "switches it on")
        return f"{addon}, but its agent is switched off (agent.enabled); {remedy}"
    has_otel = _has_otel(version, values)
    if choice is OsSourceChoice.OTEL:
        return _case_of_otel(addon_of, addon, values, has_otel=has_otel)
    if _at(values, "containerInsights", "enabled") is not False:
        config, agents = _at(values, "agent", "config"), values.get("agents")
        if not config and not agents:  # an empty configuration is the default one
            return f"{addon} with Container Insights on, so its agent fails; {_AGENT_FAILS}"
        if _at(config, *ENHANCED) is True and not agents:
            return f"{addon} with Container Insights on in a configuration of your own; {_AGENT_FAILS}"
        if isinstance(config, Mapping) and not agents and _can_take(config, ENHANCED):
            change = _nested(("agent", "config", *ENHANCED), value=True)
            return (
                f"{addon} with a configuration of your own for the agent (agent.config), which collects no "
                f"Container Insights; {_update(addon_of, values, change, 'adds them')}"
            )
        return (
            f"{addon} with a configuration of your own for the agent, which enigap does not know enough of; "
            f"check that it has {'.'.join(ENHANCED)}: `{_show(addon_of)}` shows it"
        )
    change, does = {"containerInsights": {"enabled": True}}, "switches it on"
    if not has_otel:
        remedy = _update(addon_of, values, change, does)
        return f"{addon}, but of Container Insights it is switched off; {remedy}"
    why = "os_source leaves out" if choice is OsSourceChoice.CLASSIC else "publishes no counters either"
    remedy = _update(addon_of, values, change, f"{does} beside it (AWS then bills both)")
    return f"{addon}, but of Container Insights only its OTel successor is on, which {why}; {remedy}"


def _case_of_otel(addon_of: str, addon: str, values: Mapping[str, Any], *, has_otel: bool) -> str:
    """`addon` says in words which one is installed."""
    if has_otel:
        return f"{addon} with the OTel successor of Container Insights on, so its agent fails; {_AGENT_FAILS}"
    change = {"otelContainerInsights": {"enabled": True}}
    remedy = _update(addon_of, values, change, "switches it on")
    return f"{addon}, but the OTel successor of Container Insights is switched off; {remedy}"


def _has_otel(version: str, values: Mapping[str, Any]) -> bool:
    """Whether the OpenTelemetry Container Insights is on."""
    given = _at(values, "otelContainerInsights", "enabled")
    return given is True or (given is None and version.startswith(_OTEL_BY_DEFAULT))


_OTEL_BY_DEFAULT: Final = ("v6.0.", "v6.1.")


_SWITCHES: Final = tuple(
    (part, "enabled") for part in ("agent", "containerInsights", "otelContainerInsights")
)


def _is_known(values: Mapping[str, Any]) -> bool:
    """Whether each switch is true, false or left to its default, and no text, number or null."""
    return all(
        isinstance(part := values.get(name, {}), Mapping) and isinstance(part.get(switch, True), bool)
        for name, switch in _SWITCHES
    )


def _can_take(config: object, path: tuple[str, ...]) -> bool:
    """Whether a value can be set at the path without replacing anything but another switch."""
    for key in path:
        if config is not None and not isinstance(config, Mapping):
            return False
        config = config.get(key) if config else None
    return config is None or isinstance(config, bool)


ENHANCED: Final = ("logs", "metrics_collected", "kubernetes", "enhanced_container_insights")
"""Where the agent's own configuration asks for Container Insights."""


def _update(addon_of: str, values: Mapping[str, Any], change: Mapping[str, Any], does: str) -> str:
    """The command that makes a change. EKS replaces the configuration, so the command has all of it."""
    whole = json.dumps(_merged(values, change), separators=(",", ":"))
    if len(whole) > _LONGEST_VALUES:
        part = json.dumps(change, separators=(",", ":"))
        return (
            f"`{_show(addon_of)}` shows the configuration that is set; give all of it, with {part} merged "
            "into the whole configuration, which the update replaces"
        )
    return f"`aws eks update-addon {addon_of} --configuration-values {shlex.quote(whole)}` {does}"


def _show(addon_of: str) -> str:
    return f"aws eks describe-addon {addon_of} --query addon.configurationValues --output text"


def _merged(values: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the change; objects are merged member by member."""
    merged = dict(values)
    for key, each in change.items():
        before = merged.get(key)
        merged[key] = (
            _merged(before if isinstance(before, Mapping) else {}, each)
            if isinstance(each, Mapping)
            else each
        )
    return merged


def _nested(path: tuple[str, ...], *, value: object) -> dict[str, Any]:
    first, *rest = path
    return {first: _nested(tuple(rest), value=value) if rest else value}


def _at(values: object, *path: str) -> object:
    """The value at a path; None where there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _no_json(constant: str) -> None:
    raise ValueError(constant)


def values_of(configuration: object) -> Mapping[str, Any] | None:
    """The add-on's configuration, which may be JSON or YAML; None if it cannot be read."""
    if configuration is None or configuration == "":
        return {}
    if not isinstance(configuration, str):
        return None
    configuration = configuration.removeprefix("\ufeff")
    try:
        values = json.loads(configuration, object_pairs_hook=unique, parse_constant=_no_json)
    except RecursionError:
        return None
    except ValueError:
        try:
            values = strict_yaml.read(configuration)
        except (ValueError, RecursionError):
            return None
    return {} if values is None else values if isinstance(values, Mapping) else None
