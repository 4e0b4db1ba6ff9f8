"""From nodes to a report: whose devices are read, what one bad node spoils, what is said of the cluster."""

import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.assessment import Looking, Sources, Totals, assess, billed_metrics, examine
from enigap.core.counting.comparison import EniHistory
from enigap.core.counting.evidence import DeviceEvents, DeviceScope, MissingEvidence, NoEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.reading import Readings, Unreadable
from enigap.core.counting.rules import EvidencePolicy, Rules
from enigap.core.counting.window import MINUTE, FetchSpan
from enigap.core.judging.cluster import ClusterReport, FindingKind
from enigap.core.judging.verdict import Verdict
from enigap.core.published import Metric, cluster_values
from tests.fakes.readings import SPAN, WINDOW, events, steady, without_os

RULES = Rules()
OLDEST = WINDOW.previous().start
"""Where the oldest window of the fetch begins."""

AGREES = steady(1e6, 6e5, 4e5)
POD_EDGE = steady(2e6, 6e5, 4e5)
SURPLUS = steady(9e6, 6e5, 4e5)
"""Node-local traffic or a fault; the devices tell."""
DEFICIT = steady(1e5, 6e5, 4e5)
OS_SILENT = steady(None, 6e5, 4e5)
NOTHING = steady(None, None, None)
UNREADABLE = Unreadable("CloudWatch throttled the request")

INSIDE = events({"eth0": (6e5, 4e5), "eni1a2b3c4d5e6": (4e6, 4e6)})
"""The devices of a node of `SURPLUS` whose surplus never left it."""


class FakeTotals:
    """Answers for the nodes it is asked about, in an order of its own."""

    def __init__(self, readings: Mapping[str, Readings | Unreadable]) -> None:
        self._readings = readings
        self.asked: list[tuple[str, ...]] = []
        self.histories_asked: list[tuple[str, FetchSpan]] = []

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings | Unreadable]]:
        assert span == SPAN
        self.asked.append(tuple(node.instance_id for node in nodes))
        for node in reversed(nodes):
            yield node, self._readings[node.instance_id]

    def histories(
        self, nodes: Sequence[Node], span: FetchSpan
    ) -> Iterator[tuple[Node, EniHistory | Unreadable]]:
        self.histories_asked += [(node.instance_id, span) for node in nodes]
        return iter(())


class FakeDevices:
    """Has these events of every node, and remembers whose devices it was asked for."""

    def __init__(self, answer: DeviceEvents | MissingEvidence = INSIDE) -> None:
        self.answers = {DeviceScope.ALL: answer, DeviceScope.ENI: answer}
        if isinstance(answer, DeviceEvents):
            enis = tuple(sample for sample in answer.samples if sample.device == "eth0")
            self.answers[DeviceScope.ENI] = replace(answer, samples=enis, scope=DeviceScope.ENI)
        self.asked: list[str] = []
        """By their ENI devices."""
        self.asked_for_all: list[str] = []
        self.spans: dict[str, FetchSpan] = {}

    def devices(
        self, nodes: Sequence[Node], span: FetchSpan, scope: DeviceScope
    ) -> Mapping[str, DeviceEvents | MissingEvidence]:
        self.spans |= {node.instance_id: span for node in nodes}
        asked = self.asked if scope is DeviceScope.ENI else self.asked_for_all
        asked += [node.instance_id for node in nodes]
        return {node.instance_id: self.answers[scope] for node in nodes}


def a_node(name: str) -> Node:
    return Node("prod", name, f"{name}.internal")


def assessed(
    readings: Mapping[str, Readings | Unreadable],
    devices: FakeDevices | None = None,
    *,
    nodes: Iterable[Node] | None = None,
    totals: Totals | None = None,
    evidence: EvidencePolicy = EvidencePolicy.SUSPECTS,
    evidence_max_nodes: int = 200,
    followed: Collection[str] = (),
    out_of_time: Callable[[], bool] = lambda: False,
) -> ClusterReport:
    return assess(
        "prod",
        list(nodes or map(a_node, readings)),
        WINDOW,
        RULES,
        Sources(totals or FakeTotals(readings), devices or FakeDevices(), out_of_time=out_of_time),
        Looking(evidence, timedelta(hours=6), evidence_max_nodes, is_followed=followed.__contains__),
    )


