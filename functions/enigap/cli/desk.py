"""Where a command gets its answers: an account of AWS, or a bundle that `enigap record` wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from enigap.aws import promql
from enigap.aws.bundle.archive import MOST_BYTES, Bundle, BundleError, unpacked
from enigap.aws.bundle.replayed import ReplayedAws
from enigap.aws.clients import Aws
from enigap.aws.placement import Discovery
from enigap.cli.arguments import UsageError, options, settings_from
from enigap.core.counting.devices import PHYSICAL_PATTERN, DeviceKind
from enigap.core.counting.reading import OsSourceChoice
from enigap.core.instants import timestamp
from enigap.settings import Settings, SettingsError

Replay = Annotated[
    Path | None,
    typer.Option(
        "--replay", metavar="FILE", help="Judge what a bundle of `enigap record` holds, without an account."
    ),
]

JUDGED_BY: Final = (
    "settle_minutes",
    "confirm_windows",
    "resolve_windows",
    "tolerance",
    "floor_bytes_per_second",
    "max_counts_per_byte",
    "os_source",
    "evidence",
    "look_back_hours",
    "evidence_max_nodes",
)
"""The settings that a bundle carries: numbers, and words of the product's."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Clients, settings and the time to judge by."""

    aws: Aws
    settings: Settings
    now: datetime
    instance_id: str | None = None
    """The one node that a bundle is about."""

    def only(self, found: Discovery) -> Discovery:
        """What was found, without other nodes than a bundle's."""
        return found if self.instance_id is None else of_node(found, self.instance_id)


def of_node(found: Discovery, instance_id: str) -> Discovery:
    """What was found, as if this node were all there is."""
    clusters = tuple(
        replace(
            cluster,
            nodes=tuple(node for node in cluster.nodes if node.instance_id == instance_id),
            departed=0,
        )
        for cluster in found.clusters
        if any(node.instance_id == instance_id for node in cluster.nodes)
    )
    return replace(found, clusters=clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The options that say where a command gets its answers, and by whose settings it judges."""

    region: str | None
    profile: str | None
    settings_file: Path | None
    stack: str | None
    bundle: Path | None = None

    def desk(self) -> Desk:
        """The account's, or the bundle's. Raises UsageError, SettingsError and AwsProblem."""
        if self.bundle is None:
            aws = Aws(profile=self.profile, region=self.region)
            return Desk(aws, settings_from(self.settings_file, aws, self.stack), datetime.now(UTC))
        if self.profile or self.region or self.settings_file or self.stack:
            raise UsageError("A bundle has a region and settings of its own: leave out what names others.")
        return _replayed(self.bundle)

    def again(self, judged_at: datetime | None = None) -> tuple[str, ...]:
        """The same options, for a suggested next command that judges the window settled at this time."""
        return options(
            replay=self.bundle,
            region=self.region,
            profile=self.profile,
            settings=self.settings_file,
            stack=self.stack,
            at=judged_at and timestamp(judged_at),
        )


def _replayed(path: Path) -> Desk:
    try:
        with path.open("rb") as file:
            bundle = unpacked(file.read(MOST_BYTES + 1))
        settings = settings_of(bundle)
    except OSError as error:
        raise UsageError(f"--replay {path} cannot be read ({error.strerror}): name a bundle.") from None
    except (BundleError, SettingsError) as error:
        raise UsageError(f"--replay {path}: {' '.join(str(error).split())}") from None
    return Desk(ReplayedAws(bundle), settings, bundle.now, bundle.instance_id)


def carried(settings: Settings) -> Mapping[str, Any]:
    """The part of settings that a bundle carries."""
    return {name: value for name, value in settings.to_mapping().items() if name in JUDGED_BY}


def settings_of(bundle: Bundle) -> Settings:
    """The settings that were in force. Raises SettingsError."""
    given = {name: value for name, value in bundle.settings.items() if name in JUDGED_BY}
    if not any(call.operation == promql.OPERATION for call in bundle.calls):
        given["os_source"] = OsSourceChoice.CLASSIC  # Counters were not asked for.
    by_kind: dict[DeviceKind, list[str]] = {}
    for device, kind in bundle.devices.items():
        by_kind.setdefault(kind, []).append(device)
    physical = by_kind.pop(DeviceKind.PHYSICAL, [])
    if physical:
        given["physical_devices"] = f"{PHYSICAL_PATTERN}|^({_any_of(physical)})$"
    others = {
        name: _patterns(by_kind[kind])
        for name, kind in (
            ("pod", DeviceKind.POD),
            ("counted_again", DeviceKind.COUNTED_AGAIN),
            ("gateway", DeviceKind.GATEWAY),
        )
        if kind in by_kind
    }
    if others:
        given["virtual_devices"] = others
    return Settings.from_mapping(
        given | ({"clusters": [bundle.cluster]} if bundle.is_searched_by_name else {})
    )


_NAMES_PER_PATTERN: Final = 15
"""A pattern takes 500 characters, and a list of patterns has a bound, too."""


def _patterns(devices: Sequence[str]) -> list[str]:
    starts = range(0, len(devices), _NAMES_PER_PATTERN)
    return [_any_of(devices[start : start + _NAMES_PER_PATTERN]) for start in starts]


def _any_of(devices: Iterable[str]) -> str:
    return "|".join(map(re.escape, devices))
