from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from enigap.aws.clients import Aws
from enigap.aws.discovery import Memory, clusters, discover, elsewhere, find_clusters
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.placement import (
    Discovery,
    FoundCluster,
    Instance,
    Placed,
    Series,
    Wanted,
    bandwidth_of,
    join,
    place,
    tagged_clusters,
)
from enigap.core.counting.node import Node
from enigap.core.counting.units import ByteRate
from tests.aws.fake_ec2 import LAUNCHED, FakeEc2, Machine
from tests.aws.worlds import NOW, plain_client
from tests.fakes.strict_cloudwatch import ALWAYS, StrictCloudWatch, metric

OWNED = {"kubernetes.io/cluster/prod": "owned"}
M5_LARGE = ByteRate(1.25e9)


def seen(
    *series: Series, at: datetime = NOW - timedelta(hours=1), fake: StrictCloudWatch | None = None
) -> StrictCloudWatch:
    """A CloudWatch in which these nodes last reported then; the clusters' totals are there as well."""
    fake = fake or StrictCloudWatch(now=NOW)
    for one in series:
        dimensions = {"ClusterName": one.cluster, "InstanceId": one.instance_id, "NodeName": one.node_name}
        fake.put(metric("ContainerInsights", "node_network_total_bytes", **dimensions), at, 1.0)
        fake.put(metric("ContainerInsights", "node_cpu_utilization", **dimensions), at, 1.0)
        fake.put(metric("ContainerInsights", "node_network_total_bytes", ClusterName=one.cluster), at, 1.0)
    return fake


def found(ec2: FakeEc2, fake: StrictCloudWatch, *names: str, **more: Any) -> Discovery:
    return discover(ec2, plain_client(fake), Wanted(clusters=names, **more))


def nodes_of(discovery: Discovery) -> dict[str, list[str]]:
    return {each.name: [node.instance_id for node in each.nodes] for each in discovery.clusters}


# --- names ---


@pytest.mark.parametrize(
    "name",
    [
        "Sign in at https://evil.example",
        "<!channel>",
        "UPPER",
        "under_score",
        "-a",
        "a..b",
        "a" * 254,
        "a\nb",
        "é",
    ],
)
def test_a_series_of_what_kubernetes_would_call_no_node_is_left_out_and_counted(name: str) -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED), Machine("i-2", OWNED)])
    series = [Series("prod", "i-1", name), Series("prod", "i-2", "ip-2.ec2.internal")]
    discovery = join(Wanted(), {each.instance_id: each for each in _instances(ec2)}, series)
    [cluster] = discovery.clusters
    assert [node.node_name for node in cluster.nodes] == [None, "ip-2.ec2.internal"]
    [note] = discovery.notes
    assert note.startswith("1 series of Container Insights left out, for Kubernetes has no such names")


def _instances(ec2: FakeEc2) -> list[Instance]:
    return [Instance(machine.instance_id, tags=machine.tags) for machine in ec2.machines]


# --- who is a node ---


def test_a_node_is_described_by_what_ec2_and_container_insights_know_of_it() -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED)])
    discovery = found(ec2, seen(Series("prod", "i-1", "ip-10-0-0-1")))
    assert discovery == Discovery(
        (FoundCluster("prod", (Node("prod", "i-1", "ip-10-0-0-1", LAUNCHED, "m5.large", M5_LARGE),)),)
    )


def test_a_launch_time_in_another_zone_is_given_in_utc() -> None:
    eastern = timezone(timedelta(hours=-5))
    ec2 = FakeEc2([Machine("i-1", OWNED, launched_at=LAUNCHED.astimezone(eastern))])
    ((node,),) = (each.nodes for each in found(ec2, seen()).clusters)
    assert node.launched_at == LAUNCHED
    assert node.launched_at is not None
    assert node.launched_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("patterns", [(), ("prod",), ("pro*",)], ids=["all", "by name", "by pattern"])
@pytest.mark.parametrize(
    "tags",
    [
        {"kubernetes.io/cluster/prod": "owned"},
        {"kubernetes.io/cluster/prod": "shared"},
        {"eks:cluster-name": "prod"},
        {"aws:eks:cluster-name": "prod"},
        {"eks:eks-cluster-name": "prod"},
    ],
    ids=lambda tags: "=".join(next(iter(tags.items()))),
)
def test_a_tagged_instance_without_a_series_is_a_node_without_a_name(
    tags: Mapping[str, str], patterns: tuple[str, ...]
) -> None:
    ec2 = FakeEc2([Machine("i-1", tags), Machine("i-2", {"Name": "prod"}), Machine("i-3")])
    (cluster,) = found(ec2, seen(), *patterns).clusters
    assert [(node.instance_id, node.node_name) for node in cluster.nodes] == [("i-1", None)]
    assert not cluster.has_series


def test_a_node_that_never_published_goes_by_its_private_dns_name() -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED, private_dns_name="ip-10-0-3-7.eu-west-1.compute.internal")])
    ((node,),) = (cluster.nodes for cluster in found(ec2, seen()).clusters)
    assert node.name == "ip-10-0-3-7.eu-west-1.compute.internal"
    assert not node.has_series


