"""Who is behind a node's devices, added to the evidence: their pods, and which two are in conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from enigap.core.counting.conversations import conversations
from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import DeviceEvents, DeviceRates, Evidence, Unusable
from enigap.core.counting.pods import DIGITS, host_network_pods, pods_by_device
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import Window


def with_pods_devices(classifier: Classifier, events: DeviceEvents) -> Classifier:
    """The classifier that knows devices of no known class for pods' that are named after the node's pods.

    All devices of the same prefix (AWS_VPC_K8S_CNI_VETHPREFIX) are pods', those of pods without events, too.
    """
    if not events.pods:
        return classifier
    unknown = {each.device for each in events.samples if classifier.kind(each.device) is DeviceKind.UNKNOWN}
    named = pods_by_device(unknown, events.pods)
    if not named:
        return classifier
    prefixes = sorted({name[:-DIGITS] for name in named})
    return replace(
        classifier,
        pod=(*classifier.pod, *(rf"{re.escape(prefix)}[0-9a-f]{{{DIGITS}}}" for prefix in prefixes)),
    )


def told_apart(
    shown: Evidence | Unusable, events: DeviceEvents, window: Window, rules: Rules
) -> Evidence | Unusable:
    """The same evidence with the pods' names and the conversations of the window."""
    pods = pods_by_device((device.device for device in shown.devices), events.pods)
    other_end = {}
    for each in conversations(events.samples, window.start, window.end, rules.classifier, rules.floor):
        other_end[each.one], other_end[each.other] = each.other, each.one
    return replace(
        shown,
        devices=tuple(
            replace(device, pod=pods.get(device.device), conversation_with=other_end.get(device.device))
            for device in shown.devices
        ),
        host_network_pods=host_network_pods(events.pods, _means(shown.devices), pods.values()),
    )


def _means(devices: Iterable[DeviceRates]) -> dict[str, tuple[float, float]]:
    return {
        device.device: (device.rx.middle.bytes_per_second, device.tx.middle.bytes_per_second)
        for device in devices
    }
