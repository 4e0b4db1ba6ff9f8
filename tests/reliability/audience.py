"""What people know: who hears every message, and complains about any that is out of turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from enigap.core.messages import CAUSE_WORDS
from tests.reliability.services import Published


class Audience:
    """Listens to a topic."""

    def __init__(self) -> None:
        self.heard: dict[str, str] = {}
        """What people know of each incident: the last that they were told of it."""
        self.repeats = 0
        """How often people were told again what they knew."""
        self._messages = 0
        self._said: set[tuple[str, ...]] = set()
        self._since: dict[str, str] = {}

    def hears(self, published: list[Published]) -> None:
        """Everything that was ever published; what is new of it has to be in each incident's own order."""
        for message in published[self._messages :]:
            event = message.event
            fresh = [item for item in event["incidents"] if _key(event, item) not in self._said]
            self.repeats += len(fresh) < len(event["incidents"])
            for incident in fresh:
                self._said.add(_key(event, incident))
                self._hear(incident)
                likely = CAUSE_WORDS.get(incident["cause"])
                if incident["news"] != "resolved" and likely is not None:
                    assert likely.likely in incident["summary"]
                    assert likely.likely in " ".join(message.by_protocol["email"].split())
        self._messages = len(published)

    @property
    def believes_open(self) -> set[str]:
        """The incidents people think are open."""
        return {about for about, news in self.heard.items() if news != "resolved"}

    def forget(self) -> None:
        """Let go of what is over, and of all messages there were."""
        self._messages = 0
        self.heard = {about: news for about, news in self.heard.items() if news != "resolved"}
        self._since = {about: since for about, since in self._since.items() if about in self.heard}
        self._said = {key for key in self._said if without_cluster(key[0]) in self.heard}

    def _hear(self, incident: Mapping[str, Any]) -> None:
        about, news = without_cluster(incident["id"]), incident["news"]
        target, verdict = about.split("/")
        is_open = self.heard.get(about, "resolved") != "resolved"
        if news == "opened" and target == "*":
            # It takes the place of what was open of single nodes, and may be open already: then it grew.
            self.heard |= dict.fromkeys([each for each in self.heard if each.endswith(verdict)], "resolved")
        elif news == "opened":
            # Its end may have gone unheard, if it was open again before anything could be said.
            assert not is_open or incident["since"] > self._since[about], f"{about} was opened twice"
        elif news == "reminder":
            assert is_open, f"people were reminded of {about}, which they had not heard of"
        self.heard[about], self._since[about] = news, incident["since"]


def without_cluster(incident_id: str) -> str:
    return incident_id.partition("/")[2]


def _key(event: Mapping[str, Any], incident: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes a piece of news: only reminders are said more than once of an incident."""
    nth = event["window"]["end"] if incident["news"] == "reminder" else ""
    return incident["id"], incident["news"], incident["since"], nth


def lines(event: Mapping[str, Any]) -> list[str]:
    """Its news, sorted: what, about which incident, and its likely cause or why it is said."""
    return sorted(map(_line, event["incidents"]))


def _line(incident: Mapping[str, Any]) -> str:
    why = incident["why"]
    if incident["news"] == "opened" and why == "confirmed":
        why = incident["cause"] or "no likely cause"
    return f"{incident['news']} {without_cluster(incident['id'])} ({why})"
