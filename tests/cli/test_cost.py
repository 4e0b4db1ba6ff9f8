import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.assessment import Looking, Sources, assess
from enigap.aws.otel import (
    ANCHORS,
    BYTES,
    LOOKED_AT,
    PROBED_FIRST,
    SCRAPE,
    Either,
    OtelDevices,
    OtelTotals,
    Samples,
)
from enigap.cli import cost
from enigap.cli.cost import (
    ALARM,
    CUSTOM_METRIC_TIERS,
    ENIS_PER_NODE,
    Fleet,
    Insights,
    Price,
    custom_metrics,
    dollars_per_node,
    levers,
    monthly_bill,
    published_metrics,
    samples_per_run,
    total,
)
from enigap.cli.main import main
from enigap.core.counting.devices import Classifier
from enigap.core.counting.evidence import DeviceScope
from enigap.core.counting.node import Node
from enigap.core.counting.reading import OsSourceChoice, Readings
from enigap.core.counting.rules import EvidencePolicy, Rules
from enigap.core.counting.window import FetchSpan
from enigap.core.judging.cluster import ClusterReport
from enigap.core.judging.turns import LONG_CYCLE_WINDOWS, SHORT_CYCLE_WINDOWS, SHORT_LOOK, Look, turn_of
from enigap.core.published import Publish
from tests.fakes.otel_ports import InProcess
from tests.fakes.promql import PromqlEndpoint, Stored
from tests.fakes.readings import SPAN, WINDOW, steady

fleets = st.builds(
    Fleet,
    nodes=st.integers(1, 200_000),
    clusters=st.integers(1, 50),
    schedule_minutes=st.sampled_from([15, 30, 60]),
    publish=st.sampled_from(Publish),
    flagged_nodes=st.integers(0, 1000),
    evidence=st.sampled_from(EvidencePolicy),
    insights=st.sampled_from(Insights),
    pods_per_node=st.integers(0, 250),
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
    least: dict[str, Any] = {
        "schedule_minutes": 60,
        "publish": Publish.CLUSTER,
        "evidence": EvidencePolicy.OFF,
    }
    left = levers(Fleet(100, **least))
    assert [lever.setting for lever in left] == ["node_tags: half the nodes"]
    assert levers(Fleet(1, **least)) == ()


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


# --- what PromQL scans, held to what an endpoint counts

BYTES_PER_SCRAPE = 30_000_000
RATE = BYTES_PER_SCRAPE / SCRAPE.total_seconds()
ENIS, PODS = ("eth0", "eth1"), ("eni01", "eni02", "eni03")
LOOK_BACK = timedelta(hours=6)


def counters(
    nodes: Sequence[Node], pods: Sequence[str] = PODS, anchors: Sequence[str] = ANCHORS
) -> Iterator[Stored]:
    """Every ENI receives and sends at one rate, and no pod does anything."""
    end = int((SPAN.end + timedelta(minutes=10)).timestamp())
    seconds = range(end - 8 * 3600 + 7, end, int(SCRAPE.total_seconds()))
    for node in nodes:
        for device in (*ENIS, *pods):
            for anchor in anchors:
                for name in (name for metric in LOOKED_AT for name in metric):
                    labels = {
                        "__name__": name,
                        "@resource.k8s.cluster.name": node.insights_cluster,
                        "@resource.host.id": node.instance_id,
                        "@resource.k8s.workload.name": anchor,
                        "interface": device,
                    }
                    step = BYTES_PER_SCRAPE if device in ENIS and name in BYTES else 0
                    yield Stored(labels, seconds, [step * number for number in range(len(seconds))])


class Ec2:
    """What the ENIs carried by EC2: as much as the counters say, or twice that."""

    def __init__(self, *, wrong: Sequence[Node] = (), has_classic: bool = False) -> None:
        self._wrong, self._has_classic = wrong, has_classic

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings]]:
        for node in nodes:
            carried = len(ENIS) * RATE * (2 if node in self._wrong else 1)
            os = 2 * len(ENIS) * RATE if self._has_classic else None
            yield node, steady(os, carried, carried, span=span)

    def histories(self, *_: object) -> Iterator[Any]:
        return iter(())


def judged(
    nodes: Sequence[Node], endpoint: PromqlEndpoint, evidence: EvidencePolicy, ec2: Ec2
) -> ClusterReport:
    """A run over nodes of one cluster with `os_source` = auto."""
    promql, classifier = InProcess(endpoint), Classifier()
    devices = OtelDevices(promql, classifier)  # type: ignore[arg-type]
    either = Either((ec2, devices), (OtelTotals(promql, ec2, classifier), devices))  # type: ignore[arg-type]
    sources = Sources(totals=either, devices=either, glance=either.glance)
    return assess("prod", nodes, WINDOW, Rules(), sources, Looking(evidence, LOOK_BACK, 200))


