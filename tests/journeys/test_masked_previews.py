"""Pages and feeds show no credential that a file is held for, but for the gist's own."""

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import World
from tests.journeys.test_marking import start


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_previews_show_no_credential_that_a_file_is_held_for(
    world: World, browser: Browser
) -> None:
    start(world, 0)
    token = "ghp_" + "0UAqzR7x9LmP2vK8sT4wYc6BnD1eFgHiJkQ7"
    world.github.add_gist(
        "octocat",
        {"deploy.sh": f"echo hi\nexport GITHUB_TOKEN={token}\n"},
        description=f"Deploy {token}",
    )
    world.gitpip.wait_for(lambda: "state held" in world.gitpip.get("/").text, "the held file")
    page = browser.new_page()
    for path in ("/", "/people/octocat", "/?q=export"):
        page.goto(world.gitpip.url + path)
        row = page.get_by_role("article")
        expect(row).to_contain_text(
            "may contain credentials: GitHub personal access token (in its description), "
            "GitHub personal access token (line 2)"
        )
        expect(row).to_contain_text("export GITHUB_TOKEN=[removed: GitHub personal access token]")
        expect(row).to_contain_text("Deploy [removed: GitHub personal access token]")
        assert token not in page.content()
    for path in ("/publications", "/publications?login=octocat", "/feed.atom", "/feed.json"):
        shown = world.gitpip.get(path).text
        assert "deploy.sh" in shown, path
        assert token not in shown, path
    page.goto(world.gitpip.url + "/")
    page.get_by_role("button", name="Mark as read").click()
    expect(row.get_by_role("button", name="Mark as unread")).to_be_visible()
    assert token not in page.content()
