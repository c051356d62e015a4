"""Callers who may only read change nothing of others, and cost nothing: neither do GET requests."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from tests.web.conftest import Served, serving
from tests.web.test_access import NEEDED, PATHS

ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
COOKIE = "c0ffee00" * 4
VIEWERS = ["key:ada", "key:gitpip_admin_key", f"browser:{COOKIE}", "some-program"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gitpip")
    database = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    # Without the feed nothing goes on in the background.
    settings = {
        "GITPIP_ALLOW_ANONYMOUS": "read",
        "GITPIP_ADMIN_KEY": ADMIN_KEY,
        "GITPIP_FEED": "off",
    }
    with serving(folder, database, **settings) as served:
        url = served.gitpip.url
        served.github.add_user("mona")
        served.github.add_gist("mona", {"a.py": "print(1)"})
        assert httpx2.post(f"{url}/users/mona/1", headers=ADMIN).status_code == 201
        served.gitpip.wait_for(
            lambda: httpx2.get(f"{url}/api/v1/publications?state=published").json()["total"] == 1,
            "a published file",
        )
        yield served


@pytest.mark.parametrize("viewer", VIEWERS)
def test_an_anonymous_reader_visits_in_no_other_name(served: Served, viewer: str) -> None:
    url = f"{served.gitpip.url}/api/v1/users/mona"
    before = _rows(served.gitpip.folder)

    written = httpx2.post(f"{url}/visits", params={"viewer": viewer})
    read = httpx2.get(f"{url}/gists", params={"viewer": viewer, "since": "visit"})

    for answer in (written, read):
        assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")
        assert "need a key with the role operator; you have none" in answer.json()["detail"]
    assert _rows(served.gitpip.folder) == before
    named = httpx2.get(f"{url}/gists", params={"viewer": viewer, "since": "visit"}, headers=ADMIN)
    assert named.json()["total"] == 1


def test_an_anonymous_reader_spends_nothing_at_github(served: Served) -> None:
    url = f"{served.gitpip.url}/api/v1/forecast"
    before = _asked(served)

    assert httpx2.get(url, params={"login": "mona"}).status_code == 403
    assert httpx2.get(url, params={"login": "mona"}, headers=ADMIN).status_code == 405
    refused = httpx2.post(url, json={"login": "mona"})
    assert (refused.status_code, refused.json()["code"]) == (403, "role-missing")
    elsewhere = {**ADMIN, "sec-fetch-site": "cross-site"}
    assert httpx2.post(url, json={"login": "mona"}, headers=elsewhere).status_code == 403
    page = httpx2.post(f"{served.gitpip.url}/people", data={"login": "mona", "forecast": "1"})
    assert page.status_code == 403
    assert _asked(served) == before


@pytest.mark.parametrize("route", [route for route in NEEDED if route.startswith("GET ")])
def test_no_get_changes_anything_or_asks_a_vendor(served: Served, route: str) -> None:
    known = {"nobody": "mona", "abc": _a_gist(served)}
    path = PATHS[route] or route.removeprefix("GET ")
    for example, real in known.items():
        path = re.sub(rf"(?<=[/=]){example}\b", real, path)
    rows, asked = _rows(served.gitpip.folder), _asked(served)

    for headers in ({**ADMIN, "sec-fetch-site": "cross-site"}, {"accept": "text/html"}):
        answer = httpx2.get(served.gitpip.url + path, headers=headers)
        assert answer.status_code < 500

    assert _rows(served.gitpip.folder) == rows
    assert _asked(served) == asked


def test_the_cookies_of_browsers_are_shown_to_nobody(served: Served) -> None:
    url = served.gitpip.url
    marked = httpx2.post(f"{url}/seen", data={"everything": "1"}, cookies={"gitpip_viewer": COOKIE})
    assert marked.status_code == 303

    for headers in ({}, ADMIN):
        listed = httpx2.get(f"{url}/api/v1/users/mona/visits", headers=headers).json()
        one = httpx2.get(f"{url}/api/v1/visits/{listed[0]['id']}", headers=headers).json()
        assert re.fullmatch("browser:[0-9a-f]{12}", one["viewer"])
        assert one["viewer"] in [visit["viewer"] for visit in listed]
        assert COOKIE[:12] not in json.dumps([listed, one])


def test_the_original_records_visits_without_a_key(served: Served) -> None:
    assert len(httpx2.post(f"{served.gitpip.url}/latestgists/mona").json()) == 1
    assert httpx2.post(f"{served.gitpip.url}/latestgists/mona").json() == []
    own = httpx2.post(f"{served.gitpip.url}/api/v1/users/mona/visits")
    assert (own.status_code, own.json()["viewer"]) == (201, "everyone")


def _a_gist(served: Served) -> str:
    found: str = httpx2.get(f"{served.gitpip.url}/api/v1/gists").json()["items"][0]["id"]
    return found


def _asked(served: Served) -> list[str]:
    """Which requests arrived at the vendors, except the readings of GitHub's public feed."""
    vendors = (served.github, served.pipedrive)
    made = [request for vendor in vendors for request in vendor.journal.requests]
    return [f"{each.method} {each.path}" for each in made if each.path != "/gists/public"]


def _rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """What callers can change."""
    tables = ("users", "visits", "home_visits", "publications", "checks", "imports", "sessions")
    with closing(sqlite3.connect(folder / "gitpip.sqlite3")) as database:
        return {
            table: database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for table in (*tables, "feed_addresses", "audit", "access_keys")
        }
