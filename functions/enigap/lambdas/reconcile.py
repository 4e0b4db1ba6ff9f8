"""The reconciler: judges the clusters and windows of the work items in the queue.

Failed messages are reported to SQS, which retries them and at last moves them to the dead-letter queue. After
a failure the later messages of the same message group fail, too, because a cluster's windows are judged in
order. Powertools' batch utility is not used: importing it takes a tenth of a second longer than everything
else here together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from enigap.aws import topic
from enigap.aws.publisher import MetricPublisher
from enigap.aws.state_table import StateTable
from enigap.aws.topic import Topic
from enigap.core.counting.window import Window
from enigap.core.documents import Document, node_document
from enigap.core.instants import timestamp
from enigap.core.judging.cluster import ClusterReport
from enigap.core.messages import notification_document
from enigap.core.messages.fitting import name
from enigap.core.messages.talkers import MOST_TALKERS, talkers
from enigap.core.published import is_flagged
from enigap.core.work import WorkItem
from enigap.lambdas import environment as variables
from enigap.lambdas import runtime
from enigap.pipeline import Done, Outcome, reconcile, rehearsal_datum
from enigap.settings import Settings
from enigap.wiring import RECONCILERS_AT_ONCE, assess_cluster, rehearse_reading

RESERVE_SECONDS: Final = 60
"""When less time is left, reading stops, and the rest of the run publishes, stores and notifies."""

WORK_ITEMS_FAILED: Final = "WorkItemsFailed"
SECONDS_AFTER_SETTLING: Final = "SecondsAfterSettling"
"""Delay from settling to judgement. Both metrics are published in embedded metric format, by `service`."""

logger = Logger(logger_formatter=runtime.LogLines())


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: runtime.Context) -> dict[str, Any]:
    """Judge a batch of work items; the answer lists the failed messages, which SQS retries."""
    run = _Run(context)
    if not event["Records"]:  # SQS sends no empty batch: this is the self-test of a deployment.
        run.rehearse(event.get(variables.REHEARSED_KEY))
    failed: list[str] = []
    failed_groups: set[str] = set()
    for record in event["Records"]:
        group = record["attributes"].get("MessageGroupId", "")
        if group in failed_groups or not run.succeeds(record):
            failed_groups.add(group)
            failed.append(record["messageId"])
    run.health.add_metric(name=WORK_ITEMS_FAILED, unit=MetricUnit.Count, value=len(failed))
    run.health.flush_metrics()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


class _Run:
    """One invocation: its adapters, and how it processes a work item with them."""

    def __init__(self, context: runtime.Context) -> None:
        self.context = context
        self.settings, self.now, self.aws = Settings.from_env(os.environ), datetime.now(UTC), runtime.aws()
        self.aws.deadline.seconds_left = self.seconds_left
        self.health = Metrics(namespace=self.settings.metric_namespace)
        self.states = StateTable(self.aws.client("dynamodb"), os.environ[variables.STATE_TABLE], now=self.now)

    def succeeds(self, record: Mapping[str, Any]) -> bool:
        """Process one message. Every error is logged and gives False, so that SQS retries the message."""
        try:
            item = WorkItem.from_json(record["body"])
        except ValueError:
            logger.exception("not a work item", extra={"body": str(record["body"])[:500]})
            return False
        with logger.append_context_keys(cluster=name(item.cluster), window_end=timestamp(item.window.end)):
            if self.out_of_time():
                logger.error("no time left")
                return False
            try:
                attempts = int(record["attributes"].get("ApproximateReceiveCount", 1))
                self.log(item, self.reconcile(item, is_retry=attempts > 1))
            except Exception:
                logger.exception("failed")
                return False
        return True

    def reconcile(self, item: WorkItem, *, is_retry: bool) -> Done:
        def assess(name: str, window: Window, is_followed: Callable[[str], bool]) -> ClusterReport:
            self.aws.deadline.seconds_left = self.seconds_to_read
            try:
                return assess_cluster(
                    self.aws,
                    self.settings,
                    name,
                    window,
                    self.out_of_time,
                    readers=RECONCILERS_AT_ONCE,
                    is_followed=is_followed,
                    memory=runtime.discovered(self.aws),
                )
            finally:
                self.aws.deadline.seconds_left = self.seconds_left

        document_of = partial(
            notification_document,
            account=item.account,
            region=item.region,
            cluster=item.cluster,
            dashboard_url=os.environ[variables.DASHBOARD_URL],
            settle=self.settings.settle,
            runbook_url=self.settings.runbook_url,
            name_pods=self.settings.name_pods,
        )
        return reconcile(
            item,
            settings=self.settings,
            now=self.now,
            assess=assess,
            states=self.states,
            publisher=self.publisher(),
            notifier=Topic(self.aws.client("sns"), os.environ[variables.TOPIC_ARN], document_of),
            within=self.aws.deadline.within,
            is_retry=is_retry,
            turns=self.states,
        )

    def out_of_time(self) -> bool:
        """Whether too little time is left to read more."""
        return self.seconds_to_read() < 0

    def seconds_to_read(self) -> float:
        return self.context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS

    def seconds_left(self) -> float:
        return runtime.seconds_left(self.context)

    def log(self, item: WorkItem, done: Done) -> None:
        """Log the outcome of the item, and each piece of news with its reason."""
        report = done.report
        logger.info(
            "reconciled",
            extra={
                "outcome": done.outcome.value,
                "nodes": report.node_count if report else None,
                "verdicts": report.verdicts if report else None,
                "finding": report.finding.reason if report and report.finding else None,
                "findings": [each.reason for each in report.findings] if report else None,
                "notes": report.notes if report else None,
                "unknown_devices": report.drift.devices if report else None,
                "events_with_missing_fields": report.drift.events if report else None,
                "os_sources": report.os_sources if report else None,
                "billed_metrics": report.billed_metrics if report else None,
                "caught_up": done.caught_up,
                "missed": done.missed,
            },
        )
        for damaged in done.damaged:
            logger.warning(damaged)
        for news in done.news:
            logger.info(
                "told",
                extra={
                    "incident": news.incident.id,
                    "news": news.kind.value,
                    "why": news.why.value,
                    "node_count": news.incident.node_count,
                },
            )
        if report and done.outcome in {Outcome.JUDGED, Outcome.ALREADY_DONE}:  # others are of older windows
            for line in flagged_lines(report, self.settings.collapse_above):
                logger.info(variables.FLAGGED, extra=line)
        if done.outcome is Outcome.JUDGED:
            late = datetime.now(UTC) - item.window.end - self.settings.settle
            self.health.add_metric(
                name=SECONDS_AFTER_SETTLING, unit=MetricUnit.Seconds, value=late.total_seconds()
            )

    def rehearse(self, key_arn: str | None) -> None:
        """Self-test: make the calls of a run and send no message: of the metrics, only a zero is published.

        `key_arn` is that of the topic's key, if it is the stack's own.
        """
        newest = Window.newest_settled(self.now, self.settings.settle)
        runtime.rehearse(
            self.states.rehearse,
            self.states.silences,
            partial(self.publisher().publish, [rehearsal_datum(self.now)]),
            partial(topic.rehearse, self.aws.client("sns"), os.environ[variables.TOPIC_ARN]),
            *([partial(topic.rehearse_key, self.aws.client("kms"), key_arn)] if key_arn else ()),
            partial(rehearse_reading, self.aws, self.settings, newest),
        )

    def publisher(self) -> MetricPublisher:
        return MetricPublisher(self.aws.client("cloudwatch"), self.settings.metric_namespace)


_LOGGED: Final = (
    "verdict",
    "cause",
    "os_bytes_per_second",
    "eni_bytes_per_second",
    "unexplained_bytes_per_second",
    "since",
)
"""What is logged of a flagged node as `documents` has it, beside names."""


def flagged_lines(report: ClusterReport, most: int) -> Iterator[Document]:
    """A log line's keys for each flagged node, so many at most, the worst first."""
    flagged = (node.newest for node in report.worst_first() if is_flagged(node.newest))
    for judgement in islice(flagged, most):
        document = node_document(judgement.figures)
        yield {
            **{key: document[key] for key in _LOGGED},
            "instance_id": name(judgement.node.instance_id),
            "node_name": judgement.node.name and name(judgement.node.name),
            "largest_talkers": "; ".join(talkers(judgement.evidence, MOST_TALKERS)),
        }
