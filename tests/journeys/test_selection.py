"""Users selected in the table and dealt with at once, in Debian's Chromium."""

import re
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.journeys.conftest import World
from tests.journeys.test_inbox import COUNT_CHANGES
from tests.journeys.test_marking import add_gists, start
from tests.support.chromium import expect_no_update, serious_findings

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SOON = 30_000
LOGINS = ("ada", "bob", "cleo")


@pytest.fixture
def tracked(world: World) -> World:
    """A gitpip that tracks three, and has looked at them."""
    for login in LOGINS:
        world.github.add_user(login)
        world.github.add_gist(login, {f"{login}.py": "print(1)\n"})
    world.gitpip.start()
    for login in LOGINS:
        httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": login})
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == len(LOGINS), timeout=60)
    return world


def _row(page: Page, login: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=login, exact=True))


def _box(page: Page, login: str) -> Locator:
    return page.get_by_role("checkbox", name=f"Select {login}")


def _press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button).click()


def _change(world: World, login: str, **changes: object) -> None:
    """Somebody else changes a user."""
    httpx2.patch(f"{world.gitpip.url}/api/v1/users/{login}", json=changes)


@pytest.mark.parametrize("scripts", [True, False])
def test_two_are_paused_tagged_and_removed(tracked: World, browser: Browser, scripts: bool) -> None:
    page = browser.new_context(
        java_script_enabled=scripts,
        viewport={"width": 360, "height": 800},
        color_scheme="dark",
    ).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{tracked.gitpip.url}/people?sort=found")

    _box(page, "ada").check()
    _box(page, "cleo").check()
    _press(page, "Pause")
    expect(page.get_by_text("Paused 2 people.")).to_be_in_viewport()
    for login, state in (("ada", "Paused"), ("bob", "Active"), ("cleo", "Paused")):
        expect(_row(page, login)).to_contain_text(state)
        expect(_box(page, login)).not_to_be_checked()

    _box(page, "bob").check()
    page.locator("#selection").get_by_label("Tags").fill("vip")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Added tag “vip” to 1 person.")).to_be_in_viewport()
    expect(_row(page, "bob").get_by_role("link", name="vip")).to_be_visible()

    _box(page, "ada").check()
    _box(page, "bob").check()
    _press(page, "Stop tracking …")
    expect(page.get_by_role("heading", name="Stop tracking 2 people?")).to_be_visible()
    expect(page.get_by_text("Their 2 gists (2 files) are hidden")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(_row(page, "ada")).to_be_visible()
    _box(page, "ada").check()
    _box(page, "bob").check()
    _press(page, "Stop tracking …")
    _press(page, "Stop tracking 2 people")

    expect(page.get_by_text("Stopped tracking 2 people")).to_be_in_viewport()
    expect(_row(page, "cleo")).to_be_visible()
    expect(_row(page, "ada")).to_have_count(0)
    assert "sort=found" in page.url
    expect(page.get_by_role("button", name="Check now")).to_be_hidden()
    assert [text for text in complaints if "422" not in text] == []
    expect(page.get_by_role("checkbox", name="All on this page")).to_be_visible(visible=scripts)


def test_a_selection_made_by_keyboard_outlasts_updates(tracked: World, browser: Browser) -> None:
    page = browser.new_page()
    page.clock.install()
    page.goto(f"{tracked.gitpip.url}/people?state=active")
    everybody = page.get_by_role("checkbox", name="All on this page")
    selected = page.locator("#chosen")

    everybody.focus()
    page.keyboard.press("Space")
    expect(selected).to_have_text("3 selected")
    page.keyboard.press("Space")
    expect(selected).to_have_text("")
    _box(page, "bob").focus()
    page.keyboard.press("Space")
    expect(selected).to_have_text("1 selected")
    expect(everybody).to_have_js_property("indeterminate", value=True)
    page.locator("#selection").get_by_label("Tags").fill("vi")
    _box(page, "bob").focus()

    _change(tracked, "ada", paused=True)
    _change(tracked, "bob", tags=["new"])
    page.clock.fast_forward(16_000)
    expect(_row(page, "ada")).to_have_count(0, timeout=SOON)
    expect(page.locator("#total")).to_have_text("2 people.")
    expect(_row(page, "bob").get_by_role("link", name="new")).to_be_visible()
    expect(_box(page, "bob")).to_be_checked()
    expect(_box(page, "bob")).to_be_focused()
    expect(page.locator("#selection").get_by_label("Tags")).to_have_value("vi")
    expect(selected).to_have_text("1 selected")

    # Who is selected does not vanish from under one's hands, as long as that lasts.
    _change(tracked, "bob", paused=True)
    page.evaluate(
        "window.answered = new Promise("
        "done => document.addEventListener('htmx:afterRequest', () => done(true)))"
    )
    page.clock.fast_forward(16_000)
    assert page.evaluate("window.answered")
    expect(_box(page, "bob")).to_be_checked()
    # An update that was asked for before may remove the row at once, so no state is expected.
    _box(page, "bob").click()
    page.clock.fast_forward(16_000)
    expect(_row(page, "bob")).to_have_count(0, timeout=SOON)
    expect(_row(page, "cleo")).to_be_visible()


def test_what_is_selected_is_said_once(tracked: World, browser: Browser) -> None:
    page = browser.new_page()
    page.clock.install()
    for path, name in (("/people", "bob"), ("/publications", "bob.py")):
        page.goto(tracked.gitpip.url + path)
        _box(page, name).check()
        expect(page.locator("#chosen")).to_have_text("1 selected")
        page.evaluate(COUNT_CHANGES, "chosen")
        with page.expect_response(f"**{path}?*"):
            page.clock.fast_forward(16_000)
        expect_no_update(page)
        expect(page.locator("#chosen")).to_have_text("1 selected")
        assert page.evaluate("window.changes") == 0, path
        _box(page, "ada" if name == "bob" else "ada.py").check()
        expect(page.locator("#chosen")).to_have_text("2 selected")
        assert page.evaluate("window.changes") == 1, path


def test_rows_that_come_into_an_empty_list_can_be_selected(world: World, browser: Browser) -> None:
    start(world, 0)
    page = browser.new_page()
    page.goto(f"{world.gitpip.url}/publications")
    expect(page.get_by_text("Nothing synced yet.")).to_be_visible()
    add_gists(world, 1, 1)
    box, everything = _box(page, "file-1.txt"), page.get_by_role("checkbox", name="All on this")
    box.check()
    expect(page.locator("#chosen")).to_have_text("1 selected")
    with page.expect_response(re.compile("/publications")):
        pass
    expect_no_update(page)
    expect(page.locator("#chosen")).to_have_text("1 selected")
    expect(everything).to_be_checked()
    everything.uncheck()
    expect(box).not_to_be_checked()
    expect(page.locator("#chosen")).to_have_text("")


def test_nothing_keeps_anybody_from_selecting(tracked: World, browser: Browser, axe: str) -> None:
    looks: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 360))
    findings = []
    for scheme, width in looks:
        size = ViewportSize(width=width, height=800)
        page = browser.new_context(color_scheme=scheme, viewport=size).new_page()
        page.goto(f"{tracked.gitpip.url}/people")
        _box(page, "bob").check()
        findings += serious_findings(page, axe)
        _press(page, "Add tags")
        expect(page.get_by_role("alert").filter(has_text="Tags: ")).to_be_visible()
        expect(_box(page, "bob")).to_be_checked()
        findings += serious_findings(page, axe)
        _press(page, "Check now")
        expect(page.get_by_text("Checking 1 person")).to_be_visible()
        findings += serious_findings(page, axe)
        page.get_by_role("checkbox", name="All on this page").check()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        _press(page, "Stop tracking …")
        expect(page.get_by_role("heading", name="Stop tracking 3 people?")).to_be_visible()
        findings += serious_findings(page, axe)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings == []


