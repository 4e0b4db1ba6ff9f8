"""What the functions' log lines leave out."""

import json
import logging

import pytest

from enigap.lambdas.runtime import LogLines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "to arn:aws:sts::123456789012:assumed-role/plan/x",
            "to arn:aws:sts::ACCOUNT:assumed-role/plan/x",
        ),
        (
            "https://sqs.eu-west-1.amazonaws.com/123456789012/work.fifo",
            "https://sqs.eu-west-1.amazonaws.com/ACCOUNT/work.fifo",
        ),
        ('not a work item: {"account":"123456789012"}', 'not a work item: {"account":"ACCOUNT"}'),
        ("123456789012", "ACCOUNT"),
        ("in account 123456789012", "in account ACCOUNT"),
        ("arn:aws:iam::123456789012", "arn:aws:iam::ACCOUNT"),
        ("123456789012 bytes in 2026", "123456789012 bytes in 2026"),
    ],
)
def test_the_accounts_number_is_in_no_line(text: str, shown: str) -> None:
    record = logging.LogRecord("enigap", logging.ERROR, __file__, 1, "failed", None, None)
    record.why = text
    assert json.loads(LogLines().format(record))["why"] == shown
