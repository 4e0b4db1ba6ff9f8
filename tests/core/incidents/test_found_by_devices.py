"""How an incident that devices found goes on and ends: by what later looks see, and by what they exclude."""

from dataclasses import replace
from datetime import timedelta

from enigap.core.counting.comparison import Accumulated, Excluded, Sign, Violation
from enigap.core.counting.track import Direction
from enigap.core.counting.units import ByteRate
from enigap.core.incidents.decide import decide
from enigap.core.incidents.incident import ClusterState, NewsReason, Policy
from enigap.core.judging.cluster import ClusterReport, NodeReport
from enigap.core.judging.verdict import Verdict
from tests.fakes.pipeline_ports import CLUSTER, judgement, report_of, window

HOUR = timedelta(hours=1)
RATE = 10e6
RECEIVED, SENT = Direction.RECEIVED, Direction.SENT


def looked(
    number: int,
    *violations: Violation,
    excluded: tuple[Excluded, ...] = (),
    comparable: timedelta = 6 * HOUR,
) -> ClusterReport:
    """One node's report of a window in which its devices were looked at."""
    end = window(number).end
    accumulated = Accumulated(violations, (), excluded, end - comparable, end, end)
    verdict = Verdict.OS_DEFICIT if violations else Verdict.AGREE
    told = replace(
        judgement("i-1", window(number), verdict),
        accumulated=accumulated,
        comparison=violations[0] if violations else None,
    )
    report = report_of(window(number), {"i-1": (verdict, verdict)})
    return replace(report, nodes=(NodeReport.of(told, (verdict,)),))


def violation(number: int, direction: Direction = SENT, share: float = 1.0) -> Violation:
    """Over the hour up to a window's end."""
    end = window(number).end
    missing = share * RATE * HOUR.total_seconds()
    return Violation(
        direction, Sign.DEFICIT, end - HOUR, end, missing, missing, 2 * missing, with_packets=True
    )


def excludes(number: int, direction: Direction, rate: float) -> Excluded:
    """Over the hour up to a window's end."""
    return Excluded(direction, Sign.DEFICIT, window(number).end - HOUR, ByteRate(rate))


def after(*reports: ClusterReport) -> ClusterState:
    state = ClusterState(CLUSTER)
    for report in reports:
        state = decide(replace(state, outbox=()), report, Policy(), (), report.window.end + HOUR / 6)
    return state


def test_it_resolves_once_an_hour_after_it_excludes_half_of_it() -> None:
    over = looked(5, excluded=(excludes(5, SENT, 0.4 * RATE),))
    state = after(looked(0, violation(0)), over)
    assert not state.incidents
    assert [news.why for news in state.outbox] == [NewsReason.EXPLAINED_AGAIN]
    less = looked(5, excluded=(excludes(5, SENT, 0.6 * RATE),))
    assert after(looked(0, violation(0)), less).incidents


def test_what_is_seen_in_the_other_direction_has_to_be_excluded_there() -> None:
    seen = (looked(0, violation(0)), looked(1, violation(1, RECEIVED)))
    assert after(*seen, looked(6, excluded=(excludes(6, SENT, 0.0),))).incidents
    assert not after(*seen, looked(6, excluded=(excludes(6, RECEIVED, 0.0),))).incidents


def test_less_traffic_with_the_same_fault_is_no_end_of_it() -> None:
    seen = (looked(0, violation(0)), looked(1, violation(1, share=0.3)))
    assert after(*seen, looked(6, excluded=(excludes(6, SENT, 0.4 * RATE),))).incidents
    assert not after(*seen, looked(6, excluded=(excludes(6, SENT, 0.1 * RATE),))).incidents


def test_what_was_not_seen_for_the_look_back_is_over_but_not_by_looks_too_short_to_see_it() -> None:
    assert not after(looked(0, violation(0)), looked(24)).incidents
    assert after(looked(0, violation(0)), looked(24, comparable=HOUR / 2)).incidents
    assert after(looked(0, violation(0)), looked(23)).incidents
