"""What a person published this week, by GitHub's dates, is two clicks from the inbox."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("scripts", [True, False])
def test_this_week_of_a_person(world: World, browser: Browser, scripts: bool) -> None:
    world.github.add_user("octocat")
    before = datetime.now(UTC) - timedelta(days=9)
    world.github.add_gist("octocat", {"old.py": "1"}, created_at=before)
    world.github.add_gist("octocat", {"new.py": "2"})
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat"}, timeout=60)
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 2, timeout=60)
    page = browser.new_context(java_script_enabled=scripts).new_page()
    page.goto(world.gitpip.url)
    expect(page.get_by_role("article")).to_have_count(2)

    page.get_by_role("link", name="octocat").first.click()
    page.get_by_role("link", name="7 days").click()

    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("link", name="new.py")).to_be_visible()
