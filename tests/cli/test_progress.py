"""Progress is for people at a terminal who wait."""

import io
import os
import threading

import pytest

from enigap.cli.progress import progress
from tests.cli.terminals import everything_sent, open_terminal


def timers() -> list[threading.Timer]:
    return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_pipe_gets_nothing_and_nothing_runs_beside() -> None:
    pipe = io.StringIO()
    with progress(pipe, patience_seconds=0) as say:
        say("looking for clusters")
        assert timers() == []
    assert pipe.getvalue() == ""


def test_somebody_who_waits_sees_what_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    ours, theirs = open_terminal()
    with os.fdopen(theirs, "w") as terminal, progress(terminal, patience_seconds=0) as say:
        say("reading 3 nodes of [/red]\x1b[2J")
        for timer in timers():
            timer.join()
    sent = everything_sent(ours)
    assert r"reading 3 nodes of [/red]\x1b[2J" in sent
    assert "\x1b[2J" not in sent
    assert sent.endswith("\x1b[1A\x1b[2K"), "the line is gone at the end"


def test_somebody_who_does_not_have_to_wait_sees_nothing() -> None:
    ours, theirs = open_terminal()
    with os.fdopen(theirs, "w") as terminal, progress(terminal, patience_seconds=3600) as say:
        say("looking for clusters")
    assert everything_sent(ours) == ""
    assert timers() == []