def verdicts(report: ClusterReport) -> dict[str, Verdict]:
    return {node.newest.node.instance_id: node.newest.verdict for node in report.nodes}


def reason(report: ClusterReport, instance_id: str) -> str:
    (judgement,) = (node.newest for node in report.nodes if node.newest.node.instance_id == instance_id)
    return str(judgement.reason)


# --- every node ---


def test_every_node_is_reported_once_in_whatever_order_the_answers_come() -> None:
    kinds = (AGREES, POD_EDGE, SURPLUS, DEFICIT, OS_SILENT, NOTHING, UNREADABLE)
    readings = {f"i-{number}": kinds[number % len(kinds)] for number in range(70)}
    report = assessed(readings, evidence_max_nodes=3)
    reported = [node.newest.node.instance_id for node in report.nodes]
    assert sorted(reported) == sorted(readings)
    assert report.node_count == 70


def test_one_unreadable_node_is_the_only_unreadable_one() -> None:
    report = assessed({"i-a": AGREES, "i-b": UNREADABLE, "i-c": SURPLUS})
    assert verdicts(report) == {
        "i-a": Verdict.AGREE,
        "i-b": Verdict.UNREADABLE,
        "i-c": Verdict.NODE_LOCAL,
    }
    assert report.finding is None


def test_the_windows_before_are_reported_newest_first() -> None:
    came_back = without_os(AGREES, OLDEST, 15)
    (node,) = assessed({"i-a": came_back}, FakeDevices(events({"eth0": (6e5, 4e5)}))).nodes
    assert node.newest.window == WINDOW
    assert node.verdicts == (Verdict.AGREE, Verdict.OS_SILENT)


def test_totals_are_read_in_one_go() -> None:
    totals = FakeTotals({"i-a": AGREES, "i-b": AGREES})
    assessed({"i-a": AGREES, "i-b": AGREES}, totals=totals)
    assert totals.asked == [("i-a", "i-b")]


def test_a_metric_is_billed_once_and_a_node_without_a_series_has_two() -> None:
    known, unknown = a_node("i-a"), Node("prod", "i-b")
    assert billed_metrics([known, known, unknown]) == 8
    report = assessed({"i-a": AGREES, "i-b": OS_SILENT}, nodes=[known, unknown])
    assert report.billed_metrics == 5 + 4


# --- whose devices are read ---


def test_nodes_that_counting_explains_are_not_suspects() -> None:
    devices = FakeDevices()
    assessed({"i-a": AGREES, "i-b": POD_EDGE, "i-c": UNREADABLE}, devices)
    assert devices.asked == []


@pytest.mark.parametrize("readings", [SURPLUS, DEFICIT, OS_SILENT], ids=["surplus", "deficit", "os silent"])
def test_nodes_that_it_does_not_explain_or_cannot_tell_about_are(readings: Readings) -> None:
    devices = FakeDevices()
    assessed({"i-a": AGREES, "i-b": readings}, devices)
    assert devices.asked == ["i-b"]


def test_a_node_that_was_unexplained_a_window_ago_still_is_one() -> None:
    was_silent = without_os(AGREES, OLDEST, 15)
    devices = FakeDevices(events({"eth0": (6e5, 4e5)}))
    (node,) = assessed({"i-a": was_silent}, devices).nodes
    assert devices.asked == ["i-a"]
    assert node.newest.verdict.explained is not False


def test_the_devices_decide() -> None:
    (inside,) = assessed({"i-a": SURPLUS}).nodes
    assert inside.newest.verdict is Verdict.NODE_LOCAL
    too_much = FakeDevices(events({"eth0": (8e6, 1e6)}))
    (fault,) = assessed({"i-a": SURPLUS}, too_much).nodes
    assert fault.newest.verdict is Verdict.OS_EXCESS


def test_where_there_are_no_events_the_reason_says_why() -> None:
    denied = FakeDevices(MissingEvidence(NoEvidence.DENIED, "AWS denied logs:FilterLogEvents"))
    report = assessed({"i-a": SURPLUS}, denied)
    assert verdicts(report) == {"i-a": Verdict.UNVERIFIED}
    assert "for AWS denied logs:FilterLogEvents." in reason(report, "i-a")


