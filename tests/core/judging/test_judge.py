"""The verdict table, row by row, each with a node made for it."""

from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from enigap.core.counting.evidence import (
    DeviceEvents,
    DeviceSample,
    DeviceScope,
    MissingEvidence,
    NoEvidence,
    Unusable,
)
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ZERO, ByteRate
from enigap.core.counting.window import MINUTE, PERIOD
from enigap.core.judging.judge import judge, judge_windows
from enigap.core.judging.verdict import VERDICT_TABLE, Cause, Judgement, Verdict, wants_evidence
from tests.fakes.readings import NODE, SPAN, WINDOW, Devices, events, steady, without_os

MB = 1e6
RULES = Rules()


def judged(
    readings: Readings | Unreadable,
    devices: Devices | DeviceEvents | MissingEvidence | None = None,
    *,
    node: Node = NODE,
    rules: Rules = RULES,
) -> Judgement:
    seen = (
        devices if devices is None or isinstance(devices, DeviceEvents | MissingEvidence) else events(devices)
    )
    return judge(node, readings, seen, WINDOW, rules)


def test_the_table_has_a_row_for_every_verdict_in_its_order() -> None:
    assert list(VERDICT_TABLE) == list(Verdict)


def test_a_node_cloudwatch_failed_for_is_unreadable_and_says_why() -> None:
    found = judged(Unreadable("CloudWatch throttled the request"))
    assert found.verdict is Verdict.UNREADABLE
    assert "throttled" in str(found.reason)
    assert (found.os, found.eni, found.unexplained) == (None, None, None)


@pytest.mark.parametrize(
    ("readings", "devices"),
    [
        (steady(9 * MB, MB, MB), None),
        (steady(9 * MB, MB, MB), {"Ethernet 2": (MB, MB), "vEthernet (nat)": (3 * MB, 4 * MB)}),
        (steady(MB, 5 * MB, MB), {"eth0": (0.5 * MB, 0.5 * MB)}),
        (without_os(steady(5 * MB, MB, MB), SPAN.start, 32), None),
        (steady(2 * MB, MB, MB), {"eth0": (MB, MB)}),
    ],
    ids=["surplus", "adapters", "deficit", "silent", "same"],
)
def test_a_windows_node_is_unverified_for_it_runs_windows(
    readings: Readings, devices: Devices | None
) -> None:
    found = judged(readings, devices, node=replace(NODE, is_windows=True))
    assert found.verdict is Verdict.UNVERIFIED
    assert "runs Windows" in str(found.reason)
    assert "Ethernet" not in str(found.reason)
    assert not wants_evidence(found)
    assert (found.unexplained, found.cause) == (None, None)


class TestWarmingUp:
    new = replace(NODE, launched_at=WINDOW.start + timedelta(minutes=8))

    def test_a_node_launched_during_the_window_is_given_time(self) -> None:
        readings = without_os(steady(5 * MB, MB, MB), SPAN.start, 32)
        started = replace(readings, network_in_bytes=(None,) * 6 + (MB,) * 2)
        assert judged(started, node=self.new).verdict is Verdict.WARMING_UP

    def test_a_node_that_reported_before_its_launch_was_stopped_and_started_and_gets_no_grace(self) -> None:
        silent = without_os(steady(5 * MB, MB, MB), SPAN.start, SPAN.minutes)
        assert judged(silent, node=self.new).verdict is Verdict.OS_SILENT

    def test_complete_readings_are_judged_whatever_the_launch_time_says(self) -> None:
        assert judged(steady(2 * MB, MB, MB), node=self.new).verdict is Verdict.AGREE

    def test_a_node_launched_before_the_window_gets_no_grace(self) -> None:
        old = replace(NODE, launched_at=WINDOW.start)
        assert judged(steady(None, MB, MB), node=old).verdict is Verdict.OS_SILENT


