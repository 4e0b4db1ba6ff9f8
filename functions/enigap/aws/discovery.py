"""Discovers the running EKS nodes and their clusters, from EC2 and CloudWatch.

A node is a running EC2 instance. Two sources say which instances are nodes:

* **tags** of EKS, Karpenter and other tools that join instances to a cluster (`tagged_clusters`). A tag
  cannot distinguish a worker from, say, a bastion host with a cluster's tag: such an instance is a node
  without a series;
* **series** of Container Insights: ListMetrics supplies the node names, and the ids of untagged workers. It
  lists a series for two weeks, so it does not prove that a node is running.

A node belongs to the cluster in its tags, which has EKS's name; an untagged one belongs to the cluster in its
series. Where the agents call the cluster otherwise, CloudWatch is asked by their name (`Node.called`). Each
instance is one node, regardless of the number of its series and tags (`place`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from sys import intern
from typing import Any, Final, Protocol

from enigap.aws.clients import DEFAULT_PARALLELISM
from enigap.aws.errors import AwsProblem
from enigap.aws.iam import Statement
from enigap.aws.pages import items, pages
from enigap.aws.placement import (
    FILTER_VALUES,
    INSTANCE_ID,
    NAME_TAGS,
    OWNERSHIP_TAG,
    Discovery,
    Instance,
    Series,
    Wanted,
    bandwidth_of,
    by_instance,
    join,
    tagged_clusters,
)
from enigap.core.counting.meters import (
    CLUSTER_DIMENSION,
    INSTANCE_DIMENSION,
    NODE_DIMENSION,
    OS_METRIC,
    OS_NAMESPACE,
)
from enigap.core.counting.units import ByteRate
from enigap.core.strict import optional_text, text

CLUSTER_ACTIONS: Final = (Statement(("ec2:DescribeInstances", "ec2:DescribeTags", "cloudwatch:ListMetrics")),)
"""Permissions for `clusters`."""

ACTIONS: Final = (*CLUSTER_ACTIONS, Statement(("ec2:DescribeInstanceTypes",)))
"""Permissions for `discover`."""


_IDS_PER_CALL: Final = FILTER_VALUES - 1
# Page size of DescribeInstances: half of the maximum of 1,000, to parse a page within 40 MB of memory.
_INSTANCES_PER_PAGE: Final = 500
_TAGS_PER_PAGE: Final = 1000
_TYPES_PER_CALL: Final = 100

_NODES_ASKED_FOR_THEIR_NAME: Final = 3
"""More than one, because the agent of that one may have been down for two weeks."""


class Ec2(Protocol):
    """The part of boto3's EC2 client that is used here."""

    def describe_instances(self, **request: Any) -> dict[str, Any]: ...
    def describe_instance_types(self, **request: Any) -> dict[str, Any]: ...
    def describe_tags(self, **request: Any) -> dict[str, Any]: ...


