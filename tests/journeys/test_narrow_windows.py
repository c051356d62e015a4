"""Nothing of a page lies outside a narrow window, or has the focus where it cannot be seen."""

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.journeys.conftest import World
from tests.journeys.test_marking import start

NARROW = ViewportSize(width=700, height=800)
PHONE = ViewportSize(width=390, height=844)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_beside_a_narrow_window(world: World, browser: Browser) -> None:
    start(world, 0)
    gist = world.github.add_gist("octocat", {"a.txt": "kept\n" + "old words " * 20})
    world.gitpip.wait_for(lambda: gist in world.gitpip.get("/").text, "the gist")
    world.github.edit_gist(gist, {"a.txt": "kept\n" + "new words " * 20})
    world.gitpip.wait_for(lambda: "View changes" in world.gitpip.get("/").text, "the edit")
    page = browser.new_page(viewport=NARROW)
    page.goto(world.gitpip.url)
    page.get_by_role("link", name="View changes").click()
    former, present = page.locator("del"), page.locator("ins")
    expect(former).to_be_in_viewport(ratio=1)
    expect(present).to_be_in_viewport(ratio=1)
    boxes = former.bounding_box(), present.bounding_box()
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["y"] < boxes[1]["y"]
    expect(page.get_by_text("kept", exact=True)).to_have_count(2)
    assert [one.is_visible() for one in page.get_by_text("kept", exact=True).all()] == [True, False]

    page.set_viewport_size(PHONE)
    page.goto(f"{world.gitpip.url}/people")
    for _ in range(25):
        page.keyboard.press("Tab")
        assert page.locator("thead :focus").count() == 0
