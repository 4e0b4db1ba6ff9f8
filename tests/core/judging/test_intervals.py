"""Agents that report every two to five minutes are named with their interval, once, of the cluster."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from enigap.core.counting.reading import Readings
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.intervals import long_interval, long_interval_of
from tests.fakes.readings import SPAN, steady

MINUTES = [timedelta(minutes=number) for number in range(11)]


def reported(*numbers: int) -> Readings:
    """A figure in these minutes of the fetch, and in no other."""
    rates = tuple(5e6 if number in numbers else None for number in range(SPAN.minutes))
    return replace(steady(5e6, 3e6, 2e6), os_bytes_per_second=rates)


@pytest.mark.parametrize("every", [2, 3, 4, 5])
@pytest.mark.parametrize("first", [0, 1])
def test_the_interval_is_that_of_the_figures(every: int, first: int) -> None:
    assert long_interval_of(reported(*range(first, SPAN.minutes, every))) == MINUTES[every]


def test_an_agent_whose_second_drifts_across_full_minutes_is_regular_all_the_same() -> None:
    assert long_interval_of(reported(1, 6, 10, 15, 21, 25, 30, 35)) == MINUTES[5]


@pytest.mark.parametrize(
    "numbers",
    [
        range(SPAN.minutes),
        [number for number in range(SPAN.minutes) if number not in {7, 8, 21}],
        [number for number in range(SPAN.minutes) if number % 6],
        range(0, SPAN.minutes, 6),
        (3, 8),
        (),
    ],
    ids=["every minute", "gaps", "a gap now and then", "longer than five", "too few", "none"],
)
def test_everything_else_is_no_long_interval(numbers: range) -> None:
    assert long_interval_of(reported(*numbers)) is None


@pytest.mark.parametrize("seed", range(50))
def test_an_agent_that_keeps_restarting_has_no_interval(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - the same restarts every time
    up: list[int] = []
    at = 0
    while at < SPAN.minutes:
        up += range(at, at + (length := random.randint(1, 8)))
        at += length + random.randint(2, 9)
    assert long_interval_of(reported(*up)) is None


def test_one_sentence_names_the_interval_the_nodes_and_what_to_do() -> None:
    finding = long_interval([MINUTES[5]] * 11 + [MINUTES[2]], 14)
    assert finding is not None
    assert finding.kind is FindingKind.LONG_INTERVAL
    assert finding.reason == (
        "The agents of 12 of 14 nodes report every 5 min (some every 2 min), and a window is judged by a "
        "figure of every minute, so these nodes cannot be judged: set `metrics_collection_interval` to 60 in "
        "the agent's configuration."
    )
    assert long_interval([], 14) is None
