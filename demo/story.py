"""The demo's scenario: each recording plays on a node of its own; one node has a fault for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from demo.play import Role, Scene
from demo.recorded import RecordedNode, recorded_nodes
from enigap.core.counting.window import PERIOD, FetchSpan, Window

CLUSTER: Final = "demo"

HEALTHY_BEFORE: Final = 1
"""Judged windows before the fault; the next two constants are those during and after it."""
TROUBLE: Final = 2
HEALTHY_AFTER: Final = 5
"""So many until an hour that began when the device was back excludes half of what was told."""

_LOOKED_BACK: Final = 2
"""Windows in each fetch."""

_TROUBLED: Final = "g1"
_BEFORE_AND_AFTER: Final = "c"


@dataclass(frozen=True, slots=True)
class Story:
    """The windows to judge, oldest first, and the nodes' roles in them."""

    windows: tuple[Window, ...]
    roles: tuple[Role, ...]
    titles: Mapping[str, str]
    """A description of the traffic on each node, by the node's name."""

    @property
    def opens(self) -> int:
        """The index of the window after which the incident is opened."""
        return HEALTHY_BEFORE + TROUBLE - 1

    @property
    def resolves(self) -> int:
        """The index of the window after which the incident is resolved."""
        return HEALTHY_BEFORE + TROUBLE + HEALTHY_AFTER - 1

    def doing(self, window: Window) -> str:
        """A description of a window."""
        number = self.windows.index(window)
        if HEALTHY_BEFORE <= number < HEALTHY_BEFORE + TROUBLE:
            return "a network interface of one node is in a pod"
        return "all is well"

    @property
    def worst(self) -> Window:
        """The window after which the incident is opened."""
        return self.windows[self.opens]


def story(now: datetime, settle: timedelta) -> Story:
    """The scenario whose last window is the newest that has settled now."""
    count = HEALTHY_BEFORE + TROUBLE + HEALTHY_AFTER
    newest = Window.newest_settled(now, settle)
    windows = tuple(newest.previous(n) for n in reversed(range(count)))
    span = FetchSpan.of(newest, count + _LOOKED_BACK)
    nodes = {node.key: node for node in recorded_nodes()}
    roles = tuple(_role(node, nodes[_BEFORE_AND_AFTER], windows, span) for node in nodes.values())
    titles = {name_of(node): title_of(node) for node in nodes.values()}
    return Story(windows, roles, titles)


def name_of(node: RecordedNode) -> str:
    """The node's name in the cluster."""
    return f"{node.name}.{CLUSTER}.internal"


def title_of(node: RecordedNode) -> str:
    """The description of a node's traffic; it says if its devices were not measured."""
    return f"{node.title} (its devices are made up)" if node.evidence_is_made_up else node.title


def _role(node: RecordedNode, otherwise: RecordedNode, windows: tuple[Window, ...], span: FetchSpan) -> Role:
    # A minute more than the fetch, because an event covers the time since the one before it.
    start = span.start - PERIOD
    if node.key != _TROUBLED:
        return Role(name_of(node), (Scene(node, start, span.end),))
    begins, ends = windows[HEALTHY_BEFORE].start, windows[HEALTHY_BEFORE + TROUBLE - 1].end
    scenes = (Scene(otherwise, start, begins), Scene(node, begins, ends), Scene(otherwise, ends, span.end))
    return Role(name_of(node), scenes)
