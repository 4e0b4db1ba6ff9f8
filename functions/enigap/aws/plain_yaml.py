"""Reads the plain part of YAML: mappings and lists, by indentation or in brackets, and values on one line.

The functions carry no YAML library, and the configuration of an EKS add-on is written in this part of it.
Whatever is beyond it (anchors, tags, block scalars, several documents) raises ValueError: nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from enigap.core.strict import unique


class _Line(NamedTuple):
    indent: int
    text: str


_QUOTED: Final = r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'"""
_PAIR: Final = re.compile(r"""("[^"\\]*"|'[^']*'|[A-Za-z0-9_][\w./-]*) *:(?: +(.*))?""", re.ASCII)
_PLAIN: Final = re.compile(r"[\w./][\w./:@+=?&%~,;()!*$-]*(?: [\w./@+=?&%~;()!*$-]+)*")
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#")
_BALANCED: Final = re.compile(r"""(?:[^"']|"(?:[^"\\]|\\.)*"|'[^']*')*""")
_TOKEN: Final = re.compile(
    rf"""\s*(?:(?P<mark>[][{{}},])|(?P<text>{_QUOTED}|[^][{{}},"'\s](?:[^][{{}},"':]|:(?=\S))*)"""
    r"(?P<colon>\s*:)?)\s*"
)
_WORDS: Final = {
    spelt: value
    for word, value in (("true", True), ("false", False), ("null", None))
    for spelt in (word, word.capitalize(), word.upper())
} | {"~": None}
_READ_DIFFERENTLY: Final = re.compile(
    r"[-+.\d][\d._eE+-]*|[-+]?0[xob][\da-f_]+|[-+]?\d+(:[\d.]+)+|[-+]?\.(inf|nan)|yes|no|on|off|y|n",
    re.ASCII | re.IGNORECASE,
)


def read(text: str) -> Any:
    """The value of a document; None if it is empty. Raises ValueError."""
    lines = [line for line in _joined(map(_line, text.splitlines())) if line.text]
    if lines and lines[0].text == "---":
        del lines[0]
    if lines[1:] and lines[-1] == _Line(0, "..."):
        del lines[-1]
    if not lines:
        return None
    if lines[0].text[0] in "{[":
        value, rest = _scalar(lines[0].text), lines[1:]
    else:
        value, rest = _block(lines, lines[0].indent)
    if rest:
        raise ValueError(f"unexpected indentation: {rest[0].text[:40]!r}")
    return value


def _line(line: str) -> _Line:
    for comment in _COMMENT.finditer(line):
        if _BALANCED.fullmatch(line, 0, comment.start()):  # else it is within quotes
            line = line[: comment.start()]
            break
    text = line.strip()
    indent = line[: line.find(text)]
    if text and "\t" in indent:
        raise ValueError("a tab")
    return _Line(len(indent), text)


def _joined(lines: Iterable[_Line]) -> Iterator[_Line]:
    """The lines, each with those that go on within its brackets."""
    for first in lines:
        line = first
        while _depth(line.text) > 0 and (more := next(iter(lines), None)):
            line = _Line(line.indent, f"{line.text} {more.text}".strip())
        yield line


def _depth(text: str) -> int:
    """How many brackets are left open; within quotes that go on in the next line, none are counted."""
    if not _BALANCED.fullmatch(text):
        return 0
    bare = re.sub(_QUOTED, "", text)
    return sum(map(bare.count, "[{")) - sum(map(bare.count, "]}"))


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
    pairs: list[tuple[str, Any]] = []
    while lines and lines[0].indent == indent and not lines[0].text.startswith("- "):
        pair = _PAIR.fullmatch(lines[0].text)
        if not pair:
            raise ValueError(f"no pair: {lines[0].text[:40]!r}")
        value, lines = None, lines[1:]
        is_nested = lines and (
            lines[0].indent > indent or (lines[0].indent == indent and lines[0].text.startswith("- "))
        )
        if pair[2]:
            value = _scalar(pair[2])
        elif is_nested:
            value, lines = _block(lines, lines[0].indent)
        pairs.append((_key(pair[1]), value))
    if lines and lines[0].indent > indent:
        raise ValueError("an indented line in a mapping")
    return unique(pairs), lines


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "{[":
        return _in_brackets(text)
    if text[0] == "'" and re.fullmatch(_QUOTED, text):
        return text[1:-1].replace("''", "'")
    if text[0] == '"':
        return json.loads(text)  # of YAML's escapes only JSON's
    if number := re.fullmatch(r"-?(?:0|[1-9]\d*)(\.\d+)?", text, re.ASCII):
        return float(text) if number[1] else int(text)
    is_version = re.fullmatch(r"\d+(\.\d+){2,}", text, re.ASCII)
    if not is_version and _READ_DIFFERENTLY.fullmatch(text):
        raise ValueError(f"{text[:40]!r}, which versions of YAML read differently")
    if not _PLAIN.fullmatch(text) or ": " in text or text.endswith(":"):
        raise ValueError(f"no plain value: {text[:40]!r}")
    return text


def _in_brackets(text: str) -> Any:
    """YAML's flow style, of which JSON is a part."""
    tokens, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token:
            raise ValueError(f"nothing plain within brackets: {text[at:][:40]!r}")
        tokens.append(token)
        at = token.end()
    tokens.reverse()
    value = _taken(tokens)
    if tokens:
        raise ValueError("something after a bracket")
    return value


def _taken(tokens: list[re.Match[str]]) -> Any:
    """The value that the last of the tokens begins; its tokens are removed."""
    token = _next(tokens)
    match token["mark"]:
        case "[":
            return [_taken(tokens) for _ in _until("]", tokens)]
        case "{":
            return unique((_key_of(_next(tokens)), _taken(tokens)) for _ in _until("}", tokens))
    if token["mark"] or token["colon"]:
        raise ValueError("a bracket or pair without its own")
    return _scalar(token["text"].strip())


def _next(tokens: list[re.Match[str]]) -> re.Match[str]:
    if not tokens:
        raise ValueError("an open bracket")
    return tokens.pop()


def _until(end: str, tokens: list[re.Match[str]]) -> Iterator[None]:
    """Once for each item up to the closing bracket, which is removed, as are the commas."""
    while _peek(tokens) != end:
        yield
        if _peek(tokens) == ",":
            tokens.pop()
        elif _peek(tokens) != end:
            raise ValueError("no comma")
    tokens.pop()


def _peek(tokens: list[re.Match[str]]) -> str | None:
    return tokens[-1]["mark"] if tokens else None


def _key_of(token: re.Match[str]) -> str:
    if not token["colon"]:
        raise ValueError("no pair within brackets")
    return _key(token["text"].strip())


def _key(text: str) -> str:
    key = _scalar(text)
    if not isinstance(key, str):
        raise ValueError(f"{text[:40]!r}, which is no text, as a key")  # noqa: TRY004 - of the document
    return key
