"""Measures the page of `enigap report` in a real browser: when something is seen, how fast a filter is."""

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

from enigap.cli.page import page
from tests.fakes.report_pages import a_fleet

NODES: Final = (100, 1_000, 5_000)
REPEATS: Final = 5
RESULT: Final = Path(__file__).parent / "page.json"

_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
# From the event to the frame after it: a second callback comes when the first frame has been drawn.
_TIMED = """act => new Promise(done => {
  const begun = performance.now();
  eval(act);
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begun)));
})"""
_FILTERS: Final = {
    "card": "document.querySelector('.card').click()",
    "search": "search.value = 'prod-3'; search.dispatchEvent(new Event('input'))",
    "all again": "clear.click()",
}


def main() -> None:
    """Print the figures of each size, and keep them."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit(
            "There is no Chromium to measure the page in: install one, such as Debian's package chromium."
        )
    rows = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False)
        for nodes in NODES:
            contents = a_fleet(nodes)
            begun = time.process_time()
            text = page(contents)
            made = time.process_time() - begun
            file = Path(folder) / f"{nodes}.html"
            file.write_text(text, encoding="utf-8")
            paints, filters = [], []
            for _ in range(REPEATS):
                window = browser.new_page(bypass_csp=True)  # the measurement is a script that evaluates text
                window.goto(file.as_uri())
                paints.append(float(window.evaluate(_FIRST_PAINT)))
                filters.append(_slowest_filter(window))
                window.close()
            rows.append(_row(nodes, len(text.encode()), made, paints, filters))
            sys.stdout.write(f"{json.dumps(rows[-1])}\n")
        version = browser.version
        browser.close()
    document = {"chromium": version, "measured": time.strftime("%Y-%m-%d", time.gmtime()), "pages": rows}
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _slowest_filter(window: Page) -> float:
    return max(float(window.evaluate(_TIMED, act)) for act in _FILTERS.values())


def _row(
    nodes: int, size_bytes: int, made_seconds: float, paints: list[float], filters: list[float]
) -> dict[str, Any]:
    return {
        "nodes": nodes,
        "size_mb": round(size_bytes / 1e6, 1),
        "made_in_cpu_s": round(made_seconds, 1),
        "first_paint_ms": round(statistics.median(paints)),
        "slowest_filter_ms": round(statistics.median(filters)),
    }
