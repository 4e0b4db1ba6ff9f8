"""Whatever the names and however many incidents: every message stays within its channel's limits and form."""

import json
import re
from typing import Any

import pytest
from hypothesis import given

from enigap.core.documents import Document
from enigap.core.incidents.incident import NewsKind, Silence
from enigap.core.judging.cluster import FindingKind, is_finding
from enigap.core.messages import (
    CAUSE_WORDS,
    NoticeKind,
    in_plain_text,
    letter_of,
    notice_document,
    prose,
    slack_message,
    sns_message,
)
from enigap.core.messages.words import FINDING_WORDS
from tests.fakes.news import (
    HOSTILE_NAMES,
    any_event,
    as_amazon_q,
    as_email,
    as_slack,
    event,
    finding,
    incident,
    judged,
    names,
    opened,
    subject_of,
)
from tests.fakes.readings import WINDOW

KIB = 1024
LEADS = ("Opened:", "Still open:", "Resolved:")
WORDS = (*CAUSE_WORDS.values(), *FINDING_WORDS.values())
OWN_STARTS = (
    "  ",
    "And ",
    "Dashboard:",
    "Instance:",
    "Device events:",
    "Runbook:",
    "What it means, ",
    "Nothing to do.",
    "This is a test, sent with `enigap notify --test`. Nothing to do.",
    "To ",
    "Window ",
    "Region ",
    *(words.to_do[:30] for words in WORDS),
)

blocks = pytest.importorskip("slack_sdk.models.blocks", reason="what the functions have has no Slack SDK")


def texts_of(value: Any) -> list[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in texts_of(child)]


def incidents_to_tell(document: Document) -> list[Document]:
    """The incidents that people are told of, or that are counted for them: a test tells of none."""
    incidents: list[Document] = [] if document.get("test") else document["incidents"]
    return incidents


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(any_event())
def test_a_subject_is_one_short_line_of_ascii(document: Document) -> None:
    line = subject_of(document)
    assert 0 < len(line) < 100
    assert line.isascii()
    assert line.isprintable()
    assert line.startswith(("[OPEN] ", "[REMINDER] ", "[RESOLVED] ", "[TEST] enigap: "))


@given(any_event())
def test_no_name_can_start_a_line_of_an_email(document: Document) -> None:
    lines = as_email(document).split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(as_email(document).splitlines()) == len(lines) - 1
    starts = (*LEADS, *OWN_STARTS)
    assert all(line.startswith(starts) for line in lines if line)


@given(any_event())
def test_an_email_has_lines_of_72_characters_with_each_link_and_command_alone_on_its_own(
    document: Document,
) -> None:
    letter = letter_of(document)
    alone = [*(link for _, link in letter.links), *(step.command for step in letter.steps if step.command)]
    lines = prose(letter).split("\n")
    assert [line.removeprefix("    ") for line in lines if line.removeprefix("    ") in alone] == alone
    assert all(len(line) <= 72 or line.removeprefix("    ") in alone for line in lines)


@given(any_event())
def test_every_incident_is_in_an_email_or_counted(document: Document) -> None:
    lines = as_email(document).split("\n")
    told = sum(line.startswith(LEADS) for line in lines)
    incidents = incidents_to_tell(document)
    assert told + more_incidents(as_email(document)) == len(incidents)
    nodes_left = sum(item["node_count"] for item in incidents[told:])
    assert more_incidents(as_email(document), "nodes") == nodes_left


REST = re.compile(r"^And (?P<incidents>[\d,]+) more incidents? about (?P<nodes>[\d,]+) nodes?:", re.MULTILINE)


def more_incidents(text: str, what: str = "incidents") -> int:
    """How many incidents, or nodes, a message says it leaves out."""
    rest = REST.search(text)
    return int(rest[what].replace(",", "")) if rest else 0


@given(any_event())
def test_a_subject_counts_the_nodes_of_all_open_incidents_exactly(document: Document) -> None:
    document = {**document, "test": False}
    open_nodes = sum(
        item["node_count"]
        for item in document["incidents"]
        if item["news"] != NewsKind.RESOLVED and not is_finding(item["verdict"])
    )
    found = re.search(r"([\d,]+) nodes?(: | unexplained \()", letter_of(document).title)
    if found and letter_of(document).state is not NewsKind.RESOLVED:
        assert int(found[1].replace(",", "")) == open_nodes
    else:
        assert open_nodes <= 1 or letter_of(document).state is NewsKind.RESOLVED


