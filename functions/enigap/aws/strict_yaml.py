"""Reads YAML with PyYAML, and refuses what versions of YAML read differently.

What is read here is written into a command that replaces a configuration, and EKS reads that
configuration with another library. A value that the two may read differently is refused, and so is a key
that is there twice.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from enigap.core.strict import unique

LONGEST: Final = 100_000
"""Characters of a document; reading them takes about a second."""

MOST_VALUES: Final = 10_000
"""Values of a document with its aliases expanded: ten lines of aliases of aliases would fill the memory."""

# No document can have these tags, for they have spaces.
_WORD, _INTEGER, _FRACTION, _AMBIGUOUS = "a word", "an integer", "a fraction", "read differently"

_PLAIN: Final = (
    (_WORD, r"true|True|TRUE|false|False|FALSE|null|Null|NULL|~|"),
    # Of more digits, other libraries keep fewer.
    (_INTEGER, r"-?(?:0|[1-9]\d{0,14})"),
    (_FRACTION, r"-?(?:0|[1-9]\d{0,6})\.\d{1,8}"),
    ("tag:yaml.org,2002:str", r"\d+(?:\.\d+){2,}"),  # versions and addresses
    # Octal, binary and hexadecimal numbers, exponents, times, and YAML 1.1 alone: booleans, `<<`, `=`.
    (
        _AMBIGUOUS,
        (
            r"(?i:[-+.\d][\d._eE+-]*|[-+]?0[xob][\da-f_]+|[-+]?\d+(?::[\d.]+)+|[-+]?\.(?:inf|nan)"
            r"|\d{4}-\d\d?-\d\d?[t\s].*|yes|no|on|off|y|n|<<|=)"
        ),
    ),
)
"""What a value without quotes is, by the first pattern that matches; others are texts."""

_WORDS: Final = {"true": True, "false": False}


def read(text: str) -> Any:
    """The value of a document, of JSON's types; None if it is empty. Raises ValueError."""
    if len(text) > LONGEST:
        raise ValueError(f"{len(text):,} characters of YAML; {LONGEST:,} are read")
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - the loader makes nothing but JSON's types
    except (yaml.YAMLError, RecursionError, OverflowError) as problem:
        raise ValueError(f"no YAML that can be read: {problem}") from problem
    _check_size(value)
    return value


def _check_size(value: Any) -> None:
    count, left = 0, [value]
    while left:
        count, each = count + 1, left.pop()
        if count > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values, aliases expanded")
        left.extend(each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Makes JSON's types. A tag that would change what a value is has no constructor and is refused."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        None: [(tag, re.compile(rf"(?:{pattern})\Z", re.ASCII)) for tag, pattern in _PLAIN]
    }
    yaml_constructors: dict[str | None, Any] = {}  # noqa: RUF012 - as PyYAML has it


def _mapping(loader: Any, node: Any) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{node.id} where a mapping is expected")  # noqa: TRY004 - of the document
    pairs = [tuple(loader.construct_object(each, deep=True) for each in pair) for pair in node.value]
    if any(not isinstance(key, str) for key, _ in pairs):
        raise ValueError("a key that is no text")
    return unique(pairs)


def _refused(_: Any, node: Any) -> Any:
    raise ValueError(f"{str(node.value)[:40]!r}, with a tag or one that versions of YAML read differently")


_Loader.yaml_constructors = {
    _WORD: lambda _, node: _WORDS.get(node.value.lower()),
    _INTEGER: lambda _, node: int(node.value),
    _FRACTION: lambda _, node: float(node.value),
    "tag:yaml.org,2002:str": yaml.SafeLoader.construct_scalar,
    "tag:yaml.org,2002:seq": lambda loader, node: loader.construct_sequence(node, deep=True),
    "tag:yaml.org,2002:map": _mapping,
    None: _refused,
}