class TestImplausible:
    def test_a_wrapped_counter_is_implausible_however_short(self) -> None:
        readings = steady(5 * MB, 2 * MB, 2 * MB)
        rates = list(readings.os_bytes_per_second)
        rates[20] = 3.07e17
        found = judged(replace(readings, os_bytes_per_second=tuple(rates)))
        assert (found.verdict, found.cause) == (Verdict.IMPLAUSIBLE, Cause.WRAPPED_COUNTER)
        assert "307 PB/s" in str(found.reason)

    def test_one_device_with_a_wrapped_counter_is_named(self) -> None:
        seen = events({"eth0": (MB, MB), "eni1a2b3c4d5e6": (3e17, 0.0)})
        found = judged(steady(2 * MB, MB, MB), seen)
        assert found.verdict is Verdict.IMPLAUSIBLE
        assert "eni1a2b3c4d5e6" in str(found.reason)

    def test_enis_above_twice_the_instance_types_bandwidth_are_implausible(self) -> None:
        node = replace(NODE, instance_type="t3.nano", bandwidth=ByteRate(100 * MB))
        readings = steady(400 * MB, 150 * MB, 90 * MB)
        found = judged(readings, node=node)
        assert (found.verdict, found.cause) == (Verdict.IMPLAUSIBLE, None)
        assert judged(readings).verdict is Verdict.POD_EDGE

    def test_devices_that_count_as_much_show_that_the_bandwidth_is_known_too_low(self) -> None:
        node = replace(NODE, instance_type="t3.nano", bandwidth=ByteRate(100 * MB))
        found = judged(steady(240 * MB, 150 * MB, 90 * MB), {"eth0": (150 * MB, 90 * MB)}, node=node)
        assert found.verdict is Verdict.AGREE

    def test_devices_that_count_far_less_show_that_ec2_is_wrong(self) -> None:
        node = replace(NODE, instance_type="t3.nano", bandwidth=ByteRate(100 * MB))
        devices = {"eth0": (15 * MB, 3 * MB), "eni1a2b3c4d5e6": (1 * MB, 1 * MB)}
        found = judged(steady(20 * MB, 1500 * MB, 3 * MB), devices, node=node)
        assert (found.verdict, found.cause) == (Verdict.IMPLAUSIBLE, Cause.EC2_SIDE)

    def test_the_total_is_never_held_against_the_link_for_virtual_devices_have_none(self) -> None:
        node = replace(NODE, bandwidth=ByteRate(100 * MB))
        assert judged(steady(5000 * MB, MB, MB), node=node).verdict is Verdict.UNVERIFIED


class TestSilence:
    def test_a_node_only_ec2_reports_is_os_silent(self) -> None:
        found = judged(steady(None, 40 * MB, 25 * MB))
        assert (found.verdict, found.cause) == (Verdict.OS_SILENT, Cause.AGENT_DOWN)
        assert found.eni == ByteRate(65 * MB)
        assert (found.os, found.ratio, found.unexplained) == (None, None, None)

    def test_device_events_that_still_arrive_show_that_the_agent_is_alive(self) -> None:
        found = judged(steady(None, MB, MB), {"eth0": (MB, MB)})
        assert (found.verdict, found.cause) == (Verdict.OS_SILENT, Cause.METRIC_PATH)
        assert "alive" in str(found.reason)

    def test_a_node_only_container_insights_reports_is_eni_silent_and_unknown(self) -> None:
        found = judged(steady(5 * MB, None, None))
        assert (found.verdict, found.explained) == (Verdict.ENI_SILENT, None)

    def test_silence_on_both_sides_is_no_verdict_on_either(self) -> None:
        assert judged(steady(None, None, None)).verdict is Verdict.PARTIAL


class TestPartial:
    @pytest.mark.parametrize(
        ("minute", "verdict"),
        [
            (7, Verdict.AGREE),
            (2, Verdict.AGREE),
            (11, Verdict.AGREE),
            (4, Verdict.PARTIAL),
            (10, Verdict.PARTIAL),
        ],
    )
    def test_a_missing_minute_spoils_the_periods_that_it_and_the_next_sample_touch(
        self, minute: int, verdict: Verdict
    ) -> None:
        readings = without_os(steady(2 * MB, MB, MB), WINDOW.start + minute * MINUTE, 1)
        assert judged(readings).verdict is verdict

    def test_ec2_datapoints_that_are_still_growing_do_not_count(self) -> None:
        readings = steady(2 * MB, MB, MB)
        growing = (5.0,) * 5 + (3.0,) * 3
        found = judged(replace(readings, network_in_samples=growing))
        assert (found.verdict, found.explained) == (Verdict.PARTIAL, None)
        assert "1 of the window's 3" in str(found.reason)

    @pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), -1.0])
    def test_what_no_counter_can_be_counts_as_missing(self, nonsense: float) -> None:
        readings = steady(2 * MB, MB, MB)
        rates = list(readings.os_bytes_per_second)
        rates[19:30] = [nonsense] * 11
        assert judged(replace(readings, os_bytes_per_second=tuple(rates))).verdict is Verdict.PARTIAL


def test_a_node_under_the_floor_on_both_sides_is_idle_whatever_the_ratio() -> None:
    assert judged(steady(49_000, 3_000, 5_000)).verdict is Verdict.IDLE
    assert judged(steady(0, 0, 0)).verdict is Verdict.IDLE
    assert judged(steady(51_000, 3_000, 5_000)).verdict is not Verdict.IDLE


