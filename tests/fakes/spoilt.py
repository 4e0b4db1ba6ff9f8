"""What others write, or what became of it: any JSON at all, and true documents with something amiss."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import strategies as st

from enigap.core.documents import Document
from enigap.core.incidents.state import SCHEMA
from tests.fakes.news import HOSTILE_NAMES

NUMBERS = st.sampled_from(
    [0, -1, -1e300, 1e300, 1.7e308, 10**400, 10**4200, 5e-324, math.nan, math.inf, -math.inf, True]
)
NAMES = st.sampled_from(HOSTILE_NAMES) | st.text(max_size=12)
ANYTHING = st.recursive(
    st.none() | NUMBERS | st.integers() | st.floats() | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)

STATE: Document = {
    "schema": SCHEMA,
    "cluster": "prod",
    "done": "2026-01-15T11:45:00Z",
    "nodes": 3,
    "seen_collecting": True,
    "unreadable_runs": 0,
    "incidents": [],
    "outbox": [],
}
"""The state of a cluster, as it is stored."""


@st.composite
def spoilt(draw: st.DrawFn, documents: st.SearchStrategy[Document]) -> Document:
    """A true document in which up to three values, anywhere, are replaced or gone."""
    document: Document = json.loads(json.dumps(draw(documents)))
    for _ in range(draw(st.integers(1, 3))):
        at: Any = document
        while at:
            key = draw(st.sampled_from(sorted(at)) if isinstance(at, dict) else st.integers(0, len(at) - 1))
            if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
                at = at[key]
                continue
            if draw(st.booleans()):
                at[key] = draw(ANYTHING)
            else:
                del at[key]
            break
    return document