def test_a_node_that_publishes_goes_by_the_name_it_publishes_under() -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED, private_dns_name="ip-10-0-3-7.eu-west-1.compute.internal")])
    ((node,),) = (cluster.nodes for cluster in found(ec2, seen(Series("prod", "i-1", "worker-7"))).clusters)
    assert node.name == "worker-7"


@pytest.mark.parametrize("patterns", [(), ("prod",), ("pro*",)], ids=["all", "by name", "by pattern"])
def test_a_worker_nobody_tagged_is_found_by_its_series(patterns: tuple[str, ...]) -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED), Machine("i-2")])
    fake = seen(Series("prod", "i-1", "ip-1"), Series("prod", "i-2", "ip-2"))
    (cluster,) = found(ec2, fake, *patterns).clusters
    assert [(node.instance_id, node.node_name) for node in cluster.nodes] == [
        ("i-1", "ip-1"),
        ("i-2", "ip-2"),
    ]
    assert cluster.has_series


@pytest.mark.parametrize("state", ["pending", "stopping", "stopped", "shutting-down", "terminated"])
def test_an_instance_that_does_not_run_is_no_node_whatever_listmetrics_remembers(state: str) -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED, state=state), Machine("i-2", OWNED)])
    fake = seen(
        Series("prod", "i-1", "ip-1"), Series("prod", "i-2", "ip-2"), Series("prod", "i-gone", "ip-3")
    )
    (cluster,) = found(ec2, fake, "prod").clusters
    assert [node.instance_id for node in cluster.nodes] == ["i-2"]
    assert cluster.departed == 2


def test_a_cluster_with_nothing_but_departed_nodes_is_there_only_if_it_was_named() -> None:
    fake = seen(Series("prod", "i-gone", "ip-1"))
    assert found(FakeEc2(), fake).clusters == ()
    assert found(FakeEc2(), fake, "prod").clusters == (FoundCluster("prod", departed=1),)


def test_a_named_cluster_that_nobody_knows_is_there_and_empty() -> None:
    discovery = found(FakeEc2([Machine("i-1", OWNED)]), seen(), "prdo", "prod")
    assert nodes_of(discovery) == {"prdo": [], "prod": ["i-1"]}


def test_a_node_that_reported_within_two_weeks_keeps_its_name() -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED)])
    fake = seen(Series("prod", "i-1", "ip-1"), at=NOW - timedelta(days=13))
    (cluster,) = found(ec2, fake).clusters
    assert cluster.nodes[0].node_name == "ip-1"


def test_only_the_series_of_nodes_count() -> None:
    fake = StrictCloudWatch(now=NOW)
    for name, dimensions in (
        ("node_network_total_bytes", {"ClusterName": "prod"}),
        ("node_network_total_bytes", {"ClusterName": "prod", "InstanceId": "i-1"}),
        (
            "node_network_total_bytes",
            {"ClusterName": "prod", "InstanceId": "i-1", "NodeName": "ip-1", "Zone": "a"},
        ),
        ("node_cpu_utilization", {"ClusterName": "prod", "InstanceId": "i-1", "NodeName": "ip-1"}),
    ):
        fake.put(metric("ContainerInsights", name, **dimensions), NOW, 1.0)
    (cluster,) = found(FakeEc2([Machine("i-1", OWNED)]), fake).clusters
    assert cluster.nodes[0].node_name is None


def test_fargate_and_hybrid_nodes_are_left_out_by_name_and_counted() -> None:
    fake = seen(
        Series("prod", "i-1", "ip-1"),
        Series("prod", "fargate-ip-10-0-0-9", "fargate-ip-10-0-0-9"),
        Series("prod", "i-9", "fargate-ip-10-0-0-8"),
        Series("prod", "mi-0123456789abcdef0", "rack-7"),
        Series("serverless", "x", "fargate-a"),
    )
    ec2 = FakeEc2([Machine("i-1", OWNED), Machine("i-9")])
    discovery = found(ec2, fake)
    (cluster,) = discovery.clusters
    assert nodes_of(discovery) == {"prod": ["i-1"]}
    assert (cluster.fargate, cluster.not_on_ec2, cluster.departed) == (2, 1, 0)
    assert discovery.notes == (
        "Fargate and hybrid nodes of prod are left out: they have no EC2 instance to compare with.",
        "Fargate nodes of serverless are left out: they have no EC2 instance to compare with.",
    )


@pytest.mark.parametrize(
    ("platform", "is_windows"), [("windows", True), ("Windows", True), (None, False), ("", False)]
)
def test_a_windows_node_is_told_by_its_platform(platform: str | None, *, is_windows: bool) -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED, platform=platform)])
    ((node,),) = (each.nodes for each in found(ec2, seen(Series("prod", "i-1", "ip-1"))).clusters)
    assert node.is_windows is is_windows


@pytest.mark.parametrize("patterns", [(), ("prod",), ("pro*",)], ids=["all", "by name", "by pattern"])
def test_an_ec2_that_ignores_filters_changes_nothing(patterns: tuple[str, ...]) -> None:
    machines = [
        Machine("i-1", OWNED),
        Machine("i-2"),
        Machine("i-3"),
        Machine("i-4", OWNED, state="stopped"),
        Machine("i-5", {"kubernetes.io/cluster/production": "owned"}, instance_type="z9.huge"),
    ]
    types = {"m5.large": [10.0], "unheard.of": [1.0]}
    fake = seen(Series("prod", "i-2", "ip-2"), Series("prod", "i-4", "ip-4"))
    heeding = found(FakeEc2(machines, types), fake, *patterns)
    ignoring = found(FakeEc2(machines, types, filters=False), fake, *patterns)
    assert ignoring.clusters == heeding.clusters
    assert nodes_of(heeding)["prod"] == ["i-1", "i-2"]


