"""The planner: on every schedule, queues one work item for each cluster.

Events: `{}` plans the newest settled window, `{"window_end": "2026-01-01T00:15:00Z"}` the window that ends at
that time. `{"dry_run": true}` queues nothing: it tests the calls that planning makes, and writes nothing but
the metrics of the plan. Its answer has `warnings`: what the settings ask for and is not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from enigap.aws import discovery, topic
from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.placement import Wanted
from enigap.aws.publisher import MetricPublisher
from enigap.aws.state_table import StateTable
from enigap.aws.topic import publish
from enigap.aws.work_queue import WorkQueue, dead_letters
from enigap.core.counting.window import Window
from enigap.core.incidents.incident import News
from enigap.core.instants import instant, timestamp
from enigap.core.messages import reminder_document, storm_document
from enigap.lambdas import environment as variables
from enigap.lambdas import runtime
from enigap.pipeline import Telling, plan, rehearse_planning, warnings_about
from enigap.settings import Settings

OLDEST: Final = timedelta(days=14)
"""PutMetricData rejects older datapoints; one-minute data is kept only a day longer."""

AFTER_DISCOVERY_SECONDS: Final = 35.0
"""Kept back from discovery, to queue and publish what it found, and to remind."""

DRY_RUN_SECONDS: Final = 30.0
"""Of discovery in a dry run, which only tries whether it may ask."""

CLUSTERS_PLANNED: Final = "ClustersPlanned"
"""Published in embedded metric format, with Powertools' dimension `service`."""

logger = Logger(logger_formatter=runtime.LogLines())


@logger.inject_lambda_context
def handler(event: Any, context: runtime.Context) -> dict[str, Any]:
    """Plan one window; the answer lists the clusters that were queued and those that are overdue."""
    now = datetime.now(UTC)
    asked = Asked.from_event(event, now)
    settings, aws = Settings.from_env(os.environ), runtime.aws()
    aws.deadline.seconds_left = lambda: runtime.seconds_left(context)
    states = StateTable(aws.client("dynamodb"), os.environ[variables.STATE_TABLE], now=now)
    publisher = MetricPublisher(aws.client("cloudwatch"), settings.metric_namespace)

    warnings: list[str] = []
    problems: list[AwsProblem] = []

    def clusters() -> tuple[str, ...]:
        wanted = Wanted(clusters=settings.clusters, node_tags=settings.node_tags)
        found = discovery.find_clusters(aws.client("ec2"), aws.client("cloudwatch"), wanted)
        warnings.extend(found.notes)
        if found.problem:
            problems.append(found.problem)
        else:
            warnings.extend(
                warnings_about(settings, found.names, no_node_has_the_tags=found.no_node_has_the_tags)
            )
        return found.names

    def clusters_in_time() -> tuple[str, ...]:
        left = runtime.seconds_left(context) - AFTER_DISCOVERY_SECONDS
        with aws.deadline.within(DRY_RUN_SECONDS if asked.dry_run else left):
            return clusters()

    queue = WorkQueue(aws.client("sqs"), os.environ[variables.WORK_QUEUE_URL])
    if asked.dry_run:
        runtime.rehearse(
            states.rehearse,
            partial(
                rehearse_planning,
                settings=settings,
                now=now,
                clusters=clusters_in_time,
                states=states,
                publisher=publisher,
            ),
            queue.rehearse,
            *(
                partial(topic.rehearse, aws.client("sns"), os.environ[name])
                for name in (variables.TOPIC_ARN, variables.PIPELINE_TOPIC_ARN)
                if name in os.environ
            ),
        )
        if problems and problems[0].kind is not ProblemKind.OUT_OF_TIME:
            raise problems[0]
        return {"dry_run": True, "warnings": warnings}
    account = context.invoked_function_arn.split(":")[4]
    planned = plan(
        asked.window or Window.newest_settled(now, settings.settle),
        account=account,
        region=aws.region,
        settings=settings,
        now=now,
        clusters=clusters_in_time,
        states=states,
        publisher=publisher,
        queue=queue,
        within=aws.deadline.within,
        telling=_telling(aws, settings, account, states, now),
    )
    document = {
        "window_end": timestamp(planned.window.end),
        "clusters": list(planned.clusters),
        "overdue": list(planned.overdue),
    }
    logger.info("planned", extra=document)
    for warning in warnings:
        logger.warning(warning)
    health = Metrics(namespace=settings.metric_namespace)
    health.add_metric(name=CLUSTERS_PLANNED, unit=MetricUnit.Count, value=len(planned.clusters))
    health.flush_metrics()
    if problems:  # of discovery; what it found before is queued
        raise problems[0]
    return document


def _telling(aws: Aws, settings: Settings, account: str, states: StateTable, now: datetime) -> Telling | None:
    """How the plan tells people something; None where it was not deployed with the topics."""
    if variables.PIPELINE_TOPIC_ARN not in os.environ:
        return None
    queues = json.loads(os.environ[variables.DEAD_LETTERS])

    def storm(news: Mapping[str, Sequence[News]]) -> None:
        document = storm_document(
            news,
            account=account,
            region=aws.region,
            dashboard_url=os.environ[variables.DASHBOARD_URL],
            settle=settings.settle,
            runbook_url=settings.runbook_url,
            name_pods=settings.name_pods,
        )
        publish(
            aws.client("sns"),
            os.environ[variables.TOPIC_ARN],
            document,
            news={tally["news"] for tally in document["counts"]},
            verdicts={tally["verdict"] for tally in document["counts"]},
        )
        logger.info("told of a storm", extra={"clusters": list(news)})

    def reminder(since: datetime, overdue: Sequence[str], letters: Mapping[str, int]) -> None:
        document = reminder_document(
            account=account, region=aws.region, since=since, now=now, overdue=overdue, dead_letters=letters
        )
        topic_arn = os.environ[variables.PIPELINE_TOPIC_ARN]
        publish(aws.client("sns"), topic_arn, document, news={"reminder"})

    return Telling(storm, lambda: dead_letters(aws.client("sqs"), queues), reminder, states)


@dataclass(frozen=True, slots=True)
class Asked:
    """A parsed event of the planner."""

    window: Window | None = None
    """The window to plan; None means the newest settled one."""
    dry_run: bool = False

    @classmethod
    def from_event(cls, event: Any, now: datetime) -> Asked:
        """Parse an event. Raises ValueError if it is not one that the planner accepts."""
        takes = 'The planner takes {}, {"window_end": "2026-01-01T00:15:00Z"} or {"dry_run": true}'
        if not isinstance(event, Mapping) or not event.keys() <= {"window_end", "dry_run"}:
            raise ValueError(f"{takes}, and nothing else.")
        dry_run = event.get("dry_run", False)
        if dry_run is not True and dry_run is not False:
            raise ValueError(f"{takes}: dry_run is true or false.")
        try:
            window = Window(instant(event["window_end"])) if "window_end" in event else None
        except (TypeError, ValueError) as error:
            raise ValueError(f"{takes}: {error}.") from error
        if window and window.start < now - OLDEST:
            raise ValueError(
                f"The window that ends at {timestamp(window.end)} is more than {OLDEST.days} days old: "
                "CloudWatch takes no metrics for it any more."
            )
        return cls(window, dry_run)
