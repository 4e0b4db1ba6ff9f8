"""What a belief is, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from enigap.core.doctor.observed import Observations


class Status(StrEnum):
    """What the figures say about a belief."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    CANT_TELL = "CAN'T TELL"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number for the paragraph. The name is one of ours."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen of a belief."""

    status: Status
    seen: str
    """In words. Where nothing can be told: why not."""
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Belief:
    """Something about AWS or the agent that the product relies on."""

    id: str
    claim: str
    depends: str
    """What goes wrong where it is not so."""
    relies_on: tuple[str, ...]
    """Where in the code: dotted names of constants, functions or modules."""
    judge: Callable[[Observations], Outcome] | None = None
    to_do: str = ""
    """Where the figures contradict it."""
    reason: str = ""
    """Why no command checks it."""


def told(holds: bool, seen: str, **figures: float) -> Outcome:  # noqa: FBT001 - what the figures say
    """PASS where the belief `holds`, else FAIL."""
    named = tuple(Figure(name, value) for name, value in figures.items())
    return Outcome(Status.PASS if holds else Status.FAIL, seen, named)


def cannot_tell(why: str) -> Outcome:
    return Outcome(Status.CANT_TELL, why)


def most(flags: Sequence[bool]) -> bool:
    """Whether more than half are true: one node may be faulty, and proves nothing about AWS."""
    return 2 * sum(flags) > len(flags)
