from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.units import ZERO, ByteRate, RateSpan

rates = st.builds(ByteRate, st.floats(0, 1e15))


def test_ec2s_bytes_per_period_become_a_rate_by_naming_the_period() -> None:
    assert ByteRate.from_total(155_698 + 95_259, over=timedelta(minutes=5)) == ByteRate(250_957 / 300)


@pytest.mark.parametrize("over", [timedelta(0), timedelta(seconds=-1)])
def test_a_rate_over_no_time_is_refused(over: timedelta) -> None:
    with pytest.raises(ValueError, match="positive time span"):
        ByteRate.from_total(1, over=over)


@pytest.mark.parametrize(
    ("bytes_per_second", "shown"),
    [
        (0, "0 B/s"),
        (0.5, "0.5 B/s"),
        (836.52, "837 B/s"),
        (999.4, "999 B/s"),
        (999.6, "1 kB/s"),
        (50_000, "50 kB/s"),
        (12_100_000, "12.1 MB/s"),
        (65_249_000, "65.2 MB/s"),
        (999_700_000, "1 GB/s"),
        (1_275_566_689, "1.28 GB/s"),
        (3.07e17, "307 PB/s"),
    ],
)
def test_people_read_three_digits_and_a_decimal_prefix(bytes_per_second: float, shown: str) -> None:
    assert str(ByteRate(bytes_per_second)) == shown


@given(low=rates, more=rates, bound=rates)
def test_a_span_is_above_a_bound_by_its_low_end_and_below_it_by_its_high_end(
    low: ByteRate, more: ByteRate, bound: ByteRate
) -> None:
    span = RateSpan(low, low + more / 2, low + more)
    assert span.above(bound) == max(ZERO, span.low - bound)
    assert span.below(bound) == max(ZERO, bound - span.high)
    assert ZERO in (span.above(bound), span.below(bound))


@pytest.mark.parametrize(
    ("rate", "down", "up"),
    [
        (49_990.0, "49.9 kB/s", "50 kB/s"),
        (50_000.0, "50 kB/s", "50 kB/s"),
        (999_999.0, "999 kB/s", "1 MB/s"),
        (46.6e6, "46.6 MB/s", "46.6 MB/s"),
        (1.2789e9, "1.27 GB/s", "1.28 GB/s"),
        (0.0, "0 B/s", "0 B/s"),
        (837.4, "837 B/s", "838 B/s"),
        (-46.66e6, "-46.7 MB/s", "-46.6 MB/s"),
    ],
)
def test_a_bound_is_rounded_to_its_own_side(rate: float, down: str, up: str) -> None:
    assert (ByteRate(rate).rounded_down, ByteRate(rate).rounded_up) == (down, up)
