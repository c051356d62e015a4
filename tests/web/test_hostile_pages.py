"""Whatever GitHub's users write, the pages show it as text."""

import re
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx2
import pytest

from gitpip.backfill import Backfill
from gitpip.config import load_settings
from gitpip.config.reload import Credentials
from gitpip.model import Account, GistId, GitHubId, SeenFile, SeenGist
from gitpip.publish.policy import Policies
from gitpip.publish.preview import rendered
from gitpip.runtime.account_lists import AccountLists
from gitpip.runtime.account_targets import AccountTargets
from gitpip.runtime.token_tests import CachedTokenTests
from gitpip.store.database import open_database
from gitpip.store.gists import gists
from gitpip.store.publications import publications
from gitpip.store.users import users
from gitpip.watch.forecast import Forecast
from gitpip.watch.github.graphql import LookedUp
from gitpip.web.app import create_app
from gitpip.web.context import AppContext
from gitpip.web.render.highlight import visible
from gitpip.web.render.links import Links
from tests.web.conftest import Served

ATOM = "{http://www.w3.org/2005/Atom}"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "gpj.\u202eexe",
    "{{ 7 * 7 }}",
    "\x00\x1b[31m",
)
PAGES = (
    "/",
    "/people",
    "/people/ada",
    "/gist/abc",
    "/publications",
    "/publications/1",
    "/gist/abc/changes/1",
    "/?q=ada",
    "/status-page",
    "/setup",
    "/docs",
    "/imports",
    "/people/ada/remove",
)


@pytest.fixture
async def client(tmp_path: Path, migrated_file: Path) -> AsyncIterator[httpx2.AsyncClient]:
    shutil.copy(migrated_file, tmp_path / "gitpip.db")
    settings = load_settings({"GITPIP_DATA_DIR": str(tmp_path)}, env_file=None)
    database = open_database(settings.database_url)

    async def find_account(login: str) -> Account:
        return Account(login, GitHubId(7))

    async def wake(work: str) -> None:
        return None

    async def forecast(login: str, backfill: Backfill) -> Forecast:
        return Forecast(await find_account(login), 1, 1, 1, timedelta(0), timedelta(0))

    async def look_up(logins: Sequence[str]) -> LookedUp:
        return LookedUp({}, frozenset(logins))

    files = tuple(
        SeenFile(name, f"hash{number}", 9, "<b>C</b>", "javascript:1", f"{name}\n" + "x" * 50_000)
        for number, name in enumerate(NAMES)
    )
    gist = SeenGist(
        GistId("abc"), GitHubId(7), "<img src=x>\u202e", "javascript:alert(1)", NOW, NOW, files
    )
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            "ada",
            external_id="<i>1</i>",
            account=Account("ada", GitHubId(7)),
            backfill=Backfill.parse("all"),
            now=NOW,
        )
        new = (await gists.store(transaction, added.user, [gist], check_id=None, now=NOW)).new
        await publications.add(
            transaction,
            added.user.key,
            [publications.NewPublication(file.key, file.gist_id, file.filename) for file in new],
            NOW,
        )
    app = create_app(
        AppContext(
            forecast=forecast,
            look_up=look_up,
            whole_database=database,
            credentials=Credentials(settings),
            find_account=find_account,
            wake=wake,
            scheduler_is_alive=lambda: True,
            preview=partial(
                rendered,
                on_edit=settings.on_edit,
                on_delete=settings.on_delete,
                policies=Policies(),
            ),
            health_problems=list,
            instance_id="here",
            check_settings=AccountLists(lambda: settings).check,
            check_target=AccountTargets(lambda: settings).check,
            search_targets=AccountTargets(lambda: settings).search,
            token_tests=CachedTokenTests(lambda: settings),
        )
    )
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client
    await database.close()


@pytest.mark.parametrize("path", PAGES)
async def test_hostile_texts_are_inert(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 200
    for markup in ("<script>alert", "<img", "<i>1", "<b>C", 'href="javascript', "\u202e", "\x1b"):
        assert markup not in answer.text
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert len(answer.content) < 400_000


async def test_a_download_is_never_a_page(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/gist/abc/raw/1")

    assert answer.text.startswith(NAMES[0])
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_people_get_errors_as_pages(client: httpx2.AsyncClient) -> None:
    page = await client.get("/people/nobody", headers={"accept": "text/html"})
    document = await client.get("/people/nobody")

    assert page.status_code == document.status_code == 404
    assert "<h1>Not tracked</h1>" in page.text
    assert document.headers["content-type"] == "application/problem+json"


async def test_a_page_is_marked_as_read_and_that_is_undone(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/")).text
    shown = re.findall('name="shown"\\s+value="([^"]+)"', page)
    assert len(shown) == page.count(" data-item>") == 1
    marked = await client.post("/seen", data={"page": "1", "shown": shown}, follow_redirects=True)
    undo = re.search("/seen/[0-9]+/undo", marked.text)
    assert undo
    undone = await client.post(undo[0], follow_redirects=True)
    wrong = await client.post("/seen", data={"gist": "1:x"})

    assert "Marked 1 gist as read." in marked.text
    assert " data-item>" not in marked.text
    assert undone.text.count(" data-item>") == len(shown)
    assert wrong.status_code == 422


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://gist.github.com/ada/1", True),
        ("javascript:alert(1)", False),
        ("http://gist.github.com/ada/1", False),
        ("https://gist.github.com.evil.example/", False),
        ("https://gist.github.com@evil.example/", False),
        ("https://[bad", False),
    ],
)
def test_only_github_is_linked(url: str, safe: bool) -> None:
    assert (Links().gist(url) == url) is safe


def test_an_enterprise_server_is_linked_where_it_is_set() -> None:
    links = Links(enterprise="https://git.example")

    assert links.gist("https://git.example/gist/1") == "https://git.example/gist/1"
    assert links.gist("https://gist.git.example/1") == "https://gist.git.example/1"
    assert links.gist("https://other.example/1") is None
    assert links.user("ada") == "https://git.example/gist/ada"


async def test_hostile_texts_are_text_in_feeds(client: httpx2.AsyncClient) -> None:
    atom = ET.fromstring((await client.get("/feed.atom")).content)  # noqa: S314 (our own)
    items = (await client.get("/feed.json")).json()["items"]

    contents = [entry.findtext(f"{ATOM}content") for entry in atom.findall(f"{ATOM}entry")]
    assert len(contents) == len(items) == len(NAMES)
    assert contents == [item["content_html"] for item in items]
    for item in items:
        assert set(re.findall("<(.*?)>", item["content_html"])) <= {"p", "/p", "pre", "/pre"}
        assert len(item["content_html"]) < 21_000
        assert not {"\u202e", "\x1b", "\x00"} & set(item["content_html"] + item["title"])


def test_a_gist_of_many_large_files_makes_no_huge_page(served: Served) -> None:
    served.track("ada", {f"{number}.txt": "word by word\n" * 8_000 for number in range(30)})
    gist_id = served.gitpip.get("/api/v1/users/ada/gists").json()["items"][0]["id"]

    page = served.gitpip.get(f"/gist/{gist_id}").text

    assert len(page) < 2_000_000
    assert page.count("File shortened. Open Raw for the full file.") == 30


def test_pictures_joined_to_one_stay_one_and_joined_letters_are_told() -> None:
    programmer = "\N{MAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}"

    assert visible(f"{programmer} dotfiles") == f"{programmer} dotfiles"
    assert visible("ad\N{ZERO WIDTH JOINER}min") == "ad[U+200D]min"
