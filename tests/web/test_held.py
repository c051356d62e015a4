"""What is held is shown by every door, and each door gives the same answer."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from gitpip.backfill import Backfill
from gitpip.config import load_settings
from gitpip.model import GistId, PublicationState
from gitpip.modes import HeldBecause
from gitpip.store.database import Database, open_database
from gitpip.store.gists import gists
from gitpip.store.publications import publications
from gitpip.store.schema import publications as rows
from gitpip.store.users import users
from gitpip.web.context import AppContext
from tests.support.pages import on_one_line
from tests.support.rows import gist_of_one_file
from tests.support.running import Installation
from tests.web.conftest import Served, serving
from tests.web.routes import application

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PENDING, HELD, SKIPPED = PublicationState.PENDING, PublicationState.HELD, PublicationState.SKIPPED

NONE_LEFT = {"for_credentials": 0}


@dataclass
class Shown:
    """The application over a database, asked without a socket; it notes what it wakes."""

    database: Database
    client: httpx2.AsyncClient
    woken: list[str] = field(default_factory=list)

    async def hold(self, login: str, number: int) -> None:
        """A tracked user with so many held gists of one file each."""
        async with self.database.begin() as transaction:
            user = (
                await users.add(
                    transaction,
                    login,
                    external_id=login,
                    account=None,
                    backfill=Backfill.parse("all"),
                    now=NOW,
                )
            ).user
            found = [
                gist_of_one_file(
                    GistId(f"{login}{index:020}"), index, NOW - timedelta(days=100 - index)
                )
                for index in range(number)
            ]
            stored = await gists.store(transaction, user, found, check_id=None, now=NOW)
            new = [
                publications.NewPublication(
                    file.key, file.gist_id, file.filename, held_because="a flood"
                )
                for file in stored.new
            ]
            await publications.add(transaction, user.key, new, NOW)

    async def states(self, login: str) -> dict[PublicationState, int]:
        async with self.database.read() as transaction:
            user = await users.find(transaction, login)
            return await publications.count(transaction, [user.key])

    async def decide(self, login: str, **answer: object) -> httpx2.Response:
        return await self.client.post(f"/api/v1/users/{login}/held", json=answer)

    async def post(self, path: str, **form: str) -> httpx2.Response:
        return await self.client.post(path, data=form, headers={"origin": "http://127.0.0.1"})


@pytest.fixture
async def shown(database_url: str, tmp_path: Path) -> AsyncIterator[Shown]:
    database = open_database(database_url)
    await database.migrate()
    settings = load_settings({"GITPIP_DATA_DIR": str(tmp_path)}, env_file=None)
    app: FastAPI = application(database, settings)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", timeout=60
    ) as client:
        shown = Shown(database, client)

        async def wake(work: str) -> None:
            shown.woken.append(work)

        context: AppContext = app.state.context
        app.state.context = replace(context, wake=wake)
        yield shown
    await database.close()


async def test_the_api_lists_what_is_held_and_takes_the_answer_once(shown: Shown) -> None:
    await shown.hold("ada", 5)
    await shown.hold("bob", 2)
    listed = (await shown.client.get("/api/v1/held")).json()
    assert [(one["login"], one["files"], one["gists"]) for one in listed] == [
        ("ada", 5, 5),
        ("bob", 2, 2),
    ]
    status = (await shown.client.get("/status")).json()
    assert status["publications"]["held"] == 7
    assert [p["count"] for p in status["problems"] if p["kind"] == "publications-held"] == [7]
    assert not status["all_good"]
    assert 'gitpip_publications{state="held"} 7.0' in (await shown.client.get("/metrics")).text

    answer = await shown.decide("ada", approve="latest:2", shown=5)

    assert answer.json() == {"login": "ada", "published": 2, "skipped": 3} | NONE_LEFT
    assert shown.woken == ["publish"]
    assert await shown.states("ada") == {PENDING: 2, SKIPPED: 3}
    again = await shown.decide("ada", approve="all")
    assert again.json() == {"login": "ada", "published": 0, "skipped": 0} | NONE_LEFT
    assert shown.woken == ["publish"]
    assert await shown.states("ada") == {PENDING: 2, SKIPPED: 3}
    assert await shown.states("bob") == {HELD: 2}
    audit = (await shown.client.get("/api/v1/audit")).json()["items"]
    assert [(entry["via"], entry["action"], entry["subject"]) for entry in audit] == [
        ("api", "held.decided", "ada: latest:2, 2 files to send, 3 skipped")
    ]


async def test_a_bad_answer_names_what_is_wrong_and_changes_nothing(shown: Shown) -> None:
    await shown.hold("ada", 3)
    for body, status, words in (
        ({"approve": "since:2026-01-01"}, 422, "must be all, latest:N (1 to 999999) or none"),
        ({"approve": "latest:0"}, 422, "must be all, latest:N"),
        ({"approve": "everything"}, 422, "must be all, latest:N"),
        ({}, 422, "approve"),
        ({"approve": "all", "shown": 2}, 409, "3 files of ada are held now, not 2"),
        ({"approve": "all", "more": 1}, 422, "more"),
    ):
        answer = await shown.decide("ada", **body)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert (await shown.decide("nobody", approve="all")).status_code == 404
    for form in (
        {"approve": "latest", "latest": "many", "shown": "3"},
        {"approve": "latest", "latest": "", "shown": "3"},
        {"approve": "all", "shown": "2"},
        {"approve": "all", "shown": "x"},
        {"shown": "3"},
    ):
        page = await shown.post("/people/ada/held", **form)
        assert page.status_code == 422, page.text
        assert 'id="fault"' in page.text
    assert await shown.states("ada") == {HELD: 3}
    assert shown.woken == []


async def test_both_pages_ask_and_take_the_answer_without_scripts(shown: Shown) -> None:
    await shown.hold("ada", 5)
    await shown.hold("bob", 1)
    for path in ("/people/ada", "/publications"):
        page = on_one_line((await shown.client.get(path)).text)
        assert '<form method="post" action="/people/ada/held"' in page
        assert "Approve all 5 files</button>" in page
    assert "Held files of ada" in (await shown.client.get("/people/ada")).text
    assert 'aria-label="Decide about bob"' in page
    assert ">Held<" in page
    assert 'href="/publications?state=held"' in (await shown.client.get("/status-page")).text

    answer = await shown.post(
        "/people/ada/held", approve="latest", latest="2", shown="5", back="publications"
    )
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/publications?approved=2&skipped=3",
    )
    told = on_one_line((await shown.client.get(answer.headers["location"])).text)
    assert 'role="status">Approved 2 files. Skipped 3 files.<' in told
    answer = await shown.post("/people/bob/held", approve="none", shown="1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people/bob")

    assert await shown.states("ada") == {PENDING: 2, SKIPPED: 3}
    assert await shown.states("bob") == {SKIPPED: 1}
    assert shown.woken == ["publish"]
    assert "Needs attention" not in (await shown.client.get("/publications")).text


async def test_an_answer_for_all_people_counts_gists_of_all_and_says_so_before(
    shown: Shown,
) -> None:
    await shown.hold("ada", 5)
    await shown.hold("bob", 5)
    page = on_one_line((await shown.client.get("/publications?latest=3")).text)
    assert "gists of all people" in page
    assert (
        "If you approve the latest 3 gists of all people, gitpip sends 3 files and skips 7." in page
    )
    assert "Approve 3 files, skip 7</button>" in page
    assert await shown.states("ada") == {HELD: 5}
    answer = await shown.post("/publications/held", approve="latest", latest="3", shown="10")
    told = on_one_line((await shown.client.get(answer.headers["location"])).text)
    assert 'role="status">Approved 3 files. Skipped 7 files.<' in told


async def test_single_files_are_published_or_skipped_on_the_page(shown: Shown) -> None:
    await shown.hold("ada", 3)
    page = (await shown.client.get("/publications?state=held")).text
    first, second, _ = re.findall(
        r'id="retry-(\d+)" class="quiet" aria-label="Approve', on_one_line(page)
    )
    assert (await shown.post(f"/publications/{first}/retry")).status_code == 303
    assert (await shown.client.post(f"/api/v1/publications/{second}/skip")).status_code == 200
    assert await shown.states("ada") == {PENDING: 1, SKIPPED: 1, HELD: 1}
    removal = (await shown.client.get("/people/ada/remove")).text
    assert "2 files that are queued or held will not be sent" in on_one_line(removal)


async def test_the_command_shows_and_decides(
    shown: Shown, database_url: str, tmp_path: Path
) -> None:
    await shown.hold("ada", 5)
    gitpip = Installation(tmp_path, {"GITPIP_DATABASE_URL": database_url})
    assert json.loads(gitpip.command("held", "--json").stdout)[0]["files"] == 5
    assert gitpip.command("held", "--approve", "all").returncode == 2
    wrong = gitpip.command("held", "ada", "--approve", "some")
    assert (wrong.returncode, "must be all, latest:N" in wrong.stderr) == (2, True)
    assert await shown.states("ada") == {HELD: 5}
    done = gitpip.command("held", "ada", "--approve", "latest:2")
    assert done.stdout == "ada: 2 files queued, 3 skipped.\n"
    assert await shown.states("ada") == {PENDING: 2, SKIPPED: 3}


async def test_the_command_lists_what_may_hold_credentials_and_says_that_it_is_left(
    shown: Shown, database_url: str, tmp_path: Path
) -> None:
    await shown.hold("ada", 1)
    await shown.hold("bob", 1)
    for_credentials = {"held_because": HeldBecause.CREDENTIALS, "reason": "looks like a token"}
    async with shown.database.begin() as transaction:
        change = update(rows).where(rows.c.id == 2).values(for_credentials)
        await transaction.execute(change)
    gitpip = Installation(tmp_path, {"GITPIP_DATABASE_URL": database_url})
    ada, bob = json.loads(gitpip.command("held", "--json").stdout)
    assert (ada["files"], ada["because"], ada["credentials"]) == (1, {"flood": 1}, [])
    assert (bob["files"], bob["because"]) == (0, {})
    [leak] = bob["credentials"]
    assert (leak["id"], leak["reason"], leak["since"]) == (2, "looks like a token", bob["since"])
    assert (await shown.client.get("/api/v1/held")).json() == [ada, bob]
    assert (await shown.client.get("/api/v1/held?limit=1")).json() == [ada]

    listed = gitpip.command("held")
    of_ada, of_bob = (line.split("\t") for line in listed.stdout.splitlines())
    assert (of_ada[:2], of_bob[:2]) == (["ada", "1"], ["bob", "2"])
    for words in ("approve ID --credentials mask", "publications skip ID"):
        assert words in listed.stderr

    left = "Left held for credentials: 1 file. Decide about each by its ID: gitpip held\n"
    approved = gitpip.command("publications", "approve", "--user", "bob")
    assert approved.stdout == f"Approved 0 publications.\n{left}"
    decided = gitpip.command("held", "bob", "--approve", "all")
    assert decided.stdout == f"No other held files from bob. Nothing changed.\n{left}"
    everyone = gitpip.command("held", "--everybody", "--approve", "all", "--json")
    assert json.loads(everyone.stdout) == {
        "login": "",
        "published": 1,
        "skipped": 0,
        "for_credentials": 1,
    }
    assert await shown.states("bob") == {HELD: 1}
    assert gitpip.command("publications", "skip", "2").returncode == 0
    assert gitpip.command("held").stderr == "No held files.\n"


def test_a_flood_waits_through_a_restart_and_three_are_sent(
    database_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, database_url, GITPIP_HOLD_ABOVE="10") as served:
        served.track("ada", {"known.py": "1"})
        served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
        for number in range(12):
            served.github.add_gist("ada", {f"{number}.py": str(number)})
        assert served.gitpip.post("/api/v1/checks").status_code == 202
        served.wait_for_files("ada", 13)
        served.gitpip.stop()
        served.gitpip.start()
        served.gitpip.wait_for(lambda: served.gitpip.get("/ready").is_success, "readiness")
        served.github.add_gist("ada", {"later.py": "x"})
        served.gitpip.post("/api/v1/checks")
        served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 2)
        assert _held(served) == 12
        answer = served.api("POST", "/users/ada/held", {"approve": "latest:3"})
        assert answer.json() == {"login": "ada", "published": 3, "skipped": 9} | NONE_LEFT
        served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 5)
        assert _held(served) == 0


def _held(served: Served) -> int:
    counts: dict[str, int] = served.gitpip.get("/status").json()["publications"]
    return counts["held"]
