"""What needs attention is shown on CRM sync as it comes, and moves nothing that is read or used."""

import httpx2
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from gitpip_standins import Fault
from tests.journeys.conftest import World
from tests.journeys.test_marking import start
from tests.support.chromium import expect_no_update, top_of

ROWS = 12
REST = 16_000
"""Milliseconds, so that the list is asked for once more while nothing is queued."""


def _fail(world: World, name: str, error: str) -> None:
    """Let Pipedrive refuse one more file, and wait until that is recorded."""
    before = _failed(world)
    refusal = Fault.says(400, {"success": False, "error": error})
    world.pipedrive.faults.script(refusal, method="POST", path="activities$")
    world.github.add_gist("octocat", {name: name})
    world.gitpip.wait_for(lambda: _failed(world) == before + 1, f"the refusal of {name}")


def _failed(world: World) -> int:
    total: int = world.gitpip.get("/api/v1/publications?state=failed").json()["total"]
    return total


def _update(page: Page) -> None:
    with page.expect_response("**/publications?*"):
        page.clock.fast_forward(REST)
    expect_no_update(page)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_needs_attention_comes_without_moving_what_is_read(
    world: World, browser: Browser
) -> None:
    start(world, ROWS)
    page = browser.new_page(viewport=ViewportSize(width=1000, height=600))
    page.clock.install()
    page.goto(f"{world.gitpip.url}/publications")
    table = page.get_by_role("region", name="Table of what needs attention")
    expect(page.get_by_role("row").filter(has_text="In Pipedrive")).to_have_count(ROWS)
    row = f"#{page.locator('#list tbody tr').first.get_attribute('id')}"
    place = top_of(page.locator(row))

    _fail(world, "first.txt", "no such type")
    _update(page)
    expect(page.locator("#attention")).to_have_text("1 need attention")
    expect(table).to_have_count(0)
    assert top_of(page.locator(row)) == pytest.approx(place, abs=1)
    page.get_by_role("link", name="1 new").click()
    expect(table).to_contain_text("first.txt")
    expect(page.locator("#arrivals")).to_be_empty()

    retry = table.get_by_role("button", name="Retry first.txt")
    retry.focus()
    place = top_of(page.locator("#needing tr:has-text('first.txt')"))
    _fail(world, "other.txt", "no such person")
    _update(page)
    expect(page.get_by_role("link", name="1 new")).to_be_visible()
    expect(table.get_by_role("row").filter(has_text="other.txt")).to_have_count(0)
    expect(retry).to_be_focused()
    assert top_of(page.locator("#needing tr:has-text('first.txt')")) == pytest.approx(place, abs=1)

    page.evaluate("document.activeElement.blur()")
    page.locator(row).evaluate("row => scrollTo(0, row.getBoundingClientRect().top)")
    place = top_of(page.locator(row))
    _update(page)
    expect(table.get_by_role("row").filter(has_text="other.txt")).to_have_count(1)
    expect(page.locator("#arrivals")).to_be_empty()
    assert top_of(page.locator(row)) == pytest.approx(place, abs=1)

    # What one reason counts changes in its place.
    page.evaluate("scrollTo(0, 0)")
    _fail(world, "once-more.txt", "no such person")
    _update(page)
    expect(table.get_by_role("link", name="2 files")).to_be_visible()
    httpx2.post(f"{world.gitpip.url}/api/v1/repairs", json={"act": "skip", "states": ["failed"]})
    world.gitpip.wait_for(lambda: not _failed(world), "the end of the repair")
    _update(page)
    page.get_by_role("link", name="Changed").click()
    expect(table).to_have_count(0)
