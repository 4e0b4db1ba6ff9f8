"""What people read: from news about incidents to the words of every channel.

    News --notification_document--> one JSON object --letter_of--> one letter --for_email---> plain text
                                                                              --for_slack---> Block Kit
                                                                              --for_amazon_q-> notification
                                                                              --for_sns-----> all in one

The JSON object is the contract (docs/schemas/notification-1.schema.json), and every rendering is a function
of it alone. Names come from logs, tags and other people's clusters: `printable` is applied to all of them,
and each rendering adds what its channel needs on top.

What an operator mutes is told the same way, by a JSON object of its own (`notice`).
What many clusters have at once is a `storm`, and what is still wrong with enigap itself a `reminder`;
`letters` has the letter of each.

Read `notification` first, then `words` (an incident in one paragraph), `talkers` (the pods that its traffic
is of), `letter` (what a message says, in which order) and `fitting`; last the renderings, `for_email`,
`for_slack`, `for_amazon_q` and `for_sns`.
"""

from enigap.core.messages.for_amazon_q import amazon_q
from enigap.core.messages.for_email import prose
from enigap.core.messages.for_slack import (
    id_of,
    in_plain_text,
    is_told,
    slack,
    slack_alarm,
    slack_message,
)
from enigap.core.messages.for_sns import sns_message
from enigap.core.messages.letter import letter_of
from enigap.core.messages.letters import any_letter_of
from enigap.core.messages.notice import NoticeKind, notice_document
from enigap.core.messages.notification import NotANotificationError, notification_document
from enigap.core.messages.reminder import reminder_document
from enigap.core.messages.storm import storm_document
from enigap.core.messages.words import CAUSE_WORDS, summary

__all__ = [
    "CAUSE_WORDS",
    "NotANotificationError",
    "NoticeKind",
    "amazon_q",
    "any_letter_of",
    "id_of",
    "in_plain_text",
    "is_told",
    "letter_of",
    "notice_document",
    "notification_document",
    "prose",
    "reminder_document",
    "slack",
    "slack_alarm",
    "slack_message",
    "sns_message",
    "storm_document",
    "summary",
]
