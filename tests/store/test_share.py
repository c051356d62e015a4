"""Those who share connections leave the others enough, and are told when they wait too long."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from gitpip.config import load_settings
from gitpip.errors import DatabaseBusy
from gitpip.store import database as store
from gitpip.store.database import Database, open_database
from tests.web.routes import application

CONNECTIONS = 4
CROWD = 24


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, connections=CONNECTIONS)
    yield database
    await database.close()


class Crowd:
    """Many who read at the same time, each until all are let go."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._end = asyncio.Event()
        self.reading = 0
        self.read = 0

    async def ask(self) -> None:
        async with self._database.read():
            self.reading += 1
            await self._end.wait()
            self.read += 1

    async def until_all_places_are_taken(self, places: int) -> None:
        async with asyncio.timeout(10):
            while self.reading < places:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def let_go(self) -> None:
        self._end.set()


async def test_a_crowd_within_its_share_leaves_connections_to_the_others(
    database: Database,
) -> None:
    crowd = Crowd(database.shared(2))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CROWD):
            tasks.create_task(crowd.ask())
        await crowd.until_all_places_are_taken(2)

        async with asyncio.timeout(5), database.begin():
            assert (crowd.reading, database.pool.in_use) == (2, 3)
        crowd.let_go()

    assert crowd.read == CROWD


async def test_readers_who_use_up_their_share_are_refused_and_probes_are_answered(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SHARE_WAIT", timedelta(milliseconds=50))
    await database.migrate()
    app = application(database, load_settings({"GITPIP_DATA_DIR": str(tmp_path)}, env_file=None))
    crowd = Crowd(app.state.context.database)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        readers = [asyncio.create_task(crowd.ask()) for _ in range(CROWD)]
        await crowd.until_all_places_are_taken(2)
        refused = await client.get("/api/v1/gists")
        page = await client.get("/people", headers={"accept": "text/html"})
        ready = await client.get("/ready")
        crowd.let_go()
        answers = await asyncio.gather(*readers, return_exceptions=True)
        served = await client.get("/api/v1/gists")

    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (503, "database-busy")
    assert refused.headers["retry-after"] == "5"
    assert "all of the 2 connections for them were in use" in problem["detail"]
    assert "try again in a few seconds" in problem["detail"]
    assert (page.status_code, "Too many requests at the same time" in page.text) == (503, True)
    assert (ready.status_code, served.status_code) == (200, 200)
    assert {type(answer) for answer in answers} == {type(None), DatabaseBusy}
