"""The state as it is written down: it comes back as it was, it stays small, and damage is named."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import DeviceRates, Evidence
from enigap.core.counting.units import NOTHING, ByteRate
from enigap.core.documents import Document, node_document
from enigap.core.incidents.decide import decide, member_key
from enigap.core.incidents.incident import (
    MOST_MISSED,
    WORST_NODES,
    ClusterState,
    Ended,
    Incident,
    News,
    NewsKind,
    NewsReason,
    Policy,
)
from enigap.core.incidents.state import (
    MOST_BYTES,
    MOST_MEMBERS,
    SCHEMA,
    StateUnreadableError,
    read_json,
    to_json,
    written,
)
from enigap.core.instants import instant
from enigap.core.judging.cluster import Finding, FindingKind, NodeReport
from enigap.core.judging.verdict import NodeFigures, Reason, Verdict
from enigap.core.messages import notification_document, sns_message
from tests.fakes.pipeline_ports import CLUSTER, judgement, report_of, window
from tests.fakes.spoilt import ANYTHING, spoilt

UNEXPLAINED = [verdict for verdict in Verdict if verdict.explained is False]

# --- any state there can be ---

WINDOWS = st.integers(-1000, 1000).map(window)
NODE_IDS = st.integers(0, 99).map(lambda number: f"i-{number:017x}")
NODES = st.builds(
    lambda node, at, verdict: judgement(node, at, verdict).figures,
    NODE_IDS,
    WINDOWS,
    st.sampled_from(list(Verdict)),
)
INSTANTS = WINDOWS.map(lambda at: at.end)


@st.composite
def incidents(draw: st.DrawFn, cluster: str) -> Incident:
    verdict = draw(st.sampled_from([*UNEXPLAINED, *FindingKind])).value
    members = st.lists(NODE_IDS.map(member_key), max_size=30).map(tuple)
    return Incident(
        id=f"{cluster}/{draw(NODE_IDS | st.just('*'))}/{verdict}",
        verdict=verdict,
        cause=draw(st.none() | st.text(max_size=20)),
        since=draw(INSTANTS),
        node_count=draw(st.integers(0, 100_000)),
        nodes=tuple(draw(st.lists(NODES, max_size=3))),
        members=draw(st.none() | members),
        told_at=draw(st.none() | INSTANTS),
        reason=draw(st.none() | st.text(max_size=40)),
    )


@st.composite
def states(draw: st.DrawFn) -> ClusterState:
    cluster = draw(st.text(min_size=1, max_size=20))
    is_open = draw(st.lists(incidents(cluster), max_size=4, unique_by=lambda incident: incident.id))
    of_open = st.sampled_from([NewsKind.OPENED, NewsKind.REMINDER])
    news = [
        News(draw(of_open), draw(st.sampled_from(NewsReason)), incident, draw(WINDOWS))
        for incident in is_open[:2]
    ] + [
        News(NewsKind.RESOLVED, draw(st.sampled_from(NewsReason)), incident, draw(WINDOWS))
        for incident in draw(st.lists(incidents(cluster), max_size=3))
    ]
    return ClusterState(
        cluster=cluster,
        done=draw(st.none() | WINDOWS),
        nodes=draw(st.integers(0, 100_000)),
        seen_collecting=draw(st.booleans()),
        unreadable_runs=draw(st.integers(0, 1000)),
        missed=tuple(draw(st.lists(WINDOWS, max_size=5))),
        ended=tuple(
            draw(
                st.lists(
                    st.builds(Ended, st.just(f"{cluster}/i-1/os_silent"), INSTANTS, INSTANTS), max_size=3
                )
            )
        ),
        incidents=tuple(is_open),
        outbox=tuple(draw(st.permutations(news))),
    )


@given(states())
def test_a_state_comes_back_as_it_was(state: ClusterState) -> None:
    text = to_json(state)
    assert text.isascii()
    assert read_json(text)[0] == state
    assert to_json(read_json(text)[0]) == text


def test_devices_are_not_remembered_and_everything_else_about_a_node_is() -> None:
    devices = (DeviceRates("eth0", DeviceKind.PHYSICAL, NOTHING, NOTHING),)
    seen = replace(judgement("i-1", window(0), Verdict.OS_EXCESS), evidence=Evidence((), devices)).figures
    assert node_document(seen)["evidence"] is not None
    state = state_with(Incident("prod/i-1/os_excess", "os_excess", None, window(0).end, 1, (seen,), ()))
    [incident] = read_json(to_json(state))[0].incidents
    assert incident.nodes == (replace(seen, evidence=None),)


def test_the_version_before_reads_a_reason_as_a_sentence_and_its_own_is_told_whole() -> None:
    state = state_with(single("os_excess", 1))
    document = json.loads(to_json(state))
    [node] = document["incidents"][0]["nodes"]
    assert node["reason"] == str(state.incidents[0].nodes[0].reason)
    del node["seen"]
    [incident] = read_json(json.dumps(document))[0].incidents
    assert incident.nodes[0].reason == Reason.of_sentence(node["reason"])


def test_a_version_that_knows_more_fields_can_be_read() -> None:
    document = json.loads(to_json(LARGEST))
    document["mood"] = "sunny"
    document["incidents"][0]["colour"] = "green"
    assert read_json(json.dumps(document))[0] == read_json(to_json(LARGEST))[0]


def state_with(*incidents: Incident) -> ClusterState:
    return ClusterState(CLUSTER, window(0), nodes=1, incidents=incidents)


# --- how large it can get ---


def wide(verdict: str, members: int | None, number: int = 0) -> Incident:
    return Incident(
        f"{CLUSTER}/*/{verdict}",
        verdict,
        "moved_device",
        window(number).end,
        100_000,
        tuple(node(f"i-{n:017x}", Verdict.OS_DEFICIT) for n in range(WORST_NODES)),
        None if members is None else tuple(member_key(str(n)) for n in range(members)),
        window(number).end,
        reason="AWS denied cloudwatch:GetMetricData to arn:aws:sts::123456789012:assumed-role/x. " * 4,
    )


def single(verdict: str, number: int) -> Incident:
    instance_id = f"i-{number:017x}"
    return replace(
        wide(verdict, None),
        id=f"{CLUSTER}/{instance_id}/{verdict}",
        nodes=(node(instance_id, Verdict.OS_DEFICIT),),
        members=(member_key(instance_id),),
        node_count=1,
        reason=None,
    )


def node(instance_id: str, verdict: Verdict) -> NodeFigures:
    rate = ByteRate(12345678.123456789)
    return replace(
        judgement(instance_id, window(0), verdict).figures,
        node_name="ip-10-100-200-100.ap-southeast-2.compute.internal",
        os=rate,
        eni=rate,
        eni_in=rate,
        eni_out=rate,
        unexplained=rate,
        node_local_at_least=rate,
        reason=Reason("x" * 125, "y" * 125),
    )


BESIDE_OTHERS = [kind for kind in FindingKind if kind is not FindingKind.NOT_FOUND]
"""A cluster without nodes has no other incident."""


def largest(collapse_above: int) -> ClusterState:
    """Of every verdict as many single incidents as there can be, as many endings unheard of; and findings."""
    is_open = [single(v, n) for v in UNEXPLAINED for n in range(collapse_above)]
    is_open += [wide(kind, None) for kind in BESIDE_OTHERS]
    over = [single(v, n) for v in UNEXPLAINED for n in range(1000, 1000 + collapse_above)]
    return replace(
        state_with(*is_open),
        outbox=(
            *(News(NewsKind.OPENED, NewsReason.CONFIRMED, i, window(0)) for i in is_open),
            *(News(NewsKind.RESOLVED, NewsReason.EXPLAINED_AGAIN, i, window(0)) for i in over),
        ),
    )


LARGEST = largest(25)
WIDE = replace(
    state_with(
        *(wide(v, MOST_MEMBERS) for v in UNEXPLAINED),
        *(wide(kind, None) for kind in BESIDE_OTHERS),
    ),
    outbox=LARGEST.outbox[-100:],
)


@pytest.mark.parametrize("state", [LARGEST, WIDE], ids=["many single incidents", "all nodes of the cluster"])
def test_the_largest_state_there_can_be_stays_under_100_kb(state: ClusterState) -> None:
    assert len(to_json(state)) <= MOST_BYTES == 100_000


TROUBLE = [Verdict.OS_DEFICIT, Verdict.OS_EXCESS, Verdict.IMPLAUSIBLE, Verdict.OS_SILENT, Verdict.OS_UNSTEADY]


@settings(max_examples=8)
@given(
    collapse_above=st.integers(1, 1000),
    cluster=st.sampled_from(["prod", "x" * 1024, "\N{PILE OF POO}" * 255]),
    name=st.sampled_from([None, "n" * 253, "\N{PILE OF POO}" * 60]),
    phases=st.lists(st.lists(st.sampled_from([0, 1, 24, 80]), min_size=5, max_size=5), max_size=2),
)
def test_whatever_the_settings_and_the_names_a_state_fits_and_forgets_no_fault(
    collapse_above: int, cluster: str, name: str | None, phases: list[list[int]]
) -> None:
    """In an outage of SNS, in which nothing can be said: so many nodes in each kind of trouble by turns."""
    state, policy = ClusterState(cluster), Policy(collapse_above=collapse_above)
    for number, counts in enumerate(([80] * 5, *phases)):
        nodes = {
            f"i-{number % 2}{verdict.value[:6]:x>6}{n:010x}": (verdict, verdict)
            for verdict, count in zip(TROUBLE, counts, strict=True)
            for n in range(count)
        }
        report = report_of(window(number), nodes or {"i-1": (Verdict.AGREE, Verdict.AGREE)}, cluster=cluster)
        report = replace(report, nodes=tuple(named(each, name) for each in report.nodes))
        state = decide(state, report, policy, [], window(number).end)
        assert len(to_json(state)) <= MOST_BYTES
        assert {key for incident in state.incidents for key in incident.members or ()} == {
            member_key(each) for each in nodes
        }
        document = written(state)
        again, damaged = read_json(document.text, document.aside)
        assert [(i.id, i.members, i.since, i.told_at, len(i.nodes)) for i in again.incidents] == [
            (i.id, i.members, i.since, i.told_at, len(i.nodes)) for i in state.incidents
        ]
        assert damaged == ()


def named(report: NodeReport, name: str | None) -> NodeReport:
    node = replace(report.newest.node, node_name=name)
    return replace(report, newest=replace(report.newest, node=node))


def test_the_members_of_a_large_incident_are_kept_beside_the_state_and_come_back() -> None:
    large, small = wide("os_silent", 100_000), wide("os_deficit", MOST_MEMBERS)
    document = written(state_with(large, small))
    assert len(document.text) < MOST_BYTES
    assert len(document.aside) == 8 * 100_000
    state, damaged = read_json(document.text, document.aside)
    assert [i.members for i in state.incidents] == [large.members, small.members]
    assert damaged == ()


def test_members_that_are_not_beside_the_state_are_unknown_and_said() -> None:
    document = written(state_with(wide("os_silent", 5000), wide("os_deficit", 3)))
    for aside in ("", document.aside[:-8]):
        state, [damaged] = read_json(document.text, aside)
        assert state.incidents[0].members is None
        assert len(state.incidents[1].members or ()) == 3
        assert "the list of an incident's nodes is damaged" in damaged


def test_a_day_of_missed_windows_takes_little_room() -> None:
    missed = tuple(window(n) for n in range(MOST_MISSED))
    assert len(to_json(ClusterState(CLUSTER, missed=missed))) < 3000


def test_what_has_no_room_are_figures_and_never_who_it_is_about() -> None:
    state = read_json(to_json(LARGEST))[0]
    assert [i.id for i in state.incidents] == [i.id for i in LARGEST.incidents]
    assert [(n.kind, n.incident.id) for n in state.outbox] == [
        (n.kind, n.incident.id) for n in LARGEST.outbox
    ]
    for incident, before in zip(state.incidents, LARGEST.incidents, strict=True):
        for shown, whole in zip(incident.nodes, before.nodes, strict=True):
            assert shown == NodeFigures(whole.instance_id, whole.node_name, whole.verdict)


def test_a_state_without_figures_can_still_be_told() -> None:
    assert len(tell(read_json(to_json(LARGEST))[0].outbox)) < 256 * 1024


def tell(news: Sequence[News]) -> str:
    """The message with this news."""
    document = notification_document(
        news,
        account="123456789012",
        region="eu-west-1",
        cluster=CLUSTER,
        dashboard_url="https://example.com/#dashboards/dashboard/enigap",
        settle=window(0).end - window(0).start,
    )
    return sns_message(document)["Message"]


def test_the_figures_come_back_with_the_next_run() -> None:
    nodes = {f"i-{n:017x}": (v, v) for v in UNEXPLAINED for n in range(2)}
    state = decide(
        replace(read_json(to_json(LARGEST))[0], outbox=()),
        report_of(window(1), nodes),
        Policy(),
        [],
        window(2).end,
    )
    assert state.incidents
    assert all(n.os is not None or n.verdict == "os_silent" for i in state.incidents for n in i.nodes)


# --- damage ---


@pytest.mark.parametrize(
    ("path", "damage"),
    [
        (("incidents", 0, "since"), 7),
        (("incidents", 0, "about"), "i-1"),
        (("incidents", 0, "about"), "i-1/nonsense"),
        (("incidents", 0, "nodes", 0, "os_bytes_per_second"), "a lot"),
        (("incidents", 0, "nodes", 0, "explained"), 1),
        (("incidents", 0, "nodes", 0, "reason"), ["x"]),
        (("incidents", 0, "nodes"), "none"),
        (("incidents", 0, "cause"), {"S": "moved_device"}),
        (("incidents", 0, "node_count"), "3"),
        (("incidents", 0, "told_at"), "yesterday"),
        (("incidents", 0, "members"), 12),
        (("outbox", 0, "why"), "because"),
        (("outbox", 0, "news"), "rumour"),
        (("outbox",), None),
        (("incidents",), {}),
        (("missed", 0), "2026-01-01T00:07:00Z"),
        (("missed",), 3),
        (("seen_collecting",), "false"),
        (("unreadable_runs",), -1),
        (("nodes",), 1.5),
        (("done",), 12),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else repr(value),
)
def test_a_damaged_part_is_left_out_and_said_and_the_rest_is_kept(
    path: tuple[str | int, ...], damage: object
) -> None:
    whole = replace(
        state_with(single("os_excess", 1), single("os_silent", 2)),
        missed=(window(-2), window(-1)),
        outbox=(
            News(NewsKind.RESOLVED, NewsReason.NODE_GONE, single("os_deficit", 3), window(0)),
            News(NewsKind.RESOLVED, NewsReason.NODE_GONE, single("os_deficit", 4), window(0)),
        ),
    )
    document = json.loads(to_json(whole))
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = damage
    state, damaged = read_json(json.dumps(document))
    assert len(damaged) == 1
    assert damaged[0].startswith(f"In the state of {CLUSTER}, ")
    if path != ("incidents",):
        assert whole.incidents[1] in state.incidents
    if path != ("outbox",):
        assert [news.incident.id for news in state.outbox][-1] == whole.outbox[1].incident.id
    assert read_json(to_json(state))[0] == state
    again = [News(NewsKind.REMINDER, NewsReason.REMIND_INTERVAL, i, window(1)) for i in state.incidents]
    tell(again or whole.outbox)


def test_a_state_of_the_version_before_is_migrated_and_one_of_a_later_version_is_refused() -> None:
    def renamed(document: Document) -> Document:
        return {**document, "schema": "enigap.state/2", "nodes": document["hosts"]}

    empty: Document = {"cluster": CLUSTER, "done": None, "incidents": [], "outbox": []}
    old = json.dumps({"schema": "enigap.state/1", "hosts": 7, **empty})
    state, damaged = read_json(old, schema="enigap.state/2", migrations={"enigap.state/1": renamed})
    assert (state.nodes, damaged) == (7, ())
    new = json.dumps(renamed(json.loads(old)))
    assert read_json(new, schema="enigap.state/2", migrations={"enigap.state/1": renamed})[0] == state
    with pytest.raises(StateUnreadableError, match="deploy the version that wrote it"):
        read_json(new)[0]


def test_a_state_that_the_release_before_wrote_is_read() -> None:
    """It knew no missed windows, and forgot the nodes of large incidents."""
    known = single("os_silent", 1)
    document = json.loads(to_json(state_with(known, wide("os_silent", None))))
    assert "missed" not in document
    assert "ended" not in document
    state, damaged = read_json(json.dumps(document))
    assert ([i.members for i in state.incidents], damaged) == ([known.members, None], ())


@given(spoilt(states().map(to_json).map(json.loads)).map(json.dumps) | st.text() | ANYTHING.map(json.dumps))
def test_whatever_is_there_is_a_state_or_said_to_be_none(text: str) -> None:
    try:
        state = read_json(text)[0]
    except StateUnreadableError as refusal:
        what_to_do = str(refusal)
    else:
        assert read_json(to_json(state))[0] == state
        if state.outbox:
            tell(state.outbox)
        return
    assert what_to_do.endswith("delete its item in the state table.")
    assert len(what_to_do) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '"enigap.state/1"',
        "[" * 100_000,
        '{"schema": ' + "[" * 50_000 + "]" * 50_000 + "}",
        json.dumps({"schema": "enigap.state/1"}),
        json.dumps({"schema": "enigap.state/2", "cluster": "prod"}),
        json.dumps({"schema": ["enigap.state/1"]}),
    ],
    ids=[
        "nothing",
        "a list",
        "null",
        "empty",
        "a text",
        "endless lists",
        "an endless schema",
        "only a schema",
        "a later version",
        "a schema that is a list",
    ],
)
def test_what_is_no_state_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(StateUnreadableError, match=r"delete its item in the state table\.$"):
        read_json(text)[0]


def test_a_newer_version_is_named_and_not_overwritten() -> None:
    with pytest.raises(
        StateUnreadableError, match=r"'enigap\.state/2' and this version reads 'enigap\.state/1'"
    ):
        read_json(json.dumps({"schema": "enigap.state/2", "cluster": "prod", "done": None}))[0]
    assert SCHEMA == "enigap.state/1"


@pytest.mark.parametrize(
    "text",
    ["2026-01-01T00:15:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "yesterday", ""],
)
def test_an_instant_has_a_time_zone_and_lies_in_the_calendar(text: str) -> None:
    with pytest.raises(ValueError, match=r"needs a time zone|within the calendar|isoformat"):
        instant(text)


def test_instants_of_all_zones_are_the_same_in_utc() -> None:
    assert instant("2026-01-01T01:15:00+01:00").isoformat() == "2026-01-01T00:15:00+00:00"


FINDING = Finding(FindingKind.UNREADABLE, "AWS denied it: allow it.")


def test_the_reason_of_a_finding_survives() -> None:
    state = ClusterState(CLUSTER)
    for number in range(2):
        state = decide(
            state, report_of(window(number), {}, finding=FINDING), Policy(), [], window(number).end
        )
    assert [i.reason for i in read_json(to_json(state))[0].incidents] == [FINDING.reason]
