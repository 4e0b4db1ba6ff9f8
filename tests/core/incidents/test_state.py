"""The state as it is written down: it comes back as it was, it stays small, and damage is named."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import DeviceRates, Evidence
from enigap.core.counting.units import NOTHING, ByteRate
from enigap.core.documents import node_document
from enigap.core.incidents.decide import MOST_MEMBERS, WORST_NODES, decide, member_key
from enigap.core.incidents.incident import ClusterState, Incident, News, NewsKind, NewsReason, Policy
from enigap.core.incidents.state import MOST_BYTES, SCHEMA, StateUnreadableError, from_json, to_json
from enigap.core.instants import instant
from enigap.core.judging.cluster import Finding, FindingKind
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
        incidents=tuple(is_open),
        outbox=tuple(draw(st.permutations(news))),
    )


@given(states())
def test_a_state_comes_back_as_it_was(state: ClusterState) -> None:
    text = to_json(state)
    assert text.isascii()
    assert from_json(text) == state
    assert to_json(from_json(text)) == text


def test_devices_are_not_remembered_and_everything_else_about_a_node_is() -> None:
    devices = (DeviceRates("eth0", DeviceKind.PHYSICAL, NOTHING, NOTHING),)
    seen = replace(judgement("i-1", window(0), Verdict.OS_EXCESS), evidence=Evidence((), devices)).figures
    assert node_document(seen)["evidence"] is not None
    state = state_with(Incident("prod/i-1/os_excess", "os_excess", None, window(0).end, 1, (seen,), ()))
    [incident] = from_json(to_json(state)).incidents
    assert incident.nodes == (replace(seen, evidence=None),)


def test_the_version_before_reads_a_reason_as_a_sentence_and_its_own_is_told_whole() -> None:
    state = state_with(single("os_excess", 1))
    document = json.loads(to_json(state))
    [node] = document["incidents"][0]["nodes"]
    assert node["reason"] == str(state.incidents[0].nodes[0].reason)
    del node["seen"]
    [incident] = from_json(json.dumps(document)).incidents
    assert incident.nodes[0].reason == Reason.of_sentence(node["reason"])


def test_a_version_that_knows_more_fields_can_be_read() -> None:
    document = json.loads(to_json(LARGEST))
    document["mood"] = "sunny"
    document["incidents"][0]["colour"] = "green"
    assert from_json(json.dumps(document)) == from_json(to_json(LARGEST))


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


def test_with_the_largest_setting_the_largest_state_still_fits_into_an_item() -> None:
    assert len(to_json(largest(100))) < 390_000


def test_what_has_no_room_are_figures_and_never_who_it_is_about() -> None:
    state = from_json(to_json(LARGEST))
    assert [i.id for i in state.incidents] == [i.id for i in LARGEST.incidents]
    assert [(n.kind, n.incident.id) for n in state.outbox] == [
        (n.kind, n.incident.id) for n in LARGEST.outbox
    ]
    for incident, before in zip(state.incidents, LARGEST.incidents, strict=True):
        for shown, whole in zip(incident.nodes, before.nodes, strict=True):
            assert shown == NodeFigures(whole.instance_id, whole.node_name, whole.verdict)


def test_a_state_without_figures_can_still_be_told() -> None:
    document = notification_document(
        from_json(to_json(LARGEST)).outbox,
        account="123456789012",
        region="eu-west-1",
        cluster=CLUSTER,
        dashboard_url="https://example.com/#dashboards/dashboard/enigap",
        settle=window(0).end - window(0).start,
    )
    assert len(sns_message(document)["Message"]) < 256 * 1024


def test_the_figures_come_back_with_the_next_run() -> None:
    nodes = {f"i-{n:017x}": (v, v) for v in UNEXPLAINED for n in range(2)}
    state = decide(
        replace(from_json(to_json(LARGEST)), outbox=()),
        report_of(window(1), nodes),
        Policy(),
        [],
        window(2).end,
    )
    assert state.incidents
    assert all(n.os is not None or n.verdict == "os_silent" for i in state.incidents for n in i.nodes)


# --- damage ---


@given(spoilt(states().map(to_json).map(json.loads)).map(json.dumps) | st.text() | ANYTHING.map(json.dumps))
def test_whatever_is_there_is_a_state_or_said_to_be_none(text: str) -> None:
    try:
        state = from_json(text)
    except StateUnreadableError as refusal:
        what_to_do = str(refusal)
    else:
        assert from_json(to_json(state)) == state
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
        from_json(text)


def test_a_newer_version_is_named_and_not_overwritten() -> None:
    with pytest.raises(
        StateUnreadableError, match=r"'enigap\.state/2' and this version reads 'enigap\.state/1'"
    ):
        from_json(json.dumps({"schema": "enigap.state/2", "cluster": "prod", "done": None}))
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
    assert [i.reason for i in from_json(to_json(state)).incidents] == [FINDING.reason]
