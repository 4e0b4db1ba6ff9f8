"""The recordings become what CloudWatch would hold, and nothing is lost or added on the way."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from demo.agent import Counters
from demo.recorded import RecordedNode, growth, hold_constant, read_proc_net_dev, recorded_nodes
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window

WINDOW = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
SPAN = FetchSpan.of(WINDOW, windows=2)
NODES = {node.key: node for node in recorded_nodes()}

HEADER = "Inter-|   Receive  |  Transmit\n face |bytes packets ...|bytes packets ...\n"


def net_dev(**counters: tuple[int, int]) -> str:
    """A text of /proc/net/dev with these devices' received and sent bytes."""
    return HEADER + "".join(
        f"{name:>6}: {rx:7} 1 0 0 0 0 0 0 {tx} 1 0 0 0 0 0 0\n" for name, (rx, tx) in counters.items()
    )


def test_every_recording_is_there_and_the_article_comes_last() -> None:
    assert [node.key for node in recorded_nodes()] == [
        *("a", "b", "c", "d", "e", "f1", "f2", "g1", "g2", "g4", "i1", "j1", "j3"),
        *("k1", "k2", "k3", "k4", "k5", "m", "article"),
    ]


def test_every_recording_says_in_plain_words_what_goes_on() -> None:
    titles = [node.title for node in recorded_nodes()]
    assert len(set(titles)) == len(titles)
    assert all(title[0].isupper() and not title.endswith(".") and len(title) < 90 for title in titles)


def test_only_the_articles_devices_are_made_up() -> None:
    assert [node.key for node in recorded_nodes() if node.evidence_is_made_up] == ["article"]


@pytest.mark.parametrize("node", recorded_nodes(), ids=lambda node: node.key)
def test_the_total_is_the_sum_of_the_devices(node: RecordedNode) -> None:
    devices = sum((rate.rx + rate.tx for rate in node.devices.values()), ZERO)
    assert node.os.bytes_per_second == pytest.approx(devices.bytes_per_second, rel=1e-12)


@pytest.mark.parametrize("node", [n for n in recorded_nodes() if n.key != "g1"], ids=lambda node: node.key)
def test_the_physical_devices_carry_what_the_network_interfaces_do(node: RecordedNode) -> None:
    physical = [rate for name, rate in node.devices.items() if name.startswith("eth")]
    assert sum((rate.rx for rate in physical), ZERO) == node.network_in
    assert sum((rate.tx for rate in physical), ZERO) == node.network_out


def test_a_moved_interface_carries_what_no_device_of_the_node_counts() -> None:
    node = NODES["g1"]
    assert list(node.devices) == ["eth0"]
    assert node.os < (node.network_in + node.network_out) / 100


@pytest.mark.parametrize("key", [node.key for node in recorded_nodes()])
def test_devices_container_insights_leaves_out_are_left_out(key: str) -> None:
    assert not [name for name in NODES[key].devices if name.startswith(("lo", "veth", "docker", "nerdctl"))]


def test_the_recording_of_pods_named_veth_is_all_physical() -> None:
    assert list(NODES["m"].devices) == ["eth0"]


def test_two_pods_mirror_each_other() -> None:
    _, one, other = NODES["a"].devices.values()
    assert (one.rx, one.tx) == (other.tx, other.rx)


def test_the_article_has_its_published_figures() -> None:
    node = NODES["article"]
    assert node.os == ByteRate(1_275_566_689)
    assert node.network_in.bytes_per_second * 300 == pytest.approx(155_698)
    assert node.network_out.bytes_per_second * 300 == pytest.approx(95_259)
    assert node.os / (node.network_in + node.network_out) == pytest.approx(1_524_843, abs=1)


def test_a_text_of_proc_net_dev_is_read_by_column() -> None:
    text = HEADER + "  eth0:123 1 2 3 4 5 6 7 890 9 10 11 12 13 14 15\n"
    assert read_proc_net_dev(text) == {"eth0": Counters(123, 890, 1, 9, 3 + 11)}


def bytes_of(texts: list[str]) -> dict[str, tuple[int, int]]:
    return {name: (grown.rx_bytes, grown.tx_bytes) for name, grown in growth(texts).items()}


def test_growth_survives_a_counter_that_starts_anew() -> None:
    texts = [net_dev(eth0=(100, 10)), net_dev(eth0=(150, 20)), net_dev(eth0=(30, 5)), net_dev(eth0=(31, 9))]
    assert bytes_of(texts) == {"eth0": (50 + 30 + 1, 10 + 5 + 4)}


def test_one_direction_that_falls_means_the_device_is_new() -> None:
    texts = [net_dev(eni1=(100, 10)), net_dev(eni1=(120, 3))]
    assert bytes_of(texts) == {"eni1": (120, 3)}


def test_growth_counts_a_device_that_appears_from_zero() -> None:
    texts = [net_dev(eth0=(1, 1)), net_dev(eth0=(1, 1), eni1=(7, 8)), net_dev(eth0=(1, 1))]
    assert bytes_of(texts) == {"eth0": (0, 0), "eni1": (7, 8)}


def test_the_pod_that_was_made_again_is_counted_twice_over() -> None:
    """Before and after alone would show what the second life counted, less what the first did."""
    rates = NODES["i1"].devices["eni9ae1fe16e6f"]
    seconds = 7.585
    assert rates.tx.bytes_per_second * seconds == pytest.approx(65_250_737, rel=1e-4)


def test_held_rates_fill_every_minute_and_period() -> None:
    node = NODES["e"]
    readings, events = hold_constant(node, SPAN, sampled_at=timedelta(seconds=20))
    assert len(readings.os_bytes_per_second) == SPAN.minutes
    assert set(readings.os_bytes_per_second) == {node.os.bytes_per_second}
    assert set(readings.network_in_bytes) == {round(node.network_in.bytes_per_second * 300)}
    assert set(readings.network_out_bytes) == {round(node.network_out.bytes_per_second * 300)}
    assert set(readings.network_in_samples) == {5}
    at = sorted({sample.at for sample in events.samples})
    assert at[0] == SPAN.start - 2 * MINUTE + timedelta(seconds=20)
    assert at[-1] == SPAN.end - MINUTE + timedelta(seconds=20)
    assert {later - earlier for earlier, later in pairwise(at)} == {MINUTE}
    assert len(events.samples) == len(at) * len(node.devices)


def test_held_rates_are_bytes_per_period_on_one_side_and_per_second_on_the_other() -> None:
    readings, events = hold_constant(NODES["c"], SPAN)
    carried = (readings.network_in_bytes[0] or 0) + (readings.network_out_bytes[0] or 0)
    assert carried / PERIOD.total_seconds() == pytest.approx(readings.os_bytes_per_second[0], rel=1e-6)
    assert {sample.device for sample in events.samples} == set(NODES["c"].devices)
