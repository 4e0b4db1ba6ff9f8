"""Which way suspects' devices are read, by how many there are and what there is to spend."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.evidence_plan import (
    SCANNED_BYTES_PER_RUN,
    Means,
    Plan,
    Way,
    monthly_gigabytes,
    plan,
    queried_in,
    scanned_bytes,
    streams_in,
)

SPAN = timedelta(minutes=44)
EACH = scanned_bytes(1, SPAN)


@pytest.mark.parametrize(
    ("suspects", "seconds", "way", "nodes"),
    [
        (0, 240, Way.STREAMS, 0),
        (1, 240, Way.STREAMS, 1),
        (200, 240, Way.STREAMS, 200),
        (480, 240, Way.STREAMS, 480),
        (481, 240, Way.QUERIES, 481),
        (200, 60, Way.QUERIES, 200),
        (200, 10, Way.STREAMS, 20),
        (2_000, 16, Way.QUERIES, 600),
        (10_000, float("inf"), Way.STREAMS, 10_000),
        (10_000, 240, Way.QUERIES, 3_787),
        (200, 0, Way.STREAMS, 0),
        (200, -5, Way.STREAMS, 0),
    ],
)
def test_streams_while_they_reach_everybody_and_queries_where_these_reach_more(
    suspects: int, seconds: float, way: Way, nodes: int
) -> None:
    found = plan(suspects, Means(seconds), SPAN)
    assert (found.way, found.nodes) == (way, nodes)


def test_without_a_budget_for_scanning_there_are_no_queries() -> None:
    assert plan(1_000, Means(60.0, scanned_bytes=0.0), SPAN) == Plan(Way.STREAMS, 120)


def test_a_budget_too_small_to_reach_more_than_streams_do_is_not_spent() -> None:
    assert plan(1_000, Means(60.0, scanned_bytes=120 * EACH), SPAN).way is Way.STREAMS
    assert plan(1_000, Means(60.0, scanned_bytes=121 * EACH), SPAN) == Plan(Way.QUERIES, 121, 121 * EACH)


def test_a_plan_says_what_is_scanned() -> None:
    assert plan(1_000, Means(60.0), SPAN).scanned_bytes == pytest.approx(1_000 * 44 * 300_000)


@given(
    suspects=st.integers(0, 200_000),
    seconds=st.floats(-1, 1e9),
    budget=st.floats(0, 1e13),
    minutes=st.integers(24, 200),
)
def test_a_plan_never_reaches_beyond_its_means(
    suspects: int, seconds: float, budget: float, minutes: int
) -> None:
    span = timedelta(minutes=minutes)
    found = plan(suspects, Means(seconds, budget), span)
    assert 0 <= found.nodes <= suspects
    assert found.scanned_bytes <= budget
    match found.way:
        case Way.STREAMS:
            assert found.nodes <= streams_in(seconds)
            assert found.scanned_bytes == 0
        case Way.QUERIES:
            assert streams_in(seconds) < found.nodes <= queried_in(seconds)


@given(suspects=st.integers(0, 20_000), seconds=st.floats(0, 1_000), more=st.floats(0, 1_000))
def test_more_time_never_reaches_fewer(suspects: int, seconds: float, more: float) -> None:
    assert plan(suspects, Means(seconds), SPAN).nodes <= plan(suspects, Means(seconds + more), SPAN).nodes


def test_what_a_month_scans_is_what_each_run_is_expected_to() -> None:
    each_run = plan(1_000, Means(180.0), SPAN)
    assert each_run.way is Way.QUERIES
    assert monthly_gigabytes(1_000, 2_880) == pytest.approx(2_880 * each_run.scanned_bytes / 1e9)
    assert monthly_gigabytes(200, 2_880) == 0
    assert monthly_gigabytes(100_000, 2_880) <= 2_880 * SCANNED_BYTES_PER_RUN / 1e9