class TestOsDeficit:
    def test_the_os_counting_less_than_the_enis_carried_contradicts_counting(self) -> None:
        found = judged(steady(12.1 * MB, 33 * MB, 32.2 * MB))
        assert (found.verdict, found.explained) == (Verdict.OS_DEFICIT, False)
        assert found.unexplained is not None
        assert 45 * MB < found.unexplained.bytes_per_second < 48 * MB
        assert "at least" in str(found.reason)

    @pytest.mark.parametrize("direction", ["received", "sent"])
    def test_with_evidence_one_direction_is_enough_though_the_totals_look_fine(self, direction: str) -> None:
        eth0 = (10 * MB, 40 * MB) if direction == "received" else (40 * MB, 10 * MB)
        found = judged(
            steady(150 * MB, 40 * MB, 40 * MB), {"eth0": eth0, "eni1a2b3c4d5e6": (50 * MB, 50 * MB)}
        )
        assert found.verdict is Verdict.OS_DEFICIT
        assert direction in str(found.reason)

    def test_a_difference_under_the_floor_is_none(self) -> None:
        assert judged(steady(105_000, 75_000, 75_000)).explained is True
        assert judged(steady(95_000, 75_000, 75_000)).explained is False

    def test_nothing_is_unexplained_while_the_measured_interval_touches_the_band(self) -> None:
        found = judged(steady(0.85 * 2 * MB, MB, MB))
        assert (found.explained, found.unexplained) == (True, ZERO)


def test_physical_devices_that_count_more_than_the_enis_carried_are_an_excess() -> None:
    devices = {"eth0": (MB, 80 * MB), "eni1a2b3c4d5e6": (80 * MB, MB)}
    found = judged(steady(162 * MB, MB, 60 * MB), devices)
    assert (found.verdict, found.explained) == (Verdict.OS_EXCESS, False)
    assert found.unexplained is not None
    assert found.unexplained > ByteRate(5 * MB)


def test_both_sides_within_the_tolerance_agree() -> None:
    assert judged(steady(1.07 * 2 * MB, MB, MB)).verdict is Verdict.AGREE
    assert judged(steady(0.93 * 2 * MB, MB, MB)).verdict is Verdict.AGREE


class TestPodEdge:
    @pytest.mark.parametrize("ratio", [1.1, 1.5, 2.0, 2.15])
    def test_up_to_twice_the_enis_is_pod_traffic_counted_again(self, ratio: float) -> None:
        assert judged(steady(ratio * 2 * MB, MB, MB)).verdict is Verdict.POD_EDGE

    @pytest.mark.parametrize(
        ("counts", "verdict"), [(1, Verdict.UNVERIFIED), (2, Verdict.UNVERIFIED), (3, Verdict.POD_EDGE)]
    )
    def test_how_often_a_byte_may_be_counted_is_a_setting(self, counts: int, verdict: Verdict) -> None:
        found = judged(steady(3 * 100 * MB, 50 * MB, 50 * MB), rules=Rules(max_counts_per_byte=counts))
        assert found.verdict is verdict

    @pytest.mark.parametrize(
        "overlay", ["flannel.1", "vxlan.calico", "cilium_vxlan", "vlan.eth.1", "tunl0", "geneve_sys"]
    )
    def test_an_overlay_that_carries_the_traffic_counts_it_once_more_and_is_named(self, overlay: str) -> None:
        devices = {"eth0": (MB, 49 * MB), "eni1a2b3c4d5e6": (49 * MB, MB), overlay: (MB, 49 * MB)}
        found = judged(steady(150 * MB, MB, 49 * MB), devices)
        assert found.verdict is Verdict.POD_EDGE
        assert overlay in str(found.reason)

    def test_an_idle_overlay_explains_nothing(self) -> None:
        devices = {"eth0": (MB, 49 * MB), "cni0": (99 * MB, MB), "flannel.1": (0.0, 0.0)}
        assert judged(steady(150 * MB, MB, 49 * MB), devices).verdict is Verdict.NODE_LOCAL


