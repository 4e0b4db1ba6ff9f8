"""The work item: one cluster and one window to judge, the body of a message in the work queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enigap.core.counting.window import Window
from enigap.core.documents import (
    Document,
)
from enigap.core.instants import instant, timestamp

WORK_SCHEMA: Final = "enigap.work/1"


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One cluster and one window to judge."""

    account: str
    region: str
    cluster: str
    window: Window

    def document(self) -> Document:
        return {
            "schema": WORK_SCHEMA,
            "account": self.account,
            "region": self.region,
            "cluster": self.cluster,
            "window_end": timestamp(self.window.end),
        }

    @classmethod
    def from_json(cls, text: str) -> WorkItem:
        """Parse a message's body. Raises ValueError if it is not a work item."""
        try:
            document = json.loads(text)
        except RecursionError:
            raise ValueError("a work item is not that deep") from None
        if not isinstance(document, Mapping) or document.get("schema") != WORK_SCHEMA:
            raise ValueError(f"a work item has the schema {WORK_SCHEMA!r}")
        texts = [document.get(name) for name in ("account", "region", "cluster")]
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError("a work item names an account, a region and a cluster")
        try:
            window = Window(instant(document.get("window_end")))
        except TypeError as error:
            raise ValueError(str(error)) from error
        account, region, cluster = texts
        return cls(str(account), str(region), str(cluster), window)
