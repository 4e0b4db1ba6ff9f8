"""Which members of each request and answer a bundle keeps, and what kind of value each is.

Everything else is dropped: headers, messages of errors, addresses, tags, key names, what an agent writes
beside a device's rates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from enigap.aws.addon import ENHANCED, values_of
from enigap.aws.bundle.kinds import (
    AS_TEXT,
    DROPPED,
    OTHER,
    WORDS,
    Rewriting,
    Shape,
    each,
    flag,
    host,
    iso_time,
    joined,
    members,
    milliseconds,
    milliseconds_in_text,
    name,
    number,
    seconds,
    shaped,
    text_of_json,
    word,
)
from enigap.aws.bundle.standins import Kind
from enigap.aws.device_events import log_group
from enigap.aws.otel import ANCHORS, BYTES, HOST, INTERFACE, KUBELETS, PACKETS, asked_by
from enigap.aws.otel import DROPPED as DROPPED_PACKETS
from enigap.aws.placement import NAME_TAGS, OWNERSHIP_TAG
from enigap.aws.promql import OPERATION
from enigap.core.counting.devices import is_device_name
from enigap.core.counting.evidence import DeviceScope
from enigap.core.counting.meters import CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION, Quantity
from enigap.core.counting.node import is_kubernetes_name, is_namespace

# --- of CloudWatch and its logs ---

_WORD_OF_PATTERN: Final = re.compile(r"\b(NodeNet|PodNet|Pod|interface|InstanceId)\b")
PATTERNS: Final = frozenset(
    {"NodeNet", "NodeNet interface", "NodeNet InstanceId", "PodNet", "Pod", "NodeNet InstanceId interface"}
)


def filter_pattern(value: Any, _: Rewriting) -> Any:
    """What a filter of events asks about: one node is in the bundle, so it says no more."""
    said = [] if not isinstance(value, str) else _WORD_OF_PATTERN.findall(value)
    found = " ".join(dict.fromkeys(said))
    return found if found in PATTERNS else OTHER


_GROUP: Final = tuple(log_group("\0").split("\0"))


def group(value: Any, to: Rewriting) -> Any:
    """The log group, which is named after the cluster."""
    before, after = _GROUP
    if not isinstance(value, str) or not (value.startswith(before) and value.endswith(after)):
        return DROPPED
    return joined(before, to.name(Kind.CLUSTER, value[len(before) : len(value) - len(after)]), after)


def dimension(value: Any, to: Rewriting) -> Any:
    shapes: Mapping[str, Shape] = {
        CLUSTER_DIMENSION: name(Kind.CLUSTER),
        INSTANCE_DIMENSION: name(Kind.INSTANCE),
        NODE_DIMENSION: host,
    }
    if not isinstance(value, Mapping) or value.get("Name") not in shapes:
        return DROPPED
    kept = shapes[value["Name"]](value.get("Value"), to)
    return DROPPED if kept is DROPPED else {"Name": value["Name"], "Value": kept}


WORDS |= {CLUSTER_DIMENSION, INSTANCE_DIMENSION, NODE_DIMENSION, "Name", "Value", *PATTERNS, *_GROUP}


def _is_of_another_node(dimensions: Any, to: Rewriting) -> bool:
    return any(
        isinstance(each, Mapping)
        and each.get("Name") == INSTANCE_DIMENSION
        and to.is_other(str(each.get("Value")))
        for each in (dimensions if isinstance(dimensions, list) else ())
    )


def series(value: Any, to: Rewriting) -> Any:
    """A metric in a list of metrics."""
    if isinstance(value, Mapping) and _is_of_another_node(value.get("Dimensions"), to):
        return DROPPED
    return _METRIC(value, to)


_QUERY_ID: Final = shaped(r"[a-z]{1,10}\d{0,9}(_[a-z0-9]{1,10})*")
_OF_METRIC: Final[Mapping[str, Shape]] = {
    "Namespace": word(*{each.value.namespace for each in Quantity}),
    "MetricName": word(*{each.value.metric for each in Quantity}),
    "Dimensions": each(dimension),
}
_METRIC: Final = members(**_OF_METRIC)
_LIST_METRICS = members(**_OF_METRIC, RecentlyActive=word("PT3H"), NextToken=name(Kind.PAGE))
_GET_METRIC_DATA = members(
    MetricDataQueries=each(
        members(
            Id=_QUERY_ID,
            MetricStat=members(
                Metric=_METRIC, Period=number, Stat=word("Average", "Sum", "SampleCount", "Maximum")
            ),
            ReturnData=flag,
        )
    ),
    StartTime=seconds,
    EndTime=seconds,
    ScanBy=word("TimestampDescending", "TimestampAscending"),
    MaxDatapoints=number,
    NextToken=name(Kind.PAGE),
)
_METRIC_DATA = members(
    MetricDataResults=each(
        members(
            Id=_QUERY_ID,
            Timestamps=each(seconds),
            Values=each(number),
            StatusCode=word("Complete", "PartialData", "InternalError", "Forbidden"),
        )
    ),
    NextToken=name(Kind.PAGE),
)
_FILTER_LOG_EVENTS = members(
    logGroupName=group,
    logStreamNames=each(host),
    startTime=milliseconds,
    endTime=milliseconds,
    filterPattern=filter_pattern,
    limit=number,
    nextToken=name(Kind.PAGE),
)

_RATES: Final = {
    f"{of}_interface_network_{way}_{what}": number
    for of in ("node", "pod")
    for way in ("rx", "tx", "total")
    for what in ("bytes", "packets", "dropped", "errors")
}
_PODS_RATES: Final = {f"pod_network_{way}_bytes": number for way in ("rx", "tx", "total")}
NO_DEVICE: Final = "/"
"""In place of text that is no device's name."""
WORDS |= {"", NO_DEVICE}


