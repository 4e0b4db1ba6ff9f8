"""Single-metric alarms, evaluated on request.

AWS evaluates an alarm on an *evaluation range*: it retrieves more datapoints than EvaluationPeriods (N), then
(CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data"):

* With at least N real datapoints in the range it judges the newest N. TreatMissingData plays no part.
* With fewer, every real datapoint counts, and only as many missing ones are filled in as N needs: as
  breaching, as not breaching, or (`missing`, `ignore`) not at all.
* With none, `missing` gives INSUFFICIENT_DATA and `ignore` keeps the state.
* With `missing` or `ignore` and nothing but breaching datapoints, fewer than DatapointsToAlarm (M), an
  alarm is premature until the oldest of them is at least M periods old; then `missing` gives ALARM.
  `ignore` keeps the state.

ALARM needs M breaching datapoints among those judged. How far the range reaches is not documented beyond
the guide's examples, where N is 3 and the range 5: here it is N + 2 periods. Nor is what `missing` gives
while an alarm is premature: here OK. Windows slide: the newest period ends at the last whole minute,
wherever that is on the clock.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import ge, gt, le, lt
from typing import Any, Final, NamedTuple

import botocore.loaders

from tests.fakes.strict_cloudwatch.protocol import AwsError, Request, next_token, place_of_token
from tests.fakes.strict_cloudwatch.store import (
    MINUTE_SECONDS,
    STATISTICS,
    MetricIdentity,
    Store,
    epoch_second,
    floor_to,
    instant_of,
)
from tests.fakes.strict_cloudwatch.validation import (
    UNITS,
    Refusals,
    choice,
    dimensions_of,
    identity_problems,
    invalid,
    members,
    not_modelled,
    period_problems,
    text,
    too_many,
    whole_number,
)

OK: Final = "OK"
ALARM: Final = "ALARM"
INSUFFICIENT_DATA: Final = "INSUFFICIENT_DATA"
STATES: Final = frozenset({OK, ALARM, INSUFFICIENT_DATA})
TREATMENTS: Final = frozenset({"breaching", "notBreaching", "ignore", "missing"})
EXTRA_PERIODS: Final = 2

DAY_SECONDS: Final = 86_400
ACTIONS_PER_STATE: Final = 5
PUT_ALARM_BODY_BYTES: Final = 120 * 1024
ALARMS_PER_CALL: Final = 100
DEFAULT_PAGE: Final = 50  # not documented; smaller than the ceiling, so that who does not page notices

_COMPARISONS: Final[Mapping[str, tuple[Callable[[float, float], bool], str]]] = {
    "GreaterThanOrEqualToThreshold": (ge, "greater than or equal to"),
    "GreaterThanThreshold": (gt, "greater than"),
    "LessThanThreshold": (lt, "less than"),
    "LessThanOrEqualToThreshold": (le, "less than or equal to"),
}
_ACTIONS_OF_STATE: Final = {
    OK: "OKActions",
    ALARM: "AlarmActions",
    INSUFFICIENT_DATA: "InsufficientDataActions",
}
_REQUIRED: Final = (
    "AlarmName",
    "Namespace",
    "MetricName",
    "Statistic",
    "Period",
    "EvaluationPeriods",
    "Threshold",
    "ComparisonOperator",
)
_NOT_MODELLED: Final = (
    "Metrics",
    "EvaluationCriteria",
    "ThresholdMetricId",
    "ExtendedStatistic",
    "EvaluateLowSampleCountPercentile",
    "EvaluationWindow",
    "EvaluationInterval",
    "WarmUpConfiguration",
    "ActionConfiguration",
)


@dataclass
class Alarm:
    """One alarm: how it is configured (as PutMetricAlarm said it) and the state it is in."""

    arn: str
    configuration: dict[str, Any]
    updated: datetime
    state_updated: datetime
    state: str = INSUFFICIENT_DATA
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str | None = None

    @property
    def name(self) -> str:
        return str(self.configuration["AlarmName"])

    @property
    def metric(self) -> MetricIdentity:
        namespace, name = self.configuration["Namespace"], self.configuration["MetricName"]
        return MetricIdentity(namespace, name, dimensions_of(self.configuration, "PutMetricAlarm"))

    @property
    def period_seconds(self) -> int:
        return int(self.configuration["Period"])

    @property
    def evaluation_periods(self) -> int:
        return int(self.configuration["EvaluationPeriods"])

    @property
    def datapoints_to_alarm(self) -> int:
        return int(self.configuration.get("DatapointsToAlarm", self.evaluation_periods))

    @property
    def missing_data(self) -> str:
        return str(self.configuration.get("TreatMissingData", "missing"))

    def breaches(self, value: float) -> bool:
        compare, _ = _COMPARISONS[self.configuration["ComparisonOperator"]]
        return compare(value, self.configuration["Threshold"])

    def actions(self, state: str) -> tuple[str, ...]:
        """What AWS invokes when the alarm enters this state."""
        if self.configuration.get("ActionsEnabled") is False:
            return ()
        return tuple(self.configuration.get(_ACTIONS_OF_STATE[state], ()))

    def described(self) -> dict[str, Any]:
        """The alarm as DescribeAlarms shows it."""
        own = {name: value for name, value in self.configuration.items() if name != "Tags"}
        lists = {name: own.get(name, []) for name in (*_ACTIONS_OF_STATE.values(), "Dimensions")}
        return {
            "ActionsEnabled": True,
            **own,
            **lists,
            "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": self.updated.timestamp(),
            "StateValue": self.state,
            "StateReason": self.reason,
            "StateUpdatedTimestamp": self.state_updated.timestamp(),
            "StateTransitionedTimestamp": self.state_updated.timestamp(),
            **({"StateReasonData": self.reason_data} if self.reason_data else {}),
        }


class Transition(NamedTuple):
    """An alarm's change of state: `actions` are the ARNs to notify, with the JSON text of `notification`."""

    alarm_name: str
    old_state: str
    new_state: str
    reason: str
    at: datetime
    actions: tuple[str, ...]
    notification: dict[str, Any]

    @property
    def message(self) -> str:
        """What CloudWatch publishes to an SNS topic."""
        return json.dumps(self.notification)

    @property
    def subject(self) -> str:
        """The subject of that SNS message."""
        return f'{self.new_state}: "{self.alarm_name}" in {self.notification["Region"]}'


