"""How long a pattern can take to match a device's name: a bound that holds for every name.

All who may write to the log group can choose the names, and Python's regular expressions try every way in
which a pattern can match before they say that it does not. So the ways are counted from the pattern alone, as
if every character matched every other; no name is tried, and counting takes no longer than reading the
pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from enigap.core.counting.devices import LONGEST_DEVICE_NAME_BYTES

MOST_WAYS: Final = 2_000
"""In which a pattern may match names of up to 15 characters. `eth[0-9]+` has 12, three times `.*` 816, and
`(a+)+` 32,767."""

_Ways = tuple[int, ...]
"""In how many ways so many characters can be matched, for each number up to that of the longest name."""

_NONE: Final[_Ways] = (0,) * (LONGEST_DEVICE_NAME_BYTES + 1)
_NOTHING: Final[_Ways] = (1, *_NONE[1:])
_ONE: Final[_Ways] = (0, 1, *_NONE[2:])
_OF_A_KIND: Final = {
    **dict.fromkeys((op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN), _ONE),
    op.AT: _NOTHING,
    op.FAILURE: _NONE,
}


class TooManyWaysError(ValueError):
    """The pattern can match a name in more than `MOST_WAYS` ways, or in a number that is not known."""


def require_quick(pattern: str) -> None:
    """Raises TooManyWaysError for a pattern that may take long, and re.error for one that is none."""
    _sequence(parser.parse(pattern))


def _sequence(nodes: Iterable[Any]) -> _Ways:
    ways = _NOTHING
    for code, argument in nodes:
        ways = _then(ways, _ways(code, argument))
    return ways


def _ways(code: Any, argument: Any) -> _Ways:
    if code in _OF_A_KIND:
        return _OF_A_KIND[code]
    if code in _NESTED:
        return _NESTED[code](argument)
    raise TooManyWaysError("a part of a pattern whose ways are not known")


def _one_of(alternatives: Iterable[Any]) -> _Ways:
    return _bounded(map(sum, zip(*map(_sequence, alternatives), strict=True)))


def _looked_at(nodes: Iterable[Any]) -> _Ways:
    """Tried wherever it is reached; consumes nothing."""
    return (sum(_sequence(nodes)), *_NONE[1:])


def _repeated(least: int, most: int, repeated: Iterable[Any]) -> _Ways:
    once = _sequence(repeated)
    if least > LONGEST_DEVICE_NAME_BYTES and once[0]:
        raise TooManyWaysError("a part that matches nothing more often than a name has characters")
    so_far = _NOTHING
    for _ in range(min(least, LONGEST_DEVICE_NAME_BYTES + 1)):
        so_far = _then(so_far, once)
    # After the least, Python ends a repetition that has matched nothing.
    ways, once_more = so_far, (0, *once[1:])
    for _ in range(min(most - least, LONGEST_DEVICE_NAME_BYTES)):
        so_far = _then(so_far, once_more)
        ways = _bounded(map(sum, zip(ways, so_far, strict=True)))
    return _then(ways, (1 + once[0], *_NONE[1:])) if most > least else ways


def _then(first: _Ways, second: _Ways) -> _Ways:
    """One after the other."""
    longest = LONGEST_DEVICE_NAME_BYTES
    return _bounded(
        sum(first[own] * second[length - own] for own in range(length + 1)) for length in range(longest + 1)
    )


def _bounded(ways: Iterable[int]) -> _Ways:
    counted = tuple(ways)
    if sum(counted) > MOST_WAYS:
        raise TooManyWaysError(f"more than {MOST_WAYS:,} ways to match a name")
    return counted


_NESTED: Final[dict[Any, Callable[[Any], _Ways]]] = {
    op.SUBPATTERN: lambda argument: _sequence(argument[-1]),
    op.ATOMIC_GROUP: _sequence,
    op.BRANCH: lambda argument: _one_of(argument[1]),
    op.MAX_REPEAT: lambda argument: _repeated(*argument),
    op.MIN_REPEAT: lambda argument: _repeated(*argument),
    op.POSSESSIVE_REPEAT: lambda argument: _repeated(*argument),
    op.ASSERT: lambda argument: _looked_at(argument[1]),
    op.ASSERT_NOT: lambda argument: _looked_at(argument[1]),
}
