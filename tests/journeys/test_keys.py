"""Keys move between items and pages, never while somebody writes, and can be turned off."""

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.conftest import World
from tests.support.chromium import serious_findings

ITEMS = "".join(
    f'<article data-item id="item-{name}"><a data-open href="/people?q={name}">{name}</a>'
    f'<a data-github href="/status-page?on={name}">on GitHub</a><button data-mark type="button"'
    "></button></article>"
    for name in ("one", "two", "three")
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_keys_lead_everywhere_unless_somebody_writes_or_turned_them_off(
    world: World, browser: Browser, axe: str
) -> None:
    world.gitpip.start()
    page = browser.new_page()

    def show_items() -> None:
        page.goto(f"{world.gitpip.url}/feeds")
        page.evaluate("html => document.getElementById('main').innerHTML = html", ITEMS)

    for keys, path in (("gp", "/people"), ("gc", "/publications"), ("gs", "/status-page")):
        page.goto(world.gitpip.url)
        page.keyboard.type(keys)
        page.wait_for_url(f"**{path}")
    page.keyboard.type("gi")
    page.wait_for_url(f"{world.gitpip.url}/")

    show_items()
    page.keyboard.type("jjk")
    expect(page.locator("#item-one [data-open]")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("#item-two [data-open]")).to_be_focused()
    page.evaluate(
        "addEventListener('click', (event) => event.target.closest('#item-two').remove())"
    )
    page.keyboard.press("m")
    page.keyboard.press("j")
    expect(page.locator("#item-three [data-open]")).to_be_focused()
    page.keyboard.press("v")
    page.wait_for_url("**/status-page?on=three")
    show_items()
    page.keyboard.type("jo")
    page.wait_for_url("**/people?q=one")

    page.keyboard.type("/jk?gs")
    search = page.get_by_role("searchbox", name="Search people, files and code")
    expect(search).to_have_value("jk?gs")
    search.blur()
    page.keyboard.press("Control+/")
    expect(search).not_to_be_focused()
    dialog = _dialog_that_gives_the_focus_back(page, axe)
    page.keyboard.press("?")
    dialog.get_by_label("Use keyboard shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.reload()
    page.keyboard.type("/?gs")
    expect(dialog).to_be_hidden()
    more = page.get_by_label("More", exact=True)
    more.click()
    assert serious_findings(page, axe) == []
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(dialog.get_by_label("Use keyboard shortcuts")).not_to_be_checked()
    dialog.get_by_role("button", name="Close").click()
    expect(more).to_be_focused()
    assert page.url.endswith("/people?q=one")


def _dialog_that_gives_the_focus_back(page: Page, axe: str) -> Locator:
    place = page.get_by_role("link", name="People", exact=True)
    place.focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog.locator(":focus")).to_have_count(1)
    assert serious_findings(page, axe) == []
    page.keyboard.press("Escape")
    expect(place).to_be_focused()
    return dialog