class TestNodeLocal:
    devices: ClassVar = {"eth0": (MB, MB), "eni1a2b3c4d5e6": (500 * MB, MB), "eni6e5d4c3b2a1": (MB, 500 * MB)}

    def test_a_surplus_on_virtual_devices_with_equal_physical_ones_never_left_the_node(self) -> None:
        found = judged(steady(1004 * MB, MB, MB), self.devices)
        assert (found.verdict, found.explained, found.unexplained) == (Verdict.NODE_LOCAL, True, ZERO)
        assert found.node_local_at_least is not None
        assert ZERO < found.node_local_at_least < ByteRate(501 * MB)

    def test_without_evidence_the_same_numbers_are_unverified_and_never_an_alarm(self) -> None:
        found = judged(steady(1004 * MB, MB, MB))
        assert (found.verdict, found.explained, found.unexplained) == (Verdict.UNVERIFIED, None, None)
        assert wants_evidence(found)


class TestUnverified:
    suspicious = steady(1004 * MB, MB, MB)

    def test_missing_evidence_is_named(self) -> None:
        missing = MissingEvidence(NoEvidence.DENIED, "reading its log group was denied")
        found = judged(self.suspicious, missing)
        assert found.verdict is Verdict.UNVERIFIED
        assert "reading its log group was denied" in str(found.reason)

    @pytest.mark.parametrize(
        ("devices", "why"),
        [
            ({"Ethernet 2": (MB, MB), "vEthernet": (501 * MB, 501 * MB)}, "name of an ENI"),
            ({"eth0": (MB, MB)}, "add up to"),
            ({}, "no device events"),
        ],
    )
    def test_evidence_that_proves_nothing_says_why(self, devices: Devices, why: str) -> None:
        found = judged(self.suspicious, devices)
        assert found.verdict is Verdict.UNVERIFIED
        assert why in str(found.reason)
        assert isinstance(found.evidence, Unusable)

    def test_events_of_another_node_prove_nothing(self) -> None:
        found = judged(self.suspicious, DeviceEvents((), foreign=30))
        assert found.verdict is Verdict.UNVERIFIED
        assert "another node" in str(found.reason)

    def test_a_physical_device_that_skips_minutes_proves_nothing(self) -> None:
        gap = timedelta(minutes=6)
        seen = events(TestNodeLocal.devices)
        holes = tuple(
            s
            for s in seen.samples
            if s.device != "eth0" or not WINDOW.start + PERIOD <= s.at < WINDOW.start + PERIOD + gap
        )
        found = judged(self.suspicious, DeviceEvents(holes))
        assert found.verdict is Verdict.UNVERIFIED
        assert "eth0" in str(found.reason)

    def test_a_device_of_no_known_class_that_would_explain_a_mismatch_is_named_not_guessed_about(
        self,
    ) -> None:
        found = judged(steady(50 * MB, MB, 49 * MB), {"wan7": (MB, 49 * MB), "eth0": (0.0, 0.0)})
        assert (found.verdict, found.explained) == (Verdict.UNVERIFIED, None)
        assert "wan7" in str(found.reason)

    def test_a_device_of_no_known_class_that_explains_nothing_excuses_nothing(self) -> None:
        found = judged(steady(50 * MB, MB, 90 * MB), {"wan7": (MB, MB), "eth0": (MB, 47 * MB)})
        assert found.verdict is Verdict.OS_DEFICIT

    def test_a_device_that_may_be_an_overlay_or_a_pods_own_decides_nothing(self) -> None:
        devices = {"eth0": (MB, 49 * MB), "eni1a2b3c4d5e6": (49 * MB, MB), "mystery0": (MB, 49 * MB)}
        found = judged(steady(150 * MB, MB, 49 * MB), devices)
        assert found.verdict is Verdict.UNVERIFIED
        assert "mystery0" in str(found.reason)
        assert found.node_local_at_least is None


def test_events_of_two_agents_or_every_thirty_seconds_change_no_verdict() -> None:
    once = events(TestNodeLocal.devices)
    twice = DeviceEvents(
        once.samples + tuple(replace(s, at=s.at + timedelta(seconds=30)) for s in once.samples)
    )
    assert judged(TestUnverified.suspicious, twice).verdict is Verdict.NODE_LOCAL


def test_an_event_delivered_twice_counts_once() -> None:
    once = events(TestNodeLocal.devices)
    assert judged(TestUnverified.suspicious, DeviceEvents(once.samples * 2)) == judged(
        TestUnverified.suspicious, once
    )