def test_switched_off_nobody_is_asked_and_the_reason_says_so() -> None:
    devices = FakeDevices()
    report = assessed({"i-a": SURPLUS, "i-b": AGREES}, devices, evidence=EvidencePolicy.OFF)
    assert devices.asked == []
    assert verdicts(report) == {"i-a": Verdict.UNVERIFIED, "i-b": Verdict.AGREE}
    assert "reading device evidence is switched off" in reason(report, "i-a")


def test_always_asks_about_everybody_who_could_be_read() -> None:
    devices = FakeDevices()
    assessed({"i-a": AGREES, "i-b": SURPLUS, "i-c": UNREADABLE}, devices, evidence=EvidencePolicy.ALWAYS)
    assert sorted(devices.asked) == ["i-a", "i-b"]


def test_always_finds_what_the_two_metrics_hide() -> None:
    """The physical devices carried half of what the interfaces did, and pod traffic made up for it."""
    hidden = FakeDevices(events({"eth0": (3e5, 2e5), "eni1a2b3c4d5e6": (7e5, 8e5)}))
    assert verdicts(assessed({"i-a": POD_EDGE}, hidden)) == {"i-a": Verdict.POD_EDGE}
    always = assessed({"i-a": POD_EDGE}, hidden, evidence=EvidencePolicy.ALWAYS)
    assert verdicts(always) == {"i-a": Verdict.OS_DEFICIT}


@given(
    surpluses=st.lists(st.integers(3, 10_000), min_size=1, max_size=40, unique=True),
    budget=st.integers(1, 12),
)
def test_all_devices_are_read_of_those_with_most_at_stake(surpluses: list[int], budget: int) -> None:
    readings = {f"i-{os}": steady(os * 1e6, 6e5, 4e5) for os in surpluses}
    devices = FakeDevices(events({"eth0": (3e6, 4e5)}))
    report = assessed(readings, devices, evidence_max_nodes=budget)

    largest = sorted(surpluses, reverse=True)
    assert devices.asked == [f"i-{os}" for os in largest]
    assert devices.asked_for_all == [f"i-{os}" for os in largest[:budget]]
    for os in largest[budget:]:
        assert "more nodes need device evidence than `evidence_max_nodes`" in reason(report, f"i-{os}")
        assert verdicts(report)[f"i-{os}"] is Verdict.UNVERIFIED


def test_a_node_that_its_eni_devices_clear_needs_no_look_at_the_others() -> None:
    devices = FakeDevices()
    readings = {f"i-{number}": SURPLUS for number in range(1_000)}
    report = assessed(readings, devices, evidence_max_nodes=1)
    assert report.count(Verdict.NODE_LOCAL) == 1_000
    assert devices.asked_for_all == ["i-0"]
    assert "the surplus on virtual devices" in reason(report, "i-7")
    assert [node.newest.node.instance_id for node in report.nodes if node.newest.evidence] == ["i-0"]


def test_what_cleared_a_node_stands_where_its_other_devices_cannot_be_read() -> None:
    devices = FakeDevices()
    devices.answers[DeviceScope.ALL] = MissingEvidence(NoEvidence.BUDGET_SPENT, "time ran out")
    assert verdicts(assessed({"i-a": SURPLUS}, devices)) == {"i-a": Verdict.NODE_LOCAL}


def test_no_more_devices_are_judged_once_time_has_run_out_and_the_run_still_tells() -> None:
    devices = FakeDevices()
    questions = iter([False] * 12 + [True] * 1_000)
    readings = {f"i-{number:02}": SURPLUS for number in range(20)}
    report = assessed(readings, devices, out_of_time=lambda: next(questions))
    assert len(report.nodes) == 20
    late = [each.newest for each in report.nodes if each.newest.verdict is not Verdict.NODE_LOCAL]
    assert 0 < len(late) < 20
    assert all(each.explained is None for each in late)
    said = {each.evidence_missing or str(each.reason) for each in late}
    assert all("time ran out before its device events could be judged" in each for each in said)


def test_all_devices_of_cleared_nodes_are_read_after_those_that_stay_open() -> None:
    devices = FakeDevices()
    readings = {"i-a": SURPLUS, "i-b": DEFICIT, "i-c": SURPLUS}
    report = assessed(readings, devices, evidence_max_nodes=2)
    assert devices.asked_for_all == ["i-b", "i-a"]
    shown = {node.newest.node.instance_id for node in report.nodes if node.newest.evidence}
    assert shown == {"i-a", "i-b"}
    assert verdicts(report)["i-c"] is Verdict.NODE_LOCAL


