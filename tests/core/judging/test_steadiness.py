"""Whether an agent keeps restarting, minute by minute."""

from dataclasses import replace
from datetime import timedelta

import pytest

from enigap.core.counting.evidence import DeviceEvents, MissingEvidence, NoEvidence
from enigap.core.counting.reading import Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.window import MINUTE
from enigap.core.judging.judge import judge_windows
from enigap.core.judging.verdict import Cause, Judgement, Verdict
from tests.fakes.readings import NODE, SPAN, WINDOW, events, steady

WINDOWS = (WINDOW, WINDOW.previous())
DENIED = MissingEvidence(NoEvidence.DENIED, "reading its log group is denied")


def seen(pattern: str, of: Readings | None = None) -> Readings:
    """A total in the minutes that the pattern, over and over, has an x for."""
    readings = of or steady(4e6, 1e6, 1e6)
    rates = tuple(
        rate if pattern[number % len(pattern)] == "x" else None
        for number, rate in enumerate(readings.os_bytes_per_second)
    )
    return replace(readings, os_bytes_per_second=rates)


def judged(readings: Readings, devices: DeviceEvents | MissingEvidence | None = None) -> list[Judgement]:
    return judge_windows(NODE, readings, devices, WINDOWS, Rules())


@pytest.mark.parametrize("pattern", ["xxx..", "xxxx..xx.", "xx..xxx..xxx.", "xx.x.xx..x.xxx."])
def test_a_total_that_stops_and_starts_at_odd_times_is_unsteady_in_both_windows(pattern: str) -> None:
    found = judged(seen(pattern))
    assert [each.verdict for each in found] == [Verdict.OS_UNSTEADY] * 2
    assert [each.explained for each in found] == [False] * 2
    assert found[0].cause is Cause.AGENT_DOWN
    assert found[0].eni is not None
    assert (found[0].os, found[0].ratio, found[0].unexplained) == (None, None, None)


@pytest.mark.parametrize("pattern", ["x.", "x..", "x...", "x....", ".x", "...x"])
def test_a_regular_interval_of_minutes_is_not(pattern: str) -> None:
    assert {each.verdict for each in judged(seen(pattern))} == {Verdict.PARTIAL}


@pytest.mark.parametrize("missing", [range(12, 26), range(8, 22), (*range(10, 16), *range(22, 26))])
def test_one_outage_or_two_are_not(missing: range) -> None:
    readings = steady(4e6, 1e6, 1e6)
    rates = [None if n in missing else rate for n, rate in enumerate(readings.os_bytes_per_second)]
    found = judged(replace(readings, os_bytes_per_second=tuple(rates)))
    assert Verdict.OS_UNSTEADY not in {each.verdict for each in found}


def test_it_takes_an_ec2_that_reports() -> None:
    readings = seen("xxx..")
    growing = (5.0,) * 5 + (3.0,) * 3
    assert judged(replace(readings, network_in_samples=growing))[0].verdict is Verdict.PARTIAL


def test_an_agent_whose_events_go_on_does_not_restart() -> None:
    assert judged(seen("xxx.."), events({"eth0": (1e6, 1e6)}))[0].verdict is Verdict.PARTIAL


def test_events_that_stop_with_the_total_show_that_it_does() -> None:
    every = events({"eth0": (1e6, 1e6)}).samples
    away = {SPAN.start + n * MINUTE for n in range(SPAN.minutes) if n % 5 in {3, 4}}
    rest = tuple(s for s in every if s.at - timedelta(seconds=37) not in away)
    assert judged(seen("xxx.."), DeviceEvents(rest))[0].verdict is Verdict.OS_UNSTEADY


def test_without_events_a_gap_of_one_minute_may_be_a_label_and_proves_nothing() -> None:
    assert judged(seen("xxx.xx.x."), DENIED)[0].verdict is Verdict.PARTIAL
    assert judged(seen("xxx..xx.."), DENIED)[0].verdict is Verdict.OS_UNSTEADY
