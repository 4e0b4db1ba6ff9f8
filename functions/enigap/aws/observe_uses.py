"""Looks for alarms and dashboards that use the classic Container Insights, for `enigap doctor --migration`.

All of it is optional: what may not be read is said with the action's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind, calling
from enigap.aws.iam import Statement
from enigap.aws.observe_documents import metrics_of_dashboard, uses_of_alarms
from enigap.aws.pace import Pace
from enigap.aws.pages import items, pages
from enigap.core.doctor.usages import Usages, Use, UseKind
from enigap.core.text import count, printable

ACTIONS: Final = (
    Statement(("cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard", "cloudwatch:ListDashboards")),
)
"""Optional, beside those of `enigap check`."""

MOST_ALARMS: Final = 5_000
MOST_DASHBOARDS: Final = 300
SECONDS: Final = 90.0
MOST_REQUESTS: Final = MOST_ALARMS // 100 + MOST_DASHBOARDS + 1
_DASHBOARDS_PER_SECOND: Final = 5.0
"""Half of AWS's quota of GetDashboard."""
_LARGEST_BODY: Final = 4_000_000
"""Characters of a dashboard that are looked at; the largest has 500 widgets of some kilobytes."""


def usages(aws: Aws, say: Callable[[str], None]) -> Usages:
    """What of the account's alarms and dashboards uses the classic Container Insights. No error is raised."""
    client = aws.client("cloudwatch")
    not_seen: list[str] = []
    with aws.deadline.within(SECONDS):
        say("reading alarms")
        alarms, composites = _alarms(client, not_seen)
        uses = uses_of_alarms(alarms, composites)
        say("reading dashboards")
        names = _dashboards(client, not_seen)
        of_alarms = {each.name: each.metrics for each in uses}
        shown = _shown(client, names, of_alarms, Pace(_DASHBOARDS_PER_SECOND, sleep=aws.sleep), not_seen)
        found = (*uses, *(Use(UseKind.DASHBOARD, name, each) for name, each in shown if each))
    return Usages(
        tuple(sorted(found, key=Use.order)), len(alarms) + len(composites), len(names), tuple(not_seen)
    )


_Alarms = list[Mapping[str, Any]]


def _alarms(client: Any, not_seen: list[str]) -> tuple[_Alarms, _Alarms]:
    """Metric alarms and composite ones."""
    request = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100}

    def read(page: Mapping[str, Any]) -> tuple[_Alarms, _Alarms]:
        others = items({"CompositeAlarms": [], **page}, "CompositeAlarms")
        return list(items(page, "MetricAlarms")), list(others)

    alarms: _Alarms = []
    composites: _Alarms = []
    try:
        action = "cloudwatch:DescribeAlarms"
        for some, others in pages(action, client, client.describe_alarms, request, read):
            alarms += some
            composites += others
            if len(alarms) + len(composites) >= MOST_ALARMS:
                not_seen.append(f"only the first {MOST_ALARMS:,} alarms were read")
                break
    except AwsProblem as problem:
        not_seen.append(_why(problem))
    return alarms, composites


def _dashboards(client: Any, not_seen: list[str]) -> list[str]:
    names: list[str] = []

    def read(page: Mapping[str, Any]) -> list[str]:
        return [str(each["DashboardName"]) for each in items(page, "DashboardEntries")]

    try:
        for some in pages("cloudwatch:ListDashboards", client, client.list_dashboards, {}, read):
            names += some
    except AwsProblem as problem:
        not_seen.append(_why(problem))
    if len(names) > MOST_DASHBOARDS:
        not_seen.append(f"only {MOST_DASHBOARDS:,} of {count(len(names), 'dashboard')} were read")
    return names[:MOST_DASHBOARDS]


def _shown(
    client: Any,
    names: list[str],
    alarms: Mapping[str, frozenset[str]],
    pace: Pace,
    not_seen: list[str],
) -> Iterator[tuple[str, frozenset[str]]]:
    """Each dashboard's name with the classic metrics that it shows."""
    for name in names:
        pace.wait()
        try:
            with calling("cloudwatch:GetDashboard", client):
                body = str(client.get_dashboard(DashboardName=name)["DashboardBody"])
        except AwsProblem as problem:
            not_seen.append(_why(problem))
            if problem.concerns_every_call or problem.kind is ProblemKind.OUT_OF_TIME:
                return
            continue
        try:
            if len(body) > _LARGEST_BODY:
                raise ValueError("it is too large")  # noqa: TRY301 - the same sentence for both
            yield name, metrics_of_dashboard(body, alarms)
        except ValueError:
            not_seen.append(f"the dashboard {printable(name)} cannot be read")


def _why(problem: AwsProblem) -> str:
    more = ", which `enigap policy --doctor` allows" if problem.kind is ProblemKind.DENIED else ""
    return f"{problem.what}{more}"
