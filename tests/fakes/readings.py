"""Readings and device events made by hand, for tests that are about one rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from enigap.core.counting.evidence import DeviceEvents, DeviceSample
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings
from enigap.core.counting.window import MINUTE, FetchSpan, Window

WINDOW = Window(datetime(2026, 1, 1, 14, 30, tzinfo=UTC))
SPAN = FetchSpan.of(WINDOW, 2)
NODE = Node("prod", "i-0abc", "ip-10-0-3-7.ec2.internal")

Devices = Mapping[str, tuple[float, float]]
"""Received and transmitted bytes per second by device."""


def steady(
    os: float | None, eni_in: float | None, eni_out: float | None, *, span: FetchSpan = SPAN
) -> Readings:
    """Both sides at constant rates in bytes per second; None for a side that is silent."""
    seconds = 300
    return Readings(
        span=span,
        os_bytes_per_second=(os,) * span.minutes,
        network_in_bytes=(None if eni_in is None else eni_in * seconds,) * span.periods,
        network_out_bytes=(None if eni_out is None else eni_out * seconds,) * span.periods,
        network_in_samples=(None if eni_in is None else 5.0,) * span.periods,
    )


def events(devices: Devices, *, span: FetchSpan = SPAN, second: int = 37) -> DeviceEvents:
    """Each device at a constant rate, one event a minute, from before the span to after it."""
    return DeviceEvents(
        tuple(
            DeviceSample(span.start + minute * MINUTE + timedelta(seconds=second), device, rx, tx)
            for minute in range(-2, span.minutes + 2)
            for device, (rx, tx) in devices.items()
        )
    )


def without_os(readings: Readings, start: datetime, minutes: int) -> Readings:
    """The readings with so many labelled minutes of the OS missing from `start`."""
    first = (start - readings.span.start) // MINUTE
    rates = tuple(
        None if first <= index < first + minutes else rate
        for index, rate in enumerate(readings.os_bytes_per_second)
    )
    return replace(readings, os_bytes_per_second=rates)
