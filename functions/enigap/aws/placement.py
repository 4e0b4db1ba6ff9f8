"""Assigns each instance to its cluster, from its tags and its Container Insights series.

Pure functions; `discovery` makes the requests.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from enigap.core.counting.node import Node, is_kubernetes_name
from enigap.core.counting.units import ByteRate
from enigap.core.text import count, matches

# The value is the cluster's name. The first is EKS's own on managed node groups, the others are those of
# Auto Mode and of Karpenter.
NAME_TAGS: Final = ("eks:cluster-name", "aws:eks:cluster-name", "eks:eks-cluster-name")

# The key ends with the cluster's name; Kubernetes' cloud provider requires it on every worker.
OWNERSHIP_TAG: Final = "kubernetes.io/cluster/"

_OWNERSHIP: Final = ("owned", "shared")

INSTANCE_ID: Final = re.compile(r"i-[0-9a-z]+")

FARGATE: Final = "fargate-"

# EC2 takes 200 values in all the filters of a call ("FilterLimitExceeded: The maximum number of filter values
# specified on a single call is 200"), one of which says that instances must be running.
FILTER_VALUES: Final = 200
# Of DescribeInstances: half of the maximum of 1,000, to parse a page within 40 MB of memory.
INSTANCES_PER_PAGE: Final = 500

_NAMES_PER_CALL: Final = FILTER_VALUES - len(NAME_TAGS) - 1


@dataclass(frozen=True, slots=True)
class FoundCluster:
    """One cluster's running nodes, by instance id, and counts of what was left out."""

    name: str
    nodes: tuple[Node, ...] = ()
    departed: int = 0
    """Series of the last two weeks whose instances no longer run."""
    fargate: int = 0
    """Series of Fargate nodes: they have no instance to compare with."""
    not_on_ec2: int = 0
    """Series of other nodes that are no EC2 instances, such as hybrid ones."""
    other_tags: int = 0
    """Running nodes without the tags in `Wanted.node_tags`."""

    @property
    def has_series(self) -> bool:
        """Whether Container Insights has published for any node that runs now, in the last two weeks."""
        return any(node.has_series for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Discovery:
    """The discovered clusters by name. A cluster that was given by its full name is included even if it has
    no nodes.
    """

    clusters: tuple[FoundCluster, ...]
    notes: tuple[str, ...] = ()
    """Remarks about the discovery for users, one sentence each."""
    called: Mapping[str, str] = field(default_factory=dict)
    """EKS's names of clusters by what their agents call them, where these differ."""
    account: str | None = None
    """The id of the account that was asked; None where it has no running worker."""


class Series(NamedTuple):
    """The dimensions of one node's series."""

    cluster: str
    instance_id: str
    node_name: str

    @property
    def is_fargate(self) -> bool:
        return self.node_name.startswith(FARGATE)

    @property
    def is_on_ec2(self) -> bool:
        return not self.is_fargate and INSTANCE_ID.fullmatch(self.instance_id) is not None

    @property
    def is_of_a_node(self) -> bool:
        """Whether Kubernetes would take its NodeName. All who may publish metrics can make up another."""
        return is_kubernetes_name(self.node_name)


@dataclass(frozen=True, slots=True)
class Instance:
    """A running instance, as EC2 describes it."""

    instance_id: str
    instance_type: str = ""
    launched_at: datetime | None = None
    private_dns_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    is_windows: bool = False
    account: str = ""


class Placed(NamedTuple):
    """The cluster and node name of an instance."""

    cluster: str
    node_name: str | None
    called: str | None = None
    """What the agent calls the cluster, where that is not EKS's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The selection of nodes, by cluster and tags."""

    clusters: Sequence[str] = ()
    """Names, or patterns with * and ?; empty means all clusters."""
    node_tags: Mapping[str, str] = field(default_factory=dict)
    """Tags a node must have, with patterns for their values."""

    def cluster(self, name: str) -> bool:
        """Whether this cluster is selected."""
        return matches(name, self.clusters)

    def tags(self, tags: Mapping[str, str]) -> bool:
        """Whether a node with these tags is selected."""
        # Of fnmatch's patterns only * and ? are documented: a [ in a value is itself.
        return all(
            key in tags and fnmatchcase(tags[key], pattern.replace("[", "[[]"))
            for key, pattern in self.node_tags.items()
        )

    @property
    def names(self) -> tuple[str, ...] | None:
        """The selected clusters, if all are full names and fit into the filters of one call; else None."""
        names = tuple(dict.fromkeys(self.clusters))
        are_patterns = any(set("*?[") & set(name) for name in names)
        return None if are_patterns or not 1 <= len(names) <= _NAMES_PER_CALL else names


def tagged_clusters(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The clusters in an instance's tags, the most reliable tag first."""
    named = [tags.get(key, "") for key in NAME_TAGS]
    owned_or_shared = [
        key.removeprefix(OWNERSHIP_TAG)
        for ownership in _OWNERSHIP
        for key in sorted(tags)
        if key.startswith(OWNERSHIP_TAG) and tags[key] == ownership
    ]
    return tuple(dict.fromkeys(name for name in (*named, *owned_or_shared) if name))


def place(instance: Instance, series: Collection[Series], recent: Collection[Series]) -> Placed | None:
    """The one cluster and node name of an instance with these series; None if it is no node.

    Of several series (a node that was renamed, or two agents) it is the one that reported in the last three
    hours (`recent`), then the one of the cluster its tags name, then the one with the instance's private
    DNS name, which is what EKS calls a node unless told otherwise, then the first in the alphabet.
    The cluster is the one that EKS names, in the tags: an agent may be configured with any name, such as a
    template's placeholder that was never filled in.
    """
    tagged = tagged_clusters(instance.tags)
    if not series:
        return Placed(tagged[0], None) if tagged else None
    best = min(
        series,
        key=lambda one: (
            one not in recent,
            tagged.index(one.cluster) if one.cluster in tagged else len(tagged),
            one.node_name != instance.private_dns_name,
            one,
        ),
    )
    if not tagged or best.cluster in tagged:
        return Placed(best.cluster, best.node_name)
    return Placed(tagged[0], best.node_name, best.cluster)


def bandwidth_of(instance_type: Mapping[str, Any]) -> ByteRate | None:
    """A described type's network bandwidth in one direction: its cards' peaks added up, None if unknown.

    For old types AWS gives words ("Low to Moderate"), not a figure ("Up to 10 Gigabit"); the peak beside
    such words is not reliable enough to call a node implausible.
    """
    cards = instance_type.get("NetworkInfo", {}).get("NetworkCards", [])
    if any(_is_vague(card.get("NetworkPerformance")) for card in cards):
        return None
    peaks = [card.get("PeakBandwidthInGbps") for card in cards]
    return ByteRate(sum(peaks) * 1e9 / 8) if peaks and all(peaks) else None


def _is_vague(performance: object) -> bool:
    return isinstance(performance, str) and not re.search(r"\d", performance)


def join(
    wanted: Wanted,
    instances: Mapping[str, Instance],
    series: Collection[Series],
    *,
    recent: Collection[Series] = (),
    bandwidths: Mapping[str, ByteRate] | None = None,
) -> Discovery:
    """Combine running instances and the series of the last two weeks into clusters of nodes."""
    nodes: dict[str, list[Node]] = defaultdict(list)
    other_tags: Counter[str] = Counter()
    twice: list[str] = []
    renamed: Counter[tuple[str, str]] = Counter()
    rightly_named: set[str] = set()
    misnamed = [one for one in series if not one.is_of_a_node]
    series = [one for one in series if one.is_of_a_node]
    series_of = by_instance(series)
    for _, instance in sorted(instances.items()):
        own, tagged = series_of.get(instance.instance_id, ()), tagged_clusters(instance.tags)
        placed = place(instance, own, recent)
        if placed is None:
            continue
        if placed.called is not None:
            renamed[placed.cluster, placed.called] += 1
        elif own:
            rightly_named.add(placed.cluster)
        if not wanted.cluster(placed.cluster):
            continue
        if not wanted.tags(instance.tags):
            other_tags[placed.cluster] += 1
            continue
        nodes[placed.cluster].append(_node(instance, placed, bandwidths or {}))
        if len(own) > 1 or (not own and len(tagged) > 1):
            twice.append(f"{instance.instance_id} as {placed.node_name or 'a node'} of {placed.cluster}")
    gone = [one for one in series if one.is_on_ec2 and one.instance_id not in instances]
    called = {called: cluster for cluster, called in renamed}
    # A name that several clusters go by, with their agents or EKS, does not say whose a departed node was.
    uses = Counter([called for _, called in renamed] + sorted(rightly_named))
    owners = {name: cluster for name, cluster in called.items() if uses[name] == 1}

    def counted(some: Iterable[Series]) -> Counter[str]:
        return Counter(owners.get(one.cluster, one.cluster) for one in some)

    departed = counted(gone)
    fargate = counted(one for one in series if one.is_fargate)
    not_on_ec2 = counted(one for one in series if not one.is_fargate and not one.is_on_ec2)
    return Discovery(
        tuple(
            FoundCluster(
                name,
                tuple(nodes.get(name, ())),
                departed=departed[name],
                fargate=fargate[name],
                not_on_ec2=not_on_ec2[name],
                other_tags=other_tags[name],
            )
            for name in sorted({*nodes, *other_tags, *(wanted.names or ())})
        ),
        (
            *_on_those_misnamed(misnamed),
            *_on_those_counted_once(twice),
            *_on_those_called_otherwise({pair: n for pair, n in renamed.items() if wanted.cluster(pair[0])}),
            *_on_those_without_instances(
                list(filter(wanted.cluster, fargate)), list(filter(wanted.cluster, not_on_ec2))
            ),
        ),
        called,
    )


def _node(instance: Instance, placed: Placed, bandwidths: Mapping[str, ByteRate]) -> Node:
    return Node(
        placed.cluster,
        instance.instance_id,
        placed.node_name,
        instance.launched_at,
        instance.instance_type or None,
        bandwidths.get(instance.instance_type),
        instance.private_dns_name or None,
        placed.called,
        instance.is_windows,
    )


def _on_those_misnamed(misnamed: Sequence[Series]) -> Iterator[str]:
    if misnamed:
        yield (
            f"{len(misnamed):,} series of Container Insights left out, for Kubernetes has no such names of "
            "nodes: look at who may publish metrics."
        )


def _on_those_counted_once(twice: Sequence[str]) -> Iterator[str]:
    if twice:
        have = "An instance has" if len(twice) == 1 else f"{len(twice)} instances have"
        yield f"{have} more than one series or cluster and counts once: {twice[0]}."


def _on_those_called_otherwise(renamed: Mapping[tuple[str, str], int]) -> Iterator[str]:
    for (cluster, called), number in sorted(renamed.items()):
        shown = called if called == called.strip() else repr(called)
        yield (
            f"{cluster}, as EKS names it, is called {shown} by the agents on {count(number, 'node')} of it; "
            "CloudWatch is asked by that name, everything else has EKS's."
        )


def _on_those_without_instances(on_fargate: Collection[str], not_on_ec2: Collection[str]) -> Iterator[str]:
    # Without their number: it is of two weeks, and each pod on Fargate has a node of its own.
    for cluster in sorted({*on_fargate, *not_on_ec2}):
        kinds = [
            kind for kind, those in (("Fargate", on_fargate), ("hybrid", not_on_ec2)) if cluster in those
        ]
        named = " and ".join(kinds).capitalize()
        yield f"{named} nodes of {cluster} are left out: they have no EC2 instance to compare with."


def by_instance(series: Iterable[Series]) -> dict[str, list[Series]]:
    series_of: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        if one.is_on_ec2 and one.is_of_a_node:
            series_of[one.instance_id].append(one)
    return series_of
