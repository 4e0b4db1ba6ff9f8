"""What holds for the strict fake CloudWatch whatever is put into it."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.conftest import NOON
from tests.fakes.strict_cloudwatch import (
    MetricIdentity,
    StatisticSet,
    StrictCloudWatch,
    client_of,
    datum,
    metric,
    query,
)

HOUR_AGO = NOON - timedelta(hours=1)
SERIES = [metric("EniGap", "m", InstanceId=f"i-{number}") for number in range(4)]

CLIENT_FAKE = StrictCloudWatch(NOON)
CLIENT = client_of(CLIENT_FAKE)

# Whole numbers below 2^53 add up exactly in doubles, so that laws about sums are equalities.
whole_values = st.integers(-(2**40), 2**40).map(float)
offsets = st.integers(0, 3599).map(lambda seconds: timedelta(seconds=seconds))
periods = st.sampled_from([60, 120, 300, 900, 3600])


def ask(fake: StrictCloudWatch, operation: str, **parameters: Any) -> Any:
    headers = {"X-Amz-Target": f"GraniteServiceVersion20100801.{operation}"}
    answer = fake.handle(headers, json.dumps(parameters).encode())
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def get(fake: StrictCloudWatch, *queries: dict[str, Any], **more: Any) -> Any:
    window = {"StartTime": HOUR_AGO.timestamp(), "EndTime": NOON.timestamp()}
    return ask(fake, "GetMetricData", MetricDataQueries=list(queries), **window, **more)


def every_statistic(period: int) -> list[dict[str, Any]]:
    names = ("Sum", "Average", "Minimum", "Maximum", "SampleCount")
    return [query(SERIES[0], name, period=period, query_id=name.lower()) for name in names]


@given(st.lists(st.tuples(offsets, whole_values), min_size=1, max_size=40), periods)
def test_every_bucket_is_the_statistics_of_the_samples_in_it(
    samples: list[tuple[timedelta, float]], period: int
) -> None:
    fake = StrictCloudWatch(NOON)
    expected: dict[float, list[float]] = defaultdict(list)
    for offset, value in samples:
        at = HOUR_AGO + offset
        fake.put(SERIES[0], at, value)
        expected[at.timestamp() // period * period].append(value)
    statistics: dict[str, Callable[[list[float]], float]] = {
        "sum": sum,
        "samplecount": len,
        "minimum": min,
        "maximum": max,
        "average": fmean,
    }
    answer = get(fake, *every_statistic(period))
    for result in answer["MetricDataResults"]:
        assert dict(zip(result["Timestamps"], result["Values"], strict=True)) == {
            second: statistics[result["Id"]](values) for second, values in expected.items()
        }
        assert result["Timestamps"] == sorted(result["Timestamps"], reverse=True)


@given(st.lists(st.tuples(offsets, whole_values), min_size=1, max_size=20))
def test_putting_by_the_api_stores_what_loading_stores(samples: list[tuple[timedelta, float]]) -> None:
    by_api, by_python = CLIENT_FAKE, StrictCloudWatch(NOON)
    identity = metric("EniGap", "m", Run=str(by_api.counters.calls["PutMetricData"]))
    data = [
        datum(identity, Value=value, Timestamp=HOUR_AGO + offset, Unit="Bytes") for offset, value in samples
    ]
    CLIENT.put_metric_data(Namespace="EniGap", MetricData=data)
    for offset, value in samples:
        by_python.put(identity, HOUR_AGO + offset, value, unit="Bytes")
    asked = query(identity, "Sum", Unit="Bytes")
    assert get(by_api, asked) == get(by_python, asked)


@given(
    lengths=st.lists(st.integers(0, 12), min_size=4, max_size=4),
    page=st.integers(1, 60),
    period=st.sampled_from([60, 300]),
    order=st.sampled_from(["TimestampAscending", "TimestampDescending"]),
)
def test_pages_of_any_size_add_up_to_the_whole(
    lengths: list[int], page: int, period: int, order: str
) -> None:
    fake = StrictCloudWatch(NOON)
    for number, (identity, length) in enumerate(zip(SERIES, lengths, strict=True)):
        fake.load(identity, HOUR_AGO, [100.0 * number + at for at in range(length)])
    queries = [query(identity, period=period, query_id=f"q{at}") for at, identity in enumerate(SERIES)]
    whole = {about["Id"]: about for about in get(fake, *queries, ScanBy=order)["MetricDataResults"]}
    seconds: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    last_status: dict[str, str] = {}
    token: dict[str, str] = {}
    for _ in range(sum(lengths) + 1):
        answer = get(fake, *queries, ScanBy=order, MaxDatapoints=page, **token)
        assert sum(len(about["Values"]) for about in answer["MetricDataResults"]) <= page
        for about in answer["MetricDataResults"]:
            assert last_status.get(about["Id"]) != "Complete"  # a complete series does not come back
            seconds[about["Id"]] += about["Timestamps"]
            values[about["Id"]] += about["Values"]
            last_status[about["Id"]] = about["StatusCode"]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    else:
        pytest.fail("there are more pages than datapoints")
    assert {name: (about["Timestamps"], about["Values"]) for name, about in whole.items()} == {
        name: (seconds[name], values[name]) for name in last_status
    }
    assert set(last_status.values()) == {"Complete"}


names = st.text("abcXYZ019-_. ", min_size=1, max_size=8).filter(str.strip)
dimension_sets = st.dictionaries(names, names, max_size=5)


@given(dimension_sets, st.randoms(use_true_random=False))
def test_the_order_of_dimensions_never_matters(dimensions: dict[str, str], chance: Any) -> None:
    fake = StrictCloudWatch(NOON)
    written, asked = list(dimensions.items()), list(dimensions.items())
    chance.shuffle(written)
    chance.shuffle(asked)
    put = datum(MetricIdentity("EniGap", "m", tuple(written)), Value=1.0, Timestamp=HOUR_AGO.timestamp())
    ask(fake, "PutMetricData", Namespace="EniGap", MetricData=[put])
    [result] = get(fake, query(MetricIdentity("EniGap", "m", tuple(asked))))["MetricDataResults"]
    assert result["Values"] == [1.0]


@given(dimension_sets, dimension_sets)
def test_different_dimensions_are_different_metrics(one: dict[str, str], other: dict[str, str]) -> None:
    fake = StrictCloudWatch(NOON)
    fake.put(metric("EniGap", "m", **one), HOUR_AGO, 1.0)
    [result] = get(fake, query(metric("EniGap", "m", **other)))["MetricDataResults"]
    assert result["Values"] == ([1.0] if one == other else [])


@given(st.lists(whole_values, min_size=1, max_size=10), st.integers(1, 5))
def test_a_loaded_series_is_the_same_as_its_samples_put_one_by_one(values: list[float], samples: int) -> None:
    loaded, put = StrictCloudWatch(NOON), StrictCloudWatch(NOON)
    loaded.load(SERIES[0], HOUR_AGO, values, samples_per_point=samples, every=timedelta(minutes=5))
    for at, value in enumerate(values):
        put.put(SERIES[0], HOUR_AGO + timedelta(minutes=5 * at), StatisticSet.of([value] * samples))
    assert get(loaded, *every_statistic(300)) == get(put, *every_statistic(300))
