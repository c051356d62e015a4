"""Whatever is on GitHub stays text: on every page, in feeds, commands and Pipedrive."""

import asyncio
import http.client
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import httpx2
import pytest
from playwright.sync_api import Browser

from tests.journeys.conftest import World
from tests.support import hostile
from tests.support.shared import made_once

ATOM = "{http://www.w3.org/2005/Atom}"
# Neither controls nor what turns text around, shows nothing or is no character reaches anybody.
UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufdd0\ufffe\uffff"
    "\U000e0041]"
)
CRM = re.compile(r"https://example\.pipedrive\.com/(deal|activities)/\d+")
PATIENCE = 10  # seconds of the processor, for one page
SIZE = 3_000_000
COLOURED_ALIKE = (".Python", ".Perl", ".cfm")
"""Contents in these languages are left out in the browser: their pages have the same elements as
those in HTML, as is tried without it, and are the largest."""


class Elements(HTMLParser):
    """Which elements a page has, with which attributes, and where they lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.kinds: set[tuple[str, ...]] = set()
        self.addresses: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kinds.add((tag, *sorted(name for name, _ in attrs)))
        led_to = {"href", "src", "action", "hx-get"}
        self.addresses |= {value or "" for name, value in attrs if name in led_to}


async def _store(database_url: str) -> None:
    await hostile.store(database_url, "harmless", 1, hostile.HARMLESS)
    await hostile.store(database_url, "mallory", 2, hostile.corpus())


@pytest.fixture
def besieged(
    world: World, database_url: str, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> World:
    """A gitpip with one user who is harmless and one who is not."""

    def make(path: Path) -> None:
        shutil.copy(migrated_file, path)
        asyncio.run(_store(f"sqlite+aiosqlite:///{path}"))

    if database_url.startswith("sqlite"):
        # To store 60 MB takes 1.6 s of a processor.
        made = made_once(tmp_path_factory, "besieged.sqlite3", make)
        shutil.copy(made, database_url.removeprefix("sqlite+aiosqlite:///"))
    else:
        asyncio.run(_store(database_url))
    world.gitpip.start()
    # The status page shows meters once the budgets of GitHub and Pipedrive are known.
    world.gitpip.wait_for(lambda: len(world.gitpip.get("/status").json()["budgets"]) > 1, "budgets")
    return world


def _pages_of(world: World, login: str, *, without: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths of all pages on which something of a user stands; `without` ends of filenames."""
    rows = [row for row in _rows(world, "/api/v1/publications") if row["login"] == login]
    rows = [row for row in rows if not str(row["filename"]).endswith(without)]
    assert rows
    yield from ("/", "/people", f"/people/{login}", f"/people/{login}/remove", "/audit")
    yield from ("/status-page", "/publications", "/publications?offset=50", f"/?q={login}")
    for row in rows[30::30]:
        yield f"/people/{login}?before={row['id']}"
        yield f"/?q={login}&before={row['id']}"
    for row in rows:
        # Each file was stored with its publication, so they have the same number.
        gist, number = row["gist_id"], row["id"]
        yield from (f"/gist/{gist}", f"/gist/{gist}/changes/{number}", f"/publications/{number}")


def _shown(page: str) -> str:
    """A page without the values of its fields: these hold what was typed or may be chosen."""
    return re.sub(' value="[^"]*"', "", page)


def _rows(world: World, path: str) -> list[dict[str, object]]:
    answer = httpx2.get(f"{world.gitpip.url}{path}?limit=500", timeout=60)
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def test_no_page_takes_a_text_for_more(besieged: World) -> None:
    with httpx2.Client(base_url=besieged.gitpip.url, timeout=60) as client:
        known = [Elements(client.get(path).text) for path in _pages_of(besieged, "harmless")]
        kinds = set().union(*(page.kinds for page in known))
        kinds.add(("progress", "max", "value"))  # shown while files wait to be sent
        for path in _pages_of(besieged, "mallory"):
            begin = besieged.gitpip.processor_time()
            answer = client.get(path)
            assert besieged.gitpip.processor_time() - begin < PATIENCE, path
            assert answer.status_code == 200, path
            assert len(answer.content) < SIZE, path
            assert not UNWANTED.search(_shown(answer.text)), path
            page = Elements(answer.text)
            assert page.kinds <= kinds, path
            for address in page.addresses:
                own = re.match(r"[?#]|/(?!/)", address)
                github = f"{besieged.github_url}/gist/mallory"
                crm = re.fullmatch(
                    r"https://example\.pipedrive\.com/((deal|activities)/\d+)?", address
                )
                assert own or crm or address == github, (path, address)