def test_eni_devices_alone_never_accuse() -> None:
    """They differ from what the interfaces carried, and the look at all devices ran out of time."""
    devices = FakeDevices(events({"eth0": (8e6, 1e6)}))
    out_of_time = MissingEvidence(NoEvidence.BUDGET_SPENT, "time ran out")
    devices.answers[DeviceScope.ALL] = out_of_time
    assert verdicts(assessed({"i-a": SURPLUS}, devices)) == {"i-a": Verdict.UNVERIFIED}
    too_little = FakeDevices(events({"eth0": (1e5, 4e5)}))
    too_little.answers[DeviceScope.ALL] = out_of_time
    hidden = assessed({"i-a": AGREES}, too_little, evidence=EvidencePolicy.ALWAYS)
    assert verdicts(hidden) == {"i-a": Verdict.UNVERIFIED}
    assert hidden.nodes[0].newest.evidence_missing == "time ran out"


def test_devices_that_cannot_be_read_are_asked_for_once() -> None:
    devices = FakeDevices(MissingEvidence(NoEvidence.DENIED, "AWS denied logs:FilterLogEvents"))
    assessed({"i-a": SURPLUS}, devices)
    assert (devices.asked, devices.asked_for_all) == (["i-a"], [])


def test_where_the_budget_did_not_reach_the_eni_devices_all_are_asked_for() -> None:
    devices = FakeDevices()
    devices.answers[DeviceScope.ENI] = MissingEvidence(NoEvidence.BUDGET_SPENT, "too many pages")
    assert verdicts(assessed({"i-a": SURPLUS}, devices)) == {"i-a": Verdict.NODE_LOCAL}


def test_the_budget_holds_when_everybody_is_asked() -> None:
    devices = FakeDevices()
    readings: dict[str, Readings | Unreadable] = {f"i-{number}": AGREES for number in range(10)}
    report = assessed(
        {**readings, "i-big": SURPLUS},
        devices,
        evidence=EvidencePolicy.ALWAYS,
        evidence_max_nodes=2,
    )
    assert devices.asked[0] == "i-big"
    assert len(devices.asked) == 11
    assert len(devices.asked_for_all) == 1
    # What the two metrics explain stays explained, whether or not there was room.
    assert report.count(Verdict.AGREE) >= 9


class Tracked(Readings):
    """Readings whose end can be seen."""

    __slots__ = ("__weakref__",)


def tracked(readings: Readings) -> Tracked:
    return Tracked(
        readings.span,
        readings.os_bytes_per_second,
        readings.network_in_bytes,
        readings.network_out_bytes,
        readings.network_in_samples,
    )


class StreamedTotals(FakeTotals):
    """Makes each node's readings when its turn comes, and sees how many are still there."""

    def __init__(self, readings: Readings) -> None:
        super().__init__({})
        self._same = readings
        self._made: list[weakref.ref[Tracked]] = []
        self.most = 0

    def totals(self, nodes: Sequence[Node], _: FetchSpan) -> Iterator[tuple[Node, Readings]]:
        for node in nodes:
            made = tracked(self._same)
            self._made.append(weakref.ref(made))
            yield node, made
            del made
            self.most = max(self.most, sum(ref() is not None for ref in self._made))


def test_readings_of_nodes_that_are_not_suspects_are_let_go() -> None:
    totals = StreamedTotals(AGREES)
    report = assessed({}, nodes=[a_node(f"i-{number}") for number in range(200)], totals=totals)
    assert len(report.nodes) == 200
    assert totals.most <= 1


# --- the cluster as a whole ---


def test_a_cluster_without_any_datapoint_of_the_os_is_not_collected() -> None:
    devices = FakeDevices()
    report = assessed({"i-a": OS_SILENT, "i-b": OS_SILENT}, devices)
    assert report.finding is not None
    assert report.finding.kind is FindingKind.NOT_COLLECTED
    assert "No node of prod has published node_network_total_bytes for 2 windows" in report.finding.reason
    assert (report.nodes, report.node_count, report.billed_metrics) == ((), 2, 6)
    assert devices.asked == []


def test_one_node_that_reports_makes_the_others_silent_ones() -> None:
    report = assessed({"i-a": OS_SILENT, "i-b": AGREES})
    assert report.finding is None
    assert verdicts(report) == {"i-a": Verdict.OS_SILENT, "i-b": Verdict.AGREE}


