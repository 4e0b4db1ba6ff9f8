"""Counter tracks: what a device had counted, at the times of its events."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import DeviceEvents, DeviceSample
from enigap.core.counting.track import CounterTrack, Direction, NoTracks, Tracks, tracks_of

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sample(
    second: float, rx: float | None = 100.0, device: str = "ens5", packets: float | None = 2.0
) -> DeviceSample:
    return DeviceSample(
        START + timedelta(seconds=second),
        device,
        rx,
        None if rx is None else 2 * rx,
        rx_packets_per_second=packets,
        tx_packets_per_second=packets,
    )


def readings(*samples: DeviceSample) -> tuple[tuple[CounterTrack, ...], ...]:
    tracks = tracks_of(DeviceEvents(samples), Classifier())
    assert isinstance(tracks, Tracks), tracks
    return tracks.readings


def only_track(*samples: DeviceSample) -> CounterTrack:
    ((track,),) = readings(*samples)
    return track


def test_rates_add_up_to_the_counter_at_the_times_of_the_events() -> None:
    track = only_track(sample(0), sample(60, rx=10.0), sample(130, rx=20.0))
    assert track.counters[Direction.RECEIVED].bytes == (0.0, 600.0, 2000.0)
    assert track.counters[Direction.SENT].bytes == (0.0, 1200.0, 4000.0)
    assert track.counters[Direction.RECEIVED].packets == (0.0, 120.0, 260.0)
    assert track.kind is DeviceKind.PHYSICAL
    assert track.gaps == ()


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=30), st.randoms(use_true_random=False))
def test_events_in_any_order_and_twice_come_to_the_same_track(rates: list[float], random: object) -> None:
    samples = [sample(60.0 * number, rx=rate) for number, rate in enumerate(rates)]
    shuffled = samples + samples[: len(samples) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert only_track(*shuffled) == only_track(*samples)


def test_a_lost_event_is_a_gap_in_which_the_counter_stands_still() -> None:
    track = only_track(sample(0), sample(60), sample(180), sample(240))
    begin = START.timestamp()
    assert track.gaps == ((begin + 60, begin + 180),)
    assert track.counters[Direction.RECEIVED].bytes == (0.0, 6000.0, 6000.0, 12000.0)


def test_an_event_without_a_rate_is_a_gap_whatever_the_interval() -> None:
    track = only_track(sample(0), sample(40, rx=None), sample(80), sample(140))
    assert [round(end - start) for start, end in track.gaps] == [80]


def test_the_life_of_a_device_begins_with_its_first_rate_and_the_other_devices_go_on() -> None:
    samples = [sample(60.0 * n) for n in range(10)] + [sample(60.0 * n, device="ens6") for n in range(4, 7)]
    by_name = {track.device: track for (track_, *more) in readings(*samples) for track in (track_, *more)}
    assert by_name["ens6"].times[0] == START.timestamp() + 240
    assert by_name["ens6"].times[-1] == START.timestamp() + 360
    assert by_name["ens6"].gaps == by_name["ens5"].gaps == ()


def test_between_two_events_the_likeliest_count_is_on_a_straight_line() -> None:
    track = only_track(sample(0), sample(60, rx=10.0))
    at = START.timestamp()
    assert [track.interpolated(Direction.RECEIVED, at + s) for s in (-5, 0, 30, 60, 90)] == [
        0,
        0,
        300,
        600,
        600,
    ]


def test_events_that_name_no_packets_have_no_packet_counter() -> None:
    track = only_track(sample(0), sample(60, packets=None), sample(120))
    assert track.counters[Direction.RECEIVED].packets is None


@pytest.mark.parametrize("phase", [5, 14, 21])
def test_the_events_of_two_agents_prove_nothing(phase: float) -> None:
    samples = [sample(60.0 * n + late) for n in range(20) for late in (0.0, phase)]
    assert isinstance(tracks_of(DeviceEvents(tuple(samples)), Classifier()), NoTracks)


def test_events_every_half_minute_are_read_as_one_agents_and_as_each_of_twos() -> None:
    samples = [sample(30.0 * n) for n in range(20)]
    assert len(readings(*samples)) == 3
    one, *two = readings(*samples)
    assert one[0].counters[Direction.RECEIVED].bytes[-1] == 19 * 3000.0
    assert all(len(reading[0].times) == 10 for reading in two)


def test_events_of_three_agents_prove_nothing() -> None:
    samples = [sample(60.0 * n + phase) for n in range(20) for phase in (0, 17, 38)]
    assert isinstance(tracks_of(DeviceEvents(tuple(samples)), Classifier()), NoTracks)


@pytest.mark.parametrize(
    "samples", [(), (sample(0, rx=None),), (sample(0, device=""),), (sample(0, rx=-1.0),)]
)
def test_events_without_a_rate_of_a_device_are_no_tracks(samples: tuple[DeviceSample, ...]) -> None:
    assert isinstance(tracks_of(DeviceEvents(samples), Classifier()), NoTracks)
