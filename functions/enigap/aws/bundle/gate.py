"""Whether a finished bundle holds anything that is the user's: two checks, of which either refuses it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from enigap.aws.bundle.kinds import SHAPES, WORDS, texts_in
from enigap.aws.bundle.standins import StandIns

_LEAST_CHARACTERS: Final = 6
"""Of a value that is searched for. Shorter ones are in other words by chance."""
_TIMES: Final = (
    re.compile(r"\d{13}"),
    re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.000)?Z"),
    re.compile(r"[0-9a-f]{64}"),
)


class LeakError(Exception):
    """A bundle has a string that nothing accounts for. The string is not in the message."""


def check(documents: Sequence[Mapping[str, Any]], stand_ins: StandIns, raw: Iterable[str]) -> None:
    """Raises LeakError unless every string is a word of the product, a stand-in, a number or a time, and no
    value that was replaced or dropped is in any stand-in.
    """
    parts = {part for each in stand_ins.minted for part in each.split("/")}
    texts = {text for document in documents for text in texts_in(document)}
    for text in texts - WORDS - stand_ins.all - parts:
        if not any(shape.fullmatch(text) for shape in (*SHAPES, *_TIMES)):
            raise LeakError(
                f"The bundle would hold text of {len(text)} characters that enigap does not know, so nothing "
                "is written: report it as a bug."
            )
    # Words, shapes and times identify no user; a name may be part of one, as in docker0.
    searched = "\n".join(texts & (stand_ins.minted | parts))
    for value in set(raw) | stand_ins.replaced:
        if len(value) >= _LEAST_CHARACTERS and value in searched:
            raise LeakError(
                f"The bundle would hold a value of {len(value)} characters that was to be replaced, so "
                "nothing is written: report it as a bug."
            )