# --- each node once ---


def test_an_instance_with_two_names_is_one_node_under_the_name_it_reports_now() -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED, private_dns_name="ip-a")])
    fake = seen(Series("prod", "i-1", "ip-a"), at=NOW - timedelta(days=2))
    seen(Series("prod", "i-1", "ip-b"), fake=fake)
    discovery = found(ec2, fake, "prod")
    ((node,),) = (each.nodes for each in discovery.clusters)
    assert node.node_name == "ip-b"
    assert discovery.notes == (
        "An instance has more than one series or cluster and counts once: i-1 as ip-b of prod.",
    )


def test_two_agents_that_report_now_are_told_apart_by_the_tags() -> None:
    ec2 = FakeEc2([Machine("i-1", {"eks:cluster-name": "staging"})])
    fake = seen(Series("prod", "i-1", "ip-1"), Series("staging", "i-1", "ip-1"))
    assert nodes_of(found(ec2, fake)) == {"staging": ["i-1"]}


def test_an_instance_in_two_clusters_tags_is_in_one() -> None:
    tags = {"kubernetes.io/cluster/b": "owned", "kubernetes.io/cluster/a": "shared", **OWNED}
    discovery = found(FakeEc2([Machine("i-1", tags)]), seen())
    assert nodes_of(discovery) == {"b": ["i-1"]}
    assert discovery.notes == (
        "An instance has more than one series or cluster and counts once: i-1 as a node of b.",
    )


@pytest.mark.parametrize("patterns", [(), ("prod",), ("prod", "prod-eu")], ids=["all", "one", "both"])
def test_a_cluster_that_its_agent_calls_otherwise_is_not_taken_for_silent(patterns: tuple[str, ...]) -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED), Machine("i-2", OWNED, launched_at=LAUNCHED + timedelta(1))])
    fake = seen(Series("prod-eu", "i-1", "ip-1"), Series("prod-eu", "i-2", "ip-2"))
    discovery = found(ec2, fake, *patterns)
    everything = {"prod": ["i-1", "i-2"], "prod-eu": []}
    assert nodes_of(discovery) == {name: everything[name] for name in patterns or ("prod",)}
    assert {node.insights_cluster for each in discovery.clusters for node in each.nodes} == {"prod-eu"}
    assert discovery.called == {"prod-eu": "prod"}
    assert discovery.notes == (
        (
            "prod, as EKS names it, is called prod-eu by the agents on 2 nodes of it; "
            "CloudWatch is asked by that name, everything else has EKS's."
        ),
    )


def test_the_agents_name_is_found_though_the_eldest_node_of_the_cluster_never_reported() -> None:
    launches = [LAUNCHED + timedelta(days=number) for number in range(3)]
    ec2 = FakeEc2([Machine(f"i-{n}", OWNED, launched_at=at) for n, at in enumerate(launches)])
    fake = seen(Series("{{cluster_name}}", "i-2", "ip-2"))
    ((_, _, reporting),) = (each.nodes for each in found(ec2, fake, "prod").clusters)
    assert (reporting.cluster, reporting.insights_cluster) == ("prod", "{{cluster_name}}")


def test_two_clusters_whose_agents_share_a_placeholder_for_a_name_stay_two() -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED), Machine("i-2", {"eks:cluster-name": "Shop"})])
    fake = seen(Series("${CLUSTER}", "i-1", "ip-1"), Series("${CLUSTER}", "i-2", "ip-2"))
    for patterns in ((), ("prod", "Shop"), ("*",)):
        assert nodes_of(found(ec2, fake, *patterns)) == {"prod": ["i-1"], "Shop": ["i-2"]}
    assert clusters(ec2, plain_client(fake)) == ("Shop", "prod")


# --- what is asked for ---


@pytest.mark.parametrize("real", [True, False], ids=["one is called so by EKS", "none is"])
def test_what_is_gone_is_not_counted_as_of_one_of_the_clusters_that_share_a_name(real: bool) -> None:  # noqa: FBT001
    shared = "staging" if real else "{{cluster_name}}"
    ec2 = FakeEc2(
        [Machine("i-1", {"eks:cluster-name": "staging"}), Machine("i-2", {"eks:cluster-name": "shop"})]
    )
    series = [Series(shared, "i-1", "ip-1"), Series(shared, "i-2", "ip-2"), Series(shared, "i-9", "ip-9")]
    fargate = Series(shared, "fargate-ip-3", "fargate-ip-3")
    discovery = found(ec2, seen(*series, fargate))
    shop, staging = discovery.clusters
    assert (shop.departed, shop.fargate) == (0, 0)
    assert (staging.departed, staging.fargate) == ((1, 1) if real else (0, 0))
    assert f"Fargate nodes of {shared} are left out" in discovery.notes[-1]


def test_a_space_at_the_end_of_an_agents_name_can_be_seen() -> None:
    discovery = found(FakeEc2([Machine("i-1", OWNED)]), seen(Series("prod ", "i-1", "ip-1")))
    assert "is called 'prod ' by the agents" in discovery.notes[0]


