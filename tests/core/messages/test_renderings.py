"""What the messages say. Complete ones are in tests/core/messages/rendered, as they arrive."""

import difflib
import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.documents import Document
from enigap.core.incidents.incident import NewsReason, Silence
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.verdict import Cause, Judgement, Reason, Verdict
from enigap.core.messages import (
    CAUSE_WORDS,
    NotANotificationError,
    NoticeKind,
    notice_document,
    notification_document,
    slack_alarm,
    slack_message,
    sns_message,
    summary,
)
from enigap.core.messages.fitting import beginning_and_end, lasting
from enigap.core.messages.words import FINDING_WORDS
from enigap.core.text import duration
from tests.fakes.news import (
    DASHBOARD,
    as_amazon_q,
    as_email,
    as_slack,
    event,
    finding,
    incident,
    judged,
    opened,
    reminder,
    resolved,
    subject_of,
)
from tests.fakes.readings import WINDOW

EXAMPLES = Path(__file__).parent / "rendered"

BLIND = judged(7, 12.1e6, 30e6, 35.2e6)
SILENT = [judged(number, None, 4e6 * number, 1e6) for number in range(40, 0, -1)]
DROPPING = judged(9, 81e6, 40e6, 14e6, {"eth0": (40e6, 41e6)})
WRAPPED = judged(8, 3e17, 1e6, 1e6)
UNSTEADY = replace(
    SILENT[0],
    verdict=Verdict.OS_UNSTEADY,
    reason=Reason("EC2 reported 161 MB/s, and Container Insights stopped and started again 5 times"),
)

ONE_NODE = event(opened(incident([BLIND])))
MANY_NODES = event(
    opened(incident(SILENT, wide=True)),
    reminder(incident([DROPPING], windows=98)),
    resolved(incident([WRAPPED], windows=6), NewsReason.NODE_GONE),
)
NOT_COLLECTED = event(opened(finding(FindingKind.NOT_COLLECTED, 40)))
OVER = event(resolved(incident(SILENT, windows=9, wide=True)), runbook_url=None)
TEST = event(opened(incident([BLIND]), NewsReason.TEST), cluster="test")

EVENTS = {
    "one-node": ONE_NODE,
    "many-nodes": MANY_NODES,
    "not-collected": NOT_COLLECTED,
    "over": OVER,
    "test": TEST,
}


def test_the_examples_are_what_they_are_meant_to_be() -> None:
    verdicts = [judgement.verdict for judgement in (BLIND, SILENT[0], DROPPING, WRAPPED)]
    assert verdicts == [Verdict.OS_DEFICIT, Verdict.OS_SILENT, Verdict.OS_EXCESS, Verdict.IMPLAUSIBLE]


@pytest.mark.parametrize("name", EVENTS)
def test_an_email_reads_like_its_example(name: str) -> None:
    like_example(f"{name}.email.txt", f"Subject: {subject_of(EVENTS[name])}\n\n{as_email(EVENTS[name])}")


@pytest.mark.parametrize("name", EVENTS)
def test_a_slack_message_reads_like_its_example(name: str) -> None:
    like_example(
        f"{name}.slack.json", f"{json.dumps(as_slack(EVENTS[name]), indent=2, ensure_ascii=False)}\n"
    )


@pytest.mark.parametrize("name", ["one-node", "many-nodes", "not-collected", "test"])
def test_a_notification_for_amazon_q_reads_like_its_example(name: str) -> None:
    like_example(
        f"{name}.amazon-q.json", f"{json.dumps(as_amazon_q(EVENTS[name]), indent=2, ensure_ascii=False)}\n"
    )


def unwrapped(text: str) -> str:
    return text.replace("\n  ", " ")


def like_example(name: str, text: str) -> None:
    """Compares with the file; with UPDATE_EXAMPLES=1 in the environment it writes the file instead."""
    path = EXAMPLES / name
    if os.environ.get("UPDATE_EXAMPLES"):
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    difference = difflib.unified_diff(expected.splitlines(), text.splitlines(), name, "now", lineterm="")
    assert text == expected, "\n".join(difference)


# --- the sentence


