"""The cost model: enigap's monthly bill, line by line, from a dated table of list prices.

| what is billed | how much of it there is |
|---|---|
| metrics read | one for each metric and call: three a node every run, and four for each look at its devices |
| samples scanned | those that PromQL reads of OpenTelemetry's counters, each time that it does |
| custom metrics | each distinct name and dimensions, prorated by the hours it has data in |
| device events | read with FilterLogEvents, which is free |
| functions, alarms, key, requests | small and nearly constant |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from math import ceil
from typing import Final

from enigap.assessment import METRICS_PER_LOOK, METRICS_PER_NODE
from enigap.aws.otel import PROBED_FIRST, Samples
from enigap.core.counting.evidence import DeviceScope
from enigap.core.counting.reading import OsSourceChoice
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import EPOCH, FetchSpan, Window
from enigap.core.judging.turns import LONG_CYCLE_WINDOWS, SHORT_CYCLE_WINDOWS, SHORT_LOOK, stretch_of
from enigap.core.published import Publish, Scope, of
from enigap.settings import Settings

HOURS_PER_MONTH: Final = 30 * 24
MINUTES_PER_MONTH: Final = HOURS_PER_MONTH * 60


@dataclass(frozen=True, slots=True)
class Price:
    """A list price in US dollars, for us-east-1."""

    dollars: float
    per: str
    source: str


PRICES_AS_OF: Final = date(2026, 8, 6)

_PRICE_LIST = "AWS Price List API, read out by third parties in 2026"
_RECALLED = "AWS's pricing page as remembered; not verified"

GET_METRIC_DATA: Final = Price(0.01 / 1_000, "metric requested", _PRICE_LIST)
"""No free tier. Up to five statistics of a metric in one call are billed once."""
PROMQL_SAMPLE: Final = Price(0.01 / 1_000_000, "sample scanned by PromQL", _PRICE_LIST)
CUSTOM_METRIC_TIERS: Final = (
    (10_000, Price(0.30, "metric-month", _PRICE_LIST)),
    (250_000, Price(0.10, "metric-month", _PRICE_LIST)),
    (1_000_000, Price(0.05, "metric-month", _PRICE_LIST)),
    (float("inf"), Price(0.02, "metric-month", _PRICE_LIST)),
)
"""Price tiers: up to how many custom metrics of an account and region each price applies."""
API_REQUEST: Final = Price(0.01 / 1_000, "PutMetricData or ListMetrics request", _PRICE_LIST)
ALARM: Final = Price(0.10, "alarm-month", _PRICE_LIST)
LOGS_INGESTED: Final = Price(0.50, "GB of the functions' own logs", _PRICE_LIST)
KEY: Final = Price(1.00, "KMS key-month", _RECALLED)
DASHBOARD: Final = Price(
    3.00, "dashboard-month after an account's first three", "as the price list has it, with no SKU of its own"
)
FUNCTION_SECOND: Final = Price(0.0000133334, "GB-second of a function on arm64", _RECALLED)
EMAIL: Final = Price(2.00 / 100_000, "email", "awsnegotiations.com, May 2026")

FREE_REQUESTS: Final = 1_000_000
DATA_PER_REQUEST: Final = 1_000
SERIES_PER_LISTING: Final = 500

FUNCTION_GIGABYTES: Final = 1.0
FUNCTION_SECONDS_PER_RUN: Final = 5.0
"""Seconds of a run, on average, assumed: waiting for CloudWatch, some cold starts, no messages."""
FUNCTION_SECONDS_PER_NODE: Final = 0.0015
"""Measured client time per node is 0.5 ms of one core (see bench/); a gigabyte buys about half a core, and as
much again is waiting."""
LOG_BYTES_PER_RUN: Final = 2_000


class Insights(StrEnum):
    """Which Container Insights the clusters have, and the setting `os_source` lets enigap read."""

    CLASSIC = "classic"
    OTEL = "otel"
    BOTH = "both"
    """Totals are read from the classic one, devices from the counters of the other."""


INSIGHTS_BY_SETTING: Final = {
    OsSourceChoice.AUTO: tuple(Insights),
    OsSourceChoice.CLASSIC: (Insights.CLASSIC,),
    OsSourceChoice.OTEL: (Insights.OTEL,),
}
"""What each value of `os_source` can come to."""

PODS_PER_NODE: Final = 30
ENIS_PER_NODE: Final = 2
"""Assumed, on average."""

DEFAULTS: Final = Settings()


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes to watch, and the settings that influence the bill."""

    nodes: int
    clusters: int = 1
    schedule_minutes: int = DEFAULTS.schedule_minutes
    publish: Publish = DEFAULTS.publish
    flagged_nodes: int = 0
    """Nodes not explained at any time: those with metrics if `publish` is `flagged`."""
    evidence: EvidencePolicy = DEFAULTS.evidence
    os_source: OsSourceChoice = DEFAULTS.os_source
    insights: Insights = Insights.CLASSIC
    pods_per_node: int = PODS_PER_NODE
    """Those with a network device of their own."""
    alarms: int = 16
    emails_per_month: int = 30

    @property
    def runs_per_month(self) -> float:
        return MINUTES_PER_MONTH / self.schedule_minutes


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill."""

    what: str
    quantity: str
    dollars: float


def monthly_bill(fleet: Fleet) -> tuple[Line, ...]:
    """The lines of a monthly bill, in a fixed order, usually the largest first."""
    per_node = METRICS_PER_NODE - (1 if fleet.insights is Insights.OTEL else 0)
    read = (per_node * fleet.nodes + METRICS_PER_LOOK * looks_per_run(fleet)) * fleet.runs_per_month
    metrics = published_metrics(fleet)
    requests = fleet.runs_per_month * (
        _at_least_one(fleet.clusters, data_per_run(fleet) / DATA_PER_REQUEST)
        + _at_least_one(fleet.clusters, fleet.nodes / SERIES_PER_LISTING)
        + 1
    )
    seconds = fleet.runs_per_month * (
        fleet.clusters * FUNCTION_SECONDS_PER_RUN + fleet.nodes * FUNCTION_SECONDS_PER_NODE
    )
    logged = fleet.runs_per_month * fleet.clusters * LOG_BYTES_PER_RUN / 1e9
    return (
        Line("metrics read", f"{read:,.0f} metrics by GetMetricData", read * GET_METRIC_DATA.dollars),
        *(
            Line(what, f"{samples / 1e6:,.1f} million samples by PromQL", samples * PROMQL_SAMPLE.dollars)
            for what, per_run in samples_per_run(fleet).items()
            if (samples := per_run * fleet.runs_per_month)
        ),
        Line("metrics published", f"{metrics:,} custom metrics", custom_metrics(metrics)),
        Line(
            "functions",
            f"{seconds * FUNCTION_GIGABYTES:,.0f} GB-seconds",
            seconds * FUNCTION_GIGABYTES * FUNCTION_SECOND.dollars,
        ),
        Line("alarms", f"{fleet.alarms} alarms", fleet.alarms * ALARM.dollars),
        Line("keys of the topics", "2 KMS keys", 2 * KEY.dollars),
        Line("dashboard", "1 dashboard; an account's first three are free", DASHBOARD.dollars),
        Line(
            "requests and logs",
            f"{requests:,.0f} requests, {logged:.2f} GB logged",
            max(0.0, requests - FREE_REQUESTS) * API_REQUEST.dollars + logged * LOGS_INGESTED.dollars,
        ),
        Line("notifications", f"{fleet.emails_per_month} emails", fleet.emails_per_month * EMAIL.dollars),
    )


FLAGGED_SHARE: Final = 0.02
"""Of all nodes, assumed."""


def dollars_per_node(
    publish: Publish,
    schedule_minutes: int,
    evidence: EvidencePolicy = DEFAULTS.evidence,
    insights: Insights = Insights.CLASSIC,
) -> float:
    """Dollars a month that one more node adds, of which a small share is flagged, without discounts."""
    few, many = (
        Fleet(
            nodes,
            publish=publish,
            schedule_minutes=schedule_minutes,
            flagged_nodes=round(nodes * FLAGGED_SHARE),
            evidence=evidence,
            insights=insights,
        )
        for nodes in (100, 1_100)
    )
    return (total(monthly_bill(many)) - total(monthly_bill(few))) / (many.nodes - few.nodes)


def total(lines: Iterable[Line]) -> float:
    """Dollars a month."""
    return sum(line.dollars for line in lines)


@dataclass(frozen=True, slots=True)
class Lever:
    """A setting that makes the bill smaller, and what it hides."""

    setting: str
    dollars_saved: float
    hides: str


def levers(fleet: Fleet) -> tuple[Lever, ...]:
    """The levers with their savings on this fleet's bill, the largest first."""
    options = [
        ("publish = cluster", replace(fleet, publish=Publish.CLUSTER), "nodes have no metrics of their own"),
        (
            "publish = flagged",
            replace(fleet, publish=Publish.FLAGGED),
            "a node's history begins when it is flagged",
        ),
        (
            "schedule_minutes = 30",
            replace(fleet, schedule_minutes=30),
            "trouble shows up to 15 minutes later",
        ),
        (
            "schedule_minutes = 60",
            replace(fleet, schedule_minutes=60),
            "trouble shows up to 45 minutes later, and what lasts less than half an hour may not show at all",
        ),
        (
            "evidence = suspects",
            replace(fleet, evidence=EvidencePolicy.SUSPECTS),
            "a fault that only the devices show is not found",
        ),
        (
            "evidence = off",
            replace(fleet, evidence=EvidencePolicy.OFF),
            "what the totals leave open stays unverified, and what only the devices show is not found",
        ),
        (
            "node_tags: half the nodes",
            replace(fleet, nodes=ceil(fleet.nodes / 2), flagged_nodes=ceil(fleet.flagged_nodes / 2)),
            "the other half is not watched",
        ),
    ]
    now = total(monthly_bill(fleet))
    found = (Lever(name, now - total(monthly_bill(other)), hides) for name, other, hides in options)
    return tuple(
        sorted((lever for lever in found if lever.dollars_saved > 0), key=lambda lever: -lever.dollars_saved)
    )


