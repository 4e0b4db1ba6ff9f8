"""The reminder about enigap itself: what an alarm said once and is still so, once a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from enigap.core import strict
from enigap.core.documents import Document
from enigap.core.incidents.incident import NewsKind
from enigap.core.instants import instant, timestamp
from enigap.core.messages.fitting import argument, lasting, name
from enigap.core.messages.letter import LONGEST_SUMMARY, TAGS, Letter, Paragraph, Step, subject_line
from enigap.core.messages.notification import reading
from enigap.core.text import count

REMINDER_SCHEMA: Final = "enigap.reminder/1"
MOST_NAMED: Final = 20


def reminder_document(
    *,
    account: str,
    region: str,
    since: datetime,
    now: datetime,
    overdue: Sequence[str],
    dead_letters: Mapping[str, int],
) -> Document:
    """The reminder of clusters that are overdue and of dead letters, by the function that failed them."""
    return {
        "schema": REMINDER_SCHEMA,
        "id": f"reminder/{account}/{region}/{now:%Y-%m-%dT%H}",
        "account": account,
        "region": region,
        "at": timestamp(now),
        "since": timestamp(since),
        "overdue_count": len(overdue),
        "overdue": [name(cluster) for cluster in overdue[:MOST_NAMED]],
        # As CloudWatch's alarms have it: subscriptions of the pipeline's topic filter by it.
        "NewStateValue": "ALARM",
        "dead_letters": {each: number for each, number in sorted(dead_letters.items()) if number},
    }


@reading("reminder")
def reminder_letter(document: Mapping[str, Any]) -> Letter:
    """The message that a reminder comes to. Raises NotANotificationError."""
    account, region = strict.text(document["account"]), strict.text(document["region"])
    strict.text(document["NewStateValue"])  # no part of the letter, but subscriptions filter by it
    since, now = instant(document["since"]), instant(document["at"])
    overdue = strict.count(document["overdue_count"])
    named = ", ".join(name(strict.text(each)) for each in document["overdue"][:MOST_NAMED])
    dead = {strict.text(each): strict.count(number) for each, number in document["dead_letters"].items()}
    parts, paragraphs, steps = [], [], []
    if overdue:
        parts.append(f"{count(overdue, 'cluster')} overdue")
        more = f", and {overdue - MOST_NAMED:,} more" if overdue > MOST_NAMED else ""
        said = f"You may be told nothing about the nodes of {count(overdue, 'cluster')} not judged for two"
        paragraphs.append(Paragraph(name(f"{said} schedules: {named}{more}.", LONGEST_SUMMARY)))
        steps.append(Step("To see what is overdue:", f"enigap status --region {argument(region)}"))
    if dead:
        parts.append(count(sum(dead.values()), "dead letter"))
        numbers = ", ".join(f"{number:,} of {name(each)}" for each, number in dead.items())
        paragraphs.append(Paragraph(f"Dead letters, about which nothing is tried any more: {numbers}."))
        steps.append(
            Step(
                "To put them back, or to purge them: docs/operations.md, "
                '"When a dead-letter queue is not empty".'
            )
        )
    what = ", ".join(parts) or "nothing"
    return Letter(
        subject=subject_line(TAGS[NewsKind.REMINDER], "enigap itself", "", what),
        title=f"Still so: enigap itself: {what}",
        state=NewsKind.REMINDER,
        paragraphs=tuple(paragraphs),
        steps=tuple(steps),
        circumstances=f"For {lasting(since, now)}, region {name(region)}, account {name(account)}",
        thread="reminder",
        account=account,
        region=region,
    )
