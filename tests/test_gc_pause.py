"""The collector of reference cycles is told to look seldom, and not to stop."""

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from enigap.gc_pause import ALLOCATIONS, collect_seldom

FUNCTIONS = Path(__file__).parent.parent / "functions"


class Knot:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_cycles_are_still_collected_in_time() -> None:
    before = gc.get_threshold()
    try:
        collect_seldom()
        gone = weakref.ref(Knot())
        kept = [[] for _ in range(2 * ALLOCATIONS)]  # type: list[list[int]]
        assert gone() is None
        assert len(kept) > ALLOCATIONS
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize("handler", ["plan", "reconcile", "slack"])
def test_every_function_collects_seldom(handler: str) -> None:
    program = f"import gc, enigap.lambdas.{handler}; print(gc.get_threshold()[0])"
    environment = {"PYTHONPATH": str(FUNCTIONS), "AWS_DEFAULT_REGION": "eu-west-1"}
    told = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert int(told.stdout) == ALLOCATIONS