@given(any_event())
def test_a_slack_message_is_within_slacks_limits(document: Document) -> None:
    check_slack(as_slack(document))


@given(names)
def test_whatever_lies_in_the_queue_becomes_a_message_within_slacks_limits(body: str) -> None:
    check_slack(slack_message(body))
    check_slack(slack_message(json.dumps({"AlarmName": body, "NewStateValue": body, "AlarmArn": body})))


def check_slack(message: Document) -> None:
    json.loads(json.dumps(message))
    assert 0 < utf16_units(message["text"]) <= 40_000
    assert 0 < len(message["blocks"]) <= 50
    assert "attachments" not in message
    for block in message["blocks"]:
        assert block["type"] in {"header", "section", "context", "rich_text"}
        # Slack's own models know its limits, in characters; Slack counts UTF-16's units.
        parsed = blocks.Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
        for part in texts_in(block):
            assert 0 < utf16_units(part["text"]) <= (150 if block["type"] == "header" else 3_000)
            if part["type"] == "mrkdwn":
                assert LINKS.fullmatch(part["text"]) or FIELD.fullmatch(part["text"])
                continue
            assert part["type"] in {"plain_text", "text"}
            assert part.get("emoji", False) is False
            assert "<" not in part["text"]
            assert ">" not in part["text"]
            assert not re.search(r"&(?!amp;|lt;|gt;)", part["text"])
        assert all(utf16_units(field["text"]) <= 2_000 for field in block.get("fields", ()))
    for text in texts_of(message):
        assert all(line.isprintable() for line in text.split("\n"))
        assert not re.search(r"<[!@#]", text)
    plain = in_plain_text(message)
    assert set(plain) == {"text", "mrkdwn"}
    assert 0 < utf16_units(plain["text"]) <= 40_000
    assert "<" not in plain["text"]


LINKS = re.compile(r"(<https://[^<>|\s]+\|(Dashboard|Instance|Device events|Runbook|Alarm)>( {3})?)+")
FIELD = re.compile(r"\*[A-Za-z, ]+\*\n[A-Za-z0-9 .,:()/+-]+")


def texts_in(value: Any) -> list[Document]:
    """Every text object in a block."""
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in texts_in(child)]


@given(any_event())
def test_every_incident_is_in_a_slack_message_of_bearable_length_or_counted(document: Document) -> None:
    texts = [block["text"]["text"] for block in as_slack(document)["blocks"] if block["type"] == "section"]
    told = [text for text in texts if text.startswith(LEADS)]
    rests = [text for text in texts if text.startswith("And ")]
    incidents = incidents_to_tell(document)
    # The state of a single one is in the header.
    assert (len(told) or len(incidents) == 1) + more_incidents("\n".join(rests)) == len(incidents)
    assert sum(map(utf16_units, texts)) <= 15_000


@given(any_event())
def test_every_node_of_a_listed_incident_is_shown_or_counted_in_slack(document: Document) -> None:
    check_nodes(document)


def test_nodes_whose_names_leave_no_room_for_all_are_counted_in_slack() -> None:
    document = event(
        opened(incident([judged(number, 12e6, 30e6, 35e6) for number in range(1, 13)], wide=True))
    )
    for node in document["incidents"][0]["nodes"]:
        node["node_name"] = "🦊" * 300
    assert 0 < check_nodes(document) < 10


NODE_LINE = re.compile(
    r"^- (?:.*: (?:at least .* unexplained|.* carried)|(?:and )?[\d,]+ (?:more )?nodes?)$", re.MULTILINE
)


def check_nodes(document: Document) -> int:
    """How many nodes are shown."""
    shown = 0
    sections = [block["text"]["text"] for block in as_slack(document)["blocks"] if block["type"] == "section"]
    listed = [item["node_count"] for item in incidents_to_tell(document) if item["nodes"]]
    for text in sections:
        lines = NODE_LINE.findall(text)
        if lines:
            more = re.fullmatch(r"- (?:and )?([\d,]+) (?:more )?nodes?", lines[-1])
            counted = int(more[1].replace(",", "")) if more else 0
            shown += len(lines) - bool(more)
            assert len(lines) - bool(more) + counted in listed
    return shown


