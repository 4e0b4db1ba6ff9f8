from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.traffic import Traffic, explained_up_to
from enigap.core.counting.units import ZERO, ByteRate, RateSpan

rates = st.integers(0, 10**12).map(lambda number: ByteRate(float(number)))
traffic = st.builds(Traffic, rates, rates, rates, rates)


def exactly(rate: ByteRate) -> RateSpan:
    return RateSpan(rate, rate, rate)


def test_each_kind_of_traffic_is_counted_as_the_table_says() -> None:
    one = ByteRate(1)
    counted = {
        name: (kind.os, kind.eni)
        for name, kind in {
            "host off node": Traffic(host_off_node=one),
            "pod off node": Traffic(pod_off_node=one),
            "pod to pod": Traffic(pod_to_pod=one),
            "pod to host": Traffic(pod_to_host=one),
        }.items()
    }
    assert counted == {
        "host off node": (one, one),
        "pod off node": (ByteRate(2), one),
        "pod to pod": (ByteRate(2), ZERO),
        "pod to host": (one, ZERO),
    }


@given(traffic)
def test_what_the_os_counts_beyond_the_enis_is_what_virtual_devices_carry(node: Traffic) -> None:
    assert node.os - node.eni == node.virtual


@given(traffic)
def test_counting_never_makes_the_os_see_less_than_the_enis(node: Traffic) -> None:
    assert node.os >= node.eni


@given(traffic)
def test_traffic_that_leaves_the_node_never_exceeds_what_counting_explains(node: Traffic) -> None:
    leaving = Traffic(node.host_off_node, node.pod_off_node)
    assert leaving.os <= explained_up_to(leaving.eni, 2)
