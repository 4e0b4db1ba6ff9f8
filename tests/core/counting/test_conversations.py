from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.conversations import Conversation, conversations
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceSample
from enigap.core.counting.units import ByteRate

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
END = START + timedelta(minutes=15)
FLOOR = ByteRate(50_000.0)

CLIENT, SERVER, THIRD, FOURTH = (f"eni{number:011x}" for number in (10, 20, 30, 40))

Series = Mapping[str, Sequence[tuple[float, float]]]


def samples(devices: Series, skew_seconds: float = 0.0) -> list[DeviceSample]:
    """One event a minute of each device, read some time after each other."""
    return [
        DeviceSample(START + timedelta(minutes=minute, seconds=20 + number * skew_seconds), name, rx, tx)
        for number, (name, series) in enumerate(devices.items())
        for minute, (rx, tx) in enumerate(series)
    ]


def found(devices: Series, **more: float) -> tuple[Conversation, ...]:
    return conversations(samples(devices, **more), START, END, Classifier(), FLOOR)


def steady(rx: float, tx: float, minutes: int = 15) -> list[tuple[float, float]]:
    return [(rx, tx)] * minutes


def mirrored(series: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(tx, rx) for rx, tx in series]


def varying(seed: int, rx: float, tx: float) -> list[tuple[float, float]]:
    random = Random(seed)  # noqa: S311
    return [(rx * (share := random.uniform(0.3, 1.7)), tx * share) for _ in range(15)]


def test_two_devices_that_mirror_each_other_are_a_conversation_of_each_byte_once() -> None:
    both = {"ens5": steady(600.0, 300.0), CLIENT: steady(637e6, 3e5), SERVER: steady(3e5, 637e6)}
    assert found(both) == (Conversation(CLIENT, SERVER, ByteRate(637.3e6)),)


def test_beside_traffic_of_the_node_that_left_it_minutes_that_vary_tell() -> None:
    client = varying(1, 5e6, 1e5)
    both = {"ens5": steady(3e7, 3e7), CLIENT: client, SERVER: mirrored(client), THIRD: varying(2, 4e6, 2e5)}
    assert [(each.one, each.other) for each in found(both, skew_seconds=0.2)] == [(CLIENT, SERVER)]


def test_each_of_several_conversations_is_found_the_largest_first() -> None:
    small, large = varying(1, 1e6, 1e5), varying(2, 9e6, 1e5)
    devices = {CLIENT: small, SERVER: mirrored(small), THIRD: large, FOURTH: mirrored(large)}
    assert [(each.one, each.other) for each in found(devices)] == [(THIRD, FOURTH), (CLIENT, SERVER)]


def test_a_short_burst_is_a_conversation_where_the_interfaces_cannot_have_carried_it() -> None:
    burst = [*steady(0.0, 0.0, 7), (4e9 / 60, 2e5), *steady(0.0, 0.0, 7)]
    both = {CLIENT: burst, SERVER: mirrored(burst)}
    assert len(found({"eth0": steady(2_000.0, 2_000.0), **both})) == 1
    assert found({"eth0": steady(9e7, 9e7), **both}) == ()


def test_a_pod_that_begins_late_talks_all_the_same() -> None:
    late = varying(3, 5e6, 1e5)[:6]
    server = [*steady(500.0, 500.0, 9), *mirrored(late)]
    begins = timedelta(minutes=9)
    of_client = [
        DeviceSample(each.at + begins, each.device, each.rx_bytes_per_second, each.tx_bytes_per_second)
        for each in samples({CLIENT: late})
    ]
    (told,) = conversations([*of_client, *samples({SERVER: server})], START, END, Classifier(), FLOOR)
    assert told.rate.bytes_per_second == pytest.approx(sum(a + b for a, b in late) / 15, rel=0.01)


def test_of_several_equal_pods_none_is_told_apart() -> None:
    devices = {CLIENT: steady(5e6, 1e5), SERVER: steady(1e5, 5e6), THIRD: steady(1e5, 5e6)}
    assert found(devices) == ()