def test_one_datapoint_anywhere_in_the_fetch_is_enough() -> None:
    """The agents stopped a window ago: that is silence with a beginning, and not a cluster without agents."""
    stopped = without_os(AGREES, OLDEST + 2 * MINUTE, SPAN.minutes)
    report = assessed({"i-a": stopped})
    assert report.finding is None
    assert verdicts(report) == {"i-a": Verdict.OS_SILENT}


def test_what_came_before_the_oldest_window_is_none_of_it() -> None:
    """The label that begins the window may still end a minute from before it."""
    stopped = without_os(AGREES, OLDEST + MINUTE, SPAN.minutes)
    report = assessed({"i-a": stopped})
    assert report.finding is not None
    assert report.finding.kind is FindingKind.NOT_COLLECTED


def test_one_unreadable_node_could_be_the_one_that_reports() -> None:
    report = assessed({"i-a": OS_SILENT, "i-b": UNREADABLE})
    assert report.finding is None
    assert verdicts(report) == {"i-a": Verdict.OS_SILENT, "i-b": Verdict.UNREADABLE}


def test_a_cluster_that_has_only_just_started_proves_nothing() -> None:
    launched = WINDOW.start + timedelta(minutes=5)
    young = [replace(a_node(name), launched_at=launched) for name in ("i-a", "i-b")]
    report = assessed({"i-a": NOTHING, "i-b": NOTHING}, nodes=young)
    assert report.finding is None
    assert set(verdicts(report).values()) == {Verdict.WARMING_UP}


def test_one_settled_node_among_young_ones_tells() -> None:
    young = replace(a_node("i-a"), launched_at=WINDOW.start + timedelta(minutes=5))
    report = assessed({"i-a": NOTHING, "i-b": OS_SILENT}, nodes=[young, a_node("i-b")])
    assert report.finding is not None
    assert report.finding.kind is FindingKind.NOT_COLLECTED


def test_a_cluster_of_which_nothing_could_be_read_says_so_and_why() -> None:
    devices = FakeDevices()
    report = assessed({"i-a": UNREADABLE, "i-b": UNREADABLE}, devices, evidence=EvidencePolicy.ALWAYS)
    assert report.finding is not None
    assert report.finding.kind is FindingKind.UNREADABLE
    assert "CloudWatch throttled the request" in report.finding.reason
    assert set(verdicts(report).values()) == {Verdict.UNREADABLE}
    assert devices.asked == []


def test_a_cluster_without_nodes_has_no_finding() -> None:
    report = assessed({})
    assert (report.nodes, report.finding, report.node_count, report.billed_metrics) == ((), None, 0, 0)


# --- one node ---


@pytest.mark.parametrize("readings", [AGREES, SURPLUS, UNREADABLE], ids=["agrees", "surplus", "unreadable"])
def test_a_node_that_is_examined_has_its_devices_read_whatever_the_metrics_say(
    readings: Readings | Unreadable,
) -> None:
    devices = FakeDevices(events({"eth0": (6e5, 4e5)}) if readings is AGREES else INSIDE)
    sources = Sources(FakeTotals({"i-a": readings}), devices)
    judgement, _ = examine(a_node("i-a"), WINDOW, RULES, sources, timedelta(hours=6), windows=2)
    assert devices.asked_for_all == ["i-a"]
    assert (judgement.evidence is None) == (readings is UNREADABLE)


# --- every node in turn ---


def test_every_node_is_looked_at_in_turn_and_the_others_say_when() -> None:
    devices = FakeDevices(events({"eth0": (6e5, 4e5)}))
    readings: dict[str, Readings | Unreadable] = {f"i-{number}": AGREES for number in range(400)}
    report = assessed(readings, devices, evidence=EvidencePolicy.ROTATE)
    assert 60 <= len(devices.asked) <= 140
    not_looked_at = [
        node.newest for node in report.nodes if node.newest.node.instance_id not in devices.asked
    ]
    assert {judgement.evidence_missing for judgement in not_looked_at} == {
        "not its turn; looked at every 60 min"
    }
    assert report.count(Verdict.AGREE) == 400


