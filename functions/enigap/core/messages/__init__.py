"""What people read: from news about incidents to the words of every channel.

    News --event.notification--> one JSON object --for_email---> subject, email
                                                 --for_slack---> Block Kit
                                                 --for_amazon_q-> custom notification
                                                 --for_sns-----> all of them, as one SNS message

The JSON object is the contract (docs/schemas/notification-1.schema.json), and every rendering is a function
of it alone. Names come from logs, tags and other people's clusters: `printable` is applied to all of them,
and each rendering adds what its channel needs on top.

Read `notification` first, then `words` (an incident in one paragraph), `letter` (what a message says, in
which order) and `fitting`; last the renderings, `for_email`, `for_slack`, `for_amazon_q` and `for_sns`.
"""

from enigap.core.messages.for_amazon_q import amazon_q
from enigap.core.messages.for_email import prose, subject
from enigap.core.messages.for_slack import slack, slack_alarm, slack_message
from enigap.core.messages.for_sns import sns_message
from enigap.core.messages.notification import NotAnEventError, notification
from enigap.core.messages.words import CAUSE_WORDS, summary

__all__ = [
    "CAUSE_WORDS",
    "NotAnEventError",
    "amazon_q",
    "notification",
    "prose",
    "slack",
    "slack_alarm",
    "slack_message",
    "sns_message",
    "subject",
    "summary",
]
