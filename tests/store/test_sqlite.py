"""A transaction on SQLite that is cancelled leaves nothing behind, however often it is."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from gitpip.store.database import Database, open_database


async def write(database: Database) -> None:
    async with database.begin() as transaction:
        for _ in range(2):
            await transaction.execute(text("INSERT INTO numbers VALUES (1)"))


async def some_rounds(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("between", range(4))
async def test_a_writer_that_is_cancelled_twice_keeps_nobody_waiting(
    tmp_path: Path, between: int
) -> None:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3")
    async with database.begin() as transaction:
        await transaction.execute(text("CREATE TABLE numbers (number INTEGER)"))
    for before in range(30):
        writing = asyncio.create_task(write(database))
        await some_rounds(before)
        writing.cancel()
        await some_rounds(between)
        writing.cancel()
        await asyncio.wait([writing], timeout=60)
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            _, left = await asyncio.wait(left, timeout=60)
        assert not left
        async with asyncio.timeout(60):
            await write(database)
    await database.close()
