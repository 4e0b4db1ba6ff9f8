"""What the strict fake CloudWatch answers, seen through boto3."""

import json
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from tests.fakes.conftest import NOON
from tests.fakes.strict_cloudwatch import (
    MetricIdentity,
    NodeRates,
    StatisticSet,
    StrictCloudWatch,
    SyntheticFleet,
    client_of,
    datum,
    metric,
    metric_of,
    query,
)

NETWORK_IN = metric("AWS/EC2", "NetworkIn", InstanceId="i-1")
OS_TOTAL = metric(
    "ContainerInsights", "node_network_total_bytes", ClusterName="prod", InstanceId="i-1", NodeName="ip-1"
)
OWN = metric("EniGap", "OsToEniRatio", ClusterName="prod", InstanceId="i-1")


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def get(client: Any, *queries: dict[str, Any], start: datetime, end: datetime = NOON, **more: Any) -> Any:
    return client.get_metric_data(MetricDataQueries=list(queries), StartTime=start, EndTime=end, **more)


def get_without_boto3(fake: StrictCloudWatch, **parameters: Any) -> Any:
    headers = {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData"}
    return json.loads(fake.handle(headers, json.dumps(parameters).encode()).body)


def values(answer: Any) -> list[float]:
    [result] = answer["MetricDataResults"]
    assert result["StatusCode"] == "Complete"
    return list(result["Values"])


# --- identity ---


def test_the_order_of_dimensions_means_nothing(fake: StrictCloudWatch, client: Any) -> None:
    fake.put(OS_TOTAL, NOON - minutes(5), 7.0)
    for dimensions in permutations(OS_TOTAL.dimensions):
        asked = query(OS_TOTAL._replace(dimensions=dimensions), "Average")
        assert values(get(client, asked, start=NOON - minutes(10))) == [7.0]


@pytest.mark.parametrize(
    "other",
    [
        OS_TOTAL._replace(namespace="AWS/EC2"),
        OS_TOTAL._replace(name="node_network_rx_bytes"),
        OS_TOTAL._replace(dimensions=OS_TOTAL.dimensions[:2]),
        OS_TOTAL._replace(dimensions=()),
        OS_TOTAL._replace(dimensions=(*OS_TOTAL.dimensions, ("Extra", "x"))),
    ],
    ids=["namespace", "name", "fewer dimensions", "no dimensions", "more dimensions"],
)
def test_anything_less_than_the_exact_identity_is_another_metric(
    fake: StrictCloudWatch, client: Any, other: MetricIdentity
) -> None:
    fake.put(OS_TOTAL, NOON - minutes(5), 7.0)
    assert values(get(client, query(other), start=NOON - minutes(10))) == []


# --- statistics, periods and time ---


def test_a_minute_is_a_statistic_set_of_all_that_was_put_into_it(client: Any) -> None:
    measured = [
        datum(OWN, Value=2.0, Timestamp=NOON - minutes(5)),
        datum(OWN, Values=[1.0, 10.0], Counts=[3, 1], Timestamp=NOON - minutes(4.5)),
        datum(
            OWN,
            StatisticValues={"Sum": 20.0, "SampleCount": 4, "Minimum": 0.5, "Maximum": 9.0},
            Timestamp=NOON - minutes(4.1),
        ),
    ]
    client.put_metric_data(Namespace=OWN.namespace, MetricData=measured)
    statistics = {"Sum": 35.0, "SampleCount": 9.0, "Average": 35.0 / 9, "Minimum": 0.5, "Maximum": 10.0}
    queries = [query(OWN, name, query_id=name.lower()) for name in statistics]
    answer = get(client, *queries, start=NOON - minutes(10))
    assert {result["Id"]: result["Values"] for result in answer["MetricDataResults"]} == {
        name.lower(): [value] for name, value in statistics.items()
    }
    assert {result["Label"] for result in answer["MetricDataResults"]} == {OWN.name}


def test_a_datum_without_a_timestamp_is_of_now(client: Any) -> None:
    client.put_metric_data(Namespace=OWN.namespace, MetricData=[datum(OWN, Value=1.0)])
    [result] = get(client, query(OWN), start=NOON - minutes(1), end=NOON + minutes(1))["MetricDataResults"]
    assert result["Timestamps"] == [NOON]


def test_longer_periods_merge_minutes_on_multiples_of_the_period(fake: StrictCloudWatch, client: Any) -> None:
    fake.load(NETWORK_IN, NOON - minutes(10), [float(number) for number in range(10)])
    start = NOON - minutes(10)
    queries = [
        query(NETWORK_IN, name, period=300, query_id=name.lower())
        for name in ("Sum", "Average", "Minimum", "Maximum", "SampleCount")
    ]
    answer = get(client, *queries, start=start, ScanBy="TimestampAscending")
    assert {result["Id"]: result["Values"] for result in answer["MetricDataResults"]} == {
        "sum": [10.0, 35.0],
        "average": [2.0, 7.0],
        "minimum": [0.0, 5.0],
        "maximum": [4.0, 9.0],
        "samplecount": [5.0, 5.0],
    }
    assert {tuple(result["Timestamps"]) for result in answer["MetricDataResults"]} == {
        (start, start + minutes(5))
    }


def test_a_period_that_starts_off_its_grid_yields_a_partial_first_bucket(
    fake: StrictCloudWatch, client: Any
) -> None:
    fake.load(NETWORK_IN, NOON - minutes(10), [1.0] * 10)
    asked = query(NETWORK_IN, "SampleCount", period=300)
    answer = get(client, asked, start=NOON - minutes(7), ScanBy="TimestampAscending")
    assert values(answer) == [2.0, 5.0]
    assert answer["MetricDataResults"][0]["Timestamps"] == [NOON - minutes(10), NOON - minutes(5)]


def test_start_is_rounded_down_to_the_minute_and_inclusive_and_end_is_exclusive(
    fake: StrictCloudWatch, client: Any
) -> None:
    fake.load(NETWORK_IN, NOON - minutes(5), [5.0, 4.0, 3.0, 2.0, 1.0])
    asked = get(client, query(NETWORK_IN), start=NOON - minutes(3.5), end=NOON - minutes(1))
    assert values(asked) == [2.0, 3.0, 4.0]
    assert asked["MetricDataResults"][0]["Timestamps"][-1] == NOON - minutes(4)
    later_end = get(client, query(NETWORK_IN), start=NOON - minutes(3), end=NOON - minutes(0.5))
    assert values(later_end) == [1.0, 2.0, 3.0]


def test_an_end_just_inside_a_minute_has_that_minute(fake: StrictCloudWatch) -> None:
    fake.put(NETWORK_IN, NOON, 1.0)
    window = {
        "StartTime": NOON.timestamp() - 60,
        "EndTime": NOON.timestamp() + 0.25,
    }  # boto3 cuts fractions off
    answer = get_without_boto3(fake, MetricDataQueries=[query(NETWORK_IN)], **window)
    assert values(answer) == [1.0]


def test_the_newest_datapoint_comes_first_unless_asked_otherwise(fake: StrictCloudWatch, client: Any) -> None:
    fake.load(NETWORK_IN, NOON - minutes(3), [1.0, 2.0, 3.0])
    start = NOON - minutes(3)
    assert values(get(client, query(NETWORK_IN), start=start)) == [3.0, 2.0, 1.0]
    assert values(get(client, query(NETWORK_IN), start=start, ScanBy="TimestampDescending")) == [
        3.0,
        2.0,
        1.0,
    ]
    assert values(get(client, query(NETWORK_IN), start=start, ScanBy="TimestampAscending")) == [1.0, 2.0, 3.0]


def test_a_unit_selects_and_never_converts(fake: StrictCloudWatch, client: Any) -> None:
    fake.put(NETWORK_IN, NOON - minutes(2), 5.0, unit="Bytes")
    fake.put(NETWORK_IN, NOON - minutes(2), 3.0, unit="Kilobytes")
    start = NOON - minutes(5)
    assert values(get(client, query(NETWORK_IN, Unit="Bytes"), start=start)) == [5.0]
    assert values(get(client, query(NETWORK_IN, Unit="Megabytes"), start=start)) == []
    assert values(get(client, query(NETWORK_IN), start=start)) == [8.0]


@pytest.mark.parametrize(
    ("days", "period", "kept"),
    [
        (14, 60, [5.0]),
        (16, 60, []),
        (16, 300, [5.0]),
        (62, 600, [5.0]),
        (64, 300, []),
        (64, 3600, [5.0]),
        (456, 3600, []),
    ],
)
def test_old_data_is_only_there_in_the_periods_that_are_still_kept(
    fake: StrictCloudWatch, client: Any, days: int, period: int, kept: list[float]
) -> None:
    at = NOON - timedelta(days=days)
    fake.put(NETWORK_IN, at, 5.0)
    answer = get(client, query(NETWORK_IN, period=period), start=at, end=at + timedelta(hours=1))
    assert values(answer) == kept


def test_start_is_rounded_to_what_is_kept_of_its_age(fake: StrictCloudWatch, client: Any) -> None:
    at = NOON - timedelta(days=20)
    fake.put(NETWORK_IN, at, 5.0)
    assert values(get(client, query(NETWORK_IN, period=300), start=at + minutes(4), end=at + minutes(9))) == [
        5.0
    ]
    at = NOON - timedelta(days=70)
    fake.put(NETWORK_IN, at, 5.0)
    asked = query(NETWORK_IN, period=3600)
    assert values(get(client, asked, start=at + minutes(59), end=at + minutes(61))) == [5.0]


def test_results_not_asked_to_be_returned_are_not(fake: StrictCloudWatch, client: Any) -> None:
    fake.put(NETWORK_IN, NOON - minutes(2), 5.0)
    hidden = query(NETWORK_IN, query_id="hidden", ReturnData=False)
    shown = query(NETWORK_IN, query_id="shown", Label="in")
    [result] = get(client, hidden, shown, start=NOON - minutes(5))["MetricDataResults"]
    assert (result["Id"], result["Label"]) == ("shown", "in")


def test_another_accounts_metric_is_forbidden(fake: StrictCloudWatch, client: Any) -> None:
    fake.put(NETWORK_IN, NOON - minutes(2), 5.0)
    foreign = query(NETWORK_IN, query_id="foreign", AccountId="999999999999")
    own = query(NETWORK_IN, query_id="own", AccountId=fake.account_id)
    results = get(client, foreign, own, start=NOON - minutes(5))["MetricDataResults"]
    assert [(result["StatusCode"], result["Values"]) for result in results] == [
        ("Forbidden", []),
        ("Complete", [5.0]),
    ]


# --- paging ---


def test_a_page_cut_by_the_limit_says_partial_and_the_next_one_goes_on(
    fake: StrictCloudWatch, client: Any
) -> None:
    other = metric("AWS/EC2", "NetworkOut", InstanceId="i-1")
    fake.load(NETWORK_IN, NOON - minutes(3), [1.0, 2.0, 3.0])
    fake.load(other, NOON - minutes(3), [4.0, 5.0, 6.0])
    asked = {
        "MetricDataQueries": [query(NETWORK_IN, query_id="a"), query(other, query_id="b")],
        "StartTime": NOON - minutes(3),
        "EndTime": NOON,
        "MaxDatapoints": 4,
    }
    first = client.get_metric_data(**asked)
    assert [(r["Id"], r["Values"], r["StatusCode"]) for r in first["MetricDataResults"]] == [
        ("a", [3.0, 2.0, 1.0], "Complete"),
        ("b", [6.0], "PartialData"),
    ]
    second = client.get_metric_data(**asked, NextToken=first["NextToken"])
    assert [(r["Id"], r["Values"], r["StatusCode"]) for r in second["MetricDataResults"]] == [
        ("b", [5.0, 4.0], "Complete")
    ]
    assert "NextToken" not in second


def test_a_page_is_full_at_100800_datapoints_without_being_told(fake: StrictCloudWatch) -> None:
    start = NOON - timedelta(days=10)
    queries = []
    for number in range(8):
        series = metric("AWS/EC2", "NetworkIn", InstanceId=f"i-{number}")
        fake.load(series, start, [1.0] * 14_400)
        queries.append(query(series, query_id=f"q{number}"))
    window = {"StartTime": start.timestamp(), "EndTime": NOON.timestamp()}
    answer = get_without_boto3(fake, MetricDataQueries=queries, **window)  # which parses too slowly for these
    assert sum(len(result["Values"]) for result in answer["MetricDataResults"]) == 100_800
    assert "NextToken" in answer


# --- listing ---


def listed(client: Any, **filters: Any) -> list[MetricIdentity]:
    pages = client.get_paginator("list_metrics").paginate(**filters)
    return [
        metric(
            about["Namespace"], about["MetricName"], **{d["Name"]: d["Value"] for d in about["Dimensions"]}
        )
        for page in pages
        for about in page["Metrics"]
    ]


def test_a_metric_is_listed_once_however_many_datapoints_it_has(fake: StrictCloudWatch, client: Any) -> None:
    for number in range(5):
        fake.put(OS_TOTAL, NOON - minutes(number), 1.0)
    assert client.list_metrics()["Metrics"] == [metric_of(OS_TOTAL)]


def test_dimension_filters_match_metrics_that_have_further_dimensions(
    fake: StrictCloudWatch, client: Any
) -> None:
    cluster_only = metric("ContainerInsights", "node_network_total_bytes", ClusterName="prod")
    elsewhere = metric("ContainerInsights", "node_network_total_bytes", ClusterName="dev", InstanceId="i-9")
    for identity in (OS_TOTAL, cluster_only, elsewhere, NETWORK_IN):
        fake.put(identity, NOON, 1.0)
    assert listed(client, Dimensions=[{"Name": "ClusterName"}]) == [OS_TOTAL, cluster_only, elsewhere]
    assert listed(client, Dimensions=[{"Name": "ClusterName", "Value": "prod"}]) == [OS_TOTAL, cluster_only]
    assert listed(
        client,
        Namespace="ContainerInsights",
        MetricName="node_network_total_bytes",
        Dimensions=[{"Name": "ClusterName", "Value": "prod"}, {"Name": "InstanceId"}],
    ) == [OS_TOTAL]
    assert listed(client, Namespace="AWS/EC2") == [NETWORK_IN]
    assert listed(client, MetricName="NetworkOut") == []


@pytest.mark.parametrize(
    ("later", "recent", "still_listed"),
    [
        (timedelta(hours=3), {"RecentlyActive": "PT3H"}, [NETWORK_IN]),
        (timedelta(hours=3, minutes=1), {"RecentlyActive": "PT3H"}, []),
        (timedelta(days=14), {}, [NETWORK_IN]),
        (timedelta(days=14, minutes=1), {}, []),
    ],
    ids=["three hours", "more than three hours", "two weeks", "more than two weeks"],
)
def test_a_terminated_node_stays_listed_for_two_weeks_and_recently_active_for_three_hours(
    fake: StrictCloudWatch,
    client: Any,
    later: timedelta,
    recent: dict[str, str],
    still_listed: list[MetricIdentity],
) -> None:
    fake.put(NETWORK_IN, NOON - timedelta(days=30), 1.0)
    fake.put(NETWORK_IN, NOON, 1.0)
    fake.advance(later)
    assert listed(client, **recent) == still_listed


def test_listings_come_in_pages_of_500(fake: StrictCloudWatch, client: Any) -> None:
    metrics = [metric("AWS/EC2", "NetworkIn", InstanceId=f"i-{number}") for number in range(1_001)]
    for identity in metrics:
        fake.put(identity, NOON, 1.0)
    assert sorted(listed(client)) == sorted(metrics)
    assert fake.counters.calls["ListMetrics"] == 3


def test_a_listing_begun_anew_finds_what_has_come_since(fake: StrictCloudWatch, client: Any) -> None:
    for number in range(501):
        fake.put(metric("AWS/EC2", "NetworkIn", InstanceId=f"i-{number}"), NOON, 1.0)
    token = client.list_metrics()["NextToken"]
    fake.put(OS_TOTAL, NOON, 1.0)
    assert len(client.list_metrics(NextToken=token)["Metrics"]) == 1  # goes on with what its first page found
    assert len(listed(client)) == 502


def test_a_listing_token_counts_for_its_own_request_only(fake: StrictCloudWatch, client: Any) -> None:
    for number in range(501):
        fake.put(metric("AWS/EC2", "NetworkIn", InstanceId=f"i-{number}"), NOON, 1.0)
    token = client.list_metrics(Namespace="AWS/EC2")["NextToken"]
    assert len(client.list_metrics(Namespace="AWS/EC2", NextToken=token)["Metrics"]) == 1
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.list_metrics(NextToken=token)


# --- loading ---


def test_what_is_put_into_a_loaded_series_does_not_leak_into_its_neighbours(
    fake: StrictCloudWatch, client: Any
) -> None:
    neighbour = metric("AWS/EC2", "NetworkIn", InstanceId="i-2")
    for identity in (NETWORK_IN, neighbour):
        fake.load(identity, NOON - minutes(2), [1.0, 2.0])
    fake.put(NETWORK_IN, NOON - minutes(1), 40.0)
    fake.put(NETWORK_IN, NOON - minutes(3), 7.0)
    start = NOON - minutes(5)
    assert values(get(client, query(NETWORK_IN), start=start)) == [42.0, 1.0, 7.0]
    assert values(get(client, query(NETWORK_IN, "Minimum"), start=start)) == [2.0, 1.0, 7.0]
    assert values(get(client, query(neighbour), start=start)) == [2.0, 1.0]


def test_series_loaded_over_each_other_add_up(fake: StrictCloudWatch, client: Any) -> None:
    fake.load(NETWORK_IN, NOON - minutes(3), [1.0, 2.0, 3.0])
    fake.load(NETWORK_IN, NOON - minutes(2), [10.0, 20.0, 30.0])
    asked = get(client, query(NETWORK_IN), start=NOON - minutes(3), ScanBy="TimestampAscending")
    assert values(asked) == [1.0, 12.0, 23.0]


def test_basic_monitoring_is_a_point_of_five_samples_every_five_minutes(
    fake: StrictCloudWatch, client: Any
) -> None:
    fake.load(NETWORK_IN, NOON - minutes(10), [60.0, 120.0], every=minutes(5), samples_per_point=5)
    start = NOON - minutes(10)
    assert values(get(client, query(NETWORK_IN, "Sum", period=300), start=start)) == [600.0, 300.0]
    assert values(get(client, query(NETWORK_IN, "SampleCount", period=300), start=start)) == [5.0, 5.0]
    assert values(get(client, query(NETWORK_IN, "Average", period=300), start=start)) == [120.0, 60.0]


@pytest.mark.parametrize("wrong", [[float("nan")], [float("inf")]])
def test_what_was_not_measured_cannot_be_loaded(fake: StrictCloudWatch, wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="leave out what was not measured"):
        fake.load(NETWORK_IN, NOON, wrong)


def test_datapoints_are_loaded_on_whole_minutes(fake: StrictCloudWatch) -> None:
    with pytest.raises(ValueError, match="whole minutes"):
        fake.load(NETWORK_IN, NOON + timedelta(seconds=30), [1.0])


def test_the_clock_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="aware UTC datetime"):
        StrictCloudWatch(NOON.replace(tzinfo=None))


