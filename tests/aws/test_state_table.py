"""States and silences in DynamoDB: moto decides conditions as AWS does, and deletes nothing by itself."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.aws.state_table import (
    EXPIRES_AT,
    KEPT_FOR,
    KEY,
    PLAN_ACTIONS,
    RECONCILE_ACTIONS,
    SILENCE_ACTIONS,
    STATUS_ACTIONS,
    StateTable,
)
from enigap.core.incidents.incident import ClusterState, Incident, News, NewsKind, NewsReason, Silence
from enigap.core.incidents.state import ConflictError, Known, Remembered, Reminder, StateUnreadableError
from tests.fakes.pipeline_ports import FIRST, window

TABLE = "enigap-state"
NOW = FIRST.end + timedelta(minutes=12)
INCIDENT = Incident("prod/i-1/os_deficit", "os_deficit", None, FIRST.start, 1, (), ("AAAAAAAA",), FIRST.end)
JUDGED = ClusterState("prod", done=FIRST, nodes=3, seen_collecting=True, incidents=(INCIDENT,))


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        client = Aws().client("dynamodb")
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture
def table(dynamodb: Any) -> StateTable:
    return StateTable(dynamodb, TABLE, now=NOW)


def item(dynamodb: Any, key: str) -> dict[str, Any]:
    found: dict[str, Any] = dynamodb.get_item(TableName=TABLE, Key={KEY: {"S": key}})["Item"]
    return found


# --- states ---


def test_a_cluster_never_judged_has_an_empty_state(table: StateTable) -> None:
    assert table.read("prod") == (Remembered(ClusterState("prod"), None), ())


def test_a_state_comes_back_as_it_was_written(table: StateTable) -> None:
    remembered, _ = table.read("prod")
    written = table.write(replace(remembered, state=JUDGED))
    assert table.read("prod") == (Remembered(JUDGED, written.revision), ())


def test_writing_again_takes_the_revision_that_came_back(table: StateTable) -> None:
    written = table.write(Remembered(JUDGED, None))
    again = table.write(replace(written, state=replace(JUDGED, nodes=4)))
    assert again.revision != written.revision
    assert table.read("prod")[0].state.nodes == 4


@pytest.mark.parametrize("read_at", [None, 0, 1, 99])
def test_who_read_another_revision_writes_nothing(table: StateTable, read_at: int | None) -> None:
    written = table.write(table.write(Remembered(JUDGED, None)))
    with pytest.raises(ConflictError):
        table.write(Remembered(replace(JUDGED, nodes=99), read_at))
    assert table.read("prod")[0] == written


@pytest.mark.parametrize("judged_before", [False, True])
def test_of_thirty_two_writers_that_read_the_same_revision_one_wins(
    table: StateTable, *, judged_before: bool
) -> None:
    if judged_before:
        table.write(Remembered(JUDGED, None))
    remembered, _ = table.read("prod")

    def write(nodes: int) -> int | None:
        try:
            table.write(replace(remembered, state=replace(JUDGED, nodes=nodes)))
        except ConflictError:
            return None
        return nodes

    with ThreadPoolExecutor(32) as pool:
        [winner] = [nodes for nodes in pool.map(write, range(32)) if nodes is not None]
    assert table.read("prod")[0].state.nodes == winner


def test_a_state_is_deleted_sixty_days_after_its_last_write(table: StateTable, dynamodb: Any) -> None:
    written = table.write(Remembered(JUDGED, None))
    assert int(item(dynamodb, "cluster#prod")[EXPIRES_AT]["N"]) == int((NOW + KEPT_FOR).timestamp())
    later = NOW + timedelta(days=1)
    StateTable(dynamodb, TABLE, now=later).write(written)
    assert int(item(dynamodb, "cluster#prod")[EXPIRES_AT]["N"]) == int((later + KEPT_FOR).timestamp())


@pytest.mark.parametrize(
    "state", ['{"schema": "enigap.state/2", "cluster": "prod"}', "scribble", '{"schema": "enigap.state/1"}']
)
def test_a_state_that_cannot_be_read_says_so_and_stays(table: StateTable, dynamodb: Any, state: str) -> None:
    spoilt = {
        KEY: {"S": "cluster#prod"},
        "revision": {"N": "7"},
        "cluster": {"S": "prod"},
        "state": {"S": state},
    }
    dynamodb.put_item(TableName=TABLE, Item=spoilt)
    with pytest.raises(StateUnreadableError, match="delete its item in the state table"):
        table.read("prod")
    assert item(dynamodb, "cluster#prod") == spoilt


@pytest.mark.parametrize("name", ["dev", "", 7, None])
def test_a_state_with_another_clusters_name_is_still_that_of_the_cluster_whose_item_it_is_in(
    table: StateTable, dynamodb: Any, name: object
) -> None:
    table.write(Remembered(JUDGED, None))
    spoilt = item(dynamodb, "cluster#prod")
    spoilt["state"] = {"S": json.dumps({**json.loads(spoilt["state"]["S"]), "cluster": name})}
    dynamodb.put_item(TableName=TABLE, Item=spoilt)
    remembered, _ = table.read("prod")
    assert remembered.state == JUDGED
    assert len(remembered.damaged) == 1
    table.write(remembered)
    assert table.read("prod")[0].damaged == ()


def test_a_window_of_the_future_was_not_judged_and_its_cluster_is_overdue(table: StateTable) -> None:
    table.write(Remembered(replace(JUDGED, done=FIRST.previous(-300)), None))
    remembered, _ = table.read("prod")
    assert (remembered.state.done, len(remembered.damaged)) == (None, 1)
    [known] = table.known()
    assert known.done_or_since < NOW - timedelta(days=365)


def test_a_table_that_is_not_there_is_said_to_be_missing(dynamodb: Any) -> None:
    with pytest.raises(AwsProblem, match="dynamodb:GetItem in eu-west-1") as caught:
        StateTable(dynamodb, "other", now=NOW).read("prod")
    assert caught.value.kind is ProblemKind.MISSING


@pytest.mark.parametrize("spoilt", [None, {"S": "7"}, {"BOOL": True}])
def test_an_item_without_a_revision_can_be_written_once(
    table: StateTable, dynamodb: Any, spoilt: dict[str, Any] | None
) -> None:
    table.write(Remembered(JUDGED, None))
    without = {key: value for key, value in item(dynamodb, "cluster#prod").items() if key != "revision"}
    dynamodb.put_item(TableName=TABLE, Item={**without, **({"revision": spoilt} if spoilt else {})})
    remembered, _ = table.read("prod")
    assert remembered.state == JUDGED
    table.write(remembered)
    with pytest.raises(ConflictError):
        table.write(remembered)
    assert table.read("prod")[0].state == JUDGED


# --- members of large incidents, beside the states ---


def large(*members: int) -> ClusterState:
    """A state with an incident of each of these sizes."""
    incidents = tuple(
        replace(
            INCIDENT,
            id=f"prod/*/{verdict}",
            verdict=verdict,
            members=tuple(f"{verdict[-2:]}{number:06}" for number in range(count)),
        )
        for verdict, count in zip(("os_silent", "os_deficit"), members, strict=False)
    )
    return replace(JUDGED, incidents=incidents)


def beside(dynamodb: Any) -> list[dict[str, Any]]:
    items = dynamodb.scan(TableName=TABLE)["Items"]
    return [each for each in items if each[KEY]["S"].startswith("members#")]


def test_the_members_of_an_incident_of_a_hundred_thousand_nodes_come_back(
    table: StateTable, dynamodb: Any
) -> None:
    table.write(Remembered(large(100_000, 20), None))
    remembered, _ = table.read("prod")
    assert (remembered.state, remembered.damaged) == (large(100_000, 20), ())
    assert max(len(each["keys"]["S"]) for each in beside(dynamodb)) < 400_000
    assert len(item(dynamodb, "cluster#prod")["state"]["S"]) < 100_000
    assert [known.cluster for known in table.known()] == ["prod"]


def test_members_are_written_when_they_change_and_what_they_were_is_emptied(
    table: StateTable, dynamodb: Any
) -> None:
    first = table.write(Remembered(large(2000), None))
    again = table.write(replace(first, state=replace(large(2000), nodes=7)))
    assert again.aside == first.aside
    table.write(replace(again, state=large(1999)))
    kept = [each for each in beside(dynamodb) if "keys" in each]
    assert [len(each["keys"]["S"]) for each in kept] == [8 * 1999]
    [emptied] = [each for each in beside(dynamodb) if "keys" not in each]
    assert int(emptied[EXPIRES_AT]["N"]) == int(NOW.timestamp())
    table.write(replace(table.read("prod")[0], state=JUDGED))
    assert all("keys" not in each for each in beside(dynamodb))
    assert table.read("prod")[0].state == JUDGED


def test_members_that_do_not_change_outlive_every_state_that_refers_to_them(
    table: StateTable, dynamodb: Any
) -> None:
    remembered = table.write(Remembered(large(2000), None))
    for days in range(0, 400, 10):
        now = NOW + timedelta(days=days)
        remembered = StateTable(dynamodb, TABLE, now=now).write(remembered)
        expires = [int(each[EXPIRES_AT]["N"]) for each in beside(dynamodb) if "keys" in each]
        assert min(expires) >= int(item(dynamodb, "cluster#prod")[EXPIRES_AT]["N"])


def test_who_loses_a_race_takes_no_members_from_who_won(table: StateTable) -> None:
    first = table.write(Remembered(large(2000), None))
    won = table.write(replace(first, state=large(3000)))
    for loser in (large(2500), large(3000)):
        with pytest.raises(ConflictError):
            table.write(replace(first, state=loser))
    assert table.read("prod")[0] == won


def test_a_reader_that_was_overtaken_reads_again(table: StateTable, dynamodb: Any) -> None:
    first = table.write(Remembered(large(2000), None))

    class Overtaken(Counting):
        """Between its first read and the next the state is written anew."""

        def __init__(self) -> None:
            super().__init__(dynamodb)
            self.get_item, self.reads = self.get, 0

        def get(self, **request: Any) -> dict[str, Any]:
            answer: dict[str, Any] = dynamodb.get_item(**request)
            self.reads += 1
            if self.reads == 1:
                table.write(replace(first, state=large(3000)))
            return answer

    remembered, _ = StateTable(Overtaken(), TABLE, now=NOW).read("prod")
    assert (remembered.state, remembered.damaged) == (large(3000), ())


def test_members_that_are_gone_are_said_and_the_rest_of_the_state_is_read(
    table: StateTable, dynamodb: Any
) -> None:
    table.write(Remembered(large(2000, 3), None))
    for each in beside(dynamodb):
        dynamodb.delete_item(TableName=TABLE, Key={KEY: each[KEY]})
    remembered, _ = table.read("prod")
    assert [incident.members for incident in remembered.state.incidents] == [
        None,
        large(0, 3).incidents[1].members,
    ]
    assert len(remembered.damaged) == 1
    table.write(remembered)


# --- what the planner knows ---


def test_the_planner_knows_every_cluster_and_nothing_else(table: StateTable) -> None:
    table.write(Remembered(JUDGED, None))
    table.write(Remembered(replace(JUDGED, cluster="dev"), None))
    table.note_planned("new", window(3))
    table.silence(Silence("prod", NOW + timedelta(hours=1), "known"))
    assert sorted(table.known(), key=lambda known: known.cluster) == [
        Known("dev", FIRST.end, is_alive=True),
        Known("new", window(3).end, is_alive=True),
        Known("prod", FIRST.end, is_alive=True),
    ]


@pytest.mark.parametrize(
    ("state", "is_alive"),
    [
        (ClusterState("prod", done=FIRST), False),
        (ClusterState("prod", done=FIRST, nodes=1), True),
        (ClusterState("prod", done=FIRST, incidents=(INCIDENT,)), True),
        (
            ClusterState(
                "prod", done=FIRST, outbox=(News(NewsKind.RESOLVED, NewsReason.NODE_GONE, INCIDENT, FIRST),)
            ),
            True,
        ),
    ],
    ids=["nothing left", "nodes", "an open incident", "something left to say"],
)
def test_a_cluster_is_alive_while_something_is_left_of_it(
    table: StateTable, state: ClusterState, *, is_alive: bool
) -> None:
    table.write(Remembered(state, None))
    assert list(table.known()) == [Known("prod", FIRST.end, is_alive=is_alive)]


def test_all_pages_of_a_large_table_are_read(dynamodb: Any) -> None:
    names = {f"cluster-{number:03}" for number in range(30)}
    for name in names:
        dynamodb.put_item(
            TableName=TABLE,
            Item={
                KEY: {"S": f"cluster#{name}"},
                "cluster": {"S": name},
                "done": {"S": "2026-01-01T12:00:00Z"},
                "state": {"S": "x" * 100_000},  # a page of a scan has a megabyte
            },
        )
    pages = Counting(dynamodb)
    assert {known.cluster for known in StateTable(pages, TABLE, now=NOW).known()} == names
    assert pages.scans > 1


def test_nothing_is_read_that_may_be_out_of_date(table: StateTable, dynamodb: Any) -> None:
    consistent: list[bool] = []
    for call in ("GetItem", "Scan"):
        dynamodb.meta.events.register(
            f"provide-client-params.dynamodb.{call}",
            lambda params, **_: consistent.append(params.get("ConsistentRead", False)),
        )
    table.read("prod")
    list(table.known())
    assert consistent == [True, True, True]


class Counting:
    """A client that counts its pages."""

    def __init__(self, dynamodb: Any) -> None:
        self.get_item, self.put_item = dynamodb.get_item, dynamodb.put_item
        self._scan, self.scans = dynamodb.scan, 0

    def scan(self, **request: Any) -> dict[str, Any]:
        self.scans += 1
        page: dict[str, Any] = self._scan(**request)
        return page


def test_planning_is_noted_once(table: StateTable) -> None:
    table.note_planned("prod", window(0))
    table.note_planned("prod", window(5))
    assert list(table.known()) == [Known("prod", window(0).end, is_alive=True)]


def test_planning_a_judged_cluster_changes_nothing(table: StateTable) -> None:
    written = table.write(Remembered(JUDGED, None))
    table.note_planned("prod", window(5))
    assert table.read("prod")[0] == written


def test_a_cluster_that_was_only_planned_has_an_empty_state_and_can_be_written(table: StateTable) -> None:
    table.note_planned("prod", window(0))
    remembered, _ = table.read("prod")
    assert remembered.state == ClusterState("prod")
    table.write(replace(remembered, state=JUDGED))
    assert table.read("prod")[0].state == JUDGED


@pytest.mark.parametrize("spoilt", [{"S": "yesterday"}, {"N": "12"}, None])
def test_a_spoilt_item_makes_its_cluster_overdue_and_hides_no_other(
    table: StateTable, dynamodb: Any, spoilt: dict[str, str] | None
) -> None:
    table.write(Remembered(replace(JUDGED, cluster="dev"), None))
    dynamodb.put_item(
        TableName=TABLE,
        Item={KEY: {"S": "cluster#prod"}, "cluster": {"S": "prod"}, **({"done": spoilt} if spoilt else {})},
    )
    known = {each.cluster: each.done_or_since.year for each in table.known()}
    assert known == {"dev": 2026, "prod": 1970}


def test_a_rehearsal_finds_out_about_the_table_and_leaves_nothing_in_it(
    table: StateTable, dynamodb: Any
) -> None:
    table.rehearse()
    assert dynamodb.scan(TableName=TABLE)["Count"] == 0
    with pytest.raises(AwsProblem):
        StateTable(dynamodb, "other", now=NOW).rehearse()


# --- silences ---

SILENCE = Silence("prod/i-1", NOW + timedelta(hours=2), "being repaired")


def test_silences_are_read_with_every_state(table: StateTable) -> None:
    table.silence(SILENCE)
    assert table.read("prod")[1] == table.read("dev")[1] == table.silences() == (SILENCE,)


def test_a_silence_that_is_over_is_not_in_force_and_goes_with_the_next_one(
    table: StateTable, dynamodb: Any
) -> None:
    table.silence(SILENCE)
    later = StateTable(dynamodb, TABLE, now=SILENCE.until)
    assert later.silences() == ()
    newer = Silence("dev", SILENCE.until + timedelta(hours=1), "moving house")
    later.silence(newer)
    assert later.silences() == (newer,)
    assert list(item(dynamodb, "silences")["silences"]["M"]) == ["dev"]


def test_silencing_again_moves_the_end_and_silencing_until_now_ends_it(
    table: StateTable, dynamodb: Any
) -> None:
    table.silence(SILENCE)
    longer = replace(SILENCE, until=SILENCE.until + timedelta(days=1))
    table.silence(longer)
    assert table.silences() == (longer,)
    table.silence(replace(SILENCE, until=NOW))
    assert table.silences() == ()
    assert item(dynamodb, "silences")["silences"]["M"] == {}


def test_people_who_silence_at_the_same_time_do_not_undo_each_other(table: StateTable, dynamodb: Any) -> None:
    class Interrupted(Counting):
        """A client whose first write comes after somebody else's."""

        def __init__(self) -> None:
            super().__init__(dynamodb)
            self.others = iter([Silence("dev", SILENCE.until, "moving house")])
            self.get_item, self.put_item = dynamodb.get_item, self.put

        def put(self, **request: Any) -> dict[str, Any]:
            for other in self.others:
                table.silence(other)
            answer: dict[str, Any] = dynamodb.put_item(**request)
            return answer

    StateTable(Interrupted(), TABLE, now=NOW).silence(SILENCE)
    assert {each.target for each in table.silences()} == {"dev", "prod/i-1"}