def test_only_the_clusters_asked_for_are_there() -> None:
    names = ("prod-a", "prod-b", "staging")
    ec2 = FakeEc2(
        [Machine(f"i-{n}", {f"kubernetes.io/cluster/{name}": "owned"}) for n, name in enumerate(names)]
    )
    assert nodes_of(found(ec2, seen(), "prod-*")) == {"prod-a": ["i-0"], "prod-b": ["i-1"]}
    assert nodes_of(found(ec2, seen(), "staging")) == {"staging": ["i-2"]}
    assert nodes_of(found(ec2, seen(), "prod-?", "staging")).keys() == set(names)


def test_only_nodes_with_the_tags_asked_for_are_looked_at_and_the_others_counted() -> None:
    ec2 = FakeEc2(
        [
            Machine("i-1", OWNED | {"team": "payments"}),
            Machine("i-2", OWNED | {"team": "search"}),
            Machine("i-3", OWNED),
            Machine("i-4", {"team": "payroll"}),
        ]
    )
    fake = seen(Series("prod", "i-4", "ip-4"))
    (cluster,) = found(ec2, fake, "prod", node_tags={"team": "pay*"}).clusters
    assert [node.instance_id for node in cluster.nodes] == ["i-1", "i-4"]
    assert cluster.other_tags == 2


# --- what it costs ---


def test_paging_is_followed_to_the_end() -> None:
    ec2 = FakeEc2([Machine(f"i-{n}", OWNED) for n in range(1200)], page_size=100)
    fake = seen(*(Series("prod", f"i-{n}", f"ip-{n}") for n in range(1200)))
    (cluster,) = found(ec2, fake).clusters
    assert len(cluster.nodes) == 1200
    assert all(node.has_series for node in cluster.nodes)
    assert fake.counters.calls == {"ListMetrics": 3}


def test_untagged_ids_are_confirmed_in_as_few_calls_as_filters_allow() -> None:
    """199 ids and the state make 200 values."""
    ec2 = FakeEc2([Machine(f"i-{n}") for n in range(0, 450, 2)])
    fake = seen(*(Series("prod", f"i-{n}", f"ip-{n}") for n in range(450)))
    (cluster,) = found(ec2, fake).clusters
    assert len(cluster.nodes) == cluster.departed == 225
    by_id = [
        r
        for name, r in ec2.requests
        if name == "DescribeInstances" and r["Filters"][0]["Name"] == "instance-id"
    ]
    assert sorted(len(request["Filters"][0]["Values"]) for request in by_id) == [52, 199, 199]
    assert fake.counters.calls == {"ListMetrics": 1}


EVERY_TAG = OWNED | {"eks:cluster-name": "prod", "aws:eks:cluster-name": "prod"}


def test_an_instance_with_several_tags_of_a_cluster_is_described_once() -> None:
    ec2 = FakeEc2([Machine(f"i-{n}", EVERY_TAG) for n in range(700)])
    found(ec2, seen(), "prod")
    assert (ec2.described, ec2.calls("DescribeInstances"), ec2.calls("DescribeTags")) == (700, 2, 2)
    clusters(ec2, plain_client(seen()), Wanted(clusters=("prod",)))
    assert ec2.described == 2 * 700


def test_only_workers_whose_tag_of_ownership_does_not_find_them_are_looked_up_by_id() -> None:
    owned = [Machine(f"i-{n}", EVERY_TAG) for n in range(3)]
    by_name = [Machine(f"i-7{n}", {"eks:cluster-name": "prod"}) for n in range(250)]
    gone = Machine("i-8", EVERY_TAG, state="terminated")
    ec2 = FakeEc2([*owned, *by_name, gone])
    (cluster,) = found(ec2, seen(), "prod").clusters
    assert len(cluster.nodes) == ec2.described == 253
    assert ec2.calls("DescribeInstances") == 1 + 2


def test_a_cluster_asked_for_by_name_does_not_read_the_others() -> None:
    mine = [Machine(f"i-{n}", OWNED) for n in range(3)]
    others = [Machine(f"i-9{n}", {"kubernetes.io/cluster/other": "owned"}) for n in range(300)]
    ec2 = FakeEc2(mine + others)
    fake = seen(*(Series("other", machine.instance_id, "ip") for machine in others))
    seen(*(Series("prod", machine.instance_id, "ip") for machine in mine), fake=fake)
    found(ec2, fake, "prod")
    asked = [r.parameters for r in fake.requests]
    assert [each["Dimensions"] for each in asked] == [[{"Name": "ClusterName", "Value": "prod"}]] * 2
    assert sorted(each.get("RecentlyActive", "two weeks") for each in asked) == ["PT3H", "two weeks"]
    assert all("instance-id" not in str(request) for _, request in ec2.requests)


def churned(gone: int) -> tuple[FakeEc2, StrictCloudWatch]:
    """A cluster of three nodes, one of them untagged, and nodes that were there days ago."""
    ec2 = FakeEc2([Machine("i-1", OWNED), Machine("i-2", OWNED), Machine("i-3")])
    fake = seen(*(Series("prod", f"i-{n}", f"ip-{n}") for n in (1, 2, 3)))
    old = (Series("prod", f"i-9{n:05}", f"ip-9{n}") for n in range(gone))
    return ec2, seen(*old, at=NOW - timedelta(days=5), fake=fake)