def test_a_blind_node_is_told_about_as_the_design_has_it() -> None:
    assert summary(opened(incident([BLIND]))) == (
        "ip-10-0-3-7.eu-west-1.compute.internal (i-00000000000000007) in prod: the network interfaces "
        "carried 65.2 MB/s, the OS counted 12.1 MB/s. Counting never makes the OS see less: at least 46.8 "
        "MB/s unexplained for two windows (14:00-14:30 UTC). Likely: a device moved into a pod, kernel "
        "bypass, or the agent in the wrong network namespace."
    )


def test_a_deficit_in_one_direction_only_does_not_claim_that_the_os_counted_less_in_total() -> None:
    mixed = judged(7, 130e6, 30e6, 30e6, {"eth0": (30e6, 1e6), "eni0123456789a": (50e6, 49e6)})
    assert mixed.verdict is Verdict.OS_DEFICIT
    assert mixed.os is not None
    assert mixed.eni is not None
    assert mixed.os > mixed.eni
    said = summary(opened(incident([mixed])))
    assert "the network interfaces sent 30 MB/s, the physical devices counted 1 MB/s of it" in said
    assert "never makes the OS see less" not in said


@pytest.mark.parametrize("verdict", [v for v in Verdict if v.explained is False])
@pytest.mark.parametrize("wide", [False, True])
def test_every_unexplained_verdict_has_words_of_its_own(verdict: Verdict, *, wide: bool) -> None:
    example = next(j for j in (BLIND, SILENT[0], UNSTEADY, DROPPING, WRAPPED) if j.verdict is verdict)
    said = summary(opened(incident([example], wide=wide)))
    assert "for two windows (14:00-14:30 UTC)" in said
    assert said.count("14:30") == 1
    assert "in prod:" in said
    assert verdict.value not in said, "the verdict's name is for programs"


@pytest.mark.parametrize(
    ("judgement", "seen", "meaning", "likely"),
    [
        (
            WRAPPED,
            "the OS side reported 300 PB/s",
            ", more than any machine can move",
            "a counter was reset and the agent took that for a wrap-around, as agents before 1.300029 do",
        ),
        (
            SILENT[0],
            "EC2 reported 161 MB/s and Container Insights nothing",
            ": the agent is down or blind on this node, or its metrics are lost",
            "the CloudWatch agent is down, or is not allowed to write to CloudWatch",
        ),
        (
            DROPPING,
            "the physical devices sent 41 MB/s, the network interfaces 14 MB/s",
            ": at least 21.1 MB/s more was counted than carried",
            CAUSE_WORDS[Cause.TRANSMIT_DROPS].likely,
        ),
    ],
    ids=["implausible", "os_silent", "os_excess"],
)
def test_how_long_comes_right_after_what_was_seen_and_before_what_it_means(
    judgement: Judgement, seen: str, meaning: str, likely: str
) -> None:
    _, _, said = summary(opened(incident([judgement]))).partition(" in prod: ")
    assert said == f"{seen} for two windows (14:00-14:30 UTC){meaning}. Likely: {likely}."


def test_a_device_whose_name_looks_like_the_end_of_a_sentence_is_told_whole() -> None:
    odd = judged(7, 10e6, 10e6, 1e6, {"a: b": (3.07e17, 1e6)})
    assert odd.verdict is Verdict.IMPLAUSIBLE
    assert (
        "Device a: b reported 307 PB/s for two windows (14:00-14:30 UTC), more than any machine can move."
        in summary(opened(incident([odd])))
    )


def test_a_reason_whose_parts_are_unknown_is_told_whole() -> None:
    told = incident([WRAPPED])
    whole = replace(told.nodes[0], reason=Reason.of_sentence("Something: it was in the way."))
    assert "in prod: Something: it was in the way for two windows (14:00-14:30 UTC). Likely" in summary(
        opened(replace(told, nodes=(whole,)))
    )


@pytest.mark.parametrize("kind", FindingKind)
def test_a_finding_about_the_whole_cluster_has_words_of_its_own(kind: FindingKind) -> None:
    assert summary(opened(finding(kind, 40))).startswith("prod: ")
    assert "any of its 40 nodes for two windows" in summary(opened(finding(kind, 40)))
    assert "its only node" in summary(opened(finding(kind, 1)))
    assert kind in FINDING_WORDS


def test_a_finding_that_knows_more_says_that_instead_of_what_is_likely() -> None:
    known = finding(
        FindingKind.UNREADABLE, 40, "AWS denied cloudwatch:GetMetricData: allow it in the policy."
    )
    assert summary(opened(known)) == (
        "prod: AWS denied cloudwatch:GetMetricData: allow it in the policy. Nothing could be judged for two "
        "windows (14:00-14:30 UTC)."
    )


