"""Measures the processor time of judging one node's devices, without fetching and parsing."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from enigap.core.counting.accumulated import compare, packets_are_frames
from enigap.core.counting.evidence import DeviceScope
from enigap.core.counting.window import FetchSpan
from enigap.core.judging.case import History, eni_tracks
from enigap.core.judging.judge import judge
from tests.detection.judging import RULES, Lived
from tests.fakes.detection_runs import Played
from tests.fakes.node_life import Mix, Pattern

LOOKS: Final = {"short": timedelta(hours=1), "long": timedelta(hours=6)}
REPEATS: Final = 20


def milliseconds_a_look() -> dict[str, float]:
    """Of the accumulated comparison and of a whole judgement, for a look of an hour and one of six."""
    life = Played(Pattern.EVEN, Mix.MIXED, what_if="nothing is known").life(5, 13.0)
    window = list(life.windows())[-1]
    node = life.simulated.node
    lived = Lived({node.instance_id: life})
    readings = life.readings(FetchSpan.of(window, RULES.windows_fetched))
    costs = {}
    for name, length in LOOKS.items():
        span = FetchSpan(window.end - length, window.end)
        events = lived.devices([node], span, DeviceScope.ENI)[node.instance_id]
        [(_, eni)] = lived.histories([node], span)

        def compared(events: Any = events, eni: Any = eni) -> None:
            tracks = eni_tracks(events, RULES.classifier)
            compare(eni, tracks, RULES, frames=packets_are_frames(eni, tracks) or True)

        def judged(events: Any = events, eni: Any = eni) -> None:
            history = History(eni, eni_tracks(events, RULES.classifier), packets_are_frames=True)
            judge(node, readings, events, window, RULES, history)

        costs[f"{name} look, compared"] = _milliseconds(compared)
        costs[f"{name} look, judged"] = _milliseconds(judged)
    return costs


def _milliseconds(work: Callable[[], None]) -> float:
    """The least of several times: more is noise from other processes."""
    times = []
    for _ in range(REPEATS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return round(1000 * min(times), 2)
