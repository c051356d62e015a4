"""Feeds: what readers get, when they get it again, and that nothing in it can do harm."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import pytest

from tests.web.conftest import Served

ATOM = "{http://www.w3.org/2005/Atom}"


def _atom(served: Served, query: str = "") -> ET.Element:
    answer = served.gitpip.get(f"/feed.atom{query}")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    return ET.fromstring(answer.content)  # noqa: S314 (our own)


def _json(served: Served, query: str = "") -> dict[str, Any]:
    answer = served.gitpip.get(f"/feed.json{query}")
    assert answer.headers["content-type"] == "application/feed+json; charset=utf-8"
    document: dict[str, Any] = json.loads(answer.content)
    return document


def test_feeds_hold_what_was_found(served_from_any: Served) -> None:
    served = served_from_any
    served.track("ada", {"one.py": "print('<1>')"})
    served.track("bob", {"two.md": "# two"})

    everything = _atom(served)
    of_ada = _json(served, "?user=ada")

    entries = everything.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == ["bob: two.md", "ada: one.py"]
    assert "&lt;1&gt;" in str(entries[1].findtext(f"{ATOM}content"))
    assert entries[1].findtext(f"{ATOM}id") == of_ada["items"][0]["id"]
    assert str(entries[1].findtext(f"{ATOM}id")).startswith("urn:uuid:")
    assert [item["title"] for item in of_ada["items"]] == ["ada: one.py"]
    page = served.gitpip.get(of_ada["items"][0]["url"].removeprefix(served.gitpip.url))
    assert "one.py" in page.text
    assert served.gitpip.get("/feed.atom?user=nobody").status_code == 404
    assert _json(served, "?tag=nothing")["items"] == []


def test_a_reader_that_knows_it_gets_nothing_until_there_is_more(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    for path in ("/feed.atom", "/feed.json?user=ada"):
        first = served.gitpip.get(path)
        known = {"if-none-match": f'"other", W/{first.headers["etag"]}'}
        again = httpx2.get(served.gitpip.url + path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        wrong = {"if-none-match": '"other"'}
        assert httpx2.get(served.gitpip.url + path, headers=wrong).status_code == 200

        served.publish_another("ada", {f"{len(path)}.py": "more"})

        assert httpx2.get(served.gitpip.url + path, headers=known).status_code == 200


def test_a_feed_without_entries_stays_the_same(served: Served) -> None:
    first, second = (served.gitpip.get("/feed.atom") for _ in range(2))

    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]


@pytest.mark.parametrize("value", ["nonsense", "Thu, 01 Jan 2099 00:00:00 GMT", ""])
def test_a_time_hides_nothing_from_a_reader(served_to_all: Served, value: str) -> None:
    """Entries can appear under an earlier time; only the tag tells whether a feed has changed."""
    answer = httpx2.get(
        served_to_all.gitpip.url + "/feed.atom", headers={"if-modified-since": value}
    )
    assert answer.status_code == 200
    assert "last-modified" not in answer.headers


def test_pages_name_their_feeds(served: Served) -> None:
    served.track("ada", {"one.py": "1"})

    assert 'href="/feed.atom"' in served.gitpip.get("/").text
    assert 'href="/feed.atom?user=ada"' in served.gitpip.get("/people/ada").text
    assert 'href="/feed.json?tag=a%26b"' in served.gitpip.get("/?tag=a%26b").text


SECRET_OF_FEED = f"gitpip_feed_{'0123456789ab' * 4}"


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/{}/gists.atom",
        "/feeds//{}",
        "/feeds/x{}",
        "/FEEDS/{}/gists.atom",
        "//feeds/{}/",
        "/gist/x{}x",
        "/people/{}/",
        "/x/feeds/{}.atom",
        "/%67itpip{}",
    ],
)
def test_the_secret_of_a_feed_is_masked_wherever_it_stands_in_a_path(
    served_to_all: Served, path: str
) -> None:
    underscores = SECRET_OF_FEED.replace("_", "%255F")
    for secret in (SECRET_OF_FEED, SECRET_OF_FEED[:-4], SECRET_OF_FEED.upper(), underscores):
        answer = served_to_all.gitpip.get(path.format(secret))
        assert answer.status_code in {404, 303, 307}, answer.text
        assert SECRET_OF_FEED[-48:-8] not in served_to_all.gitpip.log_file.read_text().lower()
