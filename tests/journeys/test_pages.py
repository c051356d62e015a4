"""The pages as people walk through them, in Debian's Chromium."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from gitpip_standins import Fault
from gitpip_standins.faults import FaultKind
from tests.journeys.conftest import World
from tests.support.chromium import (
    ARGUMENTS,
    RULES,
    RULES_OF_COLOURS,
    serious_findings,
    top_of,
)
from tests.support.pages import on_one_line

COLOURS = {
    "all.py": "#!/usr/bin/python\n# a comment\nimport os\n\n\n@property\ndef name(self) -> str:\n"
    '    """Say it."""\n    if not isinstance(self, Exception) or 0x1F > 1.5e3:\n'
    "        raise ValueError(f'{os.sep!r}\\n')\n    return r\"raw\" + self.name\n",
    "all.html": "<!doctype html>\n<!-- a comment -->\n<a href='/' class=x>a &amp; b</a>\n",
    "all.md": "# One\n\n## Two\n\n*three* **four** `five` [six](/)\n\n- seven\n",
    "all.diff": "--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n",
    "all.sh": "#!/bin/sh\nset -e # a comment\necho \"$HOME ${USER}\" | grep 'x' > /dev/null\n",
    "all.yaml": "# a comment\nname: &anchor [1, true, 'text']\n",
}
"""Whatever Pygments has colours for."""
TABLES = {"/rules": 3, "/keys": 1, "/feeds": 1}
"""Pages with tables that must fit a phone, and the number of these tables."""
WIDE_TABLES = """[...document.querySelectorAll(".scroll")]
    .filter(it => it.scrollWidth > it.clientWidth).length"""


def _add(page: Page, login: str) -> None:
    page.get_by_role("link", name="People", exact=True).click()
    form = page.get_by_label("GitHub usernames or profile URLs")
    if not form.is_visible():
        page.get_by_text("Add people", exact=True).first.click()
    form.fill(login)
    page.get_by_role("button", name="Add people").click()


def test_from_nothing_to_a_seen_gist(world: World, browser: Browser) -> None:
    world.github.add_user("octocat")
    world.gitpip.start()
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(world.gitpip.url)
    expect(page.get_by_text("You don't track anyone yet. Add people")).to_be_visible()
    _add(page, "no!such!login")
    expect(page.get_by_role("alert")).to_contain_text("isn't a valid GitHub username")
    _add(page, "octocat")
    expect(page.get_by_role("heading", name="octocat")).to_be_visible()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Inbox").click()
    expect(page.get_by_text("You're all caught up.")).to_be_visible()
    world.github.add_gist("octocat", {"hello.py": "print('<hello>')\n"})
    expect(page.get_by_role("link", name="hello.py")).to_be_visible()
    expect(page.get_by_role("article")).to_contain_text("print('<hello>')")
    page.reload()
    expect(page.get_by_role("link", name="hello.py")).to_be_visible()

    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_text("Marked 1 gist as read.")).to_be_visible()
    expect(page.get_by_text("You're all caught up.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="hello.py")).to_be_visible()
    page.get_by_role("button", name="Mark as read").click()
    expect(page.get_by_role("button", name="Mark as unread")).to_be_visible()
    page.reload()
    expect(page.get_by_text("You're all caught up.")).to_be_visible()

    page.goto(f"{world.gitpip.url}/?q=hello")
    expect(page.get_by_role("link", name="hello.py")).to_be_visible()
    expect(page.locator("article mark").first).to_have_text("hello")
    page.goto(f"{world.gitpip.url}/?q=nothing-like-it")
    expect(page.get_by_text("No matches.")).to_be_visible()
    assert [text for text in complaints if "422" not in text] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_live_parts_keep_the_focus_and_say_when_they_fail(world: World, browser: Browser) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"first.py": "print(1)\n"})
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat"})
    page = browser.new_page()
    page.goto(world.gitpip.url)
    first = page.get_by_role("link", name="first.py")
    expect(first).to_be_visible()
    first.focus()

    world.github.add_gist("octocat", {"second.py": "print(2)\n"})

    arrivals = page.get_by_role("link", name="1 new")
    expect(arrivals).to_be_visible()
    expect(first).to_be_focused()
    arrivals.click()
    expect(page.get_by_role("link", name="second.py")).to_be_visible()
    world.gitpip.stop()
    expect(page.get_by_role("alert")).to_contain_text("Can't reach gitpip")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_form_for_a_removed_user_says_so_and_leads_to_a_page(
    world: World, browser: Browser
) -> None:
    world.github.add_user("octocat")
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat"}, timeout=60)
    page = browser.new_page()
    page.goto(f"{world.gitpip.url}/people/octocat")
    expect(page.get_by_role("heading", name="octocat")).to_be_visible()

    httpx2.delete(f"{world.gitpip.url}/api/v1/users/octocat", timeout=60)

    expect(page.get_by_role("alert")).to_contain_text("no longer exists")
    page.goto(f"{world.gitpip.url}/people")
    page.go_back()
    expect(page.get_by_role("heading", name="Not tracked")).to_be_visible()


def test_without_scripts_at_phone_width_in_the_dark(world: World, browser: Browser) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"long-name-" * 20 + ".txt": "wide " * 2_000})
    world.gitpip.start()
    page = browser.new_context(
        java_script_enabled=False,
        viewport={"width": 380, "height": 800},
        color_scheme="dark",
    ).new_page()
    page.goto(world.gitpip.url)

    _add(page, "octocat")
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 1)
    for path in ("/", "/people", "/people/octocat", "/publications", "/status-page"):
        page.goto(world.gitpip.url + path)
        assert page.get_by_role("main").bounding_box()["width"] <= 380  # type: ignore[index]
    page.goto(world.gitpip.url)
    first = page.get_by_role("article").first.bounding_box()
    assert first
    assert first["y"] + first["height"] < 800
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_text("Marked 1 gist as read.")).to_be_visible()


@dataclass(frozen=True)
class Scene:
    """A user with an edited gist, whose publication was refused."""

    gist_id: str
    publication: int


def _set_scene(world: World) -> Scene:
    world.github.add_user("octocat")
    gist_id = world.github.add_gist("octocat", {"hello.py": "print('one')\nkept\n"})
    world.pipedrive.faults.script(
        Fault(FaultKind.ERROR, processed=False, status=400), method="POST", path="activities$"
    )
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat", "tags": ["customer"]})

    def failed() -> list[dict[str, int]]:
        found: list[dict[str, int]] = world.gitpip.get("/api/v1/publications?state=failed").json()[
            "items"
        ]
        return found

    row = world.gitpip.wait_for(failed, "a refusal")[0]
    world.github.edit_gist(gist_id, {"hello.py": "print('two')\nkept\n"})
    world.gitpip.wait_for(
        lambda: "View changes" in on_one_line(world.gitpip.get(f"/gist/{gist_id}").text), "the edit"
    )
    return Scene(gist_id, row["id"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_filter_compare_retry_and_import(world: World, browser: Browser) -> None:
    scene = _set_scene(world)
    page = browser.new_page()

    page.goto(world.gitpip.url)
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Tag").select_option("customer")
    page.get_by_role("main").get_by_label("Search").fill("two")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("link", name="hello.py", exact=True)).to_be_visible()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_role("main").get_by_label("Status").select_option("published")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No matches.")).to_be_visible()

    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_role("link", name="octocat").click()
    page.get_by_role("link", name="View changes").click()
    expect(page.locator("del")).to_have_text("print('one')")
    expect(page.locator("ins")).to_have_text("print('two')")
    expect(page.locator("del b")).to_have_text("one")
    page.get_by_role("link", name="One column").click()
    expect(page.locator("ins b")).to_have_text("two")
    assert "view=unified" in page.url

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{world.gitpip.url}/gist/{scene.gist_id}#L2")
    expect(page.locator(":target")).to_have_text("kept")
    page.get_by_role("button", name="Copy hello.py").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "print('two')\nkept\n"
    page.get_by_role("link", name="Link to hello.py").click()
    expect(page.locator("article:target")).to_be_visible()

    page.get_by_role("link", name="CRM sync").click()
    page.get_by_role("link", name=re.compile("Failed")).click()
    page.get_by_role("link", name="View hello.py").click()
    expect(page.get_by_label("Note", exact=True).locator("pre")).to_contain_text("print('one')")
    page.get_by_text("Show HTML").click()
    expect(page.get_by_label("HTML of the note")).to_contain_text("<pre>print(&#x27;one&#x27;)")
    page.get_by_role("button", name="Retry hello.py").click()
    expect(page.get_by_text("Nothing here.")).to_be_visible()
    assert "state=failed" in page.url
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 1)

    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_role("link", name="Import a list").click()
    world.github.add_user("mona")
    lines = b"login,tags\nmona,new\nno such login,\n"
    bad = {"name": "people.csv", "mimeType": "text/csv", "buffer": lines}
    page.get_by_label("File", exact=True).set_input_files(bad)  # type: ignore[arg-type]
    page.get_by_role("button", name="Preview import").click()
    page.get_by_role("button", name="Add 1 person").click()
    expect(page.get_by_text("1 person added, 1 row with")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="line 3: '")).to_be_visible()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_keeps_anybody_from_using_the_pages(
    world: World, browser: Browser, axe: str
) -> None:
    scene = _set_scene(world)
    world.github.add_gist("octocat", {"wide.txt": "two wide words " * 20}, description="Two words")
    colours = world.github.add_gist("octocat", COLOURS, description="In many colours")
    world.gitpip.wait_for(
        lambda: world.gitpip.get(f"/gist/{colours}").status_code == 200, "the colours"
    )
    looks: tuple[tuple[Literal["light", "dark"], int, Sequence[str]], ...] = (
        ("light", 1280, RULES),
        ("dark", 1280, RULES_OF_COLOURS),
        ("light", 320, RULES),
        ("dark", 320, RULES_OF_COLOURS),
    )
    page = browser.new_page()
    findings = []
    for path in (
        "/",
        "/?q=two",
        "/people",
        "/people/octocat",
        "/people/octocat/remove",
        "/imports",
        "/people/nobody",
        "/nothing-here",
        "/people?q=nobody",
        "/?q=nothing",
        f"/gist/{colours}",
        f"/gist/{scene.gist_id}",
        f"/gist/{scene.gist_id}/changes/1",
        f"/gist/{scene.gist_id}/changes/1?view=unified",
        "/publications",
        f"/publications/{scene.publication}",
        "/status-page",
        "/setup",
        "/settings/publishing/preview",
        "/checks/1",
        "/docs",
        "/feeds",
        "/settings/publishing",
        "/keys",
        "/audit",
        "/audits",
        "/adoption",
        "/sign-in",
    ):
        page.goto(world.gitpip.url + path)
        for scheme, width, rules in looks:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(ViewportSize(width=width, height=800))
            found = serious_findings(page, axe, rules)
            findings += [f"{path}, {scheme}, {width}: {finding}" for finding in found]
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert findings == []


def _fill_tables(world: World) -> str:
    """Put a row into each table of rules, opt-outs, feed links and keys; return an admin's key."""
    made = world.gitpip.command("keys", "create", "ada-lovelace", "--role", "admin", "--json")
    key: str = json.loads(made.stdout)["key"]
    headers = {"authorization": f"Bearer {key}"}
    rule = {"name": "customers", "action": "skip", "conditions": {"tags": ["customer"]}}
    for path, new in (("publishing/rules", rule), ("opt-outs", {"login": "mona-lisa-octocat"})):
        url = f"{world.gitpip.url}/api/v1/{path}"
        httpx2.post(url, json=new, headers=headers, timeout=60).raise_for_status()
    feed, url = {"name": "Feed reader"}, f"{world.gitpip.url}/feeds"
    httpx2.post(url, data=feed, headers=headers, timeout=60).raise_for_status()
    return key


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_page_scrolls_sideways_with_a_font_twice_as_large(
    world: World, browser: Browser
) -> None:
    _set_scene(world)
    large = browser.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=[*ARGUMENTS, "--blink-settings=defaultFontSize=32"],
    )
    page = large.new_page(viewport=ViewportSize(width=320, height=800))
    page.set_extra_http_headers({"authorization": f"Bearer {_fill_tables(world)}"})
    wide = []
    for path in (
        "/",
        "/people?q=octocat",
        "/people/octocat",
        "/imports",
        "/publications",
        "/setup",
        *TABLES,
    ):
        page.goto(world.gitpip.url + path)
        if path in TABLES:
            assert page.locator(".scroll").count() == TABLES[path]
            wide += [f"a table of {path}"] * page.evaluate(WIDE_TABLES)
        page.evaluate("document.querySelectorAll('main details').forEach(it => it.open = true)")
        shown = page.evaluate("document.documentElement.scrollWidth")
        if shown > 320:
            wide.append(f"{path} is {shown} wide")
    large.close()
    assert wide == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_screen_reader_and_a_keyboard_find_their_way(world: World, browser: Browser) -> None:
    _set_scene(world)
    page = browser.new_page()
    page.goto(world.gitpip.url)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Mark all as read")).to_be_focused()
    expect(page.locator("body")).to_match_aria_snapshot(
        """
        - banner:
          - navigation "Main":
            - link "Inbox 1 unread"
            - link "People"
            - link "CRM sync 1 need attention"
            - link "Status"
          - search "Everything":
            - searchbox "Search people, files and code"
          - group:
            - text: ⋯
        - main:
          - heading "Inbox" [level=1]
          - button "Mark all as read"
          - link "Unread 1"
          - link "Today"
          - link "7 days"
          - link "All"
          - region "Today":
            - heading "Today" [level=2]
            - article:
              - heading /hello.py/ [level=3]
        """
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("scripts", [True, False])
def test_signing_in_reading_and_signing_out(world: World, browser: Browser, scripts: bool) -> None:
    _set_scene(world)
    world.gitpip.command("keys", "create", "ada", "--role", "admin")
    made = world.gitpip.command("keys", "create", "sales", "--role", "viewer", "--json")
    page = browser.new_context(java_script_enabled=scripts).new_page()

    page.goto(f"{world.gitpip.url}/people/octocat")
    page.get_by_label("Access key").fill("gitpip_guessed")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("That key isn't valid")
    page.get_by_label("Access key").fill(json.loads(made.stdout)["key"])
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("octocat")
    expect(page.get_by_role("button", name="Check now")).to_have_count(0)
    page.goto(f"{world.gitpip.url}/keys")
    expect(page.get_by_role("alert")).to_contain_text("You need the admin role.")
    page.goto(world.gitpip.url)
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_text("You're all caught up.")).to_be_visible()
    page.get_by_label("More", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    page.wait_for_url(f"{world.gitpip.url}/sign-in?*")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_line_being_read_keeps_its_place_while_gists_arrive(
    world: World, browser: Browser
) -> None:
    world.github.add_user("octocat")
    long = "".join(f"line {number}\n" for number in range(60))
    world.github.add_gist("octocat", {"read.txt": long})
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat"}, timeout=60)
    world.gitpip.wait_for(
        lambda: "read.txt" in world.gitpip.get("/people/octocat").text, "the first gist"
    )
    page = browser.new_page(viewport=ViewportSize(width=1000, height=500))
    page.goto(f"{world.gitpip.url}/people/octocat")
    being_read = page.get_by_role("link", name="read.txt", exact=True)
    expect(being_read).to_be_visible()
    being_read.evaluate("link => link.scrollIntoView()")
    before = top_of(being_read)

    for number in range(2):
        name = f"new-{number}.txt"
        world.github.add_gist("octocat", {name: long})
        expect(page.get_by_role("link", name=name, exact=True)).to_be_attached()
        assert abs(top_of(being_read) - before) <= 1
    announced = page.get_by_role("status").filter(has_text="above")
    expect(announced).to_be_visible()
    announced.get_by_role("button").click()
    expect(page.get_by_role("link", name="new-1.txt", exact=True)).to_be_in_viewport()

    page.evaluate("getSelection().selectAllChildren(document.querySelector('article pre'))")
    world.github.add_gist("octocat", {"held.txt": long})
    expect(page.get_by_role("status").filter(has_text="text is selected")).to_be_visible()
    expect(page.get_by_role("link", name="held.txt", exact=True)).not_to_be_attached()
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.get_by_role("link", name="held.txt", exact=True)).to_be_attached()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_head_of_a_users_page_is_kept_up_to_date(world: World, browser: Browser) -> None:
    world.github.add_user("octocat")
    world.gitpip.start()
    httpx2.post(f"{world.gitpip.url}/api/v1/users", json={"login": "octocat"}, timeout=60)
    page = browser.new_page()
    page.goto(f"{world.gitpip.url}/people/octocat")
    expect(page.get_by_text("0 gists, 0 files")).to_be_visible()
    page.get_by_role("button", name="Check now").focus()

    world.github.add_gist("octocat", {"a.txt": "a", "b.txt": "b"})

    expect(page.get_by_text("1 gist, 2 files")).to_be_visible()
    expect(page.get_by_role("button", name="Check now")).to_be_focused()
    httpx2.patch(
        f"{world.gitpip.url}/api/v1/users/octocat",
        json={"paused": True, "tags": ["vip"]},
        timeout=60,
    )
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("vip")
