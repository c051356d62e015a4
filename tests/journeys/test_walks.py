"""What people come for, in few clicks: each walk prints its clicks, keys and seconds.

A walk with keys alone goes by Tab to what it presses, so nothing that it needs can be left out of
their reach. Enter on a link or a button counts as a click, too.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx2
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, ViewportSize, expect

from gitpip_standins import Fault
from tests.journeys.conftest import World
from tests.support.chromium import serious_findings
from tests.support.spreadsheets import xlsx

SECRET = "gh" + "p_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
"""It is nobody's, and looks like a token of GitHub's."""
COUNT = """
for (const kind of window.counted ? [] : ["click", "keydown"]) addEventListener(kind, (event) => {
  if (event.isTrusted) sessionStorage[kind] = Number(sessionStorage[kind] || 0) + 1;
}, true);
window.counted = true;
"""
PHONE = ViewportSize(width=390, height=844)
PEOPLE = [f"person-{number}" for number in range(1, 31)]
MOST_TABS = 60


@contextmanager
def walk(page: Page, name: str, *, most: int) -> Iterator[None]:
    """Count the clicks of a walk, which needs at most so many."""
    page.add_init_script(COUNT)
    if page.url.startswith("http"):
        page.evaluate("sessionStorage.clear()")
    began = time.monotonic()
    yield
    counted = "['click', 'keydown'].map(kind => Number(sessionStorage[kind] || 0))"
    clicks, keys = page.evaluate(counted)
    took = time.monotonic() - began
    print(f"{name}: {clicks} clicks, {keys} keys, {took:.1f} s")  # noqa: T201 - `pytest -s` shows it
    assert clicks <= most


def reach(page: Page, element: Locator) -> None:
    """Go to an element by Tab, as somebody without a mouse does."""
    expect(element).to_be_visible()
    for _ in range(MOST_TABS):
        if element.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    expect(element).to_be_focused(timeout=1)


def press(page: Page, element: Locator, key: str = "Enter") -> None:
    """Go to an element by Tab, and press a key there."""
    reach(page, element)
    page.keyboard.press(key)


def _has(world: World, address: str, number: int) -> bool:
    return bool(world.gitpip.get(address).json()["total"] == number)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_from_a_first_start_to_the_first_synced_gist(world: World, browser: Browser) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"hello.py": "print('hello')"})
    world.gitpip.start()
    page = browser.new_page()
    with walk(page, "first start to first synced gist", most=5):
        page.goto(world.gitpip.url)
        press(page, page.get_by_role("link", name="Set up"))
        expect(page.locator("#step-pipedrive.done")).to_contain_text("belongs to Petra Pipe")
        expect(page.locator("#step-github.done")).to_contain_text("requests left")
        press(page, page.get_by_role("link", name="Add people"))
        reach(page, page.get_by_label("GitHub usernames or profile URLs"))
        page.keyboard.type("octocat")
        press(page, page.get_by_role("button", name="Add people"))
        world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 1)
        page.keyboard.type("gc")
        expect(page.get_by_role("row").filter(has_text="hello.py")).to_contain_text("In Pipedrive")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_failed_batch_is_retried_and_a_secret_is_skipped(
    world: World, browser: Browser, axe: str
) -> None:
    refusal = Fault.says(400, {"success": False, "error": "no such type"})
    world.pipedrive.faults.script(*[refusal] * 3, method="POST", path="activities$")
    for login, files in {
        "octocat": {"1.txt": "1", "2.txt": "2", "3.txt": "3"},
        "hubot": {"leak.py": f"key = {SECRET!r}"},
    }.items():
        world.github.add_user(login)
        world.github.add_gist(login, files)
    world.gitpip.start()
    for login, state, number in (("octocat", "failed", 3), ("hubot", "held", 1)):
        httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": login}, timeout=60)
        address = f"/api/v1/publications?state={state}"
        world.gitpip.wait_for(partial(_has, world, address, number), state)
    page = browser.new_page(viewport=PHONE)
    with walk(page, "a failed batch retried", most=3):
        page.goto(world.gitpip.url)
        page.get_by_role("link", name="CRM sync 4 need attention").click()
        attention = page.get_by_role("region", name="Table of what needs attention")
        expect(attention).to_contain_text("no such type")
        assert serious_findings(page, axe) == []
        attention.get_by_role("button", name="Retry all 3").click()
        page.get_by_role("button", name="Retry 3 files").click()
        expect(page.get_by_text("Retried 3 files")).to_be_visible()
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 3)

    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{world.gitpip.url}/publications")
    attention = page.get_by_role("region", name="Table of what needs attention")
    expect(attention.get_by_role("row").filter(has_text="leak.py")).to_contain_text("credentials")
    page.get_by_role("button", name="Skip leak.py").first.click()
    expect(page.get_by_role("heading", name="Needs attention")).to_have_count(0)
    assert len(world.pipedrive.activities) == 3


def _events(world: World) -> list[str]:
    return [str(event["event"]) for event in world.gitpip.events()]


def _spreadsheet() -> FilePayload:
    head = ("Kundennummer", "GitHub-Konto", "Ort")
    rows = [(1000 + number, login, "Köln") for number, login in enumerate(PEOPLE)]
    return {"name": "Kunden.xlsx", "mimeType": "", "buffer": xlsx({"Kunden": [head, *rows]})}


def _import_people(page: Page, url: str, axe: str) -> None:
    """Add thirty people from a spreadsheet with keys alone."""
    with walk(page, "thirty people from an .xlsx", most=4):
        page.goto(url)
        press(page, page.get_by_role("link", name="Import a list"))
        reach(page, page.get_by_label("File", exact=True))
        page.get_by_label("File", exact=True).set_input_files(_spreadsheet())
        press(page, page.get_by_role("button", name="Preview import"))
        expect(page.get_by_label("Field of GitHub-Konto")).to_have_value("login")
        assert serious_findings(page, axe) == []
        reach(page, page.get_by_label("Field of Kundennummer"))
        page.keyboard.type("Customer ID")
        press(page, page.get_by_role("button", name="Update preview"))
        expect(page.get_by_role("cell", name="1009")).to_be_visible()
        press(page, page.get_by_role("button", name="Add 30 people"))
        expect(page.get_by_text("30 people added")).to_be_visible()


def _read_in_the_morning(page: Page, url: str) -> None:
    """Read the inbox with keys alone, and see an edit."""
    articles = page.get_by_role("article")
    unread = articles.filter(has_text="(unread)")
    with walk(page, "the morning's reading", most=0):
        page.goto(url)
        expect(unread).to_have_count(3)
        page.keyboard.type("jjo")
        page.wait_for_url("**/gist/*")
        page.go_back()
        page.keyboard.press("m")
        expect(articles.nth(1).get_by_role("button", name="Mark as unread")).to_be_visible()
        expect(unread).to_have_count(2)
        page.keyboard.type("km")
        expect(unread).to_have_count(1)
        expect(articles.first.locator("[data-open]")).to_be_focused()
    with walk(page, "an edit read", most=1):
        press(page, articles.first.get_by_role("link", name="View changes"))
        expect(page.locator("ins")).to_have_text("second words")
    page.keyboard.type("gi")
    press(page, page.get_by_role("button", name="Mark all as read"))
    expect(page.get_by_text("You're all caught up.")).to_be_visible()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_thirty_people_are_imported_and_their_gists_read_with_keys_alone(
    world: World, browser: Browser, axe: str
) -> None:
    for login in PEOPLE:
        world.github.add_user(login)
    gists = [world.github.add_gist(each, {"notes.txt": "first words"}) for each in PEOPLE[:3]]
    world.gitpip.start()
    page = browser.new_context(color_scheme="dark").new_page()
    _import_people(page, world.gitpip.url, axe)
    world.gitpip.wait_for(lambda: _events(world).count("gist.found") == len(gists), "the gists")
    world.github.edit_gist(gists[0], {"notes.txt": "second words"})
    world.gitpip.wait_for(lambda: "gist.edited" in _events(world), "the edit")
    _read_in_the_morning(page, world.gitpip.url)

    phone = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
    context = browser.new_context(java_script_enabled=False, viewport=PHONE, user_agent=phone)
    page = context.new_page()
    page.goto(f"{world.gitpip.url}/?show=all")
    edited = page.get_by_role("article").filter(has_text="View changes")
    expect(edited.get_by_text(re.compile("^edited "))).to_be_visible()
    edited.get_by_role("link", name="View changes").click()
    expect(page.locator("ins")).to_have_text("second words")
    expect(page.get_by_role("link", name="One column")).to_have_attribute("aria-current", "true")
    entry = page.get_by_role("navigation", name="Main").get_by_role("link", name="Inbox")
    expect(entry).to_have_attribute("aria-current", "true")
    page.goto(f"{world.gitpip.url}/imports")
    page.get_by_label("File", exact=True).set_input_files(_spreadsheet())
    page.get_by_role("button", name="Preview import").click()
    expect(page.get_by_text("You already track 30 people")).to_be_visible()
