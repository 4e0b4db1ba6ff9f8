"""What the CloudWatch agent makes of a node's counters: rates per device, and the node's total.

Once a minute the agent asks cAdvisor for the counters of every device of the node and turns each into a rate
over the real time between two readings. The simulator of the tests, the demo and the lab all reckon by this
module. Read in amazon-contributing's fork of opentelemetry-collector-contrib (8e059f1441db):

* `receiver/awscontainerinsightreceiver/internal/cadvisor/extractors/net_extractor.go`: a rate per counter;
* `internal/aws/metrics/metric_calculator.go`: after a counter fell there is no rate, and the old value is
  kept until it is passed or too old;
* `internal/aws/containerinsight/utils.go` (`SumFields`): the total has the fields of the *first* device of
  /proc/net/dev, so while that one has no rate the node has no total;
* `exporter/awsemfexporter/metric_translator.go`: the events.

Times are whole microseconds, because a float cannot hold an instant of today and a counter's exact growth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from enigap.core.counting.evidence import DeviceSample
from enigap.core.counting.window import EPOCH

IGNORED_PREFIXES: Final = ("lo", "veth", "docker", "nerdctl")
"""Devices cAdvisor leaves out (google/cadvisor v0.52.1, container/libcontainer/handler.go)."""
MEMORY: Final = timedelta(minutes=15)
"""How long a value is kept that no rate has replaced: since agent 1.300058.0, 5 minutes before."""

_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_WRAP: Final = 2**64


def is_left_out(device: str) -> bool:
    """Whether cAdvisor reports nothing of a device."""
    return device.startswith(IGNORED_PREFIXES)


@dataclass(frozen=True, slots=True)
class Counters:
    """What a device has counted since it was made, as /proc/net/dev shows it."""

    rx_bytes: int
    tx_bytes: int
    rx_packets: int = 0
    tx_packets: int = 0
    dropped: int = 0
    """Packets, received and sent ones together."""


class Calculator:
    """The rates of one counter from its values, one after the other."""

    __slots__ = ("_at", "_memory", "_value", "_wraps")

    def __init__(self, memory: timedelta = MEMORY, *, wraps: bool = False) -> None:
        """`wraps`: subtracts unsigned, as agents before 1.300029 did. A counter that fell grew by 2^64."""
        self._memory = memory // _MICROSECOND
        self._wraps = wraps
        self._value = self._at = -1

    def forget(self) -> None:
        """What a new process of the agent knows."""
        self._at = -1

    def knows(self, swept_at: int) -> bool:
        """Whether a value is kept that was not too old when the memory was last searched for such."""
        return self._at >= 0 and swept_at - self._at < self._memory

    def rate(self, at: int, value: int, *, swept_at: int) -> float | None:
        """Per second since the kept value. None: nothing is kept, or the counter has not passed it."""
        rate = None
        is_known = self.knows(swept_at)
        if is_known and at > self._at:
            grown = value - self._value
            if grown < 0 and self._wraps:
                grown += _WRAP
            if grown >= 0:
                rate = grown * _SECOND / (at - self._at)
        if rate is not None or not is_known:
            self._value, self._at = value, at
        return rate


def total_of(devices: Sequence[float | None]) -> float | None:
    """A field of the node, from the same field of its devices in the order of /proc/net/dev."""
    if not devices or devices[0] is None:
        return None
    return sum(rate for rate in devices if rate is not None)


class AgentSample(NamedTuple):
    """What one reading of the counters came to."""

    at: datetime
    total: float | None
    """`node_network_total_bytes` in bytes per second."""
    devices: tuple[DeviceSample, ...]
    """One event each. A device that is new has none."""


class Agent:
    """The agent of one node: it remembers what it read."""

    def __init__(self, memory: timedelta = MEMORY) -> None:
        self._memory = memory
        self._of: dict[str, tuple[Calculator, ...]] = {}

    def sample(self, at: datetime, devices: Mapping[str, Counters]) -> AgentSample:
        """One reading: the counters of all devices, in the order of /proc/net/dev."""
        now = (at - EPOCH) // _MICROSECOND
        swept_at = now - now % (self._memory // _MICROSECOND)
        events: list[DeviceSample] = []
        totals: list[float | None] = []
        for device, counters in devices.items():
            if is_left_out(device):
                continue
            of_device = self._of.setdefault(device, tuple(Calculator(self._memory) for _ in range(5)))
            is_new = not of_device[0].knows(swept_at)
            rx, tx, *others = (
                calculator.rate(now, value, swept_at=swept_at)
                for calculator, value in zip(of_device, _values(counters), strict=True)
            )
            totals.append(None if rx is None or tx is None else rx + tx)
            if not is_new:
                events.append(DeviceSample(at, device, rx, tx, *others))
        return AgentSample(at, total_of(totals), tuple(events))


def _values(counters: Counters) -> tuple[int, int, int, int, int]:
    return (
        counters.rx_bytes,
        counters.tx_bytes,
        counters.rx_packets,
        counters.tx_packets,
        counters.dropped,
    )


def node_net_event(
    sample: DeviceSample, *, cluster: str, instance_id: str, instance_type: str, node_name: str
) -> dict[str, Any]:
    """The `NodeNet` event of one device, in the embedded metric format 0 of the classic agent."""
    milliseconds = (sample.at - EPOCH) // timedelta(milliseconds=1)
    rates = {
        "rx_bytes": sample.rx_bytes_per_second,
        "tx_bytes": sample.tx_bytes_per_second,
        "rx_packets": sample.rx_packets_per_second,
        "tx_packets": sample.tx_packets_per_second,
        "rx_dropped": sample.dropped_per_second or 0,
        "tx_dropped": 0,
        "rx_errors": 0,
        "tx_errors": 0,
    }
    if sample.rx_bytes_per_second is not None and sample.tx_bytes_per_second is not None:
        rates["total_bytes"] = sample.rx_bytes_per_second + sample.tx_bytes_per_second
    return {
        "ClusterName": cluster,
        "InstanceId": instance_id,
        "InstanceType": instance_type,
        "NodeName": node_name,
        "Sources": ["cadvisor", "calculated"],
        "Timestamp": str(milliseconds),
        "Type": "NodeNet",
        "Version": "0",
        "interface": sample.device,
        "kubernetes": {"host": node_name},
    } | {f"node_interface_network_{name}": rate for name, rate in rates.items() if rate is not None}
