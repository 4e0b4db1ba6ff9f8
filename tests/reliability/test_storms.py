"""Many clusters have news at once: few messages, none of it lost, whoever is killed or does not come."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.posted_messages import PostedMessages
from enigap.aws.state_table import StateTable
from enigap.aws.topic import Topic, publish
from enigap.aws.work_queue import WorkQueue
from enigap.core.counting.window import GRID, Window
from enigap.core.incidents.decide import decide
from enigap.core.incidents.incident import ClusterState, News, Policy
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind
from enigap.core.judging.verdict import Verdict
from enigap.core.messages import (
    notification_document,
    prose,
    reminder_document,
    slack_message,
    sns_message,
    storm_document,
)
from enigap.core.messages.letters import any_letter_of
from enigap.core.work import WorkItem
from enigap.pipeline import MOST_IN_STORM, MOST_SENDERS, Telling, plan, reconcile
from enigap.settings import Settings
from enigap.slack_webhook import Answer, Channel, deliver_all
from tests.fakes.pipeline_ports import LATE, FakePublisher, report_of, window
from tests.reliability.figures import Figures
from tests.reliability.process import Killed, Process
from tests.reliability.services import ACCOUNT, REGION, FakeDynamoDb, FakeQueue, FakeSns, refusal

TABLE, TOPIC = "state", f"arn:aws:sns:{REGION}:{ACCOUNT}:findings"
USUAL_WORLDS = 20
WORLDS = int(os.environ.get("ENIGAP_WORLDS", USUAL_WORLDS))
"""How many random worlds are killed three times."""


def schema(name: str) -> dict[str, Any]:
    path = Path(__file__).parents[2] / "docs" / "schemas" / f"{name}.schema.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@dataclass
class Fleet:
    """Clusters of nodes, the deployed functions with their adapters, and fakes of AWS behind a process."""

    names: Sequence[str]
    bad: Callable[[str, int], Finding | Verdict | None]
    """What is wrong with a cluster in a window, by its number."""
    nodes: int = 10
    settings: Settings = field(default_factory=Settings)
    is_planned: bool = True

    def __post_init__(self) -> None:
        self.now = window(0).end
        self.process = Process()
        self.table, self.topic = FakeDynamoDb(TABLE, self.now), FakeSns(TOPIC, self.now)
        self.queue = FakeQueue(self.now)
        self.publisher = FakePublisher()
        self.posted: list[dict[str, Any]] = []
        self.unread: list[dict[str, Any]] = []
        self.taken = 0
        self.kills = 0
        self.letters: dict[str, int] | None = {}
        """None where a queue cannot be asked."""
        self.reminders: list[dict[str, Any]] = []

    def client(self, service: str, fake: Any) -> Any:
        return self.process.guarded(service, fake)

    @property
    def states(self) -> StateTable:
        return StateTable(self.client("dynamodb", self.table), TABLE, now=self.now)

    def assess(self, cluster: str, at: Window, _: object = None) -> ClusterReport:
        def verdict(back: int) -> Verdict:
            found = self.bad(cluster, number - back)
            return found if isinstance(found, Verdict) else Verdict.AGREE

        number = (at.end - window(0).end) // GRID
        if isinstance(finding := self.bad(cluster, number), Finding):
            return ClusterReport(cluster, at, finding=finding, node_count=self.nodes)
        both = [verdict(0), verdict(1)]
        return report_of(at, {f"i-{cluster}-{node}": both for node in range(self.nodes)}, cluster=cluster)

    def dead_letters(self) -> dict[str, int]:
        if self.letters is None:
            raise AwsProblem(ProblemKind.MISSING, "There is no such queue")
        return self.letters

    def plan(self, number: int) -> None:
        def storm(news: Mapping[str, Sequence[News]]) -> None:
            document = storm_document(
                news, account=ACCOUNT, region=REGION, dashboard_url="", settle=self.settings.settle
            )
            publish(self.client("sns", self.topic), TOPIC, document, news={"opened"})

        def reminder(since: datetime, overdue: Sequence[str], dead: Mapping[str, int]) -> None:
            document = reminder_document(
                account=ACCOUNT, region=REGION, since=since, now=self.now, overdue=overdue, dead_letters=dead
            )
            self.reminders.append(document)

        plan(
            window(number),
            account=ACCOUNT,
            region=REGION,
            settings=self.settings,
            now=self.now,
            clusters=lambda: self.names,
            states=self.states,
            publisher=self.publisher,
            queue=WorkQueue(self.client("sqs", self.queue), "https://sqs.invalid/work"),
            telling=Telling(storm, self.dead_letters, reminder, self.states),
        )

    def reconcile(self, body: str) -> None:
        item = WorkItem.from_json(body)
        document_of = partial(
            notification_document,
            account=ACCOUNT,
            region=REGION,
            cluster=item.cluster,
            dashboard_url="",
            settle=self.settings.settle,
        )
        reconcile(
            item,
            settings=self.settings,
            now=self.now,
            assess=self.assess,
            states=self.states,
            publisher=self.publisher,
            notifier=Topic(self.client("sns", self.topic), TOPIC, document_of),
            turns=self.states,
        )

    def deliver(self, record: dict[str, Any]) -> bool:
        def send(_: str, message: dict[str, Any]) -> Answer:
            self.process.point("before slack.post")
            self.posted.append(message)
            self.process.point("after slack.post")
            return Answer(200, "ok")

        channel = Channel(
            address=lambda *, fresh: "https://hooks.slack.com/services/T",  # noqa: ARG005
            send=send,
            sleep=lambda _: None,
            remaining_seconds=lambda: 60.0,
        )
        memory = PostedMessages(self.client("dynamodb", self.table), TABLE, now=self.now)
        return not deliver_all([record], channel, memory)

    def tried(self, step: Callable[[], object]) -> bool:
        """Whether a step came to its end, in a process of its own."""
        self.process.start()
        try:
            return step() is not False
        except Killed:
            self.kills += 1
        except AwsProblem:
            pass
        return False

    def quarter(self, number: int) -> None:
        self.set_clock(window(number).end + LATE)
        if self.is_planned:
            any(self.tried(lambda: self.plan(number)) for _ in range(3))
        self.work_off()
        while (wakes_at := self.queue.next_visible_at) and wakes_at < window(number + 1).end + LATE:
            self.set_clock(wakes_at)
            self.work_off()

    def work_off(self) -> None:
        while message := self.queue.receive():
            body = message.body
            if self.tried(lambda: self.reconcile(body)):  # noqa: B023 - called before the next
                self.queue.delete(message)
        new = [json.loads(each.by_protocol["sqs"]) for each in self.topic.published[self.taken :]]
        self.taken = len(self.topic.published)
        records = self.unread + [{"messageId": "m", "body": json.dumps(event)} for event in new]
        self.unread = [each for each in records if not self.tried(lambda: self.deliver(each))]  # noqa: B023

    def set_clock(self, now: datetime) -> None:
        self.now = self.table.now = self.topic.now = self.queue.now = now

    def events(self) -> list[dict[str, Any]]:
        return [message.event for message in self.topic.published]

    def told(self) -> Counter[tuple[str, str]]:
        """Of each cluster, in how many messages there was news of each kind."""
        found: Counter[tuple[str, str]] = Counter()
        for event in self.events():
            if event["schema"] == "enigap.storm/1":
                found.update(
                    (each["cluster"], t["news"]) for each in event["clusters"] for t in each["counts"]
                )
            else:
                found.update({(event["cluster"], each["news"]) for each in event["incidents"]})
        return found


FIFTY = [f"cluster-{number:02}" for number in range(50)]
UNREADABLE = Finding(FindingKind.UNREADABLE, "CloudWatch gave no answer: try again.")


@pytest.mark.parametrize("what", [Verdict.OS_SILENT, UNREADABLE], ids=["one cause", "CloudWatch is away"])
def test_fifty_clusters_with_one_cause_are_six_messages_that_open_and_six_that_end(
    what: Verdict | Finding, figures: Figures
) -> None:
    fleet = Fleet(FIFTY, lambda _, number: what if 1 <= number <= 4 else None)
    for number in range(10):
        fleet.quarter(number)
    schemas = Counter(event["schema"] for event in fleet.events())
    assert schemas == {"enigap.notification/1": 2 * MOST_SENDERS, "enigap.storm/1": 2}
    assert fleet.told() == {(name, news): 1 for name in FIFTY for news in ("opened", "resolved")}
    opened, resolved = (event for event in fleet.events() if event["schema"] == "enigap.storm/1")
    Draft202012Validator(schema("storm-1")).validate(opened)
    assert set(opened) | {"runbook_url"} == set(schema("storm-1")["properties"])
    assert (opened["cluster_count"], opened["common"]["clusters"]) == (45, 45)
    assert resolved["counts"][0]["news"] == "resolved"
    assert len(fleet.posted) == len(fleet.topic.published)
    figures.clusters_in_a_storm += len(FIFTY)
    figures.messages_of_storms += len(fleet.topic.published)


def test_without_a_plan_the_clusters_tell_it_themselves() -> None:
    fleet = Fleet(FIFTY[:20], lambda _, number: Verdict.OS_DEFICIT if number >= 1 else None)
    for number in range(3):
        fleet.quarter(number)
    assert len(fleet.told()) == MOST_SENDERS
    fleet.is_planned = False
    for number in range(3, 6):
        for name in fleet.names:
            fleet.queue.put(json.dumps(WorkItem(ACCOUNT, REGION, name, window(number)).document()), name)
        fleet.quarter(number)
    assert fleet.told() == {(name, "opened"): 1 for name in fleet.names}


def test_a_storm_that_the_topic_does_not_take_is_told_by_a_later_plan() -> None:
    fleet = Fleet(FIFTY[:12], lambda _, number: Verdict.OS_DEFICIT if number >= 1 else None)
    for number in range(3):
        fleet.quarter(number)
    fleet.process.failures["sns.publish"] = refusal("InternalError", "Publish", status=500)
    fleet.quarter(3)
    fleet.process.failures.clear()
    for number in (4, 5):
        fleet.quarter(number)
    assert fleet.told().keys() == {(name, "opened") for name in fleet.names}


def test_a_cluster_whose_state_cannot_be_read_holds_up_no_other_of_a_storm() -> None:
    fleet = Fleet(FIFTY[:9], lambda _, number: Verdict.OS_SILENT if number >= 1 else None, nodes=1)
    for number in range(3):
        fleet.quarter(number)
    spoilt = next(item for item in fleet.table.items.values() if "left" in item)
    spoilt["state"] = {"S": '{"schema": "enigap.state/9"}'}
    fleet.set_clock(window(3).end + LATE)
    assert fleet.tried(lambda: fleet.plan(3))
    assert {name for name, _ in fleet.told()} == {*fleet.names} - {spoilt["cluster"]["S"]}


def test_a_storm_of_many_clusters_names_each_in_as_many_messages_as_that_takes() -> None:
    names = [f"a-cluster-with-a-name-as-long-as-some-are-{each:03}" for each in range(MOST_IN_STORM + 9)]
    fleet = Fleet(names, lambda _, number: Verdict.OS_DEFICIT if number >= 1 else None, nodes=1)
    for number in (0, 1, 2, 3):
        fleet.quarter(number)
    assert fleet.told() == {(name, "opened"): 1 for name in names}


def test_a_storm_says_the_same_in_every_channel_and_leaves_nothing_out_silently() -> None:
    fleet = Fleet(FIFTY, lambda _, number: Verdict.OS_DEFICIT if number >= 1 else None, nodes=3)
    for number in range(4):
        fleet.quarter(number)
    [message] = [each for each in fleet.topic.published if each.event["schema"] == "enigap.storm/1"]
    assert "45 clusters" in message.subject
    assert message.subject.startswith("[OPEN]")
    letter = any_letter_of(message.event)
    texts = {
        "email": message.by_protocol["email"],
        "slack": json.dumps(slack_message(message.by_protocol["sqs"])),
        "q": message.by_protocol["https"],
    }
    for text in texts.values():
        said = " ".join(text.split())
        assert "45 of them os_deficit" in said
        assert "enigap check --region eu-west-1" in said
    assert "And 25 more incidents about 75 nodes: 25 os_deficit opened" not in prose(letter)
    assert "more incidents" in texts["slack"]


def test_a_storm_of_any_size_fits_and_counts_what_it_does_not_list() -> None:
    fleet = Fleet(["one"], lambda _, __: Verdict.OS_DEFICIT, nodes=1)
    [state] = [decide(ClusterState("one"), fleet.assess("one", window(1)), Policy(), (), fleet.now)]
    names = [f"a-cluster-with-a-name-as-long-as-some-are-{each:05}" for each in range(1_000)]
    news = dict.fromkeys(names, state.outbox)
    document = storm_document(
        news, account=ACCOUNT, region=REGION, dashboard_url="", settle=timedelta(minutes=10)
    )
    message = sns_message(document)
    assert len(message["Message"]) <= 256 * 1024
    event = json.loads(json.loads(message["Message"])["sqs"])
    assert len(event["clusters"]) < event["cluster_count"] == 1_000
    assert event["counts"][0]["incidents"] == 1_000
    letter = any_letter_of(event)
    assert sum(tally.incidents for tally in letter.beyond(0)) == 1_000


# --- the reminder about enigap itself


def test_dead_letters_that_stay_are_brought_up_again_once_a_day_until_they_are_gone() -> None:
    fleet = Fleet(["one"], lambda _, __: None, nodes=1)
    fleet.letters = {"slack": 0, "reconcile": 3}
    for number in range(0, 3 * 96, 4):
        fleet.set_clock(window(number).end + LATE)
        fleet.tried(partial(fleet.plan, number))
        fleet.work_off()
    assert [reminder["dead_letters"] for reminder in fleet.reminders] == [{"reconcile": 3}] * 2
    Draft202012Validator(schema("reminder-1")).validate(fleet.reminders[0])
    assert set(fleet.reminders[0]) == set(schema("reminder-1")["properties"])
    letter = any_letter_of(fleet.reminders[0])
    assert letter.subject.startswith("[REMINDER] enigap itself: ")
    assert letter.subject.endswith("3 dead letters")
    assert "3 of reconcile" in prose(letter)
    # The subscriptions of the pipeline's topic take only what looks like an alarm that goes off.
    by_protocol = json.loads(sns_message(fleet.reminders[0])["Message"])
    bodies = [by_protocol, *(json.loads(by_protocol[each]) for each in ("default", "email", "sqs"))]
    assert [body["NewStateValue"] for body in bodies] == ["ALARM"] * 4
    fleet.letters = {}
    fleet.set_clock(fleet.now + timedelta(minutes=15))
    fleet.tried(partial(fleet.plan, 3 * 96 - 3))
    assert fleet.states.reminder() is None
    assert len(fleet.reminders) == 2


@pytest.mark.parametrize("letters", [{}, None], ids=["no dead letters", "a queue that is not there"])
def test_overdue_clusters_are_brought_up_again_by_name(letters: dict[str, int] | None) -> None:
    fleet = Fleet(["one"], lambda _, __: None, nodes=1)
    fleet.letters = letters
    fleet.quarter(0)
    for number in range(1, 110):
        fleet.set_clock(window(number).end + LATE)
        fleet.tried(partial(fleet.plan, number))
        fleet.queue.messages.clear()
    [reminder] = fleet.reminders
    assert reminder["overdue"] == ["one"]
    assert "one" in prose(any_letter_of(reminder))
    assert "enigap status" in json.dumps(slack_message(json.dumps(reminder)))


# --- three kills

EIGHT = FIFTY[:8]


def random_world(seed: int) -> Fleet:
    """Spells of trouble of eight clusters, at random."""
    random = Random(seed)  # noqa: S311
    spells = {name: (random.randint(1, 3), random.randint(4, 6)) for name in EIGHT}

    def bad(name: str, number: int) -> Verdict | None:
        first, last = spells[name]
        return Verdict.OS_DEFICIT if first <= number <= last else None

    return Fleet(EIGHT, bad, nodes=1)


def test_worlds_with_three_kills_lose_nothing_and_repeat_little(figures: Figures) -> None:
    for seed in range(WORLDS):
        undisturbed, killed = random_world(seed), random_world(seed)
        for number in range(11):
            undisturbed.quarter(number)
        points = undisturbed.process.points
        for at in Random(seed).sample(range(len(points)), 3):  # noqa: S311
            killed.process.kills_at.add(at)
        for number in range(11):
            killed.quarter(number)
        assert killed.kills == 3, seed
        assert killed.told().keys() == undisturbed.told().keys() == {(n, k) for n in EIGHT for k in NEWS}, (
            seed
        )
        assert not killed.unread
        repeated = len(killed.posted) - len({json.dumps(each) for each in killed.posted})
        assert repeated <= killed.kills, seed
        figures.worlds_with_three_kills += 1
        figures.duplicates_in_worlds_with_three_kills += repeated


NEWS = ("opened", "resolved")
