"""Debian's Chromium, and axe: the accessibility rules of Deque, from npm."""

import asyncio
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright

AXE = "axe-core@4.14.1"
# /dev/shm is small in many containers.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PATIENCE = 60_000  # milliseconds
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
RULES_OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules of axe that look at colours, which are all that a colour scheme changes."""


@dataclass
class Launcher:
    """One Chromium for all tests of a worker.

    To start it, and the Node.js that Playwright asks, takes 1.5 s of a processor.
    """

    playwright: Playwright
    chromium: str
    loop: asyncio.AbstractEventLoop
    """Playwright's, which counts as running from its start to its end."""
    launched: Browser | None = None

    def browser(self) -> Browser:
        """As it was launched, or launched anew if it has ended."""
        if self.launched is None or not self.launched.is_connected():
            self.launched = self.playwright.chromium.launch(
                executable_path=self.chromium, args=ARGUMENTS
            )
        return self.launched

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let its loop be the running one; outside, other tests run theirs."""
        asyncio._set_running_loop(self.loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: the pages can't be walked through")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        launcher = Launcher(playwright, chromium, asyncio.get_running_loop())
        asyncio._set_running_loop(None)
        yield launcher
        asyncio._set_running_loop(launcher.loop)
        if launcher.launched:
            launcher.launched.close()


@pytest.fixture
def browser(launcher: Launcher) -> Iterator[Browser]:
    """Without pages, cookies and whatever else a test may leave: these belong to contexts."""
    with launcher.in_use():
        browser = launcher.browser()
        yield browser
        for context in browser.contexts:
            context.close()


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """The source of axe, fetched once."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: axe can't be fetched, so accessibility is not checked")
    folder = request.config.cache.mkdir("axe")
    source = folder / f"{AXE}.js"
    if not source.exists():
        # In a folder of its own: several test processes may fetch it at once.
        with tempfile.TemporaryDirectory(dir=folder) as own:
            subprocess.run(["npm", "pack", AXE], cwd=own, check=True, capture_output=True)
            with tarfile.open(Path(own) / f"{AXE.replace('@', '-')}.tgz") as archive:
                member = archive.extractfile("package/axe.min.js")
                assert member is not None
                whole = Path(own) / "whole.js"
                whole.write_bytes(member.read())
            whole.replace(source)
    return source.read_text()


def top_of(element: Locator) -> float:
    """How far below the upper edge of the window it begins."""
    box = element.bounding_box()
    assert box
    return box["y"]


def expect_no_update(page: Page) -> None:
    """Wait until no update of the page is under way."""
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def serious_findings(page: Page, axe: str, rules: Sequence[str] = RULES) -> list[str]:
    """What axe finds on a page that keeps people from using it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    result = page.evaluate("rules => axe.run(document, {runOnly: rules})", [*rules])
    return [
        f"{finding['id']}: {finding['help']}: {[node['html'][:200] for node in finding['nodes']]}"
        for finding in result["violations"]
        if finding["impact"] in {"serious", "critical"}
    ]