def test_the_fake_can_follow_a_clock() -> None:
    times = iter([NOON, NOON + minutes(1)])
    fake = StrictCloudWatch(lambda: next(times))
    assert [fake.now, fake.now] == [NOON, NOON + minutes(1)]


def test_aws_namespaces_can_be_made_writable_for_suites_that_know_only_the_api() -> None:
    fake = StrictCloudWatch(NOON, aws_namespaces_writable=True)
    writer = client_of(fake)
    writer.put_metric_data(Namespace="AWS/EC2", MetricData=[datum(NETWORK_IN, Value=5.0, Unit="Bytes")])
    assert fake.store.listing(NOON) == [NETWORK_IN]


# --- fleets ---


def test_a_fleet_computes_every_nodes_series_on_demand(fake: StrictCloudWatch, client: Any) -> None:
    fleet = SyntheticFleet(
        3, until=NOON, minutes=30, rates=lambda index: NodeRates(10.0 + index, 20.0, 90.0 + index)
    )
    fake.add_source(fleet)
    network_in, network_out, os_total = fleet.metrics_of(2)
    answer = get(
        client,
        query(network_in, "Sum", period=300, query_id="in"),
        query(network_in, "SampleCount", period=300, query_id="samples"),
        query(network_out, "Sum", period=300, query_id="out"),
        query(os_total, "Average", query_id="os"),
        start=NOON - minutes(15),
    )
    assert {result["Id"]: result["Values"] for result in answer["MetricDataResults"]} == {
        "in": [12.0 * 300] * 3,
        "samples": [5.0] * 3,
        "out": [20.0 * 300] * 3,
        "os": [92.0] * 15,
    }
    per_minute = SyntheticFleet(3, until=NOON, detailed_monitoring=True).points(network_in)
    assert per_minute is not None
    assert set(per_minute.sample_counts) == {1.0}


