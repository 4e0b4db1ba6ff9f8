"""One Prometheus for all tests, over the series of all worlds and those that a test writes down."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.prometheus.engine import PROGRAMS, Engine
from tests.prometheus.worlds import EDGE, WORLDS


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(
            f"There is no {' and no '.join(missing)}: install Debian's package prometheus to run queries by "
            "the real engine."
        )
    series = [each for world in WORLDS.values() for each in world.series]
    with Engine([*series, EDGE]) as running:
        yield running