def device(value: Any, to: Rewriting) -> Any:
    """A device's name; empty where the agent could not read the devices."""
    if not isinstance(value, str) or not value:
        return DROPPED if value else value
    return to.name(Kind.DEVICE, value) if is_device_name(value) else NO_DEVICE


_EVENT = members(
    Type=word("NodeNet", "PodNet", "Pod"),
    ClusterName=name(Kind.CLUSTER),
    InstanceId=name(Kind.INSTANCE),
    NodeName=host,
    Timestamp=milliseconds_in_text,
    Version=word("0", "1"),
    _aws=members(Timestamp=milliseconds),
    interface=device,
    **_RATES,
    **_PODS_RATES,
)


def event(value: Any, to: Rewriting) -> Any:
    """A device's or a pod's event. What names a pod is taken together."""
    kept = _EVENT(value, to)
    # An agent that cannot ask the instance for its id writes an empty one.
    if kept is DROPPED or to.is_other(str(value.get("InstanceId") or to.instance_id)):
        return DROPPED
    about = value.get("kubernetes")
    about = about if isinstance(about, Mapping) else {}
    pod = about.get("pod_name") or value.get("FullPodName") or value.get("PodName")
    namespace = about.get("namespace_name") or value.get("Namespace")
    if (
        isinstance(pod, str)
        and isinstance(namespace, str)
        and is_kubernetes_name(pod)
        and is_namespace(namespace)
    ):
        to.name(Kind.NAMESPACE, namespace)
        new_namespace, _, new_pod = to.name(Kind.POD, f"{namespace}/{pod}").partition("/")
        kept["kubernetes"] = {"namespace_name": new_namespace, "pod_name": new_pod}
    return kept


WORDS |= {"kubernetes", "namespace_name", "pod_name", "message"}


def log_event(value: Any, to: Rewriting) -> Any:
    kept = members(logStreamName=host, timestamp=milliseconds, ingestionTime=milliseconds)(value, to)
    if kept is DROPPED:
        return DROPPED
    message = text_of_json(event)(value.get("message"), to)
    return DROPPED if message is DROPPED else kept | {"message": message}


WORDS |= {"logStreamName", "timestamp", "ingestionTime"}


# --- of OpenTelemetry's counters ---

_QUESTION: Final = members(
    aggregate=word("max", "min", "count"),
    metric=word(*BYTES, *PACKETS, *DROPPED_PACKETS, KUBELETS),
    cluster=name(Kind.CLUSTER),
    instance_ids=each(name(Kind.INSTANCE)),
    anchors=each(word(*ANCHORS)),
    scope=word(*(scope.value for scope in DeviceScope)),
    age_seconds=number,
)


def expression(value: Any, to: Rewriting) -> Any:
    """A PromQL expression by its parts, without the names of devices that it is about."""
    question = asked_by(value) if isinstance(value, str) else None
    if question is None:
        return OTHER
    ids = [each for each in question.instance_ids if not to.is_other(each)]
    return _QUESTION(asdict(question) | {"instance_ids": ids, "scope": question.scope.value}, to)


def second_in_text(value: Any, to: Rewriting) -> Any:
    is_one = isinstance(value, str) and re.fullmatch(r"\d{1,12}", value)
    return seconds(int(value), to) if is_one else DROPPED


_NO_NUMBER: Final = word("NaN", "+Inf", "-Inf")


def number_in_text(value: Any, to: Rewriting) -> Any:
    if not isinstance(value, str):
        return number(value, to)  # an answer that makes no sense, replayed as one
    try:
        kept = number(float(value), to)
    except ValueError:
        return OTHER
    return _NO_NUMBER(value, to) if kept is DROPPED else {AS_TEXT: kept}


