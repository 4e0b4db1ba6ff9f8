"""Holds what a kernel counted against the counting model, to the byte where the model says so.

H, P, L and N come from the pods' own counters, O and V from the node's devices, and E from the ENIs' far
ends: three readings of the same traffic, each at another place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from demo.agent import Counters, is_left_out
from demo.recorded import growth
from enigap.core.counting.split import Split
from enigap.core.counting.units import ByteRate, RateSpan
from enigap.core.counting.window import GRID, MINUTE
from lab.cloudwatch import LEAD_MINUTES, LabRun
from lab.scenarios import Scenario, Term

HEADERS: Final = 0.02
"""Of an overlay's bytes: each packet has one header more on the ENI."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes over some time, in the terms of the counting model."""

    host: int
    off_node: int
    pod_to_pod: int
    pod_to_host: int
    os: int
    """O: all devices that cAdvisor counts."""
    physical: int
    """Those of them that are ENIs."""
    enis: int
    """E: the ENIs' far ends."""

    @property
    def virtual(self) -> int:
        """V: the bytes on virtual devices."""
        return self.os - self.physical

    def predicted(self, scenario: Scenario) -> int:
        """O, by the model and by how often the scenario's devices count a byte."""
        return (
            self.host
            + scenario.counts * self.off_node
            + scenario.inside_counts * self.pod_to_pod
            + self.pod_to_host
        )


def traffic_of(recording: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Traffic:
    """Between the first and the last sample; those between are needed where a counter starts anew."""
    eni_side = recording["topology"]["eni_side"]
    node = {name: _both(c) for name, c in growth(s["node"] for s in samples).items() if not is_left_out(name)}
    vpc = growth(sample["vpc"] for sample in samples)
    of = dict.fromkeys(Term, 0)
    for pod, term in recording["terms"].items():
        texts = [sample["pods"][pod] for sample in samples if pod in sample["pods"]]
        # A pod that is made midway has counted from zero by the first sample that has it.
        since = [] if pod in samples[0]["pods"] else [_NOTHING]
        of[Term(term)] += sum(_both(c) for name, c in growth(chain(since, texts)).items() if name != "lo")
    enis = sum(_both(vpc[peer]) for peer in eni_side.values() if peer in vpc)
    return Traffic(
        host=enis - of[Term.OFF_NODE],
        off_node=of[Term.OFF_NODE],
        pod_to_pod=of[Term.POD_TO_POD],
        pod_to_host=of[Term.POD_TO_HOST],
        os=sum(node.values()),
        physical=sum(counted for name, counted in node.items() if name in eni_side),
        enis=enis,
    )


_NOTHING: Final = "two lines\nof headings\n"


def _both(counters: Counters) -> int:
    return counters.rx_bytes + counters.tx_bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that must be so, in bytes."""

    says: str
    predicted: int
    counted: int
    within: int = 0
    """How far apart they may be."""

    @property
    def holds(self) -> bool:
        return abs(self.predicted - self.counted) <= self.within


def claims(scenario: Scenario, whole: Traffic) -> Iterator[Claim]:
    """What the model says of a run, from before its first byte until after its last."""
    within = scenario.floods_bytes + round(HEADERS * whole.os * scenario.adds_headers)
    yield Claim(scenario.formula, whole.predicted(scenario), whole.os, within)
    if scenario.counts:
        yield Claim("physical devices = E", whole.enis, whole.physical)
        yield Claim("O - E = V", whole.virtual, whole.os - whole.enis)
    else:
        yield Claim("physical devices = E - P", whole.enis - whole.off_node, whole.physical)


@dataclass(frozen=True, slots=True)
class PartOfSplit:
    """One part of the split, and what was really so."""

    name: str
    true: ByteRate
    span: RateSpan

    @property
    def holds(self) -> bool:
        """The bounds are whole bytes of counters over a window; a byte a second is less than rounding."""
        low, high = self.span.low.bytes_per_second, self.span.high.bytes_per_second
        return low - 1 <= self.true.bytes_per_second <= high + 1


def window_of(run: LabRun) -> Traffic:
    """What really flowed in the judged window."""
    minutes = run.labelled("minute")
    begin = minutes[LEAD_MINUTES]["t"]
    end = minutes[LEAD_MINUTES + GRID // MINUTE]["t"]
    return traffic_of(
        run.recording, [sample for sample in run.recording["samples"] if begin <= sample["t"] <= end]
    )


def parts(scenario: Scenario, true: Traffic, split: Split) -> Iterator[PartOfSplit]:
    """Each part of the split against the truth of its window."""
    # The parts are of what the OS reported. A counter that starts anew is left out until it has caught up.
    reported = round(split.likely_total.bytes_per_second * GRID.total_seconds())
    unreported = max(0, true.os - reported) if scenario.resets_a_counter else 0
    # A pod without a device on the node looks like the node itself.
    seen = true.off_node if scenario.counts > 1 else 0
    lacking = true.off_node if scenario.counts == 0 else 0
    counted = {
        "host_off_node": true.enis - lacking - seen,
        "pod_off_node": seen,
        "pod_off_node_again": (scenario.counts - 1) * seen,
        "inside_node": bool(scenario.inside_counts) * true.pod_to_pod + true.pod_to_host,
        "inside_node_again": max(0, scenario.inside_counts - 1) * true.pod_to_pod - unreported,
        "unexplained": -lacking,
    }
    for name, total in counted.items():
        yield PartOfSplit(name, ByteRate.from_total(total, GRID), getattr(split, name))