class Datapoint(NamedTuple):
    """One real datapoint of an evaluation range; the newest period has age 1."""

    age: int
    start: int
    value: float


class Judgement(NamedTuple):
    """The state an evaluation arrives at (None: keep the one it has) and why."""

    state: str | None
    reason: str


class AlarmBook:
    """All alarms of one account and region, and every change of state they went through."""

    def __init__(self, store: Store, region: str, account_id: str) -> None:
        self.alarms: dict[str, Alarm] = {}
        self.transitions: list[Transition] = []
        self._store = store
        self._region = region
        self._account_id = account_id

    def put(self, request: Request, now: datetime) -> dict[str, Any]:
        """PutMetricAlarm: a new alarm starts in INSUFFICIENT_DATA, a changed one keeps its state."""
        configuration = _checked(request)
        name = configuration["AlarmName"]
        known = self.alarms.get(name)
        if known is not None:
            known.configuration, known.updated = configuration, now
            return {}
        arn = f"arn:aws:cloudwatch:{self._region}:{self._account_id}:alarm:{name}"
        self.alarms[name] = Alarm(arn, configuration, updated=now, state_updated=now)
        return {}

    def describe(self, request: Request) -> dict[str, Any]:
        """DescribeAlarms, in order of name."""
        parameters = request.parameters
        refusals = Refusals("ValidationError")
        names, prefix = members(parameters, "AlarmNames"), text(parameters, "AlarmNamePrefix")
        if names and prefix:
            refusals.add("AlarmNamePrefix cannot be specified together with AlarmNames.")
        if len(names) > ALARMS_PER_CALL:
            refusals.add(too_many("AlarmNames", ALARMS_PER_CALL))
        if parameters.get("ChildrenOfAlarmName") or parameters.get("ParentsOfAlarmName"):
            refusals.add(not_modelled("composite alarms: ask for alarms by name or prefix"))
        state = choice(parameters, "StateValue", STATES, refusals)
        most = whole_number(parameters, "MaxRecords")
        page = DEFAULT_PAGE if most is None else most
        if not 1 <= page <= ALARMS_PER_CALL:
            refusals.add(f"The parameter MaxRecords must be between 1 and {ALARMS_PER_CALL}.")
        refusals.raise_if_any()
        try:
            [offset] = place_of_token(parameters, 1) or [0]
        except ValueError as wrong:
            raise AwsError("InvalidNextToken", f"{wrong}.") from wrong
        action = text(parameters, "ActionPrefix")
        found = [
            alarm.described()
            for name, alarm in sorted(self.alarms.items())
            if (not names or name in names)
            and name.startswith(prefix or "")
            and state in {None, alarm.state}
            and _has_action(alarm, action)
            and "MetricAlarm" in (members(parameters, "AlarmTypes") or ["MetricAlarm"])
        ]
        beyond = offset + page
        answer = {"MetricAlarms": found[offset:beyond], "CompositeAlarms": []}
        return answer | next_token(parameters, (beyond,) if beyond < len(found) else None)

    def delete(self, request: Request) -> dict[str, Any]:
        """DeleteAlarms: names that do not exist are passed over."""
        names = members(request.parameters, "AlarmNames")
        if not 1 <= len(names) <= ALARMS_PER_CALL:
            message = f"The collection AlarmNames must have between 1 and {ALARMS_PER_CALL} members."
            raise AwsError("ValidationError", message)
        for name in names:
            self.alarms.pop(name, None)
        return {}

    def set_state(self, request: Request, now: datetime) -> dict[str, Any]:
        """SetAlarmState: enters a state that differs, until the next evaluation says otherwise."""
        parameters = request.parameters
        alarm = self.alarms.get(text(parameters, "AlarmName") or "")
        if alarm is None:
            raise AwsError("ResourceNotFound", "There is no alarm of that name.", 404)
        refusals = Refusals("ValidationError")
        state = choice(parameters, "StateValue", STATES, refusals)
        reason, data = text(parameters, "StateReason"), text(parameters, "StateReasonData")
        if state is None or reason is None:
            refusals.add("The parameters StateValue and StateReason are required.")
        refusals.raise_if_any()
        if data is not None:
            _refuse_unless_json(data)
        self._enter(alarm, str(state), str(reason), data, now)
        return {}

    def evaluate(self, now: datetime) -> list[Transition]:
        """Evaluate every alarm as AWS does once a minute; gives back the changes of state this made."""
        before = len(self.transitions)
        for alarm in self.alarms.values():
            self._evaluate(alarm, now)
        return self.transitions[before:]

    def _evaluate(self, alarm: Alarm, now: datetime) -> None:
        period, statistic = alarm.period_seconds, alarm.configuration["Statistic"]
        newest_end = floor_to(epoch_second(now), MINUTE_SECONDS)
        real: list[Datapoint] = []
        for age in range(1, alarm.evaluation_periods + EXTRA_PERIODS + 1):
            start = newest_end - age * period
            unit = alarm.configuration.get("Unit")
            value = self._store.whole(alarm.metric, statistic, unit=unit, start=start, end=start + period)
            if value is not None:
                real.append(Datapoint(age, start, value))
        judgement = judge(alarm, real)
        if judgement.state is None:
            return
        data = {
            "version": "1.0",
            "queryDate": _aws_time(now),
            "statistic": statistic,
            "period": period,
            "recentDatapoints": [point.value for point in real[: alarm.evaluation_periods]],
            "threshold": alarm.configuration["Threshold"],
        }
        self._enter(alarm, judgement.state, judgement.reason, json.dumps(data), now)

    def _enter(self, alarm: Alarm, state: str, reason: str, data: str | None, now: datetime) -> None:
        old = alarm.state
        if state == old:
            return
        alarm.state, alarm.reason, alarm.reason_data = state, reason, data
        alarm.state_updated = now
        notification = _notification(alarm, old, now, self._region, self._account_id)
        actions = alarm.actions(state)
        self.transitions.append(Transition(alarm.name, old, state, reason, now, actions, notification))


