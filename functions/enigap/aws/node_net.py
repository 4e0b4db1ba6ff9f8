"""One event of the log group: a device's sample of a node, what it says of a pod, or why it is neither.

All who may write to the log group can forge such events: each is read strictly, and none raises.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum, unique
from typing import Any, Final, TypeVar

from enigap.core.counting.devices import is_device_name
from enigap.core.counting.evidence import DeviceSample
from enigap.core.counting.node import Node, is_kubernetes_name, is_namespace
from enigap.core.counting.pods import PodSample
from enigap.core.counting.window import EPOCH

# CloudWatch Logs takes no larger event.
LONGEST_MESSAGE_CHARACTERS: Final = 1_048_576


def milliseconds(instant: datetime) -> int:
    """As CloudWatch Logs has instants."""
    return (instant - EPOCH) // timedelta(milliseconds=1)


T = TypeVar("T")
U = TypeVar("U")


@unique
class Odd(Enum):
    """Events that are not this node's device samples."""

    OTHER = "other"
    """Of another type. AWS leaves these out by the filter pattern; emulators do not."""
    FOREIGN = "foreign"
    ANONYMOUS = "anonymous"
    """Without an instance id, and else as an agent of this cluster writes it: the agent asks the instance
    metadata for the id, and does without where these are out of its reach."""
    MALFORMED = "malformed"


def read_event(message: str, node: Node) -> DeviceSample | Odd:
    """One log event: a device sample of this node, or in what way it is not. Never raises."""
    return _read(message, lambda event: _sample(event, node), otherwise=Odd.MALFORMED)


def _read(message: str, read: Callable[[object], T], *, otherwise: U) -> T | U:
    """What is read of the event, or otherwise what stands for one that no agent writes."""
    if len(message) > LONGEST_MESSAGE_CHARACTERS:
        return otherwise
    try:
        return read(json.loads(message))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return otherwise


def _sample(event: object, node: Node) -> DeviceSample | Odd:
    """Raises ValueError, TypeError or OverflowError for what no agent writes."""
    if not isinstance(event, dict):
        raise TypeError("an event is a JSON object")
    if event.get("Type") != "NodeNet":
        return Odd.OTHER
    is_anonymous = event.get("InstanceId", "") == ""
    instance_id = node.instance_id if is_anonymous else _text(event, "InstanceId")
    if instance_id != node.instance_id or _text(event, "ClusterName") != node.insights_cluster:
        return Odd.FOREIGN
    sample = _device_sample(event)
    return Odd.ANONYMOUS if is_anonymous else sample


def _device_sample(event: Mapping[str, Any]) -> DeviceSample:
    return DeviceSample(
        _instant(event),
        # Empty when the agent could not read the devices; a device without a name is for `weigh` to pass
        # over.
        _device(event),
        _rate(event, "node_interface_network_rx_bytes"),
        _rate(event, "node_interface_network_tx_bytes"),
        _packets(event, "node_interface_network_rx_packets"),
        _packets(event, "node_interface_network_tx_packets"),
        _packets(event, "node_interface_network_rx_dropped", "node_interface_network_tx_dropped"),
    )


def read_pod(message: str, node: Node) -> PodSample | None:
    """One `PodNet` or `Pod` event: what it says about a pod of this node, if it says so. Never raises."""
    return _read(message, lambda event: _pod_sample(event, node), otherwise=None)


def _pod_sample(event: object, node: Node) -> PodSample | None:
    """Raises ValueError, TypeError or OverflowError for what no agent writes."""
    if not isinstance(event, dict) or event.get("Type") not in {"PodNet", "Pod"}:
        return None
    if (event.get("InstanceId"), event.get("ClusterName")) != (node.instance_id, node.insights_cluster):
        return None
    kubernetes = event.get("kubernetes")
    about: Mapping[str, Any] = kubernetes if isinstance(kubernetes, dict) else {}
    # PodName is what a pod's owner is called, `web`; of the pod itself it is `web-df44f855f-ts4q2`.
    name = about.get("pod_name") or event.get("FullPodName") or event.get("PodName")
    namespace = about.get("namespace_name") or event.get("Namespace")
    if not (isinstance(name, str) and isinstance(namespace, str)):
        return None
    if not (is_kubernetes_name(name) and is_namespace(namespace)):
        return None
    return PodSample(
        namespace,
        name,
        _device(event) if "interface" in event else "",
        _rate(event, "pod_interface_network_rx_bytes"),
        _rate(event, "pod_interface_network_tx_bytes"),
    )


def _device(event: Mapping[str, Any]) -> str:
    """The device's name. Raises TypeError or ValueError for one that Linux does not allow."""
    name = _text(event, "interface")
    if name and not is_device_name(name):
        raise ValueError("interface is the name of a network device")
    return name


def _text(event: Mapping[str, Any], field: str) -> str:
    value = event.get(field)
    if not isinstance(value, str):
        raise TypeError(f"{field} is a string")
    return value


def _instant(event: Mapping[str, Any]) -> datetime:
    """When the sample was taken: milliseconds, as a string in version 0 of the format, a number in
    version 1.
    """
    metadata = event.get("_aws")
    stamp = metadata.get("Timestamp") if isinstance(metadata, dict) else event.get("Timestamp")
    if isinstance(stamp, str) and _DIGITS.fullmatch(stamp):
        stamp = int(stamp)
    if type(stamp) is not int:
        raise TypeError("a timestamp is in milliseconds")
    return EPOCH + timedelta(milliseconds=stamp)


def _rate(event: Mapping[str, Any], field: str) -> float | None:
    """Bytes per second; None where the event has none, which is how the agent says that a counter was
    reset.
    """
    if field not in event:
        return None
    value = event[field]
    if type(value) not in {int, float} or not math.isfinite(value):
        raise ValueError(f"{field} is a finite number")
    return float(value)


def _packets(event: Mapping[str, Any], *names: str) -> float | None:
    """Packets per second, several fields added up; None where one is absent or wrong, which spoils nothing
    else."""
    try:
        rates = [_rate(event, name) for name in names]
    except (ValueError, OverflowError):
        return None
    known = [rate for rate in rates if rate is not None and rate >= 0]
    return sum(known) if len(known) == len(names) else None


_DIGITS: Final = re.compile(r"[0-9]{1,15}")
