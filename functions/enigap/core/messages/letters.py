"""From any of the documents that this project publishes to its letter, by the schema."""

from __future__ import annotations

from enigap.core.documents import Document
from enigap.core.messages.letter import Letter, letter_of
from enigap.core.messages.reminder import REMINDER_SCHEMA, reminder_letter
from enigap.core.messages.storm import STORM_SCHEMA, storm_letter


def any_letter_of(document: Document) -> Letter:
    """The message that a document comes to. Raises NotANotificationError for one of no known schema."""
    of_schema = {STORM_SCHEMA: storm_letter, REMINDER_SCHEMA: reminder_letter}
    schema = document.get("schema")
    return of_schema.get(schema if isinstance(schema, str) else "", letter_of)(document)
