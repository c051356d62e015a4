"""What people come for, in few clicks: each walk prints its clicks and seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from gitpip_standins import Fault
from tests.journeys.conftest import World
from tests.support.chromium import serious_findings

SECRET = "gh" + "p_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
"""It is nobody's, and looks like a token of GitHub's."""
COUNT = """
const count = () => sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1;
addEventListener("click", count, true);
"""


@contextmanager
def walk(page: Page, name: str, *, most: int) -> Iterator[None]:
    """Count the clicks of a walk, which needs at most so many."""
    page.add_init_script(COUNT)
    began = time.monotonic()
    yield
    clicks = page.evaluate("Number(sessionStorage.clicks || 0)")
    took = time.monotonic() - began
    print(f"{name}: {clicks} clicks, {took:.1f} s")  # noqa: T201 - `pytest -s` shows it
    assert clicks <= most


def _has(world: World, address: str, number: int) -> bool:
    return bool(world.gitpip.get(address).json()["total"] == number)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_from_a_first_start_to_the_first_synced_gist(world: World, browser: Browser) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"hello.py": "print('hello')"})
    world.gitpip.start()
    page = browser.new_page()
    with walk(page, "first start to first synced gist", most=5):
        page.goto(world.gitpip.url)
        page.get_by_role("link", name="Set up").click()
        expect(page.locator("#step-pipedrive.done")).to_contain_text("the token is Petra Pipe")
        expect(page.locator("#step-github.done")).to_contain_text("requests left")
        page.get_by_role("link", name="Add people").click()
        page.get_by_label("GitHub usernames or profile URLs").fill("octocat")
        page.get_by_role("button", name="Add people").click()
        world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 1)
        page.get_by_role("link", name="CRM sync").click()
        expect(page.get_by_role("row").filter(has_text="hello.py")).to_contain_text("In Pipedrive")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_failed_batch_is_retried_and_a_secret_is_skipped(
    world: World, browser: Browser, axe: str
) -> None:
    refusal = Fault.says(400, {"success": False, "error": "no such type"})
    world.pipedrive.faults.script(*[refusal] * 3, method="POST", path="activities$")
    for login, files in {
        "octocat": {"1.txt": "1", "2.txt": "2", "3.txt": "3"},
        "hubot": {"leak.py": f"key = {SECRET!r}"},
    }.items():
        world.github.add_user(login)
        world.github.add_gist(login, files)
    world.gitpip.start()
    for login, state, number in (("octocat", "failed", 3), ("hubot", "held", 1)):
        httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": login}, timeout=60)
        address = f"/api/v1/publications?state={state}"
        world.gitpip.wait_for(partial(_has, world, address, number), state)
    page = browser.new_page(viewport={"width": 390, "height": 844})
    with walk(page, "a failed batch retried", most=3):
        page.goto(world.gitpip.url)
        page.get_by_role("link", name="CRM sync 4 need attention").click()
        attention = page.get_by_role("region", name="Table of what needs attention")
        expect(attention).to_contain_text("no such type")
        assert serious_findings(page, axe) == []
        attention.get_by_role("button", name="Retry all 3").click()
        page.get_by_role("button", name="Retry 3 files").click()
        expect(page.get_by_text("3 of 3 files done")).to_be_visible()
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 3)

    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{world.gitpip.url}/publications")
    attention = page.get_by_role("region", name="Table of what needs attention")
    expect(attention.get_by_role("row").filter(has_text="leak.py")).to_contain_text("credentials")
    page.get_by_role("button", name="Skip leak.py").first.click()
    expect(page.get_by_role("heading", name="Needs attention")).to_have_count(0)
    assert len(world.pipedrive.activities) == 3
