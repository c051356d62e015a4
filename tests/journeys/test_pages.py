"""The pages as people walk through them, in Debian's Chromium."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.journeys.conftest import World

SOON = 30_000


@pytest.fixture
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: the pages can't be walked through")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def _add(page: Page, login: str) -> None:
    page.get_by_role("link", name="Users").click()
    page.get_by_label("GitHub login").fill(login)
    page.get_by_role("button", name="Add user").click()


def test_from_nothing_to_a_seen_gist(world: World, browser: Browser) -> None:
    world.github.add_user("octocat")
    world.gitpip.start()
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(world.gitpip.url)
    expect(page.get_by_text("Nobody is tracked yet. Add a user")).to_be_visible()
    _add(page, "no such login")
    expect(page.get_by_role("alert")).to_contain_text("can't be a GitHub login")
    _add(page, "octocat")
    expect(page.get_by_role("heading", name="octocat")).to_be_visible()

    page.get_by_role("link", name="New", exact=True).click()
    expect(page.get_by_text("Nothing new since your last visit")).to_be_visible()
    world.github.add_gist("octocat", {"hello.py": "print('<hello>')\n"})
    expect(page.get_by_role("link", name="hello.py")).to_be_visible(timeout=SOON)
    expect(page.get_by_label("Preview of hello.py")).to_contain_text("print('<hello>')")
    page.reload()
    expect(page.get_by_role("link", name="hello.py")).to_be_visible()

    page.get_by_role("button", name="as seen").click()
    expect(page.get_by_text("Marked 1 file of 1 user as seen")).to_be_visible()
    expect(page.get_by_text("Nothing new since your last visit")).to_be_visible()
    page.get_by_role("link", name="Show them again").click()
    expect(page.get_by_role("link", name="hello.py")).to_be_visible()

    page.goto(f"{world.gitpip.url}/?q=hello")
    expect(page.get_by_role("link", name="hello.py")).to_be_visible()
    page.goto(f"{world.gitpip.url}/?q=nothing-like-it")
    expect(page.get_by_text("No file fits")).to_be_visible()
    assert [text for text in complaints if "422" not in text] == []


def test_without_scripts_at_phone_width_in_the_dark(world: World, browser: Browser) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"long-name-" * 20 + ".txt": "wide " * 2_000})
    world.gitpip.start()
    page = browser.new_context(
        java_script_enabled=False,
        viewport={"width": 380, "height": 800},
        color_scheme="dark",
    ).new_page()
    page.goto(world.gitpip.url)

    _add(page, "octocat")
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 1, timeout=30)
    for path in ("/", "/people", "/people/octocat", "/publications", "/status-page"):
        page.goto(world.gitpip.url + path)
        assert page.get_by_role("main").bounding_box()["width"] <= 380  # type: ignore[index]
    page.goto(world.gitpip.url)
    page.get_by_role("button", name="as seen").click()
    expect(page.get_by_text(re.compile("Marked 1 file"))).to_be_visible()
