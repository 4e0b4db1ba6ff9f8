"""What nodes have of traffic that EC2 may count and no device does: mirror sessions and EFA.

Looked up only where there is something to explain by it, at most once a run: DescribeTrafficMirrorSessions
for the mirrored ENIs, DescribeInstances for the ENIs of these nodes, and of those that have an EFA the
metrics `node_efa_*` of Container Insights. A call that is denied or fails becomes a note and no error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Protocol

from enigap.aws.errors import AwsProblem
from enigap.aws.iam import Statement
from enigap.aws.pages import items, pages
from enigap.aws.placement import FILTER_VALUES, INSTANCES_PER_PAGE
from enigap.core.counting.bypass import Bypass, Bypasses, EfaTraffic
from enigap.core.counting.node import Node
from enigap.core.counting.window import FetchSpan
from enigap.core.strict import text

ACTIONS: Final = (Statement(("ec2:DescribeTrafficMirrorSessions",)),)
"""Optional. DescribeInstances is among discovery's permissions."""

EFA_METRICS: Final = 5
"""How many metrics `CloudWatchTotals.efa` reads, and is billed for, for each node."""

_SESSIONS_PER_PAGE: Final = 1000


class Ec2(Protocol):
    """The part of boto3's EC2 client that is used here."""

    def describe_traffic_mirror_sessions(self, **request: Any) -> dict[str, Any]: ...
    def describe_instances(self, **request: Any) -> dict[str, Any]: ...


ReadEfa = Callable[[Sequence[Node], FetchSpan], Mapping[str, EfaTraffic]]
"""What the EFA devices of nodes carried, by instance id; a node without a datapoint may be left out."""


@dataclass(frozen=True, slots=True)
class Enis:
    """The ENIs of one instance."""

    ids: tuple[str, ...]
    has_efa: bool
    without_device: int
    """How many of them the kernel has no network device for."""


def bypasses(ec2: Ec2, read_efa: ReadEfa, nodes: Sequence[Node], span: FetchSpan) -> Bypasses:
    """What each of the nodes has; what could not be looked up is in the notes. Raises no AwsProblem."""
    notes = []
    sessions: Counter[str] = Counter()
    enis: dict[str, Enis] = {}
    try:
        sessions = _sessions(ec2)
    except AwsProblem as problem:
        notes.append(f"{problem.what}, so mirrored traffic explains nothing and may show as `os_deficit`.")
    try:
        enis = enis_of(ec2, [node.instance_id for node in nodes])
    except AwsProblem as problem:
        notes.append(f"{problem.what}, so neither mirrored traffic nor EFA explains anything.")
    with_efa = [node for node in nodes if node.instance_id in enis and enis[node.instance_id].has_efa]
    efa = read_efa(with_efa, span) if with_efa else {}
    found = {
        instance_id: Bypass(sum(sessions[eni] for eni in own.ids), own.has_efa, efa.get(instance_id))
        for instance_id, own in enis.items()
    }
    return Bypasses(
        {key: bypass for key, bypass in found.items() if bypass},
        tuple(notes),
        billed_metrics=EFA_METRICS * len(with_efa),
    )


def _sessions(ec2: Ec2) -> Counter[str]:
    """How many sessions mirror each ENI. Raises AwsProblem."""

    def read(page: Mapping[str, Any]) -> list[str]:
        return [text(session["NetworkInterfaceId"]) for session in items(page, "TrafficMirrorSessions")]

    call, request = ec2.describe_traffic_mirror_sessions, {"MaxResults": _SESSIONS_PER_PAGE}
    return Counter(chain.from_iterable(pages("ec2:DescribeTrafficMirrorSessions", ec2, call, request, read)))


def enis_of(ec2: Ec2, instance_ids: Iterable[str]) -> dict[str, Enis]:
    """The ENIs of instances. Raises AwsProblem."""
    wanted = sorted(asked := set(instance_ids))
    found: dict[str, Enis] = {}

    def read(page: Mapping[str, Any]) -> dict[str, Enis]:
        return {
            instance["InstanceId"]: _enis_of(instance.get("NetworkInterfaces") or ())
            for reservation in items(page, "Reservations")
            for instance in items(reservation, "Instances")
            if instance["InstanceId"] in asked
        }

    for start in range(0, len(wanted), FILTER_VALUES):
        request = {
            "Filters": [{"Name": "instance-id", "Values": wanted[start : start + FILTER_VALUES]}],
            "MaxResults": INSTANCES_PER_PAGE,
        }
        for page in pages("ec2:DescribeInstances", ec2, ec2.describe_instances, request, read):
            found |= page
    return found


def _enis_of(descriptions: Iterable[Mapping[str, Any]]) -> Enis:
    described = list(descriptions)
    return Enis(
        tuple(text(each["NetworkInterfaceId"]) for each in described),
        any(str(each.get("InterfaceType", "")).startswith("efa") for each in described),
        sum(each.get("InterfaceType") == "efa-only" for each in described),
    )
