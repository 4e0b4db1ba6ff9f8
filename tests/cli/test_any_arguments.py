"""Whatever is typed: exit status 0, 1 or 2, a sentence where it cannot be meant, and never a traceback."""

import contextlib
import io
import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from enigap.cli.main import LONGEST_LINE, main

WORDS = st.sampled_from(
    [
        *(
            "prod",
            "i-0123456789abcdef0",
            "",
            "-",
            "--",
            "-1",
            "0",
            "1",
            "250",
            "1e300",
            "nan",
            "inf",
            "9" * 30,
        ),
        *("2h", "0m", "999999d", "2026-01-01T00:00Z", "0001-01-01T00:00-23:59", "json", "table", "always"),
        *("<!channel>", "*bold*", "\x1b[31m", "a\nb", "\ud800", "\u202e", "x" * 10_000, "[red]x[/nope]"),
        *("/dev/null", "cdk.json", "/", "\x00", "eu-west-1", "Ireland!"),
    ]
) | st.text(max_size=10)
OPTIONS = st.sampled_from(
    [
        *("--cluster", "--at", "--format", "--evidence", "--settings", "--region", "--profile", "--for"),
        *(
            "--why",
            "--days",
            "--output",
            "--nodes",
            "--clusters",
            "--publish",
            "--schedule-minutes",
            "--flagged",
            "--nope",
        ),
    ]
)
ARGUMENTS = st.builds(
    lambda command, words, options: [command, *words, *(each for pair in options for each in pair)],
    st.sampled_from(["check", "backtest", "report", "explain", "estimate", "silence", "policy", "chekc"]),
    st.lists(WORDS, max_size=2),
    st.lists(st.tuples(OPTIONS, WORDS), max_size=4),
)


@pytest.fixture(scope="module", autouse=True)
def nobody_to_ask() -> object:
    """No address to call at all, so that what is meant fails at once, too."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", "nowhere")
        yield


def typed(arguments: list[str]) -> tuple[object, str, str]:
    """Exit status, stdout and stderr."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with (
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
        pytest.raises(SystemExit) as left,
    ):
        main(arguments)
    written = [stream.buffer.getvalue().decode() for stream in streams]
    return left.value.code, written[0], written[1]


@settings(max_examples=60)
@given(ARGUMENTS)
@example(["check", "--at", "0001-01-01T00:00-23:59"])
@example(["check", "--region", "\x00"])
@example(["check", "--profile", "\ud800"])
@example(["check", "--settings", "\x00"])
@example(["estimate", "--nodes", "9" * 30])
@example(["estimate", "--nodes", "9" * 5_000])
@example(["silence", "prod", "--for", "٣h", "--why", "digits"])
def test_whatever_is_typed_ends_in_an_answer_or_one_sentence(arguments: list[str]) -> None:
    check(arguments)


@pytest.mark.parametrize("name", ["x" * 1_000_000, "\n" * 1_000_000], ids=["letters", "lines"])
def test_a_name_of_a_megabyte_is_a_name(name: str) -> None:
    check(["silence", name, "--for", "2h", "--why", "a test"])
    check(["check", "--region", name])
    check(["check", "--at", name])


def check(arguments: list[str]) -> None:
    status, out, err = typed(arguments)
    assert status in {0, 1, 2}
    assert "Traceback" not in out + err
    if status == 2:
        assert out == ""
        lines = err.splitlines()
        assert lines[0].startswith("enigap: ")
        assert lines[-1].endswith((".", "?", "…"))  # cut, where the word itself is a page long
        assert all(line.isprintable() and len(line) <= 12_000 for line in lines)


@settings(max_examples=40)
@given(st.integers(1, 10**7) | st.integers(), st.integers(1, 500) | st.integers())
def test_an_estimate_is_a_finite_price_or_a_refusal(nodes: int, clusters: int) -> None:
    status, out, _ = typed(
        ["estimate", "--nodes", str(nodes), "--clusters", str(clusters), "--format", "json"]
    )
    if status == 0:
        price = json.loads(out)["dollars_per_month"]
        assert math.isfinite(price)
        assert price > 0
    else:
        assert (status, out) == (2, "")


def test_a_name_of_ten_thousand_characters_leaves_room_for_what_to_do() -> None:
    code, _, said = typed(["check", "--region", "x" * 10_000])
    assert code == 2
    assert said.startswith("enigap: 'xxx")
    assert said.endswith("give one such as eu-west-1.\n")
    assert len(said) <= LONGEST_LINE + 1
