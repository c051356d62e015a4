"""The inbox in a browser: nothing moves while one reads, and a mark is undone without scripts."""

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, ViewportSize, expect

from tests.journeys.conftest import World
from tests.support.chromium import expect_no_update, top_of

ROWS = 12
COUNT_CHANGES = """id => {
  window.changes = 0;
  const seen = { childList: true, characterData: true, subtree: true };
  new MutationObserver(() => window.changes++).observe(document.getElementById(id), seen);
}"""
"""Counts the changes of what an element says: one with the role status is then read aloud."""
SMALL = ViewportSize(width=1000, height=500)


def _add_gists(world: World, first: int, number: int) -> None:
    for each in range(first, first + number):
        world.github.add_gist("octocat", {f"file-{each}.txt": f"line {each}\n" * 5})
    wanted = first + number - 1
    world.gitpip.wait_for(
        lambda: f"file-{wanted}.txt" in world.gitpip.get("/?show=all").text, "the gists"
    )


def _start(world: World) -> None:
    world.github.add_user("octocat")
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat"}, timeout=60)
    _add_gists(world, 1, ROWS)


def _scrolled_to(browser: Browser, address: str, selector: str) -> Locator:
    """What is read on a page of its own, at the top of the window."""
    page = browser.new_page(viewport=SMALL)
    page.goto(address)
    being_read = page.locator(selector)
    being_read.evaluate("element => element.scrollIntoView()")
    assert page.evaluate("scrollY") > 0
    return being_read


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_moves_under_the_reader_while_gists_come(world: World, browser: Browser) -> None:
    _start(world)
    status = _scrolled_to(browser, f"{world.gitpip.url}/status-page", "#publications")
    place_of_status = top_of(status)
    page = browser.new_page(viewport=SMALL)
    page.goto(world.gitpip.url)
    first = page.get_by_role("article").first.bounding_box()
    assert first
    assert first["y"] + first["height"] < 500
    page.evaluate("scrollTo(0, 400)")
    article = page.get_by_role("article").nth(5)
    before = article.bounding_box()

    for number in range(3):
        _add_gists(world, ROWS + 1 + number, 1)
        expect(page.get_by_role("link", name=f"{number + 1} new")).to_be_visible(timeout=20_000)
        assert page.evaluate("scrollY") == 400
        assert article.bounding_box() == before
        expect(status.page.get_by_role("listitem").filter(has_text="In Pipedrive")).to_have_text(
            f"In Pipedrive: {ROWS + 1 + number}"
        )
        assert abs(top_of(status) - place_of_status) < 1  # pages scroll by whole pixels
    # What comes above it, as the first problem does, moves nothing either.
    httpx2.post(f"{world.gitpip.url}/api/v1/publishing/pause", json={}, timeout=60)
    expect(status.page.locator("#problem-publishing-paused-by-person")).to_be_visible()
    assert abs(top_of(status) - place_of_status) < 1
    article.scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    article.get_by_role("button", name="Mark as read").click()
    expect(article.get_by_role("button", name="Mark as unread")).to_be_visible()
    assert page.evaluate("scrollY") == place
    left = ROWS + 3 - 1
    expect(page).to_have_title(f"({left}) Inbox · gitpip")
    expect(page.get_by_role("link", name=f"Inbox {left} unread")).to_be_visible()
    expect(page.get_by_role("link", name=f"Unread {left}", exact=True)).to_be_visible()
    expect(page.get_by_text(f"{left} unread gists from 1 person")).to_be_visible()

    page.get_by_role("link", name="3 new").click()
    expect(page.get_by_role("article").first).to_contain_text(f"file-{ROWS + 3}.txt")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_number_of_unread_gists_follows_what_comes(world: World, browser: Browser) -> None:
    _start(world)
    reader = browser.new_context()
    page, person, people = (reader.new_page() for _ in range(3))
    page.clock.install()
    page.goto(world.gitpip.url)
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_text("You're all caught up.")).to_be_visible()
    _add_gists(world, ROWS + 1, 1)
    page.reload()
    expect(page).to_have_title("(1) Inbox · gitpip")
    for other, path in ((person, "/people/octocat"), (people, "/people")):
        other.clock.install()
        other.goto(world.gitpip.url + path)

    _add_gists(world, ROWS + 2, 1)
    for one in (page, person, people):
        one.clock.fast_forward(16_000)
        expect(one.get_by_role("link", name="Inbox 2 unread")).to_be_visible()
    expect(page.get_by_role("link", name="1 new")).to_be_visible()
    expect(page).to_have_title("(2) Inbox · gitpip")
    expect(page.get_by_role("link", name="Unread 2", exact=True)).to_be_visible()
    expect(page.get_by_text("2 unread gists from 1 person since")).to_be_visible()
    # What did not change is not read aloud again.
    page.evaluate(COUNT_CHANGES, "unread-line")
    for _ in range(2):
        with page.expect_response("**/inbox/new?*"):
            page.clock.fast_forward(6_000)
        expect_no_update(page)
    assert page.evaluate("window.changes") == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_sync_list_stays_in_its_place_while_files_come(world: World, browser: Browser) -> None:
    _start(world)
    httpx2.post(f"{world.gitpip.url}/api/v1/publishing/pause", json={}, timeout=60)
    _add_gists(world, ROWS + 1, 1)  # something waits, so the list updates itself
    row = _scrolled_to(browser, f"{world.gitpip.url}/publications", "tr:has-text('file-5.txt')")
    place = top_of(row)
    everything = row.page.get_by_role("checkbox", name="All on this page")
    expect(everything).to_be_attached()

    _add_gists(world, ROWS + 2, 1)
    newest = row.page.get_by_role("link", name=f"file-{ROWS + 2}.txt", exact=True)
    expect(newest).to_be_attached(timeout=20_000)

    assert abs(top_of(row) - place) < 1  # pages scroll by whole pixels
    expect(everything).to_be_visible()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_marks_and_undo_work_without_scripts(world: World, browser: Browser) -> None:
    _start(world)
    context = browser.new_context(
        java_script_enabled=False, viewport=ViewportSize(width=390, height=844)
    )
    page = context.new_page()
    page.goto(world.gitpip.url)
    first = page.get_by_role("article").first.bounding_box()
    assert first
    assert first["y"] + first["height"] < 844
    shadows = "element => getComputedStyle(element).backgroundAttachment"
    assert "local" in page.locator(".code").first.evaluate(shadows)
    filters = page.get_by_text("Filters", exact=True)
    place = filters.bounding_box()
    filters.click()
    expect(page.get_by_label("Person")).to_be_visible()
    assert filters.bounding_box() == place
    filters.click()
    seventh = page.get_by_role("article").filter(has_text="file-7.txt")
    seventh.get_by_role("button", name="Mark as read").click()
    expect(page.get_by_text("Marked 1 gist as read.")).to_be_visible()
    expect(page.get_by_role("link", name="file-7.txt")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="file-7.txt")).to_be_visible()
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(ROWS)
