"""A text is printed as it is, whoever chose it."""

import io
import sys

import pytest

from enigap.cli.screen import ClosedPipeError, Screen, show_every_character, write


@pytest.mark.parametrize(
    "text", ["[bold]x[/bold]", "[/]", ":smile:", "[link=http://x]y[/link]", "10.0.3.7 None"]
)
def test_what_looks_like_markup_stays_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Screen().print(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_what_an_encoding_lacks_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, encoding="ascii"))
    show_every_character()
    Screen().print("für …")
    sys.stdout.flush()
    assert held.getvalue() == b"f\\xfcr \\u2026\n"


def test_a_number_that_is_none_is_never_printed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write({"os_bytes_per_second": float("nan")})


def test_a_document_nobody_reads_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(ClosedPipeError):
        write({})
