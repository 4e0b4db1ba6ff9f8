"""`enigap report`: one page that says what `check` says, and needs nothing else.

How it behaves in a browser is tested in tests/browser.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.embedded_aws import EmbeddedAws
from enigap.cli.main import main
from enigap.cli.page import MOST_UNFOLDABLE, Contents, page, title_of
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ByteRate
from enigap.core.documents import node_document
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind
from enigap.core.judging.verdict import Verdict, meaning
from enigap.settings import Settings
from tests.cli.accounts import AT, EVIL_DEVICE, Account
from tests.cli.conftest import Enigap
from tests.fakes.pipeline_ports import report_of, window
from tests.fakes.report_pages import AGREES, DEFICIT, EVERY_KIND, MARKUP, SILENT, Kind, cluster, contents

WRITTEN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Reader(HTMLParser):
    """What a browser makes of a page: its words, its tags, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in {"src", "href", "action", "data"}]

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def written(aws: EmbeddedAws, account: Account, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    file = tmp_path_factory.mktemp("report") / "report.html"
    assert account.ids
    with pytest.MonkeyPatch.context() as changed:
        for name, value in aws.environment({}).items():
            changed.setenv(name, value)
        with pytest.raises(SystemExit) as left:
            main(["report", "--output", str(file), "--at", AT])
    assert left.value.code == 1
    assert list(file.parent.iterdir()) == [file]
    return Reader(file.read_text(encoding="utf-8"))


def test_every_node_is_on_the_page_with_what_check_says_of_it(enigap: Enigap, written: Reader) -> None:
    looked = enigap("check", "--at", AT, "--format", "json").document
    nodes = [node for cluster in looked["clusters"] for node in cluster["nodes"]]
    assert len(nodes) > 10
    for node in nodes:
        assert node["instance_id"] in written.words
        assert node["verdict"] in written.words
        assert " ".join(ascii_of(node["reason"]).split()) in written.text
    unexplained = sum(node["explained"] is False for node in nodes)
    assert f"{unexplained} unexplained" in written.text
    assert "not_collected" in written.words


def ascii_of(text: str) -> str:
    """As it is shown: on one line, what cannot be seen written out."""
    return text.replace("\x1b", "\\x1b").replace("\n", "\\n")


def test_the_devices_behind_a_verdict_can_be_unfolded(written: Reader) -> None:
    assert {"details", "summary"} <= set(written.tags)
    assert "eth0 physical" in written.text


def test_names_are_text_and_nothing_is_loaded_or_run(written: Reader) -> None:
    assert written.tags.count("script") == 2
    assert [each for each in written.loads if not each.startswith("#")] == []
    assert "evil" in written.words
    assert "\x1b" not in written.text
    assert EVIL_DEVICE.replace("\x1b", "\\x1b") in written.words


NAMES = st.text(max_size=30) | st.sampled_from(
    [MARKUP, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "\x00"]
)


def page_of(*reports: ClusterReport, region: str = "eu-west-1", notes: Sequence[str] = ()) -> Reader:
    return Reader(
        page(Contents(region=region, reports=reports, settings=Settings(), written=WRITTEN, notes=notes))
    )


PLAIN = page_of(report_of(window(0), {"i-1": [Verdict.OS_DEFICIT]}), notes=["n"])


@given(cluster=NAMES, node=NAMES, note=NAMES, region=NAMES)
def test_no_name_becomes_markup(cluster: str, node: str, note: str, region: str) -> None:
    report = report_of(window(0), {node or "i": [Verdict.OS_DEFICIT]}, cluster=cluster)
    named = page_of(report, region=region, notes=[note])
    assert named.tags == PLAIN.tags
    assert named.loads == PLAIN.loads


def test_a_name_is_no_template() -> None:
    assert "49" not in page_of(report_of(window(0), {"{{ 7 * 7 }}": [Verdict.IDLE]})).words


def test_the_policy_allows_the_one_script_and_the_one_style_and_nothing_is_styled_in_line() -> None:
    text = page(contents(cluster("prod", EVERY_KIND)))
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', text)
    for tag in ("script", "style"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy
    assert policy.startswith("default-src &#39;none&#39;")
    assert not re.search(r"<[^>]* (style|on\w+)=", text)


@pytest.mark.parametrize(
    ("verdicts", "title"),
    [
        ([Verdict.OS_DEFICIT], "1 of 1 node is unexplained: 46 MB/s at least"),
        ([Verdict.OS_DEFICIT, Verdict.AGREE], "1 of 2 nodes is unexplained: 46 MB/s at least"),
        ([Verdict.OS_DEFICIT, Verdict.OS_EXCESS], "2 of 2 nodes are unexplained: 92 MB/s at least"),
        ([Verdict.AGREE, Verdict.UNVERIFIED], "No node is unexplained, and 1 of 2 nodes is unknown"),
        ([Verdict.UNREADABLE, Verdict.PARTIAL], "None of 2 nodes could be judged"),
        ([Verdict.AGREE, Verdict.IDLE], "All 2 nodes are explained"),
        ([], "There is no node to judge"),
    ],
)
def test_the_title_is_the_answer(verdicts: Sequence[Verdict], title: str) -> None:
    assert title_of([report_of(window(0), {f"i-{n}": [each] for n, each in enumerate(verdicts)})]) == title


def test_an_unknown_amount_is_no_zero_in_the_title() -> None:
    assert title_of([cluster("prod", [SILENT, AGREES])]) == "1 of 2 nodes is unexplained"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_figure_of_a_node_is_that_of_the_json_and_has_its_unit(kind: Kind) -> None:
    report = cluster("prod", [kind])
    node = node_document(report.nodes[0].newest.figures)
    text = page_of(report).text
    for key, name in (("os_bytes_per_second", "OS"), ("eni_bytes_per_second", "ENI")):
        value = node[key]
        assert f"{name} {'-' if value is None else ByteRate(value)}" in text
    if node["unexplained_bytes_per_second"]:
        assert f"unexplained {ByteRate(node['unexplained_bytes_per_second']).rounded_down}" in text
    for part in (node["split"] or {}).values():
        assert str(ByteRate(abs(part["likely"]))) in text or part["low"] == part["high"] == 0
    for device in (node["evidence"] or {}).get("devices", ()):
        assert str(ByteRate(device["rx_bytes_per_second"])) in text
        assert (device["pod"] or "") in text


def test_the_worst_node_is_answered_about_first_and_next_steps_are_said_once_for_a_group() -> None:
    text = page_of(cluster("prod", [DEFICIT, DEFICIT, AGREES])).text
    answer = text[: text.index("explained")]
    assert "ip-10-0-0-1" in text[: text.index("Search")]
    assert "Next" in text[: text.index("Search")]
    assert answer
    assert text.count("Next:") == 1


def test_nodes_beyond_the_most_have_a_line_and_no_devices() -> None:
    report = cluster("prod", [AGREES] * (MOST_UNFOLDABLE + 2))
    many = page_of(report)
    assert many.text.count("Over time") == MOST_UNFOLDABLE
    assert {node.newest.node.instance_id for node in report.nodes} <= set(many.words)


def test_the_settings_it_was_judged_by_are_on_it_and_what_was_changed_is_marked() -> None:
    it = replace(contents(cluster("prod", [AGREES])), settings=Settings(tolerance=0.25))
    said = Reader(page(it)).text
    assert "tolerance 0.25 (changed)" in said
    assert "max_counts_per_byte 2 " in said


def test_console_links_are_there_where_the_figures_are_aws_own_and_nowhere_else() -> None:
    it = contents(cluster("prod", [DEFICIT]))
    links = [each for each in Reader(page(it)).loads if each.startswith("https://")]
    assert len(links) == 3
    assert all(each.startswith("https://eu-west-1.console.aws.amazon.com/") for each in links)
    assert not [x for x in Reader(page(replace(it, has_console=False))).loads if not x.startswith("#")]


def test_the_verdicts_on_it_are_explained_and_no_others() -> None:
    said = page_of(report_of(window(0), {"i-1": [Verdict.AGREE], "i-2": [Verdict.OS_SILENT]})).text
    for verdict in Verdict:
        assert (" ".join(meaning(verdict, Rules()).split()) in said) is (
            verdict in {Verdict.AGREE, Verdict.OS_SILENT}
        )


def test_check_and_report_show_the_figures_of_the_settings(enigap: Enigap, tmp_path: Path) -> None:
    settings = {"tolerance": 0.3, "floor_bytes_per_second": 1e6}
    page_file, settings_file = tmp_path / "report.html", tmp_path / "cdk.json"
    settings_file.write_text(json.dumps({"context": {"enigap": settings}}))
    arguments = ("--at", AT, "--cluster", "calm", "--settings", str(settings_file))
    enigap("report", "--output", str(page_file), *arguments)
    checked = " ".join(enigap("check", *arguments).stdout.split())
    for said in (checked, Reader(page_file.read_text(encoding="utf-8")).text):
        assert "under the floor (1 MB/s)" in said
        assert "within the tolerance (30 %)" in said
        assert not re.search("8 ?%|50 kB/s", said)


def test_the_worst_node_comes_first() -> None:
    verdicts = {"i-1": [Verdict.AGREE], "i-2": [Verdict.UNVERIFIED], "i-3": [Verdict.OS_DEFICIT]}
    words = page_of(report_of(window(0), verdicts)).words
    assert words.index("i-3") < words.index("i-2") < words.index("i-1")


def test_a_cluster_that_could_not_be_read_has_its_reason_and_no_node() -> None:
    finding = Finding(FindingKind.UNREADABLE, "No node of prod could be read: AWS was busy; wait.")
    reader = page_of(ClusterReport("prod", window(0), finding=finding))
    assert "unreadable : No node of prod could be read: AWS was busy; wait." in reader.text
    assert "figure" not in reader.tags


def test_charts_are_drawn_of_what_is_not_explained_and_of_nodes_that_are_asked_for(
    enigap: Enigap, account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    arguments = ("report", "--output", str(file), "--at", AT, "--cluster", "moved")
    charts = {}
    for more in ((), ("--chart", "twin"), ("--chart", account.ids["moved", "twin.internal"], "--days", "2")):
        ran = enigap(*arguments, *more)
        assert (ran.status, ran.stdout, ran.stderr) == (1, f"Wrote {file}.\n", "")
        charts[more] = file.read_text(encoding="utf-8").count("<figure>")
    assert list(charts.values()) == [1, 2, 2]
    assert "Averages of 15 min" in Reader(file.read_text(encoding="utf-8")).text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--chart", "nobody"), "There is no node 'nobody' among those that were judged"),
        (("--days", "15"), "--days"),
        (("--days", "0"), "--days"),
    ],
)
def test_charts_of_nothing_are_refused(
    enigap: Enigap, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = enigap("report", "--output", f"{tmp_path}/r.html", "--at", AT, "--cluster", "moved", *arguments)
    assert said in ran.problem


@pytest.mark.parametrize("name", ["", "nowhere/report.html", "a\nb.html", "x" * 300])
def test_what_cannot_be_written_is_said_before_anything_is_read(
    enigap: Enigap, tmp_path: Path, name: str
) -> None:
    said = enigap("report", "--output", f"{tmp_path}/{name}", env={"AWS_ENDPOINT_URL": "nowhere"}).problem
    assert "no file that can be written: name one, such as report.html" in said


def test_what_was_there_stays_where_nothing_can_be_read(enigap: Enigap, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("last week's")
    ran = enigap("report", "--output", str(file), "--cluster", "nowhere", "--at", AT)
    assert ran.problem.startswith("There is no cluster 'nowhere'")
    assert file.read_text() == "last week's"


def test_amounts_are_never_rounded_up_where_they_are_said_to_be_the_least() -> None:
    report = cluster("prod", [DEFICIT] * 3)
    (group,) = report.groups()
    assert group.unexplained is not None
    at_least = group.unexplained.rounded_down
    assert at_least != str(group.unexplained)
    said = page_of(report, cluster("calm", [AGREES])).text
    assert str(group.unexplained) not in said
    assert said.count(at_least) >= 3