def test_every_cause_has_its_words_and_one_next_step() -> None:
    assert set(CAUSE_WORDS) == set(Cause)
    for words in CAUSE_WORDS.values():
        assert words.likely
        assert not words.likely.endswith(".")
        assert words.next_step


def test_what_is_to_be_done_ends_like_a_sentence_or_before_its_command_and_closes_its_code() -> None:
    for words in (*CAUSE_WORDS.values(), *FINDING_WORDS.values()):
        assert words.to_do.endswith(":" if words.command else ".")
        assert words.to_do.count("`") % 2 == 0
        assert "{" not in words.to_do


@pytest.mark.parametrize("rendering", [as_email, as_slack, as_amazon_q])
def test_every_command_says_which_region_it_is_about(rendering: Callable[[Document], str | Document]) -> None:
    said = rendering(NOT_COLLECTED)
    text = said if isinstance(said, str) else json.dumps(said)
    commands = re.findall(r'(?:aws eks|enigap (?:check|silence)) [^\\\n`"]+', text)
    assert len(commands) == 3
    assert all(" --region eu-west-1" in command for command in commands)


def test_names_in_a_command_stay_within_their_quotes() -> None:
    odd = event(opened(finding(FindingKind.NOT_COLLECTED, 2)), cluster="{region}", region="a'; reboot; '")
    [command] = re.findall("    (aws eks .*)", as_email(odd))
    assert shlex.split(command)[-4:] == ["--cluster-name", "{region}", "--region", "a'; reboot; '"]


def test_the_steps_speak_of_several_only_where_there_are_several() -> None:
    one, two = opened(incident([BLIND])), opened(incident([DROPPING]))
    alone = as_email(event(one, resolved(incident([WRAPPED]))))
    assert "To see it device by device:" in alone
    assert "To mute it:" in alone
    both = as_email(event(one, two))
    assert "To see the worst node device by device:" in both
    assert "To mute the first of the 2 open incidents:" in both
    wide = as_email(event(opened(incident(SILENT, wide=True))))
    assert "To see the worst node device by device:" in wide
    assert "To mute it:" in wide


def test_incidents_that_had_no_room_are_still_several() -> None:
    more = [
        {"news": news, "verdict": "os_deficit", "incidents": 3, "nodes": 3} for news in ("opened", "resolved")
    ]
    cut = as_email({**ONE_NODE, "left_out": more})
    assert "To see the worst node device by device:" in cut
    assert "To mute the first of the 4 open incidents:" in cut


def test_what_is_not_known_to_be_likely_is_not_called_likely() -> None:
    receiving_too_much = judged(9, 81e6, 10e6, 30e6, {"eth0": (51e6, 30e6)})
    assert receiving_too_much.cause is None
    assert "Likely" not in summary(opened(incident([receiving_too_much])))


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (NewsReason.EXPLAINED_AGAIN, "counting explains the bytes again"),
        (NewsReason.NODE_GONE, "gone from the cluster"),
    ],
)
def test_the_end_of_an_incident_says_how_it_ended_and_how_long_it_was(why: NewsReason, words: str) -> None:
    said = summary(resolved(incident([BLIND], windows=6), why))
    assert f"in prod: {words}. " in said
    assert said.endswith(
        "The incident (os_deficit) began at 13:00 and was resolved at 14:30 UTC (1 h 30 min)."
    )


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("os_silent", "Container Insights reports again"), ("implausible", "the rates are possible again")],
)
def test_the_end_of_an_incident_that_was_not_about_a_gap_is_not_about_one(verdict: str, words: str) -> None:
    before = incident([BLIND], windows=6)
    over = replace(before, id=before.id.replace("os_deficit", verdict), verdict=verdict)
    assert f"in prod: {words}. " in summary(resolved(over))


def test_the_end_of_a_longer_incident_says_the_days_as_well() -> None:
    said = summary(resolved(incident([BLIND], windows=98)))
    assert "began at 2025-12-31 14:00 and was resolved at 2026-01-01 14:30 UTC (24 h 30 min)." in said