def test_a_fleet_lists_three_metrics_a_node_and_the_clusters_own(fake: StrictCloudWatch, client: Any) -> None:
    fleet = SyntheticFleet(4, until=NOON)
    fake.add_source(fleet)
    cluster = metric("ContainerInsights", "node_network_total_bytes", ClusterName="prod")
    nodes = [identity for index in range(4) for identity in fleet.metrics_of(index)]
    assert sorted(listed(client)) == sorted([cluster, *nodes])
    answer = get(client, query(cluster, "SampleCount"), start=NOON - minutes(1))
    assert values(answer) == [4.0]


@pytest.mark.parametrize(
    "stranger",
    [
        metric("AWS/EC2", "NetworkIn", InstanceId="i-00000000000000009"),
        metric("AWS/EC2", "NetworkIn", InstanceId="not hexadecimal"),
        metric("AWS/EC2", "NetworkIn"),
        metric("AWS/EC2", "CPUUtilization", InstanceId="i-00000000000000000"),
        metric("ContainerInsights", "node_network_total_bytes", InstanceId="i-00000000000000000"),
    ],
    ids=["beyond the last node", "odd id", "no dimensions", "another metric", "dimensions missing"],
)
def test_a_fleet_has_its_own_metrics_only(stranger: MetricIdentity) -> None:
    assert SyntheticFleet(3, until=NOON).points(stranger) is None