def judge(alarm: Alarm, real: Iterable[Datapoint]) -> Judgement:
    """What an alarm makes of the real datapoints of its evaluation range: see the module's docstring."""
    needed, to_alarm = alarm.evaluation_periods, alarm.datapoints_to_alarm
    judged = sorted(real)[:needed]
    breaching = [point for point in judged if alarm.breaches(point.value)]
    filled = needed - len(judged)
    if filled and alarm.missing_data == "breaching":
        return _crossed(alarm, judged, ALARM if len(breaching) + filled >= to_alarm else OK, filled)
    if filled and alarm.missing_data == "notBreaching":
        return _crossed(alarm, judged, ALARM if len(breaching) >= to_alarm else OK, filled)
    if not judged:
        state = INSUFFICIENT_DATA if alarm.missing_data == "missing" else None
        return Judgement(state, f"Insufficient Data: {_counted(needed, 'datapoint')} unknown.")
    if len(breaching) >= to_alarm:
        return _crossed(alarm, judged, ALARM, 0)
    if len(breaching) < len(judged):
        return _crossed(alarm, judged, OK, 0)
    return _premature(alarm, judged)


def _premature(alarm: Alarm, breaching: list[Datapoint]) -> Judgement:
    if alarm.missing_data == "ignore":
        return Judgement(None, "Missing datapoints are ignored, and the breaching ones are too few.")
    if breaching[-1].age >= alarm.datapoints_to_alarm:
        return _crossed(alarm, breaching, ALARM, 0)
    few = _plural(len(breaching), "breaching datapoint")
    return Judgement(OK, f"{few}, fewer than {alarm.datapoints_to_alarm} and too recent.")