def test_a_cluster_without_nodes_is_not_said_to_have_left_itself() -> None:
    said = summary(resolved(finding(FindingKind.NOT_COLLECTED, 3), NewsReason.NODE_GONE))
    assert said.startswith("prod: no node is left. The incident (not_collected) began at 14:00 ")


def test_an_incident_whose_mute_is_over_says_so() -> None:
    assert summary(opened(incident([BLIND]), NewsReason.SILENCE_EXPIRED)).endswith("It was muted until now.")


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "0 min (14:30-14:30 UTC)"),
        (15, "one window (14:15-14:30 UTC)"),
        (20, "20 min (14:10-14:30 UTC)"),
        (60, "four windows (13:30-14:30 UTC)"),
        (75, "1 h 15 min (13:15-14:30 UTC)"),
        (2 * 60 + 15, "2 h 15 min (12:15-14:30 UTC)"),
        (5 * 60, "5 h (09:30-14:30 UTC)"),
        (26 * 60, "26 h (since 2025-12-31 12:30 UTC)"),
        (47 * 60 + 45, "47 h 45 min (since 2025-12-30 14:45 UTC)"),
        (72 * 60, "3 days (since 2025-12-29 14:30 UTC)"),
        (72 * 60 + 135, "3 days 2 h 15 min (since 2025-12-29 12:15 UTC)"),
    ],
)
def test_how_long_something_lasts_is_said_to_the_minute(minutes: int, words: str) -> None:
    assert lasting(WINDOW.end - timedelta(minutes=minutes), WINDOW.end) == words


@given(st.integers(0, 100_000))
def test_a_duration_adds_up_to_what_it_is_of(minutes: int) -> None:
    said = re.findall(r"([\d,]+) (days|h|min)", duration(timedelta(minutes=minutes)))
    worth = {"days": 24 * 60, "h": 60, "min": 1}
    assert sum(int(number.replace(",", "")) * worth[unit] for number, unit in said) == minutes


def test_a_window_that_ends_at_midnight_is_of_the_day_before() -> None:
    midnight = datetime(2026, 1, 2, tzinfo=UTC)
    assert lasting(midnight - timedelta(minutes=30), midnight) == "two windows (23:30-00:00 UTC)"
    assert beginning_and_end(midnight - timedelta(minutes=30), midnight) == (
        "began at 23:30 and was resolved at 00:00 UTC (30 min)"
    )


OLD_DASHBOARD = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home#dashboards:name=enigap"


# --- the event and what every channel makes of it


def test_the_worst_comes_first_and_the_good_news_last() -> None:
    told = MANY_NODES["incidents"]
    assert [item["news"] for item in told] == ["opened", "reminder", "resolved"]
    mixed = event(opened(incident(SILENT, wide=True)), opened(incident([BLIND])))
    assert [item["verdict"] for item in mixed["incidents"]] == ["os_deficit", "os_silent"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (ONE_NODE, "[OPEN] prod: ip-10-0-3-7 os_deficit"),
        (MANY_NODES, "[OPEN] prod: 40 nodes os_silent"),
        (NOT_COLLECTED, "[OPEN] prod: not_collected"),
        (OVER, "[RESOLVED] prod: 40 nodes os_silent"),
        (TEST, "[TEST] enigap: nothing is wrong"),
        (event(reminder(incident([BLIND]))), "[REMINDER] prod: ip-10-0-3-7 os_deficit"),
        (event(resolved(incident([BLIND]))), "[RESOLVED] prod: ip-10-0-3-7 os_deficit"),
        (event(opened(finding(FindingKind.UNREADABLE, 3))), "[OPEN] prod: unreadable"),
        (
            event(opened(finding(FindingKind.UNREADABLE, 3)), opened(incident([BLIND]))),
            "[OPEN] prod: unreadable, 1 node os_deficit",
        ),
        (
            event(opened(incident([DROPPING])), opened(incident([BLIND])), reminder(incident([WRAPPED]))),
            "[OPEN] prod: 2 nodes os_deficit, os_excess",
        ),
        (
            event(opened(incident([BLIND])), resolved(incident([WRAPPED]))),
            "[OPEN] prod: ip-10-0-3-7 os_deficit",
        ),
        (
            event(opened(incident([BLIND])), cluster="c" * 200),
            f"[OPEN] {'c' * 65}...: ip-10-0-3-7 os_deficit",
        ),
    ],
)
def test_the_subject_says_the_worst_and_gives_way_in_the_name(document: Document, expected: str) -> None:
    assert subject_of(document) == expected
    assert len(expected) < 100