def test_feeds_commands_and_downloads_hold_text_alone(besieged: World) -> None:
    gitpip = besieged.gitpip

    atom = gitpip.get("/feed.atom?user=mallory")
    entries = ET.fromstring(atom.content).findall(f"{ATOM}entry")  # noqa: S314 (our own)
    items = gitpip.get("/feed.json?user=mallory").json()["items"]
    contents = [entry.findtext(f"{ATOM}content") or "" for entry in entries]
    assert len(entries) == len(items) == 40
    assert contents == [item["content_html"] for item in items]
    for content in contents:
        assert Elements(content).kinds <= {("p",), ("pre",)}
    assert not UNWANTED.search(atom.text + json.dumps(items, ensure_ascii=False))
    for arguments in (
        ["latest", "mallory", "--no-record"],
        ["users", "list"],
        ["status"],
    ):
        printed = gitpip.command(*arguments)
        assert printed.returncode == 0, printed.stderr
        assert not UNWANTED.search(printed.stdout), arguments
    for row in _rows(besieged, "/api/v1/publications"):
        answer = gitpip.get(f"/gist/{row['gist_id']}/raw/{row['id']}")
        named = answer.headers["content-disposition"]
        assert re.fullmatch(r'attachment; filename="[A-Za-z0-9][A-Za-z0-9._-]*\.txt"', named)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert "set-cookie" not in answer.headers


def test_pipedrive_gets_text_in_a_few_plain_elements(besieged: World) -> None:
    expected = len(hostile.corpus()) + len(hostile.HARMLESS)

    besieged.pipedrive.wait_until(
        lambda: len(besieged.pipedrive.activities) == expected, timeout=120
    )

    for activity in besieged.pipedrive.activities:
        subject, note = str(activity["subject"]), str(activity["note"])
        assert len(subject) <= 255
        # These two join letters, in some alphabets and in pictures.
        assert re.sub("[\u200c\u200d]", "", subject).isprintable()
        assert not UNWANTED.search(subject)
        assert len(note.encode()) <= 100_000
        page = Elements(note)
        assert page.kinds <= {("p",), ("pre",), ("a", "href")}
        assert all(urlsplit(address).scheme in {"http", "https"} for address in page.addresses)


def test_what_is_asked_for_is_text_in_the_answer(world: World) -> None:
    world.gitpip.start()
    for text in hostile.TEXTS.values():
        asked = quote(text[:150].encode(errors="replace"), safe="")
        for path in (
            f"/{asked}",
            f"/people/{asked}",
            f"/gist/{asked}",
            f"/publications/{asked}",
            f"/?q={asked}&language={asked}&since=2026-01-01",
            f"/?state={asked}",
            f"/?since={asked}",
            f"/people?q={asked[:90]}&tag={asked[:40]}",
            f"/publications?state={asked}",
            f"/feed.atom?tag={asked[:40]}",
        ):
            status, cookie, body = _plainly(world, path)
            assert status < 500, path
            assert "pwned" not in cookie
            page = Elements(body)
            assert not {kind[0] for kind in page.kinds} & {"img", "svg", "iframe", "base", "style"}
            assert not any(name.startswith("on") for kind in page.kinds for name in kind[1:])
            assert f">{hostile.SCRIPT}" not in body
            assert not UNWANTED.search(_shown(body)), path


def _plainly(world: World, path: str) -> tuple[int, str, str]:
    """Ask for just this path: other clients tidy it up."""
    address = urlsplit(world.gitpip.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    with closing(connection):
        connection.request("GET", path, headers={"accept": "text/html"})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("set-cookie", ""), answer.read().decode()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_in_a_browser_nothing_runs_and_nothing_is_loaded(besieged: World, browser: Browser) -> None:
    page = browser.new_page()
    happened: list[str] = []
    page.on("dialog", lambda dialog: happened.append(dialog.message))
    page.on("console", lambda message: happened.append(message.text))
    page.on("pageerror", lambda error: happened.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(besieged.gitpip.url) else happened.append(request.url)
        ),
    )
    for path in _pages_of(besieged, "mallory", without=COLOURED_ALIKE):
        page.goto(besieged.gitpip.url + path)
        assert page.evaluate(f"window.{hostile.RAN}") is None, path
    assert happened == []