@pytest.mark.parametrize("replicas", [2, 3, 5])
def test_replicas_that_pass_on_what_they_get_are_in_no_conversation(replicas: int) -> None:
    proxy = [(rx, rx * 1.003) for rx, _ in varying(4, 5e6, 5e6)]
    devices = {f"eni{number:011x}": proxy for number in range(replicas)}
    assert found({"ens5": steady(4e7, 4e7), **devices}) == ()


def test_steady_rates_of_which_most_cannot_have_left_are_one_beside_other_traffic() -> None:
    devices = {"eth0": steady(2e5, 22e6), CLIENT: steady(26e6, 2e4), SERVER: steady(2e4, 26e6)}
    outward = {THIRD: steady(13e6, 1e4), FOURTH: steady(7e6, 1e4)}
    assert [(each.one, each.other) for each in found({**devices, **outward})] == [(CLIENT, SERVER)]


def test_steady_rates_that_left_the_node_are_no_conversation() -> None:
    devices = {"ens5": steady(5.1e6, 5.1e6), CLIENT: steady(5e6, 1e5), SERVER: steady(1e5, 5e6)}
    assert found(devices) == ()


def test_what_a_broker_elsewhere_passes_on_comes_in_other_packets() -> None:
    series = varying(5, 5e6, 1e5)
    events = [
        DeviceSample(each.at, each.device, each.rx_bytes_per_second, each.tx_bytes_per_second, *packets)
        for device, its, packets in (
            (CLIENT, series, (500.0, 400.0)),
            (SERVER, mirrored(series), (400.0, 3_500.0)),
        )
        for each in samples({device: its})
    ]
    assert conversations(events, START, END, Classifier(), FLOOR) == ()


@pytest.mark.parametrize("other", ["ens5", "cni0", "antrea-gw0", "vxlan.calico", "lo", "mystery0"])
def test_a_device_that_is_no_pods_end_talks_to_nobody(other: str) -> None:
    series = varying(6, 5e6, 1e5)
    assert found({CLIENT: series, other: mirrored(series)}) == ()


def test_what_the_floor_hides_is_not_told() -> None:
    series = varying(7, 3e4, 3e3)
    assert found({CLIENT: series, SERVER: mirrored(series)}) == ()


@given(
    st.integers(0, 2**32),
    st.integers(2, 30),
    st.sampled_from(["steady", "noisy", "bursts", "one load curve"]),
)
def test_pods_without_anything_to_do_with_each_other_are_never_told_to_talk(
    seed: int, number: int, shape: str
) -> None:
    random = Random(seed)  # noqa: S311
    curve = [random.uniform(0.2, 2.0) for _ in range(15)]
    devices = {f"eni{n:011x}": _independent(random, shape, curve) for n in range(number)}
    # All of it leaves the node: what pods send is received on their devices.
    carried = [
        (sum(its[m][1] for its in devices.values()), sum(its[m][0] for its in devices.values()))
        for m in range(15)
    ]
    assert found({"ens5": carried, **devices}) == ()


def _independent(random: Random, shape: str, curve: Sequence[float]) -> list[tuple[float, float]]:
    rx, tx = 10 ** random.uniform(3, 8), 10 ** random.uniform(3, 8)
    if shape == "steady":
        return steady(rx, tx)
    if shape == "bursts":
        return [(rx, tx) if random.random() < 0.1 else (0.0, 0.0) for _ in range(15)]
    if shape == "noisy":
        curve = [random.lognormvariate(0, 0.5) for _ in range(15)]
    return [(rx * load * random.gauss(1, 0.02), tx * load * random.gauss(1, 0.02)) for load in curve]


@given(st.integers(0, 2**32), st.integers(0, 20), st.floats(1e5, 1e9), st.floats(0.001, 0.8))
def test_a_conversation_is_found_among_any_other_pods(
    seed: int, others: int, rate: float, answers: float
) -> None:
    random = Random(seed)  # noqa: S311
    talk = [(rate * (load := random.uniform(0.3, 2.0)), rate * load * answers) for _ in range(15)]
    devices = {f"eni{n + 100:011x}": _independent(random, "noisy", ()) for n in range(others)}
    told = found({"ens5": steady(1e8, 1e8), CLIENT: talk, SERVER: mirrored(talk), **devices})
    assert [(each.one, each.other) for each in told] == [(CLIENT, SERVER)]
