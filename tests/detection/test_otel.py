"""The same lives, as the classic Container Insights and the OpenTelemetry one publish them, judged alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from random import Random
from typing import Final

import pytest

from enigap.assessment import Looking, Sources, assess
from enigap.core.counting.reading import Readings, complete_periods, measure
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import GRID, PERIODS_PER_WINDOW, FetchSpan
from enigap.core.judging.cluster import NodeReport
from enigap.core.judging.verdict import Verdict
from tests.detection.judging import DEFAULTS, RULES, Lived
from tests.fakes.detection_runs import HEALTHY
from tests.fakes.node_life import Mishap, Mix, NodeLife, Pattern, Wrong
from tests.fakes.otel_ports import otel_ports, series_of_life
from tests.fakes.promql import Stored

LIVES: Final = 150
HOURS: Final = 1.6
FAULTS: Final = frozenset({Verdict.OS_DEFICIT, Verdict.OS_EXCESS})
EXPLAINED: Final = frozenset({Verdict.AGREE, Verdict.POD_EDGE, Verdict.NODE_LOCAL})
LOOKING: Final = Looking(DEFAULTS.evidence, timedelta(hours=1), DEFAULTS.evidence_max_nodes)


@dataclass(frozen=True)
class Both:
    """One life's newest window, judged from either source."""

    life: NodeLife
    classic: NodeReport | None
    otel: NodeReport | None
    """None where the cluster has a finding in place of nodes."""
    read: Readings
    """By OpenTelemetry."""

    @property
    def verdicts(self) -> tuple[Verdict | None, Verdict | None]:
        return tuple(each and each.newest.verdict for each in (self.classic, self.otel))  # type: ignore[return-value]


def drawn(seed: int) -> NodeLife:
    random = Random(seed)  # noqa: S311
    kinds = [Wrong.DEFICIT, Wrong.EXCESS, Wrong.MOVED]
    mishap = Mishap(random.choice(kinds), random.uniform(0.1, 0.6)) if random.random() < 0.4 else None
    return NodeLife.drawn(
        seed,
        pattern=random.choice(list(Pattern)),
        mix=random.choice(list(Mix)),
        hours=HOURS,
        ways=HEALTHY[random.choice(list(HEALTHY))](random),
        mishap=mishap,
    )


@cache
def lives() -> tuple[Both, ...]:
    return tuple(map(judged, range(LIVES)))


def two_anchors(life: NodeLife) -> Iterable[Stored]:
    return series_of_life(life, anchors=("cloudwatch-agent", "aws-node"))


def judged(seed: int) -> Both:
    life = drawn(seed)
    node = life.simulated.node
    of = {node.instance_id: life}
    window = list(life.windows())[-1]
    lived, (totals, devices) = Lived(of), otel_ports(of, two_anchors)
    reports = [
        assess(node.cluster, [node], window, RULES, sources, LOOKING).nodes
        for sources in (Sources(lived, lived), Sources(totals, devices))
    ]
    [(_, read)] = totals.totals([node], FetchSpan.of(window, RULES.windows_fetched))
    assert isinstance(read, Readings)
    classic, otel = (each[0] if each else None for each in reports)
    return Both(life, classic, otel, read)


def test_no_verdict_is_the_opposite_of_the_other() -> None:
    assert [each.life.seed for each in lives() if set(each.verdicts) >= FAULTS] == []


def test_no_fault_is_found_where_there_is_none() -> None:
    healthy = [each for each in lives() if each.life.mishap is None]
    assert len(healthy) > LIVES / 2
    assert [each.life.seed for each in healthy if FAULTS.intersection(each.verdicts)] == []


def test_where_one_explains_what_the_other_accuses_it_is_the_classic_metric_that_cannot_tell() -> None:
    """Of faults that are there: it bounds a window less closely, from readings once a minute."""
    differ = [
        each
        for each in lives()
        if FAULTS.intersection(each.verdicts) and EXPLAINED.intersection(each.verdicts)
    ]
    assert [
        each.life.seed for each in differ if each.verdicts[0] not in EXPLAINED or each.life.mishap is None
    ] == []


def test_most_verdicts_are_the_same() -> None:
    different = [each.verdicts for each in lives() if len(set(each.verdicts)) > 1]
    assert len(different) < LIVES * 0.15


@pytest.mark.parametrize("wrong", [Wrong.DEFICIT, Wrong.EXCESS, Wrong.MOVED])
def test_the_counters_show_every_fault_that_the_classic_metric_shows(wrong: Wrong) -> None:
    faulty = [each for each in lives() if each.life.mishap and each.life.mishap.wrong is wrong]
    shown = [each for each in faulty if each.verdicts[0] in FAULTS]
    assert shown
    assert [each.life.seed for each in shown if each.verdicts[1] not in FAULTS] == []


def test_the_interval_holds_what_the_devices_counted() -> None:
    outside = []
    for each in lives():
        window = each.otel.newest.window if each.otel else None
        if window is None or each.life.mishap or each.life.simulated.faults:
            continue  # What a device counts before it is removed is in no figure.
        periods = complete_periods(each.read, window)
        if len(periods) < PERIODS_PER_WINDOW:
            continue
        os = measure(each.read, periods).os
        truth = ByteRate(each.life.simulated.counted(window.start, window.end) / GRID.total_seconds())
        if not os.low <= truth <= os.high:
            outside.append((each.life.seed, os, truth))
    assert outside == []