def test_who_is_long_gone_is_not_asked_about_one_by_one() -> None:
    ec2, fake = churned(gone=1_200)
    assert nodes_of(found(ec2, fake, "prod")) == {"prod": ["i-1", "i-2", "i-3"]}
    assert ec2.calls("DescribeInstances") == 2, "by the tags, and everything that runs"


def test_in_an_account_with_more_instances_than_ids_are_in_doubt_these_are_asked_about() -> None:
    ec2, fake = churned(gone=1_200)
    ec2.machines[:0] = [Machine(f"i-8{n:05}") for n in range(3_600)]
    assert nodes_of(found(ec2, fake, "prod")) == {"prod": ["i-1", "i-2", "i-3"]}


def test_a_process_lists_two_weeks_once_and_asks_about_nobody_who_is_gone_again() -> None:
    ec2, fake = churned(gone=1_200)
    now = [1e6]
    memory = Memory(lambda: now[0])
    cloudwatch = plain_client(fake)

    def look() -> tuple[list[str], list[str], int]:
        fake.requests.clear()
        ec2.requests.clear()
        discovery = discover(ec2, cloudwatch, Wanted(clusters=("prod",)), memory=memory)
        spans = [r.parameters.get("RecentlyActive", "two weeks") for r in fake.requests]
        return nodes_of(discovery)["prod"], sorted(set(spans)), ec2.calls("DescribeInstances")

    assert look() == (["i-1", "i-2", "i-3"], ["PT3H", "two weeks"], 2)
    seen(Series("prod", "i-4", "ip-4"), fake=fake)
    ec2.machines.append(Machine("i-4"))
    assert look() == (["i-1", "i-2", "i-3", "i-4"], ["PT3H"], 2), "the untagged are asked about by their ids"
    now[0] += 3 * 3600
    assert look()[1] == ["PT3H", "two weeks"]


def test_a_silent_worker_nobody_tagged_stays_a_node_while_its_series_is_listed() -> None:
    fake = seen(Series("prod", "i-1", "ip-1"))
    seen(Series("prod", "i-2", "ip-2"), at=NOW - timedelta(days=9), fake=fake)
    ec2, memory, cloudwatch = FakeEc2([Machine("i-1", OWNED), Machine("i-2")]), Memory(), plain_client(fake)
    for _ in range(2):
        discovery = discover(ec2, cloudwatch, Wanted(clusters=("prod",)), memory=memory)
        assert nodes_of(discovery) == {"prod": ["i-1", "i-2"]}


# --- renamed clusters ---


@pytest.mark.parametrize("nodes", [2, 40])
def test_a_cluster_that_was_renamed_is_asked_for_by_its_new_name_at_once(nodes: int) -> None:
    ec2 = FakeEc2([Machine(f"i-{n}", OWNED) for n in range(nodes)])
    fake = seen(*(Series("prod", f"i-{n}", f"ip-{n}") for n in range(nodes)), at=NOW - timedelta(days=1))
    seen(*(Series("shop", f"i-{n}", f"ip-{n}") for n in range(nodes)), fake=fake)
    for patterns in (("prod",), (), ("pro*",)):
        (cluster,) = found(ec2, fake, *patterns).clusters
        assert {node.insights_cluster for node in cluster.nodes} == {"shop"}
        assert len(cluster.nodes) == nodes


def test_one_node_whose_agent_was_renamed_is_found_among_many_that_report() -> None:
    ec2 = FakeEc2([Machine(f"i-{n}", OWNED) for n in range(50)])
    fake = seen(*(Series("prod", f"i-{n}", f"ip-{n}") for n in range(49)))
    seen(Series("prod", "i-49", "ip-49"), at=NOW - timedelta(days=1), fake=fake)
    seen(Series("elsewhere", "i-49", "ip-49"), fake=fake)
    (cluster,) = found(ec2, fake, "prod").clusters
    assert {node.instance_id for node in cluster.nodes if node.insights_cluster == "elsewhere"} == {"i-49"}


def test_nodes_without_an_agent_are_looked_for_under_other_names_in_few_calls() -> None:
    ec2, fake = FakeEc2([Machine(f"i-{n}", OWNED) for n in range(400)]), seen(Series("other", "i-x", "ip-x"))
    (cluster,) = found(ec2, fake, "prod").clusters
    assert not cluster.has_series
    assert fake.counters.calls["ListMetrics"] <= 10


@pytest.mark.parametrize("nodes", [3, 60])
def test_nodes_that_seem_silent_are_found_under_the_name_they_report_by(nodes: int) -> None:
    """For three hours after a rename both series are listed as recent ones."""
    series = [Series(called, f"i-{n}", f"ip-{n}") for n in range(nodes) for called in ("prod", "shop")]
    silent = [Node("prod", f"i-{n}", f"ip-{n}") for n in range(nodes)]
    there = elsewhere(plain_client(seen(*series)), silent)
    assert there == {node.instance_id: (replace(node, called="shop"),) for node in silent}