def point(value: Any, to: Rewriting) -> Any:
    """A time and the counter's value then."""
    if not isinstance(value, list) or len(value) != 2:
        return OTHER
    kept = [seconds(value[0], to), number_in_text(value[1], to)]
    return OTHER if DROPPED in kept else kept


_COUNTER: Final = members(
    metric=members(**{HOST: name(Kind.INSTANCE), INTERFACE: device}), values=each(point), value=point
)


def counter(value: Any, to: Rewriting) -> Any:
    """A series of one device."""
    metric = value.get("metric") if isinstance(value, Mapping) else None
    if not isinstance(metric, Mapping):
        return OTHER
    return DROPPED if to.is_other(str(metric.get(HOST) or to.instance_id)) else _COUNTER(value, to)


CUT: Final = "results truncated due to limit"
WORDS.add(CUT)


def warnings(value: Any, _: Rewriting) -> Any:
    """That an answer is not whole."""
    if isinstance(value, list):
        return [CUT if each == CUT else OTHER for each in value]
    return OTHER if value else DROPPED


_PROMQL: Final = members(
    path=word("query", "query_range"),
    query=expression,
    time=second_in_text,
    start=second_in_text,
    end=second_in_text,
    step=shaped(r"\d{1,6}s"),
    limit=shaped(r"\d{1,4}"),
)
_COUNTERS: Final = members(
    status=word("success"),
    data=members(resultType=word("matrix", "vector"), result=each(counter)),
    warnings=warnings,
)


# --- of EC2 ---


def cluster_tag(value: Any, to: Rewriting) -> Any:
    """The key of a tag: kept where it says which cluster owns an instance."""
    if value in {*NAME_TAGS, f"{OWNERSHIP_TAG}*"}:
        return value
    if isinstance(value, str) and value.startswith(OWNERSHIP_TAG):
        return joined(OWNERSHIP_TAG, to.name(Kind.CLUSTER, value.removeprefix(OWNERSHIP_TAG)))
    return DROPPED


WORDS |= {*NAME_TAGS, f"{OWNERSHIP_TAG}*", OWNERSHIP_TAG, "key", "value", "Name", "Values", "owned", "shared"}


def tag(value: Any, to: Rewriting) -> Any:
    key = cluster_tag(value.get("key"), to) if isinstance(value, Mapping) else DROPPED
    if key is DROPPED:
        return DROPPED
    of = name(Kind.CLUSTER) if value["key"] in NAME_TAGS else word("owned", "shared")
    return {"key": key, "value": of(value.get("value"), to)}


_INSTANCE_TYPE: Final = shaped(
    r"[a-z]{1,3}\d{0,2}[a-z]{0,5}(-[a-z0-9]{2,6})?\.(nano|micro|small|medium|large|\d{0,3}xlarge|metal(-\d{1,3}xl)?)"
)
_FILTERS: Final[Mapping[str, Shape]] = {
    "tag-key": cluster_tag,
    "instance-id": name(Kind.INSTANCE),
    "instance-state-name": word("running"),
    "instance-type": _INSTANCE_TYPE,
    "key": word(*NAME_TAGS),
    "value": name(Kind.CLUSTER),
    "resource-type": word("instance"),
}
WORDS.update(_FILTERS)


def ec2_filter(value: Any, to: Rewriting) -> Any:
    if not isinstance(value, Mapping) or value.get("Name") not in _FILTERS:
        return DROPPED
    values = value.get("Values", ())
    if value["Name"] == "instance-id":
        values = [each for each in values if not to.is_other(each)]
    return {"Name": value["Name"], "Values": each(_FILTERS[value["Name"]])(values, to)}


_EC2_REQUEST = members(Filters=each(ec2_filter), MaxResults=number, NextToken=name(Kind.PAGE))


def instance(value: Any, to: Rewriting) -> Any:
    if isinstance(value, Mapping) and to.is_other(str(value.get("instanceId"))):
        return DROPPED
    return _INSTANCE(value, to)