def nodes_with_as_many_turns_as_on_the_average() -> list[Node]:
    """As many as windows are between two long turns of a node; the first has one."""
    shares = {Look.LONG: 1, Look.SHORT: LONG_CYCLE_WINDOWS // SHORT_CYCLE_WINDOWS - 1}
    shares[Look.NONE] = LONG_CYCLE_WINDOWS - sum(shares.values())
    ids = [f"i-{number:017x}" for number in range(500)]
    some = [
        [each for each in ids if turn_of(each, WINDOW, 1) is look][:share] for look, share in shares.items()
    ]
    return [Node("prod", each, None) for of_look in some for each in of_look]


NODES = nodes_with_as_many_turns_as_on_the_average()


@pytest.fixture(scope="module")
def published() -> PromqlEndpoint:
    return PromqlEndpoint(counters(NODES))


@pytest.mark.parametrize("insights", [Insights.OTEL, Insights.BOTH])
@pytest.mark.parametrize(
    ("evidence", "flagged"),
    [(EvidencePolicy.OFF, 1), (EvidencePolicy.SUSPECTS, 1), (EvidencePolicy.ROTATE, 0)],
)
def test_a_run_scans_as_many_samples_as_the_estimate_says(
    published: PromqlEndpoint, insights: Insights, evidence: EvidencePolicy, flagged: int
) -> None:
    before = published.scanned
    ec2 = Ec2(wrong=NODES[1 : 1 + flagged], has_classic=insights is Insights.BOTH)
    report = judged(NODES, published, evidence, ec2)
    assert sum(node.newest.explained is not True for node in report.nodes) == flagged
    fleet = Fleet(
        len(NODES),
        evidence=evidence,
        insights=insights,
        pods_per_node=len(PODS),
        flagged_nodes=flagged,
    )
    probe = 0
    if insights is Insights.BOTH and evidence is not EvidencePolicy.OFF:  # only before devices are looked at
        asked = PROBED_FIRST if evidence is EvidencePolicy.ROTATE else flagged
        probe = asked * Samples(len(ENIS), len(ENIS)).probe()
    assert published.scanned - before == sum(samples_per_run(fleet).values()) + probe
    assert len(ENIS) == ENIS_PER_NODE


@pytest.mark.parametrize(("pods", "anchors"), [(0, 1), (1, 4), (3, 2)])
def test_samples_grow_with_devices_and_with_anchors(pods: int, anchors: int) -> None:
    node = NODES[0]
    endpoint = PromqlEndpoint(counters([node], PODS[:pods], ANCHORS[:anchors]))
    promql, classifier = InProcess(endpoint), Classifier()
    devices = OtelDevices(promql, classifier)  # type: ignore[arg-type]
    expected = Samples(devices=len(ENIS) + pods, enis=len(ENIS), anchors=anchors)
    hour = FetchSpan(WINDOW.end - SHORT_LOOK, WINDOW.end)

    def scanned() -> int:
        scanned, endpoint.scanned = endpoint.scanned, 0
        return scanned

    list(OtelTotals(promql, Ec2(), classifier).totals([node], SPAN))  # type: ignore[arg-type]
    assert scanned() == expected.totals(SPAN)
    devices.glance([node], hour)
    assert scanned() == expected.glance(hour)
    for scope in DeviceScope:
        devices.devices([node], hour, scope)
        assert scanned() == expected.look(hour, scope)


def test_a_classic_cluster_is_asked_for_counters_and_nothing_is_scanned() -> None:
    endpoint = PromqlEndpoint()
    judged(NODES, endpoint, EvidencePolicy.ROTATE, Ec2(has_classic=True))
    assert endpoint.scanned == sum(samples_per_run(Fleet(len(NODES))).values()) == 0


def test_judging_every_node_by_its_devices_has_a_price_of_its_own_and_a_lever() -> None:
    fleet = Fleet(1_000, insights=Insights.OTEL, os_source=OsSourceChoice.OTEL)
    # 2 ENIs, 2 directions, 2 samples a minute: bytes over 67 minutes of three nodes in four; of the others
    # three counters, a sixth of them over 367 minutes
    counter = 2 * 2 * 2
    samples = counter * (67 * 18 + 3 * 67 * 5 + 3 * 367 * 1) / 24
    assert line(fleet, "every node's devices scanned") == pytest.approx(1_000 * 2_880 * samples * 1e-8)
    saved = {lever.setting: lever.dollars_saved for lever in levers(fleet)}
    assert saved["evidence = suspects"] > line(fleet, "every node's devices scanned")


@pytest.mark.parametrize(
    ("os_source", "shown"),
    [("auto", ["classic", "otel", "both"]), ("classic", ["classic"]), ("otel", ["otel"])],
)
def test_the_estimate_shows_every_container_insights_that_the_setting_may_read(
    capsys: pytest.CaptureFixture[str], os_source: str, shown: list[str]
) -> None:
    asked = ["estimate", "--nodes", "100", "--os-source", os_source, "--pods", "12"]
    with pytest.raises(SystemExit):
        main([*asked, "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    assert list(told["by_container_insights"]) == shown
    first = told["by_container_insights"][shown[0]]
    assert {key: told[key] for key in first} == first
    assert told["assumed"]["pods_per_node"] == 12
    with pytest.raises(SystemExit):
        main(asked)
    text = capsys.readouterr().out
    for each in shown:
        assert f"{told['by_container_insights'][each]['dollars_per_month']:,.2f}" in text
    assert ("12 pods" in text) == (shown != ["classic"])


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("nodes", ["100", "1000000"])
def test_no_figure_is_cut_on_a_narrow_terminal(
    nodes: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main(["estimate", "--nodes", nodes, "--clusters", "100"])
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= columns
