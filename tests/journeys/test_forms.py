"""Forms in Debian's Chromium: what is sent is sent once."""

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import World


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_double_click_creates_one_link_and_shows_it(world: World, browser: Browser) -> None:
    world.gitpip.start()
    page = browser.new_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.goto(f"{world.gitpip.url}/feeds")
    name, create = page.get_by_label("Link name"), page.get_by_role("button", name="Create link")
    secret = page.locator("#secret-atom")
    for each in ("Feedly", "Slack"):
        name.fill(each)
        sent.clear()
        create.evaluate("button => { button.click(); setTimeout(() => button.click()) }")
        expect(secret).to_be_visible()
        assert sent.count("POST") == 1
        page.go_back()
        expect(secret).to_have_count(0)

    # Who stops the browser can send it again. The page stops itself: Playwright runs nothing in a
    # page that waits for an answer.
    page.route("**/feeds", lambda _: None)  # no answer
    page.evaluate(
        "() => { navigation.onnavigate = () => setTimeout(stop);"
        " navigation.addEventListener('navigateerror', () => window.isStopped = true) }"
    )
    name.fill("Inoreader")
    create.click(no_wait_after=True)
    page.wait_for_function("window.isStopped")
    page.evaluate("() => { navigation.onnavigate = null }")
    page.unroute("**/feeds")
    create.click()
    expect(secret).to_be_visible()
    expect(page.get_by_role("cell", name="Slack", exact=True)).to_have_count(1)
