"""An error that no command expects: still one sentence, and never the exit status of an unexplained node."""

import pytest

from enigap.cli.main import TRACEBACK, run


class OddError(Exception):
    """Something that no command expects, with a text that is not to be shown."""


def fail() -> int:
    raise OddError("AKIASECRET")


def test_an_unexpected_error_is_one_sentence_and_never_exit_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        run(fail)
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (2, "")
    assert said.err.startswith("enigap: enigap itself failed (OddError at test_last_resort.py:")
    assert said.err.endswith("report it as a bug, with what ENIGAP_TRACEBACK=1 prints in front of this.\n")
    assert "AKIASECRET" not in said.err


def test_for_a_report_of_the_bug_there_is_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(SystemExit) as left:
        run(fail)
    assert left.value.code == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError(), RecursionError()])
def test_no_error_at_all_ends_in_exit_status_1(error: Exception) -> None:
    def command() -> int:
        raise error

    with pytest.raises(SystemExit) as left:
        run(command)
    assert left.value.code == 2
