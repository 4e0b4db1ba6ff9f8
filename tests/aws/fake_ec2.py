"""An EC2 that refuses what AWS refuses: more than 200 filter values a call, or 1,000 results a page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

LAUNCHED = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)


@dataclass
class Machine:
    instance_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = "m5.large"
    launched_at: datetime = LAUNCHED
    private_dns_name: str = ""
    state: str = "running"
    enis: Mapping[str, str] = field(default_factory=dict)
    """Their types by their ids."""
    platform: str | None = None
    """EC2 leaves it out except for Windows."""


def error(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class FakeEc2:
    """`peaks` are the network cards of each instance type, in Gbit/s; None where AWS does not say.

    Without `filters` it takes filters and does not heed them, as emulators do with some.
    """

    def __init__(
        self,
        machines: Iterable[Machine] = (),
        peaks: Mapping[str, Sequence[float | None]] | None = None,
        *,
        page_size: int = 1000,
        filters: bool = True,
        mirrored: Sequence[str] = (),
    ) -> None:
        self.machines = list(machines)
        self.peaks = {"m5.large": [10.0]} if peaks is None else peaks
        self.mirrored = mirrored
        """The ENI of each mirror session."""
        self.denied: set[str] = set()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.described = 0
        """Descriptions of instances that were given, the same one twice counted twice."""
        self._page_size, self._filters = page_size, filters

    def describe_instances(self, **request: Any) -> dict[str, Any]:
        self._check("DescribeInstances", request)
        found = [
            machine
            for machine in self.machines
            if not self._filters or all(_matches(machine, each) for each in request["Filters"])
        ]
        first = int(request.get("NextToken", 0))
        beyond = first + min(request["MaxResults"], self._page_size)
        more = {"NextToken": str(beyond)} if beyond < len(found) else {}
        self.described += len(found[first:beyond])
        return {"Reservations": [{"Instances": [_described(m)]} for m in found[first:beyond]]} | more

    def describe_tags(self, **request: Any) -> dict[str, Any]:
        """Of terminated machines, too, as AWS does for about an hour."""
        self._check("DescribeTags", request)
        wanted = {each["Name"]: each["Values"] for each in request["Filters"]}
        found = [
            {"ResourceId": machine.instance_id, "ResourceType": "instance", "Key": key, "Value": value}
            for machine in self.machines
            for key, value in sorted(machine.tags.items())
            if not self._filters or (key in wanted["key"] and value in wanted["value"])
        ]
        first = int(request.get("NextToken", 0))
        beyond = first + min(request["MaxResults"], self._page_size)
        more = {"NextToken": str(beyond)} if beyond < len(found) else {}
        return {"Tags": found[first:beyond]} | more

    def describe_instance_types(self, **request: Any) -> dict[str, Any]:
        self._check("DescribeInstanceTypes", request)
        (wanted,) = (each["Values"] for each in request["Filters"] if each["Name"] == "instance-type")
        names = [name for name in self.peaks if not self._filters or name in wanted]
        first = int(request.get("NextToken", 0))
        more = {"NextToken": str(first + 100)} if first + 100 < len(names) else {}
        described = [_described_type(name, self.peaks[name]) for name in names[first : first + 100]]
        return {"InstanceTypes": described} | more

    def describe_traffic_mirror_sessions(self, **request: Any) -> dict[str, Any]:
        self._check("DescribeTrafficMirrorSessions", request)
        first = int(request.get("NextToken", 0))
        beyond = first + min(request["MaxResults"], self._page_size)
        more = {"NextToken": str(beyond)} if beyond < len(self.mirrored) else {}
        sessions = [{"NetworkInterfaceId": eni} for eni in self.mirrored[first:beyond]]
        return {"TrafficMirrorSessions": sessions} | more

    def calls(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.requests)

    def _check(self, operation: str, request: dict[str, Any]) -> None:
        self.requests.append((operation, request))
        if operation in self.denied:
            raise error("UnauthorizedOperation", "You are not authorized", operation)
        values = [len(each["Values"]) for each in request.get("Filters", ())]
        if 0 in values or sum(values) > 200:
            raise error("FilterLimitExceeded", "all filters of a call together take 200 values", operation)
        if operation != "DescribeInstanceTypes" and not 5 <= request["MaxResults"] <= 1000:
            raise error("InvalidParameterValue", "5 to 1000 results", operation)


def _matches(machine: Machine, wanted: Mapping[str, Any]) -> bool:
    name, patterns = wanted["Name"], wanted["Values"]
    match name.partition(":"):
        case ("tag-key", "", ""):
            values: Iterable[str] = machine.tags
        case ("tag", ":", key):
            values = [machine.tags[key]] if key in machine.tags else []
        case ("instance-state-name", "", ""):
            values = [machine.state]
        case ("instance-id", "", ""):
            values = [machine.instance_id]
        case _:
            raise error("InvalidParameterValue", f"The filter '{name}' is invalid", "DescribeInstances")
    return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)


def _described(machine: Machine) -> dict[str, Any]:
    return {
        "InstanceId": machine.instance_id,
        "InstanceType": machine.instance_type,
        "LaunchTime": machine.launched_at,
        "PrivateDnsName": machine.private_dns_name,
        "State": {"Code": 16, "Name": machine.state},
        "Tags": [{"Key": key, "Value": value} for key, value in machine.tags.items()],
        "NetworkInterfaces": [
            {"NetworkInterfaceId": eni, "InterfaceType": kind} for eni, kind in machine.enis.items()
        ],
        **({} if machine.platform is None else {"Platform": machine.platform}),
    }


def _described_type(name: str, peaks: Sequence[float | None]) -> dict[str, Any]:
    cards = [
        {"NetworkCardIndex": index, "NetworkPerformance": "Up to 10 Gigabit"}
        | ({} if peak is None else {"PeakBandwidthInGbps": peak})
        for index, peak in enumerate(peaks)
    ]
    return {"InstanceType": name, "NetworkInfo": {"NetworkCards": cards}}
