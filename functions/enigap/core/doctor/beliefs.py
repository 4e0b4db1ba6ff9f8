"""All beliefs by area, and what an account says about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from enigap.core.doctor import deployed, device_log, ec2_side, os_side, otel_side, over_a_day, unchecked
from enigap.core.doctor.belief import Belief, Outcome, Status
from enigap.core.doctor.observed import NotSeen, Observations
from enigap.core.text import count

AREAS: Final = {
    "EC2's metrics": (*ec2_side.BELIEFS, *over_a_day.BELIEFS),
    "Container Insights' metric": os_side.BELIEFS,
    "The agent's device events": device_log.BELIEFS,
    "OpenTelemetry's counters": otel_side.BELIEFS,
    "What is deployed": deployed.BELIEFS,
    "Not checked": unchecked.BELIEFS,
}
CHECKS: Final = tuple(belief for area in AREAS.values() for belief in area if belief.judge)

NEXT_TO_NOTHING: Final = 1e-6

Judged = tuple[Belief, Outcome]


def diagnose(o: Observations) -> list[Judged]:
    """Each belief that can be checked, with what was seen of it."""
    return [(belief, belief.judge(o)) for belief in CHECKS if belief.judge]


def exit_status(o: Observations, judged: Sequence[Judged]) -> int:
    """1 if a belief is contradicted; else 2 if AWS refused what `enigap policy` allows, or nothing could be
    told; else 0."""
    statuses = {outcome.status for _, outcome in judged}
    if Status.FAIL in statuses:
        return 1
    refused = any(each.was_refused for each in _not_seen(o))
    return 2 if refused or statuses == {Status.CANT_TELL} else 0


def _not_seen(o: Observations) -> Iterator[NotSeen]:
    values = [getattr(o, name) for name in o.__dataclass_fields__]
    for node in o.nodes:
        values += [getattr(node, name) for name in node.__dataclass_fields__]
    yield from (value for value in values if isinstance(value, NotSeen))


def paragraph(o: Observations, judged: Sequence[Judged]) -> str:
    """Figures to paste into a report: two digits each, and no word that comes from the account."""
    statuses = Counter(outcome.status for _, outcome in judged)
    counts = ", ".join(f"{status.value} {statuses[status]}" for status in Status)
    parts = [f"enigap doctor on {count(len(o.nodes), 'node')}: {counts}."]
    for belief, outcome in judged:
        figures = " ".join(f"{each.name}={_two_digits(each.value)}" for each in outcome.figures)
        if outcome.status is Status.FAIL:
            parts.append(f"{belief.id} FAIL {figures}".rstrip() + ";")
        elif figures:
            parts.append(f"{belief.id} {figures};")
    return " ".join(parts).removesuffix(";") + "."


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}" if abs(value) >= NEXT_TO_NOTHING else "0"
