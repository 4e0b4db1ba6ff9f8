"""Calls of FilterLogEvents: at their pace, within the budget of one look, and again when throttled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Protocol

from enigap.aws.errors import AwsProblem, ProblemKind, calling
from enigap.aws.pace import Pace
from enigap.aws.pages import items
from enigap.core.counting.evidence import MissingEvidence, NoEvidence
from enigap.core.strict import optional_text, text

_LONGEST_PAUSE_SECONDS: Final = 8.0


class Logs(Protocol):
    """What reading evidence needs of boto3's CloudWatch Logs client."""

    def filter_log_events(self, **request: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one look at nodes' devices may read."""

    pages_per_batch: int = 40
    """Pages may be empty while CloudWatch Logs searches on."""
    message_characters: int = 1_000_000_000
    """Of all events of all nodes. Calls under way when it is spent are finished."""
    pauses: int = 30
    """How often a throttled call is made again, all calls together."""
    samples: int = 2_000_000
    """Of devices and pods, in all looks of one reader together. Pages under way when it is spent are still
    kept."""
    memory_bytes: int = 600_000_000
    """That these samples take, of the function's 1,769 MB."""


class EndedError(Exception):
    """Events could not be read to the end."""

    def __init__(self, missing: MissingEvidence) -> None:
        super().__init__(missing.detail)
        self.missing = missing


def spent(detail: str) -> MissingEvidence:
    """The budget did not reach this node."""
    return MissingEvidence(NoEvidence.BUDGET_SPENT, detail)


@dataclass(slots=True)
class Spending:
    """What one look has used up of its budget."""

    samples: int
    """Kept, in the looks before it as well."""
    memory_bytes: int
    characters: int = 0
    pauses: int = 0
    lock: Lock = field(default_factory=Lock)

    def add(self, samples: int, bytes_of_each: int) -> None:
        """Samples that are kept, or fewer than none that are not kept after all."""
        with self.lock:
            self.samples += samples
            self.memory_bytes += samples * bytes_of_each


class Calls:
    """FilterLogEvents, at its pace and within the budget."""

    def __init__(
        self,
        logs: Logs,
        pace: Pace,
        budget: Budget,
        out_of_time: Callable[[], bool],
        sleep: Callable[[float], None],
    ) -> None:
        self.budget = budget
        self._logs, self._pace, self._out_of_time, self._sleep = logs, pace, out_of_time, sleep

    def make(self, request: Mapping[str, Any], spending: Spending) -> Mapping[str, Any]:
        """One page. Raises AwsProblem, and EndedError where the budget does not allow the call."""
        pause_seconds = 1.0
        while True:
            self._check(spending)
            self._pace.wait()
            # The wait may have taken what time was left.
            self._check(spending)
            try:
                with calling("logs:FilterLogEvents", self._logs):
                    page = self._logs.filter_log_events(**request)
                    events = [_event(each) for each in items(page, "events")]
                    token = optional_text(page.get("nextToken"))
                    break
            except AwsProblem as problem:
                if problem.kind is not ProblemKind.THROTTLED or spending.pauses >= self.budget.pauses:
                    raise
            with spending.lock:
                spending.pauses += 1
            self._sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        with spending.lock:
            spending.characters += sum(len(event["message"]) for event in events)
        return {"events": events, "nextToken": token}

    def _check(self, spending: Spending) -> None:
        if self._out_of_time():
            raise EndedError(spent("time ran out before its device events could be read"))
        if (
            spending.characters >= self.budget.message_characters
            or spending.samples >= self.budget.samples
            or spending.memory_bytes >= self.budget.memory_bytes
        ):
            detail = "the devices of the nodes before it used up what one run reads of the logs"
            raise EndedError(spent(detail))


def _event(event: Mapping[str, Any]) -> Mapping[str, str]:
    """Raises LookupError or TypeError for what CloudWatch Logs has no event as."""
    return {"message": text(event["message"]), "logStreamName": text(event.get("logStreamName", ""))}