@pytest.mark.parametrize("nodes", [4, 70])
def test_nodes_of_which_the_youngest_were_renamed_and_renamed_again_are_found(nodes: int) -> None:
    silent = [Node("prod", f"i-{n:02}", f"ip-{n}", NOW - timedelta(days=90 - n)) for n in range(nodes)]
    young = silent[-2:]
    series = [
        Series(called, n.instance_id, str(n.node_name)) for n in young for called in ("dev", "prod", "shop")
    ]
    there = elsewhere(plain_client(seen(*series)), silent)
    assert there == {n.instance_id: (replace(n, called="dev"), replace(n, called="shop")) for n in young}


def test_a_silent_node_that_is_under_no_other_name_is_found_nowhere() -> None:
    fake = seen(Series("prod", "i-1", "ip-1"))
    seen(Series("shop", "i-1", "ip-1"), at=NOW - timedelta(days=1), fake=fake)
    assert elsewhere(plain_client(fake), [Node("prod", "i-1", "ip-1")]) == {}


AGES = st.sampled_from([timedelta(hours=1), timedelta(days=3)])
CALLED = st.sampled_from(["a", "b", "c"])


@st.composite
def an_instance(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, timedelta]]:
    """Its tags, and when it last reported under which name: without tags under one, else under any."""
    named = draw(st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True))
    tags = {f"kubernetes.io/cluster/{name}": "owned" for name in named[:1]}
    if named[1:]:
        tags["eks:cluster-name"] = named[1]
    return tags, draw(st.dictionaries(CALLED, AGES, max_size=3 if tags else 1))


@settings(max_examples=60)
@given(st.lists(an_instance(), min_size=1, max_size=5))
def test_a_cluster_has_the_same_nodes_whether_it_is_asked_for_by_name_or_all_are(
    instances: list[tuple[dict[str, str], dict[str, timedelta]]],
) -> None:
    fake = StrictCloudWatch(now=NOW)
    for number, (_, reports) in enumerate(instances):
        for called, ago in reports.items():
            seen(Series(called, f"i-{number}", f"ip-{number}"), at=NOW - ago, fake=fake)
    ec2 = FakeEc2([Machine(f"i-{number}", tags) for number, (tags, _) in enumerate(instances)])
    cloudwatch = plain_client(fake)
    of_all = {each.name: each.nodes for each in discover(ec2, cloudwatch).clusters}
    for name in ("a", "b", "c"):
        [by_name] = discover(ec2, cloudwatch, Wanted(clusters=(name,))).clusters
        assert by_name.nodes == of_all.get(name, ())


# --- the instance types ---


@pytest.mark.parametrize(
    ("peaks", "bytes_per_second"),
    [
        ([10.0], 1.25e9),
        ([12.5], 1.5625e9),
        ([100.0] * 4, 50e9),
        ([100.0, None], None),
        ([None], None),
        ([0.0], None),
        ([], None),
    ],
    ids=str,
)
def test_a_types_bandwidth_is_the_sum_over_its_cards(
    peaks: list[float | None], bytes_per_second: float | None
) -> None:
    (described,) = FakeEc2(peaks={"x": peaks}).describe_instance_types(
        Filters=[{"Name": "instance-type", "Values": ["x"]}]
    )["InstanceTypes"]
    expected = None if bytes_per_second is None else ByteRate(bytes_per_second)
    assert bandwidth_of(described) == expected


def test_a_type_that_aws_puts_no_figure_to_has_no_bandwidth() -> None:
    card = {"NetworkCardIndex": 0, "NetworkPerformance": "Low to Moderate", "PeakBandwidthInGbps": 0.5}
    assert bandwidth_of({"InstanceType": "x", "NetworkInfo": {"NetworkCards": [card]}}) is None


def test_a_type_without_network_information_has_no_bandwidth() -> None:
    assert bandwidth_of({"InstanceType": "x"}) is None


def test_a_type_that_ec2_does_not_know_is_noted_and_does_not_spoil_the_others() -> None:
    machines = [Machine("i-1", OWNED), Machine("i-2", OWNED, instance_type="z9.huge")]
    discovery = found(FakeEc2(machines), seen())
    (cluster,) = discovery.clusters
    assert [node.bandwidth for node in cluster.nodes] == [M5_LARGE, None]
    assert discovery.notes == ("EC2 does not say the bandwidth of z9.huge, so rates above it go unnoticed.",)


def test_who_may_not_describe_instance_types_does_without_the_bandwidth() -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED)])
    ec2.denied.add("DescribeInstanceTypes")
    discovery = found(ec2, seen())
    assert discovery.clusters[0].nodes[0].bandwidth is None
    assert discovery.notes == (
        (
            "AWS denied ec2:DescribeInstanceTypes, "
            "so rates above what the instance types can carry go unnoticed."
        ),
    )


def test_many_types_are_asked_for_by_the_hundred() -> None:
    types = {f"t{n}.large": [10.0] for n in range(250)}
    ec2 = FakeEc2([Machine(f"i-{n}", OWNED, instance_type=name) for n, name in enumerate(types)], types)
    (cluster,) = found(ec2, seen()).clusters
    assert {node.bandwidth for node in cluster.nodes} == {M5_LARGE}
    assert ec2.calls("DescribeInstanceTypes") == 3


# --- failures ---


