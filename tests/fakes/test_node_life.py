"""A life that was drawn adds up, comes out the same each time, and looks like what was recorded."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random

import pytest

from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import Evidence, weigh
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import PERIOD, FetchSpan, Window, bytes_inside
from tests.fakes.node_life import (
    Churn,
    Enis,
    Frames,
    Mishap,
    Mix,
    NodeLife,
    Pattern,
    Ways,
    Wrong,
)
from tests.fakes.node_simulator import IN, OUT, Direction, Ec2, Kind, Way

CAPTURES = Path(__file__).parents[2] / "demo" / "captures"
EXACT = Ways(late=0.0, lost=0.0)
EVERY_LIFE = [*product(Pattern, Mix)]
names = pytest.mark.parametrize(("pattern", "mix"), EVERY_LIFE, ids=str)


def drawn(seed: int = 1, hours: float = 2.0, **how: object) -> NodeLife:
    return NodeLife.drawn(seed, hours=hours, **{"ways": EXACT, **how})  # type: ignore[arg-type]


def periods(window: Window) -> list[datetime]:
    return [window.start + number * PERIOD for number in range(3)]


@names
def test_what_is_counted_is_what_moved(pattern: Pattern, mix: Mix) -> None:
    life = drawn(pattern=pattern, mix=mix, ways=replace(EXACT, merges_after_counting=False))
    node = life.simulated
    for window in life.windows():
        host, off_node, between, to_host = (
            node.moved(kind, window.start, window.end)
            for kind in (Kind.HOST_OFF_NODE, Kind.POD_OFF_NODE, Kind.POD_TO_POD, Kind.POD_TO_HOST)
        )
        assert node.counted(window.start, window.end) == pytest.approx(
            host + 2 * off_node + 2 * between + to_host, abs=100
        )
        physical = sum(life.counted_physically(way, window.start, window.end) for way in Way)
        assert physical == pytest.approx(host + off_node, abs=100)


@names
def test_wire_and_devices_differ_by_headers_alone(pattern: Pattern, mix: Mix) -> None:
    frames = Frames(1434, per_packet=20, per_ack=4, header=86)
    life = drawn(pattern=pattern, mix=mix, frames=frames)
    node = life.simulated
    for window, (direction, way) in product(life.windows(), ((IN, Way.RX), (OUT, Way.TX))):
        span = (window.start, window.end)
        more = node.carried(direction, *span) - life.counted_physically(way, *span)
        frames_more = node.frames(direction, *span) - node.packets("eth0", way, *span)
        # The chatter of each node has headers of 66 bytes, and no packet of it has two frames.
        assert more == pytest.approx(86 * frames_more, rel=1e-6, abs=200)


@names
@pytest.mark.parametrize("seed", [1, 2])
def test_the_bounds_of_totals_and_of_devices_contain_the_truth(pattern: Pattern, mix: Mix, seed: int) -> None:
    life = drawn(seed, pattern=pattern, mix=mix)
    for window in life.windows():
        start, end = window.start, window.end
        rates = life.readings(FetchSpan.of(window, 2)).os_minutes(start, end)
        least, _, greatest = bytes_inside([rate for rate in rates if rate is not None])
        counted = life.simulated.counted(start, end)
        assert least * (1 - 1e-9) - 1000 <= counted <= greatest * (1 + 1e-9) + 1000
        evidence = weigh(life.events(start - PERIOD, end + PERIOD), periods(window), Classifier())
        assert isinstance(evidence, Evidence)
        for way, span in ((Way.RX, evidence.physical_rx), (Way.TX, evidence.physical_tx)):
            crossed = life.counted_physically(way, start, end) / 900
            assert span.low.bytes_per_second * (1 - 5e-4) - 1 <= crossed
            assert crossed <= span.high.bytes_per_second * (1 + 5e-4) + 1


@pytest.mark.parametrize("pattern", Pattern)
def test_the_average_over_a_day_is_the_rate_asked_for(pattern: Pattern) -> None:
    life = drawn(pattern=pattern, mix=Mix.HOST, hours=24)
    carried = sum(life.simulated.carried(way, life.begin, life.end) for way in Direction) / 86_400
    assert carried == pytest.approx(20e6, rel=0.15)


def test_a_seed_is_one_life_and_what_two_fetches_share_is_the_same() -> None:
    one, other = drawn(7, pattern=Pattern.HEAVY), drawn(7, pattern=Pattern.HEAVY)
    span, later = (FetchSpan.of(window, 2) for window in list(one.windows())[:2])
    assert one.readings(span) == other.readings(span)
    assert one.events(span.start, span.end) == other.events(span.start, span.end)
    assert one.readings(span).network_in_bytes[3:] == one.readings(later).network_in_bytes[:-3]
    assert (
        one.events(later.start, later.end).within(later.start, span.end)
        == one.events(later.start, span.end).samples
    )
    assert drawn(8, pattern=Pattern.HEAVY).readings(span) != one.readings(span)


@pytest.mark.parametrize(
    ("wrong", "way", "direction", "ratio"),
    [
        (Wrong.DEFICIT, Way.RX, IN, 0.8),
        (Wrong.DEFICIT, Way.TX, OUT, 0.8),
        (Wrong.EXCESS, Way.RX, IN, 1.2),
        (Wrong.MOVED, Way.TX, OUT, 0.8),
        (Wrong.RECEIVE_DROPS, Way.RX, IN, 0.8),
        (Wrong.RECEIVE_DROPS, Way.TX, OUT, 1.0),
        (Wrong.TRANSMIT_DROPS, Way.TX, OUT, 1.25),
        (Wrong.TRANSMIT_DROPS, Way.RX, IN, 1.0),
    ],
)
def test_a_mishap_shows_from_when_it_begins(
    wrong: Wrong, way: Way, direction: Direction, ratio: float
) -> None:
    hour = timedelta(hours=1)
    life = drawn(mix=Mix.PODS, frames=Frames(), mishap=Mishap(wrong, 0.2, after=hour))

    def reported(hours_later: int) -> float:
        start = life.begin + hours_later * hour
        # Some minutes away from where it begins, for rates are over the minute before.
        samples = [
            s for s in life.events(start + 2 * PERIOD, start + 10 * PERIOD).samples if s.device == "eth0"
        ]
        rates = [s.rx_bytes_per_second if way is Way.RX else s.tx_bytes_per_second for s in samples]
        mean = sum(rate or 0.0 for rate in rates) / len(rates)
        return mean * 2400 / life.simulated.carried(direction, start + 2 * PERIOD, start + 10 * PERIOD)

    assert reported(0) == pytest.approx(0.8 if wrong is Wrong.MOVED else 1.0, rel=0.02)
    assert reported(1) == pytest.approx(ratio, rel=0.02)


def test_a_moved_device_is_gone_and_its_bytes_are_missing_on_pods_as_well() -> None:
    life = drawn(mix=Mix.PODS, mishap=Mishap(Wrong.MOVED, 0.3, after=timedelta(hours=1)))
    samples = life.events(life.begin, life.end).samples
    assert max(s.at for s in samples if s.device == "ens7") < life.begin + timedelta(hours=1)


def test_drops_on_receiving_are_counted_as_such() -> None:
    life = drawn(mishap=Mishap(Wrong.RECEIVE_DROPS, 0.2))
    samples = life.events(life.begin, life.end).samples
    assert all(s.dropped_per_second for s in samples if s.device == "eth0")
    assert not any(s.dropped_per_second for s in samples if s.device != "eth0")


def test_rates_in_other_units_are_multiplied() -> None:
    life = drawn(pattern=Pattern.CONSTANT, mishap=Mishap(Wrong.UNITS, 1 / 8, after=timedelta(hours=1)))
    first, *_, last = list(life.windows())
    healthy, wrong = (life.readings(FetchSpan.of(window, 1)) for window in (first, last))
    assert wrong.os_bytes_per_second[7] == pytest.approx((healthy.os_bytes_per_second[7] or 0) / 8, rel=1e-3)


def test_ec2_may_be_late_off_by_some_seconds_and_count_other_headers() -> None:
    late = drawn(ways=replace(EXACT, late=1.0))
    window = next(late.windows())
    span = FetchSpan.of(window, 2)
    assert late.readings(span).network_in_samples[-1] in (None, 1.0, 2.0, 3.0, 4.0)
    assert set(late.readings(span, settled=True).network_in_samples) == {5.0}

    offset = timedelta(seconds=40)
    moved = drawn(ways=replace(EXACT, ec2=Ec2(offset, bytes_per_frame=24.0)))
    node, start = moved.simulated, span.start
    carried = node.carried(IN, start + offset, start + offset + PERIOD)
    frames = node.frames(IN, start + offset, start + offset + PERIOD)
    assert moved.readings(span).network_in_bytes[0] == pytest.approx(carried + 24 * frames, rel=1e-6)
    packets_in, packets_out = moved.network_packets(span)
    assert packets_in[0] == pytest.approx(frames, abs=5)
    assert len(packets_out) == span.periods


@pytest.mark.parametrize("half", [timedelta(seconds=30), timedelta(seconds=60)])
@pytest.mark.parametrize("count", [1, 2])
def test_an_interval_and_agents_are_as_asked(half: timedelta, count: int) -> None:
    life = drawn(ways=replace(EXACT, interval=half, agents=count))
    of_nic = [
        s for s in life.events(life.begin, life.begin + timedelta(hours=1)).samples if s.device == "eth0"
    ]
    assert len(of_nic) == pytest.approx(count * timedelta(hours=1) / half, abs=2)


def test_an_agent_that_dies_every_five_minutes_leaves_minutes_out() -> None:
    life = drawn(ways=replace(EXACT, up=timedelta(seconds=200), down=timedelta(seconds=100)))
    for window in life.windows():
        assert None in life.readings(FetchSpan.of(window, 1)).os_bytes_per_second


@pytest.mark.parametrize("enis", [Enis.IDLE, Enis.BUSY])
def test_a_second_interface_comes_and_goes(enis: Enis) -> None:
    life = drawn(2, hours=6, ways=replace(EXACT, enis=enis))
    seen = [s for s in life.events(life.begin, life.end).samples if s.device == "ens6"]
    assert life.begin < seen[0].at < seen[-1].at < life.end
    assert any(s.rx_bytes_per_second for s in seen) is (enis is Enis.BUSY)


def test_pods_are_replaced_under_new_names_or_the_same() -> None:
    def pods(churn: Churn) -> set[str]:
        life = drawn(ways=replace(EXACT, churn=churn, every=timedelta(minutes=10)), mix=Mix.PODS)
        return {s.device for s in life.events(life.begin, life.end).samples} - {"eth0"}

    assert len(pods(Churn.SAME_NAMES)) == 6
    assert len(pods(Churn.NEW_NAMES)) > 20


def test_a_node_that_is_launched_and_terminated_reports_in_between() -> None:
    life = drawn(hours=6, ways=replace(EXACT, is_launched=True))
    whole = life.readings(FetchSpan(life.begin, life.end))
    counts = [count for count in whole.network_in_samples if count is not None]
    assert 10 < len(counts) < len(whole.network_in_samples)
    assert whole.network_in_samples[0] is whole.os_bytes_per_second[0] is None


@pytest.mark.parametrize(
    ("ways", "least", "most"),
    [
        (Ways(resolver=ByteRate(500e3)), -0.55e6, -0.45e6),
        (Ways(mirrored=0.5), 8e6, 12e6),
        (Ways(efa=ByteRate(1e6)), 1.8e6, 2.4e6),
    ],
)
def test_conventions_of_ec2_show_as_a_difference(ways: Ways, least: float, most: float) -> None:
    life = drawn(pattern=Pattern.CONSTANT, frames=Frames(), ways=ways)
    span = (life.begin, life.end)
    carried = sum(life.simulated.carried(direction, *span) for direction in Direction)
    counted = sum(life.counted_physically(way, *span) for way in Way)
    assert least <= (carried - counted) / 7200 <= most


@pytest.mark.parametrize(("received", "most_of"), [(1.0, IN), (0.0, OUT)])
def test_a_node_may_only_download_or_only_upload(received: float, most_of: Direction) -> None:
    life = drawn(frames=Frames(), ways=replace(EXACT, received=received))
    carried = {way: life.simulated.carried(way, life.begin, life.end) for way in Direction}
    assert carried[most_of] > 0.95 * sum(carried.values())


@pytest.mark.parametrize("seed", range(20))
def test_ways_that_nothing_is_known_of_stay_within_what_is_thinkable(seed: int) -> None:
    ways = Ways.unknown(Random(seed))  # noqa: S311
    assert abs(ways.ec2.offset) <= timedelta(seconds=60)
    assert abs(ways.clock_skew) <= timedelta(seconds=3)
    assert -14 <= ways.ec2.bytes_per_frame <= 24


# --- Against the recordings of real kernels ---

WIRE = "hv-rem"
"""The device of the recordings that segments nothing and merges nothing, as a wire."""


def counters(text: str, device: str) -> list[int]:
    """Bytes and packets received, bytes and packets sent."""
    [line] = [line for line in text.splitlines() if line.strip().startswith(f"{device}:")]
    columns = line.partition(":")[2].split()
    return [int(columns[place]) for place in (0, 1, 8, 9)]


def grown(name: str, side: str, device: str) -> list[int]:
    first, last = json.loads((CAPTURES / f"{name}.json").read_text(encoding="utf-8"))["samples"]
    return [b - a for a, b in zip(counters(first[side], device), counters(last[side], device), strict=True)]


@pytest.mark.parametrize("name", ["k1-tso-9001", "k2-tso-1500"])
def test_a_frame_more_on_the_wire_is_a_header_of_66_bytes_as_recorded(name: str) -> None:
    _, _, sent, packets = grown(name, "node", "eth0")
    _, _, carried, frames = grown(name, "vpc", WIRE)
    assert round((carried - sent) / (frames - packets), 1) == Frames().header == 66.0


def test_a_received_frame_may_lack_its_ethernet_header_and_is_merged_later_as_recorded() -> None:
    received, packets, _, _ = grown("k5-gro-1500", "node", "eth0")
    carried, frames, _, _ = grown("k5-gro-1500", "vpc", WIRE)
    _, _, _, by_pod = grown("k5-gro-1500", "node", "eni0d7763386da")
    assert frames == packets + 1
    assert round((carried - received) / packets, 1) == 14.0
    assert by_pod < packets / 10
