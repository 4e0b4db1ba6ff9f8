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

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from sys import intern
from typing import Any, Final, Protocol

from enigap.aws.clients import DEFAULT_PARALLELISM
from enigap.aws.errors import AwsProblem
from enigap.aws.iam import Statement
from enigap.aws.names import takes
from enigap.aws.pages import items, pages
from enigap.aws.placement import (
    FILTER_VALUES,
    INSTANCE_ID,
    INSTANCES_PER_PAGE,
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
from enigap.core.counting.node import Node
from enigap.core.counting.units import ByteRate
from enigap.core.strict import optional_text, text

CLUSTER_ACTIONS: Final = (Statement(("ec2:DescribeInstances", "ec2:DescribeTags", "cloudwatch:ListMetrics")),)
"""Permissions for `clusters`."""

ACTIONS: Final = (*CLUSTER_ACTIONS, Statement(("ec2:DescribeInstanceTypes",)))
"""Permissions for `discover`."""


_IDS_PER_CALL: Final = FILTER_VALUES - 1
_TAGS_PER_PAGE: Final = 1000
_TYPES_PER_CALL: Final = 100

_NODES_ASKED_FIRST: Final = 3
"""More than one, because the agent of that one may have been down for two weeks."""
_NODES_ASKED_BY_ID: Final = 24
_CALLS_BY_ID: Final = 4
"""Up to so many calls instances are asked about by their ids at once."""


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
    problem: AwsProblem | None = None
    """Why there may be more clusters than these; None if all were found."""


class Memory:
    """The series of the last two weeks by cluster, so that a process lists them once and not in every run.

    Most of them are of nodes that are long gone, of which nothing is kept. Nothing is missed by it: what was
    published since is listed in every run, as long as the runs are less than three hours apart.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._series: dict[str, tuple[float, set[Series]]] = {}

    def series(self, names: Iterable[str]) -> set[Series] | None:
        """The series of these clusters; None if one of them is to be listed."""
        since = self._clock() - _RUNS_AT_MOST_APART_SECONDS
        known = [self._series.get(name, (0.0, set())) for name in names]
        return set().union(*(own for _, own in known)) if all(at > since for at, _ in known) else None

    def keep(self, names: Iterable[str], series: Iterable[Series], running: Collection[str]) -> None:
        """Keep the series of what runs and of what is no instance."""
        kept = [one for one in series if one.instance_id in running or not one.is_on_ec2]
        for name in names:
            self._series[name] = self._clock(), {one for one in kept if one.cluster == name}


_RUNS_AT_MOST_APART_SECONDS: Final = 2 * 3600.0


def clusters(ec2: Ec2, cloudwatch: MetricsList, wanted: Wanted | None = None) -> tuple[str, ...]:
    """The names of the clusters that have running workers, or untagged ones that reported within three hours.

    Raises AwsProblem.
    """
    found = find_clusters(ec2, cloudwatch, wanted)
    if found.problem:
        raise found.problem
    return found.names


def find_clusters(ec2: Ec2, cloudwatch: MetricsList, wanted: Wanted | None = None) -> Found:
    """The clusters that `clusters` names, with remarks; as many as were found before a problem.

    Asks for workers that run and for series of the last three hours, side by side; those of nodes long gone,
    which may be many times as many, are not listed.
    """
    wanted = wanted or Wanted()
    workers: dict[str, Instance] = {}
    recent: set[Series] = set()

    def find_workers() -> None:
        workers.update((worker.instance_id, worker) for worker in _tagged(ec2, wanted.names))

    def find_series() -> None:
        recent.update(_all_series(cloudwatch, wanted.names, recent=True))

    others: dict[str, Instance] = {}

    def find_whose_series_they_are() -> None:
        doubtful = _first_of_each_untagged(wanted.names or (), workers.values(), recent)
        for by_id in _id_filters(doubtful):
            others.update((worker.instance_id, worker) for worker in _running(ec2, by_id))

    with ThreadPoolExecutor(2) as pool:
        problems = list(pool.map(_problem_of, (find_workers, find_series)))
    if not any(problems):
        problems.append(_problem_of(find_whose_series_they_are))
    own = {one for one in recent if one.instance_id in workers or one.instance_id in others}
    joined = join(replace(wanted, node_tags={}), {**workers, **others}, own)
    found = {cluster.name for cluster in joined.clusters if cluster.nodes}
    # Untagged workers; those that were terminated within three hours among them.
    found |= {one.cluster for one in recent if one.is_on_ec2} - joined.called.keys()
    return Found(
        tuple(sorted(filter(wanted.cluster, found))),
        (*joined.notes, *_on_those_asked_by_their_agents_name(wanted, joined.called, found)),
        bool(workers) and not any(wanted.tags(worker.tags) for worker in workers.values()),
        next(filter(None, problems), None),
    )


def _first_of_each_untagged(
    names: Iterable[str], workers: Iterable[Instance], series: Iterable[Series]
) -> set[str]:
    """The ids of a few instances that report under a name that no worker has in its tags.

    They have no tags, or it is only their agents that call their cluster so.
    """
    tagged = {name for worker in workers for name in tagged_clusters(worker.tags)}
    ids = {
        name: sorted(one.instance_id for one in series if one.cluster == name and one.is_on_ec2)
        for name in names
    }
    return {each for name in ids.keys() - tagged for each in ids[name][:_NODES_ASKED_FIRST]}


def _on_those_asked_by_their_agents_name(
    wanted: Wanted, called: Mapping[str, str], found: Collection[str]
) -> Iterator[str]:
    for name, cluster in sorted(called.items()):
        if wanted.clusters and wanted.cluster(name) and name not in found and not wanted.cluster(cluster):
            yield f"{name} is what the agents of {cluster} call it: give {cluster}, EKS's name, instead."


def _problem_of(step: Callable[[], None]) -> AwsProblem | None:
    try:
        step()
    except AwsProblem as problem:
        return problem
    return None


def discover(
    ec2: Ec2,
    cloudwatch: MetricsList,
    wanted: Wanted | None = None,
    *,
    parallelism: int = DEFAULT_PARALLELISM,
    memory: Memory | None = None,
) -> Discovery:
    """The running nodes, each once; only those that `wanted` selects, if it is given.

    Costs a DescribeInstances call for each 500 instances, and a ListMetrics call for each 500 series of the
    last two weeks, which a `memory` spares all runs but the first. If all clusters are given by their full
    names, only their data is read, at the cost of a DescribeTags call for each 1000 instances and a
    ListMetrics call for each 500 series of the last three hours. Raises AwsProblem. A failure to read the
    instance types' bandwidths is not raised but becomes a note.
    """
    wanted = wanted or Wanted()
    names, memory = wanted.names, memory or Memory()
    with ThreadPoolExecutor(parallelism) as pool:
        found = _Searching(ec2, cloudwatch, names, pool)
        found.list_all(memory.series(names) if names else None)
        if names:
            found.look_under_other_names()
        if names and found.is_complete:
            memory.keep(names, found.series, found.instances)
    instances, series = found.instances, found.series
    types = sorted({instance.instance_type for instance in instances.values()} - {""})
    bandwidths, notes = _bandwidths(ec2, types)
    found_so_far = join(wanted, instances, series, recent=found.recent, bandwidths=bandwidths)
    account = next((each.account for each in instances.values() if each.account), None)
    notes += () if found.is_complete else (_NOT_ALL_LISTED,)
    return replace(found_so_far, notes=found_so_far.notes + notes, account=account)


_TWO_WEEKS_SECONDS: Final = 90.0
"""The most that listing series of two weeks by name takes. What reports or has tags is found anyway."""

_NOT_ALL_LISTED: Final = (
    f"Not all series of the last two weeks could be listed in {_TWO_WEEKS_SECONDS:g} s: a worker without a "
    "cluster's tag that has been silent for more than three hours may be missing."
)


class _Searching:
    """The instances and series of some clusters, or of all (`names` is None), while they are being found."""

    def __init__(
        self, ec2: Ec2, cloudwatch: MetricsList, names: Sequence[str] | None, pool: ThreadPoolExecutor
    ) -> None:
        self._ec2, self._cloudwatch, self._names, self._pool = ec2, cloudwatch, names, pool
        self.instances: dict[str, Instance] = {}
        self.series: set[Series] = set()
        self.recent: set[Series] = set()
        """Those of the last three hours; of all clusters only where an instance has several."""
        self.is_complete = True
        """Whether the series of two weeks are all there."""
        self._asked: set[str] = set()

    def list_all(self, remembered: set[Series] | None) -> None:
        """Find the running instances, tagged or with a series. `remembered` are series of two weeks."""
        named = self._pool.submit(_ids_by_name, self._ec2, self._names)
        owned = self._pool.submit(list, _running(self._ec2, _tag_filter(self._names)))
        if self._names:
            recent = self._pool.submit(self._listed, recent=True)
            self.series = self._listed_in_time() if remembered is None else set(remembered)
            self.recent = recent.result()
            self.series |= self.recent
        else:
            self.series = self._listed()
        self._add(owned.result())
        self._ask_about(named.result())
        if not self._names and any(len(own) > 1 for own in self._own().values()):
            self.recent = self._listed(recent=True)

    def look_under_other_names(self) -> None:
        """Find the series of nodes that do not report under the cluster's name by their ids.

        An agent may call the cluster otherwise, or may have been renamed: its old series stay listed for two
        weeks, and the node would seem silent. The agents of a cluster share their configuration, so the nodes
        that have been running for longest show the name, and the series under it are all listed. If these
        show none and many are left, the recent series of all clusters are listed.
        """
        known = set(self._names or ())
        asked: set[str] = set()
        most = _NODES_ASKED_FIRST
        while doubtful := [each for each in self._doubtful() if each.instance_id not in asked][:most]:
            asked |= {each.instance_id for each in doubtful}
            for series, recent in self._pool.map(self._series_of, doubtful):
                self.series |= series
                self.recent |= recent
            for alias in {one.cluster for one in self.series} - known:
                known.add(alias)
                self.recent |= set(_series(self._cloudwatch, {CLUSTER_DIMENSION: alias}, recent=True))
                self.series |= set(_series(self._cloudwatch, {CLUSTER_DIMENSION: alias})) | self.recent
            most = _NODES_ASKED_BY_ID - len(asked)
            if len(self._doubtful()) > len(asked) + most:
                of_all = set(_series(self._cloudwatch, {}, recent=True))
                self.recent |= {one for one in of_all if one.instance_id in self.instances}
                self.series |= self.recent
                break
        self._ask_about(())

    def _listed_in_time(self) -> set[Series]:
        """The series of two weeks; of many nodes long gone there may be more than there is time to list."""
        until, listed = time.monotonic() + _TWO_WEEKS_SECONDS, set()
        for name in filter(partial(takes, "CloudWatch"), self._names or ()):
            for one in _series(self._cloudwatch, {CLUSTER_DIMENSION: name}):
                listed.add(one)
                if time.monotonic() > until:
                    self.is_complete = False
                    return listed
        return listed

    def _listed(self, *, recent: bool = False) -> set[Series]:
        return _all_series(self._cloudwatch, self._names, recent=recent)

    def _series_of(self, instance: Instance) -> tuple[set[Series], set[Series]]:
        """An instance's series under any cluster's name, and those of them of the last three hours."""
        having = {INSTANCE_DIMENSION: instance.instance_id}
        recent = set(_series(self._cloudwatch, having, recent=True))
        return recent or set(_series(self._cloudwatch, having)), recent

    def _own(self, series: Iterable[Series] | None = None) -> dict[str, list[Series]]:
        """The series of the instances."""
        mine = (
            one for one in (self.series if series is None else series) if one.instance_id in self.instances
        )
        return by_instance(mine)

    def _doubtful(self) -> list[Instance]:
        """The instances that do not report under the first of the names in their tags, the eldest first."""
        recent = self._own(self.recent)

        def reports(instance: Instance) -> bool:
            tagged = tagged_clusters(instance.tags)[:1]
            return any(not tagged or one.cluster in tagged for one in recent.get(instance.instance_id, ()))

        latest = datetime.max.replace(tzinfo=UTC)
        doubtful = [each for each in self.instances.values() if not reports(each)]
        return sorted(doubtful, key=lambda each: (each.launched_at or latest, each.instance_id))

    def _ask_about(self, more: Iterable[str]) -> None:
        """Add those of the instances with a series, and of some more, that run."""
        ids = {one.instance_id for one in self.series if one.is_on_ec2} | set(more)
        ids -= self.instances.keys() | self._asked
        self._asked |= ids
        calls = -(-len(ids) // _IDS_PER_CALL)
        if calls > _CALLS_BY_ID:
            # Nearly all of so many are gone. What runs is listed in fewer calls, in all but huge accounts.
            most = calls * INSTANCES_PER_PAGE
            running = list(islice(_running(self._ec2), most))
            self._add(each for each in running if each.instance_id in ids)
            if len(running) < most:
                return
        for found in self._pool.map(lambda by_id: list(_running(self._ec2, by_id)), _id_filters(ids)):
            self._add(found)

    def _add(self, instances: Iterable[Instance]) -> None:
        self.instances |= {instance.instance_id: instance for instance in instances}


def elsewhere(
    cloudwatch: MetricsList, nodes: Sequence[Node], *, parallelism: int = DEFAULT_PARALLELISM
) -> dict[str, tuple[Node, ...]]:
    """Nodes that seem silent under each other name by which they may report, by instance id.

    For three hours after an agent was renamed its old series is listed as a recent one. Up to 24 nodes are
    looked for by their ids, the eldest first; of more, the clusters that these report to are listed, and all
    clusters where that leaves some out. Raises AwsProblem.
    """
    latest = datetime.max.replace(tzinfo=UTC)
    eldest = sorted(nodes, key=lambda node: (node.launched_at or latest, node.instance_id))
    asked = eldest[:_NODES_ASKED_BY_ID]
    with ThreadPoolExecutor(parallelism) as pool:
        having = [{INSTANCE_DIMENSION: node.instance_id} for node in asked]
        recent = set(chain.from_iterable(pool.map(partial(_recent, cloudwatch), having)))
    if len(asked) < len(nodes):
        for called in {one.cluster for one in recent} - {node.insights_cluster for node in nodes}:
            recent |= _recent(cloudwatch, {CLUSTER_DIMENSION: called})
        if len(_other_names(nodes, recent)) < len(nodes):
            recent |= _recent(cloudwatch, {})
    return _other_names(nodes, recent)


def _other_names(nodes: Sequence[Node], recent: Iterable[Series]) -> dict[str, tuple[Node, ...]]:
    series_of = by_instance(recent)
    others = {
        node.instance_id: tuple(
            replace(
                node, node_name=one.node_name, called=None if one.cluster == node.cluster else one.cluster
            )
            for one in sorted(series_of.get(node.instance_id, ()))
            if (one.cluster, one.node_name) != (node.insights_cluster, node.node_name)
        )
        for node in nodes
    }
    return {key: called for key, called in others.items() if called}


def _recent(cloudwatch: MetricsList, having: Mapping[str, str]) -> set[Series]:
    return set(_series(cloudwatch, having, recent=True))


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
        "MaxResults": INSTANCES_PER_PAGE,
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


def _all_series(cloudwatch: MetricsList, names: Sequence[str] | None, *, recent: bool) -> set[Series]:
    if names is None:
        return set(_series(cloudwatch, {}, recent=recent))
    known = [name for name in names if takes("CloudWatch", name)]  # no series has another name
    return {one for name in known for one in _series(cloudwatch, {CLUSTER_DIMENSION: name}, recent=recent)}


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
