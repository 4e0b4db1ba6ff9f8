"""The settings: parses and validates the object `enigap` in cdk.json's context.

Validation happens only in `from_mapping`: its result is valid, and other code does not check again. An
invalid setting fails the synth with a sentence that names it. The deployed functions read the settings from
one environment variable.
"""

import json
import re
import reprlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Final, Generic, Self, TypeVar, get_type_hints

from enigap.core.console import CONSOLES, REGION_FORM, is_region, partition_of
from enigap.core.counting.devices import (
    COUNTED_AGAIN_PATTERNS,
    GATEWAY_PATTERNS,
    POD_PATTERNS,
    Classifier,
)
from enigap.core.counting.patterns import TooManyWaysError, require_quick
from enigap.core.counting.reading import OsSourceChoice
from enigap.core.counting.rules import EvidencePolicy, Rules
from enigap.core.counting.units import ByteRate
from enigap.core.incidents.incident import Policy
from enigap.core.published import Publish
from enigap.core.strict import unique
from enigap.core.text import matches

VARIABLE: Final = "ENIGAP_SETTINGS"
"""The environment variable that carries the settings, as JSON, into the deployed functions."""

MAX_VARIABLE_BYTES: Final = 3_000
"""Lambda's limit for all variables is 4 KB; the rest is for the names of queue, table and topic."""


OF_THE_DEPLOYMENT: Final = frozenset(
    {"stack_name", "permissions_boundary", "tags", "log_retention_days", "architecture", "vpc", "kms_key_arn"}
)
"""Settings that only the deployment needs: they stay out of the functions' environment."""

ARCHITECTURES: Final = ("arm64", "x86_64")
"""Values of `architecture`, as Lambda calls them."""

RETENTIONS: Final = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""Values of `log_retention_days` that CloudWatch Logs takes, in days."""

SCHEDULES: Final = (15, 30, 60)
"""Values of `schedule_minutes`, in minutes."""


class SettingsError(ValueError):
    """Invalid settings. `str()` has a line for each: one sentence with its name and the values it takes."""


@dataclass(frozen=True, slots=True)
class SlackWebhook:
    """A channel's incoming webhook, whose address is in Secrets Manager under this name or ARN."""

    webhook_secret: str


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """A channel that Amazon Q Developer in chat applications posts to."""

    workspace_id: str
    channel_id: str


@dataclass(frozen=True, slots=True)
class Vpc:
    """The subnets and security groups of one region that the functions run in."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VirtualDevices:
    """Patterns of device names, on top of the classes that `enigap.core.counting.devices` knows."""

    pod: tuple[str, ...] = ()
    counted_again: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()


# --------------------------------------------------------------------------------- kinds of values

T = TypeVar("T")


_OBJECT: Final = "a JSON object of settings"


class _RefusedError(Exception):
    """The value is not valid for this kind. Its argument is the part of a list or object that is not."""


@dataclass(frozen=True)
class _Kind(Generic[T]):
    """A kind of value: its description, and the function that parses it from JSON."""

    takes: str
    read: Callable[[object], T]


def _alternatives(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"


def _shown(value: object) -> str:
    """An untrusted value on one short line, with control characters escaped."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxstring, brief.maxother = 3, 80, 80
    return brief.repr(value)


def _number(least: float, most: float) -> _Kind[float]:
    def read(value: object) -> float:
        # bool is a subclass of int; and NaN fails the comparison.
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise _RefusedError
        return float(value)

    return _Kind(f"a number from {least:g} to {most:,.15g}", read)


