"""Which nodes there are.

A node is an instance that EC2 says is running. Two sources say which instances are nodes:

* **tags** of EKS, Karpenter and everybody who joins instances to a cluster (`tagged_clusters`). A tag
  cannot tell a worker from, say, a bastion host that carries a cluster's tag: such an instance is a node
  without a series;
* **series** of Container Insights: ListMetrics supplies the node names, and the ids of workers nobody
  tagged. It remembers a series for two weeks, so it is never believed about who is there.

A node belongs to the cluster that its series names, for that is where its figures are; only one without a
series belongs where its tags say. Each instance is one node, however many series and tags it has (`place`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from sys import intern
from typing import Any, Final, NamedTuple, Protocol

from enigap.aws.clients import DEFAULT_PARALLELISM
from enigap.aws.errors import AwsProblem, calling
from enigap.aws.iam import Statement
from enigap.core.meters import (
    CLUSTER_DIMENSION,
    INSTANCE_DIMENSION,
    NODE_DIMENSION,
    OS_METRIC,
    OS_NAMESPACE,
)
from enigap.core.reading import Node
from enigap.core.units import ByteRate

CLUSTER_ACTIONS: Final = (Statement(("ec2:DescribeInstances", "ec2:DescribeTags", "cloudwatch:ListMetrics")),)
"""What `clusters` needs."""

ACTIONS: Final = (*CLUSTER_ACTIONS, Statement(("ec2:DescribeInstanceTypes",)))
"""What `discover` needs."""

# The value is the cluster's name. The first is EKS's own on managed node groups, the others are those of
# Auto Mode and of Karpenter.
_NAME_TAGS: Final = ("eks:cluster-name", "aws:eks:cluster-name", "eks:eks-cluster-name")
# The key ends with the cluster's name; the cloud provider of Kubernetes asks for it on every worker.
_OWNERSHIP_TAG: Final = "kubernetes.io/cluster/"
_OWNERSHIP: Final = ("owned", "shared")

_INSTANCE_ID: Final = re.compile(r"i-[0-9a-z]+")
_FARGATE: Final = "fargate-"

# EC2 takes 200 values in all the filters of a call ("FilterLimitExceeded: The maximum number of filter values
# specified on a single call is 200"), one of which says that instances must be running.
_FILTER_VALUES: Final = 200
_IDS_PER_CALL: Final = _FILTER_VALUES - 1
_NAMES_PER_CALL: Final = _FILTER_VALUES - len(_NAME_TAGS) - 1
# Of at most a thousand, too; half as many instances keep parsing within 40 MB.
_INSTANCES_PER_PAGE: Final = 500
_TAGS_PER_PAGE: Final = 1000
_TYPES_PER_CALL: Final = 100


class Ec2(Protocol):
    """What discovery needs of boto3's EC2 client."""

    def describe_instances(self, **request: Any) -> dict[str, Any]: ...
    def describe_instance_types(self, **request: Any) -> dict[str, Any]: ...
    def describe_tags(self, **request: Any) -> dict[str, Any]: ...