def test_every_column_has_a_name_in_a_narrow_window(
    tracked: World, browser: Browser, axe: str
) -> None:
    page = browser.new_page(viewport=ViewportSize(width=360, height=800))
    page.goto(f"{tracked.gitpip.url}/people")
    names = page.get_by_role("columnheader")
    expect(names.first).to_have_accessible_name("Username")
    assert [name for name in names.all() if not name.inner_text().strip()] == []
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {runOnly: ['empty-table-header']})")
    assert found["violations"] == found["incomplete"] == []
    # Names that are not shown are not links that could have the focus.
    expect(names.get_by_role("link")).to_have_count(0)
    page.set_viewport_size(ViewportSize(width=1280, height=800))
    expect(names.first.get_by_role("link", name="Username")).to_be_visible()
    expect(names.first).to_have_text(re.compile("^Username"), use_inner_text=True)


def _sixty(world: World) -> list[str]:
    names = [f"user-{number:02}" for number in range(60)]
    for name in names:
        world.github.add_user(name)
    world.gitpip.start()
    for name in names:
        httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": name}, timeout=60)
    return names


def test_a_selection_goes_on_through_the_pages(world: World, browser: Browser) -> None:
    names = _sixty(world)
    page = browser.new_page()
    page.goto(f"{world.gitpip.url}/people?state=active")
    chosen, clear = page.locator("#chosen"), page.get_by_role("button", name="Clear selection")
    pages = page.get_by_role("navigation", name="Pages of people")
    expect(clear).to_be_hidden()
    _box(page, names[0]).check()
    _box(page, names[1]).check()
    pages.get_by_role("link", name="Next").click()
    expect(_box(page, names[-1])).to_be_visible()
    expect(chosen).to_have_text("2 selected, 2 on other pages")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    _box(page, names[-1]).check()
    expect(chosen).to_have_text("3 selected, 2 on other pages")

    _press(page, "Add tags")
    expect(page.get_by_role("alert").filter(has_text="Tags: ")).to_be_visible()
    expect(chosen).to_have_text("3 selected, 2 on other pages")
    _press(page, "Stop tracking …")
    expect(page.get_by_role("heading", name="Stop tracking 3 people?")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(chosen).to_have_text("3 selected, 2 on other pages")
    pages.get_by_role("link", name="Previous").click()
    expect(chosen).to_have_text("3 selected, 1 on other pages")
    for name in names[:3]:
        expect(_box(page, name)).to_be_checked(checked=name != names[2])
    page.get_by_role("link", name=names[2]).click()
    page.go_back()
    expect(chosen).to_have_text("3 selected, 1 on other pages")

    clear.click()
    expect(chosen).to_have_text("")
    expect(clear).to_be_hidden()
    _box(page, names[1]).check()
    pages.get_by_role("link", name="Next").click()
    _box(page, names[-1]).check()
    _press(page, "Pause")
    expect(page.get_by_text("Paused 2 people.")).to_be_visible()
    expect(chosen).to_have_text("")
    page.goto(f"{world.gitpip.url}/people?state=paused")
    expect(page.get_by_role("checkbox", name="Select user-")).to_have_count(2)


def test_a_selection_ends_with_another_filter_and_where_the_reader_leaves(
    tracked: World, browser: Browser
) -> None:
    page = browser.new_page()
    page.goto(f"{tracked.gitpip.url}/people?state=active")
    chosen = page.locator("#chosen")
    _box(page, "bob").check()
    page.get_by_role("link", name="All", exact=True).click()
    expect(page).to_have_url(re.compile("/people\\?(?!.*state=)"))
    expect(_box(page, "bob")).not_to_be_checked()
    expect(chosen).to_have_text("")
    _box(page, "bob").check()
    main = page.get_by_role("navigation", name="Main")
    main.get_by_role("link", name="Status").click()
    main.get_by_role("link", name="People").click()
    expect(_box(page, "bob")).not_to_be_checked()
    expect(chosen).to_have_text("")