def test_who_is_always_overtaken_gives_up_and_says_so(dynamodb: Any, table: StateTable) -> None:
    class AlwaysOvertaken(Counting):
        def __init__(self) -> None:
            super().__init__(dynamodb)
            self.get_item, self.put_item = dynamodb.get_item, self.put

        def put(self, **request: Any) -> dict[str, Any]:
            table.silence(Silence("dev", SILENCE.until, "moving house"))
            answer: dict[str, Any] = dynamodb.put_item(**request)
            return answer

    with pytest.raises(ConflictError):
        StateTable(AlwaysOvertaken(), TABLE, now=NOW).silence(SILENCE)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"S": "x"},
        {"M": {}},
        {"M": {"until": {"S": "2030-01-01T00:00:00Z"}}},
        {"M": {"until": {"S": "tomorrow"}, "why": {"S": "x"}}},
        {"M": {"until": {"N": "7"}, "why": {"S": "x"}}},
        {"M": {"until": {"S": "2030-01-01T00:00:00Z"}, "why": {"S": 7}}},
    ],
)
def test_a_damaged_silence_mutes_nothing_is_said_and_leaves_the_others_in_force(
    table: StateTable, dynamodb: Any, spoilt: dict[str, Any]
) -> None:
    table.silence(SILENCE)
    good = item(dynamodb, "silences")["silences"]["M"]
    spoilt_item = {
        KEY: {"S": "silences"},
        "revision": {"N": "1"},
        "silences": {"M": {**good, "prod": spoilt}},
    }
    read = Reading({"silences": spoilt_item})
    remembered, silences = StateTable(read, TABLE, now=NOW).read("prod")
    assert silences == (SILENCE,)
    [said] = remembered.damaged
    assert said.startswith("The silence of 'prod' is damaged")
    assert said.endswith("silence it again with `enigap silence`.")


