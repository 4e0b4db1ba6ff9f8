"""What the demo's cluster does: every recording on a node of its own, one of them moved for a while."""

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
"""How many judged windows come before the trouble, while it lasts, and after it."""
TROUBLE: Final = 2
HEALTHY_AFTER: Final = 2

_LOOKED_BACK: Final = 2
"""Windows that every fetch holds."""

_TROUBLED: Final = "g1"
_BEFORE_AND_AFTER: Final = "c"


@dataclass(frozen=True, slots=True)
class Story:
    """The windows to judge, oldest first, and the nodes' roles over them."""

    windows: tuple[Window, ...]
    roles: tuple[Role, ...]
    titles: Mapping[str, str]
    """What each node does, in plain words, by its name."""

    @property
    def opens(self) -> int:
        """The number of the window by whose end the trouble has lasted long enough to be told about."""
        return HEALTHY_BEFORE + TROUBLE - 1

    @property
    def resolves(self) -> int:
        """The number of the window by whose end it has been over for long enough."""
        return HEALTHY_BEFORE + TROUBLE + HEALTHY_AFTER - 1

    def doing(self, window: Window) -> str:
        """What happens in a window."""
        number = self.windows.index(window)
        if HEALTHY_BEFORE <= number < HEALTHY_BEFORE + TROUBLE:
            return "a network interface of one node is in a pod"
        return "all is well"

    @property
    def worst(self) -> Window:
        """The window by whose end the trouble has lasted long enough to be told about."""
        return self.windows[self.opens]


def story(now: datetime, settle: timedelta) -> Story:
    """The story that ends with the newest window settled now."""
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
    """What the node does, and what about it was not measured."""
    return f"{node.title} (its devices are made up)" if node.evidence_is_made_up else node.title


def _role(node: RecordedNode, otherwise: RecordedNode, windows: tuple[Window, ...], span: FetchSpan) -> Role:
    # A minute more than the fetch: an event covers the time since the one before it.
    start = span.start - PERIOD
    if node.key != _TROUBLED:
        return Role(name_of(node), (Scene(node, start, span.end),))
    begins, ends = windows[HEALTHY_BEFORE].start, windows[HEALTHY_BEFORE + TROUBLE - 1].end
    scenes = (Scene(otherwise, start, begins), Scene(node, begins, ends), Scene(otherwise, ends, span.end))
    return Role(name_of(node), scenes)
