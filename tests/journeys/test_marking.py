"""Marking gists as read: a row stays where it is, and the reader on the page of the list."""

from collections.abc import Sequence
from datetime import timedelta

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gitpip.clock import utc_now
from tests.journeys.conftest import World
from tests.support.chromium import expect_no_update

PAGE_SIZE = 25


def start(world: World, number: int) -> list[str]:
    """The ids of as many gists of one user, oldest first."""
    world.github.add_user("octocat")
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat"}, timeout=60)
    return add_gists(world, 1, number)


def add_gists(
    world: World, first: int, number: int, age: timedelta = timedelta(minutes=10)
) -> list[str]:
    begin = utc_now() - age
    ids = [
        world.github.add_gist(
            "octocat",
            {f"file-{each}.txt": f"line {each}\n" * 3},
            created_at=begin + timedelta(seconds=each),
        )
        for each in range(first, first + number)
    ]
    if ids:
        wanted = f"file-{first + number - 1}.txt"
        world.gitpip.wait_for(
            lambda: wanted in world.gitpip.get("/?show=all").text, "the newest gist"
        )
    return ids


def _is_read(row: Locator) -> None:
    expect(row.get_by_role("button", name="Mark as unread")).to_be_visible()
    assert "read" in (row.get_attribute("class") or "").split()


def _row(page: Page, gist_id: str) -> Locator:
    return page.locator(f"#gist-{gist_id}")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_row_of_a_person_stays_when_it_is_marked(world: World, browser: Browser) -> None:
    first, second = start(world, 2)
    world.github.edit_gist(first, {"file-1.txt": "edited\n"})
    world.gitpip.wait_for(
        lambda: "changes" in world.gitpip.get("/people/octocat").text, "the edit to be shown"
    )
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{world.gitpip.url}/people/octocat")
    title = page.title()
    row = _row(page, second)
    row.get_by_role("button", name="Mark as read").click()
    _is_read(row)
    expect(row.get_by_role("button", name="Mark as unread")).to_be_focused()
    expect(page.locator("#unread")).to_have_text("1 unread")
    page.locator(f"#open-{first}").focus()
    page.keyboard.press("m")
    _is_read(_row(page, first))
    expect(page.locator(f"#open-{first}")).to_be_focused()
    expect(page).to_have_title(title)
    assert complaints == []

    page.keyboard.press("m")
    chips = page.get_by_role("navigation", name="Gists of octocat")
    for name, shown in (("Unread", [first]), ("Edited", [first]), ("7 days", [second, first])):
        chips.get_by_role("link", name=name).click()
        expect(page.get_by_role("article")).to_have_count(len(shown))
        for gist_id in shown:
            expect(_row(page, gist_id)).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_contain_text("octocat")
        expect(chips.locator("[aria-current]")).to_have_text(name)
    chips.get_by_role("link", name="Failed").click()
    expect(page.get_by_text("No matches. Show all")).to_be_visible()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mark_is_shown_while_text_is_selected_and_updates_catch_up(
    world: World, browser: Browser
) -> None:
    first, second = start(world, 2)
    page = browser.new_page()
    page.goto(world.gitpip.url)
    selects = "id => getSelection().selectAllChildren(document.querySelector(`#gist-${id} pre`))"
    page.evaluate(selects, first)
    page.locator(f"#open-{first}").focus()
    page.keyboard.press("m")
    _is_read(_row(page, first))
    expect(page.locator("#unread")).to_have_text("1 unread")
    expect(page.locator("#announcement")).to_be_empty()

    page.goto(f"{world.gitpip.url}/people/octocat")
    page.evaluate(selects, second)
    waiting = page.get_by_text("Updates wait while text is selected.")
    expect(waiting).to_be_visible()
    with page.expect_response("**/people/octocat", timeout=10_000):  # before the next poll
        page.evaluate("getSelection().removeAllRanges()")
    expect(waiting).to_be_hidden()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_loses_the_focus_while_all_is_read(world: World, browser: Browser) -> None:
    start(world, 1)
    page = browser.new_page()
    page.goto(world.gitpip.url)
    page.keyboard.press("Shift+A")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    expect(page.get_by_text("You're all caught up.")).to_be_visible()
    for focused in (undo, page.get_by_role("link", name="7 days"), page.locator("#show-filters")):
        focused.focus()
        page.evaluate("window.kept = document.querySelector('[role=status]')")
        with page.expect_response("**/?seen=*"):
            pass
        expect_no_update(page)
        expect(focused).to_be_focused()
        assert page.evaluate("window.kept.isConnected")
    page.get_by_role("link", name="7 days").focus()
    add_gists(world, 2, 1)
    expect(page.get_by_role("link", name="file-2.txt")).to_be_visible()
    expect(page.get_by_role("link", name="7 days")).to_be_focused()
    undo.click()
    expect(page.get_by_role("article")).to_have_count(2)


def with_and_without_scripts(browser: Browser) -> Sequence[Page]:
    return browser.new_page(), browser.new_context(java_script_enabled=False).new_page()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_marking_on_the_second_page_stays_there(world: World, browser: Browser) -> None:
    ids = start(world, PAGE_SIZE + 5)
    first, *_, last = reversed(ids[:5])
    for page in with_and_without_scripts(browser):
        page.goto(f"{world.gitpip.url}/?show=week")
        more = page.get_by_role("link", name="Load more").get_attribute("href")
        page.goto(f"{world.gitpip.url}{more}")
        expect(_row(page, last)).to_be_visible()
        page.get_by_role("button", name="Mark this page as read").click()
        expect(page.get_by_text("Marked 5 gists as read.")).to_be_visible()
        _is_read(_row(page, first))
        assert "before=" in page.url
        page.get_by_role("button", name="Undo").click()
        expect(_row(page, last).get_by_role("button", name="Mark as read")).to_be_visible()
        assert "before=" in page.url

    # Here without scripts.
    _row(page, last).get_by_role("button", name="Mark as read").click()
    _is_read(_row(page, last))
    expect(_row(page, last)).to_be_in_viewport()
    assert "before=" in page.url
    page.goto(f"{world.gitpip.url}/people/octocat?show=week")
    page.get_by_role("link", name="Load more").click()
    _row(page, last).get_by_role("button", name="Mark as unread").click()
    expect(page.get_by_text("Marked 1 gist as unread.")).to_be_visible()
    expect(_row(page, last).get_by_role("button", name="Mark as read")).to_be_visible()
    assert "/people/octocat?show=week&before=" in page.url
    page.get_by_role("button", name="Undo").click()
    _is_read(_row(page, last))
    assert "/people/octocat?show=week&before=" in page.url


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mark_of_a_row_ends_the_undo_before_it_and_counts_for_the_page(
    world: World, browser: Browser
) -> None:
    ids = start(world, PAGE_SIZE + 5)
    page = browser.new_page()
    page.goto(f"{world.gitpip.url}/?show=week")
    row = _row(page, ids[-1])
    row.get_by_role("button", name="Mark as read").click()
    _is_read(row)
    row.get_by_role("button", name="Mark as unread").click()
    expect(row.get_by_role("button", name="Mark as read")).to_be_visible()
    page.get_by_role("button", name="Mark this page as read").click()
    expect(page.get_by_text(f"Marked {PAGE_SIZE} gists as read.")).to_be_visible()
    _is_read(row)
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    row.get_by_role("button", name="Mark as unread").click()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