_INSTANCE = members(
    instanceId=name(Kind.INSTANCE),
    instanceType=_INSTANCE_TYPE,
    privateDnsName=host,
    platform=word("windows"),
    instanceState=members(name=word("running")),
    launchTime=iso_time,
    networkInterfaceSet=each(
        members(
            networkInterfaceId=name(Kind.ENI),
            interfaceType=word("interface", "efa", "efa-only", "trunk", "branch"),
        )
    ),
    tagSet=each(tag),
)
_INSTANCES = members(
    reservationSet=each(members(ownerId=name(Kind.ACCOUNT), instancesSet=each(instance))),
    nextToken=name(Kind.PAGE),
)
_DIGITS: Final = shaped(r"\d{1,12}(\.\d{1,12})?")
_TYPES = members(
    instanceTypeSet=each(
        members(
            instanceType=_INSTANCE_TYPE,
            networkInfo=members(
                networkCards=each(members(networkCardIndex=_DIGITS, peakBandwidthInGbps=_DIGITS)),
                networkPerformance=shaped(r"(Up to )?\d{1,6} Gigabit"),
            ),
        )
    ),
    nextToken=name(Kind.PAGE),
)
_SESSIONS = members(
    trafficMirrorSessionSet=each(members(networkInterfaceId=name(Kind.ENI))), nextToken=name(Kind.PAGE)
)


def resource(value: Any, to: Rewriting) -> Any:
    """A tag of an instance in a list of tags."""
    if not isinstance(value, Mapping) or to.is_other(str(value.get("resourceId"))):
        return DROPPED
    kept = tag(value, to)
    return DROPPED if kept is DROPPED else kept | {"resourceId": to.name(Kind.INSTANCE, value["resourceId"])}


WORDS |= {"resourceId"}

_SWITCH = members(enabled=flag)
UNREADABLE: Final = "{"
"""In place of a configuration that enigap cannot read, which is no more readable."""
WORDS.add(UNREADABLE)


def presence(value: Any, _: Rewriting) -> Any:
    """Whether there is something, not what."""
    return bool(value)


def own_configuration(value: Any, to: Rewriting) -> Any:
    """The agent's configuration: whether it is there, can be understood and asks for Container Insights."""
    if value is None or not isinstance(value, Mapping):
        return DROPPED if value is None else OTHER
    *path, last = ENHANCED
    shape: Shape = members(**{last: lambda each, _: DROPPED if each is None else True})
    for key in reversed(path):
        shape = members(**{key: shape})
    return shape(value, to)


_CONFIGURATION: Final = members(
    containerInsights=_SWITCH,
    otelContainerInsights=_SWITCH,
    agent=members(enabled=flag, config=own_configuration),
    agents=presence,
)


def configuration(value: Any, to: Rewriting) -> Any:
    """What of the add-on's configuration, which may be JSON or YAML, its judgement depends on."""
    if value is None or value == "":
        return DROPPED
    values = values_of(value)
    return UNREADABLE if values is None else {AS_TEXT: _CONFIGURATION(values, to)}


_ADDON = members(
    addon=members(
        addonVersion=shaped(r"v\d{1,4}\.\d{1,4}\.\d{1,4}(-eksbuild\.\d{1,4})?"),
        status=word("ACTIVE", "CREATING", "DEGRADED", "UPDATING", "CREATE_FAILED", "UPDATE_FAILED"),
        configurationValues=configuration,
    )
)


@dataclass(frozen=True, slots=True)
class Operation:
    """How a request and its answer are kept."""

    request: Shape
    answer: Shape
    is_xml: bool = False


OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("cloudwatch", "ListMetrics"): Operation(
        _LIST_METRICS, members(Metrics=each(series), NextToken=name(Kind.PAGE))
    ),
    ("cloudwatch", "GetMetricData"): Operation(_GET_METRIC_DATA, _METRIC_DATA),
    ("cloudwatch", OPERATION): Operation(_PROMQL, _COUNTERS),
    ("logs", "FilterLogEvents"): Operation(
        _FILTER_LOG_EVENTS, members(events=each(log_event), nextToken=name(Kind.PAGE))
    ),
    ("ec2", "DescribeInstances"): Operation(_EC2_REQUEST, _INSTANCES, is_xml=True),
    ("ec2", "DescribeInstanceTypes"): Operation(_EC2_REQUEST, _TYPES, is_xml=True),
    ("ec2", "DescribeTags"): Operation(
        _EC2_REQUEST, members(tagSet=each(resource), nextToken=name(Kind.PAGE)), is_xml=True
    ),
    ("ec2", "DescribeTrafficMirrorSessions"): Operation(_EC2_REQUEST, _SESSIONS, is_xml=True),
    ("eks", "DescribeAddon"): Operation(
        members(clusterName=name(Kind.CLUSTER), addonName=word("amazon-cloudwatch-observability")), _ADDON
    ),
}
"""Every operation that a look at a node may call. What is called beside them is in no bundle."""

WORDS |= {part for operation in OPERATIONS for part in operation}


def asked(service: str, operation: str, parameters: Mapping[str, Any], to: Rewriting) -> Any:
    """A request as a bundle has it: by this a call finds its answer."""
    return OPERATIONS[service, operation].request(dict(parameters), to)