def test_a_reset_device_without_rates_is_no_zero() -> None:
    seen = events(TestNodeLocal.devices)
    reset = tuple(
        DeviceSample(s.at, s.device, None, None)
        if s.device == "eth0" and s.at > WINDOW.start + 4 * MINUTE
        else s
        for s in seen.samples
    )
    found = judged(steady(1004 * MB, MB, MB), DeviceEvents(reset))
    assert found.verdict is Verdict.UNVERIFIED
    assert "eth0" in str(found.reason)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_reasons_are_one_plain_line_that_ends_with_a_full_stop(verdict: Verdict) -> None:
    crashing = steady(4 * MB, MB, MB)
    rates = tuple(None if n % 5 > 2 else rate for n, rate in enumerate(crashing.os_bytes_per_second))
    crashing = replace(crashing, os_bytes_per_second=rates)
    unsteady, _ = judge_windows(NODE, crashing, None, (WINDOW, WINDOW.previous()), RULES)
    examples = [
        judged(Unreadable("CloudWatch throttled the request")),
        judged(steady(None, None, None), node=TestWarmingUp.new),
        judged(steady(3e17, MB, MB)),
        judged(steady(None, MB, MB)),
        judged(steady(MB, None, None)),
        judged(steady(None, None, None)),
        judged(steady(0, 0, 0)),
        judged(steady(MB, 50 * MB, MB)),
        judged(steady(162 * MB, MB, 60 * MB), {"eth0": (MB, 80 * MB), "eni1a2b3c4d5e6": (80 * MB, MB)}),
        judged(steady(2 * MB, MB, MB)),
        judged(steady(4 * MB, MB, MB)),
        judged(steady(1004 * MB, MB, MB), TestNodeLocal.devices),
        judged(TestUnverified.suspicious),
        unsteady,
    ]
    (found,) = (example for example in examples if example.verdict is verdict)
    assert str(found.reason).endswith(".")
    assert str(found.reason).isprintable()
    assert ". " not in str(found.reason)


class TestEniDevicesAlone:
    """They can clear a node, never accuse it."""

    @staticmethod
    def seen(devices: Devices) -> DeviceEvents:
        return replace(events(devices), scope=DeviceScope.ENI)

    def test_a_surplus_is_node_local_where_they_match_in_both_directions(self) -> None:
        judgement = judge(NODE, steady(9e6, 6e5, 4e5), self.seen({"eth0": (6e5, 4e5)}), WINDOW, Rules())
        assert judgement.verdict is Verdict.NODE_LOCAL
        assert "the surplus on virtual devices" in str(judgement.reason)
        assert judgement.evidence is None
        assert judgement.node_local_at_least is not None
        assert judgement.node_local_at_least < ByteRate(9e6 - 2 * 1e6)

    @pytest.mark.parametrize(
        "rates", [(2e5, 4e5), (6e5, 1e5), (3e6, 4e5), (6e5, 3e6), (2e12, 4e5), (0.0, 0.0)], ids=str
    )
    @pytest.mark.parametrize("os", [1e6, 2e6, 9e6])
    def test_a_difference_in_one_direction_is_left_to_all_devices(
        self, os: float, rates: tuple[float, float]
    ) -> None:
        judgement = judge(NODE, steady(os, 6e5, 4e5), self.seen({"eth0": rates}), WINDOW, Rules())
        # More than the total is no part of it, and proves nothing against what the total says.
        assert wants_evidence(judgement) or sum(rates) > os
        assert judgement.explained is not False

    def test_an_eni_without_events_clears_nothing(self) -> None:
        for none in (self.seen({}), self.seen({"eth0": (3e5, 2e5)})):
            judgement = judge(NODE, steady(9e6, 6e5, 4e5), none, WINDOW, Rules())
            assert judgement.verdict is Verdict.UNVERIFIED

    def test_bytes_that_an_overlay_may_count_again_are_assumed_as_without_devices(self) -> None:
        """Three times may be an overlay, which a look at the ENI devices does not see."""
        overlay = Rules(max_counts_per_byte=3)
        judgement = judge(NODE, steady(3e6, 6e5, 4e5), self.seen({"eth0": (6e5, 4e5)}), WINDOW, overlay)
        assert judgement.verdict is Verdict.POD_EDGE


def test_a_node_whose_eni_counter_was_reset_is_not_taken_for_pod_traffic() -> None:
    """Pods make up in the total for what the ENI lacks."""
    seen = events({"eth0": (6e5, 4e5), "eni1a2b3c4d5e6": (1e6, 1e6)})
    reset = tuple(
        replace(s, rx_bytes_per_second=None, tx_bytes_per_second=None)
        if s.device == "eth0" and s.at >= WINDOW.start
        else s
        for s in seen.samples
    )
    found = judged(steady(2e6, 6e5, 4e5), DeviceEvents(reset))
    assert (found.verdict, found.explained) == (Verdict.UNVERIFIED, None)
    assert "the counter of eth0 was reset" in str(found.reason)