def _crossed(alarm: Alarm, judged: list[Datapoint], state: str, filled: int) -> Judgement:
    """AWS's sentence about a threshold, with the datapoints that speak for the new state."""
    telling = [point for point in judged if alarm.breaches(point.value) is (state == ALARM)]
    if not telling:
        treated = {"breaching": "Breaching", "notBreaching": "NonBreaching"}[alarm.missing_data]
        received = f"{_counted(len(judged), 'datapoint')} received"
        periods = _plural(alarm.evaluation_periods, "period")
        missing = f"{_counted(filled, 'missing datapoint')} treated as [{treated}]"
        return Judgement(state, f"Threshold Crossed: {received} for {periods} and {missing}.")
    shown = ", ".join(f"{point.value} ({instant_of(point.start):%d/%m/%y %H:%M:%S})" for point in telling)
    _, comparison = _COMPARISONS[alarm.configuration["ComparisonOperator"]]
    were = ("were" if len(telling) > 1 else "was") + ("" if state == ALARM else " not")
    needed, to_alarm = alarm.evaluation_periods, alarm.datapoints_to_alarm
    least = to_alarm if state == ALARM else needed - to_alarm + 1
    change = "OK -> ALARM" if state == ALARM else "ALARM -> OK"
    return Judgement(
        state,
        f"Threshold Crossed: {len(telling)} out of the last {_plural(needed, 'datapoint')} "
        f"[{shown}] {were} {comparison} the threshold ({float(alarm.configuration['Threshold'])}) "
        f"(minimum {_plural(least, 'datapoint')} for {change} transition).",
    )


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number or 'no'} {noun}s"


def _counted(number: int, noun: str) -> str:
    return f"{_plural(number, noun)} {'was' if number == 1 else 'were'}"


def _notification(alarm: Alarm, old: str, now: datetime, region: str, account_id: str) -> dict[str, Any]:
    own = alarm.configuration
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": own.get("AlarmDescription"),
        "AWSAccountId": account_id,
        "AlarmConfigurationUpdatedTimestamp": _aws_time(alarm.updated),
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": _aws_time(now),
        "Region": _region_title(region),
        "AlarmArn": alarm.arn,
        "OldStateValue": old,
        **{name: own.get(name, []) for name in _ACTIONS_OF_STATE.values()},
        "Trigger": {
            "MetricName": own["MetricName"],
            "Namespace": own["Namespace"],
            "StatisticType": "Statistic",
            "Statistic": own["Statistic"].upper(),
            "Unit": own.get("Unit"),
            # In notifications, and nowhere else, the members of a dimension are in lower case.
            "Dimensions": [{"value": value, "name": name} for name, value in alarm.metric.dimensions],
            "Period": alarm.period_seconds,
            "EvaluationPeriods": alarm.evaluation_periods,
            "DatapointsToAlarm": alarm.datapoints_to_alarm,
            "ComparisonOperator": own["ComparisonOperator"],
            "Threshold": float(own["Threshold"]),
            "TreatMissingData": alarm.missing_data,
            "EvaluateLowSampleCountPercentile": "",
        },
    }


