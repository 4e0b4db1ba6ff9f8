"""Beliefs about what is deployed."""

from __future__ import annotations

from math import isinf
from typing import Final

from enigap.core.doctor.belief import Belief, Outcome, cannot_tell, told
from enigap.core.doctor.observed import NotSeen, Observations
from enigap.core.text import count

SCHEDULES_OVERDUE: Final = 2
QUEUE_SECONDS: Final = 1800.0
"""A message that is older waits for something that fails."""


def planned(o: Observations) -> Outcome:
    if isinstance(o.deployment, NotSeen):
        return cannot_tell(o.deployment.why)
    if isinstance(minutes := o.deployment.minutes_since_plan, NotSeen):
        return cannot_tell(minutes.why)
    allowed = SCHEDULES_OVERDUE * o.deployment.schedule_minutes
    said = "no plan in a day" if isinf(minutes) else f"the last plan was made {minutes:.0f} min ago"
    return told(minutes <= allowed, said, **({} if isinf(minutes) else {"minutes": minutes}))


def judged(o: Observations) -> Outcome:
    if isinstance(o.deployment, NotSeen):
        return cannot_tell(o.deployment.why)
    if isinstance(overdue := o.deployment.overdue, NotSeen):
        return cannot_tell(overdue.why)
    return told(overdue == 0, f"{count(overdue, 'cluster')} overdue", overdue=overdue)


def subscribed(o: Observations) -> Outcome:
    if isinstance(o.deployment, NotSeen):
        return cannot_tell(o.deployment.why)
    there, missing = o.deployment.subscriptions, o.deployment.not_told
    if isinstance(there, NotSeen):
        return cannot_tell(there.why)
    if isinstance(missing, NotSeen):
        return cannot_tell(missing.why)
    said = f"{count(there, 'subscription')}, {missing} missing or not confirmed"
    return told(there > 0 and missing == 0, said, subscriptions=there, missing=missing)


def alarm_actions(o: Observations) -> Outcome:
    if isinstance(o.deployment, NotSeen):
        return cannot_tell(o.deployment.why)
    failed, all_of_them = o.deployment.alarm_actions_failed, o.deployment.alarm_actions
    if isinstance(failed, NotSeen):
        return cannot_tell(failed.why)
    if not failed and not all_of_them:
        return cannot_tell("no alarm has acted in the last days")
    return told(failed == 0, f"{count(failed, 'action')} of alarms failed", failed=failed)


def queues(o: Observations) -> Outcome:
    if isinstance(o.deployment, NotSeen):
        return cannot_tell(o.deployment.why)
    if isinstance(seconds := o.deployment.queue_seconds, NotSeen):
        return cannot_tell(seconds.why)
    return told(seconds <= QUEUE_SECONDS, f"the oldest message waited {seconds:.0f} s", seconds=seconds)


BELIEFS: Final = (
    Belief(
        "deployed-plans",
        f"The schedule starts the planner, and its metrics arrive: a plan in {SCHEDULES_OVERDUE} schedules.",
        "Nothing is judged, and only the alarm on missing plans says so.",
        ("enigap.core.published.Metric", "enigap.lambdas.plan"),
        planned,
        "look at the plan function's log and at the schedule",
    ),
    Belief(
        "deployed-judges",
        "Each cluster is judged within two schedules.",
        "Findings come late.",
        ("enigap.pipeline.overdue_clusters",),
        judged,
        "see `enigap status`",
    ),
    Belief(
        "deployed-tells",
        "Each address in the settings is subscribed to both topics, and has confirmed it.",
        "No message arrives.",
        ("enigap.aws.deployment.unsubscribed",),
        subscribed,
        "see `enigap status`, which says how to subscribe again",
    ),
    Belief(
        "deployed-alarms",
        "CloudWatch may publish to the topic of the pipeline's alarms.",
        "The pipeline fails and no message says so.",
        ("enigap.aws.topic",),
        alarm_actions,
        "correct the topic's policy and that of its key, `kms_key_arn`",
    ),
    Belief(
        "deployed-queues",
        f"No message waits longer than {QUEUE_SECONDS / 60:.0f} minutes in a queue.",
        "Clusters are overdue.",
        ("enigap.aws.work_queue",),
        queues,
        "look at the reconcile function's log, errors and throttles",
    ),
)
