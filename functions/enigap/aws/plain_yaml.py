"""Reads the plain part of YAML: mappings and lists by indentation, and values on one line.

The functions carry no YAML library, and the configuration of an EKS add-on is written in this part of it.
Whatever is beyond it (anchors, tags, block scalars, several documents) raises ValueError: nothing is guessed.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple


class _Line(NamedTuple):
    indent: int
    text: str


_PAIR: Final = re.compile(r"""("[^"]*"|'[^']*'|[A-Za-z0-9_][\w./-]*):(?: +(.*))?""", re.ASCII)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./][\w./:@+=-]*(?: [\w./@+=-]+)*", re.ASCII)
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_WORDS: Final = {"true": True, "false": False, "null": None, "~": None}


def read(text: str) -> Any:
    """The value of a document; None if it is empty. Raises ValueError."""
    lines = [line for line in map(_line, text.splitlines()) if line.text and line.text != "---"]
    if not lines:
        return None
    value, rest = _block(lines, lines[0].indent)
    if rest:
        raise ValueError(f"unexpected indentation: {rest[0].text[:40]!r}")
    return value


def _line(line: str) -> _Line:
    if "\t" in line:
        raise ValueError("a tab")
    # A # within quotes is no comment; such a line is beyond the plain part.
    if "#" in line and any(quote in line for quote in "\"'"):
        raise ValueError("a quoted #")
    text = _COMMENT.sub("", line).rstrip()
    return _Line(len(text) - len(text.lstrip()), text.strip())


def _block(lines: list[_Line], indent: int) -> tuple[Any, list[_Line]]:
    if lines[0].text == "-" or lines[0].text.startswith("- "):
        return _list(lines, indent)
    return _mapping(lines, indent)


def _list(lines: list[_Line], indent: int) -> tuple[list[Any], list[_Line]]:
    items: list[Any] = []
    while lines and lines[0].indent == indent and lines[0].text.startswith("- "):
        inside = lines[0].text[2:].lstrip()
        if _PAIR.fullmatch(inside):
            # A mapping whose first pair stands behind the dash, indented as far as its text.
            within = indent + len(lines[0].text) - len(inside)
            value, lines = _mapping([_Line(within, inside), *lines[1:]], within)
            items.append(value)
        else:
            items.append(_scalar(inside))
            lines = lines[1:]
    if lines and lines[0].indent > indent:
        raise ValueError("an indented line in a list")
    return items, lines


def _mapping(lines: list[_Line], indent: int) -> tuple[dict[str, Any], list[_Line]]:
    values: dict[str, Any] = {}
    while lines and lines[0].indent == indent and not lines[0].text.startswith("- "):
        pair = _PAIR.fullmatch(lines[0].text)
        if not pair:
            raise ValueError(f"no pair: {lines[0].text[:40]!r}")
        key, lines = pair[1].strip("\"'"), lines[1:]
        if key in values:
            raise ValueError(f"{key[:40]!r} twice")
        is_nested = lines and (
            lines[0].indent > indent or (lines[0].indent == indent and lines[0].text.startswith("- "))
        )
        if pair[2]:
            values[key] = _scalar(pair[2])
        elif is_nested:
            values[key], lines = _block(lines, lines[0].indent)
        else:
            values[key] = None
    if lines and lines[0].indent > indent:
        raise ValueError("an indented line in a mapping")
    return values, lines


def _scalar(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text.startswith("'") and text.endswith("'") and text.count("'") == 2:
        return text[1:-1]
    if text[0] in '"{[':
        return json.loads(text)  # YAML's flow style, where it is JSON, too
    if re.fullmatch(r"-?(0|[1-9]\d*)", text):
        return int(text)
    if re.fullmatch(r"[-+.\d][\d._eE+-]*", text) or text.lower() in {"yes", "no", "on", "off", "y", "n"}:
        raise ValueError(f"{text[:40]!r}, which versions of YAML read differently")
    if not _PLAIN.fullmatch(text) or ": " in text:
        raise ValueError(f"no plain value: {text[:40]!r}")
    return text
