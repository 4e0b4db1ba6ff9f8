"""The page of `enigap report` in a real browser, with its policy on unless a test says otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from enigap.cli.page import page
from enigap.core.judging.cluster import ClusterReport, Finding, FindingKind
from tests.browser.conftest import AXE
from tests.fakes.readings import WINDOW
from tests.fakes.report_pages import AGREES, EVERY_KIND, MARKUP, POD_EDGE, STORE, cluster, contents

WIDE, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = (cluster("calm", [AGREES, POD_EDGE]), cluster(MARKUP, EVERY_KIND, names={0: MARKUP}))
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page(contents(*reports)), encoding="utf-8")
    return file


class Opened:
    """The page in a window, and what the browser complained of."""

    def __init__(self, window: Page, file: Path) -> None:
        self.window = window
        self.complaints: list[str] = []
        window.on("console", lambda message: self.complaints.append(message.text))
        window.on("pageerror", lambda error: self.complaints.append(str(error)))
        window.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        window.on("request", lambda request: self.complaints.append(request.url))
        window.goto(file.as_uri())
        assert self.complaints == [file.as_uri()], "nothing but the page itself is asked for"
        self.complaints.clear()

    def shown(self) -> list[str]:
        """The names of the nodes that a filter lets through, from top to bottom."""
        shown = ".cluster:not([hidden]) .group:not([hidden]) .node:not([hidden]) .name b"
        return self.window.locator(shown).all_text_contents()

    @property
    def count(self) -> str:
        return self.window.locator("#shown").inner_text()


@pytest.fixture
def opened(browser: Browser, file: Path) -> Iterator[Opened]:
    window = browser.new_page(viewport=WIDE)  # type: ignore[arg-type]
    it = Opened(window, file)
    yield it
    assert it.complaints == []
    window.close()


def test_the_title_answers_and_names_are_text(opened: Opened) -> None:
    assert opened.window.locator("h1").inner_text() == "2 of 8 nodes are unexplained: 42.5 MB/s at least"
    assert opened.window.locator(".cluster h2").all_inner_texts() == [MARKUP, "calm"]
    assert MARKUP in opened.shown()
    assert opened.window.locator("script").count() == 2


def test_a_card_shows_its_nodes_alone_and_escape_shows_all(opened: Opened) -> None:
    opened.window.get_by_role("button", name="unexplained").click()
    assert opened.count == "2 of 8 listed nodes"
    assert set(opened.shown()) == {MARKUP, "ip-10-0-0-1"}
    opened.window.keyboard.press("Escape")
    assert opened.count == "8 of 8 listed nodes"


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("shop/store-0", ["ip-10-0-0-3"]),
        (STORE.upper(), ["ip-10-0-0-3"]),
        ("os_deficit moved_device", [MARKUP]),
        ("calm 00001", ["ip-10-0-0-1"]),
        ("none is called so", []),
    ],
)
def test_a_search_finds_nodes_by_pod_device_cause_and_id(
    opened: Opened, typed: str, names: list[str]
) -> None:
    opened.window.keyboard.press("/")
    opened.window.keyboard.type(typed)
    assert opened.shown() == names
    assert opened.window.locator("#nothing").is_visible() is not bool(names)


def test_a_cluster_can_be_chosen_and_nodes_sorted(opened: Opened) -> None:
    opened.window.get_by_role("combobox", name="Cluster").select_option("calm")
    assert opened.count == "2 of 8 listed nodes"
    opened.window.get_by_label("Sort").select_option("by name")
    assert opened.count == "2 of 8 listed nodes"


def test_a_cluster_that_could_not_be_judged_is_among_the_unknown(browser: Browser, tmp_path: Path) -> None:
    dark = ClusterReport("dark", WINDOW, finding=Finding(FindingKind.NOT_COLLECTED, "Why."), node_count=2)
    file = tmp_path / "report.html"
    file.write_text(page(contents(cluster("prod", [AGREES]), dark)), encoding="utf-8")
    opened = Opened(browser.new_page(), file)
    section = opened.window.get_by_role("heading", name="dark")
    for card, is_shown in (("unexplained", False), ("unknown", True)):
        opened.window.get_by_role("button", name=card).click()
        assert section.is_visible() is is_shown
    opened.window.get_by_label("Search").fill("prod")
    assert not section.is_visible()
    opened.window.get_by_label("Search").fill("DARK")
    assert section.is_visible()
    opened.window.close()


def test_in_a_group_nodes_are_sorted_as_chosen_and_the_worst_is_first_again(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(contents(cluster("prod", [AGREES] * 3))), encoding="utf-8")
    opened = Opened(browser.new_page(), file)
    worst_first = opened.shown()
    opened.window.get_by_label("Sort").select_option("largest OS rate")
    assert opened.shown() == ["ip-10-0-0-2", "ip-10-0-0-1", "ip-10-0-0-0"]
    opened.window.get_by_label("Sort").select_option("by name")
    assert opened.shown() == ["ip-10-0-0-0", "ip-10-0-0-1", "ip-10-0-0-2"]
    opened.window.get_by_label("Sort").select_option("worst first")
    assert opened.shown() == worst_first
    opened.window.close()


def test_nodes_are_walked_and_unfolded_by_keys_and_devices_link_to_each_other(opened: Opened) -> None:
    window = opened.window
    window.get_by_label("Search").fill("store-0")
    window.locator("h1").click()
    window.keyboard.press("j")
    window.keyboard.press("Enter")
    node = window.locator(".node:not([hidden])")
    assert node.locator(".devices").is_visible()
    link = node.get_by_role("link", name=STORE)
    target = str(link.get_attribute("href"))
    assert window.locator(target).locator("td").first.inner_text() == STORE
    assert window.locator(target).locator("td").nth(1).inner_text() == "shop/store-0"


def test_all_bars_can_be_put_on_one_scale(opened: Opened) -> None:
    widths = "bars => bars.map(bar => bar.getBoundingClientRect().width)"
    bars = opened.window.locator("[data-longest]")
    assert len({round(width) for width in bars.evaluate_all(widths)}) == 1
    opened.window.get_by_label("one scale").check()
    longest = bars.evaluate_all("bars => bars.map(bar => Number(bar.dataset.longest))")
    drawn = bars.evaluate_all(widths)
    assert [each / max(drawn) for each in drawn] == pytest.approx(
        [each / max(longest) for each in longest], abs=0.01
    )


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)])
def test_there_is_no_barrier_that_axe_knows_and_nothing_beside_the_window(
    browser: Browser, file: Path, scheme: Any, size: Any
) -> None:
    context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
    window = context.new_page()
    window.goto(file.as_uri())
    window.locator("details:not([open])").evaluate_all("all => all.forEach(each => { each.open = true; })")
    assert window.evaluate("document.documentElement.scrollWidth") == size["width"]
    window.add_script_tag(path=AXE)
    found = window.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    context.close()


def test_the_data_is_the_json_of_check(opened: Opened, file: Path) -> None:
    data = json.loads(opened.window.locator("#data").inner_text())
    assert data["schema"] == "enigap.check/1"
    assert "</script" not in opened.window.locator("#data").inner_html()
    assert sum(len(each["nodes"]) for each in data["clusters"]) == 8
    assert file.read_text(encoding="utf-8").count("<script") == 2


def test_it_is_printed_in_dark_ink_without_its_tools(browser: Browser, file: Path) -> None:
    window = browser.new_page(color_scheme="dark")
    window.goto(file.as_uri())
    window.emulate_media(media="print")
    assert window.locator("#tools").is_hidden()
    assert window.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    window.close()


def test_without_its_script_all_of_it_can_be_read(browser: Browser, file: Path) -> None:
    window = browser.new_context(java_script_enabled=False).new_page()
    window.goto(file.as_uri())
    assert window.locator(".node").count() == 8
    assert window.locator("figure svg").first.is_visible()
    window.context.close()
