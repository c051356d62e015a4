"""Keys lead from a gist back to its place in the list, and through other lists."""

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.journeys.conftest import World
from tests.journeys.test_marking import start


def _focused(page: Page, gist_id: str) -> None:
    expect(page.locator(f"#open-{gist_id}")).to_be_focused()
    expect(page.locator(f"#open-{gist_id}")).to_be_in_viewport()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_keys_lead_from_a_gist_back_to_its_place_in_the_list(
    world: World, browser: Browser
) -> None:
    *_, third, second, _first = start(world, 12)
    page = browser.new_page(viewport=ViewportSize(width=1000, height=400))
    page.goto(world.gitpip.url)
    page.keyboard.type("jj")
    _focused(page, second)
    page.keyboard.press("o")
    page.wait_for_url("**/gist/*")
    page.keyboard.press("u")
    _focused(page, second)
    page.keyboard.press("o")
    page.wait_for_url("**/gist/*")
    page.keyboard.press("m")
    page.wait_for_url("**/?seen=*")
    _focused(page, third)  # which is now in the place of the one that was read

    for path, opened in (("/people", "**/people/octocat"), ("/publications", "**/gist/*")):
        page.goto(world.gitpip.url + path)
        page.keyboard.press("j")
        page.keyboard.press("o")
        page.wait_for_url(opened)
    page.keyboard.press("u")
    expect(page.locator("[data-item]").first.locator("[data-open]")).to_be_focused()
