"""The demo's scenario: each recording plays on a node of its own; one node has a fault for a while.

Five nodes tell it; with all of them it has every recording.
"""

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
HEALTHY_AFTER: Final = 4
"""So many until an hour that began when the device was back excludes half of what was told."""

_LOOKED_BACK: Final = 2
"""Windows in each fetch."""

_CAST: Final = ("article", "b", "c", "e", "g1")
_TROUBLED: Final = "g1"
_BEFORE_AND_AFTER: Final = "c"


@dataclass(frozen=True, slots=True)
class Chapter:
    """Windows in a row in which the same happens."""

    windows: tuple[Window, ...]
    doing: str
    news: str | None
    """What is told at the end of it, if anything."""


@dataclass(frozen=True, slots=True)
class Story:
    """The windows to judge, oldest first, and the nodes' roles in them."""

    windows: tuple[Window, ...]
    roles: tuple[Role, ...]
    titles: Mapping[str, str]
    """A description of the traffic on each node, by the node's name."""

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        begins, ends = HEALTHY_BEFORE, HEALTHY_BEFORE + TROUBLE
        return (
            Chapter(self.windows[:begins], "all is well", None),
            Chapter(self.windows[begins:ends], "one node's interface is in a pod", "opened"),
            Chapter(self.windows[ends:], "the interface is back", "resolved"),
        )

    @property
    def worst(self) -> Window:
        """The window after which the incident is opened."""
        return self.windows[HEALTHY_BEFORE + TROUBLE - 1]

    @property
    def troubled(self) -> str:
        """The name of the node that has the fault."""
        return next(role.name for role in self.roles if len(role.scenes) > 1)


def story(now: datetime, settle: timedelta, *, everything: bool = False) -> Story:
    """The scenario whose last window is the newest that has settled now."""
    count = HEALTHY_BEFORE + TROUBLE + HEALTHY_AFTER
    newest = Window.newest_settled(now, settle)
    windows = tuple(newest.previous(n) for n in reversed(range(count)))
    span = FetchSpan.of(newest, count + _LOOKED_BACK)
    recorded = {node.key: node for node in recorded_nodes()}
    nodes = recorded if everything else {key: recorded[key] for key in _CAST}
    roles = tuple(_role(node, recorded[_BEFORE_AND_AFTER], windows, span) for node in nodes.values())
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
