"""Plays one scenario and reads the counters of every side: `python -m lab.traffic NAME MINUTES FILE`.

Runs isolated (`lab.isolation`) and writes a recording: the JSON of `demo/captures`, with more samples and
what the pods stand for. One real second is one lab minute: a sample at each minute, which is what EC2 has and
what the truth is read from, and one at the agent's second of each minute.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from demo.agent import IGNORED_PREFIXES
from lab.isolation import enter
from lab.network import JUMBO, Lab, LabError
from lab.scenarios import SCENARIOS, Scenario

SCHEMA: Final = "netlab-capture/1"
AGENT_SECOND: Final = 37
"""Of each minute: when the agent reads."""
_MARGIN_SECONDS: Final = 1.0
"""Traffic begins so long before the first minute and ends so long after the last."""


def play(scenario: Scenario, minutes: int) -> dict[str, Any]:
    """Build, send, read. Returns the recording."""
    lab = Lab()
    samples: list[dict[str, Any]] = []

    def read(label: str) -> None:
        samples.append(lab.counters() | {"label": label})

    try:
        scene = scenario.build(lab)
        started_at = datetime.now(UTC)
        read("before")
        lab.start(scene.flows, minutes + 2 * _MARGIN_SECONDS)
        begin = time.time() + _MARGIN_SECONDS
        for minute in range(minutes + 1):
            _wait_until(begin + minute)
            read("minute")
            if scene.midway is not None and minute == minutes // 2:
                lab.start(scene.midway(), minutes - minute + _MARGIN_SECONDS)
                read("midway")
            _wait_until(begin + minute + AGENT_SECOND / 60)
            read("agent")
        lab.wait()
        lab.settle()
        read("after")
    finally:
        lab.close()
    return {
        "schema": SCHEMA,
        "scenario": scenario.name,
        "title": scenario.title,
        "started_at": started_at.isoformat(timespec="milliseconds"),
        "kernel": platform.release(),
        "mtu": JUMBO,
        "notes": [scenario.stand_in] if scenario.stand_in else [],
        "begin": begin,
        "topology": {
            "eni_side": lab.eni_side,
            "pods": {pod.name: {"ip": pod.ip, "device": pod.device} for pod in lab.pods.values()},
            "ignored_prefixes": IGNORED_PREFIXES,
        },
        "terms": {pod: term.value for pod, term in scene.terms.items()},
        "samples": samples,
    }


def _wait_until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.time()))


def main() -> int:
    name, minutes, output = sys.argv[1:]
    try:
        enter()
        recording = play(SCENARIOS[name], int(minutes))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    Path(output).write_text(json.dumps(recording, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
