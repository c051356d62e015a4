"""Lists of gists: what is loaded below them, what is shown after coming back, and their filters."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import World
from tests.journeys.test_marking import add_gists, start, with_and_without_scripts

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


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