@given(any_event())
def test_a_notification_for_amazon_q_has_its_form_and_mentions_nobody(document: Document) -> None:
    notification = as_amazon_q(document)
    content, metadata = notification["content"], notification["metadata"]
    assert (notification["version"], notification["source"]) == ("1.0", "custom")
    assert content["textType"] == "client-markdown"
    assert 0 < utf16_units(content["title"]) <= 250
    assert 0 < utf16_units(content["description"]) <= 8_000
    steps = content.get("nextSteps", [])
    assert steps
    assert all(0 < len(step) <= 1_500 for step in steps)
    assert metadata["threadId"]
    assert all(line.isprintable() for line in metadata["threadId"].split("\n"))
    for text in texts_of(content):
        assert "<" not in text
        for mark in "*~":
            assert mark not in re.sub("`[^`]*`", "", text.replace(f"\u200b{mark}\u200b", ""))
    # Code is what the project says is code, and nothing else. An `&` is in a link, or begins an entity.
    assert all(step.count("`") % 2 == 0 for step in steps)
    own = content["description"].replace("`enigap notify --test`", "", int(bool(document.get("test"))))
    assert "`" not in "".join([own, content["title"], *content["keywords"]])
    for line in "\n".join(texts_of(content)).split("\n"):
        if not re.fullmatch(r"(Dashboard|Instance|Device events|Runbook): https://[^<>|`*~\[\]\s]+", line):
            assert not re.search(r"&(?!amp;|lt;|gt;)", line)


@given(any_event())
def test_what_sns_gets_is_within_its_limit_and_says_the_same_to_everybody(document: Document) -> None:
    check_sns(document)


@pytest.mark.parametrize(
    ("incidents", "long"),
    [(500, "x" * 20), (500, "x" * 300), (500, "🦊" * 300), (2, "x" * 1_000_000), (2, "\n" * 1_000_000)],
    ids=["names", "long names", "foxes", "a megabyte", "a megabyte of lines"],
)
def test_hundreds_of_incidents_and_names_without_end_are_still_one_message(incidents: int, long: str) -> None:
    judgement = judged(1, 12e6, 30e6, 35e6)
    document = event(*[opened(incident([judgement]))] * incidents)
    document["incidents"] = json.loads(json.dumps(document["incidents"]))
    for number, item in enumerate(document["incidents"]):
        item["id"] = f"{number:03}/{long}"
        item["summary"] = long
        for node in item["nodes"]:
            node["node_name"] = node["reason"] = long
            node["evidence"] = {"devices": [{"device": long}] * 3}
    check_sns(document)
    assert subject_of(document) == f"[OPEN] prod: {incidents} nodes os_deficit"


def check_sns(document: Document) -> None:
    published = sns_message(document)
    text = published["Message"]
    assert published["Subject"] == subject_of(document)
    assert len(text.encode()) <= 256 * KIB
    message = json.loads(text)
    assert set(message) == {"default", "email", "https", "lambda", "sqs"}
    assert all(isinstance(part, str) and part for part in message.values())
    assert message["default"] == message["email"] == as_email(document)
    assert json.loads(message["https"]) == as_amazon_q(document)
    assert message["lambda"] == message["sqs"]
    told = json.loads(message["sqs"])
    assert subject_of(told).replace("...", "…") == subject_of(document).replace("...", "…")
    for what in ("incidents", "nodes"):
        assert total(told, what) == total(document, what)
    check_slack(slack_message(message["sqs"]))


def total(document: Document, what: str) -> int:
    counted = sum(1 if what == "incidents" else item["node_count"] for item in document["incidents"])
    left_out: int = sum(tally[what] for tally in document.get("left_out", ()))
    return counted + left_out


def test_too_large_an_event_loses_device_lists_before_it_loses_nodes_and_nodes_before_incidents() -> None:
    nodes = [judged(number, 12e6, 30e6, 35e6, {"eth0": (6e6, 6e6)}) for number in range(1, 11)]
    whole = event(opened(incident(nodes, wide=True)))

    def told_with(devices: int, copies: int) -> list[Document]:
        document = json.loads(json.dumps(whole))
        for node in document["incidents"][0]["nodes"]:
            node["evidence"]["devices"] *= devices
        document["incidents"] *= copies
        incidents: list[Document] = json.loads(json.loads(sns_message(document)["Message"])["sqs"])[
            "incidents"
        ]
        return incidents

    (kept,) = told_with(devices=1, copies=1)
    assert [len(node["evidence"]["devices"]) for node in kept["nodes"]] == [1] * 10
    (kept,) = told_with(devices=300, copies=1)
    assert [node["evidence"]["devices"] for node in kept["nodes"]] == [[]] * 10
    assert [node["evidence"]["devices_left_out"] for node in kept["nodes"]] == [300] * 10
    few = told_with(devices=30, copies=20)
    assert len(few) == 20
    assert {len(item["nodes"]) for item in few} < {1, 3, 5}
    assert {item["node_count"] for item in few} == {10}
    assert len(told_with(devices=2, copies=500)) < 500


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_a_hostile_name_is_shown_and_does_nothing(name: str) -> None:
    document = event(opened(incident([judged(1, 12e6, 30e6, 35e6)])), cluster=name)
    item = document["incidents"][0]
    item["summary"] = item["nodes"][0]["node_name"] = item["nodes"][0]["instance_id"] = name
    document["incidents"] = [{**item, "node_count": 2}]
    check_slack(as_slack(document))
    check_sns(document)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name[:20])
    assert shown[:20].strip() in as_email(document).replace("\n  ", " ")


