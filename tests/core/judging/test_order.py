"""What people look at first: the worst cluster, its worst nodes, and together those with one next step."""

from __future__ import annotations

from enigap.core.counting.units import ByteRate
from enigap.core.judging.cluster import (
    ClusterReport,
    Finding,
    FindingKind,
    NodeReport,
    worst_clusters_first,
)
from enigap.core.judging.verdict import Cause, Verdict
from tests.fakes.pipeline_ports import judgement, report_of, window


def test_clusters_with_unexplained_nodes_come_first_then_unknown_ones_and_the_largest_amount_before() -> None:
    reports = [
        report_of(window(0), {"i-1": [Verdict.AGREE]}, cluster="a-fine"),
        report_of(window(0), {"i-1": [Verdict.UNVERIFIED], "i-2": [Verdict.AGREE]}, cluster="b-unknown"),
        ClusterReport("c-dark", window(0), finding=Finding(FindingKind.NOT_COLLECTED, "Why.")),
        report_of(window(0), {"i-1": [Verdict.OS_DEFICIT], "i-2": [Verdict.AGREE]}, cluster="y-one"),
        report_of(window(0), {"i-1": [Verdict.OS_DEFICIT], "i-2": [Verdict.OS_DEFICIT]}, cluster="z-two"),
    ]
    assert [report.cluster for report in worst_clusters_first(reports)] == [
        "z-two",
        "y-one",
        "b-unknown",
        "c-dark",
        "a-fine",
    ]


def test_nodes_with_one_verdict_and_cause_are_a_group_and_the_worst_group_comes_first() -> None:
    nodes = [
        judgement("i-1", window(0), Verdict.AGREE),
        judgement("i-2", window(0), Verdict.OS_DEFICIT),
        judgement("i-3", window(0), Verdict.OS_SILENT),
        judgement("i-4", window(0), Verdict.OS_DEFICIT, more=2),
    ]
    report = ClusterReport("prod", window(0), tuple(map(NodeReport, nodes)))
    deficit, silent, agree = report.groups()
    assert (deficit.verdict, deficit.cause) == (Verdict.OS_DEFICIT, Cause.MOVED_DEVICE)
    assert [each.node.instance_id for each in deficit.nodes] == ["i-4", "i-2"]
    assert deficit.unexplained == ByteRate(138e6)
    assert [group.verdict for group in (silent, agree)] == [Verdict.OS_SILENT, Verdict.AGREE]


def test_unknown_amounts_add_up_to_no_figure_and_not_to_zero() -> None:
    (group,) = report_of(window(0), {"i-1": [Verdict.UNVERIFIED]}).groups()
    assert group.unexplained is None
