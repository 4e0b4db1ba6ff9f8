"""What the functions' log lines say, and what they leave out."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from enigap.core.counting.node import Node
from enigap.core.counting.units import ByteRate
from enigap.core.documents import node_document
from enigap.core.judging.cluster import NodeReport
from enigap.core.judging.verdict import Verdict
from enigap.lambdas.environment import FLAGGED
from enigap.lambdas.reconcile import flagged_lines
from enigap.lambdas.runtime import LogLines
from tests.core.messages.test_talkers import a_deficit
from tests.fakes.news import HOSTILE_NAMES
from tests.fakes.pipeline_ports import FIRST, judgement, report_of


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


RATES = ("os_bytes_per_second", "eni_bytes_per_second", "unexplained_bytes_per_second")


def as_logged(line: dict[str, Any]) -> dict[str, Any]:
    """What is in the log group of a line with these keys."""
    record = logging.LogRecord("enigap", logging.INFO, __file__, 1, FLAGGED, None, None)
    vars(record).update(line)
    written = LogLines().format(record)
    assert written.isprintable()
    parsed: dict[str, Any] = json.loads(written)
    return parsed


def test_a_rate_of_twelve_digits_is_no_account() -> None:
    odd = replace(judgement("i-1", FIRST, Verdict.IMPLAUSIBLE), os=ByteRate(123456789012.5))
    [line] = flagged_lines(replace(report_of(FIRST, {}), nodes=(NodeReport(odd),)), most=25)
    assert as_logged(line)["os_bytes_per_second"] == 123456789012.5


# --- flagged nodes ---


def test_each_flagged_node_has_a_line_and_the_worst_is_first() -> None:
    nodes = {f"i-{verdict.value}": (verdict,) for verdict in Verdict}
    lines = [as_logged(line) for line in flagged_lines(report_of(FIRST, nodes), most=25)]
    assert {line["message"] for line in lines} == {"flagged"}
    told = [line["verdict"] for line in lines]
    assert set(told) == {v for v in Verdict if v.explained is False} | {Verdict.UNVERIFIED}
    assert told[-1] == "unverified"


def test_of_more_nodes_than_one_incident_lists_only_the_worst_have_lines() -> None:
    nodes = [judgement(f"i-{n}", FIRST, Verdict.OS_DEFICIT, more=n) for n in range(1, 8)]
    report = replace(report_of(FIRST, {}), nodes=tuple(map(NodeReport, nodes)))
    assert [line["instance_id"] for line in flagged_lines(report, most=3)] == ["i-7", "i-6", "i-5"]


def test_a_line_says_what_where_how_much_since_when_and_who() -> None:
    found = a_deficit()
    report = replace(report_of(FIRST, {}), nodes=(NodeReport.of(found),))
    [line] = (as_logged(line) for line in flagged_lines(report, most=25))
    rates = {key: document for key, document in node_document(found.figures).items() if key in RATES}
    assert None not in rates.values()
    assert {key: line[key] for key in line.keys() - {"timestamp", "level", "location", "service"}} == {
        "message": "flagged",
        "instance_id": found.node.instance_id,
        "node_name": found.node.name,
        "verdict": "os_deficit",
        "cause": found.cause,
        **rates,
        "since": "2026-01-01T13:55:00Z",
        "largest_talkers": "shop/front-7d9c5 and shop/store-0 exchanged 32 MB/s; "
        "shop/job-x2 sent 1 MB/s and received 3 MB/s",
    }


def test_a_side_that_is_silent_is_null_and_not_zero() -> None:
    [line] = flagged_lines(report_of(FIRST, {"i-1": (Verdict.OS_SILENT,)}), most=25)
    assert as_logged(line).get("os_bytes_per_second") is None


@pytest.mark.parametrize("text", HOSTILE_NAMES)
def test_names_in_a_line_are_printable_and_bounded(text: str) -> None:
    named = replace(a_deficit(), node=Node("prod", text * 50, text * 50))
    [line] = flagged_lines(replace(report_of(FIRST, {}), nodes=(NodeReport(named),)), most=25)
    logged = as_logged(line)
    assert len(logged["node_name"]) <= 120
    assert len(logged["instance_id"]) <= 120
    assert len(json.dumps(logged)) < 5_000