def test_a_glance_that_agrees_spares_no_suspect_its_look() -> None:
    """A glance compares without packets, so it does not clear what the totals alone leave open."""
    readings: dict[str, Readings | Unreadable] = {f"i-{number}": SURPLUS for number in range(40)}
    devices = FakeDevices(INSIDE)

    def glance(nodes: Sequence[Node], _: FetchSpan) -> Mapping[str, DeviceEvents | MissingEvidence]:
        return {node.instance_id: devices.answers[DeviceScope.ENI] for node in nodes}

    sources = Sources(FakeTotals(readings), devices, glance=glance)
    looking = Looking(EvidencePolicy.ROTATE, timedelta(hours=6), 200)
    report = assess("prod", list(map(a_node, readings)), WINDOW, RULES, sources, looking)
    assert set(devices.asked) == set(readings)
    assert report.count(Verdict.NODE_LOCAL) == 40


def test_a_fault_that_pods_make_up_for_is_found_at_the_nodes_turn() -> None:
    """Half of the ENIs' bytes are missing, and the totals agree."""
    devices = FakeDevices(events({"eth0": (3e5, 2e5), "eni1a2b3c4d5e6": (3e5, 2e5)}))
    readings: dict[str, Readings | Unreadable] = {f"i-{number}": AGREES for number in range(100)}
    report = assessed(readings, devices, evidence=EvidencePolicy.ROTATE)
    found = {name for name, verdict in verdicts(report).items() if verdict is Verdict.OS_DEFICIT}
    assert found == set(devices.asked)
    assert len(found) > 10


def test_followed_nodes_come_first_and_are_looked_at_for_long() -> None:
    devices = FakeDevices(events({"eth0": (6e5, 4e5)}))
    totals = FakeTotals({"i-a": AGREES, "i-b": SURPLUS, "i-c": AGREES})
    assessed({"i-a": AGREES, "i-b": SURPLUS, "i-c": AGREES}, devices, totals=totals, followed={"i-c"})
    assert devices.asked == ["i-c", "i-b"]
    hours = {name: (span.end - span.start) / timedelta(hours=1) for name, span in totals.histories_asked}
    assert hours == {"i-b": 1.0, "i-c": 6.0}


# --- what nobody could look at ---


@pytest.mark.parametrize("why", [NoEvidence.STREAM_MISSING, NoEvidence.DENIED, NoEvidence.BUDGET_SPENT])
def test_an_explained_node_whose_devices_could_not_be_looked_at_says_so_and_counts_as_unverified(
    why: NoEvidence,
) -> None:
    readings = {"i-a": AGREES, "i-b": POD_EDGE, "i-c": NOTHING}
    devices = FakeDevices(MissingEvidence(why, "nobody may read them"))
    report = assessed(readings, devices, evidence=EvidencePolicy.ALWAYS)
    told = {r.newest.node.instance_id: r.newest.evidence_missing for r in report.nodes}
    assert (told["i-a"], told["i-b"]) == ("nobody may read them",) * 2
    assert report.not_looked_at == 2
    assert dict(cluster_values(report))[Metric.NODES_UNVERIFIED] == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (DeviceEvents(()), "it wrote no device events in this window"),
        (
            DeviceEvents((), anonymous=40),
            "none of its 40 events carries an instance id: the agent cannot reach the instance metadata",
        ),
    ],
)
def test_devices_that_were_read_and_prove_nothing_count_as_well(answer: DeviceEvents, why: str) -> None:
    report = assessed({"i-a": POD_EDGE}, FakeDevices(answer), evidence=EvidencePolicy.ALWAYS)
    assert report.not_looked_at == 1
    assert report.nodes[0].newest.evidence_missing == why


@pytest.mark.parametrize(
    "evidence", [policy for policy in EvidencePolicy if policy is not EvidencePolicy.ALWAYS]
)
def test_only_where_every_node_is_to_be_looked_at_is_one_missed(evidence: EvidencePolicy) -> None:
    report = assessed({"i-a": AGREES}, evidence=evidence)
    assert report.not_looked_at == 0


def test_what_a_cluster_publishes_is_asked_before_its_add_on() -> None:
    asked = []

    def add_on(cluster: str) -> str:
        asked.append(cluster)
        return "the add-on is off"

    for told, reason in (
        ("it publishes without ids", "it publishes without ids"),
        (None, "the add-on is off"),
    ):
        sources = Sources(
            FakeTotals({"i-a": OS_SILENT}),
            FakeDevices(),
            why_not_collected=add_on,
            why_not_read=lambda *_, told=told: told,
        )
        looking = Looking(EvidencePolicy.OFF, timedelta(hours=6), 1)
        finding = assess("prod", [a_node("i-a")], WINDOW, RULES, sources, looking).finding
        assert finding is not None
        assert finding.reason.endswith(f"windows: {reason}.")
    assert asked == ["prod"]


