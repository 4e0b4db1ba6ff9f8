"""Whether a run's own data contradict what enigap relies on: `check` then names `enigap doctor`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Final

from enigap.core.counting.evidence import AMBIGUOUS_INTERVAL, LONGEST_INTERVAL, DeviceEvents
from enigap.core.counting.meters import COMPLETE_SAMPLE_COUNT
from enigap.core.counting.reading import Readings
from enigap.core.counting.window import Window
from enigap.core.text import count

LEAST_PERIODS: Final = 3
"""Fewer may be those of a node that has just started."""
MOST_INTERVALS: Final = 20
"""Of how many nodes the interval is worked out."""


@dataclass(slots=True)
class Doubts:
    """Counts of what was read, added up while nodes are judged."""

    samples: Counter[float] = field(default_factory=Counter)
    """How many periods have how many samples; no more is counted once one was whole."""
    looked_at: int = 0
    with_events: int = 0
    intervals: list[float] = field(default_factory=list)
    """Between the samples of a node, in the middle, in seconds."""

    def add_readings(self, readings: Readings, window: Window) -> None:
        if COMPLETE_SAMPLE_COUNT in self.samples:
            return
        known = (readings.network_in_samples[index] for _, index in readings.periods(window))
        self.samples.update(each for each in known if each is not None)

    def add_events(self, events: DeviceEvents | None) -> None:
        """Of one node whose devices were looked at; None where its log has none."""
        self.looked_at += 1
        if events is None or not events.samples:
            return
        self.with_events += 1
        if len(self.intervals) < MOST_INTERVALS:
            first = events.samples[0].device
            times = sorted({each.at for each in events.samples if each.device == first})
            gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
            self.intervals += [median(gaps)] if gaps else []

    def notes(self, *, collecting: bool) -> tuple[str, ...]:
        """One sentence, if anything is contradicted. `collecting`: whether any node has a total."""
        low, high = AMBIGUOUS_INTERVAL.total_seconds(), LONGEST_INTERVAL.total_seconds()
        said = []
        if COMPLETE_SAMPLE_COUNT not in self.samples and self.samples.total() >= LEAST_PERIODS:
            periods = count(self.samples.total(), "period")
            said.append(
                f"none of {periods} of NetworkIn has SampleCount {COMPLETE_SAMPLE_COUNT} "
                f"({max(self.samples):g} at most)"
            )
        if collecting and self.looked_at and not self.with_events:
            said.append(f"no device event was found ({count(self.looked_at, 'node')} looked at)")
        if self.intervals and not low <= (middle := median(self.intervals)) <= high:
            said.append(f"agents sample every {middle:.0f} s and not once a minute")
        if not said:
            return ()
        text = "; ".join(said)
        return (f"{text[0].upper()}{text[1:]}: run `enigap doctor`, which checks what enigap relies on.",)
