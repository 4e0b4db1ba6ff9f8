"""`enigap report`: one page that says what `check` says, and needs nothing else."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enigap.cli.page import page
from enigap.core.counting.rules import Rules
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind
from enigap.core.judging.verdict import Verdict, meaning
from tests.cli.accounts import AT, EVIL, EVIL_DEVICE, Account
from tests.cli.conftest import Enigap
from tests.fakes.pipeline_ports import report_of, window

RULES = Rules()
WRITTEN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
MARKUP = "<script>alert(1)</script>"


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


@pytest.fixture
def written(enigap: Enigap, account: Account, tmp_path: Path) -> Reader:
    file = tmp_path / "report.html"
    assert account.ids
    ran = enigap("report", "--output", str(file), "--at", AT)
    assert (ran.status, ran.stderr, ran.stdout) == (1, "", f"Wrote {file}.\n")
    assert list(tmp_path.iterdir()) == [file]
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
    assert "script" not in written.tags
    assert written.loads == []
    assert ascii_of(EVIL).split()[0] in written.text
    assert EVIL_DEVICE.replace("\x1b", "\\x1b") in written.words


NAMES = st.text(max_size=30) | st.sampled_from(
    [MARKUP, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "\x00"]
)


@given(cluster=NAMES, node=NAMES, note=NAMES, region=NAMES)
def test_no_name_becomes_markup(cluster: str, node: str, note: str, region: str) -> None:
    plain = page(
        "eu-west-1",
        [report_of(window(0), {"i-1": [Verdict.OS_DEFICIT]})],
        RULES,
        written=WRITTEN,
        notes=["n"],
    )
    text = page(
        region,
        [report_of(window(0), {node or "i": [Verdict.OS_DEFICIT]}, cluster=cluster)],
        RULES,
        written=WRITTEN,
        notes=[note],
    )
    assert Reader(text).tags == Reader(plain).tags
    assert Reader(text).loads == []
    assert (
        "49"
        not in Reader(
            page("r", [report_of(window(0), {"{{ 7 * 7 }}": [Verdict.IDLE]})], RULES, written=WRITTEN)
        ).words
    )


def test_the_verdicts_on_it_are_explained_and_no_others() -> None:
    reports = [report_of(window(0), {"i-1": [Verdict.AGREE], "i-2": [Verdict.OS_SILENT]})]
    said = Reader(page("eu-west-1", reports, RULES, written=WRITTEN)).text
    for verdict in Verdict:
        assert (" ".join(meaning(verdict, RULES).split()) in said) is (
            verdict in {Verdict.AGREE, Verdict.OS_SILENT}
        )


def test_check_and_report_show_the_figures_of_the_settings(enigap: Enigap, tmp_path: Path) -> None:
    settings = {"tolerance": 0.3, "floor_bytes_per_second": 1e6}
    page_file, settings_file = tmp_path / "report.html", tmp_path / "cdk.json"
    settings_file.write_text(json.dumps({"context": {"enigap": settings}}))
    arguments = ("--at", AT, "--settings", str(settings_file))
    enigap("report", "--output", str(page_file), *arguments)
    checked = " ".join(enigap("check", *arguments).stdout.split())
    for said in (checked, Reader(page_file.read_text(encoding="utf-8")).text):
        assert "under the floor (1 MB/s)" in said
        assert "within the tolerance (30 %)" in said
        assert not re.search("8 ?%|50 kB/s", said)


def test_the_worst_node_comes_first() -> None:
    verdicts = {"i-1": [Verdict.AGREE], "i-2": [Verdict.UNVERIFIED], "i-3": [Verdict.OS_DEFICIT]}
    words = Reader(page("eu-west-1", [report_of(window(0), verdicts)], RULES, written=WRITTEN)).words
    assert words.index("i-3") < words.index("i-2") < words.index("i-1")


def test_a_cluster_that_could_not_be_read_has_its_reason_and_no_table() -> None:
    finding = Finding(FindingKind.UNREADABLE, "No node of prod could be read: AWS was busy; wait.")
    reader = Reader(
        page("eu-west-1", [ClusterReport("prod", window(0), finding=finding)], RULES, written=WRITTEN)
    )
    assert "unreadable : No node of prod could be read: AWS was busy; wait." in reader.text
    assert "table" not in reader.tags


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
