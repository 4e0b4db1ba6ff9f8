"""The schemas in docs/schemas hold for what enigap sends, and for nothing else."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from enigap.core.documents import Document
from enigap.core.incidents.incident import NewsKind, Silence
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.verdict import Cause, Verdict
from enigap.core.messages import NoticeKind, notice_document, sns_message
from enigap.core.messages.notice import NOTICE_SCHEMA
from enigap.core.messages.notification import NOTIFICATION_SCHEMA
from enigap.core.work import WORK_SCHEMA, WorkItem
from tests.fakes.news import any_event, event, finding, incident, judged, opened, resolved
from tests.fakes.readings import WINDOW

SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"


def schema(name: str) -> Document:
    document: Document = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return document


NOTIFICATION = Draft202012Validator(schema("notification-1"))
WORK = Draft202012Validator(schema("work-1"))

BLIND = judged(
    7, 12.1e6, 30e6, 35.2e6, {"eth0": (6e6, 6.1e6), "eni0123456789a": (1e3, 1e3), "new0": (1.0, 1.0)}
)
EVENT = event(opened(incident([BLIND])), resolved(incident([judged(8, None, 1e6, 1e6)])))
ITEM = WorkItem("123456789012", "eu-west-1", "prod", WINDOW).document()


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.name)
def test_a_schema_is_one(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


def test_the_schemas_name_what_the_code_writes() -> None:
    assert schema("notification-1")["properties"]["schema"]["const"] == NOTIFICATION_SCHEMA
    assert schema("work-1")["properties"]["schema"]["const"] == WORK_SCHEMA
    assert schema("notice-1")["properties"]["schema"]["const"] == NOTICE_SCHEMA
    assert set(schema("notice-1")["properties"]["notice"]["enum"]) == set(NoticeKind)
    definitions = schema("notification-1")["$defs"]
    assert set(definitions["news"]["enum"]) == set(NewsKind)
    assert set(definitions["cause"]["enum"]) == {*Cause, None}
    assert set(definitions["node"]["properties"]["verdict"]["enum"]) == set(Verdict)
    unexplained = {verdict for verdict in Verdict if verdict.explained is False}
    assert set(definitions["incident"]["properties"]["verdict"]["enum"]) == {*unexplained, *FindingKind}


def test_an_event_and_a_work_item_hold_to_their_schemas() -> None:
    NOTIFICATION.validate(EVENT)
    NOTIFICATION.validate(event(opened(finding(FindingKind.NOT_COLLECTED, 7)), runbook_url=None))
    WORK.validate(ITEM)


def test_a_schema_knows_every_field_that_is_written() -> None:
    definitions = schema("notification-1")["$defs"]
    node = EVENT["incidents"][0]["nodes"][0]
    assert set(EVENT) <= set(schema("notification-1")["properties"])
    assert set(EVENT["incidents"][0]) == set(definitions["incident"]["properties"])
    assert set(node) == set(definitions["node"]["properties"])
    assert set(node["evidence"]) <= set(definitions["evidence"]["properties"])
    assert set(node["evidence"]["devices"][0]) == set(definitions["device"]["properties"])
    assert set(ITEM) == set(schema("work-1")["properties"])


@given(any_event())
def test_every_event_holds_to_its_schema_before_and_after_it_is_cut_to_what_sns_takes(
    document: Document,
) -> None:
    NOTIFICATION.validate(document)
    NOTIFICATION.validate(json.loads(json.loads(sns_message(document)["Message"])["sqs"]))


def test_an_event_that_leaves_incidents_out_holds_to_its_schema() -> None:
    whole = event(*[opened(incident([BLIND] * 10))] * 500)
    told = json.loads(json.loads(sns_message(whole)["Message"])["sqs"])
    assert len(told["incidents"]) < 500
    assert told["left_out"]
    NOTIFICATION.validate(told)


def test_more_fields_may_be_added() -> None:
    NOTIFICATION.validate({**EVENT, "mood": "calm"})
    WORK.validate({**ITEM, "attempt": 2})


def broken(document: Document, *path: str | int, to: Any = None, without: bool = False) -> Document:
    """A copy with one value replaced or left out."""
    copy: Document = json.loads(json.dumps(document))
    place: Any = copy
    for step in path[:-1]:
        place = place[step]
    if without:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return copy


NODE = ("incidents", 0, "nodes", 0)


@pytest.mark.parametrize("path", [(key,) for key in schema("notification-1")["required"]], ids=str)
def test_an_event_without_one_of_its_fields_is_refused(path: tuple[str]) -> None:
    assert not NOTIFICATION.is_valid(broken(EVENT, *path, without=True))


@pytest.mark.parametrize(
    "wrong",
    [
        broken(EVENT, "schema", to="enigap.notification/2"),
        broken(EVENT, "account", to="prod"),
        broken(EVENT, "cluster", to=""),
        broken(EVENT, "window", "end", to="2026-01-01 14:30"),
        broken(EVENT, "window", "end", to="2026-01-01T14:30:00+01:00"),
        broken(EVENT, "dashboard_url", to=None),
        broken(EVENT, "test", to="yes"),
        broken(EVENT, "incidents", 0, "news", to="closed"),
        broken(EVENT, "incidents", 0, "verdict", to="agree"),
        broken(EVENT, "incidents", 0, "cause", to="gremlins"),
        broken(EVENT, "incidents", 0, "node_count", to=-1),
        broken(EVENT, "incidents", 0, "node_count", to=1.5),
        broken(EVENT, "incidents", 0, "summary", to=""),
        broken(EVENT, "incidents", 0, "nodes", to=[EVENT["incidents"][0]["nodes"][0]] * 11),
        broken(EVENT, "incidents", 0, "verdict", to="not_collected"),
        broken(EVENT, *NODE, "instance_id", to=""),
        broken(EVENT, *NODE, "os_bytes_per_second", to="12 MB/s"),
        broken(EVENT, *NODE, "os_bytes_per_second", to=-1.0),
        broken(EVENT, *NODE, "evidence", to={}),
        broken(EVENT, *NODE, "evidence", "devices", 0, "kind", to="imaginary"),
        {**EVENT, "left_out": [{"news": "opened", "verdict": "os_silent", "incidents": 0, "nodes": 0}]},
    ],
)
def test_a_wrong_event_is_refused(wrong: Document) -> None:
    assert not NOTIFICATION.is_valid(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        broken(ITEM, "schema", to="enigap.work/2"),
        broken(ITEM, "account", to="1234"),
        broken(ITEM, "cluster", to=""),
        broken(ITEM, "region", without=True),
        broken(ITEM, "window_end", to="2026-01-01T14:31:00Z"),
        broken(ITEM, "window_end", to=None),
    ],
)
def test_a_wrong_work_item_is_refused(wrong: Document) -> None:
    assert not WORK.is_valid(wrong)


def test_the_time_to_see_a_window_again_is_written_for_any_settling() -> None:
    late = event(opened(incident([BLIND])), settle=timedelta(minutes=60))
    assert late["settled_at"] == "2026-01-01T15:30:00Z"
    NOTIFICATION.validate(late)


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("by", ["ann@example.com", None])
def test_a_notice_holds_to_its_schema_and_has_all_its_fields(kind: NoticeKind, by: str | None) -> None:
    document = notice_document(
        kind, Silence("prod/*", WINDOW.end, "w" * 5_000), account="123456789012", region="r", by=by
    )
    Draft202012Validator(schema("notice-1")).validate(document)
    assert set(document) == set(schema("notice-1")["properties"])