def test_silences_that_are_none_mute_nothing_and_are_replaced_by_the_next(
    table: StateTable, dynamodb: Any
) -> None:
    dynamodb.put_item(TableName=TABLE, Item={KEY: {"S": "silences"}, "silences": {"S": "x"}})
    remembered, silences = table.read("prod")
    assert (silences, len(remembered.damaged)) == ((), 1)
    table.silence(SILENCE)  # though the item has no revision either
    remembered, silences = table.read("prod")
    assert (silences, remembered.damaged) == ((SILENCE,), ())


class Reading:
    """A client that answers with these items, whatever their types."""

    def __init__(self, items: dict[str, Any]) -> None:
        self.items = items

    def get_item(self, **request: Any) -> dict[str, Any]:
        found = self.items.get(request["Key"][KEY]["S"])
        return {"Item": found} if found else {}

    def put_item(self, **_: Any) -> dict[str, Any]:
        raise NotImplementedError

    def scan(self, **_: Any) -> dict[str, Any]:
        raise NotImplementedError


# --- permissions ---


def test_each_task_declares_the_calls_it_makes(dynamodb: Any, table: StateTable) -> None:
    calls: list[str] = []
    dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(f"dynamodb:{model.name}")
    )

    def made() -> set[str]:
        found = set(calls)
        calls.clear()
        return found

    table.note_planned("prod", FIRST)
    table.rehearse()
    list(table.known())
    assert table.reminder() is None
    assert made() == allowed(PLAN_ACTIONS)
    table.write(table.read("prod")[0])
    assert table.take_turn("prod", FIRST, 5)
    assert made() == allowed(RECONCILE_ACTIONS)
    table.silence(SILENCE)
    assert made() == allowed(SILENCE_ACTIONS)
    list(table.known())
    table.read("prod")
    assert made() == allowed(STATUS_ACTIONS)


def allowed(statements: Any) -> set[str]:
    return {action for statement in statements for action in statement.actions}


def test_the_first_clusters_of_a_window_have_a_turn_and_keep_it(table: StateTable) -> None:
    asked = [table.take_turn(name, FIRST, 2) for name in ("a", "b", "c", "a", "c", "b")]
    assert asked == [True, True, False, True, False, True]
    assert table.take_turn("c", FIRST.next(), 2)


def test_trouble_with_enigap_itself_is_remembered_until_it_is_over(table: StateTable) -> None:
    first = Reminder(FIRST.start, told_at=FIRST.start)
    table.remember(first, table.reminder())
    known = table.reminder()
    assert known is not None
    assert replace(known, revision=None) == first
    table.remember(replace(known, told_at=FIRST.end), known)
    with pytest.raises(ConflictError):
        table.remember(None, known)
    table.remember(None, table.reminder())
    assert table.reminder() is None
    table.remember(first, None)
    assert table.reminder() is not None
