"""`check` names `enigap doctor` where its own data contradict what it relies on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from enigap.core.counting.evidence import DeviceEvents
from enigap.core.judging.doubts import Doubts
from tests.fakes.readings import WINDOW, events, steady

READINGS = steady(1e6, 6e5, 4e5)
EVENTS = events({"eth0": (6e5, 4e5)})


def doubts(samples: float | None = 5.0, of: DeviceEvents | None = EVENTS, *, looked: bool = True) -> Doubts:
    found = Doubts()
    found.add_readings(
        replace(READINGS, network_in_samples=(samples,) * len(READINGS.network_in_samples)), WINDOW
    )
    if looked:
        found.add_events(of)
    return found


def spaced(by: int) -> DeviceEvents:
    first = EVENTS.samples[0]
    times = [first.at + n * timedelta(seconds=by) for n in range(6)]
    return DeviceEvents(tuple(replace(first, at=at) for at in times))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (doubts(3.0), "None of 3 periods of NetworkIn has SampleCount 5 (3 at most)"),
        (doubts(10.0), "None of 3 periods of NetworkIn has SampleCount 5 (10 at most)"),
        (doubts(of=None), "No device event was found (1 node looked at)"),
        (doubts(of=DeviceEvents(())), "No device event was found (1 node looked at)"),
        (doubts(of=spaced(30)), "Agents sample every 30 s and not once a minute"),
        (doubts(of=spaced(300)), "Agents sample every 300 s and not once a minute"),
        (doubts(4.0, None), "(4 at most); no device event"),
    ],
)
def test_what_is_contradicted_is_said_with_where_to_look(found: Doubts, said: str) -> None:
    [note] = found.notes(collecting=True)
    assert said in note
    assert note.endswith(": run `enigap doctor`, which checks what enigap relies on.")


@pytest.mark.parametrize(
    "found", [doubts(), doubts(looked=False), doubts(None, looked=False), doubts(of=spaced(60)), Doubts()]
)
def test_without_a_contradiction_nothing_is_said(found: Doubts) -> None:
    assert found.notes(collecting=True) == ()


def test_events_of_a_cluster_that_publishes_nothing_are_not_missed() -> None:
    assert doubts(of=None).notes(collecting=False) == ()


def test_one_whole_period_is_enough() -> None:
    found = doubts(3.0)
    found.add_readings(READINGS, WINDOW)
    assert found.notes(collecting=True) == ()
