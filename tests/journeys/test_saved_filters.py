"""The form of filters keeps what was typed, whatever is wrong with it."""

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import World
from tests.journeys.test_marking import start


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_form_of_filters_keeps_what_was_typed(world: World, browser: Browser) -> None:
    start(world, 1)
    page = browser.new_page()
    page.goto(world.gitpip.url)
    page.get_by_text("Filters", exact=True).click()
    form = page.get_by_role("search").filter(has=page.get_by_label("Save as"))
    form.get_by_label("Search").fill("line")
    page.get_by_role("button", name="Save filter").click()
    expect(page.get_by_label("Save as")).to_be_focused()
    page.get_by_label("Save as").fill("   ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("1 to 60 printable characters")
    expect(form.get_by_label("Search")).to_have_value("line")
    page.get_by_label("Save as").fill("lines")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="★ lines")).to_have_attribute("aria-current", "true")
    assert page.url.endswith("/?q=line")

    for written, answer in (
        ("nobody-here", "You don't track nobody-here yet."),
        ("no such", "“no such” isn't a GitHub username."),
    ):
        page.goto(world.gitpip.url)
        page.get_by_text("Filters", exact=True).click()
        page.get_by_label("Person").fill(written)
        page.keyboard.press("Enter")
        expect(page.get_by_text(answer)).to_be_visible()
        expect(page.get_by_label("Person")).to_have_value(written)
    page.get_by_label("Person").fill("@octocat")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="file-1.txt")).to_be_visible()

    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(world.gitpip.url)
    plain.get_by_text("Filters", exact=True).click()
    plain.get_by_label("Save as").fill("kept")
    plain.keyboard.press("Enter")
    expect(plain.get_by_label("Save as")).to_have_value("kept")
