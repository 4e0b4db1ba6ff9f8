"""Types for byte rates and intervals of byte rates.

CloudWatch hands out Bytes/Second on one side and Bytes per period on the other; mixing them up is the
commonest cause of a "gap" of 300. So a bare float becomes a `ByteRate` where it is read, by naming the
time it was counted over, and stays one until it is printed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, overload

_STEPS: Final = ((1e15, "PB/s"), (1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"))


@dataclass(frozen=True, slots=True, order=True)
class ByteRate:
    """A rate in bytes per second. May be negative only as a difference of two rates."""

    bytes_per_second: float

    @classmethod
    def from_total(cls, total_bytes: float, over: timedelta) -> ByteRate:
        """The rate of `total_bytes` counted over a time span, such as EC2's `Sum` over its period.

        Raises ValueError if the span is not positive.
        """
        seconds = over.total_seconds()
        if seconds <= 0:
            raise ValueError(f"a rate needs a positive time span, not {over}")
        return cls(total_bytes / seconds)

    def __add__(self, other: ByteRate) -> ByteRate:
        return ByteRate(self.bytes_per_second + other.bytes_per_second)

    def __sub__(self, other: ByteRate) -> ByteRate:
        return ByteRate(self.bytes_per_second - other.bytes_per_second)

    def __mul__(self, factor: float) -> ByteRate:
        return ByteRate(self.bytes_per_second * factor)

    __rmul__ = __mul__

    @overload
    def __truediv__(self, other: ByteRate) -> float: ...
    @overload
    def __truediv__(self, other: float) -> ByteRate: ...
    def __truediv__(self, other: ByteRate | float) -> float | ByteRate:
        if isinstance(other, ByteRate):
            return self.bytes_per_second / other.bytes_per_second
        return ByteRate(self.bytes_per_second / other)

    def __str__(self) -> str:
        """For people: three significant digits and a decimal prefix, `65.2 MB/s`."""
        value = self.bytes_per_second
        for step, unit in _STEPS:
            if abs(value) >= step * 0.9995:
                return f"{_three_digits(value / step)} {unit}"
        return f"{_three_digits(value)} B/s"

    @property
    def scale(self) -> tuple[float, str]:
        """The unit that suits it, in bytes per second and by its name: `(1e6, "MB/s")`."""
        return _scale(self.bytes_per_second)

    @property
    def rounded_down(self) -> str:
        """For people, and never more than it is: what "at least" and "under" are said of."""
        return _cut(self.bytes_per_second, math.floor)

    @property
    def rounded_up(self) -> str:
        """For people, and never less than it is: what "at most" is said of."""
        return _cut(self.bytes_per_second, math.ceil)


ZERO: Final = ByteRate(0.0)


def _scale(value: float) -> tuple[float, str]:
    return next((pair for pair in _STEPS if abs(value) >= pair[0]), (1.0, "B/s"))


def _cut(value: float, cut: Callable[[float], int]) -> str:
    step, unit = _scale(value)
    size = abs(value) / step
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    # A figure that has so few digits stays as it is, whatever its binary form.
    scaled = round(value / step * 10**digits, 6)
    return (
        str(ByteRate(cut(scaled) / 10**digits * step)) if unit != "B/s" or digits else f"{cut(scaled):,} B/s"
    )


def _three_digits(value: float) -> str:
    if abs(value) >= 999.5:
        return f"{value:.3g}" if abs(value) >= 1e6 else f"{value:,.0f}"
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class RateSpan:
    """A rate known to lie between `low` and `high`; `middle` is the best single figure for it."""

    low: ByteRate
    middle: ByteRate
    high: ByteRate

    def __add__(self, other: RateSpan) -> RateSpan:
        return RateSpan(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def above(self, bound: ByteRate) -> ByteRate:
        """How far the whole span lies above `bound`; zero where it reaches down to it."""
        return max(ZERO, self.low - bound)

    def below(self, bound: ByteRate) -> ByteRate:
        """How far the whole span lies below `bound`; zero where it reaches up to it."""
        return max(ZERO, bound - self.high)


NOTHING: Final = RateSpan(ZERO, ZERO, ZERO)
