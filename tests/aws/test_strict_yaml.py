"""YAML is read as libraries agree on it, or not at all."""

import json
from itertools import pairwise
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from enigap.aws.strict_yaml import LONGEST, read

TEXTS = (
    *("a", "NoSchedule", "500m", "128Mi", "a b", "true ", "x:y", "#", "", "'", '"', "off", "a, b", "]", "{"),
    *("0.5", "ö", "1:30", "a\nb\n", "<<", "=", "0x1f", "~"),
)
VALUES = st.recursive(
    st.sampled_from(TEXTS)
    | st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=5)
    | st.booleans()
    | st.none()
    | st.integers(-9, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_all_json_is_read(value: Any) -> None:
    assert read(json.dumps(value, ensure_ascii=False)) == value


@given(VALUES, st.sampled_from([False, None, True]), st.sampled_from([5, 80]))
def test_what_is_written_is_read_or_refused(value: Any, flow_style: bool | None, width: int) -> None:  # noqa: FBT001
    text = yaml.safe_dump(value, default_flow_style=flow_style, width=width)
    try:
        found = read(text)
    except ValueError as refused:
        assert "differently" in str(refused)  # noqa: PT017 - PyYAML writes 1e3, which it reads as a text, without quotes
        return
    assert found == value


@given(st.text("ab01 '\"#:,-[]{}\n.~|&*!>", max_size=14))
def test_any_text_is_read_as_yaml_1_1_reads_it_or_not_at_all(text: str) -> None:
    try:
        found = read(text)
    except ValueError:
        return
    assert json.dumps(found) == json.dumps(yaml.safe_load(text))


@pytest.mark.parametrize(
    "value",
    [
        *("yes", "No", "ON", "off", "y", "N"),  # true and false, or texts
        *("0x1f", "0o17", "017", "0b1", "1_000", "+1", "1e3", ".5", "5.", "12345678901234567890"),
        *("12:30", "1:30:00.5", ".inf", "-.INF", ".nan"),
        *("2026-11-29", "2026-11-29T10:00:00Z", "2026-11-29 10:00:00.5 +1"),
        *("=", "<<", "!!int '5'", "!!binary aGk=", "!own a", "!!set {a}", "!!omap [a: b]", "!!map [a]"),
    ],
)
def test_a_value_that_libraries_read_differently_is_refused(value: str) -> None:
    for document in (f"a: {value}", f"- {value}", f"{{a: [{value}]}}"):
        with pytest.raises(ValueError, match=r"."):
            read(document)
    quoted = value.replace("'", "''")
    assert read(f"a: '{quoted}'") == {"a": value}


@pytest.mark.parametrize(
    "document",
    [
        *("a: 1\na: 2", "{a: 1, a: 1}", "a: 1\n? a\n: 2", "'a': 1\n\"a\": 2"),
        *("1: a", "true: a", "~: a", "[a]: b", "{a: b}: c", "? {a: b}\n: c"),
        *("<<: {a: b}", "a: &a {b: c}\nd:\n  <<: *a\n"),
        *("a: &a [*a]", "&a {b: *a}", "a: *b"),
        *("--- a\n--- b", "a\n...\nb", "%YAML 3.0\n--- a"),
        *("[" * 5000, "- " * 5000, '"\\UFFFFFFFF"', "\x00", "a:\n\tb: c", "a" * (LONGEST + 1)),
    ],
    ids=lambda document: document[:20],
)
def test_a_document_with_two_readings_or_none_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(document)


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    names = "abcdefghi"
    lines = ["a: &a [x]"] + [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairwise(names)
    ]
    assert len(read("\n".join(lines[:4]))["d"]) == 9
    with pytest.raises(ValueError, match=r"more than 10,000 values"):
        read("\n".join(lines))
