"""The planner: on every schedule, queues one work item for each cluster.

Events: `{}` plans the newest settled window, `{"window_end": "2026-01-01T00:15:00Z"}` the window that ends at
that time. `{"dry_run": true}` queues nothing: it tests the calls that planning makes, and writes nothing but
the metrics of the plan. Its answer has `warnings`: what the settings ask for and is not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from enigap.pipeline import Planned, Telling, plan, rehearse_planning, warnings_about
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
    found = _Discovery(
        settings,
        aws,
        lambda: DRY_RUN_SECONDS if asked.dry_run else runtime.seconds_left(context) - AFTER_DISCOVERY_SECONDS,
    )
    states = StateTable(aws.client("dynamodb"), os.environ[variables.STATE_TABLE], now=now)
    publisher = MetricPublisher(aws.client("cloudwatch"), settings.metric_namespace)
    queue = WorkQueue(aws.client("sqs"), os.environ[variables.WORK_QUEUE_URL])
    if asked.dry_run:
        planning = partial(
            rehearse_planning,
            settings=settings,
            now=now,
            clusters=found.clusters,
            states=states,
            publisher=publisher,
        )
        runtime.rehearse(states.rehearse, planning, queue.rehearse, *_rehearsals_of_topics(aws))
        if found.problem and found.problem.kind is not ProblemKind.OUT_OF_TIME:
            raise found.problem
        return {"dry_run": True, "warnings": found.warnings}
    account = context.invoked_function_arn.split(":")[4]
    planned = plan(
        asked.window or Window.newest_settled(now, settings.settle),
        account=account,
        region=aws.region,
        settings=settings,
        now=now,
        clusters=found.clusters,
        states=states,
        publisher=publisher,
        queue=queue,
        within=aws.deadline.within,
        telling=_telling(aws, settings, account, states, now),
    )
    document = _logged(planned, found.warnings, settings)
    if found.problem:  # what was found before it is queued
        raise found.problem
    return document


class _Discovery:
    """Finds the clusters while there is time, and keeps what to warn of and what went wrong."""

    def __init__(self, settings: Settings, aws: Aws, seconds: Callable[[], float]) -> None:
        self._settings, self._aws, self._seconds = settings, aws, seconds
        self.warnings: list[str] = []
        self.problem: AwsProblem | None = None

    def clusters(self) -> tuple[str, ...]:
        aws, settings = self._aws, self._settings
        wanted = Wanted(clusters=settings.clusters, node_tags=settings.node_tags)
        with aws.deadline.within(self._seconds()):
            found = discovery.find_clusters(aws.client("ec2"), aws.client("cloudwatch"), wanted)
        self.problem = found.problem
        self.warnings += found.notes
        if not found.problem:
            no_tags = found.no_node_has_the_tags
            self.warnings += warnings_about(settings, found.names, no_node_has_the_tags=no_tags)
        return found.names


def _rehearsals_of_topics(aws: Aws) -> Iterator[Callable[[], None]]:
    for name in (variables.TOPIC_ARN, variables.PIPELINE_TOPIC_ARN):
        if name in os.environ:
            yield partial(topic.rehearse, aws.client("sns"), os.environ[name])


def _logged(planned: Planned, warnings: Sequence[str], settings: Settings) -> dict[str, Any]:
    """What was planned, as the function answers, after it is logged and published."""
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