def looks_per_run(fleet: Fleet) -> float:
    """How many nodes' devices are looked at in one run over all clusters."""
    if fleet.evidence is EvidencePolicy.OFF:
        return 0
    return min(fleet.nodes, _in_turn(fleet) + fleet.flagged_nodes)


def _in_turn(fleet: Fleet) -> float:
    """How many nodes are looked at in one run without a question."""
    if fleet.evidence not in _EVERY_NODE:
        return 0
    if fleet.evidence is EvidencePolicy.ALWAYS:
        return fleet.nodes
    return fleet.nodes / (SHORT_CYCLE_WINDOWS * _stretch(fleet))


def _stretch(fleet: Fleet) -> int:
    return stretch_of(ceil(fleet.nodes / fleet.clusters))


_EVERY_NODE: Final = (EvidencePolicy.ROTATE, EvidencePolicy.ALWAYS)

EVERY_NODE_SCANNED: Final = "every node's devices scanned"
SCANNED: Final = ("totals scanned", EVERY_NODE_SCANNED, "flagged nodes' devices scanned")


def samples_per_run(fleet: Fleet) -> dict[str, float]:
    """Samples of OpenTelemetry's counters that one run over all clusters scans, by what they are for."""
    if fleet.insights is Insights.CLASSIC:
        return {}
    node = Samples(devices=fleet.pods_per_node + ENIS_PER_NODE, enis=ENIS_PER_NODE)
    short, long = _newest(SHORT_LOOK), _newest(timedelta(hours=DEFAULTS.look_back_hours))
    totals = every_node = flagged = 0.0
    if fleet.insights is Insights.OTEL:
        totals = fleet.nodes * node.totals(FetchSpan.of(_WINDOW, DEFAULTS.rules().windows_fetched))
        if fleet.os_source is OsSourceChoice.AUTO:
            totals += node.probe() * min(fleet.nodes, fleet.clusters * PROBED_FIRST)
    if fleet.evidence in _EVERY_NODE:
        looked, longer = _in_turn(fleet), fleet.nodes / (LONG_CYCLE_WINDOWS * _stretch(fleet))
        every_node = (fleet.nodes - looked) * node.glance(short)
        every_node += (looked - longer) * node.look(short, DeviceScope.ENI)
        every_node += longer * node.look(long, DeviceScope.ENI)
    if fleet.evidence is not EvidencePolicy.OFF:
        with_all = min(fleet.flagged_nodes, fleet.clusters * DEFAULTS.evidence_max_nodes)
        flagged = fleet.flagged_nodes * node.look(short, DeviceScope.ENI)
        flagged += with_all * node.look(short, DeviceScope.ALL)
    return dict(zip(SCANNED, (totals, every_node, flagged), strict=True))


