"""How much the list of all users holds up other requests, with many users, on SQLite.

`python -m benchmarks.long_lists [USERS]` (100,000 unless given) runs the real service, asks for
`GET /users` again and again, and for `/health` all the while. It prints the longest wait for
`/health` with and without that in the same run, their ratio, and how much memory the lists took.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import psutil
from sqlalchemy import update

from benchmarks import crowd
from gitpip.store.database import open_database
from gitpip.store.schema import users
from gitpip_standins import GitHub, Server
from tests.support.running import Installation

LISTS = 5


def main() -> None:
    """Measure and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    github = GitHub()
    with tempfile.TemporaryDirectory() as folder, Server(github.app) as github_server:
        url = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
        asyncio.run(_fill(url, size))
        gitpip = Installation(
            Path(folder),
            {
                "GITPIP_DATA_DIR": folder,
                "GITPIP_DATABASE_URL": url,
                "GITPIP_PORT": "0",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_API_URL": github_server.url,
            },
        )
        gitpip.start()
        try:
            asyncio.run(_measure(gitpip, size))
        finally:
            gitpip.stop()


async def _fill(url: str, size: int) -> None:
    database = open_database(url)
    await database.migrate()
    await crowd.fill(database, size)
    async with database.begin() as transaction:
        later = datetime.now(UTC) + timedelta(days=365)
        await transaction.execute(update(users).values(next_check_at=later))
    await database.close()


async def _measure(gitpip: Installation, size: int) -> None:
    assert gitpip.process
    process = psutil.Process(gitpip.process.pid)
    async with httpx2.AsyncClient(base_url=gitpip.url, timeout=60) as client:
        assert len((await client.get("/users")).json()) == size
        before = process.memory_info().rss
        idle = await _longest_wait(client, asyncio.sleep(5))
        began = time.perf_counter()
        listing = await _longest_wait(client, _list(client))
        each = (time.perf_counter() - began) / LISTS
        grown = process.memory_info().rss - before
    print(f"{size:,} users: GET /users takes {each:.2f} s; memory grew by {grown / 2**20:.1f} MB")
    print(
        f"longest wait for /health: {idle * 1000:.0f} ms idle, {listing * 1000:.0f} ms meanwhile, "
        f"x{listing / idle:.1f}"
    )


async def _list(client: httpx2.AsyncClient) -> None:
    for _ in range(LISTS):
        # Read in pieces, as decoding megabytes here would delay what this process measures.
        async with client.stream("GET", "/users") as answer:
            async for _piece in answer.aiter_raw():
                pass


async def _longest_wait(
    client: httpx2.AsyncClient, meanwhile: Coroutine[object, object, None]
) -> float:
    longest = 0.0
    task = asyncio.create_task(meanwhile)
    while not task.done():
        began = time.perf_counter()
        await client.get("/health")
        longest = max(longest, time.perf_counter() - began)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.005)
    await task
    return longest


if __name__ == "__main__":
    main()
