"""The chart of a node: both sides over hours or days, with what counting explains between them, as SVG.

Vega-Lite draws it, by `vl-convert`, when a page is made: no code of it gets onto the page. What it draws has
no `style` attribute, which the page's policy would forbid, and takes the colour of text from the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import vl_convert

from enigap.core.counting.reading import Readings
from enigap.core.counting.traffic import explained_up_to
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import GRID, MINUTE, PERIOD, Window
from enigap.core.text import duration

_STEPS: Final = (PERIOD, GRID, timedelta(hours=1), timedelta(hours=3))
_MOST_POINTS: Final = 300

_WIDTH: Final = 420
_HEIGHT: Final = 150
_OS_COLOUR: Final = "currentColor"
_ENI_COLOUR: Final = "#2b8cc4"
_BAND_COLOUR: Final = "#56b4e9"


@dataclass(frozen=True, slots=True)
class Point:
    """Both sides, averaged over a step; None where nothing was reported."""

    start: datetime
    os: ByteRate | None
    eni: ByteRate | None


@dataclass(frozen=True, slots=True)
class Course:
    """Both sides of a node over time."""

    step: timedelta
    points: tuple[Point, ...]

    @property
    def is_empty(self) -> bool:
        return all(point.os is None and point.eni is None for point in self.points)


def course_of(readings: Readings, start: datetime, end: datetime) -> Course:
    """Both sides from `start` to `end`, which are quarters of an hour within the readings' span."""
    step = next((step for step in _STEPS if (end - start) / step <= _MOST_POINTS), _STEPS[-1])
    return Course(step, tuple(_points(readings, start, end, step)))


def _points(readings: Readings, start: datetime, end: datetime, step: timedelta) -> Iterator[Point]:
    while start < end:
        after = min(start + step, end)
        first = (start - readings.span.start) // PERIOD
        periods = range(first, first + math.ceil((after - start) / PERIOD))
        totals = [(readings.network_in_bytes[i], readings.network_out_bytes[i]) for i in periods]
        sums = [came + went for came, went in totals if came is not None and went is not None]
        eni = _mean(sums)
        yield Point(
            start,
            _rate(_mean([rate for rate in readings.os_minutes(start, after - MINUTE) if rate is not None])),
            None if eni is None else ByteRate.from_total(eni, PERIOD),
        )
        start = after


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rate(value: float | None) -> ByteRate | None:
    return None if value is None else ByteRate(value)


def chart_of(course: Course, window: Window, counts_per_byte: int) -> str:
    """The SVG: the OS as a line, the ENIs as a dashed one, the explained band, and the judged window.

    The band reaches from what the ENIs carried to what the OS may count of it at most.
    """
    spec = spec_of(course, window, counts_per_byte)
    return str(vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE, allowed_base_urls=[]))


def spec_of(course: Course, window: Window, counts_per_byte: int) -> dict[str, Any]:
    """The chart as Vega-Lite has it described."""
    rates = [rate for point in course.points for rate in (point.os, point.eni) if rate is not None]
    step, unit = max(rates, default=ZERO).scale
    return _spec([_row(point, step, counts_per_byte) for point in course.points], unit, course, window)


_VEGA_LITE: Final = "v6.4"


def _row(point: Point, step: float, counts_per_byte: int) -> dict[str, float | None]:
    most = None if point.eni is None else explained_up_to(point.eni, counts_per_byte)
    values = {"os": point.os, "eni": point.eni, "most": most}
    row: dict[str, float | None] = {"at": _milliseconds(point.start)}
    return row | {key: None if rate is None else rate.bytes_per_second / step for key, rate in values.items()}


def _milliseconds(instant: datetime) -> float:
    return instant.timestamp() * 1000


def _spec(rows: Sequence[dict[str, Any]], unit: str, course: Course, window: Window) -> dict[str, Any]:
    hours = len(rows) * course.step / timedelta(hours=1)
    judged = {"from": _milliseconds(window.start), "to": _milliseconds(window.end)}
    time = {"axis": {"format": "%H:%M" if hours <= 26 else "%d %b", "tickCount": 6}, "title": None}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": _WIDTH,
        "height": _HEIGHT,
        "background": None,
        "data": {"values": rows},
        "encoding": {"x": {"field": "at", "type": "temporal", "scale": {"type": "utc"}} | time},
        "layer": [
            {
                "data": {"values": [judged]},
                "mark": {"type": "rect", "color": "currentColor", "opacity": 0.12},
                "encoding": {
                    "x": {"field": "from", "type": "temporal", "scale": {"type": "utc"}} | time,
                    "x2": {"field": "to"},
                },
            },
            {
                "mark": {"type": "area", "color": _BAND_COLOUR, "opacity": 0.3},
                "encoding": {"y": _side("eni", unit), "y2": {"field": "most"}},
            },
            {
                "mark": {"type": "line", "color": _ENI_COLOUR, "strokeDash": [6, 3]},
                "encoding": {"y": _side("eni", unit)},
            },
            {
                "mark": {"type": "line", "color": _OS_COLOUR, "strokeWidth": 2},
                "encoding": {"y": _side("os", unit)},
            },
        ],
        "config": _CONFIG,
    }


def _side(field: str, unit: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": unit}


_CONFIG: Final = {
    "aria": False,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    # Points that are missing are gaps of the line, and no zeros.
    "line": {"invalid": "break-paths-show-domains"},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "gridColor": "currentColor",
        "domainColor": "currentColor",
        "tickColor": "currentColor",
        "gridOpacity": 0.12,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleY": -8,
    },
    "axisX": {"grid": False, "titleAngle": 0},
}


def in_words(course: Course) -> str:
    """What the chart shows, for people who do not see it."""
    first, last = course.points[0].start, course.points[-1].start + course.step
    span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    os = _range("the OS", [point.os for point in course.points])
    eni = _range("the network interfaces", [point.eni for point in course.points])
    return f"Averages of {duration(course.step)}, {span}: {os}, {eni}."


def _range(name: str, rates: Sequence[ByteRate | None]) -> str:
    known = [rate for rate in rates if rate is not None]
    return f"{name} {min(known)} to {max(known)}" if known else f"{name} without a figure"
