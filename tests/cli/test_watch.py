"""`enigap check --watch`, with a clock that waits for nobody."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.cli.look import Look
from enigap.cli.screen import Screen
from enigap.cli.watch import watch
from enigap.core.counting.window import Window
from enigap.settings import Settings

START = datetime(2026, 1, 20, 12, 0, tzinfo=UTC)
THROTTLED = AwsProblem(ProblemKind.THROTTLED, "AWS throttled it", "run it again in a minute")


class Clock:
    """A time that passes while it is waited for, until the user has seen enough."""

    def __init__(self, stays: timedelta) -> None:
        self.time = START
        self._leaves = START + stays

    def now(self) -> datetime:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        if self.time >= self._leaves:
            raise KeyboardInterrupt


def watched(stays: timedelta, problems: Iterator[AwsProblem | None]) -> list[tuple[datetime, datetime]]:
    """When something was drawn, and the end of the window that it was."""
    clock, settings = Clock(stays), Settings()
    drawn: list[tuple[datetime, datetime]] = []

    def look() -> Look:
        if (problem := next(problems, None)) is not None:
            raise problem
        window = Window.newest_settled(clock.now(), settings.settle)
        return Look(Aws(region="eu-west-1"), clock.now(), None, settings, window, (), ())

    with pytest.raises(KeyboardInterrupt):
        watch(
            Screen(),
            look,
            lambda _, looked: drawn.append((clock.now(), looked.window.end)),
            now=clock.now,
            wait=clock.wait,
        )
    return drawn


def test_it_looks_again_as_soon_as_the_next_window_has_settled() -> None:
    assert watched(timedelta(minutes=40), iter(())) == [
        (START, datetime(2026, 1, 20, 11, 45, tzinfo=UTC)),
        (datetime(2026, 1, 20, 12, 10, tzinfo=UTC), datetime(2026, 1, 20, 12, 0, tzinfo=UTC)),
        (datetime(2026, 1, 20, 12, 25, tzinfo=UTC), datetime(2026, 1, 20, 12, 15, tzinfo=UTC)),
    ]


def test_a_look_that_fails_in_between_is_told_and_the_next_one_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn = watched(timedelta(minutes=40), iter((None, THROTTLED)))
    assert [at.minute for at, _ in drawn] == [0, 25]
    said = capsys.readouterr().out
    assert "AWS throttled it: run it again in a minute." in said
    assert "Looks again at 12:25 UTC" in said


def test_a_first_look_that_fails_is_the_commands_error() -> None:
    with pytest.raises(AwsProblem):
        watch(Screen(), _fail, lambda *_: None, now=lambda: START, wait=lambda _: None)


def _fail() -> Look:
    raise THROTTLED


def test_a_pipe_gets_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    watched(timedelta(minutes=15), iter(()))
    assert "\x1b" not in capsys.readouterr().out
