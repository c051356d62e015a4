"""The preview of templates: sample gists and stored ones, by API and page; nothing is stored."""

import hashlib
import html
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from gitpip.backfill import Backfill
from gitpip.clock import utc_now
from gitpip.config import load_settings
from gitpip.model import Account, GistId, GitHubId, SeenFile, SeenGist
from gitpip.store.database import open_database
from gitpip.store.gists import gists
from gitpip.store.publications import publishing_settings
from gitpip.store.users import users
from gitpip.templates.samples import SAMPLES
from tests.web.routes import application

GIST = GistId("abc0123456789abc0123")
LONG = "&" * 200_000
API = "/api/v1/publishing/preview"
PAGE = "/settings/publishing/preview"


@pytest.fixture
async def client(database_url: str, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks the application, where ada has two files and the stored templates are her own."""
    database = open_database(database_url)
    await database.migrate()
    now = utc_now()
    seen = {"one <b>.py": "x = 1\n", "long.txt": LONG}
    files = [
        SeenFile(
            name,
            hashlib.sha256(content.encode()).hexdigest()[:40],
            len(content),
            None,
            f"https://gist.example/raw/{name}",
            content,
        )
        for name, content in seen.items()
    ]
    gist = SeenGist(GIST, GitHubId(1), None, "https://gist.example/1", now, now, tuple(files))
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            "ada",
            external_id="customer-7",
            account=Account("ada", GitHubId(1)),
            backfill=Backfill.parse("none"),
            now=now,
        )
        await gists.store(transaction, added.user, [gist], check_id=None, now=now)
        await publishing_settings.change(
            transaction, {"subject_template": "stored: {{ file.name }}"}, by="a test", now=now
        )
    settings = load_settings({"GITPIP_DATA_DIR": str(tmp_path)}, env_file=None)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=application(database, settings)),
        base_url="http://127.0.0.1",
        headers={"Origin": "http://127.0.0.1"},
    ) as client:
        yield client
    await database.close()


async def test_what_the_api_shows(client: httpx2.AsyncClient) -> None:
    samples = (await client.post(API, json={})).json()
    assert [one["of"] for one in samples] == [sample.name for sample in SAMPLES]
    assert samples[0]["subject"].startswith("stored: greeting.py · octocat [gp-")
    wanted = {
        "subject_template": "{{ user.external_id }}",
        "note_template": "{{ gist.files|join }}{{ content }}",
    }
    for of in (GIST, "ada"):
        found = (await client.post(API, json={**wanted, "of": of})).json()
        assert {one["filename"]: one["is_cut"] for one in found} == {
            "one <b>.py": False,
            "long.txt": True,
        }
        assert {one["subject"].partition(" [")[0] for one in found} == {"customer-7 · ada"}
        assert all(one["note"].startswith("one &lt;b&gt;.py, long.txt<pre>") for one in found)
    assert len((await client.post(API, json={"of": "ada", "limit": 1})).json()) == 1
    again = (await client.post(API, json={"of": GIST})).json()
    assert again[0]["subject"].startswith("stored: "), "trying stores nothing"


async def test_files_of_a_gist_are_shown_as_one_activity(client: httpx2.AsyncClient) -> None:
    wanted = {"subject_template": "{{ activity.files|join }}", "activity_per": "gist"}
    samples = (await client.post(API, json=wanted)).json()
    assert samples[0]["of"] == "a gist with 3 files"
    assert " (+2 files) · octocat [gp-" in samples[0]["subject"]
    for of in (GIST, "ada"):
        [found] = (await client.post(API, json={**wanted, "of": of})).json()
        assert found["subject"].startswith("one <b>.py, long.txt (+1 file) · ada [gp-")
        assert "<b>one &lt;b&gt;.py</b>" in found["note"]
        assert "<b>long.txt</b>" in found["note"]
        assert (found["is_cut"], found["filename"]) == (True, "one <b>.py")
    form = {"of": "ada", "per": "gist"}
    page = html.unescape((await client.post(PAGE, data=form)).text)
    assert "(+1 file) · ada [gp-" in page
    assert "<option selected>gist</option>" in page
    assert "<option selected>file</option>" in (await client.get(PAGE)).text


async def test_what_the_page_shows(client: httpx2.AsyncClient) -> None:
    page = await client.get(PAGE)
    assert page.status_code == 200
    assert "stored: {{ file.name }}</textarea>" in page.text
    assert f"{SAMPLES[0].name}</bdi>" in page.text
    form = {"subject_template": "tried", "note_template": "<b>x</b>{{ content }}", "of": "ada"}
    tried = await client.post(PAGE, data=form)
    assert tried.status_code == 200
    text = html.unescape(tried.text)
    assert "tried · ada [gp-" in text
    assert "<b>x</b><pre>x = 1" in text
    assert "Showing the first 5,000 characters. The note was shortened to fit" in text
    assert len(tried.text) < 100_000


NO_VARIABLE = "line 2: there is no variable nothing"
WRONG: list[tuple[dict[str, str], int, str, str]] = [
    ({"note_template": "x\n{{ nothing }}"}, 422, NO_VARIABLE, f"Note: {NO_VARIABLE}"),
    ({"of": "nobody"}, 404, "nobody is not tracked", "You don't track nobody yet."),
    ({"of": "ada"}, 404, "ada is not tracked", "You don't track ada yet."),
    ({"of": GIST}, 404, f"stored no gist {GIST}", f"stored no gist {GIST}"),
]
"""A body, the status and the words of its answer, and the words on the page."""


async def test_what_can_not_be_shown(client: httpx2.AsyncClient, database_url: str) -> None:
    assert (await client.post(API, json={"of": GIST})).status_code == 200
    database = open_database(database_url)
    async with database.begin() as transaction:
        ada = await users.find(transaction, "ada")
        await users.remove(transaction, ada.key, utc_now())
    await database.close()
    for body, status, says, told in WRONG:
        answer = await client.post(API, json=body)
        assert answer.status_code == status
        assert says in answer.text
        page = await client.post(PAGE, data=body)
        assert page.status_code == 422
        assert told in html.unescape(page.text)