class MetricsList(Protocol):
    """The part of boto3's CloudWatch client that is used here."""

    def list_metrics(self, **request: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """The clusters that have nodes, by EKS's names, and what else the planner is to know of them."""

    names: tuple[str, ...]
    notes: tuple[str, ...]
    no_node_has_the_tags: bool
    """Whether there are tagged workers, and none of them carries the tags in `Wanted.node_tags`."""


def clusters(ec2: Ec2, cloudwatch: MetricsList, wanted: Wanted | None = None) -> tuple[str, ...]:
    """The names of the clusters that have running workers, or untagged ones that reported within three hours.

    Raises AwsProblem.
    """
    return find_clusters(ec2, cloudwatch, wanted).names


def find_clusters(ec2: Ec2, cloudwatch: MetricsList, wanted: Wanted | None = None) -> Found:
    """The clusters that `clusters` names, with remarks. Raises AwsProblem."""
    wanted = wanted or Wanted()
    series_of = by_instance(_all_series(cloudwatch, wanted.names))
    workers = {worker.instance_id: worker for worker in _tagged(ec2, wanted.names)}
    joined = join(
        replace(wanted, node_tags={}),
        workers,
        {one for worker_id in workers for one in series_of.get(worker_id, ())},
    )
    found = {cluster.name for cluster in joined.clusters if cluster.nodes}
    if {one.cluster for own in series_of.values() for one in own} - found - joined.called.keys():
        # Series of untagged workers, or of workers that were terminated up to two weeks ago.
        recent = {one.cluster for one in _all_series(cloudwatch, wanted.names, recent=True) if one.is_on_ec2}
        found |= recent - joined.called.keys()
    return Found(
        tuple(sorted(filter(wanted.cluster, found))),
        joined.notes,
        bool(workers) and not any(wanted.tags(worker.tags) for worker in workers.values()),
    )


def discover(
    ec2: Ec2,
    cloudwatch: MetricsList,
    wanted: Wanted | None = None,
    *,
    parallelism: int = DEFAULT_PARALLELISM,
) -> Discovery:
    """The running nodes, each once; only those that `wanted` selects, if it is given.

    Costs a DescribeInstances call for each 500 instances and for each 199 further ids that have series, and a
    ListMetrics call for each 500 series of the last two weeks. If all clusters are given by their full
    names, only their data is read, at the cost of a DescribeTags call for each 1000 instances.
    Raises AwsProblem. A failure to read the instance types' bandwidths is not raised but becomes a note.
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
    series_of = by_instance(series)
    ambiguous = any(len(series_of.get(instance_id, ())) > 1 for instance_id in instances)
    recent = _all_series(cloudwatch, wanted.names, recent=True) if ambiguous else set()
    types = sorted({instance.instance_type for instance in instances.values()} - {""})
    bandwidths, notes = _bandwidths(ec2, types)
    found_so_far = join(wanted, instances, series, recent=recent, bandwidths=bandwidths)
    account = next((each.account for each in instances.values() if each.account), None)
    return replace(found_so_far, notes=found_so_far.notes + notes, account=account)


def _tagged(ec2: Ec2, names: Sequence[str] | None) -> Iterator[Instance]:
    """Every running instance that is tagged as a worker of these clusters, or of any; each once."""
    named = _ids_by_name(ec2, names)
    for instance in _running(ec2, _tag_filter(names)):
        named.discard(instance.instance_id)
        yield instance
    for ids in _id_filters(named):
        yield from _running(ec2, ids)


def _tag_filter(names: Sequence[str] | None) -> dict[str, Any]:
    """The filter for instances with a tag of any cluster, or with the ownership tags of these clusters.

    No filter can find instances that have one of several tags with one of several values; `_ids_by_name`
    finds the rest.
    """
    keys = [f"{OWNERSHIP_TAG}{name}" for name in names] if names else [f"{OWNERSHIP_TAG}*", *NAME_TAGS]
    return {"Name": "tag-key", "Values": keys}


def _id_filters(instance_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Filters by instance id. The parameter InstanceIds would fail the call if one id no longer exists."""
    for chunk in _chunks(sorted(instance_ids), _IDS_PER_CALL):
        yield {"Name": "instance-id", "Values": list(chunk)}


def _ids_by_name(ec2: Ec2, names: Sequence[str] | None) -> set[str]:
    """The instances, running or not, that have a tag with one of these names as its value.

    Most of them have a tag of ownership as well. Describing instances by each of their tags would read 8 KB
    about each of them twice or more: it was half of what discovery took.
    """
    if not names:
        return set()
    request = {
        "Filters": [
            {"Name": "key", "Values": list(NAME_TAGS)},
            {"Name": "value", "Values": list(names)},
            {"Name": "resource-type", "Values": ["instance"]},
        ],
        "MaxResults": _TAGS_PER_PAGE,
    }

    def read(page: Mapping[str, Any]) -> set[str]:
        return {
            tag["ResourceId"]
            for tag in items(page, "Tags")
            if tag["Key"] in NAME_TAGS and tag["Value"] in names and INSTANCE_ID.fullmatch(tag["ResourceId"])
        }

    return set().union(*pages("ec2:DescribeTags", ec2, ec2.describe_tags, request, read))


def _running(ec2: Ec2, *filters: dict[str, Any]) -> Iterator[Instance]:
    request = {
        "Filters": [*filters, {"Name": "instance-state-name", "Values": ["running"]}],
        "MaxResults": _INSTANCES_PER_PAGE,
    }

    def read(page: Mapping[str, Any]) -> list[Instance]:
        return [
            _instance(description, intern(optional_text(reservation.get("OwnerId")) or ""))
            for reservation in items(page, "Reservations")
            for description in items(reservation, "Instances")
            if description["State"]["Name"] == "running"
        ]

    yield from chain.from_iterable(pages("ec2:DescribeInstances", ec2, ec2.describe_instances, request, read))


def _instance(description: Mapping[str, Any], account: str) -> Instance:
    """Raises LookupError, TypeError, ValueError or the like for what EC2 does not describe in this way."""
    if not INSTANCE_ID.fullmatch(description["InstanceId"]):
        raise ValueError("no instance id")
    launched = description.get("LaunchTime")
    return Instance(
        description["InstanceId"],
        intern(optional_text(description.get("InstanceType")) or ""),
        launched.astimezone(UTC) if launched else None,
        optional_text(description.get("PrivateDnsName")) or "",
        # Intern the strings: many workers have the same few tags.
        {intern(tag["Key"]): intern(tag.get("Value", "")) for tag in description.get("Tags") or ()},
        # EC2 gives a platform of Windows instances only, in lower case in some answers.
        str(description.get("Platform") or "").casefold() == "windows",
        account,
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
    listed = pages("cloudwatch:ListMetrics", cloudwatch, cloudwatch.list_metrics, request, _series_of_page)
    yield from chain.from_iterable(listed)


def _series_of_page(page: Mapping[str, Any]) -> list[Series]:
    found = []
    for metric in items(page, "Metrics"):
        dimensions = {text(each["Name"]): text(each["Value"]) for each in items(metric, "Dimensions")}
        # Only series of nodes, with exactly these dimensions; a cluster's total has only ClusterName.
        if dimensions.keys() == {CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION}:
            found.append(
                Series(
                    dimensions[CLUSTER_DIMENSION], dimensions[INSTANCE_DIMENSION], dimensions[NODE_DIMENSION]
                )
            )
    return found


def _series_under_other_names(
    cloudwatch: MetricsList,
    names: Sequence[str],
    instances: Mapping[str, Instance],
    series: Collection[Series],
) -> set[Series]:
    """The series of clusters whose agent is configured with another cluster name than EKS has.

    Without them all the nodes of such a cluster would seem silent. The agents of a cluster share their
    configuration, so the series of a few nodes that have been running for longest show the name.
    """
    reporting = {one.cluster for one in series}
    found: set[Series] = set()
    for name in names:
        workers = [
            (instance.launched_at or datetime.max.replace(tzinfo=UTC), instance.instance_id)
            for instance in instances.values()
            if tagged_clusters(instance.tags)[:1] == (name,)
        ]
        if name in reporting:
            continue
        for _, eldest in sorted(workers)[:_NODES_ASKED_FOR_THEIR_NAME]:
            aliases = {one.cluster for one in _series(cloudwatch, {INSTANCE_DIMENSION: eldest})}
            found.update(*(_series(cloudwatch, {CLUSTER_DIMENSION: alias}) for alias in aliases))
            if aliases:
                break
    return found


def _bandwidths(ec2: Ec2, types: Sequence[str]) -> tuple[dict[str, ByteRate], tuple[str, ...]]:
    """The bandwidths of these instance types, and notes about those that are unknown."""
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
    # A filter, because the parameter InstanceTypes would fail the call if one type is unknown in the region.
    request = {"Filters": [{"Name": "instance-type", "Values": list(types)}]}

    def read(page: Mapping[str, Any]) -> dict[str, ByteRate]:
        return {
            text(description["InstanceType"]): bandwidth
            for description in items(page, "InstanceTypes")
            if (bandwidth := bandwidth_of(description))
        }

    described = pages("ec2:DescribeInstanceTypes", ec2, ec2.describe_instance_types, request, read)
    return {name: bandwidth for page in described for name, bandwidth in page.items()}


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
