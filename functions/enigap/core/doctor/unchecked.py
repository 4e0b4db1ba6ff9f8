"""Beliefs that no command checks, each with the reason."""

from __future__ import annotations

from typing import Final

from enigap.core.doctor.belief import Belief


def _belief(id_: str, claim: str, depends: str, relies_on: str, reason: str) -> Belief:
    return Belief(id_, claim, depends, tuple(relies_on.split()), reason=reason)


BELIEFS: Final = (
    _belief(
        "stopped-is-none",
        "A stopped instance has no datapoints, and not zeros.",
        "A node that was stopped would count as idle.",
        "enigap.core.counting.reading.eni_is_silent",
        "It would take an instance that stops while it is watched; no node that runs can show it.",
    ),
    _belief(
        "os-after-gap",
        "The first value after a gap averages over the gap.",
        "Bytes would be missed, or counted in the wrong window.",
        "enigap.core.counting.reading.complete_periods",
        "Its period is never judged, so nothing depends on more than that it is left out.",
    ),
    _belief(
        "filters",
        "DescribeInstances takes 200 filter values and 500 instances a page; ListMetrics has series of three "
        "hours or two weeks.",
        "Nodes would not be found.",
        "enigap.aws.placement.FILTER_VALUES",
        "AWS refuses a request that is too large: it is an error with a sentence, and no wrong answer.",
    ),
    _belief(
        "cluster-tags",
        "A node's cluster is in one of the known tags, or in its series.",
        "Nodes that have never published are not found.",
        "enigap.aws.placement.NAME_TAGS enigap.aws.placement.OWNERSHIP_TAG",
        "A node that is in neither looks like any other instance of the account.",
    ),
    _belief(
        "series-listed",
        "ListMetrics has a new series within a quarter of an hour, and for two weeks.",
        "A new node is `warming_up` or `os_silent` for longer.",
        "enigap.core.judging.verdict.Verdict",
        "It would take a node that starts while it is watched.",
    ),
    _belief(
        "node-name",
        "A node is called as its private DNS name unless it is told otherwise.",
        "Two series of one instance could be mixed up, which the next run sees.",
        "enigap.core.counting.node.Node",
        "It only decides between several series of one instance.",
    ),
    _belief(
        "metric-limits",
        "GetMetricData takes 500 queries, and 180,000 datapoints a second.",
        "Throttling: `unreadable` in large clusters.",
        "enigap.aws.metrics.QUERIES_PER_CALL enigap.aws.metrics.DATAPOINTS_PER_SECOND",
        "To check the quota is to spend it, and the deployed enigap needs it.",
    ),
    _belief(
        "log-permission",
        "FilterLogEvents is checked on the log group's ARN, with or without `:*` at its end.",
        "No evidence: `unverified`.",
        "enigap.aws.device_events.ACTIONS",
        "Both are granted; where it is denied, all checks of events say so with the action.",
    ),
    _belief(
        "addon-permission",
        "DescribeAddon is checked on the add-on's ARN, which begins with the cluster's.",
        "A finding does not say why a cluster is not collected.",
        "enigap.aws.addon.ACTIONS",
        "It is asked only about clusters that publish nothing, and is optional.",
    ),
    _belief(
        "publish-condition",
        "PutMetricData has the condition key `cloudwatch:namespace`.",
        "Nothing could be published: the deployment's self-test fails.",
        "enigap.aws.publisher.actions",
        "The self-test of a deployment publishes a metric; `deployed-plans` sees what arrives.",
    ),
    _belief(
        "scheduler-source",
        "EventBridge Scheduler assumes its role with the ARN of the schedule group.",
        "No plan is made.",
        "enigap.lambdas.plan",
        "`deployed-plans` sees what follows from it.",
    ),
    _belief(
        "dead-man",
        "An alarm on missing data goes off when no plan was made.",
        "The pipeline dies unnoticed.",
        "enigap.core.published.Metric",
        "It would take a pipeline that is stopped on purpose.",
    ),
    _belief(
        "retries",
        "Lambda retries a failed plan twice and then writes to the dead letters.",
        "A plan is lost; the next one makes up for it.",
        "enigap.lambdas.plan",
        "It would take a plan that fails on purpose; an alarm watches the dead letters.",
    ),
    _belief(
        "fresh-permissions",
        "The permissions of a new role are in force within a minute.",
        "A first deployment is rolled back.",
        "enigap.lambdas.self_test",
        "It concerns the minutes of a deployment only.",
    ),
    _belief(
        "secret-arn",
        "The ARN of a secret ends with a hyphen and six characters.",
        "No message to Slack.",
        "enigap.aws.secrets",
        "`enigap notify --test` sends a message through the whole channel.",
    ),
    _belief(
        "function-logs",
        "Functions may write to the log groups that the stack makes.",
        "A failure leaves no trace.",
        "enigap.lambdas.runtime",
        "The alarms on errors do not depend on logs; the first run of a function shows it.",
    ),
    _belief(
        "runtime",
        "The region has the runtime and architecture of the functions.",
        "The deployment fails.",
        "enigap.settings.Settings",
        "AWS refuses the deployment with a sentence.",
    ),
    _belief(
        "prices",
        "AWS's prices are those of the list that `enigap estimate` names with its date.",
        "The bill is another one.",
        "enigap.cli.cost.PRICES_AS_OF",
        "Prices come from a list and not from the account; the bill shows them.",
    ),
    _belief(
        "otel-billed",
        "Of PromQL only the samples of series that match are billed, each time that they are read.",
        "Reading OpenTelemetry's counters costs more than `enigap estimate` says.",
        "enigap.aws.promql.PromQL",
        "No answer says what was scanned. To find out, look a day later at CloudWatch's PromQL samples in "
        "Cost Explorer, by usage type, against what `enigap doctor --migration` said before it began.",
    ),
    _belief(
        "console-links",
        "The console's addresses have the form that links in messages have.",
        "A link leads nowhere.",
        "enigap.core.console",
        "The console is no API: only a person who is signed in can follow a link.",
    ),
)