_WINDOW: Final = Window(EPOCH)
"""Any: how much is read does not depend on the time."""


def _newest(length: timedelta) -> FetchSpan:
    return FetchSpan(_WINDOW.end - length, _WINDOW.end)


def published_metrics(fleet: Fleet) -> int:
    """Distinct custom metrics: of each cluster, the worst cluster, the planner and the nodes."""
    nodes = {Publish.ALL: fleet.nodes, Publish.FLAGGED: fleet.flagged_nodes, Publish.CLUSTER: 0}
    per_cluster = len(of(Scope.CLUSTER))
    return (
        nodes[fleet.publish] * len(of(Scope.NODE))
        + (fleet.clusters + 1) * per_cluster
        + len(of(Scope.DEPLOYMENT))
    )


def data_per_run(fleet: Fleet) -> int:
    """Datapoints published by one run over all clusters."""
    per_cluster = len(of(Scope.CLUSTER))
    return published_metrics(fleet) + (fleet.clusters - 1) * per_cluster


def custom_metrics(count: int) -> float:
    """Dollars a month for so many custom metrics, tier by tier, if the account has no others."""
    dollars, below = 0.0, 0.0
    for up_to, price in CUSTOM_METRIC_TIERS:
        dollars += max(0.0, min(count, up_to) - below) * price.dollars
        below = up_to
    return dollars


def _at_least_one(clusters: int, requests: float) -> float:
    """Requests of one run, where each cluster makes at least one."""
    return max(float(clusters), requests)
