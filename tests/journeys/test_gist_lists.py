"""Lists of gists: what is loaded below them, what is shown after coming back, and their filters."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, ViewportSize, expect

from tests.journeys.conftest import World
from tests.journeys.test_marking import PAGE_SIZE, add_gists, start, with_and_without_scripts

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


PLACES = (
    f"[...document.querySelectorAll('article')].slice(0, {PAGE_SIZE})"
    ".map(one => one.getBoundingClientRect().top)"
)
"""Where in the window the rows of the first page are."""
IDS = "[...document.querySelectorAll('[id]')].map(one => one.id)"


def _more(page: Page) -> Locator:
    return page.locator("#load-more a")


def _open(page: Page, gist_id: str) -> Locator:
    return page.locator(f"#open-{gist_id}")


def _of_some_days(world: World) -> list[str]:
    """The ids of the gists of two pages and five more, of some days, newest first."""
    start(world, 0)
    add_gists(world, 1, PAGE_SIZE + 10, timedelta(days=3))
    add_gists(world, PAGE_SIZE + 11, PAGE_SIZE - 5)
    listed = world.gitpip.get("/api/v1/inbox?show=week&limit=100").json()["items"]
    return [one["gist_id"] for one in listed]


def test_the_next_page_is_loaded_below_the_list(world: World, browser: Browser) -> None:
    ids = _of_some_days(world)
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    address = f"{world.gitpip.url}/?show=week"
    page.goto(address)
    expect(page.get_by_role("article")).to_have_count(PAGE_SIZE)
    _more(page).scroll_into_view_if_needed()
    places = page.evaluate(PLACES)
    _more(page).click()
    expect(page.get_by_role("article")).to_have_count(2 * PAGE_SIZE)
    expect(_open(page, ids[PAGE_SIZE])).to_be_focused()
    expect(_open(page, ids[PAGE_SIZE])).to_be_in_viewport()
    expect(page.locator("#load-more")).to_contain_text(f"Loaded {PAGE_SIZE} more gists.")
    assert page.evaluate(PLACES) == places
    page.keyboard.press("j")
    expect(_open(page, ids[PAGE_SIZE + 1])).to_be_focused()
    page.keyboard.press("m")
    row = page.locator(f"#gist-{ids[PAGE_SIZE + 1]}")
    expect(row.get_by_role("button", name="Mark as unread")).to_be_visible()
    expect(page.locator("#unread")).to_have_text(f"{len(ids) - 1} unread")
    page.keyboard.press("k")
    page.keyboard.press("k")
    expect(_open(page, ids[PAGE_SIZE - 1])).to_be_focused()

    _more(page).press("Enter")
    expect(page.get_by_role("article")).to_have_count(len(ids))
    expect(page.locator("#load-more")).to_have_text("Loaded 5 more gists.")
    shown = page.get_by_role("article").evaluate_all("all => all.map(one => one.id)")
    assert shown == [f"gist-{gist_id}" for gist_id in ids]
    days = page.get_by_role("heading", level=2).all_inner_texts()
    assert len(days) == len(set(days)) > 1
    assert len(page.evaluate(IDS)) == len(set(page.evaluate(IDS)))
    assert page.url == address
    page.get_by_role("button", name="Mark this page as read").click()
    # One of them was marked by its row.
    marked = f"Marked {len(ids) - 1} gists as read. Undo"
    expect(page.get_by_text("Marked ")).to_have_text(marked)
    assert complaints == []


def test_a_list_says_that_it_loads_more_and_when_that_fails(world: World, browser: Browser) -> None:
    start(world, PAGE_SIZE + 1)
    page = browser.new_page()
    page.goto(f"{world.gitpip.url}/?q=line")
    found = page.get_by_text("newest first")
    expect(found).to_have_text(f"{PAGE_SIZE} results and more, newest first")
    waiting: list[Route] = []

    def wait(route: Route) -> None:
        waiting.append(route)

    page.route(re.compile("before="), wait)
    with page.expect_request(re.compile("before=")):
        _more(page).click()
    expect(_more(page)).to_have_text("Loading…")
    waiting[0].abort()
    expect(_more(page)).to_have_text("Try again")
    said = page.locator("#load-more").get_by_role("status")
    expect(said).to_have_text("Couldn't load more gists.")
    with page.expect_request(re.compile("before=")):
        _more(page).click()
    expect(_more(page)).to_have_text("Loading…")
    waiting[1].continue_()
    expect(page.get_by_role("article")).to_have_count(PAGE_SIZE + 1)
    expect(said).to_have_text("Loaded 1 more gist.")
    expect(found).to_have_text(f"{PAGE_SIZE + 1} results, newest first")


def test_updates_of_a_person_leave_the_rows_that_were_loaded(
    world: World, browser: Browser
) -> None:
    start(world, PAGE_SIZE + 5)
    page = browser.new_page()
    page.clock.install()
    page.goto(f"{world.gitpip.url}/people/octocat")
    _more(page).click()
    expect(page.get_by_role("article")).to_have_count(PAGE_SIZE + 5)
    add_gists(world, PAGE_SIZE + 6, 1)
    places = page.evaluate(PLACES)
    page.clock.fast_forward(16_000)
    expect(page.locator("#head")).to_contain_text(f"{PAGE_SIZE + 6} gists")
    expect(page.get_by_role("article")).to_have_count(PAGE_SIZE + 5)
    expect(page.locator("#announcement")).to_be_empty()
    expect(page.locator("#arrivals")).to_contain_text("1 new")
    # Windows are scrolled by whole pixels.
    assert page.evaluate(PLACES) == pytest.approx(places, abs=1)
    page.get_by_role("link", name="1 new").click()
    expect(page.get_by_role("article").first).to_contain_text(f"file-{PAGE_SIZE + 6}.txt")
    expect(page.locator("#arrivals")).to_be_empty()


def test_a_reader_comes_back_to_what_was_loaded_below_the_list(
    world: World, browser: Browser
) -> None:
    _first, second, third, *_ = start(world, PAGE_SIZE + 5)
    page = browser.new_page()
    for path in ("/?show=week", "/people/octocat"):
        page.goto(world.gitpip.url + path)
        _more(page).click()
        expect(page.get_by_role("article")).to_have_count(PAGE_SIZE + 5)
        _open(page, second).click()
        page.wait_for_url("**/gist/*")
        page.go_back()
        expect(page.get_by_role("article")).to_have_count(PAGE_SIZE + 5)
        expect(_open(page, second)).to_be_focused()
        page.keyboard.press("k")
        page.keyboard.press("o")
        page.wait_for_url("**/gist/*")
        page.keyboard.press("u")
        expect(_open(page, third)).to_be_focused()
        expect(_open(page, third)).to_be_in_viewport()


IS_AT = """([id, top]) =>
  Math.abs(document.getElementById(id)?.getBoundingClientRect().top - top) < 2"""
"""Whether a row is in this place of the window; windows are scrolled by whole pixels."""


def test_a_reload_and_back_keep_the_place_in_what_was_loaded(
    world: World, browser: Browser
) -> None:
    _first, second, *_ = start(world, PAGE_SIZE + 5)
    page = browser.new_page(viewport=ViewportSize(width=1000, height=500))
    for number, path in enumerate(("/?show=week", "/people/octocat"), start=PAGE_SIZE + 6):
        page.goto(world.gitpip.url + path)
        _more(page).click()
        row = page.locator(f"#gist-{second}")
        row.scroll_into_view_if_needed()
        place = row.bounding_box()
        assert place
        add_gists(world, number, 1)
        page.reload()
        page.wait_for_function(IS_AT, arg=[f"gist-{second}", place["y"]])
        expect(page.get_by_role("article")).to_have_count(number)
        page.keyboard.type("gs")
        page.wait_for_url("**/status-page")
        page.go_back()
        page.wait_for_function(IS_AT, arg=[f"gist-{second}", place["y"]])


def test_marks_are_shown_after_coming_back(world: World, browser: Browser) -> None:
    first, second, third, *_ = start(world, 12)
    page = browser.new_page(viewport=ViewportSize(width=1000, height=500))
    for path in ("/?show=week", "/people/octocat", "/?q=line"):
        page.goto(world.gitpip.url + path)
        _open(page, second).focus()
        places = page.evaluate(PLACES)
        page.keyboard.press("m")
        expect(page.locator(f"#mark-{second}")).to_contain_text("Mark as unread")
        page.keyboard.type("gs")  # a click would scroll up to the link
        page.wait_for_url("**/status-page")
        page.go_back()
        expect(page.locator(f"#mark-{second}")).to_contain_text("Mark as unread")
        expect(page.locator("#unread")).to_have_text("11 unread")
        for gist_id in (first, third):
            expect(page.locator(f"#mark-{gist_id}")).to_contain_text("Mark as read")
        # Browsers come back to whole pixels.
        assert page.evaluate(PLACES) == pytest.approx(places, abs=1)
        page.locator(f"#mark-{second}").click()  # its part of the page works as before
        expect(page.locator(f"#mark-{second}")).to_contain_text("Mark as read")
        expect(page.locator("#unread")).to_have_text("12 unread")


def _is_filtered(page: Page, name: str) -> None:
    chips = page.get_by_role("navigation", name="Gists of octocat")
    expect(chips.locator("[aria-current]")).to_have_text(name)


def _let_the_present_check_end(world: World) -> None:
    def checked_at() -> str:
        return str(world.gitpip.get("/api/v1/users/octocat").json()["checked_at"])

    before = checked_at()
    world.gitpip.wait_for(lambda: checked_at() != before, "a check")


def test_acts_on_a_person_keep_the_filter(world: World, browser: Browser) -> None:
    start(world, 1)
    for number, page in enumerate(with_and_without_scripts(browser), start=2):
        page.goto(f"{world.gitpip.url}/people/octocat?show=week")
        for act, then in (("Pause", "Resume"), ("Resume", "Pause"), ("Check now", "Pause")):
            page.get_by_role("button", name=act).click()
            expect(page.get_by_role("button", name=then)).to_be_visible()
            _is_filtered(page, "7 days")

        page.get_by_text("Settings: tags").click()
        page.get_by_label("Check every").fill("soon")
        page.get_by_role("button", name="Save settings").click()
        expect(page.get_by_role("alert").filter(has_text="Check every")).to_be_visible()
        _is_filtered(page, "7 days")
        page.get_by_label("Check every").fill("")
        page.get_by_label("Tags", exact=True).fill(f"tag-{number}")
        page.get_by_label("New files").select_option("ask")
        page.get_by_role("button", name="Save settings").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"tag-{number}")
        _is_filtered(page, "7 days")

        _let_the_present_check_end(world)  # which knows the former mode
        add_gists(world, number, 1)
        world.gitpip.wait_for(lambda: world.gitpip.get("/api/v1/held").json(), "a held file")
        page.reload()
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("Held files of octocat")).to_be_hidden()
        _is_filtered(page, "7 days")
        page.get_by_role("link", name="Stop tracking …").click()
        page.get_by_role("link", name="Cancel").click()
        _is_filtered(page, "7 days")