def test_who_may_not_describe_instances_is_told_so() -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED)])
    ec2.denied.add("DescribeInstances")
    with pytest.raises(AwsProblem, match="allow ec2:DescribeInstances") as problem:
        found(ec2, seen())
    assert problem.value.kind is ProblemKind.DENIED


def test_who_may_not_list_metrics_is_told_so() -> None:
    fake = seen()
    fake.faults.access_denied("ListMetrics", times=ALWAYS)
    with pytest.raises(AwsProblem, match="allow cloudwatch:ListMetrics"):
        found(FakeEc2(), fake)


# --- the names alone ---


def test_the_planner_gets_the_names_of_the_clusters_that_have_nodes() -> None:
    ec2 = FakeEc2(
        [
            Machine("i-1", OWNED),
            Machine("i-2", {"eks:cluster-name": "silent"}),
            Machine("i-3", {"eks:cluster-name": "stopped"}, state="stopped"),
        ]
    )
    fake = seen(Series("untagged", "i-9", "ip-9"), Series("serverless", "x", "fargate-a"))
    seen(Series("prod", "i-1", "ip-1"), Series("dead", "i-8", "ip-8"), at=NOW - timedelta(days=2), fake=fake)
    names = clusters(ec2, plain_client(fake))
    assert names == ("prod", "silent", "untagged")
    assert clusters(ec2, plain_client(fake), Wanted(clusters=("*a*",))) == ("untagged",)
    assert clusters(ec2, plain_client(fake), Wanted(clusters=("prod", "dead"))) == ("prod",)
    assert not ec2.calls("DescribeInstanceTypes")


@pytest.mark.parametrize("ago", [timedelta(hours=1), timedelta(days=13)], ids=["reports", "fell silent"])
def test_a_cluster_that_its_agent_calls_otherwise_is_planned_under_its_own_name(ago: timedelta) -> None:
    ec2 = FakeEc2([Machine("i-1", OWNED), Machine("i-8", OWNED, state="terminated")])
    fake = seen(Series("prod-eu", "i-1", "ip-1"), Series("prod-eu", "i-8", "ip-8"), at=NOW - ago)
    assert clusters(ec2, plain_client(fake)) == ("prod",)
    assert nodes_of(found(ec2, fake, "prod")) == {"prod": ["i-1"]}


@pytest.mark.parametrize("asked", ["shop-eu", "shop-*", "arn:aws:eks:eu-west-1:111122223333:cluster/Shop"])
def test_the_planner_finds_no_cluster_by_what_its_agents_call_it_and_says_whose_name_it_is(
    asked: str,
) -> None:
    called = "shop-eu" if "*" in asked else asked
    ec2 = FakeEc2([Machine("i-1", {"eks:cluster-name": "Shop"}), Machine("i-2", OWNED)])
    fake = seen(Series(called, "i-1", "ip-1"), Series("prod", "i-2", "ip-2"))
    planned = find_clusters(ec2, plain_client(fake), Wanted(clusters=(asked,)))
    assert planned.names == ()
    assert planned.notes == (f"{called} is what the agents of Shop call it: give Shop, EKS's name, instead.",)


def test_the_planner_finds_untagged_workers_by_their_series_still() -> None:
    planned = find_clusters(
        FakeEc2([Machine("i-1")]),
        plain_client(seen(Series("lone", "i-1", "ip-1"))),
        Wanted(clusters=("lone",)),
    )
    assert (planned.names, planned.notes) == (("lone",), ())


@pytest.mark.parametrize(("team", "is_there"), [("shop", True), ("s*", True), ("web", False)])
def test_the_planner_hears_whether_any_node_has_the_tags_asked_for(team: str, *, is_there: bool) -> None:
    ec2 = FakeEc2([Machine("i-1", {**OWNED, "team": "shop"}), Machine("i-2", OWNED)])
    heard = find_clusters(ec2, plain_client(seen()), Wanted(node_tags={"team": team}))
    assert (heard.names, heard.no_node_has_the_tags) == (("prod",), not is_there)


def test_the_planner_names_what_it_found_before_a_source_failed() -> None:
    ec2, fake = FakeEc2([Machine("i-1", OWNED)]), seen()
    fake.faults.access_denied("ListMetrics", times=ALWAYS)
    heard = find_clusters(ec2, plain_client(fake))
    assert (heard.names, heard.problem and heard.problem.kind) == (("prod",), ProblemKind.DENIED)


def test_the_planner_lists_no_series_of_nodes_long_gone() -> None:
    ec2, fake = churned(gone=1_200)
    assert clusters(ec2, plain_client(fake)) == ("prod",)
    assert fake.counters.calls == {"ListMetrics": 1}


# --- the wire, by moto ---


def test_instances_are_discovered_over_the_wire() -> None:
    with mock_aws():
        aws = Aws()
        ec2 = aws.client("ec2")
        tags = [{"Key": "kubernetes.io/cluster/prod", "Value": "owned"}]
        started = ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=3,
            MaxCount=3,
            InstanceType="m5.large",
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        first, second, stopped = sorted(each["InstanceId"] for each in started["Instances"])
        ec2.stop_instances(InstanceIds=[stopped])
        fake = seen(Series("prod", first, "ip-1"), Series("prod", "i-0123456789abcdef0", "ip-gone"))
        discovery = discover(ec2, plain_client(fake), Wanted(clusters=("prod",)))
    (cluster,) = discovery.clusters
    assert [(node.instance_id, node.node_name) for node in cluster.nodes] == [(first, "ip-1"), (second, None)]
    assert {(node.instance_type, node.bandwidth) for node in cluster.nodes} == {("m5.large", M5_LARGE)}
    assert {node.launched_at and node.launched_at.utcoffset() for node in cluster.nodes} == {timedelta(0)}
    assert cluster.departed == 1


