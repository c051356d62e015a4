"""Times are in the reader's own zone and format, right at the change of summer time, and live."""

import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOW = datetime(2026, 11, 25, 21, 16, 30, tzinfo=UTC)
SHOWN = [
    ("America/Los_Angeles", NOW - timedelta(seconds=12), "12 sec. ago", "1:16:18 PM PST"),
    (
        "America/Los_Angeles",
        NOW + timedelta(minutes=59, seconds=30),
        "in 59 min.",
        "2:16:00 PM PST",
    ),
    ("America/Los_Angeles", NOW - timedelta(days=6, hours=23), "6 days ago", "2:16:30 PM PST"),
    ("America/Los_Angeles", NOW - timedelta(days=7), "Nov 18, 1:16 PM", "Wed, Nov 18, 2026"),
    # On 31 December here, and in the next year there.
    ("Asia/Tokyo", datetime(2025, 12, 31, 20, tzinfo=UTC), "Jan 1, 5:00 AM", "GMT+9"),
    ("America/Los_Angeles", datetime(2026, 1, 1, 2, tzinfo=UTC), "Dec 31, 2025, 6:00 PM", "PST"),
    # Summer time ended at 2:00, so 1:30 was twice.
    ("America/Los_Angeles", datetime(2026, 11, 1, 8, 30, tzinfo=UTC), "Nov 1, 1:30 AM", "AM PDT"),
    ("America/Los_Angeles", datetime(2026, 11, 1, 9, 30, tzinfo=UTC), "Nov 1, 1:30 AM", "AM PST"),
    # It began at 2:00, so there was no 2:30.
    ("America/Los_Angeles", datetime(2026, 3, 8, 10, 30, tzinfo=UTC), "Mar 8, 3:30 AM", "AM PDT"),
]


def _add_time(page: Page, number: int, time: datetime) -> None:
    page.evaluate(
        "([id, at]) => document.getElementById('main').insertAdjacentHTML('beforeend',"
        " `<p><time id=${id} datetime=${at} data-age>UTC</time></p>`)",
        [f"time-{number}", time.isoformat()],
    )


def test_times_are_those_of_the_reader(world: World, browser: Browser) -> None:
    world.gitpip.start()
    for zone in ("Asia/Tokyo", "America/Los_Angeles"):
        page = browser.new_context(timezone_id=zone, locale="en-US").new_page()
        page.clock.install(time=NOW - timedelta(hours=1))
        page.goto(f"{world.gitpip.url}/sign-in")
        for number, (of_zone, time, _, _) in enumerate(SHOWN):
            if of_zone == zone:
                _add_time(page, number, time)
        page.clock.pause_at(NOW)
        for number, (of_zone, _, text, title) in enumerate(SHOWN):
            if of_zone == zone:
                element = page.locator(f"#time-{number}")
                shown = (element.text_content() or "").replace("\u202f", " ")
                assert shown.replace(".", "") == text.replace(".", ""), number
                assert title in (element.get_attribute("title") or "").replace("\u202f", " ")
    page.clock.run_for(30_000)
    expect(page.locator("#time-0")).to_have_text(re.compile("42 sec"))


def test_a_browser_without_scripts_shows_utc_and_others_their_own_words(
    world: World, browser: Browser
) -> None:
    world.github.add_user("octocat")
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat"}, timeout=60)
    world.gitpip.wait_for(
        lambda: "not yet" not in world.gitpip.get("/people").text, "the first check"
    )
    plain = browser.new_context(java_script_enabled=False).new_page()
    german = browser.new_context(locale="de-DE").new_page()

    for page in (plain, german):
        page.goto(f"{world.gitpip.url}/people")
    time = plain.locator("main time").first
    assert (time.text_content() or "").endswith(" UTC")
    shown = german.locator("main time").first
    expect(shown).to_contain_text("vor ")
    expect(shown).to_have_attribute("lang", "de-DE")