class MetricsList(Protocol):
    """What discovery needs of boto3's CloudWatch client."""

    def list_metrics(self, **request: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class FoundCluster:
    """One cluster's running nodes, by instance id, and what was left out of them."""

    name: str
    nodes: tuple[Node, ...] = ()
    departed: int = 0
    """Series of the last two weeks whose instances no longer run."""
    fargate: int = 0
    """Series of Fargate nodes: they have no instance to compare with."""
    not_on_ec2: int = 0
    """Series of other nodes that are no EC2 instances, such as hybrid ones."""
    other_tags: int = 0
    """Running nodes without the tags asked for."""

    @property
    def has_series(self) -> bool:
        """Whether Container Insights has published for any node that runs now, in the last two weeks."""
        return any(node.has_series for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found: clusters by name. One that was asked for by its full name is there even if it is
    empty.
    """

    clusters: tuple[FoundCluster, ...]
    notes: tuple[str, ...] = ()
    """What somebody who wonders about the nodes should know, one sentence each."""


class Series(NamedTuple):
    """The dimensions of one node's series."""

    cluster: str
    instance_id: str
    node_name: str

    @property
    def is_fargate(self) -> bool:
        return self.node_name.startswith(_FARGATE)

    @property
    def is_on_ec2(self) -> bool:
        return not self.is_fargate and _INSTANCE_ID.fullmatch(self.instance_id) is not None


@dataclass(frozen=True, slots=True)
class Instance:
    """What EC2 says about a running instance."""

    instance_id: str
    instance_type: str = ""
    launched_at: datetime | None = None
    private_dns_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


class Placed(NamedTuple):
    """Where an instance belongs."""

    cluster: str
    node_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which nodes are asked for."""

    clusters: Sequence[str] = ()
    """Names, or patterns with * and ?; all clusters without."""
    node_tags: Mapping[str, str] = field(default_factory=dict)
    """Tags a node must have, with patterns for their values."""

    def cluster(self, name: str) -> bool:
        """Whether this cluster is asked for."""
        return not self.clusters or any(name == p or fnmatchcase(name, p) for p in self.clusters)

    def tags(self, tags: Mapping[str, str]) -> bool:
        """Whether a node with these tags is asked for."""
        return all(key in tags and fnmatchcase(tags[key], p) for key, p in self.node_tags.items())

    @property
    def names(self) -> tuple[str, ...] | None:
        """The clusters asked for, if each is by its full name and one call's filters hold them all."""
        names = tuple(dict.fromkeys(self.clusters))
        are_patterns = any(set("*?[") & set(name) for name in names)
        return None if are_patterns or not 1 <= len(names) <= _NAMES_PER_CALL else names


# --- the pure part ---


def tagged_clusters(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The clusters an instance is tagged as a worker of, the most telling tag first."""
    named = [tags.get(key, "") for key in _NAME_TAGS]
    owned_or_shared = [
        key.removeprefix(_OWNERSHIP_TAG)
        for ownership in _OWNERSHIP
        for key in sorted(tags)
        if key.startswith(_OWNERSHIP_TAG) and tags[key] == ownership
    ]
    return tuple(dict.fromkeys(name for name in (*named, *owned_or_shared) if name))


def place(instance: Instance, series: Collection[Series], recent: Collection[Series]) -> Placed | None:
    """The one cluster and node name of an instance with these series; None if nothing makes it a node.

    Of several series (a node that was renamed, or two agents) it is the one that reported in the last three
    hours (`recent`), then the one of the cluster its tags name, then the one with the instance's private
    DNS name, which is what EKS calls a node unless told otherwise, then the first in the alphabet.
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
    return Placed(best.cluster, best.node_name)


def bandwidth_of(instance_type: Mapping[str, Any]) -> ByteRate | None:
    """A described type's network bandwidth in one direction: its cards' peaks added up, None if unknown.

    Of old types AWS says "Low to Moderate" and puts no figure to it ("Up to 10 Gigabit"); what stands beside
    that as a peak is nothing to call a node implausible for.
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
    """Running instances by id and series of the last two weeks, put together."""
    nodes: dict[str, list[Node]] = defaultdict(list)
    other_tags: Counter[str] = Counter()
    twice: list[str] = []
    renamed: Counter[tuple[str, str]] = Counter()
    series_of = _by_instance(series)
    for _, instance in sorted(instances.items()):
        own, tagged = series_of.get(instance.instance_id, ()), tagged_clusters(instance.tags)
        placed = place(instance, own, recent)
        if placed is None:
            continue
        if tagged and placed.cluster not in tagged and wanted.cluster(tagged[0]):
            renamed[tagged[0], placed.cluster] += 1
        if not wanted.cluster(placed.cluster):
            continue
        if not wanted.tags(instance.tags):
            other_tags[placed.cluster] += 1
            continue
        nodes[placed.cluster].append(_node(instance, placed, bandwidths or {}))
        if len(own) > 1 or (not own and len(tagged) > 1):
            twice.append(f"{instance.instance_id} as {placed.node_name or 'a node'} of {placed.cluster}")
    gone = [one for one in series if one.is_on_ec2 and one.instance_id not in instances]
    departed = Counter(one.cluster for one in gone)
    fargate = Counter(one.cluster for one in series if one.is_fargate)
    not_on_ec2 = Counter(one.cluster for one in series if not one.is_fargate and not one.is_on_ec2)
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
            *_on_those_counted_once(twice),
            *_on_those_known_otherwise(renamed),
            *_on_those_without_instances(sorted(filter(wanted.cluster, fargate.keys() - nodes.keys()))),
        ),
    )


def _node(instance: Instance, placed: Placed, bandwidths: Mapping[str, ByteRate]) -> Node:
    return Node(
        placed.cluster,
        instance.instance_id,
        placed.node_name,
        instance.launched_at,
        instance.instance_type or None,
        bandwidths.get(instance.instance_type),
    )


def _on_those_counted_once(twice: Sequence[str]) -> Iterator[str]:
    if twice:
        have = "An instance has" if len(twice) == 1 else f"{len(twice)} instances have"
        yield f"{have} more than one series or cluster and counts once: {twice[0]}."


def _on_those_known_otherwise(renamed: Mapping[tuple[str, str], int]) -> Iterator[str]:
    for (tag, cluster), count in sorted(renamed.items()):
        if count == 1:
            yield (
                f"1 instance tagged as a worker of {tag} reports to Container Insights as cluster {cluster}, "
                "and counts as a node of that."
            )
        else:
            yield (
                f"{count} instances tagged as workers of {tag} report to Container Insights as cluster "
                f"{cluster}, and count as nodes of that."
            )


def _on_those_without_instances(clusters: Iterable[str]) -> Iterator[str]:
    for cluster in clusters:
        yield f"{cluster} has nodes on Fargate only, and these have no instance to compare with."


def _by_instance(series: Iterable[Series]) -> dict[str, list[Series]]:
    series_of: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        if one.is_on_ec2:
            series_of[one.instance_id].append(one)
    return series_of


# --- reading ---


def clusters(ec2: Ec2, cloudwatch: MetricsList, wanted: Wanted | None = None) -> tuple[str, ...]:
    """The names of the clusters that have running workers, or untagged ones that reported within three hours.

    Raises AwsProblem.
    """
    wanted = wanted or Wanted()
    series_of = _by_instance(_all_series(cloudwatch, wanted.names))
    workers = _tagged(ec2, wanted.names)
    places = (place(worker, series_of.get(worker.instance_id, ()), ()) for worker in workers)
    found = {placed.cluster for placed in places if placed}
    if {one.cluster for own in series_of.values() for one in own} - found:
        # Of workers nobody tagged, or gone for up to two weeks.
        found |= {one.cluster for one in _all_series(cloudwatch, wanted.names, recent=True) if one.is_on_ec2}
    return tuple(sorted(filter(wanted.cluster, found)))


def discover(
    ec2: Ec2,
    cloudwatch: MetricsList,
    wanted: Wanted | None = None,
    *,
    parallelism: int = DEFAULT_PARALLELISM,
) -> Discovery:
    """The running nodes that are wanted (all without), each once.

    Costs a DescribeInstances call for each 500 instances and for each 199 further ids that have series, and a
    ListMetrics call for each 500 series of the last two weeks. Where all clusters are asked for by their full
    names, only what carries these names is read, at the cost of a DescribeTags call for each 1000 instances.
    Raises AwsProblem; only the bandwidth of the instance types is done without, with a note.
    """
    wanted = wanted or Wanted()
    with ThreadPoolExecutor(parallelism) as pool:
        listing = pool.submit(_all_series, cloudwatch, wanted.names)
        named = pool.submit(_ids_by_name, ec2, wanted.names)
        owned = pool.submit(list, _running(ec2, _tag_filter(wanted.names)))
        instances = {instance.instance_id: instance for instance in owned.result()}
        series = listing.result()
        series |= _series_under_other_names(cloudwatch, wanted.names or (), instances, series)
        others = {one.instance_id for one in series if one.is_on_ec2} | named.result()
        for found in pool.map(lambda ids: list(_running(ec2, ids)), _id_filters(others - instances.keys())):
            instances |= {instance.instance_id: instance for instance in found}
    series_of = _by_instance(series)
    ambiguous = any(len(series_of.get(instance_id, ())) > 1 for instance_id in instances)
    recent = _all_series(cloudwatch, wanted.names, recent=True) if ambiguous else set()
    types = sorted({instance.instance_type for instance in instances.values()} - {""})
    bandwidths, notes = _bandwidths(ec2, types)
    found_so_far = join(wanted, instances, series, recent=recent, bandwidths=bandwidths)
    return replace(found_so_far, notes=found_so_far.notes + notes)


def _tagged(ec2: Ec2, names: Sequence[str] | None) -> Iterator[Instance]:
    """Every running instance that is tagged as a worker of these clusters, or of any; each once."""
    named = _ids_by_name(ec2, names)
    for instance in _running(ec2, _tag_filter(names)):
        named.discard(instance.instance_id)
        yield instance
    for ids in _id_filters(named):
        yield from _running(ec2, ids)


def _tag_filter(names: Sequence[str] | None) -> dict[str, Any]:
    """Finds the instances that have a tag of any cluster, or the tags that say who owns those of these.

    No filter finds what has one of several tags with one of several values; `_ids_by_name` does the rest.
    """
    keys = [f"{_OWNERSHIP_TAG}{name}" for name in names] if names else [f"{_OWNERSHIP_TAG}*", *_NAME_TAGS]
    return {"Name": "tag-key", "Values": keys}


def _id_filters(instance_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Asked by InstanceIds, one id that is gone would fail the call."""
    for chunk in _chunks(sorted(instance_ids), _IDS_PER_CALL):
        yield {"Name": "instance-id", "Values": list(chunk)}


def _ids_by_name(ec2: Ec2, names: Sequence[str] | None) -> set[str]:
    """The instances, running or not, that have a tag with one of these names as its value.

    Most of them have a tag of ownership as well. Describing instances by each of their tags would read 8 KB
    about each of them twice or more: it was half of what discovery took.
    """
    found: set[str] = set()
    request: dict[str, Any] = {
        "Filters": [
            {"Name": "key", "Values": list(_NAME_TAGS)},
            {"Name": "value", "Values": list(names or ())},
            {"Name": "resource-type", "Values": ["instance"]},
        ],
        "MaxResults": _TAGS_PER_PAGE,
    }
    while names:
        with calling("ec2:DescribeTags", ec2):
            page = ec2.describe_tags(**request)
        found |= {
            tag["ResourceId"]
            for tag in page.get("Tags", ())
            if tag["Key"] in _NAME_TAGS
            and tag["Value"] in names
            and _INSTANCE_ID.fullmatch(tag["ResourceId"])
        }
        if not page.get("NextToken"):
            break
        request["NextToken"] = page["NextToken"]
    return found


def _running(ec2: Ec2, *filters: dict[str, Any]) -> Iterator[Instance]:
    request: dict[str, Any] = {
        "Filters": [*filters, {"Name": "instance-state-name", "Values": ["running"]}],
        "MaxResults": _INSTANCES_PER_PAGE,
    }
    while True:
        with calling("ec2:DescribeInstances", ec2):
            page = ec2.describe_instances(**request)
        for reservation in page.get("Reservations", ()):
            for description in reservation.get("Instances", ()):
                if description.get("State", {}).get("Name") == "running":
                    yield _instance(description)
        if not page.get("NextToken"):
            return
        request["NextToken"] = page["NextToken"]


def _instance(description: Mapping[str, Any]) -> Instance:
    launched = description.get("LaunchTime")
    return Instance(
        description["InstanceId"],
        intern(description.get("InstanceType") or ""),
        launched.astimezone(UTC) if launched else None,
        description.get("PrivateDnsName") or "",
        # A hundred thousand workers have the same few tags: each text is kept once.
        {intern(tag["Key"]): intern(tag.get("Value", "")) for tag in description.get("Tags", ())},
    )


def _all_series(cloudwatch: MetricsList, names: Sequence[str] | None, *, recent: bool = False) -> set[Series]:
    if names is None:
        return set(_series(cloudwatch, {}, recent=recent))
    return {one for name in names for one in _series(cloudwatch, {CLUSTER_DIMENSION: name}, recent=recent)}


def _series(cloudwatch: MetricsList, having: Mapping[str, str], *, recent: bool = False) -> Iterator[Series]:
    """The nodes' series of the last two weeks with these dimensions, or of about the last three hours."""
    request: dict[str, Any] = {
        "Namespace": OS_NAMESPACE,
        "MetricName": OS_METRIC,
        "Dimensions": [{"Name": name, "Value": value} for name, value in having.items()],
    }
    if recent:
        request["RecentlyActive"] = "PT3H"
    while True:
        with calling("cloudwatch:ListMetrics", cloudwatch):
            page = cloudwatch.list_metrics(**request)
        for metric in page.get("Metrics", ()):
            dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", ())}
            # Exactly these three: the cluster's total has ClusterName alone.
            if dimensions.keys() == {CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION}:
                yield Series(
                    dimensions[CLUSTER_DIMENSION], dimensions[INSTANCE_DIMENSION], dimensions[NODE_DIMENSION]
                )
        if not page.get("NextToken"):
            return
        request["NextToken"] = page["NextToken"]


def _series_under_other_names(
    cloudwatch: MetricsList,
    names: Sequence[str],
    instances: Mapping[str, Instance],
    series: Collection[Series],
) -> set[Series]:
    """The series of those of these clusters whose agent calls them something else than EKS does.

    Without them all the nodes of such a cluster would seem silent. One node tells: the agents of a cluster
    share their settings.
    """
    reporting = {one.cluster for one in series}
    found: set[Series] = set()
    for name in names:
        workers = [
            (instance.launched_at or datetime.max.replace(tzinfo=UTC), instance.instance_id)
            for instance in instances.values()
            if tagged_clusters(instance.tags)[:1] == (name,)
        ]
        if workers and name not in reporting:
            _, eldest = min(workers)
            aliases = {one.cluster for one in _series(cloudwatch, {INSTANCE_DIMENSION: eldest})}
            found.update(*(_series(cloudwatch, {CLUSTER_DIMENSION: alias}) for alias in aliases))
    return found


def _bandwidths(ec2: Ec2, types: Sequence[str]) -> tuple[dict[str, ByteRate], tuple[str, ...]]:
    """What is known of these types' bandwidths, and what to say where something is not."""
    found: dict[str, ByteRate] = {}
    try:
        for chunk in _chunks(types, _TYPES_PER_CALL):
            found |= _described_bandwidths(ec2, chunk)
    except AwsProblem as problem:
        return found, (f"{problem.what}, so rates above what the instance types can carry go unnoticed.",)
    unknown = ", ".join(name for name in types if name not in found)
    if unknown:
        return found, (f"EC2 does not say the bandwidth of {unknown}, so rates above it go unnoticed.",)
    return found, ()


def _described_bandwidths(ec2: Ec2, types: Sequence[str]) -> dict[str, ByteRate]:
    # Asked by filter: asked by InstanceTypes, one that EC2 does not know here would fail the call.
    request: dict[str, Any] = {"Filters": [{"Name": "instance-type", "Values": list(types)}]}
    found: dict[str, ByteRate] = {}
    while True:
        with calling("ec2:DescribeInstanceTypes", ec2):
            page = ec2.describe_instance_types(**request)
        for description in page.get("InstanceTypes", ()):
            if bandwidth := bandwidth_of(description):
                found[description["InstanceType"]] = bandwidth
        if not page.get("NextToken"):
            return found
        request["NextToken"] = page["NextToken"]


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
