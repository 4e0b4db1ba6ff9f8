"""The agent's arithmetic, against figures that AWS's own test of the agent expects, and its known oddities.

The captured node's figures are those of `TestNetStats` in open-telemetry/opentelemetry-collector-contrib
(0d9a1ea5ead7, receiver/awscontainerinsightreceiver/internal/cadvisor/extractors/net_extractor_test.go). The
growth of each counter follows from them: the one interval in which all of them are whole numbers.
"""

from datetime import UTC, datetime, timedelta

import pytest

from demo.agent import Agent, AgentSample, Calculator, Counters

BEGIN = datetime(2026, 3, 2, 12, 0, 37, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

CAPTURED_FOR = timedelta(seconds=54.226265)
CAPTURED = {
    # In the order of /proc/net/dev: rx and tx bytes, rx and tx packets.
    "eni2bbf9bbc6ab": Counters(20730, 122665, 122, 124),
    "eni5b727305f03": Counters(0, 0, 0, 0),
    "enic36ed3f6bb5": Counters(14383, 205273, 130, 137),
    "eth0": Counters(423943, 166676, 1041, 988),
    "eni40c8ef3f6c3": Counters(17316, 86302, 197, 198),
    "eth1": Counters(87633, 7208, 101, 93),
    "eni7cce1b61ea4": Counters(14574, 46800, 143, 143),
}
AWS_EXPECTS = {
    "eni2bbf9bbc6ab": (382.28706877648807, 2262.0956725261894, 2.2498322426788007, 2.2867147384604203),
    "eni5b727305f03": (0, 0, 0, 0),
    "enic36ed3f6bb5": (265.24046841351793, 3785.490278290209, 2.397362225805279, 2.5264509610409482),
    "eth0": (7818.037954573597, 3073.713433448621, 19.197339054333046, 18.21995291612012),
    "eni40c8ef3f6c3": (319.3286484772632, 1591.516575472671, 3.632925834489539, 3.651367082380349),
    "eth1": (1616.061876415339, 132.92451479695734, 1.862566036971794, 1.7150360538453153),
    "eni7cce1b61ea4": (268.76274676066265, 863.0504012899006, 2.6370984483858075, 2.6370984483858075),
}
AWS_EXPECTS_IN_TOTAL = 22378.509639241416


def read(*readings: dict[str, int], agent: Agent | None = None) -> list[AgentSample]:
    """A reading a minute, of what each device has received."""
    agent = agent or Agent()
    return [
        agent.sample(BEGIN + n * MINUTE, {name: Counters(rx, 0) for name, rx in devices.items()})
        for n, devices in enumerate(readings)
    ]


def test_a_captured_node_has_the_rates_that_aws_expects() -> None:
    agent = Agent()
    agent.sample(BEGIN, dict.fromkeys(CAPTURED, Counters(0, 0)))
    sample = agent.sample(BEGIN + CAPTURED_FOR, CAPTURED)
    for event in sample.devices:
        rates = (
            event.rx_bytes_per_second,
            event.tx_bytes_per_second,
            event.rx_packets_per_second,
            event.tx_packets_per_second,
        )
        assert rates == pytest.approx(AWS_EXPECTS[event.device], rel=1e-7)
    assert {event.device for event in sample.devices} == set(AWS_EXPECTS)
    assert sample.total == pytest.approx(AWS_EXPECTS_IN_TOTAL, rel=1e-7)


def test_the_first_reading_has_neither_a_total_nor_an_event() -> None:
    [first] = read({"eth0": 5})
    assert first == (BEGIN, None, ())


def test_a_rate_is_over_the_real_time_between_two_readings() -> None:
    agent = Agent()
    agent.sample(BEGIN, {"eth0": Counters(0, 0)})
    late = agent.sample(BEGIN + timedelta(seconds=80), {"eth0": Counters(8000, 0)})
    assert late.total == 100


def test_a_counter_that_fell_has_no_rate_until_it_passes_its_old_value_and_then_one_over_the_gap() -> None:
    _, _, fell, below, passed = read(
        {"eth0": 0, "eni0": 0},
        {"eth0": 60, "eni0": 600},
        {"eth0": 120, "eni0": 10},
        {"eth0": 180, "eni0": 500},
        {"eth0": 240, "eni0": 960},
    )
    for silent in (fell, below):
        assert silent.total == 1
        assert [event.rx_bytes_per_second for event in silent.devices] == [1, None]
    assert passed.total == 1 + 360 / 180


def test_what_fell_and_is_not_passed_is_forgotten_after_a_quarter_of_an_hour() -> None:
    fell = [{"eni0": 10**9}, *({"eni0": 60 * n} for n in range(40))]
    totals = [sample.total for sample in read(*fell)]
    silent = totals.index(1)
    assert set(totals[:silent]) == {None}
    assert set(totals[silent:]) == {1}
    assert 16 <= silent <= 31


def test_a_first_device_without_a_rate_takes_the_total_of_the_node_with_it() -> None:
    _, second = read({"eth0": 0}, {"eni0": 0, "eth0": 60})
    assert second.total is None
    assert [event.device for event in second.devices] == ["eth0"]


def test_a_later_device_without_a_rate_is_left_out_in_silence() -> None:
    _, second = read({"eth0": 0}, {"eth0": 60, "eni0": 10**6})
    assert second.total == 1


@pytest.mark.parametrize("device", ["lo", "veth1a2b", "docker0", "nerdctl0"])
def test_what_cadvisor_leaves_out_is_in_no_event_and_no_total(device: str) -> None:
    _, second = read({"eth0": 0, device: 0}, {"eth0": 60, device: 10**9})
    assert second.total == 1
    assert [event.device for event in second.devices] == ["eth0"]


def test_an_old_agent_turns_a_counter_that_fell_into_a_figure_beyond_any_counter() -> None:
    calculator = Calculator(wraps=True)
    calculator.rate(0, 1000, swept_at=0)
    assert calculator.rate(60_000_000, 0, swept_at=0) == pytest.approx(3.07e17, rel=0.01)
