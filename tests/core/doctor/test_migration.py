"""When two sources of one node say the same, and what is to be done then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import FetchSpan, Window
from enigap.core.doctor.migration import (
    WINDOWS,
    Contrast,
    NodeCompared,
    by_cluster,
    compare,
    exit_status,
    next_step,
    stretches,
)
from enigap.core.doctor.usages import Usages
from enigap.core.judging.verdict import Verdict
from tests.core.doctor.worlds import WINDOW
from tests.fakes.node_life import Mix, NodeLife, Pattern

pytest.importorskip("promql_parser", reason="what the functions have reads no PromQL")
from tests.fakes.otel_ports import otel_ports

HOURS = 5
PATTERNS = (Pattern.EVEN, Pattern.WILD, Pattern.CRON_5, Pattern.CRON_15, Pattern.HEAVY)


@cache
def lives() -> Sequence[tuple[Readings, Readings, Sequence[Window]]]:
    """Healthy nodes by both sources."""
    found = []
    for seed, pattern in enumerate(PATTERNS):
        life = NodeLife.drawn(seed, pattern=pattern, mix=Mix.MIXED, hours=HOURS)
        newest = list(life.windows())[-1]
        windows = [newest.previous(number) for number in range(16)]
        span = FetchSpan.of(newest, len(windows))
        totals, _ = otel_ports({life.simulated.node.instance_id: life})
        [(_, otel)] = totals.totals([life.simulated.node], span)
        assert isinstance(otel, Readings)
        found.append((life.readings(span), otel, windows))
    return found


def test_both_sources_of_a_healthy_node_agree_whatever_its_traffic_is_like() -> None:
    for classic, otel, windows in lives():
        hours = stretches(classic, otel, windows)
        assert sum((hour.end - hour.start).total_seconds() for hour in hours) > 2 * 3600
        assert [hour for hour in hours if hour.beyond > 0] == []


def test_what_one_source_lacks_is_found_where_traffic_is_not_all_bursts() -> None:
    classic, otel, windows = lives()[0]
    less = replace(
        classic,
        os_bytes_per_second=tuple(rate and 0.85 * rate for rate in classic.os_bytes_per_second),
    )
    assert all(hour.beyond > 0 for hour in stretches(less, otel, windows))


@pytest.mark.parametrize(
    ("one", "other", "contrast"),
    [
        (Verdict.AGREE, Verdict.OS_DEFICIT, Contrast.OPPOSITE),
        (Verdict.OS_EXCESS, Verdict.OS_DEFICIT, Contrast.OPPOSITE),
        (Verdict.PARTIAL, Verdict.OS_EXCESS, Contrast.ONE_ACCUSES),
        (Verdict.OS_SILENT, Verdict.IMPLAUSIBLE, Contrast.ONE_ACCUSES),
        (Verdict.OS_UNSTEADY, Verdict.AGREE, Contrast.ONE_CANNOT_TELL),
        (Verdict.UNVERIFIED, Verdict.POD_EDGE, Contrast.ONE_CANNOT_TELL),
        (Verdict.AGREE, Verdict.POD_EDGE, Contrast.OTHER_WORDS),
        (Verdict.PARTIAL, Verdict.OS_SILENT, Contrast.OTHER_WORDS),
    ],
)
def test_verdicts_differ_in_one_of_four_ways(one: Verdict, other: Verdict, contrast: Contrast) -> None:
    assert Contrast.of(one, other) is Contrast.of(other, one) is contrast


def node(name: str, cluster: str = "prod", *, is_windows: bool = False) -> Node:
    return Node(cluster, name, f"{name}.internal", is_windows=is_windows)


def fine(name: str, cluster: str = "prod", *, is_windows: bool = False) -> NodeCompared:
    """A node of which both have all windows."""
    classic, otel, windows = lives()[0]
    return NodeCompared(
        node(name, cluster, is_windows=is_windows),
        WINDOWS,
        WINDOWS,
        0 if is_windows else WINDOWS,
        hours=() if is_windows else tuple(stretches(classic, otel, windows)),
        whole=tuple(stretches(classic, otel, windows)),
    )


def test_a_node_that_could_not_be_read_is_not_compared() -> None:
    compared = compare(node("i-1"), Unreadable("it was throttled"), Unreadable("no"), WINDOW, Rules())
    assert (compared.why_not, compared.is_equivalent) == ("it was throttled", None)
    assert exit_status(by_cluster([compared])) == 2


def test_the_cluster_with_most_that_differs_comes_first() -> None:
    hours = tuple(replace(hour, otel_bytes=3 * hour.classic_bytes) for hour in fine("i-1").hours)
    wrong = replace(fine("i-2", "b"), hours=hours)
    clusters = by_cluster([fine("i-1", "a"), fine("i-3", "b"), wrong])
    assert [(each.cluster, each.nodes[0].node.instance_id) for each in clusters] == [
        ("b", "i-2"),
        ("a", "i-1"),
    ]
    assert exit_status(clusters) == 1
    assert "look at i-2 first" in next_step(clusters, Usages())


@pytest.mark.parametrize(
    ("nodes", "usages", "said"),
    [
        ([fine], Usages(), "set containerInsights.enabled to false"),
        ([fine], Usages(not_seen=("AWS denied cloudwatch:DescribeAlarms",)), "Have everything read"),
        ([fine, lambda _: fine("i-9", is_windows=True)], Usages(), "on for 1 node on Windows"),
        ([lambda _: replace(fine("i-1"), otel_windows=9)], Usages(), "Look at the cloudwatch-agent of i-1"),
    ],
)
def test_one_step_is_next(nodes: Sequence[object], usages: Usages, said: str) -> None:
    compared = [make("i-1") for make in nodes]  # type: ignore[operator]
    assert said in next_step(by_cluster(compared), usages)