def test_a_verdict_of_a_later_version_is_named_in_ascii() -> None:
    document = {
        **ONE_NODE,
        "incidents": [{**ONE_NODE["incidents"][0], "verdict": "größer_als_gedacht_und_länger"}],
    }
    assert subject_of(document) == "[OPEN] prod: ip-10-0-3-7 gr\\xf6\\xdfer_als_gedacht_\\u2026"


@pytest.mark.parametrize(
    ("url", "link"),
    [
        (DASHBOARD, f"{DASHBOARD}?start=2026-01-01T11:15:00.000Z&end=2026-01-01T15:30:00.000Z"),
        (OLD_DASHBOARD, f"{OLD_DASHBOARD};start=2026-01-01T11:15:00.000Z;end=2026-01-01T15:30:00.000Z"),
        ("https://dashboards.example.com/enigap", "https://dashboards.example.com/enigap"),
        (f"{DASHBOARD}?start=PT1H&end=null", f"{DASHBOARD}?start=PT1H&end=null"),
    ],
)
def test_the_link_shows_the_dashboard_at_the_time_of_the_window(url: str, link: str) -> None:
    assert f"Dashboard:\n    {link}\n" in as_email(event(opened(incident([BLIND])), dashboard_url=url))


def test_commands_can_be_pasted_into_a_shell_as_they_are() -> None:
    hostile = event(opened(finding(FindingKind.NOT_COLLECTED, 2)), cluster="$(reboot) 'x'")
    assert """enigap check --cluster '$(reboot) '"'"'x'"'"'' --region""" in as_email(hostile)


def test_the_time_in_the_command_is_when_the_window_had_settled() -> None:
    late = event(opened(incident([BLIND])), settle=timedelta(minutes=30))
    assert "--at 2026-01-01T15:00:00Z" in as_email(late)


def test_times_of_another_zone_are_shown_in_utc() -> None:
    window = {"start": "2026-01-01T15:15:00+01:00", "end": "2026-01-01T15:30:00+01:00"}
    assert "Window 2026-01-01 14:15-14:30 UTC" in as_email({**ONE_NODE, "window": window})


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -1.0])
def test_a_figure_that_no_counter_can_have_is_unknown(figure: float) -> None:
    item = MANY_NODES["incidents"][0]
    node = {**item["nodes"][0], "eni_bytes_per_second": figure}
    document = {**MANY_NODES, "incidents": [{**item, "nodes": [node]}]}
    assert "(i-00000000000000028): unknown carried" in as_email(document)


def test_unsaid_news_of_an_earlier_run_keeps_its_own_window() -> None:
    both = [opened(incident([BLIND])), opened(finding(FindingKind.UNREADABLE, 2))]
    earlier = type(both[0])(both[0].kind, both[0].why, both[0].incident, WINDOW.previous())
    document = event(earlier, both[1])
    assert document["window"]["end"] == "2026-01-01T14:30:00Z"
    assert any("(14:00-14:15 UTC)" in item["summary"] for item in document["incidents"])


def test_a_test_says_what_it_is_and_nothing_of_an_incident() -> None:
    assert as_email(TEST) == (
        "This is a test, sent with `enigap notify --test`. Nothing to do.\n\n"
        "To read what a message means, how to confirm it and what fixes it:\n    enigap runbook\n\n"
        "Region eu-west-1, account 123456789012.\n"
    )
    notification = as_amazon_q(TEST)
    assert notification["content"]["description"].startswith(
        "This is a test, sent with `enigap notify --test`. "
    )
    assert notification["content"]["nextSteps"][0].endswith(" `enigap runbook`")
    assert notification["metadata"]["relatedResources"] == []
    (told,) = TEST["incidents"]
    assert (told["news"], told["why"], TEST["test"]) == ("opened", "test", True)


@pytest.mark.parametrize("why", ["confirmed", "silence_expired", None])
def test_an_incident_is_never_hidden_behind_a_test(why: str | None) -> None:
    incidents = [*TEST["incidents"], {**ONE_NODE["incidents"][0], "why": why}]
    said = as_email({**ONE_NODE, "test": True, "incidents": incidents})
    assert ONE_NODE["incidents"][0]["summary"] in unwrapped(said)
    assert "TEST" not in said


