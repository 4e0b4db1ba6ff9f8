"""Alarms as this project deploys them, evaluated on request: one statistic of one metric above a threshold.

AWS evaluates an alarm on an *evaluation range*: it retrieves more datapoints than EvaluationPeriods (N), then
(CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data"):

* With at least N real datapoints in the range it judges the newest N. TreatMissingData plays no part.
* With fewer, every real datapoint counts, and only as many missing ones are filled in as N needs: as
  breaching or as not breaching.

All N have to breach for ALARM. How far the range reaches is not documented beyond the guide's examples,
where N is 3 and the range 5: here it is N + 2 periods. Windows slide: the newest period ends at the last
whole minute, wherever that is on the clock.

Everything else an alarm of AWS can be is refused: other comparisons, M out of N, missing data that is
ignored or kept missing, actions other than of ALARM.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from tests.fakes.strict_cloudwatch.protocol import Request
from tests.fakes.strict_cloudwatch.store import (
    MINUTE_SECONDS,
    STATISTICS,
    MetricIdentity,
    Store,
    epoch_second,
    floor_to,
)
from tests.fakes.strict_cloudwatch.validation import (
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
EXTRA_PERIODS: Final = 2
DAY_SECONDS: Final = 86_400
ACTIONS_PER_STATE: Final = 5
NAME_CHARACTERS: Final = 255

_REQUIRED: Final = (
    "AlarmName",
    "Namespace",
    "MetricName",
    "Statistic",
    "Period",
    "EvaluationPeriods",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",  # AWS has a default, which is not modelled
)
_MODELLED: Final = frozenset({*_REQUIRED, "Dimensions", "AlarmDescription", "AlarmActions"})
_CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "ComparisonOperator": frozenset({"GreaterThanThreshold"}),
    "TreatMissingData": frozenset({"breaching", "notBreaching"}),
}


@dataclass
class Alarm:
    """One alarm: how it is configured (as PutMetricAlarm said it) and the state it is in."""

    configuration: dict[str, Any]
    state_updated: datetime
    state: str = INSUFFICIENT_DATA

    def described(self) -> dict[str, Any]:
        """The alarm as DescribeAlarms shows it."""
        return {
            **self.configuration,
            "StateValue": self.state,
            "StateUpdatedTimestamp": self.state_updated.timestamp(),
        }


class Transition(NamedTuple):
    """An alarm's change of state, and the ARNs that AWS notifies of it."""

    alarm_name: str
    old_state: str
    new_state: str
    actions: tuple[str, ...]


class AlarmBook:
    """All alarms of one account and region."""

    def __init__(self, store: Store) -> None:
        self.alarms: dict[str, Alarm] = {}
        self._store = store

    def put(self, request: Request, now: datetime) -> dict[str, Any]:
        """PutMetricAlarm: a new alarm starts in INSUFFICIENT_DATA, a changed one keeps its state."""
        configuration = _checked(request.parameters)
        alarm = self.alarms.setdefault(configuration["AlarmName"], Alarm(configuration, state_updated=now))
        alarm.configuration = configuration
        return {}

    def describe(self, request: Request) -> dict[str, Any]:
        """DescribeAlarms: all of them, in order of name."""
        refusals = Refusals("ValidationError")
        for name in request.parameters:
            refusals.add(not_modelled(f"a choice of alarms: leave out {name}"))
        refusals.raise_if_any()
        return {"MetricAlarms": [alarm.described() for _, alarm in sorted(self.alarms.items())]}

    def evaluate(self, now: datetime) -> list[Transition]:
        """Evaluate every alarm as AWS does once a minute; gives back the changes of state this made."""
        changes = []
        for name, alarm in self.alarms.items():
            old, new = alarm.state, self._state(alarm.configuration, now)
            if new != old:
                alarm.state, alarm.state_updated = new, now
                told = members(alarm.configuration, "AlarmActions") if new == ALARM else []
                changes.append(Transition(name, old, new, tuple(told)))
        return changes

    def _state(self, alarm: Mapping[str, Any], now: datetime) -> str:
        needed, period = alarm["EvaluationPeriods"], alarm["Period"]
        newest_end = floor_to(epoch_second(now), MINUTE_SECONDS)
        ends = [newest_end - age * period for age in range(needed + EXTRA_PERIODS)]
        values = [
            self._store.whole(_metric_of(alarm), alarm["Statistic"], unit=None, start=end - period, end=end)
            for end in ends
        ]
        breaching = [value > alarm["Threshold"] for value in values if value is not None][:needed]
        filled = [alarm["TreatMissingData"] == "breaching"] * (needed - len(breaching))
        return ALARM if all(breaching + filled) else OK


def _metric_of(alarm: Mapping[str, Any]) -> MetricIdentity:
    return MetricIdentity(alarm["Namespace"], alarm["MetricName"], dimensions_of(alarm, "PutMetricAlarm"))


def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    refusals = Refusals("ValidationError")
    for name in sorted(set(parameters) - _MODELLED):
        refusals.add(not_modelled(f"this kind of alarm: leave out {name}"))
    for name in _REQUIRED:
        if parameters.get(name) is None:
            refusals.add(f"The parameter {name} is required.")
    refusals.raise_if_any()
    for problem in identity_problems(_metric_of(parameters), ""):
        refusals.add(problem)
    choice(parameters, "Statistic", STATISTICS, refusals)
    for name, choices in _CHOICES.items():
        if text(parameters, name) not in choices:
            refusals.add(not_modelled(f"a {name} of {parameters[name]}"))
    if not isinstance(parameters["Threshold"], int | float):
        refusals.add(invalid(parameters["Threshold"], "Threshold"))
    if len(members(parameters, "AlarmActions")) > ACTIONS_PER_STATE:
        refusals.add(too_many("AlarmActions", ACTIONS_PER_STATE))
    if not 1 <= len(str(parameters["AlarmName"])) <= NAME_CHARACTERS:
        refusals.add(f"The parameter AlarmName must have between 1 and {NAME_CHARACTERS} characters.")
    _check_periods(parameters, refusals)
    refusals.raise_if_any()
    return dict(parameters)


def _check_periods(parameters: Mapping[str, Any], refusals: Refusals) -> None:
    period = whole_number(parameters, "Period") or 0
    periods = whole_number(parameters, "EvaluationPeriods") or 0
    for problem in period_problems(period, "Period"):
        refusals.add(problem)
    if periods < 1:
        refusals.add("The parameter EvaluationPeriods must be greater than or equal to 1.")
    limit, name = (DAY_SECONDS, "a day") if period < 3_600 else (7 * DAY_SECONDS, "a week")
    if period * periods > limit:
        message = f"Metrics cannot be checked across more than {name}"
        refusals.add(f"{message} (EvaluationPeriods * Period must be <= {limit}).")
