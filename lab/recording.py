"""A run as a recording for `demo/captures`: what the demo plays and the tests judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demo.recorded import read_proc_net_dev


def slimmed(recording: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the first and the last sample only, where no counter starts anew between them."""
    samples = recording["samples"]
    if not _starts_anew(samples):
        samples = [samples[0], samples[-1]]
    return {
        **{name: value for name, value in recording.items() if name != "begin"},
        "samples": [
            {name: sample[name] for name in ("t", "label", "node", "vpc", "pods")} for sample in samples
        ],
    }


def _starts_anew(samples: list[Mapping[str, Any]]) -> bool:
    before: dict[str, int] = {}
    for sample in samples:
        now = {name: c.rx_bytes + c.tx_bytes for name, c in read_proc_net_dev(sample["node"]).items()}
        if any(now.get(name, -1) < counted for name, counted in before.items()):
            return True
        before = now
    return False
