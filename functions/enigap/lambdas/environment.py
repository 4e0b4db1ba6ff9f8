"""Names that `infra` and the handlers share, foremost those of the functions' environment variables.

The settings are in another variable (`enigap.settings.VARIABLE`).
"""

from typing import Final

WORK_QUEUE_URL: Final = "ENIGAP_WORK_QUEUE_URL"
"""plan: the FIFO queue that takes one work item per cluster and window."""
STATE_TABLE: Final = "ENIGAP_STATE_TABLE"
"""plan, reconcile: the name of the table with one item per cluster; slack: of that for messages posted."""
TOPIC_ARN: Final = "ENIGAP_TOPIC_ARN"
"""plan, reconcile: the topic that findings go to."""
PIPELINE_TOPIC_ARN: Final = "ENIGAP_PIPELINE_TOPIC_ARN"
"""plan: the topic of trouble with enigap itself."""
DEAD_LETTERS: Final = "ENIGAP_DEAD_LETTERS"
"""plan: the URLs of the dead-letter queues by function, as a JSON object."""
DASHBOARD_URL: Final = "ENIGAP_DASHBOARD_URL"
"""plan, reconcile: the link that messages end with."""
SLACK_SECRET: Final = "ENIGAP_SLACK_SECRET"  # noqa: S105 - a secret's name, not a secret
"""slack: the name or ARN of the secret that holds the webhook's address."""

REHEARSED_KEY: Final = "key_arn"
"""No variable but a member of the event with which a self-test calls reconcile: the topic's key."""

FLAGGED: Final = "flagged"
"""The message of reconcile's log line about a flagged node, by which the dashboard finds it."""

POWERTOOLS_SERVICE: Final = "POWERTOOLS_SERVICE_NAME"
POWERTOOLS_NAMESPACE: Final = "POWERTOOLS_METRICS_NAMESPACE"
POWERTOOLS_LOG_LEVEL: Final = "POWERTOOLS_LOG_LEVEL"
