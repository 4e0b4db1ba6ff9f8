"""Which metrics of the classic Container Insights an alarm or a dashboard uses, by what AWS answers of them.

Alarms and dashboards have the account's own words. So nothing here relies on a shape: a document is walked
through value by value, and what is not understood is left out or, where it cannot be read, said.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from enigap.core.counting.meters import OS_NAMESPACE
from enigap.core.doctor.usages import EVERY_METRIC, Use, UseKind

_NAMESPACE: Final = re.compile(rf"(?<![\w/.-]){OS_NAMESPACE}(?![\w/.-])")
"""Not `ECS/ContainerInsights`, `ContainerInsights/Prometheus` or `/aws/containerinsights`."""
_METRIC: Final = re.compile(
    r"\b(?:apiserver|cluster|container|daemonset|deployment|etcd|job|namespace|node|pod|replicas|rest_client"
    r"|service|statefulset|status)_[a-z][a-z0-9_]*\b"
)
_OF_NETWORK: Final = re.compile(r"\bnode(?:_interface)?_network_\w+")
_SEARCHES: Final = re.compile(r"\bSEARCH\s*\(|\bFROM\b|\bSCHEMA\s*\(", re.IGNORECASE)


def metrics_in(text: str) -> frozenset[str]:
    """The classic metrics that an expression, a query or any other text names."""
    named = frozenset(_OF_NETWORK.findall(text))
    if not _NAMESPACE.search(text):
        return named
    named |= frozenset(_METRIC.findall(text))
    return named or (frozenset((EVERY_METRIC,)) if _SEARCHES.search(text) else named)


def metrics_of(document: object) -> frozenset[str]:
    """The classic metrics that an alarm, as DescribeAlarms has it, or a dashboard uses."""
    found: set[str] = set()
    for value in _values(document):
        if isinstance(value, str):
            found |= metrics_in(value)
        elif isinstance(value, dict):
            found |= _named_by_members(value)
            for rows in (value.get("metrics"), value.get("Metrics")):
                found |= _in_rows(rows)
    return frozenset(found)


def _named_by_members(value: Mapping[str, Any]) -> set[str]:
    """`{"Namespace": ..., "MetricName": ...}`, as the API and explorer widgets have it."""
    namespace = value.get("Namespace", value.get("namespace"))
    name = value.get("MetricName", value.get("metricName"))
    return {name} if namespace == OS_NAMESPACE and isinstance(name, str) else set()


def _in_rows(rows: object) -> set[str]:
    """A widget's metrics: rows of namespace, name and dimensions, in which `.` stands for what is above it
    and a leading `...` for all of the row above but its end.
    """
    found: set[str] = set()
    above: list[Any] = []
    for each in rows if isinstance(rows, list) else ():
        if not isinstance(each, list):
            continue
        row = [part for part in each if not isinstance(part, dict)]
        if not row:
            continue  # an expression, which is a text like any other
        if row[0] == "...":
            row = above[: max(0, len(above) - len(row) + 1)] + row[1:]
        row = [above[place] if part == "." and place < len(above) else part for place, part in enumerate(row)]
        above = row
        if len(row) > 1 and row[0] == OS_NAMESPACE and isinstance(row[1], str):
            found.add(row[1])
    return found


def _values(document: object) -> Iterator[object]:
    """All values of a JSON document, without recursion: how deep it is nested is not ours."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, dict):
            waiting += (each for name, each in value.items() if name not in _CAPTIONS)
        elif isinstance(value, list | tuple):
            waiting += value


_CAPTIONS: Final = frozenset(
    {
        *("AlarmName", "AlarmArn", "AlarmDescription", "StateReason", "StateReasonData"),
        *("label", "Label", "markdown", "title"),
    }
)
"""Members that say something of a metric and show none of its data."""


def metrics_of_dashboard(body: str, alarms: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The classic metrics that a dashboard shows, itself or by the alarms that it shows.

    `alarms` are the metrics of those alarms that use any. Raises ValueError for a body that is no JSON.
    """
    try:
        document = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    shown = frozenset[str]()
    for value in _values(document):
        if isinstance(value, str) and ":alarm:" in value:
            shown |= alarms.get(value.partition(":alarm:")[2], frozenset())
    return metrics_of(document) | shown


_IN_RULE: Final = re.compile(
    r"""\b(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"([^"]*)"|'([^']*)'|([^\s"')]+))\s*\)"""
)


def alarms_in(rule: str) -> frozenset[str]:
    """The names of the alarms in a composite alarm's rule."""
    names = (next(filter(None, each), "") for each in _IN_RULE.findall(rule))
    return frozenset(name.partition(":alarm:")[2] or name for name in names)


def uses_of_alarms(
    alarms: Sequence[Mapping[str, Any]], composites: Sequence[Mapping[str, Any]]
) -> tuple[Use, ...]:
    """The alarms, as DescribeAlarms has them, that use a classic metric: themselves or by other alarms."""
    of = {
        name: metrics
        for each in alarms
        if isinstance(name := each.get("AlarmName"), str) and (metrics := metrics_of(each))
    }
    uses = [Use(UseKind.ALARM, name, metrics) for name, metrics in of.items()]
    composite_of: dict[str, list[str]] = defaultdict(list)
    for each in composites:
        name, rule = each.get("AlarmName"), each.get("AlarmRule")
        if isinstance(name, str) and isinstance(rule, str):
            for used in alarms_in(rule):
                composite_of[used].append(name)
    found: dict[str, frozenset[str]] = {}
    waiting = list(of)
    while waiting:  # a composite alarm may be of composite alarms
        used = waiting.pop()
        for name in composite_of[used]:
            before = found.get(name, frozenset())
            more = before | of.get(used, before) | found.get(used, before)
            if name not in of and more != before:
                found[name] = more
                waiting.append(name)
    uses += [Use(UseKind.COMPOSITE, name, metrics) for name, metrics in found.items()]
    return tuple(uses)
