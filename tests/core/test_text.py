import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ip-10-0-3-7", "ip-10-0-3-7"),
        ("für Node ✓", "für Node ✓"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("line\u2028separator", "line\\u2028separator"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_nothing_from_outside_can_start_a_new_line_or_colour_a_terminal(text: str) -> None:
    assert printable(text).isprintable()


def test_a_name_of_a_megabyte_is_cut() -> None:
    assert len(printable("x" * 1_000_000)) == 200
    assert printable("x" * 1_000_000).endswith("…")
