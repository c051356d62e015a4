"""Several replicas on one database."""

from collections.abc import AsyncIterator

import pytest

from gitpip.store.database import Database, open_database


@pytest.fixture
async def databases(database_url: str) -> AsyncIterator[list[Database]]:
    """The same database, opened by several replicas."""
    opened = [open_database(database_url) for _ in range(3)]
    await opened[0].migrate()
    yield opened
    for database in opened:
        await database.close()
