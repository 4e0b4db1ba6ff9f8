"""A real browser: the Chromium of this machine, driven by Playwright, which brings none."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("There is no Chromium: install one, such as Debian's package chromium, to test the page.")
    if not AXE.exists():
        pytest.skip("There is no .venv/axe: run `make setup` to test the page.")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not start for root, as which continuous integrations run.
        running = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        yield running
        running.close()