# --- agents that report too seldom


@pytest.mark.parametrize("every", [2, 5])
def test_agents_that_report_every_few_minutes_are_one_finding_of_the_cluster(every: int) -> None:
    rates = tuple(
        rate if number % every == 1 else None for number, rate in enumerate(AGREES.os_bytes_per_second)
    )
    slow = replace(AGREES, os_bytes_per_second=rates)
    report = assessed({f"i-{number}": slow for number in range(5)} | {"i-fast": AGREES})
    (finding,) = report.findings
    assert finding.kind is FindingKind.LONG_INTERVAL
    assert finding.reason.startswith(f"The agents of 5 of 6 nodes report every {every} min, ")
    assert report.finding is None
    assert report.verdicts == {Verdict.AGREE: 1, Verdict.PARTIAL: 5}


def test_agents_that_report_every_minute_are_none() -> None:
    assert assessed({"i-a": AGREES, "i-b": OS_SILENT, "i-c": SURPLUS}).findings == ()


@pytest.mark.parametrize("evidence", list(EvidencePolicy))
def test_the_devices_of_a_windows_node_are_not_asked_for(evidence: EvidencePolicy) -> None:
    devices = FakeDevices()
    nodes = [replace(a_node("i-a"), is_windows=True)]
    report = assessed({"i-a": SURPLUS}, devices, nodes=nodes, evidence=evidence)
    assert verdicts(report) == {"i-a": Verdict.UNVERIFIED}
    assert (devices.asked, devices.asked_for_all) == ([], [])


# --- nodes that only seem silent ---


class Renamed(FakeTotals):
    """Nodes whose agents report under another name since the window before: the old name has no datapoint."""

    def totals(self, nodes: Sequence[Node], span: FetchSpan) -> Iterator[tuple[Node, Readings | Unreadable]]:
        for node, readings in super().totals(nodes, span):
            yield node, readings if node.called == "shop" else OS_SILENT


def looked_for(
    elsewhere: Callable[[Sequence[Node]], Mapping[str, Sequence[Node] | Unreadable]],
) -> ClusterReport:
    nodes = [a_node("i-1"), a_node("i-2")]
    sources = Sources(Renamed({"i-1": AGREES, "i-2": AGREES}), FakeDevices(), elsewhere=elsewhere)
    return assess("prod", nodes, WINDOW, RULES, sources, Looking(EvidencePolicy.OFF, timedelta(hours=6), 200))


def test_a_node_that_reports_under_another_name_is_not_silent() -> None:
    report = looked_for(lambda nodes: {node.instance_id: [replace(node, called="shop")] for node in nodes})
    assert verdicts(report) == {"i-1": Verdict.AGREE, "i-2": Verdict.AGREE}
    assert report.finding is None
    assert report.billed_metrics == 2 * 3 + 2 * 3, "asked for twice"


@pytest.mark.parametrize("names", [("beta", "shop", "test"), ("shop", "beta"), ("zeta", "shop")])
def test_a_node_that_was_renamed_several_times_is_not_silent(names: tuple[str, ...]) -> None:
    report = looked_for(lambda nodes: {n.instance_id: [replace(n, called=c) for c in names] for n in nodes})
    assert verdicts(report) == {"i-1": Verdict.AGREE, "i-2": Verdict.AGREE}
    assert {node.newest.node.called for node in report.nodes} == {"shop"}


def test_a_node_that_is_nowhere_else_is_silent() -> None:
    report = looked_for(lambda nodes: {nodes[0].instance_id: [replace(nodes[0], called="shop")]})
    assert sorted(verdicts(report).values()) == [Verdict.AGREE, Verdict.OS_SILENT]


def test_a_node_that_cannot_be_looked_for_is_unreadable_and_not_silent() -> None:
    report = looked_for(lambda nodes: {node.instance_id: Unreadable("AWS denied it") for node in nodes})
    assert report.finding is not None
    assert report.finding.kind is FindingKind.UNREADABLE
