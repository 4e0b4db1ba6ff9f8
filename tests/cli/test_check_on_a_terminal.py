"""What a terminal shows of large clusters and odd figures."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from enigap.cli.check import show
from enigap.cli.figures import Sort, dollars, ratio
from enigap.core.counting.node import Node
from enigap.core.counting.rules import Rules
from enigap.core.counting.split import Split
from enigap.core.counting.units import ZERO, ByteRate, RateSpan
from enigap.core.counting.window import Window
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind, NodeReport
from enigap.core.judging.verdict import Judgement, Reason, Verdict, meaning

WINDOW = Window(datetime(2026, 1, 1, 14, 30, tzinfo=UTC))
RULES = Rules()
LONGEST_RATE = ByteRate(999_000_000_000)
LONGEST_EXPLAINED = max((v for v in Verdict if v.explained), key=len)


def judgement(number: int, verdict: Verdict, **more: object) -> Judgement:
    node = Node("prod", f"i-{number:017x}", f"ip-10-255-255-{number}.eu-west-1.compute.internal")
    figures = {"os": ByteRate(2e6), "eni": ByteRate(1e6)}
    return Judgement(node, WINDOW, verdict, Reason("it is as it is"), **(figures | more))  # type: ignore[arg-type]


def report(*judgements: Judgement, cluster: str = "prod", **more: object) -> ClusterReport:
    nodes = tuple(map(NodeReport, judgements))
    return ClusterReport(cluster, WINDOW, nodes, node_count=len(nodes), **more)  # type: ignore[arg-type]


def shown(
    *reports: ClusterReport,
    rules: Rules = RULES,
    everything: bool = False,
    width: int = 80,
    sort: Sort = Sort.WORST,
) -> list[str]:
    paper = io.StringIO()
    console = Console(file=paper, width=width, highlight=False)
    show(
        console,
        "eu-west-1",
        reports,
        rules,
        again=("--at", "2026-01-01T14:40:00Z"),
        everything=everything,
        sort=sort,
    )
    return paper.getvalue().splitlines()


def test_a_table_row_at_its_longest_is_whole_in_80_columns() -> None:
    row = judgement(255, LONGEST_EXPLAINED, os=LONGEST_RATE, eni=ByteRate(123_000))
    ratio = f"{999_000_000_000 / 123_000:,.0f}"
    assert any(
        line.split()
        == f"{LONGEST_EXPLAINED} ip-10-255-255-255 {row.node.instance_id} 999 GB/s 123 kB/s {ratio}".split()
        for line in shown(report(row))
    )


def test_a_long_name_gives_way_to_everything_else() -> None:
    row = judgement(1, Verdict.AGREE)
    long = replace(row, node=replace(row.node, node_name="x" * 200))
    (line,) = (line for line in shown(report(long)) if "…" in line)
    assert line.split()[0] == "agree"
    assert line.split()[2:] == f"{row.node.instance_id} 2 MB/s 1 MB/s 2.00".split()


@pytest.mark.parametrize(
    ("verdict", "count", "more"),
    [
        (Verdict.OS_SILENT, 1_312, "... and 1,309 more os_silent; --all lists them"),
        (Verdict.PARTIAL, 4, "... and 1 more partial; --all lists them"),
        (Verdict.AGREE, 500, "... and 497 more agree; --all lists them"),
    ],
)
def test_the_rest_of_a_long_list_is_counted_exactly(verdict: Verdict, count: int, more: str) -> None:
    cluster = report(*(judgement(number, verdict) for number in range(count)))
    assert more in shown(cluster)
    everything = shown(cluster, everything=True)
    assert more not in everything
    assert sum("i-" in line for line in everything if "Next:" not in line) == count


def test_short_lists_are_whole() -> None:
    lines = shown(report(*(judgement(number, Verdict.OS_DEFICIT) for number in range(3))))
    assert not [line for line in lines if "more" in line]


def test_no_idle_node_reads_as_if_it_were_at_the_floor() -> None:
    idle = judgement(1, Verdict.IDLE, os=ByteRate(49_999), eni=ByteRate(24_999))
    (row,) = (line for line in shown(report(idle)) if line.startswith("idle "))
    assert "49.9 kB/s 24.9 kB/s" in row


def test_nodes_are_grouped_by_verdict_and_cause_and_a_reason_they_share_is_said_once() -> None:
    moved = [
        judgement(n, Verdict.OS_DEFICIT, cause="moved_device", unexplained=ByteRate(n + 1)) for n in range(60)
    ]
    resets = [judgement(n, Verdict.OS_DEFICIT, cause="counter_reset") for n in range(60, 62)]
    lines = shown(report(*moved, *resets, judgement(70, Verdict.PARTIAL)))
    groups = [line for line in lines if line.startswith(("os_", "partial"))]
    assert groups == [
        "os_deficit, likely counter reset: 2 nodes",
        "os_deficit, likely moved device: 60 nodes",
        "partial  ip-10-255-255-70 (i-00000000000000046)",
    ]
    assert [line.split()[0] for line in lines if line.startswith("  ip-")] == [
        *("ip-10-255-255-60", "ip-10-255-255-61"),
        *("ip-10-255-255-59", "ip-10-255-255-58", "ip-10-255-255-57"),
    ]
    assert sum("It is as it is." in line for line in lines) == 3


def test_since_when_is_no_stronger_than_the_fetch_reaches_back() -> None:
    """Two windows of which the first has it already; two of which it has not; a comparison of hours."""
    newest = judgement(1, Verdict.OS_SILENT)
    both = NodeReport.of(newest, (Verdict.OS_SILENT,))
    new = NodeReport.of(replace(newest, node=Node("prod", "i-2")), (Verdict.AGREE,))
    cluster = ClusterReport("prod", WINDOW, (both, new), node_count=2)
    lines = shown(cluster)
    assert "  ip-10-255-255-1 (i-00000000000000001)  since 14:00 UTC or before" in lines
    assert "  i-2  since 14:15 UTC" in lines


@pytest.mark.parametrize(
    ("sort", "first"),
    [(Sort.WORST, 3), (Sort.NAME, 1), (Sort.OS, 2), (Sort.ENI, 1), (Sort.RATIO, 3)],
)
def test_nodes_of_one_verdict_are_sorted_as_asked(sort: Sort, first: int) -> None:
    nodes = (
        judgement(1, Verdict.OS_DEFICIT, os=ByteRate(5), eni=ByteRate(100), unexplained=ByteRate(1)),
        judgement(2, Verdict.OS_DEFICIT, os=ByteRate(10), eni=ByteRate(90), unexplained=ByteRate(2)),
        judgement(3, Verdict.OS_DEFICIT, os=ByteRate(9), eni=ByteRate(80), unexplained=ByteRate(3)),
    )
    listed = [line.split()[0] for line in shown(report(*nodes), sort=sort) if line.startswith("  ip-")]
    assert listed[0] == f"ip-10-255-255-{first}"


@pytest.mark.parametrize(("width", "bars"), [(99, False), (100, True), (200, True)])
def test_bars_are_drawn_where_there_is_room(width: int, bars: bool) -> None:  # noqa: FBT001
    off_node = RateSpan(ByteRate(1e6), ByteRate(1e6), ByteRate(1e6))
    nothing = RateSpan(ZERO, ZERO, ZERO)
    split = Split(nothing, off_node, off_node, nothing, nothing, nothing)
    row = judgement(1, Verdict.POD_EDGE, split=split)
    lines = shown(report(row), width=width)
    assert max(map(len, lines)) <= width
    drawn = [line for line in lines if "P█" in line]
    assert bool(drawn) is bars
    assert any(line.startswith("Bars: P pods, p pods again; █ certain") for line in lines) is bars
    if bars:
        bar = drawn[0].split()[-1]
        assert bar.index("p") == pytest.approx(len(bar) / 2, abs=1)  # pods' traffic once, and the same again


def test_the_legend_comes_once_for_all_clusters() -> None:
    lines = shown(report(judgement(1, Verdict.AGREE)), report(judgement(2, Verdict.AGREE), cluster="b"))
    assert sum(line.startswith("agree: ") for line in lines) == 1


def test_each_explained_verdict_is_explained_once() -> None:
    cluster = report(*(judgement(n, v) for n, v in enumerate((Verdict.AGREE, Verdict.AGREE, Verdict.IDLE))))
    text = " ".join(shown(cluster))
    for verdict in (Verdict.AGREE, Verdict.IDLE):
        assert text.count(meaning(verdict, RULES)) == 1
    assert meaning(Verdict.POD_EDGE, RULES) not in text


@pytest.mark.parametrize(
    ("rules", "floor", "tolerance"),
    [
        (Rules(tolerance=0.3, floor=ByteRate(1e6)), "(1 MB/s)", "(30 %)"),
        (Rules(tolerance=0.125, floor=ByteRate(0)), "(0 B/s)", "(12.5 %)"),
        (Rules(), "(50 kB/s)", "(8 %)"),
    ],
)
def test_the_legend_has_the_figures_in_force(rules: Rules, floor: str, tolerance: str) -> None:
    text = " ".join(shown(report(judgement(1, Verdict.IDLE), judgement(2, Verdict.AGREE)), rules=rules))
    assert f"under the floor {floor}" in text
    assert f"within the tolerance {tolerance}" in text


def test_the_next_step_is_the_unexplained_node_with_the_most_at_stake() -> None:
    little = judgement(1, Verdict.OS_DEFICIT, unexplained=ByteRate(1e6))
    most = judgement(2, Verdict.OS_DEFICIT, unexplained=ByteRate(9e6))
    unknown = judgement(3, Verdict.PARTIAL, os=ByteRate(1e12), eni=ByteRate(1))
    *_, last = shown(report(judgement(4, Verdict.AGREE), unknown), report(little), report(most))
    assert last == f"Next: enigap explain {most.node.instance_id} --at 2026-01-01T14:40:00Z"


def test_the_next_step_can_be_pasted_into_a_shell() -> None:
    hostile = judgement(1, Verdict.OS_DEFICIT)
    hostile = replace(hostile, node=replace(hostile.node, instance_id="i-1; rm -rf ~\x1b[31m"))
    *_, last = shown(report(hostile))
    assert last == r"Next: enigap explain 'i-1; rm -rf ~\x1b[31m' --at 2026-01-01T14:40:00Z"


def test_a_cluster_without_nodes_says_so() -> None:
    assert "No running nodes." in shown(ClusterReport("prod", WINDOW))


def test_a_finding_is_said_instead_of_the_nodes() -> None:
    finding = Finding(FindingKind.NOT_COLLECTED, "No node of prod has published anything.")
    lines = shown(ClusterReport("prod", WINDOW, finding=finding, node_count=1_000))
    assert "not_collected: No node of prod has published anything." in lines
    assert any(line.startswith("1,000 nodes: 0 unexplained, 1,000 unknown, 0 explained.") for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0.00"),
        (2.0000006, "2.00"),
        (99.994, "99.99"),
        (191.2, "191"),
        (1_524_843.4, "1,524,843"),
    ],
)
def test_a_ratio_has_the_digits_that_matter(value: float | None, text: str) -> None:
    assert ratio(value) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.0, "$0.00"), (0.00001, "$0.00001"), (0.0006, "$0.0006"), (0.15, "$0.15"), (1234.5, "$1,234.50")],
)
def test_dollars_have_the_digits_that_matter(amount: float, text: str) -> None:
    assert dollars(amount) == text
