"""Generated blocks of documents, each between two comments: `<!-- begin NAME -->` and `<!-- end NAME -->`."""

import re
from collections.abc import Callable
from typing import Final

_BLOCK: Final = re.compile(r"<!-- begin ([\w-]+) -->\n(.*?)<!-- end \1 -->\n", re.DOTALL)


def with_blocks(text: str, content_of: Callable[[str], str]) -> str:
    """The text with the content of every block in it replaced by that of its name."""
    return _BLOCK.sub(
        lambda found: f"<!-- begin {found[1]} -->\n{content_of(found[1])}<!-- end {found[1]} -->\n", text
    )