class Counting(dict[str, Any]):
    """A document that counts how often it is read."""

    reads = 0

    def __getitem__(self, key: str) -> Any:
        self.reads += key == "account"
        return super().__getitem__(key)


def test_a_notification_is_read_once_for_all_channels() -> None:
    document = Counting(MANY_NODES)
    sns_message(document)
    assert document.reads == 1


def test_an_event_needs_news() -> None:
    with pytest.raises(ValueError, match="empty"):
        notification_document(
            [], account="1", region="r", cluster="c", dashboard_url="", settle=timedelta(minutes=10)
        )


@pytest.mark.parametrize(
    "broken",
    [
        {"schema": "enigap.notification/2"},
        {"incidents": "none"},
        {"incidents": [{}]},
        {"incidents": [{**ONE_NODE["incidents"][0], "node_count": "many"}]},
        {"incidents": [{**ONE_NODE["incidents"][0], "news": "exploded"}]},
        {"window": {"start": "yesterday", "end": "today"}},
        {"window": {"start": "0001-01-01T00:00:00Z", "end": "0001-01-01T00:15:00Z"}},
        {"cluster": None},
        {"cluster": ""},
        {"left_out": [{"news": "opened"}]},
    ],
)
def test_what_is_no_event_is_refused_by_every_rendering_and_still_shown_in_slack(broken: Document) -> None:
    document = {**ONE_NODE, **broken}
    for rendering in (subject_of, as_email, as_slack, as_amazon_q):
        with pytest.raises(NotANotificationError):
            rendering(document)
    assert slack_message(json.dumps(document))["text"] == "A message enigap does not know"


def test_an_incident_whose_id_was_cut_goes_by_all_that_is_left_of_it() -> None:
    cut_off = {**ONE_NODE["incidents"][0], "id": "a-long-name...", "nodes": []}
    assert subject_of({**ONE_NODE, "incidents": [cut_off]}) == "[OPEN] prod: a-long-name... os_deficit"


def test_fields_of_a_later_version_are_ignored() -> None:
    document = {**ONE_NODE, "mood": "calm", "incidents": [{**ONE_NODE["incidents"][0], "colour": "red"}]}
    assert as_email(document) == as_email(ONE_NODE)


# --- everything else that may come to Slack

ALARM = {
    "AlarmName": "enigap-ClustersOverdue",
    "AlarmDescription": "No cluster was judged for two schedules: enigap itself is down.",
    "AWSAccountId": "123456789012",
    "AlarmConfigurationUpdatedTimestamp": "2026-01-01T00:00:00.000+0000",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints "
    "were treated as [Breaching].",
    "StateChangeTime": "2026-01-01T14:31:07.042+0000",
    "Region": "EU (Ireland)",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:enigap-ClustersOverdue",
    "OldStateValue": "OK",
    "OKActions": [],
    "AlarmActions": ["arn:aws:sns:eu-west-1:123456789012:enigap-Pipeline"],
    "InsufficientDataActions": [],
    "Trigger": {
        "MetricName": "ClustersOverdue",
        "Namespace": "EniGap",
        "StatisticType": "Statistic",
        "Statistic": "MAXIMUM",
        "Unit": None,
        "Dimensions": [],
        "Period": 900,
        "EvaluationPeriods": 3,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "TreatMissingData": "breaching",
    },
}


def test_an_alarm_of_cloudwatch_reads_like_its_example() -> None:
    like_example("alarm.slack.json", f"{json.dumps(slack_alarm(ALARM), indent=2, ensure_ascii=False)}\n")


