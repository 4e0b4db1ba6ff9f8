"""Python's collector of reference cycles, told to look less often."""

import gc
from typing import Final

ALLOCATIONS: Final = 50_000


def collect_seldom() -> None:
    """Look for garbage in cycles after 50,000 new objects instead of 700. For a whole process, at its start.

    There is next to none: answers become plain data, which goes as soon as nobody refers to it. Looking for
    it all the time took two fifths of the processor that discovery takes, a fifth of fetch to verdict, and
    more the more nodes were in memory: 100 s for 100,000 nodes, which now take 57 s.
    """
    gc.set_threshold(ALLOCATIONS)
