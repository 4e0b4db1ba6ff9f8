import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.cli import cost
from enigap.cli.cost import (
    ALARM,
    CUSTOM_METRIC_TIERS,
    Fleet,
    Price,
    custom_metrics,
    dollars_per_node,
    levers,
    monthly_bill,
    published_metrics,
    total,
)
from enigap.cli.main import main
from enigap.core.published import Publish

fleets = st.builds(
    Fleet,
    nodes=st.integers(1, 200_000),
    clusters=st.integers(1, 50),
    schedule_minutes=st.sampled_from([15, 30, 60]),
    publish=st.sampled_from(Publish),
    flagged_nodes=st.integers(0, 1000),
)


def line(fleet: Fleet, what: str) -> float:
    return next(line.dollars for line in monthly_bill(fleet) if line.what == what)


@pytest.mark.parametrize(("nodes", "dollars"), [(10, 1.15), (100, 11.52), (1_000, 115.20), (10_000, 921.60)])
def test_reading_every_fifteen_minutes_costs_some_twelve_cents_a_node(nodes: int, dollars: float) -> None:
    assert line(Fleet(nodes), "metrics read") == pytest.approx(dollars, abs=0.005)


@pytest.mark.parametrize(
    ("metrics", "dollars"),
    [(0, 0), (10, 3), (10_000, 3_000), (20_000, 4_000), (250_000, 27_000), (1_100_000, 66_500)],
)
def test_custom_metrics_get_cheaper_by_the_tier(metrics: int, dollars: float) -> None:
    assert custom_metrics(metrics) == pytest.approx(dollars)


@given(fleets)
def test_no_line_is_negative_and_the_bill_is_their_sum(fleet: Fleet) -> None:
    lines = monthly_bill(fleet)
    assert all(line.dollars >= 0 for line in lines)
    assert total(lines) == sum(line.dollars for line in lines)


@given(fleets)
def test_a_lever_saves_and_says_what_it_hides(fleet: Fleet) -> None:
    for lever in levers(fleet):
        assert 0 < lever.dollars_saved <= total(monthly_bill(fleet))
        assert lever.hides


def test_a_fleet_that_pulls_every_lever_can_only_leave_nodes_out() -> None:
    left = levers(Fleet(100, schedule_minutes=60, publish=Publish.CLUSTER))
    assert [lever.setting for lever in left] == ["node_tags: half the nodes"]
    assert levers(Fleet(1, schedule_minutes=60, publish=Publish.CLUSTER)) == ()


def test_metrics_of_the_nodes_outweigh_all_others_in_a_large_fleet() -> None:
    assert published_metrics(Fleet(10_000)) > 20_000
    assert published_metrics(Fleet(10_000, publish=Publish.FLAGGED, flagged_nodes=7)) < 100


def test_every_price_says_what_it_is_for_and_where_it_is_from() -> None:
    prices = [each for each in vars(cost).values() if isinstance(each, Price)]
    prices += [price for _, price in CUSTOM_METRIC_TIERS]
    assert ALARM in prices
    assert all(price.per and price.source and price.dollars > 0 for price in prices)


@pytest.mark.parametrize(
    ("publish", "minutes", "dollars"),
    [
        (Publish.ALL, 15, 0.719),
        (Publish.FLAGGED, 15, 0.131),
        (Publish.CLUSTER, 15, 0.119),
        (Publish.CLUSTER, 60, 0.032),
    ],
)
def test_what_a_node_adds_depends_on_what_is_published_of_it(
    publish: Publish, minutes: int, dollars: float
) -> None:
    """Reading is some twelve cents a month each quarter of an hour, and each metric of its own thirty."""
    assert dollars_per_node(publish, minutes) == pytest.approx(dollars, abs=0.01)


def test_the_sum_comes_first_and_lines_of_nothing_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["estimate", "--nodes", "250", "--clusters", "3"])
    first, *lines = capsys.readouterr().out.splitlines()
    sum_of_all = total(monthly_bill(Fleet(250, 3, flagged_nodes=5)))
    assert first.startswith(f"${sum_of_all:,.2f} a month, ${sum_of_all / 250:.3f} a node: 250 nodes in 3")
    assert not [line for line in lines if " 0.00 " in line]
    assert max(lines, key=lambda line: line.count("█")).startswith("metrics published")