@pytest.mark.parametrize("field", [field for field in ALARM if field not in {"AlarmName", "NewStateValue"}])
@pytest.mark.parametrize("value", [None, 7, {"a": []}, "<!channel>"])
def test_an_alarm_is_shown_whatever_becomes_of_a_field(field: str, value: Any) -> None:
    message = slack_message(json.dumps({**ALARM, field: value}))
    assert message["blocks"][0]["text"]["text"] == "\N{LARGE RED CIRCLE} ALARM: enigap-ClustersOverdue"
    assert "<!" not in json.dumps(message)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "OK -> ALARM at 2026-01-01 14:31 UTC, EU (Ireland), account 123456789012"),
        ({"StateChangeTime": "2026-01-01T15:31:07.042+0100"}, "OK -> ALARM at 2026-01-01 14:31 UTC, EU"),
        ({"StateChangeTime": "2026-01-01T14:31:07"}, "OK -> ALARM at 2026-01-01T14:31:07, EU"),
        ({"StateChangeTime": "0001-01-01T00:00:00+0100"}, "OK -> ALARM at 0001-01-01T00:00:00+0100, EU"),
        ({"StateChangeTime": "soon"}, "OK -> ALARM at soon, EU"),
        ({"StateChangeTime": None}, "OK -> ALARM, EU"),
        ({"OldStateValue": None}, "ALARM at 2026-01-01 14:31 UTC, EU"),
        ({"NewStateValue": "OK", "OldStateValue": "ALARM"}, "ALARM -> OK at 2026-01-01 14:31 UTC, EU"),
        ({"OldStateValue": None, "StateChangeTime": None}, "EU (Ireland), account 123456789012"),
    ],
)
def test_an_alarm_says_from_what_to_what_it_went_and_when(fields: Document, said: str) -> None:
    context = slack_alarm({**ALARM, **fields})["blocks"][-1]["elements"][0]["text"]
    assert context.replace("&gt;", ">").startswith(said)


def test_an_alarm_that_tells_of_nothing_else_is_still_cloudwatchs() -> None:
    message = slack_alarm({"AlarmName": "a", "NewStateValue": "ALARM"})
    assert message["blocks"][-1]["elements"][0]["text"] == "CloudWatch"


def test_the_link_to_an_alarm_holds_any_name() -> None:
    named = {**ALARM, "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a b/ü>|<"}
    assert "#alarmsV2:alarm/a%20b%2F%C3%BC%3E%7C%3C|Alarm>" in json.dumps(slack_message(json.dumps(named)))