def test_a_fleet_has_at_least_one_datapoint_of_every_metric() -> None:
    with pytest.raises(ValueError, match="at least five minutes"):
        SyntheticFleet(3, until=NOON, minutes=4)


# --- counting ---


def test_five_statistics_of_a_metric_bill_as_one_metric(fake: StrictCloudWatch, client: Any) -> None:
    names = ("Sum", "Average", "Minimum", "Maximum", "SampleCount")
    five = [query(NETWORK_IN, name, period=300, query_id=name.lower()) for name in names]
    get(client, *five, start=NOON - minutes(15))
    assert fake.counters.billed_metrics == 1
    sixth = query(NETWORK_IN, "Sum", period=60, query_id="sixth")
    get(client, *five, sixth, query(OS_TOTAL, query_id="other"), start=NOON - minutes(15))
    assert fake.counters.billed_metrics == 1 + 2 + 1


def test_estimated_datapoints_are_range_over_period_whatever_there_is(
    fake: StrictCloudWatch, client: Any
) -> None:
    get(client, query(NETWORK_IN, period=300), query(OS_TOTAL, query_id="o"), start=NOON - minutes(15))
    assert fake.counters.estimated_datapoints == 3 + 15
    assert fake.counters.returned_datapoints == 0


def test_a_refused_call_is_counted_and_not_billed(fake: StrictCloudWatch, client: Any) -> None:
    with pytest.raises(client.exceptions.ClientError):
        get(client, query(NETWORK_IN, "Mode"), start=NOON - minutes(15))
    assert (fake.counters.calls["GetMetricData"], fake.counters.billed_metrics) == (1, 0)
    assert fake.counters.errors == {"ValidationError": 1}


def test_bytes_are_counted_as_they_travel(fake: StrictCloudWatch, client: Any) -> None:
    data = [datum(OWN._replace(name=f"m{number}"), Value=1.0) for number in range(500)]
    client.put_metric_data(Namespace="EniGap", MetricData=data)
    request = fake.requests[-1]
    assert request.operation == "PutMetricData"
    assert fake.counters.bytes_in < request.size_bytes / 5  # botocore sent it gzipped
    assert fake.counters.bytes_out == len(b"{}")


def test_the_statistic_set_of_values_weighs_them_by_their_counts() -> None:
    assert StatisticSet.of([1.0, 4.0], [2.0, 0.5]) == StatisticSet(4.0, 2.5, 1.0, 4.0)
