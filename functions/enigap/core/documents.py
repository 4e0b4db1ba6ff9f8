"""The documents other programs read: their fields, names and units are a contract (see docs/schemas)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import DeviceRates, Evidence, Unusable
from enigap.core.counting.units import ByteRate, RateSpan
from enigap.core.counting.window import Window
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import ClusterReport, Finding
from enigap.core.judging.verdict import Judgement

CHECK_SCHEMA: Final = "enigap.check/1"
EXPLAIN_SCHEMA: Final = "enigap.explain/1"

Document = dict[str, Any]


def window_document(window: Window) -> Document:
    return {"start": timestamp(window.start), "end": timestamp(window.end)}


def node_document(judgement: Judgement) -> Document:
    """One node's window, as `check` prints it and notifications carry it. What cannot be known is null."""
    return {
        "instance_id": judgement.node.instance_id,
        "node_name": judgement.node.node_name,
        "verdict": judgement.verdict.value,
        "explained": judgement.explained,
        "os_bytes_per_second": _rate(judgement.os),
        "eni_bytes_per_second": _rate(judgement.eni),
        "eni_in_bytes_per_second": _rate(judgement.eni_in),
        "eni_out_bytes_per_second": _rate(judgement.eni_out),
        "os_to_eni_ratio": judgement.ratio,
        "unexplained_bytes_per_second": _rate(judgement.unexplained),
        "node_local_at_least_bytes_per_second": _rate(judgement.node_local_at_least),
        "reason": judgement.reason,
        "cause": judgement.cause.value if judgement.cause else None,
        "evidence": _evidence_document(judgement.evidence),
    }


def _evidence_document(evidence: Evidence | Unusable | None) -> Document | None:
    if evidence is None or not evidence.devices:
        return None
    physical = [device for device in evidence.devices if device.kind is DeviceKind.PHYSICAL]
    virtual = [device for device in evidence.devices if device.kind is not DeviceKind.PHYSICAL]
    return {
        "usable": isinstance(evidence, Evidence),
        "physical_rx_bytes_per_second": _sum(device.rx for device in physical),
        "physical_tx_bytes_per_second": _sum(device.tx for device in physical),
        "virtual_bytes_per_second": _sum(device.total for device in virtual),
        "devices": [_device_document(device) for device in evidence.devices],
    }


def _device_document(device: DeviceRates) -> Document:
    return {
        "device": device.device,
        "kind": _KINDS[device.kind],
        "class": device.kind.value,
        "rx_bytes_per_second": device.rx.middle.bytes_per_second,
        "tx_bytes_per_second": device.tx.middle.bytes_per_second,
    }


# `kind` is the contract's two words and a third for what must not be guessed; `class` says which virtual.
_KINDS: Final = {
    DeviceKind.PHYSICAL: "physical",
    DeviceKind.POD: "virtual",
    DeviceKind.COUNTED_AGAIN: "virtual",
    DeviceKind.UNKNOWN: "unknown",
}


def _rate(rate: ByteRate | None) -> float | None:
    return None if rate is None else rate.bytes_per_second


def _sum(spans: Iterable[RateSpan]) -> float:
    return sum(span.middle.bytes_per_second for span in spans)


def check_document(region: str, window: Window, reports: Sequence[ClusterReport]) -> Document:
    """What `enigap check --format json` prints."""
    verdicts: Counter[str] = Counter()
    for report in reports:
        verdicts.update({verdict.value: count for verdict, count in report.verdicts.items()})
    return {
        "schema": CHECK_SCHEMA,
        "region": region,
        "window": window_document(window),
        "billed_metrics": sum(report.billed_metrics for report in reports),
        "clusters": [_cluster_document(report) for report in reports],
        "verdicts": dict(verdicts),
    }


def _cluster_document(report: ClusterReport) -> Document:
    return {
        "cluster": report.cluster,
        "finding": report.finding.kind.value if report.finding else None,
        "finding_reason": report.finding.reason if report.finding else None,
        "nodes": [node_document(node.newest) for node in report.worst_first()],
    }


def explain_document(region: str, judgement: Judgement, finding: Finding | None = None) -> Document:
    """What `enigap explain --format json` prints. `finding` is of the node's cluster as a whole."""
    return {
        "schema": EXPLAIN_SCHEMA,
        "region": region,
        "cluster": judgement.node.cluster,
        "finding": finding.kind.value if finding else None,
        "finding_reason": finding.reason if finding else None,
        "window": window_document(judgement.window),
        "node": node_document(judgement),
    }