def test_an_event_is_the_same_message_raw_and_in_the_envelope_of_sns() -> None:
    raw = json.dumps(ONE_NODE)
    envelope = {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:x", "Message": raw}
    assert slack_message(raw) == slack_message(json.dumps(envelope)) == as_slack(ONE_NODE)


@pytest.mark.parametrize(
    "body",
    ["", "hello", "{", "[]", "null", "7", '{"Type": "Notification"}', '{"schema": "else/1"}', "[" * 100_000],
)
def test_what_nobody_knows_is_shown_as_it_came(body: str) -> None:
    message = slack_message(body)
    assert message["text"] == "A message enigap does not know"
    assert message["blocks"][1]["text"]["text"].startswith(body[:20] or "(empty)")


def test_an_unknown_message_that_is_too_long_says_how_long_it_is() -> None:
    message = slack_message("x" * 1_000_000)
    assert "The beginning of 1,000,000 characters." in json.dumps(message)
    assert "Shown as it came." in json.dumps(slack_message("short"))


# --- what it means, and who


@pytest.mark.parametrize(
    ("told", "means"),
    [
        (incident([BLIND]), "on node_network_total_bytes miss at least 46.8 MB/s of what the network"),
        (incident([DROPPING]), "include at least 21.1 MB/s that the network interfaces of this node did not"),
        (incident([WRAPPED]), "metrics of this node in them are wrong by more than a machine can move."),
        (incident(SILENT[:1]), "do not see this node: 161 MB/s on its network interfaces."),
        (incident([UNSTEADY]), "see this node with gaps only: 161 MB/s on its network interfaces."),
        (incident(SILENT, wide=True), "do not see these 40 nodes: 161 MB/s on the worst alone."),
        (finding(FindingKind.NOT_COLLECTED, 40), "see nothing of this cluster."),
        (finding(FindingKind.UNREADABLE, 40), "until CloudWatch answers"),
        (finding(FindingKind.COUNTS_DIFFER, 40), "No dashboard and no scaling decision is blind"),
    ],
)
def test_a_message_says_what_is_blind_for_the_reader_and_by_how_much(told: Any, means: str) -> None:
    document = event(opened(told))
    assert means in document["incidents"][0]["impact"]
    for text in (
        unwrapped(as_email(document)),
        *map(json.dumps, (as_slack(document), as_amazon_q(document))),
    ):
        assert means in text
    over = event(resolved(told))
    assert over["incidents"][0]["impact"] is None
    assert means not in json.dumps([as_email(over), as_slack(over), as_amazon_q(over)])


def test_slack_shows_a_nodes_figures_as_fields_that_can_be_read_at_a_glance() -> None:
    assert fields_of(ONE_NODE) == {
        "Node": "ip-10-0-3-7.eu-west-1.compute.internal (i-00000000000000007)",
        "OS counted on all devices": "12.1 MB/s",
        "Interfaces carried": "65.2 MB/s",
        "Unexplained, at least": "46.8 MB/s",
        "Since": "2026-01-01 14:00 UTC (30 min)",
    }
    assert fields_of(OVER) == {}
    assert fields_of(NOT_COLLECTED) == {"Nodes": "40", "Since": "2026-01-01 14:00 UTC (30 min)"}


def fields_of(document: Document) -> dict[str, str]:
    fields = [field for block in as_slack(document)["blocks"] for field in block.get("fields", ())]
    return dict(field["text"].replace("*", "").split("\n") for field in fields)


@pytest.mark.parametrize("document", EVENTS.values(), ids=EVENTS)
def test_slack_has_the_state_first_and_each_command_alone_in_a_block(document: Document) -> None:
    blocks = as_slack(document)["blocks"]
    states = ("Opened: ", "Still open: ", "Resolved: ", "TEST: ")
    assert blocks[0]["text"]["text"].lstrip("\N{LARGE RED CIRCLE}\N{LARGE GREEN CIRCLE} ").startswith(states)
    [steps] = [block["elements"] for block in blocks if block["type"] == "rich_text"]
    commands = [each["elements"] for each in steps if each["type"] == "rich_text_preformatted"]
    assert [[text["text"].split()[0] for text in texts] for texts in commands] == [
        [line.split()[0]]
        for line in re.findall(r"^    (?!https)(\S.*)", as_email(document), re.MULTILINE)
        if line.split()[0] in {"aws", "enigap", "kubectl"}
    ]


@pytest.mark.parametrize("document", EVENTS.values(), ids=EVENTS)
def test_every_message_names_the_command_that_prints_its_runbook_section(document: Document) -> None:
    verdict = "" if document.get("test") else f" {document['incidents'][0]['verdict']}"
    for said in (as_email(document), json.dumps(as_slack(document)), json.dumps(as_amazon_q(document))):
        assert re.search(rf"enigap runbook{verdict}(?![ \w])", said)


# --- notices


def notice(kind: NoticeKind = NoticeKind.MUTED, **different: Any) -> Document:
    silence = Silence("prod/i-07/os_deficit", WINDOW.end + timedelta(hours=2), "we know, CHG-7")
    given = {"account": "123456789012", "region": "eu-west-1", "by": "ann@example.com"}
    return notice_document(kind, silence, **given) | different


def test_a_notice_says_what_is_muted_until_when_why_and_by_whom() -> None:
    assert subject_of(notice()) == "[MUTED] enigap: prod/i-07/os_deficit until 2026-01-01 16:30 UTC"
    said = unwrapped(as_email(notice()))
    assert (
        "Muted: prod/i-07/os_deficit is muted until 2026-01-01 16:30 UTC by ann@example.com: we know, CHG-7."
        in said
    )
    assert "enigap silence prod/i-07/os_deficit --region eu-west-1 --for 0m" in as_email(notice())
    for text in (json.dumps(as_slack(notice())), json.dumps(as_amazon_q(notice()))):
        for part in ("i-07/os", "2026-01-01 16:30 UTC", "ann@example.com", "we know, CHG-7"):
            assert part in text


def test_the_end_of_muting_by_hand_is_told_likewise() -> None:
    ended = notice(NoticeKind.UNMUTED)
    assert ended["until"] is None
    assert subject_of(ended) == "[NO LONGER MUTED] enigap: prod/i-07/os_deficit is told again"
    assert "is no longer muted, by ann@example.com: we know, CHG-7." in unwrapped(as_email(ended))
    assert "--for 0m" not in as_email(ended)


def test_a_notice_reaches_slack_through_the_queue() -> None:
    sent = json.loads(sns_message(notice())["Message"])
    assert slack_message(sent["sqs"]) == as_slack(notice())


def test_a_notice_without_a_name_and_one_that_is_none() -> None:
    assert "by unknown:" in unwrapped(as_email(notice(by=None)))
    for broken in ({"notice": "shouted"}, {"until": "later"}, {"why": None}, {"incident": 7}):
        with pytest.raises(NotANotificationError):
            as_email(notice(**broken))
