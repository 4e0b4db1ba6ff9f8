"""The JSON documents for other programs: a public interface, with schemas in docs/schemas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from enigap.core import strict
from enigap.core.counting.comparison import Violation
from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import DeviceRates, Evidence, Unusable
from enigap.core.counting.reading import OsSource
from enigap.core.counting.split import Split
from enigap.core.counting.units import ByteRate, RateSpan
from enigap.core.counting.window import Window
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import ClusterReport, Finding
from enigap.core.judging.verdict import Judgement, NodeFigures, Reason

CHECK_SCHEMA: Final = "enigap.check/1"
EXPLAIN_SCHEMA: Final = "enigap.explain/1"

Document = dict[str, Any]


def window_document(window: Window) -> Document:
    return {"start": timestamp(window.start), "end": timestamp(window.end)}


def node_document(node: NodeFigures) -> Document:
    """One node's window, as `check` prints it and notifications carry it. Unknown values are null."""
    return {key: write(getattr(node, name)) for key, (name, write, _) in NODE_FIELDS.items()}


def node_figures(document: Document) -> NodeFigures:
    """The node of a document, without its devices; figures that the document lacks are unknown.

    Raises TypeError, AttributeError or OverflowError if the document is malformed.
    """
    known = {
        name: read(document[key]) for key, (name, _, read) in NODE_FIELDS.items() if read and key in document
    }
    return NodeFigures(**known)


def _instant(instant: datetime | None) -> str | None:
    return timestamp(instant) if instant else None


def _comparison_document(comparison: Violation | None) -> Document | None:
    if comparison is None:
        return None
    return {
        "start": timestamp(comparison.start),
        "end": timestamp(comparison.end),
        "direction": comparison.direction.value,
        "at_least_bytes": comparison.at_least_bytes,
        "at_least_bytes_per_second": comparison.rate.bytes_per_second,
    }


def _split_document(split: Split | None) -> Document | None:
    if split is None:
        return None
    return {part.name: _span_document(getattr(split, part.name)) for part in fields(split)}


def _span_document(span: RateSpan) -> Document:
    return {
        "low": span.low.bytes_per_second,
        "likely": span.middle.bytes_per_second,
        "high": span.high.bytes_per_second,
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
        "host_network_pods": list(evidence.host_network_pods),
    }


def _device_document(device: DeviceRates) -> Document:
    return {
        "device": device.device,
        "kind": _KINDS[device.kind],
        "class": device.kind.value,
        "rx_bytes_per_second": device.rx.middle.bytes_per_second,
        "tx_bytes_per_second": device.tx.middle.bytes_per_second,
        "pod": device.pod,
        "conversation_with": device.conversation_with,
    }


# `kind` is physical, virtual or unknown; `class` has the kind of virtual device.
_KINDS: Final = {
    DeviceKind.PHYSICAL: "physical",
    DeviceKind.POD: "virtual",
    DeviceKind.COUNTED_AGAIN: "virtual",
    DeviceKind.GATEWAY: "virtual",
    DeviceKind.UNKNOWN: "unknown",
}


def _sum(spans: Iterable[RateSpan]) -> float:
    return sum(span.middle.bytes_per_second for span in spans)


def _as_it_is(value: Any) -> Any:
    return value


def _rate(rate: ByteRate | None) -> float | None:
    return None if rate is None else rate.bytes_per_second


NODE_FIELDS: Final[Mapping[str, tuple[str, Callable[[Any], Any], Callable[[Any], Any] | None]]] = {
    "instance_id": ("instance_id", str, strict.text),
    "node_name": ("node_name", _as_it_is, strict.optional_text),
    "verdict": ("verdict", str, strict.text),
    "explained": ("explained", _as_it_is, strict.optional_flag),
    "os_bytes_per_second": ("os", _rate, strict.rate),
    "eni_bytes_per_second": ("eni", _rate, strict.rate),
    "eni_in_bytes_per_second": ("eni_in", _rate, strict.rate),
    "eni_out_bytes_per_second": ("eni_out", _rate, strict.rate),
    "os_to_eni_ratio": ("ratio", _as_it_is, None),
    "unexplained_bytes_per_second": ("unexplained", _rate, strict.rate),
    "node_local_at_least_bytes_per_second": ("node_local_at_least", _rate, strict.rate),
    "split": ("split", _split_document, None),
    "reason": ("reason", str, Reason.of_sentence),
    "cause": ("cause", _as_it_is, strict.optional_text),
    "alternative_cause": ("alternative_cause", _as_it_is, strict.optional_text),
    "evidence": ("evidence", _evidence_document, None),
    "evidence_missing": ("evidence_missing", _as_it_is, None),
    "comparison": ("comparison", _comparison_document, None),
    "since": ("since", _instant, None),
    "os_source": ("os_source", _as_it_is, lambda value: OsSource(value) if value in set(OsSource) else None),
}
"""For each key: the member of `NodeFigures`, and its functions to write and read; None: it is not read."""


def check_document(
    region: str, window: Window, reports: Sequence[ClusterReport], account: str | None
) -> Document:
    """The JSON document of `enigap check --format json`."""
    verdicts: Counter[str] = Counter()
    for report in reports:
        verdicts.update({verdict.value: count for verdict, count in report.verdicts.items()})
    return {
        "schema": CHECK_SCHEMA,
        "account": account,
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
        "findings": [{"finding": each.kind.value, "reason": each.reason} for each in report.findings],
        "nodes": [node_document(node.newest.figures) for node in report.worst_first()],
    }


def explain_document(
    region: str, judgement: Judgement, finding: Finding | None, account: str | None
) -> Document:
    """The JSON document of `enigap explain --format json`. `finding` is about the node's whole cluster."""
    return {
        "schema": EXPLAIN_SCHEMA,
        "account": account,
        "region": region,
        "cluster": judgement.node.cluster,
        "finding": finding.kind.value if finding else None,
        "finding_reason": finding.reason if finding else None,
        "window": window_document(judgement.window),
        "node": node_document(judgement.figures),
    }
