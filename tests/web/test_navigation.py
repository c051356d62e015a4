"""The navigation counts what is unread and what needs attention, and leads to every page."""

import json
import re
from collections.abc import Iterator
from html import unescape

import httpx2
import pytest

from tests.support.pages import on_one_line
from tests.web.conftest import Served

MORE = [
    *("Feeds", "Rules", "CRM audits", "Capacity", "Import", "Set up"),
    *("Settings", "Access keys", "Audit log", "API docs"),
]


@pytest.fixture
def reader(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=served.gitpip.url,
        follow_redirects=True,
        headers={"accept": "text/html"},
        timeout=20,
    ) as client:
        yield client


def links(page: str) -> list[str]:
    """The links of the header, as they are read aloud."""
    header = page[: page.index("</header>")]
    found = re.findall(r"<a href[^>]*>(.*?)</a>", on_one_line(header))
    return [" ".join(re.sub("<[^>]+>", "", link).split()) for link in found if "gitpip" not in link]


def test_what_is_unread_and_what_needs_attention_is_counted(
    served: Served, reader: httpx2.Client
) -> None:
    assert links(reader.get("/").text)[:4] == ["Inbox", "People", "CRM sync", "Status"]
    served.gitpip.command("publishing", "settings", "set", "publishing_mode=ask")
    served.track("ada", {"a.txt": "a"}, {"b.txt": "b", "c.txt": "c"})

    for path in ("/", "/people", "/feeds", "/people/nobody"):
        page = reader.get(path).text
        assert links(page)[0] == "Inbox 2 unread", path
        assert ("<title>(2) " in page) is (path == "/")
    served.gitpip.wait_for(
        lambda: "CRM sync 3 need attention" in links(reader.get("/").text), "what is held"
    )

    served.gitpip.command("publishing", "pause", "--for", "1h")
    served.gitpip.wait_for(
        lambda: "Sync is paused by" in on_one_line(reader.get("/").text), "the pause"
    )
    assert "queued for Pipedrive" not in on_one_line(reader.get("/").text)

    reader.post("/seen", data={"everything": "1"})
    page = reader.get("/").text
    assert links(page)[0] == "Inbox"
    assert "<title>(" not in page


def test_the_changes_of_a_file_lead_back_to_where_the_reader_came_from(
    served: Served, reader: httpx2.Client
) -> None:
    served.track("ada", {"a.txt": "first words\n"})
    [file] = served.gitpip.get("/api/v1/users/ada/gists").json()["items"]
    gist = file["id"]
    served.github.edit_gist(gist, {"a.txt": "second words\n"})
    assert served.gitpip.post("/api/v1/checks").status_code == 202
    changes = served.gitpip.wait_for(
        lambda: re.findall('href="(/gist/[^"]+/changes/[^"]+)"', reader.get("/?show=all").text),
        "the edit",
    )[0]

    def opened(address: str, came_from: str) -> str:
        referer = {"referer": served.gitpip.url + came_from}
        return on_one_line(reader.get(address, headers=referer).text)

    def way(page: str, words: str) -> str:
        return unescape(re.findall(f'href="([^"]+)"[^>]*>{words}', page)[0])

    for came_from, words, section in (
        ("/people/ada?show=edited", "Back to ada", "People"),
        ("/publications?login=ada", "Back to CRM sync", "CRM sync"),
        ("/?show=all&tag=x", "Back to inbox", "Inbox"),
    ):
        page = opened(changes, came_from)
        compared = opened(f"{changes}{way(page, 'One column')}", changes)
        whole = opened(way(compared, "View full gist"), changes)
        by_gist = opened(way(opened(f"/gist/{gist}", came_from), "View changes"), f"/gist/{gist}")
        for shown in (page, compared, whole, by_gist):
            assert way(shown, words).split("#")[0] == came_from
            assert re.search(f'aria-current="true">{section}', shown)
    elsewhere = opened(f"{changes}?back=//elsewhere.example/", changes)
    assert way(elsewhere, "Back to inbox").split("#")[0] == "/"
    assert "elsewhere.example" not in elsewhere


def test_the_menu_leads_to_what_the_reader_may_open(served: Served, reader: httpx2.Client) -> None:
    at_home, undo = (reader.get(path).text for path in ("/keys", "/undo"))
    made = served.gitpip.command("keys", "create", "root", "--role", "admin", "--json")
    assert made.returncode == 0
    sales = served.gitpip.command("keys", "create", "sales", "--role", "viewer", "--json")
    form = {"key": json.loads(sales.stdout)["key"]}
    signed_in = reader.post("/sign-in", data=form, headers={"origin": served.gitpip.url}).text

    assert "Choose what to undo" in undo
    assert links(at_home)[4:] == MORE
    assert 'href="/keys" aria-current="page"' in at_home
    assert links(signed_in)[4:] == [*MORE[:3], "API docs"]
    refused = reader.get("/keys")
    assert refused.status_code == 403
    assert ">You need the admin role." in on_one_line(refused.text)
    assert links(refused.text)[4:] == links(signed_in)[4:]
    paths = re.findall('<a href="(/[^"]*)"', signed_in[: signed_in.index("</header>")])
    assert [path for path in paths if not reader.get(path).is_success] == []