# --- tables ---


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, ()),
        ({"Name": "prod"}, ()),
        ({"eks:cluster-name": ""}, ()),
        ({"kubernetes.io/cluster/": "owned"}, ()),
        ({"kubernetes.io/cluster/a": "nobody's"}, ()),
        ({"kubernetes.io/cluster/a": "owned", "eks:cluster-name": "a"}, ("a",)),
        ({"kubernetes.io/cluster/a": "shared", "kubernetes.io/cluster/b": "owned"}, ("b", "a")),
        ({"kubernetes.io/cluster/a": "owned", "eks:eks-cluster-name": "b"}, ("b", "a")),
        (
            {"aws:eks:cluster-name": "c", "eks:cluster-name": "a", "eks:eks-cluster-name": "b"},
            ("a", "c", "b"),
        ),
    ],
    ids=str,
)
def test_the_most_telling_tag_names_the_cluster(tags: Mapping[str, str], expected: tuple[str, ...]) -> None:
    assert tagged_clusters(tags) == expected


A, B = Series("prod", "i-1", "ip-a"), Series("prod", "i-1", "ip-b")
ELSEWHERE = Series("elsewhere", "i-1", "ip-a")


@pytest.mark.parametrize(
    ("instance", "series", "recent", "expected"),
    [
        (Instance("i-1"), [], [], None),
        (Instance("i-1", tags=OWNED), [], [], Placed("prod", None)),
        (Instance("i-1"), [A], [], Placed("prod", "ip-a")),
        (Instance("i-1", tags=OWNED), [ELSEWHERE], [], Placed("prod", "ip-a", "elsewhere")),
        (Instance("i-1"), [B, A], [], Placed("prod", "ip-a")),
        (Instance("i-1"), [A, B], [B], Placed("prod", "ip-b")),
        (Instance("i-1", private_dns_name="ip-b"), [A, B], [], Placed("prod", "ip-b")),
        (Instance("i-1", private_dns_name="ip-b"), [A, B], [A], Placed("prod", "ip-a")),
        (Instance("i-1", tags=OWNED), [ELSEWHERE, B], [], Placed("prod", "ip-b")),
        (Instance("i-1", tags=OWNED), [ELSEWHERE, B], [ELSEWHERE], Placed("prod", "ip-a", "elsewhere")),
    ],
    ids=[
        "nothing says so",
        "tags alone",
        "a series alone",
        "the tags name the cluster, the series the node",
        "the first in the alphabet",
        "what reports now",
        "the private DNS name",
        "what reports now outranks the DNS name",
        "the tags' cluster",
        "what reports now outranks the tags",
    ],
)
def test_an_instance_belongs_to_one_cluster_under_one_name(
    instance: Instance, series: list[Series], recent: list[Series], expected: Placed | None
) -> None:
    assert place(instance, series, recent) == expected
    assert place(instance, series[::-1], recent) == expected


ids = st.sampled_from([f"i-{n}" for n in range(6)])
names = st.sampled_from(["a", "b", "c"])
any_series = st.sets(
    st.builds(Series, names, ids | st.just("mi-1"), st.sampled_from(["ip-1", "ip-2", "fargate-1"]))
)
any_tags = st.dictionaries(
    st.sampled_from(["eks:cluster-name", "kubernetes.io/cluster/a", "kubernetes.io/cluster/b", "team"]),
    st.sampled_from(["a", "b", "owned", "shared"]),
)


@given(
    st.dictionaries(ids, any_tags),
    any_series,
    any_series,
    st.sampled_from([(), ("a",), ("a", "b"), ("?",)]),
    st.sampled_from([{}, {"team": "*"}]),
)
def test_every_running_node_is_counted_once_and_nothing_else_is(
    tags_of: dict[str, dict[str, str]],
    series: set[Series],
    recent: set[Series],
    patterns: tuple[str, ...],
    node_tags: dict[str, str],
) -> None:
    instances = {name: Instance(name, tags=tags) for name, tags in tags_of.items()}
    wanted = Wanted(clusters=patterns, node_tags=node_tags)
    discovery = join(wanted, instances, series, recent=recent)
    listed = [node for cluster in discovery.clusters for node in cluster.nodes]
    assert len({node.instance_id for node in listed}) == len(listed)
    assert {node.instance_id for node in listed} <= instances.keys()
    for cluster in discovery.clusters:
        assert wanted.cluster(cluster.name)
        assert all(node.cluster == cluster.name for node in cluster.nodes)
        assert list(cluster.nodes) == sorted(cluster.nodes, key=lambda node: node.instance_id)
    reporting = {one.instance_id for one in series if one.is_on_ec2}
    for name, instance in instances.items():
        is_node = name in reporting or bool(tagged_clusters(instance.tags))
        if is_node and not patterns and not node_tags:
            assert name in {node.instance_id for node in listed}
    assert join(wanted, dict(reversed(instances.items())), sorted(series), recent=recent) == discovery