def _whole_number(least: int, most: int) -> _Kind[int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _RefusedError
        return value

    return _Kind(f"a whole number from {least:,} to {most:,}", read)


def _one_of(choices: Iterable[T]) -> _Kind[T]:
    table = {choice: choice for choice in choices}

    def read(value: object) -> T:
        if isinstance(value, bool) or not isinstance(value, int | str) or value not in table:
            raise _RefusedError
        return table[value]

    return _Kind(_alternatives(json.dumps(choice) for choice in table), read)


def _flag() -> _Kind[bool]:
    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise _RefusedError
        return value

    return _Kind("true or false", read)


def _text(pattern: str, takes: str) -> _Kind[str]:
    form = re.compile(pattern, re.ASCII)

    def read(value: object) -> str:
        if not isinstance(value, str) or not form.fullmatch(value):
            raise _RefusedError
        return value

    return _Kind(takes, read)


def _line(least: int, most: int, takes: str) -> _Kind[str]:
    """A text in any script, such as the names and values of tags, which are people's own words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
            raise _RefusedError
        return value

    return _Kind(takes, read)


def _optional(kind: _Kind[T]) -> _Kind[T | None]:
    return _Kind(f"{kind.takes}, or null", lambda value: None if value is None else kind.read(value))


def _part(kind: _Kind[T], value: object) -> T:
    """The value of a part. Raises _RefusedError, which has the innermost part that is not allowed."""
    try:
        return kind.read(value)
    except _RefusedError as refused:
        raise _RefusedError(*(refused.args or (value,))) from None


def _list_of(item: _Kind[T], most: int, *, least: int = 0) -> _Kind[tuple[T, ...]]:
    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list | tuple) or not least <= len(value) <= most:
            raise _RefusedError
        items = tuple(_part(item, each) for each in value)
        if len(set(items)) < len(items):
            raise _RefusedError
        return items

    length = f"{least} to {most}" if least else f"up to {most}"
    return _Kind(f"a list of {length} different ones, each {item.takes}", read)


def _object_of(name: _Kind[str], item: _Kind[T], most: int) -> _Kind[Mapping[str, T]]:
    def read(value: object) -> Mapping[str, T]:
        if not isinstance(value, Mapping) or len(value) > most:
            raise _RefusedError
        return {_part(name, key): _part(item, each) for key, each in value.items()}

    return _Kind(f"an object of up to {most} entries: {name.takes} to {item.takes}", read)


def _shape(make: Callable[..., T], *, whole: bool, **members: _Kind[Any]) -> _Kind[T]:
    """An object with these members, all required if `whole`. They are the keyword arguments of `make`."""

    def read(value: object) -> T:
        if not isinstance(value, Mapping) or not value.keys() <= members.keys():
            raise _RefusedError
        if whole and value.keys() != members.keys():
            raise _RefusedError
        return make(**{name: _part(members[name], each) for name, each in value.items()})

    shape = ", ".join(f'"{name}": {kind.takes}' for name, kind in members.items())
    return _Kind(f"{{{shape}}}" if whole else f"any part of {{{shape}}}", read)


def _either(*kinds: _Kind[Any]) -> _Kind[Any]:
    def read(value: object) -> object:
        for kind in kinds:
            try:
                return kind.read(value)
            except _RefusedError:
                continue
        raise _RefusedError

    return _Kind(" or ".join(kind.takes for kind in kinds), read)


def _regional(item: _Kind[T]) -> _Kind[T | Mapping[str, T] | None]:
    """A value that exists in one region only: that of the only region, or one for each by its name."""
    by_region = _object_of(_REGION, item, 40)

    def read(value: object) -> T | Mapping[str, T] | None:
        is_by_region = isinstance(value, Mapping) and any(map(is_region, map(str, value)))
        return None if value is None else by_region.read(value) if is_by_region else item.read(value)

    return _Kind(f"{item.takes}; or an object from each region to its own; or null", read)


def _device_pattern() -> _Kind[str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= 500:
            raise _RefusedError
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a pattern that Python warns about is a mistake
                named_groups = re.compile(value).groupindex
                re.compile(f"(?:{value})")  # how the classifier joins patterns into one
                require_quick(value)
        except (re.error, OverflowError, RecursionError, TooManyWaysError, Warning):
            raise _RefusedError from None
        # In the joined pattern, groups have other numbers, and names may occur twice.
        if named_groups or re.search(r"\\[1-9]|\(\?\(", value):
            raise _RefusedError
        return value

    return _Kind(
        "a regular expression for whole device names, without named groups or references, that is quick on "
        "every name (so (a+)+ is none)",
        read,
    )


def _physical_pattern() -> _Kind[str]:
    def read(value: object) -> str:
        pattern = _device_pattern().read(value)
        begins_like_one = any(re.match(pattern, device) for device in _ENI_DEVICES)
        is_one = any(re.fullmatch(pattern, device) for device in _ENI_DEVICES)
        if re.fullmatch(pattern, _POD_DEVICE) or (begins_like_one and not is_one):
            raise _RefusedError
        return pattern

    return _Kind(
        "a regular expression for whole device names (so `^eth` is none), which must not match "
        f"{_POD_DEVICE}, and that is quick on every name",
        read,
    )


_ENI_DEVICES: Final = ("eth0", "ens5", "enp0s6", "enX0", "eno1", "em1")
"""Names of ENIs on Linux. `physical_devices` must match one of them completely: a prefix such as `^en` would
leave no device physical."""
_POD_DEVICE: Final = "eni1a2b3c4d5e6"
"""The node's end of a pod's device (VPC CNI), which `physical_devices` must not match, as `en.*` would."""


# -------------------------------------------------------------------------------------------- the settings


_NAME: Final = _text(r"[\w.*?-]{1,100}", "a cluster's name, or a pattern with * and ?")
_REGION: Final = _text(REGION_FORM, 'a region such as "eu-west-1"')
_TAG_NAME: Final = _line(1, 128, "a tag's name")
_TAG_VALUE: Final = _line(1, 256, "its value, where * and ? match anything")
_ADDRESS: Final = _text(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@([\w-]{1,63}\.)+[A-Za-z]{2,63}", "an email address")
_SECRET: Final = _text(
    r"[\w/+=.@-]{1,512}|arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]{1,512}-[A-Za-z0-9]{6}",
    "a secret's name or whole ARN",
)
_WORKSPACE: Final = _text(r"[0-9A-Z]{1,255}", "a workspace id such as T0123ABCD")
_CHANNEL: Final = _text(r"[0-9A-Za-z]{1,255}", "a channel id such as C0123ABCD")
_SLACK: Final = _either(
    _shape(SlackWebhook, whole=True, webhook_secret=_SECRET),
    _shape(SlackChannel, whole=True, workspace_id=_WORKSPACE, channel_id=_CHANNEL),
)
_DEVICES: Final = _list_of(_device_pattern(), 50)
_NAMESPACE: Final = _text(
    r"(?!AWS/|ContainerInsights$)[A-Za-z0-9][\w./#-]{0,254}", "a metric namespace that is not AWS's own"
)
_BOUNDARY: Final = _text(
    r"(?!/)[\w+=,.@/-]{1,512}|arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,512}",
    "the name or ARN of a managed policy",
)
_VPC: Final = _shape(
    Vpc,
    whole=True,
    subnets=_list_of(_text(r"subnet-[0-9a-f]{8,17}", "a subnet's id"), 16, least=1),
    security_groups=_list_of(_text(r"sg-[0-9a-f]{8,17}", "a security group's id"), 5, least=1),
)
_KEY: Final = _text(
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]{1,64}", "the ARN of a KMS key, which is no alias"
)
_OWN_TAG: Final = _text(
    r"(?!(?ai:aws:))(?u:[\w .:/=+@-]){1,128}",
    "a tag's name of letters, digits, spaces and .:/=+@_-, not aws:...",
)
_OWN_TAG_VALUE: Final = _text(r"(?u:[\w .:/=+@-]){1,256}", "its value of the same characters")
_STACK: Final = _text(
    r"[A-Za-z][A-Za-z0-9-]{0,99}", "up to 100 letters, digits and hyphens, of which a letter is the first"
)
_LINK: Final = _text(r"https://[!#-;=?-{}~]{1,500}", "an https link")


# The rules and the policy own the defaults of the settings that they are made of.
_RULES: Final = Rules()
_POLICY: Final = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Each annotation has the type, the kind of value, and the documented meaning."""

    clusters: Annotated[tuple[str, ...], _list_of(_NAME, 50), "Clusters to watch; all when empty."] = ()
    regions: Annotated[
        tuple[str, ...],
        _list_of(_REGION, 40),
        "Regions to deploy to, a stack in each; when empty, the one `cdk deploy` runs against.",
    ] = ()
    stack_name: Annotated[
        str, _STACK, "The stack's name in every region; another one needs a `metric_namespace` of its own."
    ] = "enigap"
    permissions_boundary: Annotated[
        str | None,
        _optional(_BOUNDARY),
        "The permissions boundary of every role. Untried on AWS.",
    ] = None
    tags: Annotated[
        Mapping[str, str],
        _object_of(_OWN_TAG, _OWN_TAG_VALUE, 40),
        "Tags of everything that is deployed and can have tags. Untried on AWS.",
    ] = field(default_factory=dict)
    log_retention_days: Annotated[
        int, _one_of(RETENTIONS), "How long the functions' logs are kept. Untried on AWS."
    ] = 90
    architecture: Annotated[
        str, _one_of(ARCHITECTURES), "The processor that the functions run on. x86_64 is untried on AWS."
    ] = "arm64"
    vpc: Annotated[
        Vpc | Mapping[str, Vpc] | None,
        _regional(_VPC),
        "The VPC that the functions run in, which must let them reach AWS and Slack. Untried on AWS.",
    ] = None
    kms_key_arn: Annotated[
        str | Mapping[str, str] | None,
        _regional(_KEY),
        "The key of logs, queues, table and the topic of findings; its policy must allow what "
        "`enigap policy --key` prints. Untried on AWS.",
    ] = None
    node_tags: Annotated[
        Mapping[str, str],
        _object_of(_TAG_NAME, _TAG_VALUE, 20),
        "EC2 tags that a node must carry to be watched.",
    ] = field(default_factory=dict)
    email: Annotated[
        tuple[str, ...], _list_of(_ADDRESS, 20), "Addresses that get an email; AWS asks each to confirm."
    ] = ()
    slack: Annotated[
        SlackWebhook | SlackChannel | None,
        _optional(_SLACK),
        "The Slack channel, by incoming webhook or through Amazon Q Developer in chat applications.",
    ] = None
    schedule_minutes: Annotated[int, _one_of(SCHEDULES), "How often clusters are judged."] = 15
    settle_minutes: Annotated[
        int, _whole_number(5, 60), "How long after its end a window is judged; EC2's datapoints arrive late."
    ] = _RULES.settle // timedelta(minutes=1)
    confirm_windows: Annotated[
        int, _whole_number(1, 8), "Windows of 15 minutes a node is unexplained before its incident opens."
    ] = _POLICY.confirm_windows
    resolve_windows: Annotated[
        int, _whole_number(1, 8), "Windows of 15 minutes a node is explained before its incident is resolved."
    ] = _POLICY.resolve_windows
    remind_hours: Annotated[int, _whole_number(1, 720), "Time between reminders of an open incident."] = (
        _POLICY.remind_after // timedelta(hours=1)
    )
    tolerance: Annotated[
        float, _number(0.01, 0.5), "How far apart two equal rates may be measured, as a fraction."
    ] = _RULES.tolerance
    floor_bytes_per_second: Annotated[
        float, _number(0, 1e9), "Below this rate a node is idle and nothing is unexplained."
    ] = _RULES.floor.bytes_per_second
    max_counts_per_byte: Annotated[
        int,
        _whole_number(1, 3),
        "Devices a byte that leaves the node crosses: 2 with the VPC CNI, 3 with overlays, 1 with macvlan.",
    ] = _RULES.max_counts_per_byte
    physical_devices: Annotated[str, _physical_pattern(), "Devices that are ENIs."] = (
        _RULES.classifier.physical
    )
    virtual_devices: Annotated[
        VirtualDevices,
        _shape(VirtualDevices, whole=False, pod=_DEVICES, counted_again=_DEVICES, gateway=_DEVICES),
        "Devices of CNI plugins that enigap does not know: a pod's own, those that count off-node traffic "
        "again, and gateways, which pods' traffic with the node crosses as well.",
    ] = field(default=VirtualDevices())
    os_source: Annotated[
        OsSourceChoice,
        _one_of(OsSourceChoice),
        "Which Container Insights the OS side is read from: the classic one where it has any figure of a "
        "cluster and else the OpenTelemetry one, or one of the two alone.",
    ] = OsSourceChoice.AUTO
    evidence: Annotated[
        EvidencePolicy,
        _one_of(EvidencePolicy),
        "Whose devices are read from the logs: suspects' first and every other node's in turn, suspects' "
        "alone, every node's in every window, or none.",
    ] = EvidencePolicy.ROTATE
    look_back_hours: Annotated[
        int, _whole_number(2, 24), "How far back the devices are compared with the ENIs in a long look."
    ] = _POLICY.look_back // timedelta(hours=1)
    evidence_max_nodes: Annotated[
        int, _whole_number(1, 10_000), "Nodes of one cluster of which one run reads all devices at most."
    ] = 200
    publish: Annotated[
        Publish, _one_of(Publish), "Nodes that get metrics of their own: two custom metrics each."
    ] = Publish.ALL
    finding_alarm_actions: Annotated[
        bool, _flag(), "Whether the alarms on findings notify too; incidents do so anyway."
    ] = False
    collapse_above: Annotated[
        int, _whole_number(1, 100), "A finding on more nodes than this is one incident of the whole cluster."
    ] = _POLICY.collapse_above
    metric_namespace: Annotated[str, _NAMESPACE, "The namespace of the published metrics."] = "EniGap"
    name_pods: Annotated[
        bool, _flag(), "Whether messages name the pods that a node's traffic is mostly of."
    ] = True
    runbook_url: Annotated[str | None, _optional(_LINK), "Your runbook; every message links to it."] = None

    @classmethod
    def from_mapping(cls, value: object) -> Self:
        """Parse a JSON object; missing settings have their defaults. Raises SettingsError."""
        if not isinstance(value, Mapping):
            raise SettingsError(
                f"enigap: {_shown(value)} is not allowed; it takes a JSON object of settings."
            )
        given, problems = {}, []
        for key, each in value.items():
            if key not in _ABOUT:
                problems.append(_unknown(key))
                continue
            kind = _ABOUT[key].kind
            try:
                given[key] = kind.read(each)
            except _RefusedError as refused:
                # The value may be a webhook's URL by mistake, which is a secret.
                shown = _shown(refused.args[0]) + " in it" if refused.args else _shown(each)
                shown = "this value" if key == "slack" else shown
                problems.append(f"{key}: {shown} is not allowed; it takes {kind.takes}.")
        if problems:
            raise SettingsError("\n".join(problems))
        settings = cls(**given)
        settings._check_together()
        return settings

    def to_mapping(self) -> dict[str, Any]:
        """The settings that are not at their defaults, as a JSON object; `from_mapping` reads it back."""
        changed = {key for key in _ABOUT if getattr(self, key) != getattr(_DEFAULTS, key)}
        return {key: value for key, value in asdict(self).items() if key in changed}

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """The settings a function was deployed with. Raises SettingsError."""
        if VARIABLE not in environment:
            raise SettingsError(f"{VARIABLE} is not set; it takes {_OBJECT}.")
        return cls.from_json(environment[VARIABLE])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse a JSON text. Raises SettingsError."""
        return cls.from_mapping(object_from_json(text))

    def to_env(self, *, with_addresses: bool = True) -> dict[str, str]:
        """The environment variable that `from_env` reads, without what only the deployment needs.

        No function needs people's addresses; the commands read them from the planner's environment.
        """
        left_out = OF_THE_DEPLOYMENT if with_addresses else OF_THE_DEPLOYMENT | {"email"}
        needed = {key: value for key, value in self.to_mapping().items() if key not in left_out}
        return {VARIABLE: json.dumps(needed, separators=(",", ":"))}

    def rules(self) -> Rules:
        """The settings that judging depends on."""
        return Rules(
            tolerance=self.tolerance,
            floor=ByteRate(self.floor_bytes_per_second),
            max_counts_per_byte=self.max_counts_per_byte,
            classifier=Classifier(
                physical=self.physical_devices,
                pod=POD_PATTERNS + self.virtual_devices.pod,
                counted_again=COUNTED_AGAIN_PATTERNS + self.virtual_devices.counted_again,
                gateway=GATEWAY_PATTERNS + self.virtual_devices.gateway,
            ),
            settle=self.settle,
            confirm_windows=self.confirm_windows,
            resolve_windows=self.resolve_windows,
        )

    @property
    def schedule(self) -> timedelta:
        return timedelta(minutes=self.schedule_minutes)

    @property
    def settle(self) -> timedelta:
        return timedelta(minutes=self.settle_minutes)

    @property
    def look_back(self) -> timedelta:
        return timedelta(hours=self.look_back_hours)

    @property
    def remind_after(self) -> timedelta:
        return timedelta(hours=self.remind_hours)

    def vpc_in(self, region: str | None) -> Vpc | None:
        """The VPC of a region; None is the region of the credentials, where there are no `regions`."""
        return self.vpc[region or ""] if isinstance(self.vpc, Mapping) else self.vpc

    def kms_key_in(self, region: str | None) -> str | None:
        """The ARN of a region's key; None is the region of the credentials."""
        return self.kms_key_arn[region or ""] if isinstance(self.kms_key_arn, Mapping) else self.kms_key_arn

    def watches(self, cluster: str) -> bool:
        """Whether the cluster of this name is one of `clusters`."""
        return matches(cluster, self.clusters)

    @property
    def named_clusters(self) -> tuple[str, ...]:
        """The clusters given by full name, not by a pattern: if one is not found, that is reported."""
        return tuple(name for name in self.clusters if "*" not in name and "?" not in name)

    def _check_regions(self) -> None:
        """Validate that what exists in one region only is given for each. Raises SettingsError."""
        for name, given in (("vpc", self.vpc), ("kms_key_arn", self.kms_key_arn)):
            if isinstance(given, Mapping):
                if not self.regions:
                    raise SettingsError(f"{name}: one for each region takes `regions`, which names them.")
                if missing := [region for region in self.regions if region not in given]:
                    raise SettingsError(f"{name}: there is none for {missing[0]}: give one for each region.")
            elif given is not None and len(self.regions) > 1:
                raise SettingsError(
                    f"{name}: it exists in one region only; with several `regions` give an object from each "
                    "region to its own."
                )
        for region in self.regions:
            self.check_region(region)

    def check_region(self, region: str) -> None:
        """Validate that what is to be used in a region is there. Raises SettingsError."""
        key, boundary = self.kms_key_in(region) or "", self.permissions_boundary or ""
        secret = self.slack.webhook_secret if isinstance(self.slack, SlackWebhook) else ""
        if key and (key.split(":")[3] != region or _is_elsewhere(key, region)):
            raise SettingsError(f"kms_key_arn: {key} is not a key of {region}; give one of that region.")
        if secret.startswith("arn:") and secret.split(":")[3] != region:
            raise SettingsError(
                f"slack: webhook_secret is not a secret of {region}; give one of that region."
            )
        if isinstance(self.slack, SlackChannel) and partition_of(region) != "aws":
            raise SettingsError(f"slack: Amazon Q Developer is not in {region}; give webhook_secret.")
        if _is_elsewhere(boundary, region):
            raise SettingsError(
                f"permissions_boundary: {boundary} is of another partition than {region}; give its name."
            )

    def _check_together(self) -> None:
        """Validate combinations of settings. Raises SettingsError."""
        if len({tag.casefold() for tag in (*self.tags, "application")}) < len({*self.tags, "application"}):
            raise SettingsError(
                "tags: two names differ in upper and lower case alone, which IAM takes for one; drop one of "
                'them (the tag "application" is enigap\'s own).'
            )
        secret = self.slack.webhook_secret if isinstance(self.slack, SlackWebhook) else ""
        if secret.startswith("arn:") and len(self.regions) > 1:
            raise SettingsError(
                "slack: an ARN names a secret of one region; with several `regions` give webhook_secret the "
                "secret's name, the same in each."
            )
        if isinstance(self.slack, SlackChannel) and len(self.regions) > 1:
            raise SettingsError(
                "slack: Amazon Q Developer has one configuration for a channel in all regions; with several "
                "`regions` give webhook_secret, or deploy each region with a channel of its own."
            )
        self._check_regions()
        if self.stack_name != _DEFAULTS.stack_name and self.metric_namespace == _DEFAULTS.metric_namespace:
            raise SettingsError(
                f"metric_namespace: a stack_name other than {_DEFAULTS.stack_name} takes a namespace of its "
                "own; in one namespace, one stack's metrics would keep the other's alarms quiet."
            )
        size = len(self.to_env()[VARIABLE])
        if size > MAX_VARIABLE_BYTES:
            raise SettingsError(
                f"enigap: the settings come to {size:,} bytes, and a function's environment takes "
                f"{MAX_VARIABLE_BYTES:,}; shorten the lists, for instance with patterns."
            )


def _is_elsewhere(arn: str, region: str) -> bool:
    """Whether an ARN is of another partition than a region; False of those that are not told by names."""
    partition = arn.split(":")[1] if arn.startswith("arn:") else ""
    return partition in CONSOLES and partition != partition_of(region)


@dataclass(frozen=True, slots=True)
class _About:
    """The annotations of a setting besides its type."""

    kind: _Kind[Any]
    meaning: str


_DEFAULTS: Final = Settings()
_ABOUT: Final[Mapping[str, _About]] = {
    name: _About(*hint.__metadata__) for name, hint in get_type_hints(Settings, include_extras=True).items()
}


def object_from_json(text: str) -> object:
    """The JSON value of a text, such as the command line's. Raises SettingsError."""
    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        why = f"has {error}" if str(error).endswith(" twice") else "is not JSON"
        raise SettingsError(f"enigap: {_shown(text)} {why}; it takes a JSON object of settings.") from None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the documented table of settings; `default` and `takes` are JSON."""

    key: str
    default: str
    takes: str
    meaning: str


def rows() -> list[Row]:
    """The table of settings."""
    defaults = asdict(_DEFAULTS)
    return [
        Row(key, json.dumps(defaults[key]), each.kind.takes, each.meaning) for key, each in _ABOUT.items()
    ]


def _unknown(key: object) -> str:
    nearest = get_close_matches(str(key), _ABOUT, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"the settings are {', '.join(_ABOUT)}."
    return f"{_shown(key)} is not a setting; {hint}"
