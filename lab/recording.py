"""A run as a recording for `demo/captures`: what the demo plays and the tests judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from demo.recorded import read_proc_net_dev

_KEPT: Final = ("t", "label", "node", "vpc", "pods")


def slimmed(recording: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the first and the last sample, and the two around each counter that starts anew.

    No sample between them changes how far a counter grew.
    """
    samples = recording["samples"]
    kept = {0, len(samples) - 1, *_around_new_starts(samples)}
    return {
        **{name: value for name, value in recording.items() if name != "begin"},
        "samples": [{name: samples[number][name] for name in _KEPT} for number in sorted(kept)],
    }


def _around_new_starts(samples: Sequence[Mapping[str, Any]]) -> set[int]:
    """The numbers of the samples before and after a counter fell or went away."""
    found: set[int] = set()
    before: Mapping[str, int] = {}
    for number, sample in enumerate(samples):
        now = {name: c.rx_bytes + c.tx_bytes for name, c in read_proc_net_dev(sample["node"]).items()}
        if any(now.get(name, -1) < counted for name, counted in before.items()):
            found |= {number - 1, number}
        before = now
    return found