def test_what_can_be_formatted_in_slack_shows_literally() -> None:
    document = event(opened(incident([judged(1, 12e6, 30e6, 35e6)])), cluster="*b* _i_ ~s~ `c` <!here>")
    header = as_slack(document)["blocks"][0]["text"]
    assert header["type"] == "plain_text"
    assert "Opened: *b* _i_ ~s~ `c` &lt;!here&gt;: " in header["text"]


def test_names_that_are_usual_are_not_touched_in_any_channel() -> None:
    document = event(opened(incident([judged(1, 12e6, 30e6, 35e6)])), cluster="prod_eu-1")
    email = as_email(document).replace("\n  ", " ")
    for rendering in (email, json.dumps(as_slack(document)), json.dumps(as_amazon_q(document))):
        assert "ip-10-0-3-1.eu-west-1.compute.internal (i-00000000000000001)" in rendering
        assert "prod_eu-1" in rendering
        assert "os_deficit" in rendering
        assert "\\u200b" not in rendering


@pytest.mark.parametrize("cause", CAUSE_WORDS)
def test_no_command_or_address_for_amazon_q_has_anything_in_it_that_cannot_be_seen(cause: str) -> None:
    document = event(opened(incident([judged(1, 12e6, 30e6, 35e6)])))
    document["incidents"] = [{**item, "cause": cause} for item in document["incidents"]]
    content = as_amazon_q(document)["content"]
    assert "\u200b" not in json.dumps(content, ensure_ascii=False)
    link = as_email(document).partition("Dashboard:\n    ")[2].partition("\n")[0]
    assert "&end=" in link
    assert f"\n\nDashboard: {link}\n\n" in content["description"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/&lt;!channel&gt;", "/&amp;lt;!channel&amp;gt;"),
        ("/&#60;!here&#62;", "/&amp;\u200b#\u200b60;!here&amp;\u200b#\u200b62;"),
        ("/<!channel>", "/&lt;!channel&gt;"),
        ("|x", "\u200b|\u200bx"),
        ("/[x](https://e)", "/\u200b[\u200bx\u200b]\u200b(https://e)"),
        ("/*x*`y`", "/\u200b*\u200bx\u200b*\u200b'y'"),
    ],
)
def test_an_address_with_marks_in_it_is_text_like_any_other_for_amazon_q(url: str, shown: str) -> None:
    judgement = judged(1, 12e6, 30e6, 35e6)
    document = event(opened(incident([judgement])), dashboard_url=f"https://e.example{url}")
    description = as_amazon_q(document)["content"]["description"]
    assert f"\n\nDashboard: https://e.example{shown}\n\n" in description


def test_a_remedy_between_backticks_can_be_copied_for_amazon_q() -> None:
    remedy = 'aws eks update-addon --configuration-values \'{"containerInsights":{"enabled":true}}\''
    told = finding(FindingKind.NOT_COLLECTED, 2, f"It is off; `{remedy}` switches it on.")
    assert f"; '{remedy}' switches" in as_amazon_q(event(opened(told)))["content"]["description"]


@given(names, names, names)
def test_a_notice_with_any_names_stays_within_every_channels_limits(incident: str, why: str, by: str) -> None:
    silence = Silence(incident, WINDOW.end, why)
    document = notice_document(NoticeKind.MUTED, silence, account="123456789012", region="eu-west-1", by=by)
    published = sns_message(document)
    assert 0 < len(published["Subject"]) < 100
    assert published["Subject"].isascii()
    assert published["Subject"].isprintable()
    lines = as_email(document).splitlines()
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith(("Muted:", "To ", "Region ", "  ")) for line in lines if line)
    check_slack(as_slack(document))