def _aws_time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}+0000"


@cache
def _region_title(region: str) -> str:
    """The region's name as notifications have it, "Europe (Ireland)"; its code where botocore has no name."""
    for partition in botocore.loaders.Loader().load_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return str(partition["regions"][region]["description"])
    return region


def _checked(request: Request) -> dict[str, Any]:
    parameters = request.parameters
    refusals = Refusals("ValidationError")
    if request.size_bytes > PUT_ALARM_BODY_BYTES:
        refusals.add(f"The alarm is larger than {PUT_ALARM_BODY_BYTES} bytes.")
    for name in _NOT_MODELLED:
        if parameters.get(name):
            refusals.add(not_modelled(f"alarms beyond one statistic of one metric: leave out {name}"))
    refusals.raise_if_any()
    for name in _REQUIRED:
        if parameters.get(name) is None:
            refusals.add(f"The parameter {name} is required.")
    refusals.raise_if_any()
    _check_metric(parameters, refusals)
    _check_periods(parameters, refusals)
    choice(parameters, "ComparisonOperator", frozenset(_COMPARISONS), refusals)
    choice(parameters, "TreatMissingData", TREATMENTS, refusals)
    for name in _ACTIONS_OF_STATE.values():
        if len(members(parameters, name)) > ACTIONS_PER_STATE:
            refusals.add(too_many(name, ACTIONS_PER_STATE))
    if not 1 <= len(str(parameters["AlarmName"])) <= 255:
        refusals.add("The parameter AlarmName must have between 1 and 255 characters.")
    refusals.raise_if_any()
    return dict(parameters)


def _check_metric(parameters: Mapping[str, Any], refusals: Refusals) -> None:
    dimensions = dimensions_of(parameters, "PutMetricAlarm")
    identity = MetricIdentity(parameters["Namespace"], parameters["MetricName"], dimensions)
    for problem in identity_problems(identity, ""):
        refusals.add(problem)
    choice(parameters, "Statistic", STATISTICS, refusals)
    choice(parameters, "Unit", UNITS, refusals)
    if not isinstance(parameters["Threshold"], int | float):
        refusals.add(invalid(parameters["Threshold"], "Threshold"))


def _check_periods(parameters: Mapping[str, Any], refusals: Refusals) -> None:
    period = whole_number(parameters, "Period") or 0
    periods = whole_number(parameters, "EvaluationPeriods") or 0
    for problem in period_problems(period, "Period"):
        refusals.add(problem)
    if periods < 1:
        refusals.add("The parameter EvaluationPeriods must be greater than or equal to 1.")
    to_alarm = whole_number(parameters, "DatapointsToAlarm")
    if to_alarm is not None and not 1 <= to_alarm <= periods:
        refusals.add("The parameter DatapointsToAlarm must be between 1 and EvaluationPeriods.")
    limit, name = (DAY_SECONDS, "a day") if period < 3_600 else (7 * DAY_SECONDS, "a week")
    if period * periods > limit:
        message = f"Metrics cannot be checked across more than {name}"
        refusals.add(f"{message} (EvaluationPeriods * Period must be <= {limit}).")


def _has_action(alarm: Alarm, prefix: str | None) -> bool:
    if prefix is None:
        return True
    actions = (action for name in _ACTIONS_OF_STATE.values() for action in alarm.configuration.get(name, ()))
    return any(action.startswith(prefix) for action in actions)


def _refuse_unless_json(data: str) -> None:
    try:
        json.loads(data)
    except ValueError as broken:
        raise AwsError("InvalidFormat", "StateReasonData is not JSON.") from broken
