"""Requests of one caller are answered a few at a time, in turn with those of others."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from gitpip.config import load_settings
from gitpip.store.database import open_database
from gitpip.web.auth.turns import MAX_CONCURRENT
from tests.web.routes import application

GREEDY, READER = {"cookie": "a=greedy"}, {"cookie": "a=reader"}
CROWD = 10 * MAX_CONCURRENT


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v1/gists"), ("POST", "/latestgists/nobody")]
)
async def test_one_who_asks_much_is_answered_a_few_times_before_another(
    database_url: str, tmp_path: Path, method: str, path: str
) -> None:
    database = open_database(database_url)
    await database.migrate()
    app = application(database, load_settings({"GITPIP_DATA_DIR": str(tmp_path)}, env_file=None))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        crowd = [
            asyncio.create_task(client.request(method, path, headers=GREEDY)) for _ in range(CROWD)
        ]
        await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
        answer = await client.get("/api/v1/gists", headers=READER)
        before = sum(task.done() for task in crowd)
        answers = await asyncio.gather(*crowd)
    await database.close()

    assert answer.status_code == 200
    assert before <= CROWD // 2
    assert {each.status_code for each in answers} == {200 if method == "GET" else 404}
