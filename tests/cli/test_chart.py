"""The chart of a node: both sides over time, drawn when the page is made."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest

from enigap.cli.arguments import UsageError
from enigap.cli.chart import Course, Point, chart_of, course_of, in_words
from enigap.cli.report import span_of_charts
from enigap.core.counting.reading import Readings
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import PERIOD, FetchSpan
from tests.fakes.readings import WINDOW, steady, without_os


def readings(hours: int, os: float | None = 8e6) -> Readings:
    span = FetchSpan(WINDOW.end - timedelta(hours=hours) - PERIOD, WINDOW.end + PERIOD)
    return steady(os, 1e6, 3e6, span=span)


def course(it: Readings) -> Course:
    return course_of(it, it.span.start + PERIOD, it.span.end - PERIOD)


@pytest.mark.parametrize(
    ("hours", "minutes"), [(1, 5), (6, 5), (24, 5), (48, 15), (7 * 24, 60), (14 * 24, 180)]
)
def test_the_longer_the_time_the_longer_the_steps(hours: int, minutes: int) -> None:
    it = course(readings(hours))
    assert it.step == timedelta(minutes=minutes)
    assert len(it.points) == hours * 60 // minutes <= 300
    assert {(point.os, point.eni) for point in it.points} == {(ByteRate(8e6), ByteRate(4e6))}


def test_what_was_not_reported_is_a_gap_and_no_zero() -> None:
    it = course(without_os(readings(1), WINDOW.start, 10))
    assert [point.os for point in it.points[-3:]] == [None, None, ByteRate(8e6)]
    whole, torn = (ET.fromstring(chart_of(each, WINDOW, 2)) for each in (course(readings(1)), it))  # noqa: S314

    def strokes(root: ET.Element) -> int:
        lines = [
            p.get("d", "")
            for p in root.iter("{http://www.w3.org/2000/svg}path")
            if p.get("stroke-width") == "2"
        ]
        return sum(len(re.findall("M", line)) for line in lines)

    assert strokes(torn) > strokes(whole) - 1
    assert not course(readings(1, os=None)).is_empty


def test_it_needs_nothing_from_elsewhere_and_no_style() -> None:
    text = chart_of(course(readings(6)), WINDOW, 2)
    assert not re.search(r"style=|<style|<script|<image|font-face|href", text)
    assert "MB/s" in text


@pytest.mark.parametrize(("rate", "unit"), [(5e2, "B/s"), (5e4, "kB/s"), (5e9, "GB/s"), (3e17, "PB/s")])
def test_the_axis_names_the_unit(rate: float, unit: str) -> None:
    it = Course(PERIOD, (Point(WINDOW.start, ByteRate(rate), None), Point(WINDOW.end, ByteRate(rate), None)))
    assert f">{unit}<" in chart_of(it, WINDOW, 2)


def test_in_words_it_says_the_span_and_both_ranges() -> None:
    assert in_words(course(readings(6))) == (
        "Averages of 5 min, 2026-01-01 08:30 to 2026-01-01 14:30 UTC: the OS 8 MB/s to 8 MB/s, "
        "the network interfaces 4 MB/s to 4 MB/s."
    )


NOW = WINDOW.end + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("days", "age", "shown"),
    [
        (None, timedelta(0), timedelta(hours=6)),
        (None, timedelta(days=14, hours=23), timedelta(minutes=30)),
        (2, timedelta(0), timedelta(days=2)),
        (14, timedelta(hours=20), timedelta(days=14)),
    ],
)
def test_charts_reach_as_far_back_as_is_asked_for_or_as_minutes_are_kept(
    days: int | None, age: timedelta, shown: timedelta
) -> None:
    span = span_of_charts(WINDOW.end, days, timedelta(hours=6), NOW + age)
    assert span.end - span.start - 2 * PERIOD == shown
    assert span.start > NOW + age - timedelta(days=15)


def test_more_days_than_minutes_are_kept_for_are_refused() -> None:
    with pytest.raises(UsageError, match="--days 14 reaches back too far"):
        span_of_charts(WINDOW.end, 14, timedelta(hours=6), NOW + timedelta(days=2))
