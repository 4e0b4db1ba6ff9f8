"""Spacing calls out so that together they stay within a quota of AWS."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Pace:
    """Lets through so many units a second: datapoints for GetMetricData, calls for FilterLogEvents."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds_per_unit = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._lock = Lock()
        self._free_at = clock()

    def wait(self, units: int = 1) -> None:
        """Return when a call that counts for so many units may go out."""
        with self._lock:
            now = self._clock()
            begin = max(now, self._free_at)
            self._free_at = begin + units * self._seconds_per_unit
        if begin > now:
            self._sleep(begin - now)
